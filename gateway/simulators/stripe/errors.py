"""Stripe's refusals: `{"error": {"type", "code", "message", "param", …}}` with an HTTP status."""

from __future__ import annotations

from typing import Any

from gateway.simulators.wire import Json


class ApiError(Exception):
    """A refusal. `is_kept` says whether an idempotency key remembers it: only what was refused while executing."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        is_kept: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.is_kept = is_kept
        self.more = more

    def body(self) -> Json:
        doc = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}" if self.code else None
        error = {
            "code": self.code,
            "doc_url": doc,
            "message": self.message,
            "param": self.param,
            **self.more,
            "type": self.type,
        }
        return {"error": {name: value for name, value in error.items() if value is not None}}


def missing(
    what: str, key: str, *, param: str = "id", is_in_other_mode: bool = False, livemode: bool = False
) -> ApiError:
    """An id that is unknown in this account and mode."""
    hint = ""
    if is_in_other_mode:
        mine, other = ("live", "test") if livemode else ("test", "live")
        hint = f"; a similar object exists in {other} mode, but a {mine} mode key was used to make this request."
    return ApiError(f"No such {what}: '{key}'{hint}", status=404, code="resource_missing", param=param, is_kept=False)


def unexpected_state(message: str, **more: Any) -> ApiError:
    return ApiError(message, code="payment_intent_unexpected_state", is_kept=True, **more)
