"""Calls that a real bank would never make, or not in this order: each must be refused, or change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.simulators.faults import Fault
from gateway.simulators.uzum.caller import FORGER, call, fields_of
from gateway.simulators.uzum.rows import Account, Payment
from gateway.simulators.uzum.world import World

ORDERED = ("check", "create")  # the endpoints that name the order
STRIKES = {
    "forged": ("check", "create", "confirm", "reverse", "status"),
    "other_mode": ("check", "create", "confirm", "reverse", "status"),
    "wrong_amount": ("create",),
    "unknown_reference": ("check", "create", "confirm", "reverse", "status"),
    "reorder": ("check", "create", "confirm"),
}


class Bender:
    def __init__(self, world: World) -> None:
        self._world = world
        self._late_creates: dict[str, dict[str, Any]] = {}

    def strikes(self, fault: Fault, endpoint: str) -> bool:
        return endpoint in STRIKES.get(fault.kind, ())

    def send(
        self, fault: Fault, endpoint: str, payment: Payment, account: Account, fields: dict[str, Any]
    ) -> dict[str, Any]:
        """Make the bent call. Answers with the seller's refusal; none is a violation."""
        password = None
        if fault.kind == "reorder":
            return self._reorder(endpoint, payment, account)
        if fault.kind in {"forged", "other_mode"}:
            password, wanted = fault.code or FORGER, "10001"
        elif fault.kind == "wrong_amount":
            amount = fault.amount if fault.amount is not None else payment.amount + 1
            fields, wanted = {**fields, "transId": self._world.new_id(), "amount": amount}, "10011"
        elif endpoint in ORDERED:
            fields, wanted = {**fields, "params": {payment.attribute: self._world.new_id()}}, "10007"
        else:
            fields, wanted = {**fields, "transId": self._world.new_id()}, "10014"
        return self._must_be_refused(fault.kind, endpoint, fields, payment, account, wanted, password)

    def send_held(self, payment: Payment, account: Account) -> None:
        """A /create that was on its way all the time arrives after the /confirm."""
        fields = self._late_creates.pop(payment.id, None)
        if fields is not None:
            self._must_be_refused("reorder", "create", fields, payment, account, "10010", None)

    def _reorder(self, endpoint: str, payment: Payment, account: Account) -> dict[str, Any]:
        """Before a check or a create: the confirm arrives first. At a confirm: its create comes once more, after it."""
        if endpoint == "confirm":
            self._late_creates[payment.id] = fields_of(payment, "create")
            return {}
        early = fields_of(payment, "confirm")
        return self._must_be_refused("reorder", "confirm", early, payment, account, "10014", None)

    def _must_be_refused(
        self,
        kind: str,
        endpoint: str,
        fields: dict[str, Any],
        payment: Payment,
        account: Account,
        wanted: str,
        password: str | None,
    ) -> dict[str, Any]:
        heard, row = call(self._world, account, endpoint, fields, payment=payment.id, fault=kind, password=password)
        if heard.code == wanted:
            return {"endpoint": endpoint, "code": heard.code}
        found = heard.word if heard.body is not None else heard.code or "no usable answer"
        complaint = f"{found} to a call that had to be refused with {wanted} ({kind})"
        row = replace(row, violations=[*row.violations, complaint])
        with self._world.lock:
            self._world.calls.save(row)
            payment.violations.append(f"/{endpoint}: {complaint}")
            self._world.keep(payment)
        return {"endpoint": endpoint, "code": heard.code}
