"""Payme's Check, Create and Perform beside the plain-Django floor: one web process, a durable PostgreSQL.

    python benchmarks/asking.py [--rounds 3] [--seconds 5] [--connections 8] [--statements]

One Granian process with one thread, as for a small seller. The load comes from this machine too: only ratios of one
run count, and below 1.3 is a tie on a shared machine. The statements of each call are counted first, in a process of
their own.
"""
# ruff: noqa: T201, S603

import argparse
import asyncio
import base64
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.create_intent import FLOOR_KEY, MAKE_FLOOR, wait_for  # noqa: E402
from tests.servers import Postgres, Redis, die_with_parent, free_port  # noqa: E402

KEY = "benchmark-key-0000000000000000000001"
AMOUNT = 1_500_050
MAKE_SELLER = f"""
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.utils import timezone
from gateway.types import Mode
from providers import accounts
from providers.models import Provider
provider = Provider.objects.create(name="Bench", slug="bench", currency="UZS")
accounts.save_credentials(provider=provider, business_id="biz", processor="payme", mode=Mode.TEST, now=timezone.now(),
    credentials={{"merchantId": "0123456789abcdef01234567", "key": "{KEY}"}})
"""
MAKE_ORDERS = f"""
import django; django.setup()
import sys
from django.utils import timezone
from checkout import invoices
from gateway.money import Money
from gateway.types import Mode
from providers.models import Provider
provider = Provider.objects.get(slug="bench")
for number in range(int(sys.argv[1])):
    wanted = invoices.Wanted(provider=provider, mode=Mode.TEST, business_id="biz", processor="payme",
        source_invoice_id=f"{{sys.argv[2]}}-{{number}}", amount=Money({AMOUNT}, "UZS"),
        notify_url="https://shop.example/hook")
    print(invoices.open_invoice(wanted, cause="bench", now=timezone.now())[0].pk)
"""
COUNT = """
import django; django.setup()
import json, sys
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
client = Client(SERVER_NAME="127.0.0.1")
calls = json.load(sys.stdin)
for warm in (True, False):
    for name, body, headers in calls[:len(calls) // 2] if warm else calls[len(calls) // 2:]:
        with CaptureQueriesContext(connection) as seen:
            answer = client.post("/api/callbacks/payme", body, content_type="text/json", headers=headers)
        assert "result" in answer.json(), answer.content
        if not warm:
            print("COUNT", name, len(seen))
            if "--show" in sys.argv:
                for query in seen.captured_queries:
                    print("   ", query["sql"][:150])
"""


def run(code: str, environment: dict[str, str], *arguments: str, given: str = "") -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, input=given)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


@contextmanager
def served(application: str, environment: dict[str, str]) -> Iterator[int]:
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--blocking-threads", "1", "--no-ws", "--workers-kill-timeout", "2"),
        *("--log-level", "warning", application),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(), start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


Post = Callable[[str, list[str], bytes], Any]


@contextmanager
def _closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    finally:
        writer.close()


async def connect(port: int) -> tuple[Post, asyncio.StreamWriter]:
    """One kept connection: post(path, headers, body) → the answer's JSON."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def post(path: str, headers: list[str], body: bytes) -> Any:
        head = "\r\n".join(
            [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers, f"Content-Length: {len(body)}"]
        )
        writer.write(f"{head}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        text = await reader.readexactly(int(answer.partition("content-length:")[2].split("\r\n")[0]))
        if not answer.startswith("http/1.1 200"):
            raise SystemExit(f"{answer}\n{text.decode()}")
        return json.loads(text)

    return post, writer


def calls_of(order: str) -> list[tuple[str, bytes]]:
    """The three calls of one payment, in Payme's words."""
    transaction, account = secrets.token_hex(12), {"order_id": order}
    now = time.time_ns() // 1_000_000
    params: dict[str, dict[str, Any]] = {
        "CheckPerformTransaction": {"amount": AMOUNT, "account": account},
        "CreateTransaction": {"id": transaction, "time": now, "amount": AMOUNT, "account": account},
        "PerformTransaction": {"id": transaction},
    }
    return [
        (method, json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": of}).encode())
        for method, of in params.items()
    ]


def authorization() -> str:
    return "Basic " + base64.b64encode(f"Paycom:{KEY}".encode()).decode()


async def pay(port: int, orders: list[str], *, seconds: float, connections: int) -> dict[str, list[float]]:
    """Method → how long each call took. Every order is paid once; the time ends when orders or seconds are over."""
    times: dict[str, list[float]] = {}
    end = time.perf_counter() + seconds
    headers = ["Content-Type: text/json", f"Authorization: {authorization()}"]

    async def one() -> None:
        post, writer = await connect(port)
        with _closing(writer):
            while time.perf_counter() < end:
                if not orders:
                    raise SystemExit("the orders are used up: give more, or fewer seconds")
                for method, body in calls_of(orders.pop()):
                    started = time.perf_counter()
                    answer = await post("/api/callbacks/payme", headers, body)
                    times.setdefault(method, []).append(time.perf_counter() - started)
                    if "result" not in answer:
                        raise SystemExit(f"{method}: {answer}")

    await asyncio.gather(*(one() for _ in range(connections)))
    return times


async def floor(port: int, *, seconds: float, connections: int) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    body = json.dumps({"apiKey": FLOOR_KEY, "externalId": "ORDER-1", "amount": 100}).encode()

    async def one() -> None:
        post, writer = await connect(port)
        with _closing(writer):
            while (started := time.perf_counter()) < end:
                await post("/api/create-payment-intent", ["Content-Type: application/json"], body)
                times.append(time.perf_counter() - started)

    await asyncio.gather(*(one() for _ in range(connections)))
    return times


def count_statements(environment: dict[str, str], *, is_shown: bool) -> dict[str, int]:
    orders = run(MAKE_ORDERS, environment, "2", f"count-{secrets.token_hex(4)}").split()
    headers = {"Authorization": authorization()}
    calls = [[method, body.decode(), headers] for order in orders for method, body in calls_of(order)]
    said = run(COUNT, environment, *(["--show"] if is_shown else []), given=json.dumps(calls))
    if is_shown:
        print(said)
    rows = [line.split() for line in said.splitlines() if line.startswith("COUNT ")]
    return {name: int(number) for _, name, number in rows}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=5)
    options.add_argument("--connections", type=int, default=8)
    options.add_argument("--statements", action="store_true", help="print the statements of each call, and end")
    given = options.parse_args()
    redis, postgres = Redis(), Postgres(durable=True)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "ENV_FILE": "",
        "DEMO": "1",  # plain HTTP
        "SECRET_KEY": "for the benchmark alone, for the benchmark alone, for it alone",
        "FIELD_ENCRYPTION_KEYS": "bench:" + base64.b64encode(b"b" * 32).decode(),
        "CACHE_URL": redis.cache_url,
        "CELERY_BROKER_URL": redis.broker_url,
        "LAB_URL": "http://127.0.0.1:9",  # never called
        "LOG_LEVEL": "WARNING",
        "DATABASE_URL": postgres.url("postgres"),
    }
    product = {**environment, "DJANGO_SETTINGS_MODULE": "config.settings"}
    try:
        run(MAKE_FLOOR, environment)
        run(MAKE_SELLER, product)
        statements = count_statements(product, is_shown=given.statements)
        if not given.statements:
            measure(environment, product, statements, given)
    finally:
        redis.close()
        postgres.stop()


def measure(
    environment: dict[str, str], product: dict[str, str], statements: dict[str, int], given: argparse.Namespace
) -> None:
    how = {"seconds": given.seconds, "connections": given.connections}
    floors, rates, times = [], [], {}
    for number in range(given.rounds):
        with served("benchmarks.floor:application", environment) as port:
            asyncio.run(floor(port, seconds=1, connections=given.connections))
            floors.append(len(asyncio.run(floor(port, **how))) / given.seconds)
        orders = run(MAKE_ORDERS, product, str(int(given.seconds * 150) + 150), f"round-{number}").split()
        with served("config.wsgi:application", product) as port:
            asyncio.run(pay(port, orders, seconds=1, connections=given.connections))
            found = asyncio.run(pay(port, orders, **how))
        rates.append(sum(map(len, found.values())) / given.seconds)
        for method, took in found.items():
            times.setdefault(method, []).extend(took)
        print(f"round {number + 1}: floor {floors[-1]:.0f} calls/s, Payme {rates[-1]:.0f} calls/s", flush=True)
    floor_rate, rate = statistics.median(floors), statistics.median(rates)
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {given.rounds} rounds")
    print("one web process, one thread, PostgreSQL with fsync")
    print(f"plain Django, one INSERT          {floor_rate:7.0f} calls/s")
    print(f"Payme Check + Create + Perform    {rate:7.0f} calls/s, {rate / floor_rate:.2f} of that")
    print(f"payments                          {rate / 3:7.0f} a second")
    print(f"\n{'':26}{'statements':>12}{'p50 ms':>9}{'p99 ms':>9}")
    for method, took in times.items():
        took.sort()
        p50, p99 = took[len(took) // 2] * 1000, took[int(len(took) * 0.99)] * 1000
        print(f"{method:26}{statements[method]:12d}{p50:9.1f}{p99:9.1f}")


if __name__ == "__main__":
    main()
