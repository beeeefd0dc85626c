"""Refunds: money that went or is going back. They are asked for on their order's page."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from checkout.models import Refund
from providers import backoffice
from providers.admin.base import ReadOnlyAdmin


class ModeFilter(admin.SimpleListFilter):
    title = "mode"
    parameter_name = "mode"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "live"), ("test", "test")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        return queryset.filter(payment__order__mode=self.value()) if self.value() else queryset


class FailedFilter(admin.SimpleListFilter):
    """Failed, and nothing was done about it since: the buyer still waits for the money."""

    title = "needs attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "failed and not made again")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        return left_alone(queryset) if self.value() == "failed" else queryset


def left_alone(refunds: QuerySet[Refund]) -> QuerySet[Refund]:
    """Failed refunds after which no other one of the same payment was asked for."""
    later = Refund.objects.filter(
        payment=OuterRef("payment"), created_at__gt=OuterRef("created_at"), status__in=Refund.RESERVING
    )
    return refunds.filter(status=Refund.Status.FAILED).exclude(Exists(later))


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    section = "Refunds"
    list_display = ["made", "amount", "state", "order", "processor", "reason", "requested_by", "problem"]
    list_filter = ["status", FailedFilter, ModeFilter, "payment__processor", "is_external", "created_at"]
    list_select_related = ["payment"]
    ordering = ["-id"]

    @admin.display(description="Asked", ordering="id")
    def made(self, refund: Refund) -> str:
        return backoffice.when(refund.created_at)

    @admin.display(description="Amount")
    def amount(self, refund: Refund) -> str:
        return backoffice.money(refund.amount_minor, refund.currency)

    @admin.display(description="State", ordering="status")
    def state(self, refund: Refund) -> str:
        return backoffice.badge(refund.get_status_display(), backoffice.REFUND_MEANING[refund.status])

    @admin.display(description="Order")
    def order(self, refund: Refund) -> str:
        url = reverse("admin:checkout_order_change", args=[refund.payment.order_id])
        return format_html('<a class="mono keep" href="{}">{}</a>', url, refund.payment.order_id)

    @admin.display(description="Processor")
    def processor(self, refund: Refund) -> str:
        return refund.payment.processor

    @admin.display(description="Problem")
    def problem(self, refund: Refund) -> str:
        return refund.failure_message or refund.failure_code

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """A refund is looked at on its order's page."""
        refund = self.row(request, object_id)
        return HttpResponseRedirect(reverse("admin:checkout_order_change", args=[refund.payment.order_id]) + "#refunds")
