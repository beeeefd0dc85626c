"""Processors tell their news in any order: whatever comes first, the same is true in the end."""

import itertools
import json

import pytest

from checkout.models import CallbackRecord, Order, Payment, Refund
from tests.builders import callback, later, make_key, make_order, make_provider, start_payment
from tests.shop import RAZORPAY, with_razorpay

pytestmark = pytest.mark.django_db(transaction=True)
TOLD = ["checkout.session.completed", "payment_intent.succeeded", "refund.created"]


def state():
    """What is true of the only order there is."""
    order = Order.objects.get()
    payment = Payment.objects.get()
    return order.status, order.refunded_minor, payment.refunded_minor, payment.review_reason


def newest(lab, type):
    return next(event for event in lab.events(type))


@pytest.mark.parametrize("order", list(itertools.permutations(TOLD)), ids=lambda order: " then ".join(order))
def test_a_sale_by_a_link_and_its_refund_in_any_order(lab, client, order):
    make_provider()
    link = lab.control("/stripe/links", amount=1500, currency="usd", name="Tea")["link"]
    session = lab.control(f"/stripe/links/{link['id']}/visit")["session"]
    lab.act(session["id"], "approve")
    intent = newest(lab, "payment_intent.succeeded")["data"]["object"]["id"]
    lab.control(f"/stripe/payments/{intent}/refund", amount=600)
    for type in order:
        assert callback(client, newest(lab, type)).status_code == 200

    assert state() == ("paid", 600, 600, "")
    assert Order.objects.get().link_ref == link["id"]
    assert [row.amount_minor for row in Refund.objects.filter(status="succeeded")] == [600]
    assert Order.objects.get().events.filter(kind="paid").count() == 1
    assert not CallbackRecord.objects.filter(verdict="unknown_reference").exists()


def test_a_dispute_of_a_sale_by_a_link_counts_that_came_before_the_sale(lab, client):
    make_provider()
    link = lab.control("/stripe/links", amount=1500, currency="usd", name="Tea")["link"]
    session = lab.control(f"/stripe/links/{link['id']}/visit")["session"]
    lab.act(session["id"], "approve")
    intent = newest(lab, "payment_intent.succeeded")["data"]["object"]["id"]
    lab.control(f"/stripe/payments/{intent}/dispute")
    callback(client, newest(lab, "charge.dispute.created"))
    assert CallbackRecord.objects.get().verdict == "unknown_reference"
    callback(client, newest(lab, "checkout.session.completed"))
    assert Payment.objects.get().is_disputed
    assert CallbackRecord.objects.filter(verdict="applied").count() == 2


@pytest.mark.parametrize("first", ["the refund", "the money"])
@pytest.mark.parametrize("amount", [4_000, 10_000], ids=["a part", "all of it"])
def test_a_refund_in_the_dashboard_that_is_told_before_the_money_counts_once_it_is_known(lab, client, first, amount):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    lab.control(f"/stripe/payments/{payment.processor_ref}/refund", amount=amount)
    told = [newest(lab, "refund.created"), newest(lab, "payment_intent.succeeded")]
    for event in told if first == "the refund" else reversed(told):
        assert callback(client, event).status_code == 200

    assert state() == ("refunded" if amount == 10_000 else "paid", amount, amount, "")
    kinds = list(order.events.values_list("kind", flat=True))
    assert (kinds.count("paid"), kinds.count("refund_succeeded"), kinds.count("payment_review")) == (1, 1, 0)


def test_where_the_money_is_never_told_of_the_question_finds_it_and_the_early_refund_counts(lab, client):
    from checkout import rounds

    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    lab.control(f"/stripe/payments/{payment.processor_ref}/refund", amount=4_000)
    callback(client, newest(lab, "refund.created"))
    assert state() == ("pending", 0, 0, "")
    assert rounds.ask_everything_due() == 1  # it was brought forward to now
    assert state() == ("paid", 4_000, 4_000, "")


def test_another_payments_early_refund_is_left_alone(lab, client):
    provider = make_provider()
    first, second = (start_payment(make_order(provider)) for _ in range(2))
    for payment in (first, second):
        lab.act(payment.processor_ref, "approve")
    lab.control(f"/stripe/payments/{first.processor_ref}/refund", amount=4_000)
    callback(client, newest(lab, "refund.created"))
    mine = [
        row for row in lab.events("payment_intent.succeeded") if row["data"]["object"]["id"] == second.processor_ref
    ]
    callback(client, mine[0])
    assert (Order.objects.get(pk=second.order_id).status, Refund.objects.count()) == ("paid", 0)
    assert CallbackRecord.objects.filter(verdict="unknown_reference").count() == 1


# --- Razorpay -------------------------------------------------------------------------------------------------------


@pytest.fixture
def told_by_razorpay(client):
    import hashlib
    import hmac

    def post(event):
        body = json.dumps(event).encode()
        signature = hmac.new(RAZORPAY["webhookSecret"].encode(), body, hashlib.sha256).hexdigest()
        answer = client.post(
            "/api/webhooks/razorpay", body, content_type="application/json",
            headers={"X-Razorpay-Signature": signature, "x-razorpay-event-id": f"evt_{event['event']}"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.content

    return post


@pytest.fixture
def paid_at_razorpay(lab, settings, client):
    """An order that its buyer has paid at Razorpay, which has told nobody yet; and its payment's entity there."""
    provider = make_provider()
    with_razorpay(provider, lab, settings)
    answer = client.post(
        "/api/payments/razorpay/checkout", {"order_id": "ORD1", "amount": 5000, "currency": "INR"},
        content_type="application/json", headers={"Authorization": f"Bearer {make_key(provider)}"},
    )  # fmt: skip
    order_ref = answer.json()["razorpay_order_id"]
    lab.control(f"/razorpay/orders/{order_ref}/act", outcome="approve")
    return lab.control(f"/razorpay/orders/{order_ref}", "GET")["order"]["payments"][0]


def happened(name, **entities):
    payload = {kind: {"entity": entity} for kind, entity in entities.items()}
    return {
        "entity": "event", "account_id": "acc_1", "event": name, "contains": list(entities), "payload": payload,
        "created_at": 1_763_700_000,
    }  # fmt: skip


@pytest.mark.parametrize("first", ["the refund", "the money"])
def test_razorpays_refund_that_is_told_before_the_money_counts_once_it_is_known(
    paid_at_razorpay, told_by_razorpay, first
):
    taken = paid_at_razorpay
    assert (taken["status"], taken["amount"]) == ("captured", 5000)
    refund = {
        "id": "rfnd_AAAAAAAAAAAAAA", "entity": "refund", "amount": 2000, "currency": "INR", "notes": [],
        "payment_id": taken["id"], "status": "processed", "created_at": 1_763_700_000,
    }  # fmt: skip
    events = [happened("refund.processed", refund=refund, payment=taken), happened("payment.captured", payment=taken)]
    for event in events if first == "the refund" else reversed(events):
        told_by_razorpay(event)
    assert state() == ("paid", 2000, 2000, "")
    told_by_razorpay(events[0])
    assert (state(), Refund.objects.count()) == (("paid", 2000, 2000, ""), 1)


# --- Stripe's stored failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("was_made", [False, True], ids=["before it was made", "after it was made"])
def test_a_refund_that_stripe_failed_at_goes_back_once_and_soon(lab, client, was_made):
    from checkout import refunds
    from tests.builders import make_paid_order

    order = make_paid_order(lab, client)
    lab.fault("500", match={"operation": "refunds.create"}, after=was_made)
    asked = refunds.request_refund(
        order_id=order.pk, amount_minor=4_000, reason="", idempotency_key="", requested_by="t", cause="t",
        now=later(seconds=0),
    )  # fmt: skip
    assert asked.status == "unknown"
    for minutes in (1, 5):
        refunds.ask_due_refunds(now=later(minutes=minutes))
    assert [(row["amount"], row["metadata"]["refundId"]) for row in lab.refunds()] == [(4_000, str(asked.pk))]
    assert state() == ("paid", 4_000, 4_000, "")
