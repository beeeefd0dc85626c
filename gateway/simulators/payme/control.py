"""The doors below `/_lab/payme/`: cash desks, what buyers and sellers do, and what there is to see of it all.

POST accounts {merchantId, key, callback_url, name?, sends_fiscal?} · GET accounts
GET  payments[?order_id=…] · payments/<id> · calls[?payment=&method=] (`requests` is the same) · idle[?timeout=5]
POST payments {merchantId, account: {order_id}, amount, outcome?}: a buyer's try without the page; outcome is approve,
     decline, delay or abandon
POST payments/<id>/act {"outcome": "check"|"create"|"perform"|"cancel"|"expire"|"refund"|"state"|"fiscal", "reason"?}
POST statement {merchantId, from?, to?}: GetStatement, compared with the lab's own books
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from gateway.simulators.payme import overview
from gateway.simulators.payme.caller import call
from gateway.simulators.payme.checkout import PLANS, Checkout, Link
from gateway.simulators.payme.dialogue import REASON_EXECUTION, REASON_REFUND, REASON_TIMEOUT, Dialogue
from gateway.simulators.payme.rows import Account, Payment
from gateway.simulators.payme.world import World
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

ACTS = {
    "check": ["check"],
    "create": ["create"],
    "perform": ["perform", "fiscal"],
    "cancel": ["cancel"],
    "expire": ["cancel"],
    "refund": ["cancel", "fiscal"],
    "state": ["state"],
    "fiscal": ["fiscal"],
}
REASONS = {"cancel": REASON_EXECUTION, "expire": REASON_TIMEOUT, "refund": REASON_REFUND}


class Missing(Exception):
    """No such thing in the lab."""


class Impossible(Exception):
    """The payment is in a state where Payme's people could not do this."""


class Control:
    def __init__(self, world: World, dialogue: Dialogue, checkout: Checkout) -> None:
        self._world = world
        self._dialogue = dialogue
        self._checkout = checkout
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
            ("POST", "/statement", self._statement),
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
            return see_other("/_lab/payme/")
        return response

    def _listing(self, rows: Callable[[], list[Json]], name: str) -> Handler:
        return lambda request, names: json_response({name: rows()})

    def _register(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"account": _masked(self._world.register(request.fields()))}, 201)

    def _payments(self, request: Request, names: dict[str, str]) -> Response:
        """Newest first; any account field narrows it down (`?order_id=…`)."""
        rows = [
            asdict(row)
            for row in self._world.payments.newest()
            if all(row.fields.get(name) == value for name, value in request.args.items() if name != "format")
        ]
        return json_response({"payments": rows})

    def _payment(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"payment": asdict(self._find(names["id"]))})

    def _pay(self, request: Request, names: dict[str, str]) -> Response:
        wanted = request.fields()
        outcome = str(wanted.get("outcome", "approve"))
        if outcome not in PLANS:
            raise BadRequest(f"outcome must be one of {', '.join(PLANS)}.")
        fields, amount = wanted.get("account"), whole(wanted, "amount", None)
        if not isinstance(fields, dict) or not fields or amount is None:
            raise BadRequest("account (an object) and amount are needed.")
        link = Link(self._account(wanted), {str(k): str(v) for k, v in fields.items()}, amount)
        return json_response({"payment": asdict(self._checkout.begin(link, outcome))}, 201)

    def _act(self, request: Request, names: dict[str, str]) -> Response:
        wanted = request.fields()
        outcome = str(wanted.get("outcome", ""))
        if outcome not in ACTS:
            raise BadRequest(f"outcome must be one of {', '.join(ACTS)}.")
        payment = self._find(names["id"])
        if outcome == "refund" and payment.state != 2:
            raise Impossible("Only a payment that was performed can be refunded.")
        if outcome in REASONS:
            payment.cancel_reason = whole(wanted, "reason", None) or REASONS[outcome]
        sends_fiscal = self._account({"merchantId": payment.account}).sends_fiscal
        plan = [step for step in ACTS[outcome] if step != "fiscal" or sends_fiscal or outcome == "fiscal"]
        talk = self._dialogue.go_on(payment, plan)
        talk.paused.wait(self._world.settings.callback_timeout_seconds)
        return json_response({"payment": asdict(payment)})

    def _calls(self, request: Request, names: dict[str, str]) -> Response:
        """`?payment=`, `?method=` and `?fault=` narrow it down. Newest first."""
        wanted = request.args
        rows = [
            asdict(row)
            for row in self._world.calls.newest()
            if wanted.get("payment") in {None, row.payment}
            and wanted.get("method") in {None, row.method}
            and wanted.get("fault") in {None, row.fault}
        ]
        return json_response({"calls": rows})

    def _statement(self, request: Request, names: dict[str, str]) -> Response:
        wanted = request.fields()
        account = self._account(wanted)
        since, until = whole(wanted, "from", 0) or 0, whole(wanted, "to", None)
        until = self._world.now_ms() if until is None else until
        heard, _ = call(self._world, account, "GetStatement", {"from": since, "to": until})
        rows = heard.result["transactions"] if heard.result else []
        return json_response(
            {
                "transactions": rows,
                "error": heard.error,
                "violations": [*heard.violations, *self._differences(account, rows, since, until)],
            }
        )

    def _differences(self, account: Account, rows: list[Json], since: int, until: int) -> list[str]:
        """The seller's list against ours. He may have ended a reservation that Payme still holds open."""
        theirs = {str(row["id"]): row for row in rows}
        ours = {
            row.id: row
            for row in self._world.payments.all()
            if row.account == account.id and row.state != 0 and since <= row.time <= until
        }
        found = [f"{key} is missing in the statement" for key in ours if key not in theirs]
        for key, row in ours.items():
            line = theirs.get(key)
            if line is None:
                continue
            if (line["time"], line["amount"], line["account"]) != (row.time, row.amount, row.fields):
                found.append(f"{key} has another time, amount or account")
            if line["state"] != row.state and not (row.state == 1 and line["state"] == -1):
                found.append(f"{key} is in state {line['state']} instead of {row.state}")
        return found

    def _idle(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"idle": self._dialogue.wait_idle(number(request.args, "timeout", 5))})

    def _find(self, key: str) -> Payment:
        payment = self._world.payments.get(key)
        if payment is None:
            raise Missing("No such payment.")
        return payment

    def _account(self, wanted: Json) -> Account:
        account = self._world.accounts.get(str(wanted.get("merchantId", "")))
        if account is None:
            raise Missing("No such cash desk.")
        return account


def _masked(row: Account) -> Json:
    return {**asdict(row), "key": f"{row.key[:2]}…"}
