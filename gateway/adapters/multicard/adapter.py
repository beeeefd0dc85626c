"""Multicard's calls: an invoice with a page of its own, the payment made of it, and refunds of that payment."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from gateway import http
from gateway.adapter import AdapterConfig
from gateway.adapters.multicard import bodies, callbacks, reading, terms
from gateway.adapters.multicard.client import Client
from gateway.adapters.multicard.reading import Json, text
from gateway.errors import Misconfigured, NotFound, OutcomeUnknown, Refused, Unavailable
from gateway.types import (
    Availability,
    Callback,
    CallbackRead,
    Outcome,
    PaymentRef,
    PaymentReport,
    PaymentRequest,
    Peek,
    RefundOutcome,
    RefundRef,
    RefundReport,
    RefundRequest,
)

log = logging.getLogger(__name__)

PAGE_SIZE = 100
MAX_PAGES = 20
CLOCK_SKEW = timedelta(minutes=5)
# From the best for the merchant: which of several payments of one try speaks for it.
RANKS = ("success", "hold", "billing", "progress", "draft", "revert", "error")
# Multicard waits for the answer to a webhook, and so does one of our workers.
CALLBACK_TIMEOUTS = http.Timeouts(connect_seconds=3, read_seconds=6, total_seconds=8)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class MulticardAdapter:
    """One account in one mode. Tokens are kept per process, connections per thread; nothing else is held."""

    config: AdapterConfig
    timeouts: http.Timeouts = http.DEFAULT_TIMEOUTS
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    # --- payments ---

    def create_payment(self, request: PaymentRequest) -> PaymentReport:
        """An invoice. Its `invoice_id` is the order's id; the try's own id rides in the callback address.

        Multicard has no idempotency key: a second create of the same try makes a second invoice. The first one is
        harmless where its answer was lost, because nobody but us was ever told its address.
        """
        client = self._client()
        answer = client.post("/payment/invoice", self._body(request))
        uuid = text(answer, "uuid")
        next_action = reading.next_action_of(answer, mode=self.config.mode)
        is_ours = text(answer, "invoice_id") in ("", request.order_reference)
        if not uuid or next_action is None or not is_ours or reading.money_of(answer.get("amount")) != request.money:
            raise OutcomeUnknown("Multicard answered with an invoice that is not the one we asked for")
        data = {"invoice_id": request.order_reference, **reading.invoice_data(answer, mode=self.config.mode)}
        return PaymentReport(
            reference=request.reference,
            processor_ref=uuid,
            outcome=Outcome.PENDING,
            mode=self.config.mode,
            next_action=next_action,
            processor_data=data,
        )

    def ask_payment(self, payment: PaymentRef) -> PaymentReport | None:
        """The present truth. None where the create's answer was lost and no payment was ever made of it: such an
        invoice may exist until its time is over, but nobody holds its address.
        """
        client = self._client()
        invoice_uuid = payment.processor_data.get("invoice_uuid") or payment.processor_ref
        if not invoice_uuid:
            found = self._best(self._register(client, payment))
            return self._report(found, payment) if found is not None else None
        try:
            invoice = client.get(f"/payment/invoice/{quote(invoice_uuid, safe='')}")
        except NotFound:
            found = self._payment_made(client, payment, invoice_uuid)
            return self._report(found, payment) if found is not None else None
        except Refused:  # annulled, lapsed, or paid and finished: only its payment can say which
            found = self._payment_made(client, payment, invoice_uuid)
            return self._report(found, payment) if found is not None else self._ended(payment, Outcome.EXPIRED)
        made = reading.child(invoice, "payment")
        next_action = reading.next_action_of(invoice, mode=self.config.mode)
        if text(made, "uuid"):
            return self._report(made, payment, next_action=next_action)
        return PaymentReport(
            reference=payment.reference,
            processor_ref=payment.processor_ref,
            outcome=Outcome.PENDING,
            mode=self.config.mode,
            next_action=next_action,
            processor_data=reading.invoice_data(invoice, mode=self.config.mode),
        )

    def cancel_payment(self, payment: PaymentRef) -> PaymentReport:
        """Annul the invoice; where it was too late, the report says what happened instead.

        A buyer who pays after that is asked about by the success callback, which checkout then refuses.
        """
        invoice_uuid = payment.processor_data.get("invoice_uuid") or payment.processor_ref
        if invoice_uuid:
            try:
                self._client().delete(f"/payment/invoice/{quote(invoice_uuid, safe='')}")
            except (Refused, NotFound, Misconfigured) as error:
                if error.processor_code not in (terms.NOT_READY, terms.NOT_FOUND, terms.BAD_FIELDS):
                    raise
                report = self.ask_payment(payment)
                if report is None:
                    raise
                if report.outcome is Outcome.PENDING:
                    raise Refused("Multicard does not annul this invoice", report=report) from error
                return report
            return self._ended(payment, Outcome.CANCELLED)
        report = self.ask_payment(payment)
        return report if report is not None else self._ended(payment, Outcome.CANCELLED)

    # --- refunds ---

    def refund_payment(self, request: RefundRequest) -> RefundReport:
        """All of it by one call that cannot be made twice; a part of it with the receipt that replaces the first.

        The payment is read first: it may be reverted already (a repeat, or somebody in the cabinet).
        """
        if request.money.currency != request.payment.money.currency:
            raise Misconfigured("a refund is made in the currency of its payment", processor_code="currency")
        client = self._client()
        model = self._paid(client, request.payment)
        uuid = text(model, "uuid")
        status = text(model, "status")
        is_whole = request.money == request.payment.money
        if status == "revert":
            if is_whole:
                return self._refunded(model, request, RefundOutcome.SUCCEEDED)
            raise Refused(
                "everything of this payment has gone back already", report=self._report(model, request.payment)
            )
        if status != "success":
            raise Refused(f"a payment in state {status or 'unknown'} cannot be refunded")
        path = f"/payment/{quote(uuid, safe='')}"
        if not is_whole:
            answer = client.delete(f"{path}/partial", bodies.partial_refund(request, ps=text(model, "ps")))
            is_done = terms.PARTIAL_ANSWER_IS_FINAL or text(answer, "status") == "revert"
            outcome = RefundOutcome.SUCCEEDED if is_done else RefundOutcome.PENDING
            return self._refunded({**model, **answer}, request, outcome)
        try:
            answer = client.delete(path)
        except (Refused, NotFound, Misconfigured):
            again = client.get(path)
            if text(again, "status") != "revert":
                raise
            answer = again
        is_back = text(answer, "status") == "revert"
        outcome = RefundOutcome.SUCCEEDED if is_back else RefundOutcome.PENDING
        return self._refunded({**model, **answer}, request, outcome)

    def ask_refund(self, refund: RefundRef) -> RefundReport | None:
        """Multicard knows payments, not refunds: a whole one is seen in the payment's status, a part is not.

        OutcomeUnknown for a partial refund whose answer was lost: to repeat it could pay back twice.
        """
        client = self._client()
        try:
            model = self._paid(client, refund.payment)
        except Refused:
            return None
        request = RefundRequest(reference=refund.reference, payment=refund.payment, money=refund.money)
        if text(model, "status") == "revert":
            return self._refunded(model, request, RefundOutcome.SUCCEEDED)
        if refund.processor_ref:
            is_done = refund.money != refund.payment.money and terms.PARTIAL_ANSWER_IS_FINAL
            return self._refunded(model, request, RefundOutcome.SUCCEEDED if is_done else RefundOutcome.PENDING)
        if refund.money == refund.payment.money:
            return None  # it can be sent again: of a whole payment only one refund can succeed
        if not terms.PARTIAL_SETS_REFUND_TIME:
            raise OutcomeUnknown("Multicard does not tell what became of a partial refund; its cabinet does")
        refunded_at = reading.time_of(text(model, "refund_time"))
        if refunded_at is None or refunded_at < refund.created_at - CLOCK_SKEW:
            return None
        if refunded_at >= refund.created_at.replace(microsecond=0):
            return self._refunded(model, request, RefundOutcome.SUCCEEDED)
        raise OutcomeUnknown("this partial refund cannot be told from the one before it")

    # --- the rest ---

    def check_availability(self, *, currency: str, method: str = "") -> Availability:
        """Whether Multicard knows the account: a token is the cheapest thing to ask for, and is kept."""
        if currency != terms.CURRENCY:
            return Availability(False, f"Multicard takes {terms.CURRENCY} only")
        if method:
            return Availability(False, f"{method} is chosen on Multicard's own page")
        try:
            self._client().token()
        except Misconfigured as error:
            return Availability(False, str(error))
        return Availability(True)

    def peek(self, callback: Callback) -> Peek:
        return callbacks.peek(callback)

    def read_callback(self, callback: Callback) -> CallbackRead:
        """A webhook (kind B): verified, then Multicard is asked, because its signature does not cover the status.

        Unavailable where it cannot be asked: answer 5xx, and it comes again. The success callback (kind A) is a
        question and belongs to PROTOCOL.
        """
        holders = (self.config.credentials, *self.config.previous_credentials)
        said = callbacks.verified_webhook(callback, secrets=[holder.get("secret", "") for holder in holders])
        model: Json | None = None
        if said.status in terms.SETTLED_WORDS:
            try:
                model = self._client(CALLBACK_TIMEOUTS).get(f"/payment/{quote(said.uuid, safe='')}")
            except NotFound:
                return callbacks.unconfirmed(said)
        return callbacks.read(said, model, mode=self.config.mode)

    def _client(self, timeouts: http.Timeouts | None = None) -> Client:
        credentials = self.config.credentials
        return Client(
            base_url=(self.config.base_url or terms.HOSTS[self.config.mode]).rstrip("/"),
            application_id=credentials.get("applicationId", ""),
            secret=credentials.get("secret", ""),
            timeouts=timeouts or self.timeouts,
            clock=self.clock,
        )

    def _body(self, request: PaymentRequest) -> dict[str, Any]:
        return bodies.invoice(request, store_id=self.config.credentials.get("storeId", ""), now=self.clock())

    def _paid(self, client: Client, payment: PaymentRef) -> Json:
        """The payment that a refund is of. Refused where there is none."""
        uuid = payment.processor_data.get("payment_uuid")
        if not uuid:
            report = self.ask_payment(payment)
            uuid = report.processor_data.get("payment_uuid") if report is not None else ""
        if not uuid:
            raise Refused("Multicard knows no payment of this invoice")
        model = client.get(f"/payment/{quote(uuid, safe='')}")
        if text(model, "uuid") != uuid:
            raise Unavailable("Multicard answered with another payment")
        return model

    def _payment_made(self, client: Client, payment: PaymentRef, invoice_uuid: str) -> Json | None:
        """What was paid of an invoice that Multicard no longer shows: by the payment's id, and by the register."""
        made: list[Json] = []
        for uuid in dict.fromkeys((payment.processor_data.get("payment_uuid", ""), invoice_uuid)):
            if not uuid:
                continue
            try:
                made.append(client.get(f"/payment/{quote(uuid, safe='')}"))
            except (NotFound, Refused):
                continue
            except Misconfigured as error:
                if error.processor_code != terms.BAD_FIELDS:
                    raise
                continue
            if text(made[-1], "status") == "success":
                return made[-1]
        return self._best([*made, *self._register(client, payment)])

    def _register(self, client: Client, payment: PaymentRef) -> Iterator[Json]:
        """Payments of this very try in the cash desk's register, known by the callback address we gave."""
        # By the number that the invoice's answer told us, where the account has a UUID.
        store_id = payment.processor_data.get("store_id") or self.config.credentials.get("storeId", "")
        store = quote(store_id, safe="")
        params = {
            "limit": str(PAGE_SIZE),
            "start_date": reading.time_on_the_wire(payment.created_at - CLOCK_SKEW),
            "end_date": reading.time_on_the_wire(self.clock() + CLOCK_SKEW),
        }
        for page in range(MAX_PAGES):
            try:
                answer = client.get(f"/payment/store/{store}/history", {**params, "offset": str(page * PAGE_SIZE)})
            except (NotFound, Misconfigured) as error:
                # Not every account may read it. Nothing is lost: no payment becomes final without asking us.
                log.warning("Multicard's register of store %s cannot be read: %s", store_id, error)
                return
            rows = next((value for value in answer.values() if isinstance(value, list)), [])
            models = [row for row in rows if isinstance(row, dict)]
            for row in models:
                if reading.try_of(text(row, "callback_url")) == payment.reference:
                    yield row
            if len(models) < PAGE_SIZE:
                return
        raise Unavailable(f"more than {MAX_PAGES * PAGE_SIZE} payments to look through at Multicard")

    @staticmethod
    def _best(models: Sequence[Json] | Iterator[Json]) -> Json | None:
        ranked = [model for model in models if text(model, "uuid")]
        worst = len(RANKS)
        return min(
            ranked,
            key=lambda model: RANKS.index(text(model, "status")) if text(model, "status") in RANKS else worst,
            default=None,
        )

    def _report(self, model: Json, payment: PaymentRef, *, next_action: Any = None) -> PaymentReport:
        return reading.payment_report(
            model,
            mode=self.config.mode,
            reference=payment.reference,
            processor_ref=payment.processor_ref,
            next_action=next_action,
        )

    def _ended(self, payment: PaymentRef, outcome: Outcome) -> PaymentReport:
        return PaymentReport(
            reference=payment.reference,
            processor_ref=payment.processor_ref,
            outcome=outcome,
            mode=self.config.mode,
            is_final=True,
        )

    def _refunded(self, model: Json, request: RefundRequest, outcome: RefundOutcome) -> RefundReport:
        uuid = text(model, "uuid")
        is_whole = request.money == request.payment.money
        return reading.refund_report(
            model,
            mode=self.config.mode,
            outcome=outcome,
            payment_uuid=uuid,
            reference=request.reference,
            processor_ref="" if is_whole else f"{uuid}/partial/{request.reference}",
            money=request.money,
        )
