"""The buyer's side: the page Cash App Pay sends people to, their choice, and their way back to the shop.

One form with `name="outcome"`, values approve, decline, delay; then 303 to the payment's `return_url` with
`payment_intent`, `payment_intent_client_secret` and `redirect_status` added to its query.
"""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from gateway.simulators import pages
from gateway.simulators.stripe import outcomes, picture
from gateway.simulators.stripe.rows import PaymentIntent
from gateway.simulators.stripe.world import Telling, World
from gateway.simulators.wire import Request, Response, Router, see_other, text_response

REDIRECT_STATUS = {"succeeded": "succeeded", "requires_capture": "succeeded", "processing": "pending"}
# Chrome checks form-action against the whole chain of redirects after a POST, and the shop may send people on.
ANYWHERE = "'self' http: https:"


class BuyerPages:
    def __init__(self, world: World) -> None:
        self._world = world
        self._router: Router[str] = Router()
        for method in ("GET", "POST"):
            self._router.add(method, "/cashapp/instructions/{nonce}", "pay", "pay")
            self._router.add(method, "/authorize/{account}/{nonce}", "pay", "pay")
        self._router.add("GET", "/qr/{nonce}-{number}.{format}", "qr", "qr")
        self._router.add("GET", "/receipts/{charge}", "receipt", "receipt")

    def handle(self, request: Request) -> Response | None:
        """None for addresses that are none of these pages."""
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        route, names = found
        if route.target == "qr":
            return self._picture(names["nonce"], names["number"], names["format"])
        if route.target == "receipt":
            return self._receipt(names["charge"])
        intent = self._world.intent_of_nonce(names["nonce"])
        if intent is None:
            return _notice(
                "info",
                "Unknown payment",
                "Nothing has been paid.",
                "This address belongs to no payment of the lab. Start again in the shop.",
                status=404,
            )
        if request.method == "GET":
            return self._show(intent)
        if not request.is_same_origin:
            return text_response("Another site's page may not pay here.", 403)
        return self._choose(intent, request)

    def _choose(self, intent: PaymentIntent, request: Request) -> Response:
        wanted = str(request.fields().get("outcome", ""))
        if wanted not in {"approve", "decline", "delay"}:
            return text_response("outcome must be approve, decline or delay.", 400)
        faults, metadata = self._world.faults, intent.metadata
        order = faults.take("return", payment=intent.id, metadata=metadata)
        kind = order.kind if order else ""
        seconds = (order.seconds or 0) if order else 0
        telling = Telling(delay=seconds if kind == "return_before_callback" else 0)
        with self._world.telling_as(telling):
            intent = self._world.intents.get(intent.id) or intent
            if intent.status != "requires_action":
                return self._show(intent, status=409)
            outcomes.OUTCOMES[wanted](self._world, intent)
            way_back = return_address(intent, "failed" if wanted == "decline" else "")
        if kind == "callback_before_return":
            self._world.callbacks.wait_tried(telling.sent, seconds)
        return see_other(way_back) if way_back else self._show(intent)

    def _show(self, intent: PaymentIntent, status: int = 200) -> Response:
        amount = pages.money(intent.amount, intent.currency)
        if intent.status == "requires_action":
            return pages.page(
                f"Pay {amount} with Cash App (simulator)",
                self._form(intent, amount),
                status=status,
                form_action=ANYWHERE,
                wide=False,
            )
        kind, what, moved, then = {
            "succeeded": ("ok", "Payment approved", f"{amount} has been paid.", "There is nothing left to do here."),
            "requires_capture": (
                "ok",
                "Payment approved",
                f"{amount} is held for the shop.",
                "There is nothing left to do here.",
            ),
            "processing": (
                "wait",
                "Payment in progress",
                "Do not pay again.",
                "Cash App has not answered yet. It takes a few seconds.",
            ),
            "canceled": ("info", "Payment cancelled", "Nothing has been paid.", "The shop cancelled this payment."),
        }.get(intent.status, ("bad", "Payment not made", "Nothing has been paid.", "Go back to the shop to try again."))
        back = return_address(intent, "" if intent.status in REDIRECT_STATUS else "failed")
        link = f'<a class="button" href="{escape(back)}">Back to the shop</a>' if back else ""
        body = (
            f'<section class="sheet">{self._summary(intent, amount)}'
            f'<div class="state state--{kind}">{pages.icon(kind)}<h1>{what}</h1><p class="money">{moved}</p>'
            f"<p>{then}</p></div>{link}</section>"
        )
        return pages.page(
            f"{what} (simulator)", body, status=status, wide=False, refresh=2 if intent.status == "processing" else 0
        )

    def _form(self, intent: PaymentIntent, amount: str) -> str:
        return (
            f'<section class="sheet">{self._summary(intent, amount)}'
            '<form method="post" class="choice"><h1>Approve this payment?</h1>'
            '<button name="outcome" value="approve">Approve</button>'
            '<button class="button--quiet" name="outcome" value="delay">Approve, but let it take a while</button>'
            '<button class="button--quiet" name="outcome" value="decline">Decline</button></form>'
            '<p class="note">This page stands in for Cash App. Whatever you choose, no money moves; the shop is told'
            " as the real Cash App Pay would tell it.</p></section>"
        )

    def _summary(self, intent: PaymentIntent, amount: str) -> str:
        account = self._world.accounts.get(intent.account)
        name = account.name if account else "Shop"
        pairs = [("For", escape(intent.description))] if intent.description else []
        pairs += [("Payment", escape(intent.id)), ("Mode", "live keys (simulated)" if intent.livemode else "test")]
        return (
            f'<p class="seller"><span class="mark" aria-hidden="true">$</span> {escape(name)}</p>'
            f'<p class="amount">{escape(amount)}</p>{pages.facts(pairs, ids=["Payment"])}'
        )

    def _picture(self, nonce: str, number: str, kind: str) -> Response:
        intent = self._world.intent_of_nonce(nonce)
        if intent is None or str(intent.qr_number) != number or kind not in {"svg", "png"}:
            return text_response("This code is no longer valid.", 404)
        if kind == "svg":
            return Response(200, picture.svg(f"{nonce}{number}"), {"Content-Type": "image/svg+xml"})
        return Response(200, picture.png(f"{nonce}{number}"), {"Content-Type": "image/png"})

    def _receipt(self, key: str) -> Response:
        charge = self._world.charges.get(key)
        if charge is None or charge.status != "succeeded":
            return _notice("info", "No such receipt", "", "This address belongs to no payment of the lab.", status=404)
        amount = pages.money(charge.amount, charge.currency)
        pairs = [
            ("Charge", charge.id),
            ("Refunded", escape(pages.money(charge.amount_refunded, charge.currency))),
            ("Cash App", escape(charge.cashtag)),
        ]
        body = (
            f'<section class="sheet"><h1>Receipt</h1><p class="amount">{escape(amount)}</p>'
            f"{pages.facts(pairs, ids=['Charge'])}</section>"
        )
        return pages.page("Receipt (simulator)", body, wide=False)


def return_address(intent: PaymentIntent, redirect_status: str = "") -> str:
    """The shop's address with Stripe's three parameters added; what it had in its query stays as it was."""
    if not intent.return_url:
        return ""
    parts = urlsplit(intent.return_url)
    added = urlencode(
        {
            "payment_intent": intent.id,
            "payment_intent_client_secret": intent.client_secret,
            "redirect_status": redirect_status or REDIRECT_STATUS.get(intent.status, "failed"),
        }
    )
    query = f"{parts.query}&{added}" if parts.query else added
    return urlunsplit(parts._replace(query=query))


def _notice(kind: str, what: str, moved: str, then: str, status: int) -> Response:
    money = f'<p class="money">{escape(moved)}</p>' if moved else ""
    body = (
        f'<section class="sheet"><div class="state state--{kind}">{pages.icon(kind)}<h1>{escape(what)}</h1>'
        f"{money}<p>{escape(then)}</p></div></section>"
    )
    return pages.page(f"{what} (simulator)", body, status=status, wide=False)
