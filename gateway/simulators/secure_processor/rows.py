"""What the simulated Secure Processor keeps, one dataclass a kind of object. Times: unix seconds. Amounts: its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TOKEN_PATH = "/ctp/api/checkouts"  # noqa: S105 - a path


@dataclass(slots=True)
class Account:
    """A shop; `id` is its shop id. Its keys serve test and live checkouts alike."""

    id: str
    secret_key: str
    private_key: str  # PEM; signs callbacks
    public_key: str  # as the back office shows it
    name: str = "Lab shop"
    webhook_url: str = ""  # for checkouts that name no notification_url
    currencies: list[str] = field(default_factory=list)  # empty: any
    token_path: str = TOKEN_PATH
    errors: str = "plain"  # or wrapped, coded: the three shapes that refusals come in
    callbacks: str = "nested"  # or flat
    tells_reasons: bool = True  # a refund's reason comes back with it
    lists_refunds: bool = True  # refunds are among the transactions of a tracking id
    duplicate_seconds: float = 30.0


@dataclass(slots=True)
class Checkout:
    """`status` is empty before the first try."""

    id: str  # the token
    account: str
    shape: str  # nested or flat, as it was made
    amount: int
    currency: str
    description: str
    created: float
    expires: float
    test: bool = False
    transaction_type: str = "payment"
    attempts: int = 1
    tracking_id: str = ""
    language: str = "en"
    email: str = ""
    urls: dict[str, str] = field(default_factory=dict)  # return_url, success_url, …, notification_url
    metadata: dict[str, Any] = field(default_factory=dict)
    status: str = ""
    message: str = ""
    finished: bool = False
    expired: bool = False
    tries: int = 0
    transaction: str = ""  # the latest try


@dataclass(slots=True)
class Transaction:
    id: str  # the uid
    account: str
    checkout: str
    type: str
    status: str
    amount: int
    currency: str
    created: float
    test: bool = False
    tracking_id: str = ""
    parent: str = ""
    message: str = ""
    code: str = ""
    bank_code: str = ""
    reason: str = ""
    email: str = ""
    paid: float | None = None
    settles_at: float | None = None
    settles_to: str = ""


@dataclass(slots=True)
class LoggedRequest:
    id: str
    at: float
    method: str
    path: str
    operation: str = ""
    account: str = ""
    subject: str = ""
    request_id: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    error: str = ""
    fault: str = ""
    seconds: float = 0.0
