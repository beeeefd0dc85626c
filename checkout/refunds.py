"""Refunds: the only code that writes `Refund.status`. Money going back, always of one payment.

The amount is reserved under the order's lock from the moment it is asked for, so that never more goes back
than was captured. The processor is called outside every transaction; what stays unclear is asked on a ladder.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import F, Sum

from checkout import receipt_lines, transitions
from checkout.errors import (
    AlreadyRefunded,
    Disputed,
    IdempotencyMismatch,
    NotCaptured,
    NotRefundable,
    NotWaiting,
    OrderNotFound,
    RefundTooLarge,
    SamePerson,
)
from checkout.models import Order, OrderEvent, Payment, Refund
from checkout.payments import CALL_MAY_TAKE, UNKNOWN_LADDER, reference_of
from checkout.transitions import Moved
from gateway import errors, registry
from gateway.money import Money
from gateway.types import RefundOutcome, RefundRef, RefundReport, RefundRequest
from providers import accounts, approvals

logger = logging.getLogger(__name__)
Status = Refund.Status
Kind = OrderEvent.Kind
PENDING_LADDER = [30, 120, 600, 3600, 6 * 3600]
UNSETTLED = [Status.REQUESTED, Status.PENDING, Status.UNKNOWN]
ACT = "refund"
SHORTEST_PROOF = 10  # characters


def remaining_minor(payment: Payment, *, with_proposals: bool = True) -> int:
    """What may still go back: captured less everything asked for, whatever became of it so far.

    `with_proposals=False` leaves out what waits for a second person: nothing of that was sent yet.
    """
    counted = [status for status in Refund.RESERVING if with_proposals or status != Status.PROPOSED]
    reserved = payment.refunds.filter(status__in=counted).aggregate(total=Sum("amount_minor"))["total"]
    return max(0, payment.captured_minor - (reserved or 0))


def request_refund(
    *,
    order_id: UUID,
    reason: str,
    idempotency_key: str,
    requested_by: str,
    cause: str,
    now: datetime,
    payment_id: UUID | None = None,
    amount_minor: int | None = None,
    actor: AbstractUser | None = None,
    items: Sequence[Mapping[str, Any]] = (),
    card_pan: str = "",
    on_refusal: Callable[[errors.GatewayError], None] | None = None,
) -> Refund:
    """Send money of a payment back; without `payment_id` of the one that paid the order, without an amount all
    that is left. The answer may be SUCCEEDED, PENDING, UNKNOWN or FAILED; PROPOSED where `actor`, a person of
    ours, needs a second one. The same key again answers the same refund; with other content IdempotencyMismatch.
    `items` are the lines of the receipt that replaces the first one; `card_pan` goes to the processor in this very
    call and is kept nowhere. `on_refusal` hears why the processor refused it in this call (the refund is FAILED then),
    for a caller that is told the refusal's own meaning. NotRefundable, RefundTooLarge.
    """
    with transaction.atomic():
        order = transitions.lock_order(order_id)
        payment = _refundable(order, payment_id)
        if idempotency_key and (known := payment.refunds.filter(idempotency_key=idempotency_key).first()):
            is_other_amount = amount_minor is not None and known.amount_minor != amount_minor
            if is_other_amount or known.items != list(items) or known.reason != reason[:300]:
                raise IdempotencyMismatch()
            return known
        refund = _reserve(
            payment, amount_minor, reason=reason, idempotency_key=idempotency_key, requested_by=requested_by, now=now
        )
        refund.items = list(items)
        if actor is not None and _needs_second_person(payment, refund.amount_minor):
            refund.status = Status.PROPOSED
            refund.approval_id = approvals.propose(
                act=ACT,
                target_type="refund",
                target_id=str(refund.pk),
                summary=f"Refund {refund.money} of order {order.pk}",
                payload={},
                requested_by=actor,
                now=now,
            ).pk
        else:
            refund.next_ask_at = now + CALL_MAY_TAKE
        refund.save(force_insert=True)
        transitions.record(
            order,
            Kind.REFUND_REQUESTED,
            cause=cause,
            now=now,
            payment=payment,
            refund=refund,
            data={
                "minor": refund.amount_minor,
                "reason": reason,
                "waits_for_approval": refund.status == Status.PROPOSED,
            },
        )
    if refund.status == Status.REQUESTED:
        _send(refund, card_pan=card_pan, on_refusal=on_refusal, now=now)
        refund.refresh_from_db()
    return refund


def _refundable(order: Order, payment_id: UUID | None, *, is_in_portal: bool = False) -> Payment:
    wanted = payment_id or order.paid_by_id
    if wanted is None:
        raise NotCaptured("The order is not paid")
    payment = order.payments.select_for_update(of=("self",)).select_related("account").filter(pk=wanted).first()
    if payment is None:
        raise OrderNotFound("Payment not found")
    if payment.status != Payment.Status.CAPTURED:
        raise NotCaptured()
    if payment.is_disputed:
        raise Disputed()
    if is_in_portal == registry.get(payment.processor).capabilities.can_refund:
        name = registry.get(payment.processor).name
        raise NotRefundable(
            f"{name} refunds by API: nothing needs to be recorded by hand"
            if is_in_portal
            else f"{name} has no refunds by API: use its portal"
        )
    payment.order = order
    return payment


def record_in_portal(
    *,
    order_id: UUID,
    amount_minor: int | None,
    proof: str,
    processor_ref: str = "",
    idempotency_key: str = "",
    actor: AbstractUser,
    cause: str,
    now: datetime,
    payment_id: UUID | None = None,
) -> Refund:
    """A refund that staff made in the portal of a processor without refunds by API: PROPOSED until a second person
    has looked at the proof, and `approve_refund` then writes it down as succeeded. Sends nothing.

    `processor_ref` is the portal's own number of it, where it has one: should the processor tell of it later, it is
    the same refund. The same key again answers the same row; with other content IdempotencyMismatch. NotRefundable,
    RefundTooLarge.
    """
    proof = proof.strip()
    if len(proof) < SHORTEST_PROOF:
        raise NotRefundable("Say how you know that the money went back: the portal's number, the date, who did it")
    with transaction.atomic():
        order = transitions.lock_order(order_id)
        payment = _refundable(order, payment_id, is_in_portal=True)
        if idempotency_key and (made := payment.refunds.filter(idempotency_key=idempotency_key).first()):
            is_other_amount = amount_minor is not None and made.amount_minor != amount_minor
            if is_other_amount or (made.proof, made.processor_ref) != (proof[:500], processor_ref[:200]):
                raise IdempotencyMismatch()
            return made
        if processor_ref and payment.refunds.filter(processor_ref=processor_ref[:200]).exists():
            raise NotRefundable("This refund is recorded already")
        refund = _reserve(
            payment,
            amount_minor,
            reason="made in the processor's portal",
            idempotency_key=idempotency_key,
            requested_by=actor.get_username(),
            now=now,
        )
        refund.is_external, refund.proof, refund.processor_ref = True, proof[:500], processor_ref[:200]
        refund.status = Status.PROPOSED
        refund.approval_id = approvals.propose(
            act=ACT,
            target_type="refund",
            target_id=str(refund.pk),
            summary=f"Record a refund of {refund.money} made in the portal, of order {order.pk}",
            payload={},
            requested_by=actor,
            now=now,
        ).pk
        refund.save(force_insert=True)
        transitions.record(
            order,
            Kind.REFUND_REQUESTED,
            cause=cause,
            now=now,
            payment=payment,
            refund=refund,
            data={"minor": refund.amount_minor, "in_portal": True, "waits_for_approval": True},
        )
    return refund


def approval_limit(currency: str) -> int:
    """Minor units that one person may send back of one payment, however many refunds they are split into."""
    return int(settings.REFUND_APPROVAL_LIMITS.get(currency, settings.REFUND_APPROVAL_ABOVE_MINOR))


def _needs_second_person(payment: Payment, amount_minor: int) -> bool:
    alone = payment.refunds.filter(status__in=Refund.RESERVING, approval_id=None, is_external=False)
    before = alone.aggregate(total=Sum("amount_minor"))["total"] or 0
    return before + amount_minor > approval_limit(payment.currency)


def _reserve(
    payment: Payment, amount_minor: int | None, *, reason: str, idempotency_key: str, requested_by: str, now: datetime
) -> Refund:
    left = remaining_minor(payment)
    wanted = left if amount_minor is None else amount_minor
    if left == 0:
        raise AlreadyRefunded()
    if wanted <= 0 or wanted > left:
        raise RefundTooLarge(f"At most {Money(left, payment.currency)} can be refunded", left=left)
    return Refund(
        payment=payment,
        amount_minor=wanted,
        currency=payment.currency,
        reason=reason[:300],
        idempotency_key=idempotency_key,
        requested_by=requested_by[:150],
        created_at=now,
    )


def approve_refund(*, refund_id: UUID, actor: AbstractUser, now: datetime) -> Refund:
    """The second person says yes, and the refund is sent. SamePerson, NotWaiting."""
    with transaction.atomic():
        refund = _lock(refund_id)
        if refund.status != Status.PROPOSED or refund.approval_id is None:
            raise NotWaiting()
        if refund.payment.is_disputed:
            raise Disputed()
        _decide(approvals.approve, refund.approval_id, by=actor, now=now)
        if refund.is_external:
            if _succeed(refund, cause=f"staff {actor.get_username()}", now=now) is not Moved.MOVED:
                raise NotRefundable("More would have gone back than was taken: another refund came between. Reject it")
            return refund
        _write(refund, status=Status.REQUESTED, next_ask_at=now + CALL_MAY_TAKE)
    _send(refund, now=now)
    refund.refresh_from_db()
    return refund


def reject_refund(*, refund_id: UUID, actor: AbstractUser, now: datetime) -> Refund:
    """Give the reserved amount free again. NotWaiting."""
    with transaction.atomic():
        refund = _lock(refund_id)
        if refund.status != Status.PROPOSED or refund.approval_id is None:
            raise NotWaiting()
        try:
            _decide(approvals.reject, refund.approval_id, by=actor, now=now)
        except SamePerson:
            _decide(approvals.withdraw, refund.approval_id, by=actor, now=now)  # one's own wish is taken back
        _write(refund, status=Status.CANCELLED, settled_at=now, failure_message="not approved")
        payment = refund.payment
        transitions.record(
            payment.order,
            Kind.REFUND_FAILED,
            cause=f"staff {actor}",
            now=now,
            payment=payment,
            refund=refund,
            data={"rejected": True},
        )
    return refund


def withdraw_proposals(payment: Payment, *, why: str, cause: str, now: datetime) -> None:
    """What waits for a second person gives way to what the processor itself says of this payment, which is locked:
    nobody has sent anything yet, and what was proposed may be this very money. Staff see why.
    """
    for refund in payment.refunds.select_for_update(of=("self",)).filter(status=Status.PROPOSED):
        refund.payment = payment
        _write(refund, status=Status.CANCELLED, settled_at=now, failure_message=why[:500])
        approvals.withdraw_all(act=ACT, target_id=str(refund.pk), now=now)
        transitions.record(
            payment.order,
            Kind.REFUND_FAILED,
            cause=cause,
            now=now,
            payment=payment,
            refund=refund,
            data={"rejected": True, "message": why[:300]},
        )


def _decide(decision: Any, approval_id: UUID, *, by: AbstractUser, now: datetime) -> None:
    try:
        decision(approval_id=approval_id, by=by, now=now)
    except approvals.SamePerson as error:
        raise SamePerson() from error
    except approvals.NotWaiting as error:
        raise NotWaiting() from error


def _lock(refund_id: UUID) -> Refund:
    """The refund with its payment and order, locked in that order: order, payment, refund."""
    payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
    payment = transitions.lock_payment(payment_id)
    refund = Refund.objects.select_for_update(of=("self",)).get(pk=refund_id)
    refund.payment = payment
    return refund


def _write(refund: Refund, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(refund, name, value)
    Refund.objects.filter(pk=refund.pk).update(**columns)


# --- towards the processor ----------------------------------------------------------------------------------------


def _send(
    refund: Refund,
    *,
    now: datetime,
    card_pan: str = "",
    on_refusal: Callable[[errors.GatewayError], None] | None = None,
) -> None:
    """Call the processor once. The refund's id is the idempotency key there, so a repeat is the same refund."""
    payment = Payment.objects.select_related("account", "order").get(pk=refund.payment_id)
    if payment.is_disputed:
        # It came between the wish and its sending, or while the processor could not be reached.
        _fail(refund.pk, code="disputed", message="a dispute was opened first", cause="dispute", now=now)
        return
    request = RefundRequest(
        reference=str(refund.pk),
        payment=reference_of(payment),
        money=refund.money,
        reason=refund.reason,
        items=receipt_lines.items_of(refund.items),
        card_pan=card_pan,
    )
    try:
        report = accounts.adapter_for(payment.account, now=now).refund_payment(request)
    except (errors.Refused, errors.Misconfigured, errors.NotFound, errors.Declined) as error:
        logger.error("refund %s was refused: %s", refund.pk, error)
        _fail(refund.pk, code=error.processor_code, message=str(error), cause="refused by the processor", now=now)
        if on_refusal is not None:
            on_refusal(error)
    except errors.GatewayError as error:
        # Surely not sent (Unavailable) is sent again with the same key; an unclear outcome is asked about first.
        is_unclear = isinstance(error, errors.OutcomeUnknown)
        logger.warning("refund %s: %s", refund.pk, error)
        with transaction.atomic():
            locked = _lock(refund.pk)
            if locked.status in UNSETTLED:
                soon = now + timedelta(seconds=UNKNOWN_LADDER[0])
                _write(locked, status=Status.UNKNOWN if is_unclear else locked.status, next_ask_at=soon)
    else:
        apply_refund_report(refund_id=refund.pk, report=report, cause="answer of the processor", now=now)


def apply_refund_report(*, refund_id: UUID, report: RefundReport, cause: str, now: datetime) -> Moved:
    """Write down what a processor says about a refund of ours."""
    with transaction.atomic():
        refund = _lock(refund_id)
        payment, order = refund.payment, refund.payment.order
        if report.mode is not None and report.mode.value != order.mode:
            return Moved.REFUSED
        if report.processor_ref and not refund.processor_ref:
            _write(refund, processor_ref=report.processor_ref[:200])
        if report.money is not None and report.money != refund.money:
            return _excess(payment, report, cause=cause, now=now)
        match report.outcome:
            case RefundOutcome.SUCCEEDED:
                return _succeed(refund, cause=cause, now=now)
            case RefundOutcome.FAILED | RefundOutcome.CANCELLED:
                failure = report.failure
                return _fail_locked(
                    refund,
                    code=failure.code if failure else "",
                    message=failure.message if failure else "",
                    cause=cause,
                    now=now,
                )
            case _:
                if refund.status not in (Status.REQUESTED, Status.UNKNOWN):
                    return Moved.ALREADY_THERE
                due = now + timedelta(seconds=PENDING_LADDER[0])
                _write(refund, status=Status.PENDING, next_ask_at=due, asked=0)
                transitions.record(order, Kind.REFUND_PENDING, cause=cause, now=now, payment=payment, refund=refund)
                return Moved.MOVED


def _succeed(refund: Refund, *, cause: str, now: datetime) -> Moved:
    if refund.status == Status.SUCCEEDED:
        return Moved.ALREADY_THERE
    if refund.status == Status.PROPOSED:
        # The processor told of it before the second person looked: nothing is left to decide.
        approvals.withdraw_all(act=ACT, target_id=str(refund.pk), now=now)
    payment = refund.payment
    total = payment.refunded_minor + refund.amount_minor
    if total > payment.captured_minor:
        # It failed before and its amount was given free; now it turns out to have gone through.
        report = RefundReport("", refund.processor_ref, payment.processor_ref, RefundOutcome.SUCCEEDED, refund.money)
        return _excess(payment, report, cause=cause, now=now)
    _write(refund, status=Status.SUCCEEDED, settled_at=now, next_ask_at=None, failure_code="", failure_message="")
    payment.refunded_minor = total
    Payment.objects.filter(pk=payment.pk).update(refunded_minor=total, updated_at=now)
    order = payment.order
    event = transitions.record(
        order,
        Kind.REFUND_SUCCEEDED,
        cause=cause,
        now=now,
        payment=payment,
        refund=refund,
        data={"minor": refund.amount_minor},
    )
    transitions.refunds_settled(order, payment, event=event, now=now)
    return Moved.MOVED


def _fail(refund_id: UUID, *, code: str, message: str, cause: str, now: datetime) -> None:
    with transaction.atomic():
        _fail_locked(_lock(refund_id), code=code, message=message, cause=cause, now=now)


def _fail_locked(refund: Refund, *, code: str, message: str, cause: str, now: datetime) -> Moved:
    """A refund that failed gives its amount free; one that had succeeded takes the order back to `paid`."""
    if refund.status in (Status.FAILED, Status.CANCELLED):
        return Moved.ALREADY_THERE
    payment = refund.payment
    had_succeeded = refund.status == Status.SUCCEEDED
    _write(
        refund,
        status=Status.FAILED,
        settled_at=now,
        next_ask_at=None,
        failure_code=code[:100],
        failure_message=message[:500],
    )
    if had_succeeded:
        payment.refunded_minor -= refund.amount_minor
        Payment.objects.filter(pk=payment.pk).update(refunded_minor=payment.refunded_minor, updated_at=now)
    event = transitions.record(
        payment.order,
        Kind.REFUND_REVERSED if had_succeeded else Kind.REFUND_FAILED,
        cause=cause,
        now=now,
        payment=payment,
        refund=refund,
        data={"code": code[:100], "message": message[:300]},
    )
    transitions.refunds_settled(payment.order, payment, event=event, now=now)
    return Moved.MOVED


def record_external(*, payment_id: UUID, report: RefundReport, cause: str, now: datetime) -> Moved:
    """A refund that somebody made in the processor's own cabinet: written down when we hear of it."""
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        if report.mode is not None and report.mode.value != payment.order.mode:
            return Moved.REFUSED
        if not _is_of(payment, report):
            return Moved.REFUSED  # of another debit of the same order, which pays nothing here
        known = payment.refunds.select_for_update(of=("self",)).filter(processor_ref=report.processor_ref).first()
        if known is None:
            money = report.money
            if money is not None and _fits_without_proposals(payment, money):
                withdraw_proposals(payment, why=f"the processor told of {money} that went back", cause=cause, now=now)
            if money is None or money.currency != payment.currency or money.minor > remaining_minor(payment):
                return _excess(payment, report, cause=cause, now=now)
            known = Refund.objects.create(
                payment=payment,
                amount_minor=money.minor,
                currency=money.currency,
                is_external=True,
                processor_ref=report.processor_ref[:200],
                requested_by=f"{payment.processor} cabinet",
                created_at=now,
            )
        refund_id = known.pk
        # The report is about that row now, and carries its own amount.
        return apply_refund_report(refund_id=refund_id, report=report, cause=cause, now=now)


def record_total(*, payment_id: UUID, report: RefundReport, cause: str, now: datetime) -> Moved:
    """The processor says that all of a payment is back: what we had asked for is done, and the rest was made there.

    On a payment that was never captured here it means only that it is over.
    """
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        if report.mode is not None and report.mode.value != payment.order.mode:
            return Moved.REFUSED
        if not _is_of(payment, report):
            return Moved.REFUSED  # another debit of the same invoice went back, not the one that paid
        if payment.status != Payment.Status.CAPTURED:
            return transitions.end_payment(payment, Payment.Status.CANCELLED, cause=cause, now=now)
        moved = Moved.ALREADY_THERE
        withdraw_proposals(payment, why="the processor says that all of the payment is back", cause=cause, now=now)
        for asked in payment.refunds.select_for_update(of=("self",)).filter(status__in=UNSETTLED):
            asked.payment = payment
            moved = _succeed(asked, cause=cause, now=now)
        left = remaining_minor(payment)
        if left:
            rest = replace(report, money=Money(left, payment.currency), is_total=False)
            moved = record_external(payment_id=payment_id, report=rest, cause=cause, now=now)
        return moved


def _fits_without_proposals(payment: Payment, money: Money) -> bool:
    """Whether only what waits for a second person stands in the way of money that went back already."""
    left, most = remaining_minor(payment), remaining_minor(payment, with_proposals=False)
    return money.currency == payment.currency and left < money.minor <= most


def _is_of(payment: Payment, report: RefundReport) -> bool:
    """Whether a refund is of the debit that paid, where one order can be debited twice."""
    if not (payment.capture_ref or payment.processor_data.get("payment_uuid")):
        return True
    known = {payment.processor_ref, payment.capture_ref, *payment.processor_data.values()}
    return report.payment_processor_ref in known | {""}


def _excess(payment: Payment, report: RefundReport, *, cause: str, now: datetime) -> Moved:
    """More went back than we know of: for people to look at, and no number of ours is bent to fit."""
    data = {"reference": report.processor_ref, "reported": str(report.money) if report.money else None}
    if OrderEvent.objects.filter(order=payment.order, kind=Kind.REFUND_EXCESS, data=data).exists():
        return Moved.ALREADY_THERE
    reason = f"refund {report.processor_ref} of {report.money or 'an unnamed amount'} does not fit"
    transitions.record(payment.order, Kind.REFUND_EXCESS, cause=cause, now=now, payment=payment, data=data)
    return transitions.put_under_review(payment, reason=reason, reported=report.money, cause=cause, now=now)


# --- asking -------------------------------------------------------------------------------------------------------


def ask_due_refunds(*, now: datetime, limit: int = 50) -> int:
    """Send what was never sent, and ask about what got no clear answer; how many were looked at."""
    due = list(Refund.objects.filter(next_ask_at__lte=now).order_by("next_ask_at").values_list("pk", flat=True)[:limit])
    return sum(ask_refund(refund_id=refund_id, now=now) for refund_id in due)


def ask_refund(*, refund_id: UUID, now: datetime) -> bool:
    """Look at one refund whose time has come. False when it has not, or somebody else is at it."""
    claimed = Refund.objects.filter(pk=refund_id, next_ask_at__lte=now, status__in=UNSETTLED).update(
        next_ask_at=now + CALL_MAY_TAKE, asked=F("asked") + 1
    )
    if not claimed:
        return False
    refund = Refund.objects.select_related("payment__account", "payment__order").get(pk=refund_id)
    payment = refund.payment
    question = RefundRef(
        reference=str(refund.pk),
        processor_ref=refund.processor_ref,
        payment=reference_of(payment),
        money=refund.money,
        created_at=refund.created_at,
    )
    try:
        report = accounts.adapter_for(payment.account, now=now).ask_refund(question)
    except errors.GatewayError as error:
        logger.warning("refund %s: the question got no answer: %s", refund.pk, error)
    else:
        if report is not None:
            apply_refund_report(refund_id=refund.pk, report=report, cause="asked the processor", now=now)
        elif not refund.processor_ref:
            _send(refund, now=now)  # it never arrived there; the same key makes a repeat harmless
    ladder = PENDING_LADDER if refund.status == Status.PENDING else UNKNOWN_LADDER
    delay = timedelta(seconds=ladder[min(refund.asked, len(ladder) - 1)])
    Refund.objects.filter(pk=refund_id, status__in=UNSETTLED, next_ask_at=now + CALL_MAY_TAKE).update(
        next_ask_at=now + delay
    )
    return True
