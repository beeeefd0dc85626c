"""Why a try was refused, and what the buyer can do: Razorpay's `error_reason`, else who refused (`error_source`).

Source: razorpay.com/docs, "Error Reasons", "Cards Error Codes", "UPI Error Codes" (read 2026-11-20). Reasons that
speak of a seller's settings (a method that is not enabled) send the buyer to another method; staff sees the raw code.
"""

from gateway.types import DeclineAdvice

_REASONS = {
    DeclineAdvice.NOT_ENOUGH_MONEY: """
        amount_limit_exhausted credit_limit_exceeded credit_limit_exhausted funds_blocked_by_mandate
        insufficient_balance insufficient_funds low_balance transaction_daily_limit_exceeded transaction_limit_exceeded
        """,
    DeclineAdvice.CANCELLED_BY_BUYER: "payment_cancelled",
    DeclineAdvice.TIMED_OUT: """
        collect_request_pending mandate_creation_expired mandate_creation_timeout otp_expired
        payment_collect_request_expired payment_pending payment_pending_approval payment_session_expired
        payment_timed_out request_timed_out
        """,
    # Reasons that a thief should not learn (risk, fraud) read like any other refusal of the bank.
    DeclineAdvice.CALL_BANK: """
        card_declined compliance_violation debit_declined payment_declined payment_risk_check_failed
        """,
    DeclineAdvice.OTHER_METHOD: """
        amount_less_than_minimum_amount authorisation_declined_by_psp bank_account_invalid
        bank_account_validation_failed bank_not_enabled bank_technical_error beneficiary_account_does_not_exist
        beneficiary_account_dormant card_disabled_for_online_payments card_expired card_network_not_enabled
        card_not_enrolled card_type_invalid collect_on_mcc_blocked credit_failed credit_limit_expired
        credit_limit_inactive credit_limit_not_approved credit_not_permitted debit_instrument_blocked
        debit_instrument_inactive emi_greater_than_max_amount emi_plan_unavailable instrument_not_enabled
        intent_no_apps_error international_transaction_not_allowed invalid_currency invalid_device invalid_vpa
        live_mode_not_enabled merchant_not_activated min_amt_required mobile_number_invalid
        order_payment_method_mismatch otp_attempts_exceeded payment_failed payment_method_not_enabled
        pin_attempts_exceeded pin_not_set psp_app_not_available psp_app_not_supported psp_not_available
        psp_not_registered recurring_payment_not_enabled transaction_daily_count_exceeded
        transaction_frequency_limit_exceeded transaction_on_vpa_restricted upi_app_technical_error
        upi_autopay_not_supported_on_psp upi_collect_not_enabled upi_intent_not_enabled user_not_eligible
        user_not_registered_for_netbanking vpa_resolution_failed
        """,
    DeclineAdvice.TRY_AGAIN: """
        authentication_failed bank_cutoff_in_progress bank_not_available capture_failed card_number_invalid
        deemed_transaction duplicate_request duplicate_rrn_found gateway_technical_error incorrect_atm_pin
        incorrect_card_details incorrect_card_expiry_date incorrect_cardholder_name incorrect_cvv incorrect_otp
        incorrect_pin input_validation_failed invalid_amount invalid_contact_number invalid_cvv invalid_email
        invalid_mobile_number invalid_order_id invalid_otp invalid_request invalid_response_from_gateway
        invalid_user_details issuer_technical_error mandate_creation_declined mandate_creation_failed
        mismatch_in_transaction_details order_already_paid order_amount_mismatch payment_amount_tampered
        payment_declined_due_to_high_traffic record_not_found reqauth_mandate_not_acknowledged server_error
        verification_failed
        """,
}
ADVICE = {reason: advice for advice, reasons in _REASONS.items() for reason in reasons.split()}

# Sources that are a bank's: what they do not explain, only the bank can.
BANKS = frozenset({"bank", "issuer", "issuer_bank", "customer_bank", "beneficiary_bank", "network"})
BUYERS = frozenset({"customer", "customer_psp"})


def advice_for(*, reason: str, source: str) -> DeclineAdvice:
    """A reason we do not know is judged by its source; without either the buyer may try again."""
    # One page of the documentation writes a reason with a space in it.
    found = ADVICE.get(reason.strip().lower().replace(" ", ""))
    if found is not None:
        return found
    return DeclineAdvice.CALL_BANK if source.lower() in BANKS else DeclineAdvice.TRY_AGAIN


def is_refusal(*, reason: str, source: str) -> bool:
    """Whether an error speaks of the buyer's money: his bank or he himself said no, not we or Razorpay."""
    if source.lower() in BANKS | BUYERS:
        return True
    return reason.startswith("payment_") and source.lower() not in {"business", "internal"}
