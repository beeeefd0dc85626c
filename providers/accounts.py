"""Merchant accounts: whose credentials a payment goes through, and the adapter built from them.

An account is pinned to a payment when it is opened; from then on only that row answers for it.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from gateway import registry
from gateway.adapter import Adapter, AdapterConfig
from gateway.types import Availability, Mode
from providers.fields import Sealed
from providers.models import MerchantAccount, Provider

PREVIOUS_SECRETS_FOR = timedelta(hours=72)
AVAILABILITY_FOR = timedelta(minutes=5)
UNAVAILABILITY_FOR = timedelta(seconds=30)  # a "no" is asked again soon: staff may just have switched it on


class BadCredentials(ValueError):
    """Credentials that cannot be saved. `problems` maps field name → what is wrong with it."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = problems


def house_credentials(processor: str, mode: Mode) -> dict[str, str]:
    """The environment's credentials where they fit the mode, else {}."""
    given = {name: text for name, text in settings.HOUSE_CREDENTIALS.get(processor, {}).items() if text}
    if not given or settings.HOUSE_MODES.get(processor, mode.value) != mode.value:
        return {}
    if registry.get(processor).check_credentials(given, mode):
        return {}
    return given


def find_account(
    *, provider: Provider | None, processor: str, mode: Mode, business_id: str = ""
) -> MerchantAccount | None:
    """The usable account at the processor: the business's own, or without one the provider's, else the house's."""
    return find_accounts(provider=provider, mode=mode, business_id=business_id, processors=(processor,)).get(processor)


def find_accounts(
    *, provider: Provider | None, mode: Mode, business_id: str = "", processors: Collection[str]
) -> dict[str, MerchantAccount]:
    """Processor → the account that takes this seller's money there. A business has its own accounts or none.

    A seller's own account counts even when it cannot be used: then nothing else may stand in for it.
    """
    own: dict[str, MerchantAccount] = {}
    if provider is not None:
        found = MerchantAccount.objects.filter(
            provider=provider, business_id=business_id, processor__in=processors, mode=mode.value, retired_at=None
        )
        own = {account.processor: account for account in found}
    if not business_id:
        missing = [name for name in processors if name not in own and house_credentials(name, mode)]
        own |= _house_accounts(missing, mode) if missing else {}
    return {name: account for name, account in own.items() if account.is_usable}


def _house_accounts(processors: Collection[str], mode: Mode) -> dict[str, MerchantAccount]:
    """Made at their first use; their credentials stay in the environment."""
    fixed = {"provider": None, "mode": mode.value, "retired_at": None}
    found = {
        account.processor: account for account in MerchantAccount.objects.filter(processor__in=processors, **fixed)
    }
    for name in processors:
        if name not in found:
            try:
                with transaction.atomic():
                    found[name] = MerchantAccount.objects.create(processor=name, **fixed)
            except IntegrityError:  # another process was first
                found[name] = MerchantAccount.objects.get(processor=name, **fixed)
    return found


def credentials_of(account: MerchantAccount) -> dict[str, str]:
    if account.is_house:
        return house_credentials(account.processor, Mode(account.mode))
    text = account.credentials.reveal()
    return json.loads(text) if text else {}


def adapter_for(account: MerchantAccount, *, now: datetime) -> Adapter:
    """The adapter that acts on this account, at the address the settings give for its mode."""
    previous: tuple[Mapping[str, str], ...] = ()
    if account.previous_credentials and account.previous_until and account.previous_until > now:
        previous = (json.loads(account.previous_credentials.reveal()),)
    return registry.get(account.processor).build(
        AdapterConfig(
            mode=Mode(account.mode),
            base_url=settings.PROCESSOR_URLS[account.processor, account.mode],
            credentials=credentials_of(account),
            previous_credentials=previous,
            settings={
                name: text for name, text in settings.PROCESSOR_SETTINGS.get(account.processor, {}).items() if text
            },
        )
    )


def problems_with(*, processor: str, mode: Mode, credentials: Mapping[str, str]) -> dict[str, str]:
    """Field → what is wrong with it; {} for credentials that can be saved."""
    entry = registry.get(processor)
    fields = {field.name for field in entry.credential_fields}
    problems = {name: "unknown field" for name in credentials if name not in fields}
    problems |= {
        field.name: "is required"
        for field in entry.credential_fields
        if field.is_required and not credentials.get(field.name, "").strip()
    }
    return problems or entry.check_credentials(credentials, mode)


def caller_digest(processor: str, credential: str) -> str:
    """What finds the accounts of a caller at a shared address: a digest keyed with our own secret."""
    if not credential:
        return ""
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, json.dumps(["caller", processor, credential]).encode(), hashlib.sha256).hexdigest()


def find_callers(*, processor: str, credential: str, account_id: UUID | None, now: datetime) -> list[MerchantAccount]:
    """The accounts that a presented credential stands for; a rotated one counts until its overlap ends.

    Retired accounts are among them: they still answer for their own transactions.
    """
    digest = caller_digest(processor, credential)
    found = MerchantAccount.objects.filter(processor=processor).filter(
        Q(caller_digest=digest) | Q(previous_caller_digest=digest, previous_until__gt=now)
    )
    if account_id is not None:
        found = found.filter(pk=account_id)
    return list(found.order_by("created_at"))


def valid_credentials_of(account: MerchantAccount, *, now: datetime) -> list[dict[str, str]]:
    """The present credentials, then the former ones while they still verify."""
    found = [credentials_of(account)]
    if account.previous_credentials and account.previous_until and account.previous_until > now:
        found.append(json.loads(account.previous_credentials.reveal()))
    return found


def save_credentials(
    *,
    provider: Provider,
    processor: str,
    mode: Mode,
    credentials: Mapping[str, str],
    business_id: str = "",
    business_name: str = "",
    is_active: bool | None = None,
    now: datetime,
) -> MerchantAccount:
    """Create or change an account. BadCredentials names the fields that are wrong; nothing is saved then.
    `is_active` None leaves the switch as it is.

    Where an identity field changes (shop, store, service or merchant id) a new account is made and the old
    one retires; otherwise the secrets are replaced and the old ones verify callbacks for 72 hours more.
    """
    problems = problems_with(processor=processor, mode=mode, credentials=credentials)
    if mode == Mode.LIVE and connection.vendor == "sqlite":
        problems["mode"] = "live accounts need PostgreSQL"
    if problems:
        raise BadCredentials(problems)
    columns: dict[str, Any] = {
        "credentials": Sealed(json.dumps(dict(sorted(credentials.items())))),
        "identity_digest": _identity_digest(processor, credentials),
        "caller_digest": _caller_digest_of(processor, credentials),
        "availability": {},  # other credentials, other capabilities
    }
    if business_name:
        columns["business_name"] = business_name
    if is_active is not None:
        columns["is_active"] = is_active
    whose = {"provider": provider, "business_id": business_id, "processor": processor, "mode": mode.value}
    with transaction.atomic():
        # One registration of a provider at a time: two at once would both find nothing there, and both make it.
        Provider.objects.select_for_update(of=("self",), no_key=True).get(pk=provider.pk)
        return _save(whose, columns, now=now)


def _save(whose: Mapping[str, Any], columns: Mapping[str, Any], *, now: datetime) -> MerchantAccount:
    account = MerchantAccount.objects.select_for_update(of=("self",)).filter(**whose, retired_at=None).first()
    if account is not None and account.identity_digest != columns["identity_digest"]:
        MerchantAccount.objects.filter(pk=account.pk).update(retired_at=now)
        kept = {name: getattr(account, name) for name in ("business_name", "is_active", "blocked_at")}
        account = MerchantAccount(**whose, **kept)  # a staff block follows the business to its next cash desk
    elif account is None:
        account = MerchantAccount(**whose)
    elif account.credentials.reveal() != columns["credentials"].reveal():
        account.previous_credentials = Sealed(account.credentials.reveal())
        account.previous_until = now + PREVIOUS_SECRETS_FOR
        account.previous_caller_digest = account.caller_digest
    for name, value in columns.items():
        setattr(account, name, value)
    account.save()
    return account


def _caller_digest_of(processor: str, credentials: Mapping[str, str]) -> str:
    protocol = registry.PROTOCOLS.get(processor)
    return caller_digest(processor, protocol.credential_of(credentials)) if protocol else ""


def _identity_digest(processor: str, credentials: Mapping[str, str]) -> str:
    identity = [credentials.get(f.name, "") for f in registry.get(processor).credential_fields if f.is_identity]
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, json.dumps([processor, *identity]).encode(), hashlib.sha256).hexdigest()


def known_availability(account: MerchantAccount, *, currency: str, method: str = "") -> Availability | None:
    """What the processor last said, without asking it again. None: it was never asked."""
    known = account.availability.get(f"{currency}/{method}")
    return Availability(is_available=known["is_available"], why=known["why"]) if known else None


def refresh_availability(account: MerchantAccount, *, currency: str, method: str = "", now: datetime) -> Availability:
    """Ask the processor and keep its answer. Raises the adapter's errors; what was known then stays."""
    found = adapter_for(account, now=now).check_availability(currency=currency, method=method)
    keep_availability(account, found, currency=currency, method=method, now=now)
    return found


def keep_availability(
    account: MerchantAccount, found: Availability, *, currency: str, method: str = "", now: datetime
) -> None:
    entry = {"is_available": found.is_available, "why": found.why[:200], "at": now.isoformat()}
    with transaction.atomic():
        row = MerchantAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
        row.availability[f"{currency}/{method}"] = entry
        row.save(update_fields=["availability"])
    account.availability = row.availability


def stale_availabilities(*, now: datetime) -> list[tuple[MerchantAccount, str, str]]:
    """(account, currency, method) whose answer is old enough to be asked again; a "no" ages faster."""
    stale = []
    for account in MerchantAccount.objects.filter(is_active=True, retired_at=None, blocked_at=None):
        for name, known in account.availability.items():
            lifetime = AVAILABILITY_FOR if known["is_available"] else UNAVAILABILITY_FOR
            if now - datetime.fromisoformat(known["at"]) > lifetime:
                currency, _, method = name.partition("/")
                stale.append((account, currency, method))
    return stale


def age_availability(account: MerchantAccount) -> None:
    """The processor says that something changed: let the next round ask, and answer as before until then."""
    with transaction.atomic():
        row = MerchantAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
        for known in row.availability.values():
            known["at"] = "2000-01-01T00:00:00+00:00"
        row.save(update_fields=["availability"])
