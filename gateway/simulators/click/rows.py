"""What the simulated Click keeps: services, payments, the calls it made with their answers, and the calls it got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """A service; `id` is its service_id. `has_parts`: partial_reversal exists for it."""

    id: str
    merchant_id: str
    secret_key: str
    prepare_url: str
    complete_url: str
    merchant_user_id: str = ""
    name: str = "Lab service"
    has_parts: bool = True


@dataclass(slots=True)
class Payment:
    """One try of a buyer; `id` is click_trans_id, `paydoc` is click_paydoc_id and the Merchant API's payment_id.

    `status`: paying, waiting, prepared, paid, declined, refused (the seller said no before any money moved), returned
    (the seller said no after it, and the buyer got it back), reversed, silent (ordered not to call), manual (no usable
    answer however often asked). `payment_status` is the Merchant API's: 0 created, 1 processing, 2 paid, below 0 ended.
    """

    id: str
    paydoc: str
    account: str
    order: str
    amount: str
    created: float
    return_url: str = ""
    status: str = "paying"
    payment_status: int = 0
    plan: list[str] = field(default_factory=list)
    wait_until: float = 0.0
    prepare_id: int | None = None
    confirm_id: int | None = None
    is_prepared: bool = False
    is_declined: bool = False
    is_cancelled: bool = False  # a Complete with error < 0 was answered with -9
    paid_at: float = 0.0
    reversed_minor: int = 0
    error: dict[str, Any] | None = None
    violations: list[str] = field(default_factory=list)
    receipt: dict[str, Any] | None = None


@dataclass(slots=True)
class Call:
    """One request to a callback address. `step`: prepare, complete or cancel (a Complete with error < 0)."""

    id: str
    account: str
    payment: str
    step: str
    at: float
    url: str
    request: dict[str, str]
    fault: str = ""
    status: int | None = None
    seconds: float = 0.0
    answer: str = ""
    code: int | None = None
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class LoggedRequest:
    """One call of the Merchant API."""

    id: str
    at: float
    method: str
    path: str
    operation: str = ""
    account: str = ""
    payment: str = ""
    status: int | None = None
    seconds: float = 0.0
    error: str = ""
    fault: str = ""
    body: str = ""
