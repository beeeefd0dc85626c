"""The list of payments, one payment, and sending money back, as members of a provider see them."""

import csv
import io
import re
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout import refunds
from checkout.models import Order, Payment, Refund
from checkout.portal import amounts, payments
from providers.models import AuditEntry
from tests.builders import make_provider
from tests.portal.selling import cancelled, costs, make_order, make_paid_order, moved, start_payment, told

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/portal/payments/"


def page_of(order):
    return f"{LIST}{order.pk}/"


def shown(answer):
    """The ids of the orders that the list leads to, in its order."""
    assert answer.status_code == 200, answer.content.decode()
    return re.findall(rf'href="{LIST}([0-9a-f-]{{36}})/"', answer.content.decode())


def ids(*orders):
    return [str(order.pk) for order in orders]


def link(answer, rel):
    found = re.search(rf'rel="{rel}" href="([^"]+)"', answer.content.decode())
    return LIST + found[1].replace("&amp;", "&") if found else None


# --- the list -----------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_will_be_there(viewer):
    page = viewer.get(LIST).content.decode()
    assert "No payments yet" in page
    assert "as=csv" not in page


def test_the_list_shows_the_youngest_first_and_nothing_of_another_seller(viewer, provider):
    first, second = make_order(provider), make_order(provider)
    make_order(make_provider())
    assert shown(viewer.get(LIST)) == ids(second, first)


def test_every_id_and_the_payers_address_find_the_order(viewer, provider, lab, client):
    order = make_paid_order(lab, client, provider)
    make_paid_order(lab, client, provider)
    Order.objects.filter(pk=order.pk).update(payer_email="Ann@Mail.test", code="pc_abc", watch_code="wc_abc")
    order.refresh_from_db()
    payment = order.payments.get()
    refund = refunds.request_refund(
        order_id=order.pk, amount_minor=100, reason="", idempotency_key="", requested_by="t", cause="t",
        now=timezone.now(),
    )  # fmt: skip
    delivery = told(provider, order)
    refund.refresh_from_db()
    texts = [
        order.pk, order.pk.hex, order.external_id, order.token, order.receipt_code, "pc_abc", "wc_abc", "ann@mail.test",
        payment.pk, payment.processor_ref, refund.pk, refund.processor_ref, delivery.pk, f"msg_{delivery.pk.hex}",
        f"  {order.external_id} ",
    ]  # fmt: skip
    assert payment.processor_ref and refund.processor_ref
    for text in texts:
        assert shown(viewer.get(LIST, q=str(text))) == ids(order), text


def test_the_beginning_of_an_order_id_finds_it(viewer, provider):
    order = make_order(provider)
    assert str(order.pk) in shown(viewer.get(LIST, q=str(order.pk)[:18]))


@pytest.mark.parametrize("what", ["pk", "external_id", "token", "receipt_code"])
def test_another_sellers_ids_find_nothing(viewer, what):
    order = make_order(make_provider())
    assert shown(viewer.get(LIST, q=str(getattr(order, what)))) == []


def test_ids_of_another_sellers_payment_refund_and_webhook_find_nothing(viewer, lab, client):
    other = make_provider()
    order = make_paid_order(lab, client, other)
    payment, delivery = order.payments.get(), told(other, order)
    for text in (payment.pk, payment.processor_ref, delivery.pk):
        assert shown(viewer.get(LIST, q=str(text))) == []


def test_the_list_can_be_narrowed_by_state_day_amount_currency_processor_and_business(viewer, provider, lab, client):
    paid = moved(make_paid_order(lab, client, provider, amount_minor=5_000), days=3)
    made = make_order(provider, amount_minor=10_000)
    Order.objects.filter(pk=made.pk).update(business_id="shop-1", currency="EUR")
    day = paid.created_at.date().isoformat()
    narrow = {
        ("status", "paid"): [paid], ("status", "created"): [made], ("until", day): [paid],
        ("since", (paid.created_at + timedelta(days=1)).date().isoformat()): [made],
        ("currency", "eur"): [made], ("processor", "stripe"): [paid], ("processor", "payme"): [],
    }  # fmt: skip
    for (name, value), orders in narrow.items():
        assert shown(viewer.get(LIST, **{name: value})) == ids(*orders), (name, value)
    assert shown(viewer.get(LIST, since=day, until=day)) == ids(paid)
    assert shown(viewer.get(LIST, least="50", most="50.00")) == ids(paid)
    assert shown(viewer.get(LIST, least="50", currency="EUR")) == ids(made)
    assert shown(viewer.get(LIST, least="50.01")) == []
    assert shown(viewer.get(LIST, q=paid.external_id, status="created")) == []


def test_a_business_can_be_chosen_where_there_are_businesses(viewer, provider):
    from providers.models import MerchantAccount

    order = make_order(provider)
    Order.objects.filter(pk=order.pk).update(business_id="shop-1")
    make_order(provider)
    assert 'name="business"' not in viewer.get(LIST).content.decode()
    MerchantAccount.objects.create(provider=provider, processor="payme", mode="test", business_id="shop-1")
    assert shown(viewer.get(LIST, business="shop-1")) == ids(order)


@pytest.mark.parametrize(
    ("name", "value"),
    [("since", "yesterday"), ("since", "0001-01-01"), ("until", "9999-12-31"), ("least", "1,234"), ("least", "-5"),
     ("most", "9" * 20), ("currency", "XX"), ("status", "nonsense"), ("processor", "nobody"), ("q", "x" * 300)],
    ids=["word", "first day ever", "last day ever", "thousands", "negative", "endless", "currency", "state",
         "processor", "long"],
)  # fmt: skip
def test_a_wish_that_makes_no_sense_is_said_and_shows_nothing(viewer, provider, name, value):
    make_order(provider)
    answer = viewer.get(LIST, **{name: value})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert "Nothing was looked for" in page


@pytest.mark.parametrize("text", ["\x00", "%", "' OR 1=1 --", "٣٤", "0" * 32, "msg_", "9" * 40, "ё" * 200, "pc_\x00"])
def test_a_search_for_anything_is_answered(viewer, provider, text):
    make_order(provider)
    assert viewer.get(LIST, q=text).status_code in (200, 400)


# --- pages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(provider, monkeypatch):
    """Seven orders, the youngest first, on pages of three."""
    monkeypatch.setattr(payments, "PAGE", 3)
    return [moved(make_order(provider), minutes=number) for number in range(7)]


def test_one_can_page_to_the_end_and_back(viewer, many):
    first = viewer.get(LIST)
    assert shown(first) == ids(*many[:3])
    assert link(first, "prev") is None
    second = viewer.get(link(first, "next"))
    assert shown(second) == ids(*many[3:6])
    third = viewer.get(link(second, "next"))
    assert shown(third) == ids(many[6])
    assert link(third, "next") is None
    again = viewer.get(link(third, "prev"))
    assert shown(again) == ids(*many[3:6])
    assert shown(viewer.get(link(again, "prev"))) == ids(*many[:3])


def test_the_last_page_is_one_click_away_and_leads_back(viewer, many):
    last = viewer.get(LIST, page="last")
    assert shown(last) == ids(*many[4:])
    assert link(last, "next") is None
    before = viewer.get(link(last, "prev"))
    assert shown(before) == ids(*many[1:4])
    assert shown(viewer.get(link(before, "next"))) == ids(*many[4:])
    first = viewer.get(link(before, "prev"))
    assert shown(first)[0] == str(many[0].pk)
    assert link(first, "prev") is None


def test_pages_stay_where_they_are_while_orders_come_in(viewer, provider, many):
    first = viewer.get(LIST)
    for _ in range(4):
        make_order(provider)
    assert shown(viewer.get(link(first, "next"))) == ids(*many[3:6])


def test_orders_of_the_same_moment_are_shown_once_each(viewer, provider, monkeypatch):
    monkeypatch.setattr(payments, "PAGE", 2)
    made = [make_order(provider) for _ in range(5)]
    Order.objects.update(created_at=made[0].created_at)
    seen, address = [], LIST
    while address:
        answer = viewer.get(address)
        seen += shown(answer)
        address = link(answer, "next")
    assert sorted(seen) == sorted(ids(*made))
    assert len(seen) == 5


def test_filters_stay_while_one_pages(viewer, provider, many):
    cancelled(provider)
    first = viewer.get(LIST, status="created")
    assert shown(first) == ids(*many[:3])
    assert "status=created" in link(first, "next")
    assert shown(viewer.get(link(first, "next"))) == ids(*many[3:6])


@pytest.mark.parametrize("cursor", ["x", "MjAyNg", "=" * 50, "é", "LTk5OTk"])
def test_a_cursor_that_is_none_leads_to_the_first_page(viewer, many, cursor):
    assert shown(viewer.get(LIST, after=cursor)) == ids(*many[:3])


def test_the_list_costs_the_same_queries_for_one_order_and_for_many(viewer, provider, lab, client):
    make_paid_order(lab, client, provider)
    with costs(3):  # businesses, orders, their payments
        viewer.get(LIST, lang="en")
    for _ in range(4):
        make_paid_order(lab, client, provider)
    with costs(3):
        viewer.get(LIST, lang="en")


# --- the file -----------------------------------------------------------------------------------------------------


def rows_of(answer, delimiter=","):
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=delimiter))


def test_the_file_has_what_the_list_has(viewer, provider, lab, client, monkeypatch):
    monkeypatch.setattr(payments, "CHUNK", 2)
    paid = make_paid_order(lab, client, provider, amount_minor=10_500)
    made = [make_order(provider) for _ in range(4)]
    answer = viewer.get(LIST, **{"as": "csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"] and ".csv" in answer["Content-Disposition"]
    rows = rows_of(answer)
    assert [row["order_id"] for row in rows] == ids(*made[::-1], paid)
    last = rows[-1]
    assert (last["amount"], last["currency"], last["status"]) == ("105.00", "USD", "paid")
    assert last["processor_ref"] == paid.payments.get().processor_ref
    assert [row["order_id"] for row in rows_of(viewer.get(LIST, **{"as": "csv", "status": "paid"}))] == ids(paid)


def test_the_file_for_excel_has_semicolons_and_decimal_commas(viewer, provider):
    make_order(provider, amount_minor=10_000)
    rows = rows_of(viewer.get(LIST, **{"as": "excel", "lang": "ru"}), delimiter=";")
    assert rows[0]["amount"] == "100,00"


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://x")', "+1", "-1+2", "@SUM(A1)", "\tx", "\rx", " =1", "＝1", "'=1"],
    ids=["equals", "plus", "minus", "at", "tab", "return", "space", "wide", "quoted"],
)  # fmt: skip
def test_no_cell_of_the_file_is_a_formula(viewer, provider, text):
    order = make_order(provider)
    Order.objects.filter(pk=order.pk).update(
        external_id=text, payer_email=text[:254], description=text, service_name="", quantity=1
    )
    row = rows_of(viewer.get(LIST, **{"as": "csv"}))[0]
    for name in ("external_id", "payer_email", "bought"):
        assert row[name].startswith("'"), (name, row[name])
        assert row[name].lstrip("'") == text.lstrip("'")


def test_a_file_holds_so_many_and_says_by_its_name_that_there_are_more(viewer, provider, monkeypatch):
    monkeypatch.setattr(payments, "MOST_IN_FILE", 3)
    made = [make_order(provider) for _ in range(4)]
    answer = viewer.get(LIST, **{"as": "csv"})
    assert "newest" in answer["Content-Disposition"]
    assert [row["order_id"] for row in rows_of(answer)] == ids(*made[:0:-1])


# --- one payment --------------------------------------------------------------------------------------------------


def test_one_payment_tells_its_life_its_tries_its_webhooks_and_its_ids(viewer, provider, lab, client):
    order = make_paid_order(lab, client, provider)
    delivery = told(provider, order, status=500)
    answer = viewer.get(page_of(order))
    assert answer.status_code == 200
    page = answer.content.decode()
    payment = order.payments.get()
    for text in (
        "$100.00", "Paid: $100.00.", "The buyer chose Cash App.", "The order was created.", str(order.pk),
        order.external_id, payment.processor_ref, str(payment.pk), f"/receipt/{order.receipt_code}",
        f"/portal/deliveries/{delivery.pk}/", "HTTP 500",
    ):  # fmt: skip
        assert text in page, text
    assert order.token not in page  # paid: there is nothing to do on the buyer's page


def test_an_open_order_leads_to_the_buyers_page(viewer, provider):
    order = make_order(provider)
    assert f"/checkout/o/{order.token}" in viewer.get(page_of(order)).content.decode()


def test_while_the_truth_is_unknown_the_list_never_says_refused(viewer, provider, lab, client):
    order = make_order(provider)
    payment = start_payment(order)
    Payment.objects.filter(pk=payment.pk).update(status="review")
    Order.objects.filter(pk=order.pk).update(status="failed")
    for address in (LIST, page_of(order)):
        page = viewer.get(address).content.decode()
        assert "Being checked" in page
        assert "badge--bad" not in page


@pytest.mark.parametrize("lang", ["uz", "ru", "en"])
def test_another_sellers_payment_and_one_that_is_none_answer_404_in_the_portals_look(merchant, lang):
    theirs = make_order(make_provider())
    owner = merchant("owner")
    for address in (page_of(theirs), f"{LIST}00000000-0000-7000-8000-000000000000/"):
        answer = owner.get(address, lang=lang)
        assert answer.status_code == 404
        assert 'class="menu"' in answer.content.decode()


def test_an_order_of_the_other_mode_is_not_there(viewer, provider):
    order = make_order(provider)
    Order.objects.filter(pk=order.pk).update(mode="live")
    assert viewer.get(page_of(order)).status_code == 404
    assert shown(viewer.get(LIST)) == []
    assert shown(viewer.get(LIST, q=str(order.pk))) == []


# --- sending money back -------------------------------------------------------------------------------------------


@pytest.fixture
def paid(provider, lab, client):
    return make_paid_order(lab, client, provider)


def refund_of(order):
    return f"{page_of(order)}refund/{order.payments.get().pk}/"


def wish_of(answer):
    return re.search(r'name="wish" value="([0-9a-f-]+)"', answer.content.decode())[1]


def send(owner, order, amount="100.00", *, wish=None, reason="", step="send"):
    wish = wish or wish_of(owner.get(refund_of(order)))
    return owner.post(refund_of(order), amount=amount, reason=reason, wish=wish, step=step, follow=True)


def test_an_owner_sends_all_of_it_back_in_two_steps(owner, paid):
    form = owner.get(refund_of(paid))
    assert 'value="100.00"' in form.content.decode()
    asked = owner.post(refund_of(paid), amount="100.00", reason="broken", wish=wish_of(form))
    assert asked.status_code == 200
    assert "Send $100.00 back?" in asked.content.decode()
    assert not Refund.objects.exists()
    done = send(owner, paid, wish=wish_of(asked), reason="broken")
    assert "$100.00 went back to the buyer." in done.content.decode()
    refund = Refund.objects.get()
    assert (refund.status, refund.amount_minor, refund.reason) == ("succeeded", 10_000, "broken")
    assert refund.requested_by == owner.user.username
    paid.refresh_from_db()
    assert paid.status == "refunded"
    entry = AuditEntry.objects.get(act="portal_refund_asked")
    assert (entry.actor, entry.details["amount"]) == (owner.user, "100.00 USD")
    page = owner.get(page_of(paid)).content.decode()
    assert "Sent back to the buyer: $100.00." in page
    assert f"Your team: {owner.user.username}" in page
    assert refund_of(paid) not in page  # nothing is left


def test_a_refund_says_whose_doing_it_was_and_names_nobody_of_our_staff(owner, paid):
    refunds.request_refund(
        order_id=paid.pk, amount_minor=1_000, reason="goodwill", idempotency_key="by-staff",
        requested_by="staff-login-name", cause="staff staff-login-name", now=timezone.now(),
    )  # fmt: skip
    send(owner, paid, "20")
    page = owner.get(page_of(paid)).content.decode()
    listed = re.search(r'<ul class="plain refunds">(.*?)</ul>', page, re.DOTALL)[1]
    assert "Our staff · goodwill" in listed and f"Your team: {owner.user.username}" in listed
    assert "staff-login-name" not in page


def test_a_part_can_go_back_and_then_no_more_than_the_rest(owner, paid):
    send(owner, paid, "40")
    assert 'value="60.00"' in owner.get(refund_of(paid)).content.decode()
    refused = send(owner, paid, "60.01")
    assert refused.status_code == 409
    assert "At most $60.00 can still go back." in refused.content.decode()
    early = owner.post(refund_of(paid), amount="60.01", wish=wish_of(owner.get(refund_of(paid))))
    assert early.status_code == 400
    assert [row.amount_minor for row in Refund.objects.all()] == [4_000]


def test_the_button_pressed_twice_sends_once(owner, paid):
    wish = wish_of(owner.get(refund_of(paid)))
    for _ in range(2):
        assert send(owner, paid, "40", wish=wish).status_code == 200
    assert Refund.objects.count() == 1


def test_the_button_pressed_in_two_tabs_at_once_sends_once(merchant, paid, provider):
    owner = merchant("owner")
    wish = wish_of(owner.get(refund_of(paid)))
    answers = []

    def press():
        from django.db import connection
        from django.test import Client

        client = Client()
        client.cookies = owner.client.cookies
        data = {"amount": "40", "reason": "", "wish": wish, "step": "send"}
        answers.append(client.post(refund_of(paid), data).status_code)
        connection.close()

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [302] * 4
    assert Refund.objects.count() == 1


def test_a_form_sent_again_with_another_amount_is_refused(owner, paid):
    wish = wish_of(owner.get(refund_of(paid)))
    send(owner, paid, "40", wish=wish)
    again = send(owner, paid, "50", wish=wish)
    assert "This form was sent before" in again.content.decode()
    assert Refund.objects.count() == 1


@pytest.mark.parametrize("role", ["viewer", "developer"])
def test_who_is_no_owner_sends_nothing_back(merchant, paid, role):
    member = merchant(role)
    assert refund_of(paid) not in member.get(page_of(paid)).content.decode()
    assert member.get(refund_of(paid)).status_code == 403
    answer = member.post(refund_of(paid), amount="1", wish="0" * 32, step="send")
    assert answer.status_code == 403
    assert 'class="menu"' in answer.content.decode()
    assert not Refund.objects.exists()


def test_an_owner_of_another_seller_finds_nothing_to_send_back(merchant, paid):
    other = merchant("owner", make_provider())
    assert other.get(refund_of(paid)).status_code == 404
    assert other.post(refund_of(paid), amount="1", wish="0" * 32, step="send").status_code == 404
    own = make_order(other.member.provider)
    mixed = f"{page_of(own)}refund/{paid.payments.get().pk}/"
    assert other.post(mixed, amount="1", wish="0" * 32, step="send").status_code == 404
    assert not Refund.objects.exists()


@pytest.mark.parametrize("amount", ["", "0", "-1", "1,234", "1e3", "100.001", "٣", "abc", "9" * 24, "NaN"])
def test_an_amount_that_is_none_is_refused(owner, paid, amount):
    wish = wish_of(owner.get(refund_of(paid)))
    answer = owner.post(refund_of(paid), amount=amount, wish=wish, step="send")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert not Refund.objects.exists()


def test_a_form_without_its_wish_is_refused(owner, paid):
    assert owner.post(refund_of(paid), amount="1", wish="", step="send").status_code == 400
    assert not Refund.objects.exists()


def test_a_disputed_payment_is_not_sent_back(owner, paid):
    Payment.objects.filter(order=paid).update(is_disputed=True)
    form = owner.get(refund_of(paid), follow=True)
    assert "the dispute decides where the money goes" in form.content.decode()
    answer = owner.post(refund_of(paid), amount="1", wish="0" * 32, step="send", follow=True)
    assert "the dispute decides where the money goes" in answer.content.decode()
    assert not Refund.objects.exists()


def test_a_processor_without_refunds_sends_the_owner_to_its_cabinet(merchant, client, db):
    from tests.admin.selling import invoice, make_marketplace, pay, register

    provider = make_marketplace()
    register(provider)
    order = pay(client, invoice(provider), "f" * 24)
    owner = merchant("owner", provider)
    page = owner.get(page_of(order)).content.decode()
    assert "Payme takes no refunds from other systems" in page
    answer = owner.get(refund_of(order), follow=True)
    assert answer.redirect_chain
    assert not Refund.objects.exists()


def test_an_unclear_answer_says_do_not_send_it_again(owner, paid, lab):
    lab.fault("reset_after", match={"operation": "refunds.create"})
    page = send(owner, paid).content.decode()
    assert "We keep asking; do not send it again." in page
    assert "Being checked" in page
    assert refund_of(paid) not in page  # its amount is reserved
    assert Refund.objects.get().status == "unknown"


# --- amounts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("1234.50", "USD", 123_450), ("1 234,5", "USD", 123_450), ("1234", "JPY", 1234), ("1\u00a0000", "UZS", 100_000)],
    ids=["point", "comma", "no decimals", "no-break space"],
)
def test_amounts_are_read_as_people_write_them(text, currency, minor):
    assert amounts.minor_of(text, currency) == minor
