"""Workers die, pause and run side by side: every webhook arrives, and none is posted twice within its lease."""

import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from tests.webhooks.helpers import fresh, make_due, run, say
from webhooks import claims
from webhooks import delivery as deliveries
from webhooks.models import Attempt, Delivery, DrainSlot

State = Delivery.State
pytestmark = pytest.mark.django_db(transaction=True)


def claim_all(lease_id=None, lease_seconds=20.0):
    outlook = claims.look()
    room = dict.fromkeys(outlook.hosts, 100)
    lease_id = lease_id or uuid.uuid4()
    return claims.claim(room, clock=outlook.clock, lease_id=lease_id, lease_seconds=lease_seconds)


def test_a_claimed_row_belongs_to_nobody_else_until_its_lease_ends(tell):
    row = tell()
    assert [claimed.pk for claimed in claim_all()] == [row.pk]
    assert claim_all() == []
    make_due(row)  # the lease has run out
    assert [claimed.pk for claimed in claim_all()] == [row.pk]
    assert fresh(row).attempts == 0  # claiming is no attempt


def test_one_row_of_an_order_is_claimed_at_a_time_even_by_two_workers(tell):
    rows = [tell() for _ in range(3)]
    assert [claimed.pk for claimed in claim_all()] == [rows[0].pk]
    assert claim_all() == []


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_post_loses_nothing(tell, receiver, spawn, child_environment):
    posted = threading.Event()

    def hang(handler):
        posted.set()
        time.sleep(5)

    receiver.answers = [hang]
    row = tell()
    child = spawn([sys.executable, "-m", "tests.webhooks.child", "10"], environment=child_environment)
    assert posted.wait(20), child.output
    child.kill()

    row = fresh(row)
    assert (row.state, row.attempts, row.lease_id is None) == (State.PENDING, 0, False)
    run()
    assert len(receiver.log) == 1  # its lease still runs
    make_due(row)
    run()
    assert (fresh(row).state, fresh(row).attempts) == (State.DELIVERED, 1)
    assert len({got.body for got in receiver.log}) == 1


@pytest.mark.slow
def test_two_worker_processes_side_by_side_deliver_everything_once(tell, receiver, spawn, child_environment):
    rows = [tell(order_id=uuid.uuid4()) for _ in range(300)]
    command = [sys.executable, "-m", "tests.webhooks.child", "10"]
    children = [spawn(command, environment=child_environment) for _ in range(2)]
    for child in children:
        child.wait_for("Drained(", timeout=60)

    assert not Delivery.objects.exclude(state=State.DELIVERED).exists()
    assert Counter(got.headers["webhook-id"] for got in receiver.log) == {f"msg_{row.pk.hex}": 1 for row in rows}


def test_threads_that_drain_at_once_post_nothing_twice(tell, receiver):
    for _ in range(40):
        tell(order_id=uuid.uuid4())
    for _ in range(20):
        tell()

    def drain(_):
        try:
            return run()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(drain, range(4)))
    run()

    assert len(receiver.log) == 60
    assert max(Counter(got.headers["webhook-id"] for got in receiver.log).values()) == 1
    assert Attempt.objects.count() == 60


def test_what_a_worker_records_after_its_lease_went_to_another_changes_nothing(tell, receiver):
    row = tell()

    def steal(handler):
        make_due(row)
        claim_all(lease_seconds=60)
        connection.close()
        say(handler, 500)

    receiver.answers = [steal]
    done = run()

    stolen = fresh(row)
    assert done.lost == 1
    assert (stolen.state, stolen.attempts, stolen.last_error) == (State.PENDING, 0, "")
    assert stolen.lease_id is not None
    assert Attempt.objects.get().status == 500  # what happened is kept


def test_a_replay_while_an_attempt_is_on_its_way_starts_from_the_first_attempt(tell, receiver):
    row = tell()
    Delivery.objects.filter(pk=row.pk).update(state=State.STUCK, is_holding=False, attempts=7)

    def replay(handler):
        deliveries.replay([row.pk], now=timezone.now())
        connection.close()
        say(handler, 500)

    receiver.answers = [replay]
    run()

    assert (fresh(row).state, fresh(row).attempts) == (State.DELIVERED, 1)
    assert len(receiver.log) == 2


def test_a_delivery_deleted_while_it_is_posted_takes_no_other_with_it(tell, receiver):
    row, other = tell(), tell(order_id=uuid.uuid4())

    def delete(handler):
        Delivery.objects.filter(pk=row.pk).delete()
        connection.close()
        say(handler, 200)

    receiver.answers = [
        lambda handler: delete(handler) if handler.headers["webhook-id"].endswith(row.pk.hex) else say(handler, 200)
    ] * 2
    run()

    assert fresh(other).state == State.DELIVERED
    assert Attempt.objects.count() == 1


@pytest.mark.postgres
def test_a_database_connection_lost_in_the_middle_of_a_drain_costs_no_second_delivery(tell, receiver):
    def cut(handler):
        with connection.cursor() as cursor:  # this thread's own connection ends all others
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()
        say(handler, 200)

    receiver.answers = [cut]
    rows = [tell(), tell()]
    run()

    assert {fresh(row).state for row in rows} == {State.DELIVERED}
    assert len(receiver.log) == 2


@pytest.mark.postgres
def test_a_database_that_is_gone_ends_the_drain_and_the_next_one_goes_on(tell, receiver, monkeypatch):
    import psycopg

    from webhooks import drain as drain_module

    monkeypatch.setattr(drain_module, "RECORD_AGAIN_SECONDS", (0.05,))
    name = connection.settings_dict["NAME"]
    aside = psycopg.connect(host=connection.settings_dict["HOST"], user="postgres", dbname="postgres", autocommit=True)
    row = tell()

    def shut(handler):
        aside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        aside.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        say(handler, 200)

    receiver.answers = [shut]
    try:
        done = run()
    finally:
        aside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        aside.close()

    assert (done.posted, done.lost) == (1, 1)
    assert (fresh(row).state, fresh(row).attempts) == (State.PENDING, 0)
    make_due(row)  # its lease runs out
    run()
    assert fresh(row).state == State.DELIVERED


def test_a_claim_too_old_to_be_posted_is_given_back_and_is_no_attempt(tell, receiver, settings):
    from webhooks import options
    from webhooks.drain import Drain

    row = tell()
    drain = Drain(options=options.current())
    outlook = claims.look()
    drain._clock = outlook.clock
    claimed = claims.claim({outlook.hosts[0]: 1}, clock=outlook.clock, lease_id=drain.lease_id, lease_seconds=22)
    drain._post(claimed, lease_ends=time.monotonic() + 10.5)
    drain._close()

    assert receiver.log == []
    assert (fresh(row).attempts, fresh(row).lease_id) == (0, None)
    run()
    assert fresh(row).state == State.DELIVERED


def test_of_many_kicks_at_once_one_drain_does_the_work(tell, receiver):
    held, go_on = threading.Event(), threading.Event()

    def hold(handler):
        held.set()
        go_on.wait(8)
        say(handler, 200)

    receiver.answers = [hold]
    tell()

    def drain(_=None):
        try:
            return deliveries.drain_if_free()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(drain)
        assert held.wait(10)
        others = list(pool.map(drain, range(6)))
        assert not first.done()  # they went home while it was at work
        assert sum(done.posted for done in others) == 0
        late = tell(order_id=uuid.uuid4())  # its kick would go home too
        go_on.set()
        assert first.result().posted == 2

    assert fresh(late).state == State.DELIVERED
    assert not DrainSlot.objects.exclude(holder=None).exists()


def test_the_seat_of_a_killed_drain_falls_free(tell, receiver):
    from webhooks import slots

    slots.take(1)
    tell()
    assert deliveries.drain_if_free().posted == 0
    from datetime import timedelta

    from django.db.models.functions import Now

    DrainSlot.objects.update(held_until=Now() - timedelta(seconds=1))
    assert deliveries.drain_if_free().posted == 1


@pytest.mark.postgres
def test_an_answer_that_no_row_can_hold_costs_neither_the_others_nor_the_ladder(tell, receiver):
    from webhooks.sender import Answer, Sender

    class Odd(Sender):
        async def post(self, parcel):
            answer = await super().post(parcel)
            return Answer(status=500, error="x" * 400, body="\x00") if parcel.body == b"odd" else answer

    odd, other = tell(body="odd"), tell(order_id=uuid.uuid4())
    run(sender=lambda: Odd(timeout_seconds=5))

    assert fresh(other).state == State.DELIVERED
    assert (fresh(odd).state, fresh(odd).attempts, fresh(odd).last_error) == (State.PENDING, 1, "x" * 100)
