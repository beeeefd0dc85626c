"""`manage.py demo`: the whole product on this machine, until Ctrl-C. `make demo` installs first, then runs this."""

import ctypes
import io
import signal
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django_otp.oath import TOTP

from checkout.management.demo import household
from checkout.management.demo.broker import redis_command
from checkout.management.demo.seed import Seeded, seed
from checkout.management.demo.supervisor import CannotStart, Supervisor

UP_SECONDS = 90.0
_PR_SET_PDEATHSIG = 1


class Command(BaseCommand):
    help = "Run web, worker, broker and processor lab on this machine, with data in var/."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--code", action="store_true", help="print the administrator's code of this moment and end")
        parser.add_argument("--with-parent", action="store_true", help="end when the process that started this ends")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["code"]:
            self.stdout.write(code_of(household.kept_secrets()["ADMIN_TOTP_SECRET"]))
            return
        if options["with_parent"]:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        supervisor = Supervisor(folder=household.VAR, say=self._say)
        try:
            self._run(supervisor)
        except CannotStart as error:
            self.stderr.write(f"\n{error}")
            sys.exit(1)
        finally:
            supervisor.stop()
            self._say("Stopped. The data are kept in var/; `make demo` goes on with them.")

    def _run(self, supervisor: Supervisor) -> None:
        started = time.monotonic()
        self._say("Starting …")
        folder = household.socket_folder()
        supervisor.start("redis", redis_command(socket=folder / "redis.sock", folder=household.VAR), stops_last=True)
        _migrate()
        seeded = seed()
        connection.close()
        household.write_demo_env(seeded.demo_env)
        python = sys.executable
        lab_port = settings.LAB_URL.rpartition(":")[2]
        lab = [python, "-m", "gateway.simulators", "--port", lab_port, "--state-file", str(household.VAR / "lab.jsonl")]
        supervisor.start("lab", lab, environment=seeded.lab_environment)
        supervisor.start("web", web_command(python, settings.BASE_URL.rpartition(":")[2]))
        worker = supervisor.start("worker", worker_command(python, household.VAR))
        position = worker.log.stat().st_size

        def is_up() -> bool:
            return (
                " ready." in worker.log.read_text(errors="replace")[position:]
                and _answers(f"{settings.LAB_URL}/")
                and _answers(f"{settings.BASE_URL}/health")
            )

        if supervisor.wait_until(is_up, seconds=UP_SECONDS):
            household.say_where(settings.BASE_URL)
            self.stdout.write(greeting(seeded, seconds=time.monotonic() - started))
            self.stdout.flush()
            supervisor.run()

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _migrate() -> None:
    """Only where something is to do: looking costs less than running."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False, stdout=io.StringIO())


def web_command(python: str, port: str) -> list[str]:
    return [
        *(python, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", port),
        # Threads, because a request may wait for a processor, and the lab calls back while we wait for it.
        *("--workers", "2", "--blocking-threads", "4", "--backpressure", "64", "--no-ws"),
        *("--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "3"),
        *("--log-level", "warning", "config.wsgi:application"),
    ]


def worker_command(python: str, folder: Path) -> list[str]:
    return [
        *(python, "-m", "celery", "-A", "config", "worker", "--loglevel", "INFO", "-n", "demo@localhost"),
        *("--pool", "prefork", "--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"),
        *("--beat", "--schedule", str(folder / "beat-schedule")),
    ]


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def code_of(secret: str) -> str:
    import base64

    totp = TOTP(base64.b32decode(secret))
    totp.time = time.time()
    return f"{totp.token():06d}"


def greeting(seeded: Seeded, *, seconds: float) -> str:
    env = seeded.demo_env
    base, secret = env["BASE_URL"], env["ADMIN_TOTP_SECRET"]
    return f"""
  DZTech Pay is running (demo, everything in test mode, up in {seconds:.1f} s)

    Start here       {base}/
    Buy something    {base}/services/{env["SERVICE_SLUG"]}
    API, to try      {base}/docs/
    Seller’s portal  {base}/portal/
    Back office      {base}/admin/
    Webhook inbox    {env["INBOX_URL"]}
    E-mails          {env["LAB_URL"]}/mail/
    Processor lab    {env["LAB_URL"]}/

    Portal sign-in
      e-mail         {env["PORTAL_USERNAME"]}
      password       {env["PORTAL_PASSWORD"]}

    Back office sign-in
      user           {env["ADMIN_USERNAME"]}
      password       {env["ADMIN_PASSWORD"]}
      second factor  {secret}
                     add it to an authenticator app (time-based), or print a code with
                     .venv/bin/python manage.py demo --code

    For the shell    . var/demo.env
    Logs             var/logs/

  Ctrl-C stops everything. A second `make demo` keeps the data, `make demo-reset` drops them.
"""
