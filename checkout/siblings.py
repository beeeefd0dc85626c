"""Siblings: orders of the Invoice API for the same thing, told apart only by their own id.

One of them is paid at most. The others are cancelled without a word, and a second capture is a duplicate.
"""

from uuid import UUID

from django.db.models import QuerySet

from checkout.models import Order

PAID = [Order.Status.PAID, Order.Status.REFUNDED]


def siblings_of(order: Order) -> QuerySet[Order]:
    """The other orders of the same (source, businessId, sourceInvoiceId) in this mode; none for other dialects."""
    if order.dialect != Order.Dialect.INVOICE or not order.external_id:
        return Order.objects.none()
    return Order.objects.filter(
        dialect=order.dialect,
        mode=order.mode,
        provider=order.provider_id,
        business_id=order.business_id,
        external_id=order.external_id,
    ).exclude(pk=order.pk)


def paid_one(order: Order) -> Order | None:
    """The sibling that is paid, where there is one."""
    return siblings_of(order).filter(status__in=PAID).first()


def is_any_paid(order: Order) -> bool:
    return siblings_of(order).filter(status__in=PAID).exists()


def lock_family(order_id: UUID) -> Order | None:
    """Lock an order's siblings and itself, by id: everybody locks them in this order, before anything else.

    The order itself, as it is under the lock; None for one that can have no siblings, which is not locked here.
    """
    whose = Order.objects.only("dialect", "mode", "provider_id", "business_id", "external_id")
    order = whose.filter(pk=order_id, dialect=Order.Dialect.INVOICE).exclude(external_id="").first()
    if order is None:
        return None
    family = siblings_of(order) | Order.objects.filter(pk=order_id)
    locked = family.order_by("id").select_for_update(of=("self",)).select_related("provider")
    return next((row for row in list(locked) if row.pk == order_id), None)
