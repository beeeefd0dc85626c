"""Signatures on what processors send us: compared as bytes, in constant time, over the body as it arrived.

The functions that verify return nothing and raise only `BadCallback`, whatever a stranger put into a header.
"""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime

from gateway.errors import BadCallback

STRIPE_TOLERANCE_SECONDS = 300


def hmac_sha256(message: bytes, *, key: str) -> str:
    """Lower-case hex; the key is the secret's text, as the processors show it."""
    return hmac.new(key.encode("utf-8", "replace"), message, hashlib.sha256).hexdigest()


def is_same(given: str, expected: str) -> bool:
    """Constant time for equal lengths. Header values are latin-1 text: odd characters are just not the same."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))


def verify_hmac_sha256(message: bytes, given: str, *, keys: Iterable[str]) -> None:
    """One of the keys signed the message; blank keys never do."""
    # No early way out: the time taken must not tell which key it was.
    matches = [is_same(given, hmac_sha256(message, key=key)) for key in keys if key.strip()]
    if not any(matches):
        raise BadCallback("the signature is not ours")


def verify_stripe(
    body: bytes,
    header: str,
    *,
    secrets: Iterable[str],
    now: datetime,
    tolerance_seconds: int = STRIPE_TOLERANCE_SECONDS,
) -> None:
    """`Stripe-Signature: t=<unix>,v1=<hex>[,v1=<hex>…]`, HMAC-SHA256 over `<t>.<body>`; one v1 must match.

    Other schemes (v0) are ignored. Stripe's own library accepts any time in the future; we do not, because a
    signature made for later could be kept until then.
    """
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):
        raise BadCallback("Stripe-Signature has no single time")
    if not signatures:
        raise BadCallback("Stripe-Signature has no v1")
    message = times[0].encode() + b"." + body
    expected = [hmac_sha256(message, key=secret) for secret in secrets if secret.strip()]
    matches = [is_same(given, wanted) for wanted in expected for given in signatures]
    if not any(matches):
        raise BadCallback("no v1 of Stripe-Signature is ours")
    if abs(now.timestamp() - int(times[0])) > tolerance_seconds:
        raise BadCallback("Stripe-Signature is too old or from the future")
