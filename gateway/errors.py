"""What can go wrong towards a processor, named after what the caller does next (docs/architecture.md)."""

from gateway.types import Failure, PaymentReport


class GatewayError(Exception):
    """Base of everything an adapter raises. The text is for staff; it never carries a secret or a body."""

    def __init__(self, message: str, *, processor_code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.processor_code = processor_code
        self.request_id = request_id


class Declined(GatewayError):
    """The buyer's money said no: tell the buyer, offer another way."""

    def __init__(self, message: str, *, failure: Failure, processor_ref: str = "", request_id: str = "") -> None:
        super().__init__(message, processor_code=failure.code, request_id=request_id)
        self.failure = failure
        self.processor_ref = processor_ref


class Misconfigured(GatewayError):
    """Our request or our credentials are wrong: tell staff, a retry cannot help."""


class NotAvailable(Misconfigured):
    """The account cannot take this method or currency (Cash App not activated, wrong country)."""


class NotPermitted(Misconfigured):
    """The account's key is known there and may not do this (a restricted key, an address that is not on its list)."""


class WrongMode(Misconfigured):
    """A live key or object met test mode, or the reverse."""


class Unavailable(GatewayError):
    """Surely nothing happened (no connection, 429): retry with the same idempotency key.

    `is_busy`: it is there, and asks us to come back later.
    """

    def __init__(
        self, message: str, *, retry_after_seconds: int | None = None, is_busy: bool = False, request_id: str = ""
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after_seconds = retry_after_seconds
        self.is_busy = is_busy


class OutcomeUnknown(GatewayError):
    """Bytes left us and no clear answer came (timeout, reset, 5xx): ask the processor, never pay twice."""


class Refused(GatewayError):
    """The processor answered clearly that this cannot be done now (already captured, nothing left to refund).

    `report` is its present truth about the payment, where the answer carried it.
    """

    def __init__(
        self,
        message: str,
        *,
        report: PaymentReport | None = None,
        processor_code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, processor_code=processor_code, request_id=request_id)
        self.report = report


class NotFound(GatewayError):
    """The processor does not know this id (in this mode, on this account)."""


class BadCallback(GatewayError):
    """Signature or shape is wrong: refuse in the processor's own form, change nothing."""
