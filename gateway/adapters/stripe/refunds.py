"""Refunds: always of a PaymentIntent, whoever opened it, and once for each reference of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import http
from gateway.adapters.stripe import reading
from gateway.adapters.stripe.account import Account, as_params
from gateway.adapters.stripe.amounts import to_stripe
from gateway.adapters.stripe.errors import StoredTrouble
from gateway.adapters.stripe.terms import idempotency_key
from gateway.errors import NotFound, OutcomeUnknown, Unavailable, WrongMode
from gateway.types import RefundReport, RefundRequest

MOST_KEYS = 5
REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})


@dataclass(frozen=True, slots=True)
class Refunds:
    account: Account

    def create(self, request: RefundRequest, *, intent_ref: str) -> RefundReport:
        """Refund, once for each reference, for ever: Stripe forgets keys after a day, so its refunds are read first.

        They are read again before another key is used, which only a failure of Stripe's own, stored under the former
        one, is a reason for: that request is over, so a refund that is not listed was not made.
        """
        params: dict[str, Any] = {
            "payment_intent": intent_ref,
            "amount": to_stripe(request.money),
            "reason": request.reason if request.reason in REASONS else "requested_by_customer",
            "metadata": {"refundId": request.reference, "paymentId": request.payment.reference},
        }
        stored: StoredTrouble | None = None
        for number in range(1, MOST_KEYS + 1):
            if made := self._made(request, intent_ref=intent_ref, before=stored):
                return made
            try:
                answer = self.account.write(
                    lambda client, options: client.v1.refunds.create(as_params(params), options),
                    key=idempotency_key("refund", request.reference, number=number),
                    is_refund=True,
                )
            except StoredTrouble as trouble:
                stored = trouble
                continue
            return self._report(answer.values, reference=request.reference, intent_ref=intent_ref, is_write=True)
        raise stored or OutcomeUnknown("Stripe keeps failing at this refund")

    def _made(self, request: RefundRequest, *, intent_ref: str, before: StoredTrouble | None) -> RefundReport | None:
        try:
            return self.find(request.reference, intent_ref=intent_ref)
        except Unavailable as error:
            if before is None:
                raise
            # Not "surely nothing happened": the request whose failure is stored may have made it.
            raise OutcomeUnknown(f"after a stored failure: {error}", request_id=before.request_id) from error

    def retrieve(self, reference: str, refund_ref: str, *, intent_ref: str) -> RefundReport | None:
        try:
            answer = self.account.read(lambda client, options: client.v1.refunds.retrieve(refund_ref, {}, options))
        except NotFound:
            return None
        return self._report(answer, reference=reference, intent_ref=intent_ref)

    def find(self, reference: str, *, intent_ref: str) -> RefundReport | None:
        for refund in self.account.pages(lambda client: client.v1.refunds, {"payment_intent": intent_ref}):
            if reading.text(reading.child(refund, "metadata"), "refundId") == reference:
                return self._report(refund, reference=reference, intent_ref=intent_ref)
        return None

    def _report(
        self, answer: Mapping[str, Any], *, reference: str, intent_ref: str, is_write: bool = False
    ) -> RefundReport:
        if reading.mode_of(answer) not in (None, self.account.mode):
            raise WrongMode("Stripe answered with a refund of the other mode")
        try:
            return reading.refund_report(
                answer, mode=self.account.mode, asked_reference=reference, payment_ref=intent_ref
            )
        except reading.Unreadable as error:
            raise http.unclear("Stripe answered without the refund", is_write=is_write) from error
