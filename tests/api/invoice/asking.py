"""How these tests ask, and what a business and an invoice look like."""

import base64
import json

from checkout.models import Order, OrderEvent, Payment
from providers.models import MerchantAccount, Provider

SERVICE_KEY = "service-key-of-the-tests"
LIVE_SERVICE_KEY = "live-service-key-of-the-tests"
PAYME = {"merchantId": "0123456789abcdef01234567", "key": "test-key-000000000000000000000000001"}
LINE = {
    "qty": 1, "price": 5_000_000, "total": 5_000_000, "mxik": "06401004002000000", "package_code": "1506113",
    "name": "Test", "vat": 0,
}  # fmt: skip


def send(client, method, path, body=None, *, key=SERVICE_KEY, content_type="application/json", **headers):
    """The raw answer. Text and bytes are sent as they are."""
    raw = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
    sent = {"x-api-key": key, **headers} if key is not None else headers
    return client.generic(method, path, raw, content_type=content_type, headers=sent)


def register(api, *, business="biz_42", source="marketplace", **more):
    body = {"source": source, "businessId": business, "provider": "payme", "credentials": PAYME, **more}
    return api("POST", "/api/merchants", body)


def wanted(**more):
    return {
        "source": "marketplace", "businessId": "biz_42", "provider": "payme", "sourceInvoiceId": "order_1",
        "amount": 5_000_000, "currency": "UZS", "notifyUrl": "https://shop.test/hook", "lang": "uz", **more,
    }  # fmt: skip


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


def payme(client, method, *, key=PAYME["key"], **params):
    """Payme asks us: the result, or the error."""
    auth = base64.b64encode(f"Paycom:{key}".encode()).decode()
    answer = client.post(
        "/api/callbacks/payme",
        json.dumps({"jsonrpc": "2.0", "id": 41, "method": method, "params": params}),
        content_type="text/json",
        headers={"Authorization": f"Basic {auth}"},
    )
    assert answer.status_code == 200
    told = answer.json()
    return told.get("result") or told["error"]


def pay(client, invoice, ref="65f0000000000000000000a1"):
    """The buyer pays at Payme: Create and Perform. The Perform's answer."""
    from tests.checkout.test_asking import millis

    account, amount = {"order_id": invoice["id"]}, invoice["amount"]
    assert payme(client, "CheckPerformTransaction", account=account, amount=amount)["allow"] is True
    created = payme(client, "CreateTransaction", id=ref, time=millis(), account=account, amount=amount)
    return payme(client, "PerformTransaction", id=ref) if created.get("state") == 1 else created


def counts():
    """What a refusal must leave as it is."""
    return tuple(model.objects.count() for model in (Order, OrderEvent, Payment, MerchantAccount, Provider))
