"""Taking money that is held: the second half of an order that was opened to be captured later."""

import logging
from datetime import datetime
from typing import cast
from uuid import UUID

from django.db import transaction

from checkout import payments, transitions
from checkout.errors import (
    AlreadyPaid,
    AmountRefused,
    NotPayable,
    PaymentUnderWay,
    ProcessorTrouble,
    SellerCannotBePaid,
)
from checkout.models import Order, Payment
from gateway import errors, registry
from gateway.adapter import CapturesLater
from providers import accounts

logger = logging.getLogger(__name__)


def capture_order(*, order_id: UUID, amount_minor: int | None = None, cause: str, now: datetime) -> Payment:
    """Take what is held for an order, all of it. Answers the payment in whatever state it is in afterwards.

    AlreadyPaid, NotPayable (nothing is held), AmountRefused (another amount than is held), PaymentUnderWay (no clear
    answer came: it is asked about), SellerCannotBePaid, ProcessorTrouble (surely nothing was taken).
    """
    with transaction.atomic():
        order = transitions.lock_order(order_id)
        if order.status in (Order.Status.PAID, Order.Status.REFUNDED):
            raise AlreadyPaid("The payment is captured already")
        payment = order.payments.select_related("account").filter(status__in=Payment.OPEN).first()
        if payment is None or payment.status not in (Payment.Status.AUTHORIZED, Payment.Status.UNKNOWN):
            raise NotPayable("Nothing is held for this order")
        if payment.status == Payment.Status.UNKNOWN:
            raise PaymentUnderWay()
        if amount_minor is not None and amount_minor != payment.amount_minor:
            raise AmountRefused(f"Exactly what is held can be captured: {payment.money}")
        if not registry.get(payment.processor).capabilities.can_capture:
            raise NotPayable(f"{registry.get(payment.processor).name} captures by itself")
        Payment.objects.filter(pk=payment.pk).update(next_ask_at=now + payments.CALL_MAY_TAKE)
    adapter = cast(CapturesLater, accounts.adapter_for(payment.account, now=now))
    try:
        report = adapter.capture_payment(payments.reference_of(payment), payment.money)
    except errors.Refused as error:
        if error.report is None:
            payments.ask_soon(payment.pk, now=now)
            raise NotPayable(str(error)) from error
        report = error.report
    except errors.OutcomeUnknown as error:
        logger.warning("payment %s: no clear answer to its capture: %s", payment.pk, error)
        payments.ask_soon(payment.pk, now=now)
        raise PaymentUnderWay() from error
    except errors.Misconfigured as error:
        logger.error("payment %s cannot be captured: %s", payment.pk, error)
        payments.ask_soon(payment.pk, now=now)
        raise SellerCannotBePaid(because=error) from error
    except errors.GatewayError as error:
        logger.warning("payment %s could not be captured: %s", payment.pk, error)
        payments.ask_soon(payment.pk, now=now)
        raise ProcessorTrouble(because=error) from error
    payments.apply_report(payment_id=payment.pk, report=report, cause=cause, now=now)
    payment.refresh_from_db()
    return payment
