"""beGateway's minor units and ours. Theirs is a list of its own, ours is ISO 4217: they disagree about IDR, IQD, LAK,
CLF, MOP and others.

Source: docs/processors/secure-processor.md (the table of the vendor's PHP library, read 2026-11-20).
"""

from gateway.money import MAX_MINOR, InexactAmount, Money, exponent_of, is_currency

ZERO_DECIMALS = frozenset(
    (
        *("BIF", "BYR", "CLF", "CLP", "CVE", "DJF", "GNF", "IDR", "IQD", "IRR", "ISK", "JPY", "KMF", "KPW", "KRW"),
        *("LAK", "LBP", "MMK", "PYG", "RWF", "SLL", "STD", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    )
)
ONE_DECIMAL = frozenset({"MOP"})
THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "LYD", "OMR", "TND"})


def wire_exponent(currency: str) -> int:
    """Decimal places on their wire. InexactAmount for a currency whose exponent there we do not know."""
    if currency in ZERO_DECIMALS:
        return 0
    if currency in ONE_DECIMAL:
        return 1
    if currency in THREE_DECIMALS:
        return 3
    # The list names what is not 2 there. Where ISO says otherwise too, one of the lists has forgotten it.
    if exponent_of(currency) != 2:
        raise InexactAmount(f"{currency} is not taken through Secure Processor")
    return 2


def to_wire(money: Money) -> int:
    """Our minor units in theirs. InexactAmount where they cannot be written without a fraction."""
    amount, rest = _shifted(money.minor, wire_exponent(money.currency) - exponent_of(money.currency))
    if rest:
        raise InexactAmount(f"Secure Processor cannot write {money} exactly")
    return amount


def from_wire(amount: object, currency: object) -> Money | None:
    """Their amount in our minor units; None for what we cannot read exactly, which is never taken for money."""
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount <= MAX_MINOR:
        return None
    if not isinstance(currency, str) or not is_currency(currency):
        return None
    try:
        shift = exponent_of(currency) - wire_exponent(currency)
    except InexactAmount:
        return None
    minor, rest = _shifted(amount, shift)
    return None if rest or minor > MAX_MINOR else Money(minor, currency)


def check_money(money: Money) -> str:
    """Why they would not take this amount; empty when they would."""
    if money.minor <= 0:
        return "The amount must be greater than zero."
    if money.minor > MAX_MINOR:
        return f"{money} is more than Secure Processor takes in one payment."
    try:
        to_wire(money)
    except InexactAmount as error:
        return f"{error}."
    return ""


def _shifted(amount: int, places: int) -> tuple[int, int]:
    """The amount moved by so many decimal places, and what falls off the end."""
    scale: int = 10 ** abs(places)
    return divmod(amount * scale, 1) if places >= 0 else divmod(amount, scale)
