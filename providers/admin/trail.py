"""The audit trail: read, filter, never write."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from providers import backoffice
from providers.admin.base import ReadOnlyAdmin
from providers.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    section = "Audit trail"
    list_display = ["at_shown", "actor_name", "act_shown", "target", "details_shown", "address"]
    list_display_links = None
    list_filter = ["act", "at", "actor"]
    search_fields = ["target_id"]
    search_help_text = "A person, an act, or the whole id of what it was done to"
    ordering = ["-id"]

    @admin.display(description="When", ordering="id")
    def at_shown(self, entry: AuditEntry) -> str:
        return backoffice.when(entry.at)

    @admin.display(description="Act", ordering="act")
    def act_shown(self, entry: AuditEntry) -> str:
        return entry.act.replace("_", " ")

    @admin.display(description="Done to")
    def target(self, entry: AuditEntry) -> str:
        if not entry.target_type:
            return ""
        return format_html('{} <span class="mono">{}</span>', entry.target_type, entry.target_id)

    @admin.display(description="Details")
    def details_shown(self, entry: AuditEntry) -> str:
        return format_html_join(
            "\n", "<div>{}: {}</div>", (_line(name, value) for name, value in entry.details.items())
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        by_target = queryset.filter(target_id=term)
        if by_target.exists():
            return by_target, False
        return queryset.filter(actor_name__iexact=term) | queryset.filter(act=term.lower().replace(" ", "_")), False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("providers.view_auditentry")


def _line(name: str, value: Any) -> tuple[str, str]:
    label = name.replace("_", " ")
    if isinstance(value, dict) and set(value) == {"from", "to"}:
        return label, f"{value['from'] or '(empty)'} → {value['to'] or '(empty)'}"
    return label, str(value)
