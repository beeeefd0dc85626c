"""Razorpay: which returns of the browser and which events are believed, and what a believed one says."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta

import pytest
import razorpay
from hypothesis import given
from hypothesis import strategies as st

from gateway import signatures
from gateway.adapters.razorpay import PROCESSOR
from gateway.errors import BadCallback
from gateway.money import Money
from gateway.simulators.razorpay import shapes
from gateway.types import (
    Callback,
    DisputeReport,
    Failure,
    Ignored,
    Mode,
    Outcome,
    PaymentReport,
    Peek,
    RefundOutcome,
    RefundReport,
)
from tests.gateway.razorpay_peer import (
    KEY_ID,
    KEY_SECRET,
    LINKS,
    NOW,
    ORDER_REF,
    PAY_REF,
    PAYMENT,
    REFERENCE,
    REFUND_REF,
    REFUND_REFERENCE,
    RETURN_NAMES,
    RETURNS,
    WEBHOOK_SECRET,
    WEBHOOKS,
    adapter_at,
    event,
    failed,
    order,
    payment,
    refund,
)

pytestmark = pytest.mark.once

ADAPTER = adapter_at("http://127.0.0.1:9")  # nothing here makes a call


def sign(message, secret):
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def returned(payment_ref=PAY_REF, secret=KEY_SECRET, order_ref=ORDER_REF, **changes):
    signature = sign(f"{order_ref}|{payment_ref}".encode(), secret)
    fields = {"razorpay_payment_id": payment_ref, "razorpay_order_id": order_ref, "razorpay_signature": signature}
    return {**fields, **changes}


def call(body, *, secret=WEBHOOK_SECRET, **headers):
    """A callback as it would arrive; header names with underscores."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    found = {"x-razorpay-event-id": "evt_1", "x-razorpay-signature": sign(raw, secret)}
    found |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Callback(body=raw, headers={k: v for k, v in found.items() if v is not None}, received_at=NOW)


def notice(body, adapter=ADAPTER, **headers):
    (found,) = adapter.read_callback(call(body, **headers)).notices
    return found


# --- the browser's return ---


@pytest.mark.parametrize(("secret", "order_ref", "payment_ref", "signature"), RETURNS, ids=RETURN_NAMES)
def test_the_references_returns_verify_and_a_flipped_letter_does_not(secret, order_ref, payment_ref, signature):
    adapter, ours = adapter_at("", keySecret=secret), replace(PAYMENT, processor_ref=order_ref)
    fields = {"razorpay_payment_id": payment_ref, "razorpay_order_id": order_ref, "razorpay_signature": signature}
    assert adapter.check_return(ours, fields) == payment_ref
    flipped = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    for wrong in (flipped, signature.upper(), signature[:-1], f"{signature} ", f" {signature}"):
        with pytest.raises(BadCallback):
            adapter.check_return(ours, {**fields, "razorpay_signature": wrong})


@pytest.mark.parametrize(("secret", "order_ref", "payment_ref", "signature"), RETURNS, ids=RETURN_NAMES)
def test_razorpays_own_library_agrees_about_returns(secret, order_ref, payment_ref, signature):
    fields = {
        "razorpay_order_id": order_ref,
        "razorpay_payment_id": payment_ref,
        "razorpay_signature": shapes.return_signature(order_ref, payment_ref, secret=secret),
    }
    assert fields["razorpay_signature"] == signature
    assert razorpay.Client(auth=(KEY_ID, secret)).utility.verify_payment_signature(fields)


@pytest.mark.parametrize(("secret", "link", "reference", "status", "payment_ref", "signature"), LINKS, ids=["L1", "L2"])
def test_razorpays_own_library_agrees_about_payment_links(secret, link, reference, status, payment_ref, signature):
    """We make no links; the lab signs their returns, an empty reference included."""
    assert shapes.link_signature(link, reference, status, payment_ref, secret=secret) == signature
    fields = {
        "payment_link_id": link,
        "payment_link_reference_id": reference,
        "payment_link_status": status,
        "razorpay_payment_id": payment_ref,
        "razorpay_signature": signature,
    }
    assert razorpay.Client(auth=(KEY_ID, secret)).utility.verify_payment_link_signature(fields)


def test_the_order_id_is_ours_and_not_the_posted_one():
    """Whoever paid a cheaper order has a good signature for that one."""
    cheap = returned(order_ref="order_cheap")
    for fields in (cheap, {**cheap, "razorpay_order_id": ORDER_REF}, {**cheap, "razorpay_order_id": ""}):
        with pytest.raises(BadCallback):
            ADAPTER.check_return(PAYMENT, fields)
    with pytest.raises(BadCallback):
        ADAPTER.check_return(PAYMENT, returned(razorpay_order_id="order_other"))
    without = returned()
    del without["razorpay_order_id"]
    assert ADAPTER.check_return(PAYMENT, without) == PAY_REF


@pytest.mark.parametrize(
    "changes",
    [
        {"razorpay_payment_id": ""},
        {"razorpay_payment_id": "pay_00000000000002"},
        {"razorpay_payment_id": "pay_é"},
        {"razorpay_payment_id": "a|b"},
        {"razorpay_payment_id": "x" * 1000},
        {"razorpay_payment_id": None},
        {"razorpay_payment_id": ["pay_1"]},
        {"razorpay_signature": ""},
        {"razorpay_signature": "é" * 64},
        {"razorpay_signature": "\ud800"},
        {"razorpay_signature": None},
        {"razorpay_signature": "0" * 64},
        {"razorpay_order_id": "\ud800"},
    ],
)
def test_a_return_that_cannot_be_believed_is_a_bad_callback_and_nothing_else(changes):
    with pytest.raises(BadCallback):
        ADAPTER.check_return(PAYMENT, {**returned(), **changes})


def test_a_refused_trys_return_is_unsigned_and_proves_nothing():
    with pytest.raises(BadCallback):
        ADAPTER.check_return(PAYMENT, {"error[code]": "BAD_REQUEST_ERROR", "error[reason]": "payment_failed"})
    with pytest.raises(BadCallback):
        ADAPTER.check_return(PAYMENT, {})


def test_an_order_whose_id_we_do_not_know_has_no_return():
    with pytest.raises(BadCallback):
        ADAPTER.check_return(replace(PAYMENT, processor_ref=""), returned(order_ref=""))


def test_a_rotated_key_secret_still_verifies_returns_and_a_blank_one_never():
    rotated = adapter_at("", previous=[{"keySecret": "older"}, {"keySecret": ""}, {}])
    assert rotated.check_return(PAYMENT, returned(secret="older")) == PAY_REF
    assert rotated.check_return(PAYMENT, returned()) == PAY_REF
    for secret in ("", WEBHOOK_SECRET):
        with pytest.raises(BadCallback):
            rotated.check_return(PAYMENT, returned(secret=secret))
    with pytest.raises(BadCallback):
        adapter_at("", keySecret="").check_return(PAYMENT, returned(secret=""))


@given(st.dictionaries(st.sampled_from(sorted(returned())), st.text() | st.none() | st.binary(), max_size=3))
def test_whatever_a_stranger_posts_is_a_bad_callback(fields):
    with pytest.raises(BadCallback):
        ADAPTER.check_return(PAYMENT, fields)


# --- signatures of events ---


@pytest.mark.parametrize(("secret", "body", "signature", "length"), WEBHOOKS, ids=["W1", "W2"])
def test_the_references_events_verify_over_the_bytes_as_they_came(secret, body, signature, length):
    raw = body.encode()
    assert len(raw) == length
    signatures.verify_hmac_sha256(raw, signature, keys=[secret])
    assert razorpay.Client(auth=(KEY_ID, KEY_SECRET)).utility.verify_webhook_signature(body, signature, secret)
    assert shapes.signature(raw, secret=secret) == signature
    adapter = adapter_at("", webhookSecret=secret)
    assert adapter.read_callback(call(raw, x_razorpay_signature=signature)).event_id == "evt_1"
    for wrong in (raw + b"\n", json.dumps(json.loads(raw)).encode() + b" ", raw[:-1]):
        with pytest.raises(BadCallback):
            adapter.read_callback(call(wrong, x_razorpay_signature=signature))


def test_the_first_vector_is_captured_money_of_that_order():
    secret, body, signature, _ = WEBHOOKS[0]
    read = adapter_at("", webhookSecret=secret).read_callback(call(body.encode(), x_razorpay_signature=signature))
    (report,) = read.notices
    assert (report.outcome, report.processor_ref, report.capture_ref, report.money) == (
        Outcome.CAPTURED,
        "order_00000000000001",
        "pay_00000000000001",
        Money(50_000, "INR"),
    )


@pytest.mark.parametrize(
    "header",
    [None, "", "0" * 64, "é" * 64, "\ud800", sign(b"x", WEBHOOK_SECRET), "sha256=" + "0" * 64],
    ids=["missing", "empty", "zeros", "latin-1", "surrogate", "of another body", "prefixed"],
)
def test_a_header_that_is_no_signature_is_a_bad_callback_and_nothing_else(header):
    with pytest.raises(BadCallback):
        ADAPTER.read_callback(call(event("payment.captured", payment=payment()), x_razorpay_signature=header))


def test_an_upper_case_signature_is_not_the_same():
    body = json.dumps(event("payment.captured", payment=payment())).encode()
    with pytest.raises(BadCallback):
        ADAPTER.read_callback(call(body, x_razorpay_signature=sign(body, WEBHOOK_SECRET).upper()))


@pytest.mark.parametrize("secret", ["", " ", "\t"])
def test_without_a_secret_nothing_verifies(secret):
    with pytest.raises(BadCallback):
        notice(event("payment.captured", payment=payment()), adapter_at("", webhookSecret=secret), secret=secret)


def test_the_key_secret_signs_no_events():
    with pytest.raises(BadCallback):
        notice(event("payment.captured", payment=payment()), secret=KEY_SECRET)


def test_a_rotated_webhook_secret_still_verifies_and_a_blank_one_never():
    rotated = adapter_at("", previous=[{"webhookSecret": "older"}, {"webhookSecret": ""}, {}])
    body = event("payment.captured", payment=payment())
    assert notice(body, rotated, secret="older") == notice(body, rotated)
    with pytest.raises(BadCallback):
        notice(body, rotated, secret="")


def test_an_event_has_razorpays_name_for_it_or_its_own_digest():
    first, second = (event(name, payment=payment()) for name in ("payment.captured", "payment.authorized"))
    assert ADAPTER.read_callback(call(first)).event_id == "evt_1"
    nameless = [ADAPTER.read_callback(call(body, x_razorpay_event_id=None)).event_id for body in (first, first, second)]
    assert nameless[0] == nameless[1] != nameless[2]
    assert nameless[0] == hashlib.sha256(json.dumps(first).encode()).hexdigest()
    assert ADAPTER.read_callback(call(first, x_razorpay_event_id="é")).event_id == nameless[0]


# --- events of payments ---


def test_captured_money_is_told_by_two_events_that_read_the_same():
    captured = notice(event("payment.captured", payment=payment()))
    paid = notice(event("order.paid", payment=payment(), order=order(status="paid")))
    assert captured == PaymentReport(
        reference="",
        processor_ref=ORDER_REF,
        outcome=Outcome.CAPTURED,
        mode=Mode.TEST,
        money=Money(50_000, "INR"),
        is_final=True,
        method="upi",
        occurred_at=NOW - timedelta(seconds=5),
        processor_data={"rrn": "123456789012"},
        capture_ref=PAY_REF,
        payer_email="buyer@example.com",
    )
    assert paid == replace(captured, reference=REFERENCE)


@pytest.mark.parametrize(
    ("event_type", "changes", "outcome"),
    [
        ("payment.authorized", {"status": "authorized", "captured": False}, Outcome.AUTHORIZED),
        ("payment.authorized", {"status": "authorized", "captured": True}, Outcome.AUTHORIZED),
        ("payment.authorized", {"status": "captured", "captured": True}, Outcome.CAPTURED),
        ("payment.captured", {}, Outcome.CAPTURED),
        ("payment.captured", {"status": "refunded", "captured": True}, Outcome.CAPTURED),
        ("payment.captured", {"status": "authorized", "captured": False}, Outcome.AUTHORIZED),
        ("payment.captured", {"status": "refunded", "captured": False}, Outcome.CANCELLED),
        ("payment.captured", {"status": "a new word"}, Outcome.PENDING),
        ("payment.failed", {"status": "failed", "captured": True}, Outcome.DECLINED),
        ("payment.failed", {"status": "captured"}, Outcome.CAPTURED),
    ],
)
def test_the_snapshot_decides_and_not_the_events_name(event_type, changes, outcome):
    report = notice(event(event_type, payment=payment(**changes)))
    assert report.outcome is outcome
    assert (report.money is not None) == (outcome in (Outcome.CAPTURED, Outcome.AUTHORIZED))


def test_a_refused_try_is_not_final_and_names_its_reason():
    report = notice(event("payment.failed", payment=failed("insufficient_funds", "customer")))
    assert (report.outcome, report.is_final, report.money, report.capture_ref) == (Outcome.DECLINED, False, None, "")
    assert report.failure == Failure("insufficient_funds", "Payment failed", advice="not_enough_money")


@pytest.mark.parametrize("notes", [[], {}, None, "text", [{"paymentId": "x"}], {"paymentId": 7}])
def test_notes_in_every_shape_are_survived(notes):
    report = notice(event("order.paid", payment=payment(notes=notes), order=order(notes=notes)))
    assert (report.outcome, report.reference) == (Outcome.CAPTURED, "")
    assert ADAPTER.peek(call(event("order.paid", payment=payment(), order=order(notes=notes)))).reference == ""


def test_what_the_buyers_browser_can_write_names_no_payment_of_ours():
    """Notes of a payment come from the page the buyer pays at."""
    body = event("payment.captured", payment=payment(notes={"paymentId": "somebody-elses"}))
    assert notice(body).reference == ""
    assert ADAPTER.peek(call(body)).reference == ""


@pytest.mark.parametrize("order_id", [None, "", 7])
def test_a_payment_without_an_order_is_not_ours(order_id):
    assert isinstance(notice(event("payment.captured", payment=payment(order_id=order_id))), Ignored)


@pytest.mark.parametrize(
    "body",
    [
        event("payment.captured"),
        event("payment.captured", payment=payment(id=None)),
        event("payment.captured", payment=payment(entity="refund")),
        event("payment.captured", payment=[1]),
        event("order.paid", order=order(status="paid")),
        event("order.paid", payment=payment(), order=order(id="order_other")),
        event("refund.processed", payment=payment()),
        event("payment.dispute.created", payment=payment()),
        {"event": "order.paid", "payload": []},
        {"event": "order.paid", "payload": {"payment": {"entity": None}}},
    ],
)
def test_a_signed_event_that_cannot_be_read_is_ignored_so_that_razorpay_does_not_give_us_up(body, caplog):
    assert isinstance(notice(body), Ignored)
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b"7", b'"text"', b"{}", b'{"event": 7}', b"\xff\xfe", b"[" * 100_000, b"NaN"],
)
def test_a_body_that_is_no_event_is_a_bad_callback_signed_or_not(raw):
    for read in (ADAPTER.peek, ADAPTER.read_callback):
        with pytest.raises(BadCallback):
            read(call(raw))


def test_the_same_event_twice_reads_the_same():
    body = event("payment.captured", payment=payment())
    assert ADAPTER.read_callback(call(body)) == ADAPTER.read_callback(call(body))


# --- events of refunds and disputes ---


@pytest.mark.parametrize(
    ("event_type", "changes", "outcome"),
    [
        ("refund.created", {"status": "pending"}, RefundOutcome.PENDING),
        ("refund.created", {"status": "processed"}, RefundOutcome.SUCCEEDED),
        ("refund.processed", {"status": "processed"}, RefundOutcome.SUCCEEDED),
        ("refund.speed_changed", {"status": "pending"}, RefundOutcome.PENDING),
        ("refund.failed", {"status": "failed"}, RefundOutcome.FAILED),
    ],
)
def test_events_of_a_refund(event_type, changes, outcome):
    report = notice(event(event_type, refund=refund(**changes), payment=payment()))
    assert report == RefundReport(
        reference=REFUND_REFERENCE,
        processor_ref=REFUND_REF,
        payment_processor_ref=PAY_REF,
        outcome=outcome,
        money=Money(20_000, "INR"),
        mode=Mode.TEST,
        failure=Failure("failed", "") if outcome is RefundOutcome.FAILED else None,
        occurred_at=NOW - timedelta(seconds=5),
    )


def test_a_refund_made_in_the_dashboard_has_no_reference_of_ours():
    made = refund(notes=[], receipt="their own number")
    report = notice(event("refund.processed", refund=made, payment=payment(status="refunded")))
    assert (report.reference, report.payment_processor_ref) == ("", PAY_REF)
    assert notice(event("refund.processed", refund=made)).reference == ""


def test_a_hold_that_went_back_by_itself_is_no_refund_of_money_that_was_taken():
    gone = payment(status="refunded", captured=False)
    assert isinstance(notice(event("refund.processed", refund=refund(notes=[]), payment=gone)), Ignored)
    # One that we asked for is reported whatever the snapshot of its payment says.
    assert isinstance(notice(event("refund.processed", refund=refund(), payment=gone)), RefundReport)


@pytest.mark.parametrize(
    ("event_type", "status", "is_open"),
    [
        ("payment.dispute.created", "open", True),
        ("payment.dispute.under_review", "under_review", True),
        ("payment.dispute.action_required", "open", True),
        ("payment.dispute.won", "won", False),
        ("payment.dispute.won", "under_review", False),
        ("payment.dispute.lost", "lost", False),
        ("payment.dispute.closed", "closed", False),
    ],
)
def test_a_dispute_is_reported_and_never_a_refund(event_type, status, is_open):
    dispute = {
        "id": "disp_1",
        "entity": "dispute",
        "payment_id": PAY_REF,
        "amount": 39_000,
        "currency": "INR",
        "reason_code": "fraud",
        "status": status,
    }
    assert notice(event(event_type, payment=payment(), dispute=dispute)) == DisputeReport(
        processor_ref="disp_1",
        payment_processor_ref=PAY_REF,
        is_open=is_open,
        status=status,
        reason="fraud",
        money=Money(39_000, "INR"),
        mode=Mode.TEST,
    )


@pytest.mark.parametrize(
    "event_type",
    [
        "payment_link.paid",
        "payment_link.partially_paid",
        "payment_link.cancelled",
        "payment_link.expired",
        "payment.downtime.started",
        "order.notification.delivered",
        "settlement.processed",
        "something.new",
    ],
)
def test_other_events_are_taken_and_ignored_with_a_reason(event_type):
    found = notice(event(event_type, payment=payment()))
    assert isinstance(found, Ignored)
    assert found.why


# --- peeking ---


@pytest.mark.parametrize(
    ("entities", "reference", "processor_ref"),
    [
        ({"payment": payment()}, "", ORDER_REF),
        ({"payment": payment(), "order": order()}, REFERENCE, ORDER_REF),
        ({"refund": refund(), "payment": payment()}, REFERENCE, ORDER_REF),
        ({"refund": refund(notes=[])}, "", PAY_REF),
        ({"payment": payment(order_id=None)}, "", PAY_REF),
        ({"dispute": {"payment_id": PAY_REF}}, "", PAY_REF),
        ({}, "", ""),
    ],
)
def test_an_unverified_event_says_whose_payment_it_claims(entities, reference, processor_ref):
    found = ADAPTER.peek(call(event("payment.captured", **entities), x_razorpay_signature=None))
    assert found == Peek(reference, processor_ref, event_id="evt_1", event_type="payment.captured", mode=None)


def test_peeking_needs_no_credentials():
    blank = PROCESSOR.build(replace(ADAPTER.config, credentials={}))
    assert blank.peek(call(event("payment.captured", payment=payment()))).processor_ref == ORDER_REF


@pytest.mark.parametrize("hostile", ["x" * 300, "a\x00b", "пэй", "a\nb", {"a": 1}, 7, None])
def test_what_a_stranger_claims_is_an_id_or_nothing(hostile):
    body = event("order.paid", payment=payment(order_id=hostile), order=order(id=hostile, notes={"paymentId": hostile}))
    found = ADAPTER.peek(call(body))
    assert (found.reference, found.processor_ref) == ("", PAY_REF if not isinstance(hostile, str) else "")
