"""Stripe, cards: Checkout Sessions as we open, ask, end, capture and refund them, and as their events read."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from gateway.adapters.stripe import PROCESSOR
from gateway.adapters.stripe.declines import ADVICE
from gateway.errors import (
    BadCallback,
    Declined,
    Misconfigured,
    NotAvailable,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unavailable,
    WrongMode,
)
from gateway.money import Money
from gateway.types import (
    Callback,
    DeclineAdvice,
    Ignored,
    Mode,
    NextAction,
    Outcome,
    PaymentReport,
    RefundOutcome,
    RefundRef,
    RefundReport,
    RefundRequest,
    SaleReport,
)
from tests.gateway.stripe_book import (
    KEY,
    NOW,
    PAYMENT,
    REQUEST,
    SECRET,
    Stripe,
    adapter_at,
    built,
    error,
    event,
    intent,
    notices,
    page,
    refund,
    running_shop,
    signed,
)

pytestmark = pytest.mark.once
CARD = replace(REQUEST, method="card", cancel_url="https://shop.test/cart", created_at=NOW)
SESSION = replace(PAYMENT, processor_ref="cs_test_1", method="card")
LOST = replace(SESSION, processor_ref="")
PAID = replace(SESSION, capture_ref="pi_1")
SESSIONS = "/v1/checkout/sessions"
ONE = f"{SESSIONS}/cs_test_1"
EXPIRE = f"{ONE}/expire"
INTENT = "/v1/payment_intents/pi_1"
OURS = {"orderId": "order-1", "paymentId": "pay-1", "method": "card"}
URL = "https://checkout.stripe.test/c/pay/cs_test_1#fid"


def session(**changes):
    return built(
        {
            "id": "cs_test_1",
            "object": "checkout.session",
            "amount_subtotal": 2500,
            "amount_total": 2500,
            "client_reference_id": "order-1",
            "created": 1763640000,
            "currency": "usd",
            "customer_details": None,
            "customer_email": None,
            "livemode": False,
            "metadata": dict(OURS),
            "mode": "payment",
            "payment_intent": None,
            "payment_link": None,
            "payment_method_types": ["card"],
            "payment_status": "unpaid",
            "status": "open",
            "url": URL,
            **changes,
        }
    )


def card_intent(**changes):
    return intent(**{"metadata": dict(OURS), "payment_method_types": ["card"], **changes})


def done(**changes):
    return session(**{"status": "complete", "payment_status": "paid", "url": None, "payment_intent": "pi_1", **changes})


SUCCEEDED = card_intent(status="succeeded", amount_received=2500, latest_charge="ch_1")
HELD = card_intent(status="requires_capture", amount_capturable=2500)
UNDER_WAY = card_intent(status="processing")
CANCELLED = card_intent(status="canceled")
NO_MONEY = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
DECLINED = card_intent(status="requires_payment_method", last_payment_error=NO_MONEY)


@pytest.fixture
def peer(httpserver):
    return Stripe(httpserver)


@pytest.fixture
def adapter(peer):
    return adapter_at(peer.url)


# Opening a session


def test_a_card_payment_opens_one_session_with_one_line_and_tells_both_objects_whose_it_is(peer, adapter):
    peer.on("POST", SESSIONS, session())
    report = adapter.create_payment(
        replace(CARD, lang="ru", payer_email="zoe@buyer.test", expires_at=NOW + timedelta(hours=2))
    )

    assert report == PaymentReport(
        reference="pay-1",
        processor_ref="cs_test_1",
        outcome=Outcome.PENDING,
        mode=Mode.TEST,
        next_action=NextAction(url=URL),
        method="card",
    )
    assert peer.calls == [("POST", SESSIONS)]
    ours = {
        "serviceId": "svc_1",
        "serviceName": "Premium Credits",
        "quantity": "5",
        "externalId": "ORDER-1",
        **OURS,
    }
    assert peer.form() == {
        "mode": "payment",
        "payment_method_types[0]": "card",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "2500",
        "line_items[0][price_data][product_data][name]": "Premium Credits | Direct (Bitloader)",
        "client_reference_id": "order-1",
        "payment_intent_data[description]": "Premium Credits | Direct (Bitloader)",
        "success_url": "https://pay.test/checkout/o/tok_1",
        "cancel_url": "https://shop.test/cart",
        "customer_email": "zoe@buyer.test",
        "locale": "ru",
        "expires_at": str(int((NOW + timedelta(hours=2)).timestamp())),
        **{f"metadata[{name}]": value for name, value in ours.items()},
        **{f"payment_intent_data[metadata][{name}]": value for name, value in ours.items()},
    }
    headers = peer.headers()
    assert headers["Stripe-Version"] == "2026-08-26.dahlia"
    assert headers["Idempotency-Key"] == "payment-pay-1"


def test_what_is_not_known_is_left_to_stripe(peer, adapter):
    peer.on("POST", SESSIONS, session())
    adapter.create_payment(replace(CARD, cancel_url="", lang="uz", payer_email="", description="  "))
    form = peer.form()
    assert not {"cancel_url", "customer_email", "locale", "expires_at"} & set(form)
    assert form["line_items[0][price_data][product_data][name]"] == "Order order-1"


@pytest.mark.parametrize("placeholder", ["{CHECKOUT_SESSION_ID}", "%7BCHECKOUT_SESSION_ID%7D"])
def test_the_place_for_the_sessions_id_is_written_as_stripe_wants_it(peer, adapter, placeholder):
    peer.on("POST", SESSIONS, session())
    adapter.create_payment(replace(CARD, return_url=f"https://shop.test/ok?session={placeholder}&a=%7Bb%7D"))
    assert peer.form()["success_url"] == "https://shop.test/ok?session={CHECKOUT_SESSION_ID}&a=%7Bb%7D"


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (timedelta(minutes=-5), timedelta(minutes=35)),
        (timedelta(minutes=30), timedelta(minutes=35)),
        (timedelta(hours=3), timedelta(hours=3)),
        (timedelta(hours=24), timedelta(hours=23, minutes=55)),
        (timedelta(days=7), timedelta(hours=23, minutes=55)),
    ],
)
def test_a_session_ends_with_its_order_as_far_as_stripe_allows(peer, adapter, wanted, sent):
    peer.on("POST", SESSIONS, session())
    adapter.create_payment(replace(CARD, expires_at=NOW + wanted))
    assert peer.form()["expires_at"] == str(int((NOW + sent).timestamp()))


def test_a_repetition_under_the_same_key_says_exactly_the_same_a_minute_later(peer):
    peer.on("POST", SESSIONS, session())
    request = replace(CARD, expires_at=NOW + timedelta(minutes=1))
    adapter_at(peer.url, now=NOW).create_payment(request)
    adapter_at(peer.url, now=NOW + timedelta(minutes=1)).create_payment(request)
    assert peer.form(0) == peer.form(1)


def test_an_older_create_looks_for_its_session_first(peer):
    later = adapter_at(peer.url, now=NOW + timedelta(minutes=10))
    peer.on("GET", SESSIONS, page(session()), page())
    peer.on("GET", ONE, done(payment_intent=SUCCEEDED))
    peer.on("POST", SESSIONS, session())
    assert later.create_payment(CARD).outcome is Outcome.CAPTURED
    assert ("POST", SESSIONS) not in peer.calls
    later.create_payment(replace(CARD, expires_at=NOW))
    assert peer.form()["expires_at"] == str(int((NOW + timedelta(minutes=45)).timestamp()))


def test_a_create_that_stripe_replays_is_answered_with_the_present_truth(peer, adapter):
    peer.on("POST", SESSIONS, (200, session(), {"Idempotent-Replayed": "true"}))
    peer.on("GET", ONE, done(payment_intent=SUCCEEDED))
    assert adapter.create_payment(CARD).outcome is Outcome.CAPTURED


def test_a_hold_is_asked_for_and_the_session_remembers_it(peer, adapter):
    peer.on("POST", SESSIONS, session())
    adapter.create_payment(replace(CARD, captures_later=True))
    form = peer.form()
    assert form["payment_intent_data[capture_method]"] == "manual"
    assert form["metadata[capture]"] == form["payment_intent_data[metadata][capture]"] == "manual"


def test_a_hold_by_cash_app_is_asked_for_too(peer, adapter):
    peer.on("POST", "/v1/payment_intents", intent())
    adapter.create_payment(replace(REQUEST, captures_later=True))
    assert peer.form()["capture_method"] == "manual"


def test_the_words_we_need_in_the_metadata_are_nobody_elses(peer, adapter):
    peer.on("POST", SESSIONS, session())
    peer.on("POST", "/v1/payment_intents", intent())
    theirs = {"method": "forged", "capture": "manual", "paymentId": "forged", "note": "x"}
    many = {f"field{number}": "v" for number in range(60)}
    adapter.create_payment(replace(CARD, metadata=theirs | many))
    form = peer.form()
    assert (form["metadata[method]"], form["metadata[paymentId]"]) == ("card", "pay-1")
    assert "metadata[capture]" not in form
    assert len([name for name in form if name.startswith("metadata[")]) == 50
    adapter.create_payment(replace(REQUEST, metadata=theirs))
    assert "metadata[method]" not in peer.form()


@pytest.mark.parametrize(
    ("email", "is_sent"),
    [
        ("zoe@buyer.test", True),
        ("zoe+tag@mail.buyer.test", True),
        ("zoe", False),
        ("a@b", False),
        ("a b@c.test", False),
        ("a@c.test, b@d.test", False),
        ("<a@c.test>", False),
    ],
)
def test_only_what_can_be_an_address_is_filled_in_for_the_buyer(peer, adapter, email, is_sent):
    peer.on("POST", SESSIONS, session())
    adapter.create_payment(replace(CARD, payer_email=email))
    assert ("customer_email" in peer.form()) is is_sent


def test_an_address_that_stripe_does_not_like_costs_no_sale(peer, adapter):
    peer.on("POST", SESSIONS, (400, error(code="email_invalid", param="customer_email")), session())
    assert adapter.create_payment(replace(CARD, payer_email="zoe@buyer.test")).processor_ref == "cs_test_1"
    assert "customer_email" not in peer.form()
    assert peer.headers(0)["Idempotency-Key"] == peer.headers(1)["Idempotency-Key"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"money": Money(49, "USD")}, Misconfigured),
        ({"money": Money(10**9, "USD")}, Misconfigured),
        ({"money": Money(500, "UGX")}, Misconfigured),
        ({"return_url": ""}, Misconfigured),
    ],
)
def test_what_stripe_surely_refuses_is_refused_without_a_call(peer, adapter, change, expected):
    with pytest.raises(expected):
        adapter.create_payment(replace(CARD, **change))
    assert peer.calls == []


@pytest.mark.parametrize(
    ("money", "sent"), [(Money(500, "JPY"), "500"), (Money(1500, "ISK"), "150000"), (Money(12340, "KWD"), "12340")]
)
def test_other_currencies_are_sent_by_stripes_own_exponents(peer, adapter, money, sent):
    peer.on("POST", SESSIONS, session(amount_total=int(sent), currency=money.currency.lower()))
    adapter.create_payment(replace(CARD, money=money))
    assert peer.form()["line_items[0][price_data][unit_amount]"] == sent


@pytest.mark.parametrize("code", ["amount_too_small", "amount_too_large", "parameter_invalid_integer"])
def test_an_amount_that_stripe_refuses_is_named(peer, adapter, code):
    param = "line_items[0][price_data][unit_amount]"
    peer.on("POST", SESSIONS, (400, error(code=code, param=param)))
    with pytest.raises(Misconfigured) as caught:
        adapter.create_payment(replace(CARD, money=Money(30, "EUR")))
    assert caught.value.processor_code == "amount"
    assert "0.30 EUR" in str(caught.value)
    assert code in str(caught.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"param": "payment_method_types", "message": 'The payment method type "card" is invalid.'}, NotAvailable),
        ({"message": "No valid payment method types for this Checkout Session."}, NotAvailable),
        ({"code": "capability_not_active"}, NotAvailable),
        ({"code": "payment_method_types_no_longer_supported", "param": "payment_method_types"}, Misconfigured),
        ({"code": "parameter_unknown", "param": "payment_method_types"}, Misconfigured),
        ({"code": "url_invalid", "param": "success_url"}, Misconfigured),
    ],
)
def test_cards_that_are_not_activated_are_told_apart_from_our_mistakes(peer, adapter, values, expected):
    peer.on("POST", SESSIONS, (400, error(**values)))
    with pytest.raises(expected) as caught:
        adapter.create_payment(CARD)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((500, error(type="api_error")), OutcomeUnknown),
        ((200, "<html></html>"), OutcomeUnknown),
        ((200, {"object": "checkout.session"}), OutcomeUnknown),
        ((200, session(livemode=True)), WrongMode),
        ((429, error()), Unavailable),
    ],
)
def test_an_answer_without_a_session_of_ours_is_none(peer, adapter, answer, expected):
    peer.on("POST", SESSIONS, answer)
    with pytest.raises(expected):
        adapter.create_payment(CARD)
    assert len(peer.calls) == 1


# What a session says


ASKED = [
    ("open", session(), Outcome.PENDING, None, False),
    ("a declined try", session(payment_intent=DECLINED), Outcome.DECLINED, None, False),
    ("paid", done(payment_intent=SUCCEEDED), Outcome.CAPTURED, Money(2500, "USD"), True),
    (
        "taken in part",
        done(payment_intent=card_intent(status="succeeded", amount_received=1000)),
        Outcome.CAPTURED,
        Money(1000, "USD"),
        True,
    ),
    (
        "free of charge",
        done(payment_status="no_payment_required", amount_total=0, payment_intent=None),
        Outcome.CAPTURED,
        Money(0, "USD"),
        True,
    ),
    ("held", done(payment_status="unpaid", payment_intent=HELD), Outcome.AUTHORIZED, Money(2500, "USD"), False),
    ("held, and called paid", done(payment_intent=HELD), Outcome.AUTHORIZED, Money(2500, "USD"), False),
    ("a slower way", done(payment_status="unpaid", payment_intent=UNDER_WAY), Outcome.PROCESSING, None, False),
    ("a slower way, by id only", done(payment_status="unpaid"), Outcome.PROCESSING, None, False),
    ("a slower way that failed", done(payment_status="unpaid", payment_intent=DECLINED), Outcome.FAILED, None, True),
    ("a hold that was let go", done(payment_status="unpaid", payment_intent=CANCELLED), Outcome.CANCELLED, None, True),
    ("expired", session(status="expired", url=None), Outcome.EXPIRED, None, True),
    ("expired with its try", session(status="expired", payment_intent=CANCELLED), Outcome.EXPIRED, None, True),
    (
        "expired, and paid all the same",
        session(status="expired", payment_intent=SUCCEEDED),
        Outcome.CAPTURED,
        Money(2500, "USD"),
        True,
    ),
    ("open with a cancelled try", session(payment_intent=CANCELLED), Outcome.PENDING, None, False),
    ("a word of tomorrow", session(status="tomorrow"), Outcome.PENDING, None, False),
    ("paid in words of tomorrow", session(status="tomorrow", payment_status="paid"), Outcome.PENDING, None, False),
    ("paid in a currency nobody knows", done(currency="zzz"), Outcome.CAPTURED, None, True),
]


@pytest.mark.parametrize(
    ("answer", "outcome", "money", "is_final"), [row[1:] for row in ASKED], ids=[row[0] for row in ASKED]
)
def test_a_sessions_states(peer, adapter, answer, outcome, money, is_final):
    peer.on("GET", ONE, answer)
    report = adapter.ask_payment(SESSION)
    assert (report.outcome, report.money, report.is_final) == (outcome, money, is_final)
    assert (report.reference, report.processor_ref, report.method) == ("pay-1", "cs_test_1", "card")
    assert bool(report.next_action) is (outcome is Outcome.PENDING and bool(answer["url"]))
    assert peer.query() == {"expand[0]": "payment_intent.latest_charge"}


def test_a_paid_session_names_what_took_the_money_and_who_paid(peer, adapter):
    paid_by = {"email": "zoe@buyer.test", "name": "Zoë"}
    peer.on("GET", ONE, done(payment_intent=SUCCEEDED, customer_details=paid_by))
    report = adapter.ask_payment(SESSION)
    assert report.capture_ref == "pi_1"
    assert report.processor_data == {"payment_intent": "pi_1", "charge": "ch_1"}
    assert report.payer_email == "zoe@buyer.test"


def test_a_lost_session_is_found_by_our_reference_and_then_asked(peer, adapter):
    peer.on("GET", SESSIONS, page(session(id="cs_test_0", metadata={"paymentId": "other"}), session()))
    peer.on("GET", ONE, session())
    assert adapter.ask_payment(LOST).processor_ref == "cs_test_1"
    assert peer.query(0)["created[gte]"] == str(int((NOW - timedelta(minutes=5)).timestamp()))


def test_a_lost_session_whose_payment_we_heard_of_is_found_in_one_step(peer, adapter):
    peer.on("GET", SESSIONS, page(done()))
    peer.on("GET", ONE, done(payment_intent=SUCCEEDED))
    assert adapter.ask_payment(replace(LOST, capture_ref="pi_1")).outcome is Outcome.CAPTURED
    assert peer.query(0) == {"limit": "100", "payment_intent": "pi_1"}


def test_a_session_that_stripe_does_not_know_is_none(peer, adapter):
    peer.on("GET", SESSIONS, page())
    peer.on("GET", ONE, (404, error(code="resource_missing")))
    assert adapter.ask_payment(LOST) is None
    assert adapter.ask_payment(SESSION) is None


def test_a_session_is_known_by_its_id_whatever_the_method_was_called(peer, adapter):
    peer.on("GET", ONE, session())
    assert adapter.ask_payment(replace(SESSION, method="")).processor_ref == "cs_test_1"


# Ending one


def test_an_open_session_is_closed(peer, adapter):
    peer.on("POST", EXPIRE, session(status="expired", url=None))
    report = adapter.cancel_payment(SESSION)
    assert (report.outcome, report.is_final) == (Outcome.EXPIRED, True)


NOT_OPEN = (400, error(message='Only Checkout Sessions with a status in ["open"] can be expired.'))


@pytest.mark.parametrize(
    ("truth", "outcome"),
    [
        (done(payment_intent=SUCCEEDED), Outcome.CAPTURED),
        (done(payment_status="unpaid", payment_intent=UNDER_WAY), Outcome.PROCESSING),
        (session(status="expired", url=None), Outcome.EXPIRED),
        (session(status="tomorrow", payment_intent=SUCCEEDED), Outcome.CAPTURED),
    ],
    ids=["paid", "processing", "expired", "paid in a state of tomorrow"],
)
def test_a_session_that_is_not_open_any_more_says_what_became_of_it(peer, adapter, truth, outcome):
    peer.on("POST", EXPIRE, NOT_OPEN)
    peer.on("GET", ONE, truth)
    assert adapter.cancel_payment(SESSION).outcome is outcome
    assert peer.calls == [("POST", EXPIRE), ("GET", ONE)]


def test_a_hold_is_let_go_and_told_of_the_session(peer, adapter):
    peer.on("POST", EXPIRE, NOT_OPEN)
    peer.on("GET", ONE, done(payment_status="unpaid", payment_intent=HELD))
    peer.on("POST", f"{INTENT}/cancel", card_intent(status="canceled"))
    report = adapter.cancel_payment(SESSION)
    assert (report.outcome, report.is_final) == (Outcome.CANCELLED, True)
    assert (report.processor_ref, report.capture_ref) == ("cs_test_1", "pi_1")


def test_a_hold_that_was_taken_while_we_let_it_go_is_money(peer, adapter):
    peer.on("POST", EXPIRE, NOT_OPEN)
    peer.on("GET", ONE, done(payment_status="unpaid", payment_intent=HELD))
    peer.on("POST", f"{INTENT}/cancel", (400, error(code="payment_intent_unexpected_state", payment_intent=SUCCEEDED)))
    report = adapter.cancel_payment(SESSION)
    assert (report.outcome, report.money, report.processor_ref) == (Outcome.CAPTURED, Money(2500, "USD"), "cs_test_1")


def test_a_refusal_that_is_about_something_else_stays_a_refusal(peer, adapter):
    peer.on("POST", EXPIRE, (400, error(code="parameter_unknown")))
    peer.on("GET", ONE, session())
    with pytest.raises(Misconfigured):
        adapter.cancel_payment(SESSION)


def test_a_session_unknown_there_is_not_called_ended(peer, adapter):
    peer.on("POST", EXPIRE, (404, error(code="resource_missing")))
    with pytest.raises(NotFound):
        adapter.cancel_payment(SESSION)


def test_a_session_that_never_was_needs_no_ending(peer, adapter):
    peer.on("GET", SESSIONS, page())
    report = adapter.cancel_payment(LOST)
    assert (report.outcome, report.is_final) == (Outcome.CANCELLED, True)


# Capturing


CAPTURE = f"{INTENT}/capture"


@pytest.mark.parametrize("payment", [PAID, SESSION, PAYMENT], ids=["known intent", "session", "Cash App"])
def test_what_is_held_is_taken(peer, adapter, payment):
    taken = intent if payment is PAYMENT else card_intent
    peer.on("GET", ONE, done(payment_status="unpaid", payment_intent=HELD))
    peer.on("POST", CAPTURE, taken(status="succeeded", amount_received=1000))
    report = adapter.capture_payment(payment, Money(1000, "USD"))
    assert (report.outcome, report.money, report.is_final) == (Outcome.CAPTURED, Money(1000, "USD"), True)
    assert (report.processor_ref, report.capture_ref) == (("pi_1", "") if payment is PAYMENT else ("cs_test_1", "pi_1"))
    assert peer.form() == {"amount_to_capture": "1000"}


def test_what_was_taken_already_is_not_taken_twice_and_says_so(peer, adapter):
    peer.on("POST", CAPTURE, (400, error(code="payment_intent_unexpected_state", payment_intent=SUCCEEDED)))
    report = adapter.capture_payment(PAID, Money(1000, "USD"))
    assert (report.outcome, report.money) == (Outcome.CAPTURED, Money(2500, "USD"))


@pytest.mark.parametrize(
    ("truth", "expected"),
    [(SUCCEEDED, None), (CANCELLED, Refused), (DECLINED, Refused), (HELD, Misconfigured)],
    ids=["taken", "let go", "declined", "still held"],
)
def test_a_refused_capture_without_a_code_is_settled_by_asking(peer, adapter, truth, expected):
    peer.on("POST", CAPTURE, (400, error(message="Bad request")))
    peer.on("GET", INTENT, truth)
    if expected is None:
        assert adapter.capture_payment(PAID, Money(2500, "USD")).outcome is Outcome.CAPTURED
    else:
        with pytest.raises(expected):
            adapter.capture_payment(PAID, Money(2500, "USD"))


@pytest.mark.parametrize(
    ("changes", "money"),
    [
        ({}, Money(2500, "USD")),
        ({"capture_method": "manual"}, None),
        ({"amount_received": None}, None),
        ({"amount_received": 2400}, Money(2400, "USD")),
    ],
)
def test_an_event_that_does_not_say_what_came_means_all_of_it_unless_it_could_be_a_part(adapter, changes, money):
    subject = intent(status="succeeded")
    del subject["amount_received"]
    (notice,) = notices(adapter, event("payment_intent.succeeded", {**subject, **changes}))
    assert notice.money == money


def test_what_is_held_no_longer_is_refused_with_the_truth(peer, adapter):
    gone = card_intent(status="canceled")
    peer.on("POST", CAPTURE, (400, error(code="payment_intent_unexpected_state", payment_intent=gone)))
    with pytest.raises(Refused) as caught:
        adapter.capture_payment(PAID, Money(2500, "USD"))
    report = caught.value.report
    assert (report.outcome, report.is_final, report.processor_ref) == (Outcome.CANCELLED, True, "cs_test_1")


def test_nothing_can_be_taken_where_nobody_paid(peer, adapter):
    peer.on("GET", ONE, session())
    with pytest.raises(Refused) as caught:
        adapter.capture_payment(SESSION, Money(2500, "USD"))
    assert caught.value.report.outcome is Outcome.PENDING


@pytest.mark.parametrize("money", [Money(0, "USD"), Money(2500, "EUR")])
def test_a_capture_of_other_money_never_leaves_the_house(peer, adapter, money):
    with pytest.raises(Misconfigured):
        adapter.capture_payment(PAID, money)
    assert peer.calls == []


def test_more_than_is_held_is_a_wrong_amount(peer, adapter):
    peer.on("POST", CAPTURE, (400, error(code="amount_too_large", param="amount_to_capture")))
    with pytest.raises(Misconfigured) as caught:
        adapter.capture_payment(PAID, Money(9900, "USD"))
    assert caught.value.processor_code == "amount"


# Refunding


REFUNDS = "/v1/refunds"


@pytest.mark.parametrize("payment", [PAID, SESSION], ids=["known intent", "session alone"])
def test_a_refund_names_the_intent_that_took_the_money(peer, adapter, payment):
    peer.on("GET", ONE, done(payment_intent=SUCCEEDED))
    peer.on("GET", REFUNDS, page())
    peer.on("POST", REFUNDS, refund())
    report = adapter.refund_payment(RefundRequest("ref-1", payment, Money(1000, "USD")))
    assert (report.processor_ref, report.payment_processor_ref) == ("re_1", "pi_1")
    assert peer.form()["payment_intent"] == "pi_1"
    assert (("GET", ONE) in peer.calls) is (payment is SESSION)


def test_a_refund_of_a_session_that_nobody_paid_is_refused_with_the_truth(peer, adapter):
    peer.on("GET", ONE, session())
    with pytest.raises(Refused) as caught:
        adapter.refund_payment(RefundRequest("ref-1", SESSION, Money(1000, "USD")))
    assert caught.value.report.outcome is Outcome.PENDING
    assert adapter.ask_refund(RefundRef("ref-1", "", SESSION, Money(1000, "USD"), NOW)) is None


# Availability


@pytest.mark.parametrize(
    ("account", "is_available"),
    [
        ({"charges_enabled": True, "capabilities": {"card_payments": "active"}}, True),
        ({"capabilities": {"card_payments": "active"}}, True),
        ({"charges_enabled": False, "capabilities": {"card_payments": "active"}}, False),
        ({"charges_enabled": True, "capabilities": {"card_payments": "pending"}}, False),
        ({"charges_enabled": True, "capabilities": {"cashapp_payments": "active"}}, False),
        ({"charges_enabled": True}, False),
    ],
)
def test_cards_need_charges_and_their_own_capability(peer, adapter, account, is_available):
    peer.on("GET", "/v1/account", {"id": "acct_1", "object": "account", **account})
    answer = adapter.check_availability(currency="EUR", method="card")
    assert answer.is_available is is_available
    assert bool(answer.why) is not is_available


@pytest.mark.parametrize("currency", ["UGX", "XAU"])
def test_a_currency_that_stripe_surely_does_not_take_is_not_asked_about(peer, adapter, currency):
    assert not adapter.check_availability(currency=currency, method="card").is_available
    assert peer.calls == []


# Events


def test_a_completed_and_paid_session_is_money_with_the_payers_address(adapter):
    subject = done(customer_details={"email": "zoe@buyer.test"})
    assert notices(adapter, event("checkout.session.completed", subject)) == (
        PaymentReport(
            reference="pay-1",
            processor_ref="cs_test_1",
            outcome=Outcome.CAPTURED,
            mode=Mode.TEST,
            money=Money(2500, "USD"),
            is_final=True,
            method="card",
            occurred_at=NOW,
            processor_data={"payment_intent": "pi_1"},
            capture_ref="pi_1",
            payer_email="zoe@buyer.test",
        ),
    )


MANUAL = {**OURS, "capture": "manual"}


@pytest.mark.parametrize(
    ("event_type", "subject", "outcome", "money", "is_final"),
    [
        ("completed", done(payment_status="unpaid"), Outcome.PROCESSING, None, False),
        ("completed", done(payment_status="unpaid", metadata=MANUAL), Outcome.AUTHORIZED, Money(2500, "USD"), False),
        ("completed", done(payment_status="no_payment_required"), Outcome.CAPTURED, Money(2500, "USD"), True),
        ("completed", done(amount_total=2400), Outcome.CAPTURED, Money(2400, "USD"), True),
        ("completed", done(currency="zzz"), Outcome.CAPTURED, None, True),
        ("completed", done(payment_status="tomorrow"), Outcome.PENDING, None, False),
        ("async_payment_succeeded", done(), Outcome.CAPTURED, Money(2500, "USD"), True),
        ("async_payment_failed", done(payment_status="unpaid"), Outcome.FAILED, None, True),
        ("expired", session(status="expired", url=None), Outcome.EXPIRED, None, True),
    ],
)
def test_events_of_a_session(adapter, event_type, subject, outcome, money, is_final):
    (notice,) = notices(adapter, event(f"checkout.session.{event_type}", subject))
    assert (notice.outcome, notice.money, notice.is_final) == (outcome, money, is_final)
    assert (notice.reference, notice.processor_ref) == ("pay-1", "cs_test_1")


@pytest.mark.parametrize(
    ("event_type", "changes", "outcome", "is_final"),
    [
        ("created", {"status": "requires_payment_method"}, Outcome.PENDING, False),
        ("processing", {"status": "processing"}, Outcome.PROCESSING, False),
        (
            "amount_capturable_updated",
            {"status": "requires_capture", "amount_capturable": 2500},
            Outcome.AUTHORIZED,
            False,
        ),
        ("succeeded", {"status": "succeeded", "amount_received": 2500}, Outcome.CAPTURED, True),
        (
            "payment_failed",
            {"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}},
            Outcome.DECLINED,
            False,
        ),
        ("canceled", {"status": "canceled"}, Outcome.CANCELLED, True),
    ],
)
def test_events_of_the_intent_behind_a_session_name_our_payment_and_the_intent(
    adapter, event_type, changes, outcome, is_final
):
    (notice,) = notices(adapter, event(f"payment_intent.{event_type}", card_intent(**changes)))
    assert (notice.outcome, notice.is_final) == (outcome, is_final)
    assert (notice.reference, notice.processor_ref, notice.capture_ref) == ("pay-1", "", "pi_1")
    assert (notice.method, notice.processor_data["payment_intent"]) == ("card", "pi_1")


LINK = {"payment_link": "plink_1", "metadata": {"serviceId": "svc_1", "paymentId": "pay-9"}, "client_reference_id": "x"}


def test_a_sale_through_a_payment_link_is_a_sale_and_no_payment_of_ours(adapter):
    lines = {"object": "list", "data": [{"object": "item", "description": "Premium Credits"}]}
    subject = done(**LINK, customer_details={"email": "zoe@buyer.test"}, line_items=lines)
    (notice,) = notices(adapter, event("checkout.session.completed", subject))
    assert notice == SaleReport(
        link_ref="plink_1",
        payment=PaymentReport(
            reference="",
            processor_ref="cs_test_1",
            outcome=Outcome.CAPTURED,
            mode=Mode.TEST,
            money=Money(2500, "USD"),
            is_final=True,
            method="card",
            occurred_at=NOW,
            processor_data={"payment_intent": "pi_1"},
            capture_ref="pi_1",
            payer_email="zoe@buyer.test",
        ),
        metadata={"serviceId": "svc_1", "paymentId": "pay-9"},
        description="Premium Credits",
    )


@pytest.mark.parametrize(
    ("event_type", "changes", "outcome"),
    [
        ("completed", {"payment_status": "unpaid"}, Outcome.PROCESSING),
        ("async_payment_succeeded", {}, Outcome.CAPTURED),
        ("async_payment_failed", {"payment_status": "unpaid"}, Outcome.FAILED),
    ],
)
def test_a_links_sale_by_a_slower_way(adapter, event_type, changes, outcome):
    (notice,) = notices(adapter, event(f"checkout.session.{event_type}", done(**LINK, **changes)))
    assert isinstance(notice, SaleReport)
    assert notice.payment.outcome is outcome
    assert notice.description == ""


def test_a_visitor_of_a_link_who_left_is_nothing(adapter):
    subject = session(**LINK, status="expired", url=None)
    (notice,) = notices(adapter, event("checkout.session.expired", subject))
    assert isinstance(notice, Ignored)


def test_the_intent_of_a_sale_says_what_took_the_money_and_not_what_was_opened(adapter):
    subject = card_intent(status="succeeded", amount_received=2500, metadata={"campaign": "may"})
    (notice,) = notices(adapter, event("payment_intent.succeeded", subject))
    assert (notice.reference, notice.processor_ref, notice.capture_ref) == ("", "", "pi_1")
    assert (notice.outcome, notice.money) == (Outcome.CAPTURED, Money(2500, "USD"))


@pytest.mark.parametrize("mode", ["setup", "subscription"])
def test_a_session_of_another_kind_is_nothing_of_ours(adapter, mode):
    (notice,) = notices(adapter, event("checkout.session.completed", done(mode=mode, payment_intent=None)))
    assert isinstance(notice, Ignored)


def test_a_sale_asked_about_is_no_payment_of_the_links_metadata(peer, adapter):
    peer.on("GET", ONE, done(**LINK, payment_intent=SUCCEEDED))
    assert adapter.ask_payment(replace(SESSION, reference="pay-5", method="")).reference == "pay-5"


def charge(**changes):
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 2500,
        "amount_captured": 2500,
        "amount_refunded": 2500,
        "captured": True,
        "currency": "usd",
        "livemode": False,
        "metadata": dict(OURS),
        "payment_intent": "pi_1",
        "refunded": True,
        **changes,
    }


def test_a_charge_that_lists_its_refunds_tells_each_by_its_id(adapter):
    listed = [refund(id="re_2", metadata={}, amount=1500, payment_intent=None), refund()]
    notices_ = notices(adapter, event("charge.refunded", charge(refunds={"object": "list", "data": listed})))
    assert [(n.processor_ref, n.reference, n.money.minor, n.payment_processor_ref) for n in notices_] == [
        ("re_2", "", 1500, "pi_1"),
        ("re_1", "ref-1", 1000, "pi_1"),
    ]
    assert all(isinstance(notice, RefundReport) and not notice.is_total for notice in notices_)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "own events"),
        ({"refunds": {"object": "list", "data": []}}, "own events"),
        ({"refunds": "nonsense"}, "own events"),
        ({"captured": False, "amount_captured": 0}, "let go"),
        ({"captured": False, "refunds": {"data": [refund()]}}, "let go"),
    ],
)
def test_a_charge_that_only_says_a_sum_is_ignored_with_the_reason(adapter, changes, word):
    (notice,) = notices(adapter, event("charge.refunded", charge(**changes)))
    assert isinstance(notice, Ignored)
    assert word in notice.why


@pytest.mark.parametrize("what", ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"])
def test_all_five_events_of_a_dispute_name_the_intent(adapter, what):
    dispute = {"id": "dp_1", "object": "dispute", "amount": 2500, "currency": "usd", "livemode": False}
    dispute |= {"payment_intent": "pi_1", "reason": "fraudulent", "status": "needs_response"}
    (notice,) = notices(adapter, event(f"charge.dispute.{what}", dispute))
    assert (notice.processor_ref, notice.payment_processor_ref, notice.is_open) == ("dp_1", "pi_1", True)


@pytest.mark.parametrize(
    ("event_type", "subject", "reference", "processor_ref"),
    [
        ("checkout.session.completed", done(), "pay-1", "cs_test_1"),
        ("checkout.session.completed", done(metadata={}), "", "cs_test_1"),
        ("checkout.session.completed", done(**LINK), "", "cs_test_1"),
        ("payment_intent.succeeded", SUCCEEDED, "pay-1", "pi_1"),
        ("charge.refunded", charge(), "pay-1", "pi_1"),
    ],
)
def test_an_unverified_callback_says_whose_payment_it_claims(adapter, event_type, subject, reference, processor_ref):
    peeked = adapter.peek(Callback(json.dumps(event(event_type, subject)).encode(), {}, NOW))
    assert (peeked.reference, peeked.processor_ref) == (reference, processor_ref)


HOSTILE = {
    "no id": session(id=""),
    "another object": session(object="payment_intent"),
    "a list": [],
    "a word": "cs_test_1",
    "null": None,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_signed_event_that_is_no_session_is_a_bad_callback(adapter, name):
    with pytest.raises(BadCallback):
        notices(adapter, event("checkout.session.completed", HOSTILE[name]))


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": ["paymentId"]},
        {"metadata": {"paymentId": 7}},
        {"payment_intent": 7},
        {"payment_intent": {"object": "customer", "id": "cus_1"}},
        {"payment_method_types": "card"},
        {"customer_details": "zoe"},
        {"amount_total": "2500"},
        {"amount_total": True},
        {"amount_total": -1},
        {"amount_total": 10**30},
        {"currency": ["usd"]},
        {"line_items": {"data": [7]}, "payment_link": "plink_1"},
        {"metadata": {"a": {"b": 1}}, "payment_link": {"id": "plink_1"}},
        {"url": "javascript:alert(1)", "status": "open"},
    ],
)
def test_odd_fields_are_read_as_missing_and_never_as_money(adapter, changes):
    (notice,) = notices(adapter, event("checkout.session.completed", done(**changes)))
    report = notice.payment if isinstance(notice, SaleReport) else notice
    assert report.next_action is None
    if "amount_total" in changes or "currency" in changes:
        assert report.money is None


@pytest.mark.parametrize(
    ("livemode", "subject"), [(True, done(livemode=True)), (True, done()), (False, done(livemode=True))]
)
def test_a_session_of_the_other_mode_is_ignored(adapter, livemode, subject):
    (notice,) = notices(adapter, event("checkout.session.completed", subject, livemode=livemode))
    assert isinstance(notice, Ignored)


def test_the_vendors_own_signer_is_believed_and_the_vendors_own_verifier_believes_ours(adapter):
    body = json.dumps(event("checkout.session.completed", done()))
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET, timestamp=int(NOW.timestamp()))
    callback = Callback(body.encode(), {"stripe-signature": header}, NOW)
    assert adapter.read_callback(callback).notices[0].outcome is Outcome.CAPTURED
    ours = signed(body.encode())
    assert stripe.WebhookSignature.verify_header(body, ours.headers["stripe-signature"], SECRET, tolerance=None)
    built_event = stripe.Webhook.construct_event(ours.body, ours.headers["stripe-signature"], SECRET, tolerance=None)
    assert built_event.data.object.id == "cs_test_1"


@pytest.mark.parametrize(
    "header",
    [
        lambda right, at: right.upper(),
        lambda right, at: right[:-1],
        lambda right, at: f"t={at + 1},{right.split(',')[1]}",
        lambda right, at: f"t={at},{right.split(',')[1].replace('v1', 'v0')}",
        lambda right, at: f"t={at}, {right.split(',')[1]}",
        lambda right, at: f"{right},t={at + 1}",
        lambda right, at: "",
    ],
    ids=["upper case", "cut", "another time", "another scheme", "a space", "two times", "none"],
)
def test_a_bent_signature_is_not_believed(adapter, header):
    callback = signed(event("checkout.session.completed", done()))
    bent = header(callback.headers["stripe-signature"], int(NOW.timestamp()))
    with pytest.raises(BadCallback):
        adapter.read_callback(replace(callback, headers={"stripe-signature": bent}))


# Declines


def test_every_reason_has_advice_and_thieves_learn_nothing():
    assert {
        ADVICE[code] for code in ("lost_card", "stolen_card", "fraudulent", "pickup_card", "merchant_blacklist")
    } == {ADVICE["generic_decline"]}
    assert set(ADVICE.values()) == set(DeclineAdvice)


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, DeclineAdvice.NOT_ENOUGH_MONEY),
        ({"code": "card_declined", "decline_code": "lost_card"}, DeclineAdvice.CALL_BANK),
        ({"code": "expired_card", "decline_code": "expired_card"}, DeclineAdvice.OTHER_METHOD),
        ({"code": "incorrect_cvc"}, DeclineAdvice.TRY_AGAIN),
        (
            {"code": "card_declined", "decline_code": "tomorrow", "advice_code": "do_not_try_again"},
            DeclineAdvice.OTHER_METHOD,
        ),
        ({"code": "card_declined", "decline_code": "tomorrow"}, DeclineAdvice.TRY_AGAIN),
        ({"code": "payment_method_provider_timeout"}, DeclineAdvice.TIMED_OUT),
        ({}, DeclineAdvice.TRY_AGAIN),
    ],
)
def test_a_declined_card_advises_the_buyer_and_keeps_the_raw_code(adapter, values, advice):
    failed = card_intent(status="requires_payment_method", last_payment_error={"type": "card_error", **values})
    (notice,) = notices(adapter, event("payment_intent.payment_failed", failed))
    assert notice.failure.advice is advice
    assert notice.failure.code == (values.get("decline_code") or values.get("code") or "declined")


def test_stripe_offers_two_methods_and_the_default_comes_first():
    assert [(method.slug, set(method.currencies), method.opens_app) for method in PROCESSOR.methods] == [
        ("cashapp", {"USD"}, True),
        ("card", set(), False),
    ]
    assert PROCESSOR.capabilities.can_capture


# Journeys with the lab


@pytest.fixture
def shop(httpserver):
    running, shop = running_shop(httpserver)
    yield shop
    running.stop()


LIVE_REQUEST = replace(REQUEST, method="card", cancel_url="https://shop.test/cart")


def card_ref(shop, report, **changes):
    return replace(shop.ref(report.processor_ref), method="card", **changes)


def test_a_buyer_pays_by_card_and_both_objects_say_so(shop):
    report = shop.adapter.create_payment(
        replace(LIVE_REQUEST, return_url="https://shop.test/ok?s={CHECKOUT_SESSION_ID}", payer_email="zoe@buyer.test")
    )
    assert (report.outcome, report.capture_ref) == (Outcome.PENDING, "")
    assert shop.press(report, "approve") == f"https://shop.test/ok?s={report.processor_ref}"

    (of_intent,) = shop.notices("payment_intent.succeeded")
    (of_session,) = shop.notices("checkout.session.completed")
    asked = shop.adapter.ask_payment(card_ref(shop, report))
    for said in (of_intent, of_session, asked):
        assert (said.reference, said.outcome, said.money) == ("pay-1", Outcome.CAPTURED, Money(2500, "USD"))
        assert (said.method, said.capture_ref) == ("card", asked.capture_ref)
    assert (of_intent.processor_ref, of_session.processor_ref) == ("", report.processor_ref)
    assert of_session.payer_email == asked.payer_email == "zoe@buyer.test"
    for callback in shop.callbacks():
        assert shop.adapter.peek(callback).reference == "pay-1"


def test_a_declined_card_may_be_tried_again_on_the_same_page(shop):
    report = shop.adapter.create_payment(LIVE_REQUEST)
    shop.act(f"payments/{report.processor_ref}/act", outcome="decline", code="insufficient_funds")
    (declined,) = shop.notices("payment_intent.payment_failed")
    assert (declined.outcome, declined.is_final) == (Outcome.DECLINED, False)
    assert declined.failure.advice is DeclineAdvice.NOT_ENOUGH_MONEY
    asked = shop.adapter.ask_payment(card_ref(shop, report))
    assert (asked.outcome, asked.is_final) == (Outcome.DECLINED, False)
    shop.press(report, "approve")
    assert shop.adapter.ask_payment(card_ref(shop, report)).outcome is Outcome.CAPTURED


def test_a_slower_way_completes_first_and_pays_later(shop):
    report = shop.adapter.create_payment(LIVE_REQUEST)
    shop.press(report, "delay")
    (completed,) = shop.notices("checkout.session.completed")
    assert (completed.outcome, completed.money) == (Outcome.PROCESSING, None)
    (later,) = shop.awaited("checkout.session.async_payment_succeeded")
    assert (later.outcome, later.money) == (Outcome.CAPTURED, Money(2500, "USD"))


def test_a_slower_way_that_fails_is_over(shop):
    shop.running.lab.settings.settle_seconds = 60
    report = shop.adapter.create_payment(LIVE_REQUEST)
    shop.press(report, "delay")
    shop.act(f"payments/{report.processor_ref}/act", outcome="fail")
    (failed,) = shop.notices("checkout.session.async_payment_failed")
    assert (failed.outcome, failed.is_final) == (Outcome.FAILED, True)
    asked = shop.adapter.ask_payment(card_ref(shop, report))
    assert (asked.outcome, asked.is_final) == (Outcome.FAILED, True)


def test_a_session_that_is_ended_cannot_be_paid_any_more(shop):
    report = shop.adapter.create_payment(LIVE_REQUEST)
    ended = shop.adapter.cancel_payment(card_ref(shop, report))
    assert (ended.outcome, ended.is_final) == (Outcome.EXPIRED, True)
    assert shop.press(report, "approve") == ""
    assert [notice.outcome for notice in shop.notices("checkout.session.expired")] == [Outcome.EXPIRED]
    assert shop.adapter.cancel_payment(card_ref(shop, report)).outcome is Outcome.EXPIRED


def test_a_card_paid_while_our_ending_is_under_way_is_money(shop):
    report = shop.adapter.create_payment(LIVE_REQUEST)
    shop.order("success_after_cancel", match={"payment": report.processor_ref})
    ended = shop.adapter.cancel_payment(card_ref(shop, report))
    assert (ended.outcome, ended.money) == (Outcome.CAPTURED, Money(2500, "USD"))


@pytest.mark.parametrize("fault", ["timeout_after", "reset_after"])
def test_a_session_whose_answer_was_lost_is_found_and_not_opened_twice(shop, fault):
    shop.order(fault, match={"operation": "checkout.sessions.create"})
    with pytest.raises(OutcomeUnknown):
        shop.adapter.create_payment(LIVE_REQUEST)
    found = shop.adapter.ask_payment(replace(shop.ref(), method="card"))
    assert found.outcome is Outcome.PENDING
    assert shop.adapter.create_payment(LIVE_REQUEST).processor_ref == found.processor_ref
    assert len(shop.running.lab.stripe.world.sessions.all()) == 1


@pytest.mark.parametrize("fault", ["timeout_before", "reset_before"])
def test_a_session_that_never_was_is_known_not_to_exist(shop, fault):
    shop.order(fault, match={"operation": "checkout.sessions.create"})
    with pytest.raises(OutcomeUnknown):
        shop.adapter.create_payment(LIVE_REQUEST)
    assert shop.adapter.ask_payment(replace(shop.ref(), method="card")) is None


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("402", Declined),
        ("403", Misconfigured),
        ("409", Unavailable),
        ("429", Unavailable),
        ("500", OutcomeUnknown),
        ("503", OutcomeUnknown),
        ("html_200", OutcomeUnknown),
        ("redirect", OutcomeUnknown),
    ],
)
def test_every_fault_of_opening_a_session_has_its_meaning(shop, fault, expected):
    shop.order(fault, match={"operation": "checkout.sessions.create"})
    with pytest.raises(expected):
        shop.adapter.create_payment(LIVE_REQUEST)
    assert shop.running.lab.stripe.world.sessions.all() == []


def test_held_money_is_taken_in_part_once_and_the_rest_is_let_go(shop):
    report = shop.adapter.create_payment(replace(LIVE_REQUEST, captures_later=True))
    shop.press(report, "approve")
    (held,) = shop.notices("payment_intent.amount_capturable_updated")
    (completed,) = shop.notices("checkout.session.completed")
    assert held.outcome is completed.outcome is Outcome.AUTHORIZED
    assert held.money == completed.money == Money(2500, "USD")
    payment = card_ref(shop, report)
    taken = shop.adapter.capture_payment(payment, Money(1500, "USD"))
    assert (taken.outcome, taken.money, taken.processor_ref) == (
        Outcome.CAPTURED,
        Money(1500, "USD"),
        report.processor_ref,
    )
    again = shop.adapter.capture_payment(payment, Money(1000, "USD"))
    assert again.money == Money(1500, "USD")
    assert shop.adapter.ask_payment(payment).money == Money(1500, "USD")
    assert [notice.money for notice in shop.notices("payment_intent.succeeded")] == [Money(1500, "USD")]


def test_a_hold_can_be_let_go_and_one_that_ran_out_cannot_be_taken(shop):
    first = shop.adapter.create_payment(replace(LIVE_REQUEST, captures_later=True))
    shop.press(first, "approve")
    ended = shop.adapter.cancel_payment(card_ref(shop, first))
    assert (ended.outcome, ended.processor_ref) == (Outcome.CANCELLED, first.processor_ref)
    assert [type(notice) for notice in shop.notices("charge.refunded")] == [Ignored]

    second = shop.adapter.create_payment(replace(LIVE_REQUEST, reference="pay-2", captures_later=True))
    shop.press(second, "approve")
    shop.act(f"payments/{second.processor_ref}/act", outcome="expire")
    with pytest.raises(Refused) as caught:
        shop.adapter.capture_payment(card_ref(shop, second), Money(2500, "USD"))
    assert caught.value.report.outcome is Outcome.CANCELLED


def test_money_of_a_session_goes_back_and_the_dashboards_refund_is_told(shop):
    report = shop.adapter.create_payment(LIVE_REQUEST)
    shop.press(report, "approve")
    paid = card_ref(shop, report)
    made = shop.adapter.refund_payment(RefundRequest("ref-1", paid, Money(1000, "USD")))
    assert made.outcome is RefundOutcome.SUCCEEDED
    shop.act(f"payments/{report.processor_ref}/refund", amount=500)
    ours, theirs = shop.notices("refund.created")
    assert (ours.reference, theirs.reference) == ("ref-1", "")
    assert ours.payment_processor_ref == theirs.payment_processor_ref == made.payment_processor_ref
    with pytest.raises(Refused):
        shop.adapter.refund_payment(RefundRequest("ref-2", paid, Money(1001, "USD")))


def test_a_dispute_of_a_card_is_told_from_beginning_to_end(shop):
    report = shop.adapter.create_payment(LIVE_REQUEST)
    shop.press(report, "approve")
    dispute = shop.act(f"payments/{report.processor_ref}/dispute", reason="product_not_received")["dispute"]
    shop.act(f"disputes/{dispute['id']}/act", outcome="under_review")
    shop.act(f"disputes/{dispute['id']}/act", outcome="won")
    told = {
        what: [(notice.status, notice.is_open) for notice in shop.notices(f"charge.dispute.{what}")]
        for what in ("created", "funds_withdrawn", "updated", "closed", "funds_reinstated")
    }
    assert told == {
        "created": [("needs_response", True)],
        "funds_withdrawn": [("needs_response", True)],
        "updated": [("under_review", True)],
        "closed": [("won", False)],
        "funds_reinstated": [("won", False)],
    }


def test_two_sessions_of_one_order_may_both_be_paid_and_each_says_whose_it_is(shop):
    first = shop.adapter.create_payment(LIVE_REQUEST)
    second = shop.adapter.create_payment(replace(LIVE_REQUEST, reference="pay-2"))
    for report in (first, second):
        shop.press(report, "approve")
    said = shop.notices("checkout.session.completed")
    assert {(notice.reference, notice.processor_ref) for notice in said} == {
        ("pay-1", first.processor_ref),
        ("pay-2", second.processor_ref),
    }
    assert len({notice.capture_ref for notice in said}) == 2


def test_a_sale_through_a_link_of_the_lab_is_read_as_one(shop):
    link = shop.act("links", name="Premium Credits", amount="2500", currency="usd", metadata={"serviceId": "svc_1"})
    visit = shop.act(f"links/{link['link']['id']}/visit", prefilled_email="zoe@buyer.test")["session"]
    shop.act(f"payments/{visit['id']}/act", outcome="approve")
    (sale,) = shop.notices("checkout.session.completed")
    assert (sale.link_ref, sale.metadata) == (link["link"]["id"], {"serviceId": "svc_1"})
    assert (sale.payment.processor_ref, sale.payment.outcome) == (visit["id"], Outcome.CAPTURED)
    assert (sale.payment.money, sale.payment.payer_email) == (Money(2500, "USD"), "zoe@buyer.test")
    (of_intent,) = shop.notices("payment_intent.succeeded")
    assert (of_intent.processor_ref, of_intent.capture_ref) == ("", sale.payment.capture_ref)
    asked = shop.adapter.ask_payment(replace(shop.ref(visit["id"], "pay-7"), money=sale.payment.money))
    assert (asked.reference, asked.capture_ref) == ("pay-7", sale.payment.capture_ref)


@pytest.mark.parametrize("fault", ["wrong_amount", "wrong_currency"])
def test_a_bent_session_event_is_reported_as_it_is_for_checkout_to_judge(shop, fault):
    report = shop.adapter.create_payment(LIVE_REQUEST)
    shop.order(fault, match={"event": "checkout.session.completed", "payment": report.processor_ref})
    shop.press(report, "approve")
    (notice,) = shop.notices("checkout.session.completed")
    assert notice.money in (Money(2501, "USD"), Money(2500, "EUR"))


@pytest.mark.parametrize("fault", ["forged", "old_timestamp"])
def test_a_session_event_that_cannot_be_believed_is_a_bad_callback(shop, fault):
    shop.order(fault, match={"event": "checkout.session.completed"})
    report = shop.adapter.create_payment(LIVE_REQUEST)
    shop.press(report, "approve")
    completed = [callback for callback in shop.callbacks() if b'"checkout.session.completed"' in callback.body]
    with pytest.raises(BadCallback):
        shop.adapter.read_callback(completed[0])


def test_availability_of_cards_follows_the_account(shop):
    assert shop.adapter.check_availability(currency="EUR", method="card").is_available
    (account,) = shop.running.lab.stripe.world.accounts.all()
    shop.act(f"accounts/{account.id}/capabilities", card_payments="inactive")
    assert not shop.adapter.check_availability(currency="EUR", method="card").is_available
    with pytest.raises(NotAvailable):
        shop.adapter.create_payment(LIVE_REQUEST)


def test_the_lab_and_the_adapter_agree_on_when_a_session_may_end(shop):
    now = datetime.now(UTC)
    for reference, end in (("a", now), ("b", now + timedelta(days=3)), ("c", now + timedelta(hours=5))):
        request = replace(LIVE_REQUEST, reference=reference, created_at=now, expires_at=end)
        assert shop.adapter.create_payment(request).outcome is Outcome.PENDING


def test_a_key_that_stripe_does_not_know_is_our_configuration_for_cards_too(shop):
    stranger = adapter_at(f"{shop.running.base_url}/stripe", key=f"{KEY}NobodyKnows")
    with pytest.raises(Misconfigured):
        stranger.create_payment(LIVE_REQUEST)
