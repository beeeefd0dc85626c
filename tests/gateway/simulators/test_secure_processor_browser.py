"""The lab's Secure Processor in a real browser: the widget above a strict page, the page by itself, with and without
script.
"""

import json
import os
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.simulators.config import Settings
from gateway.simulators.server import serve
from gateway.types import Outcome, PaymentRef, PaymentRequest, WidgetRequest
from tests.gateway import secure_processor_book as book

pytestmark = [pytest.mark.once, pytest.mark.browser]

SLUG = "secure_processor"
SHOP = {"shopId": book.SHOP_ID, "secretKey": book.SECRET_KEY, "privateKey": book.pem_of(book.PRIVATE)}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# What a page of ours does with the widget: nothing inline, nothing from elsewhere.
SCRIPT = b"""
const options = JSON.parse(document.getElementById("options").textContent);
const closeWidget = (status) => { document.title = `closed ${status}`; };
document.getElementById("pay").addEventListener("click", (event) => {
  event.preventDefault();
  new BeGateway({ ...options, closeWidget }).createWidget();
});
"""


class Shop:
    """A page of ours for one payment, under the policy that the widget's sources make."""

    def __init__(self, lab):
        self.adapter = book.build(base_url=f"{lab.base_url}/{SLUG}")
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0]
                if path == "/pay.js":
                    self.answer(SCRIPT, "text/javascript")
                elif path == "/":
                    self.answer(shop.page(), "text/html", policy=shop.policy())
                else:
                    self.answer(f"<title>{path}</title>".encode(), "text/html")

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
        request = PaymentRequest(
            "payment-1",
            "order-1",
            book.request().money,
            "Credits",
            f"{self.url}/return?token=pt_1",
            cancel_url=f"{self.url}/cancelled",
        )
        report = self.adapter.create_payment(request)
        data = dict(report.processor_data)
        self.ref = PaymentRef("payment-1", report.processor_ref, request.money, datetime.now(UTC), data)
        self.widget = self.adapter.widget(self.ref, WidgetRequest("Shop", "Credits", request.return_url, ""))

    def policy(self):
        parts = {"default-src": "'none'", "script-src": "'self'"}
        for name, sources in self.widget.sources.items():
            parts[name] = f"{parts.get(name, '')} {' '.join(sources)}".strip()
        return "; ".join(f"{name} {value}" for name, value in parts.items())

    def page(self):
        return (
            f'<!doctype html><title>shop</title><a id="pay" href="{self.widget.link_url}">Pay</a>'
            f'<script type="application/json" id="options">{json.dumps(dict(self.widget.options))}</script>'
            f'<script src="{self.widget.script_url}"></script><script src="/pay.js"></script>'
        ).encode()

    def outcome(self):
        return self.adapter.ask_payment(self.ref).outcome

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
    running = serve(settings=Settings(settle_seconds=60), accounts={SLUG: [SHOP]})
    made = Shop(running)
    yield made
    made.close()
    running.stop()


@pytest.fixture
def visit(browser):
    """visit(url, script=True) → page. What a policy forbids, and errors of a script, fail the test."""
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
    return page.frame_locator("iframe[title='Secure Processor checkout']")


@pytest.mark.parametrize(
    ("choice", "status", "outcome"),
    [
        ("approve", "successful", Outcome.CAPTURED),
        ("decline", "failed", Outcome.FAILED),
        ("delay", "pending", Outcome.PROCESSING),
    ],
)
def test_the_widget_shows_the_page_above_ours_and_says_how_it_closed(shop, visit, choice, status, outcome):
    page = visit(shop.url)
    page.click("#pay")
    in_frame(page).locator(f"button[value={choice}]").click()
    titled(page, f"closed {status}")
    assert page.locator("iframe").count() == 0
    assert shop.outcome() is outcome


def test_a_buyer_who_leaves_the_widget_has_paid_nothing_and_may_open_it_again(shop, visit):
    page = visit(shop.url)
    page.click("#pay")
    in_frame(page).locator("#close").click()
    titled(page, "closed null")
    assert shop.outcome() is Outcome.PENDING
    page.click("#pay")
    in_frame(page).locator("button[value=approve]").click()
    titled(page, "closed successful")


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_the_page_by_itself_needs_no_script_and_leads_back(shop, visit, script):
    page = visit(shop.widget.link_url, script=script)
    page.click("button[value=approve]")
    page.wait_for_url(f"{shop.url}/return?**")
    names = [name for name, _ in parse_qsl(urlsplit(page.url).query)]
    assert names == ["token", "token", "status", "uid"]
    assert shop.outcome() is Outcome.CAPTURED


def test_without_our_script_the_link_leads_to_the_page_and_closing_it_leads_back(shop, visit):
    page = visit(shop.url, script=False)
    page.click("#pay")
    page.click("#cancel")
    page.wait_for_url(f"{shop.url}/cancelled")
    assert shop.outcome() is Outcome.PENDING
