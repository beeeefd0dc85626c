"""Rounds of questions to the processors: several at a time, one round at a time, within a time budget.

A slow processor must not hold up the worker that sends webhooks: a round gives up its place after its budget,
and what it did not reach stays due for the next one.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections, connections
from django.utils import timezone

from checkout import captures, news, payments, refunds, soft_cache
from checkout.models import Order, Payment, Refund

logger = logging.getLogger(__name__)
AT_A_TIME = 8
BUDGET_SECONDS = 20.0
PLACE = "asking-round"
PLACE_SECONDS = 90  # longer than a round and its slowest answer; a killed worker's place is free after it


def ask_everything_due() -> int:
    """One round over payments and refunds; how many were asked. 0 when another worker's round is under way."""
    if not _take_place():
        return 0
    try:
        now = timezone.now()
        due_payments = Payment.objects.filter(next_ask_at__lte=now).order_by("next_ask_at")
        due_refunds = Refund.objects.filter(next_ask_at__lte=now).order_by("next_ask_at")
        questions: list[Callable[[], bool]] = [
            *(_asking_payment(pk) for pk in due_payments.values_list("pk", flat=True)[:400]),
            *(_asking_refund(pk) for pk in due_refunds.values_list("pk", flat=True)[:200]),
        ]
        if not questions:
            return 0
        until = time.monotonic() + BUDGET_SECONDS
        with ThreadPoolExecutor(min(AT_A_TIME, len(questions)), thread_name_prefix="asking") as pool:
            return sum(pool.map(lambda question: _ask_in_time(question, until), questions))
    finally:
        soft_cache.delete(PLACE)


def _take_place() -> bool:
    # Without a cache two rounds may run side by side; every question is claimed in the database all the same.
    return soft_cache.add(PLACE, seconds=PLACE_SECONDS) is not False


def _asking_payment(payment_id: UUID) -> Callable[[], bool]:
    def ask() -> bool:
        was_asked = payments.ask_payment(payment_id=payment_id, now=timezone.now())
        if was_asked:
            captures.take_overdue(payment_id=payment_id, now=timezone.now())
            payment = Payment.objects.select_related("account").get(pk=payment_id)
            news.apply_what_came_too_early(payment, now=timezone.now())
        return was_asked

    return ask


def _asking_refund(refund_id: UUID) -> Callable[[], bool]:
    return lambda: refunds.ask_refund(refund_id=refund_id, now=timezone.now())


def _ask_in_time(question: Callable[[], bool], until: float) -> bool:
    if time.monotonic() > until:
        return False
    close_old_connections()
    try:
        return question()
    except Exception:
        # One payment's trouble must not end the round of the others; its lease brings it back.
        logger.exception("a question to a processor failed")
        return False
    finally:
        connections.close_all()


def raise_alarms() -> int:
    """Shout (log level ERROR, once an hour each) about what waits for people too long; how many things wait."""
    now = timezone.now()
    since = now - timedelta(minutes=settings.REVIEW_ALARM_MINUTES)
    waiting = Payment.objects.filter(
        status__in=[Payment.Status.REVIEW, Payment.Status.UNKNOWN], updated_at__lt=since
    ).values_list("pk", "order_id", "status")[:100]
    for payment_id, order_id, status in waiting:
        if soft_cache.add(f"alarm/{payment_id}/{status}", seconds=3600) is not False:
            logger.error("payment %s of order %s has been %s for too long", payment_id, order_id, status)
    overdue = Order.objects.filter(
        status__in=[Order.Status.CREATED, Order.Status.PENDING], expires_at__lt=now - timedelta(hours=1)
    ).count()
    if overdue and soft_cache.add("alarm/overdue-orders", seconds=3600) is not False:
        logger.error("%d orders should have expired an hour ago and cannot: their processors do not answer", overdue)
    return len(waiting) + overdue
