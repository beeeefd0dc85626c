"""Events on their way out: the signed callback, and the ways an ordered fault bends it.

`Stripe-Signature: t=<unix>,v1=<hex HMAC-SHA256(secret text, "<t>.<raw body>")>[,v1=…]`, made anew for every try.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from gateway.simulators.callbacks import Outgoing, Plan
from gateway.simulators.faults import Fault
from gateway.simulators.stripe import shapes
from gateway.simulators.stripe.rows import Account, Event
from gateway.simulators.stripe.world import World
from gateway.simulators.wire import Json

PROCESSOR = "stripe"
FORGER = "whsec_somebody_elses_secret"
OLD_SECONDS = 3600.0
HELD_FOR_A_NAMED_ONE = 60.0
AMOUNTS = (
    *("amount", "amount_received", "amount_captured", "amount_capturable", "amount_refunded"),
    *("amount_subtotal", "amount_total"),
)


class Messenger:
    """Turns each event of the world into callbacks to the account's endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.emit_hook = self.announce
        world.callbacks.register(PROCESSOR, self._sign, self._delivered)

    def announce(self, event: Event, account: Account) -> list[str]:
        """The ids of the callbacks made; none where the account has no endpoint in this mode."""
        if not event.pending_webhooks:
            return []
        fault = self._world.take_fault(
            "callback", payment=event.subject, metadata=self._metadata(event), event=event.type
        )
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
        if fault is not None and (fault.kind == "duplicate" or fault.also_true):
            made.append(self._world.callbacks.send(self._outgoing(event, account, None), plan))
        return [each.id for each in made]

    def resend(self, event: Event) -> Outgoing | None:
        """Once more, as from the dashboard: whatever was ordered, this one is true."""
        account = self._world.accounts.get(event.account)
        endpoint = self._world.endpoint(account, event.livemode) if account else None
        if account is None or endpoint is None or not endpoint.url:
            return None
        return self._world.callbacks.send(self._outgoing(event, account, None))

    def _outgoing(self, event: Event, account: Account, fault: Fault | None) -> Outgoing:
        endpoint = self._world.endpoint(account, event.livemode)
        assert endpoint is not None
        shape = shapes.event(event)
        shape["pending_webhooks"] = 1
        signing: dict[str, Any] = {}
        if fault is not None:
            shape = bend(shape, fault, self._world)
            if fault.kind in {"forged", "old_timestamp", "two_v1"}:
                signing = {"bent": fault.kind, "seconds": fault.seconds}
        return Outgoing(
            processor=PROCESSOR,
            account=account.id,
            subject=event.subject,
            label=event.type,
            reference=event.id,
            url=endpoint.url,
            body=json.dumps(shape, indent=2, ensure_ascii=False),
            created_at=self._world.clock(),
            livemode=event.livemode,
            faults=[fault.kind] if fault else [],
            signing=signing,
        )

    def _sign(self, outgoing: Outgoing, at: float) -> dict[str, str]:
        account = self._world.accounts.get(outgoing.account)
        endpoint = self._world.endpoint(account, outgoing.livemode) if account else None
        secrets = endpoint.secrets if endpoint else []
        bent = outgoing.signing.get("bent")
        if bent == "forged":
            secrets = [FORGER]
        elif bent == "two_v1":
            secrets = [FORGER, *secrets]
        elif bent == "old_timestamp":
            at -= outgoing.signing.get("seconds") or OLD_SECONDS
        return {
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Cache-Control": "no-cache",
            "Stripe-Signature": signature(outgoing.body.encode(), secrets, int(at)),
        }

    def _delivered(self, outgoing: Outgoing) -> None:
        with self._world.lock:
            event = self._world.events.get(outgoing.reference)
            if event is not None and event.pending_webhooks:
                event.pending_webhooks = 0
                self._world.events.save(event)

    def _metadata(self, event: Event) -> dict[str, str]:
        row = self._world.sessions.get(event.subject) or self._world.intents.get(event.subject)
        return row.metadata if row else {}


def signature(body: bytes, secrets: list[str], at: int) -> str:
    parts = [f"t={at}"]
    for secret in secrets:
        digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        parts.append(f"v1={digest}")
    return ",".join(parts)


def bend(shape: Json, fault: Fault, world: World) -> Json:
    """A copy of the event with the ordered untruth in it."""
    bent: Json = json.loads(json.dumps(shape))
    thing = bent["data"]["object"]
    if fault.kind == "wrong_amount":
        for name in AMOUNTS:
            if thing.get(name):
                thing[name] = fault.amount if fault.amount is not None else thing[name] + 1
    elif fault.kind == "wrong_currency":
        thing["currency"] = fault.currency or ("eur" if thing.get("currency") != "eur" else "usd")
    elif fault.kind == "other_mode":
        bent["livemode"] = not bent["livemode"]
        if "livemode" in thing:
            thing["livemode"] = bent["livemode"]
    elif fault.kind == "unknown_reference":
        bent["id"] = world.new_id("evt")
        thing["metadata"] = {}
        for name in ("id", "payment_intent", "charge", "latest_charge"):
            if isinstance(thing.get(name), str):
                thing[name] = world.new_id(thing[name].rpartition("_")[0])
    return bent
