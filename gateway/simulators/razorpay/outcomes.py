"""What becomes of an order: somebody tries to pay it, the bank says yes or no or nothing, the money is taken or let go.

Every function is called under the world's lock and answers with what it changed, or raises `Impossible`.
"""

from __future__ import annotations

from gateway.simulators.razorpay import shapes
from gateway.simulators.razorpay.rows import Dispute, Order, Payment, Refund
from gateway.simulators.razorpay.world import World
from gateway.simulators.wire import Json

# reason → (source, step, what the buyer reads)
FAILURES = {
    "payment_failed": ("bank", "payment_authorization", "The payment was declined by the bank."),
    "card_declined": ("issuer_bank", "payment_authorization", "The card was declined by its bank."),
    "insufficient_funds": ("customer", "payment_authorization", "There is not enough money in the account."),
    "payment_cancelled": ("customer", "payment_authentication", "The payment was cancelled by the buyer."),
    "payment_timed_out": ("customer", "payment_authentication", "The payment was not completed in time."),
    "payment_risk_check_failed": ("issuer_bank", "payment_authorization", "The payment failed a risk check."),
    "incorrect_otp": ("customer", "payment_authentication", "The one-time password was wrong."),
    "gateway_technical_error": ("gateway", "payment_authorization", "The bank could not be reached."),
}
PENDING = {
    "code": "BAD_REQUEST_ERROR",
    "description": "The payment is being processed by the bank.",
    "source": "bank",
    "step": "payment_authorization",
    "reason": "payment_pending",
}
DISPUTE_WORDS = ("under_review", "action_required", "won", "lost", "closed")


class Impossible(Exception):
    """Not in this state."""


def attempt(
    world: World,
    order: Order,
    *,
    method: str = "upi",
    email: str = "",
    contact: str = "",
    notes: dict[str, str] | None = None,
) -> Payment:
    """A buyer chose how to pay. A paid order takes no more tries by its page, but a late or a second one happens."""
    payment = world.payments.save(
        Payment(
            id=world.new_id("pay"),
            account=order.account,
            order=order.id,
            amount=order.amount,
            currency=order.currency,
            created=world.now(),
            method=method,
            email=email,
            contact=contact or "+919000090000",
            notes=dict(notes or {}),
        )
    )
    order.attempts += 1
    if order.status == "created":
        order.status = "attempted"
    world.orders.save(order)
    return payment


def authorize(world: World, payment: Payment) -> Payment:
    """The bank says yes: at once, after a while, or days after Razorpay had called it failed."""
    _need(payment, "created", "failed")
    order = world.order_of(payment)
    payment.status, payment.error, payment.settles_at = "authorized", {}, None
    world.payments.save(payment)
    is_second = order.status == "paid"
    takes = world.captures(order) and not is_second
    # The event of a payment that is captured in the same moment was seen with `captured: true` and the old status.
    tell(world, payment, "authorized", {**shapes.payment(payment), "captured": takes})
    if is_second:
        return let_go(world, payment)
    return capture(world, payment) if takes else payment


def capture(world: World, payment: Payment) -> Payment:
    _need(payment, "authorized")
    order = world.order_of(payment)
    if order.status == "paid":
        raise Impossible("The order is paid already.")
    payment.status, payment.captured = "captured", True
    order.status, order.amount_paid = "paid", order.amount
    world.payments.save(payment)
    world.orders.save(order)
    tell(world, payment, "captured")
    world.emit("order.paid", order, {"payment": shapes.payment(payment), "order": shapes.order(order)})
    link = world.links.get(order.link)
    if link is not None and link.status == "created":
        link.status = "paid"
        world.links.save(link)
        entities = {
            "payment_link": shapes.link(link, world.base_url, world.payments_of(order)),
            "order": shapes.order(order),
            "payment": shapes.payment(payment),
        }
        world.emit("payment_link.paid", order, entities)
    return payment


def fail(world: World, payment: Payment, reason: str = "") -> Payment:
    _need(payment, "created")
    reason = reason or "payment_failed"
    source, step, description = FAILURES.get(reason, ("bank", "payment_authorization", "The payment failed."))
    payment.status, payment.settles_at = "failed", None
    payment.error = {
        "code": "BAD_REQUEST_ERROR",
        "description": description,
        "source": source,
        "step": step,
        "reason": reason,
    }
    world.payments.save(payment)
    tell(world, payment, "failed")
    return payment


def wait(world: World, payment: Payment) -> Payment:
    """Neither yes nor no yet; it settles by itself after `settle_seconds`."""
    _need(payment, "created")
    payment.settles_at = world.clock() + world.settings.settle_seconds
    world.payments.save(payment)
    settle_later(world, payment)
    return payment


def settle_later(world: World, payment: Payment) -> None:
    def settle() -> None:
        with world.lock:
            now = world.payments.get(payment.id)
            if now is not None and now.status == "created" and now.settles_at == due:
                authorize(world, now)

    due = payment.settles_at
    if due is not None:
        world.timers.after(due - world.clock(), settle)


def let_go(world: World, payment: Payment) -> Payment:
    """Held and never captured: its time ran out, or another try had paid the order. The money goes back by itself."""
    _need(payment, "authorized")
    payment.status, payment.amount_refunded = "refunded", payment.amount
    world.payments.save(payment)
    refund = world.refunds.save(
        Refund(
            id=world.new_id("rfnd"),
            account=payment.account,
            payment=payment.id,
            amount=payment.amount,
            currency=payment.currency,
            created=world.now(),
        )
    )
    for what in ("created", "processed"):
        tell_refund(world, refund, what)
    return payment


def tell(world: World, payment: Payment, what: str, shape: Json | None = None) -> None:
    world.emit(f"payment.{what}", world.order_of(payment), {"payment": shape or shapes.payment(payment)})


def tell_refund(world: World, refund: Refund, what: str) -> None:
    payment = world.payments.get(refund.payment)
    assert payment is not None
    entities = {"refund": shapes.refund(refund), "payment": shapes.payment(payment)}
    world.emit(f"refund.{what}", world.order_of(payment), entities)


def open_dispute(world: World, payment: Payment, reason: str = "") -> Dispute:
    if payment.status != "captured" or payment.is_disputed:
        raise Impossible("Only a captured payment, and one that is not disputed yet, can be disputed.")
    row = world.disputes.save(
        Dispute(
            id=world.new_id("disp"),
            account=payment.account,
            payment=payment.id,
            amount=payment.amount,
            currency=payment.currency,
            created=world.now(),
            reason=reason or "processed_invalid_expired_card",
        )
    )
    payment.is_disputed = True
    world.payments.save(payment)
    tell_dispute(world, row, "created")
    return row


def move_dispute(world: World, row: Dispute, word: str) -> Dispute:
    if row.status in {"won", "lost", "closed"}:
        raise Impossible("This dispute is closed.")
    row.status = "open" if word == "action_required" else word
    world.disputes.save(row)
    if row.status in {"won", "lost", "closed"}:
        payment = world.payments.get(row.payment)
        assert payment is not None
        payment.is_disputed = False
        world.payments.save(payment)
    tell_dispute(world, row, word)
    return row


def tell_dispute(world: World, row: Dispute, what: str) -> None:
    payment = world.payments.get(row.payment)
    assert payment is not None
    entities = {"payment": shapes.payment(payment), "dispute": shapes.dispute(row)}
    world.emit(f"payment.dispute.{what}", world.order_of(payment), entities)


def _need(payment: Payment, *states: str) -> None:
    if payment.status not in states:
        raise Impossible(f"The payment is {payment.status}; this needs {' or '.join(states)}.")
