"""How many calls a minute somebody may make, counted in the shared cache.

A sliding window from two fixed ones: the calls of this minute, and those of the last minute as far as they still
lie within sixty seconds. So nobody gets twice the limit at the turn of a minute. The cache is a help, not a
guard of money: when it is down, calls are let through.
"""

import hashlib
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.http import HttpRequest

from checkout.errors import CheckoutError
from providers.addresses import client_address, subnet_of
from providers.models import ApiKey

logger = logging.getLogger(__name__)
WINDOW_SECONDS = 60
# After the cache failed, it is left alone for a while: else every call would wait for its connection.
PAUSE_SECONDS = 5
_paused_until = 0.0


class TooManyRequests(CheckoutError):
    """Too many requests"""

    code = "RATE_LIMITED"
    status = 429

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(retry_after_seconds=retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


def count_anonymous(request: HttpRequest, *, now: datetime) -> None:
    """One call without a valid key, by the caller's address. TooManyRequests beyond the limit."""
    who = "address/" + subnet_of(client_address(request))
    _count(who, per_minute=settings.ANONYMOUS_CALLS_PER_MINUTE, now=now)


def count_key(key: ApiKey, *, now: datetime) -> None:
    """One call with a valid key: its own limit, whatever else comes from the same address. TooManyRequests."""
    _count(f"key/{key.pk.hex}", per_minute=key.calls_per_minute, now=now)


def count(subject: str, *, per_minute: int, now: datetime) -> None:
    """One act of `subject` (any text that names who and what). TooManyRequests beyond the limit."""
    _count("other/" + hashlib.sha256(subject.encode()).hexdigest()[:32], per_minute=per_minute, now=now)


def _count(who: str, *, per_minute: int, now: datetime) -> None:
    limit = max(1, per_minute * settings.RATE_LIMIT_SCALE)
    minute, elapsed = divmod(now.timestamp(), WINDOW_SECONDS)
    key = f"rate/{who}/{int(minute)}"
    try:
        current, previous = _add(key), _ask(f"rate/{who}/{int(minute) - 1}")
        if previous * (1 - elapsed / WINDOW_SECONDS) + current <= limit:
            return
        # A refused call takes no place: who never stops calling still gets the share that is everybody's.
        _take_back(key)
    except _CacheIsDown:
        return
    raise TooManyRequests(retry_after_seconds=_wait(limit, current - 1, previous, elapsed))


def _wait(limit: int, current: int, previous: int, elapsed: float) -> int:
    """Whole seconds until the next call would be let through, if none is made before."""
    if current >= limit or not previous:
        # From the turn of the minute on, this minute's calls fade away; one place is free after 1/limit of it.
        return math.ceil(WINDOW_SECONDS - elapsed + WINDOW_SECONDS / limit)
    free_at = WINDOW_SECONDS * (1 - (limit - current - 1) / previous)
    return max(1, math.ceil(free_at - elapsed))


# --- the cache ----------------------------------------------------------------------------------------------------


class _CacheIsDown(Exception):
    pass


@contextmanager
def _cache() -> Iterator[BaseCache]:
    global _paused_until
    if time.monotonic() < _paused_until:
        raise _CacheIsDown
    try:
        yield cache
    except Exception as error:  # each cache has errors of its own, and none of them may stop a payment
        _paused_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("calls are not counted: the cache does not answer: %s", error)
        raise _CacheIsDown from error


def _add(key: str) -> int:
    with _cache() as counters:
        try:
            return counters.incr(key)
        except ValueError:  # the first call of this minute
            return 1 if counters.add(key, 1, timeout=2 * WINDOW_SECONDS) else counters.incr(key)


def _ask(key: str) -> int:
    with _cache() as counters:
        return int(counters.get(key, 0))


def _take_back(key: str) -> None:
    with _cache() as counters:
        counters.decr(key)
