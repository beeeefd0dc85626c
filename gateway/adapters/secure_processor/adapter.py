"""Secure Processor's calls: a checkout (one token, one try), the transaction that pays it, and what follows from it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gateway import http
from gateway.adapter import AdapterConfig
from gateway.adapters.secure_processor import bodies, callbacks, hosts, reading, refunds, signing, terms, widget
from gateway.adapters.secure_processor.amounts import check_money, to_wire
from gateway.adapters.secure_processor.client import Client
from gateway.adapters.secure_processor.reading import Json, child, scalar, text
from gateway.errors import (
    Declined,
    GatewayError,
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unavailable,
    WrongMode,
)
from gateway.money import InexactAmount, Money
from gateway.types import (
    Availability,
    Callback,
    CallbackRead,
    Mode,
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

log = logging.getLogger(__name__)

# Secure Processor waits for the answer to a callback, and so does one of our workers.
CALLBACK_TIMEOUTS = http.Timeouts(connect_seconds=3, read_seconds=6, total_seconds=8)
NO_SUCH_TOKEN = "0" * 64


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SecureProcessorAdapter:
    """One shop in one mode. Connections are kept per thread; nothing else is held."""

    config: AdapterConfig
    timeouts: http.Timeouts = http.DEFAULT_TIMEOUTS
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    # --- payments ---

    def create_payment(self, request: PaymentRequest) -> PaymentReport:
        """A token, and the page that it opens.

        There is no idempotency key: a second create of the same payment makes a second token. The first one is
        harmless where its answer was lost, because nobody was ever told it.
        """
        found = self._hosts()
        shape = self.config.settings.get("request_shape", "")
        body = bodies.checkout(request, mode=self.config.mode, shop_id=self._shop_id(), shape=shape)
        answer, path = self._client().create(body, request_id=request.reference)
        checkout = child(answer, "checkout") or answer
        token = text(checkout, "token")
        if not reading.TOKEN.fullmatch(token):
            self._refuse_declined(checkout)
            raise OutcomeUnknown("Secure Processor answered without a token")
        data = {
            "redirect_url": reading.web_address(text(checkout, "redirect_url"), mode=self.config.mode),
            "checkout_path": path,
            "transaction_type": bodies.transaction_type(request),
        }
        ref = PaymentRef(request.reference, token, request.money, request.created_at or self.clock(), data)
        return PaymentReport(
            reference=request.reference,
            processor_ref=token,
            outcome=Outcome.PENDING,
            mode=self.config.mode,
            next_action=NextAction(url=widget.page_of(ref, hosts=found, mode=self.config.mode)),
            processor_data={name: value for name, value in data.items() if value},
        )

    def ask_payment(self, payment: PaymentRef) -> PaymentReport | None:
        """The token's present truth, and that of the transaction behind it; by our reference where the create's answer
        was lost. None then means that nobody ever paid it: a token that we were not told of, nobody was told.
        """
        client = self._client()
        if not payment.processor_ref:
            return self._by_reference(client, payment)
        try:
            checkout = client.checkout(payment.processor_ref, self._path_of(payment))
        except NotFound:
            return self._by_reference(client, payment)
        self._check_ours(checkout, payment)
        report = self._pending_at(
            reading.checkout_report(
                checkout, mode=self.config.mode, reference=payment.reference, processor_ref=payment.processor_ref
            ),
            payment,
        )
        uid = text(reading.attempt_of(checkout), "uid")
        if not reading.UID.fullmatch(uid):
            uid = payment.capture_ref
        if not uid:
            return report
        try:
            transaction = client.transaction(uid)
        except (NotFound, Misconfigured, Unavailable) as error:
            # The checkout has told the same already, only with less of it.
            log.warning("transaction %s cannot be looked at, its checkout is believed: %s", uid, error)
            return report
        return self._truth(client, transaction, payment, is_over=reading.is_over(checkout))

    def cancel_payment(self, payment: PaymentRef) -> PaymentReport:
        """A hold is let go. A token that nobody has paid cannot be ended: no call for it is known, and the buyer may
        have its page open. So it is Refused, without a report, until it expires or its one try has failed; money,
        taken or held, is reported as ever.

        A payment whose create was lost and that nobody paid is cancelled: nobody holds its token. NotFound for a
        token that beGateway does not know: the payment may live on in another shop.
        """
        report = self.ask_payment(payment)
        if report is None:
            if payment.processor_ref:
                raise NotFound("Secure Processor does not know this token")
            return self._ended(payment, Outcome.CANCELLED)
        if report.outcome is Outcome.AUTHORIZED:
            return self._void(replace(payment, capture_ref=report.capture_ref), report)
        if report.is_final:
            return report
        raise Refused("a token cannot be ended at Secure Processor before it expires; the buyer may still pay it")

    def capture_payment(self, payment: PaymentRef, money: Money) -> PaymentReport:
        """Take what is held, or a part of it. Taken already is as good."""
        if problem := check_money(money):
            raise Refused(problem, processor_code="amount")
        client = self._client()
        held_by = payment.capture_ref
        if not held_by:
            report = self.ask_payment(payment)
            if report is not None and report.outcome is Outcome.CAPTURED:
                return report
            if report is None or report.outcome is not Outcome.AUTHORIZED:
                raise Refused("Secure Processor holds no money for this payment", report=report)
            held_by = report.capture_ref
        payment = replace(payment, capture_ref=held_by)
        why = "the capture was refused"
        try:
            capture = client.move("captures", {"parent_uid": held_by, "amount": to_wire(money)})
        except (Refused, NotFound) as error:
            why = str(error)
        else:
            report = self._captured(capture, payment)
            if report is not None:
                return report
            why = reading.failure_of(capture).message or why
        # Captured already (by a repeat, by staff in the back office), or too late: only the transactions can say.
        report = self.ask_payment(payment)
        if report is not None and report.outcome is Outcome.CAPTURED:
            return report
        raise Refused(why, report=report)

    def widget(self, payment: PaymentRef, request: WidgetRequest) -> Widget:
        """be_gateway.js with the token, and the page's own address without script. Makes no call."""
        return widget.widget(payment, hosts=self._hosts(), mode=self.config.mode)

    # --- refunds ---

    def refund_payment(self, request: RefundRequest) -> RefundReport:
        """Refund, once for each reference: the payment's transactions are looked through first."""
        refunds.check_currency(request)
        try:
            return self._refunds().send(request, self._paid(request.payment))
        except InexactAmount as error:
            raise Misconfigured(str(error), processor_code="amount") from error

    def ask_refund(self, refund: RefundRef) -> RefundReport | None:
        try:
            paid = self._paid(refund.payment)
        except Refused:
            return None
        return self._refunds().ask(refund, paid)

    # --- the rest ---

    def check_availability(self, *, currency: str, method: str = "") -> Availability:
        """Whether beGateway knows the shop: asked about a token that cannot be. Its currencies only a create tells."""
        if method:
            return Availability(False, f"{method} is chosen on Secure Processor's own page")
        try:
            self._client().checkout(NO_SUCH_TOKEN, self._hosts().checkout_path)
        except NotFound:
            return Availability(True)
        except Misconfigured as error:
            # A refusal of the token itself, in whatever words, came from a shop that was recognised.
            return Availability(error.processor_code != "unauthorized", str(error))
        return Availability(True)

    def peek(self, callback: Callback) -> Peek:
        return callbacks.peek(callback)

    def read_callback(self, callback: Callback) -> CallbackRead:
        """Both the Basic credentials and the signature, the present ones or some that were rotated out and still count.

        Only in test mode, and only where a setting says so, may the signature be missing. Unavailable where an
        unclear callback about money cannot be looked up now: answer 5xx, so that it comes again.
        """
        lenient = self.config.mode is Mode.TEST and self.config.settings.get("accepts_missing_signature") == "yes"
        holders = (self.config.credentials, *self.config.previous_credentials)
        signing.verify(callback, holders=holders, needs_signature=not lenient)
        return self.read_again(callback)

    def read_again(self, callback: Callback) -> CallbackRead:
        client = self._client(CALLBACK_TIMEOUTS)
        return callbacks.read(callback, mode=self.config.mode, shop_id=self._shop_id(), ask=client.transaction)

    # --- inside ---

    def _hosts(self) -> hosts.Hosts:
        return hosts.hosts_of(self.config)

    def _shop_id(self) -> str:
        return self.config.credentials.get("shopId", "")

    def _client(self, timeouts: http.Timeouts | None = None) -> Client:
        return Client(
            hosts=self._hosts(),
            shop_id=self._shop_id(),
            secret_key=self.config.credentials.get("secretKey", ""),
            timeouts=timeouts or self.timeouts,
        )

    def _refunds(self) -> refunds.Refunds:
        return refunds.Refunds(self._client(), self.config.mode)

    def _path_of(self, payment: PaymentRef) -> str:
        """The path that made the token knows it; another may not."""
        kept = payment.processor_data.get("checkout_path", "")
        return kept if hosts.is_path(kept) else self._hosts().checkout_path

    def _check_ours(self, checkout: Json, payment: PaymentRef) -> None:
        """What is answered must be what was asked about. Amounts are reported as they are: checkout compares them."""
        order = child(checkout, "order")
        is_flat = self.config.settings.get("request_shape") == bodies.FLAT  # their tracking id is then not ours
        if (
            text(checkout, "token") not in ("", payment.processor_ref)
            or scalar(checkout, "shop_id") not in ("", self._shop_id())
            or (not is_flat and text(order, "tracking_id") not in ("", payment.reference))
        ):
            raise Unavailable("Secure Processor answered with another checkout")
        self._check_mode(checkout)

    def _check_mode(self, found: Json) -> None:
        if reading.mode_of(found) not in (None, self.config.mode):
            raise WrongMode(f"Secure Processor answered with a payment of {reading.mode_of(found)} mode")

    def _pending_at(self, report: PaymentReport, payment: PaymentRef) -> PaymentReport:
        """With the way to the page, as long as the buyer may use it."""
        if report.outcome is not Outcome.PENDING:
            return report
        url = widget.page_of(payment, hosts=self._hosts(), mode=self.config.mode)
        return replace(report, next_action=NextAction(url=url))

    def _by_reference(self, client: Client, payment: PaymentRef) -> PaymentReport | None:
        """The payment's best transaction; None where nobody tried to pay."""
        listed = [row for row in client.transactions_of(payment.reference) if self._is_of(row, payment)]
        best = reading.best_of(filter(reading.is_payment, listed), preferred=payment.capture_ref)
        return self._truth(client, best, payment, is_over=False, listed=listed) if best is not None else None

    @staticmethod
    def _is_of(row: Json, payment: PaymentRef) -> bool:
        return text(row, "tracking_id") in ("", payment.reference)

    def _truth(
        self,
        client: Client,
        transaction: Json,
        payment: PaymentRef,
        *,
        is_over: bool,
        listed: list[Json] | None = None,
    ) -> PaymentReport:
        """A payment or a hold as a report; of a hold, also what has become of it since."""
        self._check_mode(transaction)
        if scalar(transaction, "shop_id") not in ("", self._shop_id()):
            raise Unavailable("Secure Processor answered with another shop's transaction")
        try:
            report = reading.payment_report(
                transaction,
                mode=self.config.mode,
                reference=payment.reference,
                processor_ref=payment.processor_ref,
                is_over=is_over,
            )
        except reading.Unreadable as error:
            raise http.unclear("Secure Processor answered without the transaction", is_write=False) from error
        if report.outcome is not Outcome.AUTHORIZED:
            return self._pending_at(report, payment) if payment.processor_ref else report
        try:
            rows = client.transactions_of(payment.reference) if listed is None else listed
        except GatewayError as error:
            log.warning("what became of hold %s cannot be looked up: %s", report.capture_ref, error)
            return report
        return self._after_hold(report, rows, payment)

    def _after_hold(self, report: PaymentReport, rows: list[Json], payment: PaymentRef) -> PaymentReport:
        for row in rows:
            if text(row, "parent_uid") != report.capture_ref:
                continue
            if reading.kind_of(row) == "capture" and (found := self._captured(row, payment, report.capture_ref)):
                return replace(found, payer_email=report.payer_email)
            if reading.kind_of(row) == "void" and reading.has_succeeded(row):
                return self._ended(payment, Outcome.CANCELLED)
        return report

    def _captured(self, capture: Json, payment: PaymentRef, held_by: str = "") -> PaymentReport | None:
        """A capture's report; None where it did not succeed."""
        self._check_mode(capture)
        if not reading.has_succeeded(capture):
            return None
        return reading.capture_report(
            capture,
            mode=self.config.mode,
            reference=payment.reference,
            processor_ref=payment.processor_ref,
            held_by=held_by or payment.capture_ref,
        )

    def _void(self, payment: PaymentRef, held: PaymentReport) -> PaymentReport:
        amount = to_wire(held.money or payment.money)
        try:
            void = self._client().move("voids", {"parent_uid": payment.capture_ref, "amount": amount})
        except (Refused, NotFound) as error:
            report = self.ask_payment(payment)
            if report is not None and report.outcome is not Outcome.AUTHORIZED:
                return report
            raise Refused(str(error), report=report) from error
        self._check_mode(void)
        if not reading.has_succeeded(void):
            raise Refused("Secure Processor does not let this hold go", report=self.ask_payment(payment))
        return self._ended(payment, Outcome.CANCELLED)

    def _paid(self, payment: PaymentRef) -> refunds.Paid:
        """The transaction that a refund names. Refused where nothing was taken."""
        paid = refunds.paid_of(payment)
        if paid is None:
            report = self.ask_payment(payment)
            if report is not None and report.outcome is Outcome.CAPTURED:
                data = {**payment.processor_data, **report.processor_data}
                paid = refunds.paid_of(replace(payment, capture_ref=report.capture_ref, processor_data=data))
        if paid is None:
            raise Refused("Secure Processor knows no money taken by this payment")
        return paid

    def _refuse_declined(self, checkout: Json) -> None:
        """An answer without a token that says it was declined: nothing was made, and the buyer is to know why."""
        if reading.outcome_of(checkout) in terms.REFUSALS:
            failure = reading.failure_of(checkout)
            raise Declined(f"Secure Processor declined: {failure.code}", failure=failure)

    def _ended(self, payment: PaymentRef, outcome: Outcome) -> PaymentReport:
        return PaymentReport(
            reference=payment.reference,
            processor_ref=payment.processor_ref,
            outcome=outcome,
            mode=self.config.mode,
            is_final=True,
        )
