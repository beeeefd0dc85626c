"""Processors that ask first, at our real addresses: decided under the order's lock, answered in their own form."""

import base64
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout import decisions, invoices, orders, payments
from checkout.errors import AlreadyPaid
from checkout.models import CallbackRecord, Order, ProcessorTransaction, Refund
from gateway.money import Money
from gateway.types import Mode
from providers import accounts
from tests.builders import later, make_provider
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "test-key-000000000000000000000000001"
KASSA = "0123456789abcdef01234567"


@pytest.fixture
def marketplace():
    provider = make_provider(with_account=False, webhook_url="")
    accounts.save_credentials(
        provider=provider, business_id="biz_42", processor="payme", mode=Mode.TEST, now=timezone.now(),
        credentials={"merchantId": KASSA, "key": KEY},
    )  # fmt: skip
    return provider


def invoice(provider, *, amount=1_500_000, source_invoice_id="order_1", processor="payme"):
    wanted = invoices.Wanted(
        provider=provider, mode=Mode.TEST, business_id="biz_42", processor=processor, amount=Money(amount, "UZS"),
        source_invoice_id=source_invoice_id, notify_url="https://shop.test/hook", lang="uz",
    )  # fmt: skip
    return invoices.open_invoice(wanted, cause="test", now=timezone.now())[0]


def payme(client, method, *, key=KEY, **params):
    auth = base64.b64encode(f"Paycom:{key}".encode()).decode()
    answer = client.post(
        "/api/callbacks/payme",
        json.dumps({"jsonrpc": "2.0", "id": 41, "method": method, "params": params}),
        content_type="text/json",
        headers={"Authorization": f"Basic {auth}"},
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["id"] == 41
    return body.get("result") or body["error"]


def millis(at=None):
    return int((at or timezone.now()).timestamp() * 1000)


def create(client, order, ref="65f0000000000000000000a1", *, amount=None, at=None, **how):
    return payme(
        client, "CreateTransaction", id=ref, time=millis(at), amount=amount or order.amount_minor,
        account={"order_id": str(order.pk)}, **how,
    )  # fmt: skip


def told(order):
    return [json.loads(d.body)["status"] for d in Delivery.objects.filter(order_id=order.pk).order_by("sequence")]


def test_check_create_perform_pays_the_invoice_and_repeats_are_answered_the_same(marketplace, client):
    order = invoice(marketplace)
    account = {"order_id": str(order.pk)}
    assert payme(client, "CheckPerformTransaction", amount=1_500_000, account=account)["allow"] is True
    first = create(client, order)
    assert first["state"] == 1 and first == create(client, order)
    done = payme(client, "PerformTransaction", id="65f0000000000000000000a1")
    assert done["state"] == 2 and done == payme(client, "PerformTransaction", id="65f0000000000000000000a1")
    order.refresh_from_db()
    assert order.status == "paid"
    assert told(order) == ["paid"]
    body = json.loads(Delivery.objects.get().body)
    assert body["providerUuid"] == "65f0000000000000000000a1"
    assert (body["id"], body["sourceInvoiceId"], body["amount"]) == (str(order.pk), "order_1", 1_500_000)
    assert Delivery.objects.get().headers == {"X-Payment-Event": "invoice.updated", "X-Payment-Id": str(order.pk)}
    assert Delivery.objects.get().ladder == "invoice"


def test_refusals_change_nothing(marketplace, client):
    order = invoice(marketplace)
    account = {"order_id": str(order.pk)}
    before = order.last_sequence
    assert payme(client, "CheckPerformTransaction", amount=1_500_001, account=account)["code"] == -31001
    assert create(client, order, amount=1_499_999)["code"] == -31001
    unknown = payme(client, "CheckPerformTransaction", amount=1, account={"order_id": "nothing"})
    assert -31099 <= unknown["code"] <= -31050 and unknown["data"] == "order_id"
    assert payme(client, "PerformTransaction", id="65f0000000000000000000ff")["code"] == -31003
    assert create(client, order, key="somebody else's")["code"] == -32504
    order.refresh_from_db()
    assert (order.status, ProcessorTransaction.objects.count()) == ("pending", 0)
    assert order.last_sequence == before


def test_a_second_transaction_for_a_held_order_hears_busy(marketplace, client):
    order = invoice(marketplace)
    create(client, order)
    assert create(client, order, ref="65f0000000000000000000b2")["code"] == -31008
    assert ProcessorTransaction.objects.count() == 1


def test_a_cancelled_reservation_frees_the_order_and_nobody_is_told(marketplace, client):
    order = invoice(marketplace)
    create(client, order)
    cancelled = payme(client, "CancelTransaction", id="65f0000000000000000000a1", reason=3)
    assert cancelled["state"] == -1
    assert cancelled == payme(client, "CancelTransaction", id="65f0000000000000000000a1", reason=5)
    assert payme(client, "PerformTransaction", id="65f0000000000000000000a1")["code"] == -31008
    order.refresh_from_db()
    assert (order.status, told(order)) == ("pending", [])
    assert create(client, order, ref="65f0000000000000000000b2")["state"] == 1


def test_cancel_after_pay_is_a_refund(marketplace, client):
    order = invoice(marketplace)
    create(client, order)
    payme(client, "PerformTransaction", id="65f0000000000000000000a1")
    undone = payme(client, "CancelTransaction", id="65f0000000000000000000a1", reason=5)
    assert undone["state"] == -2
    assert undone == payme(client, "CancelTransaction", id="65f0000000000000000000a1", reason=5)
    order.refresh_from_db()
    assert (order.status, told(order)) == ("refunded", ["paid", "refunded"])
    assert Refund.objects.get().is_external


def test_twelve_hours_end_a_reservation_by_the_sweep(marketplace, client):
    order = invoice(marketplace)
    create(client, order)
    assert decisions.end_expired_reservations(now=later(hours=11, minutes=59)) == 0
    assert decisions.end_expired_reservations(now=later(hours=12, seconds=1)) == 1
    found = payme(client, "CheckTransaction", id="65f0000000000000000000a1")
    assert (found["state"], found["reason"]) == (-1, 4)
    order.refresh_from_db()
    assert order.status == "pending"


def test_a_stale_create_is_refused_and_not_stored(marketplace, client):
    order = invoice(marketplace)
    assert create(client, order, at=timezone.now() - timedelta(hours=12))["code"] == -31008
    assert ProcessorTransaction.objects.count() == 0


def test_our_cancel_ends_the_reservation_so_that_perform_is_refused(marketplace, client):
    order = invoice(marketplace)
    create(client, order)
    assert orders.cancel_order(order_id=order.pk, cause="api", now=timezone.now()).status == "cancelled"
    assert payme(client, "PerformTransaction", id="65f0000000000000000000a1")["code"] == -31008
    order.refresh_from_db()
    assert (order.status, told(order)) == ("cancelled", ["cancelled"])


def test_an_order_with_a_live_reservation_does_not_expire(marketplace, client):
    order = invoice(marketplace)
    create(client, order, at=timezone.now())
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    assert orders.expire_due_orders(now=timezone.now()) == 0
    assert payme(client, "PerformTransaction", id="65f0000000000000000000a1")["state"] == 2
    order.refresh_from_db()
    assert (order.status, order.is_late) == ("paid", False)


def test_one_of_two_siblings_is_paid_and_the_other_is_cancelled_without_a_word(marketplace, client):
    first, second = invoice(marketplace), invoice(marketplace)
    create(client, first)
    create(client, second, ref="65f0000000000000000000b2")
    assert payme(client, "PerformTransaction", id="65f0000000000000000000b2")["state"] == 2
    assert payme(client, "PerformTransaction", id="65f0000000000000000000a1")["code"] == -31008
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("cancelled", "paid")
    assert (told(first), told(second)) == ([], ["paid"])
    with pytest.raises(Exception) as refused:
        invoice(marketplace)
    assert refused.value.code == "ALREADY_PAID" and refused.value.details == {"invoice_id": str(second.pk)}


def test_another_businesss_key_does_not_see_this_order(marketplace, client):
    accounts.save_credentials(
        provider=marketplace, business_id="biz_43", processor="payme", mode=Mode.TEST, now=timezone.now(),
        credentials={"merchantId": "f" * 24, "key": "another-key-00000000000000000000000"},
    )  # fmt: skip
    order = invoice(marketplace)
    create(client, order)
    other = {"key": "another-key-00000000000000000000000"}
    assert -31099 <= create(client, order, ref="65f0000000000000000000c3", **other)["code"] <= -31050
    assert payme(client, "CheckTransaction", id="65f0000000000000000000a1", **other)["code"] == -31003
    everything = {"from": 0, "to": millis() + 10_000}
    assert payme(client, "GetStatement", **everything, **other) == {"transactions": []}
    assert len(payme(client, "GetStatement", **everything)["transactions"]) == 1


def test_a_wrong_shape_is_answered_in_paymes_form_and_kept(marketplace, client):
    for body in (b"", b"{", b"[]", b"\xff", b"null", b'{"id":1,"method":"X","params":{}}', b"[" * 50_000):
        answer = client.post("/api/callbacks/payme", body, content_type="text/json")
        assert answer.status_code == 200 and answer.json()["error"]["code"] < 0
    assert client.get("/api/callbacks/payme").json()["error"]["code"] == -32300
    assert {row.verdict for row in CallbackRecord.objects.all()} == {"refused"}


def test_the_link_carries_the_order_and_opens_no_call(marketplace):
    order = invoice(marketplace)
    payment = order.payments.get()
    assert payment.status == "pending" and payment.next_ask_at is None
    decoded = base64.b64decode(payment.pay_url.rsplit("/", 1)[1]).decode()
    assert f"ac.order_id={order.pk}" in decoded and "a=1500000" in decoded
    assert invoices.checkout_url(order, payment) == payment.pay_url
    assert payments.schedule_question(order_id=order.pk, now=timezone.now()) is False


def test_a_sibling_that_slipped_in_beside_the_payment_cannot_be_paid(marketplace, client):
    """Opened in the moment in which the other one was being paid: it exists, and nothing opens a payment of it."""
    first = invoice(marketplace)
    late = invoice(marketplace, processor="")
    create(client, first)
    payme(client, "PerformTransaction", id="65f0000000000000000000a1")
    Order.objects.filter(pk=late.pk).update(status=Order.Status.PENDING, ended_at=None)
    with pytest.raises(AlreadyPaid):
        payments.start_payment(order_id=late.pk, processor="payme", is_mobile=False, cause="buyer", now=timezone.now())
    assert create(client, late, ref="65f0000000000000000000b2")["code"] < -31000
    assert late.payments.count() == 0 and ProcessorTransaction.objects.count() == 1
