"""What a buyer's receipt tells: what was paid, how, what of it went back, and where the fiscal receipt is."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from checkout import siblings
from checkout.errors import CheckoutError
from checkout.models import Order, Payment, ProcessorTransaction, Refund

_CODE = re.compile(r"rcp_[0-9a-f]{32}\Z")
MAX_URL = 2000
# Processors write card systems in many ways (uzcard, VISA_DOMESTIC, UZUM_DEBIT_VISA): the brand is somewhere in it.
_BRANDS = {
    "uzcard": "Uzcard", "humo": "Humo", "visa": "Visa", "mastercard": "Mastercard", "unionpay": "UnionPay",
    "mir": "Mir", "payme": "Payme", "click": "Click", "uzum": "Uzum Bank",
}  # fmt: skip


class ReceiptNotFound(CheckoutError):
    """Receipt not found"""

    code = "RECEIPT_NOT_FOUND"
    status = 404


@dataclass(frozen=True, slots=True)
class Receipt:
    """A paid order as its receipt shows it. Addresses are web addresses or empty; `card` is masked or empty."""

    order: Order
    payment: Payment
    refunds: list[Refund]  # those that succeeded, the oldest first
    card: str = ""
    processor_url: str = ""  # the processor's own receipt
    fiscal_url: str = ""
    fiscal_refund_url: str = ""


def number_of(payment: Payment) -> str:
    """By what its processor finds the payment: what took the money, else what was opened for it.

    Never a token of Secure Processor: with it the address of its return leads to the checkout, which the receipt's
    reader was not given.
    """
    return payment.capture_ref or ("" if payment.processor == "secure_processor" else payment.processor_ref)


def find_receipt(code: str) -> Receipt:
    """The receipt behind its address. ReceiptNotFound, also for an order that is not paid."""
    order = None
    if _CODE.match(code):
        paid = Order.objects.select_related("provider", "paid_by").filter(status__in=siblings.PAID)
        order = paid.filter(receipt_code=code).first()
    if order is None or order.paid_by is None:
        raise ReceiptNotFound()
    return receipt_of(order, order.paid_by)


def receipt_of(order: Order, payment: Payment) -> Receipt:
    """The receipt of `order`, which `payment` paid."""
    refunds = payment.refunds.filter(status=Refund.Status.SUCCEEDED).order_by("settled_at", "created_at", "id")
    details = payment.processor_data
    fiscal, fiscal_refund = _fiscal_urls(payment)
    return Receipt(
        order=order,
        payment=payment,
        refunds=list(refunds) if order.refunded_minor else [],
        card=card_of(str(details.get("card_pan", "")), str(details.get("payment_system", ""))),
        processor_url=_address(details.get("receipt_url"), ("https",)),
        fiscal_url=fiscal,
        fiscal_refund_url=fiscal_refund,
    )


def card_of(pan: str, system: str) -> str:
    """`Uzcard •••• 5959`: the system where its name is known, the last four digits where they are told."""
    brand = next((name for word, name in _BRANDS.items() if word in system.lower()), "")
    end = re.search(r"[*•xX.].*?(\d{4})\Z", re.sub(r"[ \-]", "", pan))  # what hides nothing is not shown at all
    return " ".join(part for part in (brand, f"•••• {end[1]}" if end else "") if part)


def _fiscal_urls(payment: Payment) -> tuple[str, str]:
    """(of the payment, of its return), as the processor or its own fiscal operator told them."""
    told = payment.processor_data.get("fiscal_url") or payment.processor_data.get("fiscal_qr")
    # Only processors that ask first have transactions of their own; their fiscal data comes with those.
    kept = ProcessorTransaction.objects.filter(payment=payment).exclude(fiscal={}).values_list("fiscal", flat=True)
    fiscal = kept.order_by("-id").first() or {}
    # The tax service prints plain http on some receipts: it is a public page, and a code that must be scannable.
    schemes = ("https", "http")
    return (
        _address(told or _qr_code_url(fiscal, "PERFORM"), schemes),
        _address(_qr_code_url(fiscal, "CANCEL"), schemes),
    )


def _qr_code_url(fiscal: object, kind: str) -> object:
    data = fiscal.get(kind) if isinstance(fiscal, dict) else None
    return data.get("qr_code_url") if isinstance(data, dict) else None


def _address(value: object, schemes: tuple[str, ...]) -> str:
    """The address, if it is one that a link may lead to."""
    if not isinstance(value, str) or len(value) > MAX_URL or not value.isprintable() or " " in value:
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in schemes and parts.hostname else ""
