"""Conversations with the seller: one thread for each transaction, following the plan in its row.

A plan can be changed while it waits, and goes on after a restart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from gateway.simulators.uzum.rows import Payment
from gateway.simulators.uzum.world import World

log = logging.getLogger(__name__)


class Talk:
    """A running conversation: `pause_over` wakes it early, `paused` is set whenever it waits or has ended."""

    def __init__(self) -> None:
        self.pause_over = threading.Event()
        self.paused = threading.Event()


class Talks:
    """`do` works on the first step of a payment's plan, and takes it off when it is done."""

    def __init__(self, world: World, do: Callable[[Payment, str, Talk], None]) -> None:
        self._world = world
        self._do = do
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
            payment.tries = 0
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
        threading.Thread(target=self._run, args=(payment, talk), name=f"uzum-{payment.id[:8]}", daemon=True).start()
        return talk

    def wait_idle(self, timeout: float) -> bool:
        """Until no conversation is talking; those that wait (for their time, or to ask again) do not count."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout)

    def pause(self, talk: Talk, seconds: float) -> bool:
        """True when the plan was changed, or the lab stopped, before the time was over."""
        self._count(-1)
        talk.paused.set()
        until = time.monotonic() + seconds
        try:
            while (left := until - time.monotonic()) > 0:
                if talk.pause_over.wait(min(left, 0.2)) or self._world.stopped.is_set():
                    break
        finally:
            self._count(1)
        woken = talk.pause_over.is_set() or self._world.stopped.is_set()
        talk.pause_over.clear()
        return woken

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
                    with self._world.lock:
                        payment.plan, payment.status = [], "manual"
                        self._world.keep(payment)
        finally:
            talk.paused.set()
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._changed:
            self._busy += change
            self._changed.notify_all()
