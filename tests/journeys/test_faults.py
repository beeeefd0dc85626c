"""The same journeys while the world misbehaves: every fault the lab can be told, ending in the right state."""

import threading
import time

import pytest
import requests
from django.db import connection, transaction

from checkout import decisions
from checkout.models import Order, OrderEvent, Payment, ProcessorTransaction, Refund
from gateway import registry
from tests.asking import AMOUNT, ASKING, DESKS
from tests.builders import later

pytestmark = [pytest.mark.django_db(transaction=True)]

HARMLESS = ("duplicate", "reply_lost", "late", "reorder")  # the true call comes as well
BENT = ("forged", "other_mode", "unknown_reference", "wrong_amount", "old_timestamp")
# What a kind can bend at all.
ONLY = {"wrong_amount": {"check", "reserve", "settle"}, "old_timestamp": {"reserve"}}
# At these processors the amount is not part of the step.
WITHOUT_AMOUNT = {("payme", "settle"), ("uzum", "check"), ("uzum", "settle")}


def steps(*kinds):
    return [
        pytest.param(slug, kind, step, id=f"{slug}-{kind}-{step}")
        for slug in ASKING
        for kind in kinds
        for step in DESKS[slug].steps
        if step in ONLY.get(kind, {step}) and (kind != "wrong_amount" or (slug, step) not in WITHOUT_AMOUNT)
        if not (kind == "old_timestamp" and slug != "payme")
    ]


@pytest.fixture
def begin(marketplace):
    def start(slug):
        marketplace.register(slug)
        return marketplace.desk(slug), marketplace.invoice(slug)

    return start


def order_fault(marketplace, slug, kind, step, **more):
    """For the next call of this step; short, where time plays a part."""
    seconds = {"late": 0.2, "reply_lost": 0.1, "reorder": 0.2}.get(kind)
    timing = {"seconds": seconds} if seconds else {}
    marketplace.fault(kind, match={"event": DESKS[slug].steps[step]}, **timing, **more)


def is_paid_once(marketplace, desk, invoice):
    marketplace.wait_for(invoice, "paid")
    desk.wait_for(invoice, desk.paid)
    desk.settled()
    payment = Payment.objects.get(order=invoice["id"], captured_minor__gt=0)
    assert (payment.captured_minor, payment.status, payment.is_duplicate) == (AMOUNT, "captured", False)
    assert OrderEvent.objects.filter(order=invoice["id"], kind="paid").count() == 1
    assert [row["status"] for row in desk.payments(invoice)].count(desk.paid) == 1
    assert [body["status"] for body in marketplace.told(invoice)] == ["paid"]
    assert Refund.objects.count() == 0
    assert not Payment.objects.filter(status="review").exists()
    assert desk.violations() == []
    marketplace.faults_have_struck()


def is_untouched(marketplace, desk, invoice):
    desk.settled()
    assert marketplace.status_of(invoice) == "pending"
    assert Payment.objects.filter(captured_minor__gt=0).count() == 0
    assert desk.paid not in [row["status"] for row in desk.payments(invoice)]
    assert marketplace.told(invoice) == []
    assert desk.violations() == []
    marketplace.faults_have_struck()


@pytest.mark.parametrize(("slug", "kind", "step"), steps(*HARMLESS))
def test_a_call_that_is_repeated_late_or_out_of_order_pays_once(marketplace, begin, slug, kind, step):
    desk, invoice = begin(slug)
    order_fault(marketplace, slug, kind, step)
    marketplace.buyer(slug, invoice)
    is_paid_once(marketplace, desk, invoice)


@pytest.mark.parametrize(("slug", "kind", "step"), steps(*BENT))
def test_a_call_nobody_may_make_is_refused_and_the_true_one_behind_it_pays(marketplace, begin, slug, kind, step):
    desk, invoice = begin(slug)
    order_fault(marketplace, slug, kind, step, also_true=True)
    marketplace.buyer(slug, invoice)
    is_paid_once(marketplace, desk, invoice)


@pytest.mark.parametrize(
    ("slug", "kind", "step"), [case for case in steps(*BENT) if case.values[0] != "multicard"]
)  # fmt: skip
def test_a_call_nobody_may_make_changes_nothing_and_the_buyer_pays_at_the_next_try(
    marketplace, begin, slug, kind, step
):
    desk, invoice = begin(slug)
    order_fault(marketplace, slug, kind, step)
    marketplace.buyer(slug, invoice)
    is_untouched(marketplace, desk, invoice)
    if ProcessorTransaction.objects.filter(state="created").exists():  # it holds the order until its time is over
        decisions.end_expired_reservations(now=later(hours=12, seconds=1))
    marketplace.buyer(slug, invoice)
    is_paid_once(marketplace, desk, invoice)


@pytest.mark.parametrize("slug", [slug for slug in ASKING if slug != "multicard"])
@pytest.mark.parametrize("step", ["reserve", "settle"])
def test_a_processor_that_falls_silent_leaves_the_order_payable(marketplace, begin, slug, step):
    desk, invoice = begin(slug)
    order_fault(marketplace, slug, "drop", step)
    marketplace.buyer(slug, invoice)
    is_untouched(marketplace, desk, invoice)
    if step == "settle":  # the reservation stands, and the processor comes back to it
        desk.settle(invoice)
    else:
        marketplace.buyer(slug, invoice)
    is_paid_once(marketplace, desk, invoice)


@pytest.mark.parametrize("slug", [slug for slug in ASKING if slug != "multicard"])
def test_a_reservation_nobody_returns_to_ends_by_the_sweep_and_the_next_one_pays(marketplace, begin, slug):
    desk, invoice = begin(slug)
    order_fault(marketplace, slug, "drop", "settle")
    marketplace.buyer(slug, invoice)
    lifetime = registry.get(slug).capabilities.reservation_seconds
    assert decisions.end_expired_reservations(now=later(seconds=lifetime - 30)) == 0
    assert decisions.end_expired_reservations(now=later(seconds=lifetime + 1)) == 1
    assert Order.objects.get().status == "pending"
    desk.settle(invoice)  # too late: refused, and the buyer has his money
    desk.settled()
    is_untouched(marketplace, desk, invoice)
    marketplace.buyer(slug, invoice)
    is_paid_once(marketplace, desk, invoice)


@pytest.mark.parametrize("slug", ASKING)
def test_a_browser_that_returns_before_the_call_proves_nothing(marketplace, begin, slug):
    desk, invoice = begin(slug)
    marketplace.fault("return_before_callback", seconds=0.5)
    back = marketplace.buyer(slug, invoice)
    assert back.status_code == 303
    assert marketplace.status_of(invoice) == "pending"
    is_paid_once(marketplace, desk, invoice)


@pytest.mark.parametrize("slug", ASKING)
def test_success_after_our_cancel_is_refused_and_the_buyer_keeps_his_money(marketplace, begin, slug):
    desk, invoice = begin(slug)
    marketplace.buyer(slug, invoice, "delay")
    status = marketplace.cancel_whatever(invoice)
    desk.wait_over(invoice)
    desk.settled()
    if status == 200:
        assert marketplace.status_of(invoice) == "cancelled"
        assert desk.paid not in [row["status"] for row in desk.payments(invoice)]
        assert Payment.objects.filter(captured_minor__gt=0).count() == 0
        assert [body["status"] for body in marketplace.told(invoice)] == ["cancelled"]
        assert desk.violations() == []
    else:  # it could not be ended there any more
        is_paid_once(marketplace, desk, invoice)


@pytest.mark.parametrize("slug", ASKING)
def test_while_our_database_is_busy_the_processor_hears_nothing_wrong_and_asks_again(marketplace, begin, slug):
    """Longer than the processor waits: the call times out on its side, is worked on, and comes again."""
    desk, invoice = begin(slug)
    marketplace.lab.control("/settings", callback_timeout_seconds=0.4)
    held, go_on = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                Order.objects.select_for_update().filter(pk=invoice["id"]).update(description="held")
                held.set()
                go_on.wait(10)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    try:
        marketplace.fault("late", match={"event": desk.steps["settle"]}, seconds=0.6)
        buyer = threading.Thread(target=marketplace.buyer, args=(slug, invoice))
        buyer.start()
        end = time.monotonic() + 10  # what comes before the money is not what is under test
        while slug != "multicard" and not ProcessorTransaction.objects.exists() and time.monotonic() < end:
            time.sleep(0.01)
        holder.start()
        assert held.wait(10)
        time.sleep(1.3)
        go_on.set()
        holder.join()
        buyer.join()
        is_paid_once(marketplace, desk, invoice)
    finally:
        go_on.set()
        marketplace.lab.control("/settings", callback_timeout_seconds=10)


@pytest.mark.parametrize("slug", ASKING)
def test_a_webhook_receiver_that_fails_is_told_again_and_the_money_is_untouched(marketplace, begin, slug):
    from tests.webhooks.helpers import make_due
    from webhooks.models import Delivery

    desk, invoice = begin(slug)
    marketplace.receiver.answers += [(500, {}, b""), (429, {}, b"")]
    marketplace.buyer(slug, invoice)
    marketplace.wait_for(invoice, "paid")
    for _ in range(3):
        marketplace.drain()
        make_due(*Delivery.objects.all())
    told = marketplace.told(invoice)
    assert [body["status"] for body in told] == ["paid"] * 3 and told[0] == told[2]
    assert marketplace.read(invoice)["notifyDelivered"] is True
    assert Payment.objects.filter(captured_minor__gt=0).count() == 1
    assert desk.violations() == []


# --- our own calls to the processor: only some have an API -----------------------------------------------------------

BY_API = [slug for slug in ASKING if DESKS[slug].refunds_by_api]
REFUND = {"click": "payment.reversal", "multicard": "payments.refund"}


@pytest.mark.parametrize("slug", BY_API)
@pytest.mark.parametrize("kind", ["429", "503", "500", "reset_before", "reset_after", "html_200", "timeout_after"])
def test_a_refund_call_that_goes_wrong_is_settled_by_asking_and_pays_back_once(marketplace, begin, slug, kind):
    from checkout import refunds

    desk, invoice = begin(slug)
    marketplace.buyer(slug, invoice)
    marketplace.wait_for(invoice, "paid")
    marketplace.fault(kind, match={"operation": REFUND[slug]}, seconds=0.5)
    answer = requests.post(
        f"{marketplace.url}/api/refunds", json={"invoiceId": invoice["id"], "idempotencyKey": "once"},
        headers={"x-api-key": "service-key-of-the-tests"}, timeout=60,
    )  # fmt: skip
    assert answer.status_code in (200, 502), answer.text
    for minutes in (1, 5, 30, 120, 600):
        refunds.ask_due_refunds(now=later(minutes=minutes))
        if marketplace.status_of(invoice) == "refunded":
            break
    else:
        assert Refund.objects.filter(status="failed").exists(), list(Refund.objects.values("status"))
        assert desk.gave_back(invoice) == 0
        marketplace.refund(invoice, idempotencyKey="again")
    marketplace.wait_for(invoice, "refunded")
    assert desk.gave_back(invoice) == AMOUNT
    assert sum(Refund.objects.filter(status="succeeded").values_list("amount_minor", flat=True)) == AMOUNT
    assert [body["status"] for body in marketplace.told(invoice)] == ["paid", "refunded"]
    assert desk.violations() == []
    marketplace.faults_have_struck()
