"""The document's steps word by word, keys that are shown once, secrets that are shown never."""

import re
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from gateway.types import Mode
from providers import accounts, keys, signing_secrets
from providers.models import ApiKey, Approval, AuditEntry, MerchantAccount, Provider, Service
from tests import builders
from tests.lab import STRIPE_KEY, STRIPE_SECRET

pytestmark = pytest.mark.django_db(transaction=True)

KEY = re.compile(r"provider_(?:test_)?[0-9a-f]{48}")


@pytest.fixture
def live(settings, monkeypatch):
    """A product that may hold live keys: no demo, and a database for live money."""
    from django.db import connection

    settings.DEMO = False
    settings.SECURE_SSL_REDIRECT = False
    if connection.vendor == "sqlite":
        pytest.skip("live keys are refused on SQLite")


def service_form(**more):
    return {
        "title": "Premium Credits",
        "slug": "premium-credits",
        "price": "5",
        "currency": "USD",
        "description": "",
        "is_active": "on",
        **more,
    }


def provider_form(service, **more):
    return {
        "name": "Bitloader",
        "slug": "bitloader",
        "service": str(service.pk) if service else "",
        "status": "active",
        "currency": "USD",
        "webhook_url": "https://bitloader.com/api/webhooks/dztech",
        "success_redirect_url": "https://bitloader.com/success?orderId={orderId}",
        "cancel_redirect_url": "https://bitloader.com/cancelled",
        "tries_webhooks_for_days": "on",
        **more,
    }


# --- Services -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "currency", "minor"),
    [("5", "USD", 500), ("4.99", "USD", 499), ("500", "JPY", 500), ("1.234", "KWD", 1234)],
)
def test_a_price_is_typed_as_people_say_it_and_kept_in_minor_units(admin, price, currency, minor):
    answer = admin.post("/admin/providers/service/add/", **service_form(price=price, currency=currency))
    assert answer.status_code == 302, answer.content.decode()
    assert Service.objects.get().price_minor == minor
    page = admin.get(f"/admin/providers/service/{Service.objects.get().pk}/change/").content.decode()
    assert f'value="{price}"' in page or f'value="{price}.00"' in page


@pytest.mark.parametrize(
    ("price", "currency"),
    [
        ("0", "USD"),
        ("-5", "USD"),
        ("4.999", "USD"),
        ("5.5", "JPY"),
        ("NaN", "USD"),
        ("1e30", "USD"),
        ("", "USD"),
        ("5", "XXQ"),
    ],
)
def test_a_price_that_cannot_be_charged_is_refused_beside_its_field(admin, price, currency):
    answer = admin.post("/admin/providers/service/add/", **service_form(price=price, currency=currency))
    assert answer.status_code == 200
    assert not Service.objects.exists()


def test_a_changed_price_is_in_the_trail_with_both_values(admin):
    service = builders.make_service()
    form = service_form(slug=service.slug, price="7.50")
    assert admin.post(f"/admin/providers/service/{service.pk}/change/", **form).status_code == 302
    entry = AuditEntry.objects.get(act="service_changed")
    assert entry.details == {"price": {"from": "5.00 USD", "to": "7.50 USD"}}


# --- The document's steps -----------------------------------------------------------------------------------------


def test_setting_up_a_provider_works_word_by_word(admin, client, lab):
    menu = admin.get("/admin/").content.decode()
    assert "Services" in menu and "Providers" in menu
    assert "Create New Service" in admin.get("/admin/providers/service/").content.decode()
    admin.post("/admin/providers/service/add/", **service_form())
    assert "Create New Provider" in admin.get("/admin/providers/provider/").content.decode()
    page = admin.get("/admin/providers/provider/add/").content.decode()
    for label in ("Provider Name", "Provider Slug", "Linked Service", "Status", "Webhook URL"):
        assert label in page
    for label in ("Success Redirect URL", "Cancel Redirect URL", "🟢 Active"):
        assert label in page
    answer = admin.post("/admin/providers/provider/add/", **provider_form(Service.objects.get()))
    assert answer.status_code == 200, answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    (text,) = set(KEY.findall(answer.content.decode()))
    assert text.startswith("provider_test_")  # the tests run as the demo does
    key = keys.find_key(text, now=timezone.now())
    assert (key.provider.name, key.mode) == ("Bitloader", "test")
    assert signing_secrets.current(key.provider) is not None


def test_a_key_is_shown_once_and_then_nowhere(admin):
    provider = builders.make_provider(with_account=False)
    url = f"/admin/providers/provider/{provider.pk}/keys/new/"
    token = re.search(r'name="form_token" value="([^"]+)"', admin.get(url).content.decode())[1]
    answer = admin.post(url, mode="test", name="server", form_token=token)
    (text,) = set(KEY.findall(answer.content.decode()))
    assert "shown once" in answer.content.decode()
    again = admin.post(url, follow=True, mode="test", name="server", form_token=token)
    assert ApiKey.objects.count() == 1  # a reload of the answer makes no second key
    assert text not in again.content.decode()
    for page in (f"/admin/providers/provider/{provider.pk}/change/", "/admin/providers/auditentry/"):
        shown = admin.get(page).content.decode()
        assert text not in shown
        assert text[:20] in shown
    assert text not in str(list(AuditEntry.objects.values())) + str(list(ApiKey.objects.values()))
    assert text not in repr(ApiKey.objects.get())
    assert AuditEntry.objects.filter(act="api_key_created", target_id=str(provider.pk)).count() == 1


@pytest.mark.parametrize("hours", [0, 1, 24, 72])
def test_a_rotated_key_works_until_its_overlap_ends(admin, hours):
    provider = builders.make_provider(with_account=False)
    old = builders.make_key(provider)
    url = f"/admin/providers/provider/{provider.pk}/keys/{ApiKey.objects.get().pk}/rotate/"
    before = timezone.now()
    answer = admin.post(url, overlap=str(hours), form_token=f"t{hours}")
    (new,) = set(KEY.findall(answer.content.decode()))
    assert keys.find_key(new, now=timezone.now()) is not None
    end = before + timedelta(hours=hours)
    if hours:
        assert keys.find_key(old, now=end - timedelta(minutes=1)) is not None
    assert keys.find_key(old, now=end + timedelta(minutes=1)) is None
    assert AuditEntry.objects.get(act="api_key_rotated").details["overlap_hours"] == hours


def test_a_revoked_key_stops_at_once_and_asks_first(admin):
    provider = builders.make_provider(with_account=False)
    text = builders.make_key(provider)
    url = f"/admin/providers/provider/{provider.pk}/keys/{ApiKey.objects.get().pk}/revoke/"
    assert "cannot be undone" in admin.get(url).content.decode()
    assert keys.find_key(text, now=timezone.now()) is not None
    admin.post(url)
    assert keys.find_key(text, now=timezone.now()) is None
    assert AuditEntry.objects.filter(act="api_key_revoked").count() == 1
    assert admin.post(url).status_code == 404


def test_a_key_of_another_provider_is_not_found_under_this_one(admin):
    one, other = (builders.make_provider(with_account=False) for _ in range(2))
    builders.make_key(other)
    url = f"/admin/providers/provider/{one.pk}/keys/{ApiKey.objects.get().pk}/revoke/"
    assert admin.post(url).status_code == 404
    assert ApiKey.objects.get().revoked_at is None


def test_the_signing_secret_is_shown_on_demand_only_and_that_is_recorded(admin):
    provider = builders.make_provider(with_account=False)
    secret = signing_secrets.ensure(provider, now=timezone.now()).secret.reveal()
    page = f"/admin/providers/provider/{provider.pk}/change/"
    assert secret not in admin.get(page).content.decode()
    show = f"/admin/providers/provider/{provider.pk}/signing-secret/show/"
    assert admin.get(show).status_code == 302
    assert not AuditEntry.objects.filter(act="signing_secret_shown").exists()
    answer = admin.post(show, which="current")
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert AuditEntry.objects.get(act="signing_secret_shown").target_id == str(provider.pk)
    assert secret not in str(list(AuditEntry.objects.values()))


def test_a_signing_secret_is_rotated_and_promoted(admin):
    provider = builders.make_provider(with_account=False)
    signing_secrets.ensure(provider, now=timezone.now())
    base = f"/admin/providers/provider/{provider.pk}/signing-secret"
    admin.post(f"{base}/rotate/")
    upcoming = signing_secrets.upcoming(provider).secret.reveal()
    assert "promote it or withdraw it" in admin.client.post(f"{base}/rotate/", follow=True).content.decode()
    admin.post(f"{base}/promote/")
    assert signing_secrets.current(provider).secret.reveal() == upcoming
    acts = list(AuditEntry.objects.filter(act__startswith="signing").order_by("id").values_list("act", flat=True))
    assert acts == ["signing_secret_rotated", "signing_secret_promoted"]


# --- Addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("success_redirect_url", "https://evil.test@bitloader.com/{orderId}"),
        ("success_redirect_url", "https://bitloader.com/{orderID}"),
        ("success_redirect_url", "javascript:alert(1)"),
        ("cancel_redirect_url", "https://{orderId}.bitloader.com/"),
        ("webhook_url", "ftp://bitloader.com/hooks"),
        ("webhook_url", "http://169.254.169.254/latest/meta-data"),
        ("webhook_url", "https://10.0.0.1/hooks"),
        ("webhook_url", "not an address"),
    ],
)
def test_a_bad_address_is_refused_beside_its_field_and_nothing_is_saved(admin, field, url):
    form = provider_form(builders.make_service(), **{field: url})
    answer = admin.post("/admin/providers/provider/add/", **form)
    assert answer.status_code == 200
    assert not KEY.search(answer.content.decode())
    assert not Provider.objects.exists()


def test_a_success_address_without_the_order_id_is_saved_with_a_warning(admin):
    provider = builders.make_provider(with_account=False)
    form = provider_form(provider.service, slug=provider.slug, success_redirect_url="https://bitloader.com/thanks")
    answer = admin.client.post(f"/admin/providers/provider/{provider.pk}/change/", form, follow=True)
    assert "has no {orderId}" in answer.content.decode()
    provider.refresh_from_db()
    assert provider.success_redirect_url == "https://bitloader.com/thanks"


def test_a_changed_provider_is_in_the_trail_with_values_before_and_after(admin):
    provider = builders.make_provider(with_account=False)
    form = provider_form(provider.service, slug=provider.slug, name="Bitloader 2", status="inactive")
    admin.post(f"/admin/providers/provider/{provider.pk}/change/", **form)
    details = AuditEntry.objects.get(act="provider_changed").details
    assert details["name"] == {"from": "Bitloader", "to": "Bitloader 2"}
    assert details["status"] == {"from": "active", "to": "inactive"}
    urls = AuditEntry.objects.get(act="webhook_url_changed").details["webhook_url"]
    assert urls == {"from": "http://hooks.test/dztech", "to": "https://bitloader.com/api/webhooks/dztech"}


def test_the_webhook_address_of_a_live_provider_changes_when_a_second_person_agrees(person):
    anna, rita = person("anna", "superuser"), person("rita", "admin")
    provider = builders.make_provider(with_account=False)
    builders.make_key(provider, mode=Mode.LIVE)
    form = provider_form(provider.service, slug=provider.slug, name="Renamed")
    answer = anna.client.post(f"/admin/providers/provider/{provider.pk}/change/", form, follow=True)
    assert "was not changed yet" in answer.content.decode()
    provider.refresh_from_db()
    assert (provider.name, provider.webhook_url) == ("Renamed", "http://hooks.test/dztech")
    approval = Approval.objects.get()
    assert form["webhook_url"] in approval.summary
    page = f"/admin/providers/approval/{approval.pk}/change/"
    anna.post(page, decision="approve")
    provider.refresh_from_db()
    assert provider.webhook_url == "http://hooks.test/dztech"
    rita.post(page, decision="approve")
    provider.refresh_from_db()
    assert provider.webhook_url == form["webhook_url"]
    again = rita.client.post(page, {"decision": "approve"}, follow=True)
    assert "decided already" in again.content.decode()


def test_a_refused_webhook_address_changes_nothing(person):
    anna, rita = person("anna", "admin"), person("rita", "admin")
    provider = builders.make_provider(with_account=False)
    builders.make_key(provider, mode=Mode.LIVE)
    anna.post(f"/admin/providers/provider/{provider.pk}/change/", **provider_form(provider.service, slug=provider.slug))
    rita.post(f"/admin/providers/approval/{Approval.objects.get().pk}/change/", decision="reject")
    provider.refresh_from_db()
    assert provider.webhook_url == "http://hooks.test/dztech"
    assert Approval.objects.get().state == "rejected"


# --- Merchant accounts --------------------------------------------------------------------------------------------


def account_address(provider, mode="test"):
    return f"/admin/providers/merchantaccount/add/?provider={provider.pk}&processor=stripe&mode={mode}"


def test_an_account_is_made_with_the_fields_its_processor_asks_for(admin):
    provider = builders.make_provider(with_account=False)
    page = admin.get(account_address(provider)).content.decode()
    assert 'name="secretKey"' in page and 'name="webhookSecret"' in page
    assert f"{django_settings.BASE_URL}/api/webhooks/stripe" in page
    answer = admin.client.post(account_address(provider), {"secretKey": STRIPE_KEY, "webhookSecret": STRIPE_SECRET})
    assert answer.status_code == 302, answer.content.decode()
    account = MerchantAccount.objects.get()
    assert accounts.credentials_of(account) == {"secretKey": STRIPE_KEY, "webhookSecret": STRIPE_SECRET}


def test_saved_credentials_never_come_back_in_any_form(admin):
    provider = builders.make_provider()
    account = MerchantAccount.objects.get()
    for url in (
        f"/admin/providers/merchantaccount/{account.pk}/change/",
        "/admin/providers/merchantaccount/",
        f"/admin/providers/provider/{provider.pk}/change/",
        "/admin/providers/auditentry/",
    ):
        page = admin.get(url).content.decode()
        assert STRIPE_KEY not in page and STRIPE_SECRET not in page
    assert STRIPE_KEY not in repr(account) + str(account.__dict__)


def test_an_empty_field_keeps_a_saved_secret_and_a_typed_one_replaces_it(admin):
    builders.make_provider()
    account = MerchantAccount.objects.get()
    url = f"/admin/providers/merchantaccount/{account.pk}/change/"
    other = "whsec_" + "b3RoZXI="
    assert admin.post(url, secretKey="", webhookSecret=other, business_name="Shop").status_code == 302
    account.refresh_from_db()
    assert accounts.credentials_of(account) == {"secretKey": STRIPE_KEY, "webhookSecret": other}
    assert account.business_name == "Shop"


@pytest.mark.parametrize("key", ["sk_live_" + "1" * 24, "nonsense", ""])
def test_credentials_that_do_not_fit_are_refused_beside_their_field(admin, key):
    provider = builders.make_provider(with_account=False)
    answer = admin.client.post(account_address(provider), {"secretKey": key, "webhookSecret": STRIPE_SECRET})
    assert answer.status_code == 200
    assert 'class="wrong"' in answer.content.decode()
    assert not key or key not in answer.content.decode()
    assert not MerchantAccount.objects.exists()


def test_the_demo_offers_no_live_accounts_and_no_live_keys(admin):
    provider = builders.make_provider(with_account=False)
    live_form = {"secretKey": "sk_live_" + "1" * 24, "webhookSecret": STRIPE_SECRET}
    admin.client.post(account_address(provider, "live"), live_form)
    admin.post(f"/admin/providers/provider/{provider.pk}/keys/new/", mode="live", form_token="t1")
    assert not MerchantAccount.objects.exists()
    assert not ApiKey.objects.exists()


@pytest.mark.postgres
def test_new_live_credentials_wait_for_a_second_person(person, live):
    anna, rita = person("anna", "superuser"), person("rita", "admin")
    provider = builders.make_provider(with_account=False)
    first = {"secretKey": "sk_live_" + "1" * 24, "webhookSecret": STRIPE_SECRET}
    anna.client.post(account_address(provider, "live"), first)
    account = MerchantAccount.objects.get()  # the first ones replace nothing
    second = {"secretKey": "sk_live_" + "2" * 24, "webhookSecret": ""}
    url = f"/admin/providers/merchantaccount/{account.pk}/change/"
    answer = anna.client.post(url, second, follow=True)
    assert "Not saved yet" in answer.content.decode()
    assert accounts.credentials_of(MerchantAccount.objects.get(pk=account.pk))["secretKey"] == first["secretKey"]
    approval = Approval.objects.get()
    assert second["secretKey"] not in str(Approval.objects.values())
    page = f"/admin/providers/approval/{approval.pk}/change/"
    assert second["secretKey"] not in rita.get(page).content.decode()
    anna.post(page, decision="approve")
    assert accounts.credentials_of(MerchantAccount.objects.get(pk=account.pk))["secretKey"] == first["secretKey"]
    rita.post(page, decision="approve")
    assert accounts.credentials_of(MerchantAccount.objects.get(pk=account.pk))["secretKey"] == second["secretKey"]
    assert Approval.objects.values_list("payload", flat=True)[0] == ""


def test_a_blocked_account_takes_no_new_payment_until_it_is_unblocked(admin):
    provider = builders.make_provider()
    account = MerchantAccount.objects.get()
    base = f"/admin/providers/merchantaccount/{account.pk}"
    admin.post(f"{base}/block/")
    find = lambda: accounts.find_account(provider=provider, processor="stripe", mode=Mode.TEST)  # noqa: E731
    assert find() is None
    admin.post(f"{base}/unblock/")
    assert find() == account
    admin.post(f"{base}/retire/")
    assert find() is None
    acts = AuditEntry.objects.filter(act__startswith="account_").order_by("id").values_list("act", flat=True)
    assert list(acts) == ["account_blocked", "account_unblocked", "account_retired"]


def test_the_connection_is_checked_at_the_processor(admin, lab):
    builders.make_provider()
    url = f"/admin/providers/merchantaccount/{MerchantAccount.objects.get().pk}/check/"
    assert "can be opened" in admin.post(url, follow=True).content.decode()
    lab.has_cash_app("inactive")
    assert "inactive" in admin.post(url, follow=True).content.decode()
