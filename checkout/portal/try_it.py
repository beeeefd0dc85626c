"""Trying the integration out: a test payment through the domain itself, followed from order to webhook.

It is a payment like those that come over the API, always in test mode, whichever mode the portal shows.
"""

import secrets
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checkout import notifications, orders, ratelimit, statuses
from checkout.errors import AmountNotAMultiple, AmountTooSmall, CheckoutError
from checkout.models import Order
from checkout.portal import amounts, clock, delivery_words, frame, payment_words
from checkout.portal.access import TEST, PortalRequest
from gateway.money import Money
from gateway.types import Mode
from providers import audit
from providers.ids import payment_code, watch_code
from providers.models import Provider
from webhooks.models import Delivery

PREFIX = "try-"
TRIES_PER_MINUTE = 10
LATEST = 5
REFRESH_SECONDS = 4


class TryForm(forms.Form):
    """How much, and over which API. The Provider API sells a service; the Merchant-secret API any amount."""

    api = forms.ChoiceField(label=gettext_lazy("As if it came over the"), widget=forms.RadioSelect)
    amount = forms.CharField(
        label=gettext_lazy("Amount"), max_length=24, widget=forms.TextInput(attrs={"inputmode": "decimal"})
    )

    def __init__(self, *args: Any, provider: Provider, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.provider = provider
        service = provider.service
        choices = [(Order.Dialect.MERCHANT_SECRET.value, f"Merchant-secret API ({provider.currency})")]
        if service is not None:
            choices.insert(0, (Order.Dialect.PROVIDER.value, f"Provider API ({service.currency})"))
        self.fields["api"].choices = choices  # type: ignore[attr-defined]
        self.initial.setdefault("api", choices[0][0])
        example = Money(service.price_minor, service.currency) if service else Money(1000, provider.currency)
        self.initial.setdefault("amount", amounts.plain_text(example.minor, example.currency))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "api" in cleaned and "amount" in cleaned:
            service = self.provider.service
            is_sold = cleaned["api"] == Order.Dialect.PROVIDER and service is not None
            currency = service.currency if is_sold and service else self.provider.currency
            try:
                minor = amounts.minor_of(cleaned["amount"], currency)
            except ValidationError as error:
                self.add_error("amount", error)
            else:
                if minor < 1:
                    self.add_error("amount", _("More than nothing, please."))
                cleaned["money"] = Money(minor, currency)
        return cleaned


def latest(provider: Provider) -> list[tuple[Order, str, list[payment_words.Badge]]]:
    """The last tries: (order, when, how it stands)."""
    found = Order.objects.filter(provider=provider, mode=TEST, external_id__startswith=PREFIX)
    return [
        (order, clock.short(order.created_at, provider), payment_words.badges_of(order, list(order.payments.all())))
        for order in found.prefetch_related("payments").order_by("-created_at", "-id")[:LATEST]
    ]


def start(request: PortalRequest) -> HttpResponse:
    form = TryForm(request.POST, provider=request.provider)
    if form.is_valid():
        try:
            order = _open(request, form.cleaned_data["api"], form.cleaned_data["money"])
        except ratelimit.TooManyRequests:
            form.add_error(None, _("Too many at once. Wait a minute."))
        except CheckoutError as error:
            form.add_error(None, _said(error))
        else:
            return HttpResponseRedirect(reverse("portal:try", args=[order.pk]))
    context = {"section": "developers", "title": _("Try it"), "try_form": form}
    return frame.page(request, "portal/try_again.html", context, status=400)


def _open(request: PortalRequest, api: str, money: Money) -> Order:
    now, provider, user = timezone.now(), request.provider, request.member.user
    ratelimit.count(f"portal/try/{provider.pk}", per_minute=TRIES_PER_MINUTE, now=now)
    is_sold = api == Order.Dialect.PROVIDER
    order = orders.open_order(
        dialect=Order.Dialect(api),
        mode=Mode.TEST,
        provider=provider,
        service=provider.service if is_sold else None,
        amount=money,
        external_id=PREFIX + secrets.token_hex(5),
        description="" if is_sold else provider.name,
        code=None if is_sold else payment_code(),
        watch_code=None if is_sold else watch_code(),
        cause=f"portal {user.get_username()}",
        now=now,
    )
    audit.record(
        actor=user,
        act="test_payment_started",
        target=("provider", str(provider.pk)),
        details={"order": str(order.pk)},
        request=request,
        now=now,
    )
    return order


def _said(error: CheckoutError) -> str:
    """Why no order was opened, in the reader's language; the API's own words where there are none."""
    if isinstance(error, AmountTooSmall):
        return _("The amount is less than the price of your service.")
    if isinstance(error, AmountNotAMultiple):
        return _("The amount is not a multiple of the price of your service.")
    if error.code == "METHOD_NOT_AVAILABLE":
        return _("No processor of yours can take this in test mode. Ask us to set up a test account.")
    return str(error)


def follow(request: PortalRequest, order_id: UUID) -> HttpResponse:
    """Where the try stands. It looks again by itself while something may still happen, also without script."""
    found = Order.objects.filter(pk=order_id, provider=request.provider, mode=TEST)
    order = found.filter(external_id__startswith=PREFIX).first()
    if order is None:
        raise Http404
    tries = list(order.payments.prefetch_related("refunds"))
    told = list(Delivery.objects.filter(order_id=order.pk, provider=request.provider).order_by("-sequence", "-id"))
    is_paid = order.paid_at is not None
    is_waiting = not is_paid and statuses.can_be_paid(order, now=timezone.now())
    is_telling = any(row.state == Delivery.State.PENDING for row in told)
    refunds = {refund.pk: refund for row in tries for refund in row.refunds.all()}
    lines = payment_words.timeline(order, order.events.all(), {row.pk: row for row in tries}, refunds)
    context = {
        "section": "developers",
        "title": _("Your test payment"),
        "order": order,
        "badges": payment_words.badges_of(order, tries),
        "is_paid": is_paid,
        "checkout_url": _page_of(order) if is_waiting else "",
        "lines": [(line, clock.short(line.at, request.provider)) for line in lines],
        "answer": _answer_of(order),
        "call": "POST /api/start_payment" if order.code else "POST /api/create-payment-intent",
        "watch_url": f"{settings.BASE_URL}/watch/{order.watch_code}" if order.watch_code else "",
        "deliveries": [
            (
                row,
                delivery_words.event_of(row),
                payment_words.Badge(*delivery_words.STATES[row.state]),
                delivery_words.answer_of(row),
            )
            for row in told
        ],
        "webhook_url": request.provider.webhook_url,
        "is_shown_elsewhere": request.mode == TEST,
        "refresh_seconds": REFRESH_SECONDS if (is_waiting or is_telling) and "hold" not in request.GET else 0,
    }
    return frame.page(request, "portal/try.html", context)


def _page_of(order: Order) -> str:
    return f"{settings.BASE_URL}/pay/{order.code}" if order.code else f"{settings.BASE_URL}/checkout/o/{order.token}"


def _answer_of(order: Order) -> list[tuple[str, str]]:
    """What the API would have answered: (field, value)."""
    if order.code:
        return [("code", order.code), ("message", "Payment started"), ("watch_code", str(order.watch_code))]
    return [
        ("checkoutUrl", _page_of(order)),
        ("orderId", str(order.pk)),
        ("externalId", order.external_id),
        ("amount", str(notifications.wire_major(order.money))),
    ]
