"""Payme in the lab, and the scored list, both against a small seller over HTTP: buyers, repeats, refunds, faults."""

import base64
import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import requests

from gateway.adapter import AdapterConfig
from gateway.adapters.payme import PROCESSOR
from gateway.certify import payme, score
from gateway.money import Money
from gateway.questions import State
from gateway.simulators.config import Settings
from gateway.simulators.payme.strict import result_faults
from gateway.simulators.server import serve
from gateway.types import Mode, PaymentRequest
from tests.gateway import payme_book

pytestmark = pytest.mark.once
MERCHANT = "0123456789abcdef01234567"
BACK = "http://shop.test/back?t=1"
CHECK, CREATE, PERFORM, CANCEL, FISCAL = (
    "CheckPerformTransaction",
    "CreateTransaction",
    "PerformTransaction",
    "CancelTransaction",
    "SetFiscalData",
)
METHODS = [CHECK, CREATE, PERFORM]


class Bench:
    """The lab, the seller's book, and what a buyer does between them."""

    def __init__(self, book, url, running):
        self.book = book
        self.callback_url = url
        self.lab = running
        self.payme = f"{running.base_url}/payme"
        self.door = f"{running.base_url}/_lab/payme"

    def link(self, order, **changes):
        account = {"merchantId": MERCHANT, "key": payme_book.KEY}
        adapter = PROCESSOR.build(AdapterConfig(Mode.TEST, self.payme, account))
        request = PaymentRequest("pay-1", order.reference, Money(order.amount_minor, "UZS"), "", BACK, lang="uz")
        return adapter.create_payment(replace(request, **changes)).next_action.url

    def choose(self, order, outcome="approve", **changes):
        url = self.link(order, **changes)
        return requests.post(url, data={"outcome": outcome}, allow_redirects=False, timeout=5)

    def order(self, kind, **more):
        answer = requests.post(f"{self.lab.base_url}/_lab/faults", json={"kind": kind, **more}, timeout=5)
        assert answer.status_code == 201, answer.text

    def strikes(self, kind, method, **more):
        self.order(kind, match={"event": method}, **more)

    def payment(self, order):
        rows = self.get("payments", order_id=order.reference)["payments"]
        return rows[0]

    def act(self, payment, outcome, **more):
        answer = requests.post(
            f"{self.door}/payments/{payment['id']}/act", json={"outcome": outcome, **more}, timeout=5
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["payment"]

    def get(self, what, **params):
        return requests.get(f"{self.door}/{what}", params=params, timeout=5).json()

    def calls(self, **wanted):
        """Oldest first."""
        return self.get("calls", **wanted)["calls"][::-1]

    def asked(self, payment):
        return [call["method"] for call in self.calls(payment=payment["id"])]

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
    book = payme_book.Book()
    url, stop = payme_book.serve(book)
    running = serve(
        settings=Settings(settle_seconds=0.15, callback_timeout_seconds=1, retry_ladder=[0.03, 0.03, 0.03]),
        accounts={"payme": [{"merchantId": MERCHANT, "key": payme_book.KEY, "callback_url": url, "name": "Lab shop"}]},
    )
    yield Bench(book, url, running)
    running.stop()
    stop()


class TestTheBuyer:
    def test_the_page_shows_what_is_paid_and_offers_three_outcomes(self, bench):
        page = requests.get(bench.link(bench.book.new_order()), timeout=5)
        assert page.status_code == 200
        assert "15\N{NO-BREAK SPACE}000.00" in page.text and "Lab shop" in page.text and "simulator" in page.text
        for outcome in ("approve", "decline", "delay"):
            assert f'name="outcome" value="{outcome}"' in page.text
        assert bench.calls() == []

    def test_approve_checks_creates_performs_and_returns(self, bench):
        order = bench.book.new_order()
        answer = bench.choose(order)
        assert (answer.status_code, answer.headers["Location"]) == (303, BACK)
        assert bench.state(order) == ("paid", State.PERFORMED)
        paid = bench.settled(order, "paid")
        assert bench.asked(paid) == [CHECK, CREATE, PERFORM, FISCAL]
        assert (paid["state"], paid["violations"], paid["error"]) == (2, [], None)
        assert bench.book.receipts[paid["id"]]["receipt_id"] > 0
        assert {len(paid["id"]), len(str(paid["time"]))} == {24, 13}

    def test_decline_gives_the_reservation_back(self, bench):
        order = bench.book.new_order()
        assert bench.choose(order, "decline").headers["Location"] == BACK
        declined = bench.settled(order, "declined")
        assert (declined["state"], declined["reason"], bench.asked(declined)) == (-1, 2, [CHECK, CREATE, CANCEL])
        assert bench.state(order) == ("open", State.CANCELLED)
        assert bench.choose(order).status_code == 303  # and the buyer may try again
        assert bench.state(order) == ("paid", State.PERFORMED)

    def test_delay_performs_a_little_later(self, bench):
        order = bench.book.new_order()
        assert bench.choose(order, "delay").headers["Location"] == BACK
        assert bench.state(order) == ("open", State.CREATED)
        bench.settled(order, "paid")
        assert bench.state(order) == ("paid", State.PERFORMED)

    def test_after_our_cancel_the_late_perform_is_refused_and_the_money_goes_back(self, bench):
        order = bench.book.new_order()
        bench.choose(order, "delay")
        bench.book.end_reservation(order.reference)
        refused = bench.settled(order, "refused")
        assert (refused["state"], refused["error"]["code"], refused["violations"]) == (-1, -31008, [])
        assert bench.asked(refused) == [CHECK, CREATE, PERFORM, CANCEL]
        assert bench.state(order) == ("ended", State.CANCELLED)

    def test_an_order_that_is_paid_is_refused_on_the_page_in_the_buyers_language(self, bench):
        order = bench.book.new_order()
        bench.choose(order)
        page = bench.choose(order)
        assert (page.status_code, "(-31051)" in page.text) == (409, True)
        assert "Buyurtma uchun to‘lov qilingan" in page.text
        assert BACK in page.text

    @pytest.mark.parametrize(
        ("faults", "code"),
        [(["fault"], -31622), ([(500, "text/html", b"<html>")], -31623), ([(200, "", b"{}")], -31623)],
    )
    def test_a_seller_that_does_not_work_is_named_so_on_the_page(self, bench, faults, code):
        bench.book.faults += faults
        page = bench.choose(bench.book.new_order())
        assert (page.status_code, f"({code})" in page.text) == (409, True)

    def test_the_return_address_gets_its_placeholders_and_is_not_needed(self, bench):
        order = bench.book.new_order()
        text = f"m={MERCHANT};ac.order_id={order.reference};a=1500000;c=http://shop.test/:transaction/:account.order_id"
        url = f"{bench.payme}/{base64.b64encode(text.encode()).decode()}"
        answer = requests.post(url, data={"outcome": "approve"}, allow_redirects=False, timeout=5)
        assert answer.headers["Location"] == f"http://shop.test/{bench.payment(order)['id']}/{order.reference}"
        other = bench.book.new_order()
        receipt = requests.post(bench.link(other, return_url=""), data={"outcome": "approve"}, timeout=5)
        assert "Payment made" in receipt.text

    def test_slash_and_plus_of_the_alphabet_stay_raw_in_the_path(self, bench):
        order = bench.book.new_order()
        found = {}
        for tail in range(200):
            url = bench.link(order, return_url=f"{BACK}&x=~~~>>>???{tail}")
            encoded = url.removeprefix(f"{bench.payme}/")
            found |= {mark: url for mark in "/+" if mark in encoded}
        assert "/" in found
        for url in found.values():
            assert requests.get(url, timeout=5).status_code == 200

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("m=ffffffffffffffffffffffff;ac.order_id=1;a=5", -31601),
            (f"m={MERCHANT};a=5", -31610),
            (f"m={MERCHANT};ac.order_id=1", -31610),
            (f"m={MERCHANT};ac.order_id=1;a=5.5", -31610),
            (f"m={MERCHANT};ac.order_id=1;a=0", -31611),
            (f"m={MERCHANT};ac.order_id=1;a=5;l=de", -31610),
            (f"m={MERCHANT};ac.order_id=1;a=5;c=javascript:x", -31610),
            (f"m={MERCHANT};ac.order_id=1;a=5;a=6", -31610),
            (f"m={MERCHANT};ac.order_id=1;a=5;cr=840", -31610),
            (f"m={MERCHANT};ac.order_id=1;a=5;c=http://shop.test/a;b", -31610),
        ],
    )
    def test_a_link_payme_could_not_read_is_a_page_with_its_number(self, bench, text, code):
        page = requests.get(f"{bench.payme}/{base64.b64encode(text.encode()).decode()}", timeout=5)
        assert (page.status_code, f"({code})" in page.text) == (404, True)
        assert requests.get(f"{bench.payme}/nonsense", timeout=5).status_code == 404

    def test_another_sites_page_cannot_pay(self, bench):
        url = bench.link(bench.book.new_order())
        answer = requests.post(url, data={"outcome": "approve"}, headers={"Origin": "https://evil.test"}, timeout=5)
        assert answer.status_code == 403
        assert requests.post(url, data={"outcome": "steal"}, timeout=5).status_code == 400
        assert bench.calls() == []


class TestTheCabinet:
    def test_a_refund_ends_in_state_minus_two_and_is_repeated_the_same(self, bench):
        order = bench.book.new_order()
        bench.choose(order)
        refunded = bench.act(bench.settled(order, "paid"), "refund")
        assert (refunded["status"], refunded["state"], refunded["reason"]) == ("refunded", -2, 5)
        assert bench.act(refunded, "cancel", reason=3)["violations"] == []
        assert bench.act(refunded, "state")["violations"] == []
        assert bench.state(order) == ("ended", State.REVERSED)

    def test_a_refund_the_seller_refuses_changes_nothing(self, bench):
        order = bench.book.new_order()
        bench.choose(order)
        bench.book.orders[order.reference].status = "delivered"
        paid = bench.act(bench.settled(order, "paid"), "refund")
        assert (paid["status"], paid["state"], paid["error"]["code"]) == ("paid", 2, -31007)

    def test_only_what_was_paid_can_be_refunded(self, bench):
        order = bench.book.new_order()
        bench.choose(order, "decline")
        path = f"{bench.door}/payments/{bench.payment(order)['id']}/act"
        assert requests.post(path, json={"outcome": "refund"}, timeout=5).status_code == 409

    def test_an_abandoned_reservation_expires(self, bench):
        order = bench.book.new_order()
        body = {"merchantId": MERCHANT, "account": {"order_id": order.reference}, "amount": order.amount_minor}
        answer = requests.post(f"{bench.door}/payments", json={**body, "outcome": "abandon"}, timeout=5)
        assert (answer.status_code, answer.json()["payment"]["status"]) == (201, "created")
        bench.book.skew = timedelta(hours=12)
        ended = bench.act(answer.json()["payment"], "perform")
        assert (ended["state"], ended["error"]["code"], ended["violations"]) == (-1, -31008, [])

    def test_the_statement_agrees_with_the_labs_own_books(self, bench):
        orders = [bench.book.new_order() for _ in range(3)]
        for order, outcome in zip(orders, ("approve", "decline", "approve"), strict=True):
            bench.choose(order, outcome)
        bench.act(bench.settled(orders[0], "paid"), "refund")
        found = requests.post(f"{bench.door}/statement", json={"merchantId": MERCHANT}, timeout=5).json()
        assert [row["state"] for row in found["transactions"]] == [-2, -1, 2]
        assert found["violations"] == []
        bench.book.transactions.popitem()
        found = requests.post(f"{bench.door}/statement", json={"merchantId": MERCHANT}, timeout=5).json()
        assert len(found["violations"]) == 1 and "missing" in found["violations"][0]

    def test_doors_that_are_asked_nonsense(self, bench):
        for path, body, status in (
            ("accounts", {"merchantId": "x"}, 400),
            ("accounts", {"merchantId": "x", "key": "k", "callback_url": "https://shop.example/"}, 400),
            ("accounts", {"merchantId": "x", "key": "k", "callback_url": "http://127.0.0.1:1/", "colour": 1}, 400),
            ("payments", {"merchantId": MERCHANT}, 400),
            ("payments", {"merchantId": "nobody", "account": {"order_id": "1"}, "amount": 5}, 404),
            ("payments/none/act", {"outcome": "perform"}, 404),
            ("payments/none/act", {"outcome": "dance"}, 400),
            ("statement", {"merchantId": "nobody"}, 404),
        ):
            assert requests.post(f"{bench.door}/{path}", json=body, timeout=5).status_code == status, path

    def test_the_key_is_shown_nowhere(self, bench):
        bench.choose(bench.book.new_order())
        shown = "".join(
            requests.get(f"{bench.door}/{path}", headers={"Accept": "text/html"}, timeout=5).text
            for path in ("", "accounts", "payments", "calls")
        )
        assert MERCHANT in shown and payme_book.KEY not in shown


class TestTheFaults:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("kind", ["duplicate", "reply_lost", "late", "reorder"])
    def test_repeated_lost_late_and_reordered_calls_end_in_one_payment(self, bench, kind, method):
        order = bench.book.new_order()
        bench.strikes(kind, method, seconds=0.05)
        bench.choose(order)
        paid = bench.settled(order, "paid")
        assert paid["violations"] == []
        assert bench.state(order) == ("paid", State.PERFORMED)
        assert len(bench.book.transactions) == 1
        assert bench.asked(paid).count(method) == (2 if kind in ("duplicate", "reply_lost") else 1) or kind == "reorder"

    @pytest.mark.parametrize(
        ("kind", "method", "code"),
        [("forged", method, -32504) for method in METHODS]
        + [("other_mode", CREATE, -32504), ("wrong_amount", CHECK, -31001), ("wrong_amount", CREATE, -31001)]
        + [("unknown_reference", CHECK, -31050), ("unknown_reference", CREATE, -31050)]
        + [("unknown_reference", PERFORM, -31003), ("old_timestamp", CREATE, -31008)],
    )
    @pytest.mark.parametrize("also_true", [False, True])
    def test_bent_calls_are_refused_and_the_true_ones_still_work(self, bench, kind, method, code, also_true):
        order = bench.book.new_order()
        bench.strikes(kind, method, also_true=also_true)
        bench.choose(order)
        if also_true:
            assert bench.settled(order, "paid")["violations"] == []
            assert bench.state(order) == ("paid", State.PERFORMED)
            return
        bent = bench.payment(order)
        assert (bent["error"]["code"], bent["violations"]) == (code, [])
        assert bench.state(order) == ("open", State.CREATED if method == PERFORM else None)

    def test_no_call_at_all(self, bench):
        order = bench.book.new_order()
        bench.strikes("drop", CHECK)
        assert bench.choose(order).headers["Location"] == BACK
        assert bench.settled(order, "silent")["state"] == 0
        assert bench.calls() == []

    def test_a_fault_strikes_only_its_order(self, bench):
        mine, other = bench.book.new_order(), bench.book.new_order()
        bench.order("drop", match={"metadata": {"order_id": mine.reference}})
        bench.choose(other)
        bench.choose(mine)
        assert bench.state(other) == ("paid", State.PERFORMED)
        assert bench.state(mine) == ("open", None)

    def test_the_browser_arrives_before_the_perform_when_ordered(self, bench):
        order = bench.book.new_order()
        bench.order("return_before_callback", seconds=0.1)
        assert bench.choose(order).headers["Location"] == BACK
        assert bench.state(order) == ("open", State.CREATED)
        bench.settled(order, "paid")

    @pytest.mark.parametrize("method", [CREATE, PERFORM])
    def test_what_is_not_answered_is_asked_again_until_it_is(self, bench, method):
        order = bench.book.new_order()
        before = [None] * METHODS.index(method)
        bench.book.faults += [*before, "fault", (502, "text/html", b"bad gateway"), (200, "application/json", b"{")]
        bench.choose(order)
        paid = bench.settled(order, "paid")
        assert bench.asked(paid).count(method) == 4
        assert bench.state(order) == ("paid", State.PERFORMED)

    def test_a_seller_that_never_answers_is_left_to_people(self, bench):
        order = bench.book.new_order()
        bench.book.faults += [None, None, *["fault"] * 4]
        bench.choose(order)
        assert bench.settled(order, "manual")["state"] == 1
        bench.act(bench.payment(order), "perform")
        bench.settled(order, "paid")
        assert bench.state(order) == ("paid", State.PERFORMED)


def reply(**body):
    return (200, "application/json", json.dumps({"jsonrpc": "2.0", "id": 1, **body}).encode())


class TestItsStrictEye:
    """Each untruth of a seller is named; the lab rewrites nothing to make it fit."""

    @pytest.mark.parametrize(
        ("method", "result", "words"),
        [
            (CHECK, {"allow": "true"}, "allow is not true"),
            (CREATE, {"create_time": 1735787045, "transaction": "7", "state": 1}, "create_time is no time"),
            (CREATE, {"create_time": 1735787045000, "transaction": 7, "state": 1}, "transaction is no text"),
            (CREATE, {"create_time": 1735787045000, "transaction": "7", "state": 2}, "state is 2"),
            (CREATE, {"create_time": 1735787045000, "transaction": "7", "state": True}, "state is True"),
            (PERFORM, {"perform_time": 0, "transaction": "7", "state": 2}, "perform_time is no time"),
            (CHECK, {"allow": True, "detail": {"receipt_type": 0, "items": []}}, "detail is no receipt"),
        ],
    )
    def test_a_result_that_is_not_to_the_letter(self, method, result, words):
        sent = {"method": method, "params": {"amount": 5, "account": {"order_id": "1"}}}
        assert words in "; ".join(result_faults(result, sent))

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ((401, "text/html", b""), "HTTP 401"),
            ((302, "text/html", b""), "HTTP 302"),
            ((200, "text/html", b"{}"), "not JSON"),
            (reply(result={"allow": True}), "id is 1"),
            (reply(), "neither or both"),
            (reply(error={"code": "x"}), "no integer code"),
            (reply(error={"code": -31050, "message": "no"}), "message lacks"),
            (reply(error={"code": -31050, "message": {"ru": "a", "uz": "b", "en": "c"}}), "account field"),
            (reply(error={"code": -31003, "message": "no"}), "-31003 is no answer to CheckPerformTransaction"),
        ],
    )
    def test_an_answer_that_is_not_to_the_letter_is_a_violation_in_json_and_page(self, bench, answer, words):
        order = bench.book.new_order()
        bench.book.faults.append(answer)
        bench.choose(order)
        found = bench.payment(order)
        assert words in "; ".join(found["violations"])
        assert words in "; ".join(bench.calls()[0]["violations"])
        assert "violation" in requests.get(f"{bench.door}/", timeout=5).text

    def test_a_repeat_that_is_answered_otherwise_is_a_violation(self, bench):
        order = bench.book.new_order()
        decide = bench.book.decide

        def forgetful(question):
            answer = decide(question)
            if not getattr(answer, "is_repeat", False):
                return answer
            later = answer.snapshot.created_at + timedelta(milliseconds=1)
            return replace(answer, snapshot=replace(answer.snapshot, created_at=later))

        bench.book.decide = forgetful
        bench.strikes("duplicate", CREATE)
        bench.choose(order)
        assert any("otherwise" in text for text in bench.payment(order)["violations"])

    def test_a_seller_that_believes_a_forged_call_is_found_out(self, bench):
        bench.book.keys.append("somebody-elses-key-000000000000000000")
        order = bench.book.new_order()
        bench.strikes("forged", CHECK, also_true=True)
        bench.choose(order)
        assert "had to be refused with -32504" in bench.payment(order)["violations"][0]


class TestItsMemory:
    def test_a_payment_that_waits_goes_on_after_a_restart(self, tmp_path):
        book = payme_book.Book()
        url, stop = payme_book.serve(book)
        file = tmp_path / "lab.jsonl"
        account = {"merchantId": MERCHANT, "key": payme_book.KEY, "callback_url": url}
        first = serve(settings=Settings(settle_seconds=0.3), accounts={"payme": [account]}, state_file=file)
        order = book.new_order()
        assert Bench(book, url, first).choose(order, "delay").status_code == 303
        first.stop()
        second = serve(state_file=file)
        try:
            assert Bench(book, url, second).settled(order, "paid")["violations"] == []
        finally:
            second.stop()
            stop()

    def test_a_reset_forgets_payments_and_keeps_cash_desks_unless_told(self, bench):
        order = bench.book.new_order()
        bench.choose(order)
        reset = f"{bench.lab.base_url}/_lab/reset"
        requests.post(reset, json={}, timeout=5)
        assert (bench.get("payments")["payments"], bench.calls()) == ([], [])
        assert len(bench.get("accounts")["accounts"]) == 1
        requests.post(reset, json={"accounts": True}, timeout=5)
        assert bench.get("accounts")["accounts"] == []


@pytest.fixture
def target():
    book = payme_book.Book()
    url, stop = payme_book.serve(book)
    wanted = score.Target({"": url}, {"merchantId": MERCHANT, "key": payme_book.KEY}, book.new_order, book.ended_order)
    yield book, wanted
    stop()


def failures(scenarios):
    return [(one.name, one.detail) for one in scenarios if not one.passed]


class TestTheScore:
    @pytest.mark.parametrize(("is_doubled", "threads"), [(False, 1), (True, 1), (False, 10)])
    def test_a_seller_that_does_it_right_passes_all(self, target, is_doubled, threads):
        done = score.certify(payme.run, replace(target[1], is_doubled=is_doubled), threads=threads)
        assert failures(done) == []
        assert score.total(done) == "38 of 38 (official 15 of 15, ours 23 of 23)"

    def test_what_the_target_cannot_give_is_left_out(self, target):
        assert len(list(payme.run(replace(target[1], ended_order=None)))) == 37

    def test_digits_as_order_ids_may_come_as_numbers(self, target):
        book, wanted = target
        numbers = iter(range(1, 10**6))

        def digits():
            order = book.new_order()
            reference = str(next(numbers))
            book.orders[reference] = book.orders.pop(order.reference)
            return score.Order(reference, order.amount_minor)

        done = score.certify(payme.run, replace(wanted, new_order=digits))
        assert failures(done) == []

    def test_a_seller_with_another_key_fails_nearly_all_and_breaks_nothing(self, target):
        done = list(payme.run(replace(target[1], credentials={"key": "another"})))
        assert 0 < sum(one.passed for one in done) < 8
        assert "-32504" in dict(failures(done))["A4 CheckPerform: allow"]

    def test_nobody_there_fails_all(self, target):
        done = list(payme.run(replace(target[1], urls={"": "http://127.0.0.1:9/"})))
        assert not any(one.passed for one in done)

    @pytest.mark.parametrize(
        ("fault", "missed"),
        [
            ("recomputed times", {"A5", "B2", "A8", "B4"}),
            ("paid twice", {"an order paid once"}),
            ("no twelve hours", {"Create twelve", "Perform after"}),
            ("any key", {"A1 wrong", "other logins"}),
            ("401", {"A1 no", "A1 wrong"}),
        ],
    )
    def test_the_usual_mistakes_are_found(self, target, monkeypatch, fault, missed):
        book, wanted = target
        decide, answer = book.decide, book.answer

        def recomputed(question):
            found = decide(question)
            if not getattr(found, "is_repeat", False):
                return found
            changes = {name: book.now() for name in ("created_at", "performed_at", "cancelled_at")}
            kept = {name: value for name, value in changes.items() if getattr(found.snapshot, name)}
            return replace(found, snapshot=replace(found.snapshot, **kept))

        def unauthorized(callback):
            reply = answer(callback)
            return (401, "application/json", reply.body) if b"-32504" in reply.body else reply

        if fault == "recomputed times":
            book.decide = recomputed
        elif fault == "paid twice":
            perform = book.perform

            def forgetful(found):
                done = perform(found)
                book.orders[found.reference].status = "open"
                return done

            book.perform = forgetful
        elif fault == "no twelve hours":
            monkeypatch.setattr(payme_book, "LIFETIME", timedelta(days=365))
        elif fault == "any key":
            book.account_of = lambda claim: {"key": claim.credential}
        else:
            book.answer = unauthorized
        found = {name for name, _ in failures(payme.run(wanted))}
        for start in missed:
            assert any(name.startswith(start) for name in found), (start, found)

    def test_the_table_says_each_line_and_the_total(self, target):
        shown = score.table([score.Scenario("one", True), score.Scenario("other", False, "why", is_official=False)])
        assert shown.splitlines() == [
            "pass  official  one",
            "FAIL  ours      other  why",
            "",
            "1 of 2 (official 1 of 1, ours 0 of 1)",
        ]
