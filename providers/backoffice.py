"""How the back office writes things: times with their zone, amounts by their currency, states as badges.

Five meanings only: ok, bad, wait, info, none. State is always said in words; the colour helps.
"""

from datetime import UTC, datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gateway.money import Money, exponent_of
from providers.models import MerchantAccount

OK, BAD, WAIT, INFO, NONE = "ok", "bad", "wait", "info", "none"
MEANINGS = (OK, BAD, WAIT, INFO, NONE)
NBSP = "\u00a0"

# What each state of ours means to somebody who looks for trouble.
ORDER_MEANING = {
    "created": NONE,
    "pending": INFO,
    "processing": WAIT,
    "paid": OK,
    "refunded": NONE,
    "failed": BAD,
    "cancelled": NONE,
    "expired": NONE,
}
PAYMENT_MEANING = {
    "created": NONE,
    "pending": INFO,
    "processing": WAIT,
    "authorized": WAIT,
    "captured": OK,
    "failed": BAD,
    "declined": BAD,
    "cancelled": NONE,
    "expired": NONE,
    "error": BAD,
    "unknown": WAIT,
    "review": BAD,
}
REFUND_MEANING = {
    "proposed": WAIT,
    "requested": INFO,
    "pending": INFO,
    "unknown": WAIT,
    "succeeded": OK,
    "failed": BAD,
    "cancelled": NONE,
}
DELIVERY_MEANING = {"pending": INFO, "stuck": BAD, "delivered": OK, "superseded": WAIT, "ended": BAD}
VERDICT_MEANING = {
    "received": WAIT,
    "applied": OK,
    "nothing_new": NONE,
    "ignored": NONE,
    "unknown_reference": WAIT,
    "refused": BAD,
    "failed": BAD,
}
APPROVAL_MEANING = {"waiting": WAIT, "approved": OK, "rejected": BAD, "withdrawn": NONE}


def badge(text: object, meaning: str = NONE) -> SafeString:
    return format_html('<span class="badge badge--{}">{}</span>', meaning if meaning in MEANINGS else NONE, text)


def mode_badge(mode: str) -> SafeString:
    """Test is marked wherever it appears; live is the plain case, said quietly."""
    return badge("Test", WAIT) if mode == "test" else badge("Live", NONE)


def account_state(account: MerchantAccount) -> tuple[str, str]:
    """(word, meaning): the words of the Invoice API's documents, and what staff added to them."""
    if account.retired_at is not None:
        return "retired", NONE
    if account.blocked_at is not None:
        return "blocked", BAD
    return ("active", OK) if account.is_active else ("inactive", NONE)


def when(at: datetime | None, empty: str = "never") -> SafeString | str:
    """A time in the site's zone, the zone named, ISO 8601 UTC in the title."""
    if at is None:
        return empty
    local = timezone.localtime(at)
    iso = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', iso, iso, f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"
    )


def age(since: datetime | None, *, now: datetime) -> str:
    """ "3 min", "5 h", "2 d": how long ago, for people who decide what to look at first."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size}{NBSP}{unit}"
    return f"{seconds}{NBSP}s"


def money(minor: int | None, currency: str) -> str:
    """499, "USD" → "4.99 USD", with the currency's own decimals and no break inside."""
    if minor is None:
        return ""
    value = Money(minor, currency)
    return f"{value.major:,.{exponent_of(currency)}f}{NBSP}{currency}"
