"""The buyer's side: the page behind the link, the choice, and the way back to the shop.

`<lab>/click/services/pay?service_id&merchant_id&amount&transaction_param[&merchant_user_id][&return_url][&card_type]`.
One form with `name="outcome"`, values approve, decline, delay; then 303 to `return_url` with `payment_id` and
`payment_status` added, which prove nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from gateway.simulators import pages
from gateway.simulators.click.dialogue import Dialogue
from gateway.simulators.click.rows import Account, Payment
from gateway.simulators.click.world import World, tiyin
from gateway.simulators.wire import Request, Response, see_other, text_response

# Chrome checks form-action against the whole chain of redirects after a POST, and the shop may send people on.
ANYWHERE = "'self' http: https:"
PLANS = {
    "approve": ["prepare", "complete"],
    "delay": ["prepare", "wait", "complete"],
    "decline": ["prepare", "cancel"],
    "abandon": ["prepare"],  # the buyer closes the page before the code from the text message
}
ON_PAGE = ("approve", "delay", "decline")
FIELDS = {
    "service_id",
    "merchant_id",
    "amount",
    "transaction_param",
    "merchant_user_id",
    "return_url",
    "card_type",
}
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?")


class BadLink(Exception):
    """What Click's page would say about the link."""


@dataclass(frozen=True, slots=True)
class Link:
    account: Account
    order: str
    amount: str
    return_url: str = ""


class BuyerPages:
    def __init__(self, world: World, dialogue: Dialogue) -> None:
        self._world = world
        self._dialogue = dialogue

    def handle(self, request: Request) -> Response | None:
        if request.path.startswith("/receipt/") and request.method == "GET":
            payment = self._world.payments.get(request.path.removeprefix("/receipt/"))
            return _receipt(payment) if payment is not None else None
        if request.path != "/services/pay" or request.method not in {"GET", "POST"}:
            return None
        try:
            link = read_link(request, self._world)
        except BadLink as error:
            return _problem(str(error), status=404)
        if request.method == "GET":
            return _form(link)
        if not request.is_same_origin:
            return text_response("Another site's page may not pay here.", 403)
        outcome = str(request.fields().get("outcome", ""))
        if outcome not in ON_PAGE:
            return text_response("outcome must be approve, decline or delay.", 400)
        payment = self.begin(link, outcome)
        if payment.status == "refused":
            note = str((payment.error or {}).get("note", ""))
            return _problem(f"The shop did not accept the payment: {note}", back=payment.return_url, status=409)
        return see_other(return_address(payment) or f"{self._world.base_url}/receipt/{payment.id}")

    def begin(self, link: Link, outcome: str) -> Payment:
        """A buyer's try, up to where it waits or ends (or ten seconds, if the seller is slow)."""
        order = self._world.faults.take("return", metadata={"merchant_trans_id": link.order})
        plan, seconds = list(PLANS[outcome]), self._world.settings.settle_seconds
        if order is not None and order.kind == "return_before_callback" and "complete" in plan and "wait" not in plan:
            plan.insert(plan.index("complete"), "wait")
            seconds = order.seconds or 0
        payment = self._world.open_payment(
            link.account, order=link.order, amount=link.amount, return_url=link.return_url
        )
        payment.is_declined = outcome == "decline"
        talk = self._dialogue.go_on(payment, plan, seconds=seconds)
        talk.paused.wait(self._world.settings.callback_timeout_seconds)
        return payment


def read_link(request: Request, world: World) -> Link:
    lists = request.arg_lists
    if any(len(values) > 1 for values in lists.values()):
        raise BadLink("The link names something twice.")
    args = request.args
    if strange := sorted(set(args) - FIELDS):
        raise BadLink(f"The link has unknown parts: {', '.join(strange)}.")
    account = world.accounts.get(args.get("service_id", ""))
    if account is None or account.merchant_id != args.get("merchant_id"):
        raise BadLink("The service is unknown or blocked.")
    if args.get("merchant_user_id", account.merchant_user_id) != account.merchant_user_id:
        raise BadLink("The merchant user is another one's.")
    amount, order, back = args.get("amount", ""), args.get("transaction_param", ""), args.get("return_url", "")
    if not AMOUNT.fullmatch(amount) or tiyin(amount) == 0:
        raise BadLink("The amount is missing or wrong.")
    if not order.strip():
        raise BadLink("The order is missing.")
    if back and not back.startswith(("http://", "https://")):
        raise BadLink("The return address is wrong.")
    if args.get("card_type", "uzcard") not in {"uzcard", "humo"}:
        raise BadLink("The card type is unknown.")
    return Link(account, order, amount, back)


def return_address(payment: Payment) -> str:
    if not payment.return_url:
        return ""
    parts = urlsplit(payment.return_url)
    added = urlencode({"payment_id": payment.paydoc, "payment_status": payment.payment_status})
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))


def _form(link: Link) -> Response:
    amount = pages.money(tiyin(link.amount), "uzs")
    facts = pages.facts([("Service", link.account.id), ("Order", escape(link.order))], ids=["Order"])
    body = (
        '<section class="sheet"><p class="seller"><span class="mark" aria-hidden="true">C</span>'
        f' {escape(link.account.name)}</p><p class="amount">{escape(amount)}</p>{facts}'
        '<form method="post" class="choice"><h1>Pay with Click?</h1>'
        '<button name="outcome" value="approve">Pay</button>'
        '<button class="button--quiet" name="outcome" value="delay">Pay, but let it take a while</button>'
        '<button class="button--quiet" name="outcome" value="decline">Let the card be declined</button></form>'
        '<p class="note">This page stands in for Click. Whatever you choose, no money moves; the shop is asked'
        " as the real Click would ask it.</p></section>"
    )
    return pages.page(f"Pay {amount} with Click (simulator)", body, form_action=ANYWHERE, wide=False)


def _problem(words: str, *, back: str = "", status: int) -> Response:
    link = f'<a class="button" href="{escape(back)}">Back to the shop</a>' if back else ""
    body = (
        f'<section class="sheet"><div class="state state--bad">{pages.icon("bad")}<h1>Payment not possible</h1>'
        f'<p class="money">Nothing has been paid.</p><p>{escape(words)}</p></div>{link}</section>'
    )
    return pages.page("Payment not possible (simulator)", body, status=status, wide=False)


def _receipt(payment: Payment) -> Response:
    kind, words = {
        "paid": ("ok", "Payment made"),
        "reversed": ("info", "Money returned"),
        "returned": ("info", "Money returned"),
        "waiting": ("wait", "Payment in progress"),
        "paying": ("wait", "Payment in progress"),
        "prepared": ("wait", "Payment in progress"),
    }.get(payment.status, ("bad", "Payment not made"))
    pairs = [("Payment", payment.paydoc), ("Order", escape(payment.order))]
    body = (
        f'<section class="sheet"><p class="amount">{escape(pages.money(tiyin(payment.amount), "uzs"))}</p>'
        f'<div class="state state--{kind}">{pages.icon(kind)}<h1>{words}</h1></div>'
        f"{pages.facts(pairs, ids=['Payment', 'Order'])}</section>"
    )
    return pages.page(f"{words} (simulator)", body, wide=False, refresh=2 if kind == "wait" else 0)
