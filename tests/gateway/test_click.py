"""Click: the link, the two questions and their answers to the byte, the Merchant API, hostile inputs."""

import hashlib
import json
import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import werkzeug
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapter import AdapterConfig
from gateway.adapters import click
from gateway.adapters.click import PROCESSOR, PROTOCOL, amounts, fiscal, merchant_api, words
from gateway.adapters.click.merchant_api import auth_header
from gateway.errors import BadCallback, Misconfigured, NotAvailable, OutcomeUnknown, Refused, Unavailable
from gateway.money import MAX_MINOR, Money
from gateway.questions import (
    Cancel,
    Check,
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
)
from gateway.types import Callback, Item, Mode, Outcome, PaymentRef, PaymentRequest, RefundOutcome, RefundRef
from gateway.types import RefundRequest as Refund

pytestmark = pytest.mark.once
NOW = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)  # the 21st in Tashkent
CREDENTIALS = {"serviceId": "30001", "merchantId": "20001", "secretKey": "test-secret", "merchantUserId": "4444"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
ORDER = "3f1c1de0-8f3a-4b0e-9a53-0d6b6a6f7a10"
COMMON = {"click_paydoc_id": "15", "error": "0", "error_note": "Success"}
PREPARE = {
    "click_trans_id": "2000000001",
    "service_id": "30001",
    "merchant_trans_id": "1042",
    "amount": "15000",
    "action": "0",
    "sign_time": "2025-01-02 03:04:05",
    "sign_string": "e3177a486d982390ec2d1fda70f7faa7",
    **COMMON,
}
COMPLETE = {
    **PREPARE,
    "merchant_prepare_id": "501",
    "action": "1",
    "sign_time": "2025-01-02 03:05:06",
    "sign_string": "e4db5b7027bfad07559cfe4396a5edc3",
}


def asked(fields, **more):
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return Callback(body=body, headers={**FORM, **more.pop("headers", {})}, received_at=NOW, **more)


def signed(fields, secret="test-secret"):
    middle = fields["merchant_trans_id"] + (fields["merchant_prepare_id"] if fields["action"] == "1" else "")
    text = "".join(
        [
            fields["click_trans_id"],
            fields["service_id"],
            secret,
            middle,
            fields["amount"],
            fields["action"],
            fields["sign_time"],
        ]
    )
    return {**fields, "sign_string": hashlib.md5(text.encode()).hexdigest()}


def read(fields, credentials=CREDENTIALS, **more):
    return PROTOCOL.read(asked(fields, **more), "", credentials)


def refused(fields, credentials=CREDENTIALS, **more):
    """(code, is_authentic, body) of the refusal."""
    with pytest.raises(ProtocolFault) as caught:
        read(fields, credentials, **more)
    body = json.loads(caught.value.reply.body)
    assert caught.value.reply.status == 200
    assert body["error_note"] == words.NOTES[body["error"]]
    return body["error"], caught.value.is_authentic, body


def snapshot(state=State.CREATED, **more):
    return Snapshot(
        transaction_ref="2000000001",
        reference="1042",
        our_number="501",
        money=Money(1_500_000, "UZS"),
        state=state,
        their_time=None,
        created_at=NOW,
        **more,
    )


def written(fields, answer, question=None):
    callback = asked(fields)
    reply = PROTOCOL.write(callback, "", question or PROTOCOL.read(callback, "", {**CREDENTIALS}), answer, now=NOW)
    assert (reply.status, reply.content_type.split(";")[0]) == (200, "application/json")
    return json.loads(reply.body)


class TestTheLink:
    def adapter(self, base="", **changes):
        return PROCESSOR.build(AdapterConfig(Mode.TEST, base, {**CREDENTIALS, **changes}))

    def request(self, minor=3_840_050, **more):
        return PaymentRequest("pay-1", ORDER, Money(minor, "UZS"), "Tea", "https://shop.test/back?o=1&x=é ;", **more)

    def test_it_carries_the_order_the_amount_in_som_and_the_way_back(self):
        report = self.adapter().create_payment(self.request())
        url = urlsplit(report.next_action.url)
        assert (url.scheme, url.netloc, url.path) == ("https", "my.click.uz", "/services/pay")
        assert dict(parse_qsl(url.query, strict_parsing=True)) == {
            "service_id": "30001",
            "merchant_id": "20001",
            "amount": "38400.50",
            "transaction_param": ORDER,
            "merchant_user_id": "4444",
            "return_url": "https://shop.test/back?o=1&x=é ;",
        }
        assert url.query.isascii() and " " not in url.query and ";" not in url.query
        assert (report.outcome, report.processor_ref, report.is_final) == (Outcome.PENDING, "", False)
        assert report.processor_data == {"merchant_trans_id": ORDER}

    def test_what_is_not_there_is_left_out_and_the_lab_is_met_below_its_base(self):
        link = self.adapter("http://127.0.0.1:8010/click/", merchantUserId="").link(
            replace(self.request(), return_url="")
        )
        assert link == (
            "http://127.0.0.1:8010/click/services/pay?service_id=30001&merchant_id=20001&amount=38400.50"
            f"&transaction_param={ORDER}"
        )

    @pytest.mark.parametrize(
        ("minor", "text"), [(1, "0.01"), (100, "1.00"), (435, "4.35"), (115, "1.15"), (1999, "19.99"), (10**13, None)]
    )
    def test_no_amount_passes_through_a_float(self, minor, text):
        assert amounts.link_text(Money(minor, "UZS")) == (text or "100000000000.00")

    @settings(max_examples=300, deadline=None)
    @given(st.integers(1, MAX_MINOR))
    def test_no_amount_changes_by_a_tiyin_between_link_and_question(self, minor):
        text = amounts.link_text(Money(minor, "UZS"))
        for form in {text, text.rstrip("0").rstrip(".") if "." in text else text, f"{text}000"}:
            question = read(signed({**PREPARE, "amount": form}))
            assert question.money == Money(minor, "UZS")
        assert amounts.path_text(Money(minor, "UZS")) in {text, text[:-1], text[:-3]}

    @pytest.mark.parametrize(
        ("request_change", "credential_change", "error"),
        [
            ({"money": Money(100, "USD")}, {}, Misconfigured),
            ({"money": Money(0, "UZS")}, {}, Misconfigured),
            ({"money": Money(MAX_MINOR + 1, "UZS")}, {}, Misconfigured),
            ({"method": "card"}, {}, NotAvailable),
            ({"order_reference": ""}, {}, Misconfigured),
            ({}, {"serviceId": ""}, Misconfigured),
            ({}, {"merchantId": "20 001"}, Misconfigured),
        ],
    )
    def test_what_cannot_be_written_is_refused(self, request_change, credential_change, error):
        with pytest.raises(error):
            self.adapter(**credential_change).create_payment(replace(self.request(), **request_change))

    def test_it_takes_som_only_and_reads_no_callbacks(self):
        adapter = self.adapter()
        assert adapter.check_availability(currency="UZS").is_available
        assert not adapter.check_availability(currency="USD").is_available
        assert not adapter.check_availability(currency="UZS", method="card").is_available
        for reader in (adapter.peek, adapter.read_callback):
            with pytest.raises(BadCallback):
                reader(asked(PREPARE))

    def test_a_payment_is_ended_on_our_side(self):
        with pytest.raises(Refused):
            self.adapter().cancel_payment(payment())


class TestCredentials:
    def test_the_fields_are_those_of_the_invoice_api(self):
        fields = {f.name: (f.is_required, f.is_secret, f.is_identity) for f in PROCESSOR.credential_fields}
        assert fields == {
            "serviceId": (True, False, True),
            "merchantId": (True, False, True),
            "secretKey": (True, True, False),
            "merchantUserId": (False, False, False),
        }

    @pytest.mark.parametrize(
        ("change", "wrong"),
        [
            ({}, set()),
            ({"merchantUserId": ""}, set()),
            ({"serviceId": ""}, {"serviceId"}),
            ({"serviceId": "030001"}, {"serviceId"}),
            ({"merchantId": "x", "serviceId": "١٢"}, {"merchantId", "serviceId"}),
            ({"secretKey": ""}, {"secretKey"}),
            ({"secretKey": " zq77"}, {"secretKey"}),
            ({"secretKey": "кlюч"}, {"secretKey"}),
            ({"secretKey": "k" * 257}, {"secretKey"}),
            ({"merchantUserId": "zq"}, {"merchantUserId"}),
        ],
    )
    def test_what_is_wrong_is_said_by_field_and_never_repeated(self, change, wrong):
        for mode in Mode:
            problems = PROCESSOR.check_credentials({**CREDENTIALS, **change}, mode)
            assert set(problems) == wrong
            assert not any(value and value in text for text in problems.values() for value in change.values())

    def test_secrets_stay_out_of_reprs(self):
        adapter = PROCESSOR.build(AdapterConfig(Mode.TEST, "", CREDENTIALS))
        assert "test-secret" not in repr(adapter) + repr(adapter._api())


# click_trans_id, service_id, secret, merchant_trans_id, merchant_prepare_id, amount, sign_time, sign_string
VECTORS = """
3737503 12345 SECRET123 order_9001 - 1000.00 2026-08-22 14:03:11 9f73df6a589039c3afde3e2039720e46
2000000001 30001 test-secret 1042 - 15000 2025-01-02 03:04:05 e3177a486d982390ec2d1fda70f7faa7
2000000001 30001 test-secret 1042 - 15000.0 2025-01-02 03:04:05 a59b59576c1bfdaa8bc66542c13d8e5b
2000000001 30001 test-secret 1042 - 15000.00 2025-01-02 03:04:05 1841501e02cb30a376b0329ad72d170f
9007199254740993 30001 test-secret ORD-77/б - 33139.73 2025-12-31 23:59:59 6e1aa96a42c5b5e8b78d9db10b1cebef
3737503 12345 SECRET123 order_9001 778 1000.00 2026-08-22 14:03:19 a55a9138d88a9f9ee6fa86bece724e0b
2000000001 30001 test-secret 1042 501 15000 2025-01-02 03:05:06 e4db5b7027bfad07559cfe4396a5edc3
9007199254740993 30001 test-secret ORD-77/б 502 33139.73 2026-01-01 00:00:10 976ae13641aeb5537d88ffb43768e200
""".strip().splitlines()


class TestSignatures:
    @pytest.mark.parametrize("vector", VECTORS)
    def test_the_published_vectors_hold(self, vector):
        trans, service, secret, order, prepare_id, amount, date, time, sign = vector.split()
        at = f"{date} {time}"
        prepare_id = None if prepare_id == "-" else prepare_id
        call = {
            "click_trans_id": trans,
            "service_id": service,
            "merchant_trans_id": order,
            "amount": amount,
            "action": "0" if prepare_id is None else "1",
            "sign_time": at,
            "sign_string": sign,
            **({} if prepare_id is None else {"merchant_prepare_id": prepare_id}),
            **COMMON,
        }
        credentials = {"secretKey": secret, "serviceId": service}
        question = read(call, credentials)
        assert (question.transaction_ref, question.reference) == (trans, order)
        assert question.money == Money.from_major(amount, "UZS")
        assert isinstance(question, Create if prepare_id is None else Perform)
        assert getattr(question, "our_number", None) == prepare_id
        assert read({**call, "sign_string": sign.upper()}, credentials) == question
        # One character anywhere else, and it is not Click's any more.
        for name in ("click_trans_id", "merchant_trans_id", "amount"):
            assert refused({**call, name: "1" + call[name]}, credentials)[0] == -1
        assert refused({**call, "sign_time": at.replace(":", ":", 1)[:-1] + "7"}, credentials)[0] == -1

    @pytest.mark.parametrize(
        ("user", "timestamp", "secret", "header"),
        [
            ("3333", 1712345678, "SECRET123", "3333:4d3f62489dbc19114297581bcfa0d906f84df0cd:1712345678"),
            ("4444", 1735787045, "test-secret", "4444:eba82c3d5adec0e58be06ad8bcefdfce7fa5bcfc:1735787045"),
            ("5555", 1767225600, "Ab1-./_", "5555:4d575cf10b68442fe2c92683f948e104e8997bdb:1767225600"),
        ],
    )
    def test_the_header_of_the_merchant_api(self, user, timestamp, secret, header):
        assert auth_header(user, secret, timestamp) == header

    @pytest.mark.parametrize("secret", ["", " ", "\t"])
    def test_an_empty_secret_verifies_nobody(self, secret):
        assert refused(signed(PREPARE, secret), {**CREDENTIALS, "secretKey": secret})[:2] == (-1, False)
        assert refused(signed(PREPARE, ""), {"serviceId": "30001"})[:2] == (-1, False)

    def test_a_secret_outside_ascii_is_hashed_in_utf_8(self):
        assert read(signed(PREPARE, "ключ"), {**CREDENTIALS, "secretKey": "ключ"}).reference == "1042"
        assert refused({**PREPARE, "sign_string": "ё" * 32}, {**CREDENTIALS, "secretKey": "ключ"})[0] == -1

    def test_the_secret_of_the_other_mode_does_not_verify(self):
        assert refused(signed(COMPLETE, "live-secret"))[:2] == (-1, False)

    def test_signed_texts_cannot_be_shifted_into_each_other(self):
        shifted = {**COMPLETE, "amount": "1500", "action": "0", "sign_time": "1" + COMPLETE["sign_time"]}
        assert refused(shifted)[0] == -8
        for prepare_id, amount in (("5011", "5000"), ("50", "115000")):
            moved = read({**COMPLETE, "merchant_prepare_id": prepare_id, "amount": amount})
            assert moved.our_number == prepare_id  # not this transaction's number: the order book says -6


class TestTheOrderOfChecks:
    def test_each_check_comes_before_the_next(self):
        bad = {
            **PREPARE,
            "sign_string": "0" * 32,
            "service_id": "7",
            "action": "5",
            "amount": "1.001",
            "merchant_trans_id": "",
        }
        assert refused(bad)[:2] == (-8, False)
        bad["merchant_trans_id"] = "1042"
        assert refused(bad)[:2] == (-1, False)
        assert refused(signed(bad))[:2] == (-5, True)
        bad["service_id"] = "30001"
        assert refused(signed(bad))[:2] == (-3, True)
        bad["action"] = "0"
        assert refused(signed(bad))[:2] == (-2, True)
        bad["amount"] = "1.00"
        assert isinstance(read(signed(bad)), Create)

    def test_an_unknown_order_is_minus_5_whoever_asks(self):
        """Its secret cannot be known; Click's own test wants -5."""
        for fields in (PREPARE, COMPLETE, {**PREPARE, "sign_string": "x"}):
            code, is_authentic, body = refused(fields, None)
            assert (code, is_authentic, body["merchant_trans_id"]) == (-5, False, "1042")
        assert refused({**PREPARE, "action": "2"}, None)[0] == -3
        assert refused({**PREPARE, "amount": "x"}, None)[0] == -8

    def test_an_unknown_action_may_be_signed_either_way(self):
        assert refused(signed({**PREPARE, "action": "2"}))[:2] == (-3, True)
        with_id = {**COMPLETE, "action": "2", "sign_time": "2025-01-02 03:05:06"}
        text = "200000000130001test-secret1042501150002" + with_id["sign_time"]
        assert refused({**with_id, "sign_string": hashlib.md5(text.encode()).hexdigest()})[:2] == (-3, True)
        assert refused({**PREPARE, "action": "2"})[:2] == (-1, False)

    def test_a_prepare_with_an_error_reserves_nothing(self):
        assert refused({**PREPARE, "error": "-5017"})[:2] == (-9, True)

    def test_a_complete_with_an_error_only_ever_ends_what_is_unpaid(self):
        question = read({**COMPLETE, "error": "-5017"})
        assert question == Cancel("2000000001", "-5017", "1042", "501", only_unpaid=True)
        # whatever the amount is: nothing is paid by it
        assert isinstance(read(signed({**COMPLETE, "amount": "1.001", "error": "-1"})), Cancel)

    def test_the_action_chooses_the_formula_and_the_address_does_not(self):
        with_id = {**PREPARE, "merchant_prepare_id": "77"}
        for endpoint in ("", "prepare", "complete"):
            assert isinstance(PROTOCOL.read(asked(with_id), endpoint, CREDENTIALS), Create)
            assert isinstance(PROTOCOL.read(asked(COMPLETE), endpoint, CREDENTIALS), Perform)

    def test_what_is_kept_with_the_payment(self):
        details = {"click_paydoc_id": "15", "merchant_trans_id": "1042", "click_day": "2026-11-21"}
        assert read(PREPARE) == Create("1042", Money(1_500_000, "UZS"), "2000000001", None, details)
        assert read(COMPLETE) == Perform("2000000001", "1042", Money(1_500_000, "UZS"), "501", details)

    def test_a_claim_names_the_order(self):
        claim = PROTOCOL.claim(asked(PREPARE), "prepare")
        assert (claim.reference, claim.processor_ref, claim.credential) == ("1042", "2000000001", "")
        assert PROTOCOL.credential_of(CREDENTIALS) == ""


class TestShapes:
    REQUIRED = (*PREPARE, "merchant_prepare_id")

    @pytest.mark.parametrize("name", REQUIRED)
    def test_each_field_is_needed(self, name):
        fields = {key: value for key, value in COMPLETE.items() if key != name}
        assert refused(fields)[:2] == (-8, False)
        with pytest.raises(ProtocolFault):
            PROTOCOL.claim(asked(fields), "")
        if name != "error_note":
            assert refused({**COMPLETE, name: ""})[0] == -8
        else:
            assert isinstance(read({**COMPLETE, name: ""}), Perform)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("click_trans_id", "1.0"),
            ("click_trans_id", "-1"),
            ("click_trans_id", "9" * 20),
            ("click_trans_id", "٣"),
            ("click_trans_id", "007"),
            ("service_id", "30001 "),
            ("merchant_prepare_id", "abc"),
            ("merchant_prepare_id", "0501"),
            ("amount", "NaN"),
            ("amount", "Infinity"),
            ("amount", "1e5"),
            ("amount", "15 000"),
            ("amount", "15,000.00"),
            ("amount", "015000"),
            ("amount", "+15000"),
            ("amount", ".5"),
            ("amount", "5."),
            ("amount", "1" * 16),
            ("amount", "1." + "0" * 11),
            ("action", "one"),
            ("action", "1.0"),
            ("error", "1"),
            ("error", "-"),
            ("error", "-0"),
            ("error", "0x1"),
            ("sign_time", "2025-01-02T03:05:06"),
            ("sign_time", "1735787106"),
            ("sign_string", "a" * 129),
            ("merchant_trans_id", "a" * 256),
            ("merchant_trans_id", "a\x00b"),
            ("merchant_trans_id", "a\nb"),
            ("merchant_trans_id", "   "),
        ],
    )
    def test_garbled_fields_are_refused_before_anything_is_looked_up(self, name, value):
        assert (
            refused(signed({**COMPLETE, name: value}) if name != "sign_string" else {**COMPLETE, name: value})[0] == -8
        )

    @pytest.mark.parametrize("amount", ["0", "0.00", "-1", "-15000.00", "15000.001", "0.0000000001"])
    def test_amounts_that_no_order_can_have(self, amount):
        assert refused(signed({**COMPLETE, "amount": amount}))[:2] == (-2, True)

    def test_a_field_that_comes_twice_is_garbled_and_unknown_ones_are_not_looked_at(self):
        twice = urlencode([*PREPARE.items(), ("amount", "1")]).encode()
        assert refused(twice)[0] == -8
        more = urlencode([*PREPARE.items(), ("x", "1"), ("x", "2")]).encode()
        assert isinstance(read(more), Create)

    def test_json_is_read_with_its_numbers_as_they_are_written(self):
        body = json.dumps({**PREPARE, "click_trans_id": 2000000001, "service_id": 30001, "action": 0, "error": 0})
        raw = body.replace('"15000"', "15000.0")
        sign = "a59b59576c1bfdaa8bc66542c13d8e5b"
        raw = raw.replace(PREPARE["sign_string"], sign).replace('"Success"', "null").replace('"1042"', "1042")
        for kind in ({"content-type": "application/json"}, {"content-type": ""}, {}):
            assert read(raw.encode(), headers=kind).money == Money(1_500_000, "UZS")
        assert refused(raw.replace("15000.0", "15000.00").encode())[0] == -1

    def test_multipart_forms_are_read_too(self):
        parts = "".join(
            f'--XyZ\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in PREPARE.items()
        )
        headers = {"content-type": "multipart/form-data; boundary=XyZ"}
        assert isinstance(read(f"{parts}--XyZ--\r\n".encode(), headers=headers), Create)
        for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=Other"):
            assert refused(f"{parts}--XyZ--\r\n".encode(), headers={"content-type": kind})[0] == -8

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", ""])
    def test_only_post_is_a_question(self, method):
        assert refused(PREPARE, method=method)[:2] == (-8, False)


class TestAnswers:
    IDS = {"click_trans_id": 2000000001, "merchant_trans_id": "1042"}

    def test_prepare_accepted(self):
        body = written(PREPARE, Done(snapshot()))
        assert body == {**self.IDS, "merchant_prepare_id": 501, "error": 0, "error_note": "Success"}
        assert written(PREPARE, Done(snapshot(), is_repeat=True)) == body

    def test_complete_accepted_and_again(self):
        done = Done(snapshot(State.PERFORMED))
        assert written(COMPLETE, done) == {
            **self.IDS,
            "merchant_confirm_id": 501,
            "error": 0,
            "error_note": "Success",
        }
        assert written(COMPLETE, replace(done, is_repeat=True)) == {
            **self.IDS,
            "merchant_confirm_id": 501,
            "error": -4,
            "error_note": "Already paid",
        }

    @pytest.mark.parametrize(
        ("why", "prepare", "complete"),
        [
            (Refusal.UNKNOWN_ORDER, -5, -5),
            (Refusal.ALREADY_PAID, -4, -9),
            (Refusal.ORDER_ENDED, -9, -9),
            (Refusal.ORDER_BUSY, -9, -9),
            (Refusal.WRONG_AMOUNT, -2, -2),
            (Refusal.UNKNOWN_TRANSACTION, -6, -6),
            (Refusal.WRONG_STATE, -9, -9),
            (Refusal.TRANSACTION_EXPIRED, -9, -9),
            (Refusal.NOT_SAME_CONTENT, -8, -8),
            (Refusal.NOT_REFUNDABLE, -9, -9),
            (Refusal.UNKNOWN_RECEIPT, -8, -8),
        ],
    )
    def test_each_refusal_has_its_code(self, why, prepare, complete):
        assert written(PREPARE, No(why)) == {**self.IDS, "error": prepare, "error_note": words.NOTES[prepare]}
        assert written(COMPLETE, No(why)) == {
            **self.IDS,
            "merchant_confirm_id": None,
            "error": complete,
            "error_note": words.NOTES[complete],
        }

    def test_every_refusal_is_answered(self):
        assert set(words.REFUSALS) == set(Refusal)

    def test_paid_by_another_try_is_never_called_paid(self):
        """Click keeps the money for -4: only the transaction that was performed may hear it."""
        for snap in (None, snapshot(State.CANCELLED), snapshot()):
            assert written(COMPLETE, No(Refusal.ALREADY_PAID, snap))["error"] == -9

    @pytest.mark.parametrize(
        ("fields", "answer", "code"),
        [
            (PREPARE, Done(snapshot(State.PERFORMED), is_repeat=True), -4),
            (PREPARE, No(Refusal.WRONG_STATE, snapshot(State.PERFORMED)), -4),
            (PREPARE, No(Refusal.WRONG_STATE, snapshot(State.CANCELLED)), -9),
            (PREPARE, Done(snapshot(State.CANCELLED), is_repeat=True), -9),
            (PREPARE, No(Refusal.NOT_SAME_CONTENT, snapshot()), -2),
            (PREPARE, No(Refusal.NOT_SAME_CONTENT, replace(snapshot(), reference="other")), -8),
            (COMPLETE, Done(snapshot(State.CANCELLED)), -9),
            (COMPLETE, Done(snapshot(State.REVERSED), is_repeat=True), -9),
            (COMPLETE, Done(snapshot(State.CREATED)), -7),
            (COMPLETE, Noted(), -7),
            (PREPARE, Payable(Money(1, "UZS")), -7),
            ({**COMPLETE, "error": "-5017"}, Done(snapshot(State.CANCELLED)), -9),
            ({**COMPLETE, "error": "-5017"}, No(Refusal.NOT_REFUNDABLE, snapshot(State.PERFORMED)), -9),
            ({**COMPLETE, "error": "-5017"}, No(Refusal.UNKNOWN_TRANSACTION), -6),
            ({**COMPLETE, "error": "-5017"}, No(Refusal.UNKNOWN_ORDER), -5),
            ({**COMPLETE, "error": "-5017"}, No(Refusal.WRONG_STATE), -9),
        ],
    )
    def test_the_state_of_the_row_is_never_contradicted(self, fields, answer, code):
        assert written(fields, answer)["error"] == code

    def test_the_number_of_another_order_is_not_told(self):
        body = written(PREPARE, No(Refusal.NOT_SAME_CONTENT, replace(snapshot(), reference="other")))
        assert "merchant_prepare_id" not in body
        assert (
            written(COMPLETE, Done(replace(snapshot(State.PERFORMED), our_number="x")))["merchant_confirm_id"] is None
        )

    def test_ids_beyond_a_double_come_back_exactly(self):
        fields = signed({**PREPARE, "click_trans_id": "9007199254740993", "merchant_trans_id": "ORD-77/б"})
        raw = PROTOCOL.write(asked(fields), "", read(fields), Done(snapshot()), now=NOW).body
        assert raw.startswith('{"click_trans_id":9007199254740993,"merchant_trans_id":"ORD-77/б",'.encode())

    def test_a_question_that_was_not_click_s_is_answered_too(self):
        assert written(PREPARE, Done(snapshot()), Check("1042", None))["error"] == -7

    def test_our_own_faults_ask_again(self):
        for fields, shape in ((PREPARE, {}), (COMPLETE, {"merchant_confirm_id": None})):
            body = json.loads(PROTOCOL.fault(asked(fields), "", now=NOW).body)
            assert body == {**self.IDS, **shape, "error": -7, "error_note": "Failed to update user"}
        for body in (b"", b"\xff", b"[", b"{" * 10**5):
            reply = PROTOCOL.fault(asked(body), "", now=NOW)
            assert json.loads(reply.body) == {"error": -7, "error_note": "Failed to update user"}


class TestThePlayground:
    ORIGIN = {"origin": "https://docs.click.uz"}

    def test_a_browser_of_the_playground_may_call(self):
        with pytest.raises(ProtocolFault) as caught:
            PROTOCOL.claim(asked(b"", method="OPTIONS", headers=self.ORIGIN), "prepare")
        reply = caught.value.reply
        assert reply == PROTOCOL.options(asked(b"", method="OPTIONS", headers=self.ORIGIN))
        assert (reply.status, reply.body) == (204, b"")
        assert reply.headers == {
            "Access-Control-Allow-Origin": "https://docs.click.uz",
            "Vary": "Origin",
            "Access-Control-Allow-Methods": "POST, OPTIONS",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": "600",
        }
        answers = [
            PROTOCOL.write(asked(PREPARE, headers=self.ORIGIN), "", read(PREPARE), Done(snapshot()), now=NOW),
            PROTOCOL.fault(asked(b"", headers=self.ORIGIN), "", now=NOW),
        ]
        with pytest.raises(ProtocolFault) as caught:
            PROTOCOL.claim(asked(b"", headers=self.ORIGIN), "")
        for answer in (*answers, caught.value.reply):
            assert answer.headers == {"Access-Control-Allow-Origin": "https://docs.click.uz", "Vary": "Origin"}

    @pytest.mark.parametrize("origin", ["https://evil.test", "null", "", "https://docs.click.uz.evil.test"])
    def test_nobody_else_s_page_may(self, origin):
        headers = {"origin": origin}
        assert "Access-Control-Allow-Origin" not in PROTOCOL.options(asked(b"", headers=headers)).headers
        assert PROTOCOL.fault(asked(PREPARE, headers=headers), "", now=NOW).headers == {}


class TestHostileCalls:
    def replies(self, callback, credentials):
        """Whatever comes, an answer in Click's form."""
        try:
            PROTOCOL.claim(callback, "")
            question = PROTOCOL.read(callback, "", credentials)
            return PROTOCOL.write(callback, "", question, No(Refusal.UNKNOWN_TRANSACTION), now=NOW)
        except ProtocolFault as fault:
            return fault.reply

    def test_ten_thousand_of_them_are_answered_in_form(self):
        dice = random.Random(7)
        values = [
            "", "0", "1", "-1", "9" * 400, "NaN", "1e999", "\x00", "\ud800".encode("utf-8", "surrogatepass"), "б" * 99,
            "'--", "[1]", "{}", "null", "true", "1\n2", "%00", "١", " 1", "0.1", "-0", "1" * 70_000,
        ]  # fmt: skip
        kinds = ["application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", "", "x/y"]
        for _ in range(10_000):
            fields = dict(dice.choice([PREPARE, COMPLETE]))
            for name in dice.sample(sorted(fields), dice.randint(0, 3)):
                fields[name] = dice.choice(values)
            shape = dice.randrange(4)
            if shape == 0:
                body = urlencode(fields).encode()
            elif shape == 1:
                body = json.dumps({k: str(v) for k, v in fields.items()}).encode()
            elif shape == 2:
                body = dice.randbytes(dice.randint(0, 200))
            else:
                whole = urlencode(fields).encode()
                body = whole[: dice.randint(0, len(whole))] + dice.randbytes(3)
            callback = Callback(body, {"content-type": dice.choice(kinds)}, NOW)
            reply = self.replies(callback, dice.choice([CREDENTIALS, None, {}]))
            content = json.loads(reply.body)
            assert reply.status == 200 and content["error"] in range(-9, 0)
            json.loads(PROTOCOL.fault(callback, "complete", now=NOW).body)

    @pytest.mark.parametrize(
        "body",
        [
            b"[" * 10**5,
            b"{" * 10**5,
            b'{"a":' * 5000,
            b'{"amount":' + b"9" * 60_000 + b"}",
            b'{"amount":NaN}',
            b'{"amount":"1","amount":"2"}',
            b"&" * 60_000,
            b"a=1&" * 500,
            b"a" * (64 * 1024 + 1),
            b"\xef\xbb\xbf{}",
            b'--x\r\nContent-Disposition: form-data; name="amount"\r\n\r\n\xff\r\n--x--',
        ],
    )
    def test_none_of_these_is_an_exception(self, body):
        for kind in ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x"):
            reply = self.replies(Callback(body, {"content-type": kind}, NOW), CREDENTIALS)
            assert json.loads(reply.body) == {"error": -8, "error_note": "Error in request from click"}

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=300), st.sampled_from(["application/json", "", "multipart/form-data; boundary=-"]))
    def test_any_bytes_are_answered(self, body, kind):
        assert json.loads(self.replies(Callback(body, {"content-type": kind}, NOW), None).body)["error"] in (-8, -5)


# --- the Merchant API, against scripted answers -------------------------------------------------------------------


def payment(minor=1_500_000, **more):
    data = {"merchant_trans_id": ORDER, "click_paydoc_id": "15", "click_day": "2026-11-20"}
    values = {"reference": "pay-1", "processor_ref": "2000000001", "processor_data": data, **more}
    return PaymentRef(money=Money(minor, "UZS"), created_at=NOW - timedelta(days=1), **values)


def refund(minor=1_500_000, **more):
    return Refund(reference="ref-1", payment=payment(**more), money=Money(minor, "UZS"))


class Api:
    """Click's host: the answers by method and first words of the path; the calls it got."""

    def __init__(self, httpserver):
        self.server = httpserver
        config = AdapterConfig(Mode.TEST, httpserver.url_for("").rstrip("/"), CREDENTIALS)
        self.adapter = PROCESSOR.build(config, clock=lambda: NOW)

    def answers(self, method, path, body=None, status=200, once=False, **more):
        expect = self.server.expect_ordered_request if once else self.server.expect_request
        handler = expect(f"/v2/merchant/{path}", method=method)
        if isinstance(body, bytes):
            handler.respond_with_response(werkzeug.Response(body, status, content_type="text/html"))
        else:
            handler.respond_with_json({"error_code": 0, "error_note": "Success", **(body or {})}, status=status)

    def knows(self, status=2, payment_id=15, day="2026-11-20"):
        mti = {"payment_id": payment_id, "merchant_trans_id": ORDER, "payment_status": status}
        self.answers("GET", f"payment/status_by_mti/30001/{ORDER}/{day}", mti)

    @property
    def calls(self):
        return [f"{request.method} {request.path.removeprefix('/v2/merchant/')}" for request, _ in self.server.log]


@pytest.fixture
def api(httpserver):
    return Api(httpserver)


class TestTheMerchantApi:
    def test_it_is_asked_by_order_and_tashkent_day_with_a_fresh_header(self, api):
        api.knows()
        report = api.adapter.ask_payment(payment())
        assert (report.outcome, report.is_final, report.money) == (Outcome.CAPTURED, True, None)
        assert report.processor_data == {"payment_id": "15"}
        sent = api.server.log[0][0].headers
        assert sent["Auth"] == auth_header("4444", "test-secret", int(NOW.timestamp()))
        assert (sent["Accept"], sent["Content-Type"]) == ("application/json", "application/json")

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            (2, Outcome.CAPTURED),
            (1, Outcome.PROCESSING),
            (0, Outcome.PENDING),
            (-1, Outcome.DECLINED),
            (3, Outcome.PENDING),
            ("2", Outcome.CAPTURED),
        ],
    )
    def test_its_words(self, api, status, outcome):
        api.knows(status)
        report = api.adapter.ask_payment(payment())
        assert (report.outcome, report.is_final) == (outcome, outcome is Outcome.CAPTURED)

    def test_before_the_first_prepare_nobody_is_asked(self, api):
        assert api.adapter.ask_payment(payment(processor_ref="")).outcome is Outcome.PENDING
        assert api.calls == []

    def test_other_days_are_looked_through_when_the_known_one_is_wrong(self, api):
        api.answers("GET", f"payment/status_by_mti/30001/{ORDER}/2026-11-19", {"error_code": -5}, 404)
        api.answers("GET", f"payment/status_by_mti/30001/{ORDER}/2026-11-20", {"error_code": -5}, 404)
        api.knows(day="2026-11-21")
        assert api.adapter.ask_payment(payment()).outcome is Outcome.CAPTURED
        assert [call[-10:] for call in api.calls] == ["2026-11-20", "2026-11-19", "2026-11-21"]

    def test_no_such_payment_on_any_day_is_none(self, api):
        api.server.expect_request(re.compile(r"/v2/merchant/payment/status_by_mti/.*")).respond_with_json(
            {"error_code": -5}, status=404
        )
        assert api.adapter.ask_payment(payment()) is None

    def test_the_day_can_be_switched_off_and_the_id_be_taken_as_it_is(self, api, monkeypatch):
        monkeypatch.setattr(merchant_api, "STATUS_BY_ORDER_HAS_DAY", False)
        api.answers("GET", f"payment/status_by_mti/30001/{ORDER}", {"payment_id": 15})
        api.answers("GET", "payment/status/30001/15", {"payment_status": 2})
        assert api.adapter.ask_payment(payment()).outcome is Outcome.CAPTURED
        for name, number in ((words.PAYDOC, "15"), ("click_trans_id", "2000000001")):
            monkeypatch.setattr(merchant_api, "PAYMENT_ID", name)
            api.answers("GET", f"payment/status/30001/{number}", {"payment_status": 2})
            assert api.adapter.ask_payment(payment()).processor_data == {"payment_id": number}

    def test_a_whole_refund_is_a_reversal_of_the_payment_click_names(self, api):
        api.knows(payment_id=777)
        api.answers("DELETE", "payment/reversal/30001/777", {"payment_id": 777})
        report = api.adapter.refund_payment(refund())
        assert (report.outcome, report.reference, report.money) == (
            RefundOutcome.SUCCEEDED,
            "ref-1",
            Money(1_500_000, "UZS"),
        )
        assert api.calls[-1] == "DELETE payment/reversal/30001/777"

    @pytest.mark.parametrize(("minor", "text"), [(100, "1"), (150, "1.5"), (1_000_001, "10000.01")])
    def test_a_part_goes_back_in_som(self, api, minor, text):
        api.knows()
        api.answers("DELETE", f"payment/partial_reversal/30001/15/{text}")
        assert api.adapter.refund_payment(refund(minor)).outcome is RefundOutcome.SUCCEEDED

    @pytest.mark.parametrize(
        ("status", "body"), [(404, b"<h1>Not Found</h1>"), (405, b""), (404, {"error_code": -404})]
    )
    def test_where_parts_are_not_enabled_it_says_so_and_nothing_goes_back(self, api, status, body):
        api.knows()
        api.answers("DELETE", "payment/partial_reversal/30001/15/1", body, status)
        with pytest.raises(Refused, match="partial refunds are not enabled"):
            api.adapter.refund_payment(refund(100))
        assert [call for call in api.calls if "/reversal/" in call] == []

    def test_a_refusal_says_click_s_words_and_the_rule_of_the_month(self, api):
        api.answers("DELETE", "payment/reversal/30001/15", {"error_code": -31, "error_note": "closed"})
        old = payment(processor_data={**payment().processor_data, "click_day": "2026-10-05"})
        old = replace(old, created_at=NOW - timedelta(days=46))
        api.knows(day="2026-10-05")
        with pytest.raises(Refused, match=r"closed.*current month.*1st.*cabinet") as caught:
            api.adapter.refund_payment(replace(refund(), payment=old))
        assert caught.value.processor_code == "-31"

    def test_what_was_sent_back_before_is_the_same_refund(self, api):
        api.knows(status=-1)
        assert api.adapter.refund_payment(refund()).outcome is RefundOutcome.SUCCEEDED
        assert not any(call.startswith("DELETE") for call in api.calls)

    def test_a_failed_try_beside_the_paid_one_is_no_proof_of_a_refund(self, api):
        api.knows(status=-1, payment_id=99)
        with pytest.raises(Refused, match="not have this payment as paid"):
            api.adapter.refund_payment(refund())
        with pytest.raises(Unavailable):
            api.adapter.ask_refund(RefundRef("ref-1", "", payment(), Money(1_500_000, "UZS"), NOW))

    def test_a_whole_refund_can_be_asked_about_and_sent_again(self, api):
        asking = RefundRef("ref-1", "", payment(), Money(1_500_000, "UZS"), NOW)
        api.knows()
        assert api.adapter.ask_refund(asking) is None
        api.server.clear()
        api.knows(status=-1)
        assert api.adapter.ask_refund(asking).outcome is RefundOutcome.SUCCEEDED
        api.server.clear()
        api.knows(status=1)
        with pytest.raises(Unavailable):
            api.adapter.ask_refund(asking)

    def test_a_part_is_never_sent_twice(self, api):
        """Nobody tells later whether it was done."""
        with pytest.raises(Unavailable, match="does not tell about partial refunds"):
            api.adapter.ask_refund(RefundRef("ref-1", "", payment(), Money(100, "UZS"), NOW))
        assert api.calls == []
        api.knows()
        api.answers("DELETE", "payment/partial_reversal/30001/15/1", b"slow down", 429)
        with pytest.raises(Refused, match="nothing was sent back"):
            api.adapter.refund_payment(refund(100))

    @pytest.mark.parametrize(
        ("status", "body", "error"),
        [
            (500, b"", OutcomeUnknown),
            (502, {"error_code": 0}, OutcomeUnknown),
            (200, b"<html>", OutcomeUnknown),
            (200, {"error_code": None}, OutcomeUnknown),
            (302, b"", OutcomeUnknown),
            (408, b"", OutcomeUnknown),
            (429, b"", Unavailable),
            (401, {"error_code": -1}, Misconfigured),
            (403, b"", Misconfigured),
            (400, {"error_code": 0}, Refused),
            (406, b"", Refused),
            (410, {"error_code": -3}, Refused),
            (200, {"error_code": -3}, Refused),
            (201, {"error_code": "-3"}, Refused),
        ],
    )
    def test_what_a_reversal_s_answer_means(self, api, status, body, error):
        api.knows()
        api.answers("DELETE", "payment/reversal/30001/15", body, status)
        with pytest.raises(error):
            api.adapter.refund_payment(refund())

    @pytest.mark.parametrize(
        ("status", "body", "error"),
        [
            (500, b"", Unavailable),
            (200, b"<html>", Unavailable),
            (200, {"error_code": -1, "error_note": "no"}, Refused),
            (200, {"payment_id": 15, "merchant_trans_id": "another"}, Refused),
            (200, {"payment_id": 0}, Refused),
            (401, b"", Misconfigured),
        ],
    )
    def test_a_question_that_gets_no_clear_answer_moves_nothing(self, api, status, body, error):
        for day in ("2026-11-19", "2026-11-20", "2026-11-21"):
            api.answers("GET", f"payment/status_by_mti/30001/{ORDER}/{day}", body, status)
        with pytest.raises(error):
            api.adapter.refund_payment(refund())
        with pytest.raises(error):
            api.adapter.ask_payment(payment())
        assert not any(call.startswith("DELETE") for call in api.calls)

    def test_without_a_merchant_user_the_cabinet_is_named(self):
        config = AdapterConfig(Mode.TEST, "", {**CREDENTIALS, "merchantUserId": ""})
        adapter = click.ClickAdapter(config)
        for call in (lambda: adapter.refund_payment(refund()), lambda: adapter.ask_payment(payment())):
            with pytest.raises(Refused, match=r"merchant\.click\.uz"):
                call()
        assert not click.has_merchant_api(config.credentials)

    def test_another_currency_is_not_sent_back(self, api):
        with pytest.raises(Misconfigured):
            api.adapter.refund_payment(replace(refund(), money=Money(1, "USD")))

    def test_a_stranger_s_order_id_cannot_leave_its_place_in_the_address(self, api):
        odd = payment(processor_data={"merchant_trans_id": "../a?b#c/д", "click_day": "2026-11-20"})
        api.server.expect_request(re.compile(".*")).respond_with_json({"error_code": -5}, status=404)
        assert api.adapter.ask_payment(odd) is None
        assert api.server.log[0][0].environ["RAW_URI"].endswith("/..%2Fa%3Fb%23c%2F%D0%B4/2026-11-20")


class TestFiscalReceipts:
    ITEM = Item("Tea", 3, 50_000, 150_000, "06401004002000000", "1506113", 12, "123456789", ("m1",))

    def test_a_line_counts_in_tiyin(self):
        assert fiscal.line(self.ITEM, 1) == {
            "Name": "Tea",
            "SPIC": "06401004002000000",
            "PackageCode": "1506113",
            "GoodPrice": 50_000,
            "Price": 150_000,
            "Amount": 3000,
            "VAT": 16_071,
            "VATPercent": 12,
            "Discount": 0,
            "CommissionInfo": {"TIN": "123456789"},
            "Labels": ["m1"],
        }
        less = fiscal.line(replace(self.ITEM, total_minor=140_000, tin="12345678901234", vat=None, marks=()), 1)
        assert (less["Discount"], less["VAT"], less["CommissionInfo"]) == (10_000, 0, {"PINFL": "12345678901234"})

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"name": ""}, "name"),
            ({"mxik": ""}, "mxik"),
            ({"package_code": ""}, "package_code"),
            ({"package_code": "1" * 21}, "package_code"),
            ({"tin": "12"}, "tin"),
            ({"quantity": 0, "total_minor": 0}, "quantity"),
            ({"total_minor": 150_001}, "total"),
            ({"marks": ("m",) * 301}, "labels"),
        ],
    )
    def test_a_line_that_lacks_something_is_named(self, change, word):
        with pytest.raises(Misconfigured, match=f"line 2.*{word}"):
            fiscal.receipt([self.ITEM, replace(self.ITEM, **change)], service_id="1", payment_id="2")
        with pytest.raises(Misconfigured):
            fiscal.receipt([], service_id="1", payment_id="2")

    def test_a_unit_code_is_added_where_click_wants_one(self, monkeypatch):
        monkeypatch.setattr(fiscal, "UNITS", 1495086)
        assert fiscal.line(self.ITEM, 1)["Units"] == 1495086

    @given(st.integers(0, 10**13), st.integers(0, 100))
    def test_the_tax_is_rounded_to_the_nearest_tiyin(self, total, percent):
        tax = fiscal.vat_within(total, percent)
        assert abs(tax * (100 + percent) - total * percent) * 2 <= 100 + percent

    def test_the_lines_are_handed_over_for_a_paid_payment(self, api):
        api.knows()
        api.answers("POST", "payment/ofd_data/submit_items")
        api.answers("GET", "payment/ofd_data/30001/15", {"paymentId": 15, "qrCodeURL": "https://ofd.soliq.uz/x"})
        api.adapter.submit_items(payment(), [self.ITEM])
        sent = api.server.log[-1][0].get_json()
        assert (sent["service_id"], sent["payment_id"], len(sent["items"])) == (30001, 15, 1)
        assert (sent["received_ecash"], sent["received_cash"], sent["received_card"]) == (150_000, 0, 0)
        assert api.adapter.fiscal_url(payment()) == "https://ofd.soliq.uz/x"

    def test_of_an_unpaid_one_they_are_not(self, api):
        api.knows(status=1)
        with pytest.raises(Refused):
            api.adapter.submit_items(payment(), [self.ITEM])

    def test_a_refusal_is_told(self, api):
        api.knows()
        api.answers("POST", "payment/ofd_data/submit_items", {"error_code": -2, "error_note": "sum"})
        with pytest.raises(Refused, match="sum"):
            api.adapter.submit_items(payment(), [self.ITEM])
