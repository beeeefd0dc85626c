"""What the signature doctor says of every mistake that people make with our webhooks."""

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from webhooks import doctor, pasted, samples, signing
from webhooks.doctor import Case, Known, Scheme, Secret, Sent, Slip

CURRENT = "whsec_" + base64.b64encode(b"current secret, 24 bytes").decode()
NEXT = "whsec_" + base64.b64encode(b"the next one, 24 bytes..").decode()
HOUSE = "whsec_" + base64.b64encode(b"the house secret........").decode()
OLD = "whsec_" + base64.b64encode(b"an old one, wiped since.").decode()
ID = uuid.UUID("0199f2c4-7b1e-7c3a-9d52-0123456789ab")
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
BODY = (
    '{"event":"payment_succeeded","orderId":"0199f2c4-7b1e-7c3a-9d52-3a4b5c6d7e8f","externalId":"Zoʻr/7",'
    '"amount":100,"livemode":false}'
).encode()


def sent(*, body=BODY, secret=CURRENT, next_secret="", at=NOW, delivery_id=ID):
    """The headers of one attempt."""
    return signing.headers_for(
        delivery_id=delivery_id,
        sequence=2,
        own_headers={"X-DZTech-Webhook": "payment-notification"},
        body=body,
        signer=signing.Signer(current=secret, next=next_secret),
        timestamp=int(at.timestamp()),
    )


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def case(body=BODY, headers=None, *, known=True, secrets=(("current", CURRENT),), attempts=None, **more):
    headers = lower(sent() if headers is None else headers)
    tries = [headers] if attempts is None else [lower(one) for one in attempts]
    found = Known(
        message_id=signing.message_id(ID),
        body=BODY,
        mode="test",
        sent=[Sent(number, one) for number, one in enumerate(tries, 1)],
    )
    return Case(
        headers=headers,
        body=body,
        secrets=[Secret(*one) for one in secrets],
        known=found if known else None,
        mode="test",
        **more,
    )


def codes(case, *, now=NOW):
    return [finding.code for finding in doctor.examine(case, now=now).findings]


def said(case, code, *, now=NOW):
    return next(finding for finding in doctor.examine(case, now=now).findings if finding.code == code)


# --- what is right ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_a_request_as_we_sent_it_is_genuine_in_both_schemes(known):
    found = doctor.examine(case(known=known), now=NOW)
    assert found.is_genuine
    assert found.fits == {Scheme.PAYMENT, Scheme.STANDARD}
    assert found.findings[0].code == "genuine"


def test_while_a_secret_is_rotated_both_fit():
    headers = sent(next_secret=NEXT)
    both = (("current", CURRENT), ("next", NEXT))
    assert doctor.examine(case(headers=headers, secrets=both), now=NOW).is_genuine
    assert doctor.examine(case(headers=headers, secrets=(("current", NEXT),)), now=NOW).fits == {Scheme.STANDARD}


# --- the body -----------------------------------------------------------------------------------------------------

REWRITTEN = [
    ("spaces", json.dumps(json.loads(BODY), ensure_ascii=False), {"spaces"}),
    ("python's default", json.dumps(json.loads(BODY)), {"spaces", "escaped"}),
    ("php's default", json.dumps(json.loads(BODY), separators=(",", ":")).replace("/", "\\/"), {"escaped", "slashes"}),
    ("pretty", json.dumps(json.loads(BODY), ensure_ascii=False, indent=2), {"pretty"}),
    ("numbers", BODY.decode().replace(":100,", ":100.0,"), {"numbers"}),
]


@pytest.mark.parametrize(("text", "how"), [row[1:] for row in REWRITTEN], ids=[row[0] for row in REWRITTEN])
@pytest.mark.parametrize("known", [True, False])
def test_json_that_was_parsed_and_written_again_is_named_as_that(text, how, known):
    found = said(case(text.encode(), known=known), "rewritten")
    assert set(found.facts["how"]) == how


def test_a_body_without_letters_of_its_own_is_not_blamed_on_an_encoding():
    body = b'{"event":"payment_succeeded","amount":100}'
    plain = Known(signing.message_id(ID), body, "test")
    text = json.dumps(json.loads(body)).encode()
    found = doctor.examine(replace(case(text, headers=sent(body=body)), known=plain), now=NOW)
    assert [finding.code for finding in found.findings] == ["rewritten"]


def test_fields_in_another_order_are_named_where_it_is_known_what_was_sent():
    text = json.dumps(json.loads(BODY), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    assert said(case(text.encode()), "rewritten").facts["how"] == [pasted.Change.KEY_ORDER]


AROUND = [
    (b"\xef\xbb\xbf" + BODY, "body_bom"),
    (BODY + b"\n", "body_newline"),
    (BODY + b"\r\n", "body_newline"),
    (b"  " + BODY, "body_space_around"),
    (BODY.decode().encode("utf-16"), "body_charset"),
    (BODY.decode("latin-1").encode(), "body_charset"),
    (BODY.decode("cp1251").encode(), "body_charset"),
    (json.dumps(BODY.decode()).encode(), "body_quoted"),
    (BODY.replace(b'"', b"&quot;"), "body_html"),
]


@pytest.mark.parametrize(
    ("body", "code"),
    AROUND,
    ids=["bom", "lf", "crlf", "spaces", "utf-16", "latin-1", "cp1251", "quoted", "html"],
)
@pytest.mark.parametrize("known", [True, False])
def test_what_happened_around_the_body_is_named(body, code, known):
    found = codes(case(body, known=known))
    assert code in found
    assert "genuine" not in found


def test_a_body_cut_off_says_how_much_is_there():
    assert said(case(BODY[:60]), "body_cut").facts == {"has": 60, "wants": len(BODY)}


def test_letters_that_an_encoding_lost_are_named():
    assert "body_letters_lost" in codes(case(BODY.decode().encode("ascii", "replace")))


def test_a_body_that_says_something_else_names_the_fields():
    body = BODY.replace(b":100,", b":1000,")
    assert said(case(body), "body_fields").facts == {"fields": ["amount"]}


def test_the_body_of_another_delivery_is_recognised():
    body = BODY.replace(b"succeeded", b"refunded")
    other = Known(message_id="msg_other", body=body, mode="test")
    found = codes(case(body, others=[other]))
    assert "other_delivery" in found
    assert "body_fields" not in found


def test_an_empty_body_is_named():
    assert "body_missing" in codes(case(b""))


# --- headers ------------------------------------------------------------------------------------------------------


def changed(**values):
    headers = lower(sent())
    headers.update({name.replace("_", "-"): value for name, value in values.items()})
    return {name: value for name, value in headers.items() if value is not None}


PAYMENT = lower(sent())["x-payment-signature"]
STANDARD = lower(sent())["webhook-signature"]
WRONG_HEADERS = [
    ("a cut hex", {"x_payment_signature": PAYMENT[:-8]}, "cut_short"),
    ("a cut base64", {"webhook_signature": STANDARD[:-8]}, "cut_short"),
    ("upper case", {"x_payment_signature": "sha256=" + PAYMENT[7:].upper()}, "upper_case"),
    ("no sha256=", {"x_payment_signature": PAYMENT[7:]}, "prefix_missing"),
    ("no v1,", {"webhook_signature": STANDARD[3:]}, "prefix_missing"),
    ("base64 for hex", {"x_payment_signature": "sha256=" + STANDARD[3:]}, "not_hex"),
    ("the other header's value", {"x_payment_signature": STANDARD, "webhook_signature": None}, "signatures_swapped"),
    ("no id", {"webhook_id": None}, "beside_missing"),
    ("no timestamp", {"webhook_timestamp": None}, "beside_missing"),
    ("milliseconds", {"webhook_timestamp": f"{int(NOW.timestamp())}000"}, "milliseconds"),
    ("a date", {"webhook_timestamp": NOW.isoformat()}, "time_no_number"),
    ("only the kind", {"x_payment_signature": None, "webhook_signature": None}, "only_kind"),
]


@pytest.mark.parametrize(("change", "code"), [row[1:] for row in WRONG_HEADERS], ids=[row[0] for row in WRONG_HEADERS])
def test_a_damaged_header_is_named(change, code):
    found = doctor.examine(case(headers=changed(**change), attempts=[sent()]), now=NOW)
    assert code in [finding.code for finding in found.findings]
    assert not found.is_genuine


def test_id_and_timestamp_in_each_others_place_are_named_and_the_rest_fits():
    headers = changed(webhook_id=str(int(NOW.timestamp())), webhook_timestamp=signing.message_id(ID))
    assert codes(case(headers=headers)) == ["id_and_time_swapped", "body_same"]


def test_another_systems_header_is_named():
    found = said(case(headers={"X-Hub-Signature-256": PAYMENT}), "foreign_header")
    assert found.facts == {"header": "x-hub-signature-256"}


def test_no_headers_at_all_are_asked_for():
    assert codes(case(headers={}, attempts=[])) == ["no_headers", "body_same"]


def test_headers_of_two_attempts_mixed_are_named():
    first, second = sent(), sent(at=NOW + timedelta(seconds=8))
    headers = {**lower(first), "webhook-timestamp": second["webhook-timestamp"]}
    found = codes(case(headers=headers, attempts=[first, second]))
    assert "other_time" in found


def test_a_signature_of_another_delivery_is_named():
    headers = {**lower(sent()), "webhook-signature": sent(delivery_id=uuid.uuid4())["webhook-signature"]}
    other = Known("msg_other", BODY + b" ", "test", [Sent(1, {"webhook-signature": headers["webhook-signature"]})])
    found = said(case(headers=headers, others=[other], attempts=[sent()]), "other_signature")
    assert found.facts["message_id"] == "msg_other"


@pytest.mark.parametrize(
    ("text"),
    [
        "X-Payment-Signature: abc\r\nwebhook-id: msg_1",
        "> x-payment-signature: abc\n> webhook-id: msg_1\n>",
        '{"X-Payment-Signature": "abc", "Webhook-Id": ["msg_1"]}',
        "HTTP_X_PAYMENT_SIGNATURE=abc\nHTTP_WEBHOOK_ID=msg_1",
        "  'HTTP_X_PAYMENT_SIGNATURE' => 'abc',\n  'HTTP_WEBHOOK_ID' => 'msg_1',",
        "-H 'X-Payment-Signature: abc' \\\n-H 'webhook-id: msg_1' \\",
    ],
    ids=["raw", "curl -v", "json", "cgi", "php", "curl"],
)
def test_headers_are_understood_as_logs_show_them(text):
    assert pasted.headers_of(text) == {"x-payment-signature": "abc", "webhook-id": "msg_1"}


# --- clock --------------------------------------------------------------------------------------------------------


def test_an_old_request_is_said_to_be_old_and_still_genuine():
    found = doctor.examine(case(), now=NOW + timedelta(minutes=9))
    assert [finding.code for finding in found.findings] == ["genuine", "too_old", "body_same"]
    assert found.findings[1].facts["minutes"] == 9
    assert found.is_genuine


def test_a_time_ahead_of_ours_is_a_fault():
    assert "in_future" in codes(case(), now=NOW - timedelta(minutes=9))


# --- secrets ------------------------------------------------------------------------------------------------------


def test_a_signature_of_a_secret_retired_since_is_told_by_what_was_sent_then():
    headers = sent(secret=OLD)
    assert codes(case(headers=headers))[:2] == ["retired_secret", "retired_secret"]


def test_a_signature_nobody_of_ours_made_fits_nothing():
    assert "fits_nothing" in codes(case(headers=sent(secret=OLD), attempts=[sent()]))
    assert "fits_nothing" in codes(case(headers=sent(secret=OLD), known=False))


def test_what_the_house_secret_signed_is_told_from_ones_own():
    secrets = (("current", CURRENT), ("house", HOUSE))
    assert "house_secret" in codes(case(headers=sent(secret=HOUSE), secrets=secrets))


THEIR_SECRETS = [
    (CURRENT, "yours_is_current"),
    (NEXT, "yours_is_next"),
    (HOUSE, "yours_is_house"),
    (CURRENT + "\n", "yours_has_spaces"),
    (f'"{CURRENT}"', "yours_has_spaces"),
    (CURRENT.removeprefix("whsec_"), "yours_has_no_prefix"),
    (base64.b64decode(CURRENT[6:]).hex(), "yours_is_decoded"),
    ("provider_test_" + "a1" * 24, "yours_is_a_key"),
    ("merchant_test_" + "a1" * 24, "yours_is_a_key"),
    (OLD, "yours_is_old"),
    ("hunter2", "yours_is_unknown"),
]


@pytest.mark.parametrize(
    ("secret", "code"), THEIR_SECRETS, ids=[f"{row[1]} {i}" for i, row in enumerate(THEIR_SECRETS)]
)
def test_the_secret_in_use_is_compared(secret, code):
    secrets = (("current", CURRENT), ("next", NEXT), ("house", HOUSE))
    assert code in codes(case(secrets=secrets, their_secret=secret))


def test_no_finding_and_no_repr_holds_a_secret():
    wrong = case(their_secret=OLD, secrets=(("current", CURRENT), ("house", HOUSE)), computed="abc")
    shown = repr(wrong) + repr(doctor.examine(wrong, now=NOW))
    assert not any(secret in shown for secret in (CURRENT, HOUSE, OLD))


# --- what their code computed -------------------------------------------------------------------------------------


def mac(key, content, hash="sha256"):
    return hmac.new(key, content, hash)


KEY = base64.b64decode(CURRENT[6:])
STAMP = str(int(NOW.timestamp()))
WHOLE = f"{signing.message_id(ID)}.{STAMP}.".encode() + BODY


def b64(digest):
    return "v1," + base64.b64encode(digest).decode()


COMPUTED = [
    ("right hex", "sha256=" + mac(CURRENT.encode(), BODY).hexdigest(), Scheme.PAYMENT, []),
    ("right base64", b64(mac(KEY, WHOLE).digest()), Scheme.STANDARD, []),
    ("no prefix", mac(CURRENT.encode(), BODY).hexdigest(), Scheme.PAYMENT, [Slip.NO_PREFIX]),
    ("whsec_ cut off", "sha256=" + mac(CURRENT[6:].encode(), BODY).hexdigest(), Scheme.PAYMENT, [Slip.KEY_BARE]),
    ("decoded", "sha256=" + mac(KEY, BODY).hexdigest(), Scheme.PAYMENT, [Slip.KEY_DECODED]),
    ("not decoded", b64(mac(CURRENT.encode(), WHOLE).digest()), Scheme.STANDARD, [Slip.KEY_TEXT]),
    ("not decoded, cut", b64(mac(CURRENT[6:].encode(), WHOLE).digest()), Scheme.STANDARD, [Slip.KEY_BARE]),
    ("a line end", "sha256=" + mac(CURRENT.encode() + b"\n", BODY).hexdigest(), Scheme.PAYMENT, [Slip.KEY_SPACE]),
    ("swapped", b64(mac(KEY, f"{STAMP}.{signing.message_id(ID)}.".encode() + BODY).digest()), Scheme.STANDARD,
     [Slip.SWAPPED]),
    ("no id", b64(mac(KEY, f"{STAMP}.".encode() + BODY).digest()), Scheme.STANDARD, [Slip.NO_ID]),
    ("re-serialised", "sha256=" + mac(CURRENT.encode(), json.dumps(json.loads(BODY)).encode()).hexdigest(),
     Scheme.PAYMENT, [Slip.PARSED_BODY]),
    ("empty", "sha256=" + mac(CURRENT.encode(), b"").hexdigest(), Scheme.PAYMENT, [Slip.BODY_EMPTY]),
    ("sha1", mac(CURRENT.encode(), BODY, "sha1").hexdigest(), Scheme.PAYMENT, [Slip.SHA1, Slip.NO_PREFIX]),
    ("a plain hash", "sha256=" + hashlib.sha256(CURRENT.encode() + BODY).hexdigest(), Scheme.PAYMENT,
     [Slip.PLAIN_HASH]),
    ("upper case", "sha256=" + mac(CURRENT.encode(), BODY).hexdigest().upper(), Scheme.PAYMENT, [Slip.UPPER_CASE]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "scheme", "slips"), [row[1:] for row in COMPUTED], ids=[row[0] for row in COMPUTED])
def test_how_a_value_was_computed_is_found_out(value, scheme, slips):
    found = said(case(computed=value), "computed_wrong" if slips else "computed_right")
    assert found.facts == {"scheme": scheme, "slips": tuple(slips)}


def test_a_value_computed_with_another_secret_is_told_as_that():
    value = "sha256=" + mac(OLD.encode(), BODY).hexdigest()
    assert "computed_other_secret" in codes(case(computed=value, their_secret=OLD))
    assert "computed_unknown" in codes(case(computed=value))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 30_000,
        b'{"a":1e999999999}',
        b'{"a":"\\ud800"}',
        b"\xff\xfe\x00",
        b'{"a":' + b"9" * 5000 + b"}",
        b" " * 60_000,
    ],
    ids=["deep", "huge exponent", "lone surrogate", "no text", "long number", "spaces"],
)
def test_hostile_bodies_are_answered_like_any_other(body):
    for known in (True, False):
        assert codes(case(body, known=known, computed="sha256=" + "0" * 64))


# --- the code that is shown ---------------------------------------------------------------------------------------


def fresh():
    return lower(sent(at=datetime.now(UTC)))


def test_the_python_sample_verifies_and_refuses():
    room: dict = {}
    exec(compile(samples.text_of("python"), "verify.py", "exec"), room)
    for name in ("is_genuine", "is_genuine_and_recent"):
        assert room[name](BODY, fresh(), CURRENT)
        assert not room[name](BODY + b"\n", fresh(), CURRENT)
        assert not room[name](BODY, fresh(), NEXT)
        assert not room[name](BODY, {}, CURRENT)
    assert not room["is_genuine_and_recent"](BODY, lower(sent(at=NOW - timedelta(days=9))), CURRENT)


ASK_NODE = """
const [body, headers, secret] = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const raw = Buffer.from(body);
console.log(JSON.stringify([isGenuine(raw, headers, secret), isGenuineAndRecent(raw, headers, secret)]));
"""
ASK_PHP = """
[$body, $headers, $secret] = json_decode(stream_get_contents(STDIN), true);
echo json_encode([is_genuine($body, $headers, $secret), is_genuine_and_recent($body, $headers, $secret)]);
"""
ASK_GO = """
import ("encoding/json"; "fmt"; "os")
func main() {
	var in []json.RawMessage; var body, secret string; var given map[string]string
	json.NewDecoder(os.Stdin).Decode(&in)
	json.Unmarshal(in[0], &body); json.Unmarshal(in[1], &given); json.Unmarshal(in[2], &secret)
	headers := http.Header{}
	for name, value := range given { headers.Set(name, value) }
	raw := []byte(body)
	fmt.Printf("[%t,%t]", isGenuine(raw, headers, secret), isGenuineAndRecent(raw, headers, secret))
}
"""


@pytest.mark.once
@pytest.mark.parametrize(
    ("language", "program", "ask"),
    [("node", ["node"], ASK_NODE), ("php", ["php"], ASK_PHP), ("go", ["go", "run"], ASK_GO)],
    ids=["node", "php", "go"],
)
def test_the_samples_of_other_languages_verify_and_refuse(language, program, ask, tmp_path):
    if shutil.which(program[0]) is None:
        pytest.skip(f"no {program[0]} on this machine")
    name = samples.LANGUAGES[language][1]
    text = samples.text_of(language)
    head, _, tail = ask.partition(")\n") if language == "go" else ("", "", ask)
    if language == "go":
        text = text.replace("import (", head.strip() + ")\n\nimport (", 1)
    (tmp_path / name).write_text(text + tail)

    def ask_it(*given):
        done = subprocess.run(
            [*program, name], cwd=tmp_path, input=json.dumps(given), capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    assert ask_it(BODY.decode(), fresh(), CURRENT) == [True, True]
    assert ask_it(BODY.decode() + "\n", fresh(), CURRENT) == [False, False]
    assert ask_it(BODY.decode(), fresh(), NEXT) == [False, False]
    assert ask_it(BODY.decode(), lower(sent(at=NOW - timedelta(days=9))), CURRENT) == [True, False]


@pytest.mark.once
def test_the_openssl_sample_computes_both_signatures(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    (tmp_path / "body.json").write_bytes(BODY)
    script = samples.text_of("curl").partition("# And the same")[0]
    headers = sent()
    environment = {"PATH": "/usr/bin:/bin", "SECRET": CURRENT, "ID": headers["webhook-id"]}
    environment["TIMESTAMP"] = headers["webhook-timestamp"]
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [headers["X-Payment-Signature"], headers["webhook-signature"]]
