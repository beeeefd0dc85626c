"""What happens to a checkout: tries and their ends, expiry, refunds, captures, voids, chargebacks.

Every change is saved and told under the world's lock.
"""

from __future__ import annotations

from gateway.simulators.secure_processor.rows import Checkout, Transaction
from gateway.simulators.secure_processor.world import World

OUTCOMES = ("approve", "decline", "delay", "error", "incomplete")
# What a test card is refused with: the bank's code, the vendor's, the words.
REASONS = {
    "insufficient_funds": ("51", "F.0051", "Insufficient funds"),
    "do_not_honor": ("05", "F.0005", "Do not honor"),
    "expired_card": ("54", "F.0054", "Expired card"),
    "timeout": ("68", "F.0068", "Response timed out"),
}


class Impossible(Exception):
    """Not in this state."""


def attempt(world: World, checkout: Checkout, outcome: str, *, reason: str = "", is_late: bool = False) -> Transaction:
    """A buyer's try. `is_late` lets a token be paid whose time is over, as a slow bank does."""
    if checkout.finished and not is_late:
        raise Impossible("This token takes no further try.")
    if world.has_expired(checkout) and not is_late:
        raise Impossible("This token has expired.")
    latest = world.latest(checkout)
    if latest is not None and latest.status in {"pending", "incomplete"}:
        raise Impossible("A try is under way.")
    kind = "payment" if checkout.transaction_type == "charge" else checkout.transaction_type
    row = Transaction(
        id=world.new_uid(checkout.account),
        account=checkout.account,
        checkout=checkout.id,
        type=kind,
        status="incomplete",
        amount=checkout.amount,
        currency=checkout.currency,
        created=world.clock(),
        test=checkout.test,
        tracking_id=checkout.tracking_id,
        email=checkout.email,
    )
    checkout.tries += 1
    checkout.transaction = row.id
    if outcome == "approve":
        return settle(world, row, "successful")
    if outcome == "decline":
        return settle(world, row, "failed", reason=reason)
    if outcome == "error":
        return settle(world, row, "error")
    return wait(world, row, "pending" if outcome == "delay" else "incomplete")


def settle(world: World, row: Transaction, status: str, *, reason: str = "") -> Transaction:
    """The end of a try."""
    checkout = world.checkout_of(row)
    assert checkout is not None
    row.status, row.settles_at, row.settles_to = status, None, ""
    if status == "successful":
        row.paid, row.message, row.bank_code = world.clock(), "Successfully processed", "00"
    elif status == "error":
        row.message, row.code = "The bank's system does not answer", "E.1000"
    else:
        row.bank_code, row.code, row.message = REASONS.get(reason, REASONS["insufficient_funds"])
    checkout.status, checkout.message = status, row.message
    checkout.finished = status == "successful" or checkout.tries >= checkout.attempts
    return _told(world, checkout, row)


def wait(world: World, row: Transaction, status: str) -> Transaction:
    checkout = world.checkout_of(row)
    assert checkout is not None
    row.status, row.message = status, "The outcome is not known yet"
    checkout.status, checkout.message = status, row.message
    if status == "pending":
        row.settles_at, row.settles_to = world.clock() + world.settings.settle_seconds, "successful"
        settle_later(world, row)
    return _told(world, checkout, row)


def settle_later(world: World, row: Transaction) -> None:
    def work() -> None:
        with world.lock:
            present = world.transactions.get(row.id)
            if present is None or present.settles_at is None:
                return
            if present.type == "refund":
                end_refund(world, present, present.settles_to)
            else:
                settle(world, present, present.settles_to)

    world.timers.after((row.settles_at or 0) - world.clock(), work)


def expire(world: World, checkout: Checkout) -> Checkout:
    """The token's time is over, and the shop is told: in a shape of its own."""
    if checkout.finished:
        raise Impossible("This token is used up.")
    if not checkout.expired:
        checkout.expired, checkout.expires = True, min(checkout.expires, world.clock())
        if not checkout.status:
            checkout.status = "expired"
        world.checkouts.save(checkout)
        world.announce(checkout, None)
    return checkout


def refund(
    world: World, parent: Transaction, amount: int, *, reason: str, ends: str = "successful", waits: bool = False
) -> Transaction:
    row = _child(world, parent, "refund", amount, reason=reason)
    if waits:
        row.status, row.message = "pending", "The outcome is not known yet"
        row.settles_at, row.settles_to = world.clock() + world.settings.refund_seconds, ends
        settle_later(world, row)
        return _keep(world, row)
    return end_refund(world, row, ends)


def end_refund(world: World, row: Transaction, status: str) -> Transaction:
    row.status, row.settles_at, row.settles_to = status, None, ""
    if status == "successful":
        row.paid, row.message = world.clock(), "Successfully processed"
    else:
        row.code, row.message = "F.0001", "The refund was not accepted by the bank"
    return _keep(world, row)


def capture(world: World, parent: Transaction, amount: int) -> Transaction:
    row = _child(world, parent, "capture", amount)
    row.status, row.message, row.paid = "successful", "Successfully processed", world.clock()
    return _keep(world, row)


def void(world: World, parent: Transaction, amount: int) -> Transaction:
    row = _child(world, parent, "void", amount)
    row.status, row.message, row.paid = "successful", "Successfully processed", world.clock()
    return _keep(world, row)


def charge_back(world: World, parent: Transaction) -> Transaction:
    """From the bank, of a payment's whole amount, with the payment's own tracking id."""
    row = _child(world, parent, "chargeback", parent.amount, reason="Fraud: card absent environment")
    row.status, row.message, row.paid = "successful", "Successfully processed", world.clock()
    return _keep(world, row)


def _child(world: World, parent: Transaction, type: str, amount: int, *, reason: str = "") -> Transaction:
    return Transaction(
        id=world.new_uid(parent.account),
        account=parent.account,
        checkout=parent.checkout,
        type=type,
        status="pending",
        amount=amount,
        currency=parent.currency,
        created=world.clock(),
        test=parent.test,
        tracking_id=parent.tracking_id,
        parent=parent.id,
        reason=reason,
    )


def _keep(world: World, row: Transaction) -> Transaction:
    world.transactions.save(row)
    checkout = world.checkout_of(row)
    if checkout is not None:
        world.announce(checkout, row)
    return row


def _told(world: World, checkout: Checkout, row: Transaction) -> Transaction:
    world.transactions.save(row)
    world.checkouts.save(checkout)
    world.announce(checkout, row)
    return row
