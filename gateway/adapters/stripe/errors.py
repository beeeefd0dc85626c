"""Stripe's refusals in our words. Trouble below HTTP never comes here: `gateway.http` has named it already."""

from collections.abc import Mapping
from typing import Any

import stripe

from gateway import http
from gateway.adapters.stripe import reading
from gateway.errors import (
    Declined,
    GatewayError,
    Misconfigured,
    NotAvailable,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Unavailable,
    WrongMode,
)
from gateway.types import Mode, PaymentReport

# A bug of ours (the pinned version and the request disagree), never "Cash App Pay is not available".
VERSION_CODES = frozenset({"payment_method_types_no_longer_supported", "parameter_unknown"})

NOT_AVAILABLE_CODES = frozenset(
    {
        "payment_method_unactivated",
        "payment_method_not_available",
        "capability_not_active",
        "payment_method_unsupported_type",
        "payment_method_currency_mismatch",
        "payment_intent_incompatible_payment_method",
        "country_unsupported",
    }
)
# A key that cannot do this in this mode, or no longer: the callers' own answer is 403.
WRONG_MODE_CODES = frozenset(
    {
        "api_key_expired",
        "livemode_mismatch",
        "platform_api_key_expired",
        "secret_key_required",
        "testmode_charges_only",
    }
)
AMOUNT_CODES = frozenset({"amount_too_large", "amount_too_small"})
AMOUNT_PARAMS = ("amount", "unit_amount", "amount_to_capture")
# These come as 400 too; on another status they are a CardError already.
DECLINE_CODES = frozenset(
    {
        "authentication_required",
        "card_declined",
        "expired_card",
        "incorrect_cvc",
        "payment_intent_authentication_failure",
        "payment_intent_payment_attempt_expired",
        "payment_intent_payment_attempt_failed",
        "payment_method_customer_decline",
        "payment_method_provider_decline",
        "payment_method_provider_timeout",
    }
)
REFUSED_CODES = frozenset(
    {
        "balance_insufficient",
        "charge_already_captured",
        "charge_already_refunded",
        "charge_disputed",
        "charge_not_refundable",
        "insufficient_funds",
        "payment_intent_unexpected_state",
        "refund_disputed_payment",
    }
)
# Another request with our key, or with our object, is running now.
BUSY_CODES = frozenset({"idempotency_key_in_use", "lock_timeout"})


class StoredTrouble(OutcomeUnknown):
    """Stripe repeats, for a day, a failure of its own that it has stored under our key: asking again in the same words
    brings no news, and what the first request did stands in its lists.
    """


def is_stored(status: int, headers: Mapping[str, str] | None) -> bool:
    """Whether an answer is such a repetition."""
    return status >= 500 and (headers or {}).get("Idempotent-Replayed", "").lower() == "true"


def meaning_of(error: stripe.StripeError, *, is_write: bool, mode: Mode, is_refund: bool = False) -> GatewayError:
    """What the caller does next about an error that Stripe answered. The text holds codes, never Stripe's body."""
    details = details_of(error)
    code = reading.text(details, "code") or (error.code if isinstance(error.code, str) else "")
    request_id = error.request_id if isinstance(error.request_id, str) else ""
    status = error.http_status or 0
    summary = f"Stripe answered {status} {code or reading.text(details, 'type')}".strip()

    if status == 429 or isinstance(error, stripe.RateLimitError) or code in BUSY_CODES:
        wait = http.retry_after(error.headers or {})
        return Unavailable(summary, retry_after_seconds=wait, is_busy=True, request_id=request_id)
    if code in WRONG_MODE_CODES or "similar object exists in" in reading.text(details, "message").lower():
        return WrongMode(summary, processor_code=code, request_id=request_id)
    if isinstance(error, stripe.PermissionError):
        return NotPermitted(summary, processor_code=code, request_id=request_id)
    if isinstance(error, (stripe.AuthenticationError, stripe.IdempotencyError)):
        code = code or ("idempotency_error" if isinstance(error, stripe.IdempotencyError) else "")
        return Misconfigured(summary, processor_code=code, request_id=request_id)
    if is_refund and _cannot_be_refunded(error, code, details):
        return Refused(summary, processor_code=code, request_id=request_id)
    if isinstance(error, stripe.CardError) or code in DECLINE_CODES:
        processor_ref = reading.text(reading.child(details, "payment_intent"), "id")
        failure = reading.failure_of(details)
        return Declined(summary, failure=failure, processor_ref=processor_ref, request_id=request_id)
    if code in REFUSED_CODES:
        report = _embedded_report(details, mode=mode)
        return Refused(summary, report=report, processor_code=code, request_id=request_id)
    if isinstance(error, stripe.InvalidRequestError):
        if status == 404:
            return NotFound(summary, processor_code=code, request_id=request_id)
        if is_about_amount(code, details):
            return Misconfigured(_with_param(summary, details), processor_code="amount", request_id=request_id)
        kind = NotAvailable if is_about_availability(code, details) else Misconfigured
        return kind(_with_param(summary, details), processor_code=code, request_id=request_id)
    if is_write and is_stored(status, error.headers):
        return StoredTrouble(f"{summary}, stored under our key", request_id=request_id)
    return http.unclear(summary, is_write=is_write, request_id=request_id)


def is_about_availability(code: str, details: reading.Json) -> bool:
    """Whether a 400 says that the account cannot take this method or currency. The exact code for Cash App Pay is
    unconfirmed, so the parameter and the text count too; a currency that Stripe does not have comes without a code.
    """
    if code in VERSION_CODES:
        return False
    param = reading.text(details, "param")
    message = reading.text(details, "message").lower()
    return (
        code in NOT_AVAILABLE_CODES
        or param.startswith(("payment_method_types", "payment_method_data[type]"))
        or _last_name(param) == "currency"
        or ("payment method type" in message and ("cashapp" in message or '"card"' in message))
        or "no valid payment method types" in message
    )


def is_about_amount(code: str, details: reading.Json) -> bool:
    """Whether a 400 says that Stripe does not take this amount, or cannot read it."""
    last_name = _last_name(reading.text(details, "param"))
    return code in AMOUNT_CODES or (code == "parameter_invalid_integer" and last_name in AMOUNT_PARAMS)


def _last_name(param: str) -> str:
    """`currency` of `line_items[0][price_data][currency]`."""
    return param.rpartition("[")[2].rstrip("]")


def details_of(error: stripe.StripeError) -> dict[str, Any]:
    """The `error` object of the answer as plain values; the SDK fills `error.code` for a few classes only."""
    body: object = error.json_body
    details = body.get("error") if isinstance(body, dict) else None
    return details if isinstance(details, dict) else {}


def _cannot_be_refunded(error: stripe.StripeError, code: str, details: reading.Json) -> bool:
    if isinstance(error, stripe.CardError) or code in REFUSED_CODES:
        return True
    # More than is left: a code is often missing, so the parameter and the text speak.
    is_invalid = isinstance(error, stripe.InvalidRequestError) and error.http_status == 400
    about_amount = reading.text(details, "param") == "amount"
    return is_invalid and (about_amount or "greater than" in reading.text(details, "message").lower())


def _embedded_report(details: reading.Json, *, mode: Mode) -> PaymentReport | None:
    """The PaymentIntent inside the error is the truth of that moment; None when there is none of our mode."""
    try:
        report = reading.payment_report(reading.child(details, "payment_intent"), mode=mode)
    except reading.Unreadable:
        return None
    return report if report.mode is mode else None


def _with_param(summary: str, details: reading.Json) -> str:
    param = reading.text(details, "param")
    return f"{summary} ({param})" if param else summary
