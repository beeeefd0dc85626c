"""Reads the seller's answers as strictly as Payme: whatever is not to the letter is a violation, told in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LANGUAGES = ("ru", "uz", "en")
GENERAL = {-32300, -32700, -32600, -32601, -32504, -32400}
ACCOUNT = set(range(-31099, -31049))
CODES: dict[str, set[int]] = {
    "CheckPerformTransaction": {-31001, -31008} | ACCOUNT,
    "CreateTransaction": {-31001, -31008} | ACCOUNT,
    "PerformTransaction": {-31003, -31008} | ACCOUNT,
    "CancelTransaction": {-31003, -31007},
    "CheckTransaction": {-31003},
    "GetStatement": set(),
    "SetFiscalData": {-32001, -32602},
}
FIRST_MS, LAST_MS = 10**12, 10**13  # thirteen digits


@dataclass(slots=True)
class Heard:
    """What came back. Without `result` and `error` nothing usable came."""

    status: int | None
    text: str = ""
    result: Any = None
    error: dict[str, Any] | None = None
    violations: list[str] = field(default_factory=list)

    @property
    def code(self) -> int | None:
        return self.error["code"] if self.error else None

    @property
    def asks_again(self) -> bool:
        """Nothing usable, or a failure of the seller's system."""
        return bool(self.violations) or (self.result is None and (self.error is None or self.code == -32400))


def read(status: int | None, content_type: str, text: str, sent: Mapping[str, Any]) -> Heard:
    heard = Heard(status, text)
    if status is None:
        return heard
    wrong = heard.violations
    if status != 200:
        wrong.append(f"HTTP {status} instead of 200")
        return heard
    if "json" not in content_type.lower():
        wrong.append(f"Content-Type is {content_type or 'missing'}, not JSON")
    try:
        body = json.loads(text)
    except ValueError:
        wrong.append("the body is not JSON")
        return heard
    if not isinstance(body, dict):
        wrong.append("the body is no JSON object")
        return heard
    if body.get("jsonrpc", "2.0") != "2.0":
        wrong.append("jsonrpc is not 2.0")
    if not _same(body.get("id"), sent["id"]):
        wrong.append(f"id is {body.get('id')!r} instead of {sent['id']!r}")
    result, error = body.get("result"), body.get("error")
    if (result is None) == (error is None):
        wrong.append("neither or both of result and error")
    elif error is not None:
        wrong += _error_faults(error, sent)
        heard.error = error if not wrong else None
    else:
        wrong += result_faults(result, sent)
        heard.result = result if not wrong else None
    return heard


def _error_faults(error: object, sent: Mapping[str, Any]) -> list[str]:
    if not isinstance(error, dict) or not _is_int(error.get("code")):
        return ["error has no integer code"]
    code, message, wrong = error["code"], error.get("message"), []
    if code not in GENERAL | CODES[sent["method"]]:
        wrong.append(f"{code} is no answer to {sent['method']}")
    full = isinstance(message, dict) and all(isinstance(message.get(name), str) and message[name] for name in LANGUAGES)
    if code in ACCOUNT:
        if not full:
            wrong.append("message lacks ru, uz or en")
        if error.get("data") not in sent["params"].get("account", {}):
            wrong.append("data does not name the account field")
    elif not full and not (isinstance(message, str) and message):
        wrong.append("error has no message")
    return wrong


def result_faults(result: object, sent: Mapping[str, Any]) -> list[str]:
    if not isinstance(result, dict):
        return ["result is no object"]
    method, params = sent["method"], sent["params"]
    if method == "CheckPerformTransaction":
        wrong = [] if result.get("allow") is True else ["allow is not true"]
        return wrong + (_detail_faults(result["detail"], params["amount"]) if result.get("detail") else [])
    if method == "SetFiscalData":
        return [] if result.get("success") is True else ["success is not true"]
    if method == "GetStatement":
        return _statement_faults(result, params)
    wrong = []
    if not isinstance(result.get("transaction"), str) or not result["transaction"]:
        wrong.append("transaction is no text")
    times = {"CreateTransaction": "create_time", "PerformTransaction": "perform_time"}
    if method == "CheckTransaction":
        return wrong + _standing_faults(result)
    name = times.get(method, "cancel_time")
    if not _is_time(result.get(name)):
        wrong.append(f"{name} is no time in milliseconds")
    states = {"CreateTransaction": (1,), "PerformTransaction": (2,), "CancelTransaction": (-1, -2)}[method]
    if not _is_int(result.get("state")) or result["state"] not in states:
        wrong.append(f"state is {result.get('state')!r} instead of {' or '.join(map(str, states))}")
    return wrong


def _standing_faults(row: Mapping[str, Any]) -> list[str]:
    """What CheckTransaction and each line of a statement say about a transaction."""
    state, wrong = row.get("state"), []
    if not _is_int(state) or state not in (1, 2, -1, -2):
        return [f"state is {state!r}"]
    for name, is_set in (
        ("create_time", True),
        ("perform_time", state in (2, -2)),
        ("cancel_time", state < 0),
    ):
        value = row.get(name)
        if is_set and not _is_time(value):
            wrong.append(f"{name} is no time in milliseconds")
        if not is_set and not _same(value, 0):
            wrong.append(f"{name} is {value!r} instead of 0")
    if "reason" not in row:
        wrong.append("reason is missing")
    elif state < 0 and not _is_int(row["reason"]):
        wrong.append("reason is no number though cancelled")
    elif state > 0 and row["reason"] is not None:
        wrong.append("reason is not null though not cancelled")
    return wrong


def _statement_faults(result: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    rows = result.get("transactions")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return ["transactions is no list"]
    wrong = []
    for row in rows:
        if not isinstance(row.get("id"), str) or not isinstance(row.get("transaction"), str):
            wrong.append("a line has no id or no transaction")
        if not _is_time(row.get("time")) or not params["from"] <= row["time"] <= params["to"]:
            wrong.append(f"a line's time {row.get('time')!r} lies outside the range")
        if not _is_int(row.get("amount")) or row["amount"] <= 0 or not isinstance(row.get("account"), dict):
            wrong.append("a line has no amount or no account")
        wrong += _standing_faults(row)
    times = [row["time"] for row in rows if _is_int(row.get("time"))]
    return wrong + (["the lines are not in order of time"] if times != sorted(times) else [])


def _detail_faults(detail: object, amount: int) -> list[str]:
    items = detail.get("items") if isinstance(detail, dict) else None
    if not isinstance(detail, dict) or detail.get("receipt_type") != 0 or not isinstance(items, list) or not items:
        return ["detail is no receipt of a sale"]
    total = 0
    for item in items:
        numbers = [item.get(name) for name in ("price", "count", "vat_percent")] if isinstance(item, dict) else [None]
        texts = [item.get(name) for name in ("title", "code", "package_code")] if isinstance(item, dict) else []
        if not all(_is_int(value) for value in numbers) or not all(isinstance(text, str) and text for text in texts):
            return ["a line of detail is incomplete"]
        total += item["price"] * item["count"] - item.get("discount", 0)
    return [] if total == amount else [f"the lines of detail make {total}, not {amount}"]


def _same(found: object, wanted: object) -> bool:
    return type(found) is type(wanted) and found == wanted


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and FIRST_MS <= value < LAST_MS
