"""The lab's Razorpay in a real browser: its script above a strict page, its form without any script, the way back."""

import html
import json
import os
import re
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest

from gateway.adapter import AdapterConfig
from gateway.adapters.razorpay import PROCESSOR
from gateway.money import Money
from gateway.simulators.config import Settings
from gateway.simulators.server import serve
from gateway.types import Mode, PaymentRef, PaymentRequest, WidgetRequest

pytestmark = [pytest.mark.once, pytest.mark.browser]

CREDENTIALS = {"keyId": "rzp_test_Browser00000001", "keySecret": "labkeysecret", "webhookSecret": "whk"}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# What a page of ours would do with the widget: nothing inline, nothing from a CDN.
SCRIPT = b"""
const options = JSON.parse(document.getElementById("options").textContent);
options.modal = { ondismiss: () => { document.title = "dismissed"; } };
if (location.search === "?handler") {
  delete options.callback_url;
  options.handler = (fields) => { document.title = fields.razorpay_payment_id; };
}
const checkout = new Razorpay(options);
checkout.on("payment.failed", ({ error }) => {
  document.title = `${error.reason} ${error.metadata.order_id}`;
});
document.getElementById("pay").addEventListener("click", () => checkout.open());
"""


class Shop:
    """A page of ours for one order, under the policy that the widget's sources make; it keeps what is posted back."""

    def __init__(self, adapter):
        self.adapter, self.returned = adapter, []
        self.came = threading.Event()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0]
                if path == "/pay.js":
                    self.answer(SCRIPT, "text/javascript")
                elif path == "/":
                    self.answer(shop.page(), "text/html", policy=shop.policy())
                else:
                    self.answer(b"<title>cancelled</title><p>Nothing was paid.</p>", "text/html")

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                shop.returned.append(dict(parse_qsl(body, keep_blank_values=True)))
                shop.came.set()
                self.answer(b"<title>back</title><p>Welcome back.</p>", "text/html")

            def answer(self, body, kind, policy=""):
                self.send_response(200)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                if policy:
                    self.send_header("Content-Security-Policy", policy)
                    self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.ref = self.open_order()
        request = WidgetRequest("Shop", "Credits", f"{self.url}/return", f"{self.url}/cancelled")
        self.widget = adapter.widget(self.ref, request)

    def open_order(self):
        money, now = Money(50_000, "INR"), datetime.now(UTC)
        request = PaymentRequest(f"payment-{id(self)}", "order-1", money, "Credits", f"{self.url}/return")
        return PaymentRef(request.reference, self.adapter.create_payment(request).processor_ref, money, now)

    def policy(self):
        parts = {"default-src": "'none'", "script-src": "'self'", "form-action": "'self'"}
        for name, sources in self.widget.sources.items():
            parts[name] = f"{parts.get(name, '')} {' '.join(sources)}".strip()
        return "; ".join(f"{name} {value}" for name, value in parts.items())

    def page(self):
        widget = self.widget
        fields = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in widget.form_fields.items()
        )
        return (
            f'<!doctype html><title>shop</title><form method="post" action="{widget.form_url}">{fields}'
            '<button id="form">Pay by the form</button></form><button id="pay">Pay</button>'
            f'<script type="application/json" id="options">{json.dumps(dict(widget.options))}</script>'
            f'<script src="{widget.script_url}"></script><script src="/pay.js"></script>'
        ).encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def browser(chromium_path):
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield found
        found.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def shop():
    running = serve(settings=Settings(settle_seconds=0.05), accounts={"razorpay": [CREDENTIALS]})
    adapter = PROCESSOR.build(AdapterConfig(Mode.TEST, f"{running.base_url}/razorpay", CREDENTIALS))
    made = Shop(adapter)
    yield made
    made.close()
    running.stop()


@pytest.fixture
def visit(browser):
    """visit(url, script=True) → page. Errors in the console fail the test."""
    contexts, complaints = [], []

    def start(url, *, script=True):
        context = browser.new_context(java_script_enabled=script)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None
        )
        page.goto(url)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not complaints


def titled(page, wanted):
    """Waits for it. Functions to wait for would be evaluated from text, which the page's policy forbids."""
    from playwright.sync_api import expect

    expect(page).to_have_title(wanted, timeout=20_000)


def in_frame(page):
    return page.frame_locator("iframe[title='Razorpay checkout']")


def test_the_script_shows_the_page_above_ours_and_posts_the_signed_payment_back(shop, visit):
    page = visit(shop.url)
    page.click("#pay")
    in_frame(page).locator("button[value=approve]").click()
    page.wait_for_url(f"{shop.url}/return")
    assert page.title() == "back"
    (fields,) = shop.returned
    assert shop.adapter.check_return(shop.ref, fields) == fields["razorpay_payment_id"]


def test_after_a_refusal_the_script_posts_the_reason_back(shop, visit):
    page = visit(shop.url)
    page.click("#pay")
    in_frame(page).locator("button[value=decline]").click()
    page.wait_for_url(f"{shop.url}/return")
    assert shop.returned[0]["error[reason]"] == "payment_failed"
    assert "razorpay_signature" not in shop.returned[0]


def test_closing_the_page_above_ours_says_so_and_it_can_be_opened_again(shop, visit):
    page = visit(shop.url)
    page.click("#pay")
    in_frame(page).locator("#close").click()
    titled(page, "dismissed")
    assert page.locator("iframe").count() == 0
    page.click("#pay")
    in_frame(page).locator("button[value=approve]").wait_for()
    assert shop.returned == []


def test_without_an_address_to_return_to_the_pages_own_handlers_are_told(shop, visit):
    page = visit(f"{shop.url}/?handler")
    page.click("#pay")
    in_frame(page).locator("button[value=decline]").click()
    titled(page, f"payment_failed {shop.ref.processor_ref}")
    page.click("#pay")
    in_frame(page).locator("button[value=approve]").click()
    titled(page, re.compile("^pay_"))
    assert page.locator("iframe").count() == 0


def test_the_form_goes_there_and_comes_back_by_itself_with_script(shop, visit):
    page = visit(shop.url)
    page.click("#form")
    page.click("button[value=approve]")
    page.wait_for_url(f"{shop.url}/return")
    assert shop.adapter.check_return(shop.ref, shop.returned[0])


def test_without_script_every_step_has_a_button(shop, visit):
    page = visit(shop.url, script=False)
    page.click("#form")
    page.click("button[value=approve]")
    assert shop.returned == []
    page.click("button:has-text('Back to the shop')")
    page.wait_for_url(f"{shop.url}/return")
    assert shop.adapter.check_return(shop.ref, shop.returned[0])


def test_without_script_a_buyer_who_cancels_comes_back_by_a_link(shop, visit):
    page = visit(shop.url, script=False)
    page.click("#form")
    page.click("#cancel")
    page.wait_for_url(f"{shop.url}/cancelled")
    assert page.title() == "cancelled"
    assert shop.returned == []
