"""What a stranger's client, written from the document and this API's page alone, runs into."""

import json

import pytest

from checkout import payments
from checkout.models import CallbackRecord, Order, Payment, Refund
from tests.api.processor.refusing import nothing_was_opened, refused
from tests.builders import callback, later
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db

# The document's own example of Stripe's webhook: a type and an object, nothing else.
EXAMPLE = {
    "type": "checkout.session.completed",
    "data": {"object": {"payment_intent": "pi_123", "customer_email": "user@example.com"}},
}


# --- where the buyer pays -------------------------------------------------------------------------------------------


def test_the_status_of_a_razorpay_checkout_tells_the_page_that_the_checkout_told(open_checkout, read, razorpay):
    made = open_checkout("razorpay")
    told = read(f"/razorpay/status/{made['payment_id']}").json()
    assert told["checkout_url"] == made["checkout_url"]
    assert "/checkout/o/tok_" in told["checkout_url"]


def test_after_a_refused_card_the_status_still_tells_where_to_pay_and_no_more_once_it_is_paid(
    open_checkout, read, lab, client
):
    made = open_checkout()
    lab.act(made["session_id"], "decline")
    assert callback(client, lab.events("payment_intent.payment_failed")[0]).status_code == 200
    told = read(f"/stripe/status/{made['payment_id']}").json()
    assert (told["status"], told["checkout_url"]) == ("failed", made["checkout_url"])

    lab.act(made["session_id"], "approve")
    assert callback(client, lab.events("checkout.session.completed")[0]).status_code == 200
    told = read(f"/stripe/status/{made['payment_id']}").json()
    assert (told["status"], told["checkout_url"]) == ("paid", None)


def test_a_cancelled_checkout_has_no_page_any_more(open_checkout, read, client, key):
    made = open_checkout()
    path = f"/api/orders/{made['hub_order_id']}/cancel"
    answer = client.post(path, content_type="application/json", headers={"x-api-key": key})
    assert answer.status_code == 200
    told = read(f"/stripe/status/{made['payment_id']}").json()
    assert (told["status"], told["checkout_url"]) == ("cancelled", None)


# --- the order, seen through the Provider API -----------------------------------------------------------------------


def test_the_order_names_stripes_payment_intent_and_never_a_session(open_checkout, lab, client, key):
    made = open_checkout()

    def told():
        answer = client.get(f"/api/orders/{made['hub_order_id']}", headers={"x-api-key": key})
        return answer.json()["stripePaymentIntentId"]

    assert told() is None
    lab.act(made["session_id"], "approve")
    callback(client, lab.events("checkout.session.completed")[0])
    assert told() == Payment.objects.get().capture_ref
    assert told().startswith("pi_")


# --- another currency than the payment's ----------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["refund", "capture"])
def test_an_amount_in_another_currency_than_the_payments_moves_nothing(ask, open_checkout, lab, client, act):
    made = open_checkout(capture="manual" if act == "capture" else "automatic")
    lab.act(made["session_id"], "approve")
    callback(client, lab.events("checkout.session.completed")[0])
    before = Payment.objects.get().status
    name = {"payment_id": made["payment_id"], "amount": 5000}

    refused(ask(f"/stripe/{act}", {**name, "currency": "JPY"}), 400, "invalid_request", "currency must be USD")
    refused(ask(f"/stripe/{act}", {**name, "currency": "money"}), 400, "invalid_request", "ISO 4217")
    assert (Payment.objects.get().status, Refund.objects.count(), lab.refunds()) == (before, 0, [])

    assert ask(f"/stripe/{act}", {**name, "currency": "usd"}).status_code == 200


def test_a_currency_that_stripe_does_not_have_is_the_callers_to_mend(ask, lab):
    answer = ask("/stripe/checkout", {"order_id": "ORD123", "amount": 5000, "currency": "XPD"})
    if answer.json()["code"] == "amount_refused":  # our own table knows it
        answer = ask("/stripe/checkout", {"order_id": "ORD123", "amount": 5000, "currency": "HUF"})
    told = refused(answer, 400, "method_not_available", "Stripe account cannot take this payment")
    assert "currency" in told["error"]
    assert set(Order.objects.values_list("status", flat=True)) == {"cancelled"}


def test_an_amount_below_stripes_least_is_refused_without_a_word_of_ours_as_stripes_own(ask):
    told = refused(
        ask("/stripe/checkout", {"order_id": "ORD123", "amount": 49, "currency": "jpy"}), 400, "amount_refused"
    )
    assert "amount_too_small" in told["error"]
    assert "processor_code" not in told


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_refusal_about_one_payment_names_it(ask, open_checkout, paid_checkout):
    open_one = open_checkout(order_id="OPEN")
    told = refused(ask("/stripe/refund", {"payment_id": open_one["payment_id"]}), 409, "not_captured")
    assert (told["payment_id"], told["status"]) == (open_one["payment_id"], "pending")

    paid = paid_checkout(order_id="PAID")
    told = refused(ask("/stripe/refund", {"order_id": "PAID", "amount": 5001}), 400, "refund_too_large")
    assert (told["payment_id"], told["status"], told["remaining"]) == (paid["payment_id"], "paid", 5000)
    ask("/stripe/refund", {"order_id": "PAID"})
    told = refused(ask("/stripe/refund", {"order_id": "PAID"}), 409, "already_refunded")
    assert (told["payment_id"], told["status"]) == (paid["payment_id"], "refunded")


def test_a_refusal_about_the_request_names_no_payment(ask, open_checkout):
    made = open_checkout()
    told = refused(ask("/stripe/refund", {"payment_id": made["payment_id"], "amount": 0}), 400, "invalid_request")
    assert "payment_id" not in told


def test_an_order_id_of_blanks_is_none(ask, lab):
    refused(
        ask("/stripe/checkout", {"order_id": "  ", "amount": 5000, "currency": "usd"}),
        400,
        "invalid_request",
        "order_id",
    )
    nothing_was_opened(lab)


# --- the document's example of Stripe's webhook ---------------------------------------------------------------------


def of(intent, type="checkout.session.completed"):
    return {"type": type, "data": {"object": {**EXAMPLE["data"]["object"], "payment_intent": intent}}}


def test_the_documents_example_verbatim_is_taken_when_it_is_signed_and_moves_nothing_of_others(client, open_checkout):
    open_checkout()
    answer = callback(client, EXAMPLE)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    record = CallbackRecord.objects.get()
    assert (record.verdict, record.is_verified, record.event_type) == (
        "unknown_reference", True, "checkout.session.completed"
    )  # fmt: skip
    assert (Payment.objects.get().status, Order.objects.get().status) == ("pending", "pending")


def test_the_documents_example_with_another_secret_or_none_is_refused(client, open_checkout):
    open_checkout()
    assert callback(client, EXAMPLE, secret="whsec_somebody_elses").status_code == 400
    answer = client.post("/api/webhooks/stripe", json.dumps(EXAMPLE), content_type="application/json")
    assert answer.status_code == 400
    assert not CallbackRecord.objects.filter(is_verified=True).exists()
    assert Payment.objects.get().status == "pending"


def test_the_documents_example_about_a_payment_makes_us_ask_and_stripes_answer_counts(client, open_checkout, lab):
    made = open_checkout()
    lab.act(made["session_id"], "decline")
    callback(client, lab.events("payment_intent.payment_failed")[0])
    intent = Payment.objects.get().capture_ref
    lab.act(made["session_id"], "approve")

    assert callback(client, of(intent)).status_code == 200
    assert (Payment.objects.get().status, Order.objects.get().status) == ("declined", "failed")  # it says no amount
    assert payments.ask_payment(payment_id=Payment.objects.get().pk, now=later(seconds=1))
    payment = Payment.objects.get()
    assert (payment.status, payment.captured_minor, Order.objects.get().status) == ("captured", 5000, "paid")
    assert callback(client, of(intent)).status_code == 200
    assert Order.objects.get().events.filter(kind="paid").count() == 1


def test_the_documents_example_about_a_payment_that_nobody_made_takes_no_money(client, open_checkout, lab):
    made = open_checkout()
    lab.act(made["session_id"], "decline")
    callback(client, lab.events("payment_intent.payment_failed")[0])
    assert callback(client, of(Payment.objects.get().capture_ref)).status_code == 200
    assert payments.ask_payment(payment_id=Payment.objects.get().pk, now=later(seconds=1))
    assert (Payment.objects.get().captured_minor, Order.objects.get().paid_at) == (0, None)


@pytest.mark.parametrize("type", ["checkout.session.expired", "payment_intent.canceled", "charge.refunded", "else"])
def test_without_its_envelope_no_other_event_moves_anything(client, paid_checkout, type):
    paid_checkout()
    assert callback(client, of(Payment.objects.get().capture_ref, type)).status_code == 200
    assert CallbackRecord.objects.order_by("-received_at")[0].verdict == "ignored"
    assert (Payment.objects.get().status, Order.objects.get().status) == ("captured", "paid")


def test_half_an_envelope_is_no_event(client, open_checkout):
    open_checkout()
    for more in ({"id": "evt_1"}, {"livemode": False}, {"object": "list"}, {"created": 1}):
        assert callback(client, {**EXAMPLE, **more}).status_code == 400
    assert Payment.objects.get().status == "pending"


# --- a refund's news in any order -----------------------------------------------------------------------------------


def test_a_refunds_success_that_is_told_after_its_failure_is_not_believed_against_stripe(
    client, ask, paid_checkout, lab
):
    made = paid_checkout()
    lab.fault("refund_fails", match={"operation": "refunds.create"})
    assert ask("/stripe/refund", {"payment_id": made["payment_id"], "amount": 2000}).status_code == 202
    lab.control("/idle?timeout=20", "GET")
    failed = _event_once_there(lab, "refund.failed")
    assert callback(client, failed).status_code == 200
    assert Refund.objects.get().status == "failed"

    elder = {**failed, "id": "evt_elder", "type": "refund.updated", "created": failed["created"] - 60}
    elder["data"] = {"object": {**failed["data"]["object"], "status": "succeeded", "failure_reason": None}}
    assert callback(client, elder).status_code == 200
    assert (Refund.objects.get().status, Payment.objects.get().refunded_minor) == ("failed", 0)
    told = [json.loads(delivery.body)["event"] for delivery in Delivery.objects.all()]
    assert "payment_refunded" not in told


def _event_once_there(lab, type):
    import time

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := lab.events(type):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no {type}")
