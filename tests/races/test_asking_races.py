"""Processors that ask, eight calls at once: what two calls in a row would hear, two at once hear too."""

import base64
import hashlib
import json
import uuid

import pytest
from django.test import Client
from django.utils import timezone

from checkout import decisions, invoices, orders
from checkout.errors import CheckoutError
from checkout.models import Order, OrderEvent, Payment, ProcessorTransaction
from gateway import registry
from gateway.money import Money
from gateway.types import Mode
from providers import accounts
from tests.asking import CREDENTIALS
from tests.builders import later, make_provider
from tests.races.test_money_races import THREADS, at_once
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
AMOUNT = 1_500_050
ROUNDS = range(5)


def needs(slug):
    return pytest.mark.skipif(slug not in registry.PROTOCOLS, reason=f"{slug} is not built in")


@pytest.fixture
def provider():
    made = make_provider(with_account=False, webhook_url="")
    for slug in registry.PROTOCOLS:
        if slug in CREDENTIALS and slug != "multicard":
            accounts.save_credentials(
                provider=made, business_id="biz_42", processor=slug, mode=Mode.TEST, now=timezone.now(),
                credentials=CREDENTIALS[slug],
            )  # fmt: skip
    return made


def invoice(provider, processor="payme", source_invoice_id="order_1"):
    wanted = invoices.Wanted(
        provider=provider, mode=Mode.TEST, business_id="biz_42", processor=processor, amount=Money(AMOUNT, "UZS"),
        source_invoice_id=source_invoice_id, notify_url="https://shop.test/hook",
    )  # fmt: skip
    return invoices.open_invoice(wanted, cause="test", now=timezone.now())[0]


def payme(method, **params):
    auth = base64.b64encode(f"Paycom:{CREDENTIALS['payme']['key']}".encode()).decode()
    answer = Client().post(
        "/api/callbacks/payme", json.dumps({"id": 1, "method": method, "params": params}), content_type="text/json",
        headers={"Authorization": f"Basic {auth}"},
    )  # fmt: skip
    assert answer.status_code == 200
    body = answer.json()
    assert body.get("error", {}).get("code") != -32400, body
    return body.get("result") or body["error"]


def ref():
    return uuid.uuid4().hex[:24]


def create(order, transaction):
    now = int(timezone.now().timestamp() * 1000)
    account = {"order_id": str(order.pk)}
    return payme("CreateTransaction", id=transaction, time=now, amount=AMOUNT, account=account)


def perform(transaction):
    return payme("PerformTransaction", id=transaction)


def one_story(order, *, is_told=True):
    """The order's events are numbered without a gap, and it is paid at most once, by at most one payment.

    Its status. Without `is_told` its end is nobody's news.
    """
    order.refresh_from_db()
    assert list(order.events.values_list("sequence", flat=True)) == list(range(1, order.last_sequence + 1))
    captured = Payment.objects.filter(order=order, captured_minor__gt=0)
    is_paid = order.status == Order.Status.PAID
    assert captured.count() == OrderEvent.objects.filter(order=order, kind="paid").count() == int(is_paid)
    performed = ProcessorTransaction.objects.filter(order=order, state="performed").count()
    assert performed == int(is_paid)
    told = [json.loads(row.body)["status"] for row in Delivery.objects.filter(order_id=order.pk).order_by("sequence")]
    words = {"paid": ["paid"], "cancelled": ["cancelled"] if is_told else [], "expired": ["cancelled"]}
    assert told == words.get(order.status, [])
    return order.status


def test_the_same_perform_eight_times_at_once_pays_once_and_is_answered_alike(provider):
    order, transaction = invoice(provider), ref()
    create(order, transaction)
    answers = at_once(lambda number: perform(transaction))
    assert len({json.dumps(answer, sort_keys=True) for answer in answers}) == 1 and answers[0]["state"] == 2
    assert one_story(order) == "paid"


def test_the_same_create_eight_times_at_once_is_one_transaction(provider):
    order, transaction = invoice(provider), ref()
    moment = int(timezone.now().timestamp() * 1000)
    account = {"order_id": str(order.pk)}
    answers = at_once(
        lambda number: payme("CreateTransaction", id=transaction, time=moment, amount=AMOUNT, account=account)
    )
    assert len({json.dumps(answer, sort_keys=True) for answer in answers}) == 1 and answers[0]["state"] == 1
    assert ProcessorTransaction.objects.count() == Payment.objects.count() == 1


def test_creates_with_two_ids_at_once_give_the_order_to_one_of_them(provider):
    order, ids = invoice(provider), [ref(), ref()]
    answers = at_once(lambda number: create(order, ids[number % 2]))
    winners = {number % 2 for number, answer in enumerate(answers) if answer.get("state") == 1}
    assert len(winners) == 1
    assert all((answer.get("state") == 1) == (number % 2 in winners) for number, answer in enumerate(answers))
    assert {answer["code"] for answer in answers if "code" in answer} == {-31008}
    assert ProcessorTransaction.objects.get().transaction_ref == ids[winners.pop()]


def test_the_same_transaction_for_two_orders_at_once_belongs_to_one(provider):
    both, transaction = [invoice(provider), invoice(provider, source_invoice_id="order_2")], ref()
    answers = at_once(lambda number: create(both[number % 2], transaction))
    winners = {number % 2 for number, answer in enumerate(answers) if answer.get("state") == 1}
    assert len(winners) == 1
    assert {answer["code"] for answer in answers if "code" in answer} <= {-31008}
    assert ProcessorTransaction.objects.count() == 1


@pytest.mark.parametrize("round", ROUNDS)
def test_perform_against_our_cancel_ends_in_one_of_the_two(provider, round):
    order, transaction = invoice(provider), ref()
    create(order, transaction)

    def act(number):
        if number % 2:
            return perform(transaction)
        return orders.cancel_order(order_id=order.pk, cause="race", now=later(seconds=0))

    answers = at_once(act)
    status = one_story(order)
    assert status in ("paid", "cancelled")
    performed = {answer.get("state") for answer in answers[1::2]}
    refused = {answer.get("code") for answer in answers[1::2]} - {None}
    if status == "paid":
        assert performed == {2} and all(isinstance(answer, CheckoutError) for answer in answers[::2])
    else:
        assert refused == {-31008} and performed == {None}
        assert not any(isinstance(answer, CheckoutError) for answer in answers[::2])


@pytest.mark.parametrize("round", ROUNDS)
def test_performs_of_two_siblings_pay_one(provider, round):
    first, second = invoice(provider), invoice(provider)
    ids = [ref(), ref()]
    create(first, ids[0])
    create(second, ids[1])
    answers = at_once(lambda number: perform(ids[number % 2]))
    assert {one_story(first, is_told=False), one_story(second, is_told=False)} == {"paid", "cancelled"}
    winners = {number % 2 for number, answer in enumerate(answers) if answer.get("state") == 2}
    assert len(winners) == 1
    assert {answer["code"] for answer in answers if "code" in answer} == {-31008}
    assert Payment.objects.filter(captured_minor__gt=0).count() == 1
    assert Delivery.objects.count() == 1  # the sibling was cancelled without a word


@pytest.mark.parametrize("round", ROUNDS)
def test_perform_against_the_sweep_at_the_twelfth_hour_ends_in_one_of_the_two(provider, round):
    order, transaction = invoice(provider), ref()
    create(order, transaction)

    def act(number):
        if number % 2:
            return perform(transaction)
        return decisions.end_expired_reservations(now=later(hours=12, seconds=1))

    answers = at_once(act)
    status = one_story(order)
    if status == "paid":
        assert {answer["state"] for answer in answers[1::2]} == {2} and sum(answers[::2]) == 0
    else:
        assert status == "pending" and sum(answers[::2]) == 1
        assert {answer["code"] for answer in answers[1::2]} == {-31008}


@pytest.mark.parametrize("round", ROUNDS)
def test_perform_against_cancel_of_the_same_transaction_moves_once_each_way(provider, round):
    """Payme would not, but two of its machines might: the end is one of its own states."""
    order, transaction = invoice(provider), ref()
    create(order, transaction)
    answers = at_once(
        lambda number: perform(transaction) if number % 2 else payme("CancelTransaction", id=transaction, reason=5)
    )
    assert len({json.dumps(answer, sort_keys=True) for answer in answers[::2]}) == 1  # the first cancel's words
    state = payme("CheckTransaction", id=transaction)["state"]
    assert {answer["state"] for answer in answers[::2]} == {state} and state in (-1, -2)
    order.refresh_from_db()
    captured = Payment.objects.filter(order=order, captured_minor__gt=0).count()
    assert (order.status, captured) == (("refunded", 1) if state == -2 else ("pending", 0))


# --- Click -----------------------------------------------------------------------------------------------------------


def click(action, order, click_id, *, prepare_id="", error="0"):
    found = {
        "click_trans_id": click_id, "service_id": CREDENTIALS["click"]["serviceId"], "click_paydoc_id": click_id,
        "merchant_trans_id": str(order.pk), "amount": "15000.50", "action": str(action), "error": error,
        "error_note": "", "sign_time": "2026-05-12 15:01:23", "merchant_prepare_id": prepare_id,
    }  # fmt: skip
    if not prepare_id:
        del found["merchant_prepare_id"]
    signed = (
        found["click_trans_id"] + found["service_id"] + CREDENTIALS["click"]["secretKey"]
        + found["merchant_trans_id"] + prepare_id + found["amount"] + found["action"] + found["sign_time"]
    )  # fmt: skip
    found["sign_string"] = hashlib.md5(signed.encode()).hexdigest()
    answer = Client().post(f"/api/callbacks/click/{'complete' if action else 'prepare'}", found)
    assert answer.status_code == 200
    return answer.json()


@needs("click")
def test_the_same_complete_eight_times_at_once_is_confirmed_once_and_already_paid_after(provider):
    order = invoice(provider, "click")
    prepared = click(0, order, "3737503")
    assert prepared["error"] == 0, prepared
    number = str(prepared["merchant_prepare_id"])
    answers = at_once(lambda _: click(1, order, "3737503", prepare_id=number)["error"])
    assert sorted(answers) == [-4] * (THREADS - 1) + [0]
    assert one_story(order) == "paid"


@needs("click")
def test_eight_prepares_of_one_payment_at_once_have_one_number(provider):
    order = invoice(provider, "click")
    answers = at_once(lambda _: click(0, order, "3737503"))
    assert {answer["error"] for answer in answers} == {0}
    assert len({answer["merchant_prepare_id"] for answer in answers}) == 1
    assert ProcessorTransaction.objects.count() == 1


@needs("click")
@pytest.mark.parametrize("round", ROUNDS)
def test_complete_against_its_own_failure_ends_in_one_of_the_two(provider, round):
    order = invoice(provider, "click")
    number = str(click(0, order, "3737503")["merchant_prepare_id"])
    at_once(lambda n: click(1, order, "3737503", prepare_id=number, error="0" if n % 2 else "-5017")["error"])
    order.refresh_from_db()
    captured = Payment.objects.filter(order=order, captured_minor__gt=0).count()
    assert (order.status, captured) in {("paid", 1), ("pending", 0)}


# --- Uzum ------------------------------------------------------------------------------------------------------------


def uzum(endpoint, **fields):
    login, password = CREDENTIALS["uzum"]["login"], CREDENTIALS["uzum"]["password"]
    auth = base64.b64encode(f"{login}:{password}".encode()).decode()
    body = {"serviceId": int(CREDENTIALS["uzum"]["serviceId"]), "timestamp": 1735787045000, **fields}
    answer = Client().post(
        f"/api/callbacks/uzum/{endpoint}", json.dumps(body), content_type="application/json",
        headers={"Authorization": f"Basic {auth}"},
    )  # fmt: skip
    assert answer.status_code in (200, 400), answer.content
    return answer.json()


@needs("uzum")
def test_the_same_confirm_eight_times_at_once_is_confirmed_once_and_already_after(provider):
    order, transaction = invoice(provider, "uzum"), str(uuid.uuid4())
    made = uzum("create", transId=transaction, amount=AMOUNT, params={"order_id": str(order.pk)})
    assert made["status"] == "CREATED", made
    answers = at_once(lambda _: uzum("confirm", transId=transaction, paymentSource="HUMO", phone="998901234567"))
    assert sum(answer["status"] == "CONFIRMED" for answer in answers) == 1
    assert {answer.get("errorCode") for answer in answers} == {None, "10016"}
    assert one_story(order) == "paid"


@needs("uzum")
def test_the_same_create_of_uzum_eight_times_at_once_is_created_once(provider):
    order, transaction = invoice(provider, "uzum"), str(uuid.uuid4())
    answers = at_once(lambda _: uzum("create", transId=transaction, amount=AMOUNT, params={"order_id": str(order.pk)}))
    assert sum(answer["status"] == "CREATED" for answer in answers) == 1
    assert {answer.get("errorCode") for answer in answers} == {None, "10010"}


# --- one order, two processors ---------------------------------------------------------------------------------------


@needs("click")
@pytest.mark.parametrize("round", ROUNDS)
def test_two_processors_that_reserve_one_order_at_once_leave_one_of_them(provider, round):
    order = invoice(provider, "")
    ids = [ref(), "3737503"]
    answers = at_once(lambda n: click(0, order, ids[1])["error"] if n % 2 else create(order, ids[0]).get("state"))
    assert (1 in answers[::2]) != (0 in answers[1::2])
    assert ProcessorTransaction.objects.filter(state="created").count() == 1
