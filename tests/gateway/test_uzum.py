"""Uzum Bank: the links for the buyer, and every word of its Merchant API."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapter import AdapterConfig
from gateway.adapters.uzum import PROCESSOR, PROTOCOL, adapter, reading, words
from gateway.errors import BadCallback, Misconfigured, NotAvailable, Refused
from gateway.money import MAX_MINOR, Money
from gateway.questions import (
    Cancel,
    Check,
    Claim,
    Create,
    Done,
    No,
    Noted,
    Payable,
    Perform,
    ProtocolFault,
    Refusal,
    Snapshot,
    State,
    Status,
    Transactions,
)
from gateway.types import Callback, Mode, Outcome, PaymentRef, PaymentRequest, RefundRef, RefundRequest

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 20, 12, 0, 0, 123_999, tzinfo=UTC)
NOW_MS = 1795176000123
OURS = {"serviceId": "101", "login": "shop-login", "password": "p@ss:word"}
HEADER = "Basic c2hvcC1sb2dpbjpwQHNzOndvcmQ="
TRANS = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
MONEY = Money(1_500_000, "UZS")
ORDER = "019a9f2c-7c1e-7c55-9f0e-0123456789ab"
COMMON = {"serviceId": 101, "timestamp": 1735787045000}
ASKED = {
    "check": {**COMMON, "params": {"order_id": ORDER}},
    "create": {**COMMON, "transId": TRANS, "params": {"order_id": ORDER}, "amount": 1_500_000},
    "confirm": {
        **COMMON,
        "transId": TRANS,
        "paymentSource": "UZCARD",
        "phone": "998901234567",
        "tariff": None,
        "processingReferenceNumber": "000012345678",
        "cardType": 2,
    },
    "reverse": {**COMMON, "transId": TRANS},
    "status": {**COMMON, "transId": TRANS},
}
ENDPOINTS = list(ASKED)
TIMES = {"check": "timestamp", "create": "transTime", "confirm": "confirmTime", "reverse": "reverseTime"}
SNAPSHOT = Snapshot(
    transaction_ref=TRANS,
    reference=ORDER,
    our_number="77",
    money=MONEY,
    state=State.CREATED,
    their_time=None,
    created_at=datetime(2025, 1, 2, 3, 4, 5, 210_999, tzinfo=UTC),
)
CREATED_MS, PERFORMED_MS, CANCELLED_MS, REVERSED_MS = 1735787045210, 1735787100000, 1735790400999, 1735862400000
PERFORMED = replace(SNAPSHOT, state=State.PERFORMED, performed_at=datetime(2025, 1, 2, 3, 5, tzinfo=UTC))
CANCELLED = replace(SNAPSHOT, state=State.CANCELLED, cancelled_at=datetime(2025, 1, 2, 4, 0, 0, 999_999, tzinfo=UTC))
GIVEN_UP = replace(CANCELLED, reason=words.REVERSED_BY_BANK)
EXPIRED = replace(CANCELLED, expired=True)
REVERSED = replace(PERFORMED, state=State.REVERSED, cancelled_at=datetime(2025, 1, 3, tzinfo=UTC), reason="reverse")


def basic(text, scheme="Basic"):
    return f"{scheme} " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def callback(body, *, header=HEADER, method="POST"):
    headers = {} if header is None else {"authorization": header}
    return Callback(body if isinstance(body, bytes) else json.dumps(body).encode(), headers, NOW, method=method)


def asks(endpoint, **changes):
    return callback({**ASKED[endpoint], **changes})


def read(endpoint, credentials=OURS, **changes):
    return PROTOCOL.read(asks(endpoint, **changes), endpoint, credentials)


def told(reply):
    assert reply.content_type.startswith("application/json")
    return reply.status, json.loads(reply.body)


def answered(endpoint, answer, **changes):
    call = asks(endpoint, **changes)
    return told(PROTOCOL.write(call, endpoint, PROTOCOL.read(call, endpoint, OURS), answer, now=NOW))


def refused(call, endpoint, credentials=OURS):
    """The code, and whether it was said to a caller with the password. All of them are HTTP 400 and FAILED."""
    with pytest.raises(ProtocolFault) as fault:
        PROTOCOL.read(call, endpoint, credentials)
    status, body = told(fault.value.reply)
    assert (status, body["status"], type(body["errorCode"])) == (400, "FAILED", str)
    if endpoint in TIMES:
        assert body[TIMES[endpoint]] == NOW_MS
    return body["errorCode"], fault.value.is_authentic


def built(base_url="", mode=Mode.LIVE, **credentials):
    return PROCESSOR.build(AdapterConfig(mode, base_url, {**OURS, **credentials}))


def request(order=ORDER, minor=1_500_000, return_url="https://shop.example/back?o=1&x=й", **more):
    return PaymentRequest("pay-1", order, Money(minor, "UZS"), "Order", return_url, **more)


class TestTheLinks:
    def test_the_app_opens_by_the_order_and_the_web_page_has_everything_filled_in(self):
        report = built().create_payment(request())
        assert report.next_action.mobile_url == f"uzum://pay?order={ORDER}"
        assert report.next_action.url == (
            f"https://www.uzumbank.uz/open-service?serviceId=101&order_id={ORDER}&amount=1500000"
            "&redirectUrl=https%3A%2F%2Fshop.example%2Fback%3Fo%3D1%26x%3D%D0%B9"
        )

    def test_nothing_exists_at_the_bank_before_the_buyer_acts(self):
        report = built(mode=Mode.TEST).create_payment(request())
        assert (report.reference, report.processor_ref, report.outcome) == ("pay-1", "", Outcome.PENDING)
        assert (report.mode, report.is_final) == (Mode.TEST, False)

    def test_the_lab_is_a_base_url_and_nothing_else_changes(self):
        for base in ("http://127.0.0.1:8010/uzum", "http://127.0.0.1:8010/uzum/"):
            url = built(base, Mode.TEST).create_payment(request(return_url="")).next_action.url
            assert url == (f"http://127.0.0.1:8010/uzum/open-service?serviceId=101&order_id={ORDER}&amount=1500000")

    def test_host_and_attribute_are_switches(self, monkeypatch):
        monkeypatch.setattr(adapter, "LINK_HOST", "https://www.apelsin.uz")
        monkeypatch.setattr(adapter, "LINK_ATTRIBUTE", "account")
        url = built().create_payment(request("A 1&b=2", return_url="")).next_action.url
        assert url == "https://www.apelsin.uz/open-service?serviceId=101&account=A%201%26b%3D2&amount=1500000"

    def test_an_odd_order_number_survives_both_links(self):
        odd = "№ 7/a?b&c=d#e+f%"
        action = built().create_payment(request(odd)).next_action
        assert dict(parse_qsl(urlsplit(action.url).query))["order_id"] == odd
        assert dict(parse_qsl(urlsplit(action.mobile_url).query))["order"] == odd

    @settings(max_examples=200, deadline=None)
    @given(st.integers(1, MAX_MINOR))
    def test_no_amount_changes_by_a_tiyin(self, minor):
        url = built().create_payment(request(minor=minor)).next_action.url
        assert dict(parse_qsl(urlsplit(url).query))["amount"] == str(minor)
        status, body = answered("check", Payable(Money(minor, "UZS")))
        som, _, tiyin = body["data"]["amount"]["value"].partition(".")
        assert (status, int(som + tiyin), len(tiyin)) == (200, minor, 2)
        assert read("create", amount=minor).money == Money(minor, "UZS")

    @pytest.mark.parametrize("minor", [0, -1, MAX_MINOR + 1])
    def test_amounts_that_nobody_can_owe(self, minor):
        assert PROCESSOR.check_money(Money(minor, "UZS"))
        with pytest.raises(Misconfigured):
            built().create_payment(request(minor=minor))

    def test_only_som_and_only_the_one_method(self):
        assert PROCESSOR.check_money(Money(100, "UZS")) == ""
        assert "UZS" in PROCESSOR.check_money(Money(100, "USD"))
        assert built().check_availability(currency="UZS").is_available
        assert not built().check_availability(currency="USD").is_available
        assert not built().check_availability(currency="UZS", method="card").is_available
        with pytest.raises(NotAvailable):
            built().create_payment(request(method="card"))

    @pytest.mark.parametrize("service_id", ["", "abc", "0", "²", "9" * 19])
    def test_without_a_service_id_there_is_no_link(self, service_id):
        with pytest.raises(Misconfigured):
            built(serviceId=service_id).create_payment(request())
        with pytest.raises(Misconfigured):
            built().create_payment(request(order=""))

    def test_the_bank_has_no_call_of_ours(self):
        ref = PaymentRef("pay-1", "", MONEY, NOW)
        for call in (
            lambda: built().ask_payment(ref),
            lambda: built().cancel_payment(ref),
            lambda: built().refund_payment(RefundRequest("r-1", ref, MONEY)),
            lambda: built().ask_refund(RefundRef("r-1", "", ref, MONEY, NOW)),
        ):
            with pytest.raises(Refused):
                call()
        for call in (built().peek, built().read_callback):
            with pytest.raises(BadCallback):
                call(asks("check"))


class TestTheAccount:
    def test_what_the_processor_is(self):
        able = PROCESSOR.capabilities
        assert (PROCESSOR.slug, able.asks_first, able.has_page, able.reservation_seconds) == ("uzum", True, False, 1800)
        assert not (able.can_cancel or able.can_refund or able.can_refund_partially or able.has_status)
        assert able.currencies == {"UZS"}
        assert {"https://www.uzumbank.uz", "uzum:"} <= able.page_sources

    def test_its_fields_are_those_of_the_invoice_api(self):
        assert [(one.name, one.is_required, one.is_secret, one.is_identity) for one in PROCESSOR.credential_fields] == [
            ("serviceId", True, False, True),
            ("login", True, False, False),
            ("password", True, True, False),
        ]

    def test_good_credentials(self):
        assert PROCESSOR.check_credentials(OURS, Mode.LIVE) == {}
        assert PROCESSOR.check_credentials({**OURS, "login": "касса", "password": "секрет"}, Mode.TEST) == {}
        assert PROCESSOR.check_credentials({**OURS, "serviceId": str(2**63 - 1)}, Mode.LIVE) == {}

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("serviceId", ["", "0", "007", "-1", "1.0", " 101", "１０１", "²", "abc", str(2**63), "9" * 400]),
            ("login", ["", " shop", "shop ", "a:b", "a\nb", "x" * 129]),
            ("password", ["", " ", " pass", "a\0b", "x" * 257]),
        ],
    )
    def test_bad_ones_are_named(self, field, values):
        for value in values:
            assert list(PROCESSOR.check_credentials({**OURS, field: value}, Mode.LIVE)) == [field], value
        assert field in PROCESSOR.check_credentials({}, Mode.LIVE)


class TestWhoIsCalling:
    @pytest.mark.parametrize(
        ("login", "password", "header"),
        [
            ("uzum", "pass", "Basic dXp1bTpwYXNz"),
            ("shop-login", "p@ss:word", "Basic c2hvcC1sb2dpbjpwQHNzOndvcmQ="),
            ("касса", "секрет", "Basic 0LrQsNGB0YHQsDrRgdC10LrRgNC10YI="),
        ],
    )
    def test_the_headers_of_the_reference(self, login, password, header):
        account = {"serviceId": "101", "login": login, "password": password}
        assert basic(f"{login}:{password}") == header
        for given_header in (header, header.replace("Basic", "basic"), header.replace("Basic ", " BASIC   ") + " "):
            call = callback(ASKED["check"], header=given_header)
            claim = PROTOCOL.claim(call, "check")
            assert claim == Claim(credential=f"{login}:{password}")
            assert claim.credential == PROTOCOL.credential_of(account)
            assert PROTOCOL.read(call, "check", account) == Check(ORDER, None)

    def test_the_claim_names_the_transaction_where_it_can(self):
        assert PROTOCOL.claim(asks("create"), "create").processor_ref == TRANS
        assert PROTOCOL.claim(asks("create", transId=7), "create").processor_ref == ""
        assert PROTOCOL.claim(callback(b"{"), "create") == Claim(credential="shop-login:p@ss:word")

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "Basic",
            "Basic ",
            "Basic %%%",
            "Basic dXp1bTpwYXN",
            "Bearer c2hvcC1sb2dpbjpwQHNzOndvcmQ=",
            "Basic \xe9\xe9",
            basic("shop-login"),
            basic(":p@ss:word"),
            basic("shop-login:"),
            basic(":"),
            basic(b"\xff\xfe:\xff"),
            basic("x" * 2000 + ":y"),
        ],
    )
    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    def test_no_usable_credentials_are_10001_before_any_look_up(self, endpoint, header):
        call = callback(ASKED[endpoint], header=header)
        assert refused(call, endpoint) == ("10001", False)
        with pytest.raises(ProtocolFault) as fault:
            PROTOCOL.claim(call, endpoint)
        assert told(fault.value.reply)[1]["errorCode"] == "10001"

    @pytest.mark.parametrize(
        "text", ["shop-login:p@ss:wor", "shop-login:p@ss:word ", "Shop-login:p@ss:word", "shop-login:секрет", "a:b"]
    )
    def test_somebody_elses_credentials_are_10001(self, text):
        call = callback(ASKED["create"], header=basic(text))
        assert refused(call, "create") == ("10001", False)
        assert refused(asks("create"), "create", None) == ("10001", False)

    @pytest.mark.parametrize(
        "credentials",
        [
            {},
            {"serviceId": "101"},
            {**OURS, "login": ""},
            {**OURS, "password": ""},
            {**OURS, "login": " ", "password": " "},
        ],
    )
    def test_an_account_without_login_or_password_verifies_nobody(self, credentials):
        assert PROTOCOL.credential_of(credentials) == ""
        for text in (":", " : ", "shop-login:", "shop-login:p@ss:word"):
            assert refused(callback(ASKED["check"], header=basic(text)), "check", credentials) == ("10001", False)

    def test_the_failure_sample_of_the_reference(self):
        sent = {**ASKED["create"], "serviceId": 101}
        call = Callback(json.dumps(sent).encode(), {"authorization": HEADER}, NOW)
        at = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
        reply = PROTOCOL.write(call, "create", PROTOCOL.read(call, "create", OURS), No(Refusal.WRONG_AMOUNT), now=at)
        assert reply.status == 400
        assert reply.body == (
            b'{"serviceId":101,"transId":"3fa85f64-5717-4562-b3fc-2c963f66afa6","status":"FAILED",'
            b'"transTime":1735787045000,"errorCode":"10011"}'
        )


class TestTheOrderOfChecks:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", ""])
    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    def test_1_not_post(self, endpoint, method):
        assert refused(callback(b"", header=None, method=method), endpoint) == ("10003", False)

    @pytest.mark.parametrize("endpoint", ["", "pay", "Check", "check/", "../check"])
    def test_1_no_such_operation(self, endpoint):
        assert refused(asks("check"), endpoint) == ("10003", False)

    def test_2_credentials_before_json(self):
        assert refused(callback(b"{", header=None), "check") == ("10001", False)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"\xff\xfe",
            b"[]",
            b"7",
            b"null",
            b'"x"',
            b'{"serviceId":NaN}',
            b'{"serviceId":Infinity}',
            b'{"serviceId":101,"serviceId":101}',
            b'{"params":{"order_id":"1","order_id":"2"}}',
            b"[" * 200_000,
            b'{"a":' * 100_000,
            b'{"serviceId":' + b"9" * 5000 + b"}",
            b"\xef\xbb\xbf" + json.dumps(ASKED["check"]).encode(),
            json.dumps(ASKED["check"]).encode("utf-16"),
            json.dumps(ASKED["check"]).encode() + b"x",
        ],
    )
    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    def test_3_json(self, endpoint, body):
        assert refused(callback(body), endpoint) == ("10002", True)

    @pytest.mark.parametrize(
        ("endpoint", "name"),
        [(endpoint, name) for endpoint in ENDPOINTS for name in ASKED[endpoint]],
    )
    def test_4_what_is_required_and_what_is_not(self, endpoint, name):
        whole = ASKED[endpoint]
        variants = [{k: v for k, v in whole.items() if k != name}, {**whole, name: None}, {**whole, name: ""}]
        for body in variants:
            if name in {"tariff", "cardType", "processingReferenceNumber"}:
                assert isinstance(PROTOCOL.read(callback(body), endpoint, OURS), Perform)
            else:
                assert refused(callback(body), endpoint) == ("10005", True)

    @pytest.mark.parametrize("params", [{}, {"order_id": ""}, {"order_id": "  "}, {"order_id": None}, {"fio": "x"}])
    def test_4_an_account_that_is_missing_or_empty(self, params):
        assert refused(asks("check", params=params), "check") == ("10005", True)
        assert refused(asks("create", params=params), "create") == ("10005", True)

    @pytest.mark.parametrize(
        ("endpoint", "changes"),
        [
            ("check", {"serviceId": "101"}),
            ("check", {"serviceId": True}),
            ("check", {"serviceId": 101.0}),
            ("check", {"serviceId": 2**63}),
            ("check", {"timestamp": "now"}),
            ("check", {"timestamp": 1.5}),
            ("check", {"params": []}),
            ("check", {"params": "order_id"}),
            ("check", {"params": {"order_id": True}}),
            ("check", {"params": {"order_id": ["1"]}}),
            ("create", {"transId": 7}),
            ("create", {"transId": 1.5}),
            ("create", {"transId": "x" * 65}),
            ("create", {"transId": "№"}),
            ("create", {"transId": "a\u0000b"}),
            ("create", {"transId": "\ud800"}),
            ("create", {"amount": "1500000"}),
            ("create", {"amount": 1_500_000.0}),
            ("create", {"amount": True}),
            ("create", {"amount": 2**63}),
            ("confirm", {"phone": ["998"]}),
            ("confirm", {"paymentSource": {}, "phone": {"a": 1}}),
        ],
    )
    def test_4_a_wrong_structure_is_unreadable(self, endpoint, changes):
        assert refused(asks(endpoint, **changes), endpoint) == ("10002", True)

    def test_4_unreadable_before_missing_before_another_service(self):
        assert refused(asks("create", amount="x", transId=None, serviceId=7), "create") == ("10002", True)
        assert refused(asks("create", transId=None, serviceId=7), "create") == ("10005", True)
        assert refused(asks("create", serviceId=7, params={"order_id": "\0"}), "create") == ("10006", True)

    @pytest.mark.parametrize(
        ("endpoint", "code"),
        [("check", "10006"), ("create", "10006"), ("confirm", "10014"), ("reverse", "10014"), ("status", "10014")],
    )
    def test_5_another_service(self, endpoint, code):
        assert refused(asks(endpoint, serviceId=102), endpoint) == (code, True)
        assert refused(asks(endpoint), endpoint, {**OURS, "serviceId": "102"}) == (code, True)
        assert refused(asks(endpoint, serviceId=0), endpoint, {**OURS, "serviceId": ""}) == (code, True)

    @pytest.mark.parametrize("reference", ["\0", "a\nb", "\ud800", "x" * 129])
    def test_6_what_can_be_no_order_of_ours(self, reference):
        assert refused(asks("check", params={"order_id": reference}), "check") == ("10007", True)

    def test_what_confirm_needs_is_a_switch(self, monkeypatch):
        monkeypatch.setitem(
            reading.FIELDS,
            words.Endpoint.CONFIRM,
            {k: v for k, v in reading.FIELDS[words.Endpoint.CONFIRM].items() if k not in words.CONFIRM_NEEDS},
        )
        body = {k: v for k, v in ASKED["confirm"].items() if k not in words.CONFIRM_NEEDS}
        assert PROTOCOL.read(callback(body), "confirm", OURS).transaction_ref == TRANS


class TestTheQuestions:
    def test_each_of_them(self):
        assert read("check") == Check(ORDER, None)
        assert read("create") == Create(ORDER, MONEY, TRANS)
        assert read("confirm") == Perform(
            TRANS,
            details={"payment_system": "uzcard", "card_type": "2", "processing_reference_number": "000012345678"},
        )
        assert read("reverse") == Cancel(TRANS, reason="reverse")
        assert read("status") == Status(TRANS)

    def test_the_thirty_minutes_do_not_run_by_a_copied_timestamp(self):
        assert read("create", timestamp=1).their_time is None

    @pytest.mark.parametrize(
        ("params", "reference"),
        [
            ({"order_id": 1042}, "1042"),
            ({"order_id": 0}, "0"),
            ({"order_id": 10**30}, str(10**30)),
            ({"order_id": 10.5}, "10.5"),
            ({"order_id": "A-1", "account": "B-2"}, "A-1"),
            ({"account": "B-2", "fio": {"x": []}}, "B-2"),
            ({"order_id": "", "account": 7}, "7"),
            ({"order_id": None, "account": "B-2"}, "B-2"),
        ],
    )
    def test_the_account_is_text_or_number_under_either_name(self, params, reference):
        assert read("check", params=params).reference == reference
        assert read("create", params=params).reference == reference

    @pytest.mark.parametrize("amount", [0, -5, 1, 2**62])
    def test_a_wrong_amount_is_asked_about_like_any_other(self, amount):
        assert read("create", amount=amount).money == Money(amount, "UZS")

    def test_what_a_confirmation_tells_is_kept_where_it_is_plain(self):
        asked = read(
            "confirm",
            paymentSource="SOMETHING_NEW",
            tariff="15-0-4",
            cardType=[1],
            processingReferenceNumber="\u0000",
            phone=998901234567,
        )
        assert asked.details == {"payment_system": "something_new", "tariff": "15-0-4"}

    def test_the_password_is_in_no_message(self):
        with pytest.raises(ProtocolFault) as fault:
            PROTOCOL.read(asks("check"), "check", {**OURS, "password": "other"})
        assert "p@ss" not in str(fault.value) + repr(fault.value.reply)
        assert OURS["password"] not in repr(built())


class TestTheAnswers:
    def test_check(self):
        assert answered("check", Payable(MONEY)) == (
            200,
            {
                "serviceId": 101,
                "timestamp": NOW_MS,
                "status": "OK",
                "data": {"order_id": {"value": ORDER}, "amount": {"value": "15000.00"}},
            },
        )
        body = answered("check", Payable(Money(5, "UZS")), params={"order_id": " ", "account": 7})[1]
        assert body["data"] == {"account": {"value": "7"}, "amount": {"value": "0.05"}}

    def test_create_confirm_reverse(self):
        facts = {"serviceId": 101, "transId": TRANS, "amount": 1_500_000, "data": {"order_id": {"value": ORDER}}}
        assert answered("create", Done(SNAPSHOT)) == (200, {**facts, "status": "CREATED", "transTime": CREATED_MS})
        assert answered("confirm", Done(PERFORMED)) == (
            200,
            {**facts, "status": "CONFIRMED", "confirmTime": PERFORMED_MS},
        )
        assert answered("reverse", Done(REVERSED)) == (200, {**facts, "status": "REVERSED", "reverseTime": REVERSED_MS})
        assert answered("reverse", Done(GIVEN_UP)) == (
            200,
            {**facts, "status": "REVERSED", "reverseTime": CANCELLED_MS},
        )

    @pytest.mark.parametrize(
        ("snapshot", "word", "confirmed", "reversed_"),
        [
            (SNAPSHOT, "CREATED", None, None),
            (PERFORMED, "CONFIRMED", PERFORMED_MS, None),
            (REVERSED, "REVERSED", PERFORMED_MS, REVERSED_MS),
            (GIVEN_UP, "REVERSED", None, CANCELLED_MS),
        ],
    )
    def test_status_has_all_times_with_null_for_what_has_not_happened(self, snapshot, word, confirmed, reversed_):
        assert answered("status", Done(snapshot)) == (
            200,
            {
                "serviceId": 101,
                "transId": TRANS,
                "status": word,
                "transTime": CREATED_MS,
                "confirmTime": confirmed,
                "reverseTime": reversed_,
                "amount": 1_500_000,
                "data": {"order_id": {"value": ORDER}},
            },
        )

    @pytest.mark.parametrize("snapshot", [EXPIRED, CANCELLED, replace(EXPIRED, reason="reverse")])
    def test_status_of_what_ran_out_or_was_ended_here_is_failed(self, snapshot):
        failed = {"serviceId": 101, "transId": TRANS, "status": "FAILED", "transTime": CREATED_MS, "errorCode": "10015"}
        assert answered("status", Done(snapshot)) == (400, failed)

    @pytest.mark.parametrize(
        ("endpoint", "snapshot", "code", "time"),
        [
            ("create", SNAPSHOT, "10010", CREATED_MS),
            ("create", PERFORMED, "10010", CREATED_MS),
            ("confirm", PERFORMED, "10016", PERFORMED_MS),
            ("reverse", REVERSED, "10018", REVERSED_MS),
            ("reverse", EXPIRED, "10018", CANCELLED_MS),
        ],
    )
    def test_a_repeat_hears_already_with_the_time_of_the_first(self, endpoint, snapshot, code, time):
        failed = {"serviceId": 101, "transId": TRANS, "status": "FAILED", TIMES[endpoint]: time, "errorCode": code}
        assert answered(endpoint, Done(snapshot, is_repeat=True)) == (400, failed)

    def test_looking_twice_is_no_repeat(self):
        assert answered("status", Done(SNAPSHOT, is_repeat=True)) == answered("status", Done(SNAPSHOT))

    @pytest.mark.parametrize(
        ("endpoint", "why", "code"),
        [
            ("check", Refusal.UNKNOWN_ORDER, "10007"),
            ("check", Refusal.ALREADY_PAID, "10008"),
            ("check", Refusal.ORDER_ENDED, "10009"),
            ("check", Refusal.ORDER_BUSY, "99999"),
            ("create", Refusal.UNKNOWN_ORDER, "10007"),
            ("create", Refusal.ALREADY_PAID, "10008"),
            ("create", Refusal.ORDER_ENDED, "10009"),
            ("create", Refusal.ORDER_BUSY, "99999"),
            ("create", Refusal.WRONG_AMOUNT, "10011"),
            ("create", Refusal.NOT_SAME_CONTENT, "10010"),
            ("create", Refusal.WRONG_STATE, "10010"),
            ("create", Refusal.TRANSACTION_EXPIRED, "10010"),
            ("confirm", Refusal.UNKNOWN_TRANSACTION, "10014"),
            ("confirm", Refusal.WRONG_STATE, "10015"),
            ("confirm", Refusal.TRANSACTION_EXPIRED, "10015"),
            ("confirm", Refusal.ALREADY_PAID, "10015"),
            ("confirm", Refusal.ORDER_ENDED, "10015"),
            ("reverse", Refusal.UNKNOWN_TRANSACTION, "10014"),
            ("reverse", Refusal.NOT_REFUNDABLE, "10017"),
            ("reverse", Refusal.WRONG_STATE, "10017"),
            ("status", Refusal.UNKNOWN_TRANSACTION, "10014"),
            ("status", Refusal.TRANSACTION_EXPIRED, "10015"),
        ],
    )
    def test_each_no(self, endpoint, why, code):
        status, body = answered(endpoint, No(why))
        assert (status, body["status"], body["errorCode"], body["serviceId"]) == (400, "FAILED", code, 101)
        assert body.get("transId") == (None if endpoint == "check" else TRANS)
        assert body.get(TIMES.get(endpoint, "")) == (NOW_MS if endpoint in TIMES else None)

    @pytest.mark.parametrize("why", list(Refusal))
    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    def test_every_refusal_has_a_code_in_every_column(self, endpoint, why):
        columns = {
            "check": {"10007", "10008", "10009", "99999", "10011"},
            "create": {"10007", "10008", "10009", "10010", "10011", "99999"},
            "confirm": {"10014", "10015"},
            "reverse": {"10014", "10017"},
            "status": {"10014", "10015"},
        }
        for snapshot in (None, SNAPSHOT):
            status, body = answered(endpoint, No(why, snapshot))
            assert (status, body["errorCode"] in columns[endpoint]) == (400, True)

    def test_a_busy_order_is_a_switch(self, monkeypatch):
        monkeypatch.setitem(words.ABOUT_ORDER, Refusal.ORDER_BUSY, words.PAID)
        assert answered("check", No(Refusal.ORDER_BUSY))[1]["errorCode"] == "10008"

    @pytest.mark.parametrize(
        ("endpoint", "answer"),
        [
            ("check", Done(SNAPSHOT)),
            ("check", Noted()),
            ("create", Payable(MONEY)),
            ("create", Done(PERFORMED)),
            ("create", Done(CANCELLED)),
            ("confirm", Done(SNAPSHOT)),
            ("confirm", Done(REVERSED)),
            ("reverse", Done(PERFORMED)),
            ("status", Transactions(())),
        ],
    )
    def test_a_yes_that_would_be_untrue_is_never_written(self, endpoint, answer):
        status, body = answered(endpoint, answer)
        assert (status, body["status"], body["errorCode"]) == (500, "FAILED", "99999")

    def test_an_answer_to_another_question_asks_again(self):
        reply = PROTOCOL.write(asks("status"), "status", Perform(TRANS), Done(SNAPSHOT), now=NOW)
        assert told(reply)[1]["errorCode"] == "99999" and reply.status == 500
        reply = PROTOCOL.write(asks("status"), "nothing", Status(TRANS), Done(SNAPSHOT), now=NOW)
        assert (reply.status, told(reply)[1]["errorCode"]) == (400, "10003")

    @pytest.mark.parametrize("endpoint", [*ENDPOINTS, "", "nothing"])
    @pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b"[1]", b"null", b'{"serviceId":"x","transId":[]}'])
    def test_a_fault_of_ours_asks_again_whatever_came(self, endpoint, body):
        for call in (callback(body), callback(body, header=None, method="GET")):
            status, told_ = told(PROTOCOL.fault(call, endpoint, now=NOW))
            assert (status, told_["errorCode"], told_["status"]) == (500, "99999", "FAILED")
            assert "serviceId" not in told_ and "transId" not in told_

    def test_a_fault_echoes_what_can_be_echoed(self):
        status, body = told(PROTOCOL.fault(asks("confirm"), "confirm", now=NOW))
        facts = {"serviceId": 101, "transId": TRANS, "status": "FAILED", "confirmTime": NOW_MS, "errorCode": "99999"}
        assert (status, body) == (500, facts)

    def test_times_are_whole_milliseconds_far_from_any_rounding(self):
        late = replace(SNAPSHOT, created_at=datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
        assert answered("create", Done(late))[1]["transTime"] == 253_402_300_799_999
        assert timedelta(minutes=30) == words.LIFETIME


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
GOOD = {name: value for asked in ASKED.values() for name, value in asked.items()}
CALLS = st.fixed_dictionaries({}, optional={name: JSON | st.just(value) for name, value in GOOD.items()})


class TestHostileCalls:
    @settings(max_examples=600, deadline=None)
    @given(CALLS | JSON, st.sampled_from(ENDPOINTS), st.sampled_from([HEADER, HEADER, None, "Basic", basic("a:b")]))
    def test_whatever_is_called_is_read_or_refused_in_the_banks_own_form(self, body, endpoint, header):
        call = callback(json.dumps(body).encode("utf-8", "surrogatepass"), header=header)
        try:
            asked = PROTOCOL.read(call, endpoint, OURS)
        except ProtocolFault as fault:
            status, told_ = told(fault.reply)
            assert (status, told_["status"], type(told_["errorCode"])) == (400, "FAILED", str)
            assert fault.is_authentic is False or header == HEADER
        else:
            assert header == HEADER
            for answer in (No(Refusal.WRONG_STATE), Payable(MONEY), Done(SNAPSHOT)):
                told(PROTOCOL.write(call, endpoint, asked, answer, now=NOW))

    @settings(max_examples=400, deadline=None)
    @given(st.binary(max_size=200), st.text(max_size=60), st.text(max_size=8) | st.sampled_from(ENDPOINTS))
    def test_bytes_headers_and_addresses_of_any_kind_raise_nothing_else(self, body, header, endpoint):
        call = callback(body, header=header)
        for ask in (lambda: PROTOCOL.claim(call, endpoint), lambda: PROTOCOL.read(call, endpoint, OURS)):
            with pytest.raises(ProtocolFault):
                ask()
        assert told(PROTOCOL.fault(call, endpoint, now=NOW))[0] == 500
