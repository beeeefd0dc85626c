"""Invoices: orders of a business, opened by a marketplace for one of its own ids (contract: Invoice API)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from checkout import direct, orders, siblings
from checkout.errors import AlreadyPaid, MerchantNotFound, MethodNotAvailable, SellerCannotBePaid
from checkout.models import Order, Payment
from gateway import registry
from gateway.money import Money
from gateway.types import Mode
from providers.models import Provider


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
    return direct.open_and_start(
        lambda: _open(wanted, cause=cause, now=now, order_id=order_id),
        processor=wanted.processor,
        cause=cause,
        now=now,
        order_id=order_id,
        before_reopening=_refuse_if_paid,
    )


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
        # An account that its processor turns away is there all the same: who mistyped a secret must not look for it.
        raise (SellerCannotBePaid() if error.details.get("has_account") else MerchantNotFound()) from error


def checkout_url(order: Order, payment: Payment | None) -> str:
    """Where the buyer goes: the processor's page where it has one, else ours."""
    own = f"{settings.BASE_URL}/checkout/o/{order.token}"
    if payment is None or not order.processor:
        return own
    has_page = registry.get(payment.processor).capabilities.has_page
    return payment.pay_url if has_page and payment.pay_url else own
