"""Stripe's hosted Checkout in the lab, and the address of a Payment Link that leads to it.

One form: `email`, and `name="outcome"` with the values approve, decline, delay; a link leads back to the shop. After
approve and delay 303 to the session's `success_url`, with its own id where `{CHECKOUT_SESSION_ID}` stood; a decline
stays on the page, as at Stripe's.
"""

from __future__ import annotations

from html import escape

from gateway.simulators import pages
from gateway.simulators.stripe import links, sessions
from gateway.simulators.stripe.rows import CheckoutSession
from gateway.simulators.stripe.world import Telling, World
from gateway.simulators.wire import Request, Response, Router, see_other, text_response

# Chrome checks form-action against the whole chain of redirects after a POST, and the shop may send people on.
ANYWHERE = "'self' http: https:"
PLACEHOLDER = "{CHECKOUT_SESSION_ID}"


class CheckoutPages:
    def __init__(self, world: World) -> None:
        self._world = world
        self._router: Router[str] = Router()
        for method in ("GET", "POST"):
            self._router.add(method, "/c/pay/{id}", "pay", "pay")
        self._router.add("GET", "/buy/{slug}", "buy", "buy")

    def handle(self, request: Request) -> Response | None:
        """None for addresses that are none of these pages."""
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        route, names = found
        if route.target == "buy":
            return self._visit(names["slug"], request)
        session = self._world.sessions.get(names["id"])
        if session is None:
            return _notice("Unknown payment", "This address belongs to no session of the lab.", status=404)
        if request.method == "GET":
            return self._show(session)
        if not request.is_same_origin:
            return text_response("Another site's page may not pay here.", 403)
        return self._choose(session, request)

    def _visit(self, slug: str, request: Request) -> Response:
        with self._world.telling_as(Telling()):
            link = next((row for row in self._world.links.all() if row.slug == slug), None)
            if link is None:
                return _notice("Unknown link", "This address belongs to no Payment Link of the lab.", status=404)
            if not link.is_active:
                return _notice("This link is no longer active", "Ask the seller for another one.", status=410)
            session = links.visit(
                self._world,
                link,
                client_reference_id=request.args.get("client_reference_id", ""),
                email=request.args.get("prefilled_email", ""),
            )
        return see_other(f"{self._world.base_url}/c/pay/{session.id}")

    def _choose(self, session: CheckoutSession, request: Request) -> Response:
        fields = request.fields()
        wanted = str(fields.get("outcome", ""))
        if wanted not in {"approve", "decline", "delay"}:
            return text_response("outcome must be approve, decline or delay.", 400)
        email = str(fields.get("email", "")).strip()
        if email and not sessions.EMAIL.fullmatch(email):
            return self._show(session, problem="This is no e-mail address.", status=400, email=email)
        order = self._world.take_fault("return", payment=session.id, metadata=session.metadata)
        kind = order.kind if order else ""
        seconds = (order.seconds or 0) if order else 0
        telling = Telling(delay=seconds if kind == "return_before_callback" else 0)
        with self._world.telling_as(telling):
            session = self._world.sessions.get(session.id) or session
            if session.status != "open":
                return self._show(session, status=409)
            sessions.pay(self._world, session, wanted, code=str(fields.get("code", "")), email=email)
        if kind == "callback_before_return":
            self._world.callbacks.wait_tried(telling.sent, seconds)
        if wanted == "decline":
            intent = self._world.intents.get(session.payment_intent or "")
            error = (intent.last_payment_error or {}) if intent else {}
            return self._show(session, problem=str(error.get("message", "Your card was declined.")), status=402)
        back = session.success_url.replace(PLACEHOLDER, session.id)
        return see_other(back) if back else self._show(session)

    def _show(self, session: CheckoutSession, *, problem: str = "", status: int = 200, email: str = "") -> Response:
        amount = pages.money(session.amount, session.currency)
        if session.status == "open":
            body = self._form(session, amount, problem=problem, email=email)
            return pages.page(
                f"Pay {amount} by card (simulator)", body, status=status, form_action=ANYWHERE, wide=False
            )
        intent = self._world.intents.get(session.payment_intent or "")
        is_waiting = intent is not None and intent.status == "processing"
        kind, what, moved, then = _ending(session, amount, is_waiting=is_waiting)
        back = session.success_url.replace(PLACEHOLDER, session.id) if session.status == "complete" else ""
        back = back or session.cancel_url or ""
        link = f'<a class="button" href="{escape(back)}">Back to the shop</a>' if back else ""
        body = (
            f'<section class="sheet">{self._summary(session, amount)}'
            f'<div class="state state--{kind}">{pages.icon(kind)}<h1>{what}</h1><p class="money">{moved}</p>'
            f"<p>{then}</p></div>{link}</section>"
        )
        refresh = 2 if is_waiting else 0
        return pages.page(f"{what} (simulator)", body, status=status, wide=False, refresh=refresh)

    def _form(self, session: CheckoutSession, amount: str, *, problem: str, email: str) -> str:
        known = session.customer_email or ""
        filled = known or email or session.email or session.prefilled_email
        fixed = " readonly" if known else ""
        told = (
            f'<div class="state state--bad" role="alert">{pages.icon("bad")}<h2>{escape(problem)}</h2>'
            '<p class="money">Nothing has been paid.</p><p>Try again, or go back to the shop.</p></div>'
            if problem
            else ""
        )
        away = (
            f'<a class="button button--quiet" href="{escape(session.cancel_url)}">Cancel and go back</a>'
            if session.cancel_url
            else ""
        )
        return (
            f'<section class="sheet">{self._summary(session, amount)}{told}'
            '<form method="post" class="choice"><h1>Pay by card</h1>'
            f'<label>E-mail <input type="email" name="email" value="{escape(filled)}" autocomplete="email"{fixed}>'
            "</label>"
            '<button name="outcome" value="approve">Pay</button>'
            '<button class="button--quiet" name="outcome" value="delay">Pay, but let it take a while</button>'
            '<button class="button--quiet" name="outcome" value="decline">Use a card that is declined</button></form>'
            f'{away}<p class="note">This page stands in for Stripe Checkout. Whatever you choose, no money moves; the'
            " shop is told as the real Checkout would tell it.</p></section>"
        )

    def _summary(self, session: CheckoutSession, amount: str) -> str:
        account = self._world.accounts.get(session.account)
        name = account.name if account else "Shop"
        pairs = [("For", escape(str(line["name"]))) for line in session.lines]
        pairs += [("Session", escape(session.id)), ("Mode", "live keys (simulated)" if session.livemode else "test")]
        return (
            f'<p class="seller"><span class="mark" aria-hidden="true">S</span> {escape(name)}</p>'
            f'<p class="amount">{escape(amount)}</p>{pages.facts(pairs, ids=["Session"])}'
        )


def _ending(session: CheckoutSession, amount: str, *, is_waiting: bool) -> tuple[str, str, str, str]:
    if session.status == "expired":
        return "info", "This page has expired", "Nothing has been paid.", "Go back to the shop to start again."
    if is_waiting:
        return "wait", "Payment in progress", "Do not pay again.", "The bank has not answered yet."
    if session.payment_status == "paid":
        return "ok", "Payment received", f"{escape(amount)} has been paid.", "There is nothing left to do here."
    return "info", "Payment not finished", "Nothing more to do here.", "The shop decides about what was held."


def _notice(what: str, then: str, *, status: int) -> Response:
    body = (
        f'<section class="sheet"><div class="state state--info">{pages.icon("info")}<h1>{escape(what)}</h1>'
        f'<p class="money">Nothing has been paid.</p><p>{escape(then)}</p></div></section>'
    )
    return pages.page(f"{what} (simulator)", body, status=status, wide=False)
