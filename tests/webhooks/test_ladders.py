"""When a failed webhook is tried again. The due time in the row is the truth; time passes by moving it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils.http import http_date

from tests.webhooks.helpers import fresh, make_due, run, seconds_until_next
from webhooks import ladders
from webhooks.models import Delivery

State = Delivery.State
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE, HOUR = 60, 3600


def fail(row, times=1):
    for _ in range(times):
        make_due(row)
        run()


@pytest.mark.django_db
def test_the_provider_api_is_tried_after_0_1_2_4_and_8_seconds_and_is_stuck_then(tell, receiver):
    receiver.default = (500, {}, b"")
    row = tell()
    waits = []
    for _ in range(4):
        fail(row)
        assert fresh(row).state == State.PENDING
        waits.append(round(seconds_until_next(row), 1))
    fail(row)

    assert waits == [1, 2, 4, 8]
    assert fresh(row).state == State.STUCK
    assert len(receiver.log) == 5


@pytest.mark.django_db
def test_the_invoice_api_is_stuck_from_the_fifth_failure_though_a_sixth_try_follows_after_16_seconds(tell, receiver):
    receiver.default = (500, {}, b"")
    row = tell(ladder="invoice")
    fail(row, 4)
    assert (fresh(row).state, round(seconds_until_next(row), 1)) == (State.PENDING, 8)
    fail(row)
    assert (fresh(row).state, round(seconds_until_next(row), 1)) == (State.STUCK, 16)
    assert fresh(row).is_holding
    fail(row)
    assert fresh(row).state == State.STUCK
    assert not fresh(row).is_holding
    assert 4 * MINUTE <= seconds_until_next(row) <= 6 * MINUTE


@pytest.mark.django_db
def test_an_invoice_that_arrives_at_the_sixth_try_is_no_longer_stuck(tell, receiver):
    receiver.answers = [(500, {}, b"")] * 5
    row = tell(ladder="invoice")
    fail(row, 6)

    assert fresh(row).state == State.DELIVERED


@pytest.mark.django_db
def test_a_provider_that_wants_no_slow_ladder_gets_none(tell, provider, receiver):
    receiver.default = (500, {}, b"")
    provider.tries_webhooks_for_days = False
    provider.save()
    row = tell()
    fail(row, 5)

    assert (fresh(row).state, fresh(row).next_attempt_at) == (State.STUCK, None)


def slow(failures, *, elapsed=0.0, jitter=0.5, **given):
    return ladders.after_failure(
        ladder="provider",
        failures=failures,
        ended_at=NOW + timedelta(seconds=elapsed),
        slow_since=NOW if failures > 5 else None,
        jitter=lambda: jitter,
        **given,
    )


def test_the_slow_ladder_goes_on_until_24_hours_after_the_fast_one():
    moments = [300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
    elapsed = 0.0
    for number, moment in enumerate(moments):
        step = slow(5 + number, elapsed=elapsed)
        assert (step.next_attempt_at - NOW).total_seconds() == moment
        assert (step.state, step.is_holding, step.slow_since) == (State.STUCK, False, NOW)
        elapsed = moment + 3
    assert slow(13, elapsed=elapsed).next_attempt_at is None


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 240), (0.5, 300), (0.999999999, 360)])
def test_the_slow_ladder_is_shifted_by_a_fifth_at_most(jitter, seconds):
    assert (slow(5, jitter=jitter).next_attempt_at - NOW).total_seconds() == pytest.approx(seconds)


def test_steps_that_a_stopped_worker_swallowed_are_passed_over_instead_of_made_up_at_once():
    step = slow(6, elapsed=11 * HOUR)
    assert (step.next_attempt_at - NOW).total_seconds() == 14 * HOUR


def test_after_the_last_step_a_delivery_stays_stuck_without_a_next_try():
    step = slow(6, elapsed=40 * HOUR)
    assert (step.state, step.next_attempt_at) == (State.STUCK, None)


@pytest.mark.django_db
def test_retry_after_in_seconds_postpones_the_next_try(tell, receiver):
    receiver.answers = [(429, {"Retry-After": "30"}, b"")]
    row = tell()
    fail(row)

    assert round(seconds_until_next(row), 1) == 30
    assert fresh(row).state == State.PENDING


@pytest.mark.django_db
def test_retry_after_as_a_date_postpones_the_next_try(tell, receiver):
    at = datetime.now(UTC) + timedelta(seconds=90)
    receiver.answers = [(503, {"Retry-After": http_date(at.timestamp())}, b"")]
    row = tell()
    fail(row)

    assert 88 <= seconds_until_next(row) <= 91


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["0", "1", "soon", "-5", "", "Thu, 01 Jan 1970 00:00:00 GMT", "99999999999999999999x"])
def test_retry_after_never_shortens_the_ladder(tell, receiver, text):
    receiver.answers = [(500, {}, b""), (500, {"Retry-After": text}, b"")]
    row = tell()
    fail(row, 2)

    assert round(seconds_until_next(row), 1) == 2


@pytest.mark.parametrize("text", ["999999999999999999999999", "86401"])
def test_retry_after_is_obeyed_for_a_day_at_most(text):
    assert ladders.retry_after_seconds(text, now=NOW) == 24 * HOUR


def test_retry_after_postpones_a_step_of_the_slow_ladder_too():
    assert (slow(5, retry_after_seconds=HOUR).next_attempt_at - NOW).total_seconds() == HOUR


def test_a_receiver_that_asks_for_a_long_pause_does_not_hold_back_younger_events():
    long = ladders.after_failure(ladder="provider", failures=1, ended_at=NOW, retry_after_seconds=600)
    short = ladders.after_failure(ladder="provider", failures=1, ended_at=NOW, retry_after_seconds=20)
    assert (long.state, long.is_holding) == (State.PENDING, False)
    assert (short.state, short.is_holding) == (State.PENDING, True)


@pytest.mark.django_db
def test_410_ends_it(tell, receiver):
    receiver.answers = [(410, {}, b"")]
    row = tell()
    fail(row)

    assert (fresh(row).state, fresh(row).next_attempt_at) == (State.ENDED, None)
    run()
    assert len(receiver.log) == 1


@pytest.mark.django_db
def test_one_drain_stays_for_the_first_rungs_and_keeps_them_on_time(tell, receiver):
    receiver.answers = [(500, {}, b"")] * 2
    row = tell()
    run(linger_seconds=2.0)

    assert fresh(row).state == State.DELIVERED
    first, second, third = (got.at for got in receiver.log)
    assert second - first == pytest.approx(1, abs=0.35)
    assert third - second == pytest.approx(2, abs=0.35)
