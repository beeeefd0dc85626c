"""The Merchant-secret API's bodies, in its document's field names. Amounts are minor units of the merchant's own."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from checkout.api.fields import Strict, Text
from checkout.models import Order
from gateway.money import MAX_MINOR

COMPLETED = (Order.Status.PAID, Order.Status.REFUNDED)  # what was paid stays completed, whatever goes back later


@extend_schema_field(OpenApiTypes.INT)
class MinorAmount(Strict):
    """A whole JSON number of minor units. `1000.0` and `1e3` are written otherwise and are the same number."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, Decimal):
            raise self.refuse("must be a whole number")
        if not data.is_finite() or data > MAX_MINOR:  # compared before anything is computed with it
            raise self.refuse("is too large")
        if data < 1:
            raise self.refuse("must be at least 1")
        if data != int(data):
            raise self.refuse("must be a whole number of minor units (1000 is 10.00 in most currencies)")
        return int(data)


class StartPaymentIn(serializers.Serializer):
    merchant_secret = Text(required=True, max_length=200, help_text="Your merchant secret. In the body only.")
    amount = MinorAmount(required=True, help_text="Whole minor units (cents, tiyin) of your currency.")


def started_out(order: Order) -> dict[str, Any]:
    return {"code": order.code, "message": "Payment started", "watch_code": order.watch_code}


def watched_out(order: Order) -> dict[str, Any]:
    is_completed = order.status in COMPLETED
    return {
        "status": "completed" if is_completed else "created",
        "amount": order.amount_minor,
        "merchant": order.provider_name,
        "created_at": plain_time(order.created_at),
        "completed_at": plain_time(order.paid_at) if is_completed and order.paid_at else None,
    }


def plain_time(at: datetime) -> str:
    """`2026-11-20 10:01:59`, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
