"""The four processors of Uzbekistan as the pages meet them. Without models: conftest files import it."""

import pytest

from gateway import registry

CREDENTIALS = {
    "payme": {"merchantId": "0123456789abcdef01234567", "key": "test-key-000000000000000000000000001"},
    "click": {"serviceId": "4242", "merchantId": "777", "secretKey": "click-secret-0000000001", "merchantUserId": "99"},
    "uzum": {"serviceId": "101", "login": "uzum-login", "password": "uzum-password"},
    "multicard": {"applicationId": "rhmt_test", "secret": "multicard-secret", "storeId": "6"},
}


@pytest.fixture
def processors():
    """Their slugs, in the order of the buttons."""
    return [slug for slug in registry.PROCESSORS if slug in CREDENTIALS]
