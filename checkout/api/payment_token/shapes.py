"""The Payment-token API's bodies and its status words, in the document's names."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from checkout.api.fields import Currency, Email, Language, MinorAmount, Text
from checkout.models import Order, Payment
from checkout.notifications import iso_milliseconds

MAX_REFERENCE = 128
MAX_DESCRIPTION = 255  # what the processor shows
DEFAULT_CURRENCY = "EUR"
STATUSES = ["CREATED", "PENDING", "SUCCESSFUL", "FAILED", "DECLINED", "EXPIRED", "ERROR"]

_BY_ORDER = {
    Order.Status.CREATED: "CREATED",
    Order.Status.PENDING: "PENDING",
    Order.Status.PROCESSING: "PENDING",
    Order.Status.PAID: "SUCCESSFUL",
    Order.Status.REFUNDED: "SUCCESSFUL",
    Order.Status.CANCELLED: "FAILED",
    Order.Status.EXPIRED: "EXPIRED",
}
_BY_LAST_TRY = {Payment.Status.DECLINED: "DECLINED", Payment.Status.ERROR: "ERROR"}
_UNTOUCHED = [Order.Status.CREATED, Order.Status.PENDING]


class TokenIn(serializers.Serializer):
    itemType = Text(required=True, max_length=64, help_text="What is paid for, in your own words: `one_time`, `order`.")
    amountCents = MinorAmount(help_text="Minor units (1999 is 19.99). Without it the reference must name a service.")
    currency = Currency(help_text="ISO 4217. Default: EUR, or the service's.")
    description = Text(max_length=MAX_DESCRIPTION, help_text="What the buyer reads on the card page.")
    referenceId = Text(max_length=MAX_REFERENCE, help_text="Your own id; comes back in webhooks as `externalId`.")
    documentId = Text(max_length=MAX_REFERENCE, help_text="Another name for `referenceId`.")
    userId = Text(max_length=MAX_REFERENCE, help_text="Your buyer's id, kept for you.")
    email = Email(help_text="The payer's address: the card page is prefilled and the receipt goes there.")
    lang = Language(help_text="Language of the pages. Default: the buyer's browser.")


def token_out(order: Order, payment: Payment) -> dict[str, Any]:
    return {"token": order.code, "checkout": {"token": payment.processor_ref}}


def status_out(order: Order, tries: list[Payment]) -> dict[str, Any]:
    last = tries[-1] if tries else None
    paying = next((one for one in tries if one.pk == order.paid_by_id), last)
    return {
        "token": order.code,
        "status": status_of(order, last),
        "amountCents": order.amount_minor,
        "currency": order.currency,
        "refundedCents": order.refunded_minor,
        "itemType": order.details.get("itemType"),
        "referenceId": order.external_id or None,
        "userId": order.details.get("userId"),
        "gatewayUid": (paying.capture_ref or None) if paying else None,
        "checkout": {"token": paying.processor_ref or None, "url": paying.pay_url or None} if paying else None,
        "checkoutUrl": f"{settings.BASE_URL}/checkout/o/{order.token}",
        "orderId": str(order.pk),
        "paidAt": iso_milliseconds(order.paid_at) if order.paid_at else None,
        "livemode": order.is_livemode,
    }


def status_of(order: Order, last_try: Payment | None) -> str:
    """The document's word. A failed order is called after its last try, and so is one whose token the processor let
    expire: a new try, begun on our page, makes it PENDING again.
    """
    if order.status in _UNTOUCHED and last_try and last_try.status == Payment.Status.EXPIRED:
        return "EXPIRED"
    if order.status == Order.Status.FAILED:
        return _BY_LAST_TRY.get(Payment.Status(last_try.status), "FAILED") if last_try else "FAILED"
    return _BY_ORDER[Order.Status(order.status)]
