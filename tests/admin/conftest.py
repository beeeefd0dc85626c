import pytest


@pytest.fixture
def person(transactional_db):
    """person("anna", "admin") → signed in with both factors. Role "superuser" too.

    Acts that call a processor cannot be inside a test's transaction.
    """
    from tests.admin.people import make_staff, sign_in

    def make(name, role=""):
        if role == "superuser":
            return sign_in(make_staff(name, is_superuser=True))
        return sign_in(make_staff(name, role))

    return make


@pytest.fixture
def admin(person):
    return person("anna", "admin")


@pytest.fixture
def finance(person):
    return person("boris", "finance")


@pytest.fixture
def support(person):
    return person("clara", "support")
