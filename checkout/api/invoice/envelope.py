"""The Invoice API's envelope, around every answer: `{"status", "code", "message", "data"}`."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from checkout import errors
from checkout.api import bodies
from checkout.api.errors import ApiError, BadInput, explain
from checkout.errors import CheckoutError


class Invalid(BadInput):
    """400 with one sentence for each thing that is wrong."""

    def __init__(self, details: list[str]) -> None:
        super().__init__("; ".join(details))
        self.details = details


class NotFound(ApiError):
    def __init__(self, what: str) -> None:
        super().__init__(404, f"{what} not found")


_WORDS = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "IDEMPOTENCY_MISMATCH",
    429: "RATE_LIMITED",
    500: "SERVER_ERROR",
    502: "UPSTREAM_ERROR",
}
# What the domain refuses with a word of its own on the wire: (HTTP status, word).
_REFUSALS: dict[type[CheckoutError], tuple[int, str]] = {
    errors.NotRefundable: (400, "NOT_REFUNDABLE"),
    errors.RefundTooLarge: (400, "REFUND_TOO_LARGE"),
    errors.AmountRefused: (400, "AMOUNT_REFUSED"),
    errors.PaymentUnderWay: (409, "PROCESSING"),
    errors.NotPayable: (409, "NOT_PAYABLE"),
    errors.AlreadyPaid: (409, "ALREADY_PAID"),
    errors.MerchantNotFound: (404, "MERCHANT_NOT_FOUND"),
    errors.OrderNotFound: (404, "NOT_FOUND"),
    errors.ProcessorTrouble: (502, "UPSTREAM_ERROR"),
    errors.MethodNotAvailable: (502, "UPSTREAM_ERROR"),
}


def success(data: Any) -> HttpResponse:
    return bodies.answer({"status": True, "code": 200, "message": "OK", "data": data})


def failure(
    status: int, word: str, data: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    body = {"status": False, "code": status, "message": word, "data": dict(data)}
    return bodies.answer(body, status=status, headers=headers)


def word_of(status: int) -> str:
    return _WORDS.get(status, "ERROR")


def answer_error(error: Exception) -> HttpResponse:
    """Any exception in this dialect's shape; what nobody expected is logged and says nothing of itself."""
    if isinstance(error, Invalid):
        return failure(400, "VALIDATION_ERROR", {"details": error.details})
    for kind, (status, word) in _REFUSALS.items():
        if isinstance(error, kind):
            data: dict[str, Any] = {"details": [str(error)]}
            if "invoice_id" in error.details:
                # A sibling is paid: asked for once too often, and here is the one that was.
                status, data["invoiceId"] = 400, error.details["invoice_id"]
            return failure(status, word, data)
    status, text, headers = explain(error, say=str)
    word = error.code if isinstance(error, CheckoutError) else word_of(status)
    return failure(status, word, {"details": [text]}, headers=headers)
