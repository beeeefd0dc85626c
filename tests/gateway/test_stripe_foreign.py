"""Our adapter against localstripe: a Stripe that nobody here wrote, in a process of its own."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import stripe
from pytest_httpserver import HTTPServer

from gateway import http
from gateway.errors import BadCallback, Misconfigured, NotFound, Unavailable
from gateway.money import Money
from gateway.types import (
    Callback,
    DeclineAdvice,
    Outcome,
    PaymentRef,
    PaymentReport,
    RefundOutcome,
    RefundRef,
    RefundRequest,
)
from tests.foreign.stripe_peer import EVENT_SECONDS, FAILS_LATER, KEY, SUCCEEDS_LATER, LocalStripe
from tests.gateway.stripe_book import REQUEST, SECRET, adapter_at

pytestmark = [pytest.mark.slow, pytest.mark.once]
# Shared with seven more test processes on two cores, the peer may think for a while.
PATIENT = http.Timeouts(connect_seconds=10, read_seconds=20, total_seconds=25)


class Ours:
    """Our endpoint, and our adapter at the peer."""

    def __init__(self, peer, server):
        self.peer = peer
        self.server = server
        self.adapter = replace(adapter_at(peer.url, key=KEY, timeouts=PATIENT), clock=lambda: datetime.now(UTC))

    def ref(self, intent, reference="pay-1", minor=2500, currency="USD"):
        return PaymentRef(reference, intent.id, Money(minor, currency), datetime.now(UTC))

    def callback(self, event_type, intent_id):
        """The posted event about this payment, as our endpoint got it."""
        until = time.monotonic() + EVENT_SECONDS
        while time.monotonic() < until:
            for request, _ in list(self.server.log):
                event = request.get_json()
                if event["type"] == event_type and event["data"]["object"]["id"] == intent_id:
                    headers = {name.lower(): value for name, value in request.headers.items()}
                    return Callback(request.get_data(), headers, datetime.now(UTC))
            time.sleep(0.05)
        raise AssertionError(f"no {event_type} of {intent_id} came")

    def told(self, event_type, intent_id) -> PaymentReport:
        (notice,) = self.adapter.read_callback(self.callback(event_type, intent_id)).notices
        return notice


@pytest.fixture(scope="module")
def ours():
    server = HTTPServer(host="127.0.0.1", port=0)  # of its own: an event comes a second late, and other tests listen
    server.start()
    server.expect_request("/hook", method="POST").respond_with_data("")
    peer = LocalStripe(without=["reason", "cancellation_reason"])
    peer.calls_back(server.url_for("/hook"), SECRET)
    yield Ours(peer, server)
    peer.stop()
    server.clear()
    server.stop()


@pytest.fixture(scope="module")
def strict():
    """The same peer as it comes: it refuses every field that it does not know."""
    peer = LocalStripe()
    yield Ours(peer, None)
    peer.stop()


def test_a_paid_card_reads_as_money_when_asked_and_when_told(ours):
    paid = ours.peer.pay(metadata={"paymentId": "pay-1", "externalId": "ORDER-1"})
    asked = ours.adapter.ask_payment(ours.ref(paid))
    told = ours.told("payment_intent.succeeded", paid.id)
    for said in (asked, told):
        assert (said.reference, said.processor_ref) == ("pay-1", paid.id)
        assert (said.outcome, said.money, said.is_final) == (Outcome.CAPTURED, Money(2500, "USD"), True)
        assert said.processor_data["charge"] == paid.latest_charge.id
    peeked = ours.adapter.peek(ours.callback("payment_intent.succeeded", paid.id))
    assert (peeked.reference, peeked.processor_ref, peeked.event_type) == ("pay-1", paid.id, "payment_intent.succeeded")


def test_its_signature_is_believed_with_the_right_secret_and_with_no_other(ours):
    callback = ours.callback("payment_intent.succeeded", ours.peer.pay().id)
    assert ours.adapter.read_callback(callback).event_id.startswith("evt_")
    rolled = {"secretKey": KEY, "webhookSecret": "whsec_the_new_one"}
    for config, is_believed in (
        (replace(ours.adapter.config, credentials=rolled), False),
        (replace(ours.adapter.config, credentials=rolled, previous_credentials=({"webhookSecret": SECRET},)), True),
    ):
        reader = replace(ours.adapter, config=config)
        if is_believed:
            assert reader.read_callback(callback)
        else:
            with pytest.raises(BadCallback):
                reader.read_callback(callback)
    with pytest.raises(BadCallback):
        ours.adapter.read_callback(replace(callback, body=callback.body.replace(b"2500", b"2501")))
    assert stripe.WebhookSignature.verify_header(
        callback.body, callback.headers["stripe-signature"], SECRET, tolerance=None
    )


def test_a_declined_card_is_told_as_declined_and_leaves_the_payment_open(ours):
    with pytest.raises(stripe.CardError):
        ours.peer.pay("pm_card_chargeCustomerFail", metadata={"paymentId": "pay-2"})
    everybody = ours.peer.client.v1.payment_intents.list({"limit": 100}).data
    (failed,) = [row for row in everybody if row.metadata.to_dict().get("paymentId") == "pay-2"]
    told = ours.told("payment_intent.payment_failed", failed.id)
    asked = ours.adapter.ask_payment(ours.ref(failed, "pay-2"))
    for said in (told, asked):
        assert (said.reference, said.outcome, said.is_final) == ("pay-2", Outcome.DECLINED, False)
        assert (said.failure.code, said.failure.advice) == ("card_declined", DeclineAdvice.TRY_AGAIN)


@pytest.mark.parametrize(
    ("iban", "first", "event_type", "last"),
    [
        (SUCCEEDS_LATER, Outcome.CAPTURED, "payment_intent.succeeded", Outcome.CAPTURED),
        (FAILS_LATER, Outcome.PROCESSING, "payment_intent.payment_failed", Outcome.DECLINED),
    ],
    ids=["succeeds", "fails"],
)
def test_a_bank_debit_that_settles_by_itself(ours, iban, first, event_type, last):
    debit = ours.peer.debit(iban, paymentId="pay-3")
    assert ours.adapter.ask_payment(ours.ref(debit, "pay-3", currency="EUR")).outcome in (first, last)
    assert ours.told(event_type, debit.id).outcome is last
    assert ours.adapter.ask_payment(ours.ref(debit, "pay-3", currency="EUR")).outcome is last


def test_a_payment_that_waits_can_be_asked_and_ended(ours):
    waiting = ours.peer.open(paymentId="pay-4")
    assert ours.adapter.ask_payment(ours.ref(waiting, "pay-4")).outcome is Outcome.PENDING
    for ended in (
        ours.adapter.cancel_payment(ours.ref(waiting, "pay-4")),
        ours.adapter.ask_payment(ours.ref(waiting, "pay-4")),
    ):
        assert (ended.outcome, ended.is_final) == (Outcome.CANCELLED, True)


def test_a_hold_is_taken_once(ours):
    held = ours.peer.pay(capture_method="manual", metadata={"paymentId": "pay-5"})
    assert ours.adapter.ask_payment(ours.ref(held, "pay-5")).outcome is Outcome.AUTHORIZED
    assert ours.adapter.capture_payment(ours.ref(held, "pay-5"), Money(2500, "USD")).outcome is Outcome.CAPTURED
    # Its refusal carries no code and no payment, so the truth is asked for.
    again = ours.adapter.capture_payment(ours.ref(held, "pay-5"), Money(2500, "USD"))
    assert (again.outcome, again.is_final) == (Outcome.CAPTURED, True)


def test_money_goes_back_in_parts_once_for_each_reference_and_the_newest_is_listed_first(ours):
    paid = ours.peer.pay(metadata={"paymentId": "pay-6"})
    payment = ours.ref(paid, "pay-6")
    first = ours.adapter.refund_payment(RefundRequest("ref-1", payment, Money(1000, "USD")))
    assert (first.outcome, first.money) == (RefundOutcome.SUCCEEDED, Money(1000, "USD"))
    # localstripe forgets idempotency keys: that this is no second refund is our own doing.
    again = ours.adapter.refund_payment(RefundRequest("ref-1", payment, Money(1000, "USD")))
    assert again.processor_ref == first.processor_ref
    second = ours.adapter.refund_payment(RefundRequest("ref-2", payment, Money(1500, "USD")))
    listed = ours.peer.client.v1.refunds.list({"payment_intent": paid.id}).data
    assert sorted(row.id for row in listed) == sorted([first.processor_ref, second.processor_ref])
    assert [row.created for row in listed] == sorted((row.created for row in listed), reverse=True)
    for report in (first, second):
        by_id = RefundRef(report.reference, report.processor_ref, payment, report.money, datetime.now(UTC))
        assert ours.adapter.ask_refund(by_id).money == report.money
        assert ours.adapter.ask_refund(replace(by_id, processor_ref="")).processor_ref == report.processor_ref


def test_a_refund_of_what_nobody_paid_moves_nothing(ours):
    waiting = ours.peer.open(paymentId="pay-7")
    # It breaks over the list of refunds of an unpaid payment, and says so in plain text.
    with pytest.raises(Unavailable):
        ours.adapter.refund_payment(RefundRequest("ref-3", ours.ref(waiting, "pay-7"), Money(100, "USD")))
    assert all(row.payment_intent != waiting.id for row in ours.peer.client.v1.refunds.list().data)


def test_ids_that_it_does_not_know_are_unknown_to_us(ours):
    nobody = PaymentRef("pay-8", "pi_nobody", Money(2500, "USD"), datetime.now(UTC))
    assert ours.adapter.ask_payment(nobody) is None
    with pytest.raises(NotFound):
        ours.adapter.refund_payment(RefundRequest("ref-4", nobody, Money(100, "USD")))


def test_sessions_are_beyond_it_and_that_is_never_taken_for_an_answer(ours):
    session = PaymentRef("pay-9", "cs_test_1", Money(2500, "USD"), datetime.now(UTC), method="card")
    with pytest.raises(Unavailable):
        ours.adapter.ask_payment(session)


def test_its_events_are_listed_oldest_first_where_stripe_lists_them_newest_first(ours):
    first, second = ours.peer.pay(), ours.peer.pay()
    events = ours.peer.client.v1.events.list({"type": "payment_intent.succeeded", "limit": 100}).data
    listed = [event.data.object.id for event in events]
    assert listed.index(first.id) < listed.index(second.id)


def test_what_it_does_not_know_it_refuses_and_nothing_moves(strict):
    with pytest.raises(Misconfigured):
        strict.adapter.create_payment(REQUEST)  # cashapp, return_url and description are strange to it
    assert strict.peer.client.v1.payment_intents.list().data == []
    paid = strict.peer.pay(metadata={"paymentId": "pay-1"})
    with pytest.raises(Misconfigured):
        strict.adapter.refund_payment(RefundRequest("ref-1", strict.ref(paid), Money(100, "USD")))
    assert strict.peer.client.v1.refunds.list({"payment_intent": paid.id}).data == []
