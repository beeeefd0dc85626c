"""Which ways to pay an account has, in which API version they may be named, and which amounts are taken."""

from __future__ import annotations

from typing import Any

from gateway.simulators.stripe.errors import ApiError
from gateway.simulators.stripe.world import Caller
from gateway.simulators.wire import Json

NO_TYPES_FROM = "2026-08-26.preview", "2026-09-30"
ALLOWED_TYPES_FROM = "2026-07-29"
KNOWN_TYPES = ("cashapp", "card")
MINIMUM = {"usd": 50, "eur": 50, "gbp": 30, "inr": 50, "jpy": 50, "aed": 200, "uzs": 100}
CURRENCIES = {*MINIMUM, "aud", "cad", "chf", "kzt", "try", "sgd", "kwd", "krw"}
LARGEST = 99_999_999


def types_for(caller: Caller, wanted: Json, currency: str, what: str = "Payment Intent") -> tuple[list[str], bool]:
    """The payment method types this payment may use, and whether Stripe chose them."""
    usable = [
        kind
        for kind, capability in (("card", "card_payments"), ("cashapp", "cashapp_payments"))
        if caller.account.capabilities.get(capability) == "active" and (kind != "cashapp" or currency == "usd")
    ]
    if "payment_method_types" in wanted:
        asked = wanted["payment_method_types"]
        for place, kind in enumerate(asked):
            if (
                kind not in KNOWN_TYPES
                or caller.account.capabilities.get("card_payments" if kind == "card" else "cashapp_payments")
                != "active"
            ):
                raise ApiError(
                    f'The payment method type "{kind}" is invalid. Make sure that it is activated in your dashboard.',
                    param="payment_method_types" if place == 0 else f"payment_method_types[{place}]",
                )
            if kind not in usable:
                raise ApiError(
                    f"The currency {currency} is not supported by the payment method type {kind}; it takes usd only.",
                    code="payment_method_currency_mismatch",
                    param="currency",
                )
        if not asked:
            raise ApiError("payment_method_types must name at least one type.", param="payment_method_types")
        return asked, False
    allowed = wanted.get("allowed_payment_method_types")
    left = [kind for kind in usable if allowed is None or kind in allowed]
    if wanted.get("automatic_payment_methods", {}).get("allow_redirects") == "never":
        left = [kind for kind in left if kind != "cashapp"]
    if not left:
        raise ApiError(f"No valid payment method types for this {what}: check what your account has activated.")
    return left, True


def check_version(caller: Caller, wanted: Json, *, allowed_from: str = ALLOWED_TYPES_FROM) -> None:
    preview, endive = NO_TYPES_FROM
    given = {"payment_method_types", "allowed_payment_method_types", "automatic_payment_methods"} & set(wanted)
    if "payment_method_types" in given and (caller.version == preview or caller.version[:10] >= endive):
        raise ApiError(
            "payment_method_types is no longer supported in this API version; use allowed_payment_method_types.",
            code="payment_method_types_no_longer_supported",
            param="payment_method_types",
        )
    if "allowed_payment_method_types" in given and caller.version[:10] < allowed_from:
        raise ApiError(
            "Received unknown parameter: allowed_payment_method_types",
            code="parameter_unknown",
            param="allowed_payment_method_types",
        )
    if len(given) > 1:
        raise ApiError(f"These exclude each other: {', '.join(sorted(given))}.", param=sorted(given)[0])


def currency_of(value: Any) -> str:
    currency = str(value).lower()
    if currency not in CURRENCIES:
        raise ApiError(f"Invalid currency: {value}.", param="currency")
    return currency


def check_amount(amount: int, currency: str, param: str = "amount") -> None:
    if amount < 1:
        raise ApiError("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=param)
    if amount < MINIMUM.get(currency, 1):
        raise ApiError(
            f"Amount must be at least {MINIMUM[currency]} in the smallest unit of {currency}.",
            code="amount_too_small",
            param=param,
        )
    if amount > LARGEST:
        raise ApiError(
            f"Amount must be no more than {LARGEST} in the smallest unit of {currency}.",
            code="amount_too_large",
            param=param,
        )
