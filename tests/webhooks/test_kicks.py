"""A kick makes it fast; nothing depends on it. A broker that is down is nobody's trouble but the sweep's."""

import socket
import time
import uuid

import pytest
from django.db import transaction
from django.utils import timezone

from tests.webhooks.helpers import fresh, make_due
from webhooks import delivery as deliveries
from webhooks import kick, tasks
from webhooks.models import Attempt, Delivery

State = Delivery.State
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def publisher(monkeypatch):
    made = kick._Publisher()
    monkeypatch.setattr(kick, "_publisher", made)
    return made


def point_at(monkeypatch, url):
    from celery import current_app

    monkeypatch.setattr(current_app.conf, "broker_url", url)
    monkeypatch.setattr(current_app.conf, "broker_write_url", url)


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until(true, seconds=15.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def queued(broker):
    import redis
    from celery import current_app

    return redis.Redis(unix_socket_path=str(broker.socket)).llen(current_app.conf.task_default_queue)


@pytest.mark.parametrize("kind", ["closed", "silent"])
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_dead_broker_costs_a_commit_nothing_and_is_left_alone_for_a_while(tell, publisher, monkeypatch, kind, scheme):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1] if kind == "silent" else closed_port()
        point_at(monkeypatch, f"{scheme}://127.0.0.1:{port}/")
        monkeypatch.setattr(kick, "SOCKET_SECONDS", 3.0)  # so that waiting for it is told from a slow machine
        failures = kick.failures
        started = time.monotonic()
        row = tell()
        assert time.monotonic() - started < 2
        wait_until(lambda: kick.failures == failures + 1)
        for _ in range(5):
            tell(order_id=uuid.uuid4())
        time.sleep(0.2)

    assert kick.failures == failures + 1
    assert fresh(row).state == State.PENDING


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_failed_kick_does_not_wait_for_a_silent_broker(publisher, monkeypatch, kind):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1] if kind == "silent" else closed_port()
        point_at(monkeypatch, f"redis://127.0.0.1:{port}/0")
        publisher.publish()  # imports the transport
        started = time.monotonic()
        assert publisher.publish() is False
        assert time.monotonic() - started < 4 * kick.SOCKET_SECONDS  # without a limit it would wait for ever


def test_many_commits_lead_to_few_kicks_and_one_follows_the_last(tell, publisher, broker):
    tell()
    wait_until(lambda: queued(broker) == 1)
    for _ in range(50):
        tell(order_id=uuid.uuid4())
    before_the_last = queued(broker)
    tell(order_id=uuid.uuid4())
    wait_until(lambda: queued(broker) > before_the_last)
    assert queued(broker) < 25


def test_what_is_rolled_back_is_neither_written_nor_kicked(provider, tell, publisher, broker):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell()
        raise ZeroDivisionError
    time.sleep(0.1)

    assert queued(broker) == 0
    assert not Delivery.objects.exists()


@pytest.mark.slow
@pytest.mark.parametrize("pool", [("-P", "prefork", "-c", "2"), ("-P", "solo"), ("-P", "threads", "-c", "4")])
def test_a_real_worker_delivers_within_a_moment_of_the_commit(tell, receiver, publisher, broker, worker, pool):
    worker(*pool)
    started = time.monotonic()
    row = tell()
    wait_until(lambda: fresh(row).state == State.DELIVERED)
    assert time.monotonic() - started < 2.5
    for _ in range(20):
        tell(order_id=uuid.uuid4())
    wait_until(lambda: not Delivery.objects.exclude(state=State.DELIVERED).exists())

    assert len(receiver.log) == 21


@pytest.mark.slow
def test_the_sweep_delivers_what_was_committed_while_the_broker_was_down(
    tell, receiver, publisher, broker, worker, monkeypatch
):
    good = broker.broker_url
    point_at(monkeypatch, f"redis://127.0.0.1:{closed_port()}/0")
    row = tell()
    point_at(monkeypatch, good)
    worker("-P", "prefork", "-c", "2")

    wait_until(lambda: fresh(row).state == State.DELIVERED)
    assert len(receiver.log) == 1


@pytest.mark.slow
def test_a_worker_and_its_successor_keep_the_ladder_when_the_first_is_killed(
    tell, receiver, publisher, broker, worker, tmp_path
):
    receiver.answers = [(500, {}, b"")]
    first = worker("-P", "prefork", "-c", "2")
    row = tell()
    wait_until(lambda: Attempt.objects.count() >= 1)
    first.kill()
    make_due(row)
    worker("-P", "prefork", "-c", "2", "--beat", "--schedule", str(tmp_path / "beat"))

    wait_until(lambda: fresh(row).state == State.DELIVERED, 20)
    assert len({got.body for got in receiver.log}) == 1


def test_the_sweep_asks_one_question_when_nothing_is_due(provider, django_assert_num_queries):
    with django_assert_num_queries(1):
        tasks.sweep()


def test_a_sweep_delivers_what_is_due(tell, receiver):
    row = tell()
    tasks.sweep()
    assert fresh(row).state == State.DELIVERED


def test_health_knows_how_long_the_oldest_due_delivery_has_waited(tell):
    from datetime import timedelta

    assert deliveries.oldest_due_seconds() == 0.0
    row = tell()
    Delivery.objects.filter(pk=row.pk).update(next_attempt_at=timezone.now() - timedelta(seconds=90))
    assert deliveries.oldest_due_seconds() == pytest.approx(90, abs=2)
    Delivery.objects.filter(pk=row.pk).update(next_attempt_at=timezone.now() + timedelta(seconds=90))
    assert deliveries.oldest_due_seconds() == 0.0


def test_answers_are_forgotten_after_thirty_days_and_the_attempts_stay(tell, receiver):
    from datetime import timedelta

    old, young = tell(), tell(order_id=uuid.uuid4())
    tasks.sweep()
    Attempt.objects.filter(delivery=old).update(started_at=timezone.now() - timedelta(days=31))

    assert deliveries.delete_old_attempt_bodies(now=timezone.now()) == 1
    assert Attempt.objects.get(delivery=old).response_body == ""
    assert Attempt.objects.get(delivery=old).status == 200
    assert Attempt.objects.get(delivery=young).response_body == "ok"
    assert deliveries.delete_old_attempt_bodies(now=timezone.now()) == 0
