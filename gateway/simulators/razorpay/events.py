"""Events on their way out, signed with the webhook's secret, and the ways an ordered fault bends them.

A retry keeps the signature it was made with, as the real one does after the secret was changed; an event sent again
by hand is signed with the present secret. Without a secret there is no signature header at all.
"""

from __future__ import annotations

import json

from gateway.simulators.callbacks import Outgoing, Plan
from gateway.simulators.faults import Fault
from gateway.simulators.razorpay import shapes
from gateway.simulators.razorpay.rows import Account, Event
from gateway.simulators.razorpay.world import World
from gateway.simulators.wire import Json

PROCESSOR = "razorpay"
FORGER = "somebody-elses-secret"
MISSING = "missing"  # a forged event's `code`: no signature at all
HELD_FOR_A_NAMED_ONE = 60.0


class Messenger:
    def __init__(self, world: World) -> None:
        self._world = world
        world.announce = self.announce
        world.callbacks.register(PROCESSOR, _sign, lambda outgoing: None)

    def announce(self, event: Event, account: Account) -> list[str]:
        """The ids of the callbacks made; none where the account has no webhook."""
        if not account.webhook_url:
            return []
        metadata = self._world.metadata(self._world.orders.get(event.subject))
        fault = self._world.faults.take("callback", payment=event.subject, metadata=metadata, event=event.type)
        outgoing = self._outgoing(event, account, fault)
        delay = self._world.telling.delay
        plan = Plan(delay)
        if fault is not None:
            if fault.kind == "drop":
                outgoing.state = "dropped"
            elif fault.kind == "late":
                plan = Plan(delay + (fault.seconds or 0))
            elif fault.kind == "reorder":
                longest = HELD_FOR_A_NAMED_ONE if fault.until else fault.seconds or 0
                plan = Plan(delay + longest, held=True, until=fault.until)
        made = [self._world.callbacks.send(outgoing, plan)]
        if fault is not None and (fault.kind in {"duplicate", "reply_lost"} or fault.also_true):
            made.append(self._world.callbacks.send(self._outgoing(event, account, None), plan))
        return [each.id for each in made]

    def resend(self, event: Event) -> Outgoing | None:
        """Once more, as from the dashboard: whatever was ordered, this one is true."""
        account = self._world.accounts.get(event.account)
        if account is None or not account.webhook_url:
            return None
        return self._world.callbacks.send(self._outgoing(event, account, None))

    def _outgoing(self, event: Event, account: Account, fault: Fault | None) -> Outgoing:
        shape = event.body if fault is None else bend(event.body, fault, self._world)
        body = json.dumps(shape, ensure_ascii=False, separators=(",", ":"))
        secret = account.webhook_secret
        if fault is not None and fault.kind in {"forged", "other_mode"}:
            secret = "" if fault.code == MISSING else fault.code or FORGER
        signing = {"signature": shapes.signature(body.encode(), secret=secret)} if secret else {}
        return Outgoing(
            processor=PROCESSOR,
            account=account.id,
            subject=event.subject,
            label=event.type,
            reference=event.id,
            url=account.webhook_url,
            body=body,
            created_at=self._world.clock(),
            livemode=account.id.startswith("rzp_live_"),
            faults=[fault.kind] if fault else [],
            signing=signing,
        )


def _sign(outgoing: Outgoing, at: float) -> dict[str, str]:
    signature = outgoing.signing.get("signature")
    signed = {"X-Razorpay-Signature": str(signature)} if signature else {}
    return {"User-Agent": "Razorpay-Webhook/v1", "X-Razorpay-Event-Id": outgoing.reference, **signed}


def bend(body: Json, fault: Fault, world: World) -> Json:
    """A copy of the event with the ordered untruth in it."""
    bent: Json = json.loads(json.dumps(body))
    new: dict[str, str] = {}
    for holder in bent["payload"].values():
        entity = holder["entity"]
        if fault.kind == "wrong_amount":
            for name in ("amount", "amount_paid"):
                if entity.get(name):
                    entity[name] = fault.amount if fault.amount is not None else entity[name] + 1
        elif fault.kind == "wrong_currency":
            entity["currency"] = fault.currency or ("USD" if entity.get("currency") != "USD" else "INR")
        elif fault.kind == "unknown_reference":
            if "notes" in entity:
                entity["notes"] = []
            for name in ("id", "order_id", "payment_id"):
                if isinstance(known := entity.get(name), str):
                    entity[name] = new.setdefault(known, world.new_id(known.split("_")[0]))
    return bent
