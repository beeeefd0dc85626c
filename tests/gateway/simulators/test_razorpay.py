"""Razorpay in the lab: the adapter against it over HTTP, its events, its faults, its strictness."""

import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import razorpay
import requests

from gateway.adapter import AdapterConfig
from gateway.adapters.razorpay import RazorpayAdapter
from gateway.errors import (
    BadCallback,
    Declined,
    GatewayError,
    Misconfigured,
    NotAvailable,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from gateway.http import Timeouts
from gateway.money import Money
from gateway.simulators.config import Settings
from gateway.simulators.server import serve
from gateway.types import (
    Callback,
    DisputeReport,
    Ignored,
    Mode,
    Outcome,
    PaymentRef,
    PaymentReport,
    PaymentRequest,
    RefundOutcome,
    RefundRef,
    RefundReport,
    RefundRequest,
    WidgetRequest,
)

pytestmark = pytest.mark.once

KEY_ID, KEY_SECRET, WEBHOOK_SECRET = "rzp_test_LabLabLab00001", "labkeysecret", "lab webhook secret"
CREDENTIALS = {"keyId": KEY_ID, "keySecret": KEY_SECRET, "webhookSecret": WEBHOOK_SECRET}
OTHER = {"keyId": "rzp_test_LabLabLab00002", "keySecret": "othersecret"}
RETURN_URL, CANCEL_URL = "http://127.0.0.1:9/back?order=7", "http://127.0.0.1:9/cancelled"
MONEY = Money(50_000, "INR")
WIDGET = WidgetRequest("Marketplace", "Credits", RETURN_URL, CANCEL_URL, payer_email="buyer@example.com")
INPUT = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


class Bench:
    """The running lab, the product's callback address, and the adapter of the account."""

    def __init__(self, running, product):
        self.running, self.product = running, product
        self.url = running.base_url
        self.adapter = self.build()
        self.tries = 0

    def build(self, *, previous=(), clock=None, timeouts=None, **changed):
        config = AdapterConfig(
            Mode.TEST, f"{self.url}/razorpay", {**CREDENTIALS, **changed}, previous_credentials=tuple(previous)
        )
        more = {"clock": clock} if clock else {}
        return RazorpayAdapter(config, timeouts=timeouts or Timeouts(), **more)

    def request(self, **more):
        self.tries += 1
        wanted = {
            "reference": f"payment-{self.tries}",
            "order_reference": f"order-{self.tries}",
            "money": MONEY,
            "description": "Credits",
            "return_url": RETURN_URL,
            "created_at": datetime.now(UTC),
        }
        return PaymentRequest(**{**wanted, **more})

    def open(self, **more):
        """An order that waits for its buyer."""
        request = self.request(**more)
        report = self.adapter.create_payment(request)
        assert report.outcome is Outcome.PENDING
        return PaymentRef(request.reference, report.processor_ref, request.money, datetime.now(UTC))

    def held(self):
        ref = self.open(captures_later=True)
        return replace(ref, capture_ref=self.act(ref, "approve")["id"])

    def paid(self):
        ref = self.open()
        return replace(ref, capture_ref=self.act(ref, "approve")["id"])

    def act(self, ref, outcome, **more):
        """A buyer without a browser; the try that came of it."""
        answer = self.post(f"/_lab/razorpay/orders/{ref.processor_ref}/act", outcome=outcome, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["payment"]

    def then(self, payment_id, outcome, **more):
        """What the bank or the dashboard does to a try."""
        answer = self.post(f"/_lab/razorpay/payments/{payment_id}/act", outcome=outcome, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["payment"]

    def form(self, ref, **changed):
        """What our page posts; the page that the browser then shows."""
        widget = self.adapter.widget(ref, WIDGET)
        fields = {k: v for k, v in {**widget.form_fields, **changed}.items() if v is not None}
        return requests.post(widget.form_url, data=fields, timeout=5)

    def choose(self, page, outcome, **more):
        return requests.post(page.url, data={"outcome": outcome, **more}, timeout=10)

    def post(self, path, **body):
        return requests.post(self.url + path, json=body, timeout=10)

    def get(self, path, **params):
        return requests.get(self.url + path, params=params, timeout=5)

    def api(self, method, path, body=None, *, auth=(KEY_ID, KEY_SECRET), **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method, f"{self.url}/razorpay{path}", json=body, auth=auth, headers=names, timeout=5, allow_redirects=False
        )

    def order(self, kind, **more):
        answer = self.post("/_lab/faults", kind=kind, **more)
        assert answer.status_code == 201, answer.text

    def heard(self, event_type, count=1):
        return self.product.wait(lambda call: call.event["event"] == event_type, count, event_type)

    def read(self, call, adapter=None):
        callback = Callback(body=call.body, headers=call.headers, received_at=datetime.now(UTC))
        return (adapter or self.adapter).read_callback(callback)

    def notice(self, event_type, adapter=None):
        (found,) = self.read(self.heard(event_type)[-1], adapter).notices
        return found

    def requests_of(self, **wanted):
        return self.get("/_lab/razorpay/requests", **wanted).json()["requests"]


class Heard:
    """Adds waiting for any condition to the shared fixture's product."""

    def __init__(self, product):
        self._product = product
        self.url = product.url

    @property
    def received(self):
        return list(self._product.received)

    @property
    def answers(self):
        return self._product.answers

    def wait(self, wanted, count, what, seconds=10.0):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [call for call in self.received if wanted(call)]
            if len(found) >= count:
                return found
            time.sleep(0.005)
        raise AssertionError(f"{what} × {count} did not come; came: {[call.event['event'] for call in self.received]}")

    def events(self):
        return [call.event["event"] for call in self.received]


@pytest.fixture
def bench(product):
    account = {**CREDENTIALS, "webhook_url": product.url + "/hook", "name": "Lab merchant"}
    running = serve(
        settings=Settings(
            settle_seconds=0.05,
            refund_seconds=0.05,
            hang_seconds=0.5,
            callback_timeout_seconds=2,
            retry_ladder=[0.05, 0.1],
        ),
        accounts={"razorpay": [account, OTHER]},
    )
    yield Bench(running, Heard(product))
    running.stop()


def eventually(question, wanted, seconds=10.0):
    until = time.monotonic() + seconds
    while (found := question()) != wanted:
        assert time.monotonic() < until, f"still {found}"
        time.sleep(0.01)


def hidden(page):
    return {name: value.replace("&quot;", '"') for name, value in INPUT.findall(page.text)}


# --- a payment, from our page to the last event ---


def test_a_buyer_pays_by_the_form_and_comes_back_signed(bench):
    ref = bench.open()
    page = bench.form(ref)
    assert page.status_code == 200
    assert "/razorpay/checkout/" in page.url
    assert all(f'name="outcome" value="{word}"' in page.text for word in ("approve", "decline", "delay"))
    assert f'href="{CANCEL_URL}"' in page.text
    back = bench.choose(page, "approve", method="card")
    assert f'action="{RETURN_URL}"' in back.text and "razorpay-return.js" in back.text and "<button>" in back.text
    fields = hidden(back)
    pay_ref = bench.adapter.check_return(ref, fields)
    report = bench.adapter.ask_payment(ref)
    assert (report.outcome, report.capture_ref, report.money, report.is_final) == (
        Outcome.CAPTURED,
        pay_ref,
        MONEY,
        True,
    )
    assert (report.method, report.payer_email) == ("card", "buyer@example.com")
    razorpay.Client(auth=(KEY_ID, KEY_SECRET)).utility.verify_payment_signature(fields)


def test_the_same_money_is_told_by_two_events_with_names_of_their_own(bench):
    ref = bench.paid()
    captured, paid = (bench.read(bench.heard(name)[0]) for name in ("payment.captured", "order.paid"))
    assert captured.event_id != paid.event_id
    (first,), (second,) = captured.notices, paid.notices
    assert isinstance(first, PaymentReport) and isinstance(second, PaymentReport)
    assert (first.processor_ref, first.capture_ref, first.money) == (ref.processor_ref, ref.capture_ref, MONEY)
    assert replace(second, reference="", occurred_at=None) == replace(first, occurred_at=None)
    assert second.reference == ref.reference
    held = bench.heard("payment.authorized")[0].event["payload"]["payment"]["entity"]
    assert (held["status"], held["captured"]) == ("authorized", True)
    assert bench.notice("payment.authorized").outcome is Outcome.AUTHORIZED


def test_razorpays_own_library_reads_the_lab_like_the_real_one(bench):
    ref = bench.paid()
    client = razorpay.Client(auth=(KEY_ID, KEY_SECRET), base_url=f"{bench.url}/razorpay")
    assert client.order.fetch(ref.processor_ref, timeout=5)["status"] == "paid"
    assert client.order.payments(ref.processor_ref, timeout=5)["items"][0]["id"] == ref.capture_ref
    call = bench.heard("order.paid")[0]
    signature = call.headers["x-razorpay-signature"]
    assert client.utility.verify_webhook_signature(call.body.decode(), signature, WEBHOOK_SECRET)


def test_a_refused_buyer_comes_back_unsigned_and_may_try_the_same_order_again(bench):
    ref = bench.open()
    page = bench.form(ref)
    fields = hidden(bench.choose(page, "decline"))
    assert fields["error[reason]"] == "payment_failed"
    assert json.loads(fields["error[metadata]"])["order_id"] == ref.processor_ref
    with pytest.raises(BadCallback):
        bench.adapter.check_return(ref, fields)
    report = bench.notice("payment.failed")
    assert (report.outcome, report.is_final, report.failure.code) == (Outcome.DECLINED, False, "payment_failed")
    assert bench.adapter.ask_payment(ref).outcome is Outcome.DECLINED
    with pytest.raises(Refused):
        bench.adapter.cancel_payment(ref)
    bench.adapter.check_return(ref, hidden(bench.choose(page, "approve")))
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


def test_a_bank_that_takes_a_while_is_pending_and_then_captured(bench):
    ref = bench.open()
    fields = hidden(bench.choose(bench.form(ref), "delay"))
    assert fields["error[reason]"] == "payment_pending"
    assert bench.notice("order.paid").outcome is Outcome.CAPTURED
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


def test_a_refused_try_is_authorised_late_and_the_money_is_taken(bench):
    ref = bench.open()
    failed = bench.act(ref, "decline", reason="payment_timed_out")
    assert bench.notice("payment.failed").outcome is Outcome.DECLINED
    assert bench.then(failed["id"], "late")["status"] == "captured"
    report = bench.notice("payment.captured")
    assert (report.outcome, report.capture_ref) == (Outcome.CAPTURED, failed["id"])


def test_a_second_payment_of_a_paid_order_goes_back_by_itself_and_is_no_refund_of_the_first(bench):
    ref = bench.paid()
    second = bench.act(ref, "approve")
    assert (second["status"], second["captured"]) == ("refunded", False)
    assert isinstance(bench.notice("refund.processed"), Ignored)
    report = bench.adapter.ask_payment(ref)
    assert (report.outcome, report.capture_ref) == (Outcome.CAPTURED, ref.capture_ref)


# --- held first, taken later ---


def test_held_money_is_taken_on_demand_once(bench):
    ref = bench.held()
    assert bench.notice("payment.authorized").outcome is Outcome.AUTHORIZED
    report = bench.adapter.ask_payment(ref)
    assert (report.outcome, report.money, report.capture_ref) == (Outcome.AUTHORIZED, MONEY, ref.capture_ref)
    assert bench.adapter.cancel_payment(ref).outcome is Outcome.AUTHORIZED
    for _ in range(2):  # the second one is refused there, and reads as done here
        assert bench.adapter.capture_payment(ref, MONEY).outcome is Outcome.CAPTURED
    assert bench.heard("order.paid")
    refused = [row["status"] for row in bench.requests_of(operation="payments.capture")]
    assert sorted(refused) == [200, 400]


def test_money_that_staff_captured_in_the_dashboard_is_taken(bench):
    ref = bench.held()
    bench.then(ref.capture_ref, "capture")
    assert bench.adapter.capture_payment(replace(ref, capture_ref=""), MONEY).outcome is Outcome.CAPTURED


def test_a_hold_that_ran_out_is_cancelled_and_cannot_be_captured(bench):
    ref = bench.held()
    expired = bench.then(ref.capture_ref, "expire")
    assert (expired["status"], expired["captured"]) == ("refunded", False)
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CANCELLED
    with pytest.raises(Refused) as caught:
        bench.adapter.capture_payment(ref, MONEY)
    assert caught.value.report.outcome is Outcome.CANCELLED
    assert isinstance(bench.notice("refund.processed"), Ignored)


def test_an_order_is_given_up_only_when_late_authorisation_is_over(bench):
    ref = bench.open()
    bench.act(ref, "decline")
    with pytest.raises(Refused):
        bench.adapter.cancel_payment(ref)
    later = bench.build(clock=lambda: datetime.now(UTC) + timedelta(days=5))
    report = later.cancel_payment(ref)
    assert (report.outcome, report.is_final) == (Outcome.EXPIRED, True)


# --- refunds and disputes ---


def test_money_goes_back_in_parts_and_never_more_than_came(bench):
    ref = bench.paid()
    part = RefundRequest("refund-1", ref, Money(20_000, "INR"))
    first = bench.adapter.refund_payment(part)
    assert (first.outcome, first.payment_processor_ref) == (RefundOutcome.SUCCEEDED, ref.capture_ref)
    assert bench.adapter.refund_payment(part).processor_ref == first.processor_ref
    with pytest.raises(Refused):
        bench.adapter.refund_payment(RefundRequest("refund-2", ref, Money(30_001, "INR")))
    rest = RefundRequest("refund-3", replace(ref, capture_ref=""), Money(30_000, "INR"))
    assert bench.adapter.refund_payment(rest).outcome is RefundOutcome.SUCCEEDED
    with pytest.raises(Refused):
        bench.adapter.refund_payment(RefundRequest("refund-4", ref, Money(100, "INR")))
    report = bench.adapter.ask_payment(ref)
    assert (report.outcome, report.money) == (Outcome.CAPTURED, MONEY)
    told = [bench.read(call).notices[0] for call in bench.heard("refund.processed", 2)]
    assert {row.reference for row in told} == {"refund-1", "refund-3"}
    assert len(bench.get("/_lab/razorpay/refunds", payment=ref.capture_ref).json()["refunds"]) == 2


@pytest.mark.parametrize("kind", ["timeout_after", "reset_after", "503"])
def test_a_refund_whose_answer_was_lost_is_found_and_not_made_twice(bench, kind):
    ref = bench.paid()
    bench.order(kind, after=True, match={"operation": "payments.refund"})
    wanted = RefundRequest("refund-1", ref, Money(20_000, "INR"))
    with pytest.raises(OutcomeUnknown):
        bench.adapter.refund_payment(wanted)
    found = bench.adapter.ask_refund(RefundRef("refund-1", "", ref, wanted.money, datetime.now(UTC)))
    assert found.outcome is RefundOutcome.SUCCEEDED
    assert bench.adapter.refund_payment(wanted).processor_ref == found.processor_ref
    assert len(bench.get("/_lab/razorpay/refunds").json()["refunds"]) == 1


@pytest.mark.parametrize(
    ("kind", "event_type", "outcome"),
    [
        ("refund_pending", "refund.processed", RefundOutcome.SUCCEEDED),
        ("refund_fails", "refund.failed", RefundOutcome.FAILED),
    ],
)
def test_a_refund_that_waits_ends_in_an_event(bench, kind, event_type, outcome):
    ref = bench.paid()
    bench.order(kind)
    made = bench.adapter.refund_payment(RefundRequest("refund-1", ref, MONEY))
    assert made.outcome is RefundOutcome.PENDING
    report = bench.notice(event_type)
    assert isinstance(report, RefundReport)
    assert (report.reference, report.outcome) == ("refund-1", outcome)
    refund = RefundRef("refund-1", made.processor_ref, ref, MONEY, datetime.now(UTC))
    assert bench.adapter.ask_refund(refund).outcome is outcome


def test_a_refund_from_the_dashboard_is_told_without_a_reference_of_ours(bench):
    ref = bench.paid()
    assert bench.post(f"/_lab/razorpay/payments/{ref.capture_ref}/refund", amount=10_000).status_code == 201
    report = bench.notice("refund.processed")
    assert (report.reference, report.money, report.payment_processor_ref) == (
        "",
        Money(10_000, "INR"),
        ref.capture_ref,
    )


def test_a_dispute_closes_the_way_to_a_refund_until_it_is_over(bench):
    ref = bench.paid()
    dispute = bench.post(f"/_lab/razorpay/payments/{ref.capture_ref}/dispute", reason="fraud").json()["dispute"]
    opened = bench.notice("payment.dispute.created")
    assert isinstance(opened, DisputeReport)
    assert (opened.is_open, opened.payment_processor_ref, opened.reason) == (True, ref.capture_ref, "fraud")
    with pytest.raises(Refused):
        bench.adapter.refund_payment(RefundRequest("refund-1", ref, MONEY))
    assert bench.post(f"/_lab/razorpay/disputes/{dispute['id']}/act", outcome="under_review").status_code == 200
    assert bench.notice("payment.dispute.under_review").is_open
    assert bench.post(f"/_lab/razorpay/disputes/{dispute['id']}/act", outcome="won").status_code == 200
    assert not bench.notice("payment.dispute.won").is_open
    assert bench.post(f"/_lab/razorpay/disputes/{dispute['id']}/act", outcome="lost").status_code == 409
    assert bench.adapter.refund_payment(RefundRequest("refund-1", ref, MONEY)).outcome is RefundOutcome.SUCCEEDED


# --- faults of calls ---


@pytest.mark.parametrize(
    ("kind", "expected", "exists"),
    [
        ("timeout_before", OutcomeUnknown, False),
        ("timeout_after", OutcomeUnknown, True),
        ("reset_before", OutcomeUnknown, False),
        ("reset_after", OutcomeUnknown, True),
        ("402", Declined, False),
        ("403", NotPermitted, False),
        ("409", OutcomeUnknown, False),
        ("429", Unavailable, False),
        ("500", OutcomeUnknown, False),
        ("503", OutcomeUnknown, False),
        ("html_200", OutcomeUnknown, False),
        ("redirect", OutcomeUnknown, False),
    ],
)
def test_every_fault_of_a_create_has_its_meaning_and_asking_settles_it(bench, kind, expected, exists):
    adapter = bench.build(timeouts=Timeouts(connect_seconds=2, read_seconds=0.2, total_seconds=1))
    bench.order(kind, match={"operation": "orders.create"})
    request = bench.request()
    with pytest.raises(GatewayError) as caught:
        adapter.create_payment(request)
    assert type(caught.value) is expected
    lost = PaymentRef(request.reference, "", request.money, datetime.now(UTC))
    report = bench.adapter.ask_payment(lost)
    assert (report is not None) is exists
    again = bench.adapter.create_payment(request)
    assert again.outcome is Outcome.PENDING
    if report is not None:
        assert again.processor_ref == report.processor_ref
    orders = bench.get("/_lab/razorpay/orders", receipt=request.reference).json()["orders"]
    assert len(orders) == 1


def test_a_slow_answer_is_an_answer(bench):
    bench.order("slow", seconds=0.1, match={"operation": "orders.create"})
    assert bench.open().processor_ref.startswith("order_")


def test_a_gateway_error_on_a_capture_is_unknown_and_asking_settles_it(bench):
    ref = bench.held()
    bench.order("500", code="GATEWAY_ERROR", after=True, match={"operation": "payments.capture"})
    with pytest.raises(OutcomeUnknown):
        bench.adapter.capture_payment(ref, MONEY)
    assert bench.requests_of(operation="payments.capture")[0]["status"] == 502
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


@pytest.mark.parametrize("kind", ["reset_before", "503", "html_200", "429", "redirect"])
def test_a_question_without_an_answer_changes_nothing(bench, kind):
    ref = bench.paid()
    bench.order(kind, match={"operation": "orders.retrieve"})
    with pytest.raises(Unavailable):
        bench.adapter.ask_payment(ref)
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


def test_a_fault_can_be_meant_for_one_payment_alone(bench):
    other, request = bench.request(), bench.request()
    bench.order("500", match={"metadata": {"paymentId": request.reference}})
    bench.adapter.create_payment(other)
    with pytest.raises(OutcomeUnknown):
        bench.adapter.create_payment(request)


# --- faults of events and returns ---


def test_events_come_twice_late_or_never_and_read_the_same(bench):
    bench.order("duplicate", match={"event": "order.paid"})
    bench.order("drop", match={"event": "payment.captured"})
    bench.order("late", seconds=0.1, match={"event": "payment.authorized"})
    bench.paid()
    first, second = bench.heard("order.paid", 2)
    assert bench.read(first) == bench.read(second)
    bench.heard("payment.authorized")
    assert bench.product.events()[-1] == "payment.authorized"
    assert "payment.captured" not in bench.product.events()


def test_the_order_can_be_told_before_its_payment(bench):
    bench.order("reorder", until="order.paid", match={"event": "payment.captured"})
    bench.paid()
    bench.heard("payment.captured")
    assert bench.product.events().index("order.paid") < bench.product.events().index("payment.captured")


@pytest.mark.parametrize(("kind", "code"), [("forged", ""), ("other_mode", ""), ("forged", "missing")])
def test_an_event_that_cannot_be_believed_is_a_bad_callback(bench, kind, code):
    bench.order(kind, code=code, match={"event": "payment.captured"})
    bench.paid()
    call = bench.heard("payment.captured")[0]
    assert ("x-razorpay-signature" in call.headers) is (code != "missing")
    with pytest.raises(BadCallback):
        bench.read(call)


def test_bent_events_are_reported_as_they_are_for_checkout_to_judge(bench):
    bench.order("wrong_amount", match={"event": "payment.captured"})
    bench.order("wrong_currency", match={"event": "order.paid"})
    bench.order("unknown_reference", match={"event": "payment.authorized"})
    ref = bench.paid()
    assert bench.notice("payment.captured").money == Money(50_001, "INR")
    assert bench.notice("order.paid").money == Money(50_000, "USD")
    stranger = bench.notice("payment.authorized")
    assert stranger.processor_ref.startswith("order_") and stranger.processor_ref != ref.processor_ref


def test_a_refused_event_comes_again_with_the_same_name_and_signature(bench):
    bench.product.answers.extend([500, 302])
    bench.order("drop", match={"event": "payment.authorized"})
    bench.order("drop", match={"event": "order.paid"})
    bench.paid()
    calls = bench.heard("payment.captured", 3)
    assert len({call.headers["x-razorpay-event-id"] for call in calls}) == 1
    assert len({call.headers["x-razorpay-signature"] for call in calls}) == 1
    assert len({call.body for call in calls}) == 1


def test_after_a_roll_repeats_keep_the_old_secret_and_what_is_sent_by_hand_has_the_new_one(bench):
    bench.order("late", seconds=0.3, match={"event": "order.paid"})
    ref = bench.paid()
    assert bench.post(f"/_lab/razorpay/accounts/{KEY_ID}/roll", webhookSecret="new secret").status_code == 200
    old = bench.heard("order.paid")[0]
    rolled = bench.build(webhookSecret="new secret")
    with pytest.raises(BadCallback):
        bench.read(old, rolled)
    overlapping = bench.build(webhookSecret="new secret", previous=[{"webhookSecret": WEBHOOK_SECRET}])
    assert bench.read(old, overlapping).notices[0].capture_ref == ref.capture_ref
    event_id = old.headers["x-razorpay-event-id"]
    assert bench.post(f"/_lab/razorpay/events/{event_id}/send").status_code == 202
    again = bench.heard("order.paid", 2)[1]
    assert bench.read(again, rolled).event_id == event_id
    assert bench.read(again, rolled).notices == bench.read(old, overlapping).notices


def test_without_a_webhook_secret_there_is_no_signature_at_all(bench):
    assert bench.post(f"/_lab/razorpay/accounts/{KEY_ID}/roll", webhookSecret="").status_code == 200
    bench.paid()
    call = bench.heard("order.paid")[0]
    assert "x-razorpay-signature" not in call.headers
    with pytest.raises(BadCallback):
        bench.read(call)


def test_after_a_roll_of_the_key_secret_returns_verify_by_the_new_one(bench):
    ref = bench.open()
    page = bench.form(ref)
    assert bench.post(f"/_lab/razorpay/accounts/{KEY_ID}/roll", keySecret="newkeysecret").status_code == 200
    fields = hidden(bench.choose(page, "approve"))
    with pytest.raises(BadCallback):
        bench.adapter.check_return(ref, fields)
    assert bench.build(keySecret="newkeysecret").check_return(ref, fields)
    with pytest.raises(Misconfigured):
        bench.adapter.ask_payment(ref)


@pytest.mark.parametrize("kind", ["callback_before_return", "return_before_callback"])
def test_the_browser_and_the_event_race_in_both_orders(bench, kind):
    bench.order(kind, seconds=3 if kind == "callback_before_return" else 0.3)
    ref = bench.open()
    back = bench.choose(bench.form(ref), "approve")
    told = "order.paid" in bench.product.events()
    assert told is (kind == "callback_before_return")
    assert bench.adapter.check_return(ref, hidden(back))
    bench.heard("order.paid")


def test_a_lost_return_loses_nothing(bench):
    ref = bench.open()
    bench.choose(bench.form(ref), "approve")  # and the browser is closed
    assert bench.notice("order.paid").reference == ref.reference


# --- strictness ---


def order_body(**changes):
    return {"amount": 50_000, "currency": "INR", "receipt": "r", "payment_capture": True, **changes}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (order_body(amount=99), "amount"),
        (order_body(amount="50000"), "amount"),
        (order_body(amount=500.5), "amount"),
        (order_body(amount=True), "amount"),
        ({"currency": "INR"}, "amount"),
        ({"amount": 100}, "currency"),
        (order_body(currency="inr"), "currency"),
        (order_body(currency="UZS"), "currency"),
        (order_body(currency="KWD", amount=12_345), "amount"),
        (order_body(receipt="x" * 41), "receipt"),
        (order_body(receipt=7), "receipt"),
        (order_body(notes={str(n): "x" for n in range(16)}), "notes"),
        (order_body(notes={"long": "x" * 257}), "notes"),
        (order_body(notes="text"), "notes"),
        (order_body(payment_capture="maybe"), "payment_capture"),
        (order_body(payment={"capture": "automatic"}), "payment_capture"),
        ({**order_body(payment={"capture": "later"}), "payment_capture": None}, "payment.capture"),
        (order_body(partial_payment=True), "partial_payment"),
        (order_body(surprise=1), "surprise"),
    ],
)
def test_an_order_that_is_not_to_the_letter_is_refused_with_its_field(bench, body, field):
    answer = bench.api("POST", "/v1/orders", body)
    assert answer.status_code == 400
    found = answer.json()["error"]
    assert (found["code"], found["field"]) == ("BAD_REQUEST_ERROR", field)
    assert bench.get("/_lab/razorpay/orders").json()["orders"] == []


@pytest.mark.parametrize(
    ("headers", "auth"),
    [
        ({}, None),
        ({}, (KEY_ID, "wrong")),
        ({}, ("rzp_test_nobody000", KEY_SECRET)),
        ({"Authorization": "basic cnpwOng="}, None),
        ({"Authorization": "Basic !!!"}, None),
        ({"Authorization": f"Bearer {KEY_SECRET}"}, None),
    ],
    ids=["none", "wrong secret", "unknown key", "lower case", "no base64", "bearer"],
)
def test_a_caller_without_a_good_key_is_refused(bench, headers, auth):
    answer = bench.api("GET", "/v1/orders", auth=auth, **headers)
    assert (answer.status_code, answer.json()["error"]["description"]) == (401, "Authentication failed")


def test_another_accounts_things_do_not_exist(bench):
    ref = bench.paid()
    theirs = (OTHER["keyId"], OTHER["keySecret"])
    for path in (f"/v1/orders/{ref.processor_ref}", f"/v1/payments/{ref.capture_ref}"):
        assert bench.api("GET", path).status_code == 200
        answer = bench.api("GET", path, auth=theirs)
        assert (answer.status_code, answer.json()["error"]["description"]) == (400, "The id provided does not exist")
    assert bench.build(**OTHER).ask_payment(ref) is None


def test_an_unknown_address_is_not_found_in_razorpays_words(bench):
    answer = bench.api("GET", "/v1/surprises")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "BAD_REQUEST_ERROR")


def test_the_dashboard_decides_where_an_order_does_not_say(bench):
    account = {**CREDENTIALS, "webhook_url": bench.product.url + "/hook", "captures": False}
    assert bench.post("/_lab/razorpay/accounts", **account).status_code == 201
    silent = bench.api("POST", "/v1/orders", {"amount": 100, "currency": "INR"}).json()
    assert silent["notes"] == [] and silent["receipt"] is None
    paid = bench.post(f"/_lab/razorpay/orders/{silent['id']}/act", outcome="approve").json()["payment"]
    assert paid["status"] == "authorized"
    assert bench.act(bench.open(), "approve")["status"] == "captured"


def test_an_account_for_rupees_only_is_told_apart(bench):
    bench.post("/_lab/razorpay/accounts", **CREDENTIALS, international=False)
    with pytest.raises(NotAvailable):
        bench.adapter.create_payment(bench.request(money=Money(1_000, "USD")))


def test_where_unique_receipts_are_unknown_an_order_is_still_made_once(bench):
    bench.post("/_lab/razorpay/accounts", **CREDENTIALS, knows_unique_receipt=False)
    request = bench.request()
    first = bench.adapter.create_payment(request)
    assert bench.adapter.create_payment(request).processor_ref == first.processor_ref
    assert len(bench.get("/_lab/razorpay/orders", receipt=request.reference).json()["orders"]) == 1


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("short", {}, 400),
        ("has spaces in it", {}, 400),
        ("good-key-0001", {"surprise": 1}, 400),
        ("good-key-0001", {"speed": "warp"}, 400),
        ("good-key-0001", {"amount": "100"}, 400),
        ("good-key-0001", {"amount": 50_001}, 400),
        ("good-key-0001", {"amount": 100, "speed": "normal"}, 200),
    ],
)
def test_a_refund_that_is_not_to_the_letter_is_refused(bench, key, body, status):
    ref = bench.paid()
    answer = bench.api("POST", f"/v1/payments/{ref.capture_ref}/refund", body, X_Refund_Idempotency=key)
    assert answer.status_code == status
    made = bench.get("/_lab/razorpay/refunds").json()["refunds"]
    assert len(made) == (1 if status == 200 else 0)


def test_a_refunds_key_repeats_the_refund_and_refuses_another_content(bench):
    ref = bench.paid()
    path, key = f"/v1/payments/{ref.capture_ref}/refund", {"X_Refund_Idempotency": "good-key-0001"}
    first = bench.api("POST", path, {"amount": 100}, **key)
    assert bench.api("POST", path, {"amount": 100}, **key).json() == first.json()
    assert bench.api("POST", path, {"amount": 200}, **key).status_code == 409
    assert bench.api("POST", path, {"amount": 100}).json()["id"] != first.json()["id"]


def test_only_held_money_can_be_captured_and_only_all_of_it(bench):
    held = bench.held()
    path = f"/v1/payments/{held.capture_ref}/capture"
    for body in ({"amount": 49_999, "currency": "INR"}, {"amount": 50_000, "currency": "USD"}, {"amount": 50_000}, {}):
        assert bench.api("POST", path, body).status_code == 400
    assert bench.adapter.ask_payment(held).outcome is Outcome.AUTHORIZED
    failed = bench.act(bench.open(), "decline")
    body = {"amount": 50_000, "currency": "INR"}
    assert bench.api("POST", f"/v1/payments/{failed['id']}/capture", body).status_code == 400


# --- pages ---


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"key_id": "rzp_test_nobody000"}, "api key"),
        ({"key_id": OTHER["keyId"]}, "does not exist"),
        ({"order_id": "order_nobody"}, "does not exist"),
        ({"amount": "50001"}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"callback_url": None}, "callback_url"),
        ({"callback_url": "https://evil.example/"}, "this machine"),
        ({"cancel_url": "javascript:alert(1)"}, "this machine"),
        ({"name": None}, "name is required"),
    ],
)
def test_the_hosted_page_refuses_a_form_that_does_not_fit_its_order(bench, changed, words):
    page = bench.form(bench.open(), **changed)
    assert page.status_code == 400
    assert words in page.text
    assert 'name="outcome"' not in page.text


def test_a_paid_order_cannot_be_paid_at_the_page_again(bench):
    ref = bench.open()
    page = bench.form(ref)
    bench.choose(page, "approve")
    assert bench.choose(page, "approve").status_code == 409
    assert bench.form(ref).status_code == 400
    assert len(bench.get("/_lab/razorpay/payments", order=ref.processor_ref).json()["payments"]) == 1


def test_the_page_needs_a_known_outcome_a_known_payment_and_its_own_form(bench):
    page = bench.form(bench.open())
    assert bench.choose(page, "surprise").status_code == 400
    foreign = requests.post(page.url, data={"outcome": "approve"}, headers={"Origin": "http://evil.test"}, timeout=5)
    assert foreign.status_code == 403
    assert bench.get("/razorpay/checkout/unknown").status_code == 404
    assert bench.get("/_lab/razorpay/payments").json()["payments"] == []


def test_what_a_shop_writes_is_shown_as_text(bench):
    page = bench.form(bench.open(), name="<script>alert(1)</script>", description='"><img src=x>')
    assert "<script>alert" not in page.text and "<img" not in page.text


def test_the_page_may_be_framed_by_the_page_that_opened_it_and_by_no_other(bench):
    alone = bench.form(bench.open())
    assert "frame-ancestors 'none'" in alone.headers["Content-Security-Policy"]
    framed = bench.form(bench.open(), _frame="http://127.0.0.1:8000")
    assert "frame-ancestors http://127.0.0.1:8000;" in framed.headers["Content-Security-Policy"]
    assert 'id="close"' in framed.text and "razorpay-return.js" in framed.text
    told = re.search(r'data-told="([^"]*)"', bench.choose(framed, "approve").text).group(1).replace("&quot;", '"')
    message = json.loads(told)
    assert message["origin"] == "http://127.0.0.1:8000"
    assert "razorpay_signature" in message["fields"]
    stranger = bench.form(bench.open(), _frame="https://evil.example")
    assert "frame-ancestors 'none'" in stranger.headers["Content-Security-Policy"]


def test_the_stand_in_for_checkout_js_is_served_where_the_widget_says(bench):
    widget = bench.adapter.widget(bench.open(), WIDGET)
    answer = requests.get(widget.script_url, timeout=5)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "window.Razorpay" in answer.text


def test_a_payment_link_is_paid_at_its_page_and_comes_back_signed_by_get(bench):
    body = {
        "amount": 10_000,
        "currency": "INR",
        "reference_id": "TS1989",
        "callback_url": "http://127.0.0.1:9/link?x=1",
        "callback_method": "get",
    }
    link = bench.api("POST", "/v1/payment_links", body).json()
    assert bench.api("POST", "/v1/payment_links", body).status_code == 400  # the reference is taken
    back = requests.post(link["short_url"], data={"outcome": "approve"}, allow_redirects=False, timeout=5)
    fields = dict(pair.split("=") for pair in back.headers["Location"].partition("?")[2].split("&"))
    assert fields.pop("x") == "1"
    checked = {
        "payment_link_id": link["id"],
        "payment_link_reference_id": "TS1989",
        "payment_link_status": "paid",
        "razorpay_payment_id": fields["razorpay_payment_id"],
        "razorpay_signature": fields["razorpay_signature"],
    }
    assert razorpay.Client(auth=(KEY_ID, KEY_SECRET)).utility.verify_payment_link_signature(checked)
    assert isinstance(bench.notice("payment_link.paid"), Ignored)
    assert bench.api("GET", f"/v1/payment_links/{link['id']}").json()["status"] == "paid"
    assert bench.api("POST", f"/v1/payment_links/{link['id']}/cancel").status_code == 400
    other = bench.api("POST", "/v1/payment_links", {"amount": 10_000, "currency": "INR"}).json()
    assert bench.api("POST", f"/v1/payment_links/{other['id']}/cancel").json()["status"] == "cancelled"
    assert isinstance(bench.notice("payment_link.cancelled"), Ignored)


def test_people_see_everything_on_one_page_and_no_secret(bench):
    ref = bench.held()
    bench.adapter.capture_payment(ref, MONEY)
    bench.adapter.refund_payment(RefundRequest("refund-1", ref, Money(100, "INR")))
    bench.heard("refund.processed")
    page = requests.get(f"{bench.url}/_lab/razorpay/", headers={"Accept": "text/html"}, timeout=5)
    assert page.status_code == 200
    assert all(word in page.text for word in (ref.processor_ref, ref.capture_ref, "payment.captured", "/capture"))
    told = page.text + bench.get("/_lab/razorpay/accounts").text + json.dumps(bench.requests_of())
    assert KEY_SECRET not in told and WEBHOOK_SECRET not in told
    assert "/_lab/razorpay/" in bench.get("/").text


def test_what_was_under_way_goes_on_after_a_restart(tmp_path, product):
    state = tmp_path / "lab.jsonl"
    account = {**CREDENTIALS, "webhook_url": product.url + "/hook"}
    first = serve(settings=Settings(settle_seconds=3600), state_file=state, accounts={"razorpay": [account]})
    bench = Bench(first, Heard(product))
    ref = bench.open()
    waiting = bench.act(ref, "delay")
    assert waiting["status"] == "created"
    first.lab.rooms["razorpay"].world.payments.get(waiting["id"]).settles_at = time.time() + 0.1
    first.lab.rooms["razorpay"].world.payments.save(first.lab.rooms["razorpay"].world.payments.get(waiting["id"]))
    first.stop()
    second = serve(settings=Settings(settle_seconds=3600), state_file=state)
    try:
        bench = Bench(second, Heard(product))
        eventually(lambda: bench.adapter.ask_payment(ref).outcome, Outcome.CAPTURED)
        bench.heard("order.paid")
    finally:
        second.stop()


def test_emptying_the_lab_forgets_orders_and_keeps_keys(bench):
    bench.paid()
    assert bench.post("/_lab/reset").status_code == 200
    assert bench.get("/_lab/razorpay/orders").json()["orders"] == []
    assert bench.open().processor_ref


@pytest.mark.parametrize(
    "account",
    [
        {"keyId": "rzp_test_1234"},
        {"keySecret": "x"},
        {"keyId": "sk_test_1", "keySecret": "x"},
        {**CREDENTIALS, "webhook_url": "https://example.com/hook"},
        {**CREDENTIALS, "surprise": 1},
    ],
)
def test_an_account_that_cannot_be_is_refused(bench, account):
    assert bench.post("/_lab/razorpay/accounts", **account).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("orders/none/act", {"outcome": "approve"}, 404),
        ("payments/none/act", {"outcome": "late"}, 404),
        ("refunds/none/act", {"outcome": "failed"}, 404),
        ("disputes/none/act", {"outcome": "won"}, 404),
        ("events/none/send", {}, 404),
        ("accounts/none/roll", {"webhookSecret": "x"}, 404),
    ],
)
def test_doors_that_lead_nowhere_say_so(bench, path, body, status):
    assert bench.post(f"/_lab/razorpay/{path}", **body).status_code == status


def test_what_cannot_happen_to_a_payment_is_a_conflict(bench):
    ref = bench.paid()
    for outcome in ("late", "settle", "fail", "capture", "expire"):
        assert bench.post(f"/_lab/razorpay/payments/{ref.capture_ref}/act", outcome=outcome).status_code == 409
    assert bench.post(f"/_lab/razorpay/payments/{ref.capture_ref}/act", outcome="x").status_code == 400
    assert bench.post(f"/_lab/razorpay/payments/{ref.capture_ref}/refund", amount=50_001).status_code == 409
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED
