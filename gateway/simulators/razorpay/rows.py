"""What the simulated Razorpay keeps, one dataclass a kind of object. Times are unix seconds, amounts minor units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """One key of one account in one mode; `id` is the key id. Without a webhook secret nothing is signed."""

    id: str
    key_secret: str
    account: str
    name: str = "Lab merchant"
    webhook_url: str = ""
    webhook_secret: str = ""
    captures: bool = True  # the dashboard's setting, for orders that do not say
    international: bool = True
    knows_unique_receipt: bool = True


@dataclass(slots=True)
class Order:
    """`captures` None: as the dashboard says."""

    id: str
    account: str
    amount: int
    currency: str
    created: int
    receipt: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    captures: bool | None = None
    status: str = "created"
    attempts: int = 0
    amount_paid: int = 0
    link: str = ""  # the payment link it was made for


@dataclass(slots=True)
class Payment:
    id: str
    account: str
    order: str
    amount: int
    currency: str
    created: int
    status: str = "created"
    captured: bool = False
    method: str = "upi"
    email: str = ""
    contact: str = "+919000090000"
    notes: dict[str, str] = field(default_factory=dict)
    amount_refunded: int = 0
    is_disputed: bool = False
    error: dict[str, str] = field(default_factory=dict)  # code, description, source, step, reason
    settles_at: float | None = None


@dataclass(slots=True)
class Refund:
    id: str
    account: str
    payment: str
    amount: int
    currency: str
    created: int
    status: str = "processed"
    speed: str = "normal"
    receipt: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    key: str = ""  # X-Refund-Idempotency
    fingerprint: str = ""
    settles_at: float | None = None
    settles_to: str = ""


@dataclass(slots=True)
class Dispute:
    id: str
    account: str
    payment: str
    amount: int
    currency: str
    created: int
    status: str = "open"
    reason: str = "processed_invalid_expired_card"


@dataclass(slots=True)
class Link:
    id: str
    account: str
    order: str
    amount: int
    currency: str
    created: int
    reference: str = ""
    description: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    callback_url: str = ""
    status: str = "created"


@dataclass(slots=True)
class Session:
    """One opening of the checkout. `frame` is the origin of the page that shows it in a frame, else empty."""

    id: str
    order: str
    callback_url: str
    cancel_url: str
    name: str = ""
    description: str = ""
    email: str = ""
    contact: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    frame: str = ""
    payment: str = ""  # the latest try made here


@dataclass(slots=True)
class Event:
    id: str
    account: str
    subject: str  # the order
    type: str
    created: int
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class LoggedRequest:
    id: str
    at: float
    method: str
    path: str
    operation: str = ""
    account: str = ""
    subject: str = ""
    key: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    error: str = ""
    fault: str = ""
    seconds: float = 0.0
