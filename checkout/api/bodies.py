"""JSON in and out, for every dialect: strict about what is JSON, exact about numbers.

The front door has refused large bodies and keys in the address before.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import IO, Any, NoReturn

import simplejson
from django.http import HttpResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from checkout.api.errors import ApiError


def read_json(raw: bytes) -> dict[str, Any]:
    """A JSON object; its numbers are Decimals made of the raw text. ApiError 400 says what is wrong with it.

    A number that no Decimal can hold becomes NaN, which every field refuses and an unknown field may be.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ApiError(400, "The body is not valid UTF-8") from error
    try:
        body = json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ApiError(400, f"The body is not valid JSON: line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise ApiError(400, "The body is not valid JSON: it is nested too deep") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object")
    return body


def write_json(body: Mapping[str, Any]) -> str:
    # A Decimal is written as the number it is: no float on the way out.
    return simplejson.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def answer(body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return answer_text(write_json(body), status=status, headers=headers)


def answer_text(text: str, *, status: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """JSON that is written already. Nobody between us and the caller may keep it."""
    return HttpResponse(
        text, status=status, content_type="application/json", headers={"Cache-Control": "no-store", **(headers or {})}
    )


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more digits than there are atoms
        return Decimal("NaN")


def _refuse_constant(text: str) -> NoReturn:
    raise ApiError(400, f"The body is not valid JSON: {text} is not a number in JSON")


class StrictJSONParser(BaseParser):
    """Reads `application/json`, its relatives, and what comes without any type."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        raw = stream.read()
        return read_json(raw) if raw.strip() else {}


class OnlyJSON(BaseContentNegotiation):
    """We speak JSON whatever `Accept` says: a refusal in another form would help nobody."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        if media_type in ("", "application/json", "text/json") or (
            media_type.startswith("application/") and media_type.endswith("+json")
        ):
            return parsers[0]
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
