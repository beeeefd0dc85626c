"""API keys: shown once, kept as a digest, found by it, rotated with overlap, revoked."""

import hashlib
import hmac
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from gateway.types import Mode
from providers.ids import api_key_text, merchant_secret_text
from providers.models import ApiKey, Provider

VISIBLE = 20  # characters of a key that people may see again: its kind and a little of its own
USED_AT_GRAIN = timedelta(minutes=1)  # how exact `last_used_at` is; finer would write on every call


def digest_of(text: str) -> str:
    # 192 random bits need no salt and no slow hash; the digest is what the index finds.
    return hashlib.sha256(text.encode()).hexdigest()


def issue_key(
    *, provider: Provider, mode: Mode, name: str = "", kind: ApiKey.Kind = ApiKey.Kind.API, now: datetime
) -> tuple[ApiKey, str]:
    """A new key (or merchant secret) and its text, which nobody can read again after this."""
    make = merchant_secret_text if kind == ApiKey.Kind.MERCHANT_SECRET else api_key_text
    text = make(is_live=mode == Mode.LIVE)
    key = ApiKey(provider=provider, kind=kind, mode=mode.value, name=name, prefix=text[:VISIBLE])
    key.digest, key.created_at = digest_of(text), now
    key.save(force_insert=True)
    return key, text


def find_key(text: str, *, kind: ApiKey.Kind = ApiKey.Kind.API, now: datetime) -> ApiKey | None:
    """The usable key of an active provider that reads `text`, or None, whatever is wrong with it.

    A merchant secret is no API key, nor the reverse: the one that leaks must not open what the other does.
    """
    digest = digest_of(text)
    key = (
        ApiKey.objects.select_related("provider__service")
        .filter(digest=digest, kind=kind, revoked_at=None)
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .first()
    )
    if key is None or not hmac.compare_digest(key.digest, digest) or not key.provider.is_active:
        return None
    if key.last_used_at is None or now - key.last_used_at > USED_AT_GRAIN:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def is_usable(key: ApiKey, *, now: datetime) -> bool:
    """It opens something now, if its provider is active."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def rotate_key(*, key: ApiKey, overlap: timedelta, now: datetime) -> tuple[ApiKey, str]:
    """A successor of the same provider, mode and limits; the old key works until the overlap ends."""
    with transaction.atomic():
        kind = ApiKey.Kind(key.kind)
        new, text = issue_key(provider=key.provider, mode=Mode(key.mode), name=key.name, kind=kind, now=now)
        ApiKey.objects.filter(pk=new.pk).update(calls_per_minute=key.calls_per_minute)
        ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(expires_at=now + overlap)
    return new, text


def revoke_key(*, key: ApiKey, now: datetime) -> bool:
    """End a key at once. False when it had been revoked before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now))
