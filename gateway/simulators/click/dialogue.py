"""The conversation of one payment with the seller: a plan of steps, each done until it has an answer.

Steps: prepare, complete, cancel (a Complete with error < 0), wait. A payment's conversation runs in one thread, its
plan is in its row: it can be changed while it waits, and goes on after a restart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.simulators.click.bending import Bender
from gateway.simulators.click.caller import call, complain
from gateway.simulators.click.rows import Account, Payment
from gateway.simulators.click.strict import FINAL, Heard, expected_faults
from gateway.simulators.click.world import World

log = logging.getLogger(__name__)
# A buyer waits for the Prepare: it is tried once more at most. A Complete is repeated as long as the ladder goes.
PREPARE_TRIES = 2


class Talk:
    """A running conversation: `pause_over` wakes it early, `paused` is set whenever it waits or has ended."""

    def __init__(self) -> None:
        self.pause_over = threading.Event()
        self.paused = threading.Event()


class Dialogue:
    def __init__(self, world: World) -> None:
        self._world = world
        self._bender = Bender(world)
        self._talks: dict[str, Talk] = {}
        self._busy = 0
        self._changed = threading.Condition()

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
        threading.Thread(target=self._run, args=(payment, talk), name=f"click-{payment.id}", daemon=True).start()
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
                    self._set(payment, plan=[], status="manual")
        finally:
            talk.paused.set()
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _do(self, payment: Payment, step: str, talk: Talk) -> None:
        account = self._world.accounts.get(payment.account)
        if account is None:
            self._set(payment, plan=[], status="manual")
        elif step == "wait":
            self._set(payment, status="waiting", payment_status=1)
            if not self._pause(talk, payment.wait_until - self._world.clock()):
                self._passed(payment, step)
        else:
            self._say(payment, account, step, talk)

    def _say(self, payment: Payment, account: Account, step: str, talk: Talk) -> None:
        world = self._world
        order = {"merchant_trans_id": payment.order}
        fault = world.faults.take("callback", payment=payment.id, metadata=order, operation=step, event=step)
        if fault is not None:
            if fault.kind == "drop":
                self._set(payment, plan=[], status="silent")
                return
            if fault.kind == "late" and self._pause(talk, fault.seconds or 0):
                return
            if self._bender.strikes(fault, step):
                bent = self._bender.send(fault, step, payment, account)
                if bent is not None and not fault.also_true and fault.kind != "reorder":
                    status = "refused" if not payment.is_prepared else payment.status
                    self._set(payment, plan=[], status=status, error=_refusal(step, bent))
                    return
        gaps = [*world.settings.retry_ladder, None]
        if step == "prepare":
            gaps = [*gaps[: PREPARE_TRIES - 1], None]
        kind = fault.kind if fault is not None else ""
        for gap in gaps:
            heard = self._call(payment, account, step, kind)
            if fault is not None and kind in {"duplicate", "reply_lost"}:
                if kind == "reply_lost" and self._pause(talk, fault.seconds or 0):
                    return
                heard = self._call(payment, account, step, kind)
            kind = ""
            if is_answer(step, heard):
                break
            if gap is None:
                break
            if self._pause(talk, gap):
                return
        self._outcome(payment, step, heard)
        self._bender.send_after(fault, step, payment, account)

    def _call(self, payment: Payment, account: Account, step: str, fault: str) -> Heard:
        heard, row = call(self._world, account, payment, step, fault=fault)
        found = list(heard.violations)
        extra = expected_faults(heard, step, is_prepared=payment.is_prepared)
        if step == "complete" and heard.code in (0, -4) and payment.is_cancelled:
            extra.append("completed what was cancelled")
        if step == "complete" and heard.code == 0 and payment.confirm_id is not None:
            extra.append("0 to a repeated complete, where -4 had to come")
        with self._world.lock:
            payment.violations += [f"{step}: {text}" for text in found]
            if step == "complete" and heard.code in (0, -4):
                payment.confirm_id = heard.number or payment.confirm_id or 0
            self._world.keep(payment)
        complain(self._world, payment, row, extra)
        return heard

    def _outcome(self, payment: Payment, step: str, heard: Heard) -> None:
        with self._world.lock:
            changed = payment.plan[:1] != [step]  # somebody acted meanwhile: what is planned now counts
            if not changed:
                payment.plan = payment.plan[1:]
            if step != "cancel" and heard.code != 0:
                payment.error = _refusal(step, heard)
            if not is_answer(step, heard) and step != "prepare":
                payment.status, payment.plan = "manual", [] if not changed else payment.plan
            elif step == "prepare":
                self._prepared(payment, heard, changed=changed)
            elif step == "complete":
                self._completed(payment, heard)
            else:
                payment.is_cancelled = payment.is_cancelled or heard.code == -9
                if payment.payment_status not in (2, -1):
                    payment.payment_status = -1
                    payment.status = "declined"
            self._world.keep(payment)

    def _prepared(self, payment: Payment, heard: Heard, *, changed: bool) -> None:
        if heard.code == 0:
            payment.prepare_id = heard.number or payment.prepare_id
            if not payment.is_prepared:
                payment.is_prepared, payment.status, payment.payment_status = True, "prepared", 1
        elif not payment.is_prepared:
            payment.status, payment.payment_status = "refused", -1
            payment.prepare_id = heard.number
            if not changed:
                payment.plan = ["cancel"]  # so does Click: a Complete with the cancel flag

    def _completed(self, payment: Payment, heard: Heard) -> None:
        if heard.code in (0, -4) and payment.payment_status in (0, 1):
            payment.status, payment.payment_status, payment.paid_at = "paid", 2, self._world.clock()
        elif heard.code == -9 and payment.payment_status in (0, 1):
            payment.status, payment.payment_status = "returned", -1

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


def is_answer(step: str, heard: Heard) -> bool:
    """Whether it settles the step. For a Complete only 0, -4 and -9 do; a Prepare any code but "failed"."""
    if heard.code is None:
        return False
    return heard.code in FINAL if step == "complete" else heard.code != -7


def _refusal(step: str, heard: Heard) -> dict[str, Any]:
    return {"step": step, "code": heard.code, "note": heard.note or heard.text[:200]}
