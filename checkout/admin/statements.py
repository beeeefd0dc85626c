"""Statements: what went through an account on a day, with its sums, to be laid beside the processor's register."""

import csv
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import F, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone

from checkout import statements
from checkout.admin import at_processor
from checkout.statements import Day, Entry, Total
from gateway import registry
from gateway.money import exponent_of
from providers import audit, backoffice
from providers.admin.base import BoundedPaginator
from providers.admin.screens import Screen
from providers.models import MerchantAccount

ACCOUNTS_PER_PAGE = 50
PER_PAGE = 200
EARLIEST = date(2000, 1, 1)
# A cell that begins like this is a formula to a spreadsheet, and its text came from strangers.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
COLUMNS = [
    "made_at", "processor_id", "our_number", "state", "reason", "amount", "currency", "performed_at", "cancelled_at",
    "refunded", "order_id", "source_invoice_id", "business_id",
]  # fmt: skip


class StatementScreen(Screen):
    section = "Statements of a day"
    route = "statements"
    permission = "checkout.view_order"

    def act_urls(self) -> list[Any]:
        return [
            ("<uuid:account_id>/", self.one, "one"),
            ("<uuid:account_id>/csv/", self.export, "csv"),
        ]

    # --- all accounts ------------------------------------------------------------------------------------------

    def index(self, request: HttpRequest) -> HttpResponse:
        """The accounts with their sums of the day. Each account's day is by its processor's own clock."""
        text, processor = request.GET.get("text", "").strip()[:128], request.GET.get("processor", "")
        accounts = MerchantAccount.objects.select_related("provider").order_by(
            F("provider__slug").asc(nulls_first=True), "business_id", "processor", "mode", "id"
        )
        if text:
            accounts = accounts.filter(
                Q(business_id__icontains=text) | Q(business_name__icontains=text) | Q(provider__slug__iexact=text)
            )
        if processor:
            accounts = accounts.filter(processor=processor)
        page = BoundedPaginator(accounts, ACCOUNTS_PER_PAGE).get_page(request.GET.get("page"))
        found = list(page.object_list)
        on = _date_of(request, statements.zone_of(processor or _commonest(found)))
        sums: dict[UUID, list[Total]] = {}
        for zone in {statements.zone_of(account.processor) for account in found}:
            of_zone = [account for account in found if statements.zone_of(account.processor) == zone]
            sums |= statements.totals_of(of_zone, statements.day_of(of_zone[0].processor, on))
        return self.page(
            request,
            "staff/statements.html",
            self.section,
            {
                "page": page,
                "rows": [
                    (account, _name_of(account), _shown(account.processor, sums[account.pk])) for account in found
                ],
                "on": on,
                "text": text,
                "processor": processor,
                "processors": registry.PROCESSORS.values(),
                "is_narrowed": bool(text or processor),
                "query": urlencode({"day": on.isoformat(), "text": text, "processor": processor}),
            },
        )

    # --- one account -------------------------------------------------------------------------------------------

    def one(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        account, day = self._asked(request, account_id)
        today = timezone.now().astimezone(day.zone).date()
        page = Paginator(statements.rows_of(account, day), PER_PAGE).get_page(request.GET.get("page"))
        return self.page(
            request,
            "staff/statement.html",
            f"{_name_of(account)}, {day.date}",
            {
                "account": account,
                "name": _name_of(account),
                "processor_name": _processor_name(account),
                "day": day,
                "page": page,
                "query": urlencode({"day": day.date.isoformat()}),
                "rows": [_row(account, entry, day) for entry in statements.entries_of(account, page.object_list)],
                "totals": _shown(account.processor, statements.totals_of([account], day)[account.pk]),
                "before": day.date - timedelta(days=1) if day.date > EARLIEST else None,
                "after": day.date + timedelta(days=1) if day.date < today else None,
                "hint": at_processor.compare_hint(account.processor),
                "asks_first": statements.asks_first(account.processor),
            },
        )

    def export(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        """The whole day as a file. Whoever takes one is written into the audit trail."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account, day = self._asked(request, account_id)
        user = request.user
        assert isinstance(user, User)
        audit.record(
            actor=user,
            act="statement_exported",
            target=account,
            details={"day": day.date.isoformat(), "account": str(account)},
            request=request,
            now=timezone.now(),
        )
        name = f"statement-{account.processor}-{account.mode}-{day.date}-{account.pk}.csv"
        lines = _csv(account, statements.streamed(account, day), day)
        answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        answer["Cache-Control"] = "no-store"
        return cast(HttpResponse, answer)

    def _asked(self, request: HttpRequest, account_id: UUID) -> tuple[MerchantAccount, Day]:
        account = MerchantAccount.objects.select_related("provider").filter(pk=account_id).first()
        if account is None:
            raise Http404
        return account, statements.day_of(account.processor, _date_of(request, statements.zone_of(account.processor)))


def _date_of(request: HttpRequest, zone: Any) -> date:
    """The day asked for; today by that clock for none, for nonsense and for the future."""
    today = timezone.now().astimezone(zone).date()
    try:
        on = date.fromisoformat(request.GET.get("day") or request.POST.get("day", ""))
    except ValueError:
        return today
    return on if EARLIEST <= on <= today else today


def _commonest(accounts: list[MerchantAccount]) -> str:
    return accounts[0].processor if accounts else ""


def _name_of(account: MerchantAccount) -> str:
    if account.provider is None:
        return f"House account, {account.processor}"
    whose = f"{account.provider.slug} / {account.business_id}" if account.business_id else account.provider.name
    return f"{whose}, {account.processor}"


def _processor_name(account: MerchantAccount) -> str:
    entry = registry.PROCESSORS.get(account.processor)
    return entry.name if entry else account.processor


def _shown(processor: str, totals: Iterable[Total]) -> list[tuple[str, str, Total]]:
    """(state in words, its meaning, the sum), money first."""
    by_state = list(totals)
    order = at_processor.states_in_order({total.state for total in by_state})
    return [
        (at_processor.state_of(processor, total.state), at_processor.state_meaning(total.state), total)
        for total in sorted(by_state, key=lambda total: (order.index(total.state), total.money.currency))
    ]


def _row(account: MerchantAccount, entry: Entry, day: Day) -> dict[str, Any]:
    reason = at_processor.reason_of(account.processor, entry.reason, state=entry.state, is_expired=entry.is_expired)
    return {
        "entry": entry,
        "at": _clock(entry.at, day),
        "performed": _clock(entry.performed_at, day),
        "cancelled": _clock(entry.cancelled_at, day),
        "state": at_processor.state_of(account.processor, entry.state),
        "meaning": at_processor.state_meaning(entry.state),
        "reason": reason,
        "amount": backoffice.money(entry.money.minor, entry.money.currency),
        "refunded": backoffice.money(entry.refunded.minor, entry.refunded.currency) if entry.refunded.minor else "",
        "order_url": reverse("admin:checkout_order_change", args=[entry.order_id]),
    }


def _clock(at: Any, day: Day) -> str:
    """The time of day; with its date where that is another day."""
    if at is None:
        return ""
    local = at.astimezone(day.zone)
    return f"{local:%H:%M:%S}" if local.date() == day.date else f"{local:%Y-%m-%d %H:%M:%S}"


# --- the file -----------------------------------------------------------------------------------------------------


class _Echo:
    """What csv writes to: it hands each line back."""

    def write(self, line: str) -> str:
        return line


def _csv(account: MerchantAccount, entries: Iterable[Entry], day: Day) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff"  # spreadsheets read UTF-8 only when it says so
    yield writer.writerow(COLUMNS)
    for entry in entries:
        yield writer.writerow([_cell(text) for text in _cells(account, entry, day)])


def _cells(account: MerchantAccount, entry: Entry, day: Day) -> list[str]:
    places = exponent_of(entry.money.currency)
    reason = at_processor.reason_of(account.processor, entry.reason, state=entry.state, is_expired=entry.is_expired)
    return [
        _iso(entry.at, day),
        entry.reference,
        entry.our_number,
        entry.state,
        reason,
        f"{entry.money.major:.{places}f}",
        entry.money.currency,
        _iso(entry.performed_at, day),
        _iso(entry.cancelled_at, day),
        f"{entry.refunded.major:.{places}f}",
        str(entry.order_id),
        entry.external_id,
        entry.business_id,
    ]


def _iso(at: Any, day: Day) -> str:
    return at.astimezone(day.zone).isoformat(timespec="milliseconds") if at else ""


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


admin.site.screens.append(StatementScreen(admin.site))  # type: ignore[attr-defined]
