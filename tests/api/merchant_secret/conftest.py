import pytest


@pytest.fixture
def merchant(db):
    """Takes sums at Payme and by card, and buyers may be sent back to its shop."""
    from tests.api.merchant_secret.selling import make_merchant

    return make_merchant()


@pytest.fixture
def secret(merchant):
    from tests.api.merchant_secret.selling import make_secret

    return make_secret(merchant)
