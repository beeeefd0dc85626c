"""Where the processor asks first (Payme, Click, Uzum, Multicard's success callback): its question and our answer.

An adapter's `AskingProtocol` reads a request into a Question, `checkout/decisions.py` answers it from the rows,
and the protocol writes the answer in that processor's own form. A quirk of a protocol never writes a status, and
the rules of money never know a protocol's codes.

Times are aware UTC; money is minor units; `reference` is our order's public id as the processor sent it (text);
`transaction_ref` is the processor's own id of its transaction (text, unique per account).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gateway.money import Money
from gateway.types import Callback
from gateway.types import Item as Item  # a line of the fiscal receipt: part of an answer here, of a request there


@dataclass(frozen=True, slots=True)
class Check:
    """May this order be paid with this amount? `money` is None where the protocol does not say (Uzum)."""

    reference: str
    money: Money | None


@dataclass(frozen=True, slots=True)
class Create:
    """Reserve the order for this transaction. `their_time` is the processor's clock, where it sends one."""

    reference: str
    money: Money
    transaction_ref: str
    their_time: datetime | None = None
    details: Mapping[str, str] = field(default_factory=dict)  # further ids worth keeping (click_paydoc_id)


@dataclass(frozen=True, slots=True)
class Perform:
    """The money is being taken: settle. Click names the order, the amount and our number again; others do not."""

    transaction_ref: str
    reference: str = ""
    money: Money | None = None
    our_number: str = ""
    details: Mapping[str, str] = field(default_factory=dict)  # card mask, payment source …


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the transaction: a reservation, or (where the protocol has that) money already taken, which is a refund.

    `reason` is the processor's own code as text. `only_unpaid`: never undo what is performed (Click's error < 0).
    """

    transaction_ref: str
    reason: str = ""
    reference: str = ""
    our_number: str = ""
    only_unpaid: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    transaction_ref: str


@dataclass(frozen=True, slots=True)
class Statement:
    """Every transaction whose own time at the processor lies in [since, until], both ends included."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Fiscal:
    """The fiscal receipt of a transaction. `kind` is PERFORM or CANCEL; `data` is kept as it came."""

    transaction_ref: str
    kind: str
    data: Mapping[str, str | int]


Question = Check | Create | Perform | Cancel | Status | Statement | Fiscal


class State(StrEnum):
    """A transaction of an asking processor."""

    CREATED = "created"
    PERFORMED = "performed"
    CANCELLED = "cancelled"  # before it was performed; `reason` says why, expiry included
    REVERSED = "reversed"  # after it was performed: the money went back


class Refusal(StrEnum):
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_PAID = "already_paid"
    ORDER_ENDED = "order_ended"  # cancelled or expired
    ORDER_BUSY = "order_busy"  # another payment of it may still capture, or another transaction holds it
    WRONG_AMOUNT = "wrong_amount"
    UNKNOWN_TRANSACTION = "unknown_transaction"
    WRONG_STATE = "wrong_state"  # e.g. perform of a cancelled one
    TRANSACTION_EXPIRED = "transaction_expired"
    NOT_SAME_CONTENT = "not_same_content"  # a repeat with another order or amount
    NOT_REFUNDABLE = "not_refundable"  # performed, and may not be undone by this call
    UNKNOWN_RECEIPT = "unknown_receipt"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stored transaction. `our_number` is a positive integer as text (Click's prepare and confirm id), unique."""

    transaction_ref: str
    reference: str
    our_number: str
    money: Money
    state: State
    their_time: datetime | None
    created_at: datetime
    performed_at: datetime | None = None
    cancelled_at: datetime | None = None
    reason: str = ""
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Payable:
    """Yes to a Check; `items` are what the processor may put on its fiscal receipt."""

    money: Money
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """The transaction as it is now. `is_repeat`: this very call had been accepted before."""

    snapshot: Snapshot
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Transactions:
    snapshots: tuple[Snapshot, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """A Fiscal was written down."""


@dataclass(frozen=True, slots=True)
class No:
    """A refusal on purpose. `snapshot` is the stored transaction where there is one."""

    why: Refusal
    snapshot: Snapshot | None = None


Answer = Payable | Done | Transactions | Noted | No


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back on the wire, to the byte."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class ProtocolFault(Exception):
    """The request is refused by the protocol itself (shape, method, signature, credentials); `reply` says so.

    Nothing was looked up or changed. `is_authentic` is False for everything before the credentials were checked.
    """

    def __init__(self, why: str, reply: Reply, *, is_authentic: bool = False) -> None:
        super().__init__(why)
        self.reply = reply
        self.is_authentic = is_authentic


@dataclass(frozen=True, slots=True)
class Claim:
    """What an unverified request says about whom it is for, good only for finding accounts.

    By credential (Payme, Uzum): `credential` is the text whose keyed digest finds the accounts. By order (Click,
    Multicard): `reference`. `processor_ref` is the processor's own id.
    """

    credential: str = ""
    reference: str = ""
    processor_ref: str = ""


class AskingProtocol(Protocol):
    """One processor's protocol, stateless. `endpoint` is the last part of the address ("prepare", "check", "")."""

    def claim(self, callback: Callback, endpoint: str) -> Claim:
        """Whom it says it is for. ProtocolFault where it must be refused before any look-up."""

    def credential_of(self, credentials: Mapping[str, str]) -> str:
        """The text whose keyed digest is stored with an account, so that `Claim.credential` finds it. "" for none."""

    def read(self, callback: Callback, endpoint: str, credentials: Mapping[str, str] | None) -> Question:
        """Verify with these credentials and read. None: no account fits the claim, answer as the protocol wants.

        ProtocolFault for everything the protocol refuses by itself, in the protocol's own order of checks.
        """

    def write(self, callback: Callback, endpoint: str, question: Question, answer: Answer, *, now: datetime) -> Reply:
        """The answer in the protocol's own words."""

    def fault(self, callback: Callback, endpoint: str, *, now: datetime) -> Reply:
        """ "Ask again": for every fault of ours, the database's included. Must not raise on garbage."""
