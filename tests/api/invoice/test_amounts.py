"""No amount changes by a tiyin on its way from the API to the processor and into the webhook."""

import base64
import json
import uuid
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from checkout.models import Order, Payment
from gateway.money import MAX_MINOR
from tests.api.invoice.asking import LINE, payme, register, wanted
from tests.asking import ASKING, asking_lab, marketplace  # noqa: F401  (fixtures)
from tests.checkout.test_asking import millis
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
slowly = settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
amounts = st.integers(100, MAX_MINOR) | st.integers(53, 63).map(lambda bits: min(MAX_MINOR, 2**bits - 1)) | st.integers(
    100, 10**6
)  # fmt: skip


def link_fields(url):
    text = base64.b64decode(url.rpartition("/")[2]).decode()
    return dict(part.split("=", 1) for part in text.split(";"))


@slowly
@given(amount=amounts, written=st.sampled_from(["{}", "{}.0", "{}.000", "{}e0", "{}00e-2"]))
@example(amount=MAX_MINOR, written="{}")
@example(amount=9_007_199_254_740_993 % MAX_MINOR, written="{}.0")
@example(amount=100, written="{}e0")
def test_an_amount_is_the_same_in_link_question_event_webhook_and_answer(client, api, amount, written):
    register(api)
    line = {**LINE, "price": amount, "total": amount}
    body = json.dumps(wanted(sourceInvoiceId=uuid.uuid4().hex, amount="HERE", ofd=[line]))
    invoice = api("POST", "/api/invoices", body.replace('"HERE"', written.format(amount)))
    assert invoice["amount"] == amount
    assert link_fields(invoice["checkoutUrl"])["a"] == str(amount)

    account = {"order_id": invoice["id"]}
    for other in (amount - 1, amount + 1, amount * 100, amount // 100):
        assert payme(client, "CheckPerformTransaction", account=account, amount=other)["code"] == -31001
    allowed = payme(client, "CheckPerformTransaction", account=account, amount=amount)
    assert (allowed["allow"], allowed["detail"]["items"][0]["price"]) == (True, amount)
    ref = uuid.uuid4().hex[:24]
    assert payme(client, "CreateTransaction", id=ref, time=millis(), account=account, amount=amount)["state"] == 1
    assert payme(client, "PerformTransaction", id=ref)["state"] == 2

    order, payment = Order.objects.get(pk=invoice["id"]), Payment.objects.get(order=invoice["id"])
    assert (order.amount_minor, payment.amount_minor, payment.captured_minor) == (amount, amount, amount)
    (told,) = Delivery.objects.filter(order_id=order.pk)
    assert f'"amount":{amount},' in told.body
    assert api("GET", f"/api/invoices/{invoice['id']}")["amount"] == amount

    assert payme(client, "CancelTransaction", id=ref, reason=5)["state"] == -2
    shown = api("GET", f"/api/invoices/{invoice['id']}")
    assert (shown["status"], shown["refundedAmount"]) == ("refunded", amount)
    (refund,) = api("GET", f"/api/refunds/by-invoice/{invoice['id']}")["items"]
    assert refund["amount"] == amount


# --- every processor, with the lab's own books on the other side ------------------------------------------------------

IN_THEIR_BOOKS = {
    "payme": lambda row: row["amount"],
    "click": lambda row: Decimal(row["amount"]) * 100,  # so'm as text
    "uzum": lambda row: row["amount"],
    "multicard": lambda row: row["total_amount"],
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slug", ASKING)
def test_what_the_processor_took_is_to_the_tiyin_what_was_asked_and_told(marketplace, slug):  # noqa: F811
    marketplace.register(slug)
    desk = marketplace.desk(slug)

    @settings(slowly, max_examples=12)
    @given(amount=amounts)
    @example(amount=100)
    @example(amount=MAX_MINOR)
    @example(amount=1_000_000_000_001)
    def travels(amount):
        invoice = marketplace.invoice(slug, amount=amount)
        answer = marketplace.buyer(slug, invoice)
        assert answer.status_code == 303, answer.text
        desk.settled()
        marketplace.wait_for(invoice, "paid")
        (told,) = marketplace.told(invoice)
        captured = Payment.objects.get(order=invoice["id"]).captured_minor
        assert (told["amount"], marketplace.read(invoice)["amount"], captured) == (amount, amount, amount)
        assert IN_THEIR_BOOKS[slug](desk.latest(invoice)) == amount

    travels()
    assert desk.violations() == []
