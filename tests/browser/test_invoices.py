"""A buyer pays an invoice in a real browser: chooses Payme, pays in the Uzum app, keeps the receipt."""

import re

import pytest
import requests

from checkout.models import Order, Payment
from tests.browser.conftest import ANDROID, DESKTOP, PHONE
from tests.browser.test_paying import heading
from tests.pages import invoices
from tests.pages.processors import CREDENTIALS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

PHONE_OF_A_BUYER = {"viewport": PHONE, "user_agent": ANDROID, "is_mobile": True, "has_touch": True}
DESK = {"viewport": DESKTOP}
MACHINES = pytest.mark.parametrize("machine", [PHONE_OF_A_BUYER, DESK], ids=["phone", "desktop"])
SCRIPTS = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture
def bank(shop, lab, processors, settings):
    """All four in the lab; bank(order, outcome) is a buyer who types the number in the Uzum app."""
    settings.PROCESSOR_URLS = {
        **settings.PROCESSOR_URLS,
        **{(slug, "test"): f"{lab.url}/{slug}" for slug in processors},
    }
    for slug in processors:
        address = f"{shop}/api/callbacks/{slug}"
        lab.control(f"/{slug}/accounts", **CREDENTIALS[slug], callback_url=address, name="Osh markazi")

    def types_the_number(order, outcome):
        known = CREDENTIALS["uzum"]["serviceId"]
        wanted = {"order": str(order.pk), "serviceId": known, "outcome": outcome}
        answer = requests.post(f"{lab.url}/_lab/uzum/payments", json=wanted, timeout=10)
        assert answer.status_code < 300, answer.text

    return types_the_number


@MACHINES
@SCRIPTS
def test_the_buyer_chooses_payme_pays_there_and_comes_back_to_the_marketplace(script, machine, visit, shop, bank):
    order = invoices.invoice(invoices.marketplace("payme", "uzum"))
    page = visit(script=script, **machine).open(f"{shop}/checkout/o/{order.token}")
    page.get_by_role("button", name=re.compile("^Payme")).click()
    page.locator("button[value=approve]").click()
    page.get_by_role("heading", name="Paid. Thank you!").wait_for()
    page.wait_for_url("https://bozor.test/orders/7?x=%7Ba%7D", timeout=8_000)
    assert Order.objects.get().status == "paid"


@pytest.mark.parametrize("slug, button", [("click", "^Click"), ("multicard", "^Bank card")])
def test_the_buyer_chooses(slug, button, visit, shop, bank, processors):
    order = invoices.invoice(invoices.marketplace(*processors), items=[invoices.line("Osh", 75_000_00, 20)])
    page = visit(**PHONE_OF_A_BUYER).open(f"{shop}/checkout/o/{order.token}")
    page.get_by_role("button", name=re.compile(button)).click()
    page.locator("button[value=approve]").click()
    page.get_by_role("heading", name="Paid. Thank you!").wait_for()
    assert Payment.objects.get().processor == slug


def test_at_a_desk_the_banks_page_opens_beside_and_this_page_shows_paid(visit, shop, bank):
    order = invoices.invoice(invoices.marketplace("payme", "uzum"))
    page = visit(**DESK).open(f"{shop}/checkout/o/{order.token}")
    page.get_by_role("button", name=re.compile("^Uzum Bank")).click()
    heading(page, "Pay in the Uzum Bank app")
    assert page.get_by_role("img", name="QR code of this payment").is_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the bank’s page").click()
    opened.value.locator("button[value=approve]").click()
    page.bring_to_front()
    heading(page, "Paid. Thank you!")
    assert page.title() == "Paid: UZS\N{NO-BREAK SPACE}1,500,000.00 to Osh markazi"


def test_the_page_follows_the_app_without_a_reload(visit, shop, bank):
    order = invoices.invoice(invoices.marketplace("uzum"), processor="uzum")
    page = visit(**PHONE_OF_A_BUYER).open(f"{shop}/checkout/o/{order.token}")
    heading(page, "Pay in the Uzum Bank app")
    page.evaluate("window.stillHere = true")
    bank(order, "abandon")  # found and reserved, not confirmed
    heading(page, "Confirm the payment in the Uzum Bank app")
    assert "The app has found your order." in page.inner_text("main")
    assert page.evaluate("window.stillHere")


def test_the_number_is_copied_by_one_touch(visit, shop, bank):
    order = invoices.invoice(invoices.marketplace("uzum"), processor="uzum")
    visitor = visit(**PHONE_OF_A_BUYER)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open(f"{shop}/checkout/o/{order.token}")
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == str(order.pk)
    assert page.inner_text("[data-say]") == "Copied"


def test_without_script_the_number_can_be_selected_and_the_page_turns_to_paid_by_itself(visit, shop, bank):
    order = invoices.invoice(invoices.marketplace("uzum"), processor="uzum", return_url="")
    page = visit(script=False, **DESK).open(f"{shop}/checkout/o/{order.token}")
    assert page.get_by_role("button").count() == 0
    page.locator("[data-number]").click()
    assert page.locator("[data-number]").inner_text() == str(order.pk)
    bank(order, "approve")
    page.get_by_role("heading", name="Paid. Thank you!").wait_for(timeout=20_000)


def test_whoever_took_the_wrong_way_chooses_another_and_pays_once(visit, shop, bank):
    order = invoices.invoice(invoices.marketplace("payme", "uzum"))
    page = visit(**DESK).open(f"{shop}/checkout/o/{order.token}")
    page.get_by_role("button", name=re.compile("^Uzum Bank")).click()
    heading(page, "Pay in the Uzum Bank app")
    page.get_by_role("link", name="Choose another").click()
    assert page.get_by_text("The payment you began is cancelled first").is_visible()
    page.get_by_role("button", name=re.compile("^Payme")).click()
    page.locator("button[value=approve]").click()
    page.get_by_role("heading", name="Paid. Thank you!").wait_for()
    tries = set(Payment.objects.values_list("processor", "status"))
    assert tries == {("uzum", "cancelled"), ("payme", "captured")}


def test_the_receipt_opens_from_the_paid_page_and_prints_what_matters(visit, shop, processors, client):
    order = invoices.paid_by_payme(client, processors)
    page = visit(**DESK).open(f"{shop}/checkout/o/{order.token}")
    page.get_by_role("link", name="Receipt").click()
    page.get_by_role("heading", name="Receipt", exact=True).wait_for()
    page.evaluate("window.print = () => { document.title = 'printed' }")
    page.get_by_role("button", name="Print or save").click()
    assert page.title() == "printed"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.get_by_role("img", name="QR code of the fiscal receipt").is_visible()
    assert page.get_by_text("https://ofd.soliq.uz").is_visible()
    assert not page.get_by_role("button", name="Print or save").is_visible()
    assert not page.get_by_role("navigation").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.sheet')).backgroundColor") == "rgb(255, 255, 255)"
