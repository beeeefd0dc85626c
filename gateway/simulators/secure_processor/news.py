"""Callbacks on their way out: the shop's Basic credentials and an RSA signature over the body, and the ways an ordered
fault bends them.

A forged one's `code` says how: `other-key` (the default), `pss`, `sha1`, `missing`, `cut` (the signature's last sign
left out), `newline` (a body that is not quite the signed one), `basic` (another secret key, the signature right).
"""

from __future__ import annotations

import base64
import json
from functools import lru_cache

from gateway.simulators.callbacks import Outgoing, Plan
from gateway.simulators.faults import Fault
from gateway.simulators.secure_processor import rsa, shapes
from gateway.simulators.secure_processor.rows import Account, Checkout, Transaction
from gateway.simulators.secure_processor.world import World
from gateway.simulators.wire import Json

PROCESSOR = "secure_processor"
FORGER = "somebody-elses-secret"
HELD_FOR_A_NAMED_ONE = 60.0


class Messenger:
    def __init__(self, world: World) -> None:
        self._world = world
        world.tell = self.tell
        world.callbacks.register(PROCESSOR, self._sign, lambda outgoing: None)

    def tell(self, checkout: Checkout, transaction: Transaction | None) -> list[str]:
        """The ids of the callbacks made; none where there is no address. Without a transaction it is the checkout's."""
        world = self._world
        account = world.account_of(checkout)
        url = checkout.urls.get("notification_url") or (account.webhook_url if account else "")
        if account is None or not url:
            return []
        label = f"{transaction.type}.{transaction.status}" if transaction is not None else "checkout.expired"
        fault = world.faults.take("callback", payment=checkout.id, metadata=world.metadata(checkout), event=label)
        true = self._body(account, checkout, transaction)
        delay = world.telling.delay
        plan = Plan(delay)
        outgoing = self._outgoing(checkout, transaction, label, url, true, fault)
        if fault is not None:
            if fault.kind == "drop":
                outgoing.state = "dropped"
            elif fault.kind == "late":
                plan = Plan(delay + (fault.seconds or 0))
            elif fault.kind == "reorder":
                longest = HELD_FOR_A_NAMED_ONE if fault.until else fault.seconds or 0
                plan = Plan(delay + longest, held=True, until=fault.until)
        made = [world.callbacks.send(outgoing, plan)]
        if fault is not None and (fault.kind in {"duplicate", "reply_lost"} or fault.also_true):
            made.append(world.callbacks.send(self._outgoing(checkout, transaction, label, url, true, None), plan))
        return [each.id for each in made]

    def _body(self, account: Account, checkout: Checkout, transaction: Transaction | None) -> Json:
        if transaction is None:
            return shapes.checkout(self._world, checkout)
        is_flat = account.callbacks == "flat" or checkout.shape == "flat"
        if is_flat and transaction.type in shapes.OF_MONEY:
            return shapes.flat_callback(checkout, transaction)
        return {"transaction": shapes.transaction(self._world, transaction)}

    def _outgoing(
        self,
        checkout: Checkout,
        transaction: Transaction | None,
        label: str,
        url: str,
        true: Json,
        fault: Fault | None,
    ) -> Outgoing:
        bent = bend(true, fault, self._world) if fault is not None else true
        body = json.dumps(bent, ensure_ascii=False, separators=(",", ":"))
        forged = (fault.code or "other-key") if fault is not None and fault.kind == "forged" else ""
        signed = body
        if forged == "newline":
            body += "\n"
        return Outgoing(
            processor=PROCESSOR,
            account=checkout.account,
            subject=checkout.id,
            label=label,
            reference=transaction.id if transaction is not None else checkout.id,
            url=url,
            body=body,
            created_at=self._world.clock(),
            livemode=not checkout.test,
            faults=[fault.kind] if fault else [],
            signing={"forged": forged, "signed": signed} if forged else {},
        )

    def _sign(self, outgoing: Outgoing, at: float) -> dict[str, str]:
        account = self._world.accounts.get(outgoing.account)
        if account is None:
            return {}
        forged = str(outgoing.signing.get("forged") or "")
        message = str(outgoing.signing.get("signed") or outgoing.body).encode()
        secret = FORGER if forged == "basic" else account.secret_key
        headers = {
            "User-Agent": "beGateway",
            "Authorization": "Basic " + base64.b64encode(f"{account.id}:{secret}".encode()).decode(),
        }
        if forged != "missing":
            headers["Content-Signature"] = signature(message, account.private_key, forged)
        return headers


def signature(message: bytes, private_key: str, forged: str = "") -> str:
    key = another_key() if forged == "other-key" else key_of(private_key)
    if forged == "pss":
        return key.sign_pss(message)
    made = key.sign(message, digest="sha1" if forged == "sha1" else "sha256")
    return made.rstrip("=") if forged == "cut" else made


@lru_cache(maxsize=64)
def key_of(pem: str) -> rsa.PrivateKey:
    return rsa.load(pem)


@lru_cache(maxsize=1)
def another_key() -> rsa.PrivateKey:
    return rsa.new_key()


def bend(true: Json, fault: Fault, world: World) -> Json:
    """A copy of the body with the ordered untruth in it; truly signed."""
    bent: Json = json.loads(json.dumps(true))
    thing = bent.get("transaction") or bent
    order = thing.get("order") or thing
    if fault.kind == "wrong_amount" and "amount" in order:
        order["amount"] = fault.amount if fault.amount is not None else order["amount"] + 1
    elif fault.kind == "wrong_currency" and "currency" in order:
        order["currency"] = fault.currency or ("USD" if order["currency"] != "USD" else "EUR")
    elif fault.kind == "other_mode" and "test" in thing:
        thing["test"] = not thing["test"]
    elif fault.kind == "unknown_reference":
        nobody = "00000000-0000-4000-8000-000000000000"
        for name in ("tracking_id", "payment_token_id"):
            for holder in (thing, order, thing.get("metadata") or {}):
                if name in holder:
                    holder[name] = nobody
        for name in ("uid", "parent_uid"):
            if name in thing:
                thing[name] = world.new_uid("0")
        if "token" in thing:
            thing["token"] = world.new_token()
    return bent
