"""The headers of one attempt: what it is, and two kinds of signature.

`X-Payment-Signature` is `sha256=` and the hex HMAC-SHA256 of the raw body under the secret's text. The other
three are Standard Webhooks 1.0: the HMAC covers id, timestamp and body, and its key is what the secret's text
encodes. While a rotation runs, `webhook-signature` carries one signature per secret.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

USER_AGENT = "DZTech-Pay-Webhooks/1.0"
SECRET_PREFIX = "whsec_"  # noqa: S105  # what every secret begins with
ID_PREFIX = "msg_"


@dataclass(frozen=True, slots=True)
class Signer:
    """The texts of the secrets that sign: none, the current one, or the current and the next."""

    current: str = ""
    next: str = ""

    def __repr__(self) -> str:
        return "Signer(…)"


def key_of(secret: str) -> bytes:
    """The key of a Standard Webhooks signature: the base64 behind `whsec_`, else the text itself."""
    if secret.startswith(SECRET_PREFIX):
        encoded = secret.removeprefix(SECRET_PREFIX)
        try:
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (binascii.Error, ValueError):
            pass  # somebody's own text that only begins like one
    return secret.encode()


def message_id(delivery_id: UUID) -> str:
    """`webhook-id`: the same at every attempt and every replay, so a receiver knows a repetition by it."""
    return f"{ID_PREFIX}{delivery_id.hex}"


def headers_for(
    *,
    delivery_id: UUID,
    sequence: int,
    own_headers: Mapping[str, str],
    body: bytes,
    signer: Signer,
    timestamp: int,
) -> dict[str, str]:
    """All headers of one attempt, made at `timestamp` (Unix seconds)."""
    identifier = message_id(delivery_id)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        **own_headers,
        "X-Event-Sequence": str(sequence),
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
    }
    if signer.current:
        headers["X-Payment-Signature"] = f"sha256={_hmac(signer.current.encode(), body).hex()}"
        content = f"{identifier}.{timestamp}.".encode() + body
        headers["webhook-signature"] = " ".join(
            "v1," + base64.b64encode(_hmac(key_of(secret), content)).decode()
            for secret in (signer.current, signer.next)
            if secret
        )
    return headers


def _hmac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, hashlib.sha256)
