import pytest


@pytest.fixture
def provider(transactional_db):
    """A provider that can sell, with a Stripe test account at the lab."""
    from tests.builders import make_provider

    return make_provider()


@pytest.fixture
def merchant(provider):
    """merchant("developer") → a member of `provider`, signed in; merchant("owner", other) → of another one."""
    from tests.portal.people import make_member, sign_in

    def make(role="owner", of=None, email=None):
        return sign_in(make_member(of or provider, role, email))

    return make


@pytest.fixture
def owner(merchant):
    return merchant("owner")


@pytest.fixture
def developer(merchant):
    return merchant("developer")


@pytest.fixture
def viewer(merchant):
    return merchant("viewer")


@pytest.fixture(autouse=True)
def _letters_stay_here():
    """No letter of one test arrives in the next one's box."""
    yield
    from providers import account_mail

    account_mail.settle()
