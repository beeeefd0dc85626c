"""Payme: the link to the checkout, and every word of its Merchant API."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapter import AdapterConfig
from gateway.adapters.payme import PROCESSOR, PROTOCOL, words, writing
from gateway.errors import BadCallback, Misconfigured, NotAvailable, Refused
from gateway.money import MAX_MINOR, Money
from gateway.questions import (
    Cancel,
    Check,
    Claim,
    Create,
    Done,
    Fiscal,
    Item,
    No,
    Noted,
    Payable,
    Perform,
    ProtocolFault,
    Refusal,
    Snapshot,
    State,
    Statement,
    Status,
    Transactions,
)
from gateway.types import Callback, Mode, Outcome, PaymentRef, PaymentRequest, RefundRef, RefundRequest

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MERCHANT = "0123456789abcdef01234567"
KEY = "test-key-000000000000000000000000001"
HEADER = "Basic UGF5Y29tOnRlc3Qta2V5LTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMQ=="
OURS = {"merchantId": MERCHANT, "key": KEY}
PAYME_ID = "65f0000000000000000000a1"
ACCOUNT = {"order_id": "1042"}
MONEY = Money(1_500_000, "UZS")
LANGUAGES = {"ru", "uz", "en"}

PARAMS = {
    "CheckPerformTransaction": {"amount": 1_500_000, "account": ACCOUNT},
    "CreateTransaction": {"id": PAYME_ID, "time": 1735787045000, "amount": 1_500_000, "account": ACCOUNT},
    "PerformTransaction": {"id": PAYME_ID},
    "CancelTransaction": {"id": PAYME_ID, "reason": 5},
    "CheckTransaction": {"id": PAYME_ID},
    "GetStatement": {"from": 1735787045000, "to": 1735787046123},
    "SetFiscalData": {
        "id": PAYME_ID,
        "type": "PERFORM",
        "fiscal_data": {"receipt_id": 121, "status_code": 0, "message": "accepted", "qr_code_url": "not-a-url"},
    },
}
SNAPSHOT = Snapshot(
    transaction_ref=PAYME_ID,
    reference="1042",
    our_number="77",
    money=MONEY,
    state=State.CREATED,
    their_time=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
    created_at=datetime(2025, 1, 2, 3, 4, 5, 210_000, tzinfo=UTC),
)
PERFORMED = replace(SNAPSHOT, state=State.PERFORMED, performed_at=datetime(2025, 1, 2, 3, 5, tzinfo=UTC))
CANCELLED = replace(
    SNAPSHOT, state=State.CANCELLED, cancelled_at=datetime(2025, 1, 2, 4, 0, 0, 999_999, tzinfo=UTC), reason="3"
)
REVERSED = replace(PERFORMED, state=State.REVERSED, cancelled_at=datetime(2025, 1, 3, tzinfo=UTC), reason="5")


def callback(body, *, header=HEADER, method="POST"):
    headers = {} if header is None else {"authorization": header}
    return Callback(body if isinstance(body, bytes) else json.dumps(body).encode(), headers, NOW, method=method)


def asks(method, envelope=41, **changes):
    params = {**PARAMS.get(method, {}), **changes}
    return callback({"id": envelope, "method": method, "params": params})


def basic(text):
    return "Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def question(call):
    return PROTOCOL.read(call, "", OURS)


def told(reply):
    assert reply.status == 200
    assert reply.content_type.startswith("application/json")
    return json.loads(reply.body)


def answered(method, answer, **changes):
    call = asks(method, **changes)
    return told(PROTOCOL.write(call, "", question(call), answer, now=NOW))


def refused(call, credentials=OURS):
    """The error, and whether it was said to a caller with the key."""
    with pytest.raises(ProtocolFault) as fault:
        PROTOCOL.read(call, "", credentials)
    body = told(fault.value.reply)
    assert body["jsonrpc"] == "2.0"
    assert "result" not in body
    assert set(body["error"]["message"]) == LANGUAGES
    return body["error"]["code"], body["id"], fault.value.is_authentic, body["error"].get("data")


def adapter(mode=Mode.LIVE, base_url="", merchant=MERCHANT):
    return PROCESSOR.build(AdapterConfig(mode, base_url, {**OURS, "merchantId": merchant}))


def request(order="1042", minor=1_500_000, return_url="https://shop.example/pay/return?o=1042", **more):
    more = {"lang": "uz", **more}
    return PaymentRequest("pay-1", order, Money(minor, "UZS"), "Order 1042", return_url, **more)


def decoded(url, base):
    assert url.startswith(base + "/")
    return base64.b64decode(url.removeprefix(base + "/"), validate=True).decode()


class TestTheLink:
    def test_the_examples_of_the_reference_come_out_to_the_letter(self):
        link = adapter().create_payment(request()).next_action.url
        assert decoded(link, "https://checkout.paycom.uz") == (
            "m=0123456789abcdef01234567;ac.order_id=1042;a=1500000;l=uz;c=https://shop.example/pay/return?o=1042"
        )
        link = (
            adapter(Mode.TEST)
            .create_payment(request("A-77", 100_050, "https://shop.example/r", lang="ru"))
            .next_action.url
        )
        assert link == (
            "https://test.paycom.uz/bT0wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc7YWMub3JkZXJfaWQ9QS03NzthPTEwMDA1MDtsPXJ1O2M9"
            "aHR0cHM6Ly9zaG9wLmV4YW1wbGUvcg=="
        )
        plain = adapter(merchant="587f72c72cac0d162c722ae2").create_payment(request("197", 500, "", lang=""))
        assert plain.next_action.url == (
            "https://checkout.paycom.uz/bT01ODdmNzJjNzJjYWMwZDE2MmM3MjJhZTI7YWMub3JkZXJfaWQ9MTk3O2E9NTAw"
        )

    def test_a_delay_before_the_return_is_a_switch(self, monkeypatch):
        monkeypatch.setattr("gateway.adapters.payme.adapter.RETURN_DELAY_MS", 15000)
        assert adapter().create_payment(request()).next_action.url == (
            "https://checkout.paycom.uz/bT0wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc7YWMub3JkZXJfaWQ9MTA0MjthPTE1MDAwMDA7bD11ejtj"
            "PWh0dHBzOi8vc2hvcC5leGFtcGxlL3BheS9yZXR1cm4/bz0xMDQyO2N0PTE1MDAw"
        )

    def test_nothing_exists_at_payme_before_the_buyer_acts(self):
        report = adapter(Mode.TEST).create_payment(request())
        assert (report.processor_ref, report.outcome, report.mode) == ("", Outcome.PENDING, Mode.TEST)
        assert (report.reference, report.is_final) == ("pay-1", False)

    def test_the_lab_stands_in_for_the_host(self):
        link = adapter(Mode.TEST, "http://127.0.0.1:8010/payme/").create_payment(request()).next_action.url
        assert decoded(link, "http://127.0.0.1:8010/payme").startswith("m=")

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ("https://shop.test/a;b=1?c;d", "https://shop.test/a%3Bb=1?c%3Bd"),
            ("https://shop.test/x?y=%3B&z=a b", "https://shop.test/x?y=%3B&z=a%20b"),
            ("https://shop.test/оплата", "https://shop.test/%D0%BE%D0%BF%D0%BB%D0%B0%D1%82%D0%B0"),
            ("https://shop.test/:transaction?:account.order_id#x", None),
        ],
    )
    def test_a_return_address_cannot_break_the_list_of_parameters(self, given, sent):
        link = adapter().create_payment(request(return_url=given)).next_action.url
        params = decoded(link, "https://checkout.paycom.uz").split(";")
        assert len(params) == 5
        back = params[-1].removeprefix("c=")
        assert back == (sent or "https://shop.test/%3Atransaction?%3Aaccount.order_id#x")

    @pytest.mark.parametrize("lang", ["de", "", "EN"])
    def test_a_language_payme_does_not_speak_is_left_out(self, lang):
        link = adapter().create_payment(request(lang=lang)).next_action.url
        assert ";l=" not in decoded(link, "https://checkout.paycom.uz")

    @pytest.mark.parametrize("order", ["", "a;b", "a=b", "a b", "заказ", "a\nb"])
    def test_an_order_id_that_would_break_the_link_is_refused(self, order):
        with pytest.raises(Misconfigured):
            adapter().create_payment(request(order))

    @given(st.integers(100, MAX_MINOR))
    def test_no_amount_changes_by_a_tiyin_between_the_link_and_the_question(self, minor):
        link = adapter().create_payment(request(minor=minor)).next_action.url
        params = dict(part.split("=", 1) for part in decoded(link, "https://checkout.paycom.uz").split(";"))
        asked = question(asks("CheckPerformTransaction", amount=int(params["a"])))
        assert asked.money == Money(minor, "UZS")


class TestTheProcessor:
    def test_what_it_says_about_itself(self):
        fields = [(f.name, f.is_required, f.is_secret, f.is_identity) for f in PROCESSOR.credential_fields]
        assert fields == [("merchantId", True, False, True), ("key", True, True, False)]
        can = PROCESSOR.capabilities
        assert can.asks_first and not (can.can_refund or can.can_refund_partially or can.can_cancel or can.has_status)
        assert can.currencies == {"UZS"}

    @pytest.mark.parametrize(
        ("credentials", "wrong"),
        [
            ({"merchantId": MERCHANT, "key": KEY}, set()),
            ({"merchantId": "my-shop", "key": "p%20@b:c=d&e"}, set()),
            ({"merchantId": MERCHANT, "key": "ключ"}, set()),
            ({}, {"merchantId", "key"}),
            ({"merchantId": "a;b", "key": " k "}, {"merchantId", "key"}),
            ({"merchantId": "a" * 65, "key": "k\n"}, {"merchantId", "key"}),
            ({"merchantId": MERCHANT, "key": "k" * 257}, {"key"}),
        ],
    )
    def test_credentials_are_checked_by_field(self, credentials, wrong):
        assert set(PROCESSOR.check_credentials(credentials, Mode.LIVE)) == wrong

    @pytest.mark.parametrize(
        ("money", "can"),
        [(Money(1, "UZS"), True), (Money(MAX_MINOR, "UZS"), True), (Money(0, "UZS"), False)]
        + [(Money(-5, "UZS"), False), (Money(MAX_MINOR + 1, "UZS"), False), (Money(500, "USD"), False)],
    )
    def test_money_it_takes(self, money, can):
        assert (PROCESSOR.check_money(money) == "") is can

    def test_there_is_no_api_to_call(self):
        payme, payment = adapter(), PaymentRef("pay-1", PAYME_ID, MONEY, NOW)
        for call in (
            lambda: payme.ask_payment(payment),
            lambda: payme.cancel_payment(payment),
            lambda: payme.refund_payment(RefundRequest("r-1", payment, MONEY)),
            lambda: payme.ask_refund(RefundRef("r-1", "", payment, MONEY, NOW)),
        ):
            with pytest.raises(Refused):
                call()
        for read in (payme.peek, payme.read_callback):
            with pytest.raises(BadCallback):
                read(callback(b"{}"))

    def test_what_it_cannot_take_is_said_before_the_buyer_is_sent_away(self):
        assert adapter().check_availability(currency="UZS").is_available
        assert not adapter().check_availability(currency="USD").is_available
        assert not adapter().check_availability(currency="UZS", method="cashapp").is_available
        with pytest.raises(NotAvailable):
            adapter().create_payment(request(method="cashapp"))
        with pytest.raises(Misconfigured):
            adapter().create_payment(request(minor=0))


class TestWhoCalls:
    @pytest.mark.parametrize(
        ("key", "header"),
        [
            (KEY, HEADER),
            ("p%20@b:c=d&e", "Basic UGF5Y29tOnAlMjBAYjpjPWQmZQ=="),
            ("ключ", "Basic UGF5Y29tOtC60LvRjtGH"),
        ],
    )
    def test_the_headers_of_the_reference_verify_their_keys_and_no_others(self, key, header):
        call = callback({"id": 1, "method": "CheckTransaction", "params": {"id": PAYME_ID}}, header=header)
        assert basic(f"Paycom:{key}") == header
        assert PROTOCOL.claim(call, "").credential == key == PROTOCOL.credential_of({"key": key})
        assert PROTOCOL.read(call, "", {"key": key}) == Status(PAYME_ID)
        for other in (key[:-1], key + "x", key.upper(), "", " "):
            assert refused(call, {"key": other})[:3] == (-32504, 1, False)

    def test_the_claim_names_the_transaction_where_there_is_one(self):
        assert PROTOCOL.claim(asks("PerformTransaction"), "") == Claim(credential=KEY, processor_ref=PAYME_ID)
        assert PROTOCOL.claim(asks("GetStatement"), "") == Claim(credential=KEY)
        assert PROTOCOL.claim(asks("PerformTransaction", id="a\0b"), "") == Claim(credential=KEY)

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "Basic",
            "Basic ",
            "Basic %%%",
            "Basic é",
            "Bearer " + base64.b64encode(b"Paycom:" + KEY.encode()).decode(),
            basic(f"paycom:{KEY}"),
            basic(f"Paycom{KEY}"),
            basic("Paycom:"),
            basic(f":{KEY}"),
            basic(b"Paycom:\xff\xfe"),
            basic("Paycom:" + "k" * 5000),
            HEADER + ", " + HEADER,
            HEADER.rstrip("="),
        ],
    )
    @pytest.mark.parametrize("method", [*PARAMS, "NoSuchMethod"])
    def test_without_the_key_every_method_hears_the_same_with_its_id(self, header, method):
        call = callback({"id": 7, "method": method, "params": PARAMS.get(method, {})}, header=header)
        assert refused(call) == (-32504, 7, False, None)
        with pytest.raises(ProtocolFault) as fault:
            PROTOCOL.claim(call, "")
        assert told(fault.value.reply)["error"]["code"] == -32504

    def test_no_fitting_account_and_an_account_without_key_verify_nobody(self):
        for credentials in (None, {}, {"key": ""}, {"key": "   "}, {"merchantId": MERCHANT}):
            assert refused(asks("CheckTransaction", envelope=9), credentials) == (-32504, 9, False, None)
        assert refused(callback(json.loads(asks("CheckTransaction").body), header=basic("Paycom: ")), {"key": " "})

    def test_the_scheme_is_read_in_any_case(self):
        call = callback(json.loads(asks("CheckTransaction").body), header="bASIC  " + HEADER.split()[1] + " ")
        assert question(call) == Status(PAYME_ID)


class TestTheOrderOfChecks:
    @pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "post", ""])
    def test_not_post_comes_before_everything(self, method):
        assert refused(callback(b"garbage", header=None, method=method)) == (-32300, None, False, None)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"\xff\xfe",
            b"\xef\xbb\xbf{}",
            '{"id":1}'.encode("utf-16"),
            b'{"id":NaN}',
            b'{"id":Infinity}',
            b'{"id":1,"id":2}',
            b'{"id":1,"params":{"amount":1,"amount":2}}',
            b"[" * 200_000,
            b'{"a":' * 50_000,
            b'{"id":' + b"9" * 5000 + b"}",
            b"{'id':1}",
            b'{"id":1}{"id":2}',
            b"amount=1&id=2",
        ],
    )
    def test_not_json_comes_before_the_credentials(self, body):
        assert refused(callback(body, header=None)) == (-32700, None, False, None)
        assert refused(callback(body)) == (-32700, None, False, None)
        with pytest.raises(ProtocolFault):
            PROTOCOL.claim(callback(body), "")

    @pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"x"', b"{}", b'[{"id":1}]'])
    def test_credentials_come_before_the_shape(self, body):
        assert refused(callback(body, header=None))[0] == -32504
        assert refused(callback(body)) == (-32600, None, True, None)

    @pytest.mark.parametrize(
        ("body", "envelope"),
        [
            ({"id": 5}, 5),
            ({"id": 5, "method": 7}, 5),
            ({"id": 5, "method": 1.5}, 5),
            ({"id": 5, "method": None, "params": {}}, 5),
            ({"id": 5, "method": "CheckTransaction"}, 5),
            ({"id": 5, "method": "CheckTransaction", "params": []}, 5),
            ({"method": "CheckTransaction", "params": {"id": PAYME_ID}}, None),
            ({"id": None, "method": "CheckTransaction", "params": {"id": PAYME_ID}}, None),
            ({"id": 1.5, "method": "CheckTransaction", "params": {"id": PAYME_ID}}, None),
            ({"id": True, "method": "CheckTransaction", "params": {"id": PAYME_ID}}, None),
            ({"id": [1], "method": "CheckTransaction", "params": {"id": PAYME_ID}}, None),
        ],
    )
    def test_the_shape_comes_before_the_method(self, body, envelope):
        assert refused(callback(body)) == (-32600, envelope, True, None)

    @pytest.mark.parametrize("method", ["ChangePassword", "checktransaction", "", "CheckTransaction ", "Ω"])
    def test_an_unknown_method_is_named_and_comes_before_its_params(self, method):
        assert refused(callback({"id": 3, "method": method, "params": 1})) == (-32601, 3, True, method)

    @pytest.mark.parametrize("envelope", [0, -1, 2**80, "7", "a-b", "\ud800"])
    def test_the_id_is_echoed_as_it_came(self, envelope):
        body = answered("CheckTransaction", Done(SNAPSHOT), envelope=envelope)
        assert body["id"] == envelope and type(body["id"]) is type(envelope)

    def test_jsonrpc_may_be_there_or_not_and_strangers_are_ignored(self):
        call = callback({"jsonrpc": "2.0", "id": 1, "method": "PerformTransaction", "params": {"id": "x", "y": 1.5}})
        assert question(call) == Perform("x")


class TestTheQuestions:
    @pytest.mark.parametrize(
        ("method", "wanted"),
        [
            ("CheckPerformTransaction", Check("1042", MONEY)),
            ("CreateTransaction", Create("1042", MONEY, PAYME_ID, datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC))),
            ("PerformTransaction", Perform(PAYME_ID)),
            ("CancelTransaction", Cancel(PAYME_ID, "5")),
            ("CheckTransaction", Status(PAYME_ID)),
            (
                "GetStatement",
                Statement(
                    datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2025, 1, 2, 3, 4, 6, 123_000, tzinfo=UTC)
                ),
            ),
            ("SetFiscalData", Fiscal(PAYME_ID, "PERFORM", PARAMS["SetFiscalData"]["fiscal_data"])),
        ],
    )
    def test_each_method_reads_as_its_question(self, method, wanted):
        assert question(asks(method)) == wanted

    @pytest.mark.parametrize("value", [1042, "1042"])
    def test_an_account_may_come_as_number_or_text(self, value):
        assert question(asks("CheckPerformTransaction", account={"order_id": value})).reference == "1042"

    @pytest.mark.parametrize(
        "account",
        [{}, {"order": "1042"}, {"order_id": None}, {"order_id": True}, {"order_id": 1.5}, {"order_id": ""}]
        + [{"order_id": []}, {"order_id": -1}, {"order_id": "a\0"}, {"order_id": "\ud800"}, {"order_id": "x" * 129}],
    )
    @pytest.mark.parametrize("method", ["CheckPerformTransaction", "CreateTransaction"])
    def test_an_account_that_can_be_none_of_ours_is_unknown(self, method, account):
        assert refused(asks(method, account=account)) == (-31050, 41, True, "order_id")

    @pytest.mark.parametrize(
        ("method", "name", "values"),
        [
            ("CheckPerformTransaction", "amount", [None, "1500000", 1500000.0, 1e3, True, [], {}]),
            ("CheckPerformTransaction", "account", [None, [], "1042", 1042]),
            ("CreateTransaction", "id", [None, 7, "", "x" * 65, "a\0b", "ид", "a\nb", []]),
            ("CreateTransaction", "time", [None, "1", 1.5, True, 0, -1, 253_402_300_800_000, 10**30]),
            ("CreateTransaction", "amount", [None, "5", 5.0]),
            ("PerformTransaction", "id", [None, 7]),
            ("CancelTransaction", "id", [None, 7]),
            ("CancelTransaction", "reason", [None, "5", 5.0, True, 2**31]),
            ("CheckTransaction", "id", [None, {}]),
            ("GetStatement", "from", [None, "0", 0.5]),
            ("GetStatement", "to", [None, "0", False]),
        ],
    )
    def test_a_missing_or_mistyped_parameter_is_a_bad_request(self, method, name, values):
        for value in values:
            assert refused(asks(method, **{name: value})) == (-32600, 41, True, None)
        params = {key: value for key, value in PARAMS[method].items() if key != name}
        assert refused(callback({"id": 41, "method": method, "params": params}))[0] == -32600

    @pytest.mark.parametrize("amount", [0, -1, -1_500_000, 2**63, 10**4000])
    @pytest.mark.parametrize("method", ["CheckPerformTransaction", "CreateTransaction"])
    def test_an_integer_that_no_order_owes_is_a_wrong_amount(self, method, amount):
        assert refused(asks(method, amount=amount)) == (-31001, 41, True, None)

    def test_a_statement_may_reach_beyond_every_clock(self):
        asked = question(asks("GetStatement", **{"from": -5, "to": 10**40}))
        assert (asked.since, asked.until.year) == (datetime(1970, 1, 1, tzinfo=UTC), 9999)

    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"id": 7}, "id"),
            ({"type": "REFUND"}, "type"),
            ({"type": []}, "type"),
            ({"fiscal_data": None}, "fiscal_data"),
            ({"fiscal_data": {}}, "fiscal_data"),
            ({"fiscal_data": {"receipt_id": "121"}}, "receipt_id"),
            ({"fiscal_data": {"receipt_id": 2**63}}, "receipt_id"),
            ({"fiscal_data": {"qr_code_url": 5}}, "qr_code_url"),
            ({"fiscal_data": {"message": "a\0"}}, "message"),
        ],
    )
    def test_fiscal_data_is_refused_by_the_name_of_what_is_wrong(self, changes, name):
        assert refused(asks("SetFiscalData", **changes)) == (-32602, 41, True, name)

    def test_fiscal_data_is_kept_as_it_came_and_what_cannot_be_kept_is_left_out(self):
        data = {"receipt_id": 1, "date": "20260120131215", "message": None, "extra": "x", "deep": {"a": 1}, "f": 1.5}
        kept = question(asks("SetFiscalData", type="CANCEL", fiscal_data=data))
        assert kept == Fiscal(PAYME_ID, "CANCEL", {"receipt_id": 1, "date": "20260120131215", "extra": "x"})


class TestTheAnswers:
    def test_the_worked_exchange_of_the_reference_to_the_byte(self):
        call = asks("CreateTransaction")
        reply = PROTOCOL.write(call, "", question(call), Done(SNAPSHOT), now=NOW)
        assert reply.body == (
            b'{"jsonrpc":"2.0","id":41,"result":{"create_time":1735787045210,"transaction":"77","state":1}}'
        )
        again = asks("CreateTransaction", envelope=42)
        repeat = PROTOCOL.write(
            again, "", question(again), Done(SNAPSHOT, is_repeat=True), now=NOW + timedelta(hours=1)
        )
        assert repeat.body == reply.body.replace(b'"id":41', b'"id":42')

    @pytest.mark.parametrize(
        ("method", "answer", "wanted"),
        [
            ("CheckPerformTransaction", Payable(MONEY), {"allow": True}),
            (
                "PerformTransaction",
                Done(PERFORMED),
                {"transaction": "77", "perform_time": 1735787100000, "state": 2},
            ),
            ("CancelTransaction", Done(CANCELLED), {"transaction": "77", "cancel_time": 1735790400999, "state": -1}),
            ("CancelTransaction", Done(REVERSED), {"transaction": "77", "cancel_time": 1735862400000, "state": -2}),
            ("GetStatement", Transactions(()), {"transactions": []}),
            ("SetFiscalData", Noted(), {"success": True}),
        ],
    )
    def test_each_yes(self, method, answer, wanted):
        body = answered(method, answer)
        assert body == {"jsonrpc": "2.0", "id": 41, "result": wanted}
        assert type(body["result"].get("allow", True)) is bool

    @pytest.mark.parametrize(
        ("snapshot", "state", "performed", "cancelled", "reason"),
        [
            (SNAPSHOT, 1, 0, 0, None),
            (PERFORMED, 2, 1735787100000, 0, None),
            (CANCELLED, -1, 0, 1735790400999, 3),
            (REVERSED, -2, 1735787100000, 1735862400000, 5),
            (replace(CANCELLED, expired=True, reason=""), -1, 0, 1735790400999, 4),
            (replace(CANCELLED, reason=""), -1, 0, 1735790400999, 10),
            (replace(CANCELLED, reason="cancelled by us"), -1, 0, 1735790400999, 10),
        ],
    )
    def test_a_transaction_as_it_stands(self, snapshot, state, performed, cancelled, reason):
        standing = {
            "create_time": 1735787045210,
            "perform_time": performed,
            "cancel_time": cancelled,
            "transaction": "77",
            "state": state,
            "reason": reason,
        }
        assert answered("CheckTransaction", Done(snapshot))["result"] == standing
        assert answered("GetStatement", Transactions((snapshot,)))["result"] == {
            "transactions": [
                {"id": PAYME_ID, "time": 1735787045000, "amount": 1_500_000, "account": ACCOUNT, **standing}
                | {"receivers": None}
            ]
        }

    def test_a_statement_is_in_order_of_paymes_own_time(self):
        later = replace(SNAPSHOT, transaction_ref="b", their_time=SNAPSHOT.their_time + timedelta(milliseconds=1))
        twin = replace(SNAPSHOT, transaction_ref="a")
        rows = answered("GetStatement", Transactions((later, SNAPSHOT, twin)))["result"]["transactions"]
        assert [row["id"] for row in rows] == [PAYME_ID, "a", "b"]

    @pytest.mark.parametrize(
        ("method", "why", "code"),
        [
            ("CheckPerformTransaction", Refusal.UNKNOWN_ORDER, -31050),
            ("CheckPerformTransaction", Refusal.ALREADY_PAID, -31051),
            ("CheckPerformTransaction", Refusal.ORDER_ENDED, -31052),
            ("CheckPerformTransaction", Refusal.ORDER_BUSY, -31053),
            ("CheckPerformTransaction", Refusal.WRONG_AMOUNT, -31001),
            ("CreateTransaction", Refusal.UNKNOWN_ORDER, -31050),
            ("CreateTransaction", Refusal.ALREADY_PAID, -31051),
            ("CreateTransaction", Refusal.ORDER_ENDED, -31052),
            ("CreateTransaction", Refusal.ORDER_BUSY, -31008),
            ("CreateTransaction", Refusal.WRONG_AMOUNT, -31001),
            ("CreateTransaction", Refusal.WRONG_STATE, -31008),
            ("CreateTransaction", Refusal.TRANSACTION_EXPIRED, -31008),
            ("CreateTransaction", Refusal.NOT_SAME_CONTENT, -31008),
            ("PerformTransaction", Refusal.UNKNOWN_TRANSACTION, -31003),
            ("PerformTransaction", Refusal.WRONG_STATE, -31008),
            ("PerformTransaction", Refusal.TRANSACTION_EXPIRED, -31008),
            ("PerformTransaction", Refusal.ALREADY_PAID, -31008),
            ("PerformTransaction", Refusal.ORDER_ENDED, -31008),
            ("PerformTransaction", Refusal.ORDER_BUSY, -31008),
            ("CancelTransaction", Refusal.UNKNOWN_TRANSACTION, -31003),
            ("CancelTransaction", Refusal.NOT_REFUNDABLE, -31007),
            ("CancelTransaction", Refusal.WRONG_STATE, -31007),
            ("CheckTransaction", Refusal.UNKNOWN_TRANSACTION, -31003),
            ("SetFiscalData", Refusal.UNKNOWN_TRANSACTION, -32001),
            ("SetFiscalData", Refusal.UNKNOWN_RECEIPT, -32001),
        ],
    )
    def test_each_no(self, method, why, code):
        body = answered(method, No(why))
        assert (body["id"], body["error"]["code"], "result" in body) == (41, code, False)
        assert set(body["error"]["message"]) == LANGUAGES and all(body["error"]["message"].values())
        assert body["error"].get("data") == ("order_id" if code in words.ACCOUNT_RANGE else None)

    @pytest.mark.parametrize("why", list(Refusal))
    @pytest.mark.parametrize("method", list(PARAMS))
    def test_every_refusal_has_a_code_in_every_method(self, method, why):
        assert answered(method, No(why, SNAPSHOT))["error"]["code"] < 0

    def test_a_busy_order_at_create_is_a_switch(self, monkeypatch):
        monkeypatch.setitem(words.CODES[words.Method.CREATE], Refusal.ORDER_BUSY, words.ORDER_BUSY)
        error = answered("CreateTransaction", No(Refusal.ORDER_BUSY))["error"]
        assert (error["code"], error["data"]) == (-31053, "order_id")

    @pytest.mark.parametrize(
        ("method", "answer", "code"),
        [
            ("CreateTransaction", Done(PERFORMED), -31008),
            ("CreateTransaction", Done(CANCELLED), -31008),
            ("PerformTransaction", Done(SNAPSHOT), -31008),
            ("PerformTransaction", Done(REVERSED), -31008),
            ("CancelTransaction", Done(PERFORMED), -31007),
            ("CheckPerformTransaction", Noted(), -32400),
            ("CheckTransaction", Transactions(()), -32400),
        ],
    )
    def test_a_yes_that_would_be_untrue_is_never_written(self, method, answer, code):
        assert answered(method, answer)["error"]["code"] == code

    def test_an_answer_to_another_question_asks_again(self):
        call = asks("CheckTransaction")
        assert told(PROTOCOL.write(call, "", Perform(PAYME_ID), Done(SNAPSHOT), now=NOW))["error"]["code"] == -32400
        reply = PROTOCOL.write(callback(b"x"), "", Perform(PAYME_ID), Done(SNAPSHOT), now=NOW)
        assert told(reply)["error"]["code"] == -32700

    @pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b'{"id":[1]}', b"null"])
    def test_a_fault_of_ours_asks_again_whatever_came(self, body):
        for call in (callback(body), callback(body, header=None, method="GET")):
            body_ = told(PROTOCOL.fault(call, "", now=NOW))
            assert (body_["id"], body_["error"]["code"]) == (None, -32400)
        assert told(PROTOCOL.fault(asks("PerformTransaction"), "", now=NOW))["id"] == 41


class TestTheFiscalLines:
    LINE = Item("Tea", 2, 500_000, 1_000_000, mxik="06401004002000000", package_code="1506113", vat=12)

    def detail(self, *items, minor=1_500_000):
        return answered("CheckPerformTransaction", Payable(Money(minor, "UZS"), items))["result"].get("detail")

    def test_the_lines_are_written_in_tiyin_with_the_discount_of_the_whole_line(self):
        reduced = replace(self.LINE, name="Чай", quantity=3, price_minor=200_000, total_minor=500_000, vat=0)
        assert self.detail(self.LINE, reduced) == {
            "receipt_type": 0,
            "items": [
                {"title": "Tea", "price": 500_000, "count": 2, "code": "06401004002000000"}
                | {"package_code": "1506113", "vat_percent": 12},
                {"title": "Чай", "price": 200_000, "count": 3, "code": "06401004002000000"}
                | {"package_code": "1506113", "vat_percent": 0, "discount": 100_000},
            ],
        }

    @pytest.mark.parametrize(
        "changes",
        [{"total_minor": 999_999}, {"mxik": ""}, {"package_code": ""}, {"vat": None}, {"price_minor": 400_000}],
    )
    def test_lines_that_would_not_say_the_whole_truth_are_not_sent(self, changes):
        assert self.detail(replace(self.LINE, **changes), minor=1_000_000) is None

    def test_they_can_be_switched_off(self, monkeypatch):
        assert self.detail(self.LINE, minor=1_000_000)
        monkeypatch.setattr(writing, "SEND_DETAIL", False)
        assert self.detail(self.LINE, minor=1_000_000) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
CALLS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "jsonrpc": JSON,
        "method": st.sampled_from(sorted(PARAMS)) | JSON,
        "params": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                name: JSON | st.sampled_from([PAYME_ID, 1_500_000, 1735787045000, ACCOUNT, "PERFORM"])
                for name in ("id", "time", "amount", "account", "reason", "from", "to", "type", "fiscal_data")
            },
        ),
    },
)


class TestHostileCalls:
    @settings(max_examples=400, deadline=None)
    @given(CALLS | JSON, st.sampled_from([HEADER, None, "Basic", basic("Paycom:x")]))
    def test_whatever_is_called_is_read_or_refused_in_paymes_own_form(self, body, header):
        call = callback(json.dumps(body).encode("utf-8", "surrogatepass"), header=header)
        try:
            asked = PROTOCOL.read(call, "", OURS)
        except ProtocolFault as fault:
            assert set(told(fault.reply)["error"]["message"]) == LANGUAGES
            assert fault.is_authentic is False or header == HEADER
        else:
            assert header == HEADER
            assert told(PROTOCOL.write(call, "", asked, No(Refusal.WRONG_STATE), now=NOW))["error"]["code"] < 0

    @settings(max_examples=400, deadline=None)
    @given(st.binary(max_size=200), st.text(max_size=60))
    def test_bytes_and_headers_of_any_kind_raise_nothing_else(self, body, header):
        call = callback(body, header=header)
        for read in (lambda: PROTOCOL.claim(call, ""), lambda: PROTOCOL.read(call, "", OURS)):
            with pytest.raises(ProtocolFault):
                read()
        assert told(PROTOCOL.fault(call, "", now=NOW))["error"]["code"] == -32400
