"""What we send to open a checkout: beGateway's own nested shape, and the flat one that some documents describe."""

import re
from datetime import UTC
from typing import Any

from gateway.adapters.secure_processor import terms
from gateway.adapters.secure_processor.amounts import check_money, to_wire
from gateway.adapters.secure_processor.reading import mark
from gateway.errors import Misconfigured, NotAvailable
from gateway.types import Mode, PaymentRequest, RefundRequest

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
FLAT = "flat"
NO_REASON = "Refund"


def checkout(request: PaymentRequest, *, mode: Mode, shop_id: str, shape: str) -> dict[str, Any]:
    """The body of a create. Misconfigured or NotAvailable where it cannot be written."""
    if request.method:
        raise NotAvailable(f"{request.method} is chosen on Secure Processor's own page")
    if problem := check_money(request.money):
        raise Misconfigured(problem, processor_code="amount")
    if not request.return_url:
        raise Misconfigured("Secure Processor needs an address to return to", processor_code="return_url")
    if not 0 < len(request.reference) <= terms.MAX_TRACKING_ID:
        raise Misconfigured("Secure Processor keeps references of at most 255 characters")
    if shape == FLAT:
        return _flat(request, mode=mode, shop_id=shop_id)
    return _nested(request, mode=mode)


def transaction_type(request: PaymentRequest) -> str:
    return "authorization" if request.captures_later else "payment"


def reason_of(request: RefundRequest) -> str:
    """Never empty, at most 255 characters, and always with our own mark at its end."""
    ours = mark(request.reference)
    words = UNPRINTABLE.sub(" ", request.reason).strip() or NO_REASON
    return f"{words[: terms.MAX_REASON - len(ours) - 1].rstrip()} {ours}"


def _nested(request: PaymentRequest, *, mode: Mode) -> dict[str, Any]:
    order: dict[str, Any] = {
        "amount": to_wire(request.money),
        "currency": request.money.currency,
        "description": _description(request),
        "tracking_id": request.reference,
    }
    if request.expires_at is not None:
        order["expired_at"] = request.expires_at.astimezone(UTC).isoformat(timespec="seconds")
    settings: dict[str, Any] = {"return_url": request.return_url, "language": _language(request.lang)}
    if request.cancel_url:
        settings["cancel_url"] = request.cancel_url
    if request.callback_url:
        settings["notification_url"] = request.callback_url
    wanted: dict[str, Any] = {
        "transaction_type": transaction_type(request),
        # Always said: what is left out is real money, and no key says otherwise.
        "test": mode is Mode.TEST,
        # One try for each token: then a refusal ends it, and no second debit can hide behind it.
        "attempts": 1,
        "order": order,
        "settings": settings,
    }
    if request.payer_email:
        wanted["customer"] = {"email": request.payer_email}
    return {"checkout": wanted}


def _flat(request: PaymentRequest, *, mode: Mode, shop_id: str) -> dict[str, Any]:
    """It names neither a callback address (the back office does) nor a transaction type."""
    if request.captures_later:
        raise NotAvailable("the flat request cannot hold money; set the request's shape to nested")
    return {
        "shop_id": shop_id,
        "amount": to_wire(request.money),
        "currency": request.money.currency,
        "description": _description(request),
        "return_url": request.return_url,
        "test_mode": mode is Mode.TEST,
        "metadata": {"payment_token_id": request.reference, "reference_id": request.order_reference},
    }


def _description(request: PaymentRequest) -> str:
    words = UNPRINTABLE.sub(" ", request.description).strip() or f"Order {request.order_reference}"
    return words[: terms.MAX_DESCRIPTION]


def _language(lang: str) -> str:
    wanted = terms.INSTEAD.get(lang, lang)
    return wanted if wanted in terms.LANGUAGES else "en"
