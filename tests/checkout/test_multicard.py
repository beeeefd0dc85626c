"""Multicard at our real address: a callback whose answer decides, and webhooks that only tell."""

import hashlib
import json
from dataclasses import replace

import pytest
from django.utils import timezone

from checkout import invoices, orders, payments, refunds
from gateway.money import Money
from gateway.types import Mode, Outcome, PaymentReport, RefundOutcome, RefundReport
from providers import accounts
from tests.builders import make_provider
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "Pw18axeBFo8V7NamKHXX"
UUID = "11111111-2222-4333-8444-555555555555"
LINE = {"qty": 1, "price": 1_500_000, "total": 1_500_000, "mxik": "06401004002000000", "package_code": "1506113",
        "name": "Test", "vat": 0}  # fmt: skip


@pytest.fixture
def marketplace(lab, settings):
    settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, ("multicard", "test"): f"{lab.url}/multicard"}
    credentials = {"applicationId": "rhmt_test", "secret": SECRET, "storeId": "6"}
    lab.control("/multicard/accounts", **credentials)
    provider = make_provider(with_account=False, webhook_url="")
    accounts.save_credentials(
        provider=provider, business_id="biz", processor="multicard", mode=Mode.TEST, now=timezone.now(),
        credentials=credentials,
    )  # fmt: skip
    return provider


def invoice(provider, *, source_invoice_id="order_1"):
    wanted = invoices.Wanted(
        provider=provider, mode=Mode.TEST, business_id="biz", processor="multicard", amount=Money(1_500_000, "UZS"),
        source_invoice_id=source_invoice_id, notify_url="https://shop.test/hook", items=[LINE],
    )  # fmt: skip
    return invoices.open_invoice(wanted, cause="test", now=timezone.now())


def success(client, order, *, amount=1_500_000, store="6", secret=SECRET, uuid=UUID, **more):
    sign = hashlib.md5(f"{store}{order.pk}{amount}{secret}".encode()).hexdigest()
    body = {
        "store_id": int(store), "amount": amount, "invoice_id": str(order.pk), "billing_id": None,
        "payment_time": "2026-11-21 15:00:00", "phone": "998901234567", "card_pan": "860030******5959",
        "ps": "uzcard", "card_token": "never-kept", "uuid": uuid, "receipt_url": "https://ofd.test/r", "sign": sign,
        **more,
    }  # fmt: skip
    return client.post("/api/callbacks/multicard", json.dumps(body), content_type="application/json")


def told(order):
    return [json.loads(d.body) for d in Delivery.objects.filter(order_id=order.pk).order_by("sequence")]


def test_the_invoice_leads_to_multicards_own_page(marketplace):
    order, payment = invoice(marketplace)
    assert payment.status == "pending" and payment.processor_ref
    assert invoices.checkout_url(order, payment) == payment.pay_url


def test_a_success_callback_pays_once_and_is_answered_the_same_again(marketplace, client):
    order, payment = invoice(marketplace)
    for _ in range(2):
        answer = success(client, order)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    order.refresh_from_db()
    assert (order.status, order.paid_by_id) == ("paid", payment.pk)
    (body,) = told(order)
    assert body["status"] == "paid"
    assert body["card"] == {"pan": "860030******5959", "paymentSystem": "uzcard"}
    other = success(client, order, uuid="99999999-2222-4333-8444-555555555555")
    assert other.json()["success"] is False


@pytest.mark.parametrize(
    "how", [{"amount": 1_499_999}, {"secret": "wrong"}, {"store": "7"}, {"invoice_id": "x"}, {"amount": 0}]
)
def test_what_is_not_owed_is_refused_so_that_the_buyer_gets_it_back(marketplace, client, how):
    order, _ = invoice(marketplace)
    answer = success(client, order, **how)
    assert answer.status_code == 200 and answer.json()["success"] is False
    order.refresh_from_db()
    assert (order.status, told(order)) == ("pending", [])


def test_after_our_cancel_the_success_is_refused(marketplace, client):
    order, _ = invoice(marketplace)
    assert orders.cancel_order(order_id=order.pk, cause="api", now=timezone.now()).status == "cancelled"
    assert success(client, order).json()["success"] is False
    order.refresh_from_db()
    assert (order.status, [b["status"] for b in told(order)]) == ("cancelled", ["cancelled"])


def test_of_two_siblings_the_second_success_is_refused(marketplace, client):
    first, _ = invoice(marketplace)
    second, _ = invoice(marketplace)
    assert success(client, first).json() == {"success": True}
    assert success(client, second, uuid="99999999-2222-4333-8444-555555555555").json()["success"] is False
    second.refresh_from_db()
    assert (second.status, told(second)) == ("cancelled", [])


def test_news_of_a_second_debit_never_changes_the_first(marketplace, client):
    """Multicard refused to us and sent back: that is not the money that paid the order."""
    order, payment = invoice(marketplace)
    assert success(client, order).json() == {"success": True}
    now, other = timezone.now(), "99999999-2222-4333-8444-555555555555"
    back = RefundReport(
        reference="", processor_ref=f"{other}/revert", payment_processor_ref=other, outcome=RefundOutcome.SUCCEEDED,
        money=Money(1_500_000, "UZS"), is_total=True,
    )  # fmt: skip
    assert refunds.record_total(payment_id=payment.pk, report=back, cause="test", now=now) == "refused"
    progress = PaymentReport(
        reference=str(payment.pk), processor_ref="", outcome=Outcome.PROCESSING, processor_data={"payment_uuid": other}
    )
    assert payments.apply_report(payment_id=payment.pk, report=progress, cause="test", now=now) == "refused"
    again = replace(progress, outcome=Outcome.CAPTURED, money=Money(1_500_000, "UZS"))
    assert payments.apply_report(payment_id=payment.pk, report=again, cause="test", now=now) == "review"
    order.refresh_from_db()
    payment.refresh_from_db()
    assert (order.status, order.refunded_minor) == ("paid", 0)
    assert (payment.status, payment.processor_data["payment_uuid"]) == ("captured", UUID)
    assert [b["status"] for b in told(order)] == ["paid"]
