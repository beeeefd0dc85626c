"""The doors below `/_lab/secure_processor/`: shops, what buyers, banks and the back office do, and what is to be seen.

POST accounts {shopId, secretKey, privateKey?, webhook_url?, name?, currencies?, token_path?, errors?, callbacks?, …}
GET  accounts (with public keys, without secrets) · checkouts[?tracking_id=] · checkouts/<token>
GET  transactions[?tracking_id=&type=] · transactions/<uid> · callbacks[?checkout=&event=] · requests[?operation=]
POST checkouts/<token>/act {"outcome": "approve"|"decline"|"delay"|"error"|"incomplete"|"expire", "reason"?, "late"?}
     a buyer without a browser; `late` lets an expired or used token be paid all the same
POST transactions/<uid>/act {"outcome": "successful"|"failed"|"error", "reason"?}: a try or refund that waits ends
POST transactions/<uid>/refund {"amount"?, "reason"?} · transactions/<uid>/capture · transactions/<uid>/void: the back
     office · transactions/<uid>/chargeback: the buyer's bank
POST transactions/<uid>/send · checkouts/<token>/send: its callback once more, whatever was ordered
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from gateway.simulators.secure_processor import outcomes, overview, shapes
from gateway.simulators.secure_processor.news import PROCESSOR, Messenger
from gateway.simulators.secure_processor.outcomes import Impossible
from gateway.simulators.secure_processor.rows import Account, Checkout, Transaction
from gateway.simulators.secure_processor.world import Telling, World
from gateway.simulators.wire import (
    BadRequest,
    Handler,
    Json,
    Request,
    Response,
    Router,
    flag,
    json_response,
    see_other,
    whole,
)


class Missing(Exception):
    """No such thing in the lab."""


class Control:
    def __init__(self, world: World, messenger: Messenger) -> None:
        self._world = world
        self._messenger = messenger
        self._router: Router[Handler] = Router()
        for method, path, handler in (
            ("GET", "/", lambda request, names: overview.show(world)),
            ("GET", "/accounts", self._listing(lambda args: [masked(row) for row in world.accounts.all()], "accounts")),
            ("POST", "/accounts", self._register),
            ("GET", "/checkouts", self._listing(self._checkouts, "checkouts")),
            ("GET", "/checkouts/{id}", self._show_checkout),
            ("POST", "/checkouts/{id}/act", self._act_on_checkout),
            ("POST", "/checkouts/{id}/send", self._send_checkout),
            ("GET", "/transactions", self._listing(self._transactions, "transactions")),
            ("GET", "/transactions/{id}", self._show_transaction),
            ("POST", "/transactions/{id}/act", self._act_on_transaction),
            ("POST", "/transactions/{id}/refund", self._refund),
            ("POST", "/transactions/{id}/capture", self._capture),
            ("POST", "/transactions/{id}/void", self._void),
            ("POST", "/transactions/{id}/chargeback", self._charge_back),
            ("POST", "/transactions/{id}/send", self._send_transaction),
            ("GET", "/callbacks", self._listing(self._callbacks, "callbacks")),
            ("GET", "/requests", self._listing(self._requests, "requests")),
        ):
            self._router.add(method, path, path, handler)

    def handle(self, request: Request) -> Response | None:
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        try:
            with self._world.telling_as(Telling()):
                response = found[0].target(request, found[1])
        except Missing as error:
            return json_response({"error": str(error)}, 404)
        except Impossible as error:
            return json_response({"error": str(error)}, 409)
        if request.method == "POST" and request.wants_page:
            return see_other("/_lab/secure_processor/")
        return response

    def _listing(self, rows: Callable[[dict[str, str]], list[Json]], name: str) -> Handler:
        return lambda request, names: json_response({name: rows(request.args)})

    def _register(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"account": masked(self._world.register(request.fields()))}, 201)

    def _show_checkout(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"checkout": self._shown(self._checkout(names["id"]))})

    def _show_transaction(self, request: Request, names: dict[str, str]) -> Response:
        return self._answer(self._transaction(names["id"]), 200)

    def _act_on_checkout(self, request: Request, names: dict[str, str]) -> Response:
        checkout, wanted = self._checkout(names["id"]), request.fields()
        outcome = str(wanted.get("outcome", ""))
        if outcome == "expire":
            return json_response({"checkout": self._shown(outcomes.expire(self._world, checkout))})
        if outcome not in outcomes.OUTCOMES:
            raise BadRequest(f"outcome must be one of {', '.join(outcomes.OUTCOMES)}, expire.")
        is_late, reason = flag(wanted.get("late", False)), _reason(wanted)
        return self._answer(outcomes.attempt(self._world, checkout, outcome, reason=reason, is_late=is_late), 200)

    def _act_on_transaction(self, request: Request, names: dict[str, str]) -> Response:
        row, wanted = self._transaction(names["id"]), request.fields()
        outcome = str(wanted.get("outcome", ""))
        if outcome not in {"successful", "failed", "error"}:
            raise BadRequest("outcome must be successful, failed or error.")
        if row.status not in {"pending", "incomplete"}:
            raise Impossible(f"The transaction is {row.status} already.")
        if row.type == "refund":
            return self._answer(outcomes.end_refund(self._world, row, outcome), 200)
        return self._answer(outcomes.settle(self._world, row, outcome, reason=_reason(wanted)), 200)

    def _refund(self, request: Request, names: dict[str, str]) -> Response:
        row, wanted = self._taken(names["id"], {"payment", "capture"}), request.fields()
        left = row.amount - self._world.done(row, "refund")
        amount = whole(wanted, "amount", left)
        if amount is None or not 0 < amount <= left:
            raise Impossible(f"At most {left} can be refunded.")
        reason = str(wanted.get("reason") or "From the back office")
        return self._answer(outcomes.refund(self._world, row, amount, reason=reason), 201)

    def _capture(self, request: Request, names: dict[str, str]) -> Response:
        row = self._held(names["id"])
        return self._answer(
            outcomes.capture(self._world, row, whole(request.fields(), "amount", None) or row.amount), 201
        )

    def _void(self, request: Request, names: dict[str, str]) -> Response:
        row = self._held(names["id"])
        return self._answer(outcomes.void(self._world, row, row.amount), 201)

    def _charge_back(self, request: Request, names: dict[str, str]) -> Response:
        row = self._taken(names["id"], {"payment", "capture"})
        return self._answer(outcomes.charge_back(self._world, row), 201)

    def _send_checkout(self, request: Request, names: dict[str, str]) -> Response:
        checkout = self._checkout(names["id"])
        return json_response({"callbacks": self._messenger.tell(checkout, None)}, 202)

    def _send_transaction(self, request: Request, names: dict[str, str]) -> Response:
        row = self._transaction(names["id"])
        checkout = self._world.checkout_of(row)
        if checkout is None:
            raise Missing("Its checkout is forgotten.")
        return json_response({"callbacks": self._messenger.tell(checkout, row)}, 202)

    def _checkouts(self, args: dict[str, str]) -> list[Json]:
        rows = self._world.checkouts.newest()
        return [self._shown(row) for row in rows if args.get("tracking_id") in {None, row.tracking_id}]

    def _transactions(self, args: dict[str, str]) -> list[Json]:
        return [
            shapes.transaction(self._world, row)
            for row in self._world.transactions.newest()
            if args.get("tracking_id") in {None, row.tracking_id} and args.get("type") in {None, row.type}
        ]

    def _callbacks(self, args: dict[str, str]) -> list[Json]:
        return [
            asdict(row)
            for row in self._world.callbacks.table.newest()
            if row.processor == PROCESSOR
            and args.get("checkout") in {None, row.subject}
            and args.get("event") in {None, row.label}
        ]

    def _requests(self, args: dict[str, str]) -> list[Json]:
        return [asdict(row) for row in self._world.requests.newest() if args.get("operation") in {None, row.operation}]

    def _answer(self, row: Transaction, status: int) -> Response:
        return json_response({"transaction": shapes.transaction(self._world, row)}, status)

    def _shown(self, row: Checkout) -> Json:
        """As the API shows it, and what only the lab knows."""
        lab = {"is_open": self._world.is_open(row), "shape": row.shape, "metadata": row.metadata}
        return {**shapes.checkout(self._world, row), **lab}

    def _checkout(self, key: str) -> Checkout:
        row = self._world.checkouts.get(key)
        if row is None:
            raise Missing("No such checkout.")
        return row

    def _transaction(self, key: str) -> Transaction:
        row = self._world.transactions.get(key)
        if row is None:
            raise Missing("No such transaction.")
        return row

    def _taken(self, key: str, types: set[str]) -> Transaction:
        row = self._transaction(key)
        if row.type not in types or row.status != "successful":
            raise Impossible("Only of money that was taken.")
        return row

    def _held(self, key: str) -> Transaction:
        row = self._taken(key, {"authorization"})
        if self._world.is_hold_over(row):
            raise Impossible("The hold is over.")
        return row


def _reason(wanted: Json) -> str:
    reason = str(wanted.get("reason") or "")
    if reason and reason not in outcomes.REASONS:
        raise BadRequest(f"reason must be one of {', '.join(outcomes.REASONS)}.")
    return reason


def masked(row: Account) -> Json:
    return {**asdict(row), "secret_key": "…", "private_key": "…"}
