"""Fiscal receipts where the processor wants their lines after the payment (Click): handed over, then its address kept.

The lines were checked when the order was opened; `processor_data` says how far it went: `receipt_lines` is "sent" or
"refused", `fiscal_url` the address behind the receipt's QR code.
"""

import logging
from datetime import datetime, timedelta
from typing import cast

from django.db.models import Q, QuerySet

from checkout import receipt_lines, soft_cache, transitions
from checkout.models import Payment
from checkout.payments import reference_of
from gateway import errors, registry
from gateway.adapter import TakesReceiptLines
from providers import accounts

logger = logging.getLogger(__name__)
TRIED_FOR = timedelta(days=3)
AGAIN_AFTER_SECONDS = 300
AT_A_TIME = 20


def hand_over_due(*, now: datetime) -> int:
    """One round over recent payments; how many processors were spoken to. A try that fails is made again later."""
    return sum(_hand_over(payment, now=now) for payment in _due(now=now))


def _due(*, now: datetime) -> QuerySet[Payment]:
    takers = [slug for slug, one in registry.PROCESSORS.items() if one.capabilities.takes_receipt_lines]
    recent = Payment.objects.filter(
        processor__in=takers, status=Payment.Status.CAPTURED, captured_at__gt=now - TRIED_FOR
    )
    waiting = recent.exclude(order__items=[]).exclude(processor_data__has_key="fiscal_url")
    # Not `exclude(…="refused")`: on JSON that also drops the rows without the key.
    is_open = ~Q(processor_data__has_key="receipt_lines") | Q(processor_data__receipt_lines="sent")
    return waiting.filter(is_open).select_related("account", "order").order_by("captured_at")[:AT_A_TIME]


def _hand_over(payment: Payment, *, now: datetime) -> bool:
    if soft_cache.add(f"receipt/{payment.pk}", seconds=AGAIN_AFTER_SECONDS) is False:
        return False  # another worker is at it, or was a moment ago
    adapter = cast(TakesReceiptLines, accounts.adapter_for(payment.account, now=now))
    try:
        if payment.processor_data.get("receipt_lines") != "sent":
            adapter.submit_items(reference_of(payment), receipt_lines.items_of(payment.order.items))
            transitions.keep_details(payment.pk, {"receipt_lines": "sent"}, now=now)
        if url := adapter.fiscal_url(reference_of(payment)):
            transitions.keep_details(payment.pk, {"fiscal_url": url}, now=now)
    except (errors.Refused, errors.Misconfigured) as error:
        # Without a merchant user there is nobody to hand them to; else somebody has to look at the lines.
        logger.warning("payment %s: its receipt's lines were refused: %s", payment.pk, error)
        if payment.processor_data.get("receipt_lines") != "sent":
            transitions.keep_details(payment.pk, {"receipt_lines": "refused"}, now=now)
    except errors.GatewayError as error:
        logger.warning("payment %s: its receipt's lines could not be handed over: %s", payment.pk, error)
    return True
