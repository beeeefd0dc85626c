"""The shop's credentials, and its public key in every spelling that people paste.

The back office shows the key as one line of base64 (the DER of a SubjectPublicKeyInfo, without PEM armour); environment
files, forms and chats turn it into PEM, wrap it, quote it, and write its line breaks as a backslash and an n.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.types import Mode

MIN_BITS = 2048
MAX_KEY_TEXT = 8000
MAX_LENGTH = 200
SHOP_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}", re.ASCII)
ARMOUR = re.compile(r"-----(?:BEGIN|END)[A-Z0-9 ]*-----")
QUOTES = "\"'`\u2018\u2019\u201c\u201d"


class NotAKey(ValueError):
    """The text is no RSA public key that we may rely on; its words are for whoever pasted it."""


@lru_cache(maxsize=256)
def load_public_key(text: str) -> RSAPublicKey:
    """The key in any spelling. NotAKey for everything else, an RSA key of fewer than 2048 bits included."""
    if len(text) > MAX_KEY_TEXT:
        raise NotAKey("Too long to be a public key.")
    if "PRIVATE KEY" in text:
        raise NotAKey("This is a private key: keep it to yourself, and paste the public one.")
    if "BEGIN CERTIFICATE" in text:
        raise NotAKey("This is a certificate; the back office shows the public key by itself.")
    bare = text.strip().strip(QUOTES).replace("\\r", "").replace("\\n", "\n")
    bare = "".join(ARMOUR.sub("", bare).split())
    if not bare:
        raise NotAKey("Required.")
    try:
        found = load_der_public_key(base64.b64decode(bare.encode("ascii"), validate=True))
    except (binascii.Error, UnicodeEncodeError):
        raise NotAKey("Not a public key: it is not base64. Copy it whole from the back office.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NotAKey("Not a public key: cut short, or of another kind. Copy it whole from the back office.") from None
    if not isinstance(found, RSAPublicKey):
        raise NotAKey("A public key, but not an RSA one.")
    if found.key_size < MIN_BITS:
        raise NotAKey(f"An RSA key of only {found.key_size} bits; at least {MIN_BITS} are needed.")
    return found


def check_credentials(credentials: Mapping[str, str], mode: Mode) -> dict[str, str]:
    """What is wrong, by field name; {} when nothing is. The texts never repeat a secret. The keys carry no mode."""
    shop_id, secret_key = credentials.get("shopId", ""), credentials.get("secretKey", "")
    problems = {
        "shopId": _problem_of_shop_id(shop_id),
        "secretKey": _problem_of_secret_key(secret_key, shop_id),
        "publicKey": _problem_of_public_key(credentials.get("publicKey", "")),
    }
    return {name: problem for name, problem in problems.items() if problem}


def _problem_of_shop_id(shop_id: str) -> str:
    if not shop_id:
        return "Required."
    if not SHOP_ID.fullmatch(shop_id):  # a colon would end the name in Basic authentication
        return "Not a shop id: usually a number, shown beside the shop in the back office."
    return ""


def _problem_of_secret_key(secret: str, shop_id: str) -> str:
    if not secret:
        return "Required."
    if "-----BEGIN" in secret or secret.startswith("MII"):
        return "This is the public key; the secret key is the shorter one beside it."
    if not (secret.isascii() and secret.isprintable()) or " " in secret or len(secret) > MAX_LENGTH:
        return "Contains spaces or characters that no secret key has, or is too long."
    if secret == shop_id:
        return "This is the shop id; the secret key is shown beside it."
    return ""


def _problem_of_public_key(text: str) -> str:
    try:
        load_public_key(text)
    except NotAKey as error:
        return str(error)
    return ""
