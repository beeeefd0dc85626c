"""Answers to the processors that ask first: Payme, Click, Uzum, and Multicard's success callback.

One set of rules for all of them; their codes live in the adapters. Everything is decided under the order's lock
in one transaction, so that two calls at once get the answers that two calls in a row would get. A refusal changes
nothing, but that a reservation whose time is over is ended when it is looked at.

`accounts` is the set that the caller's credential stands for: only orders and transactions of that set exist.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from checkout import receipt_lines, refunds, siblings, transitions
from checkout.models import Order, Payment, ProcessorTransaction
from gateway import registry
from gateway.money import Money
from gateway.questions import (
    Answer,
    Cancel,
    Check,
    Create,
    Done,
    Fiscal,
    No,
    Noted,
    Payable,
    Perform,
    Question,
    Refusal,
    Snapshot,
    State,
    Statement,
    Status,
    Transactions,
)
from gateway.types import RefundOutcome, RefundReport
from providers.models import MerchantAccount

logger = logging.getLogger(__name__)
Accounts = Sequence[MerchantAccount]
# Their clock may run ahead of ours; a reservation never lasts longer for it than this.
CLOCK_SKEW = timedelta(minutes=5)
STATEMENT_LIMIT = 10_000
# What may still turn into money, or wants people to decide whether it did.
UNSETTLED = [*Payment.OPEN, Payment.Status.REVIEW]


def answer(question: Question, *, accounts: Accounts, cause: str, now: datetime) -> Answer:
    """Decide one question. Any exception that leaves here is ours: the protocol says "ask again"."""
    match question:
        case Check():
            return _check(question, accounts=accounts, now=now)
        case Create():
            return _create(question, accounts=accounts, cause=cause, now=now)
        case Perform():
            return _perform(question, accounts=accounts, cause=cause, now=now)
        case Cancel():
            return _cancel(question, accounts=accounts, cause=cause, now=now)
        case Status():
            return _status(question, accounts=accounts, cause=cause, now=now)
        case Statement():
            return _statement(question, accounts=accounts)
        case Fiscal():
            return _fiscal(question, accounts=accounts)


# --- may it be paid? ----------------------------------------------------------------------------------------------


def _check(question: Check, *, accounts: Accounts, now: datetime) -> Answer:
    with transaction.atomic():
        found = _lock_order(question.reference, accounts)
        if found is None:
            return No(Refusal.UNKNOWN_ORDER)
        order, account = found
        why = _why_not(order, account, now=now)
        if why is None and question.money is not None and question.money != order.money:
            why = Refusal.WRONG_AMOUNT
        return No(why) if why else Payable(money=order.money, items=receipt_lines.items_of(order.items))


def _lock_order(reference: str, accounts: Accounts) -> tuple[Order, MerchantAccount] | None:
    """The order and the account of the set that it is paid to, or None for what does not exist in this set."""
    try:
        order = transitions.lock_order(UUID(reference.strip()))
    except (ValueError, Order.DoesNotExist):
        return None
    account = next(
        (
            account
            for account in accounts
            if (account.provider_id, account.business_id, account.mode)
            == (order.provider_id, order.business_id, order.mode)
        ),
        None,
    )
    return (order, account) if account is not None else None


def _why_not(
    order: Order, account: MerchantAccount, *, now: datetime, still_open: list[Payment] | None = None
) -> Refusal | None:
    """Why it cannot be paid to this account now. `still_open` where the caller has read its open payments."""
    if order.status in (Order.Status.PAID, Order.Status.REFUNDED) or siblings.is_any_paid(order):
        return Refusal.ALREADY_PAID
    if order.status in (Order.Status.CANCELLED, Order.Status.EXPIRED) or order.expires_at <= now:
        return Refusal.ORDER_ENDED
    if not account.is_usable:
        return Refusal.UNKNOWN_ORDER
    if order.closing_until and order.closing_until > now:
        return Refusal.ORDER_BUSY
    if still_open is None:
        still_open = _open_payments(order)
    if any(_can_capture_elsewhere(payment, now=now) for payment in still_open):
        return Refusal.ORDER_BUSY
    return None


def _open_payments(order: Order) -> list[Payment]:
    return list(order.payments.filter(status__in=UNSETTLED).prefetch_related("processor_transactions"))


def _can_capture_elsewhere(payment: Payment, *, now: datetime) -> bool:
    """Whether an open payment could take the money without asking us, or holds a reservation that is alive."""
    if payment.status != Payment.Status.PENDING or not registry.get(payment.processor).capabilities.asks_first:
        return True
    return any(
        row.state == ProcessorTransaction.State.CREATED and row.expires_at > now
        for row in payment.processor_transactions.all()
    )


# --- reserve ------------------------------------------------------------------------------------------------------


def _create(question: Create, *, accounts: Accounts, cause: str, now: datetime) -> Answer:
    try:
        with transaction.atomic():
            known = _find(question.transaction_ref, accounts)
            if known is not None:
                return _repeated_create(known, question, cause=cause, now=now)
            found = _lock_order(question.reference, accounts)
            if found is None:
                return No(Refusal.UNKNOWN_ORDER)
            order, account = found
            # Now that the order is locked: the same call may have run beside us.
            known = _find(question.transaction_ref, accounts)
            if known is not None:
                return _repeated_create(known, question, cause=cause, now=now)
            return _reserve(question, order, account, cause=cause, now=now)
    except IntegrityError:
        # The same transaction for two orders at once: whoever was first keeps it.
        logger.warning("transaction %s was created twice at once", question.transaction_ref)
        known = _find(question.transaction_ref, accounts)
        if known is None:
            raise
        return No(Refusal.NOT_SAME_CONTENT, _snapshot(known))


def _repeated_create(known: ProcessorTransaction, question: Create, *, cause: str, now: datetime) -> Answer:
    row = _lock(known)
    if not _is_order(row, question.reference) or Money(row.amount_minor, row.currency) != question.money:
        return No(Refusal.NOT_SAME_CONTENT, _snapshot(row))
    if row.state != ProcessorTransaction.State.CREATED:
        return No(Refusal.WRONG_STATE, _snapshot(row))
    if _end_if_expired(row, cause=cause, now=now):
        return No(Refusal.TRANSACTION_EXPIRED, _snapshot(row))
    return Done(_snapshot(row), is_repeat=True)


def _reserve(question: Create, order: Order, account: MerchantAccount, *, cause: str, now: datetime) -> Answer:
    lifetime = timedelta(seconds=registry.get(account.processor).capabilities.reservation_seconds)
    started = min(question.their_time or now, now + CLOCK_SKEW)
    still_open = _open_payments(order)
    for payment in still_open:
        # A reservation whose time is over does not hold the order, whether the sweep has seen it or not.
        for row in payment.processor_transactions.all():
            if row.state == ProcessorTransaction.State.CREATED:
                row.payment, payment.order = payment, order
                _end_if_expired(row, cause=cause, now=now)
    still_open = [payment for payment in still_open if payment.status in UNSETTLED]
    why = _why_not(order, account, now=now, still_open=still_open)
    if why is None and question.money != order.money:
        why = Refusal.WRONG_AMOUNT
    if why is not None:
        return No(why)
    if now - started >= lifetime:
        return No(Refusal.TRANSACTION_EXPIRED)
    payment = _payment_for(question, order, account, still_open, cause=cause, now=now)
    row = ProcessorTransaction.objects.create(
        account=account,
        order=order,
        payment=payment,
        transaction_ref=question.transaction_ref,
        amount_minor=order.amount_minor,
        currency=order.currency,
        their_time=question.their_time,
        details=dict(question.details),
        created_at=now,
        expires_at=started + lifetime,
    )
    transitions.reserved(payment, cause=cause, now=now, transaction_ref=question.transaction_ref)
    return Done(_snapshot(row))


def _payment_for(
    question: Create,
    order: Order,
    account: MerchantAccount,
    still_open: list[Payment],
    *,
    cause: str,
    now: datetime,
) -> Payment:
    """The open payment that leads to this account, else a new one; what waits elsewhere is ended on our side."""
    mine = None
    for payment in still_open:
        payment.order = order
        if payment.account_id == account.pk and not payment.processor_ref:
            mine = payment
        else:
            transitions.end_payment(payment, Payment.Status.CANCELLED, cause=cause, now=now)
    if mine is None:
        mine = Payment(
            order=order,
            account=account,
            processor=account.processor,
            amount_minor=order.amount_minor,
            currency=order.currency,
            created_at=now,
            updated_at=now,
        )
        transitions.begin(order, mine, cause=cause, now=now)
        transitions.progress(mine, Payment.Status.PENDING, cause=cause, now=now)
    transitions.keep_reference(mine, question.transaction_ref, question.details, now=now)
    return mine


# --- settle -------------------------------------------------------------------------------------------------------


def _perform(question: Perform, *, accounts: Accounts, cause: str, now: datetime) -> Answer:
    with transaction.atomic():
        if accounts and not registry.get(accounts[0].processor).capabilities.asks_first:
            return _settle(question, accounts=accounts, cause=cause, now=now)
        known = _find(question.transaction_ref, accounts)
        if known is None or not _is_the_one(known, question.reference, question.our_number):
            return No(Refusal.UNKNOWN_TRANSACTION)
        row = _lock(known)
        if row.state == ProcessorTransaction.State.PERFORMED:
            return Done(_snapshot(row), is_repeat=True)
        if row.state != ProcessorTransaction.State.CREATED:
            return No(Refusal.WRONG_STATE, _snapshot(row))
        if _end_if_expired(row, cause=cause, now=now):
            return No(Refusal.TRANSACTION_EXPIRED, _snapshot(row))
        money = Money(row.amount_minor, row.currency)
        if question.money is not None and question.money != money:
            return No(Refusal.WRONG_AMOUNT, _snapshot(row))
        payment = row.payment
        if payment.order.status in (Order.Status.PAID, Order.Status.REFUNDED) or siblings.is_any_paid(payment.order):
            # The money is still the processor's to give back: refuse, and let go of the order.
            transitions.end_payment(payment, Payment.Status.CANCELLED, cause=cause, now=now)
            row.refresh_from_db()
            return No(Refusal.ALREADY_PAID, _snapshot(row))
        if payment.status not in Payment.OPEN:
            return No(Refusal.WRONG_STATE, _snapshot(row))
        transitions.keep_reference(payment, question.transaction_ref, question.details, now=now)
        transitions.capture(payment, money=money, cause=cause, now=now)
        _write(row, state=ProcessorTransaction.State.PERFORMED, performed_at=now)
        return Done(_snapshot(row))


# --- settle without a reservation ---------------------------------------------------------------------------------


def _settle(question: Perform, *, accounts: Accounts, cause: str, now: datetime) -> Answer:
    """Multicard asks once, when the buyer is debited already: a refusal sends the money back to him."""
    found = _lock_order(question.reference, accounts)
    payment = _try_of(found[0], accounts, question) if found else None
    if found is None or payment is None:
        return No(Refusal.UNKNOWN_ORDER)
    order, _account = found
    payment.order = order
    told = _as_snapshot(payment, question)
    if payment.status == Payment.Status.CAPTURED:
        is_repeat = payment.processor_data.get("payment_uuid") == question.transaction_ref
        return Done(told, is_repeat=True) if is_repeat else No(Refusal.ALREADY_PAID, told)
    store = payment.processor_data.get("store_id")
    if store and store != question.details.get("store_id", store):
        return No(Refusal.UNKNOWN_ORDER)
    if order.status in (Order.Status.PAID, Order.Status.REFUNDED) or siblings.is_any_paid(order):
        return No(Refusal.ALREADY_PAID, told)
    is_ended = order.status in (Order.Status.CANCELLED, Order.Status.EXPIRED)
    if is_ended or payment.status not in (*Payment.OPEN, Payment.Status.DECLINED, Payment.Status.REVIEW):
        return No(Refusal.ORDER_ENDED, told)
    others = [other for other in _open_payments(order) if other.pk != payment.pk]
    if payment.status == Payment.Status.REVIEW or any(_can_capture_elsewhere(other, now=now) for other in others):
        return No(Refusal.ORDER_BUSY, told)
    if question.money != order.money:
        return No(Refusal.WRONG_AMOUNT, told)
    transitions.keep_reference(payment, payment.processor_ref, question.details, now=now)
    transitions.capture(payment, money=order.money, cause=cause, now=now)
    return Done(told)


def _try_of(order: Order, accounts: Accounts, question: Perform) -> Payment | None:
    """The try that this is about: by our number where it came back, else the one that matters. Locked."""
    tries = list(order.payments.select_for_update(of=("self",)).filter(account__in=accounts).order_by("-created_at"))
    named = next((payment for payment in tries if str(payment.pk) == question.our_number), None)
    if question.our_number:
        return named
    same = (payment for payment in tries if payment.processor_data.get("payment_uuid") == question.transaction_ref)
    live = (payment for payment in tries if payment.status in Payment.OPEN)
    return next(same, None) or next(live, None) or (tries[0] if tries else None)


def _as_snapshot(payment: Payment, question: Perform) -> Snapshot:
    return Snapshot(
        transaction_ref=question.transaction_ref,
        reference=question.reference,
        our_number=str(payment.pk),
        money=payment.money,
        state=State.PERFORMED if payment.status == Payment.Status.CAPTURED else State.CREATED,
        their_time=None,
        created_at=payment.created_at,
        performed_at=payment.captured_at,
    )


# --- undo ---------------------------------------------------------------------------------------------------------


def _cancel(question: Cancel, *, accounts: Accounts, cause: str, now: datetime) -> Answer:
    with transaction.atomic():
        known = _find(question.transaction_ref, accounts)
        if known is None or not _is_the_one(known, question.reference, question.our_number):
            return No(Refusal.UNKNOWN_TRANSACTION)
        row = _lock(known)
        if row.state in (ProcessorTransaction.State.CANCELLED, ProcessorTransaction.State.REVERSED):
            return Done(_snapshot(row), is_repeat=True)
        if row.state == ProcessorTransaction.State.CREATED:
            transitions.end_payment(
                row.payment, Payment.Status.CANCELLED, cause=cause, now=now, note=f"reason {question.reason}"
            )
            _write(row, state=ProcessorTransaction.State.CANCELLED, cancelled_at=now, reason=question.reason[:40])
            return Done(_snapshot(row))
        if question.only_unpaid:
            # It says that the payment failed, and we have it as paid: nothing is undone, people are told.
            transitions.put_under_review(
                row.payment,
                reason=f"the processor reports {question.reason or 'a failure'} for a payment it had confirmed",
                reported=None,
                cause=cause,
                now=now,
            )
            return No(Refusal.NOT_REFUNDABLE, _snapshot(row))
        return _undo_performed(row, question, cause=cause, now=now)


def _undo_performed(row: ProcessorTransaction, question: Cancel, *, cause: str, now: datetime) -> Answer:
    payment = row.payment
    if payment.is_disputed or refunds.remaining_minor(payment, with_proposals=False) != payment.captured_minor:
        return No(Refusal.NOT_REFUNDABLE, _snapshot(row))
    # What waits for a second person is a wish of ours; this is the processor's own word.
    why = "the processor sends the payment back itself"
    refunds.withdraw_proposals(payment, why=why, cause=cause, now=now)
    report = RefundReport(
        reference="",
        processor_ref=f"{row.transaction_ref}/cancel",
        payment_processor_ref=row.transaction_ref,
        outcome=RefundOutcome.SUCCEEDED,
        money=Money(payment.captured_minor, payment.currency),
    )
    refunds.record_external(payment_id=payment.pk, report=report, cause=cause, now=now)
    _write(row, state=ProcessorTransaction.State.REVERSED, cancelled_at=now, reason=question.reason[:40])
    return Done(_snapshot(row))


# --- look ---------------------------------------------------------------------------------------------------------


def _status(question: Status, *, accounts: Accounts, cause: str, now: datetime) -> Answer:
    row = _find(question.transaction_ref, accounts)
    if row is None:
        return No(Refusal.UNKNOWN_TRANSACTION)
    if row.state == ProcessorTransaction.State.CREATED and row.expires_at <= now:
        with transaction.atomic():
            row = _lock(row)
            _end_if_expired(row, cause=cause, now=now)
    return Done(_snapshot(row))


def _statement(question: Statement, *, accounts: Accounts) -> Answer:
    rows = ProcessorTransaction.objects.filter(
        account__in=accounts, their_time__range=(question.since, question.until)
    ).order_by("their_time", "id")
    return Transactions(tuple(_snapshot(row) for row in rows[:STATEMENT_LIMIT]))


def _fiscal(question: Fiscal, *, accounts: Accounts) -> Answer:
    with transaction.atomic():
        known = _find(question.transaction_ref, accounts)
        if known is None:
            return No(Refusal.UNKNOWN_RECEIPT)
        row = _lock(known)
        _write(row, fiscal={**row.fiscal, question.kind: dict(question.data)})
    return Noted()


def end_expired_reservations(*, now: datetime, limit: int = 200) -> int:
    """Free the orders whose reservation was abandoned, even if its processor never calls again."""
    due = list(
        ProcessorTransaction.objects.filter(state=ProcessorTransaction.State.CREATED, expires_at__lte=now).order_by(
            "expires_at"
        )[:limit]
    )
    count = 0
    for known in due:
        with transaction.atomic():
            row = _lock(known)
            count += _end_if_expired(row, cause="expiry", now=now)
    return count


# --- rows ---------------------------------------------------------------------------------------------------------


def _find(transaction_ref: str, accounts: Accounts) -> ProcessorTransaction | None:
    return ProcessorTransaction.objects.filter(account__in=accounts, transaction_ref=transaction_ref[:200]).first()


def _is_the_one(row: ProcessorTransaction, reference: str, our_number: str) -> bool:
    """Click names our number and the order again: both must be this transaction's."""
    if our_number and our_number != str(row.pk):
        return False
    return not reference or _is_order(row, reference)


def _is_order(row: ProcessorTransaction, reference: str) -> bool:
    """However the id is spelt: what finds the order at Create must find it at every repeat."""
    try:
        return UUID(reference.strip()) == row.order_id
    except ValueError:
        return False


def _lock(known: ProcessorTransaction) -> ProcessorTransaction:
    """The transaction as it is under the lock of its order and payment."""
    payment = transitions.lock_payment(known.payment_id, order_id=known.order_id)
    row = ProcessorTransaction.objects.get(pk=known.pk)
    row.payment = payment
    return row


def _end_if_expired(row: ProcessorTransaction, *, cause: str, now: datetime) -> bool:
    if row.state != ProcessorTransaction.State.CREATED or row.expires_at > now:
        return False
    transitions.end_payment(row.payment, Payment.Status.EXPIRED, cause=cause, now=now, note="its time was over")
    _write(row, state=ProcessorTransaction.State.CANCELLED, cancelled_at=now, is_expired=True)
    return True


def _write(row: ProcessorTransaction, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(row, name, value)
    ProcessorTransaction.objects.filter(pk=row.pk).update(**columns)


def _snapshot(row: ProcessorTransaction) -> Snapshot:
    return Snapshot(
        transaction_ref=row.transaction_ref,
        reference=str(row.order_id),
        our_number=str(row.pk),
        money=Money(row.amount_minor, row.currency),
        state=State(row.state),
        their_time=row.their_time,
        created_at=row.created_at,
        performed_at=row.performed_at,
        cancelled_at=row.cancelled_at,
        reason=row.reason,
        expired=row.is_expired,
    )
