"""`/health`: whether this installation can do its work, for people, monitors and the marketplace. No key needed.

Cheap enough to be asked every second: three small queries and one PING, each with a short limit. Nothing in the
answer is a secret, and an error is named by its kind, never by its text.
"""

import logging
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from kombu import Connection

from gateway import registry
from webhooks import delivery
from webhooks.models import Delivery

logger = logging.getLogger(__name__)
BROKER_SECONDS = 0.5
LATE_SECONDS = 60  # a delivery that is due for longer says that no worker is at work


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 when orders can be opened and webhooks go out, 503 otherwise."""
    found = examine()
    response = JsonResponse(found, status=503 if found["status"] == "down" else 200)
    response["Cache-Control"] = "no-store"
    response._has_been_logged = True  # type: ignore[attr-defined]  # what is down was just logged, with its name
    return response


def examine() -> dict[str, Any]:
    """`status` is ok, degraded (it works, somebody should look) or down."""
    database, webhooks = _database()
    broker = _broker()
    if not (database["ok"] and broker["ok"]):
        status = "down"
    else:
        status = "degraded" if webhooks["oldestDueSeconds"] > LATE_SECONDS else "ok"
    return {
        "status": status,
        "version": settings.VERSION,
        "demo": settings.DEMO,
        "database": database,
        "broker": broker,
        "webhooks": webhooks,
        "processors": [
            {
                "name": processor.slug,
                "title": processor.name,
                "modes": sorted(mode for slug, mode in settings.PROCESSOR_URLS if slug == processor.slug),
                "credentials": [field.name for field in processor.credential_fields],
            }
            for processor in registry.PROCESSORS.values()
        ],
        "at": timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _database() -> tuple[dict[str, Any], dict[str, Any]]:
    """The database and what waits in it; its own error says that it is down."""
    try:
        waiting = {
            "due": Delivery.objects.filter(next_attempt_at__lte=timezone.now()).count(),
            "oldestDueSeconds": round(delivery.oldest_due_seconds(), 1),
            "stuck": Delivery.objects.filter(state=Delivery.State.STUCK).count(),
        }
    except DatabaseError as error:
        logger.error("health: the database does not answer (%s)", type(error).__name__)
        nothing = {"due": None, "oldestDueSeconds": 0.0, "stuck": None}
        return {"ok": False, "engine": connection.vendor, "error": type(error).__name__}, nothing
    return {"ok": True, "engine": connection.vendor}, waiting


def _broker() -> dict[str, Any]:
    options = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS, "max_retries": 0}
    try:
        with Connection(settings.CELERY_BROKER_URL, connect_timeout=BROKER_SECONDS, transport_options=options) as probe:
            probe.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)
            probe.default_channel.close()
    except Exception as error:  # each transport has errors of its own, and all of them mean the same here
        logger.error("health: the broker does not answer (%s)", type(error).__name__)
        return {"ok": False, "error": type(error).__name__}
    return {"ok": True}
