"""A payment by Cash App Pay from its creation to the shop's address, as the vendor's SDK and a browser see it."""

import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import stripe

pytestmark = pytest.mark.once
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1sYWI="


def test_a_confirmed_payment_waits_for_its_buyer_with_two_addresses_and_a_short_lived_code(bench):
    intent = bench.pay(description="Credits | Direct", metadata={"orderId": "7"})

    assert (intent.status, intent.livemode, intent.amount, intent.currency) == ("requires_action", False, 2500, "usd")
    assert intent.metadata["orderId"] == "7"
    assert intent.next_action.type == "cashapp_handle_redirect_or_display_qr_code"
    action = intent.next_action.cashapp_handle_redirect_or_display_qr_code
    assert action.hosted_instructions_url.startswith(bench.url + "/stripe/cashapp/instructions/")
    assert action.mobile_auth_url.startswith(bench.url + "/stripe/authorize/acct_lab/")
    assert 25 <= action.qr_code.expires_at - time.time() <= 31
    assert requests.get(action.qr_code.image_url_svg, timeout=5).content.startswith(b"<svg")
    assert requests.get(action.qr_code.image_url_png, timeout=5).content.startswith(b"\x89PNG")


def test_an_expired_code_is_renewed_when_the_payment_is_looked_at(bench):
    bench.post("/_lab/settings", {"qr_seconds": 0})
    intent = bench.pay()
    again = bench.client.v1.payment_intents.retrieve(intent.id)
    old, new = (each.next_action.cashapp_handle_redirect_or_display_qr_code.qr_code for each in (intent, again))
    assert old.image_url_svg != new.image_url_svg
    assert requests.get(old.image_url_svg, timeout=5).status_code == 404


def test_an_approved_payment_succeeds_and_sends_the_buyer_back_with_stripes_three_parameters(bench):
    intent = bench.pay()
    answer = bench.choose(intent, "approve")

    assert answer.status_code == 303
    back = urlsplit(answer.headers["Location"])
    assert (back.netloc, back.path) == ("shop.test", "/back")
    assert parse_qs(back.query) == {
        "order": ["7"],
        "payment_intent": [intent.id],
        "payment_intent_client_secret": [intent.client_secret],
        "redirect_status": ["succeeded"],
    }
    paid = bench.client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert (paid.status, paid.amount_received, paid.next_action) == ("succeeded", 2500, None)
    assert paid.latest_charge.payment_method_details.cashapp.cashtag == "$labbuyer"
    assert paid.latest_charge.paid
    assert bench.client.v1.charges.retrieve(paid.latest_charge.id).amount_captured == 2500


def test_its_events_are_signed_as_the_vendors_own_code_expects_and_come_in_order(bench, product):
    intent = bench.pay(options={"idempotency_key": "create-7"})
    bench.choose(intent, "approve")
    bench.settled()

    assert product.types() == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]
    for call in product.received:
        assert stripe.WebhookSignature.verify_header(call.body, call.headers["stripe-signature"], SECRET, 300)
    created, _, _, paid = (call.event for call in product.received)
    assert created["request"]["idempotency_key"] == "create-7"
    assert created["request"]["id"].startswith("req_")
    assert paid["request"] == {"id": None, "idempotency_key": None}
    assert (paid["object"], paid["livemode"], paid["pending_webhooks"]) == ("event", False, 1)
    assert paid["api_version"] == "2026-08-26.dahlia"
    assert paid["data"]["object"]["amount_received"] == 2500
    assert bench.client.v1.events.retrieve(paid["id"]).pending_webhooks == 0


def test_a_declined_payment_wants_another_try_and_can_be_paid_by_it(bench, product):
    intent = bench.pay()
    answer = bench.choose(intent, "decline")
    assert "redirect_status=failed" in answer.headers["Location"]

    declined = bench.client.v1.payment_intents.retrieve(intent.id)
    assert (declined.status, declined.payment_method) == ("requires_payment_method", None)
    assert declined.last_payment_error.code == "payment_method_customer_decline"
    assert product.wait_for("payment_intent.payment_failed")[0].event["data"]["object"]["last_payment_error"]

    again = bench.client.v1.payment_intents.confirm(
        intent.id, {"payment_method_data": {"type": "cashapp"}, "return_url": "http://shop.test/back"}
    )
    assert (again.status, again.last_payment_error) == ("requires_action", None)
    bench.choose(again, "approve")
    assert bench.status(intent) == "succeeded"


def test_a_delayed_payment_is_processing_first_and_succeeds_by_itself(bench, product):
    bench.post("/_lab/settings", {"settle_seconds": 0.3})
    intent = bench.pay()
    answer = bench.choose(intent, "delay")
    assert "redirect_status=pending" in answer.headers["Location"]
    assert bench.status(intent) == "processing"
    product.wait_for("payment_intent.processing")
    product.wait_for("payment_intent.succeeded")
    assert bench.status(intent) == "succeeded"


def test_the_buyers_page_is_a_form_that_says_it_is_a_simulator_and_offers_nothing_once_it_is_over(bench):
    intent = bench.pay(description="<b>Credits</b>")
    url = intent.next_action.cashapp_handle_redirect_or_display_qr_code.mobile_auth_url
    page = requests.get(url, timeout=5).text
    assert "simulator" in page
    assert "$25.00" in page
    assert "<b>Credits" not in page
    assert [f'name="outcome" value="{outcome}"' in page for outcome in ("approve", "decline", "delay")] == [True] * 3

    assert requests.post(url, data={"outcome": "approve"}, allow_redirects=False, timeout=5).status_code == 303
    over = requests.get(url, timeout=5).text
    assert "Payment approved" in over
    assert 'name="outcome"' not in over
    late = requests.post(url, data={"outcome": "decline"}, allow_redirects=False, timeout=5)
    assert late.status_code == 409
    assert bench.status(intent) == "succeeded"


def test_a_page_of_another_site_cannot_approve(bench):
    intent = bench.pay()
    url = intent.next_action.cashapp_handle_redirect_or_display_qr_code.hosted_instructions_url
    answer = requests.post(url, data={"outcome": "approve"}, headers={"Origin": "https://evil.test"}, timeout=5)
    assert answer.status_code == 403
    assert bench.status(intent) == "requires_action"


def test_a_manual_capture_holds_first_and_takes_part_of_it_once(bench, product):
    intent = bench.pay(capture_method="manual")
    bench.choose(intent, "approve")
    held = bench.client.v1.payment_intents.retrieve(intent.id)
    assert (held.status, held.amount_capturable, held.amount_received) == ("requires_capture", 2500, 0)

    taken = bench.client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1000})
    assert (taken.status, taken.amount_capturable, taken.amount_received) == ("succeeded", 0, 1000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.capture(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    bench.settled()
    assert product.types()[-4:] == [
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ]


def test_a_held_payment_that_is_cancelled_is_a_void(bench, product):
    intent = bench.pay(capture_method="manual")
    bench.act(intent, "approve")
    ended = bench.client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (ended.status, ended.cancellation_reason, ended.amount_received) == ("canceled", "abandoned", 0)
    void = product.wait_for("charge.refunded")[0].event["data"]["object"]
    assert (void["captured"], void["amount_refunded"]) == (False, 2500)


def test_a_cancelled_payment_cannot_be_approved_and_a_paid_one_not_cancelled(bench, product):
    intent = bench.pay()
    assert bench.client.v1.payment_intents.cancel(intent.id).status == "canceled"
    product.wait_for("payment_intent.canceled")
    assert bench.choose(intent, "approve").status_code == 409
    assert bench.act(intent, "approve").status_code == 409

    paid = bench.paid()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.cancel(paid.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.error.payment_intent.status == "succeeded"


def test_time_running_out_fails_a_waiting_try_and_ends_a_hold(bench):
    waiting, held = bench.pay(), bench.pay(capture_method="manual")
    bench.act(held, "approve")
    bench.act(waiting, "expire")
    bench.act(held, "expire")
    again = bench.client.v1.payment_intents.retrieve(waiting.id)
    assert again.last_payment_error.code == "payment_intent_payment_attempt_expired"
    assert bench.client.v1.payment_intents.retrieve(held.id).cancellation_reason == "automatic"


def test_a_dispute_is_told_and_forbids_refunds(bench, product):
    intent = bench.paid()
    dispute = bench.post(f"/_lab/stripe/payments/{intent.id}/dispute").json()["dispute"]
    assert product.wait_for("charge.dispute.created")[0].event["data"]["object"]["payment_intent"] == intent.id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"
    bench.post(f"/_lab/stripe/disputes/{dispute['id']}/act", {"outcome": "won"})
    product.wait_for("charge.dispute.closed")
    product.wait_for("charge.dispute.funds_reinstated")
    assert bench.client.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"


def test_payments_are_listed_newest_first_in_pages(bench):
    ids = [bench.pay().id for _ in range(3)]
    page = bench.client.v1.payment_intents.list({"limit": 2, "created": {"gte": int(time.time()) - 60}})
    assert ([row.id for row in page.data], page.has_more) == ([ids[2], ids[1]], True)
    rest = bench.client.v1.payment_intents.list({"starting_after": ids[1]})
    assert ([row.id for row in rest.data], rest.has_more) == ([ids[0]], False)
    assert bench.client.v1.payment_intents.list({"created": {"gte": int(time.time()) + 60}}).data == []


def test_events_are_listed_newest_first_by_type(bench):
    intent = bench.paid()
    bench.settled()
    events = bench.client.v1.events.list({"types": ["payment_intent.succeeded", "charge.*"]}).data
    assert [event.type for event in events] == ["payment_intent.succeeded", "charge.succeeded"]
    assert events[0].data.object.id == intent.id
    assert len(bench.client.v1.events.list({"delivery_success": True}).data) == 4


def test_an_event_can_be_sent_again_as_from_the_dashboard(bench, product):
    bench.paid()
    event = product.wait_for("payment_intent.succeeded")[0].event
    assert bench.post(f"/_lab/stripe/events/{event['id']}/send").status_code == 202
    first, second = product.wait_for("payment_intent.succeeded", 2)
    assert json.loads(first.body)["id"] == json.loads(second.body)["id"]
