"""Disputes: the buyer's bank contests a payment. Written down and shown to staff; no money is moved by us."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from checkout import transitions
from checkout.models import OrderEvent, Payment
from checkout.transitions import Kind, Moved
from gateway.types import DisputeReport


def apply_dispute(*, payment_id: UUID, report: DisputeReport, cause: str, now: datetime) -> Moved:
    """Open or close one dispute of a payment; while any is open, nothing of the payment is refunded.

    What is closed stays closed: a late "opened" does not bring it back.
    """
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        if report.mode is not None and report.mode.value != payment.order.mode:
            return Moved.REFUSED
        known = OrderEvent.objects.filter(
            order=payment.order_id, payment_id=payment.pk, kind__in=[Kind.DISPUTE_OPENED, Kind.DISPUTE_CLOSED]
        )
        states = {event.data.get("reference"): Kind(event.kind) for event in known.order_by("sequence")}
        wanted = Kind.DISPUTE_OPENED if report.is_open else Kind.DISPUTE_CLOSED
        if states.get(report.processor_ref) in (wanted, Kind.DISPUTE_CLOSED):
            return Moved.ALREADY_THERE
        states[report.processor_ref] = wanted
        is_disputed = Kind.DISPUTE_OPENED in states.values()
        Payment.objects.filter(pk=payment.pk).update(is_disputed=is_disputed, updated_at=now)
        data = {"reference": report.processor_ref, "reason": report.reason, "status": report.status}
        transitions.record(payment.order, wanted, cause=cause, now=now, payment=payment, data=data)
        return Moved.MOVED
