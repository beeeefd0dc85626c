"""Stripe's minor units and ours. Theirs is an exponent list of its own; ours is ISO 4217.

Source: docs/processors/stripe.md (docs.stripe.com/currencies, read 2026-11-20).
"""

from gateway.money import MAX_MINOR, InexactAmount, Money, exponent_of, is_currency

ZERO_DECIMALS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
# Three decimals on the wire, but the last digit must be 0.
THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# The krona has no cents, yet is sent as if it had two; they must be 00.
TWO_DECIMALS_AGAINST_ISO = frozenset({"ISK"})
# Stripe's own pages contradict each other about the shilling: a hundredfold mistake is worse than a refusal.
REFUSED = frozenset({"UGX"})

MAX_AMOUNT = 99_999_999  # eight digits
# Only the confirmed minimum; the others are Stripe's to say (`amount_too_small`).
MIN_AMOUNT = {"USD": 50}


def stripe_exponent(currency: str) -> int:
    """Decimal places on Stripe's wire. InexactAmount for a currency whose exponent there we do not know."""
    if currency in ZERO_DECIMALS:
        return 0
    if currency in THREE_DECIMALS:
        return 3
    if currency in TWO_DECIMALS_AGAINST_ISO:
        return 2
    if currency in REFUSED or exponent_of(currency) != 2:
        raise InexactAmount(f"{currency} is not taken through Stripe")
    return 2


def to_stripe(money: Money) -> int:
    """Our minor units in Stripe's. InexactAmount where they cannot be written without a fraction."""
    amount, rest = _shifted(money.minor, stripe_exponent(money.currency) - exponent_of(money.currency))
    if rest or (money.currency in THREE_DECIMALS and amount % 10):
        raise InexactAmount(f"Stripe cannot write {money} exactly")
    return amount


def from_stripe(amount: object, currency: object) -> Money | None:
    """Stripe's amount in our minor units; None for what we cannot read exactly, which is never taken for money."""
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount <= MAX_MINOR:
        return None
    if not isinstance(currency, str) or not is_currency(currency.upper()):
        return None
    code = currency.upper()
    try:
        shift = exponent_of(code) - stripe_exponent(code)
    except InexactAmount:
        return None
    minor, rest = _shifted(amount, shift)
    return None if rest else Money(minor, code)


def check_money(money: Money) -> str:
    """Why Stripe would not take this amount; empty when it would."""
    if money.minor <= 0:
        return "The amount must be greater than zero."
    try:
        amount = to_stripe(money)
    except InexactAmount as error:
        return f"{error}."
    if amount > MAX_AMOUNT:
        return f"{money} is more than Stripe takes in one payment."
    minimum = MIN_AMOUNT.get(money.currency, 0)
    if amount < minimum:
        return f"Stripe takes at least {Money(minimum, money.currency)}."
    return ""


def _shifted(amount: int, places: int) -> tuple[int, int]:
    """The amount moved by so many decimal places, and what falls off the end."""
    scale: int = 10 ** abs(places)
    return divmod(amount * scale, 1) if places >= 0 else divmod(amount, scale)
