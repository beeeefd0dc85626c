"""Uzum Bank in the lab, and the scored list, against a small seller over HTTP: the app, polls, refunds, faults."""

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import requests

from gateway.adapter import AdapterConfig
from gateway.adapters.uzum import PROCESSOR, words, writing
from gateway.certify import score, uzum
from gateway.money import Money
from gateway.questions import State
from gateway.simulators.config import Settings
from gateway.simulators.server import serve
from gateway.simulators.uzum.app import number_in
from gateway.simulators.uzum.dialogue import amount_in
from gateway.simulators.uzum.strict import Heard, read, repeat_faults
from gateway.types import Mode, PaymentRequest
from tests.gateway import uzum_book

pytestmark = pytest.mark.once
ACCOUNT = uzum_book.ACCOUNT
SERVICE = ACCOUNT["serviceId"]
STEPS = ["check", "create", "confirm"]


class Bench:
    """The lab, the seller's book, and what a buyer does between them."""

    def __init__(self, book, url, running):
        self.book = book
        self.callback_url = url
        self.lab = running
        self.app = f"{running.base_url}/uzum"
        self.door = f"{running.base_url}/_lab/uzum"

    def actions(self, order, **changes):
        adapter = PROCESSOR.build(AdapterConfig(Mode.TEST, self.app, ACCOUNT))
        request = PaymentRequest(
            "pay-1", order.reference, Money(order.amount_minor, "UZS"), "", "http://shop.test/b?t=1"
        )
        return adapter.create_payment(replace(request, **changes)).next_action

    def choose(self, order, outcome="approve", **changes):
        url = self.actions(order, **changes).url
        return requests.post(url, data={"outcome": outcome}, allow_redirects=False, timeout=5)

    def order(self, kind, **more):
        answer = requests.post(f"{self.lab.base_url}/_lab/faults", json={"kind": kind, **more}, timeout=5)
        assert answer.status_code == 201, answer.text

    def strikes(self, kind, endpoint, **more):
        self.order(kind, match={"operation": endpoint}, **more)

    def payment(self, order):
        return self.get("payments", order_id=order.reference)["payments"][0]

    def act(self, payment, outcome):
        answer = requests.post(f"{self.door}/payments/{payment['id']}/act", json={"outcome": outcome}, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()["payment"]

    def get(self, what, **params):
        return requests.get(f"{self.door}/{what}", params=params, timeout=5).json()

    def calls(self, **wanted):
        """Oldest first."""
        return self.get("calls", **wanted)["calls"][::-1]

    def asked(self, payment):
        return [call["endpoint"] for call in self.calls(payment=payment["id"])]

    def settled(self, order, status):
        """The payment once it has this status; nobody is talking any more."""
        until = time.monotonic() + 3
        while time.monotonic() < until:
            if self.get("idle")["idle"] and (row := self.payment(order))["status"] == status and not row["plan"]:
                return row
            time.sleep(0.01)
        raise AssertionError(self.payment(order))

    def state(self, order):
        rows = [row for row in self.book.transactions.values() if row.reference == order.reference]
        return self.book.orders[order.reference].status, rows[-1].state if rows else None


@pytest.fixture
def bench():
    book = uzum_book.Book()
    url, stop = uzum_book.serve(book)
    running = serve(
        settings=Settings(settle_seconds=0.15, callback_timeout_seconds=1, retry_ladder=[0.02, 0.02, 0.02]),
        accounts={"uzum": [{**ACCOUNT, "callback_url": url, "name": "Lab shop"}]},
    )
    yield Bench(book, url, running)
    running.stop()
    stop()


class TestTheBuyer:
    def test_the_app_asks_for_the_number_and_finds_the_order_whatever_was_pasted(self, bench):
        order = bench.book.new_order(1_234_567)
        home = requests.get(f"{bench.app}/", timeout=5)
        assert home.status_code == 200 and 'name="order"' in home.text and "Lab shop" in home.text
        actions = bench.actions(order)
        for typed in (order.reference, f"  {order.reference} ", actions.mobile_url, actions.url):
            page = requests.get(f"{bench.app}/pay", params={"order": typed}, timeout=5)
            assert page.status_code == 200, page.text
            assert "12\N{NO-BREAK SPACE}345.67" in page.text and order.reference in page.text
            for outcome in ("approve", "decline", "delay"):
                assert f'name="outcome" value="{outcome}"' in page.text
        assert {call["endpoint"] for call in bench.calls()} == {"check"}
        assert bench.state(order) == ("open", None)

    def test_the_deeplink_alone_is_enough_to_pay(self, bench):
        order = bench.book.new_order()
        scanned = bench.actions(order).mobile_url
        answer = requests.post(
            f"{bench.app}/pay", params={"order": scanned}, data={"outcome": "approve"}, allow_redirects=False, timeout=5
        )
        receipt = requests.get(answer.headers["Location"], timeout=5)
        assert (answer.status_code, "Payment made" in receipt.text) == (303, True)
        assert bench.state(order) == ("paid", State.PERFORMED)
        assert bench.payment(order)["amount"] == 1_500_000  # from what /check showed

    def test_approve_by_the_web_link_checks_creates_confirms_and_returns(self, bench):
        order = bench.book.new_order()
        answer = bench.choose(order)
        assert (answer.status_code, answer.headers["Location"]) == (303, "http://shop.test/b?t=1")
        paid = bench.settled(order, "paid")
        assert bench.asked(paid) == STEPS
        assert (paid["state"], paid["violations"], paid["error"]) == ("CONFIRMED", [], None)
        assert bench.state(order) == ("paid", State.PERFORMED)
        assert {len(str(paid["trans_time"])), len(str(paid["confirm_time"]))} == {13}

    def test_a_number_of_digits_may_travel_under_any_attribute(self, bench):
        bench.book.has_digits = True
        order = bench.book.new_order()
        body = {"order": order.reference, "serviceId": SERVICE, "attribute": "account", "outcome": "approve"}
        made = requests.post(f"{bench.door}/payments", json=body, timeout=5).json()["payment"]
        assert (made["status"], made["violations"]) == ("paid", [])

    def test_decline_gives_the_reservation_back(self, bench):
        order = bench.book.new_order()
        assert bench.choose(order, "decline").headers["Location"] == "http://shop.test/b?t=1"
        declined = bench.settled(order, "declined")
        assert (declined["state"], bench.asked(declined)) == ("REVERSED", ["check", "create", "reverse"])
        assert bench.state(order) == ("open", State.CANCELLED)
        assert bench.act(declined, "status")["violations"] == []
        assert bench.choose(order).status_code == 303  # and the buyer may try again
        assert bench.state(order) == ("paid", State.PERFORMED)

    def test_delay_confirms_a_little_later(self, bench):
        order = bench.book.new_order()
        bench.choose(order, "delay")
        assert bench.state(order) == ("open", State.CREATED)
        bench.settled(order, "paid")
        assert bench.state(order) == ("paid", State.PERFORMED)

    def test_after_our_cancel_the_late_confirm_is_refused_and_the_money_goes_back(self, bench):
        order = bench.book.new_order()
        bench.choose(order, "delay")
        bench.book.end_reservation(order.reference)
        back = bench.settled(order, "returned")
        assert (back["state"], back["is_debited"], back["violations"]) == ("FAILED", False, [])
        assert bench.asked(back) == ["check", "create", "confirm", "status"]
        assert [call["code"] for call in bench.calls(payment=back["id"])][2:] == ["10015", "10015"]
        assert bench.state(order) == ("ended", State.CANCELLED)

    @pytest.mark.parametrize(("status", "code"), [("paid", "10008"), ("ended", "10009")])
    def test_an_order_that_cannot_be_paid_is_said_so_in_the_app(self, bench, status, code):
        order = bench.book.new_order(status=status)
        for page in (requests.get(bench.actions(order).url, timeout=5), bench.choose(order)):
            assert (page.status_code, f"({code})" in page.text) == (409, True)
        assert "http://shop.test/b?t=1" in page.text

    def test_an_unknown_order_and_another_amount(self, bench):
        page = requests.get(f"{bench.app}/pay?order=nothing", timeout=5)
        assert (page.status_code, "(10007)" in page.text) == (409, True)
        order = bench.book.new_order()
        assert "(10011)" in bench.choose(replace_amount(order)).text
        assert bench.state(order) == ("open", None)

    @pytest.mark.parametrize("fault", ["fault", (502, "text/html", b"<html>"), (200, "", b"{}"), (401, "", b"")])
    def test_a_seller_that_does_not_work_is_said_so_in_the_app(self, bench, fault):
        bench.book.faults.append(fault)
        page = bench.choose(bench.book.new_order())
        assert (page.status_code, "not available" in page.text) == (409, True)

    @pytest.mark.parametrize(
        "query",
        [
            "serviceId=1&order_id=1",
            f"serviceId={SERVICE}",
            f"serviceId={SERVICE}&order_id=1&account=1",
            f"serviceId={SERVICE}&order_id=1&amount=5.5",
            f"serviceId={SERVICE}&order_id=1&amount=0",
            f"serviceId={SERVICE}&order_id=1&redirectUrl=javascript:x",
            f"serviceId={SERVICE}&order_id=1&colour=1",
            "order_id=1",
        ],
    )
    def test_a_link_the_bank_could_not_read(self, bench, query):
        assert requests.get(f"{bench.app}/open-service?{query}", timeout=5).status_code == 404
        assert bench.calls() == []

    def test_another_sites_page_cannot_pay(self, bench):
        url = bench.actions(bench.book.new_order()).url
        answer = requests.post(url, data={"outcome": "approve"}, headers={"Origin": "https://evil.test"}, timeout=5)
        assert answer.status_code == 403
        assert requests.post(url, data={"outcome": "steal"}, timeout=5).status_code == 400
        assert bench.calls() == []

    def test_of_two_services_the_one_that_knows_the_order_is_found(self, bench):
        other = uzum_book.Book(accounts=[{**ACCOUNT, "serviceId": "7"}])
        url, stop = uzum_book.serve(other)
        row = {**ACCOUNT, "serviceId": "7", "callback_url": url, "name": "Other shop"}
        requests.post(f"{bench.door}/accounts", json=row, timeout=5)
        order = other.new_order()
        page = requests.get(f"{bench.app}/pay?order={order.reference}", timeout=5)
        stop()
        assert "Other shop" in page.text


def replace_amount(order):
    return replace(order, amount_minor=order.amount_minor + 1)


class TestTheBank:
    def test_a_refund_starts_at_the_bank_and_a_second_one_hears_already(self, bench):
        order = bench.book.new_order()
        bench.choose(order)
        refunded = bench.act(bench.settled(order, "paid"), "refund")
        assert (refunded["status"], refunded["state"], refunded["violations"]) == ("refunded", "REVERSED", [])
        assert bench.state(order) == ("ended", State.REVERSED)
        assert bench.act(refunded, "reverse")["error"]["code"] == "10018"
        assert bench.act(refunded, "confirm")["error"]["code"] == "10015"
        assert bench.act(refunded, "status")["violations"] == []

    def test_a_refund_the_seller_refuses_changes_nothing(self, bench):
        order = bench.book.new_order()
        bench.choose(order)
        bench.book.orders[order.reference].status = "delivered"
        paid = bench.act(bench.settled(order, "paid"), "refund")
        assert (paid["status"], paid["state"], paid["error"]["code"]) == ("paid", "CONFIRMED", "10017")

    def test_only_what_was_confirmed_can_be_refunded(self, bench):
        order = bench.book.new_order()
        bench.choose(order, "decline")
        path = f"{bench.door}/payments/{bench.payment(order)['id']}/act"
        assert requests.post(path, json={"outcome": "refund"}, timeout=5).status_code == 409

    def test_an_abandoned_reservation_runs_out_after_thirty_minutes(self, bench):
        order = bench.book.new_order()
        made = requests.post(f"{bench.door}/payments", json={"order": order.reference, "outcome": "abandon"}, timeout=5)
        assert (made.status_code, made.json()["payment"]["status"]) == (201, "reserved")
        bench.book.skew = timedelta(minutes=30)
        bench.act(made.json()["payment"], "confirm")
        back = bench.settled(order, "returned")
        assert [call["code"] for call in bench.calls(payment=back["id"])][2:] == ["10015", "10015"]
        assert bench.state(order)[1] is State.CANCELLED
        bench.book.skew = timedelta()
        assert bench.choose(order).status_code == 303

    def test_doors_that_are_asked_nonsense(self, bench):
        good = {**ACCOUNT, "callback_url": bench.callback_url}
        for path, body, status in (
            ("accounts", {"serviceId": "5"}, 400),
            ("accounts", {**good, "serviceId": "five"}, 400),
            ("accounts", {**good, "callback_url": "https://shop.example/"}, 400),
            ("accounts", {**good, "colour": 1}, 400),
            ("payments", {}, 400),
            ("payments", {"order": "1", "outcome": "dance"}, 400),
            ("payments", {"order": "1", "serviceId": "77"}, 404),
            ("payments/none/act", {"outcome": "confirm"}, 404),
            ("payments/none/act", {"outcome": "dance"}, 400),
        ):
            assert requests.post(f"{bench.door}/{path}", json=body, timeout=5).status_code == status, path

    def test_the_password_is_shown_nowhere(self, bench):
        bench.choose(bench.book.new_order())
        shown = "".join(
            requests.get(f"{bench.door}/{path}", headers={"Accept": "text/html"}, timeout=5).text
            for path in ("", "accounts", "payments", "calls", "requests")
        )
        assert SERVICE in shown and ACCOUNT["password"] not in shown

    def test_a_lab_that_was_stopped_goes_on_with_what_was_under_way(self, bench, tmp_path):
        account = {**ACCOUNT, "callback_url": bench.callback_url}
        order = bench.book.new_order()
        settings = Settings(settle_seconds=0.2, callback_timeout_seconds=1, retry_ladder=[0.02])
        first = serve(settings=settings, state_file=tmp_path / "lab.jsonl", accounts={"uzum": [account]})
        body = {"order": order.reference, "outcome": "delay"}
        made = requests.post(f"{first.base_url}/_lab/uzum/payments", json=body, timeout=5).json()["payment"]
        first.stop()
        assert made["status"] == "waiting"
        second = serve(settings=settings, state_file=tmp_path / "lab.jsonl")
        until = time.monotonic() + 3
        while bench.state(order)[0] != "paid" and time.monotonic() < until:
            time.sleep(0.01)
        second.stop()
        assert bench.state(order) == ("paid", State.PERFORMED)


class TestTheFaults:
    @pytest.mark.parametrize("endpoint", STEPS)
    @pytest.mark.parametrize("kind", ["duplicate", "reply_lost", "late", "reorder"])
    def test_repeated_lost_late_and_reordered_calls_end_in_one_payment(self, bench, kind, endpoint):
        order = bench.book.new_order()
        bench.strikes(kind, endpoint, seconds=0.05)
        bench.choose(order)
        paid = bench.settled(order, "paid")
        assert paid["violations"] == []
        assert bench.state(order) == ("paid", State.PERFORMED)
        assert len(bench.book.transactions) == 1

    def test_a_lost_reply_to_confirm_is_cleared_up_by_status(self, bench):
        order = bench.book.new_order()
        bench.strikes("reply_lost", "confirm")
        bench.choose(order)
        paid = bench.settled(order, "paid")
        assert bench.asked(paid) == [*STEPS, "status"]
        assert paid["confirm_time"] > 0

    def test_a_lost_reply_to_create_hears_that_it_exists(self, bench):
        order = bench.book.new_order()
        bench.strikes("reply_lost", "create")
        bench.choose(order)
        paid = bench.settled(order, "paid")
        assert bench.asked(paid) == ["check", "create", "create", "status", "confirm"]

    @pytest.mark.parametrize("kind", ["duplicate", "reply_lost"])
    def test_a_reverse_sent_twice_refunds_once(self, bench, kind):
        order = bench.book.new_order()
        bench.choose(order)
        paid = bench.settled(order, "paid")
        bench.strikes(kind, "reverse")
        bench.act(paid, "refund")
        refunded = bench.settled(order, "refunded")
        assert (refunded["violations"], bench.asked(refunded)[3:]) == ([], ["reverse", "reverse"])

    @pytest.mark.parametrize(
        ("kind", "endpoint", "code"),
        [("forged", endpoint, "10001") for endpoint in STEPS]
        + [("other_mode", "create", "10001"), ("wrong_amount", "create", "10011")]
        + [("unknown_reference", "check", "10007"), ("unknown_reference", "create", "10007")]
        + [("unknown_reference", "confirm", "10014")],
    )
    @pytest.mark.parametrize("also_true", [False, True])
    def test_bent_calls_are_refused_and_the_true_ones_still_work(self, bench, kind, endpoint, code, also_true):
        order = bench.book.new_order()
        bench.strikes(kind, endpoint, also_true=also_true)
        bench.choose(order)
        if also_true:
            assert bench.settled(order, "paid")["violations"] == []
            assert bench.state(order) == ("paid", State.PERFORMED)
            return
        bent = bench.payment(order)
        assert (bent["error"]["code"], bent["violations"]) == (code, [])
        assert bench.state(order) == ("open", State.CREATED if endpoint == "confirm" else None)

    def test_no_call_at_all(self, bench):
        order = bench.book.new_order()
        bench.strikes("drop", "check")
        assert bench.choose(order).headers["Location"] == "http://shop.test/b?t=1"
        assert bench.settled(order, "silent")["state"] == ""
        assert bench.calls() == []

    def test_a_fault_strikes_only_its_order(self, bench):
        mine, other = bench.book.new_order(), bench.book.new_order()
        bench.order("drop", match={"metadata": {"order_id": mine.reference}})
        bench.choose(other)
        bench.choose(mine)
        assert bench.state(other) == ("paid", State.PERFORMED)
        assert bench.state(mine) == ("open", None)

    def test_the_browser_arrives_before_the_confirm_when_ordered(self, bench):
        order = bench.book.new_order()
        bench.order("return_before_callback", seconds=0.1)
        assert bench.choose(order).status_code == 303
        assert bench.state(order) == ("open", State.CREATED)
        bench.settled(order, "paid")

    def test_a_create_that_is_not_answered_is_asked_again_until_it_is(self, bench):
        order = bench.book.new_order()
        bench.book.faults += [None, "fault", (502, "text/html", b"bad gateway"), (200, "application/json", b"{")]
        bench.choose(order)
        paid = bench.settled(order, "paid")
        assert bench.asked(paid).count("create") == 4
        assert bench.state(order) == ("paid", State.PERFORMED)

    def test_a_confirm_that_fails_is_polled_ten_times_and_then_left_to_people(self, bench):
        order = bench.book.new_order()
        bench.book.faults += [None, None, "fault"]
        bench.choose(order)
        left = bench.settled(order, "manual")
        assert bench.asked(left) == [*STEPS, *["status"] * 10]
        assert (left["state"], left["is_debited"]) == ("CREATED", True)
        bench.act(left, "confirm")
        bench.settled(order, "paid")
        assert bench.state(order) == ("paid", State.PERFORMED)

    def test_a_status_that_is_not_answered_is_asked_again(self, bench):
        order = bench.book.new_order()
        bench.strikes("reply_lost", "confirm")
        bench.book.faults += [None, None, None, "fault", (500, "text/html", b"oops")]
        bench.choose(order)
        paid = bench.settled(order, "paid")
        assert bench.asked(paid) == [*STEPS, "status", "status", "status"]
        assert "not JSON" in "; ".join(paid["violations"])


TRANS = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
SENT = {
    "serviceId": 101,
    "timestamp": 1735787045000,
    "transId": TRANS,
    "amount": 500,
    "params": {"order_id": "1"},
}
CREATED = {"serviceId": 101, "transId": TRANS, "status": "CREATED", "transTime": 1735787045000, "amount": 500}
STANDING = {**CREATED, "confirmTime": None, "reverseTime": None}
CHECKED = {"serviceId": 101, "timestamp": 1735787045000, "status": "OK"}
FAILED = {"serviceId": 101, "transId": TRANS, "status": "FAILED", "transTime": 1735787045000, "errorCode": "10011"}


class TestItsStrictEye:
    """Each untruth of a seller is named; the lab rewrites nothing to make it fit."""

    def test_what_is_right_is_no_violation(self):
        for endpoint, status, body in (
            ("check", 200, CHECKED),
            ("check", 200, {**CHECKED, "data": {"fio": {"value": "x"}}}),
            ("create", 200, CREATED),
            ("status", 200, STANDING),
            ("create", 400, FAILED),
            ("create", 400, {"errorCode": "10011"}),
            ("confirm", 500, {"errorCode": "99999"}),
        ):
            assert heard(endpoint, status, body).violations == []

    @pytest.mark.parametrize(
        ("endpoint", "status", "body", "words"),
        [
            ("check", 200, {**CHECKED, "serviceId": "101"}, "serviceId is '101'"),
            ("check", 200, {**CHECKED, "timestamp": 1735787045}, "timestamp is no time"),
            ("check", 200, {**CHECKED, "status": "ok"}, "status is 'ok'"),
            ("check", 200, {**CHECKED, "data": {"fio": "x"}}, "data.fio"),
            ("check", 200, {**CHECKED, "data": {"sum": {"value": 5}}}, "data.sum"),
            ("check", 200, {**CHECKED, "data": []}, "data is no object"),
            ("check", 200, {**CHECKED, "errorCode": "0"}, "has an errorCode"),
            ("create", 200, {**CREATED, "amount": 5}, "amount is 5 instead of 500"),
            ("create", 200, {**CREATED, "amount": "500"}, "amount is '500'"),
            ("create", 200, {**CREATED, "transId": "x"}, "transId is 'x'"),
            ("create", 200, {k: v for k, v in CREATED.items() if k != "transTime"}, "transTime is no time"),
            ("create", 200, {**CREATED, "status": "OK"}, "status is 'OK'"),
            ("status", 200, CREATED, "confirmTime is missing"),
            ("status", 200, {**STANDING, "reverseTime": 0}, "reverseTime is neither"),
            ("status", 200, {**STANDING, "status": "CONFIRMED"}, "own time alone"),
            ("status", 200, {**STANDING, "status": "REVERSED"}, "no reverseTime"),
            ("status", 200, {**STANDING, "status": "FAILED"}, "status is 'FAILED'"),
            ("create", 400, {**FAILED, "errorCode": 10011}, "errorCode is 10011, not text"),
            ("create", 400, {**FAILED, "errorCode": "10014"}, "10014 is no answer to /create"),
            ("confirm", 400, {**FAILED, "errorCode": "10006"}, "10006 is no answer to /confirm"),
            ("create", 400, {**FAILED, "status": "ERROR"}, "status of a failure"),
            ("create", 400, {**FAILED, "transTime": 1735787045}, "transTime is no time"),
            ("create", 500, FAILED, "HTTP 500 with 10011"),
            ("create", 401, FAILED, "HTTP 401"),
            ("create", 302, FAILED, "HTTP 302"),
            ("create", 200, [], "no JSON object"),
        ],
    )
    def test_an_answer_that_is_not_to_the_letter(self, endpoint, status, body, words):
        found = heard(endpoint, status, body)
        assert words in "; ".join(found.violations)
        assert (found.body, found.code, found.asks_again) == (None, "", True)

    def test_a_repeat_has_to_hear_already(self):
        done, refused = heard("create", 200, CREATED), heard("create", 400, FAILED)
        already = heard("create", 400, {**FAILED, "errorCode": "10010"})
        assert repeat_faults("create", done, already) == []
        assert repeat_faults("create", refused, refused) == []
        assert repeat_faults("create", done, done) == ["/create sent again: CREATED instead of 10010"]
        assert repeat_faults("create", refused, done) and repeat_faults("create", done, refused)
        assert repeat_faults("create", done, Heard()) == []

    def test_a_violation_is_shown_in_json_and_page(self, bench):
        order = bench.book.new_order()
        bench.book.faults.append((200, "application/json", json.dumps(CHECKED).encode()))
        bench.choose(order)
        words = "serviceId is 101 instead of 498624"
        assert words in bench.payment(order)["violations"][0]
        assert words in bench.calls()[0]["violations"][0]
        assert words in requests.get(f"{bench.door}/", timeout=5).text

    def test_a_confirm_of_what_was_over_is_a_violation(self, bench):
        order = bench.book.new_order()
        bench.choose(order, "decline")
        declined = bench.settled(order, "declined")
        row = bench.book.transactions[declined["id"]]
        bench.book.keep(replace(row, state=State.CREATED, cancelled_at=None))
        found = bench.act(declined, "confirm")
        assert "CONFIRMED after REVERSED" in "; ".join(found["violations"])
        assert found["state"] == "REVERSED"

    @pytest.mark.parametrize(
        ("shown", "tiyin"),
        [("15000.00", 1_500_000), ("0.01", 1), ("4.35", 435), ("19.99", 1999), ("1", 100)]
        + [("1.001", 0), ("-5", 0), ("NaN", 0), ("Infinity", 0), ("x", 0), ("", 0), ("1e30", 0)],
    )
    def test_the_amount_shown_is_read_to_the_tiyin(self, shown, tiyin):
        assert amount_in({"amount": {"value": shown}}) == tiyin
        assert amount_in(None) == amount_in({"amount": shown}) == 0

    def test_the_number_in_what_was_pasted(self):
        assert number_in(" a-1 ") == "a-1"
        assert number_in("uzum://pay?order=a%2D1") == "a-1"
        assert number_in("https://www.uzumbank.uz/open-service?serviceId=1&account=77&amount=5") == "77"
        assert number_in("https://shop.test/") == ""


def heard(endpoint, status, body):
    return read(status, "application/json", json.dumps(body), endpoint, SENT)


class TestTheScore:
    def target(self, book, url, **how):
        return score.Target({"": url}, ACCOUNT, book.new_order, book.ended_order, **how)

    @pytest.mark.parametrize("has_digits", [False, True])
    @pytest.mark.parametrize(("is_doubled", "threads"), [(False, 1), (True, 1), (True, 4)])
    def test_every_scenario_passes_also_doubled_and_by_several_at_once(self, bench, has_digits, is_doubled, threads):
        book = bench.book
        book.has_digits = has_digits
        target = self.target(
            book,
            bench.callback_url,
            is_doubled=is_doubled,
            cancel_order=lambda order: book.end_reservation(order.reference),
        )
        done = score.certify(uzum.run, target, threads=threads)
        assert [one for one in done if not one.passed] == []
        assert score.total(done) == "43 of 43 (official 22 of 22, ours 21 of 21)"

    def test_what_the_target_cannot_give_is_left_out(self, bench):
        target = score.Target({"": bench.callback_url}, ACCOUNT, bench.book.new_order)
        done = list(uzum.run(target))
        assert (len(done), all(one.passed for one in done)) == (40, True)

    @pytest.mark.parametrize(
        ("module", "name", "value", "scenario"),
        [
            (words, "ALREADY", {}, "create with the same transId: 10010"),
            (words, "ALREADY", {}, "five equal calls at once: one does the work"),
            (words, "WRONG_SERVICE", "10007", "another serviceId in check and create: 10006"),
            (words, "MISSING", "10002", "a missing field: 10005"),
            (words, "ATTRIBUTES", ("order_id",), "`account` for `order_id`"),
            (words, "NOT_POST", "10001", "not POST: 10003"),
            (words, "TIMES", {words.Endpoint.CHECK: "serviceId"}, "unknown account in check and create: 10007"),
            (writing, "MILLISECOND", timedelta(seconds=1), "create: CREATED"),
            (writing, "STATES", dict.fromkeys(State, "CREATED"), "reply to confirm lost: status says CONFIRMED"),
        ],
    )
    def test_an_endpoint_that_is_wrong_loses_the_point(self, bench, monkeypatch, module, name, value, scenario):
        monkeypatch.setattr(module, name, value)
        failed = [one.name for one in uzum.run(self.target(bench.book, bench.callback_url)) if not one.passed]
        assert scenario in failed

    def test_an_endpoint_that_is_down_loses_them_all(self, bench):
        bench.book.faults += ["fault"] * 2000
        done = list(uzum.run(self.target(bench.book, bench.callback_url)))
        assert not any(one.passed for one in done)
        assert "HTTP status is 200 or 400" in done[0].detail
