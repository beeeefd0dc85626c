"""Click in the lab, and the scored list, both against a small seller over HTTP: buyers, repeats, refunds, faults."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from gateway import http
from gateway.adapter import AdapterConfig
from gateway.adapters.click import PROCESSOR, words
from gateway.certify import click, score
from gateway.errors import Misconfigured, OutcomeUnknown, Refused, Unavailable
from gateway.money import Money
from gateway.questions import State
from gateway.simulators.click.strict import expected_faults
from gateway.simulators.click.strict import read as read_strictly
from gateway.simulators.config import Settings
from gateway.simulators.server import serve
from gateway.types import Item, Mode, Outcome, PaymentRef, PaymentRequest, RefundOutcome, RefundRef, RefundRequest
from tests.gateway import click_book
from tests.gateway.click_book import CREDENTIALS, MERCHANT, SERVICE

pytestmark = pytest.mark.once
BACK = "http://shop.test/back?t=1"


class Bench:
    """The lab, the seller's book, and what a buyer does between them."""

    def __init__(self, book, url, running):
        self.book = book
        self.callback_url = url
        self.lab = running
        self.click = f"{running.base_url}/click"
        self.door = f"{running.base_url}/_lab/click"
        self.adapter = self.adapter_with()

    def adapter_with(self, seconds=2.0, **changes):
        config = AdapterConfig(Mode.TEST, self.click, {**CREDENTIALS, **changes})
        return PROCESSOR.build(config, timeouts=http.Timeouts(1, seconds, seconds))

    def link(self, order, **changes):
        request = PaymentRequest("pay-1", order.reference, Money(order.amount_minor, "UZS"), "", BACK)
        return self.adapter.create_payment(replace(request, **changes)).next_action.url

    def choose(self, order, outcome="approve", **changes):
        url = self.link(order, **changes)
        return requests.post(url, data={"outcome": outcome}, allow_redirects=False, timeout=5)

    def order(self, kind, **more):
        answer = requests.post(f"{self.lab.base_url}/_lab/faults", json={"kind": kind, **more}, timeout=5)
        assert answer.status_code == 201, answer.text

    def strikes(self, kind, step, **more):
        self.order(kind, match={"event": step}, **more)

    def post(self, what, body):
        return requests.post(f"{self.door}/{what}", json=body, timeout=5)

    def get(self, what, **params):
        return requests.get(f"{self.door}/{what}", params=params, timeout=5).json()

    def payment(self, order):
        return self.get("payments", merchant_trans_id=order.reference)["payments"][0]

    def act(self, payment, outcome):
        answer = self.post(f"payments/{payment['id']}/act", {"outcome": outcome})
        assert answer.status_code == 200, answer.text
        return answer.json()["payment"]

    def calls(self, **wanted):
        """Oldest first."""
        return self.get("calls", **wanted)["calls"][::-1]

    def heard(self, payment):
        return [(call["step"], call["code"]) for call in self.calls(payment=payment["id"])]

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

    def paid(self, amount=1_500_000):
        order = self.book.new_order(amount)
        assert self.choose(order).status_code == 303
        return order, self.ref(order)

    def ref(self, order):
        """What the product keeps of the payment."""
        row = self.payment(order)
        details = self.book.details[row["id"]]
        money = Money(order.amount_minor, "UZS")
        return PaymentRef("pay-1", row["id"], money, datetime.now(UTC), details)

    def refund(self, ref, minor=None, adapter=None):
        money = ref.money if minor is None else Money(minor, "UZS")
        return (adapter or self.adapter).refund_payment(RefundRequest("ref-1", ref, money))

    def asked(self, ref, minor=None):
        money = ref.money if minor is None else Money(minor, "UZS")
        return self.adapter.ask_refund(RefundRef("ref-1", "", ref, money, datetime.now(UTC)))

    def api_calls(self):
        return [row["operation"] for row in self.get("requests")["requests"]][::-1]


@pytest.fixture
def bench():
    book = click_book.Book()
    url, stop = click_book.serve(book)
    running = serve(
        settings=Settings(
            settle_seconds=0.15, callback_timeout_seconds=1, hang_seconds=0.6, retry_ladder=[0.03, 0.03, 0.03]
        ),
        accounts={"click": [{**CREDENTIALS, "callback_url": url, "name": "Lab shop"}]},
    )
    yield Bench(book, url, running)
    running.stop()
    stop()


class TestTheBuyer:
    def test_the_page_shows_what_is_paid_and_offers_three_outcomes(self, bench):
        page = requests.get(bench.link(bench.book.new_order(1_500_050)), timeout=5)
        assert page.status_code == 200
        assert "15\N{NO-BREAK SPACE}000.50" in page.text and "Lab shop" in page.text and "simulator" in page.text
        for outcome in ("approve", "decline", "delay"):
            assert f'name="outcome" value="{outcome}"' in page.text
        assert bench.calls() == []

    def test_approve_prepares_completes_and_returns(self, bench):
        order = bench.book.new_order()
        answer = bench.choose(order)
        paid = bench.payment(order)
        location = urlsplit(answer.headers["Location"])
        assert (answer.status_code, location.netloc, location.path) == (303, "shop.test", "/back")
        assert parse_qs(location.query) == {"t": ["1"], "payment_id": [paid["paydoc"]], "payment_status": ["2"]}
        assert bench.state(order) == ("paid", State.PERFORMED)
        assert bench.heard(paid) == [("prepare", 0), ("complete", 0)]
        assert (paid["status"], paid["payment_status"], paid["violations"]) == ("paid", 2, [])
        assert int(paid["id"]) > 2**53
        sent = [call["url"].rsplit("/", 1)[1] for call in bench.calls()]
        assert sent == ["prepare", "complete"]
        assert bench.ref(order).processor_data == {
            words.PAYDOC: paid["paydoc"],
            words.ORDER: order.reference,
            words.DAY: (datetime.now(UTC) + timedelta(hours=5)).date().isoformat(),
        }

    def test_decline_gives_the_reservation_back(self, bench):
        order = bench.book.new_order()
        assert bench.choose(order, "decline").status_code == 303
        declined = bench.settled(order, "declined")
        assert bench.heard(declined) == [("prepare", 0), ("cancel", -9)]
        assert bench.state(order) == ("open", State.CANCELLED)
        assert bench.choose(order).status_code == 303  # and the buyer may try again
        assert bench.state(order) == ("paid", State.PERFORMED)
        assert bench.payment(order)["violations"] == []

    def test_delay_completes_a_little_later(self, bench):
        order = bench.book.new_order()
        assert bench.choose(order, "delay").status_code == 303
        assert (bench.state(order), bench.payment(order)["payment_status"]) == (("open", State.CREATED), 1)
        bench.settled(order, "paid")
        assert bench.state(order) == ("paid", State.PERFORMED)

    def test_an_order_that_cannot_be_paid_is_refused_on_the_page(self, bench):
        order = bench.book.ended_order()
        answer = bench.choose(order)
        assert answer.status_code == 409 and "Transaction cancelled" in answer.text and BACK in answer.text
        refused = bench.settled(order, "refused")
        assert bench.heard(refused) == [("prepare", -9), ("cancel", -6)]  # with the cancel flag, as the real one
        assert refused["violations"] == []

    def test_without_a_way_back_there_is_a_receipt(self, bench):
        order = bench.book.new_order()
        url = bench.choose(order, return_url="").headers["Location"]
        assert "Payment made" in requests.get(url, timeout=5).text

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (f"service_id={SERVICE}", "service_id=1"),
            (f"merchant_id={MERCHANT}", "merchant_id=1"),
            ("amount=15000.00", "amount=15000.001"),
            ("amount=15000.00", "amount=0.00"),
            ("amount=15000.00", "amount=1,5"),
            ("amount=15000.00", "amount=1&amount=2"),
            ("transaction_param=", "order="),
            ("merchant_user_id=4444", "merchant_user_id=1"),
            ("return_url=http", "return_url=javascript"),
            ("amount=", "card_type=visa&amount="),
        ],
    )
    def test_a_wrong_link_is_refused(self, bench, old, new):
        url = bench.link(bench.book.new_order())
        assert old in url
        assert requests.get(url.replace(old, new), timeout=5).status_code == 404

    def test_another_site_s_page_cannot_pay(self, bench):
        url = bench.link(bench.book.new_order())
        for headers in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
            assert requests.post(url, data={"outcome": "approve"}, headers=headers, timeout=5).status_code == 403
        assert requests.post(url, data={"outcome": "steal"}, timeout=5).status_code == 400

    def test_one_address_may_serve_both(self, bench):
        account = {**CREDENTIALS, "callback_url": bench.callback_url, "one_url": True}
        assert bench.post("accounts", account).status_code == 201
        order, _ = bench.paid()
        assert {call["url"] for call in bench.calls()} == {bench.callback_url}
        assert bench.state(order)[0] == "paid"


class TestFaults:
    def test_a_doubled_call_is_answered_with_already(self, bench):
        bench.strikes("duplicate", "prepare")
        bench.strikes("duplicate", "complete")
        order, _ = bench.paid()
        paid = bench.settled(order, "paid")
        assert bench.heard(paid) == [("prepare", 0), ("prepare", 0), ("complete", 0), ("complete", -4)]
        assert (bench.book.credited, paid["violations"]) == ([order.reference], [])

    def test_a_lost_reply_is_asked_again_and_credited_once(self, bench):
        bench.strikes("reply_lost", "complete", seconds=0.01)
        order = bench.book.new_order()
        bench.choose(order)
        paid = bench.settled(order, "paid")
        assert bench.heard(paid) == [("prepare", 0), ("complete", 0), ("complete", -4)]
        assert (bench.book.credited, paid["violations"]) == ([order.reference], [])

    @pytest.mark.parametrize("step", ["prepare", "complete"])
    @pytest.mark.parametrize(
        ("kind", "code"), [("forged", -1), ("other_mode", -1), ("wrong_amount", -2), ("unknown_reference", -5)]
    )
    def test_bent_calls_are_refused_and_change_nothing(self, bench, kind, code, step):
        bench.strikes(kind, step)
        order = bench.book.new_order()
        bench.choose(order)
        bench.get("idle")
        row = bench.payment(order)
        assert bench.heard(row)[-1] == (step, code)
        assert (bench.state(order)[0], row["violations"]) == ("open", [])

    @pytest.mark.parametrize("step", ["prepare", "complete"])
    def test_beside_a_bent_call_the_true_one_pays(self, bench, step):
        bench.strikes("forged", step, also_true=True)
        order, _ = bench.paid()
        assert bench.settled(order, "paid")["violations"] == []
        assert bench.state(order) == ("paid", State.PERFORMED)

    def test_calls_out_of_order(self, bench):
        bench.strikes("reorder", "prepare")
        bench.strikes("reorder", "complete")
        order, _ = bench.paid()
        paid = bench.settled(order, "paid")
        assert bench.heard(paid) == [("complete", -6), ("prepare", 0), ("complete", 0), ("prepare", -4)]
        assert (paid["violations"], bench.book.credited) == ([], [order.reference])

    def test_no_call_at_all(self, bench):
        bench.strikes("drop", "prepare")
        order = bench.book.new_order()
        assert bench.choose(order).status_code == 303
        assert bench.settled(order, "silent") and bench.calls() == []
        bench.strikes("drop", "complete")
        other = bench.book.new_order()
        bench.choose(other)
        bench.settled(other, "silent")
        assert bench.state(other) == ("open", State.CREATED)

    def test_a_complete_after_our_cancel_is_refused_and_the_money_goes_back(self, bench):
        bench.strikes("late", "complete", seconds=0.2)
        order = bench.book.new_order()
        bench.choose(order)
        assert bench.state(order) == ("open", State.CREATED)
        bench.book.end_reservation(order.reference)
        returned = bench.settled(order, "returned")
        assert bench.heard(returned)[-1] == ("complete", -9)
        assert (bench.state(order), returned["violations"]) == (("ended", State.CANCELLED), [])

    def test_a_complete_after_half_an_hour_is_refused(self, bench):
        order = bench.book.new_order()
        bench.choose(order, "delay")
        bench.book.skew = timedelta(minutes=31)
        assert bench.settled(order, "returned")["violations"] == []
        assert bench.state(order) == ("open", State.CANCELLED)

    def test_the_browser_may_come_back_first_and_may_come_last(self, bench):
        bench.order("return_before_callback", seconds=0.1)
        order = bench.book.new_order()
        bench.choose(order)
        assert bench.state(order) == ("open", State.CREATED)
        bench.settled(order, "paid")
        bench.order("callback_before_return")
        other, _ = bench.paid()
        assert bench.state(other)[0] == "paid"

    def test_our_fault_is_asked_again_until_it_is_mended(self, bench):
        bench.book.faults = [None, "fault", "fault"]
        order = bench.book.new_order()
        bench.choose(order)
        paid = bench.settled(order, "paid")
        assert bench.heard(paid) == [("prepare", 0), ("complete", -7), ("complete", -7), ("complete", 0)]
        assert paid["violations"] == []

    def test_a_seller_that_stays_broken_is_for_people(self, bench):
        bench.book.faults = [None, *["fault"] * 4]
        order = bench.book.new_order()
        bench.choose(order)
        assert bench.settled(order, "manual")["payment_status"] == 1
        assert bench.act(bench.payment(order), "complete")["status"] == "paid"

    @pytest.mark.parametrize(
        ("reply", "complaint"),
        [
            ((500, "text/html", b"<h1>Oops</h1>"), "HTTP 500"),
            ((302, "application/json", b"{}"), "HTTP 302"),
            ((200, "text/html", b"<h1>Hi</h1>"), "not JSON"),
            ((200, "application/json", b"[]"), "no JSON object"),
            ((200, "application/json", b'{"error":"0","error_note":"Success"}'), "error is '0'"),
            ((200, "application/json", b'{"error":-12,"error_note":"x"}'), "error is -12"),
            ((200, "application/json", b'{"error":0,"error_note":"Success"}'), "click_trans_id is None"),
        ],
    )
    def test_answers_that_are_not_to_the_letter_are_violations(self, bench, reply, complaint):
        bench.book.faults = [reply]
        order = bench.book.new_order()
        bench.choose(order)
        row = bench.payment(order)
        assert any(complaint in text for text in row["violations"]), row["violations"]
        assert complaint in json.dumps(bench.calls()[0]["violations"])
        page = requests.get(f"{bench.door}/", headers={"Accept": "text/html"}, timeout=5)
        assert "violation" in page.text


class TestStrictReading:
    SENT = {"click_trans_id": "9007199254740993", "merchant_trans_id": "ORD-77/б", "action": "1"}
    GOOD = {
        "click_trans_id": 9007199254740993,
        "merchant_trans_id": "ORD-77/б",
        "merchant_confirm_id": 5,
        "error": 0,
        "error_note": "Success",
    }

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({}, ""),
            ({"merchant_confirm_id": None}, ""),
            ({"click_trans_id": 9007199254740992}, "click_trans_id"),
            ({"click_trans_id": "9007199254740993"}, "click_trans_id"),
            ({"merchant_trans_id": "ORD-77"}, "merchant_trans_id"),
            ({"merchant_confirm_id": "5"}, "merchant_confirm_id"),
            ({"merchant_confirm_id": True}, "merchant_confirm_id"),
            ({"error_note": None}, "error_note"),
            ({"error": False}, "error is False"),
            ({"error": 1}, "error is 1"),
        ],
    )
    def test_each_field_counts(self, change, complaint):
        text = json.dumps({**self.GOOD, **change})
        found = read_strictly(200, "application/json", text, self.SENT).violations
        assert bool(found) == bool(complaint) and all(complaint in text for text in found)

    def test_a_number_must_come_with_a_success(self):
        body = {name: value for name, value in self.GOOD.items() if name != "merchant_confirm_id"}
        assert read_strictly(200, "application/json", json.dumps(body), self.SENT).violations
        prepare = {**self.SENT, "action": "0"}
        assert read_strictly(200, "application/json", json.dumps(body), prepare).violations
        body |= {"error": -9, "error_note": "Transaction cancelled"}
        assert not read_strictly(200, "application/json", json.dumps(body), prepare).violations

    @pytest.mark.parametrize(
        ("step", "code", "is_prepared", "is_fault"),
        [
            ("prepare", -1, False, True),
            ("prepare", -8, False, True),
            ("prepare", -2, False, False),
            ("complete", -5, True, True),
            ("complete", -9, True, False),
            ("cancel", -4, True, True),
            ("cancel", -6, False, False),
        ],
    )
    def test_codes_that_a_right_call_must_not_get(self, step, code, is_prepared, is_fault):
        body = {**self.GOOD, "error": code, "error_note": "x", "merchant_confirm_id": None}
        heard = read_strictly(200, "application/json", json.dumps(body), self.SENT)
        assert bool(expected_faults(heard, step, is_prepared=is_prepared)) == is_fault


class TestRefunds:
    def test_a_part_and_the_rest_go_back(self, bench):
        order, ref = bench.paid()
        assert bench.adapter.ask_payment(ref).outcome is Outcome.CAPTURED
        for minor, sum_so_far in ((500_050, 500_050), (999_950, 1_500_000)):
            report = bench.refund(ref, minor)
            assert (report.outcome, report.money) == (RefundOutcome.SUCCEEDED, Money(minor, "UZS"))
            assert bench.payment(order)["reversed_minor"] == sum_so_far
        assert bench.payment(order)["status"] == "reversed"
        with pytest.raises(Refused):
            bench.refund(ref, 1)

    def test_all_of_it_goes_back_once(self, bench):
        order, ref = bench.paid()
        assert bench.refund(ref).outcome is RefundOutcome.SUCCEEDED
        assert bench.refund(ref).outcome is RefundOutcome.SUCCEEDED  # the same refund, no second reversal
        assert bench.api_calls().count("payment.reversal") == 1
        assert bench.payment(order)["reversed_minor"] == 1_500_000
        assert bench.asked(ref).outcome is RefundOutcome.SUCCEEDED

    def test_a_reversal_in_click_s_cabinet_is_seen(self, bench):
        order, ref = bench.paid()
        assert bench.asked(ref) is None
        bench.act(bench.payment(order), "reverse")
        assert bench.adapter.ask_payment(ref).outcome is Outcome.DECLINED
        assert bench.asked(ref).outcome is RefundOutcome.SUCCEEDED

    def test_where_parts_are_not_enabled_nothing_goes_back(self, bench):
        bench.post("accounts", {**CREDENTIALS, "callback_url": bench.callback_url, "partial_reversal": False})
        order, ref = bench.paid()
        with pytest.raises(Refused, match="partial refunds are not enabled"):
            bench.refund(ref, 100)
        assert bench.payment(order)["reversed_minor"] == 0
        assert bench.refund(ref).outcome is RefundOutcome.SUCCEEDED

    def test_more_than_is_left_does_not(self, bench):
        _, ref = bench.paid()
        bench.refund(ref, 1_400_000)
        with pytest.raises(Refused, match="more than is left"):
            bench.refund(ref, 200_000)

    def test_the_rule_of_the_month_is_told(self, bench):
        order, ref = bench.paid()
        bench.post(f"payments/{ref.processor_ref}/age", {"days": 70})
        then = datetime.now(UTC) - timedelta(days=70)
        old = replace(ref, created_at=then, processor_data={**ref.processor_data, words.DAY: ""})
        with pytest.raises(Refused, match=r"reporting period.*only on the 1st"):
            bench.refund(old)
        assert bench.payment(order)["reversed_minor"] == 0

    @pytest.mark.parametrize("kind", ["timeout_after", "reset_after"])
    def test_a_lost_answer_is_unknown_and_asking_settles_it(self, bench, kind):
        order, ref = bench.paid()
        bench.order(kind, match={"operation": "payment.reversal"})
        with pytest.raises(OutcomeUnknown):
            bench.refund(ref, adapter=bench.adapter_with(seconds=0.3))
        assert bench.payment(order)["reversed_minor"] == 1_500_000
        assert bench.asked(ref).outcome is RefundOutcome.SUCCEEDED

    def test_a_request_that_died_before_the_work_may_be_sent_again(self, bench):
        _, ref = bench.paid()
        bench.order("reset_before", match={"operation": "payment.reversal"})
        with pytest.raises(OutcomeUnknown):
            bench.refund(ref)
        assert bench.asked(ref) is None
        assert bench.refund(ref).outcome is RefundOutcome.SUCCEEDED

    def test_a_part_whose_answer_was_lost_is_left_to_people(self, bench):
        order, ref = bench.paid()
        bench.order("reset_after", match={"operation": "payment.partial_reversal"})
        with pytest.raises(OutcomeUnknown):
            bench.refund(ref, 100)
        with pytest.raises(Unavailable, match="cabinet"):
            bench.asked(ref, 100)
        assert bench.payment(order)["reversed_minor"] == 100

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("429", Unavailable),
            ("500", OutcomeUnknown),
            ("503", OutcomeUnknown),
            ("html_200", OutcomeUnknown),
            ("redirect", OutcomeUnknown),
            ("403", Misconfigured),
            ("409", Refused),
        ],
    )
    def test_trouble_on_the_way(self, bench, kind, error):
        order, ref = bench.paid()
        bench.order(kind, match={"operation": "payment.reversal"})
        with pytest.raises(error):
            bench.refund(ref)
        assert bench.payment(order)["reversed_minor"] == 0
        bench.order("500", match={"operation": "payment.status_by_mti"})
        with pytest.raises(Unavailable):
            bench.refund(ref)
        with pytest.raises(Refused, match="nothing was sent back"):
            bench.order("500", match={"operation": "payment.status_by_mti"})
            bench.refund(ref, 100)

    def test_other_credentials_get_nothing(self, bench):
        _, ref = bench.paid()
        for changes in ({"secretKey": "another"}, {"merchantUserId": "5555"}, {"serviceId": "1"}):
            with pytest.raises(Misconfigured):
                bench.refund(ref, adapter=bench.adapter_with(**changes))

    def test_a_service_without_a_merchant_user_has_no_api(self, bench):
        account = {name: value for name, value in CREDENTIALS.items() if name != "merchantUserId"}
        bench.post("accounts", {**account, "callback_url": bench.callback_url})
        order, ref = bench.book.new_order(), None
        adapter = bench.adapter_with(merchantUserId="")
        url = adapter.create_payment(
            PaymentRequest("pay-1", order.reference, Money(order.amount_minor, "UZS"), "", BACK)
        ).next_action.url
        requests.post(url, data={"outcome": "approve"}, allow_redirects=False, timeout=5)
        ref = bench.ref(order)
        with pytest.raises(Refused, match="cabinet"):
            bench.refund(ref, adapter=adapter)
        with pytest.raises(Misconfigured):
            bench.refund(ref)

    def test_the_receipt_s_lines_are_handed_over_in_tiyin(self, bench):
        order, ref = bench.paid(150_000)
        item = Item("Tea", 3, 50_000, 150_000, "06401004002000000", "1506113", 12, "123456789")
        assert bench.adapter.fiscal_url(ref) == ""
        bench.adapter.submit_items(ref, [item])
        assert bench.payment(order)["receipt"]["items"][0]["Price"] == 150_000
        assert bench.adapter.fiscal_url(ref).startswith("https://ofd.soliq.uz/")
        with pytest.raises(Refused, match="not 150000"):
            bench.adapter.submit_items(ref, [replace(item, quantity=2, total_minor=100_000)])


class TestTheDoors:
    def test_accounts_are_shown_without_their_secrets(self, bench):
        [account] = bench.get("accounts")["accounts"]
        assert (account["id"], account["secret_key"]) == (SERVICE, "Ab…")
        for wrong in (
            {"serviceId": "x"},
            {**CREDENTIALS, "callback_url": "https://shop.example"},
            {**CREDENTIALS, "callback_url": bench.callback_url, "more": 1},
            {**CREDENTIALS, "merchantUserId": "me", "callback_url": bench.callback_url},
        ):
            assert bench.post("accounts", wrong).status_code == 400

    def test_a_buyer_s_try_without_the_page(self, bench):
        order = bench.book.new_order()
        wanted = {"serviceId": SERVICE, "merchant_trans_id": order.reference, "amount": "15000"}
        made = bench.post("payments", wanted)
        assert (made.status_code, made.json()["payment"]["status"]) == (201, "paid")
        assert bench.calls()[0]["request"]["amount"] == "15000"  # the link's text, as it is
        for wrong, status in (({"amount": "1.234"}, 400), ({"outcome": "x"}, 400), ({"serviceId": "1"}, 404)):
            assert bench.post("payments", {**wanted, **wrong}).status_code == status

    def test_what_click_s_people_can_do(self, bench):
        order = bench.book.new_order()
        bench.choose(order)
        paid = bench.payment(order)
        again = bench.act(paid, "complete")
        failed = bench.act(paid, "cancel")
        assert bench.heard(paid)[2:] == [("complete", -4), ("cancel", -9)]
        assert (again["violations"], failed["violations"], failed["status"]) == ([], [], "paid")
        assert bench.book.reviews == [(order.reference, "-5017")]  # nothing undone, people are told
        assert bench.state(order) == ("paid", State.PERFORMED)
        assert bench.post(f"payments/{paid['id']}/act", {"outcome": "steal"}).status_code == 400
        assert bench.post("payments/1/act", {"outcome": "cancel"}).status_code == 404
        bench.act(paid, "reverse")
        assert bench.post(f"payments/{paid['id']}/act", {"outcome": "reverse"}).status_code == 409

    def test_the_page_offers_what_can_be_done(self, bench):
        order, ref = bench.paid()
        bench.refund(ref, 100)
        page = requests.get(f"{bench.door}/", headers={"Accept": "text/html"}, timeout=5).text
        for words_ in ("Lab shop", "Reverse", "Prepare", "partial_reversal", order.reference, ref.processor_ref):
            assert words_ in page
        assert CREDENTIALS["secretKey"] not in page
        home = requests.get(bench.lab.base_url, headers={"Accept": "text/html"}, timeout=5).text
        assert "/_lab/click/" in home

    def test_a_restart_forgets_nothing_and_goes_on(self, tmp_path, bench):
        path = tmp_path / "lab.jsonl"
        settings = Settings(settle_seconds=0.3, retry_ladder=[0.05])
        account = {**CREDENTIALS, "callback_url": bench.callback_url}
        lab = serve(settings=settings, state_file=path, accounts={"click": [account]})
        order = bench.book.new_order()
        wanted = {"serviceId": SERVICE, "merchant_trans_id": order.reference, "amount": "15000.00", "outcome": "delay"}
        made = requests.post(f"{lab.base_url}/_lab/click/payments", json=wanted, timeout=5).json()["payment"]
        lab.stop()
        assert bench.state(order) == ("open", State.CREATED)
        lab = serve(settings=settings, state_file=path)
        until = time.monotonic() + 3
        while bench.state(order)[0] != "paid" and time.monotonic() < until:
            time.sleep(0.01)
        while (row := requests.get(f"{lab.base_url}/_lab/click/payments/{made['id']}", timeout=5).json())["payment"][
            "status"
        ] != "paid" and time.monotonic() < until:
            time.sleep(0.01)
        lab.stop()
        assert (bench.state(order), row["payment"]["violations"]) == (("paid", State.PERFORMED), [])


class TestTheScore:
    @pytest.fixture
    def target(self):
        book = click_book.Book()
        url, stop = click_book.serve(book)
        yield score.Target(
            {"": url},
            CREDENTIALS,
            book.new_order,
            book.ended_order,
            cancel_order=lambda order: book.end_reservation(order.reference),
        )
        stop()

    def test_every_scenario_passes(self, target):
        found = score.certify(click.run, target)
        assert [one for one in found if not one.passed] == []
        assert score.total(found) == "41 of 41 (official 15 of 15, ours 26 of 26)"

    def test_so_it_does_with_every_call_sent_twice_and_at_one_address(self, target):
        one = target.urls[""]
        doubled = replace(target, is_doubled=True, urls={"prepare": one, "complete": one})
        assert [one for one in score.certify(click.run, doubled) if not one.passed] == []

    def test_so_it_does_in_ten_threads(self, target):
        found = score.certify(click.run, target, threads=10)
        assert [one for one in found if not one.passed] == []
        assert len(found) == 41

    def test_without_ended_orders_their_scenarios_are_left_out(self, target):
        bare = replace(target, ended_order=None, cancel_order=None)
        assert len(score.certify(click.run, bare)) == 39

    def test_an_endpoint_that_is_wrong_scores_nothing(self, target):
        lost = score.certify(click.run, replace(target, urls={"": "http://127.0.0.1:9/none"}))
        assert not any(one.passed for one in lost)
        stranger = {**CREDENTIALS, "secretKey": "another"}
        found = {one.name: one.passed for one in score.certify(click.run, replace(target, credentials=stranger))}
        assert not found[" 6 Complete: 0"] and not found["ten equal Completes at once: one 0, nine -4"]
