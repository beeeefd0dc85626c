"""What the simulated Payme keeps: cash desks, transactions, and every call it made with the answer it got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """A cash desk; `id` is its merchantId."""

    id: str
    key: str
    callback_url: str
    name: str = "Lab desk"
    sends_fiscal: bool = True


@dataclass(slots=True)
class Payment:
    """One transaction. `state` is Payme's number (0: not created yet).

    `status`: paying, waiting, paid, declined, cancelled, refunded, created, refused (the seller said no), silent
    (ordered not to call), manual (no usable answer however often asked).
    """

    id: str
    account: str
    fields: dict[str, str]
    amount: int
    created: float
    lang: str = "ru"
    return_url: str = ""
    time: int = 0
    state: int = 0
    status: str = "paying"
    plan: list[str] = field(default_factory=list)
    wait_until: float = 0.0
    cancel_reason: int = 0
    is_declined: bool = False
    transaction: str = ""
    create_time: int = 0
    perform_time: int = 0
    cancel_time: int = 0
    reason: int | None = None
    error: dict[str, Any] | None = None
    violations: list[str] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)  # the first result of each method


@dataclass(slots=True)
class Call:
    """One request to the callback address. `code` is the answered error's; `note` says what the lab did with it."""

    id: str
    account: str
    payment: str
    method: str
    at: float
    request: dict[str, Any]
    fault: str = ""
    status: int | None = None
    seconds: float = 0.0
    answer: str = ""
    code: int | None = None
    violations: list[str] = field(default_factory=list)
    note: str = ""
