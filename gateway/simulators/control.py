"""The doors below `/_lab/`: faults, settings, reset, and the page for people who order faults by hand.

GET|POST|DELETE /_lab/faults · DELETE /_lab/faults/<id> · GET|POST /_lab/settings
POST /_lab/reset {"accounts": true?} · GET /_lab/idle?timeout=5
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from html import escape

from gateway.simulators import pages
from gateway.simulators.callbacks import Callbacks
from gateway.simulators.config import Settings
from gateway.simulators.faults import API_FAULTS, CALLBACK_FAULTS, KINDS, RETURN_FAULTS, Fault, Faults
from gateway.simulators.wire import Handler, Request, Response, Router, flag, json_response, number, see_other

TITLES = [
    ("Callbacks to the product", CALLBACK_FAULTS),
    ("The buyer’s way back", RETURN_FAULTS),
    ("Calls of the product", API_FAULTS),
]


class LabControl:
    def __init__(
        self, *, faults: Faults, settings: Settings, callbacks: Callbacks, reset: Callable[[bool], None]
    ) -> None:
        self._faults = faults
        self._settings = settings
        self._callbacks = callbacks
        self._reset = reset
        self._router: Router[Handler] = Router()
        for method, path, handler in (
            ("GET", "/", self._page),
            ("GET", "/faults", self._list),
            ("POST", "/faults", self._order),
            ("DELETE", "/faults", self._clear),
            ("POST", "/faults/clear", self._clear),
            ("DELETE", "/faults/{id}", self._remove),
            ("POST", "/faults/{id}/remove", self._remove),
            ("GET", "/settings", lambda request, names: json_response(asdict(self._settings))),
            ("POST", "/settings", self._change),
            ("POST", "/reset", self._start_over),
            ("GET", "/idle", self._idle),
        ):
            self._router.add(method, path, path, handler)

    def handle(self, request: Request) -> Response | None:
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        response = found[0].target(request, found[1])
        if request.method == "POST" and request.wants_page:
            return see_other("/_lab/")
        return response

    def _list(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"faults": [asdict(fault) for fault in self._faults.all()], "kinds": KINDS})

    def _order(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"fault": asdict(self._faults.order(request.fields()))}, 201)

    def _clear(self, request: Request, names: dict[str, str]) -> Response:
        self._faults.clear()
        return json_response({"faults": []})

    def _remove(self, request: Request, names: dict[str, str]) -> Response:
        self._faults.remove(names["id"])
        return json_response({"faults": [asdict(fault) for fault in self._faults.all()]})

    def _change(self, request: Request, names: dict[str, str]) -> Response:
        self._settings.change(request.fields())
        return json_response(asdict(self._settings))

    def _start_over(self, request: Request, names: dict[str, str]) -> Response:
        self._reset(flag(request.fields().get("accounts", False)))
        return json_response({"reset": True})

    def _idle(self, request: Request, names: dict[str, str]) -> Response:
        """Waits until no callback is ready or in flight; those waiting for a later try do not count."""
        return json_response({"idle": self._callbacks.wait_idle(number(request.args, "timeout", 5))})

    def _page(self, request: Request, names: dict[str, str]) -> Response:
        active = self._faults.all()
        items = "".join(f"<li>{_active(fault)}</li>" for fault in active)
        listing = f'<ul class="list">{items}</ul>' if active else '<p class="note">None ordered: all goes well.</p>'
        clear = pages.button_form("/_lab/faults/clear", "Take all back", {}) if active else ""
        quick = "".join(
            f'<section class="sheet"><h2>{title}</h2><div class="chips">{_chips(kinds)}</div></section>'
            for title, kinds in TITLES
        )
        options = "".join(f'<option value="{kind}">{kind}</option>' for kind in KINDS)
        exact = (
            '<section class="sheet"><h2>Order exactly</h2><form method="post" action="/_lab/faults" class="fields">'
            f'<label>Kind <select name="kind">{options}</select></label>'
            '<label>Times <input name="times" value="1" inputmode="numeric"></label>'
            '<label>Seconds <input name="seconds" inputmode="decimal" placeholder="as usual"></label>'
            '<label>Only payment <input name="match.payment" placeholder="pi_…"></label>'
            '<label>Only metadata <input name="match.metadata" placeholder="key=value"></label>'
            '<label>Only operation <input name="match.operation" placeholder="refunds.create"></label>'
            '<label>Only event <input name="match.event" placeholder="payment_intent.succeeded"></label>'
            "<label>&nbsp;<button>Order this fault</button></label></form></section>"
        )
        body = (
            '<h1>Faults to order</h1><p class="lead">A button orders its fault once, for the next thing it can strike.'
            " Programs order with <code>POST /_lab/faults</code>.</p>"
            f'<section class="sheet"><div class="row row--apart"><h2>Ordered</h2><div class="row">{clear}</div></div>'
            f"{listing}</section>{quick}{exact}"
            '<section class="sheet"><h2>Start over</h2><p class="note">Forgets payments, events, faults and the inbox;'
            " accounts stay.</p>"
            f'<div class="row">{pages.button_form("/_lab/reset", "Empty the lab", {})}</div></section>'
        )
        return pages.page("Faults · Processor lab", body, here="/_lab/")


def _chips(kinds: dict[str, str]) -> str:
    return "".join(
        f'<form method="post" action="/_lab/faults"><button class="button--quiet" name="kind" value="{kind}">{kind}'
        f"<small>{escape(words)}</small></button></form>"
        for kind, words in kinds.items()
    )


def _active(fault: Fault) -> str:
    left = "until taken back" if fault.times is None else f"{fault.times - fault.used} of {fault.times} left"
    spent = fault.times is not None and fault.used >= fault.times
    where = [
        f"payment {fault.payment}" if fault.payment else "",
        fault.operation,
        fault.event,
        " ".join(f"{name}={value}" for name, value in fault.metadata.items()),
    ]
    words = " · ".join(part for part in [KINDS[fault.kind], *where] if part)
    return (
        f'<div class="row row--apart"><span class="row"><strong>{fault.kind}</strong>'
        f' {pages.badge("none" if spent else "wait", "spent" if spent else left)}</span><span class="row">'
        + pages.button_form(f"/_lab/faults/{fault.id}/remove", "Take back", {})
        + f'</span></div><p class="note">{escape(words)}</p>'
    )
