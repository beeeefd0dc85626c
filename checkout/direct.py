"""Orders whose caller names the processor: opened, and their payment started, in one call that can be repeated."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from checkout import payments, transitions
from checkout.errors import MethodNotAvailable, ProcessorTrouble
from checkout.models import Order, Payment

NOT_STARTED = "its payment could not be started"


def open_and_start(
    open_order: Callable[[], Order],
    *,
    processor: str,
    cause: str,
    now: datetime,
    order_id: UUID | None = None,
    before_reopening: Callable[[Order], None] = lambda order: None,
) -> tuple[Order, Payment | None]:
    """The order, and at a named processor its payment; without one the buyer chooses later.

    `order_id` is what an earlier try of the same wish was to make: where it came so far, it is gone on with, and
    `before_reopening` may refuse to open again what that try had to close. MethodNotAvailable, ProcessorTrouble: the
    processor surely did not start it; the order is closed then, and nobody hears of it. A payment whose start got no
    clear answer is `unknown`, and its order stands.
    """
    order = _resume(order_id, cause=cause, now=now, before_reopening=before_reopening) if order_id else None
    if order is not None:
        payment = order.payments.filter(status__in=[*Payment.OPEN, Payment.Status.CAPTURED]).last()
        if payment is not None or order.status not in transitions.WAITING:
            return order, payment  # the earlier try came this far, and whatever followed stands
    order = order or open_order()
    if not processor:
        return order, None
    try:
        payment = payments.start_payment(order_id=order.pk, processor=processor, is_mobile=False, cause=cause, now=now)
    except (ProcessorTrouble, MethodNotAvailable):
        _close_quietly(order, now=now)
        raise
    order.refresh_from_db(fields=["status", "last_sequence", "paid_by", "paid_at", "ended_at"])  # and keep its provider
    return order, payment


def asked_again(payment: Payment | None, *, now: datetime) -> bool:
    """Ask, at once, about a payment that an earlier call left without a clear answer and without a reference.

    True where something was asked: what the same wish comes to is to be looked at once more.
    """
    if payment is None or payment.status != Payment.Status.UNKNOWN or payment.processor_ref:
        return False
    if payment.created_at >= now:
        return False  # this call's own: nothing is known of it yet
    payments.schedule_question(order_id=payment.order_id, now=now)
    payments.ask_payment(payment_id=payment.pk, now=now)
    return True


def _resume(order_id: UUID, *, cause: str, now: datetime, before_reopening: Callable[[Order], None]) -> Order | None:
    """What an earlier try of the same wish made; opened again where that try had to close it."""
    with transaction.atomic():
        order = Order.objects.filter(pk=order_id).first()
        if order is None:
            return None
        order = transitions.lock_order(order_id)
        last = order.events.order_by("-sequence").first()
        if order.status == Order.Status.CANCELLED and last is not None and last.cause == NOT_STARTED:
            before_reopening(order)
            transitions.open_again(order, cause=cause, now=now)
    return order


def _close_quietly(order: Order, *, now: datetime) -> None:
    """Its caller never learnt of it: no id was answered, so no webhook may speak of it either."""
    with transaction.atomic():
        locked = transitions.lock_order(order.pk)
        if locked.status in transitions.WAITING and not payments.not_final(locked):
            transitions.close_unheard(locked, cause=NOT_STARTED, now=now)
