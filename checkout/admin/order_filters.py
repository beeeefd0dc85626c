"""What the list of orders can be narrowed to."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Exists, F, OuterRef, QuerySet
from django.http import HttpRequest

from checkout.models import Order, Payment
from gateway import registry
from providers.models import Provider

LONGEST_BUSINESS = 128


class ProcessorFilter(admin.SimpleListFilter):
    title = "processor"
    parameter_name = "processor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(entry.slug, entry.name) for entry in registry.PROCESSORS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if not self.value():
            return queryset
        return queryset.filter(Exists(Payment.objects.filter(order=OuterRef("pk"), processor=self.value())))


class AttentionFilter(admin.SimpleListFilter):
    """What a person should look at."""

    title = "needs attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("review", "under review"),
            ("unknown", "outcome unknown"),
            ("duplicate", "paid twice"),
            ("late", "paid late"),
            ("same_external_id", "same external id"),
            ("disputed", "disputed"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        payments = Payment.objects.all()
        match self.value():
            case "review":
                return queryset.filter(pk__in=payments.filter(status="review").values("order_id"))
            case "unknown":
                return queryset.filter(pk__in=payments.filter(status="unknown").values("order_id"))
            case "duplicate":
                kept = payments.filter(is_duplicate=True, refunded_minor__lt=F("captured_minor"))
                return queryset.filter(pk__in=kept.values("order_id"))
            case "disputed":
                return queryset.filter(pk__in=payments.filter(is_disputed=True).values("order_id"))
            case "late":
                return queryset.filter(is_late=True)
            case "same_external_id":
                return queryset.filter(shares_external_id=True)
        return queryset


class PinnedFilter(admin.SimpleListFilter):
    """The only processor that an order may be paid at, as its invoice named it."""

    title = "pinned processor"
    parameter_name = "pinned"
    FREE = "none"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        pinned = [(entry.slug, f"only {entry.name}") for entry in registry.PROCESSORS.values()]
        return [*pinned, (self.FREE, "the buyer chooses")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if not self.value():
            return queryset
        return queryset.filter(processor="" if self.value() == self.FREE else self.value())


class BusinessFilter(admin.SimpleListFilter):
    """One business by its id, typed: there may be thousands of them."""

    title = "business"
    parameter_name = "business"
    template = "staff/filter_text.html"

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def choices(self, changelist: Any) -> Iterator[Any]:
        others = {name: text for name, text in changelist.get_filters_params().items() if name != self.parameter_name}
        yield {
            "value": self.value() or "",
            "others": [(name, text) for name, texts in others.items() for text in _each(texts)],
            "search": changelist.query,
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        wanted = (self.value() or "").strip()[:LONGEST_BUSINESS].replace("\x00", "")
        if not wanted:
            return queryset
        # With the providers named, the index by provider and business serves.
        return queryset.filter(provider__in=list(Provider.objects.values_list("pk", flat=True)), business_id=wanted)


def _each(texts: Any) -> list[str]:
    return list(texts) if isinstance(texts, list | tuple) else [texts]
