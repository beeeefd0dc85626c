"""A real browser before the real pages, with the lab as Cash App and its callbacks coming in over HTTP."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.pages.processors import processors  # noqa: F401  (a fixture)

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
ANDROID = (
    "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"
)


@pytest.fixture(scope="module")
def _browser(chromium_path):
    # For a module, not for the session: the tests behind it run event loops of their own in this thread.
    # Playwright's loop runs in this thread; without this Django would refuse the database beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def shop(live_server, lab, settings):
    """The product on a port of its own; the lab sends the buyer and its callbacks there."""
    settings.BASE_URL = live_server.url
    settings.LAB_URL = lab.url
    lab.calls_back(f"{live_server.url}/api/webhooks/stripe")
    return live_server.url


@dataclass
class Visitor:
    """One person at one browser: what they see, and what must not happen meanwhile."""

    context: object
    allowed: set
    complaints: list = field(default_factory=list)
    foreign: list = field(default_factory=list)
    bytes: int = 0

    def open(self, url):
        page = self.context.new_page()
        page.goto(url)
        return page

    def watch(self, page):
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))
        page.on("request", self._request)

    def _request(self, request):
        if urlsplit(request.url).netloc not in self.allowed:
            self.foreign.append(request.url)


@pytest.fixture
def visit(_browser, shop, lab):
    """visit(viewport=…, script=True, …) → Visitor. Errors in the console and foreign requests fail the test."""
    visitors = []

    def start(*, viewport=DESKTOP, script=True, **more):
        context = _browser.new_context(viewport=viewport, java_script_enabled=script, **more)
        context.set_default_timeout(10_000)
        visitor = Visitor(context, {urlsplit(shop).netloc, urlsplit(lab.url).netloc})
        context.route(
            "https://*.test/**", lambda route: route.fulfill(body="<title>The seller</title>", content_type="text/html")
        )
        context.on("page", visitor.watch)
        visitors.append(visitor)
        return visitor

    yield start
    for visitor in visitors:
        visitor.context.close()
    for visitor in visitors:
        assert not visitor.complaints
        assert not [url for url in visitor.foreign if not urlsplit(url).netloc.endswith(".test")]
