"""How callbacks arrive: in order and again until they are taken, or as badly as was ordered."""

import json
import time

import pytest
import stripe

pytestmark = pytest.mark.once
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1sYWI="
PAID = "payment_intent.succeeded"


def is_signed(call, secret=SECRET, tolerance=300):
    try:
        return stripe.WebhookSignature.verify_header(call.body, call.headers["stripe-signature"], secret, tolerance)
    except stripe.SignatureVerificationError:
        return False


def bent(bench, product, kind, **more):
    """The callback of a payment, with this fault ordered for it."""
    bench.order(kind, match={"event": PAID}, **more)
    intent = bench.paid()
    bench.settled()
    calls = [call for call in product.received if call.type == PAID]
    return intent, calls


@pytest.mark.parametrize("refusal", [500, 404, 302, 204])
def test_only_2xx_is_taken_for_an_answer(bench, product, refusal):
    product.answers = [refusal]
    intent = bench.pay()
    bench.settled()
    row = bench.callbacks(payment=intent.id, event="payment_intent.created")[0]
    assert row["attempts"][0]["status"] == refusal
    assert row["state"] == ("delivered" if refusal == 204 else "waiting")
    if refusal != 204:
        first, second = product.wait_for("payment_intent.created", 2)
        assert first.body == second.body
        assert second.at - first.at >= 0.05
        assert is_signed(second)


def test_after_the_last_rung_it_gives_up_and_the_event_shows_it(bench, product):
    product.answers = [500] * 50
    intent = bench.pay()
    product.wait_for("payment_intent.created", 3)
    bench.settled()
    row = bench.callbacks(payment=intent.id, event="payment_intent.created")[0]
    assert (row["state"], [each["status"] for each in row["attempts"]]) == ("given_up", [500, 500, 500])
    undelivered = bench.client.v1.events.list({"delivery_success": False, "type": "payment_intent.created"}).data
    assert [(event.id, event.pending_webhooks) for event in undelivered] == [(row["reference"], 1)]


def test_a_dead_product_is_no_answer(bench):
    bench.post(
        "/_lab/stripe/accounts",
        {"secret_key": "sk_test_" + "lab0" * 6, "webhook_secret": SECRET, "webhook_url": "http://127.0.0.1:9/"},
    )
    intent = bench.pay()
    bench.settled()
    attempt = bench.callbacks(payment=intent.id)[0]["attempts"][0]
    assert attempt["status"] is None
    assert "refused" in attempt["error"]


def test_a_duplicate_is_the_same_event_twice(bench, product):
    _, (first, second) = bent(bench, product, "duplicate")
    assert first.body == second.body
    assert is_signed(first) and is_signed(second)


def test_a_dropped_callback_never_goes_out_but_is_in_the_list_of_events(bench, product):
    intent, calls = bent(bench, product, "drop")
    assert calls == []
    assert bench.callbacks(payment=intent.id, event=PAID)[0]["state"] == "dropped"
    assert bench.client.v1.events.list({"type": PAID}).data[0].data.object.id == intent.id


def test_a_late_callback_comes_late(bench, product):
    bench.order("late", seconds=0.3, match={"event": PAID})
    bench.paid()
    assert product.wait_for(PAID)[0].at - product.wait_for("charge.succeeded")[0].at >= 0.25


def test_a_reordered_callback_is_overtaken_by_the_next_one(bench, product):
    bench.order("reorder", match={"event": "charge.succeeded"})
    bench.paid()
    product.wait_for("charge.succeeded")
    assert product.types()[-2:] == [PAID, "charge.succeeded"]


def test_a_failure_can_be_held_until_the_success_has_gone_out(bench, product):
    bench.order("reorder", match={"event": "payment_intent.payment_failed"}, until=PAID)
    intent = bench.pay()
    bench.act(intent, "decline")
    bench.client.v1.payment_intents.confirm(
        intent.id, {"payment_method_data": {"type": "cashapp"}, "return_url": "http://shop.test/"}
    )
    bench.act(intent, "approve")
    product.wait_for("payment_intent.payment_failed")
    assert product.types()[-2:] == [PAID, "payment_intent.payment_failed"]


def test_a_forged_callback_has_a_signature_of_somebody_else(bench, product):
    _, (call,) = bent(bench, product, "forged")
    assert not is_signed(call)
    assert call.event["data"]["object"]["amount"] == 2500


def test_an_old_timestamp_is_signed_rightly(bench, product):
    _, (call,) = bent(bench, product, "old_timestamp")
    assert not is_signed(call)
    assert is_signed(call, tolerance=None)


def test_of_two_signatures_the_second_is_right(bench, product):
    _, (call,) = bent(bench, product, "two_v1")
    assert call.headers["stripe-signature"].count("v1=") == 2
    assert is_signed(call)


def test_an_account_with_two_secrets_signs_with_both(bench, product):
    new = "whsec_" + "bmV3"
    bench.post(
        "/_lab/stripe/accounts",
        {"secret_key": "sk_test_" + "lab0" * 6, "webhook_secret": [SECRET, new], "webhook_url": product.url},
    )
    bench.pay()
    call = product.wait_for("payment_intent.created")[0]
    assert is_signed(call) and is_signed(call, new)


@pytest.mark.parametrize(
    ("kind", "order", "path", "value"),
    [
        ("wrong_amount", {}, ("amount_received",), 2501),
        ("wrong_amount", {"amount": 1}, ("amount",), 1),
        ("wrong_currency", {}, ("currency",), "eur"),
        ("other_mode", {}, ("livemode",), True),
    ],
)
def test_an_untrue_callback_is_signed_rightly_and_the_api_still_tells_the_truth(
    bench, product, kind, order, path, value
):
    intent, (call,) = bent(bench, product, kind, **order)
    assert is_signed(call)
    assert call.event["data"]["object"][path[0]] == value
    assert call.event["livemode"] is (kind == "other_mode")
    truth = bench.client.v1.events.retrieve(call.event["id"])
    assert (truth.data.object.amount, truth.data.object.currency, truth.livemode) == (2500, "usd", False)
    assert bench.status(intent) == "succeeded"


def test_an_unknown_reference_names_an_object_that_is_not_there(bench, product):
    intent, (call,) = bent(bench, product, "unknown_reference")
    named = call.event["data"]["object"]
    assert named["id"] != intent.id and named["id"].startswith("pi_")
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.payment_intents.retrieve(named["id"])


def test_the_true_callback_can_follow_the_untrue_one(bench, product):
    _, (untrue, true) = bent(bench, product, "wrong_amount", also_true=True)
    assert untrue.event["data"]["object"]["amount"] == 2501
    assert true.event["data"]["object"]["amount"] == 2500


def test_the_callback_can_come_before_the_browser_or_after_it(bench, product):
    first, second = bench.pay(), bench.pay()
    bench.order("callback_before_return", match={"payment": first.id})
    bench.order("return_before_callback", match={"payment": second.id}, seconds=0.3)
    bench.choose(first, "approve")
    assert product.types().count(PAID) == 1
    bench.choose(second, "approve")
    returned = time.monotonic()
    assert product.types().count(PAID) == 1
    assert product.wait_for(PAID, 2)[1].at - returned >= 0.2


def test_one_payments_failing_callbacks_do_not_hold_back_anothers(bench, product):
    product.answers = [500, 500]
    bench.pay(metadata={"n": "1"})
    bench.settled()
    bench.paid(metadata={"n": "2"})
    product.wait_for(PAID)


def test_a_callback_shows_what_was_sent_and_what_was_answered(bench, product):
    intent = bench.paid()
    bench.settled()
    row = bench.callbacks(payment=intent.id, event=PAID)[0]
    assert json.loads(row["body"])["data"]["object"]["id"] == intent.id
    attempt = row["attempts"][0]
    assert (attempt["status"], attempt["headers"]["Stripe-Signature"][:2]) == (200, "t=")
    assert SECRET not in json.dumps(bench.get("/_lab/stripe/accounts").json())
