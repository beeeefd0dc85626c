"""Payme's side of a scenario: its calls to the target, and what every answer must have."""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.certify.score import Failed, Order, Target, expect, expect_that, number, send

LOGIN = "Paycom"
FIELD = "order_id"
TWELVE_HOURS_MS = 43_200_000
NOT_POST, NOT_JSON, BAD_REQUEST, UNKNOWN_METHOD = -32300, -32700, -32600, -32601
NO_PRIVILEGE, WRONG_AMOUNT, NO_TRANSACTION, CANNOT_DO = -32504, -31001, -31003, -31008
ACCOUNT = range(-31099, -31049)
# The sandbox's text wants -31008 for a second transaction of a busy order; Payme's sample has the account range.
BUSY_CREATE = {CANNOT_DO}
METHODS = (
    "CheckPerformTransaction",
    "CreateTransaction",
    "PerformTransaction",
    "CancelTransaction",
    "CheckTransaction",
    "GetStatement",
)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as Payme knows it: its own id and time, the order and the amount."""

    id: str
    time: int
    order: Order

    @property
    def create(self) -> dict[str, Any]:
        return {"id": self.id, "time": self.time, **order_params(self.order)}


class Talk:
    """Payme's side of one scenario."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.order = target.new_order
        self.key = target.credentials["key"]

    def ended_order(self) -> Order:
        if self._target.ended_order is None:
            raise Failed("the target gives no ended order")
        return self._target.ended_order()

    def transaction(self, order: Order | None = None, *, age_ms: int = 0) -> Transaction:
        return Transaction(secrets.token_hex(12), now_ms() - age_ms, order or self.order())

    def post(self, body: bytes, *, authorization: str | None = None, method: str = "POST") -> tuple[Any, Any, Any]:
        """id, result, error of one raw request. HTTP 200 and JSON are part of every answer."""
        headers = {"Content-Type": "text/json; charset=UTF-8"}
        if given := basic(self.key) if authorization is None else authorization:
            headers["Authorization"] = given
        answer = send(self._target.url(), body, headers=headers, method=method)
        expect("HTTP status", answer.status, 200)
        try:
            content = json.loads(answer.body)
        except ValueError:
            raise Failed("the body is not JSON") from None
        expect_that("the answer is an object", isinstance(content, dict), content)
        return content.get("id"), content.get("result"), content.get("error")

    def call(self, method: str, params: Mapping[str, Any], **how: Any) -> tuple[Any, Any]:
        """result, error; the id must come back. Twice, where every call is sent twice."""
        outcome = self._once(method, params, **how)
        if self._target.is_doubled and method != "GetStatement":
            again = self._once(method, params, **how)
            expect(f"{method} sent again", again, outcome)
        return outcome

    def _once(self, method: str, params: Mapping[str, Any], **how: Any) -> tuple[Any, Any]:
        envelope = number()
        body = json.dumps({"id": envelope, "method": method, "params": params}).encode()
        found, result, error = self.post(body, **how)
        expect("id", found, envelope)
        expect_that("either result or error", (result is None) != (error is None), (result, error))
        return result, error

    def result(self, method: str, params: Mapping[str, Any]) -> Any:
        result, error = self.call(method, params)
        expect_that(f"{method} is answered with a result", error is None, error)
        return result

    def twice(self, method: str, params: Mapping[str, Any]) -> Any:
        """As the sandbox: the second answer must equal the first, time included."""
        first = self.result(method, params)
        time.sleep(0.002)  # or a time made anew would look like the stored one
        expect(f"{method} repeated", self.result(method, params), first)
        return first

    def refused(self, method: str, params: Mapping[str, Any], *codes: int, **how: Any) -> Any:
        result, error = self.call(method, params, **how)
        expect_that(f"{method} is refused", result is None, result)
        code = error.get("code") if isinstance(error, dict) else None
        wanted = f"{codes[0]}…{codes[-1]}" if len(codes) > 4 else ", ".join(map(str, codes))
        expect_that(f"{method} is refused with {wanted}", code in codes, error)
        if code in ACCOUNT:
            message = error.get("message")
            full = isinstance(message, dict) and all(message.get(name) for name in ("ru", "uz", "en"))
            expect_that("message says ru, uz and en", full, message)
            expect("data", error.get("data"), FIELD)
        return error

    def refused_account(self, method: str, params: Mapping[str, Any]) -> Any:
        return self.refused(method, params, *ACCOUNT)

    # the methods

    def check_perform(self, order: Order) -> None:
        expect("allow", self.result("CheckPerformTransaction", order_params(order)).get("allow"), True)

    def create(self, of: Transaction) -> Any:
        result = self.twice("CreateTransaction", of.create)
        expect("state", result.get("state"), 1)
        expect_time("create_time", result)
        expect_that("transaction is a text", isinstance(result.get("transaction"), str) and bool(result["transaction"]))
        return result

    def perform(self, of: Transaction) -> Any:
        result = self.twice("PerformTransaction", {"id": of.id})
        expect("state", result.get("state"), 2)
        expect_time("perform_time", result)
        return result

    def cancel(self, of: Transaction, reason: int, state: int) -> Any:
        result = self.twice("CancelTransaction", {"id": of.id, "reason": reason})
        expect("state", result.get("state"), state)
        expect_time("cancel_time", result)
        return result

    def check(self, of: Transaction) -> Any:
        return self.result("CheckTransaction", {"id": of.id})

    def statement(self, since: int, until: int) -> list[dict[str, Any]]:
        rows = self.result("GetStatement", {"from": since, "to": until}).get("transactions")
        expect_that("transactions is a list", isinstance(rows, list), rows)
        return list(rows)


def basic(key: str, login: str = LOGIN) -> str:
    return "Basic " + base64.b64encode(f"{login}:{key}".encode()).decode("ascii")


def order_params(order: Order, *, amount: Any = None, reference: Any = None) -> dict[str, Any]:
    return {
        "amount": order.amount_minor if amount is None else amount,
        "account": {FIELD: order.reference if reference is None else reference},
    }


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def expect_time(name: str, result: Mapping[str, Any]) -> None:
    value = result.get(name)
    plausible = isinstance(value, int) and not isinstance(value, bool) and 10**12 <= value < 10**13
    expect_that(f"{name} is milliseconds", plausible, value)


def standing(talk: Talk, of: Transaction, **wanted: Any) -> Any:
    """CheckTransaction, compared where something is wanted of it."""
    found = talk.check(of)
    for name, value in wanted.items():
        expect(f"CheckTransaction {name}", found.get(name), value)
    return found


def unknown() -> str:
    return secrets.token_hex(12)


def one_of_each(talk: Talk) -> dict[str, dict[str, Any]]:
    """Parameters for every method, of an order that could be paid."""
    of = talk.transaction()
    return {
        "CheckPerformTransaction": order_params(of.order),
        "CreateTransaction": of.create,
        "PerformTransaction": {"id": of.id},
        "CancelTransaction": {"id": of.id, "reason": 3},
        "CheckTransaction": {"id": of.id},
        "GetStatement": {"from": 0, "to": now_ms()},
    }


def pay(talk: Talk) -> Transaction:
    of = talk.transaction()
    talk.check_perform(of.order)
    talk.create(of)
    talk.perform(of)
    return of
