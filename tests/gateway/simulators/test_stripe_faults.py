"""Each fault that can be ordered for an API call, and what is true afterwards."""

import pytest
import requests
import stripe

pytestmark = pytest.mark.once


def made(bench):
    return bench.client.v1.payment_intents.list().data


@pytest.mark.parametrize(("kind", "count"), [("timeout_before", 0), ("timeout_after", 1)])
def test_a_timeout_leaves_the_work_undone_or_done(bench, kind, count):
    bench.order(kind, seconds=0.5)
    with pytest.raises(stripe.APIConnectionError) as failed:
        bench.sdk(timeout=0.15).v1.payment_intents.create(
            {"amount": 2500, "currency": "usd"}, {"idempotency_key": "k1"}
        )
    assert isinstance(failed.value.__cause__, requests.ReadTimeout)
    assert bench.requests_of(idempotency_key="k1")[0]["status"] is None
    assert bench.requests_of(idempotency_key="k1")[0]["fault"] == kind
    assert len(made(bench)) == count


@pytest.mark.parametrize(("kind", "count"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_leaves_the_work_undone_or_done(bench, kind, count):
    bench.order(kind)
    with pytest.raises(stripe.APIConnectionError) as failed:
        bench.pay()
    assert "Connection reset" in str(failed.value.__cause__)
    assert len(made(bench)) == count


def test_the_same_key_after_a_lost_answer_finds_the_work_done(bench):
    bench.order("reset_after")
    with pytest.raises(stripe.APIConnectionError):
        bench.pay(options={"idempotency_key": "k1"})
    assert bench.pay(options={"idempotency_key": "k1"}).id == made(bench)[0].id
    assert len(made(bench)) == 1


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("403", stripe.PermissionError, 403),
        ("409", stripe.APIError, 409),
        ("429", stripe.RateLimitError, 429),
        ("500", stripe.APIError, 500),
        ("503", stripe.APIError, 503),
        ("html_200", stripe.APIError, 200),
    ],
)
def test_an_answer_in_place_of_the_work(bench, kind, error, status):
    bench.order(kind)
    with pytest.raises(error) as failed:
        bench.pay()
    assert failed.value.http_status == status
    assert made(bench) == []
    assert bench.pay().status == "requires_action"


def test_an_answer_in_place_of_the_truth_after_the_work(bench):
    bench.order("503", after=True)
    with pytest.raises(stripe.APIError):
        bench.pay(options={"idempotency_key": "k1"})
    assert len(made(bench)) == 1


def test_a_redirect_leads_nowhere(bench):
    bench.order("redirect")
    answer = bench.raw("POST", "/payment_intents", {"amount": "2500", "currency": "usd"})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{bench.url}/stripe/elsewhere")
    assert made(bench) == []


def test_a_402_declines_the_try_and_shows_the_payment(bench, product):
    bench.order("402")
    with pytest.raises(stripe.CardError) as declined:
        bench.pay()
    assert (declined.value.code, declined.value.error.decline_code) == ("card_declined", "generic_decline")
    assert declined.value.error.payment_intent.status == "requires_payment_method"
    product.wait_for("payment_intent.payment_failed")
    bench.order("402", code="payment_method_provider_decline")
    with pytest.raises(stripe.CardError) as declined:
        bench.client.v1.payment_intents.confirm(
            made(bench)[0].id, {"payment_method_data": {"type": "cashapp"}, "return_url": "http://shop.test/"}
        )
    assert declined.value.code == "payment_method_provider_decline"


def test_the_buyer_approves_while_our_cancel_is_in_flight(bench, product):
    intent = bench.pay()
    bench.order("success_after_cancel", match={"payment": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.cancel(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.error.payment_intent.status == "succeeded"
    assert refused.value.error.payment_intent.amount_received == 2500
    product.wait_for("payment_intent.succeeded")
    assert "payment_intent.canceled" not in product.types()


def test_the_success_is_reported_before_our_create_is_answered(bench, product):
    bench.order("approve_before_answer")
    intent = bench.pay()
    assert intent.status == "requires_action"
    assert "payment_intent.succeeded" in product.types()
    assert bench.status(intent) == "succeeded"


def test_a_fault_strikes_only_what_it_was_ordered_for_and_only_so_often(bench):
    bench.order("429", times=2, match={"metadata": {"orderId": "7"}, "operation": "payment_intents.*"})
    other = bench.pay(metadata={"orderId": "8"})
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            bench.pay(metadata={"orderId": "7"})
    mine = bench.pay(metadata={"orderId": "7"})

    fault = bench.order("500", times=None, match={"payment": mine.id, "operation": "payment_intents.retrieve"})
    assert bench.status(other) == "requires_action"
    for _ in range(3):
        with pytest.raises(stripe.APIError):
            bench.status(mine)
    assert requests.delete(f"{bench.url}/_lab/faults/{fault['id']}", timeout=5).ok
    assert bench.status(mine) == "requires_action"


def test_a_refund_is_matched_by_its_payment(bench):
    intent = bench.paid(metadata={"orderId": "7"})
    bench.order("reset_after", match={"metadata": {"orderId": "7"}, "operation": "refunds.create"})
    with pytest.raises(stripe.APIConnectionError):
        bench.client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}, {"idempotency_key": "r1"})
    row = bench.client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}, {"idempotency_key": "r1"})
    assert [each.id for each in bench.client.v1.refunds.list({"payment_intent": intent.id}).data] == [row.id]
    log = bench.requests_of(payment=intent.id, operation="refunds.create")
    assert [(each["status"], each["replayed"], each["fault"]) for each in log] == [
        (200, True, ""),
        (None, False, "reset_after"),
    ]


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "nonsense"},
        {"kind": "429", "times": 0},
        {"kind": "429", "colour": 1},
        {"kind": "slow", "seconds": "x"},
        {"kind": "429", "match": {"metadata": "no equals sign"}},
        {"kind": "429", "match": []},
        {},
    ],
)
def test_an_order_that_cannot_be_read_is_refused(bench, order):
    answer = bench.post("/_lab/faults", order)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert bench.get("/_lab/faults").json()["faults"] == []


def test_all_orders_are_taken_back_at_once(bench):
    bench.order("429", times=None)
    assert requests.delete(bench.url + "/_lab/faults", timeout=5).json() == {"faults": []}
    assert bench.pay().status == "requires_action"
