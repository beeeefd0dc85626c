"""What a receiver gets, and what is kept of every try."""

import hashlib
import hmac
import json

import pytest
import standardwebhooks
from django.utils import timezone

from providers import signing_secrets
from providers.models import SigningSecret
from tests.webhooks.helpers import fresh, make_due, run
from webhooks import signing
from webhooks.models import Attempt, Delivery

pytestmark = pytest.mark.django_db
State = Delivery.State


def test_a_webhook_refused_with_503_goes_out_again_with_the_same_bytes_and_id(tell, receiver):
    receiver.answers = [(503, {}, b"later"), (200, {}, b"")]
    row = tell()
    run()
    make_due(row)
    run()

    first, second = receiver.log
    assert first.body == second.body == row.body.encode()
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"msg_{row.pk.hex}"
    row = fresh(row)
    assert (row.state, row.attempts, row.last_status, row.next_attempt_at) == (State.DELIVERED, 2, 200, None)


def test_the_headers_say_what_it_is(tell, receiver):
    tell(sequence=7, headers={"X-Payment-Event": "invoice.updated", "X-Payment-Id": "42"})
    run()

    headers = receiver.log[0].headers
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Payment-Event"] == "invoice.updated"
    assert headers["X-Payment-Id"] == "42"
    assert headers["X-Event-Sequence"] == "7"
    assert headers["User-Agent"].startswith("DZTech-Pay-Webhooks/")
    assert "Accept-Encoding" not in headers


def test_both_signatures_verify_with_the_documents_formula_and_with_a_foreign_library(tell, provider, receiver):
    tell()
    run()

    secret = signing_secrets.current(provider).secret.reveal()
    got = receiver.log[0]
    expected = "sha256=" + hmac.new(secret.encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["X-Payment-Signature"] == expected
    read = standardwebhooks.Webhook(secret).verify(got.text, dict(got.headers.items()))
    assert read == json.loads(got.body)


def test_while_a_secret_is_rotated_both_old_and_new_receivers_can_verify(tell, provider, receiver):
    old = signing_secrets.current(provider).secret.reveal()
    new = signing_secrets.rotate(provider, now=timezone.now()).secret.reveal()
    tell()
    run()

    got = receiver.log[0]
    assert got.headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(got.text, dict(got.headers.items()))
    assert got.headers["X-Payment-Signature"].endswith(hmac.new(old.encode(), got.body, hashlib.sha256).hexdigest())


def test_once_the_new_secret_is_promoted_the_old_one_signs_nothing(tell, provider, receiver):
    old = signing_secrets.current(provider).secret.reveal()
    new = signing_secrets.rotate(provider, now=timezone.now()).secret.reveal()
    signing_secrets.promote(provider, now=timezone.now())
    tell()
    run()

    got = receiver.log[0]
    standardwebhooks.Webhook(new).verify(got.text, dict(got.headers.items()))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(old).verify(got.text, dict(got.headers.items()))
    assert got.headers["X-Payment-Signature"].endswith(hmac.new(new.encode(), got.body, hashlib.sha256).hexdigest())


def test_the_houses_secret_signs_for_sources_without_one(tell, provider, receiver, settings):
    settings.WEBHOOK_SIGNING_SECRET = "any text, not base64"
    SigningSecret.objects.all().delete()
    tell()
    tell(provider=None, order_id=provider.pk, url=receiver.url)
    run()

    assert len(receiver.log) == 2
    for got in receiver.log:
        digest = hmac.new(b"any text, not base64", got.body, hashlib.sha256).hexdigest()
        assert got.headers["X-Payment-Signature"] == f"sha256={digest}"
        standardwebhooks.Webhook(b"any text, not base64").verify(got.text, dict(got.headers.items()))


def test_the_houses_secret_never_signs_for_a_provider_that_has_its_own(tell, receiver, settings):
    settings.WEBHOOK_SIGNING_SECRET = "house"
    tell()
    run()

    digest = hmac.new(b"house", receiver.log[0].body, hashlib.sha256).hexdigest()
    assert digest not in str(receiver.log[0].headers)


def test_without_any_secret_nothing_pretends_to_be_a_signature(tell, receiver, settings):
    settings.WEBHOOK_SIGNING_SECRET = ""
    SigningSecret.objects.all().delete()
    tell()
    run()

    headers = receiver.log[0].headers
    assert "X-Payment-Signature" not in headers
    assert "webhook-signature" not in headers
    assert headers["webhook-id"]


def test_a_secret_that_cannot_be_opened_never_leads_to_an_unsigned_webhook(tell, provider, receiver):
    SigningSecret.objects.filter(provider=provider).update(secret="v1.lost.AAAA")
    row = tell()
    run()

    assert receiver.log == []
    row = fresh(row)
    assert (row.state, row.attempts) == (State.PENDING, 1)
    assert "signing secret" in row.last_error


@pytest.mark.parametrize(
    ("secret", "key"),
    [("whsec_aGVsbG8=", b"hello"), ("whsec_aGVsbG8", b"hello"), ("plain", b"plain"), ("whsec_!!", b"whsec_!!")],
)
def test_the_key_of_a_standard_signature_is_the_base64_behind_whsec_else_the_text(secret, key):
    assert signing.key_of(secret) == key


def test_every_try_is_kept_with_request_and_answer(tell, receiver):
    receiver.answers = [(500, {"X-Trace": "abc"}, b"x" * 5000)]
    row = tell()
    run()

    attempt = Attempt.objects.get()
    assert (attempt.delivery_id, attempt.number, attempt.status) == (row.pk, 1, 500)
    assert attempt.address == "127.0.0.1"
    assert attempt.error == "Answered 500."
    assert attempt.response_body == "x" * 4096
    assert attempt.response_headers["X-Trace"] == "abc"
    assert attempt.request_headers["webhook-id"] == f"msg_{row.pk.hex}"
    assert "whsec_" not in json.dumps(attempt.request_headers)


def test_an_answer_of_zero_bytes_and_broken_text_is_kept_as_far_as_text_goes(tell, receiver):
    receiver.answers = [(200, {"X-Odd": "caf\xe9"}, b"a\x00b\xff\xfec")]
    tell()
    run()

    assert Attempt.objects.get().response_body == "a�b��c"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_success(tell, receiver, status):
    receiver.answers = [(status, {}, b"")]
    row = tell()
    run()

    assert fresh(row).state == State.DELIVERED
    assert fresh(row).delivered_at is not None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_failures_and_never_followed(tell, receiver, status):
    receiver.answers = [(status, {"Location": receiver.url + "/elsewhere"}, b"")]
    row = tell()
    run()

    assert [got.path for got in receiver.log] == ["/hooks"]
    assert fresh(row).state == State.PENDING
    assert "redirects are not followed" in fresh(row).last_error


def test_proxy_variables_of_the_environment_are_ignored(tell, receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    row = tell()
    run()

    assert fresh(row).state == State.DELIVERED
    assert len(receiver.log) == 1


def test_a_delivery_outside_a_transaction_is_refused(tell, provider, order_id):
    from webhooks import outbox

    message = outbox.Message(provider, order_id, order_id, "x", 1, "http://x.test", "{}", "provider")
    from django.db import connection

    in_block, connection.in_atomic_block = connection.in_atomic_block, False
    try:
        with pytest.raises(RuntimeError):
            outbox.enqueue(message, now=timezone.now())
    finally:
        connection.in_atomic_block = in_block
    assert not Delivery.objects.exists()


def test_a_url_that_makes_no_sense_breaks_neither_the_payment_nor_the_drain(tell):
    rows = [tell(url=url) for url in ("http://[::1", "nonsense", "https://x.test:99999/", "ftp://x.test/")]
    run()

    assert [fresh(row).last_error != "" for row in rows] == [True] * 4
    assert {fresh(row).state for row in rows} == {State.PENDING}
