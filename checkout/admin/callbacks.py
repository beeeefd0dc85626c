"""What processors sent us, as it arrived: the ones that went wrong first."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from checkout.models import CallbackRecord
from providers import backoffice
from providers.admin.base import ReadOnlyAdmin

Verdict = CallbackRecord.Verdict
WENT_WRONG = [Verdict.FAILED, Verdict.REFUSED, Verdict.UNKNOWN_REFERENCE]
STARTED_AND_NOT_FINISHED = timedelta(minutes=5)


class TroubleFilter(admin.SimpleListFilter):
    title = "trouble"
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("any", "failed, refused or unknown"),
            ("failed", "failed on our side"),
            ("unverified", "not verified"),
            ("unknown", "unknown reference"),
            ("unfinished", "never finished"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CallbackRecord]) -> QuerySet[CallbackRecord]:
        match self.value():
            case "any":
                return queryset.filter(verdict__in=WENT_WRONG)
            case "failed":
                return queryset.filter(verdict=Verdict.FAILED)
            case "unverified":
                return queryset.filter(is_verified=False)
            case "unknown":
                return queryset.filter(verdict=Verdict.UNKNOWN_REFERENCE)
            case "unfinished":
                before = timezone.now() - STARTED_AND_NOT_FINISHED
                return queryset.filter(verdict=Verdict.RECEIVED, received_at__lt=before)
        return queryset


class ModeFilter(admin.SimpleListFilter):
    """By the account that verified it; what no account verified has no mode."""

    title = "mode"
    parameter_name = "mode"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "live"), ("test", "test"), ("none", "none: not verified")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CallbackRecord]) -> QuerySet[CallbackRecord]:
        if self.value() == "none":
            return queryset.filter(account=None)
        return queryset.filter(account__mode=self.value()) if self.value() else queryset


@admin.register(CallbackRecord)
class CallbackRecordAdmin(ReadOnlyAdmin):
    section = "Callbacks of processors"
    list_display = ["received_shown", "processor", "event_type", "verdict_shown", "verified", "note", "address"]
    list_filter = [TroubleFilter, ModeFilter, "processor", "verdict", "received_at"]
    search_fields = ["event_id"]
    search_help_text = "The whole id of an order, a payment, or the processor's event"
    ordering = ["-id"]

    @admin.display(description="Received", ordering="id")
    def received_shown(self, record: CallbackRecord) -> str:
        return backoffice.when(record.received_at)

    @admin.display(description="Verdict", ordering="verdict")
    def verdict_shown(self, record: CallbackRecord) -> str:
        return backoffice.badge(record.get_verdict_display(), backoffice.VERDICT_MEANING[record.verdict])

    @admin.display(description="Signature")
    def verified(self, record: CallbackRecord) -> str:
        if record.is_verified:
            return backoffice.badge("verified", backoffice.OK)
        return backoffice.badge("not verified", backoffice.WAIT)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CallbackRecord], search_term: str
    ) -> tuple[QuerySet[CallbackRecord], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            wanted = UUID(term)
        except ValueError:
            return queryset.filter(event_id=term), False
        return queryset.filter(order_id=wanted) | queryset.filter(payment_id=wanted) | queryset.filter(pk=wanted), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        record = self.row(request, object_id)
        order = ""
        if record.order_id:
            url = reverse("admin:checkout_order_change", args=[record.order_id])
            order = format_html('<a href="{}"><code>{}</code></a>', url, record.order_id)
        return self.page(
            request,
            "staff/callback.html",
            f"Callback of {record.processor}",
            {"record": record, "meaning": backoffice.VERDICT_MEANING[record.verdict], "order": order},
        )
