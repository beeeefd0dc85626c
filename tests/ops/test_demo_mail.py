"""The demo's letters: a payer with an address finds the receipt in the lab, and it leads to the receipt's page."""

import re
import stat
import time

import pytest
import requests

from tests.ops.running import Demo, copy_tree

pytestmark = [pytest.mark.slow, pytest.mark.once]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    running = Demo(copy_tree(tmp_path_factory.mktemp("demo") / "pay")).wait()
    yield running
    running.close()


def test_a_receipt_of_the_demo_is_read_in_the_lab(demo):
    key = demo.env["PROVIDER_API_KEY"]
    opened = requests.post(
        f"{demo.env['BASE_URL']}/api/payments/stripe/checkout",
        json={"order_id": "MAIL-1", "amount": 1250, "currency": "USD", "customer_email": "payer@mail.test"},
        headers={"Authorization": f"Bearer {key}"},
        timeout=20,
    )
    assert opened.status_code == 200, opened.text
    requests.post(opened.json()["checkout_url"], data={"outcome": "approve"}, allow_redirects=False, timeout=20)
    mail = _first_mail(demo)
    assert (mail["to"], mail["from"]) == ("payer@mail.test", "DZTech Pay <receipts@example.com>")
    assert mail["subject"] == "[Test payment] Receipt: $12.50 paid to Marketplace"
    link = re.search(r"http://\S+/receipt/\S+", mail["plain"])[0]
    assert "$12.50" in requests.get(link, timeout=10).text
    page = requests.get(f"{demo.env['LAB_URL']}/mail/{mail['id']}", headers={"Accept": "text/html"}, timeout=10)
    assert page.status_code == 200 and "<iframe" in page.text
    folder = demo.tree / "var" / "mail"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def _first_mail(demo, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = requests.get(f"{demo.env['LAB_URL']}/mail/", timeout=5).json()["mails"]
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(demo.said + demo.logs)
