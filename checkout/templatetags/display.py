"""`{% money order.money %}`, `{% moment order.paid_at %}` and its printed twin, in the language of the page."""

from datetime import UTC, datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from checkout import display
from gateway.money import Money

register = template.Library()


@register.simple_tag
def money(amount: Money) -> str:
    return display.money(amount, get_language() or "en")


@register.simple_tag
def printed_moment(at: datetime, currency: str) -> SafeString:
    """A `<time>` that says its offset and stays as it is: what is printed must not depend on who looks."""
    exact = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return format_html('<time datetime="{}">{}</time>', exact, display.moment(at, get_language() or "en", currency))


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """A `<time>` that the page's script puts into the reader's own zone."""
    exact = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = display.moment(at, get_language() or "en")
    # Browsers know no Uzbek dates ("2026 M11 22"): there the Tashkent time of the server stays.
    local = "" if get_language() == "uz" else " data-local"
    return format_html('<time datetime="{}"{}>{}</time>', exact, local, shown)


@register.simple_tag
def money_of(minor: int, currency: str) -> str:
    return display.money(Money(minor, currency), get_language() or "en")
