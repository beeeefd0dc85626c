"""The service that a provider sells, as its owner makes and changes it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checkout.portal import amounts, frame
from checkout.portal.access import PortalRequest
from providers import selling
from providers.models import Service


class ServiceForm(forms.Form):
    title = forms.CharField(label=gettext_lazy("What buyers read"), max_length=200)
    price = forms.CharField(
        label=gettext_lazy("Price of one"), max_length=24, widget=forms.TextInput(attrs={"inputmode": "decimal"})
    )
    description = forms.CharField(
        label=gettext_lazy("Description"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    is_active = forms.BooleanField(label=gettext_lazy("It can be bought"), required=False)

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency
        self.fields["price"].label = f"{_('Price of one')} ({currency})"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "price" in cleaned:
            try:
                cleaned["price_minor"] = amounts.minor_of(cleaned["price"], self.currency)
            except ValidationError as error:
                self.add_error("price", error)
            else:
                if cleaned["price_minor"] < 1:
                    self.add_error("price", _("More than nothing, please."))
        return cleaned


def create(request: PortalRequest) -> HttpResponse:
    provider = request.provider
    if provider.service is not None:
        return HttpResponseRedirect(reverse("portal:edit_service"))
    form = ServiceForm(
        request.POST if request.method == "POST" else None, currency=provider.currency, initial={"is_active": True}
    )
    if request.method == "POST" and form.is_valid():
        try:
            selling.create_service(
                provider=provider,
                values=form.cleaned_data,
                actor=request.member.user,
                request=request,
                now=timezone.now(),
            )
        except selling.HasOne:  # made in another tab a moment ago
            messages.warning(request, _("There is a service already."))
        else:
            messages.success(request, _("The service is made, and has a page of its own."))
        return _back()
    return _ask(request, _("New service"), form)


def edit(request: PortalRequest) -> HttpResponse:
    service = request.provider.service
    if service is None:
        raise Http404
    if selling.is_shared(request.provider):
        messages.warning(request, _shared())
        return _back()
    form = ServiceForm(
        request.POST if request.method == "POST" else None, currency=service.currency, initial=_initial(service)
    )
    if request.method == "POST" and form.is_valid():
        try:
            selling.change_service(
                provider=request.provider,
                values=form.cleaned_data,
                actor=request.member.user,
                request=request,
                now=timezone.now(),
            )
        except selling.IsShared:
            messages.warning(request, _shared())
        else:
            messages.success(request, _("Saved."))
        return _back()
    return _ask(request, _("Change the service"), form)


def _ask(request: PortalRequest, title: str, form: ServiceForm) -> HttpResponse:
    return frame.ask(
        request,
        title=title,
        text=_("Orders that were made keep their amount. New ones are multiples of the price."),
        form=form,
        button=_("Save"),
        back=reverse("portal:settings"),
        section="settings",
    )


def _initial(service: Service) -> dict[str, Any]:
    return {
        "title": service.title,
        "price": amounts.plain_text(service.price_minor, service.currency),
        "description": service.description,
        "is_active": service.is_active,
    }


def _shared() -> str:
    return _("Another seller sells this service too: ask us to change it.")


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:settings"))
