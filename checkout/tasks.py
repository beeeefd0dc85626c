"""Periodic work of the checkout. Each task may run twice and at the same time as another worker's."""

import logging

from celery import shared_task
from django.utils import timezone

from checkout import orders, payments, refunds
from gateway.errors import GatewayError
from providers import accounts

logger = logging.getLogger(__name__)


@shared_task(name="checkout.ask_due", ignore_result=True, expires=30)
def ask_due() -> None:
    """Questions to the processors whose time has come: payments first, then refunds."""
    payments.ask_due_payments(now=timezone.now())
    refunds.ask_due_refunds(now=timezone.now())


@shared_task(name="checkout.expire_orders", ignore_result=True, expires=60)
def expire_orders() -> None:
    orders.expire_due_orders(now=timezone.now())


@shared_task(name="checkout.refresh_availability", ignore_result=True, expires=60)
def refresh_availability() -> None:
    """Ask again what the accounts can take, so that opening an order never has to."""
    for account, currency, method in accounts.stale_availabilities(now=timezone.now()):
        try:
            accounts.refresh_availability(account, currency=currency, method=method, now=timezone.now())
        except GatewayError as error:
            logger.warning("availability of account %s stays as it was: %s", account.pk, error)


BEAT = {
    "ask-due": {"task": "checkout.ask_due", "schedule": 2.0},
    "expire-orders": {"task": "checkout.expire_orders", "schedule": 30.0},
    "refresh-availability": {"task": "checkout.refresh_availability", "schedule": 15.0},
}
