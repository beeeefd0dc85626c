"""A processor that is called when the invoice is made: an invoice in so'm at Multicard, on the lab."""

import json

import pytest

from checkout.models import Order
from tests.api.invoice.asking import LINE, counts, wanted
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
CREDENTIALS = {"applicationId": "rhmt_test", "secret": "Pw18axeBFo8V7NamKHXX", "storeId": "6"}


@pytest.fixture
def register(api, lab, settings):
    """Registers the business with these changes to its credentials."""
    settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, ("multicard", "test"): f"{lab.url}/multicard"}
    lab.control("/multicard/accounts", **CREDENTIALS)

    def call(**changed):
        body = {"source": "marketplace", "businessId": "biz_42", "provider": "multicard"}
        return api("POST", "/api/merchants", {**body, "credentials": {**CREDENTIALS, **changed}})

    return call


@pytest.mark.parametrize("provider", ["multicard", None])
def test_an_account_that_its_processor_turns_away_is_not_said_to_be_missing(api, register, provider):
    account = register(secret="mistyped")
    before = counts()
    for _ in range(2):  # the second time from what is remembered
        envelope = api("POST", "/api/invoices", wanted(provider=provider, ofd=[LINE]), expect=502)
        assert (envelope["message"], envelope["data"]["details"]) == (
            "UPSTREAM_ERROR",
            ["The processor refuses the seller's credentials or account; nothing was charged, and a retry cannot help"],
        )
        assert counts() == before

    assert register()["id"] == account["id"]
    assert api("POST", "/api/invoices", wanted(provider=provider, ofd=[LINE]))["status"] == "pending"


def test_an_account_for_another_currency_is_none_for_this_one(api, register):
    register(secret="mistyped")
    for currency in ("USD", "INR"):
        envelope = api("POST", "/api/invoices", wanted(provider=None, currency=currency), expect=404)
        assert envelope["message"] == "MERCHANT_NOT_FOUND"
    assert Order.objects.count() == 0


def test_a_cancelled_invoice_is_told_with_the_ids_that_the_api_shows(api, register):
    register()
    opened = api("POST", "/api/invoices", wanted(provider="multicard", ofd=[LINE]))
    assert opened["providerUuid"]
    shown = api("POST", f"/api/invoices/{opened['id']}/cancel")
    told = json.loads(Delivery.objects.get().body)
    assert (told["status"], told["providerUuid"]) == ("cancelled", opened["providerUuid"])
    assert told == {name: shown[name] for name in told}
