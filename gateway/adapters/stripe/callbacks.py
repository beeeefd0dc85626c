"""Stripe's events: what an unverified one claims, and what a verified one says.

One integration document prints an event as its type and its object alone: without ids, modes and amounts. Signed, it is
taken as a hint: of a payment that it names Stripe is asked, and nothing in it counts by itself.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gateway import signatures
from gateway.adapters.stripe import reading, session_reading
from gateway.errors import BadCallback
from gateway.types import AccountChanged, Callback, CallbackRead, Hint, Ignored, Mode, Notice, Peek

PAYMENT_EVENTS = frozenset(
    {
        "payment_intent.created",
        "payment_intent.requires_action",
        "payment_intent.processing",
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.partially_funded",
    }
)
# `charge.refund.updated` is the older name of `refund.updated`; an endpoint may be subscribed to both.
REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
ACCOUNT_EVENTS = frozenset({"account.updated", "capability.updated"})
# Of an event's short form these speak of money: what became of it Stripe is asked.
MONEY_EVENTS = frozenset({"payment_intent.succeeded", session_reading.COMPLETED, session_reading.SUCCEEDED_LATER})
IGNORED_PREFIXES = {
    "checkout.session.": "this event of a session moves nothing",
    "charge.": "the payment intent's events say the same",
}


def peek(callback: Callback) -> Peek:
    """What the body claims: our payment's id in the metadata, or Stripe's id of the session or the PaymentIntent.

    BadCallback when it is no event at all.
    """
    event = _event(callback.body)
    subject = _subject(event)
    is_payment = reading.text(subject, "object") in ("payment_intent", "checkout.session")
    payment_ref = reading.text(subject, "id") if is_payment else reading.ref(subject, "payment_intent")
    if not payment_ref and _is_short(event):
        payment_ref = reading.text(subject, "id")
    # The metadata of a Payment Link is in all its sessions, so it names no single payment.
    is_of_link = session_reading.is_of_link(subject)
    return Peek(
        reference="" if is_of_link else _claim(reading.text(reading.child(subject, "metadata"), "paymentId")),
        processor_ref=_claim(payment_ref),
        event_id=_claim(reading.text(event, "id")),
        event_type=_claim(reading.text(event, "type")),
        mode=reading.mode_of(event),
    )


def _claim(value: str) -> str:
    """What a stranger says goes into look-ups and records, so only what can be an id or an event's name."""
    return value if value.isascii() and value.isprintable() and len(value) <= 255 else ""


def read(callback: Callback, *, secrets: Iterable[str], mode: Mode) -> CallbackRead:
    """Verify, then read. An event of the other mode is no error (two endpoints may share an address): it is ignored."""
    header = callback.headers.get("stripe-signature", "")
    signatures.verify_stripe(callback.body, header, secrets=secrets, now=callback.received_at)
    return read_verified(callback, mode=mode)


def read_verified(callback: Callback, *, mode: Mode) -> CallbackRead:
    """What an event says whose signature has been verified."""
    event = _event(callback.body)
    event_id, event_type = reading.text(event, "id"), reading.text(event, "type")
    if _is_short(event):
        notice = _short_notice(event_type)
        return CallbackRead(hashlib.sha256(callback.body).hexdigest(), event_type, notices=(notice,))
    if not event_id or not event_type:
        raise BadCallback("an event without id or type")
    try:
        notices = _notices(event, event_type, mode=mode)
    except reading.Unreadable as error:
        raise BadCallback(f"{event_type} with {error}") from error
    return CallbackRead(event_id=event_id, event_type=event_type, notices=notices)


def _notices(event: reading.Json, event_type: str, *, mode: Mode) -> tuple[Notice, ...]:
    subject = _subject(event)
    claimed = reading.mode_of(event)
    if claimed is None:
        raise BadCallback(f"{event_type} without livemode")
    if claimed is not mode or reading.mode_of(subject) not in (None, mode):
        return (Ignored(f"an event of {claimed} mode at an account of {mode} mode"),)
    occurred_at = reading.time_of(event.get("created"))
    if event_type in PAYMENT_EVENTS:
        return (reading.payment_report(subject, mode=mode, occurred_at=occurred_at),)
    if event_type in session_reading.EVENTS:
        return (session_reading.notice_of(subject, event_type, mode=mode, occurred_at=occurred_at),)
    if event_type in REFUND_EVENTS:
        return (reading.refund_report(subject, mode=mode, occurred_at=occurred_at),)
    if event_type == "charge.refunded":
        return _refunds_of(subject, mode=mode)
    if event_type.startswith("charge.dispute."):
        return (reading.dispute_report(subject, mode=mode),)
    if event_type in ACCOUNT_EVENTS:
        return (AccountChanged(mode=mode),)
    return (Ignored(_why_ignored(event_type)),)


def _short_notice(event_type: str) -> Notice:
    """That Stripe is to be asked, never that money was taken: neither the amount nor the mode is said."""
    if event_type not in MONEY_EVENTS:
        return Ignored(f"{event_type} without its envelope says nothing that could count")
    return Hint()


def _refunds_of(charge: reading.Json, *, mode: Mode) -> tuple[Notice, ...]:
    """The refunds in the snapshot, where the endpoint's version puts them there: each by its own id.

    Without them only a sum is said, which names no refund: the same one, told by its own event, would count twice.
    """
    if charge.get("captured") is False:
        return (Ignored("a hold was let go; nothing had been taken"),)
    listed = reading.child(charge, "refunds").get("data")
    refunds = [refund for refund in listed if isinstance(refund, Mapping)] if isinstance(listed, list) else []
    if not refunds:
        return (Ignored("the refund's own events say which refund and how it went"),)
    payment_ref = reading.ref(charge, "payment_intent")
    return tuple(reading.refund_report(refund, mode=mode, payment_ref=payment_ref) for refund in refunds)


def _why_ignored(event_type: str) -> str:
    for prefix, why in IGNORED_PREFIXES.items():
        if event_type.startswith(prefix):
            return why
    return f"{event_type} means nothing to us"


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadCallback("the body is not JSON") from error
    if not isinstance(event, dict) or not (event.get("object") == "event" or _is_short(event)):
        raise BadCallback("the body is not a Stripe event")
    return event


def _is_short(event: Mapping[str, Any]) -> bool:
    """Whether it is the short form: all of the envelope is missing, not a part of it."""
    has_envelope = any(name in event for name in ("object", "id", "livemode", "created", "api_version"))
    return not has_envelope and bool(reading.text(event, "type")) and bool(_subject(event))


def _subject(event: Mapping[str, Any]) -> reading.Json:
    return reading.child(reading.child(event, "data"), "object")
