"""Som with a decimal point on Click's side, tiyin on ours, and Tashkent's days. No float, nothing rounded."""

from datetime import UTC, date, datetime, timedelta, timezone

from gateway.money import MAX_MINOR, Money

CURRENCY = "UZS"
CURRENCIES = frozenset({CURRENCY})
# Click is said to take 500 som at least from a real buyer (unconfirmed); that refusal is left to its page.
SMALLEST_MINOR, LARGEST_MINOR = 1, MAX_MINOR
# Uzbekistan has had no summer time since 1992.
TASHKENT = timezone(timedelta(hours=5), "Tashkent")


def check_money(money: Money) -> str:
    if money.currency not in CURRENCIES:
        return "Click takes UZS only"
    if not SMALLEST_MINOR <= money.minor <= LARGEST_MINOR:
        return "the amount is none that Click can take"
    return ""


def link_text(money: Money) -> str:
    """`38400.00`: the link's form. What stands there is what Click signs and sends back."""
    return f"{money.minor // 100}.{money.minor % 100:02d}"


def path_text(money: Money) -> str:
    """`38400` or `38400.5`… as short as it can be."""
    return link_text(money).rstrip("0").rstrip(".")


def day_of(moment: datetime) -> date:
    return moment.astimezone(TASHKENT).date()


def utc_now() -> datetime:
    return datetime.now(UTC)
