"""Several doors at once: the portal, the APIs and the back office, over HTTP and on a real database."""

import json
import re

import pytest
from django.test import Client

from checkout import refunds
from checkout.errors import CheckoutError
from checkout.models import Order, Payment, Refund
from providers.models import Member, Role
from tests.builders import later, make_key, make_paid_order, make_provider
from tests.portal.people import PASSWORD, make_member, sign_in
from tests.races.test_money_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def browser_of(merchant):
    client = Client()
    client.cookies = merchant.client.cookies
    return client


def test_the_same_money_asked_back_at_every_door_at_once_goes_back_once(lab, client):
    provider = make_provider()
    order = make_paid_order(lab, client, provider)
    payment = order.payments.get()
    owner, key = sign_in(make_member(provider, "owner")), make_key(provider)
    page = f"/portal/payments/{order.pk}/refund/{payment.pk}/"
    wishes = [re.search(r'name="wish" value="(\w+)"', owner.get(page).content.decode())[1] for _ in range(2)]
    assert wishes[0] != wishes[1], "two tabs"

    def portal(wish):
        return browser_of(owner).post(page, {"amount": "100", "reason": "", "wish": wish, "step": "send"}).status_code

    def api(path, body):
        sent = {"x-api-key": key}
        return Client().post(path, json.dumps(body), content_type="application/json", headers=sent).status_code

    def staff():
        now = later()
        try:
            return refunds.request_refund(
                order_id=order.pk, reason="", idempotency_key="", requested_by="anna", cause="staff anna", now=now
            ).status
        except CheckoutError as error:
            return error.code

    doors = [
        lambda: portal(wishes[0]),
        lambda: portal(wishes[1]),
        lambda: api(f"/api/orders/{order.pk}/refund", {}),
        lambda: api(f"/api/orders/{order.pk}/refund", {"amount": 100}),
        lambda: api("/api/payments/stripe/refund", {"payment_id": str(payment.pk)}),
        staff,
    ]
    answers = at_once(lambda number: doors[number](), count=len(doors))
    assert all(isinstance(answer, str) or answer < 500 for answer in answers), answers
    asked = Refund.objects.filter(status__in=Refund.RESERVING)
    assert [refund.amount_minor for refund in asked] == [10_000], answers
    assert [row["amount"] for row in lab.refunds()] == [10_000]
    payment = Payment.objects.get(pk=payment.pk)
    assert (payment.captured_minor, payment.refunded_minor) == (10_000, 10_000)
    assert Order.objects.get(pk=order.pk).status == Order.Status.REFUNDED


def test_two_owners_who_make_each_other_less_at_once_leave_one(db):
    provider = make_provider(with_account=False)
    pair = [sign_in(make_member(provider, "owner", f"{name}@shop.test")) for name in ("one", "two")]

    def demote(number):
        other, wish = pair[1 - number].member, {"role": "viewer", "proof": PASSWORD}
        return browser_of(pair[number]).post(f"/portal/people/{other.pk}/role", wish).status_code

    # 302: done. 200: the form again, with the reason. 403: one's own role was gone already.
    assert sorted(at_once(demote, count=2)) in ([200, 302], [302, 403])
    assert Member.objects.filter(provider=provider, role=Role.OWNER, is_active=True).count() == 1
