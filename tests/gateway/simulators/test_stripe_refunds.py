"""Money going back: never more than was taken, at once or later, and able to fail after all."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

pytestmark = pytest.mark.once


def refund(bench, intent, **more):
    return bench.client.v1.refunds.create({"payment_intent": intent.id, **more})


def charge_of(bench, intent):
    return bench.client.v1.charges.retrieve(bench.client.v1.payment_intents.retrieve(intent.id).latest_charge)


def test_parts_and_then_the_rest_go_back_but_no_cent_more(bench, product):
    intent = bench.paid()
    first = refund(bench, intent, amount=1000, reason="requested_by_customer", metadata={"refund": "r1"})
    assert (first.status, first.amount, first.metadata["refund"]) == ("succeeded", 1000, "r1")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(bench, intent, amount=1501)
    assert "greater than unrefunded amount" in str(refused.value)
    assert refund(bench, intent).amount == 1500
    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(bench, intent)
    assert refused.value.code == "charge_already_refunded"

    charge = charge_of(bench, intent)
    assert (charge.amount_refunded, charge.refunded) == (2500, True)
    listed = bench.client.v1.refunds.list({"payment_intent": intent.id}).data
    assert [row.amount for row in listed] == [1500, 1000]
    bench.settled()
    assert product.types()[-4:] == ["charge.refunded", "refund.created"] * 2
    cumulative = [call.event["data"]["object"]["amount_refunded"] for call in product.wait_for("charge.refunded", 2)]
    assert cumulative == [1000, 2500]


@pytest.mark.parametrize("amount", ["0", "-5", "1.5"])
def test_an_odd_amount_is_no_refund(bench, amount):
    intent = bench.paid()
    answer = bench.raw("POST", "/refunds", {"payment_intent": intent.id, "amount": amount})
    assert answer.json()["error"]["code"] == "parameter_invalid_integer"
    assert charge_of(bench, intent).amount_refunded == 0


def test_what_was_not_taken_cannot_go_back(bench):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(bench, bench.pay())
    assert refused.value.code == "payment_intent_unexpected_state"
    assert bench.raw("POST", "/refunds", {"amount": "5"}).json()["error"]["code"] == "parameter_missing"
    assert bench.raw("POST", "/refunds", {"payment_intent": "pi_none"}).status_code == 404


def test_an_ordered_pending_refund_counts_at_once_and_succeeds_later(bench, product):
    intent = bench.paid()
    bench.order("refund_pending", seconds=0.2)
    row = refund(bench, intent, amount=1000)
    assert (row.status, row.pending_reason) == ("pending", "processing")
    assert charge_of(bench, intent).amount_refunded == 1000
    change = product.wait_for("refund.updated")[0].event["data"]
    assert (change["object"]["status"], change["previous_attributes"]) == ("succeeded", {"status": "pending"})
    assert bench.client.v1.refunds.retrieve(row.id).status == "succeeded"


def test_an_ordered_failing_refund_gives_its_amount_back_to_us(bench, product):
    intent = bench.paid()
    bench.order("refund_fails", seconds=0)
    row = refund(bench, intent)
    failed = product.wait_for("refund.failed")[0].event["data"]["object"]
    assert (failed["id"], failed["status"], failed["failure_reason"]) == (row.id, "failed", "unknown")
    assert charge_of(bench, intent).amount_refunded == 0
    assert refund(bench, intent).status == "succeeded"


def test_a_refund_that_succeeded_can_still_fail(bench, product):
    row = refund(bench, bench.paid())
    answer = bench.post(f"/_lab/stripe/refunds/{row.id}/act", {"outcome": "fail", "failure_reason": "declined"})
    assert answer.json()["refund"]["failure_reason"] == "declined"
    product.wait_for("refund.failed")
    assert bench.post(f"/_lab/stripe/refunds/{row.id}/act", {"outcome": "succeed"}).status_code == 409


def test_a_refund_is_cancelled_only_while_it_waits_for_somebody(bench):
    intent = bench.paid()
    bench.order("refund_pending", seconds=60)
    row = refund(bench, intent)
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.refunds.cancel(row.id)
    bench.post(f"/_lab/stripe/refunds/{row.id}/act", {"outcome": "require_action"})
    assert bench.client.v1.refunds.cancel(row.id).status == "canceled"
    assert charge_of(bench, intent).amount_refunded == 0


def test_a_refund_from_the_dashboard_is_told_like_any_other(bench, product):
    intent = bench.paid()
    made = bench.post(f"/_lab/stripe/payments/{intent.id}/refund", {"amount": 700}).json()["refund"]
    told = product.wait_for("refund.created")[0].event
    assert (told["data"]["object"]["id"], told["request"]["id"]) == (made["id"], None)
    assert bench.post(f"/_lab/stripe/payments/{intent.id}/refund", {"amount": 1801}).status_code == 409
    assert bench.requests_of(operation="refunds.create") == []


def test_many_at_once_take_back_no_more_than_was_paid(bench):
    intent = bench.paid()
    wishes = [{"payment_intent": intent.id, "amount": "1000"}] * 8
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda wish: bench.raw("POST", "/refunds", wish).status_code, wishes))
    assert sorted(answers) == [200, 200] + [400] * 6
    assert charge_of(bench, intent).amount_refunded == 2000


def test_one_wish_sent_by_many_at_once_is_one_refund(bench):
    intent = bench.paid()
    wish = {"payment_intent": intent.id, "amount": "100"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: bench.raw("POST", "/refunds", wish, Idempotency_Key="r1"), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.ok}) == 1
    assert charge_of(bench, intent).amount_refunded == 100
