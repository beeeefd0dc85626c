"""The samples of docs/webhooks.md verify what we really send."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from providers import signing_secrets
from tests.webhooks.helpers import run

pytestmark = [pytest.mark.django_db, pytest.mark.once]
PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"


def samples(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def sent(tell, provider, receiver):
    tell()
    run()
    return receiver.log[0], signing_secrets.current(provider).secret.reveal()


def test_the_python_samples_accept_ours_and_refuse_a_forgery(sent):
    got, secret = sent
    names: dict = {}
    for sample in samples("python"):
        exec(sample, names)

    assert names["is_genuine"](got.body, got.headers["X-Payment-Signature"], secret)
    assert not names["is_genuine"](got.body + b" ", got.headers["X-Payment-Signature"], secret)
    assert not names["is_genuine"](got.body, "", secret)
    assert names["read"](got.body, dict(got.headers.items()), secret) == json.loads(got.body)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine")
def test_the_node_samples_accept_ours_and_refuse_a_forgery(sent):
    got, secret = sent
    headers = {name.lower(): value for name, value in got.headers.items()}
    script = f"""{samples("javascript")[0]}
const given = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const body = Buffer.from(given.body), forged = Buffer.from(given.body + " "), h = given.headers;
const old = {{ ...h, "webhook-timestamp": String(Number(h["webhook-timestamp"]) - 400) }};
console.log(JSON.stringify([
  isGenuine(body, h["x-payment-signature"], given.secret), isGenuine(forged, h["x-payment-signature"], given.secret),
  isGenuine(body, undefined, given.secret), isGenuineAndRecent(body, h, given.secret),
  isGenuineAndRecent(forged, h, given.secret), isGenuineAndRecent(body, old, given.secret),
  isGenuineAndRecent(body, {{}}, given.secret)]));"""
    given = json.dumps({"body": got.text, "headers": headers, "secret": secret})
    done = subprocess.run(["node", "-e", script], input=given, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [True, False, False, True, False, False, False]
