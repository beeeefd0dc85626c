import base64
import hashlib
import hmac
import time


def is_genuine(raw_body: bytes, headers: dict[str, str], secret: str) -> bool:
    """`headers` with lower-case names; `raw_body` as it came in, before any parsing (Flask: request.get_data())."""
    expected = "sha256=" + hmac.new(secret.encode(), raw_body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), headers.get("x-payment-signature", "").encode())


def is_genuine_and_recent(raw_body: bytes, headers: dict[str, str], secret: str) -> bool:
    """Covers the time too: an old request cannot be played back to you."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{timestamp}.".encode() + raw_body
    expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    # Two of them while a secret is rotated: one that fits is enough.
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)
