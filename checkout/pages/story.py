"""Where is my money? Under the checkout's address and under the receipt's: who said what and when, and what is next.

Each address is a key of its own: what is opened by the receipt's leads back to the receipt and never to the checkout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_safe

from checkout import display, receipts, wording
from checkout.models import Order, Payment
from checkout.pages import language, site
from checkout.pages.answer import page, private
from checkout.pages.hosted import ask_soon, of_order
from checkout.pages.sheet import Look, Sheet, look_at, sheet_of
from checkout.story import Ahead, Outlook, Says, Step, story_of
from gateway.money import Money

RELOAD_SECONDS = 15


@require_safe
@of_order
def show(request: HttpRequest, order: Order) -> HttpResponse:
    path = reverse("checkout:story", args=[order.token])
    cookie = f"lang_{order.token[-8:]}"
    back = reverse("checkout:order", args=[order.token])
    return _page(request, order, cookie=cookie, path=path, back=back, is_by_receipt=False)


@require_safe
def show_by_receipt(request: HttpRequest, code: str) -> HttpResponse:
    try:
        order = receipts.find_receipt(code).order
    except receipts.ReceiptNotFound:
        return private(site.error_page(request, "receipt", status=404))
    path = reverse("checkout:receipt-story", args=[code])
    back = reverse("checkout:receipt", args=[code])
    return private(_page(request, order, cookie=f"lang_{code[-8:]}", path=path, back=back, is_by_receipt=True))


def _page(
    request: HttpRequest, order: Order, *, cookie: str, path: str, back: str, is_by_receipt: bool
) -> HttpResponse:
    now = timezone.now()
    look = look_at(order, now=now)
    ask_soon(look)
    lang = language.chosen(request, cookie=cookie, wanted=order.lang)
    with translation.override(lang):
        told = _told(look, request=request, back=back, path=path, is_by_receipt=is_by_receipt, lang=lang, now=now)
    response = page(request, "checkout/story.html", {"told": told}, lang=lang)
    # One choice for the page and what it lies under.
    language.remember(request, response, cookie=cookie, path=back)
    return response


@dataclass(frozen=True, slots=True)
class Line:
    """One step: a moment and a sentence."""

    at: datetime
    says: str


@dataclass(frozen=True, slots=True)
class Contact:
    who: str
    about: str
    number: str = ""  # by which they find the payment
    email: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What the page shows. Sentences are whole and in the page's language; an empty text is left out."""

    words: wording.Words
    is_test: bool
    is_moving: bool
    seller: str
    mark: str
    amount: str
    amount_size: str
    what: str
    currency: str
    order_id: str
    sellers_number: str
    lines: list[Line]
    ahead: list[str]
    contacts: list[Contact]
    here: str
    back_url: str
    back_is_receipt: bool
    receipt_url: str
    support_email: str
    reload_seconds: int
    # for the page's script, where the address is the checkout's
    state: str = ""
    version: str = ""
    status_url: str = ""
    is_final: bool = True
    may_ask_for_money: bool = field(default=True)


def _told(
    look: Look, *, request: HttpRequest, back: str, path: str, is_by_receipt: bool, lang: str, now: datetime
) -> Told:
    order = look.order
    sheet = sheet_of(look, request=request, notice=None, lang=lang, now=now)
    story = story_of(order, look.payments, look.state, now=now)
    carried = language.carried(request) if is_by_receipt else sheet.carried
    speaker = _Speaker(seller=sheet.seller, lang=lang, currency=order.currency)
    words = _words(sheet)
    return Told(
        words=words,
        is_test=sheet.is_test,
        is_moving=sheet.is_moving,
        seller=sheet.seller,
        mark=sheet.mark,
        amount=sheet.amount,
        amount_size=sheet.amount_size,
        what=sheet.what,
        currency=order.currency,
        order_id=sheet.order_id,
        sellers_number=order.external_id,
        lines=[Line(at=step.at, says=speaker.of_step(step)) for step in story.steps],
        ahead=[*filter(None, [words.next_step]), *(speaker.of_outlook(outlook) for outlook in story.ahead)],
        contacts=_contacts(sheet, look, speaker),
        here=path + carried,
        back_url=back + carried,
        back_is_receipt=is_by_receipt,
        receipt_url="" if is_by_receipt else sheet.receipt_url,
        support_email=sheet.support_email,
        reload_seconds=0 if look.state.is_final else RELOAD_SECONDS,
        state=look.state,
        version=look.version,
        status_url="" if is_by_receipt else sheet.status_url,
        is_final=look.state.is_final,
    )


def _words(sheet: Sheet) -> wording.Words:
    """The words of the checkout's page, and of money in any case: what is there to be paid does not speak of it."""
    return sheet.words if sheet.words.money else replace(sheet.words, money=_("No money was taken."))


def _contacts(sheet: Sheet, look: Look, speaker: "_Speaker") -> list[Contact]:
    found = [
        Contact(
            who=sheet.seller,
            about=_("About what you bought: when it comes, whether it can be given back, and returns of money."),
            number=look.order.external_id,
        )
    ]
    payment = look.payment
    if payment is not None:
        found.append(
            Contact(
                who=speaker.method(payment),
                about=_("About money on your card or in the app: what was held, taken or sent back there."),
                number=receipts.number_of(payment),
            )
        )
    if sheet.support_email:
        found.append(
            Contact(
                who=_("Us, who run this page"),
                about=_("When what you see here does not fit what you see there."),
                number=sheet.order_id,
                email=sheet.support_email,
            )
        )
    return found


# --- the sentences ------------------------------------------------------------------------------------------------

_STEPS: Mapping[Says, str] = {
    Says.OPENED: gettext_noop("An order for %(amount)s was opened at %(seller)s."),
    Says.OPENED_AGAIN: gettext_noop("The order was opened again."),
    Says.STARTED: gettext_noop("A payment with %(method)s was begun."),
    Says.WAITED: gettext_noop("%(method)s was waiting for the buyer’s word. No money had been taken."),
    Says.RESERVED: gettext_noop("%(method)s found the order and asked whether it can be paid. We said yes."),
    Says.WORKED: gettext_noop("%(method)s said that it was working on the payment. Nothing was decided yet."),
    Says.HELD: gettext_noop("%(method)s said that the money is held for this order, and not taken yet."),
    Says.UNCLEAR: gettext_noop("%(method)s gave no clear answer. We began to ask it again and again."),
    Says.REVIEWED: gettext_noop("%(method)s reported something that does not fit this order. Our people look at it."),
    Says.ACCEPTED: gettext_noop("Our people looked at it and counted it as the payment of this order."),
    Says.TO_BE_RETURNED: gettext_noop("Our people looked at it and decided that the money goes back."),
    Says.ENDED: gettext_noop("The payment with %(method)s was ended. It can no longer pay this order."),
    Says.OUT_OF_TIME: gettext_noop("The time to confirm in %(method)s was over, so that payment was ended."),
    Says.NOT_STARTED: gettext_noop("The payment with %(method)s could not be started. Nothing was charged."),
    Says.PAID: gettext_noop("%(method)s confirmed that %(amount)s has arrived. The order is paid."),
    Says.PAID_LATE: gettext_noop(
        "%(method)s confirmed that %(amount)s has arrived, although the order had been closed before. Money that "
        "arrived counts: the order is paid."
    ),
    Says.PAID_TWICE: gettext_noop(
        "%(method)s confirmed %(amount)s once more. It pays nothing here, so it is to be sent back."
    ),
    Says.CANCELLED_HERE: gettext_noop("The order was cancelled on its page."),
    Says.CANCELLED_BY_SELLER: gettext_noop("%(seller)s cancelled the order."),
    Says.PAID_ELSEWHERE: gettext_noop("The same thing was paid through another link, so this order was closed."),
    Says.CLOSED: gettext_noop("The order was closed."),
    Says.EXPIRED: gettext_noop("The time to pay was over, so the order was closed."),
    Says.RETURN_ASKED: gettext_noop("It was asked to send %(amount)s back."),
    Says.RETURN_ASKED_BY_SELLER: gettext_noop("%(seller)s asked to send %(amount)s back."),
    Says.RETURN_BY_RULE: gettext_noop("The order had been closed before, so %(amount)s is sent back by itself."),
    Says.RETURN_UNDER_WAY: gettext_noop("%(method)s accepted the return of %(amount)s and began to work on it."),
    Says.RETURNED: gettext_noop("%(method)s confirmed that %(amount)s was sent back."),
    Says.RETURN_FAILED: gettext_noop("%(method)s did not carry out the return of %(amount)s."),
    Says.RETURN_CAME_BACK: gettext_noop("%(method)s reported that the return of %(amount)s came back from the bank."),
    Says.RETURN_STRANGE: gettext_noop("%(method)s reported a return that we do not know of. Our people look at it."),
    Says.DISPUTED: gettext_noop("The buyer’s bank contested the payment."),
    Says.DISPUTE_OVER: gettext_noop("The bank closed its question about the payment."),
    Says.TOLD_PAID: gettext_noop("%(seller)s was told that the order is paid."),
    Says.TOLD_REFUSED: gettext_noop("%(seller)s was told that a payment was refused."),
    Says.TOLD_RETURNED: gettext_noop("%(seller)s was told about the return."),
    Says.TOLD_CLOSED: gettext_noop("%(seller)s was told that the order was closed."),
}
_AHEAD: Mapping[Ahead, str] = {
    Ahead.PAY_BY: gettext_noop("This order can be paid until %(time)s."),
    Ahead.CONFIRM_BY: gettext_noop(
        "%(method)s keeps the order until %(time)s. If you have confirmed there, do not pay again: the answer is on "
        "its way."
    ),
    Ahead.WE_ASK: gettext_noop("We last asked %(method)s at %(time)s, and ask again by ourselves until we know."),
    Ahead.WE_ASK_SOON: gettext_noop("We ask %(method)s by ourselves until we know."),
    Ahead.PEOPLE_CHECK: gettext_noop(
        "Our people compare what %(method)s reported with the order. What was taken either counts or goes back to you."
    ),
    Ahead.SECOND_GOES_BACK: gettext_noop(
        "%(amount)s that %(method)s took pays nothing here. Our people see it; it is to be sent back to you."
    ),
    Ahead.RETURN_ON_ITS_WAY: gettext_noop("%(amount)s is on its way back. %(method)s has not finished it yet."),
    Ahead.RETURN_NOT_DONE: gettext_noop(
        "The return of %(amount)s did not work, so that money has not gone back. Ask %(seller)s what happens now."
    ),
    Ahead.DISPUTE_DECIDES: gettext_noop("Your bank contested the payment: until it decides, nothing else is returned."),
    Ahead.PROCESSOR_GIVES_BACK: gettext_noop(
        "If %(method)s took money for the payment that was ended, it gives it back by itself."
    ),
    Ahead.SELLER_DELIVERS: gettext_noop("What you paid for comes from %(seller)s. If it does not, ask there."),
    Ahead.SELLER_WAS_TOLD: gettext_noop("%(seller)s was told the latest at %(time)s."),
    Ahead.SELLER_NOT_REACHED: gettext_noop(
        "We could not tell %(seller)s the latest yet, and keep trying. It changes nothing about your money."
    ),
}


@dataclass(frozen=True, slots=True)
class _Speaker:
    """Puts names, amounts and times into the sentences of the page's language."""

    seller: str
    lang: str
    currency: str

    def money(self, money: Money | None) -> str:
        return display.money(money, self.lang) if money else ""

    def method(self, payment: Payment | None) -> str:
        return wording.method_name(payment.method, payment.processor) if payment else _("The processor")

    def of_step(self, step: Step) -> str:
        if step.says == Says.REFUSED:
            return wording.refusal(step.advice, self.method(step.payment))
        return _(_STEPS[step.says]) % self._names(step.payment, step.money, step.at)

    def of_outlook(self, outlook: Outlook) -> str:
        return _(_AHEAD[outlook.says]) % self._names(outlook.payment, outlook.money, outlook.at)

    def _names(self, payment: Payment | None, money: Money | None, at: datetime | None) -> dict[str, str]:
        return {
            "seller": self.seller,
            "method": self.method(payment),
            "amount": self.money(money),
            "time": display.moment(at, self.lang, self.currency) if at else "",
        }
