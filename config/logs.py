"""Log lines: one JSON object each, with the request's or task's id, and no secret in any of them.

Code must not log secrets or bodies in the first place; `redact` is the net below.
"""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

# Keys and secrets by their shape. What precedes the group stays readable, so that a line still helps.
_SHAPES = [
    (re.compile(r"\b((?:provider|merchant)_(?:test_)?)[0-9A-Za-z]{12,}"), r"\1…"),
    (re.compile(r"\b((?:sk|rk|pk)_(?:test|live)_)[0-9A-Za-z_]{6,}"), r"\1…"),
    (re.compile(r"\b(whsec_)[0-9A-Za-z+/=_-]{8,}"), r"\1…"),
    # The address of a checkout, a receipt, a payment page or a watch is its key: enough stays to recognise it by.
    (re.compile(r"\b((?:tok|rcp|pc|wc)_[0-9a-f]{6})[0-9a-f]{8,}"), r"\1…"),
    (re.compile(r"\b(pt_[0-9a-f]{6})[0-9a-f]{8,}"), r"\1…"),
    # Invitations to the portal and ways to a new password.
    (re.compile(r"(/portal/(?:join|reset)/)[\w-]+(?:/[\w-]+)?"), r"\1…"),
    (re.compile(r"\b(v1\.[\w-]{1,40}\.)[\w-]{16,}=*"), r"\1…"),
    (re.compile(r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"), r"\1…"),
    (re.compile(r"(?i)([?&][\w-]*(?:key|secret|token|password|signature|code)[\w-]*=)[^&\s\"']+"), r"\1…"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+@"), r"\1…@"),
]
_SECRET_NAMES = re.compile(
    r"(?i)(?:^|_|-)(?:password|passwd|secret|authorization|cookie|api_?key|secret_?key|credentials?|otp|"
    r"card_?pan|pan|cvv|cvc|body|payload|raw)(?:$|_|-)"
)
_CARD = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d.])")
_DEPTH = 6


def redact(value: Any, depth: int = 0) -> Any:
    """The value without what looks like a secret, a key or a card number, at any depth."""
    if isinstance(value, str):
        for shape, mask in _SHAPES:
            value = shape.sub(mask, value)
        return _CARD.sub(_mask_card, value)
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    if depth > _DEPTH:
        return "…"
    if isinstance(value, dict):
        return {
            str(name): "…" if _SECRET_NAMES.search(str(name)) else redact(inner, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(inner, depth + 1) for inner in value]
    return redact(str(value), depth + 1)


def _mask_card(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    return f"{digits[:6]}…{digits[-4:]}" if _passes_luhn(digits) else match[0]


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _redact_line(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    kept = {name: value for name, value in line.items() if name.startswith("_")}  # structlog's own, removed later
    return redact({name: value for name, value in line.items() if name not in kept}) | kept


def _rename(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The usual names first: what a person reads when lines scroll by."""
    ordered = {"at": line.pop("timestamp", None), "level": line.pop("level", None), "event": line.pop("event", None)}
    return {**ordered, **line}


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def make_formatter(style: str = "json") -> logging.Formatter:
    """The formatter of every handler, for lines of structlog and of plain loggers alike."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # Tracebacks are plain text: the frames' local variables would hold bodies and credentials.
    last: list[Any] = (
        [_rename, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]
        if style == "json"
        else [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact_line,
            *last,
        ],
    )
