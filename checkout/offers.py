"""What can be offered to a buyer: the accounts that could take an order's money, and whether they can now."""

import logging
from dataclasses import dataclass
from datetime import datetime

from checkout import soft_cache
from checkout.models import Order
from gateway import errors, registry
from gateway.adapter import Method, Processor
from gateway.types import Mode
from providers import accounts
from providers.models import MerchantAccount

logger = logging.getLogger(__name__)
LISTED_CURRENCIES = 5  # in a refusal; more of them are a page, not a sentence
ASK_AVAILABILITY_EVERY = 30  # seconds, of an account whose processor does not answer


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to pay an order: a button of the hosted page."""

    processor: str
    method: str
    name: str
    account: MerchantAccount


# The one way to pay that a dialect sells: the document of the Provider API knows Cash App Pay alone.
_ONLY = {Order.Dialect.PROVIDER: ("stripe", "cashapp")}
# Where a processor has several methods and the dialect names none: the one that any buyer can use.
_USUAL = {"stripe": "card"}


def offers_for(order: Order, *, now: datetime) -> list[Offer]:
    """The ways to pay this order now, one for each processor. Calls a processor only for an account that was never
    asked before.
    """
    takers = _takers(order)
    found = _accounts_of(order, list(takers))
    return [
        Offer(processor=slug, method=method.slug, name=method.name, account=found[slug])
        for slug, method in takers.items()
        if slug in found and _is_available(found[slug], currency=order.currency, method=method.slug, now=now)
    ]


def has_account(order: Order) -> bool:
    """Whether there is an account for this order, be it one that its processor turns away."""
    return bool(_accounts_of(order, list(_takers(order))))


def _takers(order: Order) -> dict[str, Method]:
    """The processors that take such an order from anybody."""
    return {
        slug: method
        for slug, processor in registry.PROCESSORS.items()
        if order.processor in ("", slug)
        and (method := _method_for(order, processor)) is not None
        and not _objection(order, processor, method)
    }


def _method_for(order: Order, processor: Processor) -> Method | None:
    """The processor's way to pay in this order's dialect; None where it has none there."""
    only = _ONLY.get(Order.Dialect(order.dialect))
    if only is not None and processor.slug != only[0]:
        return None
    wanted = only[1] if only else _USUAL.get(processor.slug, "")
    if not processor.methods:
        return Method(slug="", name=processor.name)
    return next((method for method in processor.methods if method.slug == wanted), processor.methods[0])


def _objection(order: Order, processor: Processor, method: Method) -> str:
    """Why this amount cannot be taken this way, in words for the caller; "" where it can."""
    taken = method.currencies or processor.capabilities.currencies
    if taken and order.currency not in taken:
        if len(taken) > LISTED_CURRENCIES:
            return f"{method.name} takes no {order.currency}"
        return f"{method.name} takes {', '.join(sorted(taken))} only"
    return processor.check_money(order.money) or method.check_money(order.money)


def never_asked() -> list[tuple[MerchantAccount, str, str]]:
    """(account, currency, method) of usable accounts that were never asked what they can take.

    Only of methods that name their currencies: what takes any is asked when the first order comes.
    """
    usable = MerchantAccount.objects.filter(
        processor__in=[slug for slug, processor in registry.PROCESSORS.items() if processor.methods],
        is_active=True,
        retired_at=None,
        blocked_at=None,
        availability={},
    )
    return [
        (account, currency, method.slug)
        for account in usable[:100]
        for method in registry.get(account.processor).methods
        for currency in sorted(method.currencies)
    ]


def why_no_offer(order: Order) -> str:
    """The processor's objection to the amount, where it is the amount; "" where it is something else."""
    for slug in _accounts_of(order, list(registry.PROCESSORS)):
        processor = registry.get(slug)
        method = _method_for(order, processor)
        if order.processor not in ("", slug) or method is None:
            continue
        taken = method.currencies or processor.capabilities.currencies
        # Of a processor for other currencies nobody wants to hear; unless it is the only one that was asked for.
        is_asked_for = order.processor == slug and order.dialect != Order.Dialect.INVOICE
        if (not taken or order.currency in taken or is_asked_for) and (
            objection := _objection(order, processor, method)
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
