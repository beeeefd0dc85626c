"""The Invoice API as OpenAPI tells it. Nothing here runs in a call; tests hold the answers against it.

Some names on the wire are also attributes of the framework's serializers, which takes fields out of the class before
they meet: `type: ignore` there is for the type checker alone.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from checkout.models import OrderEvent
from gateway import registry

TAG = ["Invoice API"]
KEYS: list[Any] = [{"apiKeyHeader": []}, {"bearer": []}]  # one or the other
STATUSES = ["pending", "paid", "refunded", "failed", "cancelled"]
REFUND_STATUSES = ["pending", "succeeded", "failed"]
MODES = ["test", "live"]
PROCESSORS = list(registry.PROCESSORS)
ID = "Up to 128 characters."


# --- in -----------------------------------------------------------------------------------------------------------


class LineIn(serializers.Serializer):
    """A line of the fiscal receipt."""

    qty = serializers.IntegerField(min_value=1)
    price = serializers.IntegerField(min_value=0, help_text="Of one unit, in minor units.")
    total = serializers.IntegerField(min_value=0, help_text="qty × price.")
    mxik = serializers.CharField(help_text="17 digits.")
    package_code = serializers.CharField(max_length=20)
    name = serializers.CharField(max_length=255)
    vat = serializers.IntegerField(required=False, min_value=0, max_value=100, help_text="Percent.")
    tin = serializers.CharField(required=False, help_text="9 or 14 digits.")
    mark = serializers.ListField(child=serializers.CharField(), required=False)


class MerchantIn(serializers.Serializer):
    source = serializers.CharField(help_text="Your app's identifier; with a provider key its slug.")  # type: ignore[assignment]
    businessId = serializers.CharField(help_text=f"Your id of the business. {ID}")
    provider = serializers.ChoiceField(PROCESSORS)
    credentials = serializers.DictField(
        child=serializers.CharField(),
        required=False,
        help_text="The fields that `supported` lists. May be left out when only the name or the switch changes.",
    )
    displayName = serializers.CharField(required=False, max_length=200)
    isActive = serializers.BooleanField(required=False, default=True)
    mode = serializers.ChoiceField(MODES, required=False, help_text="The key's mode, where you want it checked.")


class InvoiceIn(serializers.Serializer):
    source = serializers.CharField(help_text="As registered.")  # type: ignore[assignment]
    businessId = serializers.CharField(help_text="As registered.")
    provider = serializers.ChoiceField(
        PROCESSORS, required=False, help_text="Without it the buyer chooses on our page."
    )
    sourceInvoiceId = serializers.CharField(help_text=f"Your id of what is sold. {ID}")
    amount = serializers.IntegerField(min_value=100, max_value=10**13, help_text="Minor units: tiyin, cents.")
    currency = serializers.CharField(required=False, default="UZS", help_text="ISO 4217.")
    notifyUrl = serializers.CharField(required=False, help_text="Where we post what becomes of it.")
    returnUrl = serializers.CharField(required=False, help_text="Where the buyer goes on to.")
    returnErrorUrl = serializers.CharField(required=False)
    lang = serializers.ChoiceField(["uz", "ru", "en"], required=False)
    description = serializers.CharField(required=False, max_length=500)
    ofd = LineIn(many=True, required=False, help_text="Lines of the fiscal receipt; their totals make the amount.")


class InvoiceRefundIn(serializers.Serializer):
    invoiceId = serializers.CharField()
    amount = serializers.IntegerField(required=False, min_value=1, help_text="Minor units. Default: all that is left.")
    reason = serializers.CharField(required=False, max_length=300)
    idempotencyKey = serializers.CharField(
        required=False, max_length=200, help_text="Your name for this refund, for ever: a repeat refunds nothing."
    )
    ofd = LineIn(many=True, required=False, help_text="The receipt that replaces the first one.")
    cardPan = serializers.CharField(required=False, help_text="Passed on to the processor and kept nowhere.")


# --- out ----------------------------------------------------------------------------------------------------------


class FieldOut(serializers.Serializer):
    key = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]


class SupportedOut(serializers.Serializer):
    name = serializers.CharField()
    fields = FieldOut(many=True)  # type: ignore[assignment]


class BusinessProviderOut(serializers.Serializer):
    provider = serializers.CharField()
    displayName = serializers.CharField(allow_null=True)


class MerchantOut(serializers.Serializer):
    id = serializers.UUIDField()
    source = serializers.CharField()  # type: ignore[assignment]
    businessId = serializers.CharField()
    provider = serializers.CharField()
    displayName = serializers.CharField(allow_null=True)
    mode = serializers.ChoiceField(MODES)
    isActive = serializers.BooleanField(help_text="False also while our staff block it.")
    callbackUrl = serializers.CharField(help_text="For the processor's cabinet.")
    callbackUrls = serializers.DictField(child=serializers.CharField(), help_text="All of them, by name.")


class CardOut(serializers.Serializer):
    pan = serializers.CharField(allow_null=True, help_text="Masked.")
    paymentSystem = serializers.CharField(allow_null=True)


class InvoiceOut(serializers.Serializer):
    id = serializers.UUIDField()
    source = serializers.CharField()  # type: ignore[assignment]
    businessId = serializers.CharField()
    sourceInvoiceId = serializers.CharField()
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    status = serializers.ChoiceField(STATUSES)
    providerUuid = serializers.CharField(allow_null=True, help_text="The processor's own id of the payment.")
    paidAt = serializers.DateTimeField(allow_null=True)
    card = CardOut(allow_null=True)
    receiptUrl = serializers.CharField(allow_null=True)
    livemode = serializers.BooleanField()
    provider = serializers.CharField(allow_null=True)
    checkoutUrl = serializers.CharField(help_text="Send the buyer there.")
    deeplink = serializers.CharField(allow_null=True, help_text="Opens the processor's app (Uzum).")
    refundedAmount = serializers.IntegerField()
    notifyDelivered = serializers.BooleanField(
        allow_null=True, help_text="Whether your webhook has the latest state; null: nothing was to be told yet."
    )
    createdAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField()


class EventOut(serializers.Serializer):
    sequence = serializers.IntegerField()
    event = serializers.ChoiceField(OrderEvent.Kind.values)
    at = serializers.DateTimeField()
    paymentId = serializers.UUIDField(allow_null=True)
    refundId = serializers.UUIDField(allow_null=True)


class InvoiceRefundOut(serializers.Serializer):
    id = serializers.UUIDField()
    invoiceId = serializers.UUIDField()
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    status = serializers.ChoiceField(REFUND_STATUSES)
    reason = serializers.CharField(allow_null=True)
    providerRefundId = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    createdAt = serializers.DateTimeField()
    settledAt = serializers.DateTimeField(allow_null=True)


class InvoiceErrorData(serializers.Serializer):
    details = serializers.ListField(child=serializers.CharField(), help_text="In English, for your developer.")
    invoiceId = serializers.UUIDField(required=False, help_text="`ALREADY_PAID`: the invoice that is paid.")
    refund = InvoiceRefundOut(required=False, help_text="`NOT_REFUNDABLE`: the refund that the processor refused.")


class InvoiceErrorOut(serializers.Serializer):
    status = serializers.BooleanField(help_text="false")
    code = serializers.IntegerField(help_text="The HTTP status.")
    message = serializers.CharField(help_text="A stable word, such as `VALIDATION_ERROR`.")
    data = InvoiceErrorData()  # type: ignore[assignment]


def _success(name: str, data: serializers.Serializer) -> serializers.Serializer:
    """The envelope around `data`."""
    fields: dict[str, Any] = {
        "status": serializers.BooleanField(help_text="true"),
        "code": serializers.IntegerField(),
        "message": serializers.CharField(),
        "data": data,
    }
    return inline_serializer(f"{name}Answer", fields)


def _items(name: str, item: type[serializers.Serializer], **more: serializers.Field) -> serializers.Serializer:
    return _success(name, inline_serializer(name, {"items": item(many=True), **more}))


# --- the calls ----------------------------------------------------------------------------------------------------

_REFUSALS = {
    400: "`VALIDATION_ERROR` with a sentence for each field, or a word of its own: `ALREADY_PAID`, `NOT_REFUNDABLE`",
    401: "`UNAUTHORIZED`: no valid key",
    404: "`NOT_FOUND`, or `MERCHANT_NOT_FOUND`: the business has no active account there",
    409: "`PROCESSING`, `ALREADY_PAID`, `NOT_PAYABLE`: the state does not allow it",
    413: "`TOO_LARGE`: the body is larger than 64 KiB",
    415: "`UNSUPPORTED_MEDIA_TYPE`",
    422: "`IDEMPOTENCY_MISMATCH`: this key was used with other content",
    429: "`RATE_LIMITED`; see Retry-After",
    500: "`SERVER_ERROR`",
    502: "`UPSTREAM_ERROR`: the processor failed; nothing was charged",
}
_READS = (400, 401, 429, 500)
_WRITES = (400, 401, 409, 413, 415, 422, 429, 500)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Your name for this wish: the same key and body within 24 hours get the same answer.",
)


def _call(
    operation_id: str,
    *,
    summary: str,
    description: str,
    answer: serializers.Serializer,
    refusals: tuple[int, ...],
    request: Any = None,
    parameters: tuple[OpenApiParameter, ...] = (),
) -> Any:
    refused = {code: OpenApiResponse(InvoiceErrorOut, _REFUSALS[code]) for code in sorted(refusals)}
    return extend_schema(
        operation_id=operation_id,
        tags=TAG,
        auth=KEYS,
        summary=summary,
        description=description,
        request=request,
        parameters=list(parameters),
        responses={200: answer, **refused},
    )


list_supported = _call(
    "listSupported",
    summary="List the payment providers",
    description="Every provider that is wired up, and the credential fields that each one needs.",
    answer=_items("SupportedItems", SupportedOut),
    refusals=_READS,
)
register_merchant = _call(
    "registerMerchant",
    summary="Register or change a merchant",
    description="Saves a business's credentials at one provider. The same `source`, `businessId` and `provider` again "
    "change them. Answers the callback address for the provider's cabinet, never a credential.",
    request=MerchantIn,
    parameters=(IDEMPOTENCY_KEY,),
    answer=_success("Merchant", MerchantOut()),
    refusals=_WRITES,
)
list_business_providers = _call(
    "listBusinessProviders",
    summary="List a business's providers",
    description="What a business accepts: one button for each.",
    answer=_items("BusinessProviderItems", BusinessProviderOut),
    refusals=_READS,
)
create_invoice = _call(
    "createInvoice",
    summary="Create an invoice",
    description="Opens an invoice and answers where the buyer pays it.",
    request=InvoiceIn,
    parameters=(IDEMPOTENCY_KEY,),
    answer=_success("Invoice", InvoiceOut()),
    refusals=(*_WRITES, 404, 502),
)
list_invoices = _call(
    "listInvoices",
    summary="List invoices",
    description="In the key's mode, newest first.",
    parameters=(
        OpenApiParameter("source", OpenApiTypes.STR, description="Only of this source."),
        OpenApiParameter("businessId", OpenApiTypes.STR, description="Only of this business."),
        OpenApiParameter("sourceInvoiceId", OpenApiTypes.STR, description="Only for this id of yours."),
        OpenApiParameter("status", OpenApiTypes.STR, description="Only in this status.", enum=STATUSES),
        OpenApiParameter("limit", OpenApiTypes.INT, description="Invoices a page, 1 to 100. Default: 20."),
        OpenApiParameter("cursor", OpenApiTypes.STR, description="`nextCursor` of the page before."),
    ),
    answer=_items("InvoiceItems", InvoiceOut, nextCursor=serializers.CharField(allow_null=True)),
    refusals=_READS,
)
get_invoice = _call(
    "getInvoice",
    summary="Read an invoice",
    description="Reading one that is still pending makes us ask the processor soon.",
    answer=_success("InvoiceRead", InvoiceOut()),
    refusals=(*_READS, 404),
)
list_events = _call(
    "listInvoiceEvents",
    summary="List an invoice's events",
    description="Everything that happened to it, in order.",
    answer=_items("EventItems", EventOut),
    refusals=(*_READS, 404),
)
cancel_invoice = _call(
    "cancelInvoice",
    summary="Cancel an invoice",
    description="Ends one that is not paid, at the processor first. Cancelled already: answers the same again.",
    answer=_success("InvoiceCancelled", InvoiceOut()),
    refusals=(400, 401, 404, 409, 413, 415, 429, 500),
)
create_refund = _call(
    "createRefund",
    summary="Refund an invoice",
    description="Sends back all that is left, or a part. `pending` is settled later: list the refunds.",
    request=InvoiceRefundIn,
    parameters=(IDEMPOTENCY_KEY,),
    answer=_success("Refund", InvoiceRefundOut()),
    refusals=(*_WRITES, 404, 502),
)
list_refunds = _call(
    "listRefunds",
    summary="List an invoice's refunds",
    description="Oldest first, those made in the processor's cabinet included.",
    answer=_items("RefundItems", InvoiceRefundOut),
    refusals=(*_READS, 404),
)
