"""The buyer's side: the hosted checkout behind `POST /v1/checkout/embedded`, and the page of a payment link.

One form with `name="outcome"`, values approve, decline, delay, and `method`; a link back to `cancel_url`. The browser
comes back as from the real one: a form posted to `callback_url`, with the signed payment or with unsigned `error[…]`
fields; it leaves by itself with script, by its button without. In a frame of checkout.js the same fields are told to
the page around it. A payment link leads back by GET.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gateway.simulators import pages
from gateway.simulators.razorpay import outcomes, shapes
from gateway.simulators.razorpay.rows import Link, Order, Payment, Session
from gateway.simulators.razorpay.world import Telling, World
from gateway.simulators.wire import Request, Response, Router, is_loopback_url, see_other, text_response

# Chrome checks form-action against the whole chain of redirects after a POST, and the shop may send people on.
ANYWHERE = "'self' http: https:"
OUTCOMES = ("approve", "decline", "delay")
METHODS = ("upi", "card", "netbanking", "wallet")
TAKEN = {"authorized", "captured"}


class BuyerPages:
    def __init__(self, world: World) -> None:
        self._world = world
        self._router: Router[str] = Router()
        self._router.add("POST", "/v1/checkout/embedded", "open", "open")
        for method in ("GET", "POST"):
            self._router.add(method, "/checkout/{id}", "session", "session")
            self._router.add(method, "/l/{id}", "link", "link")

    def handle(self, request: Request) -> Response | None:
        if request.path == "/v1/checkout.js" and request.method == "GET":
            return pages.static("razorpay-checkout.js")
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        if found[0].target == "open":
            return self._open(request)
        if request.method == "POST" and not request.is_same_origin:
            return text_response("Another site's page may not pay here.", 403)
        if found[0].target == "link":
            link = self._world.links.get(found[1]["id"])
            return self._link(link, request) if link is not None else _unknown()
        session = self._world.sessions.get(found[1]["id"])
        if session is None:
            return _unknown()
        return self._choose(session, request) if request.method == "POST" else self._show(session)

    # opening

    def _open(self, request: Request) -> Response:
        """As strict as the real page: the key's own order, its amount and currency, not paid yet."""
        given = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        problem = "" if request.is_form else "The form must be application/x-www-form-urlencoded."
        account = self._world.accounts.get(given.get("key_id", ""))
        order = self._world.orders.get(given.get("order_id", ""))
        if account is None:
            problem = problem or "The api key provided is invalid."
        elif order is None or order.account != account.id:
            problem = problem or "The id provided does not exist."
        elif (given.get("amount"), given.get("currency")) != (str(order.amount), order.currency):
            problem = problem or "The amount or the currency is not the order's."
        elif order.status == "paid":
            problem = problem or "This order is paid already."
        for name in ("callback_url", "cancel_url"):
            if given.get(name) and not is_loopback_url(given[name]):
                problem = problem or f"In the lab {name} must be an address of this machine."
        if not given.get("callback_url"):
            problem = problem or "callback_url is required."
        if not given.get("name"):
            problem = problem or "name is required."
        frame = given.get("_frame", "")
        if problem or order is None:
            return framed(_notice("bad", "This payment cannot be started", problem, status=400), frame)
        session = self._world.sessions.save(
            Session(
                id=secrets.token_urlsafe(16),
                order=order.id,
                callback_url=given["callback_url"],
                cancel_url=given.get("cancel_url", ""),
                name=given["name"],
                description=given.get("description", ""),
                email=given.get("prefill[email]", ""),
                contact=given.get("prefill[contact]", ""),
                notes={name[6:-1]: value for name, value in given.items() if name.startswith("notes[")},
                frame=frame if is_loopback_url(frame) else "",
            )
        )
        return see_other(f"{self._world.base_url}/checkout/{session.id}")

    # choosing

    def _choose(self, session: Session, request: Request) -> Response:
        fields = request.fields()
        outcome, method = str(fields.get("outcome", "")), str(fields.get("method") or "upi")
        if outcome not in OUTCOMES or method not in METHODS:
            return text_response("outcome must be approve, decline or delay; method a known way to pay.", 400)
        world = self._world
        order = world.orders.get(session.order)
        if order is None or order.status == "paid":
            return self._show(session, status=409)
        fault = world.faults.take("return", payment=order.id, metadata=world.metadata(order))
        kind, seconds = (fault.kind, fault.seconds or 0) if fault else ("", 0.0)
        telling = Telling(delay=seconds if kind == "return_before_callback" else 0)
        with world.telling_as(telling):
            payment = outcomes.attempt(
                world,
                order,
                method=method,
                email=session.email,
                contact=session.contact,
                notes=session.notes,
            )
            session.payment = payment.id
            world.sessions.save(session)
            act(world, payment, outcome)
        if kind == "callback_before_return":
            world.callbacks.wait_tried(telling.sent, seconds)
        return self._leave(session, payment)

    def _leave(self, session: Session, payment: Payment) -> Response:
        """The way back: fields for the shop, signed only where the money is held or taken."""
        fields = return_fields(self._world, payment)
        is_good = "razorpay_signature" in fields
        kind, what = ("ok", "Payment made") if is_good else ("bad", "Payment not made")
        words = "Your browser goes back to the shop." if is_good else payment.error.get("description", "")
        if payment.status == "created":
            kind, what, words = "wait", "Payment in progress", "The bank has not answered yet. Do not pay again."
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
        )
        target = ' target="_top"' if session.frame else ""
        told = {"origin": session.frame, "fields": fields} if session.frame else {}
        body = (
            f'<section class="sheet"><div class="state state--{kind}">{pages.icon(kind)}<h1>{what}</h1>'
            f"<p>{escape(words)}</p></div>"
            f'<form method="post" action="{escape(session.callback_url)}" id="leave"{target}>{hidden}'
            f"<button>Back to the shop</button></form></section>{_script(told)}"
        )
        return framed(pages.page(f"{what} (simulator)", body, form_action=ANYWHERE, wide=False), session.frame)

    # pages

    def _show(self, session: Session, status: int = 200) -> Response:
        world = self._world
        order = world.orders.get(session.order)
        if order is None:
            return _unknown()
        if order.status == "paid":
            page = _notice("ok", "This order is paid", "There is nothing left to do here.", status=status)
            return framed(page, session.frame)
        former = world.payments.get(session.payment)
        trouble = ""
        if former is not None:
            words = former.error.get("description", "") or "The bank has not answered the last try yet."
            trouble = f'<p class="note" role="status">{escape(words)}</p>'
        if session.frame:
            told = {"origin": session.frame, "dismissed": True}
            close = f'<button class="button--quiet" type="button" id="close">Close</button>{_script(told)}'
        else:
            cancel = escape(session.cancel_url)
            close = f'<a class="button button--quiet" id="cancel" href="{cancel}">Cancel</a>' if cancel else ""
        body = (
            f'<section class="sheet">{self._summary(order, session.name, session.description)}{trouble}'
            f"{choice()}{close}{NOTE}</section>"
        )
        title = f"Pay {pages.money(order.amount, order.currency.lower())} with Razorpay (simulator)"
        return framed(pages.page(title, body, status=status, form_action=ANYWHERE, wide=False), session.frame)

    def _link(self, link: Link, request: Request) -> Response:
        """A payment link's own page; back by GET, with everything signed in the query."""
        world = self._world
        order = world.orders.get(link.order)
        if order is None or link.status != "created":
            return _notice("info", f"This link is {link.status}", "Nothing is left to pay here.", status=409)
        if request.method == "GET":
            body = (
                f'<section class="sheet">{self._summary(order, "Payment link", link.description)}'
                f"{choice()}{NOTE}</section>"
            )
            return pages.page("Payment link (simulator)", body, form_action=ANYWHERE, wide=False)
        outcome = str(request.fields().get("outcome", ""))
        if outcome not in OUTCOMES:
            return text_response("outcome must be approve, decline or delay.", 400)
        with world.telling_as(Telling()):
            payment = act(world, outcomes.attempt(world, order, notes=link.notes), outcome)
        account = world.accounts.get(link.account)
        if payment.status not in TAKEN or not link.callback_url or account is None:
            return _notice("info", "Thank you", "You can close this page.", status=200)
        signature = shapes.link_signature(link.id, link.reference, link.status, payment.id, secret=account.key_secret)
        added = {
            "razorpay_payment_id": payment.id,
            "razorpay_payment_link_id": link.id,
            "razorpay_payment_link_reference_id": link.reference,
            "razorpay_payment_link_status": link.status,
            "razorpay_signature": signature,
        }
        parts = urlsplit(link.callback_url)
        query = "&".join(part for part in (parts.query, urlencode(added)) if part)
        return see_other(urlunsplit(parts._replace(query=query)))

    def _summary(self, order: Order, name: str, description: str) -> str:
        amount = escape(pages.money(order.amount, order.currency.lower()))
        pairs = [("For", escape(description))] if description else []
        pairs.append(("Order", escape(order.id)))
        return (
            f'<p class="seller"><span class="mark" aria-hidden="true">R</span> {escape(name)}</p>'
            f'<p class="amount">{amount}</p>{pages.facts(pairs, ids=["Order"])}'
        )


NOTE = (
    '<p class="note">This page stands in for Razorpay. Whatever you choose, no money moves; the shop is told as the'
    " real Razorpay would tell it.</p>"
)


def choice() -> str:
    options = "".join(f'<option value="{name}">{name.upper() if name == "upi" else name}</option>' for name in METHODS)
    return (
        '<form method="post" class="choice"><h1>Pay this order?</h1>'
        f'<label>Pay by <select name="method">{options}</select></label>'
        '<button name="outcome" value="approve">Pay</button>'
        '<button class="button--quiet" name="outcome" value="delay">Pay, but let the bank take a while</button>'
        '<button class="button--quiet" name="outcome" value="decline">Decline</button></form>'
    )


def act(world: World, payment: Payment, outcome: str, reason: str = "") -> Payment:
    """What a buyer's choice makes of his try."""
    if outcome == "approve":
        return outcomes.authorize(world, payment)
    return outcomes.fail(world, payment, reason) if outcome == "decline" else outcomes.wait(world, payment)


def return_fields(world: World, payment: Payment) -> dict[str, str]:
    """What the browser posts to the shop."""
    account = world.accounts.get(payment.account)
    if payment.status in TAKEN and account is not None:
        return {
            "razorpay_payment_id": payment.id,
            "razorpay_order_id": payment.order,
            "razorpay_signature": shapes.return_signature(payment.order, payment.id, secret=account.key_secret),
        }
    error = payment.error or outcomes.PENDING
    metadata = json.dumps({"payment_id": payment.id, "order_id": payment.order})
    return {**{f"error[{name}]": text for name, text in error.items()}, "error[metadata]": metadata}


def framed(response: Response, origin: str) -> Response:
    """The one page that may show it in a frame; without an origin nobody may."""
    if origin and is_loopback_url(origin):
        parts = urlsplit(origin)
        policy = response.headers["Content-Security-Policy"]
        allowed = f"frame-ancestors {parts.scheme}://{parts.netloc}"
        response.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'", allowed)
    return response


def _script(told: Mapping[str, object]) -> str:
    data = f' data-told="{escape(json.dumps(told))}"' if told else ""
    return f'<script src="/static/razorpay-return.js" defer id="told"{data}></script>'


def _unknown() -> Response:
    return _notice("info", "Unknown payment", "Nothing has been paid. Start again in the shop.", status=404)


def _notice(kind: str, what: str, words: str, *, status: int) -> Response:
    body = (
        f'<section class="sheet"><div class="state state--{kind}">{pages.icon(kind)}<h1>{escape(what)}</h1>'
        f"<p>{escape(words)}</p></div></section>"
    )
    return pages.page(f"{what} (simulator)", body, status=status, wide=False)
