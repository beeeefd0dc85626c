"""What the simulated Stripe keeps, one dataclass a kind of object. Times are unix seconds, amounts minor units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Endpoint:
    """Where events of one mode go. Several secrets make several `v1` signatures, as while a secret is rolled."""

    url: str = ""
    secrets: list[str] = field(default_factory=list)
    api_version: str = ""


@dataclass(slots=True)
class Account:
    """One Stripe account. `keys` are its secret keys of both modes; `endpoints` are by mode, `test` and `live`."""

    id: str
    keys: list[str]
    country: str = "US"
    name: str = "Lab merchant"
    capabilities: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: int = 0


@dataclass(slots=True)
class PaymentIntent:
    id: str
    account: str
    livemode: bool
    created: int
    amount: int
    currency: str
    client_secret: str
    nonce: str  # the unguessable part of its buyer's page
    status: str = "requires_payment_method"
    payment_method_types: list[str] = field(default_factory=list)
    is_automatic: bool = False
    capture_method: str = "automatic_async"
    confirmation_method: str = "automatic"
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    receipt_email: str | None = None
    statement_descriptor: str | None = None
    return_url: str | None = None
    payment_method: str | None = None
    payment_method_type: str | None = None
    latest_charge: str | None = None
    amount_received: int = 0
    amount_capturable: int = 0
    last_payment_error: dict[str, Any] | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    qr_expires_at: int = 0
    qr_number: int = 0
    settles_at: float | None = None
    session: str = ""  # the Checkout Session that made it


@dataclass(slots=True)
class CheckoutSession:
    """`lines` are {name, description, unit_amount, quantity}; `intent_data` is what its PaymentIntent will get."""

    id: str
    account: str
    livemode: bool
    created: int
    amount: int
    currency: str
    expires_at: int
    lines: list[dict[str, Any]] = field(default_factory=list)
    payment_method_types: list[str] = field(default_factory=list)
    success_url: str = ""
    cancel_url: str | None = None
    client_reference_id: str | None = None
    customer_email: str | None = None
    prefilled_email: str = ""
    email: str = ""  # as the buyer left it
    locale: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    intent_data: dict[str, Any] = field(default_factory=dict)
    status: str = "open"
    payment_status: str = "unpaid"
    payment_intent: str | None = None
    payment_link: str | None = None


@dataclass(slots=True)
class PaymentLink:
    """`url` ends in `slug`. Its metadata goes into each session, `intent_data` into each PaymentIntent."""

    id: str
    account: str
    livemode: bool
    created: int
    slug: str
    amount: int
    currency: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    payment_method_types: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    intent_data: dict[str, Any] = field(default_factory=dict)
    is_active: bool = True
    redirect_url: str = ""


@dataclass(slots=True)
class Charge:
    id: str
    account: str
    livemode: bool
    created: int
    payment_intent: str
    amount: int
    currency: str
    payment_method: str
    status: str = "succeeded"
    amount_captured: int = 0
    amount_refunded: int = 0
    is_captured: bool = False
    is_disputed: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    receipt_email: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    buyer_id: str = ""
    cashtag: str = ""
    transaction_id: str = ""
    method: str = "cashapp"
    email: str = ""


@dataclass(slots=True)
class Refund:
    id: str
    account: str
    livemode: bool
    created: int
    charge: str
    payment_intent: str
    amount: int
    currency: str
    status: str = "succeeded"
    method: str = "cashapp"
    reason: str | None = None
    failure_reason: str | None = None
    pending_reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    settles_at: float | None = None
    settles_to: str = ""


@dataclass(slots=True)
class Dispute:
    id: str
    account: str
    livemode: bool
    created: int
    charge: str
    payment_intent: str
    amount: int
    currency: str
    status: str = "needs_response"
    reason: str = "fraudulent"


@dataclass(slots=True)
class Event:
    """`object` is the snapshot that was true when it happened, whatever a fault later sends."""

    id: str
    account: str
    livemode: bool
    created: int
    type: str
    api_version: str
    object: dict[str, Any]
    subject: str  # the payment (or account) it is about
    previous: dict[str, Any] | None = None
    request: str | None = None
    idempotency_key: str | None = None
    pending_webhooks: int = 0


@dataclass(slots=True)
class KeptAnswer:
    """What an idempotency key remembers. `id` is account, mode and key."""

    id: str
    fingerprint: str
    created_at: float
    status: int
    body: str
    request: str
    payment: str = ""


@dataclass(slots=True)
class LoggedRequest:
    """One API call as it came; `status` is None while, or because, it was left without an answer."""

    id: str
    at: float
    method: str
    path: str
    operation: str = ""
    account: str = ""
    livemode: bool = False
    idempotency_key: str = ""
    stripe_version: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    payment: str = ""
    status: int | None = None
    replayed: bool = False
    fault: str = ""
    error: str = ""
    seconds: float = 0.0
