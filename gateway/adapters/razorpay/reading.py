"""Razorpay's entities as our reports. They come as plain JSON values, from an answer or from a callback's snapshot."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.adapters.razorpay import declines, terms
from gateway.adapters.razorpay.amounts import from_razorpay
from gateway.types import DisputeReport, Failure, Mode, Outcome, PaymentReport, RefundOutcome, RefundReport

Json = Mapping[str, Any]

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
ID = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
# From the best for the merchant: which of several tries of one order speaks for it.
BEST_FIRST = (Outcome.CAPTURED, Outcome.AUTHORIZED, Outcome.PENDING)


class Unreadable(ValueError):
    """Not the entity it should be: no id, or of another kind."""


def outcome_of(payment: Json) -> Outcome:
    """By the status. The flag `captured` decides only what `refunded` means: callbacks of refused and of held payments
    were seen with `captured: true`, and neither is money in hand.
    """
    if text(payment, "status") == "refunded":
        # Never captured: the hold ran out, or the order was paid by another try. The money is back at the buyer.
        return Outcome.CAPTURED if payment.get("captured") is True else Outcome.CANCELLED
    return terms.OUTCOMES.get(text(payment, "status"), Outcome.PENDING)


def payment_report(
    payment: Json,
    *,
    mode: Mode,
    reference: str = "",
    occurred_at: datetime | None = None,
    is_over: bool = False,
) -> PaymentReport:
    """A payment entity as a report about its order. `is_over`: nothing more can come of this order."""
    capture_ref = id_of(payment, kind="payment")
    outcome = outcome_of(payment)
    has_money = outcome in (Outcome.CAPTURED, Outcome.AUTHORIZED)
    ends = outcome in (Outcome.DECLINED, Outcome.CANCELLED) and is_over
    return PaymentReport(
        reference=reference,
        processor_ref=text(payment, "order_id"),
        outcome=outcome,
        mode=mode,
        money=from_razorpay(payment.get("amount"), payment.get("currency")) if has_money else None,
        failure=failure_of(payment) if outcome is Outcome.DECLINED else None,
        is_final=outcome is Outcome.CAPTURED or ends,
        method=text(payment, "method"),
        occurred_at=occurred_at or time_of(payment.get("created_at")),
        processor_data=_bank_references(payment) if has_money else {},
        capture_ref=capture_ref if has_money else "",
        payer_email=_email_of(payment),
    )


def refund_report(
    refund: Json, *, mode: Mode, reference: str = "", payment_ref: str = "", occurred_at: datetime | None = None
) -> RefundReport:
    """A refund entity as a report. Our reference is in notes that only a server of ours, or staff there, can write."""
    processor_ref = id_of(refund, kind="refund")
    outcome = terms.REFUND_OUTCOMES.get(text(refund, "status"), RefundOutcome.PENDING)
    failure = None
    if outcome is RefundOutcome.FAILED:
        code = text(refund, "error_reason") or text(refund, "error_code") or "failed"
        failure = Failure(code=code, message=text(refund, "error_description"))
    return RefundReport(
        reference=text(notes_of(refund), "refundId") or reference,
        processor_ref=processor_ref,
        payment_processor_ref=text(refund, "payment_id") or payment_ref,
        outcome=outcome,
        money=from_razorpay(refund.get("amount"), refund.get("currency")),
        mode=mode,
        failure=failure,
        occurred_at=occurred_at or time_of(refund.get("created_at")),
    )


def dispute_report(dispute: Json, *, mode: Mode, event_type: str) -> DisputeReport:
    """A dispute entity as a report: open until the entity, or the name of the event, says that it is over."""
    status = text(dispute, "status")
    is_over = status in terms.DISPUTES_OVER or event_type.rpartition(".")[2] in terms.DISPUTES_OVER
    return DisputeReport(
        processor_ref=id_of(dispute, kind="dispute"),
        payment_processor_ref=text(dispute, "payment_id"),
        is_open=not is_over,
        status=status,
        reason=text(dispute, "reason_code"),
        money=from_razorpay(dispute.get("amount"), dispute.get("currency")),
        mode=mode,
    )


def best_of(payments: Iterable[Json], *, preferred: str = "") -> Json | None:
    """The try that speaks for its order: money first (the one we know before others), then a live one, then the
    latest.
    """

    def rank(payment: Json) -> tuple[int, bool, int]:
        outcome = outcome_of(payment)
        place = BEST_FIRST.index(outcome) if outcome in BEST_FIRST else len(BEST_FIRST)
        return place, text(payment, "id") != preferred, -_seconds(payment)

    return min((payment for payment in payments if text(payment, "id")), key=rank, default=None)


def is_over(order: Json, payments: Iterable[Json], *, created_at: datetime, now: datetime) -> bool:
    """Whether nothing more is to be expected of an order: it and all its tries are old, and none of them is alive."""
    opened_at = time_of(order.get("created_at")) or created_at
    if now - opened_at < terms.LATE_AUTHORISATION_FOR:
        return False
    for payment in payments:
        tried_at = time_of(payment.get("created_at"))
        if outcome_of(payment) not in (Outcome.DECLINED, Outcome.CANCELLED):
            return False
        if tried_at is None or now - tried_at < terms.LATE_AUTHORISATION_FOR:
            return False
    return True


def failure_of(payment: Json) -> Failure:
    """From the `error_…` fields of a payment."""
    reason, code = text(payment, "error_reason"), text(payment, "error_code")
    return Failure(
        code=reason or code or "failed",
        message=text(payment, "error_description"),
        advice=declines.advice_for(reason=reason, source=text(payment, "error_source")),
    )


def notes_of(entity: Json) -> Json:
    """Notes are an object, and an empty *list* where there are none."""
    return child(entity, "notes")


def text(value: Json, name: str) -> str:
    """A text field; empty for a missing one and for any other type. What no database takes is replaced."""
    found = value.get(name)
    return UNSTORABLE.sub("\ufffd", found) if isinstance(found, str) else ""


def child(value: Json, name: str) -> Json:
    """A nested object; empty for anything else."""
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def time_of(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds < 10**11:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)


def id_of(value: Json, *, kind: str) -> str:
    found = text(value, "id")
    if text(value, "entity") not in ("", kind) or not ID.fullmatch(found):
        raise Unreadable(f"no {kind}")
    return found


def _seconds(payment: Json) -> int:
    at = time_of(payment.get("created_at"))
    return int(at.timestamp()) if at is not None else 0


def _email_of(payment: Json) -> str:
    found = text(payment, "email")
    return "" if found in terms.NO_EMAIL or len(found) > 254 else found


def _bank_references(payment: Json) -> dict[str, str]:
    """What the buyer's bank can find the payment by; his numbers, addresses and names are nobody's business."""
    acquirer = child(payment, "acquirer_data")
    names = ("rrn", "bank_transaction_id", "transaction_id", "auth_code")
    return {name: text(acquirer, name) for name in names if text(acquirer, name)}
