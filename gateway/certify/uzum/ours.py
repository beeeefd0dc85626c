"""What the bank's documents leave to us: the order of checks, refusals, repeats, races, shapes."""

import json
from collections.abc import Callable
from typing import Any

from gateway.certify.score import Case, Failed, expect, expect_that, together
from gateway.certify.uzum.talk import (
    ALREADY,
    AMOUNT,
    BUSY,
    CANNOT_CONFIRM,
    CONFIRMED,
    DENIED,
    ENDED,
    ENDPOINTS,
    EXISTS,
    FIELD,
    MISSING,
    NO_ACCOUNT,
    NO_TRANS,
    NOT_JSON,
    NOT_POST,
    PAID,
    REVERSED,
    SERVICE,
    WITH_ORDER,
    WITH_TRANSACTION,
    Body,
    Talk,
    basic,
    unknown,
)


def order_of_checks(talk: Talk) -> None:
    """Where two things are wrong, the earlier check answers."""
    of = talk.transaction()
    create = of.fields("create")
    foreign = {"serviceId": talk.service_id + 1}
    nobody = {"params": {FIELD: unknown()}}
    code_is(talk.post("create", b"{", authorization="", method="PUT"), NOT_POST)
    code_is(talk.post("create", b"{", authorization=""), DENIED)
    talk.refused("create", {**create, **foreign, "amount": None}, MISSING)
    talk.refused("create", {**create, **foreign, **nobody}, SERVICE)
    talk.refused("create", {**create, **nobody, "amount": 1}, NO_ACCOUNT)
    talk.create(of)
    talk.refused("create", {**create, **nobody, "amount": 1}, EXISTS)


def other_service_later(talk: Talk) -> None:
    """These have no code of their own for it: such a transaction is not found, and nothing moves."""
    of = talk.transaction()
    talk.create(of)
    for endpoint in WITH_TRANSACTION:
        talk.refused(endpoint, {**of.fields(endpoint), "serviceId": talk.service_id + 1}, NO_TRANS)
    talk.standing(of, "CREATED")


def empty_fields(talk: Talk) -> None:
    of = talk.transaction()
    for name, endpoint in (("transId", "create"), ("transId", "status"), ("phone", "confirm"), ("params", "check")):
        values: tuple[object, ...] = ({}, None) if name == "params" else ("", "  ", None)
        for value in values:
            talk.refused(endpoint, {**of.fields(endpoint), name: value}, MISSING)
    for empty in ("", None, "  "):
        talk.refused("check", {"params": {FIELD: empty}}, MISSING)


def wrong_shapes(talk: Talk) -> None:
    """Valid JSON of the wrong structure is 10002 too."""
    of = talk.transaction()
    mistyped: tuple[tuple[str, str, tuple[object, ...]], ...] = (
        ("check", "serviceId", (str(talk.service_id), True, 1.5, [], 2**63)),
        ("check", "timestamp", ("1735787045000", [])),
        ("check", "params", ([1], "1", 7)),
        ("create", "transId", (7, ["x"], {"x": 1}, True)),
        ("create", "amount", (str(of.order.amount_minor), of.order.amount_minor + 0.5, True, [1])),
        ("status", "transId", (7, "x" * 10_000)),
    )
    for endpoint, name, values in mistyped:
        for value in values:
            sent = talk.envelope({**of.fields(endpoint), name: value})
            code_is(talk.post(endpoint, json.dumps(sent).encode()), NOT_JSON)
    for value in ([], {"x": 1}, True):
        code_is(talk.post("check", json.dumps(talk.envelope({"params": {FIELD: value}})).encode()), NOT_JSON)
    for body in (b"[]", b"7", b'"x"', b"null"):
        code_is(talk.post("check", body), NOT_JSON)
    talk.refused("status", of.fields("status"), NO_TRANS)


def hostile_json(talk: Talk) -> None:
    whole = json.dumps(talk.envelope(talk.transaction().fields("check")))
    for body in (
        b"[" * 100_000,
        b'{"a":' * 50_000,
        whole.replace(str(talk.service_id), "NaN").encode(),
        whole.replace(str(talk.service_id), "9" * 5000).encode(),
        whole.replace("{", f'{{"serviceId":{talk.service_id},', 1).encode(),
        b"\xef\xbb\xbf" + whole.encode(),
        whole.encode("utf-16"),
    ):
        code_is(talk.post("check", body), NOT_JSON)


def strange_amounts(talk: Talk) -> None:
    of = talk.transaction()
    for amount in (0, -1, of.order.amount_minor * 100, 2**62):
        talk.refused("create", {**of.fields("create"), "amount": amount}, AMOUNT)
    talk.create(of)


def credentials_of_others(talk: Talk) -> None:
    """Another login, half a password, broken base64, another scheme, nothing: all the same 10001, ids echoed."""
    of = talk.transaction()
    for header in (
        "",
        basic(talk.login + "x", talk.password),
        basic(talk.login, talk.password[:-1]),
        basic(talk.login, talk.password + " "),
        basic(talk.login, ""),
        basic("", ""),
        basic(talk.login, talk.password, "Bearer"),
        "Basic %%%",
        "Basic",
    ):
        talk.refused("create", of.fields("create"), DENIED, authorization=header)
    talk.refused("status", of.fields("status"), NO_TRANS)


def ended_order(talk: Talk) -> None:
    of = talk.transaction(talk.ended_order())
    for endpoint in WITH_ORDER:
        talk.refused(endpoint, of.fields(endpoint), ENDED)


def ended_while_paying(talk: Talk) -> None:
    """The order was cancelled between create and confirm: the money is not taken, and the order is over."""
    of = talk.transaction()
    talk.create(of)
    talk.cancel_order(of.order)
    talk.refused("check", of.fields("check"), ENDED)
    talk.refused("confirm", of.fields("confirm"), CANNOT_CONFIRM)
    talk.refused("create", talk.transaction(of.order).fields("create"), ENDED)
    talk.refused("reverse", of.fields("reverse"), REVERSED)


def paid_order(talk: Talk) -> None:
    of = talk.pay()
    talk.refused("create", talk.transaction(of.order).fields("create"), PAID)
    talk.refused("create", of.fields("create"), EXISTS)
    talk.standing(of, "CONFIRMED")


def refunded_order(talk: Talk) -> None:
    of = talk.pay()
    talk.reverse(of)
    talk.refused("confirm", of.fields("confirm"), CANNOT_CONFIRM)
    talk.refused("create", of.fields("create"), EXISTS)
    talk.refused("check", of.fields("check"), PAID, ENDED)
    talk.standing(of, "REVERSED")


def busy_order(talk: Talk) -> None:
    """A second transaction does not get the order, and does not disturb the first."""
    of = talk.transaction()
    talk.create(of)
    other = talk.transaction(of.order)
    talk.refused("check", of.fields("check"), *BUSY)
    talk.refused("create", other.fields("create"), *BUSY)
    talk.refused("confirm", other.fields("confirm"), NO_TRANS)
    talk.confirm(of)


def freed_order(talk: Talk) -> None:
    """A reservation that the bank gives up frees its order; it stays REVERSED, and is never confirmed."""
    of = talk.transaction()
    made, back = talk.create(of), talk.reverse(of)
    times = {"transTime": made["transTime"], "confirmTime": None, "reverseTime": back["reverseTime"]}
    talk.standing(of, "REVERSED", **times)
    talk.refused("confirm", of.fields("confirm"), CANNOT_CONFIRM)
    talk.refused("reverse", of.fields("reverse"), REVERSED)
    talk.pay(of.order)


def other_content(talk: Talk) -> None:
    of, other = talk.transaction(), talk.order()
    talk.create(of)
    for change in ({"amount": of.order.amount_minor + 1}, {"params": {FIELD: other.reference}}):
        talk.refused("create", {**of.fields("create"), **change}, EXISTS)
    talk.check(other)
    talk.standing(of, "CREATED")


def other_attribute(talk: Talk) -> None:
    """`account` is understood for `order_id`."""
    of = talk.transaction()
    params = {"params": {"account": of.order.reference}}
    talk.ok("check", params)
    talk.ok("create", {**of.fields("create"), **params})
    talk.confirm(of)


def lenient_requests(talk: Talk) -> None:
    """Fields nobody agreed on, and the optional ones in any form, do no harm to a payment that was made."""
    of = talk.transaction()
    talk.ok("create", {**of.fields("create"), "extra": {"a": [1]}, "params": {FIELD: of.order.reference, "fio": "x"}})
    optional = {"tariff": "15-0-4", "cardType": "1", "processingReferenceNumber": 7, "paymentSource": "SOMETHING_NEW"}
    talk.ok("confirm", {**of.fields("confirm"), **optional})


def echoes(talk: Talk) -> None:
    """A refusal names the ids of its call."""
    of = talk.transaction()
    for endpoint in ENDPOINTS:
        fields = {**of.fields(endpoint), **({"params": {FIELD: unknown()}} if endpoint in WITH_ORDER else {})}
        body = talk.refused(endpoint, fields, NO_ACCOUNT if endpoint in WITH_ORDER else NO_TRANS)
        expect(f"/{endpoint} serviceId", body.get("serviceId"), talk.service_id)
        expect(f"/{endpoint} transId", body.get("transId"), None if endpoint == "check" else of.id)


def many_at_once(talk: Talk) -> None:
    """The same call from five connections at once does its work once; the others hear "already"."""
    of = talk.transaction()
    for endpoint in ("create", "confirm", "reverse"):
        answers = together(lambda name=endpoint: talk.once(name, of.fields(name)), 5)  # type: ignore[misc]
        expect(f"/{endpoint} done", sum(status == 200 for status, _ in answers), 1)
        codes = {body["errorCode"] for status, body in answers if status == 400}
        expect(f"/{endpoint} repeated", codes, {ALREADY[endpoint]})


def rivals_at_once(talk: Talk) -> None:
    """Five transactions want one order: one gets it, and can be confirmed."""
    rivals = [talk.transaction(talk.order())]
    rivals += [talk.transaction(rivals[0].order) for _ in range(4)]
    waiting = iter(rivals)
    taken: list[Any] = together(lambda: _try(talk, next(waiting)), 5)
    winners = [of for of, status, _ in taken if status == 200]
    expect("transactions that got the order", len(winners), 1)
    for _, status, body in taken:
        expect_that("a rival is refused", status == 200 or body["errorCode"] in BUSY, body)
    talk.confirm(winners[0])


def _try(talk: Talk, of: Any) -> tuple[Any, int, Body]:
    return of, *talk.once("create", of.fields("create"))


def confirm_against_reverse(talk: Talk) -> None:
    """Both at once: whoever is first, the end is one that both answers agree with."""
    of = talk.transaction()
    talk.create(of)
    turns = iter(("confirm", "reverse"))
    answers = dict(together(lambda: _say(talk, of, next(turns)), 2))
    word = talk.ok("status", of.fields("status"))["status"]
    expect_that("reverse is done", answers["reverse"][0] == 200, answers)
    confirm = answers["confirm"]
    expect_that("confirm is done or too late", confirm[0] == 200 or confirm[1]["errorCode"] == CANNOT_CONFIRM, answers)
    expect("status", word, "REVERSED")


def _say(talk: Talk, of: Any, endpoint: str) -> tuple[str, tuple[int, Body]]:
    return endpoint, talk.once(endpoint, of.fields(endpoint))


def late_repeats(talk: Talk) -> None:
    """Calls that were on their way all the time arrive after the end."""
    of = talk.pay()
    talk.refused("create", of.fields("create"), EXISTS)
    talk.refused("confirm", of.fields("confirm"), CONFIRMED)
    talk.reverse(of)
    talk.refused("create", of.fields("create"), EXISTS)
    talk.refused("confirm", of.fields("confirm"), CANNOT_CONFIRM)


def code_is(answer: tuple[int, Body], code: str) -> None:
    status, body = answer
    if (status, body.get("errorCode")) != (400, code):
        raise Failed(f"expected HTTP 400 with {code!r}, got HTTP {status} with {body.get('errorCode')!r}")
    expect("status", body.get("status"), "FAILED")


def ours(name: str, play: Callable[[Talk], None], *, needs_ended: bool = False) -> Case[Talk]:
    return Case(name, play, is_official=False, needs_ended=needs_ended)


CASES: tuple[Case[Talk], ...] = (
    ours("two faults in one call: the earlier check answers", order_of_checks),
    ours("another serviceId in confirm, reverse, status: 10014", other_service_later),
    ours("empty fields: 10005", empty_fields),
    ours("valid JSON of the wrong structure: 10002", wrong_shapes),
    ours("nested, doubled, endless, not UTF-8: 10002", hostile_json),
    ours("zero, negative, hundredfold amounts: 10011", strange_amounts),
    ours("other logins, half passwords, broken headers: 10001", credentials_of_others),
    ours("an ended order in check and create: 10009", ended_order, needs_ended=True),
    ours("an order cancelled between create and confirm", ended_while_paying),
    ours("an order paid once is not paid again: 10008", paid_order),
    ours("a refunded transaction is not confirmed again", refunded_order),
    ours("a second transaction for a busy order is refused", busy_order),
    ours("reverse before confirm frees the order", freed_order),
    ours("the same transId with another amount or order: 10010", other_content),
    ours("`account` for `order_id`", other_attribute),
    ours("unknown fields and odd optional ones do no harm", lenient_requests),
    ours("refusals echo serviceId and transId", echoes),
    ours("five equal calls at once: one does the work", many_at_once),
    ours("five transactions at once for one order: one gets it", rivals_at_once),
    ours("confirm and reverse at once", confirm_against_reverse),
    ours("calls that arrive after the end", late_repeats),
)
