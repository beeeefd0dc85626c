"""The demo's marketplace with its business `sandbox`: the Invoice API as a stranger tries it."""

import re
import subprocess
import time

import pytest
import requests

from tests.api.invoice.asking import LINE
from tests.ops.running import ROOT, Demo, copy_tree

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(180)]
FOUR = ["multicard", "click", "payme", "uzum"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    running = Demo(copy_tree(tmp_path_factory.mktemp("sandbox") / "pay")).wait()
    yield running
    running.close()


def ask(demo, method, path, body=None):
    answer = requests.request(
        method, demo.env["BASE_URL"] + path, json=body, headers={"x-api-key": demo.env["SERVICE_API_KEY"]}, timeout=20
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_the_sandbox_accepts_all_four_and_each_account_is_named_in_the_demos_variables(demo):
    listed = ask(demo, "GET", "/api/merchants/by-business/marketplace/sandbox/providers")["items"]
    assert sorted(item["provider"] for item in listed) == sorted(FOUR)
    assert all(demo.env[f"ACCOUNT_{name.upper()}"] for name in FOUR)


def test_the_quickstart_of_the_document_registers_and_opens_an_invoice_at_multicard(demo):
    credentials = {
        "applicationId": "rhmt_test",
        "secret": "Pw18axeBFo8V7NamKHXX",
        "storeId": "a1df872e-d5aa-11ee-8de8-005056b4367d",
    }
    where = {"source": "marketplace", "businessId": "sandbox", "provider": "multicard"}
    merchant = ask(demo, "POST", "/api/merchants", {**where, "credentials": credentials, "displayName": "Sandbox"})
    assert merchant["id"] == demo.env["ACCOUNT_MULTICARD"]
    line = {**LINE, "price": 100_000, "total": 100_000}
    body = {**where, "sourceInvoiceId": "sandbox_test_1", "amount": 100_000, "ofd": [line]}
    invoice = ask(demo, "POST", "/api/invoices", {**body, "notifyUrl": demo.env["INBOX_URL"]})
    assert requests.get(invoice["checkoutUrl"], timeout=10).status_code == 200


@pytest.mark.parametrize("processor", FOUR)
def test_an_invoice_opens_at_each_of_the_four_and_its_page_is_there(demo, processor):
    line = {**LINE, "price": 100_000, "total": 100_000}
    body = {"source": "marketplace", "businessId": "sandbox", "provider": processor, "amount": 100_000, "ofd": [line]}
    invoice = ask(demo, "POST", "/api/invoices", {**body, "sourceInvoiceId": f"demo_{processor}"})
    assert invoice["status"] == "pending"
    assert requests.get(invoice["checkoutUrl"], timeout=10).status_code == 200
    assert (invoice["deeplink"] is not None) == (processor == "uzum")


def test_a_payment_in_the_lab_reaches_the_inbox_signed_with_the_house_s_or_the_marketplace_s_secret(demo):
    body = {"source": "marketplace", "businessId": "sandbox", "provider": "payme", "amount": 100_000}
    invoice = ask(demo, "POST", "/api/invoices",
                  {**body, "sourceInvoiceId": "demo_paid", "notifyUrl": demo.env["INBOX_URL"]})  # fmt: skip
    requests.post(invoice["checkoutUrl"], data={"outcome": "approve"}, timeout=20)
    end = time.monotonic() + 20
    while (
        time.monotonic() < end and not (shown := ask(demo, "GET", f"/api/invoices/{invoice['id']}"))["notifyDelivered"]
    ):
        time.sleep(0.2)
    assert (shown["status"], shown["notifyDelivered"]) == ("paid", True)


def paste(demo, guide, **variables):
    """What the shell says to the guide's own lines for the demo, which stand in its only `sh` block."""
    [lines] = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "dialects" / guide).read_text(), re.DOTALL)
    given = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    done = subprocess.run(
        ["sh", "-eu"], input=". var/demo.env\n" + given + lines,
        cwd=demo.tree, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lines_that_the_invoice_guide_gives_for_the_demo_pay_an_invoice(demo):
    opened, paid = paste(demo, "invoice.md").strip().splitlines()
    assert '"status":"pending"' in opened and '"status":"paid"' in paid


def test_the_buyer_that_the_processor_guide_makes_for_the_demo_pays_a_razorpay_order(demo):
    headers = {"Authorization": f"Bearer {demo.env['PROVIDER_API_KEY']}"}
    call = f"{demo.env['BASE_URL']}/api/payments/razorpay"
    wanted = {"order_id": "two-lines", "amount": 50_000, "currency": "INR", "capture": "manual"}
    made = requests.post(f"{call}/checkout", json=wanted, headers=headers, timeout=20).json()
    told = paste(demo, "processor.md", KEY_ID=made["key_id"], RAZORPAY_ORDER_ID=made["razorpay_order_id"])
    handed_over = dict(re.findall(r'name="(\w+)" value="([^"]*)"', told))
    answer = requests.post(f"{call}/verify", json=handed_over, headers=headers, timeout=20).json()
    assert answer["verified"] is True and answer["amount_capturable"] == 50_000
