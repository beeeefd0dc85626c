"""The answers are what the OpenAPI schema promises, no field more or less."""

import pytest

from tests.api.invoice.asking import LINE, PAYME, pay, payme, register, send, wanted
from tests.api.test_schema import fits

pytestmark = pytest.mark.django_db(transaction=True)
INVOICE = "/api/invoices/{invoiceId}"
PROVIDERS = "/api/merchants/by-business/{source}/{businessId}/providers"
REFUNDS = "/api/refunds/by-invoice/{invoiceId}"


def test_answers_are_what_the_schema_promises(client, api):
    schema = client.get("/api/schema/").json()

    def ask(promised, method, path, body=None, **headers):
        answer = send(client, method, path, body, **headers)
        fits(schema, promised, method.lower(), answer)
        return answer.json()["data"]

    merchant = {"source": "marketplace", "businessId": "biz_42", "provider": "payme", "credentials": PAYME}
    ask("/api/merchants/supported", "GET", "/api/merchants/supported")
    ask("/api/merchants/supported", "GET", "/api/merchants/supported", key="nobody")
    ask("/api/merchants", "POST", "/api/merchants", merchant)
    ask("/api/merchants", "POST", "/api/merchants", {})
    ask(PROVIDERS, "GET", "/api/merchants/by-business/marketplace/biz_42/providers")
    ask("/api/invoices", "POST", "/api/invoices", wanted(businessId="nobody"))
    ask("/api/invoices", "POST", "/api/invoices", wanted(amount=5))
    invoice = ask("/api/invoices", "POST", "/api/invoices", wanted(ofd=[LINE]))
    path = f"/api/invoices/{invoice['id']}"
    ask(INVOICE, "GET", path)
    pay(client, invoice)
    ask("/api/invoices", "POST", "/api/invoices", wanted())  # paid already
    ask("/api/refunds", "POST", "/api/refunds", {"invoiceId": invoice["id"]})
    payme(client, "CancelTransaction", id="65f0000000000000000000a1", reason=5)
    ask(INVOICE, "GET", path)
    ask(INVOICE, "GET", "/api/invoices/x")
    ask(f"{INVOICE}/events", "GET", f"{path}/events")
    ask(REFUNDS, "GET", f"/api/refunds/by-invoice/{invoice['id']}")
    ask(f"{INVOICE}/cancel", "POST", f"{path}/cancel")
    ask("/api/invoices", "GET", "/api/invoices")
    ask("/api/invoices", "GET", "/api/invoices?status=x")
    other = api("POST", "/api/invoices", wanted(sourceInvoiceId="order_2"))
    ask(f"{INVOICE}/cancel", "POST", f"/api/invoices/{other['id']}/cancel")


def test_a_refund_fits_too(client, api, lab):
    from tests.api.invoice.test_stripe import paid
    from tests.lab import STRIPE_KEY, STRIPE_SECRET

    register(api, business="biz_us", provider="stripe",
             credentials={"secretKey": STRIPE_KEY, "webhookSecret": STRIPE_SECRET})  # fmt: skip
    invoice = paid(api, client, lab)
    schema = client.get("/api/schema/").json()
    for body in ({"amount": 100, "reason": "r"}, {"amount": 100}, {"amount": 10**9}):
        fits(schema, "/api/refunds", "post", send(client, "POST", "/api/refunds", {"invoiceId": invoice["id"], **body}))


def test_the_credential_fields_are_those_of_the_document(api):
    items = {item["name"]: item["fields"] for item in api("GET", "/api/merchants/supported")["items"]}
    required = {name: [(field["key"], field["required"]) for field in fields] for name, fields in items.items()}
    assert {name: required[name] for name in ("multicard", "click", "payme", "uzum")} == {
        "multicard": [("applicationId", True), ("secret", True), ("storeId", True)],
        "click": [("serviceId", True), ("merchantId", True), ("secretKey", True), ("merchantUserId", False)],
        "payme": [("merchantId", True), ("key", True)],
        "uzum": [("serviceId", True), ("login", True), ("password", True)],
    }
