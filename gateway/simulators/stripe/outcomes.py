"""What becomes of a payment: the buyer approves, declines or makes us wait, the hold ends, the bank disputes.

Every function is called under the world's lock and answers with the payment as it then is, or raises `Impossible`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from gateway.simulators.stripe import shapes
from gateway.simulators.stripe.rows import Charge, Dispute, PaymentIntent
from gateway.simulators.stripe.world import World
from gateway.simulators.wire import Json

DECLINES = {
    "payment_method_customer_decline": "The buyer declined the payment in Cash App.",
    "payment_method_provider_decline": "Cash App declined the payment.",
    "payment_intent_authentication_failure": "The buyer could not be authenticated.",
    "payment_intent_payment_attempt_expired": "The buyer did not approve the payment in time.",
    "card_declined": "The payment was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
# Card refusals that are error codes of their own; every other word is the `decline_code` of `card_declined`.
CARD_CODES = {"expired_card", "incorrect_cvc", "incorrect_number", "processing_error", "authentication_required"}
FINAL = {"succeeded", "canceled"}


class Impossible(Exception):
    """The payment is in a state where this cannot happen."""


def tell(world: World, intent: PaymentIntent, what: str) -> None:
    world.emit(
        f"payment_intent.{what}",
        shapes.intent(world, intent),
        account_id=intent.account,
        livemode=intent.livemode,
        subject=world.subject_of(intent.id),
    )


def tell_charge(world: World, charge: Charge, what: str, previous: Json | None = None) -> None:
    world.emit(
        f"charge.{what}",
        shapes.charge_shape(world, charge),
        account_id=charge.account,
        livemode=charge.livemode,
        subject=world.subject_of(charge.payment_intent),
        previous=previous,
    )


def approve(world: World, intent: PaymentIntent) -> PaymentIntent:
    """The buyer agrees: the money is taken, or held where the seller captures by hand."""
    _need(intent, "requires_action", "processing")
    was = intent.status
    charge = _open_charge(world, intent)
    charge.status = "succeeded"
    intent.settles_at = None
    if intent.capture_method == "manual":
        intent.status = "requires_capture"
        intent.amount_capturable = intent.amount
    else:
        intent.status = "succeeded"
        intent.amount_received = charge.amount_captured = intent.amount
        charge.is_captured = True
    world.charges.save(charge)
    world.intents.save(intent)
    tell_charge(world, charge, "succeeded")
    tell(world, intent, "succeeded" if intent.status == "succeeded" else "amount_capturable_updated")
    world.intent_hook(intent, was)
    return intent


def delay(world: World, intent: PaymentIntent) -> PaymentIntent:
    """Neither yes nor no yet; it settles by itself after `settle_seconds`."""
    _need(intent, "requires_action")
    was = intent.status
    charge = _open_charge(world, intent)
    charge.status = "pending"
    intent.status = "processing"
    intent.settles_at = world.clock() + world.settings.settle_seconds
    world.charges.save(charge)
    world.intents.save(intent)
    tell_charge(world, charge, "pending")
    tell(world, intent, "processing")
    world.intent_hook(intent, was)
    settle_later(world, intent)
    return intent


def settle_later(world: World, intent: PaymentIntent) -> None:
    def settle() -> None:
        with world.lock:
            now = world.intents.get(intent.id)
            if now is not None and now.status == "processing" and now.settles_at == due:
                approve(world, now)

    due = intent.settles_at
    if due is not None:
        world.timers.after(due - world.clock(), settle)


def decline(world: World, intent: PaymentIntent, code: str = "") -> PaymentIntent:
    """This try fails; the payment goes back to wanting a payment method."""
    _need(intent, "requires_action", "processing", "requires_confirmation")
    was = intent.status
    is_card = intent.payment_method_type == "card"
    code = code or ("generic_decline" if is_card else "payment_method_customer_decline")
    decline_code = "generic_decline" if code == "card_declined" else ""
    if is_card and code not in CARD_CODES and not decline_code:
        code, decline_code = "card_declined", code
    message = "Your card was declined." if is_card and decline_code else DECLINES.get(code, "The payment failed.")
    charge = world.charge_of(intent) if intent.status == "processing" else None
    intent.last_payment_error = {
        "code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": message,
        "payment_method": {
            "id": intent.payment_method,
            "object": "payment_method",
            **({"card": {"brand": "visa", "last4": "0002"}} if is_card else {"cashapp": {}}),
            "type": "card" if is_card else "cashapp",
            "livemode": intent.livemode,
            "metadata": {},
        },
        "type": "card_error" if is_card or code == "card_declined" else "invalid_request_error",
    }
    if decline_code:
        intent.last_payment_error["decline_code"] = decline_code
    intent.status = "requires_payment_method"
    intent.payment_method = None
    intent.settles_at = None
    world.intents.save(intent)
    if charge is not None:
        charge.status, charge.failure_code, charge.failure_message = "failed", code, message
        world.charges.save(charge)
        tell_charge(world, charge, "failed")
    tell(world, intent, "payment_failed")
    world.intent_hook(intent, was)
    return intent


def expire(world: World, intent: PaymentIntent) -> PaymentIntent:
    """Time runs out: an approval that never came fails the try, a hold that nobody captured ends the payment."""
    _need(intent, "requires_action", "requires_capture")
    if intent.status == "requires_action":
        return decline(world, intent, "payment_intent_payment_attempt_expired")
    return end(world, intent, "automatic")


def settle(world: World, intent: PaymentIntent) -> PaymentIntent:
    """A processing payment succeeds now."""
    _need(intent, "processing")
    return approve(world, intent)


def end(world: World, intent: PaymentIntent, reason: str | None) -> PaymentIntent:
    """Cancelled, by the seller or by time; a hold is given back."""
    charge = world.charge_of(intent) if intent.status == "requires_capture" else None
    intent.status = "canceled"
    intent.canceled_at = world.now()
    intent.cancellation_reason = reason
    intent.amount_capturable = 0
    world.intents.save(intent)
    if charge is not None:
        charge.amount_refunded = charge.amount
        world.charges.save(charge)
        tell_charge(world, charge, "refunded")  # captured: false, so this is a void
    tell(world, intent, "canceled")
    return intent


def open_dispute(world: World, intent: PaymentIntent, reason: str = "fraudulent") -> Dispute:
    charge = world.charge_of(intent)
    if intent.status != "succeeded" or charge is None or charge.is_disputed:
        raise Impossible("Only a payment that succeeded, and is not disputed yet, can be disputed.")
    dispute = world.disputes.save(
        Dispute(
            id=world.new_id("dp"),
            account=intent.account,
            livemode=intent.livemode,
            created=world.now(),
            charge=charge.id,
            payment_intent=intent.id,
            amount=charge.amount_captured,
            currency=charge.currency,
            reason=reason,
        )
    )
    charge.is_disputed = True
    world.charges.save(charge)
    for what in ("created", "funds_withdrawn"):
        tell_dispute(world, dispute, what)
    return dispute


def close_dispute(world: World, dispute: Dispute, outcome: str) -> Dispute:
    """Won or lost; `under_review` is only the bank's reading of what the seller sent in."""
    if dispute.status in {"won", "lost"}:
        raise Impossible("This dispute is closed.")
    dispute.status = outcome
    world.disputes.save(dispute)
    if outcome == "under_review":
        tell_dispute(world, dispute, "updated")
        return dispute
    tell_dispute(world, dispute, "closed")
    if outcome == "won":
        charge = world.charges.get(dispute.charge)
        assert charge is not None
        charge.is_disputed = False
        world.charges.save(charge)
        tell_dispute(world, dispute, "funds_reinstated")
    return dispute


def tell_dispute(world: World, dispute: Dispute, what: str) -> None:
    world.emit(
        f"charge.dispute.{what}",
        shapes.dispute(dispute),
        account_id=dispute.account,
        livemode=dispute.livemode,
        subject=world.subject_of(dispute.payment_intent),
    )


OUTCOMES: dict[str, Callable[[World, PaymentIntent], PaymentIntent]] = {
    "approve": approve,
    "decline": decline,
    "delay": delay,
    "settle": settle,
    "expire": expire,
}


def _need(intent: PaymentIntent, *states: str) -> None:
    if intent.status not in states:
        raise Impossible(f"The payment is {intent.status}; this needs {' or '.join(states)}.")


def _open_charge(world: World, intent: PaymentIntent) -> Charge:
    if intent.status == "processing" and (charge := world.charge_of(intent)) is not None:
        return charge
    seed = hashlib.sha256(intent.id.encode()).hexdigest()
    charge = Charge(
        id=world.new_id("ch"),
        account=intent.account,
        livemode=intent.livemode,
        created=world.now(),
        payment_intent=intent.id,
        amount=intent.amount,
        currency=intent.currency,
        payment_method=intent.payment_method or world.new_id("pm"),
        metadata=dict(intent.metadata),
        description=intent.description,
        receipt_email=intent.receipt_email,
        buyer_id=f"buyer_{seed[:20]}",
        cashtag="$labbuyer",
        transaction_id=f"txn_{seed[20:44]}",
        method=intent.payment_method_type or "cashapp",
        email=_email_of(world, intent),
    )
    intent.latest_charge = charge.id
    return charge


def _email_of(world: World, intent: PaymentIntent) -> str:
    session = world.sessions.get(intent.session)
    return session.email if session else ""
