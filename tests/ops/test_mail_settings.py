"""The mail server in the environment: what is understood, and what is refused or warned about."""

import json
import os
import subprocess
import sys

import pytest
from django.core.management import call_command

from config import checks
from tests.conftest import ENVIRONMENT, ROOT
from tests.mail_server import mail_server  # noqa: F401  (a fixture)

ASK = """
import json
from django.conf import settings as s
names = ["BACKEND", "HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL", "FILE_PATH", "TIMEOUT"]
print(json.dumps({name: getattr(s, f"EMAIL_{name}", None) for name in names} | {"from": s.DEFAULT_FROM_EMAIL}))
"""


def read(url, **more):
    environment = {**os.environ, **ENVIRONMENT, "EMAIL_URL": url, "DATABASE_URL": "sqlite:///x", **more}
    run = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True)
    return run.returncode, (json.loads(run.stdout) if run.returncode == 0 else run.stderr)


@pytest.mark.once
@pytest.mark.parametrize(
    ("url", "understood"),
    [
        ("", {"BACKEND": "dummy"}),
        (
            "smtp+tls://me%40x.test:p%2Fw@mail.test",
            {"BACKEND": "smtp", "HOST": "mail.test", "PORT": 587, "HOST_USER": "me@x.test", "HOST_PASSWORD": "p/w",
             "USE_TLS": True, "USE_SSL": False},
        ),
        ("smtp+ssl://u:p@mail.test", {"BACKEND": "smtp", "PORT": 465, "USE_TLS": False, "USE_SSL": True}),
        ("smtp://127.0.0.1:2525", {"BACKEND": "smtp", "PORT": 2525, "USE_TLS": False, "USE_SSL": False}),
        ("smtp://relay.test", {"PORT": 25}),
        ("consolemail://", {"BACKEND": "console"}),
        ("filemail:///srv/a%20folder/mail", {"BACKEND": "filebased", "FILE_PATH": "/srv/a folder/mail"}),
    ],
    ids=["none", "starttls", "tls", "plain with port", "plain", "console", "folder"],
)  # fmt: skip
def test_any_mail_server_is_named_in_one_variable(url, understood):
    code, found = read(url)
    assert code == 0, found
    found["BACKEND"] = found["BACKEND"].split(".")[-2]
    assert {name: found[name] for name in understood} == understood
    assert found["from"] == ENVIRONMENT["SUPPORT_EMAIL"] and found["TIMEOUT"] == 10


@pytest.mark.once
@pytest.mark.parametrize("url", ["mail.test", "console://", "smtp://user:secret@mail.test:port", "pop3://x"])
def test_an_address_that_is_none_is_refused_without_repeating_it(url):
    code, said = read(url)
    assert code != 0 and "EMAIL_URL is not an address like smtp+tls://" in said
    assert "secret@mail.test" not in said


SMTP = {
    "EMAIL_URL": "smtp+tls://mail.test",
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "EMAIL_HOST": "mail.test",
    "EMAIL_USE_TLS": True,
    "DEFAULT_FROM_EMAIL": "Pay <receipts@pay.test>",
    "DEMO": False,
}


def said_of(settings, **values):
    for name, value in {**SMTP, **values}.items():
        setattr(settings, name, value)
    return [message.msg for message in checks.check_letters(None)]


def test_a_mail_server_over_tls_is_fine(settings):
    assert said_of(settings) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"DEFAULT_FROM_EMAIL": ""}, "no address to send from"),
        ({"DEFAULT_FROM_EMAIL": "Example Pay"}, "no address to send from"),
        ({"EMAIL_TIMEOUT": 0}, "EMAIL_TIMEOUT must be"),
        ({"EMAIL_TIMEOUT": 60}, "EMAIL_TIMEOUT must be"),
        ({"EMAIL_HOST": None}, "names no host"),
        ({"EMAIL_USE_TLS": False}, "in clear"),
        ({"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}, "letters reach nobody"),
    ],
    ids=["no sender", "a sender without address", "no timeout", "long timeout", "no host", "clear", "console"],
)
def test_what_would_not_work_or_would_be_overheard_is_said(wrong, said, settings):
    assert [text for text in said_of(settings, **wrong) if said in text]


def test_a_mail_server_on_this_machine_needs_no_tls(settings):
    assert said_of(settings, EMAIL_HOST="127.0.0.1", EMAIL_USE_TLS=False) == []


# --- the doctor ---------------------------------------------------------------------------------------------------


def doctor(capsys):
    try:
        call_command("doctor")
    except SystemExit:
        pass  # no worker answers here
    return capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_the_doctor_says_that_no_receipts_are_sent(capsys, broker):
    assert "look  e-mails: EMAIL_URL is not set: payers get no receipts" in doctor(capsys)


@pytest.mark.django_db(transaction=True)
def test_the_doctor_tries_the_mail_server(capsys, broker, mail_server, settings):  # noqa: F811
    assert "ok  mail server: 127.0.0.1 answers" in doctor(capsys)
    mail_server.say["connect"] = "554 go away"
    assert "BAD  mail server: 127.0.0.1 does not take letters: SMTPConnectError" in doctor(capsys)
    assert mail_server.taken == []
