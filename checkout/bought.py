"""What was bought, line by line, as a page or a letter shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checkout import display
from checkout.models import Order
from gateway.money import Money

SHOWN_LINES = 3  # before paying; the receipt has all of them


@dataclass(frozen=True, slots=True)
class Line:
    """`Plov × 2`, the price of one where it is wanted and there are several, the total. All formatted."""

    what: str
    each: str
    total: str


def first_lines(order: Order, lang: str) -> list[Line]:
    """Enough to know the order again; none where one line says it all (`what_of`)."""
    return _lines(order.items[:SHOWN_LINES], order.currency, lang, with_price=False) if len(order.items) > 1 else []


def all_lines(order: Order, lang: str) -> list[Line]:
    return _lines(order.items, order.currency, lang, with_price=True)


def _lines(items: Sequence[Mapping[str, Any]], currency: str, lang: str, *, with_price: bool) -> list[Line]:
    return [
        Line(
            what=name_and_quantity(line["name"], line["qty"], lang),
            each=display.money(Money(line["price"], currency), lang) if with_price and line["qty"] > 1 else "",
            total=display.money(Money(line["total"], currency), lang),
        )
        for line in items
    ]


def name_and_quantity(name: str, quantity: int, lang: str) -> str:
    return f"{name} × {display.number(quantity, lang)}" if quantity > 1 else name


def what_of(order: Order, lang: str) -> str:
    """What is bought in one line; an empty text where the lines say it."""
    if order.service_name:
        return f"{order.service_name} × {display.number(order.quantity, lang)}"
    if order.description == order.provider_name and not order.items:
        return ""  # a merchant who named nothing: who is paid stands above already
    if order.description or len(order.items) != 1:
        return order.description
    return name_and_quantity(order.items[0]["name"], order.items[0]["qty"], lang)
