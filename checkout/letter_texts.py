"""What letters to payers say, in uz, ru or en: one content, written as HTML and as plain text.

Names come from callers and may be long or hold line breaks: here each becomes one line. Nothing in a letter opens
the checkout; the link is the receipt's own.
"""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Q, Sum
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from checkout import bought, display, notifications, receipts, sellers, siblings, wording
from checkout.models import Letter, Order, Payment, Refund
from gateway.money import Money
from gateway.types import Mode

NAME_IN_SUBJECT = 60
MOST_LINES = 30


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    html: str
    plain: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One row: `note` is said smaller below, `href` makes the value a link, `is_code` keeps it as it is."""

    label: str
    value: str
    note: str = ""
    href: str = ""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What both forms show. Amounts are formatted; an empty text is left out."""

    lang: str
    subject: str
    seller: str
    heading: str
    amount: str
    sentences: list[str]
    facts: list[Fact]
    lines: list[bought.Line] = field(default_factory=list)
    more_lines: str = ""
    receipt_url: str = ""
    is_test: bool = False
    support_email: str = ""
    order_id: str = ""


def text_of(letter: Letter) -> Text:
    """The letter in its own language; the same each time, as long as what it tells has not changed."""
    with translation.override(letter.lang or "en"):
        content = content_of(letter)
        return Text(
            subject=content.subject,
            html=render_to_string("email/receipt.html", {"letter": content}),
            plain=render_to_string("email/receipt.txt", {"letter": content}).strip() + "\n",
        )


def content_of(letter: Letter) -> Content:
    """Called with the letter's language active."""
    return _returned(letter, letter.refund) if letter.refund else _paid(letter)


def one_line(text: str) -> str:
    """Without line breaks and what else does not show, so that a name cannot add a header or a line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _paid(letter: Letter) -> Content:
    order, lang = letter.order, letter.lang
    payment = order.paid_by
    assert payment is not None and order.paid_at is not None  # letters.is_true: it is paid
    receipt = receipts.receipt_of(order, payment)
    seller, amount = _seller(order), display.money(order.money, lang)
    lines = bought.all_lines(order, lang)
    what = one_line(bought.what_of(order, lang))
    shown = lines if len(lines) > 1 or not what else []
    facts = [
        _what(what),
        Fact(_("Paid on"), display.moment(order.paid_at, lang, order.currency)),
        _how(payment, receipt.card),
        *_numbers(order),
        _link(_("Fiscal receipt"), receipt.fiscal_url),
    ]
    return Content(
        lang=lang,
        subject=_subject(order, _("Receipt: %(amount)s paid to %(seller)s"), amount, seller),
        seller=seller,
        heading=_("Paid. Thank you!"),
        amount=amount,
        sentences=[_("You paid %(amount)s to %(seller)s.") % {"amount": amount, "seller": seller}],
        facts=[fact for fact in facts if fact.value],
        lines=shown[:MOST_LINES],
        more_lines=_("All items are on the receipt.") if len(shown) > MOST_LINES else "",
        receipt_url=notifications.receipt_url(order),
        **_frame(order),
    )


def _returned(letter: Letter, refund: Refund) -> Content:
    order, payment, lang = letter.order, refund.payment, letter.lang
    receipt = receipts.receipt_of(order, payment)
    names = {"amount": display.money(refund.money, lang), "seller": _seller(order)}
    names["method"] = wording.method_name(payment.method, payment.processor)
    paid_it = order.paid_by_id == payment.pk
    before = _returned_until(refund)
    is_all = paid_it and before >= order.amount_minor
    at = refund.settled_at or refund.created_at
    facts = [
        Fact(pgettext("money", "Returned"), names["amount"], note=display.moment(at, lang, order.currency)),
        *(_what_is_left(order, refund, before, lang) if paid_it else []),
        _what(one_line(bought.what_of(order, lang))),
        _how(payment, receipt.card),
        *_numbers(order),
        _link(_("Fiscal receipt"), receipt.fiscal_refund_url),
    ]
    if is_all:
        heading = _("Your payment was returned")
    elif paid_it:
        heading = _("Part of your payment was returned")
    else:
        heading = _("A payment was returned")
    return Content(
        lang=lang,
        subject=_subject(order, _("Returned: %(amount)s from %(seller)s"), names["amount"], names["seller"]),
        seller=names["seller"],
        heading=heading,
        amount=names["amount"],
        sentences=[_why_returned(order, paid_it=paid_it) % names, _until_it_shows(receipt.card) % names],
        facts=[fact for fact in facts if fact.value],
        receipt_url=notifications.receipt_url(order) if order.status in siblings.PAID else "",
        **_frame(order),
    )


def _why_returned(order: Order, *, paid_it: bool) -> str:
    if paid_it:
        return _("%(seller)s sent %(amount)s back to you.")
    if order.status in siblings.PAID:
        return _("Your order with %(seller)s had been paid already, so this payment was sent back to you: %(amount)s.")
    return _("A payment could not be counted for your order with %(seller)s, so it was sent back to you: %(amount)s.")


def _until_it_shows(card: str) -> str:
    if card:
        return _("It can take a few days until it is on your card.")
    return _("It can take a few days until %(method)s shows it.")


def _returned_until(refund: Refund) -> int:
    """Minor units of this payment that had gone back with this refund: a later one is told by its own letter."""
    before = Q(settled_at__lt=refund.settled_at) | Q(settled_at=refund.settled_at, id__lte=refund.pk)
    done = Refund.objects.filter(before, payment=refund.payment_id, status=Refund.Status.SUCCEEDED)
    return int(done.aggregate(total=Sum("amount_minor"))["total"] or 0)


def _what_is_left(order: Order, refund: Refund, before: int, lang: str) -> list[Fact]:
    in_all = display.money(Money(before, order.currency), lang)
    left = display.money(Money(max(0, order.amount_minor - before), order.currency), lang)
    return [
        Fact(_("Paid"), display.money(order.money, lang), note=_when(order, lang)),
        Fact(_("Returned in all"), in_all if before != refund.amount_minor else ""),
        Fact(_("Left after returns"), left),
    ]


def _when(order: Order, lang: str) -> str:
    return display.moment(order.paid_at, lang, order.currency) if order.paid_at else ""


def _seller(order: Order) -> str:
    return one_line(sellers.seller_name(order)) or sellers.HOUSE_NAME


def _subject(order: Order, sentence: str, amount: str, seller: str) -> str:
    name = seller if len(seller) <= NAME_IN_SUBJECT else seller[: NAME_IN_SUBJECT - 1].rstrip() + "…"
    said = sentence % {"amount": amount, "seller": name}
    mark = _("Test payment") if order.mode == Mode.TEST else ""
    return one_line(f"[{mark}] {said}" if mark else said)


def _what(text: str) -> Fact:
    return Fact(pgettext("what is bought", "For"), text)


def _how(payment: Payment, card: str) -> Fact:
    return Fact(_("Paid with"), wording.method_name(payment.method, payment.processor), note=card)


def _numbers(order: Order) -> list[Fact]:
    return [
        Fact(pgettext("number", "Order"), str(order.pk), is_code=True),
        Fact(_("The seller’s number"), one_line(order.external_id), is_code=True),
    ]


def _link(label: str, address: str) -> Fact:
    return Fact(label, address, href=address)


def _frame(order: Order) -> dict[str, Any]:
    return {
        "is_test": order.mode == Mode.TEST,
        "support_email": settings.SUPPORT_EMAIL,
        "order_id": str(order.pk),
    }
