"""The document's four steps: a merchant's backend over HTTP, his buyer in a real browser."""

import re
from urllib.parse import quote

import pytest
import requests

from checkout.models import Order
from tests.api.merchant_secret.selling import make_merchant, make_secret
from tests.browser.conftest import ANDROID, DESKTOP, PHONE
from tests.browser.test_invoices import bank  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

PHONE_OF_A_BUYER = {"viewport": PHONE, "user_agent": ANDROID, "is_mobile": True, "has_touch": True}
MACHINES = pytest.mark.parametrize("machine", [PHONE_OF_A_BUYER, {"viewport": DESKTOP}], ids=["phone", "desktop"])
SCRIPTS = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
DONE = "https://shop.test/done?sale=7&lang=uz"


class Backend:
    """The merchant's server: it knows its secret, its codes, and nothing else."""

    def __init__(self, shop):
        self.shop = shop
        body = {"merchant_secret": make_secret(make_merchant()), "amount": 100_000}
        answer = requests.post(f"{shop}/api/start_payment", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        self.codes = answer.json()

    def address(self, redirect):
        return f"{self.shop}/pay/{self.codes['code']}?redirect={quote(redirect, safe='')}"

    def watch(self):
        return requests.get(f"{self.shop}/watch/{self.codes['watch_code']}", timeout=10).json()


@pytest.fixture
def backend(shop, bank):  # noqa: F811
    return Backend(shop)


def pay_at_payme(page):
    page.get_by_role("button", name=re.compile("^Payme")).click()
    page.locator("button[value=approve]").click()
    page.get_by_role("heading", name="Paid. Thank you!").wait_for()


@MACHINES
@SCRIPTS
def test_the_buyer_pays_and_goes_on_to_the_redirect_and_the_watch_says_completed(machine, script, visit, backend):
    page = visit(script=script, **machine).open(backend.address(DONE))
    assert "Choyxona" in page.inner_text("main") and backend.watch()["status"] == "created"
    pay_at_payme(page)
    page.wait_for_url(DONE, timeout=10_000)

    watched = backend.watch()
    assert (watched["status"], watched["amount"], watched["merchant"]) == ("completed", 100_000, "Choyxona")
    assert watched["completed_at"] >= watched["created_at"]
    assert Order.objects.get().success_url == ""


@SCRIPTS
def test_a_redirect_that_is_not_allowed_is_said_and_the_buyer_stays_where_his_money_is_told(script, visit, backend):
    visitor = visit(script=script)
    page = visitor.context.new_page()
    page.clock.install()
    page.goto(backend.address("https://evil.test/win"))
    page.get_by_text("an address that Choyxona has not allowed").wait_for()
    pay_at_payme(page)
    page.get_by_text("an address that Choyxona has not allowed").wait_for()
    page.clock.run_for(20_000)
    assert page.url.endswith("?returned=1&redirect=-")
    assert page.locator("[data-go]").count() == 0
    assert "evil" not in page.content()

    page.get_by_role("link", name="Where is my money? Step by step").click()
    page.get_by_role("heading", name="Where is my money?").wait_for()
    assert "Payme confirmed that UZS\N{NO-BREAK SPACE}1,000.00 has arrived. The order is paid." in page.inner_text(
        "main"
    )
    page.get_by_role("link", name="Back to the order").click()
    page.get_by_text("an address that Choyxona has not allowed").wait_for()
    assert not [url for url in visitor.foreign if "evil.test" in url]


def test_another_tab_that_waits_follows_the_payment_and_leads_on_too(visit, backend):
    visitor = visit()
    waits, pays = visitor.open(backend.address(DONE)), visitor.open(backend.address(DONE))
    pay_at_payme(pays)
    waits.bring_to_front()
    waits.get_by_role("heading", name="Paid. Thank you!").wait_for()
    waits.wait_for_url(DONE, timeout=10_000)


def test_the_account_of_the_money_follows_the_payment_without_a_reload(visit, shop, backend):
    visitor = visit()
    page = visitor.open(backend.address(DONE))
    token = Order.objects.get().token
    story = visitor.open(f"{shop}/checkout/o/{token}/story")
    story.get_by_role("heading", name="Ready to pay").or_(
        story.get_by_role("heading", name="How would you like to pay?")
    ).wait_for()
    story.evaluate("window.stillHere = true")
    page.bring_to_front()
    pay_at_payme(page)
    story.bring_to_front()
    story.get_by_role("heading", name="Paid. Thank you!").wait_for()
    assert story.evaluate("window.stillHere")
    assert "The order is paid." in story.inner_text("main")
