"""What a provider took in one mode over the last days, by its own clock: volume, tries by processor, refunds.

Read from indexes alone (days of payment, tries by account); what a month of a large seller costs is still kept for
half a minute where there is a cache.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from checkout import display
from checkout.models import Order, Payment, Refund
from gateway.money import Money
from providers.models import MerchantAccount, Provider
from webhooks import delivery

PERIODS = (1, 7, 30)  # days, today included
KEPT_SECONDS = 30
Status = Payment.Status
# A try that ended. What is still open counts neither for nor against its processor.
SUCCEEDED = [Status.CAPTURED]
DID_NOT = [Status.FAILED, Status.DECLINED, Status.CANCELLED, Status.EXPIRED, Status.ERROR]


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one currency, by period in the order of PERIODS."""

    currency: str
    taken: Sequence[Money]
    counts: Sequence[int]
    returned: Sequence[Money]
    returns: Sequence[int]


@dataclass(frozen=True, slots=True)
class Rate:
    """Tries at one processor that ended, by period: how many, and how many of them took the money."""

    processor: str
    ended: Sequence[int]
    succeeded: Sequence[int]

    @property
    def percents(self) -> list[int | None]:
        """Whole percents, rounded down: 100 means all of them. None where nothing ended."""
        return [100 * good // all_ if all_ else None for good, all_ in zip(self.succeeded, self.ended, strict=True)]


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    taken: Money
    count: int


@dataclass(frozen=True, slots=True)
class Takings:
    """Currencies and processors with most behind them first. `days` has all 30 for each currency, the eldest first."""

    zone: str
    today: date
    sums: Sequence[Sums] = ()
    days: dict[str, Sequence[Day]] = field(default_factory=dict)
    rates: Sequence[Rate] = ()

    @property
    def is_empty(self) -> bool:
        return not self.sums and not self.rates


def zone_of(provider: Provider) -> ZoneInfo:
    """Whose midnight ends a provider's day."""
    return ZoneInfo(display.home_zone(provider.currency) or settings.TIME_ZONE)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def takings_of(provider: Provider, *, mode: str, now: datetime) -> Takings:
    """At most half a minute old."""
    key = f"takings/{provider.pk}/{mode}/{provider.currency}"
    found = _kept(key)
    if found is None or found.today != now.astimezone(zone_of(provider)).date():
        found = _read(provider, mode, now)
        _keep(key, found)
    return found


def _kept(key: str) -> Takings | None:
    try:
        found = cache.get(key)
    except Exception:  # each cache has errors of its own; without one the numbers are read
        return None
    return found if isinstance(found, Takings) else None


def _keep(key: str, found: Takings) -> None:
    try:
        cache.set(key, found, KEPT_SECONDS)
    except Exception:  # noqa: S110  # the numbers are shown all the same
        pass


def _read(provider: Provider, mode: str, now: datetime) -> Takings:
    zone = zone_of(provider)
    today = now.astimezone(zone).date()
    first = today - timedelta(days=PERIODS[-1] - 1)
    days = _days(provider, mode, first=first, today=today, zone=zone)
    returns = _returns(provider, mode, today=today, zone=zone)
    sums = [_sums(currency, days.get(currency, []), returns, today) for currency in {*days, *returns}]
    return Takings(
        zone=zone.key,
        today=today,
        sums=sorted(sums, key=lambda row: (-row.counts[-1], row.currency)),
        days={currency: _all_of(currency, rows, first, today) for currency, rows in days.items()},
        rates=_rates(provider, mode, today=today, zone=zone),
    )


def _days(provider: Provider, mode: str, *, first: date, today: date, zone: ZoneInfo) -> dict[str, list[Day]]:
    rows = (
        Order.objects.filter(
            provider=provider,
            mode=mode,
            paid_at__gte=midnight(first, zone),
            paid_at__lt=midnight(today + timedelta(days=1), zone),
        )
        .order_by()
        .values("currency", day=TruncDate("paid_at", tzinfo=zone))
        .annotate(minor=Sum("amount_minor"), count=Count("*"))
    )
    found: dict[str, list[Day]] = {}
    for row in rows:
        taken = Money(int(row["minor"]), row["currency"])
        found.setdefault(row["currency"], []).append(Day(row["day"], taken, row["count"]))
    return found


def _all_of(currency: str, rows: Iterable[Day], first: date, today: date) -> list[Day]:
    known = {row.day: row for row in rows}
    count = (today - first).days + 1
    each = (first + timedelta(days=number) for number in range(count))
    return [known.get(day) or Day(day, Money(0, currency), 0) for day in each]


def _sums(currency: str, days: list[Day], returns: dict[str, list[tuple[int, int]]], today: date) -> Sums:
    spans = [[row for row in days if row.day > today - timedelta(days=period)] for period in PERIODS]
    back = returns.get(currency, [(0, 0)] * len(PERIODS))
    return Sums(
        currency=currency,
        taken=[Money(sum(row.taken.minor for row in span), currency) for span in spans],
        counts=[sum(row.count for row in span) for span in spans],
        returned=[Money(minor, currency) for minor, _count in back],
        returns=[count for _minor, count in back],
    )


def _since(today: date, period: int, zone: ZoneInfo) -> datetime:
    return midnight(today - timedelta(days=period - 1), zone)


def _returns(provider: Provider, mode: str, *, today: date, zone: ZoneInfo) -> dict[str, list[tuple[int, int]]]:
    """currency → (minor units, count) by period, of what went back, duplicates included: it was taken, too."""
    spans = {period: Q(settled_at__gte=_since(today, period, zone)) for period in PERIODS}
    rows: Any = (
        Refund.objects.filter(
            spans[PERIODS[-1]],
            status=Refund.Status.SUCCEEDED,
            payment__order__provider=provider,
            payment__order__mode=mode,
        )
        .order_by()
        .values("currency")
        .annotate(
            **{f"minor_{period}": Sum("amount_minor", filter=span, default=0) for period, span in spans.items()},
            **{f"count_{period}": Count("pk", filter=span) for period, span in spans.items()},
        )
    )
    return {
        row["currency"]: [(int(row[f"minor_{period}"]), row[f"count_{period}"]) for period in PERIODS] for row in rows
    }


def _rates(provider: Provider, mode: str, *, today: date, zone: ZoneInfo) -> list[Rate]:
    since = _since(today, PERIODS[-1], zone)
    accounts = dict(MerchantAccount.objects.filter(provider=provider, mode=mode).values_list("pk", "processor"))
    house = dict(MerchantAccount.objects.filter(provider=None, mode=mode).values_list("pk", "processor"))
    by_processor: dict[str, list[list[int]]] = {}
    tries = Payment.objects.filter(created_at__gte=since)
    # An account of its own says whose try it is, so that its index is all there is to read.
    for names, rows in (
        (accounts, tries.filter(account__in=list(accounts)) if accounts else None),
        (house, tries.filter(account__in=list(house), order__provider=provider) if house else None),
    ):
        for account, numbers in _ended(rows, today, zone) if rows is not None else ():
            kept = by_processor.setdefault(names[account], [[0] * len(PERIODS), [0] * len(PERIODS)])
            for place, (ended, succeeded) in enumerate(numbers):
                kept[0][place] += ended
                kept[1][place] += succeeded
    found = [Rate(processor, ended, succeeded) for processor, (ended, succeeded) in by_processor.items()]
    return sorted((row for row in found if row.ended[-1]), key=lambda row: (-row.ended[-1], row.processor))


def _ended(rows: QuerySet[Payment], today: date, zone: ZoneInfo) -> list[tuple[UUID, list[tuple[int, int]]]]:
    spans = {period: Q(created_at__gte=_since(today, period, zone)) for period in PERIODS}
    counted: Any = (
        rows.filter(status__in=[*SUCCEEDED, *DID_NOT])
        .order_by()
        .values("account")
        .annotate(
            **{f"ended_{period}": Count("status", filter=span) for period, span in spans.items()},
            **{
                f"succeeded_{period}": Count("status", filter=span & Q(status__in=SUCCEEDED))
                for period, span in spans.items()
            },
        )
    )
    return [
        (row["account"], [(row[f"ended_{period}"], row[f"succeeded_{period}"]) for period in PERIODS])
        for row in counted
    ]


MOST_COUNTED = 1000


def stuck_of(provider: Provider, *, mode: str) -> int:
    """Webhooks that did not get across and wait for hands; counted to MOST_COUNTED."""
    rows = delivery.stuck().filter(provider=provider, is_livemode=mode == "live").order_by()
    return rows.values("pk")[:MOST_COUNTED].count()
