"""Every answer is in the envelope, whoever refuses and why."""

import json

import pytest
from django.db import OperationalError

from checkout.models import Order, OrderEvent, Refund
from providers import accounts
from tests.api.invoice.asking import LINE, PAYME, SERVICE_KEY, counts, pay, register, send, wanted, without

pytestmark = pytest.mark.django_db(transaction=True)
ID = "0192f0c1-0000-7000-8000-000000000000"
READS = [
    "/api/merchants/supported",
    "/api/merchants/by-business/marketplace/biz_42/providers",
    "/api/invoices",
    f"/api/invoices/{ID}",
    f"/api/invoices/{ID}/events",
    f"/api/refunds/by-invoice/{ID}",
]
WRITES = ["/api/merchants", "/api/invoices", f"/api/invoices/{ID}/cancel", "/api/refunds"]


def is_refused(answer, status, word):
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    told = answer.json()
    assert list(told) == ["status", "code", "message", "data"]
    assert (told["status"], told["code"], told["message"]) == (False, status, word)
    assert told["data"]["details"]
    assert all(isinstance(text, str) and text for text in told["data"]["details"])
    return told["data"]["details"]


@pytest.mark.parametrize("path", READS + WRITES)
@pytest.mark.parametrize("key", [None, "", "nobody", "x" * 5000, "\xff"])
def test_without_a_valid_key_it_is_401_before_all_else(client, path, key):
    method = "GET" if path in READS else "POST"
    answer = send(client, method, path, "{" if method == "POST" else None, key=key)
    is_refused(answer, 401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_service_key_may_come_as_bearer(client):
    answer = send(client, "GET", "/api/merchants/supported", key=None, Authorization=f"Bearer {SERVICE_KEY}")
    assert answer.json()["status"] is True


def test_an_unset_service_key_opens_nothing(client, settings):
    settings.SERVICE_API_KEYS = {"test": "", "live": ""}
    for key in ("", " ", "None"):
        is_refused(send(client, "GET", "/api/invoices", key=key), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("path", READS + WRITES)
def test_the_trailing_slash_is_served_without_a_redirect(client, path):
    method = "GET" if path in READS else "POST"
    plain, slashed = (send(client, method, one, {} if method == "POST" else None) for one in (path, path + "/"))
    assert (slashed.status_code, slashed.content) == (plain.status_code, plain.content)


@pytest.mark.parametrize("path", READS)
def test_head_answers_like_get_without_the_body(client, path):
    get, head = send(client, "GET", path), send(client, "HEAD", path)
    assert head.status_code == get.status_code
    assert head.content == b""


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/invoices", "GET, HEAD, POST"),
        ("PUT", "/api/merchants", "POST"),
        ("GET", "/api/merchants", "POST"),
        ("POST", "/api/merchants/supported", "GET, HEAD"),
        ("POST", f"/api/invoices/{ID}", "GET, HEAD"),
        ("GET", f"/api/invoices/{ID}/cancel", "POST"),
        ("GET", "/api/refunds", "POST"),
        ("OPTIONS", "/api/invoices", "GET, HEAD, POST"),
    ],
)
@pytest.mark.parametrize("key", [None, SERVICE_KEY])
def test_another_method_is_405_for_everybody(client, method, path, allowed, key):
    answer = send(client, method, path, key=key)
    is_refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert sorted(answer.headers["Allow"].split(", ")) == allowed.split(", ")


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("body", ["{", "[]", '"x"', "5", b"\xff", '{"a": NaN}', "[" * 100_0, '{"a":' * 500])
def test_what_is_no_json_object_is_refused(client, path, body):
    is_refused(send(client, "POST", path, body), 400, "VALIDATION_ERROR")


def test_another_content_type_is_415(client):
    is_refused(send(client, "POST", "/api/invoices", "a=b", content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_large_body_is_413(client):
    is_refused(send(client, "POST", "/api/invoices", b" " * 70_000), 413, "TOO_LARGE")


def test_a_key_in_the_address_is_refused(client):
    details = is_refused(send(client, "GET", f"/api/invoices?api_key={SERVICE_KEY}"), 400, "VALIDATION_ERROR")
    assert "address" in details[0]
    assert SERVICE_KEY not in details[0]


def test_plain_http_is_refused_outside_the_demo(client, settings):
    settings.DEMO = False
    is_refused(send(client, "GET", "/api/invoices"), 403, "FORBIDDEN")


def test_other_unknown_addresses_stay_as_they_are(client):
    assert client.get("/api/nothing").json() == {"error": "Not found"}
    is_refused(send(client, "GET", f"/api/invoices/{ID}/nothing"), 404, "NOT_FOUND")


def test_too_many_calls_are_429_and_say_when(client, settings):
    settings.RATE_LIMIT_SCALE, settings.SERVICE_CALLS_PER_MINUTE, settings.ANONYMOUS_CALLS_PER_MINUTE = 1, 3, 3
    answers = [send(client, "GET", "/api/merchants/supported") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    is_refused(answers[-1], 429, "RATE_LIMITED")
    assert int(answers[-1].headers["Retry-After"]) >= 1

    answers = [send(client, "GET", "/api/merchants/supported", key="nobody") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


def test_a_fault_of_ours_is_500_with_the_request_id_and_nothing_of_it(client, monkeypatch):
    def broken(**_):
        raise OperationalError("secret host name")

    monkeypatch.setattr(accounts, "problems_with", broken)
    answer = send(client, "POST", "/api/merchants",
                  {"source": "a", "businessId": "b", "provider": "payme", "credentials": PAYME},
                  **{"X-Request-Id": "quote-me-1"})  # fmt: skip
    assert is_refused(answer, 500, "SERVER_ERROR") == ["Server error"]
    assert answer.headers["X-Request-Id"] == "quote-me-1"


@pytest.mark.parametrize(
    ("amount", "minor"), [("100", 100), ("100.0", 100), ("1e2", 100), ("1.5E+6", 1_500_000), ("10000000000000", 10**13)]
)
def test_a_whole_number_is_whole_however_it_is_written(api, amount, minor):
    register(api)
    body = json.dumps(wanted()).replace("5000000", amount)
    told = api("POST", "/api/invoices", body)
    assert (told["amount"], Order.objects.get().amount_minor) == (minor, minor)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("99", "must be greater than or equal to 100"),
        ("99.999", "must be greater than or equal to 100"),
        ("-1e400", "must be greater than or equal to 100"),
        ("1e-999999999", "must be greater than or equal to 100"),
        ("100.01", "must be an integer"),
        ("100.000000000000000000000000000000000001", "must be an integer"),
        ("10000000000001", "must be less than or equal to 10000000000000"),
        ("1e999999999", "must be less than or equal to 10000000000000"),
        ("1e9999999999999999999999", "must be a number"),
        ('"100"', "must be a number"),
        ("[100]", "must be a number"),
    ],
)
def test_what_is_no_amount_is_refused_and_nothing_is_opened(api, amount, text):
    register(api)
    before = counts()
    body = json.dumps(wanted()).replace("5000000", amount)
    assert api("POST", "/api/invoices", body, expect=400)["data"]["details"] == [f'"amount" {text}']
    assert counts() == before


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"currency": ""}, '"currency" is not allowed to be empty'),
        ({"currency": "uzs"}, '"currency" must be an ISO 4217 code'),
        ({"currency": "USD"}, '"currency" must be one of [UZS] at payme'),
        ({"currency": "USDT"}, '"currency" length must be less than or equal to 3 characters long'),
        ({"returnUrl": "https://u:p@shop.test/"}, '"returnUrl" must be a valid uri'),
        ({"returnUrl": "https://shop.test:99999/"}, '"returnUrl" must be a valid uri'),
        ({"returnErrorUrl": "//shop.test"}, '"returnErrorUrl" must be a valid uri'),
        ({"returnUrl": "https://shop.test/" + "x" * 2000}, '"returnUrl" length must be less than or equal to 2000'),
        ({"notifyUrl": 7}, '"notifyUrl" must be a string'),
        ({"sourceInvoiceId": "x" * 129}, '"sourceInvoiceId" length must be less than or equal to 128'),
        ({"description": "x" * 501}, '"description" length must be less than or equal to 500'),
        ({"ofd": []}, "ofd must have at least one line"),
        ({"ofd": {"qty": 1}}, "ofd must be a list of lines"),
        ({"ofd": ["x"]}, "ofd[0] must be an object"),
        ({"ofd": [[[[[[]]]]]]}, "ofd[0] must be an object"),
        ({"ofd": [{"name": "\ud800"}]}, "ofd[0].qty must be a whole number from 1"),
        ({"ofd": [{"name": "\ud800"}]}, "ofd[0].name must be text of 1 to 255 characters"),
        ({"ofd": [{"mxik": "٠" * 17}]}, "ofd[0].mxik must be 17 digits"),
        ({"ofd": [{"mark": ["\ud800"]}]}, "ofd[0].mark must be a list of codes"),
        ({"amount": None, "ofd": [{"qty": 1, "price": 5, "total": 6}]}, "ofd[0].total must be qty × price = 5"),
    ],
)
def test_more_that_is_wrong_is_named(api, change, detail):
    register(api)
    before = counts()
    details = api("POST", "/api/invoices", wanted(**change), expect=400)["data"]["details"]
    assert any(text.startswith(detail) for text in details), details
    assert counts() == before


@pytest.mark.parametrize(
    "number", ["1e999999999", "-1e999999999", "1e-999999999", "1e400", "0.5", "1e99999999999999999999"]
)
@pytest.mark.parametrize("field", ["qty", "price", "total", "vat", "name", "mark"])
def test_no_number_in_a_line_or_a_credential_breaks_anything(api, number, field):
    register(api)
    before = counts()
    body = json.dumps(wanted(ofd=[{**LINE, field: "HERE"}])).replace('"HERE"', number)
    assert api("POST", "/api/invoices", body, expect=400)["data"]["details"][0].startswith(f"ofd[0].{field}")
    body = json.dumps({"source": "a", "businessId": "b", "provider": "payme", "credentials": {**PAYME, "key": "HERE"}})
    details = api("POST", "/api/merchants", body.replace('"HERE"', number), expect=400)["data"]["details"]
    assert details[0] == '"credentials.key" must be a string'
    assert counts() == before


def test_deep_nesting_anywhere_is_no_fault_of_ours(client, api):
    register(api)
    for depth in (100, 700, 950, 5000):
        deep = "[" * depth + "]" * depth
        for name in ("ofd", "unknown", "amount", "credentials"):
            body = json.dumps(wanted())[:-1] + f', "{name}": {deep}}}'
            answer = send(client, "POST", "/api/invoices", body, **{"Idempotency-Key": f"{name}-{depth}"})
            assert answer.status_code in (200, 400), answer.content


def test_null_is_like_leaving_a_field_out_and_unknown_fields_are_ignored(api):
    register(api, displayName=None, mode=None, isActive=None)
    nothing = dict.fromkeys(("currency", "notifyUrl", "returnUrl", "returnErrorUrl", "lang", "ofd", "description"))
    told = api("POST", "/api/invoices", wanted(**nothing, unknown={"a": 1}))
    assert (told["currency"], told["status"]) == ("UZS", "pending")


# --- idempotency ----------------------------------------------------------------------------------------------------


def test_a_repeat_gets_the_first_answer_to_the_byte(client, api):
    register(api)
    first, again = (send(client, "POST", "/api/invoices", wanted(), **{"Idempotency-Key": "k"}) for _ in range(2))
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = send(client, "POST", "/api/invoices", wanted(amount=100), **{"Idempotency-Key": "k"})
    is_refused(other, 422, "IDEMPOTENCY_MISMATCH")
    is_refused(
        send(client, "POST", "/api/invoices", wanted(), **{"Idempotency-Key": "k k"}), 400, "BAD_IDEMPOTENCY_KEY"
    )


def test_refused_input_leaves_the_key_free_for_better_input(client, api):
    register(api)
    headers = {"Idempotency-Key": "k"}
    is_refused(send(client, "POST", "/api/invoices", wanted(amount=1), **headers), 400, "VALIDATION_ERROR")
    assert send(client, "POST", "/api/invoices", wanted(), **headers).status_code == 200


def test_a_registration_is_repeated_whatever_credentials_it_carries(client):
    body = {"source": "a", "businessId": "b", "provider": "payme", "credentials": PAYME}
    first = send(client, "POST", "/api/merchants", body, **{"Idempotency-Key": "k"})
    again = send(client, "POST", "/api/merchants", body, **{"Idempotency-Key": "k"})
    assert again.content == first.content
    assert PAYME["key"] not in again.content.decode()


def test_keys_of_the_two_modes_and_of_a_provider_never_meet(client, api):
    register(api)
    first = send(client, "POST", "/api/invoices", wanted(), **{"Idempotency-Key": "k"}).json()["data"]["id"]
    from providers.models import Provider
    from tests.builders import make_key

    own = make_key(Provider.objects.get(slug="marketplace"))
    second = send(client, "POST", "/api/invoices", wanted(), key=own, **{"Idempotency-Key": "k"}).json()["data"]["id"]
    assert first != second


# --- states ---------------------------------------------------------------------------------------------------------


def test_an_expired_invoice_is_cancelled_to_its_caller_and_cancelling_it_says_so_again(api):
    from checkout import orders
    from tests.builders import later

    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    assert orders.expire_due_orders(now=later(hours=25)) == 1
    assert api("GET", f"/api/invoices/{invoice['id']}")["status"] == "cancelled"
    events = OrderEvent.objects.count()
    assert api("POST", f"/api/invoices/{invoice['id']}/cancel")["status"] == "cancelled"
    assert OrderEvent.objects.count() == events


@pytest.mark.parametrize("lines", ["x", [None], [[]], {}, 5, [{"qty": 1}]])
def test_lines_that_are_none_are_refused_before_the_state_is_looked_at(api, lines):
    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    body = {"invoiceId": invoice["id"], "ofd": lines, "idempotencyKey": "k"}
    assert api("POST", "/api/refunds", body, expect=400)["message"] == "VALIDATION_ERROR"


def test_refused_refunds_reserve_nothing(api, client):
    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    pay(client, invoice)
    for body, status, word in [
        ({"invoiceId": invoice["id"]}, 400, "NOT_REFUNDABLE"),
        ({"invoiceId": invoice["id"], "amount": 0}, 400, "VALIDATION_ERROR"),
        ({"invoiceId": invoice["id"], "amount": "5"}, 400, "VALIDATION_ERROR"),
        ({"invoiceId": invoice["id"], "ofd": [{}]}, 400, "VALIDATION_ERROR"),
        ({"invoiceId": ID}, 404, "NOT_FOUND"),
        ({"invoiceId": 5}, 400, "VALIDATION_ERROR"),
        (without({"invoiceId": 5}, "invoiceId"), 400, "VALIDATION_ERROR"),
    ]:
        assert api("POST", "/api/refunds", body, expect=status)["message"] == word
    assert Refund.objects.count() == 0
    assert api("GET", f"/api/refunds/by-invoice/{invoice['id']}") == {"items": []}
