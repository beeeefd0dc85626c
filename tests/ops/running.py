"""A demo of one's own: a copy of the tree, started as people start it, on a free port."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis", "staticfiles", "tests", "node_modules"
)
GREETING = "Ctrl-C stops everything"


def copy_tree(to: Path) -> Path:
    """The product's files, with this test's environment as its .venv."""
    shutil.copytree(ROOT, to, ignore=LEFT_OUT)
    (to / ".venv").symlink_to(sys.prefix)
    return to


class Demo:
    def __init__(self, tree: Path, *, port: int | None = None):
        self.tree = tree
        self.port = port or free_port()
        self.output = tree / f"demo-{time.monotonic_ns()}.out"
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "ENV_FILE", "DEMO", "BASE_URL", "LAB_URL")
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [".venv/bin/python", "manage.py", "demo", "--with-parent"],
                cwd=tree,
                env=environment | {"PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait(self, seconds=60):
        end = time.monotonic() + seconds
        while GREETING not in self.said:
            assert self.process.poll() is None and time.monotonic() < end, self.said + self.logs
            time.sleep(0.05)
        return self

    @property
    def logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()[-2000:]}" for log in self.tree.glob("var/logs/*.log"))

    @property
    def env(self) -> dict[str, str]:
        return dict(re.findall(r"^(\w+)='?(.*?)'?$", (self.tree / "var" / "demo.env").read_text(), re.MULTILINE))

    def processes(self, name="") -> list[int]:
        """Every process that works in the tree, also one that lost its parent; `name` stands in its command."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                where = os.readlink(entry / "cwd")
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if (where + "/").startswith(f"{self.tree}/") and name in command and state != "Z":
                    found.append(int(entry.name))
        return sorted(found)

    def wait_until_gone(self, seconds=10):
        end = time.monotonic() + seconds
        while self.processes() and time.monotonic() < end:
            time.sleep(0.05)
        return self.processes()

    def interrupt(self, seconds=15):
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(seconds)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    # --- What people do with it ---------------------------------------------------------------------------------
    def health(self):
        return requests.get(f"{self.env['BASE_URL']}/health", timeout=5)

    def is_healthy(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return self.health().status_code == 200
        return False

    def wait_healthy(self, seconds=30):
        end = time.monotonic() + seconds
        while not self.is_healthy():
            assert time.monotonic() < end, self.said + self.logs
            time.sleep(0.1)

    def open_order(self, amount=5, **more) -> dict:
        body = {"apiKey": self.env["PROVIDER_API_KEY"], "amount": amount, **more}
        answer = requests.post(f"{self.env['BASE_URL']}/api/create-payment-intent", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pay(self, order) -> None:
        led = requests.post(
            order["checkoutUrl"] + "/pay", data={"processor": "stripe"}, allow_redirects=False, timeout=20
        )
        assert led.status_code == 303, (led.status_code, led.text[:500])
        requests.post(led.headers["Location"], data={"outcome": "approve"}, allow_redirects=False, timeout=10)

    def read(self, order, *, key="") -> dict:
        headers = {"x-api-key": key or self.env["PROVIDER_API_KEY"]}
        return requests.get(f"{self.env['BASE_URL']}/api/orders/{order['orderId']}", headers=headers, timeout=10).json()

    def webhooks(self, order) -> list[dict]:
        url = f"{self.env['INBOX_URL']}?orderId={order['orderId']}"
        return requests.get(url, headers={"Accept": "application/json"}, timeout=5).json()["messages"]

    def wait_for_webhook(self, order, seconds=20) -> list[dict]:
        end = time.monotonic() + seconds
        while not (found := self.webhooks(order)):
            assert time.monotonic() < end, self.said + self.logs
            time.sleep(0.1)
        return found
