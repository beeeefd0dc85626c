"""The same wish from eight threads at once, on a real database."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from checkout import idempotency
from checkout.models import IdempotencyRecord, Order, OrderEvent, Refund
from gateway.types import Mode
from tests.api.asking import send
from tests.builders import make_key, make_paid_order, make_provider

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 8


def all_at_once(act):
    """act(number) in eight threads that start together; their results."""
    barrier = threading.Barrier(THREADS)

    def run(number):
        barrier.wait(10)
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.mark.parametrize("round_", range(3))
def test_eight_threads_with_one_key_make_one_order(lab, round_):
    key = make_key(make_provider())
    body = {"apiKey": key, "amount": 100, "externalId": "A"}

    answers = all_at_once(
        lambda _: send(Client(), "/api/create-payment-intent", body, headers={"Idempotency-Key": "one"})
    )

    good = [answer for answer in answers if answer.status_code == 200]
    rest = [answer for answer in answers if answer.status_code != 200]
    order = Order.objects.get()
    assert {answer.json()["orderId"] for answer in good} == {str(order.pk)}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in good) == 1
    assert all(
        answer.json() == {"error": "A request with this Idempotency-Key is still running"} and answer.status_code == 409
        for answer in rest
    )
    assert OrderEvent.objects.count() == IdempotencyRecord.objects.count() == 1


def test_eight_threads_that_retry_a_broken_off_wish_resume_one_order(lab):
    provider = make_provider()
    key = make_key(provider)
    body = {"apiKey": key, "amount": 100}
    headers = {"Idempotency-Key": "one"}
    first = send(Client(), "/api/create-payment-intent", body, headers=headers)
    # As after a kill: the order is made, its answer was never kept, the lease has run out.
    IdempotencyRecord.objects.update(answer="", lease_until=timezone.now() - idempotency.LEASE)

    answers = all_at_once(lambda _: send(Client(), "/api/create-payment-intent", body, headers=headers))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {answer.json()["orderId"] for answer in answers if answer.status_code == 200} == {first.json()["orderId"]}
    assert Order.objects.count() == 1


def test_of_eight_threads_that_see_the_end_of_a_lease_one_goes_on(db):
    now = timezone.now()
    wish = idempotency.Wish(owner="a", mode=Mode.TEST, method="POST", path="/x", key="k", body_digest="b")
    first = idempotency.begin(wish, now=now)
    later = now + 2 * idempotency.LEASE

    def begin(_):
        try:
            return idempotency.begin(wish, now=later)
        except idempotency.StillRunning:
            return None

    claims = [claim for claim in all_at_once(begin) if claim is not None]
    assert [claim.resource_id for claim in claims] == [first.resource_id]


def test_eight_threads_with_one_refund_key_send_money_back_once(lab, client):
    provider = make_provider()
    key = make_key(provider)
    order = make_paid_order(lab, client, provider)

    answers = all_at_once(
        lambda _: send(
            Client(),
            f"/api/orders/{order.pk}/refund",
            {"amount": 60},
            headers={"x-api-key": key, "Idempotency-Key": "back"},
        )
    )

    assert {answer.status_code for answer in answers} <= {200, 202, 409}
    assert len({answer.json()["refundId"] for answer in answers if answer.status_code != 409}) == 1
    assert Refund.objects.count() == len(lab.refunds()) == 1


def test_eight_refunds_without_a_key_never_send_back_more_than_was_paid(lab, client):
    provider = make_provider()
    key = make_key(provider)
    order = make_paid_order(lab, client, provider)

    answers = all_at_once(
        lambda _: send(Client(), f"/api/orders/{order.pk}/refund", {"amount": 30}, headers={"x-api-key": key})
    )

    assert sorted(answer.status_code for answer in answers if answer.status_code >= 400) == [400] * 5
    assert sum(refund["amount"] for refund in lab.refunds()) == 9000
