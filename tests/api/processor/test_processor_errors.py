"""What a processor refuses keeps its meaning on its way to the caller, and opens nothing that could be paid unseen."""

import pytest

from checkout.models import Order, Payment, Refund
from tests.api.processor.refusing import refused
from tests.builders import callback, later

pytestmark = pytest.mark.django_db
BODY = {"order_id": "ORD123", "amount": 5000, "currency": "usd"}
RUPEES = {**BODY, "currency": "INR"}
CREATE = {"stripe": "checkout.sessions.create", "razorpay": "orders.create"}
BODIES = {"stripe": BODY, "razorpay": RUPEES}


@pytest.fixture(autouse=True)
def _both(razorpay):
    pass


def closed_unheard():
    order = Order.objects.get()
    assert (order.status, order.paid_by_id) == ("cancelled", None)
    assert [payment.status for payment in order.payments.all()] == ["error"]


def test_a_processor_that_asks_for_patience_is_429_and_a_repeat_opens_the_same_order(ask, lab):
    lab.fault("429", match={"operation": "checkout.sessions.create"})
    answer = ask("/stripe/checkout", BODY, once="wish")
    refused(answer, 429, "processor_busy", "Stripe asks us to slow down; nothing was done")
    assert int(answer.headers["Retry-After"]) >= 1
    closed_unheard()

    assert ask("/stripe/checkout", BODY, once="wish").status_code == 200
    order = Order.objects.get()
    assert order.status == "pending"
    assert len(lab.control("/stripe/sessions", "GET")["sessions"]) == 1


def test_razorpay_that_asks_for_patience_is_429_as_well(ask, lab):
    lab.fault("429", match={"operation": "orders.create"})
    answer = ask("/razorpay/checkout", RUPEES, once="wish")
    refused(answer, 429, "processor_busy", "Razorpay asks us to slow down")
    assert answer.headers["Retry-After"] == "1"
    closed_unheard()
    assert ask("/razorpay/checkout", RUPEES, once="wish").status_code == 200
    assert len(lab.control("/razorpay/orders", "GET")["orders"]) == 1


def test_a_decline_is_402_with_what_the_buyer_can_do(ask, lab):
    lab.fault("402", match={"operation": "checkout.sessions.create"})
    told = refused(ask("/stripe/checkout", BODY), 402, "declined")
    payment = Payment.objects.get()
    assert told["payment_id"] == str(payment.pk)
    assert (told["status"], told["decline"]["advice"]) == ("failed", "call_bank")
    assert told["decline"]["message"]
    assert (payment.status, payment.order.status) == ("declined", "failed")


@pytest.mark.parametrize(
    ("code", "shown", "advice"),
    [
        ("insufficient_funds", "insufficient_funds", "not_enough_money"),
        ("expired_card", "expired_card", "other_method"),
        ("lost_card", "declined", "call_bank"),
        ("stolen_card", "declined", "call_bank"),
        ("fraudulent", "declined", "call_bank"),
        ("merchant_blacklist", "declined", "call_bank"),
    ],
)
def test_a_refused_card_is_told_with_an_advice_and_a_thief_learns_nothing(
    read, open_checkout, lab, client, code, shown, advice
):
    made = open_checkout()
    lab.act(made["session_id"], "decline", code=code)
    assert callback(client, lab.events("payment_intent.payment_failed")[0]).status_code == 200
    answer = read(f"/stripe/status/{made['payment_id']}")
    told = answer.json()
    assert (told["status"], told["decline"]["code"], told["decline"]["advice"]) == ("failed", shown, advice)
    assert shown == code or code not in answer.content.decode()
    assert Payment.objects.get().failure_code == code  # for staff


@pytest.mark.parametrize("processor", ["stripe", "razorpay"])
def test_a_key_that_may_not_do_this_is_the_sellers_trouble(ask, lab, processor):
    lab.fault("403", match={"operation": CREATE[processor]})
    answer = ask(f"/{processor}/checkout", BODIES[processor])
    refused(answer, 403, "key_not_permitted", "staff must look at it")
    closed_unheard()


def test_an_account_without_cards_is_400(ask, lab):
    for account in lab.control("/stripe/accounts", "GET")["accounts"]:
        lab.control(f"/stripe/accounts/{account['id']}/capabilities", card_payments="inactive")
    refused(ask("/stripe/checkout", BODY), 400, "method_not_available", "no Stripe account")
    assert (Order.objects.count(), lab.requests("checkout.sessions.create")) == (0, [])


def test_an_amount_below_a_minimum_that_only_stripe_knows_is_400_and_names_it(ask, lab):
    told = refused(ask("/stripe/checkout", {**BODY, "amount": 10, "currency": "EUR"}), 400, "amount_refused")
    assert "0.10 EUR" in told["error"]
    closed_unheard()


def test_stripe_that_calls_the_key_one_of_the_other_mode_is_403(ask, lab, httpserver, settings):
    account = {"object": "account", "charges_enabled": True, "capabilities": {"card_payments": "active"}}
    httpserver.expect_request("/v1/account").respond_with_json(account)
    error = {"type": "invalid_request_error", "code": "livemode_mismatch", "message": "…"}
    httpserver.expect_request("/v1/checkout/sessions").respond_with_json({"error": error}, status=400)
    settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, ("stripe", "test"): httpserver.url_for("").rstrip("/")}
    told = refused(ask("/stripe/checkout", BODY), 403, "wrong_mode", "different modes")
    assert told["processor_code"] == "livemode_mismatch"
    closed_unheard()


def test_a_processor_that_is_not_there_is_502_and_a_repeat_opens_the_same_order(ask, lab, settings):
    urls = settings.PROCESSOR_URLS
    settings.PROCESSOR_URLS = {**urls, ("razorpay", "test"): "http://127.0.0.1:9"}
    refused(ask("/razorpay/checkout", RUPEES, once="wish"), 502, "processor_unreachable", "nothing was done")
    closed_unheard()
    settings.PROCESSOR_URLS = urls
    made = ask("/razorpay/checkout", RUPEES, once="wish").json()
    assert made["hub_order_id"] == str(Order.objects.get().pk)


# --- no clear answer ------------------------------------------------------------------------------------------------

UNCLEAR = ["500", "503", "html_200", "reset_before", "reset_after"]


@pytest.mark.parametrize("kind", UNCLEAR)
@pytest.mark.parametrize("processor", ["stripe", "razorpay"])
def test_without_a_clear_answer_a_repeat_goes_on_with_the_same_payment(ask, read, lab, processor, kind):
    """Whether the work was done or not: one session, one order, and nothing that could be paid beside it."""
    body = BODIES[processor]
    lab.fault(kind, match={"operation": CREATE[processor]})
    told = refused(ask(f"/{processor}/checkout", body, once="wish"), 502, "no_clear_answer")
    assert (Order.objects.count(), Payment.objects.get().status) == (1, "unknown")
    assert told["status"] == "processing"
    assert read(f"/{processor}/status/{told['payment_id']}").json()["status"] == "processing"

    again = ask(f"/{processor}/checkout", body, once="wish")
    was_done = kind == "reset_after"
    if was_done:  # it is asked about, and found
        assert again.status_code == 200, again.content
    else:  # Nobody there knows it yet: the create may still be on its way.
        refused(again, 502, "no_clear_answer")
        Payment.objects.update(created_at=later(seconds=-31), last_asked_at=None)
        again = ask(f"/{processor}/checkout", body, once="wish")
        assert again.status_code == 200, again.content
    assert again.json()["hub_order_id"] == str(Order.objects.get().pk)
    open_ones = Payment.objects.filter(status="pending")
    assert open_ones.count() == 1
    listed = lab.control(f"/{processor}/{'sessions' if processor == 'stripe' else 'orders'}", "GET")
    assert len(next(iter(listed.values()))) == 1


def test_a_repeat_without_a_key_of_its_own_is_another_wish_that_is_flagged(ask, lab):
    lab.fault("reset_after", match={"operation": "checkout.sessions.create"})
    told = refused(ask("/stripe/checkout", BODY), 502, "no_clear_answer")
    made = ask("/stripe/checkout", BODY).json()
    assert made["payment_id"] != told["payment_id"]
    assert sorted(Order.objects.values_list("shares_external_id", flat=True)) == [False, True]


# --- refunds --------------------------------------------------------------------------------------------------------


def test_a_refund_that_stripe_refuses_is_409_and_gives_the_amount_free(ask, paid_checkout, lab):
    made = paid_checkout()
    lab.control(f"/stripe/payments/{made['session_id']}/dispute")  # of which we have not heard yet
    told = refused(ask("/stripe/refund", {"payment_id": made["payment_id"]}), 409, "refused")
    assert told["processor_code"]
    assert Refund.objects.get().status == "failed"
    assert lab.refunds() == []


@pytest.mark.parametrize(("kind", "status", "code"), [("403", 403, "key_not_permitted"), ("402", 409, "refused")])
def test_a_refund_that_cannot_be_sent_is_told_by_its_meaning(ask, paid_checkout, lab, kind, status, code):
    made = paid_checkout()
    lab.fault(kind, match={"operation": "refunds.create"})
    refused(ask("/stripe/refund", {"payment_id": made["payment_id"]}, once="a"), status, code)
    assert (Refund.objects.get().status, lab.refunds()) == ("failed", [])
    assert ask("/stripe/refund", {"payment_id": made["payment_id"]}, once="b").status_code == 200


@pytest.mark.parametrize("kind", ["429", "503", "reset_before", "reset_after", "html_200"])
def test_a_refund_without_a_clear_answer_is_pending_and_goes_back_once(ask, read, paid_checkout, lab, kind):
    from checkout import refunds

    made = paid_checkout()
    lab.fault(kind, match={"operation": "refunds.create"})
    answer = ask("/stripe/refund", {"payment_id": made["payment_id"], "amount": 2000}, once="wish")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending"), answer.content
    assert answer.json()["remaining"] == 3000  # reserved from the moment it is asked for
    again = ask("/stripe/refund", {"payment_id": made["payment_id"], "amount": 2000}, once="wish")
    assert again.json()["refund_id"] == answer.json()["refund_id"]
    for minutes in (1, 5, 30, 120):
        refunds.ask_due_refunds(now=later(minutes=minutes))
    assert [row["amount"] for row in lab.refunds()] == [2000]
    [refund] = read(f"/stripe/status/{made['payment_id']}").json()["refunds"]
    assert (refund["status"], refund["amount"]) == ("succeeded", 2000)


def test_a_failure_that_stripe_remembers_under_its_key_never_sends_money_twice(ask, read, paid_checkout, lab):
    """Stripe repeats its 500 for as long as it keeps the key; the refund waits, and is told as pending."""
    from checkout import refunds

    made = paid_checkout()
    lab.fault("500", match={"operation": "refunds.create"})
    assert ask("/stripe/refund", {"payment_id": made["payment_id"]}, once="wish").status_code == 202
    for minutes in (1, 5, 30, 120):
        refunds.ask_due_refunds(now=later(minutes=minutes))
    assert sum(row["amount"] for row in lab.refunds()) <= 5000
    refused(ask("/stripe/refund", {"payment_id": made["payment_id"]}), 409, "already_refunded")
