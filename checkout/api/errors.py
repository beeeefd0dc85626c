"""What the doors themselves refuse, and the one place where an exception becomes an answer.

A dialect brings a function that says its text and its shape; nothing else of it differs.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import APIException, MethodNotAllowed, UnsupportedMediaType, ValidationError

from checkout.errors import CheckoutError

logger = logging.getLogger(__name__)
SERVER_ERROR = "Server error"


class ApiError(Exception):
    """A refusal at the door, with its HTTP status and a text for the caller's developer."""

    def __init__(self, status: int, text: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = dict(headers or {})


class BadInput(ApiError):
    """400: the request is not fit to be worked on, whatever the state of our rows."""

    def __init__(self, text: str) -> None:
        super().__init__(400, text)


def explain(error: Exception, *, say: Callable[[CheckoutError], str]) -> tuple[int, str, dict[str, str]]:
    """(status, text, headers) of any exception. `say` puts a domain refusal into the dialect's words.

    What nobody expected is logged with its trace and answered as a plain 500: no detail of ours leaves.
    """
    match error:
        case ApiError():
            return error.status, error.text, error.headers
        case CheckoutError():
            seconds = error.details.get("retry_after_seconds")
            return error.status, say(error), {"Retry-After": str(seconds)} if seconds else {}
        case ValidationError():
            return 400, "; ".join(texts_of(error.detail)), {}
        case MethodNotAllowed():
            return 405, f"{error.detail}".rstrip("."), {}
        case UnsupportedMediaType():
            return 415, "Content-Type must be application/json", {}
        case Http404():
            return 404, "Not found", {}
        case PermissionDenied():
            return 403, "Not allowed", {}
        case APIException():
            return error.status_code, str(error.detail), {}
        case _:
            logger.error("a request failed on our side", exc_info=error)
            return 500, SERVER_ERROR, {}


def texts_of(detail: Any) -> list[str]:
    """The sentences in what a serializer found wrong, in its order."""
    if isinstance(detail, Mapping):
        return [text for part in detail.values() for text in texts_of(part)]
    if isinstance(detail, list | tuple):
        return [text for part in detail for text in texts_of(part)]
    return [str(detail)]
