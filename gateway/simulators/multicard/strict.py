"""What Multicard makes of an answer to its success callback, and where the answer is not to the letter."""

from __future__ import annotations

import json
from dataclasses import dataclass

ACCEPTED, REFUSED, FROZEN = "accepted", "refused", "frozen"


@dataclass(frozen=True, slots=True)
class Heard:
    verdict: str
    message: str = ""
    violations: tuple[str, ...] = ()


def read(status: int | None, content_type: str, text: str) -> Heard:
    """200 with `success` true keeps the money; 500 and silence freeze it; all else sends it back to the buyer."""
    if status is None:
        return Heard(FROZEN)
    if status == 500:
        return Heard(FROZEN)
    violations = []
    if not content_type.lower().startswith("application/json"):
        violations.append(f"the answer is {content_type or 'without a type'}, not JSON")
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        violations.append("the answer is no JSON object")
        answer = {}
    success, message = answer.get("success"), answer.get("message")
    if not isinstance(success, bool):
        violations.append("success is neither true nor false")
    if status != 200:
        violations.append(f"refused by status {status}: the buyer gets the money back whatever the body says")
    elif success is True:
        return Heard(ACCEPTED, violations=tuple(violations))
    if not isinstance(message, str) or not message.strip():
        violations.append("a refusal without a message for the buyer")
    return Heard(REFUSED, str(message or ""), tuple(violations))
