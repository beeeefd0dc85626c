"""Calls that a real Payme would never make, or not in this order: each must be refused, or change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.simulators.faults import Fault
from gateway.simulators.payme.caller import FORGER, METHODS, call
from gateway.simulators.payme.rows import Account, Payment
from gateway.simulators.payme.strict import ACCOUNT
from gateway.simulators.payme.world import World

TWELVE_HOURS_MS = 43_200_000
ORDERED = ("check", "create")  # the steps that name the order and its amount


class Bender:
    def __init__(self, world: World) -> None:
        self._world = world
        self._late_creates: dict[str, dict[str, Any]] = {}

    def strikes(self, fault: Fault, step: str) -> bool:
        return {
            "forged": True,
            "other_mode": True,
            "wrong_amount": step in ORDERED,
            "unknown_reference": step != "fiscal",
            "old_timestamp": step == "create",
            "reorder": step in (*ORDERED, "perform"),
        }.get(fault.kind, False)

    def send(
        self, fault: Fault, step: str, payment: Payment, account: Account, params: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Make the bent call. Answers with the seller's refusal; none is a violation."""
        method = METHODS[step]
        key, wanted = None, {-31003}
        if fault.kind == "reorder":
            return self._reorder(step, payment, account, params)
        if fault.kind in {"forged", "other_mode"}:
            key, wanted = fault.code or FORGER, {-32504}
        elif fault.kind == "wrong_amount":
            params = {**params, "amount": fault.amount if fault.amount is not None else params["amount"] + 1}
            wanted = {-31001}
        elif fault.kind == "old_timestamp":
            params = {**params, "time": params["time"] - TWELVE_HOURS_MS}
            wanted = {-31008}
        elif step in ORDERED:
            params = {**params, "account": {name: self._world.new_id() for name in payment.fields}}
            wanted = set(ACCOUNT)
        else:
            params = {**params, "id": self._world.new_id()}
        return self._must_be_refused(fault.kind, method, params, payment, account, wanted, key)

    def send_held(self, payment: Payment, account: Account) -> None:
        """A Create that was on its way all the time arrives after the Perform."""
        params = self._late_creates.pop(payment.id, None)
        if params is not None:
            self._must_be_refused("reorder", METHODS["create"], params, payment, account, {-31008}, None)

    def _reorder(self, step: str, payment: Payment, account: Account, params: dict[str, Any]) -> dict[str, Any] | None:
        """Before a Check or a Create: the Perform arrives first. At a Perform: its Create comes once more, after it."""
        if step == "perform":
            self._late_creates[payment.id] = {
                "id": payment.id,
                "time": payment.time,
                "amount": payment.amount,
                "account": payment.fields,
            }
            return None
        early = {"id": payment.id}
        return self._must_be_refused("reorder", METHODS["perform"], early, payment, account, {-31003}, None)

    def _must_be_refused(
        self,
        kind: str,
        method: str,
        params: dict[str, Any],
        payment: Payment,
        account: Account,
        wanted: set[int],
        key: str | None,
    ) -> dict[str, Any] | None:
        heard, row = call(self._world, account, method, params, payment=payment.id, fault=kind, key=key)
        if heard.code in wanted:
            return {"method": method, **(heard.error or {})}
        found = "a result" if heard.result is not None else f"error {heard.code}" if heard.error else "no usable answer"
        complaint = f"{found} to a call that had to be refused with {_codes(wanted)} ({kind})"
        row = replace(row, violations=[*row.violations, complaint])
        with self._world.lock:
            self._world.calls.save(row)
            payment.violations.append(f"{method}: {complaint}")
            self._world.keep(payment)
        return {"method": method, **heard.error} if heard.error else None


def _codes(wanted: set[int]) -> str:
    return f"{min(wanted)}…{max(wanted)}" if len(wanted) > 1 else str(next(iter(wanted)))
