"""A Stripe that nobody here wrote (localstripe), as a process of its own for tests: an independent peer.

What it cannot do is in docs/adr/0023-a-foreign-stripe.md. Fixtures build on `LocalStripe` with the module's scope.
"""

import socket
import subprocess
import sys
import time
from pathlib import Path

import requests
import stripe

from tests.servers import die_with_parent

LAUNCHER = Path(__file__).with_name("localstripe_launcher.py")
KEY = "sk_test_12345"
READY_SECONDS = 30.0
# It posts each event once, a second later; this is how long a busy machine may take.
EVENT_SECONDS = 20.0
SUCCEEDS_LATER = "DE89370400440532013000"
FAILS_LATER = "DE62370400440532013001"


class LocalStripe:
    """One running peer. `without` are form fields taken off each request, because localstripe refuses them."""

    def __init__(self, *, without=()):
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with listener:
            self._process = subprocess.Popen(
                [sys.executable, str(LAUNCHER), str(listener.fileno()), *without],
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=LAUNCHER.parent,
                preexec_fn=die_with_parent(),
            )
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        self.client = stripe.StripeClient(
            KEY, base_addresses={"api": self.url}, http_client=stripe.RequestsClient(timeout=20)
        )

    def _wait_ready(self):
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError(f"localstripe ended: {self._process.stderr.read().decode()[-2000:]}")
            try:
                # The socket listens before the program does, so this waits rather than fails.
                if requests.get(f"{self.url}/v1/balance", auth=(KEY, ""), timeout=READY_SECONDS).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.05)
        raise RuntimeError("localstripe did not answer")

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stderr.close()

    def forget(self):
        """All objects go; where callbacks are sent stays."""
        assert requests.delete(f"{self.url}/_config/data", timeout=10).ok

    def calls_back(self, url, secret, name="ours"):
        answer = requests.post(f"{self.url}/_config/webhooks/{name}", json={"url": url, "secret": secret}, timeout=10)
        assert answer.ok, answer.text

    def open(self, *, amount=2500, currency="usd", **metadata):
        """A PaymentIntent without a payment method yet."""
        return self.client.v1.payment_intents.create(
            {"amount": amount, "currency": currency, "metadata": metadata, "payment_method_types": ["card"]}
        )

    def pay(self, card="pm_card_visa", **wanted):
        """A PaymentIntent that a card pays at once; `pm_card_chargeCustomerFail` is declined (CardError)."""
        metadata = wanted.pop("metadata", {})
        return self.client.v1.payment_intents.create(
            {
                "amount": 2500,
                "currency": "usd",
                "payment_method": card,
                "confirm": True,
                "metadata": metadata,
                **wanted,
            }
        )

    def debit(self, iban, **metadata):
        """A SEPA debit, which settles by itself."""
        method = self.client.v1.payment_methods.create(
            {
                "type": "sepa_debit",
                "sepa_debit": {"iban": iban},
                "billing_details": {"name": "Zoe Buyer", "email": "zoe@buyer.test"},
            }
        )
        customer = self.client.v1.customers.create({"email": "zoe@buyer.test"})
        self.client.v1.payment_methods.attach(method.id, {"customer": customer.id})
        return self.client.v1.payment_intents.create(
            {
                "amount": 2500,
                "currency": "eur",
                "customer": customer.id,
                "payment_method": method.id,
                "confirm": True,
                "metadata": metadata,
            }
        )
