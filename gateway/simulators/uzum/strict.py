"""Reads the seller's answers as strictly as the bank: whatever is not to the letter is a violation, told in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALWAYS = {"10001", "10002", "10003", "10005", "99999"}
ABOUT_ORDER = {"10006", "10007", "10008", "10009"}
CODES: dict[str, set[str]] = {
    "check": ALWAYS | ABOUT_ORDER,
    "create": ALWAYS | ABOUT_ORDER | {"10010", "10011", "10012", "10013"},
    "confirm": ALWAYS | {"10014", "10015", "10016"},
    "reverse": ALWAYS | {"10014", "10017", "10018"},
    "status": ALWAYS | {"10014", "10015"},
}
WORDS = {
    "check": {"OK"},
    "create": {"CREATED"},
    "confirm": {"CONFIRMED"},
    "reverse": {"REVERSED"},
    "status": {"CREATED", "CONFIRMED", "REVERSED"},
}
TIMES = {
    "check": ("timestamp",),
    "create": ("transTime",),
    "confirm": ("confirmTime",),
    "reverse": ("reverseTime",),
    "status": ("transTime",),
}
ALREADY = {"create": "10010", "confirm": "10016", "reverse": "10018"}
FIRST_MS, LAST_MS = 10**12, 10**13  # thirteen digits


@dataclass(slots=True)
class Heard:
    """What came back. `body` only of a success to the letter, `code` only of a refusal to the letter."""

    status: int | None = None
    text: str = ""
    body: dict[str, Any] | None = None
    code: str = ""
    violations: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        """The seller's word for the state: FAILED for a refusal, "" where nothing usable came."""
        if self.body is not None:
            return str(self.body["status"])
        return "FAILED" if self.code and not self.asks_again else ""

    @property
    def asks_again(self) -> bool:
        """Nothing usable, or a failure of the seller's system."""
        return bool(self.violations) or self.status == 500 or (self.body is None and not self.code)


def read(status: int | None, content_type: str, text: str, endpoint: str, sent: Mapping[str, Any]) -> Heard:
    heard = Heard(status, text)
    if status is None:
        return heard
    wrong = heard.violations
    if status not in {200, 400, 500}:
        wrong.append(f"HTTP {status} instead of 200, 400 or 500")
        return heard
    if "json" not in content_type.lower():
        wrong.append(f"the answer is {content_type or 'of no type'}, not JSON")
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        wrong.append("the body is no JSON object")
        return heard
    wrong += _echo_faults(body, endpoint, sent, is_needed=status == 200)
    if status == 200:
        wrong += _success_faults(body, endpoint, sent)
        heard.body = None if wrong else body
    else:
        wrong += _failure_faults(body, endpoint, status)
        heard.code = "" if wrong else body["errorCode"]
    return heard


def _echo_faults(body: dict[str, Any], endpoint: str, sent: Mapping[str, Any], *, is_needed: bool) -> list[str]:
    names = ["serviceId"] if endpoint == "check" else ["serviceId", "transId"]
    return [
        f"{name} is {body.get(name)!r} instead of {sent.get(name)!r}"
        for name in names
        if (is_needed or name in body) and not _same(body.get(name), sent.get(name))
    ]


def _success_faults(body: dict[str, Any], endpoint: str, sent: Mapping[str, Any]) -> list[str]:
    wrong = []
    if body.get("status") not in WORDS[endpoint]:
        wrong.append(f"status is {body.get('status')!r}")
    if "errorCode" in body:
        wrong.append("a success has an errorCode")
    wrong += [f"{name} is no time in milliseconds" for name in TIMES[endpoint] if not is_time(body.get(name))]
    if endpoint == "status":
        wrong += _standing_faults(body)
    if endpoint != "check" and not (_is_int(body.get("amount")) and body["amount"] > 0):
        wrong.append(f"amount is {body.get('amount')!r}")
    elif endpoint == "create" and body["amount"] != sent["amount"]:
        wrong.append(f"amount is {body['amount']} instead of {sent['amount']}")
    return wrong + _data_faults(body.get("data", {}))


def _standing_faults(body: dict[str, Any]) -> list[str]:
    """/status has all three times; what has not happened is null, not missing."""
    wrong = [f"{name} is missing" for name in ("confirmTime", "reverseTime") if name not in body]
    wrong += [
        f"{name} is neither null nor milliseconds"
        for name in ("confirmTime", "reverseTime")
        if body.get(name) is not None and not is_time(body[name])
    ]
    has_confirm, has_reverse = body.get("confirmTime") is not None, body.get("reverseTime") is not None
    word = body.get("status")
    if word == "CREATED" and (has_confirm or has_reverse):
        wrong.append("CREATED has the time of something later")
    if word == "CONFIRMED" and (not has_confirm or has_reverse):
        wrong.append("CONFIRMED does not have its own time alone")
    if word == "REVERSED" and not has_reverse:
        wrong.append("REVERSED has no reverseTime")
    return wrong


def _failure_faults(body: dict[str, Any], endpoint: str, status: int) -> list[str]:
    code, wrong = body.get("errorCode"), []
    if not isinstance(code, str):
        wrong.append(f"errorCode is {code!r}, not text")
    elif code not in CODES[endpoint]:
        wrong.append(f"{code} is no answer to /{endpoint}")
    elif status == 500 and code != "99999":
        wrong.append(f"HTTP 500 with {code}")
    if body.get("status", "FAILED") != "FAILED":
        wrong.append(f"status of a failure is {body.get('status')!r}")
    wrong += [
        f"{name} is no time in milliseconds" for name in TIMES[endpoint] if name in body and not is_time(body[name])
    ]
    return wrong


def _data_faults(data: object) -> list[str]:
    if not isinstance(data, dict):
        return ["data is no object"]
    return [
        f"data.{name} is not an object with one text `value`"
        for name, shown in data.items()
        if not isinstance(shown, dict) or set(shown) != {"value"} or not isinstance(shown["value"], str)
    ]


def repeat_faults(endpoint: str, first: Heard, again: Heard) -> list[str]:
    """The same call a second time: done is "already", a look is the same look, a refusal stays."""
    if again.asks_again or first.asks_again:
        return []
    wanted = ALREADY.get(endpoint, "") if first.body is not None else first.code
    if again.code == wanted and (wanted or (again.body or {}).get("status") == (first.body or {}).get("status")):
        return []
    return [f"/{endpoint} sent again: {again.code or again.word} instead of {wanted or first.word}"]


def _same(found: object, wanted: object) -> bool:
    return type(found) is type(wanted) and found == wanted


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and FIRST_MS <= value < LAST_MS
