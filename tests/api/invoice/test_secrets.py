"""What must be nowhere: a card's number, a processor's credentials."""

import json

import pytest
from django.apps import apps
from django.db import connection

from checkout.models import Refund
from tests.api.invoice.asking import PAYME, SERVICE_KEY, pay, register, send, wanted
from tests.api.invoice.test_stripe import business, paid  # noqa: F401  (fixture)
from tests.asking import AMOUNT, asking_lab, lines, marketplace  # noqa: F401  (fixtures)
from tests.lab import STRIPE_KEY, STRIPE_SECRET

pytestmark = pytest.mark.django_db(transaction=True)
PAN = "8600490744313347"


def tables_with(*texts):
    """(table, text) wherever one of the texts is in any column of any row."""
    found = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f'SELECT * FROM "{model._meta.db_table}"')
            rows = str(cursor.fetchall())
            found += [(model._meta.db_table, text) for text in texts if text in rows]
    return found


def test_a_card_number_is_in_no_table_no_log_line_and_no_answer(api, client, lab, business, caplog, capfd):  # noqa: F811
    invoice = paid(api, client, lab)
    body = {"invoiceId": invoice["id"], "amount": 100, "cardPan": PAN, "idempotencyKey": "r1"}
    answers = [
        send(client, "POST", "/api/refunds", body, **{"Idempotency-Key": "k1"}),
        send(client, "POST", "/api/refunds", body, **{"Idempotency-Key": "k1"}),
        send(client, "POST", "/api/refunds", body),
        send(client, "POST", "/api/refunds", {**body, "amount": "x"}),
        send(client, "POST", "/api/refunds", {**body, "cardPan": PAN * 3}),
        send(client, "POST", "/api/refunds", {**body, "invoiceId": PAN}),
        send(client, "POST", "/api/refunds", {**body, "amount": 10**12, "idempotencyKey": "r2"}),
        send(client, "GET", f"/api/refunds/by-invoice/{invoice['id']}"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 400, 404, 400, 200]
    assert Refund.objects.count() == 1

    assert tables_with(PAN) == []
    printed = capfd.readouterr()
    for text in [*(answer.content.decode() for answer in answers), caplog.text, printed.out, printed.err]:
        assert PAN not in text


def test_credentials_and_keys_are_in_no_table_no_log_line_and_no_answer(api, client, lab, business, caplog, capfd):  # noqa: F811
    register(api)
    invoice = api("POST", "/api/invoices", wanted(), **{"Idempotency-Key": "k"})
    pay(client, invoice)
    refused = {"source": "a", "businessId": "b", "provider": "payme", "credentials": {**PAYME, "more": PAYME["key"]}}
    answers = [
        send(client, "POST", "/api/merchants", refused),
        send(client, "POST", "/api/merchants", {**refused, "credentials": PAYME}, **{"Idempotency-Key": "m"}),
        send(client, "GET", f"/api/invoices/{invoice['id']}"),
        send(client, "GET", f"/api/invoices/{invoice['id']}/events"),
    ]
    secrets = [PAYME["key"], STRIPE_KEY, STRIPE_SECRET, SERVICE_KEY]

    assert tables_with(*secrets) == []
    printed = capfd.readouterr()
    for text in [*(answer.content.decode() for answer in answers), caplog.text, printed.out, printed.err]:
        assert not [secret for secret in secrets if secret in text]


def test_a_card_number_that_went_to_multicard_is_nowhere_here(marketplace, caplog, capfd):  # noqa: F811
    marketplace.register("multicard")
    invoice = marketplace.invoice("multicard")
    marketplace.lab.control(f"/multicard/invoices/{invoice['providerUuid']}/act", outcome="approve", ps="payme")
    marketplace.wait_for(invoice, "paid")

    part, refused = 500_050, {"ofd": lines(AMOUNT - 500_050), "expect": 400}
    for wrong in ({}, {"cardPan": PAN + "0000"}):  # a wallet's payment goes back only to a card that is named
        assert marketplace.refund(invoice, part, **refused, **wrong)["message"] == "NOT_REFUNDABLE"
    refund = marketplace.refund(invoice, part, ofd=lines(AMOUNT - part), cardPan=PAN, idempotencyKey="part")

    assert refund["status"] == "succeeded"
    marketplace.told(invoice)
    assert tables_with(PAN) == []
    printed = capfd.readouterr()
    assert PAN not in caplog.text + printed.out + printed.err + json.dumps(refund)
