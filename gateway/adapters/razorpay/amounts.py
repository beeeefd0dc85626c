"""Razorpay's currencies and their minor units, as its page on international payments lists them (read 2026-11-20).

Where a currency's decimals there are not ISO's the amount is converted; today none differs.
"""

from gateway.money import MAX_MINOR, InexactAmount, Money, exponent_of, is_currency

ZERO_DECIMALS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())  # noqa: SIM905
# Three decimals on the wire, but the last digit must be 0.
THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "OMR", "TND"))
TWO_DECIMALS = frozenset(
    """
    AED ALL AMD AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BZD CAD CHF CNY COP CRC CUP CVE CZK DKK DOP DZD
    EGP ETB EUR FJD GBP GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR JMD KES KGS KHR KYD KZT LAK LKR LRD LSL MAD
    MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SCR
    SEK SGD SLL SOS SZL THB TRY TTD TWD TZS UAH USD UYU XCD YER ZAR ZMW
    """.split()  # noqa: SIM905
)
CURRENCIES = frozenset(code for code in ZERO_DECIMALS | TWO_DECIMALS | THREE_DECIMALS if is_currency(code))

# Only the confirmed minimum, one rupee; the others are Razorpay's to say.
MIN_AMOUNT = {"INR": 100}


def razorpay_exponent(currency: str) -> int:
    """Decimal places on Razorpay's wire. InexactAmount for a currency that it does not list."""
    if currency not in CURRENCIES:
        raise InexactAmount(f"{currency} is not taken through Razorpay")
    return 0 if currency in ZERO_DECIMALS else 3 if currency in THREE_DECIMALS else 2


def to_razorpay(money: Money) -> int:
    """Our minor units in Razorpay's. InexactAmount where they cannot be written without a fraction."""
    amount, rest = _shifted(money.minor, razorpay_exponent(money.currency) - exponent_of(money.currency))
    if rest or (money.currency in THREE_DECIMALS and amount % 10):
        raise InexactAmount(f"Razorpay cannot write {money} exactly")
    return amount


def from_razorpay(amount: object, currency: object) -> Money | None:
    """Razorpay's amount in our minor units; None for what we cannot read exactly, which is never taken for money."""
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount <= MAX_MINOR:
        return None
    if not isinstance(currency, str) or not is_currency(currency):
        return None
    try:
        shift = exponent_of(currency) - razorpay_exponent(currency)
    except InexactAmount:
        return None
    minor, rest = _shifted(amount, shift)
    return None if rest else Money(minor, currency)


def check_money(money: Money) -> str:
    """Why Razorpay would not take this amount; empty when it would."""
    if money.minor <= 0:
        return "The amount must be greater than zero."
    try:
        amount = to_razorpay(money)
    except InexactAmount as error:
        return f"{error}."
    minimum = MIN_AMOUNT.get(money.currency, 0)
    if amount < minimum:
        return f"Razorpay takes at least {Money(minimum, money.currency)}."
    if money.minor > MAX_MINOR:
        return f"{money} is more than Razorpay takes in one payment."
    return ""


def _shifted(amount: int, places: int) -> tuple[int, int]:
    """The amount moved by so many decimal places, and what falls off the end."""
    scale: int = 10 ** abs(places)
    return divmod(amount * scale, 1) if places >= 0 else divmod(amount, scale)
