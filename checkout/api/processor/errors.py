"""The Processor API's refusals: `{"error": "<text>", "code": "<word>"}`. A processor's refusal keeps its own meaning.

`code` is for programs and stable; the text is for people. A refusal about one payment names it.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from checkout import errors, sessions
from checkout.api.bodies import answer
from checkout.api.errors import ApiError, explain
from checkout.api.processor import shapes
from checkout.errors import AtProcessor, CheckoutError
from checkout.models import Payment
from gateway import errors as gateway
from gateway import registry

BUSY_SECONDS = 2  # until a processor is asked again that does not say when
_CODES = {
    400: "invalid_request",
    401: "invalid_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    415: "unsupported_media_type",
}


_OUR_WORDS = frozenset({"amount", "currency"})  # what adapters call a trouble that they found themselves


class SignatureMismatch(ApiError):
    """What a browser brought back was not signed for this order and payment."""

    def __init__(self) -> None:
        super().__init__(400, "Signature mismatch: this signature was not made for this order and payment")


def answer_error(error: Exception, *, processor: str, about: Payment | None = None) -> HttpResponse:
    """Any exception in this dialect's shape. `about` is the payment that the call had named by then."""
    name = registry.get(processor).name
    told = _meaning_of(error.because, name) if isinstance(error, AtProcessor) and error.because else None
    if told is not None:
        status, code, text, headers = told
        return answer({"error": text, "code": code, **_extras(error, about)}, status=status, headers=headers)
    status, text, headers = explain(error, say=lambda refusal: _say(refusal, name))
    if isinstance(error, CheckoutError):
        code = error.code.lower()
    else:
        code = "signature_mismatch" if isinstance(error, SignatureMismatch) else _CODES.get(status, "server_error")
    return answer({"error": text, "code": code, **_extras(error, about)}, status=status, headers=headers)


def _say(error: CheckoutError, processor: str) -> str:
    if type(error) is errors.MethodNotAvailable:
        return f"This provider has no {processor} account in this key's mode that can take such a payment"
    if isinstance(error, errors.OrderNotFound):
        return "Payment not found"
    return str(error)


def _extras(error: Exception, about: Payment | None) -> dict[str, Any]:
    """What a program can go on with."""
    found: dict[str, Any] = {}
    payment = error.payment if isinstance(error, sessions.OfPayment) else about
    if payment is not None and isinstance(error, CheckoutError):
        found |= {"payment_id": str(payment.pk), "status": shapes.status_of(payment.order, payment)}
        if isinstance(error, sessions.Declined):
            found["decline"] = shapes.decline_out(payment)
    if isinstance(error, errors.RefundTooLarge) and "left" in error.details:
        found["remaining"] = error.details["left"]
    if isinstance(error, AtProcessor) and error.because is not None:
        their_code = error.because.processor_code
        if their_code and their_code not in _OUR_WORDS:
            found["processor_code"] = their_code
    return found


def _meaning_of(error: gateway.GatewayError, name: str) -> tuple[int, str, str, Mapping[str, str]] | None:
    """(status, code, text, headers) of what an adapter raised; None leaves it to the domain's own word."""
    match error:
        case gateway.WrongMode():
            return 403, "wrong_mode", f"{name} says that the account's key and this payment are of different modes", {}
        case gateway.NotAvailable():
            return 400, "method_not_available", f"The {name} account cannot take this payment: {error}", {}
        case gateway.NotPermitted():
            text = f"{name} does not let the seller's key do this; a retry cannot help, staff must look at it"
            return 403, "key_not_permitted", text, {}
        case gateway.Misconfigured(processor_code="amount"):
            return 400, "amount_refused", str(error), {}
        case gateway.Misconfigured():
            text = f"{name} refuses the seller's account; a retry cannot help, staff must look at it"
            return 502, "seller_misconfigured", text, {}
        case gateway.Declined():
            return 402, "declined", f"{name} refused the payment", {}
        case gateway.NotFound():
            return 404, "not_found", f"{name} does not know this payment", {}
        case gateway.Refused():
            return 409, "refused", str(error), {}
        case gateway.Unavailable(is_busy=True):
            seconds = error.retry_after_seconds or BUSY_SECONDS
            text = f"{name} asks us to slow down; nothing was done"
            return 429, "processor_busy", text, {"Retry-After": str(seconds)}
        case gateway.Unavailable():
            return 502, "processor_unreachable", f"{name} cannot be reached; nothing was done", {}
        case _:
            return None
