import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from checkout.models import Order, OrderEvent
from gateway.types import Mode
from providers import keys
from providers.models import ApiKey, Provider, Service
from tests.api.asking import nothing_was_written, refused, send
from tests.builders import make_key, make_provider, make_service

PATH = "/api/create-payment-intent"


def test_a_key_an_external_id_and_an_amount_open_an_order(create, provider):
    answer = create(externalId="YOUR-INTERNAL-ORDER-ID", amount=100)

    order = Order.objects.get()
    assert answer.status_code == 200
    assert answer.content.decode() == json.dumps(
        {
            "checkoutUrl": f"http://127.0.0.1:8000/checkout/o/{order.token}",
            "orderId": str(order.pk),
            "externalId": "YOUR-INTERNAL-ORDER-ID",
            "amount": 100,
        },
        separators=(",", ":"),
    )
    assert order.provider == provider
    assert (order.amount_minor, order.currency, order.quantity, order.mode) == (10_000, "USD", 20, "test")
    assert (order.status, order.service, order.service_name) == ("created", provider.service, "Premium Credits")
    assert [event.kind for event in OrderEvent.objects.all()] == ["order_created"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_without_an_amount_one_unit_is_sold(create):
    answer = create()

    assert answer.json()["amount"] == 5
    assert answer.json()["externalId"] is None
    assert Order.objects.get().quantity == 1


def test_the_trailing_slash_is_served_too(create):
    assert create(path=PATH + "/").status_code == 200


@pytest.mark.parametrize("name", ["x-api-key", "Authorization"])
def test_the_key_may_come_in_a_header(client, key, name):
    value = f"Bearer {key}" if name == "Authorization" else key
    assert send(client, PATH, {"amount": 5}, headers={name: value}).status_code == 200


def test_json_without_a_content_type_is_read(client, key):
    answer = client.generic("POST", PATH, json.dumps({"apiKey": key}), content_type="")
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.shop+json", "APPLICATION/JSON"])
def test_relatives_of_json_are_read(client, key, kind):
    assert send(client, PATH, {"apiKey": key}, content_type=kind).status_code == 200


def test_unknown_fields_are_ignored(create):
    assert create(amount=5, quantity=[1], note={"a": None}, big=json.loads("1" * 300)).status_code == 200


def test_null_is_like_leaving_a_field_out(create):
    answer = create(amount=None, externalId=None, lang=None, expiresAt=None, serviceId=None)
    assert (answer.status_code, answer.json()["amount"]) == (200, 5)


@pytest.mark.parametrize("external_id", ["", " spaced ", "заказ № 7", "🧾🛒", "a" * 128, '"quoted"\\', "<b>&amp;"])
def test_the_external_id_comes_back_as_it_was_sent(create, external_id):
    answer = create(externalId=external_id)

    assert answer.json()["externalId"] == external_id
    assert Order.objects.get().external_id == external_id


# --- exact numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price_minor", "sent", "told", "minor"),
    [
        (500, "100", "100", 10_000),
        (500, "100.00", "100", 10_000),
        (500, "1e2", "100", 10_000),
        (499, "4.99", "4.99", 499),
        (499, "4.990", "4.99", 499),
        (499, "9.98", "9.98", 998),
        (1, "0.29", "0.29", 29),
        (1, "1.1", "1.1", 110),
        (30, "999999.90", "999999.9", 99_999_990),
    ],
)
def test_amounts_are_read_and_told_exactly(client, lab, db, price_minor, sent, told, minor):
    provider = make_provider(service=make_service(price_minor=price_minor))
    answer = send(client, PATH, f'{{"apiKey": "{make_key(provider)}", "amount": {sent}}}')
    if minor < 50:  # Stripe takes no less than 50 cents
        assert answer.status_code == 400
        nothing_was_written()
        return

    assert answer.content.decode().endswith(f'"amount":{told}}}')
    assert Order.objects.get().amount_minor == minor


@pytest.mark.parametrize("amount", ["4.99", "0", "0.0", "-5", "-1e2", "0.01", "1e-7"])
def test_less_than_the_price_is_refused(client, key, amount):
    answer = send(client, PATH, f'{{"apiKey": "{key}", "amount": {amount}}}')

    if amount == "1e-7":
        refused(answer, 400, "amount has too many decimals: USD has at most 2 decimals")
    else:
        refused(answer, 400, "Amount cannot be less than service price")
    nothing_was_written()


@pytest.mark.parametrize(
    ("price_minor", "amount", "price"),
    [(500, 7, "5"), (500, 5.01, "5"), (499, 5, "4.99"), (450, 10, "4.5"), (100_000, 1001, "1000")],
)
def test_an_amount_between_multiples_is_refused_and_names_the_price(client, lab, db, price_minor, amount, price):
    provider = make_provider(service=make_service(price_minor=price_minor))

    answer = send(client, PATH, {"apiKey": make_key(provider), "amount": amount})

    refused(answer, 400, f"Amount must be a multiple of {price}")
    nothing_was_written()


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ('"100"', "amount must be a number"),
        ("true", "amount must be a number"),
        ("[100]", "amount must be a number"),
        ("{}", "amount must be a number"),
        ("NaN", "The body is not valid JSON: NaN is not a number in JSON"),
        ("-Infinity", "The body is not valid JSON: -Infinity is not a number in JSON"),
        ("1e400", "amount is too large"),
        ("1e9999999999999999999999", "amount is too large"),
        ("1e999999999", "amount is too large"),
        ("1e-999999999", "amount has too many decimals"),
        ("9" * 40, "amount is too large"),
        ("9" * 5000, "amount is too large"),
        ("500000000000", "amount is too large"),
        ("-500000000000", "amount is too large"),
        ("100.000000000000000000000000000000000001", "amount has too many decimals"),
        ("5.001", "amount has too many decimals: USD has at most 2 decimals"),
    ],
)
def test_what_is_no_amount_is_refused_and_says_why(client, key, amount, text):
    answer = send(client, PATH, f'{{"apiKey": "{key}", "amount": {amount}}}')

    if text.startswith("The body"):
        assert answer.status_code == 400
        assert answer.json()["error"] == text
    else:
        refused(answer, 400, text)
    nothing_was_written()


def test_a_currency_without_decimals_takes_none(client, lab, db):
    provider = make_provider(service=make_service(price_minor=500, currency="JPY"))

    answer = send(client, PATH, {"apiKey": make_key(provider), "amount": 500.5})

    refused(answer, 400, "amount has too many decimals: JPY has no decimals")
    nothing_was_written()


# --- keys ----------------------------------------------------------------------------------------------------------

INVALID = "Invalid or inactive API key"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"amount": 5},
        {"apiKey": None},
        {"apiKey": None, "serviceId": "premium-credits"},
        {"apiKey": ""},
        {"apiKey": "provider_test_" + "0" * 48},
        {"apiKey": 5},
        {"apiKey": ["x"]},
        {"apiKey": {"a": "b"}},
        {"apiKey": True},
        {"apiKey": "ключ"},
        {"apiKey": "\ud800"},
        {"apiKey": "\0"},
        {"apiKey": "x" * 5000},
        {"apiKey": "nobody", "amount": "wrong", "externalId": 5, "lang": "xx"},
        {"serviceId": None},
    ],
)
def test_without_a_good_key_everything_is_401_before_all_else(client, db, body):
    answer = send(client, PATH, body)

    refused(answer, 401, INVALID)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    nothing_was_written()


def test_an_empty_body_is_a_call_without_a_key(client, db):
    refused(send(client, PATH, b""), 401, INVALID)


def test_a_key_of_an_inactive_provider_is_refused(create, provider):
    Provider.objects.update(status=Provider.Status.INACTIVE)

    refused(create(amount=5), 401, INVALID)
    nothing_was_written()


def test_a_revoked_key_is_refused(create, provider):
    keys.revoke_key(key=ApiKey.objects.get(), now=timezone.now())

    refused(create(amount=5), 401, INVALID)
    nothing_was_written()


def test_a_rotated_key_works_during_its_overlap_and_not_after_it(client, key, provider):
    now = timezone.now()
    _row, new = keys.rotate_key(key=ApiKey.objects.get(), overlap=timedelta(hours=1), now=now)
    assert [send(client, PATH, {"apiKey": text}).status_code for text in (key, new)] == [200, 200]

    ApiKey.objects.filter(digest=keys.digest_of(key)).update(expires_at=now - timedelta(seconds=1))
    assert [send(client, PATH, {"apiKey": text}).status_code for text in (key, new)] == [401, 200]


def test_the_body_s_key_counts_even_when_a_header_has_a_good_one(client, key):
    refused(send(client, PATH, {"apiKey": "nobody"}, headers={"x-api-key": key}), 401, INVALID)


@pytest.mark.parametrize("name", ["apiKey", "api_key", "x-api-key", "ACCESS_TOKEN"])
def test_a_key_in_the_address_is_refused(client, key, name):
    answer = send(client, f"{PATH}?{name}={key}", {"apiKey": key})

    refused(answer, 400, "API keys are not accepted in the address: use a header or the body")
    nothing_was_written()


def test_a_live_key_needs_a_live_account(client, provider):
    answer = send(client, PATH, {"apiKey": make_key(provider, mode=Mode.LIVE)})

    refused(answer, 400, "Cash App payments are not available")
    nothing_was_written()


# --- the buy button ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id", "slug"])
def test_a_service_id_alone_is_a_buy_button_of_the_provider_that_links_it(client, provider, name):
    service_id = str(provider.service_id) if name == "id" else provider.service.slug

    answer = send(client, PATH, {"serviceId": service_id, "amount": 10})

    order = Order.objects.get()
    assert answer.status_code == 200
    assert (order.provider, order.service, order.quantity, order.mode) == (provider, provider.service, 2, "test")


def test_a_service_that_two_providers_link_belongs_to_none_of_them(client, provider, settings):
    make_provider(service=provider.service)
    settings.HOUSE_CREDENTIALS = {
        "stripe": {"secretKey": "sk_test_" + "7e57" * 6, "webhookSecret": "whsec_" + "dGhlIGxhYidzIG93biBzZWNyZXQ="}
    }

    answer = send(client, PATH, {"serviceId": provider.service.slug})

    assert answer.status_code == 200, answer.content
    assert Order.objects.get().provider is None


def test_an_inactive_provider_does_not_own_the_buy_button(client, provider):
    other = make_provider(service=provider.service)
    Provider.objects.filter(pk=other.pk).update(status=Provider.Status.INACTIVE)

    assert send(client, PATH, {"serviceId": provider.service.slug}).status_code == 200
    assert Order.objects.get().provider == provider


def test_without_an_account_to_take_the_money_the_buy_button_is_refused(client, lab, db):
    service = make_service()

    refused(send(client, PATH, {"serviceId": service.slug}), 400, "Cash App payments are not available")
    nothing_was_written()


@pytest.mark.parametrize("name", ["nothing", "4814ff88-f34e-4699-bc37-3b3ccf9be2eb", "", " ", "a/b", "é", "x" * 150])
def test_an_unknown_service_is_404(client, provider, name):
    refused(send(client, PATH, {"serviceId": name}), 404, "Service not found")
    nothing_was_written()


def test_a_service_that_is_not_sold_any_more_is_404(client, provider):
    Service.objects.update(is_active=False)

    refused(send(client, PATH, {"serviceId": provider.service.slug}), 404, "Service not found")


@pytest.mark.parametrize("name", [5, True, ["x"], {}])
def test_a_service_id_that_is_no_text_is_refused(client, provider, name):
    refused(send(client, PATH, {"serviceId": name}), 400, "serviceId must be text")


def test_a_key_and_its_own_service_go_together(create, provider):
    assert create(serviceId=provider.service.slug).status_code == 200
    assert create(serviceId=str(provider.service_id)).status_code == 200


def test_a_key_cannot_sell_another_service(create, provider):
    other = make_service()

    refused(create(serviceId=other.slug), 400, "serviceId is not the service linked to this API key")
    nothing_was_written()


def test_a_provider_without_a_service_has_nothing_to_sell(create, provider):
    Provider.objects.update(service=None)

    refused(create(amount=5), 400, "This provider has no active service")
    nothing_was_written()


# --- availability --------------------------------------------------------------------------------------------------


def test_an_account_without_cash_app_is_refused(create, lab):
    lab.has_cash_app("inactive")

    refused(create(amount=5), 400, "Cash App payments are not available")
    nothing_was_written()


def test_a_provider_without_an_account_is_refused(client, lab, db):
    key = make_key(make_provider(with_account=False))

    refused(send(client, PATH, {"apiKey": key}), 400, "Cash App payments are not available")
    nothing_was_written()


def test_creating_calls_no_processor_once_the_account_is_known(create, lab):
    create(amount=5)
    before = len(lab.requests())

    assert create(amount=10).status_code == 200
    assert len(lab.requests()) == before
    assert lab.payments() == []


# --- other fields --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("externalId", 5, "externalId must be text"),
        ("externalId", ["x"], "externalId must be text"),
        ("externalId", "x" * 129, "externalId must be at most 128 characters long"),
        ("externalId", "a\0b", "externalId must not contain control characters or broken Unicode"),
        ("externalId", "a\nb", "externalId must not contain control characters or broken Unicode"),
        ("externalId", "\udcff", "externalId must not contain control characters or broken Unicode"),
        ("lang", "de", "lang must be one of uz, ru, en"),
        ("lang", "EN", "lang must be one of uz, ru, en"),
        ("lang", 5, "lang must be one of uz, ru, en"),
        ("lang", [], "lang must be one of uz, ru, en"),
        ("lang", {}, "lang must be one of uz, ru, en"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(create, field, value, text):
    refused(create(**{field: value}), 400, text)
    nothing_was_written()


def test_two_wrong_fields_are_told_together(create):
    refused(create(externalId=5, lang="de"), 400, "externalId must be text; lang must be one of uz, ru, en")


@pytest.mark.parametrize("lang", ["uz", "ru", "en"])
def test_the_language_of_the_page_can_be_chosen(create, lang):
    create(lang=lang)
    assert Order.objects.get().lang == lang


NOT_A_TIME = "expiresAt must be an ISO 8601 time with an offset, such as 2026-01-30T10:00:00Z"


@pytest.mark.parametrize(
    "value",
    ["", "tomorrow", "2099-01-01", "2099-01-01T00:00:00", 1893456000, True, ["2099"], "9" * 400]
    + ["2099-02-30T00:00:00Z", "²099-01-01T00:00:00Z"],
)
def test_what_is_no_time_is_refused(create, value):
    refused(create(expiresAt=value), 400, NOT_A_TIME)
    nothing_was_written()


@pytest.mark.parametrize(
    ("ahead", "text"),
    [
        (timedelta(seconds=-1), "expiresAt is in the past"),
        (timedelta(minutes=4), "expiresAt must be at least 5 minutes ahead"),
        (timedelta(days=31), "expiresAt must be at most 30 days ahead"),
    ],
)
def test_an_order_lives_five_minutes_to_thirty_days(create, ahead, text):
    refused(create(expiresAt=(timezone.now() + ahead).isoformat()), 400, text)
    nothing_was_written()


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_the_ends_of_the_calendar_are_refused(create, value):
    assert create(expiresAt=value).status_code == 400
    nothing_was_written()


def test_the_expiry_can_be_chosen_in_any_zone(create):
    moment = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)

    create(expiresAt=(moment.replace(tzinfo=None) + timedelta(hours=5)).isoformat() + "+05:00")

    assert Order.objects.get().expires_at == moment


def test_without_an_expiry_an_order_lives_a_day(create):
    create()
    order = Order.objects.get()
    assert order.expires_at - order.created_at == timedelta(hours=24)


# --- bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{", "The body is not valid JSON: line 1, column 2"),
        ("{'apiKey': 1}", "The body is not valid JSON: line 1, column 2"),
        ("[]", "The body must be a JSON object"),
        ('"text"', "The body must be a JSON object"),
        ("null", "The body must be a JSON object"),
        ("5", "The body must be a JSON object"),
        (b"\xff\xfe{\x00}\x00", "The body is not valid UTF-8"),
        ("[" * 60_000, "The body is not valid JSON: it is nested too deep"),
        ('{"a":' * 10_000, "The body is not valid JSON: it is nested too deep"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(client, db, body, text):
    refused(send(client, PATH, body), 400, text)
    nothing_was_written()


def test_deep_but_valid_json_never_breaks_us(client, key):
    for depth in (100, 900, 980, 990, 995, 1000, 5000):
        deep = "[" * depth + "]" * depth
        answer = send(client, PATH, f'{{"apiKey": "{key}", "a": {deep}}}', headers={"Idempotency-Key": f"deep-{depth}"})
        assert answer.status_code in (200, 400), (depth, answer.content)


def test_a_byte_order_mark_does_not_matter(client, key):
    assert send(client, PATH, b"\xef\xbb\xbf" + json.dumps({"apiKey": key}).encode()).status_code == 200


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(client, key, kind):
    refused(
        send(client, PATH, json.dumps({"apiKey": key}), content_type=kind), 415, "Content-Type must be application/json"
    )
    nothing_was_written()


def test_more_than_64_kib_is_refused(client, key):
    body = json.dumps({"apiKey": key, "note": "x" * 64 * 1024})
    refused(send(client, PATH, body), 413, "The body is larger than 64 KiB")
    nothing_was_written()


def test_exactly_64_kib_is_read(client, key):
    body = json.dumps({"apiKey": key, "note": ""})
    body = body.replace('""', '"' + "x" * (64 * 1024 - len(body)) + '"')
    assert len(body) == 64 * 1024
    assert send(client, PATH, body).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method_is_405(client, db, method):
    answer = client.generic(method, PATH)

    refused(answer, 405, f'Method "{method}" not allowed')
    assert answer.headers["Allow"] == "POST"


def test_json_is_answered_whatever_accept_says(client, db):
    refused(send(client, PATH, {}, headers={"Accept": "text/html"}), 401, INVALID)


def test_a_fault_of_ours_is_a_plain_500_and_writes_nothing(create):
    def out_of_order(execute, sql, params, many, context):
        if "checkout_order" in sql:
            raise OperationalError("the database went away: host=10.0.0.1 password=hunter2")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(out_of_order):
        answer = create(amount=5, headers={"Idempotency-Key": "k"})

    refused(answer, 500, "Server error")
    nothing_was_written()
    assert create(amount=5, headers={"Idempotency-Key": "k"}).status_code == 200


# The beginning and the end of each transaction are counted too.
QUERIES = {"create with a key": 7, "create with an idempotency key": 12, "said again": 5, "buy button": 7}


@pytest.mark.django_db(transaction=True)
def test_creating_takes_a_known_number_of_queries(client, key, provider, django_assert_num_queries):
    body = {"apiKey": key, "externalId": "A", "amount": 5}
    send(client, PATH, body)

    with django_assert_num_queries(QUERIES["create with a key"]):
        assert send(client, PATH, body).status_code == 200
    with django_assert_num_queries(QUERIES["create with an idempotency key"]):
        assert send(client, PATH, body, headers={"Idempotency-Key": "k"}).status_code == 200
    with django_assert_num_queries(QUERIES["said again"]):
        assert send(client, PATH, body, headers={"Idempotency-Key": "k"}).status_code == 200
    with django_assert_num_queries(QUERIES["buy button"]):
        assert send(client, PATH, {"serviceId": provider.service.slug}).status_code == 200


def test_a_public_button_cannot_name_the_providers_own_order(client, provider):
    """A stranger's five dollars must not be told as the payment of somebody else's order."""
    body = {"serviceId": provider.service.slug, "externalId": "VICTIM-1", "amount": 5}
    answer = client.post("/api/create-payment-intent", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["externalId"] is None
    assert Order.objects.get().external_id == ""
