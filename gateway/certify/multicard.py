"""Multicard publishes no list of its own. This one is made of what its documentation and its integrators say about the
success callback (kind A, whose answer decides) and the webhooks (kind B): docs/processors/multicard.md.

`Target.urls` {"": address}, `credentials` with `secret` and `storeId`; where that is a UUID, `store` is the number
that callbacks carry (6 if it is left out, as in the sandbox). What only a broken endpoint shows (500 for its own
faults) cannot be asked for from outside.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from gateway import http
from gateway.certify.score import (
    Case,
    Failed,
    Order,
    Scenario,
    Target,
    expect,
    expect_that,
    played,
    send,
    together,
)

JSON = {"Content-Type": "application/json"}
PAID_AT = "2026-05-12 15:01:23"


class Talk:
    """Multicard's way of calling the target."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.secret = target.credentials["secret"]
        store = target.credentials["storeId"]
        self.store = int(store) if store.isdigit() else int(target.credentials.get("store", "6"))

    def order(self) -> Order:
        return self.target.new_order()

    def ended_order(self) -> Order:
        if self.target.ended_order is None:
            raise Failed("the target cannot give an ended order")
        return self.target.ended_order()

    def question(self, order: Order, *, payment: str = "", **bent: Any) -> dict[str, Any]:
        """Kind A, signed after `bent` was put in; `sign` and `secret` may be bent as well."""
        secret = bent.pop("secret", self.secret)
        body: dict[str, Any] = {
            "store_id": self.store,
            "amount": order.amount_minor,
            "invoice_id": order.reference,
            "billing_id": None,
            "payment_time": PAID_AT,
            "phone": "998901234567",
            "card_pan": "860030******5959",
            "ps": "uzcard",
            "card_token": "certify-token",
            "uuid": payment or str(uuid.uuid4()),
            "receipt_url": "https://receipt.test/1",
            **bent,
        }
        text = f"{body['store_id']}{body['invoice_id']}{body['amount']}{secret}"
        body.setdefault("sign", hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())
        return body

    def news(self, order: Order, status: str, *, payment: str, **bent: Any) -> dict[str, Any]:
        """Kind B."""
        secret = bent.pop("secret", self.secret)
        body: dict[str, Any] = {
            "uuid": payment,
            "amount": order.amount_minor,
            "invoice_id": order.reference,
            "status": status,
            "billing_id": None,
            "payment_time": PAID_AT,
            "refund_time": PAID_AT if status == "revert" else None,
            "phone": "998901234567",
            "card_pan": "860030******5959",
            "ps": "uzcard",
            "card_token": "certify-token",
            "receipt_url": None,
            **bent,
        }
        text = f"{body['uuid']}{body['invoice_id']}{body['amount']}{secret}"
        body.setdefault("sign", hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
        return body

    def say(self, body: Mapping[str, Any]) -> http.Answer:
        return self.post(json.dumps(body, ensure_ascii=False).encode())

    def post(self, body: bytes, *, headers: Mapping[str, str] = JSON) -> http.Answer:
        """Once, or twice with the same outcome."""
        answer = send(self.target.url(), body, headers=headers)
        if self.target.is_doubled:
            again = send(self.target.url(), body, headers=headers)
            expect("the status of the second sending", again.status, answer.status)
            expect("the answer to the second sending", success_of(again), success_of(answer))
        return answer


def success_of(answer: http.Answer) -> object:
    try:
        read = json.loads(answer.body)
    except ValueError:
        raise Failed(f"the answer is not JSON: {answer.status} {answer.body[:100]!r}") from None
    if not isinstance(read, dict):
        raise Failed("the answer is no JSON object")
    return read.get("success")


def accepted(answer: http.Answer) -> None:
    expect("status", answer.status, 200)
    expect("success", success_of(answer), True)


def refused(answer: http.Answer) -> None:
    """The buyer gets the money back and reads why."""
    expect("status", answer.status, 200)
    expect("success", success_of(answer), False)
    message = json.loads(answer.body).get("message")
    expect_that("a message for the buyer", isinstance(message, str) and bool(message.strip()), message)


def noted(answer: http.Answer) -> None:
    expect_that("status 2xx", 200 <= answer.status < 300, answer.status)


def pay(talk: Talk) -> None:
    order = talk.order()
    accepted(talk.say(talk.question(order)))


def pay_again(talk: Talk) -> None:
    question = talk.question(talk.order())
    for _ in range(3):
        accepted(talk.say(question))


def second_payment(talk: Talk) -> None:
    order = talk.order()
    accepted(talk.say(talk.question(order)))
    refused(talk.say(talk.question(order)))


def wrong_sign(talk: Talk) -> None:
    order = talk.order()
    for sign in ("0" * 32, "", "z" * 32, "f" * 31, None, 1, ["x"]):
        refused(talk.say(talk.question(order, sign=sign)))
    unsigned = talk.question(order)
    del unsigned["sign"]
    refused(talk.say(unsigned))
    accepted(talk.say(talk.question(order)))


def foreign_secret(talk: Talk) -> None:
    order = talk.order()
    for secret in ("somebody-elses", "", f"{talk.secret} "):
        refused(talk.say(talk.question(order, secret=secret)))
    accepted(talk.say(talk.question(order)))


def upper_case_sign(talk: Talk) -> None:
    question = talk.question(talk.order())
    accepted(talk.say({**question, "sign": question["sign"].upper()}))


def sha1_for_a_question(talk: Talk) -> None:
    order = talk.order()
    question = talk.question(order)
    sign = talk.news(order, "success", payment=question["uuid"])["sign"]
    refused(talk.say({**question, "sign": sign}))
    accepted(talk.say(question))


def news_without_its_status(talk: Talk) -> None:
    """A signed webhook about a failure must not become a question by leaving one field out."""
    order = talk.order()
    news = talk.news(order, "error", payment=str(uuid.uuid4()))
    del news["status"]
    refused(talk.say(news))
    refused(talk.say({**news, "store_id": talk.store}))
    accepted(talk.say(talk.question(order)))


def wrong_amount(talk: Talk) -> None:
    order = talk.order()
    for amount in (order.amount_minor + 1, order.amount_minor - 1, order.amount_minor * 100, 0, -order.amount_minor):
        refused(talk.say(talk.question(order, amount=amount)))
    accepted(talk.say(talk.question(order)))


def amount_as_text(talk: Talk) -> None:
    for written in ("{}", "{}.0", "{}.00"):
        order = talk.order()
        accepted(talk.say(talk.question(order, amount=written.format(order.amount_minor))))


def amount_with_tiyin_parts(talk: Talk) -> None:
    order = talk.order()
    for written in (f"{order.amount_minor}.50", f"{order.amount_minor}.001", f" {order.amount_minor}", "1e5", "NaN"):
        refused(talk.say(talk.question(order, amount=written)))
    accepted(talk.say(talk.question(order)))


def unknown_order(talk: Talk) -> None:
    amount = talk.order().amount_minor
    for reference in (str(uuid.uuid4()), "1042", "x" * 255, "заказ", "' OR 1=1 --"):
        refused(talk.say(talk.question(Order(reference, amount))))


def ended_order(talk: Talk) -> None:
    refused(talk.say(talk.question(talk.ended_order())))


def wrong_store(talk: Talk) -> None:
    order = talk.order()
    if talk.target.credentials["storeId"].isdigit():
        refused(talk.say(talk.question(order, store_id=talk.store + 1)))
    refused(talk.say(talk.question(order, store_id="00000000-0000-4000-8000-000000000000")))
    accepted(talk.say(talk.question(order)))


def shifted_boundaries(talk: Talk) -> None:
    """Store 6 and order 1042 are signed like store 61 and order 042."""
    order = talk.order()
    true = talk.question(order)
    shifted = {**true, "store_id": f"{talk.store}{order.reference[0]}", "invoice_id": order.reference[1:]}
    refused(talk.say(shifted))
    accepted(talk.say(true))


def unreadable(talk: Talk) -> None:
    order = talk.order()
    true = json.dumps(talk.question(order))
    bodies = [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 50_000,
        b'{"amount": ' + b"9" * 5000 + b"}",
        b"<xml/>",
        true.replace('"amount": ', '"amount": 1, "amount": ', 1).encode(),
        true.replace(f'"{order.reference}"', "true", 1).encode(),
        true.replace(f'"{order.reference}"', '"\\ud800"', 1).encode(),
        true.replace(str(order.amount_minor), "NaN", 1).encode(),
    ]
    for body in bodies:
        refused(talk.post(body))
    accepted(talk.post(true.encode()))


def at_once(talk: Talk) -> None:
    question = talk.question(talk.order())
    for answer in together(lambda: talk.say(question), 10):
        accepted(answer)


def rivals_at_once(talk: Talk) -> None:
    order = talk.order()
    answers = together(lambda: send(talk.target.url(), json.dumps(talk.question(order)).encode(), headers=JSON), 6)
    expect("how many of six payments of one order were accepted", sum(success_of(one) is True for one in answers), 1)
    for answer in answers:
        (accepted if success_of(answer) is True else refused)(answer)


def news_of_a_paid_order(talk: Talk) -> None:
    """In any order and number: each is noted, and the order stays paid by that payment."""
    order = talk.order()
    question = talk.question(order)
    accepted(talk.say(question))
    for status in ("draft", "progress", "success", "success", "progress", "error", "draft"):
        noted(talk.say(talk.news(order, status, payment=question["uuid"])))
    accepted(talk.say(question))
    refused(talk.say(talk.question(order)))


def news_before_the_question(talk: Talk) -> None:
    order = talk.order()
    question = talk.question(order)
    for status in ("draft", "progress"):
        noted(talk.say(talk.news(order, status, payment=question["uuid"])))
    accepted(talk.say(question))


def unknown_status(talk: Talk) -> None:
    order = talk.order()
    payment = str(uuid.uuid4())
    noted(talk.say(talk.news(order, "a_word_of_tomorrow", payment=payment)))
    accepted(talk.say(talk.question(order, payment=payment)))


def forged_news(talk: Talk) -> None:
    order = talk.order()
    question = talk.question(order)
    forged = [
        talk.news(order, "success", payment=question["uuid"], secret="somebody-elses"),  # noqa: S106
        talk.news(order, "success", payment=question["uuid"], sign=question["sign"]),
        {**question, "status": "success"},
        talk.news(order, "revert", payment=question["uuid"], sign=""),
    ]
    for body in forged:
        answer = talk.say(body)
        expect_that("a refusal, and no fault", answer.status < 500 and success_of(answer) is not True, answer.status)
    accepted(talk.say(question))


CASES: tuple[Case[Talk], ...] = tuple(
    Case(name, play, is_official=False, needs_ended=play is ended_order)
    for name, play in (
        ("A paid order is accepted", pay),
        ("The same callback again is accepted again", pay_again),
        ("A second payment of a paid order is returned", second_payment),
        ("A wrong or missing signature is refused, and changes nothing", wrong_sign),
        ("Another secret, an empty one included, is refused", foreign_secret),
        ("An upper-case signature is the same signature", upper_case_sign),
        ("The webhooks' SHA-1 does not sign a success callback", sha1_for_a_question),
        ("A webhook without its status is no success callback", news_without_its_status),
        ("An amount that differs by one tiyin, or by a factor, is refused", wrong_amount),
        ("An amount written as text, or with .0 or .00, is read", amount_as_text),
        ("An amount with parts of a tiyin, or none at all, is refused", amount_with_tiyin_parts),
        ("An unknown order is refused", unknown_order),
        ("A cancelled order is refused", ended_order),
        ("Another store is refused", wrong_store),
        ("A signature does not survive a shift between store and order", shifted_boundaries),
        ("Bodies that nobody can read are refused in form", unreadable),
        ("Ten of the same at once are all accepted", at_once),
        ("Of six payments at once one is accepted, five are returned", rivals_at_once),
        ("Webhooks about a paid order, in any order, leave it paid", news_of_a_paid_order),
        ("Webhooks before the callback do not get in its way", news_before_the_question),
        ("A webhook with an unknown status is noted and means nothing", unknown_status),
        ("Forged webhooks change nothing", forged_news),
    )
)


def run(target: Target) -> Iterator[Scenario]:
    """The whole list against `target`."""
    return played(CASES, lambda: Talk(target), target=target)
