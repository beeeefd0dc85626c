"""Which letters are written, what they say, and that they say nothing else."""

import re

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from checkout import letters, mailing, notifications, payments, refunds, transitions
from checkout.models import Letter, Order, Payment, Refund
from gateway.money import Money
from gateway.types import Outcome, PaymentReport
from tests import builders
from tests.mail_server import mail_server  # noqa: F401  (a fixture)
from tests.pages import invoices, states
from tests.pages.processors import processors  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db(transaction=True)

NBSP = "\N{NO-BREAK SPACE}"
PAYER = "aziza.karimova@mail.test"


@pytest.fixture(autouse=True)
def _mail(mail_server):  # noqa: F811
    return mail_server


def paid(lab, client, **more):
    return builders.make_paid_order(lab, client, **{"payer_email": PAYER, **more})


def refund(order, amount_minor=None, **more):
    return refunds.request_refund(
        order_id=order.pk, amount_minor=amount_minor, reason="a private remark", idempotency_key="",
        requested_by="test", cause="test", now=timezone.now(), **more,
    )  # fmt: skip


def captured(payment, **more):
    return PaymentReport(str(payment.pk), payment.processor_ref, Outcome.CAPTURED, money=payment.money, **more)


def written(order):
    return list(order.letters.order_by("created_at", "id").values_list("kind", "to", "state"))


def sent(mail_server):  # noqa: F811
    mailing.send_due()
    return mail_server.taken


def subject_of(message):
    return message["Subject"].strip()  # a long one begins on a line of its own


def plain(message):
    return message.get_body(("plain",)).get_content().replace(NBSP, " ")


def html(message):
    return message.get_body(("html",)).get_content().replace(NBSP, " ")


# --- which --------------------------------------------------------------------------------------------------------


def test_a_paid_order_writes_one_letter_to_its_payer(lab, client):
    order = paid(lab, client)
    assert written(order) == [("paid", PAYER, "queued")]
    builders.callback(client, lab.events("payment_intent.succeeded")[0])  # once more
    assert len(written(order)) == 1


def test_nobody_is_written_to_where_the_address_is_not_known(lab, client):
    order = paid(lab, client, payer_email="")
    refund(order)
    assert written(order) == []


def test_without_a_mail_server_no_letters_are_written(lab, client, settings):
    settings.EMAIL_URL = ""
    order = paid(lab, client)
    refund(order)
    assert written(order) == []


@pytest.mark.parametrize("address", ["nobody", "a@b", "<x@y.test>", "a@b.test\nBcc: c@d.test", "a\x01b@c.test"])
def test_an_address_that_is_none_holds_up_no_payment(address, lab, client):
    order = paid(lab, client, payer_email="")
    Order.objects.filter(pk=order.pk).update(payer_email=address)
    assert refund(order, 500).status == "succeeded"
    assert written(order) == []


def test_an_address_that_comes_with_the_report_of_the_capture_is_used(lab, client):
    order = builders.make_order(builders.make_provider())
    payment = builders.start_payment(order)
    report = captured(payment, payer_email=PAYER)
    payments.apply_report(payment_id=payment.pk, report=report, cause="test", now=timezone.now())
    assert written(order) == [("paid", PAYER, "queued")]


def test_an_address_that_comes_after_the_money_is_used_too_and_only_once(lab, client):
    order = paid(lab, client, payer_email="")
    report = captured(order.paid_by, payer_email=PAYER)
    for _ in range(2):
        payments.apply_report(payment_id=order.paid_by_id, report=report, cause="test", now=timezone.now())
    assert written(order) == [("paid", PAYER, "queued")]


def test_a_late_payment_is_told_like_any_other(lab, client):
    order = states.expired(lab, client)
    Order.objects.filter(pk=order.pk).update(payer_email=PAYER)
    payment = Payment.objects.filter(order=order).first() or _late_payment(order)
    report = captured(payment)
    payments.apply_report(payment_id=payment.pk, report=report, cause="test", now=timezone.now())
    order.refresh_from_db()
    assert order.is_late and written(order) == [("paid", PAYER, "queued")]


def _late_payment(order):
    now = timezone.now()
    return Payment.objects.create(
        order=order, account=order.provider.accounts.get(), processor="stripe", amount_minor=order.amount_minor,
        currency=order.currency, processor_ref="pi_late", created_at=now, updated_at=now,
    )  # fmt: skip


def test_each_refund_that_succeeded_is_told_once_and_one_that_did_not_is_not(lab, client):
    order = paid(lab, client)
    refund(order, 2_550)
    refund(order, 1_000)
    assert [kind for kind, _to, _state in written(order)] == ["paid", "refunded", "refunded"]
    assert set(Letter.objects.exclude(refund=None).values_list("refund_id", flat=True)) == set(
        Refund.objects.values_list("pk", flat=True)
    )


def test_the_letter_and_its_event_are_there_together_or_not_at_all(lab, client):
    from django.db import transaction

    order = builders.make_order(builders.make_provider(), payer_email=PAYER)
    payment = builders.start_payment(order)
    with pytest.raises(RuntimeError), transaction.atomic():
        locked = transitions.lock_payment(payment.pk)
        transitions.capture(locked, money=locked.money, cause="test", now=timezone.now())
        assert Letter.objects.count() == 1
        raise RuntimeError
    assert Letter.objects.count() == 0


# --- what they say ------------------------------------------------------------------------------------------------


def test_a_receipt_says_who_got_how_much_for_what_when_and_how(lab, client, mail_server):  # noqa: F811
    order = paid(lab, client)
    (message,) = sent(mail_server)
    assert message["Subject"] == "[Test payment] Receipt: $100.00 paid to Bitloader"
    assert (message["To"], message["From"]) == (PAYER, "Pay <receipts@pay.test>")
    assert message["Reply-To"] == django_settings.SUPPORT_EMAIL
    assert message["Auto-Submitted"] == "auto-generated"
    link = notifications.receipt_url(order)
    for text in (plain(message), html(message)):
        for words in (
            "Test mode: no real money moves", "Bitloader", "$100.00", "Premium Credits × 20", "Cash App",
            str(order.pk), order.external_id, link, "(UTC)", django_settings.SUPPORT_EMAIL,
        ):  # fmt: skip
            assert words in text, words
    assert client.get(link.removeprefix(django_settings.BASE_URL)).status_code == 200


def test_no_letter_opens_the_checkout_or_loads_anything(lab, client, mail_server):  # noqa: F811
    order = paid(lab, client)
    refund(order, 2_000)
    for message in sent(mail_server):
        raw = message.as_string() + plain(message) + html(message)
        assert order.token not in raw and "/checkout/" not in raw and "a private remark" not in raw
        assert not re.search(r"<img|<script|<link|url\(|<iframe|@import", html(message))
        assert set(re.findall(r'href="([^"]+)"', html(message))) == {
            notifications.receipt_url(order),
            f"mailto:{django_settings.SUPPORT_EMAIL}?subject={order.pk}",
        }
    assert len(mail_server.taken) == 2


@pytest.mark.parametrize(
    ("lang", "subject", "said"),
    [
        ("uz", "[Sinov toʻlovi] Chek: 1 500 000,00 soʻm — Osh markazi", "Toʻlandi. Rahmat!"),
        ("ru", "[Тестовый платёж] Чек: 1 500 000,00 сум — Osh markazi", "Оплачено. Спасибо!"),
        ("en", "[Test payment] Receipt: UZS 1,500,000.00 paid to Osh markazi", "Paid. Thank you!"),
        ("", "[Test payment] Receipt: UZS 1,500,000.00 paid to Osh markazi", "Paid. Thank you!"),
    ],
    ids=["uz", "ru", "en", "unknown"],
)
def test_a_letter_speaks_the_language_of_its_order(lang, subject, said, client, processors, mail_server):  # noqa: F811
    order = invoices.paid_by_card(client, processors, lang=lang)
    Order.objects.filter(pk=order.pk).update(payer_email=PAYER)
    order.refresh_from_db()
    letters.write(order, now=timezone.now())
    (message,) = sent(mail_server)
    assert subject_of(message) == subject
    for text in (plain(message), html(message)):
        assert (
            said in text
            and "Uzcard •••• 5959" in text
            and "UTC+5" in text
            and invoices.FISCAL_URL.split("&")[0] in text
        )
        assert "860030" not in text
    assert f'<html lang="{lang or "en"}">' in html(message)


@pytest.mark.parametrize(("wanted", "said"), [("", "uz"), ("ru", "ru")], ids=["not said", "said by the caller"])
def test_where_the_caller_named_no_language_it_is_the_one_the_buyer_paid_in(wanted, said, lab, client):
    order = builders.make_order(builders.make_provider(), payer_email=PAYER, lang=wanted)
    pressed = client.post(
        f"/checkout/o/{order.token}/pay", {"processor": "stripe"}, headers={"Accept-Language": "uz,en;q=0.5"}
    )
    assert pressed.status_code == 303
    builders.approve(lab, client, order.payments.get())
    assert order.letters.get().lang == said


def test_every_line_of_an_invoice_is_in_its_letter(client, processors, mail_server):  # noqa: F811
    order = invoices.paid_by_payme(client, processors)
    Order.objects.filter(pk=order.pk).update(payer_email=PAYER)
    letters.write(Order.objects.get(pk=order.pk), now=timezone.now())
    (message,) = sent(mail_server)
    for text in (plain(message), html(message)):
        for words in ("Osh, toʻy oshi × 12", "Xizmat", "Achchiq-chuchuk"):
            assert words in text, words


def test_a_refund_says_what_came_back_in_all_and_what_is_left_as_of_that_refund(lab, client, mail_server):  # noqa: F811
    order = paid(lab, client)
    refund(order, 2_550)
    refund(order, 1_000)
    refund(order)
    _receipt, first, second, last = sent(mail_server)
    assert first["Subject"] == "[Test payment] Returned: $25.50 from Bitloader"
    assert "Part of your payment was returned" in plain(first)
    assert "Left after returns: $74.50" in plain(first) and "Returned in all" not in plain(first)
    assert "Returned in all: $35.50" in plain(second) and "Left after returns: $64.50" in plain(second)
    assert "Your payment was returned" in plain(last) and "Left after returns: $0.00" in plain(last)
    assert notifications.receipt_url(order) in plain(last)


def test_the_refund_of_a_second_payment_says_that_the_order_was_paid_already(lab, client, mail_server):  # noqa: F811
    order = paid(lab, client)
    now = timezone.now()
    second = Payment.objects.create(
        order=order, account=order.paid_by.account, processor="stripe", amount_minor=order.amount_minor,
        currency=order.currency, processor_ref=_another_at_the_lab(lab, order), created_at=now, updated_at=now,
    )  # fmt: skip
    report = captured(second)
    payments.apply_report(payment_id=second.pk, report=report, cause="test", now=now)
    assert [kind for kind, *_ in written(order)] == ["paid"]
    assert refund(order, payment_id=second.pk).status == "succeeded"
    _receipt, message = sent(mail_server)
    assert "Your order with Bitloader had been paid already, so this payment was sent back to you: $100.00." in plain(
        message
    )
    assert "Left after" not in plain(message)
    order.refresh_from_db()
    assert order.status == "paid"


def _another_at_the_lab(lab, order):
    """A PaymentIntent of the same amount, paid."""
    other = builders.make_order(order.provider, amount_minor=order.amount_minor)
    payment = builders.start_payment(other)
    lab.act(payment.processor_ref, "approve")
    Payment.objects.filter(pk=payment.pk).delete()
    return payment.processor_ref


def test_money_that_was_never_counted_and_went_back_is_told_without_a_receipt(lab, client, mail_server):  # noqa: F811
    order = states.under_review(lab, client)
    Order.objects.filter(pk=order.pk).update(payer_email=PAYER)
    payment = order.payments.get()
    from django.db import transaction

    from checkout.transitions import lock_payment

    with transaction.atomic():
        locked = lock_payment(payment.pk)
        transitions.review_to_refund(locked, money=Money(9_900, "USD"), cause="test", now=timezone.now())
    assert refund(order, 9_900, payment_id=payment.pk).status == "succeeded"
    (message,) = sent(mail_server)
    assert "A payment could not be counted for your order with Bitloader" in plain(message)
    assert "/receipt/" not in plain(message) + html(message)


def test_a_refund_that_came_back_before_its_letter_left_is_not_told(lab, client, mail_server):  # noqa: F811
    order = paid(lab, client)
    made = refund(order, 2_000)
    from gateway.types import RefundOutcome, RefundReport

    refunds.apply_refund_report(
        refund_id=made.pk,
        report=RefundReport(str(made.pk), made.processor_ref, order.paid_by.processor_ref, RefundOutcome.FAILED, None),
        cause="test",
        now=timezone.now(),
    )
    sent(mail_server)
    assert [message["Subject"] for message in mail_server.taken] == [
        "[Test payment] Receipt: $100.00 paid to Bitloader"
    ]
    told = Letter.objects.get(refund=made)
    assert (told.state, told.last_error) == ("failed", "not sent: what it tells is no longer so")


@pytest.mark.parametrize(
    "name", ["Evil\r\nBcc: all@victims.test", "A" * 200, "‮drowssap", "<b>Bold & Co</b>", '"Q" <q@x.test>']
)
def test_a_strange_name_is_one_line_and_no_markup(name, lab, client, mail_server):  # noqa: F811
    provider = builders.make_provider(name=name[:200])
    order = paid(lab, client, provider=provider)
    Order.objects.filter(pk=order.pk).update(external_id=f"x\nBcc: {PAYER}\n")
    (message,) = sent(mail_server)
    assert mail_server.recipients == [PAYER] and message["Bcc"] is None
    assert subject_of(message).startswith("[Test payment] Receipt: $100.00 paid to ") and len(subject_of(message)) < 120
    assert "<b>Bold" not in html(message) and "‮" not in html(message) + plain(message)
    assert not [line for line in plain(message).splitlines() if line.startswith("Bcc:")]


def test_a_live_letter_does_not_speak_of_tests(lab, client):
    order = paid(lab, client)
    letter = order.letters.get()
    letter.order.mode = "live"
    message = mailing.message_of(letter)
    assert message.subject == "Receipt: $100.00 paid to Bitloader"
    assert "Test" not in message.body and "Test" not in message.alternatives[0].content


def test_a_letter_without_a_support_address_asks_for_no_answer(lab, client, settings):
    settings.SUPPORT_EMAIL = ""
    message = mailing.message_of(paid(lab, client).letters.get())
    assert message.reply_to == [] and "mailto:" not in message.alternatives[0].content
    assert "Questions?" not in message.body


def test_the_same_letter_is_the_same_to_the_byte_but_for_its_date(lab, client):
    letter = paid(lab, client).letters.get()
    one, other = mailing.message_of(letter), mailing.message_of(Letter.objects.get(pk=letter.pk))
    assert one.extra_headers == other.extra_headers
    assert one.extra_headers["Message-ID"] == f"<letter.{letter.pk.hex}@127.0.0.1>"
    assert (one.body, one.alternatives) == (other.body, other.alternatives)


def test_whoever_has_a_test_key_cannot_write_to_the_world_from_our_address(lab, client, monkeypatch):
    monkeypatch.setattr(letters, "TEST_LETTERS_A_DAY", 1)
    provider = builders.make_provider()
    first, second = (paid(lab, client, provider=provider) for _ in range(2))
    assert written(first) == [("paid", PAYER, "queued")]
    assert (second.status, written(second)) == ("paid", [])
