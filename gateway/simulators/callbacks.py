"""Callbacks on their way out: background threads, a ladder of retries, and a record of every try.

Callbacks of one subject (a payment) leave one after another in the order they were made; different subjects do not
wait for each other, and a failing one climbs its ladder without holding back the rest. Only 2xx is success:
redirects are not followed.
"""

from __future__ import annotations

import http.client
import logging
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from gateway.simulators.config import Settings
from gateway.simulators.journal import Journal, Table
from gateway.simulators.timers import Timers
from gateway.simulators.wire import is_loopback_url

log = logging.getLogger(__name__)
KEPT = 2000
BODY_SHOWN = 1024
WORKERS = 8


@dataclass(slots=True)
class Outgoing:
    """One callback to one address. `state`: waiting, delivered, given_up, dropped."""

    processor: str
    account: str
    subject: str
    label: str
    reference: str
    url: str
    body: str
    created_at: float
    livemode: bool = False
    faults: list[str] = field(default_factory=list)
    signing: dict[str, Any] = field(default_factory=dict)
    state: str = "waiting"
    attempts: list[dict[str, Any]] = field(default_factory=list)
    next_at: float | None = None
    id: str = field(default_factory=lambda: f"out_{uuid.uuid4().hex[:16]}")


@dataclass(frozen=True, slots=True)
class Plan:
    """When a callback leaves: after `delay`, or held until another one (of type `until`, if named) has been tried."""

    delay: float = 0.0
    held: bool = False
    until: str = ""


Signer = Callable[[Outgoing, float], dict[str, str]]


class Callbacks:
    def __init__(self, journal: Journal, settings: Settings, timers: Timers) -> None:
        self.table: Table[Outgoing] = Table(journal, "callback", Outgoing, KEPT)
        self._settings = settings
        self._timers = timers
        self._ready: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._lanes: dict[str, deque[Outgoing]] = {}
        self._held: list[tuple[Outgoing, str]] = []
        self._due: set[str] = set()  # ready or being posted
        self._signers: dict[str, Signer] = {}
        self._on_delivered: dict[str, Callable[[Outgoing], None]] = {}
        self._stopped = False
        for number in range(WORKERS):
            threading.Thread(target=self._work, name=f"lab-callback-{number}", daemon=True).start()

    def register(self, processor: str, signer: Signer, on_delivered: Callable[[Outgoing], None]) -> None:
        self._signers[processor] = signer
        self._on_delivered[processor] = on_delivered

    def resume(self) -> None:
        """After a restart: what was still waiting goes on where it was on its ladder."""
        for outgoing in self.table.all():
            if outgoing.state == "waiting":
                self._timers.after((outgoing.next_at or 0) - time.time(), partial(self._enqueue, outgoing))

    def send(self, outgoing: Outgoing, plan: Plan = Plan()) -> Outgoing:
        outgoing.next_at = time.time() + plan.delay
        self.table.save(outgoing)
        if outgoing.state != "waiting":
            return outgoing
        if plan.held:
            with self._changed:
                self._held.append((outgoing, plan.until))
            self._timers.after(plan.delay, lambda: self._release(lambda held, _: held is outgoing))
        elif plan.delay > 0:
            self._timers.after(plan.delay, lambda: self._enqueue(outgoing))
        else:
            self._enqueue(outgoing)
        return outgoing

    def wait_tried(self, ids: list[str], timeout: float) -> bool:
        """Wait until each of these has been tried once."""

        def tried() -> bool:
            rows = [self.table.get(key) for key in ids]
            return all(row is None or row.attempts or row.state != "waiting" for row in rows)

        with self._changed:
            return self._changed.wait_for(tried, timeout)

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is ready or in flight; what waits for a later try does not count."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._due, timeout)

    def clear(self) -> None:
        with self._changed:
            self._held.clear()
            for lane in self._lanes.values():
                lane.clear()
            self._due.clear()
            self.table.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        """What is in flight is left to itself: with no answer recorded it goes out again after the next start."""
        self._stopped = True
        for _ in range(WORKERS):
            self._ready.put(None)

    def _enqueue(self, outgoing: Outgoing) -> None:
        with self._changed:
            if self._stopped or self.table.get(outgoing.id) is None or outgoing.state != "waiting":
                self._due.discard(outgoing.id)
                return
            self._due.add(outgoing.id)
            lane = self._lanes.get(outgoing.subject)
            if lane is not None:
                lane.append(outgoing)
                return
            self._lanes[outgoing.subject] = deque([outgoing])
        self._ready.put(outgoing.subject)

    def _work(self) -> None:
        while (subject := self._ready.get()) is not None:
            self._run_lane(subject)

    def _run_lane(self, subject: str) -> None:
        while True:
            with self._changed:
                lane = self._lanes[subject]
                if not lane or self._stopped:
                    del self._lanes[subject]
                    return
                outgoing = lane.popleft()
            try:
                self._attempt(outgoing)
            except Exception:
                log.exception("A callback could not be tried")
            finally:
                with self._changed:
                    self._due.discard(outgoing.id)
                    self._changed.notify_all()

    def _attempt(self, outgoing: Outgoing) -> None:
        started = time.time()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            **self._signers[outgoing.processor](outgoing, started),
        }
        answer = post(outgoing.url, headers, outgoing.body.encode(), self._settings.callback_timeout_seconds)
        tried = {"at": started, "seconds": round(time.time() - started, 4), "headers": headers, **answer}
        with self._changed:
            if self._stopped or self.table.get(outgoing.id) is None:
                return  # stopped or emptied meanwhile
            outgoing.attempts.append(tried)
            delivered = answer["status"] is not None and 200 <= answer["status"] < 300
            ladder = self._settings.retry_ladder
            gap = None
            if delivered:
                outgoing.state = "delivered"
            elif len(outgoing.attempts) > len(ladder):
                outgoing.state = "given_up"
            else:
                gap = ladder[len(outgoing.attempts) - 1]
            outgoing.next_at = None if gap is None else time.time() + gap
            self.table.save(outgoing)
        if gap is not None:
            self._timers.after(gap, lambda: self._enqueue(outgoing))
        if delivered:
            self._on_delivered[outgoing.processor](outgoing)
        self._release(
            lambda held, until: (
                held.subject == outgoing.subject and held is not outgoing and until in {"", outgoing.label}
            )
        )

    def _release(self, chosen: Callable[[Outgoing, str], bool]) -> None:
        with self._changed:
            free = [held for held, until in self._held if chosen(held, until)]
            self._held = [(held, until) for held, until in self._held if held not in free]
            for outgoing in free:
                self._due.add(outgoing.id)
        for outgoing in free:
            self._enqueue(outgoing)


def post(url: str, headers: dict[str, str], body: bytes, timeout: float) -> dict[str, Any]:
    """One POST without redirects or proxies. `status` is None when no answer came; `error` then says why."""
    parts = urlsplit(url)
    if not is_loopback_url(url):
        return {"status": None, "error": "not a loopback address", "body": ""}
    maker = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = maker(parts.hostname or "", parts.port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        shown = answer.read(BODY_SHOWN).decode("utf-8", "replace")
        return {"status": answer.status, "error": "", "body": shown}
    except (OSError, http.client.HTTPException) as error:
        return {"status": None, "error": f"{type(error).__name__}: {error}".strip(": "), "body": ""}
    finally:
        connection.close()
