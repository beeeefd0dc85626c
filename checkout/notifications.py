"""What a provider is told, per dialect: event → body, headers and ladder. The outbox does the rest."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

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


def tell(event: OrderEvent, *, order: Order, payment: Payment | None, now: datetime) -> None:
    """Put the event into the outbox, where the order's dialect tells it and somebody is there to be told."""
    word = _PROVIDER_EVENTS.get(Kind(event.kind))
    url = order.notify_url or (order.provider.webhook_url if order.provider else "")
    if word is None or not url:
        return
    body = _provider_body(word, event=event, order=order, payment=payment)
    outbox.enqueue(
        outbox.Message(
            provider=order.provider,
            order_id=order.pk,
            event_id=event.pk,
            event_kind=word,
            sequence=event.sequence,
            url=url,
            body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            headers={"X-DZTech-Webhook": "payment-notification"},
            ladder="provider",
            is_livemode=order.is_livemode,
        ),
        now=now,
    )


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
        "stripePaymentIntentId": payment.processor_ref or None if payment and payment.processor == "stripe" else None,
        "timestamp": iso_milliseconds(event.at),
        "livemode": order.is_livemode,
    }
    if word == "payment_refunded":
        body["refundedAmount"] = wire_major(Money(order.refunded_minor, order.currency))
    return body


def wire_major(money: Money) -> int | Decimal | float:
    """Major units as a JSON number: 100 for $100.00, 4.99 for $4.99."""
    major = money.major
    if major == major.to_integral_value():
        return int(major)
    # The shortest text of this float is the decimal itself up to 15 digits, and MAX_MINOR has 14.
    return float(major)


def iso_milliseconds(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
