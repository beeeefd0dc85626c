"""The shape every processor's adapter has. `checkout` decides; an adapter only translates.

An adapter is built for one account in one mode from plain values and holds no state but its HTTP session.
It raises only `gateway.errors`. Calls are never made inside a database transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from gateway.money import Money
from gateway.types import (
    Availability,
    Callback,
    CallbackRead,
    Item,
    Mode,
    PaymentRef,
    PaymentReport,
    PaymentRequest,
    Peek,
    RefundRef,
    RefundReport,
    RefundRequest,
    Widget,
    WidgetRequest,
)


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One field of an account's credentials: `name` is the wire and form name (Invoice API `supported`)."""

    name: str
    label: str
    is_secret: bool = True
    is_required: bool = True
    is_identity: bool = False  # changing it means another account (shop, store, service, merchant id)
    help: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a processor can do, for pages and rules that must not know its name."""

    asks_first: bool = False  # Payme, Click, Uzum: the processor calls us and we decide
    can_cancel: bool = True
    can_refund: bool = True
    can_refund_partially: bool = True
    can_capture: bool = False
    has_status: bool = True
    currencies: frozenset[str] = frozenset()  # empty: any
    reservation_seconds: int = 0  # how long a processor that asks first may hold an order before it performs
    takes_receipt_lines: bool = False  # wants the lines of the fiscal receipt after the payment (TakesReceiptLines)
    has_page: bool = True  # False: the buyer finds the order in an app of his own (Uzum), and our page tells him how
    opens_app: bool = False  # the buyer's page opens in a new tab while ours waits
    shows_widget: bool = False  # its script and its form work on our own page (ShowsWidget)
    signs_return: bool = False  # the browser brings a signature back (SignsReturn)
    # Where the Pay button may lead, redirects on the way included: sources for the page's `form-action`.
    page_sources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Method:
    """One of several ways to pay at one processor: its word in `PaymentRequest.method`, its name, what it takes."""

    slug: str
    name: str
    currencies: frozenset[str] = frozenset()  # empty: any the processor takes
    opens_app: bool = False
    check_money: Callable[[Money], str] = field(repr=False, default=lambda money: "")


class Adapter(Protocol):
    def create_payment(self, request: PaymentRequest) -> PaymentReport:
        """Start a payment and say where the buyer goes (`next_action`).

        Same `reference` again answers the same payment. Errors: Declined, NotAvailable, Misconfigured,
        Unavailable (surely nothing happened), OutcomeUnknown (ask with `ask_payment`).
        """

    def ask_payment(self, payment: PaymentRef) -> PaymentReport | None:
        """The processor's present truth; by `reference` when `processor_ref` is empty.

        None: it surely knows no such payment.
        """

    def cancel_payment(self, payment: PaymentRef) -> PaymentReport:
        """End a payment there. The report is its truth afterwards, which may be CAPTURED."""

    def refund_payment(self, request: RefundRequest) -> RefundReport:
        """Send money back. Same `reference` again answers the same refund. Refused: clearly not possible."""

    def ask_refund(self, refund: RefundRef) -> RefundReport | None:
        """The refund's present truth; by `reference` when `processor_ref` is empty. None: surely unknown there."""

    def check_availability(self, *, currency: str, method: str = "") -> Availability:
        """Ask whether the account can take this. The caller caches it."""

    def peek(self, callback: Callback) -> Peek:
        """What an unverified callback claims. BadCallback when it has no readable shape at all."""

    def read_callback(self, callback: Callback) -> CallbackRead:
        """Verify with this account's secrets, then read. BadCallback otherwise."""


class TakesReceiptLines(Protocol):
    """An adapter of a processor that makes the fiscal receipt from lines it is given once it is paid."""

    def submit_items(self, payment: PaymentRef, items: Sequence[Item]) -> None:
        """Hand them over; the same again changes nothing. Refused, Misconfigured: somebody has to look."""

    def fiscal_url(self, payment: PaymentRef) -> str:
        """The address behind the receipt's QR code; empty while there is none."""


class CapturesLater(Protocol):
    """An adapter of a processor that can hold money first and take it on demand."""

    def capture_payment(self, payment: PaymentRef, money: Money) -> PaymentReport:
        """Take what is held. Taken already: a report that says so. Refused, with the truth, when it cannot be taken."""


@runtime_checkable
class ReadsAgain(Protocol):
    """An adapter of a processor whose news of a refund or a dispute may name a payment that we learn of only later."""

    def read_again(self, callback: Callback) -> CallbackRead:
        """A callback that was verified when it came, as it was kept: what it says, its signature not looked at."""


class SignsReturn(Protocol):
    """An adapter of a processor whose browser return carries a signature."""

    def check_return(self, payment: PaymentRef, fields: Mapping[str, str]) -> str:
        """The `capture_ref` that the signature vouches for, against the reference *we* stored. BadCallback otherwise.

        It proves that the processor sent this buyer back, not that the money is taken: the caller asks then.
        """


class ShowsWidget(Protocol):
    """An adapter of a processor whose script runs on our own page. Makes no call."""

    def widget(self, payment: PaymentRef, request: WidgetRequest) -> Widget: ...


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What an adapter is built from. `base_url` comes from settings by mode, never from a row.

    `settings` are further addresses and switches of the processor, from the environment. `credentials` maps
    CredentialField.name to its text; `previous_credentials` still verify callbacks after a rotation, oldest last.
    """

    mode: Mode
    base_url: str
    credentials: Mapping[str, str] = field(repr=False)
    previous_credentials: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor's entry in the registry."""

    slug: str
    name: str
    capabilities: Capabilities
    credential_fields: tuple[CredentialField, ...]
    build: Callable[[AdapterConfig], Adapter] = field(repr=False)
    # Says what is wrong with credentials before they are saved, by field name; {} when nothing is.
    check_credentials: Callable[[Mapping[str, str], Mode], dict[str, str]] = field(repr=False)
    # Refuses amounts the processor cannot take; an empty text means it can.
    check_money: Callable[[Money], str] = field(repr=False, default=lambda money: "")
    methods: tuple[Method, ...] = ()  # where it has several, the default first; `method` is empty otherwise
