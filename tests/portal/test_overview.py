"""The portal's first page: what came in, how well it went, what waits for hands."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.utils import timezone

from checkout import refunds, takings
from checkout.models import Order, Payment
from gateway.money import Money
from tests.builders import make_provider
from tests.portal.selling import costs, make_order, make_paid_order, moved, start_payment, told

pytestmark = pytest.mark.django_db(transaction=True)
HOME = "/portal/"


def read(provider, now=None):
    cache.clear()
    return takings.takings_of(provider, mode="test", now=now or timezone.now())


def test_a_new_seller_sees_that_nothing_came_in_yet(owner):
    page = owner.get(HOME).content.decode()
    assert "No payments in the last 30 days" in page
    assert '<svg class="chart__bars"' not in page


def test_volume_counts_and_refunds_are_summed_by_period_and_currency(provider, lab, client):
    today = make_paid_order(lab, client, provider, amount_minor=5_000)
    moved(make_paid_order(lab, client, provider, amount_minor=10_000), days=3)
    moved(make_paid_order(lab, client, provider, amount_minor=20_000), days=20)
    moved(make_paid_order(lab, client, provider, amount_minor=40_000), days=40)
    make_paid_order(lab, client, make_provider(), amount_minor=80_000)
    refunds.request_refund(
        order_id=today.pk, amount_minor=1_000, reason="", idempotency_key="", requested_by="t", cause="t",
        now=timezone.now(),
    )  # fmt: skip
    (sums,) = read(provider).sums
    assert [money.minor for money in sums.taken] == [5_000, 15_000, 35_000]
    assert list(sums.counts) == [1, 2, 3]
    assert [money.minor for money in sums.returned] == [1_000] * 3
    assert list(sums.returns) == [1, 1, 1]


def test_the_success_rate_counts_tries_that_ended(provider, lab, client):
    make_paid_order(lab, client, provider)
    refused = start_payment(make_order(provider))
    Payment.objects.filter(pk=refused.pk).update(status="declined")
    start_payment(make_order(provider))  # still open
    (rate,) = read(provider).rates
    assert (rate.processor, list(rate.ended), list(rate.succeeded)) == ("stripe", [2] * 3, [1] * 3)
    assert rate.percents == [50] * 3


def test_tries_on_the_house_account_count_for_who_sold(lab, client):
    from providers.models import MerchantAccount

    provider, other = make_provider(), make_provider()
    for seller in (provider, other):
        make_paid_order(lab, client, seller)
    account = MerchantAccount.objects.get(provider=provider)
    MerchantAccount.objects.filter(pk=account.pk).update(provider=None)
    Payment.objects.update(account=account)
    (rate,) = read(provider).rates
    assert list(rate.ended) == [1] * 3


def test_a_day_begins_at_the_sellers_midnight(provider, lab, client):
    """19:30 in UTC is half past midnight in Tashkent."""
    from providers.models import Provider

    order = make_paid_order(lab, client, provider)
    Order.objects.filter(pk=order.pk).update(paid_at=datetime(2026, 11, 20, 19, 30, tzinfo=UTC))
    Provider.objects.filter(pk=provider.pk).update(currency="UZS")
    provider.refresh_from_db()
    assert takings.zone_of(provider) == ZoneInfo("Asia/Tashkent")
    found = read(provider, datetime(2026, 11, 21, 1, 0, tzinfo=UTC))
    assert found.sums[0].counts[0] == 1
    assert found.days["USD"][-1] == takings.Day(datetime(2026, 11, 21).date(), Money(order.amount_minor, "USD"), 1)
    assert len(found.days["USD"]) == 30


def test_the_chart_is_well_formed_named_and_has_a_table_that_says_the_same(owner, provider, lab, client):
    make_paid_order(lab, client, provider, amount_minor=12_500)
    page = owner.get(HOME).content.decode()
    start = page.index('<svg class="chart__bars"')
    svg = ET.fromstring(page[start : page.index("</svg>", start) + 6])
    names = svg.get("aria-labelledby").split()
    assert svg.get("role") == "img"
    assert [child.get("id") for child in svg[:2]] == names
    assert "$125.00" in svg[1].text
    bars = svg.findall("rect")
    assert len(bars) == 30
    assert float(bars[-1].get("height")) > 0
    assert all(float(bar.get("height")) == 0 for bar in bars[:-1])
    assert "$125.00" in page[page.index("As a table") :]
    assert "style=" not in page


def test_webhooks_that_did_not_arrive_are_said_at_the_top(owner, provider):
    order = make_order(provider)
    assert "did not arrive" not in owner.get(HOME).content.decode()
    told(provider, order, status=500)
    told(make_provider(), order, status=500)
    assert "Webhooks that did not arrive: 1." in owner.get(HOME).content.decode()


@pytest.mark.parametrize("lang", ["uz", "ru", "en"])
def test_the_overview_speaks_three_languages(owner, provider, lab, client, lang):
    make_paid_order(lab, client, provider)
    answer = owner.get(HOME, lang=lang)
    assert answer.status_code == 200
    assert f'<html lang="{lang}">' in answer.content.decode()


def test_the_overview_costs_the_same_queries_however_much_came_in(owner, provider, lab, client):
    make_paid_order(lab, client, provider)
    cache.clear()
    with costs(6):  # days, refunds, accounts twice, tries; webhooks that wait
        owner.get(HOME)
    make_paid_order(lab, client, provider)
    with costs(1):  # the numbers are at most half a minute old
        owner.get(HOME)
    cache.clear()
    with costs(6):
        owner.get(HOME)


def test_numbers_of_yesterday_are_not_todays(provider, lab, client):
    make_paid_order(lab, client, provider)
    now = timezone.now()
    assert takings.takings_of(provider, mode="test", now=now).sums[0].counts[0] == 1
    tomorrow = takings.takings_of(provider, mode="test", now=now + timedelta(days=1))
    assert tomorrow.sums[0].counts[0] == 0
