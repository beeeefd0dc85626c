"""The examples of the integrator's guide, run as they stand against a running server and the lab."""

import json
import re
from pathlib import Path

import pytest

from tests.api.test_docs_examples import EXAMPLE, curl, fits
from tests.token_shop import token_shop  # noqa: F401  (fixture)

GUIDE = Path(__file__).parents[3] / "docs/dialects/payment-token.md"


@pytest.mark.django_db(transaction=True)
def test_every_example_of_the_guide_answers_what_the_guide_says(token_shop):  # noqa: F811
    variables = {"BASE_URL": token_shop.url, "PROVIDER_API_KEY": token_shop.key}
    examples = EXAMPLE.findall(GUIDE.read_text())
    for script, kind, promised in examples:
        answer = json.loads(curl(script, variables))
        assert kind == "json" and fits(answer, json.loads(promised)), f"{script}\n{answer}"
        variables.setdefault("PAYMENT_TOKEN", answer["token"])
    assert len(examples) == 2


def test_the_guide_names_every_call_field_and_status(client):
    from checkout.api.payment_token.shapes import STATUSES

    guide = GUIDE.read_text()
    schema = client.get("/api/schema/").json()
    mine = [
        path
        for path, calls in schema["paths"].items()
        if any(call["tags"] == ["Payment-token API"] for call in calls.values())
    ]
    assert len(mine) == 2
    for path in mine:
        assert path.replace("{token}", "$PAYMENT_TOKEN") in guide, path
    for field in schema["components"]["schemas"]["TokenInRequest"]["properties"]:
        assert f"`{field}`" in guide, field
    for field in schema["components"]["schemas"]["TokenStatusOut"]["properties"]:
        assert f'"{field}"' in guide, field
    for word in STATUSES:
        assert re.search(rf"`{word}`", guide), word
