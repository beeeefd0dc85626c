"""One payment: where it stands, what happened, its tries, refunds and webhooks, and every id it has."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from checkout import notifications, refunds, sellers, statuses, wording
from checkout.models import Order, Payment, Refund
from checkout.portal import clock, delivery_words, frame, payment_words
from checkout.portal.access import DEVELOPER, OWNER, PortalRequest
from gateway import registry
from gateway.money import Money
from providers import members
from webhooks.models import Delivery

DELIVERIES = 50  # shown of an order at most


@dataclass(frozen=True, slots=True)
class Try:
    """One payment of the order as the page shows it. `left` can still go back; `refund_url` where one may ask."""

    row: Payment
    badge: payment_words.Badge
    processor: str
    method: str
    advice: str
    captured: Money
    left: Money
    refunds: list[tuple[Refund, payment_words.Badge, str, str]]  # …, when, who
    refund_url: str
    why_not: str


def show(request: PortalRequest, order_id: UUID) -> HttpResponse:
    order = order_of(request, order_id)
    tries = list(order.payments.order_by("created_at", "pk").prefetch_related("refunds"))
    back = {refund.pk: refund for row in tries for refund in row.refunds.all()}
    is_owner = members.may(request.member.role, OWNER)
    now = timezone.now()
    events = list(order.events.all())
    causes = {event.refund_id: event.cause for event in reversed(events) if event.refund_id}  # of the first of each
    told = Delivery.objects.filter(order_id=order.pk, provider=request.provider).order_by("-sequence", "-id")
    context = {
        "section": "payments",
        "order": order,
        "badges": payment_words.badges_of(order, tries),
        "bought": payment_words.bought(order),
        "seller": sellers.seller_name(order) if order.business_id else "",
        "facts": _facts(order, request),
        "tries": [_try(order, row, causes, is_owner=is_owner, request=request) for row in reversed(tries)],
        "lines": [
            (line, clock.moment(line.at, request.provider))
            for line in payment_words.timeline(order, events, {row.pk: row for row in tries}, back)
        ],
        "deliveries": [
            (
                row,
                delivery_words.event_of(row),
                payment_words.Badge(*delivery_words.STATES[row.state]),
                delivery_words.answer_of(row),
            )
            for row in told[:DELIVERIES]
        ],
        "has_address": bool(order.notify_url or request.provider.webhook_url),
        "checkout_url": f"{settings.BASE_URL}/checkout/o/{order.token}" if statuses.can_be_paid(order, now=now) else "",
        "receipt_url": notifications.receipt_url(order) if order.paid_at else "",
        "ids": _ids(order, tries),
        "is_owner": is_owner,
        "may_replay": members.may(request.member.role, DEVELOPER),
    }
    return frame.page(request, "portal/payment.html", context)


def order_of(request: PortalRequest, order_id: UUID) -> Order:
    """Http404 for what is another provider's or of the other mode."""
    found = Order.objects.filter(pk=order_id, provider=request.provider, mode=request.mode).first()
    if found is None:
        raise Http404
    return found


def why_not(order: Order, payment: Payment, *, left: int) -> str:
    """Why this payment cannot be sent back from here; empty when it can."""
    if payment.status != Payment.Status.CAPTURED:
        return _("No money was taken by this try.")
    if payment.is_disputed:
        return _("The buyer disputes this payment: the dispute decides where the money goes.")
    entry = registry.PROCESSORS.get(payment.processor)
    if entry is None or not entry.capabilities.can_refund:
        return _(
            "%(processor)s takes no refunds from other systems. Send the money back in its own cabinet; "
            "we hear of it from there, or our staff write it down."
        ) % {"processor": payment_words.processor_name(payment.processor)}
    return "" if left else _("All of it has gone back, or is on its way.")


def _try(order: Order, row: Payment, causes: dict[UUID, str], *, is_owner: bool, request: PortalRequest) -> Try:
    reserved = sum(refund.amount_minor for refund in row.refunds.all() if refund.status in Refund.RESERVING)
    left = max(0, row.captured_minor - reserved)
    reason = why_not(order, row, left=left)
    may = is_owner and not reason
    method = wording.method_name(row.method, row.processor)
    return Try(
        row=row,
        badge=payment_words.Badge(*payment_words.TRIES[row.status]),
        processor=payment_words.processor_name(row.processor),
        method=method,
        advice=payment_words.advice_of(row),
        captured=Money(row.captured_minor, row.currency),
        left=Money(left, row.currency),
        refunds=[
            (
                refund,
                payment_words.Badge(*payment_words.REFUNDS[refund.status]),
                clock.moment(refund.created_at, request.provider),
                payment_words.who(causes.get(refund.pk, ""), method),
            )
            for refund in row.refunds.all()
        ],
        refund_url=reverse("portal:refund", args=[order.pk, row.pk]) if may else "",
        why_not=reason if row.captured_minor else "",
    )


def _facts(order: Order, request: PortalRequest) -> list[tuple[str, Any]]:
    """What is known, line by line; what is not is left out."""
    at = request.provider
    lines = [
        (_("For"), payment_words.bought(order)),
        (_("Your number"), order.external_id),
        (_("Business"), order.business_id and f"{sellers.seller_name(order)} · {order.business_id}"),
        (_("Buyer"), order.payer_email),
        (_("Made on"), clock.moment(order.created_at, at)),
        (_("Paid on"), clock.moment(order.paid_at, at)),
        (_("Can be paid until"), "" if order.paid_at or order.ended_at else clock.moment(order.expires_at, at)),
    ]
    return [(name, value) for name, value in lines if value]


def _ids(order: Order, tries: list[Payment]) -> list[tuple[str, str]]:
    """Every id that support, a processor or a log may speak of."""
    found = [("orderId", str(order.pk)), ("externalId", order.external_id), ("businessId", order.business_id)]
    found += [("code", order.code or ""), ("watch_code", order.watch_code or ""), ("receipt", order.receipt_code)]
    for row in tries:
        found += [
            (f"{row.processor}: paymentId", str(row.pk)),
            (f"{row.processor}: reference", row.processor_ref),
            (f"{row.processor}: capture", row.capture_ref),
        ]
        found += [(f"{row.processor}: refundId", str(refund.pk)) for refund in row.refunds.all()]
        found += [(f"{row.processor}: refund", refund.processor_ref) for refund in row.refunds.all()]
    return [(name, value) for name, value in found if value]


def remaining(payment: Payment) -> Money:
    return Money(refunds.remaining_minor(payment), payment.currency)
