"""How many questions each call asks the database: with a provider key, which costs one, its mode and state included."""

import pytest

from providers.models import Provider
from tests.api.invoice.asking import register, wanted
from tests.builders import make_key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(api):
    register(api)
    return make_key(Provider.objects.get())


def test_every_read_takes_a_known_number_of_queries(api, key, django_assert_num_queries):
    ids = [api("POST", "/api/invoices", wanted(sourceInvoiceId=f"o{n}"), key=key)["id"] for n in range(6)]
    for count, path in [
        (1, "/api/merchants/supported"),  # the key
        (2, "/api/merchants/by-business/marketplace/biz_42/providers"),  # + its accounts
        (4, "/api/invoices"),  # + the invoices, their payments, their deliveries
        (5, f"/api/invoices/{ids[0]}"),  # + the invoice, the question to its processor, its payments, its deliveries
        (3, f"/api/invoices/{ids[0]}/events"),  # + the invoice, its events
        (3, f"/api/refunds/by-invoice/{ids[0]}"),  # + the invoice, its refunds
    ]:
        with django_assert_num_queries(count):
            api("GET", path, key=key)


def test_no_write_takes_more_queries_than_it_did(api, key, django_assert_max_num_queries):
    api("POST", "/api/invoices", wanted(sourceInvoiceId="warm"), key=key)  # what the account can take is known now
    with django_assert_max_num_queries(35):
        invoice = api("POST", "/api/invoices", wanted(), key=key)
    with django_assert_max_num_queries(44):
        api("POST", "/api/invoices", wanted(), key=key, **{"Idempotency-Key": "k"})
    with django_assert_max_num_queries(5):
        api("POST", "/api/invoices", wanted(), key=key, **{"Idempotency-Key": "k"})
    with django_assert_max_num_queries(36):
        api("POST", f"/api/invoices/{invoice['id']}/cancel", key=key)
    with django_assert_max_num_queries(9):
        register(api)
