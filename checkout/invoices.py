"""Invoices: orders of a business, opened by a marketplace for one of its own ids (contract: Invoice API)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from checkout import orders, payments, siblings, transitions
from checkout.errors import AlreadyPaid, MerchantNotFound, MethodNotAvailable, ProcessorTrouble
from checkout.models import Order, Payment
from gateway import registry
from gateway.money import Money
from gateway.types import Mode
from providers.models import Provider

NOT_STARTED = "its payment could not be started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a marketplace wants paid. Without a `processor` the buyer chooses on the hosted page."""

    provider: Provider
    mode: Mode
    business_id: str
    source_invoice_id: str
    amount: Money
    processor: str = ""
    notify_url: str = ""
    return_url: str = ""
    return_error_url: str = ""
    lang: str = ""
    description: str = ""
    items: Sequence[Mapping[str, Any]] = ()


def open_invoice(
    wanted: Wanted, *, cause: str, now: datetime, order_id: UUID | None = None
) -> tuple[Order, Payment | None]:
    """Open an invoice, and at a named processor its payment.

    The same `order_id` again resumes the same invoice. AlreadyPaid (`invoice_id` in its details) when a sibling
    is paid; MerchantNotFound without an account that could take it; AmountRefused; ProcessorTrouble when the
    processor surely did not start it: the invoice is closed then, and nobody hears of it. A payment whose start
    got no clear answer is `unknown`, and its invoice stands.
    """
    order = _resume(order_id, cause=cause, now=now) if order_id else None
    if order is not None:
        payment = order.payments.filter(status__in=[*Payment.OPEN, Payment.Status.CAPTURED]).last()
        if payment is not None or order.status not in transitions.WAITING:
            return order, payment  # the earlier try came this far, and whatever followed stands
    order = order or _open(wanted, cause=cause, now=now, order_id=order_id)
    if not wanted.processor:
        return order, None
    try:
        payment = payments.start_payment(
            order_id=order.pk, processor=wanted.processor, is_mobile=False, cause=cause, now=now
        )
    except (ProcessorTrouble, MethodNotAvailable):
        _close_quietly(order, now=now)
        raise
    order.refresh_from_db(fields=["status", "last_sequence", "paid_by", "paid_at", "ended_at"])  # and keep its provider
    return order, payment


def _resume(order_id: UUID, *, cause: str, now: datetime) -> Order | None:
    """What an earlier try of the same wish made; opened again where that try had to close it. AlreadyPaid."""
    with transaction.atomic():
        order = Order.objects.filter(pk=order_id).first()
        if order is None:
            return None
        order = transitions.lock_order(order_id)
        last = order.events.order_by("-sequence").first()
        if order.status == Order.Status.CANCELLED and last is not None and last.cause == NOT_STARTED:
            _refuse_if_paid(order)
            transitions.open_again(order, cause=cause, now=now)
    return order


def _refuse_if_paid(order: Order) -> None:
    paid = siblings.paid_one(order)
    if paid is not None:
        raise AlreadyPaid("This invoice is paid already", invoice_id=str(paid.pk))


def _open(wanted: Wanted, *, cause: str, now: datetime, order_id: UUID | None) -> Order:
    same = Order(
        dialect=Order.Dialect.INVOICE,
        provider=wanted.provider,
        business_id=wanted.business_id,
        external_id=wanted.source_invoice_id,
        mode=wanted.mode.value,
    )
    _refuse_if_paid(same)
    try:
        return orders.open_order(
            dialect=Order.Dialect.INVOICE,
            mode=wanted.mode,
            provider=wanted.provider,
            service=None,
            amount=wanted.amount,
            cause=cause,
            now=now,
            external_id=wanted.source_invoice_id,
            business_id=wanted.business_id,
            processor=wanted.processor,
            lang=wanted.lang,
            success_url=wanted.return_url,
            cancel_url=wanted.return_error_url,
            notify_url=wanted.notify_url,
            description=wanted.description,
            items=wanted.items,
            order_id=order_id,
        )
    except MethodNotAvailable as error:
        raise MerchantNotFound() from error


def _close_quietly(order: Order, *, now: datetime) -> None:
    """Its caller never learnt of it: no id was answered, so no webhook may speak of it either."""
    with transaction.atomic():
        locked = transitions.lock_order(order.pk)
        if locked.status in transitions.WAITING and not payments.not_final(locked):
            transitions.close_unheard(locked, cause=NOT_STARTED, now=now)


def checkout_url(order: Order, payment: Payment | None) -> str:
    """Where the buyer goes: the processor's page where it has one, else ours."""
    own = f"{settings.BASE_URL}/checkout/o/{order.token}"
    if payment is None or not order.processor:
        return own
    has_page = registry.get(payment.processor).capabilities.has_page
    return payment.pay_url if has_page and payment.pay_url else own
