"""Telling a provider, first half: the delivery is written where its event is written, or neither is."""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from providers.models import Provider
from webhooks import kick
from webhooks.ladders import LADDERS
from webhooks.models import Delivery

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Message:
    """One event for one URL. `body` goes out to the letter, at every try."""

    provider: Provider | None
    order_id: UUID
    event_id: UUID
    event_kind: str
    sequence: int
    url: str
    body: str
    ladder: str
    headers: dict[str, str] = field(default_factory=dict)
    is_livemode: bool = False
    is_own_url: bool = False  # the order's own notification URL: a replay never goes to the provider's instead


def enqueue(message: Message, *, now: datetime) -> Delivery:
    """Write the delivery into the caller's transaction; once that commits, a worker is kicked.

    RuntimeError outside a transaction: a delivery without its event, or an event without its delivery, is a lie.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a delivery is written in the transaction of its event")
    if message.ladder not in LADDERS:
        raise ValueError(f"no ladder {message.ladder!r}")
    provider = message.provider
    delivery = Delivery(
        provider=provider,
        order_id=message.order_id,
        event_id=message.event_id,
        event_kind=message.event_kind,
        sequence=message.sequence,
        url=message.url,
        follows_provider=not message.is_own_url and provider is not None and provider.webhook_url == message.url,
        host=host_of(message.url),
        body=message.body,
        headers=message.headers,
        ladder=message.ladder,
        is_livemode=message.is_livemode,
        next_attempt_at=Now(),  # the database's clock decides what is due, not this machine's
        created_at=now,
    )
    delivery.save(force_insert=True)
    delivery.next_attempt_at = now
    transaction.on_commit(kick.send, robust=True)
    return delivery


def host_of(url: str) -> str:
    """`host:port` in lower case. A URL that makes no sense gets a name of its own: sending says what is wrong."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return "invalid:0"
    return f"{host[:240]}:{port}" if host else "invalid:0"
