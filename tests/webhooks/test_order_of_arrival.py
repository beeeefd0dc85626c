"""Events of one order arrive in order, but one that is stuck does not silence the order for ever."""

import uuid

import pytest
from django.utils import timezone

from tests.webhooks.helpers import fresh, make_due, run
from webhooks import delivery as deliveries
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
State = Delivery.State
NO = (500, {}, b"")


def sequences(receiver):
    return [int(got.headers["X-Event-Sequence"]) for got in receiver.log]


def make_stuck(row):
    for _ in range(5 - fresh(row).attempts):
        make_due(row)
        run()
    assert fresh(row).state in (State.STUCK, State.SUPERSEDED)  # the drain of the last failure went on to the next


def test_events_of_one_order_arrive_in_order(tell, receiver):
    rows = [tell() for _ in range(5)]
    make_due(*reversed(rows))
    run()

    assert sequences(receiver) == [1, 2, 3, 4, 5]


def test_a_younger_event_waits_while_its_elder_is_on_the_fast_ladder(tell, receiver):
    receiver.answers = [NO]
    elder, younger = tell(), tell()
    run()

    assert sequences(receiver) == [1]
    assert fresh(younger).attempts == 0
    make_due(elder)
    run()
    assert sequences(receiver) == [1, 1, 2]


def test_other_orders_and_other_addresses_do_not_wait(tell, receiver, receivers):
    receiver.answers = [NO]
    tell()
    run()
    other_order = tell(order_id=uuid.uuid4())
    other_address = tell(url=receivers().url)
    run()

    assert fresh(other_order).state == fresh(other_address).state == State.DELIVERED


def test_once_the_elder_is_stuck_the_younger_goes_out_and_the_elder_is_superseded(tell, receiver):
    receiver.answers = [NO] * 5
    elder, younger = tell(), tell()
    make_stuck(elder)
    run()

    assert fresh(younger).state == State.DELIVERED
    assert (fresh(elder).state, fresh(elder).next_attempt_at) == (State.SUPERSEDED, None)
    assert sequences(receiver) == [1, 1, 1, 1, 1, 2]


def test_a_stuck_elder_is_not_superseded_by_a_younger_one_that_failed_as_well(tell, receiver):
    receiver.answers = [NO] * 6
    elder, _younger = tell(), tell()
    make_stuck(elder)
    run()

    assert fresh(elder).state == State.STUCK
    assert fresh(elder).next_attempt_at is not None


def test_when_both_are_due_the_stuck_elder_goes_first(tell, receiver):
    receiver.answers = [NO] * 6
    elder, younger = tell(), tell()
    make_stuck(elder)
    run()
    make_due(elder, younger)
    run()

    assert sequences(receiver)[-2:] == [1, 2]
    assert fresh(elder).state == fresh(younger).state == State.DELIVERED


def test_an_ended_elder_holds_nobody_back(tell, receiver):
    receiver.answers = [(410, {}, b"")]
    elder, younger = tell(), tell()
    run()

    assert (fresh(elder).state, fresh(younger).state) == (State.ENDED, State.DELIVERED)


def test_a_stuck_delivery_can_be_replayed_from_the_first_attempt_with_its_body_and_id(tell, receiver):
    receiver.answers = [NO] * 5
    row = tell()
    make_stuck(row)
    assert deliveries.replay([row], now=timezone.now()) == 1
    replayed = fresh(row)
    assert (replayed.state, replayed.attempts, replayed.total_attempts) == (State.PENDING, 0, 5)
    run()

    assert fresh(row).state == State.DELIVERED
    assert len({(got.body, got.headers["webhook-id"]) for got in receiver.log}) == 1
    assert sorted(fresh(row).tries.values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6]


def test_a_replay_goes_to_the_providers_address_of_today(tell, provider, receiver, receivers):
    receiver.answers = [NO] * 5
    row = tell()
    make_stuck(row)
    moved = receivers()
    provider.webhook_url = moved.url
    provider.save()
    deliveries.replay([row.pk], now=timezone.now())
    run()

    assert len(receiver.log) == 5
    assert [got.body for got in moved.log] == [row.body.encode()]


def test_a_replay_of_an_orders_own_address_stays_there(tell, provider, receiver, receivers):
    own = receivers()
    own.answers = [NO] * 5
    row = tell(url=own.url, is_own_url=True)
    make_stuck(row)
    deliveries.replay([row], now=timezone.now())
    run()

    assert len(own.log) == 6
    assert receiver.log == []


def test_a_provider_without_an_address_has_nowhere_to_replay_to(tell, provider, receiver):
    receiver.answers = [NO] * 5
    row = tell()
    make_stuck(row)
    provider.webhook_url = ""
    provider.save()

    assert deliveries.replay([row], now=timezone.now()) == 0
    assert fresh(row).state == State.STUCK


def test_replaying_skips_what_was_superseded_or_delivered_unless_it_is_forced(tell, receiver):
    receiver.answers = [NO] * 5
    elder, younger = tell(), tell()
    make_stuck(elder)
    run()

    assert deliveries.replay([elder, younger], now=timezone.now()) == 0
    assert (fresh(elder).state, fresh(younger).state) == (State.SUPERSEDED, State.DELIVERED)
    assert deliveries.replay([elder], forced=True, now=timezone.now()) == 1
    run()
    assert fresh(elder).state == State.DELIVERED
    assert sequences(receiver)[-1] == 1


def test_a_forced_replay_that_fails_is_superseded_again(tell, receiver):
    receiver.answers = [NO] * 5
    elder, _younger = tell(), tell()
    make_stuck(elder)
    run()
    receiver.answers = [NO] * 5
    deliveries.replay([elder], forced=True, now=timezone.now())
    for _ in range(5):
        make_due(elder)
        run()

    assert (fresh(elder).state, fresh(elder).next_attempt_at) == (State.SUPERSEDED, None)


def test_what_is_on_its_fast_ladder_is_not_replayed(tell, receiver):
    receiver.answers = [NO]
    row = tell()
    run()

    assert deliveries.replay([row], forced=True, now=timezone.now()) == 0
    assert fresh(row).attempts == 1


def test_all_of_a_provider_are_replayed_at_once(tell, provider, receiver):
    receiver.answers = [NO] * 5 + [(410, {}, b"")]
    stuck = tell()
    make_stuck(stuck)
    ended = tell(order_id=uuid.uuid4())
    run()
    elsewhere = tell(provider=None, order_id=uuid.uuid4(), is_own_url=True)
    Delivery.objects.filter(pk=elsewhere.pk).update(state=State.STUCK, next_attempt_at=None, is_holding=False)

    assert set(deliveries.stuck()) == {stuck, ended, elsewhere}
    assert deliveries.replay_all_of(provider, now=timezone.now()) == 2
    run()
    assert fresh(stuck).state == fresh(ended).state == State.DELIVERED
    assert fresh(elsewhere).state == State.STUCK


def test_a_replay_to_a_new_address_skips_what_that_address_knows_better(tell, provider, receiver, receivers):
    receiver.answers = [NO] * 5
    elder = tell()
    make_stuck(elder)
    moved = receivers()
    provider.webhook_url = moved.url
    provider.save()
    tell()
    run()
    assert len(moved.log) == 1

    assert deliveries.replay([elder], now=timezone.now()) == 0
    assert deliveries.replay([elder], forced=True, now=timezone.now()) == 1


def test_a_thousand_are_replayed_with_a_handful_of_statements(provider, tell, django_assert_max_num_queries):
    from tests.webhooks.test_bad_receivers import many

    many(provider, 1000, provider.webhook_url)
    Delivery.objects.update(state=State.STUCK, is_holding=False, next_attempt_at=None)
    with django_assert_max_num_queries(15):
        assert deliveries.replay_all_of(provider, now=timezone.now()) == 1000
