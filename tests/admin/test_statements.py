"""The statement of a day: what an account's processor and we did, its sums, and the file that people take away."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from checkout.models import ProcessorTransaction
from providers.models import AuditEntry
from tests import builders
from tests.admin import selling
from tests.checkout.test_asking import create

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/statements/"
DAY = "2026-11-20"
IN_TASHKENT = timedelta(hours=5)


@pytest.fixture
def account(db):
    return selling.register(selling.make_marketplace(slug="bozor"))


def read(answer):
    assert answer.status_code == 200, answer
    return answer.content.decode()


def sums(page):
    """What stands between the heading of the sums and the list."""
    return re.sub(r"[ \n]+", " ", page.split('id="totals"')[1].split('id="transactions"')[0])


def file_of(person, account, day=DAY):
    answer = person.post(f"{LIST}{account.pk}/csv/", day=day)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="statement-payme-test-2026-')
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


@pytest.fixture
def day(account, client):
    """A Tashkent day: paid at its first and at its last moment, given back, abandoned, and neighbours on both sides."""
    made = {}
    moments = {
        "before": datetime(2026, 11, 19, 18, 59, 59, 999000, tzinfo=UTC),
        "first": datetime(2026, 11, 19, 19, 0, tzinfo=UTC),
        "returned": datetime(2026, 11, 20, 8, 0, tzinfo=UTC),
        "abandoned": datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
        "last": datetime(2026, 11, 20, 18, 59, 59, 999000, tzinfo=UTC),
        "after": datetime(2026, 11, 20, 19, 0, tzinfo=UTC),
    }
    for number, (name, at) in enumerate(moments.items()):
        order = selling.invoice(account.provider, f"order_{name}", amount=1_000_000 + number)
        ref = f"65f00000000000000000000{number}"
        if name == "abandoned":
            create(client, order, ref)
        else:
            selling.pay(client, order, ref)
        if name == "returned":
            selling.give_back(client, ref)
        # Payme's clock: a stale Create would be refused, so the rows are dated afterwards.
        ProcessorTransaction.objects.filter(order=order).update(their_time=at, created_at=at + timedelta(seconds=1))
        made[name] = order
    return made


def test_a_day_is_tashkents_and_its_sums_tell_paid_from_returned_and_reserved(support, account, day):
    page = read(support.get(f"{LIST}{account.pk}/", day=DAY))
    assert "Asia/Tashkent, UTC+05:00" in page
    for name in ("first", "returned", "abandoned", "last"):
        assert f"/admin/checkout/order/{day[name].pk}/change/" in page, name
    for name in ("before", "after"):
        assert f"/admin/checkout/order/{day[name].pk}/change/" not in page, name
    said = sums(page)
    assert '20,000.05\u00a0UZS</strong> <span class="quiet">in 2</span>' in said
    assert '10,000.02\u00a0UZS</strong> <span class="quiet">in 1</span>' in said
    assert '10,000.03\u00a0UZS</strong> <span class="quiet">in 1</span>' in said
    for shown in (
        "paid, state 2",
        "cancelled after payment, state -2",
        "reserved, state 1",
        "5 refund",
        "GetStatement",
        "00:00:00",
        "23:59:59",
    ):
        assert shown in page, shown


def test_the_list_sums_up_every_account_of_the_day(support, account, day):
    page = read(support.get(LIST, day=DAY))
    assert "bozor / biz_42, payme" in page
    assert "20,000.05\u00a0UZS" in page and "10,000.02\u00a0UZS" in page
    assert f"/admin/statements/{account.pk}/?day={DAY}" in page
    assert "No account is like this" in read(support.get(LIST, day=DAY, processor="uzum"))
    assert "biz_42" in read(support.get(LIST, text="biz_4"))


@pytest.mark.parametrize("asked", ["", "nonsense", "2999-01-01", "0001-01-01", "2026-13-45", "\x00"])
def test_a_day_that_cannot_be_is_today(support, account, asked):
    today = (timezone.now() + IN_TASHKENT).date().isoformat()
    page = read(support.get(f"{LIST}{account.pk}/", day=asked))
    assert f'value="{today}"' in page
    assert "Nothing on this day" in page
    assert read(support.get(LIST, day=asked, page="x"))


def test_the_file_has_the_same_lines_exact_amounts_and_is_written_into_the_audit_trail(support, account, day):
    rows = file_of(support, account)
    assert [row["source_invoice_id"] for row in rows] == [
        "order_first", "order_returned", "order_abandoned", "order_last"
    ]  # fmt: skip
    first, returned, abandoned, _last = rows
    assert (first["amount"], first["currency"], first["state"]) == ("10000.01", "UZS", "performed")
    assert first["made_at"] == "2026-11-20T00:00:00.000+05:00"
    assert (returned["state"], returned["reason"], returned["refunded"]) == ("reversed", "5 refund", "10000.02")
    assert (abandoned["state"], abandoned["performed_at"], abandoned["refunded"]) == ("created", "", "0.00")
    number = ProcessorTransaction.objects.get(order=day["first"]).pk
    assert (first["our_number"], first["business_id"]) == (str(number), "biz_42")
    entry = AuditEntry.objects.get(act="statement_exported")
    assert (entry.actor_name, entry.target_id, entry.details["day"]) == ("clara", str(account.pk), DAY)


@pytest.mark.parametrize("number", ["=1+1", "+998901234567", "-2", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_no_cell_of_the_file_is_a_formula(support, account, client, number):
    order = selling.invoice(account.provider, number)
    create(client, order)
    today = (timezone.now() + IN_TASHKENT).date().isoformat()
    (row,) = file_of(support, account, today)
    assert row["source_invoice_id"] == f"'{number}"
    assert not any(text.startswith(("=", "+", "-", "@", "\t", "\r")) for text in row.values())


def test_the_file_is_taken_by_a_button_and_not_by_a_link(support, account):
    assert support.get(f"{LIST}{account.pk}/csv/").status_code == 405
    assert not AuditEntry.objects.filter(act="statement_exported").exists()


def test_a_long_day_is_shown_in_pages_and_asks_no_more_questions(
    support, account, client, django_assert_max_num_queries, monkeypatch
):
    from checkout.admin import statements

    monkeypatch.setattr(statements, "PER_PAGE", 5)
    for number in range(7):
        create(client, selling.invoice(account.provider, f"order_{number}"), f"65f00000000000000000000{number}")
    with django_assert_max_num_queries(11):
        page = read(support.get(f"{LIST}{account.pk}/"))
    assert "Page 1 of 2" in page and page.count("<code>65f0") == 5
    assert read(support.get(f"{LIST}{account.pk}/", page=2)).count("<code>65f0") == 2
    with django_assert_max_num_queries(11):
        support.get(LIST)


def test_an_account_that_does_not_ask_lists_its_payments_with_what_went_back(support, lab, client, person):
    order = builders.make_paid_order(lab, client)
    account = order.paid_by.account
    page = read(support.get(f"{LIST}{account.pk}/"))
    for shown in ("UTC, UTC+00:00", order.paid_by.processor_ref, "captured", "100.00\u00a0USD"):
        assert shown in page, shown
    rita = person("rita", "finance")
    rita.post(
        f"/admin/checkout/order/{order.pk}/payments/{order.paid_by_id}/refund/",
        wish="w1", amount="12.50", reason="part",
    )  # fmt: skip
    said = sums(read(support.get(f"{LIST}{account.pk}/")))
    assert "100.00\u00a0USD" in said and "12.50\u00a0USD" in said
