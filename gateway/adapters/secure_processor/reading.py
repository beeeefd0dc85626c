"""beGateway's objects as our reports: the checkout (a token that may be paid) and its transactions.

The token is our `processor_ref`, known from the create on. What takes the money is a transaction; its uid is our
`capture_ref`. A captured hold keeps the uid of its authorization as `capture_ref`, and the capture's own uid, which
refunds have to name, is kept as `processor_data["capture_uid"]`.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from gateway.adapters.secure_processor import terms
from gateway.adapters.secure_processor.amounts import from_wire
from gateway.adapters.secure_processor.declines import advice_for
from gateway.money import Money
from gateway.types import DisputeReport, Failure, Mode, Outcome, PaymentReport, RefundOutcome, RefundReport

Json = Mapping[str, Any]

UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
UID = re.compile(r"[A-Za-z0-9_.\-]{1,100}", re.ASCII)
TOKEN = re.compile(r"[A-Za-z0-9_.~\-]{1,200}", re.ASCII)
LAST_DIGITS = re.compile(r"[0-9]{4}", re.ASCII)
MONEY = (Outcome.CAPTURED, Outcome.AUTHORIZED)
# From the best for the merchant: which of several transactions of one payment speaks for it.
BEST_FIRST = (Outcome.CAPTURED, Outcome.AUTHORIZED, Outcome.PROCESSING, Outcome.PENDING)


class Unreadable(ValueError):
    """Not the object it should be: no id."""


def kind_of(transaction: Json) -> str:
    return text(transaction, "type").strip().lower()


def outcome_of(transaction: Json) -> Outcome:
    """By status and type, of a transaction that takes or holds money."""
    outcome = terms.OUTCOMES.get(_status(transaction), Outcome.PENDING)
    return Outcome.AUTHORIZED if outcome is Outcome.CAPTURED and kind_of(transaction) in terms.HOLDS else outcome


def has_succeeded(transaction: Json) -> bool:
    """Of a refund, a capture or a void."""
    return terms.REFUND_OUTCOMES.get(_status(transaction)) is RefundOutcome.SUCCEEDED


def is_payment(transaction: Json) -> bool:
    return kind_of(transaction) in terms.PAYMENT_TYPES and not text(transaction, "parent_uid")


def payment_report(
    transaction: Json,
    *,
    mode: Mode | None,
    reference: str = "",
    processor_ref: str = "",
    is_over: bool = False,
) -> PaymentReport:
    """A payment or an authorization. `is_over`: the token takes no further try."""
    uid = uid_of(transaction)
    outcome = outcome_of(transaction)
    has_money = outcome in MONEY
    ends = outcome in (Outcome.CAPTURED, Outcome.CANCELLED, Outcome.EXPIRED) or (outcome in terms.REFUSALS and is_over)
    return PaymentReport(
        reference=reference or reference_of(transaction),
        processor_ref=processor_ref,
        outcome=outcome,
        mode=mode,
        money=money_of(transaction) if has_money else None,
        failure=failure_of(transaction) if outcome in terms.REFUSALS else None,
        is_final=ends,
        method=text(transaction, "payment_method_type")[:40],
        occurred_at=time_of(text(transaction, "paid_at")) or time_of(text(transaction, "created_at")),
        processor_data=_details(transaction) if has_money else {"transaction_uid": uid},
        capture_ref=uid if has_money else "",
        payer_email=_email_of(transaction) if has_money else "",
    )


def capture_report(
    capture: Json, *, mode: Mode | None, reference: str = "", processor_ref: str = "", held_by: str = ""
) -> PaymentReport:
    """A capture that succeeded, as news of the payment whose hold it took. `held_by` is the authorization's uid."""
    return PaymentReport(
        reference=reference or reference_of(capture),
        processor_ref=processor_ref,
        outcome=Outcome.CAPTURED,
        mode=mode,
        money=money_of(capture),
        is_final=True,
        occurred_at=time_of(text(capture, "paid_at")) or time_of(text(capture, "created_at")),
        processor_data={"capture_uid": uid_of(capture)},
        capture_ref=held_by or text(capture, "parent_uid"),
    )


def checkout_report(
    checkout: Json, *, mode: Mode | None, reference: str = "", processor_ref: str = ""
) -> PaymentReport:
    """A checkout by itself, as far as it tells: the status of its last try, else its own."""
    tried = attempt_of(checkout)
    over = is_over(checkout)
    merged = {
        **{name: tried[name] for name in ("uid", "message", "bank_code", "auth_code", "rrn") if name in tried},
        "type": text(checkout, "transaction_type"),
        "status": text(tried, "status") or text(checkout, "status"),
        "amount": child(checkout, "order").get("amount"),
        "currency": child(checkout, "order").get("currency"),
        "payment": tried,
        "customer": child(checkout, "customer"),
    }
    merged.setdefault("message", text(checkout, "message"))
    outcome = outcome_of(merged)
    if outcome is Outcome.PROCESSING and not tried:
        outcome = Outcome.PENDING  # nobody has tried yet
    is_gone = checkout.get("expired") is True and outcome is Outcome.PENDING
    if is_gone or kind_of(merged) not in terms.PAYMENT_TYPES:
        outcome = Outcome.EXPIRED if is_gone else Outcome.PENDING
    has_money = outcome in MONEY
    uid = text(tried, "uid") if UID.fullmatch(text(tried, "uid")) else ""
    return PaymentReport(
        reference=reference or text(child(checkout, "order"), "tracking_id"),
        processor_ref=processor_ref or text(checkout, "token"),
        outcome=outcome,
        mode=mode,
        money=money_of(merged) if has_money else None,
        failure=failure_of(merged) if outcome in terms.REFUSALS else None,
        is_final=outcome in (Outcome.CAPTURED, Outcome.CANCELLED, Outcome.EXPIRED)
        or (outcome in terms.REFUSALS and over),
        processor_data=_details(merged) if has_money else ({"transaction_uid": uid} if uid else {}),
        capture_ref=uid if has_money else "",
        payer_email=_email_of(merged) if has_money else "",
    )


def attempt_of(checkout: Json) -> Json:
    """The last try of a checkout; empty before there was one. It stands under the name of its type."""
    answer = child(checkout, "gateway_response")
    for name in ("payment", "authorization", "charge"):
        if child(answer, name):
            return child(answer, name)
    return {}


def is_over(checkout: Json) -> bool:
    """Whether the token takes no further try. Only a plain `true` says so."""
    return checkout.get("finished") is True or checkout.get("expired") is True


def refund_report(
    refund: Json, *, mode: Mode | None, reference: str = "", payment_ref: str = "", is_total: bool = False
) -> RefundReport:
    """A refund or, with `is_total`, a void. The mark in its reason is ours, if it carries one."""
    outcome = terms.REFUND_OUTCOMES.get(_status(refund), RefundOutcome.PENDING)
    return RefundReport(
        reference=reference or marked_reference(refund),
        processor_ref=uid_of(refund),
        payment_processor_ref=payment_ref or text(refund, "parent_uid"),
        outcome=outcome,
        money=money_of(refund),
        mode=mode,
        failure=failure_of(refund) if outcome is RefundOutcome.FAILED else None,
        occurred_at=time_of(text(refund, "paid_at")) or time_of(text(refund, "created_at")),
        is_total=is_total,
    )


def dispute_report(chargeback: Json, *, mode: Mode | None) -> DisputeReport:
    """A chargeback: open unless it was itself refused. No word of beGateway's is known that closes one."""
    outcome = terms.REFUND_OUTCOMES.get(_status(chargeback), RefundOutcome.PENDING)
    return DisputeReport(
        processor_ref=uid_of(chargeback),
        payment_processor_ref=text(chargeback, "parent_uid"),
        is_open=outcome not in (RefundOutcome.FAILED, RefundOutcome.CANCELLED),
        status=_status(chargeback),
        reason=(text(chargeback, "reason") or text(chargeback, "message"))[:300],
        money=money_of(chargeback),
        mode=mode,
    )


def best_of(transactions: Iterable[Json], *, preferred: str = "") -> Json | None:
    """The transaction that speaks for a payment: money first (the one we know before others), then a live one."""

    def rank(transaction: Json) -> tuple[int, bool]:
        outcome = outcome_of(transaction)
        place = BEST_FIRST.index(outcome) if outcome in BEST_FIRST else len(BEST_FIRST)
        return place, text(transaction, "uid") != preferred

    return min((row for row in transactions if UID.fullmatch(text(row, "uid"))), key=rank, default=None)


def failure_of(transaction: Json) -> Failure:
    bank = child(transaction, "payment") or child(transaction, "refund")
    bank_code = text(transaction, "bank_code") or text(bank, "bank_code")
    message = text(transaction, "message") or text(transaction, "friendly_message") or text(bank, "message")
    code = text(transaction, "code") or bank_code or _status(transaction) or "failed"
    return Failure(code=code[:100], message=message, advice=advice_for(bank_code=bank_code, message=message))


def money_of(transaction: Json) -> Money | None:
    return from_wire(transaction.get("amount"), transaction.get("currency"))


def mode_of(value: Json) -> Mode | None:
    """None where the object does not say: nothing but `true` and `false` says."""
    test = value.get("test")
    return (Mode.TEST if test else Mode.LIVE) if isinstance(test, bool) else None


def reference_of(transaction: Json) -> str:
    """Our payment's id. The flat shape has it in its metadata, or beside the status."""
    return text(transaction, "tracking_id") or flat_reference(transaction)


def flat_reference(value: Json) -> str:
    return text(value, "payment_token_id") or text(child(value, "metadata"), "payment_token_id")


def mark(reference: str) -> str:
    """What the reason of a refund ends with."""
    return f"[{reference}]"


def marked_reference(refund: Json) -> str:
    """Our refund's id, from the reason we sent; empty where there is none of ours."""
    found = re.fullmatch(r".*\[([0-9A-Za-z_\-]{1,100})\]", text(refund, "reason").strip(), re.DOTALL)
    return found[1] if found else ""


def uid_of(transaction: Json) -> str:
    uid = text(transaction, "uid")
    if not UID.fullmatch(uid):
        raise Unreadable("no uid")
    return uid


def text(value: object, name: str) -> str:
    """A text field; empty for a missing one and for any other type. What no row should hold is replaced."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return UNSTORABLE.sub("\ufffd", found)[:2000] if isinstance(found, str) else ""


def scalar(value: Json, name: str) -> str:
    """A text or a whole number, as text: shop ids come as either."""
    found = value.get(name)
    is_number = isinstance(found, int | Decimal) and not isinstance(found, bool)
    return str(found) if is_number else text(value, name)


def child(value: object, name: str) -> Json:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def time_of(written: str) -> datetime | None:
    """ISO 8601; without an offset it is UTC."""
    try:
        at = datetime.fromisoformat(written) if written else None
        return (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)) if at is not None else None
    except (ValueError, OverflowError):
        return None


def web_address(url: str, *, mode: Mode) -> str:
    """The buyer's browser goes there: https, in test mode also http, never `javascript:`."""
    allowed = {"https"} if mode is Mode.LIVE else {"https", "http"}
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in allowed and parts.netloc and len(url) <= 2000 and url.isprintable() else ""


def _status(transaction: Json) -> str:
    return text(transaction, "status").strip().lower()


def _details(transaction: Json) -> dict[str, str]:
    """What a bank finds the payment by, and what the buyer knows his card by; never the card's token or its owner."""
    bank = child(transaction, "payment") or child(transaction, "authorization")
    card = child(transaction, "credit_card")
    receipt = text(transaction, "receipt_url")
    last_digits = text(card, "last_4")
    data = {
        "transaction_uid": text(transaction, "uid"),
        "rrn": text(bank, "rrn")[:100],
        "auth_code": text(bank, "auth_code")[:100],
        "card_brand": text(card, "brand")[:40],
        "card_last_digits": last_digits if LAST_DIGITS.fullmatch(last_digits) else "",
        "receipt_url": web_address(receipt, mode=Mode.LIVE),
    }
    return {name: value for name, value in data.items() if value}


def _email_of(transaction: Json) -> str:
    found = text(child(transaction, "customer"), "email").strip()
    return found if len(found) <= 254 and re.fullmatch(r"[^@\s]+@[^@\s]+", found) else ""
