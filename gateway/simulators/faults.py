"""Faults to order: what the world does to payments, on demand.

An order names a kind, how often it strikes (`times`, null = until taken back) and what it strikes (`match`):
`{"kind": "timeout_after", "times": 1, "seconds": 2,
  "match": {"payment": "pi_…", "metadata": {"orderId": "…"}, "operation": "refunds.create", "event": "…"}}`
All parts of `match` may be left out; `operation` and `event` may end in `*`.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from gateway.simulators.journal import Journal, Table
from gateway.simulators.wire import BadRequest, Json, flag, number, whole

API_FAULTS = {
    "timeout_before": "hang, and do nothing",
    "timeout_after": "do the work, then hang",
    "reset_before": "cut the connection, and do nothing",
    "reset_after": "do the work, then cut the connection",
    "402": "refuse as declined",
    "403": "refuse: the key may not do this",
    "409": "refuse: locked by another request",
    "429": "refuse: too many requests",
    "500": "break, and remember that under the idempotency key",
    "503": "an HTML page from the load balancer",
    "html_200": "status 200 with an HTML page",
    "redirect": "send elsewhere with 302",
    "slow": "take long over the work",
    "success_after_cancel": "the buyer approves while our cancel is in flight",
    "approve_before_answer": "the buyer approves, and is reported, before the call is answered",
    "refund_pending": "the refund stays pending, then succeeds",
    "refund_fails": "the refund stays pending, then fails",
}
CALLBACK_FAULTS = {
    "duplicate": "send it twice",
    "reorder": "hold it until a later one has gone out",
    "late": "send it late",
    "drop": "never send it",
    "reply_lost": "act as if no answer came, and send it again",
    "forged": "sign it with another secret",
    "old_timestamp": "sign it with an old timestamp",
    "two_v1": "two signatures, the second one right",
    "wrong_amount": "another amount",
    "wrong_currency": "another currency",
    "other_mode": "the other mode (live for test)",
    "unknown_reference": "an object nobody knows",
}
RETURN_FAULTS = {
    "callback_before_return": "the callback arrives before the browser",
    "return_before_callback": "the browser arrives before the callback",
}
SIDES = {"api": API_FAULTS, "callback": CALLBACK_FAULTS, "return": RETURN_FAULTS}
KINDS = API_FAULTS | CALLBACK_FAULTS | RETURN_FAULTS
ONLY_FOR = {
    "success_after_cancel": ("payment_intents.cancel", "checkout.sessions.expire", "invoices.delete"),
    "approve_before_answer": (
        *("payment_intents.create", "payment_intents.confirm", "checkout.sessions.create", "checkouts.create"),
    ),
    "refund_pending": ("refunds.create", "payments.refund"),
    "refund_fails": ("refunds.create", "payments.refund"),
}
SECONDS = {
    "late": 5.0,
    "reorder": 2.0,
    "return_before_callback": 2.0,
    "callback_before_return": 10.0,
    "slow": 5.0,
    "approve_before_answer": 5.0,
}


@dataclass(slots=True)
class Fault:
    kind: str
    side: str
    times: int | None = 1
    seconds: float | None = None
    payment: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    operation: str = ""
    event: str = ""
    until: str = ""
    after: bool = False  # for answers like 500: do the work first
    also_true: bool = False  # send the true callback as well as the tampered one
    amount: int | None = None
    currency: str = ""
    code: str = ""
    used: int = 0
    id: str = field(default_factory=lambda: f"fault_{uuid.uuid4().hex[:12]}")

    def strikes(self, *, payment: str, metadata: Mapping[str, str], operation: str, event: str) -> bool:
        return (
            (self.times is None or self.used < self.times)
            and (not self.payment or self.payment == payment)
            and all(metadata.get(name) == value for name, value in self.metadata.items())
            and (not self.operation or fnmatchcase(operation, self.operation))
            and (self.kind not in ONLY_FOR or operation in ONLY_FOR[self.kind])
            and (not self.event or fnmatchcase(event, self.event))
        )


KEPT = 200
MATCH_FIELDS = {"payment", "metadata", "operation", "event"}
OTHER_FIELDS = {"kind", "times", "seconds", "until", "after", "also_true", "amount", "currency", "code", "match"}


class Faults:
    def __init__(self, journal: Journal) -> None:
        self._table: Table[Fault] = Table(journal, "fault", Fault, KEPT)
        self._lock = threading.Lock()

    def all(self) -> list[Fault]:
        return self._table.newest()

    def order(self, wanted: Json) -> Fault:
        """Read and keep an order. The match may also be spelled flat, as a form does: `match.payment=pi_…`."""
        match: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for name, value in wanted.items():
            if name.startswith("match."):
                match[name.removeprefix("match.")] = value
            else:
                rest[name] = value
        given = rest.get("match")
        if given is not None and not isinstance(given, dict):
            raise BadRequest("match must be an object.")
        match |= given or {}
        if strange := sorted((set(match) - MATCH_FIELDS) | (set(rest) - OTHER_FIELDS)):
            raise BadRequest(f"Unknown fields: {', '.join(strange)}.")
        kind = str(rest.get("kind", ""))
        side = next((side for side, kinds in SIDES.items() if kind in kinds), None)
        if side is None:
            raise BadRequest(f"Unknown kind {kind!r}; known are {', '.join(KINDS)}.")
        times = None if rest.get("times", 1) in {None, "always"} else whole(rest, "times", 1)
        if times is not None and times < 1:
            raise BadRequest("times must be 1 or more, or null.")
        seconds = number(rest, "seconds", 0) if rest.get("seconds") is not None else SECONDS.get(kind)
        fault = Fault(
            kind=kind,
            side=side,
            times=times,
            seconds=seconds,
            payment=str(match.get("payment", "")),
            metadata=_read_metadata(match.get("metadata", {})),
            operation=str(match.get("operation", "")),
            event=str(match.get("event", "")),
            until=str(rest.get("until", "")),
            after=flag(rest.get("after", False)),
            also_true=flag(rest.get("also_true", False)),
            amount=whole(rest, "amount", None),
            currency=str(rest.get("currency", "")),
            code=str(rest.get("code", "")),
        )
        with self._lock:
            return self._table.save(fault)

    def take(
        self,
        side: str,
        *,
        payment: str = "",
        metadata: Mapping[str, str] | None = None,
        operation: str = "",
        event: str = "",
    ) -> Fault | None:
        """The eldest order that strikes here, with one of its times used up; None when all goes well."""
        with self._lock:
            for fault in self._table.all():
                if fault.side == side and fault.strikes(
                    payment=payment, metadata=metadata or {}, operation=operation, event=event
                ):
                    fault.used += 1
                    return self._table.save(fault)
        return None

    def remove(self, key: str) -> None:
        with self._lock:
            self._table.remove(key)

    def clear(self) -> None:
        with self._lock:
            self._table.clear()


def _read_metadata(value: object) -> dict[str, str]:
    """An object, or the text `key=value` from the form."""
    if isinstance(value, dict):
        return {str(name): str(text) for name, text in value.items()}
    name, equals, text = str(value).partition("=")
    if not equals:
        raise BadRequest("match.metadata must be an object or the text key=value.")
    return {name.strip(): text.strip()}
