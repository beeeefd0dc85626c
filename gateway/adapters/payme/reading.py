"""A call of Payme, from bytes to a question, in Payme's order of checks: POST, JSON, id, credentials, shape, method,
parameters. The first that fails is the answer; nobody without the key learns more than that.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from gateway.adapters.payme import words
from gateway.adapters.payme.words import Method
from gateway.adapters.payme.writing import refusal
from gateway.money import Money
from gateway.questions import Cancel, Check, Create, Fiscal, Perform, ProtocolFault, Question, Statement, Status
from gateway.types import Callback

Json = Mapping[str, Any]

CURRENCY = "UZS"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_402_300_799_999  # the last millisecond that a datetime can hold
INT64 = 2**63
LONGEST_REF = 64  # Payme's ids have 24 characters
LONGEST_ACCOUNT = 128
LONGEST_TEXT = 4096
LONGEST_PASSWORD = 512
INEXACT = object()  # a JSON number with a fraction or an exponent, unread: nothing in this protocol is one
FISCAL_TEXTS = ("message", "terminal_id", "fiscal_sign", "qr_code_url", "date")
FISCAL_NUMBERS = ("receipt_id", "status_code")


@dataclass(frozen=True, slots=True)
class Call:
    """A POST with a JSON body; nothing else about it is certain yet."""

    content: Any
    id: int | str | None  # None: there was none that could be echoed


def opened(callback: Callback) -> Call:
    """Checks 1 to 3. ProtocolFault: -32300, -32700."""
    if callback.method != "POST":
        _refuse(words.NOT_POST, None)
    try:
        content = json.loads(
            callback.body.decode("utf-8"),
            parse_float=lambda text: INEXACT,
            parse_constant=_no_constant,
            object_pairs_hook=_no_twins,
        )
    except (ValueError, RecursionError):
        _refuse(words.NOT_JSON, None)
    return Call(content, id_of(content))


def id_of(content: object) -> int | str | None:
    """What is echoed. Payme's are integers; a text is JSON-RPC too; anything else is answered with null."""
    found = content.get("id") if isinstance(content, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, (int, str)):
        return None
    return found


def password_of(callback: Callback, call: Call) -> str:
    """Check 4, first half: the password somebody gives as Paycom. ProtocolFault (-32504) where nobody gives one."""
    scheme, _, token = callback.headers.get("authorization", "").strip().partition(" ")
    try:
        given = base64.b64decode(token.strip().encode("ascii"), validate=True)
        login, colon, password = given.decode("utf-8").partition(":")
    except (binascii.Error, UnicodeError, ValueError):
        _refuse(words.NO_PRIVILEGE, call.id)
    if scheme.lower() != "basic" or login != words.LOGIN or not colon or not 0 < len(password) <= LONGEST_PASSWORD:
        _refuse(words.NO_PRIVILEGE, call.id)
    return password


def verify(password: str, credentials: Mapping[str, str] | None, call: Call) -> None:
    """Check 4, second half. An account without a key verifies nobody."""
    key = credentials.get("key", "") if credentials is not None else ""
    is_same = hmac.compare_digest(password.encode("utf-8", "surrogatepass"), key.encode("utf-8", "surrogatepass"))
    if not is_same or not key.strip():
        _refuse(words.NO_PRIVILEGE, call.id)


def question(call: Call) -> tuple[Method, Question]:
    """Checks 5 to 7, for a caller who has shown the key."""
    content = call.content
    if not isinstance(content, Mapping) or call.id is None or not isinstance(content.get("method"), str):
        _refuse(words.BAD_REQUEST, call.id, is_authentic=True)
    try:
        method = Method(content["method"])
    except ValueError:
        _refuse(words.UNKNOWN_METHOD, call.id, is_authentic=True, data=content["method"][:LONGEST_REF])
    params = content.get("params")
    if not isinstance(params, Mapping):
        _refuse(words.BAD_REQUEST, call.id, is_authentic=True)
    return method, READERS[method](params, call)


def _check_perform(params: Json, call: Call) -> Question:
    money, account = _amount(params, call), _account(params, call)
    return Check(reference=_reference(account, call), money=_money(money, call))


def _create(params: Json, call: Call) -> Question:
    ref, time = _ref(params, call), _whole(params, "time", call)
    money, account = _amount(params, call), _account(params, call)
    if not 0 < time <= LATEST_MS:
        _refuse(words.BAD_REQUEST, call.id, is_authentic=True)
    return Create(
        reference=_reference(account, call),
        money=_money(money, call),
        transaction_ref=ref,
        their_time=_moment(time),
    )


def _perform(params: Json, call: Call) -> Question:
    return Perform(transaction_ref=_ref(params, call))


def _cancel(params: Json, call: Call) -> Question:
    ref, reason = _ref(params, call), _whole(params, "reason", call)
    if abs(reason) >= 2**31:
        _refuse(words.BAD_REQUEST, call.id, is_authentic=True)
    return Cancel(transaction_ref=ref, reason=str(reason))


def _check(params: Json, call: Call) -> Question:
    return Status(transaction_ref=_ref(params, call))


def _statement(params: Json, call: Call) -> Question:
    """A bound beyond what a clock can show means that end of time."""
    since, until = _whole(params, "from", call), _whole(params, "to", call)
    return Statement(since=_moment(since), until=_moment(until))


def _fiscal(params: Json, call: Call) -> Question:
    """Its faults name the parameter. Nothing is checked that the sandbox's placeholders would fail (a URL, a date)."""
    ref, kind, data = params.get("id"), params.get("type"), params.get("fiscal_data")
    if not is_ref(ref):
        _bad_parameter("id", call)
    if kind not in ("PERFORM", "CANCEL"):
        _bad_parameter("type", call)
    if not isinstance(data, Mapping) or not data:
        _bad_parameter("fiscal_data", call)
    for name in FISCAL_NUMBERS:
        if data.get(name) is not None and not _is_whole(data[name]):
            _bad_parameter(name, call)
    for name in FISCAL_TEXTS:
        if data.get(name) is not None and not _is_text(data[name]):
            _bad_parameter(name, call)
    kept = {name: value for name, value in data.items() if _is_text(name) and (_is_whole(value) or _is_text(value))}
    return Fiscal(transaction_ref=str(ref), kind=str(kind), data=kept)


READERS = {
    Method.CHECK_PERFORM: _check_perform,
    Method.CREATE: _create,
    Method.PERFORM: _perform,
    Method.CANCEL: _cancel,
    Method.CHECK: _check,
    Method.STATEMENT: _statement,
    Method.FISCAL: _fiscal,
}


def is_ref(value: object) -> bool:
    """An id of Payme's: plain characters only, so that it can be kept and compared anywhere."""
    return _is_text(value) and 0 < len(str(value)) <= LONGEST_REF and str(value).isascii() and str(value).isprintable()


def _ref(params: Json, call: Call) -> str:
    if not is_ref(params.get("id")):
        _refuse(words.BAD_REQUEST, call.id, is_authentic=True)
    return str(params["id"])


def _whole(params: Json, name: str, call: Call) -> int:
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(words.BAD_REQUEST, call.id, is_authentic=True)
    return value


def _amount(params: Json, call: Call) -> int:
    return _whole(params, "amount", call)


def _money(amount: int, call: Call) -> Money:
    """An integer that no order can owe is a wrong amount, not a wrong type."""
    if not 0 < amount < INT64:
        _refuse(words.WRONG_AMOUNT, call.id, is_authentic=True)
    return Money(amount, CURRENCY)


def _account(params: Json, call: Call) -> Json:
    account = params.get("account")
    if not isinstance(account, Mapping):
        _refuse(words.BAD_REQUEST, call.id, is_authentic=True)
    return account


def _reference(account: Json, call: Call) -> str:
    """The order's id as text; it may come as a number. What can be no id of ours is an order we do not know."""
    value = account.get(words.ACCOUNT_FIELD)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**LONGEST_ACCOUNT:
        value = str(value)
    if not _is_text(value) or not 0 < len(str(value)) <= LONGEST_ACCOUNT:
        _refuse(words.ORDER_UNKNOWN, call.id, is_authentic=True)
    return str(value)


def _moment(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), LATEST_MS))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -INT64 <= value < INT64


def _is_text(value: object) -> bool:
    """A text that every database can hold: no NUL, no lone surrogate."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that comes twice means two things at once; with money at stake that is not JSON to us."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _bad_parameter(name: str, call: Call) -> NoReturn:
    _refuse(words.BAD_PARAMETER, call.id, is_authentic=True, data=name)


def _refuse(code: int, call_id: int | str | None, *, is_authentic: bool = False, data: str | None = None) -> NoReturn:
    raise ProtocolFault(f"{code} {words.TEXTS[code][2]}", refusal(code, call_id, data=data), is_authentic=is_authentic)
