"""Razorpay's words and limits, and the points its documentation leaves open: each is one constant here.

Source: docs/processors/razorpay.md. Amounts: Razorpay's minor units, which are ISO's. Times: unix seconds.
"""

from datetime import timedelta

from gateway.types import Mode, Outcome, RefundOutcome

API_BASE = "https://api.razorpay.com"  # one host for both modes: only the key says which
CHECKOUT_SCRIPT = "https://checkout.razorpay.com/v1/checkout.js"
KEY_PREFIXES = {"rzp_test_": Mode.TEST, "rzp_live_": Mode.LIVE}

# A word missing here means "the buyer may still pay": an unknown status must never look like success or like an end.
# `refunded` is not here: whether anything was ever taken stands in another field (`reading.outcome_of`).
OUTCOMES = {
    "created": Outcome.PENDING,
    "authorized": Outcome.AUTHORIZED,
    "captured": Outcome.CAPTURED,
    "failed": Outcome.DECLINED,
}
REFUND_OUTCOMES = {
    "pending": RefundOutcome.PENDING,
    "processed": RefundOutcome.SUCCEEDED,
    "failed": RefundOutcome.FAILED,
}
DISPUTES_OVER = frozenset({"won", "lost", "closed"})

# Razorpay calls a payment failed after ten minutes of silence, asks the bank for three days more, and may then hold
# the money after all. A day is added, because other pages of its documentation speak of longer.
LATE_AUTHORISATION_FOR = timedelta(days=4)

MAX_RECEIPT = 40
MAX_NOTES = 15
MAX_NOTE = 256
MAX_SHOWN = 255  # name and description on Razorpay's page
MIN_REFUND_KEY = 10
PAGE_SIZE = 100
MAX_PAGES = 10  # of one listing; a thousand payments of one order, or refunds of one payment
# A create that is repeated later than this looks first whether the order is there.
LOOK_FIRST_AFTER = timedelta(minutes=1)

# What Razorpay writes for buyers who gave no address.
NO_EMAIL = frozenset({"void@razorpay.com"})

# --- unconfirmed; docs/processors/razorpay.md says what each depends on ---

# Makes Razorpay answer a repeated create with the order that is there. Today's reference no longer names the field, and
# its API refuses fields it does not know: then the create is sent once more without it.
SENDS_UNIQUE_RECEIPT = True
# The hosts that checkout.js talks to beyond the two that the documentation names.
TELEMETRY = "https://lumberjack.razorpay.com"
IMAGES = "https://cdn.razorpay.com"
