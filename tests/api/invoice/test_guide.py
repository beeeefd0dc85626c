"""The examples of the integrator's guide, run as they stand against a running server and the lab."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api.invoice.asking import LINE, SERVICE_KEY
from tests.api.test_docs_examples import EXAMPLE, curl, fits
from tests.asking import BUSINESS, SOURCE, asking_lab, marketplace  # noqa: F401  (fixtures)

GUIDE = Path(__file__).parents[3] / "docs/dialects/invoice.md"


def paid_at_multicard(marketplace):  # noqa: F811
    marketplace.register("multicard")
    line = {**LINE, "price": 5_000_000, "total": 5_000_000}
    invoice = marketplace.api("POST", "/api/invoices", {
        "source": SOURCE, "businessId": BUSINESS, "provider": "multicard", "sourceInvoiceId": "order_124",
        "amount": 5_000_000, "ofd": [line],
    })  # fmt: skip
    marketplace.buyer("multicard", invoice)
    marketplace.wait_for(invoice, "paid")
    return invoice["id"]


@pytest.mark.django_db(transaction=True)
def test_every_example_of_the_guide_answers_what_the_guide_says(marketplace):  # noqa: F811
    variables = {"BASE_URL": marketplace.url, "SERVICE_API_KEY": SERVICE_KEY}
    examples = EXAMPLE.findall(GUIDE.read_text())

    for script, kind, promised in examples:
        if "PAID_INVOICE_ID" in script and "PAID_INVOICE_ID" not in variables:
            variables["PAID_INVOICE_ID"] = paid_at_multicard(marketplace)
        told = curl(script, variables)
        if kind == "text":
            assert told.strip() == promised.strip(), script
            continue
        answer = json.loads(told)
        assert fits(answer, json.loads(promised)), f"{script}\n{told}"
        if answer["data"].get("sourceInvoiceId") == "order_123":
            variables["INVOICE_ID"] = answer["data"]["id"]

    assert len(examples) == 11


def test_the_guide_names_every_call_and_every_refusal(client):
    guide = GUIDE.read_text()
    paths = client.get("/api/schema/").json()["paths"]
    mine = [path for path, calls in paths.items() if any(call["tags"] == ["Invoice API"] for call in calls.values())]
    assert len(mine) == 9
    for path in mine:
        for name, value in [("{source}", "marketplace"), ("{businessId}", "biz_42"), ("{invoiceId}", "$INVOICE_ID")]:
            path = path.replace(name, value)
        assert path in guide or path.replace("$INVOICE_ID", "$PAID_INVOICE_ID") in guide, path
    from checkout.api.invoice.envelope import _REFUSALS, _WORDS

    words = {*_WORDS.values(), *(word for _status, word in _REFUSALS.values())}
    assert not [word for word in words if f"`{word}`" not in guide]


BODY = b'{"id":"1","status":"paid"}'


def _signature():
    import hashlib
    import hmac

    return "sha256=" + hmac.new(b"whsec_x", BODY, hashlib.sha256).hexdigest()


def test_the_guide_s_python_verifies_what_we_sign():
    [code] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.S)
    names = {}
    exec(code, names)
    assert names["is_genuine"](BODY, _signature(), "whsec_x") is True
    assert names["is_genuine"](BODY + b" ", _signature(), "whsec_x") is False
    assert names["is_genuine"](BODY, "ключ", "whsec_x") is False


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_guide_s_javascript_verifies_what_we_sign(tmp_path):
    [code] = re.findall(r"```js\n(.*?)```", GUIDE.read_text(), re.S)
    body, signature = json.dumps(BODY.decode()), json.dumps(_signature())
    calls = [
        f"({body}, {signature}, 'whsec_x')",
        f"({body} + ' ', {signature}, 'whsec_x')",
        f"({body}, null, 'whsec_x')",
    ]
    file = tmp_path / "verify.mjs"
    file.write_text(code + "console.log(JSON.stringify([" + ", ".join(f"isGenuine{call}" for call in calls) + "]))")
    done = subprocess.run([shutil.which("node"), file], capture_output=True, text=True, timeout=20)
    assert json.loads(done.stdout) == [True, False, False], done.stderr
