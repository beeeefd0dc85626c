"""Webhooks in a merchant's words."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webhooks import ladders
from webhooks.models import Attempt, Delivery

State = Delivery.State
SHOWN_BYTES = 1024  # of an answer: what providers may see

STATES: dict[str, tuple[Any, str]] = {
    State.PENDING: (gettext_lazy("On its way"), "info"),
    State.STUCK: (gettext_lazy("Did not arrive"), "bad"),
    State.DELIVERED: (gettext_lazy("Arrived"), "ok"),
    State.SUPERSEDED: (gettext_lazy("Overtaken by newer news"), "wait"),
    State.ENDED: (gettext_lazy("Refused for good (410)"), "bad"),
}
EVENTS: dict[str, Any] = {
    "payment_succeeded": gettext_lazy("Payment succeeded"),
    "payment_failed": gettext_lazy("Payment refused"),
    "payment_refunded": gettext_lazy("Payment refunded"),
    "invoice.paid": gettext_lazy("Invoice paid"),
    "invoice.failed": gettext_lazy("Invoice refused"),
    "invoice.cancelled": gettext_lazy("Invoice cancelled"),
    "invoice.refunded": gettext_lazy("Invoice refunded"),
    "test": gettext_lazy("Test event"),
}


def event_of(row: Delivery) -> Any:
    return EVENTS.get(row.event_kind, row.event_kind)


def answer_of(row: Delivery) -> str:
    """What the receiver said last."""
    if row.last_status:
        return f"HTTP {row.last_status}"
    return row.last_error or _("not tried yet")


def cut(text: str) -> tuple[str, bool]:
    """What is shown of an answer, and whether there was more."""
    raw = text.encode()
    return raw[:SHOWN_BYTES].decode("utf-8", "ignore"), len(raw) > SHOWN_BYTES


def tries_of(row: Delivery) -> str:
    """ "0, 1, 2, 4, 8": when its quick tries come, in seconds."""
    ladder = ladders.LADDERS.get(row.ladder)
    return ", ".join(f"{seconds:g}" for seconds in ladder.delays_seconds) if ladder else ""


def goes_on(row: Delivery) -> bool:
    """Whether it is tried for a day where the quick tries got nothing across."""
    ladder = ladders.LADDERS.get(row.ladder)
    return bool(ladder and ladder.goes_on and row.provider and row.provider.tries_webhooks_for_days)


def tone_of(attempt: Attempt) -> str:
    return "bad" if attempt.error or not attempt.status else "ok"
