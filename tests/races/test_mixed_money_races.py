"""Different acts at once on one payment. Whoever wins, in the end we say what the processor has."""

import pytest
import requests
from django.test import Client

from checkout import captures, orders, payments, refunds, rounds
from checkout.models import CallbackRecord, Order, Payment, Refund
from tests.builders import callback, later, make_key, make_order, make_paid_order, make_provider, start_payment
from tests.races.test_money_races import at_once
from tests.races.test_processor_api_races import ask, held
from tests.shop import with_razorpay
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(lab, settings):
    provider = make_provider()
    with_razorpay(provider, lab, settings)
    return make_key(provider)


def all_events(lab):
    """Everything that Stripe has to say, newest first, as a bad day delivers it; and once more."""
    for event in [*lab.events(), *lab.events()]:
        assert callback(Client(), event).status_code == 200


def settle(lab):
    for minutes in (1, 5, 30):
        payments.ask_due_payments(now=later(minutes=minutes))
        refunds.ask_due_refunds(now=later(minutes=minutes))
    lab.control("/idle?timeout=20", "GET")
    all_events(lab)


def both_tell_the_same(lab):
    """Our rows against Stripe's, and the numbers of ours against one another."""
    order, payment = Order.objects.get(), Payment.objects.get()
    [intent] = lab.control("/stripe/payments", "GET")["payments"]
    there = sum(row["amount"] for row in lab.refunds() if row["status"] == "succeeded")
    here = sum(row.amount_minor for row in Refund.objects.filter(status="succeeded"))
    assert payment.captured_minor == intent["amount_received"]
    assert payment.refunded_minor == here == there <= payment.captured_minor
    is_paid = intent["amount_received"] > 0
    assert order.status == (("refunded" if here == payment.captured_minor else "paid") if is_paid else order.status)
    assert is_paid or order.status in ("cancelled", "pending", "expired", "processing"), order.status
    assert order.events.filter(kind="paid").count() == int(is_paid)
    assert Delivery.objects.filter(event_kind="payment_succeeded").count() == int(is_paid)
    returned = order.events.filter(kind="refund_succeeded").count()
    assert Delivery.objects.filter(event_kind="payment_refunded").count() == returned
    assert list(order.events.values_list("sequence", flat=True)) == list(range(1, order.last_sequence + 1))
    assert not Payment.objects.filter(status="review").exists()
    return order


@pytest.mark.parametrize("round", range(2))
def test_capture_cancel_expiry_refund_callback_and_question_at_once(key, lab, round):
    made = held(key, lab, "stripe")
    order_id, named = made["hub_order_id"], {"payment_id": made["payment_id"]}
    authorized = lab.events("checkout.session.completed")[0]
    Payment.objects.update(next_ask_at=later(seconds=-1))
    acts = [
        lambda: ask(key, "/stripe/capture", named),
        lambda: orders.cancel_order(order_id=order_id, cause="race", now=later(seconds=0)),
        lambda: orders.expire_due_orders(now=later(days=3)),
        lambda: ask(key, "/stripe/refund", named),
        lambda: callback(Client(), authorized).status_code,
        lambda: payments.ask_due_payments(now=later(seconds=0)),
        lambda: ask(key, "/stripe/capture", {"order_id": made["order_id"]}),
        lambda: ask(key, "/stripe/refund", {**named, "amount": 2_000}),
    ]
    at_once(lambda number: acts[number]())
    settle(lab)
    both_tell_the_same(lab)


def test_refunds_of_ours_and_of_the_dashboard_at_once_never_count_twice(lab, client):
    order = make_paid_order(lab, client)
    payment = Payment.objects.get()

    def dashboard():
        return requests.post(
            f"{lab.url}/_lab/stripe/payments/{payment.processor_ref}/refund", json={"amount": 3_000}, timeout=20
        )

    def ours():
        return refunds.request_refund(
            order_id=order.pk, amount_minor=3_000, reason="", idempotency_key="", requested_by="t", cause="t",
            now=later(seconds=0),
        )  # fmt: skip

    at_once(lambda number: dashboard() if number % 2 else ours())
    settle(lab)
    there = sum(row["amount"] for row in lab.refunds() if row["status"] == "succeeded")
    payment.refresh_from_db()
    assert there == payment.refunded_minor == 9_000
    assert not Refund.objects.filter(status__in=["requested", "pending", "unknown"]).exists()
    assert Order.objects.get().status == "paid"


@pytest.mark.parametrize("order_of_news", ["as it was", "the other way round"])
def test_a_refund_that_fails_late_gives_way_to_the_next_one_and_never_counts_again(lab, client, order_of_news):
    order = make_paid_order(lab, client)

    def refund():
        return refunds.request_refund(
            order_id=order.pk, reason="", idempotency_key="", requested_by="t", cause="t", now=later(seconds=0)
        )

    first = refund()
    assert (first.status, Order.objects.get().status) == ("succeeded", "refunded")
    [row] = lab.refunds()
    lab.control(f"/stripe/refunds/{row['id']}/act", outcome="fail")
    failed = lab.events("refund.failed")[0]
    assert callback(client, failed).status_code == 200
    assert (Order.objects.get().status, Payment.objects.get().refunded_minor) == ("paid", 0)
    second = refund()
    assert second.status == "succeeded"
    told = lab.events()  # newest first
    for event in told if order_of_news == "the other way round" else reversed(told):
        assert callback(client, event).status_code == 200
    assert {(row.pk, row.status) for row in Refund.objects.all()} == {(first.pk, "failed"), (second.pk, "succeeded")}
    both_tell_the_same(lab)
    kinds = list(Order.objects.get().events.values_list("kind", flat=True))
    assert (kinds.count("refund_succeeded"), kinds.count("refund_reversed")) == (2, 1)


def test_eight_rounds_at_once_take_what_is_held_against_our_word_once(key, lab):
    made = held(key, lab, "razorpay")
    Order.objects.update(captures_later=False)
    assert made
    payment = Payment.objects.get()
    at_once(lambda number: captures.take_overdue(payment_id=payment.pk, now=later(minutes=3)))
    payments.ask_due_payments(now=later(minutes=30))
    [row] = lab.control("/razorpay/orders", "GET")["orders"]
    assert (row["amount_paid"], [made["status"] for made in row["payments"]]) == (5000, ["captured"])
    order = Order.objects.get()
    assert (order.status, order.events.filter(kind="paid").count()) == ("paid", 1)
    assert Delivery.objects.filter(event_kind="payment_succeeded").count() == 1
    assert rounds.ask_everything_due() == 0


def test_eight_times_the_same_signed_return_at_once_is_one_record(key, lab):
    status, made = ask(key, "/razorpay/checkout", {"order_id": "ORD123", "amount": 5000, "currency": "INR"})
    assert status == 200
    fields = lab.control(f"/razorpay/orders/{made['razorpay_order_id']}/act", outcome="approve")["return"]
    path = "/" + made["callback_url"].split("/", 3)[3]
    answers = at_once(lambda number: Client().post(path, {**fields, "n": number}).status_code)
    assert answers == [303] * 8
    assert CallbackRecord.objects.get().times == 8


@pytest.mark.parametrize("round", range(4))
def test_a_refund_and_the_money_it_is_of_told_at_once_are_both_known_in_the_end(lab, round):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    lab.control(f"/stripe/payments/{payment.processor_ref}/refund", amount=4_000)
    told = [lab.events("refund.created")[0], lab.events("payment_intent.succeeded")[0]]
    assert at_once(lambda number: callback(Client(), told[number]).status_code, count=2) == [200] * 2
    assert both_tell_the_same(lab).refunded_minor == 4_000
