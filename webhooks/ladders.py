"""When a delivery is tried again: a fast ladder per dialect, then a slow one, each a table.

Pure arithmetic: the state of a delivery and the end of an attempt in, the next step out.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from webhooks.models import Delivery

State = Delivery.State


@dataclass(frozen=True, slots=True)
class Ladder:
    delays_seconds: tuple[float, ...]  # before each attempt, counted from the end of the one before
    stuck_after: int  # failures; the Invoice API calls it stuck although one more quick try follows
    goes_on: bool = True  # the slow ladder follows, where the provider wants it


LADDERS = {
    "provider": Ladder(delays_seconds=(0, 1, 2, 4, 8), stuck_after=5),
    "invoice": Ladder(delays_seconds=(0, 1, 2, 4, 8, 16), stuck_after=5),
    "test": Ladder(delays_seconds=(0, 1, 2), stuck_after=3, goes_on=False),  # somebody sits before it and waits
}

_MINUTE, _HOUR = 60.0, 3600.0
# Counted from the end of the fast ladder, each moment shifted by up to a fifth, so that a receiver that comes
# back is not met by everything at once.
SLOW_SECONDS = (5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR)
JITTER = 0.2
LEAST_GAP_SECONDS = 60.0  # between two tries of the slow ladder, however late the worker is

MOST_RETRY_AFTER_SECONDS = 24 * _HOUR
# A receiver that asks for a longer pause than this does not hold back the younger ones of the order meanwhile.
MOST_HOLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """What a failed attempt leads to. `next_attempt_at` None: no more tries by ourselves."""

    state: State
    is_holding: bool
    next_attempt_at: datetime | None
    slow_since: datetime | None


def after_failure(
    *,
    ladder: str,
    failures: int,
    ended_at: datetime,
    slow_since: datetime | None = None,
    retry_after_seconds: float | None = None,
    is_patient: bool = True,
    jitter: Callable[[], float] = random.random,
) -> Step:
    """The step after the `failures`-th failed attempt, which ended at `ended_at`.

    `is_patient`: the slow ladder follows the fast one. `jitter` gives a number in [0, 1).
    """
    rungs = LADDERS[ladder]
    pause = min(retry_after_seconds or 0.0, MOST_RETRY_AFTER_SECONDS)
    if failures < len(rungs.delays_seconds):
        wait = max(rungs.delays_seconds[failures], pause)
        state = State.STUCK if failures >= rungs.stuck_after else State.PENDING
        return Step(state, wait <= MOST_HOLD_SECONDS, ended_at + timedelta(seconds=wait), None)
    slow_since = slow_since or ended_at
    earliest = ended_at + timedelta(seconds=LEAST_GAP_SECONDS)
    for offset in SLOW_SECONDS[failures - len(rungs.delays_seconds) :] if is_patient and rungs.goes_on else ():
        at = slow_since + timedelta(seconds=offset * (1 - JITTER + 2 * JITTER * jitter()))
        if at >= earliest:  # steps that a long pause or a stopped worker swallowed are passed over
            return Step(State.STUCK, False, max(at, ended_at + timedelta(seconds=pause)), slow_since)
    return Step(State.STUCK, False, None, slow_since)


def retry_after_seconds(text: str, *, now: datetime) -> float | None:
    """`Retry-After` as seconds from now: a number of seconds or an HTTP date; None when it says nothing sane."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MOST_RETRY_AFTER_SECONDS)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), MOST_RETRY_AFTER_SECONDS)
