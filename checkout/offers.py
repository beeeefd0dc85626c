"""What can be offered to a buyer: the accounts that could take an order's money, and whether they can now."""

import logging
from dataclasses import dataclass
from datetime import datetime

from checkout import soft_cache
from checkout.models import Order
from gateway import errors, registry
from gateway.types import Mode
from providers import accounts
from providers.models import MerchantAccount

logger = logging.getLogger(__name__)
ASK_AVAILABILITY_EVERY = 30  # seconds, of an account whose processor does not answer


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to pay an order: a button of the hosted page."""

    processor: str
    method: str
    name: str
    account: MerchantAccount


# The processor's method that a dialect asks for; the Provider API sells through Cash App Pay alone.
_METHODS = {"stripe": [("cashapp", "Cash App Pay")]}


def offers_for(order: Order, *, now: datetime) -> list[Offer]:
    """The ways to pay this order now. Calls a processor only for an account that was never asked before."""
    takers = [
        slug
        for slug, processor in registry.PROCESSORS.items()
        if order.processor in ("", slug) and not processor.check_money(order.money)
    ]
    found = _accounts_of(order, takers)
    return [
        Offer(processor=slug, method=method, name=name, account=found[slug])
        for slug in takers
        if slug in found
        for method, name in _METHODS.get(slug, [("", registry.get(slug).name)])
        if _is_available(found[slug], currency=order.currency, method=method, now=now)
    ]


def never_asked() -> list[tuple[MerchantAccount, str, str]]:
    """(account, currency, method) of usable accounts that were never asked what they can take."""
    usable = MerchantAccount.objects.filter(
        processor__in=_METHODS, is_active=True, retired_at=None, blocked_at=None, availability={}
    )
    return [
        (account, currency, method)
        for account in usable[:100]
        for currency in sorted(registry.get(account.processor).capabilities.currencies)
        for method, _name in _METHODS[account.processor]
    ]


def why_no_offer(order: Order) -> str:
    """The processor's objection to the amount, where it is the amount; "" where it is something else."""
    for slug in _accounts_of(order, list(registry.PROCESSORS)):
        processor = registry.get(slug)
        if order.processor not in ("", slug):
            continue
        if (not processor.capabilities.currencies or order.currency in processor.capabilities.currencies) and (
            objection := processor.check_money(order.money)
        ):
            return objection
    return ""


def _accounts_of(order: Order, processors: list[str]) -> dict[str, MerchantAccount]:
    return accounts.find_accounts(
        provider=order.provider, mode=Mode(order.mode), business_id=order.business_id, processors=processors
    )


def _asked_lately(question: str) -> bool:
    return soft_cache.add(question, seconds=ASK_AVAILABILITY_EVERY) is False


def _is_available(account: MerchantAccount, *, currency: str, method: str, now: datetime) -> bool:
    known = accounts.known_availability(account, currency=currency, method=method)
    if known is None:
        if _asked_lately(f"availability-asked/{account.pk}/{currency}/{method}"):
            return True  # without an answer: nobody waits for it again
        try:
            known = accounts.refresh_availability(account, currency=currency, method=method, now=now)
        except errors.GatewayError as error:
            # Not knowing is no reason to turn a sale away: the create's own answer decides.
            logger.warning("availability of account %s is unknown: %s", account.pk, error)
            return True
    return known.is_available
