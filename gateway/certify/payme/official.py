"""The sandbox's two scenarios, step by step."""

from gateway.certify.payme.talk import (
    BUSY_CREATE,
    FIELD,
    METHODS,
    NO_PRIVILEGE,
    NO_TRANSACTION,
    WRONG_AMOUNT,
    Talk,
    basic,
    one_of_each,
    order_params,
    pay,
    standing,
    unknown,
)
from gateway.certify.score import Case

# Scenario A of the sandbox: create, then cancel before confirmation


def without_authorization(talk: Talk) -> None:
    for method, params in one_of_each(talk).items():
        talk.refused(method, params, NO_PRIVILEGE, authorization="")


def wrong_authorization(talk: Talk) -> None:
    params = one_of_each(talk)
    for method in METHODS:
        talk.refused(method, params[method], NO_PRIVILEGE, authorization=basic("somebody-elses-key"))


def wrong_amount(talk: Talk) -> None:
    of = talk.transaction()
    wrong = {"amount": of.order.amount_minor + 1}
    talk.refused("CheckPerformTransaction", {**order_params(of.order), **wrong}, WRONG_AMOUNT)
    talk.refused("CreateTransaction", {**of.create, **wrong}, WRONG_AMOUNT)
    talk.refused("CheckTransaction", {"id": of.id}, NO_TRANSACTION)


def unknown_account(talk: Talk) -> None:
    of = talk.transaction()
    account = {"account": {FIELD: unknown()}}
    talk.refused_account("CheckPerformTransaction", {**order_params(of.order), **account})
    talk.refused_account("CreateTransaction", {**of.create, **account})


def ended_account(talk: Talk) -> None:
    of = talk.transaction(talk.ended_order())
    talk.refused_account("CheckPerformTransaction", order_params(of.order))
    talk.refused_account("CreateTransaction", of.create)


def check_perform(talk: Talk) -> None:
    talk.check_perform(talk.order())


def create_twice(talk: Talk) -> None:
    talk.create(talk.transaction())


def check_created(talk: Talk) -> None:
    of = talk.transaction()
    made = talk.create(of)
    wanted = {"perform_time": 0, "cancel_time": 0, "reason": None}
    standing(talk, of, state=1, create_time=made["create_time"], transaction=made["transaction"], **wanted)


def second_transaction(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    talk.refused("CreateTransaction", talk.transaction(of.order).create, *BUSY_CREATE)
    standing(talk, of, state=1)


def cancel_created(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    done = talk.cancel(of, 3, -1)
    standing(talk, of, state=-1, reason=3, cancel_time=done["cancel_time"], perform_time=0)


# Scenario B of the sandbox: create, confirm, cancel after


def perform_twice(talk: Talk) -> None:
    pay(talk)


def check_performed(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    done = talk.perform(of)
    standing(talk, of, state=2, perform_time=done["perform_time"], cancel_time=0, reason=None)


def refund_twice(talk: Talk) -> None:
    talk.cancel(pay(talk), 5, -2)


def check_refunded(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    paid = talk.perform(of)
    done = talk.cancel(of, 5, -2)
    times = {"perform_time": paid["perform_time"], "cancel_time": done["cancel_time"]}
    standing(talk, of, state=-2, reason=5, **times)


def busy_order(talk: Talk) -> None:
    of = talk.transaction()
    talk.create(of)
    talk.refused_account("CheckPerformTransaction", order_params(of.order))


CASES: tuple[Case[Talk], ...] = (
    Case("A1 no Authorization: -32504 for every method", without_authorization),
    Case("A1 wrong Authorization: -32504 for every method", wrong_authorization),
    Case("A2 wrong amount in CheckPerform and Create: -31001", wrong_amount),
    Case("A3 account that does not exist: -31050…-31099", unknown_account),
    Case("A3 account that is closed: -31050…-31099", ended_account, needs_ended=True),
    Case("A3 account that is being paid: CheckPerform -31050…-31099", busy_order),
    Case("A4 CheckPerform: allow", check_perform),
    Case("A5 Create: state 1, repeated the same", create_twice),
    Case("A6 CheckTransaction of a created one", check_created),
    Case("A7 second transaction for the same order: -31008", second_transaction),
    Case("A8 Cancel before confirmation: -1, repeated the same", cancel_created),
    Case("B2 Perform: state 2, repeated the same", perform_twice),
    Case("B3 CheckTransaction of a performed one", check_performed),
    Case("B4 Cancel after confirmation: -2, repeated the same", refund_twice),
    Case("B5 CheckTransaction of a refunded one keeps perform_time", check_refunded),
)
