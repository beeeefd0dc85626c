"""What a marketplace is told, over real HTTP, signed as the document says."""

import hashlib
import hmac
import json

import pytest
from django.utils import timezone

from checkout import orders
from checkout.models import Order
from providers import signing_secrets
from providers.models import Provider
from tests.api.invoice.asking import pay, payme, register, wanted
from tests.builders import later
from tests.webhooks.helpers import fresh, make_due, run, seconds_until_next
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


def open_invoice(api, receiver, **more):
    register(api)
    return api("POST", "/api/invoices", wanted(notifyUrl=receiver.url, **more))


def is_signed(received, secret):
    """The document's formula over the raw body."""
    expected = "sha256=" + hmac.new(secret.encode(), received.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, received.headers["X-Payment-Signature"])


def test_a_paid_invoice_is_told_once_with_the_document_s_body_headers_and_signature(api, client, receiver, settings):
    invoice = open_invoice(api, receiver)
    pay(client, invoice)

    assert run().delivered == 1

    (told,) = receiver.log
    order = Order.objects.get()
    assert json.loads(told.body) == {
        "id": invoice["id"],
        "source": "marketplace",
        "businessId": "biz_42",
        "sourceInvoiceId": "order_1",
        "amount": 5_000_000,
        "currency": "UZS",
        "status": "paid",
        "providerUuid": "65f0000000000000000000a1",
        "paidAt": api("GET", f"/api/invoices/{invoice['id']}")["paidAt"],
        "card": None,
        "receiptUrl": f"http://127.0.0.1:8000/receipt/{order.receipt_code}",
        "livemode": False,
    }
    assert {name: told.headers[name] for name in ("Content-Type", "X-Payment-Event", "X-Payment-Id")} == {
        "Content-Type": "application/json",
        "X-Payment-Event": "invoice.updated",
        "X-Payment-Id": invoice["id"],
    }
    assert is_signed(told, settings.WEBHOOK_SIGNING_SECRET)
    assert told.headers["webhook-id"]
    assert int(told.headers["X-Event-Sequence"]) == order.last_sequence
    assert api("GET", f"/api/invoices/{invoice['id']}")["notifyDelivered"] is True
    assert api("GET", "/api/invoices")["items"][0]["notifyDelivered"] is True


def test_a_source_with_a_secret_of_its_own_is_told_with_that(api, client, receiver, settings):
    invoice = open_invoice(api, receiver)
    own = signing_secrets.ensure(Provider.objects.get(), now=timezone.now()).secret.reveal()
    pay(client, invoice)
    run()
    (told,) = receiver.log
    assert is_signed(told, own)
    assert not is_signed(told, settings.WEBHOOK_SIGNING_SECRET)


def test_without_any_url_nobody_is_told_and_the_invoice_says_so(api, client):
    register(api)
    invoice = api("POST", "/api/invoices", wanted(notifyUrl=None))
    pay(client, invoice)
    assert Delivery.objects.count() == 0
    assert api("GET", f"/api/invoices/{invoice['id']}")["notifyDelivered"] is None


def test_the_ladder_is_1_2_4_8_16_seconds_stuck_from_the_fifth_failure_and_the_sixth_try_can_still_arrive(
    api, client, receiver
):
    invoice = open_invoice(api, receiver)
    assert api("GET", f"/api/invoices/{invoice['id']}")["notifyDelivered"] is None
    pay(client, invoice)
    row = Delivery.objects.get()
    receiver.answers = [(500, {}, b"no")] * 5
    seen = []
    for _ in range(5):
        make_due(row)
        run()
        delivered = api("GET", f"/api/invoices/{invoice['id']}")["notifyDelivered"]
        seen.append((round(seconds_until_next(row)), fresh(row).state, delivered))

    assert seen == [
        (1, "pending", False), (2, "pending", False), (4, "pending", False), (8, "pending", False),
        (16, "stuck", False),
    ]  # fmt: skip
    make_due(row)
    run()
    assert (fresh(row).state, fresh(row).attempts) == ("delivered", 6)
    assert api("GET", f"/api/invoices/{invoice['id']}")["notifyDelivered"] is True
    assert len({told.body for told in receiver.log}) == 1
    assert len({told.headers["webhook-id"] for told in receiver.log}) == 1


def test_cancelled_and_expired_are_told_as_cancelled(api, receiver):
    invoice = open_invoice(api, receiver)
    api("POST", f"/api/invoices/{invoice['id']}/cancel")
    api("POST", "/api/invoices", wanted(notifyUrl=receiver.url, sourceInvoiceId="order_2"))
    orders.expire_due_orders(now=later(hours=25))
    run()
    told = [json.loads(one.body) for one in receiver.log]
    assert sorted((body["sourceInvoiceId"], body["status"], body["paidAt"]) for body in told) == [
        ("order_1", "cancelled", None), ("order_2", "cancelled", None),
    ]  # fmt: skip


def test_refunded_is_told_like_paid(api, client, receiver):
    invoice = open_invoice(api, receiver)
    pay(client, invoice)
    assert payme(client, "CancelTransaction", id="65f0000000000000000000a1", reason=5)["state"] == -2
    while run().delivered:
        pass
    told = [json.loads(one.body) for one in receiver.log]
    assert [body["status"] for body in told] == ["paid", "refunded"]
    assert told[0]["paidAt"] == told[1]["paidAt"]
    shown = api("GET", f"/api/invoices/{invoice['id']}")
    assert (shown["status"], shown["refundedAmount"], shown["notifyDelivered"]) == ("refunded", 5_000_000, True)
    (refund,) = api("GET", f"/api/refunds/by-invoice/{invoice['id']}")["items"]
    assert (refund["amount"], refund["status"]) == (5_000_000, "succeeded")


def test_of_a_paid_sibling_s_twins_nothing_is_told_then_or_later(api, client, receiver):
    first = open_invoice(api, receiver)
    second = api("POST", "/api/invoices", wanted(notifyUrl=receiver.url))
    pay(client, second)
    assert api("GET", f"/api/invoices/{first['id']}")["status"] == "cancelled"
    api("POST", f"/api/invoices/{first['id']}/cancel")
    orders.expire_due_orders(now=later(hours=25))
    run()
    assert [(json.loads(one.body)["id"], json.loads(one.body)["status"]) for one in receiver.log] == [
        (second["id"], "paid")
    ]
    assert api("GET", f"/api/invoices/{first['id']}")["notifyDelivered"] is None
