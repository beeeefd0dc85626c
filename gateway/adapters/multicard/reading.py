"""Multicard's objects as our reports: the invoice (what may be paid) and the payment (PaymentModel, a try to pay it).

Both have a uuid, and nothing says that they are equal. Ours is `processor_ref`: the INVOICE's, known from the create
on. The payment's is kept beside it as `processor_data["payment_uuid"]` as soon as one is seen.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gateway.adapters.multicard import terms
from gateway.money import MAX_MINOR, Money
from gateway.types import (
    DeclineAdvice,
    Failure,
    Mode,
    NextAction,
    Outcome,
    PaymentReport,
    RefundOutcome,
    RefundReport,
)

Json = Mapping[str, Any]

AMOUNT = re.compile(r"[0-9]{1,14}(\.0{1,2})?", re.ASCII)
UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
PAN_DIGITS = re.compile(r"[0-9]{13,19}", re.ASCII)
MAX_TEXT = 2000  # an address cut short would lead nowhere
ADVICE = {"51": DeclineAdvice.NOT_ENOUGH_MONEY, "116": DeclineAdvice.NOT_ENOUGH_MONEY}


def payment_report(
    model: Json, *, mode: Mode, reference: str = "", processor_ref: str = "", next_action: NextAction | None = None
) -> PaymentReport:
    """A payment as a report. `money` is our price, without what the buyer pays on top for the commission."""
    status = text(model, "status")
    outcome = terms.OUTCOMES.get(status, Outcome.PENDING)
    return PaymentReport(
        reference=reference or try_of(text(model, "callback_url")),
        processor_ref=processor_ref,
        outcome=outcome,
        mode=mode,
        money=money_of(model.get("payment_amount")) if outcome is Outcome.CAPTURED else None,
        next_action=next_action if outcome in (Outcome.PENDING, Outcome.DECLINED) else None,
        failure=failure_of(model) if outcome is Outcome.DECLINED else None,
        is_final=outcome in (Outcome.CAPTURED, Outcome.CANCELLED),
        method=text(model, "ps"),
        occurred_at=time_of(text(model, "refund_time" if status == "revert" else "payment_time")),
        processor_data=details_of(model, uuid=text(model, "uuid"), invoice_id=text(model, "store_invoice_id")),
    )


def refund_report(
    model: Json,
    *,
    mode: Mode,
    outcome: RefundOutcome,
    payment_uuid: str,
    reference: str = "",
    processor_ref: str = "",
    money: Money | None = None,
    is_total: bool = False,
) -> RefundReport:
    """A refund has no id of its own at Multicard; of a whole payment there can be one only."""
    return RefundReport(
        reference=reference,
        processor_ref=processor_ref or whole_refund_of(payment_uuid),
        payment_processor_ref=payment_uuid,
        outcome=outcome,
        money=money,
        mode=mode,
        occurred_at=time_of(text(model, "refund_time")),
        is_total=is_total,
    )


def whole_refund_of(payment_uuid: str) -> str:
    return f"{payment_uuid}/revert"


def next_action_of(invoice: Json, *, mode: Mode) -> NextAction | None:
    url = web_address(text(invoice, "checkout_url"), mode=mode)
    return NextAction(url=url) if url else None


def invoice_data(invoice: Json, *, mode: Mode) -> dict[str, str]:
    """What is worth keeping of an invoice. `store_id` is the number that its callbacks will carry."""
    store_id = invoice.get("store_id")
    data = {
        "invoice_uuid": text(invoice, "uuid"),
        "invoice_id": text(invoice, "invoice_id"),
        "store_id": str(store_id) if isinstance(store_id, int | str) and not isinstance(store_id, bool) else "",
        "deeplink": web_address(text(invoice, "deeplink"), mode=mode),
        "short_link": web_address(text(invoice, "short_link"), mode=mode),
        "payment_uuid": text(child(invoice, "payment"), "uuid"),
    }
    return {name: value[:MAX_TEXT] for name, value in data.items() if value}


def details_of(values: Json, *, uuid: str, invoice_id: str) -> dict[str, str]:
    """What is worth keeping of a payment, from its model or from a callback; the names are the same everywhere.

    Never the card's token, never a whole phone number, never a number of a card that is not masked.
    """
    receipt = text(values, "receipt_url")
    tax = child(values, "tax")
    data = {
        "payment_uuid": uuid,
        "invoice_id": invoice_id,
        "card_pan": masked(text(values, "card_pan")),
        "payment_system": text(values, "ps")[:40],
        "phone_end": "".join(filter(str.isdecimal, text(values, "phone")))[-4:],
        "receipt_url": receipt if receipt.startswith(("https://", "http://")) else "",
        "fiscal_url": web_address(text(tax, "qr_url"), mode=Mode.LIVE),
    }
    return {name: value[:MAX_TEXT] for name, value in data.items() if value}


def masked(pan: str) -> str:
    """As it came when it hides enough; otherwise the first six and the last four. Anything else is no card."""
    digits = re.sub(r"[ \-]", "", pan)
    if PAN_DIGITS.fullmatch(digits):
        return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"
    shown = sum(character.isdecimal() for character in digits)
    return digits if digits.isascii() and len(digits) <= 19 and 0 < shown <= 10 else ""


def failure_of(model: Json) -> Failure:
    code = text(model, "ps_response_code") or "error"
    message = text(model, "ps_response_msg") or text(model, "callback_message")
    return Failure(code=code[:100], message=message, advice=ADVICE.get(code, DeclineAdvice.TRY_AGAIN))


def money_of(value: object) -> Money | None:
    """Whole tiyin, also where they come as `"50000.00"`; None for anything else."""
    written = str(value) if isinstance(value, int | str | Decimal) and not isinstance(value, bool) else ""
    if not AMOUNT.fullmatch(written):
        return None
    minor = int(written.partition(".")[0])
    return Money(minor, terms.CURRENCY) if minor <= MAX_MINOR else None


def time_of(written: str) -> datetime | None:
    """Tashkent's clock, without an offset on the wire."""
    try:
        return datetime.strptime(written, terms.TIME_FORMAT).replace(tzinfo=terms.TASHKENT).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def time_on_the_wire(at: datetime) -> str:
    return at.astimezone(terms.TASHKENT).strftime(terms.TIME_FORMAT)


def try_of(callback_url: str) -> str:
    """Our payment's id, from the address that we gave with its invoice."""
    try:
        found = parse_qs(urlsplit(callback_url).query).get(terms.TRY_PARAMETER, [""])
    except ValueError:
        return ""
    return found[0] if len(found) == 1 and len(found[0]) <= 64 else ""


def text(values: object, name: str) -> str:
    """A text field; empty for a missing one and for any other type. What no row should hold is replaced."""
    found = values.get(name) if isinstance(values, Mapping) else None
    return UNSTORABLE.sub("\ufffd", found)[:4000] if isinstance(found, str) else ""


def child(values: Json, name: str) -> Json:
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def web_address(url: str, *, mode: Mode) -> str:
    """The buyer's browser goes there: https, in test mode also http."""
    allowed = {"https"} if mode is Mode.LIVE else {"https", "http"}
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in allowed and parts.netloc and len(url) <= 2000 else ""
