"""What a merchant sets: webhook URL, test event, returns, service; who may, and who hears of it."""

import json

import pytest
from django.core import mail
from django.utils import timezone

from checkout.models import Order
from gateway.types import Mode
from providers import account_mail, approvals, changes
from providers.models import Approval, AuditEntry, Service
from tests.admin.people import make_staff
from tests.builders import make_key, make_order, make_provider
from tests.portal.people import PASSWORD, make_member, sign_in
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
WEBHOOK, RETURNS = "/portal/settings/webhook", "/portal/settings/returns"


def test_an_owner_changes_the_webhook_url_with_a_proof_and_all_owners_hear_of_it(provider, owner):
    second = make_member(provider, "owner", "second@shop.test")
    before = provider.webhook_url
    owner.post(WEBHOOK, webhook_url="https://new.test/hook", proof=PASSWORD)
    provider.refresh_from_db()
    assert provider.webhook_url == "https://new.test/hook"
    entry = AuditEntry.objects.get(act="webhook_url_changed")
    assert (entry.actor, entry.details["webhook_url"]["from"]) == (owner.user, before)
    account_mail.settle()
    assert sorted(letter.to[0] for letter in mail.outbox) == sorted([owner.user.username, second.user.username])
    assert "https://new.test/hook" in mail.outbox[0].body and before in mail.outbox[0].body


@pytest.mark.parametrize("proof", ["", "wrong"])
def test_without_a_proof_nothing_changes(provider, owner, proof):
    before = provider.webhook_url
    answer = owner.post(WEBHOOK, webhook_url="https://new.test/hook", proof=proof)
    assert answer.status_code == 200 and b'class="problem"' in answer.content
    provider.refresh_from_db()
    assert provider.webhook_url == before
    account_mail.settle()
    assert not mail.outbox and not AuditEntry.objects.filter(act="webhook_url_changed").exists()


def test_an_open_session_cannot_guess_the_password_for_ever(provider, owner, settings):
    settings.RATE_LIMIT_SCALE = 1
    for _ in range(12):
        answer = owner.post(WEBHOOK, webhook_url="https://new.test/hook", proof="wrong")
    assert "Too many tries" in answer.content.decode()
    answer = owner.post(WEBHOOK, webhook_url="https://new.test/hook", proof=PASSWORD)
    assert answer.status_code == 200, "not even the right one now"
    provider.refresh_from_db()
    assert provider.webhook_url != "https://new.test/hook"


@pytest.mark.parametrize("url", ["ftp://x.test", "https://user:pw@x.test/", "https://169.254.169.254/", "nonsense"])
def test_a_webhook_url_that_may_not_be_called_is_refused(provider, owner, url):
    before = provider.webhook_url
    answer = owner.post(WEBHOOK, webhook_url=url, proof=PASSWORD)
    assert answer.status_code == 200 and b'class="problem"' in answer.content
    provider.refresh_from_db()
    assert provider.webhook_url == before


def test_what_staff_had_asked_for_is_off_the_table_once_the_owner_decides(provider, owner):
    make_key(provider, mode=Mode.LIVE)
    anna = make_staff("anna", "admin")
    changes.change_webhook_url(provider=provider, url="https://staff.test/", actor=anna, now=timezone.now())
    assert "Our staff have asked" in owner.get("/portal/settings/").content.decode()
    owner.post(WEBHOOK, webhook_url="https://owner.test/", proof=PASSWORD)
    approval = Approval.objects.get()
    assert approval.state == Approval.State.WITHDRAWN
    with pytest.raises(approvals.NotWaiting):
        changes.approve_webhook_url(approval_id=approval.pk, actor=make_staff("boris", "admin"), now=timezone.now())
    provider.refresh_from_db()
    assert provider.webhook_url == "https://owner.test/"


def test_a_test_event_is_signed_and_says_that_nothing_was_paid(provider, developer):
    answer = developer.post("/portal/settings/test-event")
    delivery = Delivery.objects.get()
    assert answer["Location"] == f"/portal/deliveries/{delivery.pk}/"
    body = json.loads(delivery.body)
    assert (body["event"], body["test"], body["livemode"]) == ("test", True, False)
    assert (delivery.url, delivery.ladder, delivery.is_livemode) == (provider.webhook_url, "test", False)
    assert developer.get(answer["Location"]).status_code == 200


def test_without_a_webhook_url_there_is_no_test_event(provider, developer):
    provider.webhook_url = ""
    provider.save()
    assert developer.post("/portal/settings/test-event")["Location"] == "/portal/settings/"
    assert not Delivery.objects.exists()


def test_test_events_are_not_a_way_to_flood_somebody(provider, developer, settings):
    settings.RATE_LIMIT_SCALE = 1
    for _ in range(8):
        developer.post("/portal/settings/test-event")
    assert Delivery.objects.count() == 6


def returns(**more):
    return {
        "success_redirect_url": "https://shop.test/thanks?o={orderId}",
        "cancel_redirect_url": "https://shop.test/cancelled",
        "allowed_origins": "https://app.test\nhttps://other.test:8443/",
        "proof": PASSWORD,
        **more,
    }


def test_an_owner_says_where_buyers_return(provider, owner):
    owner.post(RETURNS, **returns())
    provider.refresh_from_db()
    assert provider.success_redirect_url == "https://shop.test/thanks?o={orderId}"
    assert provider.allowed_origins == "https://app.test\nhttps://other.test:8443"
    page = owner.get("/portal/settings/").content.decode()
    assert "https://other.test:8443" in page
    assert AuditEntry.objects.get(act="return_addresses_changed").actor == owner.user


@pytest.mark.parametrize(
    "wrong",
    [
        {"success_redirect_url": "javascript:alert(1)"},
        {"success_redirect_url": "https://{orderId}.test/"},
        {"cancel_redirect_url": "https://shop.test\\@evil.test/"},
        {"allowed_origins": "https://shop.test/path"},
        {"allowed_origins": "https://user@shop.test"},
        {"proof": "wrong"},
    ],
    ids=["script", "placeholder in the host", "backslash", "path", "user name", "no proof"],
)
def test_an_address_that_cannot_be_trusted_changes_nothing(provider, owner, wrong):
    before = (provider.success_redirect_url, provider.cancel_redirect_url, provider.allowed_origins)
    answer = owner.post(RETURNS, **returns(**wrong))
    assert answer.status_code == 200 and b'class="problem"' in answer.content
    provider.refresh_from_db()
    assert (provider.success_redirect_url, provider.cancel_redirect_url, provider.allowed_origins) == before


def test_a_new_price_is_for_new_orders(provider, owner, lab):
    order = make_order(provider, amount_minor=1000)
    owner.post("/portal/settings/service", title="Gold", price="7.50", description="", is_active="on")
    service = Service.objects.get(pk=provider.service_id)
    assert (service.title, service.price_minor) == ("Gold", 750)
    order = Order.objects.get(pk=order.pk)
    assert (order.amount_minor, order.service_name) == (1000, "Premium Credits")
    assert AuditEntry.objects.get(act="service_changed").actor == owner.user


def test_a_service_that_somebody_else_sells_too_is_not_changed_from_here(provider, owner):
    make_provider(service=provider.service)
    owner.post("/portal/settings/service", title="Mine", price="1", is_active="on")
    assert Service.objects.get(pk=provider.service_id).title == "Premium Credits"
    assert "Another seller sells this" in owner.get("/portal/settings/").content.decode()


def test_an_owner_without_a_service_makes_one_in_the_currency_of_the_provider(provider, owner, client):
    provider.service = None
    provider.save()
    assert owner.get("/portal/settings/service").status_code == 404
    assert "No service yet" in owner.get("/portal/settings/").content.decode()
    owner.post("/portal/settings/service/new", title="Lessons", price="12.00", description="One hour", is_active="on")
    provider.refresh_from_db()
    assert (provider.service.price_minor, provider.service.currency) == (1200, provider.currency)
    assert client.get(f"/services/{provider.service.slug}").status_code == 200
    owner.post("/portal/settings/service/new", title="Second", price="1", is_active="on")
    assert Service.objects.filter(title="Second").count() == 0


@pytest.mark.parametrize("price", ["0", "-1", "1.234", "abc", ""])
def test_a_price_that_cannot_be_is_refused(provider, owner, price):
    answer = owner.post("/portal/settings/service", title="X", price=price, is_active="on")
    assert answer.status_code == 200 and b'class="problem"' in answer.content
    assert Service.objects.get(pk=provider.service_id).title == "Premium Credits"


@pytest.mark.parametrize("role", ["viewer", "developer"])
def test_others_see_the_settings_and_change_none(provider, role):
    person = sign_in(make_member(provider, role))
    assert person.get("/portal/settings/").status_code == 200
    before = (provider.webhook_url, provider.success_redirect_url)
    assert person.post(WEBHOOK, webhook_url="https://evil.test/", proof=PASSWORD).status_code == 403
    assert person.post(RETURNS, **returns()).status_code == 403
    assert person.post("/portal/settings/service", title="X", price="1").status_code == 403
    provider.refresh_from_db()
    assert (provider.webhook_url, provider.success_redirect_url) == before
