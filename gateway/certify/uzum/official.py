"""What the bank's acceptance check tries, each on fresh orders."""

from gateway.certify.score import Case, expect
from gateway.certify.uzum.talk import (
    AMOUNT,
    CANNOT_CONFIRM,
    CONFIRMED,
    DENIED,
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
    Talk,
    Transaction,
    basic,
    unknown,
)


def wrong_password(talk: Talk) -> None:
    of = talk.transaction()
    for endpoint in ENDPOINTS:
        given = basic(talk.login, talk.password + "x")
        talk.refused(endpoint, of.fields(endpoint), DENIED, authorization=given)
    talk.refused("status", of.fields("status"), NO_TRANS)


def other_service(talk: Talk) -> None:
    of = talk.transaction()
    for endpoint in WITH_ORDER:
        talk.refused(endpoint, {**of.fields(endpoint), "serviceId": talk.service_id + 1}, SERVICE)


def unknown_account(talk: Talk) -> None:
    of = talk.transaction()
    for endpoint in WITH_ORDER:
        talk.refused(endpoint, {**of.fields(endpoint), "params": {FIELD: unknown()}}, NO_ACCOUNT)


def number_as_account(talk: Talk) -> None:
    """Where order numbers are digits the account may come as a number; elsewhere a number is an unknown order."""
    order = talk.order()
    if order.reference.isdigit():
        talk.ok("check", {"params": {FIELD: int(order.reference)}})
    else:
        talk.refused("check", {"params": {FIELD: 7}}, NO_ACCOUNT)


def lowercase_basic(talk: Talk) -> None:
    fields = talk.transaction().fields("check")
    for scheme in ("basic", "BASIC"):
        talk.ok("check", fields, authorization=basic(talk.login, talk.password, scheme))


def check(talk: Talk) -> None:
    talk.check(talk.order())


def wrong_amount(talk: Talk) -> None:
    of = talk.transaction()
    for amount in (of.order.amount_minor + 1, of.order.amount_minor - 1):
        talk.refused("create", {**of.fields("create"), "amount": amount}, AMOUNT)
    talk.refused("status", of.fields("status"), NO_TRANS)


def create(talk: Talk) -> None:
    talk.create(talk.transaction())


def same_transaction(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    talk.refused("create", of.fields("create"), EXISTS)


def status_of_created(talk: Talk) -> None:
    of = talk.transaction()
    made = talk.create(of)
    talk.standing(of, "CREATED", transTime=made["transTime"])


def confirm(talk: Talk) -> None:
    talk.pay()


def lost_confirm(talk: Talk) -> None:
    """The reply to /confirm never arrived: /status tells."""
    of = talk.transaction()
    made, done = talk.create(of), talk.confirm(of)
    talk.standing(of, "CONFIRMED", transTime=made["transTime"], confirmTime=done["confirmTime"])


def confirm_again(talk: Talk) -> None:
    talk.refused("confirm", talk.pay().fields("confirm"), CONFIRMED)


def check_of_paid(talk: Talk) -> None:
    talk.refused("check", talk.pay().fields("check"), PAID)


def reverse(talk: Talk) -> None:
    talk.reverse(talk.pay())


def reverse_again(talk: Talk) -> None:
    of = talk.pay()
    talk.reverse(of)
    talk.refused("reverse", of.fields("reverse"), REVERSED)


def status_of_reversed(talk: Talk) -> None:
    of = talk.transaction()
    made, paid, back = talk.create(of), talk.confirm(of), talk.reverse(of)
    times = {"transTime": made["transTime"], "confirmTime": paid["confirmTime"], "reverseTime": back["reverseTime"]}
    talk.standing(of, "REVERSED", **times)


def ended_reservation(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    talk.cancel_order(of.order)
    talk.refused("confirm", of.fields("confirm"), CANNOT_CONFIRM)
    talk.refused("status", of.fields("status"), CANNOT_CONFIRM)


def unknown_transaction(talk: Talk) -> None:
    of = Transaction(unknown(), talk.order())
    for endpoint in WITH_TRANSACTION:
        talk.refused(endpoint, of.fields(endpoint), NO_TRANS)


def not_post(talk: Talk) -> None:
    for endpoint in ENDPOINTS:
        for method in ("GET", "PUT"):
            status, body = talk.post(endpoint, b"", method=method)
            expect(f"{method} /{endpoint} HTTP status", status, 400)
            expect(f"{method} /{endpoint} errorCode", body.get("errorCode"), NOT_POST)


def broken_json(talk: Talk) -> None:
    for endpoint in ENDPOINTS:
        for sent in (b"", b"{", b'{"serviceId":', b"\xff\xfe"):
            status, body = talk.post(endpoint, sent)
            expect(f"/{endpoint} HTTP status", status, 400)
            expect(f"/{endpoint} errorCode", body.get("errorCode"), NOT_JSON)


def missing_field(talk: Talk) -> None:
    of = talk.transaction()
    for endpoint in ENDPOINTS:
        whole = talk.envelope(of.fields(endpoint))
        for name in set(whole) - {"tariff", "processingReferenceNumber", "cardType"}:
            talk.refused(endpoint, {**whole, name: None}, MISSING)
    talk.refused("check", {"params": {"some_other": "1"}}, MISSING)
    talk.refused("status", of.fields("status"), NO_TRANS)


CASES: tuple[Case[Talk], ...] = (
    Case("wrong password: 10001 everywhere", wrong_password),
    Case("another serviceId in check and create: 10006", other_service),
    Case("unknown account in check and create: 10007", unknown_account),
    Case("account as a number", number_as_account),
    Case("the scheme `basic` in any case", lowercase_basic),
    Case("check: OK", check),
    Case("create with another amount: 10011, nothing stored", wrong_amount),
    Case("create: CREATED", create),
    Case("create with the same transId: 10010", same_transaction),
    Case("status of a created one: CREATED", status_of_created),
    Case("confirm: CONFIRMED", confirm),
    Case("reply to confirm lost: status says CONFIRMED", lost_confirm),
    Case("confirm again: 10016", confirm_again),
    Case("check of a paid order: 10008", check_of_paid),
    Case("reverse: REVERSED", reverse),
    Case("reverse again: 10018", reverse_again),
    Case("status of a reversed one: REVERSED, all three times", status_of_reversed),
    Case("created, then ended by the seller: confirm 10015, status FAILED", ended_reservation),
    Case("unknown transId in confirm, reverse, status: 10014", unknown_transaction),
    Case("not POST: 10003", not_post),
    Case("broken JSON: 10002", broken_json),
    Case("a missing field: 10005", missing_field),
)
