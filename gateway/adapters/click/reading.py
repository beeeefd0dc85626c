"""A call of Click, from bytes to a question, in its order of checks: shape, signature, service, action, amount.

The signature is over the texts as they came, so no value is touched before it is checked. `error` and `error_note`
are not signed: an `error` below zero may only ever end what is not paid.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from gateway.adapters.click import words, writing
from gateway.adapters.click.amounts import CURRENCY, day_of
from gateway.money import InexactAmount, Money
from gateway.questions import Cancel, Create, Perform, ProtocolFault, Question
from gateway.types import Callback

LONGEST_BODY = 64 * 1024
LONGEST_ORDER = 255
MOST_FIELDS = 100

NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
# The exact forms matter: the signed texts stand side by side without a separator, so that only fields of one possible
# shape cannot be shifted into each other (amount 1500 with action 0 out of amount 15000 with action 1).
FORMS = {
    "click_trans_id": NUMBER,
    "service_id": NUMBER,
    "click_paydoc_id": NUMBER,
    "merchant_trans_id": re.compile(rf".{{1,{LONGEST_ORDER}}}"),
    "amount": re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,10})?"),
    "action": re.compile(r"-?[0-9]{1,9}"),
    "error": re.compile(r"0|-[1-9][0-9]{0,8}"),
    "sign_time": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"),
    "sign_string": re.compile(r".{1,128}"),
}
# Without it a request is not Click's; what it says means nothing to us, and it may be empty.
NOTE = "error_note"
PREPARE_ID = "merchant_prepare_id"
KNOWN = frozenset({*FORMS, NOTE, PREPARE_ID})


class Garbled(ValueError):
    """The request has not the shape that Click's requests have."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request of the right shape, every value as it came."""

    click_trans_id: str
    service_id: str
    click_paydoc_id: str
    merchant_trans_id: str
    merchant_prepare_id: str
    amount: str
    action: str
    error: str
    sign_time: str
    sign_string: str

    @property
    def is_failure(self) -> bool:
        return self.error.startswith("-")


def fields_of(callback: Callback) -> dict[str, str]:
    """The named texts of the body: a form, or a JSON object. Garbled where it is neither, or names a field twice."""
    if len(callback.body) > LONGEST_BODY:
        raise Garbled("the body is too long")
    kind = callback.headers.get("content-type", "").lower()
    try:
        if kind.startswith("multipart/form-data"):
            pairs = _multipart_pairs(callback.body, kind, callback.headers["content-type"])
        elif "json" in kind or callback.body.lstrip()[:1] == b"{":
            pairs = _json_pairs(callback.body)
        else:
            text = callback.body.decode("utf-8")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except (ValueError, RecursionError) as error:
        raise Garbled("the body is no form and no JSON") from error
    known = [(name, value) for name, value in pairs if name in KNOWN]
    found = dict(known)
    if len(found) != len(known):
        raise Garbled("a field comes twice")
    return found


def glance(callback: Callback) -> dict[str, str]:
    """What can be echoed of it, whatever it is. Never raises."""
    try:
        found = fields_of(callback)
    except Garbled:
        return {}
    echoed = ("click_trans_id", "merchant_trans_id", "action")
    return {name: found[name] for name in echoed if name in found and _fits(name, found[name])}


def call_of(callback: Callback) -> Call:
    """Check 1. ProtocolFault (-8), or the answer to a browser that asks for permission."""
    if callback.method == "OPTIONS":
        raise ProtocolFault("a browser asks whether it may call", writing.permission(callback))
    if callback.method != "POST":
        refuse(callback, words.BAD_REQUEST, "not POST", is_authentic=False)
    try:
        found = fields_of(callback)
    except Garbled as error:
        refuse(callback, words.BAD_REQUEST, str(error), is_authentic=False)
    for name in FORMS:
        if not _fits(name, found.get(name, "")):
            refuse(callback, words.BAD_REQUEST, f"{name} is missing or garbled", is_authentic=False)
    if NOTE not in found:
        refuse(callback, words.BAD_REQUEST, f"{NOTE} is missing", is_authentic=False)
    prepare_id = found.get(PREPARE_ID, "")
    if found["action"] == words.COMPLETE and not NUMBER.fullmatch(prepare_id):
        refuse(callback, words.BAD_REQUEST, f"{PREPARE_ID} is missing or garbled", is_authentic=False)
    return Call(merchant_prepare_id=prepare_id, **{name: found[name] for name in FORMS})


def sign(call: Call, secret_key: str, *, with_prepare_id: bool) -> str:
    """The signature that Click would give, in lower-case hex."""
    parts = [call.click_trans_id, call.service_id, secret_key, call.merchant_trans_id]
    parts += [call.merchant_prepare_id] if with_prepare_id else []
    parts += [call.amount, call.action, call.sign_time]
    text = "".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def verify(call: Call, credentials: Mapping[str, str], callback: Callback) -> None:
    """Checks 2 to 4: signature (-1), service (-5), action (-3). Without a secret nothing is right."""
    secret_key = credentials.get("secretKey", "")
    # The action chooses the formula, never the presence of a field; an action nobody knows has none of its own.
    formulas = {words.PREPARE: (False,), words.COMPLETE: (True,)}.get(call.action, (False, True))
    given = call.sign_string.lower().encode("utf-8", "surrogatepass")
    right = [
        hmac.compare_digest(given, sign(call, secret_key, with_prepare_id=formula).encode()) for formula in formulas
    ]
    if not secret_key.strip() or not any(right):
        refuse(callback, words.BAD_SIGN, "the signature is not ours", is_authentic=False)
    if call.service_id != credentials.get("serviceId", ""):
        refuse(callback, words.WRONG_SERVICE, "another service")
    if call.action not in (words.PREPARE, words.COMPLETE):
        refuse(callback, words.NO_ACTION, f"action {call.action}")


def question(call: Call, callback: Callback) -> Question:
    """What a verified call asks. ProtocolFault for a Prepare of what has failed, and for amounts no order can have."""
    if call.action == words.COMPLETE and call.is_failure:
        return Cancel(
            transaction_ref=call.click_trans_id,
            reason=call.error,
            reference=call.merchant_trans_id,
            our_number=call.merchant_prepare_id,
            only_unpaid=True,
        )
    if call.is_failure:
        refuse(callback, words.CANCELLED, f"a Prepare with error {call.error}")
    try:
        money = Money.from_major(call.amount, CURRENCY)
    except InexactAmount:
        refuse(callback, words.WRONG_AMOUNT, "a part of a tiyin")
    if money.minor <= 0:
        refuse(callback, words.WRONG_AMOUNT, "nothing to pay")
    details = {
        words.PAYDOC: call.click_paydoc_id,
        words.ORDER: call.merchant_trans_id,
        words.DAY: day_of(callback.received_at).isoformat(),
    }
    if call.action == words.PREPARE:
        return Create(
            reference=call.merchant_trans_id, money=money, transaction_ref=call.click_trans_id, details=details
        )
    return Perform(
        transaction_ref=call.click_trans_id,
        reference=call.merchant_trans_id,
        money=money,
        our_number=call.merchant_prepare_id,
        details=details,
    )


def refuse(callback: Callback, code: int, why: str, *, is_authentic: bool = True) -> NoReturn:
    raise ProtocolFault(why, writing.refusal(callback, glance(callback), code), is_authentic=is_authentic)


def _fits(name: str, value: str) -> bool:
    # `.` of a pattern takes control characters and half surrogates, which neither a database nor UTF-8 takes.
    return bool(FORMS[name].fullmatch(value)) and value.isprintable() and not value.isspace()


def _json_pairs(body: bytes) -> list[tuple[str, str]]:
    """Numbers keep their text: 38400.50 is signed as it is written."""
    content = json.loads(
        body.decode("utf-8"),
        parse_int=str,
        parse_float=str,
        parse_constant=_no_constant,
        object_pairs_hook=_no_twins,
    )
    if not isinstance(content, dict):
        raise Garbled("the JSON is no object")
    pairs = []
    for name, value in content.items():
        if value is None and name == NOTE:
            value = ""
        if isinstance(value, str):
            pairs.append((name, value))
    return pairs


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Garbled("a field comes twice")
    return dict(pairs)


def _no_constant(word: str) -> NoReturn:
    raise Garbled(f"{word} is not JSON")


def _multipart_pairs(body: bytes, kind: str, header: str) -> list[tuple[str, str]]:
    """Click's documents name only the urlencoded form; tools that try an address out often send this one."""
    at = kind.find("boundary=")
    boundary = header[at + 9 :].split(";")[0].strip().strip('"') if at >= 0 else ""
    if not boundary:
        raise Garbled("no boundary")
    parts = body.split(b"--" + boundary.encode())[1:-1]
    if len(parts) > MOST_FIELDS:
        raise Garbled("too many fields")
    pairs = []
    for part in parts:
        head, gap, content = part.partition(b"\r\n\r\n")
        name = re.search(r'[; ]name="([^"]*)"', head.decode("utf-8"))
        if gap and name:
            pairs.append((name[1], content.removesuffix(b"\r\n").decode("utf-8")))
    return pairs
