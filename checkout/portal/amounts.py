"""Amounts as people type them: one decimal sign, spaces between thousands, nothing that could mean two things."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from gateway.money import MAX_MINOR, Money, exponent_of

_SPACES = re.compile(r"[\s\u00a0\u202f']")


def minor_of(text: str, currency: str) -> int:
    """ "1 234,50" → 123450. "1,234" could be either, and is refused like everything else. ValidationError."""
    places = exponent_of(currency)
    plain = _SPACES.sub("", text)
    pattern = rf"\d{{1,15}}([.,]\d{{1,{places}}})?" if places else r"\d{1,15}"
    if not plain.isascii() or not re.fullmatch(pattern, plain):
        raise ValidationError(_("Write the amount like this: %(example)s") % {"example": plain_text(123_400, currency)})
    minor = Money.from_major(plain.replace(",", "."), currency).minor
    if minor > MAX_MINOR:
        raise ValidationError(_("This is more than any payment can be."))
    return minor


def plain_text(minor: int, currency: str) -> str:
    """123450 → "1234.50", as a field takes it."""
    money = Money(minor, currency)
    return f"{money.major:.{exponent_of(currency)}f}"
