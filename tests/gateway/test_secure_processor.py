"""Secure Processor: every word we send, every shape of answer and refusal, amounts, hosts, credentials, the widget."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Response

from gateway.adapter import AdapterConfig
from gateway.adapters.secure_processor import PROCESSOR, bodies, terms
from gateway.adapters.secure_processor.amounts import check_money, from_wire, to_wire
from gateway.adapters.secure_processor.client import meaning_of
from gateway.adapters.secure_processor.hosts import hosts_of
from gateway.errors import (
    Declined,
    GatewayError,
    Misconfigured,
    NotAvailable,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unavailable,
    WrongMode,
)
from gateway.http import Timeouts
from gateway.money import MAX_MINOR, InexactAmount, Money, is_currency
from gateway.types import Mode, Outcome, RefundOutcome, RefundRef, RefundRequest, WidgetRequest
from tests.gateway import secure_processor_book as book
from tests.gateway.secure_processor_book import NOW, REFERENCE, TOKEN, UID, build, checkout, payment, transaction

pytestmark = pytest.mark.once

CREATED = {"checkout": {"token": TOKEN, "redirect_url": f"https://checkout.test/v2/checkout?token={TOKEN}"}}
PATH = "/ctp/api/checkouts"


@pytest.fixture
def peer(httpserver):
    """Their hosts, at one address."""
    return Peer(httpserver)


class Peer:
    def __init__(self, server):
        self.server = server
        self.url = server.url_for("").rstrip("/")

    def build(self, mode=Mode.TEST, **more):
        return build(mode, self.url, **more)

    def on(self, method, path, data, status=200):
        expected = self.server.expect_request(path, method=method)
        if isinstance(data, (bytes, str)):
            expected.respond_with_data(data, status=status, content_type="text/html")
        else:
            expected.respond_with_json(data, status=status)

    def checkout(self, **changed):
        self.on("GET", f"{PATH}/{TOKEN}", {"checkout": checkout(**changed)})

    def transaction(self, **changed):
        row = transaction(**changed)
        self.on("GET", f"/transactions/{row['uid']}", {"transaction": row})

    def listed(self, *rows):
        self.on("GET", f"/v2/transactions/tracking_id/{REFERENCE}", {"transactions": list(rows)})

    def sent(self, method="POST"):
        return [request for request, _ in self.server.log if request.method == method]

    def paths(self):
        return [f"{request.method} {request.path}" for request, _ in self.server.log]


def tried(status="successful", uid=UID, kind="payment", **more):
    return {kind: {"uid": uid, "status": status, **more}}


def refund_request(**changed):
    wanted = {
        "reference": "rf-1",
        "payment": payment(capture_ref=UID),
        "money": Money(500, "EUR"),
        "reason": "Not wanted",
    }
    return RefundRequest(**{**wanted, **changed})


def refund_row(**changed):
    row = {"type": "refund", "uid": "1-ref", "parent_uid": UID, "amount": 500, "reason": "Not wanted [rf-1]"}
    return transaction(**{**row, "created_at": NOW.isoformat(), **changed})


# --- opening a checkout ---


def test_a_create_sends_the_nested_shape_to_the_letter(peer):
    peer.on("POST", PATH, CREATED, status=201)
    expires_at = datetime(2026, 11, 20, 17, 30, tzinfo=UTC).astimezone()
    report = peer.build().create_payment(
        book.request(expires_at=expires_at, payer_email="buyer@shop.test", lang="uz", cancel_url="https://pay.test/no")
    )
    (sent,) = peer.sent()
    assert json.loads(sent.data) == {
        "checkout": {
            "transaction_type": "payment",
            "test": True,
            "attempts": 1,
            "order": {
                "amount": 1999,
                "currency": "EUR",
                "description": "Thing",
                "tracking_id": REFERENCE,
                "expired_at": "2026-11-20T17:30:00+00:00",
            },
            "settings": {
                "return_url": "https://pay.test/return?pt=pt_1",
                "cancel_url": "https://pay.test/no",
                "notification_url": "https://pay.test/hook",
                "language": "ru",
            },
            "customer": {"email": "buyer@shop.test"},
        }
    }
    assert sent.headers["Authorization"] == book.basic()
    assert (sent.headers["X-API-Version"], sent.headers["RequestID"]) == ("2", REFERENCE)
    assert (report.processor_ref, report.outcome, report.is_final) == (TOKEN, Outcome.PENDING, False)
    assert report.next_action.url == CREATED["checkout"]["redirect_url"]
    assert report.processor_data == {
        "redirect_url": CREATED["checkout"]["redirect_url"],
        "checkout_path": PATH,
        "transaction_type": "payment",
    }


@pytest.mark.parametrize("mode", list(Mode))
def test_the_mode_is_always_said(mode):
    body = bodies.checkout(book.request(), mode=mode, shop_id="361", shape="")
    assert body["checkout"]["test"] is (mode is Mode.TEST)
    flat = bodies.checkout(book.request(), mode=mode, shop_id="361", shape="flat")
    assert flat["test_mode"] is (mode is Mode.TEST)


def test_money_to_be_held_is_an_authorization(peer):
    peer.on("POST", PATH, CREATED)
    report = peer.build().create_payment(book.request(captures_later=True))
    assert json.loads(peer.sent()[0].data)["checkout"]["transaction_type"] == "authorization"
    assert report.processor_data["transaction_type"] == "authorization"


def test_the_flat_shape_is_sent_where_the_setting_says_so_and_its_answer_is_read(peer):
    peer.on("POST", PATH, {"token": "chk_456"})
    report = peer.build(request_shape="flat").create_payment(book.request())
    assert json.loads(peer.sent()[0].data) == {
        "shop_id": "361",
        "amount": 1999,
        "currency": "EUR",
        "description": "Thing",
        "return_url": "https://pay.test/return?pt=pt_1",
        "test_mode": True,
        "metadata": {"payment_token_id": REFERENCE, "reference_id": "order-1"},
    }
    assert (report.processor_ref, report.next_action.url) == ("chk_456", f"{peer.url}/checkout?token=chk_456")
    with pytest.raises(NotAvailable, match="cannot hold"):
        peer.build(request_shape="flat").create_payment(book.request(captures_later=True))


@pytest.mark.parametrize(
    ("lang", "sent"), [("en", "en"), ("ru", "ru"), ("uz", "ru"), ("kk", "kk"), ("xx", "en"), ("", "en")]
)
def test_the_page_speaks_a_language_that_it_knows(lang, sent):
    body = bodies.checkout(book.request(lang=lang), mode=Mode.TEST, shop_id="361", shape="nested")
    assert body["checkout"]["settings"]["language"] == sent


@pytest.mark.parametrize(
    ("given", "sent"),
    [("x" * 300, "x" * 255), ("a\nb\x00c", "a b c"), ("  ", "Order order-1"), ("Чай ☕", "Чай ☕")],
    ids=["long", "control signs", "blank", "not ASCII"],
)
def test_a_description_fits_and_is_never_empty(given, sent):
    body = bodies.checkout(book.request(description=given), mode=Mode.TEST, shop_id="361", shape="")
    assert body["checkout"]["order"]["description"] == sent


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"method": "card"}, NotAvailable),
        ({"return_url": ""}, Misconfigured),
        ({"money": Money(0, "EUR")}, Misconfigured),
        ({"money": Money(1, "IQD")}, Misconfigured),
        ({"reference": ""}, Misconfigured),
        ({"reference": "x" * 256}, Misconfigured),
    ],
    ids=["a method", "no way back", "nothing", "inexact", "no reference", "a long reference"],
)
def test_what_cannot_be_written_is_not_sent(peer, changed, error):
    with pytest.raises(error):
        peer.build().create_payment(book.request(**changed))
    assert peer.paths() == []


def test_an_address_that_no_browser_should_open_is_not_passed_on(peer):
    odd = {"checkout": {"token": TOKEN, "redirect_url": "javascript:alert(1)"}}
    peer.on("POST", PATH, odd)
    report = peer.build().create_payment(book.request())
    assert report.next_action.url == f"{peer.url}/checkout?token={TOKEN}"
    assert "redirect_url" not in report.processor_data


def test_in_live_mode_the_buyer_is_only_sent_to_https(peer):
    peer.on("POST", PATH, {"checkout": {"token": TOKEN, "redirect_url": "http://checkout.test/"}})
    report = peer.build(Mode.LIVE).create_payment(book.request())
    assert "redirect_url" not in report.processor_data


@pytest.mark.parametrize(
    "answer",
    [
        {"response": {"checkout": {"token": TOKEN}}},
        {"response": {"token": TOKEN}},
        {"checkout": {"token": TOKEN}},
        {"token": TOKEN},
    ],
    ids=["wrapped", "wrapped and flat", "nested", "flat"],
)
def test_the_token_is_found_wherever_it_stands(peer, answer):
    peer.on("POST", PATH, answer)
    assert peer.build().create_payment(book.request()).processor_ref == TOKEN


@pytest.mark.parametrize(
    "answer",
    [{}, [], {"checkout": {}}, {"checkout": {"token": ""}}, {"token": "a/../b"}, {"token": ["x"]}, {"checkout": []}],
    ids=json.dumps,
)
def test_an_answer_without_a_token_is_unclear(peer, answer):
    peer.on("POST", PATH, answer)
    with pytest.raises(OutcomeUnknown):
        peer.build().create_payment(book.request())


def test_a_refusal_within_a_good_answer_is_a_decline(peer):
    peer.on("POST", PATH, {"checkout": {"status": "failed", "message": "Insufficient funds", "code": "F.0051"}})
    with pytest.raises(Declined) as error:
        peer.build().create_payment(book.request())
    assert (error.value.failure.code, error.value.failure.message) == ("F.0051", "Insufficient funds")


# --- the path of the token ---


@pytest.mark.parametrize("status", [404, 405])
def test_another_path_is_tried_only_where_there_is_none_and_is_remembered(peer, status):
    peer.on("POST", "/pay/tokens", b"<h1>not here</h1>", status=status)
    peer.on("POST", PATH, b"<h1>not here</h1>", status=status)
    peer.on("POST", "/api/checkouts", CREATED)
    peer.on("GET", f"/api/checkouts/{TOKEN}", {"checkout": checkout()})
    adapter = peer.build(checkout_token_path="/pay/tokens")
    report = adapter.create_payment(book.request())
    assert peer.paths() == ["POST /pay/tokens", f"POST {PATH}", "POST /api/checkouts"]
    assert report.processor_data["checkout_path"] == "/api/checkouts"
    asked = adapter.ask_payment(payment(processor_data=report.processor_data))
    assert asked.outcome is Outcome.PENDING and peer.paths()[-1] == f"GET /api/checkouts/{TOKEN}"


def test_where_no_path_makes_tokens_the_setting_is_wrong(peer):
    for path in terms.OTHER_PATHS:
        peer.on("POST", path, b"", status=404)
    with pytest.raises(Misconfigured) as error:
        peer.build().create_payment(book.request())
    assert error.value.processor_code == "checkout_token_path"
    assert len(peer.paths()) == len(terms.OTHER_PATHS)


def test_after_a_silence_no_other_path_is_tried(peer):
    stopped = threading.Event()

    def hang(request):
        stopped.wait(5)
        return Response(status=200)

    peer.server.expect_request(PATH, method="POST").respond_with_handler(hang)
    adapter = replace(peer.build(), timeouts=Timeouts(connect_seconds=1, read_seconds=0.1, total_seconds=0.5))
    with pytest.raises(OutcomeUnknown):
        adapter.create_payment(book.request())
    stopped.set()
    assert set(peer.paths()) <= {f"POST {PATH}"}


@pytest.mark.parametrize("path", ["/../x", "/a b", "http://x", "/a?b", "//"])
def test_a_path_that_is_none_is_our_misconfiguration(path):
    with pytest.raises(Misconfigured):
        build(checkout_token_path=path).create_payment(book.request())


# --- refusals, in three shapes ---

FIELDS = {"order": {"amount": ["must be greater than 0"]}}
SHAPES = {
    "plain": lambda message, errors: {"message": message, "errors": errors},
    "wrapped": lambda message, errors: {"response": {"message": message, "errors": errors}},
    "coded": lambda message, errors: {
        "code": "F.1000",
        "message": message,
        "friendly_message": "Please check",
        "errors": errors,
    },
}


@pytest.mark.parametrize("status", [400, 422, 200])
@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_refusal_names_its_field_in_every_shape(peer, shape, status):
    peer.on("POST", PATH, SHAPES[shape]("Amount must be greater than 0", FIELDS), status=status)
    with pytest.raises(Misconfigured, match="order.amount must be greater than 0") as error:
        peer.build().create_payment(book.request())
    assert error.value.processor_code == "amount"


@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_currency_that_the_shop_has_not_is_not_available(peer, shape):
    errors = {"currency": ["is not enabled"]}
    peer.on("POST", PATH, SHAPES[shape]("Currency is not enabled", errors), status=422)
    with pytest.raises(NotAvailable) as error:
        peer.build().create_payment(book.request())
    assert error.value.processor_code == "currency"


@pytest.mark.parametrize(
    ("status", "data", "error"),
    [
        (401, {"message": "Unauthorized"}, Misconfigured),
        (403, b"<h1>Forbidden</h1>", Misconfigured),
        (400, {"errors": ["a", "b"]}, Misconfigured),
        (422, {"errors": "shop is closed"}, Misconfigured),
        (422, {"message": "Something"}, Misconfigured),
        (422, {"code": "F.2000"}, Misconfigured),
        (409, {"message": "in progress"}, OutcomeUnknown),
        (418, {}, OutcomeUnknown),
        (422, {"code": "S.0000", "message": "Successfully processed"}, OutcomeUnknown),
        (422, [], OutcomeUnknown),
        (200, {"message": "ok"}, OutcomeUnknown),
        (429, {"message": "slow down"}, Unavailable),
        (500, {"message": "oops"}, OutcomeUnknown),
        (502, b"<h1>Bad gateway</h1>", OutcomeUnknown),
        (302, b"", OutcomeUnknown),
        (200, b"<h1>Welcome</h1>", OutcomeUnknown),
        (422, b"not JSON", OutcomeUnknown),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, (dict, list)) else str(value)[:20],
)
def test_each_refusal_of_a_create_means_one_thing(peer, status, data, error):
    peer.on("POST", PATH, data, status=status)
    with pytest.raises(error) as raised:
        peer.build().create_payment(book.request())
    assert type(raised.value) is error
    assert len(peer.paths()) == 1


def test_a_refusal_never_repeats_a_card_number_or_a_secret(peer):
    peer.on("POST", PATH, {"message": f"Card 4200 0000 0000 0000 is bad {'x' * 5000}"}, status=422)
    with pytest.raises(Misconfigured) as error:
        peer.build().create_payment(book.request())
    assert "4200" not in str(error.value) and len(str(error.value)) < 300
    assert book.SECRET_KEY not in str(error.value) + repr(peer.build())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda x: (
            st.lists(x)
            | st.dictionaries(st.sampled_from(["message", "errors", "code", "response", "checkout", "amount"]), x)
        ),
    )
)
def test_whatever_a_refusal_holds_it_has_a_meaning(data):
    assert isinstance(meaning_of(422, data, is_write=True), GatewayError)
    assert isinstance(meaning_of(200, data, is_write=False, can_refuse=True), GatewayError)


def test_without_credentials_nothing_is_sent(peer):
    with pytest.raises(Misconfigured):
        peer.build(credentials={"secretKey": ""}).create_payment(book.request())
    assert peer.paths() == []


def test_a_secret_that_is_not_latin_can_be_sent(peer):
    peer.on("POST", PATH, CREATED)
    peer.build(credentials={"secretKey": "ключ"}).create_payment(book.request())
    assert peer.sent()[0].headers["Authorization"] == book.basic(secret="ключ")


# --- asking ---


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("successful", Outcome.CAPTURED),
        ("failed", Outcome.FAILED),
        ("declined", Outcome.DECLINED),
        ("error", Outcome.ERROR),
        ("expired", Outcome.EXPIRED),
        ("incomplete", Outcome.PENDING),
        ("pending", Outcome.PROCESSING),
        ("brand new", Outcome.PENDING),
    ],
)
@pytest.mark.parametrize("is_known_there", [True, False], ids=["with its transaction", "by its checkout alone"])
def test_what_a_tried_checkout_is(peer, status, outcome, is_known_there):
    peer.checkout(status=status, gateway_response=tried(status))
    if is_known_there:
        peer.transaction(status=status)
    report = peer.build().ask_payment(payment())
    assert (report.reference, report.processor_ref, report.outcome) == (REFERENCE, TOKEN, outcome)
    assert report.money == (Money(1999, "EUR") if outcome is Outcome.CAPTURED else None)
    assert report.capture_ref == (UID if outcome is Outcome.CAPTURED else "")
    assert report.is_final == (outcome in (Outcome.CAPTURED, Outcome.EXPIRED))
    assert (report.next_action is not None) == (outcome is Outcome.PENDING)


@pytest.mark.parametrize("flag", ["finished", "expired"])
@pytest.mark.parametrize("is_known_there", [True, False], ids=["with its transaction", "by its checkout alone"])
def test_a_refused_try_is_final_only_once_the_token_takes_no_other(peer, flag, is_known_there):
    peer.checkout(status="failed", gateway_response=tried("failed"), **{flag: True})
    if is_known_there:
        peer.transaction(status="failed")
    report = peer.build().ask_payment(payment())
    assert (report.outcome, report.is_final) == (Outcome.FAILED, True)


@pytest.mark.parametrize("flag", ["true", 1, None, "yes"])
def test_only_a_plain_true_says_that_a_token_is_finished(peer, flag):
    peer.checkout(status="failed", finished=flag, expired=flag, gateway_response=tried("failed"))
    assert not peer.build().ask_payment(payment()).is_final


def test_an_untried_checkout_waits_for_the_buyer_until_it_expires(peer):
    peer.checkout(status="pending")
    report = peer.build().ask_payment(payment(processor_data={"redirect_url": "https://c.test/p?token=1"}))
    assert (report.outcome, report.is_final) == (Outcome.PENDING, False)
    assert report.next_action.url == "https://c.test/p?token=1"


@pytest.mark.parametrize("changed", [{"expired": True}, {"status": "expired"}, {"status": "expired", "expired": True}])
def test_an_expired_checkout_that_nobody_paid_is_over(peer, changed):
    peer.checkout(**changed)
    report = peer.build().ask_payment(payment())
    assert (report.outcome, report.is_final) == (Outcome.EXPIRED, True)


def test_money_taken_outweighs_an_expiry(peer):
    peer.checkout(status="expired", expired=True, gateway_response=tried())
    assert peer.build().ask_payment(payment()).outcome is Outcome.CAPTURED


def test_a_bank_that_still_decides_outweighs_an_expiry(peer):
    peer.checkout(status="expired", expired=True, gateway_response=tried("pending"))
    assert peer.build().ask_payment(payment()).outcome is Outcome.PROCESSING


def test_other_money_than_asked_for_is_reported_as_it_is(peer):
    peer.checkout(status="successful", gateway_response=tried())
    peer.transaction(amount=1, currency="USD")
    assert peer.build().ask_payment(payment()).money == Money(1, "USD")


@pytest.mark.parametrize(
    "changed",
    [{"shop_id": 362}, {"token": "another"}, {"order": {"amount": 1999, "currency": "EUR", "tracking_id": "else"}}],
    ids=["shop", "token", "tracking id"],
)
def test_an_answer_about_something_else_is_no_answer(peer, changed):
    peer.checkout(status="successful", gateway_response=tried(), **changed)
    with pytest.raises(Unavailable, match="another checkout"):
        peer.build().ask_payment(payment())


@pytest.mark.parametrize("where", ["checkout", "transaction"])
def test_an_answer_of_the_other_mode_is_refused(peer, where):
    peer.checkout(status="successful", gateway_response=tried(), test=where != "checkout")
    peer.transaction(test=where != "transaction")
    with pytest.raises(WrongMode):
        peer.build().ask_payment(payment())


def test_another_shops_transaction_is_no_answer(peer):
    peer.checkout(status="successful", gateway_response=tried())
    peer.transaction(shop_id="999")
    with pytest.raises(Unavailable, match="another shop"):
        peer.build().ask_payment(payment())


def test_a_lost_create_is_found_by_our_reference_money_first(peer):
    peer.listed(transaction(uid="1-a", status="failed"), transaction(uid="1-b"), refund_row())
    report = peer.build().ask_payment(payment(processor_ref=""))
    assert (report.outcome, report.capture_ref, report.processor_ref) == (Outcome.CAPTURED, "1-b", "")
    assert peer.paths() == [f"GET /v2/transactions/tracking_id/{REFERENCE}"]


@pytest.mark.parametrize("status", [200, 404, 422])
def test_a_lost_create_that_nobody_paid_is_unknown_there(peer, status):
    data = {"transactions": []} if status == 200 else {"message": "Record not found"}
    peer.on("GET", f"/v2/transactions/tracking_id/{REFERENCE}", data, status=status)
    assert peer.build().ask_payment(payment(processor_ref="")) is None
    assert peer.build().cancel_payment(payment(processor_ref="")).outcome is Outcome.CANCELLED


def test_a_list_that_is_none_is_no_answer(peer):
    peer.on("GET", f"/v2/transactions/tracking_id/{REFERENCE}", {"transaction": []})
    with pytest.raises(Unavailable):
        peer.build().ask_payment(payment(processor_ref=""))


def test_a_token_that_is_forgotten_is_found_by_its_transactions(peer):
    peer.on("GET", f"{PATH}/{TOKEN}", {"message": "Record not found"}, status=404)
    peer.listed(transaction())
    report = peer.build().ask_payment(payment(capture_ref=UID))
    assert (report.outcome, report.processor_ref) == (Outcome.CAPTURED, TOKEN)


def test_a_token_that_nobody_knows_is_none_and_cannot_be_cancelled(peer):
    peer.on("GET", f"{PATH}/{TOKEN}", {"message": "Record not found"}, status=404)
    peer.listed()
    assert peer.build().ask_payment(payment()) is None
    with pytest.raises(NotFound):
        peer.build().cancel_payment(payment())


@pytest.mark.parametrize("answer", [b"<h1>Welcome</h1>", {"message": "hm"}, {}, {"checkout": []}])
def test_an_unreadable_answer_to_a_question_is_no_answer(peer, answer):
    peer.on("GET", f"{PATH}/{TOKEN}", answer)
    with pytest.raises(Unavailable):
        peer.build().ask_payment(payment())


# --- holds ---


def held(peer, *rows):
    peer.checkout(
        status="successful",
        transaction_type="authorization",
        gateway_response=tried(kind="authorization"),
        finished=True,
    )
    peer.transaction(type="authorization")
    peer.listed(*rows, transaction(type="authorization"))


def test_held_money_is_authorized_until_a_capture_or_a_void_follows(peer):
    held(peer)
    report = peer.build().ask_payment(payment())
    assert (report.outcome, report.money, report.is_final) == (Outcome.AUTHORIZED, Money(1999, "EUR"), False)


def test_a_captured_hold_keeps_the_holds_id_and_tells_the_captures(peer):
    held(peer, transaction(type="capture", uid="1-cap", parent_uid=UID, amount=1500))
    report = peer.build().ask_payment(payment())
    assert (report.outcome, report.money, report.capture_ref) == (Outcome.CAPTURED, Money(1500, "EUR"), UID)
    assert report.processor_data["capture_uid"] == "1-cap"


def test_a_voided_hold_is_cancelled(peer):
    held(peer, transaction(type="void", uid="1-void", parent_uid=UID))
    report = peer.build().ask_payment(payment())
    assert (report.outcome, report.is_final) == (Outcome.CANCELLED, True)


@pytest.mark.parametrize("kind", ["capture", "void"])
def test_what_failed_or_belongs_to_another_hold_changes_nothing(peer, kind):
    held(
        peer,
        transaction(type=kind, uid="1-x", parent_uid=UID, status="failed"),
        transaction(type=kind, uid="1-y", parent_uid="1-other"),
    )
    assert peer.build().ask_payment(payment()).outcome is Outcome.AUTHORIZED


def test_a_capture_names_the_hold_and_the_amount(peer):
    peer.on("POST", "/transactions/captures", {"transaction": transaction(type="capture", uid="1-cap", parent_uid=UID)})
    report = peer.build().capture_payment(payment(capture_ref=UID), Money(1999, "EUR"))
    assert json.loads(peer.sent()[0].data) == {"request": {"parent_uid": UID, "amount": 1999}}
    assert (report.outcome, report.capture_ref, report.processor_data) == (
        Outcome.CAPTURED,
        UID,
        {"capture_uid": "1-cap"},
    )


def test_a_capture_that_is_refused_because_it_is_done_is_done(peer):
    peer.on("POST", "/transactions/captures", {"message": "already captured"}, status=422)
    held(peer, transaction(type="capture", uid="1-cap", parent_uid=UID))
    report = peer.build().capture_payment(payment(capture_ref=UID), Money(1999, "EUR"))
    assert (report.outcome, report.processor_data["capture_uid"]) == (Outcome.CAPTURED, "1-cap")


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"message": "no"}, 422), ({"transaction": transaction(type="capture", status="failed", message="no")}, 200)],
    ids=["refused", "failed"],
)
def test_a_capture_that_cannot_be_made_says_so_with_the_truth(peer, answer, status):
    peer.on("POST", "/transactions/captures", answer, status=status)
    held(peer)
    with pytest.raises(Refused, match="no") as error:
        peer.build().capture_payment(payment(capture_ref=UID), Money(1999, "EUR"))
    assert error.value.report.outcome is Outcome.AUTHORIZED


def test_nothing_is_captured_where_nothing_is_held(peer):
    peer.checkout(status="failed", gateway_response=tried("failed"))
    peer.transaction(status="failed")
    with pytest.raises(Refused, match="holds no money"):
        peer.build().capture_payment(payment(), Money(1999, "EUR"))
    assert peer.sent() == []


def test_cancelling_a_hold_voids_all_of_it(peer):
    held(peer)
    peer.on("POST", "/transactions/voids", {"transaction": transaction(type="void", uid="1-void", parent_uid=UID)})
    report = peer.build().cancel_payment(payment())
    assert json.loads(peer.sent()[0].data) == {"request": {"parent_uid": UID, "amount": 1999}}
    assert (report.outcome, report.is_final) == (Outcome.CANCELLED, True)


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"message": "no"}, 422), ({"transaction": transaction(type="void", status="failed")}, 200)],
    ids=["refused", "failed"],
)
def test_a_hold_that_cannot_be_let_go_is_still_held(peer, answer, status):
    held(peer)
    peer.on("POST", "/transactions/voids", answer, status=status)
    with pytest.raises(Refused) as error:
        peer.build().cancel_payment(payment())
    assert error.value.report.outcome is Outcome.AUTHORIZED


def test_an_unclear_void_is_unclear(peer):
    held(peer)
    peer.on("POST", "/transactions/voids", b"", status=502)
    with pytest.raises(OutcomeUnknown):
        peer.build().cancel_payment(payment())


# --- ending a payment ---


def test_a_token_that_waits_for_its_buyer_cannot_be_ended(peer):
    peer.checkout()
    with pytest.raises(Refused) as error:
        peer.build().cancel_payment(payment())
    assert error.value.report is None
    assert peer.sent() == []


def test_a_refused_try_cannot_be_ended_while_the_token_takes_another(peer):
    peer.checkout(status="failed", gateway_response=tried("failed"))
    peer.transaction(status="failed")
    with pytest.raises(Refused):
        peer.build().cancel_payment(payment())


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"expired": True}, Outcome.EXPIRED),
        ({"finished": True, "status": "failed", "gateway_response": tried("failed")}, Outcome.FAILED),
        ({"finished": True, "status": "successful", "gateway_response": tried()}, Outcome.CAPTURED),
    ],
    ids=["expired", "spent", "paid"],
)
def test_a_cancel_tells_what_has_become_of_it_instead(peer, changed, outcome):
    peer.checkout(**changed)
    report = peer.build().cancel_payment(payment())
    assert (report.outcome, report.is_final) == (outcome, True)


# --- refunds ---


def test_a_refund_looks_first_and_then_names_its_parent_and_a_reason_with_our_mark(peer):
    peer.listed(transaction())
    peer.on("POST", "/transactions/refunds", {"transaction": refund_row()}, status=201)
    report = peer.build().refund_payment(refund_request())
    assert peer.paths() == [f"GET /v2/transactions/tracking_id/{REFERENCE}", "POST /transactions/refunds"]
    (sent,) = peer.sent()
    assert json.loads(sent.data) == {
        "request": {"parent_uid": UID, "amount": 500, "reason": "Not wanted [rf-1]", "duplicate_check": True}
    }
    assert sent.headers["RequestID"] == "rf-1" and "X-API-Version" not in sent.headers
    assert (report.reference, report.processor_ref, report.payment_processor_ref) == ("rf-1", "1-ref", UID)
    assert (report.outcome, report.money) == (RefundOutcome.SUCCEEDED, Money(500, "EUR"))


@pytest.mark.parametrize("reason", ["", "   ", "x" * 400, "two\nlines", "ends in ]", "Чай"])
def test_a_reason_is_never_empty_and_never_too_long(reason):
    written = bodies.reason_of(refund_request(reason=reason, reference="r" * 36))
    assert 0 < len(written) <= 255 and written.isprintable()
    assert written.endswith(f"[{'r' * 36}]") and written.partition(" [")[0]


def test_a_refund_that_is_there_already_is_not_made_again(peer):
    peer.listed(refund_row(), transaction())
    report = peer.build().refund_payment(refund_request())
    assert (report.processor_ref, report.outcome) == ("1-ref", RefundOutcome.SUCCEEDED)
    assert peer.sent() == []


def test_another_refund_of_the_same_amount_is_not_taken_for_ours(peer):
    peer.listed(refund_row(uid="1-x", reason="By hand"), refund_row(uid="1-y", reason="x [rf-2]"), transaction())
    peer.on("POST", "/transactions/refunds", {"transaction": refund_row()})
    assert peer.build().refund_payment(refund_request()).processor_ref == "1-ref"


def test_a_refund_of_a_captured_hold_names_the_capture(peer):
    peer.listed(transaction(type="authorization"))
    peer.on("POST", "/transactions/refunds", {"transaction": refund_row(parent_uid="1-cap")})
    paid = payment(capture_ref=UID, processor_data={"capture_uid": "1-cap"})
    report = peer.build().refund_payment(refund_request(payment=paid))
    assert json.loads(peer.sent()[0].data)["request"]["parent_uid"] == "1-cap"
    assert report.payment_processor_ref == UID


def test_a_refund_of_a_payment_whose_uid_we_do_not_know_asks_first(peer):
    peer.checkout(status="successful", gateway_response=tried())
    peer.transaction()
    peer.listed(transaction())
    peer.on("POST", "/transactions/refunds", {"transaction": refund_row()})
    assert peer.build().refund_payment(refund_request(payment=payment())).outcome is RefundOutcome.SUCCEEDED
    assert json.loads(peer.sent()[0].data)["request"]["parent_uid"] == UID


def test_a_payment_that_took_nothing_cannot_be_refunded(peer):
    peer.checkout()
    with pytest.raises(Refused, match="no money taken"):
        peer.build().refund_payment(refund_request(payment=payment()))
    assert peer.build().ask_refund(RefundRef("rf-1", "", payment(), Money(500, "EUR"), NOW)) is None


def test_a_refund_in_another_currency_is_not_sent(peer):
    with pytest.raises(Misconfigured):
        peer.build().refund_payment(refund_request(money=Money(500, "USD")))
    assert peer.paths() == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("successful", RefundOutcome.SUCCEEDED),
        ("failed", RefundOutcome.FAILED),
        ("pending", RefundOutcome.PENDING),
        ("whatever", RefundOutcome.PENDING),
    ],
)
def test_a_refunds_answer_is_what_it_says(peer, status, outcome):
    peer.listed(transaction())
    peer.on("POST", "/transactions/refunds", {"transaction": refund_row(status=status, message="Hm")})
    report = peer.build().refund_payment(refund_request())
    assert report.outcome is outcome
    assert (report.failure.message if report.failure else "") == ("Hm" if outcome is RefundOutcome.FAILED else "")


@pytest.mark.parametrize(
    ("status", "data", "error"),
    [
        (422, SHAPES["plain"]("Amount is too large", {"amount": ["is too large"]}), Refused),
        (422, SHAPES["wrapped"]("Reason can't be blank", {"reason": ["can't be blank"]}), Refused),
        (400, SHAPES["coded"]("no", {}), Refused),
        (404, {"message": "Record not found"}, NotFound),
        (401, {"message": "Unauthorized"}, Misconfigured),
        (409, {"message": "in progress"}, OutcomeUnknown),
        (429, {}, Unavailable),
        (500, {}, OutcomeUnknown),
        (200, b"<h1>Welcome</h1>", OutcomeUnknown),
        (200, {}, OutcomeUnknown),
        (200, {"transaction": {}}, OutcomeUnknown),
        (200, {"transaction": {"uid": "1-x", "amount": 1, "currency": "EUR", "type": "refund"}}, OutcomeUnknown),
        (200, {"transaction": {"uid": "1-x", "amount": 500, "currency": "EUR", "type": "payment"}}, OutcomeUnknown),
        (200, {"transaction": {"uid": "1-x", "parent_uid": "1-else", "type": "refund"}}, OutcomeUnknown),
    ],
    ids=lambda value: str(value)[:30] if not isinstance(value, type) else value.__name__,
)
def test_each_refusal_of_a_refund_means_one_thing(peer, status, data, error):
    peer.listed(transaction())
    peer.on("POST", "/transactions/refunds", data, status=status)
    with pytest.raises(error) as raised:
        peer.build().refund_payment(refund_request())
    assert type(raised.value) is error


def test_a_refund_taken_for_a_repeat_of_another_has_to_wait(peer):
    peer.listed(refund_row(uid="1-x", reason="x [rf-2]"), transaction())
    peer.on("POST", "/transactions/refunds", SHAPES["plain"]("Duplicate transaction", {}), status=422)
    with pytest.raises(Unavailable, match="has to wait"):
        peer.build().refund_payment(refund_request())


def test_a_refund_taken_for_a_repeat_of_itself_is_itself(peer):
    rows = [[transaction()], [refund_row(), transaction()]]

    def listed(request):
        return Response(json.dumps({"transactions": rows.pop(0)}), content_type="application/json")

    peer.server.expect_request(f"/v2/transactions/tracking_id/{REFERENCE}").respond_with_handler(listed)
    peer.on("POST", "/transactions/refunds", SHAPES["coded"]("duplicated request", {}), status=400)
    assert peer.build().refund_payment(refund_request()).processor_ref == "1-ref"


def test_a_refund_of_the_other_mode_is_refused(peer):
    peer.listed(refund_row(test=False), transaction())
    with pytest.raises(WrongMode):
        peer.build().refund_payment(refund_request())


def asked(peer, processor_ref="", **changed):
    wanted = {"payment": payment(capture_ref=UID), "money": Money(500, "EUR"), "created_at": NOW}
    return peer.build().ask_refund(RefundRef("rf-1", processor_ref, **{**wanted, **changed}))


def test_a_refund_is_asked_about_by_its_uid(peer):
    peer.on("GET", "/transactions/1-ref", {"transaction": refund_row(status="failed")})
    assert asked(peer, "1-ref").outcome is RefundOutcome.FAILED
    peer.on("GET", "/transactions/1-gone", {"message": "Record not found"}, status=404)
    assert asked(peer, "1-gone") is None


def test_a_refund_whose_answer_was_lost_is_found_by_its_mark(peer):
    peer.listed(refund_row(), transaction())
    assert asked(peer).processor_ref == "1-ref"


def test_a_refund_that_is_not_in_the_list_never_arrived(peer):
    peer.listed(refund_row(uid="1-x", reason="x [rf-2]"), transaction())
    assert asked(peer) is None


def test_a_refund_without_a_reason_that_could_be_ours_is_for_people(peer):
    peer.listed(refund_row(reason=...), transaction())
    with pytest.raises(OutcomeUnknown, match="cannot be told"):
        asked(peer)


@pytest.mark.parametrize(
    "changed",
    [{"created_at": (NOW - timedelta(hours=1)).isoformat()}, {"amount": 501}, {"parent_uid": "1-else"}],
    ids=["older", "another amount", "another payment's"],
)
def test_a_refund_without_a_reason_that_cannot_be_ours_is_not(peer, changed):
    peer.listed(refund_row(reason=..., **changed), transaction())
    assert asked(peer) is None


def test_a_list_without_the_payment_itself_proves_nothing(peer):
    peer.listed()
    with pytest.raises(OutcomeUnknown, match="does not list this payment"):
        asked(peer)


def test_a_full_list_proves_something_only_if_it_reaches_back_far_enough(peer):
    rows = [refund_row(uid=f"1-{n}", reason="x [rf-9]") for n in range(10)]
    peer.listed(*rows)
    with pytest.raises(Unavailable, match="newest"):
        asked(peer)
    assert asked(peer, created_at=NOW + timedelta(hours=1)) is None


def test_another_amount_under_our_mark_is_for_people(peer):
    peer.listed(refund_row(amount=1), transaction())
    with pytest.raises(OutcomeUnknown, match="another amount"):
        asked(peer)


# --- amounts ---


@pytest.mark.parametrize(
    ("minor", "currency", "wire"),
    [
        (1999, "EUR", 1999),
        (1, "UZS", 1),
        (500, "JPY", 500),
        (5, "ISK", 5),
        (12_345, "KWD", 12_345),
        (100, "IDR", 1),
        (2000, "IQD", 2),
        (150, "MOP", 15),
        (10_000, "CLF", 1),
        (300, "LAK", 3),
        (1000, "BHD", 1000),
    ],
)
def test_amounts_are_converted_by_their_list_and_back(minor, currency, wire):
    assert to_wire(Money(minor, currency)) == wire
    assert from_wire(wire, currency) == Money(minor, currency)


@pytest.mark.parametrize(("minor", "currency"), [(150, "IDR"), (1, "IQD"), (155, "MOP"), (1, "CLF"), (1, "LAK")])
def test_an_amount_that_cannot_be_written_exactly_is_refused(minor, currency):
    with pytest.raises(InexactAmount):
        to_wire(Money(minor, currency))
    assert "exactly" in check_money(Money(minor, currency))


@pytest.mark.parametrize("money", [Money(0, "EUR"), Money(-1, "EUR"), Money(MAX_MINOR + 1, "EUR"), Money(1, "UYW")])
def test_amounts_that_nobody_takes_are_refused_in_words(money):
    assert check_money(money).endswith(".")


def test_the_usual_currencies_are_two_decimals_everywhere():
    for code in ("USD", "EUR", "INR", "UZS", "GBP", "RUB"):
        assert to_wire(Money(123, code)) == 123 and check_money(Money(123, code)) == ""


@given(st.sampled_from(("EUR", "JPY", "KWD", "IDR", "IQD", "MOP", "CLF")), st.integers(1, 10**9))
def test_what_can_be_written_comes_back_as_it_was(code, wire):
    assert is_currency(code)
    money = from_wire(wire, code)
    assert money is not None and to_wire(money) == wire


# --- hosts, settings, credentials, the rest ---


def hosts(base_url="", **settings):
    return hosts_of(AdapterConfig(Mode.LIVE, base_url, {}, (), settings))


def test_without_settings_the_vendors_own_hosts_are_used():
    found = hosts()
    assert found.checkout == "https://checkout.secure-processor.com"
    assert found.gateway == "https://gateway.secure-processor.com"
    assert found.script == "https://js.secure-processor.com/widget/be_gateway.js"
    assert (found.page, found.checkout_path) == (found.checkout, PATH)


def test_another_white_label_is_told_by_its_checkout_host():
    found = hosts("https://checkout.brand.test/")
    assert (found.gateway, found.script) == (
        "https://gateway.brand.test",
        "https://js.brand.test/widget/be_gateway.js",
    )


def test_any_other_base_serves_everything_below_itself():
    found = hosts("http://127.0.0.1:8010/secure_processor")
    assert found.gateway == found.page == found.checkout == "http://127.0.0.1:8010/secure_processor"
    assert found.script == "http://127.0.0.1:8010/secure_processor/widget/be_gateway.js"


def test_every_address_can_be_set_by_itself():
    found = hosts(
        gateway_url="https://g.test/",
        checkout_url="https://c.test/",
        widget_src="https://s.test/w.js",
        checkout_token_path="api/tokens/",
    )
    assert (found.gateway, found.page, found.script) == ("https://g.test", "https://c.test", "https://s.test/w.js")
    assert found.checkout_path == "/api/tokens"
    assert found.checkout_paths()[0] == "/api/tokens" and PATH in found.checkout_paths()


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({}, []),
        ({"shopId": ""}, ["shopId"]),
        ({"shopId": "36:1"}, ["shopId"]),
        ({"shopId": "3 61"}, ["shopId"]),
        ({"secretKey": ""}, ["secretKey"]),
        ({"secretKey": "with space"}, ["secretKey"]),
        ({"secretKey": "x" * 201}, ["secretKey"]),
        ({"secretKey": "361"}, ["secretKey"]),
        ({"secretKey": book.PUBLIC}, ["secretKey"]),
        ({"publicKey": book.SECRET_KEY}, ["publicKey"]),
        ({"shopId": "", "secretKey": "", "publicKey": ""}, ["shopId", "secretKey", "publicKey"]),
    ],
)
@pytest.mark.parametrize("mode", list(Mode))
def test_credentials_are_checked_field_by_field_and_never_repeated(changed, fields, mode):
    credentials = {**book.CREDENTIALS, **changed}
    problems = PROCESSOR.check_credentials(credentials, mode)
    assert list(problems) == fields
    assert not any(credentials[name] in text for name, text in problems.items() if len(credentials[name]) > 3)


def test_the_registry_entry_names_what_the_contract_names():
    assert (PROCESSOR.slug, PROCESSOR.name) == ("secure_processor", "Secure Processor")
    fields = [(field.name, field.is_secret, field.is_identity) for field in PROCESSOR.credential_fields]
    assert fields == [("shopId", False, True), ("secretKey", True, False), ("publicKey", False, False)]
    capabilities = PROCESSOR.capabilities
    assert (capabilities.shows_widget, capabilities.can_capture, capabilities.asks_first) == (True, True, False)
    assert book.SECRET_KEY not in repr(build())


def widget(adapter, **changed):
    wanted = WidgetRequest("Shop", "Thing", "https://pay.test/return", "https://pay.test")
    return adapter.widget(payment(**changed), wanted)


def test_the_widget_gets_the_token_and_nothing_secret():
    found = widget(build(base_url=""), processor_data={"redirect_url": "https://c.test/p?token=1"})
    assert (found.kind, found.link_url) == ("begateway", "https://c.test/p?token=1")
    assert found.script_url == "https://js.secure-processor.com/widget/be_gateway.js"
    assert json.loads(json.dumps(found.options)) == {
        "checkout_url": "https://checkout.secure-processor.com",
        "token": TOKEN,
        "checkout": {"iframe": True, "test": True, "transaction_type": "payment"},
    }
    assert book.SECRET_KEY not in repr(found)
    assert found.sources["script-src"] == {"https://js.secure-processor.com"}
    assert found.sources["frame-src"] == {"https://checkout.secure-processor.com"}
    assert not any("unsafe" in source for sources in found.sources.values() for source in sources)


def test_the_widget_of_a_held_payment_and_of_a_live_one_says_so():
    found = widget(build(Mode.LIVE), processor_data={"transaction_type": "authorization"})
    assert found.options["checkout"] == {"iframe": True, "test": False, "transaction_type": "authorization"}
    assert found.link_url == f"http://127.0.0.1:9/checkout?token={TOKEN}"


def test_without_a_token_there_is_no_widget():
    with pytest.raises(Misconfigured):
        widget(build(), processor_ref="")


@pytest.mark.parametrize(
    ("status", "data", "is_available"),
    [
        (404, {"message": "Record not found"}, True),
        (422, {"message": "Record not found"}, True),
        (422, {"message": "Token is invalid"}, True),
        (401, {"message": "Unauthorized"}, False),
        (403, b"", False),
    ],
)
def test_an_account_is_available_when_the_shop_is_known(peer, status, data, is_available):
    peer.on("GET", f"{PATH}/{'0' * 64}", data, status=status)
    found = peer.build().check_availability(currency="EUR")
    assert found.is_available is is_available


def test_a_method_is_nothing_to_ask_for(peer):
    assert not peer.build().check_availability(currency="EUR", method="card").is_available
    assert peer.paths() == []


def test_an_unreachable_processor_is_unavailable():
    with pytest.raises(Unavailable):
        build().check_availability(currency="EUR")
    with pytest.raises(Unavailable):
        build().create_payment(book.request())
