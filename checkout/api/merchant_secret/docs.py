"""The Merchant-secret API as OpenAPI tells it. Nothing here runs in a call; tests hold the answers against it."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from checkout.api.merchant_secret.shapes import StartPaymentIn

TAG = ["Merchant-secret API"]
STATUSES = ["created", "completed"]
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Your name for this wish, 1 to 255 visible characters. The same key and body within 24 hours get "
    "the same answer, with `Idempotent-Replayed: true`.",
)


class RefusedOut(serializers.Serializer):
    error = serializers.CharField(help_text="What is wrong, in English, for your developer.")


class StartedOut(serializers.Serializer):
    code = serializers.CharField(help_text="The buyer pays at `/pay/<code>`. Give it to the buyer alone.")
    message = serializers.CharField()
    watch_code = serializers.CharField(help_text="Ask `/watch/<watch_code>` with it. It does not lead to the code.")


class WatchedOut(serializers.Serializer):
    status = serializers.ChoiceField(STATUSES)
    amount = serializers.IntegerField(help_text="Minor units.")
    merchant = serializers.CharField(help_text="Your name, as the buyer saw it.")
    created_at = serializers.CharField(help_text="`YYYY-MM-DD HH:mm:ss`, UTC.")
    completed_at = serializers.CharField(allow_null=True, help_text="The same, or `null` while it is not paid.")


_REFUSALS = {
    400: "What is wrong with the request",
    401: "Invalid or inactive merchant secret",
    404: "Unknown watch code",
    409: "A call with this Idempotency-Key is still running",
    413: "The body is larger than 64 KiB",
    415: "Content-Type must be application/json",
    422: "This Idempotency-Key was used with another body",
    429: "Too many requests; see Retry-After",
    500: "Server error",
}


def _refused(*codes: int) -> dict[int, OpenApiResponse]:
    return {code: OpenApiResponse(RefusedOut, _REFUSALS[code]) for code in codes}


start_payment = extend_schema(
    operation_id="startPayment",
    tags=TAG,
    auth=[],
    summary="Start a payment",
    description="Opens an order in your currency. Send the buyer to `/pay/<code>?redirect=<your address>`; after "
    "paying they go on to that address where its origin is on your list.",
    request=StartPaymentIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: StartedOut, **_refused(400, 401, 409, 413, 415, 422, 429, 500)},
    examples=[
        OpenApiExample("Ten dollars", request_only=True, value={"merchant_secret": "merchant_…", "amount": 1000}),
    ],
)
watch = extend_schema(
    operation_id="watchPayment",
    tags=TAG,
    auth=[],
    summary="Watch a payment",
    description="Whether it is paid. Send `If-None-Match` with the `ETag` of the last answer and get 304 while "
    "nothing has changed.",
    parameters=[
        OpenApiParameter("watch_code", OpenApiTypes.STR, OpenApiParameter.PATH, description="From `startPayment`."),
        OpenApiParameter("If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description="The last `ETag`."),
    ],
    responses={
        200: WatchedOut,
        304: OpenApiResponse(description="Nothing has changed since that `ETag`"),
        **_refused(404, 429, 500),
    },
)
