"""What the simulated APIs do: tokens and their status, transactions, refunds, captures, voids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.simulators.faults import Fault
from gateway.simulators.secure_processor import outcomes, shapes, strict
from gateway.simulators.secure_processor.rows import TOKEN_PATH, Account, Checkout, LoggedRequest, Transaction
from gateway.simulators.secure_processor.strict import ApiError
from gateway.simulators.secure_processor.world import World
from gateway.simulators.wire import Json, Response, Router, json_response

LISTED = 10
NOT_FOUND = "Record not found"


@dataclass(slots=True)
class Call:
    account: Account
    key: str
    fields: Json
    version: str
    entry: LoggedRequest
    fault: Fault | None = field(default=None)


Operation = Callable[[Call], Response]


class Operations:
    def __init__(self, world: World) -> None:
        self._world = world
        self._router: Router[Operation] = Router()
        for method, path, name, operation in (
            ("GET", "/transactions/{key}", "transactions.retrieve", self.show_transaction),
            ("GET", "/v2/transactions/tracking_id/{key}", "transactions.list", self.list_transactions),
            ("POST", "/transactions/refunds", "refunds.create", self.refund),
            ("POST", "/transactions/captures", "captures.create", self.capture),
            ("POST", "/transactions/voids", "voids.create", self.void),
            ("POST", "/transactions/credits", "credits.create", self.not_enabled),
            ("POST", "/transactions/payouts", "payouts.create", self.not_enabled),
            ("POST", "/transactions/recipient_tokenizations", "recipient_tokenizations.create", self.not_enabled),
            ("POST", "/credit_cards", "credit_cards.create", self.not_enabled),
        ):
            self._router.add(method, path, name, operation)

    def find(self, method: str, path: str, account: Account | None) -> tuple[str, Operation, str] | int:
        """Name, operation and key; the status for an address at which there is nothing for this shop."""
        found = self._router.find(method, path)
        if found is not None:
            return found[0].name, found[0].target, found[1].get("key", "")
        token_path = account.token_path if account is not None else TOKEN_PATH
        below = path.removeprefix(f"{token_path}/")
        if path == token_path:
            return ("checkouts.create", self.create, "") if method == "POST" else 405
        if below != path and "/" not in below:
            return ("checkouts.retrieve", self.show_checkout, below) if method == "GET" else 405
        return 404

    def create(self, call: Call) -> Response:
        world = self._world
        row = strict.new_checkout(world, call.account, call.fields, version=call.version)
        world.checkouts.save(row)
        call.entry.subject = row.id
        if call.fault is not None and call.fault.kind == "approve_before_answer":
            outcomes.attempt(world, row, "approve")
        return json_response(shapes.created(world, row), 201)

    def show_checkout(self, call: Call) -> Response:
        return json_response({"checkout": shapes.checkout(self._world, self._checkout(call))})

    def show_transaction(self, call: Call) -> Response:
        return json_response(
            {"transaction": shapes.transaction(self._world, self._transaction(call.account, call.key))}
        )

    def list_transactions(self, call: Call) -> Response:
        rows = [
            row
            for row in self._world.transactions.newest()
            if row.account == call.account.id
            and row.tracking_id == call.key
            and (call.account.lists_refunds or row.type != "refund")
        ]
        if not rows:
            raise ApiError(NOT_FOUND, status=404)
        return json_response({"transactions": [shapes.transaction(self._world, row) for row in rows[:LISTED]]})

    def refund(self, call: Call) -> Response:
        """A clear answer at once, but for what a fault orders. The same parent and amount is refused for a while."""
        world = self._world
        parent_uid, amount, reason = strict.money_move(call.fields, needs_reason=True)
        parent = self._parent(call.account, parent_uid, {"payment", "capture"})
        if amount > parent.amount - world.done(parent, "refund"):
            raise ApiError("Amount is greater than what is left", {"amount": ["can't be greater than what is left"]})
        if call.fields["request"].get("duplicate_check", True):
            since = world.clock() - call.account.duplicate_seconds
            for former in world.children(parent, "refund"):
                if former.amount == amount and former.created > since and former.status != "failed":
                    raise ApiError("Duplicate transaction", {"base": ["is a duplicate of a former request"]})
        kind = call.fault.kind if call.fault is not None else ""
        if kind in {"refund_pending", "refund_fails"}:
            ends = "successful" if kind == "refund_pending" else "failed"
            row = outcomes.refund(world, parent, amount, reason=reason, ends=ends, waits=True)
        else:
            row = outcomes.refund(world, parent, amount, reason=reason)
        return json_response({"transaction": shapes.transaction(world, row)}, 201)

    def capture(self, call: Call) -> Response:
        world = self._world
        parent_uid, amount, _ = strict.money_move(call.fields)
        parent = self._parent(call.account, parent_uid, {"authorization"})
        self._need_hold(parent)
        if amount > parent.amount:
            raise ApiError("Amount is greater than what is held", {"amount": ["can't be greater than what is held"]})
        return json_response({"transaction": shapes.transaction(world, outcomes.capture(world, parent, amount))}, 201)

    def void(self, call: Call) -> Response:
        world = self._world
        parent_uid, amount, _ = strict.money_move(call.fields)
        parent = self._parent(call.account, parent_uid, {"authorization"})
        self._need_hold(parent)
        if amount != parent.amount:
            raise ApiError("Amount must be the whole hold", {"amount": ["must be the whole hold"]})
        return json_response({"transaction": shapes.transaction(world, outcomes.void(world, parent, amount))}, 201)

    def not_enabled(self, call: Call) -> Response:
        raise ApiError("This operation is not enabled for the shop")

    def _need_hold(self, parent: Transaction) -> None:
        if self._world.is_hold_over(parent):
            raise ApiError("The hold is over", {"parent_uid": ["is captured or voided already"]})

    def _parent(self, account: Account, uid: str, types: set[str]) -> Transaction:
        row = self._transaction(account, uid)
        if row.type not in types or row.status != "successful":
            raise ApiError("Parent transaction is of the wrong kind", {"parent_uid": ["is not a successful payment"]})
        return row

    def _checkout(self, call: Call) -> Checkout:
        row = self._world.checkouts.get(call.key)
        if row is None or row.account != call.account.id:
            raise ApiError(NOT_FOUND, status=404)
        return row

    def _transaction(self, account: Account, uid: str) -> Transaction:
        row = self._world.transactions.get(uid)
        if row is None or row.account != account.id:
            raise ApiError(NOT_FOUND, status=404)
        return row
