"""The one door: the only code that writes `Order.status` and `Payment.status`.

Every function is called inside a transaction with the order locked (`lock_order`, `lock_payment`): order first,
then payment, then refund. It writes the status, the event with its number, and the deliveries of that event
together, so that after a crash there is no state without its event and no event without its delivery.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from checkout import letters, notifications, siblings
from checkout.models import Order, OrderEvent, Payment, ProcessorTransaction, Refund
from gateway import registry
from gateway.money import Money
from gateway.types import Failure, PaymentReport
from providers import approvals

Kind = OrderEvent.Kind
OrderStatus = Order.Status
PaymentStatus = Payment.Status

UNPAID = [
    OrderStatus.CREATED,
    OrderStatus.PENDING,
    OrderStatus.PROCESSING,
    OrderStatus.FAILED,
    OrderStatus.CANCELLED,
    OrderStatus.EXPIRED,
]  # money already taken is the truth: a capture is accepted from every one of these
WAITING = [OrderStatus.CREATED, OrderStatus.PENDING, OrderStatus.PROCESSING]
ENDED = [OrderStatus.FAILED, OrderStatus.CANCELLED, OrderStatus.EXPIRED]
MAX_EMAIL = 254  # characters
REFUSED = [PaymentStatus.DECLINED, PaymentStatus.FAILED, PaymentStatus.ERROR]

# What the processor's word for work in progress may follow. A later, weaker word never takes back a stronger one.
_PROGRESS_FROM = {
    PaymentStatus.PENDING: [PaymentStatus.CREATED, PaymentStatus.UNKNOWN],
    PaymentStatus.PROCESSING: [PaymentStatus.CREATED, PaymentStatus.PENDING, PaymentStatus.UNKNOWN],
    PaymentStatus.AUTHORIZED: [
        PaymentStatus.CREATED,
        PaymentStatus.PENDING,
        PaymentStatus.PROCESSING,
        PaymentStatus.UNKNOWN,
        *REFUSED,  # late authorisation: the bank's yes after its no
    ],
    PaymentStatus.UNKNOWN: [
        PaymentStatus.CREATED,
        PaymentStatus.PENDING,
        PaymentStatus.PROCESSING,
        PaymentStatus.AUTHORIZED,
    ],
}
_PROGRESS_EVENT = {
    PaymentStatus.PENDING: Kind.PAYMENT_PENDING,
    PaymentStatus.PROCESSING: Kind.PAYMENT_PROCESSING,
    PaymentStatus.AUTHORIZED: Kind.PAYMENT_AUTHORIZED,
    PaymentStatus.UNKNOWN: Kind.PAYMENT_UNKNOWN,
}


class Moved(StrEnum):
    """What became of a report. REFUSED is only for what carries no money; money is never refused in silence."""

    MOVED = "moved"
    ALREADY_THERE = "already_there"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    REVIEW = "review"


def lock_order(order_id: UUID) -> Order:
    """The order, locked until the transaction ends, and before it its siblings, by id. Order.DoesNotExist."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("an order is locked inside a transaction")
    order = siblings.lock_family(order_id)
    return order or Order.objects.select_for_update(of=("self",)).select_related("provider").get(pk=order_id)


def lock_payment(payment_id: UUID, *, order_id: UUID | None = None) -> Payment:
    """The payment with its order (looked up where it is not given), both locked, the order first.

    Payment.DoesNotExist.
    """
    order = lock_order(order_id or Payment.objects.values_list("order_id", flat=True).get(pk=payment_id))
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment_id)
    payment.order = order
    return payment


def open_order(order: Order, *, cause: str, now: datetime) -> None:
    """Write a new order with its first event."""
    order.last_sequence = 1
    order.save(force_insert=True)
    OrderEvent.objects.create(order=order, sequence=1, kind=Kind.ORDER_CREATED, cause=cause[:120], at=now)


def record(
    order: Order,
    kind: Kind,
    *,
    cause: str,
    now: datetime,
    payment: Payment | None = None,
    refund: Refund | None = None,
    data: dict[str, Any] | None = None,
    **columns: Any,
) -> OrderEvent:
    """Append the order's next event; `columns` are written to the order in the same statement as its number."""
    order.last_sequence += 1
    for name, value in columns.items():
        setattr(order, name, value)
    Order.objects.filter(pk=order.pk).update(last_sequence=order.last_sequence, **columns)
    if kind in letters.TOLD:
        letters.write(order, refund=refund, now=now)
    return OrderEvent.objects.create(
        order=order,
        sequence=order.last_sequence,
        kind=kind,
        payment_id=payment.pk if payment else None,
        refund_id=refund.pk if refund else None,
        cause=cause[:120],
        data=data or {},
        at=now,
    )


def _write(payment: Payment, *, now: datetime, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(payment, name, value)
    payment.updated_at = now
    Payment.objects.filter(pk=payment.pk).update(updated_at=now, **columns)


def _if_waiting(order: Order, status: OrderStatus) -> dict[str, Any]:
    """The order follows its payment only while nothing else was said of it."""
    return {"status": status} if order.status in WAITING else {}


# --- a payment's life ---------------------------------------------------------------------------------------------


def begin(order: Order, payment: Payment, *, cause: str, now: datetime) -> None:
    """Write a new payment of the order, which is payable again from now on."""
    payment.save(force_insert=True)
    record(
        order,
        Kind.PAYMENT_STARTED,
        cause=cause,
        now=now,
        payment=payment,
        data={"processor": payment.processor},
        status=OrderStatus.PENDING,
        closing_until=None,
        ended_at=None,
    )


def progress(payment: Payment, status: PaymentStatus, *, cause: str, now: datetime) -> Moved:
    """PENDING, PROCESSING, AUTHORIZED or UNKNOWN, where that is news."""
    if payment.status == status:
        return Moved.ALREADY_THERE
    if payment.status not in _PROGRESS_FROM[status]:
        return Moved.REFUSED
    if payment.status in REFUSED and not _may_open_again(payment, now=now):
        return Moved.REFUSED
    _write(payment, now=now, status=status)
    follows = OrderStatus.PENDING if status == PaymentStatus.PENDING else OrderStatus.PROCESSING
    record(
        payment.order,
        _PROGRESS_EVENT[status],
        cause=cause,
        now=now,
        payment=payment,
        **_if_waiting(payment.order, follows),
    )
    return Moved.MOVED


def _may_open_again(payment: Payment, *, now: datetime) -> bool:
    """Whether money that is held after all may hold the order, too. It may not while another payment is open, nor
    once the order is settled: then the processor is asked what becomes of it, and ends it where it can.
    """
    order = payment.order
    is_free = order.status in [*WAITING, OrderStatus.FAILED] and not payment.is_final_there
    if is_free and not order.payments.filter(status__in=Payment.OPEN).exists():
        return True
    _write(payment, now=now, next_ask_at=now)
    return False


def try_again(payment: Payment, *, order: Order, cause: str, now: datetime) -> None:
    """The buyer tries a refused payment once more, at a processor where it stays open under the same reference."""
    payment.order = order
    _write(payment, now=now, status=PaymentStatus.PENDING, failure_advice="", next_ask_at=now)
    columns: dict[str, Any] = {"status": OrderStatus.PENDING, "ended_at": None, "closing_until": None}
    record(order, Kind.PAYMENT_STARTED, cause=cause, now=now, payment=payment, data={"again": True}, **columns)


def capture(payment: Payment, *, money: Money, cause: str, now: datetime) -> Moved:
    """The money of this payment is final at the processor, and it is what is owed."""
    order = payment.order
    if payment.status == PaymentStatus.CAPTURED:
        return Moved.ALREADY_THERE
    was_ended = order.status in ENDED
    pays = order.status in UNPAID and not siblings.is_any_paid(order)
    _write(
        payment,
        now=now,
        status=PaymentStatus.CAPTURED,
        captured_minor=money.minor,
        captured_at=now,
        is_final_there=True,
        is_duplicate=not pays,
        next_ask_at=None,
    )
    if not pays:
        record(order, Kind.DUPLICATE_PAYMENT, cause=cause, now=now, payment=payment, data={"minor": money.minor})
        return Moved.DUPLICATE
    event = record(
        order,
        Kind.PAID,
        cause=cause,
        now=now,
        payment=payment,
        data={"late": was_ended},
        status=OrderStatus.PAID,
        paid_by=payment,
        paid_at=now,
        is_late=was_ended,
        ended_at=None,
        closing_until=None,
    )
    notifications.tell(event, order=order, payment=payment, now=now)
    end_the_rest(order, now=now)
    for sibling in siblings.siblings_of(order).filter(status__in=[*WAITING, OrderStatus.FAILED]):
        close_unheard(sibling, cause="sibling paid", now=now)
        end_the_rest(sibling, now=now)
    if was_ended and order.provider is not None and order.provider.refunds_late_captures:
        _refund_late_capture(payment, now=now)
    return Moved.MOVED


def close_unheard(order: Order, *, cause: str, now: datetime) -> None:
    """CANCELLED without a word to anybody: what was to be paid is paid elsewhere, or nobody ever knew of it."""
    record(order, Kind.ORDER_CANCELLED, cause=cause, now=now, status=OrderStatus.CANCELLED, ended_at=now)


def open_again(order: Order, *, cause: str, now: datetime) -> None:
    """An order that was closed unheard is wanted after all: its caller repeats the wish that could not be met."""
    record(order, Kind.ORDER_CREATED, cause=cause, now=now, status=OrderStatus.CREATED, ended_at=None)


def end_the_rest(order: Order, *, now: datetime) -> None:
    """What is still open could take the money a second time: a reservation ends here and now, since its processor
    asks us first; the rest is ended at its processor by the ladder of questions.
    """
    still_open = order.payments.filter(is_final_there=False).exclude(status=PaymentStatus.CAPTURED)
    for payment in still_open:
        payment.order = order
        if registry.get(payment.processor).capabilities.asks_first:
            end_payment(payment, PaymentStatus.CANCELLED, cause="paid otherwise", now=now)
        elif payment.status != PaymentStatus.REVIEW:
            _write(payment, now=now, next_ask_at=now)


def _refund_late_capture(payment: Payment, *, now: datetime) -> None:
    """Written in the capture's own transaction, so that no crash forgets it; the refund ladder sends it."""
    refund = Refund.objects.create(
        payment=payment,
        amount_minor=payment.captured_minor,
        currency=payment.currency,
        reason="captured after the order had ended",
        idempotency_key="late-capture",
        requested_by="late capture rule",
        next_ask_at=now,
        created_at=now,
    )
    record(
        payment.order,
        Kind.REFUND_REQUESTED,
        cause="late capture rule",
        now=now,
        payment=payment,
        refund=refund,
        data={"minor": refund.amount_minor},
    )


def refuse_try(
    payment: Payment,
    failure: Failure,
    *,
    is_final_there: bool,
    cause: str,
    now: datetime,
    status: PaymentStatus = PaymentStatus.DECLINED,
) -> Moved:
    """The processor reports a refused try: DECLINED, FAILED or ERROR. Told to the provider once per payment."""
    order = payment.order
    if payment.status not in Payment.OPEN:
        if is_final_there and not payment.is_final_there:
            _write(payment, now=now, is_final_there=True, next_ask_at=None)
        return Moved.ALREADY_THERE if payment.status in REFUSED else Moved.REFUSED
    was_told = order.events.filter(kind=Kind.PAYMENT_FAILED, payment_id=payment.pk).exists()
    _write(
        payment,
        now=now,
        status=status,
        is_final_there=is_final_there,
        failure_code=failure.code[:100],
        failure_message=failure.message[:500],
        failure_advice=failure.advice.value,
        next_ask_at=None if is_final_there else order.expires_at,
    )
    is_news = order.status in WAITING
    columns: dict[str, Any] = {"status": OrderStatus.FAILED, "ended_at": now} if is_news else {}
    event = record(
        order,
        Kind.PAYMENT_FAILED,
        cause=cause,
        now=now,
        payment=payment,
        data={"code": failure.code[:100], "advice": failure.advice.value},
        **columns,
    )
    if is_news and not was_told:
        notifications.tell(event, order=order, payment=payment, now=now)
    return Moved.MOVED


def end_payment(payment: Payment, status: PaymentStatus, *, cause: str, now: datetime, note: str = "") -> Moved:
    """CANCELLED, EXPIRED or ERROR: nothing can be captured there any more, and no money moved.

    The order goes back to `pending` and nobody is told: another try may follow.
    """
    order = payment.order
    if payment.status not in Payment.OPEN:
        if payment.status in (PaymentStatus.CAPTURED, PaymentStatus.REVIEW):
            return Moved.REFUSED
        _write(payment, now=now, is_final_there=True, next_ask_at=None)
        return Moved.ALREADY_THERE
    _write(payment, now=now, status=status, is_final_there=True, next_ask_at=None, failure_message=note[:500])
    # Its processor's transaction ends with it, so that a later Perform, Complete or Confirm is refused.
    ProcessorTransaction.objects.filter(payment=payment, state=ProcessorTransaction.State.CREATED).update(
        state=ProcessorTransaction.State.CANCELLED, cancelled_at=now, is_expired=status == PaymentStatus.EXPIRED
    )
    kind = {
        PaymentStatus.CANCELLED: Kind.PAYMENT_CANCELLED,
        PaymentStatus.EXPIRED: Kind.PAYMENT_EXPIRED,
        PaymentStatus.ERROR: Kind.PAYMENT_ERROR,
    }[status]
    data = {"note": note[:300]} if note else {}
    record(order, kind, cause=cause, now=now, payment=payment, data=data, **_if_waiting(order, OrderStatus.PENDING))
    return Moved.MOVED


def put_under_review(payment: Payment, *, reason: str, reported: Money | None, cause: str, now: datetime) -> Moved:
    """Money was reported that is not what is owed: neither paid nor failed until two people have decided.

    A decision that waits for its second person was about other facts: it is withdrawn.
    """
    reason = reason[:300]
    if payment.review_reason == reason and payment.status in (PaymentStatus.REVIEW, PaymentStatus.CAPTURED):
        return Moved.ALREADY_THERE
    approvals.withdraw_all(act="review", target_id=str(payment.pk), now=now)
    facts: dict[str, Any] = {
        "review_reason": reason,
        "reported_minor": reported.minor if reported else None,
        "reported_currency": reported.currency if reported else "",
        "reviewed_at": None,
    }
    if payment.status == PaymentStatus.CAPTURED:
        _write(payment, now=now, **facts)  # what was taken stays taken; the difference is for staff
    else:
        _write(payment, now=now, status=PaymentStatus.REVIEW, next_ask_at=None, **facts)
    record(
        payment.order,
        Kind.PAYMENT_REVIEW,
        cause=cause,
        now=now,
        payment=payment,
        data={"reason": reason, "reported": str(reported) if reported else None},
        **_if_waiting(payment.order, OrderStatus.PROCESSING),
    )
    return Moved.REVIEW


def adopt_facts(payment: Payment, report: PaymentReport, *, now: datetime) -> None:
    """Keep what the processor tells about itself: its reference, further ids, where the buyer goes."""
    facts: dict[str, Any] = {}
    if report.processor_ref and not payment.processor_ref:
        facts["processor_ref"] = report.processor_ref[:200]
    # What took the money keeps its ids: later news, perhaps of another debit, only add what was not known.
    is_settled = payment.status == PaymentStatus.CAPTURED
    added = {
        key: text
        for key, text in report.processor_data.items()
        if payment.processor_data.get(key) != text and not (is_settled and key in payment.processor_data)
    }
    if added:
        facts["processor_data"] = {**payment.processor_data, **added}
    if report.capture_ref and not (is_settled and payment.capture_ref):
        facts["capture_ref"] = report.capture_ref[:200]
    if report.payer_email and not payment.order.payer_email:
        _adopt_email(payment.order, report.payer_email)
        if payment.order.status in siblings.PAID:  # the address came after the money
            letters.write(payment.order, now=now)
    if report.method and report.method != payment.method:
        facts["method"] = report.method[:40]
    if report.next_action is not None:
        facts["pay_url"] = report.next_action.url
        facts["pay_mobile_url"] = report.next_action.mobile_url
    facts = {name: value for name, value in facts.items() if getattr(payment, name) != value}
    if facts:
        _write(payment, now=now, **facts)


def _adopt_email(order: Order, text: str) -> None:
    """Where the processor learned who pays: only an address that can be written to."""
    try:
        validate_email(text)
    except ValidationError:
        return
    if len(text) <= MAX_EMAIL:
        order.payer_email = text
        Order.objects.filter(pk=order.pk).update(payer_email=text)


def reserved(payment: Payment, *, transaction_ref: str, cause: str, now: datetime) -> None:
    """An asking processor holds the order for a transaction of its own; no money has moved."""
    record(
        payment.order,
        Kind.PAYMENT_RESERVED,
        cause=cause,
        now=now,
        payment=payment,
        data={"transaction": transaction_ref},
        **_if_waiting(payment.order, OrderStatus.PENDING),
    )


def keep_reference(payment: Payment, processor_ref: str, details: Mapping[str, str], *, now: datetime) -> None:
    """The processor's own id of a payment that it asks about, and what else it tells of it."""
    facts: dict[str, Any] = {}
    if payment.processor_ref != processor_ref:
        facts["processor_ref"] = processor_ref[:200]
    if any(payment.processor_data.get(name) != text for name, text in details.items()):
        facts["processor_data"] = {**payment.processor_data, **details}
    if facts:
        _write(payment, now=now, **facts)


def keep_details(payment_id: UUID, details: Mapping[str, str], *, now: datetime) -> None:
    """What a processor told beside the payment's life (its fiscal receipt); changes no status, tells nobody."""
    with transaction.atomic():
        payment = lock_payment(payment_id)
        _write(payment, now=now, processor_data={**payment.processor_data, **details})


# --- an order's end -----------------------------------------------------------------------------------------------


def end_order(order: Order, status: OrderStatus, *, cause: str, now: datetime) -> Moved:
    """CANCELLED or EXPIRED, once nothing of it can be captured any more. Never from `paid`."""
    if order.status == status:
        return Moved.ALREADY_THERE
    allowed = [*WAITING, OrderStatus.FAILED] if status == OrderStatus.CANCELLED else WAITING
    if order.status not in allowed:
        return Moved.REFUSED
    kind = Kind.ORDER_CANCELLED if status == OrderStatus.CANCELLED else Kind.ORDER_EXPIRED
    event = record(order, kind, cause=cause, now=now, status=status, ended_at=now, closing_until=None)
    notifications.tell(event, order=order, payment=None, now=now)
    return Moved.MOVED


def refunds_settled(order: Order, payment: Payment, *, event: OrderEvent, now: datetime) -> None:
    """Follow the sum of a payment's refunds: all of it back is `refunded`, part of it stays `paid`.

    Only refunds of the payment that paid the order count; those of a duplicate leave the order alone.
    """
    if order.paid_by_id != payment.pk:
        return
    total = min(payment.refunded_minor, order.amount_minor)
    # Of what was taken: two people may have accepted more or less of it than was owed.
    is_all = 0 < payment.captured_minor <= payment.refunded_minor
    status = OrderStatus.REFUNDED if is_all else OrderStatus.PAID
    order.refunded_minor, order.status = total, status
    Order.objects.filter(pk=order.pk).update(refunded_minor=total, status=status)
    if event.kind in (Kind.REFUND_SUCCEEDED, Kind.REFUND_REVERSED):
        notifications.tell(event, order=order, payment=payment, now=now)


def review_accepted(payment: Payment, *, money: Money, cause: str, now: datetime) -> Moved:
    """Two people accept what was taken as the payment of this order."""
    _write(payment, now=now, reviewed_at=now)
    record(payment.order, Kind.PAYMENT_REVIEWED, cause=cause, now=now, payment=payment, data={"exit": "accept"})
    return capture(payment, money=money, cause=cause, now=now)


def review_to_refund(payment: Payment, *, money: Money, cause: str, now: datetime) -> None:
    """Two people send back what was taken: the money counts as captured here, but pays nothing."""
    order = payment.order
    _write(
        payment,
        now=now,
        reviewed_at=now,
        status=PaymentStatus.CAPTURED,
        currency=money.currency,  # what was taken is what goes back
        captured_minor=money.minor,
        captured_at=now,
        is_final_there=True,
        is_duplicate=True,
    )
    record(
        order,
        Kind.PAYMENT_REVIEWED,
        cause=cause,
        now=now,
        payment=payment,
        data={"exit": "refund"},
        **_if_waiting(order, OrderStatus.PENDING),
    )
