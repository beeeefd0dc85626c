"""Whatever is sent, the answer is in the envelope: never a 500, and nothing is half-written."""

import hashlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.models import IdempotencyRecord, Order, OrderEvent, Refund
from tests.api.invoice.asking import LINE, PAYME, counts, pay, register, send, wanted
from tests.api.test_hostile_input import numbers, quickly, values, written

pytestmark = pytest.mark.django_db
MERCHANT = {"source": "marketplace", "businessId": "b", "provider": "payme", "credentials": PAYME}
TEXTS = st.text(max_size=40) | st.sampled_from(
    ["marketplace", "payme", "stripe", "biz_42", "UZS", "USD", "\0", "\ud800"]
)
URLS = (
    st.sampled_from(["https://shop.test/a", "http://[", "http://[::1]/", "https://a b/", "http://0x7f.1/", "x:"])
    | TEXTS
)


def lines():
    field = values | numbers | TEXTS
    changed = st.dictionaries(st.sampled_from([*LINE, "tin", "mark", ""]), field, max_size=3)
    return st.lists(changed.map(lambda change: {**LINE, **change}) | values, max_size=3)


def bodies_like(body):
    """A good body with some of its fields changed into anything."""
    names = st.sampled_from([*body, "currency", "mode", "isActive", "displayName", "ofd", "cardPan", "__proto__", ""])
    change = st.dictionaries(names, values | TEXTS | URLS | lines(), max_size=4)
    return change.map(lambda changed: {**body, **changed})


def is_ours(answer, *statuses):
    assert answer.status_code in statuses, (answer.status_code, answer.content)
    told = answer.json()
    assert list(told) == ["status", "code", "message", "data"]
    assert (told["status"], told["code"]) == (answer.status_code == 200, answer.status_code)
    if answer.status_code != 200:
        assert all(0 < len(text) < 400 for text in told["data"]["details"])
    return told["data"]


@quickly
@given(body=bodies_like(wanted()))
def test_no_body_breaks_an_invoice(client, api, body):
    register(api)
    before = counts()
    text = written(body)
    key = hashlib.sha256(text.encode()).hexdigest()

    answer = send(client, "POST", "/api/invoices", text, **{"Idempotency-Key": key})

    told = is_ours(answer, 200, 400, 404)
    if answer.status_code == 200:
        order = Order.objects.get(pk=told["id"])
        assert (order.amount_minor, order.currency, order.external_id) == (
            told["amount"],
            told["currency"],
            told["sourceInvoiceId"],
        )
        assert OrderEvent.objects.filter(order=order).count() == order.last_sequence
        assert send(client, "GET", f"/api/invoices/{order.pk}").status_code == 200
    else:
        assert counts() == before
    assert not IdempotencyRecord.objects.exclude(lease_until=None).exists()


@quickly
@given(
    body=bodies_like(MERCHANT),
    credentials=st.none() | st.dictionaries(st.text(max_size=5) | st.sampled_from([*PAYME]), values | TEXTS),
)
def test_no_body_breaks_a_registration(client, db, body, credentials):
    before = counts()
    body = body if credentials is None else {**body, "credentials": credentials}

    answer = send(client, "POST", "/api/merchants", written(body))

    is_ours(answer, 200, 400)
    if answer.status_code != 200:
        assert counts() == before


@quickly
@given(change=st.dictionaries(
    st.sampled_from(["invoiceId", "amount", "reason", "idempotencyKey", "ofd", "cardPan"]), values | TEXTS | lines(),
))  # fmt: skip
def test_no_body_breaks_a_refund(client, api, change):
    register(api)
    invoice = api("POST", "/api/invoices", wanted(sourceInvoiceId=hashlib.sha256(written(change).encode()).hexdigest()))
    is_ours(send(client, "POST", "/api/refunds", written({"invoiceId": invoice["id"], **change})), 400, 404)
    assert Refund.objects.count() == 0


@quickly
@given(raw=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_break_a_call(client, db, raw):
    for path in ("/api/invoices", "/api/merchants", "/api/refunds"):
        is_ours(send(client, "POST", path, raw), 400)
        is_ours(send(client, "POST", path, b'{"source":' + raw + b"}"), 400)


@quickly
@given(
    name=st.text(max_size=60),
    query=st.dictionaries(
        st.sampled_from(["limit", "cursor", "source", "businessId", "sourceInvoiceId", "status", "x"]),
        st.text(max_size=60),
    ),
)
def test_no_address_breaks_a_read(client, db, name, query):
    part = quote(name, safe="") or "x"
    text = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    is_ours(send(client, "GET", f"/api/invoices?{text}"), 200, 400)
    if part in (".", ".."):
        return
    # No business has a name with a line break in it, and no address of ours takes one.
    business = send(client, "GET", f"/api/merchants/by-business/marketplace/{part}/providers")
    is_ours(business, 404 if "\n" in name else 200)
    if "%2F" not in part:
        is_ours(send(client, "GET", f"/api/merchants/by-business/{part}/b/providers"), 200)
        is_ours(send(client, "GET", f"/api/refunds/by-invoice/{part}"), 404)
        if part != "supported":
            is_ours(send(client, "GET", f"/api/invoices/{part}"), 404)
            is_ours(send(client, "POST", f"/api/invoices/{part}/cancel"), 404)


@quickly
@given(value=st.text(alphabet=st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=300))
def test_no_header_breaks_a_call(client, api, value):
    register(api)
    is_ours(send(client, "POST", "/api/invoices", wanted(), **{"Idempotency-Key": value}), 200, 400)
    is_ours(send(client, "GET", "/api/invoices", key=value), 401)
    is_ours(send(client, "GET", "/api/invoices", key=None, Authorization="Bearer " + value), 401)


def test_a_paid_invoice_survives_all_of_it(client, api):
    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    pay(client, invoice)
    for body in ({"amount": 10**13}, {"ofd": "x"}, {"amount": -1}, {"reason": "\ud800"}, {"idempotencyKey": "\0"}):
        is_ours(send(client, "POST", "/api/refunds", {"invoiceId": invoice["id"], **body}), 400)
    assert api("GET", f"/api/invoices/{invoice['id']}")["refundedAmount"] == 0
