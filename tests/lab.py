"""The processor lab as a fixture, and the signed callbacks of its processors. Imported by tests/conftest.py."""

import json
import time
from dataclasses import dataclass

import pytest
import requests
import stripe

from gateway.simulators.config import Settings
from gateway.simulators.server import serve

STRIPE_KEY = "sk_test_" + "7e57" * 6
STRIPE_SECRET = "whsec_" + "dGhlIGxhYidzIG93biBzZWNyZXQ="


@dataclass
class StripeLab:
    """What a test does at the simulated Stripe."""

    running: object

    @property
    def url(self):
        return self.running.base_url

    def control(self, path, method="POST", **body):
        answer = requests.request(method, f"{self.url}/_lab{path}", json=body if method == "POST" else None, timeout=10)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def calls_back(self, url):
        """From now on events are posted to this address."""
        self.control(
            "/stripe/accounts", secret_key=STRIPE_KEY, webhook_url=url, webhook_secret=STRIPE_SECRET, country="US"
        )

    def fault(self, kind, **order):
        return self.control("/faults", kind=kind, **order)

    def act(self, processor_ref, outcome, **more):
        """What the buyer does: approve, decline, delay, settle."""
        return self.control(f"/stripe/payments/{processor_ref}/act", outcome=outcome, **more)["payment"]

    def confirm_again(self, processor_ref):
        """The buyer tries the same PaymentIntent once more, as on a page that stayed open."""
        answer = requests.post(
            f"{self.url}/stripe/v1/payment_intents/{processor_ref}/confirm",
            auth=(STRIPE_KEY, ""),
            headers={"Stripe-Version": "2026-08-26.dahlia"},
            data={"payment_method_data[type]": "cashapp", "return_url": "http://shop.test/back"},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text

    def payments(self):
        return self.control("/stripe/payments", "GET")["payments"]

    def payment(self, processor_ref):
        return self.control(f"/stripe/payments/{processor_ref}", "GET")["payment"]

    def refunds(self):
        return self.control("/stripe/refunds", "GET")["refunds"]

    def requests(self, operation=None):
        found = self.control("/stripe/requests", "GET")["requests"]
        return [row for row in found if operation in (None, row["operation"])]

    def events(self, type=None):
        """Newest first, as Stripe lists them."""
        found = self.control("/stripe/events", "GET")["events"]
        return [event for event in found if type in (None, event["type"])]

    def has_cash_app(self, status):
        accounts = self.control("/stripe/accounts", "GET")["accounts"]
        for account in accounts:
            self.control(f"/stripe/accounts/{account['id']}/capabilities", cashapp_payments=status)


def signed(event, *, secret=STRIPE_SECRET, at=None):
    """(body, headers) as Stripe would post them."""
    body = event if isinstance(event, str) else json.dumps(event)
    header = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=int(at or time.time()))
    return body, {"Stripe-Signature": header, "Content-Type": "application/json"}


# Nothing hangs longer than the product waits, and what is settled later is settled soon.
PACE = {"settle_seconds": 0.2, "refund_seconds": 0.2, "hang_seconds": 30, "retry_ladder": [0.2, 0.5]}


@pytest.fixture(scope="session")
def _running_lab():
    running = serve(settings=Settings(**PACE))
    yield running
    running.stop()


@pytest.fixture
def lab(_running_lab, settings):
    """The lab, empty, with one US account that has Cash App Pay; the product talks to it."""
    _running_lab.lab.reset(with_accounts=True)
    _running_lab.lab.settings.change(PACE)  # a test before this one may have let it take an hour
    settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, ("stripe", "test"): f"{_running_lab.base_url}/stripe"}
    found = StripeLab(_running_lab)
    found.control("/stripe/accounts", secret_key=STRIPE_KEY, country="US")
    yield found
    _running_lab.lab.reset(with_accounts=True)
