import pytest

from tests.webhooks.conftest import _nothing_learned, quick, receiver  # noqa: F401  (fixtures)


@pytest.fixture(autouse=True)
def service_key(settings):
    from tests.api.invoice.asking import LIVE_SERVICE_KEY, SERVICE_KEY

    settings.SERVICE_API_KEYS = {"test": SERVICE_KEY, "live": LIVE_SERVICE_KEY}


@pytest.fixture
def api(client):
    """One call: the envelope's data of a success; the whole envelope of a failure."""
    from tests.api.invoice.asking import SERVICE_KEY, send

    def call(method, path, body=None, *, key=SERVICE_KEY, expect=200, **headers):
        answer = send(client, method, path, body, key=key, **headers)
        assert answer.status_code == expect, answer.content
        envelope = answer.json()
        assert list(envelope) == ["status", "code", "message", "data"]
        assert envelope["code"] == expect
        assert envelope["status"] is (expect == 200)
        assert answer["X-Request-Id"]
        return envelope["data"] if expect == 200 else envelope

    return call
