"""The examples of the integrator's guide, run as they stand against a running server."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from checkout.models import Order
from tests.builders import approve, make_key, make_provider, make_service, start_payment

GUIDE = Path(__file__).parents[2] / "docs/dialects/provider.md"
EXAMPLE = re.compile(r"```bash\n(.*?)```\n\n```(json|text)\n(.*?)```", re.S)


def fits(told, promised):
    """`…` stands for any text; an object of the guide may leave fields out where it is a part of a list or order."""
    if isinstance(promised, dict):
        return isinstance(told, dict) and all(
            name in told and fits(told[name], part) for name, part in promised.items()
        )
    if isinstance(promised, list):
        return len(told) == len(promised) and all(map(fits, told, promised))
    if isinstance(promised, str) and "…" in promised:
        return re.fullmatch(re.escape(promised).replace("…", ".+"), told) is not None
    return type(told) is type(promised) and told == promised


def curl(script, variables):
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*", **variables}
    done = subprocess.run(["bash", "-ec", script], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.django_db(transaction=True)
def test_every_example_of_the_guide_answers_what_the_guide_says(live_server, lab, client, settings):
    settings.BASE_URL = live_server.url
    provider = make_provider(service=make_service(slug="premium"))
    variables = {"BASE_URL": live_server.url, "PROVIDER_API_KEY": make_key(provider), "SERVICE_SLUG": "premium"}
    examples = EXAMPLE.findall(GUIDE.read_text())

    for script, kind, promised in examples:
        if "PAID_ORDER_ID" in script:
            order = Order.objects.get(external_id="PAID")
            approve(lab, client, start_payment(order))
            variables["PAID_ORDER_ID"] = str(order.pk)
        told = curl(script, variables)
        if kind == "text":
            assert told.strip().lower() == promised.strip().lower(), script
            continue
        answer = json.loads(told)
        assert fits(answer, json.loads(promised)), f"{script}\n{told}"
        if answer.get("externalId") == "ORDER-1001":
            variables["ORDER_ID"] = answer["orderId"]
            if not Order.objects.filter(external_id="PAID").exists():
                body = json.dumps({"apiKey": variables["PROVIDER_API_KEY"], "externalId": "PAID", "amount": 100})
                client.post("/api/create-payment-intent", body, content_type="application/json")

    assert len(examples) == 8


def test_the_guide_names_every_call_of_the_schema(client):
    guide = GUIDE.read_text()
    paths = client.get("/api/schema/").json()["paths"]
    for path in [path for path, calls in paths.items() if any(c["tags"] == ["Provider API"] for c in calls.values())]:
        assert path.replace("{orderId}", "$ORDER_ID") in guide or path.replace("{orderId}", "$PAID_ORDER_ID") in guide
