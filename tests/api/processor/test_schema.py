import pytest

from tests.api.test_schema import fits, schema  # noqa: F401  (fixture)
from tests.builders import callback

pytestmark = pytest.mark.django_db
BODY = {"order_id": "ORD123", "amount": 5000, "currency": "usd"}


def test_stripes_answers_are_what_the_schema_promises(schema, ask, read, open_checkout, paid_checkout, lab, client):  # noqa: F811
    checkout, status = "/api/payments/stripe/checkout", "/api/payments/stripe/status/{payment_id}"
    refund, capture = "/api/payments/stripe/refund", "/api/payments/stripe/capture"
    fits(schema, checkout, "post", ask("/stripe/checkout", BODY))
    fits(schema, checkout, "post", ask("/stripe/checkout", {**BODY, "amount": 1}))
    fits(schema, checkout, "post", ask("/stripe/checkout", BODY, bearer="x"))
    fits(schema, checkout, "post", ask("/stripe/checkout", "{"))
    for kind in ("429", "402", "403", "500"):
        lab.fault(kind, match={"operation": "checkout.sessions.create"})
        fits(schema, checkout, "post", ask("/stripe/checkout", BODY))
    refused = open_checkout()
    lab.act(refused["session_id"], "decline")
    callback(client, lab.events("payment_intent.payment_failed")[0])
    paid = paid_checkout()
    for name in (refused["payment_id"], paid["payment_id"], "nobody", "cs_live_x"):
        fits(schema, status, "get", read(f"/stripe/status/{name}"))
    lab.fault("refund_pending", seconds=60)
    for amount in (1000, 1000, 9000):
        fits(schema, refund, "post", ask("/stripe/refund", {"payment_id": paid["payment_id"], "amount": amount}))
    fits(schema, refund, "post", ask("/stripe/refund", {"payment_id": refused["payment_id"]}))
    fits(schema, capture, "post", ask("/stripe/capture", {"payment_id": paid["payment_id"]}))
    fits(schema, capture, "post", ask("/stripe/capture", {}))
    fits(schema, status, "get", read(f"/stripe/status/{paid['payment_id']}"))


def test_razorpays_answers_are_what_the_schema_promises(schema, ask, read, open_checkout, razorpay, lab):  # noqa: F811
    made = open_checkout("razorpay", capture="manual", customer_email="payer@example.test")
    body = {**BODY, "currency": "INR"}
    fits(schema, "/api/payments/razorpay/checkout", "post", ask("/razorpay/checkout", body))
    fits(schema, "/api/payments/razorpay/checkout", "post", ask("/razorpay/checkout", {**body, "amount": 0}))
    fields = lab.control(f"/razorpay/orders/{made['razorpay_order_id']}/act", outcome="approve")["return"]
    verify, status = "/api/payments/razorpay/verify", "/api/payments/razorpay/status/{payment_id}"
    fits(schema, verify, "post", ask("/razorpay/verify", {**fields, "razorpay_signature": "0"}))
    fits(schema, verify, "post", ask("/razorpay/verify", fields))
    fits(schema, verify, "post", ask("/razorpay/verify", {**fields, "razorpay_order_id": "order_x"}))
    fits(schema, status, "get", read(f"/razorpay/status/{made['payment_id']}"))
    name = {"payment_id": made["payment_id"]}
    fits(schema, "/api/payments/razorpay/capture", "post", ask("/razorpay/capture", name))
    fits(schema, "/api/payments/razorpay/capture", "post", ask("/razorpay/capture", name))
    fits(schema, "/api/payments/razorpay/refund", "post", ask("/razorpay/refund", name))
    fits(schema, "/api/payments/razorpay/refund", "post", ask("/razorpay/refund", name))
