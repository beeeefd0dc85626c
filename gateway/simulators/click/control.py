"""The doors below `/_lab/click/`: services, what buyers and Click's people do, and what there is to see of it all.

POST accounts {serviceId, merchantId, secretKey, merchantUserId?, callback_url | prepare_url + complete_url, one_url?,
     name?, partial_reversal?}; Prepare goes to callback_url/prepare, with one_url to callback_url · GET accounts
GET  payments[?merchant_trans_id=…] · payments/<id> · calls[?payment=&step=&fault=] (Prepare and Complete, with answers)
GET  requests[?payment=&operation=] (Merchant API) · idle[?timeout=5]
POST payments {serviceId, merchant_trans_id, amount, outcome?}: a buyer's try without the page, amount in som; outcome
     is approve, decline, delay or abandon
POST payments/<id>/act {"outcome": "prepare"|"complete"|"cancel"|"reverse"}: reverse is Click's own cabinet
POST payments/<id>/age {"days": n}: as if it had been made n days earlier
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from gateway.simulators.click import overview
from gateway.simulators.click.buyer import AMOUNT, PLANS, BuyerPages, Link
from gateway.simulators.click.dialogue import Dialogue
from gateway.simulators.click.rows import Account, Payment
from gateway.simulators.click.world import World, tiyin
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

STEPS = ("prepare", "complete", "cancel")
ACTS = (*STEPS, "reverse")


class Missing(Exception):
    """No such thing in the lab."""


class Impossible(Exception):
    """The payment is in a state where Click's people could not do this."""


class Control:
    def __init__(self, world: World, dialogue: Dialogue, buyer: BuyerPages) -> None:
        self._world = world
        self._dialogue = dialogue
        self._buyer = buyer
        self._router: Router[Handler] = Router()
        for method, path, handler in (
            ("GET", "/", lambda request, names: overview.show(world)),
            ("GET", "/accounts", self._listing(lambda: [_masked(row) for row in world.accounts.all()], "accounts")),
            ("POST", "/accounts", self._register),
            ("GET", "/payments", self._payments),
            ("POST", "/payments", self._pay),
            ("GET", "/payments/{id}", self._payment),
            ("POST", "/payments/{id}/act", self._act),
            ("POST", "/payments/{id}/age", self._age),
            ("GET", "/calls", self._calls),
            ("GET", "/requests", self._requests),
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
            return see_other("/_lab/click/")
        return response

    def _listing(self, rows: Callable[[], list[Json]], name: str) -> Handler:
        return lambda request, names: json_response({name: rows()})

    def _register(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"account": _masked(self._world.register(request.fields()))}, 201)

    def _payments(self, request: Request, names: dict[str, str]) -> Response:
        order = request.args.get("merchant_trans_id")
        rows = [asdict(row) for row in self._world.payments.newest() if order in {None, row.order}]
        return json_response({"payments": rows})

    def _payment(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"payment": asdict(self._find(names["id"]))})

    def _pay(self, request: Request, names: dict[str, str]) -> Response:
        wanted = request.fields()
        outcome = str(wanted.get("outcome", "approve"))
        order, amount = str(wanted.get("merchant_trans_id", "")), str(wanted.get("amount", ""))
        if outcome not in PLANS:
            raise BadRequest(f"outcome must be one of {', '.join(PLANS)}.")
        if not order or not AMOUNT.fullmatch(amount):
            raise BadRequest("merchant_trans_id and amount (som, as text) are needed.")
        payment = self._buyer.begin(Link(self._account(wanted), order, amount), outcome)
        return json_response({"payment": asdict(payment)}, 201)

    def _act(self, request: Request, names: dict[str, str]) -> Response:
        outcome = str(request.fields().get("outcome", ""))
        if outcome not in ACTS:
            raise BadRequest(f"outcome must be one of {', '.join(ACTS)}.")
        payment = self._find(names["id"])
        if outcome in STEPS:
            talk = self._dialogue.go_on(payment, [outcome])
            talk.paused.wait(self._world.settings.callback_timeout_seconds)
            return json_response({"payment": asdict(payment)})
        if payment.payment_status != 2:
            raise Impossible("Only a payment that was made can be sent back.")
        with self._world.lock:
            payment.reversed_minor = tiyin(payment.amount)
            payment.status, payment.payment_status = "reversed", -1
            self._world.keep(payment)
        return json_response({"payment": asdict(payment)})

    def _age(self, request: Request, names: dict[str, str]) -> Response:
        payment, days = self._find(names["id"]), whole(request.fields(), "days", 1) or 0
        with self._world.lock:
            payment.created -= days * 86400
            payment.paid_at -= days * 86400 if payment.paid_at else 0
            self._world.keep(payment)
        return json_response({"payment": asdict(payment)})

    def _calls(self, request: Request, names: dict[str, str]) -> Response:
        """Newest first."""
        wanted = request.args
        rows = [
            asdict(row)
            for row in self._world.calls.newest()
            if wanted.get("payment") in {None, row.payment}
            and wanted.get("step") in {None, row.step}
            and wanted.get("fault") in {None, row.fault}
        ]
        return json_response({"calls": rows})

    def _requests(self, request: Request, names: dict[str, str]) -> Response:
        """Newest first."""
        wanted = request.args
        rows = [
            asdict(row)
            for row in self._world.requests.newest()
            if wanted.get("payment") in {None, row.payment} and wanted.get("operation") in {None, row.operation}
        ]
        return json_response({"requests": rows})

    def _idle(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"idle": self._dialogue.wait_idle(number(request.args, "timeout", 5))})

    def _find(self, key: str) -> Payment:
        payment = self._world.payments.get(key)
        if payment is None:
            raise Missing("No such payment.")
        return payment

    def _account(self, wanted: Json) -> Account:
        account = self._world.accounts.get(str(wanted.get("serviceId", "")))
        if account is None:
            raise Missing("No such service.")
        return account


def _masked(row: Account) -> Json:
    return {**asdict(row), "secret_key": f"{row.secret_key[:2]}…"}
