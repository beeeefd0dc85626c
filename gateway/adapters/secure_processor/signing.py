"""Who sent a callback: the shop's own Basic credentials, and an RSA signature over the body as it arrived.

Both together. The vendor's own library checks the signature where there is one and falls back to Basic where there is
none, so that whoever learns the secret key can leave the signature out.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.adapters.secure_processor.keys import NotAKey, load_public_key
from gateway.errors import BadCallback
from gateway.types import Callback


def verify(callback: Callback, *, holders: Iterable[Mapping[str, str]], needs_signature: bool) -> None:
    """One of the credentials (the present ones, and those rotated out that still count) vouches for the callback.

    `needs_signature` False accepts a callback without any signature; a wrong one is never accepted.
    """
    known = list(holders)
    _verify_basic(callback.headers.get("authorization", ""), known)
    signature = callback.headers.get("content-signature", "").strip()
    if not signature:
        if needs_signature:
            raise BadCallback("no Content-Signature")
        return
    _verify_rsa(callback.body, signature, keys=[holder.get("publicKey", "") for holder in known])


def _verify_basic(header: str, holders: Iterable[Mapping[str, str]]) -> None:
    scheme, _, rest = header.strip().partition(" ")
    given = _decoded(rest.strip())
    if scheme.lower() != "basic" or given is None:
        raise BadCallback("no readable Basic authorization")
    expected = [
        f"{holder.get('shopId', '')}:{holder['secretKey']}".encode("utf-8", "replace")
        for holder in holders
        if holder.get("shopId") and holder.get("secretKey", "").strip()  # blank ones never vouch for anything
    ]
    # No early way out: the time taken must not tell which one it was.
    matches = [hmac.compare_digest(given, pair) for pair in expected]
    if not any(matches):
        raise BadCallback("the Basic authorization is not this shop's")


def _verify_rsa(body: bytes, signature: str, *, keys: Iterable[str]) -> None:
    raw = _decoded(signature)
    if raw is None:
        raise BadCallback("Content-Signature is not base64")
    for text in keys:
        try:
            key = load_public_key(text)
        except NotAKey:
            continue  # rotated in before the check existed, or left blank: it vouches for nothing
        if _is_signed(key, raw, body):
            return
    raise BadCallback("Content-Signature is not made with this shop's key")


def _is_signed(key: RSAPublicKey, signature: bytes, body: bytes) -> bool:
    try:
        key.verify(signature, body, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes | None:
    """Strict base64: a forgiving reader would take several texts for one signature."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True) if text else None
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
