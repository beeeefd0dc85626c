"""Reads the seller's answers as strictly as Click's documents: what is not to the letter is a violation, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KNOWN = range(-9, 1)
FINAL = {0, -4, -9}  # what Click wants to hear once the buyer's money is taken
ALLOWED = {
    "prepare": {0, -2, -4, -5, -7, -9},
    "complete": {0, -4, -7, -9},
    "cancel": {-9, -7},
}
# The cancel flag after a refused Prepare names no prepare id that the seller could know.
UNPREPARED = {-9, -7, -6, -5}


@dataclass(slots=True)
class Heard:
    """What came back. Without `code` nothing usable came."""

    status: int | None
    text: str = ""
    code: int | None = None
    number: int | None = None  # merchant_prepare_id or merchant_confirm_id
    note: str = ""
    violations: list[str] = field(default_factory=list)


def read(status: int | None, content_type: str, text: str, sent: Mapping[str, str]) -> Heard:
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
    code = body.get("error")
    if not _is_int(code) or code not in KNOWN:
        wrong.append(f"error is {code!r}, no number from -9 to 0")
        return heard
    heard.code = code
    heard.note = str(body.get("error_note", ""))
    if not isinstance(body.get("error_note"), str) or not body["error_note"]:
        wrong.append("error_note is no text")
    wrong += _echo_faults(body, sent)
    name = "merchant_confirm_id" if sent["action"] == "1" else "merchant_prepare_id"
    if _is_int(body.get(name)) and 0 < body[name] < 2**63:
        heard.number = body[name]
    elif body.get(name) is not None:
        wrong.append(f"{name} is {body[name]!r}")
    elif code == 0 and (name == "merchant_prepare_id" or name not in body):
        wrong.append(f"{name} is missing")
    return heard


def expected_faults(heard: Heard, step: str, *, is_prepared: bool) -> list[str]:
    """Codes that a right request must not get."""
    if heard.code is None:
        return []
    allowed = UNPREPARED if step == "cancel" and not is_prepared else ALLOWED[step]
    return [] if heard.code in allowed else [f"{heard.code} ({heard.note}) is no answer to a right {step}"]


def _echo_faults(body: Mapping[str, Any], sent: Mapping[str, str]) -> list[str]:
    wrong = []
    if not _is_int(body.get("click_trans_id")) or str(body["click_trans_id"]) != sent["click_trans_id"]:
        wrong.append(f"click_trans_id is {body.get('click_trans_id')!r} instead of {sent['click_trans_id']}")
    if str(body.get("merchant_trans_id")) != sent["merchant_trans_id"]:
        wrong.append(f"merchant_trans_id is {body.get('merchant_trans_id')!r} instead of {sent['merchant_trans_id']!r}")
    return wrong


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
