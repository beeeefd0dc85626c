"""Eight at once, on a real database: exactly one wins and the rest answer rightly."""

import threading

import pytest
from django.db import connection
from django.test import Client

from checkout import orders, refunds
from checkout.errors import AlreadyPaid, CheckoutError, NotRefundable, PaymentUnderWay, RefundTooLarge
from checkout.models import Payment, Refund
from tests.builders import callback, later, make_order, make_paid_order, make_provider, start_payment
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 8


def at_once(work, count=THREADS):
    """Run `work(number)` in threads that start together; what each returned or raised."""
    barrier = threading.Barrier(count)
    results = [None] * count

    def run(number):
        try:
            barrier.wait()
            results[number] = work(number)
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    unexpected = [r for r in results if isinstance(r, Exception) and not isinstance(r, CheckoutError)]
    assert not unexpected, unexpected
    return results


def test_eight_times_the_same_callback_pays_once(lab):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    event = lab.events("payment_intent.succeeded")[0]
    answers = at_once(lambda number: callback(Client(), event).status_code)
    assert answers == [200] * THREADS
    order.refresh_from_db()
    assert order.status == "paid"
    assert order.events.filter(kind="paid").count() == 1
    assert Delivery.objects.filter(event_kind="payment_succeeded").count() == 1
    assert list(order.events.values_list("sequence", flat=True)) == list(range(1, order.last_sequence + 1))


def test_eight_full_refunds_at_once_send_the_money_back_once(lab, client):
    order = make_paid_order(lab, client)

    def refund(number):
        return refunds.request_refund(
            order_id=order.pk, reason="race", idempotency_key=f"k{number}", requested_by="t", cause="t",
            now=later(seconds=0),
        )  # fmt: skip

    results = at_once(refund)
    won = [r for r in results if isinstance(r, Refund)]
    assert len(won) == 1 and won[0].status == "succeeded"
    assert all(isinstance(r, NotRefundable | RefundTooLarge) for r in results if r not in won)
    order.refresh_from_db()
    assert (order.status, order.refunded_minor) == ("refunded", 10_000)
    assert [r["amount"] for r in lab.refunds()] == [10_000]


def test_eight_partial_refunds_at_once_never_exceed_the_capture(lab, client):
    order = make_paid_order(lab, client)
    results = at_once(
        lambda number: refunds.request_refund(
            order_id=order.pk,
            amount_minor=3_000,
            reason="race",
            idempotency_key=f"k{number}",
            requested_by="t",
            cause="t",
            now=later(seconds=0),
        )  # fmt: skip
    )
    assert sum(isinstance(r, Refund) for r in results) == 3
    assert sum(r["amount"] for r in lab.refunds()) == 9_000


def test_eight_times_the_same_refund_key_is_one_refund(lab, client):
    order = make_paid_order(lab, client)
    results = at_once(
        lambda number: (
            refunds.request_refund(
                order_id=order.pk,
                amount_minor=1_000,
                reason="race",
                idempotency_key="same",
                requested_by="t",
                cause="t",
                now=later(seconds=0),
            ).pk
        )  # fmt: skip
    )
    assert len(set(results)) == 1
    assert [r["amount"] for r in lab.refunds()] == [1_000]


def test_eight_presses_of_pay_open_one_payment(lab):
    order = make_order(make_provider())
    results = at_once(lambda number: start_payment(order).pk)
    opened = {r for r in results if not isinstance(r, Exception)}
    assert len(opened) == 1
    assert all(isinstance(r, PaymentUnderWay) for r in results if isinstance(r, Exception))
    assert Payment.objects.count() == 1
    assert len(lab.requests("payment_intents.create")) == 1


@pytest.mark.parametrize("round", range(3))
def test_cancel_races_the_capture_and_both_sides_tell_the_same_story(lab, round):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    event = lab.events("payment_intent.succeeded")[0]

    def act(number):
        if number % 2:
            return callback(Client(), event).status_code
        return orders.cancel_order(order_id=order.pk, cause="race", now=later(seconds=0))

    results = at_once(act)
    assert all(isinstance(r, AlreadyPaid | PaymentUnderWay) for r in results[::2]), results
    order.refresh_from_db()
    assert order.status == "paid"
    assert Delivery.objects.filter(event_kind="payment_succeeded").count() == 1
