"""Orders: a list that finds, and one page per order that explains. Read-only; acts are in `order_acts`."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from unfold.dataclasses import SearchResult

from checkout import notifications, refunds, siblings
from checkout.admin import at_processor, letters
from checkout.admin.order_acts import OrderActs
from checkout.admin.order_filters import AttentionFilter, BusinessFilter, PinnedFilter, ProcessorFilter
from checkout.admin.words import timeline
from checkout.models import CallbackRecord, Order, Payment, ProcessorTransaction, Refund
from gateway import registry
from providers import backoffice
from providers.models import Approval, Provider
from webhooks.admin import answer_of, words_of
from webhooks.models import Delivery

FOUND = 200  # rows of one external id or reference that a search lists at most
CALLBACKS = 50  # shown of an order at most
DELIVERIES = 50  # shown of an order at most
SIBLINGS = 20  # shown of them at most; each is a retry of the same sourceInvoiceId
LONGEST_NUMBER = 18  # digits that are surely a number of ours
SHORTEST_PREFIX = 8  # characters of an order id that are enough to look it up by


@admin.register(Order)
class OrderAdmin(OrderActs):
    section = "Orders"
    list_display = ["order_id", "made", "state", "amount", "provider_shown", "bought"]
    list_display_links = ["order_id"]
    list_filter = [
        "status", "mode", AttentionFilter, BusinessFilter, ProcessorFilter, PinnedFilter, "dialect", "provider",
        "created_at",
    ]  # fmt: skip
    list_select_related = ["provider"]
    search_fields = ["id"]
    search_help_text = (
        "An order id (or how it begins), an external id or sourceInvoiceId, a checkout token, a processor's id of its "
        "transaction, Click's prepare id, a receipt's code"
    )
    ordering = ["-id"]  # ids sort by time, and this index is there

    # --- the list ----------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        payments = Payment.objects.filter(order=OuterRef("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                has_review=Exists(payments.filter(status="review")),
                has_unknown=Exists(payments.filter(status="unknown")),
                has_duplicate=Exists(payments.filter(is_duplicate=True)),
            )
        )

    @admin.display(description="Order", ordering="id")
    def order_id(self, order: Order) -> str:
        known_as = format_html('<span class="cut quiet" title="{0}">{0}</span>', order.external_id)
        return format_html('<span class="mono keep">{}</span>{}', order.pk, known_as if order.external_id else "")

    @admin.display(description="State", ordering="status")
    def state(self, order: Order) -> str:
        return mark_safe("".join(badges_of(order)))  # noqa: S308  # badges escape what they say

    @admin.display(description="Amount", ordering="amount_minor")
    def amount(self, order: Order) -> str:
        return format_html('<span class="num">{}</span>', backoffice.money(order.amount_minor, order.currency))

    @admin.display(description="Provider", ordering="provider__name")
    def provider_shown(self, order: Order) -> str:
        business = ""
        if order.business_id:
            business = format_html('<span class="cut quiet mono" title="{0}">{0}</span>', order.business_id)
        return format_html('<span class="cut" title="{0}">{0}</span>{1}', order.provider_name or "–", business)

    @admin.display(description="Bought")
    def bought(self, order: Order) -> str:
        what = order.service_name or order.description or _first_line(order)
        said = f"{what} × {order.quantity}" if order.quantity > 1 else what
        return format_html('<span class="cut" title="{0}">{0}</span>', said)

    @admin.display(description="Made", ordering="id")
    def made(self, order: Order) -> str:
        return backoffice.when(order.created_at)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        return search(queryset, search_term), False

    # --- the page ----------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        order = self.row(request, object_id)
        payments = list(order.payments.select_related("account").prefetch_related("processor_transactions"))
        made_refunds = list(Refund.objects.filter(payment__order=order).select_related("payment"))
        deliveries = Delivery.objects.filter(order_id=order.pk).order_by("sequence", "id").prefetch_related("tries")
        told = list(deliveries)
        waiting = Approval.objects.filter(state=Approval.State.WAITING)
        ids = [str(payment.pk) for payment in payments]
        waiting = waiting.filter(
            Q(target_type="payment", target_id__in=ids)
            | Q(pk__in=[refund.approval_id for refund in made_refunds if refund.approval_id])
        )
        return self.page(
            request,
            "staff/order.html",
            f"Order {order.pk}",
            {
                "order": order,
                "badges": badges_of(order),
                "now": timezone.now(),
                "payments": [
                    {
                        "row": payment,
                        "meaning": backoffice.PAYMENT_MEANING[payment.status],
                        "remaining": refunds.remaining_minor(payment) if payment.captured_minor else 0,
                        "can_refund": request.user.has_perm("checkout.make_refund"),
                        "where_to_refund": at_processor.where_to_refund(payment),
                        **_at_processor(payment),
                        "can_capture": payment.status == "authorized" and request.user.has_perm("checkout.make_refund"),
                        "can_settle": payment.status == "review" and request.user.has_perm("checkout.settle_review"),
                    }
                    for payment in payments
                ],
                "refunds": [(refund, backoffice.REFUND_MEANING[refund.status]) for refund in made_refunds],
                "timeline": timeline(order.events.all(), order.currency),
                "callbacks": [
                    (record, backoffice.VERDICT_MEANING[record.verdict]) for record in _callbacks_of(order, payments)
                ],
                "deliveries": [
                    (row, words_of(row), backoffice.DELIVERY_MEANING[row.state], answer_of(row))
                    for row in told[:DELIVERIES]
                ],
                "is_told": _is_told(told),
                "siblings": [
                    (other, badges_of(other)) for other in siblings.siblings_of(order).order_by("-id")[:SIBLINGS]
                ],
                "business_url": _business_url(order),
                "lines": order.items,
                "lines_total": sum(line["total"] for line in order.items),
                "receipt_url": notifications.receipt_url(order) if order.paid_at else "",
                "waiting": waiting.select_related("requested_by"),
                **letters.panel(request, order),
                "can_cancel": request.user.has_perm("checkout.cancel_order")
                and order.status in ("created", "pending", "processing", "failed"),
                "can_ask": any(payment.status in Payment.OPEN and _can_be_asked(payment) for payment in payments),
                "may_replay": request.user.has_perm("webhooks.replay_delivery"),
                "may_see_deliveries": request.user.has_perm("webhooks.view_delivery"),
                "others": Order.objects.filter(provider=order.provider, external_id=order.external_id).exclude(
                    pk=order.pk
                )[:5]
                if order.shares_external_id
                else [],
            },
        )


def badges_of(order: Order) -> list[SafeString]:
    """State first, then the mode where it is test, then what asks for attention."""
    words = [backoffice.badge(order.get_status_display(), backoffice.ORDER_MEANING[order.status])]
    if order.mode == "test":
        words.append(backoffice.mode_badge("test"))
    if order.status == "paid" and order.refunded_minor:
        words.append(backoffice.badge("partly refunded", backoffice.INFO))
    if getattr(order, "has_review", False):
        words.append(backoffice.badge("under review", backoffice.BAD))
    if getattr(order, "has_unknown", False):
        words.append(backoffice.badge("outcome unknown", backoffice.WAIT))
    if getattr(order, "has_duplicate", False):
        words.append(backoffice.badge("paid twice", backoffice.BAD))
    if order.is_late:
        words.append(backoffice.badge("paid late", backoffice.WAIT))
    if order.shares_external_id:
        words.append(backoffice.badge("same external id", backoffice.WAIT))
    return words


def _business_url(order: Order) -> str:
    if order.provider is None or not order.business_id:
        return ""
    return f"{reverse('admin:businesses_one')}?{urlencode({'source': order.provider.slug, 'id': order.business_id})}"


def _can_be_asked(payment: Payment) -> bool:
    entry = registry.PROCESSORS.get(payment.processor)
    return entry is not None and entry.capabilities.has_status


def _callbacks_of(order: Order, payments: list[Payment]) -> QuerySet[CallbackRecord]:
    """By the order they name, or by the transaction alone: Payme's Perform and Uzum's confirm name nothing else."""
    refs = {row.transaction_ref for payment in payments for row in payment.processor_transactions.all()}
    named = Q(order_id=order.pk)
    if refs:
        processors = {payment.processor for payment in payments}
        named |= Q(processor__in=processors, event_id__in=refs, is_verified=True)
    return CallbackRecord.objects.filter(named).order_by("-id")[:CALLBACKS]


def _at_processor(payment: Payment) -> dict[str, Any]:
    """Its transactions there, and of all that was told about it what they do not say already."""
    transactions = at_processor.transactions_of(payment)
    said = [value for one in transactions for _, value in (*one.facts, *one.others)]
    facts, others = at_processor.facts_of(payment.processor_data, but=said)
    return {"transactions": transactions, "facts": facts, "others": others}


def _first_line(order: Order) -> str:
    """What an invoice without a description is for: the first line of its receipt."""
    if not order.items:
        return "–"
    more = f" and {len(order.items) - 1} more" if len(order.items) > 1 else ""
    return f"{order.items[0].get('name', '–')}{more}"


def _is_told(deliveries: list[Delivery]) -> bool | None:
    """The invoice's `notify_delivered`: whether the last thing there was to tell was told. None: nothing was."""
    return deliveries[-1].state == Delivery.State.DELIVERED if deliveries else None


# --- finding ------------------------------------------------------------------------------------------------------


def search(queryset: QuerySet[Order], text: str) -> QuerySet[Order]:
    """By any id that names an order.

    The ids are looked up first, each way by its own index: with an OR of subqueries the database would read
    the whole table.
    """
    term = text.strip()
    if not term:
        return queryset
    if term.startswith("tok_"):
        return queryset.filter(token=term)
    if term.startswith("pt_"):
        return queryset.filter(code=term)
    if term.startswith("rcp_"):
        return queryset.filter(receipt_code=term)
    found: list[UUID] = []
    ends = _range_of(term)
    if ends is not None:
        if ends[0] != ends[1] and Order.objects.filter(pk__range=ends).exists():
            return queryset.filter(pk__range=ends)
        found += [ends[0], *Payment.objects.filter(pk=ends[0]).values_list("order_id", flat=True)]
        found += Refund.objects.filter(pk=ends[0]).values_list("payment__order_id", flat=True)
    if term.isascii() and term.isdigit() and len(term) <= LONGEST_NUMBER:  # our number at a processor that asks first
        found += ProcessorTransaction.objects.filter(pk=int(term)).values_list("order_id", flat=True)
    # What a processor called its transaction in a callback, where that is not our reference there (Multicard).
    told = CallbackRecord.objects.filter(processor__in=list(registry.PROCESSORS), event_id=term, is_verified=True)
    found += [known for known in told.values_list("order_id", flat=True)[:FOUND] if known]
    for column in ("processor_ref", "capture_ref"):
        references = Payment.objects.filter(processor__in=list(registry.PROCESSORS), **{column: term})
        found += references.values_list("order_id", flat=True)[:FOUND]
    providers = list(Provider.objects.values_list("pk", flat=True))
    found += Order.objects.filter(provider__in=providers, external_id=term).values_list("pk", flat=True)[:FOUND]
    return queryset.filter(pk__in=found)


def _range_of(text: str) -> tuple[UUID, UUID] | None:
    """The ids that begin like this: both ends the same for a whole id, None for what cannot begin one."""
    plain = text.replace("-", "").lower()
    if not SHORTEST_PREFIX <= len(plain) <= 32 or any(letter not in "0123456789abcdef" for letter in plain):
        return None
    return UUID(plain.ljust(32, "0")), UUID(plain.ljust(32, "f"))


def find(request: HttpRequest, text: str) -> list[SearchResult]:
    """For the search that opens with Ctrl+K."""
    if not request.user.has_perm("checkout.view_order"):
        return []
    return [
        SearchResult(
            title=f"Order {order.pk}",
            description=f"{backoffice.money(order.amount_minor, order.currency)}, {order.get_status_display()}",
            link=reverse("admin:checkout_order_change", args=[order.pk]),
            icon="receipt_long",
        )
        for order in search(Order.objects.order_by("-id"), text)[:10]
    ]
