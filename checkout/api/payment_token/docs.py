"""The Payment-token API as OpenAPI tells it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers

from checkout.api.payment_token.shapes import STATUSES, TokenIn
from checkout.api.provider.docs import IDEMPOTENCY_KEY, KEYS, ErrorOut

TAG = ["Payment-token API"]


class CheckoutTokenOut(serializers.Serializer):
    token = serializers.CharField(help_text="Give it to the processor's widget.")


class TokenOut(serializers.Serializer):
    token = serializers.CharField(help_text="`pt_…`: this payment, for the return and for its status.")
    checkout = CheckoutTokenOut()


class CheckoutOut(serializers.Serializer):
    token = serializers.CharField(allow_null=True)
    url = serializers.CharField(allow_null=True, help_text="The processor's own card page, without a widget.")


class TokenStatusOut(serializers.Serializer):
    token = serializers.CharField()
    status = serializers.ChoiceField(STATUSES)
    amountCents = serializers.IntegerField()
    currency = serializers.CharField()
    refundedCents = serializers.IntegerField()
    itemType = serializers.CharField(allow_null=True)
    referenceId = serializers.CharField(allow_null=True)
    userId = serializers.CharField(allow_null=True)
    gatewayUid = serializers.CharField(allow_null=True, help_text="The processor's id of the transaction.")
    checkout = CheckoutOut(allow_null=True)
    checkoutUrl = serializers.URLField(help_text="Our own page for this payment.")
    orderId = serializers.UUIDField()
    paidAt = serializers.DateTimeField(allow_null=True)
    livemode = serializers.BooleanField()


_REFUSALS = {
    400: "What is wrong with the request",
    401: "Invalid or inactive API key",
    402: "The processor refused the payment",
    404: "Payment token not found",
    409: "A call with this Idempotency-Key is still running",
    413: "The body is larger than 64 KiB",
    415: "Content-Type must be application/json",
    422: "This Idempotency-Key was used with another body",
    429: "Too many requests; see Retry-After",
    500: "Server error",
    502: "No clear answer of the processor: repeat with the same Idempotency-Key; nothing is charged twice",
}


def _refused(*codes: int) -> dict[int, Any]:
    return {code: OpenApiResponse(ErrorOut, _REFUSALS[code]) for code in codes}


create_token = extend_schema(
    operation_id="createPaymentToken",
    tags=TAG,
    auth=KEYS,
    summary="Create a payment token",
    description="Opens a payment at Secure Processor and answers the token for its widget. The webhook, not the "
    "widget's word, says that it is paid.",
    request=TokenIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: TokenOut, **_refused(400, 401, 402, 404, 409, 413, 415, 422, 429, 500, 502)},
    examples=[
        OpenApiExample(
            "An amount",
            request_only=True,
            value={"itemType": "one_time", "amountCents": 1999, "currency": "EUR", "referenceId": "ORDER-1001"},
        ),
        OpenApiExample(
            "A service", request_only=True, value={"itemType": "one_time", "referenceId": "premium-credits"}
        ),
    ],
)
token_status = extend_schema(
    operation_id="getPaymentToken",
    tags=TAG,
    auth=KEYS,
    summary="Read a payment token",
    description="What became of it. Reading an open one makes us ask the processor soon.",
    responses={200: TokenStatusOut, **_refused(400, 401, 404, 429, 500)},
)
