"""Stripe as an adapter: Cash App Pay by a PaymentIntent, cards by a Checkout Session, and what both share."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import stripe

from gateway import http
from gateway.adapter import AdapterConfig
from gateway.adapters.stripe import callbacks, reading
from gateway.adapters.stripe.account import Account
from gateway.adapters.stripe.amounts import stripe_exponent
from gateway.adapters.stripe.intents import CASHAPP_CURRENCIES, Intents
from gateway.adapters.stripe.refunds import Refunds
from gateway.adapters.stripe.sessions import Sessions, of_session
from gateway.adapters.stripe.terms import CARD, CASHAPP, is_session
from gateway.errors import Misconfigured, NotAvailable, NotFound, Refused
from gateway.money import InexactAmount, Money
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

CAPABILITIES = {CASHAPP: "cashapp_payments", CARD: "card_payments"}


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StripeAdapter:
    """One account in one mode. Stateless: SDK clients and connections are shared by key and address.

    A payment is a Checkout Session where its reference there is one's id, or where there is none yet and its method
    is the card; else a PaymentIntent.
    """

    config: AdapterConfig
    timeouts: http.Timeouts = http.DEFAULT_TIMEOUTS
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def create_payment(self, request: PaymentRequest) -> PaymentReport:
        if request.method in ("", CASHAPP):
            return self._intents.create(request)
        if request.method == CARD:
            return self._sessions.create(request)
        raise NotAvailable(f"{request.method} is not offered through Stripe")

    def ask_payment(self, payment: PaymentRef) -> PaymentReport | None:
        """By id, or by looking through the account's payments for our reference. None: Stripe knows none such.

        Unavailable also when there are more payments than we look through: not found is then not "does not exist".
        """
        if _is_session(payment):
            return self._sessions.ask(payment)
        if not payment.processor_ref:
            return self._intents.find(payment.reference, created_at=payment.created_at)
        try:
            return self._intents.retrieve(payment.reference, payment.processor_ref)
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
            payment = replace(payment, processor_ref=found.processor_ref)
        if _is_session(payment):
            return self._sessions.cancel(payment)
        return self._intents.cancel(payment.reference, payment.processor_ref)

    def capture_payment(self, payment: PaymentRef, money: Money) -> PaymentReport:
        """Take what is held; less than all of it lets the rest go. Refused, with the truth, when nothing is held."""
        if money.currency != payment.money.currency or money.minor <= 0:
            raise Misconfigured("a capture is of money in the currency of its payment", processor_code="amount")
        payment, intent_ref = self._with_intent(payment)
        try:
            report = self._intents.capture(payment.reference, intent_ref, money)
        except Refused as refused:
            if refused.report is None or not _is_session(payment):
                raise
            raise Refused(
                str(refused),
                report=of_session(refused.report, payment.processor_ref),
                processor_code=refused.processor_code,
                request_id=refused.request_id,
            ) from refused
        return of_session(report, payment.processor_ref) if _is_session(payment) else report

    def refund_payment(self, request: RefundRequest) -> RefundReport:
        if request.money.currency != request.payment.money.currency:
            raise Misconfigured("a refund is made in the currency of its payment", processor_code="currency")
        _, intent_ref = self._with_intent(request.payment)
        return self._refunds.create(request, intent_ref=intent_ref)

    def ask_refund(self, refund: RefundRef) -> RefundReport | None:
        """By id, or among the refunds of its payment by our reference."""
        if refund.processor_ref:
            known = refund.payment.capture_ref or refund.payment.processor_ref
            return self._refunds.retrieve(refund.reference, refund.processor_ref, intent_ref=known)
        try:
            _, intent_ref = self._with_intent(refund.payment)
        except Refused:  # nothing was paid there, so nothing went back
            return None
        return self._refunds.find(refund.reference, intent_ref=intent_ref)

    def check_availability(self, *, currency: str, method: str = "") -> Availability:
        """The account's capability. A restricted key may not read it: then the create's own answer decides."""
        method = method or CASHAPP
        if method not in CAPABILITIES:
            return Availability(False, f"{method} is not offered through Stripe")
        if method == CASHAPP and currency not in CASHAPP_CURRENCIES:
            return Availability(False, "Cash App Pay takes US dollars only")
        try:
            stripe_exponent(currency)
        except (InexactAmount, KeyError):
            return Availability(False, f"{currency} is not taken through Stripe")
        account = Account(self.config, self.timeouts, self.clock)
        try:
            found = account.read(lambda client, options: client.v1.accounts.retrieve_current({}, options))
        except Misconfigured as error:
            if isinstance(error.__cause__, stripe.PermissionError):
                return Availability(True, "the key may not read the account")
            raise
        if method == CARD and found.get("charges_enabled") is False:
            return Availability(False, "charges are not enabled on the account")
        state = reading.text(reading.child(found, "capabilities"), CAPABILITIES[method])
        if state == "active":
            return Availability(True)
        return Availability(False, f"{CAPABILITIES[method]} is {state or 'not requested'} on the account")

    def peek(self, callback: Callback) -> Peek:
        return callbacks.peek(callback)

    def read_callback(self, callback: Callback) -> CallbackRead:
        """Verified with the present callback secret, or one that was rotated out and still counts."""
        holders = (self.config.credentials, *self.config.previous_credentials)
        secrets = [holder.get("webhookSecret", "") for holder in holders]
        return callbacks.read(callback, secrets=secrets, mode=self.config.mode)

    def read_again(self, callback: Callback) -> CallbackRead:
        return callbacks.read_verified(callback, mode=self.config.mode)

    @property
    def _intents(self) -> Intents:
        return Intents(Account(self.config, self.timeouts, self.clock))

    @property
    def _sessions(self) -> Sessions:
        return Sessions(Account(self.config, self.timeouts, self.clock))

    @property
    def _refunds(self) -> Refunds:
        return Refunds(Account(self.config, self.timeouts, self.clock))

    def _with_intent(self, payment: PaymentRef) -> tuple[PaymentRef, str]:
        """The payment with its id there, and the PaymentIntent that holds or took its money. Refused: there is none."""
        if payment.processor_ref and not is_session(payment.processor_ref):
            return payment, payment.processor_ref
        if payment.processor_ref and payment.capture_ref:
            return payment, payment.capture_ref
        found = self.ask_payment(payment)
        if found is None:
            raise Refused("Stripe knows no such payment")
        payment = replace(payment, processor_ref=found.processor_ref, capture_ref=found.capture_ref)
        intent_ref = found.capture_ref if is_session(found.processor_ref) else found.processor_ref
        if not intent_ref:
            raise Refused("nobody has paid at this session", report=found)
        return payment, intent_ref


def _is_session(payment: PaymentRef) -> bool:
    return is_session(payment.processor_ref) or (not payment.processor_ref and payment.method == CARD)
