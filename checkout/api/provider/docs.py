"""The Provider API as OpenAPI tells it. Nothing here runs in a call; tests hold the answers against it."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers

from checkout.api.provider.shapes import PaymentIntentIn, RefundIn
from checkout.models import Order

TAG = ["Provider API"]
KEYS: list[Any] = [{"apiKeyHeader": []}, {"bearer": []}]  # one or the other
KEYS_OR_NONE: list[Any] = [*KEYS, {}]
SECURITY_SCHEMES = {
    "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
REFUND_STATUSES = ["pending", "succeeded", "failed"]


@extend_schema_field(OpenApiTypes.NUMBER)
class MoneyOut(serializers.Field):
    """A JSON number in major units."""


class ErrorOut(serializers.Serializer):
    error = serializers.CharField(help_text="What is wrong, in English, for your developer.")


class PaymentIntentOut(serializers.Serializer):
    checkoutUrl = serializers.URLField(help_text="Send the buyer there. The address is the key: do not publish it.")
    orderId = serializers.UUIDField()
    externalId = serializers.CharField(allow_null=True, help_text="As you sent it.")
    amount = MoneyOut(help_text="What the buyer pays, in major units.")


class FailureOut(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()


class RefundOut(serializers.Serializer):
    refundId = serializers.UUIDField()
    amount = MoneyOut()
    currency = serializers.CharField()
    status = serializers.ChoiceField(REFUND_STATUSES)
    reason = serializers.CharField(allow_null=True)
    createdAt = serializers.DateTimeField()
    settledAt = serializers.DateTimeField(allow_null=True)


class MadeRefundOut(RefundOut):
    orderId = serializers.UUIDField()


class OrderOut(serializers.Serializer):
    orderId = serializers.UUIDField()
    externalId = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(Order.Status.values)
    amount = MoneyOut()
    currency = serializers.CharField()
    quantity = serializers.IntegerField()
    serviceId = serializers.UUIDField(allow_null=True)
    serviceName = serializers.CharField(allow_null=True)
    checkoutUrl = serializers.URLField()
    createdAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField()
    paidAt = serializers.DateTimeField(allow_null=True)
    refundedAmount = MoneyOut()
    livemode = serializers.BooleanField()
    stripePaymentIntentId = serializers.CharField(allow_null=True)
    failure = FailureOut(allow_null=True)
    refunds = RefundOut(many=True)


class OrdersOut(serializers.Serializer):
    orders = OrderOut(many=True)
    nextCursor = serializers.CharField(allow_null=True, help_text="Give it back as `cursor` for the next page.")


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Your name for this wish, 1 to 255 visible characters. The same key and body within 24 hours get "
    "the same answer, with `Idempotent-Replayed: true`.",
)
_REFUSALS = {
    400: "What is wrong with the request",
    401: "Invalid or inactive API key",
    404: "Order not found",
    409: "The state does not allow it, or a call with this Idempotency-Key is still running",
    413: "The body is larger than 64 KiB",
    415: "Content-Type must be application/json",
    422: "This Idempotency-Key was used with another body",
    429: "Too many requests; see Retry-After",
    500: "Server error",
    502: "The processor cannot be reached; nothing was charged",
}


def _refused(*codes: int) -> dict[int, OpenApiResponse]:
    return {code: OpenApiResponse(ErrorOut, _REFUSALS[code]) for code in codes}


create_payment_intent = extend_schema(
    operation_id="createPaymentIntent",
    tags=TAG,
    auth=KEYS_OR_NONE,
    summary="Create a payment intent",
    description="Opens an order and answers the address of its checkout page. With a key the provider's linked "
    "service is sold; with `serviceId` alone it is the public buy button.",
    request=PaymentIntentIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: PaymentIntentOut, **_refused(400, 401, 404, 409, 413, 415, 422, 429, 500)},
    examples=[
        OpenApiExample(
            "With a key",
            request_only=True,
            value={"apiKey": "provider_…", "externalId": "ORDER-1001", "amount": 100},
        ),
        OpenApiExample("Buy button", request_only=True, value={"serviceId": "premium-credits"}),
    ],
)
get_order = extend_schema(
    operation_id="getOrder",
    tags=TAG,
    auth=KEYS,
    summary="Read an order",
    description="What is owed and what became of it. Reading an open order makes us ask the processor soon.",
    responses={200: OrderOut, **_refused(400, 401, 404, 429, 500)},
)
list_orders = extend_schema(
    operation_id="listOrders",
    tags=TAG,
    auth=KEYS,
    summary="List orders",
    description="Your orders in the key's mode, newest first.",
    parameters=[
        OpenApiParameter("externalId", OpenApiTypes.STR, description="Only orders with this external id."),
        OpenApiParameter("limit", OpenApiTypes.INT, description="Orders a page, 1 to 100. Default: 20."),
        OpenApiParameter("cursor", OpenApiTypes.STR, description="`nextCursor` of the page before."),
    ],
    responses={200: OrdersOut, **_refused(400, 401, 429, 500)},
)
cancel_order = extend_schema(
    operation_id="cancelOrder",
    tags=TAG,
    auth=KEYS,
    summary="Cancel an order",
    description="Ends an order that is not paid, at the processor first. Cancelled already: answers the same again.",
    request=None,
    responses={200: OrderOut, **_refused(400, 401, 404, 409, 413, 415, 429, 500)},
)
refund_order = extend_schema(
    operation_id="refundOrder",
    tags=TAG,
    auth=KEYS,
    summary="Refund an order",
    description="Sends money of a paid order back, all that is left of it or a part. 200: it is done. "
    "202: the processor has not settled it yet; read the order, or wait for `payment_refunded`.",
    request=RefundIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: MadeRefundOut, 202: MadeRefundOut, **_refused(400, 401, 404, 409, 413, 415, 422, 429, 500)},
)
