"""The simulated Click's state: its tables, its lock, its clock, its numbers, and who may be registered."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from decimal import Decimal

from gateway.simulators.click.rows import Account, Call, LoggedRequest, Payment
from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal, Table
from gateway.simulators.wire import BadRequest, Json, flag, is_loopback_url

FIELDS = {"serviceId", "merchantId", "secretKey", "merchantUserId", "name", "partial_reversal"}
ADDRESSES = {"callback_url", "prepare_url", "complete_url", "one_url"}
KEPT = 5000
TASHKENT_SECONDS = 5 * 3600
# Beyond what a double holds exactly: who reads our ids as such finds out here.
FIRST_ID = 2**53 + 1


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
        self.accounts: Table[Account] = Table(journal, "click.account", Account)
        self.payments: Table[Payment] = Table(journal, "click.payment", Payment, KEPT)
        self.calls: Table[Call] = Table(journal, "click.call", Call, KEPT)
        self.requests: Table[LoggedRequest] = Table(journal, "click.request", LoggedRequest, KEPT)

    @staticmethod
    def new_id() -> str:
        return str(FIRST_ID + secrets.randbelow(2**60))

    def day(self, moment: float) -> str:
        """The day in Tashkent."""
        return time.strftime("%Y-%m-%d", time.gmtime(moment + TASHKENT_SECONDS))

    def sign_time(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.clock() + TASHKENT_SECONDS))

    def register(self, wanted: Json) -> Account:
        """Make a service known, or give a known one another secret or address."""
        if strange := sorted(set(wanted) - FIELDS - ADDRESSES):
            raise BadRequest(f"Unknown fields: {', '.join(strange)}.")
        service, merchant, secret = (str(wanted.get(name) or "") for name in ("serviceId", "merchantId", "secretKey"))
        user = str(wanted.get("merchantUserId") or "")
        if not (service.isdigit() and merchant.isdigit() and secret) or (user and not user.isdigit()):
            raise BadRequest("serviceId, merchantId and merchantUserId are numbers; secretKey is needed.")
        prepare, complete = _addresses(wanted)
        row = Account(
            id=service,
            merchant_id=merchant,
            secret_key=secret,
            prepare_url=prepare,
            complete_url=complete,
            merchant_user_id=user,
            name=str(wanted.get("name") or "Lab service"),
            has_parts=flag(wanted.get("partial_reversal", True)),
        )
        with self.lock:
            return self.accounts.save(row)

    def open_payment(self, account: Account, *, order: str, amount: str, return_url: str = "") -> Payment:
        with self.lock:
            return self.payments.save(
                Payment(
                    id=self.new_id(),
                    paydoc=self.new_id(),
                    account=account.id,
                    order=order,
                    amount=amount,
                    created=self.clock(),
                    return_url=return_url,
                )
            )

    def keep(self, payment: Payment) -> None:
        """Save what is still remembered; what the lab was told to forget stays forgotten."""
        with self.lock:
            if self.payments.get(payment.id) is not None:
                self.payments.save(payment)

    def of_paydoc(self, account: Account, paydoc: str) -> Payment | None:
        rows = self.payments.newest()
        return next((row for row in rows if (row.account, row.paydoc) == (account.id, paydoc)), None)

    def clear(self, *, with_accounts: bool = False) -> None:
        with self.lock:
            self.payments.clear()
            self.calls.clear()
            self.requests.clear()
            if with_accounts:
                self.accounts.clear()


def tiyin(amount: str) -> int:
    """Som as text."""
    return int(Decimal(amount) * 100)


def _addresses(wanted: Json) -> tuple[str, str]:
    base = str(wanted.get("callback_url") or "").rstrip("/")
    tails = ("", "") if flag(wanted.get("one_url", False)) else ("/prepare", "/complete")
    prepare = str(wanted.get("prepare_url") or f"{base}{tails[0]}")
    complete = str(wanted.get("complete_url") or f"{base}{tails[1]}")
    if not (is_loopback_url(prepare) and is_loopback_url(complete)):
        raise BadRequest(
            "callback_url (or prepare_url and complete_url) must be http addresses of this machine"
            " (127.0.0.1 or localhost)."
        )
    return prepare, complete
