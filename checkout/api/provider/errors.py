"""The Provider API's refusals: `{"error": "<text>"}`, with the texts of its document where it has them."""

from django.http import HttpResponse

from checkout import errors
from checkout.api.bodies import answer
from checkout.api.errors import explain
from checkout.errors import CheckoutError
from gateway.money import Money

_TEXTS = {
    errors.AmountTooSmall: "Amount cannot be less than service price",
    errors.MethodNotAvailable: "Cash App payments are not available",
    errors.NothingToSell: "This provider has no active service",
    errors.OrderNotFound: "Order not found",
    errors.AlreadyPaid: "Order is already paid",
    errors.PaymentUnderWay: "Order is still processing",
}


def say(error: CheckoutError) -> str:
    if isinstance(error, errors.AmountNotAMultiple):
        return f"Amount must be a multiple of {plain_major(error.details['price'])}"
    return _TEXTS.get(type(error)) or str(error)


def plain_major(money: Money) -> str:
    """`5`, `4.99`, `4.5`: major units without trailing zeros."""
    text = f"{money.major:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def answer_error(error: Exception) -> HttpResponse:
    status, text, headers = explain(error, say=say)
    return answer({"error": text}, status=status, headers=headers)
