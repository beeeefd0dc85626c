"""Which secret is which: the key id carries the mode, the key secret signs returns, the webhook secret callbacks."""

import re
from collections.abc import Mapping

from gateway.adapters.razorpay.terms import KEY_PREFIXES
from gateway.types import Mode

KEY_ID = re.compile(r"rzp_(test|live)_[A-Za-z0-9]{4,64}", re.ASCII)
MAX_LENGTH = 200


def mode_of_key(key_id: str) -> Mode | None:
    """None for anything that is no key id."""
    return KEY_PREFIXES[key_id[:9]] if KEY_ID.fullmatch(key_id) else None


def check_credentials(credentials: Mapping[str, str], mode: Mode) -> dict[str, str]:
    """What is wrong, by field name; {} when nothing is. The texts never repeat a secret."""
    key_secret, webhook_secret = credentials.get("keySecret", ""), credentials.get("webhookSecret", "")
    problems = {
        "keyId": _problem_of_key_id(credentials.get("keyId", ""), mode),
        "keySecret": _problem_of_key_secret(key_secret),
        "webhookSecret": _problem_of_webhook_secret(webhook_secret, key_secret),
    }
    return {name: problem for name, problem in problems.items() if problem}


def _problem_of_key_id(key_id: str, mode: Mode) -> str:
    if not key_id:
        return "Required."
    found = mode_of_key(key_id)
    if found is None:
        return "Not a Razorpay key id: those start with rzp_test_ or rzp_live_."
    if found is not mode:
        return f"This is a {found} key, but the account is in {mode} mode."
    return ""


def _problem_of_key_secret(secret: str) -> str:
    if not secret:
        return "Required."
    if secret.startswith("rzp_"):
        return "This is the key id; the secret was shown once, when the key was generated."
    if not (secret.isascii() and secret.isprintable()) or " " in secret or len(secret) > MAX_LENGTH:
        return "Contains spaces or characters that no Razorpay secret has, or is too long."
    return ""


def _problem_of_webhook_secret(secret: str, key_secret: str) -> str:
    """Its owner invented it, so it may hold almost anything; but it must be told from the other two."""
    if not secret.strip():
        return "Required: without it Razorpay signs nothing, and no callback could be believed."
    if secret != secret.strip() or not secret.isprintable() or len(secret) > MAX_LENGTH:
        return "Begins or ends with a space, holds characters that cannot be typed, or is too long."
    if secret == key_secret:
        return "This is the key secret; the webhook secret is the one you invented when you added the webhook."
    if KEY_ID.fullmatch(secret):
        return "This is the key id; the webhook secret is the one you invented when you added the webhook."
    return ""
