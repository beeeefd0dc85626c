"""The secrets a provider's webhooks are signed with, and their rotation.

CURRENT signs everything. A rotation adds NEXT, which signs beside it in `webhook-signature`, so that the
receiver can change over whenever it likes; promoting makes NEXT the only one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from providers.fields import Sealed
from providers.ids import signing_secret_text
from providers.models import Provider, SigningSecret

State = SigningSecret.State


class RotationUnderWay(Exception):
    """There is a next secret already: promote it or withdraw it first."""


class NoRotation(Exception):
    """There is no next secret to promote or withdraw."""


@dataclass(frozen=True, slots=True)
class SecretPair:
    """What signs one provider's webhooks now. Both None: nothing of its own does."""

    current: Sealed | None = None
    next: Sealed | None = None


def ensure(provider: Provider, *, now: datetime) -> SigningSecret:
    """The provider's current secret, made if there is none."""
    return current(provider) or _first(provider, now=now)


def _first(provider: Provider, *, now: datetime) -> SigningSecret:
    with transaction.atomic():
        _lock(provider)
        return current(provider) or _make(provider, State.CURRENT, now=now)


def current(provider: Provider) -> SigningSecret | None:
    return SigningSecret.objects.filter(provider=provider, state=State.CURRENT).first()


def upcoming(provider: Provider) -> SigningSecret | None:
    """The NEXT secret while a rotation is under way."""
    return SigningSecret.objects.filter(provider=provider, state=State.NEXT).first()


def rotate(provider: Provider, *, now: datetime) -> SigningSecret:
    """Begin a rotation; answers the new secret (the first one when there was none). RotationUnderWay if begun."""
    with transaction.atomic():
        _lock(provider)
        if current(provider) is None:
            return _make(provider, State.CURRENT, now=now)
        if upcoming(provider) is not None:
            raise RotationUnderWay(f"{provider} has a next signing secret already")
        return _make(provider, State.NEXT, now=now)


def promote(provider: Provider, *, now: datetime) -> SigningSecret:
    """End a rotation: NEXT becomes CURRENT, the old one is wiped. NoRotation when there is no next one."""
    with transaction.atomic():
        _lock(provider)
        secret = upcoming(provider)
        if secret is None:
            raise NoRotation(f"{provider} has no next signing secret")
        _retire(SigningSecret.objects.filter(provider=provider, state=State.CURRENT).first(), now=now)
        secret.state = State.CURRENT
        secret.save(update_fields=["state"])
        return secret


def withdraw(provider: Provider, *, now: datetime) -> None:
    """Call a rotation off: NEXT is wiped, CURRENT stays. NoRotation when there is no next one."""
    with transaction.atomic():
        _lock(provider)
        secret = upcoming(provider)
        if secret is None:
            raise NoRotation(f"{provider} has no next signing secret")
        _retire(secret, now=now)


def pairs_of(provider_ids: Iterable[UUID]) -> dict[UUID, SecretPair]:
    """The secrets of many providers in one query. A provider without any is missing."""
    found: dict[UUID, dict[str, Sealed]] = {}
    for row in SigningSecret.objects.filter(provider__in=set(provider_ids)).exclude(state=State.RETIRED):
        found.setdefault(row.provider_id, {})[row.state] = row.secret
    return {
        provider_id: SecretPair(current=states.get(State.CURRENT), next=states.get(State.NEXT))
        for provider_id, states in found.items()
    }


def _lock(provider: Provider) -> None:
    Provider.objects.select_for_update().only("pk").get(pk=provider.pk)


def _make(provider: Provider, state: State, *, now: datetime) -> SigningSecret:
    secret = SigningSecret(provider=provider, state=state, secret=Sealed(signing_secret_text()))
    secret.save(force_insert=True)
    SigningSecret.objects.filter(pk=secret.pk).update(created_at=now)
    secret.created_at = now
    return secret


def _retire(secret: SigningSecret | None, *, now: datetime) -> None:
    if secret is None:
        return
    secret.state, secret.retired_at, secret.secret = State.RETIRED, now, Sealed("")
    secret.save(update_fields=["state", "retired_at", "secret"])
