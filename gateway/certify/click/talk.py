"""Click's side of a scenario: its two calls to the target, and what every answer must have."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gateway import http
from gateway.certify.score import Failed, Order, Target, expect, expect_that, send

FORM = "application/x-www-form-urlencoded"
OK, BAD_SIGN, WRONG_AMOUNT, NO_ACTION, ALREADY_PAID = 0, -1, -2, -3, -4
NO_ORDER, NO_TRANSACTION, FAILED, BAD_REQUEST, CANCELLED = -5, -6, -7, -8, -9
DECLINED = "-5017"
NO_PREPARE = "999999999"
# Beyond what a double holds exactly.
FIRST_ID = 2**53 + 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """A buyer's try as Click knows it."""

    trans_id: str
    paydoc_id: str
    order: Order


class Talk:
    def __init__(self, target: Target) -> None:
        self.target = target
        self.order = target.new_order
        self.service = target.credentials["serviceId"]
        self.secret = target.credentials["secretKey"]

    def ended_order(self) -> Order:
        if self.target.ended_order is None:
            raise Failed("the target gives no ended order")
        return self.target.ended_order()

    def attempt(self, order: Order | None = None) -> Attempt:
        return Attempt(new_id(), new_id(), order or self.order())

    def fields(self, of: Attempt, action: str, **bent: str | None) -> dict[str, str]:
        """A signed request. `bent` goes in before it is signed (None takes a field out after that); `secret` and
        `sign_string` may be bent as well.
        """
        secret = bent.pop("secret", None)
        fields = {
            "click_trans_id": of.trans_id,
            "service_id": self.service,
            "click_paydoc_id": of.paydoc_id,
            "merchant_trans_id": of.order.reference,
            "amount": som(of.order.amount_minor),
            "action": action,
            "error": "0",
            "error_note": "Success",
            "sign_time": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 5 * 3600)),
            **{name: value for name, value in bent.items() if value is not None},
        }
        fields.setdefault("sign_string", sign(fields, self.secret if secret is None else secret))
        return {name: value for name, value in fields.items() if name not in bent or bent[name] is not None}

    def prepare(self, of: Attempt, *codes: int, **bent: str | None) -> Any:
        """A Prepare that must be answered with one of the codes (0 if none is named)."""
        return self.say("prepare", self.fields(of, _action(bent, "0"), **bent), *codes)

    def complete(self, of: Attempt, prepare_id: object, *codes: int, **bent: str | None) -> Any:
        bent = {"merchant_prepare_id": str(prepare_id), **bent}
        return self.say("complete", self.fields(of, _action(bent, "1"), **bent), *codes)

    def prepared(self, of: Attempt | None = None) -> tuple[Attempt, int]:
        """An accepted Prepare, and the seller's id of it."""
        of = of or self.attempt()
        return of, self.prepare(of)["merchant_prepare_id"]

    def paid(self) -> tuple[Attempt, int]:
        of, prepare_id = self.prepared()
        self.complete(of, prepare_id)
        return of, prepare_id

    def say(self, endpoint: str, fields: Mapping[str, str], *codes: int) -> Any:
        """Once, or twice. A code out of `codes` (0 if there are none) must come."""
        wanted = codes or (OK,)
        body = self.once(endpoint, fields)
        expect_code(endpoint, body, *wanted)
        if body["error"] == OK:
            check_success(endpoint, fields, body)
        if self.target.is_doubled:
            again = self.once(endpoint, fields)
            if endpoint == "complete" and body["error"] == OK:
                expect_code("complete sent again", again, ALREADY_PAID)
            else:
                expect_code(f"{endpoint} sent again", again, body["error"])
                expect("the prepare id sent again", again.get("merchant_prepare_id"), body.get("merchant_prepare_id"))
        return body

    def once(self, endpoint: str, fields: Mapping[str, str]) -> Any:
        return self.post(endpoint, urlencode(fields).encode())

    def post(self, endpoint: str, body: bytes, *, content_type: str = FORM, method: str = "POST") -> Any:
        """The answer's JSON object: HTTP 200 and an integer error are part of every answer."""
        answer = self.send(endpoint, body, {"Content-Type": content_type}, method=method)
        expect("HTTP status", answer.status, 200)
        try:
            content = json.loads(answer.body)
        except ValueError:
            raise Failed(f"the body is not JSON: {answer.body[:100]!r}") from None
        expect_that("the answer is an object", isinstance(content, dict), content)
        code = content.get("error")
        expect_that("error is a number", isinstance(code, int) and not isinstance(code, bool), code)
        note = content.get("error_note")
        expect_that("error_note is a text", isinstance(note, str) and bool(note), note)
        return content

    def send(self, endpoint: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> http.Answer:
        return send(self.target.url(endpoint), body, headers=headers, method=method)


def _action(bent: dict[str, str | None], usual: str) -> str:
    given = bent.pop("action", usual)
    return usual if given is None else given


def expect_code(what: str, body: Mapping[str, Any], *codes: int) -> None:
    wanted = " or ".join(map(str, codes))
    found = (body["error"], body["error_note"])
    expect_that(f"{what} is answered with {wanted}", body["error"] in codes, found)


def check_success(endpoint: str, fields: Mapping[str, str], body: Mapping[str, Any]) -> None:
    for name in ("click_trans_id", "merchant_trans_id"):
        expect(name, str(body.get(name)), fields[name])
    if endpoint == "prepare":
        number = body.get("merchant_prepare_id")
        is_number = isinstance(number, int) and not isinstance(number, bool) and number > 0
        expect_that("merchant_prepare_id is a number", is_number, number)
    else:
        number = body.get("merchant_confirm_id", "missing")
        expect_that("merchant_confirm_id is a number or null", number is None or type(number) is int, number)


def sign(fields: Mapping[str, str], secret: str) -> str:
    names = ["merchant_trans_id", *(["merchant_prepare_id"] if fields["action"] == "1" else [])]
    tail = [fields.get(name, "") for name in (*names, "amount", "action", "sign_time")]
    text = "".join([fields["click_trans_id"], fields["service_id"], secret, *tail])
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def som(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def new_id() -> str:
    return str(FIRST_ID + secrets.randbelow(2**60))
