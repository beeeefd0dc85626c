"""The buyer's receipt at `/receipt/<code>`: what was paid, to be kept and printed.

Its address is a key of its own: whoever is shown the receipt cannot open the checkout.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from checkout import display, notifications, receipts, sellers, wording
from checkout.bought import Line, all_lines, what_of
from checkout.models import Order
from checkout.pages import language, site
from checkout.pages.answer import page, private
from checkout.pages.qr import qr_svg
from checkout.pages.sheet import size_of
from gateway.money import Money
from gateway.types import Mode

LONGEST_IN_A_CODE = 500  # more makes modules too small for a phone's camera


@require_safe
def show(request: HttpRequest, code: str) -> HttpResponse:
    try:
        receipt = receipts.find_receipt(code)
    except receipts.ReceiptNotFound:
        return private(site.error_page(request, "receipt", status=404))
    cookie = f"lang_{code[-8:]}"
    lang = language.chosen(request, cookie=cookie, wanted=receipt.order.lang)
    with translation.override(lang):
        paper = paper_of(receipt, lang, carried=language.carried(request))
    response = page(request, "checkout/receipt.html", {"paper": paper}, lang=lang)
    language.remember(request, response, cookie=cookie, path=request.path)
    return private(response)


@dataclass(frozen=True, slots=True)
class Return:
    amount: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Paper:
    """What the receipt shows. Amounts are formatted; an empty text is left out."""

    seller: str
    mark: str
    title: str
    heading: str
    tone: str
    is_test: bool
    amount: str
    amount_size: str
    currency: str
    paid_at: datetime
    method: str
    card: str
    what: str
    lines: list[Line]
    order_id: str
    sellers_number: str
    processors_number: str
    refunded: str
    kept: str
    returns: list[Return] = field(default_factory=list)
    processor_url: str = ""
    fiscal_url: str = ""
    fiscal_refund_url: str = ""
    fiscal_qr: SafeString | None = None
    support_email: str = ""
    address: str = ""  # for paper, which has no address bar
    story_url: str = ""


def paper_of(receipt: receipts.Receipt, lang: str, *, carried: str = "") -> Paper:
    """Called with the page's language active."""
    order, payment = receipt.order, receipt.payment
    assert order.paid_at is not None  # find_receipt: it is paid

    def money(minor: int) -> str:
        return display.money(Money(minor, order.currency), lang)

    seller = sellers.seller_name(order)
    amount = money(order.amount_minor)
    title, heading, tone = _state_of(order)
    fiscal = receipt.fiscal_url
    return Paper(
        seller=seller,
        mark=next((letter for letter in seller if letter.isalnum()), "•").upper(),
        title=title % {"amount": amount, "seller": seller},
        heading=heading,
        tone=tone,
        is_test=order.mode == Mode.TEST,
        amount=amount,
        amount_size=size_of(amount),
        currency=order.currency,
        paid_at=order.paid_at,
        method=wording.method_name(payment.method, payment.processor),
        card=receipt.card,
        what=what_of(order, lang),
        lines=all_lines(order, lang),
        order_id=str(order.pk),
        sellers_number=order.external_id,
        processors_number=receipts.number_of(payment),
        refunded=money(order.refunded_minor) if order.refunded_minor else "",
        kept=money(order.amount_minor - order.refunded_minor) if order.refunded_minor else "",
        returns=[
            Return(amount=money(refund.amount_minor), at=refund.settled_at or refund.created_at)
            for refund in receipt.refunds
        ],
        processor_url=receipt.processor_url,
        fiscal_url=fiscal,
        fiscal_refund_url=receipt.fiscal_refund_url,
        fiscal_qr=qr_svg(fiscal) if 0 < len(fiscal) <= LONGEST_IN_A_CODE else None,
        support_email=settings.SUPPORT_EMAIL,
        address=notifications.receipt_url(order),
        story_url=reverse("checkout:receipt-story", args=[order.receipt_code]) + carried,
    )


def _state_of(order: Order) -> tuple[str, str, str]:
    """(title with its placeholders, what the stamp says, its tone)"""
    if order.status == Order.Status.REFUNDED:
        return _("Receipt: %(amount)s, returned by %(seller)s"), _("Paid, and returned in full"), "info"
    if order.refunded_minor:
        return _("Receipt: %(amount)s, partly returned by %(seller)s"), _("Paid, and partly returned"), "ok"
    return _("Receipt: %(amount)s paid to %(seller)s"), _("Paid in full"), "ok"
