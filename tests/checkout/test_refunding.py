"""Money going back: never more than was taken, never twice, never lost."""

import json

import pytest
from django.contrib.auth import get_user_model

from checkout import refunds
from checkout.errors import IdempotencyMismatch, NotRefundable, RefundTooLarge, SamePerson
from checkout.models import Refund
from tests.builders import callback, later, make_order, make_paid_order, make_provider, start_payment
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


def refund(order, amount_minor=None, *, key="", now=None, **more):
    return refunds.request_refund(
        order_id=order.pk, amount_minor=amount_minor, reason="asked for it", idempotency_key=key,
        requested_by="test", cause="test", now=now or later(seconds=0), **more,
    )  # fmt: skip


def told(order):
    found = Delivery.objects.filter(order_id=order.pk, event_kind="payment_refunded").order_by("sequence")
    return [(body["status"], body["amount"], body["refundedAmount"]) for body in (json.loads(d.body) for d in found)]


def test_part_of_it_leaves_the_order_paid_and_the_rest_refunds_it(lab, client):
    order = make_paid_order(lab, client)
    assert refund(order, 2_550).status == "succeeded"
    order.refresh_from_db()
    assert (order.status, order.refunded_minor) == ("paid", 2_550)
    assert refund(order).amount_minor == 7_450
    order.refresh_from_db()
    assert (order.status, order.refunded_minor) == ("refunded", 10_000)
    assert told(order) == [("paid", 100, 25.5), ("refunded", 100, 100)]
    assert sorted(r["amount"] for r in lab.refunds()) == [2_550, 7_450]


def test_never_more_than_what_is_left(lab, client):
    order = make_paid_order(lab, client)
    refund(order, 6_000)
    for wanted in (4_001, 0, -1):
        with pytest.raises(RefundTooLarge):
            refund(order, wanted)
    refund(order, 4_000)
    with pytest.raises(NotRefundable):
        refund(order)
    assert len(lab.refunds()) == 2 and Refund.objects.count() == 2


def test_an_unpaid_order_has_nothing_to_refund(lab):
    order = make_order(make_provider())
    start_payment(order)
    with pytest.raises(NotRefundable):
        refund(order)
    assert Refund.objects.count() == 0


def test_the_same_key_is_the_same_refund_and_other_content_is_refused(lab, client):
    order = make_paid_order(lab, client)
    assert refund(order, 1_000, key="k").pk == refund(order, 1_000, key="k").pk
    with pytest.raises(IdempotencyMismatch):
        refund(order, 2_000, key="k")
    assert [r["amount"] for r in lab.refunds()] == [1_000]


@pytest.mark.parametrize("fault", ["reset_after", "reset_before", "500"])
def test_an_unclear_answer_is_asked_about_and_never_refunds_twice(lab, client, fault):
    order = make_paid_order(lab, client)
    lab.fault(fault, match={"operation": "refunds.create"})
    assert refund(order, 3_000).status == "unknown"
    with pytest.raises(RefundTooLarge):
        refund(order, 7_001)  # the unclear one stays reserved
    for minutes in (1, 2, 3):
        refunds.ask_due_refunds(now=later(minutes=minutes))
    order.refresh_from_db()
    succeeded = [r["amount"] for r in lab.refunds() if r["status"] == "succeeded"]
    # Stripe repeats a stored 500 under the same key: it is looked for again, and sent under another one.
    assert (order.refunded_minor, succeeded) == (3_000, [3_000])


def test_a_refund_that_fails_later_makes_the_order_paid_again(lab, client):
    order = make_paid_order(lab, client)
    done = refund(order)
    order.refresh_from_db()
    assert order.status == "refunded"
    lab.control(f"/stripe/refunds/{done.processor_ref}/act", outcome="fail", failure_reason="lost_or_stolen_card")
    assert callback(client, lab.events("refund.failed")[0]).status_code == 200
    order.refresh_from_db()
    done.refresh_from_db()
    assert (order.status, order.refunded_minor, done.status) == ("paid", 0, "failed")
    assert order.events.last().kind == "refund_reversed"
    assert refund(order).status == "succeeded"


def test_a_refund_made_in_the_dashboard_is_written_down(lab, client):
    order = make_paid_order(lab, client)
    payment = order.paid_by
    lab.control(f"/stripe/payments/{payment.processor_ref}/refund", amount=4_000)
    event = lab.events("refund.created")[0]
    for _ in range(2):
        assert callback(client, event).status_code == 200
    order.refresh_from_db()
    found = Refund.objects.get()
    assert (found.is_external, found.status, order.refunded_minor) == (True, "succeeded", 4_000)
    assert told(order) == [("paid", 100, 40)]


def test_no_refund_while_a_dispute_is_open(lab, client):
    order = make_paid_order(lab, client)
    lab.control(f"/stripe/payments/{order.paid_by.processor_ref}/dispute")
    assert callback(client, lab.events("charge.dispute.created")[0]).status_code == 200
    with pytest.raises(NotRefundable):
        refund(order)
    assert lab.refunds() == []


def test_above_the_limit_a_second_person_decides_superusers_included(lab, client, settings):
    settings.REFUND_APPROVAL_ABOVE_MINOR = 5_000
    users = get_user_model().objects
    anna, boris = users.create_superuser("anna"), users.create_superuser("boris")
    order = make_paid_order(lab, client)
    proposed = refund(order, 5_001, actor=anna)
    assert proposed.status == "proposed" and lab.refunds() == []
    with pytest.raises(RefundTooLarge):
        refund(order, 5_000, actor=boris)  # what waits is reserved
    with pytest.raises(SamePerson):
        refunds.approve_refund(refund_id=proposed.pk, actor=anna, now=later(seconds=0))
    assert lab.refunds() == []
    assert refunds.approve_refund(refund_id=proposed.pk, actor=boris, now=later(seconds=0)).status == "succeeded"
    assert [r["amount"] for r in lab.refunds()] == [5_001]

    second = refund(order, 4_999, actor=anna)
    assert second.status == "succeeded"


def test_a_rejected_refund_gives_its_amount_free(lab, client, settings):
    settings.REFUND_APPROVAL_ABOVE_MINOR = 5_000
    users = get_user_model().objects
    anna, boris = users.create_superuser("anna"), users.create_superuser("boris")
    order = make_paid_order(lab, client)
    proposed = refund(order, 9_000, actor=anna)
    assert refunds.reject_refund(refund_id=proposed.pk, actor=boris, now=later(seconds=0)).status == "cancelled"
    assert refund(order, 4_000, actor=anna).status == "succeeded"
    assert [r["amount"] for r in lab.refunds()] == [4_000]
