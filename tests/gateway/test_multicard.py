"""Multicard: the answer that decides about the buyer's money, the webhooks, and every word we send."""

import hashlib
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapter import AdapterConfig
from gateway.adapters.multicard import PROCESSOR, PROTOCOL, accepted, bodies, is_webhook, not_noted, reading, terms
from gateway.adapters.multicard.client import TOKENS, Client, Tokens
from gateway.errors import BadCallback, Misconfigured, NotAvailable, OutcomeUnknown, Unavailable
from gateway.http import Timeouts
from gateway.money import MAX_MINOR, Money
from gateway.questions import Claim, Done, No, Noted, Perform, ProtocolFault, Refusal, Snapshot, State
from gateway.types import Callback, Item, Mode, Outcome, PaymentRef, PaymentRequest, RefundRequest

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
UUID = "11111111-2222-4333-8444-555555555555"
OURS = {"applicationId": "app", "secret": "mc-secret", "storeId": "6"}
QUESTION = {
    "store_id": 6,
    "amount": 1_500_000,
    "invoice_id": "1042",
    "billing_id": None,
    "payment_time": "2026-11-20 17:00:00",
    "phone": "998901234567",
    "card_pan": "860030******5959",
    "ps": "uzcard",
    "card_token": "secret-token-of-a-card",
    "uuid": UUID,
    "receipt_url": "https://receipt.test/1",
    "sign": "68c9196afb28424f1ec818b598aa1eba",
}
NEWS = {
    "uuid": UUID,
    "amount": 1_500_000,
    "invoice_id": "1042",
    "status": "progress",
    "billing_id": None,
    "payment_time": None,
    "refund_time": None,
    "phone": None,
    "card_pan": None,
    "ps": "uzcard",
    "card_token": None,
    "receipt_url": None,
    "sign": "c11e2999b224e0781bf541f719e90a462ed53d7e",
}
# The reference's own: store, invoice, amount, secret, md5; uuid, invoice, amount, secret, sha1.
MD5_VECTORS = [
    (6, "1042", 1500000, "mc-secret", "68c9196afb28424f1ec818b598aa1eba"),
    (6, "ORD-77", 100050, "mc-secret", "38f44ab7f5b42086dd7c85454cfe012c"),
    (123, "a1b2c3d4-0000-4000-8000-000000000001", 500000, "S3cr3t!", "2e40dda4017daca4b28015699eacc70d"),
]
SHA1_VECTORS = [
    (UUID, "1042", 1500000, "mc-secret", "c11e2999b224e0781bf541f719e90a462ed53d7e"),
    (UUID, "ORD-77", 100050, "mc-secret", "5eb26685bf81ef896a9f1a98f6168c0bb16c0964"),
    (
        "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        "a1b2c3d4-0000-4000-8000-000000000001",
        500000,
        "S3cr3t!",
        "a8f8dc91b9f99abe887ae0c29ba3c59b30cc42e8",
    ),
]


def call(body, **more):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Callback(**{"body": raw, "headers": {"content-type": "application/json"}, "received_at": NOW, **more})


def signed(body, secret="mc-secret", **changed):
    body = {**body, **changed}
    if "status" in body:
        text = f"{body['uuid']}{body['invoice_id']}{body['amount']}{secret}"
        return {**body, "sign": hashlib.sha1(text.encode()).hexdigest()}
    text = f"{body['store_id']}{body['invoice_id']}{body['amount']}{secret}"
    return {**body, "sign": hashlib.md5(text.encode()).hexdigest()}


def ask(body, credentials=OURS, **more):
    return PROTOCOL.read(call(body, **more), "", credentials)


def refusal(body, credentials=OURS, **more):
    """The reply to what the protocol refuses by itself."""
    with pytest.raises(ProtocolFault) as caught:
        ask(body, credentials, **more)
    return caught.value


def said(reply):
    assert reply.content_type == "application/json"
    return reply.status, json.loads(reply.body)


def adapter(base_url="http://127.0.0.1:9", credentials=OURS, mode=Mode.TEST, **more):
    return PROCESSOR.build(AdapterConfig(mode, base_url, credentials, **more))


def item(total, **more):
    wanted = {
        "name": "Non",
        "quantity": 1,
        "price_minor": total,
        "total_minor": total,
        "mxik": "06401004002000000",
        "package_code": "1506113",
    }
    return Item(**{**wanted, **more})


# --- the question ---


@pytest.mark.parametrize(("store", "invoice", "amount", "secret", "sign"), MD5_VECTORS)
def test_the_references_signatures_of_success_callbacks_verify(store, invoice, amount, secret, sign):
    body = {**QUESTION, "store_id": store, "invoice_id": invoice, "amount": amount, "sign": sign}
    question = ask(body, {"secret": secret, "storeId": str(store)})
    assert (question.reference, question.money) == (invoice, Money(amount, "UZS"))
    assert refusal({**body, "sign": sign[:-1] + "0"}, {"secret": secret, "storeId": str(store)}).is_authentic is False


def test_a_success_callback_is_a_question_that_settles():
    assert ask(QUESTION, query="payment=try-1") == Perform(
        transaction_ref=UUID,
        reference="1042",
        money=Money(1_500_000, "UZS"),
        our_number="try-1",
        details={
            "payment_uuid": UUID,
            "invoice_id": "1042",
            "card_pan": "860030******5959",
            "payment_system": "uzcard",
            "phone_end": "4567",
            "receipt_url": "https://receipt.test/1",
            "paid_at": "2026-11-20T12:00:00+00:00",
            "store_id": "6",
        },
    )
    assert PROTOCOL.claim(call(QUESTION), "") == Claim(reference="1042", processor_ref=UUID)
    assert PROTOCOL.credential_of(OURS) == ""


@pytest.mark.parametrize("written", ['"1500000"', '"1500000.0"', '"1500000.00"', "1500000.0", "1500000.00"])
def test_the_signature_is_made_of_the_text_of_the_amount_or_of_its_whole_number(written):
    """Some stands write `50000.00`; which of the two is signed is not told."""
    for text in (written.strip('"'), "1500000"):
        sign = hashlib.md5(f"61042{text}mc-secret".encode()).hexdigest()
        body = json.dumps({**QUESTION, "sign": sign}).replace(": 1500000", f": {written}").encode()
        assert ask(body).money == Money(1_500_000, "UZS")


def test_a_form_is_read_like_json():
    body = b"store_id=6&amount=1500000&invoice_id=1042&sign=68c9196afb28424f1ec818b598aa1eba&uuid=" + UUID.encode()
    question = ask(body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert (question.transaction_ref, question.money.minor) == (UUID, 1_500_000)
    fault = refusal(body + b"&amount=1", headers={"content-type": "application/x-www-form-urlencoded"})
    assert fault.reply.status == 200


@pytest.mark.parametrize("secret", ["", " ", "\t"])
def test_without_a_secret_nothing_verifies(secret):
    body = signed(QUESTION, secret=secret)
    assert said(refusal(body, {"secret": secret, "storeId": "6"}).reply)[1]["success"] is False


def test_a_secret_outside_ascii_verifies_like_any_other():
    assert ask(signed(QUESTION, secret="секрет"), {"secret": "секрет", "storeId": "6"}).reference == "1042"


def test_an_account_that_nobody_knows_is_an_unknown_order():
    status, body = said(refusal(QUESTION, None).reply)
    assert status == 200 and body["success"] is False and "Order not found" in body["message"]


@pytest.mark.parametrize(
    ("ours", "given", "fits"),
    [
        ("6", 6, True),
        ("6", 7, False),
        ("6", "a1df872e-d5aa-11ee-8de8-005056b4367d", False),
        ("a1df872e-d5aa-11ee-8de8-005056b4367d", "A1DF872E-d5aa-11ee-8de8-005056b4367d", True),
        ("a1df872e-d5aa-11ee-8de8-005056b4367d", 6, True),  # its number is compared with what the invoice told
        ("a1df872e-d5aa-11ee-8de8-005056b4367d", "b1df872e-d5aa-11ee-8de8-005056b4367d", False),
        ("", 6, False),
    ],
)
def test_the_store_is_compared_by_itself(ours, given, fits):
    body, credentials = signed(QUESTION, store_id=given), {"secret": "mc-secret", "storeId": ours}
    if fits:
        assert ask(body, credentials).details["store_id"] == str(given)
    else:
        fault = refusal(body, credentials)
        assert fault.is_authentic and said(fault.reply)[1]["success"] is False


def test_store_and_order_cannot_be_shifted_into_each_other():
    shifted = {**QUESTION, "store_id": "61", "invoice_id": "042"}
    assert refusal(shifted).is_authentic  # the signature is the same, the store is another


def test_a_webhooks_signature_signs_no_question_and_the_other_way_round():
    news = {**NEWS, "store_id": 6}
    del news["status"]
    assert not refusal(news).is_authentic
    with pytest.raises(BadCallback):
        adapter().read_callback(call({**QUESTION, "status": "success"}))


def test_where_integrators_disagree_the_other_formula_can_be_switched_on(monkeypatch):
    swapped = {**QUESTION, "sign": NEWS["sign"]}
    refusal(swapped)
    monkeypatch.setattr(terms, "ACCEPTS_OTHER_FORMULA", True)
    assert ask(swapped).reference == "1042"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", ""])
def test_only_post_is_a_question(method):
    assert said(refusal(QUESTION, method=method).reply)[0] == 405


# --- the answer ---

SNAPSHOT = Snapshot(UUID, "1042", "1", Money(1_500_000, "UZS"), State.PERFORMED, None, NOW, NOW)


@pytest.mark.parametrize("is_repeat", [False, True])
def test_yes_is_success_true_to_the_byte_however_often(is_repeat):
    reply = PROTOCOL.write(call(QUESTION), "", ask(QUESTION), Done(SNAPSHOT, is_repeat=is_repeat), now=NOW)
    assert (reply.status, reply.body) == (200, b'{"success":true}')
    assert accepted() == reply


@pytest.mark.parametrize("why", list(Refusal))
def test_every_no_returns_the_money_with_a_message_in_three_languages(why):
    reply = PROTOCOL.write(call(QUESTION), "", ask(QUESTION), No(why, SNAPSHOT), now=NOW)
    status, body = said(reply)
    assert status == 200 and body["success"] is False
    assert len(body["message"].split(" / ")) == 3 and len(body["message"]) < 200


def test_an_answer_of_another_kind_never_keeps_the_money():
    assert said(PROTOCOL.write(call(QUESTION), "", ask(QUESTION), Noted(), now=NOW))[1]["success"] is False


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 99999, json.dumps(QUESTION).encode()])
def test_our_own_fault_is_500_whatever_was_asked(body):
    status, answer = said(PROTOCOL.fault(call(body), "", now=NOW))
    assert status == 500 and answer["success"] is False


# --- hostile requests ---

JUNK = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e300,
    10**400,
    "",
    " ",
    "0",
    "-1",
    "+1",
    "1e5",
    "١٢٣",
    "NaN",
    "Infinity",
    "\x00",
    "\ud800",
    "a" * 100_000,
    "<script>",
    "../../etc",
    [],
    [1],
    {},
    {"a": {"b": []}},
]


@pytest.mark.parametrize("field", ["store_id", "amount", "invoice_id", "sign", "status"])
def test_no_value_of_a_field_that_matters_to_a_question_is_an_exception_or_a_success(field):
    for value in JUNK:
        body = {**QUESTION, field: value}
        fault = refusal(body)
        assert fault.reply.status in (200, 400)
        assert json.loads(fault.reply.body)["success"] is False
        assert is_webhook(call(body)) is (field == "status")


@pytest.mark.parametrize("field", ["uuid", "amount", "invoice_id", "sign"])
def test_no_value_of_a_field_that_matters_to_a_webhook_is_an_exception_or_believed(field):
    for value in JUNK:
        with pytest.raises(BadCallback):
            adapter().read_callback(call({**NEWS, field: value}))


def test_the_payments_id_is_not_signed_in_a_question_and_still_has_to_be_one():
    for value in JUNK:
        try:
            question = ask({**QUESTION, "uuid": value})
        except ProtocolFault:
            continue
        assert len(question.transaction_ref) <= 64 and question.transaction_ref.isascii()


@pytest.mark.parametrize(
    "field", ["payment_time", "phone", "card_pan", "ps", "card_token", "receipt_url", "billing_id"]
)
def test_no_value_of_an_unsigned_field_is_an_exception_or_kept_as_it_is(field):
    for value in JUNK:
        for body in (QUESTION, signed(NEWS)):
            changed = {**body, field: value}
            details = (
                ask(changed).details
                if body is QUESTION
                else adapter().read_callback(call(changed)).notices[0].processor_data
            )
            for text in details.values():
                assert isinstance(text, str) and len(text) <= 2000 and "\x00" not in text
                text.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"x"',
        b"[]",
        b"{",
        b"{}",
        b"\xff\xfe{}",
        "{}".encode("utf-16"),
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"amount": ' + b"9" * 60_000 + b"}",
        b'{"amount": NaN}',
        b" " * 600_000 + b"{}",
        json.dumps(QUESTION).replace('"uuid"', '"amount": 1, "uuid"').encode(),
        json.dumps({**QUESTION, "x": {"a": 1}}).replace('"a": 1', '"a": 1, "a": 2').encode(),
    ],
)
def test_no_body_is_an_exception_or_a_success(body):
    assert said(refusal(body).reply)[1]["success"] is False
    with pytest.raises(ProtocolFault):
        PROTOCOL.claim(call(body), "")
    for read in (adapter().peek, adapter().read_callback):
        with pytest.raises(BadCallback):
            read(call(body))


def test_ten_thousand_broken_callbacks_are_all_refused_in_form():
    dice = random.Random(7)
    good = json.dumps(QUESTION).encode(), json.dumps(NEWS).encode()
    for number in range(10_000):
        body = bytearray(good[number % 2])
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        callback = call(bytes(body))
        try:
            question = PROTOCOL.read(callback, "", OURS)
        except ProtocolFault as fault:
            assert json.loads(fault.reply.body)["success"] is False
        else:  # what is signed was not touched
            assert (question.reference, question.money.minor) == ("1042", 1_500_000)
        try:
            read = adapter().read_callback(callback)
        except (BadCallback, Unavailable):
            continue
        assert read.notices[0].processor_data["payment_uuid"] == UUID


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_are_an_exception(body):
    refusal(body)
    assert is_webhook(call(body)) in (True, False)


@given(st.integers(min_value=1, max_value=MAX_MINOR))
@settings(max_examples=200, deadline=None)
def test_no_amount_loses_a_tiyin_on_its_way_in_or_out(minor):
    assert ask(signed(QUESTION, amount=minor)).money == Money(minor, "UZS")
    assert reading.money_of(minor) == reading.money_of(f"{minor}.00") == Money(minor, "UZS")
    body = bodies.invoice(request(money=Money(minor, "UZS"), items=(item(minor),)), store_id="6", now=NOW)
    assert json.loads(json.dumps(body))["amount"] == minor


# --- webhooks ---


@pytest.mark.parametrize(("uuid", "invoice", "amount", "secret", "sign"), SHA1_VECTORS)
def test_the_references_signatures_of_webhooks_verify(uuid, invoice, amount, secret, sign):
    body = {**NEWS, "uuid": uuid, "invoice_id": invoice, "amount": amount, "sign": sign}
    read = adapter(credentials={**OURS, "secret": secret}).read_callback(call(body))
    assert read.event_id == f"{uuid}:progress"
    assert read.notices[0].processor_data == {"payment_uuid": uuid, "invoice_id": invoice, "payment_system": "uzcard"}
    with pytest.raises(BadCallback):
        adapter(credentials={**OURS, "secret": "other"}).read_callback(call(body))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("draft", Outcome.PENDING),
        ("progress", Outcome.PROCESSING),
        ("billing", Outcome.PROCESSING),
        ("hold", Outcome.PROCESSING),
        ("a_word_of_tomorrow", Outcome.PENDING),
    ],
)
def test_a_webhook_that_settles_nothing_is_read_as_it_is(status, outcome):
    report = adapter().read_callback(call(signed(NEWS, status=status))).notices[0]
    assert (report.outcome, report.is_final, report.processor_ref) == (outcome, False, "")


@pytest.mark.parametrize("status", ["success", "error", "revert"])
def test_a_webhook_that_settles_is_never_believed_without_asking(status):
    with pytest.raises(Unavailable):
        adapter().read_callback(call(signed(NEWS, status=status)))


def test_a_rotated_secret_still_verifies_webhooks():
    changed = adapter(credentials={**OURS, "secret": "new"}, previous_credentials=({"secret": "mc-secret"},))
    assert changed.read_callback(call(NEWS)).event_type == "progress"
    with pytest.raises(BadCallback):
        adapter(credentials={**OURS, "secret": ""}, previous_credentials=({},)).read_callback(call(NEWS))


def test_the_two_kinds_are_told_apart_by_the_status():
    assert not is_webhook(call(QUESTION)) and is_webhook(call(NEWS)) and not is_webhook(call(b"x"))
    assert adapter().peek(call(QUESTION)).event_type == "callback"
    peek = adapter().peek(call(NEWS))
    assert (peek.reference, peek.processor_ref, peek.event_id) == ("1042", UUID, f"{UUID}:progress")
    with pytest.raises(BadCallback, match="question"):
        adapter().read_callback(call(QUESTION))
    assert said(refusal(NEWS).reply) == said(not_noted())


# --- what we read ---


def test_a_time_of_tashkent_is_five_hours_ahead():
    assert reading.time_of("2026-11-20 17:00:00") == NOW
    assert reading.time_on_the_wire(NOW) == "2026-11-20 17:00:00"
    for text in ("", "2026-11-20", "2026-13-01 00:00:00", "0001-01-01 00:00:00", "x", "2026-11-20T17:00:00"):
        assert reading.time_of(text) is None


@pytest.mark.parametrize(
    ("status", "outcome", "is_final"),
    [
        ("draft", Outcome.PENDING, False),
        ("progress", Outcome.PROCESSING, False),
        ("billing", Outcome.PROCESSING, False),
        ("success", Outcome.CAPTURED, True),
        ("error", Outcome.DECLINED, False),
        ("revert", Outcome.CANCELLED, True),
        ("", Outcome.PENDING, False),
        ("SUCCESS", Outcome.PENDING, False),
    ],
)
def test_only_success_is_paid(status, outcome, is_final):
    model = {"uuid": UUID, "status": status, "payment_amount": 5, "total_amount": 7}
    report = reading.payment_report(model, mode=Mode.TEST)
    assert (report.outcome, report.is_final) == (outcome, is_final)
    # What the buyer paid on top for the commission is not ours.
    assert report.money == (Money(5, "UZS") if status == "success" else None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("860030******5959", "860030******5959"),
        ("8600 30** **** 5959", "860030******5959"),
        ("8600533364098829", "860053******8829"),
        ("8600-5333-6409-8829", "860053******8829"),
        ("86005333640988", "860053****8829"[:8] + "**0988"),
        ("86005333640", ""),
        ("", ""),
        ("****", ""),
        ("иностранная", ""),
    ],
)
def test_a_cards_number_is_masked_whatever_came(given, kept):
    assert reading.masked(given) == kept


# --- what we send ---


def request(**more):
    wanted = {
        "reference": "try-1",
        "order_reference": "order-1",
        "money": Money(100_000, "UZS"),
        "description": "",
        "return_url": "https://shop.test/back",
        "callback_url": "https://pay.test/api/callbacks/multicard",
        "items": (item(100_000),),
    }
    return PaymentRequest(**{**wanted, **more})


def made(**more):
    return bodies.invoice(request(**more), store_id="6", now=NOW)


def test_an_invoice_carries_the_order_the_try_and_the_lines():
    lines = (
        item(60_000, quantity=2, price_minor=30_000, vat=12, tin="301234567", marks=("m1", "m2")),
        item(40_000, vat=0),
    )
    assert made(items=lines, lang="en", cancel_url="https://shop.test/no", expires_at=NOW + timedelta(minutes=30)) == {
        "store_id": 6,
        "amount": 100_000,
        "invoice_id": "order-1",
        "callback_url": "https://pay.test/api/callbacks/multicard?payment=try-1",
        "ofd": [
            {
                "qty": 2,
                "price": 30_000,
                "total": 60_000,
                "mxik": "06401004002000000",
                "package_code": "1506113",
                "name": "Non",
                "vat": 12,
                "tin": "301234567",
                "mark": ["m1", "m2"],
            },
            {
                "qty": 1,
                "price": 40_000,
                "total": 40_000,
                "mxik": "06401004002000000",
                "package_code": "1506113",
                "name": "Non",
                "vat": 0,
            },
        ],
        "lang": "en",
        "return_url": "https://shop.test/back",
        "return_error_url": "https://shop.test/no",
        "ttl": 1800,
    }


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"money": Money(100, "USD")}, NotAvailable),
        ({"money": Money(0, "UZS")}, Misconfigured),
        ({"method": "payme"}, NotAvailable),
        ({"callback_url": ""}, Misconfigured),
        ({"order_reference": ""}, Misconfigured),
        ({"order_reference": "x" * 256}, Misconfigured),
        ({"items": ()}, Misconfigured),
        ({"items": (item(99_999),)}, Misconfigured),
    ],
)
def test_what_cannot_be_an_invoice_is_not_sent(more, error):
    with pytest.raises(Misconfigured) as caught:
        made(**more)
    assert type(caught.value) is error


def test_a_time_to_live_is_never_nothing_and_never_for_ever():
    assert made(expires_at=NOW - timedelta(days=1))["ttl"] == terms.MIN_TTL_SECONDS
    assert made(expires_at=NOW + timedelta(days=90))["ttl"] == terms.MAX_TTL_SECONDS
    assert "ttl" not in made()
    assert made(callback_url="https://pay.test/x?a=b")["callback_url"] == "https://pay.test/x?a=b&payment=try-1"
    assert reading.try_of(made()["callback_url"]) == "try-1"


def test_stands_without_fiscal_receipts_can_be_switched_on(monkeypatch):
    monkeypatch.setattr(terms, "NEEDS_ITEMS", False)
    assert made(items=())["ofd"] == []


# --- its answers, word by word ---

TOKEN = {"token": "t1", "role": "x", "expiry": "2030-01-01 00:00:00"}


@pytest.fixture
def multicard(httpserver):
    TOKENS.__init__()
    httpserver.expect_request("/auth").respond_with_json(TOKEN)
    return httpserver


def asking(multicard):
    return replace(adapter(multicard.url_for("").rstrip("/")), timeouts=Timeouts(1, 1, 2))


REF = PaymentRef("try-1", "inv", Money(100_000, "UZS"), NOW, {"invoice_uuid": "inv", "payment_uuid": UUID})
INVOICE = {"uuid": "inv", "amount": 100_000, "invoice_id": "order-1", "checkout_url": "https://app.rhmt.uz/invoice/inv"}


@pytest.mark.parametrize("success", [True, "true"])
@pytest.mark.parametrize("store", [6, "6"])
def test_an_invoice_is_read_with_either_spelling_of_success(multicard, success, store):
    answer = {"success": success, "data": {**INVOICE, "store_id": store, "deeplink": "https://multicard.app/x"}}
    multicard.expect_request("/payment/invoice").respond_with_json(answer)
    report = asking(multicard).create_payment(request())
    assert report.processor_ref == "inv" and report.next_action.url == INVOICE["checkout_url"]
    assert report.processor_data == {
        "invoice_uuid": "inv",
        "invoice_id": "order-1",
        "store_id": "6",
        "deeplink": "https://multicard.app/x",
    }


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        {**INVOICE, "uuid": ""},
        {**INVOICE, "amount": 100_001},
        {**INVOICE, "amount": None},
        {**INVOICE, "invoice_id": "another"},
        {**INVOICE, "checkout_url": "javascript:alert(1)"},
        {**INVOICE, "checkout_url": None},
    ],
)
def test_an_invoice_that_is_not_the_one_we_asked_for_leads_nobody_anywhere(multicard, data):
    multicard.expect_request("/payment/invoice").respond_with_json({"success": True, "data": data})
    with pytest.raises(OutcomeUnknown):
        asking(multicard).create_payment(request())


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (200, {"success": False, "error": {"code": "ERROR_FIELDS", "details": "store_id"}}, Misconfigured),
        (400, {"success": False, "error": {"code": "ERROR_FIELDS", "details": "store_id"}}, Misconfigured),
        (200, {"success": "false", "error": {"code": "ERROR_FIELDS"}}, Misconfigured),
        (200, {"success": False, "error": {"code": "ERROR_DEBIT_UNKNOWN"}}, OutcomeUnknown),
        (400, {"success": False, "error": {"code": "ERROR_CALLBACK_TIMEOUT"}}, OutcomeUnknown),
        (200, {"success": False}, OutcomeUnknown),
        (200, {"ok": 1}, OutcomeUnknown),
        (200, [], OutcomeUnknown),
        (500, {"success": False, "error": {"code": "ERROR_UNKNOWN"}}, OutcomeUnknown),
        (502, "<html>", OutcomeUnknown),
        (403, "RBAC: access denied", Misconfigured),
        (429, "slow down", Unavailable),
    ],
)
def test_the_envelope_decides_whatever_the_status(multicard, status, answer, error):
    body = answer if isinstance(answer, str) else json.dumps(answer)
    multicard.expect_request("/payment/invoice").respond_with_data(body, status=status)
    with pytest.raises(error):
        asking(multicard).create_payment(request())


def test_a_finished_invoice_with_a_failed_payment_and_nothing_in_the_register_is_declined(multicard):
    not_ready = {"success": False, "error": {"code": "ERROR_TRANS_NOT_READY", "details": ""}}
    multicard.expect_request("/payment/invoice/inv").respond_with_json(not_ready, status=400)
    model = {"uuid": UUID, "status": "error", "ps_response_code": "51", "ps_response_msg": "Недостаточно средств"}
    multicard.expect_request(f"/payment/{UUID}").respond_with_json({"success": True, "data": model})
    multicard.expect_request("/payment/inv").respond_with_json(not_ready, status=400)
    # Whoever may not read the register learns nothing from it, and nothing is lost.
    multicard.expect_request("/payment/store/6/history").respond_with_data("RBAC: access denied", status=403)
    report = asking(multicard).ask_payment(REF)
    assert (report.outcome, report.failure.message) == (Outcome.DECLINED, "Недостаточно средств")
    assert report.processor_ref == "inv"


def test_a_better_payment_in_the_register_speaks_for_the_try(multicard):
    not_ready = {"success": False, "error": {"code": "ERROR_TRANS_NOT_READY", "details": ""}}
    multicard.expect_request("/payment/invoice/inv").respond_with_json(not_ready, status=400)
    failed = {"uuid": UUID, "status": "error"}
    multicard.expect_request(f"/payment/{UUID}").respond_with_json({"success": True, "data": failed})
    multicard.expect_request("/payment/inv").respond_with_json({"success": False, "error": {}}, status=404)
    rows = [
        {"uuid": "p3", "status": "success", "payment_amount": 100_000, "callback_url": "https://x/?payment=other"},
        {"uuid": "p2", "status": "success", "payment_amount": 100_000, "callback_url": "https://x/?payment=try-1"},
        "not a row",
    ]
    data = {"pagination": {"total": 2, "offset": 0, "limit": 100}, "list": rows}
    multicard.expect_request("/payment/store/6/history").respond_with_json({"success": True, "data": data})
    report = asking(multicard).ask_payment(REF)
    assert (report.outcome, report.processor_data["payment_uuid"]) == (Outcome.CAPTURED, "p2")
    sent = multicard.log[-1][0].args
    assert sent["start_date"] == "2026-11-20 16:55:00" and sent["offset"] == "0"


def test_an_invoice_that_is_unknown_now_is_no_word_about_the_money(multicard):
    unknown = {"success": False, "error": {"code": "ERROR_NOT_FOUND", "details": ""}}
    for path in ("/payment/invoice/inv", f"/payment/{UUID}", "/payment/inv", "/payment/store/6/history"):
        multicard.expect_request(path).respond_with_json(unknown, status=404)
    assert asking(multicard).ask_payment(REF) is None


def test_a_partial_refund_sends_its_body_in_a_delete(multicard):
    paid = {"success": True, "data": {"uuid": UUID, "status": "success", "ps": "payme", "payment_amount": 100_000}}
    multicard.expect_request(f"/payment/{UUID}").respond_with_json(paid)
    multicard.expect_request(f"/payment/{UUID}/partial", method="DELETE").respond_with_json(
        {"success": "true", "data": {"uuid": UUID, "status": "success"}}
    )
    asking(multicard).refund_payment(
        RefundRequest("r1", REF, Money(40_000, "UZS"), items=(item(60_000),), card_pan="8600 5333 6409 8829")
    )
    sent = multicard.log[-1][0]
    assert sent.method == "DELETE" and sent.headers["Content-Type"] == "application/json"
    assert sent.get_json() == {
        "refund_amount": 40_000,
        "ofd": [
            {
                "qty": 1,
                "price": 60_000,
                "total": 60_000,
                "mxik": "06401004002000000",
                "package_code": "1506113",
                "name": "Non",
            }
        ],
        "card_pan": "8600533364098829",
    }
    assert sent.headers["Authorization"] == "Bearer t1" and "X-Access-Token" not in sent.headers


def test_a_whole_refund_has_no_body(multicard):
    multicard.expect_request(f"/payment/{UUID}", method="GET").respond_with_json(
        {"success": True, "data": {"uuid": UUID, "status": "success"}}
    )
    multicard.expect_request(f"/payment/{UUID}", method="DELETE").respond_with_json(
        {"success": True, "data": {"uuid": UUID, "status": "revert", "refund_time": "2026-11-20 17:00:00"}}
    )
    report = asking(multicard).refund_payment(RefundRequest("r1", REF, REF.money))
    assert (report.processor_ref, report.payment_processor_ref) == (f"{UUID}/revert", UUID)
    assert report.occurred_at == NOW
    assert multicard.log[-1][0].get_data() == b""


# --- the token ---


def client(multicard, clock, tokens):
    return Client(multicard.url_for("").rstrip("/"), "app", "s", Timeouts(1, 1, 2), clock, tokens)


def test_a_token_is_renewed_five_minutes_before_its_end_in_tashkents_time(multicard):
    tokens, end = Tokens(), datetime(2029, 12, 31, 19, 0, tzinfo=UTC)
    at = [end - timedelta(minutes=6)]
    asked = client(multicard, lambda: at[0], tokens)
    assert asked.token() == asked.token() == "t1"
    assert len(multicard.log) == 1
    at[0] = end - timedelta(minutes=5)
    asked.token()
    assert len(multicard.log) == 2
    assert multicard.log[0][0].get_json() == {"application_id": "app", "secret": "s"}


@pytest.mark.parametrize("expiry", [None, "", "soon", 5])
def test_a_token_whose_end_cannot_be_read_is_kept_for_half_an_hour(httpserver, expiry):
    httpserver.expect_request("/auth").respond_with_json({"token": "t1", "expiry": expiry})
    at = [NOW]
    asked = client(httpserver, lambda: at[0], Tokens())
    asked.token()
    at[0] += timedelta(minutes=29)
    asked.token()
    assert len(httpserver.log) == 1
    at[0] += timedelta(minutes=1)
    asked.token()
    assert len(httpserver.log) == 2


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (400, {"errors": [{"message": [{"message": "wrong", "field": "secret"}]}]}, Misconfigured),
        (200, {}, Misconfigured),
        (200, {"token": ""}, Misconfigured),
        (200, {"token": "a\r\nb"}, Misconfigured),
        (200, [], Misconfigured),
        (500, {}, Unavailable),
        (429, {}, Unavailable),
    ],
)
def test_without_a_token_nothing_was_sent(httpserver, status, answer, error):
    httpserver.expect_request("/auth").respond_with_json(answer, status=status)
    with pytest.raises(error):
        client(httpserver, lambda: NOW, Tokens()).post("/payment/invoice", {})


def test_a_token_that_is_refused_twice_is_a_misconfiguration_and_not_a_loop(multicard):
    multicard.expect_request("/payment/x").respond_with_data("", status=401)
    with pytest.raises(Misconfigured):
        client(multicard, lambda: NOW, Tokens()).post("/payment/x", {})
    assert [one.path for one, _ in multicard.log] == ["/auth", "/payment/x", "/auth", "/payment/x"]


def test_two_accounts_do_not_share_a_token(multicard):
    tokens = Tokens()
    first = client(multicard, lambda: NOW, tokens)
    second = replace(first, secret="another")
    first.token(), second.token(), first.token()
    assert len(multicard.log) == 2
    assert "t1" not in repr(first) and "'s'" not in repr(first)


# --- what a business enters ---


def test_the_fields_are_those_of_the_invoice_api():
    assert [(one.name, one.is_secret, one.is_required, one.is_identity) for one in PROCESSOR.credential_fields] == [
        ("applicationId", False, True, False),
        ("secret", True, True, False),
        ("storeId", False, True, True),
    ]
    assert PROCESSOR.slug == "multicard" and PROCESSOR.capabilities.currencies == {"UZS"}
    assert PROCESSOR.capabilities.can_refund_partially and not PROCESSOR.capabilities.asks_first


@pytest.mark.parametrize(
    ("changed", "mode", "fields"),
    [
        ({}, Mode.TEST, set()),
        ({"storeId": "a1df872e-d5aa-11ee-8de8-005056b4367d"}, Mode.LIVE, set()),
        ({"applicationId": "rhmt_test"}, Mode.TEST, set()),
        ({"applicationId": "rhmt_test"}, Mode.LIVE, {"applicationId"}),
        ({"applicationId": "", "secret": "", "storeId": ""}, Mode.TEST, {"applicationId", "secret", "storeId"}),
        ({"secret": "with space"}, Mode.TEST, {"secret"}),
        ({"secret": "секрет"}, Mode.TEST, {"secret"}),
        ({"storeId": "0"}, Mode.TEST, {"storeId"}),
        ({"storeId": "6/../7"}, Mode.TEST, {"storeId"}),
        ({"storeId": "٦"}, Mode.TEST, {"storeId"}),
    ],
)
def test_credentials_are_checked_by_field_and_never_repeated(changed, mode, fields):
    problems = PROCESSOR.check_credentials({**OURS, **changed}, mode)
    assert set(problems) == fields
    assert "with space" not in str(problems)


def test_amounts_are_whole_tiyin_up_to_the_limit():
    assert PROCESSOR.check_money(Money(1, "UZS")) == PROCESSOR.check_money(Money(MAX_MINOR, "UZS")) == ""
    for money in (Money(0, "UZS"), Money(-1, "UZS"), Money(MAX_MINOR + 1, "UZS"), Money(100, "USD")):
        assert PROCESSOR.check_money(money)


@pytest.mark.parametrize(("mode", "host"), [(Mode.TEST, "dev-mesh.multicard.uz"), (Mode.LIVE, "mesh.multicard.uz")])
def test_the_mode_decides_the_host(mode, host):
    assert adapter("", mode=mode)._client().base_url == f"https://{host}"
