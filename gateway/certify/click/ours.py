"""What Click's documents leave to us: forms of amounts, missing fields, foreign ids, races, and what was not signed."""

import json
from collections.abc import Callable

from gateway.certify.click.talk import (
    ALREADY_PAID,
    BAD_REQUEST,
    BAD_SIGN,
    CANCELLED,
    DECLINED,
    NO_ACTION,
    NO_ORDER,
    NO_TRANSACTION,
    OK,
    WRONG_AMOUNT,
    Talk,
    expect_code,
    som,
)
from gateway.certify.score import Case, Failed, Order, expect, expect_that, together

PLAYGROUND = "https://docs.click.uz"
FIELDS = (
    "click_trans_id",
    "service_id",
    "click_paydoc_id",
    "merchant_trans_id",
    "amount",
    "action",
    "error",
    "error_note",
    "sign_time",
    "sign_string",
)


def amount_texts(talk: Talk) -> None:
    """The link's text decides what arrives, and the hash is over it: every spelling of the same sum is right."""
    first = talk.order().amount_minor
    texts = {som(first), som(first) + "0"}
    if first % 10 == 0:
        texts.add(som(first)[:-1])
    if first % 100 == 0:
        texts.add(som(first)[:-3])
    for text in sorted(texts):
        of = talk.attempt()
        expect("amount of the order", of.order.amount_minor, first)
        prepare_id = talk.prepare(of, amount=text)["merchant_prepare_id"]
        talk.complete(of, prepare_id, amount=text)


def a_tiyin_off(talk: Talk) -> None:
    of = talk.attempt()
    wrong = [som(of.order.amount_minor + 1), som(of.order.amount_minor - 1), str(of.order.amount_minor), "0", "-1"]
    wrong.append(som(of.order.amount_minor) + "5")  # a part of a tiyin
    for amount in wrong:
        talk.prepare(of, WRONG_AMOUNT, amount=amount)
    prepare_id = talk.prepare(of)["merchant_prepare_id"]
    for amount in wrong:
        talk.complete(of, prepare_id, WRONG_AMOUNT, amount=amount)
    talk.complete(of, prepare_id)


def missing_fields(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    for name in FIELDS:
        talk.say("prepare", _without(talk.fields(of, "0"), name), BAD_REQUEST)
    whole = talk.fields(of, "1", merchant_prepare_id=str(prepare_id))
    for name in (*FIELDS, "merchant_prepare_id"):
        talk.say("complete", _without(whole, name), BAD_REQUEST)
    talk.complete(of, prepare_id)


def garbled_fields(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    for name, values in {
        "click_trans_id": ("", "x", "1.5", "-1", "9" * 40),
        "service_id": ("", "x"),
        "amount": ("", "abc", "NaN", "Infinity", "1e3", "1,5", "15 000", "١٥", "9" * 400),
        "action": ("", "x", "1.0"),
        "error": ("", "x", "1", "NaN"),
        "sign_time": ("", "now"),
    }.items():
        for value in values:
            talk.complete(of, prepare_id, BAD_REQUEST, **{name: value})
    for value in ("", "x", "-5", "9" * 40):
        talk.complete(of, value, BAD_REQUEST)
    talk.complete(of, prepare_id)


def hostile_bodies(talk: Talk) -> None:
    of = talk.attempt()
    true = talk.fields(of, "0")
    bodies = [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 50_000,
        b"{" * 50_000,
        b'{"amount": ' + b"9" * 5000 + b"}",
        b"a=b&" * 20_000,
        b"amount=%FF%FE&action=%00",
        json.dumps({**true, "amount": {"a": 1}}).encode(),
        json.dumps({**true, "action": [0]}).encode(),
        json.dumps({**true, "error": True}).encode(),
        json.dumps(true).replace(f'"{of.order.reference}"', '"\\ud800"').encode(),
        json.dumps(true).replace('"amount": ', '"amount": "1", "amount": ').encode(),
    ]
    for body in bodies:
        expect_code(f"{body[:40]!r}", talk.post("prepare", body), BAD_REQUEST)
    talk.prepare(of)


def not_post(talk: Talk) -> None:
    for method in ("GET", "PUT"):
        body = talk.post("prepare", b"", method=method)
        expect_that(f"{method} is refused", body["error"] < 0, body)


def foreign_secrets(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    for secret in ("somebody-elses", "", talk.secret[:-1], f"{talk.secret} "):
        talk.complete(of, prepare_id, BAD_SIGN, secret=secret)
    for sign in ("x", "0" * 31, "ё" * 32, talk.fields(of, "0")["sign_string"]):
        talk.complete(of, prepare_id, BAD_SIGN, sign_string=sign)
    talk.complete(of, prepare_id)


def formula_by_action(talk: Talk) -> None:
    """A Prepare is not signed with a prepare id, even if it carries one."""
    of = talk.attempt()
    fields = talk.fields(of, "0")
    talk.say("prepare", {**fields, "merchant_prepare_id": "77"}, OK)


def shifted_texts(talk: Talk) -> None:
    """Signed texts stand side by side: 1500.0|0|1…, made of 1500.00|1…, must not become another request."""
    of, prepare_id = talk.prepared()
    fields = talk.fields(of, "1", merchant_prepare_id=str(prepare_id))
    amount = fields["amount"]
    shifted = {**fields, "amount": amount[:-1], "action": amount[-1], "sign_time": "1" + fields["sign_time"]}
    talk.say("complete", shifted, BAD_REQUEST, BAD_SIGN)
    moved = {**fields, "merchant_prepare_id": f"{prepare_id}{amount[0]}", "amount": amount[1:]}
    talk.say("complete", moved, BAD_REQUEST, BAD_SIGN, NO_TRANSACTION)
    talk.complete(of, prepare_id)


def other_service(talk: Talk) -> None:
    of = talk.attempt()
    talk.prepare(of, NO_ORDER, BAD_REQUEST, service_id=str(int(talk.service) + 1))
    talk.prepare(of)


def strange_orders(talk: Talk) -> None:
    amount = talk.order().amount_minor
    for reference in ("1042", "ORD-77/б", "' OR 1=1 --", "x" * 255):
        talk.prepare(talk.attempt(Order(reference, amount)), NO_ORDER)
    for reference in ("x" * 256, "\x00", "a\nb"):
        talk.prepare(talk.attempt(Order(reference, amount)), BAD_REQUEST)


def unknown_action(talk: Talk) -> None:
    of = talk.attempt()
    for action in ("2", "-1", "00", "10"):
        talk.prepare(of, NO_ACTION, action=action)
    talk.prepare(of)


def foreign_prepare_id(talk: Talk) -> None:
    mine, my_id = talk.prepared()
    other, other_id = talk.prepared()
    talk.complete(mine, other_id, NO_TRANSACTION)
    talk.complete(other, my_id, NO_TRANSACTION)
    talk.complete(mine, my_id)
    talk.complete(other, other_id)


def unprepared_complete(talk: Talk) -> None:
    talk.complete(talk.attempt(), "1", NO_TRANSACTION)
    talk.complete(talk.attempt(), "0", NO_TRANSACTION, error=DECLINED)


def stable_prepare_id(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    again = talk.prepare(of)
    expect("merchant_prepare_id", again["merchant_prepare_id"], prepare_id)


def paid_order(talk: Talk) -> None:
    of, _ = talk.paid()
    talk.prepare(of, ALREADY_PAID)
    talk.prepare(talk.attempt(of.order), ALREADY_PAID)


def ended_order(talk: Talk) -> None:
    talk.prepare(talk.attempt(talk.ended_order()), CANCELLED)


def ended_while_paying(talk: Talk) -> None:
    """The seller cancels between Prepare and Complete: -9 gives the buyer's money back."""
    if talk.target.cancel_order is None:
        raise Failed("the target cannot cancel an order")
    of, prepare_id = talk.prepared()
    talk.target.cancel_order(of.order)
    talk.complete(of, prepare_id, CANCELLED)


def freed_order(talk: Talk) -> None:
    """A failed try ends itself, not the order."""
    of, prepare_id = talk.prepared()
    talk.complete(of, prepare_id, CANCELLED, error=DECLINED)
    again, again_id = talk.prepared(talk.attempt(of.order))
    talk.complete(again, again_id)
    talk.complete(of, prepare_id, CANCELLED)


def failed_prepare(talk: Talk) -> None:
    of = talk.attempt()
    talk.prepare(of, CANCELLED, error=DECLINED)
    talk.prepare(talk.attempt(of.order))


def failure_undoes_nothing(talk: Talk) -> None:
    """`error` is not signed: what is paid stays paid, whatever a stranger writes there."""
    of, prepare_id = talk.paid()
    talk.complete(of, prepare_id, CANCELLED, error=DECLINED)
    talk.complete(of, prepare_id, ALREADY_PAID)
    talk.prepare(talk.attempt(of.order), ALREADY_PAID, CANCELLED)


def completes_at_once(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    fields = talk.fields(of, "1", merchant_prepare_id=str(prepare_id))
    codes = sorted(body["error"] for body in together(lambda: talk.once("complete", fields), 10))
    expect("ten at once", codes, [ALREADY_PAID] * 9 + [OK])


def prepares_at_once(talk: Talk) -> None:
    of = talk.attempt()
    fields = talk.fields(of, "0")
    bodies = together(lambda: talk.once("prepare", fields), 5)
    expect("codes", {body["error"] for body in bodies}, {OK})
    expect("prepare ids", len({body["merchant_prepare_id"] for body in bodies}), 1)


def rivals_at_once(talk: Talk) -> None:
    """Five buyers' tries for one order, each as far as it gets: one is paid, and no other hears "paid"."""
    order = talk.order()

    def pay() -> int:
        of = talk.attempt(order)
        body = talk.once("prepare", talk.fields(of, "0"))
        if body["error"] != OK:
            return -1
        fields = talk.fields(of, "1", merchant_prepare_id=str(body["merchant_prepare_id"]))
        return int(talk.once("complete", fields)["error"])

    codes = together(pay, 5)
    expect("tries that were paid", codes.count(OK), 1)
    expect_that("the others keep their money", ALREADY_PAID not in codes, codes)


def json_body(talk: Talk) -> None:
    """Some proxies turn the form into JSON, numbers included."""
    of = talk.attempt()
    fields = talk.fields(of, "0")
    numbers = {name: int(fields[name]) for name in ("click_trans_id", "service_id", "action", "error")}
    body = talk.post("prepare", json.dumps({**fields, **numbers}).encode(), content_type="application/json")
    expect_code("prepare in JSON", body, OK)


def playground(talk: Talk) -> None:
    """Click's playground calls from a browser, which asks first and wants the header with the answer too."""
    asking = {"Origin": PLAYGROUND, "Access-Control-Request-Method": "POST"}
    body = "&".join(f"{name}=1" for name in FIELDS).encode()
    for endpoint in ("prepare", "complete"):
        answer = talk.send(endpoint, b"", asking, method="OPTIONS")
        expect_that("OPTIONS succeeds", answer.status in (200, 204), answer.status)
        expect("allowed origin", answer.headers.get("Access-Control-Allow-Origin"), PLAYGROUND)
        answer = talk.send(endpoint, body, {"Origin": PLAYGROUND, "Content-Type": "application/x-www-form-urlencoded"})
        expect("allowed origin of an answer", answer.headers.get("Access-Control-Allow-Origin"), PLAYGROUND)


def _without(fields: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if key != name}


def ours(name: str, play: Callable[[Talk], None], *, needs_ended: bool = False) -> Case[Talk]:
    return Case(name, play, is_official=False, needs_ended=needs_ended)


CASES: tuple[Case[Talk], ...] = (
    ours("every spelling of the amount: 15000, 15000.0, 15000.00", amount_texts),
    ours("a tiyin more or less, zero, negative, tiyin for som: -2", a_tiyin_off),
    ours("each field missing: -8", missing_fields),
    ours("garbled fields: -8", garbled_fields),
    ours("bodies that are nothing: -8, HTTP 200", hostile_bodies),
    ours("not POST: refused, HTTP 200", not_post),
    ours("other secrets and signatures: -1", foreign_secrets),
    ours("the action chooses the formula, not the prepare id", formula_by_action),
    ours("signed texts cannot be shifted into each other", shifted_texts),
    ours("another service: -5 or -8", other_service),
    ours("orders of any spelling: -5", strange_orders),
    ours("action 2: -3", unknown_action),
    ours("the prepare id of another order: -6", foreign_prepare_id),
    ours("Complete without a Prepare: -6", unprepared_complete),
    ours("Prepare again: the same merchant_prepare_id", stable_prepare_id),
    ours("Prepare of a paid order: -4", paid_order),
    ours("Prepare of a cancelled order: -9", ended_order, needs_ended=True),
    ours("cancelled between Prepare and Complete: -9", ended_while_paying),
    ours("a failed try frees its order", freed_order),
    ours("Prepare with error -5017: -9, nothing reserved", failed_prepare),
    ours("a failure after the confirmation undoes nothing", failure_undoes_nothing),
    ours("ten equal Completes at once: one 0, nine -4", completes_at_once),
    ours("five equal Prepares at once: one id", prepares_at_once),
    ours("five tries for one order at once: one is paid", rivals_at_once),
    ours("a JSON body", json_body),
    ours("Click's playground may call from a browser", playground),
)
