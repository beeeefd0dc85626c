"""The page that tries the API, in a real browser under its real content policy."""

import pytest

from checkout.models import Order
from tests.browser import axe
from tests.builders import make_key, make_provider

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def browser(_browser):
    """Contexts of the suite's browser, closed when the test ends."""
    contexts = []

    def page(**options):
        contexts.append(_browser.new_context(**options))
        return contexts[-1].new_page()

    yield page
    for context in contexts:
        context.close()


@pytest.fixture
def key(lab, live_server, settings):
    settings.BASE_URL = live_server.url
    return make_key(make_provider())


@pytest.mark.parametrize(
    "look",
    [{"viewport": {"width": 1280, "height": 900}}, {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"}],
)
def test_a_stranger_creates_reads_and_cancels_an_order_on_the_page(browser, live_server, key, look):
    page = browser(**look)
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: complaints.append(request.url) if live_server.url not in request.url else None)
    page.goto(f"{live_server.url}/docs/")

    page.fill("#key", key)
    page.fill("#createPaymentIntent-amount", "100.00")
    page.click("#createPaymentIntent button[type=submit]")
    page.wait_for_selector("#createPaymentIntent .answer--ok")
    order = Order.objects.get()
    assert '"amount": 100' in page.inner_text("#createPaymentIntent [data-body]")
    assert page.get_attribute("#createPaymentIntent [data-link-to]", "href").endswith(order.token)

    page.click("#getOrder button[type=submit]")
    page.wait_for_selector("#getOrder .answer--ok")
    page.click("#cancelOrder button[type=submit]")
    page.wait_for_selector("#cancelOrder .answer--ok")
    order.refresh_from_db()

    assert order.status == "cancelled"
    assert complaints == []
    assert axe.findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == look["viewport"]["width"]
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_the_curl_line_shows_the_key_only_when_asked_and_is_safe_to_paste(browser, live_server, key):
    page = browser()
    page.goto(f"{live_server.url}/docs/")
    curl = "#createPaymentIntent [data-curl]"
    page.fill("#key", key)
    page.fill("#createPaymentIntent-externalId", 'it\'s $HOME `id` "x"')

    assert key not in page.inner_text(curl)
    assert "$PROVIDER_API_KEY" in page.inner_text(curl)
    page.check("#show-key")
    assert key in page.inner_text(curl)
    assert "'\\''s $HOME `id`" in page.inner_text(curl)


def test_the_merchant_secret_is_hidden_in_the_curl_line_and_no_api_key_goes_with_it(browser, live_server, key):
    page = browser()
    page.goto(f"{live_server.url}/docs/")
    curl = "#startPayment [data-curl]"
    page.fill("#key", key)
    page.fill("#startPayment-merchant_secret", "merchant_test_mine")

    assert r"\"$MERCHANT_SECRET\"" in page.inner_text(curl)
    assert "x-api-key" not in page.inner_text(curl) and "merchant_test_mine" not in page.inner_text(curl)
    page.check("#show-key")
    assert "merchant_test_mine" in page.inner_text(curl)


def test_a_refusal_is_told_in_words(browser, live_server, key):
    page = browser()
    page.goto(f"{live_server.url}/docs/")
    page.click("#createPaymentIntent button[type=submit]")
    page.wait_for_selector("#createPaymentIntent .answer--bad")

    assert "401" in page.inner_text("#createPaymentIntent [data-status]")
    assert "Invalid or inactive API key" in page.inner_text("#createPaymentIntent [data-status]")


def test_without_script_the_page_still_teaches(browser, live_server, key):
    page = browser(java_script_enabled=False)
    page.goto(f"{live_server.url}/docs/")

    assert "curl -i -X POST" in page.inner_text("#createPaymentIntent")
    assert "needs JavaScript" in page.inner_text("main")
