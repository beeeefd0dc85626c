"""Checkout Sessions: Stripe's own payment page for cards. A session is opened, and paid by one PaymentIntent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import stripe

from gateway import http
from gateway.adapters.stripe import reading, session_reading
from gateway.adapters.stripe.account import Account, as_params
from gateway.adapters.stripe.amounts import check_money, to_stripe
from gateway.adapters.stripe.intents import Intents
from gateway.adapters.stripe.terms import (
    CARD,
    LOCALES,
    MANUAL,
    MAX_CLIENT_REFERENCE,
    MAX_DESCRIPTION,
    idempotency_key,
    metadata_of,
    session_end,
)
from gateway.errors import Misconfigured, NotFound, Refused, Unavailable, WrongMode
from gateway.types import Outcome, PaymentRef, PaymentReport, PaymentRequest

# After this a repeated create looks for the first one: its end must not change under a key that Stripe remembers,
# and may not stay as it was under one that Stripe never saw.
FRESH = timedelta(minutes=4)
EXPAND = ["payment_intent.latest_charge"]
# Stripe refuses a whole session for an address it does not like; then the buyer types his own.
EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
ENCODED_PLACEHOLDER = re.compile(re.escape("%7BCHECKOUT_SESSION_ID%7D"), re.IGNORECASE)
OPEN = frozenset({Outcome.PENDING, Outcome.DECLINED})


@dataclass(frozen=True, slots=True)
class Sessions:
    account: Account

    def create(self, request: PaymentRequest) -> PaymentReport:
        """Open a session; the report's `next_action` is its page."""
        if problem := check_money(request.money):
            raise Misconfigured(problem, processor_code="amount")
        if not request.return_url:
            raise Misconfigured("Checkout needs an address to return to", processor_code="return_url")
        if found := self._made_before(request):
            return found
        params = self._params(request)
        try:
            return self._create(request, params)
        except Misconfigured as refused:
            if refused.processor_code == "email_invalid" and params.pop("customer_email", None):
                return self._create(request, params)  # the same key: a request that was not valid is not remembered
            if refused.processor_code == "amount":
                raise Misconfigured(
                    f"Stripe does not take {request.money}: {refused}",
                    processor_code="amount",
                    request_id=refused.request_id,
                ) from refused
            raise

    def ask(self, payment: PaymentRef) -> PaymentReport | None:
        if not payment.processor_ref:
            return self.find(payment.reference, created_at=payment.created_at, intent_ref=payment.capture_ref)
        try:
            return self.retrieve(payment.reference, payment.processor_ref)
        except NotFound:
            return None

    def find(self, reference: str, *, created_at: datetime, intent_ref: str = "") -> PaymentReport | None:
        """By our reference; a known PaymentIntent leads there in one step."""

        def service(client: stripe.StripeClient) -> Any:
            return client.v1.checkout.sessions

        if intent_ref:
            for session in self.account.pages(service, {"payment_intent": intent_ref}):
                if reading.text(reading.child(session, "metadata"), "paymentId") == reference:
                    return self.retrieve(reference, reading.text(session, "id"))
        found = self.account.find(service, reference, created_at=created_at)
        return self.retrieve(reference, reading.text(found, "id")) if found else None

    def retrieve(self, reference: str, session_ref: str) -> PaymentReport:
        """With its PaymentIntent, which knows best once the buyer has paid."""
        answer = self.account.read(
            lambda client, options: client.v1.checkout.sessions.retrieve(
                session_ref, as_params({"expand": EXPAND}), options
            )
        )
        return self._report(answer, reference=reference)

    def cancel(self, payment: PaymentRef) -> PaymentReport:
        """Close the session; one that is no longer open says what became of it. A hold is let go."""
        session_ref = payment.processor_ref
        try:
            answer = self.account.write(
                lambda client, options: client.v1.checkout.sessions.expire(session_ref, as_params({}), options)
            )
        except (Refused, Misconfigured) as refused:
            if not isinstance(refused.__cause__, stripe.InvalidRequestError):
                raise
            report = self.retrieve(payment.reference, session_ref)
            if report.outcome in OPEN and not report.is_final:
                raise  # it is open, so it was refused for another reason
            if report.outcome is Outcome.AUTHORIZED:
                return self._let_go(payment, report)
            return report
        return self._report(answer.values, reference=payment.reference, is_write=True)

    def _made_before(self, request: PaymentRequest) -> PaymentReport | None:
        if request.created_at is None or self.account.clock() - request.created_at <= FRESH:
            return None
        return self.find(request.reference, created_at=request.created_at)

    def _let_go(self, payment: PaymentRef, held: PaymentReport) -> PaymentReport:
        ended = Intents(self.account).cancel(payment.reference, held.capture_ref)
        return of_session(ended, payment.processor_ref)

    def _create(self, request: PaymentRequest, params: Mapping[str, Any]) -> PaymentReport:
        answer = self.account.write(
            lambda client, options: client.v1.checkout.sessions.create(as_params(params), options),
            key=idempotency_key("payment", request.reference),
        )
        report = self._report(answer.values, reference=request.reference, is_write=True)
        if not answer.is_replayed:
            return report
        try:
            return self.retrieve(report.reference, report.processor_ref)  # the first answer may be old
        except Unavailable:  # would read as "nothing was created", and something was
            return report

    def _params(self, request: PaymentRequest) -> dict[str, Any]:
        metadata = metadata_of(request)
        description = request.description.strip()[:MAX_DESCRIPTION] or f"Order {request.order_reference}"
        intent: dict[str, Any] = {"metadata": metadata, "description": description}
        if request.captures_later:
            intent["capture_method"] = MANUAL
        params: dict[str, Any] = {
            "mode": "payment",
            "payment_method_types": [CARD],
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": request.money.currency.lower(),
                        "unit_amount": to_stripe(request.money),
                        "product_data": {"name": description},
                    },
                }
            ],
            "client_reference_id": request.order_reference[:MAX_CLIENT_REFERENCE],
            "metadata": metadata,
            "payment_intent_data": intent,
            # Stripe puts the session's id where these very characters stand.
            "success_url": ENCODED_PLACEHOLDER.sub("{CHECKOUT_SESSION_ID}", request.return_url),
        }
        if request.cancel_url:
            params["cancel_url"] = request.cancel_url
        if EMAIL.fullmatch(request.payer_email):
            params["customer_email"] = request.payer_email
        if request.lang in LOCALES:
            params["locale"] = request.lang
        start = self.account.clock()
        if request.created_at is not None and abs(start - request.created_at) <= FRESH:
            start = request.created_at  # the same for each repetition under the same key
        if (end := session_end(request.expires_at, start=start)) is not None:
            params["expires_at"] = end
        return params

    def _report(self, answer: Mapping[str, Any], *, reference: str, is_write: bool = False) -> PaymentReport:
        try:
            report = session_reading.session_report(answer, mode=self.account.mode, asked_reference=reference)
        except reading.Unreadable as error:
            raise http.unclear("Stripe answered without the session", is_write=is_write) from error
        if report.mode is not self.account.mode:
            raise WrongMode(f"Stripe answered with a session of {report.mode} mode")
        return report


def of_session(report: PaymentReport, session_ref: str) -> PaymentReport:
    """What a PaymentIntent says, said of the session that it paid."""
    return replace(
        report,
        processor_ref=session_ref,
        capture_ref=report.capture_ref or report.processor_ref,
        processor_data={**report.processor_data, "payment_intent": report.capture_ref or report.processor_ref},
    )
