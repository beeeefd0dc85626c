"""What a business enters, and what is wrong with it before it is saved."""

from collections.abc import Mapping

from gateway.types import Mode

LONGEST_ID = 18
LONGEST_SECRET = 256


def is_id(text: str) -> bool:
    """A positive number as Click writes it: the signature is over this very text."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_ID and not text.startswith("0")


def has_merchant_api(credentials: Mapping[str, str]) -> bool:
    """Whether the account can ask and refund; without the merchant user only the SHOP-API works."""
    return is_id(credentials.get("merchantUserId", ""))


def check_credentials(credentials: Mapping[str, str], mode: Mode) -> dict[str, str]:
    """By field. Click has one kind of credentials: the mode cannot be seen."""
    problems = {}
    for name in ("serviceId", "merchantId"):
        if not is_id(credentials.get(name, "")):
            problems[name] = "must be the number from Click's cabinet"
    secret_key = credentials.get("secretKey", "")
    if not secret_key or len(secret_key) > LONGEST_SECRET:
        problems["secretKey"] = "must be the service's secret key"
    elif not (secret_key.isascii() and secret_key.isprintable()) or " " in secret_key:
        problems["secretKey"] = "has spaces or characters that no key of Click has"
    merchant_user_id = credentials.get("merchantUserId", "")
    if merchant_user_id and not is_id(merchant_user_id):
        problems["merchantUserId"] = "must be the number from Click's cabinet, or be left out"
    return problems
