"""Razorpay: what we send, how every answer reads, what the buyer's page gets, which keys are taken."""

import base64
import json
import logging
import socket
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.adapters.razorpay import PROCESSOR, declines, terms
from gateway.adapters.razorpay.adapter import idempotency_key
from gateway.adapters.razorpay.amounts import CURRENCIES, check_money, from_razorpay, razorpay_exponent, to_razorpay
from gateway.adapters.razorpay.reading import outcome_of
from gateway.errors import (
    Declined,
    GatewayError,
    Misconfigured,
    NotAvailable,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Unavailable,
    WrongMode,
)
from gateway.money import InexactAmount, Money, exponent_of
from gateway.types import (
    Availability,
    DeclineAdvice,
    Failure,
    Mode,
    NextAction,
    Outcome,
    PaymentReport,
    RefundOutcome,
    RefundRef,
    RefundReport,
    WidgetRequest,
)
from tests.gateway.razorpay_peer import (
    CREDENTIALS,
    KEY_ID,
    KEY_SECRET,
    LIVE_KEY_ID,
    NOW,
    ORDER_REF,
    PAY_REF,
    PAYMENT,
    QUICK,
    REFERENCE,
    REFUND,
    REFUND_REF,
    REFUND_REFERENCE,
    REQUEST,
    Razorpay,
    adapter_at,
    ago,
    collection,
    error,
    failed,
    order,
    payment,
    refund,
)

pytestmark = pytest.mark.once

ORDERS = "/v1/orders"
ORDER = f"{ORDERS}/{ORDER_REF}"
TRIES = f"{ORDER}/payments"
PAY = f"/v1/payments/{PAY_REF}"
CAPTURE, REFUND_PATH, REFUNDS = f"{PAY}/capture", f"{PAY}/refund", f"{PAY}/refunds"
HELD = {"status": "authorized", "captured": False}
TAKEN = replace(PAYMENT, capture_ref=PAY_REF)
LOST = replace(PAYMENT, processor_ref="")
OLD = terms.LATE_AUTHORISATION_FOR + timedelta(hours=1)


@pytest.fixture
def peer(httpserver):
    return Razorpay(httpserver)


@pytest.fixture
def adapter(peer):
    return adapter_at(peer.url)


def shown(peer, *tries, **changes):
    """The order as the peer shows it, with these tries."""
    return peer.on("GET", ORDER, order(**changes)).on("GET", TRIES, collection(*tries))


# --- creating an order ---


def test_an_order_carries_our_ids_and_says_that_the_money_is_taken_at_once(peer, adapter):
    peer.on("POST", ORDERS, order())
    report = adapter.create_payment(REQUEST)
    assert report == PaymentReport(
        reference=REFERENCE,
        processor_ref=ORDER_REF,
        outcome=Outcome.PENDING,
        mode=Mode.TEST,
        next_action=NextAction(url=f"{peer.url}/v1/checkout/embedded"),
    )
    assert peer.sent() == {
        "amount": 50_000,
        "currency": "INR",
        "receipt": REFERENCE,
        "payment_capture": True,
        "unique_receipt": True,
        "notes": {
            "paymentId": REFERENCE,
            "orderId": "order-1",
            "externalId": "ORDER-1",
            "serviceName": "Premium Credits",
        },
    }
    scheme, _, pair = peer.headers()["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair).decode()) == ("Basic", f"{KEY_ID}:{KEY_SECRET}")
    assert peer.headers()["Content-Type"] == "application/json"


def test_money_that_is_only_to_be_held_is_said_so_in_the_same_field(peer, adapter):
    peer.on("POST", ORDERS, order())
    adapter.create_payment(replace(REQUEST, captures_later=True))
    assert peer.sent()["payment_capture"] is False
    assert "payment" not in peer.sent()


def test_notes_are_cut_to_what_razorpay_keeps_and_our_ids_always_fit(peer, adapter):
    peer.on("POST", ORDERS, order())
    metadata = {f"field{number}": "x" * 300 for number in range(20)} | {"paymentId": "not ours", "empty": ""}
    adapter.create_payment(replace(REQUEST, metadata=metadata))
    notes = peer.sent()["notes"]
    assert len(notes) == 15
    assert (notes["paymentId"], notes["orderId"]) == (REFERENCE, "order-1")
    assert {len(value) for name, value in notes.items() if name.startswith("field")} == {256}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"money": Money(99, "INR")}, Misconfigured),
        ({"money": Money(0, "INR")}, Misconfigured),
        ({"money": Money(50_000, "UZS")}, Misconfigured),
        ({"money": Money(12_345, "KWD")}, Misconfigured),
        ({"method": "upi"}, NotAvailable),
        ({"reference": "x" * 41}, Misconfigured),
        ({"reference": ""}, Misconfigured),
    ],
    ids=["below a rupee", "nothing", "unlisted currency", "last digit", "a method", "long reference", "no reference"],
)
def test_what_razorpay_surely_refuses_is_refused_without_a_call(peer, adapter, change, expected):
    with pytest.raises(expected):
        adapter.create_payment(replace(REQUEST, **change))
    assert peer.calls == []


def test_a_repeated_create_looks_first_whether_the_order_is_there(peer, adapter):
    peer.on("GET", ORDERS, collection(order()))
    request = replace(REQUEST, created_at=NOW - timedelta(minutes=2))
    assert adapter.create_payment(request).processor_ref == ORDER_REF
    assert peer.calls == [f"GET {ORDERS}"]
    assert peer.query() == {"receipt": REFERENCE, "count": "100", "skip": "0"}


def test_a_fresh_create_is_one_call(peer, adapter):
    peer.on("POST", ORDERS, order())
    adapter.create_payment(replace(REQUEST, created_at=NOW - timedelta(seconds=2)))
    assert peer.calls == [f"POST {ORDERS}"]


def test_a_create_that_answers_a_paid_order_reports_the_money(peer, adapter):
    peer.on("POST", ORDERS, order(status="paid")).on("GET", TRIES, collection(payment()))
    report = adapter.create_payment(REQUEST)
    assert (report.outcome, report.money, report.capture_ref) == (Outcome.CAPTURED, Money(50_000, "INR"), PAY_REF)


def test_a_create_whose_old_order_cannot_be_asked_about_is_still_that_order(peer, adapter):
    peer.on("POST", ORDERS, order(status="attempted")).on("GET", TRIES, (503, "<html>"))
    report = adapter.create_payment(REQUEST)
    assert (report.outcome, report.processor_ref) == (Outcome.PENDING, ORDER_REF)


@pytest.mark.parametrize(
    "changes",
    [{"amount": 50_001}, {"currency": "USD"}, {"receipt": "another"}, {"id": None}, {"id": "order<1>"}],
    ids=["amount", "currency", "receipt", "no id", "odd id"],
)
def test_an_order_that_is_not_the_one_we_asked_for_is_unknown(peer, adapter, changes):
    peer.on("POST", ORDERS, order(**changes))
    with pytest.raises(OutcomeUnknown):
        adapter.create_payment(REQUEST)


def test_where_unique_receipts_are_not_known_the_order_is_looked_for_and_then_made_without(peer, adapter):
    refusal = (400, error("unique_receipt is/are not required and should not be sent"))
    peer.on("POST", ORDERS, refusal, order()).on("GET", ORDERS, collection())
    assert adapter.create_payment(REQUEST).processor_ref == ORDER_REF
    assert peer.calls == [f"POST {ORDERS}", f"GET {ORDERS}", f"POST {ORDERS}"]
    assert "unique_receipt" not in peer.sent()
    assert peer.sent()["receipt"] == REFERENCE


def test_a_receipt_that_is_taken_is_the_order_that_is_there(peer, adapter):
    peer.on("POST", ORDERS, (400, error("An order with this receipt exists", field="receipt")))
    peer.on("GET", ORDERS, collection(order(receipt="another"), order()))
    assert adapter.create_payment(REQUEST).processor_ref == ORDER_REF
    assert peer.calls == [f"POST {ORDERS}", f"GET {ORDERS}"]


@pytest.mark.parametrize(
    ("key_id", "mode", "expected"),
    [
        (LIVE_KEY_ID, Mode.TEST, WrongMode),
        (KEY_ID, Mode.LIVE, WrongMode),
        ("", Mode.TEST, Misconfigured),
        ("rzp_other_123456", Mode.TEST, Misconfigured),
    ],
    ids=["live in test", "test in live", "none", "another"],
)
def test_a_key_that_does_not_fit_never_leaves_the_house(peer, key_id, mode, expected):
    with pytest.raises(expected):
        adapter_at(peer.url, mode=mode, keyId=key_id).create_payment(REQUEST)
    assert peer.calls == []


# --- what refusals mean ---


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, error("Authentication failed"), Misconfigured),
        (400, error("Authentication failed"), Misconfigured),
        (400, error("The api key provided is invalid", source="NA", step="NA", reason="NA"), Misconfigured),
        (401, {"message": "what"}, Misconfigured),
        (403, error("Access Denied"), NotPermitted),
        (404, error("The requested URL was not found on the server."), Misconfigured),
        (400, error("The requested URL was not found on the server."), Misconfigured),
        (400, error("The amount must be at least INR 1.00", field="amount", source="business"), Misconfigured),
        (400, error("Currency is not supported", field="currency"), NotAvailable),
        (400, error("No.", reason="invalid_currency"), NotAvailable),
        (400, error("No.", reason="international_transaction_not_allowed"), NotAvailable),
        (400, error("Payment failed", source="bank", reason="payment_failed"), Declined),
        (400, error("Wrong OTP", source="customer", reason="incorrect_otp"), Declined),
        (400, error("No.", source="gateway", reason="payment_timed_out"), Declined),
        (400, error("Not for you", source="business", reason="payment_method_not_enabled"), Misconfigured),
        (400, error("The id provided does not exist"), NotFound),
        (404, error("The id provided does not exist"), NotFound),
        (400, error("order_x is not a valid id"), NotFound),
        (429, error("Too many requests"), Unavailable),
        (409, error("Another request is still in progress"), OutcomeUnknown),
        (400, error("Bank trouble", code="GATEWAY_ERROR"), OutcomeUnknown),
        (502, error("Bank trouble", code="GATEWAY_ERROR"), OutcomeUnknown),
        (400, error("Trouble", code="SERVER_ERROR"), OutcomeUnknown),
        (500, error("Trouble", code="SERVER_ERROR"), OutcomeUnknown),
        (503, "<html>503</html>", OutcomeUnknown),
        (400, "<html>400</html>", OutcomeUnknown),
        (400, {"error": None}, OutcomeUnknown),
        (400, {"error": "text"}, OutcomeUnknown),
        (400, [1], OutcomeUnknown),
        (200, "<html>sign in</html>", OutcomeUnknown),
        (200, {"error": None}, OutcomeUnknown),
        (200, error("but 200"), OutcomeUnknown),
        (200, "{}", OutcomeUnknown),
        (200, "null", OutcomeUnknown),
        (204, "", OutcomeUnknown),
        (302, "", OutcomeUnknown),
    ],
)
def test_what_each_refusal_asks_of_us(peer, adapter, status, body, expected):
    peer.on("POST", ORDERS, (status, body))
    with pytest.raises(GatewayError) as caught:
        adapter.create_payment(REQUEST)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, error("Bank trouble", code="GATEWAY_ERROR")),
        (400, error("Bank trouble", code="GATEWAY_ERROR")),
        (503, "<html>"),
        (200, "<html>"),
        (200, "[]"),
        (429, error("Slow down")),
    ],
)
def test_a_question_without_a_clear_answer_is_unavailable(peer, adapter, status, body):
    peer.on("GET", ORDER, (status, body))
    with pytest.raises(Unavailable):
        adapter.ask_payment(PAYMENT)


def test_too_many_requests_says_how_long_to_wait(peer, adapter):
    peer.on("POST", ORDERS, (429, error("Too many requests"), {"Retry-After": "7"}))
    with pytest.raises(Unavailable) as caught:
        adapter.create_payment(REQUEST)
    assert caught.value.retry_after_seconds == 7


def test_no_answer_leaves_a_create_unknown_and_it_is_sent_only_once(raw_server):
    server = raw_server(lambda connection: connection.recv(1))
    with pytest.raises(OutcomeUnknown):
        adapter_at(server.url, timeouts=QUICK).create_payment(REQUEST)
    assert len(server.requests) == 1


def test_nobody_listening_is_unavailable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take the port meanwhile
        with pytest.raises(Unavailable):
            adapter_at(f"http://127.0.0.1:{taken.getsockname()[1]}", timeouts=QUICK).create_payment(REQUEST)


def test_staff_reads_razorpays_words_and_the_raw_reason(peer, adapter):
    peer.on("POST", ORDERS, (400, error("The amount is odd", field="amount", reason="input_validation_failed")))
    with pytest.raises(Misconfigured, match=r"Razorpay: The amount is odd \(amount\)") as caught:
        adapter.create_payment(REQUEST)
    assert caught.value.processor_code == "input_validation_failed"


def test_logs_hold_no_body_and_no_secret(peer, adapter, caplog):
    caplog.set_level(logging.DEBUG)
    peer.on("POST", ORDERS, order())
    adapter.create_payment(REQUEST)
    assert "/v1/orders: 200" in caplog.text
    pair = base64.b64encode(f"{KEY_ID}:{KEY_SECRET}".encode()).decode()
    assert not any(secret in caplog.text for secret in (KEY_SECRET, pair, "Premium Credits"))
    assert KEY_SECRET not in repr(adapter)


# --- asking ---


def test_an_order_nobody_tried_to_pay_is_pending_and_leads_to_the_page(peer, adapter):
    shown(peer)
    report = adapter.ask_payment(PAYMENT)
    assert (report.outcome, report.is_final, report.capture_ref) == (Outcome.PENDING, False, "")
    assert report.next_action == NextAction(url=f"{peer.url}/v1/checkout/embedded")


def test_captured_money_is_named_with_the_try_that_took_it(peer, adapter):
    shown(peer, payment(), status="paid")
    assert adapter.ask_payment(PAYMENT) == PaymentReport(
        reference=REFERENCE,
        processor_ref=ORDER_REF,
        outcome=Outcome.CAPTURED,
        mode=Mode.TEST,
        money=Money(50_000, "INR"),
        is_final=True,
        method="upi",
        occurred_at=NOW - timedelta(seconds=30),
        processor_data={"rrn": "123456789012"},
        capture_ref=PAY_REF,
        payer_email="buyer@example.com",
    )


@pytest.mark.parametrize(
    ("changes", "outcome", "is_final"),
    [
        ({"status": "created", "captured": False}, Outcome.PENDING, False),
        ({"status": "authorized", "captured": False}, Outcome.AUTHORIZED, False),
        ({"status": "authorized", "captured": True}, Outcome.AUTHORIZED, False),
        ({"status": "captured", "captured": True}, Outcome.CAPTURED, True),
        ({"status": "refunded", "captured": True}, Outcome.CAPTURED, True),
        ({"status": "refunded", "captured": False}, Outcome.CANCELLED, False),
        ({"status": "refunded", "captured": None}, Outcome.CANCELLED, False),
        ({"status": "failed", "captured": False}, Outcome.DECLINED, False),
        ({"status": "failed", "captured": True}, Outcome.DECLINED, False),
        ({"status": "something new", "captured": True}, Outcome.PENDING, False),
        ({"status": None, "captured": True}, Outcome.PENDING, False),
    ],
)
def test_what_each_state_of_a_try_says_of_its_order(peer, adapter, changes, outcome, is_final):
    shown(peer, payment(**changes), status="attempted")
    report = adapter.ask_payment(PAYMENT)
    assert (report.outcome, report.is_final) == (outcome, is_final)
    assert (report.money is not None) == (outcome in (Outcome.CAPTURED, Outcome.AUTHORIZED))
    assert bool(report.capture_ref) == (outcome in (Outcome.CAPTURED, Outcome.AUTHORIZED))


@pytest.mark.parametrize(
    ("tries", "outcome"),
    [
        ([failed(id="pay_1"), payment(id="pay_2")], Outcome.CAPTURED),
        ([payment(id="pay_1"), payment(id="pay_2", status="refunded", captured=False)], Outcome.CAPTURED),
        ([payment(id="pay_1", **HELD), payment(id="pay_2", status="created", captured=False)], Outcome.AUTHORIZED),
        ([payment(id="pay_1", status="created", captured=False), failed(id="pay_2")], Outcome.PENDING),
        (
            [failed(id="pay_1", created_at=ago(hours=1)), payment(id="pay_2", status="refunded", captured=False)],
            Outcome.CANCELLED,
        ),
        ([failed(id="pay_1"), failed(id="pay_2")], Outcome.DECLINED),
    ],
)
def test_of_several_tries_the_best_one_speaks_in_whatever_order_they_come(peer, adapter, tries, outcome):
    peer.on("GET", ORDER, order(status="attempted")).on("GET", TRIES, collection(*tries), collection(*tries[::-1]))
    assert adapter.ask_payment(PAYMENT).outcome is outcome
    assert adapter.ask_payment(PAYMENT).outcome is outcome


def test_of_two_captured_tries_the_one_we_know_speaks(peer, adapter):
    shown(peer, payment(id="pay_new"), payment(id=PAY_REF, created_at=ago(hours=1)), status="paid")
    assert adapter.ask_payment(TAKEN).capture_ref == PAY_REF
    assert adapter.ask_payment(PAYMENT).capture_ref == "pay_new"


def test_a_paid_order_whose_try_is_not_to_be_seen_yet_may_not_be_paid_again(peer, adapter):
    shown(peer, failed(), status="paid")
    report = adapter.ask_payment(PAYMENT)
    assert (report.outcome, report.next_action, report.is_final) == (Outcome.PROCESSING, None, False)


def test_a_refused_try_is_final_only_when_its_bank_can_no_longer_change_its_mind(peer, adapter):
    old, late = int((NOW - OLD).timestamp()), ago(days=1)
    peer.on("GET", ORDER, order(status="attempted", created_at=old))
    peer.on("GET", TRIES, collection(failed(created_at=late)), collection(failed(created_at=old)))
    assert adapter.ask_payment(PAYMENT).is_final is False
    assert adapter.ask_payment(PAYMENT).is_final is True


def test_a_lost_create_is_found_by_its_receipt_and_the_one_somebody_paid_comes_first(peer, adapter):
    rows = [order(id="order_new"), order(status="paid"), order(receipt="another", id="order_x")]
    peer.on("GET", ORDERS, collection(*rows)).on("GET", TRIES, collection(payment()))
    report = adapter.ask_payment(LOST)
    assert (report.processor_ref, report.outcome) == (ORDER_REF, Outcome.CAPTURED)


def test_a_create_that_never_arrived_is_none(peer, adapter):
    peer.on("GET", ORDERS, collection())
    assert adapter.ask_payment(LOST) is None


def test_an_order_that_razorpay_does_not_know_is_none(peer, adapter):
    peer.on("GET", ORDER, (400, error("The id provided does not exist")))
    assert adapter.ask_payment(PAYMENT) is None


@pytest.mark.parametrize(
    ("row", "tries"),
    [
        (order(id="order_other"), collection()),
        (order(), collection(payment(order_id="order_other"))),
        (order(), {"entity": "collection"}),
        (order(), collection(payment(entity="refund"))),
        (order(), collection(payment(id="pay 1"))),
    ],
    ids=["another order", "a try of another order", "no items", "no payment", "no id"],
)
def test_an_answer_about_something_else_tells_nothing(peer, adapter, row, tries):
    peer.on("GET", ORDER, row).on("GET", TRIES, tries)
    with pytest.raises(Unavailable):
        adapter.ask_payment(PAYMENT)


@pytest.mark.parametrize("amount", ["50000", 50000.5, True, -1, None, 10**15])
def test_captured_money_in_an_amount_nobody_can_read_is_none_rather_than_a_guess(peer, adapter, amount):
    shown(peer, payment(amount=amount), status="paid")
    report = adapter.ask_payment(PAYMENT)
    assert (report.outcome, report.money) == (Outcome.CAPTURED, None)


def test_the_address_that_razorpay_invents_for_buyers_without_one_is_nobodys(peer, adapter):
    shown(peer, payment(email="void@razorpay.com"), status="paid")
    assert adapter.ask_payment(PAYMENT).payer_email == ""


def test_texts_hold_nothing_that_a_database_refuses(peer, adapter):
    row = {**failed("odd\x00reason"), "error_description": "a\ud800b"}
    shown(peer, row, status="attempted")
    failure = adapter.ask_payment(PAYMENT).failure
    assert (failure.code, failure.message) == ("odd\ufffdreason", "a\ufffdb")


# --- refused tries ---


@pytest.mark.parametrize(
    ("reason", "source", "advice"),
    [
        ("insufficient_funds", "customer", DeclineAdvice.NOT_ENOUGH_MONEY),
        ("transaction_daily_limit_exceeded", "customer", DeclineAdvice.NOT_ENOUGH_MONEY),
        ("payment_cancelled", "customer", DeclineAdvice.CANCELLED_BY_BUYER),
        ("payment_timed_out", "customer", DeclineAdvice.TIMED_OUT),
        ("payment_collect_request_expired", "customer", DeclineAdvice.TIMED_OUT),
        ("card_declined", "issuer_bank", DeclineAdvice.CALL_BANK),
        ("payment_risk_check_failed", "issuer_bank", DeclineAdvice.CALL_BANK),
        ("card_expired", "customer", DeclineAdvice.OTHER_METHOD),
        ("payment_failed", "bank", DeclineAdvice.OTHER_METHOD),
        ("psp_app_ not_available", "customer_psp", DeclineAdvice.OTHER_METHOD),
        ("incorrect_otp", "customer", DeclineAdvice.TRY_AGAIN),
        ("gateway_technical_error", "gateway", DeclineAdvice.TRY_AGAIN),
        ("a_new_reason", "issuer_bank", DeclineAdvice.CALL_BANK),
        ("a_new_reason", "customer", DeclineAdvice.TRY_AGAIN),
        ("", "", DeclineAdvice.TRY_AGAIN),
    ],
)
def test_a_refused_buyer_gets_advice_and_staff_the_raw_code(peer, adapter, reason, source, advice):
    shown(peer, failed(reason, source), status="attempted")
    report = adapter.ask_payment(PAYMENT)
    assert report.failure == Failure(code=reason or "BAD_REQUEST_ERROR", message="Payment failed", advice=advice)


def test_every_reason_has_one_advice():
    words = [word for text in declines._REASONS.values() for word in text.split()]
    assert len(words) == len(set(words)) == len(declines.ADVICE)
    assert len(words) > 100


# --- ending ---


@pytest.mark.parametrize(
    ("tries", "changes", "outcome"),
    [([payment()], {"status": "paid"}, Outcome.CAPTURED), ([payment(**HELD)], {}, Outcome.AUTHORIZED)],
    ids=["captured", "held"],
)
def test_a_cancel_reports_money_that_is_there(peer, adapter, tries, changes, outcome):
    shown(peer, *tries, **changes)
    assert adapter.cancel_payment(PAYMENT).outcome is outcome


@pytest.mark.parametrize(
    "tries",
    [[], [failed()], [payment(status="created", captured=False)], [failed(created_at=ago(days=2))]],
    ids=["never tried", "just refused", "under way", "refused two days ago"],
)
def test_an_order_that_may_still_be_paid_is_not_called_ended(peer, adapter, tries):
    shown(peer, *tries, status="attempted")
    with pytest.raises(Refused) as caught:
        adapter.cancel_payment(PAYMENT)
    assert caught.value.report is None
    assert not any(call.startswith("POST") for call in peer.calls)


@pytest.mark.parametrize("was_tried", [False, True], ids=["never tried", "refused long ago"])
def test_an_order_that_nothing_is_to_be_expected_of_has_expired(peer, adapter, was_tried):
    old = int((NOW - OLD).timestamp())
    shown(peer, *[failed(created_at=old)] * was_tried, created_at=old)
    report = adapter.cancel_payment(PAYMENT)
    assert (report.outcome, report.is_final, report.processor_ref) == (Outcome.EXPIRED, True, ORDER_REF)


@pytest.mark.parametrize(
    ("opened", "row"),
    [
        (OLD, failed(created_at=ago(days=2))),
        (OLD, failed(created_at=None)),
        (OLD, payment(status="created", captured=False, created_at=int((NOW - OLD).timestamp()))),
        (terms.LATE_AUTHORISATION_FOR - timedelta(seconds=1), failed(created_at=int((NOW - OLD).timestamp()))),
    ],
    ids=["a younger try", "a try of unknown age", "a try under way", "a young order"],
)
def test_an_old_order_with_a_try_that_may_live_has_not_expired(peer, adapter, opened, row):
    shown(peer, row, created_at=int((NOW - opened).timestamp()))
    with pytest.raises(Refused):
        adapter.cancel_payment(PAYMENT)


def test_cancelling_a_payment_that_razorpay_never_got_is_done(peer, adapter):
    peer.on("GET", ORDERS, collection())
    report = adapter.cancel_payment(LOST)
    assert (report.outcome, report.is_final) == (Outcome.CANCELLED, True)


def test_cancelling_a_payment_whose_answer_was_lost_finds_its_money(peer, adapter):
    peer.on("GET", ORDERS, collection(order(status="paid"))).on("GET", TRIES, collection(payment()))
    report = adapter.cancel_payment(LOST)
    assert (report.outcome, report.processor_ref) == (Outcome.CAPTURED, ORDER_REF)


def test_an_id_that_razorpay_does_not_know_is_not_called_cancelled(peer, adapter):
    peer.on("GET", ORDER, (400, error("The id provided does not exist")))
    with pytest.raises(NotFound):
        adapter.cancel_payment(PAYMENT)


# --- capturing ---


def test_held_money_is_taken_with_the_amount_and_the_currency(peer, adapter):
    peer.on("POST", CAPTURE, payment())
    report = adapter.capture_payment(TAKEN, Money(50_000, "INR"))
    assert (report.outcome, report.capture_ref, report.money) == (Outcome.CAPTURED, PAY_REF, Money(50_000, "INR"))
    assert peer.sent() == {"amount": 50_000, "currency": "INR"}
    assert peer.calls == [f"POST {CAPTURE}"]


def test_the_try_that_holds_the_money_is_looked_up_where_we_do_not_know_it(peer, adapter):
    shown(peer, failed(id="pay_x"), payment(**HELD), status="attempted").on("POST", CAPTURE, payment())
    assert adapter.capture_payment(PAYMENT, Money(50_000, "INR")).outcome is Outcome.CAPTURED


def test_money_taken_already_is_as_good(peer, adapter):
    peer.on("POST", CAPTURE, (400, error("This payment has already been captured"))).on("GET", PAY, payment())
    assert adapter.capture_payment(TAKEN, Money(50_000, "INR")).outcome is Outcome.CAPTURED
    shown(peer, payment(), status="paid")
    assert adapter.capture_payment(PAYMENT, Money(50_000, "INR")).outcome is Outcome.CAPTURED


def test_a_capture_that_comes_too_late_is_refused_with_the_truth(peer, adapter):
    peer.on("POST", CAPTURE, (400, error("Only authorized payments can be captured")))
    peer.on("GET", PAY, payment(status="refunded", captured=False))
    with pytest.raises(Refused) as caught:
        adapter.capture_payment(TAKEN, Money(50_000, "INR"))
    assert caught.value.report.outcome is Outcome.CANCELLED


@pytest.mark.parametrize("money", [Money(49_999, "INR"), Money(50_001, "INR"), Money(50_000, "USD")], ids=str)
def test_another_amount_than_the_one_held_is_refused_without_a_call(peer, adapter, money):
    with pytest.raises(Refused):
        adapter.capture_payment(TAKEN, money)
    assert peer.calls == []


def test_nothing_held_is_refused(peer, adapter):
    shown(peer, failed(), status="attempted")
    with pytest.raises(Refused) as caught:
        adapter.capture_payment(PAYMENT, Money(50_000, "INR"))
    assert caught.value.report.outcome is Outcome.DECLINED
    assert not any(call.startswith("POST") for call in peer.calls)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (503, "<html>", OutcomeUnknown),
        (400, error("Bank trouble", code="GATEWAY_ERROR"), OutcomeUnknown),
        (200, payment(id="pay_other"), OutcomeUnknown),
        (200, payment(order_id="order_other"), OutcomeUnknown),
        (401, error("Authentication failed"), Misconfigured),
        (429, error("Slow down"), Unavailable),
    ],
)
def test_a_capture_without_a_clear_answer_is_not_called_done(peer, adapter, status, body, expected):
    peer.on("POST", CAPTURE, (status, body))
    with pytest.raises(expected):
        adapter.capture_payment(TAKEN, Money(50_000, "INR"))


# --- refunds ---


def test_a_refund_goes_out_under_its_own_key_and_carries_our_reference(peer, adapter):
    peer.on("GET", REFUNDS, collection()).on("POST", REFUND_PATH, refund(status="pending"))
    report = adapter.refund_payment(replace(REFUND, payment=TAKEN))
    assert report == RefundReport(
        reference=REFUND_REFERENCE,
        processor_ref=REFUND_REF,
        payment_processor_ref=PAY_REF,
        outcome=RefundOutcome.PENDING,
        money=Money(20_000, "INR"),
        mode=Mode.TEST,
        occurred_at=NOW - timedelta(seconds=10),
    )
    assert peer.sent() == {
        "amount": 20_000,
        "speed": "normal",
        "notes": {"refundId": REFUND_REFERENCE, "paymentId": REFERENCE},
        "receipt": REFUND_REFERENCE,
    }
    assert peer.headers()["X-Refund-Idempotency"] == f"refund-{REFUND_REFERENCE}"


@pytest.mark.parametrize("reference", ["1", "a b/c", "é" * 5, "x" * 300], ids=["short", "odd", "foreign", "long"])
def test_every_reference_makes_a_key_that_razorpay_takes(reference):
    key = idempotency_key(reference)
    assert key == idempotency_key(reference) != idempotency_key(reference + "1")
    assert key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    assert 10 <= len(key) <= 110 or reference == "1"


@pytest.mark.parametrize("known_by", [{"notes": []}, {"receipt": None}], ids=["receipt", "notes"])
def test_a_refund_that_razorpay_has_is_not_made_again(peer, adapter, known_by):
    peer.on("GET", REFUNDS, collection(refund(id="rfnd_x", notes=[], receipt=None), refund(**known_by)))
    report = adapter.refund_payment(replace(REFUND, payment=TAKEN))
    assert (report.processor_ref, report.outcome, report.reference) == (
        REFUND_REF,
        RefundOutcome.SUCCEEDED,
        REFUND_REFERENCE,
    )
    assert peer.calls == [f"GET {REFUNDS}"]


def test_the_try_that_took_the_money_is_looked_up_where_we_do_not_know_it(peer, adapter):
    shown(peer, payment(), status="paid").on("GET", REFUNDS, collection()).on("POST", REFUND_PATH, refund())
    assert adapter.refund_payment(REFUND).outcome is RefundOutcome.SUCCEEDED


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("pending", RefundOutcome.PENDING),
        ("processed", RefundOutcome.SUCCEEDED),
        ("failed", RefundOutcome.FAILED),
        ("something new", RefundOutcome.PENDING),
        (None, RefundOutcome.PENDING),
    ],
)
def test_a_refunds_states(peer, adapter, word, outcome):
    peer.on("GET", f"/v1/refunds/{REFUND_REF}", refund(status=word))
    ref = RefundRef(REFUND_REFERENCE, REFUND_REF, TAKEN, Money(20_000, "INR"), NOW)
    report = adapter.ask_refund(ref)
    assert (report.outcome, report.reference) == (outcome, REFUND_REFERENCE)
    assert (report.failure is not None) == (outcome is RefundOutcome.FAILED)


def test_a_refund_whose_answer_was_lost_is_found_among_its_payments_refunds(peer, adapter):
    peer.on("GET", REFUNDS, collection(refund()), collection())
    ref = RefundRef(REFUND_REFERENCE, "", TAKEN, Money(20_000, "INR"), NOW)
    assert adapter.ask_refund(ref).processor_ref == REFUND_REF
    assert adapter.ask_refund(ref) is None


def test_a_refund_unknown_there_is_none(peer, adapter):
    peer.on("GET", f"/v1/refunds/{REFUND_REF}", (400, error("The id provided does not exist")))
    assert adapter.ask_refund(RefundRef(REFUND_REFERENCE, REFUND_REF, TAKEN, Money(20_000, "INR"), NOW)) is None


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error("The payment has been fully refunded already", source="NA", reason="NA"), Refused),
        (400, error("The refund amount provided is greater than amount captured", field="amount"), Refused),
        (400, error("The bank does not take refunds", source="bank", reason="payment_failed"), Refused),
        (400, error("Refund is not supported by the bank because the payment is more than 6 months old"), Refused),
        (400, error("Your account does not have enough balance to carry out the refund operation."), Refused),
        (400, error("The requested URL was not found on the server."), Misconfigured),
        (401, error("Authentication failed"), Misconfigured),
        (400, error("The id provided does not exist"), NotFound),
        (409, error("Another request with the same idempotency key is still in progress."), OutcomeUnknown),
        (409, error("Different request with the same idempotency key has already been processed."), OutcomeUnknown),
        (502, error("Bank", code="GATEWAY_ERROR"), OutcomeUnknown),
        (200, refund(amount=19_999), OutcomeUnknown),
        (200, refund(payment_id="pay_other"), OutcomeUnknown),
        (200, refund(id=None), OutcomeUnknown),
        (429, error("Slow down"), Unavailable),
    ],
)
def test_what_each_answer_to_a_refund_means(peer, adapter, status, body, expected):
    peer.on("GET", REFUNDS, collection()).on("POST", REFUND_PATH, (status, body))
    with pytest.raises(GatewayError) as caught:
        adapter.refund_payment(replace(REFUND, payment=TAKEN))
    assert type(caught.value) is expected


def test_refunds_of_what_was_never_captured_and_in_another_currency_are_refused_without_a_write(peer, adapter):
    shown(peer, payment(**HELD), status="attempted")
    with pytest.raises(Refused):
        adapter.refund_payment(REFUND)
    with pytest.raises(Misconfigured):
        adapter.refund_payment(replace(REFUND, money=Money(100, "USD")))
    assert not any(call.startswith("POST") for call in peer.calls)


def test_more_refunds_than_we_look_through_is_not_the_same_as_none(peer, adapter):
    others = [refund(id=f"rfnd_{number}", notes=[], receipt=None) for number in range(100)]
    peer.on("GET", REFUNDS, collection(*others))
    with pytest.raises(Unavailable):
        adapter.refund_payment(replace(REFUND, payment=TAKEN))
    assert len(peer.calls) == terms.MAX_PAGES


# --- the buyer's page ---

WIDGET = WidgetRequest(
    seller="Marketplace <Ltd>",
    description="Premium Credits",
    return_url="https://pay.test/checkout/o/tok_1/return",
    cancel_url="https://pay.test/checkout/o/tok_1",
    payer_email="buyer@example.com",
)


def test_the_widget_is_razorpays_script_and_its_hosted_form_with_the_same_content():
    adapter = adapter_at("", mode=Mode.LIVE, keyId=LIVE_KEY_ID)
    widget = adapter.widget(PAYMENT, WIDGET)
    assert (widget.kind, widget.script_url) == ("razorpay", "https://checkout.razorpay.com/v1/checkout.js")
    assert widget.options == {
        "key": LIVE_KEY_ID,
        "order_id": ORDER_REF,
        "amount": 50_000,
        "currency": "INR",
        "name": "Marketplace <Ltd>",
        "description": "Premium Credits",
        "notes": {"paymentId": REFERENCE},
        "callback_url": "https://pay.test/checkout/o/tok_1/return",
        "redirect": True,
        "prefill": {"email": "buyer@example.com"},
    }
    assert widget.form_url == "https://api.razorpay.com/v1/checkout/embedded"
    assert widget.form_fields == {
        "key_id": LIVE_KEY_ID,
        "order_id": ORDER_REF,
        "amount": "50000",
        "currency": "INR",
        "name": "Marketplace <Ltd>",
        "description": "Premium Credits",
        "notes[paymentId]": REFERENCE,
        "prefill[email]": "buyer@example.com",
        "callback_url": "https://pay.test/checkout/o/tok_1/return",
        "cancel_url": "https://pay.test/checkout/o/tok_1",
    }
    assert widget.sources["script-src"] == {"https://checkout.razorpay.com"}
    assert widget.sources["form-action"] == {"https://api.razorpay.com"}
    assert "https://api.razorpay.com" in widget.sources["frame-src"]
    written = json.dumps([dict(widget.options), dict(widget.form_fields)])
    assert KEY_SECRET not in written and CREDENTIALS["webhookSecret"] not in written


def test_in_the_lab_script_form_and_sources_are_the_labs():
    widget = adapter_at("http://127.0.0.1:8010/razorpay").widget(PAYMENT, replace(WIDGET, payer_email=""))
    assert widget.script_url == "http://127.0.0.1:8010/razorpay/v1/checkout.js"
    assert widget.form_url == "http://127.0.0.1:8010/razorpay/v1/checkout/embedded"
    assert set(widget.sources.values()) == {frozenset({"http://127.0.0.1:8010"})}
    assert "prefill" not in widget.options and "prefill[email]" not in widget.form_fields


def test_an_order_whose_id_we_do_not_know_cannot_be_shown():
    with pytest.raises(Misconfigured):
        adapter_at("").widget(LOST, WIDGET)


# --- amounts ---


@pytest.mark.parametrize(
    ("money", "amount"),
    [
        (Money(50_000, "INR"), 50_000),
        (Money(1_999, "USD"), 1_999),
        (Money(295, "JPY"), 295),
        (Money(295_990, "KWD"), 295_990),
        (Money(500, "ISK"), 500),
        (Money(12_345, "MGA"), 12_345),
    ],
    ids=str,
)
def test_amounts_go_there_and_back(money, amount):
    assert to_razorpay(money) == amount
    assert from_razorpay(amount, money.currency) == money


@pytest.mark.parametrize(
    "money", [Money(99, "INR"), Money(0, "USD"), Money(-1, "INR"), Money(295_991, "KWD"), Money(100, "UZS")], ids=str
)
def test_amounts_that_razorpay_cannot_take_are_refused_with_a_reason(money):
    assert check_money(money).endswith(".")
    assert PROCESSOR.check_money(money) == check_money(money)


def test_a_rupee_is_enough():
    assert check_money(Money(100, "INR")) == ""


def test_a_currency_that_razorpay_does_not_list_has_no_exponent_there():
    with pytest.raises(InexactAmount):
        razorpay_exponent("UZS")
    assert from_razorpay(100, "UZS") is None
    assert from_razorpay(100, "inr") is None


def test_razorpays_decimals_are_isos_today():
    assert {code for code in CURRENCIES if razorpay_exponent(code) != exponent_of(code)} == set()


# --- keys, availability, the registry's entry ---


@pytest.mark.parametrize(("key_id", "mode"), [(KEY_ID, Mode.TEST), (LIVE_KEY_ID, Mode.LIVE)])
def test_good_credentials_have_no_problem(key_id, mode):
    assert PROCESSOR.check_credentials({**CREDENTIALS, "keyId": key_id}, mode) == {}


@pytest.mark.parametrize(
    ("name", "value", "mode", "reason"),
    [
        ("keyId", LIVE_KEY_ID, Mode.TEST, "This is a live key, but the account is in test mode."),
        ("keyId", KEY_ID, Mode.LIVE, "This is a test key, but the account is in live mode."),
        ("keyId", "", Mode.TEST, "Required."),
        ("keyId", "sk_test_123456789", Mode.TEST, "rzp_test_ or rzp_live_"),
        ("keyId", "rzp_test_", Mode.TEST, "rzp_test_ or rzp_live_"),
        ("keyId", f"{KEY_ID}\n", Mode.TEST, "rzp_test_ or rzp_live_"),
        ("keyId", f" {KEY_ID}", Mode.TEST, "rzp_test_ or rzp_live_"),
        ("keySecret", "", Mode.TEST, "Required."),
        ("keySecret", KEY_ID, Mode.TEST, "This is the key id"),
        ("keySecret", "with space", Mode.TEST, "spaces"),
        ("keySecret", "ключ", Mode.TEST, "characters"),
        ("webhookSecret", "", Mode.TEST, "Required"),
        ("webhookSecret", "  ", Mode.TEST, "Required"),
        ("webhookSecret", "secret ", Mode.TEST, "ends with a space"),
        ("webhookSecret", KEY_SECRET, Mode.TEST, "This is the key secret"),
        ("webhookSecret", KEY_ID, Mode.TEST, "This is the key id"),
        ("webhookSecret", "x" * 300, Mode.TEST, "too long"),
    ],
)
def test_credentials_that_cannot_be_right_are_refused_with_the_reason(name, value, mode, reason):
    key_id = LIVE_KEY_ID if mode is Mode.LIVE else KEY_ID
    problems = PROCESSOR.check_credentials({**CREDENTIALS, "keyId": key_id, name: value}, mode)
    assert list(problems) == [name]
    assert reason in problems[name]
    assert KEY_SECRET not in problems[name]


def test_availability_is_a_question_that_the_key_may_ask(peer, adapter):
    peer.on("GET", ORDERS, collection(), (401, error("Authentication failed")), (503, "<html>"))
    assert adapter.check_availability(currency="INR") == Availability(True)
    refused = adapter.check_availability(currency="INR")
    assert (refused.is_available, refused.why) == (False, "Razorpay: Authentication failed")
    with pytest.raises(Unavailable):
        adapter.check_availability(currency="INR")


def test_other_currencies_and_methods_are_not_asked_about(peer, adapter):
    assert not adapter.check_availability(currency="UZS").is_available
    assert not adapter.check_availability(currency="INR", method="upi").is_available
    assert peer.calls == []


def test_the_registrys_entry_says_what_razorpay_can():
    can = PROCESSOR.capabilities
    assert (can.can_cancel, can.can_capture, can.shows_widget, can.signs_return) == (False, True, True, True)
    assert (can.asks_first, can.has_status, can.can_refund, can.can_refund_partially) == (False, True, True, True)
    assert {"INR", "USD", "EUR"} <= can.currencies
    fields = {field.name: (field.is_secret, field.is_identity) for field in PROCESSOR.credential_fields}
    assert fields == {"keyId": (False, True), "keySecret": (True, False), "webhookSecret": (True, False)}


def test_an_unknown_word_is_never_success():
    assert outcome_of({"status": "paid", "captured": True}) is Outcome.PENDING
