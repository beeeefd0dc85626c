"""What one account's processor and we did on one day, to be laid beside the processor's own register.

A processor that asks first has transactions of its own here (`ProcessorTransaction`), counted by the time when the
processor made them, as in Payme's GetStatement; of others the payments are listed, by the time of their capture.
The day is the processor's: Tashkent's for those of Uzbekistan, else the site's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from checkout.models import Payment, ProcessorTransaction
from gateway import registry
from gateway.money import Money
from providers.models import MerchantAccount

HOME_OF_UZS = "Asia/Tashkent"
State = ProcessorTransaction.State
ROWS_AT_ONCE = 2000
REFUNDED = "refunded"  # in the sums of payments: what went back, in part or whole, beside what was captured


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day somewhere: the moments in [since, until)."""

    date: date
    zone: ZoneInfo
    since: datetime
    until: datetime

    @property
    def zone_name(self) -> str:
        """`Asia/Tashkent, UTC+05:00`"""
        offset = self.since.astimezone(self.zone).strftime("%z")
        return f"{self.zone.key}, UTC{offset[:3]}:{offset[3:]}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `our_number` is what the processor knows us by (Payme's transaction, Click's prepare id)."""

    at: datetime
    reference: str
    our_number: str
    order_id: UUID
    external_id: str
    business_id: str
    money: Money
    state: str
    reason: str
    is_expired: bool
    performed_at: datetime | None
    cancelled_at: datetime | None
    refunded: Money


@dataclass(frozen=True, slots=True)
class Total:
    state: str
    count: int
    money: Money


def zone_of(processor: str) -> ZoneInfo:
    """The clock that the processor's own register goes by."""
    entry = registry.PROCESSORS.get(processor)
    is_uzbek = entry is not None and entry.capabilities.currencies == {"UZS"}
    return ZoneInfo(HOME_OF_UZS if is_uzbek else settings.TIME_ZONE)


def day_of(processor: str, on: date) -> Day:
    zone = zone_of(processor)
    since = datetime.combine(on, time(), tzinfo=zone).astimezone(UTC)
    until = datetime.combine(on + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
    return Day(date=on, zone=zone, since=since, until=until)


def asks_first(processor: str) -> bool:
    entry = registry.PROCESSORS.get(processor)
    return entry is not None and entry.capabilities.asks_first


def rows_of(account: MerchantAccount, day: Day) -> QuerySet[Any]:
    """The day's rows in the order of their time; `entries_of` reads them."""
    if asks_first(account.processor):
        rows = _transactions([account.pk], day).annotate(at=Coalesce("their_time", "created_at"))
        return rows.select_related("order").order_by("at", "pk")
    return _payments([account.pk], day).annotate(at=Coalesce("captured_at", "created_at")).order_by("at", "pk")


def entries_of(account: MerchantAccount, rows: Iterable[Any]) -> Iterator[Entry]:
    read = _transaction if asks_first(account.processor) else _payment
    return (read(row) for row in rows)


def streamed(account: MerchantAccount, day: Day) -> Iterator[Entry]:
    """The whole day, however long, without holding it in memory."""
    return entries_of(account, rows_of(account, day).iterator(chunk_size=ROWS_AT_ONCE))


def totals_of(accounts: Sequence[MerchantAccount], day: Day) -> dict[UUID, list[Total]]:
    """Account → its sums of the day by state and currency: two queries for all accounts of one clock."""
    asking = [account.pk for account in accounts if asks_first(account.processor)]
    others = [account.pk for account in accounts if not asks_first(account.processor)]
    found: dict[UUID, list[Total]] = {account.pk: [] for account in accounts}
    grouped = ("account", "state", "currency")
    if asking:
        rows = _transactions(asking, day).values(*grouped)
        for row in rows.annotate(count=Count("pk"), minor=Sum("amount_minor")).order_by(*grouped):
            found[row["account"]].append(_total(row))
    if others:
        rows = _payments(others, day).annotate(state=F("status")).values(*grouped)
        sums = {"minor": Sum("amount_minor"), "captured": Sum("captured_minor"), "returned": Sum("refunded_minor")}
        counts = {"count": Count("pk"), "returns": Count("pk", filter=Q(refunded_minor__gt=0))}
        for row in rows.annotate(**sums, **counts).order_by(*grouped):
            found[row["account"]].append(_total({**row, "minor": row["captured"] or row["minor"]}))
            if row["returned"]:
                back = {"state": REFUNDED, "minor": row["returned"], "count": row["returns"]}
                found[row["account"]].append(_total({**row, **back}))
    return found


def _total(row: dict[str, Any]) -> Total:
    return Total(state=row["state"], count=row["count"], money=Money(row["minor"], row["currency"]))


def _transactions(accounts: Sequence[UUID], day: Day) -> QuerySet[ProcessorTransaction]:
    within = (day.since, day.until - timedelta(microseconds=1))
    return ProcessorTransaction.objects.filter(account__in=accounts).filter(
        Q(their_time__range=within) | Q(their_time=None, created_at__range=within)
    )


def _payments(accounts: Sequence[UUID], day: Day) -> QuerySet[Payment]:
    """Those that the processor knows."""
    within = (day.since, day.until - timedelta(microseconds=1))
    return (
        Payment.objects.select_related("order")
        .filter(account__in=accounts)
        .exclude(processor_ref="")
        .filter(Q(captured_at__range=within) | Q(captured_at=None, created_at__range=within))
    )


def _transaction(row: ProcessorTransaction) -> Entry:
    return Entry(
        at=row.their_time or row.created_at,
        reference=row.transaction_ref,
        our_number=str(row.pk),
        order_id=row.order_id,
        external_id=row.order.external_id,
        business_id=row.order.business_id,
        money=Money(row.amount_minor, row.currency),
        state=row.state,
        reason=row.reason,
        is_expired=row.is_expired,
        performed_at=row.performed_at,
        cancelled_at=row.cancelled_at,
        refunded=Money(row.amount_minor if row.state == State.REVERSED else 0, row.currency),
    )


def _payment(row: Payment) -> Entry:
    return Entry(
        at=row.captured_at or row.created_at,
        # Multicard's register goes by the payment, our reference there is its invoice.
        reference=row.processor_data.get("payment_uuid") or row.processor_ref,
        our_number=str(row.pk),
        order_id=row.order_id,
        external_id=row.order.external_id,
        business_id=row.order.business_id,
        money=Money(row.captured_minor or row.amount_minor, row.currency),
        state=row.status,
        reason=row.failure_code,
        is_expired=False,
        performed_at=row.captured_at,
        cancelled_at=None,
        refunded=Money(row.refunded_minor, row.currency),
    )
