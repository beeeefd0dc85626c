"""What Secure Processor posts to us, in four shapes, and what a verified one says.

1. `{"transaction": {…}}`: a transaction has a new status, of whatever type.
2. A checkout by itself (`token` and `order`, also within `checkout`): it expired or was closed.
3. Flat (`payment_token_id`, `status`, `uid`), as one integration document describes it: it names no amount.
4. A card that was remembered (`token` and `stamp`): nothing of ours.

No mode is in the keys, so every body is held against the account's; no time is in the signature, so an old callback
verifies for ever, and only what it says is new can matter.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.adapters.secure_processor import reading, terms
from gateway.adapters.secure_processor.reading import Json, child, scalar, text
from gateway.errors import BadCallback, GatewayError, Misconfigured, NotFound
from gateway.types import Callback, CallbackRead, Ignored, Mode, Notice, Outcome, PaymentReport, Peek

log = logging.getLogger(__name__)

TRANSACTION, CHECKOUT, FLAT, CARD = "transaction", "checkout", "flat", "card"
MAX_CLAIM = 200
Ask = Callable[[str], Json]  # a transaction by its uid


@dataclass(frozen=True, slots=True)
class Said:
    """A readable callback. Nothing of it is to be believed before it was verified."""

    shape: str
    values: Json  # the transaction, the checkout, or the flat body itself


def said_in(callback: Callback) -> Said:
    """Which shape it is. BadCallback where it is none."""
    body = _json(callback.body)
    transaction = child(body, "transaction")
    if transaction:
        return Said(TRANSACTION, transaction)
    checkout = child(body, "checkout") or body
    if text(checkout, "token") and (child(checkout, "order") or "gateway_response" in checkout):
        return Said(CHECKOUT, checkout)
    if text(body, "token") and "stamp" in body:
        return Said(CARD, body)
    if text(body, "status") and (reading.flat_reference(body) or text(body, "uid")):
        return Said(FLAT, body)
    raise BadCallback("the body is no callback of Secure Processor")


def peek(callback: Callback) -> Peek:
    """What the body claims: our payment's id (or the caller's `pt_…`), and their uid or token. BadCallback where it
    has no shape at all.
    """
    said = said_in(callback)
    values = said.values
    if said.shape == CHECKOUT:
        reference, their_ref = text(child(values, "order"), "tracking_id"), text(values, "token")
    elif said.shape == CARD:
        reference, their_ref = "", ""
    else:
        reference = reading.reference_of(values)
        their_ref = text(values, "parent_uid") or text(values, "uid")
    return Peek(
        reference=_claim(reference),
        processor_ref=_claim(their_ref),
        event_id=_event_id(said, callback.body),
        event_type=_event_type(said),
        mode=reading.mode_of(values),
    )


def read(callback: Callback, *, mode: Mode, shop_id: str, ask: Ask) -> CallbackRead:
    """A verified callback. `ask` looks a transaction up, where the callback leaves out what money needs.

    BadCallback for another shop's or the other mode's: every checkout of ours names its own callback address and its
    mode, so such a callback at this account is no routine but a mistake, or a replay.
    """
    said = said_in(callback)
    values = said.values
    if scalar(values, "shop_id") not in ("", shop_id):
        raise BadCallback("a callback of another shop")
    if reading.mode_of(values) not in (None, mode):
        raise BadCallback(f"a callback of {reading.mode_of(values)} mode at an account of {mode} mode")
    if said.shape == CARD:
        notice: Notice = Ignored(terms.NO_MONEY_OF_OURS["tokenization"])
    elif said.shape == CHECKOUT:
        notice = reading.checkout_report(values, mode=reading.mode_of(values))
        if notice.outcome in reading.MONEY and reading.mode_of(values) is None:
            notice = _being_decided(notice.reference, notice.processor_ref)
    else:
        try:
            notice = _of_transaction(said, mode=mode, ask=ask)
        except reading.Unreadable as error:
            raise BadCallback(f"a transaction with {error}") from error
    return CallbackRead(event_id=_event_id(said, callback.body), event_type=_event_type(said), notices=(notice,))


def _of_transaction(said: Said, *, mode: Mode, ask: Ask) -> Notice:
    values, kind = said.values, reading.kind_of(said.values)
    claimed = reading.mode_of(values)
    if said.shape == FLAT and not text(values, "uid"):
        return _unnamed(values, mode=claimed)
    if reading.is_payment(values):
        return _payment(values, mode=mode, ask=ask)
    if kind == "capture":
        if not reading.has_succeeded(values):
            return Ignored("a capture that did not succeed leaves the hold as it is")
        return reading.capture_report(values, mode=claimed)
    if kind == "void":
        if not reading.has_succeeded(values):
            return Ignored("a void that did not succeed leaves the hold as it is")
        # Of a hold: it is over. Of money that was taken already: all of it is back.
        return reading.refund_report(values, mode=claimed, is_total=True)
    if kind == "refund":
        return reading.refund_report(values, mode=claimed, payment_ref=_payment_of(values, ask=ask))
    if kind == "chargeback":
        return reading.dispute_report(values, mode=claimed)
    return Ignored(terms.NO_MONEY_OF_OURS.get(kind) or f"a transaction of type {kind or 'unknown'} means nothing to us")


def _payment(values: Json, *, mode: Mode, ask: Ask) -> PaymentReport:
    """Money counts only with an amount, a currency and a mode. Where the body leaves one out, beGateway is asked; where
    it does not know either, the try is said to be under way, and the question about its token decides.
    """
    report = reading.payment_report(values, mode=reading.mode_of(values))
    is_whole = report.money is not None or ("amount" in values and "currency" in values)
    if report.outcome not in reading.MONEY or (is_whole and report.mode is not None):
        return report
    reference = report.reference
    try:
        found = ask(report.capture_ref)
    except (NotFound, Misconfigured) as error:
        log.error("a verified callback about %s cannot be confirmed: %s", report.capture_ref, error)
        return _being_decided(reference, "")
    if not reading.is_payment(found):
        return _being_decided(reference, "")
    is_anothers = bool(reference) and reading.reference_of(found) not in ("", reference)
    if is_anothers and text(values, "tracking_id"):
        raise BadCallback("Secure Processor has another payment under this uid")
    if reading.mode_of(found) not in (None, mode):
        raise BadCallback("the transaction was made in the other mode")
    if is_anothers and not reference.startswith("pt_"):
        # One payment's money must not count for another, whoever signed it. What this one's token says, decides.
        log.error("a callback names %s, but %s is of another reference", reference, report.capture_ref)
        return _being_decided(reference, "")
    # A caller's own `pt_…` is never the reference there: what the processor calls it is passed on, to be compared.
    return reading.payment_report(found, mode=mode, reference=reading.reference_of(found) or reference)


def _unnamed(values: Json, *, mode: Mode | None) -> PaymentReport:
    """A flat body without a uid: no money can be looked up by it."""
    reference, outcome = reading.reference_of(values), reading.outcome_of(values)
    if outcome in reading.MONEY:
        return _being_decided(reference, "")
    return PaymentReport(
        reference=reference,
        processor_ref="",
        outcome=outcome,
        mode=mode,
        failure=reading.failure_of(values) if outcome in terms.REFUSALS else None,
        is_final=outcome in (Outcome.CANCELLED, Outcome.EXPIRED),
    )


def _being_decided(reference: str, processor_ref: str) -> PaymentReport:
    return PaymentReport(reference=reference, processor_ref=processor_ref, outcome=Outcome.PROCESSING)


def _payment_of(refund: Json, *, ask: Ask) -> str:
    """The id that we know a refund's payment by: its parent, or where that is a capture, the hold that it took."""
    parent = text(refund, "parent_uid")
    if not reading.UID.fullmatch(parent):
        return parent
    try:
        found = ask(parent)
    except GatewayError as error:
        log.warning("the parent of refund %s cannot be looked at: %s", text(refund, "uid"), error)
        return parent
    return (text(found, "parent_uid") if reading.kind_of(found) == "capture" else "") or parent


def _event_id(said: Said, body: bytes) -> str:
    """There is none on the wire. A transaction's status changes; its uid with the status names the news."""
    uid, status, kind = (text(said.values, name) for name in ("uid", "status", "type"))
    if said.shape in (TRANSACTION, FLAT) and uid:
        suffix = "" if kind in terms.PAYMENT_TYPES else f":{kind}"
        if named := _claim(f"{uid}:{status or 'unknown'}{suffix}"):
            return named
    return hashlib.sha256(body).hexdigest()


def _event_type(said: Said) -> str:
    kind = text(said.values, "type") if said.shape == TRANSACTION else said.shape
    return _claim(f"{kind or 'payment'}.{text(said.values, 'status') or 'unknown'}") or said.shape


def _claim(value: str) -> str:
    """What a stranger says goes into look-ups and records, so only what can be an id or an event's name."""
    return value if value.isascii() and value.isprintable() and len(value) <= MAX_CLAIM else ""


def _json(body: bytes) -> Json:
    try:
        read: Any = json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadCallback("the body is not JSON") from error
    if not isinstance(read, dict):
        raise BadCallback("the body is not an object")
    return read


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")
