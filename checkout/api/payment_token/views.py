"""The Payment-token API: a token for the card page and its widget, and what became of it."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from checkout import catalogue, direct, orders, payments
from checkout.api.authentication import KeyInHeaders, key_of, provider_of
from checkout.api.base import DialectView, read
from checkout.api.bodies import answer
from checkout.api.errors import BadInput, explain
from checkout.api.payment_token import docs, shapes
from checkout.errors import CheckoutError, MethodNotAvailable, NotPayable, OrderNotFound
from checkout.models import Order, Payment
from checkout.transitions import WAITING
from gateway.money import Money
from gateway.types import Mode
from providers.ids import payment_token
from providers.models import Service

PROCESSOR = "secure_processor"
TOKEN = shapes.TokenIn()


class NoClearAnswer(CheckoutError):
    """The processor gave no clear answer. Repeat the call with the same Idempotency-Key: nothing is charged twice"""

    code = "NO_CLEAR_ANSWER"
    status = 502


class CardRefused(CheckoutError):
    """The processor refused the payment"""

    code = "DECLINED"
    status = 402


class PaymentTokenView(DialectView):
    authentication_classes = [KeyInHeaders]

    def explain_error(self, error: Exception) -> HttpResponse:
        status, text, headers = explain(error, say=_say)
        return answer({"error": text}, status=status, headers=headers)


def _say(error: CheckoutError) -> str:
    if isinstance(error, MethodNotAvailable):
        return "This provider has no usable account at Secure Processor"
    return "Payment token not found" if isinstance(error, OrderNotFound) else str(error)


class CreateToken(PaymentTokenView):
    @docs.create_token
    def post(self, request: Request) -> HttpResponse:
        _ = request.data
        return self.once(request, lambda order_id: self._create(request, order_id))

    def _create(self, request: Request, order_id: UUID | None) -> HttpResponse:
        wanted = read(TOKEN, self.body_of(request))
        if not wanted["itemType"].strip():
            raise BadInput("itemType is required")
        now = timezone.now()
        key = key_of(request)
        reference = wanted.get("referenceId") or wanted.get("documentId") or ""
        amount, service = _what_is_owed(wanted, reference)

        def open_order() -> Order:
            return orders.open_order(
                dialect=Order.Dialect.PAYMENT_TOKEN,
                mode=Mode(key.mode),
                provider=provider_of(request),
                service=service,
                amount=amount,
                external_id=reference,
                description=wanted.get("description") or (f"Payment for {service.title}" if service else ""),
                payer_email=wanted.get("email") or "",
                lang=wanted.get("lang") or "",
                processor=PROCESSOR,
                code=payment_token(),
                details={name: wanted[name] for name in ("itemType", "userId") if wanted.get(name)},
                cause=f"api key {key.prefix}",
                now=now,
                order_id=order_id,
            )

        def open_and_start() -> tuple[Order, Payment | None]:
            return direct.open_and_start(
                open_order, processor=PROCESSOR, cause=f"api key {key.prefix}", now=now, order_id=order_id
            )

        order, payment = open_and_start()
        if direct.asked_again(payment, now=now):
            order, payment = open_and_start()
        # An order whose only try was refused, and which nobody reopened, still has that try.
        payment = payment or order.payments.order_by("-created_at").first()
        if payment is None:
            raise NotPayable(f"The order is {order.status}")
        if payment.status in (Payment.Status.DECLINED, Payment.Status.FAILED):
            raise CardRefused(payment.failure_message)
        if not payment.processor_ref:
            raise NoClearAnswer()
        return answer(shapes.token_out(order, payment))


def _sane(token: str) -> str:
    """The token, if it could be one: PostgreSQL refuses some characters even to be looked for."""
    return token if token.isascii() and token.isprintable() and len(token) <= 64 else ""


def _what_is_owed(wanted: dict[str, Any], reference: str) -> tuple[Money | None, Service | None]:
    """An amount, or a service that the reference names and whose price is owed."""
    currency = wanted.get("currency")
    if wanted.get("amountCents") is not None:
        return Money(wanted["amountCents"], currency or shapes.DEFAULT_CURRENCY), None
    try:
        service = catalogue.find_service(reference)
    except catalogue.ServiceNotFound as error:
        raise BadInput("amountCents is required, unless referenceId is the id or slug of a service") from error
    if currency not in (None, service.currency):
        raise BadInput(f"currency must be {service.currency}: that is the service's")
    return None, service


class TokenStatus(PaymentTokenView):
    @docs.token_status
    def get(self, request: Request, payment_token: str) -> HttpResponse:
        order = orders.find_by_code(_sane(payment_token), dialect=Order.Dialect.PAYMENT_TOKEN)
        if order.provider_id != provider_of(request).pk or order.mode != key_of(request).mode:
            raise OrderNotFound()
        if order.status in WAITING:
            payments.schedule_question(order_id=order.pk, now=timezone.now())
        return answer(shapes.status_out(order, list(order.payments.order_by("created_at", "pk"))))
