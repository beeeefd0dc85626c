"""The buyer's side: the page behind a token, alone or in the widget's frame, and the widget's script.

One form with `name="outcome"`, values approve, decline, delay, and a link that closes the page. The browser goes back
by GET with `token`, `status` and `uid` added to whatever the shop's address has already: a `token` of the shop's own
is then there twice, as from the real one. In the frame the page around it is told instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from gateway.simulators import pages
from gateway.simulators.secure_processor import outcomes
from gateway.simulators.secure_processor.rows import Checkout, Transaction
from gateway.simulators.secure_processor.world import Telling, World
from gateway.simulators.wire import Request, Response, is_loopback_url, see_other, text_response

# Chrome checks form-action against the whole chain of redirects after a POST, and the shop may send people on.
ANYWHERE = "'self' http: https:"
OUTCOMES = ("approve", "decline", "delay")
PAGES = ("/checkout", "/v2/checkout", "/", "/ctp/checkout")
WIDGET = "/widget/be_gateway.js"
# By status: the address that the shop may have named for it.
WAYS_BACK = {"successful": "success_url", "failed": "decline_url", "error": "fail_url"}


class BuyerPages:
    def __init__(self, world: World) -> None:
        self._world = world

    def handle(self, request: Request) -> Response | None:
        if request.path == WIDGET and request.method == "GET":
            return pages.static("secure-processor-widget.js")
        if request.path not in PAGES or request.method not in {"GET", "POST"}:
            return None
        frame = request.args.get("frame", "")
        frame = frame if is_loopback_url(frame) else ""
        checkout = self._world.checkouts.get(request.args.get("token", ""))
        if checkout is None:
            return framed(
                _notice("info", "Unknown token", "Nothing has been paid. Start again in the shop.", 404), frame
            )
        if request.method == "GET":
            return self._show(checkout, frame)
        if not request.is_same_origin:
            return text_response("Another site's page may not pay here.", 403)
        return self._choose(checkout, str(request.fields().get("outcome", "")), frame)

    def _choose(self, checkout: Checkout, outcome: str, frame: str) -> Response:
        if outcome not in OUTCOMES:
            return text_response("outcome must be approve, decline or delay.", 400)
        world = self._world
        fault = world.faults.take("return", payment=checkout.id, metadata=world.metadata(checkout))
        kind, seconds = (fault.kind, fault.seconds or 0) if fault else ("", 0.0)
        telling = Telling(delay=seconds if kind == "return_before_callback" else 0)
        with world.telling_as(telling):
            try:
                tried = outcomes.attempt(world, checkout, outcome)
            except outcomes.Impossible:
                return self._show(checkout, frame, status=409)
        if kind == "callback_before_return":
            world.callbacks.wait_tried(telling.sent, seconds)
        if frame:
            return self._told(checkout, tried, frame)
        way_back = way_back_of(checkout, tried)
        return see_other(way_back) if way_back else self._show(checkout, frame)

    def _told(self, checkout: Checkout, tried: Transaction, frame: str) -> Response:
        """In the frame: the page around it hears the status, and closes the frame."""
        kind, what = _verdict(tried)
        body = (
            f'<section class="sheet"><div class="state state--{kind}">{pages.icon(kind)}<h1>{what}</h1>'
            f"<p>{escape(tried.message)}</p></div>"
            f'<a class="button" target="_top" href="{escape(way_back_of(checkout, tried))}">Back to the shop</a>'
            f"</section>{_script(frame, {'status': tried.status, 'uid': tried.id})}"
        )
        return framed(pages.page(f"{what} (simulator)", body, wide=False), frame)

    def _show(self, checkout: Checkout, frame: str, status: int = 200) -> Response:
        world = self._world
        amount = pages.money(checkout.amount, checkout.currency.lower())
        latest = world.latest(checkout)
        is_waiting = latest is not None and latest.status in {"pending", "incomplete"}
        if not world.is_open(checkout) or is_waiting:
            return framed(self._closed(checkout, latest, amount, frame, status), frame)
        words = escape(latest.message) if latest is not None else ""
        trouble = f'<p class="note" role="status">The last try was refused. {words}</p>' if words else ""
        if frame:
            close = f'<button class="button--quiet" type="button" id="close">Close</button>{_script(frame, None)}'
        else:
            cancel = checkout.urls.get("cancel_url") or with_token(checkout)
            close = f'<a class="button button--quiet" id="cancel" href="{escape(cancel)}">Close</a>' if cancel else ""
        body = (
            f'<section class="sheet">{self._summary(checkout, amount)}{trouble}'
            '<form method="post" class="choice"><h1>Pay by card?</h1>'
            '<button name="outcome" value="approve">Pay</button>'
            '<button class="button--quiet" name="outcome" value="delay">Pay, but let the bank take a while</button>'
            '<button class="button--quiet" name="outcome" value="decline">Decline</button></form>'
            f'{close}<p class="note">This page stands in for Secure Processor. Whatever you choose, no money moves; the'
            " shop is told as the real one would tell it.</p></section>"
        )
        title = f"Pay {amount} with Secure Processor (simulator)"
        return framed(pages.page(title, body, status=status, form_action=ANYWHERE, wide=False), frame)

    def _closed(self, checkout: Checkout, latest: Transaction | None, amount: str, frame: str, status: int) -> Response:
        kind, what = ("bad", "This token has expired") if latest is None else _verdict(latest)
        words = latest.message if latest is not None else "Nothing has been paid. Start again in the shop."
        way_back = way_back_of(checkout, latest) if latest is not None else checkout.urls.get("return_url", "")
        link = f'<a class="button" target="_top" href="{escape(way_back)}">Back to the shop</a>' if way_back else ""
        body = (
            f'<section class="sheet">{self._summary(checkout, amount)}<div class="state state--{kind}">'
            f"{pages.icon(kind)}<h1>{what}</h1><p>{escape(words)}</p></div>{link}</section>"
        )
        refresh = 2 if kind == "wait" and not frame else 0
        return pages.page(f"{what} (simulator)", body, status=status, wide=False, refresh=refresh)

    def _summary(self, checkout: Checkout, amount: str) -> str:
        account = self._world.account_of(checkout)
        mode = "Test" if checkout.test else "Live"
        pairs = [("For", escape(checkout.description)), ("Mode", mode)]
        if checkout.tracking_id:
            pairs.append(("Reference", escape(checkout.tracking_id)))
        return (
            '<p class="seller"><span class="mark" aria-hidden="true">S</span>'
            f" {escape(account.name if account else 'Shop')}</p>"
            f'<p class="amount">{escape(amount)}</p>{pages.facts(pairs, ids=["Reference"])}'
        )


def way_back_of(checkout: Checkout, tried: Transaction) -> str:
    """The shop's address for this outcome; its own parameters stay, ours come behind them."""
    named = checkout.urls.get(WAYS_BACK.get(tried.status, ""), "")
    return added(named or checkout.urls.get("return_url", ""), token=checkout.id, status=tried.status, uid=tried.id)


def with_token(checkout: Checkout) -> str:
    return added(checkout.urls.get("return_url", ""), token=checkout.id)


def added(url: str, **parameters: str) -> str:
    if not url:
        return ""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(parameters)) if part)
    return urlunsplit(parts._replace(query=query))


def framed(response: Response, origin: str) -> Response:
    """The one page that may show it in a frame; without an origin nobody may."""
    if origin:
        parts = urlsplit(origin)
        allowed = f"frame-ancestors {parts.scheme}://{parts.netloc}"
        policy = response.headers["Content-Security-Policy"]
        response.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'", allowed)
    return response


def _verdict(tried: Transaction) -> tuple[str, str]:
    if tried.status == "successful":
        return "ok", "Payment made"
    return ("wait", "Payment in progress") if tried.status in {"pending", "incomplete"} else ("bad", "Payment not made")


def _script(origin: str, told: Mapping[str, object] | None) -> str:
    """`told` None: nothing yet, the close button tells that the buyer left."""
    parts = urlsplit(origin)
    data = json.dumps({"origin": f"{parts.scheme}://{parts.netloc}", "told": told})
    return f'<script src="/static/secure-processor-page.js" defer id="told" data-told="{escape(data)}"></script>'


def _notice(kind: str, what: str, words: str, status: int) -> Response:
    body = (
        f'<section class="sheet"><div class="state state--{kind}">{pages.icon(kind)}<h1>{escape(what)}</h1>'
        f"<p>{escape(words)}</p></div></section>"
    )
    return pages.page(f"{what} (simulator)", body, status=status, wide=False)
