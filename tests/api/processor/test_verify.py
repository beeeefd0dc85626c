"""What a browser brings back from Razorpay: ten ways to lie about it, and one to tell the truth."""

import hashlib
import hmac

import pytest

from checkout.models import CallbackRecord, Order, Payment, Refund
from tests.api.processor.refusing import refused
from tests.builders import later, make_key, make_provider
from tests.shop import RAZORPAY, with_razorpay

pytestmark = pytest.mark.django_db


@pytest.fixture
def verify(ask, razorpay):
    return lambda fields, **how: ask("/razorpay/verify", fields, **how)


def pays(lab, made, outcome="approve", **more):
    """What the browser would bring back after this."""
    return lab.control(f"/razorpay/orders/{made['razorpay_order_id']}/act", outcome=outcome, **more)["return"]


def signature(order_ref, payment_ref, secret=RAZORPAY["keySecret"]):
    return hmac.new(secret.encode(), f"{order_ref}|{payment_ref}".encode(), hashlib.sha256).hexdigest()


def asked(lab):
    return len(lab.control("/razorpay/requests", "GET")["requests"])


def test_a_right_signature_is_verified_and_the_processor_asked_at_once(verify, open_checkout, lab):
    made = open_checkout("razorpay")
    answer = verify(pays(lab, made))

    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["verified"], told["status"], told["payment_id"]) == (True, "paid", made["payment_id"])
    assert told["razorpay_payment_id"] == Payment.objects.get().capture_ref
    record = CallbackRecord.objects.get()
    assert (record.is_verified, record.verdict, record.event_type) == (True, "ignored", "browser return")
    assert record.payment_id == Payment.objects.get().pk
    assert "provider_test_" not in str(record.headers) + record.body
    # and again: nothing changes, and it is still true
    assert verify({name: told[name] for name in ("razorpay_order_id", "razorpay_payment_id")} | {
        "razorpay_signature": signature(told["razorpay_order_id"], told["razorpay_payment_id"])
    }).json()["status"] == "paid"  # fmt: skip
    assert Order.objects.get().events.filter(kind="paid").count() == 1


def test_a_signature_proves_no_money_what_is_only_held_is_processing(verify, open_checkout, lab):
    made = open_checkout("razorpay", capture="manual")
    told = verify(pays(lab, made)).json()
    assert (told["verified"], told["status"], told["amount_capturable"]) == (True, "processing", 5000)
    assert Order.objects.get().status == "processing"


@pytest.mark.parametrize("kind", ["500", "503", "reset_before", "reset_after", "429", "html_200"])
def test_a_question_without_an_answer_leaves_it_processing_and_is_asked_again(verify, read, open_checkout, lab, kind):
    from checkout import payments

    made = open_checkout("razorpay")
    fields = pays(lab, made)
    lab.fault(kind, times=None, match={"operation": "orders.*"})
    told = verify(fields).json()
    assert (told["verified"], told["status"]) == (True, "processing")
    for fault in lab.control("/faults", "GET")["faults"]:
        import requests

        requests.delete(f"{lab.url}/_lab/faults/{fault['id']}", timeout=5)
    assert payments.ask_due_payments(now=later(minutes=2)) == 1
    assert read(f"/razorpay/status/{made['payment_id']}").json()["status"] == "paid"


def lies(lab, made, other):
    """name → fields that a browser could post about `made`; `other` is another order of the same shop."""
    true, others = pays(lab, made), pays(lab, other)
    order_ref, payment_ref = true["razorpay_order_id"], true["razorpay_payment_id"]
    return {
        "a foreign signature": {**true, "razorpay_signature": signature(order_ref, payment_ref, "somebody's secret")},
        "no signature at all": {**true, "razorpay_signature": "0" * 64},
        "a signature in capitals": {**true, "razorpay_signature": true["razorpay_signature"].upper()},
        "a signature that is no text of ours": {**true, "razorpay_signature": "подпись"},
        "another order's payment and signature": {**others, "razorpay_order_id": order_ref},
        "another order's payment": {**true, "razorpay_payment_id": others["razorpay_payment_id"]},
        "another order's signature": {**true, "razorpay_signature": others["razorpay_signature"]},
        "a payment that nobody made": {**true, "razorpay_payment_id": "pay_AAAAAAAAAAAAAA"},
        "a payment that is none": {**true, "razorpay_payment_id": "pay_x|pay_y"},
        "signed with the webhook's secret": {
            **true, "razorpay_signature": signature(order_ref, payment_ref, RAZORPAY["webhookSecret"])
        },
        "signed for the two swapped": {**true, "razorpay_signature": signature(payment_ref, order_ref)},
    }  # fmt: skip


LIES = [
    "a foreign signature", "no signature at all", "a signature in capitals", "a signature that is no text of ours",
    "another order's payment and signature", "another order's payment", "another order's signature",
    "a payment that nobody made", "a payment that is none", "signed with the webhook's secret",
    "signed for the two swapped",
]  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_moves_nothing_and_is_kept_for_staff(verify, open_checkout, lab, lie):
    made, other = open_checkout("razorpay"), open_checkout("razorpay", order_id="ORD124")
    fields = lies(lab, made, other)[lie]
    before = asked(lab)

    refused(verify(fields), 400, "signature_mismatch", "Signature mismatch")

    assert set(Payment.objects.values_list("status", "capture_ref")) == {("pending", "")}
    assert set(Order.objects.values_list("status", flat=True)) == {"pending"}
    assert asked(lab) == before
    record = CallbackRecord.objects.get()
    assert (record.verdict, record.is_verified, record.answer_status) == ("refused", False, 400)
    assert (str(record.payment_id), record.note != "") == (made["payment_id"], True)


@pytest.mark.parametrize("lie", LIES)
def test_the_same_lies_posted_by_a_browser_move_nothing_either(client, open_checkout, razorpay, lab, lie):
    made, other = open_checkout("razorpay"), open_checkout("razorpay", order_id="ORD124")
    fields = lies(lab, made, other)[lie]
    path = made["callback_url"].removeprefix("http://127.0.0.1:8000")
    answer = client.post(f"{path}?razorpay_order_id=order_x&status=paid", fields)
    assert (answer.status_code, "checkout/o/" in answer["Location"]) == (303, True)
    assert set(Payment.objects.values_list("status", "capture_ref")) == {("pending", "")}
    record = CallbackRecord.objects.get()
    assert (record.verdict, record.is_verified) == ("refused", False)


def test_an_order_of_somebody_else_is_404_and_the_attempt_is_kept(verify, open_checkout, lab, settings):
    made = open_checkout("razorpay")
    fields = pays(lab, made)
    other = make_provider()
    with_razorpay(other, lab, settings)
    refused(verify(fields, bearer=make_key(other)), 404, "not_found", "Payment not found")
    refused(verify({**fields, "razorpay_order_id": "order_AAAAAAAAAAAAAA"}), 404, "not_found")
    refused(verify({**fields, "razorpay_order_id": made["payment_id"]}), 404, "not_found")
    assert Payment.objects.get().status == "pending"
    assert list(CallbackRecord.objects.values_list("verdict", "answer_status")) == [("refused", 404)] * 3


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"razorpay_signature": None}, "razorpay_signature is required"),
        ({"razorpay_payment_id": None}, "razorpay_payment_id is required"),
        ({"razorpay_order_id": None}, "razorpay_order_id is required"),
        ({"razorpay_signature": 5}, "razorpay_signature must be text"),
        ({"razorpay_signature": "x" * 201}, "razorpay_signature must be at most 200"),
        ({"razorpay_payment_id": "a\0"}, "razorpay_payment_id must not contain"),
    ],
)
def test_bad_input_of_a_verify_is_named(verify, open_checkout, lab, changed, text):
    fields = {**pays(lab, open_checkout("razorpay")), **changed}
    refused(verify(fields), 400, "invalid_request", text)
    assert (Payment.objects.get().status, CallbackRecord.objects.count()) == ("pending", 0)


def test_a_key_secret_that_was_rotated_verifies_for_a_while(verify, open_checkout, lab, provider):
    from django.utils import timezone

    from gateway.types import Mode
    from providers import accounts

    fields = pays(lab, open_checkout("razorpay"))
    accounts.save_credentials(
        provider=provider, processor="razorpay", mode=Mode.TEST, now=timezone.now(),
        credentials={**RAZORPAY, "keySecret": "AnotherKeySecret0002"},
    )  # fmt: skip
    assert verify(fields).json()["verified"] is True


# --- captures -------------------------------------------------------------------------------------------------------


def test_what_is_held_is_captured_once(ask, verify, read, open_checkout, lab):
    made = open_checkout("razorpay", capture="manual")
    verify(pays(lab, made))
    refused(ask("/razorpay/capture", {"payment_id": made["payment_id"], "amount": 4000}), 400, "amount_refused")
    answer = ask("/razorpay/capture", {"payment_id": made["payment_id"], "amount": 5000}, once="wish")
    assert (answer.status_code, answer.json()["status"]) == (200, "paid"), answer.content
    assert answer.json()["amount_captured"] == 5000
    again = ask("/razorpay/capture", {"payment_id": made["payment_id"], "amount": 5000}, once="wish")
    assert (again.content, again.headers["Idempotent-Replayed"]) == (answer.content, "true")
    for name in ("razorpay_order_id", "razorpay_payment_id", "payment_id", "order_id"):
        told = refused(ask("/razorpay/capture", {name: answer.json()[name]}), 409, "already_captured")
        assert (told["status"], told["payment_id"]) == ("paid", made["payment_id"])
    rows = lab.control("/razorpay/requests?operation=payments.capture", "GET")["requests"]
    assert len(rows) == 1


def test_what_is_not_held_cannot_be_captured(ask, open_checkout, razorpay, paid_checkout):
    made = open_checkout("razorpay")
    refused(ask("/razorpay/capture", {"payment_id": made["payment_id"]}), 409, "not_payable", "Nothing is held")
    paid = paid_checkout()
    refused(ask("/stripe/capture", {"payment_id": paid["payment_id"]}), 409, "already_captured")


@pytest.mark.parametrize("kind", ["500", "503", "reset_before", "reset_after", "html_200"])
def test_a_capture_without_a_clear_answer_is_never_made_twice(ask, verify, read, open_checkout, lab, kind):
    from checkout import payments

    made = open_checkout("razorpay", capture="manual")
    verify(pays(lab, made))
    lab.fault(kind, match={"operation": "payments.capture"})
    name = {"payment_id": made["payment_id"]}
    refused(ask("/razorpay/capture", name, once="wish"), 502, "no_clear_answer")
    again = ask("/razorpay/capture", name, once="wish")
    assert again.status_code in (200, 409), again.content
    assert again.json()["status"] == "paid"
    payments.ask_due_payments(now=later(minutes=5))
    [order] = lab.control("/razorpay/orders", "GET")["orders"]
    assert (order["amount_paid"], [row["status"] for row in order["payments"]]) == (5000, ["captured"])
    assert Order.objects.get().events.filter(kind="paid").count() == 1


def test_razorpay_that_is_busy_with_a_capture_is_429_and_nothing_is_taken(ask, verify, read, open_checkout, lab):
    made = open_checkout("razorpay", capture="manual")
    verify(pays(lab, made))
    lab.fault("429", match={"operation": "payments.capture"})
    answer = ask("/razorpay/capture", {"payment_id": made["payment_id"]}, once="wish")
    refused(answer, 429, "processor_busy")
    assert read(f"/razorpay/status/{made['payment_id']}").json()["amount_capturable"] == 5000
    assert ask("/razorpay/capture", {"payment_id": made["payment_id"]}, once="wish").json()["status"] == "paid"


def test_stripe_holds_and_captures_as_well(ask, read, open_checkout, lab, client):
    from tests.builders import callback

    made = open_checkout(capture="manual")
    lab.act(made["session_id"], "approve")
    assert callback(client, lab.events("checkout.session.completed")[0]).status_code == 200
    told = read(f"/stripe/status/{made['session_id']}").json()
    assert (told["status"], told["amount_capturable"], told["paid_at"]) == ("processing", 5000, None)
    captured = ask("/stripe/capture", {"payment_intent": told["payment_intent"]}).json()
    assert (captured["status"], captured["amount_captured"], captured["amount_capturable"]) == ("paid", 5000, 0)
    refused(ask("/stripe/capture", {"session_id": made["session_id"]}), 409, "already_captured")
    assert len(lab.requests("payment_intents.capture")) == 1


def test_a_capture_by_an_order_id_that_two_holds_share_takes_neither(ask, verify, open_checkout, lab):
    made = [open_checkout("razorpay", capture="manual") for _ in range(2)]
    for one in made:
        verify(pays(lab, one))
    for name in ("order_id", "payment_id"):  # an order's id of the caller's own is understood in both
        refused(ask("/razorpay/capture", {name: "ORD123"}), 409, "order_id_not_unique", "name the payment instead")
    assert lab.control("/razorpay/requests?operation=payments.capture", "GET")["requests"] == []
    assert ask("/razorpay/capture", {"payment_id": made[0]["payment_id"]}).json()["status"] == "paid"
    # One is paid now and one is held: still two that the name could mean.
    refused(ask("/razorpay/capture", {"order_id": "ORD123"}), 409, "order_id_not_unique")
    assert [row["status"] for row in Payment.objects.order_by("created_at").values("status")] == [
        "captured", "authorized"
    ]  # fmt: skip


def test_a_capture_by_an_order_id_takes_the_one_hold_and_not_the_newest_try(ask, verify, open_checkout, lab):
    held = open_checkout("razorpay", capture="manual")
    verify(pays(lab, held))
    newer = open_checkout("razorpay", capture="manual")
    answer = ask("/razorpay/capture", {"order_id": "ORD123"}).json()
    assert (answer["payment_id"], answer["status"]) == (held["payment_id"], "paid")
    assert Payment.objects.get(pk=newer["payment_id"]).status == "pending"


def test_an_order_id_in_the_place_of_a_payment_is_no_name_for_one_of_two_paid_orders(ask, paid_checkout):
    for _ in range(2):
        paid_checkout()
    refused(ask("/stripe/refund", {"payment_id": "ORD123"}), 409, "order_id_not_unique")
    assert not Refund.objects.exists()


def test_a_capture_means_one_payment_and_takes_no_other_one_of_its_order(ask, verify, open_checkout, lab):
    from uuid import uuid4

    from checkout import captures
    from checkout.errors import NotPayable

    made = open_checkout("razorpay", capture="manual")
    verify(pays(lab, made))
    order = Order.objects.get()
    with pytest.raises(NotPayable):
        captures.capture_order(order_id=order.pk, payment_id=uuid4(), cause="test", now=later(seconds=0))
    assert Payment.objects.get().status == "authorized"


# --- held against our word ------------------------------------------------------------------------------------------


@pytest.fixture
def held_by_itself(verify, open_checkout, lab):
    """Razorpay holds money of an order that was to be captured at once, as a setting of its dashboard can make it."""
    made = open_checkout("razorpay", capture="manual")
    Order.objects.update(captures_later=False)  # the lab always does what the order says
    assert verify(pays(lab, made)).json()["amount_capturable"] == 5000
    return made


def captures_at(lab):
    return len(lab.control("/razorpay/requests?operation=payments.capture", "GET")["requests"])


def test_money_that_is_held_against_our_word_is_taken_once(held_by_itself, read, lab):
    from checkout import captures

    payment = Payment.objects.get()
    assert not captures.take_overdue(payment_id=payment.pk, now=later(seconds=30))  # it may be doing so this moment
    assert captures_at(lab) == 0
    assert captures.take_overdue(payment_id=payment.pk, now=later(minutes=3))
    assert not captures.take_overdue(payment_id=payment.pk, now=later(minutes=4))
    told = read(f"/razorpay/status/{held_by_itself['payment_id']}").json()
    assert (told["status"], told["amount_captured"], captures_at(lab)) == ("paid", 5000, 1)
    assert Order.objects.get().events.filter(kind="paid").count() == 1


@pytest.mark.parametrize("kind", ["500", "reset_before", "reset_after", "429", "403", "402"])
def test_a_take_that_fails_is_tried_again_later_and_never_twice(held_by_itself, lab, kind):
    from checkout import captures

    payment = Payment.objects.get()
    lab.fault(kind, match={"operation": "payments.capture"})
    assert captures.take_overdue(payment_id=payment.pk, now=later(minutes=3))
    payment.refresh_from_db()
    assert payment.status == "authorized"
    assert payment.next_ask_at >= later(minutes=3, seconds=20)  # not at once, and not in every round
    captures.take_overdue(payment_id=payment.pk, now=later(minutes=15))
    payment.refresh_from_db()
    [order] = lab.control("/razorpay/orders", "GET")["orders"]
    assert (payment.status, order["amount_paid"]) == ("captured", 5000)
    assert Order.objects.get().events.filter(kind="paid").count() == 1


def test_what_was_to_be_held_is_never_taken_by_itself(verify, open_checkout, lab):
    from checkout import captures

    made = open_checkout("razorpay", capture="manual")
    verify(pays(lab, made))
    assert not captures.take_overdue(payment_id=Payment.objects.get().pk, now=later(hours=5))
    assert (captures_at(lab), Payment.objects.get().status) == (0, "authorized")


# --- said again and again -------------------------------------------------------------------------------------------


def test_a_signed_return_that_is_brought_again_and_again_is_kept_once_and_counted(client, open_checkout, razorpay, lab):
    made = open_checkout("razorpay")
    fields = pays(lab, made)
    for number in range(12):
        answer = client.post("/" + made["callback_url"].split("/", 3)[3], {**fields, "more": f"{number}"})
        assert answer.status_code == 303
    record = CallbackRecord.objects.get()
    assert (record.times, record.verdict, record.is_verified) == (12, "ignored", True)
    assert record.event_id.endswith(fields["razorpay_payment_id"])


def test_a_signed_return_that_is_brought_again_asks_the_processor_at_most_every_five_seconds(
    client, open_checkout, razorpay, lab
):
    from datetime import timedelta

    from checkout import payments

    made = open_checkout("razorpay")
    payment = Payment.objects.get()
    payments.ask_after_return(payment.pk, now=later(seconds=0))
    assert payments.ask_payment(payment_id=payment.pk, now=later(seconds=0))
    before = asked(lab)
    fields = {
        "razorpay_order_id": made["razorpay_order_id"], "razorpay_payment_id": "pay_AAAAAAAAAAAAAA",
        "razorpay_signature": signature(made["razorpay_order_id"], "pay_AAAAAAAAAAAAAA"),
    }  # fmt: skip
    path = "/" + made["callback_url"].split("/", 3)[3]
    for _ in range(3):
        client.post(path, fields)
        payments.ask_due_payments(now=later(seconds=0))
    assert asked(lab) == before
    payment.refresh_from_db()
    assert payment.next_ask_at == payment.last_asked_at + timedelta(seconds=5)
    assert payments.ask_due_payments(now=later(seconds=6)) == 1
