"""Why a try was refused, in Stripe's words, and what the buyer can do about it.

Source: docs/processors/stripe.md (docs.stripe.com/declines/codes and /error-codes). Reasons that a thief should not
learn (lost, stolen, fraud, a block of the seller's) advise the same as any refusal of the bank.
"""

from gateway.types import DeclineAdvice

_BY_ADVICE = {
    DeclineAdvice.NOT_ENOUGH_MONEY: (
        "card_velocity_exceeded",
        "insufficient_funds",
        "withdrawal_count_limit_exceeded",
    ),
    DeclineAdvice.CANCELLED_BY_BUYER: (
        "payment_method_customer_decline",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stop_payment_order",
    ),
    DeclineAdvice.TIMED_OUT: (
        "payment_intent_payment_attempt_expired",
        "payment_method_provider_timeout",
    ),
    DeclineAdvice.OTHER_METHOD: (
        "async_payment_failed",
        "card_decline_rate_limit_exceeded",
        "card_not_supported",
        "currency_not_supported",
        "expired_card",
        "incorrect_address",
        "incorrect_number",
        "incorrect_zip",
        "invalid_account",
        "invalid_card_type",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "live_mode_test_card",
        "new_account_information_available",
        "payment_method_provider_decline",
        "pin_try_exceeded",
        "previously_declined_do_not_retry",
        "test_mode_decline",
        "test_mode_live_card",
        "testmode_decline",
    ),
    DeclineAdvice.CALL_BANK: (
        "call_issuer",
        "do_not_honor",
        "do_not_try_again",
        "fraudulent",
        "generic_decline",
        "highest_risk_level",
        "invalid_amount",
        "lost_card",
        "merchant_blacklist",
        "no_action_taken",
        "not_permitted",
        "pickup_card",
        "requested_block_on_incorrect_cvc",
        "restricted_card",
        "security_violation",
        "service_not_allowed",
        "stolen_card",
        "transaction_not_allowed",
    ),
    # Read again and typed again, or the bank was not there for a moment.
    DeclineAdvice.TRY_AGAIN: (
        "approve_with_id",
        "authentication_not_handled",
        "authentication_required",
        "duplicate_transaction",
        "incorrect_cvc",
        "incorrect_pin",
        "invalid_cvc",
        "invalid_pin",
        "issuer_not_available",
        "mobile_device_authentication_required",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "payment_intent_authentication_failure",
        "payment_intent_payment_attempt_failed",
        "processing_error",
        "reenter_transaction",
        "try_again_later",
    ),
}
ADVICE = {code: advice for advice, codes in _BY_ADVICE.items() for code in codes}
# What the card's network advises (`advice_code`), where Stripe's reason is one we do not know.
NETWORK_ADVICE = {
    "confirm_card_data": DeclineAdvice.TRY_AGAIN,
    "do_not_try_again": DeclineAdvice.OTHER_METHOD,
    "try_again_later": DeclineAdvice.TRY_AGAIN,
}


def advice_for(*, decline_code: str, code: str, network_advice: str = "") -> DeclineAdvice:
    """By the finer of two codes first; one that nobody knows costs the buyer a second try."""
    for known, word in ((ADVICE, decline_code), (NETWORK_ADVICE, network_advice), (ADVICE, code)):
        if word in known:
            return known[word]
    return DeclineAdvice.TRY_AGAIN
