"""Two tabs of one person: what was typed for one seller, or in one mode, does not happen at the other."""

import re

import pytest

from providers.models import ApiKey, Invitation
from tests.builders import make_provider
from tests.portal.people import PASSWORD, make_member, sign_in
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
FIELD = re.compile(r'<input type="hidden" name="(desk|form_token)" value="([^"]+)">')


def opened(merchant, path):
    """The hidden fields of the form that one tab shows."""
    return dict(FIELD.findall(merchant.get(path).content.decode()))


@pytest.fixture
def second(provider):
    return make_provider(name="The Second Shop")


@pytest.fixture
def both(provider, second):
    """An owner of two sellers, who works for the first of them."""
    merchant = sign_in(make_member(provider, "owner", "both@shop.test"))
    make_member(second, "owner", "both@shop.test")
    merchant.post("/portal/switch", provider=str(provider.pk))
    return merchant


FORMS = {
    "/portal/settings/webhook": {"webhook_url": "https://first.test/hook", "proof": PASSWORD},
    "/portal/settings/returns": {"success_redirect_url": "https://first.test/{orderId}", "proof": PASSWORD},
    "/portal/people/invite": {"email": "friend@first.test", "role": "owner", "proof": PASSWORD},
    "/dev/api/keys/new/api": {"name": "shop"},
    "/dev/api/signing-secret/rotate": {"proof": PASSWORD},
}


def state_of(*providers):
    for provider in providers:
        provider.refresh_from_db()
    settings = [(row.webhook_url, row.success_redirect_url, row.signing_secrets.count()) for row in providers]
    return settings, Invitation.objects.count(), ApiKey.objects.count(), Delivery.objects.count()


@pytest.mark.parametrize("path", FORMS)
def test_a_form_opened_for_one_seller_does_nothing_at_another(provider, second, both, path):
    before = state_of(provider, second)
    hidden = opened(both, path)
    both.post("/portal/switch", provider=str(second.pk))
    answer = both.post(path, **hidden, **FORMS[path])
    assert answer.status_code == 409 and "You changed over in another tab" in answer.content.decode()
    assert state_of(provider, second) == before
    both.post("/portal/switch", provider=str(provider.pk))
    assert both.post(path, **hidden, **FORMS[path]).status_code in (200, 302)
    assert state_of(provider, second) != before


def test_nor_does_a_test_event_or_a_test_payment(provider, second, both):
    event, payment = opened(both, "/portal/settings/"), opened(both, "/dev/api")
    both.post("/portal/switch", provider=str(second.pk))
    assert both.post("/portal/settings/test-event", **event).status_code == 409
    assert both.post("/dev/api/try", **payment, api="merchant", amount="10").status_code == 409
    assert not Delivery.objects.exists()


def test_nor_does_the_form_of_somebody_who_was_removed_in_between(provider, second, both):
    hidden = opened(both, "/portal/people/invite")
    provider.members.filter(user=both.user).update(is_active=False)
    assert both.post("/portal/people/invite", **hidden, **FORMS["/portal/people/invite"]).status_code == 409
    assert not Invitation.objects.exists()


@pytest.mark.postgres
def test_a_form_opened_in_test_mode_does_nothing_in_live_mode(settings, provider, both):
    settings.DEMO = False
    both.post("/portal/mode", mode="test")
    hidden = opened(both, "/dev/api/keys/new/merchant")
    both.post("/portal/mode", mode="live")
    assert both.post("/dev/api/keys/new/merchant", **hidden, name="shop", proof=PASSWORD).status_code == 409
    assert not ApiKey.objects.exists()


def test_a_persons_own_account_is_the_same_for_every_seller(second, both):
    hidden = opened(both, "/portal/account/sign-out")
    both.post("/portal/switch", provider=str(second.pk))
    assert both.post("/portal/account/sign-out", **hidden).status_code == 302
