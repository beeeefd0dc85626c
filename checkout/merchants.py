"""The businesses of a marketplace: their accounts at processors, as the marketplace itself registers them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from checkout.errors import MerchantNotFound
from gateway.types import Mode
from providers import accounts, audit
from providers.models import MerchantAccount, Provider

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """One business at one processor, in one mode."""

    provider: Provider
    business_id: str
    processor: str
    mode: Mode


def register(
    merchant: Merchant, *, credentials: Mapping[str, str], name: str, is_active: bool, by: str, now: datetime
) -> MerchantAccount:
    """Make or change its account (the upsert of `accounts.save_credentials`). BadCredentials.

    New credentials in live mode are told to staff: whoever changes them decides where the money goes.
    """
    with transaction.atomic():
        before = find(merchant)
        known = before.credentials.reveal() if before is not None else None
        account = accounts.save_credentials(
            provider=merchant.provider,
            processor=merchant.processor,
            mode=merchant.mode,
            credentials=credentials,
            business_id=merchant.business_id,
            business_name=name,
            is_active=is_active,
            now=now,
        )
        account.provider = merchant.provider  # at hand: not asked for again
        if account.credentials.reveal() != known:
            _note("account_credentials_saved", account, by=by, now=now)
    if before is not None and merchant.mode == Mode.LIVE and account.credentials.reveal() != known:
        logger.error("the live credentials of account %s were changed through the API by %s", account.pk, by)
    return account


def switch(merchant: Merchant, *, name: str, is_active: bool, by: str, now: datetime) -> MerchantAccount:
    """Change what is no credential. MerchantNotFound. A block by staff stays whatever is said here."""
    with transaction.atomic():
        account = find(merchant, is_locked=True)
        if account is None:
            raise MerchantNotFound()
        account.provider = merchant.provider
        if account.is_active != is_active:
            _note("account_switched_on" if is_active else "account_switched_off", account, by=by, now=now)
        account.is_active, account.business_name = is_active, name or account.business_name
        account.save(update_fields=["is_active", "business_name", "updated_at"])
    return account


def find(merchant: Merchant, *, is_locked: bool = False) -> MerchantAccount | None:
    """Its account, usable or not."""
    rows = MerchantAccount.objects.select_for_update(of=("self",)) if is_locked else MerchantAccount.objects.all()
    return rows.filter(
        provider=merchant.provider,
        business_id=merchant.business_id,
        processor=merchant.processor,
        mode=merchant.mode.value,
        retired_at=None,
    ).first()


def _note(act: str, account: MerchantAccount, *, by: str, now: datetime) -> None:
    details = {
        "source": account.provider.slug if account.provider else "",
        "businessId": account.business_id,
        "processor": account.processor,
        "mode": account.mode,
    }
    audit.record(actor=None, actor_name=by, act=act, target=account, details=details, now=now)
