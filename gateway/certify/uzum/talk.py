"""The bank's side of a scenario: its calls to the target, and what every answer must have."""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.certify.score import Failed, Order, Target, expect, expect_that, send

FIELD = "order_id"
DENIED, NOT_JSON, NOT_POST, MISSING, SERVICE = "10001", "10002", "10003", "10005", "10006"
NO_ACCOUNT, PAID, ENDED, EXISTS, AMOUNT = "10007", "10008", "10009", "10010", "10011"
NO_TRANS, CANNOT_CONFIRM, CONFIRMED, CANNOT_REVERSE, REVERSED = "10014", "10015", "10016", "10017", "10018"
INTERNAL = "99999"
ENDPOINTS = ("check", "create", "confirm", "reverse", "status")
WITH_ORDER = ("check", "create")
WITH_TRANSACTION = ("confirm", "reverse", "status")
ALREADY = {"create": EXISTS, "confirm": CONFIRMED, "reverse": REVERSED}
WORDS = {"check": "OK", "create": "CREATED", "confirm": "CONFIRMED", "reverse": "REVERSED"}
TIMES = {"check": "timestamp", "create": "transTime", "confirm": "confirmTime", "reverse": "reverseTime"}
# The documents have no code for an order that another transaction holds.
BUSY = (INTERNAL, PAID, ENDED)
CARD = {
    "paymentSource": "UZCARD",
    "phone": "998901234567",
    "tariff": None,
    "processingReferenceNumber": "123456789012",
    "cardType": 2,
}

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Transaction:
    id: str
    order: Order

    def fields(self, endpoint: str) -> Body:
        if endpoint == "check":
            return {"params": {FIELD: self.order.reference}}
        if endpoint == "create":
            return {
                "transId": self.id,
                "params": {FIELD: self.order.reference},
                "amount": self.order.amount_minor,
            }
        return {"transId": self.id, **(CARD if endpoint == "confirm" else {})}


class Talk:
    """The bank's side of one scenario."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.order = target.new_order
        self.service_id = int(target.credentials["serviceId"])
        self.login, self.password = target.credentials["login"], target.credentials["password"]

    def ended_order(self) -> Order:
        if self._target.ended_order is None:
            raise Failed("the target gives no ended order")
        return self._target.ended_order()

    def cancel_order(self, order: Order) -> None:
        if self._target.cancel_order is None:
            raise Failed("the target cancels no orders")
        self._target.cancel_order(order)

    def transaction(self, order: Order | None = None) -> Transaction:
        return Transaction(str(uuid.uuid4()), order or self.order())

    def post(
        self, endpoint: str, body: bytes, *, authorization: str | None = None, method: str = "POST"
    ) -> tuple[int, Body]:
        """HTTP status and body of one raw request; the body must be a JSON object."""
        headers = {"Content-Type": "application/json"}
        if given := basic(self.login, self.password) if authorization is None else authorization:
            headers["Authorization"] = given
        answer = send(self._target.url(endpoint), body, headers=headers, method=method)
        try:
            content = json.loads(answer.body)
        except ValueError:
            raise Failed(f"/{endpoint}: HTTP {answer.status}, and the body is not JSON") from None
        expect_that(f"/{endpoint} answers with an object", isinstance(content, dict), content)
        return answer.status, content

    def envelope(self, fields: Mapping[str, Any]) -> Body:
        return {"serviceId": self.service_id, "timestamp": now_ms(), **fields}

    def once(self, endpoint: str, fields: Mapping[str, Any], **how: Any) -> tuple[int, Body]:
        """One call and its answer, looked over; HTTP 200 or 400 with all that belongs to it."""
        sent = self.envelope(fields)
        status, body = self.post(endpoint, json.dumps(sent, ensure_ascii=False).encode(), **how)
        look_over(endpoint, sent, status, body)
        return status, body

    def call(self, endpoint: str, fields: Mapping[str, Any], **how: Any) -> tuple[int, Body]:
        """Twice, where every call is sent twice."""
        status, body = self.once(endpoint, fields, **how)
        if self._target.is_doubled:
            again_status, again = self.once(endpoint, fields, **how)
            code = ALREADY.get(endpoint) if status == 200 else body["errorCode"]
            expect(f"/{endpoint} sent again", again.get("errorCode"), code)
            expect(f"HTTP status of /{endpoint} sent again", again_status, 400 if code else 200)
        return status, body

    def ok(self, endpoint: str, fields: Mapping[str, Any], **how: Any) -> Body:
        status, body = self.call(endpoint, fields, **how)
        expect_that(f"/{endpoint} succeeds", status == 200, body)
        return body

    def refused(self, endpoint: str, fields: Mapping[str, Any], *codes: str, **how: Any) -> Body:
        status, body = self.call(endpoint, fields, **how)
        expect_that(f"/{endpoint} is refused", status == 400, body)
        expect_that(f"/{endpoint} is refused with {' or '.join(codes)}", body["errorCode"] in codes, body["errorCode"])
        return body

    # the endpoints

    def check(self, order: Order) -> Body:
        return self.ok("check", {"params": {FIELD: order.reference}})

    def create(self, of: Transaction) -> Body:
        return self.ok("create", of.fields("create"))

    def confirm(self, of: Transaction) -> Body:
        return self.ok("confirm", of.fields("confirm"))

    def reverse(self, of: Transaction) -> Body:
        return self.ok("reverse", of.fields("reverse"))

    def standing(self, of: Transaction, word: str, **times: int | None) -> Body:
        """/status, compared where a time is wanted."""
        body = self.ok("status", of.fields("status"))
        expect("status", body["status"], word)
        for name, value in times.items():
            expect(f"/status {name}", body.get(name), value)
        return body

    def pay(self, order: Order | None = None) -> Transaction:
        of = self.transaction(order)
        self.check(of.order)
        self.create(of)
        self.confirm(of)
        return of


def look_over(endpoint: str, sent: Mapping[str, Any], status: int, body: Body) -> None:
    """What holds for every answer; the rest is the scenario's business."""
    is_good = status == 200
    expect_that(f"/{endpoint}: HTTP status is 200 or 400", status in (200, 400), status)
    for name in ("serviceId",) if endpoint == "check" else ("serviceId", "transId"):
        if is_good or name in body:
            expect(f"/{endpoint} {name}", body.get(name), sent.get(name))
    wanted = [WORDS[endpoint]] if endpoint in WORDS else ["CREATED", "CONFIRMED", "REVERSED"]
    words = wanted if is_good else ["FAILED"]
    expect_that(f"/{endpoint}: status is {' or '.join(words)}", body.get("status") in words, body.get("status"))
    time_name = TIMES.get(endpoint, "transTime")
    if is_good or time_name in body:
        expect_time(time_name, body)
    if not is_good:
        expect_that("errorCode is text", isinstance(body.get("errorCode"), str), body.get("errorCode"))
        return
    if endpoint != "check":
        expect_that("amount is a positive whole number", type(body.get("amount")) is int and body["amount"] > 0, body)
    if endpoint == "create":
        expect("amount", body["amount"], sent["amount"])
    if endpoint == "status":
        expect_standing(body)
    for name, shown in body.get("data", {}).items():
        is_right = isinstance(shown, dict) and list(shown) == ["value"] and isinstance(shown["value"], str)
        expect_that(f"data.{name} is an object with one text", is_right, shown)


def expect_standing(body: Body) -> None:
    for name, words in (("confirmTime", ("CONFIRMED",)), ("reverseTime", ("REVERSED",))):
        expect_that(f"{name} is there, be it null", name in body, body)
        if body["status"] in words:
            expect_time(name, body)
        elif body["status"] != "REVERSED":
            expect(name, body[name], None)


def expect_time(name: str, body: Mapping[str, Any]) -> None:
    value = body.get(name)
    expect_that(f"{name} is milliseconds", type(value) is int and 10**12 <= value < 10**13, value)


def basic(login: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(f'{login}:{password}'.encode()).decode('ascii')}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def unknown() -> str:
    return str(uuid.uuid4())
