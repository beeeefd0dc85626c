"""Are these bytes signed by whom they say? Both of the ways our notifications are signed.

`X-Payment-Signature: sha256=<hex HMAC-SHA256(raw body, key = the secret's text)>`, and Standard Webhooks:
`webhook-signature: v1,<base64 HMAC-SHA256("<webhook-id>.<webhook-timestamp>.<body>")>`, its key the base64-decoded
part of the secret after `whsec_`; several signatures are separated by spaces, one that fits is enough.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from gateway.simulators.wire import Json

TOLERANCE_SECONDS = 300


def check(headers: Mapping[str, str], body: bytes, secrets: list[str], now: float) -> Json:
    """Per signature header: `ok` True, False or None (cannot tell) and `words` that say why."""
    return {
        "x-payment-signature": _hex(headers, body, secrets),
        "webhook-signature": _standard(headers, body, secrets, now),
    }


def _verdict(ok: bool | None, words: str) -> Json:
    return {"ok": ok, "words": words}


def _hex(headers: Mapping[str, str], body: bytes, secrets: list[str]) -> Json:
    given = headers.get("x-payment-signature", "")
    if not given:
        return _verdict(None, "not sent")
    if not secrets:
        return _verdict(None, "not checked: this inbox knows no secret")
    scheme, _, digest = given.partition("=")
    if scheme != "sha256" or len(digest) != 64:
        return _verdict(False, "wrong form: sha256=<64 hex digits> expected")
    for place, secret in enumerate(secrets, 1):
        if _equal(hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), digest):
            return _verdict(True, "right" + (f" (secret {place} of {len(secrets)})" if len(secrets) > 1 else ""))
    return _verdict(False, "wrong: no known secret gives this signature")


def _standard(headers: Mapping[str, str], body: bytes, secrets: list[str], now: float) -> Json:
    given = headers.get("webhook-signature", "")
    if not given:
        return _verdict(None, "not sent")
    key_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not key_id or not sent_at.isascii() or not sent_at.isdecimal():
        return _verdict(False, "wrong form: webhook-id and a webhook-timestamp in unix seconds belong to it")
    if not secrets:
        return _verdict(None, "not checked: this inbox knows no secret")
    signed = f"{key_id}.{sent_at}.".encode() + body
    digests = [part.partition(",")[2] for part in given.split() if part.startswith("v1,")]
    for place, secret in enumerate(secrets, 1):
        key = _key(secret)
        if key is None:
            continue
        right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if any(_equal(right, digest) for digest in digests):
            if abs(now - int(sent_at)) > TOLERANCE_SECONDS:
                return _verdict(False, "signed rightly, but its timestamp is more than 5 minutes off")
            return _verdict(True, "right" + (f" (secret {place} of {len(secrets)})" if len(secrets) > 1 else ""))
    return _verdict(False, "wrong: no known secret gives this signature")


def _key(secret: str) -> bytes | None:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
