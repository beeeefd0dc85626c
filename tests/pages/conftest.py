import pytest

from tests.pages.processors import processors  # noqa: F401  (a fixture)
from tests.pages.reading import read


@pytest.fixture
def order(lab):
    """$100.00 for twenty credits, at a provider with both redirect addresses."""
    from tests.builders import make_order, make_provider  # models: not before Django is set up

    return make_order(make_provider())


@pytest.fixture
def see(client):
    """see(order, "?lang=ru", **headers) → the answer, with `.text` as a person reads it."""

    def get(order, rest="", **headers):
        return read(client.get(f"/checkout/o/{order.token}{rest}", headers=headers))

    return get


@pytest.fixture
def press(client):
    """press(order, "pay", **form) → the answer of a button, as a browser posts it."""

    def post(order, button, headers=None, **form):
        form = form or ({"processor": "stripe"} if button == "pay" else {})
        return read(client.post(f"/checkout/o/{order.token}/{button}", form, headers=headers or {}))

    return post
