"""A processor's own script on our page (checkout.js, a card widget), and what serves a browser without script."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from django.conf import settings

from checkout import sellers
from checkout.models import Order, Payment
from checkout.payments import describe, reference_of
from gateway import registry
from gateway.adapter import ShowsWidget
from gateway.types import Widget, WidgetRequest
from providers import accounts

# What a browser may load or post to on such a page beyond our own, by directive of its policy.
Sources = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class WidgetView:
    """What the template shows: a form or a link that works by itself, and the facts our script opens the widget by."""

    facts: str  # JSON {"kind", "script", "options"}
    form_url: str = ""
    form_fields: Mapping[str, str] = field(default_factory=dict)
    link_url: str = ""
    sources: Sources = field(default_factory=dict)


def shows_widget(processor: str) -> bool:
    entry = registry.PROCESSORS.get(processor)
    return entry is not None and entry.capabilities.shows_widget


def needs_form(payment: Payment) -> bool:
    """Without a script the buyer has to press once more: the processor takes a form, not a link."""
    return bool(_widget_of(payment.order, payment, lang=payment.order.lang).form_url)


def view_of(order: Order, payment: Payment | None, *, lang: str, return_query: str = "") -> WidgetView | None:
    """The widget of a payment that waits for the buyer; None where its processor has none."""
    if payment is None or payment.status != Payment.Status.PENDING or not shows_widget(payment.processor):
        return None
    widget = _widget_of(order, payment, lang=lang, return_query=return_query)
    return WidgetView(
        facts=json.dumps({"kind": widget.kind, "script": widget.script_url, "options": widget.options}),
        form_url=widget.form_url,
        form_fields=widget.form_fields,
        link_url=widget.link_url,
        sources=widget.sources,
    )


def _widget_of(order: Order, payment: Payment, *, lang: str, return_query: str = "") -> Widget:
    adapter = cast(ShowsWidget, accounts.adapter_for(payment.account, now=payment.created_at))
    address = f"{settings.BASE_URL}/checkout/o/{order.token}"
    request = WidgetRequest(
        seller=sellers.seller_name(order),
        description=describe(order),
        return_url=f"{address}/return" + (f"?{return_query}" if return_query else ""),
        cancel_url=address,
        lang=lang or "en",
        payer_email=order.payer_email,
    )
    return adapter.widget(reference_of(payment), request)
