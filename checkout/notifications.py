"""What a provider is told, per dialect: event → body, headers and ladder. The outbox does the rest."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import simplejson  # writes a Decimal as the number it is: no float on the way out
from django.conf import settings

from checkout import siblings
from checkout.models import Order, OrderEvent, Payment
from gateway.money import Money
from webhooks import outbox

Kind = OrderEvent.Kind

_PROVIDER_EVENTS = {  # our fact → the word on the wire; facts without a word are not told
    Kind.PAID: "payment_succeeded",
    Kind.PAYMENT_FAILED: "payment_failed",
    Kind.REFUND_SUCCEEDED: "payment_refunded",
}
_PROVIDER_STATUS = {"payment_succeeded": "paid", "payment_failed": "failed"}
# The Invoice API tells states, not events; a partial refund changes none.
_INVOICE_EVENTS = {
    Kind.PAID,
    Kind.PAYMENT_FAILED,
    Kind.ORDER_CANCELLED,
    Kind.ORDER_EXPIRED,
    Kind.REFUND_SUCCEEDED,
    Kind.REFUND_REVERSED,
}
_INVOICE_STATUS = {
    Order.Status.PAID: "paid",
    Order.Status.REFUNDED: "refunded",
    Order.Status.FAILED: "failed",
    Order.Status.CANCELLED: "cancelled",
    Order.Status.EXPIRED: "cancelled",
}


def tell(event: OrderEvent, *, order: Order, payment: Payment | None, now: datetime) -> None:
    """Put the event into the outbox, where the order's dialect tells it and somebody is there to be told.

    Called where the status has been written already: a body shows the order as the event left it.
    """
    url = order.notify_url or (order.provider.webhook_url if order.provider else "")
    speak = _as_invoice if order.dialect == Order.Dialect.INVOICE else _as_provider
    told = speak(event, order, payment)
    if told is None or not url:
        return
    word, body, headers, ladder = told
    outbox.enqueue(
        outbox.Message(
            provider=order.provider,
            order_id=order.pk,
            event_id=event.pk,
            event_kind=word,
            sequence=event.sequence,
            url=url,
            body=simplejson.dumps(body, ensure_ascii=False, separators=(",", ":")),
            headers=headers,
            ladder=ladder,
            is_livemode=order.is_livemode,
            is_own_url=bool(order.notify_url),
        ),
        now=now,
    )


_Told = tuple[str, dict[str, Any], dict[str, str], str]


def _as_provider(event: OrderEvent, order: Order, payment: Payment | None) -> _Told | None:
    word = _PROVIDER_EVENTS.get(Kind(event.kind))
    if word is None:
        return None
    body = _provider_body(word, event=event, order=order, payment=payment)
    return word, body, {"X-DZTech-Webhook": "payment-notification"}, "provider"


def _as_invoice(event: OrderEvent, order: Order, payment: Payment | None) -> _Told | None:
    kind = Kind(event.kind)
    if kind not in _INVOICE_EVENTS or (kind == Kind.REFUND_SUCCEEDED and order.status != Order.Status.REFUNDED):
        return None
    status = _INVOICE_STATUS[Order.Status(order.status)]
    if status in ("failed", "cancelled") and siblings.is_any_paid(order):
        return None  # what was to be paid is paid: nobody hears the opposite afterwards
    headers = {"X-Payment-Event": "invoice.updated", "X-Payment-Id": str(order.pk)}
    if payment is None:  # of an order's own end: told with its last payment, as the API tells it
        payment = order.payments.order_by("created_at", "pk").last()
    return f"invoice.{status}", invoice_body(order, payment, status=status), headers, "invoice"


def invoice_body(order: Order, payment: Payment | None, *, status: str) -> dict[str, Any]:
    """An invoice as its webhook tells it; the API shows the same fields."""
    details = payment.processor_data if payment else {}
    pan, system = details.get("card_pan"), details.get("payment_system")
    return {
        "id": str(order.pk),
        "source": order.provider.slug if order.provider else None,
        "businessId": order.business_id,
        "sourceInvoiceId": order.external_id,
        "amount": order.amount_minor,
        "currency": order.currency,
        "status": status,
        "providerUuid": payment.processor_ref or None if payment else None,
        "paidAt": iso_milliseconds(order.paid_at) if order.paid_at else None,
        "card": {"pan": pan or None, "paymentSystem": system or None} if pan or system else None,
        "receiptUrl": receipt_url(order) if order.paid_at else None,
        "livemode": order.is_livemode,
    }


def receipt_url(order: Order) -> str:
    """The buyer's receipt on our own pages, at an address nobody can guess."""
    return f"{settings.BASE_URL}/receipt/{order.receipt_code}"


def _provider_body(word: str, *, event: OrderEvent, order: Order, payment: Payment | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "event": word,
        "orderId": str(order.pk),
        "externalId": order.external_id or None,
        "providerId": str(order.provider_id) if order.provider_id else None,
        "providerName": order.provider_name or None,
        "serviceId": str(order.service_id) if order.service_id else None,
        "serviceName": order.service_name or None,
        "amount": wire_major(order.money),
        "status": _PROVIDER_STATUS.get(word, order.status),
        "stripePaymentIntentId": intent_of(payment),
        "timestamp": iso_milliseconds(event.at),
        "livemode": order.is_livemode,
    }
    if order.link_ref:
        what = order.service_name or order.description or f"Order {order.pk}"
        body |= {"paymentLinkId": order.link_ref, "description": f"{what} | PaymentLink: {order.link_ref}"}
    if order.dialect != Order.Dialect.PROVIDER:
        body |= {"paymentId": str(payment.pk) if payment else None, "currency": order.currency}
    if word == "payment_refunded":
        body["refundedAmount"] = wire_major(Money(order.refunded_minor, order.currency))
    return body


def intent_of(payment: Payment | None) -> str | None:
    """Stripe's id of the money, whether it was opened as a PaymentIntent or as a Checkout Session."""
    if payment is None or payment.processor != "stripe":
        return None
    found = payment.capture_ref or payment.processor_ref
    return found if found.startswith("pi_") else None


def wire_major(money: Money) -> int | Decimal:
    """Major units for a JSON number: 100 for $100.00, 4.99 for $4.99, 4.5 for $4.50."""
    major = money.major
    return int(major) if major == major.to_integral_value() else major.normalize()


def iso_milliseconds(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
