"""What the simulated bank keeps: services, transactions, and every call it made with the answer it got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """A service of the bank; `id` is its serviceId as text. `callback_url` has no endpoint."""

    id: str
    login: str
    password: str
    callback_url: str
    name: str = "Lab service"


@dataclass(slots=True)
class Payment:
    """One transaction; `id` is its transId. `state` is the seller's word: "", CREATED, CONFIRMED, REVERSED, FAILED.

    `status`: paying, waiting, reserved, confirming (debited, and not yet known as confirmed), paid, declined, refused
    (the seller said no), returned (debited, and given back because the seller said no), cancelled, refunded, silent
    (ordered not to call), manual (no usable answer however often asked).
    """

    id: str
    account: str
    reference: str
    amount: int
    created: float
    attribute: str = "order_id"
    return_url: str = ""
    state: str = ""
    status: str = "paying"
    plan: list[str] = field(default_factory=list)
    wait_until: float = 0.0
    tries: int = 0  # of the present step, beyond the first
    is_declined: bool = False
    is_debited: bool = False
    source: str = "HUMO"
    trans_time: int = 0
    confirm_time: int = 0
    reverse_time: int = 0
    error: dict[str, Any] | None = None
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Call:
    """One request to a callback address. `code` is the answered errorCode."""

    id: str
    account: str
    payment: str
    endpoint: str
    at: float
    request: dict[str, Any]
    fault: str = ""
    status: int | None = None
    seconds: float = 0.0
    answer: str = ""
    code: str = ""
    violations: list[str] = field(default_factory=list)
