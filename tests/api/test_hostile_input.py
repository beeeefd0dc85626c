"""Whatever is sent, the answer is ours: JSON, never a 500, and nothing is half-written."""

import hashlib
import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from checkout.models import IdempotencyRecord, Order, OrderEvent, Refund
from tests.api.asking import send
from tests.builders import make_order

PATH = "/api/create-payment-intent"
quickly = settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip

numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.decimals().map(lambda number: Raw(str(number))),
    st.sampled_from(["1e400", "-1e400", "1E-400", "0e9999999999", "1" * 400, "0.1", "-0", "5", "100", "4.99"]).map(
        lambda text: Raw(text)
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(), st.text(alphabet="\0\ud800\udfff\n\u202e🧾")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["amount", "externalId", "lang", "expiresAt", "serviceId", "apiKey", "reason", "__proto__", ""]
times = st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
bodies = st.dictionaries(st.sampled_from(NAMES), values | times, max_size=5)


class Raw:
    """A number as it stands in the text."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def written(value):
    """JSON with numbers that no float holds; lone surrogates as escapes."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def is_ours(answer, *statuses):
    assert answer.status_code in statuses, (answer.status_code, answer.content)
    assert answer.headers["Content-Type"] == "application/json"
    told = answer.json()
    if answer.status_code >= 400:
        assert list(told) == ["error"]
        assert isinstance(told["error"], str)
        assert 0 < len(told["error"]) < 300
    return told


@quickly
@given(body=bodies)
def test_no_body_breaks_a_create(client, key, body):
    before = Order.objects.count()
    answer = send(
        client,
        PATH,
        written({**body, "apiKey": key}),
        headers={"Idempotency-Key": hashlib.sha256(written(body).encode()).hexdigest()},
    )

    told = is_ours(answer, 200, 400)

    made = Order.objects.count() - before
    if answer.status_code == 400:
        assert made == 0
    else:
        order = Order.objects.get(pk=told["orderId"])
        assert told["externalId"] == body.get("externalId")
        assert (order.amount_minor > 0, order.amount_minor % 500, order.last_sequence) == (True, 0, 1)
    assert Order.objects.count() == OrderEvent.objects.count()
    assert not IdempotencyRecord.objects.exclude(lease_until=None).exists()


@quickly
@given(body=bodies)
def test_no_body_breaks_the_buy_button_or_a_call_without_a_key(client, provider, body):
    is_ours(send(client, PATH, written(body)), 400, 401, 404)
    is_ours(send(client, PATH, written({"serviceId": provider.service.slug, **body})), 200, 400, 401, 404)


@quickly
@given(raw=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_break_a_create(client, db, raw):
    is_ours(send(client, PATH, raw), 400, 401)
    is_ours(send(client, PATH, b'{"apiKey":' + raw + b"}"), 400, 401)


@quickly
@given(body=bodies)
def test_no_body_breaks_a_refund(client, key, provider, body):
    order = Order.objects.first() or make_order(provider)

    is_ours(send(client, f"/api/orders/{order.pk}/refund", written(body), headers={"x-api-key": key}), 400, 409)
    assert Refund.objects.count() == 0


@quickly
@given(
    name=st.text(max_size=60),
    query=st.dictionaries(st.sampled_from(["limit", "cursor", "externalId", "x"]), st.text(max_size=60)),
)
def test_no_address_breaks_a_read(api, name, query):
    assume("/" not in name and name not in ("", ".", ".."))
    is_ours(api("GET", "/api/orders/" + quote(name, safe="")), 404)
    is_ours(api("GET", "/api/orders", **query), 200, 400)


@quickly
@given(value=st.text(alphabet=st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=300))
def test_no_header_breaks_a_call(client, key, value):
    is_ours(send(client, PATH, {"apiKey": key}, headers={"Idempotency-Key": value}), 200, 400)
    is_ours(client.get("/api/orders", headers={"x-api-key": value}), 401)
    is_ours(client.get("/api/orders", headers={"Authorization": "Bearer " + value}), 401)
    is_ours(send(client, PATH, {"apiKey": key}, content_type=value), 200, 415)


@pytest.mark.parametrize("length", ["-1", "x", "99999999999999999999", "1e3"])
def test_a_wrong_content_length_is_no_fault_of_ours(client, key, length):
    answer = client.generic(
        "POST", PATH, json.dumps({"apiKey": key}), content_type="application/json", CONTENT_LENGTH=length
    )
    assert answer.status_code in (400, 401, 413)
