"""`/health`, for monitors and for the marketplace; and what callers hear while a part is down."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.conftest import ROOT

pytestmark = pytest.mark.django_db


def test_health_is_200_without_a_key_while_database_and_broker_answer(client, broker):
    answer = client.get("/health")
    assert answer.status_code == 200
    told = answer.json()
    assert told["status"] == "ok"
    assert told["database"]["ok"] is True
    assert told["broker"] == {"ok": True}
    assert told["webhooks"] == {"due": 0, "oldestDueSeconds": 0, "stuck": 0}
    [stripe] = [processor for processor in told["processors"] if processor["name"] == "stripe"]
    assert stripe["credentials"] == ["secretKey", "webhookSecret"]
    assert answer["Cache-Control"] == "no-store"


def test_health_is_503_while_the_broker_is_down_and_orders_can_still_be_read(client, broker):
    broker.stop()
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "down"
    assert answer.json()["broker"]["ok"] is False
    assert answer.json()["database"]["ok"] is True
    assert client.get("/api/orders", headers={"x-api-key": "provider_test_" + "0" * 48}).status_code == 401


def test_health_costs_few_queries(client, broker, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        client.get("/health")


def test_health_says_that_somebody_should_look_when_a_webhook_waits_too_long(client, broker):
    from tests.builders import make_provider
    from webhooks.models import Delivery

    now = timezone.now()
    provider = make_provider(with_account=False)
    Delivery.objects.create(
        provider=provider,
        order_id=provider.pk,
        event_id=provider.pk,
        event_kind="payment_succeeded",
        sequence=1,
        url="https://shop.test/hooks",
        host="shop.test:443",
        body="{}",
        ladder="provider",
        next_attempt_at=now - timedelta(minutes=5),
        created_at=now - timedelta(minutes=5),
    )
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["webhooks"]["due"] == 1
    assert 299 < answer.json()["webhooks"]["oldestDueSeconds"] < 320


SCRIPT = """
import json, django
django.setup()
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
client = Client(raise_request_exception=False)
health = client.get("/health")
call = client.post("/api/create-payment-intent", {"apiKey": "provider_test_" + "0" * 48}, "application/json")
unknown = client.get("/api/nothing-here")
page = client.get("/nothing-here")
print(json.dumps({
    "health": [health.status_code, health.json()],
    "call": [call.status_code, call.json()],
    "unknown": [unknown.status_code, unknown.json()],
    "page": [page.status_code, page["Content-Type"], page.content.decode()],
}))
"""


@pytest.mark.once
def test_while_the_database_is_down_health_says_so_and_the_api_answers_its_own_500(tmp_path):
    environment = os.environ | {
        "DATABASE_URL": "postgres://postgres:s3cr3t-passw0rd@127.0.0.1:9/pay",
        "CACHE_URL": "locmemcache://",
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, cwd=ROOT, capture_output=True, text=True)
    told = json.loads(run.stdout.splitlines()[-1])
    status, health = told["health"]
    assert status == 503
    assert health["database"] == {"ok": False, "engine": "postgresql", "error": "OperationalError"}
    assert told["call"] == [500, {"error": "Server error"}]
    assert told["unknown"] == [404, {"error": "Not found"}]
    status, kind, page = told["page"]
    assert (status, kind) == (404, "text/html; charset=utf-8")
    assert "<h1" in page
    assert "s3cr3t-passw0rd" not in run.stdout + run.stderr
