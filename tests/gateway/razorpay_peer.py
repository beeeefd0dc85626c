"""Razorpay at the socket, its entities, its vectors, and an adapter in front of it."""

import json
from datetime import UTC, datetime, timedelta

from werkzeug import Response

from gateway import http
from gateway.adapter import AdapterConfig
from gateway.adapters.razorpay import RazorpayAdapter
from gateway.money import Money
from gateway.types import Mode, PaymentRef, PaymentRequest, RefundRequest

KEY_ID = "rzp_test_1DP5mmOlF5G5ag"
LIVE_KEY_ID = "rzp_live_1DP5mmOlF5G5ag"
KEY_SECRET = "thiskeysecretisfortests"
WEBHOOK_SECRET = "a webhook secret, ключ"
CREDENTIALS = {"keyId": KEY_ID, "keySecret": KEY_SECRET, "webhookSecret": WEBHOOK_SECRET}
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
QUICK = http.Timeouts(connect_seconds=0.2, read_seconds=0.2, total_seconds=0.5)

REFERENCE = "5b0c2f7e-8f6f-4d2e-9a53-1d1f6f0f2b11"
REFUND_REFERENCE = "0a8f2d6c-7a54-4a5e-8d39-3c7b1f4e9d22"
ORDER_REF, PAY_REF, REFUND_REF = "order_00000000000001", "pay_00000000000001", "rfnd_00000000000001"
REQUEST = PaymentRequest(
    reference=REFERENCE,
    order_reference="order-1",
    money=Money(50_000, "INR"),
    description="Premium Credits | Direct",
    return_url="https://pay.test/return",
    cancel_url="https://pay.test/cancel",
    metadata={"externalId": "ORDER-1", "serviceName": "Premium Credits"},
)
PAYMENT = PaymentRef(REFERENCE, ORDER_REF, Money(50_000, "INR"), created_at=NOW)
REFUND = RefundRequest(REFUND_REFERENCE, PAYMENT, Money(20_000, "INR"))

# The reference's own, re-checked there with two foreign implementations; the last is Razorpay's published example.
RETURNS = [
    (
        "rzp_vector_secret_1",
        "order_IEIaMR65cu6nz3",
        "pay_IH4NVgf4Dreq1l",
        "61c63c69dc7beec08ff5e6fac84c4e52fbbc0cb7e6608b5c35af46f7176549d4",
    ),
    (
        "s3cr3t/+=with-symbols",
        "order_00000000000001",
        "pay_00000000000001",
        "37d4803a54c648b8e07849eb4a0ba88ac30296e45bb203ddc469bb381387f337",
    ),
    (
        "ключ-не-ascii",
        "order_ABCdef123",
        "pay_XYZ789",
        "b18fbf1c72a6770db5231ae7693c1975090d508fa8009fb8abec7aae6460f003",
    ),
    (
        "EnLs21M47BllR3X8PSFtjtbd",
        "order_IEIaMR65cu6nz3",
        "pay_IH4NVgf4Dreq1l",
        "0d4e745a1838664ad6c9c9902212a32d627d68e917290b0ad5f08ff4561bc50f",
    ),
]
RETURN_NAMES = ["R1", "R2", "R3", "published"]
WEBHOOKS = [
    (
        "whk_vector_1",
        '{"entity":"event","account_id":"acc_TEST","event":"payment.captured","contains":["payment"],"payload":'
        '{"payment":{"entity":{"id":"pay_00000000000001","entity":"payment","amount":50000,"currency":"INR","status":'
        '"captured","order_id":"order_00000000000001","captured":true,"notes":[]}}},"created_at":1700000000}',
        "fe37f336d081d70074e95528842671ac84eea653c38e9ac030080b897504f98c",
        309,
    ),
    (
        "whk_vector_2",
        '{"event":"order.paid","notes":{"name":"\u0928\u092e\u0938\u094d\u0924\u0947"},"a": 1 }\n',
        "524242088e900e7cb59224f7b8a31a3039f70d38403bce4edb19aed59f441167",
        69,
    ),
]
LINKS = [
    (
        "rzp_vector_secret_1",
        "plink_ExjpAUN3gVHrPJ",
        "TS1989",
        "paid",
        "pay_00000000000002",
        "9905158c6f3822edff36f08e8c2f96633e7e90293c9ca5179ae64649231b866c",
    ),
    (
        "rzp_vector_secret_1",
        "plink_ExjpAUN3gVHrPJ",
        "",
        "paid",
        "pay_00000000000002",
        "46e653189a29e0f2c84ceca809d9618df4242d0d5372fdb4e89306dd8adac2ea",
    ),
]


def ago(**given):
    return int((NOW - timedelta(**given)).timestamp())


def order(**changes):
    return {
        "id": ORDER_REF,
        "entity": "order",
        "amount": 50_000,
        "amount_paid": 0,
        "amount_due": 50_000,
        "currency": "INR",
        "receipt": REFERENCE,
        "status": "created",
        "attempts": 0,
        "notes": {"paymentId": REFERENCE, "orderId": "order-1"},
        "created_at": ago(minutes=1),
        **changes,
    }


def payment(**changes):
    return {
        "id": PAY_REF,
        "entity": "payment",
        "amount": 50_000,
        "currency": "INR",
        "status": "captured",
        "order_id": ORDER_REF,
        "method": "upi",
        "amount_refunded": 0,
        "refund_status": None,
        "captured": True,
        "vpa": "buyer@bank",
        "email": "buyer@example.com",
        "contact": "+919000090000",
        "notes": [],
        "error_code": None,
        "error_description": None,
        "error_source": None,
        "error_step": None,
        "error_reason": None,
        "acquirer_data": {"rrn": "123456789012"},
        "created_at": ago(seconds=30),
        **changes,
    }


def failed(reason="payment_failed", source="bank", **changes):
    return payment(
        status="failed",
        captured=False,
        error_code="BAD_REQUEST_ERROR",
        error_description="Payment failed",
        error_source=source,
        error_step="payment_authorization",
        error_reason=reason,
        **changes,
    )


def refund(**changes):
    return {
        "id": REFUND_REF,
        "entity": "refund",
        "amount": 20_000,
        "currency": "INR",
        "payment_id": PAY_REF,
        "notes": {"refundId": REFUND_REFERENCE, "paymentId": REFERENCE},
        "receipt": REFUND_REFERENCE,
        "created_at": ago(seconds=10),
        "status": "processed",
        **changes,
    }


def collection(*items):
    return {"entity": "collection", "count": len(items), "items": list(items)}


def error(description="No.", **more):
    return {"error": {"code": "BAD_REQUEST_ERROR", "description": description, "metadata": {}, **more}}


def event(event_type, **entities):
    return {
        "entity": "event",
        "account_id": "acc_TEST",
        "event": event_type,
        "contains": list(entities),
        "payload": {kind: {"entity": entity} for kind, entity in entities.items()},
        "created_at": ago(seconds=5),
    }


class Razorpay:
    """Answers in order for each method and path; the last one stays."""

    def __init__(self, server):
        self.server = server
        self.url = server.url_for("/").rstrip("/")

    def on(self, method, path, *answers):
        """Each answer is a body, or (status, body), or (status, body, headers)."""
        queue = [answer if isinstance(answer, tuple) else (200, answer) for answer in answers]

        def respond(_request):
            status, body, *headers = queue.pop(0) if len(queue) > 1 else queue[0]
            text = body if isinstance(body, (str, bytes)) else json.dumps(body)
            return Response(text, status, headers[0] if headers else {}, content_type="application/json")

        self.server.expect_request(path, method=method).respond_with_handler(respond)
        return self

    @property
    def calls(self):
        return [f"{request.method} {request.path}" for request, _ in self.server.log]

    def sent(self, index=-1):
        return json.loads(self.server.log[index][0].get_data())

    def headers(self, index=-1):
        return self.server.log[index][0].headers

    def query(self, index=-1):
        return dict(self.server.log[index][0].args)


def adapter_at(url, *, mode=Mode.TEST, previous=(), timeouts=http.DEFAULT_TIMEOUTS, now=NOW, **changed):
    config = AdapterConfig(mode, url, {**CREDENTIALS, **changed}, previous_credentials=tuple(previous))
    return RazorpayAdapter(config, timeouts=timeouts, clock=lambda: now)
