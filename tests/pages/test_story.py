"""Where is my money? What the page tells in every state, and what it must never tell."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from checkout import orders, payments, refunds, reviews
from checkout.models import Order, OrderEvent, Payment, Refund
from checkout.statuses import page_state
from checkout.story import Ahead, Says, story_of
from gateway.money import Money
from gateway.types import DisputeReport, RefundOutcome, RefundReport
from tests.builders import approve, make_order, make_paid_order, make_provider, start_payment
from tests.pages import invoices, states
from tests.pages.reading import read
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
FAILURE = re.compile(r"did not go through|was refused|declined|failed|No money was taken", re.IGNORECASE)


@pytest.fixture
def tell(client):
    def get(order, rest="", **headers):
        answer = read(client.get(f"/checkout/o/{order.token}/story{rest}", headers=headers))
        assert answer.status_code == 200
        return answer

    return get


def steps(order):
    return [step.says.value for step in told(order).steps]


def ahead(order):
    return [outlook.says.value for outlook in told(order).ahead]


def told(order):
    order = Order.objects.select_related("provider").get(pk=order.pk)
    now = timezone.now()
    tries = list(order.payments.order_by("created_at", "id"))
    return story_of(order, tries, page_state(order, tries, now=now), now=now)


# --- every state ----------------------------------------------------------------------------------------------------

STEPS = {
    "ready": ["opened"],
    "waiting": ["opened", "started", "waited"],
    "processing": ["opened", "started", "waited", "worked"],
    "checking": ["opened", "started", "unclear"],
    "under_review": ["opened", "started", "waited", "reviewed"],
    "paid": ["opened", "started", "waited", "paid"],
    "paid_without_a_way_back": ["opened", "started", "waited", "paid"],
    "partly_refunded": ["opened", "started", "waited", "paid", "return_asked", "returned"],
    "refunded": ["opened", "started", "waited", "paid", "return_asked", "returned"],
    "failed": ["opened", "started", "waited", "refused"],
    "failed_and_out_of_time": ["opened", "started", "waited", "refused"],
    "cancelled": ["opened", "closed"],
    "expired": ["opened", "expired"],
    "long_names": ["opened"],
}
AHEAD = {
    "ready": ["pay_by"],
    "waiting": ["we_ask_soon"],
    "processing": ["we_ask_soon"],
    "checking": ["we_ask_soon"],
    "under_review": ["people_check"],
    "paid": ["seller_delivers", "seller_not_reached"],
    "paid_without_a_way_back": ["seller_delivers", "seller_not_reached"],
    "partly_refunded": ["seller_delivers", "seller_not_reached"],
    "refunded": ["seller_not_reached"],
    "failed": ["pay_by", "seller_not_reached"],
    "failed_and_out_of_time": ["seller_not_reached"],
    "cancelled": [],
    "expired": [],
    "long_names": ["pay_by"],
}


@pytest.mark.parametrize("name", states.ALL)
def test_each_state_has_its_account_in_three_languages(name, lab, client, tell):
    order = states.ALL[name](lab, client)
    assert (steps(order), ahead(order)) == (STEPS[name], AHEAD[name])

    shown = [tell(order, f"?lang={lang}") for lang in ("uz", "ru", "en")]
    assert len({page.text for page in shown}) == 3
    for page in shown:
        html = page.content.decode()
        assert html.count("<li><p") == len(STEPS[name])
        assert "%(" not in html and "{{" not in html
        assert page.headers["Cache-Control"] == "no-store" and page.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("name", ["processing", "checking", "under_review"])
def test_while_the_truth_is_unknown_nothing_says_failed(name, lab, client, tell):
    page = tell(states.ALL[name](lab, client))
    assert not FAILURE.search(page.text), page.text
    if name != "processing":
        assert "Your payment is being checked" in page.text


def test_a_refused_try_before_one_that_is_unclear_is_told_of_that_try_alone(lab, client, tell):
    order = states.failed(lab, client)
    lab.fault("reset_after", match={"operation": "payment_intents.create"})
    lab.fault("drop", times=None)
    assert start_payment(order).status == "unknown"

    page = tell(order)
    assert "Your payment is being checked" in page.text
    assert "Cash App gave no clear answer." in page.text
    assert "No money was taken." not in page.text and "The payment did not go through" not in page.text


@pytest.mark.parametrize("name", invoices.ALL)
def test_invoices_have_their_account_too(name, client, processors, tell):
    order = invoices.ALL[name](client, processors)
    for lang in ("uz", "ru", "en"):
        assert "Osh markazi" in tell(order, f"?lang={lang}").text


# --- money that is not where it should be -----------------------------------------------------------------------------


def test_a_reservation_says_until_when_and_not_to_pay_again(client, processors, tell):
    order = invoices.found_by_uzum(client, ["uzum"])
    assert ahead(order) == ["confirm_by"]
    text = tell(order, "?lang=en").text
    assert "Uzum Bank found the order and asked whether it can be paid. We said yes." in text
    until = order.processor_transactions.get().expires_at
    assert f"Uzum Bank keeps the order until {in_tashkent(until)}" in text
    assert "do not pay again" in text


def in_tashkent(at):
    local = at.astimezone(UTC) + timedelta(hours=5)
    return f"{local.day} {local:%b %Y, %H:%M} (UTC+5)"


def test_an_ended_reservation_says_that_the_processor_gives_back_what_it_took(client, processors, tell):
    order = invoices.found_by_uzum(client, ["uzum"])
    orders.cancel_order(order_id=order.pk, cause="the buyer", now=timezone.now())
    assert steps(order)[-2:] == ["ended", "cancelled_here"]
    assert ahead(order) == ["processor_gives_back"]
    assert "If Uzum Bank took money for the payment that was ended, it gives it back" in tell(order, "?lang=en").text


def test_a_late_capture_is_told_as_what_it_is(lab, client, tell):
    order = make_order(make_provider())
    payment = start_payment(order)
    Order.objects.update(status="expired")
    report = states.captured(payment)
    payments.apply_report(payment_id=payment.pk, report=report, cause="test", now=timezone.now())

    assert steps(order)[-1] == "paid_late"
    assert (
        "although the order had been closed before. Money that arrived counts: the order is paid." in tell(order).text
    )


def test_a_late_capture_that_goes_back_by_rule_says_so(lab, client, tell):
    order = make_order(make_provider(refunds_late_captures=True))
    payment = start_payment(order)
    Order.objects.update(status="expired")
    payments.apply_report(payment_id=payment.pk, report=states.captured(payment), cause="test", now=timezone.now())
    assert steps(order)[-2:] == ["paid_late", "return_by_rule"]
    assert "return_on_its_way" in ahead(order)
    assert "$100.00 is on its way back. Cash App has not finished it yet." in tell(order).text


def test_money_taken_twice_is_told_until_it_is_back(lab, client, tell, see):
    order = make_paid_order(lab, client)
    second = states.second_capture(order)
    text = tell(order).text
    assert "$100.00 was taken that pays nothing here." in see(order).text
    assert steps(order)[-1] == "paid_twice" and ahead(order)[0] == "second_goes_back"
    assert "You paid $100.00 to Bitloader. $100.00 was taken that pays nothing here." in text

    report = RefundReport(
        reference="", processor_ref="re_1", payment_processor_ref="pi_second", outcome=RefundOutcome.SUCCEEDED,
        money=Money(10_000, "USD"),
    )  # fmt: skip
    refunds.record_external(payment_id=second.pk, report=report, cause="test", now=timezone.now())
    assert steps(order)[-1] == "returned" and "second_goes_back" not in ahead(order)
    assert "pays nothing here. It is to be sent back" not in tell(order).text.split("What happens next")[0]


def test_a_second_payment_of_a_thing_paid_elsewhere_is_not_called_no_money(client, processors, tell, see):
    order = invoices.paid_elsewhere(client, processors)
    assert steps(order)[-1] == "paid_elsewhere"
    assert "No money was taken here." in tell(order, "?lang=en").text
    now = timezone.now()
    account = order.provider.accounts.get(processor="payme")
    late = Payment.objects.create(
        order=order, account=account, processor="payme", amount_minor=order.amount_minor, currency="UZS",
        created_at=now, updated_at=now,
    )  # fmt: skip
    payments.apply_report(payment_id=late.pk, report=states.captured(late), cause="test", now=now)
    for text in (tell(order, "?lang=en").text, see(order, "?lang=en").text):
        assert "No money was taken here." not in text
        assert "UZS 1,500,000.00 was taken that pays nothing here. It is to be sent back to you." in text


def test_a_review_ends_as_paid_or_as_money_on_its_way_back(lab, client, tell):
    for exit, last in (("accept", "paid"), ("refund", "return_asked")):
        order = states.under_review(lab, client)
        payment = order.payments.get()
        asked = User.objects.create(username=f"first-{exit}", is_superuser=True)
        approved = User.objects.create(username=f"secondname-{exit}", is_superuser=True)
        now = timezone.now()
        reviews.propose_exit(payment_id=payment.pk, exit=exit, actor=asked, now=now)
        assert ahead(order) == ["people_check"]
        reviews.approve_exit(payment_id=payment.pk, actor=approved, now=now)

        assert steps(order)[-1] == last and "people_check" not in ahead(order)
        html = tell(order).content.decode()
        assert "first-" not in html and "secondname" not in html
        lab.running.lab.reset(with_accounts=True)
        lab.control("/stripe/accounts", secret_key=states.STRIPE_KEY, country="US")


def test_a_dispute_says_who_decides(lab, client, tell):
    from checkout import disputes

    order = make_paid_order(lab, client)
    for is_open, last in ((True, "disputed"), (False, "dispute_over")):
        report = DisputeReport(
            processor_ref="dp_1", payment_processor_ref=order.payments.get().processor_ref, is_open=is_open,
            reason="fraudulent", status="needs_response",
        )  # fmt: skip
        disputes.apply_dispute(payment_id=order.paid_by_id, report=report, cause="test", now=timezone.now())
        assert steps(order)[-1] == last
        assert ("dispute_decides" in ahead(order)) == is_open
        assert "fraudulent" not in tell(order).content.decode()


# --- returns ----------------------------------------------------------------------------------------------------------


def ask_refund(order, **more):
    return refunds.request_refund(
        order_id=order.pk, reason="internal note", idempotency_key="", requested_by="tests", now=timezone.now(),
        **{"cause": "api key provider_test_x", **more},
    )  # fmt: skip


def test_a_return_is_told_from_its_wish_to_its_end(lab, client, tell):
    order = make_paid_order(lab, client)
    lab.fault("500", match={"operation": "refunds.create"}, times=None)
    refund = ask_refund(order, amount_minor=2_500)
    assert refund.status in ("requested", "unknown", "pending")
    assert steps(order)[-1] == "return_asked_by_seller"
    assert "return_on_its_way" in ahead(order)
    text = tell(order).text
    assert "Bitloader asked to send $25.00 back." in text
    assert "$25.00 is on its way back. Cash App has not finished it yet." in text
    assert "internal note" not in text

    report = RefundReport(
        reference=str(refund.pk), processor_ref="re_1", payment_processor_ref="", outcome=RefundOutcome.SUCCEEDED,
        money=refund.money,
    )  # fmt: skip
    refunds.apply_refund_report(refund_id=refund.pk, report=report, cause="test", now=timezone.now())
    assert steps(order)[-1] == "returned" and "return_on_its_way" not in ahead(order)
    assert "Cash App confirmed that $25.00 was sent back." in tell(order).text


def test_a_return_that_failed_says_that_the_money_did_not_go_back(lab, client, tell):
    order = make_paid_order(lab, client)
    refund = ask_refund(order)
    report = RefundReport(
        reference=str(refund.pk), processor_ref="", payment_processor_ref="", outcome=RefundOutcome.FAILED, money=None
    )
    refunds.apply_refund_report(refund_id=refund.pk, report=report, cause="test", now=timezone.now())
    assert steps(order)[-1] in ("return_failed", "return_came_back")
    assert "return_not_done" in ahead(order)
    assert "The return of $100.00 did not work, so that money has not gone back. Ask Bitloader" in tell(order).text


def test_a_return_that_waits_for_a_second_person_is_no_return_yet(lab, client, tell, settings):
    settings.REFUND_APPROVAL_ABOVE_MINOR = 1
    order = make_paid_order(lab, client)
    anna = User.objects.create(username="anna")
    refund = ask_refund(order, actor=anna, cause="staff anna")
    assert refund.status == Refund.Status.PROPOSED
    assert steps(order)[-1] == "paid" and "return_on_its_way" not in ahead(order)

    refunds.reject_refund(refund_id=refund.pk, actor=User.objects.create(username="boris"), now=timezone.now())
    assert steps(order)[-1] == "paid"
    html = tell(order).content.decode()
    assert "anna" not in html and "boris" not in html


# --- whether the seller knows -----------------------------------------------------------------------------------------


def test_the_seller_was_told_or_has_not_been_reached_yet(lab, client, tell):
    order = make_paid_order(lab, client)
    assert "We could not tell Bitloader the latest yet, and keep trying." in tell(order).text

    at = timezone.now() + timedelta(minutes=3)
    Delivery.objects.update(state="delivered", delivered_at=at, next_attempt_at=None, is_holding=False)
    assert steps(order)[-1] == "told_paid" and ahead(order)[-1] == "seller_was_told"
    text = tell(order).text
    assert "Bitloader was told that the order is paid." in text
    assert f"Bitloader was told the latest at {at.day} {at:%b %Y, %H:%M} (UTC)" in text
    assert "could not tell" not in text


@pytest.mark.parametrize("state", ["pending", "stuck", "ended"])
def test_whatever_did_not_arrive_is_not_told(state, lab, client):
    order = make_paid_order(lab, client)
    Delivery.objects.update(state=state, next_attempt_at=None, is_holding=False)
    assert ahead(order)[-1] == "seller_not_reached"


def test_what_a_younger_news_replaced_does_not_matter(lab, client):
    order = make_paid_order(lab, client)
    Delivery.objects.update(state="superseded", next_attempt_at=None, is_holding=False)
    assert ahead(order) == ["seller_delivers"]


def test_without_an_address_nothing_is_said_about_telling(lab, client):
    order = make_paid_order(lab, client, make_provider(webhook_url=""))
    assert ahead(order) == ["seller_delivers"]


# --- the page ---------------------------------------------------------------------------------------------------------


def test_it_is_linked_from_every_end_and_while_something_is_checked(lab, client, see):
    for name, state in states.ALL.items():
        order = state(lab, client)
        page = see(order)
        is_linked = f'href="/checkout/o/{order.token}/story"' in page.content.decode()
        assert is_linked == (name not in ("ready", "waiting", "long_names")), name
        lab.running.lab.reset(with_accounts=True)
        lab.control("/stripe/accounts", secret_key=states.STRIPE_KEY, country="US")


def test_the_receipt_leads_to_an_account_that_does_not_lead_to_the_checkout(client, processors):
    order = invoices.paid_by_card(client, processors)
    receipt = client.get(f"/receipt/{order.receipt_code}?lang=ru").content.decode()
    assert f'href="/receipt/{order.receipt_code}/story?lang=ru"' in receipt
    page = read(client.get(f"/receipt/{order.receipt_code}/story?lang=en"))
    html = page.content.decode()
    assert page.status_code == 200 and "Paid. Thank you!" in page.text
    assert order.token not in html and "/checkout/o/" not in html
    assert f'href="/receipt/{order.receipt_code}?lang=en"' in html
    assert page.headers["Cache-Control"] == "no-store"


def test_an_unpaid_order_has_no_account_under_its_receipts_address(lab, client):
    order = states.ready(lab, client)
    answer = read(client.get(f"/receipt/{order.receipt_code}/story"))
    assert answer.status_code == 404 and "There is no such receipt" in answer.text
    assert client.get("/checkout/o/tok_nobody/story").status_code == 404
    assert client.post(f"/checkout/o/{order.token}/story").status_code == 405


def test_it_says_whom_to_ask_and_by_which_number(lab, client, tell):
    order = make_paid_order(lab, client)
    text = tell(order).text
    assert f"Name this number: {order.external_id}" in text
    assert f"Name this number: {order.payments.get().processor_ref}" in text
    assert "help@pay.test" in text and str(order.pk) in text


def test_no_cause_no_code_and_no_secret_is_shown(lab, client, tell):
    order = states.declined("payment_method_provider_decline")(lab, client)
    approve(lab, client, start_payment(order))
    html = tell(order).content.decode()
    for event in OrderEvent.objects.exclude(cause="the buyer"):
        assert event.cause not in html or event.cause in ("buyer", "test")
    assert "payment_method_provider_decline" not in html and "sk_test" not in html and "evt_" not in html
    assert order.receipt_code not in tell(states.ready(lab, client)).content.decode()


def test_times_are_told_with_their_date_in_the_zone_of_the_house(lab, client, tell, settings):
    order = make_paid_order(lab, client)
    OrderEvent.objects.update(at=datetime(2026, 11, 20, 20, 1, tzinfo=UTC))
    Order.objects.update(created_at=datetime(2026, 11, 20, 20, 1, tzinfo=UTC))
    assert "20 Nov 2026, 20:01 (UTC)" in tell(order, "?lang=en").text
    settings.TIME_ZONE = "America/St_Johns"
    assert "20 Nov 2026, 16:31 (UTC−3:30)" in tell(order, "?lang=en").text
    assert "2026-yil 21-noyabr, 01:01 (UTC+5)" in tell(order, "?lang=uz").text


def test_a_clock_that_ran_behind_does_not_turn_the_order_of_things_around(lab, client):
    order = make_paid_order(lab, client)
    OrderEvent.objects.filter(kind="paid").update(at=timezone.now() - timedelta(days=1))
    assert steps(order) == STEPS["paid"]


def test_a_look_asks_the_processor_soon_and_costs_few_queries(lab, client, tell, django_assert_max_num_queries):
    order = states.processing(lab, client)
    Payment.objects.update(next_ask_at=timezone.now() + timedelta(hours=1), last_asked_at=None)
    with django_assert_max_num_queries(12):
        tell(order)
    payment = Payment.objects.get()
    assert payment.next_ask_at <= timezone.now()
    Payment.objects.update(last_asked_at=timezone.now() - timedelta(seconds=1))
    assert ahead(order) == ["we_ask"]


def test_every_step_and_every_outlook_has_a_sentence():
    from checkout.pages import story

    assert set(story._STEPS) == set(Says) - {Says.REFUSED}
    assert set(story._AHEAD) == set(Ahead)
