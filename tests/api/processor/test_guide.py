"""The examples of the integrator's guide, run as they stand against a running server and the lab."""

import json
import re
from pathlib import Path

import pytest

from tests.api.test_docs_examples import EXAMPLE, curl, fits
from tests.shop import shop  # noqa: F401  (fixture)

GUIDE = Path(__file__).parents[3] / "docs/dialects/processor.md"


@pytest.mark.django_db(transaction=True)
def test_every_example_of_the_guide_answers_what_the_guide_says(shop):  # noqa: F811
    variables = {"BASE_URL": shop.url, "PROVIDER_API_KEY": shop.key}
    examples = EXAMPLE.findall(GUIDE.read_text())

    for script, kind, promised in examples:
        answer = json.loads(curl(script, variables))
        assert kind == "json" and fits(answer, json.loads(promised)), f"{script}\n{answer}"
        if answer.get("checkout_url") and "session_id" in answer:
            shop.buyer_at_stripe(answer)
            shop.wait_for("stripe", answer["payment_id"], "paid")
            variables["PAYMENT_ID"] = answer["payment_id"]
        elif "key_id" in answer:
            fields = shop.buyer_at_razorpay(answer, returns=False)
            shop.wait_for("razorpay", answer["payment_id"], "processing")
            variables |= {name.upper(): text for name, text in fields.items()}

    assert len(examples) == 8


def test_the_guide_names_every_call_and_every_code(client):
    guide = GUIDE.read_text()
    paths = client.get("/api/schema/").json()["paths"]
    mine = [path for path, calls in paths.items() if any(call["tags"] == ["Processor API"] for call in calls.values())]
    assert len(mine) == 9
    for path in mine:
        assert path.replace("{payment_id}", "$PAYMENT_ID") in guide, path
    from checkout import errors, idempotency, ratelimit, sessions
    from checkout.api.processor.errors import _CODES

    said = set(_CODES.values()) - {"forbidden", "method_not_allowed"}
    domain = [
        errors.AmountRefused, errors.MethodNotAvailable, errors.PaymentNotFound, errors.NotPayable,
        errors.PaymentUnderWay, errors.NotCaptured, errors.AlreadyRefunded, errors.Disputed, errors.RefundTooLarge,
        errors.IdempotencyMismatch, idempotency.StillRunning, idempotency.BadIdempotencyKey,
        ratelimit.TooManyRequests, sessions.OtherMode, sessions.Declined,
        sessions.NoClearAnswer, sessions.AlreadyCaptured, sessions.RefundRefused, sessions.NamesSeveral,
    ]  # fmt: skip
    for code in said | {kind.code.lower() for kind in domain}:
        assert re.search(rf"`{code}`", guide), code


def test_the_guide_names_every_field_that_may_be_sent(client):
    guide = GUIDE.read_text()
    shapes = client.get("/api/schema/").json()["components"]["schemas"]
    for name in ("StripeCheckoutInRequest", "RazorpayCheckoutInRequest", "StripeRefundInRequest", "VerifyInRequest"):
        for field in shapes[name]["properties"]:
            assert f"`{field}`" in guide or f'"{field}"' in guide, (name, field)
