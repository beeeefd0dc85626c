"""Fields that take what is right and refuse what is nearly right: nothing is guessed about money or names.

Each refusal names its field, because a dialect answers one sentence. `null` is like leaving the field out.
"""

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError as InvalidAddress
from django.core.validators import validate_email
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from checkout import paging
from checkout.api.errors import BadInput
from gateway.money import MAX_MINOR, InexactAmount, Money, exponent_of, is_currency

LANGUAGES = ("uz", "ru", "en")
# No currency has more decimals, no processor takes more digits; also far below what Decimal would round.
MAX_DECIMALS = 8
MAX_DIGITS = 15


class Strict(serializers.Field):
    """An optional field whose refusals begin with its name."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault("allow_null", not options["required"])
        super().__init__(**options)
        self.error_messages["required"] = self.error_messages["null"] = "{name} is required"

    def fail(self, key: str, **values: Any) -> Any:
        return super().fail(key, name=self.field_name, **values)

    def refuse(self, text: str) -> serializers.ValidationError:
        return serializers.ValidationError(f"{self.field_name} {text}")

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(OpenApiTypes.STR)
class Text(Strict):
    """Any text without control characters, as it was sent: nothing is trimmed."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        self.max_length = max_length
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise self.refuse("must be text")
        if len(data) > self.max_length:
            raise self.refuse(f"must be at most {self.max_length} characters long")
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in data):
            raise self.refuse("must not contain control characters or broken Unicode")
        return data


@extend_schema_field(OpenApiTypes.NUMBER)
class MajorAmount(Strict):
    """An amount in major units: a JSON number, read exactly. Its currency is known later, see `exact_money`."""

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, Decimal):
            raise self.refuse("must be a number")
        if not data.is_finite() or (data and data.adjusted() > MAX_DIGITS):
            raise self.refuse("is too large")
        if data and _decimals_of(data) > MAX_DECIMALS:
            raise self.refuse("has too many decimals")
        return data if data else Decimal(0)


@extend_schema_field(OpenApiTypes.INT64)
class MinorAmount(Strict):
    """A whole JSON number of minor units, at least 1. `1000.0` is the same number, written otherwise."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, Decimal):
            raise self.refuse("must be a whole number")
        if not data.is_finite() or data > MAX_MINOR:  # compared before anything is computed with it
            raise self.refuse("is too large")
        if data < 1:
            raise self.refuse("must be at least 1")
        if data != int(data):
            raise self.refuse("must be a whole number of minor units (1000 is 10.00 in most currencies)")
        return int(data)


@extend_schema_field(OpenApiTypes.STR)
class Currency(Strict):
    """An ISO 4217 code in any case; read in capitals."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not data.isascii() or not is_currency(data.upper()):
            raise self.refuse("must be an ISO 4217 currency code, such as EUR")
        return data.upper()


@extend_schema_field(OpenApiTypes.EMAIL)
class Email(Text):
    """An e-mail address that can be written to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=254, **options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            validate_email(text)
        except InvalidAddress:
            raise self.refuse("must be an e-mail address")
        return text


def exact_money(amount: Decimal, currency: str, *, name: str = "amount") -> Money:
    """The amount in minor units. BadInput where the currency has no such fraction, or nobody owes so much."""
    try:
        money = Money.from_major(amount, currency)
    except InexactAmount as error:
        places = exponent_of(currency)
        allowed = f"at most {places} decimals" if places else "no decimals"
        raise BadInput(f"{name} has too many decimals: {currency} has {allowed}") from error
    if abs(money.minor) > MAX_MINOR:
        raise BadInput(f"{name} is too large")
    return money


def place(cursor: str) -> paging.Place:
    """Where a page begins, from the `nextCursor` of the page before. BadInput."""
    found = paging.read(cursor)
    if found is None:
        raise BadInput("cursor is not one of ours: take it from nextCursor as it is")
    return found


def _decimals_of(number: Decimal) -> int:
    """Decimals that matter: 4.990 has two."""
    _sign, digits, exponent = number.as_tuple()
    zeros = len(digits) - len(bytes(digits).rstrip(b"\0"))
    return max(0, -(int(exponent) + zeros))


@extend_schema_field({"type": "string", "enum": list(LANGUAGES)})
class Language(Strict):
    def to_internal_value(self, data: Any) -> str:
        if data not in LANGUAGES or not isinstance(data, str):
            raise self.refuse(f"must be one of {', '.join(LANGUAGES)}")
        return data


@extend_schema_field(OpenApiTypes.DATETIME)
class Moment(Strict):
    """ISO 8601 with an offset."""

    MAX_LENGTH = 40

    def to_internal_value(self, data: Any) -> datetime:
        try:
            if not isinstance(data, str) or len(data) > self.MAX_LENGTH or not data.isascii():
                raise ValueError
            moment = datetime.fromisoformat(data)
            if moment.utcoffset() is None:
                raise ValueError
        except ValueError as error:
            raise self.refuse("must be an ISO 8601 time with an offset, such as 2026-01-30T10:00:00Z") from error
        return moment
