"""What the bank says for one transaction, step by step, and what it makes of each answer.

Steps: check, create, confirm, reverse, status; `poll` (status, up to ten times, until the seller says CONFIRMED or
FAILED) and `wait`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.simulators.uzum.bending import Bender
from gateway.simulators.uzum.caller import call, fields_of
from gateway.simulators.uzum.rows import Account, Payment
from gateway.simulators.uzum.strict import Heard, repeat_faults
from gateway.simulators.uzum.talks import Talk, Talks
from gateway.simulators.uzum.world import World

ENDPOINTS = {"poll": "status"}  # the other steps are called like their endpoint
POLLS = 10
SHOWN_AMOUNT = "amount"
TRANSACTION_EXISTS, REVERSED_ALREADY = "10010", "10018"


class Dialogue:
    def __init__(self, world: World) -> None:
        self._world = world
        self._bender = Bender(world)
        self.talks = Talks(world, self._do)

    def look(self, account: Account, reference: str, attribute: str) -> Heard:
        """The app asks what is owed; nothing is begun by it."""
        return call(self._world, account, "check", {"params": {attribute: reference}})[0]

    def _do(self, payment: Payment, step: str, talk: Talk) -> None:
        account = self._world.accounts.get(payment.account)
        if account is None:
            self._set(payment, plan=[], status="manual")
        elif step == "wait":
            self._set(payment, status="waiting")
            if not self.talks.pause(talk, payment.wait_until - self._world.clock()):
                with self._world.lock:
                    if payment.plan[:1] == ["wait"]:
                        payment.plan = payment.plan[1:]
                    self._world.keep(payment)
        else:
            self._say(payment, account, step, talk)

    def _say(self, payment: Payment, account: Account, step: str, talk: Talk) -> None:
        endpoint = ENDPOINTS.get(step, step)
        seen = payment.plan
        if seen[:1] != [step]:
            return
        fault = self._world.faults.take(
            "callback",
            payment=payment.id,
            metadata={payment.attribute: payment.reference},
            operation=endpoint,
            event=endpoint,
        )
        kind = fault.kind if fault is not None else ""
        if fault is not None:
            if kind == "drop":
                self._set(payment, plan=[], status="silent")
                return
            if kind == "late" and self.talks.pause(talk, fault.seconds or 0):
                return
            if self._bender.strikes(fault, endpoint):
                error = self._bender.send(fault, endpoint, payment, account, fields_of(payment, endpoint))
                if not fault.also_true and kind != "reorder":
                    self._set(payment, plan=[], error=error, **({} if payment.state else {"status": "refused"}))
                    return
        if step == "confirm" and payment.state in {"", "CREATED"}:
            self._set(payment, is_debited=True, status="confirming")
        heard = self._call(payment, account, endpoint, kind)
        if kind == "duplicate":
            again = self._call(payment, account, endpoint, kind)
            self._complain(payment, endpoint, repeat_faults(endpoint, heard, again))
        if kind == "reply_lost":
            heard = Heard()
        gap = self._decide(payment, step, heard, seen)
        if step == "confirm":
            self._bender.send_held(payment, account)
        if gap is not None:
            self.talks.pause(talk, gap)

    def _call(self, payment: Payment, account: Account, endpoint: str, fault: str) -> Heard:
        fields = fields_of(payment, endpoint)
        heard, row = call(self._world, account, endpoint, fields, payment=payment.id, fault=fault)
        with self._world.lock:
            if heard.body is not None:
                heard.violations += truth_faults(payment, endpoint, heard.body)
            if heard.violations != row.violations:
                row.violations = list(heard.violations)
                self._world.calls.save(row)
                heard.body = None
            self._complain(payment, endpoint, heard.violations)
        return heard

    def _decide(self, payment: Payment, step: str, heard: Heard, seen: list[str]) -> float | None:
        """Seconds until the plan goes on; None: at once."""
        with self._world.lock:
            if heard.code:
                payment.error = {"endpoint": ENDPOINTS.get(step, step), "code": heard.code}
            elif heard.asks_again and heard.status is not None:
                payment.error = {"endpoint": ENDPOINTS.get(step, step), "code": "", "text": "; ".join(heard.violations)}
            plan, gap = HANDLERS[step](payment, heard, [*seen[1:]])
            if payment.plan is seen:  # else somebody acted meanwhile: what is planned now counts
                is_same_step = plan[:1] == seen[:1]
                payment.tries = payment.tries + 1 if is_same_step else 0
                limit = POLLS if step == "poll" else len(self._world.settings.retry_ladder) + 1
                if is_same_step and payment.tries >= limit:
                    plan, gap, payment.status = [], None, "manual"
                payment.plan = plan
            self._world.keep(payment)
            ladder = self._world.settings.retry_ladder or [1.0]
            return None if gap is None else ladder[min(gap, len(ladder) - 1)]

    def _complain(self, payment: Payment, endpoint: str, found: list[str]) -> None:
        with self._world.lock:
            payment.violations += [f"/{endpoint}: {text}" for text in found]
            self._world.keep(payment)

    def _set(self, payment: Payment, **values: Any) -> None:
        with self._world.lock:
            for name, value in values.items():
                setattr(payment, name, value)
            self._world.keep(payment)


def truth_faults(payment: Payment, endpoint: str, body: dict[str, Any]) -> list[str]:
    """A success against what the bank knows itself."""
    wrong = []
    if endpoint != "check" and payment.amount and body["amount"] != payment.amount:
        wrong.append(f"amount is {body['amount']} instead of {payment.amount}")
    known = {
        "transTime": payment.trans_time,
        "confirmTime": payment.confirm_time,
        "reverseTime": payment.reverse_time,
    }
    wrong += [
        f"{name} is {body[name]!r} instead of {value}"
        for name, value in known.items()
        if value and name in body and body[name] != value
    ]
    if payment.state in {"REVERSED", "FAILED"} and body["status"] in {"CREATED", "CONFIRMED"}:
        wrong.append(f"{body['status']} after {payment.state}")
    return wrong


def amount_in(data: object) -> int:
    """Tiyin of the amount that /check shows in som; 0 where it shows none."""
    shown = data.get(SHOWN_AMOUNT) if isinstance(data, dict) else None
    try:
        tiyin = Decimal(str(shown.get("value") if isinstance(shown, dict) else "")).scaleb(2)
        return int(tiyin) if tiyin == tiyin.to_integral_value() and 0 < tiyin < 10**15 else 0
    except (InvalidOperation, ValueError, OverflowError):
        return 0


Decided = tuple[list[str], int | None]  # what is planned now; the rung of the ladder to wait for, None: no waiting


def _on_check(payment: Payment, heard: Heard, rest: list[str]) -> Decided:
    if heard.body is None:
        if heard.status is None and not heard.text and payment.tries == 0:
            return ["check", *rest], 0  # a lost answer; a seller who is not there ends the buyer's try
        payment.status = "refused"
        return [], None
    payment.amount = payment.amount or amount_in(heard.body.get("data"))
    if not payment.amount:
        payment.status, payment.error = "refused", {"endpoint": "check", "code": "", "text": "no amount to pay"}
        return [], None
    return rest, None


def _on_create(payment: Payment, heard: Heard, rest: list[str]) -> Decided:
    if heard.body is not None:
        payment.trans_time = heard.body["transTime"]
        payment.state, payment.status = payment.state or "CREATED", "reserved"
        return rest, None
    if heard.asks_again:
        return ["create", *rest], payment.tries
    if heard.code == TRANSACTION_EXISTS and payment.tries:
        return ["status", *rest], None  # an earlier try had arrived
    payment.status = payment.status if payment.state else "refused"
    return [], None


def _on_confirm(payment: Payment, heard: Heard, rest: list[str]) -> Decided:
    """Whatever is no clear yes is asked about: the buyer's money has been taken."""
    if heard.body is not None:
        _confirmed(payment, heard.body)
        return rest, None
    if payment.state in {"CONFIRMED", "REVERSED", "FAILED"}:
        return rest, None  # ordered by hand, once more
    return ["poll", *rest], 0


def _on_poll(payment: Payment, heard: Heard, rest: list[str]) -> Decided:
    if heard.word == "CONFIRMED" and heard.body is not None:
        _confirmed(payment, heard.body)
        return rest, None
    if heard.word in {"FAILED", "REVERSED"}:
        payment.state, payment.status, payment.is_debited = "FAILED", "returned", False
        return [], None
    return ["poll", *rest], min(payment.tries, 2)


def _on_reverse(payment: Payment, heard: Heard, rest: list[str]) -> Decided:
    if heard.asks_again:
        return ["reverse", *rest], payment.tries
    is_known = heard.code == REVERSED_ALREADY and payment.state in {"CREATED", "CONFIRMED"}
    if heard.body is not None or is_known:
        was_paid = payment.state == "CONFIRMED"
        payment.reverse_time = heard.body["reverseTime"] if heard.body is not None else payment.reverse_time
        payment.state, payment.is_debited = "REVERSED", False
        payment.status = "refunded" if was_paid else "declined" if payment.is_declined else "cancelled"
    return rest, None


def _on_status(payment: Payment, heard: Heard, rest: list[str]) -> Decided:
    if heard.asks_again:
        return ["status", *rest], payment.tries
    if heard.body is None and not payment.state:
        payment.status = "refused"
        return [], None
    if heard.word == "CREATED" and heard.body is not None and not payment.state:
        payment.trans_time, payment.state, payment.status = heard.body["transTime"], "CREATED", "reserved"
    if heard.body is None and payment.state == "CREATED":
        payment.state, payment.status = "FAILED", "cancelled"  # the seller may end a reservation by himself
        return [], None
    return rest, None


def _confirmed(payment: Payment, body: dict[str, Any]) -> None:
    if payment.state in {"REVERSED", "FAILED"}:
        payment.violations.append("/confirm: confirmed what was over")
        return
    payment.confirm_time = body["confirmTime"]
    payment.state, payment.status = "CONFIRMED", "paid"


HANDLERS: dict[str, Callable[[Payment, Heard, list[str]], Decided]] = {
    "check": _on_check,
    "create": _on_create,
    "confirm": _on_confirm,
    "poll": _on_poll,
    "reverse": _on_reverse,
    "status": _on_status,
}
