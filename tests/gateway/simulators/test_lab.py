"""The lab itself: what it remembers, what it keeps out, how it starts and stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from gateway.simulators.config import Settings
from gateway.simulators.journal import Journal
from gateway.simulators.server import serve

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[3]
KEY = "sk_test_" + "lab0" * 6
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1sYWI="
PAY = {
    "amount": "2500",
    "currency": "usd",
    "confirm": "true",
    "payment_method_types[]": "cashapp",
    "payment_method_data[type]": "cashapp",
    "return_url": "http://shop.test/",
}


def start(path, product, **more):
    account = {"secret_key": KEY, "webhook_url": product.url, "webhook_secret": SECRET, "account": "acct_lab"}
    settings = Settings(retry_ladder=[0.3], settle_seconds=0.5, callback_timeout_seconds=1)
    return serve(state_file=path, stripe_accounts=[account], settings=settings, **more)


def create(lab, key="k1"):
    return requests.post(
        f"{lab.base_url}/stripe/v1/payment_intents",
        data=PAY,
        auth=(KEY, ""),
        timeout=5,
        headers={"Idempotency-Key": key},
    )


def test_after_a_restart_everything_is_as_it_was_and_goes_on(tmp_path, product):
    path = tmp_path / "lab.jsonl"
    product.answers = [500]
    lab = start(path, product)
    intent = create(lab).json()
    requests.post(f"{lab.base_url}/_lab/stripe/payments/{intent['id']}/act", json={"outcome": "delay"}, timeout=5)
    requests.post(f"{lab.base_url}/inbox/demo/x", data=b"{}", timeout=5)
    requests.post(f"{lab.base_url}/_lab/faults", json={"kind": "429", "match": {"operation": "refunds.*"}}, timeout=5)
    requests.get(f"{lab.base_url}/_lab/idle", timeout=5)
    lab.stop()
    assert path.stat().st_mode & 0o777 == 0o600

    lab = start(path, product)
    assert create(lab).headers["Idempotent-Replayed"] == "true"
    assert len(requests.get(f"{lab.base_url}/inbox/demo", timeout=5).json()["messages"]) == 1
    assert requests.get(f"{lab.base_url}/_lab/faults", timeout=5).json()["faults"][0]["kind"] == "429"
    product.wait_for("payment_intent.created", 2)  # the refused callback goes on up its ladder
    product.wait_for("payment_intent.succeeded")  # and the delayed payment settles
    payment = requests.get(f"{lab.base_url}/_lab/stripe/payments/{intent['id']}", timeout=5).json()["payment"]
    assert (payment["status"], payment["latest_charge"]["amount_captured"]) == ("succeeded", 2500)
    lab.stop()


def test_a_killed_lab_loses_nothing_and_a_torn_line_harms_nothing(tmp_path, product):
    path = tmp_path / "lab.jsonl"
    lab = start(path, product)
    intent = create(lab).json()
    torn = path.read_text() + '["stripe.payment_intent","pi_x",{"id":'
    lab.stop()
    path.write_text(torn)
    lab = start(path, product)
    assert [
        row["id"] for row in requests.get(f"{lab.base_url}/_lab/stripe/payments", timeout=5).json()["payments"]
    ] == [intent["id"]]
    lab.stop()


def test_a_product_that_hangs_does_not_hold_the_end_and_hears_again_after_it(tmp_path, product):
    path = tmp_path / "lab.jsonl"
    lab = start(path, product)
    slow = {"secret_key": KEY, "webhook_url": f"{lab.base_url}/inbox/slow", "webhook_secret": SECRET}
    requests.post(f"{lab.base_url}/_lab/stripe/accounts", json=slow, timeout=5)
    requests.post(f"{lab.base_url}/inbox/slow/behave", json={"delay": 20}, timeout=5)
    create(lab)
    while not requests.get(f"{lab.base_url}/inbox/slow", timeout=5).json()["messages"]:
        pass
    began = time.monotonic()
    lab.stop()
    assert time.monotonic() - began < 10  # of the twenty it would take to wait for it

    lab = start(path, product)
    rows = requests.get(f"{lab.base_url}/_lab/stripe/callbacks", timeout=5).json()["callbacks"]
    assert {row["label"] for row in rows} == {"payment_intent.created", "payment_intent.requires_action"}
    assert [row["state"] for row in rows if len(row["attempts"]) > 1] == []
    lab.stop()


def test_the_journal_is_rewritten_before_it_is_mostly_history(tmp_path):
    path = tmp_path / "lab.jsonl"
    journal = Journal(path)
    for n in range(3000):
        journal.put("kind", "same", {"n": n})
    journal.close()
    assert len(path.read_text().splitlines()) < 2100
    assert [row["n"] for row in Journal(path).rows("kind")] == [2999]


def test_it_binds_to_this_machine_only():
    for host in ("0.0.0.0", "192.0.2.1", "example.test", "::"):
        with pytest.raises(ValueError, match="this machine only"):
            serve(host=host)


def test_it_answers_only_under_the_names_of_this_machine(bench):
    answer = requests.get(bench.url + "/", headers={"Host": "rebound.test"}, timeout=5)
    assert answer.status_code == 421
    assert requests.get(bench.url.replace("127.0.0.1", "localhost") + "/healthz", timeout=5).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize(
    ("path", "body"), [("/_lab/faults", {"kind": "429"}), ("/_lab/reset", {}), ("/inbox/demo/behave", {"status": 500})]
)
def test_another_sites_page_cannot_tell_it_what_to_do(bench, headers, path, body):
    bench.pay()
    assert bench.post(path, body, **headers).status_code == 403
    assert bench.get("/_lab/faults").json()["faults"] == []
    assert len(bench.get("/_lab/stripe/payments").json()["payments"]) == 1
    assert requests.post(bench.url + "/inbox/demo", data=b"{}", timeout=5).status_code == 200


@pytest.mark.parametrize(
    "account",
    [
        {},
        {"secret_key": "sk_test_"},
        {"secret_key": "pk_test_" + "a" * 24},
        {"secret_key": KEY, "account": "acct_other"},
        {"secret_key": KEY, "webhook_url": "https://example.test/hook", "webhook_secret": SECRET},
        {"secret_key": KEY, "webhook_url": "http://127.0.0.1:1/"},
        {"secret_key": KEY, "colour": "red"},
    ],
)
def test_an_account_that_cannot_be_is_refused(bench, account):
    assert bench.post("/_lab/stripe/accounts", account).status_code == 400


def test_a_reset_forgets_payments_and_faults_but_not_accounts_unless_told_to(bench):
    bench.paid()
    bench.order("429", times=None)
    bench.post("/_lab/reset")
    assert bench.get("/_lab/stripe/payments").json() == {"payments": []}
    assert bench.requests_of() == [] and bench.callbacks() == []
    assert bench.pay().status == "requires_action"
    bench.post("/_lab/reset", {"accounts": True})
    assert bench.raw("GET", "/account").status_code == 401


def test_what_things_take_can_be_changed_while_it_runs(bench):
    changed = bench.post("/_lab/settings", {"settle_seconds": 1.5, "retry_ladder": "1, 2"}).json()
    assert (changed["settle_seconds"], changed["retry_ladder"]) == (1.5, [1.0, 2.0])
    for wrong in ({"settle_seconds": "soon"}, {"colour": 1}, {"retry_ladder": 5}):
        assert bench.post("/_lab/settings", wrong).status_code == 400
    assert bench.get("/_lab/settings").json() == changed


@pytest.mark.parametrize("path", ["/", "/_lab/", "/_lab/stripe/", "/inbox/demo"])
def test_every_page_is_plain_html_without_inline_script_or_style(bench, path):
    bench.client.v1.refunds.create({"payment_intent": bench.paid(description="<i>x</i>").id, "amount": 1})
    bench.choose(bench.pay(), "decline")
    bench.pay()
    bench.order("late", match={"metadata": {"<b>": "<b>"}})
    answer = bench.page(path)
    assert answer.status_code == 200
    assert "a simulator" in answer.text
    assert re.findall(r"<(?:i|b)>", answer.text) == []
    assert re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=", answer.text) == []
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert requests.get(bench.url + asset, timeout=5).status_code == 200


def test_people_order_and_take_back_faults_by_buttons(bench):
    form = {"Accept": "text/html", "Origin": bench.url}
    ordered = requests.post(
        bench.url + "/_lab/faults",
        timeout=5,
        headers=form,
        allow_redirects=False,
        data={"kind": "late", "times": "2", "seconds": "", "match.metadata": "orderId=7"},
    )
    assert (ordered.status_code, ordered.headers["Location"]) == (303, "/_lab/")
    fault = bench.get("/_lab/faults").json()["faults"][0]
    assert (fault["kind"], fault["times"], fault["metadata"]) == ("late", 2, {"orderId": "7"})
    assert "2 of 2 left" in bench.page("/_lab/").text
    requests.post(f"{bench.url}/_lab/faults/{fault['id']}/remove", headers=form, timeout=5)
    assert bench.get("/_lab/faults").json()["faults"] == []


def test_unknown_addresses_and_odd_requests_are_answered_plainly(bench):
    assert [
        bench.get(path).status_code
        for path in ("/nothing", "/_lab/nothing", "/stripe/nothing", "/inbox//", "/static/../server.py")
    ] == [404] * 5
    assert bench.get("/stripe/cashapp/instructions/unknown").status_code == 404
    assert requests.post(bench.url + "/_lab/faults", data=b"{", timeout=5).status_code == 400
    assert bench.post("/_lab/stripe/payments/pi_none/act", {"outcome": "approve"}).status_code == 404
    assert bench.post(f"/_lab/stripe/payments/{bench.pay().id}/act", {"outcome": "fly"}).status_code == 400
    assert requests.head(bench.url + "/healthz", timeout=5).status_code == 200


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_as_a_process_it_starts_from_the_environment_and_stops_cleanly(tmp_path, stop):
    port = free_port()
    environment = {
        **os.environ,
        "LAB_STRIPE_ACCOUNTS": json.dumps([{"secret_key": KEY, "account": "acct_env"}]),
        "LAB_INBOX_SECRETS": json.dumps({"demo": [SECRET]}),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.simulators", "--port", str(port), "--state-file", str(tmp_path / "lab.jsonl")],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    assert process.stdout.readline() == f"Processor lab: {url}\n"
    assert requests.get(url + "/stripe/v1/account", auth=(KEY, ""), timeout=5).json()["id"] == "acct_env"
    assert requests.get(url + "/inbox/demo/behave", timeout=5).json()["knows_secret"]
    process.send_signal(stop)
    assert process.wait(20) == 0
    assert process.stderr.read() == ""
    process.stdout.close()
    process.stderr.close()


def test_as_a_process_it_refuses_other_addresses_and_broken_settings():
    for arguments, environment in ((["--host", "0.0.0.0"], {}), ([], {"LAB_STRIPE_ACCOUNTS": "{"})):
        ended = subprocess.run(
            [sys.executable, "-m", "gateway.simulators", "--port", "0", *arguments],
            cwd=ROOT,
            timeout=10,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr[:21]) == (2, "The lab cannot start:")
