"""What became of an order, in a merchant's words: its state in a list, its life line by line.

Never "refused" while money may have been taken. A processor's own codes and our people's names stay with us.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import get_language, gettext_lazy, gettext_noop
from django.utils.translation import gettext as _

from checkout import display
from checkout.models import Order, OrderEvent, Payment, Refund
from checkout.wording import method_name
from gateway import registry
from gateway.money import Money
from gateway.types import DeclineAdvice

Kind = OrderEvent.Kind
OK, BAD, WAIT, INFO, NONE = "ok", "bad", "wait", "info", "none"
CHECKING = "checking"

# word, tone
STATES: dict[str, tuple[Any, str]] = {
    Order.Status.CREATED: (gettext_lazy("Not started"), NONE),
    Order.Status.PENDING: (gettext_lazy("Waiting for the buyer"), INFO),
    Order.Status.PROCESSING: (gettext_lazy("In progress"), WAIT),
    Order.Status.PAID: (gettext_lazy("Paid"), OK),
    Order.Status.REFUNDED: (gettext_lazy("Refunded"), NONE),
    Order.Status.FAILED: (gettext_lazy("Refused"), BAD),
    Order.Status.CANCELLED: (gettext_lazy("Cancelled"), NONE),
    Order.Status.EXPIRED: (gettext_lazy("Time ran out"), NONE),
    CHECKING: (gettext_lazy("Being checked"), WAIT),
}
TRIES: dict[str, tuple[Any, str]] = {
    Payment.Status.CREATED: (gettext_lazy("Being started"), INFO),
    Payment.Status.PENDING: (gettext_lazy("Waiting for the buyer"), INFO),
    Payment.Status.PROCESSING: (gettext_lazy("In progress"), WAIT),
    Payment.Status.AUTHORIZED: (gettext_lazy("Money held, not taken yet"), WAIT),
    Payment.Status.CAPTURED: (gettext_lazy("Money taken"), OK),
    Payment.Status.FAILED: (gettext_lazy("Refused"), BAD),
    Payment.Status.DECLINED: (gettext_lazy("Refused"), BAD),
    Payment.Status.CANCELLED: (gettext_lazy("Ended, no money taken"), NONE),
    Payment.Status.EXPIRED: (gettext_lazy("Time ran out"), NONE),
    Payment.Status.ERROR: (gettext_lazy("Could not be started"), BAD),
    Payment.Status.UNKNOWN: (gettext_lazy("Being checked"), WAIT),
    Payment.Status.REVIEW: (gettext_lazy("Being checked by our staff"), WAIT),
}
REFUNDS: dict[str, tuple[Any, str]] = {
    Refund.Status.PROPOSED: (gettext_lazy("Waits for a second person"), WAIT),
    Refund.Status.REQUESTED: (gettext_lazy("On its way"), INFO),
    Refund.Status.PENDING: (gettext_lazy("On its way"), INFO),
    Refund.Status.UNKNOWN: (gettext_lazy("Being checked"), WAIT),
    Refund.Status.SUCCEEDED: (gettext_lazy("Sent back"), OK),
    Refund.Status.FAILED: (gettext_lazy("Did not go through"), BAD),
    Refund.Status.CANCELLED: (gettext_lazy("Called off"), NONE),
}
ADVICE = {
    DeclineAdvice.TRY_AGAIN: gettext_noop("The buyer can try again."),
    DeclineAdvice.NOT_ENOUGH_MONEY: gettext_noop("There was not enough money."),
    DeclineAdvice.OTHER_METHOD: gettext_noop("This account or card cannot be used; another one may work."),
    DeclineAdvice.CALL_BANK: gettext_noop("The bank did not say why. The buyer should ask it."),
    DeclineAdvice.CANCELLED_BY_BUYER: gettext_noop("The buyer cancelled it."),
    DeclineAdvice.TIMED_OUT: gettext_noop("The buyer did not approve it in time."),
}


@dataclass(frozen=True, slots=True)
class Badge:
    word: Any
    tone: str


def badges_of(order: Order, payments: Iterable[Payment]) -> list[Badge]:
    """The state first, then what asks for attention."""
    payments = list(payments)
    is_settled = order.status in (Order.Status.PAID, Order.Status.REFUNDED)
    is_unclear = any(row.status in (Payment.Status.UNKNOWN, Payment.Status.REVIEW) for row in payments)
    state = CHECKING if is_unclear and not is_settled else order.status
    found = [Badge(*STATES[state])]
    if order.status == Order.Status.PAID and order.refunded_minor:
        found.append(Badge(_("Partly refunded"), INFO))
    if any(row.is_duplicate and row.refunded_minor < row.captured_minor for row in payments):
        found.append(Badge(_("Paid twice"), BAD))
    if any(row.is_disputed for row in payments):
        found.append(Badge(_("Disputed"), BAD))
    if order.is_late:
        found.append(Badge(_("Paid late"), WAIT))
    return found


def bought(order: Order) -> str:
    """What it is for; an empty text where nobody said."""
    what = order.service_name or order.description
    if not what and order.items:
        what = str(order.items[0].get("name", ""))
    return f"{what} × {order.quantity}" if what and order.quantity > 1 else what


def processor_name(slug: str) -> str:
    entry = registry.PROCESSORS.get(slug)
    return entry.name if entry else slug


def shown_payment(order: Order, payments: Iterable[Payment]) -> Payment | None:
    """The one that paid, else the last try."""
    payments = list(payments)
    paid_by = next((row for row in payments if row.pk == order.paid_by_id), None)
    return paid_by or (payments[-1] if payments else None)


def advice_of(payment: Payment) -> str:
    """Why it was refused, as far as a merchant may know."""
    if payment.status not in (Payment.Status.DECLINED, Payment.Status.FAILED):
        return ""
    known = {advice.value: text for advice, text in ADVICE.items()}
    return _(known.get(payment.failure_advice, ADVICE[DeclineAdvice.TRY_AGAIN]))


# --- the life of an order -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One event: what happened, what else is to be said, whose doing it was."""

    what: str
    note: str
    who: str
    at: datetime
    tone: str


_LINES: dict[str, tuple[str, str]] = {
    Kind.ORDER_CREATED: (gettext_noop("The order was created."), NONE),
    Kind.PAYMENT_STARTED: (gettext_noop("The buyer chose %(method)s."), INFO),
    Kind.PAYMENT_PENDING: (gettext_noop("%(method)s waits for the buyer."), INFO),
    Kind.PAYMENT_RESERVED: (gettext_noop("%(method)s has reserved the payment. No money has moved yet."), INFO),
    Kind.PAYMENT_PROCESSING: (gettext_noop("%(method)s is working on it."), INFO),
    Kind.PAYMENT_AUTHORIZED: (gettext_noop("The money is held, not taken yet."), WAIT),
    Kind.PAYMENT_UNKNOWN: (gettext_noop("%(method)s gave no clear answer. We keep asking."), WAIT),
    Kind.PAYMENT_REVIEW: (
        gettext_noop("What %(method)s reported does not match the order. Our staff look into it."),
        WAIT,
    ),
    Kind.PAYMENT_REVIEWED: (gettext_noop("Our staff have settled it."), INFO),
    Kind.PAYMENT_FAILED: (gettext_noop("%(method)s refused the payment."), BAD),
    Kind.PAYMENT_CANCELLED: (gettext_noop("This try was ended. No money was taken."), NONE),
    Kind.PAYMENT_EXPIRED: (gettext_noop("This try ran out of time. No money was taken."), NONE),
    Kind.PAYMENT_ERROR: (gettext_noop("%(method)s could not start the payment. No money was taken."), BAD),
    Kind.PAID: (gettext_noop("Paid: %(amount)s."), OK),
    Kind.DUPLICATE_PAYMENT: (gettext_noop("Paid a second time: %(amount)s. Send it back to the buyer."), BAD),
    Kind.ORDER_CANCELLED: (gettext_noop("The order was cancelled."), NONE),
    Kind.ORDER_EXPIRED: (gettext_noop("The time to pay ran out."), NONE),
    Kind.REFUND_REQUESTED: (gettext_noop("Refund asked for: %(amount)s."), INFO),
    Kind.REFUND_PENDING: (gettext_noop("%(method)s is sending the money back."), INFO),
    Kind.REFUND_SUCCEEDED: (gettext_noop("Sent back to the buyer: %(amount)s."), OK),
    Kind.REFUND_FAILED: (gettext_noop("The refund did not go through. The money is still with you."), BAD),
    Kind.REFUND_REVERSED: (gettext_noop("A refund came back: %(amount)s is with you again."), BAD),
    Kind.REFUND_EXCESS: (gettext_noop("More was sent back than we know of. Our staff look into it."), BAD),
    Kind.DISPUTE_OPENED: (
        gettext_noop("The buyer disputes the payment. No refund can be made until it is decided."),
        BAD,
    ),
    Kind.DISPUTE_CLOSED: (gettext_noop("The dispute is over."), INFO),
}
_AGAIN = gettext_noop("The buyer tries again with %(method)s.")
_LATE = gettext_noop("Paid after the order had ended: %(amount)s.")
_SIBLING = gettext_noop("Closed: the same thing was paid under another order.")
# How causes of events begin, and whose doing that is; what begins otherwise is said by nobody.
_WHO = {
    "api key": gettext_noop("Your API key"),
    "merchant secret": gettext_noop("Your merchant secret"),
    "member ": gettext_noop("Your team"),
    "staff": gettext_noop("Our staff"),
    "the buyer": gettext_noop("The buyer"),
    "buyer": gettext_noop("The buyer"),
    "buy button": gettext_noop("The buyer"),
    "service page": gettext_noop("The buyer"),
    "late capture rule": gettext_noop("Your rule for late payments"),
}
_THEIRS = ("callback", "answer of the processor", "asked the processor", "refused by the processor", "dispute")


def timeline(
    order: Order, events: Iterable[OrderEvent], payments: Mapping[UUID, Payment], refunds: Mapping[UUID, Refund]
) -> list[Line]:
    """The youngest first: what happened last is what one looks for."""
    lines = [_line(order, event, payments, refunds) for event in events]
    return lines[::-1]


def _line(order: Order, event: OrderEvent, payments: Mapping[UUID, Payment], refunds: Mapping[UUID, Refund]) -> Line:
    payment = payments.get(event.payment_id) if event.payment_id else None
    refund = refunds.get(event.refund_id) if event.refund_id else None
    text, tone = _LINES.get(event.kind, (str(event.get_kind_display()), NONE))
    if event.kind == Kind.PAYMENT_STARTED and event.data.get("again"):
        text = _AGAIN
    if event.kind == Kind.PAID and event.data.get("late"):
        text, tone = _LATE, WAIT
    if event.kind == Kind.ORDER_CANCELLED and event.cause == "sibling paid":
        text = _SIBLING
    money = refund.money if refund else Money(payment.captured_minor, payment.currency) if payment else order.money
    method = method_name(payment.method, payment.processor) if payment else ""
    names = {"method": method or _("The processor"), "amount": display.money(money, get_language() or "en")}
    return Line(what=_(text) % names, note=_note(event, refund), who=who(event.cause, method), at=event.at, tone=tone)


def _note(event: OrderEvent, refund: Refund | None) -> str:
    if event.kind == Kind.PAYMENT_FAILED:
        known = {advice.value: text for advice, text in ADVICE.items()}
        advice = known.get(str(event.data.get("advice", "")))
        return _(advice) if advice else ""
    if event.kind == Kind.REFUND_REQUESTED:
        waits = _("It waits for a second person.") if event.data.get("waits_for_approval") else ""
        return " ".join(part for part in (waits, refund.reason if refund else "") if part)
    return ""


def who(cause: str, method: str) -> str:
    """Whose doing it was, in the seller's words: our staff have no names here."""
    for beginning, words in _WHO.items():
        if cause.startswith(beginning):
            name = cause.removeprefix(beginning).strip() if beginning in ("api key", "member ") else ""
            return f"{_(words)}: {name}" if name else _(words)
    return method if method and cause.startswith(_THEIRS) else ""
