import logging
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.models import IdempotencyRecord, Order, OrderEvent
from gateway.types import Mode
from providers import keys
from providers.models import ApiKey, Provider
from tests.api.asking import nothing_was_written, refused, send
from tests.api.merchant_secret.asking import START, start
from tests.api.merchant_secret.selling import make_merchant, make_secret, order_of
from tests.builders import make_key

pytestmark = pytest.mark.django_db
NO_SECRET = (401, "Invalid or inactive merchant secret")


def test_a_payment_is_started_as_the_document_shows(client, merchant, secret):
    answer = start(client, secret, 100_000)

    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["code", "message", "watch_code"]
    assert body["message"] == "Payment started"
    assert re.fullmatch(r"pc_[0-9a-f]{32}", body["code"]) and re.fullmatch(r"wc_[0-9a-f]{32}", body["watch_code"])
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]


def test_the_order_is_the_merchants_in_the_mode_of_its_secret_and_no_processor_is_called(client, merchant, secret):
    order = order_of(start(client, secret, 100_000))

    assert (order.dialect, order.mode, order.provider) == ("merchant_secret", "test", merchant)
    assert (order.amount_minor, order.currency, order.description) == (100_000, "UZS", "Choyxona")
    assert (order.status, order.payments.count()) == ("created", 0)
    event = OrderEvent.objects.get()
    assert event.kind == "order_created" and event.cause.startswith("merchant secret merchant_test_")
    assert secret not in event.cause


def test_both_spellings_of_the_address_are_served(client, secret):
    assert send(client, f"{START}/", {"merchant_secret": secret, "amount": 1000}).status_code == 200


def test_codes_are_never_alike_and_neither_leads_to_the_other(client, secret):
    answers = [start(client, secret).json() for _ in range(5)]

    assert len({answer[name] for answer in answers for name in ("code", "watch_code")}) == 10
    one = answers[0]
    assert client.get(f"/watch/{one['code']}").status_code == 404
    assert client.get(f"/pay/{one['watch_code']}").status_code == 404
    order = Order.objects.get(code=one["code"])
    watched = client.get(f"/watch/{one['watch_code']}").content.decode()
    assert not [name for name in (order.code, order.token, order.receipt_code, str(order.pk)) if name in watched]


def test_unknown_fields_are_ignored(client, secret):
    assert start(client, secret, currency="USD", note="x").status_code == 200
    assert Order.objects.get().currency == "UZS"


# --- the secret -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, "", 5, True, [], {}, "merchant_test_nobody", "é", "x" * 201, "\0"])
def test_a_wrong_secret_is_told_before_anything_else(client, secret, given):
    refused(send(client, START, {"merchant_secret": given, "amount": "nonsense"}), *NO_SECRET)
    refused(send(client, START, {"amount": -5}), *NO_SECRET)
    refused(send(client, START, {}), *NO_SECRET)
    nothing_was_written()


def test_a_providers_api_key_is_no_merchant_secret_and_the_secret_is_no_api_key(client, merchant, secret):
    refused(start(client, make_key(merchant)), *NO_SECRET)
    for headers in ({"x-api-key": secret}, {"Authorization": f"Bearer {secret}"}):
        assert client.get("/api/orders", headers=headers).status_code == 401
        refused(send(client, START, {"amount": 1000}, headers=headers), *NO_SECRET)
    assert send(client, "/api/create-payment-intent", {"apiKey": secret}).status_code == 401
    nothing_was_written()


def test_a_revoked_secret_an_inactive_merchant_and_an_ended_overlap_are_refused(client, merchant, secret):
    now = timezone.now()
    _key, second = keys.rotate_key(key=ApiKey.objects.get(), overlap=timedelta(hours=1), now=now)
    assert start(client, secret).status_code == start(client, second).status_code == 200

    ApiKey.objects.filter(digest=keys.digest_of(secret)).update(expires_at=now)
    refused(start(client, secret), *NO_SECRET)
    Provider.objects.update(status="inactive")
    refused(start(client, second), *NO_SECRET)
    Provider.objects.update(status="active")
    keys.revoke_key(key=ApiKey.objects.get(digest=keys.digest_of(second)), now=now)
    refused(start(client, second), *NO_SECRET)
    assert Order.objects.count() == 2


def test_a_secret_in_the_address_is_refused_also_where_the_body_holds_it(client, secret):
    text = "API keys are not accepted in the address: use a header or the body"
    for query in (f"merchant_secret={secret}", f"x={secret}"):
        refused(send(client, f"{START}?{query}", {"merchant_secret": secret, "amount": 1000}), 400, text)
        refused(client.get(f"/watch/wc_{'0' * 32}?{query}"), 400, text)
    nothing_was_written()


def test_the_secret_and_the_codes_stand_in_no_log_line(client, secret, caplog):
    from config.logs import redact

    caplog.set_level(logging.DEBUG)
    started = start(client, secret).json()
    start(client, secret, "wrong")
    client.get(f"/watch/{started['watch_code']}")
    client.get(f"/pay/{started['code']}")

    assert secret not in caplog.text
    lines = "\n".join(str(redact(record.getMessage())) for record in caplog.records)
    assert "/watch/wc_" in lines
    assert not [name for name in (secret, started["code"], started["watch_code"]) if name in lines]


# --- the amount -----------------------------------------------------------------------------------------------------

WHOLE = "amount must be a whole number"
UNITS = "amount must be a whole number of minor units (1000 is 10.00 in most currencies)"


@pytest.mark.parametrize(
    "written, text",
    [
        ("null", "amount is required"),
        ('"1000"', WHOLE),
        ("true", WHOLE),
        ("[1000]", WHOLE),
        ('{"minor": 1000}', WHOLE),
        ("10.5", UNITS),
        ("1e-3", "amount must be at least 1"),
        ("0", "amount must be at least 1"),
        ("-0", "amount must be at least 1"),
        ("-1000", "amount must be at least 1"),
        ("-1e400", "amount must be at least 1"),
        ("10000000000001", "amount is too large"),
        ("1e400", "amount is too large"),
        ("1e99999999999999999999999", "amount is too large"),
        ("9" * 5000, "amount is too large"),
        ("NaN", "The body is not valid JSON: NaN is not a number in JSON"),
        ("Infinity", "The body is not valid JSON: Infinity is not a number in JSON"),
    ],
    ids=lambda text: text[:20],
)
def test_an_amount_that_is_no_whole_number_of_minor_units_is_refused(client, secret, written, text):
    refused(send(client, START, f'{{"merchant_secret": "{secret}", "amount": {written}}}'), 400, text)
    nothing_was_written()


def test_a_missing_amount_is_named(client, secret):
    refused(send(client, START, {"merchant_secret": secret}), 400, "amount is required")


@pytest.mark.parametrize("written", ["100000", "100000.0", "1e5", "1.0E+5"])
def test_a_whole_number_may_be_written_as_any_json_number(client, secret, written):
    answer = send(client, START, f'{{"merchant_secret": "{secret}", "amount": {written}}}')
    assert answer.status_code == 200
    assert Order.objects.get().amount_minor == 100_000


def test_the_largest_amount_is_kept_to_the_tiyin(client):
    order = order_of(start(client, make_secret(make_merchant(at=("payme",))), 9_999_999_999_999))
    assert order.amount_minor == 9_999_999_999_999


def test_a_currency_that_no_processor_of_the_merchant_takes_is_said_plainly(client):
    refused(
        start(client, make_secret(make_merchant(currency="JPY"))),
        400,
        "None of this merchant's processors can take payments in JPY right now",
    )
    refused(
        start(client, make_secret(make_merchant(at=()))),
        400,
        "None of this merchant's processors can take payments in UZS right now",
    )
    nothing_was_written()


def test_a_live_secret_does_not_reach_test_accounts(client, merchant):
    answer = start(client, make_secret(merchant, mode=Mode.LIVE))
    assert answer.status_code == 400
    nothing_was_written()


# --- what else can be wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body, status",
    [
        ("", 401),
        ("{", 400),
        ("[]", 400),
        ('"merchant_secret"', 400),
        (b"\xff\xfe", 400),
        ("{" * 3000, 400),
    ],
    ids=["nothing", "broken", "a list", "a text", "no utf-8", "too deep"],
)
def test_a_body_that_is_no_object_is_refused(client, secret, body, status):
    answer = client.post(START, body, content_type="application/json")
    assert answer.status_code == status and list(answer.json()) == ["error"]
    nothing_was_written()


def test_other_types_methods_and_sizes_are_refused_in_json(client, secret):
    form = client.post(START, {"merchant_secret": secret, "amount": 1000})
    refused(form, 415, "Content-Type must be application/json")
    large = send(client, START, {"merchant_secret": secret, "amount": 1000, "x": "x" * 70_000})
    refused(large, 413, "The body is larger than 64 KiB")
    for method in ("get", "put", "delete", "options"):
        answer = getattr(client, method)(START)
        assert answer.status_code == 405 and list(answer.json()) == ["error"]
    nothing_was_written()


# --- said again, and too often --------------------------------------------------------------------------------------


def test_the_same_wish_twice_is_one_order_and_one_answer(client, secret):
    first, second = (start(client, secret, headers={"Idempotency-Key": "order-7"}) for _ in range(2))

    assert first.content == second.content
    assert "Idempotent-Replayed" not in first.headers and second.headers["Idempotent-Replayed"] == "true"
    assert Order.objects.count() == 1


def test_a_rotated_secret_says_the_same_wish(client, merchant, secret):
    first = start(client, secret, headers={"Idempotency-Key": "order-7"})
    second = start(client, make_secret(merchant), headers={"Idempotency-Key": "order-7"})

    assert first.json() == second.json()
    assert secret not in str(IdempotencyRecord.objects.values())


def test_another_amount_under_the_same_key_is_refused(client, secret):
    start(client, secret, headers={"Idempotency-Key": "order-7"})
    answer = start(client, secret, 2000, headers={"Idempotency-Key": "order-7"})
    refused(answer, 422, "This Idempotency-Key was used with another body")
    assert Order.objects.count() == 1


def test_a_merchant_does_not_meet_the_wishes_of_another(client, secret):
    other = make_secret(make_merchant())
    codes = {start(client, key, headers={"Idempotency-Key": "k"}).json()["code"] for key in (secret, other)}
    assert len(codes) == 2


def test_guessed_secrets_are_counted_by_address_and_good_ones_by_themselves(client, secret, settings):
    settings.RATE_LIMIT_SCALE, settings.ANONYMOUS_CALLS_PER_MINUTE = 1, 3
    answers = [start(client, "merchant_test_nobody") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0

    ApiKey.objects.update(calls_per_minute=2)
    answers = [start(client, secret) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused(answers[-1], 429, "Too many requests")
    assert Order.objects.count() == 2
