"""PaymentIntents: Cash App Pay begins and ends with one, and behind each paid Checkout Session there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import stripe

from gateway import http
from gateway.adapters.stripe import reading
from gateway.adapters.stripe.account import Account, as_params
from gateway.adapters.stripe.amounts import check_money, to_stripe
from gateway.adapters.stripe.terms import CASHAPP, MANUAL, MAX_DESCRIPTION, idempotency_key, metadata_of
from gateway.errors import Misconfigured, NotAvailable, Refused, Unavailable, WrongMode
from gateway.money import Money
from gateway.types import Outcome, PaymentReport, PaymentRequest

# Stripe keeps a key for at least a day; after that the same key would make a second payment.
KEY_LIFE = timedelta(hours=23)
CASHAPP_CURRENCIES = frozenset({"USD"})


@dataclass(frozen=True, slots=True)
class Intents:
    account: Account

    def create(self, request: PaymentRequest) -> PaymentReport:
        """Create and confirm in one call; the report's `next_action` is Stripe's page, the phone's link and the QR."""
        if request.money.currency not in CASHAPP_CURRENCIES:
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
            "payment_method_types": [CASHAPP],
            "payment_method_data": {"type": CASHAPP},
            "confirm": True,
            "return_url": request.return_url,
            "metadata": metadata_of(request),
        }
        if request.description:
            params["description"] = request.description[:MAX_DESCRIPTION]
        if request.captures_later:
            params["capture_method"] = MANUAL
        answer = self.account.write(
            lambda client, options: client.v1.payment_intents.create(as_params(params), options),
            key=idempotency_key("payment", request.reference),
        )
        report = self._report(answer.values, reference=request.reference, is_write=True)
        return self._renewed(report) if answer.is_replayed else report

    def find(self, reference: str, *, created_at: datetime) -> PaymentReport | None:
        found = self.account.find(lambda client: client.v1.payment_intents, reference, created_at=created_at)
        return self._report(found, reference=reference) if found else None

    def retrieve(self, reference: str, intent_ref: str) -> PaymentReport:
        answer = self.account.read(
            lambda client, options: client.v1.payment_intents.retrieve(
                intent_ref, {"expand": ["latest_charge"]}, options
            )
        )
        return self._report(answer, reference=reference)

    def cancel(self, reference: str, intent_ref: str) -> PaymentReport:
        """Cancel; where it was too late, the report says what happened instead."""
        try:
            # No key of ours: Stripe would repeat a stored refusal for a day, when cancelling may long be possible.
            answer = self.account.write(
                lambda client, options: client.v1.payment_intents.cancel(
                    intent_ref, {"cancellation_reason": "abandoned"}, options
                )
            )
        except Refused as refused:
            if refused.report is not None and _is_about(refused.report, intent_ref):
                return refused.report
        else:
            return self._report(answer.values, reference=reference, is_write=True)
        return self.retrieve(reference, intent_ref)

    def capture(self, reference: str, intent_ref: str, money: Money) -> PaymentReport:
        """Take what is held, or a part of it: the rest is let go. Taken before: the report says how much."""
        params = {"amount_to_capture": to_stripe(money)}
        try:
            # No key of ours, as for a cancel. Stripe takes a hold once only: a second call finds it taken.
            answer = self.account.write(
                lambda client, options: client.v1.payment_intents.capture(intent_ref, as_params(params), options)
            )
        except (Refused, Misconfigured) as refused:
            if isinstance(refused, Misconfigured) and not self._is_about_its_state(refused):
                raise
            report = refused.report if isinstance(refused, Refused) else None
            if report is None or not _is_about(report, intent_ref):
                report = self.retrieve(reference, intent_ref)
            if report.outcome is Outcome.CAPTURED:
                return report
            if isinstance(refused, Misconfigured) and report.outcome is Outcome.AUTHORIZED:
                raise  # it is held, so it was refused for another reason
            raise Refused(
                str(refused),
                report=report,
                processor_code=refused.processor_code,
                request_id=refused.request_id,
            ) from refused
        return self._report(answer.values, reference=reference, is_write=True)

    @staticmethod
    def _is_about_its_state(refused: Misconfigured) -> bool:
        """A plain 400 that blames no amount: perhaps the payment is not what we thought."""
        return isinstance(refused.__cause__, stripe.InvalidRequestError) and refused.processor_code != "amount"

    def _renewed(self, report: PaymentReport) -> PaymentReport:
        """A repeated key repeats the first answer, however old; the payment may be paid by now."""
        try:
            return self.retrieve(report.reference, report.processor_ref)
        except Unavailable:  # would read as "nothing was created", and something was
            return report

    def _made_before(self, request: PaymentRequest) -> Mapping[str, Any] | None:
        """An old request may have been answered under a key that Stripe has forgotten."""
        if request.created_at is None or self.account.clock() - request.created_at < KEY_LIFE:
            return None
        return self.account.find(
            lambda client: client.v1.payment_intents, request.reference, created_at=request.created_at
        )

    def _report(self, answer: Mapping[str, Any], *, reference: str, is_write: bool = False) -> PaymentReport:
        try:
            report = reading.payment_report(answer, mode=self.account.mode, asked_reference=reference)
        except reading.Unreadable as error:
            raise http.unclear("Stripe answered without the payment", is_write=is_write) from error
        if report.mode is not self.account.mode:
            raise WrongMode(f"Stripe answered with a payment of {report.mode} mode")
        return report


def _is_about(report: PaymentReport, intent_ref: str) -> bool:
    return intent_ref in (report.processor_ref, report.capture_ref)
