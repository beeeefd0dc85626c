"""The Processor API as OpenAPI tells it. Nothing here runs in a call; tests hold the answers against it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers

from checkout.api.processor import shapes
from checkout.api.provider.docs import IDEMPOTENCY_KEY, KEYS, REFUND_STATUSES, ErrorOut

TAG = ["Processor API"]


class DeclineOut(serializers.Serializer):
    code = serializers.CharField(help_text="The processor's own reason; `declined` where only the bank may explain.")
    advice = serializers.CharField(help_text="What the buyer can do, in a word of ours.")
    message = serializers.CharField(help_text="The same in a sentence.")


class ProcessorErrorOut(serializers.Serializer):
    error = serializers.CharField(help_text="What is wrong, in English, for your developer.")
    code = serializers.CharField(help_text="The same for your program.")
    payment_id = serializers.CharField(required=False, help_text="The payment it is about.")
    status = serializers.CharField(required=False, help_text="Where that payment stands.")
    decline = DeclineOut(required=False, allow_null=True)
    remaining = serializers.IntegerField(required=False, help_text="What can still be refunded.")
    processor_code = serializers.CharField(required=False, help_text="The processor's own code.")


class _OurNames(serializers.Serializer):
    order_id = serializers.CharField(allow_null=True, help_text="As you sent it.")
    payment_id = serializers.UUIDField(help_text="Our id of the payment.")
    hub_order_id = serializers.UUIDField(help_text="Our id of the order: `orderId` in webhooks and `/api/orders`.")


class _StripeNames(_OurNames):
    session_id = serializers.CharField(allow_null=True)
    payment_intent = serializers.CharField(allow_null=True, help_text="Known once the buyer tries to pay.")


class _RazorpayNames(_OurNames):
    razorpay_order_id = serializers.CharField(allow_null=True)
    razorpay_payment_id = serializers.CharField(allow_null=True, help_text="The try that holds or took the money.")


class _CheckoutOut(serializers.Serializer):
    status = serializers.ChoiceField(shapes.STATUSES)
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    expires_at = serializers.DateTimeField()
    livemode = serializers.BooleanField()


class StripeCheckoutOut(_CheckoutOut, _StripeNames):
    checkout_url = serializers.URLField(help_text="Stripe's page: send the buyer there.")


class PrefillOut(serializers.Serializer):
    email = serializers.CharField(required=False)


class RazorpayCheckoutOut(_CheckoutOut, _RazorpayNames):
    checkout_url = serializers.URLField(help_text="Our page, which opens checkout.js, and works without script.")
    key_id = serializers.CharField(help_text="`key` of checkout.js.")
    name = serializers.CharField()
    description = serializers.CharField()
    callback_url = serializers.URLField(help_text="Ours: the signed return is checked there.")
    prefill = PrefillOut()


class ProcessorRefundFields(serializers.Serializer):
    refund_id = serializers.UUIDField()
    processor_refund_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(REFUND_STATUSES)
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)


class _PaymentOut(serializers.Serializer):
    status = serializers.ChoiceField(shapes.STATUSES)
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    amount_capturable = serializers.IntegerField(help_text="Held now, and yours to capture.")
    amount_captured = serializers.IntegerField()
    refunded_amount = serializers.IntegerField()
    refundable_amount = serializers.IntegerField()
    is_disputed = serializers.BooleanField()
    is_duplicate = serializers.BooleanField(help_text="The order had been paid by another payment before.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    checkout_url = serializers.URLField(allow_null=True, help_text="While it waits for the buyer.")
    decline = DeclineOut(allow_null=True)
    refunds = ProcessorRefundFields(many=True)
    livemode = serializers.BooleanField()


class StripePaymentOut(_PaymentOut, _StripeNames):
    pass


class RazorpayPaymentOut(_PaymentOut, _RazorpayNames):
    pass


class VerifiedOut(RazorpayPaymentOut):
    verified = serializers.BooleanField()


class _MadeRefund(ProcessorRefundFields):
    remaining = serializers.IntegerField(help_text="What can still go back.")
    refunded_amount = serializers.IntegerField()
    livemode = serializers.BooleanField()


class StripeRefundOut(_MadeRefund, _StripeNames):
    pass


class RazorpayRefundOut(_MadeRefund, _RazorpayNames):
    pass


_REFUSALS = {
    400: "What is wrong with the request, or an amount that the processor does not take",
    401: "Invalid or inactive API key",
    402: "The processor refused the payment; `decline` says what the buyer can do",
    403: "The key is of another mode than the account or the id",
    404: "Payment not found",
    409: "The state does not allow it: captured already, refunded already, disputed, still processing",
    413: "The body is larger than 64 KiB",
    415: "Content-Type must be application/json",
    422: "This Idempotency-Key was used with another body",
    429: "Too many requests, to us or to the processor; see Retry-After",
    500: "Server error",
    502: "No clear answer of the processor: repeat with the same Idempotency-Key; nothing is done twice",
}


def _refused(*codes: int) -> dict[int, Any]:
    # A long body is refused at the front door, before any dialect.
    return {code: OpenApiResponse(ErrorOut if code == 413 else ProcessorErrorOut, _REFUSALS[code]) for code in codes}


_MAKES = _refused(400, 401, 402, 403, 404, 409, 413, 415, 422, 429, 500, 502)
_READS = _refused(400, 401, 403, 404, 429, 500)
_CHECKOUT = "The payment is opened at the processor at once. `order_id` is yours and need not be unique: orders that "
_CHECKOUT += "share one are flagged to our staff."
_STATUS = "By any id of it: the processor's, ours, or your own `order_id`. Reading an open payment makes us ask the "
_STATUS += "processor soon; the answer never waits for that."
_CAPTURE = "Takes what a checkout with `capture: manual` holds, all of it. 202: it is not settled yet."
_REFUND = "Sends money back, all that is left or a part. 200: it is done. 202: the processor has not settled it yet; "
_REFUND += "read the payment, or wait for `payment_refunded`."


def _call(name: str, summary: str, description: str, **more: Any) -> Any:
    return extend_schema(operation_id=name, tags=TAG, auth=KEYS, summary=summary, description=description, **more)


stripe_checkout = _call(
    "createStripeCheckout",
    "Open a Stripe Checkout",
    f"Send the buyer to `checkout_url`, Stripe's own page. {_CHECKOUT}",
    request=shapes.StripeCheckoutIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: StripeCheckoutOut, **_MAKES},
    examples=[
        OpenApiExample(
            "Fifty dollars", request_only=True, value={"order_id": "ORD123", "amount": 5000, "currency": "usd"}
        )
    ],
)
stripe_status = _call("getStripePayment", "Read a Stripe payment", _STATUS, responses={200: StripePaymentOut, **_READS})
stripe_capture = _call(
    "captureStripePayment",
    "Capture a Stripe payment",
    _CAPTURE,
    request=shapes.StripeCaptureIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: StripePaymentOut, 202: StripePaymentOut, **_MAKES},
)
stripe_refund = _call(
    "refundStripePayment",
    "Refund a Stripe payment",
    _REFUND,
    request=shapes.StripeRefundIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: StripeRefundOut, 202: StripeRefundOut, **_MAKES},
)
razorpay_checkout = _call(
    "createRazorpayCheckout",
    "Open a Razorpay order",
    f"Open checkout.js with the answer, or send the buyer to `checkout_url`, our page that does. {_CHECKOUT}",
    request=shapes.RazorpayCheckoutIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: RazorpayCheckoutOut, **_MAKES},
    examples=[
        OpenApiExample(
            "Five hundred rupees",
            request_only=True,
            value={"order_id": "order_rcptid_11", "amount": 50000, "currency": "INR", "payment_capture": 1},
        )
    ],
)
razorpay_verify = _call(
    "verifyRazorpayPayment",
    "Verify what checkout.js returned",
    "Checks the signature against the order that we stored, then asks Razorpay at once. `verified` alone proves no "
    "money: `status` does.",
    request=shapes.VerifyIn,
    responses={200: VerifiedOut, **_refused(400, 401, 404, 413, 415, 429, 500)},
)
razorpay_status = _call(
    "getRazorpayPayment", "Read a Razorpay payment", _STATUS, responses={200: RazorpayPaymentOut, **_READS}
)
razorpay_capture = _call(
    "captureRazorpayPayment",
    "Capture a Razorpay payment",
    _CAPTURE,
    request=shapes.RazorpayCaptureIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: RazorpayPaymentOut, 202: RazorpayPaymentOut, **_MAKES},
)
razorpay_refund = _call(
    "refundRazorpayPayment",
    "Refund a Razorpay payment",
    _REFUND,
    request=shapes.RazorpayRefundIn,
    parameters=[IDEMPOTENCY_KEY],
    responses={200: RazorpayRefundOut, 202: RazorpayRefundOut, **_MAKES},
)
