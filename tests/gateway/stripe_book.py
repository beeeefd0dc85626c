"""Stripe for the gateway's tests: its objects as the SDK builds them, a scripted peer, and our side of a journey."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import requests
import stripe
from werkzeug import Response

from gateway import http, signatures
from gateway.adapter import AdapterConfig
from gateway.adapters.stripe import StripeAdapter
from gateway.adapters.stripe.client import API_VERSION
from gateway.money import Money
from gateway.simulators.config import Settings
from gateway.simulators.server import serve
from gateway.types import Callback, Mode, PaymentRef, PaymentRequest, RefundRequest

KEY = "sk_test_51AdapterTests"
SECRET = "whsec_adapter_tests"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
QUICK = http.Timeouts(connect_seconds=0.2, read_seconds=0.2, total_seconds=0.5)

REQUEST = PaymentRequest(
    reference="pay-1",
    order_reference="order-1",
    money=Money(2500, "USD"),
    description="Premium Credits | Direct (Bitloader)",
    return_url="https://pay.test/checkout/o/tok_1",
    metadata={"serviceId": "svc_1", "serviceName": "Premium Credits", "quantity": "5", "externalId": "ORDER-1"},
)
PAYMENT = PaymentRef(reference="pay-1", processor_ref="pi_1", money=Money(2500, "USD"), created_at=NOW)
LOST = replace(PAYMENT, processor_ref="")
REFUND = RefundRequest(reference="ref-1", payment=PAYMENT, money=Money(1000, "USD"))
CASHAPP_ACTION = {
    "type": "cashapp_handle_redirect_or_display_qr_code",
    "cashapp_handle_redirect_or_display_qr_code": {
        "hosted_instructions_url": "https://payments.stripe.test/cashapp/instructions/1",
        "mobile_auth_url": "https://pm-redirects.stripe.test/authorize/1",
        "qr_code": {
            "expires_at": 1763640030,
            "image_url_png": "https://qr.stripe.test/1.png",
            "image_url_svg": "https://qr.stripe.test/1.svg",
        },
    },
}


def built(values):
    """An object as the SDK builds it, so that no test lives on a shape the SDK would not give us."""
    return stripe.StripeObject.construct_from(values, None).to_dict()


def intent(**changes):
    return built(
        {
            "id": "pi_1",
            "object": "payment_intent",
            "amount": 2500,
            "amount_capturable": 0,
            "amount_received": 0,
            "client_secret": "pi_1_secret_hidden",
            "created": 1763640000,
            "currency": "usd",
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": {"orderId": "order-1", "paymentId": "pay-1", "items": "x", "keys": "y"},
            "next_action": None,
            "payment_method_types": ["cashapp"],
            "status": "requires_action",
            **changes,
        }
    )


def refund(**changes):
    return built(
        {
            "id": "re_1",
            "object": "refund",
            "amount": 1000,
            "charge": "ch_1",
            "created": 1763640100,
            "currency": "usd",
            "metadata": {"refundId": "ref-1", "paymentId": "pay-1"},
            "payment_intent": "pi_1",
            "status": "succeeded",
            **changes,
        }
    )


def page(*items, has_more=False):
    return {"object": "list", "data": list(items), "has_more": has_more, "url": "/v1/x"}


def error(**values):
    return {"error": {"type": "invalid_request_error", "message": "No.", **values}}


class Stripe:
    """Stripe at the socket: answers in order for each method and path; the last one stays."""

    def __init__(self, server):
        self.server = server
        self.answers = {}
        self.url = server.url_for("/").rstrip("/")

    def on(self, method, path, *answers):
        """Each answer is a body, or (status, body), or (status, body, headers)."""
        queue = [answer if isinstance(answer, tuple) else (200, answer) for answer in answers]

        def respond(_request):
            status, body, *headers = queue.pop(0) if len(queue) > 1 else queue[0]
            text = body if isinstance(body, (str, bytes)) else json.dumps(body)
            made = Response(text, status=status, content_type="application/json", headers=headers[0] if headers else {})
            made.headers.setdefault("Request-Id", "req_test_1")
            return made

        self.server.expect_request(path, method=method).respond_with_handler(respond)
        return self

    @property
    def calls(self):
        return [(request.method, request.path) for request, _ in self.server.log]

    def form(self, index=-1):
        return dict(parse_qsl(self.server.log[index][0].get_data().decode()))

    def headers(self, index=-1):
        return self.server.log[index][0].headers

    def query(self, index=-1):
        return dict(self.server.log[index][0].args)


def adapter_at(url, *, mode=Mode.TEST, key=KEY, previous=(), timeouts=http.DEFAULT_TIMEOUTS, now=NOW):
    config = AdapterConfig(
        mode=mode,
        base_url=url,
        credentials={"secretKey": key, "webhookSecret": SECRET},
        previous_credentials=previous,
    )
    return StripeAdapter(config, timeouts=timeouts, clock=lambda: now)


def event(event_type, subject, **changes):
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": API_VERSION,
        "created": int(NOW.timestamp()),
        "data": {"object": subject},
        "livemode": False,
        "type": event_type,
        **changes,
    }


def signed(body, *, secret=SECRET, at=NOW, received_at=NOW):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    digest = signatures.hmac_sha256(b"%d." % int(at.timestamp()) + raw, key=secret)
    header = f"t={int(at.timestamp())},v1={digest}"
    return Callback(body=raw, headers={"stripe-signature": header}, received_at=received_at)


def notices(adapter, body, **how):
    return adapter.read_callback(signed(body, **how)).notices


class Shop:
    """Our side of a journey: the adapter at the lab, and the callbacks that the lab has sent us."""

    def __init__(self, running, server):
        self.running = running
        self.server = server
        self.adapter = adapter_at(f"{running.base_url}/stripe", timeouts=http.Timeouts(1.0, 1.0, 2.0), now=None)
        self.adapter = replace(self.adapter, clock=lambda: datetime.now(UTC))
        self.started_at = datetime.now(UTC)

    def order(self, kind, **wanted):
        self.running.lab.faults.order({"kind": kind, **wanted})

    def act(self, path, **values):
        answer = requests.post(f"{self.running.base_url}/_lab/stripe/{path}", json=values, timeout=5)
        assert answer.ok, answer.text
        return answer.json()

    def press(self, report, outcome):
        """The buyer's button on the page we sent them to; answers where the browser goes next."""
        page = report.next_action.url
        answer = requests.post(page, data={"outcome": outcome}, allow_redirects=False, timeout=5)
        return answer.headers.get("Location", "")

    def callbacks(self):
        """Every callback so far, oldest first, each as our endpoint got it."""
        assert self.running.lab.callbacks.wait_idle(5)
        return [
            Callback(
                body=request.get_data(),
                headers={name.lower(): value for name, value in request.headers.items()},
                received_at=datetime.now(UTC),
            )
            for request, _ in self.server.log
        ]

    def notices(self, event_type):
        reads = [self.adapter.read_callback(callback) for callback in self.callbacks()]
        return [notice for read in reads if read.event_type == event_type for notice in read.notices]

    def awaited(self, event_type):
        """The notices of an event that comes by itself after a moment."""
        for _ in range(100):
            if found := self.notices(event_type):
                return found
            time.sleep(0.03)
        raise AssertionError(f"no {event_type} came")

    def ref(self, processor_ref="", reference="pay-1"):
        return PaymentRef(reference, processor_ref, Money(2500, "USD"), self.started_at)

    def paid(self):
        report = self.adapter.create_payment(REQUEST)
        self.press(report, "approve")
        return self.adapter.ask_payment(self.ref(report.processor_ref))


def running_shop(httpserver):
    """(the lab with our account in it, our side of it)."""
    httpserver.expect_request("/api/webhooks/stripe", method="POST").respond_with_data("")
    account = {
        "secret_key": KEY,
        "webhook_url": httpserver.url_for("/api/webhooks/stripe"),
        "webhook_secret": SECRET,
    }
    settings = Settings(settle_seconds=0.05, refund_seconds=0.05, hang_seconds=1.5)
    running = serve(settings=settings, stripe_accounts=[account])
    return running, Shop(running, httpserver)
