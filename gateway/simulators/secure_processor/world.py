"""The simulated Secure Processor's state: its tables, its lock, its ids and clock, and who may be registered."""

from __future__ import annotations

import itertools
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.simulators.callbacks import Callbacks
from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal, Table
from gateway.simulators.secure_processor import rsa
from gateway.simulators.secure_processor.rows import TOKEN_PATH, Account, Checkout, LoggedRequest, Transaction
from gateway.simulators.timers import Timers
from gateway.simulators.wire import BadRequest, Json, flag, is_loopback_url, number

SHOP_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}", re.ASCII)
PATH = re.compile(r"(/[A-Za-z0-9._\-]+)+", re.ASCII)
ERROR_SHAPES = ("plain", "wrapped", "coded")
CALLBACK_SHAPES = ("nested", "flat")
ACCOUNT_FIELDS = {
    *("shopId", "secretKey", "privateKey", "webhook_url", "name", "currencies", "token_path", "errors", "callbacks"),
    *("tells_reasons", "lists_refunds", "duplicate_seconds"),
    *("publicKey", "callback_url"),  # taken and not used: the public key is the private one's
}
KEPT = 5000


@dataclass(slots=True)
class Telling:
    """How callbacks made right now go out; set by the buyer's page."""

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
        self.accounts: Table[Account] = Table(journal, "secure_processor.account", Account)
        self.checkouts: Table[Checkout] = Table(journal, "secure_processor.checkout", Checkout, KEPT)
        self.transactions: Table[Transaction] = Table(journal, "secure_processor.transaction", Transaction, KEPT)
        self.requests: Table[LoggedRequest] = Table(journal, "secure_processor.request", LoggedRequest, KEPT)
        self._numbers = itertools.count(1)
        self.tell: Callable[[Checkout, Transaction | None], list[str]] = lambda checkout, transaction: []

    # shops

    def register(self, wanted: Json) -> Account:
        """Make a shop known, or give a known one another secret, key, address or habit.

        Without `privateKey` a known shop keeps its key and a new one gets one; the page of the lab shows its public
        half.
        """
        if strange := sorted(set(wanted) - ACCOUNT_FIELDS):
            raise BadRequest(f"Unknown fields: {', '.join(strange)}.")
        shop_id, secret = str(wanted.get("shopId") or ""), str(wanted.get("secretKey") or "")
        if not SHOP_ID.fullmatch(shop_id) or not secret:
            raise BadRequest("shopId and secretKey are needed.")
        known = self.accounts.get(shop_id)
        try:
            pem = str(wanted.get("privateKey") or "") or (known.private_key if known else "")
            key = rsa.load(pem) if pem else rsa.new_key()
        except ValueError as error:
            raise BadRequest(f"privateKey is {error}.") from error
        url, path = str(wanted.get("webhook_url") or ""), str(wanted.get("token_path") or TOKEN_PATH)
        for given in (url, str(wanted.get("callback_url") or "")):
            if given and not is_loopback_url(given):
                raise BadRequest("Addresses must be of this machine (127.0.0.1 or localhost).")
        if not PATH.fullmatch(path) or path.startswith(("/transactions", "/v2/", "/widget")):
            raise BadRequest("token_path must be a path of its own.")
        currencies = wanted.get("currencies") or []
        if not isinstance(currencies, list) or not all(isinstance(each, str) for each in currencies):
            raise BadRequest("currencies must be a list of codes.")
        row = Account(
            id=shop_id,
            secret_key=secret,
            private_key=pem or key.pem(),
            public_key=key.public_text(),
            name=str(wanted.get("name") or "Lab shop"),
            webhook_url=url,
            currencies=list(currencies),
            token_path=path,
            errors=_one_of(wanted, "errors", ERROR_SHAPES),
            callbacks=_one_of(wanted, "callbacks", CALLBACK_SHAPES),
            tells_reasons=flag(wanted.get("tells_reasons", 1)),
            lists_refunds=flag(wanted.get("lists_refunds", 1)),
            duplicate_seconds=number(wanted, "duplicate_seconds", 30.0),
        )
        with self.lock:
            return self.accounts.save(row)

    # ids

    def new_uid(self, account: str) -> str:
        return f"{account}-{next(self._numbers):x}{secrets.token_hex(4)}"

    @staticmethod
    def new_token() -> str:
        return secrets.token_hex(32)

    # objects

    def account_of(self, row: Checkout | Transaction) -> Account | None:
        return self.accounts.get(row.account)

    def checkout_of(self, transaction: Transaction) -> Checkout | None:
        return self.checkouts.get(transaction.checkout)

    def latest(self, checkout: Checkout) -> Transaction | None:
        return self.transactions.get(checkout.transaction)

    def children(self, transaction: Transaction, type: str) -> list[Transaction]:
        return [row for row in self.transactions.all() if row.parent == transaction.id and row.type == type]

    def done(self, transaction: Transaction, type: str) -> int:
        """What has gone back, or was captured, of it."""
        rows = self.children(transaction, type)
        return sum(row.amount for row in rows if row.status in {"successful", "pending"})

    def is_hold_over(self, authorization: Transaction) -> bool:
        return bool(self.done(authorization, "capture") or self.done(authorization, "void"))

    def is_open(self, checkout: Checkout) -> bool:
        return not checkout.finished and not self.has_expired(checkout)

    def has_expired(self, checkout: Checkout) -> bool:
        return checkout.expired or checkout.expires <= self.clock()

    def metadata(self, checkout: Checkout | None) -> dict[str, str]:
        """What a fault's `match.metadata` can name."""
        if checkout is None:
            return {}
        flat = {name: text for name, text in checkout.metadata.items() if isinstance(text, str)}
        return {**flat, "tracking_id": checkout.tracking_id, "token": checkout.id, "account": checkout.account}

    @contextmanager
    def telling_as(self, telling: Telling) -> Iterator[Telling]:
        """Under the lock, tell what happens inside in this way."""
        with self.lock:
            before, self.telling = self.telling, telling
            try:
                yield telling
            finally:
                self.telling = before

    def announce(self, checkout: Checkout, transaction: Transaction | None) -> None:
        self.telling.sent += self.tell(checkout, transaction)

    def clear(self, *, with_accounts: bool = False) -> None:
        with self.lock:
            self.checkouts.clear()
            self.transactions.clear()
            self.requests.clear()
            if with_accounts:
                self.accounts.clear()


def _one_of(wanted: Json, name: str, known: tuple[str, ...]) -> str:
    value = str(wanted.get(name) or known[0])
    if value not in known:
        raise BadRequest(f"{name} must be one of {', '.join(known)}.")
    return value
