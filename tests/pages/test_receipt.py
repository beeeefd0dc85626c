"""The buyer's receipt over HTTP."""

import re

import pytest

from checkout import notifications, receipts
from checkout.models import Payment, ProcessorTransaction
from tests.pages import invoices, states
from tests.pages.reading import read

pytestmark = pytest.mark.django_db(transaction=True)

NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture(autouse=True)
def _processors(processors):
    return processors


@pytest.fixture
def receipt(client):
    def get(order, rest="", **headers):
        return read(client.get(f"/receipt/{order.receipt_code}{rest}", headers=headers))

    return get


def test_the_address_in_the_webhook_is_the_receipt(client, processors, settings):
    order = invoices.paid_by_card(client, processors)
    address = notifications.receipt_url(order)
    assert client.get(address.removeprefix(settings.BASE_URL)).status_code == 200


def test_the_receipt_says_who_got_how_much_for_what_when_and_how(receipt, client, processors):
    order = invoices.paid_by_card(client, processors)
    answer = receipt(order)
    for words in (
        "Osh markazi", f"UZS{NBSP}1,500,000.00".replace(NBSP, " "), "Paid in full", "Stol band qilish, 20 kishi",
        "Multicard", "Uzcard •••• 5959", str(order.pk), "order_123", "f6339f31-6a09-11f0-9a1b-00505680eaf6",
        "(UTC+5)",
    ):  # fmt: skip
        assert words in answer.text, words
    page = answer.content.decode()
    assert "860030" not in page
    assert 'href="https://dev-checkout.multicard.uz/check/1"' in page
    assert "Test mode: no real money moves" in page
    assert order.token not in page  # who is shown the receipt cannot open the checkout


def test_the_receipt_has_every_line(receipt, client, processors):
    answer = receipt(invoices.paid_by_payme(client, processors), "?lang=ru")
    assert len(re.findall("сум за шт|<li>", answer.content.decode())) >= 5
    for words in ("Osh, toʻy oshi × 12", "Xizmat", "Achchiq-chuchuk"):
        assert words in answer.text
    assert "и ещё" not in answer.text


def test_the_fiscal_receipt_is_a_link_and_a_code(receipt, client, processors):
    for make in (invoices.paid_by_payme, invoices.paid_by_card):
        page = receipt(make(client, processors)).content.decode()
        assert f'href="{invoices.FISCAL_URL}"'.replace("&", "&amp;") in page
        assert 'aria-label="QR code of the fiscal receipt"><svg' in page


@pytest.mark.parametrize("told", ["not-a-url", "javascript:alert(1)", "https://", "//x", "http://[", "ftp://x.uz/1"])
def test_a_fiscal_address_that_is_none_is_no_link(told, receipt, client, processors):
    order = invoices.paid_by_payme(client, processors)
    ProcessorTransaction.objects.update(fiscal={"PERFORM": {"qr_code_url": told}})
    answer = receipt(order)
    assert answer.status_code == 200
    assert "Fiscal receipt" not in answer.text
    assert f'href="{told}"' not in answer.content.decode()


@pytest.mark.parametrize("told", ["http://dev-checkout.multicard.uz/check/1", "javascript:alert(1)", ""])
def test_the_processors_own_receipt_is_linked_only_over_https(told, receipt, client, processors):
    order = invoices.paid_by_card(client, processors)
    Payment.objects.update(processor_data={"receipt_url": told})
    assert "The receipt of Multicard" not in receipt(order).text


def test_a_partial_return_is_on_the_receipt_with_each_amount_and_what_is_left(receipt, client, processors):
    order = invoices.partly_returned(client, processors, lang="ru")
    answer = receipt(order)
    text = answer.text.replace(NBSP, " ")
    for words in ("Оплачено, часть возвращена", "200 000,00 сум", "50 000,50 сум", "1 249 999,50 сум"):
        assert words in text, words


def test_a_full_return_is_on_the_receipt(receipt, client, processors):
    order = invoices.returned(client, processors)
    answer = receipt(order)
    assert order.status == "refunded"
    assert "Paid, and returned in full" in answer.text and "Left after returns UZS 0.00" in answer.text.replace(
        NBSP, " "
    )


def test_every_paid_order_has_one_whatever_its_dialect(receipt, see, lab, client):
    for make in (states.paid, states.partly_refunded, states.refunded):
        order = make(lab, client)
        assert f'href="/receipt/{order.receipt_code}?lang=ru"' in see(order, "?lang=ru").content.decode()
        answer = receipt(order)
        assert answer.status_code == 200
        assert "Bitloader" in answer.text and "Cash App" in answer.text and "(UTC)" in answer.text


@pytest.mark.parametrize("name", ["ready", "waiting", "checking", "failed", "cancelled", "expired"])
def test_what_is_not_paid_has_none(name, receipt, see, lab, client):
    order = states.ALL[name](lab, client)
    assert receipt(order).status_code == 404
    assert "/receipt/" not in see(order).content.decode()


@pytest.mark.parametrize("code", ["rcp_" + "0" * 32, "nobody", "rcp_%00", "x" * 300, "tok_" + "0" * 32])
def test_an_unknown_code_is_a_page_of_ours_with_404(code, client):
    answer = read(client.get(f"/receipt/{code}"))
    assert answer.status_code == 404
    assert "There is no such receipt" in answer.text
    assert answer["Cache-Control"] == "no-store" and "noindex" in answer["X-Robots-Tag"]


def test_a_receipt_is_kept_told_on_and_found_by_nobody(receipt, client, processors):
    answer = receipt(invoices.paid_by_payme(client, processors))
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]
    assert "form-action 'self';" in answer["Content-Security-Policy"]
    page = answer.content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_on_paper_a_receipt_names_its_own_address(receipt, client, processors, settings):
    order = invoices.paid_by_payme(client, processors)
    page = receipt(order, "?lang=uz").content.decode()
    assert f'<p class="on-paper">{notifications.receipt_url(order)}<br>{settings.SUPPORT_EMAIL}</p>' in page


def test_a_receipt_changes_nothing_and_takes_no_post(receipt, client, processors):
    order = invoices.paid_by_payme(client, processors)
    before = order.last_sequence
    assert client.post(f"/receipt/{order.receipt_code}").status_code == 405
    receipt(order)
    order.refresh_from_db()
    assert order.last_sequence == before


def test_a_receipt_costs_few_queries(receipt, client, processors, django_assert_max_num_queries):
    order = invoices.partly_returned(client, processors)
    with django_assert_max_num_queries(4):
        receipt(order)


@pytest.mark.parametrize(
    "pan, system, shown",
    [
        ("860030******5959", "uzcard", "Uzcard •••• 5959"),
        ("8600 30** **** 5959", "", "•••• 5959"),
        ("", "VISA_DOMESTIC", "Visa"),
        ("", "UZUM_DEBIT_VISA", "Visa"),
        ("", "cashback", ""),
        ("8600303030305959", "humo", "Humo"),  # it hides nothing: none of it is shown
        ("******", "", ""),
    ],
)
def test_a_card_is_its_system_and_its_last_digits(pan, system, shown):
    assert receipts.card_of(pan, system) == shown
