"""What people outside see: one word for an order and its payments together."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from checkout.models import Order, Payment


class PageState(StrEnum):
    """The states of the hosted checkout."""

    READY = "ready"
    WAITING = "waiting"  # the buyer is at the processor
    PROCESSING = "processing"  # the buyer has acted, the processor has not decided
    CHECKING = "checking"  # the truth is unknown: do not pay again
    PAID = "paid"
    REFUNDED = "refunded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Nothing more happens by itself; FAILED can still be tried again by the buyer."""
        return self in (PageState.PAID, PageState.REFUNDED, PageState.FAILED, PageState.CANCELLED, PageState.EXPIRED)


_BY_ORDER = {
    Order.Status.PAID: PageState.PAID,
    Order.Status.REFUNDED: PageState.REFUNDED,
    Order.Status.CANCELLED: PageState.CANCELLED,
    Order.Status.EXPIRED: PageState.EXPIRED,
}
_BY_PAYMENT = {
    Payment.Status.CREATED: PageState.PROCESSING,  # the processor is being asked for it right now
    Payment.Status.PENDING: PageState.WAITING,
    Payment.Status.PROCESSING: PageState.PROCESSING,
    Payment.Status.AUTHORIZED: PageState.PROCESSING,
    Payment.Status.UNKNOWN: PageState.CHECKING,
}


def page_state(order: Order, payments: Iterable[Payment], *, now: datetime) -> PageState:
    """What the buyer is told. `payments` are all of the order's.

    Never "failed", "cancelled" or "expired" while any of its payments may have taken money.
    """
    if order.status in (Order.Status.PAID, Order.Status.REFUNDED):
        return _BY_ORDER[Order.Status(order.status)]
    payments = list(payments)
    if any(payment.status in (Payment.Status.REVIEW, Payment.Status.UNKNOWN) for payment in payments):
        return PageState.CHECKING
    if order.status in _BY_ORDER:
        return _BY_ORDER[Order.Status(order.status)]
    current = next((payment for payment in payments if payment.status in Payment.OPEN), None)
    if current is not None:
        return _BY_PAYMENT[Payment.Status(current.status)]
    if order.closing_until and order.closing_until > now:
        return PageState.PROCESSING
    if order.status == Order.Status.FAILED:
        return PageState.FAILED
    return PageState.EXPIRED if order.expires_at <= now else PageState.READY


def can_be_paid(order: Order, *, now: datetime) -> bool:
    """Whether a new payment may be opened, as far as the order alone tells."""
    return order.expires_at > now and order.status in (
        Order.Status.CREATED,
        Order.Status.PENDING,
        Order.Status.PROCESSING,
        Order.Status.FAILED,
    )
