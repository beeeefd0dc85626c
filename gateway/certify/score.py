"""What every list of scenarios shares: whom it is played against, how one scenario passes or fails, and the score.

A scenario is a function `play(talk)` that raises `Failed` (best through `expect`) where an answer is wrong; `talk` is
the processor's own way of calling the target. A list of them is a tuple of `Case`, and `played` runs it:

    def run(target: Target) -> Iterator[Scenario]:
        return played(CASES, lambda: Talk(target))
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway import http
from gateway.errors import GatewayError

TIMEOUTS = http.Timeouts(connect_seconds=5, read_seconds=15, total_seconds=20)
T = TypeVar("T")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Order:
    """An order at the target that waits for its money; `reference` is what the buyer's link carries."""

    reference: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Target:
    """Who is examined. `urls` by endpoint ("prepare", "check", …); "" is the only one, or the common one.

    Every scenario takes fresh orders from `new_order`. `ended_order` gives one that can no longer be paid (cancelled);
    scenarios that need it are left out without it; so are those that need `cancel_order`, which cancels an order while
    it is being paid. `is_doubled` sends every call twice.
    """

    urls: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)
    new_order: Callable[[], Order] = field(repr=False)
    ended_order: Callable[[], Order] | None = field(repr=False, default=None)
    is_doubled: bool = False
    cancel_order: Callable[[Order], None] | None = field(repr=False, default=None)

    def url(self, endpoint: str = "") -> str:
        """The address of an endpoint: its own, or the common one with the endpoint as its last part."""
        if endpoint in self.urls:
            return self.urls[endpoint]
        return f"{self.urls[''].rstrip('/')}/{endpoint}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the score. `is_official`: on the vendor's own list; the others are ours."""

    name: str
    passed: bool
    detail: str = ""
    is_official: bool = True


class Failed(Exception):
    """An answer was wrong; the text says which and how."""


@dataclass(frozen=True, slots=True)
class Case(Generic[T]):
    """A scenario to play. `needs_ended`: left out where the target cannot give an ended order."""

    name: str
    play: Callable[[T], None]
    is_official: bool = True
    needs_ended: bool = False


def expect(what: str, found: object, wanted: object) -> None:
    """`found` must be `wanted`, in type too: 1 is not True, and "1" is not 1."""
    if type(found) is not type(wanted) or found != wanted:
        raise Failed(f"{what}: expected {_short(wanted)}, got {_short(found)}")


def expect_that(what: str, holds: bool, found: object = "") -> None:
    if not holds:
        raise Failed(f"{what}: got {_short(found)}" if found != "" else what)


def played(cases: Iterable[Case[T]], talk: Callable[[], T], *, target: Target) -> Iterator[Scenario]:
    """Play each case in a talk of its own. Whatever goes wrong fails that case alone."""
    for case in cases:
        if case.needs_ended and target.ended_order is None:
            continue
        detail = ""
        try:
            case.play(talk())
        except Failed as failed:
            detail = str(failed)
        except GatewayError as error:
            detail = f"no answer: {error}"
        except Exception as error:  # a target that answers nonsense must cost one scenario, not the whole list
            detail = f"{type(error).__name__}: {error}"[:300]
        yield Scenario(case.name, not detail, detail, case.is_official)


def send(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    method: str = "POST",
    auth: tuple[str, str] | None = None,
) -> http.Answer:
    """One request as a processor would make it; redirects are not followed. GatewayError where no answer came."""
    return http.send(method, url, is_write=method != "GET", body=body, headers=headers, auth=auth, timeouts=TIMEOUTS)


def together(work: Callable[[], T], times: int) -> list[T]:
    """The same thing from several threads at the same moment."""
    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(work) for _ in range(times)]]


def number() -> int:
    """Different for every call in this process, from 1 on."""
    return next(_numbers)


def certify(run: Callable[[Target], Iterator[Scenario]], target: Target, *, threads: int = 1) -> list[Scenario]:
    """Play the list, in several threads at once where wanted. A scenario passes when it passed in every thread."""
    if threads == 1:
        return list(run(target))
    rounds = together(lambda: list(run(target)), threads)
    merged = []
    for same in zip(*rounds, strict=True):
        failures = [one for one in same if not one.passed]
        first = failures[0] if failures else same[0]
        detail = f"{len(failures)} of {threads} threads: {first.detail}" if failures else ""
        merged.append(Scenario(first.name, not failures, detail, first.is_official))
    return merged


def total(scenarios: Iterable[Scenario]) -> str:
    """ "18 of 18 (official 11 of 11, ours 7 of 7)" """
    done = list(scenarios)
    official = [one for one in done if one.is_official]
    ours = [one for one in done if not one.is_official]
    return f"{_passed(done)} (official {_passed(official)}, ours {_passed(ours)})"


def table(scenarios: Iterable[Scenario]) -> str:
    """For a terminal and, between code fences, for a page: a line each, then the total."""
    done = list(scenarios)
    width = max((len(one.name) for one in done), default=0)
    lines = [
        f"{'pass' if one.passed else 'FAIL'}  {'official' if one.is_official else 'ours    '}  "
        + f"{one.name:<{width}}  {one.detail}".rstrip()
        for one in done
    ]
    return "\n".join([*lines, "", total(done)])


def _passed(scenarios: list[Scenario]) -> str:
    return f"{sum(one.passed for one in scenarios)} of {len(scenarios)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
