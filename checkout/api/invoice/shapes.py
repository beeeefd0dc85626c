"""The Invoice API's objects as they go out."""

from typing import Any
from uuid import UUID

from checkout import invoices, notifications
from checkout.models import Order, OrderEvent, Payment, Refund
from checkout.notifications import iso_milliseconds
from gateway import registry
from providers import callback_addresses
from providers.models import MerchantAccount
from webhooks.models import Delivery

STATUSES = {
    Order.Status.CREATED: "pending",
    Order.Status.PENDING: "pending",
    Order.Status.PROCESSING: "pending",
    Order.Status.PAID: "paid",
    Order.Status.REFUNDED: "refunded",
    Order.Status.FAILED: "failed",
    Order.Status.CANCELLED: "cancelled",
    Order.Status.EXPIRED: "cancelled",
}
REFUND_STATUSES = {
    Refund.Status.PROPOSED: "pending",
    Refund.Status.REQUESTED: "pending",
    Refund.Status.PENDING: "pending",
    Refund.Status.UNKNOWN: "pending",
    Refund.Status.SUCCEEDED: "succeeded",
    Refund.Status.FAILED: "failed",
    Refund.Status.CANCELLED: "cancelled",
}


def supported() -> list[dict[str, Any]]:
    return [
        {
            "name": processor.slug,
            "fields": [{"key": field.name, "required": field.is_required} for field in processor.credential_fields],
        }
        for processor in registry.PROCESSORS.values()
    ]


def merchant_out(account: MerchantAccount) -> dict[str, Any]:
    """Never a credential, not even masked."""
    return {
        "id": str(account.pk),
        "source": account.provider.slug if account.provider else None,
        "businessId": account.business_id,
        "provider": account.processor,
        "displayName": account.business_name or None,
        "mode": account.mode,
        "isActive": account.is_usable,
        "callbackUrl": callback_addresses.one_of(account),
        "callbackUrls": callback_addresses.shared(account.processor),
    }


def invoices_out(orders: list[Order]) -> list[dict[str, Any]]:
    """A page of them, their payments prefetched."""
    told = delivered_of(orders)
    return [invoice_out(order, list(order.payments.all()), is_delivered=told.get(order.pk)) for order in orders]


def invoice_out(order: Order, payments: list[Payment], *, is_delivered: bool | None) -> dict[str, Any]:
    """`payments` are all of the order's, oldest first. `is_delivered` None: nobody was to be told yet."""
    payment = _telling(order, payments)
    status = STATUSES[Order.Status(order.status)]
    told = notifications.invoice_body(order, payment, status=status)
    return {
        **told,
        "provider": order.processor or (payment.processor if payment else None),
        "checkoutUrl": invoices.checkout_url(order, payment),
        "deeplink": payment.pay_mobile_url or None if payment and payment.processor == "uzum" else None,
        "refundedAmount": order.refunded_minor,
        "notifyDelivered": is_delivered,
        "createdAt": iso_milliseconds(order.created_at),
        "expiresAt": iso_milliseconds(order.expires_at),
    }


def _telling(order: Order, payments: list[Payment]) -> Payment | None:
    """The payment that an invoice speaks of: the one that paid it, else the one under way, else the last."""
    by_id = {payment.pk: payment for payment in payments}
    if order.paid_by_id:
        return by_id.get(order.paid_by_id)
    return next((payment for payment in payments if payment.status in Payment.OPEN), payments[-1] if payments else None)


def delivered_of(orders: list[Order]) -> dict[UUID, bool]:
    """Order → whether the last thing that was to be told of it has been told; none where there was nothing to tell.

    False from the moment it is to be told, so that `false` and a stuck webhook are never mistaken for "nothing to do".
    """
    rows = Delivery.objects.filter(order_id__in=[order.pk for order in orders]).order_by("sequence", "created_at")
    return {
        order_id: state == Delivery.State.DELIVERED for order_id, state in rows.values_list("order_id", "state")
    }  # the later of an order's rows stands


def event_out(event: OrderEvent) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "event": event.kind,
        "at": iso_milliseconds(event.at),
        "paymentId": str(event.payment_id) if event.payment_id else None,
        "refundId": str(event.refund_id) if event.refund_id else None,
    }


def refund_out(refund: Refund) -> dict[str, Any]:
    return {
        "id": str(refund.pk),
        "invoiceId": str(refund.payment.order_id),
        "amount": refund.amount_minor,
        "currency": refund.currency,
        "status": REFUND_STATUSES[Refund.Status(refund.status)],
        "reason": refund.reason or None,
        "providerRefundId": refund.processor_ref or None,
        "error": refund.failure_message or None if refund.status == Refund.Status.FAILED else None,
        "createdAt": iso_milliseconds(refund.created_at),
        "settledAt": iso_milliseconds(refund.settled_at) if refund.settled_at else None,
    }
