"""Orders of the Processor API: a backend that talks to one processor names it, and its payment is started at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from django.conf import settings

from checkout import captures, direct, orders, payments, sellers
from checkout.errors import (
    AlreadyPaid,
    AtProcessor,
    CheckoutError,
    MethodNotAvailable,
    NotPayable,
    PaymentNotFound,
    PaymentUnderWay,
)
from checkout.models import Order, Payment
from gateway import registry
from gateway.adapter import ShowsWidget
from gateway.errors import GatewayError
from gateway.money import Money
from gateway.types import Mode, WidgetRequest
from providers import accounts
from providers.models import MerchantAccount, Provider

Status = Payment.Status
MAX_ORDER_REF = 128
HOLDING = [Status.AUTHORIZED, Status.UNKNOWN]  # what a capture takes, or may turn out to be able to take


class OtherMode(CheckoutError):
    """The key and what it is used for are of different modes"""

    code = "WRONG_MODE"
    status = 403


class OfPayment(CheckoutError):
    """A refusal that a caller understands better with the payment beside it."""

    def __init__(self, payment: Payment, message: str = "") -> None:
        super().__init__(message)
        self.payment = payment


class Declined(OfPayment):
    """The processor refused the payment"""

    code = "DECLINED"
    status = 402


class NoClearAnswer(OfPayment):
    """The processor gave no clear answer: repeat the call with the same Idempotency-Key, nothing is done twice"""

    code = "NO_CLEAR_ANSWER"
    status = 502


class AlreadyCaptured(OfPayment):
    """The payment is captured already"""

    code = "ALREADY_CAPTURED"
    status = 409


class RefundRefused(AtProcessor):
    """The processor refused the refund; no money went back"""

    code = "REFUND_REFUSED"
    status = 409


class NamesSeveral(CheckoutError):
    """Several orders of this order_id took money or hold it: name the payment instead"""

    code = "ORDER_ID_NOT_UNIQUE"
    status = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a backend wants paid at `processor`. `order_ref` is its own id, and need not be unique."""

    provider: Provider
    mode: Mode
    processor: str
    order_ref: str
    amount: Money
    description: str = ""
    success_url: str = ""
    cancel_url: str = ""
    payer_email: str = ""
    lang: str = ""
    captures_later: bool = False
    expires_at: datetime | None = None


def open_session(wanted: Wanted, *, cause: str, now: datetime, order_id: UUID | None = None) -> tuple[Order, Payment]:
    """Open an order, and at the processor its payment, which has a reference there.

    The same `order_id` again resumes the same order, and asks once about a payment that got no clear answer. Where the
    processor surely did not start it, the order is closed unheard. AmountRefused, MethodNotAvailable, OtherMode,
    Declined, NoClearAnswer, ProcessorTrouble.
    """
    order, payment = _open_and_start(wanted, cause=cause, now=now, order_id=order_id)
    if direct.asked_again(payment, now=now):
        order, payment = _open_and_start(wanted, cause=cause, now=now, order_id=order_id)
    # An order whose only try was refused, and which nobody reopened, still has that try.
    payment = payment or order.payments.order_by("-created_at").first()
    if payment is None:
        raise NotPayable(f"The order is {order.status}")
    if payment.status in (Status.DECLINED, Status.FAILED):
        raise Declined(payment)
    if not payment.processor_ref:
        raise NoClearAnswer(payment)
    payment.order = order
    return order, payment


def _open_and_start(
    wanted: Wanted, *, cause: str, now: datetime, order_id: UUID | None
) -> tuple[Order, Payment | None]:
    def open_order() -> Order:
        return orders.open_order(
            dialect=Order.Dialect.PROCESSOR,
            mode=wanted.mode,
            provider=wanted.provider,
            service=None,
            amount=wanted.amount,
            external_id=wanted.order_ref,
            description=wanted.description or f"Order {wanted.order_ref}",
            success_url=wanted.success_url,
            cancel_url=wanted.cancel_url,
            payer_email=wanted.payer_email,
            lang=wanted.lang,
            processor=wanted.processor,
            captures_later=wanted.captures_later,
            expires_at=wanted.expires_at,
            cause=cause,
            now=now,
            order_id=order_id,
        )

    try:
        return direct.open_and_start(open_order, processor=wanted.processor, cause=cause, now=now, order_id=order_id)
    except MethodNotAvailable as error:
        if error.because is None and _is_of_other_mode(wanted):
            name = registry.get(wanted.processor).name
            other = Mode.LIVE if wanted.mode is Mode.TEST else Mode.TEST
            raise OtherMode(
                f"This is a {wanted.mode} key, but the {name} account is a {other} one: use a {other} key, "
                f"or add a {wanted.mode} account"
            ) from error
        raise


def _is_of_other_mode(wanted: Wanted) -> bool:
    """Whether an account is there, in the other mode only."""
    found = MerchantAccount.objects.filter(
        provider=wanted.provider, business_id="", processor=wanted.processor, retired_at=None
    )
    modes = set(found.values_list("mode", flat=True))
    modes |= {mode.value for mode in Mode if accounts.house_credentials(wanted.processor, mode)}
    return bool(modes) and wanted.mode.value not in modes


# --- finding ------------------------------------------------------------------------------------------------------


Act = Literal["look", "refund", "capture"]


def find(*, provider: Provider, mode: Mode, processor: str, their_id: str, act: Act = "look") -> Payment:
    """A provider's own payment by any id of it, else the one that matters of the order it calls so. PaymentNotFound,
    NamesSeveral.
    """
    try:
        return payments.find_payment(provider=provider, mode=mode, processor=processor, their_id=their_id)
    except PaymentNotFound:
        return find_by_order(provider=provider, mode=mode, processor=processor, order_ref=their_id, act=act)


def find_by_order(
    *,
    provider: Provider,
    mode: Mode,
    processor: str,
    order_ref: str,
    act: Act = "look",
) -> Payment:
    """Of the orders that the provider calls so: the payment that paid one, else the newest. PaymentNotFound.

    For a refund or a capture NamesSeveral instead of a guess: where more than one of them is paid, or, for a capture,
    where the money that is held is not the only money that this name could mean.
    """
    is_storable = not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in order_ref)
    if not 0 < len(order_ref) <= MAX_ORDER_REF or not is_storable:
        raise PaymentNotFound()
    found = Payment.objects.select_related("account", "order__provider").filter(
        order__provider=provider, order__mode=mode.value, order__external_id=order_ref, processor=processor
    )
    paying = list(found.filter(order__paid_by__isnull=False).order_by("-created_at"))
    paying = [payment for payment in paying if payment.order.paid_by_id == payment.pk]
    if act != "look" and len(paying) > 1:
        raise NamesSeveral()
    if act == "capture" and (holding := list(found.filter(status__in=HOLDING))):
        if len({payment.order_id for payment in (*holding, *paying)}) > 1:
            raise NamesSeveral()
        return holding[0]
    payment = paying[0] if paying else found.order_by("-created_at").first()
    if payment is None:
        raise PaymentNotFound()
    return payment


# --- acting -------------------------------------------------------------------------------------------------------


def capture(payment: Payment, *, amount_minor: int | None, cause: str, now: datetime) -> Payment:
    """Take what this payment holds. AlreadyCaptured, NotPayable, AmountRefused, PaymentUnderWay, NoClearAnswer, and
    AtProcessor.
    """
    if payment.status == Status.CAPTURED:
        raise AlreadyCaptured(payment)
    if payment.status not in Payment.OPEN:
        raise NotPayable("Nothing is held by this payment")
    try:
        found = captures.capture_order(
            order_id=payment.order_id, payment_id=payment.pk, amount_minor=amount_minor, cause=cause, now=now
        )
    except AlreadyPaid as error:
        payment.refresh_from_db()
        raise AlreadyCaptured(payment) from error
    except PaymentUnderWay as error:
        if isinstance(error.__cause__, GatewayError):
            raise NoClearAnswer(payment) from error
        raise
    if found.status not in (Status.CAPTURED, Status.REVIEW, *Payment.OPEN):
        raise NotPayable("Nothing is held by this payment any more")
    return found


def window_of(order: Order, payment: Payment) -> Mapping[str, Any]:
    """What a frontend needs to open the processor's own window for a payment. Calls nobody; holds nothing secret."""
    adapter = cast(ShowsWidget, accounts.adapter_for(payment.account, now=payment.created_at))
    address = page_of(order)
    request = WidgetRequest(
        seller=sellers.seller_name(order),
        description=payments.describe(order),
        return_url=f"{address}/return",
        cancel_url=address,
        lang=order.lang or "en",
        payer_email=order.payer_email,
    )
    return adapter.widget(payments.reference_of(payment), request).options


def page_of(order: Order) -> str:
    """Our own page for the order."""
    return f"{settings.BASE_URL}/checkout/o/{order.token}"
