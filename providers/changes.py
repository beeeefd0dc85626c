"""Changes that need two people, because live money or live webhooks would go elsewhere: the webhook URL of a live
provider, and live credentials that replace what money goes through now. A first value replaces nothing and is
set at once.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest

from gateway.types import Mode
from providers import accounts, approvals, audit
from providers.models import ApiKey, Approval, MerchantAccount, Provider

ACT_WEBHOOK_URL = "change_webhook_url"
ACT_CREDENTIALS = "change_credentials"
RETURNS = {"success_redirect_url", "cancel_redirect_url", "allowed_origins"}


def is_live(provider: Provider) -> bool:
    """It has, or ever had, a live key or a live account: revoking a key must not open a way around two people."""
    return (
        ApiKey.objects.filter(provider=provider, mode=Mode.LIVE.value).exists()
        or MerchantAccount.objects.filter(provider=provider, mode=Mode.LIVE.value).exists()
    )


# --- Webhook URL ----------------------------------------------------------------------------------------------


def change_webhook_url(*, provider: Provider, url: str, actor: User, now: datetime) -> Approval | None:
    """Set it at once (None), or ask for a second person where a live provider would lose its present one.

    AlreadyWaiting when another change of it waits.
    """
    with transaction.atomic():
        present = Provider.objects.select_for_update().get(pk=provider.pk).webhook_url
        if present == url:
            return None
        if not present or not is_live(provider):
            _set_webhook_url(provider.pk, url, present=present, actor=actor, now=now)
            return None
        return approvals.propose(
            act=ACT_WEBHOOK_URL,
            target_type="provider",
            target_id=str(provider.pk),
            summary=f"Send {provider.name}'s webhooks to {url or 'nobody'}",
            payload={"url": url},
            requested_by=actor,
            now=now,
        )


def approve_webhook_url(*, approval_id: UUID | str, actor: User, now: datetime) -> Provider:
    """The second person's yes. SamePerson, NotWaiting."""
    with transaction.atomic():
        approval = approvals.approve(approval_id, actor, now)
        provider = Provider.objects.select_for_update().get(pk=approval.target_id)
        url = str(approvals.payload_of(approval)["url"])
        _set_webhook_url(provider.pk, url, present=provider.webhook_url, actor=actor, now=now)
        provider.webhook_url = url
    return provider


def set_webhook_url_by_owner(*, provider: Provider, url: str, actor: User, request: HttpRequest, now: datetime) -> bool:
    """An owner's own change: no second person, but a proof at the keyboard and news to every owner (docs/adr/0025).

    What staff had proposed meanwhile was about an address that is no longer there: it is off the table. False when
    nothing changed.
    """
    with transaction.atomic():
        present = Provider.objects.select_for_update().get(pk=provider.pk).webhook_url
        if present == url:
            return False
        _set_webhook_url(provider.pk, url, present=present, actor=actor, now=now, request=request)
        approvals.withdraw_all(act=ACT_WEBHOOK_URL, target_id=str(provider.pk), now=now)
    provider.webhook_url = url
    return True


def set_returns_by_owner(
    *, provider: Provider, values: Mapping[str, str], actor: User, request: HttpRequest, now: datetime
) -> bool:
    """Where buyers may return: `success_redirect_url`, `cancel_redirect_url`, `allowed_origins`, checked before.

    False when nothing changed.
    """
    if set(values) - RETURNS:
        raise ValueError("only the addresses of buyers' returns")
    with transaction.atomic():
        present = Provider.objects.select_for_update().get(pk=provider.pk)
        before = {name: getattr(present, name) for name in values}
        if before == dict(values):
            return False
        Provider.objects.filter(pk=provider.pk).update(**values)
        audit.record(
            actor=actor,
            act="return_addresses_changed",
            target=provider,
            details=audit.changes(before, values),
            request=request,
            now=now,
        )
    for name, value in values.items():
        setattr(provider, name, value)
    return True


def _set_webhook_url(
    provider_id: UUID, url: str, *, present: str, actor: User, now: datetime, request: HttpRequest | None = None
) -> None:
    Provider.objects.filter(pk=provider_id).update(webhook_url=url)
    audit.record(
        actor=actor,
        act="webhook_url_changed",
        target=("provider", str(provider_id)),
        details=audit.changes({"webhook_url": present}, {"webhook_url": url}),
        request=request,
        now=now,
    )


# --- Credentials ----------------------------------------------------------------------------------------------


def save_account(
    *,
    provider: Provider,
    processor: str,
    mode: Mode,
    credentials: Mapping[str, str],
    business_id: str = "",
    business_name: str = "",
    actor: User,
    now: datetime,
) -> MerchantAccount | Approval:
    """Save credentials at once, or ask for a second person where they replace what live money goes through.

    BadCredentials names the wrong fields before anything is asked of anybody. AlreadyWaiting.
    """
    problems = accounts.problems_with(processor=processor, mode=mode, credentials=credentials)
    if problems:
        raise accounts.BadCredentials(problems)
    # By ids, not by names that whoever asks may choose.
    owner = f"{provider.name}, business {business_id}" if business_id else f"{provider.name}, its own account"
    if mode == Mode.LIVE and _replaces_live(provider, processor, business_id):
        return approvals.propose(
            act=ACT_CREDENTIALS,
            target_type="provider",
            target_id=f"{provider.pk}/{hashlib.sha256(f'{processor}/{business_id}'.encode()).hexdigest()[:24]}",
            summary=f"Use new live {processor} credentials for {owner}",
            payload={
                "provider": str(provider.pk),
                "processor": processor,
                "business_id": business_id,
                "business_name": business_name,
                "credentials": json.dumps(dict(credentials)),
            },
            requested_by=actor,
            now=now,
        )
    with transaction.atomic():
        account = accounts.save_credentials(
            provider=provider,
            processor=processor,
            mode=mode,
            credentials=credentials,
            business_id=business_id,
            business_name=business_name,
            now=now,
        )
        _record_saved(account, actor, now)
    return account


def approve_account(*, approval_id: UUID | str, actor: User, now: datetime) -> MerchantAccount:
    """The second person's yes. SamePerson, NotWaiting."""
    with transaction.atomic():
        payload = approvals.payload_of(approvals.approve(approval_id, actor, now))
        account = accounts.save_credentials(
            provider=Provider.objects.get(pk=payload["provider"]),
            processor=payload["processor"],
            mode=Mode.LIVE,
            credentials=json.loads(payload["credentials"]),
            business_id=payload["business_id"],
            business_name=payload["business_name"],
            now=now,
        )
        _record_saved(account, actor, now)
    return account


def _replaces_live(provider: Provider, processor: str, business_id: str) -> bool:
    has_own = MerchantAccount.objects.filter(
        provider=provider, processor=processor, mode=Mode.LIVE.value, business_id=business_id, retired_at=None
    ).exists()
    return has_own or (not business_id and bool(accounts.house_credentials(processor, Mode.LIVE)))


def _record_saved(account: MerchantAccount, actor: User, now: datetime) -> None:
    audit.record(
        actor=actor,
        act="account_credentials_saved",
        target=account,
        details={"processor": account.processor, "mode": account.mode, "owner": str(account)},
        now=now,
    )


# --- Switches -------------------------------------------------------------------------------------------------


def block_account(*, account: MerchantAccount, actor: User, now: datetime) -> bool:
    """No new payments on it until staff lift the block; the API cannot. False when it was blocked before."""
    return _switch(account, actor, now, "account_blocked", {"blocked_at": None}, {"blocked_at": now})


def unblock_account(*, account: MerchantAccount, actor: User, now: datetime) -> bool:
    return _switch(account, actor, now, "account_unblocked", {"blocked_at__isnull": False}, {"blocked_at": None})


def activate_account(*, account: MerchantAccount, actor: User, now: datetime) -> bool:
    """The switch that the API has too. A block stays whatever it says."""
    return _switch(account, actor, now, "account_switched_on", {"is_active": False}, {"is_active": True})


def deactivate_account(*, account: MerchantAccount, actor: User, now: datetime) -> bool:
    """No new payments until somebody activates it again, which the API can do too."""
    return _switch(account, actor, now, "account_switched_off", {"is_active": True}, {"is_active": False})


def retire_account(*, account: MerchantAccount, actor: User, now: datetime) -> bool:
    """No new payments for ever; callbacks and refunds of its old ones are still answered."""
    return _switch(account, actor, now, "account_retired", {"retired_at": None}, {"retired_at": now})


def _switch(
    account: MerchantAccount,
    actor: User,
    now: datetime,
    act: str,
    where: Mapping[str, object],
    to: Mapping[str, object],
) -> bool:
    with transaction.atomic():
        moved = bool(MerchantAccount.objects.filter(pk=account.pk, **where).update(**to))
        if moved:
            audit.record(actor=actor, act=act, target=account, details={"owner": str(account)}, now=now)
    return moved
