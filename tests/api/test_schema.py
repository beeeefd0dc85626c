import html
import json
import re
from pathlib import Path

import jsonschema
import pytest
from django.contrib.staticfiles import finders

from tests.builders import make_order, make_paid_order


@pytest.fixture
def schema(client):
    return client.get("/api/schema/").json()


def fits(schema, path, method, answer):
    """The answer is one the schema promises for this call."""
    promised = schema["paths"][path][method]["responses"][str(answer.status_code)]["content"]["application/json"]
    resolved = json.loads(json.dumps({"components": schema["components"], **promised["schema"]}))
    jsonschema.Draft4Validator(_plain(resolved)).validate(answer.json())


def _plain(node):
    """OpenAPI 3.0's `nullable` in plain JSON Schema; no field may be told that is not promised."""
    if isinstance(node, list):
        return [_plain(part) for part in node]
    if not isinstance(node, dict):
        return node
    node = {name: _plain(part) for name, part in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        node["additionalProperties"] = False
    if node.pop("nullable", False):
        return {"anyOf": [node, {"type": "null"}]}
    return node


def test_the_schema_is_open_to_everybody_and_lists_the_calls(schema):
    assert {(path, method) for path, calls in schema["paths"].items() for method in calls} == {
        ("/api/create-payment-intent", "post"),
        ("/api/orders", "get"),
        ("/api/orders/{orderId}", "get"),
        ("/api/orders/{orderId}/cancel", "post"),
        ("/api/orders/{orderId}/refund", "post"),
        ("/api/merchants/supported", "get"),
        ("/api/merchants", "post"),
        ("/api/merchants/by-business/{source}/{businessId}/providers", "get"),
        ("/api/invoices", "get"),
        ("/api/invoices", "post"),
        ("/api/invoices/{invoiceId}", "get"),
        ("/api/invoices/{invoiceId}/events", "get"),
        ("/api/invoices/{invoiceId}/cancel", "post"),
        ("/api/refunds", "post"),
        ("/api/refunds/by-invoice/{invoiceId}", "get"),
        ("/api/payments/secure-processor/token", "post"),
        ("/api/payments/secure-processor/status/{token}", "get"),
        ("/api/payments/stripe/checkout", "post"),
        ("/api/payments/stripe/status/{payment_id}", "get"),
        ("/api/payments/stripe/capture", "post"),
        ("/api/payments/stripe/refund", "post"),
        ("/api/payments/razorpay/checkout", "post"),
        ("/api/payments/razorpay/verify", "post"),
        ("/api/payments/razorpay/status/{payment_id}", "get"),
        ("/api/payments/razorpay/capture", "post"),
        ("/api/payments/razorpay/refund", "post"),
        ("/api/start_payment", "post"),
        ("/watch/{watch_code}", "get"),
    }
    assert schema["openapi"].startswith("3.")


def test_answers_are_what_the_schema_promises(schema, api, create, client, lab, provider):
    paid = make_paid_order(lab, client, provider)
    opened = make_order(provider)

    fits(schema, "/api/create-payment-intent", "post", create(amount=5))
    fits(schema, "/api/create-payment-intent", "post", create(amount=7))
    fits(schema, "/api/create-payment-intent", "post", create(apiKey="x"))
    fits(schema, "/api/orders/{orderId}/refund", "post", api("POST", f"/api/orders/{paid.pk}/refund", {"amount": 1}))
    fits(schema, "/api/orders/{orderId}", "get", api("GET", f"/api/orders/{paid.pk}"))
    fits(schema, "/api/orders/{orderId}", "get", api("GET", "/api/orders/x"))
    fits(schema, "/api/orders", "get", api("GET", "/api/orders"))
    fits(schema, "/api/orders/{orderId}/cancel", "post", api("POST", f"/api/orders/{opened.pk}/cancel"))
    fits(schema, "/api/orders/{orderId}/cancel", "post", api("POST", f"/api/orders/{paid.pk}/cancel"))


def test_the_page_shows_every_call_and_asks_nobody_else(client, schema):
    page = client.get("/docs/")
    shown = page.content.decode()

    assert page.status_code == 200
    for calls in schema["paths"].values():
        for call in calls.values():
            assert f'id="{call["operationId"]}"' in shown
    assert "<script>" not in shown
    assert "style=" not in shown
    assert "onclick" not in shown
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "https://" not in shown.replace("https://dztech", "")


def test_the_page_introduces_each_api_and_leads_to_its_calls(client, schema):
    shown = client.get("/docs/").content.decode()
    introduced = re.findall(r'<dt><a href="#([\w-]+)">([^<]+)</a></dt>', shown)
    tags = {tag for calls in schema["paths"].values() for call in calls.values() for tag in call["tags"]}
    assert {name for _, name in introduced} == tags
    assert all(f'id="{place}"' in shown for place, _ in introduced)


def test_calls_that_take_no_api_key_are_shown_without_one(client):
    page = html.unescape(client.get("/docs/").content.decode())
    started = page[page.index('id="startPayment"') :]
    line = re.search(r"curl -i -X POST \S+/api/start_payment.*?-d '[^<]*", started, re.DOTALL)[0]
    assert "x-api-key" not in line
    assert """-d '{"merchant_secret": "'"$MERCHANT_SECRET"'", "amount": 1000}'""" in line
    assert started.count('data-key-in="none"') == 2  # it and the watch


def test_the_page_and_the_schema_ask_the_database_nothing(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/docs/")
        client.get("/api/schema/")


def test_the_page_is_small(client):
    files = [finders.find(f"docs/{name}") for name in ("docs.css", "try.js")]
    size = len(client.get("/docs/").content) + sum(Path(file).stat().st_size for file in files)
    assert size < 128 * 1024  # five dialects


@pytest.mark.parametrize("address", ["/docs", "/api/schema"])
def test_the_spelling_without_a_slash_leads_to_the_page_for_who_reads(client, address):
    answer = client.get(address + "?lang=ru")
    assert (answer.status_code, answer["Location"]) == (302, f"{address}/?lang=ru")
    assert client.post(address).status_code == 405
