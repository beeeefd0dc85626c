"""What we write into Stripe's fields: names, limits and the keys under which a wish is sent."""

import hashlib
from datetime import datetime, timedelta

from gateway.types import PaymentRequest

CASHAPP = "cashapp"
CARD = "card"
SESSION_PREFIX = "cs_"  # of a Checkout Session's id, in both modes

# Ours in the metadata of a Checkout Session and of its PaymentIntent, beside `orderId` and `paymentId`.
METHOD_NAME = "method"
CAPTURE_NAME = "capture"
MANUAL = "manual"

MAX_METADATA = 50
MAX_METADATA_NAME = 40
MAX_METADATA_VALUE = 500
MAX_DESCRIPTION = 1000
MAX_CLIENT_REFERENCE = 200

# A session lives between half an hour and a day, counted by Stripe's clock when the request arrives there.
SHORTEST_SESSION = timedelta(minutes=30)
LONGEST_SESSION = timedelta(hours=24)
SESSION_MARGIN = timedelta(minutes=5)

# Languages of Checkout that a language of ours can mean; for the others it follows the browser.
LOCALES = frozenset(
    {
        *("bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hr", "hu"),
        *("id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl"),
        *("sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW"),
    }
)


def is_session(processor_ref: str) -> bool:
    return processor_ref.startswith(SESSION_PREFIX)


def metadata_of(request: PaymentRequest) -> dict[str, str]:
    """What Stripe keeps with the payment: the order's own fields as far as they fit, and always ours."""
    ours = {"orderId": request.order_reference, "paymentId": request.reference}
    if request.method == CARD:
        ours[METHOD_NAME] = CARD
        if request.captures_later:
            ours[CAPTURE_NAME] = MANUAL
    reserved = {*ours, METHOD_NAME, CAPTURE_NAME}
    kept: dict[str, str] = {}
    for name, value in request.metadata.items():
        fits = name and len(name) <= MAX_METADATA_NAME and "[" not in name and "]" not in name
        if fits and value and name not in reserved and len(kept) < MAX_METADATA - len(ours):
            kept[name] = value[:MAX_METADATA_VALUE]
    return {**kept, **ours}


def idempotency_key(purpose: str, reference: str, *, number: int = 1) -> str:
    """The same for the same wish, also after a crash; at most 255 characters.

    `number` names a further key of the wish, for when Stripe has stored a failure of its own under the former one.
    """
    tail = f"-{number}" if number > 1 else ""
    key = f"{purpose}-{reference}{tail}"
    return key if len(key) <= 255 else f"{purpose}-{hashlib.sha256(reference.encode()).hexdigest()}{tail}"


def session_end(wanted: datetime | None, *, start: datetime) -> int | None:
    """When the session shall end, as near to the wish as Stripe allows; None leaves it at Stripe's day."""
    if wanted is None:
        return None
    earliest = start + SHORTEST_SESSION + SESSION_MARGIN
    latest = start + LONGEST_SESSION - SESSION_MARGIN
    return int(min(max(wanted, earliest), latest).timestamp())
