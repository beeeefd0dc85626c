"""Refunds. beGateway has no idempotency keys for them, and checks for repeats for 30 seconds only: so the payment's
transactions are looked through before anything is sent again, for the mark that the reason of every refund of ours
carries.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway import http
from gateway.adapters.secure_processor import bodies, reading, terms
from gateway.adapters.secure_processor.amounts import to_wire
from gateway.adapters.secure_processor.client import Client, is_duplicate
from gateway.adapters.secure_processor.reading import Json, text
from gateway.errors import Misconfigured, NotFound, OutcomeUnknown, Refused, Unavailable, WrongMode
from gateway.money import Money
from gateway.types import Mode, PaymentRef, RefundRef, RefundReport, RefundRequest


@dataclass(frozen=True, slots=True)
class Paid:
    """What a refund is of: the transaction to name, and the id that we know the payment by."""

    parent_uid: str
    capture_ref: str
    tracking_id: str


@dataclass(frozen=True, slots=True)
class Refunds:
    client: Client
    mode: Mode

    def send(self, request: RefundRequest, paid: Paid) -> RefundReport:
        """Refused where it clearly cannot be done; Unavailable where beGateway took it for a repeat of another."""
        if found := self._ours(request.reference, request.money, self._listed(paid), paid):
            return found
        fields = {
            "parent_uid": paid.parent_uid,
            "amount": to_wire(request.money),
            "reason": bodies.reason_of(request),
            "duplicate_check": True,
        }
        try:
            answer = self.client.move("refunds", fields, request_id=request.reference)
        except Refused as refused:
            if not is_duplicate(refused):
                raise
            # Of this very refund, whose answer was lost, or of another one of the same amount: only the list can say.
            if found := self._ours(request.reference, request.money, self._listed(paid), paid):
                return found
            raise Unavailable(
                "a refund of the same amount was made within 30 seconds; this one has to wait"
            ) from refused
        report = self._report(answer, request.reference, paid, is_write=True)
        parent = text(answer, "parent_uid")
        is_ours = reading.kind_of(answer) in ("refund", "") and parent in ("", paid.parent_uid)
        if not is_ours or report.money not in (None, request.money):
            raise OutcomeUnknown("Secure Processor answered with a refund that is not the one we asked for")
        return report

    def ask(self, refund: RefundRef, paid: Paid) -> RefundReport | None:
        """By uid, or by the mark. None: it surely never arrived. OutcomeUnknown where that cannot be told."""
        if refund.processor_ref:
            try:
                return self._report(self.client.transaction(refund.processor_ref), refund.reference, paid)
            except NotFound:
                return None
        if not terms.REFUNDS_ARE_LISTED:
            raise OutcomeUnknown(
                "Secure Processor does not list refunds; its back office shows what became of this one"
            )
        listed = self._listed(paid)
        if found := self._ours(refund.reference, refund.money, listed, paid):
            return found
        since = refund.created_at - terms.CLOCK_SKEW
        if self._is_ambiguous(refund, listed, paid, since=since):
            raise OutcomeUnknown("a refund of the same amount, without our mark, cannot be told from this one")
        if len(listed) >= terms.LISTED:
            oldest = min((at for row in listed if (at := _made_at(row)) is not None), default=None)
            if oldest is None or oldest > since:
                raise Unavailable("Secure Processor lists only its newest transactions; this refund may be older")
            return None
        if not any(text(row, "uid") in (paid.parent_uid, paid.capture_ref) for row in listed):
            # A list without the payment itself (made by a request of the flat shape) says nothing about its refunds.
            raise OutcomeUnknown("Secure Processor does not list this payment; its back office shows its refunds")
        return None

    def _listed(self, paid: Paid) -> list[Json]:
        return self.client.transactions_of(paid.tracking_id)

    def _ours(self, reference: str, money: Money, listed: list[Json], paid: Paid) -> RefundReport | None:
        for row in listed:
            if self._is_of(row, paid) and reading.marked_reference(row) == reference:
                report = self._report(row, reference, paid)
                if report.money not in (None, money):
                    raise OutcomeUnknown("another amount went back under the mark of this refund")
                return report
        return None

    def _is_ambiguous(self, refund: RefundRef, listed: list[Json], paid: Paid, *, since: datetime) -> bool:
        """Whether one of them could be ours, had its reason not come back."""
        for row in listed:
            made_at = _made_at(row)
            is_bare = not text(row, "reason") or not terms.REASON_COMES_BACK
            is_new = made_at is None or made_at >= since
            if self._is_of(row, paid) and is_bare and is_new and reading.money_of(row) in (None, refund.money):
                return True
        return False

    @staticmethod
    def _is_of(row: Json, paid: Paid) -> bool:
        return reading.kind_of(row) == "refund" and text(row, "parent_uid") in ("", paid.parent_uid, paid.capture_ref)

    def _report(self, row: Json, reference: str, paid: Paid, *, is_write: bool = False) -> RefundReport:
        if reading.mode_of(row) not in (None, self.mode):
            raise WrongMode("Secure Processor answered with a refund of the other mode")
        try:
            return reading.refund_report(row, mode=self.mode, reference=reference, payment_ref=paid.capture_ref)
        except reading.Unreadable as error:
            raise http.unclear("Secure Processor answered without the refund", is_write=is_write) from error


def check_currency(request: RefundRequest) -> None:
    if request.money.currency != request.payment.money.currency:
        raise Misconfigured("a refund is made in the currency of its payment", processor_code="currency")


def paid_of(payment: PaymentRef) -> Paid | None:
    """From what we keep. A captured hold is refunded by its capture."""
    uid = payment.processor_data.get("capture_uid") or payment.capture_ref
    return Paid(uid, payment.capture_ref or uid, payment.reference) if uid else None


def _made_at(row: Json) -> datetime | None:
    return reading.time_of(text(row, "created_at"))
