"""`make demo`, as a stranger meets it."""

import os
import re
import signal
import socket
import stat
import subprocess
import time

import pytest
import requests

from tests.ops.running import ROOT, Demo, copy_tree

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(180)]


MAKE_A_PROVIDER = """
import django; django.setup()
from django.utils import timezone
from gateway.types import Mode
from providers import keys
from providers.models import Provider, Service
provider = Provider.objects.create(name="By Hand", slug="by-hand", currency="USD", service=Service.objects.get())
print(keys.issue_key(provider=provider, mode=Mode.TEST, name="Mine", now=timezone.now())[1])
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One for all tests that leave it running."""
    running = Demo(copy_tree(tmp_path_factory.mktemp("demo") / "pay")).wait()
    yield running
    running.close()


@pytest.fixture
def tree(tmp_path):
    """A folder of one's own, for tests that start and stop."""
    return copy_tree(tmp_path / "pay")


def test_the_readmes_lines_lead_from_nothing_to_a_paid_order_and_a_webhook_with_a_right_signature(demo):
    [lines] = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(re.findall(r"\bcurl ", lines)) == 6
    shell = subprocess.run(["sh", "-eu"], input=lines, cwd=demo.tree, capture_output=True, text=True, timeout=60)
    assert shell.returncode == 0, shell.stderr
    assert '"externalId":"ORDER-1001"' in shell.stdout
    assert '"status":"paid"' in shell.stdout
    assert '"event":"payment_succeeded"' in shell.stdout
    assert "signature is right: True" in shell.stdout


def test_everything_it_starts_listens_on_this_machine_only_and_answers(demo):
    assert demo.health().json()["status"] == "ok"
    open_sockets = subprocess.run(["cat", "/proc/net/tcp"], capture_output=True, text=True).stdout.splitlines()[1:]
    ours = {f"{demo.port:04X}", f"{int(demo.env['LAB_URL'].rpartition(':')[2]):04X}"}
    listening = [line.split()[1] for line in open_sockets if line.split()[3] == "0A"]
    found = [address for address in listening if address.partition(":")[2] in ours]
    assert {address.partition(":")[0] for address in found} == {"0100007F"}
    assert len({address.partition(":")[2] for address in found}) == 2


def test_a_client_that_sends_its_body_in_chunks_is_understood(demo):
    body = [b'{"merchant_secret": "', demo.env["MERCHANT_SECRET"].encode(), b'", "amount": 1000}']
    sent = {"data": iter(body), "headers": {"Content-Type": "application/json"}, "timeout": 30}
    answer = requests.post(f"{demo.env['BASE_URL']}/api/start_payment", **sent)
    assert answer.request.headers["Transfer-Encoding"] == "chunked"
    assert (answer.status_code, answer.json()["message"]) == (200, "Payment started")


def test_its_files_are_readable_by_nobody_else(demo):
    var = demo.tree / "var"
    assert stat.S_IMODE(var.stat().st_mode) == 0o700
    for name in ("demo.env", "secrets.json", "settings.env", "pay.sqlite3"):
        assert stat.S_IMODE((var / name).stat().st_mode) == 0o600, name


def test_a_second_run_keeps_the_orders_the_keys_and_the_passwords(tree):
    first = Demo(tree).wait()
    order = first.open_order(externalId="KEPT")
    before = first.env
    first.interrupt()
    second = Demo(tree).wait()
    try:
        moved = {"BASE_URL", "LAB_URL", "INBOX_URL"}  # another port
        assert {k: v for k, v in second.env.items() if k not in moved} == {
            k: v for k, v in before.items() if k not in moved
        }
        assert second.read(order)["externalId"] == "KEPT"
        second.pay(second.open_order())
        assert str(second.port) in second.env["BASE_URL"]
    finally:
        second.close()


def test_ctrl_c_stops_everything_within_seconds(tree):
    running = Demo(tree).wait()
    assert len(running.processes()) > 5
    started = time.monotonic()
    running.interrupt()
    assert running.process.returncode == 0
    assert time.monotonic() - started < 10
    assert running.processes() == []


def test_nothing_is_left_when_it_is_killed_itself(tree):
    running = Demo(tree).wait()
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    assert running.wait_until_gone() == []


@pytest.mark.parametrize("name", ["celery", "granian", "redis-server"])
def test_what_is_killed_comes_back_and_the_next_order_is_paid_and_told(demo, name):
    before = demo.processes(name)
    assert before
    told = demo.said.count("started again")
    os.kill(before[0], signal.SIGKILL)  # the oldest is the one that leads the others
    end = time.monotonic() + 20
    while demo.said.count("started again") == told or not demo.processes(name):
        assert time.monotonic() < end
        time.sleep(0.05)
    demo.wait_healthy()
    order = demo.open_order()
    demo.pay(order)
    [webhook] = demo.wait_for_webhook(order)
    assert webhook["checks"]["webhook-signature"]["ok"] is True
    assert demo.read(order)["status"] == "paid"


def test_a_port_in_use_is_said_in_one_line(tree):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = Demo(tree, port=taken.getsockname()[1])
        assert running.process.wait(20) == 1
    assert running.said.strip() == (
        f"Port {running.port} is in use on this machine. Choose another: make demo PORT={running.port + 10}"
    )


def test_a_second_demo_in_the_same_folder_says_where_the_first_one_is(demo):
    second = Demo(demo.tree)
    assert second.process.wait(20) == 1
    assert f"http://127.0.0.1:{demo.port}" in second.said
    assert demo.is_healthy()


def test_the_code_of_the_second_factor_can_be_had_without_a_phone(demo):
    command = [".venv/bin/python", "manage.py", "demo", "--code"]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    run = subprocess.run(command, cwd=demo.tree, capture_output=True, text=True, env=environment)
    assert re.fullmatch(r"\d{6}", run.stdout.strip()), run.stderr


def test_the_doctor_finds_a_running_demo_in_good_health(demo):
    told_otherwise = {"DJANGO_SETTINGS_MODULE", "SECRET_KEY", "ENV_FILE"}
    environment = {name: value for name, value in os.environ.items() if name not in told_otherwise}
    command = [".venv/bin/python", "manage.py", "doctor"]
    end = time.monotonic() + 60
    while True:  # a worker on a busy machine may answer late
        run = subprocess.run(command, cwd=demo.tree, capture_output=True, text=True, env=environment)
        if run.returncode == 0 or time.monotonic() > end:
            break
    assert run.returncode == 0, run.stdout + run.stderr
    assert {line.split()[0] for line in run.stdout.splitlines()} == {"ok"}, run.stdout
    assert "workers: demo@localhost" in run.stdout


def test_whoever_has_no_account_of_their_own_sells_through_the_house_s(demo):
    made = subprocess.run(
        [".venv/bin/python", "-c", MAKE_A_PROVIDER],
        cwd=demo.tree,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", "ENV_FILE": "var/settings.env"},
    )
    assert made.returncode == 0, made.stderr
    order = demo.open_order(apiKey=made.stdout.strip())
    demo.pay(order)
    end = time.monotonic() + 15
    while demo.read(order, key=made.stdout.strip())["status"] != "paid":
        assert time.monotonic() < end
        time.sleep(0.2)


def test_the_stripe_account_to_be_typed_in_is_known_to_the_lab(demo):
    answer = requests.get(
        demo.env["LAB_URL"] + "/stripe/v1/account", auth=(demo.env["LAB_STRIPE_SECRET_KEY"], ""), timeout=10
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["capabilities"]["cashapp_payments"] == "active"


def test_its_variables_say_what_they_are_for_and_the_administrator_has_ten_recovery_codes(demo):
    text = (demo.tree / "var" / "demo.env").read_text()
    assert re.search(r"# Verifies Marketplace's webhooks.*\nPROVIDER_SIGNING_SECRET=", text)
    assert len(set(demo.env["ADMIN_RECOVERY_CODES"].split())) == 10


def test_reset_drops_the_data_but_not_while_it_runs(tree):
    command = [".venv/bin/python", "-m", "checkout.management.demo.household", "--reset"]
    running = Demo(tree).wait()
    try:
        refused = subprocess.run(command, cwd=tree, capture_output=True, text=True)
        assert refused.returncode == 1
        assert (tree / "var" / "pay.sqlite3").exists()
    finally:
        running.close()
    assert subprocess.run(command, cwd=tree, capture_output=True).returncode == 0
    assert not (tree / "var" / "pay.sqlite3").exists()
    assert not (tree / "var" / "secrets.json").exists()


def test_the_seller_signs_in_to_the_portal_with_what_the_demo_wrote_down(demo):
    base, seller = demo.env["BASE_URL"], requests.Session()
    form = seller.get(f"{base}/portal/sign-in", timeout=10).text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
    answer = seller.post(
        f"{base}/portal/sign-in",
        {
            "csrfmiddlewaretoken": token,
            "username": demo.env["PORTAL_USERNAME"],
            "password": demo.env["PORTAL_PASSWORD"],
            "next": "/dev/api",
        },
        timeout=10,
    )
    assert answer.status_code == 200 and answer.url == f"{base}/dev/api"
    assert demo.env["MERCHANT_SECRET"][:20] in answer.text and demo.env["MERCHANT_SECRET"] not in answer.text
