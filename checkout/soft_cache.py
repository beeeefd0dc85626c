"""The shared cache as a help that may be missing: what it cannot say is None, and no payment waits or fails for it."""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import cache

logger = logging.getLogger(__name__)
T = TypeVar("T")


def add(key: str, *, seconds: float) -> bool | None:
    """Put a mark where none is. False: it was there. None: the cache is out of reach."""
    return _try(lambda: bool(cache.add(key, 1, seconds)))


def count(key: str, *, seconds: float) -> int | None:
    """One more of it within `seconds` of the first; how many by now."""
    return _try(lambda: _count(key, seconds))


def counted(key: str) -> int | None:
    return _try(lambda: int(cache.get(key) or 0))


def delete(key: str) -> None:
    _try(lambda: cache.delete(key))


def _count(key: str, seconds: float) -> int:
    if cache.add(key, 1, seconds):
        return 1
    try:
        return int(cache.incr(key))
    except ValueError:  # it ran out between the two calls
        cache.set(key, 1, seconds)
        return 1


def _try(work: Callable[[], T]) -> T | None:
    try:
        return work()
    except Exception as error:  # each cache has errors of its own
        logger.warning("the cache is out of reach: %s", error)
        return None
