"""The four steps of the guide, run as they stand against a running server."""

import json
from pathlib import Path

import pytest

from checkout.models import Order
from tests.api.merchant_secret.selling import make_merchant, make_secret
from tests.api.test_docs_examples import EXAMPLE, curl, fits
from tests.pages.invoices import payme_takes

GUIDE = Path(__file__).parents[3] / "docs/dialects/merchant-secret.md"


@pytest.mark.django_db(transaction=True)
def test_the_four_steps_of_the_guide_answer_what_the_guide_says(live_server, client, settings):
    settings.BASE_URL = live_server.url
    variables = {
        "BASE_URL": live_server.url,
        "MERCHANT_SECRET": make_secret(make_merchant()),
        "INBOX_URL": "https://shop.test/inbox",
    }
    examples = EXAMPLE.findall(GUIDE.read_text())

    for script, kind, promised in examples:
        if '"completed"' in promised:
            payme_takes(client, Order.objects.get())
        told = curl(script, variables)
        if kind == "text":
            assert told.strip() == promised.strip(), script
            continue
        answer = json.loads(told)
        assert fits(answer, json.loads(promised)) and list(answer) == list(json.loads(promised)), f"{script}\n{told}"
        if "code" in answer:
            variables |= {"CODE": answer["code"], "WATCH_CODE": answer["watch_code"]}

    assert len(examples) == 5


def test_the_guide_names_every_call_of_the_schema(client):
    guide = GUIDE.read_text()
    paths = client.get("/api/schema/").json()["paths"]
    ours = [path for path, calls in paths.items() if any(c["tags"] == ["Merchant-secret API"] for c in calls.values())]
    assert ours and all(path.replace("{watch_code}", "$WATCH_CODE") in guide for path in ours)
