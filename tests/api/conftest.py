import pytest


@pytest.fixture
def provider(db, lab):
    """Sells Premium Credits at $5."""
    from tests.builders import make_provider

    return make_provider()


@pytest.fixture
def key(provider):
    from tests.builders import make_key

    return make_key(provider)


@pytest.fixture
def create(client, key):
    """create(amount=100, …) → the answer; `apiKey` is the provider's unless another is given."""
    from tests.api.asking import send

    def post(*, headers=None, path="/api/create-payment-intent", **body):
        return send(client, path, {"apiKey": key, **body}, headers=headers)

    return post


@pytest.fixture
def api(client, key):
    """api("GET", "/api/orders/…") with the provider's key in x-api-key."""
    from tests.api.asking import send

    def call(method, path, body=None, *, headers=None, **query):
        sent = {"x-api-key": key, **(headers or {})}
        if method == "GET":
            return client.get(path, query, headers=sent)
        return send(client, path, body, headers=sent)

    return call
