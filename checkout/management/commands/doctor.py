"""`manage.py doctor`: is everything in place, asked from inside, one line per question.

Ends with code 1 when something is broken. It changes nothing and prints no secret.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.core.checks import run_checks
from django.core.checks.messages import ERROR, WARNING
from django.core.mail import get_connection
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from checkout import letters
from checkout.models import Letter, Payment
from gateway.errors import GatewayError
from providers import accounts
from providers.models import MerchantAccount
from webhooks.models import Delivery

# (sign, what was asked, what was found)
Finding = tuple[str, str, str]
OK, WARN, BAD = "ok", "look", "BAD"
_EXPECTED = {"models.W040"}  # what SQLite's indexes lack is there for PostgreSQL's


class Command(BaseCommand):
    help = "Look at settings, database, broker, cache, workers, accounts, e-mail and stuck work; say what is wrong."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        worst = OK
        for name, examine in QUESTIONS.items():
            try:
                findings = list(examine())
            except Exception as error:  # one broken part must not hide the others
                findings = [(BAD, name, f"{type(error).__name__}")]
            for sign, what, found in findings:
                worst = BAD if sign == BAD else worst
                self.stdout.write(f"{sign:>5}  {what}: {found}")
        if worst == BAD:
            raise SystemExit(1)


def _settings() -> Iterator[Finding]:
    said = run_checks(include_deployment_checks=not settings.DEMO, databases=["default"])
    found = [message for message in said if not message.is_silenced() and message.id not in _EXPECTED]
    for message in found:
        if message.level >= WARNING:
            yield BAD if message.level >= ERROR else WARN, "settings", f"{message.msg} ({message.id})"
    if not found:
        yield OK, "settings", f"{settings.BASE_URL}, {'demo' if settings.DEMO else 'production'}"


def _database() -> Iterator[Finding]:
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    yield OK, "database", f"{connection.vendor}, answers in {(time.perf_counter() - started) * 1000:.1f} ms"
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        yield BAD, "migrations", f"{len(waiting)} are not applied: manage.py migrate"
    else:
        yield OK, "migrations", "all applied"


def _broker() -> Iterator[Finding]:
    with current_app.connection_for_write(connect_timeout=2) as broker:
        try:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)
        except OperationalError:
            yield BAD, "broker", f"does not answer at {broker.as_uri()} (CELERY_BROKER_URL)"
            return
    yield OK, "broker", "answers"


def _workers() -> Iterator[Finding]:
    try:
        answers = current_app.control.ping(timeout=1.5)
    except OperationalError:
        yield BAD, "workers", "cannot be asked without a broker"
        return
    if answers:
        yield OK, "workers", ", ".join(sorted(name for answer in answers for name in answer))
    else:
        yield BAD, "workers", "none answers: webhooks wait until one does"


def _cache() -> Iterator[Finding]:
    try:
        cache.set("doctor", "well", 10)
    except (OSError, RedisError):
        yield BAD, "cache", "does not answer (CACHE_URL)"
        return
    shared = not settings.CACHES["default"]["BACKEND"].endswith("LocMemCache")
    if cache.get("doctor") != "well":
        yield BAD, "cache", "does not keep what it is given"
    elif not shared:
        yield WARN, "cache", "is not shared between processes, so limits are counted by each for itself"
    else:
        yield OK, "cache", "answers"


def _accounts() -> Iterator[Finding]:
    for account in MerchantAccount.objects.filter(retired_at=None, is_active=True):
        try:
            accounts.adapter_for(account, now=timezone.now())
        except (GatewayError, KeyError, ValueError) as error:
            yield BAD, f"account {account}", f"{type(error).__name__}"
        else:
            yield OK, f"account {account}", "credentials open" + (", blocked" if account.blocked_at else "")


def _waiting_work() -> Iterator[Finding]:
    now = timezone.now()
    stuck = Delivery.objects.filter(state=Delivery.State.STUCK).count()
    yield (WARN if stuck else OK), "stuck webhooks", str(stuck)
    late = Delivery.objects.filter(state=Delivery.State.PENDING, next_attempt_at__lt=now - timedelta(minutes=1)).count()
    yield (BAD if late else OK), "webhooks due for more than a minute", str(late)
    review = Payment.objects.filter(status=Payment.Status.REVIEW).count()
    yield (WARN if review else OK), "payments under review", str(review)
    unknown = Payment.objects.filter(status=Payment.Status.UNKNOWN).count()
    yield (WARN if unknown else OK), "payments whose outcome is unknown", str(unknown)


def _letters() -> Iterator[Finding]:
    if not settings.EMAIL_URL:
        yield WARN, "e-mails", "EMAIL_URL is not set: payers get no receipts"
        return
    if settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        try:
            server = get_connection()
            server.open()
            server.close()
            yield OK, "mail server", f"{settings.EMAIL_HOST} answers"
        except OSError as error:  # every error of SMTP is one
            yield BAD, "mail server", f"{settings.EMAIL_HOST} does not take letters: {type(error).__name__}"
    else:
        yield OK if settings.DEMO else WARN, "e-mails", "are kept here and reach nobody"
    now = timezone.now()
    failed = letters.failed(now=now).count()
    yield (WARN if failed else OK), "e-mails not sent", str(failed)
    late = Letter.objects.filter(state=Letter.State.QUEUED, created_at__lt=now - timedelta(minutes=10)).count()
    yield (WARN if late else OK), "e-mails waiting for more than ten minutes", str(late)


QUESTIONS: dict[str, Callable[[], Iterator[Finding]]] = {
    "settings": _settings,
    "database": _database,
    "broker": _broker,
    "workers": _workers,
    "cache": _cache,
    "accounts": _accounts,
    "work": _waiting_work,
    "e-mails": _letters,
}
