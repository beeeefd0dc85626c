"""Secure Processor's callbacks: who sent them, which of four shapes they have, and what they say about money."""

import base64
import json
import textwrap
from functools import cache

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapter import AdapterConfig
from gateway.adapters.secure_processor import PROCESSOR
from gateway.adapters.secure_processor.keys import NotAKey, check_credentials, load_public_key
from gateway.errors import BadCallback, Unavailable
from gateway.money import Money
from gateway.types import (
    Callback,
    DeclineAdvice,
    DisputeReport,
    Ignored,
    Mode,
    Outcome,
    PaymentReport,
    RefundOutcome,
    RefundReport,
)
from tests.gateway import secure_processor_book as book
from tests.gateway.secure_processor_book import REFERENCE, TOKEN, UID, build, callback, checkout, transaction

pytestmark = pytest.mark.once


def read(body, adapter=None, **headers):
    """The one notice of a callback that verifies."""
    (notice,) = (adapter or build()).read_callback(callback(body, **headers)).notices
    return notice


def told(**changed):
    return read({"transaction": transaction(**changed)})


# --- the published vectors ---


def vector(pair, **headers):
    body, signature = pair
    return callback(body.encode(), **{"content_signature": signature, **headers})


def test_the_published_nested_vector_verifies_and_is_a_captured_payment():
    adapter = build(credentials={"publicKey": book.VECTOR_KEY})
    found = adapter.read_callback(vector(book.VECTOR_NESTED))
    (report,) = found.notices
    assert (found.event_id, found.event_type) == ("1-310b0da80b:successful", "payment.successful")
    assert (report.reference, report.outcome, report.money) == (
        "pt_vector_1",
        Outcome.CAPTURED,
        Money(1999, "EUR"),
    )
    assert (report.capture_ref, report.mode, report.is_final, report.processor_ref) == (UID, Mode.TEST, True, "")


def test_the_published_flat_vector_verifies_and_its_payment_is_looked_up(httpserver):
    found = transaction(uid="gateway_uid", tracking_id="paytok_123")
    httpserver.expect_request("/transactions/gateway_uid").respond_with_json({"transaction": found})
    adapter = build(base_url=httpserver.url_for(""), credentials={"publicKey": book.VECTOR_KEY})
    assert adapter.peek(vector(book.VECTOR_FLAT)).reference == "paytok_123"
    (report,) = adapter.read_callback(vector(book.VECTOR_FLAT)).notices
    assert (report.reference, report.outcome, report.money) == ("paytok_123", Outcome.CAPTURED, Money(1999, "EUR"))


@pytest.mark.parametrize("pair", [book.VECTOR_NESTED, book.VECTOR_FLAT], ids=["nested", "flat"])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_vector_with_anything_changed_does_not_verify(pair, mode):
    body, signature = pair
    adapter = build(mode, credentials={"publicKey": book.VECTOR_KEY}, accepts_missing_signature="yes")
    raw, decoded = body.encode(), base64.b64decode(signature)
    flipped = base64.b64encode(bytes([decoded[0] ^ 1]) + decoded[1:]).decode()
    for changed, given_signature in [
        (raw.replace(b"successful", b"succesful!"), signature),
        (raw + b"\n", signature),
        (b" " + raw, signature),
        (json.dumps(json.loads(body)).encode(), signature),  # the same JSON, written again
        (raw, flipped),
        (raw, signature.rstrip("=")),
        (raw, signature[:-4]),
        (raw, signature + "="),
        (raw, signature + "\u0442"),
        (raw, f"sha256={signature}"),
        (raw, signature.replace("+", "-").replace("/", "_") + "!"),
        (raw, "=" * 8),
        (raw, "AAAA"),
        (raw, "A" * 100_000),
    ]:
        with pytest.raises(BadCallback):
            adapter.read_callback(callback(changed, content_signature=given_signature))


# --- the two authentications ---


def signed_otherwise(body, kind):
    key = book.PRIVATE
    if kind == "other key":
        return book.signature(body, book.OTHER_PRIVATE)
    if kind == "PSS":
        made = key.sign(body, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    else:
        made = key.sign(body, padding.PKCS1v15(), hashes.SHA1() if kind == "SHA-1" else hashes.SHA512())
    return base64.b64encode(made).decode()


@pytest.mark.parametrize("kind", ["other key", "PSS", "SHA-1", "SHA-512"])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_signature_of_another_kind_never_counts(kind, mode):
    body = json.dumps({"transaction": transaction(test=mode is Mode.TEST)}).encode()
    adapter = build(mode, accepts_missing_signature="yes")
    adapter.read_callback(callback(body))
    with pytest.raises(BadCallback, match="not made with this shop's key"):
        adapter.read_callback(callback(body, content_signature=signed_otherwise(body, kind)))


@pytest.mark.parametrize(
    ("mode", "setting", "is_accepted"),
    [
        (Mode.TEST, "yes", True),
        (Mode.TEST, "", False),
        (Mode.TEST, "true", False),
        (Mode.LIVE, "yes", False),
        (Mode.LIVE, "", False),
    ],
)
@pytest.mark.parametrize("missing", [None, "", "  "], ids=["left out", "empty", "blank"])
def test_a_missing_signature_counts_in_test_mode_and_only_where_the_setting_says_so(
    mode, setting, is_accepted, missing
):
    adapter = build(mode, accepts_missing_signature=setting)
    sent = callback({"transaction": transaction(test=mode is Mode.TEST)}, content_signature=missing)
    if is_accepted:
        assert adapter.read_callback(sent).notices[0].outcome is Outcome.CAPTURED
    else:
        with pytest.raises(BadCallback, match="no Content-Signature"):
            adapter.read_callback(sent)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!!",
        "Bearer abc",
        book.basic(secret="wrong"),
        book.basic(shop_id="362"),
        book.basic(secret=""),
        "Basic " + base64.b64encode(b"361").decode(),
        book.basic().rstrip("="),
        book.basic() + "\u0442",
        "Basic " + base64.b64encode(b"361:b8647b68898b084b ").decode(),
    ],
    ids=lambda header: "none" if header is None else header.encode("ascii", "replace").decode()[:24],
)
@pytest.mark.parametrize("mode", list(Mode))
def test_the_basic_credentials_have_to_be_the_shops_own_whatever_is_signed(header, mode):
    adapter = build(mode, accepts_missing_signature="yes")
    with pytest.raises(BadCallback, match="Basic"):
        adapter.read_callback(callback({"transaction": transaction()}, authorization=header))


def test_the_scheme_may_be_written_in_any_case():
    sent = callback({"transaction": transaction()}, authorization=book.basic().replace("Basic", "basic"))
    assert build().read_callback(sent).notices[0].outcome is Outcome.CAPTURED


def test_blank_credentials_vouch_for_nothing():
    adapter = build(credentials={"secretKey": "", "shopId": ""})
    with pytest.raises(BadCallback):
        adapter.read_callback(callback({"transaction": transaction()}, authorization=book.basic("", "")))
    adapter = build(credentials={"publicKey": ""})
    with pytest.raises(BadCallback, match="this shop's key"):
        adapter.read_callback(callback({"transaction": transaction()}))


def test_credentials_that_were_rotated_out_still_verify_each_by_itself():
    former = {**book.CREDENTIALS, "secretKey": "former", "publicKey": book.OTHER_PUBLIC}
    adapter = build(Mode.TEST, previous=[former])
    body = {"transaction": transaction()}
    for secret, key in (("former", book.OTHER_PRIVATE), ("former", book.PRIVATE), (book.SECRET_KEY, book.PRIVATE)):
        sent = callback(body, key=key, authorization=book.basic(secret=secret))
        assert adapter.read_callback(sent).notices[0].outcome is Outcome.CAPTURED
    with pytest.raises(BadCallback):
        build().read_callback(callback(body, key=book.OTHER_PRIVATE))


def test_nothing_is_read_of_a_body_that_does_not_verify():
    with pytest.raises(BadCallback, match="Content-Signature"):
        build().read_callback(callback(b"\xff not JSON", content_signature=base64.b64encode(b"x" * 256).decode()))


# --- the public key, as people paste it ---


def spellings(key):
    wrapped = "\n".join(textwrap.wrap(key, 64))
    pem = f"-----BEGIN PUBLIC KEY-----\n{wrapped}\n-----END PUBLIC KEY-----\n"
    return {
        "bare": key,
        "wrapped": wrapped,
        "PEM": pem,
        "PEM with literal line breaks": pem.replace("\n", "\\n"),
        "PEM with carriage returns": pem.replace("\n", "\r\n"),
        "in quotes": f'"{pem}"',
        "with spaces": f"  {key[:40]} {key[40:90]}\t{key[90:]}  ",
        "only the first line of the armour": f"-----BEGIN PUBLIC KEY-----\n{wrapped}",
    }


@pytest.mark.parametrize("spelling", list(spellings("x")))
def test_the_public_key_is_read_in_all_eight_spellings(spelling):
    text = spellings(book.VECTOR_KEY)[spelling]
    assert book.bare(load_public_key(text)) == book.VECTOR_KEY
    assert check_credentials({**book.CREDENTIALS, "publicKey": text}, Mode.LIVE) == {}
    adapter = build(credentials={"publicKey": text})
    assert adapter.read_callback(vector(book.VECTOR_NESTED)).notices[0].outcome is Outcome.CAPTURED


@cache
def odd_keys():
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    weak = book.new_pair(bits=1024)[1]
    return {
        "nothing": ("", "Required"),
        "only armour": ("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "Required"),
        "words": ("see the back office", "not base64|cut short"),
        "cut short": (book.VECTOR_KEY[:-8], "cut short"),
        "url-safe": (book.VECTOR_KEY.replace("/", "_"), "not base64"),
        "an elliptic curve": (book.bare(curve), "not an RSA one"),
        "too few bits": (weak, "only 1024 bits"),
        "the private key": (book.pem_of(book.PRIVATE), "private key"),
        "a certificate": ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "certificate"),
        "a flood": ("A" * 100_000, "Too long"),
        "not ASCII": (book.VECTOR_KEY + "\u0416", "not base64"),
    }


@pytest.mark.parametrize("kind", list(odd_keys()))
def test_what_is_no_public_key_is_refused_in_words(kind):
    text, words = odd_keys()[kind]
    with pytest.raises(NotAKey, match=words):
        load_public_key(text)
    problems = check_credentials({**book.CREDENTIALS, "publicKey": text}, Mode.TEST)
    assert list(problems) == ["publicKey"]
    assert len(text) < 40 or text not in problems["publicKey"]


def test_the_older_armour_of_an_rsa_key_is_read_too():
    public = book.PRIVATE.public_key()
    text = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1).decode()
    assert book.bare(load_public_key(text)) == book.PUBLIC


# --- the shapes, and what they say ---


@pytest.mark.parametrize(
    ("status", "outcome", "is_final"),
    [
        ("successful", Outcome.CAPTURED, True),
        ("success", Outcome.CAPTURED, True),
        ("completed", Outcome.CAPTURED, True),
        ("SUCCESSFUL", Outcome.CAPTURED, True),
        ("failed", Outcome.FAILED, False),
        ("failure", Outcome.FAILED, False),
        ("declined", Outcome.DECLINED, False),
        ("rejected", Outcome.DECLINED, False),
        ("expired", Outcome.EXPIRED, True),
        ("error", Outcome.ERROR, False),
        ("deleted", Outcome.CANCELLED, True),
        ("incomplete", Outcome.PENDING, False),
        ("pending", Outcome.PROCESSING, False),
        ("processing", Outcome.PROCESSING, False),
        ("unknown", Outcome.PENDING, False),
        ("success-ish", Outcome.PENDING, False),
        ("", Outcome.PENDING, False),
        (True, Outcome.PENDING, False),
        (..., Outcome.PENDING, False),
    ],
)
def test_each_status_has_its_outcome_and_an_unknown_one_is_never_success(status, outcome, is_final):
    report = told(status=status)
    assert (report.outcome, report.is_final) == (outcome, is_final)
    has_money = outcome is Outcome.CAPTURED
    assert report.money == (Money(1999, "EUR") if has_money else None)
    assert report.capture_ref == (UID if has_money else "")
    assert (report.failure is not None) == (outcome in (Outcome.FAILED, Outcome.DECLINED, Outcome.ERROR))


def test_an_authorization_holds_and_does_not_take():
    report = told(type="authorization")
    assert (report.outcome, report.is_final, report.money) == (Outcome.AUTHORIZED, False, Money(1999, "EUR"))


def test_a_capture_takes_what_was_held_under_the_holds_own_id():
    report = told(type="capture", uid="1-cap", parent_uid=UID)
    assert (report.outcome, report.capture_ref) == (Outcome.CAPTURED, UID)
    assert report.processor_data == {"capture_uid": "1-cap"}
    assert isinstance(told(type="capture", parent_uid=UID, status="failed"), Ignored)


def test_a_void_says_that_everything_is_back():
    report = told(type="void", uid="1-void", parent_uid=UID)
    assert isinstance(report, RefundReport)
    assert (report.is_total, report.payment_processor_ref, report.outcome) == (True, UID, RefundOutcome.SUCCEEDED)
    assert isinstance(told(type="void", parent_uid=UID, status="failed"), Ignored)


def test_a_successful_refund_with_the_payments_tracking_id_is_no_payment(httpserver):
    httpserver.expect_request(f"/transactions/{UID}").respond_with_json({"transaction": transaction()})
    body = {"transaction": transaction(type="refund", uid="1-ref", parent_uid=UID, amount=500, reason="By hand")}
    report = read(body, build(base_url=httpserver.url_for("")))
    assert isinstance(report, RefundReport)
    assert (report.reference, report.processor_ref, report.payment_processor_ref) == ("", "1-ref", UID)
    assert (report.outcome, report.money, report.mode) == (RefundOutcome.SUCCEEDED, Money(500, "EUR"), Mode.TEST)


def test_a_refund_of_ours_is_known_by_the_mark_in_its_reason_and_a_refund_of_a_capture_by_its_hold(httpserver):
    captured = transaction(type="capture", uid="1-cap", parent_uid=UID)
    httpserver.expect_request("/transactions/1-cap").respond_with_json({"transaction": captured})
    refund = transaction(type="refund", uid="1-ref", parent_uid="1-cap", reason="Not wanted [rf-7]")
    report = read({"transaction": refund}, build(base_url=httpserver.url_for("")))
    assert (report.reference, report.payment_processor_ref) == ("rf-7", UID)


def test_a_refund_whose_parent_cannot_be_looked_at_names_the_parent_itself():
    refund = transaction(type="refund", uid="1-ref", parent_uid=UID, status="failed", message="No money on the account")
    report = read({"transaction": refund})  # nobody listens at this address
    assert (report.payment_processor_ref, report.outcome) == (UID, RefundOutcome.FAILED)
    assert report.failure.message == "No money on the account"


def test_a_chargeback_is_a_dispute_and_never_a_payment():
    report = told(type="chargeback", uid="1-cb", parent_uid=UID, reason="Fraud")
    assert isinstance(report, DisputeReport)
    assert (report.is_open, report.payment_processor_ref, report.reason) == (True, UID, "Fraud")
    assert not told(type="chargeback", uid="1-cb", parent_uid=UID, status="failed").is_open


@pytest.mark.parametrize("kind", ["credit", "payout", "tokenization", "recipient_tokenization", "something_new"])
def test_transactions_that_are_not_ours_to_count_are_ignored_with_a_reason(kind):
    notice = told(type=kind)
    assert isinstance(notice, Ignored) and notice.why


def test_a_payment_with_a_parent_is_no_payment():
    assert isinstance(told(type=..., parent_uid=UID), Ignored)


def test_a_token_that_expired_ends_its_payment():
    found = build().read_callback(callback(checkout(status="expired", expired=True)))
    (report,) = found.notices
    assert (report.outcome, report.is_final) == (Outcome.EXPIRED, True)
    assert (report.reference, report.processor_ref) == (REFERENCE, TOKEN)
    assert found.event_type == "checkout.expired" and len(found.event_id) == 64
    peek = build().peek(callback(checkout(status="expired", expired=True)))
    assert (peek.reference, peek.processor_ref, peek.mode) == (REFERENCE, TOKEN, Mode.TEST)


def test_a_checkout_may_come_wrapped_and_may_tell_of_money():
    tried = {"payment": {"uid": UID, "status": "successful"}}
    body = {"checkout": checkout(status="successful", finished=True, gateway_response=tried)}
    report = read(body)
    assert (report.outcome, report.money, report.capture_ref) == (Outcome.CAPTURED, Money(1999, "EUR"), UID)


def test_a_checkout_that_tells_of_money_without_a_mode_is_only_under_way():
    tried = {"payment": {"uid": UID, "status": "successful"}}
    assert read(checkout(status="successful", gateway_response=tried, test=...)).outcome is Outcome.PROCESSING


def test_a_remembered_card_is_ignored():
    body = {"token": "aa" * 32, "stamp": "bb" * 32, "brand": "visa", "last_4": "0000"}
    assert isinstance(read(body), Ignored)


FLAT = {"payment_token_id": "pt_1", "status": "failed", "uid": "gw-1", "metadata": {"payment_token_id": "pt_1"}}


@pytest.mark.parametrize(
    "body",
    [
        FLAT,
        {name: value for name, value in FLAT.items() if name != "payment_token_id"},
        {name: value for name, value in FLAT.items() if name != "metadata"},
        {name: value for name, value in FLAT.items() if name != "uid"},
    ],
    ids=["whole", "only in the metadata", "without metadata", "without a uid"],
)
def test_a_flat_refusal_needs_no_question(body):
    report = read(body)
    assert (report.outcome, report.reference, report.money, report.is_final) == (Outcome.FAILED, "pt_1", None, False)
    assert build().peek(callback(body)).reference == "pt_1"


def test_a_flat_body_with_nothing_but_a_uid_is_found_by_it():
    peek = build().peek(callback({"status": "failed", "uid": "gw-1"}))
    assert (peek.reference, peek.processor_ref, peek.event_id) == ("", "gw-1", "gw-1:failed")


def test_a_flat_success_without_a_uid_is_only_under_way():
    report = read({"payment_token_id": "pt_1", "status": "successful"})
    assert (report.outcome, report.reference, report.capture_ref) == (Outcome.PROCESSING, "pt_1", "")


def test_a_flat_success_comes_again_while_nobody_can_be_asked():
    with pytest.raises(Unavailable):
        read({**FLAT, "status": "successful"})


@pytest.mark.parametrize("status", [404, 401])
def test_a_flat_success_that_nobody_confirms_is_only_under_way(httpserver, status):
    httpserver.expect_request("/transactions/gw-1").respond_with_json({"message": "Record not found"}, status=status)
    report = read({**FLAT, "status": "successful"}, build(base_url=httpserver.url_for("")))
    assert (report.outcome, report.money, report.capture_ref) == (Outcome.PROCESSING, None, "")


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"status": "failed"}, Outcome.FAILED),
        ({"type": "authorization"}, Outcome.AUTHORIZED),
        ({"type": "refund", "parent_uid": "1-1"}, Outcome.PROCESSING),
        ({"amount": 1}, Outcome.CAPTURED),
    ],
)
def test_what_is_looked_up_decides_not_what_a_flat_body_said(httpserver, found, outcome):
    row = transaction(uid="gw-1", **found)
    httpserver.expect_request("/transactions/gw-1").respond_with_json({"transaction": row})
    report = read({**FLAT, "status": "successful"}, build(base_url=httpserver.url_for("")))
    assert report.outcome is outcome
    if outcome is Outcome.CAPTURED:
        assert report.money == Money(1, "EUR")  # for checkout to compare


def test_what_is_looked_up_in_the_other_mode_is_refused(httpserver):
    row = transaction(uid="gw-1", test=False)
    httpserver.expect_request("/transactions/gw-1").respond_with_json({"transaction": row})
    with pytest.raises(BadCallback, match="other mode"):
        read({**FLAT, "status": "successful"}, build(base_url=httpserver.url_for("")))


@pytest.mark.parametrize("missing", ["test", "amount", "currency"])
def test_money_without_an_amount_or_a_mode_is_looked_up(httpserver, missing):
    httpserver.expect_request(f"/transactions/{UID}").respond_with_json({"transaction": transaction()})
    body = {"transaction": transaction(**{missing: ...})}
    report = read(body, build(base_url=httpserver.url_for("")))
    assert (report.outcome, report.money, report.mode) == (Outcome.CAPTURED, Money(1999, "EUR"), Mode.TEST)


def test_a_transaction_that_turns_out_to_be_anothers_is_refused(httpserver):
    row = transaction(tracking_id="somebody-else")
    httpserver.expect_request(f"/transactions/{UID}").respond_with_json({"transaction": row})
    with pytest.raises(BadCallback, match="another payment"):
        read({"transaction": transaction(test=...)}, build(base_url=httpserver.url_for("")))


# --- what must not fit ---


@pytest.mark.parametrize(("mode", "test"), [(Mode.LIVE, True), (Mode.TEST, False)])
@pytest.mark.parametrize("shape", ["transaction", "checkout", "flat"])
def test_a_callback_of_the_other_mode_is_refused(mode, test, shape):
    bodies = {
        "transaction": {"transaction": transaction(test=test)},
        "checkout": checkout(test=test, status="expired", expired=True),
        "flat": {**FLAT, "test": test},
    }
    with pytest.raises(BadCallback, match="mode at an account of"):
        build(mode).read_callback(callback(bodies[shape]))


@pytest.mark.parametrize("test", ["true", 1, None, []])
def test_only_true_and_false_name_a_mode(test):
    assert build().peek(callback({"transaction": transaction(test=test)})).mode is None


@pytest.mark.parametrize("shop_id", [362, "362", " 361"])
def test_a_callback_of_another_shop_is_refused(shop_id):
    with pytest.raises(BadCallback, match="another shop"):
        told(shop_id=shop_id)


@pytest.mark.parametrize("shop_id", [361, "361"])
def test_the_shops_own_id_may_be_a_number_or_a_text(shop_id):
    assert told(shop_id=shop_id).outcome is Outcome.CAPTURED


@pytest.mark.parametrize("uid", ["", None, 7, "a b", "x" * 101, "../refunds", "\u0442"])
def test_a_transaction_without_a_readable_uid_is_refused(uid):
    with pytest.raises(BadCallback, match="no uid"):
        told(uid=uid)


@pytest.mark.parametrize("amount", [19.99, "1999", -1, True, None, [1999], 10**14, 1e3])
def test_an_amount_that_is_no_whole_number_is_never_taken_for_money(amount):
    report = told(amount=amount)
    assert (report.outcome, report.money) == (Outcome.CAPTURED, None)  # checkout puts it under review


@pytest.mark.parametrize("currency", ["eur", "EURO", "XXL", 978, None, ""])
def test_an_unknown_currency_is_never_taken_for_money(currency):
    assert told(currency=currency).money is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"successful"',
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b'{"transaction": []}',
        b'{"transaction": "successful"}',
        b'{"status": "successful"}',
        b'{"token": "abc"}',
        b'{"uid": "1-1"}',
        b'{"amount": NaN, "status": "successful", "uid": "1"}',
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
def test_a_body_without_a_shape_is_refused_by_peek_and_by_read(body):
    with pytest.raises(BadCallback):
        build().peek(Callback(body, {}, book.NOW))
    with pytest.raises(BadCallback):
        build().read_callback(callback(body))


def test_peek_needs_no_credentials_and_believes_nothing():
    blank = PROCESSOR.build(AdapterConfig(Mode.TEST, "", {}))
    peek = blank.peek(Callback(json.dumps({"transaction": transaction()}).encode(), {}, book.NOW))
    assert (peek.reference, peek.processor_ref, peek.mode) == (REFERENCE, UID, Mode.TEST)
    odd = {"transaction": transaction(tracking_id="\u0442" * 5, uid="x" * 500)}
    peek = blank.peek(Callback(json.dumps(odd).encode(), {}, book.NOW))
    assert (peek.reference, peek.processor_ref) == ("", "")
    assert len(peek.event_id) == 64


def test_a_refunds_peek_names_the_payment():
    refund = {"transaction": transaction(type="refund", uid="1-ref", parent_uid=UID)}
    peek = build().peek(callback(refund))
    assert (peek.processor_ref, peek.event_id) == (UID, "1-ref:successful:refund")


def test_the_same_news_has_the_same_name_and_other_news_another():
    adapter = build()
    first = adapter.read_callback(callback({"transaction": transaction(status="failed")})).event_id
    again = adapter.read_callback(callback({"transaction": transaction(status="failed", message="x")})).event_id
    later = adapter.read_callback(callback({"transaction": transaction()})).event_id
    other = adapter.read_callback(callback({"transaction": transaction(uid="1-2")})).event_id
    assert first == again and len({first, later, other}) == 3


def test_what_is_kept_of_a_payment_holds_neither_the_cards_token_nor_its_owner():
    card = {"holder": "JOHN", "stamp": "s" * 64, "token": "t" * 64, "brand": "visa", "last_4": "0000", "bin": "420000"}
    bank = {"rrn": "999", "auth_code": "654321", "bank_code": "00"}
    report = told(
        credit_card=card,
        payment=bank,
        receipt_url="https://back.test/r/1",
        payment_method_type="credit_card",
        paid_at="2026-11-20T12:00:00.000Z",
        customer={"email": "buyer@shop.test", "ip": "127.0.0.1"},
    )
    assert report.processor_data == {
        "transaction_uid": UID,
        "rrn": "999",
        "auth_code": "654321",
        "card_brand": "visa",
        "card_last_digits": "0000",
        "receipt_url": "https://back.test/r/1",
    }
    assert (report.method, report.payer_email, report.occurred_at) == ("credit_card", "buyer@shop.test", book.NOW)


@pytest.mark.parametrize(
    ("changed", "code", "advice"),
    [
        ({"payment": {"bank_code": "51"}}, "51", DeclineAdvice.NOT_ENOUGH_MONEY),
        ({"payment": {"bank_code": "5"}, "code": "F.0005"}, "F.0005", DeclineAdvice.CALL_BANK),
        ({"payment": {"bank_code": "54"}}, "54", DeclineAdvice.OTHER_METHOD),
        ({"payment": {"bank_code": "68"}}, "68", DeclineAdvice.TIMED_OUT),
        ({"payment": {"bank_code": "17"}}, "17", DeclineAdvice.CANCELLED_BY_BUYER),
        ({"message": "Insufficient funds"}, "failed", DeclineAdvice.NOT_ENOUGH_MONEY),
        ({"message": "Session expired"}, "failed", DeclineAdvice.TIMED_OUT),
        ({"message": "Cancelled by customer"}, "failed", DeclineAdvice.CANCELLED_BY_BUYER),
        ({"message": "Expired card"}, "failed", DeclineAdvice.OTHER_METHOD),
        ({"message": "Stolen card"}, "failed", DeclineAdvice.CALL_BANK),
        ({"message": "Declined"}, "failed", DeclineAdvice.CALL_BANK),
        ({"message": "Hm"}, "failed", DeclineAdvice.TRY_AGAIN),
        ({"message": None}, "failed", DeclineAdvice.TRY_AGAIN),
    ],
)
def test_a_refusal_keeps_its_raw_words_and_says_what_the_buyer_can_do(changed, code, advice):
    report = told(**{"status": "failed", "message": "no", **changed})
    assert (report.failure.code, report.failure.advice) == (code, advice)
    assert report.failure.message == (changed.get("message", "no") or "")


NAMES = st.sampled_from(
    ["transaction", "checkout", "token", "order", "status", "uid", "type", "amount", "currency", "tracking_id", "test"]
    + ["metadata", "payment_token_id", "gateway_response", "payment", "stamp", "parent_uid", "shop_id", "credit_card"]
)
WORDS = st.sampled_from(["successful", "refund", "1-1", "EUR", "payment", "authorization", "361", "", "\x00", "\ud800"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(body=st.dictionaries(NAMES, VALUES, max_size=6).map(json.dumps).map(str.encode) | st.binary(max_size=60))
def test_whatever_is_signed_or_not_only_a_bad_callback_or_an_unanswered_question_comes_of_it(body):
    adapter = build()
    try:
        adapter.peek(Callback(body, {}, book.NOW))
    except BadCallback:
        pass
    try:
        read_ = adapter.read_callback(callback(body))
    except (BadCallback, Unavailable):
        return
    for notice in read_.notices:
        if isinstance(notice, PaymentReport) and notice.outcome is Outcome.CAPTURED:
            assert notice.capture_ref or "checkout" in read_.event_type
        json.dumps(str(notice)).encode()


@settings(max_examples=200, deadline=None)
@given(header=st.text(max_size=80), authorization=st.text(max_size=80))
def test_whatever_stands_in_the_headers_only_a_bad_callback_comes_of_it(header, authorization):
    sent = callback({"transaction": transaction()}, content_signature=header, authorization=authorization)
    with pytest.raises(BadCallback):
        build().read_callback(sent)
