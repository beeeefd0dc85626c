"""The caller's name for one wish: the same key never makes two orders, and its answer is said again.

A record is written before the work and holds a lease while the work runs. A process that dies lets its lease run
out; whoever retries then goes on with the same `resource_id`, so that the work finds what was made before.
The answer is sealed: it may name a buyer.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from checkout.errors import CheckoutError, IdempotencyMismatch
from checkout.models import IdempotencyRecord
from gateway.types import Mode
from providers.fields import EncryptedField, seal
from providers.ids import uuid7

# How long a key stays taken by a process that may have died. A call that lives longer is no danger: a retry beside it
# makes the same resource (`resource_id`), and the processor hears the same reference.
LEASE = timedelta(seconds=30)
MAX_KEY = 255


class BadIdempotencyKey(CheckoutError):
    """Idempotency-Key must be 1 to 255 visible ASCII characters"""

    code = "BAD_IDEMPOTENCY_KEY"


class StillRunning(CheckoutError):
    """A request with this Idempotency-Key is still running"""

    code = "IDEMPOTENCY_RUNNING"
    status = 409


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered the first time; `body` is the JSON text, to the byte."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do the work now, until the lease ends. `resource_id` is the id of what the work makes."""

    record_id: UUID
    resource_id: UUID
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Wish:
    """What makes a key the same key: whose it is, in which mode, for which call; and what was asked."""

    owner: str
    mode: Mode
    method: str
    path: str
    key: str
    body_digest: str

    @property
    def scope(self) -> str:
        return _digest(self.owner, self.mode.value, self.method, self.path.rstrip("/"))

    @property
    def key_digest(self) -> str:
        return _digest(self.key)


def check_key(key: str) -> str:
    """The key as it was given. BadIdempotencyKey."""
    if not 1 <= len(key) <= MAX_KEY or not all("!" <= character <= "~" for character in key):
        raise BadIdempotencyKey()
    return key


def digest_of_body(body: dict[str, object], *, without: frozenset[str]) -> str:
    """The digest two bodies share exactly when they ask for the same, whatever credential each carries."""
    asked = {name: value for name, value in body.items() if name not in without}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def begin(wish: Wish, *, now: datetime) -> Claim | Answer:
    """Claim the work, or get the answer it had. IdempotencyMismatch, StillRunning."""
    resource_id = uuid7()
    record = IdempotencyRecord(
        scope=wish.scope,
        key_digest=wish.key_digest,
        body_digest=wish.body_digest,
        resource_id=resource_id,
        lease_until=now + LEASE,
        created_at=now,
        expires_at=now + timedelta(hours=settings.IDEMPOTENCY_RETENTION_HOURS),
    )
    try:
        with transaction.atomic():
            record.save(force_insert=True)
    except IntegrityError:
        return _begin_again(wish, now=now)
    return Claim(record.pk, resource_id, now + LEASE)


def _begin_again(wish: Wish, *, now: datetime) -> Claim | Answer:
    record = IdempotencyRecord.objects.filter(scope=wish.scope, key_digest=wish.key_digest).first()
    if record is None:  # forgotten or swept away in this very moment
        raise StillRunning(retry_after_seconds=1)
    is_over = record.expires_at <= now
    if not is_over:
        if record.body_digest != wish.body_digest:
            raise IdempotencyMismatch("This Idempotency-Key was used with another body")
        if record.answer:
            said = json.loads(record.answer.reveal())
            return Answer(said["status"], said["body"])
        if record.lease_until is not None and record.lease_until > now:
            raise StillRunning(retry_after_seconds=1)
    # Of all who see the same end of a lease, the statement below lets one through.
    resource_id = record.resource_id if record.resource_id and not is_over else uuid7()
    free = IdempotencyRecord.objects.filter(pk=record.pk, lease_until=record.lease_until, expires_at=record.expires_at)
    if is_over:
        taken = free.update(
            lease_until=now + LEASE,
            resource_id=resource_id,
            body_digest=wish.body_digest,
            answer="",
            created_at=now,
            expires_at=now + timedelta(hours=settings.IDEMPOTENCY_RETENTION_HOURS),
        )
    else:
        taken = free.filter(answer="").update(lease_until=now + LEASE)
    if not taken:
        raise StillRunning(retry_after_seconds=1)
    return Claim(record.pk, resource_id, now + LEASE)


def keep(claim: Claim, answer: Answer) -> None:
    """The work is done: say this answer again for the rest of the day."""
    text = json.dumps({"status": answer.status, "body": answer.body})
    field: EncryptedField = IdempotencyRecord._meta.get_field("answer")
    sealed = seal(text, bound_to=field.bound_to(IdempotencyRecord(pk=claim.record_id)))
    _mine(claim).update(answer=sealed, lease_until=None)


def release(claim: Claim) -> None:
    """The work broke off: a retry may go on at once, with the same resource."""
    _mine(claim).update(lease_until=None)


def forget(claim: Claim) -> None:
    """The request was not fit to be worked on and made nothing: the key is free for a better one."""
    _mine(claim).delete()


def delete_expired(*, now: datetime, limit: int = 10_000) -> int:
    """Drop what is older than a day; how many."""
    due = list(IdempotencyRecord.objects.filter(expires_at__lte=now).values_list("pk", flat=True)[:limit])
    return IdempotencyRecord.objects.filter(pk__in=due, expires_at__lte=now).delete()[0]


def _mine(claim: Claim) -> QuerySet[IdempotencyRecord]:
    # A worker that outlived its lease no longer speaks for the key.
    return IdempotencyRecord.objects.filter(pk=claim.record_id, lease_until=claim.lease_until)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
