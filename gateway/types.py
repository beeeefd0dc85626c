"""What goes into an adapter and what comes out: frozen values, no row of ours, no Django.

Times are aware UTC. Money is minor units. `reference` is always our payment's (or refund's) id as text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.money import Money


class Mode(StrEnum):
    TEST = "test"
    LIVE = "live"


class Outcome(StrEnum):
    """What a processor says about one payment. A word an adapter does not know must become PENDING."""

    PENDING = "pending"  # the buyer has still to act
    PROCESSING = "processing"  # the buyer acted, the processor has not decided
    AUTHORIZED = "authorized"  # held, not taken
    CAPTURED = "captured"  # the money is taken
    DECLINED = "declined"  # this try was refused (the payment itself may still be open there, see `is_final`)
    FAILED = "failed"  # as DECLINED, where the processor names no refusal of the buyer's bank
    ERROR = "error"  # as DECLINED, where the fault is technical
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class RefundOutcome(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeclineAdvice(StrEnum):
    """What the buyer can do about a refusal; each has its sentence in uz, ru and en."""

    TRY_AGAIN = "try_again"
    NOT_ENOUGH_MONEY = "not_enough_money"
    OTHER_METHOD = "other_method"
    CALL_BANK = "call_bank"
    CANCELLED_BY_BUYER = "cancelled_by_buyer"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a try was refused: the processor's raw code and text for staff, our advice for the buyer."""

    code: str
    message: str
    advice: DeclineAdvice = DeclineAdvice.TRY_AGAIN


@dataclass(frozen=True, slots=True)
class NextAction:
    """Where the buyer goes. `mobile_url` opens the app on a phone; empty where there is only one address."""

    url: str
    mobile_url: str = ""
    qr_url: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the fiscal receipt (contract: `ofd`). Prices in minor units; `vat` in percent."""

    name: str
    quantity: int
    price_minor: int
    total_minor: int
    mxik: str = ""
    package_code: str = ""
    vat: int | None = None
    tin: str = ""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """One try to take money. `reference` is unique for ever and doubles as the idempotency key's stem."""

    reference: str
    order_reference: str
    money: Money
    description: str
    return_url: str
    cancel_url: str = ""
    callback_url: str = ""
    lang: str = "en"
    created_at: datetime | None = None
    expires_at: datetime | None = None
    payer_email: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    method: str = ""  # the processor's own method word where it has several ("cashapp"); empty: its default
    is_mobile: bool = False
    items: tuple[Item, ...] = ()  # for processors that make the fiscal receipt (Multicard)
    captures_later: bool = False  # hold the money only; `CapturesLater.capture_payment` takes it


@dataclass(frozen=True, slots=True)
class PaymentRef:
    """A payment to ask about, cancel or capture. `processor_ref` is empty when the create's answer never came."""

    reference: str
    processor_ref: str
    money: Money
    created_at: datetime
    processor_data: Mapping[str, str] = field(default_factory=dict)
    method: str = ""
    capture_ref: str = ""  # as in PaymentReport


@dataclass(frozen=True, slots=True)
class PaymentReport:
    """What a processor says about one payment, in an answer or in a callback.

    `money` is what was captured (CAPTURED) or held (AUTHORIZED), None where the processor did not say.
    `is_final` is True when nothing more can be captured there under this reference, whatever the buyer does.
    `processor_data` are further ids of the processor worth keeping (charge id, transaction id), text to text.
    `capture_ref` is the processor's id of the try that holds or took the money, where that is another thing than
    what was opened (the PaymentIntent of a Checkout Session, the payment of a Razorpay order, a transaction's uid):
    refunds, disputes and status calls name it. Two of them with money under one `processor_ref` are two debits.
    """

    reference: str
    processor_ref: str
    outcome: Outcome
    mode: Mode | None = None
    money: Money | None = None
    next_action: NextAction | None = None
    failure: Failure | None = None
    is_final: bool = False
    method: str = ""
    occurred_at: datetime | None = None
    processor_data: Mapping[str, str] = field(default_factory=dict)
    capture_ref: str = ""
    payer_email: str = ""  # as the processor learned it; only kept where we knew none


@dataclass(frozen=True, slots=True)
class SaleReport:
    """A sale that began at the processor, through a link of its own (a Stripe Payment Link): no order of ours yet.

    `payment` is its one payment; `metadata` is the link's own, written by whoever made the link. What the buyer
    can put into the link's address is not in here.
    """

    link_ref: str
    payment: PaymentReport
    metadata: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    reference: str
    payment: PaymentRef
    money: Money
    reason: str = ""
    items: tuple[Item, ...] = ()  # the receipt that replaces the first one
    card_pan: str = field(default="", repr=False)  # in memory only, on its way to a processor that insists on it


@dataclass(frozen=True, slots=True)
class RefundRef:
    """A refund to ask about. `processor_ref` is empty when the create's answer never came."""

    reference: str
    processor_ref: str
    payment: PaymentRef
    money: Money
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RefundReport:
    """What a processor says about one refund. `reference` is empty for one made in its own cabinet.

    `is_total`: it speaks of the payment, all of which is back now, whatever went back in parts before.
    """

    reference: str
    processor_ref: str
    payment_processor_ref: str
    outcome: RefundOutcome
    money: Money | None = None
    mode: Mode | None = None
    failure: Failure | None = None
    occurred_at: datetime | None = None
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class DisputeReport:
    """The buyer's bank contests a payment: recorded and shown to staff, never a refund by itself.

    `payment_processor_ref`, here and in RefundReport, is any id that names the payment there: its `processor_ref`
    or its `capture_ref`.
    """

    processor_ref: str
    payment_processor_ref: str
    is_open: bool
    status: str = ""
    reason: str = ""
    money: Money | None = None
    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """Capabilities of the account may have changed: forget what was cached about it."""

    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A verified message that means nothing to us. `why` is for the callback's record."""

    why: str


@dataclass(frozen=True, slots=True)
class Hint:
    """A verified message that a payment moved, which says nothing that could count: its processor is to be asked."""


Notice = PaymentReport | SaleReport | RefundReport | DisputeReport | AccountChanged | Hint | Ignored


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether an account can take `method` in `currency` now. `why` is for staff."""

    is_available: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class WidgetRequest:
    """What our own page knows when it shows a processor's widget for a payment that waits for the buyer."""

    seller: str
    description: str
    return_url: str  # ours; where the processor's script or form brings the browser back
    cancel_url: str
    lang: str = "en"
    payer_email: str = ""


@dataclass(frozen=True, slots=True)
class Widget:
    """A processor's script on our own page, and what serves a browser without script.

    `kind` names the part of our script that drives it; `options` is JSON for it and holds nothing secret.
    Without script: a form of `form_fields` posted to `form_url`, or the plain link `link_url`.
    The sources are origins for that one page's Content-Security-Policy, by directive ("script-src", "frame-src",
    "connect-src", "style-src", "img-src", "form-action").
    """

    kind: str
    script_url: str
    options: Mapping[str, Any]
    form_url: str = ""
    form_fields: Mapping[str, str] = field(default_factory=dict)
    link_url: str = ""
    sources: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Callback:
    """One request of a processor, as it arrived. Header names are lower case; values and body are untouched."""

    body: bytes
    headers: Mapping[str, str]
    received_at: datetime
    path: str = ""
    method: str = "POST"
    query: str = ""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Peek:
    """What an unverified callback claims about itself: only good for finding the account whose secret verifies it."""

    reference: str = ""
    processor_ref: str = ""
    event_id: str = ""
    event_type: str = ""
    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class CallbackRead:
    """A verified callback: what it says, and the processor's own name for the message (for duplicates)."""

    event_id: str
    event_type: str
    notices: tuple[Notice, ...]
