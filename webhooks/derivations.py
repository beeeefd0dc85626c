"""How a wrong signature was computed: every usual mistake is tried until one gives the value somebody has.

Pure, and it only ever compares: no signature leaves this module.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from webhooks.signing import SECRET_PREFIX, key_of

LARGEST_VARIED = 16 * 1024  # bytes of a body that is tried in many forms


class Scheme(StrEnum):
    """The two kinds of signature of every webhook."""

    PAYMENT = "payment"  # X-Payment-Signature
    STANDARD = "standard"  # webhook-signature


class Slip(StrEnum):
    """One thing done otherwise than the scheme says."""

    KEY_BARE = "key_bare"  # whsec_ was cut off
    KEY_TEXT = "key_text"  # the text was used, not what it encodes
    KEY_DECODED = "key_decoded"  # base64-decoded where the text is the key
    KEY_DECODED_WHOLE = "key_decoded_whole"  # decoded with whsec_ in front, as lenient decoders do
    KEY_SPACE = "key_space"  # a line end or a space in the variable
    KEY_QUOTES = "key_quotes"
    BODY_ONLY = "body_only"  # id and timestamp are missing in the signed text
    ID_AND_TIME = "id_and_time"  # they are in it and should not be
    NO_ID = "no_id"
    NO_TIME = "no_time"
    SWAPPED = "swapped"  # timestamp before id
    PARSED_BODY = "parsed_body"  # computed over JSON that was parsed and written again
    BODY_NEWLINE = "body_newline"
    BODY_EMPTY = "body_empty"  # the stream had been read already
    SHA1 = "sha1"
    SHA512 = "sha512"
    PLAIN_HASH = "plain_hash"  # a hash of secret and body, no HMAC
    BASE64 = "base64"  # where hex is wanted
    HEX = "hex"  # where base64 is wanted
    UPPER_CASE = "upper_case"
    NO_PREFIX = "no_prefix"  # sha256= or v1, is missing
    HEX_IN_BASE64 = "hex_in_base64"


@dataclass(frozen=True, slots=True)
class Text:
    """What was signed besides the body."""

    body: bytes
    message_id: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a value came about: `slips` empty means by the book. `secret` is the place in the list that was given."""

    scheme: Scheme
    secret: int
    slips: tuple[Slip, ...]


def find(value: str, *, text: Text, secrets: Sequence[str], original: bytes | None = None) -> Derivation | None:
    """The way to `value` with the fewest slips; None where no usual one leads there. `original`: the body as sent."""
    forms = list(_forms(value))
    found: list[Derivation] = []
    for place, secret in enumerate(secrets):
        for scheme in Scheme:
            for key_slips, key in _keys(secret, scheme):
                for body_slips, body in _bodies(text.body, original):
                    for text_slips, content in _contents(body, text, scheme):
                        for hash_slips, digest in _digests(key, content):
                            for form_slips in (slips for slips, raw in forms if raw == digest):
                                slips = (*key_slips, *body_slips, *text_slips, *hash_slips, *_form(form_slips, scheme))
                                found.append(Derivation(scheme, place, slips))
    return min(found, key=lambda way: len(way.slips), default=None)


def _keys(secret: str, scheme: Scheme) -> Iterator[tuple[tuple[Slip, ...], bytes]]:
    """Keys people make of a secret, the right one first."""
    is_standard = scheme is Scheme.STANDARD
    text, decoded, bare = secret.encode(), key_of(secret), secret.removeprefix(SECRET_PREFIX).encode()
    yield (), decoded if is_standard else text
    if decoded != text:
        yield ((Slip.KEY_TEXT,), text) if is_standard else ((Slip.KEY_DECODED,), decoded)
    if bare != text:
        yield (Slip.KEY_BARE,), bare
        whole = base64.urlsafe_b64decode(_padded(secret.replace("+", "-").replace("/", "_")))
        yield (Slip.KEY_DECODED_WHOLE,), whole
    for end in (b"\n", b"\r\n", b" "):
        yield (Slip.KEY_SPACE,), text + end
        if is_standard:
            yield (Slip.KEY_SPACE, Slip.KEY_TEXT), text + end
    for quote in (b'"', b"'"):
        yield (Slip.KEY_QUOTES,), quote + text + quote


def _padded(text: str) -> bytes:
    kept = "".join(letter for letter in text if (letter.isascii() and letter.isalnum()) or letter in "-_")
    kept = kept[:-1] if len(kept) % 4 == 1 else kept
    return (kept + "=" * (-len(kept) % 4)).encode()


def _bodies(body: bytes, original: bytes | None) -> Iterator[tuple[tuple[Slip, ...], bytes]]:
    yield (), original if original is not None else body
    if original is not None and body != original:
        yield (Slip.PARSED_BODY,), body
    base = original if original is not None else body
    yield (Slip.BODY_EMPTY,), b""
    yield (Slip.BODY_NEWLINE,), base + b"\n"
    if len(base) > LARGEST_VARIED:
        return
    seen = {base, body}
    for again in _rewritten(base):
        if again not in seen:
            seen.add(again)
            yield (Slip.PARSED_BODY,), again


def _rewritten(body: bytes) -> Iterator[bytes]:
    """What JSON writers make of it: Python's, JavaScript's, PHP's, Go's, Ruby's and Java's defaults among them."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return
    for is_sorted in (False, True):
        for is_ascii in (False, True):
            for separators in ((",", ":"), (", ", ": ")):
                text = json.dumps(value, ensure_ascii=is_ascii, separators=separators, sort_keys=is_sorted)
                yield text.encode("utf-8", "replace")
                yield text.replace("/", "\\/").encode("utf-8", "replace")
            for indent in (2, 4):
                yield json.dumps(value, ensure_ascii=is_ascii, indent=indent, sort_keys=is_sorted).encode(
                    "utf-8", "replace"
                )
    yield str(value).encode("utf-8", "replace")  # a Python dict printed


def _contents(body: bytes, text: Text, scheme: Scheme) -> Iterator[tuple[tuple[Slip, ...], bytes]]:
    name, time = text.message_id.encode(), text.timestamp.encode()
    whole = name + b"." + time + b"." + body
    if scheme is Scheme.PAYMENT:
        yield (), body
        yield (Slip.ID_AND_TIME,), whole
        return
    yield (), whole
    yield (Slip.BODY_ONLY,), body
    yield (Slip.NO_ID,), time + b"." + body
    yield (Slip.NO_TIME,), name + b"." + body
    yield (Slip.SWAPPED,), time + b"." + name + b"." + body


def _digests(key: bytes, content: bytes) -> Iterator[tuple[tuple[Slip, ...], bytes]]:
    yield (), hmac.digest(key, content, "sha256")
    yield (Slip.SHA1,), hmac.digest(key, content, "sha1")
    yield (Slip.SHA512,), hmac.digest(key, content, "sha512")
    yield (Slip.PLAIN_HASH,), hashlib.sha256(key + content).digest()


def _forms(value: str) -> Iterator[tuple[tuple[Slip, ...], bytes]]:
    """The bytes that a written signature may stand for, and how it is written: HEX or BASE64 is always among it."""
    plain = value.strip().strip("\"'").split(" ")[0]
    slips: tuple[Slip, ...] = ()
    if plain.lower().startswith("sha256="):
        plain = plain[7:]
    elif plain.startswith("v1,"):
        plain = plain[3:]
    else:
        slips = (Slip.NO_PREFIX,)
    try:
        raw = bytes.fromhex(plain)
        yield (*slips, Slip.HEX, *((Slip.UPPER_CASE,) if plain != plain.lower() else ())), raw
    except ValueError:
        pass
    try:
        raw = base64.b64decode(plain.replace("-", "+").replace("_", "/") + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return
    yield (*slips, Slip.BASE64), raw
    try:
        yield (*slips, Slip.HEX_IN_BASE64), bytes.fromhex(raw.decode("ascii"))
    except ValueError:
        pass


def _form(slips: tuple[Slip, ...], scheme: Scheme) -> tuple[Slip, ...]:
    """Without what the scheme wants so."""
    right = Slip.HEX if scheme is Scheme.PAYMENT else Slip.BASE64
    return tuple(slip for slip in slips if slip is not right)
