"""The simulated bank's state: its tables, its lock, its clock, and who may be registered."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal, Table
from gateway.simulators.uzum.rows import Account, Call, Payment
from gateway.simulators.wire import BadRequest, Json, is_loopback_url

ACCOUNT_FIELDS = {"serviceId", "login", "password", "callback_url", "name"}
CALLS_KEPT = 5000
PAYMENTS_KEPT = 5000


class World:
    def __init__(
        self,
        *,
        journal: Journal,
        settings: Settings,
        faults: Faults,
        stopped: threading.Event,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lock = threading.RLock()
        self.settings = settings
        self.faults = faults
        self.stopped = stopped
        self.clock = clock
        self.base_url = ""
        self.accounts: Table[Account] = Table(journal, "uzum.account", Account)
        self.payments: Table[Payment] = Table(journal, "uzum.payment", Payment, PAYMENTS_KEPT)
        self.calls: Table[Call] = Table(journal, "uzum.call", Call, CALLS_KEPT)

    def now_ms(self) -> int:
        return int(self.clock() * 1000)

    @staticmethod
    def new_id() -> str:
        return str(uuid.uuid4())

    def register(self, wanted: Json) -> Account:
        """Make a service known, or give a known one another login, password or address."""
        if strange := sorted(set(wanted) - ACCOUNT_FIELDS):
            raise BadRequest(f"Unknown fields: {', '.join(strange)}.")
        names = ("serviceId", "login", "password", "callback_url")
        service_id, login, password, url = (str(wanted.get(name) or "") for name in names)
        if not (service_id.isascii() and service_id.isdigit() and login and password):
            raise BadRequest("serviceId (a number), login and password are needed.")
        if not is_loopback_url(url):
            raise BadRequest("callback_url must be an http address of this machine (127.0.0.1 or localhost).")
        name = str(wanted.get("name") or "Lab service")
        with self.lock:
            return self.accounts.save(Account(str(int(service_id)), login, password, url.rstrip("/"), name))

    def open_payment(self, **wanted: Any) -> Payment:
        with self.lock:
            return self.payments.save(Payment(id=self.new_id(), created=self.clock(), **wanted))

    def keep(self, payment: Payment) -> None:
        """Save what is still remembered; what the lab was told to forget stays forgotten."""
        with self.lock:
            if self.payments.get(payment.id) is not None:
                self.payments.save(payment)

    def clear(self, *, with_accounts: bool = False) -> None:
        with self.lock:
            self.payments.clear()
            self.calls.clear()
            if with_accounts:
                self.accounts.clear()
