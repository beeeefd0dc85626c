"""Multicard's words, and the points its documentation leaves open: each is one constant here.

Source: docs/processors/multicard.md. Amounts: tiyin. Times: Tashkent's, without an offset.
"""

from datetime import timedelta, timezone

from gateway.types import Mode, Outcome

HOSTS = {Mode.TEST: "https://dev-mesh.multicard.uz", Mode.LIVE: "https://mesh.multicard.uz"}
CURRENCY = "UZS"
TASHKENT = timezone(timedelta(hours=5))
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
LANGUAGES = frozenset({"ru", "uz", "en"})
SANDBOX_APPLICATIONS = frozenset({"rhmt_test"})

# A word missing here means "the buyer may still pay": an unknown status must never look like success or like an end.
OUTCOMES = {
    "draft": Outcome.PENDING,
    "progress": Outcome.PROCESSING,
    "billing": Outcome.PROCESSING,  # debited, and our answer to the success callback is awaited
    "hold": Outcome.PROCESSING,  # we never ask for a hold; whatever it is, nothing else may be opened meanwhile
    "success": Outcome.CAPTURED,
    "error": Outcome.DECLINED,
    "revert": Outcome.CANCELLED,  # the money went back
}
# These are worth a question to Multicard: the webhook's signature does not cover its status.
SETTLED_WORDS = frozenset({"success", "error", "revert"})

# What comes with a lapsed, annulled or finished invoice, and with operations in the wrong state.
NOT_READY = "ERROR_TRANS_NOT_READY"
NOT_FOUND = "ERROR_NOT_FOUND"
BAD_FIELDS = "ERROR_FIELDS"
ACCESS_DENIED = "ERROR_ACCESS_DENIED"
ALREADY_APPLIED = "ERROR_PAYMENT_APPLIED"
# Nobody knows yet what became of it: ask again, never repeat.
UNKNOWN_CODES = frozenset({"ERROR_DEBIT_UNKNOWN", "ERROR_CALLBACK_TIMEOUT", "ERROR_UNKNOWN"})

# A partial refund of what was paid through one of these needs the full number of the card to pay to.
WALLETS = frozenset({"payme", "click", "uzum", "anorbank", "alif", "oson", "xazna", "beepul", "trastpay", "sbp"})

TOKEN_MARGIN = timedelta(minutes=5)
TOKEN_LIFE_UNREAD = timedelta(minutes=30)  # of a token whose expiry we cannot read
MIN_TTL_SECONDS = 60
MAX_TTL_SECONDS = 7 * 24 * 3600
MAX_INVOICE_ID = 255

# --- unconfirmed; docs/processors/multicard.md says what each depends on ---

# Field reports have X-Access-Token alone refused, and one library sends both.
SENDS_X_ACCESS_TOKEN = False
# The try's own id rides in the query of the callback address, so that several invoices of one order can be told apart.
MARKS_CALLBACK_URL = True
TRY_PARAMETER = "payment"
# The documentation, and a call seen on the sandbox, have md5 for the success callback and sha1 for webhooks; one
# library claims the reverse. Off: a signed webhook about a failed payment would read as a success without its status.
ACCEPTS_OTHER_FORMULA = False
# Whether a partial refund shows in the payment's refund_time. Until that is known, a partial refund whose answer was
# lost is neither repeated nor called done: people look into the cabinet.
PARTIAL_SETS_REFUND_TIME = False
# Whether `success: true` ends a partial refund, or only a status does.
PARTIAL_ANSWER_IS_FINAL = True
# Whether an invoice may be created without fiscal lines (on stands where fiscalisation is off).
NEEDS_ITEMS = True
