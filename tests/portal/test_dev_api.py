"""`/dev/api`: keys and secrets of a merchant's own, samples that run, and a test payment followed to its webhook."""

import html
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from checkout.models import Order
from providers import account_mail, keys, signing_secrets
from providers.models import ApiKey, AuditEntry
from tests.builders import approve, make_key, make_provider, start_payment
from tests.portal.people import PASSWORD, make_member, sign_in
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = re.compile(r'<output id="once"[^>]*>([^<]+)</output>')


def send(merchant, path, **data):
    """Fill a form in and send it, as a browser does."""
    form = merchant.get(path).content.decode()
    token = re.search(r'name="form_token" value="([^"]+)"', form)[1]
    return merchant.post(path, form_token=token, **data)


def make(merchant, kind="merchant", **data):
    """The text of a new secret, as its page shows it."""
    return SECRET.search(send(merchant, f"/dev/api/keys/new/{kind}", **data).content.decode())[1]


@pytest.mark.parametrize("kind", ["merchant", "api"])
def test_a_secret_is_shown_once_and_opens_what_it_is_for(developer, client, kind):
    text = make(developer, kind, name="shop")
    key = ApiKey.objects.get()
    assert (key.kind, key.mode, key.name) == (kind, "test", "shop")
    assert keys.find_key(text, kind=ApiKey.Kind(kind), now=timezone.now()) == key
    page = developer.get("/dev/api").content.decode()
    assert str(key) in page and text not in page
    entry = AuditEntry.objects.get(act="api_key_created")
    assert entry.actor == developer.user and text not in str(entry.details)


def test_the_documents_first_step_works_with_the_secret_that_was_copied(developer, client, lab):
    text = make(developer)
    body = {"merchant_secret": text, "amount": 1000}
    answer = client.post("/api/start_payment", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert client.get(f"/watch/{answer.json()['watch_code']}").json()["merchant"] == developer.member.provider.name


def test_the_same_form_sent_twice_makes_one_key(developer):
    form = developer.get("/dev/api/keys/new/api").content.decode()
    token = re.search(r'name="form_token" value="([^"]+)"', form)[1]
    first = developer.post("/dev/api/keys/new/api", form_token=token)
    again = developer.post("/dev/api/keys/new/api", form_token=token)
    assert SECRET.search(first.content.decode()) and again.status_code == 302
    assert ApiKey.objects.count() == 1


def test_while_the_cache_is_away_keys_can_still_be_made(developer, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:9/0",
            "OPTIONS": {"socket_connect_timeout": 0.2},
        }
    }
    assert make(developer).startswith("merchant_test_")


def test_a_rotated_key_works_beside_its_successor_for_as_long_as_was_chosen(developer):
    old = make(developer, "api")
    key = ApiKey.objects.get()
    new = SECRET.search(send(developer, f"/dev/api/keys/{key.pk}/rotate", overlap="24").content.decode())[1]
    now = timezone.now()
    assert keys.find_key(old, now=now) and keys.find_key(new, now=now)
    assert not keys.find_key(old, now=now + timedelta(hours=25))
    assert developer.get(f"/dev/api/keys/{key.pk}/rotate").status_code == 404, "its end is set already"
    assert AuditEntry.objects.filter(act="api_key_rotated", actor=developer.user).count() == 1


def test_a_revoked_key_opens_nothing_from_then_on(developer):
    text = make(developer, "api")
    key = ApiKey.objects.get()
    assert developer.get(f"/dev/api/keys/{key.pk}/revoke").status_code == 200
    developer.post(f"/dev/api/keys/{key.pk}/revoke")
    assert keys.find_key(text, now=timezone.now()) is None
    assert developer.get(f"/dev/api/keys/{key.pk}/revoke").status_code == 404
    assert "revoked" in developer.get("/dev/api").content.decode()


def test_keys_of_another_provider_do_not_exist(developer):
    make_key(make_provider())
    key = ApiKey.objects.get()
    for act in ("rotate", "revoke"):
        assert developer.get(f"/dev/api/keys/{key.pk}/{act}").status_code == 404
        assert developer.post(f"/dev/api/keys/{key.pk}/{act}", overlap="0").status_code == 404
    key.refresh_from_db()
    assert (key.revoked_at, key.expires_at, ApiKey.objects.count()) == (None, None, 1)
    assert str(key) not in developer.get("/dev/api").content.decode()


def test_there_is_an_end_to_how_many_keys_work(developer):
    for _ in range(20):
        make_key(developer.member.provider)
    assert developer.get("/dev/api/keys/new/api").status_code == 302
    assert developer.get("/dev/api/keys/new/nonsense").status_code == 404
    assert ApiKey.objects.count() == 20


@pytest.fixture
def live(settings):
    """Outside of the demo there is live mode."""
    settings.DEMO = False


@pytest.mark.postgres
def test_live_keys_are_an_owners_who_proves_it_and_all_owners_hear_of_it(live, provider, merchant):
    owner, developer = merchant("owner"), merchant("developer")
    other = make_member(provider, "owner", "second@shop.test")
    for person in (owner, developer):
        assert person.get("/dev/api").context["mode"] == "live"
    assert developer.get("/dev/api/keys/new/merchant").status_code == 403
    assert developer.post("/dev/api/keys/new/merchant", proof=PASSWORD).status_code == 403
    refused = send(owner, "/dev/api/keys/new/merchant", proof="wrong")
    assert 'class="problem"' in refused.content.decode() and not ApiKey.objects.exists()
    text = make(owner, proof=PASSWORD)
    assert text.startswith("merchant_") and not text.startswith("merchant_test_")
    assert ApiKey.objects.get().mode == "live"
    account_mail.settle()
    assert sorted(letter.to[0] for letter in mail.outbox) == sorted([owner.user.username, other.user.username])
    assert text not in mail.outbox[0].body


@pytest.mark.postgres
def test_keys_of_one_mode_are_not_there_in_the_other(live, owner):
    live_text = make(owner, proof=PASSWORD)
    key = ApiKey.objects.get()
    owner.post("/portal/mode", mode="test")
    page = owner.get("/dev/api").content.decode()
    assert str(key) not in page and "Test mode" in page
    assert owner.post(f"/dev/api/keys/{key.pk}/revoke").status_code == 404
    assert keys.find_key(live_text, kind=ApiKey.Kind.MERCHANT_SECRET, now=timezone.now())
    assert make(owner).startswith("merchant_test_")


def test_in_the_demo_there_is_no_live_mode_to_switch_to(owner):
    owner.post("/portal/mode", mode="live")
    assert owner.get("/dev/api").context["mode"] == "test"


# --- The signing secret ---------------------------------------------------------------------------------------------


def test_an_owner_sees_the_signing_secret_once_more_after_a_proof_and_it_is_recorded(owner):
    secret = signing_secrets.ensure(owner.member.provider, now=timezone.now()).secret.reveal()
    assert secret not in owner.get("/dev/api").content.decode()
    assert secret not in send(owner, "/dev/api/signing-secret/show?which=current", proof="wrong").content.decode()
    shown = send(owner, "/dev/api/signing-secret/show?which=current", proof=PASSWORD).content.decode()
    assert SECRET.search(shown)[1] == secret
    entry = AuditEntry.objects.get(act="signing_secret_shown")
    assert entry.actor == owner.user and secret not in str(entry.details)


def test_a_developer_neither_sees_nor_rotates_the_signing_secret(developer):
    signing_secrets.ensure(developer.member.provider, now=timezone.now())
    for act in ("show", "rotate", "promote", "withdraw"):
        assert developer.get(f"/dev/api/signing-secret/{act}").status_code == 403
        assert developer.post(f"/dev/api/signing-secret/{act}", proof=PASSWORD).status_code == 403
    assert signing_secrets.upcoming(developer.member.provider) is None


def test_a_signing_secret_is_rotated_promoted_and_withdrawn(owner):
    provider = owner.member.provider
    send(owner, "/dev/api/signing-secret/rotate", proof=PASSWORD)
    first = signing_secrets.current(provider)
    send(owner, "/dev/api/signing-secret/rotate", proof=PASSWORD)
    assert signing_secrets.upcoming(provider) is not None
    send(owner, "/dev/api/signing-secret/withdraw", proof=PASSWORD)
    assert (signing_secrets.current(provider), signing_secrets.upcoming(provider)) == (first, None)
    send(owner, "/dev/api/signing-secret/rotate", proof=PASSWORD)
    upcoming = signing_secrets.upcoming(provider)
    send(owner, "/dev/api/signing-secret/promote", proof=PASSWORD)
    assert (signing_secrets.current(provider), signing_secrets.upcoming(provider)) == (upcoming, None)


# --- Samples ----------------------------------------------------------------------------------------------------


def sample_of(merchant, api, language):
    page = merchant.get("/dev/api", api=api, code=language).content.decode()
    return html.unescape(re.search(r'<pre id="sample"[^>]*>(.*?)</pre>', page, re.DOTALL)[1])


RUNS = {
    "sh": ["bash", "-e"],
    "py": [sys.executable],
    "js": ["node"],
    "php": ["php"],
}


@pytest.mark.slow
@pytest.mark.parametrize("language", list(RUNS))
@pytest.mark.parametrize("api", ["secret", "provider"])
def test_the_samples_run_as_they_are_pasted(live_server, lab, settings, developer, tmp_path, api, language):
    if shutil.which(RUNS[language][0]) is None:
        pytest.skip(f"no {RUNS[language][0]} here")
    settings.BASE_URL = live_server.url
    text = make(developer, "merchant" if api == "secret" else "api")
    code = sample_of(developer, api, language)
    assert text not in code and text[:20] in code and "{{" not in code
    name = "MERCHANT_SECRET" if api == "secret" else "PROVIDER_API_KEY"
    file = tmp_path / f"sample.{language}"
    file.write_text(code)
    environment = {"PATH": os.environ["PATH"], name: text, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run([*RUNS[language], str(file)], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    order = Order.objects.get()
    assert (order.code or order.token) in done.stdout
    assert order.mode == "test"


@pytest.mark.slow
def test_samples_of_one_sale_pasted_one_after_the_other_are_one_order(live_server, lab, settings, developer, tmp_path):
    settings.BASE_URL = live_server.url
    key = make(developer, "api")
    environment = {"PATH": os.environ["PATH"], "PROVIDER_API_KEY": key, "NO_PROXY": "127.0.0.1"}
    for language, runs in RUNS.items():
        if shutil.which(runs[0]) is None:
            continue
        file = tmp_path / f"sample.{language}"
        file.write_text(sample_of(developer, "provider", language))
        told = subprocess.run([*runs, str(file)], env=environment, capture_output=True, text=True, timeout=60)
        assert told.returncode == 0 and str(Order.objects.get().token) in told.stdout, told.stdout + told.stderr


def test_samples_carry_nothing_out_of_a_name_that_would_end_a_text(developer):
    provider = developer.member.provider
    provider.success_redirect_url = "https://shop.test/'\"`$(id)\\?o={orderId}"
    provider.save()
    for language in RUNS:
        assert "$(id)" not in sample_of(developer, "secret", language)


# --- Try it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["merchant_secret", "provider"])
def test_a_test_payment_is_followed_from_order_to_webhook(developer, client, lab, api):
    provider = developer.member.provider
    answer = developer.post("/dev/api/try", api=api, amount="10.00")
    assert answer.status_code == 302, answer.content.decode()
    order = Order.objects.get()
    assert (order.mode, order.amount_minor, order.provider) == ("test", 1000, provider)
    page = developer.get(answer["Location"]).content.decode()
    path = f"/pay/{order.code}" if order.code else f"/checkout/o/{order.token}"
    assert f'{path}" target' in page and 'http-equiv="refresh"' in page
    assert client.get(path).status_code == 200
    if api == "provider":
        approve(lab, client, start_payment(order))
        delivery = Delivery.objects.get()
        page = developer.get(answer["Location"]).content.decode()
        assert str(delivery.pk) in page and f'{path}" target' not in page
    assert str(order.pk) in developer.get("/dev/api").content.decode()
    assert AuditEntry.objects.get(act="test_payment_started").actor == developer.user


@pytest.mark.parametrize("amount", ["", "0", "-5", "1,234", "nonsense", "99999999999999", "7.77"])
def test_an_amount_that_the_api_would_refuse_is_refused_in_words(developer, lab, amount):
    answer = developer.post("/dev/api/try", api="provider", amount=amount)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert not Order.objects.exists()


def test_without_a_service_and_without_an_account_try_it_says_what_is_missing():
    bare = make_provider(with_account=False)
    bare.service = None
    bare.save()
    developer = sign_in(make_member(bare, "developer"))
    page = developer.get("/dev/api").content.decode()
    assert "Provider API (" not in page
    answer = developer.post("/dev/api/try", api="merchant_secret", amount="5")
    assert answer.status_code == 400 and "test account" in answer.content.decode()
    assert not Order.objects.exists()


def test_tries_of_others_and_orders_that_were_no_tries_are_not_found(developer, lab):
    from tests.builders import make_order

    for order in (make_order(make_provider()), make_order(developer.member.provider)):
        assert developer.get(f"/dev/api/try/{order.pk}").status_code == 404


def test_a_viewer_is_told_who_can(viewer, provider):
    boss = make_member(provider, "owner", "boss@shop.test")
    answer = viewer.get("/dev/api")
    assert answer.status_code == 403
    assert boss.user.username in answer.content.decode()
