"""Keeps the demo's processes alive, and ends all of them with itself, however it ends.

Each child is the leader of a process group, so that what it started goes with it. A watchdog, forked at the
start, holds the other end of a pipe: when the supervisor is gone, even by kill -9, it ends every group.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

STOP_SECONDS = 4.0  # for a clean end; then it is killed
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
CALM_SECONDS = 15.0  # who ran that long starts again without a pause
MAX_LOG_BYTES = 20_000_000


class CannotStart(Exception):
    """A process ended again and again before everything was up; the text holds the end of its log."""


@dataclass
class Child:
    """One process of the demo. `stops_last`: others need it while they end."""

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str]
    stops_last: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    started_at: float = 0.0
    starts_again_at: float = 0.0
    failures: int = 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    def __init__(self, *, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        self.children: list[Child] = []
        self.asked_to_stop = False
        self.is_up = False
        self._watchdog: IO[bytes] = _fork_watchdog()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.asked_to_stop = True

    def start(
        self, name: str, command: list[str], *, environment: Mapping[str, str] | None = None, stops_last: bool = False
    ) -> Child:
        logs = self.folder / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        log = logs / f"{name}.log"
        if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        child = Child(name, command, log, {**os.environ, **(environment or {})}, stops_last)
        self.children.append(child)
        self._launch(child)
        return child

    def _launch(self, child: Child) -> None:
        with os.fdopen(os.open(child.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            child.process = subprocess.Popen(  # noqa: S603
                child.command,
                env=dict(child.environment),
                cwd=self.folder.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group of its own, out of reach of the terminal's Ctrl-C
            )
        child.started_at = time.monotonic()
        self._tell_watchdog(f"+{child.process.pid}")

    def _tell_watchdog(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._watchdog.write(line.encode() + b"\n")
            self._watchdog.flush()

    def look_after(self) -> None:
        """Start again what has ended. CannotStart while the first start is still under way and does not succeed."""
        now = time.monotonic()
        for child in self.children:
            if child.is_running:
                if child.failures and now - child.started_at > CALM_SECONDS:
                    child.failures = 0
                continue
            if child.process is not None:
                self._bury(child, now)
            elif now >= child.starts_again_at:
                self._launch(child)

    def _bury(self, child: Child, now: float) -> None:
        assert child.process is not None
        code = child.process.returncode
        _signal_group(child.process.pid, signal.SIGKILL)  # what it started and left behind
        self._tell_watchdog(f"-{child.process.pid}")
        child.process = None
        child.failures += 1
        if not self.is_up and child.failures > 2:
            raise CannotStart(f"{child.name} does not start. The end of {child.log}:\n{_tail(child.log)}")
        pause = 0.0 if child.failures == 1 else FIRST_PAUSE_SECONDS * 2.0 ** min(child.failures - 2, 6)
        child.starts_again_at = now + min(pause, LONGEST_PAUSE_SECONDS)
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        self.say(f"{child.name} ended {how}; it is started again ({child.log.relative_to(self.folder.parent)}).")

    def wait_until(self, is_ready: Callable[[], bool], *, seconds: float) -> bool:
        """False when asked to stop meanwhile. CannotStart when it takes too long."""
        end = time.monotonic() + seconds
        while not self.asked_to_stop:
            if is_ready():
                return True
            self.look_after()
            if time.monotonic() > end:
                logs = "\n".join(f"--- {child.name}\n{_tail(child.log, 5)}" for child in self.children)
                raise CannotStart(f"Not everything was up after {seconds:.0f} s.\n{logs}")
            time.sleep(0.05)
        return False

    def run(self) -> None:
        """Look after the children until asked to stop."""
        self.is_up = True
        while not self.asked_to_stop:
            self.look_after()
            time.sleep(0.1)

    def stop(self) -> None:
        """End everything: the broker last, because the others still talk to it while they end."""
        for stops_last in (False, True):
            ending = [child for child in self.children if child.stops_last == stops_last and child.process is not None]
            for child in ending:
                assert child.process is not None
                # Only the leader: it ends its own workers in order.
                with contextlib.suppress(ProcessLookupError):
                    child.process.terminate()
            end = time.monotonic() + STOP_SECONDS
            for child in ending:
                assert child.process is not None
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.05, end - time.monotonic()))
                _signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait()
                self._tell_watchdog(f"-{child.process.pid}")
        self._watchdog.close()


def _signal_group(leader: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def _fork_watchdog() -> IO[bytes]:
    """The pipe to a process that outlives us just long enough to clean up."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(writing)
        _watch(reading)
    os.close(reading)
    return os.fdopen(writing, "wb")


def _watch(pipe: int) -> None:
    """In the watchdog: remember the groups, and end them when the pipe is closed."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # whoever reads the demo's output must see its end
        os.dup2(null, standard)
    # The demo's lock among others: a new demo must not wait for us.
    os.closerange(3, pipe)
    os.closerange(pipe + 1, 256)
    groups: set[int] = set()
    rest = b""
    while chunk := os.read(pipe, 4096):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 0.0)):
        for group in groups:
            _signal_group(group, number)
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(_is_group_alive(group) for group in groups):
            select.select([], [], [], 0.1)
    os._exit(0)


def _is_group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
