"""Refunds: capped by what was captured, at once or after a while, and able to fail even after success."""

from __future__ import annotations

from gateway.simulators.stripe import outcomes, params, shapes
from gateway.simulators.stripe.errors import ApiError, missing, unexpected_state
from gateway.simulators.stripe.outcomes import Impossible
from gateway.simulators.stripe.params import integer, one_of, text
from gateway.simulators.stripe.rows import Charge, Refund
from gateway.simulators.stripe.world import Caller, World
from gateway.simulators.wire import Json

CREATE: dict[str, params.Reader] = {
    "payment_intent": text(),
    "charge": text(),
    "amount": integer,
    "reason": one_of("duplicate", "fraudulent", "requested_by_customer"),
    "metadata": params.metadata,
    "instructions_email": text(),
    **params.EXPAND,
}
UPDATE: dict[str, params.Reader] = {"metadata": params.metadata, **params.EXPAND}
COUNTED = {"pending", "requires_action", "succeeded"}


def check_create(wanted: Json) -> None:
    if not wanted.get("payment_intent") and not wanted.get("charge"):
        raise ApiError(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
            param="payment_intent",
        )
    if "amount" in wanted and wanted["amount"] < 1:
        raise ApiError("Invalid positive integer", code="parameter_invalid_integer", param="amount")


def charge_to_refund(world: World, caller: Caller, wanted: Json) -> Charge:
    if key := wanted.get("payment_intent"):
        intent = world.find(world.intents, key, caller, "payment_intent", "payment_intent")
        charge = world.charge_of(intent)
        if intent.status != "succeeded" or charge is None:
            raise unexpected_state(
                f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
                payment_intent=shapes.intent(world, intent),
            )
        if wanted.get("charge") not in {None, charge.id}:
            raise missing("charge", wanted["charge"], param="charge")
        return charge
    charge = world.find(world.charges, wanted["charge"], caller, "charge", "charge")
    if not charge.is_captured:
        raise ApiError(
            "This charge is not captured; cancel its PaymentIntent instead.",
            code="charge_not_refundable",
            param="charge",
            is_kept=True,
        )
    return charge


def create(world: World, caller: Caller, wanted: Json, then: str = "", seconds: float | None = None) -> Json:
    """`then`: what an ordered fault makes of it later, `succeeded` or `failed`; at once it is only pending."""
    charge = charge_to_refund(world, caller, wanted)
    row = make(world, charge, wanted.get("amount"), wanted.get("reason"), wanted.get("metadata") or {}, then, seconds)
    return shapes.refund(row)


def make(
    world: World,
    charge: Charge,
    amount: int | None,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
    then: str = "",
    seconds: float | None = None,
) -> Refund:
    left = charge.amount_captured - charge.amount_refunded
    if charge.is_disputed:
        raise ApiError(
            f"Charge {charge.id} has been charged back; it cannot be refunded.", code="charge_disputed", is_kept=True
        )
    if left == 0:
        raise ApiError(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded", is_kept=True)
    amount = left if amount is None else amount
    if amount > left:
        raise ApiError(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).",
            param="amount",
            is_kept=True,
        )
    row = Refund(
        id=world.new_id("re"),
        account=charge.account,
        livemode=charge.livemode,
        created=world.now(),
        charge=charge.id,
        payment_intent=charge.payment_intent,
        amount=amount,
        currency=charge.currency,
        reason=reason,
        metadata=dict(metadata or {}),
        method=charge.method,
    )
    if then:
        row.status, row.pending_reason, row.settles_to = "pending", "processing", then
        row.settles_at = world.clock() + (world.settings.refund_seconds if seconds is None else seconds)
    world.refunds.save(row)
    _count(world, charge, amount)
    tell(world, row, "created")
    settle_later(world, row)
    return row


def settle_later(world: World, row: Refund) -> None:
    def settle() -> None:
        with world.lock:
            now = world.refunds.get(row.id)
            if now is not None and now.settles_at == due and now.status == "pending":
                finish(world, now, now.settles_to)

    due = row.settles_at
    if due is not None:
        world.timers.after(due - world.clock(), settle)


def finish(world: World, row: Refund, status: str, failure_reason: str = "unknown") -> Refund:
    """Pending → succeeded, failed or requires_action; succeeded → failed, for banks change their mind."""
    allowed = {
        "pending": {"succeeded", "failed", "requires_action"},
        "requires_action": {"succeeded", "failed"},
        "succeeded": {"failed"},
    }
    if status not in allowed.get(row.status, set()):
        raise Impossible(f"The refund is {row.status}; it cannot become {status}.")
    previous = {"status": row.status}
    row.status, row.pending_reason, row.settles_at = status, None, None
    if status == "failed":
        row.failure_reason = failure_reason
        _uncount(world, row)
    world.refunds.save(row)
    tell(world, row, "updated", previous)
    if status == "failed":
        tell(world, row, "failed")
    return row


def cancel(world: World, row: Refund) -> Json:
    if row.status != "requires_action":
        raise ApiError(f"Refund {row.id} cannot be canceled because it has a status of {row.status}.", is_kept=True)
    row.status, row.settles_at = "canceled", None
    _uncount(world, row)
    world.refunds.save(row)
    tell(world, row, "updated", {"status": "requires_action"})
    return shapes.refund(row)


def update(world: World, row: Refund, wanted: Json) -> Json:
    if "metadata" in wanted:
        row.metadata = params.merge_metadata(row.metadata, wanted["metadata"])
        world.refunds.save(row)
        tell(world, row, "updated")
    return shapes.refund(row)


def tell(world: World, row: Refund, what: str, previous: Json | None = None) -> None:
    """Stripe still sends the older `charge.refund.updated` beside `refund.updated`."""
    for type in [f"refund.{what}"] + (["charge.refund.updated"] if what == "updated" else []):
        world.emit(
            type,
            shapes.refund(row),
            account_id=row.account,
            livemode=row.livemode,
            subject=world.subject_of(row.payment_intent),
            previous=previous,
        )


def _count(world: World, charge: Charge, amount: int) -> None:
    previous = {"amount_refunded": charge.amount_refunded}
    charge.amount_refunded += amount
    world.charges.save(charge)
    outcomes.tell_charge(world, charge, "refunded", previous)


def _uncount(world: World, row: Refund) -> None:
    charge = world.charges.get(row.charge)
    assert charge is not None
    charge.amount_refunded -= row.amount
    world.charges.save(charge)
    outcomes.tell_charge(world, charge, "updated")
