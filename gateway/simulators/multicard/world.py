"""The simulated Multicard's state: its tables, its lock, its clock, and who may be registered."""

from __future__ import annotations

import itertools
import re
import secrets
import threading
import time
import uuid
import zlib
from collections.abc import Callable

from gateway.simulators.callbacks import Callbacks
from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal, Table
from gateway.simulators.multicard.rows import Account, Asked, Invoice, LoggedRequest, Payment, Token
from gateway.simulators.timers import Timers
from gateway.simulators.wire import BadRequest, Json, flag, is_loopback_url

ACCOUNT_FIELDS = {"applicationId", "secret", "storeId", "callback_url", "webhook_url", "name", "takes_parts", "store"}
STORE_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
TOKEN_SECONDS = 24 * 3600
KEPT = 5000


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
        self.accounts: Table[Account] = Table(journal, "multicard.account", Account)
        self.tokens: Table[Token] = Table(journal, "multicard.token", Token, KEPT)
        self.invoices: Table[Invoice] = Table(journal, "multicard.invoice", Invoice, KEPT)
        self.payments: Table[Payment] = Table(journal, "multicard.payment", Payment, KEPT)
        self.asked: Table[Asked] = Table(journal, "multicard.asked", Asked, KEPT)
        self.requests: Table[LoggedRequest] = Table(journal, "multicard.request", LoggedRequest, KEPT)
        self._numbers = itertools.count(max((row.number for row in self.payments.all()), default=100_000) + 1)

    # accounts

    def register(self, wanted: Json) -> Account:
        """Make a cash desk known, or give a known one another secret or address.

        Webhooks go to `webhook_url`; without it there are none. The success callback always goes to the address that
        came with the invoice, so `callback_url` is taken and not used.
        """
        if strange := sorted(set(wanted) - ACCOUNT_FIELDS):
            raise BadRequest(f"Unknown fields: {', '.join(strange)}.")
        application, secret, store = (str(wanted.get(name) or "") for name in ("applicationId", "secret", "storeId"))
        if not application or not secret or not store:
            raise BadRequest("applicationId, secret and storeId are needed.")
        is_uuid = bool(STORE_UUID.fullmatch(store))
        if not is_uuid and not (store.isascii() and store.isdigit() and len(store) < 12):
            raise BadRequest("storeId must be a number or a UUID.")
        url = str(wanted.get("webhook_url") or "")
        for given in (url, str(wanted.get("callback_url") or "")):
            if given and not is_loopback_url(given):
                raise BadRequest("Addresses must be of this machine (127.0.0.1 or localhost).")
        # The number that callbacks carry; of a UUID it is always the same.
        number = int(str(wanted.get("store") or 0)) or (zlib.crc32(store.lower().encode()) if is_uuid else int(store))
        row = Account(
            id=f"{application}.{store.lower()}",
            application=application,
            secret=secret,
            store=number,
            store_uuid=store.lower() if is_uuid else "",
            name=str(wanted.get("name") or "Lab shop"),
            webhook_url=url,
            takes_parts=flag(wanted.get("takes_parts", 1)),
        )
        with self.lock:
            return self.accounts.save(row)

    def accounts_of(self, application: str) -> list[Account]:
        return [row for row in self.accounts.all() if row.application == application]

    def account_of_store(self, application: str, store: object) -> Account | None:
        """By number or UUID; a number written as text is a number too."""
        for row in self.accounts_of(application):
            if str(store) == str(row.store) or (isinstance(store, str) and store.lower() == row.store_uuid != ""):
                return row
        return None

    def new_token(self, application: str) -> Token:
        with self.lock:
            return self.tokens.save(Token(secrets.token_urlsafe(32), application, self.clock() + TOKEN_SECONDS))

    def expire_tokens(self, application: str) -> int:
        with self.lock:
            gone = [row.id for row in self.tokens.all() if row.application == application]
            for key in gone:
                self.tokens.remove(key)
            return len(gone)

    # invoices and payments

    @staticmethod
    def new_id() -> str:
        return str(uuid.uuid1())

    def number(self) -> int:
        return next(self._numbers)

    def is_open(self, invoice: Invoice) -> bool:
        return invoice.state == "open" and invoice.ends > self.clock()

    def account_of(self, row: Invoice | Payment) -> Account | None:
        return self.accounts.get(row.account)

    def keep(self, payment: Payment) -> bool:
        """Save what is still remembered; what the lab was told to forget stays forgotten."""
        with self.lock:
            if self.payments.get(payment.id) is None:
                return False
            self.payments.save(payment)
            return True

    def metadata(self, invoice: Invoice) -> dict[str, str]:
        """What a fault's `match.metadata` can name."""
        account = self.account_of(invoice)
        return {
            "invoice_id": invoice.invoice_id,
            "invoice_uuid": invoice.id,
            "application": account.application if account else "",
        }

    def clear(self, *, with_accounts: bool = False) -> None:
        with self.lock:
            for table in (self.invoices, self.payments):
                table.clear()
            for memory in (self.asked, self.requests):
                memory.clear()
            if with_accounts:
                self.tokens.clear()
                self.accounts.clear()
