"""What a request must look like: every field known, of its type and within its limit, as Razorpay words it."""

from __future__ import annotations

import json
from typing import Any

from gateway.simulators.razorpay.errors import ApiError
from gateway.simulators.wire import Json, Request

THREE_DECIMALS = {"BHD", "IQD", "JOD", "KWD", "OMR", "TND"}
CURRENCIES = THREE_DECIMALS | {"AED", "AUD", "CAD", "EUR", "GBP", "INR", "JPY", "SGD", "USD"}


def body(request: Request) -> Json:
    if not request.body:
        return {}
    if request.content_type != "application/json":
        raise ApiError("The request must be application/json")
    try:
        read = json.loads(request.body)
    except ValueError as error:
        raise ApiError("The request could not be parsed") from error
    if not isinstance(read, dict):
        raise ApiError("The request must be an object")
    return read


def only(given: Json, known: set[str]) -> None:
    if strange := sorted(set(given) - known):
        raise ApiError(f"{', '.join(strange)} is/are not required and should not be sent", field=strange[0])


def amount(given: Json, *, currency: str) -> int:
    value = given.get("amount")
    if value is None:
        raise ApiError("The amount field is required.", field="amount")
    if isinstance(value, bool) or not isinstance(value, int):
        raise ApiError("The amount must be an integer.", field="amount")
    if value < 1 or (currency == "INR" and value < 100):
        raise ApiError(f"The amount must be at least {currency} 1.00", field="amount")
    if currency in THREE_DECIMALS and value % 10:
        raise ApiError("The last digit of the amount must be 0 for this currency.", field="amount")
    return value


def currency(given: Json, *, international: bool = True) -> str:
    value = given.get("currency")
    if value is None:
        raise ApiError("The currency field is required.", field="currency")
    if value not in CURRENCIES or (value != "INR" and not international):
        raise ApiError("Currency is not supported", field="currency", reason="invalid_currency")
    return str(value)


def text(given: Json, name: str, *, longest: int) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ApiError(f"The {name} must be a string.", field=name)
    if len(value) > longest:
        raise ApiError(f"The {name} may not be greater than {longest} characters.", field=name)
    return value


def notes(given: Json) -> dict[str, str]:
    value = given.get("notes")
    if value in (None, []):
        return {}
    if not isinstance(value, dict):
        raise ApiError("The notes must be an array.", field="notes")
    if len(value) > 15:
        raise ApiError("Number of fields in notes should be less than or equal to 15", field="notes")
    for name, note in value.items():
        if not isinstance(note, str | int) or isinstance(note, bool) or max(len(name), len(str(note))) > 256:
            raise ApiError("notes values must be strings of at most 256 characters", field="notes")
    return {str(name): str(note) for name, note in value.items()}


def captures(given: Json) -> bool | None:
    """Either the old field or the new object; None where neither is sent."""
    old, new = given.get("payment_capture"), given.get("payment")
    if old is not None and new is not None:
        raise ApiError("payment_capture and payment should not be sent together", field="payment_capture")
    if old is not None:
        if old not in (0, 1, True, False, "0", "1"):
            raise ApiError("The payment capture field must be true or false.", field="payment_capture")
        return str(old) in {"1", "True"}
    if new is None:
        return None
    how: Any = new.get("capture") if isinstance(new, dict) else None
    if how not in ("automatic", "manual"):
        raise ApiError("The selected payment.capture is invalid.", field="payment.capture")
    return bool(how == "automatic")


def window(args: dict[str, str]) -> tuple[int, int]:
    """(count, skip)"""
    try:
        count, skip = int(args.get("count", 10)), int(args.get("skip", 0))
    except ValueError as error:
        raise ApiError("The count must be an integer.", field="count") from error
    if not 1 <= count <= 100 or skip < 0:
        raise ApiError("The count must be between 1 and 100.", field="count")
    return count, skip
