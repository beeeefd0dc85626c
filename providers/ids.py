"""Ids and tokens. Row ids are UUIDv7 (RFC 9562): they sort by time, so that indexes stay compact."""

import base64
import os
import secrets
import time
import uuid


def uuid7() -> uuid.UUID:
    """48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76 | (random >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | random & 0x3FFFFFFFFFFFFFFF
    return uuid.UUID(int=value)


def checkout_token() -> str:
    """`tok_` and 128 random bits."""
    return "tok_" + secrets.token_hex(16)


def receipt_code() -> str:
    """`rcp_` and 128 random bits: whoever has the receipt has not the checkout."""
    return "rcp_" + secrets.token_hex(16)


def api_key_text(*, is_live: bool) -> str:
    """A provider's key with 192 random bits; `provider_…` live, `provider_test_…` test."""
    return ("provider_" if is_live else "provider_test_") + secrets.token_hex(24)


def merchant_secret_text(*, is_live: bool) -> str:
    """A merchant secret with 192 random bits; `merchant_…` live, `merchant_test_…` test."""
    return ("merchant_" if is_live else "merchant_test_") + secrets.token_hex(24)


def payment_token() -> str:
    """`pt_` and 128 random bits: the Payment-token API's name of an order."""
    return "pt_" + secrets.token_hex(16)


def payment_code() -> str:
    """128 random bits: the address of a page where a merchant's buyer pays."""
    return "pc_" + secrets.token_hex(16)


def watch_code() -> str:
    """128 random bits of its own: who watches a payment cannot find the page where it is paid."""
    return "wc_" + secrets.token_hex(16)


def signing_secret_text() -> str:
    """A Standard Webhooks secret: `whsec_` and base64 of 24 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
