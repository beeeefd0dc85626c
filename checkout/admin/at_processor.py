"""A payment as its processor knows it: its ids, states and reasons in that processor's own words, for staff who have
its cabinet open beside this.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from checkout import statements
from checkout.models import Payment, ProcessorTransaction
from gateway import registry
from gateway.adapters.payme import words as payme
from gateway.questions import State as Known
from providers import backoffice

State = ProcessorTransaction.State

STATE_MEANING = {
    State.CREATED: backoffice.INFO,
    State.PERFORMED: backoffice.OK,
    State.CANCELLED: backoffice.NONE,
    State.REVERSED: backoffice.WAIT,
}
PAYME_REASONS = {
    1: "a receiver was not found or is not active at Payme",
    2: "the debit failed in processing",
    3: "the transaction could not be carried out",
    4: "time-out",
    5: "refund",
    10: "unknown",
}
# Where people refund by hand, for processors without a call for it, and what they then need not do.
CABINETS = {
    "payme": "the Payme Business cabinet",
    "uzum": "the Uzum Bank merchant cabinet",
}
COMPARE = {
    "payme": "In Payme Business, take the same cash desk and day. “Paid” here is state 2 there, “cancelled after "
    "payment” is −2. Payme gets the same list from us by GetStatement and compares by itself.",
    "click": "In Click's cabinet (merchant.click.uz), take the same service and day. Its successful payments must be "
    "those that are “paid” here, by click_trans_id; its paydoc id is on the order's page.",
    "uzum": "In the register that Uzum Bank sends for the same service and day, each confirmed transId must be “paid” "
    "here, each reversed one “cancelled after payment”.",
    "multicard": "In Multicard's cabinet, take the same store and day. Each payment that is “success” there must be "
    "“captured” here; partial refunds stand in the last column.",
}
COMPARE_OTHERS = "In the processor's dashboard, take the same account and day: each payment that it took must be here."
# What the adapters keep of a payment (`Payment.processor_data`), in words. What has none is shown by its own name.
NAMES = {
    "invoice_uuid": "Invoice uuid",
    "payment_uuid": "Payment uuid",
    "invoice_id": "Invoice id there",
    "store_id": "Store",
    "click_paydoc_id": "Paydoc id (buyer's SMS)",
    "merchant_trans_id": "merchant_trans_id",
    "click_day": "Day at Click",
    "payment_id": "payment_id (Merchant API)",
    "paid_at": "Paid there",
    "card_pan": "Card",
    "payment_system": "Paid from",
    "phone_end": "Phone ends in",
    "receipt_url": "Processor's receipt",
    "fiscal_url": "Fiscal receipt",
}
REFERENCE = {
    "payme": "Payme transaction id",
    "click": "click_trans_id",
    "uzum": "transId",
    "multicard": "uuid",
}
OUR_NUMBER = {
    "payme": "Our transaction id",
    "click": "merchant_prepare_id, merchant_confirm_id",
    "uzum": "Our number",
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction as the order's page shows it."""

    row: ProcessorTransaction
    meaning: str
    state: str
    reason: str
    facts: list[tuple[str, str]]
    others: list[tuple[str, str]]
    fiscal: list[tuple[str, dict[str, Any]]]


def transactions_of(payment: Payment) -> list[Transaction]:
    """Those of a payment, the youngest first; none for processors that do not ask."""
    return [
        Transaction(
            row=row,
            meaning=STATE_MEANING[State(row.state)],
            state=state_of(payment.processor, row.state),
            reason=reason_of(payment.processor, row.reason, state=row.state, is_expired=row.is_expired),
            facts=[
                (REFERENCE.get(payment.processor, "Id there"), row.transaction_ref),
                (OUR_NUMBER.get(payment.processor, "Our number"), str(row.pk)),
                *facts_of(row.details)[0],
            ],
            others=facts_of(row.details)[1],
            fiscal=[(str(kind).lower(), data) for kind, data in row.fiscal.items() if isinstance(data, dict)],
        )
        for row in payment.processor_transactions.all()
    ]


def facts_of(
    details: dict[str, Any], *, but: Iterable[str] = ()
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What was kept of a payment: (what has a name, what has none), without the values that are told elsewhere."""
    known = set(but)
    kept = {name: str(value) for name, value in details.items() if value not in (None, "") and str(value) not in known}
    named = [(words, kept[name]) for name, words in NAMES.items() if name in kept]
    return named, sorted((name, value) for name, value in kept.items() if name not in NAMES)


def state_of(processor: str, state: str) -> str:
    """The state in words; at Payme with its number, because people compare those."""
    if state == statements.REFUNDED:
        return "refunded"
    try:
        known = State(state)
    except ValueError:
        return str(Payment.Status(state).label)
    if processor == "payme":
        return f"{known.label}, state {payme.STATES[Known(known.value)]}"
    return str(known.label)


def reason_of(processor: str, reason: str, *, state: str, is_expired: bool) -> str:
    """Why a transaction is cancelled; empty for one that is not."""
    if state not in (State.CANCELLED, State.REVERSED):
        return reason
    if is_expired:
        return f"{payme.REASON_TIMEOUT} time-out" if processor == "payme" else "its time was over"
    if processor == "payme":
        return f"{reason} {_payme_reason(reason)}" if reason else f"{payme.REASON_UNKNOWN} ended on our side"
    if processor == "uzum" and reason:
        return "reversed by the bank"
    if processor == "click" and reason:
        return f"Click's error {reason}"
    return reason or "ended on our side"


def _payme_reason(reason: str) -> str:
    return PAYME_REASONS.get(int(reason), "a reason that Payme's documents do not name") if reason.isdigit() else ""


def where_to_refund(payment: Payment) -> str:
    """Where people send this payment back, when there is no call for it; empty when we can do it."""
    entry = registry.PROCESSORS.get(payment.processor)
    if entry is None or entry.capabilities.can_refund:
        return ""
    return CABINETS.get(payment.processor, f"{entry.name}'s own cabinet")


def compare_hint(processor: str) -> str:
    return COMPARE.get(processor, COMPARE_OTHERS)


def state_meaning(state: str) -> str:
    """Of a transaction's state or of a payment's status."""
    if state == statements.REFUNDED:
        return backoffice.WAIT
    return STATE_MEANING[State(state)] if state in State.values else backoffice.PAYMENT_MEANING.get(state, "none")


def states_in_order(states: Iterable[str]) -> list[str]:
    """Money first, as one reads a statement."""
    order = ["performed", "captured", "reversed", statements.REFUNDED, "created", "cancelled"]
    return sorted(states, key=lambda state: order.index(state) if state in order else len(order))
