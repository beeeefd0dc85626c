"""What Payme's documents leave to us: refusals, repeats, races, shapes, the statement and the fiscal receipt."""

import json
import time
from collections.abc import Callable

from gateway.certify.payme.talk import (
    ACCOUNT,
    BAD_REQUEST,
    BUSY_CREATE,
    CANNOT_DO,
    FIELD,
    NO_PRIVILEGE,
    NO_TRANSACTION,
    NOT_JSON,
    NOT_POST,
    TWELVE_HOURS_MS,
    UNKNOWN_METHOD,
    WRONG_AMOUNT,
    Talk,
    basic,
    now_ms,
    one_of_each,
    order_params,
    pay,
    standing,
    unknown,
)
from gateway.certify.score import Case, Failed, expect, expect_that, together


def statement(talk: Talk) -> None:
    """Both bounds belong to the range; another moment does not; the lines come in order of Payme's time."""
    first, second = talk.transaction(age_ms=5000), talk.transaction(age_ms=4000)
    for of in (second, first):
        talk.create(of)
    talk.perform(second)
    rows = {row["id"]: row for row in talk.statement(first.time, second.time)}
    expect_that("both ends are inside", {first.id, second.id} <= set(rows), sorted(rows))
    order = [row["id"] for row in talk.statement(first.time, second.time) if row["id"] in (first.id, second.id)]
    expect("order of time", order, [first.id, second.id])
    before = [row["id"] for row in talk.statement(first.time - 1000, first.time - 1)]
    expect_that("the millisecond before is outside", first.id not in before, before)
    row, known = rows[second.id], talk.check(second)
    for name, value in {"time": second.time, "amount": second.order.amount_minor, **known}.items():
        expect(f"statement {name}", row.get(name), value)
    expect("statement account", row.get("account"), {FIELD: second.order.reference})


def empty_statement(talk: Talk) -> None:
    expect("transactions", talk.statement(1, 2), [])
    expect("transactions of a range turned around", talk.statement(now_ms(), 1), [])


def unknown_transaction(talk: Talk) -> None:
    talk.refused("PerformTransaction", {"id": unknown()}, NO_TRANSACTION)
    talk.refused("CancelTransaction", {"id": unknown(), "reason": 3}, NO_TRANSACTION)
    talk.refused("CheckTransaction", {"id": unknown()}, NO_TRANSACTION)


def expired_before_create(talk: Talk) -> None:
    of = talk.transaction(age_ms=TWELVE_HOURS_MS)
    talk.refused("CreateTransaction", of.create, CANNOT_DO)
    talk.refused("CheckTransaction", {"id": of.id}, NO_TRANSACTION)
    talk.create(talk.transaction(of.order))  # the order is free


def expired_after_create(talk: Talk) -> None:
    """Created a moment before its twelve hours were over, performed a moment after: cancelled, reason 4."""
    for margin_ms in (900, 4000, 15000):  # a busy target may need longer for the Create itself
        of = talk.transaction(age_ms=TWELVE_HOURS_MS - margin_ms)
        result, _ = talk.call("CreateTransaction", of.create)
        if result is not None:
            break
    else:
        raise Failed("no Create was accepted shortly before the twelve hours were over")
    time.sleep(max(0, of.time + TWELVE_HOURS_MS + 50 - now_ms()) / 1000)
    talk.refused("PerformTransaction", {"id": of.id}, CANNOT_DO)
    standing(talk, of, state=-1, reason=4)
    talk.check_perform(of.order)


def paid_order(talk: Talk) -> None:
    of = pay(talk)
    talk.refused_account("CheckPerformTransaction", order_params(of.order))
    talk.refused("CreateTransaction", talk.transaction(of.order).create, CANNOT_DO, *ACCOUNT)


def freed_order(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    talk.cancel(of, 3, -1)
    again = talk.transaction(of.order)
    talk.create(again)
    talk.perform(again)


def cancelled_is_not_performed(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    talk.cancel(of, 3, -1)
    talk.refused("PerformTransaction", {"id": of.id}, CANNOT_DO)
    talk.refused("CreateTransaction", of.create, CANNOT_DO)
    standing(talk, of, state=-1)


def performed_is_not_created(talk: Talk) -> None:
    of = pay(talk)
    talk.refused("CreateTransaction", of.create, CANNOT_DO)
    standing(talk, of, state=2)


def refunded_is_not_performed(talk: Talk) -> None:
    of = pay(talk)
    talk.cancel(of, 5, -2)
    talk.refused("PerformTransaction", {"id": of.id}, CANNOT_DO)
    standing(talk, of, state=-2, reason=5)


def first_reason_wins(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    first = talk.cancel(of, 3, -1)
    expect("another reason", talk.result("CancelTransaction", {"id": of.id, "reason": 5}), first)
    standing(talk, of, reason=3, cancel_time=first["cancel_time"])


def other_content(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    talk.refused("CreateTransaction", {**of.create, "amount": of.order.amount_minor + 1}, CANNOT_DO, WRONG_AMOUNT)
    other = talk.order()
    changed = {**of.create, **order_params(other)}
    talk.refused("CreateTransaction", changed, CANNOT_DO)
    talk.check_perform(other)


def many_at_once(talk: Talk) -> None:
    """The same call from five connections at once does its work once."""
    of = talk.transaction()
    for method, params in (
        ("CreateTransaction", of.create),
        ("PerformTransaction", {"id": of.id}),
        ("CancelTransaction", {"id": of.id, "reason": 5}),
    ):
        results = together(lambda m=method, p=params: talk.result(m, p), 5)  # type: ignore[misc]
        for other in results[1:]:
            expect(f"{method} at once", other, results[0])


def rivals_at_once(talk: Talk) -> None:
    """Five transactions want one order: one gets it."""
    order = talk.order()
    answers = together(lambda: talk.call("CreateTransaction", talk.transaction(order).create), 5)
    winners = [result for result, error in answers if error is None]
    expect("transactions that got the order", len(winners), 1)
    for _, error in answers:
        expect_that("a rival hears -31008", error is None or error["code"] in BUSY_CREATE, error)


def unknown_method(talk: Talk) -> None:
    for method in ("ChangePassword", "NoSuchMethod", "createtransaction"):
        error = talk.refused(method, {}, UNKNOWN_METHOD)
        expect("data", error.get("data"), method)


def not_post(talk: Talk) -> None:
    for method in ("GET", "PUT"):
        _, _, error = talk.post(b"", method=method)
        expect(f"{method} code", (error or {}).get("code"), NOT_POST)


def broken_json(talk: Talk) -> None:
    for body in (b"", b"{", b'{"id":1,"method":', b"\xff\xfe", b'{"id":NaN}'):
        found, _, error = talk.post(body)
        expect("id", found, None)
        expect("code", (error or {}).get("code"), NOT_JSON)


def wrong_shapes(talk: Talk) -> None:
    good = one_of_each(talk)
    mistyped: tuple[tuple[str, str, tuple[object, ...]], ...] = (
        ("CheckPerformTransaction", "account", (None, [], "7")),
        ("CreateTransaction", "time", (None, "1", 1.5)),
        ("CreateTransaction", "id", (None, 7, "")),
        ("PerformTransaction", "id", (None, 7)),
        ("CancelTransaction", "reason", (None, "3")),
        ("CheckTransaction", "id", (None, [])),
        ("GetStatement", "from", (None, "0")),
    )
    for method, name, values in mistyped:
        for value in values:
            talk.refused(method, {**good[method], name: value}, BAD_REQUEST)
    for body in (b"[]", b"7", b'{"id":5}', b'{"id":5,"method":"CheckTransaction"}'):
        _, _, error = talk.post(body)
        expect(f"{body!r} code", (error or {}).get("code"), BAD_REQUEST)


def strange_amounts(talk: Talk) -> None:
    order = talk.order()
    for amount in (str(order.amount_minor), order.amount_minor + 0.5, -1, 0, True, 10**30):
        talk.refused("CheckPerformTransaction", order_params(order, amount=amount), BAD_REQUEST, WRONG_AMOUNT)
    talk.check_perform(order)


def number_as_account(talk: Talk) -> None:
    """Where order ids are digits, the account may come as a number; elsewhere a number is an unknown order."""
    order = talk.order()
    if order.reference.isdigit():
        params = order_params(order, reference=int(order.reference))
        expect("allow", talk.result("CheckPerformTransaction", params).get("allow"), True)
    else:
        talk.refused_account("CheckPerformTransaction", order_params(order, reference=7))


def content_types(talk: Talk) -> None:
    """Neither the content type nor the extra jsonrpc field makes a difference."""
    order = talk.order()
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 9, "method": "CheckPerformTransaction", "params": order_params(order)}
    ).encode()
    expect("text/json", (talk.post(body)[1] or {}).get("allow"), True)


def credentials_of_others(talk: Talk) -> None:
    """A login that is not Paycom, a half key, broken base64, another scheme: all the same -32504, id echoed."""
    order = order_params(talk.order())
    for header in (
        basic(talk.key, login="paycom"),
        basic(talk.key[:-1]),
        basic(talk.key + " "),
        basic(""),
        "Basic %%%",
        "Basic",
        basic(talk.key).replace("Basic", "Bearer"),
    ):
        talk.refused("CheckPerformTransaction", order, NO_PRIVILEGE, authorization=header)


def fiscal(talk: Talk) -> None:
    of = pay(talk)
    data = {
        "receipt_id": 121,
        "status_code": 0,
        "message": "accepted",
        "terminal_id": "EP000000000025",
        "fiscal_sign": "800031554082",
        "qr_code_url": "no address at all",
        "date": "20260120131215",
    }
    receipt = {"id": of.id, "type": "PERFORM", "fiscal_data": data}
    expect("success", talk.result("SetFiscalData", receipt).get("success"), True)
    expect("success again", talk.result("SetFiscalData", receipt).get("success"), True)
    talk.refused("SetFiscalData", {**receipt, "id": unknown()}, -32001)
    error = talk.refused("SetFiscalData", {**receipt, "type": "SOMETHING"}, -32602)
    expect("data", error.get("data"), "type")


def ours(name: str, play: Callable[[Talk], None]) -> Case[Talk]:
    return Case(name, play, is_official=False)


CASES: tuple[Case[Talk], ...] = (
    ours("GetStatement: bounds inside, order of time, whole lines", statement),
    ours("GetStatement: an empty range", empty_statement),
    ours("unknown id in Perform, Cancel, CheckTransaction: -31003", unknown_transaction),
    ours("Create twelve hours late: -31008, nothing stored", expired_before_create),
    ours("Perform after twelve hours: -31008, stored as -1 reason 4", expired_after_create),
    ours("an order paid once is not paid again", paid_order),
    ours("a cancelled transaction frees its order", freed_order),
    ours("a cancelled transaction is neither created nor performed", cancelled_is_not_performed),
    ours("a performed transaction is not created again", performed_is_not_created),
    ours("a refunded transaction is not performed again", refunded_is_not_performed),
    ours("Cancel again: the first reason and time stay", first_reason_wins),
    ours("Create again with another amount or order: refused", other_content),
    ours("five equal calls at once: one answer", many_at_once),
    ours("five transactions at once for one order: one gets it", rivals_at_once),
    ours("unknown method: -32601 with its name", unknown_method),
    ours("not POST: -32300, HTTP 200", not_post),
    ours("broken JSON: -32700, id null", broken_json),
    ours("missing or mistyped fields: -32600", wrong_shapes),
    ours("an amount as text, fraction, zero, negative: refused", strange_amounts),
    ours("an account as a number", number_as_account),
    ours("content type text/json", content_types),
    ours("other logins, halves of the key, broken headers: -32504", credentials_of_others),
    ours("SetFiscalData: kept, repeated, refused by name", fiscal),
)
