"""The signature doctor: why a webhook of ours does not verify, from what its receiver saw.

Pure: rows come in as `Known`, what to say goes out as codes with facts; the page has the words. It never shows a
secret nor a signature that was not there before: it compares, and says what fits.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from webhooks import derivations, pasted
from webhooks.derivations import Derivation, Scheme, Slip
from webhooks.pasted import Change
from webhooks.signing import ID_PREFIX, SECRET_PREFIX, key_of

OK, BAD, WAIT, INFO = "ok", "bad", "wait", "info"
TOLERANCE_SECONDS = 300  # what verifying libraries allow
HEX_LENGTH, BASE64_LENGTH = 64, 44  # characters of an HMAC-SHA256
KIND, PAYMENT, STANDARD = "x-dztech-webhook", "x-payment-signature", "webhook-signature"
MESSAGE_ID, TIMESTAMP = "webhook-id", "webhook-timestamp"
# Where receivers look for a signature by habit; none of these is ours.
FOREIGN = [
    "x-signature", "signature", "x-hub-signature-256", "x-hub-signature", "x-webhook-signature", "x-dztech-signature",
    "x-dztech-webhook-signature", "svix-signature", "stripe-signature", "content-signature",
]  # fmt: skip
_KEYS = re.compile(r"(provider|merchant)_(test_)?[0-9a-f]{16,}|[sr]k_(test|live)_")


@dataclass(frozen=True, slots=True)
class Secret:
    """One that may have signed. `label`: current, next, house (the installation's own)."""

    label: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt as it went out: its headers with lower-case names."""

    number: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Known:
    """A delivery of the provider."""

    message_id: str
    body: bytes
    mode: str
    sent: Sequence[Sent] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What somebody has: the request as received, and, if given, what their code uses and what it computed."""

    headers: Mapping[str, str]
    body: bytes
    secrets: Sequence[Secret]
    known: Known | None = None  # the delivery that `webhook-id` names, or that was picked
    others: Sequence[Known] = ()  # more of the same order
    mode: str = ""
    their_secret: str = field(default="", repr=False)
    computed: str = ""
    has_own_secret: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say, by its code; `facts` fill its sentence."""

    code: str
    tone: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Findings, the gravest first. `fits`: which of the signatures are right for body and headers as they are."""

    findings: Sequence[Finding]
    fits: frozenset[Scheme] = frozenset()

    @property
    def is_genuine(self) -> bool:
        """The request is ours and unchanged; what fails then fails on the receiver's side."""
        return bool(self.fits) and not any(finding.tone == BAD for finding in self.findings)


def examine(case: Case, *, now: datetime) -> Diagnosis:
    """Look at everything there is; says at least one thing."""
    headers = dict(case.headers)
    findings = _of_headers(headers)
    body_changes = pasted.changes(case.known.body, case.body) if case.known is not None and case.body else []
    fits: set[Scheme] = set()
    if not case.body:
        findings.append(Finding("body_missing", BAD))
    else:
        findings += _of_known(case, body_changes)
        for scheme in Scheme:
            found, does_fit = _of_signature(case, headers, scheme, body_changes)
            findings += found
            fits |= {scheme} if does_fit else set()
    findings += _of_clock(case, headers, now)
    findings += _of_their_side(case, headers)
    if fits and not any(finding.tone == BAD for finding in findings):
        findings.insert(0, Finding("genuine", OK, {"schemes": sorted(fits)}))
    order = [BAD, OK, WAIT, INFO]
    unique = {(finding.code, str(finding.facts)): finding for finding in findings}.values()
    return Diagnosis(sorted(unique, key=lambda finding: order.index(finding.tone)), frozenset(fits))


# --- headers ------------------------------------------------------------------------------------------------------


def _of_headers(headers: dict[str, str]) -> list[Finding]:
    """What is wrong with them; mends in place what can be understood in spite of it."""
    if not headers:
        return [Finding("no_headers", BAD)]
    found: list[Finding] = []
    if PAYMENT not in headers and STANDARD not in headers:
        foreign = next((name for name in FOREIGN if name in headers), "")
        if foreign:
            found.append(Finding("foreign_header", BAD, {"header": foreign}))
        else:
            found.append(Finding("only_kind" if KIND in headers else "no_signature", BAD))
    if MESSAGE_ID in headers and TIMESTAMP in headers and headers[TIMESTAMP].startswith(ID_PREFIX):
        headers[MESSAGE_ID], headers[TIMESTAMP] = headers[TIMESTAMP], headers[MESSAGE_ID]
        found.append(Finding("id_and_time_swapped", BAD))
    if headers.get(PAYMENT, "").startswith("v1,"):
        headers.setdefault(STANDARD, headers[PAYMENT])
        del headers[PAYMENT]
        found.append(Finding("signatures_swapped", BAD))
    found += _form_of_payment(headers) if PAYMENT in headers else []
    found += _form_of_standard(headers) if STANDARD in headers else []
    return found + _form_of_time(headers)


def _form_of_payment(headers: dict[str, str]) -> list[Finding]:
    found: list[Finding] = []
    prefix, equals, digest = headers[PAYMENT].partition("=")
    if not equals or prefix.lower() != "sha256":
        digest = headers[PAYMENT]
        found.append(Finding("prefix_missing", BAD, {"header": PAYMENT, "prefix": "sha256="}))
    if not re.fullmatch(r"[0-9a-fA-F]*", digest):
        return [*found, Finding("not_hex", BAD)]
    if len(digest) < HEX_LENGTH:
        facts = {"header": PAYMENT, "has": len(digest), "wants": HEX_LENGTH}
        return [*found, Finding("cut_short", BAD, facts)]
    if digest != digest.lower() or prefix.isupper():
        found.append(Finding("upper_case", BAD))
    headers[PAYMENT] = f"sha256={digest.lower()}"
    return found


def _form_of_standard(headers: dict[str, str]) -> list[Finding]:
    text, found = headers[STANDARD], []
    if "v1," not in text:
        found.append(Finding("prefix_missing", BAD, {"header": STANDARD, "prefix": "v1,"}))
        text = "v1," + text.replace(" ", "+")
    elif any(not part.startswith("v1,") for part in text.split()):
        found.append(Finding("plus_lost", BAD))
        text = re.sub(r" (?!v1,)", "+", text)
    if "-" in text or "_" in text:
        found.append(Finding("url_safe", BAD))
        text = text.replace("-", "+").replace("_", "/")
    short = [part for part in text.split() if len(part) - 3 < BASE64_LENGTH]
    if short:
        facts = {"header": STANDARD, "has": len(short[0]) - 3, "wants": BASE64_LENGTH}
        found.append(Finding("cut_short", BAD, facts))
    headers[STANDARD] = text
    missing = [name for name in (MESSAGE_ID, TIMESTAMP) if not headers.get(name)]
    return [*found, *(Finding("beside_missing", BAD, {"header": name}) for name in missing)]


def _form_of_time(headers: dict[str, str]) -> list[Finding]:
    text = headers.get(TIMESTAMP, "")
    if not text or (text.isascii() and text.isdigit() and len(text) < 12):
        return []
    if text.isascii() and text.isdigit():
        headers[TIMESTAMP] = text[:-3]
        return [Finding("milliseconds", BAD)]
    return [Finding("time_no_number", BAD)]


def _of_clock(case: Case, headers: Mapping[str, str], now: datetime) -> list[Finding]:
    text = headers.get(TIMESTAMP, "")
    if not (text.isascii() and text.isdigit()):  # "²" is a digit, too, and no number
        return []
    seconds = int(text)
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return [Finding("time_no_number", BAD)]
    facts = {"at": at, "minutes": abs(int((now - at).total_seconds())) // 60}
    if seconds > now.timestamp() + TOLERANCE_SECONDS:
        return [Finding("in_future", BAD, facts)]
    if seconds >= now.timestamp() - TOLERANCE_SECONDS:
        return []
    return [Finding("too_old", WAIT, facts)]


# --- the body, where it is known what was sent --------------------------------------------------------------------


def _of_known(case: Case, changes: Sequence[Change]) -> list[Finding]:
    known = case.known
    if known is None:
        return [Finding("id_unknown", WAIT)] if case.headers.get(MESSAGE_ID) else []
    found = [Finding("other_mode", INFO, {"mode": known.mode})] if case.mode and known.mode != case.mode else []
    if not changes:
        return [*found, Finding("body_same", INFO)]
    if Change.FIELDS in changes or Change.OTHER in changes:
        for other in case.others:
            if other.message_id != known.message_id and not pasted.changes(other.body, case.body):
                return [*found, Finding("other_delivery", BAD, {"message_id": other.message_id})]
    return [*found, *_of_changes(changes, known.body, case.body)]


def _of_changes(changes: Sequence[Change], original: bytes, body: bytes) -> list[Finding]:
    found: list[Finding] = []
    rewriting = [change for change in changes if change in pasted.REWRITING]
    if rewriting:
        found.append(Finding("rewritten", BAD, {"how": rewriting}))
    for change in changes:
        if change not in pasted.REWRITING:
            facts: dict[str, Any] = {}
            if change is Change.FIELDS:
                facts["fields"] = pasted.fields_that_differ(original, body)
            if change is Change.CUT:
                facts |= {"has": len(body), "wants": len(original)}
            found.append(Finding(f"body_{change.value}", BAD, facts))
    return found


# --- the signatures -----------------------------------------------------------------------------------------------


def _of_signature(
    case: Case, headers: Mapping[str, str], scheme: Scheme, changes: Sequence[Change]
) -> tuple[list[Finding], bool]:
    """What can be said of one signature, and whether it fits headers and body as they are."""
    name = PAYMENT if scheme is Scheme.PAYMENT else STANDARD
    digests = _digests_of(headers.get(name, ""), scheme)
    if not digests or (scheme is Scheme.STANDARD and not headers.get(TIMESTAMP)):
        return [], False
    for secret in case.secrets:  # as they are
        if _matches(digests, scheme, secret.text, headers, case.body):
            found = [] if secret.label != "house" or not case.has_own_secret else [Finding("house_secret", WAIT)]
            found += [Finding("next_secret", INFO)] if secret.label == "next" and scheme is Scheme.PAYMENT else []
            return found, True
    if case.known is not None:
        return _beside_known(case, headers, scheme, changes, digests), False
    for body_changes, body in pasted.may_have_been(case.body):
        for secret in case.secrets:
            if body_changes and _matches(digests, scheme, secret.text, headers, body):
                return _of_changes(body_changes, body, case.body), False
    return [Finding("fits_nothing", BAD, {"header": name})], False


def _beside_known(
    case: Case, headers: Mapping[str, str], scheme: Scheme, changes: Sequence[Change], digests: Sequence[bytes]
) -> list[Finding]:
    """It does not fit, and it is known what was sent: was the signature changed, or the body, or the secret?"""
    known = case.known
    assert known is not None
    name = PAYMENT if scheme is Scheme.PAYMENT else STANDARD
    right = {**headers, MESSAGE_ID: known.message_id}
    for secret in case.secrets:
        if _matches(digests, scheme, secret.text, right, known.body):
            # Ours, of the body that was sent. What differs was said of the body; else the id was another one.
            return [] if changes else [Finding("other_id", BAD, {"message_id": known.message_id})]
    for sent in known.sent:
        if set(digests) & set(_digests_of(sent.headers.get(name, ""), scheme)):
            if scheme is Scheme.STANDARD and sent.headers.get(TIMESTAMP) != headers.get(TIMESTAMP):
                return [Finding("other_time", BAD, {"number": sent.number})]
            return [Finding("retired_secret", BAD, {"header": name})]
    for other in case.others:
        for sent in other.sent:
            if set(digests) & set(_digests_of(sent.headers.get(name, ""), scheme)):
                return [Finding("other_signature", BAD, {"header": name, "message_id": other.message_id})]
    return [Finding("fits_nothing", BAD, {"header": name})]


def _matches(digests: Sequence[bytes], scheme: Scheme, secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    if scheme is Scheme.PAYMENT:
        wanted = hmac.digest(secret.encode(), body, "sha256")
    else:
        content = f"{headers.get(MESSAGE_ID, '')}.{headers.get(TIMESTAMP, '')}.".encode() + body
        wanted = hmac.digest(key_of(secret), content, "sha256")
    return any(hmac.compare_digest(wanted, digest) for digest in digests)


def _digests_of(text: str, scheme: Scheme) -> list[bytes]:
    """The raw values a header carries; what is no digest is left out."""
    if scheme is Scheme.PAYMENT:
        digest = text.removeprefix("sha256=")
        return [bytes.fromhex(digest)] if re.fullmatch(r"[0-9a-f]{64}", digest) else []
    found = []
    for part in text.split():
        try:
            found.append(base64.b64decode(part.removeprefix("v1,"), validate=True))
        except (binascii.Error, ValueError):
            continue
    return found


# --- the receiver's side ------------------------------------------------------------------------------------------


def _of_their_side(case: Case, headers: Mapping[str, str]) -> list[Finding]:
    found = _of_their_secret(case) if case.their_secret else []
    return found + (_of_computed(case, headers) if case.computed else [])


def _of_their_secret(case: Case) -> list[Finding]:
    theirs = case.their_secret
    plain = theirs.strip().strip("\"'").strip()
    for secret in case.secrets:
        if _equal(theirs, secret.text):
            tone = WAIT if secret.label == "house" and case.has_own_secret else OK
            return [Finding(f"yours_is_{secret.label}", tone)]
        if _equal(plain, secret.text):
            return [Finding("yours_has_spaces", BAD)]
        if plain and _equal(plain, secret.text.removeprefix(SECRET_PREFIX)):
            return [Finding("yours_has_no_prefix", BAD)]
        if _equal(plain.lower(), key_of(secret.text).hex()):
            return [Finding("yours_is_decoded", BAD)]
    if _KEYS.match(plain):
        return [Finding("yours_is_a_key", BAD)]
    return [Finding("yours_is_old" if plain.startswith(SECRET_PREFIX) else "yours_is_unknown", BAD)]


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _of_computed(case: Case, headers: Mapping[str, str]) -> list[Finding]:
    known = case.known
    text = derivations.Text(
        body=case.body,
        message_id=headers.get(MESSAGE_ID, known.message_id if known else ""),
        timestamp=headers.get(TIMESTAMP, ""),
    )
    theirs = [case.their_secret] if case.their_secret else []
    secrets = [secret.text for secret in case.secrets]
    way = derivations.find(
        case.computed, text=text, secrets=[*secrets, *theirs], original=known.body if known else None
    )
    if way is None:
        return [Finding("computed_unknown", BAD)]
    return [_of_way(way, case, is_theirs=way.secret >= len(secrets))]


def _of_way(way: Derivation, case: Case, *, is_theirs: bool) -> Finding:
    facts = {"scheme": way.scheme.value, "slips": way.slips}
    if is_theirs:
        return Finding("computed_other_secret", BAD, facts)
    label = case.secrets[way.secret].label
    if label == "house" and case.has_own_secret:
        return Finding("computed_house_secret", BAD, facts)
    if not way.slips:
        return Finding("computed_right", OK, facts)
    return Finding("computed_wrong", BAD, facts)


__all__ = ["Case", "Change", "Diagnosis", "Finding", "Known", "Scheme", "Secret", "Sent", "Slip", "examine"]
