"""Stripe's objects as our reports. They come as plain JSON values, from an answer or from a callback's snapshot."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from gateway.adapters.stripe.amounts import from_stripe
from gateway.adapters.stripe.declines import advice_for
from gateway.adapters.stripe.terms import CARD, METHOD_NAME
from gateway.types import (
    DisputeReport,
    Failure,
    Mode,
    NextAction,
    Outcome,
    PaymentReport,
    RefundOutcome,
    RefundReport,
)

Json = Mapping[str, Any]

# A word missing here means "still pending": an unknown status must never look like success.
OUTCOMES = {
    "requires_payment_method": Outcome.PENDING,
    "requires_confirmation": Outcome.PENDING,
    "requires_action": Outcome.PENDING,
    "processing": Outcome.PROCESSING,
    "requires_capture": Outcome.AUTHORIZED,
    "succeeded": Outcome.CAPTURED,
    "canceled": Outcome.CANCELLED,
}
FINAL = frozenset({Outcome.CAPTURED, Outcome.CANCELLED})

REFUND_OUTCOMES = {
    "pending": RefundOutcome.PENDING,
    "requires_action": RefundOutcome.PENDING,
    "succeeded": RefundOutcome.SUCCEEDED,
    "failed": RefundOutcome.FAILED,
    "canceled": RefundOutcome.CANCELLED,
}

DISPUTES_OVER = frozenset({"won", "lost", "warning_closed", "prevented"})

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
CASHAPP_ACTION = "cashapp_handle_redirect_or_display_qr_code"


class Unreadable(ValueError):
    """Not the object it should be: no id, or of another kind."""


def payment_report(
    intent: Json, *, mode: Mode, asked_reference: str = "", occurred_at: datetime | None = None
) -> PaymentReport:
    """A PaymentIntent as a report. `asked_reference` stands in where the object does not carry ours.

    One that belongs to a Checkout Session does not know its session: it is what took the money (`capture_ref`), and
    `processor_ref` is empty. So is one that nobody asked about and that is none of ours: a Payment Link's session made
    it, or another system on the same account.
    """
    intent_ref = id_of(intent, kind="payment_intent")
    reference = text(child(intent, "metadata"), "paymentId") or asked_reference
    is_card = text(child(intent, "metadata"), METHOD_NAME) == CARD
    is_of_session = is_card or not reference
    outcome = OUTCOMES.get(text(intent, "status"), Outcome.PENDING)
    failure = None
    if text(intent, "status") == "requires_payment_method" and intent.get("last_payment_error"):
        # A refused try sends the intent back to its start: refused, yet open to another try.
        outcome = Outcome.DECLINED
        failure = failure_of(child(intent, "last_payment_error"))
    money = None
    if outcome is Outcome.CAPTURED:
        money = from_stripe(_received(intent), intent.get("currency"))
    elif outcome is Outcome.AUTHORIZED:
        money = from_stripe(intent.get("amount_capturable"), intent.get("currency"))
    charge = child(intent, "latest_charge")
    return PaymentReport(
        reference=reference,
        processor_ref="" if is_of_session else intent_ref,
        outcome=outcome,
        mode=mode_of(intent) or mode,
        money=money,
        next_action=_next_action(intent, mode=mode) if outcome is Outcome.PENDING else None,
        failure=failure,
        is_final=outcome in FINAL,
        method=CARD if is_card else _method_of(intent, charge),
        occurred_at=occurred_at or time_of(intent.get("canceled_at")) or time_of(charge.get("created")),
        processor_data=_processor_data(intent, charge) | ({"payment_intent": intent_ref} if is_of_session else {}),
        capture_ref=intent_ref if is_of_session else "",
    )


def refund_report(
    refund: Json, *, mode: Mode, asked_reference: str = "", payment_ref: str = "", occurred_at: datetime | None = None
) -> RefundReport:
    """A Refund as a report; it carries no mode of its own."""
    outcome = REFUND_OUTCOMES.get(text(refund, "status"), RefundOutcome.PENDING)
    reason = text(refund, "failure_reason")
    return RefundReport(
        reference=text(child(refund, "metadata"), "refundId") or asked_reference,
        processor_ref=id_of(refund, kind="refund"),
        payment_processor_ref=ref(refund, "payment_intent") or payment_ref,
        outcome=outcome,
        money=from_stripe(refund.get("amount"), refund.get("currency")),
        mode=mode,
        failure=Failure(code=reason or "failed", message=reason) if outcome is RefundOutcome.FAILED else None,
        occurred_at=occurred_at or time_of(refund.get("created")),
    )


def dispute_report(dispute: Json, *, mode: Mode) -> DisputeReport:
    """A Dispute as a report: open until Stripe says that it is over."""
    status = text(dispute, "status")
    return DisputeReport(
        processor_ref=id_of(dispute, kind="dispute"),
        payment_processor_ref=ref(dispute, "payment_intent"),
        is_open=status not in DISPUTES_OVER,
        status=status,
        reason=text(dispute, "reason"),
        money=from_stripe(dispute.get("amount"), dispute.get("currency")),
        mode=mode,
    )


def failure_of(error: Json) -> Failure:
    """Stripe's error object (of an answer, or `last_payment_error`); the finer word of the two names the cause."""
    decline_code, code = text(error, "decline_code"), text(error, "code")
    advice = advice_for(decline_code=decline_code, code=code, network_advice=text(error, "advice_code"))
    return Failure(code=decline_code or code or "declined", message=text(error, "message"), advice=advice)


def mode_of(value: Json) -> Mode | None:
    """None where the object does not say (refunds and accounts do not)."""
    livemode = value.get("livemode")
    if not isinstance(livemode, bool):
        return None
    return Mode.LIVE if livemode else Mode.TEST


def text(value: Json, name: str) -> str:
    """A text field; empty for a missing one and for any other type. What no database takes is replaced."""
    found = value.get(name)
    return UNSTORABLE.sub("\ufffd", found) if isinstance(found, str) else ""


def child(value: Json, name: str) -> Json:
    """A nested object; empty where it is missing or only an id."""
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def ref(value: Json, name: str) -> str:
    """The id of a related object, whether it came as an id or expanded."""
    return text(value, name) or text(child(value, name), "id")


def time_of(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds < 10**11:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)


def id_of(value: Json, *, kind: str) -> str:
    """The id of an object of this kind. Unreadable where it is none."""
    if text(value, "object") != kind or not text(value, "id"):
        raise Unreadable(f"no {kind}")
    return text(value, "id")


def _received(intent: Json) -> object:
    """What came. Stripe always says it; where an imitation does not, all of it came, unless it could be a part."""
    if "amount_received" in intent or text(intent, "capture_method") == "manual":
        return intent.get("amount_received")
    return intent.get("amount")


def _next_action(intent: Json, *, mode: Mode) -> NextAction | None:
    action = child(intent, "next_action")
    cashapp = child(action, CASHAPP_ACTION)
    url = web_address(text(cashapp, "hosted_instructions_url"), mode=mode)
    mobile_url = web_address(text(cashapp, "mobile_auth_url"), mode=mode)
    url = url or web_address(text(child(action, "redirect_to_url"), "url"), mode=mode) or mobile_url
    if not url:
        return None
    code = child(cashapp, "qr_code")
    image = text(code, "image_url_png") or text(code, "image_url_svg")
    return NextAction(url=url, mobile_url=mobile_url, qr_url=web_address(image, mode=mode))


def web_address(url: str, *, mode: Mode) -> str:
    """The buyer's browser goes there: https, in test mode also http, never `javascript:`."""
    allowed = {"https"} if mode is Mode.LIVE else {"https", "http"}
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in allowed and parts.netloc else ""


def _method_of(intent: Json, charge: Json) -> str:
    used = text(child(charge, "payment_method_details"), "type")
    offered = intent.get("payment_method_types")
    if used or not isinstance(offered, list) or len(offered) != 1:
        return used
    return offered[0] if isinstance(offered[0], str) else ""


def _processor_data(intent: Json, charge: Json) -> dict[str, str]:
    # The cashtag and the buyer's id are personal data that nobody here needs.
    data = {
        "charge": ref(intent, "latest_charge"),
        "transaction": text(child(child(charge, "payment_method_details"), "cashapp"), "transaction_id"),
    }
    return {name: value for name, value in data.items() if value}
