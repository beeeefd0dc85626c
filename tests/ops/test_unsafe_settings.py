"""What the product refuses to start with."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import checks
from gateway.types import Mode
from tests.conftest import ROOT

LIVE_KEY, TEST_KEY = "sk_live_" + "a1" * 12, "sk_test_" + "a1" * 12
SECRET = "whsec_" + "a1" * 16

PRODUCTION = {
    "DEMO": False,
    "DEBUG": False,
    "LAB_URL": "",
    "BASE_URL": "https://pay.example.test",
    "ALLOWED_HOSTS": ["pay.example.test"],
    "PROCESSOR_URLS": {("stripe", "live"): "", ("stripe", "test"): ""},
    "STATIC_COLLECTED": False,
}


def found(settings, **values):
    for name, value in values.items():
        setattr(settings, name, value)
    every = [*checks.check_demo(None), *checks.check_secrets(None), *checks.check_addresses(None)]
    return [message.msg for message in every]


def test_the_demos_own_settings_are_fine(settings):
    assert found(settings) == []


def test_a_whole_set_for_production_is_fine(settings):
    assert found(settings, **PRODUCTION) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"LAB_URL": "http://127.0.0.1:8001"}, "LAB_URL is set without DEMO=1"),
        ({"DEBUG": True}, "DEBUG=1 shows internals"),
        ({"DEMO": True}, "DEMO=1 allows only this machine"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is weak"),
        ({"SECRET_KEY": "a" * 60}, "SECRET_KEY is weak"),
        ({"SECRET_KEY": "django-insecure-" + "abcdefghij" * 6}, "SECRET_KEY is weak"),
        ({"FIELD_ENCRYPTION_KEYS": []}, "FIELD_ENCRYPTION_KEYS cannot be read"),
        ({"FIELD_ENCRYPTION_KEYS": ["k1:c2hvcnQ="]}, "FIELD_ENCRYPTION_KEYS cannot be read"),
        ({"BASE_URL": "http://pay.example.test"}, "BASE_URL must be https://"),
        ({"BASE_URL": "https://pay.example.test/pay"}, "BASE_URL has a path"),
        ({"BASE_URL": "pay.example.test"}, "BASE_URL is not an address"),
        ({"ALLOWED_HOSTS": ["other.example.test"]}, "ALLOWED_HOSTS does not hold the host of BASE_URL"),
        ({"ALLOWED_HOSTS": ["*"]}, "ALLOWED_HOSTS=*"),
        ({"WEBHOOK_ALLOWED_NETWORKS": ["10.0.0.0/33"]}, "WEBHOOK_ALLOWED_NETWORKS: '10.0.0.0/33'"),
        ({"TRUSTED_PROXIES": ["proxy.example.test"]}, "TRUSTED_PROXIES: 'proxy.example.test'"),
        ({"TRUSTED_PROXIES": ["0.0.0.0/0"]}, "TRUSTED_PROXIES trusts everybody"),
        (
            {"PROCESSOR_URLS": {("stripe", "live"): "https://stripe.example.test", ("stripe", "test"): ""}},
            "The live address of a processor is never replaced",
        ),
        (
            {"PROCESSOR_URLS": {("stripe", "live"): "", ("stripe", "test"): "http://127.0.0.1:8001/stripe"}},
            "The test address of stripe may be replaced in the demo only",
        ),
        (
            {"HOUSE_CREDENTIALS": {"stripe": {"secretKey": "nonsense", "webhookSecret": ""}}},
            "The house account of stripe",
        ),
    ],
)
def test_an_unsafe_value_is_named(settings, wrong, said):
    assert any(text.startswith(said) for text in found(settings, **PRODUCTION | wrong)), found(settings)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"LAB_URL": "http://lab.example.test"}, "LAB_URL is not on this machine"),
        ({"ALLOWED_HOSTS": ["127.0.0.1", "pay.example.test"]}, "DEMO=1 allows only this machine"),
        ({"ALLOWED_HOSTS": ["*"]}, "DEMO=1 allows only this machine"),
        ({"BASE_URL": "http://192.168.1.5:8000"}, "DEMO=1 allows only this machine"),
        ({"HOUSE_CREDENTIALS": {"stripe": {"secretKey": LIVE_KEY, "webhookSecret": SECRET}}}, "Live credentials"),
    ],
)
def test_an_unsafe_value_of_a_demo_is_named(settings, wrong, said):
    assert any(text.startswith(said) for text in found(settings, **wrong)), found(settings)


@pytest.mark.django_db
def test_a_live_account_is_refused_beside_a_lab_and_on_sqlite(settings):
    from django.db import connection

    from providers.models import MerchantAccount
    from tests.builders import make_provider

    MerchantAccount.objects.create(provider=make_provider(with_account=False), processor="stripe", mode=Mode.LIVE)
    assert "A live merchant account exists beside a processor lab." in checks.problems_in_database()
    settings.LAB_URL = ""
    left = checks.problems_in_database()
    assert left == (
        ["A live merchant account exists on SQLite, which is for demo and test mode only."]
        if connection.vendor == "sqlite"
        else []
    )


@pytest.mark.django_db
def test_nothing_starts_under_unsafe_settings(settings):
    checks.refuse_unsafe()
    settings.DEMO = False
    with pytest.raises(ImproperlyConfigured, match="LAB_URL is set without DEMO=1"):
        checks.refuse_unsafe()


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["-c", "import config.wsgi"],
        ["-m", "celery", "-A", "config", "worker", "--pool", "solo", "--loglevel", "ERROR"],
        ["manage.py", "check"],
    ],
)
def test_web_worker_and_commands_end_with_what_is_wrong(command, tmp_path):
    environment = os.environ | {
        "DEMO": "0",
        "BASE_URL": "https://pay.example.test",
        "ALLOWED_HOSTS": "pay.example.test",
        "DATABASE_URL": f"sqlite:///{tmp_path}/pay.sqlite3",
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.run(
        [sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode != 0
    assert "LAB_URL is set without DEMO=1" in run.stderr + run.stdout
