"""A call of Uzum Bank, from bytes to a question, in its order of checks: POST, credentials, JSON, parameters, service.

The first that fails is the answer; nobody without the password learns more than that.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from gateway.adapters.uzum import words
from gateway.adapters.uzum.words import Endpoint
from gateway.adapters.uzum.writing import INT64, attribute_of, failure, is_empty, is_ref
from gateway.money import Money
from gateway.questions import Cancel, Check, Create, Perform, ProtocolFault, Question, Status
from gateway.types import Callback

Json = Mapping[str, Any]

CURRENCY = "UZS"
LONGEST_CREDENTIAL = 1024
LONGEST_REFERENCE = 128
LONGEST_DETAIL = 64
# What a confirmation tells that is worth keeping, by our names for it. The buyer's phone number is not.
DETAILS = {
    "tariff": "tariff",
    "cardType": "card_type",
    "processingReferenceNumber": "processing_reference_number",
}


class Fraction(str):
    """A JSON number with a fraction or an exponent, as its text: nothing in this protocol is one."""

    __slots__ = ()


def opened(callback: Callback) -> Any:
    """The body's content. ValueError or RecursionError where it is none; a name that comes twice is none either."""
    return json.loads(
        callback.body.decode("utf-8"),
        parse_float=Fraction,
        parse_constant=_no_constant,
        object_pairs_hook=_no_twins,
    )


def glance(callback: Callback) -> Json:
    """The content as far as it can be echoed, before anything about the caller is certain. Never raises."""
    try:
        content = opened(callback)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, Mapping) else {}


def endpoint_of(callback: Callback, endpoint: str) -> Endpoint:
    """Check 1. ProtocolFault (10003): not POST, or no operation of this protocol."""
    if endpoint not in set(Endpoint):
        raise ProtocolFault("no such operation", failure(None, {}, words.NOT_POST, at=callback.received_at))
    if callback.method != "POST":
        refuse(callback, Endpoint(endpoint), words.NOT_POST, "not POST", is_authentic=False)
    return Endpoint(endpoint)


def credential_of(callback: Callback, endpoint: Endpoint) -> str:
    """Check 2, first half: `login:password` as somebody gives it. ProtocolFault (10001) where nobody gives one."""
    scheme, _, token = callback.headers.get("authorization", "").strip().partition(" ")
    try:
        text = base64.b64decode(token.strip().encode("ascii"), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeError, ValueError):
        text = ""
    login, colon, password = text.partition(":")
    if scheme.lower() != "basic" or not (login and colon and password) or len(text) > LONGEST_CREDENTIAL:
        refuse(callback, endpoint, words.ACCESS_DENIED, "no credentials", is_authentic=False)
    return text


def expected(credentials: Mapping[str, str] | None) -> str:
    """`login:password` of an account; "" for one that has not both, which verifies nobody."""
    given = credentials or {}
    login, password = given.get("login", ""), given.get("password", "")
    return f"{login}:{password}" if login.strip() and password.strip() else ""


def verify(given: str, credentials: Mapping[str, str] | None, callback: Callback, endpoint: Endpoint) -> None:
    """Check 2, second half."""
    wanted = expected(credentials)
    is_same = hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass"))
    if not is_same or not wanted:
        refuse(callback, endpoint, words.ACCESS_DENIED, "the credentials are not ours", is_authentic=False)


def question(callback: Callback, endpoint: Endpoint, service_id: str) -> Question:
    """Checks 3 to 5, for a caller who has shown the password."""
    try:
        content = opened(callback)
    except (ValueError, RecursionError):
        refuse(callback, endpoint, words.NOT_JSON, "the body is not JSON")
    if not isinstance(content, Mapping):
        refuse(callback, endpoint, words.NOT_JSON, "the body is no object")
    wanted = FIELDS[endpoint]
    for name, is_right in wanted.items():
        if not is_empty(content.get(name)) and not is_right(content[name]):
            refuse(callback, endpoint, words.NOT_JSON, f"{name} has the wrong type")
    for name in wanted:
        if is_empty(content.get(name)):
            refuse(callback, endpoint, words.MISSING, f"{name} is missing")
    reference = _attribute(content["params"], callback, endpoint) if "params" in wanted else ""
    if not is_service_id(service_id) or content["serviceId"] != int(service_id):
        is_early = endpoint in (Endpoint.CHECK, Endpoint.CREATE)
        code = words.WRONG_SERVICE if is_early else words.WRONG_SERVICE_LATER
        refuse(callback, endpoint, code, "another service")
    if "params" in wanted and not _is_reference(reference):
        refuse(callback, endpoint, words.NO_ACCOUNT, "the order's id is none of ours")
    return _question(content, endpoint, reference)


def _question(content: Json, endpoint: Endpoint, reference: str) -> Question:
    match endpoint:
        case Endpoint.CHECK:
            return Check(reference=reference, money=None)
        case Endpoint.CREATE:
            # Zero and less are wrong amounts like any other, said after the order was found.
            return Create(reference, Money(content["amount"], CURRENCY), transaction_ref=content["transId"])
        case Endpoint.CONFIRM:
            return Perform(transaction_ref=content["transId"], details=_details(content))
        case Endpoint.REVERSE:
            return Cancel(transaction_ref=content["transId"], reason=words.REVERSED_BY_BANK)
        case Endpoint.STATUS:
            return Status(transaction_ref=content["transId"])


def _attribute(params: Json, callback: Callback, endpoint: Endpoint) -> str:
    """The order's id as text; it may come as a number."""
    found = attribute_of(params)
    if found is None:
        refuse(callback, endpoint, words.MISSING, f"params.{words.ATTRIBUTES[0]} is missing")
    name, value = found
    if not _is_scalar(value):
        refuse(callback, endpoint, words.NOT_JSON, f"params.{name} is neither text nor number")
    return str(value)


def _details(content: Json) -> dict[str, str]:
    """Nothing about them is worth refusing a payment that the buyer has already made."""
    found = {ours: _detail(content.get(theirs)) for theirs, ours in DETAILS.items()}
    found["payment_system"] = _detail(content.get("paymentSource")).lower()
    return {name: text for name, text in found.items() if text}


def _detail(value: object) -> str:
    text = str(value) if _is_scalar(value) else ""
    return text if text.isascii() and text.isprintable() and len(text) <= LONGEST_DETAIL else ""


def is_service_id(text: str) -> bool:
    """A positive int64 as its plain digits."""
    is_plain = text.isascii() and text.isdigit() and not text.startswith("0") and len(text) <= 19
    return is_plain and int(text) < INT64


def _is_int64(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -INT64 <= value < INT64


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_reference(text: str) -> bool:
    """Plain characters, so that it can be looked up anywhere: no NUL, no lone surrogate."""
    return len(text) <= LONGEST_REFERENCE and text.isprintable()


COMMON: dict[str, Callable[[object], bool]] = {"serviceId": _is_int64, "timestamp": _is_int64}
FIELDS: dict[Endpoint, dict[str, Callable[[object], bool]]] = {
    Endpoint.CHECK: {**COMMON, "params": _is_object},
    Endpoint.CREATE: {**COMMON, "transId": is_ref, "params": _is_object, "amount": _is_int64},
    Endpoint.CONFIRM: {**COMMON, "transId": is_ref, **dict.fromkeys(words.CONFIRM_NEEDS, _is_scalar)},
    Endpoint.REVERSE: {**COMMON, "transId": is_ref},
    Endpoint.STATUS: {**COMMON, "transId": is_ref},
}


def refuse(callback: Callback, endpoint: Endpoint, code: str, why: str, *, is_authentic: bool = True) -> NoReturn:
    reply = failure(endpoint, glance(callback), code, at=callback.received_at)
    raise ProtocolFault(f"{code} {why}", reply, is_authentic=is_authentic)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that comes twice means two things at once; with money at stake that is not JSON to us."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found
