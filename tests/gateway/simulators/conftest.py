"""A lab on a free port, a receiver that stands for the product, and the vendor's own SDK as the caller."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import stripe

from gateway.simulators.config import Settings
from gateway.simulators.server import serve

stripe.enable_telemetry = False
KEY = "sk_test_" + "lab0" * 6
LIVE_KEY = "sk_live_" + "lab0" * 6
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1sYWI="
PINNED = "2026-08-26.dahlia"
FORM = {"payment_method_types": ["cashapp"], "payment_method_data": {"type": "cashapp"}}
RETURN_URL = "http://shop.test/back?order=7"


@dataclass
class Received:
    headers: dict
    body: bytes
    at: float

    @property
    def event(self):
        return json.loads(self.body)

    @property
    def type(self):
        return self.event["type"]


@dataclass
class Product:
    """Our callback address. `answers` are the statuses of the next calls; then 200."""

    url: str = ""
    received: list = field(default_factory=list)
    answers: list = field(default_factory=list)

    def types(self):
        return [call.type for call in self.received]

    def wait_for(self, type, count=1, seconds=3.0):
        """The calls of this type, once there are that many."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [call for call in list(self.received) if call.type == type]
            if len(found) >= count:
                return found
            time.sleep(0.005)
        raise AssertionError(f"{type} × {count} did not come; came: {self.types()}")


@pytest.fixture
def product():
    seen = Product()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.received.append(Received({k.lower(): v for k, v in self.headers.items()}, body, time.monotonic()))
            status = seen.answers.pop(0) if seen.answers else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{seen.url}/moved")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield seen
    server.shutdown()
    server.server_close()


class Bench:
    """The running lab with what every test does to it."""

    def __init__(self, running, product):
        self.running = running
        self.product = product
        self.url = running.base_url
        self.api = f"{self.url}/stripe/v1"
        self.client = self.sdk()

    def sdk(self, key=KEY, version=PINNED, timeout=5):
        return stripe.StripeClient(
            key,
            base_addresses={"api": f"{self.url}/stripe"},
            stripe_version=version,
            http_client=stripe.RequestsClient(timeout=timeout),
        )

    def raw(self, method, path, data=None, key=KEY, **headers):
        return requests.request(
            method,
            self.api + path,
            data=data,
            headers={"Authorization": f"Bearer {key}", **{k.replace("_", "-"): v for k, v in headers.items()}},
            timeout=5,
            allow_redirects=False,
        )

    def order(self, kind, **more):
        answer = self.post("/_lab/faults", {"kind": kind, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()["fault"]

    def post(self, path, body=None, **headers):
        return requests.post(self.url + path, json=body or {}, headers=headers, timeout=5, allow_redirects=False)

    def get(self, path, **params):
        return requests.get(self.url + path, params=params, timeout=5)

    def page(self, path):
        return requests.get(self.url + path, headers={"Accept": "text/html"}, timeout=5)

    def pay(self, options=None, **more):
        """A PaymentIntent that waits for its buyer."""
        params = {"amount": 2500, "currency": "usd", "confirm": True, "return_url": RETURN_URL, **FORM, **more}
        return self.client.v1.payment_intents.create(params, options or {})

    def choose(self, intent, outcome):
        return requests.post(address(intent), data={"outcome": outcome}, allow_redirects=False, timeout=5)

    def act(self, intent, outcome, **more):
        return self.post(f"/_lab/stripe/payments/{intent.id}/act", {"outcome": outcome, **more})

    def paid(self, **more):
        intent = self.pay(**more)
        assert self.act(intent, "approve").status_code == 200
        return intent

    def status(self, intent):
        return self.client.v1.payment_intents.retrieve(intent.id).status

    def settled(self):
        assert self.get("/_lab/idle", timeout=3).json() == {"idle": True}

    def callbacks(self, **wanted):
        return self.get("/_lab/stripe/callbacks", **wanted).json()["callbacks"]

    def requests_of(self, **wanted):
        return self.get("/_lab/stripe/requests", **wanted).json()["requests"]


def address(intent):
    return intent.next_action.cashapp_handle_redirect_or_display_qr_code.hosted_instructions_url


def fast_settings():
    return Settings(
        settle_seconds=0.05, refund_seconds=0.05, hang_seconds=0.2, callback_timeout_seconds=1, retry_ladder=[0.05, 0.1]
    )


@pytest.fixture
def bench(product):
    account = {"account": "acct_lab", "webhook_url": product.url + "/hook", "webhook_secret": SECRET}
    running = serve(
        settings=fast_settings(),
        stripe_accounts=[{"secret_key": KEY, **account}, {"secret_key": LIVE_KEY, **account}],
    )
    yield Bench(running, product)
    running.stop()
