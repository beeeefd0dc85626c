"""Letters about access: nobody waits for them, a refusal for now is no end, and each speaks three languages."""

import threading

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone

from providers import account_mail, member_news, members
from providers.account_mail import Mail
from providers.member_news import What
from providers.models import PortalAccount, Role
from tests.builders import make_provider
from tests.mail_server import mail_server  # noqa: F401  (a fixture)
from tests.portal.people import PASSWORD, make_member, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
LANGUAGES = ["uz", "ru", "en"]


@pytest.fixture
def provider(transactional_db):
    return make_provider(with_account=False)


@pytest.fixture
def at_once(monkeypatch):
    """What is refused for now is tried again within this test."""
    monkeypatch.setattr(account_mail, "AGAIN_AFTER_SECONDS", (0.05, 0.05))


def wait_for(mail_server, step):  # noqa: F811
    assert mail_server.step(step).wait(30), f"nobody came to {step}"


@pytest.mark.parametrize("step", ["connect", "mail", "data"])
def test_a_mail_server_that_keeps_us_waiting_holds_up_nobody(step, provider, mail_server, settings):  # noqa: F811
    settings.EMAIL_TIMEOUT = 60
    mail_server.silent = {step}
    member = make_member(provider, "owner")
    merchant = sign_in(member)
    assert Client().post("/portal/forgot", {"email": member.user.username}).status_code == 200
    assert (
        merchant.post("/portal/people/invite", email="new@shop.test", role="viewer", proof=PASSWORD).status_code == 302
    )
    wait_for(mail_server, step)
    assert merchant.get("/portal/people/").status_code == 200 and mail_server.taken == []
    mail_server.release()
    assert account_mail.settle(60)
    assert sorted(mail_server.recipients) == sorted([member.user.username, "new@shop.test"])


def test_a_process_that_ends_waits_for_no_letter(mail_server, settings):  # noqa: F811
    settings.EMAIL_TIMEOUT = 60
    mail_server.silent = {"connect"}
    account_mail.send("a@shop.test", Mail(heading="Hello", sentences=[]))
    wait_for(mail_server, "connect")
    carriers = [thread for thread in threading.enumerate() if thread.name == "account-mail"]
    assert carriers and all(thread.daemon for thread in carriers)
    mail_server.release()
    assert account_mail.settle(60)


def test_what_is_refused_for_now_comes_later_and_is_the_same_letter(at_once, mail_server):  # noqa: F811
    mail_server.say["end"] = "451 4.7.1 greylisted, come back"
    account_mail.send("a@shop.test", Mail(heading="Hello", sentences=[]))
    wait_for(mail_server, "end")
    mail_server.say.clear()
    waits = threading.Event()
    while not mail_server.taken and not waits.wait(0.02):
        account_mail.settle(30)
    (letter,) = mail_server.taken
    assert letter["To"] == "a@shop.test" and letter["Message-ID"].endswith("@127.0.0.1>")


def test_an_address_that_is_refused_for_good_is_left_at_once(at_once, mail_server):  # noqa: F811
    mail_server.say["rcpt"] = "550 5.1.1 no such mailbox"
    account_mail.send("a@shop.test", Mail(heading="Hello", sentences=[]))
    wait_for(mail_server, "rcpt")
    assert account_mail.settle(30)
    mail_server.say.clear()
    account_mail.send("b@shop.test", Mail(heading="Hello", sentences=[]))
    assert account_mail.settle(30)
    assert mail_server.recipients == ["a@shop.test", "b@shop.test"]


def test_what_is_rolled_back_tells_nobody(transactional_db):
    with transaction.atomic():
        account_mail.send("a@shop.test", Mail(heading="Hello", sentences=[]))
        transaction.set_rollback(True)
    account_mail.settle()
    assert mail.outbox == []


def test_no_name_adds_a_line_to_the_head_of_a_letter(provider):
    provider.name = "Shop\r\nBcc: everybody@else.test\n\nBuy"
    member_news.tell_owners(provider=provider, what=What.LIVE_KEY, who="x")
    make_member(provider, "owner")
    member_news.tell_owners(provider=provider, what=What.LIVE_KEY, who="x")
    account_mail.settle()
    (letter,) = mail.outbox
    assert letter.recipients() == [f"owner@{provider.slug}.test"]
    assert letter.subject == "Shop Bcc: everybody@else.test Buy: a live key was created"


def written(provider, lang):
    """Every letter there is, (subject, body) by what it tells, as who reads this language gets it."""
    member = make_member(provider, "owner", f"{lang}@shop.test")
    PortalAccount.objects.filter(user=member.user).update(lang=lang)
    account = members.account_of(member.user)
    invitation, token = members.invite(
        provider=provider, email="new@shop.test", role=Role.OWNER, invited_by=member.user, now=timezone.now()
    )
    letters = {}

    def sent(name):
        account_mail.settle()
        (letter,) = [one for one in mail.outbox if one.to[0] in (f"{lang}@shop.test", "new@shop.test")]
        mail.outbox.clear()
        letters[name] = (letter.subject, letter.body, letter.alternatives[0][0], letter.extra_headers)

    member_news.tell_invited(invitation=invitation, token=token, lang=lang)
    sent("invitation")
    member_news.tell_reset_link(account=account, url="https://pay.test/portal/reset/a/b", lang="en")
    sent("reset")
    for what in (What.PASSWORD, What.SECOND_FACTOR_ON, What.SECOND_FACTOR_OFF):
        member_news.tell_account_changed(account=account, what=what, address="203.0.113.7")
        sent(what)
    for what in set(What) - {What.PASSWORD, What.SECOND_FACTOR_ON, What.SECOND_FACTOR_OFF}:
        facts = [("before", "https://a.test"), ("after", "https://b.test"), ("key", "provider_x")]
        member_news.tell_owners(provider=provider, what=what, who="x", facts=facts)
        sent(what)
    members.deactivate(member=member, actor=member.user, by_staff=True, now=timezone.now())
    return letters


def test_each_letter_is_written_in_each_language(provider):
    found = {lang: written(provider, lang) for lang in LANGUAGES}
    assert len(found["en"]) == len(What) + 2
    for name, (subject, body, page, _headers) in found["en"].items():
        lines = {line.strip() for line in body.splitlines() if line.strip()}
        for lang in ("uz", "ru"):
            theirs = found[lang][name]
            assert theirs[0] != subject and theirs[3]["Content-Language"] == lang
            assert f'<html lang="{lang}">' in theirs[2] and f'<html lang="{lang}">' not in page
            same = lines & {line.strip() for line in theirs[1].splitlines()}
            assert all(line.startswith("http") for line in same), (name, lang, same)
            is_russian = any("а" <= letter <= "я" for letter in theirs[1])
            assert is_russian == (lang == "ru"), (name, lang)
