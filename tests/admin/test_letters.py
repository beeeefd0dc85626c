"""E-mails to payers in the back office: what is shown to whom, and sending one again."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout import letters, mailing, refunds
from checkout.models import Letter, Order
from providers.models import AuditEntry
from tests import builders
from tests.mail_server import mail_server  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db(transaction=True)
PAYER = "aziza.karimova@mail.test"


@pytest.fixture(autouse=True)
def _mail(mail_server):  # noqa: F811
    return mail_server


@pytest.fixture
def paid(lab, client):
    order = builders.make_paid_order(lab, client, payer_email=PAYER)
    mailing.send_due()
    return order


def page_of(person, order):
    return person.get(f"/admin/checkout/order/{order.pk}/change/").content.decode()


def again(order):
    return f"/admin/checkout/letter/order/{order.pk}/receipt/"


def failed_card(person):
    page = person.get("/admin/").content.decode()
    return int(re.search(r"<b>(\d+)\+?</b><strong>E-mails not sent", page)[1])


def test_the_orders_page_shows_each_letter_with_state_and_address(support, paid):
    page = page_of(support, paid)
    assert "E-mails to the payer" in page and PAYER in page
    assert '<span class="badge badge--ok">sent</span>' in page
    assert again(paid) in page


def test_an_order_without_an_address_says_so_and_offers_nothing(support, lab, client):
    order = builders.make_paid_order(lab, client)
    page = page_of(support, order)
    assert "the payer&#x27;s address is not known" in page or "the payer's address is not known" in page
    assert again(order) not in page
    support.post(again(order))
    assert Letter.objects.count() == 0


def test_without_a_mail_server_the_page_says_so_and_nothing_is_sent(support, paid, settings):
    settings.EMAIL_URL = ""
    Letter.objects.all().delete()
    page = page_of(support, paid)
    assert "EMAIL_URL is not set" in page and again(paid) not in page
    assert "NO_LETTERS" in support.post(again(paid), follow=True).content.decode()
    assert Letter.objects.count() == 0


def test_support_sends_a_receipt_again_after_being_asked(support, paid, mail_server):  # noqa: F811
    asked = support.get(again(paid)).content.decode()
    assert PAYER in asked and "Send the e-mail again" in asked and 'type="email"' not in asked
    assert Letter.objects.count() == 1
    answer = support.post(again(paid), follow=True).content.decode()
    assert "is on its way" in answer
    letter = Letter.objects.get(requested_by="clara")
    assert (letter.kind, letter.to, letter.state) == ("paid", PAYER, "queued")
    mailing.send_due()
    assert [message["To"] for message in mail_server.taken] == [PAYER, PAYER]
    assert len(set(mail_server.ids)) == 2  # a second letter, not the first once more
    entry = AuditEntry.objects.get(act="letter_asked")
    assert (entry.actor_name, entry.target_id, entry.details) == ("clara", str(paid.pk), {"to": "az•••@mail.test"})


def test_it_goes_to_the_payers_address_whatever_is_posted(support, paid):
    support.post(again(paid), to="thief@mail.test", email="thief@mail.test", address="thief@mail.test")
    assert set(Letter.objects.values_list("to", flat=True)) == {PAYER}


def test_a_refunds_receipt_is_sent_again_too(support, paid, mail_server):  # noqa: F811
    made = refunds.request_refund(
        order_id=paid.pk, amount_minor=2_000, reason="", idempotency_key="", requested_by="t", cause="t",
        now=timezone.now(),
    )  # fmt: skip
    mailing.send_due()
    address = f"/admin/checkout/letter/order/{paid.pk}/refund/{made.pk}/"
    assert address in page_of(support, paid)
    support.post(address)
    mailing.send_due()
    subjects = [message["Subject"].strip() for message in mail_server.taken]
    assert subjects.count("[Test payment] Returned: $20.00 from Bitloader") == 2


def test_what_was_never_written_can_be_sent_once_the_address_is_known(support, lab, client, mail_server):  # noqa: F811
    order = builders.make_paid_order(lab, client)
    Order.objects.filter(pk=order.pk).update(payer_email=PAYER)
    assert "was not sent" in page_of(support, order)
    support.post(again(order))
    mailing.send_due()
    assert mail_server.recipients == [PAYER]


def test_one_is_on_its_way_at_a_time_and_three_an_hour(support, paid):
    support.post(again(paid))
    assert "ON_ITS_WAY" in support.post(again(paid), follow=True).content.decode()
    for _ in range(letters.PER_ORDER_AN_HOUR - 1):
        mailing.send_due()
        support.post(again(paid))
    mailing.send_due()
    assert "TOO_MANY_LETTERS" in support.post(again(paid), follow=True).content.decode()
    assert Letter.objects.exclude(requested_by="").count() == letters.PER_ORDER_AN_HOUR
    assert AuditEntry.objects.filter(act="letter_refused").count() == 2
    Letter.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    assert "is on its way" in support.post(again(paid), follow=True).content.decode()


def test_an_unpaid_order_has_no_receipt_to_send(support, lab):
    order = builders.make_order(builders.make_provider(), payer_email=PAYER)
    assert again(order) not in page_of(support, order)
    assert "NOTHING_TO_TELL" in support.post(again(order), follow=True).content.decode()
    assert Letter.objects.count() == 0


def test_a_refund_of_another_order_is_not_found(support, paid, lab, client):
    other = builders.make_paid_order(lab, client, payer_email="other@mail.test")
    made = refunds.request_refund(
        order_id=other.pk, amount_minor=2_000, reason="", idempotency_key="", requested_by="t", cause="t",
        now=timezone.now(),
    )  # fmt: skip
    before = Letter.objects.count()
    assert support.post(f"/admin/checkout/letter/order/{paid.pk}/refund/{made.pk}/").status_code == 404
    assert Letter.objects.count() == before


def test_nobody_without_the_role_sees_or_sends(person, paid):
    nobody = person("norole")
    for address in ("/admin/checkout/letter/", again(paid)):
        assert nobody.get(address).status_code == 403
    assert nobody.post(again(paid)).status_code == 403
    assert Letter.objects.count() == 1


def test_a_letter_that_failed_asks_for_attention_until_it_was_sent_again(support, lab, client, mail_server):  # noqa: F811
    mail_server.say["rcpt"] = "550 5.1.1 no such mailbox"
    order = builders.make_paid_order(lab, client, payer_email=PAYER)
    mailing.send_due()
    assert failed_card(support) == 1
    listed = support.get("/admin/checkout/letter/", trouble="failed").content.decode()
    assert str(order.pk) in listed and "no such mailbox" in listed
    assert "no such mailbox" in page_of(support, order)
    mail_server.say.clear()
    support.post(again(order))
    mailing.send_due()
    assert failed_card(support) == 0


def test_who_may_not_see_orders_sees_no_whole_address(person, paid):
    from django.contrib.auth.models import Permission

    someone = person("someone")
    someone.user.user_permissions.add(Permission.objects.get(codename="view_letter"))
    listed = someone.get("/admin/checkout/letter/").content.decode()
    assert "az•••@mail.test" in listed and PAYER not in listed
    Letter.objects.update(state="failed", last_error=f"550 5.1.1 <{PAYER}>: unknown")
    listed = someone.get("/admin/checkout/letter/").content.decode()
    assert "5.1.1" in listed and PAYER not in listed


def test_a_letter_is_found_by_its_whole_address_and_by_its_order(support, paid):
    for term, is_found in ((PAYER.upper(), True), (str(paid.pk), True), ("aziza", False)):
        assert (str(paid.pk) in _rows(support, term)) is is_found, term


def _rows(person, term):
    page = person.get("/admin/checkout/letter/", q=term).content.decode()
    return "".join(re.findall(r"<tr.*?</tr>", page, re.DOTALL))
