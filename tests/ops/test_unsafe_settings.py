"""What the product refuses to start with."""

import os
import re
import shlex
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
        ({"FIELD_ENCRYPTION_KEYS": []}, "FIELD_ENCRYPTION_KEYS is missing"),
        ({"FIELD_ENCRYPTION_KEYS": ["k1:c2hvcnQ="]}, "FIELD_ENCRYPTION_KEYS cannot be read"),
        ({"BASE_URL": "http://pay.example.test"}, "BASE_URL must be https://"),
        ({"BASE_URL": "https://pay.example.test/pay"}, "BASE_URL has a path"),
        ({"BASE_URL": "pay.example.test"}, "BASE_URL is not an address"),
        ({"ALLOWED_HOSTS": ["other.example.test"]}, "ALLOWED_HOSTS does not hold the host of BASE_URL"),
        ({"ALLOWED_HOSTS": ["*"]}, "ALLOWED_HOSTS=*"),
        ({"WEBHOOK_ALLOWED_NETWORKS": ["10.0.0.0/33"]}, "WEBHOOK_ALLOWED_NETWORKS: '10.0.0.0/33'"),
        ({"TRUSTED_PROXIES": ["proxy.example.test"]}, "TRUSTED_PROXIES: 'proxy.example.test'"),
        ({"TRUSTED_PROXIES": ["0.0.0.0/0"]}, "TRUSTED_PROXIES trusts everybody"),
        ({"TRUSTED_PROXIES": ["10.1.2.3/0"]}, "TRUSTED_PROXIES trusts everybody"),
        ({"WEBHOOK_ALLOWED_NETWORKS": ["10.0.0.0/8", "::/0"]}, "WEBHOOK_ALLOWED_NETWORKS allows every network"),
        ({"WEBHOOK_DRAINS": 0}, "WEBHOOK_DRAINS must be at least 1"),
        ({"SERVICE_API_KEYS": {"live": "service_short", "test": ""}}, "SERVICE_API_KEY is short"),
        ({"SERVICE_API_KEYS": {"live": "", "test": "a1" * 11 + "a"}}, "SERVICE_API_KEY_TEST is short"),
        (
            {"SERVICE_API_KEYS": {"live": "a1" * 20, "test": "a1" * 20}},
            "SERVICE_API_KEY and SERVICE_API_KEY_TEST are the same",
        ),
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


def test_a_demo_may_have_any_service_key(settings):
    assert found(settings, SERVICE_API_KEYS={"live": "", "test": "short"}) == []


def check_deploy(environment):
    """`manage.py check --deploy` with nothing but these variables: exit code and all that was said."""
    alone = {name: text for name, text in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        env=alone | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.mark.once
@pytest.mark.slow
def test_an_example_file_that_nobody_filled_in_is_answered_with_what_is_missing_and_how_to_make_it(tmp_path):
    file = tmp_path / "pay.env"
    file.write_text((ROOT / ".env.example").read_text())
    code, said = check_deploy({"ENV_FILE": str(file)})
    assert code == 1
    assert "Traceback" not in said
    generators = {
        "SECRET_KEY": "secrets.token_urlsafe(48)",
        "FIELD_ENCRYPTION_KEYS": "'k1:' + base64",
        "WEBHOOK_SIGNING_SECRET": "'whsec_' + base64",
    }
    for name, generator in generators.items():
        [(_missing, hint)] = re.findall(rf"({name} is missing.*)\n\s+HINT: (.*)", said)
        assert hint.startswith("python3 -c ") and generator in hint
    for name in ("BASE_URL", "ALLOWED_HOSTS", "The password in DATABASE_URL", "SUPPORT_EMAIL"):
        assert f"{name} still has the value of .env.example" in said


@pytest.mark.once
@pytest.mark.slow
def test_the_lines_that_make_secrets_make_good_ones(tmp_path):
    made = {
        name: subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout.strip()
        for name, line in [*checks.GENERATORS.items(), ("SERVICE_API_KEY_TEST", checks.GENERATORS["SERVICE_API_KEY"])]
    }
    own = {"BASE_URL": "https://pay.example.test", "ALLOWED_HOSTS": "pay.example.test"}
    code, said = check_deploy({"ENV_FILE": "", **own, **made})
    assert code == 0, said
    assert "missing" not in said


@pytest.mark.once
@pytest.mark.slow
def test_a_file_of_variables_that_is_not_there_is_named(tmp_path):
    code, said = check_deploy({"ENV_FILE": str(tmp_path / "typo.env")})
    assert code == 1
    assert said.strip() == f"ENV_FILE: there is no file {tmp_path / 'typo.env'}."


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
