"""Razorpay's events ("webhooks"): what an unverified one claims, and what a verified one says.

A body names no mode: which secret verified it says whose it is. A payment carries notes that the buyer's browser can
write, so a payment is known only by the id of its order; the order's and the refund's notes come from servers alone.
"""

import hashlib
import json
import logging
from collections.abc import Iterable
from typing import Any

from gateway import signatures
from gateway.adapters.razorpay import reading
from gateway.adapters.razorpay.reading import Json, child, text
from gateway.errors import BadCallback
from gateway.types import Callback, CallbackRead, Ignored, Mode, Notice, Outcome, Peek

log = logging.getLogger(__name__)

PAYMENT_EVENTS = frozenset({"payment.authorized", "payment.captured", "payment.failed", "payment.pending"})
ORDER_EVENTS = frozenset({"order.paid"})
REFUND_EVENTS = frozenset({"refund.created", "refund.processed", "refund.failed", "refund.speed_changed"})
DISPUTES = "payment.dispute."
IGNORED_PREFIXES = {
    "payment_link.": "a payment link is not made by us; the payment made through it has its own events",
    "payment.downtime.": "a bank or a method is down for a while; the buyer's page at Razorpay says so",
    "order.": "only a paid order says something new",
}
NOT_OURS = "a payment without an order: it was not started by us"


def peek(callback: Callback) -> Peek:
    """What the body claims: our payment's id in the order's or refund's notes, Razorpay's id of the order, or of the
    payment where no order is named. BadCallback when it is no event at all.
    """
    event = _event(callback.body)
    payment, order, refund = (_payload(event, kind) for kind in ("payment", "order", "refund"))
    reference = text(reading.notes_of(order), "paymentId") or text(reading.notes_of(refund), "paymentId")
    order_ref = text(order, "id") or text(payment, "order_id")
    capture_ref = text(payment, "id") or text(refund, "payment_id") or text(_payload(event, "dispute"), "payment_id")
    return Peek(
        reference=_claim(reference),
        processor_ref=_claim(order_ref or capture_ref),
        event_id=_event_id(callback),
        event_type=_claim(text(event, "event")),
    )


def read(callback: Callback, *, secrets: Iterable[str], mode: Mode) -> CallbackRead:
    """Verify, then read.

    A signed event that cannot be read is ignored, and shouted about, instead of refused: Razorpay sends a refused one
    for a day and then stops telling us anything. The ladder of questions learns what it meant to say.
    """
    header = callback.headers.get("x-razorpay-signature", "")
    if not header:
        # Razorpay signs nothing while its webhook has no secret.
        raise BadCallback("no X-Razorpay-Signature: the webhook has no secret in Razorpay's dashboard")
    signatures.verify_hmac_sha256(callback.body, header, keys=secrets)
    return read_verified(callback, mode=mode)


def read_verified(callback: Callback, *, mode: Mode) -> CallbackRead:
    """What an event says whose signature has been verified."""
    event = _event(callback.body)
    event_type = text(event, "event")
    try:
        notice = _notice(event, event_type, mode=mode)
    except reading.Unreadable as error:
        log.error("a signed %s of Razorpay cannot be read: %s", _claim(event_type), error)
        notice = Ignored(f"{event_type} with {error}")
    return CallbackRead(event_id=_event_id(callback), event_type=event_type, notices=(notice,))


def _notice(event: Json, event_type: str, *, mode: Mode) -> Notice:
    occurred_at = reading.time_of(event.get("created_at"))
    payment = _payload(event, "payment")
    if event_type in PAYMENT_EVENTS | ORDER_EVENTS:
        # One notice: the order of `order.paid` and the payment of `payment.captured` are the same money. The entity
        # decides, not the event's name, which may be older than the snapshot.
        order = _payload(event, "order")
        report = reading.payment_report(
            payment, mode=mode, reference=text(reading.notes_of(order), "paymentId"), occurred_at=occurred_at
        )
        if not report.processor_ref:
            return Ignored(NOT_OURS)
        if order and text(order, "id") != report.processor_ref:
            raise reading.Unreadable("a payment of another order")
        return report
    if event_type in REFUND_EVENTS:
        refund = reading.refund_report(_payload(event, "refund"), mode=mode, occurred_at=occurred_at)
        if payment and not refund.reference and reading.outcome_of(payment) is not Outcome.CAPTURED:
            return Ignored("a hold that was never captured went back; the order itself is asked about")
        return refund
    if event_type.startswith(DISPUTES):
        return reading.dispute_report(_payload(event, "dispute"), mode=mode, event_type=event_type)
    for prefix, why in IGNORED_PREFIXES.items():
        if event_type.startswith(prefix):
            return Ignored(why)
    return Ignored(f"{event_type} means nothing to us")


def _event_id(callback: Callback) -> str:
    """Razorpay's own name for the event, the same on every redelivery; without it the body names itself."""
    return _claim(callback.headers.get("x-razorpay-event-id", "")) or hashlib.sha256(callback.body).hexdigest()


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadCallback("the body is not JSON") from error
    if not isinstance(event, dict) or not text(event, "event"):
        raise BadCallback("the body is not a Razorpay event")
    return event


def _payload(event: Json, kind: str) -> Json:
    return child(child(child(event, "payload"), kind), "entity")


def _claim(value: str) -> str:
    """What a stranger says goes into look-ups and records, so only what can be an id or an event's name."""
    return value if value.isascii() and value.isprintable() and len(value) <= 200 else ""
