"""The doors below `/_lab/uzum/`: services, what buyers and the bank do, and what there is to see of it all.

POST accounts {serviceId, login, password, callback_url, name?} · GET accounts
GET  payments[?order_id=…] · payments/<id> · idle[?timeout=5]
GET  calls[?payment=&endpoint=&fault=] (`requests` is the same)
POST payments {order, serviceId?, amount?, attribute?, outcome?}: a buyer's try without the page; outcome is approve,
     decline, delay or abandon
POST payments/<id>/act {"outcome": "check"|"create"|"confirm"|"poll"|"reverse"|"status"}; "refund" is a reverse of what
     was paid
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from gateway.simulators.uzum import overview
from gateway.simulators.uzum.app import ATTRIBUTES, PLANS, App, Wish, number_in
from gateway.simulators.uzum.dialogue import HANDLERS, Dialogue
from gateway.simulators.uzum.rows import Account, Payment
from gateway.simulators.uzum.world import World
from gateway.simulators.wire import (
    BadRequest,
    Handler,
    Json,
    Request,
    Response,
    Router,
    json_response,
    number,
    see_other,
    whole,
)

ACTS = {**{step: [step] for step in HANDLERS}, "refund": ["reverse"]}


class Missing(Exception):
    """No such thing in the lab."""


class Impossible(Exception):
    """The payment is in a state where the bank's people could not do this."""


class Control:
    def __init__(self, world: World, dialogue: Dialogue, app: App) -> None:
        self._world = world
        self._dialogue = dialogue
        self._app = app
        self._router: Router[Handler] = Router()
        for method, path, handler in (
            ("GET", "/", lambda request, names: overview.show(world)),
            ("GET", "/accounts", self._listing(lambda: [_masked(row) for row in world.accounts.all()], "accounts")),
            ("POST", "/accounts", self._register),
            ("GET", "/payments", self._payments),
            ("POST", "/payments", self._pay),
            ("GET", "/payments/{id}", self._payment),
            ("POST", "/payments/{id}/act", self._act),
            ("GET", "/calls", self._calls),
            ("GET", "/requests", self._calls),
            ("GET", "/idle", self._idle),
        ):
            self._router.add(method, path, path, handler)

    def handle(self, request: Request) -> Response | None:
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        route, names = found
        try:
            response = route.target(request, names)
        except Missing as error:
            return json_response({"error": str(error)}, 404)
        except Impossible as error:
            return json_response({"error": str(error)}, 409)
        if request.method == "POST" and request.wants_page:
            return see_other("/_lab/uzum/")
        return response

    def _listing(self, rows: Callable[[], list[Json]], name: str) -> Handler:
        return lambda request, names: json_response({name: rows()})

    def _register(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"account": _masked(self._world.register(request.fields()))}, 201)

    def _payments(self, request: Request, names: dict[str, str]) -> Response:
        """Newest first; the order's number narrows it down, under whatever name it went (`?order_id=…`)."""
        wanted = {value for name, value in request.args.items() if name in {*ATTRIBUTES, "order"}}
        rows = [asdict(row) for row in self._world.payments.newest() if not wanted or row.reference in wanted]
        return json_response({"payments": rows})

    def _payment(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"payment": asdict(self._find(names["id"]))})

    def _pay(self, request: Request, names: dict[str, str]) -> Response:
        wanted = request.fields()
        outcome = str(wanted.get("outcome", "approve"))
        if outcome not in PLANS:
            raise BadRequest(f"outcome must be one of {', '.join(PLANS)}.")
        reference, amount = number_in(str(wanted.get("order") or "")), whole(wanted, "amount", 0) or 0
        if not reference or amount < 0:
            raise BadRequest("order (its number) is needed, and amount is in tiyin.")
        service_id = str(wanted.get("serviceId") or "")
        account = self._world.accounts.get(service_id)
        if account is None and service_id:
            raise Missing("No such service.")
        attribute = str(wanted.get("attribute") or ATTRIBUTES[0])
        payment = self._app.begin(Wish(reference, account, attribute, amount), outcome)
        if payment is None:
            raise Missing("No service is registered.")
        return json_response({"payment": asdict(payment)}, 201)

    def _act(self, request: Request, names: dict[str, str]) -> Response:
        outcome = str(request.fields().get("outcome", ""))
        if outcome not in ACTS:
            raise BadRequest(f"outcome must be one of {', '.join(ACTS)}.")
        payment = self._find(names["id"])
        if outcome == "refund" and payment.state != "CONFIRMED":
            raise Impossible("Only a payment that was confirmed can be refunded.")
        talk = self._dialogue.talks.go_on(payment, ACTS[outcome])
        talk.paused.wait(self._world.settings.callback_timeout_seconds)
        return json_response({"payment": asdict(payment)})

    def _calls(self, request: Request, names: dict[str, str]) -> Response:
        """`?payment=`, `?endpoint=` and `?fault=` narrow it down. Newest first."""
        wanted = request.args
        rows = [
            asdict(row)
            for row in self._world.calls.newest()
            if wanted.get("payment") in {None, row.payment}
            and wanted.get("endpoint") in {None, row.endpoint}
            and wanted.get("fault") in {None, row.fault}
        ]
        return json_response({"calls": rows})

    def _idle(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"idle": self._dialogue.talks.wait_idle(number(request.args, "timeout", 5))})

    def _find(self, key: str) -> Payment:
        payment = self._world.payments.get(key)
        if payment is None:
            raise Missing("No such payment.")
        return payment


def _masked(row: Account) -> Json:
    return {**asdict(row), "password": f"{row.password[:2]}…"}
