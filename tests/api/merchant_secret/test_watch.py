from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from checkout import orders, refunds
from checkout.models import Order, Payment
from tests.api.asking import refused
from tests.api.merchant_secret.asking import start, watch
from tests.api.merchant_secret.selling import order_of
from tests.pages.invoices import payme_takes, press_pay

UNKNOWN = (404, "There is no payment with this watch code")


@pytest.fixture
def order(client, secret):
    return order_of(start(client, secret, 100_000))


def test_a_payment_is_created_until_it_is_completed_as_the_document_shows(client, order, time_machine):
    Order.objects.update(created_at=datetime(2026, 11, 20, 9, 5, 7, 999_999, tzinfo=UTC))
    before = watch(client, order.watch_code)
    time_machine.move_to(datetime(2026, 11, 20, 10, 0, 59, tzinfo=UTC), tick=False)
    Order.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    payme_takes(client, order)
    after = watch(client, order.watch_code)

    told = {"status": "created", "amount": 100_000, "merchant": "Choyxona", "created_at": "2026-11-20 09:05:07"}
    assert before.status_code == after.status_code == 200
    assert before.json() == {**told, "completed_at": None}
    assert list(before.json()) == ["status", "amount", "merchant", "created_at", "completed_at"]
    assert after.json() == {**told, "status": "completed", "completed_at": "2026-11-20 10:00:59"}


def test_what_went_back_stays_completed(client, order):
    payme_takes(client, order)
    completed = watch(client, order.watch_code)
    from tests.pages.invoices import payme

    payme(client, "CancelTransaction", id="65f0000000000000000000a1", reason=5)
    order.refresh_from_db()
    assert order.status == "refunded"
    assert watch(client, order.watch_code).content == completed.content


@pytest.mark.parametrize("status", ["pending", "processing", "failed", "cancelled", "expired"])
def test_whatever_is_not_paid_is_created(client, order, status):
    if status == "cancelled":
        orders.cancel_order(order_id=order.pk, cause="test", now=timezone.now())
    else:
        Order.objects.update(status=status)
    assert watch(client, order.watch_code).json()["status"] == "created"
    assert watch(client, order.watch_code).json()["completed_at"] is None


@pytest.mark.parametrize("code", ["x", "wc_" + "0" * 32, "wc_" + "0" * 31, "wc_%00", "a/b", "wc_" + "é" * 32, "%F0%9F"])
def test_an_unknown_code_is_404_in_json(client, db, code):
    answer = client.get(f"/watch/{code}")
    assert answer.status_code == 404 and list(answer.json()) == ["error"]


def test_other_names_of_the_order_are_no_watch_code(client, order):
    for name in (order.code, order.token, order.receipt_code, str(order.pk), order.watch_code.upper()):
        refused(watch(client, name), *UNKNOWN)


def test_it_can_be_asked_with_its_etag_and_is_304_until_something_changes(client, order):
    first = watch(client, order.watch_code)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"

    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = watch(client, order.watch_code, **{"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["ETag"], again.headers["Cache-Control"]) == (tag, "private, no-cache")
        assert again.headers["X-Request-Id"]
    assert watch(client, order.watch_code, **{"If-None-Match": '"other"'}).status_code == 200

    payme_takes(client, order)
    news = watch(client, order.watch_code, **{"If-None-Match": tag})
    assert news.status_code == 200 and news.json()["status"] == "completed" and news.headers["ETag"] != tag


def test_head_tells_the_same_without_a_body(client, order):
    asked = watch(client, order.watch_code)
    answer = client.head(f"/watch/{order.watch_code}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["ETag"] == asked.headers["ETag"]


def test_other_sites_may_not_read_it_and_nobody_may_change_it(client, order):
    answer = watch(client, order.watch_code, Origin="https://evil.test")
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert client.post(f"/watch/{order.watch_code}").status_code == 405
    assert client.options(f"/watch/{order.watch_code}").status_code == 405


def test_a_poll_is_one_query_whatever_the_state(client, order, django_assert_num_queries):
    with django_assert_num_queries(1):
        tag = watch(client, order.watch_code).headers["ETag"]
    with django_assert_num_queries(1):
        watch(client, order.watch_code, **{"If-None-Match": tag})
    press_pay(order, "payme")
    with django_assert_num_queries(1):
        watch(client, order.watch_code)
    payme_takes(client, order)
    with django_assert_num_queries(1):
        watch(client, order.watch_code)


def test_a_look_brings_the_question_to_the_processor_forward_and_the_next_one_writes_nothing(
    client, order, django_assert_num_queries
):
    press_pay(order, "payme")
    later = timezone.now() + timedelta(hours=1)
    Payment.objects.update(next_ask_at=later)
    with django_assert_num_queries(2):
        watch(client, order.watch_code)
    assert Payment.objects.get().next_ask_at < later
    with django_assert_num_queries(1):
        watch(client, order.watch_code)

    Payment.objects.update(next_ask_at=later, last_asked_at=timezone.now())
    with django_assert_num_queries(1):
        watch(client, order.watch_code)
    assert Payment.objects.get().next_ask_at == later


def test_sane_polling_is_never_refused_and_hammering_is_told_when_to_come_again(
    client, order, settings, time_machine, django_assert_num_queries
):
    settings.RATE_LIMIT_SCALE = 1
    time_machine.move_to(datetime(2026, 11, 20, 10, 0, 10, tzinfo=UTC), tick=False)
    answers = [watch(client, order.watch_code) for _ in range(120)]
    assert {answer.status_code for answer in answers} == {200}
    with django_assert_num_queries(0):
        answer = watch(client, order.watch_code)
    refused(answer, 429, "Too many requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 63


def test_one_payment_polled_hard_does_not_hold_up_another_and_guesses_are_counted_by_address(
    client, secret, order, settings, time_machine
):
    settings.RATE_LIMIT_SCALE, settings.ANONYMOUS_CALLS_PER_MINUTE = 1, 5
    time_machine.move_to(timezone.now(), tick=False)
    for _ in range(130):
        watch(client, order.watch_code)
    other = order_of(start(client, secret))
    assert watch(client, other.watch_code).status_code == 200

    guesses = [watch(client, f"wc_{number:032x}").status_code for number in range(6)]
    assert guesses == [404] * 5 + [429]
    assert watch(client, other.watch_code).status_code == 200


def test_a_part_that_went_back_leaves_the_whole_amount(client, order):
    payme_takes(client, order)
    order.refresh_from_db()
    assert refunds.remaining_minor(order.paid_by) == 100_000
    assert watch(client, order.watch_code).json()["amount"] == 100_000
