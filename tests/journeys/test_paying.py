"""From registration to the last webhook, at every processor that asks us: nothing but HTTP on all sides."""

import pytest

from checkout.models import Order, Payment, ProcessorTransaction, Refund
from tests.asking import AMOUNT, ASKING, BUSINESS, SOURCE, lines

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("slug", ASKING)]


def captures(invoice):
    return Payment.objects.filter(order=invoice["id"], captured_minor__gt=0)


def test_a_business_is_registered_paid_and_refunded(marketplace, slug):
    desk = marketplace.desk(slug)
    account = marketplace.register(slug)
    assert account["callbackUrl"].startswith(f"{marketplace.url}/api/callbacks/{slug}")
    offered = marketplace.api("GET", f"/api/merchants/by-business/{SOURCE}/{BUSINESS}/providers")["items"]
    assert [item["provider"] for item in offered] == [slug]

    invoice = marketplace.invoice(slug)
    assert (invoice["status"], invoice["amount"]) == ("pending", AMOUNT)
    back = marketplace.buyer(slug, invoice)
    assert back.status_code == 303, back.text
    desk.settled()
    marketplace.wait_for(invoice, "paid")
    [told] = marketplace.told(invoice)
    assert {name: told[name] for name in ("status", "source", "businessId", "amount", "currency", "livemode")} == {
        "status": "paid", "source": SOURCE, "businessId": BUSINESS, "amount": AMOUNT, "currency": "UZS",
        "livemode": False,
    }  # fmt: skip
    assert told["sourceInvoiceId"] == invoice["sourceInvoiceId"] and told["paidAt"] and told["providerUuid"]
    read = marketplace.read(invoice)
    assert (read["status"], read["notifyDelivered"], read["refundedAmount"]) == ("paid", True, 0)
    assert desk.latest(invoice)["status"] == desk.paid
    assert captures(invoice).get().captured_minor == AMOUNT

    part = 500_050
    if desk.refunds_by_api:
        done = marketplace.refund(invoice, part, ofd=lines(AMOUNT - part), idempotencyKey="part")
        assert (done["status"], done["amount"]) == ("succeeded", part)
        again = marketplace.refund(invoice, part, ofd=lines(AMOUNT - part), idempotencyKey="part")
        assert again["id"] == done["id"]
        assert desk.gave_back(invoice) == part
        read = marketplace.read(invoice)
        assert (read["status"], read["refundedAmount"]) == ("paid", part)
        assert marketplace.refund(invoice, AMOUNT, ofd=lines(AMOUNT), expect=400)["message"] == "REFUND_TOO_LARGE"
        assert marketplace.refund(invoice, ofd=lines(AMOUNT - part))["amount"] == AMOUNT - part
    else:
        for amount in (part, None):
            refused = marketplace.refund(invoice, amount, expect=400)
            assert refused["message"] == "NOT_REFUNDABLE" and refused["data"]["details"]
        assert Refund.objects.count() == 0 and desk.gave_back(invoice) == 0
        desk.refund_in_cabinet(invoice)
        desk.settled()
    marketplace.wait_for(invoice, "refunded")
    assert [body["status"] for body in marketplace.told(invoice)] == ["paid", "refunded"]
    assert desk.gave_back(invoice) == AMOUNT
    listed = marketplace.api("GET", f"/api/refunds/by-invoice/{invoice['id']}")["items"]
    assert sum(row["amount"] for row in listed if row["status"] == "succeeded") == AMOUNT
    marketplace.refund(invoice, expect=400)
    assert desk.gave_back(invoice) == AMOUNT
    assert desk.violations() == []


def test_a_buyer_whose_card_is_refused_may_try_again(marketplace, slug):
    desk = marketplace.desk(slug)
    marketplace.register(slug)
    invoice = marketplace.invoice(slug)
    marketplace.buyer(slug, invoice, "decline")
    desk.settled()
    assert marketplace.status_of(invoice) in ("pending", "failed")
    assert captures(invoice).count() == 0
    marketplace.buyer(slug, invoice)
    desk.settled()
    marketplace.wait_for(invoice, "paid")
    assert [body["status"] for body in marketplace.told(invoice)][-1] == "paid"
    assert captures(invoice).count() == 1
    assert desk.violations() == []


def test_a_payment_that_takes_its_time_is_pending_until_it_is_made(marketplace, slug):
    desk = marketplace.desk(slug)
    marketplace.register(slug)
    invoice = marketplace.invoice(slug)
    marketplace.buyer(slug, invoice, "delay")
    assert marketplace.status_of(invoice) == "pending"
    marketplace.wait_for(invoice, "paid")
    desk.wait_for(invoice, desk.paid)
    assert [body["status"] for body in marketplace.told(invoice)] == ["paid"]
    assert desk.violations() == []


def test_a_paid_invoice_cannot_be_paid_again_nor_opened_again(marketplace, slug):
    desk = marketplace.desk(slug)
    marketplace.register(slug)
    invoice = marketplace.invoice(slug)
    marketplace.buyer(slug, invoice)
    marketplace.wait_for(invoice, "paid")
    marketplace.buyer(slug, invoice)
    desk.settled()
    assert [row["status"] for row in desk.payments(invoice)].count(desk.paid) == 1
    refused = marketplace.api(
        "POST", "/api/invoices", {
            "source": SOURCE, "businessId": BUSINESS, "provider": slug, "amount": AMOUNT, "currency": "UZS",
            "sourceInvoiceId": invoice["sourceInvoiceId"], "notifyUrl": marketplace.receiver.url, "ofd": lines(AMOUNT),
        }, expect=400,
    )  # fmt: skip
    assert (refused["message"], refused["data"]["invoiceId"]) == ("ALREADY_PAID", invoice["id"])
    assert [body["status"] for body in marketplace.told(invoice)] == ["paid"]
    assert (Order.objects.count(), captures(invoice).count()) == (1, 1)
    assert desk.violations() == []


def test_a_cancelled_invoice_can_no_longer_be_paid(marketplace, slug):
    desk = marketplace.desk(slug)
    marketplace.register(slug)
    invoice = marketplace.invoice(slug)
    assert marketplace.cancel(invoice)["status"] == "cancelled"
    marketplace.buyer(slug, invoice)
    desk.settled()
    assert marketplace.status_of(invoice) == "cancelled"
    assert desk.paid not in [row["status"] for row in desk.payments(invoice)]
    assert [body["status"] for body in marketplace.told(invoice)] == ["cancelled"]
    assert captures(invoice).count() == 0
    assert desk.violations() == []


def test_money_that_arrives_while_we_cancel_is_settled_one_way_only(marketplace, slug):
    """The buyer has pressed Pay, we cancel, the processor settles: either nobody paid, or it is paid and said so."""
    desk = marketplace.desk(slug)
    marketplace.register(slug)
    invoice = marketplace.invoice(slug)
    marketplace.buyer(slug, invoice, "delay")
    answer = marketplace.cancel_whatever(invoice)
    desk.wait_over(invoice)
    desk.settled()
    status = marketplace.status_of(invoice)
    if answer == 200:
        assert status == "cancelled" and captures(invoice).count() == 0
        assert desk.latest(invoice)["status"] != desk.paid
    else:
        marketplace.wait_for(invoice, "paid")
        assert (answer, captures(invoice).count()) == (409, 1)
    assert [body["status"] for body in marketplace.told(invoice)] == [marketplace.status_of(invoice)]
    assert ProcessorTransaction.objects.filter(state="created").count() == 0
    assert desk.violations() == []
