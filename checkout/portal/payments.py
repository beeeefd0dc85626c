"""The provider's payments: a list that finds and narrows, and the same list as a file."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language

from checkout import display, order_search, paging
from checkout.models import Order
from checkout.portal import clock, frame, payment_words
from checkout.portal.access import PortalRequest
from checkout.portal.filters import PaymentsForm
from gateway.money import Money, exponent_of
from providers.models import MerchantAccount, Provider

PAGE = 25
CHUNK = 1000  # orders that a file takes from the database at a time
MOST_IN_FILE = 100_000
BUSINESSES = 200  # suggested at most
PLACES = ("after", "before", "page")


@dataclass(frozen=True, slots=True)
class Row:
    order: Order
    address: str
    badges: list[payment_words.Badge]
    bought: str
    processor: str
    made: str


def show(request: PortalRequest) -> HttpResponse:
    businesses = businesses_of(request.provider, request.mode)
    form = form_of(request, has_businesses=bool(businesses))
    found: paging.Page[Order] = paging.Page(rows=[])
    if form.is_valid():
        rows = order_search.orders_of(request.provider, mode=request.mode, wanted=form.wanted())
        found = page_of(order_search.with_tries(rows), request.GET)
    context = {
        "section": "payments",
        "form": form,
        "more": [form[name] for name in form.fields if name != "q"],
        "is_narrow": bool(filters_of(request.GET)),
        "businesses": businesses,
        "rows": [_row(order, request.provider) for order in found.rows],
        "pages": pages(request.GET, found),
        "file": "?" + urlencode({**filters_of(request.GET), "as": "csv"}),
        "sheet": "?" + urlencode({**filters_of(request.GET), "as": "excel"}) if get_language() != "en" else "",
        "most_in_file": display.number(MOST_IN_FILE, get_language() or "en"),
        "zone": form.zone.key,
    }
    if request.GET.get("as") in ("csv", "excel") and form.is_valid():
        return _file(request, rows, is_excel=request.GET["as"] == "excel")
    return frame.page(request, "portal/payments.html", context, status=200 if form.is_valid() else 400)


def form_of(request: PortalRequest, *, has_businesses: bool) -> PaymentsForm:
    # Bound even when nothing was asked: an empty list of wishes is valid.
    return PaymentsForm(request.GET, provider=request.provider, has_businesses=has_businesses)


def businesses_of(provider: Provider, mode: str) -> list[tuple[str, str]]:
    """(id, name) of the businesses with accounts, for suggestions; [] for who sells in his own name alone."""
    rows = MerchantAccount.objects.filter(provider=provider, mode=mode).exclude(business_id="")
    named = rows.order_by("business_id").values_list("business_id", "business_name").distinct()[:BUSINESSES]
    return sorted(dict(named).items())


def _row(order: Order, provider: Provider) -> Row:
    tries = list(order.payments.all())
    shown = payment_words.shown_payment(order, tries)
    return Row(
        order=order,
        address=reverse("portal:payment", args=[order.pk]),
        badges=payment_words.badges_of(order, tries),
        bought=payment_words.bought(order),
        processor=payment_words.processor_name(shown.processor if shown else order.processor),
        made=clock.short(order.created_at, provider),
    )


# --- pages --------------------------------------------------------------------------------------------------------


def filters_of(query: QueryDict) -> dict[str, str]:
    """What stands in the address besides the place, the language and what is empty."""
    return {name: str(value) for name, value in query.items() if value and name not in (*PLACES, "lang", "as")}


def page_of(found: QuerySet[Any], query: QueryDict) -> paging.Page[Any]:
    """A cursor that is none of ours leads to the first page."""
    return paging.page(
        found,
        size=PAGE,
        after=paging.read(query.get("after", "")),
        before=paging.read(query.get("before", "")),
        is_last=query.get("page") == "last",
    )


def pages(query: QueryDict, found: paging.Page[Any]) -> dict[str, str]:
    """Addresses of the pages around this one, the filters kept; empty where there is none."""
    kept = filters_of(query)

    def to(**place: str) -> str:
        return "?" + urlencode({**kept, **place})

    return {
        "first": to() if found.newer else "",
        "newer": to(before=str(found.newer)) if found.newer else "",
        "older": to(after=str(found.older)) if found.older else "",
        "last": to(page="last") if found.older else "",
        "restart": to(),
    }


# --- the file -----------------------------------------------------------------------------------------------------

COLUMNS = [
    "created_at", "paid_at", "order_id", "external_id", "status", "amount", "currency", "refunded", "processor",
    "processor_ref", "capture_ref", "business_id", "bought", "payer_email", "late", "mode",
]  # fmt: skip
# What a spreadsheet would take for a formula, wide forms of the signs included.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Echo:
    """A file for the csv writer that hands each line back."""

    def write(self, line: str) -> str:
        return line


def _file(request: PortalRequest, found: QuerySet[Order], *, is_excel: bool) -> HttpResponse:
    """Streamed, newest first. `is_excel`: semicolons and decimal commas, as Excel wants them in Russian and Uzbek."""
    is_part = found.order_by("-created_at", "-id")[MOST_IN_FILE : MOST_IN_FILE + 1].exists()
    day = timezone.now().astimezone(UTC).date().isoformat()
    name = f"payments-{request.provider.slug}-{request.mode}-{day}{'-newest' if is_part else ''}.csv"
    response = StreamingHttpResponse(_lines(found, is_excel=is_excel), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response  # type: ignore[return-value]  # a response like any other to the door


def _lines(found: QuerySet[Order], *, is_excel: bool) -> Iterator[str]:
    writer = csv.writer(_Echo(), delimiter=";" if is_excel else ",")
    yield "\ufeff" + writer.writerow(COLUMNS)  # the mark tells Excel that this is UTF-8
    left, place = MOST_IN_FILE, None
    while left > 0:
        chunk = paging.page(order_search.with_tries(found), size=min(CHUNK, left), after=place)
        for order in chunk.rows:
            yield writer.writerow([safe(text) for text in _cells(order, "," if is_excel else ".")])
        left, place = left - len(chunk.rows), chunk.older
        if place is None:
            return


def _cells(order: Order, decimal: str) -> list[str]:
    shown = payment_words.shown_payment(order, order.payments.all())
    return [
        _utc(order.created_at),
        _utc(order.paid_at),
        str(order.pk),
        order.external_id,
        order.status,
        _major(order.amount_minor, order.currency, decimal),
        order.currency,
        _major(order.refunded_minor, order.currency, decimal),
        shown.processor if shown else order.processor,
        shown.processor_ref if shown else "",
        shown.capture_ref if shown else "",
        order.business_id,
        payment_words.bought(order),
        order.payer_email,
        "yes" if order.is_late else "",
        order.mode,
    ]


def _utc(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def _major(minor: int, currency: str, decimal: str) -> str:
    return f"{Money(minor, currency).major:.{exponent_of(currency)}f}".replace(".", decimal)


def safe(text: str) -> str:
    """A cell that no spreadsheet runs: an apostrophe stands before what begins like a formula, behind spaces too."""
    return f"'{text}" if text.lstrip(" \u00a0").startswith(FORMULA) or text.startswith(FORMULA) else text
