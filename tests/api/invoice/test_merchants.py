"""Registering a marketplace's businesses."""

import logging
from urllib.parse import quote

import pytest
from django.utils import timezone

from gateway.types import Mode
from providers import keys
from providers.models import ApiKey, AuditEntry, MerchantAccount, Provider
from tests.api.invoice.asking import LIVE_SERVICE_KEY, PAYME, SERVICE_KEY, counts, register, send, wanted
from tests.builders import make_key, make_provider
from tests.conftest import ON_SQLITE

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/api/merchants/by-business/marketplace/{}/providers"


@pytest.mark.parametrize(
    "business",
    ["biz_42", "a/b", "a/b/providers", "/", "Ресторан № 7", "a b", "50%", "a%2Fb", "?x=1#y", "🧾", "x" * 128, "…/.."],
)
def test_a_business_is_found_under_whatever_its_id_is(api, business):
    register(api, business=business, displayName="Zoʻr oshxona")

    found = api("GET", LIST.format(quote(business, safe="")))
    assert found == {"items": [{"provider": "payme", "displayName": "Zoʻr oshxona"}]}
    assert api("GET", LIST.format(quote(business, safe="")) + "/") == found


@pytest.mark.parametrize("business", ["nobody", "%00", "%FF", "x" * 500, "biz_42%20", "BIZ_42"])
def test_a_business_that_is_not_registered_accepts_nothing(api, business):
    register(api)
    assert api("GET", LIST.format(business)) == {"items": []}
    assert api("GET", f"/api/merchants/by-business/{business}/biz_42/providers") == {"items": []}


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"source": None}, '"source" is required'),
        ({"source": "Not A Slug"}, '"source" must be a slug'),
        ({"source": "x" * 81}, '"source" length must be less than or equal to 80 characters long'),
        ({"businessId": ""}, '"businessId" is not allowed to be empty'),
        ({"businessId": ".."}, '"businessId" can be no part of an address'),
        ({"businessId": "x" * 129}, '"businessId" length must be less than or equal to 128 characters long'),
        ({"businessId": "a\0"}, '"businessId" contains characters that are not allowed'),
        ({"businessId": "\ud800"}, '"businessId" contains characters that are not allowed'),
        ({"provider": "paypal"}, '"provider" must be one of [stripe, '),
        ({"provider": ["payme"]}, '"provider" must be a string'),
        ({"credentials": "x"}, '"credentials" must be of type object'),
        ({"credentials": {**PAYME, "key": ["x"]}}, '"credentials.key" must be a string'),
        ({"credentials": {**PAYME, "\ud800": "x"}}, '"credentials" has a field that is not allowed'),
        ({"credentials": {**PAYME, "x" * 65: "x"}}, '"credentials" has a field that is not allowed'),
        ({"credentials": {**PAYME, "key": "x" * 5000}}, '"credentials.key" contains characters that are not allowed'),
        ({"credentials": None}, '"credentials.merchantId" is required'),
        ({"isActive": "yes"}, '"isActive" must be a boolean'),
        ({"mode": "live"}, '"mode" must be [test] for this key'),
        ({"mode": "sandbox"}, '"mode" must be one of [test, live]'),
        ({"displayName": "x" * 201}, '"displayName" length must be less than or equal to 200 characters long'),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_saved(api, change, detail):
    body = {"source": "new", "businessId": "b", "provider": "payme", "credentials": PAYME, **change}
    before = counts()

    details = api("POST", "/api/merchants", body, expect=400)["data"]["details"]

    assert any(text.startswith(detail) for text in details), details
    assert counts() == before


def test_everything_that_is_wrong_is_said_at_once(api):
    details = api("POST", "/api/merchants", {"provider": "x", "isActive": 1}, expect=400)["data"]["details"]
    assert len(details) == 4
    assert details[:2] == ['"source" is required', '"businessId" is required']


def test_a_number_is_taken_as_its_digits_because_shop_ids_look_like_numbers(api):
    register(api, credentials={**PAYME, "merchantId": 12345})
    register(api, credentials={**PAYME, "merchantId": "12345"})
    assert MerchantAccount.objects.count() == 1


def test_name_and_switch_change_without_the_credentials_and_those_stay(api, client):
    first = register(api, displayName="A")
    off = api("POST", "/api/merchants",
              {"source": "marketplace", "businessId": "biz_42", "provider": "payme", "isActive": False})  # fmt: skip
    assert (off["id"], off["isActive"], off["displayName"]) == (first["id"], False, "A")
    assert api("GET", LIST.format("biz_42")) == {"items": []}
    assert api("POST", "/api/invoices", wanted(), expect=404)["message"] == "MERCHANT_NOT_FOUND"

    body = {"source": "marketplace", "businessId": "biz_42", "provider": "payme", "displayName": "B"}
    assert api("POST", "/api/merchants", body)["isActive"] is True
    assert api("POST", "/api/invoices", wanted())["status"] == "pending"
    assert list(AuditEntry.objects.order_by("at").values_list("act", "actor_name")) == [
        ("account_credentials_saved", "service key (test)"),
        ("account_switched_off", "service key (test)"),
        ("account_switched_on", "service key (test)"),
    ]


def test_the_api_cannot_lift_a_block_not_even_with_another_cash_desk(api):
    account = MerchantAccount.objects.get(pk=register(api)["id"])
    MerchantAccount.objects.filter(pk=account.pk).update(blocked_at=timezone.now())

    assert register(api)["isActive"] is False
    assert register(api, credentials={**PAYME, "merchantId": "f" * 24})["isActive"] is False
    assert api("GET", LIST.format("biz_42")) == {"items": []}


@pytest.mark.postgres
def test_changed_live_credentials_are_told_to_staff(api, caplog):
    body = {"source": "marketplace", "businessId": "b", "provider": "payme", "credentials": PAYME}
    api("POST", "/api/merchants", body, key=LIVE_SERVICE_KEY)
    assert [row for row in caplog.records if row.levelno >= logging.ERROR] == []

    api("POST", "/api/merchants", {**body, "credentials": {**PAYME, "key": "another"}}, key=LIVE_SERVICE_KEY)
    api("POST", "/api/merchants", {**body, "credentials": {**PAYME, "key": "another"}}, key=LIVE_SERVICE_KEY)

    (told,) = [row.getMessage() for row in caplog.records if row.levelno >= logging.ERROR]
    assert told.startswith("the live credentials of account ")
    assert "another" not in caplog.text


@pytest.mark.postgres
def test_test_and_live_accounts_are_two(api):
    test, live = register(api), api("POST", "/api/merchants", {
        "source": "marketplace", "businessId": "biz_42", "provider": "payme", "credentials": PAYME, "mode": "live",
    }, key=LIVE_SERVICE_KEY)  # fmt: skip
    assert test["id"] != live["id"]
    assert (test["mode"], live["mode"]) == ("test", "live")


@pytest.mark.skipif(not ON_SQLITE, reason="PostgreSQL takes live accounts")
def test_sqlite_takes_no_live_account_and_says_so(api):
    body = {"source": "marketplace", "businessId": "b", "provider": "payme", "credentials": PAYME}
    refusal = api("POST", "/api/merchants", body, key=LIVE_SERVICE_KEY, expect=400)
    assert refusal["data"]["details"] == ['"mode" is refused: live accounts need PostgreSQL']
    assert MerchantAccount.objects.count() == 0


def test_a_provider_key_registers_for_its_own_source_alone(api):
    provider = make_provider(with_account=False)
    key = make_key(provider)
    body = {"source": provider.slug, "businessId": "b", "provider": "payme", "credentials": PAYME}
    assert api("POST", "/api/merchants", body, key=key)["source"] == provider.slug
    before = counts()
    refusal = api("POST", "/api/merchants", {**body, "source": "marketplace"}, key=key, expect=400)
    assert refusal["data"]["details"] == [f'"source" must be [{provider.slug}] for this key']
    assert counts() == before


def test_only_a_registration_makes_a_source_and_it_has_no_keys(api):
    assert api("POST", "/api/invoices", wanted(), expect=404)["message"] == "MERCHANT_NOT_FOUND"
    assert not Provider.objects.exists()
    register(api)
    assert Provider.objects.get().slug == "marketplace"
    assert not ApiKey.objects.exists()


def test_an_inactive_source_opens_nothing_but_its_past_is_still_served(api):
    register(api)
    invoice = api("POST", "/api/invoices", wanted())
    Provider.objects.update(status=Provider.Status.INACTIVE)

    assert api("GET", LIST.format("biz_42")) == {"items": []}
    assert api("POST", "/api/invoices", wanted(), expect=404)["message"] == "MERCHANT_NOT_FOUND"
    assert api("POST", "/api/merchants",
               {"source": "marketplace", "businessId": "b", "provider": "payme", "credentials": PAYME},
               expect=400)["data"]["details"] == ['"source" is inactive']  # fmt: skip
    assert api("GET", f"/api/invoices/{invoice['id']}")["id"] == invoice["id"]
    key = keys.issue_key(provider=Provider.objects.get(), mode=Mode.TEST, now=timezone.now())[1]
    assert api("GET", "/api/merchants/supported", key=key, expect=401)["message"] == "UNAUTHORIZED"


def test_credentials_are_never_in_an_answer(api, client):
    register(api)
    for method, path in [("GET", LIST.format("biz_42")), ("GET", "/api/merchants/supported"), ("GET", "/api/invoices")]:
        assert PAYME["key"] not in send(client, method, path).content.decode()
    body = {"source": "marketplace", "businessId": "biz_42", "provider": "payme", "credentials": PAYME}
    answer = send(client, "POST", "/api/merchants", body, key=SERVICE_KEY).content.decode()
    assert PAYME["key"] not in answer
    assert PAYME["merchantId"] not in answer
