"""The Invoice API over HTTP, as its document and the contract write it."""

import json

import pytest

from checkout.models import Order, Payment
from gateway.types import Mode
from providers.models import MerchantAccount, Provider
from tests.api.invoice.asking import LIVE_SERVICE_KEY, PAYME, pay, register, wanted
from tests.builders import make_key, make_provider
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


def test_supported_lists_each_processor_with_its_fields(api):
    items = {item["name"]: item["fields"] for item in api("GET", "/api/merchants/supported")["items"]}
    assert items["payme"] == [{"key": "merchantId", "required": True}, {"key": "key", "required": True}]
    assert items["stripe"] == [{"key": "secretKey", "required": True}, {"key": "webhookSecret", "required": True}]


@pytest.mark.parametrize("key", [None, "", "wrong", "provider_test_" + "0" * 48, "live-service-key", "ключ"])
def test_without_a_valid_key_nothing_is_said(api, key):
    envelope = api("GET", "/api/merchants/supported", key=key.encode().decode("latin-1") if key else key, expect=401)
    assert envelope["message"] == "UNAUTHORIZED" and envelope["data"]["details"]


def test_a_business_is_registered_once_and_changed_afterwards(api):
    first = register(api, displayName="Restoran A: Payme")
    again = register(api, displayName="Restoran B: Payme")
    assert first["id"] == again["id"]
    assert first["callbackUrl"].endswith("/api/callbacks/payme")
    assert MerchantAccount.objects.count() == 1
    assert "key" not in json.dumps(again).replace("merchant", "") or PAYME["key"] not in json.dumps(again)
    listed = api("GET", "/api/merchants/by-business/marketplace/biz_42/providers")
    assert listed == {"items": [{"provider": "payme", "displayName": "Restoran B: Payme"}]}
    register(api, isActive=False)
    assert api("GET", "/api/merchants/by-business/marketplace/biz_42/providers") == {"items": []}


def test_another_cash_desk_is_another_account_and_the_old_one_retires(api):
    first = register(api)
    second = register(api, credentials={**PAYME, "merchantId": "f" * 24})
    assert first["id"] != second["id"]
    assert MerchantAccount.objects.get(pk=first["id"]).retired_at is not None


@pytest.mark.parametrize(
    ("credentials", "field"),
    [
        ({"merchantId": PAYME["merchantId"]}, "key"),
        ({**PAYME, "key": ""}, "key"),
        ({**PAYME, "foo": "x"}, "foo"),
        ({}, "merchantId"),
    ],
)
def test_wrong_credentials_are_refused_by_name(api, credentials, field):
    body = {"source": "marketplace", "businessId": "b", "provider": "payme", "credentials": credentials}
    envelope = api("POST", "/api/merchants", body, expect=400)
    assert envelope["message"] == "VALIDATION_ERROR"
    assert any(f'"credentials.{field}"' in text for text in envelope["data"]["details"])
    assert MerchantAccount.objects.count() == 0 and not Provider.objects.filter(slug="marketplace").exists()


def test_an_invoice_is_created_with_the_processors_own_page(api):
    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    assert invoice["status"] == "pending" and invoice["deeplink"] is None
    assert invoice["checkoutUrl"] == Payment.objects.get().pay_url
    assert {"id": invoice["id"], "sourceInvoiceId": "order_1", "amount": 5_000_000}.items() <= invoice.items()
    shown = api("GET", f"/api/invoices/{invoice['id']}")
    assert (shown["status"], shown["paidAt"], shown["notifyDelivered"]) == ("pending", None, None)
    events = api("GET", f"/api/invoices/{invoice['id']}/events")["items"]
    assert [event["event"] for event in events] == ["order_created", "payment_started", "payment_pending"]


def test_without_a_provider_the_buyer_chooses_on_our_page(api):
    register(api)
    body = wanted()
    del body["provider"]
    invoice = api("POST", "/api/invoices", body)
    order = Order.objects.get()
    assert invoice["checkoutUrl"].endswith(f"/checkout/o/{order.token}")
    assert Payment.objects.count() == 0


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"amount": 99}, '"amount" must be greater than or equal to 100'),
        ({"amount": 100.5}, '"amount" must be an integer'),
        ({"amount": "5000"}, '"amount" must be a number'),
        ({"amount": None}, '"amount" is required'),
        ({"amount": True}, '"amount" must be a number'),
        ({"amount": 10**14}, '"amount" must be less than or equal to 10000000000000'),
        ({"provider": "paypal"}, '"provider" must be one of [stripe, '),
        ({"sourceInvoiceId": ""}, '"sourceInvoiceId" is not allowed to be empty'),
        ({"sourceInvoiceId": 7}, '"sourceInvoiceId" must be a string'),
        ({"lang": "de"}, '"lang" must be one of [uz, ru, en]'),
        ({"currency": "SOM"}, '"currency" must be an ISO 4217 code'),
        ({"notifyUrl": "ftp://x"}, '"notifyUrl" must be a valid uri'),
        ({"notifyUrl": "http://169.254.169.254/"}, '"notifyUrl" is refused'),
        ({"returnUrl": "javascript:alert(1)"}, '"returnUrl" must be a valid uri'),
        ({"ofd": [{"qty": 2, "price": 5, "total": 11}]}, "ofd[0].total must be qty × price = 10"),
        ({"ofd": "none"}, "ofd must be a list"),
        ({"source": "Not A Slug"}, '"source" must be a slug'),
    ],
)
def test_bad_input_is_named_and_nothing_is_created(api, change, detail):
    register(api)
    before = Order.objects.count()
    envelope = api("POST", "/api/invoices", wanted(**change), expect=400)
    assert envelope["message"] == "VALIDATION_ERROR"
    assert any(text.startswith(detail) for text in envelope["data"]["details"]), envelope
    assert Order.objects.count() == before


def test_receipt_lines_must_add_up_and_errors_name_the_line(api):
    register(api)
    line = {"qty": 1, "price": 5_000_000, "total": 5_000_000, "mxik": "06401004002000000", "package_code": "1506113",
            "name": "Test", "vat": 0}  # fmt: skip
    assert api("POST", "/api/invoices", wanted(ofd=[line]))["status"] == "pending"
    assert Order.objects.get().items == [line]
    for change, where in [({"mxik": "123"}, "ofd[1].mxik"), ({"vat": 12.5}, "ofd[1].vat"), ({"qty": 0}, "ofd[1].qty")]:
        lines = [{**line, "price": 0, "total": 0}, {**line, **change}]
        details = api("POST", "/api/invoices", wanted(ofd=lines), expect=400)["data"]["details"]
        assert any(text.startswith(where) for text in details), details
    short = {**line, "price": 4_999_999, "total": 4_999_999}
    details = api("POST", "/api/invoices", wanted(ofd=[short]), expect=400)["data"]["details"]
    assert details == ["ofd totals add up to 4999999, not to 5000000"]


def test_a_business_without_this_processor_is_a_404(api):
    envelope = api("POST", "/api/invoices", wanted(), expect=404)
    assert envelope["message"] == "MERCHANT_NOT_FOUND"
    assert Order.objects.count() == 0


def test_cancel_says_cancelled_once_and_tells_it(api):
    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    for _ in range(2):
        assert api("POST", f"/api/invoices/{invoice['id']}/cancel")["status"] == "cancelled"
    (delivery,) = Delivery.objects.all()
    assert json.loads(delivery.body)["status"] == "cancelled"
    assert api("GET", f"/api/invoices/{invoice['id']}")["notifyDelivered"] is False


def test_lists_filter_and_page(api):
    register(api)
    ids = [api("POST", "/api/invoices", wanted(sourceInvoiceId=f"o{n}"))["id"] for n in range(5)]
    api("POST", f"/api/invoices/{ids[0]}/cancel")
    first = api("GET", "/api/invoices?limit=3&businessId=biz_42")
    assert [item["id"] for item in first["items"]] == ids[:1:-1]
    rest = api("GET", f"/api/invoices?limit=3&businessId=biz_42&cursor={first['nextCursor']}")
    assert [item["id"] for item in rest["items"]] == [ids[1], ids[0]] and rest["nextCursor"] is None
    assert [i["id"] for i in api("GET", "/api/invoices?status=cancelled")["items"]] == [ids[0]]
    assert [i["id"] for i in api("GET", "/api/invoices?sourceInvoiceId=o3")["items"]] == [ids[3]]
    assert api("GET", "/api/invoices?source=nobody")["items"] == []
    assert api("GET", "/api/invoices?status=done", expect=400)["message"] == "VALIDATION_ERROR"


def test_a_provider_key_acts_for_its_own_source_alone(api):
    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    stranger = make_key(make_provider(with_account=False))
    assert api("GET", f"/api/invoices/{invoice['id']}", key=stranger, expect=404)["message"] == "NOT_FOUND"
    assert api("POST", f"/api/invoices/{invoice['id']}/cancel", key=stranger, expect=404)["message"] == "NOT_FOUND"
    assert api("GET", "/api/invoices", key=stranger)["items"] == []
    assert api("GET", "/api/merchants/by-business/marketplace/biz_42/providers", key=stranger) == {"items": []}
    assert api("POST", "/api/invoices", wanted(), key=stranger, expect=400)["message"] == "VALIDATION_ERROR"
    own = make_key(Provider.objects.get(slug="marketplace"))
    assert api("GET", f"/api/invoices/{invoice['id']}", key=own)["id"] == invoice["id"]


def test_the_live_service_key_sees_nothing_of_test_mode(api):
    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    live = LIVE_SERVICE_KEY
    assert api("GET", f"/api/invoices/{invoice['id']}", key=live, expect=404)["message"] == "NOT_FOUND"
    make_key(Provider.objects.get(slug="marketplace"), mode=Mode.LIVE)
    assert api("GET", "/api/invoices", key=live)["items"] == []


def test_the_same_idempotency_key_creates_one_invoice(api):
    register(api)
    first = api("POST", "/api/invoices", wanted(), **{"Idempotency-Key": "k1"})
    assert api("POST", "/api/invoices", wanted(), **{"Idempotency-Key": "k1"}) == first
    envelope = api("POST", "/api/invoices", wanted(amount=100), expect=422, **{"Idempotency-Key": "k1"})
    assert envelope["message"] == "IDEMPOTENCY_MISMATCH"
    assert Order.objects.count() == 1


def test_a_processor_without_refund_api_names_its_portal(api, client):
    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    assert api("POST", "/api/refunds", {"invoiceId": invoice["id"]}, expect=400)["message"] == "NOT_REFUNDABLE"
    assert pay(client, invoice)["state"] == 2
    envelope = api("POST", "/api/refunds", {"invoiceId": invoice["id"]}, expect=400)
    assert envelope["message"] == "NOT_REFUNDABLE" and "Payme" in envelope["data"]["details"][0]
    again = api("POST", "/api/invoices", wanted(), expect=400)
    assert (again["message"], again["data"]["invoiceId"]) == ("ALREADY_PAID", invoice["id"])
    assert api("POST", f"/api/invoices/{invoice['id']}/cancel", expect=409)["message"] == "ALREADY_PAID"
    paid = api("GET", f"/api/invoices/{invoice['id']}")
    assert paid["status"] == "paid" and paid["paidAt"].endswith("Z") and "/receipt/rcp_" in paid["receiptUrl"]


def test_malformed_and_foreign_ids_are_not_found(api):
    for path in ("/api/invoices/nothing", "/api/invoices/00000000-0000-0000-0000-000000000000"):
        assert api("GET", path, expect=404)["message"] == "NOT_FOUND"
    assert api("POST", "/api/refunds", {"invoiceId": "x"}, expect=404)["message"] == "NOT_FOUND"
    assert api("POST", "/api/refunds", {}, expect=400)["data"]["details"] == ['"invoiceId" is required']
