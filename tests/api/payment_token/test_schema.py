import pytest

from tests.api.test_schema import fits, schema  # noqa: F401  (fixture)
from tests.token_shop import WISH

pytestmark = pytest.mark.django_db
TOKEN, STATUS = "/api/payments/secure-processor/token", "/api/payments/secure-processor/status/{token}"


def test_every_answer_is_one_that_the_schema_promises(schema, ask, read, lab):  # noqa: F811
    made = ask(once="wish")
    fits(schema, TOKEN, "post", made)
    for answer in (
        ask({}), ask({**WISH, "amountCents": 2}, once="wish"), ask(bearer="x"), ask("{"), ask("x" * 70_000),
    ):  # fmt: skip
        assert answer.status_code >= 400
        fits(schema, TOKEN, "post", answer)
    for kind in ("429", "402", "403", "500", "503", "reset_after"):
        lab.fault(kind, match={"operation": "checkouts.create"})
        fits(schema, TOKEN, "post", ask())
    for name in (made.json()["token"], "pt_nobody"):
        fits(schema, STATUS, "get", read(name))
    fits(schema, STATUS, "get", read(made.json()["token"], bearer="x"))


def test_the_schema_tells_both_calls_with_their_keys(schema):  # noqa: F811
    assert schema["paths"][TOKEN]["post"]["operationId"] == "createPaymentToken"
    assert schema["paths"][STATUS]["get"]["operationId"] == "getPaymentToken"
    for call in (schema["paths"][TOKEN]["post"], schema["paths"][STATUS]["get"]):
        assert call["security"] and call["tags"] == ["Payment-token API"]
