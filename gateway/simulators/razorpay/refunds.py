"""Refunds: capped by what was captured, once for each idempotency key, at once or after a while, and able to fail."""

from __future__ import annotations

import hashlib
import json
import re

from gateway.simulators.razorpay import outcomes, strict
from gateway.simulators.razorpay.errors import ApiError, unclear
from gateway.simulators.razorpay.outcomes import Impossible
from gateway.simulators.razorpay.rows import Payment, Refund
from gateway.simulators.razorpay.world import World
from gateway.simulators.wire import Json

FIELDS = {"amount", "speed", "notes", "receipt"}
KEY = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def create(world: World, payment: Payment, given: Json, *, key: str, then: str = "", seconds: float | None) -> Refund:
    """`then`: what an ordered fault makes of it later, `processed` or `failed`; at once it is only pending."""
    strict.only(given, FIELDS)
    meaning = hashlib.sha256(json.dumps([payment.id, given], sort_keys=True).encode()).hexdigest()
    if key:
        if len(key) < 10:
            raise unclear("The idempotency key must be at least 10 characters long.")
        if not KEY.fullmatch(key):
            raise unclear("The idempotency key must only contain alphanumeric characters, underscores, and hyphens")
        for known in world.refunds.all():
            if known.account == payment.account and known.key == key:
                if known.fingerprint != meaning:
                    words = "Different request with the same idempotency key has already been processed."
                    raise unclear(words, status=409)
                return known
    if given.get("speed", "normal") not in ("normal", "optimum"):
        raise ApiError("The selected speed is invalid.", field="speed")
    amount = strict.amount(given, currency=payment.currency) if "amount" in given else None
    receipt, notes = strict.text(given, "receipt", longest=40), strict.notes(given)
    row = make(world, payment, amount, receipt=receipt, notes=notes, then=then, seconds=seconds)
    row.speed, row.key, row.fingerprint = str(given.get("speed", "normal")), key, meaning
    return world.refunds.save(row)


def make(
    world: World,
    payment: Payment,
    amount: int | None,
    *,
    receipt: str = "",
    notes: dict[str, str] | None = None,
    then: str = "",
    seconds: float | None = None,
) -> Refund:
    if payment.status == "refunded":
        raise unclear("The payment has been fully refunded already")
    if payment.status != "captured":
        raise unclear("The payment status should be captured for action to be taken")
    if payment.is_disputed:
        raise unclear("The payment is disputed; it cannot be refunded")
    left = payment.amount - payment.amount_refunded
    amount = left if amount is None else amount
    if amount > left:
        raise ApiError("The refund amount provided is greater than amount captured", field="amount")
    row = Refund(
        id=world.new_id("rfnd"),
        account=payment.account,
        payment=payment.id,
        amount=amount,
        currency=payment.currency,
        created=world.now(),
        receipt=receipt,
        notes=dict(notes or {}),
    )
    if then:
        row.status, row.settles_to = "pending", then
        row.settles_at = world.clock() + (world.settings.refund_seconds if seconds is None else seconds)
    payment.amount_refunded += amount
    if payment.amount_refunded == payment.amount:
        payment.status = "refunded"
    world.payments.save(payment)
    world.refunds.save(row)
    outcomes.tell_refund(world, row, "created")
    if row.status == "processed":
        outcomes.tell_refund(world, row, "processed")
    settle_later(world, row)
    return row


def settle_later(world: World, row: Refund) -> None:
    def settle() -> None:
        with world.lock:
            now = world.refunds.get(row.id)
            if now is not None and now.status == "pending" and now.settles_at == due:
                finish(world, now, now.settles_to)

    due = row.settles_at
    if due is not None:
        world.timers.after(due - world.clock(), settle)


def finish(world: World, row: Refund, status: str) -> Refund:
    """Pending → processed or failed; a failed one gives its amount back to the payment."""
    if row.status != "pending":
        raise Impossible(f"The refund is {row.status}; it cannot become {status}.")
    row.status, row.settles_at = status, None
    world.refunds.save(row)
    if status == "failed":
        payment = world.payments.get(row.payment)
        assert payment is not None
        payment.amount_refunded -= row.amount
        payment.status = "captured"
        world.payments.save(payment)
    outcomes.tell_refund(world, row, status)
    return row
