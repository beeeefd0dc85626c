"""Services: what is sold, with the price in major units as people say it."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.forms.models import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from moneyed import CURRENCIES
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from gateway.money import MAX_MINOR, InexactAmount, Money, exponent_of
from providers import audit, backoffice
from providers.admin.base import PayModelAdmin
from providers.models import Service

_FIRST = ("USD", "EUR", "UZS", "INR", "GBP")
CURRENCY_CHOICES = [
    (code, f"{code} · {CURRENCIES[code].name}")
    for code in (*_FIRST, *(code for code in sorted(CURRENCIES) if code not in _FIRST and not code.startswith("X")))
]


class ServiceForm(ModelForm):
    price = forms.DecimalField(
        min_value=Decimal(0),
        max_digits=18,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="Unit price as people say it: 5 or 4.99. Orders already made keep their amount.",
    )
    currency = forms.ChoiceField(choices=CURRENCY_CHOICES, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Service
        fields = ["title", "slug", "price", "currency", "description", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.price_minor:
            money = Money(self.instance.price_minor, self.instance.currency)
            self.initial["price"] = f"{money.major:.{exponent_of(money.currency)}f}"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        price, currency = cleaned.get("price"), cleaned.get("currency")
        if price is not None and currency:
            try:
                minor = Money.from_major(price, currency).minor
            except InexactAmount:
                places = exponent_of(currency)
                self.add_error(
                    "price", f"{currency} has {places} decimals" if places else f"{currency} has no decimals"
                )
            else:
                if not 0 < minor <= MAX_MINOR:
                    self.add_error("price", "The price must be more than nothing, and less than a fortune.")
                self.instance.price_minor = minor
        return cleaned


@admin.register(Service)
class ServiceAdmin(PayModelAdmin):
    section = "Services"
    form = ServiceForm
    add_label = "Create New Service"
    list_display = ["title", "slug", "price_shown", "state", "buy_page"]
    list_filter = ["is_active"]
    search_fields = ["title", "slug"]
    prepopulated_fields = {"slug": ["title"]}
    fields = ["title", "slug", ("price", "currency"), "description", "is_active"]

    @admin.display(description="Price", ordering="price_minor")
    def price_shown(self, service: Service) -> str:
        return backoffice.money(service.price_minor, service.currency)

    @admin.display(description="State", ordering="is_active")
    def state(self, service: Service) -> str:
        return backoffice.badge("active", backoffice.OK) if service.is_active else backoffice.badge("inactive")

    @admin.display(description="Buy page")
    def buy_page(self, service: Service) -> str:
        return format_html('<a href="/services/{}">/services/{}</a>', service.slug, service.slug)

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        before = _facts(Service.objects.get(pk=obj.pk)) if change else {}
        super().save_model(request, obj, form, change)
        audit.record(
            actor=request.user,  # type: ignore[arg-type]
            act="service_changed" if change else "service_created",
            target=obj,
            details=audit.changes(before, _facts(obj)),
            request=request,
            now=timezone.now(),
        )


def _facts(service: Service) -> dict[str, Any]:
    return {
        "title": service.title,
        "slug": service.slug,
        "price": str(Money(service.price_minor, service.currency)),
        "is_active": service.is_active,
    }
