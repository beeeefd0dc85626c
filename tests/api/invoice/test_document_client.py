"""The API document's own client, routes and webhook receiver, run as the document writes them (document/*.ts)."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from django.test import Client

from checkout.models import Order
from tests.api.invoice.asking import LINE, PAYME, SERVICE_KEY, pay, send
from tests.webhooks.helpers import run
from webhooks.models import Delivery

NODE = shutil.which("node")
RUN = Path(__file__).with_name("document") / "run.mjs"
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(NODE is None and not os.environ.get("CI"), reason="the document's client needs Node"),
]


@pytest.fixture
def app(live_server, settings):
    """The consuming app: app(verb, name, what) → what it printed. Its environment is the document's."""
    settings.BASE_URL = live_server.url
    environment = {
        "PATH": os.environ["PATH"],
        "PAYMENT_SERVICE_URL": live_server.url,
        "PAYMENT_SERVICE_KEY": SERVICE_KEY,
        "API_PUBLIC_URL": "http://shop.test",
        "WEB_PUBLIC_URL": "http://shop.test",
    }

    def ask(verb, name, what, **more):
        command = [NODE, RUN, verb, name, json.dumps(what)]
        done = subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def shop(settings):
    """The document's webhook route behind a real server, with the secret that we sign with."""
    environment = {"PATH": os.environ["PATH"], "WEBHOOK_SIGNING_SECRET": settings.WEBHOOK_SIGNING_SECRET}
    process = subprocess.Popen(
        [NODE, RUN, "receive", "webhook-route.ts"],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    process.next = lambda: json.loads(process.stdout.readline())
    yield process
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def register(app):
    session = {"business": {"id": "biz 42/Ж", "name": "Restoran A"}}
    made = app("route", "onboard-route.ts", {"session": session, "body": {"provider": "payme", "credentials": PAYME}})
    assert made["status"] == 200
    assert list(made["body"]) == ["id"]


def test_the_document_s_flows_work_unchanged_from_onboarding_to_the_signed_webhook(app, shop, client):
    register(app)
    listed = app("call", "listProvidersFor", "biz 42/Ж")
    assert listed == {"value": {"items": [{"provider": "payme", "displayName": "Restoran A — payme"}]}}

    order = {"id": "order_123", "businessId": "biz 42/Ж", "totalTiyin": 5_000_000, "locale": "uz", "lines": [LINE]}
    started = app("route", "checkout-route.ts", {"order": order, "body": {"orderId": "order_123", "provider": "payme"}},
                  API_PUBLIC_URL=shop.url)  # fmt: skip
    stored = Order.objects.get()
    assert started["status"] == 200
    assert started["body"] == {"checkoutUrl": stored.payments.get().pay_url}
    assert started["db"][0]["data"] == {
        "paymentInvoiceId": str(stored.pk), "paymentProvider": "payme", "paymentStatus": "pending",
    }  # fmt: skip
    assert app("call", "getInvoice", str(stored.pk))["value"]["status"] == "pending"

    assert pay(Client(), {"id": str(stored.pk), "amount": 5_000_000})["state"] == 2
    polled = app("call", "getInvoice", str(stored.pk))["value"]
    assert (polled["status"], polled["id"]) == ("paid", str(stored.pk))

    assert run().delivered == 1
    heard = shop.next()
    assert (heard["status"], json.loads(heard["text"])) == (200, {"ok": True})
    assert heard["headers"]["x-payment-event"] == "invoice.updated"
    assert heard["headers"]["x-payment-id"] == str(stored.pk)
    assert heard["db"] == [{
        "where": {"id": "order_123", "paymentStatus": {"not": "paid"}},
        "data": {"paymentStatus": "paid", "paidAt": polled["paidAt"], "cardPan": None, "paymentSystem": None},
    }]  # fmt: skip
    assert send(client, "GET", f"/api/invoices/{stored.pk}").json()["data"]["notifyDelivered"] is True


def test_errors_reach_the_client_as_errors_with_our_word(app, client):
    register(app)
    wrong = {"businessId": "biz 42/Ж", "provider": "payme", "sourceInvoiceId": "o", "amount": 5, "notifyUrl": ""}
    assert app("call", "createInvoice", wrong) == {"error": "VALIDATION_ERROR"}
    assert app("call", "createInvoice", {**wrong, "amount": 100, "businessId": "x"}) == {"error": "MERCHANT_NOT_FOUND"}
    assert app("call", "getInvoice", "nothing") == {"error": "NOT_FOUND"}
    assert app("call", "getInvoice", "x", PAYMENT_SERVICE_KEY="nobody") == {"error": "UNAUTHORIZED"}
    invoice = app("call", "createInvoice", {**wrong, "amount": 100})["value"]
    assert pay(Client(), {"id": invoice["id"], "amount": 100})["state"] == 2
    assert app("call", "refund", {"invoiceId": invoice["id"], "reason": "r"}) == {"error": "NOT_REFUNDABLE"}
    told = send(client, "POST", "/api/refunds", {"invoiceId": invoice["id"]}).json()
    assert told["data"]["details"] == ["Payme has no refunds by API: use its portal"]


def test_the_document_s_verify_refuses_what_we_did_not_sign(app, shop, settings):
    register(app)
    wanted = {
        "businessId": "biz 42/Ж",
        "provider": "payme",
        "sourceInvoiceId": "o",
        "amount": 100,
        "notifyUrl": shop.url,
    }
    invoice = app("call", "createInvoice", wanted)["value"]
    settings.WEBHOOK_SIGNING_SECRET = "another secret"
    assert pay(Client(), {"id": invoice["id"], "amount": 100})["state"] == 2

    run()
    heard = shop.next()

    assert (heard["status"], heard["text"], heard["db"]) == (401, "bad sig", [])
    assert Delivery.objects.get().last_status == 401
