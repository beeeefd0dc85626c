"""Click's codes and texts, and what its documents leave open: change a constant here when Click says otherwise."""

from gateway.questions import Refusal

OK = 0
BAD_SIGN = -1
WRONG_AMOUNT = -2
NO_ACTION = -3
ALREADY_PAID = -4
NO_ORDER = -5
NO_TRANSACTION = -6
FAILED = -7
BAD_REQUEST = -8
CANCELLED = -9

NOTES = {
    OK: "Success",
    BAD_SIGN: "SIGN CHECK FAILED!",
    WRONG_AMOUNT: "Incorrect parameter amount",
    NO_ACTION: "Action not found",
    ALREADY_PAID: "Already paid",
    NO_ORDER: "User does not exist",
    NO_TRANSACTION: "Transaction does not exist",
    FAILED: "Failed to update user",
    BAD_REQUEST: "Error in request from click",
    CANCELLED: "Transaction cancelled",
}

PREPARE, COMPLETE = "0", "1"

# A fault of ours. Click repeats a Complete that it got neither 0, -4 nor -9 for.
ASK_AGAIN = FAILED
# The signature is right, the service is another one's: for that service our order does not exist (or BAD_REQUEST).
WRONG_SERVICE = NO_ORDER
# Click has no word for an order that somebody else is paying just now.
BUSY = CANCELLED

REFUSALS = {
    Refusal.UNKNOWN_ORDER: NO_ORDER,
    Refusal.ALREADY_PAID: ALREADY_PAID,
    Refusal.ORDER_ENDED: CANCELLED,
    Refusal.ORDER_BUSY: BUSY,
    Refusal.WRONG_AMOUNT: WRONG_AMOUNT,
    Refusal.UNKNOWN_TRANSACTION: NO_TRANSACTION,
    Refusal.WRONG_STATE: CANCELLED,
    Refusal.TRANSACTION_EXPIRED: CANCELLED,
    Refusal.NOT_SAME_CONTENT: BAD_REQUEST,
    Refusal.NOT_REFUNDABLE: CANCELLED,
    Refusal.UNKNOWN_RECEIPT: BAD_REQUEST,
}

# Click's playground is a page of its documentation: its browser asks for permission first.
PLAYGROUND = "https://docs.click.uz"
PREFLIGHT_SECONDS = 600

# What we keep with a payment and get back as `PaymentRef.processor_data`; `processor_ref` is click_trans_id.
PAYDOC = "click_paydoc_id"
ORDER = "merchant_trans_id"
DAY = "click_day"  # the Tashkent day of Click's last accepted call, YYYY-MM-DD
PAYMENT = "payment_id"  # the Merchant API's own, where it was asked
