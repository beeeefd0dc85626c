"""One wish sent twice: the same answer again, a refusal, or a conflict, and the work done once."""

import threading

import pytest
import stripe

pytestmark = pytest.mark.once


def test_a_repeated_create_answers_the_same_bytes_and_makes_nothing_new(bench):
    params = {"amount": "2500", "currency": "usd"}
    first = bench.raw("POST", "/payment_intents", params, Idempotency_Key="k1")
    again = bench.raw("POST", "/payment_intents", params, Idempotency_Key="k1")
    assert (first.status_code, "Idempotent-Replayed" in first.headers) == (200, False)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.headers["Original-Request"] == first.headers["Request-Id"] != again.headers["Request-Id"]
    assert first.content == again.content
    assert len(bench.client.v1.payment_intents.list().data) == 1
    assert [row["replayed"] for row in bench.requests_of(idempotency_key="k1")] == [True, False]


def test_the_same_key_with_another_wish_is_refused(bench):
    bench.pay(options={"idempotency_key": "k1"})
    with pytest.raises(stripe.IdempotencyError) as refused:
        bench.pay(options={"idempotency_key": "k1"}, amount=100)
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError):
        bench.client.v1.refunds.create({"payment_intent": "pi_x"}, {"idempotency_key": "k1"})
    assert len(bench.client.v1.payment_intents.list().data) == 1


def test_a_refusal_while_executing_is_kept_and_a_refusal_of_the_form_is_not(bench):
    intent = bench.paid()
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError):
            bench.client.v1.payment_intents.cancel(intent.id, {}, {"idempotency_key": "cancel"})
    assert [row["replayed"] for row in bench.requests_of(idempotency_key="cancel")] == [True, False]

    with pytest.raises(stripe.InvalidRequestError):
        bench.pay(options={"idempotency_key": "form"}, amount=1)
    assert bench.pay(options={"idempotency_key": "form"}).status == "requires_action"


def test_the_second_of_two_at_the_same_time_hears_409_and_can_come_back(bench):
    bench.order("slow", seconds=0.4, match={"operation": "payment_intents.create"})
    made = []
    first = threading.Thread(target=lambda: made.append(bench.pay(options={"idempotency_key": "k1"})))
    first.start()
    while not bench.get("/_lab/faults").json()["faults"][0]["used"]:
        pass
    with pytest.raises(stripe.APIError) as refused:
        bench.pay(options={"idempotency_key": "k1"})
    assert (refused.value.http_status, refused.value.error.code) == (409, "idempotency_key_in_use")
    first.join()
    assert bench.pay(options={"idempotency_key": "k1"}).id == made[0].id


def test_a_500_is_kept_so_that_only_a_new_key_gets_further(bench):
    bench.order("500")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as refused:
            bench.pay(options={"idempotency_key": "k1"})
        assert refused.value.http_status == 500
    assert bench.client.v1.payment_intents.list().data == []
    assert bench.pay(options={"idempotency_key": "k2"}).status == "requires_action"


def test_keys_belong_to_a_mode(bench):
    params = {"amount": "2500", "currency": "usd"}
    test = bench.raw("POST", "/payment_intents", params, Idempotency_Key="k1").json()
    live = bench.raw("POST", "/payment_intents", params, key="sk_live_" + "lab0" * 6, Idempotency_Key="k1").json()
    assert (test["livemode"], live["livemode"]) == (False, True)


def test_a_key_has_a_length(bench):
    assert bench.raw("POST", "/payment_intents", {}, Idempotency_Key="k" * 256).status_code == 400
