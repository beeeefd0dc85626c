"""What the domain refuses, each with a stable code. A dialect turns them into its own shape in one place."""

from typing import Any

from gateway.errors import GatewayError


class CheckoutError(Exception):
    """Base. `code` is stable; the text is English and may be shown to an integrator."""

    code = "CHECKOUT_ERROR"
    status = 400

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message or self.__doc__ or self.code)
        self.details = details


class AmountTooSmall(CheckoutError):
    """Amount cannot be less than service price"""

    code = "AMOUNT_TOO_SMALL"


class AmountNotAMultiple(CheckoutError):
    """Amount must be a multiple of the service price"""

    code = "AMOUNT_NOT_A_MULTIPLE"


class AmountRefused(CheckoutError):
    """The amount cannot be taken"""

    code = "AMOUNT_REFUSED"


class AtProcessor(CheckoutError):
    """A call to the processor did not do what was wanted; `because` is what its adapter said, where it was asked.

    For a dialect whose callers are told a processor's refusal by its own meaning.
    """

    def __init__(self, message: str = "", *, because: GatewayError | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.because = because


class MethodNotAvailable(AtProcessor):
    """This way to pay is not available"""

    code = "METHOD_NOT_AVAILABLE"


class NothingToSell(CheckoutError):
    """The provider has no active service and no amount was given"""

    code = "NO_SERVICE"


class OrderNotFound(CheckoutError):
    """Order not found"""

    code = "NOT_FOUND"
    status = 404


class PaymentNotFound(CheckoutError):
    """Payment not found"""

    code = "NOT_FOUND"
    status = 404


class NotPayable(CheckoutError):
    """The order cannot be paid any more"""

    code = "NOT_PAYABLE"
    status = 409


class PaymentUnderWay(CheckoutError):
    """A payment of this order is still being processed"""

    code = "PROCESSING"
    status = 409


class AlreadyPaid(CheckoutError):
    """The order is paid"""

    code = "ALREADY_PAID"
    status = 409


class NotRefundable(CheckoutError):
    """There is no payment to refund"""

    code = "NOT_REFUNDABLE"
    status = 409


class NotCaptured(NotRefundable):
    """The payment is not captured"""

    code = "NOT_CAPTURED"


class AlreadyRefunded(NotRefundable):
    """Nothing is left to refund"""

    code = "ALREADY_REFUNDED"


class Disputed(NotRefundable):
    """The payment is disputed: the dispute decides where the money goes"""

    code = "DISPUTED"


class RefundTooLarge(CheckoutError):
    """The refund is more than what is left of the payment"""

    code = "REFUND_TOO_LARGE"


class IdempotencyMismatch(CheckoutError):
    """This idempotency key was used with other content"""

    code = "IDEMPOTENCY_MISMATCH"
    status = 422


class SamePerson(CheckoutError):
    """Who asked for it cannot approve it"""

    code = "SAME_PERSON"
    status = 403


class NotWaiting(CheckoutError):
    """This has been decided already"""

    code = "NOT_WAITING"
    status = 409


class ProcessorTrouble(AtProcessor):
    """The processor cannot be reached or refused our request; nothing was charged"""

    code = "PROCESSOR_TROUBLE"
    status = 502


class SellerCannotBePaid(ProcessorTrouble):
    """The processor refuses the seller's credentials or account; nothing was charged, and a retry cannot help"""

    code = "SELLER_MISCONFIGURED"


class MerchantNotFound(CheckoutError):
    """This business has no active account at this provider"""

    code = "MERCHANT_NOT_FOUND"
    status = 404
