"""The simulated Payme's state: its tables, its lock, its clock, and who may be registered."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal, Table
from gateway.simulators.payme.rows import Account, Call, Payment
from gateway.simulators.wire import BadRequest, Json, flag, is_loopback_url

ACCOUNT_FIELDS = {"merchantId", "key", "callback_url", "name", "sends_fiscal"}
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
        self.accounts: Table[Account] = Table(journal, "payme.account", Account)
        self.payments: Table[Payment] = Table(journal, "payme.payment", Payment, PAYMENTS_KEPT)
        self.calls: Table[Call] = Table(journal, "payme.call", Call, CALLS_KEPT)
        self._envelopes = itertools.count(int(clock()) % 10**8)

    def now_ms(self) -> int:
        return int(self.clock() * 1000)

    def envelope_id(self) -> int:
        """JSON-RPC's id: new for every call, repeats included."""
        return next(self._envelopes)

    @staticmethod
    def new_id() -> str:
        return secrets.token_hex(12)

    def register(self, wanted: Json) -> Account:
        """Make a cash desk known, or give a known one another key or address."""
        if strange := sorted(set(wanted) - ACCOUNT_FIELDS):
            raise BadRequest(f"Unknown fields: {', '.join(strange)}.")
        merchant_id, key, url = (str(wanted.get(name) or "") for name in ("merchantId", "key", "callback_url"))
        if not merchant_id or not key:
            raise BadRequest("merchantId and key are needed.")
        if not is_loopback_url(url):
            raise BadRequest("callback_url must be an http address of this machine (127.0.0.1 or localhost).")
        row = Account(merchant_id, key, url, str(wanted.get("name") or "Lab desk"), flag(wanted.get("sends_fiscal", 1)))
        with self.lock:
            return self.accounts.save(row)

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
