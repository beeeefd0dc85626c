"""The Processor API's bodies: what comes in, what goes out. Amounts are minor units, names are the document's."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers

from checkout import refunds, sessions, transitions
from checkout.api.errors import BadInput
from checkout.api.fields import Currency, Email, Language, MinorAmount, Moment, Text
from checkout.api.processor.fields import Capture, CaptureFlag
from checkout.api.provider.shapes import ADVICE_IN_WORDS, REFUND_WORDS, is_told
from checkout.models import Order, Payment, Refund
from checkout.notifications import iso_milliseconds
from gateway.types import DeclineAdvice

EXPIRES_IN_AT_LEAST = timedelta(minutes=5)
EXPIRES_IN_AT_MOST = timedelta(hours=24)
MAX_ID = 200
STATUSES = ["pending", "processing", "paid", "failed", "cancelled", "expired", "refunded"]

_BY_PAYMENT = {
    Payment.Status.CREATED: "pending",
    Payment.Status.PENDING: "pending",
    Payment.Status.PROCESSING: "processing",
    Payment.Status.AUTHORIZED: "processing",
    Payment.Status.UNKNOWN: "processing",
    Payment.Status.REVIEW: "processing",
    Payment.Status.CAPTURED: "paid",
    Payment.Status.FAILED: "failed",
    Payment.Status.DECLINED: "failed",
    Payment.Status.ERROR: "failed",
    Payment.Status.CANCELLED: "cancelled",
    Payment.Status.EXPIRED: "expired",
}
_MAY_HOLD_MONEY = [Payment.Status.CAPTURED, Payment.Status.REVIEW, Payment.Status.UNKNOWN, Payment.Status.AUTHORIZED]
_ENDS = {Order.Status.CANCELLED: "cancelled", Order.Status.EXPIRED: "expired"}
_REFUSED = [Payment.Status.DECLINED, Payment.Status.FAILED]


# --- in -----------------------------------------------------------------------------------------------------------


class CheckoutIn(serializers.Serializer):
    """What both processors' checkouts take."""

    order_id = Text(required=True, max_length=sessions.MAX_ORDER_REF, help_text="Your own id; need not be unique.")
    amount = MinorAmount(required=True, help_text="Minor units: 5000 is 50.00 in most currencies.")
    currency = Currency(required=True, help_text="ISO 4217, in any case.")
    description = Text(max_length=500, help_text="What the buyer reads on the payment page.")
    customer_email = Email(help_text="The payer's address: prefilled there, and the receipt goes to it.")
    lang = Language(help_text="Language of the pages. Default: the buyer's browser.")
    capture = Capture(help_text="`manual` holds the money until you capture it. Default: `automatic`.")
    expires_at = Moment(help_text="When the checkout ends unpaid: 5 minutes to 24 hours ahead. Default: 24 hours.")


class StripeCheckoutIn(CheckoutIn):
    success_url = Text(
        max_length=1000,
        help_text="Where Stripe sends the buyer after paying; its origin must be allowed for your provider. May hold "
        "`{CHECKOUT_SESSION_ID}`. Default: our own page.",
    )
    cancel_url = Text(max_length=1000, help_text="Where the buyer goes who turns back. Default: our own page.")


class RazorpayCheckoutIn(CheckoutIn):
    payment_capture = CaptureFlag(help_text="Razorpay's own word for `capture`: 1 is automatic, 0 manual.")
    success_url = Text(max_length=1000, help_text="Where our page leads once it is paid; its origin must be allowed.")
    cancel_url = Text(max_length=1000, help_text="Where our page leads after a cancel; its origin must be allowed.")


class StripeNamed(serializers.Serializer):
    payment_intent = Text(max_length=MAX_ID, help_text="Stripe's `pi_…`.")
    session_id = Text(max_length=MAX_ID, help_text="Stripe's `cs_…`.")
    payment_id = Text(max_length=MAX_ID, help_text="Our id of the payment, as the checkout answered it.")
    order_id = Text(max_length=sessions.MAX_ORDER_REF, help_text="Your own id of the order.")


class RazorpayNamed(serializers.Serializer):
    razorpay_payment_id = Text(max_length=MAX_ID, help_text="Razorpay's `pay_…`.")
    razorpay_order_id = Text(max_length=MAX_ID, help_text="Razorpay's `order_…`.")
    payment_id = Text(max_length=MAX_ID, help_text="Our id of the payment, as the checkout answered it, or `pay_…`.")
    order_id = Text(max_length=sessions.MAX_ORDER_REF, help_text="Your own id of the order.")


class _Refund(serializers.Serializer):
    amount = MinorAmount(help_text="Minor units. Default: all that is left.")
    currency = Currency(help_text="The payment's own, if you send it: another one is refused.")
    reason = Text(max_length=300, help_text="For your own records.")


class _Capture(serializers.Serializer):
    amount = MinorAmount(help_text="Minor units; exactly what is held. May be left out.")
    currency = Currency(help_text="The payment's own, if you send it: another one is refused.")


class StripeRefundIn(StripeNamed, _Refund):
    pass


class RazorpayRefundIn(RazorpayNamed, _Refund):
    pass


class StripeCaptureIn(StripeNamed, _Capture):
    pass


class RazorpayCaptureIn(RazorpayNamed, _Capture):
    pass


class VerifyIn(serializers.Serializer):
    razorpay_order_id = Text(required=True, max_length=MAX_ID)
    razorpay_payment_id = Text(required=True, max_length=MAX_ID)
    razorpay_signature = Text(required=True, max_length=MAX_ID)


def check_expiry(expires_at: datetime | None, *, now: datetime) -> datetime | None:
    """BadInput outside the bounds."""
    if expires_at is None:
        return None
    try:
        ahead = expires_at - now
    except OverflowError as error:
        raise BadInput("expires_at must be at most 24 hours ahead") from error
    if ahead < EXPIRES_IN_AT_LEAST:
        raise BadInput("expires_at must be at least 5 minutes ahead")
    if ahead > EXPIRES_IN_AT_MOST:
        raise BadInput("expires_at must be at most 24 hours ahead")
    return expires_at


def is_held(wanted: Mapping[str, Any]) -> bool:
    """Whether the money is to be held first. BadInput where the two words for it contradict each other."""
    said = {wanted[name] for name in ("capture", "payment_capture") if wanted.get(name) is not None}
    if len(said) > 1:
        raise BadInput("capture and payment_capture contradict each other")
    return said == {True}


# --- out ----------------------------------------------------------------------------------------------------------


def stripe_checkout_out(order: Order, payment: Payment) -> dict[str, Any]:
    return {
        "checkout_url": payment.pay_url or sessions.page_of(order),
        **_names(order, payment),
        "status": status_of(order, payment),
        "amount": payment.amount_minor,
        "currency": payment.currency,
        "expires_at": iso_milliseconds(order.expires_at),
        "livemode": order.is_livemode,
    }


def razorpay_checkout_out(order: Order, payment: Payment, window: Mapping[str, Any]) -> dict[str, Any]:
    """`window` are the options of checkout.js: amount and currency in there are what the order has at Razorpay."""
    return {
        "checkout_url": sessions.page_of(order),
        **_names(order, payment),
        "key_id": window["key"],
        "amount": window["amount"],
        "currency": window["currency"],
        "name": window["name"],
        "description": window["description"],
        "callback_url": window["callback_url"],
        "prefill": window.get("prefill", {}),
        "status": status_of(order, payment),
        "expires_at": iso_milliseconds(order.expires_at),
        "livemode": order.is_livemode,
    }


def _names(order: Order, payment: Payment) -> dict[str, Any]:
    """All the ids there are of it: the caller's, ours, the processor's."""
    if payment.processor == "razorpay":
        theirs = {
            "razorpay_order_id": payment.processor_ref or None,
            "razorpay_payment_id": payment.capture_ref or None,
        }
    else:
        is_session = payment.processor_ref.startswith("cs_")
        theirs = {
            "session_id": payment.processor_ref if is_session else None,
            "payment_intent": payment.capture_ref or (None if is_session else payment.processor_ref) or None,
        }
    return {
        "order_id": order.external_id or None,
        "payment_id": str(payment.pk),
        "hub_order_id": str(order.pk),
        **theirs,
    }


def status_of(order: Order, payment: Payment) -> str:
    """Where this payment stands. What was ended because its order was is called as the order is."""
    if payment.status == Payment.Status.CAPTURED:
        return "refunded" if 0 < payment.captured_minor <= payment.refunded_minor else "paid"
    if order.status in _ENDS and payment.status not in _MAY_HOLD_MONEY:
        return _ENDS[Order.Status(order.status)]
    return _BY_PAYMENT[Payment.Status(payment.status)]


def payment_out(payment: Payment) -> dict[str, Any]:
    """`payment` with its order and refunds."""
    order = payment.order
    is_held_now = payment.status == Payment.Status.AUTHORIZED
    return {
        **_names(order, payment),
        "status": status_of(order, payment),
        "amount": payment.amount_minor,
        "currency": payment.currency,
        "amount_capturable": payment.amount_minor if is_held_now else 0,
        "amount_captured": payment.captured_minor,
        "refunded_amount": payment.refunded_minor,
        "refundable_amount": 0 if payment.is_disputed else refunds.remaining_minor(payment),
        "is_disputed": payment.is_disputed,
        "is_duplicate": payment.is_duplicate,
        "created_at": iso_milliseconds(payment.created_at),
        "expires_at": iso_milliseconds(order.expires_at),
        "paid_at": iso_milliseconds(payment.captured_at) if payment.captured_at else None,
        "checkout_url": _page_of(order, payment),
        "decline": decline_out(payment),
        "refunds": [
            refund_fields(refund) for refund in payment.refunds.order_by("created_at", "pk") if is_told(refund)
        ],
        "livemode": order.is_livemode,
    }


def _page_of(order: Order, payment: Payment) -> str | None:
    """Where the buyer can still pay this: the address that the checkout answered, also after a refused try that the
    processor lets him repeat. None once nothing can be paid there.
    """
    may_be_paid = payment.status == Payment.Status.PENDING or (
        payment.status in (*_REFUSED, Payment.Status.ERROR) and not payment.is_final_there
    )
    if not may_be_paid or order.status not in (*transitions.WAITING, Order.Status.FAILED):
        return None
    # Razorpay's own address takes a form with all the order's fields, so the page that holds it is ours.
    own = sessions.page_of(order)
    return own if payment.processor == "razorpay" else payment.pay_url or own


def decline_out(payment: Payment) -> dict[str, str] | None:
    """Why the try was refused. What only the bank may explain (a thief learns nothing) has no finer code."""
    if payment.status not in _REFUSED:
        return None
    advice = DeclineAdvice(payment.failure_advice or DeclineAdvice.TRY_AGAIN)
    code = "declined" if advice is DeclineAdvice.CALL_BANK else payment.failure_code or "declined"
    return {"code": code, "advice": advice.value, "message": ADVICE_IN_WORDS[advice]}


def refund_fields(refund: Refund) -> dict[str, Any]:
    return {
        "refund_id": str(refund.pk),
        "processor_refund_id": refund.processor_ref or None,
        "status": REFUND_WORDS[Refund.Status(refund.status)],
        "amount": refund.amount_minor,
        "currency": refund.currency,
        "reason": refund.reason or None,
        "created_at": iso_milliseconds(refund.created_at),
        "settled_at": iso_milliseconds(refund.settled_at) if refund.settled_at else None,
    }


def refund_out(refund: Refund, payment: Payment) -> dict[str, Any]:
    """One refund just made; `remaining` may still go back."""
    return {
        **refund_fields(refund),
        **_names(payment.order, payment),
        "remaining": refunds.remaining_minor(payment),
        "refunded_amount": payment.refunded_minor,
        "livemode": payment.order.is_livemode,
    }
