"""What two people decide, and what no single one gets around."""

import copy

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from checkout import refunds, reviews
from checkout.errors import NotRefundable, NotWaiting, RefundTooLarge, SamePerson
from checkout.models import Payment
from providers import audit
from providers.models import Approval
from tests.builders import callback, later, make_order, make_paid_order, make_provider, start_payment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people():
    users = get_user_model().objects
    return users.create_superuser("anna"), users.create_superuser("boris")


def under_review(lab, client, *, received):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    report(lab, client, received=received)
    return order, payment


def report(lab, client, *, received):
    event = copy.deepcopy(lab.events("payment_intent.succeeded")[0])
    event["id"] = f"evt_{received}"
    event["data"]["object"]["amount_received"] = received
    assert callback(client, event).status_code == 200


def refund(order, amount_minor, actor):
    return refunds.request_refund(
        order_id=order.pk, amount_minor=amount_minor, reason="", idempotency_key="", requested_by="t", cause="t",
        actor=actor, now=timezone.now(),
    )  # fmt: skip


def test_accepting_what_was_taken_needs_a_second_person_and_pays_the_order(lab, client, people):
    anna, boris = people
    order, payment = under_review(lab, client, received=9_999)
    wish = reviews.propose_exit(payment_id=payment.pk, exit="accept", actor=anna, now=timezone.now())
    with pytest.raises(SamePerson):
        reviews.approve_exit(payment_id=payment.pk, approval_id=wish.pk, actor=anna, now=timezone.now())
    reviews.approve_exit(payment_id=payment.pk, approval_id=wish.pk, actor=boris, now=timezone.now())
    order.refresh_from_db()
    payment.refresh_from_db()
    assert (order.status, payment.captured_minor) == ("paid", 9_999)


def test_an_order_that_was_paid_with_less_is_refunded_once_all_of_that_is_back(lab, client, people):
    anna, boris = people
    order, payment = under_review(lab, client, received=6_000)
    wish = reviews.propose_exit(payment_id=payment.pk, exit="accept", actor=anna, now=timezone.now())
    reviews.approve_exit(payment_id=payment.pk, approval_id=wish.pk, actor=boris, now=timezone.now())
    with pytest.raises(RefundTooLarge):
        refund(order, 6_001, None)
    for part, expected in ((5_000, "paid"), (1_000, "refunded")):
        assert refund(order, part, None).status == "succeeded"
        order.refresh_from_db()
        assert (order.status, order.refunded_minor) == (expected, 5_000 if expected == "paid" else 6_000)


def test_sending_back_returns_exactly_what_was_taken(lab, client, people):
    anna, boris = people
    order, payment = under_review(lab, client, received=9_999)
    wish = reviews.propose_exit(payment_id=payment.pk, exit="refund", actor=anna, now=timezone.now())
    reviews.approve_exit(payment_id=payment.pk, approval_id=wish.pk, actor=boris, now=timezone.now())
    assert refunds.ask_due_refunds(now=later(seconds=1)) == 1
    order.refresh_from_db()
    assert order.status == "pending"
    assert [r["amount"] for r in lab.refunds()] == [9_999]


def test_a_wish_about_other_facts_is_off_the_table(lab, client, people):
    anna, boris = people
    _order, payment = under_review(lab, client, received=9_999)
    wish = reviews.propose_exit(payment_id=payment.pk, exit="accept", actor=anna, now=timezone.now())
    report(lab, client, received=1)
    with pytest.raises(NotWaiting):
        reviews.approve_exit(payment_id=payment.pk, approval_id=wish.pk, actor=boris, now=timezone.now())
    assert Approval.objects.get(pk=wish.pk).state == "withdrawn"
    assert Payment.objects.get(pk=payment.pk).status == "review"


def test_approving_one_wish_does_not_carry_out_another(lab, client, people):
    anna, boris = people
    _order, payment = under_review(lab, client, received=9_999)
    shown = reviews.propose_exit(payment_id=payment.pk, exit="refund", actor=anna, now=timezone.now())
    Approval.objects.filter(pk=shown.pk).update(state="withdrawn")
    reviews.propose_exit(payment_id=payment.pk, exit="accept", actor=anna, now=timezone.now())
    with pytest.raises(NotWaiting):
        reviews.approve_exit(payment_id=payment.pk, approval_id=shown.pk, actor=boris, now=timezone.now())
    assert Payment.objects.get(pk=payment.pk).status == "review"


def test_splitting_a_refund_does_not_get_around_the_limit(lab, client, people, settings):
    settings.REFUND_APPROVAL_ABOVE_MINOR = 5_000
    order = make_paid_order(lab, client)
    assert refund(order, 4_000, people[0]).status == "succeeded"
    assert refund(order, 1_001, people[0]).status == "proposed"
    assert refund(order, 1_002, people[1]).status == "proposed"
    assert [r["amount"] for r in lab.refunds()] == [4_000]


def test_an_account_that_the_asker_has_just_made_may_not_decide(lab, client, people, settings):
    settings.REFUND_APPROVAL_ABOVE_MINOR = 1
    anna, puppet = people
    audit.record(actor=anna, act="staff_created", target=puppet, now=timezone.now())
    order = make_paid_order(lab, client)
    proposed = refund(order, 10_000, anna)
    with pytest.raises(SamePerson):
        refunds.approve_refund(refund_id=proposed.pk, actor=puppet, now=timezone.now())
    assert lab.refunds() == []


def test_a_dispute_that_came_in_between_stops_an_approved_refund(lab, client, people, settings):
    settings.REFUND_APPROVAL_ABOVE_MINOR = 1
    anna, boris = people
    order = make_paid_order(lab, client)
    proposed = refund(order, 10_000, anna)
    lab.control(f"/stripe/payments/{order.paid_by.processor_ref}/dispute")
    assert callback(client, lab.events("charge.dispute.created")[0]).status_code == 200
    with pytest.raises(NotRefundable):
        refunds.approve_refund(refund_id=proposed.pk, actor=boris, now=timezone.now())
    assert lab.requests("refunds.create") == []


def test_of_two_disputes_one_closed_leaves_the_payment_disputed(lab, client):
    order = make_paid_order(lab, client)
    lab.control(f"/stripe/payments/{order.paid_by.processor_ref}/dispute")
    opened = lab.events("charge.dispute.created")[0]
    second = copy.deepcopy(opened)
    second["id"], second["data"]["object"]["id"] = "evt_second", "dp_second"
    closed = copy.deepcopy(second)
    closed["id"], closed["type"] = "evt_closed", "charge.dispute.closed"
    closed["data"]["object"]["status"] = "won"
    for event in (opened, second, closed, second):
        assert callback(client, event).status_code == 200
    assert Payment.objects.get(pk=order.paid_by_id).is_disputed
    closed["id"], closed["data"]["object"]["id"] = "evt_closed_2", opened["data"]["object"]["id"]
    assert callback(client, closed).status_code == 200
    assert not Payment.objects.get(pk=order.paid_by_id).is_disputed


def test_a_refund_in_the_dashboard_goes_before_one_that_waits_for_its_second_person(lab, client, people, settings):
    settings.REFUND_APPROVAL_ABOVE_MINOR = 1
    anna, boris = people
    order = make_paid_order(lab, client)
    proposed = refund(order, 3_000, anna)
    lab.control(f"/stripe/payments/{Payment.objects.get().processor_ref}/refund", amount=8_000)
    assert callback(client, lab.events("refund.created")[0]).status_code == 200
    proposed.refresh_from_db()
    assert (proposed.status, Approval.objects.get().state) == ("cancelled", "withdrawn")
    assert "that went back" in proposed.failure_message
    payment = Payment.objects.get()
    assert (payment.refunded_minor, payment.review_reason) == (8_000, "")
    with pytest.raises(NotWaiting):
        refunds.approve_refund(refund_id=proposed.pk, actor=boris, now=timezone.now())
    assert [row["amount"] for row in lab.refunds()] == [8_000]


def test_a_refund_in_the_dashboard_that_leaves_room_leaves_the_wish_alone(lab, client, people, settings):
    settings.REFUND_APPROVAL_ABOVE_MINOR = 1
    order = make_paid_order(lab, client)
    proposed = refund(order, 3_000, people[0])
    lab.control(f"/stripe/payments/{Payment.objects.get().processor_ref}/refund", amount=7_000)
    callback(client, lab.events("refund.created")[0])
    proposed.refresh_from_db()
    assert proposed.status == "proposed"
    assert refunds.approve_refund(refund_id=proposed.pk, actor=people[1], now=timezone.now()).status == "succeeded"
    order.refresh_from_db()
    assert order.status == "refunded"
