"""Taking money that is held: the second half of an order that was opened to be captured later."""

import logging
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.db import transaction

from checkout import payments, transitions
from checkout.errors import (
    AlreadyPaid,
    AmountRefused,
    CheckoutError,
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
Status = Payment.Status
# Where an order is to be captured at once, its processor does so in moments. After this it has not, whatever the reason
# (a setting in its dashboard), and a hold that nobody takes goes back to the buyer after some days.
TAKEN_BY_ITSELF_WITHIN = timedelta(minutes=2)
UNCLEAR_AGAIN_AFTER = timedelta(seconds=30)
REFUSED_AGAIN_AFTER = timedelta(minutes=10)


def capture_order(
    *, order_id: UUID, payment_id: UUID | None = None, amount_minor: int | None = None, cause: str, now: datetime
) -> Payment:
    """Take what is held for an order, all of it. Answers the payment in whatever state it is in afterwards.

    `payment_id` is the payment that is meant: where another one of the order holds the money by now, nothing is taken.

    AlreadyPaid, NotPayable (nothing is held), AmountRefused (another amount than is held), PaymentUnderWay (no clear
    answer came: it is asked about), SellerCannotBePaid, ProcessorTrouble (surely nothing was taken).
    """
    with transaction.atomic():
        order = transitions.lock_order(order_id)
        if order.status in (Order.Status.PAID, Order.Status.REFUNDED):
            raise AlreadyPaid("The payment is captured already")
        payment = order.payments.select_related("account").filter(status__in=Payment.OPEN).first()
        is_meant = payment is not None and payment_id in (None, payment.pk)
        if payment is None or not is_meant or payment.status not in (Status.AUTHORIZED, Status.UNKNOWN):
            raise NotPayable("Nothing is held for this order")
        if payment.status == Status.UNKNOWN:
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


def take_overdue(*, payment_id: UUID, now: datetime) -> bool:
    """Take what is still held of an order that was to be captured at once; whether that was tried.

    Asked for just after the processor was asked about the payment, and not more often. A sale by a processor's own link
    is held because its seller wanted so.
    """
    payment = Payment.objects.select_related("order").get(pk=payment_id)
    order = payment.order
    is_closing = order.closing_until is not None and order.closing_until > now
    if (
        payment.status != Status.AUTHORIZED
        or order.status not in (*transitions.WAITING, Order.Status.FAILED)
        or (order.captures_later or order.link_ref or is_closing)
        or now - payment.updated_at < TAKEN_BY_ITSELF_WITHIN
        or not registry.get(payment.processor).capabilities.can_capture
    ):
        return False
    cause = "held, and was to be captured at once"
    try:
        capture_order(order_id=order.pk, payment_id=payment.pk, cause=cause, now=now)
    except AlreadyPaid:
        return True
    except CheckoutError as error:
        logger.error("payment %s is held and could not be captured: %s", payment.pk, error)
        again = UNCLEAR_AGAIN_AFTER if isinstance(error, PaymentUnderWay) else REFUSED_AGAIN_AFTER
        Payment.objects.filter(pk=payment.pk, status__in=Payment.OPEN).update(next_ask_at=now + again)
    return True
