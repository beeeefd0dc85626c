"""Periodic work of the checkout. Each task may run twice and at the same time as another worker's."""

import logging
from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from checkout import callback_records, decisions, fiscal, idempotency, mailing, offers, orders, rounds
from gateway.errors import GatewayError
from providers import accounts

logger = logging.getLogger(__name__)


@shared_task(name="checkout.ask_due", ignore_result=True)
def ask_due() -> None:
    """Questions to the processors whose time has come."""
    rounds.ask_everything_due()


@shared_task(name="checkout.expire_orders", ignore_result=True)
def expire_orders() -> None:
    orders.expire_due_orders(now=timezone.now())


@shared_task(name="checkout.end_reservations", ignore_result=True)
def end_reservations() -> None:
    """Reservations of asking processors whose time is over, even if their processor never calls again."""
    decisions.end_expired_reservations(now=timezone.now())


@shared_task(name="checkout.raise_alarms", ignore_result=True)
def raise_alarms() -> None:
    rounds.raise_alarms()


@shared_task(name="checkout.refresh_availability", ignore_result=True)
def refresh_availability() -> None:
    """Ask again what the accounts can take, so that opening an order never has to."""
    for account, currency, method in [*offers.never_asked(), *accounts.stale_availabilities(now=timezone.now())]:
        try:
            accounts.refresh_availability(account, currency=currency, method=method, now=timezone.now())
        except GatewayError as error:
            logger.warning("availability of account %s stays as it was: %s", account.pk, error)


@shared_task(name="checkout.hand_over_receipts", ignore_result=True)
def hand_over_receipts() -> None:
    fiscal.hand_over_due(now=timezone.now())


@shared_task(name="checkout.send_letters", ignore_result=True)
def send_letters() -> None:
    """Letters to payers. Only begun here: a slow mail server must not hold a process that looks after payments."""
    mailing.start_round()


@shared_task(name="checkout.delete_old", ignore_result=True)
def delete_old() -> None:
    """Drop what has been kept for its term."""
    callback_records.delete_old(now=timezone.now(), verified_days=settings.CALLBACK_RETENTION_DAYS)
    idempotency.delete_expired(now=timezone.now())


def _every(seconds: float, task: str) -> dict[str, Any]:
    # A beat that nobody took before the next one is worth nothing: it must not pile up while workers are away.
    return {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 2.0)}}


BEAT = {
    "ask-due": _every(2.0, "checkout.ask_due"),
    "expire-orders": _every(30.0, "checkout.expire_orders"),
    "end-reservations": _every(20.0, "checkout.end_reservations"),
    "raise-alarms": _every(60.0, "checkout.raise_alarms"),
    "refresh-availability": _every(15.0, "checkout.refresh_availability"),
    "hand-over-receipts": _every(30.0, "checkout.hand_over_receipts"),
    "send-letters": _every(5.0, "checkout.send_letters"),
    "delete-old": _every(3600.0, "checkout.delete_old"),
}
