"""Click's fifteen scenarios, each with what has to come before it."""

import uuid

from gateway.certify.click.talk import (
    ALREADY_PAID,
    BAD_SIGN,
    CANCELLED,
    DECLINED,
    NO_ORDER,
    NO_PREPARE,
    NO_TRANSACTION,
    WRONG_AMOUNT,
    Talk,
)
from gateway.certify.score import Case, Order

BROKEN = "0" * 32


def prepare_wrong_sign(talk: Talk) -> None:
    talk.prepare(talk.attempt(), BAD_SIGN, sign_string=BROKEN)


def prepare_unknown_order(talk: Talk) -> None:
    talk.prepare(talk.attempt(Order(str(uuid.uuid4()), talk.order().amount_minor)), NO_ORDER)


def prepare(talk: Talk) -> None:
    talk.prepared()


def complete_wrong_sign(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    talk.complete(of, prepare_id, BAD_SIGN, sign_string=BROKEN)


def complete_wrong_amount(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    talk.complete(of, prepare_id, WRONG_AMOUNT, amount="300" if of.order.amount_minor != 30_000 else "301")


def complete(talk: Talk) -> None:
    """After the two refused ones."""
    of, prepare_id = talk.prepared()
    talk.complete(of, prepare_id, BAD_SIGN, sign_string=BROKEN)
    talk.complete(of, prepare_id, WRONG_AMOUNT, amount="300" if of.order.amount_minor != 30_000 else "301")
    talk.complete(of, prepare_id)


def complete_again(talk: Talk) -> None:
    of, prepare_id = talk.paid()
    talk.complete(of, prepare_id, ALREADY_PAID)


def failure_of_confirmed(talk: Talk) -> None:
    of, prepare_id = talk.paid()
    talk.complete(of, prepare_id, CANCELLED, error=DECLINED)


def unknown_prepare_id(talk: Talk) -> None:
    of, _ = talk.prepared()
    talk.complete(of, NO_PREPARE, NO_TRANSACTION)


def complete_after_unknown(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    talk.complete(of, NO_PREPARE, NO_TRANSACTION)
    talk.complete(of, prepare_id)


def failure(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    talk.complete(of, prepare_id, CANCELLED, error=DECLINED)


def failure_again(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    for _ in range(2):
        talk.complete(of, prepare_id, CANCELLED, error=DECLINED)


def complete_cancelled(talk: Talk) -> None:
    of, prepare_id = talk.prepared()
    talk.complete(of, prepare_id, CANCELLED, error=DECLINED)
    talk.complete(of, prepare_id, CANCELLED)


CASES: tuple[Case[Talk], ...] = (
    Case(" 1 Prepare with a wrong signature: -1", prepare_wrong_sign),
    Case(" 2 Prepare of an unknown order: -5", prepare_unknown_order),
    Case(" 3 Prepare: 0 and merchant_prepare_id", prepare),
    Case(" 4 Complete with a wrong signature: -1", complete_wrong_sign),
    Case(" 5 Complete with another amount: -2", complete_wrong_amount),
    Case(" 6 Complete: 0", complete),
    Case(" 7 Complete again: -4", complete_again),
    Case(" 8 Complete with error -5017 of a confirmed one: -9", failure_of_confirmed),
    Case(" 9 Prepare of a new order: 0", prepare),
    Case("10 Complete with merchant_prepare_id 999999999: -6", unknown_prepare_id),
    Case("11 Complete after that: 0", complete_after_unknown),
    Case("12 Prepare of a new order: 0", prepare),
    Case("13 Complete with error -5017: -9", failure),
    Case("14 the same again: -9", failure_again),
    Case("15 Complete with error 0 of the cancelled: -9", complete_cancelled),
)
