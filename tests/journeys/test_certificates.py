"""Each processor's own scenarios against our own addresses, over HTTP: once, each call twice, ten threads at once."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from checkout.models import Order, Payment, Refund
from gateway.types import Mode
from providers import accounts
from tests.asking import ASKING, BUSINESS, CREDENTIALS, SERVICE_KEY, SOURCE
from tests.builders import make_provider

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def certify(capsys, processor, *options):
    """(exit code, what was printed)"""
    try:
        call_command("certify", processor, *options)
        code = 0
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


@pytest.fixture(params=ASKING)
def account(request, marketplace):
    return request.param, marketplace.register(request.param)["id"]


SCENARIOS = {"payme": 38, "click": 41, "uzum": 43, "multicard": 22}  # none is left out against our own addresses


def is_full(printed, processor):
    """The last line is like "38 of 38 (official 15 of 15, ours 23 of 23)"."""
    *lines, last = printed.strip().splitlines()
    is_all = last.startswith(f"{SCENARIOS[processor]} of {SCENARIOS[processor]} (")
    return is_all and not any(line.startswith("FAIL") for line in lines)


def nothing_was_paid_twice():
    """No order with two captures, no payment of which more went back than had come."""
    captured = Payment.objects.filter(captured_minor__gt=0)
    assert captured.filter(is_duplicate=True).count() == 0
    assert captured.values("order_id").distinct().count() == captured.count() > 0
    for payment in captured.filter(refunds__isnull=False).distinct():
        returned = [refund.amount_minor for refund in payment.refunds.filter(status=Refund.Status.SUCCEEDED)]
        assert sum(returned) <= payment.captured_minor


def test_every_scenario_passes(account, capsys):
    code, printed = certify(capsys, account[0], "--account", account[1])
    assert (code, is_full(printed, account[0])) == (0, True), printed
    nothing_was_paid_twice()


def test_every_scenario_passes_with_each_call_sent_twice(account, capsys):
    code, printed = certify(capsys, account[0], "--account", account[1], "--twice")
    assert (code, is_full(printed, account[0])) == (0, True), printed
    nothing_was_paid_twice()


@pytest.mark.slow
def test_every_scenario_passes_in_ten_threads_at_once(account, capsys):
    code, printed = certify(capsys, account[0], "--account", account[1], "--threads", "10")
    assert (code, is_full(printed, account[0])) == (0, True), printed
    nothing_was_paid_twice()


def test_a_cash_desk_of_multicard_that_is_known_by_its_uuid_passes_too(marketplace, capsys):
    credentials = {**CREDENTIALS["multicard"], "storeId": "a1df872e-d5aa-11ee-8de8-005056b4367d"}
    account = marketplace.register("multicard", credentials=credentials)
    code, printed = certify(capsys, "multicard", "--account", account["id"])
    assert (code, is_full(printed, "multicard")) == (0, True), printed


# --- the command itself ----------------------------------------------------------------------------------------------


def test_an_installation_elsewhere_is_examined_through_its_invoice_api(marketplace, capsys, tmp_path, monkeypatch):
    marketplace.register("click")
    monkeypatch.setenv("SERVICE_API_KEY", SERVICE_KEY)
    secrets = tmp_path / "click.json"
    secrets.write_text(json.dumps(CREDENTIALS["click"]))
    where = ["--url", marketplace.url, "--source", SOURCE, "--business", BUSINESS, "--credentials", str(secrets)]
    code, printed = certify(capsys, "click", *where)
    assert (code, is_full(printed, "click")) == (0, True), printed


def test_any_endpoint_is_examined_with_orders_from_a_command(marketplace, capsys, tmp_path):
    """Here with orders that nobody knows: what needs a real one fails, and the score says so."""
    secrets = tmp_path / "uzum.json"
    secrets.write_text(json.dumps(CREDENTIALS["uzum"]))
    marketplace.register("uzum")
    given = ["--credentials", str(secrets), "--new-order", "echo nothing-we-know 100000"]
    code, printed = certify(capsys, "uzum", "--url", f"{marketplace.url}/api/callbacks/uzum", *given)
    assert code == 1 and "FAIL" in printed and "pass" in printed
    assert Payment.objects.count() == 0
    assert CREDENTIALS["uzum"]["password"] not in printed


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "There is no such account"),
        (["--account", "00000000-0000-4000-8000-000000000000"], "There is no such account"),
        (["--new-order", "true"], "--credentials is needed"),
        (["--source", "marketplace"], "need --url, --source, --business"),
        (["--threads", "0"], "--threads"),
    ],
)
def test_without_knowing_whom_to_examine_it_says_what_is_missing(db, options, why):
    with pytest.raises(CommandError, match=why) as refused:
        call_command("certify", "payme", *options)
    assert refused.value.returncode == 2


@pytest.mark.postgres  # SQLite takes no live accounts
def test_a_live_account_is_never_examined(db, settings):
    account = accounts.save_credentials(
        provider=make_provider(with_account=False), business_id=BUSINESS, processor="payme", mode=Mode.LIVE,
        credentials=CREDENTIALS["payme"], now=timezone.now(),
    )  # fmt: skip
    with pytest.raises(CommandError, match="live"):
        call_command("certify", "payme", "--account", str(account.pk))
    assert Order.objects.count() == 0


def test_an_endpoint_that_is_not_there_fails_every_scenario_and_says_why(marketplace, capsys, tmp_path):
    account = marketplace.register("payme")["id"]
    nowhere = "http://127.0.0.1:9/api/callbacks/payme"
    code, printed = certify(capsys, "payme", "--account", account, "--url", nowhere)
    assert code == 1 and printed.count("no answer") > 30
