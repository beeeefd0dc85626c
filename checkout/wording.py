"""What the hosted checkout says in each state: what happened, whether money moved, what to do next.

English is the key of the catalogues in `locale/`; Uzbek and Russian are written there, not translated word by
word. Nothing here shows a processor's code: refusals are told by the adapter's advice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from checkout import display
from checkout.statuses import PageState
from gateway import registry
from gateway.types import DeclineAdvice

_METHODS = {"cashapp": "Cash App"}  # brands: the same in every language
# What stands below a button, where several are offered.
_HINTS = {
    "razorpay": gettext_noop("UPI, card or net banking"),
    "secure_processor": "Visa, Mastercard",
    "stripe": "Visa, Mastercard, Amex",
    "payme": gettext_noop("In the app or by card"),
    "click": gettext_noop("In the app or by card"),
    "uzum": gettext_noop("In the app: by QR code or order number"),
    "multicard": "Uzcard, Humo, Visa",
}
_CARDS = {
    ("multicard", ""),
    ("secure_processor", ""),
    ("stripe", "card"),
}  # buyers choose "a card" and never heard of who runs the page


class Notice(StrEnum):
    """Why a button did not do what the buyer wanted; shown once, in the answer to it."""

    TROUBLE = "trouble"
    SELLER = "seller"
    UNDER_WAY = "under_way"
    NOT_OFFERED = "not_offered"
    NOT_CANCELLED = "not_cancelled"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Words:
    """One message. `tone` is ok, bad, wait, info or none; the icon follows it."""

    title: str
    heading: str
    tone: str
    happened: str = ""
    money: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sentences are about. Amounts are formatted already."""

    seller: str
    method: str
    amount: str
    refunded: str = ""
    advice: str = ""
    is_partly_refunded: bool = False
    can_try_again: bool = True
    can_be_paid: bool = True  # a way to pay is there
    has_choice: bool = False  # several are
    is_app: bool = True  # the buyer approves in an app, not on a page
    is_wallet: bool = False  # on either, as the buyer's machine opens it
    is_card: bool = False  # on a page where a card's number is entered
    is_in_app: bool = False  # the buyer finds the order in an app by its number
    is_found: bool = False  # the processor has found the order and begun: money may be on its way
    minutes: int = 0  # how long it waits
    is_paid_elsewhere: bool = False  # the same thing was paid under another link
    surplus: str = ""  # was taken, pays nothing and is not back yet


def method_name(method: str, processor: str) -> str:
    """What buyers call it. A processor that is not built in (any more) is named by its slug."""
    entry = registry.PROCESSORS.get(processor)
    return _METHODS.get(method) or (entry.name if entry else processor)


@dataclass(frozen=True, slots=True)
class Button:
    """A way to pay: its name and hint among others, and what it says when it is the only one."""

    name: str
    hint: str
    label: str


def button(method: str, processor: str) -> Button:
    name = method_name(method, processor)
    hint = _(_HINTS[processor]) if processor in _HINTS and method in ("", "card") else ""
    if is_card(processor, method):
        return Button(name=_("Bank card"), hint=hint, label=_("Pay by card"))
    return Button(name=name, hint=hint, label=_("Pay with %(method)s") % {"method": name})


def is_card(processor: str, method: str = "") -> bool:
    return (processor, method) in _CARDS


def and_more(count: int, lang: str) -> str:
    """Of lines that are not shown; an empty text where there are none."""
    return _("and %(count)s more") % {"count": display.number(count, lang)} if count > 0 else ""


# --- the states ---------------------------------------------------------------------------------------------------


def of_state(state: PageState, facts: Facts) -> Words:
    words = _STATES[state](facts)
    return _with_surplus(words, state, facts) if facts.surplus else words


def _with_surplus(words: Words, state: PageState, facts: Facts) -> Words:
    """Beside money that was taken and pays nothing, no other sentence says where the money is."""
    money = _("%(amount)s was taken that pays nothing here. It is to be sent back to you.") % {"amount": facts.surplus}
    is_paid = state in (PageState.PAID, PageState.REFUNDED)
    return replace(
        words,
        tone="wait" if words.tone in ("none", "bad") else words.tone,
        money=f"{words.money} {money}" if is_paid else money,
        next_step=words.next_step if is_paid or state == PageState.CHECKING else "",
    )


def _ready(facts: Facts) -> Words:
    title = _("Pay %(amount)s to %(seller)s") % _names(facts)
    if facts.can_be_paid:
        heading = _("How would you like to pay?") if facts.has_choice else _("Ready to pay")
        return Words(title=title, heading=heading, tone="none")
    return Words(
        title=title,
        heading=_("This order cannot be paid right now"),
        tone="wait",
        money=_("No money was taken."),
        next_step=_("Please try again in a few minutes, or ask %(seller)s for another way to pay.") % _names(facts),
    )


def _waiting(facts: Facts) -> Words:
    if facts.is_in_app:
        return _waiting_in_app(facts)
    if facts.is_wallet:
        return Words(
            title=_("Waiting for your payment"),
            heading=_("Finish the payment in %(method)s") % _names(facts),
            tone="info",
            happened=_("%(method)s has begun the payment. This page updates by itself.") % _names(facts)
            if facts.is_found
            else _("Its page or its app may be open already. This page updates by itself."),
            money=_maybe_confirmed() if facts.is_found else _("No money has been taken yet."),
        )
    if not facts.is_app:
        return Words(
            title=_("Waiting for your payment"),
            heading=_("Finish the payment on the page of %(method)s") % _names(facts),
            tone="info",
            happened=_("That page may be open in another tab. This one updates by itself."),
            money=_("No money has been taken yet."),
        )
    return Words(
        title=_("Waiting for your approval"),
        heading=_("Approve the payment in %(method)s") % _names(facts),
        tone="info",
        happened=_("Its page is open in another tab or in the app. This page updates by itself."),
        money=_("No money has been taken yet."),
    )


def _waiting_in_app(facts: Facts) -> Words:
    if facts.is_found:
        return Words(
            title=_("Waiting for your approval"),
            heading=_("Confirm the payment in the %(method)s app") % _names(facts),
            tone="info",
            happened=_("The app has found your order. This page updates by itself."),
            money=_maybe_confirmed(),
            next_step=_(
                "Confirm within %(minutes)s minutes. After that it cannot be paid, and you can start again here."
            )
            % _names(facts),
        )
    return Words(
        title=_("Waiting for your payment"),
        heading=_("Pay in the %(method)s app") % _names(facts),
        tone="info",
        happened=_("This page updates by itself as soon as the app tells us."),
        money=_("No money has been taken yet."),
    )


def _maybe_confirmed() -> str:
    """Uzum and Click debit before they ask us to complete: "no money was taken" would not always be true here."""
    return _("Confirmed already? Then do not pay again: the answer is on its way.")


def _processing(facts: Facts) -> Words:
    return Words(
        title=_("Payment in progress"),
        heading=_("Your payment is in progress"),
        tone="info",
        happened=_("%(method)s is working on it. It usually takes less than a minute.") % _names(facts),
        money=_("It is not decided yet: do not pay again."),
        next_step=_("You can close this page. The link keeps working, and you will see the outcome here."),
    )


def _checking(facts: Facts) -> Words:
    return Words(
        title=_("Being checked"),
        heading=_("Your payment is being checked"),
        tone="wait",
        happened=_("%(method)s has not given us a clear answer yet. Do not pay again.") % _names(facts),
        money=_("If money was taken, the payment will go through or the money will be returned."),
        next_step=_("It usually takes a minute or two. You can close this page: the answer will be here."),
    )


def _paid(facts: Facts) -> Words:
    if facts.is_partly_refunded:
        return Words(
            title=_("Partly returned: %(refunded)s") % _names(facts),
            heading=_("Part of your payment was returned"),
            tone="ok",
            money=_("You paid %(amount)s; %(refunded)s of it was sent back to you.") % _names(facts),
            next_step=_until_it_shows(facts),
        )
    return Words(
        title=_("Paid: %(amount)s to %(seller)s") % _names(facts),
        heading=_("Paid. Thank you!"),
        tone="ok",
        money=_("You paid %(amount)s to %(seller)s.") % _names(facts),
    )


def _refunded(facts: Facts) -> Words:
    return Words(
        title=_("Returned: %(amount)s") % _names(facts),
        heading=_("Your payment was returned"),
        tone="info",
        money=_("All of it, %(amount)s, was sent back to you.") % _names(facts),
        next_step=_until_it_shows(facts),
    )


def _until_it_shows(facts: Facts) -> str:
    if facts.is_card:
        return _("It can take a few days until it is on your card.")
    return _("It can take a few days until %(method)s shows it.") % _names(facts)


def _failed(facts: Facts) -> Words:
    happened, next_step = _advice(facts)
    if not facts.can_try_again:
        next_step = _("The time to pay for this order is over. If you still want to buy, order again.")
    return Words(
        title=_("Not paid"),
        heading=_("The payment did not go through"),
        tone="bad",
        happened=happened,
        money=_("No money was taken."),
        next_step=next_step,
    )


def _cancelled(facts: Facts) -> Words:
    if facts.is_paid_elsewhere:
        return Words(
            title=_("Paid already"),
            heading=_("This was paid already"),
            tone="ok",
            happened=_("It was paid through another link, so this one was closed."),
            money=_("No money was taken here."),
            next_step=_("There is nothing left to pay."),
        )
    return Words(
        title=_("Order cancelled"),
        heading=_("This order was cancelled"),
        tone="none",
        money=_("No money was taken."),
        next_step=_("If you change your mind, place a new order with %(seller)s.") % _names(facts),
    )


def _expired(facts: Facts) -> Words:
    return Words(
        title=_("Time is up"),
        heading=_("The time to pay for this order is over"),
        tone="none",
        money=_("No money was taken."),
        next_step=_("If you still want to buy, place a new order with %(seller)s.") % _names(facts),
    )


_STATES = {
    PageState.READY: _ready,
    PageState.WAITING: _waiting,
    PageState.PROCESSING: _processing,
    PageState.CHECKING: _checking,
    PageState.PAID: _paid,
    PageState.REFUNDED: _refunded,
    PageState.FAILED: _failed,
    PageState.CANCELLED: _cancelled,
    PageState.EXPIRED: _expired,
}


# --- refusals -----------------------------------------------------------------------------------------------------

_ADVICE = {
    DeclineAdvice.TRY_AGAIN: (
        gettext_noop("%(method)s declined it."),
        gettext_noop("You can try again."),
    ),
    DeclineAdvice.NOT_ENOUGH_MONEY: (
        gettext_noop("%(method)s declined it: there was not enough money."),
        gettext_noop("Add money there, then try again."),
    ),
    DeclineAdvice.OTHER_METHOD: (
        gettext_noop("%(method)s does not allow this payment from the account you used."),
        gettext_noop("Try again with another account or card."),
    ),
    DeclineAdvice.CALL_BANK: (
        gettext_noop("%(method)s declined it and did not say why."),
        gettext_noop("Ask your bank or the support of %(method)s what is wrong, then try again."),
    ),
    DeclineAdvice.CANCELLED_BY_BUYER: (
        gettext_noop("You cancelled it in %(method)s."),
        gettext_noop("If that was a mistake, just try again."),
    ),
    DeclineAdvice.TIMED_OUT: (
        gettext_noop("It was not approved in %(method)s in time."),
        gettext_noop("Try again and approve it within a few minutes."),
    ),
}


def _advice(facts: Facts) -> tuple[str, str]:
    """(what happened, what to do). Advice that is not in the table, or none, reads like a plain refusal."""
    happened, next_step = _advice_known_as(facts.advice)
    return _(happened) % _names(facts), _(next_step) % _names(facts)


def refusal(advice: str, method: str) -> str:
    """What happened to a refused try, in one sentence."""
    return _(_advice_known_as(advice)[0]) % {"method": method}


def _advice_known_as(text: str) -> tuple[str, str]:
    known = {advice.value: advice for advice in _ADVICE}
    return _ADVICE[known.get(text, DeclineAdvice.TRY_AGAIN)]


# --- notices ------------------------------------------------------------------------------------------------------


def of_notice(notice: Notice, facts: Facts) -> Words:
    title, heading, money, next_step = _NOTICES[notice]
    if notice is Notice.SELLER and facts.can_be_paid:  # in another way
        heading, next_step = _NOTICES[Notice.NOT_OFFERED][1], gettext_noop("Please choose another way to pay.")
    names = _names(facts)
    return Words(
        title=_(title) % names,
        heading=_(heading) % names,
        tone="wait",
        money=_(money) % names,
        next_step=_(next_step) % names if next_step else "",  # gettext of nothing is a catalogue's header
    )


_NOTHING_CHARGED = gettext_noop("Nothing was charged.")
_NOTICES = {
    Notice.TROUBLE: (
        gettext_noop("Please try again"),
        gettext_noop("%(method)s cannot be reached right now"),
        _NOTHING_CHARGED,
        gettext_noop("Please try again in a minute."),
    ),
    Notice.SELLER: (
        gettext_noop("Not paid"),
        gettext_noop("This seller cannot take payments at the moment"),
        _NOTHING_CHARGED,
        "",
    ),
    Notice.UNDER_WAY: (
        gettext_noop("Payment in progress"),
        gettext_noop("This order is being paid already"),
        gettext_noop("So that you do not pay twice, no second payment was started."),
        gettext_noop("It was started a moment ago, perhaps in another tab. You will see here how it ends."),
    ),
    Notice.NOT_OFFERED: (
        gettext_noop("Please try again"),
        gettext_noop("%(method)s cannot be used right now"),
        _NOTHING_CHARGED,
        gettext_noop("Please try again in a few minutes, or ask %(seller)s for another way to pay."),
    ),
    Notice.NOT_CANCELLED: (
        gettext_noop("Not cancelled yet"),
        gettext_noop("The order could not be cancelled"),
        gettext_noop("Your payment may still go through: it is being checked."),
        gettext_noop("You will see here how it ends. Please do not pay again."),
    ),
    Notice.TOO_MANY: (
        gettext_noop("Please wait"),
        gettext_noop("That was a little fast"),
        _NOTHING_CHARGED,
        gettext_noop("Please try again in a minute."),
    ),
}


def _names(facts: Facts) -> Mapping[str, str]:
    return {
        "seller": facts.seller,
        "method": facts.method,
        "amount": facts.amount,
        "refunded": facts.refunded,
        "minutes": str(facts.minutes),
    }


# --- refusals to open a page --------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[object, object, object]] = {  # what → (heading, what it means, what to do)
    "order": (
        gettext_lazy("There is no such order"),
        gettext_lazy("Nothing was charged."),
        gettext_lazy("Check that the link is complete, or open it again from the seller’s page."),
    ),
    "receipt": (
        gettext_lazy("There is no such receipt"),
        gettext_lazy("A receipt is here once the order has been paid."),
        gettext_lazy("Check that the link is complete, or open it again from the order’s page."),
    ),
    "service": (
        gettext_lazy("This is not for sale"),
        gettext_lazy("Nothing was charged."),
        gettext_lazy("The link may be old. Ask the seller for a new one."),
    ),
    "400": (
        gettext_lazy("We could not read this request"),
        gettext_lazy("Nothing was changed."),
        gettext_lazy("Go back and try again."),
    ),
    "403": (
        gettext_lazy("This is not allowed"),
        gettext_lazy("Nothing was changed."),
        gettext_lazy("Go back, load the page again and try once more."),
    ),
    "404": (
        gettext_lazy("There is no such page"),
        gettext_lazy("Nothing was changed."),
        gettext_lazy("Check the address, or start from the first page."),
    ),
    "413": (
        gettext_lazy("That is too much"),
        gettext_lazy("Nothing was changed."),
        gettext_lazy("What was sent is larger than what is accepted here."),
    ),
    "500": (
        gettext_lazy("Something broke on our side"),
        gettext_lazy("If you were paying, do not pay again before you have looked at your order’s page."),
        gettext_lazy("We have been told about it. Please try again in a minute."),
    ),
}
