"""Stripe, Cash App Pay: what we send, how every answer reads, which callbacks are believed."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from gateway import registry, signatures
from gateway.adapter import AdapterConfig
from gateway.adapters.stripe import PROCESSOR
from gateway.adapters.stripe.client import API_VERSION, client_for
from gateway.errors import (
    BadCallback,
    Declined,
    Misconfigured,
    NotAvailable,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Unavailable,
    WrongMode,
)
from gateway.money import Money
from gateway.types import (
    AccountChanged,
    Callback,
    DeclineAdvice,
    DisputeReport,
    Ignored,
    Mode,
    NextAction,
    Outcome,
    PaymentReport,
    RefundOutcome,
    RefundRef,
    RefundReport,
    RefundRequest,
)
from tests.gateway.stripe_book import (
    CASHAPP_ACTION,
    KEY,
    LOST,
    NOW,
    PAYMENT,
    QUICK,
    REFUND,
    REQUEST,
    SECRET,
    Stripe,
    adapter_at,
    error,
    event,
    intent,
    notices,
    page,
    refund,
    running_shop,
    signed,
)


@pytest.fixture
def peer(httpserver):
    return Stripe(httpserver)


@pytest.fixture
def adapter(peer):
    return adapter_at(peer.url)


INTENTS = "/v1/payment_intents"
INTENT = f"{INTENTS}/pi_1"
CANCEL = f"{INTENT}/cancel"
REFUNDS = "/v1/refunds"


# Creating a payment


def test_one_call_creates_and_confirms_a_cash_app_payment(peer, adapter):
    peer.on("POST", INTENTS, intent(next_action=CASHAPP_ACTION))
    report = adapter.create_payment(REQUEST)

    assert report == PaymentReport(
        reference="pay-1",
        processor_ref="pi_1",
        outcome=Outcome.PENDING,
        mode=Mode.TEST,
        next_action=NextAction(
            url="https://payments.stripe.test/cashapp/instructions/1",
            mobile_url="https://pm-redirects.stripe.test/authorize/1",
            qr_url="https://qr.stripe.test/1.png",
        ),
        method="cashapp",
    )
    assert peer.calls == [("POST", INTENTS)]
    assert peer.form() == {
        "amount": "2500",
        "currency": "usd",
        "payment_method_types[0]": "cashapp",
        "payment_method_data[type]": "cashapp",
        "confirm": "true",
        "return_url": "https://pay.test/checkout/o/tok_1",
        "description": "Premium Credits | Direct (Bitloader)",
        "metadata[serviceId]": "svc_1",
        "metadata[serviceName]": "Premium Credits",
        "metadata[quantity]": "5",
        "metadata[externalId]": "ORDER-1",
        "metadata[orderId]": "order-1",
        "metadata[paymentId]": "pay-1",
    }
    headers = peer.headers()
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Stripe-Version"] == API_VERSION == "2026-08-26.dahlia"
    assert headers["Idempotency-Key"] == "payment-pay-1"
    assert "X-Stripe-Client-Telemetry" not in headers


def test_the_same_payment_has_the_same_idempotency_key_and_another_has_another(peer, adapter):
    peer.on("POST", INTENTS, intent())
    for reference in ("pay-1", "pay-1", "pay-2", "x" * 300):
        adapter.create_payment(replace(REQUEST, reference=reference))
    keys = [request.headers["Idempotency-Key"] for request, _ in peer.server.log]
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[3]) <= 255


def test_a_repeated_create_that_stripe_replays_is_answered_with_the_present_truth(peer, adapter):
    peer.on("POST", INTENTS, (200, intent(), {"Idempotent-Replayed": "true"}))
    peer.on("GET", INTENT, intent(status="succeeded", amount_received=2500))
    assert adapter.create_payment(REQUEST).outcome is Outcome.CAPTURED


def test_a_replayed_create_that_cannot_be_asked_about_is_still_the_payment_that_was_made(peer, adapter):
    peer.on("POST", INTENTS, (200, intent(next_action=CASHAPP_ACTION), {"Idempotent-Replayed": "true"}))
    peer.on("GET", INTENT, (503, error(type="api_error")))
    report = adapter.create_payment(REQUEST)
    assert (report.processor_ref, report.outcome) == ("pi_1", Outcome.PENDING)


def test_a_create_repeated_after_a_day_looks_for_the_first_payment_because_stripe_forgets_keys(peer, adapter):
    peer.on("GET", INTENTS, page(intent(status="succeeded", amount_received=2500)))
    report = adapter.create_payment(replace(REQUEST, created_at=NOW - timedelta(hours=24)))
    assert report.outcome is Outcome.CAPTURED
    assert ("POST", INTENTS) not in peer.calls


def test_metadata_is_cut_to_what_stripe_keeps_and_our_ids_always_fit(peer, adapter):
    peer.on("POST", INTENTS, intent())
    many = {f"field{number}": "v" for number in range(60)}
    odd = {"long": "Ü" * 501, "k" * 41: "v", "a[b]": "v", "empty": "", "paymentId": "forged"}
    adapter.create_payment(replace(REQUEST, metadata=odd | many, description="d" * 2000))
    form = peer.form()
    kept = [name for name in form if name.startswith("metadata[")]
    assert len(kept) == 50
    assert form["metadata[paymentId]"] == "pay-1"
    assert form["metadata[orderId]"] == "order-1"
    assert form["metadata[long]"] == "Ü" * 500
    assert not {f"metadata[{'k' * 41}]", "metadata[a[b]]", "metadata[empty]"} & set(kept)
    assert len(form["description"]) == 1000


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"money": Money(2500, "EUR")}, NotAvailable),
        ({"method": "ideal"}, NotAvailable),
        ({"money": Money(49, "USD")}, Misconfigured),
        ({"return_url": ""}, Misconfigured),
    ],
)
def test_what_cash_app_surely_refuses_is_refused_without_a_call(peer, adapter, change, expected):
    with pytest.raises(expected):
        adapter.create_payment(replace(REQUEST, **change))
    assert peer.calls == []


@pytest.mark.parametrize(("key", "expected"), [("sk_live_51x", WrongMode), ("pk_test_51x", Misconfigured)])
def test_a_key_of_the_other_mode_never_leaves_the_house(peer, key, expected):
    with pytest.raises(expected):
        adapter_at(peer.url, key=key).create_payment(REQUEST)
    assert peer.calls == []


def test_an_answer_of_the_other_mode_is_refused(peer, adapter):
    peer.on("POST", INTENTS, intent(livemode=True))
    with pytest.raises(WrongMode):
        adapter.create_payment(REQUEST)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://x.test/", "http://[", "https:", "", None, 7])
def test_a_next_action_that_is_no_web_address_leads_nowhere(peer, adapter, url):
    action = {"cashapp_handle_redirect_or_display_qr_code": {"hosted_instructions_url": url, "mobile_auth_url": url}}
    peer.on("POST", INTENTS, intent(next_action=action))
    assert adapter.create_payment(REQUEST).next_action is None


def test_in_live_mode_the_buyer_is_sent_to_https_only(peer):
    action = {"redirect_to_url": {"url": "http://stripe.test/"}}
    peer.on("POST", INTENTS, intent(livemode=True, next_action=action))
    live = adapter_at(peer.url, mode=Mode.LIVE, key="sk_live_51x")
    assert live.create_payment(REQUEST).next_action is None


# How Stripe refuses

NOT_AVAILABLE = [
    {"param": "payment_method_types", "message": 'The payment method type "cashapp" is invalid.'},
    {"param": "payment_method_types[0]"},
    {"code": "payment_intent_invalid_parameter", "message": "The payment method type provided: cashapp is invalid."},
    {"code": "payment_method_unactivated"},
    {"code": "payment_method_not_available"},
    {"code": "capability_not_active"},
    {"code": "payment_method_unsupported_type"},
    {"code": "payment_method_currency_mismatch", "param": "currency"},
    {"code": "payment_intent_incompatible_payment_method"},
    {"code": "country_unsupported"},
    {"param": "payment_method_data[type]"},
]
OUR_BUGS = [
    {"code": "payment_method_types_no_longer_supported", "param": "payment_method_types"},
    {"code": "parameter_unknown", "param": "payment_method_types"},
    {"code": "parameter_missing", "param": "return_url"},
    {"type": "idempotency_error", "message": "Keys for idempotent requests can only be used with the same parameters."},
]


@pytest.mark.parametrize("values", NOT_AVAILABLE)
def test_cash_app_that_is_not_activated_is_told_apart(peer, adapter, values):
    peer.on("POST", INTENTS, (400, error(**values)))
    with pytest.raises(NotAvailable) as caught:
        adapter.create_payment(REQUEST)
    assert caught.value.request_id == "req_test_1"


@pytest.mark.parametrize("values", OUR_BUGS)
def test_a_mistake_of_ours_is_never_called_not_available(peer, adapter, values):
    peer.on("POST", INTENTS, (400, error(**values)))
    with pytest.raises(Misconfigured) as caught:
        adapter.create_payment(REQUEST)
    assert type(caught.value) is Misconfigured
    assert caught.value.processor_code == values.get("code", "idempotency_error")


@pytest.mark.parametrize(
    "values",
    [
        {"code": "amount_too_small", "param": "amount"},
        {"code": "amount_too_large"},
        {"code": "parameter_invalid_integer", "param": "amount"},
        {"code": "parameter_invalid_integer", "param": "line_items[0][price_data][unit_amount]"},
    ],
)
def test_an_amount_that_stripe_does_not_take_is_told_apart_and_staff_reads_the_code(peer, adapter, values):
    peer.on("POST", INTENTS, (400, error(**values)))
    with pytest.raises(Misconfigured) as caught:
        adapter.create_payment(REQUEST)
    assert caught.value.processor_code == "amount"
    assert values["code"] in str(caught.value)


@pytest.mark.parametrize(
    ("status", "values", "expected"),
    [
        (401, {"message": "Invalid API Key provided: sk_test_****"}, Misconfigured),
        (401, {"code": "api_key_expired"}, WrongMode),
        (401, {"code": "platform_api_key_expired"}, WrongMode),
        (401, {"code": "secret_key_required"}, WrongMode),
        (403, {}, NotPermitted),
        (400, {"code": "livemode_mismatch"}, WrongMode),
        (400, {"code": "testmode_charges_only"}, WrongMode),
        (409, {"code": "idempotency_key_in_use"}, Unavailable),
        (409, {"code": "lock_timeout"}, Unavailable),
        (429, {"code": "lock_timeout"}, Unavailable),
        (429, {}, Unavailable),
        (400, {"code": "rate_limit"}, Unavailable),
        (409, {"code": "something_else"}, OutcomeUnknown),
        (500, {"type": "api_error"}, OutcomeUnknown),
        (503, {"type": "api_error"}, OutcomeUnknown),
        (418, {}, OutcomeUnknown),
    ],
)
def test_what_each_refusal_asks_of_us(peer, adapter, status, values, expected):
    peer.on("POST", INTENTS, (status, error(**values)))
    with pytest.raises(expected) as caught:
        adapter.create_payment(REQUEST)
    assert type(caught.value) is expected
    assert len(peer.calls) == 1


def test_too_many_requests_says_how_long_to_wait(peer, adapter):
    peer.on("POST", INTENTS, (429, error(), {"Retry-After": "3"}))
    with pytest.raises(Unavailable) as caught:
        adapter.create_payment(REQUEST)
    assert caught.value.retry_after_seconds == 3


@pytest.mark.parametrize(
    ("values", "code", "advice"),
    [
        ({"decline_code": "insufficient_funds"}, "insufficient_funds", DeclineAdvice.NOT_ENOUGH_MONEY),
        ({"decline_code": "lost_card"}, "lost_card", DeclineAdvice.CALL_BANK),
        ({"decline_code": "stolen_card"}, "stolen_card", DeclineAdvice.CALL_BANK),
        ({"decline_code": "fraudulent"}, "fraudulent", DeclineAdvice.CALL_BANK),
        ({"decline_code": "generic_decline"}, "generic_decline", DeclineAdvice.CALL_BANK),
        ({"code": "expired_card"}, "expired_card", DeclineAdvice.OTHER_METHOD),
        (
            {"code": "payment_method_customer_decline"},
            "payment_method_customer_decline",
            DeclineAdvice.CANCELLED_BY_BUYER,
        ),
        ({"code": "payment_method_provider_decline"}, "payment_method_provider_decline", DeclineAdvice.OTHER_METHOD),
        ({"code": "payment_method_provider_timeout"}, "payment_method_provider_timeout", DeclineAdvice.TIMED_OUT),
        ({"decline_code": "never_heard_of"}, "never_heard_of", DeclineAdvice.TRY_AGAIN),
    ],
)
def test_a_refused_buyer_gets_advice_and_staff_the_code(peer, adapter, values, code, advice):
    body = error(**{"type": "card_error", "code": "card_declined", **values}, payment_intent=intent(id="pi_9"))
    peer.on("POST", INTENTS, (402, body))
    with pytest.raises(Declined) as caught:
        adapter.create_payment(REQUEST)
    assert (caught.value.failure.code, caught.value.failure.advice) == (code, advice)
    assert caught.value.processor_ref == "pi_9"


@pytest.mark.parametrize("code", ["payment_intent_payment_attempt_failed", "payment_intent_authentication_failure"])
def test_a_refused_try_that_comes_as_400_is_declined_too(peer, adapter, code):
    peer.on("POST", INTENTS, (400, error(code=code)))
    with pytest.raises(Declined):
        adapter.create_payment(REQUEST)


ODD_BODIES = {
    "HTML with 200": (200, "<html>Sign in to the network</html>"),
    "HTML with 402": (402, "<html></html>"),
    "HTML with 503": (503, "<html></html>"),
    "nothing": (200, ""),
    "a list": (200, []),
    "a number": (200, "7"),
    "null": (200, "null"),
    "another object": (200, {"object": "charge", "id": "ch_1"}),
    "an object without id": (200, {"object": "payment_intent", "livemode": False}),
    "an error that is a word": (400, {"error": "invalid_client"}),
    "no error in an error": (400, {"message": "no"}),
    "cut JSON": (200, '{"id": "pi_1", "client_secret": "pi_1_secret_hidden", "obj'),
    "not UTF-8": (200, b'{"id": "\xff"}'),
    "a redirect": (302, "{}", {"Location": "http://127.0.0.1:1/"}),
}


@pytest.mark.parametrize("name", ODD_BODIES)
def test_an_answer_that_is_not_stripes_leaves_a_write_unknown_and_is_not_quoted(peer, adapter, name):
    peer.on("POST", INTENTS, ODD_BODIES[name])
    with pytest.raises(OutcomeUnknown) as caught:
        adapter.create_payment(REQUEST)
    assert peer.calls == [("POST", INTENTS)]
    link = caught.value
    while link is not None:
        assert "hidden" not in str(link)
        link = link.__cause__


@pytest.mark.parametrize("name", ODD_BODIES)
def test_an_answer_that_is_not_stripes_makes_a_read_unavailable(peer, adapter, name):
    peer.on("GET", INTENT, ODD_BODIES[name])
    with pytest.raises(Unavailable):
        adapter.ask_payment(PAYMENT)


def test_no_answer_leaves_a_create_unknown_and_it_is_sent_only_once(raw_server):
    server = raw_server(lambda connection: connection.recv(1))
    with pytest.raises(OutcomeUnknown):
        adapter_at(server.url, timeouts=QUICK).create_payment(REQUEST)
    assert len(server.requests) == 1


def test_nobody_listening_is_unavailable(raw_server):
    server = raw_server(lambda connection: None)
    server.close()
    with pytest.raises(Unavailable):
        adapter_at("http://127.0.0.1:9", timeouts=QUICK).create_payment(REQUEST)


def test_a_question_that_broke_off_at_once_is_asked_a_second_time(raw_server):
    body = json.dumps(intent()).encode()
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    server = raw_server(lambda connection: None, lambda connection: connection.sendall(answer))
    assert adapter_at(server.url, timeouts=QUICK).ask_payment(PAYMENT).processor_ref == "pi_1"
    assert len(server.requests) == 2


def test_a_notice_header_of_stripe_does_not_become_a_warning(peer, adapter, recwarn):
    peer.on("POST", INTENTS, (200, intent(), {"Stripe-Notice": "An old version."}))
    adapter.create_payment(REQUEST)
    assert len(recwarn) == 0


def test_logs_hold_request_ids_and_never_a_body_or_a_secret(peer, adapter, caplog):
    peer.on("POST", INTENTS, intent(next_action=CASHAPP_ACTION), (400, error(code="amount_too_small")))
    with caplog.at_level(logging.DEBUG):
        adapter.create_payment(REQUEST)
        with pytest.raises(Misconfigured):
            adapter.create_payment(REQUEST)
    assert "request id req_test_1" in caplog.text
    for hidden in ("pi_1_secret_hidden", KEY, SECRET, "Premium Credits", "instructions"):
        assert hidden not in caplog.text
    assert KEY not in repr(adapter)
    assert SECRET not in repr(adapter)


def test_no_telemetry_is_kept_at_home_or_sent(peer, adapter, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    peer.on("POST", INTENTS, intent())
    adapter.create_payment(REQUEST)
    adapter.create_payment(REQUEST)
    assert list(tmp_path.iterdir()) == []
    assert not {"telemetry_id", "platform"} & set(json.loads(peer.headers()["X-Stripe-Client-User-Agent"]))
    assert "X-Stripe-Client-Telemetry" not in peer.headers()


def test_clients_are_shared_by_key_and_address_and_safe_between_threads(peer, adapter):
    peer.on("GET", INTENT, intent())
    with ThreadPoolExecutor(8) as threads:
        reports = list(threads.map(lambda _: adapter.ask_payment(PAYMENT), range(32)))
    assert {report.processor_ref for report in reports} == {"pi_1"}
    assert client_for(KEY, peer.url, QUICK) is client_for(KEY, peer.url, QUICK)
    assert client_for(KEY, peer.url, QUICK) is not client_for("sk_test_other", peer.url, QUICK)


# What the states mean


@pytest.mark.parametrize(
    ("status", "outcome", "is_final"),
    [
        ("requires_payment_method", Outcome.PENDING, False),
        ("requires_confirmation", Outcome.PENDING, False),
        ("requires_action", Outcome.PENDING, False),
        ("processing", Outcome.PROCESSING, False),
        ("canceled", Outcome.CANCELLED, True),
        ("a_word_of_tomorrow", Outcome.PENDING, False),
        (None, Outcome.PENDING, False),
    ],
)
def test_a_state_without_money(peer, adapter, status, outcome, is_final):
    peer.on("GET", INTENT, intent(status=status))
    report = adapter.ask_payment(PAYMENT)
    assert (report.outcome, report.is_final, report.money) == (outcome, is_final, None)


def test_succeeded_is_captured_with_what_was_received_and_the_charge(peer, adapter):
    charge = {
        "id": "ch_1",
        "object": "charge",
        "created": 1763640050,
        "payment_method_details": {"type": "cashapp", "cashapp": {"cashtag": "$buyer", "transaction_id": "txn_1"}},
    }
    peer.on("GET", INTENT, intent(status="succeeded", amount_received=2400, latest_charge=charge))
    report = adapter.ask_payment(PAYMENT)
    assert report.outcome is Outcome.CAPTURED
    assert report.is_final
    assert report.money == Money(2400, "USD")  # what came, not what was asked for
    assert report.processor_data == {"charge": "ch_1", "transaction": "txn_1"}
    assert report.occurred_at == datetime.fromtimestamp(1763640050, tz=UTC)
    assert peer.query() == {"expand[0]": "latest_charge"}


def test_requires_capture_is_authorized_with_what_is_held(peer, adapter):
    peer.on("GET", INTENT, intent(status="requires_capture", amount_capturable=2500, latest_charge="ch_1"))
    report = adapter.ask_payment(PAYMENT)
    assert (report.outcome, report.money, report.is_final) == (Outcome.AUTHORIZED, Money(2500, "USD"), False)
    assert report.processor_data == {"charge": "ch_1"}


def test_a_refused_try_is_declined_but_the_payment_is_not_over(peer, adapter):
    failure = {"code": "payment_method_customer_decline", "message": "The buyer declined."}
    peer.on("GET", INTENT, intent(status="requires_payment_method", last_payment_error=failure))
    report = adapter.ask_payment(PAYMENT)
    assert (report.outcome, report.is_final) == (Outcome.DECLINED, False)
    assert report.failure.code == "payment_method_customer_decline"
    assert report.failure.advice is DeclineAdvice.CANCELLED_BY_BUYER


def test_captured_money_in_an_amount_nobody_can_read_is_none_rather_than_a_guess(peer, adapter):
    peer.on("GET", INTENT, intent(status="succeeded", amount_received=2500, currency="zzz"))
    report = adapter.ask_payment(PAYMENT)
    assert (report.outcome, report.money) == (Outcome.CAPTURED, None)


def test_a_payment_that_carries_another_reference_says_so(peer, adapter):
    peer.on("GET", INTENT, intent(metadata={"paymentId": "pay-other"}))
    assert adapter.ask_payment(PAYMENT).reference == "pay-other"


# Asking


def test_an_unknown_id_is_none(peer, adapter):
    peer.on("GET", INTENT, (404, error(code="resource_missing")))
    assert adapter.ask_payment(PAYMENT) is None


def test_an_id_of_the_other_mode_is_said_to_be_that(peer, adapter):
    message = "No such payment_intent: 'pi_1'; a similar object exists in live mode, but a test mode key was used."
    peer.on("GET", INTENT, (404, error(code="resource_missing", message=message)))
    with pytest.raises(WrongMode):
        adapter.ask_payment(PAYMENT)


def test_a_lost_create_is_found_by_our_reference_over_several_pages(peer, adapter):
    others = [intent(id=f"pi_other_{number}", metadata={"paymentId": f"other-{number}"}) for number in range(3)]
    peer.on("GET", INTENTS, page(*others[:2], has_more=True), page(others[2], intent()))
    report = adapter.ask_payment(LOST)
    assert (report.processor_ref, report.reference) == ("pi_1", "pay-1")
    first, second = peer.query(0), peer.query(1)
    assert first["created[gte]"] == str(int((NOW - timedelta(minutes=5)).timestamp()))
    assert first["limit"] == "100"
    assert second["starting_after"] == "pi_other_1"


def test_a_create_that_never_arrived_is_none_and_long_ago_every_later_payment_is_looked_at_too(peer, adapter):
    peer.on("GET", INTENTS, page())
    assert adapter.ask_payment(LOST) is None
    assert len(peer.calls) == 1
    assert adapter.ask_payment(replace(LOST, created_at=NOW - timedelta(hours=1))) is None
    assert len(peer.calls) == 3
    assert "created[gt]" in peer.query()


def test_more_payments_than_we_look_through_is_not_the_same_as_none(peer, adapter):
    peer.on("GET", INTENTS, page(intent(metadata={}), has_more=True))
    with pytest.raises(Unavailable):
        adapter.ask_payment(LOST)
    assert len(peer.calls) == 20


# Cancelling


def test_cancel_ends_the_payment(peer, adapter):
    peer.on("POST", CANCEL, intent(status="canceled", canceled_at=1763640200))
    report = adapter.cancel_payment(PAYMENT)
    assert (report.outcome, report.is_final) == (Outcome.CANCELLED, True)
    assert peer.form() == {"cancellation_reason": "abandoned"}


def test_a_cancel_that_lost_the_race_reports_the_money(peer, adapter):
    truth = intent(status="succeeded", amount_received=2500)
    peer.on("POST", CANCEL, (400, error(code="payment_intent_unexpected_state", payment_intent=truth)))
    report = adapter.cancel_payment(PAYMENT)
    assert (report.outcome, report.money, report.is_final) == (Outcome.CAPTURED, Money(2500, "USD"), True)
    assert len(peer.calls) == 1


@pytest.mark.parametrize(
    "embedded", [{}, {"payment_intent": {"id": "pi_1"}}, {"payment_intent": intent(livemode=True)}]
)
def test_a_refused_cancel_without_a_readable_payment_asks_for_it(peer, adapter, embedded):
    peer.on("POST", CANCEL, (400, error(code="payment_intent_unexpected_state", **embedded)))
    peer.on("GET", INTENT, intent(status="processing"))
    assert adapter.cancel_payment(PAYMENT).outcome is Outcome.PROCESSING


def test_cancelling_what_is_cancelled_says_cancelled(peer, adapter):
    truth = intent(status="canceled")
    peer.on("POST", CANCEL, (400, error(code="payment_intent_unexpected_state", payment_intent=truth)))
    assert adapter.cancel_payment(PAYMENT).outcome is Outcome.CANCELLED


def test_each_cancel_is_a_new_wish_because_stripe_would_replay_an_old_refusal(peer, adapter):
    peer.on("POST", CANCEL, intent(status="canceled"))
    adapter.cancel_payment(PAYMENT)
    adapter.cancel_payment(PAYMENT)
    assert peer.headers(0)["Idempotency-Key"] != peer.headers(1)["Idempotency-Key"]


def test_cancelling_a_payment_that_stripe_never_got_is_done(peer, adapter):
    peer.on("GET", INTENTS, page())
    report = adapter.cancel_payment(LOST)
    assert (report.outcome, report.is_final, report.processor_ref) == (Outcome.CANCELLED, True, "")


def test_cancelling_a_payment_whose_answer_was_lost_finds_it_first(peer, adapter):
    peer.on("GET", INTENTS, page(intent()))
    peer.on("POST", CANCEL, intent(status="canceled"))
    assert adapter.cancel_payment(LOST).outcome is Outcome.CANCELLED


def test_a_lost_payment_that_was_paid_meanwhile_is_not_cancelled(peer, adapter):
    peer.on("GET", INTENTS, page(intent(status="succeeded", amount_received=2500)))
    assert adapter.cancel_payment(LOST).outcome is Outcome.CAPTURED
    assert ("POST", CANCEL) not in peer.calls


def test_an_id_that_stripe_does_not_know_is_not_called_cancelled(peer, adapter):
    peer.on("POST", CANCEL, (404, error(code="resource_missing")))
    with pytest.raises(NotFound):
        adapter.cancel_payment(PAYMENT)


def test_a_cancel_without_an_answer_is_unknown(raw_server):
    server = raw_server(lambda connection: None)
    with pytest.raises(OutcomeUnknown):
        adapter_at(server.url, timeouts=QUICK).cancel_payment(PAYMENT)


# Refunding


def test_a_refund_goes_out_under_its_own_key(peer, adapter):
    peer.on("GET", REFUNDS, page())
    peer.on("POST", REFUNDS, refund())
    report = adapter.refund_payment(REFUND)
    assert report == RefundReport(
        reference="ref-1",
        processor_ref="re_1",
        payment_processor_ref="pi_1",
        outcome=RefundOutcome.SUCCEEDED,
        money=Money(1000, "USD"),
        mode=Mode.TEST,
        occurred_at=datetime.fromtimestamp(1763640100, tz=UTC),
    )
    assert peer.form() == {
        "payment_intent": "pi_1",
        "amount": "1000",
        "reason": "requested_by_customer",
        "metadata[refundId]": "ref-1",
        "metadata[paymentId]": "pay-1",
    }
    assert peer.headers()["Idempotency-Key"] == "refund-ref-1"


def test_a_refund_that_stripe_has_is_not_made_again_however_old_its_key(peer, adapter):
    peer.on("GET", REFUNDS, page(refund(status="pending")))
    assert adapter.refund_payment(REFUND).outcome is RefundOutcome.PENDING
    assert peer.calls == [("GET", REFUNDS)]
    assert peer.query()["payment_intent"] == "pi_1"


@pytest.mark.parametrize(
    ("status", "values"),
    [
        (400, {"code": "charge_already_refunded"}),
        (400, {"code": "charge_disputed"}),
        (400, {"code": "refund_disputed_payment"}),
        (400, {"code": "payment_intent_unexpected_state"}),
        (400, {"code": "balance_insufficient"}),
        (400, {"message": "Refund amount ($30.00) is greater than unrefunded amount on charge ($25.00)"}),
        (400, {"param": "amount"}),
        (402, {"type": "card_error"}),
    ],
)
def test_a_refund_that_cannot_be_is_refused(peer, adapter, status, values):
    peer.on("GET", REFUNDS, page())
    peer.on("POST", REFUNDS, (status, error(**values)))
    with pytest.raises(Refused) as caught:
        adapter.refund_payment(REFUND)
    assert caught.value.processor_code == values.get("code", "")


def test_a_refund_of_a_payment_unknown_there_is_not_found(peer, adapter):
    peer.on("GET", REFUNDS, (404, error(code="resource_missing", param="payment_intent")))
    with pytest.raises(NotFound):
        adapter.refund_payment(REFUND)


def test_a_refund_in_another_currency_is_refused_without_a_call(peer, adapter):
    with pytest.raises(Misconfigured):
        adapter.refund_payment(replace(REFUND, money=Money(1000, "EUR")))
    assert peer.calls == []


def test_a_refund_without_an_answer_is_unknown_and_can_be_asked_about(peer, adapter):
    peer.on("GET", REFUNDS, page(), page(refund()))
    peer.on("POST", REFUNDS, (500, error(type="api_error")))
    with pytest.raises(OutcomeUnknown):
        adapter.refund_payment(REFUND)
    asked = RefundRef(reference="ref-1", processor_ref="", payment=PAYMENT, money=REFUND.money, created_at=NOW)
    assert adapter.ask_refund(asked).processor_ref == "re_1"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("pending", RefundOutcome.PENDING),
        ("requires_action", RefundOutcome.PENDING),
        ("succeeded", RefundOutcome.SUCCEEDED),
        ("failed", RefundOutcome.FAILED),
        ("canceled", RefundOutcome.CANCELLED),
        ("a_word_of_tomorrow", RefundOutcome.PENDING),
    ],
)
def test_a_refunds_states(peer, adapter, status, outcome):
    peer.on("GET", f"{REFUNDS}/re_1", refund(status=status, failure_reason="declined"))
    asked = RefundRef(reference="ref-1", processor_ref="re_1", payment=PAYMENT, money=REFUND.money, created_at=NOW)
    report = adapter.ask_refund(asked)
    assert report.outcome is outcome
    assert (report.failure.code if report.failure else None) == (
        "declined" if outcome is RefundOutcome.FAILED else None
    )


def test_a_refund_unknown_there_is_none(peer, adapter):
    peer.on("GET", f"{REFUNDS}/re_1", (404, error(code="resource_missing")))
    peer.on("GET", REFUNDS, page(refund(metadata={"refundId": "other"})))
    asked = RefundRef(reference="ref-1", processor_ref="re_1", payment=PAYMENT, money=REFUND.money, created_at=NOW)
    assert adapter.ask_refund(asked) is None
    assert adapter.ask_refund(replace(asked, processor_ref="")) is None


# Availability


@pytest.mark.parametrize(
    ("capabilities", "is_available"),
    [
        ({"cashapp_payments": "active"}, True),
        ({"cashapp_payments": "inactive"}, False),
        ({"cashapp_payments": "pending"}, False),
        ({"card_payments": "active"}, False),
        (None, False),
    ],
)
def test_availability_is_the_accounts_capability(peer, adapter, capabilities, is_available):
    peer.on("GET", "/v1/account", {"id": "acct_1", "object": "account", "capabilities": capabilities})
    answer = adapter.check_availability(currency="USD")
    assert answer.is_available is is_available
    assert bool(answer.why) is not is_available


@pytest.mark.parametrize(("currency", "method"), [("EUR", ""), ("UZS", "cashapp"), ("USD", "ideal"), ("UGX", "card")])
def test_other_currencies_and_methods_are_not_asked_about(peer, adapter, currency, method):
    assert not adapter.check_availability(currency=currency, method=method).is_available
    assert peer.calls == []


def test_a_restricted_key_that_may_not_read_the_account_leaves_it_to_the_payment(peer, adapter):
    peer.on("GET", "/v1/account", (403, error()))
    assert adapter.check_availability(currency="USD").is_available


@pytest.mark.parametrize(("status", "expected"), [(401, Misconfigured), (500, Unavailable), (429, Unavailable)])
def test_availability_that_cannot_be_asked_is_an_error(peer, adapter, status, expected):
    peer.on("GET", "/v1/account", (status, error()))
    with pytest.raises(expected):
        adapter.check_availability(currency="USD")


# Callbacks


VECTORS = [
    (
        "whsec_test_vector_one",
        1700000000,
        '{"id":"evt_vec_1","object":"event","type":"payment_intent.succeeded","livemode":false,"data":{"object":'
        '{"id":"pi_vec_1","object":"payment_intent","amount":2500,"currency":"usd","status":"succeeded","metadata":'
        '{"externalId":"ORDER-1"}}}}',
        "f96d329356779685a872a740a2177cc7b5a3e898a7de0c30ab8046b0c11b2863",
        236,
    ),
    (
        "whsec_test_vector_two",
        1767225600,
        '{\n  "id": "evt_vec_2",\n  "object": "event",\n  "type": "checkout.session.completed",\n  "data": {"object": '
        '{"id": "cs_test_vec", "object": "checkout.session", "payment_status": "paid", "customer_details": {"name": '
        '"Zo\u00eb \u00dcn\u00efcode \u20b9"}}}\n}',
        "9da11efc9e9410dd3fc25ca4b99e64464113e1bbeaf08c031ddd2ce24d6bfeca",
        237,
    ),
    ("whsec_test_vector_three", 1, "", "c129d0db24b2731ab61f76d8f7ff5bd34c7c190550a8726491aab575af8e0d2d", 0),
]


@pytest.mark.parametrize(("secret", "ts", "body", "digest", "length"), VECTORS)
def test_the_published_vectors_verify_and_a_flipped_byte_does_not(secret, ts, body, digest, length):
    raw = body.encode()
    assert len(raw) == length
    now = datetime.fromtimestamp(ts, tz=UTC)
    signatures.verify_stripe(raw, f"t={ts},v1={digest}", secrets=[secret], now=now)
    stripe.WebhookSignature.verify_header(raw, f"t={ts},v1={digest}", secret, tolerance=None)
    for wrong_body, wrong_digest, wrong_secret in [
        (raw + b"\n", digest, secret),
        (raw, digest[:-1] + ("0" if digest[-1] != "0" else "1"), secret),
        (raw, digest.upper(), secret),
        (raw, digest, secret + "x"),
    ]:
        with pytest.raises(BadCallback):
            signatures.verify_stripe(wrong_body, f"t={ts},v1={wrong_digest}", secrets=[wrong_secret], now=now)


def test_a_signed_body_that_is_empty_is_still_no_event():
    secret, ts, body, digest, _ = VECTORS[2]
    config = AdapterConfig(mode=Mode.TEST, base_url="", credentials={"secretKey": KEY, "webhookSecret": secret})
    headers = {"stripe-signature": f"t={ts},v1={digest}"}
    callback = Callback(body=body.encode(), headers=headers, received_at=datetime.fromtimestamp(ts, tz=UTC))
    with pytest.raises(BadCallback):
        PROCESSOR.build(config).read_callback(callback)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=",
        "v1=abc",
        "t=1763640000",
        "t=abc,v1=00",
        "t=-5,v1=00",
        "t=1_000,v1=00",
        "t=\u0661\u0662,v1=00",
        f"t={'9' * 5000},v1=00",
        "t=1,t=2,v1=00",
        "t=1763640000,v1=\xff\xfe",
        "t=1763640000,v1=\udcff",
        "t=1763640000,v1=",
        "t=1763640000,v0=00",
        ",,,===",
        "\x00",
    ],
)
def test_a_header_that_is_no_signature_is_a_bad_callback_and_nothing_else(header):
    with pytest.raises(BadCallback):
        signatures.verify_stripe(b"{}", header, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize(
    ("seconds", "is_believed"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)]
)
def test_a_signature_counts_for_five_minutes_on_both_sides(adapter, seconds, is_believed):
    callback = signed(event("ping", {}), at=NOW + timedelta(seconds=seconds))
    if is_believed:
        adapter.read_callback(callback)
    else:
        with pytest.raises(BadCallback):
            adapter.read_callback(callback)


def test_one_right_signature_among_several_is_enough(adapter):
    callback = signed(event("ping", {}))
    timestamp, _, right = callback.headers["stripe-signature"].partition(",")
    header = f"{timestamp},v0=00,v1={'0' * 64},{right}"
    assert adapter.read_callback(replace(callback, headers={"stripe-signature": header})).event_id == "evt_1"


def test_a_rotated_secret_still_verifies_and_a_blank_one_never(peer):
    rotated = adapter_at(peer.url, previous=({"webhookSecret": "whsec_old"}, {"webhookSecret": ""}, {}))
    body = event("ping", {})
    assert rotated.read_callback(signed(body, secret="whsec_old")).event_id == "evt_1"
    for stranger in ("whsec_other", "", " "):
        with pytest.raises(BadCallback):
            rotated.read_callback(signed(body, secret=stranger))


NO_EVENTS = {
    "nothing": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"object": "event", "id": "\xff"}',
    "a list": b'[{"object": "event"}]',
    "a number": b"7",
    "a word": b'"event"',
    "null": b"null",
    "another object": b'{"object": "charge"}',
    "a thin event": b'{"object": "v2.core.event", "id": "evt_1", "type": "x"}',
    "deep nesting": b"[" * 200_000,
    "deep objects": b'{"object":' * 100_000,
    "a huge number": b"9" * 10_000,
}


@pytest.mark.parametrize("name", NO_EVENTS)
def test_a_body_that_is_no_event_is_a_bad_callback_signed_or_not(adapter, name):
    with pytest.raises(BadCallback):
        adapter.peek(signed(NO_EVENTS[name]))
    with pytest.raises(BadCallback):
        adapter.read_callback(signed(NO_EVENTS[name]))


@pytest.mark.parametrize(
    "body",
    [
        event("payment_intent.succeeded", {"object": "payment_intent"}),
        event("payment_intent.succeeded", "pi_1"),
        event("payment_intent.succeeded", {"object": "charge", "id": "ch_1"}),
        event("refund.updated", {}),
        event("charge.dispute.created", {"object": "charge", "id": "ch_1"}),
        event("payment_intent.succeeded", intent(), livemode=None),
        event("", intent()),
        event("payment_intent.succeeded", intent(), id=7),
        {"object": "event", "id": "evt_1", "type": "payment_intent.succeeded", "livemode": False, "data": []},
    ],
)
def test_a_signed_event_of_another_shape_is_a_bad_callback(adapter, body):
    with pytest.raises(BadCallback):
        adapter.read_callback(signed(body))


def test_a_forged_callback_changes_nothing(adapter):
    with pytest.raises(BadCallback):
        adapter.read_callback(signed(event("payment_intent.succeeded", intent()), secret="whsec_forged"))


def test_the_same_callback_twice_reads_the_same(adapter):
    callback = signed(event("payment_intent.succeeded", intent(status="succeeded", amount_received=2500)))
    assert adapter.read_callback(callback) == adapter.read_callback(callback)


def test_money_that_came_is_reported_with_what_was_received(adapter):
    subject = intent(status="succeeded", amount_received=2500, latest_charge="ch_1")
    (notice,) = notices(adapter, event("payment_intent.succeeded", subject))
    assert notice == PaymentReport(
        reference="pay-1",
        processor_ref="pi_1",
        outcome=Outcome.CAPTURED,
        mode=Mode.TEST,
        money=Money(2500, "USD"),
        is_final=True,
        method="cashapp",
        occurred_at=NOW,
        processor_data={"charge": "ch_1"},
    )


@pytest.mark.parametrize(
    ("event_type", "changes", "outcome"),
    [
        ("payment_intent.created", {"status": "requires_confirmation"}, Outcome.PENDING),
        ("payment_intent.requires_action", {}, Outcome.PENDING),
        ("payment_intent.processing", {"status": "processing"}, Outcome.PROCESSING),
        (
            "payment_intent.amount_capturable_updated",
            {"status": "requires_capture", "amount_capturable": 2500},
            Outcome.AUTHORIZED,
        ),
        (
            "payment_intent.payment_failed",
            {"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}},
            Outcome.DECLINED,
        ),
        ("payment_intent.canceled", {"status": "canceled"}, Outcome.CANCELLED),
        ("payment_intent.partially_funded", {}, Outcome.PENDING),
        ("payment_intent.succeeded", {"status": "a_word_of_tomorrow"}, Outcome.PENDING),
    ],
)
def test_events_of_a_payment(adapter, event_type, changes, outcome):
    (notice,) = notices(adapter, event(event_type, intent(**changes)))
    assert (notice.outcome, notice.reference, notice.processor_ref) == (outcome, "pay-1", "pi_1")


@pytest.mark.parametrize("event_type", ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])
def test_events_of_a_refund(adapter, event_type):
    (notice,) = notices(adapter, event(event_type, refund(status="failed", failure_reason="declined")))
    assert isinstance(notice, RefundReport)
    assert (notice.reference, notice.processor_ref, notice.payment_processor_ref) == ("ref-1", "re_1", "pi_1")
    assert notice.outcome is RefundOutcome.FAILED
    assert notice.mode is Mode.TEST


def test_a_refund_made_in_the_dashboard_has_no_reference_of_ours(adapter):
    (notice,) = notices(adapter, event("refund.created", refund(metadata={})))
    assert (notice.reference, notice.payment_processor_ref, notice.money) == ("", "pi_1", Money(1000, "USD"))


@pytest.mark.parametrize(
    ("status", "is_open"),
    [("needs_response", True), ("under_review", True), ("won", False), ("lost", False), ("tomorrow", True)],
)
def test_a_dispute_is_reported_and_never_a_refund(adapter, status, is_open):
    dispute = {
        "id": "dp_1",
        "object": "dispute",
        "amount": 2500,
        "currency": "usd",
        "livemode": False,
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "status": status,
    }
    (notice,) = notices(adapter, event("charge.dispute.updated", dispute))
    assert notice == DisputeReport(
        processor_ref="dp_1",
        payment_processor_ref="pi_1",
        is_open=is_open,
        status=status,
        reason="fraudulent",
        money=Money(2500, "USD"),
        mode=Mode.TEST,
    )


@pytest.mark.parametrize("event_type", ["account.updated", "capability.updated"])
def test_a_changed_account_makes_us_forget_what_we_knew(adapter, event_type):
    assert notices(adapter, event(event_type, {"id": "acct_1", "object": "account"})) == (AccountChanged(Mode.TEST),)


@pytest.mark.parametrize(
    "event_type",
    ["charge.refunded", "charge.succeeded", "checkout.session.tomorrow", "payment_link.created", "tomorrow.came"],
)
def test_other_events_are_taken_and_ignored_with_a_reason(adapter, event_type):
    (notice,) = notices(adapter, event(event_type, {"id": "x_1", "object": "x"}))
    assert isinstance(notice, Ignored)
    assert notice.why


@pytest.mark.parametrize(
    ("livemode", "subject"), [(True, intent(livemode=True)), (True, intent()), (False, intent(livemode=True))]
)
def test_an_event_of_the_other_mode_is_ignored(adapter, livemode, subject):
    (notice,) = notices(adapter, event("payment_intent.succeeded", subject, livemode=livemode))
    assert isinstance(notice, Ignored)
    assert "mode" in notice.why


@pytest.mark.parametrize(
    ("event_type", "subject", "reference", "processor_ref"),
    [
        ("payment_intent.succeeded", intent(), "pay-1", "pi_1"),
        ("refund.updated", refund(), "pay-1", "pi_1"),
        ("refund.updated", refund(metadata={}, payment_intent={"id": "pi_1", "object": "payment_intent"}), "", "pi_1"),
        ("charge.succeeded", {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}, "", "pi_1"),
        ("charge.dispute.created", {"id": "dp_1", "object": "dispute", "payment_intent": "pi_1"}, "", "pi_1"),
        ("checkout.session.completed", {"id": "cs_1", "payment_intent": None}, "", ""),
        ("account.updated", {"id": "acct_1", "object": "account"}, "", ""),
        ("payment_intent.succeeded", "nonsense", "", ""),
    ],
)
def test_an_unverified_callback_says_whose_payment_it_claims(adapter, event_type, subject, reference, processor_ref):
    peeked = adapter.peek(Callback(json.dumps(event(event_type, subject)).encode(), {}, NOW))
    assert (peeked.reference, peeked.processor_ref) == (reference, processor_ref)
    assert (peeked.event_id, peeked.event_type, peeked.mode) == ("evt_1", event_type, Mode.TEST)


@pytest.mark.parametrize("hostile", ["a\x00b", "\ud800", "\u202e", "x" * 256, " \n", 7, ["pi_1"], {"id": "\x00"}])
def test_what_a_stranger_claims_is_an_id_or_nothing(adapter, hostile):
    subject = {"object": "payment_intent", "id": hostile, "metadata": {"paymentId": hostile}}
    body = event(hostile, subject, id=hostile)
    peeked = adapter.peek(Callback(json.dumps(body).encode(), {}, NOW))
    assert (peeked.reference, peeked.processor_ref, peeked.event_id, peeked.event_type) == ("", "", "", "")


def test_texts_of_stripe_hold_nothing_that_a_database_refuses(adapter):
    failure = {"code": "card_declined", "message": "No\x00 money\ud800."}
    subject = intent(status="requires_payment_method", last_payment_error=failure)
    (notice,) = notices(adapter, event("payment_intent.payment_failed", subject))
    assert notice.failure.message == "No\ufffd money\ufffd."


# Credentials and the registry


@pytest.mark.parametrize("prefix", ["sk_test_", "rk_test_"])
def test_good_credentials_have_no_problem(prefix):
    assert PROCESSOR.check_credentials({"secretKey": f"{prefix}51x", "webhookSecret": "whsec_x"}, Mode.TEST) == {}


@pytest.mark.parametrize(
    ("key", "mode", "reason"),
    [
        ("", Mode.TEST, "Required"),
        ("pk_test_51x", Mode.TEST, "publishable"),
        ("whsec_x", Mode.TEST, "webhook secret"),
        ("sk_live_51x", Mode.TEST, "live key"),
        ("rk_live_51x", Mode.TEST, "live key"),
        ("sk_test_51x", Mode.LIVE, "test key"),
        ("sk_org_51x", Mode.LIVE, "Not a Stripe secret key"),
        ("sk_test_", Mode.TEST, "Not a Stripe secret key"),
        (" sk_test_51x", Mode.TEST, "spaces"),
        ("sk_test_51x\n", Mode.TEST, "spaces"),
        ("sk_test_ключ", Mode.TEST, "characters"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused_with_the_reason(key, mode, reason):
    problems = PROCESSOR.check_credentials({"secretKey": key, "webhookSecret": "whsec_x"}, mode)
    assert list(problems) == ["secretKey"]
    assert reason in problems["secretKey"]
    assert "51x" not in problems["secretKey"]


@pytest.mark.parametrize("secret", ["", "whsec_", "sk_test_51x", "whsec_ x"])
def test_a_webhook_secret_that_is_none_is_refused(secret):
    problems = PROCESSOR.check_credentials({"secretKey": KEY, "webhookSecret": secret}, Mode.TEST)
    assert list(problems) == ["webhookSecret"]


def test_stripe_is_in_the_registry_with_the_fields_of_the_wire():
    assert registry.get("stripe") is PROCESSOR
    assert [field.name for field in PROCESSOR.credential_fields] == ["secretKey", "webhookSecret"]
    assert all(field.is_secret and field.is_required for field in PROCESSOR.credential_fields)
    assert PROCESSOR.capabilities.currencies == frozenset()  # what each method takes is said of the method


# Journeys with the lab


@pytest.fixture
def shop(httpserver):
    running, shop = running_shop(httpserver)
    yield shop
    running.stop()


def test_a_buyer_approves_and_the_signed_callback_says_so(shop):
    report = shop.adapter.create_payment(REQUEST)
    assert report.outcome is Outcome.PENDING
    assert report.next_action.mobile_url
    assert report.next_action.qr_url
    location = shop.press(report, "approve")
    assert location.startswith(REQUEST.return_url)

    (notice,) = shop.notices("payment_intent.succeeded")
    assert (notice.reference, notice.processor_ref) == ("pay-1", report.processor_ref)
    assert (notice.outcome, notice.money, notice.is_final) == (Outcome.CAPTURED, Money(2500, "USD"), True)
    asked = shop.adapter.ask_payment(shop.ref(report.processor_ref))
    assert (asked.outcome, asked.money) == (Outcome.CAPTURED, Money(2500, "USD"))
    assert asked.processor_data["charge"] == notice.processor_data["charge"]
    for callback in shop.callbacks():
        peeked = shop.adapter.peek(callback)
        assert (peeked.reference, peeked.processor_ref) == ("pay-1", report.processor_ref)


def test_a_buyer_declines_and_may_try_again_in_a_new_payment(shop):
    first = shop.adapter.create_payment(REQUEST)
    shop.press(first, "decline")
    (notice,) = shop.notices("payment_intent.payment_failed")
    assert (notice.outcome, notice.is_final) == (Outcome.DECLINED, False)
    assert notice.failure.advice is DeclineAdvice.CANCELLED_BY_BUYER
    assert shop.adapter.cancel_payment(shop.ref(first.processor_ref)).outcome is Outcome.CANCELLED

    second = shop.adapter.create_payment(replace(REQUEST, reference="pay-2"))
    assert second.processor_ref != first.processor_ref


def test_a_payment_that_takes_a_while_is_processing_and_then_captured(shop):
    report = shop.adapter.create_payment(REQUEST)
    shop.press(report, "delay")
    (processing,) = shop.notices("payment_intent.processing")
    assert processing.outcome is Outcome.PROCESSING
    (captured,) = shop.awaited("payment_intent.succeeded")
    assert captured.outcome is Outcome.CAPTURED


def test_an_approval_while_our_cancel_is_under_way_is_reported_as_money(shop):
    report = shop.adapter.create_payment(REQUEST)
    shop.order("success_after_cancel")
    cancelled = shop.adapter.cancel_payment(shop.ref(report.processor_ref))
    assert (cancelled.outcome, cancelled.money) == (Outcome.CAPTURED, Money(2500, "USD"))


@pytest.mark.parametrize("fault", ["timeout_after", "reset_after"])
def test_a_create_whose_answer_was_lost_is_found_by_our_reference(shop, fault):
    shop.order(fault, match={"operation": "payment_intents.create"})
    with pytest.raises(OutcomeUnknown):
        shop.adapter.create_payment(REQUEST)
    found = shop.adapter.ask_payment(shop.ref())
    assert (found.reference, found.outcome) == ("pay-1", Outcome.PENDING)
    assert found.next_action.url
    assert shop.adapter.create_payment(REQUEST).processor_ref == found.processor_ref


@pytest.mark.parametrize("fault", ["timeout_before", "reset_before"])
def test_a_create_that_never_arrived_is_known_not_to_exist(shop, fault):
    shop.order(fault, match={"operation": "payment_intents.create"})
    with pytest.raises(OutcomeUnknown):
        shop.adapter.create_payment(REQUEST)
    assert shop.adapter.ask_payment(shop.ref()) is None
    assert shop.adapter.cancel_payment(shop.ref()).outcome is Outcome.CANCELLED


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
def test_every_fault_of_a_create_has_its_meaning(shop, fault, expected):
    shop.order(fault, match={"operation": "payment_intents.create"})
    with pytest.raises(expected):
        shop.adapter.create_payment(REQUEST)


def test_a_stored_500_is_repeated_under_its_key_so_we_ask_instead(shop):
    shop.order("500", match={"operation": "payment_intents.create"}, after=True)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            shop.adapter.create_payment(REQUEST)
    assert shop.adapter.ask_payment(shop.ref()).outcome is Outcome.PENDING


def test_the_same_reference_is_the_same_payment_and_its_present_state(shop):
    first = shop.adapter.create_payment(REQUEST)
    again = shop.adapter.create_payment(REQUEST)
    assert again.processor_ref == first.processor_ref
    shop.press(first, "approve")
    assert shop.adapter.create_payment(REQUEST).outcome is Outcome.CAPTURED
    with pytest.raises(Misconfigured):
        shop.adapter.create_payment(replace(REQUEST, money=Money(9900, "USD")))


def test_money_goes_back_in_parts_and_never_more_than_came(shop):
    paid = shop.ref(shop.paid().processor_ref)
    part = RefundRequest("ref-1", paid, Money(1000, "USD"))
    made = shop.adapter.refund_payment(part)
    assert (made.outcome, made.money) == (RefundOutcome.SUCCEEDED, Money(1000, "USD"))
    assert shop.adapter.refund_payment(part).processor_ref == made.processor_ref
    with pytest.raises(Refused):
        shop.adapter.refund_payment(RefundRequest("ref-2", paid, Money(1501, "USD")))
    rest = shop.adapter.refund_payment(RefundRequest("ref-3", paid, Money(1500, "USD")))
    assert rest.outcome is RefundOutcome.SUCCEEDED
    with pytest.raises(Refused):
        shop.adapter.refund_payment(RefundRequest("ref-4", paid, Money(100, "USD")))
    asked = RefundRef("ref-1", "", paid, Money(1000, "USD"), shop.started_at)
    assert shop.adapter.ask_refund(asked).processor_ref == made.processor_ref
    assert {notice.reference for notice in shop.notices("refund.created")} == {"ref-1", "ref-3"}


@pytest.mark.parametrize("was_made", [False, True], ids=["before it was made", "after it was made"])
def test_a_refund_under_a_stored_500_is_looked_for_and_only_then_sent_with_another_key(shop, was_made):
    """Stripe repeats a 500 of its own for a day under the key that it happened to."""
    paid = shop.ref(shop.paid().processor_ref)
    wanted = RefundRequest("ref-1", paid, Money(1000, "USD"))
    shop.order("500", match={"operation": "refunds.create"}, after=was_made)
    with pytest.raises(OutcomeUnknown):
        shop.adapter.refund_payment(wanted)
    made = shop.adapter.refund_payment(wanted)
    assert (made.outcome, made.money, made.reference) == (RefundOutcome.SUCCEEDED, Money(1000, "USD"), "ref-1")
    for _ in range(2):
        assert shop.adapter.refund_payment(wanted).processor_ref == made.processor_ref
    assert {notice.processor_ref for notice in shop.notices("refund.created")} == {made.processor_ref}


def test_a_refund_that_stripe_stores_failures_for_uses_a_few_keys_and_is_then_asked_about(peer, adapter):
    stored = (500, error(type="api_error"), {"Idempotent-Replayed": "true"})
    peer.on("GET", REFUNDS, page())
    peer.on("POST", REFUNDS, stored)
    with pytest.raises(OutcomeUnknown):
        adapter.refund_payment(REFUND)
    sent = [number for number, (method, _) in enumerate(peer.calls) if method == "POST"]
    keys = [peer.headers(number)["Idempotency-Key"] for number in sent]
    assert keys == ["refund-ref-1", *(f"refund-ref-1-{number}" for number in range(2, 6))]


def test_a_refund_that_cannot_be_looked_for_after_a_stored_500_is_never_sent_again(peer, adapter):
    peer.on("GET", REFUNDS, page(), (503, error(type="api_error")))
    peer.on("POST", REFUNDS, (500, error(type="api_error"), {"Idempotent-Replayed": "true"}))
    with pytest.raises(OutcomeUnknown):
        adapter.refund_payment(REFUND)
    assert peer.calls.count(("POST", REFUNDS)) == 1


def test_a_refund_whose_answer_was_lost_is_found_and_not_made_twice(shop):
    paid = shop.ref(shop.paid().processor_ref)
    wanted = RefundRequest("ref-1", paid, Money(2500, "USD"))
    shop.order("reset_after", match={"operation": "refunds.create"})
    with pytest.raises(OutcomeUnknown):
        shop.adapter.refund_payment(wanted)
    asked = shop.adapter.ask_refund(RefundRef("ref-1", "", paid, wanted.money, shop.started_at))
    assert asked.outcome is RefundOutcome.SUCCEEDED
    assert shop.adapter.refund_payment(wanted).processor_ref == asked.processor_ref


@pytest.mark.parametrize(
    ("fault", "event_type", "outcome"),
    [
        ("refund_pending", "refund.updated", RefundOutcome.SUCCEEDED),
        ("refund_fails", "refund.failed", RefundOutcome.FAILED),
    ],
)
def test_a_refund_that_waits_ends_in_a_callback(shop, fault, event_type, outcome):
    paid = shop.ref(shop.paid().processor_ref)
    shop.order(fault)
    made = shop.adapter.refund_payment(RefundRequest("ref-1", paid, Money(2500, "USD")))
    assert made.outcome is RefundOutcome.PENDING
    assert shop.awaited(event_type)[-1].outcome is outcome
    asked = RefundRef("ref-1", made.processor_ref, paid, made.money, shop.started_at)
    assert shop.adapter.ask_refund(asked).outcome is outcome


def test_a_dispute_closes_the_way_to_a_refund(shop):
    paid = shop.ref(shop.paid().processor_ref)
    shop.act(f"payments/{paid.processor_ref}/dispute", reason="fraudulent")
    (notice,) = shop.notices("charge.dispute.created")
    assert (notice.is_open, notice.payment_processor_ref) == (True, paid.processor_ref)
    with pytest.raises(Refused):
        shop.adapter.refund_payment(RefundRequest("ref-1", paid, Money(2500, "USD")))


def test_availability_follows_the_account(shop):
    assert shop.adapter.check_availability(currency="USD").is_available
    (account,) = shop.running.lab.stripe.world.accounts.all()
    shop.act(f"accounts/{account.id}/capabilities", cashapp_payments="inactive")
    assert not shop.adapter.check_availability(currency="USD").is_available
    with pytest.raises(NotAvailable):
        shop.adapter.create_payment(REQUEST)
    assert shop.notices("capability.updated") == [AccountChanged(Mode.TEST)]


def test_a_key_that_stripe_does_not_know_is_our_configuration(shop):
    stranger = adapter_at(f"{shop.running.base_url}/stripe", key="sk_test_51NobodyKnowsThis")
    with pytest.raises(Misconfigured):
        stranger.create_payment(REQUEST)


@pytest.mark.parametrize("fault", ["forged", "old_timestamp"])
def test_a_callback_that_cannot_be_believed_is_a_bad_callback(shop, fault):
    shop.order(fault, match={"event": "payment_intent.created"})
    shop.adapter.create_payment(REQUEST)
    created = [callback for callback in shop.callbacks() if b'"payment_intent.created"' in callback.body]
    with pytest.raises(BadCallback):
        shop.adapter.read_callback(created[0])


def test_a_callback_during_a_roll_of_the_secret_carries_two_signatures(shop):
    shop.order("two_v1", match={"event": "payment_intent.created"})
    shop.adapter.create_payment(REQUEST)
    (notice,) = shop.notices("payment_intent.created")
    assert notice.outcome is Outcome.PENDING


def test_bent_callbacks_are_reported_as_they_are_for_checkout_to_judge(shop):
    shop.order("wrong_amount", match={"event": "payment_intent.succeeded"}, amount=100)
    shop.paid()
    (notice,) = shop.notices("payment_intent.succeeded")
    assert (notice.outcome, notice.money) == (Outcome.CAPTURED, Money(100, "USD"))


def test_a_callback_of_the_other_mode_is_ignored(shop):
    shop.order("other_mode", match={"event": "payment_intent.succeeded"})
    shop.paid()
    (notice,) = shop.notices("payment_intent.succeeded")
    assert isinstance(notice, Ignored)
