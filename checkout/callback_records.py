"""Callbacks kept as they arrived, so that each can be explained. Secrets are taken out before anything is written."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from checkout import soft_cache
from checkout.models import CallbackRecord, Payment
from gateway.types import Callback
from providers.addresses import subnet_of
from providers.models import MerchantAccount

UNVERIFIED_BYTES = 4096
VERIFIED_BYTES = 512 * 1024
# How many unverified callbacks of one address are written down in an hour; the rest is only counted in the log.
UNVERIFIED_PER_HOUR = 300
KEPT_HEADERS = frozenset(
    {
        *("content-type", "content-length", "user-agent", "x-request-id"),
        *("stripe-signature", "x-razorpay-signature", "x-razorpay-event-id", "content-signature"),
    }
)
_SECRET_FIELDS = re.compile(
    r'("(?:client_secret|number|cvc|cvv|card_token|cardToken|token|authorization|password|secret|access_token)"\s*:\s*)"(?:[^"\\]|\\.)*"'
)
_REMOVED = r'\1"[removed]"'


def is_over_budget(address: str) -> bool:
    """Whether an address has used up what it may have written down without a valid signature."""
    return (soft_cache.counted(_budget_key(address)) or 0) >= UNVERIFIED_PER_HOUR


def _budget_key(address: str) -> str:
    return f"unverified-callbacks/{subnet_of(address)}"


def _count_unverified(address: str) -> None:
    soft_cache.count(_budget_key(address), seconds=timedelta(hours=1).total_seconds())


def store(
    callback: Callback, *, processor: str, account: MerchantAccount | None, address: str, request_id: str
) -> CallbackRecord:
    """Write a callback down before any work is done with it."""
    return CallbackRecord.objects.create(
        processor=processor,
        account=account,
        path=callback.path[:300],
        headers={name: value[:1000] for name, value in callback.headers.items() if name in KEPT_HEADERS},
        body=_readable(callback.body),
        address=address[:45],
        request_id=request_id[:64],
        received_at=callback.received_at,
    )


def finish(record: CallbackRecord, *, now: datetime, **facts: Any) -> None:
    """Write what became of it. An unverified body is cut to 4 KiB: nobody fills our disk without a signature."""
    if not facts.get("is_verified", record.is_verified):
        _count_unverified(record.address)
        if len(record.body) > UNVERIFIED_BYTES:
            facts |= {"body": record.body[:UNVERIFIED_BYTES], "is_truncated": True}
    if "note" in facts:
        facts["note"] = facts["note"][:500]
    for name, value in facts.items():
        setattr(record, name, value)
    CallbackRecord.objects.filter(pk=record.pk).update(finished_at=now, **facts)


def finish_once(
    record: CallbackRecord, *, payment: Payment, event_id: str, event_type: str, now: datetime, **facts: Any
) -> None:
    """As `finish`, for what anybody who holds it can repeat: kept once under its `event_id`, and counted after that."""
    with transaction.atomic():
        # Whoever brings the same at the same time waits here, and then finds the first one.
        Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
        same = CallbackRecord.objects.filter(
            processor=record.processor, event_id=event_id, payment_id=payment.pk, event_type=event_type
        ).exclude(pk=record.pk)
        first = same.order_by("received_at").values_list("pk", flat=True).first()
        if first is None:
            facts |= {"payment_id": payment.pk, "order_id": payment.order_id}
            finish(record, now=now, event_id=event_id, event_type=event_type, **facts)
            return
        CallbackRecord.objects.filter(pk=first).update(times=F("times") + 1, finished_at=now)
        CallbackRecord.objects.filter(pk=record.pk).delete()


def _readable(body: bytes) -> str:
    """The body as text that every database takes, without what we must not keep."""
    text = body[:VERIFIED_BYTES].decode("utf-8", errors="backslashreplace").replace("\x00", "\\x00")
    return _SECRET_FIELDS.sub(_REMOVED, text)


def delete_old(*, now: datetime, verified_days: int, unverified_days: int = 30) -> int:
    """Drop what is older than the terms; how many rows."""
    old = CallbackRecord.objects.filter(received_at__lt=now - timedelta(days=verified_days))
    unverified = CallbackRecord.objects.filter(is_verified=False, received_at__lt=now - timedelta(days=unverified_days))
    return old.delete()[0] + unverified.delete()[0]
