"""Secure Processor in the lab: the adapter against it over HTTP, from the token to the money and back; its faults."""

import base64
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from gateway.adapter import AdapterConfig
from gateway.adapters.secure_processor import PROCESSOR
from gateway.errors import (
    BadCallback,
    Declined,
    GatewayError,
    Misconfigured,
    NotAvailable,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from gateway.http import Timeouts
from gateway.money import Money
from gateway.simulators.config import Settings
from gateway.simulators.secure_processor import rsa
from gateway.simulators.server import serve
from gateway.types import (
    Callback,
    DisputeReport,
    Mode,
    Outcome,
    PaymentRef,
    PaymentReport,
    PaymentRequest,
    RefundOutcome,
    RefundRef,
    RefundReport,
    RefundRequest,
)
from tests.gateway import secure_processor_book as book

pytestmark = pytest.mark.once

RETURN_URL = "http://shop.test/return?token=pt_1"
SLUG = "secure_processor"
SHOP = {"shopId": book.SHOP_ID, "secretKey": book.SECRET_KEY, "privateKey": book.pem_of(book.PRIVATE)}
PRICE = Money(1999, "EUR")


class Product:
    """Our callback address. It keeps what came; `answers` are the statuses of the next calls, then 200."""

    def __init__(self):
        self.received, self.answers = [], []
        product = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                product.received.append(Callback(body, headers, datetime.now(UTC)))
                self.send_response(product.answers.pop(0) if product.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Bench:
    """The running lab, our address for its callbacks, and the adapter of the shop."""

    def __init__(self, lab, product):
        self.lab, self.product = lab, product
        self.url = lab.base_url
        self.adapter = self.build()
        self.tries = 0

    def build(self, mode=Mode.TEST, **settings):
        return PROCESSOR.build(AdapterConfig(mode, f"{self.url}/{SLUG}", dict(book.CREDENTIALS), (), settings))

    def meeting(self, kind):
        """The adapter for a call that meets this fault: patient, but where the fault is a silence."""
        silence = Timeouts(connect_seconds=5, read_seconds=0.6)
        return replace(self.adapter, timeouts=silence) if kind.startswith("timeout") else self.adapter

    def shop(self, **changed):
        return self.post(f"/_lab/{SLUG}/accounts", **{**SHOP, "webhook_url": self.product.url, **changed})

    def request(self, **changed):
        self.tries += 1
        wanted = {
            "reference": f"payment-{self.tries}",
            "order_reference": f"order-{self.tries}",
            "money": PRICE,
            "description": "Thing",
            "return_url": RETURN_URL,
            "callback_url": self.product.url,
            "expires_at": datetime.now(UTC) + timedelta(hours=1),
        }
        return PaymentRequest(**{**wanted, **changed})

    def ref_of(self, request, report):
        data = dict(report.processor_data)
        return PaymentRef(request.reference, report.processor_ref, request.money, datetime.now(UTC), data)

    def open(self, adapter=None, **changed):
        request = self.request(**changed)
        return self.ref_of(request, (adapter or self.adapter).create_payment(request))

    def paid(self, adapter=None, **changed):
        """Paid, and its callback heard."""
        ref = self.open(adapter, **changed)
        self.act(ref, "approve")
        return self.known(ref, adapter)

    def known(self, ref, adapter=None):
        report = (adapter or self.adapter).ask_payment(ref)
        return replace(
            ref, capture_ref=report.capture_ref, processor_data={**ref.processor_data, **report.processor_data}
        )

    def act(self, ref, outcome, **more):
        answer = self.post(f"/_lab/{SLUG}/checkouts/{ref.processor_ref}/act", outcome=outcome, **more)
        assert answer.status_code == 200, answer.text
        return answer.json().get("transaction")

    def on(self, uid, what, **more):
        answer = self.post(f"/_lab/{SLUG}/transactions/{uid}/{what}", **more)
        assert answer.status_code < 300, answer.text
        return answer.json().get("transaction")

    def order(self, kind, **more):
        answer = self.post("/_lab/faults", kind=kind, **more)
        assert answer.status_code == 201, answer.text

    def post(self, path, **body):
        return requests.post(self.url + path, json=body, timeout=10)

    def get(self, path, **params):
        return requests.get(self.url + path, params=params, timeout=5)

    def transactions(self, **wanted):
        """Oldest first."""
        return self.get(f"/_lab/{SLUG}/transactions", **wanted).json()["transactions"][::-1]

    def requests_of(self, operation):
        return self.get(f"/_lab/{SLUG}/requests", operation=operation).json()["requests"][::-1]

    def calls(self, count=1, seconds=15.0):
        """The callbacks, once there are that many."""
        return self.until(lambda: len(self.product.received) >= count and list(self.product.received), seconds)

    def notices(self, count=1, adapter=None):
        return [(adapter or self.adapter).read_callback(call).notices[0] for call in self.calls(count)]

    def until(self, wanted, seconds=15.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := wanted():
                return found
            time.sleep(0.005)
        raise AssertionError("it did not come to pass")

    def choose(self, ref, outcome, **more):
        url = ref.processor_data.get("redirect_url") or f"{self.url}/{SLUG}/checkout?token={ref.processor_ref}"
        return requests.post(url, data={"outcome": outcome}, allow_redirects=False, timeout=5, **more)


@pytest.fixture
def product():
    found = Product()
    yield found
    found.close()


@pytest.fixture
def bench(product):
    lab = serve(
        settings=Settings(
            settle_seconds=0.05,
            refund_seconds=0.05,
            hang_seconds=2.5,
            callback_timeout_seconds=1,
            retry_ladder=[0.05, 0.1],
        ),
        accounts={SLUG: [{**SHOP, "name": "Lab shop", "webhook_url": product.url}]},
    )
    yield Bench(lab, product)
    lab.stop()


def refund(bench, ref, reference="rf-1", minor=500, **more):
    return RefundRequest(reference, ref, Money(minor, "EUR"), **more)


def lost(ref, reference="rf-1", minor=500):
    return RefundRef(reference, "", ref, Money(minor, "EUR"), datetime.now(UTC))


# --- from the token to the money ---


def test_a_payment_is_made_on_the_page_told_by_a_signed_callback_and_confirmed_when_asked(bench):
    ref = bench.open(payer_email="buyer@shop.test", lang="uz")
    assert bench.adapter.ask_payment(ref).outcome is Outcome.PENDING
    page = requests.get(ref.processor_data["redirect_url"], headers={"Accept": "text/html"}, timeout=5)
    for outcome in ("approve", "decline", "delay"):
        assert f'name="outcome" value="{outcome}"' in page.text
    assert bench.choose(ref, "approve").status_code == 303
    (notice,) = bench.notices()
    assert (notice.outcome, notice.money, notice.reference) == (Outcome.CAPTURED, PRICE, ref.reference)
    assert (notice.mode, notice.payer_email) == (Mode.TEST, "buyer@shop.test")
    asked = bench.adapter.ask_payment(ref)
    assert (asked.outcome, asked.money, asked.capture_ref) == (Outcome.CAPTURED, PRICE, notice.capture_ref)
    assert asked.is_final and asked.processor_ref == ref.processor_ref
    assert bench.adapter.peek(bench.calls()[0]).reference == ref.reference


def test_the_browser_comes_back_with_the_shops_token_first_and_theirs_behind_it(bench):
    ref = bench.open()
    location = bench.choose(ref, "approve").headers["Location"]
    uid = bench.transactions()[0]["uid"]
    assert parse_qsl(urlsplit(location).query) == [
        ("token", "pt_1"),
        ("token", ref.processor_ref),
        ("status", "successful"),
        ("uid", uid),
    ]


def test_the_way_back_after_a_refusal_says_failed(bench):
    location = bench.choose(bench.open(), "decline").headers["Location"]
    assert dict(parse_qsl(urlsplit(location).query))["status"] == "failed"


def test_a_refused_try_spends_its_token_and_another_payment_can_follow(bench):
    ref = bench.open()
    bench.act(ref, "decline")
    (notice,) = bench.notices()
    assert (notice.outcome, notice.is_final, notice.failure.code) == (Outcome.FAILED, False, "F.0051")
    ended = bench.adapter.cancel_payment(ref)
    assert (ended.outcome, ended.is_final) == (Outcome.FAILED, True)
    assert bench.choose(ref, "approve").status_code == 409
    again = bench.paid()
    assert bench.adapter.ask_payment(again).outcome is Outcome.CAPTURED


def test_a_token_nobody_paid_cannot_be_ended_but_expires(bench):
    ref = bench.open()
    with pytest.raises(Refused) as error:
        bench.adapter.cancel_payment(ref)
    assert error.value.report is None
    bench.act(ref, "expire")
    (notice,) = bench.notices()
    assert (notice.outcome, notice.reference, notice.processor_ref) == (
        Outcome.EXPIRED,
        ref.reference,
        ref.processor_ref,
    )
    assert bench.adapter.cancel_payment(ref).outcome is Outcome.EXPIRED
    assert bench.choose(ref, "approve").status_code == 409


def test_a_payment_after_the_expiry_is_money_all_the_same(bench):
    ref = bench.open()
    bench.act(ref, "expire")
    bench.act(ref, "approve", late=True)
    outcomes = [notice.outcome for notice in bench.notices(2)]
    assert outcomes == [Outcome.EXPIRED, Outcome.CAPTURED]
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


def test_a_delayed_payment_is_being_decided_and_then_captured(bench):
    ref = bench.open()
    bench.act(ref, "delay")
    assert [notice.outcome for notice in bench.notices(2)] == [Outcome.PROCESSING, Outcome.CAPTURED]
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


def test_a_delayed_payment_can_fail(bench):
    bench.post("/_lab/settings", settle_seconds=60)
    ref = bench.open()
    uid = bench.act(ref, "delay")["uid"]
    assert bench.adapter.ask_payment(ref).outcome is Outcome.PROCESSING
    bench.on(uid, "act", outcome="failed", reason="do_not_honor")
    asked = bench.adapter.ask_payment(ref)
    assert (asked.outcome, asked.is_final, asked.failure.message) == (Outcome.FAILED, True, "Do not honor")


def test_three_d_secure_leaves_the_payment_waiting_for_the_buyer(bench):
    ref = bench.open()
    uid = bench.act(ref, "incomplete")["uid"]
    asked = bench.adapter.ask_payment(ref)
    assert (asked.outcome, asked.next_action.url) == (Outcome.PENDING, ref.processor_data["redirect_url"])
    bench.on(uid, "act", outcome="successful")
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


def test_a_technical_fault_is_an_error_and_spends_the_token(bench):
    ref = bench.open()
    bench.act(ref, "error")
    asked = bench.adapter.ask_payment(ref)
    assert (asked.outcome, asked.is_final) == (Outcome.ERROR, True)


def test_a_token_with_two_tries_fails_first_and_is_paid_under_another_uid(bench):
    ref = bench.open()
    bench.lab.lab.rooms[SLUG].world.checkouts.get(ref.processor_ref).attempts = 2
    bench.act(ref, "decline")
    assert not bench.adapter.ask_payment(ref).is_final
    bench.act(ref, "approve")
    failed, taken = bench.notices(2)
    assert (failed.outcome, taken.outcome) == (Outcome.FAILED, Outcome.CAPTURED)
    assert failed.processor_data["transaction_uid"] != taken.capture_ref
    first, second = (bench.adapter.peek(call).event_id for call in bench.calls(2))
    assert first != second
    assert bench.adapter.ask_payment(ref).capture_ref == taken.capture_ref


def test_a_live_account_opens_live_tokens_and_each_mode_refuses_the_others_callbacks(bench):
    live = bench.build(Mode.LIVE)
    request = bench.request()
    report = live.create_payment(request)
    assert bench.requests_of("checkouts.create")[0]["params"]["checkout"]["test"] is False
    assert "redirect_url" not in report.processor_data  # the lab speaks http
    bench.act(bench.ref_of(request, report), "approve")
    (notice,) = bench.notices(adapter=live)
    assert (notice.outcome, notice.mode) == (Outcome.CAPTURED, Mode.LIVE)
    with pytest.raises(BadCallback, match="live mode"):
        bench.adapter.read_callback(bench.calls()[0])


def test_an_amount_in_a_currency_they_count_otherwise_arrives_as_what_it_is(bench):
    ref = bench.paid(money=Money(100_000, "IDR"))
    assert bench.requests_of("checkouts.create")[0]["params"]["checkout"]["order"]["amount"] == 1000
    assert bench.notices()[0].money == Money(100_000, "IDR")
    assert bench.adapter.ask_payment(ref).money == Money(100_000, "IDR")


# --- the other shape, other paths, refusals in three shapes ---


def test_the_flat_shape_goes_all_the_way(bench):
    adapter = bench.build(request_shape="flat")
    ref = bench.open(adapter)
    assert ref.processor_data.get("redirect_url") is None
    assert bench.choose(ref, "approve").status_code == 303
    (call,) = bench.calls()
    body = json.loads(call.body)
    assert set(body) == {"payment_token_id", "status", "uid", "metadata"}
    (notice,) = bench.notices(adapter=adapter)
    assert (notice.outcome, notice.money, notice.reference) == (Outcome.CAPTURED, PRICE, ref.reference)
    assert adapter.ask_payment(ref).capture_ref == notice.capture_ref == body["uid"]
    report = adapter.refund_payment(refund(bench, bench.known(ref, adapter)))
    assert report.outcome is RefundOutcome.SUCCEEDED


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("approve", Outcome.CAPTURED), ("decline", Outcome.FAILED), ("error", Outcome.ERROR)],
)
def test_flat_callbacks_of_nested_requests_are_confirmed_before_they_are_money(bench, outcome, expected):
    bench.shop(callbacks="flat")
    ref = bench.open()
    bench.act(ref, outcome)
    (notice,) = bench.notices()
    assert (notice.outcome, notice.reference) == (expected, ref.reference)
    looked_up = bench.requests_of("transactions.retrieve")
    assert len(looked_up) == (1 if expected is Outcome.CAPTURED else 0)


@pytest.mark.parametrize("errors", ["plain", "wrapped", "coded"])
def test_refusals_are_understood_in_every_shape(bench, errors):
    bench.shop(errors=errors, currencies=["EUR"])
    with pytest.raises(NotAvailable):
        bench.open(money=Money(100, "USD"))
    with pytest.raises(Misconfigured, match="expired_at is in the past|in the past"):
        bench.open(expires_at=datetime.now(UTC) - timedelta(hours=1))
    ref = bench.paid()
    with pytest.raises(Refused, match="greater than what is left"):
        bench.adapter.refund_payment(refund(bench, ref, minor=2000))
    assert bench.adapter.ask_payment(replace(ref, processor_ref="unknown", reference="nobody", capture_ref="")) is None


def test_a_wrong_secret_is_a_misconfiguration(bench):
    credentials = {**book.CREDENTIALS, "secretKey": "wrong"}
    adapter = PROCESSOR.build(AdapterConfig(Mode.TEST, f"{bench.url}/{SLUG}", credentials))
    with pytest.raises(Misconfigured):
        adapter.create_payment(bench.request())
    assert not adapter.check_availability(currency="EUR").is_available
    assert bench.adapter.check_availability(currency="EUR").is_available


def test_a_token_path_that_is_elsewhere_is_found(bench):
    bench.shop(token_path="/api/checkouts")
    ref = bench.paid()
    assert ref.processor_data["checkout_path"] == "/api/checkouts"
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED
    configured = bench.build(checkout_token_path="/api/checkouts")
    assert bench.open(configured).processor_data["checkout_path"] == "/api/checkouts"


# --- holds ---


def test_money_is_held_and_captured_and_refunded_by_its_capture(bench):
    ref = bench.open(captures_later=True)
    uid = bench.act(ref, "approve")["uid"]
    (notice,) = bench.notices()
    assert (notice.outcome, notice.capture_ref) == (Outcome.AUTHORIZED, uid)
    ref = bench.known(ref)
    taken = bench.adapter.capture_payment(ref, PRICE)
    assert (taken.outcome, taken.money, taken.capture_ref) == (Outcome.CAPTURED, PRICE, uid)
    again = bench.adapter.capture_payment(ref, PRICE)
    assert again.processor_data["capture_uid"] == taken.processor_data["capture_uid"]
    told = bench.notices(2)[1]
    assert (told.outcome, told.capture_ref, told.money) == (Outcome.CAPTURED, uid, PRICE)
    ref = replace(ref, processor_data={**ref.processor_data, **taken.processor_data})
    report = bench.adapter.refund_payment(refund(bench, ref))
    assert (report.outcome, report.payment_processor_ref) == (RefundOutcome.SUCCEEDED, uid)
    heard = bench.notices(3)[2]
    assert (heard.reference, heard.payment_processor_ref) == ("rf-1", uid)


def test_a_hold_is_let_go_by_a_cancel(bench):
    ref = bench.open(captures_later=True)
    bench.act(ref, "approve")
    ended = bench.adapter.cancel_payment(ref)
    assert (ended.outcome, ended.is_final) == (Outcome.CANCELLED, True)
    told = bench.notices(2)[1]
    assert isinstance(told, RefundReport) and told.is_total
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CANCELLED
    with pytest.raises(Refused) as error:
        bench.adapter.capture_payment(bench.known(ref), PRICE)
    assert error.value.report.outcome is Outcome.CANCELLED


def test_a_hold_that_was_captured_in_the_back_office_is_captured(bench):
    ref = bench.open(captures_later=True)
    uid = bench.act(ref, "approve")["uid"]
    bench.on(uid, "capture")
    assert bench.notices(2)[1].capture_ref == uid
    assert bench.adapter.cancel_payment(ref).outcome is Outcome.CAPTURED


# --- money going back ---


def test_refunds_are_made_in_parts_and_never_beyond_what_was_taken(bench):
    ref = bench.paid()
    first = bench.adapter.refund_payment(refund(bench, ref, "rf-1", 500, reason="Not wanted"))
    second = bench.adapter.refund_payment(refund(bench, ref, "rf-2", 1499))
    assert {first.outcome, second.outcome} == {RefundOutcome.SUCCEEDED}
    with pytest.raises(Refused):
        bench.adapter.refund_payment(refund(bench, ref, "rf-3", 1))
    reasons = [row["reason"] for row in bench.transactions(type="refund")]
    assert reasons == ["Not wanted [rf-1]", "Refund [rf-2]"]


def test_the_same_refund_again_is_the_same_refund(bench):
    bench.shop(duplicate_seconds=0)
    ref = bench.paid()
    first = bench.adapter.refund_payment(refund(bench, ref))
    assert bench.adapter.refund_payment(refund(bench, ref)).processor_ref == first.processor_ref
    assert bench.adapter.ask_refund(lost(ref)).processor_ref == first.processor_ref
    assert len(bench.transactions(type="refund")) == 1


def test_another_refund_of_the_same_amount_has_to_wait_and_is_then_made(bench):
    ref = bench.paid()
    bench.adapter.refund_payment(refund(bench, ref, "rf-1"))
    with pytest.raises(Unavailable):
        bench.adapter.refund_payment(refund(bench, ref, "rf-2"))
    assert bench.adapter.ask_refund(lost(ref, "rf-2")) is None
    bench.shop(duplicate_seconds=0)
    assert bench.adapter.refund_payment(refund(bench, ref, "rf-2")).outcome is RefundOutcome.SUCCEEDED
    assert len(bench.transactions(type="refund")) == 2


@pytest.mark.parametrize(
    ("kind", "ends"), [("refund_pending", RefundOutcome.SUCCEEDED), ("refund_fails", RefundOutcome.FAILED)]
)
def test_a_refund_may_take_a_while(bench, kind, ends):
    ref = bench.paid()
    bench.order(kind)
    report = bench.adapter.refund_payment(refund(bench, ref))
    assert report.outcome is RefundOutcome.PENDING
    question = replace(lost(ref), processor_ref=report.processor_ref)
    bench.until(lambda: bench.adapter.ask_refund(question).outcome is ends)
    told = bench.notices(3)
    assert [notice.outcome for notice in told[1:]] == [RefundOutcome.PENDING, ends]
    assert {notice.reference for notice in told[1:]} == {"rf-1"}


@pytest.mark.parametrize("kind", ["timeout_after", "reset_after"])
def test_a_refund_whose_answer_was_lost_is_found_and_not_made_twice(bench, kind):
    ref = bench.paid()
    bench.shop(duplicate_seconds=0)
    bench.order(kind, match={"operation": "refunds.create"})
    with pytest.raises(OutcomeUnknown):
        bench.meeting(kind).refund_payment(refund(bench, ref))
    bench.until(lambda: bench.transactions(type="refund"))
    found = bench.adapter.ask_refund(lost(ref))
    assert found.outcome is RefundOutcome.SUCCEEDED
    assert bench.adapter.refund_payment(refund(bench, ref)).processor_ref == found.processor_ref
    assert len(bench.transactions(type="refund")) == 1


@pytest.mark.parametrize("kind", ["timeout_before", "reset_before"])
def test_a_refund_that_never_arrived_can_be_sent_again(bench, kind):
    ref = bench.paid()
    bench.order(kind, match={"operation": "refunds.create"})
    with pytest.raises(OutcomeUnknown):
        bench.meeting(kind).refund_payment(refund(bench, ref))
    assert bench.adapter.ask_refund(lost(ref)) is None
    assert bench.adapter.refund_payment(refund(bench, ref)).outcome is RefundOutcome.SUCCEEDED


def test_where_reasons_do_not_come_back_a_lost_refund_is_for_people(bench):
    bench.shop(tells_reasons=False)
    ref = bench.paid()
    bench.order("reset_after", match={"operation": "refunds.create"})
    with pytest.raises(OutcomeUnknown):
        bench.adapter.refund_payment(refund(bench, ref))
    with pytest.raises(OutcomeUnknown, match="cannot be told"):
        bench.adapter.ask_refund(lost(ref))
    assert bench.adapter.ask_refund(lost(ref, minor=499)) is None


def test_a_refund_from_the_back_office_is_told_as_one_that_is_not_ours(bench):
    ref = bench.paid()
    bench.on(ref.capture_ref, "refund", amount=700)
    told = bench.notices(2)[1]
    assert (told.reference, told.money, told.payment_processor_ref) == ("", Money(700, "EUR"), ref.capture_ref)


def test_a_chargeback_with_the_payments_tracking_id_is_a_dispute(bench):
    ref = bench.paid()
    bench.on(ref.capture_ref, "chargeback")
    told = bench.notices(2)[1]
    assert isinstance(told, DisputeReport)
    assert (told.is_open, told.payment_processor_ref, told.money) == (True, ref.capture_ref, PRICE)
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


# --- what goes wrong on the way there ---

UNCLEAR = [
    "timeout_before",
    "timeout_after",
    "reset_before",
    "reset_after",
    "500",
    "503",
    "html_200",
    "redirect",
    "409",
]


@pytest.mark.parametrize(
    ("kind", "error"),
    [*((kind, OutcomeUnknown) for kind in UNCLEAR), ("429", Unavailable), ("403", Misconfigured), ("402", Declined)],
)
def test_each_fault_of_a_create_means_one_thing_and_the_payment_is_asked_about(bench, kind, error):
    bench.order(kind)
    request = bench.request()
    with pytest.raises(error) as raised:
        bench.meeting(kind).create_payment(request)
    assert type(raised.value) is error
    assert len(bench.requests_of("checkouts.create")) == 1
    lost_create = PaymentRef(request.reference, "", request.money, datetime.now(UTC))
    assert bench.adapter.ask_payment(lost_create) is None
    assert bench.adapter.cancel_payment(lost_create).outcome is Outcome.CANCELLED
    assert bench.paid()


@pytest.mark.parametrize("kind", [*UNCLEAR, "429"])
def test_a_question_that_gets_no_answer_moves_nothing(bench, kind):
    ref = bench.paid()
    bench.order(kind, match={"operation": "checkouts.retrieve"})
    with pytest.raises(Unavailable):
        bench.meeting(kind).ask_payment(ref)
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


@pytest.mark.parametrize("kind", [*UNCLEAR, "429", "403"])
def test_a_transaction_that_cannot_be_looked_at_is_told_by_its_checkout(bench, kind):
    ref = bench.paid()
    bench.order(kind, match={"operation": "transactions.retrieve"})
    report = bench.meeting(kind).ask_payment(ref)
    assert (report.outcome, report.money, report.capture_ref) == (Outcome.CAPTURED, PRICE, ref.capture_ref)


@pytest.mark.parametrize("kind", UNCLEAR)
@pytest.mark.parametrize("operation", ["refunds.create", "captures.create", "voids.create"])
def test_each_fault_of_a_move_of_money_is_unclear(bench, kind, operation):
    ref = bench.paid(captures_later=operation != "refunds.create")
    bench.order(kind, match={"operation": operation})
    adapter = bench.meeting(kind)
    with pytest.raises(OutcomeUnknown):
        if operation == "refunds.create":
            adapter.refund_payment(refund(bench, ref))
        elif operation == "captures.create":
            adapter.capture_payment(ref, PRICE)
        else:
            adapter.cancel_payment(ref)
    found = bench.until(lambda: bench.adapter.ask_payment(ref))
    assert found.outcome in (Outcome.CAPTURED, Outcome.AUTHORIZED, Outcome.CANCELLED)


def test_a_slow_answer_is_an_answer(bench):
    bench.order("slow", seconds=0.1)
    assert bench.open().processor_ref


def test_the_callback_may_come_before_the_answer_to_the_create(bench):
    bench.order("approve_before_answer")
    request = bench.request()
    report = bench.adapter.create_payment(request)
    assert len(bench.product.received) == 1
    (notice,) = bench.notices()
    assert (notice.reference, notice.outcome) == (request.reference, Outcome.CAPTURED)
    assert bench.adapter.ask_payment(bench.ref_of(request, report)).outcome is Outcome.CAPTURED


# --- what goes wrong on the way back ---


@pytest.mark.parametrize("code", ["", "other-key", "pss", "sha1", "missing", "cut", "newline", "basic"])
def test_a_forged_callback_is_refused_and_the_true_one_behind_it_counts(bench, code):
    bench.order("forged", code=code, also_true=True)
    ref = bench.open()
    bench.act(ref, "approve")
    calls = bench.calls(2)
    verdicts = []
    for call in calls:
        try:
            verdicts.append(bench.adapter.read_callback(call).notices[0].outcome)
        except BadCallback:
            verdicts.append(None)
    assert verdicts == [None, Outcome.CAPTURED]


def test_a_missing_signature_is_forgiven_in_test_mode_where_the_setting_says_so(bench):
    bench.order("forged", code="missing")
    ref = bench.open()
    bench.act(ref, "approve")
    lenient = bench.build(accepts_missing_signature="yes")
    assert bench.notices(adapter=lenient)[0].outcome is Outcome.CAPTURED


@pytest.mark.parametrize(
    ("kind", "more", "money"),
    [
        ("wrong_amount", {}, Money(2000, "EUR")),
        ("wrong_amount", {"amount": 1}, Money(1, "EUR")),
        ("wrong_currency", {}, Money(1999, "USD")),
    ],
)
def test_other_money_is_told_as_it_is(bench, kind, more, money):
    bench.order(kind, **more)
    ref = bench.open()
    bench.act(ref, "approve")
    (notice,) = bench.notices()
    assert (notice.outcome, notice.money) == (Outcome.CAPTURED, money)
    assert bench.adapter.ask_payment(ref).money == PRICE


def test_a_callback_of_the_other_mode_is_refused(bench):
    bench.order("other_mode")
    bench.act(bench.open(), "approve")
    (call,) = bench.calls()
    with pytest.raises(BadCallback, match="live mode"):
        bench.adapter.read_callback(call)
    assert bench.adapter.peek(call).mode is Mode.LIVE


def test_a_callback_about_a_payment_nobody_knows_names_nobody(bench):
    bench.order("unknown_reference")
    ref = bench.open()
    bench.act(ref, "approve")
    (notice,) = bench.notices()
    assert isinstance(notice, PaymentReport) and notice.reference != ref.reference
    assert bench.adapter.peek(bench.calls()[0]).processor_ref == notice.capture_ref


@pytest.mark.parametrize("kind", ["duplicate", "reply_lost"])
def test_a_callback_that_comes_twice_has_the_same_name_and_the_same_signature(bench, kind):
    bench.order(kind)
    bench.act(bench.open(), "approve")
    first, second = bench.calls(2)
    assert (first.body, first.headers["content-signature"]) == (second.body, second.headers["content-signature"])
    names = {bench.adapter.read_callback(call).event_id for call in (first, second)}
    assert len(names) == 1


def test_a_dropped_callback_leaves_only_the_question(bench):
    bench.order("drop")
    ref = bench.open()
    bench.act(ref, "approve")
    assert bench.get("/_lab/idle").json() == {"idle": True}
    assert bench.product.received == []
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


def test_a_late_callback_comes_late_and_a_held_one_after_its_successor(bench):
    bench.post("/_lab/settings", settle_seconds=60)
    bench.order("reorder", until="payment.successful")
    ref = bench.open()
    uid = bench.act(ref, "delay")["uid"]
    bench.order("late", seconds=0.05)
    bench.on(uid, "act", outcome="successful")
    assert [notice.outcome for notice in bench.notices(2)] == [Outcome.CAPTURED, Outcome.PROCESSING]


def test_a_callback_that_we_refuse_comes_again(bench):
    bench.product.answers = [503, 400]
    bench.act(bench.open(), "approve")
    assert {notice.outcome for notice in bench.notices(3)} == {Outcome.CAPTURED}


def test_a_callback_can_be_sent_once_more_by_hand(bench):
    ref = bench.paid()
    bench.calls()
    bench.on(ref.capture_ref, "send")
    assert len(bench.calls(2)) == 2
    bench.post(f"/_lab/{SLUG}/checkouts/{ref.processor_ref}/send")
    assert bench.notices(3)[2].outcome is Outcome.CAPTURED  # the checkout's own shape tells of the money, too


def test_the_callback_may_come_before_the_browser_or_after_it(bench):
    bench.order("callback_before_return")
    bench.choose(bench.open(), "approve")
    assert len(bench.product.received) == 1
    bench.order("return_before_callback", seconds=1.5)
    bench.choose(bench.open(), "approve")
    assert len(bench.product.received) == 1
    bench.calls(2)


# --- the page, the widget, the lab ---


def test_the_page_shows_what_is_paid_and_a_way_out(bench):
    ref = bench.open(cancel_url="http://shop.test/cancelled")
    page = requests.get(ref.processor_data["redirect_url"], headers={"Accept": "text/html"}, timeout=5)
    assert "€19.99" in page.text and 'href="http://shop.test/cancelled"' in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    bench.choose(ref, "approve")
    page = requests.get(ref.processor_data["redirect_url"], headers={"Accept": "text/html"}, timeout=5)
    assert "Payment made" in page.text and 'name="outcome"' not in page.text


def test_the_page_can_be_framed_by_the_page_that_asks_for_it_only(bench):
    ref = bench.open()
    address = ref.processor_data["redirect_url"]
    framed = requests.get(f"{address}&frame=http://127.0.0.1:5555/x", timeout=5)
    assert "frame-ancestors http://127.0.0.1:5555;" in framed.headers["Content-Security-Policy"]
    elsewhere = requests.get(f"{address}&frame=https://evil.test", timeout=5)
    assert "frame-ancestors 'none'" in elsewhere.headers["Content-Security-Policy"]


def test_another_sites_page_cannot_pay(bench):
    ref = bench.open()
    answer = bench.choose(ref, "approve", headers={"Origin": "http://evil.test"})
    assert answer.status_code == 403
    assert bench.adapter.ask_payment(ref).outcome is Outcome.PENDING


def test_an_unknown_token_and_an_unknown_choice_pay_nothing(bench):
    assert bench.get(f"/{SLUG}/checkout", token="nobody").status_code == 404
    ref = bench.open()
    assert bench.choose(ref, "everything").status_code == 400
    assert bench.transactions() == []


def test_the_widgets_script_is_served_where_the_widget_says(bench):
    ref = bench.open()
    found = bench.adapter.widget(ref, None)
    script = requests.get(found.script_url, timeout=5)
    assert script.headers["Content-Type"].startswith("text/javascript") and "BeGateway" in script.text
    assert requests.get(found.link_url, timeout=5).status_code == 200


def test_the_labs_page_shows_the_public_key_and_its_doors_no_secret(bench):
    ref = bench.paid()
    bench.adapter.refund_payment(refund(bench, ref))
    page = bench.get(f"/_lab/{SLUG}/")
    assert page.status_code == 200 and book.PUBLIC in page.text
    shops = bench.get(f"/_lab/{SLUG}/accounts")
    assert shops.json()["accounts"][0]["public_key"] == book.PUBLIC
    for text in (page.text, shops.text):
        assert book.SECRET_KEY not in text and "PRIVATE KEY" not in text
    assert bench.get("/").status_code == 200


def test_a_shop_without_a_key_gets_one_that_outlives_a_restart(tmp_path):
    path = tmp_path / "lab.jsonl"
    account = {"shopId": "77", "secretKey": "s"}

    def key_of(lab):
        found = requests.get(f"{lab.base_url}/_lab/{SLUG}/accounts", timeout=5).json()["accounts"]
        return found[0]["public_key"]

    lab = serve(state_file=path, accounts={SLUG: [account]})
    first = key_of(lab)
    lab.stop()
    lab = serve(state_file=path, accounts={SLUG: [account]})
    assert key_of(lab) == first
    lab.stop()
    assert PROCESSOR.check_credentials({**account, "publicKey": first}, Mode.TEST) == {}


def test_after_a_restart_a_delayed_payment_still_settles(tmp_path, product):
    path = tmp_path / "lab.jsonl"
    settings = Settings(settle_seconds=0.3, retry_ladder=[0.1])
    lab = serve(state_file=path, settings=settings, accounts={SLUG: [SHOP]})
    bench = Bench(lab, product)
    ref = bench.open()
    bench.act(ref, "delay")
    lab.stop()
    lab = serve(state_file=path, settings=settings, accounts={SLUG: [SHOP]})
    bench = Bench(lab, product)
    bench.until(lambda: bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED)
    lab.stop()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"shopId": ""}, "needed"),
        ({"secretKey": ""}, "needed"),
        ({"privateKey": "nonsense"}, "privateKey"),
        ({"webhook_url": "https://example.com/hook"}, "this machine"),
        ({"token_path": "/transactions/x"}, "path of its own"),
        ({"errors": "odd"}, "errors must be"),
        ({"callbacks": "odd"}, "callbacks must be"),
        ({"currencies": "EUR"}, "list"),
        ({"colour": "red"}, "Unknown fields: colour"),
    ],
)
def test_a_shop_that_cannot_be_is_refused_in_words(bench, changed, words):
    answer = bench.shop(**changed)
    assert answer.status_code == 400 and words in answer.json()["error"]


# --- what the API refuses ---


def call(bench, method, path, body=None, *, auth=(book.SHOP_ID, book.SECRET_KEY), **headers):
    sent = {"X-API-Version": "2", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return requests.request(method, f"{bench.url}/{SLUG}{path}", json=body, auth=auth, headers=sent, timeout=5)


def nested(**changed):
    order = {"amount": 100, "currency": "EUR", "description": "x", **changed.pop("order", {})}
    return {"checkout": {"transaction_type": "payment", "order": order, **changed}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (nested(transaction_type="sale"), "transaction_type"),
        (nested(test="true"), "test"),
        (nested(attempts=0), "attempts"),
        (nested(order={"amount": "100"}), "order.amount"),
        (nested(order={"amount": 0}), "order.amount"),
        (nested(order={"amount": 1.5}), "order.amount"),
        (nested(order={"currency": "eur"}), "order.currency"),
        (nested(order={"description": ""}), "order.description"),
        (nested(order={"description": "x" * 256}), "order.description"),
        (nested(order={"tracking_id": "x" * 256}), "order.tracking_id"),
        (nested(order={"expired_at": "tomorrow"}), "order.expired_at"),
        (nested(order={"expired_at": "2020-01-01T00:00:00Z"}), "order.expired_at"),
        (nested(settings={"return_url": "ftp://x"}), "settings.return_url"),
        (nested(settings={"notification_url": "https://example.com/"}), "settings.notification_url"),
        (nested(settings={"language": "uz"}), "settings.language"),
        ({"checkout": {"transaction_type": "payment", "order": []}}, "order"),
        ({"shop_id": "1", "amount": 100, "currency": "EUR", "description": "x", "return_url": "http://x"}, "shop_id"),
        ({"shop_id": "361", "amount": 100, "currency": "EUR", "description": "x"}, "return_url"),
    ],
)
def test_a_body_that_is_not_to_the_letter_is_refused_by_its_field(bench, body, field):
    answer = call(bench, "POST", "/ctp/api/checkouts", body)
    assert answer.status_code == 422 and list(answer.json()["errors"]) == [field]
    assert bench.get(f"/_lab/{SLUG}/checkouts").json()["checkouts"] == []


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("POST", "/ctp/api/checkouts", {"auth": None}, 401),
        ("POST", "/ctp/api/checkouts", {"auth": ("361", "wrong")}, 401),
        ("GET", "/ctp/api/checkouts/x", {"auth": ("999", "x")}, 401),
        ("GET", "/ctp/api/checkouts", {}, 405),
        ("POST", "/ctp/api/checkouts/x", {"body": {}}, 405),
        ("POST", "/api/checkouts", {"body": nested()}, 404),
        ("GET", "/ctp/api/checkouts/unknown", {}, 404),
        ("GET", "/transactions/unknown", {}, 404),
        ("GET", "/v2/transactions/tracking_id/unknown", {}, 404),
        ("POST", "/ctp/api/checkouts", {"body": nested(), "X_API_Version": "1"}, 400),
        ("POST", "/ctp/api/checkouts", {"body": []}, 400),
        ("POST", "/transactions/payouts", {"body": {}}, 422),
        ("POST", "/transactions/refunds", {"body": {"request": {"parent_uid": "x", "amount": 1, "reason": "x"}}}, 404),
        ("POST", "/transactions/refunds", {"body": {"request": {"parent_uid": "x", "amount": 1}}}, 422),
        ("POST", "/transactions/refunds", {"body": {}}, 422),
    ],
)
def test_the_doors_are_shut_as_the_real_ones(bench, method, path, more, status):
    assert call(bench, method, path, **more).status_code == status


def test_one_shop_does_not_see_anothers_payments(bench):
    bench.shop(shopId="362", secretKey="other")
    ref = bench.paid()
    other = ("362", "other")
    assert call(bench, "GET", f"/ctp/api/checkouts/{ref.processor_ref}", auth=other).status_code == 404
    assert call(bench, "GET", f"/transactions/{ref.capture_ref}", auth=other).status_code == 404
    body = {"request": {"parent_uid": ref.capture_ref, "amount": 1, "reason": "x"}}
    assert call(bench, "POST", "/transactions/refunds", body, auth=other).status_code == 404
    with pytest.raises(GatewayError):
        PROCESSOR.build(
            AdapterConfig(Mode.TEST, f"{bench.url}/{SLUG}", {**book.CREDENTIALS, "shopId": "362", "secretKey": "other"})
        ).cancel_payment(ref)


# --- the lab's own RSA, against a library ---


def test_the_labs_rsa_and_a_library_agree():
    body = "Чай €".encode()
    key = rsa.load(book.pem_of(book.PRIVATE))
    assert key.public_text() == book.PUBLIC
    assert key.sign(body) == book.signature(body)
    public = book.PRIVATE.public_key()
    public.verify(base64.b64decode(key.sign(body, digest="sha1")), body, padding.PKCS1v15(), hashes.SHA1())
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    public.verify(base64.b64decode(key.sign_pss(body)), body, pss, hashes.SHA256())


def test_a_key_of_the_labs_own_is_read_by_a_library_and_by_itself():
    key = rsa.new_key()
    public = serialization.load_der_public_key(base64.b64decode(key.public_text()))
    assert public.key_size == 2048
    public.verify(base64.b64decode(key.sign(b"x")), b"x", padding.PKCS1v15(), hashes.SHA256())
    assert rsa.load(key.pem()) == key
    older = book.PRIVATE.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    assert rsa.load(older.replace("\n", "\\n")).public_text() == book.PUBLIC


@pytest.mark.parametrize(
    "text",
    ["", "x", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----", book.PUBLIC],
    ids=["nothing", "a letter", "cut short", "a public key"],
)
def test_what_is_no_private_key_is_no_private_key(text):
    with pytest.raises(ValueError, match="not an RSA private key"):
        rsa.load(text)
