"""The portal's first page: what came in today, in 7 and in 30 days, how well it went, and what waits for hands."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from checkout import display, takings
from checkout.portal import charts, frame, payment_words
from checkout.portal.access import DEVELOPER, PortalRequest
from checkout.takings import PERIODS, Takings
from providers import members

CHARTS = 3  # currencies that are drawn; all of them are in the numbers


@dataclass(frozen=True, slots=True)
class Sum:
    taken: str
    count: str
    returned: str


@dataclass(frozen=True, slots=True)
class Period:
    name: str
    sums: list[Sum]
    address: str


def show(request: PortalRequest) -> HttpResponse:
    lang = get_language() or "en"
    found = takings.takings_of(request.provider, mode=request.mode, now=timezone.now())
    stuck = takings.stuck_of(request.provider, mode=request.mode)
    context = {
        "section": "home",
        "is_empty": found.is_empty,
        "periods": [_period(found, place, lang) for place in range(len(PERIODS))] if found.sums else [],
        "charts": [
            charts.bars(found.days[row.currency], lang=lang) for row in found.sums if row.currency in found.days
        ][:CHARTS],
        "rates": [_rate(rate, lang) for rate in found.rates],
        "period_names": [_name(period) for period in PERIODS],
        "stuck": f"{takings.MOST_COUNTED}+" if stuck == takings.MOST_COUNTED else display.number(stuck, lang),
        "is_stuck": bool(stuck),
        "zone": found.zone,
        "is_developer": members.may(request.member.role, DEVELOPER),
        "height": charts.HEIGHT,
        "width": charts.WIDTH,
    }
    return frame.page(request, "portal/overview.html", context)


def _name(period: int) -> str:
    return {1: _("Today"), 7: _("7 days"), 30: _("30 days")}[period]


def _period(found: Takings, place: int, lang: str) -> Period:
    sums = [
        Sum(
            taken=display.money(row.taken[place], lang),
            count=display.number(row.counts[place], lang),
            returned=display.money(row.returned[place], lang) if row.returns[place] else "",
        )
        for row in found.sums
        # The main currency always, the others where there is something to say.
        if row is found.sums[0] or row.counts[place] or row.returns[place]
    ]
    since = found.today.toordinal() - PERIODS[place] + 1
    return Period(name=_name(PERIODS[place]), sums=sums, address=f"?since={found.today.fromordinal(since).isoformat()}")


def _rate(rate: takings.Rate, lang: str) -> dict[str, Any]:
    cells = [
        (f"{percent} %" if percent is not None else "–", display.number(good, lang), display.number(ended, lang))
        for percent, good, ended in zip(rate.percents, rate.succeeded, rate.ended, strict=True)
    ]
    return {
        "name": payment_words.processor_name(rate.processor),
        "cells": cells,
        "share": charts.share(rate),
        "named_cells": list(zip([_name(period) for period in PERIODS], cells, strict=True)),
    }
