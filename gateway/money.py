"""Money as integer minor units beside an ISO 4217 code. No float ever enters or leaves.

The exponent is ISO's, read from the currency library's `sub_unit` (JPY 0, USD 2, KWD 3). Processors that
count otherwise are converted in their adapter by their own table (`to_processor_minor`).
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from moneyed import CURRENCIES

# 13 digits of minor units hold any amount a processor of ours accepts, and stay exact in every JSON reader.
MAX_MINOR = 10**13


class InexactAmount(ValueError):
    """The amount cannot be written in the wanted unit without losing or inventing a fraction."""


def exponent_of(currency: str) -> int:
    """Decimal places of an ISO 4217 code; KeyError for a code that is none."""
    sub_unit = CURRENCIES[currency].sub_unit
    return len(str(sub_unit)) - 1


def is_currency(code: str) -> bool:
    return code in CURRENCIES


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (cents, tiyin, paise) of `currency`."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise TypeError(f"minor units are an int, not {type(self.minor).__name__}")
        if not is_currency(self.currency):
            raise ValueError(f"unknown currency {self.currency!r}")

    @property
    def major(self) -> Decimal:
        return Decimal(self.minor).scaleb(-exponent_of(self.currency))

    @classmethod
    def from_major(cls, amount: Decimal | str, currency: str) -> "Money":
        """Decimal("4.99"), "USD" → 499. InexactAmount where the currency has no such fraction."""
        try:
            minor = Decimal(amount).scaleb(exponent_of(currency))
        except InvalidOperation as error:
            raise InexactAmount(f"{amount!r} is not an amount") from error
        if not minor.is_finite() or minor != minor.to_integral_value():
            raise InexactAmount(f"{amount} has more decimals than {currency}")
        return cls(int(minor), currency)

    def __str__(self) -> str:
        return f"{self.major:.{exponent_of(self.currency)}f} {self.currency}"
