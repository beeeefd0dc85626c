"""The buyer's side: the page behind the link, the choice, and the way back to the shop.

`<lab>/payme/<base64 of m=…;ac.order_id=…;a=…;l=…;c=…>`, standard alphabet with padding. One form with
`name="outcome"`, values approve, decline, delay; then 303 to `c`, its placeholders replaced.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from html import escape

from gateway.simulators import pages
from gateway.simulators.payme.dialogue import REASON_DEBIT, SELLER_SILENT, Dialogue
from gateway.simulators.payme.rows import Account, Payment
from gateway.simulators.payme.world import World
from gateway.simulators.wire import Request, Response, see_other, text_response

# Chrome checks form-action against the whole chain of redirects after a POST, and the shop may send people on.
ANYWHERE = "'self' http: https:"
PLANS = {
    "approve": ["check", "create", "perform", "fiscal"],
    "delay": ["check", "create", "wait", "perform", "fiscal"],
    "decline": ["check", "create", "cancel"],
    "abandon": ["check", "create"],  # the buyer closes the page before the code from the text message
}
ON_PAGE = ("approve", "delay", "decline")
UNKNOWN_DESK, BAD_FIELD, TOO_SMALL = -31601, -31610, -31611
PAGE_TEXTS = {
    UNKNOWN_DESK: "The merchant is unknown or blocked.",
    BAD_FIELD: "The link is broken: a field is missing or wrong.",
    TOO_SMALL: "The amount is too small.",
    SELLER_SILENT: "The merchant’s service is unavailable.",
    -31623: "The merchant’s service does not work correctly.",
}


class BadLink(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(PAGE_TEXTS[code])
        self.code = code


@dataclass(frozen=True, slots=True)
class Link:
    account: Account
    fields: dict[str, str]
    amount: int
    lang: str = "ru"
    return_url: str = ""
    others: dict[str, str] = field(default_factory=dict)


class Checkout:
    def __init__(self, world: World, dialogue: Dialogue) -> None:
        self._world = world
        self._dialogue = dialogue

    def handle(self, request: Request) -> Response | None:
        if request.method not in {"GET", "POST"}:
            return None
        if request.path.startswith("/receipt/"):
            payment = self._world.payments.get(request.path.removeprefix("/receipt/"))
            return self._receipt(payment) if payment is not None and request.method == "GET" else None
        try:
            link = read_link(request.path.removeprefix("/"), self._world)
        except BadLink as error:
            return _problem(error.code, str(error), status=404)
        if request.method == "GET":
            return _form(link)
        if not request.is_same_origin:
            return text_response("Another site's page may not pay here.", 403)
        outcome = str(request.fields().get("outcome", ""))
        if outcome not in ON_PAGE:
            return text_response("outcome must be approve, decline or delay.", 400)
        return self._pay(link, outcome)

    def begin(self, link: Link, outcome: str) -> Payment:
        """A buyer's try, up to where it waits or ends (or ten seconds, if the seller is slow)."""
        order = self._world.faults.take("return", metadata=link.fields)
        plan = [step for step in PLANS[outcome] if step != "fiscal" or link.account.sends_fiscal]
        seconds = self._world.settings.settle_seconds
        if order is not None and order.kind == "return_before_callback" and "perform" in plan and "wait" not in plan:
            plan.insert(plan.index("perform"), "wait")
            seconds = order.seconds or 0
        payment = self._world.open_payment(
            account=link.account.id,
            fields=link.fields,
            amount=link.amount,
            lang=link.lang,
            return_url=link.return_url,
            is_declined=outcome == "decline",
            cancel_reason=REASON_DEBIT if outcome == "decline" else 0,
        )
        talk = self._dialogue.go_on(payment, plan, seconds=seconds)
        talk.paused.wait(self._world.settings.callback_timeout_seconds)
        return payment

    def _pay(self, link: Link, outcome: str) -> Response:
        payment = self.begin(link, outcome)
        if payment.state == 0 and payment.error is not None:
            return self._refused(payment)
        return see_other(return_address(payment) or f"{self._world.base_url}/receipt/{payment.id}")

    def _refused(self, payment: Payment) -> Response:
        error = payment.error or {}
        message = error.get("message")
        if isinstance(message, dict):
            message = message.get(payment.lang) or message.get("ru")
        code = SELLER_SILENT if error.get("code") in {-32400, -32504} else error.get("code", SELLER_SILENT)
        return _problem(code, PAGE_TEXTS.get(code, str(message)), back=payment.return_url, status=409)

    def _receipt(self, payment: Payment) -> Response:
        kind, words = {
            "paid": ("ok", "Payment made"),
            "refunded": ("info", "Money returned"),
            "waiting": ("wait", "Payment in progress"),
            "paying": ("wait", "Payment in progress"),
        }.get(payment.status, ("bad", "Payment not made"))
        amount = pages.money(payment.amount, "uzs")
        body = (
            f'<section class="sheet"><p class="amount">{escape(amount)}</p>'
            f'<div class="state state--{kind}">{pages.icon(kind)}<h1>{words}</h1></div>'
            + pages.facts([("Payment", payment.id), *_account_facts(payment.fields)], ids=["Payment"])
            + "</section>"
        )
        refresh = 2 if kind == "wait" else 0
        return pages.page(f"{words} (simulator)", body, wide=False, refresh=refresh)


def read_link(encoded: str, world: World) -> Link:
    """BadLink with the number that Payme's page would show."""
    try:
        text = base64.b64decode(encoded.encode("ascii"), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeError):
        raise BadLink(BAD_FIELD) from None
    pairs = [part.partition("=") for part in text.split(";") if part]
    params = {name.strip(): value for name, _, value in pairs}
    if len(params) != len(pairs):
        raise BadLink(BAD_FIELD)
    account = world.accounts.get(params.pop("m", ""))
    if account is None:
        raise BadLink(UNKNOWN_DESK)
    fields = {name[3:]: params.pop(name) for name in list(params) if name.startswith("ac.")}
    amount = params.pop("a", "")
    if not fields or not all(fields.values()) or not (amount.isascii() and amount.isdigit() and len(amount) <= 15):
        raise BadLink(BAD_FIELD)
    if int(amount) == 0:
        raise BadLink(TOO_SMALL)
    lang, back = params.pop("l", "ru"), params.pop("c", "")
    if lang not in {"ru", "uz", "en"} or (back and not back.startswith(("http://", "https://"))):
        raise BadLink(BAD_FIELD)
    if set(params) - {"ct", "cr"} or params.get("cr", "860") not in {"860", "UZS"}:
        raise BadLink(BAD_FIELD)
    return Link(account, fields, int(amount), lang, back, params)


def return_address(payment: Payment) -> str:
    url = payment.return_url.replace(":transaction", payment.id)
    for name, value in payment.fields.items():
        url = url.replace(f":account.{name}", value)
    return url


def _form(link: Link) -> Response:
    amount = pages.money(link.amount, "uzs")
    body = (
        f'<section class="sheet"><p class="seller"><span class="mark" aria-hidden="true">P</span>'
        f' {escape(link.account.name)}</p><p class="amount">{escape(amount)}</p>'
        + pages.facts([*_account_facts(link.fields), ("Language", escape(link.lang))])
        + '<form method="post" class="choice"><h1>Pay with Payme?</h1>'
        '<button name="outcome" value="approve">Pay</button>'
        '<button class="button--quiet" name="outcome" value="delay">Pay, but let it take a while</button>'
        '<button class="button--quiet" name="outcome" value="decline">Decline</button></form>'
        '<p class="note">This page stands in for Payme. Whatever you choose, no money moves; the shop is asked'
        " and told as the real Payme would do it.</p></section>"
    )
    return pages.page(f"Pay {amount} with Payme (simulator)", body, form_action=ANYWHERE, wide=False)


def _account_facts(fields: dict[str, str]) -> list[tuple[str, str]]:
    return [(escape(name), escape(value)) for name, value in fields.items()]


def _problem(code: int, message: str, *, back: str = "", status: int) -> Response:
    link = f'<a class="button" href="{escape(back)}">Back to the shop</a>' if back else ""
    body = (
        f'<section class="sheet"><div class="state state--bad">{pages.icon("bad")}<h1>Payment not made</h1>'
        f'<p class="money">Nothing has been paid.</p><p>{escape(message)} ({code})</p></div>{link}</section>'
    )
    return pages.page("Payment not made (simulator)", body, status=status, wide=False)
