"""The conversation of one transaction with the seller: a plan of steps, each done until it has an answer.

Steps: check, create, perform, cancel, state (CheckTransaction), fiscal, wait. A transaction's conversation runs in one
thread, its plan is in its row: it can be changed while it waits, and goes on after a restart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gateway.simulators.payme.bending import Bender
from gateway.simulators.payme.caller import METHODS, call
from gateway.simulators.payme.rows import Account, Payment
from gateway.simulators.payme.strict import Heard
from gateway.simulators.payme.world import World

log = logging.getLogger(__name__)
REASON_DEBIT, REASON_EXECUTION, REASON_TIMEOUT, REASON_REFUND = 2, 3, 4, 5
REPEATED = {"create", "perform", "cancel"}  # until an answer comes; a check that fails ends the buyer's try
SELLER_SILENT, SELLER_CONFUSED = -31622, -31623


class Talk:
    """A running conversation: `pause_over` wakes it early, `paused` is set whenever it waits or has ended."""

    def __init__(self) -> None:
        self.pause_over = threading.Event()
        self.paused = threading.Event()


class Dialogue:
    def __init__(self, world: World) -> None:
        self._world = world
        self._talks: dict[str, Talk] = {}
        self._busy = 0
        self._changed = threading.Condition()
        self._bender = Bender(world)

    def resume(self) -> None:
        for payment in self._world.payments.all():
            if payment.plan:
                self.go_on(payment, payment.plan)

    def go_on(self, payment: Payment, plan: list[str], *, seconds: float = 0.0) -> Talk:
        """Replace what was planned; `seconds` is how long a `wait` in it takes."""
        with self._world.lock:
            payment.plan = list(plan)
            if seconds:
                payment.wait_until = self._world.clock() + seconds
            self._world.keep(payment)
            talk = self._talks.get(payment.id)
            if talk is not None:
                talk.paused.clear()
                talk.pause_over.set()
                return talk
            talk = self._talks[payment.id] = Talk()
        with self._changed:
            self._busy += 1
        threading.Thread(target=self._run, args=(payment, talk), name=f"payme-{payment.id[:6]}", daemon=True).start()
        return talk

    def wait_idle(self, timeout: float) -> bool:
        """Until no conversation is talking; those that wait (for their time, or to ask again) do not count."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout)

    def _run(self, payment: Payment, talk: Talk) -> None:
        try:
            while True:
                with self._world.lock:
                    if not payment.plan or self._world.stopped.is_set() or not self._world.payments.get(payment.id):
                        self._talks.pop(payment.id, None)
                        return
                    step = payment.plan[0]
                try:
                    self._do(payment, step, talk)
                except Exception:
                    log.exception("A conversation of the lab broke off")
                    self._end(payment, "manual")
        finally:
            talk.paused.set()
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _do(self, payment: Payment, step: str, talk: Talk) -> None:
        account = self._world.accounts.get(payment.account)
        if account is None:
            self._end(payment, "manual")
        elif step == "wait":
            self._set(payment, status="waiting")
            if not self._pause(talk, payment.wait_until - self._world.clock()):
                self._passed(payment, "wait")
        else:
            self._say(payment, account, step, talk)

    def _say(self, payment: Payment, account: Account, step: str, talk: Talk) -> None:
        world, method = self._world, METHODS[step]
        if step == "create" and not payment.time:
            self._set(payment, time=world.now_ms())
        fault = world.faults.take("callback", payment=payment.id, metadata=payment.fields, operation=step, event=method)
        if fault is not None:
            if fault.kind == "drop":
                self._end(payment, "silent")
                return
            if fault.kind == "late" and self._pause(talk, fault.seconds or 0):
                return
            if self._bender.strikes(fault, step):
                error = self._bender.send(fault, step, payment, account, self.params(payment, step))
                if not fault.also_true and fault.kind != "reorder":
                    self._set(payment, error=error)
                    self._end(payment, "refused" if payment.state == 0 else payment.status)
                    return
        for gap in [*world.settings.retry_ladder, None]:
            heard = self._call(payment, account, step, fault.kind if fault else "")
            if fault is not None and fault.kind in {"duplicate", "reply_lost"}:
                if fault.kind == "reply_lost" and self._pause(talk, fault.seconds or 0):
                    return
                heard = self._call(payment, account, step, fault.kind)
            fault = None
            if not heard.asks_again or step not in REPEATED:
                break
            if gap is None:
                self._end(payment, "manual")
                return
            if self._pause(talk, gap):
                return
        self._outcome(payment, step, heard)
        if step == "perform":
            self._bender.send_held(payment, account)

    def _call(self, payment: Payment, account: Account, step: str, fault: str) -> Heard:
        method = METHODS[step]
        heard, row = call(self._world, account, method, self.params(payment, step), payment=payment.id, fault=fault)
        with self._world.lock:
            if heard.result is not None and step in REPEATED:
                first = payment.results.setdefault(method, heard.result)
                if heard.result != first:
                    heard.violations.append(f"{method} answered otherwise than the first time")
            if heard.result is not None and step == "state":
                heard.violations += self._standing_faults(payment, heard.result)
            if heard.violations != row.violations:
                row.violations = list(heard.violations)
                self._world.calls.save(row)
            payment.violations += [f"{method}: {violation}" for violation in heard.violations]
            self._world.keep(payment)
        return heard

    def params(self, payment: Payment, step: str) -> dict[str, Any]:
        if step == "check":
            return {"amount": payment.amount, "account": payment.fields}
        if step == "create":
            return {"id": payment.id, "time": payment.time, "amount": payment.amount, "account": payment.fields}
        if step == "cancel":
            return {"id": payment.id, "reason": payment.cancel_reason or REASON_EXECUTION}
        if step == "fiscal":
            return fiscal_params(payment)
        return {"id": payment.id}

    def _outcome(self, payment: Payment, step: str, heard: Heard) -> None:
        error = error_of(METHODS[step], heard)
        with self._world.lock:
            if error is not None and step != "fiscal":
                payment.error = error
            changed = payment.plan[:1] != [step]  # somebody acted meanwhile: what is planned now counts
            if not changed:
                payment.plan = payment.plan[1:]
            HANDLERS[step](payment, heard)
            if error is not None and not changed and step != "fiscal":
                payment.plan = after_refusal(payment, step, heard)
            self._world.keep(payment)

    def _standing_faults(self, payment: Payment, result: dict[str, Any]) -> list[str]:
        known = {
            "transaction": payment.transaction,
            "create_time": payment.create_time,
            "perform_time": payment.perform_time,
            "cancel_time": payment.cancel_time,
            "state": payment.state,
            "reason": payment.reason,
        }
        if payment.state == 1 and result["state"] == -1:
            return []  # the seller may end a reservation by himself
        return [
            f"{name} is {result[name]!r} instead of {value!r}" for name, value in known.items() if result[name] != value
        ]

    def _passed(self, payment: Payment, step: str) -> None:
        with self._world.lock:
            if payment.plan[:1] == [step]:
                payment.plan = payment.plan[1:]
            self._world.keep(payment)

    def _set(self, payment: Payment, **values: Any) -> None:
        with self._world.lock:
            for name, value in values.items():
                setattr(payment, name, value)
            self._world.keep(payment)

    def _end(self, payment: Payment, status: str) -> None:
        self._set(payment, plan=[], status=status)

    def _pause(self, talk: Talk, seconds: float) -> bool:
        """True when the plan was changed, or the lab stopped, before the time was over."""
        with self._away(talk):
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                if talk.pause_over.wait(min(left, 0.2)) or self._world.stopped.is_set():
                    break
        woken = talk.pause_over.is_set() or self._world.stopped.is_set()
        talk.pause_over.clear()
        return woken

    @contextmanager
    def _away(self, talk: Talk) -> Iterator[None]:
        talk.paused.set()
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._busy += 1


def error_of(method: str, heard: Heard) -> dict[str, Any] | None:
    """What Payme keeps of an answer that was no: the seller's error, or its own about the seller."""
    if heard.error is not None:
        return {"method": method, **heard.error}
    if heard.result is not None:
        return None
    code = SELLER_CONFUSED if heard.violations else SELLER_SILENT
    return {"method": method, "code": code, "message": "; ".join(heard.violations) or heard.text}


def after_refusal(payment: Payment, step: str, heard: Heard) -> list[str]:
    """A refused Perform gives the buyer's money back: the transaction is cancelled, unless nobody knows it."""
    if step == "perform" and payment.state == 1 and heard.code != -31003:
        payment.cancel_reason = REASON_EXECUTION
        return ["cancel"]
    return []


def _on_check(payment: Payment, heard: Heard) -> None:
    if heard.result is None:
        payment.status = "refused"


def _on_create(payment: Payment, heard: Heard) -> None:
    if heard.result is None:
        payment.status = "refused" if payment.state == 0 else payment.status
    elif payment.state == 0:
        payment.state, payment.status = 1, "created"
        payment.create_time, payment.transaction = heard.result["create_time"], heard.result["transaction"]


def _on_perform(payment: Payment, heard: Heard) -> None:
    if heard.result is None:
        payment.status = "refused" if payment.state == 1 else payment.status
    elif payment.state in (0, 1):
        payment.state, payment.status = 2, "paid"
        payment.transaction, payment.perform_time = heard.result["transaction"], heard.result["perform_time"]
    elif payment.state < 0:
        payment.violations.append("PerformTransaction: performed what was cancelled")


def _on_cancel(payment: Payment, heard: Heard) -> None:
    if heard.result is None:
        return
    was = payment.state
    if was >= 0:
        payment.cancel_time, payment.reason = heard.result["cancel_time"], payment.cancel_reason or REASON_EXECUTION
        payment.state = heard.result["state"]
        if payment.state != -(was or 1):
            payment.violations.append(f"CancelTransaction: state {payment.state} from {was}")
        if was == 2:
            payment.status = "refunded"
        elif payment.status != "refused":
            payment.status = "declined" if payment.is_declined else "cancelled"


def _on_state(payment: Payment, heard: Heard) -> None:
    """A pure question; `_standing_faults` has compared."""


HANDLERS: dict[str, Callable[[Payment, Heard], None]] = {
    "check": _on_check,
    "create": _on_create,
    "perform": _on_perform,
    "cancel": _on_cancel,
    "state": _on_state,
    "fiscal": _on_state,
}


def fiscal_params(payment: Payment) -> dict[str, Any]:
    """The receipt that Payme's fiscal module made. Like the sandbox's, its link is no promise of a real page."""
    moment = (payment.cancel_time or payment.perform_time) // 1000
    seed = int(payment.id[:12], 16)
    return {
        "id": payment.id,
        "type": "CANCEL" if payment.state == -2 else "PERFORM",
        "fiscal_data": {
            "receipt_id": seed % 10**6 + 1,
            "status_code": 0,
            "message": "accepted",
            "terminal_id": "UZ000000000001",
            "fiscal_sign": str(seed % 10**12).zfill(12),
            "qr_code_url": f"https://ofd.soliq.uz/check?t=UZ000000000001&r={seed % 10**6 + 1}&s={seed % 10**12}",
            "date": time.strftime("%Y%m%d%H%M%S", time.gmtime(moment)),
        },
    }
