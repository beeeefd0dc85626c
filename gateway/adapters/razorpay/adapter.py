"""Razorpay's calls: one order for each payment of ours, the tries that buyers make of it, captures and refunds."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from gateway import http
from gateway.adapter import AdapterConfig
from gateway.adapters.razorpay import callbacks, orders, reading, returns, terms
from gateway.adapters.razorpay.amounts import CURRENCIES, to_razorpay
from gateway.adapters.razorpay.client import Client
from gateway.adapters.razorpay.reading import Json, text
from gateway.errors import GatewayError, Misconfigured, NotFound, OutcomeUnknown, Refused
from gateway.money import Money
from gateway.types import (
    Availability,
    Callback,
    CallbackRead,
    NextAction,
    Outcome,
    PaymentRef,
    PaymentReport,
    PaymentRequest,
    Peek,
    RefundRef,
    RefundReport,
    RefundRequest,
    Widget,
    WidgetRequest,
)

REFUND_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
ALIVE = frozenset({Outcome.CAPTURED, Outcome.AUTHORIZED})


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RazorpayAdapter:
    """One account in one mode. Connections are kept per thread; nothing else is held."""

    config: AdapterConfig
    timeouts: http.Timeouts = http.DEFAULT_TIMEOUTS
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    # --- payments ---

    def create_payment(self, request: PaymentRequest) -> PaymentReport:
        """An order. The buyer pays it through our own page (`widget`); `next_action` is where its form leads."""
        body = orders.body(request)
        client = self._client()
        order = self._made_before(client, request) or self._create(client, body)
        is_ours = text(order, "receipt") in ("", request.reference)
        is_same = order.get("amount") == body["amount"] and text(order, "currency") == body["currency"]
        if not (is_ours and is_same and reading.ID.fullmatch(text(order, "id"))):
            raise OutcomeUnknown("Razorpay answered with an order that is not the one we asked for")
        ref = _ref_of(request, text(order, "id"))
        if text(order, "status") not in ("attempted", "paid"):
            return self._pending(ref)
        try:
            return self._truth(client, ref, order)
        except GatewayError:  # would read as "nothing was created", and something was
            return self._pending(ref)

    def ask_payment(self, payment: PaymentRef) -> PaymentReport | None:
        """The order's present truth, made of its tries; by receipt where the create's answer was lost.

        A refused try is not final before its late authorisation has become impossible.
        """
        client = self._client()
        order = self._find(client, payment)
        return self._truth(client, _at(payment, order), order) if order is not None else None

    def cancel_payment(self, payment: PaymentRef) -> PaymentReport:
        """Razorpay can void neither an order nor a try: the page that a buyer has open goes on working, and a bank may
        say yes for days after Razorpay said no. So money, held or taken, is reported; everything else is Refused,
        without a report, until the order and all its tries are older than `LATE_AUTHORISATION_FOR`: then it may be
        given up (EXPIRED). Should a buyer still pay it, from a page left open that long, the callback says so, and
        money taken is the truth.

        An order that Razorpay never got is cancelled: nobody holds its id. NotFound for an id it does not know: the
        order may live on in another account.
        """
        client = self._client()
        order = self._find(client, payment)
        if order is None:
            if payment.processor_ref:
                raise NotFound(f"Razorpay does not know {payment.processor_ref}")
            return self._ended(payment, Outcome.CANCELLED)
        payment = _at(payment, order)
        tries = self._tries(client, payment)
        report = self._report_of(payment, order, tries)
        if report.outcome in ALIVE:
            return report
        if reading.is_over(order, tries, created_at=payment.created_at, now=self.clock()):
            return self._ended(payment, Outcome.EXPIRED)
        raise Refused("an order cannot be ended at Razorpay; the buyer, or late his bank, may still pay it")

    def capture_payment(self, payment: PaymentRef, money: Money) -> PaymentReport:
        """Take what is held, all of it: Razorpay captures no part. Taken already is as good."""
        if money != payment.money:
            raise Refused(f"Razorpay captures exactly what is held, {payment.money}", processor_code="amount")
        client = self._client()
        capture_ref = payment.capture_ref
        if not capture_ref:
            report = self.ask_payment(payment)
            if report is not None and report.outcome is Outcome.CAPTURED:
                return report
            if report is None or report.outcome is not Outcome.AUTHORIZED:
                raise Refused("Razorpay holds no money for this order", report=report)
            payment = replace(payment, processor_ref=report.processor_ref, capture_ref=report.capture_ref)
            capture_ref = report.capture_ref
        body = {"amount": to_razorpay(money), "currency": money.currency}
        try:
            answer = client.post(f"/v1/payments/{_quoted(capture_ref)}/capture", body, can_refuse=True)
        except Refused as refused:
            # Captured already (by a repeat, by staff in the dashboard), or too late: only the payment can say which.
            report = self._payment(client, payment, capture_ref)
            if report.outcome is Outcome.CAPTURED:
                return report
            raise Refused(str(refused), report=report, processor_code=refused.processor_code) from refused
        return self._report(answer, payment, capture_ref=capture_ref, is_write=True)

    def check_return(self, payment: PaymentRef, fields: Mapping[str, str]) -> str:
        """Verified with the present key secret, or one that was rotated out and still counts."""
        return returns.check(fields, order_ref=payment.processor_ref, key_secrets=self._secrets("keySecret"))

    def widget(self, payment: PaymentRef, request: WidgetRequest) -> Widget:
        """checkout.js, and the hosted form without script. Makes no call."""
        key_id = self.config.credentials.get("keyId", "")
        return orders.widget(payment, request, key_id=key_id, base_url=self._base_url())

    # --- refunds ---

    def refund_payment(self, request: RefundRequest) -> RefundReport:
        """Refund, once for each reference, for ever: how long Razorpay keeps its idempotency keys is not told, so the
        payment's refunds are read first.
        """
        payment = request.payment
        if request.money.currency != payment.money.currency:
            raise Misconfigured("a refund is made in the currency of its payment", processor_code="currency")
        client = self._client()
        capture_ref = self._captured(payment)
        if made := self._find_refund(client, request.reference, capture_ref):
            return made
        body: dict[str, Any] = {
            "amount": to_razorpay(request.money),
            "speed": "normal",
            "notes": {"refundId": request.reference, "paymentId": payment.reference},
            "receipt": request.reference[: terms.MAX_RECEIPT],
        }
        headers = {"X-Refund-Idempotency": idempotency_key(request.reference)}
        answer = client.post(f"/v1/payments/{_quoted(capture_ref)}/refund", body, headers=headers, can_refuse=True)
        report = self._refund_report(answer, reference=request.reference, payment_ref=capture_ref, is_write=True)
        if report.money != request.money or report.payment_processor_ref != capture_ref:
            raise OutcomeUnknown("Razorpay answered with a refund that is not the one we asked for")
        return report

    def ask_refund(self, refund: RefundRef) -> RefundReport | None:
        """By id, or among the refunds of its payment by our reference."""
        client = self._client()
        if refund.processor_ref:
            try:
                answer = client.get(f"/v1/refunds/{_quoted(refund.processor_ref)}")
            except NotFound:
                return None
            return self._refund_report(answer, reference=refund.reference, payment_ref=refund.payment.capture_ref)
        try:
            capture_ref = self._captured(refund.payment)
        except Refused:
            return None
        return self._find_refund(client, refund.reference, capture_ref)

    # --- the rest ---

    def check_availability(self, *, currency: str, method: str = "") -> Availability:
        """Whether Razorpay knows the key. Which currencies the account may take only a create tells."""
        if method:
            return Availability(False, f"{method} is chosen on Razorpay's own page")
        if currency not in CURRENCIES:
            return Availability(False, f"Razorpay takes no {currency}")
        try:
            self._client().get("/v1/orders", {"count": "1"})
        except Misconfigured as error:
            return Availability(False, str(error))
        return Availability(True)

    def peek(self, callback: Callback) -> Peek:
        return callbacks.peek(callback)

    def read_callback(self, callback: Callback) -> CallbackRead:
        """Verified with the present webhook secret, or one that was rotated out: repeats keep the old signature."""
        return callbacks.read(callback, secrets=self._secrets("webhookSecret"), mode=self.config.mode)

    def read_again(self, callback: Callback) -> CallbackRead:
        return callbacks.read_verified(callback, mode=self.config.mode)

    # --- inside ---

    def _base_url(self) -> str:
        return (self.config.base_url or terms.API_BASE).rstrip("/")

    def _client(self) -> Client:
        credentials = self.config.credentials
        return Client(
            base_url=self._base_url(),
            key_id=credentials.get("keyId", ""),
            key_secret=credentials.get("keySecret", ""),
            mode=self.config.mode,
            timeouts=self.timeouts,
        )

    def _secrets(self, name: str) -> list[str]:
        holders = (self.config.credentials, *self.config.previous_credentials)
        return [holder.get(name, "") for holder in holders]

    def _create(self, client: Client, body: Mapping[str, Any]) -> Json:
        try:
            return client.post("/v1/orders", body)
        except Misconfigured as error:
            # A clear refusal: nothing was made. Of a receipt that is taken, or of the field that makes it unique.
            if "receipt" not in str(error).lower() or "unique_receipt" not in body:
                raise
        found = self._by_receipt(client, str(body["receipt"]))
        plain = {name: value for name, value in body.items() if name != "unique_receipt"}
        return found if found is not None else client.post("/v1/orders", plain)

    def _made_before(self, client: Client, request: PaymentRequest) -> Json | None:
        if request.created_at is None or self.clock() - request.created_at < terms.LOOK_FIRST_AFTER:
            return None
        return self._by_receipt(client, request.reference)

    def _find(self, client: Client, payment: PaymentRef) -> Json | None:
        """The payment's order; None where Razorpay surely knows none."""
        if not payment.processor_ref:
            return self._by_receipt(client, payment.reference)
        try:
            order = client.get(f"/v1/orders/{_quoted(payment.processor_ref)}")
        except NotFound:
            return None
        if text(order, "id") != payment.processor_ref:
            raise http.unclear("Razorpay answered with another order", is_write=False)
        return order

    @staticmethod
    def _by_receipt(client: Client, receipt: str) -> Json | None:
        """Of several orders with our receipt (a repeated create) the one that somebody tried to pay, else the first."""
        same = [
            order
            for order in client.items("/v1/orders", {"receipt": receipt})
            if text(order, "receipt") == receipt and reading.ID.fullmatch(text(order, "id"))
        ]
        words = ("paid", "attempted")
        same.sort(key=lambda order: str(order.get("created_at")))
        return min(
            same,
            key=lambda order: words.index(text(order, "status")) if text(order, "status") in words else len(words),
            default=None,
        )

    @staticmethod
    def _tries(client: Client, payment: PaymentRef) -> list[Json]:
        """The payments that buyers made of the order."""
        answer = client.get(f"/v1/orders/{_quoted(payment.processor_ref)}/payments")
        found = answer.get("items")
        if not isinstance(found, list):
            raise http.unclear("Razorpay answered with something that is no collection", is_write=False)
        return [row for row in found if isinstance(row, Mapping)]

    def _truth(self, client: Client, payment: PaymentRef, order: Json) -> PaymentReport:
        return self._report_of(payment, order, self._tries(client, payment))

    def _report_of(self, payment: PaymentRef, order: Json, tries: list[Json]) -> PaymentReport:
        best = reading.best_of(tries, preferred=payment.capture_ref)
        over = reading.is_over(order, tries, created_at=payment.created_at, now=self.clock())
        report = self._report(best, payment, is_over=over) if best is not None else self._pending(payment)
        if text(order, "status") == "paid" and report.outcome is not Outcome.CAPTURED:
            # Paid, and the try that paid it not to be seen yet: nobody may pay it again.
            return replace(self._pending(payment), outcome=Outcome.PROCESSING, next_action=None)
        return replace(report, next_action=self._next_action()) if report.outcome is Outcome.PENDING else report

    def _payment(self, client: Client, payment: PaymentRef, capture_ref: str) -> PaymentReport:
        answer = client.get(f"/v1/payments/{_quoted(capture_ref)}")
        return self._report(answer, payment, capture_ref=capture_ref)

    def _report(
        self,
        entity: Json,
        payment: PaymentRef,
        *,
        capture_ref: str = "",
        is_over: bool = False,
        is_write: bool = False,
    ) -> PaymentReport:
        """A payment entity as a report about our payment. An answer about another payment or order tells nothing."""
        try:
            report = reading.payment_report(entity, mode=self.config.mode, reference=payment.reference, is_over=is_over)
        except reading.Unreadable as error:
            raise http.unclear("Razorpay answered without the payment", is_write=is_write) from error
        is_other = bool(capture_ref) and text(entity, "id") != capture_ref
        if is_other or report.processor_ref not in ("", payment.processor_ref):
            raise http.unclear("Razorpay answered with another payment", is_write=is_write)
        return replace(report, processor_ref=payment.processor_ref)

    def _pending(self, payment: PaymentRef) -> PaymentReport:
        return PaymentReport(
            reference=payment.reference,
            processor_ref=payment.processor_ref,
            outcome=Outcome.PENDING,
            mode=self.config.mode,
            next_action=self._next_action(),
        )

    def _next_action(self) -> NextAction:
        return NextAction(url=orders.embedded_url(self._base_url()))

    def _ended(self, payment: PaymentRef, outcome: Outcome) -> PaymentReport:
        return PaymentReport(
            reference=payment.reference,
            processor_ref=payment.processor_ref,
            outcome=outcome,
            mode=self.config.mode,
            is_final=True,
        )

    def _captured(self, payment: PaymentRef) -> str:
        """Razorpay's id of the try that took the money. Refused where there is none."""
        if payment.capture_ref:
            return payment.capture_ref
        report = self.ask_payment(payment)
        if report is None or report.outcome is not Outcome.CAPTURED:
            raise Refused("Razorpay has captured nothing of this order", report=report)
        return report.capture_ref

    def _find_refund(self, client: Client, reference: str, capture_ref: str) -> RefundReport | None:
        for refund in client.items(f"/v1/payments/{_quoted(capture_ref)}/refunds"):
            receipt = reference[: terms.MAX_RECEIPT]
            if text(reading.notes_of(refund), "refundId") == reference or text(refund, "receipt") == receipt:
                return self._refund_report(refund, reference=reference, payment_ref=capture_ref)
        return None

    def _refund_report(self, entity: Json, *, reference: str, payment_ref: str, is_write: bool = False) -> RefundReport:
        try:
            report = reading.refund_report(entity, mode=self.config.mode, reference=reference, payment_ref=payment_ref)
        except reading.Unreadable as error:
            raise http.unclear("Razorpay answered without the refund", is_write=is_write) from error
        return replace(report, reference=reference)


def idempotency_key(reference: str) -> str:
    """The same for the same wish, also after a crash; only letters, digits, hyphen and underscore, ten or more."""
    key = f"refund-{reference}"
    if REFUND_KEY.fullmatch(reference) and terms.MIN_REFUND_KEY <= len(key) <= 100:
        return key
    return f"refund-{hashlib.sha256(reference.encode('utf-8', 'replace')).hexdigest()}"


def _ref_of(request: PaymentRequest, processor_ref: str) -> PaymentRef:
    created_at = request.created_at or utc_now()
    return PaymentRef(request.reference, processor_ref, request.money, created_at)


def _at(payment: PaymentRef, order: Json) -> PaymentRef:
    return replace(payment, processor_ref=text(order, "id"))


def _quoted(value: str) -> str:
    return quote(value, safe="")
