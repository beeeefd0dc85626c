"""Rotating the key that secrets are encrypted with, and noticing a wrong one before it does harm."""

import base64
import os

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config import checks
from providers import canary, signing_secrets
from providers.fields import is_sealed_with_first_key
from providers.models import KeyCanary, SigningSecret
from tests.builders import make_provider

pytestmark = pytest.mark.django_db


def key(name):
    return f"{name}:" + base64.b64encode(os.urandom(32)).decode()


def stored():
    return SigningSecret.objects.values_list("secret", flat=True).get()


@pytest.fixture
def secret(settings):
    settings.FIELD_ENCRYPTION_KEYS = [key("old")]
    checks.refuse_unsafe()
    return signing_secrets.ensure(make_provider(with_account=False), now=timezone.now()).secret.reveal()


def test_a_start_leaves_one_canary_per_key(secret):
    checks.refuse_unsafe()
    assert list(KeyCanary.objects.values_list("key_id", flat=True)) == ["old"]
    assert canary.problems() == []


@pytest.mark.parametrize("ring", [[key("old")], [key("new")]])
def test_a_mistyped_or_dropped_key_is_refused_before_anything_is_written(settings, secret, ring):
    settings.FIELD_ENCRYPTION_KEYS = ring
    with pytest.raises(Exception, match="'old' is missing or is not the one"):
        checks.refuse_unsafe()
    assert list(KeyCanary.objects.values_list("key_id", flat=True)) == ["old"]
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("reencrypt")


def test_a_key_is_rotated_by_adding_promoting_reencrypting_and_dropping(settings, secret, capsys):
    [old], new = settings.FIELD_ENCRYPTION_KEYS, key("new")
    settings.FIELD_ENCRYPTION_KEYS = [old, new]  # added as a reader
    assert SigningSecret.objects.get().secret.reveal() == secret
    settings.FIELD_ENCRYPTION_KEYS = [new, old]  # promoted
    checks.refuse_unsafe()
    assert not is_sealed_with_first_key(stored())
    call_command("reencrypt")
    assert "1 values were sealed anew" in capsys.readouterr().out
    assert is_sealed_with_first_key(stored())
    settings.FIELD_ENCRYPTION_KEYS = [new]  # the old one is dropped
    checks.refuse_unsafe()
    assert SigningSecret.objects.get().secret.reveal() == secret
    assert list(KeyCanary.objects.values_list("key_id", flat=True)) == ["new"]


def test_reencrypting_twice_changes_nothing_more(settings, secret, capsys):
    settings.FIELD_ENCRYPTION_KEYS = [key("new"), *settings.FIELD_ENCRYPTION_KEYS]
    call_command("reencrypt")
    before = stored()
    call_command("reencrypt")
    assert "0 values" in capsys.readouterr().out
    assert stored() == before
