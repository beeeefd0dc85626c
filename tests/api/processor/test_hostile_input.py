"""Whatever is sent, the answer is ours: JSON with an error and its code, never a 500, and nothing is half-written."""

import hashlib
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from checkout.models import IdempotencyRecord, Order, OrderEvent, Payment, Refund
from tests.api.test_hostile_input import quickly, times, values, written

pytestmark = pytest.mark.django_db
NAMES = [
    "order_id", "amount", "currency", "description", "success_url", "cancel_url", "customer_email", "lang", "capture",
    "payment_capture", "expires_at", "payment_intent", "session_id", "payment_id", "reason", "razorpay_order_id",
    "razorpay_payment_id", "razorpay_signature", "__proto__", "",
]  # fmt: skip
bodies = st.dictionaries(st.sampled_from(NAMES), values | times, max_size=6)
POSTS = [
    "/stripe/checkout", "/stripe/refund", "/stripe/capture", "/razorpay/checkout", "/razorpay/verify",
    "/razorpay/refund", "/razorpay/capture",
]  # fmt: skip


def is_ours(answer, *statuses):
    assert answer.status_code in statuses, (answer.status_code, answer.content)
    assert answer.headers["Content-Type"] == "application/json"
    told = answer.json()
    if answer.status_code >= 400:
        assert set(told) >= {"error", "code"}
        assert isinstance(told["error"], str) and 0 < len(told["error"]) < 400
    return told


@pytest.mark.parametrize("path", POSTS)
@quickly
@given(body=bodies)
def test_no_body_breaks_a_call(ask, razorpay, path, body):
    once = hashlib.sha256(written(body).encode()).hexdigest()
    is_ours(ask(path, written(body), once=once), 400, 403, 404)
    assert (Order.objects.count(), Payment.objects.count(), Refund.objects.count()) == (0, 0, 0)
    assert not IdempotencyRecord.objects.exclude(lease_until=None).exists()


@quickly
@given(body=bodies)
def test_no_field_breaks_a_checkout_that_is_good_otherwise(ask, lab, body):
    before = Order.objects.count()
    given_body = {"order_id": "ORD", "amount": 5000, "currency": "usd", **body}
    told = is_ours(ask("/stripe/checkout", written(given_body)), 200, 400)
    made = Order.objects.count() - before
    assert made == (0 if "error" in told and told["code"] == "invalid_request" else made)
    assert Order.objects.count() == OrderEvent.objects.filter(kind="order_created", sequence=1).count()


@pytest.mark.parametrize("path", POSTS)
@quickly
@given(raw=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_break_a_call(ask, provider, path, raw):
    assume(raw.strip() not in (b"", b"{}"))
    is_ours(ask(path, raw), 400)


@pytest.mark.parametrize("processor", ["stripe", "razorpay"])
@quickly
@given(name=st.text(max_size=210))
def test_no_address_breaks_a_read(read, provider, processor, name):
    assume("/" not in name and name not in ("", ".", "..") and not name.startswith("cs_live_"))
    try:
        quoted = quote(name, safe="")
    except UnicodeEncodeError:
        assume(False)
    is_ours(read(f"/{processor}/status/{quoted}"), 404)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "get"])
@pytest.mark.parametrize("path", POSTS)
def test_another_method_is_405_in_our_own_form(client, db, method, path):
    answer = getattr(client, method)(f"/api/payments{path}")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"


def test_another_content_type_is_415(client, key):
    answer = client.post("/api/payments/stripe/checkout", {"order_id": "A"}, headers={"x-api-key": key})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_key_in_the_address_is_refused(client, key):
    answer = client.get(f"/api/payments/stripe/status/x?apiKey={key}", headers={"x-api-key": key})
    assert answer.status_code == 400 and "address" in answer.json()["error"]
