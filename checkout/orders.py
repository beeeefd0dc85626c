"""Opening an order, finding it, and bringing it to an end."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from checkout import offers, payments, transitions
from checkout.errors import (
    AlreadyPaid,
    AmountNotAMultiple,
    AmountRefused,
    AmountTooSmall,
    MethodNotAvailable,
    NothingToSell,
    NotPayable,
    OrderNotFound,
    PaymentUnderWay,
)
from checkout.models import Order
from gateway.money import MAX_MINOR, Money
from gateway.types import Mode
from providers.ids import uuid7
from providers.models import Provider, Service

logger = logging.getLogger(__name__)
# While open payments are being ended at their processors; longer than such a call can take.
CLOSING_FOR = timedelta(seconds=60)
EXPIRY_AGAIN_AFTER = timedelta(minutes=2)


def price_order(*, service: Service | None, amount: Money | None) -> tuple[Money, int]:
    """(what is owed, how many units). The amount must be a whole multiple of the unit price."""
    if service is None or not service.is_active:
        raise NothingToSell()
    price = Money(service.price_minor, service.currency)
    if amount is None:
        return price, 1
    if amount.currency != price.currency:
        raise AmountRefused(f"The service is sold in {price.currency}")
    if amount.minor < price.minor:
        raise AmountTooSmall(price=price)
    quantity, rest = divmod(amount.minor, price.minor)
    if rest:
        raise AmountNotAMultiple(price=price)
    if amount.minor > MAX_MINOR:
        raise AmountRefused("The amount is too large")
    return amount, quantity


def open_order(
    *,
    dialect: Order.Dialect,
    mode: Mode,
    provider: Provider | None,
    service: Service | None,
    amount: Money | None,
    cause: str,
    now: datetime,
    external_id: str = "",
    lang: str = "",
    expires_at: datetime | None = None,
    success_url: str = "",
    cancel_url: str = "",
    notify_url: str = "",
    description: str = "",
    business_id: str = "",
    payer_email: str = "",
    processor: str = "",
    items: Sequence[Mapping[str, Any]] = (),
    code: str | None = None,
    watch_code: str | None = None,
    captures_later: bool = False,
    details: Mapping[str, Any] | None = None,
    order_id: UUID | None = None,
) -> Order:
    """Write down what is owed. The same `order_id` again answers the order that is there.

    Calls no processor. MethodNotAvailable when nothing could take the money (its `has_account`: although
    there is an account), AmountRefused when no processor takes such an amount.
    """
    if order_id is not None and (known := Order.objects.filter(pk=order_id).first()) is not None:
        return known
    if service is None and amount is not None and dialect != Order.Dialect.PROVIDER:
        money, quantity = amount, 1  # the caller says what is owed
    else:
        money, quantity = price_order(service=service, amount=amount)
    order = Order(
        id=order_id or uuid7(),
        dialect=dialect,
        mode=mode.value,
        provider=provider,
        service=service,
        provider_name=provider.name if provider else "",
        service_name=service.title if service else "",
        description=description,
        quantity=quantity,
        external_id=external_id,
        business_id=business_id,
        amount_minor=money.minor,
        currency=money.currency,
        lang=lang,
        payer_email=payer_email,
        processor=processor,
        items=list(items),
        code=code,
        watch_code=watch_code,
        captures_later=captures_later,
        details=dict(details or {}),
        success_url=success_url,
        cancel_url=cancel_url,
        notify_url=notify_url,
        expires_at=expires_at or now + timedelta(hours=settings.ORDER_LIFETIME_HOURS),
        created_at=now,
    )
    if not offers.offers_for(order, now=now):
        trouble = offers.why_no_offer(order)
        raise AmountRefused(trouble) if trouble else MethodNotAvailable(has_account=offers.has_account(order))
    try:
        with transaction.atomic():
            if external_id and provider is not None:
                twins = Order.objects.filter(provider=provider, external_id=external_id, mode=mode.value)
                order.shares_external_id = twins.exists()
            transitions.open_order(order, cause=cause, now=now)
    except IntegrityError:
        # A retry of the same wish ran beside us and was first.
        known = Order.objects.filter(pk=order.pk).first()
        if known is None:
            raise
        return known
    return order


def find_order(*, order_id: UUID | str, provider: Provider, mode: Mode) -> Order:
    """The provider's own order in this mode; OrderNotFound for everything else, malformed ids included."""
    try:
        wanted = order_id if isinstance(order_id, UUID) else UUID(order_id)
    except ValueError as error:
        raise OrderNotFound() from error
    order = Order.objects.select_related("provider").filter(pk=wanted, provider=provider, mode=mode.value).first()
    if order is None:
        raise OrderNotFound()
    return order


def find_by_token(token: str) -> Order:
    """The order behind a checkout address. OrderNotFound."""
    order = Order.objects.select_related("provider").filter(token=token).first()
    if order is None:
        raise OrderNotFound()
    return order


def find_by_code(code: str, *, dialect: Order.Dialect) -> Order:
    """The order behind a dialect's own public name. OrderNotFound."""
    order = Order.objects.select_related("provider").filter(code=code, dialect=dialect).first()
    if order is None:
        raise OrderNotFound()
    return order


def cancel_order(*, order_id: UUID, cause: str, now: datetime) -> Order:
    """End an order that is not paid. Every open payment is ended at its processor first.

    AlreadyPaid when the processor says the money is taken, PaymentUnderWay when it gives no clear answer,
    NotPayable when the order has expired. Cancelled already: nothing happens.
    """
    return _close(order_id, into=Order.Status.CANCELLED, cause=cause, now=now)


def _close(order_id: UUID, *, into: Order.Status, cause: str, now: datetime) -> Order:
    with transaction.atomic():
        order = transitions.lock_order(order_id)
        if order.status == into:
            return order
        is_reserved = into == Order.Status.EXPIRED and payments.is_reserved(order, now=now)
        to_end = payments.not_final(order)
        if is_reserved:
            # An asking processor may still perform: the reservation's own end comes first.
            _keep_closed(order, until=now + EXPIRY_AGAIN_AFTER)
        elif not to_end or order.status in (Order.Status.PAID, Order.Status.REFUNDED):
            return _end_or_say_why_not(order, into, cause=cause, now=now)
        else:
            _keep_closed(order, until=now + CLOSING_FOR)
    if is_reserved:
        raise PaymentUnderWay()
    for payment in to_end:  # no transaction is open around these calls
        payments.end_there(payment, cause=cause, now=now)
    with transaction.atomic():
        order = transitions.lock_order(order_id)
        if order.status in (Order.Status.PAID, Order.Status.REFUNDED) or not payments.not_final(order):
            return _end_or_say_why_not(order, into, cause=cause, now=now)
        # An expired order stays closed to new payments, and is looked at again a while later.
        _keep_closed(order, until=now + EXPIRY_AGAIN_AFTER if into == Order.Status.EXPIRED else None)
    raise PaymentUnderWay()


def _end_or_say_why_not(order: Order, into: Order.Status, *, cause: str, now: datetime) -> Order:
    if order.status in (Order.Status.PAID, Order.Status.REFUNDED):
        raise AlreadyPaid()
    if transitions.end_order(order, into, cause=cause, now=now) is transitions.Moved.REFUSED:
        raise NotPayable(f"The order is {order.status}")
    return order


def _keep_closed(order: Order, *, until: datetime | None) -> None:
    Order.objects.filter(pk=order.pk).update(closing_until=until)


def expire_due_orders(*, now: datetime, limit: int = 100) -> int:
    """End orders whose time is over, as far as nothing of them can be captured any more."""
    due = (
        Order.objects.filter(status__in=[Order.Status.CREATED, Order.Status.PENDING], expires_at__lte=now)
        .filter(Q(closing_until=None) | Q(closing_until__lte=now))
        .order_by("expires_at")
        .values_list("pk", flat=True)[:limit]
    )
    count = 0
    for order_id in list(due):
        try:
            _close(order_id, into=Order.Status.EXPIRED, cause="expiry", now=now)
            count += 1
        except (AlreadyPaid, PaymentUnderWay, NotPayable) as refusal:
            logger.info("order %s does not expire yet: %s", order_id, refusal)
    return count
