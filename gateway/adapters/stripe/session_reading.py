"""Checkout Sessions as our reports, from an answer (with the PaymentIntent in it) or from a callback's snapshot."""

from dataclasses import replace
from datetime import datetime

from gateway.adapters.stripe import reading
from gateway.adapters.stripe.amounts import from_stripe
from gateway.adapters.stripe.reading import Json, child, ref, text
from gateway.adapters.stripe.terms import CAPTURE_NAME, CARD, MANUAL, METHOD_NAME
from gateway.money import Money
from gateway.types import (
    DeclineAdvice,
    Failure,
    Ignored,
    Mode,
    NextAction,
    Outcome,
    PaymentReport,
    SaleReport,
)

COMPLETED = "checkout.session.completed"
SUCCEEDED_LATER = "checkout.session.async_payment_succeeded"
FAILED_LATER = "checkout.session.async_payment_failed"
EXPIRED = "checkout.session.expired"
EVENTS = frozenset({COMPLETED, SUCCEEDED_LATER, FAILED_LATER, EXPIRED})

FINAL = frozenset({Outcome.CAPTURED, Outcome.CANCELLED, Outcome.EXPIRED, Outcome.FAILED})
# What a PaymentIntent may say over its session's head: money moves, or is about to.
DECISIVE = frozenset({Outcome.CAPTURED, Outcome.AUTHORIZED, Outcome.PROCESSING})


def session_report(
    session: Json, *, mode: Mode, asked_reference: str = "", occurred_at: datetime | None = None, event_type: str = ""
) -> PaymentReport:
    """A session as a report; `capture_ref` is its PaymentIntent, as soon as there is one.

    Without the PaymentIntent in it, what was completed but not paid is PROCESSING, or AUTHORIZED where we asked for
    a hold. A word that we do not know is still pending.
    """
    session_ref = reading.id_of(session, kind="checkout.session")
    outcome, money, failure = _outcome_of(session, event_type)
    intent = _intent_of(session, mode=mode)
    if intent is not None and _has_the_last_word(intent, text(session, "status"), outcome):
        outcome, money, failure = intent.outcome, intent.money, intent.failure or failure
        if outcome is Outcome.DECLINED and text(session, "status") == "complete":
            outcome = Outcome.FAILED  # nobody can try again at a session that is complete
    intent_ref = ref(session, "payment_intent")
    data = dict(intent.processor_data) if intent is not None else {}
    if intent_ref:
        data["payment_intent"] = intent_ref
    return PaymentReport(
        reference=_reference_of(session) or asked_reference,
        processor_ref=session_ref,
        outcome=outcome,
        mode=reading.mode_of(session) or mode,
        money=money,
        next_action=_page_of(session, mode=mode) if outcome is Outcome.PENDING else None,
        failure=failure,
        is_final=outcome in FINAL,
        method=_method_of(session, intent),
        occurred_at=occurred_at or (intent.occurred_at if intent is not None else None),
        processor_data=data,
        capture_ref=intent_ref,
        payer_email=text(child(session, "customer_details"), "email") or text(session, "customer_email"),
    )


def notice_of(
    session: Json, event_type: str, *, mode: Mode, occurred_at: datetime | None
) -> PaymentReport | SaleReport | Ignored:
    """What an event about a session says. A sale through a Payment Link begins here, and nowhere else."""
    report = session_report(session, mode=mode, occurred_at=occurred_at, event_type=event_type)
    if text(session, "mode") not in ("", "payment"):
        return Ignored(f"a session of {text(session, 'mode')}, which is no single payment")
    link_ref = ref(session, "payment_link")
    if not link_ref:
        return report
    if report.outcome in (Outcome.PENDING, Outcome.EXPIRED):
        return Ignored(f"nobody paid at this visit of {link_ref}")
    return SaleReport(
        link_ref=link_ref,
        payment=replace(report, reference=""),
        metadata={name: text(child(session, "metadata"), name) for name in child(session, "metadata")},
        description=_first_line(session),
    )


def is_of_link(session: Json) -> bool:
    return bool(ref(session, "payment_link"))


def _reference_of(session: Json) -> str:
    # A link's metadata is copied into every session it makes: it names no single payment of ours.
    return "" if is_of_link(session) else text(child(session, "metadata"), "paymentId")


def _outcome_of(session: Json, event_type: str) -> tuple[Outcome, Money | None, Failure | None]:
    status, payment_status = text(session, "status"), text(session, "payment_status")
    total = from_stripe(session.get("amount_total"), session.get("currency"))
    is_paid = payment_status in ("paid", "no_payment_required")
    if event_type == SUCCEEDED_LATER or (is_paid and status in ("complete", "")):
        return Outcome.CAPTURED, total, None
    if event_type == FAILED_LATER:
        failure = Failure("async_payment_failed", "The payment did not go through.", DeclineAdvice.OTHER_METHOD)
        return Outcome.FAILED, None, failure
    if status == "expired":
        return Outcome.EXPIRED, None, None
    if status == "complete" and payment_status == "unpaid":
        if text(child(session, "metadata"), CAPTURE_NAME) == MANUAL:
            return Outcome.AUTHORIZED, total, None
        return Outcome.PROCESSING, None, None
    return Outcome.PENDING, None, None


def _has_the_last_word(intent: PaymentReport, status: str, outcome: Outcome) -> bool:
    """Money that moved there counts whatever the session says; a refusal only while the session has no end of its own.

    A cancelled intent ends a session that is complete; an open one could still be paid by another.
    """
    if intent.outcome in DECISIVE:
        return True
    if outcome in (Outcome.CAPTURED, Outcome.EXPIRED) or intent.outcome is Outcome.PENDING:
        return False
    return status == "complete" or intent.outcome is not Outcome.CANCELLED


def _intent_of(session: Json, *, mode: Mode) -> PaymentReport | None:
    """None where it came as an id only."""
    try:
        return reading.payment_report(child(session, "payment_intent"), mode=mode)
    except reading.Unreadable:
        return None


def _page_of(session: Json, *, mode: Mode) -> NextAction | None:
    url = reading.web_address(text(session, "url"), mode=mode)
    return NextAction(url=url) if url else None


def _method_of(session: Json, intent: PaymentReport | None) -> str:
    """The word of ours where the session is ours; at a link's session what was used, or could only be."""
    if not is_of_link(session) and text(child(session, "metadata"), METHOD_NAME):
        return CARD
    if intent is not None and intent.method:
        return intent.method
    offered = session.get("payment_method_types")
    if isinstance(offered, list) and len(offered) == 1 and isinstance(offered[0], str):
        return offered[0]
    return ""


def _first_line(session: Json) -> str:
    """What was sold, where the snapshot holds its lines (by itself it does not)."""
    lines = child(session, "line_items").get("data")
    first = lines[0] if isinstance(lines, list) and lines and isinstance(lines[0], dict) else {}
    return text(first, "description")
