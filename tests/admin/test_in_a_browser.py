"""The theme without eval, under the real content policy: menus, switches, searches and forms do what they should,
and the browser's console stays silent on every screen.
"""

import os
import re

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from providers.models import ApiKey, Approval, Provider
from tests import builders
from tests.admin import selling
from tests.admin.people import PASSWORD, code, make_staff, rested
from webhooks.models import Delivery

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.once]

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def chromium(chromium_path):
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def tab(chromium, live_server):
    """tab(viewport) → a page of a new browser; whatever its console says fails the test at the end."""
    said, contexts = [], []

    def open_one(viewport=DESKTOP, **more):
        context = chromium.new_context(viewport=viewport, base_url=live_server.url, **more)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: said.append((page.url, m.text)) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append((page.url, str(error))))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert said == []


def sign_in(page, user):
    page.goto("/admin/login/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", PASSWORD)
    page.click("button[type=submit]")
    rested(user)
    page.fill("#id_code", code())
    page.click("button[type=submit]")
    page.wait_for_url(re.compile(r"/admin/$"))


def overflows(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_no_screen_breaks_the_content_policy_nor_its_own_width(tab, lab, client):
    root = make_staff("root", is_superuser=True)
    order = builders.make_paid_order(lab, client)
    builders.make_key(order.provider)
    delivery = Delivery.objects.get(order_id=order.pk)
    account = order.provider.accounts.get()
    desk = selling.register(order.provider, name="Choyxona «Samarqand darvozasi» va boshqalar — Payme")
    invoice = selling.pay(client, selling.invoice(order.provider, items=[selling.LINE]), "65f0000000000000000000a1")
    addresses = [
        "/admin/",
        "/admin/security/",
        "/admin/password_change/",
        "/admin/checkout/order/",
        f"/admin/checkout/order/{order.pk}/change/",
        f"/admin/checkout/order/{order.pk}/payments/{order.paid_by_id}/refund/",
        "/admin/checkout/refund/",
        "/admin/checkout/callbackrecord/",
        "/admin/webhooks/delivery/",
        "/admin/webhooks/delivery/?view=pending",
        f"/admin/webhooks/delivery/{delivery.pk}/change/",
        "/admin/providers/provider/",
        "/admin/providers/provider/add/",
        f"/admin/providers/provider/{order.provider_id}/change/",
        f"/admin/providers/provider/{order.provider_id}/keys/new/",
        "/admin/providers/service/",
        "/admin/providers/service/add/",
        "/admin/providers/merchantaccount/",
        f"/admin/providers/merchantaccount/{account.pk}/change/",
        "/admin/businesses/",
        f"/admin/businesses/one/?source={order.provider.slug}&id=biz_42",
        f"/admin/businesses/block/?source={order.provider.slug}&id=biz_42",
        f"/admin/providers/merchantaccount/add/?provider={order.provider_id}&business_id=biz_42",
        f"/admin/providers/merchantaccount/{desk.pk}/change/",
        "/admin/statements/",
        f"/admin/statements/{desk.pk}/",
        f"/admin/statements/{account.pk}/",
        f"/admin/checkout/order/{invoice.pk}/change/",
        "/admin/checkout/order/?business=biz_42",
        "/admin/providers/approval/",
        "/admin/providers/auditentry/",
        "/admin/auth/user/",
        "/admin/auth/user/add/",
        f"/admin/auth/user/{root.pk}/change/",
        f"/admin/auth/user/{root.pk}/password/",
    ]
    for viewport in (DESKTOP, PHONE):
        page = tab(viewport)
        sign_in(page, root)
        for address in addresses:
            answer = page.goto(address)
            assert answer.status == 200, address
            assert "unsafe" not in answer.headers["content-security-policy"], address
            assert overflows(page) <= 0, address


def test_somebody_new_enrols_and_keeps_their_codes(tab, live_server):
    User.objects.create_user("neu", password=PASSWORD, is_staff=True)
    page = tab(PHONE)
    page.goto("/admin/")
    page.fill("#id_username", "neu")
    page.fill("#id_password", PASSWORD)
    page.click("button[type=submit]")
    assert page.locator(".qr-frame svg").bounding_box()["width"] > 150
    page.click("summary")
    secret = page.locator(".secret").inner_text().replace(" ", "")
    page.fill("#id_code", code(secret + "=" * (-len(secret) % 8)))
    page.click("button[type=submit]")
    page.locator(".codes li").last.wait_for()
    assert page.locator(".codes li").count() == 10
    with page.expect_download() as download:
        page.click("text=Download")
    kept = download.value.path().read_text().split()
    assert kept == page.locator(".codes code").all_inner_texts()
    page.click("text=I have kept them")
    page.wait_for_url(re.compile(r"/admin/$"))
    assert page.locator("h1").inner_text() == "Needs attention"


def test_menus_the_theme_switch_the_search_and_the_filters_work_without_eval(tab, lab, client):
    root = make_staff("root", is_superuser=True)
    order = builders.make_paid_order(lab, client)
    page = tab(DESKTOP)
    sign_in(page, root)

    page.click("text=root")  # the person's menu, with the theme switch in it
    dark = "document.documentElement.classList.contains('dark')"
    page.locator("nav:visible >> text=Dark").first.click()
    page.wait_for_function(dark)
    page.reload()
    assert page.evaluate(dark)
    page.keyboard.press("Control+e")
    page.wait_for_function(f"!({dark})")

    page.click("[aria-label='Show or hide the menu'] >> visible=true")
    page.locator("#nav-sidebar").wait_for(state="hidden")
    page.click("[aria-label='Show or hide the menu'] >> visible=true")
    page.locator("#nav-sidebar").wait_for(state="visible")

    page.keyboard.press("Control+k")
    page.locator("#search-input-command:focus").press_sequentially(order.paid_by.processor_ref)
    page.locator(f"#command-results >> text=Order {order.pk}").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/checkout/order/{order.pk}/change/")

    page.goto("/admin/checkout/order/")
    page.locator("a:visible", has_text="Filters").click()
    page.locator("#changelist-filter, #filter-form").first.wait_for(state="visible")
    page.locator("a:visible", has_text="under review").first.click()
    page.wait_for_url("**attention=review**")
    assert str(order.pk) not in page.locator("#content").inner_text()


def test_a_phone_opens_the_menu_with_a_button(tab):
    page = tab(PHONE, has_touch=True, is_mobile=True)
    sign_in(page, make_staff("root", is_superuser=True))
    page.tap("[aria-label='Show or hide the menu'] >> visible=true")
    page.locator("#nav-sidebar >> text=Orders").tap()
    page.wait_for_url("**/admin/checkout/order/")


def test_the_documents_steps_lead_to_a_copied_key(tab):
    page = tab(DESKTOP)
    sign_in(page, make_staff("anna", "admin"))
    page.click("#nav-sidebar >> text=Services")
    page.click("text=Create New Service")
    page.locator("[name=title]").press_sequentially("Premium Credits")
    assert page.input_value("[name=slug]") == "premium-credits"
    page.fill("[name=price]", "5")
    page.click("button[name=_save]")
    page.click("#nav-sidebar >> text='Providers'")
    page.click("text=Create New Provider")
    page.get_by_label("Provider Name").fill("Bitloader")
    page.get_by_label("Linked Service").select_option(label="Premium Credits")
    page.get_by_label("Webhook URL").fill("https://bitloader.com/api/webhooks/dztech")
    page.get_by_label("Success Redirect URL").fill("https://bitloader.com/success?orderId={orderId}")
    page.get_by_label("Cancel Redirect URL").fill("https://bitloader.com/cancelled")
    page.click("button[name=_save]")
    text = page.locator("#once-text").inner_text()
    assert text.startswith("provider_test_")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("button:has-text('Copy')")
    page.locator("text=Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.click("text=I have kept it")
    assert text not in page.content()
    assert ApiKey.objects.get().provider == Provider.objects.get(slug="bitloader")


def test_stuck_webhooks_are_ticked_and_sent_again(tab, lab, client):
    order = builders.make_paid_order(lab, client)
    Delivery.objects.filter(order_id=order.pk).update(state="stuck", is_holding=False, next_attempt_at=None)
    page = tab(DESKTOP)
    sign_in(page, make_staff("clara", "support"))
    page.click("text=Stuck webhooks")
    page.locator("#result_list input.action-select, input.action-select").first.check()
    page.select_option("select[name=action]", "replay_selected")
    page.click("button:visible >> text=Run")
    page.locator("text=1 of 1 will be sent again").wait_for()
    assert Delivery.objects.get(order_id=order.pk).state == "pending"


def test_a_business_is_registered_its_address_copied_and_a_day_taken_away(tab, client):
    provider = selling.make_marketplace(slug="bozor")
    page = tab(DESKTOP)
    sign_in(page, make_staff("anna", "admin"))
    page.click("#nav-sidebar >> text=Businesses")
    page.click("text=Register a business…")
    page.get_by_label("Provider (source)").select_option(label="Bozor")
    page.get_by_label("Business id").fill("biz/42 «A»")
    page.get_by_label("Processor").select_option(label="Payme")
    page.click("text=Continue")
    page.fill("[name=merchantId]", selling.KASSA)
    page.fill("[name=key]", selling.KEY)
    page.click("button:visible >> text=Save")
    page.locator("text=is saved").first.wait_for()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("button:has-text('Copy')").first.click()
    page.locator("text=Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").endswith("/api/callbacks/payme")
    page.click("dd >> text=biz/42 «A»")
    page.locator("#accounts >> text=Payme").first.wait_for()

    selling.pay(client, selling.invoice(provider, business="biz/42 «A»"), "65f0000000000000000000a1")
    page.click("text=Statement of a day >> visible=true >> nth=-1")
    page.locator("#totals >> text=10,000.00").wait_for()
    with page.expect_download() as download:
        page.click("button:has-text('Download CSV')")
    kept = download.value.path().read_text("utf-8-sig").splitlines()
    assert len(kept) == 2 and ",10000.00,UZS," in kept[1]

    page.goto("/admin/checkout/order/")
    page.locator("a:visible", has_text="Filters").click()
    page.locator("#filter-business").fill("biz_nobody")
    page.locator("#changelist-filter button:has-text('Show')").click()
    page.wait_for_url("**business=biz_nobody**")
    page.locator("a:visible", has_text=re.compile(r"^\s*Filters")).click()
    page.locator("#filter-business").fill("biz/42 «A»")
    page.keyboard.press("Enter")
    page.locator("text=order_1").first.wait_for()


def test_two_people_at_two_browsers_send_a_large_refund(tab, lab, client):
    order = builders.make_paid_order(lab, client, amount_minor=500_000)
    boris, rita = tab(DESKTOP), tab(PHONE)
    sign_in(boris, make_staff("boris", "finance"))
    sign_in(rita, make_staff("rita", "finance"))
    boris.goto(f"/admin/checkout/order/{order.pk}/change/")
    boris.click("text=Refund…")
    assert boris.input_value("[name=amount]") == "5000.00"
    boris.fill("[name=reason]", "the buyer asked for it")
    boris.click("button:visible >> text=Refund")
    boris.locator("text=somebody else has to approve it").first.wait_for()
    rita.goto(f"/admin/providers/approval/{Approval.objects.get().pk}/change/")
    rita.click("text=Approve")
    rita.locator("text=Approved and done").wait_for()
    order.refresh_from_db()
    assert (order.status, timezone.is_aware(order.paid_at)) == ("refunded", True)
