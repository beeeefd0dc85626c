"""What the pages of the back office ask of the database does not grow with the rows that they show."""

import itertools

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from checkout import refunds
from providers import members, staff
from providers.models import Role
from tests import builders
from tests.admin.people import make_staff
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
numbers = itertools.count(1)


def lists():
    rows = [model._meta for model in admin.site._registry]
    return [
        *(reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist") for meta in rows),
        "/admin/webhooks/delivery/?view=all",
        "/admin/businesses/",
        "/admin/",
    ]


def asked(person, address):
    """The statements behind a page."""
    with CaptureQueriesContext(connection) as captured:
        assert person.client.get(address, follow=True).status_code == 200, address
    return [query["sql"] for query in captured.captured_queries]


def live_through(lab, client):
    """A provider of its own and what it leaves behind: keys, people, an order paid, told, and given back in part."""
    number = next(numbers)
    provider = builders.make_provider(name=f"Seller {number}")
    builders.make_key(provider)
    colleague = make_staff(f"colleague-{number}", "support")
    staff.ask_reset(user=colleague, actor=make_staff(f"friend-{number}", "admin"), now=timezone.now())
    members.invite(
        provider=provider, email=f"owner{number}@shop.test", role=Role.OWNER, invited_by=colleague, now=timezone.now()
    )
    order = builders.make_paid_order(lab, client, provider, payer_email="buyer@mail.test")
    give_back(order)
    return order


def give_back(order):
    refunds.request_refund(
        order_id=order.pk, amount_minor=100, reason="one too many", idempotency_key=f"t/{next(numbers)}",
        requested_by="t", cause="t", now=timezone.now(),
    )  # fmt: skip


def test_no_list_asks_more_for_more_rows(person, lab, client):
    boss = person("anna", "superuser")
    live_through(lab, client)
    for address in lists():
        boss.get(address)  # what is remembered between two looks is remembered now
    few = {address: asked(boss, address) for address in lists()}

    for _ in range(3):
        live_through(lab, client)

    assert len(few) > 8
    grown = {address: after for address, before in few.items() if len(after := asked(boss, address)) > len(before)}
    assert grown == {}


def test_an_orders_page_asks_no_more_for_more_refunds_and_webhooks(person, lab, client):
    boss = person("anna", "superuser")
    order = live_through(lab, client)
    address = f"/admin/checkout/order/{order.pk}/change/"
    boss.get(address)
    before = asked(boss, address)
    told = Delivery.objects.filter(order_id=order.pk).count()

    for _ in range(3):
        give_back(order)

    after = asked(boss, address)
    assert Delivery.objects.filter(order_id=order.pk).count() == told + 3
    assert len(after) <= len(before), "\n".join(after)
