"""What the portal's pages and the lists of both APIs ask of the database does not grow with the rows they show."""

import itertools

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checkout import refunds
from providers import members
from providers.models import Role
from tests.builders import make_key, make_paid_order
from tests.portal.people import make_member
from tests.portal.selling import told

pytestmark = pytest.mark.django_db(transaction=True)
LISTS = [
    "/portal/", "/portal/payments/", "/portal/payments/?q=buyer@mail.test", "/portal/deliveries/",
    "/portal/deliveries/?state=delivered", "/portal/people/", "/portal/settings/", "/portal/account", "/dev/api",
]  # fmt: skip
numbers = itertools.count(1)


def asked(client, address, **headers):
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address, headers=headers, follow=True).status_code == 200, address
    return [query["sql"] for query in captured.captured_queries]


def grow(provider, owner, lab, client):
    number = next(numbers)
    make_key(provider)
    make_member(provider, "viewer", email=f"viewer{number}@shop.test")
    members.invite(
        provider=provider, email=f"new{number}@shop.test", role=Role.VIEWER, invited_by=owner.user, now=timezone.now()
    )
    order = make_paid_order(lab, client, provider, payer_email="buyer@mail.test")
    told(provider, order)
    give_back(order)
    return order


def give_back(order):
    refunds.request_refund(
        order_id=order.pk, amount_minor=100, reason="one too many", idempotency_key=f"t/{next(numbers)}",
        requested_by="t", cause="t", now=timezone.now(),
    )  # fmt: skip


def test_no_list_of_the_portal_asks_more_for_more_rows(owner, provider, lab, client):
    grow(provider, owner, lab, client)
    for address in LISTS:
        asked(owner.client, address)  # files and templates are known from here on
    few = {address: asked(owner.client, address) for address in LISTS}

    for _ in range(3):
        grow(provider, owner, lab, client)

    grown = {
        address: after for address, before in few.items() if len(after := asked(owner.client, address)) > len(before)
    }
    assert grown == {}


def test_the_page_of_a_payment_asks_no_more_for_more_refunds_and_webhooks(owner, provider, lab, client):
    order = grow(provider, owner, lab, client)
    address = f"/portal/payments/{order.pk}/"
    asked(owner.client, address)
    before = asked(owner.client, address)

    for _ in range(3):
        give_back(order)
        told(provider, order)

    after = asked(owner.client, address)
    assert len(after) <= len(before), "\n".join(after)


def test_the_api_asks_no_more_for_more_orders_on_any_page(owner, provider, lab, client):
    key = {"x-api-key": make_key(provider)}
    for _ in range(2):
        grow(provider, owner, lab, client)
    cursor = client.get("/api/orders?limit=1", headers=key).json()["nextCursor"]
    addresses = ["/api/orders", f"/api/orders?limit=1&cursor={cursor}"]
    for address in addresses:
        asked(client, address, **key)
    few = [len(asked(client, address, **key)) for address in addresses]

    for _ in range(3):
        grow(provider, owner, lab, client)

    assert [len(asked(client, address, **key)) for address in addresses] == few
