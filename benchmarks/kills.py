"""Kill web and worker with -9 at random moments while orders are being paid; then count what was lost.

    python benchmarks/kills.py [--orders 200] [--kills 10] [--port 8300] [--seed 1]

Starts the demo of this very tree in a folder of its own, pays orders as buyers do, kills processes meanwhile, waits
until nothing is due any more, and says for every paid order how many `payment_succeeded` events and how many 2xx
deliveries it has. Exit code 1 when one is lost or told by two events.
"""

import argparse
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class KeepAddress(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: object) -> None:
        return None


OPENER = urllib.request.build_opener(KeepAddress, urllib.request.ProxyHandler({}))


def call(url: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str, str]:
    """(status, Location, body); a 3xx and a 4xx are answers, not errors. OSError while nobody is there."""
    request = urllib.request.Request(url, data=data, headers=headers or {})  # noqa: S310
    try:
        with OPENER.open(request, timeout=30) as answer:
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers.get("Location", ""), answer.read().decode(errors="replace")


def insist(work, seconds: float = 60.0):
    """Do it again while the product is being killed under our hands."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = work()
            if found is not None:
                return found
        except OSError:
            pass
        if time.monotonic() > until:
            raise TimeoutError(work)
        time.sleep(0.2)


def pay(environment: dict[str, str], number: int) -> str:
    base, key = environment["BASE_URL"], environment["PROVIDER_API_KEY"]
    wish = json.dumps({"apiKey": key, "externalId": f"KILL-{number}", "amount": 5}).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"kill-{os.getpid()}-{number}"}

    def create() -> dict[str, str] | None:
        status, _, body = call(f"{base}/api/create-payment-intent", wish, headers)
        return json.loads(body) if status == 200 else None

    order = insist(create, 120)

    def press() -> str | None:
        status, location, _ = call(f"{order['checkoutUrl']}/pay", b"processor=stripe")
        return location if status == 303 and "/stripe/" in location else None

    lab_page = insist(press, 180)
    insist(lambda: call(lab_page, b"outcome=approve")[0])
    return str(order["orderId"])


def children(python: str) -> list[tuple[int, str]]:
    """(pid, role) of the web and worker processes that run in this tree's environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if python in words and re.search(r"granian|celery", words):
            found.append((int(folder.name), "web" if "granian" in words else "worker"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--port", type=int, default=8300)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    dice = random.Random(wanted.seed)  # noqa: S311
    folder = Path(tempfile.mkdtemp(prefix="pay-kills-")) / "pay"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)  # noqa: S603, S607
    log = (folder / "demo.log").open("w")
    demo = subprocess.Popen(  # noqa: S603
        ["make", "demo", f"PORT={wanted.port}"],  # noqa: S607
        cwd=folder, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        sys.exit(run(wanted, dice, folder))
    finally:
        os.killpg(demo.pid, signal.SIGINT)
        demo.wait(30)


def run(wanted: argparse.Namespace, dice: random.Random, folder: Path) -> int:
    base = f"http://127.0.0.1:{wanted.port}"
    insist(lambda: "is running" in (folder / "demo.log").read_text() or None, 180)
    lines = (folder / "var/demo.env").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    environment = {name: text.strip("'\"") for name, text in environment.items()}
    done = threading.Event()
    killed: list[str] = []

    def kill() -> None:
        for _ in range(wanted.kills):
            if done.wait(dice.uniform(0.5, 3.0)):
                return
            victims = children(str(folder))
            if victims:
                pid, role = dice.choice(victims)
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(role)
                except ProcessLookupError:
                    pass

    killer = threading.Thread(target=kill)
    killer.start()
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        paid = list(pool.map(lambda number: pay(environment, number), range(wanted.orders)))
    seconds = time.monotonic() - started
    killer.join()
    done.set()

    def settled() -> bool | None:
        health = json.loads(call(f"{base}/health")[2])
        return True if health["webhooks"]["due"] == 0 and told_of(folder, paid)[0] == len(paid) else None

    insist(settled, 240)
    complete, report = told_of(folder, paid)
    print(f"{len(paid)} orders paid in {seconds:.0f} s; killed with -9: {len(killed)} ({', '.join(killed)})")  # noqa: T201
    print(json.dumps(report))  # noqa: T201
    return 0 if complete == len(paid) and report["orders with two events"] == 0 else 1


def told_of(folder: Path, paid: list[str]) -> tuple[int, dict[str, int]]:
    database = sqlite3.connect(f"file:{folder}/var/pay.sqlite3?mode=ro", uri=True, timeout=10)
    ids = [order.replace("-", "") for order in paid]
    marks = ",".join("?" * len(ids))
    statuses = dict(database.execute(f"SELECT id, status FROM checkout_order WHERE id IN ({marks})", ids))  # noqa: S608
    events: dict[str, int] = dict.fromkeys(ids, 0)
    for order, count in database.execute(
        f"SELECT order_id, COUNT(*) FROM checkout_orderevent WHERE kind = 'paid' AND order_id IN ({marks}) GROUP BY 1",  # noqa: S608
        ids,
    ):
        events[order] = count
    arrived: dict[str, int] = dict.fromkeys(ids, 0)
    for order, count in database.execute(
        "SELECT d.order_id, COUNT(*) FROM webhooks_attempt a JOIN webhooks_delivery d ON d.id = a.delivery_id "  # noqa: S608
        f"WHERE a.status BETWEEN 200 AND 299 AND d.event_kind = 'payment_succeeded' AND d.order_id IN ({marks}) "
        "GROUP BY 1",
        ids,
    ):
        arrived[order] = count
    database.close()
    good = [order for order in ids if statuses.get(order) == "paid" and events[order] == 1 and arrived[order] >= 1]
    report = {
        "orders": len(ids),
        "paid": sum(status == "paid" for status in statuses.values()),
        "exactly one paid event": sum(count == 1 for count in events.values()),
        "orders with two events": sum(count > 1 for count in events.values()),
        "with a 2xx delivery": sum(count >= 1 for count in arrived.values()),
        "delivered more than once": sum(count > 1 for count in arrived.values()),
        "not told": sum(count == 0 for count in arrived.values()),
    }
    return len(good), report


if __name__ == "__main__":
    main()
