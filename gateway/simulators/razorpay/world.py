"""The simulated Razorpay's state: its tables, its lock, its ids and clock, and who may be registered.

Everything that changes an object does so under `lock`, and ends with `save` and, where Razorpay tells, with an event.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.simulators.callbacks import Callbacks
from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal, Table
from gateway.simulators.razorpay.rows import (
    Account,
    Dispute,
    Event,
    Link,
    LoggedRequest,
    Order,
    Payment,
    Refund,
    Session,
)
from gateway.simulators.timers import Timers
from gateway.simulators.wire import BadRequest, Json, flag, is_loopback_url

ALPHABET = string.ascii_letters + string.digits
KEY_ID = re.compile(r"rzp_(test|live)_[A-Za-z0-9]{4,64}", re.ASCII)
ACCOUNT_FIELDS = {
    "keyId",
    "keySecret",
    "webhookSecret",
    "webhook_url",
    "name",
    "account",
    "captures",
    "international",
    "knows_unique_receipt",
}
KEPT = 5000


@dataclass(slots=True)
class Telling:
    """How events made right now are told; set by the buyer's page."""

    delay: float = 0.0
    sent: list[str] = field(default_factory=list)


class World:
    def __init__(
        self,
        *,
        journal: Journal,
        settings: Settings,
        timers: Timers,
        faults: Faults,
        callbacks: Callbacks,
        stopped: threading.Event,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lock = threading.RLock()
        self.settings = settings
        self.timers = timers
        self.faults = faults
        self.callbacks = callbacks
        self.stopped = stopped
        self.clock = clock
        self.base_url = ""
        self.telling = Telling()
        self.accounts: Table[Account] = Table(journal, "razorpay.account", Account)
        self.orders: Table[Order] = Table(journal, "razorpay.order", Order, KEPT)
        self.payments: Table[Payment] = Table(journal, "razorpay.payment", Payment, KEPT)
        self.refunds: Table[Refund] = Table(journal, "razorpay.refund", Refund, KEPT)
        self.disputes: Table[Dispute] = Table(journal, "razorpay.dispute", Dispute, KEPT)
        self.links: Table[Link] = Table(journal, "razorpay.link", Link, KEPT)
        self.sessions: Table[Session] = Table(journal, "razorpay.session", Session, KEPT)
        self.events: Table[Event] = Table(journal, "razorpay.event", Event, KEPT)
        self.requests: Table[LoggedRequest] = Table(journal, "razorpay.request", LoggedRequest, KEPT)
        self.announce: Callable[[Event, Account], list[str]] = lambda event, account: []

    def now(self) -> int:
        return int(self.clock())

    @staticmethod
    def new_id(prefix: str) -> str:
        return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(14))

    # accounts

    def register(self, wanted: Json) -> Account:
        """Make a key known, or give a known one another secret, address or switch."""
        if strange := sorted(set(wanted) - ACCOUNT_FIELDS):
            raise BadRequest(f"Unknown fields: {', '.join(strange)}.")
        key_id, key_secret = str(wanted.get("keyId") or ""), str(wanted.get("keySecret") or "")
        if not KEY_ID.fullmatch(key_id) or not key_secret:
            raise BadRequest("keyId (rzp_test_… or rzp_live_…) and keySecret are needed.")
        url = str(wanted.get("webhook_url") or "")
        if url and not is_loopback_url(url):
            raise BadRequest("webhook_url must be an http address of this machine (127.0.0.1 or localhost).")
        named = "acc_" + hashlib.sha256(key_id.encode()).hexdigest()[:14]
        with self.lock:
            return self.accounts.save(
                Account(
                    id=key_id,
                    key_secret=key_secret,
                    account=str(wanted.get("account") or named),
                    name=str(wanted.get("name") or "Lab merchant"),
                    webhook_url=url,
                    webhook_secret=str(wanted.get("webhookSecret") or ""),
                    captures=flag(wanted.get("captures", 1)),
                    international=flag(wanted.get("international", 1)),
                    knows_unique_receipt=flag(wanted.get("knows_unique_receipt", 1)),
                )
            )

    # objects

    def order_of(self, payment: Payment) -> Order:
        order = self.orders.get(payment.order)
        assert order is not None
        return order

    def payments_of(self, order: Order) -> list[Payment]:
        """Newest first."""
        return [row for row in self.payments.newest() if row.order == order.id]

    def refunds_of(self, payment: Payment) -> list[Refund]:
        return [row for row in self.refunds.newest() if row.payment == payment.id]

    def captures(self, order: Order) -> bool:
        account = self.accounts.get(order.account)
        return order.captures if order.captures is not None else bool(account and account.captures)

    def metadata(self, order: Order | None) -> dict[str, str]:
        """What a fault's `match.metadata` can name."""
        if order is None:
            return {}
        return {**order.notes, "order": order.id, "receipt": order.receipt, "account": order.account}

    # events

    @contextmanager
    def telling_as(self, telling: Telling) -> Iterator[Telling]:
        """Under the lock, tell what happens inside in this way."""
        with self.lock:
            before, self.telling = self.telling, telling
            try:
                yield telling
            finally:
                self.telling = before

    def emit(self, type: str, order: Order, entities: dict[str, Json]) -> None:
        """`entities` by kind, as in the payload. Told to the account's webhook, if it has one."""
        account = self.accounts.get(order.account)
        if account is None:
            return
        at = self.now()
        body: Json = {
            "entity": "event",
            "account_id": account.account,
            "event": type,
            "contains": list(entities),
            "payload": {kind: {"entity": entity} for kind, entity in entities.items()},
            "created_at": at,
        }
        event = self.events.save(Event(self.new_id("evt"), account.id, order.id, type, at, body))
        self.telling.sent += self.announce(event, account)

    def clear(self, *, with_accounts: bool = False) -> None:
        with self.lock:
            for money in (self.orders, self.payments, self.refunds, self.disputes, self.links):
                money.clear()
            for memory in (self.sessions, self.events, self.requests):
                memory.clear()
            if with_accounts:
                self.accounts.clear()
