"""The simulated Stripe's state: its tables, its lock, its ids and clock, and how an event comes into being.

Everything that changes an object does so under `lock` and ends with `save` and, where Stripe tells, `emit`.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar

from gateway.simulators.callbacks import Callbacks
from gateway.simulators.config import Settings
from gateway.simulators.faults import Fault, Faults
from gateway.simulators.journal import Journal, Table
from gateway.simulators.stripe.errors import missing
from gateway.simulators.stripe.rows import (
    Account,
    Charge,
    CheckoutSession,
    Dispute,
    Endpoint,
    Event,
    KeptAnswer,
    LoggedRequest,
    PaymentIntent,
    PaymentLink,
    Refund,
)
from gateway.simulators.timers import Timers
from gateway.simulators.wire import BadRequest, Json, is_loopback_url

ALPHABET = string.ascii_letters + string.digits
DEFAULT_VERSION = "2026-08-26.dahlia"
KEY_PREFIXES = ("sk_test_", "sk_live_", "rk_test_", "rk_live_")
ACCOUNT_FIELDS = {
    "secret_key",
    "webhook_url",
    "webhook_secret",
    "capabilities",
    "country",
    "account",
    "name",
    "api_version",
}


class Owned(Protocol):
    id: str
    account: str
    livemode: bool
    created: int


O = TypeVar("O", bound=Owned)  # noqa: E741


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: one account in one mode, by one request."""

    account: Account
    livemode: bool
    version: str = DEFAULT_VERSION
    request: str | None = None
    idempotency_key: str | None = None


@dataclass(slots=True)
class Telling:
    """How events made right now are told; set by the buyer's page and by the doors that act for the buyer."""

    delay: float = 0.0
    request: str | None = None
    idempotency_key: str | None = None
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lock = threading.RLock()
        self.settings = settings
        self.timers = timers
        self.faults = faults
        self.callbacks = callbacks
        self.clock = clock
        self.base_url = ""
        self.telling = Telling()
        self.accounts: Table[Account] = Table(journal, "stripe.account", Account)
        self.intents: Table[PaymentIntent] = Table(journal, "stripe.payment_intent", PaymentIntent)
        self.sessions: Table[CheckoutSession] = Table(journal, "stripe.checkout_session", CheckoutSession)
        self.links: Table[PaymentLink] = Table(journal, "stripe.payment_link", PaymentLink)
        self.charges: Table[Charge] = Table(journal, "stripe.charge", Charge)
        self.refunds: Table[Refund] = Table(journal, "stripe.refund", Refund)
        self.disputes: Table[Dispute] = Table(journal, "stripe.dispute", Dispute)
        self.events: Table[Event] = Table(journal, "stripe.event", Event, 20_000)
        self.kept: Table[KeptAnswer] = Table(journal, "stripe.kept_answer", KeptAnswer, 20_000)
        self.requests: Table[LoggedRequest] = Table(journal, "stripe.request", LoggedRequest, 5_000)
        self._accounts_by_key = {key: account.id for account in self.accounts.all() for key in account.keys}
        self._intents_by_nonce = {intent.nonce: intent.id for intent in self.intents.all()}
        self.emit_hook: Callable[[Event, Account], list[str]] = lambda event, account: []
        # Called with a PaymentIntent that moved, and with the status it had: its session follows.
        self.intent_hook: Callable[[PaymentIntent, str], None] = lambda intent, was: None

    # ids and time

    def now(self) -> int:
        return int(self.clock())

    @staticmethod
    def new_id(prefix: str, size: int = 24) -> str:
        return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(size))

    # accounts

    def register(self, wanted: Json) -> Account:
        """Make an account known, or give a known one another endpoint. Keys of both modes may share an `account`."""
        if strange := sorted(set(wanted) - ACCOUNT_FIELDS):
            raise BadRequest(f"Unknown fields: {', '.join(strange)}.")
        key = str(wanted.get("secret_key", ""))
        if not key.startswith(KEY_PREFIXES) or len(key) < 16 or any(c not in ALPHABET + "_" for c in key):
            raise BadRequest("secret_key must be sk_test_… or sk_live_… (or rk_…) followed by letters and digits.")
        mode = "live" if "_live_" in key[:8] else "test"
        with self.lock:
            known = self._accounts_by_key.get(key)
            name = str(wanted.get("account") or known or "acct_" + hashlib.sha256(key.encode()).hexdigest()[:16])
            if known not in {None, name}:
                raise BadRequest("This secret_key belongs to another account.")
            country = str(wanted.get("country") or "US").upper()
            account = self.accounts.get(name)
            if account is None:
                capabilities = {"card_payments": "active", "transfers": "active"}
                if country == "US":
                    capabilities["cashapp_payments"] = "active"
                account = Account(
                    name, [], country, str(wanted.get("name") or "Lab merchant"), capabilities, created=self.now()
                )
            if key not in account.keys:
                account.keys.append(key)
            if isinstance(given := wanted.get("capabilities"), dict):
                account.capabilities |= {str(k): str(v) for k, v in given.items() if v is not None}
                for gone in [k for k, v in given.items() if v is None]:
                    account.capabilities.pop(str(gone), None)
            if "webhook_url" in wanted:
                account.endpoints[mode] = asdict(_read_endpoint(wanted))
            self._accounts_by_key[key] = account.id
            return self.accounts.save(account)

    def account_of_key(self, key: str) -> Account | None:
        return self.accounts.get(self._accounts_by_key.get(key, ""))

    def endpoint(self, account: Account, livemode: bool) -> Endpoint | None:
        stored = account.endpoints.get("live" if livemode else "test")
        return Endpoint(**stored) if stored else None

    # objects

    def find(self, table: Table[O], key: str, caller: Caller, what: str, param: str = "id") -> O:
        row = table.get(key)
        if row is None or row.account != caller.account.id:
            raise missing(what, key, param=param)
        if row.livemode != caller.livemode:
            raise missing(what, key, param=param, is_in_other_mode=True, livemode=caller.livemode)
        return row

    def owned(self, table: Table[O], caller: Caller) -> list[O]:
        """Newest first."""
        return [row for row in table.newest() if row.account == caller.account.id and row.livemode == caller.livemode]

    def add_intent(self, intent: PaymentIntent) -> PaymentIntent:
        self._intents_by_nonce[intent.nonce] = intent.id
        return self.intents.save(intent)

    def intent_of_nonce(self, nonce: str) -> PaymentIntent | None:
        return self.intents.get(self._intents_by_nonce.get(nonce, ""))

    def charge_of(self, intent: PaymentIntent) -> Charge | None:
        return self.charges.get(intent.latest_charge or "")

    def intent_named(self, key: str) -> PaymentIntent | None:
        """By its own id, or by that of the session which made it."""
        session = self.sessions.get(key)
        return self.intents.get((session.payment_intent or "") if session else key)

    def subject_of(self, key: str) -> str:
        """What a payment is called in events' order and in faults: its session where it has one."""
        intent = self.intents.get(key)
        return (intent.session or intent.id) if intent else key

    def take_fault(
        self, side: str, *, payment: str, metadata: dict[str, str], operation: str = "", event: str = ""
    ) -> Fault | None:
        """A fault may name a session's payment by either of its ids."""
        named = {"metadata": metadata, "operation": operation, "event": event}
        fault = self.faults.take(side, payment=payment, **named)  # type: ignore[arg-type]
        session = self.sessions.get(payment)
        if fault is None and session is not None and session.payment_intent:
            fault = self.faults.take(side, payment=session.payment_intent, **named)  # type: ignore[arg-type]
        return fault

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

    def emit(
        self,
        type: str,
        shape: Json,
        *,
        account_id: str,
        livemode: bool,
        subject: str,
        previous: dict[str, Any] | None = None,
    ) -> Event:
        account = self.accounts.get(account_id)
        assert account is not None
        endpoint = self.endpoint(account, livemode)
        event = Event(
            id=self.new_id("evt"),
            account=account_id,
            livemode=livemode,
            created=self.now(),
            type=type,
            api_version=(endpoint.api_version if endpoint else "") or DEFAULT_VERSION,
            object=shape,
            subject=subject,
            previous=previous,
            request=self.telling.request,
            idempotency_key=self.telling.idempotency_key,
            pending_webhooks=1 if endpoint and endpoint.url else 0,
        )
        self.events.save(event)
        self.telling.sent += self.emit_hook(event, account)
        return event

    def clear(self, *, with_accounts: bool = False) -> None:
        with self.lock:
            for money in (self.intents, self.sessions, self.links, self.charges, self.refunds, self.disputes):
                money.clear()
            for memory in (self.events, self.kept, self.requests):
                memory.clear()
            self._intents_by_nonce.clear()
            if with_accounts:
                self.accounts.clear()
                self._accounts_by_key.clear()


def _read_endpoint(wanted: Json) -> Endpoint:
    url = str(wanted.get("webhook_url") or "")
    given = wanted.get("webhook_secret") or []
    found = [str(secret) for secret in (given if isinstance(given, list) else [given])]
    if url and not is_loopback_url(url):
        raise BadRequest("webhook_url must be an http address of this machine (127.0.0.1 or localhost).")
    if url and (not found or not all(secret.startswith("whsec_") for secret in found)):
        raise BadRequest("webhook_secret must start with whsec_.")
    return Endpoint(url, found, str(wanted.get("api_version") or DEFAULT_VERSION))
