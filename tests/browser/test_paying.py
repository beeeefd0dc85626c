"""A buyer pays in a real browser, on a phone and at a desk, with and without script."""

import re

import pytest

from checkout.models import Order, Payment
from tests.browser.conftest import ANDROID, DESKTOP, PHONE
from tests.builders import make_order, make_provider, make_service
from tests.pages import states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

PHONE_OF_A_BUYER = {"viewport": PHONE, "user_agent": ANDROID, "is_mobile": True, "has_touch": True}
DESK = {"viewport": DESKTOP}
MACHINES = pytest.mark.parametrize("machine", [PHONE_OF_A_BUYER, DESK], ids=["phone", "desktop"])
AT_MOST = 30_000  # bytes over the wire for the first view, nothing of it packed


def heading(page, words):
    page.wait_for_function("words => document.querySelector('h1').textContent.includes(words)", arg=words)


def pay_in_a_new_tab(page):
    with page.context.expect_page() as opened:
        page.get_by_role("button", name=re.compile("Pay with Cash App|Try again")).click()
    cash_app = opened.value
    cash_app.wait_for_load_state()
    return cash_app


@MACHINES
def test_pay_opens_cash_app_in_a_new_tab_and_this_page_shows_paid_and_leads_to_the_success_page(
    machine, visit, shop, lab
):
    order = make_order(make_provider())
    visitor = visit(**machine)
    page = visitor.open(f"{shop}/checkout/o/{order.token}")
    assert "$100.00" in page.inner_text("main") and str(order.pk) in page.inner_text("main")

    cash_app = pay_in_a_new_tab(page)
    assert cash_app.url.startswith(f"{lab.url}/stripe/{'authorize' if machine is PHONE_OF_A_BUYER else 'cashapp'}/")
    page.bring_to_front()
    heading(page, "Approve the payment in Cash App")
    cash_app.bring_to_front()
    cash_app.get_by_role("button", name="Approve", exact=True).click()
    cash_app.wait_for_url(f"{shop}/checkout/o/{order.token}?returned=1")

    page.bring_to_front()
    heading(page, "Paid")
    assert page.title() == "Paid: $100.00 to Bitloader"
    assert page.inner_text(".help summary") == "Where is my money?"  # and not "Need help?" as before
    assert page.inner_text("[data-say]") == "Paid. Thank you! You paid $100.00 to Bitloader."
    page.wait_for_url(f"https://bitloader.test/success?orderId={order.pk}", timeout=8_000)
    assert Order.objects.get().status == "paid"


@MACHINES
def test_without_script_the_same_tab_goes_to_cash_app_and_back_and_to_the_success_page(machine, visit, shop, lab):
    order = make_order(make_provider())
    visitor = visit(script=False, **machine)
    page = visitor.open(f"{shop}/checkout/o/{order.token}")
    page.get_by_role("button", name="Pay with Cash App").click()
    page.wait_for_url(f"{lab.url}/**")
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("heading", name="Paid. Thank you!").wait_for()
    page.wait_for_url(f"https://bitloader.test/success?orderId={order.pk}", timeout=8_000)
    assert len(visitor.context.pages) == 1


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_declined_payment_can_be_tried_again_and_paid(script, visit, shop, lab):
    order = make_order(make_provider())
    page = visit(script=script).open(f"{shop}/checkout/o/{order.token}")
    for outcome, words in (("Decline", "The payment did not go through"), ("Approve", "Paid. Thank you!")):
        if script:
            cash_app = pay_in_a_new_tab(page)
        else:
            page.get_by_role("button", name=re.compile("Pay with Cash App|Try again")).click()
            cash_app = page
        cash_app.get_by_role("button", name=outcome, exact=True).click()
        page.bring_to_front()
        page.get_by_role("heading", name=words).wait_for()
        if outcome == "Decline":
            assert "No money was taken." in page.inner_text("main")
            assert "payment_method_customer_decline" not in page.content()
    assert list(Payment.objects.values_list("status", flat=True).order_by("created_at")) == ["declined", "captured"]


def test_a_payment_that_takes_a_while_is_in_progress_first_and_then_paid_without_a_reload(visit, shop, lab):
    lab.control("/settings", settle_seconds=1.5)
    order = make_order(make_provider())
    page = visit().open(f"{shop}/checkout/o/{order.token}")
    cash_app = pay_in_a_new_tab(page)
    cash_app.get_by_role("button", name="Approve, but let it take a while").click()
    page.bring_to_front()
    page.evaluate("window.stillHere = true")
    heading(page, "Your payment is in progress")
    heading(page, "Paid. Thank you!")
    assert page.evaluate("window.stillHere")


def test_a_cancel_is_asked_about_once_and_leads_to_the_cancel_page(visit, shop, lab):
    order = make_order(make_provider())
    page = visit().open(f"{shop}/checkout/o/{order.token}")
    page.get_by_role("link", name="Cancel and go back to Bitloader").click()
    page.get_by_role("link", name="No, go back to the payment").click()
    page.get_by_role("link", name="Cancel and go back to Bitloader").click()
    assert Order.objects.get().status == "created"
    page.get_by_role("button", name="Yes, cancel the order").click()
    page.get_by_role("heading", name="This order was cancelled").wait_for()
    page.wait_for_url("https://bitloader.test/cancelled", timeout=8_000)
    assert Order.objects.get().status == "cancelled"


def test_the_buy_button_leads_from_the_service_page_to_a_paid_order(visit, shop, lab):
    service = make_service(slug="premium-credits")
    provider = make_provider(service=service)
    page = visit(**PHONE_OF_A_BUYER).open(f"{shop}/services/premium-credits")
    page.get_by_label("Quantity").fill("3")
    assert page.inner_text("output") == "$15.00"
    page.get_by_role("button", name="Buy now").click()
    page.get_by_text("Premium Credits × 3").wait_for()
    pay_in_a_new_tab(page).get_by_role("button", name="Approve", exact=True).click()
    page.bring_to_front()
    heading(page, "Paid. Thank you!")
    order = Order.objects.get()
    assert (order.provider, order.amount_minor, order.quantity, order.status) == (provider, 1500, 3, "paid")


def test_who_stays_is_not_sent_away_and_who_comes_back_is_not_sent_away_again(visit, shop, lab, client):
    order = states.paid(lab, client)
    address = f"{shop}/checkout/o/{order.token}"
    page = visit().context.new_page()
    page.clock.install()
    page.goto(address)
    page.clock.run_for(2_000)
    page.get_by_text("You are taken back to Bitloader in 3 seconds.").wait_for()
    page.get_by_role("button", name="Stay on this page").click()
    page.clock.run_for(10_000)
    assert page.url == address
    page.reload()
    page.clock.run_for(10_000)
    assert page.url == address
    page.get_by_role("link", name="Go back now").click()
    page.wait_for_url("https://bitloader.test/success?**")


@pytest.mark.parametrize(
    "lang, words",
    [
        ("ru", "через 3 секунды"),
        ("uz", "3 soniyadan keyin"),
        ("en", "in 3 seconds"),
    ],
)
def test_the_countdown_keeps_to_the_language_of_the_page(lang, words, visit, shop, lab, client):
    order = states.paid(lab, client, lang=lang)
    page = visit().context.new_page()
    page.clock.install()
    page.goto(f"{shop}/checkout/o/{order.token}")
    page.clock.run_for(2_000)
    assert page.inner_text("[data-seconds]") == words


def test_the_landing_page_says_how_the_system_is_and_leads_nobody_to_raw_json(visit, shop, lab):
    visitor = visit()
    page = visitor.open(f"{shop}/")
    pill = page.locator("[data-health]")
    pill.wait_for()
    assert pill.inner_text() in ("All systems work", "Something needs attention", "Not working right now")
    assert page.locator("a[href='/health']").count() == 0
    visitor.complaints = [line for line in visitor.complaints if "503" not in line]


def test_a_double_click_on_pay_opens_one_tab_and_one_payment(visit, shop, lab):
    order = make_order(make_provider())
    visitor = visit()
    page = visitor.open(f"{shop}/checkout/o/{order.token}")
    page.get_by_role("button", name="Pay with Cash App").dblclick()
    heading(page, "Approve the payment in Cash App")
    assert len(visitor.context.pages) == 2
    assert Payment.objects.count() == 1


def test_a_lost_connection_is_said_quietly_and_the_page_goes_on_when_it_is_back(visit, shop, lab, client):
    order = states.waiting(lab, client)
    visitor = visit()
    page = visitor.open(f"{shop}/checkout/o/{order.token}")
    visitor.context.set_offline(True)
    page.get_by_text("No connection right now.").wait_for()
    visitor.complaints.clear()  # the browser's own word about it
    visitor.context.set_offline(False)
    page.get_by_text("No connection right now.").wait_for(state="hidden")
    lab.act(Payment.objects.get().processor_ref, "approve")
    heading(page, "Paid. Thank you!")
    visitor.complaints.clear()


def test_the_keyboard_alone_is_enough_and_the_focus_follows_the_page(visit, shop, lab):
    order = make_order(make_provider())
    page = visit().open(f"{shop}/checkout/o/{order.token}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Pay with Cash App"
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    opened.value.wait_for_load_state()
    page.bring_to_front()
    heading(page, "Approve the payment in Cash App")
    assert page.evaluate("document.activeElement.id") == "what"


def test_the_first_view_of_the_checkout_takes_less_than_30_kb(visit, shop, lab):
    order = make_order(make_provider())
    visitor = visit(**PHONE_OF_A_BUYER)
    page = visitor.context.new_page()
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    sizes = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(f"{shop}/checkout/o/{order.token}", wait_until="networkidle")
    assert len(sizes) >= 3 and sum(sizes) < AT_MOST, sizes
