"""The Processor API: a checkout at Stripe or at Razorpay, what became of it, captures and refunds."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from checkout import payments, refunds, returns, sessions
from checkout.api.authentication import KeyInHeaders, key_of, provider_of
from checkout.api.base import DialectView, read, refund_key
from checkout.api.bodies import answer, write_json
from checkout.api.errors import BadInput
from checkout.api.processor import docs, shapes
from checkout.api.processor.errors import SignatureMismatch, answer_error
from checkout.api.processor.fields import way_back
from checkout.errors import PaymentNotFound
from checkout.models import Payment, Refund
from gateway.errors import BadCallback, GatewayError
from gateway.money import Money
from gateway.types import Callback, Mode
from providers.addresses import client_address

STRIPE, RAZORPAY = "stripe", "razorpay"
OF_ORDER = "order_id"
_MODES_IN_IDS = {"cs_test_": Mode.TEST, "cs_live_": Mode.LIVE}  # of the processors' ids only a session's names its mode


class ProcessorView(DialectView):
    authentication_classes = [KeyInHeaders]
    processor: ClassVar[str]
    act: ClassVar[sessions.Act] = "look"
    about: Payment | None = None  # the payment that a body named: a refusal tells of it

    def explain_error(self, error: Exception) -> HttpResponse:
        return answer_error(error, processor=self.processor, about=self.about)

    def mode_of(self, request: Request) -> Mode:
        return Mode(key_of(request).mode)

    def cause_of(self, request: Request) -> str:
        return f"api key {key_of(request).prefix}"

    def find(self, request: Request, their_id: str) -> Payment:
        """By any id of it. OtherMode for an id that names the other mode, PaymentNotFound for what is not there."""
        mode = self.mode_of(request)
        named = next((found for prefix, found in _MODES_IN_IDS.items() if their_id.startswith(prefix)), mode)
        if named is not mode:
            raise sessions.OtherMode(f"This is a {mode} key, but the id is of {named} mode: use a {named} key")
        provider = provider_of(request)
        return sessions.find(provider=provider, mode=mode, processor=self.processor, their_id=their_id, act=self.act)

    def named(self, request: Request, wanted: Mapping[str, Any], names: type[Serializer]) -> Payment:
        """The one payment that a body names, in one or several ways."""
        known = list(names().fields)
        given = {name: wanted[name] for name in known if wanted.get(name)}
        if not given:
            raise BadInput(f"One of {', '.join(known[:-1])} or {known[-1]} is required")
        found = {name: self._by(request, name, text) for name, text in given.items()}
        if len({payment.pk for payment in found.values()}) > 1:
            raise BadInput(f"{' and '.join(found)} name different payments")
        payment = next(iter(found.values()))
        if wanted.get("currency") not in (None, payment.currency):
            raise BadInput(f"currency must be {payment.currency}: that is the payment's")
        self.about = payment
        return payment

    def _by(self, request: Request, name: str, text: str) -> Payment:
        if name != OF_ORDER:
            return self.find(request, text)
        return sessions.find_by_order(
            provider=provider_of(request),
            mode=self.mode_of(request),
            processor=self.processor,
            order_ref=text,
            act=self.act,
        )


class Checkout(ProcessorView):
    shape: ClassVar[Serializer]

    def _wanted(self, request: Request, body: Mapping[str, Any]) -> sessions.Wanted:
        if not body["order_id"].strip():
            raise BadInput("order_id is required")
        provider = provider_of(request)
        backs = {
            name: way_back(name, body.get(name), provider=provider, takes_placeholder=self.processor == STRIPE)
            for name in ("success_url", "cancel_url")
        }
        return sessions.Wanted(
            provider=provider,
            mode=self.mode_of(request),
            processor=self.processor,
            order_ref=body["order_id"],
            amount=Money(body["amount"], body["currency"]),
            description=body.get("description") or "",
            payer_email=body.get("customer_email") or "",
            lang=body.get("lang") or "",
            captures_later=shapes.is_held(body),
            expires_at=shapes.check_expiry(body.get("expires_at"), now=timezone.now()),
            **backs,
        )

    def create(self, request: Request, order_id: UUID | None) -> HttpResponse:
        wanted = self._wanted(request, read(self.shape, self.body_of(request)))
        order, payment = sessions.open_session(
            wanted, cause=self.cause_of(request), now=timezone.now(), order_id=order_id
        )
        if self.processor == RAZORPAY:
            return answer(shapes.razorpay_checkout_out(order, payment, sessions.window_of(order, payment)))
        return answer(shapes.stripe_checkout_out(order, payment))


class StripeCheckout(Checkout):
    processor = STRIPE
    shape = shapes.StripeCheckoutIn()

    @docs.stripe_checkout
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda order_id: self.create(request, order_id))


class RazorpayCheckout(Checkout):
    processor = RAZORPAY
    shape = shapes.RazorpayCheckoutIn()

    @docs.razorpay_checkout
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda order_id: self.create(request, order_id))


class Status(ProcessorView):
    def show(self, request: Request, their_id: str) -> HttpResponse:
        payment = self.find(request, their_id)
        if payment.status in Payment.OPEN:
            payments.schedule_question(order_id=payment.order_id, now=timezone.now())
        return answer(shapes.payment_out(payment))


class StripeStatus(Status):
    processor = STRIPE

    @docs.stripe_status
    def get(self, request: Request, payment_id: str) -> HttpResponse:
        return self.show(request, payment_id)


class RazorpayStatus(Status):
    processor = RAZORPAY

    @docs.razorpay_status
    def get(self, request: Request, payment_id: str) -> HttpResponse:
        return self.show(request, payment_id)


class CapturePayment(ProcessorView):
    act = "capture"
    shape: ClassVar[Serializer]
    names: ClassVar[type[Serializer]]

    def capture(self, request: Request) -> HttpResponse:
        wanted = read(self.shape, self.body_of(request))
        payment = self.named(request, wanted, self.names)
        payment = sessions.capture(
            payment, amount_minor=wanted.get("amount"), cause=self.cause_of(request), now=timezone.now()
        )
        payment = _fresh(payment)
        return answer(shapes.payment_out(payment), status=200 if payment.status == Payment.Status.CAPTURED else 202)


class StripeCapture(CapturePayment):
    processor = STRIPE
    shape = shapes.StripeCaptureIn()
    names = shapes.StripeNamed

    @docs.stripe_capture
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda _id: self.capture(request))


class RazorpayCapture(CapturePayment):
    processor = RAZORPAY
    shape = shapes.RazorpayCaptureIn()
    names = shapes.RazorpayNamed

    @docs.razorpay_capture
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda _id: self.capture(request))


class RefundPayment(ProcessorView):
    act = "refund"
    shape: ClassVar[Serializer]
    names: ClassVar[type[Serializer]]

    def refund(self, request: Request) -> HttpResponse:
        wanted = read(self.shape, self.body_of(request))
        payment = self.named(request, wanted, self.names)
        refusals: list[GatewayError] = []
        refund = refunds.request_refund(
            order_id=payment.order_id,
            payment_id=payment.pk,
            amount_minor=wanted.get("amount"),
            reason=wanted.get("reason") or "",
            idempotency_key=refund_key(request),
            requested_by=self.cause_of(request),
            cause=self.cause_of(request),
            now=timezone.now(),
            on_refusal=refusals.append,
        )
        if refund.status == Refund.Status.FAILED:
            raise sessions.RefundRefused(because=refusals[0] if refusals else None)
        is_done = refund.status == Refund.Status.SUCCEEDED
        return answer(shapes.refund_out(refund, _fresh(payment)), status=200 if is_done else 202)


class StripeRefund(RefundPayment):
    processor = STRIPE
    shape = shapes.StripeRefundIn()
    names = shapes.StripeNamed

    @docs.stripe_refund
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda _id: self.refund(request))


class RazorpayRefund(RefundPayment):
    processor = RAZORPAY
    shape = shapes.RazorpayRefundIn()
    names = shapes.RazorpayNamed

    @docs.razorpay_refund
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda _id: self.refund(request))


class RazorpayVerify(ProcessorView):
    """Takes no Idempotency-Key: it makes nothing, and a second look may see more than the first."""

    processor = RAZORPAY
    shape = shapes.VerifyIn()

    @docs.razorpay_verify
    def post(self, request: Request) -> HttpResponse:
        fields = read(self.shape, self.body_of(request))
        now = timezone.now()
        callback = Callback(
            body=write_json(fields).encode(),
            headers={"content-type": "application/json"},
            received_at=now,
            path=request.path,
        )
        address, request_id = client_address(request), str(getattr(request, "request_id", ""))
        try:
            payment = payments.find_payment(
                provider=provider_of(request),
                mode=self.mode_of(request),
                processor=RAZORPAY,
                their_id=fields["razorpay_order_id"],
            )
            if payment.processor_ref != fields["razorpay_order_id"]:
                raise PaymentNotFound()
        except PaymentNotFound:
            returns.note_unknown(RAZORPAY, callback=callback, address=address, request_id=request_id, now=now)
            raise
        try:
            returns.receive(payment, fields, callback=callback, address=address, request_id=request_id, now=now)
        except BadCallback as error:
            raise SignatureMismatch() from error
        payments.ask_soon(payment.pk, now=now)  # a backend waits for the truth, and its key has a limit of its own
        payments.ask_payment(payment_id=payment.pk, now=timezone.now())
        shown = shapes.payment_out(_fresh(payment))
        if shown["status"] == "pending":  # the buyer has paid; whether it is captured nobody could tell us yet
            shown["status"] = "processing"
        return answer({"verified": True, **shown})


def _fresh(payment: Payment) -> Payment:
    return Payment.objects.select_related("order", "account").get(pk=payment.pk)
