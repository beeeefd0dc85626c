"""Multicard in the lab: the adapter against it, its questions to a seller, its faults, the score of the scenarios."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests

from gateway.adapter import AdapterConfig
from gateway.adapters.multicard import PROCESSOR, terms
from gateway.certify import multicard as certify_multicard
from gateway.certify.score import Target, certify, table, total
from gateway.errors import GatewayError, Misconfigured, NotFound, OutcomeUnknown, Refused, Unavailable
from gateway.money import Money
from gateway.questions import Reply
from gateway.simulators.config import Settings
from gateway.simulators.server import serve
from gateway.types import (
    Item,
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
from tests.gateway import multicard_book
from tests.gateway.multicard_book import CREDENTIALS, SECRET

pytestmark = pytest.mark.once

STORE_UUID = "a1df872e-d5aa-11ee-8de8-005056b4367d"
PAN = "8600533364098829"
RETURN_URL, ERROR_URL = "http://shop.test/back", "http://shop.test/sorry"


def item(total, **more):
    return Item(
        **{
            "name": "Test",
            "quantity": 1,
            "price_minor": total,
            "total_minor": total,
            "mxik": "06401004002000000",
            "package_code": "1506113",
            "vat": 0,
            **more,
        }
    )


class Bench:
    """The running lab, a seller behind the real protocol, and the adapter of the seller's account."""

    def __init__(self, lab, book, callback_url):
        self.lab, self.book, self.callback_url = lab, book, callback_url
        self.url = lab.base_url
        self.adapter = self.build()
        book.adapter = self.adapter
        self.tries = 0

    def build(self, **changed):
        return PROCESSOR.build(AdapterConfig(Mode.TEST, f"{self.url}/multicard", {**CREDENTIALS, **changed}))

    def order(self, kind, **more):
        answer = requests.post(f"{self.url}/_lab/faults", json={"kind": kind, **more}, timeout=5)
        assert answer.status_code == 201, answer.text

    def request(self, order=None, **more):
        order = order or self.book.new_order()
        self.tries += 1
        wanted = {
            "reference": f"try-{self.tries}",
            "order_reference": order.reference,
            "money": Money(order.amount_minor, "UZS"),
            "description": "Test",
            "return_url": RETURN_URL,
            "cancel_url": ERROR_URL,
            "callback_url": self.callback_url,
            "lang": "uz",
            "expires_at": datetime.now(UTC) + timedelta(hours=1),
            "items": (item(order.amount_minor),),
        }
        return PaymentRequest(**{**wanted, **more})

    def open(self, order=None, **more):
        """An invoice that waits for its buyer: (reference for the adapter, the report of its create)."""
        request = self.request(order, **more)
        report = self.adapter.create_payment(request)
        ref = PaymentRef(
            request.reference, report.processor_ref, request.money, datetime.now(UTC), dict(report.processor_data)
        )
        return ref, report

    def act(self, ref, outcome, **more):
        answer = self.post(f"/_lab/multicard/invoices/{ref.processor_ref}/act", outcome=outcome, **more)
        assert answer.status_code == 200, answer.text
        return answer.json().get("payment")

    def paid(self, **more):
        ref, _ = self.open()
        assert self.act(ref, "approve", **more)["status"] == "success"
        return ref

    def post(self, path, **body):
        return requests.post(self.url + path, json=body, timeout=10)

    def get(self, path, **params):
        return requests.get(self.url + path, params=params, timeout=5)

    def payment(self, uuid):
        return self.get(f"/_lab/multicard/payments/{uuid}").json()["payment"]

    def calls(self):
        """Oldest first."""
        return self.get("/_lab/multicard/calls").json()["calls"][::-1]

    def requests_of(self, operation=None):
        found = self.get("/_lab/multicard/requests", **({"operation": operation} if operation else {})).json()
        return found["requests"][::-1]

    def row(self, ref):
        return self.book.orders[ref.processor_data["invoice_id"]]

    def until(self, wanted, seconds=3.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (found := wanted()) is not None and found is not False:
                return found
            time.sleep(0.005)
        raise AssertionError("it did not come to pass")

    def status_becomes(self, payment, status):
        return self.until(lambda: (row := self.payment(payment["uuid"]))["status"] == status and row)


@pytest.fixture
def bench():
    book = multicard_book.Book()
    url, stop = multicard_book.serve(book)
    lab = serve(
        settings=Settings(
            settle_seconds=0.05,
            refund_seconds=0.05,
            hang_seconds=0.3,
            callback_timeout_seconds=0.3,
            retry_ladder=[0.05, 0.1],
        ),
        accounts={"multicard": [{**CREDENTIALS, "name": "Lab shop", "webhook_url": url}]},
    )
    yield Bench(lab, book, url)
    lab.stop()
    stop()


# --- from the invoice to the money ---


def test_an_invoice_is_created_with_its_lines_and_leads_to_the_buyers_page(bench):
    ref, report = bench.open()
    assert report.outcome is Outcome.PENDING
    assert report.next_action.url == f"{bench.url}/multicard/invoice/{ref.processor_ref}"
    assert report.processor_data["invoice_uuid"] == ref.processor_ref
    assert report.processor_data["store_id"] == "6"
    sent = bench.requests_of("invoices.create")[0]["params"]
    assert sent == {
        "store_id": 6,
        "amount": 1_500_000,
        "invoice_id": report.processor_data["invoice_id"],
        "callback_url": f"{bench.callback_url}?payment={ref.reference}",
        "ofd": [
            {
                "qty": 1,
                "price": 1_500_000,
                "total": 1_500_000,
                "mxik": "06401004002000000",
                "package_code": "1506113",
                "name": "Test",
                "vat": 0,
            }
        ],
        "lang": "uz",
        "return_url": RETURN_URL,
        "return_error_url": ERROR_URL,
        "ttl": sent["ttl"],
    }
    assert 3500 < sent["ttl"] <= 3600
    page = requests.get(report.next_action.url, headers={"Accept": "text/html"}, timeout=5)
    assert page.status_code == 200 and 'name="outcome" value="approve"' in page.text


def test_the_example_of_the_quickstart_can_be_created_with_a_store_named_by_its_uuid(bench):
    bench.post("/_lab/multicard/accounts", **{**CREDENTIALS, "storeId": STORE_UUID})
    adapter = bench.build(storeId=STORE_UUID)
    order = bench.book.new_order(100_000)
    report = adapter.create_payment(bench.request(order))
    assert bench.requests_of("invoices.create")[0]["params"]["store_id"] == STORE_UUID
    # Callbacks carry the number; the account has only the UUID, and the invoice's answer told the number.
    bench.book.credentials = {**CREDENTIALS, "storeId": STORE_UUID}
    bench.post(f"/_lab/multicard/invoices/{report.processor_ref}/act", outcome="approve")
    assert bench.book.orders[order.reference].status == "paid"
    assert bench.book.questions[0].details["store_id"] == report.processor_data["store_id"]


def test_the_buyer_pays_the_seller_is_asked_and_the_money_stays(bench):
    ref, report = bench.open()
    answer = requests.post(report.next_action.url, data={"outcome": "approve"}, allow_redirects=False, timeout=5)
    assert (answer.status_code, answer.headers["Location"]) == (303, RETURN_URL)
    row = bench.row(ref)
    assert row.status == "paid"
    assert row.details["card_pan"] == "860030******5959"
    assert row.details["payment_system"] == "uzcard"
    assert row.details["phone_end"] == "4567"
    assert "token" not in json.dumps(row.details)
    question = bench.book.questions[0]
    assert question.our_number == ref.reference  # the very try
    asked = bench.adapter.ask_payment(ref)
    assert (asked.outcome, asked.money, asked.is_final) == (Outcome.CAPTURED, ref.money, True)
    assert asked.processor_ref == ref.processor_ref
    assert asked.processor_data["payment_uuid"] == question.transaction_ref == row.paid_by
    assert [call["verdict"] for call in bench.calls()] == ["accepted"]
    assert bench.calls()[0]["violations"] == []


def test_the_payments_uuid_is_not_the_invoices(bench):
    ref = bench.paid()
    assert bench.row(ref).paid_by != ref.processor_ref


def test_a_declined_card_leaves_the_invoice_open_for_another_try(bench):
    ref, report = bench.open()
    answer = requests.post(report.next_action.url, data={"outcome": "decline"}, allow_redirects=False, timeout=5)
    assert answer.headers["Location"] == ERROR_URL
    asked = bench.adapter.ask_payment(ref)
    assert (asked.outcome, asked.is_final, asked.failure.code) == (Outcome.DECLINED, False, "51")
    assert asked.next_action.url == report.next_action.url
    assert bench.calls() == []
    bench.act(ref, "approve")
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


def test_a_delayed_payment_is_processing_and_then_captured(bench):
    ref, _ = bench.open()
    payment = bench.act(ref, "delay")
    assert bench.adapter.ask_payment(ref).outcome in (Outcome.PROCESSING, Outcome.CAPTURED)
    bench.status_becomes(payment, "success")
    assert bench.row(ref).status == "paid"


def test_an_invoice_whose_time_is_over_is_expired_and_a_new_one_can_be_paid(bench):
    order = bench.book.new_order()
    ref, _ = bench.open(order)
    bench.act(ref, "expire")
    asked = bench.adapter.ask_payment(ref)
    assert (asked.outcome, asked.is_final) == (Outcome.EXPIRED, True)
    second, _ = bench.open(order)
    bench.act(second, "approve")
    assert bench.book.orders[order.reference].status == "paid"


def test_an_annulled_invoice_is_cancelled_and_stays_so(bench):
    ref, report = bench.open()
    assert bench.adapter.cancel_payment(ref).outcome is Outcome.CANCELLED
    again = bench.adapter.cancel_payment(ref)
    assert again.is_final and again.outcome is Outcome.EXPIRED
    assert requests.post(report.next_action.url, data={"outcome": "approve"}, timeout=5).status_code == 409


def test_a_cancel_that_comes_too_late_tells_of_the_money(bench):
    ref = bench.paid()
    report = bench.adapter.cancel_payment(ref)
    assert (report.outcome, report.money) == (Outcome.CAPTURED, ref.money)


def test_a_paid_invoice_that_is_no_longer_shown_is_found_by_the_register(bench):
    ref = bench.paid()
    bench.lab.lab.rooms["multicard"].world.invoices.get(ref.processor_ref).state = "annulled"
    asked = bench.adapter.ask_payment(ref)
    assert (asked.outcome, asked.processor_ref) == (Outcome.CAPTURED, ref.processor_ref)


def test_a_buyer_who_pays_after_our_cancel_gets_the_money_back(bench):
    ref, _ = bench.open()
    bench.book.ended_tries.add(ref.reference)
    bench.order("success_after_cancel")
    assert bench.adapter.cancel_payment(ref).outcome is Outcome.CANCELLED
    call = bench.until(lambda: bench.calls() or None)[0]
    assert (call["verdict"], call["violations"]) == ("refused", [])
    bench.status_becomes({"uuid": call["payment"]}, "revert")
    assert bench.row(ref).status == "open"


# --- what goes wrong on the way to Multicard ---


def test_a_wrong_secret_is_a_misconfiguration(bench):
    adapter = bench.build(secret="wrong")
    with pytest.raises(Misconfigured, match="no token"):
        adapter.create_payment(bench.request())
    assert not adapter.check_availability(currency="UZS").is_available
    assert bench.adapter.check_availability(currency="UZS").is_available
    assert not bench.adapter.check_availability(currency="USD").is_available


def test_one_token_serves_many_calls_and_is_renewed_once_when_it_is_refused(bench):
    ref, _ = bench.open()
    bench.adapter.ask_payment(ref)
    assert len(bench.requests_of("auth")) == 1
    bench.post("/_lab/multicard/accounts/rhmt_test.6/expire-tokens")
    assert bench.open()[1].outcome is Outcome.PENDING
    assert [row["status"] for row in bench.requests_of("invoices.create")] == [200, 401, 200]
    assert len(bench.requests_of("auth")) == 2


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("timeout_before", OutcomeUnknown),
        ("timeout_after", OutcomeUnknown),
        ("reset_before", OutcomeUnknown),
        ("reset_after", OutcomeUnknown),
        ("500", OutcomeUnknown),
        ("503", OutcomeUnknown),
        ("html_200", OutcomeUnknown),
        ("redirect", OutcomeUnknown),
        ("409", OutcomeUnknown),  # ERROR_DEBIT_UNKNOWN
        ("429", Unavailable),
        ("403", Misconfigured),
    ],
)
def test_trouble_while_creating_says_whether_something_may_have_happened(bench, kind, error):
    bench.order(kind, match={"operation": "invoices.create"}, seconds=0.05)
    request = bench.request()
    with pytest.raises(GatewayError) as caught:
        bench.adapter.create_payment(request)
    assert type(caught.value) is error
    # An invoice may have been made, yet nobody holds its address: it is as good as none.
    lost = PaymentRef(request.reference, "", request.money, datetime.now(UTC))
    assert bench.adapter.ask_payment(lost) is None
    cancelled = bench.adapter.cancel_payment(lost)
    assert (cancelled.outcome, cancelled.is_final) == (Outcome.CANCELLED, True)


def test_a_lost_create_that_was_paid_all_the_same_is_found_by_its_callback_address(bench):
    bench.order("reset_after", match={"operation": "invoices.create"})
    request = bench.request()
    with pytest.raises(OutcomeUnknown):
        bench.adapter.create_payment(request)
    made = bench.get("/_lab/multicard/invoices").json()["invoices"][0]
    bench.post(f"/_lab/multicard/invoices/{made['uuid']}/act", outcome="approve")
    bench.paid()  # somebody else's
    found = bench.adapter.ask_payment(PaymentRef(request.reference, "", request.money, datetime.now(UTC)))
    assert (found.outcome, found.reference, found.processor_ref) == (Outcome.CAPTURED, request.reference, "")


@pytest.mark.parametrize("kind", ["500", "timeout_before", "429"])
def test_trouble_while_asking_changes_nothing(bench, kind):
    ref = bench.paid()
    bench.order(kind, match={"operation": "invoices.retrieve"}, seconds=0.05)
    with pytest.raises(Unavailable):
        bench.adapter.ask_payment(ref)
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


# --- refunds ---


def whole(ref, **more):
    return RefundRequest(reference="refund-1", payment=ref, money=ref.money, **more)


def part(ref, minor, reference="refund-1", **more):
    left = ref.money.minor - minor
    return RefundRequest(reference, ref, Money(minor, "UZS"), items=(item(left),), **more)


def asked_of(request, processor_ref=""):
    return RefundRef(request.reference, processor_ref, request.payment, request.money, datetime.now(UTC))


def test_a_whole_refund_is_made_once_however_often_it_is_sent(bench):
    ref = bench.paid()
    for _ in range(2):
        report = bench.adapter.refund_payment(whole(ref))
        assert (report.outcome, report.money) == (RefundOutcome.SUCCEEDED, ref.money)
        assert report.processor_ref == f"{bench.row(ref).paid_by}/revert"
    assert len(bench.requests_of("payments.refund")) == 1
    assert bench.adapter.ask_refund(asked_of(whole(ref))).outcome is RefundOutcome.SUCCEEDED


def test_a_part_goes_back_with_the_receipt_that_replaces_the_first(bench):
    ref = bench.paid()
    report = bench.adapter.refund_payment(part(ref, 500_000))
    assert (report.outcome, report.money) == (RefundOutcome.SUCCEEDED, Money(500_000, "UZS"))
    sent = bench.requests_of("payments.refund_part")[0]
    assert sent["method"] == "DELETE"
    assert sent["params"]["refund_amount"] == 500_000
    assert sent["params"]["ofd"][0]["total"] == 1_000_000
    assert "card_pan" not in sent["params"]
    second = bench.adapter.refund_payment(part(ref, 1_000_000, "refund-2"))
    assert second.outcome is RefundOutcome.SUCCEEDED
    assert second.processor_ref != report.processor_ref
    assert bench.payment(bench.row(ref).paid_by)["status"] == "revert"


def test_a_part_without_lines_or_of_a_wallet_without_a_card_is_not_even_sent(bench):
    ref = bench.paid(ps="payme")
    with pytest.raises(Misconfigured, match="ofd"):
        bench.adapter.refund_payment(RefundRequest("r", ref, Money(1, "UZS")))
    with pytest.raises(Misconfigured, match="cardPan"):
        bench.adapter.refund_payment(part(ref, 1000))
    with pytest.raises(Misconfigured, match="cardPan"):
        bench.adapter.refund_payment(part(ref, 1000, card_pan="1234"))
    assert bench.requests_of("payments.refund_part") == []
    report = bench.adapter.refund_payment(part(ref, 1000, card_pan="8600 5333 6409 8829"))
    assert report.outcome is RefundOutcome.SUCCEEDED


def test_a_cards_number_is_in_no_text_of_ours(bench, caplog):
    ref = bench.paid(ps="payme")
    request = part(ref, 1000, card_pan=PAN)
    assert PAN not in repr(request)
    caplog.set_level("DEBUG")
    bench.adapter.refund_payment(request)
    world = bench.lab.lab.rooms["multicard"].world
    world.payments.get(bench.row(ref).paid_by).refunded = ref.money.minor
    with pytest.raises(Misconfigured) as refused:
        bench.adapter.refund_payment(request)
    assert PAN not in str(refused.value) and PAN not in caplog.text
    assert PAN not in bench.get("/_lab/multicard/requests").text


def test_a_refusal_that_repeats_the_cards_number_loses_it_on_the_way(bench, monkeypatch):
    monkeypatch.setattr("gateway.adapters.multicard.bodies.CARD_PAN", __import__("re").compile(".*"))
    ref = bench.paid(ps="payme")
    with pytest.raises(Misconfigured) as refused:
        bench.adapter.refund_payment(part(ref, 1000, card_pan="86005333640988299999999"))
    assert "card_pan … is not a card number" in str(refused.value)


def test_parts_have_to_be_enabled_by_multicard(bench):
    bench.post("/_lab/multicard/accounts", **CREDENTIALS, takes_parts=False)
    with pytest.raises(Misconfigured):
        bench.adapter.refund_payment(part(bench.paid(), 1000))


def test_more_than_is_left_and_what_was_never_paid_is_refused(bench):
    ref = bench.paid()
    bench.adapter.refund_payment(part(ref, 1_000_000))
    with pytest.raises(Misconfigured):
        bench.adapter.refund_payment(part(ref, 600_000, "refund-2"))
    unpaid, _ = bench.open()
    with pytest.raises(Refused):
        bench.adapter.refund_payment(whole(unpaid))
    bench.adapter.refund_payment(part(ref, 500_000, "refund-3"))
    with pytest.raises(Refused, match="gone back"):
        bench.adapter.refund_payment(part(ref, 1, "refund-4"))


@pytest.mark.parametrize("kind", ["timeout_after", "reset_after"])
def test_a_lost_answer_to_a_whole_refund_is_settled_by_asking(bench, kind):
    ref = bench.paid()
    bench.order(kind, match={"operation": "payments.refund"}, seconds=0.05)
    with pytest.raises(OutcomeUnknown):
        bench.adapter.refund_payment(whole(ref))
    assert bench.adapter.ask_refund(asked_of(whole(ref))).outcome is RefundOutcome.SUCCEEDED
    assert bench.adapter.refund_payment(whole(ref)).outcome is RefundOutcome.SUCCEEDED
    assert len(bench.requests_of("payments.refund")) == 1


def test_a_whole_refund_that_never_arrived_is_known_to_be_missing(bench):
    ref = bench.paid()
    bench.order("reset_before", match={"operation": "payments.refund"})
    with pytest.raises(OutcomeUnknown):
        bench.adapter.refund_payment(whole(ref))
    assert bench.adapter.ask_refund(asked_of(whole(ref))) is None
    assert bench.adapter.refund_payment(whole(ref)).outcome is RefundOutcome.SUCCEEDED


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_lost_answer_to_a_part_stays_unknown_and_is_never_sent_again(bench, kind):
    ref = bench.paid()
    bench.order(kind, match={"operation": "payments.refund_part"})
    with pytest.raises(OutcomeUnknown):
        bench.adapter.refund_payment(part(ref, 1000))
    with pytest.raises(OutcomeUnknown, match="cabinet"):
        bench.adapter.ask_refund(asked_of(part(ref, 1000)))
    # What is known is known: an answered one, and one of a payment that went back as a whole.
    answered = bench.adapter.refund_payment(part(ref, 2000, "refund-2"))
    assert (
        bench.adapter.ask_refund(asked_of(part(ref, 2000, "refund-2"), answered.processor_ref)).outcome
        is RefundOutcome.SUCCEEDED
    )
    bench.post(f"/_lab/multicard/payments/{bench.row(ref).paid_by}/refund")
    assert bench.adapter.ask_refund(asked_of(part(ref, 1000))).outcome is RefundOutcome.SUCCEEDED


def test_once_refund_times_are_known_to_tell_a_lost_part_is_settled_by_them(bench, monkeypatch):
    monkeypatch.setattr(terms, "PARTIAL_SETS_REFUND_TIME", True)
    ref = bench.paid()
    payment = bench.adapter.ask_payment(ref).processor_data["payment_uuid"]
    row = bench.lab.lab.rooms["multicard"].world.payments.get(payment)
    question = asked_of(part(ref, 1000))
    assert bench.adapter.ask_refund(question) is None
    row.reverted = time.time() - 3600
    assert bench.adapter.ask_refund(question) is None
    row.reverted = time.time() - 60
    with pytest.raises(OutcomeUnknown):
        bench.adapter.ask_refund(question)
    row.reverted = time.time() + 1
    assert bench.adapter.ask_refund(question).outcome is RefundOutcome.SUCCEEDED


def test_a_refund_that_takes_time_is_pending_until_the_payment_is_reverted(bench):
    ref = bench.paid()
    bench.order("refund_pending")
    report = bench.adapter.refund_payment(whole(ref))
    assert report.outcome is RefundOutcome.PENDING
    bench.status_becomes({"uuid": bench.row(ref).paid_by}, "revert")
    asked = bench.adapter.ask_refund(asked_of(whole(ref), report.processor_ref))
    assert (asked.outcome, asked.processor_ref) == (RefundOutcome.SUCCEEDED, report.processor_ref)


def test_a_payment_of_another_application_is_unknown(bench):
    ref = bench.paid()
    bench.post("/_lab/multicard/accounts", applicationId="other", secret="x", storeId="7")
    other = bench.build(applicationId="other", secret="x", storeId="7")
    with pytest.raises(NotFound):
        other.refund_payment(
            RefundRequest(
                "r", PaymentRef("t", "", ref.money, ref.created_at, {"payment_uuid": bench.row(ref).paid_by}), ref.money
            )
        )


# --- the question, and what our answer decides ---


def test_a_refused_payment_goes_back_to_the_buyer_with_our_words(bench):
    ref, report = bench.open(bench.book.ended_order())
    answer = requests.post(report.next_action.url, data={"outcome": "approve"}, allow_redirects=False, timeout=5)
    assert answer.headers["Location"] == ERROR_URL
    asked = bench.adapter.ask_payment(ref)
    assert (asked.outcome, asked.is_final) == (Outcome.CANCELLED, True)
    assert "The order was cancelled" in bench.payment(bench.calls()[0]["payment"])["callback_message"]
    assert bench.calls()[0]["violations"] == []


@pytest.mark.parametrize("trouble", ["fault", "hang"])
def test_our_own_trouble_freezes_the_money_and_the_question_comes_again(bench, trouble):
    bench.book.faults.append(trouble)
    ref, _ = bench.open()
    payment = bench.act(ref, "approve")
    assert payment["status"] == "billing"
    assert bench.adapter.ask_payment(ref).outcome is Outcome.PROCESSING
    with_trouble = bench.adapter.cancel_payment(ref)
    assert with_trouble.outcome is Outcome.PROCESSING  # nothing is annulled while the money is frozen
    bench.status_becomes(payment, "success")
    assert [call["verdict"] for call in bench.calls()] == ["frozen", "accepted"]
    assert bench.row(ref).status == "paid"


def test_trouble_that_does_not_end_leaves_it_to_people(bench):
    bench.book.faults += ["fault"] * 3
    ref, _ = bench.open()
    payment = bench.act(ref, "approve")
    bench.until(lambda: len(bench.calls()) == 3 or None)
    bench.until(lambda: "given up" in bench.payment(payment["uuid"])["note"] or None)
    assert bench.adapter.ask_payment(ref).outcome is Outcome.PROCESSING
    bench.post(f"/_lab/multicard/payments/{payment['uuid']}/act", outcome="ask")
    assert bench.row(ref).status == "paid"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(200, b"{}"), "success is neither"),
        (Reply(200, b'{"status":"ok"}'), "success is neither"),
        (Reply(200, b'{"success":"true"}'), "success is neither"),
        (Reply(200, b"OK", "text/plain"), "no JSON object"),
        (Reply(200, b'{"success":false}'), "without a message"),
        (Reply(404, b"<html>", "text/html"), "status 404"),
        (Reply(302, b"", headers={"Location": "/"}), "status 302"),
    ],
)
def test_an_answer_that_is_not_to_the_letter_returns_the_money_and_is_shown(bench, reply, words):
    bench.book.faults.append(reply)
    ref, _ = bench.open()
    payment = bench.act(ref, "approve")
    assert payment["status"] == "revert"
    assert any(words in violation for violation in payment["violations"])
    page = requests.get(f"{bench.url}/_lab/multicard/", headers={"Accept": "text/html"}, timeout=5)
    assert "violation" in page.text and SECRET not in page.text


@pytest.mark.parametrize("kind", ["forged", "other_mode", "unknown_reference"])
def test_a_strangers_question_is_refused_and_the_true_one_is_accepted(bench, kind):
    bench.order(kind, match={"event": "callback"})
    ref, _ = bench.open()
    payment = bench.act(ref, "approve")
    assert (payment["status"], payment["violations"]) == ("success", [])
    assert [call["verdict"] for call in bench.calls()] == ["refused", "accepted"]


def test_a_wrong_amount_is_refused_and_returned(bench):
    bench.order("wrong_amount", match={"event": "callback"})
    ref, _ = bench.open()
    payment = bench.act(ref, "approve")
    assert (payment["status"], payment["violations"]) == ("revert", [])
    assert bench.row(ref).status == "open"


@pytest.mark.parametrize(("kind", "count"), [("duplicate", 2), ("reply_lost", 2)])
def test_a_repeated_question_is_accepted_again_and_pays_once(bench, kind, count):
    bench.order(kind, match={"event": "callback"})
    ref, _ = bench.open()
    payment = bench.act(ref, "approve")
    bench.status_becomes(payment, "success")
    assert [call["verdict"] for call in bench.calls()] == ["accepted"] * count
    assert bench.payment(payment["uuid"])["violations"] == []
    assert bench.row(ref).status == "paid"


def test_a_question_that_was_never_asked_is_settled_by_asking(bench):
    bench.order("drop", match={"event": "callback"})
    ref, _ = bench.open()
    bench.act(ref, "approve")
    assert bench.row(ref).status == "open"
    assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED


def test_the_browser_may_come_back_before_the_question(bench):
    bench.order("return_before_callback", seconds=0.1)
    ref, report = bench.open()
    answer = requests.post(report.next_action.url, data={"outcome": "approve"}, allow_redirects=False, timeout=5)
    assert answer.headers["Location"] == RETURN_URL
    assert bench.calls() == []
    bench.until(lambda: bench.row(ref).status == "paid" or None)


@pytest.mark.parametrize("kind", ["late", "reorder"])
def test_a_late_question_is_a_question_all_the_same(bench, kind):
    bench.order(kind, match={"event": "callback"}, seconds=0.1)
    ref, _ = bench.open()
    assert bench.act(ref, "approve")["status"] == "billing"
    bench.until(lambda: bench.row(ref).status == "paid" or None)


# --- webhooks ---


def told(bench, ref):
    bench.get("/_lab/idle", timeout=3)
    return [notice for reference, _, notice in bench.book.notices if reference == ref.processor_data["invoice_id"]]


def test_webhooks_tell_each_change_and_money_only_after_multicard_confirmed_it(bench):
    ref = bench.paid()
    outcomes = [notice.outcome for notice in told(bench, ref)]
    assert outcomes[:2] in ([Outcome.PENDING, Outcome.PROCESSING], [Outcome.PROCESSING, Outcome.PENDING])
    captured = told(bench, ref)[-1]
    assert (captured.outcome, captured.money, captured.reference) == (Outcome.CAPTURED, ref.money, ref.reference)
    assert captured.processor_ref == ""  # a webhook does not know the invoice
    assert captured.processor_data["payment_uuid"] == bench.row(ref).paid_by


def test_a_refund_in_the_cabinet_is_told_as_a_refund(bench):
    ref = bench.paid()
    bench.post(f"/_lab/multicard/payments/{bench.row(ref).paid_by}/refund")
    notice = bench.until(lambda: next((n for n in told(bench, ref) if isinstance(n, RefundReport)), None))
    assert (notice.outcome, notice.money, notice.reference) == (RefundOutcome.SUCCEEDED, ref.money, "")
    assert notice.payment_processor_ref == bench.row(ref).paid_by
    assert notice.processor_ref == f"{bench.row(ref).paid_by}/revert"


def test_a_webhook_that_comes_late_tells_what_is_true_now(bench):
    """`success` arrives after the money went back: it must not read as a payment."""
    bench.order("late", match={"event": "success"}, seconds=0.2)
    ref = bench.paid()
    bench.post(f"/_lab/multicard/payments/{bench.row(ref).paid_by}/refund")
    bench.until(lambda: sum(isinstance(n, RefundReport) for n in told(bench, ref)) == 2 or None)
    assert not any(isinstance(n, PaymentReport) and n.outcome is Outcome.CAPTURED for n in told(bench, ref))


def test_the_amount_of_a_webhook_is_not_believed_but_looked_up(bench):
    bench.order("wrong_amount", match={"event": "success"})
    ref = bench.paid()
    bench.until(lambda: [n for n in told(bench, ref) if n.outcome is Outcome.CAPTURED] or None)
    assert told(bench, ref)[-1].money == ref.money


@pytest.mark.parametrize("kind", ["forged", "unknown_reference", "other_mode"])
def test_bent_webhooks_tell_nothing(bench, kind):
    bench.order(kind, match={"event": "success"})
    ref = bench.paid()
    time.sleep(0.1)
    assert [n for n in told(bench, ref) if getattr(n, "outcome", None) is Outcome.CAPTURED] == []


def test_a_webhook_is_asked_to_come_again_while_multicard_cannot_be_asked(bench):
    bench.order("503", match={"operation": "payments.retrieve"})
    ref = bench.paid()
    bench.until(lambda: [n for n in told(bench, ref) if n.outcome is Outcome.CAPTURED] or None)
    sent = bench.get("/_lab/multicard/callbacks", event="success").json()["callbacks"][0]
    assert [attempt["status"] for attempt in sent["attempts"]] == [500, 200]


# --- the lab itself ---


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": "1500000"}, "amount"),
        ({"amount": True}, "amount"),
        ({"store_id": "6"}, "store_id"),
        ({"store_id": 7}, "store_id"),
        ({"invoice_id": 1042}, "invoice_id"),
        ({"invoice_id": ""}, "invoice_id"),
        ({"callback_url": "ftp://x"}, "callback_url"),
        ({"ofd": []}, "ofd"),
        ({"ofd": [{"qty": 1.0}]}, "ofd.qty"),
        ({"lang": "de"}, "lang"),
        ({"ttl": 0}, "ttl"),
        ({"return_url": "javascript:1"}, "return_url"),
    ],
)
def test_the_lab_takes_only_what_multicard_takes(bench, changed, words):
    bench.open()
    good = bench.requests_of("invoices.create")[0]["params"]
    token = requests.post(
        f"{bench.url}/multicard/auth", json={"application_id": "rhmt_test", "secret": SECRET}, timeout=5
    ).json()
    headers = {"Authorization": f"Bearer {token['token']}"}
    answer = requests.post(
        f"{bench.url}/multicard/payment/invoice", json={**good, **changed}, headers=headers, timeout=5
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "ERROR_FIELDS" and words in answer.json()["error"]["details"]


def test_the_labs_token_has_the_shapes_of_multicard(bench):
    url = f"{bench.url}/multicard"
    good = requests.post(f"{url}/auth", json={"application_id": "rhmt_test", "secret": SECRET}, timeout=5).json()
    assert sorted(good) == ["expiry", "role", "token"]
    expiry = datetime.strptime(good["expiry"], "%Y-%m-%d %H:%M:%S")
    in_tashkent = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=29)
    assert abs(expiry - in_tashkent) < timedelta(minutes=1)
    bad = requests.post(f"{url}/auth", json={"application_id": "rhmt_test", "secret": "x"}, timeout=5)
    assert bad.status_code == 400 and bad.json()["errors"][0]["message"][0]["field"] == "secret"
    plain = requests.get(f"{url}/payment/x", headers={"X-Access-Token": good["token"]}, timeout=5)
    assert (plain.status_code, plain.text) == (403, "RBAC: access denied")
    assert requests.get(f"{url}/payment/x", headers={"Authorization": "Bearer x"}, timeout=5).status_code == 401


def test_a_lab_that_was_killed_goes_on_where_it_was(tmp_path):
    book = multicard_book.Book()
    url, stop = multicard_book.serve(book)
    state, settings = tmp_path / "lab.jsonl", Settings(retry_ladder=[0.05])
    account = {"multicard": [CREDENTIALS]}
    first = serve(settings=settings, state_file=state, accounts=account)
    bench = Bench(first, book, url)
    ref, _ = bench.open()
    first.lab.settings.settle_seconds = 600
    bench.act(ref, "delay")
    row = first.lab.rooms["multicard"].world.payments.newest()[0]
    row.waits_until = time.time()
    first.lab.rooms["multicard"].world.payments.save(row)
    first.stop()
    second = serve(settings=settings, state_file=state)
    try:
        Bench(second, book, url).until(lambda: book.orders[ref.processor_data["invoice_id"]].status == "paid" or None)
    finally:
        second.stop()
        stop()


def test_an_emptied_lab_forgets_all_but_its_cash_desks(bench):
    ref = bench.paid()
    bench.post("/_lab/reset")
    assert bench.get("/_lab/multicard/payments").json() == {"payments": []}
    assert len(bench.get("/_lab/multicard/accounts").json()["accounts"]) == 1
    assert SECRET not in bench.get("/_lab/multicard/accounts").text
    assert bench.adapter.ask_payment(PaymentRef("x", "", ref.money, ref.created_at)) is None


# --- the scenarios ---


@pytest.mark.parametrize(("is_doubled", "threads"), [(False, 1), (True, 1), (False, 10)])
def test_every_scenario_passes(bench, is_doubled, threads):
    target = Target(
        {"": bench.callback_url},
        CREDENTIALS,
        bench.book.new_order,
        bench.book.ended_order,
        is_doubled=is_doubled,
    )
    scenarios = certify(certify_multicard.run, target, threads=threads)
    assert all(one.passed for one in scenarios), table(scenarios)
    assert total(scenarios) == "22 of 22 (official 0 of 0, ours 22 of 22)"


def test_the_scenarios_find_an_endpoint_that_believes_everything(bench):
    bench.book.answer = lambda callback: Reply(200, b'{"success":true}')
    target = Target({"": bench.callback_url}, CREDENTIALS, bench.book.new_order, bench.book.ended_order)
    failed = [one.name for one in certify(certify_multicard.run, target) if not one.passed]
    assert len(failed) >= 14
    assert "A wrong or missing signature is refused, and changes nothing" in failed
