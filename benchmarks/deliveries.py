"""Deliveries per second of one worker process on a durable PostgreSQL, beside bare aiohttp in the same run.

    python benchmarks/deliveries.py [--count 5000] [--rounds 3] [--hosts 8] [--delay 0.0]

A receiver process on loopback answers 200 after `--delay` seconds. The floor posts signed bodies of the same size
with 64 in flight and no database. The drain is the product: claim, sign, judge the address, post, write the
attempt and the delivery. Only ratios of one run count.
"""
# ruff: noqa: T201, S106, S603

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
sys.path.insert(0, str(ROOT))

RECEIVER = """
import asyncio, sys
OK = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nContent-Type: text/plain\\r\\n\\r\\nok"
DELAY = float(sys.argv[1])

class Receiver(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.read = transport, b""

    def data_received(self, data):
        self.read += data
        while (end := self.read.find(b"\\r\\n\\r\\n")) >= 0:
            head = self.read[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\\r\\n", 1)[0]) if start >= 0 else 0
            if len(self.read) < end + 4 + length:
                return
            self.read = self.read[end + 4 + length :]
            if DELAY:
                asyncio.get_running_loop().call_later(DELAY, self.transport.write, OK)
            else:
                self.transport.write(OK)

async def main():
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Receiver, "127.0.0.1", 0, backlog=1024) for _ in range(int(sys.argv[2]))]
    print(" ".join(str(server.sockets[0].getsockname()[1]) for server in servers), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

BODY = json.dumps(
    {
        "event": "payment_succeeded",
        "orderId": str(uuid.uuid4()),
        "externalId": "ORDER-1",
        "providerId": str(uuid.uuid4()),
        "providerName": "Marketplace",
        "serviceId": str(uuid.uuid4()),
        "serviceName": "Premium Credits",
        "amount": 100,
        "status": "paid",
        "stripePaymentIntentId": "pi_0123456789abcdefghijklmn",
        "timestamp": "2026-01-30T10:00:00.000Z",
        "livemode": False,
    },
    separators=(",", ":"),
)


def floor(urls: list[str], count: int, in_flight: int) -> float:
    """Posts per second of bare aiohttp."""
    import aiohttp

    async def run() -> float:
        numbers = iter(range(count))
        headers = {"Content-Type": "application/json", "webhook-signature": "v1," + "x" * 44}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def post() -> None:
                for number in numbers:
                    url = urls[number % len(urls)]
                    async with session.post(url, data=BODY.encode(), headers=headers) as response:
                        await response.read()

            started = time.perf_counter()
            await asyncio.gather(*(post() for _ in range(in_flight)))
            return count / (time.perf_counter() - started)

    return asyncio.run(run())


def fill(urls: list[str], count: int) -> None:
    from django.utils import timezone

    from providers import signing_secrets
    from providers.models import Provider
    from webhooks.models import Attempt, Delivery
    from webhooks.outbox import host_of

    Attempt.objects.all().delete()
    Delivery.objects.all().delete()
    now = timezone.now()
    provider, _made = Provider.objects.get_or_create(slug="bench", defaults={"name": "Bench", "webhook_url": urls[0]})
    signing_secrets.ensure(provider, now=now)
    Delivery.objects.bulk_create(
        (
            Delivery(
                provider=provider,
                order_id=uuid.uuid4(),
                event_id=uuid.uuid4(),
                event_kind="payment_succeeded",
                sequence=3,
                url=urls[number % len(urls)],
                host=host_of(urls[number % len(urls)]),
                body=BODY,
                headers={"X-DZTech-Webhook": "payment-notification"},
                ladder="provider",
                next_attempt_at=now,
                created_at=now,
            )
            for number in range(count)
        ),
        batch_size=1000,
    )


def drain(count: int) -> float:
    """Deliveries per second of the product's drain."""
    from webhooks import delivery
    from webhooks.models import Delivery

    started = time.perf_counter()
    done = delivery.drain(linger_seconds=0)
    seconds = time.perf_counter() - started
    assert done.delivered == count, done
    assert not Delivery.objects.exclude(state="delivered").exists()
    return count / seconds


def queries(count: int) -> float:
    """Statements per delivery, BEGIN and COMMIT included."""
    from django.db import connection, reset_queries

    connection.force_debug_cursor = True
    reset_queries()
    connection.queries_log.clear()
    drain(count)
    connection.force_debug_cursor = False
    return len(connection.queries_log) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--delay", type=float, default=0.0)
    chosen = parser.parse_args()

    from tests.servers import Postgres

    server = Postgres(durable=True)
    receiver = subprocess.Popen(
        [sys.executable, "-c", RECEIVER, str(chosen.delay), str(chosen.hosts)], stdout=subprocess.PIPE, text=True
    )
    try:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="config.settings",
            ENV_FILE="",
            DEMO="1",
            SECRET_KEY="benchmark-benchmark-benchmark-benchmark-benchmark-benchmark",
            FIELD_ENCRYPTION_KEYS="bench:dGhpcnR5LXR3byBieXRlcyBmb3IgYmVuY2htYXJrcyE=",
            DATABASE_URL=server.url("postgres"),
            CELERY_BROKER_URL="memory://",
        )
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        assert receiver.stdout is not None
        urls = [f"http://127.0.0.1:{port}/hooks" for port in receiver.stdout.readline().split()]
        floors, drains = [], []
        for number in range(chosen.rounds):
            floors.append(floor(urls, chosen.count, 64))
            fill(urls, chosen.count)
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE webhooks_delivery")
            drains.append(drain(chosen.count))
            print(f"round {number + 1}: bare aiohttp {floors[-1]:,.0f}/s, drain {drains[-1]:,.0f}/s", flush=True)
        fill(urls, 1000)
        per_delivery = queries(1000)
        low, high = statistics.median(floors), statistics.median(drains)
        print(
            f"{chosen.count} deliveries, {chosen.hosts} hosts, receiver delay {chosen.delay:g} s, PostgreSQL durable\n"
            f"bare aiohttp: {low:,.0f}/s   drain, one process: {high:,.0f}/s   ratio: {high / low:.2f}   "
            f"statements per delivery: {per_delivery:.3f}"
        )
        connection.close()
    finally:
        receiver.terminate()
        receiver.wait()
        server.stop()


if __name__ == "__main__":
    main()
