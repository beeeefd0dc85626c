"""A processor that is called: an invoice in dollars at Stripe, on the lab."""

import json

import pytest

from checkout.models import Order, Payment, Refund
from tests.api.invoice.asking import LINE, send, wanted, without
from tests.builders import callback
from tests.lab import STRIPE_KEY, STRIPE_SECRET
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def business(api, lab):
    credentials = {"secretKey": STRIPE_KEY, "webhookSecret": STRIPE_SECRET}
    body = {"source": "marketplace", "businessId": "biz_us", "provider": "stripe", "credentials": credentials}
    return api("POST", "/api/merchants", {**body, "displayName": "Diner: Stripe"})


def dollars(**more):
    body = wanted(businessId="biz_us", provider="stripe", currency="USD", amount=10_000, **more)
    return without(body, "lang")


def paid(api, client, lab, **more):
    invoice = api("POST", "/api/invoices", dollars(**more))
    payment = Payment.objects.get(order_id=invoice["id"])
    lab.act(payment.processor_ref, "approve")
    event = next(
        event for event in lab.events("checkout.session.completed")
        if event["data"]["object"]["id"] == payment.processor_ref
    )  # fmt: skip
    assert callback(client, event).status_code == 200
    return api("GET", f"/api/invoices/{invoice['id']}")


def test_an_invoice_is_opened_at_stripe_paid_and_refunded_in_parts(api, client, lab, business):
    invoice = paid(api, client, lab)
    assert (invoice["status"], invoice["currency"], invoice["amount"]) == ("paid", "USD", 10_000)
    payment = Payment.objects.get()
    assert invoice["providerUuid"] == payment.processor_ref and payment.capture_ref == lab.payments()[0]["id"]

    first = api("POST", "/api/refunds", {"invoiceId": invoice["id"], "amount": 3_333, "reason": "one item"})
    assert (first["amount"], first["reason"], first["invoiceId"]) == (3_333, "one item", invoice["id"])
    too_much = api("POST", "/api/refunds", {"invoiceId": invoice["id"], "amount": 6_668}, expect=400)
    assert (too_much["message"], too_much["data"]["details"]) == (
        "REFUND_TOO_LARGE", ["At most 66.67 USD can be refunded"],
    )  # fmt: skip
    api("POST", "/api/refunds", {"invoiceId": invoice["id"]})
    for event in lab.events():
        if event["type"].startswith("refund.") or event["type"] == "charge.refunded":
            callback(client, event)
    amounts = [row["amount"] for row in api("GET", f"/api/refunds/by-invoice/{invoice['id']}")["items"]]
    assert amounts == [3_333, 6_667]
    assert sum(row["amount"] for row in lab.refunds()) == 10_000


def test_the_refund_key_is_for_ever_and_per_invoice(api, client, lab, business):
    invoice = paid(api, client, lab)
    body = {"invoiceId": invoice["id"], "amount": 1_000, "idempotencyKey": "r1"}
    first = api("POST", "/api/refunds", body)
    assert api("POST", "/api/refunds", body)["id"] == first["id"]
    assert api("POST", "/api/refunds", {**body, "cardPan": "8600123412341234"})["id"] == first["id"]
    mismatch = api("POST", "/api/refunds", {**body, "amount": 999}, expect=422)
    assert mismatch["message"] == "IDEMPOTENCY_MISMATCH"
    other = paid(api, client, lab, sourceInvoiceId="order_2")
    assert api("POST", "/api/refunds", {**body, "invoiceId": other["id"]})["id"] != first["id"]
    assert Refund.objects.count() == len(lab.refunds()) == 2


def test_a_header_alone_names_a_refund_even_when_its_first_answer_was_lost(api, client, lab, business):
    from checkout.models import IdempotencyRecord

    invoice = paid(api, client, lab)
    body = {"invoiceId": invoice["id"], "amount": 1_000}
    first = api("POST", "/api/refunds", body, **{"Idempotency-Key": "h1"})
    IdempotencyRecord.objects.update(answer="", lease_until=None)  # we died before the answer was kept
    again = api("POST", "/api/refunds", body, **{"Idempotency-Key": "h1"})
    assert again["id"] == first["id"]
    assert Refund.objects.count() == len(lab.refunds()) == 1


def test_a_refund_that_stripe_refuses_is_told_in_its_words_and_gives_its_amount_free(api, client, lab, business):
    invoice = paid(api, client, lab)
    Payment.objects.update(capture_ref="pi_nobody_knows")
    refused = api("POST", "/api/refunds", {"invoiceId": invoice["id"]}, expect=400)
    assert refused["message"] == "NOT_REFUNDABLE"
    assert refused["data"]["refund"]["status"] == "failed"
    assert api("GET", f"/api/invoices/{invoice['id']}")["refundedAmount"] == 0


def test_lines_that_do_not_add_up_to_the_refund_or_the_rest_are_refused(api, client, lab, business):
    line = {**LINE, "price": 10_000, "total": 10_000}
    invoice = paid(api, client, lab, ofd=[line])
    part = {**LINE, "price": 4_000, "total": 4_000}
    refusal = api("POST", "/api/refunds", {"invoiceId": invoice["id"], "amount": 3_000, "ofd": [part]}, expect=400)
    assert refusal["data"]["details"] == ["ofd totals add up to 4000, not to 3000 or 7000"]
    assert Refund.objects.count() == 0
    rest = {**LINE, "price": 6_000, "total": 6_000}
    assert api("POST", "/api/refunds", {"invoiceId": invoice["id"], "amount": 4_000, "ofd": [rest]})["amount"] == 4_000


def test_a_processor_that_cannot_be_reached_is_502_nothing_is_told_and_a_retry_opens_it(api, client, lab, business):
    lab.fault("503", times=9, match={"operation": "checkout.sessions.create"})
    headers = {"Idempotency-Key": "k"}
    answer = send(client, "POST", "/api/invoices", dollars(), **headers)
    if answer.status_code == 200:  # no clear answer came: the invoice stands and is asked about
        assert answer.json()["data"]["status"] == "pending"
        return
    assert (answer.status_code, answer.json()["message"]) == (502, "UPSTREAM_ERROR")
    assert Order.objects.get().status == "cancelled"
    assert Delivery.objects.count() == 0


def test_a_misconfigured_account_is_502_unheard_and_the_retry_is_the_same_invoice(api, client, lab, business):
    lab.fault("429", times=20, match={"operation": "checkout.sessions.create"})
    headers = {"Idempotency-Key": "k"}
    first = send(client, "POST", "/api/invoices", dollars(), **headers)
    assert (first.status_code, first.json()["message"]) == (502, "UPSTREAM_ERROR"), first.content
    assert Delivery.objects.count() == 0
    lab.control("/faults/clear")

    again = send(client, "POST", "/api/invoices", dollars(), **headers)

    assert again.status_code == 200, again.content
    order = Order.objects.get()
    assert (again.json()["data"]["id"], order.status) == (str(order.pk), "pending")
    assert [event.kind for event in order.events.all()] == [
        "order_created", "payment_started", "payment_error", "order_cancelled",
        "order_created", "payment_started", "payment_pending",
    ]  # fmt: skip
    assert json.loads(send(client, "POST", "/api/invoices", dollars(), **headers).content)["data"]["id"] == str(
        order.pk
    )
