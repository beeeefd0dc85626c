"""The four processors of Uzbekistan as the pages meet them. Without models: conftest files import it."""

import importlib

import pytest

from gateway import registry

CREDENTIALS = {
    "payme": {"merchantId": "0123456789abcdef01234567", "key": "test-key-000000000000000000000000001"},
    "click": {"serviceId": "4242", "merchantId": "777", "secretKey": "click-secret-0000000001", "merchantUserId": "99"},
    "uzum": {"serviceId": "101", "login": "uzum-login", "password": "uzum-password"},
    "multicard": {"applicationId": "rhmt_test", "secret": "multicard-secret", "storeId": "6"},
}


@pytest.fixture
def processors(monkeypatch):
    """The four of Uzbekistan; one that is written and not in the registry yet is put there."""
    for slug in CREDENTIALS:
        if slug not in registry.PROCESSORS:
            adapter = importlib.import_module(f"gateway.adapters.{slug}")
            if not hasattr(adapter, "PROCESSOR"):
                continue
            monkeypatch.setitem(registry.PROCESSORS, slug, adapter.PROCESSOR)
            monkeypatch.setitem(registry.PROTOCOLS, slug, adapter.PROTOCOL)
    return [slug for slug in CREDENTIALS if slug in registry.PROCESSORS]
