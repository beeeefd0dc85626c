"""The two exits of a payment under review, each decided by two people: accept what was taken, or send it back."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from checkout import transitions
from checkout.errors import NotRefundable, NotWaiting, SamePerson
from checkout.models import Payment, Refund
from gateway.money import Money
from providers import approvals
from providers.models import Approval

ACT = "review"
Exit = Literal["accept", "refund"]


def propose_exit(*, payment_id: UUID, exit: Exit, actor: AbstractUser, now: datetime) -> Approval:
    """The first person's wish. NotWaiting when the payment is not under review or a wish waits already."""
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        reported = _reported(payment)
        if exit == "accept" and reported.currency != payment.order.currency:
            raise NotRefundable(f"{reported} cannot pay an order in {payment.order.currency}: send it back")
        try:
            return approvals.propose(
                act=ACT,
                target_type="payment",
                target_id=str(payment.pk),
                summary=f"{'Accept' if exit == 'accept' else 'Send back'} {reported} for order {payment.order_id}",
                payload={"exit": exit, "minor": reported.minor, "currency": reported.currency},
                requested_by=actor,
                now=now,
            )
        except approvals.AlreadyWaiting as error:
            raise NotWaiting("Another exit is waiting for its second person") from error


def approve_exit(*, payment_id: UUID, actor: AbstractUser, now: datetime, approval_id: UUID | None = None) -> Payment:
    """The second person's yes; done in the same transaction. SamePerson, NotWaiting.

    `approval_id` is the wish that was shown: another one that waits by now is not what was agreed to.
    """
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        reported = _reported(payment)
        waiting = Approval.objects.filter(act=ACT, target_id=str(payment.pk), state=Approval.State.WAITING).first()
        if waiting is None or approval_id not in (None, waiting.pk):
            raise NotWaiting()
        payload = approvals.payload_of(waiting)  # wiped from the row once it is decided
        try:
            approvals.approve(waiting.pk, actor, now)
        except approvals.SamePerson as error:
            raise SamePerson() from error
        except approvals.NotWaiting as error:
            raise NotWaiting() from error
        cause = f"staff {actor.get_username()}"
        if (payload["minor"], payload["currency"]) != (reported.minor, reported.currency):
            raise NotWaiting("What was reported has changed since")
        if payload["exit"] == "accept":
            transitions.review_accepted(payment, money=reported, cause=cause, now=now)
        else:
            transitions.review_to_refund(payment, money=reported, cause=cause, now=now)
            refund = Refund.objects.create(
                payment=payment,
                amount_minor=reported.minor,
                currency=reported.currency,
                reason="sent back after review",
                idempotency_key="review",
                requested_by=cause,
                approval_id=waiting.pk,
                next_ask_at=now,
                created_at=now,
            )
            transitions.record(
                payment.order,
                transitions.Kind.REFUND_REQUESTED,
                cause=cause,
                now=now,
                payment=payment,
                refund=refund,
                data={"minor": refund.amount_minor},
            )
    return payment


def _reported(payment: Payment) -> Money:
    if payment.status != Payment.Status.REVIEW:
        raise NotWaiting("The payment is not under review")
    if payment.reported_minor is None:
        raise NotRefundable("The processor named no amount: ask it again first")
    return Money(payment.reported_minor, payment.reported_currency)
