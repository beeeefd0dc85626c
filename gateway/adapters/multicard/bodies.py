"""What we send to Multicard, field by field."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from gateway.adapters.multicard import terms
from gateway.adapters.multicard.credentials import check_money, store_on_the_wire
from gateway.errors import Misconfigured, NotAvailable
from gateway.types import Item, PaymentRequest, RefundRequest

CARD_PAN = re.compile(r"[0-9]{16,19}", re.ASCII)


def invoice(request: PaymentRequest, *, store_id: str, now: datetime) -> dict[str, Any]:
    """`POST /payment/invoice`. NotAvailable or Misconfigured where it cannot be made."""
    if request.method:
        raise NotAvailable(f"{request.method} is chosen on Multicard's own page")
    if problem := check_money(request.money):
        kind = NotAvailable if request.money.currency != terms.CURRENCY else Misconfigured
        raise kind(problem, processor_code="amount")
    if not request.callback_url:
        raise Misconfigured("Multicard needs an address to call back", processor_code="callback_url")
    if not 0 < len(request.order_reference) <= terms.MAX_INVOICE_ID:
        raise Misconfigured("Multicard needs an order's id of at most 255 characters", processor_code="invoice_id")
    body: dict[str, Any] = {
        "store_id": store_on_the_wire(store_id),
        "amount": request.money.minor,
        "invoice_id": request.order_reference,
        "callback_url": marked(request.callback_url, request.reference),
        "ofd": lines(request.items, total_minor=request.money.minor),
        "lang": request.lang if request.lang in terms.LANGUAGES else "ru",
    }
    if request.return_url:
        body["return_url"] = request.return_url
    if request.cancel_url:
        body["return_error_url"] = request.cancel_url
    if request.expires_at is not None:
        left = int((request.expires_at - now).total_seconds())
        body["ttl"] = max(terms.MIN_TTL_SECONDS, min(left, terms.MAX_TTL_SECONDS))
    return body


def partial_refund(request: RefundRequest, *, ps: str) -> dict[str, Any]:
    """`DELETE /payment/{uuid}/partial`. The lines of the new receipt are passed on as the merchant wants them."""
    if not request.items:
        raise Misconfigured("Multicard wants the lines of the new receipt (ofd)", processor_code="ofd")
    body: dict[str, Any] = {"refund_amount": request.money.minor, "ofd": lines(request.items, total_minor=None)}
    if request.card_pan:
        pan = re.sub(r"[ \-]", "", request.card_pan)
        if not CARD_PAN.fullmatch(pan):
            raise Misconfigured("the card's number has 16 to 19 digits (cardPan)", processor_code="cardPan")
        body["card_pan"] = pan
    elif ps.lower() in terms.WALLETS:
        raise Misconfigured(
            f"paid through {ps}: a part goes back to a card whose number is needed (cardPan)",
            processor_code="cardPan",
        )
    return body


def marked(callback_url: str, reference: str) -> str:
    """The callback address with the try's id in its query."""
    if not terms.MARKS_CALLBACK_URL:
        return callback_url
    parts = urlsplit(callback_url)
    mark = urlencode({terms.TRY_PARAMETER: reference})
    return urlunsplit(parts._replace(query=f"{parts.query}&{mark}" if parts.query else mark))


def lines(items: Sequence[Item], *, total_minor: int | None) -> list[dict[str, Any]]:
    """The fiscal lines as Multicard writes them. `total_minor` None: passed on as the merchant wants them."""
    if total_minor is not None:
        if not items and terms.NEEDS_ITEMS:
            raise Misconfigured("Multicard wants the lines of the receipt (ofd)", processor_code="ofd")
        if items and sum(item.total_minor for item in items) != total_minor:
            raise Misconfigured("the lines of the receipt (ofd) do not add up to the amount", processor_code="ofd")
    return [_line(item) for item in items]


def _line(item: Item) -> dict[str, Any]:
    line: dict[str, Any] = {
        "qty": item.quantity,
        "price": item.price_minor,
        "total": item.total_minor,
        "mxik": item.mxik,
        "package_code": item.package_code,
        "name": item.name,
    }
    if item.vat is not None:
        line["vat"] = item.vat
    if item.tin:
        line["tin"] = item.tin
    if item.marks:
        line["mark"] = list(item.marks)
    return line
