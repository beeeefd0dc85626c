"""Things that happen by themselves a little later: a delayed payment settles, a callback goes out again."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Timers:
    """One thread and a heap. What it runs must be short; longer work goes to a pool."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._number = itertools.count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="lab-timers", daemon=True)
        self._thread.start()

    def after(self, seconds: float, work: Callable[[], object]) -> None:
        with self._ready:
            heapq.heappush(self._heap, (time.monotonic() + max(0.0, seconds), next(self._number), work))
            self._ready.notify()

    def stop(self) -> None:
        with self._ready:
            self._stopped = True
            self._ready.notify()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._stopped and (not self._heap or self._heap[0][0] > time.monotonic()):
                    self._ready.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                if self._stopped:
                    return
                work = heapq.heappop(self._heap)[2]
            try:
                work()
            except Exception:  # one broken job must not stop every later one
                log.exception("A timed job of the lab failed")
