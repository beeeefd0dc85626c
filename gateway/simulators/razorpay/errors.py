"""Razorpay's refusals: `{"error": {"code", "description", "source", "step", "reason", "metadata", "field"?}}`."""

from __future__ import annotations

from gateway.simulators.wire import Json, Response, json_response


class ApiError(Exception):
    def __init__(
        self,
        description: str,
        *,
        status: int = 400,
        code: str = "BAD_REQUEST_ERROR",
        field: str = "",
        source: str = "business",
        step: str = "payment_initiation",
        reason: str = "input_validation_failed",
    ) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        error: Json = {
            "code": code,
            "description": description,
            "source": source,
            "step": step,
            "reason": reason,
            "metadata": {},
        }
        if field:
            error["field"] = field
        self.body = {"error": error}


def refusal(error: ApiError) -> Response:
    return json_response(error.body, error.status)


def unclear(description: str, *, status: int = 400, code: str = "BAD_REQUEST_ERROR") -> ApiError:
    """Where Razorpay names neither source nor reason it writes NA."""
    return ApiError(description, status=status, code=code, source="NA", step="NA", reason="NA")


def missing() -> ApiError:
    return ApiError("The id provided does not exist")
