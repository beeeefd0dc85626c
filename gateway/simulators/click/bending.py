"""Calls that a real Click would never make, or not in this order: each must be refused, or change nothing."""

from __future__ import annotations

import uuid

from gateway.simulators.click.caller import FORGER, call, complain, request_of
from gateway.simulators.click.rows import Account, Payment
from gateway.simulators.click.strict import Heard
from gateway.simulators.click.world import World, tiyin
from gateway.simulators.faults import Fault

NO_PREPARE = "999999999"
STRIKES = {
    "forged": ("prepare", "complete", "cancel"),
    "other_mode": ("prepare", "complete", "cancel"),
    "wrong_amount": ("prepare", "complete"),
    "unknown_reference": ("prepare", "complete", "cancel"),
    "reorder": ("prepare", "complete"),
}


class Bender:
    def __init__(self, world: World) -> None:
        self._world = world

    def strikes(self, fault: Fault, step: str) -> bool:
        return step in STRIKES.get(fault.kind, ())

    def send(self, fault: Fault, step: str, payment: Payment, account: Account) -> Heard | None:
        """Make the bent call; None where the bent one comes after the true one (`send_after`)."""
        fields = request_of(self._world, account, payment, step)
        if fault.kind in {"forged", "other_mode"}:
            return self._must_get({-1}, fault, step, payment, account, fields, secret=fault.code or FORGER)
        if fault.kind == "wrong_amount":
            wrong = tiyin(payment.amount) + 100 if fault.amount is None else fault.amount
            fields["amount"] = f"{wrong // 100}.{wrong % 100:02d}"
            return self._must_get({-2}, fault, step, payment, account, fields)
        if fault.kind == "unknown_reference":
            fields["merchant_trans_id"] = str(uuid.uuid4())
            return self._must_get({-5}, fault, step, payment, account, fields)
        if step == "complete":
            return None
        early = request_of(self._world, account, payment, "complete")
        early["merchant_prepare_id"] = NO_PREPARE
        return self._must_get({-6}, fault, "complete", payment, account, early)

    def send_after(self, fault: Fault | None, step: str, payment: Payment, account: Account) -> None:
        """A Prepare that was on its way all the time arrives after its Complete."""
        if fault is not None and fault.kind == "reorder" and step == "complete":
            fields = request_of(self._world, account, payment, "prepare")
            self._must_get({-4, -9}, fault, "prepare", payment, account, fields)

    def _must_get(
        self,
        wanted: set[int],
        fault: Fault,
        step: str,
        payment: Payment,
        account: Account,
        fields: dict[str, str],
        *,
        secret: str = "",
    ) -> Heard:
        heard, row = call(self._world, account, payment, step, fields=fields, secret=secret, fault=fault.kind)
        if heard.code not in wanted and heard.code != -7:
            codes = " or ".join(str(code) for code in sorted(wanted, reverse=True))
            complain(self._world, payment, row, [f"{heard.code} where {codes} had to come ({fault.kind})"])
        return heard
