"""Charts as SVG, drawn on the server: no script, no inline style, and always a table that says the same.

The drawing is stretched to its box; what is to be read stands beside it as text, so that it stays legible on a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from checkout import display
from checkout.takings import Day, Rate
from gateway.money import Money

WIDTH, HEIGHT = 600, 160  # of the drawing, in units of its own
FILLED = 0.72  # of a day's width
LABELS_EVERY = 7  # days
LABELS = 4
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: where its bar stands, and what is said of it."""

    x: str
    y: str
    width: str
    height: str
    title: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Volume by day. `marks` are the lines across, from the top: (y, what it means); `days` stand below."""

    name: str
    currency: str
    bars: Sequence[Bar]
    marks: Sequence[tuple[str, str]]
    days: Sequence[str]
    best: str
    total: str
    table: Sequence[tuple[str, str, int]]


def bars(days: Sequence[Day], *, lang: str) -> Bars:
    """`days` in order, at least one, all of one currency."""
    currency = days[0].taken.currency
    top = _round_up(max(day.taken.minor for day in days))
    step = WIDTH / len(days)
    drawn = []
    for number, day in enumerate(days):
        height = HEIGHT * day.taken.minor / top
        # A day with little is still a day with something.
        height = max(height, 2.0) if day.taken.minor else 0.0
        drawn.append(
            Bar(
                x=f"{number * step + step * (1 - FILLED) / 2:.2f}",
                y=f"{HEIGHT - height:.2f}",
                width=f"{step * FILLED:.2f}",
                height=f"{height:.2f}",
                title=f"{_day(day.day, lang)}: {display.money(day.taken, lang)} ({display.number(day.count, lang)})",
            )
        )
    best = max(days, key=lambda day: day.taken.minor)
    return Bars(
        name=f"chart-{currency}",
        currency=currency,
        bars=drawn,
        marks=[
            (f"{HEIGHT * (1 - part / 2):.0f}", display.short_money(Money(top * part // 2, currency), lang))
            for part in (2, 1, 0)
        ],
        # Today stands at the right edge, the others a week apart before it; the first would not find room.
        days=[_day(day.day, lang) for day in days[::-LABELS_EVERY][:LABELS][::-1]],
        best=f"{_day(best.day, lang)}: {display.money(best.taken, lang)}",
        total=display.money(Money(sum(day.taken.minor for day in days), currency), lang),
        table=[(_day(day.day, lang), display.money(day.taken, lang), day.count) for day in reversed(days)],
    )


def _round_up(value: int) -> int:
    """1, 2 or 5 with zeros: what a scale ends at."""
    size = 1
    while True:
        for step in _STEPS:
            if step * size >= max(value, 2):
                return step * size
        size *= 10


def _day(day: date, lang: str) -> str:
    return display.day(day, lang)


def share(rate: Rate) -> str:
    """The width of a bar of 100 units for the longest period."""
    percent = rate.percents[-1]
    return str(percent if percent is not None else 0)
