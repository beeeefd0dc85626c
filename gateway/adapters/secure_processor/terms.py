"""Secure Processor's (beGateway's) words and limits, and the points its documentation leaves open: each is one
constant here.

Source: docs/processors/secure-processor.md. Amounts: minor units by beGateway's own list (amounts.py).
"""

from datetime import timedelta

from gateway.types import Outcome, RefundOutcome

CHECKOUT_API = "https://checkout.secure-processor.com"
CHECKOUT_PATH = "/ctp/api/checkouts"
# Of the checkout API: it decides the shape of requests and of answers.
API_VERSION = "2"

# A word missing here means "the buyer may still pay": an unknown status must never look like success or like an end.
OUTCOMES = {
    "successful": Outcome.CAPTURED,
    "success": Outcome.CAPTURED,
    "completed": Outcome.CAPTURED,
    "failed": Outcome.FAILED,
    "failure": Outcome.FAILED,
    "declined": Outcome.DECLINED,
    "rejected": Outcome.DECLINED,
    "expired": Outcome.EXPIRED,
    "error": Outcome.ERROR,
    "deleted": Outcome.CANCELLED,
    "incomplete": Outcome.PENDING,  # the buyer stands before his bank's 3-D Secure page
    # Of a transaction: the buyer has done his part, a bank or a wallet has not decided.
    "pending": Outcome.PROCESSING,
    "processing": Outcome.PROCESSING,
}
REFUND_OUTCOMES = {
    "successful": RefundOutcome.SUCCEEDED,
    "success": RefundOutcome.SUCCEEDED,
    "completed": RefundOutcome.SUCCEEDED,
    "failed": RefundOutcome.FAILED,
    "failure": RefundOutcome.FAILED,
    "declined": RefundOutcome.FAILED,
    "rejected": RefundOutcome.FAILED,
    "error": RefundOutcome.FAILED,
    "deleted": RefundOutcome.CANCELLED,
}
REFUSALS = frozenset({Outcome.DECLINED, Outcome.FAILED, Outcome.ERROR})

# Transactions that take or hold money of a checkout. A body without a type, and without a parent, is one of these.
PAYMENT_TYPES = frozenset({"payment", "authorization", "charge", ""})
HOLDS = frozenset({"authorization"})
NO_MONEY_OF_OURS = {
    "credit": "money sent to a card from the back office is no refund of a payment",
    "payout": "payouts are not made by us",
    "tokenization": "a card was remembered; no money moved",
    "recipient_tokenization": "a card was remembered for payouts; no money moved",
}

MAX_DESCRIPTION = 255
MAX_REASON = 255
MAX_TRACKING_ID = 255
LISTED = 10  # as many transactions of one tracking id are shown, the newest
CLOCK_SKEW = timedelta(minutes=5)

# Of the page and its letters. Uzbek is not among them; Russian is read by more of its speakers than English.
LANGUAGES = frozenset(
    (
        *("en", "es", "tr", "de", "it", "ru", "zh", "fr", "da", "sv", "no", "fi", "pl", "ja", "be", "uk", "ka", "ro"),
        *("az", "lv", "et", "pt", "sr", "bn", "tg", "kk"),
    )
)
INSTEAD = {"uz": "ru"}

# --- unconfirmed; docs/processors/secure-processor.md says what each depends on ---

# Tried after the configured path, and only where it answers 404 or 405. The first is the vendor's documented one.
OTHER_PATHS = (CHECKOUT_PATH, "/api/checkouts", "/checkouts")
# Of the buyer's page, where an answer names none. An address given is always used as it is.
PAGE_PATH = "/checkout"
# Whether a refund's `reason` comes back with it: it carries our own mark, the only way to know a refund of ours again.
REASON_COMES_BACK = True
# Whether refunds are in the list of the payment's tracking id. If not, a refund whose answer was lost is never sent
# again: people look into the back office.
REFUNDS_ARE_LISTED = True
# A repeated RequestID is "recognised", how is not told: with every refund and every create of ours it is the same.
SENDS_REQUEST_ID = True
