"""Each processor's own scenarios against our own addresses, over HTTP: once, each call twice, ten threads at once."""

import pytest
from django.core.management import call_command

from checkout.models import Payment, Refund
from tests.asking import ASKING

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


def is_full(printed):
    """ "38 of 38 (official 15 of 15, ours 23 of 23)" """
    last = printed.strip().splitlines()[-1]
    passed, _, rest = last.partition(" of ")
    return passed == rest.partition(" ")[0] and "FAIL" not in printed


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
    assert (code, is_full(printed)) == (0, True), printed
    nothing_was_paid_twice()


def test_every_scenario_passes_with_each_call_sent_twice(account, capsys):
    code, printed = certify(capsys, account[0], "--account", account[1], "--twice")
    assert (code, is_full(printed)) == (0, True), printed
    nothing_was_paid_twice()


@pytest.mark.slow
def test_every_scenario_passes_in_ten_threads_at_once(account, capsys):
    code, printed = certify(capsys, account[0], "--account", account[1], "--threads", "10")
    assert (code, is_full(printed)) == (0, True), printed
    nothing_was_paid_twice()
