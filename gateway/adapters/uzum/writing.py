"""Our answers in Uzum Bank's JSON: HTTP 200 or 400, codes as text, times in milliseconds, amounts in tiyin."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.adapters.uzum import words
from gateway.adapters.uzum.words import Endpoint
from gateway.questions import Answer, Done, No, Payable, Reply, Snapshot, State

CONTENT_TYPE = "application/json; charset=utf-8"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
INT64 = 2**63
LONGEST_REF = 64  # the bank's ids are UUIDs


def failure(
    endpoint: Endpoint | None,
    asked: Mapping[str, Any],
    code: str,
    *,
    at: datetime,
    snapshot: Snapshot | None = None,
    status: int = 400,
) -> Reply:
    """FAILED, with what is known of the question. `snapshot` gives a repeat the time of the first call."""
    body: dict[str, Any] = _echo(endpoint, asked)
    body["status"] = "FAILED"
    if endpoint in words.TIMES:
        body[words.TIMES[endpoint]] = ms(_time_of(endpoint, code, snapshot) or at)
    elif snapshot is not None:
        body["transTime"] = ms(snapshot.created_at)
    return _reply(status, {**body, "errorCode": code})


def answer(endpoint: Endpoint, asked: Mapping[str, Any], given: Answer, *, now: datetime) -> Reply:
    """A success, or a refusal on purpose in the endpoint's own code. What makes no sense together is "ask again"."""
    if isinstance(given, No):
        code = words.CODES[endpoint].get(given.why, words.OTHERWISE[endpoint])
        return failure(endpoint, asked, code, at=now, snapshot=given.snapshot)
    if isinstance(given, Done):
        if given.is_repeat and endpoint in words.ALREADY:
            return failure(endpoint, asked, words.ALREADY[endpoint], at=now, snapshot=given.snapshot)
        if endpoint is Endpoint.STATUS and _has_failed(given.snapshot):
            return failure(endpoint, asked, words.STATUS_OF_ENDED, at=now, snapshot=given.snapshot)
    facts = _facts(endpoint, asked, given, now=now)
    if facts is None:
        return failure(endpoint, asked, words.INTERNAL, at=now, status=500)
    return _reply(200, {**_echo(endpoint, asked), **facts})


def _facts(endpoint: Endpoint, asked: Mapping[str, Any], given: Answer, *, now: datetime) -> dict[str, Any] | None:
    match endpoint, given:
        case Endpoint.CHECK, Payable(money):
            name, value = attribute_of(asked.get("params")) or (words.ATTRIBUTES[0], "")
            shown = {name: str(value), words.SHOWN_AMOUNT: f"{money.major:.2f}"}
            return {"timestamp": ms(now), "status": "OK", "data": _display(shown)}
        case Endpoint.CREATE, Done(snapshot) if snapshot.state is State.CREATED:
            return {"status": "CREATED", "transTime": ms(snapshot.created_at), **_money(snapshot)}
        case Endpoint.CONFIRM, Done(snapshot) if snapshot.state is State.PERFORMED and snapshot.performed_at:
            return {"status": "CONFIRMED", "confirmTime": ms(snapshot.performed_at), **_money(snapshot)}
        case Endpoint.REVERSE, Done(snapshot) if snapshot.cancelled_at:
            return {"status": "REVERSED", "reverseTime": ms(snapshot.cancelled_at), **_money(snapshot)}
        case Endpoint.STATUS, Done(snapshot):
            return {
                "status": STATES[snapshot.state],
                "transTime": ms(snapshot.created_at),
                "confirmTime": _ms_or_null(snapshot.performed_at),
                "reverseTime": _ms_or_null(snapshot.cancelled_at),
                **_money(snapshot),
            }
    return None


# A reservation that the bank gave up by /reverse is reversed to it, paid or not.
STATES = {
    State.CREATED: "CREATED",
    State.PERFORMED: "CONFIRMED",
    State.CANCELLED: "REVERSED",
    State.REVERSED: "REVERSED",
}


def _has_failed(snapshot: Snapshot) -> bool:
    """Ended before any money moved, and not by the bank: its time was over, or the order was closed here."""
    return snapshot.state is State.CANCELLED and (snapshot.expired or snapshot.reason != words.REVERSED_BY_BANK)


def _money(snapshot: Snapshot) -> dict[str, Any]:
    return {"amount": snapshot.money.minor, "data": _display({words.ATTRIBUTES[0]: snapshot.reference})}


def attribute_of(params: object) -> tuple[str, Any] | None:
    """The name under which the order's id came, and its value; None where none of the names is there."""
    if isinstance(params, Mapping):
        for name in words.ATTRIBUTES:
            if not is_empty(params.get(name)):
                return name, params[name]
    return None


def is_empty(value: object) -> bool:
    """Missing, null, "", blanks, {}: the bank means the same by all of them."""
    return value is None or (isinstance(value, str) and not value.strip()) or value == {}


def _display(shown: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"value": text} for name, text in shown.items()}


def _time_of(endpoint: Endpoint, code: str, snapshot: Snapshot | None) -> datetime | None:
    """An "already" says when: the time of the first call."""
    if snapshot is None or code != words.ALREADY.get(endpoint):
        return None
    return {
        Endpoint.CREATE: snapshot.created_at,
        Endpoint.CONFIRM: snapshot.performed_at,
        Endpoint.REVERSE: snapshot.cancelled_at,
    }[endpoint]


def _echo(endpoint: Endpoint | None, asked: Mapping[str, Any]) -> dict[str, Any]:
    """serviceId and transId as they came, where they are what they should be; /check knows no transId."""
    found: dict[str, Any] = {}
    service = asked.get("serviceId")
    if isinstance(service, int) and not isinstance(service, bool) and -INT64 <= service < INT64:
        found["serviceId"] = service
    if endpoint is not Endpoint.CHECK and is_ref(asked.get("transId")):
        found["transId"] = asked["transId"]
    return found


def is_ref(value: object) -> bool:
    """An id of the bank's: plain characters only, so that it can be kept and compared anywhere."""
    return type(value) is str and 0 < len(value) <= LONGEST_REF and value.isascii() and value.isprintable()


def ms(moment: datetime) -> int:
    """Whole milliseconds, rounded down."""
    return (moment - EPOCH) // MILLISECOND


def _ms_or_null(moment: datetime | None) -> int | None:
    return None if moment is None else ms(moment)


def _reply(status: int, content: Mapping[str, Any]) -> Reply:
    return Reply(status, json.dumps(content, separators=(",", ":")).encode(), CONTENT_TYPE)
