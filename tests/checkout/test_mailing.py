"""How letters leave: one at a time, each by one worker, tried again or given up, and nobody else waits for them."""

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connections, transaction
from django.utils import timezone

from checkout import letters, mailing, tasks
from checkout.models import Letter
from tests import builders
from tests.mail_server import mail_server  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db(transaction=True)
PAYER = "payer@mail.test"


@pytest.fixture(autouse=True)
def _mail(mail_server):  # noqa: F811
    return mail_server


@pytest.fixture
def letter(lab, client):
    return builders.make_paid_order(lab, client, payer_email=PAYER).letters.get()


def fresh(letter):
    return Letter.objects.get(pk=letter.pk)


def due_again(letter):
    """Time passes: the letter's next try has come, and the server has rested."""
    cache.clear()
    Letter.objects.filter(pk=letter.pk, state="queued").update(next_attempt_at=timezone.now())


def waits_seconds(letter):
    return (fresh(letter).next_attempt_at - timezone.now()).total_seconds()


def test_a_letter_is_sent_once_and_noted(letter, mail_server):  # noqa: F811
    assert (mailing.send_due(), mailing.send_due()) == (1, 0)
    assert mail_server.ids == [f"<letter.{letter.pk.hex}@127.0.0.1>"]
    now = fresh(letter)
    assert (now.state, now.attempts, now.last_error, now.next_attempt_at) == ("sent", 1, "", None)
    assert now.sent_at is not None


def test_one_round_sends_everything_over_one_connection(lab, client, mail_server):  # noqa: F811
    for _ in range(5):
        builders.make_paid_order(lab, client, payer_email=PAYER)
    assert mailing.send_due() == 5
    assert len(mail_server.taken) == 5 and mail_server.connections == 1


@pytest.mark.parametrize("step", ["rcpt", "end"])
def test_what_the_server_refuses_for_now_is_tried_again_on_the_ladder(step, letter, mail_server):  # noqa: F811
    mail_server.say[step] = "451 4.7.1 greylisted, come back"
    for attempt in range(1, len(letters.LADDER)):
        assert mailing.send_due() == 0
        now = fresh(letter)
        assert (now.state, now.attempts) == ("queued", attempt)
        assert now.last_error == "451 4.7.1 greylisted, come back"
        rung = letters.LADDER[attempt].total_seconds()
        assert rung - 5 < waits_seconds(letter) <= rung
        assert mailing.send_due() == 0 and fresh(letter).attempts == attempt  # not before its time
        due_again(letter)
    mailing.send_due()
    assert (fresh(letter).state, fresh(letter).attempts) == ("failed", len(letters.LADDER))
    assert mail_server.taken == []


@pytest.mark.parametrize("step", ["rcpt", "end"])
def test_an_address_or_a_letter_that_is_refused_for_good_fails_at_once(step, letter, mail_server):  # noqa: F811
    mail_server.say[step] = "550 5.1.1 no such mailbox"
    mailing.send_due()
    now = fresh(letter)
    assert (now.state, now.attempts, now.last_error) == ("failed", 1, "550 5.1.1 no such mailbox")
    assert now.next_attempt_at is None


def test_a_refusal_for_policy_is_no_word_against_the_address(letter, mail_server):  # noqa: F811
    mail_server.say["rcpt"] = "554 5.7.1 relay access denied"
    mailing.send_due()
    assert fresh(letter).state == "queued"


def test_one_bad_address_does_not_hold_up_the_others(lab, client, mail_server):  # noqa: F811
    for _ in range(3):
        builders.make_paid_order(lab, client, payer_email=PAYER)
    first = Letter.objects.order_by("next_attempt_at").first()
    Letter.objects.filter(pk=first.pk).update(refund=None, order=first.order, lang="xx")  # it cannot be written
    assert mailing.send_due() == 2
    assert fresh(first).state == "queued" and fresh(first).last_error == "it could not be written"


@pytest.mark.parametrize("trouble", ["dead", "greeting", "sender", "cut", "busy"])
def test_after_trouble_with_the_server_all_letters_rest(trouble, lab, client, mail_server, settings):  # noqa: F811
    for _ in range(2):
        builders.make_paid_order(lab, client, payer_email=PAYER)
    match trouble:
        case "dead":
            settings.EMAIL_PORT = 9  # nobody listens there
        case "greeting":
            mail_server.say["connect"] = "554 go away"
        case "sender":
            mail_server.say["mail"] = "550 5.1.8 who are you"
        case "cut":
            mail_server.say["end"] = ""
        case "busy":
            mail_server.say["rcpt"] = "421 too busy"
    mailing.send_due()
    assert sorted(Letter.objects.values_list("state", "attempts")) == [("queued", 0), ("queued", 1)]
    tried = mail_server.connections
    assert mailing.send_due() == 0 and mail_server.connections == tried
    settings.EMAIL_PORT = mail_server.port
    mail_server.say.clear()
    Letter.objects.update(next_attempt_at=timezone.now())
    cache.delete(mailing.REST)
    assert mailing.send_due() == 2
    assert cache.get(mailing.FAILURES) is None


def test_a_retry_carries_the_same_message_id(letter, mail_server):  # noqa: F811
    mail_server.say["end"] = "250 queued"  # it took the letter, and then the connection was gone
    mail_server.silent.add("end")
    mailing.send_due()
    assert fresh(letter).state == "queued"
    mail_server.release()
    due_again(letter)
    mailing.send_due()
    assert fresh(letter).state == "sent" and len(mail_server.ids) == 2 and len(set(mail_server.ids)) == 1


def test_many_workers_never_take_the_same_letter(lab, client):
    for _ in range(6):
        builders.make_paid_order(lab, client, payer_email=PAYER)
    start = threading.Barrier(6)

    def take():
        try:
            start.wait(10)
            mine = []
            while letter := letters.claim_next(now=timezone.now()):
                mine.append(letter.pk)
            return mine
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        taken = [pk for mine in [future.result() for future in [pool.submit(take) for _ in range(6)]] for pk in mine]
    assert len(taken) == 6 and len(set(taken)) == 6
    assert set(Letter.objects.values_list("attempts", flat=True)) == {1}


def test_who_outlived_the_lease_writes_nothing_down(letter):
    slow = letters.claim_next(now=timezone.now())
    assert letters.claim_next(now=timezone.now()) is None
    other = letters.claim_next(now=timezone.now() + letters.LEASE + timedelta(seconds=1))
    assert other.pk == slow.pk
    assert letters.note_sent(other, now=timezone.now())
    assert not letters.note_trouble(slow, "too late", is_final=True, now=timezone.now())
    assert fresh(letter).state == "sent"


def test_no_letter_is_sent_inside_a_transaction(letter, mail_server):  # noqa: F811
    with pytest.raises(transaction.TransactionManagementError), transaction.atomic():
        mailing.send_due()
    assert mail_server.connections == 0 and fresh(letter).attempts == 0


def test_the_lease_is_longer_than_the_slowest_server_may_be():
    assert letters.LEASE.total_seconds() > mailing.DEADLINE_SECONDS > 10 * mailing.LONGEST_TIMEOUT_SECONDS


# --- a server that hangs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["connect", "mail", "data", "end"])
def test_a_server_that_hangs_costs_one_timeout(step, letter, mail_server):  # noqa: F811
    mail_server.silent.add(step)
    started = time.monotonic()
    assert mailing.send_due() == 0
    assert time.monotonic() - started < 8  # one second, and a slow machine
    assert fresh(letter).state == "queued" and 50 < waits_seconds(letter) <= 60
    assert cache.get(mailing.REST)


def test_the_task_does_not_wait_for_the_server_and_payments_go_on(letter, lab, client, mail_server, settings):  # noqa: F811
    settings.EMAIL_TIMEOUT = 30
    mail_server.silent.add("connect")
    started = time.monotonic()
    tasks.send_letters()
    took = time.monotonic() - started
    assert mail_server.step("connect").wait(10)
    tasks.send_letters()  # a second round is not begun beside it
    order = builders.make_paid_order(lab, client, payer_email=PAYER)
    assert order.status == "paid" and order.letters.get().state == "queued"
    assert fresh(letter).state == "queued" and mail_server.connections == 1
    assert took < 5 and not mail_server.go_on.is_set()
    mail_server.release()
    until(lambda: not Letter.objects.exclude(state="sent").exists())
    until(lambda: not mailing._round.locked())


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# --- real workers -------------------------------------------------------------------------------------------------


@pytest.fixture
def mailing_environment(child_environment, mail_server):  # noqa: F811
    child_environment |= {
        "EMAIL_URL": f"smtp://127.0.0.1:{mail_server.port}",
        "EMAIL_TIMEOUT": "15",
        "DEFAULT_FROM_EMAIL": "receipts@pay.test",
    }
    return child_environment


@pytest.mark.slow
def test_a_worker_killed_after_the_server_took_the_letter_sends_it_at_most_twice(
    letter,
    mailing_environment,
    mail_server,  # noqa: F811
    spawn,
):
    code = "import django; django.setup(); from checkout import mailing; print(mailing.send_due(), flush=True)"
    mail_server.silent.add("end")  # the letter is in; the yes does not come back
    child = spawn([sys.executable, "-c", code], environment=mailing_environment)
    assert mail_server.step("end").wait(60)
    child.kill()
    cache.clear()
    mail_server.release()
    assert mailing.send_due() == 0 and fresh(letter).state == "queued"  # the dead one's lease still runs
    assert 0 < waits_seconds(letter) <= letters.LEASE.total_seconds()
    due_again(letter)
    assert mailing.send_due() == 1
    assert fresh(letter).state == "sent" and len(mail_server.ids) == 2 and len(set(mail_server.ids)) == 1


@pytest.mark.slow
def test_webhooks_leave_while_the_mail_server_hangs(
    lab,
    client,
    mailing_environment,
    mail_server,  # noqa: F811
    worker,
    httpserver,
):
    """One process, one worker: the letters' thread hangs in it for 15 seconds, webhooks do not notice."""
    httpserver.expect_request("/hooks").respond_with_data("ok")
    provider = builders.make_provider(webhook_url=httpserver.url_for("/hooks"))
    mail_server.silent.add("connect")
    builders.make_paid_order(lab, client, provider, payer_email=PAYER)
    worker("-P", "prefork", "-c", "1")
    assert mail_server.step("connect").wait(40)
    hung = time.monotonic()
    order = builders.make_paid_order(lab, client, provider, payer_email=PAYER)
    until(lambda: any(json.loads(request.data)["orderId"] == str(order.pk) for request, _ in httpserver.log), 14)
    assert time.monotonic() - hung < 14 and not mail_server.go_on.is_set() and mail_server.connections == 1
    print(f"webhook after {time.monotonic() - hung:.2f} s, {os.environ.get('TEST_DATABASE', 'postgres')}")
