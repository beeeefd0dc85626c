"""A shop's backend that talks to one processor through us, its buyer, and the processor in the lab: all over HTTP."""

import html
import itertools
import json
import re
import time
from dataclasses import dataclass, field

import pytest
import requests

from gateway import http
from tests.lab import STRIPE_KEY, STRIPE_SECRET

RAZORPAY = {
    "keyId": "rzp_test_TheShopsOwnKey",
    "keySecret": "TheShopsKeySecret0001",
    "webhookSecret": "TheShopsWebhookSecret0001",
}
CURRENCY = {"stripe": "USD", "razorpay": "INR"}
AMOUNT = 50_000
_numbers = itertools.count(1)


def with_razorpay(provider, lab, settings, *, webhook_url=""):
    """The provider's account at the simulated Razorpay, which calls back at `webhook_url`."""
    from django.utils import timezone

    from gateway.types import Mode
    from providers import accounts

    settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, ("razorpay", "test"): f"{lab.url}/razorpay"}
    lab.control("/razorpay/accounts", **RAZORPAY, **({"webhook_url": webhook_url} if webhook_url else {}))
    return accounts.save_credentials(
        provider=provider, processor="razorpay", mode=Mode.TEST, credentials=RAZORPAY, now=timezone.now()
    )


@dataclass
class Shop:
    """Talks to a live server as a shop's backend would; the lab talks to the same server."""

    url: str
    lab: object
    provider: object
    key: str
    receiver: object
    made: list = field(default_factory=list)

    # --- the backend ---

    def ask(self, method, path, body=None, *, key=None, once=None, headers=None):
        """The whole answer."""
        sent = {"Authorization": f"Bearer {key or self.key}", **(headers or {})}
        if once:
            sent["Idempotency-Key"] = once
        return requests.request(method, f"{self.url}/api/payments{path}", json=body, headers=sent, timeout=60)

    def api(self, method, path, body=None, *, expect=200, **how):
        answer = self.ask(method, path, body, **how)
        assert answer.status_code == expect, answer.text
        assert answer.headers["X-Request-Id"]
        return answer.json()

    def checkout(self, processor, *, expect=200, once=None, **more):
        body = {"order_id": f"ORD-{next(_numbers)}", "amount": AMOUNT, "currency": CURRENCY[processor], **more}
        return self.api("POST", f"/{processor}/checkout", body, expect=expect, once=once)

    def status(self, processor, name):
        return self.api("GET", f"/{processor}/status/{name}")

    def wait_for(self, processor, name, status, seconds=20.0):
        end = time.monotonic() + seconds
        while (found := self.status(processor, name))["status"] != status:
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return found

    def refund(self, processor, *, expect=200, once=None, **body):
        return self.api("POST", f"/{processor}/refund", body, expect=expect, once=once)

    def capture(self, processor, *, expect=200, once=None, **body):
        return self.api("POST", f"/{processor}/capture", body, expect=expect, once=once)

    def verify(self, fields, *, expect=200):
        return self.api("POST", "/razorpay/verify", fields, expect=expect)

    # --- what it is told ---

    def told(self):
        """Bodies of the webhooks that came, in the order they came in; each is of this shop's provider."""
        from webhooks import delivery

        delivery.drain(linger_seconds=0.0)
        bodies = [json.loads(call.body) for call in list(self.receiver.log) if call.body]
        assert {body["providerId"] for body in bodies} <= {str(self.provider.pk)}
        return bodies

    def events(self):
        return [body["event"] for body in self.told()]

    # --- the buyer ---

    def buyer_at_stripe(self, checkout, outcome="approve", **more):
        """Opens Stripe's page and presses a button. The answer, redirects not followed."""
        page = requests.get(checkout["checkout_url"], timeout=20)
        assert page.status_code == 200 and 'value="approve"' in page.text, page.text
        data = {"outcome": outcome, **more}
        return requests.post(checkout["checkout_url"], data=data, timeout=30, allow_redirects=False)

    def buyer_at_razorpay(self, checkout, outcome="approve", *, returns=True):
        """Pays on Razorpay's hosted form and, without script, presses the button that leads back. Our answer."""
        form = {
            "key_id": checkout["key_id"], "order_id": checkout["razorpay_order_id"], "name": checkout["name"],
            "amount": checkout["amount"], "currency": checkout["currency"], "callback_url": checkout["callback_url"],
        }  # fmt: skip
        opened = requests.post(f"{self.lab.url}/razorpay/v1/checkout/embedded", data=form, timeout=20)
        assert opened.status_code == 200, opened.text
        left = requests.post(opened.url, data={"outcome": outcome, "method": "upi"}, timeout=30)
        assert left.status_code == 200, left.text
        fields = fields_in(left.text)
        return self.come_back(checkout, fields) if returns else fields

    def come_back(self, checkout, fields):
        return requests.post(checkout["callback_url"], data=fields, timeout=30, allow_redirects=False)

    # --- the lab ---

    def fault(self, kind, **order):
        return self.lab.fault(kind, **order)

    def calls(self, processor, operation):
        """What the processor's own log says that it was asked to do, oldest first."""
        rows = self.lab.control(f"/{processor}/requests", "GET")["requests"]
        return [row for row in reversed(rows) if row["operation"] == operation]

    def settled(self):
        """The lab has nothing more to say now."""
        assert self.lab.control("/idle?timeout=20", "GET")["idle"] is True

    def razorpay(self, path, **body):
        return self.lab.control(f"/razorpay{path}", **body)

    def at_razorpay(self, checkout):
        return self.lab.control(f"/razorpay/orders/{checkout['razorpay_order_id']}", "GET")["order"]


def fields_in(page):
    """The hidden fields of the page that leads back."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return {html.unescape(name): html.unescape(value) for name, value in found}


@pytest.fixture
def shop(lab, live_server, settings):
    from tests.builders import make_key, make_provider
    from tests.webhooks.helpers import Receiver
    from webhooks import hosts

    settings.BASE_URL = f"http://127.0.0.1:{live_server.thread.port}"
    hosts.PROCESS_MEMORY.records.clear()
    receiver = Receiver()
    provider = make_provider(webhook_url=receiver.url, currency="USD")
    lab.control(
        "/stripe/accounts",
        secret_key=STRIPE_KEY,
        webhook_url=f"{settings.BASE_URL}/api/webhooks/stripe",
        webhook_secret=STRIPE_SECRET,
        country="US",
    )
    with_razorpay(provider, lab, settings, webhook_url=f"{settings.BASE_URL}/api/webhooks/razorpay")
    yield Shop(settings.BASE_URL, lab, provider, make_key(provider), receiver)
    receiver.close()
    lab.control("/idle?timeout=20", "GET")
    lab.running.lab.reset(with_accounts=True)  # what was refused would be sent again, perhaps to no database any more
    http._session().close()  # a kept connection would keep its server thread, and that a session at the database
