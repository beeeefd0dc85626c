"""The order's page and its acts, the stuck view, and what needs attention."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from checkout.models import CallbackRecord, Payment, Refund
from providers.models import Approval, AuditEntry
from tests import builders
from webhooks.models import Attempt, Delivery

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(lab, client):
    return builders.make_paid_order(lab, client)


def page_of(order):
    return f"/admin/checkout/order/{order.pk}/change/"


def refund_of(order):
    return f"/admin/checkout/order/{order.pk}/payments/{order.paid_by_id}/refund/"


def refund_form(person, order, **more):
    page = person.get(refund_of(order)).content.decode()
    return {
        "wish": re.search(r'name="wish" value="([^"]+)"', page)[1],
        "amount": re.search(r'name="amount" value="([^"]+)"', page)[1],
        "reason": "buyer changed their mind",
        **more,
    }


# --- The page -----------------------------------------------------------------------------------------------------


def test_an_order_shows_all_that_is_known_about_it_on_one_page(support, paid):
    page = support.get(page_of(paid)).content.decode()
    payment = paid.paid_by
    record = CallbackRecord.objects.get(order_id=paid.pk)
    for shown in (
        "100.00\u00a0USD",
        str(paid.pk),
        paid.external_id,
        payment.processor_ref,
        str(payment.pk),
        "Premium Credits",
        "Bitloader",
        "Paid",
        "payment_succeeded",
        record.event_type,
        "Test",
    ):
        assert shown in page, shown
    assert re.search(r'<time datetime="[0-9T:.-]+Z" title="[^"]+Z">[0-9: -]+ UTC</time>', page)


def test_times_are_told_in_the_sites_zone_and_the_zone_is_named(support, paid, settings):
    settings.TIME_ZONE = "Asia/Tashkent"
    page = support.get(page_of(paid)).content.decode()
    local = timezone.localtime(paid.created_at, timezone.get_default_timezone())
    assert f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}" in page
    assert f"{paid.created_at:%Y-%m-%dT%H:%M:%S}" in page


def test_an_order_that_nobody_tried_to_pay_says_so(support, lab):
    page = support.get(page_of(builders.make_order(builders.make_provider()))).content.decode()
    assert "Nobody tried to pay yet" in page
    assert "None yet" in page


@pytest.mark.parametrize("by", ["id", "prefix", "external_id", "token", "processor_ref", "payment"])
def test_an_order_is_found_by_any_of_its_ids(support, lab, client, by):
    provider = builders.make_provider()
    wanted = builders.make_paid_order(lab, client, provider)
    other = builders.make_order(provider)
    text = {
        "id": str(wanted.pk),
        "prefix": str(wanted.pk)[:30],
        "external_id": wanted.external_id,
        "token": wanted.token,
        "processor_ref": wanted.paid_by.processor_ref,
        "payment": str(wanted.paid_by_id),
    }[by]
    page = support.get("/admin/checkout/order/", q=text).content.decode()
    assert str(wanted.pk) in page
    assert str(other.pk) not in page
    found = support.get("/admin/search/", s=text, extended="1").content.decode()
    assert str(wanted.pk) in found


@pytest.mark.parametrize("text", ["nothing-like-this", "%", "'; drop table", "0" * 200, "tok_", "ffffffff"])
def test_searching_for_nonsense_finds_nothing_and_breaks_nothing(support, paid, text):
    answer = support.get("/admin/checkout/order/", q=text)
    assert answer.status_code == 200
    assert str(paid.pk) not in answer.content.decode()


def test_the_lists_stay_cheap_however_many_rows_they_show(support, lab, client, django_assert_max_num_queries):
    provider = builders.make_provider()
    for _ in range(6):
        builders.make_order(provider)
    with django_assert_max_num_queries(16):
        support.get("/admin/checkout/order/")
    with django_assert_max_num_queries(16):
        support.get("/admin/webhooks/delivery/", view="stuck")


# --- Refund -------------------------------------------------------------------------------------------------------


def test_finance_refunds_part_of_an_order(finance, paid):
    form = refund_form(finance, paid)
    assert form["amount"] == "100.00"
    answer = finance.client.post(refund_of(paid), {**form, "amount": "25"}, follow=True)
    assert "went back" in answer.content.decode()
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.status, refund.requested_by) == (2500, "succeeded", "boris")
    assert refund_form(finance, paid)["amount"] == "75.00"
    entry = AuditEntry.objects.get(act="refund_asked")
    assert (entry.actor_name, entry.target_id, entry.details["amount"]) == ("boris", str(paid.pk), "25.00 USD")


@pytest.mark.parametrize("amount", ["0", "-1", "100.01", "1.001", "abc", "", "NaN", "1e9"])
def test_an_amount_that_cannot_go_back_is_refused_and_nothing_moves(finance, paid, amount):
    form = refund_form(finance, paid, amount=amount)
    finance.post(refund_of(paid), **form)
    assert not Refund.objects.exists()
    paid.refresh_from_db()
    assert (paid.status, paid.refunded_minor) == ("paid", 0)


def test_a_refund_form_sent_twice_refunds_once(finance, paid):
    form = refund_form(finance, paid, amount="25")
    for _ in range(2):
        finance.post(refund_of(paid), **form)
    assert Refund.objects.get().amount_minor == 2500


@pytest.mark.postgres
def test_the_refund_button_pressed_by_eight_at_once_refunds_once(finance, paid):
    form = refund_form(finance, paid)

    def press(_number):
        try:
            return _press(finance, refund_of(paid), form)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(press, range(8)))
    assert statuses == [302] * 8
    assert [row.amount_minor for row in Refund.objects.all()] == [10_000]
    paid.refresh_from_db()
    assert (paid.status, paid.refunded_minor) == ("refunded", 10_000)


def _press(person, url, form):
    client = Client()
    client.cookies = person.client.cookies
    return client.post(url, form).status_code


def test_a_refund_above_the_limit_waits_for_a_second_person(person, lab, client):
    boris, rita = person("boris", "superuser"), person("rita", "finance")
    order = builders.make_paid_order(lab, client, amount_minor=500_000)
    assert "needs a second person" in boris.get(refund_of(order)).content.decode()
    boris.post(refund_of(order), **refund_form(boris, order))
    assert Refund.objects.get().status == "proposed"
    page = f"/admin/providers/approval/{Approval.objects.get().pk}/change/"
    assert str(Approval.objects.get().pk) in rita.get(page_of(order)).content.decode()
    boris.post(page, decision="approve")
    assert Refund.objects.get().status == "proposed"
    assert lab.refunds() == []
    rita.post(page, decision="approve")
    assert Refund.objects.get().status == "succeeded"
    order.refresh_from_db()
    assert order.status == "refunded"


def test_a_refused_refund_gives_its_amount_free(person, lab, client):
    boris, rita = person("boris", "finance"), person("rita", "finance")
    order = builders.make_paid_order(lab, client, amount_minor=500_000)
    boris.post(refund_of(order), **refund_form(boris, order))
    page = f"/admin/providers/approval/{Approval.objects.get().pk}/change/"
    rita.post(page, decision="reject")
    assert Refund.objects.get().status == "cancelled"
    assert refund_form(boris, order)["amount"] == "5000.00"
    assert lab.refunds() == []


def test_somebody_takes_their_own_refund_back(person, lab, client):
    boris = person("boris", "finance")
    order = builders.make_paid_order(lab, client, amount_minor=500_000)
    boris.post(refund_of(order), **refund_form(boris, order))
    page = f"/admin/providers/approval/{Approval.objects.get().pk}/change/"
    assert "Take it back" in boris.get(page).content.decode()
    boris.post(page, decision="reject")
    assert (Refund.objects.get().status, Approval.objects.get().state) == ("cancelled", "withdrawn")


def test_a_payment_of_another_order_is_not_refunded_under_this_one(finance, lab, client):
    provider = builders.make_provider()
    one, other = (builders.make_paid_order(lab, client, provider) for _ in range(2))
    url = f"/admin/checkout/order/{one.pk}/payments/{other.paid_by_id}/refund/"
    assert finance.post(url, amount="1", reason="x", wish="w").status_code == 404
    assert not Refund.objects.exists()


# --- Cancel, ask, settle ------------------------------------------------------------------------------------------


def test_finance_cancels_an_order_after_being_asked(finance, lab):
    order = builders.make_order(builders.make_provider())
    url = f"/admin/checkout/order/{order.pk}/cancel/"
    assert "ended at the processor" in finance.get(url).content.decode()
    finance.post(url)
    order.refresh_from_db()
    assert order.status == "cancelled"
    assert "staff boris" in finance.get(page_of(order)).content.decode()


def test_a_paid_order_is_not_cancelled_and_the_refusal_is_told_and_recorded(finance, paid):
    answer = finance.client.post(f"/admin/checkout/order/{paid.pk}/cancel/", follow=True)
    assert "ALREADY_PAID" in answer.content.decode()
    paid.refresh_from_db()
    assert paid.status == "paid"
    assert AuditEntry.objects.get(act="order_cancel_asked_refused").details == {"code": "ALREADY_PAID"}


def test_support_asks_the_processor_and_learns_that_the_buyer_paid(support, lab):
    order = builders.make_order(builders.make_provider())
    payment = builders.start_payment(order)
    lab.act(payment.processor_ref, "approve")  # and its callback never came
    Payment.objects.filter(pk=payment.pk).update(last_asked_at=None, next_ask_at=timezone.now() + timedelta(hours=1))
    answer = support.client.post(f"/admin/checkout/order/{order.pk}/ask/", follow=True)
    assert "was asked" in answer.content.decode()
    order.refresh_from_db()
    assert order.status == "paid"


@pytest.fixture
def reviewed(lab, client):
    """An order for $100 whose processor reports $70."""
    order = builders.make_order(builders.make_provider())
    payment = builders.start_payment(order)
    lab.act(payment.processor_ref, "approve")
    event = lab.events("payment_intent.succeeded")[0]
    event["data"]["object"]["amount_received"] = 7000
    builders.callback(client, event)
    payment.refresh_from_db()
    assert payment.status == "review"
    return payment


def test_a_review_is_settled_by_two_people(person, reviewed):
    boris, rita = person("boris", "superuser"), person("rita", "finance")
    url = f"/admin/checkout/order/{reviewed.order_id}/payments/{reviewed.pk}/settle/"
    page = boris.get(url).content.decode()
    assert "100.00\u00a0USD" in page and "70.00\u00a0USD" in page
    boris.post(url, exit="accept")
    reviewed.refresh_from_db()
    assert reviewed.status == "review"
    approval = f"/admin/providers/approval/{Approval.objects.get().pk}/change/"
    boris.post(approval, decision="approve")
    reviewed.refresh_from_db()
    assert reviewed.status == "review"
    rita.post(approval, decision="approve")
    reviewed.refresh_from_db()
    assert reviewed.status == "captured"
    acts = list(AuditEntry.objects.filter(act__contains="approval").order_by("id").values_list("actor_name", "act"))
    assert acts == [("boris", "approval_asked"), ("rita", "approval_given")]


# --- Needs attention ----------------------------------------------------------------------------------------------


def test_the_first_page_of_an_empty_house_says_that_nothing_is_wrong(admin):
    page = admin.get("/admin/").content.decode()
    assert "Nothing needs you now" in page
    assert page.count('class="card"') == 10


def test_the_first_page_counts_what_waits_and_leads_there(support, reviewed, paid_stuck):
    page = support.get("/admin/").content.decode()
    found = re.findall(r'<a class="card card--\w+" href="([^"]+)"><b>(\d+)</b><strong>([^<]+)', page)
    counts = {title: (count, link.replace("&amp;", "&")) for link, count, title in found}
    assert {title: count for title, (count, _link) in counts.items()} == {
        "Payments under review": "1",
        "Stuck webhooks": "1",
    }
    assert str(reviewed.order_id) in support.get(counts["Payments under review"][1]).content.decode()
    assert paid_stuck.event_kind in support.get(counts["Stuck webhooks"][1]).content.decode()


def test_without_a_role_the_first_page_says_whom_to_ask(person):
    assert "Ask an administrator for a role" in person("nobody").get("/admin/").content.decode()


# --- Webhooks -----------------------------------------------------------------------------------------------------


@pytest.fixture
def paid_stuck(paid):
    """The delivery of `paid` after its fast ladder failed, with its last try."""
    delivery = Delivery.objects.get(order_id=paid.pk)
    now = timezone.now()
    Delivery.objects.filter(pk=delivery.pk).update(
        state="stuck", is_holding=False, attempts=5, total_attempts=5, last_status=503, next_attempt_at=None
    )
    Attempt.objects.create(
        delivery=delivery,
        number=5,
        url=delivery.url,
        request_headers={"webhook-id": "msg_1"},
        status=503,
        response_headers={"retry-after": "60"},
        response_body="<b>down for maintenance</b>",
        started_at=now,
        duration_ms=42,
    )
    delivery.refresh_from_db()
    return delivery


def test_the_stuck_view_opens_first_and_shows_request_and_answer_of_every_try(support, paid_stuck):
    assert support.get("/admin/webhooks/delivery/")["Location"].endswith("?view=stuck")
    assert str(paid_stuck.order_id) in support.get("/admin/webhooks/delivery/", view="stuck").content.decode()
    page = support.get(f"/admin/webhooks/delivery/{paid_stuck.pk}/change/").content.decode()
    for shown in ("msg_1", "503", "retry-after: 60", "&lt;b&gt;down for maintenance&lt;/b&gt;", "42 ms"):
        assert shown in page
    assert "<b>down" not in page
    assert "payment_succeeded" in page


@pytest.mark.parametrize("how", ["one", "selected", "all of the provider"])
def test_support_sends_stuck_webhooks_again(support, paid_stuck, how):
    base = "/admin/webhooks/delivery/"
    if how == "one":
        support.post(f"{base}{paid_stuck.pk}/replay/")
    elif how == "selected":
        data = {"action": "replay_selected", "_selected_action": [str(paid_stuck.pk)], "index": "0"}
        support.client.post(f"{base}?view=stuck", data)
    else:
        support.post(f"{base}provider/{paid_stuck.provider_id}/replay/")
    body = paid_stuck.body
    paid_stuck.refresh_from_db()
    assert (paid_stuck.state, paid_stuck.attempts, paid_stuck.body) == ("pending", 0, body)
    entry = AuditEntry.objects.get(act="webhooks_replayed")
    assert (entry.actor_name, entry.details["taken"]) == ("clara", 1)


def test_a_superseded_webhook_goes_again_only_when_forced(support, paid_stuck):
    Delivery.objects.filter(pk=paid_stuck.pk).update(state="superseded")
    url = f"/admin/webhooks/delivery/{paid_stuck.pk}/replay/"
    assert "heard something newer" in support.get(url).content.decode()
    answer = support.client.post(url, {}, follow=True)
    assert "Nothing was sent again" in answer.content.decode()
    paid_stuck.refresh_from_db()
    assert paid_stuck.state == "superseded"
    support.post(url, forced="on")
    paid_stuck.refresh_from_db()
    assert paid_stuck.state == "pending"


# --- Callbacks ----------------------------------------------------------------------------------------------------


def test_a_forged_callback_is_shown_as_it_came_and_harmless(support, client):
    client.post(
        "/api/webhooks/stripe",
        '{"id": "<script>alert(1)</script>"}',
        content_type="application/json",
        headers={"Stripe-Signature": "t=1,v1=00"},
    )
    record = CallbackRecord.objects.get()
    listed = support.get("/admin/checkout/callbackrecord/", trouble="any").content.decode()
    assert f"/admin/checkout/callbackrecord/{record.pk}/change/" in listed
    page = support.get(f"/admin/checkout/callbackrecord/{record.pk}/change/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page
