"""What the simulated Multicard keeps: cash desks, tokens, invoices, payments, what it asked and what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """A cash desk of an application. `store` is its number, `store_uuid` its other name (or empty)."""

    id: str
    application: str
    secret: str
    store: int
    store_uuid: str = ""
    name: str = "Lab shop"
    webhook_url: str = ""
    takes_parts: bool = True  # partial refunds have to be enabled by Multicard


@dataclass(slots=True)
class Token:
    id: str
    application: str
    expires: float


@dataclass(slots=True)
class Invoice:
    """`state`: open, annulled, paid. A lapsed one is open with its time over."""

    id: str
    account: str
    amount: int
    invoice_id: str
    callback_url: str
    created: float
    ends: float
    ofd: list[dict[str, Any]] = field(default_factory=list)
    lang: str = "ru"
    return_url: str = ""
    return_error_url: str = ""
    sms: str = ""
    state: str = "open"
    updated: float | None = None
    payment: str = ""  # the latest try


@dataclass(slots=True)
class Payment:
    """`status` is Multicard's word; `note` says in ours where it hangs (frozen, given up)."""

    id: str
    number: int
    invoice: str
    account: str
    amount: int
    created: float
    status: str = "draft"
    ps: str = "uzcard"
    card_pan: str = ""
    phone: str = "998901234567"
    ofd: list[dict[str, Any]] = field(default_factory=list)
    paid: float | None = None
    reverted: float | None = None
    refunded: int = 0
    response_code: str = ""
    response_msg: str = ""
    callback_message: str = ""
    tries: int = 0
    waits_until: float = 0.0
    note: str = ""
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Asked:
    """One success callback and its answer. `verdict`: accepted, refused, frozen."""

    id: str
    account: str
    payment: str
    url: str
    at: float
    request: dict[str, Any]
    fault: str = ""
    status: int | None = None
    seconds: float = 0.0
    answer: str = ""
    verdict: str = ""
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class LoggedRequest:
    id: str
    at: float
    method: str
    path: str
    operation: str = ""
    account: str = ""
    subject: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    error: str = ""
    fault: str = ""
    seconds: float = 0.0
