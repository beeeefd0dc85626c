"""The Provider API's bodies: what comes in, what goes out, in the document's field names."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from rest_framework import serializers

from checkout.api.errors import BadInput
from checkout.api.fields import Language, MajorAmount, Moment, Text
from checkout.models import Order, Payment, Refund
from checkout.notifications import intent_of, iso_milliseconds, wire_major
from gateway.money import Money
from gateway.types import DeclineAdvice

EXPIRES_IN_AT_LEAST = timedelta(minutes=5)
EXPIRES_IN_AT_MOST = timedelta(days=30)
MAX_EXTERNAL_ID = 128


# --- in -----------------------------------------------------------------------------------------------------------


class PaymentIntentIn(serializers.Serializer):
    """Flow 1 carries `apiKey` (or a key in a header), flow 2 `serviceId` alone."""

    apiKey = Text(max_length=200, help_text="Your provider API key. May come as `x-api-key` or Bearer header instead.")
    serviceId = Text(
        max_length=200,
        help_text="Id or slug of a service: the public buy button, without a key. "
        "Beside a key it must name the service linked to it.",
    )
    externalId = Text(max_length=MAX_EXTERNAL_ID, help_text="Your own order id; comes back in webhooks.")
    amount = MajorAmount(help_text="Major units (100 is $100); a multiple of the service price. Default: one unit.")
    lang = Language(help_text="Language of the checkout page. Default: the buyer's browser.")
    expiresAt = Moment(help_text="When the order ends unpaid: 5 minutes to 30 days ahead. Default: 24 hours.")


class RefundIn(serializers.Serializer):
    amount = MajorAmount(help_text="Major units. Default: all that is left.")
    reason = Text(max_length=300, help_text="For your own records and the processor's dashboard.")


def check_expiry(expires_at: datetime | None, *, now: datetime) -> datetime | None:
    """BadInput outside the bounds."""
    if expires_at is None:
        return None
    try:
        ahead = expires_at - now
    except OverflowError as error:
        raise BadInput("expiresAt must be at most 30 days ahead") from error
    if ahead < timedelta(0):
        raise BadInput("expiresAt is in the past")
    if ahead < EXPIRES_IN_AT_LEAST:
        raise BadInput("expiresAt must be at least 5 minutes ahead")
    if ahead > EXPIRES_IN_AT_MOST:
        raise BadInput("expiresAt must be at most 30 days ahead")
    return expires_at


# --- out ----------------------------------------------------------------------------------------------------------


def checkout_url(order: Order) -> str:
    return f"{settings.BASE_URL}/checkout/o/{order.token}"


def intent_out(order: Order, *, external_id: str | None) -> dict[str, Any]:
    return {
        "checkoutUrl": checkout_url(order),
        "orderId": str(order.pk),
        "externalId": external_id,
        "amount": wire_major(order.money),
    }


# What a provider can show to its user; the processor's own code and words stay with staff.
ADVICE_IN_WORDS = {
    DeclineAdvice.TRY_AGAIN: "The payment was refused. The buyer can try again.",
    DeclineAdvice.NOT_ENOUGH_MONEY: "There was not enough money. The buyer can top up or pay in another way.",
    DeclineAdvice.OTHER_METHOD: "This way to pay was refused. The buyer can use another one.",
    DeclineAdvice.CALL_BANK: "The bank refused the payment. The buyer should ask the bank.",
    DeclineAdvice.CANCELLED_BY_BUYER: "The buyer cancelled the payment.",
    DeclineAdvice.TIMED_OUT: "The buyer did not approve the payment in time.",
}
REFUND_WORDS = {  # what is not settled yet is pending to everybody outside
    Refund.Status.REQUESTED: "pending",
    Refund.Status.PENDING: "pending",
    Refund.Status.UNKNOWN: "pending",
    Refund.Status.SUCCEEDED: "succeeded",
    Refund.Status.FAILED: "failed",
}


def order_out(order: Order, payments: list[Payment]) -> dict[str, Any]:
    """`payments` are all of the order's, oldest first, with their refunds."""
    paid_by = next((payment for payment in payments if payment.pk == order.paid_by_id), None)
    shown = paid_by or next(iter(reversed(payments)), None)
    return {
        "orderId": str(order.pk),
        "externalId": order.external_id or None,
        "status": status_out(order, payments),
        "amount": wire_major(order.money),
        "currency": order.currency,
        "quantity": order.quantity,
        "serviceId": str(order.service_id) if order.service_id else None,
        "serviceName": order.service_name or None,
        "checkoutUrl": checkout_url(order),
        "createdAt": iso_milliseconds(order.created_at),
        "expiresAt": iso_milliseconds(order.expires_at),
        "paidAt": iso_milliseconds(order.paid_at) if order.paid_at else None,
        "refundedAmount": wire_major(Money(order.refunded_minor, order.currency)),
        "livemode": order.is_livemode,
        "stripePaymentIntentId": intent_of(shown),
        "failure": _failure_out(order, payments),
        "refunds": [refund_out(refund) for payment in payments for refund in payment.refunds.all() if is_told(refund)],
    }


def status_out(order: Order, payments: list[Payment]) -> str:
    """The order's own word, but `processing` while money may have been taken and nobody knows for sure."""
    if order.status not in (Order.Status.PAID, Order.Status.REFUNDED) and any(
        payment.status in (Payment.Status.UNKNOWN, Payment.Status.REVIEW) for payment in payments
    ):
        return Order.Status.PROCESSING.value
    return str(order.status)


def _failure_out(order: Order, payments: list[Payment]) -> dict[str, str] | None:
    """Why the last try was refused; None unless that is where the order stands."""
    last = payments[-1] if payments else None
    if last is None or last.status != Payment.Status.DECLINED or order.status != Order.Status.FAILED:
        return None
    advice = DeclineAdvice(last.failure_advice or DeclineAdvice.TRY_AGAIN)
    return {"code": advice.value, "message": ADVICE_IN_WORDS[advice]}


def is_told(refund: Refund) -> bool:
    """A refund that waits for a second person of ours, or was rejected there, is no refund yet."""
    return refund.status in REFUND_WORDS


def refund_out(refund: Refund) -> dict[str, Any]:
    return {
        "refundId": str(refund.pk),
        "amount": wire_major(refund.money),
        "currency": refund.currency,
        "status": REFUND_WORDS[Refund.Status(refund.status)],
        "reason": refund.reason or None,
        "createdAt": iso_milliseconds(refund.created_at),
        "settledAt": iso_milliseconds(refund.settled_at) if refund.settled_at else None,
    }
