import pytest


@pytest.fixture
def account(provider, lab, settings):
    from tests.token_shop import with_secure_processor

    return with_secure_processor(provider, lab, settings)


@pytest.fixture
def ask(client, key, account):
    """ask({…}) asks for a token as the provider's backend does, its key as a Bearer token; None sends WISH."""
    from tests.api.asking import send
    from tests.token_shop import WISH

    def post(body=None, *, once=None, headers=None, bearer=key):
        sent = {"Authorization": f"Bearer {bearer}", **(headers or {})}
        if once:
            sent["Idempotency-Key"] = once
        path = "/api/payments/secure-processor/token"
        return send(client, path, WISH if body is None else body, headers=sent)

    return post


@pytest.fixture
def read(client, key):
    def get(token, *, bearer=key):
        path = f"/api/payments/secure-processor/status/{token}"
        return client.get(path, headers={"Authorization": f"Bearer {bearer}"})

    return get
