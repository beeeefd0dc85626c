"""create-payment-intent beside the plain-Django floor, served alike on the same database in the same run.

    python benchmarks/create_intent.py [--rounds 3] [--seconds 5] [--connections 16] [--only sqlite|postgres]

Granian with two processes, a durable PostgreSQL and a SQLite file with synchronous=FULL, Redis as the cache. The
load comes from this machine too. Only ratios of one run count; below 1.3 is a tie on a shared machine.
"""
# ruff: noqa: T201, S603

import argparse
import asyncio
import base64
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
sys.path.insert(0, str(ROOT))

from tests.servers import Postgres, Redis, die_with_parent, free_port  # noqa: E402

FLOOR_KEY = "floor-key-of-the-benchmark"
MAKE_FLOOR = f"""
import hashlib
from benchmarks import floor
from django.db import connection
with connection.schema_editor() as editor:
    editor.create_model(floor.FloorKey)
    editor.create_model(floor.FloorOrder)
floor.FloorKey.objects.create(owner="bench", digest=hashlib.sha256(b"{FLOOR_KEY}").hexdigest())
"""
MAKE_PRODUCT = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.utils import timezone
from gateway.types import Availability, Mode
from providers import accounts, keys
from providers.models import ApiKey, Provider, Service
now = timezone.now()
service = Service.objects.create(title="Premium Credits", slug="premium", price_minor=500)
provider = Provider.objects.create(name="Bench", slug="bench", service=service)
account = accounts.save_credentials(provider=provider, processor="stripe", mode=Mode.TEST, now=now,
    credentials={"secretKey": "sk_test_" + "7e57" * 6, "webhookSecret": "whsec_" + "dGhlIGxhYidzIG93biBzZWNyZXQ="})
accounts.keep_availability(account, Availability(is_available=True), currency="USD", method="cashapp", now=now)
_row, text = keys.issue_key(provider=provider, mode=Mode.TEST, now=now)
ApiKey.objects.update(calls_per_minute=10**6)
print("KEY", text)
"""


def run(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


@contextmanager
def served(application: str, environment: dict[str, str]) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += [
        "--workers",
        "2",
        "--blocking-threads",
        "1",
        "--no-ws",
        "--workers-kill-timeout",
        "2",
        "--log-level",
        "warning",
        application,
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(), start_new_session=True,
    )  # fmt: skip
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def load(port: int, body: str, headers: list[str], *, seconds: float, connections: int) -> dict[str, float]:
    """Keep-alive connections that ask one after another; every answer must be 200."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        count = 0
        while (started := time.perf_counter()) < end:
            count += 1
            told = [line.replace("%", f"{number}-{count}-{port}-{started}") for line in headers]
            head = "\r\n".join(
                ["POST /api/create-payment-intent HTTP/1.1", f"Host: 127.0.0.1:{port}", *told,
                 "Content-Type: application/json", f"Content-Length: {len(body)}"]
            )  # fmt: skip
            writer.write(f"{head}\r\n\r\n{body}".encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(answer.partition("content-length:")[2].split("\r\n")[0])
            text = await reader.readexactly(length)
            if not answer.startswith("http/1.1 200"):
                raise SystemExit(f"{answer}\n{text.decode()}")
            times.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    times.sort()
    return {
        "rps": len(times) / seconds,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
    }


def wait_for(port: int) -> None:
    import socket

    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=5)
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--only", choices=["sqlite", "postgres"])
    given = options.parse_args()
    folder = tempfile.mkdtemp(prefix="pay-bench-", dir="/tmp")
    redis = Redis()
    databases = {}
    postgres = None
    if given.only != "postgres":
        databases["sqlite"] = [f"sqlite:///{folder}/floor.sqlite3", f"sqlite:///{folder}/product.sqlite3"]
    if given.only != "sqlite":
        postgres = Postgres(durable=True)
        databases["postgres"] = [postgres.url("postgres"), postgres.url("postgres")]
    measured: dict[str, list[dict[str, float]]] = {}
    try:
        for database, (floor_url, product_url) in databases.items():
            measure(database, floor_url, product_url, redis.cache_url, given, measured)
    finally:
        redis.close()
        if postgres is not None:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {given.rounds} rounds")
    print(f"{'':34}{'calls/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'of floor':>10}")
    for name, rounds in measured.items():
        rate = statistics.median(part["rps"] for part in rounds)
        floor = statistics.median(part["rps"] for part in measured[f"{name.split()[0]} plain Django"])
        p50, p99 = (statistics.median(part[key] for part in rounds) for key in ("p50_ms", "p99_ms"))
        print(f"{name:34}{rate:9.0f}{p50:9.1f}{p99:9.1f}{rate / floor:10.2f}")


def measure(
    database: str,
    floor_url: str,
    product_url: str,
    cache_url: str,
    given: argparse.Namespace,
    measured: dict[str, list[dict[str, float]]],
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "ENV_FILE": "",
        "DEMO": "1",  # plain HTTP; the limits are a hundred times wider, but counted all the same
        "SECRET_KEY": "for the benchmark alone, for the benchmark alone, for it alone",
        "FIELD_ENCRYPTION_KEYS": "bench:" + base64.b64encode(b"b" * 32).decode(),
        "CACHE_URL": cache_url,
        "LAB_URL": "http://127.0.0.1:9",  # never called: the account is known
        "LOG_LEVEL": "WARNING",
    }
    floor_environment = {**environment, "DATABASE_URL": floor_url}
    product_environment = {
        **environment, "DATABASE_URL": product_url, "DJANGO_SETTINGS_MODULE": "config.settings"
    }  # fmt: skip
    run(MAKE_FLOOR, floor_environment)
    key = run(MAKE_PRODUCT, product_environment).partition("KEY ")[2].strip()
    asked = {"externalId": "ORDER-1", "amount": 100}
    runs = [
        ("plain Django", "benchmarks.floor:application", floor_environment, FLOOR_KEY, []),
        ("product", "config.wsgi:application", product_environment, key, []),
        ("product, idempotency key", "config.wsgi:application", product_environment, key, ["Idempotency-Key: %"]),
    ]
    for _ in range(given.rounds):
        for name, application, where, api_key, headers in runs:
            body = json.dumps({"apiKey": api_key, **asked})
            with served(application, where) as port:
                wait_for(port)
                asyncio.run(load(port, body, headers, seconds=1, connections=given.connections))
                found = asyncio.run(
                    load(port, body, headers, seconds=given.seconds, connections=given.connections)
                )  # fmt: skip
            measured.setdefault(f"{database} {name}", []).append(found)
            print(database, name, {part: round(value, 1) for part, value in found.items()}, flush=True)


if __name__ == "__main__":
    main()
