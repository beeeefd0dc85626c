"""From the checkout to the last webhook, at Stripe and at Razorpay: nothing but HTTP on all sides."""

import pytest
import requests

from checkout import payments, refunds
from checkout.models import CallbackRecord, Order, OrderEvent, Payment, Refund
from tests.builders import later
from tests.shop import AMOUNT, RAZORPAY

pytestmark = [pytest.mark.django_db(transaction=True)]
BOTH = pytest.mark.parametrize("processor", ["stripe", "razorpay"])


def buyer(shop, processor, checkout, outcome="approve"):
    if processor == "stripe":
        return shop.buyer_at_stripe(checkout, outcome)
    return shop.buyer_at_razorpay(checkout, outcome)


def is_paid_once(shop, processor, checkout):
    told = shop.wait_for(processor, checkout["payment_id"], "paid")
    shop.settled()
    assert (told["amount_captured"], told["refunded_amount"], told["is_duplicate"]) == (AMOUNT, 0, False)
    assert OrderEvent.objects.filter(order=checkout["hub_order_id"], kind="paid").count() == 1
    assert not Payment.objects.filter(status="review").exists()
    assert [event for event in shop.events() if event != "payment_failed"] == ["payment_succeeded"]
    return told


def taken(shop, processor):
    """Minor units that the processor itself holds for the seller, refunds not taken off."""
    if processor == "stripe":
        rows = shop.lab.control("/stripe/payments", "GET")["payments"]
        return sum(row["amount_received"] for row in rows)
    orders = shop.lab.control("/razorpay/orders", "GET")["orders"]
    return sum(row["amount"] for order in orders for row in order["payments"] if row["captured"])


def given_back(shop, processor):
    rows = shop.lab.control(f"/{processor}/refunds", "GET")["refunds"]
    return sum(row["amount"] for row in rows if row["status"] in ("succeeded", "processed"))


# --- the straight way -----------------------------------------------------------------------------------------------


@BOTH
def test_a_sale_is_opened_paid_told_refunded_and_told_again(shop, processor):
    made = shop.checkout(processor, description="Wireless Mouse", customer_email="payer@example.test")
    assert made["status"] == "pending"
    back = buyer(shop, processor, made)
    assert back.status_code == 303
    told = is_paid_once(shop, processor, made)
    assert taken(shop, processor) == AMOUNT
    [paid] = shop.told()
    assert (paid["externalId"], paid["paymentId"], paid["orderId"]) == (
        made["order_id"], made["payment_id"], made["hub_order_id"]
    )  # fmt: skip
    # major units, as the Provider API's body has them: 500, not 50000
    assert (paid["amount"], paid["currency"], paid["livemode"]) == (500, made["currency"], False)
    assert paid["stripePaymentIntentId"] == told.get("payment_intent")
    assert shop.receiver.log[0].headers["X-DZTech-Webhook"] == "payment-notification"

    part = shop.refund(processor, payment_id=made["payment_id"], amount=12_345, once="part")
    assert (part["amount"], part["remaining"]) == (12_345, AMOUNT - 12_345)
    again = shop.refund(processor, payment_id=made["payment_id"], amount=12_345, once="part")
    assert again["refund_id"] == part["refund_id"]
    shop.refund(processor, payment_id=made["payment_id"], amount=AMOUNT, expect=400)
    rest = shop.refund(processor, order_id=made["order_id"])
    assert rest["remaining"] == 0
    shop.settled()
    told = shop.wait_for(processor, made["payment_id"], "refunded")
    assert (told["refunded_amount"], len(told["refunds"])) == (AMOUNT, 2)
    assert shop.events() == ["payment_succeeded", "payment_refunded", "payment_refunded"]
    assert [body.get("refundedAmount") for body in shop.told()] == [None, 123.45, 500]
    assert given_back(shop, processor) == AMOUNT
    shop.refund(processor, payment_id=made["payment_id"], expect=409)
    assert given_back(shop, processor) == AMOUNT


@BOTH
def test_what_is_held_is_taken_on_the_shops_word(shop, processor):
    made = shop.checkout(processor, capture="manual")
    buyer(shop, processor, made)
    shop.settled()
    held = shop.status(processor, made["payment_id"])
    assert (held["status"], held["amount_capturable"], held["amount_captured"]) == ("processing", AMOUNT, 0)
    assert (shop.events(), taken(shop, processor)) == ([], 0)
    shop.refund(processor, payment_id=made["payment_id"], expect=409)

    assert shop.capture(processor, payment_id=made["payment_id"])["status"] == "paid"
    is_paid_once(shop, processor, made)
    told = shop.capture(processor, payment_id=made["payment_id"], expect=409)
    assert (told["code"], told["status"]) == ("already_captured", "paid")
    assert taken(shop, processor) == AMOUNT


def test_stripe_lets_a_hold_go_when_the_order_is_cancelled(shop):
    made = shop.checkout("stripe", capture="manual")
    shop.buyer_at_stripe(made)
    shop.settled()
    path = f"{shop.url}/api/orders/{made['hub_order_id']}/cancel"
    answer = requests.post(path, json={}, headers={"x-api-key": shop.key}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert shop.status("stripe", made["payment_id"])["status"] == "cancelled"
    assert shop.capture("stripe", payment_id=made["payment_id"], expect=409)["code"] == "not_payable"
    shop.settled()
    assert (taken(shop, "stripe"), shop.events()) == (0, [])


def test_the_way_back_from_stripe_is_the_shops_own_with_the_sessions_id_in_it(shop):
    made = shop.checkout("stripe", success_url=f"{shop.receiver.url}/thanks?s={{CHECKOUT_SESSION_ID}}")
    back = shop.buyer_at_stripe(made)
    assert back.headers["Location"] == f"{shop.receiver.url}/thanks?s={made['session_id']}"
    is_paid_once(shop, "stripe", made)


# --- which news comes, and when -------------------------------------------------------------------------------------


@BOTH
def test_the_webhook_alone_is_enough(shop, processor):
    made = shop.checkout(processor)
    if processor == "stripe":
        shop.lab.act(made["session_id"], "approve")
    else:
        shop.buyer_at_razorpay(made, returns=False)  # the browser is closed on the way back
    is_paid_once(shop, processor, made)


@BOTH
def test_without_any_webhook_the_return_brings_the_question_forward(shop, processor):
    made = shop.checkout(processor)
    shop.fault("drop", times=None)
    back = buyer(shop, processor, made)
    if processor == "stripe":
        requests.get(back.headers["Location"], timeout=20)  # our own page
    shop.settled()
    assert shop.status(processor, made["payment_id"])["status"] == "pending"  # a return proves nothing by itself
    assert payments.ask_due_payments(now=later(seconds=1)) == 1
    is_paid_once(shop, processor, made)


@BOTH
def test_without_webhook_and_return_the_ladder_of_questions_finds_the_money(shop, processor):
    made = shop.checkout(processor)
    shop.fault("drop", times=None)
    if processor == "stripe":
        shop.lab.act(made["session_id"], "approve")
    else:
        shop.buyer_at_razorpay(made, returns=False)
    assert payments.ask_due_payments(now=later(seconds=60)) == 1
    is_paid_once(shop, processor, made)


@BOTH
@pytest.mark.parametrize("kind", ["duplicate", "reply_lost", "late", "reorder"])
def test_news_twice_late_or_out_of_order_pays_once(shop, processor, kind):
    made = shop.checkout(processor)
    timing = {"late": 0.2, "reorder": 0.2}.get(kind)
    shop.fault(kind, times=3, **({"seconds": timing} if timing else {}))
    buyer(shop, processor, made)
    is_paid_once(shop, processor, made)
    assert taken(shop, processor) == AMOUNT


@BOTH
def test_a_refused_card_is_told_and_the_next_one_pays(shop, processor):
    made = shop.checkout(processor)
    buyer(shop, processor, made, "decline")
    told = shop.wait_for(processor, made["payment_id"], "failed")
    assert told["decline"]["advice"] and told["decline"]["message"]
    assert shop.events() == ["payment_failed"]
    buyer(shop, processor, made)
    is_paid_once(shop, processor, made)
    assert shop.events() == ["payment_failed", "payment_succeeded"]
    assert shop.status(processor, made["payment_id"])["decline"] is None
    assert taken(shop, processor) == AMOUNT


@BOTH
def test_a_bank_that_takes_its_time_is_waited_for(shop, processor):
    made = shop.checkout(processor)
    buyer(shop, processor, made, "delay")
    is_paid_once(shop, processor, made)


def test_a_bank_that_says_yes_after_its_no_is_believed(shop):
    """Late authorisation: failed, then authorized, then captured."""
    made = shop.checkout("razorpay")
    shop.buyer_at_razorpay(made, "decline")
    shop.wait_for("razorpay", made["payment_id"], "failed")
    [refused] = shop.at_razorpay(made)["payments"]
    shop.razorpay(f"/payments/{refused['id']}/act", outcome="late")
    is_paid_once(shop, "razorpay", made)
    assert shop.events() == ["payment_failed", "payment_succeeded"]


def test_a_late_yes_of_a_hold_can_be_captured(shop):
    made = shop.checkout("razorpay", capture="manual")
    shop.buyer_at_razorpay(made, "decline")
    shop.wait_for("razorpay", made["payment_id"], "failed")
    [refused] = shop.at_razorpay(made)["payments"]
    shop.razorpay(f"/payments/{refused['id']}/act", outcome="late")
    shop.wait_for("razorpay", made["payment_id"], "processing")
    assert shop.capture("razorpay", razorpay_payment_id=refused["id"])["status"] == "paid"
    is_paid_once(shop, "razorpay", made)


def test_a_frontend_with_the_processors_script_verifies_what_it_got(shop):
    made = shop.checkout("razorpay", payment_capture=1)
    shop.fault("drop", times=None)
    fields = shop.buyer_at_razorpay(made, returns=False)
    told = shop.verify(fields)
    assert (told["verified"], told["status"]) == (True, "paid")
    is_paid_once(shop, "razorpay", made)


# --- refunds that take their time, or are made elsewhere --------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("kind", "ends"), [("refund_pending", "refunded"), ("refund_fails", "paid")])
def test_a_refund_that_is_decided_later_is_told_when_it_is(shop, processor, kind, ends):
    made = shop.checkout(processor)
    buyer(shop, processor, made)
    is_paid_once(shop, processor, made)
    shop.fault(kind)
    told = shop.refund(processor, payment_id=made["payment_id"], expect=202)
    assert (told["status"], told["remaining"]) == ("pending", 0)
    if kind == "refund_fails":  # wait for the processor's word, not for a time
        waited = lambda: shop.status(processor, made["payment_id"])["refunds"][0]["status"]  # noqa: E731
        for _ in range(400):
            if waited() == "failed":
                break
            shop.settled()
        assert waited() == "failed"
        assert shop.events() == ["payment_succeeded"]
        assert shop.status(processor, made["payment_id"])["refundable_amount"] == AMOUNT
    told = shop.wait_for(processor, made["payment_id"], ends)
    assert given_back(shop, processor) == (AMOUNT if ends == "refunded" else 0)
    if ends == "refunded":
        assert shop.events() == ["payment_succeeded", "payment_refunded"]


@BOTH
def test_a_refund_made_in_the_processors_dashboard_is_written_down_and_told(shop, processor):
    made = shop.checkout(processor)
    buyer(shop, processor, made)
    paid = is_paid_once(shop, processor, made)
    name = paid.get("payment_intent") or paid["razorpay_payment_id"]
    shop.lab.control(f"/{processor}/payments/{name}/refund", amount=20_000)
    shop.settled()
    told = shop.status(processor, made["payment_id"])
    assert (told["status"], told["refunded_amount"], told["refundable_amount"]) == ("paid", 20_000, AMOUNT - 20_000)
    assert shop.events() == ["payment_succeeded", "payment_refunded"]
    refused = shop.refund(processor, payment_id=made["payment_id"], amount=AMOUNT - 19_999, expect=400)
    assert refused["remaining"] == AMOUNT - 20_000
    assert shop.refund(processor, payment_id=made["payment_id"])["amount"] == AMOUNT - 20_000
    shop.wait_for(processor, made["payment_id"], "refunded")
    assert given_back(shop, processor) == AMOUNT


@BOTH
def test_a_dispute_stops_refunds_until_it_is_over(shop, processor):
    made = shop.checkout(processor)
    buyer(shop, processor, made)
    paid = is_paid_once(shop, processor, made)
    name = paid.get("payment_intent") or paid["razorpay_payment_id"]
    dispute = shop.lab.control(f"/{processor}/payments/{name}/dispute")["dispute"]
    shop.settled()
    assert shop.status(processor, made["payment_id"])["is_disputed"] is True
    told = shop.refund(processor, payment_id=made["payment_id"], expect=409)
    assert (told["code"], Refund.objects.count(), given_back(shop, processor)) == ("disputed", 0, 0)
    shop.lab.control(f"/{processor}/disputes/{dispute['id']}/act", outcome="won")
    shop.settled()
    assert shop.refund(processor, payment_id=made["payment_id"])["remaining"] == 0
    shop.wait_for(processor, made["payment_id"], "refunded")


# --- timeouts: never twice ------------------------------------------------------------------------------------------

CREATES = {"stripe": "checkout.sessions.create", "razorpay": "orders.create"}
REFUNDS = {"stripe": "refunds.create", "razorpay": "payments.refund"}
CAPTURES = {"stripe": "payment_intents.capture", "razorpay": "payments.capture"}


@BOTH
@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
def test_a_checkout_that_timed_out_is_gone_on_with_and_paid_once(shop, processor, kind):
    shop.fault(kind, seconds=0.5, match={"operation": CREATES[processor]})
    body = {"order_id": "ORD-T", "capture": "automatic"}
    told = shop.checkout(processor, expect=502, once="wish", **body)
    assert (told["code"], told["status"]) == ("no_clear_answer", "processing")
    if kind == "timeout_before":  # nobody there knows of it after half a minute: it never happened
        Payment.objects.update(created_at=later(seconds=-31))
    made = shop.checkout(processor, once="wish", **body)
    assert made["hub_order_id"] == str(Order.objects.get().pk)
    buyer(shop, processor, made)
    is_paid_once(shop, processor, made)
    assert taken(shop, processor) == AMOUNT
    log = shop.calls(processor, CREATES[processor])
    assert [row["fault"] for row in log] == ([kind, ""] if kind == "timeout_before" else [kind])
    listed = shop.lab.control(f"/{processor}/{'sessions' if processor == 'stripe' else 'orders'}", "GET")
    assert len(next(iter(listed.values()))) == 1


@BOTH
@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
def test_a_refund_that_timed_out_goes_back_once(shop, processor, kind):
    made = shop.checkout(processor)
    buyer(shop, processor, made)
    is_paid_once(shop, processor, made)
    shop.fault("drop", times=None)  # the processor's own word would come before the call gives up
    shop.fault(kind, seconds=0.5, match={"operation": REFUNDS[processor]})
    told = shop.refund(processor, payment_id=made["payment_id"], once="wish", expect=202)
    assert (told["status"], told["remaining"]) == ("pending", 0)
    assert shop.refund(processor, payment_id=made["payment_id"], expect=409)["code"] == "already_refunded"
    for minutes in (1, 5, 30):
        refunds.ask_due_refunds(now=later(minutes=minutes))
    shop.settled()
    shop.wait_for(processor, made["payment_id"], "refunded")
    assert (given_back(shop, processor), Refund.objects.count()) == (AMOUNT, 1)
    log = shop.calls(processor, REFUNDS[processor])
    assert [row["fault"] for row in log] == ([kind, ""] if kind == "timeout_before" else [kind])
    names = {row["key"] if "key" in row else row["idempotency_key"] for row in log}
    assert len(names) == 1  # every try was the same wish


@BOTH
@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
def test_a_capture_that_timed_out_is_taken_once(shop, processor, kind):
    made = shop.checkout(processor, capture="manual")
    buyer(shop, processor, made)
    shop.settled()
    shop.fault(kind, seconds=0.5, match={"operation": CAPTURES[processor]})
    told = shop.capture(processor, payment_id=made["payment_id"], once="wish", expect=502)
    assert told["code"] == "no_clear_answer"
    answer = shop.ask("POST", f"/{processor}/capture", {"payment_id": made["payment_id"]}, once="wish")
    assert (answer.status_code, answer.json()["status"]) in ((200, "paid"), (409, "paid")), answer.text
    is_paid_once(shop, processor, made)
    assert taken(shop, processor) == AMOUNT


# --- forged and bent news -------------------------------------------------------------------------------------------

BENT = ["forged", "wrong_amount", "wrong_currency", "other_mode", "unknown_reference", "old_timestamp"]


@pytest.mark.parametrize(
    ("processor", "kind"),
    [(processor, kind) for processor in ("stripe", "razorpay") for kind in BENT
     if (processor, kind) != ("razorpay", "old_timestamp")],
)  # fmt: skip
def test_a_bent_callback_pays_nothing_and_is_kept_for_staff(shop, processor, kind):
    made = shop.checkout(processor)
    shop.fault(kind, times=None)
    if processor == "stripe":
        shop.lab.act(made["session_id"], "approve")
    else:
        shop.buyer_at_razorpay(made, returns=False)
    shop.settled()
    told = shop.status(processor, made["payment_id"])
    assert told["status"] in ("pending", "processing"), told
    assert (told["amount_captured"], shop.events()) == (0, [])
    assert Order.objects.get().status not in ("paid", "refunded", "failed")
    records = CallbackRecord.objects.all()
    assert records.exists()
    if kind in ("forged", "old_timestamp"):
        assert set(records.values_list("verdict", "is_verified")) == {("refused", False)}
        assert Payment.objects.get().status == "pending"
    if kind in ("wrong_amount", "wrong_currency"):  # verified money that is not what is owed: for people to decide
        assert Payment.objects.get().status == "review"
        shop.refund(processor, payment_id=made["payment_id"], expect=409)


@BOTH
def test_an_event_of_another_accounts_payment_touches_nothing_here(shop, processor, settings):
    """Its signature is right, for the account that sends it; the payment it names is not that account's."""
    from django.utils import timezone

    from gateway.types import Mode
    from providers import accounts
    from tests.builders import make_provider

    made = shop.checkout(processor)
    other = make_provider(with_account=False)
    if processor == "stripe":
        key, secret = "sk_test_" + "0the" * 6, "whsec_b3RoZXI="
        credentials = {"secretKey": key, "webhookSecret": secret}
    else:
        secret = "AnotherWebhookSecret1"
        credentials = {**RAZORPAY, "keyId": "rzp_test_AnotherShop", "webhookSecret": secret}
    accounts.save_credentials(
        provider=other, processor=processor, mode=Mode.TEST, credentials=credentials, now=timezone.now()
    )
    shop.fault("forged", times=None, code=secret)
    if processor == "stripe":
        shop.lab.act(made["session_id"], "approve")
    else:
        shop.buyer_at_razorpay(made, returns=False)
    shop.settled()
    assert (shop.status(processor, made["payment_id"])["status"], shop.events()) == ("pending", [])
    records = CallbackRecord.objects.exclude(account__provider=other)
    assert not records.filter(is_verified=True).exists()
    assert not CallbackRecord.objects.filter(payment_id=made["payment_id"], is_verified=True).exists()
    # What was refused is sent again; such a one may be under way this moment.
    finished = CallbackRecord.objects.filter(finished_at__isnull=False)
    assert set(finished.values_list("verdict", flat=True)) <= {"refused", "unknown_reference"}
    assert records.filter(verdict="refused").exists()


def test_what_a_browser_says_on_its_way_back_from_stripe_is_not_believed(shop):
    made = shop.checkout("stripe")
    order = Order.objects.get()
    forged = "payment_intent=pi_paid&redirect_status=succeeded&status=paid&session_id=cs_test_x&payment_status=paid"
    for method in ("GET", "POST"):
        address = f"{shop.url}/checkout/o/{order.token}/return?{forged}"
        back = requests.request(method, address, data={"status": "paid"}, timeout=20, allow_redirects=False)
        assert back.status_code == 303
    payments.ask_due_payments(now=later(seconds=1))
    assert shop.status("stripe", made["payment_id"])["status"] == "pending"
    assert (shop.events(), Order.objects.get().status) == ([], "pending")


# --- a sale that began at Stripe ------------------------------------------------------------------------------------


def test_a_sale_by_a_payment_link_is_recognised_told_and_refundable(shop):
    """Nobody opened an order here: the buyer followed a link that the seller made in Stripe's dashboard."""
    service = shop.provider.service
    link = shop.lab.control(
        "/stripe/links", amount=1500, currency="usd", name=service.title, metadata={"serviceId": str(service.pk)}
    )["link"]
    page = requests.get(link["url"], timeout=20)
    assert page.status_code == 200, page.text
    requests.post(page.url, data={"outcome": "decline"}, timeout=20)
    shop.settled()
    assert Order.objects.count() == 0  # nobody has paid anything yet
    requests.post(page.url, data={"outcome": "approve", "email": "payer@example.test"}, timeout=20)
    shop.settled()

    payment = Payment.objects.select_related("order").get()
    order = payment.order
    assert (order.status, order.link_ref, order.provider) == ("paid", link["id"], shop.provider)
    assert (order.amount_minor, order.quantity, order.service) == (1500, 3, service)
    assert (order.payer_email, order.mode) == ("payer@example.test", "test")
    [told] = shop.told()
    assert {name: told[name] for name in ("event", "amount", "status", "paymentLinkId", "description", "livemode")} == {
        "event": "payment_succeeded", "amount": 15, "status": "paid", "paymentLinkId": link["id"],
        "description": f"{service.title} | PaymentLink: {link['id']}", "livemode": False,
    }  # fmt: skip
    assert (told["externalId"], told["serviceId"]) == (None, str(service.pk))
    status = shop.status("stripe", told["stripePaymentIntentId"])
    assert (status["status"], status["amount"], status["hub_order_id"]) == ("paid", 1500, told["orderId"])
    assert shop.refund("stripe", payment_intent=told["stripePaymentIntentId"])["remaining"] == 0
    shop.settled()
    assert shop.events() == ["payment_succeeded", "payment_refunded"]
    assert Order.objects.count() == Payment.objects.count() == 1


def test_every_buyer_of_a_payment_link_is_a_sale_of_its_own_told_once(shop):
    link = shop.lab.control("/stripe/links", amount=500, currency="usd", name="Tea")["link"]
    shop.fault("duplicate", times=None)
    for _ in range(2):
        page = requests.get(link["url"], timeout=20)
        requests.post(page.url, data={"outcome": "approve"}, timeout=20)
    shop.settled()
    assert Order.objects.filter(status="paid", link_ref=link["id"]).count() == Order.objects.count() == 2
    assert shop.events() == ["payment_succeeded", "payment_succeeded"]
    assert not Payment.objects.filter(is_duplicate=True).exists()


def test_a_link_that_names_no_service_is_no_sale_of_the_providers_service_by_guess(shop):
    link = shop.lab.control("/stripe/links", amount=1750, currency="usd", name="Tea")["link"]
    page = requests.get(link["url"], timeout=20)
    requests.post(page.url, data={"outcome": "approve"}, timeout=20)
    shop.settled()
    [told] = shop.told()
    assert (told["serviceId"], told["serviceName"], told["amount"]) == (None, None, 17.5)
    assert told["description"].endswith(f" | PaymentLink: {link['id']}") and not told["description"].startswith(" ")
    assert Order.objects.get().quantity == 1


@pytest.mark.parametrize("kind", ["forged", "old_timestamp", "other_mode"])
def test_a_forged_sale_by_a_link_writes_nothing_down(shop, kind):
    link = shop.lab.control("/stripe/links", amount=500, currency="usd", name="Tea")["link"]
    shop.fault(kind, times=None)
    page = requests.get(link["url"], timeout=20)
    requests.post(page.url, data={"outcome": "approve"}, timeout=20)
    shop.settled()
    assert (Order.objects.count(), shop.events()) == (0, [])
    assert CallbackRecord.objects.exists()
