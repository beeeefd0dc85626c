"""The signature doctor's page; what it finds is told in tests/webhooks/test_doctor.py."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django.utils.translation import override

from checkout.portal import doctor as doctor_page
from checkout.portal import doctor_words
from providers import signing_secrets
from tests.builders import make_provider
from tests.portal.selling import make_order, told
from webhooks import doctor, samples
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/portal/doctor/"


@pytest.fixture
def secret(provider):
    return signing_secrets.ensure(provider, now=timezone.now()).secret.reveal()


@pytest.fixture
def row(provider, secret):
    return told(provider, make_order(provider), secret=secret)


def headers_of(row):
    return "\n".join(f"{name}: {value}" for name, value in row.tries.get().request_headers.items())


def examine(member, **data):
    answer = member.post(PAGE, **{"headers": "", "body": "", "secret": "", "computed": "", "delivery": "", **data})
    assert answer.status_code == 200, answer.content.decode()
    return answer.content.decode()


def test_the_page_shows_code_in_every_language(developer):
    page = developer.get(PAGE).content.decode()
    for slug, (name, _file) in samples.LANGUAGES.items():
        assert name in page
        assert f'id="sample-{slug}"' in page


def test_what_arrived_as_it_was_sent_is_genuine(developer, row):
    page = examine(developer, headers=headers_of(row), body=row.body)
    assert "The request is ours, and nothing was changed on the way" in page


def test_a_body_that_was_written_again_is_named(developer, row):
    page = examine(developer, headers=headers_of(row), body=json.dumps(json.loads(row.body)))
    assert "The body was parsed as JSON and written again" in page
    assert "There are spaces after commas and colons." in page


def test_a_file_is_taken_to_the_byte(developer, row):
    file = SimpleUploadedFile("body.json", row.body.encode() + b"\r\n")
    assert "There is a line end after the body" in examine(developer, headers=headers_of(row), file=file)
    file = SimpleUploadedFile("body.json", row.body.encode())
    assert "nothing was changed" in examine(developer, headers=headers_of(row), file=file)


def test_line_ends_that_a_browser_makes_of_a_text_field_are_not_held_against_anybody(developer, row):
    pretty = json.dumps(json.loads(row.body), indent=2).replace("\n", "\r\n")
    page = examine(developer, headers=headers_of(row), body=pretty)
    assert "It is on several lines." in page
    assert "Line ends" not in page


def test_a_webhook_can_be_picked_instead_of_pasted(developer, row):
    assert f'<option value="{row.pk}" selected' in developer.get(PAGE, delivery=str(row.pk)).content.decode()
    assert "nothing was changed" in examine(developer, delivery=str(row.pk))


def test_what_the_code_uses_and_computes_is_explained(developer, row, secret):
    page = examine(developer, delivery=str(row.pk), secret=secret.removeprefix("whsec_"), computed="sha256=" + "0" * 64)
    assert "has lost its whsec_" in page
    assert "We could not find out how your code gets this value" in page


def test_no_answer_holds_a_secret(developer, row, secret, settings):
    for data in ({"secret": secret}, {"secret": "whsec_bm90IG91cnMgYXQgYWxsIQ=="}, {"computed": "x"}, {}):
        page = examine(developer, delivery=str(row.pk), **data)
        for text in (secret, settings.WEBHOOK_SIGNING_SECRET, "whsec_bm90IG91cnMgYXQgYWxsIQ=="):
            assert text not in page


def test_no_answer_holds_a_signature_that_was_not_pasted(developer, row, secret):
    """Else a member could have bodies of his own signed."""
    import hashlib
    import hmac

    body = '{"event":"payment_succeeded","amount":1000000}'
    page = examine(developer, headers=headers_of(row), body=body)
    assert hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest() not in page


def test_another_sellers_webhook_is_neither_offered_nor_used(developer, merchant):
    other = make_provider()
    secret = signing_secrets.ensure(other, now=timezone.now()).secret.reveal()
    theirs = told(other, make_order(other), secret=secret)
    assert str(theirs.pk) not in developer.get(PAGE).content.decode()
    assert developer.get(PAGE, delivery=str(theirs.pk)).status_code == 404
    answer = developer.post(PAGE, headers="", body="", secret="", computed="", delivery=str(theirs.pk))
    assert answer.status_code == 404
    page = examine(developer, headers=headers_of(theirs), body=theirs.body)
    assert "This webhook-id is none of yours" in page
    assert "fits none of your secrets" in page


@pytest.mark.parametrize("delivery", ["x", "0" * 32, "%00"])
def test_a_webhook_that_is_none_answers_404(developer, delivery):
    assert developer.get(PAGE, delivery=delivery).status_code == 404


def test_a_viewer_has_no_use_for_it(viewer):
    assert viewer.get(PAGE).status_code == viewer.post(PAGE).status_code == 403


@pytest.mark.parametrize("lang", ["uz", "ru", "en"])
def test_every_finding_has_its_sentence_in_every_language(lang):
    facts = {
        "header": "webhook-signature", "prefix": "v1,", "has": 1, "wants": 2, "minutes": 3, "mode": "test",
        "message_id": "msg_1", "number": 4, "scheme": "payment", "how": list(doctor.Change)[10:16],
        "slips": list(doctor.Slip), "fields": ["amount"],
    }  # fmt: skip
    with override(lang):
        for code in doctor_words._FINDINGS:
            said = doctor_words.said([doctor.Finding(code, "bad", facts)])[0]
            assert said.title and "%(" not in said.title + said.text


def test_every_code_that_can_be_found_has_its_sentence():
    import re
    from pathlib import Path

    text = Path(doctor.__file__).read_text()
    codes = set(re.findall(r'Finding\(\s*"(\w+)"', text)) | {f"body_{change}" for change in doctor.Change}
    codes |= set(re.findall(r'"(yours_\w+)"', text)) | {f"yours_is_{name}" for name in ("current", "next", "house")}
    codes -= {
        f"body_{change}" for change in ("spaces", "pretty", "key_order", "escaped", "slashes", "numbers", "rewritten")
    }
    assert {code for code in codes if code in ("only_kind", "no_signature")} <= set(doctor_words._FINDINGS)
    assert codes <= set(doctor_words._FINDINGS)


def test_a_webhook_not_sent_yet_can_be_picked(developer, provider, row):
    Delivery.objects.filter(pk=row.pk).update(state="stuck")
    row.tries.all().delete()
    assert "There are no headers" in examine(developer, delivery=str(row.pk))


SIGNED = f"webhook-signature: v1,{'A' * 43}=\nwebhook-id: msg_1\nwebhook-timestamp: "
HALF = "\ud800"  # half of a character: JSON can name it, no encoding can write it
PASTED = {
    "a time in raised digits": {"headers": SIGNED + "²", "body": "{}"},
    "half a character among the headers": {"headers": json.dumps({"webhook-id": HALF, "webhook-timestamp": "1"})},
    "half a character as the whole body": {"headers": SIGNED + "1", "body": json.dumps(HALF)},
    "half a character as the name of a field": {"headers": SIGNED + "1", "body": json.dumps({HALF: 1})},
    "a secret with a letter of no secret": {"headers": SIGNED + "1", "secret": "whsec_é", "computed": "a" * 64},
    "percent signs": {"headers": "signature: %s %(x)d", "body": "%s%(x)s", "computed": "%s", "secret": "%s"},
    "brackets without an end": {"headers": "[" * 5000, "body": "[" * 20000},
    "numbers without an end": {"headers": SIGNED + "9" * 2000, "body": '{"a": 1e999999, "b": ' + "9" * 5000 + "}"},
}


@pytest.mark.parametrize("what", PASTED)
def test_whatever_is_pasted_is_answered(developer, row, secret, what):
    pasted = {"headers": headers_of(row), "body": "{}", "secret": secret, "computed": "v1,x", **PASTED[what]}
    assert "<h2" in examine(developer, **pasted)
    examine(developer, **{**pasted, "delivery": str(row.pk)})


def test_it_is_for_people_and_not_for_programs(developer, row, settings, monkeypatch):
    settings.RATE_LIMIT_SCALE = 1
    monkeypatch.setattr(doctor_page, "TRIES_PER_MINUTE", 3)  # what a slow machine does within a minute, too
    for _number in range(3):
        examine(developer, headers="a: b", body="{}")
    answer = developer.post(PAGE, headers="a: b", body="{}", secret="", computed="", delivery="")
    assert answer.status_code == 429 and "Too many at once. Wait a minute." in answer.content.decode()
