"""Click makes the fiscal receipt from lines that it is given after the payment."""

import pytest
from django.utils import timezone

from checkout import fiscal
from checkout.models import Payment
from tests.asking import AMOUNT, lines

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_paid_invoices_lines_are_handed_over_once_and_the_receipts_address_is_kept(marketplace):
    desk = marketplace.desk("click")
    marketplace.register("click")
    invoice = marketplace.invoice("click", ofd=[{**line, "tin": "123456789"} for line in lines(AMOUNT)])
    marketplace.buyer("click", invoice)
    desk.settled()
    marketplace.wait_for(invoice, "paid")

    assert fiscal.hand_over_due(now=timezone.now()) == 1
    assert fiscal.hand_over_due(now=timezone.now()) == 0
    kept = Payment.objects.get().processor_data
    assert kept["receipt_lines"] == "sent" and kept["fiscal_url"].startswith("https://")


def test_without_lines_nothing_is_handed_over(marketplace):
    desk = marketplace.desk("click")
    marketplace.register("click")
    invoice = marketplace.invoice("click", ofd=None)
    marketplace.buyer("click", invoice)
    desk.settled()
    marketplace.wait_for(invoice, "paid")
    assert fiscal.hand_over_due(now=timezone.now()) == 0
    assert "receipt_lines" not in Payment.objects.get().processor_data
