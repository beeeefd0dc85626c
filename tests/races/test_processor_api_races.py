"""Eight callers at once through the Processor API, on a real database: nothing is paid, captured or sent back twice."""

import pytest
from django.test import Client

from checkout.models import Order, Payment, Refund
from tests.api.asking import send
from tests.builders import callback, make_key, make_provider
from tests.races.test_money_races import at_once
from tests.shop import with_razorpay

pytestmark = pytest.mark.django_db(transaction=True)
BODY = {"order_id": "ORD123", "amount": 5000, "currency": "usd"}


@pytest.fixture
def key(lab, settings):
    provider = make_provider()
    with_razorpay(provider, lab, settings)
    return make_key(provider)


def ask(key, path, body, once=None):
    headers = {"Authorization": f"Bearer {key}", **({"Idempotency-Key": once} if once else {})}
    answer = send(Client(), f"/api/payments{path}", body, headers=headers)
    return answer.status_code, answer.json()


def held(key, lab, processor):
    status, made = ask(key, f"/{processor}/checkout", {
        **BODY, "capture": "manual", "currency": "INR" if processor == "razorpay" else "USD"
    })  # fmt: skip
    assert status == 200, made
    if processor == "stripe":
        lab.act(made["session_id"], "approve")
        assert callback(Client(), lab.events("checkout.session.completed")[0]).status_code == 200
    else:
        fields = lab.control(f"/razorpay/orders/{made['razorpay_order_id']}/act", outcome="approve")["return"]
        assert ask(key, "/razorpay/verify", fields)[1]["amount_capturable"] == 5000
    return made


def paid(key, lab):
    status, made = ask(key, "/stripe/checkout", BODY)
    assert status == 200, made
    lab.act(made["session_id"], "approve")
    assert callback(Client(), lab.events("checkout.session.completed")[0]).status_code == 200
    return made


@pytest.mark.parametrize("processor", ["stripe", "razorpay"])
def test_eight_checkouts_with_one_key_open_one(key, lab, processor):
    body = {**BODY, "currency": "INR" if processor == "razorpay" else "USD"}
    answers = at_once(lambda number: ask(key, f"/{processor}/checkout", body, once="wish"))
    assert {status for status, _ in answers} <= {200, 409}
    assert len({told["payment_id"] for status, told in answers if status == 200}) == 1
    assert all(told["code"] == "idempotency_running" for status, told in answers if status == 409)
    assert (Order.objects.count(), Payment.objects.count()) == (1, 1)
    operation = {"stripe": "checkout.sessions.create", "razorpay": "orders.create"}[processor]
    rows = lab.control(f"/{processor}/requests", "GET")["requests"]
    assert len([row for row in rows if row["operation"] == operation]) == 1


def test_eight_partial_refunds_at_once_never_send_back_more_than_was_paid(key, lab):
    made = paid(key, lab)
    answers = at_once(lambda number: ask(key, "/stripe/refund", {"payment_id": made["payment_id"], "amount": 1500}))
    assert sorted(status for status, _ in answers) == [200, 200, 200, 400, 400, 400, 400, 400]
    assert sum(row["amount"] for row in lab.refunds()) == 4500
    assert all(told["remaining"] == 500 for status, told in answers if status == 400)
    payment = Payment.objects.get()
    assert (payment.refunded_minor, Refund.objects.count()) == (4500, 3)


def test_eight_refunds_of_all_with_one_key_are_one(key, lab):
    made = paid(key, lab)
    answers = at_once(lambda number: ask(key, "/stripe/refund", {"order_id": made["order_id"]}, once="wish"))
    assert {status for status, _ in answers} <= {200, 409}
    assert len({told["refund_id"] for status, told in answers if status == 200}) == 1
    assert [row["amount"] for row in lab.refunds()] == [5000]
    assert Refund.objects.count() == 1


@pytest.mark.parametrize("processor", ["stripe", "razorpay"])
def test_eight_captures_at_once_take_the_money_once(key, lab, processor):
    made = held(key, lab, processor)
    answers = at_once(lambda number: ask(key, f"/{processor}/capture", {"payment_id": made["payment_id"]}))
    assert {status for status, _ in answers} <= {200, 409}, answers
    assert 200 in {status for status, _ in answers}
    order = Order.objects.get()
    assert (order.status, order.events.filter(kind="paid").count()) == ("paid", 1)
    payment = Payment.objects.get()
    assert (payment.captured_minor, payment.status) == (5000, "captured")


@pytest.mark.parametrize("round", range(3))
def test_a_capture_races_a_cancel_and_both_tell_the_same_story(key, lab, round):
    made = held(key, lab, "stripe")

    def act(number):
        if number % 2:
            return ask(key, "/stripe/capture", {"payment_id": made["payment_id"]})
        answer = Client().post(
            f"/api/orders/{made['hub_order_id']}/cancel", content_type="application/json", headers={"x-api-key": key}
        )
        return answer.status_code, answer.json()

    answers = at_once(act)
    captures, cancels = answers[1::2], answers[::2]
    from checkout import payments
    from tests.builders import later

    payments.ask_due_payments(now=later(minutes=2))  # whatever was unclear is asked about
    order = Order.objects.get()
    [row] = lab.control("/stripe/payments", "GET")["payments"]
    assert (row["status"], order.status) in (("succeeded", "paid"), ("canceled", "cancelled"), ("canceled", "pending"))
    if order.status == "paid":
        assert 200 not in {status for status, _ in cancels}
        assert Payment.objects.get().captured_minor == 5000
    else:
        assert 200 not in {status for status, _ in captures}, captures
        assert Payment.objects.get().captured_minor == 0
