"""The buyer's side: the phone app. One types, pastes or scans the order's number, sees what is owed, and chooses.

`<lab>/uzum/` asks for the number; `<lab>/uzum/pay?order=…` is what the deeplink opens; `<lab>/uzum/open-service?
serviceId=…&order_id=…&amount=…&redirectUrl=…` is the bank's web link. Each shows one form with `name="outcome"`, values
approve, decline, delay; then 303 to `redirectUrl`, or to the app's receipt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl, urlsplit

from gateway.simulators import pages
from gateway.simulators.uzum.dialogue import Dialogue, amount_in
from gateway.simulators.uzum.rows import Account, Payment
from gateway.simulators.uzum.strict import Heard
from gateway.simulators.uzum.world import World
from gateway.simulators.wire import Request, Response, see_other, text_response

# Chrome checks form-action against the whole chain of redirects after a POST, and the shop may send people on.
ANYWHERE = "'self' http: https:"
PLANS = {
    "approve": ["check", "create", "confirm"],
    "delay": ["check", "create", "wait", "confirm"],
    "decline": ["check", "create", "reverse"],  # the debit fails, and the reservation is given back
    "abandon": ["check", "create"],  # the debit fails, and nobody says so
}
ON_PAGE = ("approve", "delay", "decline")
ATTRIBUTES = ("order_id", "orderId", "account", "transactionId")
LONGEST_NUMBER = 200
NUMBERS = ("Transaction", "Order", *ATTRIBUTES)  # shown in monospace
HOME = "/uzum"
NOT_FOUND = "10007"
WORDS = {
    NOT_FOUND: "No such order was found. Check the number.",
    "10008": "This order is paid already.",
    "10009": "This order is cancelled or its time is over.",
    "10011": "The amount is not what is owed.",
    "": "The shop’s service is not available. Try again later.",
}


class NoService(Exception):
    """The link names a service that the bank does not know, or says nothing it could use."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the buyer's link or typing says. Without `account` the app asks every service that it knows."""

    reference: str
    account: Account | None = None
    attribute: str = "order_id"
    amount: int = 0
    return_url: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    account: Account | None
    heard: Heard


class App:
    def __init__(self, world: World, dialogue: Dialogue) -> None:
        self._world = world
        self._dialogue = dialogue

    def handle(self, request: Request) -> Response | None:
        if request.method not in {"GET", "POST"}:
            return None
        if request.path.startswith("/receipt/"):
            payment = self._world.payments.get(request.path.removeprefix("/receipt/"))
            return self._receipt(payment) if payment is not None and request.method == "GET" else None
        if request.path not in {"/", "/pay", "/open-service"}:
            return None
        if request.path == "/" and request.method == "GET" and not request.args.get("order", "").strip():
            return _home(self._world.accounts.all())
        try:
            wish = read_wish(request, self._world)
        except NoService as error:
            return _problem(str(error), status=404)
        if request.method == "GET":
            return _order(wish, self.look(wish))
        if not request.is_same_origin:
            return text_response("Another site's page may not pay here.", 403)
        outcome = str(request.fields().get("outcome", ""))
        if outcome not in ON_PAGE:
            return text_response("outcome must be approve, decline or delay.", 400)
        return self._pay(wish, outcome)

    def look(self, wish: Wish) -> Found:
        """What is owed, by the first service that knows the order."""
        candidates = [wish.account] if wish.account is not None else self._world.accounts.all()
        found = Found(None, Heard(status=400, code=NOT_FOUND))
        for account in candidates:
            heard = self._dialogue.look(account, wish.reference, wish.attribute)
            if heard.code != NOT_FOUND:
                return Found(account, heard)
            found = Found(account, heard)
        return found

    def begin(self, wish: Wish, outcome: str) -> Payment | None:
        """A buyer's try, up to where it waits or ends (or ten seconds, if the seller is slow)."""
        account = wish.account or self.look(wish).account
        if account is None:
            return None
        plan = list(PLANS[outcome])
        order = self._world.faults.take("return", metadata={wish.attribute: wish.reference})
        seconds = self._world.settings.settle_seconds
        if order is not None and order.kind == "return_before_callback" and "confirm" in plan and "wait" not in plan:
            plan.insert(plan.index("confirm"), "wait")
            seconds = order.seconds or 0
        payment = self._world.open_payment(
            account=account.id,
            reference=wish.reference,
            attribute=wish.attribute,
            amount=wish.amount,
            return_url=wish.return_url,
            is_declined=outcome == "decline",
        )
        talk = self._dialogue.talks.go_on(payment, plan, seconds=seconds)
        talk.paused.wait(self._world.settings.callback_timeout_seconds)
        return payment

    def _pay(self, wish: Wish, outcome: str) -> Response:
        payment = self.begin(wish, outcome)
        if payment is None:
            return _problem("The bank knows no service yet.", status=404)
        if payment.status == "refused":
            code = str((payment.error or {}).get("code", ""))
            return _problem(_words(code), code=code, back=wish.return_url, status=409)
        return see_other(wish.return_url or f"{self._world.base_url}/receipt/{payment.id}")

    def _receipt(self, payment: Payment) -> Response:
        kind, words = {
            "paid": ("ok", "Payment made"),
            "refunded": ("info", "Money returned"),
            "returned": ("bad", "Payment failed: the money is back on the card"),
            "manual": ("wait", "The bank is looking into it"),
            "paying": ("wait", "Payment in progress"),
            "reserved": ("wait", "Payment in progress"),
            "waiting": ("wait", "Payment in progress"),
            "confirming": ("wait", "Payment in progress"),
        }.get(payment.status, ("bad", "Payment not made"))
        amount = pages.money(payment.amount, "uzs")
        body = (
            f'<section class="sheet"><p class="amount">{escape(amount)}</p>'
            f'<div class="state state--{kind}">{pages.icon(kind)}<h1>{words}</h1></div>'
            + pages.facts(
                [("Transaction", payment.id), ("Order", escape(payment.reference))], ids=["Transaction", "Order"]
            )
            + '<a class="button button--quiet" href="../">Pay something else</a></section>'
        )
        refresh = 2 if kind == "wait" else 0
        return pages.page(f"{words} (simulator)", body, wide=False, refresh=refresh)


def read_wish(request: Request, world: World) -> Wish:
    """From the web link, the deeplink, or what was typed into the app."""
    args = request.args
    if request.path == "/open-service":
        names = [name for name in ATTRIBUTES if args.get(name, "").strip()]
        if len(names) != 1 or strange(args, names):
            raise NoService("The link is broken: a field is missing or wrong.")
        attribute, reference = names[0], args[names[0]]
    else:
        attribute, reference = ATTRIBUTES[0], number_in(args.get("order", ""))
    amount, back = args.get("amount", ""), args.get("redirectUrl", "")
    if amount and not (amount.isascii() and amount.isdigit() and len(amount) <= 15 and int(amount) > 0):
        raise NoService("The link is broken: the amount is none.")
    if back and not back.startswith(("http://", "https://")):
        raise NoService("The link is broken: the address to return to is none.")
    if not 0 < len(reference) <= LONGEST_NUMBER:
        raise NoService("The link is broken: it has no order number.")
    service_id = args.get("serviceId", "")
    account = world.accounts.get(service_id) if service_id else None
    if account is None and (service_id or request.path == "/open-service"):
        raise NoService("The bank knows no such service.")
    return Wish(reference, account, attribute, int(amount or 0), back)


def strange(args: dict[str, str], names: list[str]) -> set[str]:
    return set(args) - {"serviceId", "amount", "redirectUrl", "format", *names}


def number_in(text: str) -> str:
    """The order's number out of what was typed, pasted or scanned: the number, the deeplink, or the web link."""
    text = text.strip()
    if re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE):
        args = dict(parse_qsl(urlsplit(text).query))
        return next((args[name].strip() for name in ("order", *ATTRIBUTES) if args.get(name)), "")
    return text


def _home(accounts: list[Account]) -> Response:
    services = "".join(f'<option value="{escape(row.id)}">{escape(row.name)} ({row.id})</option>' for row in accounts)
    body = (
        '<section class="sheet"><p class="seller"><span class="mark" aria-hidden="true">U</span> Uzum Bank</p>'
        f'<h1>Pay an order</h1><form method="get" action="{HOME}/pay" class="fields">'
        "<label>Order number, or the text of its QR code"
        ' <input name="order" required maxlength="400" autocomplete="off" placeholder="uzum://pay?order=…"></label>'
        f'<label>Service <select name="serviceId"><option value="">Find it for me</option>{services}</select></label>'
        "<button>Find the order</button></form>"
        '<p class="note">This page stands in for the Uzum Bank app on a phone. No money moves.</p></section>'
    )
    return pages.page("Uzum Bank app (simulator)", body, wide=False)


def _order(wish: Wish, found: Found) -> Response:
    if found.heard.body is None:
        return _problem(_words(found.heard.code), code=found.heard.code, back=wish.return_url, status=409)
    data = found.heard.body.get("data") or {}
    tiyin = wish.amount or amount_in(data)
    amount = pages.money(tiyin, "uzs") if tiyin else "No amount is shown"
    name = found.account.name if found.account is not None else ""
    shown = [(escape(key), escape(str(value.get("value")))) for key, value in data.items()]
    body = (
        f'<section class="sheet"><p class="seller"><span class="mark" aria-hidden="true">U</span> {escape(name)}</p>'
        f'<p class="amount">{escape(amount)}</p>'
        + pages.facts([("Order", escape(wish.reference)), *shown], ids=NUMBERS)
        + '<form method="post" class="choice"><h1>Pay from your card?</h1>'
        '<button name="outcome" value="approve">Pay</button>'
        '<button class="button--quiet" name="outcome" value="delay">Pay, but let it take a while</button>'
        '<button class="button--quiet" name="outcome" value="decline">Let the card refuse</button></form>'
        '<p class="note">This page stands in for the Uzum Bank app. Whatever you choose, no money moves; the shop is'
        " asked and told as the real bank would do it.</p></section>"
    )
    return pages.page(f"Pay {amount} with Uzum Bank (simulator)", body, form_action=ANYWHERE, wide=False)


def _words(code: str) -> str:
    return WORDS.get(code, WORDS[""])


def _problem(message: str, *, code: str = "", back: str = "", status: int) -> Response:
    link = f'<a class="button" href="{escape(back)}">Back to the shop</a>' if back else ""
    number = f" ({escape(code)})" if code else ""
    body = (
        f'<section class="sheet"><div class="state state--bad">{pages.icon("bad")}<h1>Payment not made</h1>'
        f'<p class="money">Nothing has been paid.</p><p>{escape(message)}{number}</p></div>{link}</section>'
    )
    return pages.page("Payment not made (simulator)", body, status=status, wide=False)
