"""Webhooks to providers: what is stuck, what was said and answered at each try, and sending again.

Providers are registered here too: their form has to know where webhooks may go.
"""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from providers import audit, backoffice
from providers.admin.base import ReadOnlyAdmin
from providers.admin.provider import ProviderAdmin, ProviderForm
from providers.models import Provider
from webhooks import delivery, ladders, targets
from webhooks.models import Delivery

NEEDS_STAFF = [Delivery.State.STUCK, Delivery.State.SUPERSEDED, Delivery.State.ENDED]

# The words on the wire, as people say them. `invoice.*` are ours for the states that the Invoice API tells.
EVENTS = {
    "payment_succeeded": "Payment succeeded",
    "payment_failed": "Payment failed",
    "payment_refunded": "Payment refunded",
    "invoice.paid": "Invoice paid",
    "invoice.failed": "Invoice failed",
    "invoice.cancelled": "Invoice cancelled",
    "invoice.refunded": "Invoice refunded",
}


class CheckedProviderForm(ProviderForm):
    check_webhook_url = staticmethod(targets.check_url)


@admin.register(Provider)
class CheckedProviderAdmin(ProviderAdmin):
    form = CheckedProviderForm


class ViewFilter(admin.SimpleListFilter):
    """The stuck view is what one comes for; everything else is a click away."""

    title = "view"
    parameter_name = "view"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("stuck", "stuck and superseded"),
            *[(str(value), str(label)) for value, label in Delivery.State.choices],
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        if self.value() == "stuck":
            return queryset.filter(state__in=NEEDS_STAFF)
        return queryset.filter(state=self.value()) if self.value() else queryset


class EventFilter(admin.SimpleListFilter):
    title = "event"
    parameter_name = "event_kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(EVENTS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return queryset.filter(event_kind=self.value()) if self.value() else queryset


class ReplayForm(forms.Form):
    forced = forms.BooleanField(
        required=False,
        label="Also what was delivered or superseded",
        help_text="The receiver may hear an old state after a newer one.",
    )


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    section = "Webhooks to providers"
    list_display = ["event", "order", "provider", "mode", "state_shown", "last_answer", "tries", "made", "next_shown"]
    list_filter = [ViewFilter, "provider", "is_livemode", EventFilter]
    list_select_related = ["provider"]
    search_fields = ["order_id"]
    search_help_text = "The whole id of an order or of a delivery"
    ordering = ["-id"]
    actions = ["replay_selected"]

    # --- the list ----------------------------------------------------------------------------------------------

    @admin.display(description="Event")
    def event(self, row: Delivery) -> str:
        return format_html('{}<span class="quiet mono keep below">{}</span>', words_of(row), row.event_kind)

    @admin.display(description="Order")
    def order(self, row: Delivery) -> str:
        return format_html('<span class="mono keep">{}</span>', row.order_id)

    @admin.display(description="Mode", ordering="is_livemode")
    def mode(self, row: Delivery) -> str:
        return backoffice.mode_badge("live" if row.is_livemode else "test")

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: Delivery) -> str:
        return backoffice.badge(row.get_state_display(), backoffice.DELIVERY_MEANING[row.state])

    @admin.display(description="Last answer")
    def last_answer(self, row: Delivery) -> str:
        return answer_of(row)

    @admin.display(description="Tries", ordering="total_attempts")
    def tries(self, row: Delivery) -> int:
        return row.total_attempts

    @admin.display(description="Age", ordering="id")
    def made(self, row: Delivery) -> str:
        ago = backoffice.age(row.created_at, now=timezone.now())
        return format_html('<time datetime="{0}" title="{0}">{1}</time>', row.created_at.isoformat(), ago)

    @admin.display(description="Next try", ordering="next_attempt_at")
    def next_shown(self, row: Delivery) -> str:
        return backoffice.when(row.next_attempt_at, empty="none by itself")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            wanted = UUID(term)
        except ValueError:
            return queryset.filter(host__startswith=term.lower()), False
        return queryset.filter(order_id=wanted) | queryset.filter(pk=wanted), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Opened without a filter it is the stuck view."""
        if not request.GET and request.method == "GET":
            return HttpResponseRedirect(f"{self.list_url()}?view=stuck")
        return super().changelist_view(request, extra_context)

    # --- sending again -----------------------------------------------------------------------------------------

    @admin.action(description="Send again from the first attempt", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        self._replay(request, list(queryset.values_list("pk", flat=True)), forced=False)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.replay_delivery")

    def _replay(self, request: HttpRequest, ids: list[UUID], *, forced: bool) -> None:
        """One audit entry names all that were taken."""
        now = timezone.now()
        with transaction.atomic():
            count = delivery.replay(ids, forced=forced, now=now)
            audit.record(
                actor=request.user if isinstance(request.user, User) else None,
                act="webhooks_replayed",
                target=("delivery", str(ids[0])) if len(ids) == 1 else None,
                details={"asked": len(ids), "taken": count, "forced": forced, "ids": [str(pk) for pk in ids[:50]]},
                request=request,
                now=now,
            )
        self._tell(request, count, len(ids))

    def _tell(self, request: HttpRequest, count: int, asked: int) -> None:
        if count:
            messages.success(request, f"{count} of {asked} will be sent again now, to today's address.")
        else:
            messages.warning(
                request,
                "Nothing was sent again: it is on its way already, has nowhere to go, or was delivered or superseded "
                "(then the forced option sends it).",
            )

    def act_urls(self) -> list[Any]:
        return [
            ("<uuid:delivery_id>/replay/", self.replay_one, "replay"),
            ("provider/<uuid:provider_id>/replay/", self.replay_all, "replay_all"),
        ]

    def replay_one(self, request: HttpRequest, delivery_id: UUID) -> HttpResponse:
        row = self.row(request, str(delivery_id), "webhooks.replay_delivery")
        form = ReplayForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            self._replay(request, [row.pk], forced=form.cleaned_data["forced"])
            return self.to_row(row)
        is_old = row.state in (Delivery.State.SUPERSEDED, Delivery.State.DELIVERED)
        return self.act_page(
            request,
            title=f"Send “{words_of(row)}” again",
            text=f"The same body with the same webhook-id goes to {_whose_address(row)}, from the first attempt on.",
            facts=[
                ("Order", str(row.order_id)),
                ("To", row.url),
                ("Now", self.state_shown(row)),
                ("Last answer", answer_of(row)),
            ],
            notes=["The receiver has heard something newer about this order."] if is_old else [],
            form=form if is_old else None,
            button="Send again",
            back=self.url_of("change", row.pk),
        )

    def replay_all(self, request: HttpRequest, provider_id: UUID) -> HttpResponse:
        if not self.has_replay_permission(request):
            raise PermissionDenied
        provider = get_object_or_404(Provider, pk=provider_id)
        waiting = delivery.stuck().filter(provider=provider).count()
        if request.method == "POST":
            now = timezone.now()
            with transaction.atomic():
                count = delivery.replay_all_of(provider, now=now)
                audit.record(
                    actor=request.user if isinstance(request.user, User) else None,
                    act="webhooks_replayed",
                    target=provider,
                    details={"asked": waiting, "taken": count, "all_of": provider.name},
                    request=request,
                    now=now,
                )
            self._tell(request, count, waiting)
            return HttpResponseRedirect(f"{self.list_url()}?provider__id__exact={provider.pk}")
        return self.act_page(
            request,
            title=f"Send all stuck webhooks of {provider.name} again",
            text="Each goes out with its own body, those of one order in their order.",
            facts=[
                ("Waiting", waiting),
                ("Address", provider.webhook_url or "no webhook URL"),
                ("Beside it", "what was opened with an address of its own (notifyUrl) goes there"),
            ],
            button="Send them all again",
            back=f"{self.list_url()}?view=stuck",
        )

    # --- one delivery ------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.row(request, object_id)
        order_link = ""
        if request.user.has_perm("checkout.view_order"):
            order_link = reverse("admin:checkout_order_change", args=[row.order_id])
        return self.page(
            request,
            "staff/delivery.html",
            words_of(row),
            {
                "delivery": row,
                "whose_address": _whose_address(row),
                "ladder": _ladder_of(row),
                "meaning": backoffice.DELIVERY_MEANING[row.state],
                "answer": answer_of(row),
                "tries": row.tries.all()[:100],
                "order_link": order_link,
                "may_replay": self.has_replay_permission(request),
            },
        )


def words_of(row: Delivery) -> str:
    return EVENTS.get(row.event_kind, row.event_kind)


def _whose_address(row: Delivery) -> str:
    return "the provider's webhook URL of that day" if row.follows_provider else "the order's own notifyUrl"


def _ladder_of(row: Delivery) -> str:
    """ "after 0, 1, 2, 4, 8 s": when the fast tries come."""
    ladder = ladders.LADDERS.get(row.ladder)
    if ladder is None:
        return row.ladder
    delays = ", ".join(f"{seconds:g}" for seconds in ladder.delays_seconds)
    return f"{len(ladder.delays_seconds)}, after {delays} s; stuck from failure {ladder.stuck_after} on"


def answer_of(row: Delivery) -> str:
    """What the receiver said last, in words."""
    if row.last_error:
        return f"{row.last_status}: {row.last_error}" if row.last_status else row.last_error
    return str(row.last_status) if row.last_status else "not tried yet"
