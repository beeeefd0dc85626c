"""Receivers that are slow, endless or rude, and what they can do to others: nothing."""

import gzip
import socket
import threading
import time
import uuid

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.webhooks.helpers import fresh, run, say
from webhooks import hosts, outbox
from webhooks.hosts import Gate, Memory
from webhooks.models import Attempt, Delivery
from webhooks.options import Options

State = Delivery.State


def drip(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b".")
        handler.wfile.flush()
        time.sleep(0.1)


def endless(handler):
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    for _ in range(4096):
        handler.wfile.write(b"x" * 4096)


def silent(handler):
    time.sleep(3)


@pytest.mark.django_db
def test_the_time_limit_holds_for_the_whole_answer(tell, receiver, quick):
    receiver.answers = [drip]
    row = tell()
    started = time.monotonic()
    run()

    assert 0.9 < time.monotonic() - started < 6  # it would drip for ten seconds
    assert fresh(row).state == State.PENDING
    assert fresh(row).last_error == "No complete answer within 1 seconds."


@pytest.mark.django_db
def test_a_receiver_that_says_nothing_is_left_when_the_time_is_up(tell, receiver, quick):
    receiver.answers = [silent]
    row = tell()
    run()

    assert (fresh(row).state, fresh(row).last_status) == (State.PENDING, None)
    assert 900 <= Attempt.objects.get().duration_ms <= 1900


@pytest.mark.django_db
def test_an_endless_answer_is_read_to_64_kib_and_its_status_counts(tell, receiver):
    receiver.answers = [endless]
    row = tell()
    run()

    assert fresh(row).state == State.DELIVERED
    assert Attempt.objects.get().response_body == "x" * 4096


@pytest.mark.django_db
def test_a_small_answer_cannot_unpack_into_a_large_one(tell, receiver):
    bomb = gzip.compress(b"\0" * 30_000_000)
    receiver.answers = [(200, {"Content-Encoding": "gzip"}, bomb)]
    row = tell()
    run()

    assert fresh(row).state == State.DELIVERED
    assert len(Attempt.objects.get().response_body) <= 4096


@pytest.mark.django_db
def test_a_heap_of_headers_is_kept_within_bounds(tell, receiver):
    receiver.answers = [(200, {f"X-{number}": "y" * 600 for number in range(60)}, b"")]
    tell()
    run()

    kept = Attempt.objects.get().response_headers
    assert len(kept) == 40
    assert max(map(len, kept.values())) == 500


@pytest.mark.django_db
@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 banana\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"],
)
def test_what_is_no_http_is_a_failure_in_plain_words(tell, answer):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        peer, _ = listener.accept()
        peer.recv(65536)
        peer.sendall(answer)
        peer.close()

    threading.Thread(target=serve, daemon=True).start()
    row = tell(url=f"http://127.0.0.1:{listener.getsockname()[1]}/")
    run()
    listener.close()

    assert fresh(row).state == State.PENDING
    assert fresh(row).last_error.endswith(".")


@pytest.mark.django_db
def test_nobody_at_home_is_said_in_plain_words(tell):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    row = tell(url=f"http://127.0.0.1:{port}/")
    run()

    assert fresh(row).last_error == "127.0.0.1 refused the connection."


@pytest.mark.django_db
def test_a_kept_connection_that_the_receiver_closed_meanwhile_is_no_failure(provider, tell):
    """Some servers close idle connections without a word; the next post must not pay for it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            peer.recv(65536)  # the next request on this connection gets a closed door
            peer.close()

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    rows = [tell(url=url) for _ in range(3)]  # one order: one after the other, on one connection
    run()
    listener.close()

    assert {fresh(row).state for row in rows} == {State.DELIVERED}
    assert Attempt.objects.count() == 3


def many(provider, count, url):
    with transaction.atomic():
        made = [
            outbox.Message(
                provider=provider,
                order_id=uuid.uuid4(),
                event_id=uuid.uuid4(),
                event_kind="payment_succeeded",
                sequence=1,
                url=url,
                body="{}",
                ladder="provider",
            )
            for _ in range(count)
        ]
        Delivery.objects.bulk_create(
            [
                Delivery(
                    provider=provider,
                    order_id=message.order_id,
                    event_id=message.event_id,
                    event_kind=message.event_kind,
                    sequence=1,
                    url=url,
                    host=outbox.host_of(url),
                    body=message.body,
                    ladder=message.ladder,
                    next_attempt_at=timezone.now(),
                    created_at=timezone.now(),
                )
                for message in made
            ],
            batch_size=1000,
        )


@pytest.mark.slow
@pytest.mark.django_db
def test_ten_thousand_due_rows_of_a_dead_host_do_not_hold_up_ten_of_healthy_ones(
    provider, tell, receiver, receivers, settings
):
    settings.WEBHOOK_TIMEOUT_SECONDS = 5.0
    settings.WEBHOOK_DRAIN_SECONDS = 0.5
    dead = receivers()
    dead.default = lambda handler: time.sleep(5.5)
    many(provider, 10_000, dead.url)
    rows = [tell(order_id=uuid.uuid4()) for _ in range(10)]
    delivered_at = []

    def watch(handler):
        delivered_at.append(time.monotonic())
        say(handler, 200)

    receiver.default = watch
    started = time.monotonic()
    run()

    assert len(delivered_at) == 10
    assert max(delivered_at) - started < 1
    assert {fresh(row).state for row in rows} == {State.DELIVERED}
    assert dead.most_at_once <= 4


@pytest.mark.django_db
def test_looking_for_work_costs_no_more_with_ten_thousand_rows_of_one_host(provider, tell):
    from webhooks import claims

    many(provider, 10_000, "http://dead.test/")
    tell()
    started = time.monotonic()
    for _ in range(10):
        assert len(claims.look().hosts) == 2
    assert (time.monotonic() - started) / 10 < 0.02


def gate(**given):
    values = {"in_flight": 64, "first_per_host": 4, "most_per_host": 32, "drains": 1, "budget_seconds": 1}
    return Gate(Options(timeout_seconds=10, **{**values, **given}), Memory())


def test_an_unknown_host_gets_four_places():
    assert gate().room(["a", "b"]) == {"a": 4, "b": 4}


def test_everybody_gets_one_place_before_anybody_gets_two():
    assert gate(in_flight=5).room(["a", "b", "c", "d"]) == {"a": 2, "b": 1, "c": 1, "d": 1}


def test_a_host_that_answers_well_gets_more_and_one_that_fails_ends_at_one():
    places = gate()
    for _ in range(50):
        places.learn("good", is_success=True)
    for _ in range(3):
        places.learn("bad", is_success=False)
    assert places.room(["good", "bad"]) == {"good": 32, "bad": 1}


def test_failing_hosts_together_get_half_of_the_places_however_many_they_are():
    places = gate()
    dead = [f"dead{number}" for number in range(200)]
    for host in dead:
        places.learn(host, is_success=False)
    room = places.room([*dead, "new"])
    assert sum(count for host, count in room.items() if host != "new") == 32
    assert room["new"] == 4


def test_no_host_gets_places_that_are_taken():
    places = gate()
    for _ in range(4):
        places.enter("a")
    assert places.room(["a"]) == {}
    places.leave("a")
    assert places.room(["a"]) == {"a": 1}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_drain_does_not_make_new_rows_wait_for_a_dead_host(provider, tell, receiver, receivers, settings):
    settings.WEBHOOK_TIMEOUT_SECONDS = 3.0
    settings.WEBHOOK_DRAIN_SECONDS = 0.5
    dead = receivers()
    dead.default = lambda handler: time.sleep(3.5)
    many(provider, 50, dead.url)
    hosts.PROCESS_MEMORY.put(outbox.host_of(dead.url), hosts._Record(1, True, time.monotonic()))
    arrived = {}
    receiver.default = lambda handler: (
        arrived.setdefault(handler.headers["webhook-id"], time.monotonic()),
        say(handler, 200),
    )
    drain = threading.Thread(target=lambda: (run(), connection.close()))
    began = time.monotonic()
    drain.start()
    time.sleep(1.0)  # past its time, still waiting for the dead host
    row = tell(order_id=uuid.uuid4())
    drain.join()

    assert arrived[f"msg_{row.pk.hex}"] - began < settings.WEBHOOK_TIMEOUT_SECONDS
