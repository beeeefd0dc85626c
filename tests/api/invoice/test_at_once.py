"""Eight callers at once: one account, one invoice, one payment."""

import json

import pytest
from django.test import Client

from checkout.models import Order, Payment
from providers.models import MerchantAccount, Provider
from tests.api.invoice.asking import PAYME, pay, payme, register, send, wanted
from tests.checkout.test_asking import millis
from tests.races.test_money_races import THREADS, at_once
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


def test_eight_registrations_of_one_business_make_one_account(settings):
    body = {"source": "new-app", "businessId": "b", "provider": "payme", "credentials": PAYME}
    answers = at_once(lambda _: send(Client(), "POST", "/api/merchants", body))
    assert [answer.status_code for answer in answers] == [200] * THREADS
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1
    assert (Provider.objects.count(), MerchantAccount.objects.count()) == (1, 1)


def test_eight_different_cash_desks_at_once_leave_one_that_is_not_retired(settings):
    def registered(number):
        credentials = {**PAYME, "merchantId": f"{number:024d}"}
        body = {"source": "new-app", "businessId": "b", "provider": "payme", "credentials": credentials}
        return send(Client(), "POST", "/api/merchants", body)

    answers = at_once(registered)
    assert {answer.status_code for answer in answers} == {200}
    assert MerchantAccount.objects.filter(retired_at=None).count() == 1
    listed = send(Client(), "GET", "/api/merchants/by-business/new-app/b/providers").json()["data"]["items"]
    assert len(listed) == 1


def test_the_same_idempotency_key_eight_times_opens_one_invoice(api):
    register(api)
    answers = at_once(lambda _: send(Client(), "POST", "/api/invoices", wanted(), **{"Idempotency-Key": "k"}))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["data"]["id"] for answer in answers if answer.status_code == 200}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["message"] == "IDEMPOTENCY_RUNNING"
            assert answer.headers["Retry-After"]
    assert (Order.objects.count(), Payment.objects.count()) == (1, 1)


def test_of_two_siblings_paid_at_once_one_is_paid_and_told(api):
    register(api)
    twins = [api("POST", "/api/invoices", wanted()) for _ in range(2)]
    refs = ["65f0000000000000000000a1", "65f0000000000000000000b2"]
    for invoice, ref in zip(twins, refs, strict=True):
        account, amount = {"order_id": invoice["id"]}, invoice["amount"]
        made = payme(Client(), "CreateTransaction", id=ref, time=millis(), account=account, amount=amount)
        assert made["state"] == 1

    performed = at_once(lambda number: payme(Client(), "PerformTransaction", id=refs[number % 2]))

    assert sum(one.get("state") == 2 for one in performed) == THREADS / 2
    assert sorted(Order.objects.values_list("status", flat=True)) == ["cancelled", "paid"]
    assert [json.loads(row.body)["status"] for row in Delivery.objects.all()] == ["paid"]
    third = send(Client(), "POST", "/api/invoices", wanted())
    paid = Order.objects.get(status="paid")
    assert (third.status_code, third.json()["message"]) == (400, "ALREADY_PAID")
    assert third.json()["data"]["invoiceId"] == str(paid.pk)


def test_a_triple_that_is_paid_stays_closed_whoever_asks_at_once(api, client):
    register(api)
    assert pay(client, api("POST", "/api/invoices", wanted()))["state"] == 2
    answers = at_once(lambda _: send(Client(), "POST", "/api/invoices", wanted()))
    assert {answer.json()["message"] for answer in answers} == {"ALREADY_PAID"}
    assert Order.objects.count() == 1
