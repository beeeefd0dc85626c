"""The businesses of a marketplace as people look at them: one (source, businessId), its accounts, what it earns.

A business has no row of its own: it is what its accounts say it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Sum

from checkout import sellers
from checkout.models import Order
from gateway.money import Money
from providers.models import MerchantAccount, Provider

STATES = {
    "active": Q(retired_at=None, blocked_at=None, is_active=True),
    "inactive": Q(retired_at=None, blocked_at=None, is_active=False),
    "blocked": Q(retired_at=None, blocked_at__isnull=False),
    "retired": Q(retired_at__isnull=False),
}
DAYS = 30
# An order is paid within a day of being made, or late: this much more is looked through to find those of the first day.
MADE_EARLIER = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Business:
    """Its accounts at all processors in both modes, those that live first."""

    provider: Provider
    business_id: str
    accounts: Sequence[MerchantAccount]

    @property
    def name(self) -> str:
        """What people call it; empty where no account says."""
        named = (sellers.name_without_processor(one.business_name, one.processor) for one in self.accounts)
        return next((name for name in named if name), "")

    @property
    def present(self) -> list[MerchantAccount]:
        return [account for account in self.accounts if account.retired_at is None]

    @property
    def retired(self) -> list[MerchantAccount]:
        return [account for account in self.accounts if account.retired_at is not None]


@dataclass(frozen=True, slots=True)
class Volume:
    """What was paid to a business in one mode and currency, refunds not taken off."""

    mode: str
    today: Money
    today_count: int
    month: Money
    month_count: int


def named(*, text: str = "", processor: str = "", mode: str = "", state: str = "") -> QuerySet[Any]:
    """{provider, business_id} of every business that has an account like this, by source and id."""
    rows = MerchantAccount.objects.filter(provider__isnull=False).exclude(business_id="")
    if text:
        rows = rows.filter(
            Q(business_id__icontains=text) | Q(business_name__icontains=text) | Q(provider__slug__iexact=text)
        )
    if processor:
        rows = rows.filter(processor=processor)
    if mode:
        rows = rows.filter(mode=mode)
    if state in STATES:
        rows = rows.filter(STATES[state])
    return rows.order_by("provider__slug", "business_id").values("provider", "provider__slug", "business_id").distinct()


def with_accounts(names: Iterable[Mapping[str, Any]]) -> list[Business]:
    """The businesses of these names, in their order, with all their accounts: one query for all."""
    keys = [(name["provider"], name["business_id"]) for name in names]
    found: dict[tuple[Any, str], list[MerchantAccount]] = {key: [] for key in keys}
    rows = MerchantAccount.objects.select_related("provider").filter(
        provider__in={provider for provider, _ in keys}, business_id__in={business for _, business in keys}
    )
    for account in sorted(rows, key=_place):
        if (account.provider_id, account.business_id) in found:
            found[account.provider_id, account.business_id].append(account)
    return [
        Business(provider=accounts[0].provider, business_id=business_id, accounts=accounts)
        for (_, business_id), accounts in found.items()
        if accounts and accounts[0].provider is not None
    ]


def _place(account: MerchantAccount) -> tuple[Any, ...]:
    return (account.retired_at is not None, account.processor, account.mode, account.created_at)


def find(*, source: str, business_id: str) -> Business | None:
    if not business_id:
        return None
    names = MerchantAccount.objects.filter(provider__slug=source, business_id=business_id)
    found = with_accounts(names.values("provider", "business_id")[:1])
    return found[0] if found else None


def invoices_of(business: Business) -> QuerySet[Order]:
    return Order.objects.filter(provider=business.provider, business_id=business.business_id)


def volume_of(business: Business, *, now: datetime) -> list[Volume]:
    """Paid today and in the last 30 days (by the clock of the site), live first; [] for nothing."""
    midnight = now.astimezone(ZoneInfo(settings.TIME_ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight - timedelta(days=DAYS - 1)
    today = Q(paid_at__gte=midnight)
    rows = (
        invoices_of(business)
        .filter(created_at__gte=since - MADE_EARLIER, paid_at__gte=since)
        .order_by("mode", "currency")
        .values("mode", "currency")
        .annotate(
            month=Sum("amount_minor"),
            month_count=Count("pk"),
            today=Sum("amount_minor", filter=today),
            today_count=Count("pk", filter=today),
        )
    )
    return [
        Volume(
            mode=row["mode"],
            today=Money(row["today"] or 0, row["currency"]),
            today_count=row["today_count"],
            month=Money(row["month"], row["currency"]),
            month_count=row["month_count"],
        )
        for row in rows
    ]
