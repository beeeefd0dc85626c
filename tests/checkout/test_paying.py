"""From an order to its money, by what Stripe tells us."""

import copy
import json

import pytest

from checkout import orders, payments, rounds
from checkout.errors import AlreadyPaid, NotPayable, PaymentUnderWay, ProcessorTrouble
from checkout.models import CallbackRecord, Order, OrderEvent, Payment
from tests.builders import approve, callback, later, make_order, make_paid_order, make_provider, start_payment
from tests.lab import signed
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


def kinds(order):
    return list(order.events.order_by("sequence").values_list("kind", flat=True))


def told(order):
    return [json.loads(d.body) for d in Delivery.objects.filter(order_id=order.pk).order_by("sequence")]


def test_pay_leads_to_cash_app_and_an_approval_pays_the_order(lab, client):
    order = make_order(make_provider(), external_id="TEST-1")
    payment = start_payment(order)
    assert payment.status == "pending"
    assert payment.pay_url.startswith(lab.url)
    there = lab.payment(payment.processor_ref)
    assert (there["amount"], there["currency"], there["description"]) == (
        10_000, "usd", "Premium Credits | Direct (Bitloader)",
    )  # fmt: skip
    wanted = {
        "serviceId": str(order.service_id), "serviceName": "Premium Credits", "quantity": "20",
        "providerId": str(order.provider_id), "providerName": "Bitloader", "externalId": "TEST-1",
    }  # fmt: skip
    assert wanted.items() <= there["metadata"].items()

    approve(lab, client, payment)

    order.refresh_from_db()
    assert (order.status, order.paid_by_id, order.is_late) == ("paid", payment.pk, False)
    assert kinds(order) == ["order_created", "payment_started", "payment_pending", "paid"]
    (body,) = told(order)
    timestamp = body.pop("timestamp")
    assert timestamp.endswith("Z") and len(timestamp) == len("2026-01-30T10:00:00.000Z")
    assert body == {
        "event": "payment_succeeded",
        "orderId": str(order.pk),
        "externalId": "TEST-1",
        "providerId": str(order.provider_id),
        "providerName": "Bitloader",
        "serviceId": str(order.service_id),
        "serviceName": "Premium Credits",
        "amount": 100,
        "status": "paid",
        "stripePaymentIntentId": payment.processor_ref,
        "livemode": False,
    }


def test_the_same_callback_again_changes_nothing(lab, client):
    order = make_paid_order(lab, client)
    event = lab.events("payment_intent.succeeded")[0]
    before = kinds(order)
    for _ in range(3):
        assert callback(client, event).status_code == 200
    order.refresh_from_db()
    assert (order.status, kinds(order)) == ("paid", before)
    assert Delivery.objects.count() == 1
    assert list(CallbackRecord.objects.values_list("verdict", flat=True)) == ["nothing_new"] * 3 + ["applied"]


def test_a_decline_fails_the_order_once_and_another_try_pays_it(lab, client):
    order = make_order(make_provider())
    first = start_payment(order)
    lab.act(first.processor_ref, "decline")
    event = lab.events("payment_intent.payment_failed")[0]
    for _ in range(2):
        assert callback(client, event).status_code == 200
    order.refresh_from_db()
    assert order.status == "failed"
    assert [body["event"] for body in told(order)] == ["payment_failed"]
    assert told(order)[0]["status"] == "failed"

    second = start_payment(order)
    assert second.pk != first.pk and second.processor_ref != first.processor_ref
    assert lab.payment(first.processor_ref)["status"] == "canceled"  # the former try can capture no more
    approve(lab, client, second)
    order.refresh_from_db()
    assert (order.status, order.paid_by_id) == ("paid", second.pk)
    assert [body["event"] for body in told(order)] == ["payment_failed", "payment_succeeded"]


def test_a_failure_that_arrives_after_the_success_is_not_believed(lab, client):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "decline")
    lab.confirm_again(payment.processor_ref)
    lab.act(payment.processor_ref, "approve")
    assert callback(client, lab.events("payment_intent.succeeded")[0]).status_code == 200
    assert callback(client, lab.events("payment_intent.payment_failed")[0]).status_code == 200
    order.refresh_from_db()
    assert order.status == "paid"
    assert [body["event"] for body in told(order)] == ["payment_succeeded"]


@pytest.mark.parametrize(
    ("change", "reported"),
    [({"amount_received": 9_999}, (9_999, "USD")), ({"amount_received": 10_001}, (10_001, "USD")),
     ({"currency": "eur"}, (10_000, "EUR"))],
)  # fmt: skip
def test_wrong_money_is_quarantined_and_never_paid(lab, client, change, reported):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    event = copy.deepcopy(lab.events("payment_intent.succeeded")[0])
    event["data"]["object"].update(change)
    for _ in range(2):
        assert callback(client, event).status_code == 200
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.status, payment.reported_minor, payment.reported_currency) == ("review", *reported)
    assert order.status == "processing"
    assert told(order) == []
    assert kinds(order).count("payment_review") == 1
    with pytest.raises(PaymentUnderWay):
        start_payment(order)


def test_two_clicks_on_pay_make_one_payment(lab):
    order = make_order(make_provider())
    assert start_payment(order).pk == start_payment(order).pk
    assert len(lab.requests("payment_intents.create")) == 1


def test_a_create_that_timed_out_after_the_work_is_found_and_never_repeated(lab, client, settings):
    order = make_order(make_provider())
    lab.fault("reset_after", match={"operation": "payment_intents.create"})
    payment = start_payment(order)
    assert payment.status == "unknown"
    with pytest.raises(PaymentUnderWay):
        start_payment(order)
    assert payments.ask_due_payments(now=later(seconds=3)) == 1
    payment.refresh_from_db()
    assert payment.status == "pending" and payment.pay_url and payment.processor_ref
    assert len(lab.requests("payment_intents.create")) == 1
    approve(lab, client, payment)
    order.refresh_from_db()
    assert order.status == "paid"


def test_a_create_that_never_arrived_ends_without_money_and_may_be_tried_again(lab):
    order = make_order(make_provider())
    lab.fault("reset_before", match={"operation": "payment_intents.create"})
    payment = start_payment(order)
    assert payment.status == "unknown"
    payments.ask_due_payments(now=later(seconds=3))
    payment.refresh_from_db()
    assert payment.status == "unknown"  # too early to be sure
    payments.ask_due_payments(now=later(seconds=45))
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.status, order.status) == ("error", "pending")
    assert start_payment(order).status == "pending"


def test_a_processor_that_refuses_leaves_the_order_payable(lab):
    order = make_order(make_provider())
    lab.fault("429", match={"operation": "payment_intents.create"})
    with pytest.raises(ProcessorTrouble):
        start_payment(order)
    order.refresh_from_db()
    assert (order.status, order.payments.get().status) == ("pending", "error")
    assert start_payment(order).status == "pending"


def test_a_lost_callback_is_made_up_for_by_asking(lab):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    assert payments.schedule_question(order_id=order.pk, now=later(seconds=0))
    assert not payments.schedule_question(order_id=order.pk, now=later(seconds=0))
    assert payments.ask_due_payments(now=later(seconds=1)) == 1
    order.refresh_from_db()
    assert order.status == "paid"
    assert OrderEvent.objects.get(order=order, kind="paid").cause == "asked the processor"


def test_cancel_ends_the_payment_at_the_processor_first(lab):
    order = make_order(make_provider())
    payment = start_payment(order)
    assert orders.cancel_order(order_id=order.pk, cause="provider", now=later(seconds=0)).status == "cancelled"
    assert lab.payment(payment.processor_ref)["status"] == "canceled"
    assert orders.cancel_order(order_id=order.pk, cause="provider", now=later(seconds=0)).status == "cancelled"
    assert told(order) == []
    with pytest.raises(NotPayable):
        start_payment(order)


def test_cancel_that_meets_an_approval_finds_the_order_paid(lab):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.fault("success_after_cancel", match={"payment": payment.processor_ref})
    with pytest.raises(AlreadyPaid):
        orders.cancel_order(order_id=order.pk, cause="provider", now=later(seconds=0))
    order.refresh_from_db()
    assert (order.status, order.is_late) == ("paid", False)
    assert [body["event"] for body in told(order)] == ["payment_succeeded"]


def test_cancel_without_a_clear_answer_is_refused_and_nothing_is_said(lab):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.fault("503", match={"operation": "payment_intents.cancel"})
    with pytest.raises(PaymentUnderWay):
        orders.cancel_order(order_id=order.pk, cause="provider", now=later(seconds=0))
    order.refresh_from_db()
    assert order.status in ("pending", "processing") and told(order) == []
    assert order.closing_until is None  # the buyer may go on paying
    payments.ask_due_payments(now=later(seconds=5))
    assert orders.cancel_order(order_id=order.pk, cause="provider", now=later(seconds=6)).status == "cancelled"
    assert lab.payment(payment.processor_ref)["status"] == "canceled"


def test_an_order_expires_only_when_nothing_can_capture(lab):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.fault("503", match={"operation": "payment_intents.cancel"})
    assert orders.expire_due_orders(now=later(hours=25)) == 0
    order.refresh_from_db()
    assert order.status != Order.Status.EXPIRED
    payments.ask_due_payments(now=later(hours=25, seconds=10))
    assert orders.expire_due_orders(now=later(hours=26)) == 1
    order.refresh_from_db()
    assert order.status == "expired"
    assert lab.payment(payment.processor_ref)["status"] == "canceled"
    with pytest.raises(NotPayable):
        start_payment(order)


def test_money_that_arrives_after_the_end_makes_the_order_paid_and_late(lab, client):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    event = copy.deepcopy(lab.events("payment_intent.succeeded")[0])
    # A processor that told us "canceled" and took the money all the same.
    cancelled = copy.deepcopy(event)
    cancelled["id"], cancelled["type"] = "evt_cancelled", "payment_intent.canceled"
    cancelled["data"]["object"].update(status="canceled", amount_received=0)
    assert callback(client, cancelled).status_code == 200
    assert orders.cancel_order(order_id=order.pk, cause="provider", now=later(seconds=0)).status == "cancelled"
    assert callback(client, event).status_code == 200
    order.refresh_from_db()
    assert (order.status, order.is_late) == ("paid", True)
    assert [body["event"] for body in told(order)] == ["payment_succeeded"]


def test_a_provider_may_have_late_captures_refunded_by_themselves(lab, client):
    from checkout import refunds

    order = make_order(make_provider(refunds_late_captures=True))
    payment = start_payment(order)
    lab.act(payment.processor_ref, "decline")
    callback(client, lab.events("payment_intent.payment_failed")[0])
    lab.confirm_again(payment.processor_ref)
    lab.act(payment.processor_ref, "approve")
    callback(client, lab.events("payment_intent.succeeded")[0])
    order.refresh_from_db()
    assert (order.status, order.is_late) == ("paid", True)
    assert refunds.ask_due_refunds(now=later(seconds=1)) == 1
    order.refresh_from_db()
    assert (order.status, order.refunded_minor) == ("refunded", 10_000)
    assert [r["amount"] for r in lab.refunds()] == [10_000]


def test_a_second_capture_is_a_duplicate_and_changes_nothing_of_the_first(lab, client):
    order = make_order(make_provider())
    first = start_payment(order)
    lab.act(first.processor_ref, "decline")
    callback(client, lab.events("payment_intent.payment_failed")[0])
    second = start_payment(order)  # voids the first, says Stripe
    approve(lab, client, second)
    event = copy.deepcopy(lab.events("payment_intent.succeeded")[0])
    there = event["data"]["object"]
    event["id"], there["id"], there["metadata"]["paymentId"] = "evt_2", first.processor_ref, str(first.pk)
    assert callback(client, event).status_code == 200
    order.refresh_from_db()
    first.refresh_from_db()
    assert (order.status, order.paid_by_id) == ("paid", second.pk)
    assert (first.status, first.is_duplicate) == ("captured", True)
    assert [body["event"] for body in told(order)] == ["payment_failed", "payment_succeeded"]
    assert kinds(order)[-1] == "duplicate_payment"


def test_forged_foreign_and_stale_callbacks_move_nothing_and_are_kept(lab, client):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    event = lab.events("payment_intent.succeeded")[0]
    hostile = [
        callback(client, event, secret="whsec_somebody_else"),
        callback(client, event, at=later(minutes=-10).timestamp()),
        callback(client, event, at=later(minutes=10).timestamp()),
        client.post("/api/webhooks/stripe", json.dumps(event), content_type="application/json"),
        client.post("/api/webhooks/stripe", b"\xff\xfe{", content_type="application/json"),
        client.post("/api/webhooks/stripe", b"[1]", content_type="application/json"),
        client.post("/api/webhooks/stripe", b"[" * 100_000, content_type="application/json"),
        client.post("/api/webhooks/stripe", b"", content_type="application/json"),
    ]
    assert [answer.status_code for answer in hostile] == [400] * 8
    assert all(answer["Content-Type"] == "application/json" for answer in hostile)
    payment.refresh_from_db()
    assert payment.status == "pending" and kinds(order)[-1] == "payment_pending"
    records = CallbackRecord.objects.all()
    assert {record.verdict for record in records} == {"refused"} and len(records) == 8
    assert max(len(record.body) for record in records) <= 4096
    assert not any("_secret_" in record.body for record in records)


def test_an_event_of_the_other_mode_is_answered_and_ignored(lab, client):
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    event = {**lab.events("payment_intent.succeeded")[0], "livemode": True}
    assert callback(client, event).status_code == 200
    payment.refresh_from_db()
    assert payment.status == "pending"


def test_an_event_about_somebody_elses_payment_is_answered_kept_and_pays_nothing(lab, client):
    make_provider()
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    event = copy.deepcopy(lab.events("payment_intent.succeeded")[0])
    event["data"]["object"].update(id="pi_foreign", metadata={})
    assert callback(client, event).status_code == 200
    assert CallbackRecord.objects.get().verdict == "unknown_reference"
    payment.refresh_from_db()
    assert payment.status == "pending"


def test_a_reference_that_belongs_to_another_payment_is_not_adopted(lab, client):
    """Metadata can be edited in Stripe's dashboard: a capture of one payment must not pay the order of another."""
    provider = make_provider()
    first, second = make_order(provider), make_order(provider)
    paid = start_payment(first)
    lab.fault("reset_after", match={"operation": "payment_intents.create"})
    waiting = start_payment(second)
    assert waiting.processor_ref == ""
    lab.act(paid.processor_ref, "approve")
    event = copy.deepcopy(lab.events("payment_intent.succeeded")[0])
    event["data"]["object"]["metadata"]["paymentId"] = str(waiting.pk)
    assert callback(client, event).status_code == 200
    second.refresh_from_db()
    assert second.status == "processing" and told(second) == []


def test_another_providers_secret_does_not_verify_this_payment(lab, client):
    order = make_order(make_provider())
    thief = make_provider()
    account = thief.accounts.get()
    from django.utils import timezone

    from gateway.types import Mode
    from providers import accounts

    accounts.save_credentials(
        provider=thief, processor="stripe", mode=Mode.TEST, now=timezone.now(),
        credentials={"secretKey": "sk_test_" + "f" * 24, "webhookSecret": "whsec_of_the_thief"},
    )  # fmt: skip
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    event = lab.events("payment_intent.succeeded")[0]
    assert callback(client, event, secret="whsec_of_the_thief").status_code == 400
    body, headers = signed(event)
    elsewhere = client.post(
        f"/api/callbacks/stripe/{account.pk}", body, content_type="application/json",
        headers={"Stripe-Signature": headers["Stripe-Signature"]},
    )  # fmt: skip
    assert elsewhere.status_code == 400
    payment.refresh_from_db()
    assert payment.status == "pending"


def test_an_inactive_capability_refuses_the_order_before_it_exists(lab):
    from checkout.errors import MethodNotAvailable

    provider = make_provider()
    lab.has_cash_app("inactive")
    with pytest.raises(MethodNotAvailable):
        make_order(provider)
    assert Order.objects.count() == 0 and Payment.objects.count() == 0


def test_opening_orders_calls_the_processor_once_and_never_again(lab):
    provider = make_provider()
    for _ in range(3):
        make_order(provider)
    assert len(lab.requests()) == 1


def test_after_account_updated_the_next_round_asks_again(lab, client):
    from checkout import tasks
    from checkout.errors import MethodNotAvailable

    provider = make_provider()
    make_order(provider)
    lab.calls_back("http://127.0.0.1:9/nobody-listens")
    lab.has_cash_app("inactive")
    assert callback(client, lab.events("account.updated")[0]).status_code == 200
    tasks.refresh_availability()
    with pytest.raises(MethodNotAvailable):
        make_order(provider)


def test_a_dead_cache_stops_no_callback(lab, client, settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9/1"}
    }
    order = make_order(make_provider())
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    assert client.post("/api/webhooks/stripe", b"{}", content_type="application/json").status_code == 400
    assert callback(client, lab.events("payment_intent.succeeded")[0]).status_code == 200
    order.refresh_from_db()
    assert order.status == "paid"
    rounds.ask_everything_due()
    rounds.raise_alarms()
