"""Webhooks in a merchant's words."""

import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

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
# What the worker writes down, in English, when no answer came (webhooks/sender.py, targets.py, drain.py).
_PROBLEMS = [
    gettext_noop("The name %(host)s could not be resolved."),
    gettext_noop("The certificate of %(host)s is not trusted: %(reason)s."),
    gettext_noop("No TLS connection with %(host)s could be made."),
    gettext_noop("%(host)s refused the connection."),
    gettext_noop("No connection to %(host)s: %(reason)s."),
    gettext_noop("No complete answer within %(seconds)s seconds."),
    gettext_noop("The connection was closed before a complete answer came."),
    gettext_noop("The answer broke off."),
    gettext_noop("The answer is not valid HTTP."),
    gettext_noop("We could not open the signing secret; nothing was sent."),
    "%(address)s is not a public address.",
    "%(host)s is not a public host.",
    "Webhooks of live payments need https.",
]


def _pattern_of(text: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", text)  # text, name, text, …
    return re.compile("".join(f"(?P<{part}>.+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))


_PATTERNS = [(text, _pattern_of(text)) for text in _PROBLEMS]


def problem_in_words(problem: str) -> str:
    """In the reader's language; as it was written down where it is none of those we know."""
    for text, pattern in _PATTERNS:
        if found := pattern.fullmatch(problem):
            return _(text) % found.groupdict()
    return problem


def event_of(row: Delivery) -> Any:
    return EVENTS.get(row.event_kind, row.event_kind)


def answer_of(row: Delivery) -> str:
    """What the receiver said last."""
    if row.last_status:
        return f"HTTP {row.last_status}"
    return problem_in_words(row.last_error) if row.last_error else _("not tried yet")


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
