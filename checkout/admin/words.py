"""The life of an order in plain words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checkout.models import OrderEvent
from providers import backoffice

Kind = OrderEvent.Kind

MEANING = {
    Kind.ORDER_CREATED: backoffice.NONE,
    Kind.PAYMENT_STARTED: backoffice.INFO,
    Kind.PAYMENT_PENDING: backoffice.INFO,
    Kind.PAYMENT_PROCESSING: backoffice.WAIT,
    Kind.PAYMENT_AUTHORIZED: backoffice.WAIT,
    Kind.PAYMENT_UNKNOWN: backoffice.WAIT,
    Kind.PAYMENT_REVIEW: backoffice.BAD,
    Kind.PAYMENT_REVIEWED: backoffice.INFO,
    Kind.PAYMENT_FAILED: backoffice.BAD,
    Kind.PAYMENT_ERROR: backoffice.BAD,
    Kind.PAID: backoffice.OK,
    Kind.DUPLICATE_PAYMENT: backoffice.BAD,
    Kind.REFUND_REQUESTED: backoffice.INFO,
    Kind.REFUND_PENDING: backoffice.INFO,
    Kind.REFUND_SUCCEEDED: backoffice.OK,
    Kind.REFUND_FAILED: backoffice.BAD,
    Kind.REFUND_REVERSED: backoffice.BAD,
    Kind.REFUND_EXCESS: backoffice.BAD,
    Kind.DISPUTE_OPENED: backoffice.BAD,
    Kind.DISPUTE_CLOSED: backoffice.INFO,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One event: what happened, the particulars, whose doing it was, when."""

    number: int
    what: str
    particulars: str
    cause: str
    at: datetime
    meaning: str


def timeline(events: Iterable[OrderEvent], currency: str) -> list[Line]:
    """The youngest first: what happened last is what one looks for."""
    lines = [
        Line(
            number=event.sequence,
            what=str(event.get_kind_display()),
            particulars=_particulars(event.data, currency),
            cause=event.cause,
            at=event.at,
            meaning=MEANING.get(Kind(event.kind), backoffice.NONE),
        )
        for event in events
    ]
    return sorted(lines, key=lambda line: line.number, reverse=True)


def _particulars(data: dict[str, Any], currency: str) -> str:
    said = []
    for name, value in data.items():
        if value in (None, "", False):
            continue
        if name == "minor" and isinstance(value, int):
            said.append(backoffice.money(value, currency))
        elif value is True:
            said.append(name.replace("_", " "))
        elif name in ("reason", "message", "note"):
            said.append(str(value))
        else:
            said.append(f"{name.replace('_', ' ')}: {value}")
    return ", ".join(said)
