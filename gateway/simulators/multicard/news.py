"""Kind B on its way out: a webhook for every change of a payment's status, and the ways an ordered fault bends it."""

from __future__ import annotations

import json

from gateway.simulators.callbacks import Outgoing, Plan
from gateway.simulators.faults import Fault
from gateway.simulators.multicard import shapes
from gateway.simulators.multicard.rows import Payment
from gateway.simulators.multicard.world import World
from gateway.simulators.wire import Json

PROCESSOR = "multicard"
FORGER = "somebody-elses-secret"
HELD_FOR_A_NAMED_ONE = 60.0
TOLD = frozenset({"draft", "progress", "success", "error", "revert"})


class Messenger:
    def __init__(self, world: World) -> None:
        self._world = world
        world.callbacks.register(PROCESSOR, lambda outgoing, at: {"User-Agent": "Multicard"}, lambda outgoing: None)

    def tell(self, payment: Payment) -> None:
        """Any 2xx ends it; otherwise it is sent again, as the lab's ladder says. Nothing for desks without address."""
        world = self._world
        account, invoice = world.account_of(payment), world.invoices.get(payment.invoice)
        if account is None or invoice is None or not account.webhook_url or payment.status not in TOLD:
            return
        fault = world.faults.take(
            "callback", payment=payment.id, metadata=world.metadata(invoice), event=payment.status
        )
        body = shapes.news(world, payment, invoice)
        true = self._outgoing(payment, account.webhook_url, shapes.signed(body, account.secret), None)
        if fault is None:
            world.callbacks.send(true)
            return
        if fault.kind in {"forged", "other_mode"}:
            body = shapes.signed(body, fault.code or FORGER)
        elif fault.kind == "wrong_amount":
            wrong = fault.amount if fault.amount is not None else payment.amount + 1
            body = shapes.signed({**body, "amount": wrong}, account.secret)
        elif fault.kind == "unknown_reference":
            unknown = {"uuid": world.new_id(), "invoice_id": world.new_id()}
            body = shapes.signed({**body, **unknown}, account.secret)
        else:
            body = shapes.signed(body, account.secret)
        outgoing = self._outgoing(payment, account.webhook_url, body, fault)
        plan = Plan()
        if fault.kind == "drop":
            outgoing.state = "dropped"
        elif fault.kind == "late":
            plan = Plan(fault.seconds or 0)
        elif fault.kind == "reorder":
            plan = Plan(HELD_FOR_A_NAMED_ONE if fault.until else fault.seconds or 0, held=True, until=fault.until)
        world.callbacks.send(outgoing, plan)
        if fault.kind in {"duplicate", "reply_lost"} or fault.also_true:
            world.callbacks.send(true, plan)

    def _outgoing(self, payment: Payment, url: str, body: Json, fault: Fault | None) -> Outgoing:
        return Outgoing(
            processor=PROCESSOR,
            account=payment.account,
            subject=payment.id,
            label=payment.status,
            reference=payment.invoice,
            url=url,
            body=json.dumps(body, ensure_ascii=False),
            created_at=self._world.clock(),
            faults=[fault.kind] if fault else [],
        )
