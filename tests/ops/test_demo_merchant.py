"""The four steps of the Merchant-secret API as a stranger tries them: the guide's own lines against a running demo."""

import json
import re
import time
from html import unescape
from urllib.parse import urljoin

import pytest
import requests

from tests.api.merchant_secret.test_guide import GUIDE
from tests.api.test_docs_examples import EXAMPLE, curl, fits
from tests.ops.running import Demo, copy_tree

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    running = Demo(copy_tree(tmp_path_factory.mktemp("merchant") / "pay")).wait()
    yield running
    running.close()


def pay(variables):
    """What the buyer does: opens the page, presses its button, approves at the lab, comes back and is led on."""
    redirect = f"{variables['INBOX_URL']}?sale=7"
    visitor = requests.Session()
    page = visitor.get(f"{variables['BASE_URL']}/pay/{variables['CODE']}", params={"redirect": redirect}, timeout=20)
    form = unescape(re.search(r'action="(/checkout/o/[^"]*/pay[^"]*)"', page.text)[1])
    processor = re.search(r'name="processor" value="(\w+)"', page.text)[1]
    at_lab = visitor.post(urljoin(page.url, form), data={"processor": processor}, timeout=20)
    assert at_lab.status_code == 200 and 'value="approve"' in at_lab.text, at_lab.text[:500]
    back = visitor.post(at_lab.url, data={"outcome": "approve"}, timeout=20)
    end = time.monotonic() + 20
    while "data-go" not in back.text:
        assert time.monotonic() < end, back.text
        time.sleep(0.2)
        back = visitor.get(back.url, timeout=10)
    assert f'href="{redirect}"' in back.text


def test_the_guides_four_steps_pay_in_the_demo(demo):
    variables = {name: demo.env[name] for name in ("BASE_URL", "MERCHANT_SECRET", "INBOX_URL")}
    for script, kind, promised in EXAMPLE.findall(GUIDE.read_text()):
        if '"completed"' in promised:
            pay(variables)
        told = curl(script, variables)
        if kind == "text":
            assert told.strip() == promised.strip(), script
            continue
        answer = json.loads(told)
        assert fits(answer, json.loads(promised)), f"{script}\n{told}"
        if "code" in answer:
            variables |= {"CODE": answer["code"], "WATCH_CODE": answer["watch_code"]}
    assert answer["status"] == "completed" and answer["merchant"] == "Marketplace"
