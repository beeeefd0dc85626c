import pytest

from checkout.models import Order, Payment, Refund
from tests.api.processor.refusing import refused
from tests.builders import make_paid_order

pytestmark = pytest.mark.django_db


def test_a_refund_is_named_by_any_id_of_its_payment(ask, paid_checkout):
    made = paid_checkout()
    payment = Payment.objects.get()
    names = [
        {"payment_intent": payment.capture_ref},
        {"payment_id": made["payment_id"]},
        {"session_id": made["session_id"]},
        {"order_id": made["order_id"]},
        {"payment_id": made["hub_order_id"]},
        {"payment_intent": payment.capture_ref, "order_id": made["order_id"]},
    ]
    for number, name in enumerate(names, start=1):
        answer = ask("/stripe/refund", {**name, "amount": 100, "reason": "too much"})
        assert answer.status_code == 200, answer.content
        told = answer.json()
        assert (told["status"], told["amount"], told["remaining"]) == ("succeeded", 100, 5000 - 100 * number)
        assert (told["payment_id"], told["payment_intent"]) == (made["payment_id"], payment.capture_ref)
        assert (told["reason"], told["order_id"], told["refunded_amount"]) == ("too much", "ORD123", 100 * number)


def test_the_status_lists_what_went_back(ask, read, paid_checkout, lab):
    made = paid_checkout()
    ask("/stripe/refund", {"payment_id": made["payment_id"], "amount": 2000})
    told = read(f"/stripe/status/{made['payment_id']}").json()
    assert (told["status"], told["refunded_amount"], told["refundable_amount"]) == ("paid", 2000, 3000)
    ask("/stripe/refund", {"payment_id": made["payment_id"]})
    told = read(f"/stripe/status/{made['payment_id']}").json()
    assert (told["status"], told["refunded_amount"], told["refundable_amount"]) == ("refunded", 5000, 0)
    assert [(refund["status"], refund["amount"]) for refund in told["refunds"]] == [
        ("succeeded", 2000), ("succeeded", 3000)
    ]  # fmt: skip
    assert [refund["processor_refund_id"] for refund in told["refunds"]] == [
        row["id"] for row in reversed(lab.refunds())
    ]


def test_never_more_goes_back_than_is_left(ask, paid_checkout, lab):
    name = {"payment_id": paid_checkout()["payment_id"]}
    told = refused(ask("/stripe/refund", {**name, "amount": 5001}), 400, "refund_too_large", "At most 50.00 USD")
    assert told["remaining"] == 5000
    assert ask("/stripe/refund", {**name, "amount": 4000}).status_code == 200
    assert refused(ask("/stripe/refund", {**name, "amount": 1001}), 400, "refund_too_large")["remaining"] == 1000
    assert ask("/stripe/refund", name).json()["remaining"] == 0
    refused(ask("/stripe/refund", name), 409, "already_refunded", "Nothing is left")
    assert sum(row["amount"] for row in lab.refunds()) == 5000


def test_what_is_not_captured_cannot_be_refunded(ask, open_checkout, lab):
    made = open_checkout()
    for name in ("payment_id", "session_id", "order_id"):
        refused(ask("/stripe/refund", {name: made[name]}), 409, "not_captured")
    assert (Refund.objects.count(), lab.refunds()) == (0, [])


def test_a_dispute_decides_before_any_refund(ask, read, paid_checkout, lab, client):
    from tests.builders import callback

    made = paid_checkout()
    lab.control(f"/stripe/payments/{made['session_id']}/dispute")
    assert callback(client, lab.events("charge.dispute.created")[0]).status_code == 200
    told = read(f"/stripe/status/{made['payment_id']}").json()
    assert (told["is_disputed"], told["refundable_amount"], told["status"]) == (True, 0, "paid")
    refused(ask("/stripe/refund", {"payment_id": made["payment_id"]}), 409, "disputed")
    assert (Refund.objects.count(), lab.requests("refunds.create")) == (0, [])


def test_a_refund_that_settles_later_is_202_and_then_done(ask, read, paid_checkout, lab, client):
    from tests.builders import callback

    made = paid_checkout()
    lab.fault("refund_pending", seconds=60)
    answer = ask("/stripe/refund", {"payment_id": made["payment_id"]})
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    refused(ask("/stripe/refund", {"payment_id": made["payment_id"]}), 409, "already_refunded")
    assert read(f"/stripe/status/{made['payment_id']}").json()["status"] == "paid"
    lab.control(f"/stripe/refunds/{answer.json()['processor_refund_id']}/act", outcome="succeed")
    assert callback(client, lab.events("refund.updated")[0]).status_code == 200
    assert read(f"/stripe/status/{made['payment_id']}").json()["status"] == "refunded"


def test_a_refund_that_fails_later_gives_the_money_back_to_the_payment(ask, read, paid_checkout, lab, client):
    from tests.builders import callback

    made = paid_checkout()
    lab.fault("refund_fails", seconds=60)
    told = ask("/stripe/refund", {"payment_id": made["payment_id"]}).json()
    lab.control(f"/stripe/refunds/{told['processor_refund_id']}/act", outcome="fail")
    assert callback(client, lab.events("refund.failed")[0]).status_code == 200
    status = read(f"/stripe/status/{made['payment_id']}").json()
    assert (status["status"], status["refundable_amount"]) == ("paid", 5000)
    assert [refund["status"] for refund in status["refunds"]] == ["failed"]


def test_the_same_key_is_one_refund_for_ever_and_another_amount_is_refused(ask, paid_checkout, lab):
    from checkout.models import IdempotencyRecord

    name = {"payment_id": paid_checkout()["payment_id"]}
    first = ask("/stripe/refund", {**name, "amount": 1000}, once="wish")
    assert ask("/stripe/refund", {**name, "amount": 1000}, once="wish").content == first.content
    refused(ask("/stripe/refund", {**name, "amount": 2000}, once="wish"), 422, "idempotency_mismatch")
    IdempotencyRecord.objects.all().delete()  # a day has gone by
    assert ask("/stripe/refund", {**name, "amount": 1000}, once="wish").json()["refund_id"] == first.json()["refund_id"]
    refused(ask("/stripe/refund", {**name, "amount": 2000}, once="wish"), 422, "idempotency_mismatch")
    assert [row["amount"] for row in lab.refunds()] == [1000]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "One of payment_intent, session_id, payment_id or order_id is required"),
        ({"payment_id": None}, "One of payment_intent"),
        ({"payment_id": ""}, "One of payment_intent"),
        ({"payment_id": 5}, "payment_id must be text"),
        ({"payment_id": "x", "amount": 0}, "amount must be at least 1"),
        ({"payment_id": "x", "amount": 1.5}, "amount must be a whole number"),
        ({"payment_id": "x", "amount": "1"}, "amount must be a whole number"),
        ({"payment_id": "x", "reason": "y" * 301}, "reason must be at most 300"),
        ({"order_id": "x" * 129}, "order_id must be at most 128"),
    ],
)
def test_bad_input_of_a_refund_is_named(ask, provider, body, text):
    refused(ask("/stripe/refund", body), 400, "invalid_request", text)


def test_names_that_contradict_each_other_are_refused(ask, paid_checkout):
    first = paid_checkout()
    second = paid_checkout(order_id="ORD124")
    body = {"payment_id": first["payment_id"], "order_id": second["order_id"]}
    refused(ask("/stripe/refund", body), 400, "invalid_request", "payment_id and order_id name different payments")
    assert Refund.objects.count() == 0


def test_an_order_id_of_two_paid_orders_is_no_name_for_one(ask, paid_checkout, read):
    first, second = paid_checkout(), paid_checkout()
    refused(ask("/stripe/refund", {"order_id": "ORD123"}), 409, "order_id_not_unique", "name the payment instead")
    assert Refund.objects.count() == 0
    assert ask("/stripe/refund", {"payment_id": first["payment_id"]}).status_code == 200
    assert read("/stripe/status/ORD123").json()["payment_id"] == second["payment_id"]


def test_a_payment_of_the_provider_api_is_the_providers_too(ask, read, lab, client, provider):
    order = make_paid_order(lab, client, provider)
    told = read(f"/stripe/status/{order.paid_by.processor_ref}").json()
    assert (told["hub_order_id"], told["status"], told["session_id"]) == (str(order.pk), "paid", None)
    assert told["payment_intent"] == order.paid_by.processor_ref
    assert ask("/stripe/refund", {"payment_intent": order.paid_by.processor_ref, "amount": 1000}).status_code == 200
    assert Order.objects.get().refunded_minor == 1000


def test_a_processor_knows_its_own_payments_only(ask, read, open_checkout, razorpay):
    made = open_checkout()
    for name in (made["payment_id"], made["session_id"], made["hub_order_id"], made["order_id"]):
        refused(read(f"/razorpay/status/{name}"), 404, "not_found")
        refused(ask("/razorpay/refund", {"payment_id": name}), 404, "not_found")


@pytest.mark.parametrize(
    "name", ["x", "pi_unknown", "cs_test_unknown", "order_x", "ы", "%00", "a%2Fb", "x" * 300, "%ff"]
)
def test_what_is_no_payment_of_the_caller_is_404(read, provider, name):
    answer = read(f"/stripe/status/{name}")
    assert answer.status_code == 404
    if "/" not in name and "%2F" not in name:
        refused(answer, 404, "not_found", "Payment not found")


def test_reading_an_open_payment_schedules_the_question_and_waits_for_nobody(read, open_checkout, lab):
    from checkout import payments
    from tests.builders import later

    made = open_checkout()
    lab.act(made["session_id"], "approve")  # and no callback comes
    asked = len(lab.requests())
    assert read(f"/stripe/status/{made['payment_id']}").json()["status"] == "pending"
    assert len(lab.requests()) == asked
    assert payments.ask_due_payments(now=later(seconds=1)) == 1
    assert read(f"/stripe/status/{made['payment_id']}").json()["status"] == "paid"


def test_an_expired_checkout_is_called_so(read, open_checkout, lab):
    from checkout import orders
    from tests.builders import later

    made = open_checkout()
    assert orders.expire_due_orders(now=later(hours=25)) == 1
    assert read(f"/stripe/status/{made['payment_id']}").json()["status"] == "expired"
    [session] = lab.control("/stripe/sessions", "GET")["sessions"]
    assert session["status"] == "expired"


def test_a_checkout_is_cancelled_by_the_order_it_belongs_to(read, open_checkout, client, key, lab):
    made = open_checkout()
    answer = client.post(
        f"/api/orders/{made['hub_order_id']}/cancel", content_type="application/json", headers={"x-api-key": key}
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert read(f"/stripe/status/{made['session_id']}").json()["status"] == "cancelled"
    [session] = lab.control("/stripe/sessions", "GET")["sessions"]
    assert session["status"] == "expired"
