"""Disputes: the buyer's bank contests a payment. Written down and shown to staff; no money is moved by us."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from checkout import transitions
from checkout.models import Payment
from checkout.transitions import Moved
from gateway.types import DisputeReport


def apply_dispute(*, payment_id: UUID, report: DisputeReport, cause: str, now: datetime) -> Moved:
    """Open or close a payment's dispute; while it is open, nothing of the payment is refunded."""
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        if report.mode is not None and report.mode.value != payment.order.mode:
            return Moved.REFUSED
        if payment.is_disputed == report.is_open:
            return Moved.ALREADY_THERE
        Payment.objects.filter(pk=payment.pk).update(is_disputed=report.is_open, updated_at=now)
        kind = transitions.Kind.DISPUTE_OPENED if report.is_open else transitions.Kind.DISPUTE_CLOSED
        data = {"reference": report.processor_ref, "reason": report.reason, "status": report.status}
        transitions.record(payment.order, kind, cause=cause, now=now, payment=payment, data=data)
        return Moved.MOVED
