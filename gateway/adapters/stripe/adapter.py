"""Stripe's calls: Cash App Pay through one PaymentIntent, its refunds, and whether the account can take it."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe

from gateway import http
from gateway.adapter import AdapterConfig
from gateway.adapters.stripe import callbacks, errors, reading
from gateway.adapters.stripe.amounts import check_money, to_stripe
from gateway.adapters.stripe.client import client_for, plain
from gateway.adapters.stripe.keys import mode_of_key
from gateway.errors import Misconfigured, NotAvailable, NotFound, Refused, Unavailable, WrongMode
from gateway.types import (
    Availability,
    Callback,
    CallbackRead,
    Outcome,
    PaymentRef,
    PaymentReport,
    PaymentRequest,
    Peek,
    RefundRef,
    RefundReport,
    RefundRequest,
)

METHOD = "cashapp"
CURRENCIES = frozenset({"USD"})

MAX_METADATA = 50
MAX_METADATA_NAME = 40
MAX_METADATA_VALUE = 500
MAX_DESCRIPTION = 1000

PAGE_SIZE = 100
MAX_PAGES = 20  # of one window; two thousand payments
CLOCK_SKEW = timedelta(minutes=5)
FIRST_WINDOW = timedelta(minutes=15)
# Stripe keeps a key for at least a day; after that the same key would make a second payment.
KEY_LIFE = timedelta(hours=23)
# A read that failed sooner than this is asked once more; after a longer wait the caller's ladder does it.
QUICK_SECONDS = 4.0

REFUND_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StripeAdapter:
    """One account in one mode. Stateless: SDK clients and connections are shared by key and address."""

    config: AdapterConfig
    timeouts: http.Timeouts = http.DEFAULT_TIMEOUTS
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def create_payment(self, request: PaymentRequest) -> PaymentReport:
        """Create and confirm in one call; the report's `next_action` is Stripe's page, the phone's link and the QR."""
        if request.method not in ("", METHOD):
            raise NotAvailable(f"{request.method} is not offered through Stripe")
        if request.money.currency not in CURRENCIES:
            raise NotAvailable(f"Cash App Pay takes no {request.money.currency}")
        if problem := check_money(request.money):
            raise Misconfigured(problem, processor_code="amount")
        if not request.return_url:
            raise Misconfigured("Cash App Pay needs an address to return to", processor_code="return_url")
        if found := self._made_before(request):
            return self._report(found, reference=request.reference)
        params: dict[str, Any] = {
            "amount": to_stripe(request.money),
            "currency": request.money.currency.lower(),
            "payment_method_types": [METHOD],
            "payment_method_data": {"type": METHOD},
            "confirm": True,
            "return_url": request.return_url,
            "metadata": metadata_of(request),
        }
        if request.description:
            params["description"] = request.description[:MAX_DESCRIPTION]
        answer = self._write(
            lambda client, options: client.v1.payment_intents.create(as_params(params), options),
            key=idempotency_key("payment", request.reference),
        )
        report = self._report(answer.values, reference=request.reference, is_write=True)
        return self._renewed(report) if answer.is_replayed else report

    def ask_payment(self, payment: PaymentRef) -> PaymentReport | None:
        """By id, or by looking through the account's payments for our reference. None: Stripe knows none such.

        Unavailable also when there are more payments than we look through: not found is then not "does not exist".
        """
        if not payment.processor_ref:
            found = self._find_intent(payment.reference, created_at=payment.created_at)
            return self._report(found, reference=payment.reference) if found else None
        try:
            return self._retrieve(payment.reference, payment.processor_ref)
        except NotFound:
            return None

    def cancel_payment(self, payment: PaymentRef) -> PaymentReport:
        """Cancel; where it was too late, the report says what happened instead.

        A payment that Stripe never got counts as cancelled: nobody holds an address to pay it at. NotFound for an id
        that Stripe does not know: the payment may live on in another account, so it is not called cancelled.
        """
        if not payment.processor_ref:
            found = self.ask_payment(payment)
            if found is None:
                return PaymentReport(
                    reference=payment.reference,
                    processor_ref="",
                    outcome=Outcome.CANCELLED,
                    mode=self.config.mode,
                    is_final=True,
                )
            if found.is_final:
                return found
            payment = _with_ref(payment, found.processor_ref)
        try:
            # No key of ours: Stripe would repeat a stored refusal for a day, when cancelling may long be possible.
            answer = self._write(
                lambda client, options: client.v1.payment_intents.cancel(
                    payment.processor_ref, {"cancellation_reason": "abandoned"}, options
                )
            )
        except Refused as refused:
            if refused.report is not None and refused.report.processor_ref == payment.processor_ref:
                return refused.report
        else:
            return self._report(answer.values, reference=payment.reference, is_write=True)
        return self._retrieve(payment.reference, payment.processor_ref)

    def refund_payment(self, request: RefundRequest) -> RefundReport:
        """Refund, once for each reference, for ever: Stripe forgets keys after a day, so its refunds are read first."""
        payment = request.payment
        if request.money.currency != payment.money.currency:
            raise Misconfigured("a refund is made in the currency of its payment", processor_code="currency")
        if not payment.processor_ref:
            found = self.ask_payment(payment)
            if found is None:
                raise Refused("Stripe knows no such payment")
            payment = _with_ref(payment, found.processor_ref)
        if made := self._find_refund(request.reference, payment_ref=payment.processor_ref):
            return made
        params: dict[str, Any] = {
            "payment_intent": payment.processor_ref,
            "amount": to_stripe(request.money),
            "reason": request.reason if request.reason in REFUND_REASONS else "requested_by_customer",
            "metadata": {"refundId": request.reference, "paymentId": payment.reference},
        }
        answer = self._write(
            lambda client, options: client.v1.refunds.create(as_params(params), options),
            key=idempotency_key("refund", request.reference),
            is_refund=True,
        )
        return self._refund_report(
            answer.values, reference=request.reference, payment_ref=payment.processor_ref, is_write=True
        )

    def ask_refund(self, refund: RefundRef) -> RefundReport | None:
        """By id, or among the refunds of its payment by our reference."""
        if refund.processor_ref:
            try:
                answer = self._read(
                    lambda client, options: client.v1.refunds.retrieve(refund.processor_ref, {}, options)
                )
            except NotFound:
                return None
            return self._refund_report(answer, reference=refund.reference, payment_ref=refund.payment.processor_ref)
        payment_ref = refund.payment.processor_ref
        if not payment_ref:
            found = self.ask_payment(refund.payment)
            if found is None:
                return None
            payment_ref = found.processor_ref
        return self._find_refund(refund.reference, payment_ref=payment_ref)

    def check_availability(self, *, currency: str, method: str = "") -> Availability:
        """The account's capability. A restricted key may not read it: then the create's own answer decides."""
        if method not in ("", METHOD):
            return Availability(False, f"{method} is not offered through Stripe")
        if currency not in CURRENCIES:
            return Availability(False, "Cash App Pay takes US dollars only")
        try:
            account = self._read(lambda client, options: client.v1.accounts.retrieve_current({}, options))
        except Misconfigured as error:
            if isinstance(error.__cause__, stripe.PermissionError):
                return Availability(True, "the key may not read the account")
            raise
        state = reading.text(reading.child(account, "capabilities"), "cashapp_payments")
        if state == "active":
            return Availability(True)
        return Availability(False, f"cashapp_payments is {state or 'not requested'} on the account")

    def peek(self, callback: Callback) -> Peek:
        return callbacks.peek(callback)

    def read_callback(self, callback: Callback) -> CallbackRead:
        """Verified with the present callback secret, or one that was rotated out and still counts."""
        holders = (self.config.credentials, *self.config.previous_credentials)
        secrets = [holder.get("webhookSecret", "") for holder in holders]
        return callbacks.read(callback, secrets=secrets, mode=self.config.mode)

    def _retrieve(self, reference: str, processor_ref: str) -> PaymentReport:
        answer = self._read(
            lambda client, options: client.v1.payment_intents.retrieve(
                processor_ref, {"expand": ["latest_charge"]}, options
            )
        )
        return self._report(answer, reference=reference)

    def _renewed(self, report: PaymentReport) -> PaymentReport:
        """A repeated key repeats the first answer, however old; the payment may be paid by now."""
        try:
            return self._retrieve(report.reference, report.processor_ref)
        except Unavailable:  # would read as "nothing was created", and something was
            return report

    def _made_before(self, request: PaymentRequest) -> Mapping[str, Any] | None:
        """An old request may have been answered under a key that Stripe has forgotten."""
        if request.created_at is None or self.clock() - request.created_at < KEY_LIFE:
            return None
        return self._find_intent(request.reference, created_at=request.created_at)

    def _find_intent(self, reference: str, *, created_at: datetime) -> Mapping[str, Any] | None:
        """The intent with our reference. The quarter of an hour it was most likely made in is looked through first."""
        start = int((created_at - CLOCK_SKEW).timestamp())
        middle = int((created_at + FIRST_WINDOW).timestamp())
        windows = [{"gte": start, "lte": middle}]
        if self.clock() + CLOCK_SKEW > created_at + FIRST_WINDOW:
            windows.append({"gt": middle})
        for created in windows:
            for intent in self._pages(lambda client: client.v1.payment_intents, {"created": created}):
                if reading.text(reading.child(intent, "metadata"), "paymentId") == reference:
                    return intent
        return None

    def _find_refund(self, reference: str, *, payment_ref: str) -> RefundReport | None:
        for refund in self._pages(lambda client: client.v1.refunds, {"payment_intent": payment_ref}):
            if reading.text(reading.child(refund, "metadata"), "refundId") == reference:
                return self._refund_report(refund, reference=reference, payment_ref=payment_ref)
        return None

    def _pages(
        self, service: Callable[[stripe.StripeClient], Any], params: Mapping[str, Any]
    ) -> Iterator[Mapping[str, Any]]:
        """Newest first. Unavailable rather than an end that is not the end."""
        wanted: dict[str, Any] = {**params, "limit": PAGE_SIZE}
        for _ in range(MAX_PAGES):
            page = self._read(lambda client, options: service(client).list(as_params(wanted), options))
            items = page.get("data")
            if reading.text(page, "object") != "list" or not isinstance(items, list):
                raise Unavailable("Stripe answered with something that is no list")
            rows = [item for item in items if isinstance(item, Mapping)]
            yield from rows
            if not page.get("has_more") or not rows:
                return
            wanted["starting_after"] = reading.text(rows[-1], "id")
        raise Unavailable(f"more than {MAX_PAGES * PAGE_SIZE} objects to look through at Stripe")

    def _report(self, answer: Mapping[str, Any], *, reference: str, is_write: bool = False) -> PaymentReport:
        try:
            report = reading.payment_report(answer, mode=self.config.mode, asked_reference=reference)
        except reading.Unreadable as error:
            raise http.unclear("Stripe answered without the payment", is_write=is_write) from error
        if report.mode is not self.config.mode:
            raise WrongMode(f"Stripe answered with a payment of {report.mode} mode")
        return report

    def _refund_report(
        self, answer: Mapping[str, Any], *, reference: str, payment_ref: str, is_write: bool = False
    ) -> RefundReport:
        if reading.mode_of(answer) not in (None, self.config.mode):
            raise WrongMode("Stripe answered with a refund of the other mode")
        try:
            return reading.refund_report(
                answer, mode=self.config.mode, asked_reference=reference, payment_ref=payment_ref
            )
        except reading.Unreadable as error:
            raise http.unclear("Stripe answered without the refund", is_write=is_write) from error

    def _write(self, call: "Call", *, key: str = "", is_refund: bool = False) -> "Written":
        try:
            answer = call(self._client(), {"idempotency_key": key} if key else {})
        except stripe.StripeError as error:
            raise errors.meaning_of(error, is_write=True, mode=self.config.mode, is_refund=is_refund) from error
        headers = answer.last_response.headers if answer.last_response else {}
        return Written(plain(answer), is_replayed=headers.get("Idempotent-Replayed") == "true")

    def _read(self, call: "Call") -> dict[str, Any]:
        started = time.monotonic()
        try:
            return self._read_once(call)
        except Unavailable as error:
            if error.retry_after_seconds is not None or time.monotonic() - started > QUICK_SECONDS:
                raise
        return self._read_once(call)

    def _read_once(self, call: "Call") -> dict[str, Any]:
        try:
            return plain(call(self._client(), {}))
        except stripe.StripeError as error:
            raise errors.meaning_of(error, is_write=False, mode=self.config.mode) from error

    def _client(self) -> stripe.StripeClient:
        secret_key = self.config.credentials.get("secretKey", "")
        mode = mode_of_key(secret_key)
        if mode is None:
            raise Misconfigured("the secret key is no Stripe key")
        if mode is not self.config.mode:
            raise WrongMode(f"a key of {mode} mode at an account of {self.config.mode} mode")
        return client_for(secret_key, self.config.base_url, self.timeouts)


Call = Callable[[stripe.StripeClient, Any], stripe.StripeObject]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write answered, and whether Stripe repeated an earlier answer under the same key."""

    values: Mapping[str, Any]
    is_replayed: bool


def metadata_of(request: PaymentRequest) -> dict[str, str]:
    """What Stripe keeps with the payment: the order's own fields as far as they fit, and always our two ids."""
    ours = {"orderId": request.order_reference, "paymentId": request.reference}
    kept: dict[str, str] = {}
    for name, value in request.metadata.items():
        fits = name and len(name) <= MAX_METADATA_NAME and "[" not in name and "]" not in name
        if fits and value and name not in ours and len(kept) < MAX_METADATA - len(ours):
            kept[name] = value[:MAX_METADATA_VALUE]
    return {**kept, **ours}


def idempotency_key(purpose: str, reference: str) -> str:
    """The same for the same wish, also after a crash; at most 255 characters."""
    key = f"{purpose}-{reference}"
    return key if len(key) <= 255 else f"{purpose}-{hashlib.sha256(reference.encode()).hexdigest()}"


def as_params(params: Mapping[str, Any]) -> Any:
    """The SDK's typed parameters describe a newer version than the one we pin."""
    return dict(params)


def _with_ref(payment: PaymentRef, processor_ref: str) -> PaymentRef:
    return PaymentRef(
        reference=payment.reference,
        processor_ref=processor_ref,
        money=payment.money,
        created_at=payment.created_at,
        processor_data=payment.processor_data,
    )
