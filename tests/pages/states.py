"""The hosted checkout in each of its states, reached as buyers reach them: by the domain and by what Stripe says."""

from datetime import timedelta

from django.utils import timezone

from checkout import orders, payments, refunds
from checkout.models import Order, Payment
from gateway.money import Money
from gateway.types import Outcome, PaymentReport, RefundOutcome, RefundReport
from tests.builders import approve, callback, later, make_order, make_provider, make_service, start_payment
from tests.lab import STRIPE_KEY, STRIPE_SECRET

__all__ = ["STRIPE_KEY", "STRIPE_SECRET"]


def ready(lab, client, **more):
    return make_order(make_provider(), **more)


def waiting(lab, client, **more):
    order = ready(lab, client, **more)
    start_payment(order)
    return order


def processing(lab, client, **more):
    order = ready(lab, client, **more)
    payment = start_payment(order)
    lab.control("/settings", settle_seconds=3600)
    lab.act(payment.processor_ref, "delay")
    assert callback(client, lab.events("payment_intent.processing")[0]).status_code == 200
    return order


def checking(lab, client, **more):
    order = ready(lab, client, **more)
    lab.fault("reset_after", match={"operation": "payment_intents.create"})
    lab.fault("drop", times=None)  # nor does a callback say what became of it
    assert start_payment(order).status == "unknown"
    return order


def under_review(lab, client, **more):
    order = ready(lab, client, **more)
    payment = start_payment(order)
    lab.fault("drop", match={"event": "payment_intent.succeeded"})  # the true one; a tampered one comes instead
    lab.act(payment.processor_ref, "approve")
    event = lab.events("payment_intent.succeeded")[0]
    event["data"]["object"]["amount_received"] -= 100
    assert callback(client, event).status_code == 200
    payment.refresh_from_db()
    assert payment.status == "review"
    return order


def paid(lab, client, provider=None, **more):
    order = make_order(provider or make_provider(), **more)
    approve(lab, client, start_payment(order))
    return order


def paid_without_a_way_back(lab, client, **more):
    return paid(lab, client, make_provider(success_redirect_url="", cancel_redirect_url=""), **more)


def partly_refunded(lab, client, **more):
    return _refunded(paid(lab, client, **more), 4_000)


def refunded(lab, client, **more):
    return _refunded(paid(lab, client, **more), None)


def _refunded(order, amount_minor):
    refunds.request_refund(
        order_id=order.pk, amount_minor=amount_minor, reason="", idempotency_key="", requested_by="tests", actor=None,
        cause="test", now=timezone.now(),
    )  # fmt: skip
    order.refresh_from_db()
    assert order.refunded_minor == (amount_minor or order.amount_minor)
    return order


def declined(code):
    def failed(lab, client, **more):
        order = ready(lab, client, **more)
        payment = start_payment(order)
        lab.act(payment.processor_ref, "decline", code=code)
        assert callback(client, lab.events("payment_intent.payment_failed")[0]).status_code == 200
        return order

    return failed


failed = declined("payment_method_customer_decline")


def cancelled(lab, client, **more):
    order = ready(lab, client, **more)
    return orders.cancel_order(order_id=order.pk, cause="test", now=timezone.now())


def expired(lab, client, **more):
    order = make_order(make_provider(), now=later(hours=-30), **more)
    assert orders.expire_due_orders(now=timezone.now()) == 1
    return order


def failed_and_out_of_time(lab, client, **more):
    order = failed(lab, client, **more)
    type(order).objects.filter(pk=order.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    return order


def long_names(lab, client, **more):
    service = make_service(
        title="Oʻzbekiston boʻylab yuk tashish va yetkazib berish xizmati, shahararo", price_minor=1234567
    )
    provider = make_provider(
        service=service, name="Schifffahrtsgesellschaftsverwaltungsdienstleistungen International GmbH & Co. KG"
    )
    return make_order(provider, amount_minor=1234567 * 80, **more)


def paid_late_and_twice(lab, client, **more):
    """Expired, then captured after all, captured once more, partly returned, and the seller told of the first."""
    order = ready(lab, client, **more)
    payment = start_payment(order)
    Order.objects.filter(pk=order.pk).update(status=Order.Status.EXPIRED)
    payments.apply_report(payment_id=payment.pk, report=captured(payment), cause="test", now=timezone.now())
    second_capture(order)
    part = RefundReport(
        reference="", processor_ref="re_part", payment_processor_ref=payment.processor_ref,
        outcome=RefundOutcome.SUCCEEDED, money=Money(2_500, order.currency),
    )  # fmt: skip
    refunds.record_external(payment_id=payment.pk, report=part, cause="test", now=timezone.now())
    order.refresh_from_db()
    return order


def second_capture(order):
    """Another payment of the order is reported as captured."""
    first = order.payments.get()
    now = timezone.now()
    second = Payment.objects.create(
        order=order, account=first.account, processor=first.processor, method=first.method,
        amount_minor=order.amount_minor, currency=order.currency, created_at=now, updated_at=now,
    )  # fmt: skip
    report = PaymentReport(
        reference=str(second.pk), processor_ref="pi_second", outcome=Outcome.CAPTURED, money=second.money
    )
    payments.apply_report(payment_id=second.pk, report=report, cause="test", now=now)
    second.refresh_from_db()
    assert second.is_duplicate
    return second


ALL = {
    "ready": ready,
    "waiting": waiting,
    "processing": processing,
    "checking": checking,
    "under_review": under_review,
    "paid": paid,
    "paid_without_a_way_back": paid_without_a_way_back,
    "partly_refunded": partly_refunded,
    "refunded": refunded,
    "failed": failed,
    "failed_and_out_of_time": failed_and_out_of_time,
    "cancelled": cancelled,
    "expired": expired,
    "long_names": long_names,
}
DECLINES = {
    "not_enough_money": declined("insufficient_funds"),
    "other_method": declined("payment_method_provider_decline"),
    "call_bank": declined("do_not_honor"),
    "timed_out": declined("payment_intent_payment_attempt_expired"),
    "no_reason": declined("something_new"),
}


def captured(payment):
    """Stripe's word that the money is there."""
    return PaymentReport(
        reference=str(payment.pk), processor_ref=payment.processor_ref, outcome=Outcome.CAPTURED, money=payment.money
    )


def ask(now=None):
    """What the worker's beat does every two seconds."""
    return payments.ask_due_payments(now=now or timezone.now())
