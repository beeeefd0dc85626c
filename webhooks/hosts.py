"""How many posts each host gets at the same time, so that one dead endpoint does not hold up the others.

A host nobody has heard of gets a few; each success earns it one more, each failure halves them down to one.
Hosts that failed last share half of all places, however many of them there are. What was learned is kept for the
next drain of this process.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from webhooks.options import Options

REMEMBERED = 10_000  # hosts
FORGOTTEN_AFTER_SECONDS = 300.0


@dataclass(slots=True)
class _Record:
    allowance: int
    is_ailing: bool
    at: float


@dataclass(slots=True)
class Memory:
    """What the drains of one process have learned about hosts."""

    records: OrderedDict[str, _Record] = field(default_factory=OrderedDict)

    def get(self, host: str) -> _Record | None:
        record = self.records.get(host)
        if record is not None and time.monotonic() - record.at > FORGOTTEN_AFTER_SECONDS:
            return None
        return record

    def put(self, host: str, record: _Record) -> None:
        self.records[host] = record
        self.records.move_to_end(host)
        while len(self.records) > REMEMBERED:
            self.records.popitem(last=False)


PROCESS_MEMORY = Memory()


class Gate:
    """The places of one drain."""

    def __init__(self, options: Options, memory: Memory | None = None) -> None:
        self.options = options
        self.memory = PROCESS_MEMORY if memory is None else memory
        self.in_flight: dict[str, int] = {}

    @property
    def free(self) -> int:
        return self.options.in_flight - sum(self.in_flight.values())

    def enter(self, host: str) -> None:
        self.in_flight[host] = self.in_flight.get(host, 0) + 1

    def leave(self, host: str) -> None:
        left = self.in_flight.pop(host, 1) - 1
        if left > 0:
            self.in_flight[host] = left

    def learn(self, host: str, *, is_success: bool) -> None:
        """One attempt came to an end."""
        allowance = self._allowance(host)
        allowance = min(allowance + 1, self.options.most_per_host) if is_success else max(allowance // 2, 1)
        self.memory.put(host, _Record(allowance, not is_success, time.monotonic()))

    def room(self, hosts: Sequence[str], *, only_well: bool = False) -> dict[str, int]:
        """How many rows to claim of each host, given those with something due, the longest waiting first.

        Everybody gets one place before anybody gets a second. `only_well` leaves out the hosts that failed last.
        """
        if only_well:
            hosts = [host for host in hosts if not self._is_ailing(host)]
        free = self.free
        ailing_free = self.options.in_flight // 2 - sum(
            count for host, count in self.in_flight.items() if self._is_ailing(host)
        )
        room: dict[str, int] = {}
        wanting = [host for host in hosts if self._allowance(host) > self.in_flight.get(host, 0)]
        while wanting and free > 0:
            still_wanting = []
            for host in wanting:
                if free <= 0:
                    break
                if self._is_ailing(host):
                    if ailing_free <= 0:
                        continue
                    ailing_free -= 1
                room[host] = room.get(host, 0) + 1
                free -= 1
                if self._allowance(host) > self.in_flight.get(host, 0) + room[host]:
                    still_wanting.append(host)
            wanting = still_wanting
        return room

    def _allowance(self, host: str) -> int:
        record = self.memory.get(host)
        return self.options.first_per_host if record is None else record.allowance

    def _is_ailing(self, host: str) -> bool:
        record = self.memory.get(host)
        return record is not None and record.is_ailing
