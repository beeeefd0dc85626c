"""What a processor tells us, in a callback that wants no answer but "received": stored, verified with the right
account's secret, applied. Processors that ask are answered in questions.py.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError
from django.db.models import F, QuerySet
from django.utils import timezone

from checkout import callback_records, disputes, payments, refunds, sales
from checkout.models import CallbackRecord, Order, Payment, Refund
from checkout.transitions import Moved
from gateway import registry
from gateway.adapter import AdapterConfig, ReadsAgain
from gateway.errors import BadCallback, GatewayError, NotFound
from gateway.types import (
    AccountChanged,
    Callback,
    CallbackRead,
    DisputeReport,
    Hint,
    Mode,
    Notice,
    PaymentReport,
    Peek,
    RefundOutcome,
    RefundRef,
    RefundReport,
    SaleReport,
)
from providers import accounts
from providers.models import MerchantAccount

logger = logging.getLogger(__name__)
Verdict = CallbackRecord.Verdict
# Without a reference of ours, so many accounts' secrets are tried; a hub with more gives them own addresses.
ACCOUNTS_TRIED = 50
# Stripe tells for three days what we did not take.
CAME_EARLY_AT_MOST = timedelta(days=4)
EARLY_APPLIED = 50
AWAITED = [*Payment.OPEN, Payment.Status.DECLINED, Payment.Status.FAILED, Payment.Status.ERROR]
# From the strongest: the verdict of a callback with several notices is the first of these.
_STRENGTH = [Verdict.APPLIED, Verdict.UNKNOWN_REFERENCE, Verdict.NOTHING_NEW, Verdict.IGNORED]


@dataclass(slots=True)
class _Found:
    """What a verified callback was matched with."""

    account: MerchantAccount
    read: CallbackRead
    payment: Payment | None


def receive(
    processor: str, callback: Callback, *, account_id: UUID | None, address: str, request_id: str
) -> CallbackRecord | None:
    """Store, verify and apply one callback. BadCallback when it is to be refused; nothing has changed then.

    None when its address has used up its budget of unverified callbacks and this one is no better.
    """
    record = None
    if not callback_records.is_over_budget(address):
        record = callback_records.store(
            callback, processor=processor, account=None, address=address, request_id=request_id
        )
    try:
        found = _verify(processor, callback, account_id=account_id)
    except BadCallback as error:
        logger.warning("a callback of %s was refused: %s", processor, error)
        if record is not None:
            callback_records.finish(
                record, now=timezone.now(), verdict=Verdict.REFUSED, note=str(error), answer_status=400
            )
        raise
    if record is None:
        record = callback_records.store(
            callback, processor=processor, account=None, address=address, request_id=request_id
        )
    facts = {
        "is_verified": True,
        "account": found.account,
        "event_id": found.read.event_id[:200],
        "event_type": found.read.event_type[:100],
        "payment_id": found.payment.pk if found.payment else None,
        "order_id": found.payment.order_id if found.payment else None,
    }
    cause = f"callback {found.read.event_id}"
    try:
        verdicts = [
            _apply(notice, account=found.account, payment=found.payment, cause=cause, now=callback.received_at)
            for notice in found.read.notices
        ]
    except DatabaseError:
        raise  # nothing can be written either: the record stays as it was received
    except Exception as error:
        note = f"{type(error).__name__}: {error}"
        callback_records.finish(
            record, now=timezone.now(), verdict=Verdict.FAILED, note=note, answer_status=503, **facts
        )
        if found.payment is not None:
            payments.schedule_question(order_id=found.payment.order_id, now=timezone.now())
        raise
    verdict, note = min(verdicts, key=lambda said: _STRENGTH.index(said[0]), default=(Verdict.IGNORED, ""))
    if verdict is Verdict.UNKNOWN_REFERENCE:
        logger.error("a verified callback of %s knows a payment that we do not: %s", processor, found.read.event_id)
    callback_records.finish(record, now=timezone.now(), verdict=verdict, note=note, answer_status=200, **facts)
    for payment in _payments_told_of(found):
        apply_what_came_too_early(payment, now=callback.received_at)
    return record


def _payments_told_of(found: _Found) -> list[Payment]:
    """The payments whose money this callback may have made known to us; or whose money was made known by another one
    while this one, of a refund or a dispute, was put aside.
    """
    told = [notice.payment if isinstance(notice, SaleReport) else notice for notice in found.read.notices]
    refs = {notice.capture_ref or notice.processor_ref for notice in told if isinstance(notice, PaymentReport)}
    refs |= {notice.payment_processor_ref for notice in told if isinstance(notice, (RefundReport, DisputeReport))}
    payments_found = (_payment_of(found.account, money_ref) for money_ref in refs if money_ref)
    return [payment for payment in payments_found if payment is not None]


def apply_what_came_too_early(payment: Payment, *, now: datetime) -> None:
    """Processors send their news in any order: a refund or a dispute may be told before that which says whose money
    it is (the session of a sale by a link), or that any was taken. It was kept, and counts once the money is known.
    """
    money_ref = payment.capture_ref or payment.processor_ref
    if payment.status != Payment.Status.CAPTURED or not money_ref:
        return
    early = CallbackRecord.objects.filter(
        account=payment.account_id,
        verdict=Verdict.UNKNOWN_REFERENCE,
        received_at__gt=now - CAME_EARLY_AT_MOST,
        body__contains=f'"{money_ref}"',
        is_truncated=False,
    )
    records = list(early.order_by("received_at", "pk")[:EARLY_APPLIED])
    adapter = accounts.adapter_for(payment.account, now=now) if records else None
    if not isinstance(adapter, ReadsAgain):
        return
    for record in records:
        try:
            _apply_again(record, adapter, payment, now=now)
        except (BadCallback, GatewayError) as error:
            logger.error("callback %s came too early and cannot be read again: %s", record.pk, error)


def _apply_again(record: CallbackRecord, adapter: ReadsAgain, payment: Payment, *, now: datetime) -> None:
    callback = Callback(body=record.body.encode(), headers=record.headers, received_at=record.received_at)
    read = adapter.read_again(callback)
    cause = f"callback {read.event_id}"
    verdicts = [_apply(notice, account=payment.account, payment=None, cause=cause, now=now) for notice in read.notices]
    verdict, note = min(verdicts, key=lambda said: _STRENGTH.index(said[0]), default=(Verdict.IGNORED, ""))
    if verdict is Verdict.UNKNOWN_REFERENCE:
        return
    note = f"{note}; it came before its payment was known"
    facts = {"payment_id": payment.pk, "order_id": payment.order_id}
    callback_records.finish(record, now=timezone.now(), verdict=verdict, note=note, **facts)


def _verify(processor: str, callback: Callback, *, account_id: UUID | None) -> _Found:
    """Reference → payment → its account, and only that account's secrets verify. BadCallback."""
    # The shape is read without any secret; nothing it says is believed before a secret has verified it.
    entry = registry.get(processor)
    blank = entry.build(AdapterConfig(mode=Mode.TEST, base_url="", credentials={}))
    peek = blank.peek(callback)
    refusal = BadCallback("no account of ours fits this callback")
    for account, payment in _suspects(processor, peek, account_id=account_id):
        try:
            read = accounts.adapter_for(account, now=callback.received_at).read_callback(callback)
        except BadCallback as error:
            refusal = error
            continue
        return _Found(account=account, read=read, payment=payment)
    raise refusal


def _suspects(
    processor: str, peek: Peek, *, account_id: UUID | None
) -> Iterator[tuple[MerchantAccount, Payment | None]]:
    """Whose callback it may be, with the payment that it is about there, where that is known.

    Our own reference names one payment. The processor's ids do not: a seller who knows his webhook secret can have
    another seller's id written on a payment of his own, and must not silence the other's news by that.
    """
    payment = _named_payment(processor, peek)
    if payment is not None:
        if account_id is not None and payment.account_id != account_id:
            raise BadCallback("this payment belongs to another account")
        yield payment.account, payment
        return
    tried = set()
    for payment in _by_their_id(Payment.objects.filter(processor=processor), peek.processor_ref):
        if account_id in (None, payment.account_id) and payment.account_id not in tried:
            tried.add(payment.account_id)
            yield payment.account, payment
    for account in _candidates(processor, peek, account_id=account_id):
        if account.pk not in tried:
            yield account, None


def _named_payment(processor: str, peek: Peek) -> Payment | None:
    """By our reference, which is the payment's id or, at some processors, the order's or its code."""
    known = Payment.objects.select_related("account").filter(processor=processor)
    try:
        reference = UUID(peek.reference) if peek.reference else None
    except ValueError:
        reference = _order_by_code(peek.reference)
    if reference is None:
        return None
    return known.filter(pk=reference).first() or _try_of_order(known.filter(order=reference), peek)


def _order_by_code(code: str) -> UUID | None:
    is_code = code.isascii() and code.isprintable() and len(code) <= 64
    return Order.objects.filter(code=code).values_list("pk", flat=True).first() if is_code else None


def _by_their_id(known: QuerySet[Payment], their_id: str) -> list[Payment]:
    """By the processor's id of what was opened, then by that of what took the money: of an account at most one each."""
    if not their_id:
        return []
    known, name = known.select_related("account").order_by("created_at", "pk"), their_id[:200]
    return [*known.filter(processor_ref=name)[:ACCOUNTS_TRIED], *known.filter(capture_ref=name)[:ACCOUNTS_TRIED]]


def _try_of_order(tries: QuerySet[Payment], peek: Peek) -> Payment | None:
    """Of an order's tries the one that this is about: by the processor's own id of it, else the one that matters."""
    found = list(tries.order_by("-created_at"))
    for payment in found:
        if peek.processor_ref and peek.processor_ref in (
            payment.processor_ref,
            payment.capture_ref,
            payment.processor_data.get("payment_uuid"),
        ):
            return payment
    return next((payment for payment in found if payment.status in Payment.OPEN), found[0] if found else None)


def _candidates(processor: str, peek: Peek, *, account_id: UUID | None) -> list[MerchantAccount]:
    found = MerchantAccount.objects.filter(processor=processor).order_by(
        F("retired_at").asc(nulls_first=True), "created_at"
    )
    if account_id is not None:
        found = found.filter(pk=account_id)
    if peek.mode is not None:
        found = found.filter(mode=peek.mode.value)
    return list(found[:ACCOUNTS_TRIED])


def _apply(
    notice: Notice, *, account: MerchantAccount, payment: Payment | None, cause: str, now: datetime
) -> tuple[CallbackRecord.Verdict, str]:
    match notice:
        case PaymentReport():
            payment = payment or _payment_of(account, notice.processor_ref) or _payment_of(account, notice.capture_ref)
            # A callback that names only the processor's id is looked up there: the answer knows our reference.
            payment = payment or _payment_by_reference(account, notice.reference)
            if payment is None:
                return Verdict.UNKNOWN_REFERENCE, f"no payment {notice.processor_ref or notice.capture_ref}"
            if _is_of_another(notice.reference, payment):
                logger.error("a callback about payment %s carries the money of %s", payment.pk, notice.reference)
                payments.ask_soon(payment.pk, now=now)
                return Verdict.NOTHING_NEW, "names one payment and carries the money of another: the processor is asked"
            moved = payments.apply_report(payment_id=payment.pk, report=notice, cause=cause, now=now)
        case SaleReport():
            sold = sales.record_sale(account=account, report=notice, cause=cause, now=now)
            if sold is None:
                return Verdict.IGNORED, f"a sale by {notice.link_ref} that is not paid yet"
            moved = sold
        case RefundReport():
            moved_or_none = _apply_refund(notice, account=account, payment=payment, cause=cause, now=now)
            if moved_or_none is None:
                return Verdict.UNKNOWN_REFERENCE, f"refund {notice.processor_ref} of a payment not known as taken"
            moved = moved_or_none
        case DisputeReport():
            payment = payment or _payment_of(account, notice.payment_processor_ref)
            if payment is None:
                return Verdict.UNKNOWN_REFERENCE, f"dispute of unknown payment {notice.payment_processor_ref}"
            moved = disputes.apply_dispute(payment_id=payment.pk, report=notice, cause=cause, now=now)
        case Hint():
            if payment is None:
                return Verdict.UNKNOWN_REFERENCE, "it names no payment of ours"
            payments.ask_soon(payment.pk, now=now)
            return Verdict.NOTHING_NEW, "the processor is asked"
        case AccountChanged():
            accounts.age_availability(account)
            return Verdict.APPLIED, "the account's capabilities are asked again"
        case _:
            return Verdict.IGNORED, notice.why
    if moved in (Moved.ALREADY_THERE, Moved.REFUSED):
        return Verdict.NOTHING_NEW, moved.value
    return Verdict.APPLIED, moved.value


def _is_of_another(reference: str, payment: Payment) -> bool:
    """Whether the processor calls the money by the reference of a payment that is not the one the message names."""
    if reference in ("", str(payment.pk), str(payment.order_id)):
        return False
    try:
        return Payment.objects.filter(pk=UUID(reference)).exists()
    except ValueError:
        return False


def _payment_of(account: MerchantAccount, processor_ref: str) -> Payment | None:
    return next(iter(_by_their_id(Payment.objects.filter(account=account), processor_ref)), None)


def _last_word(report: RefundReport, refund: Refund, *, account: MerchantAccount, now: datetime) -> RefundReport:
    """News come in any order: a success that is told after its failure is mostly the elder of the two, and believing it
    would tell a buyer of money that never came. So the processor is asked. GatewayError: the callback comes again.
    """
    question = RefundRef(
        reference=str(refund.pk),
        processor_ref=refund.processor_ref or report.processor_ref,
        payment=payments.reference_of(refund.payment),
        money=refund.money,
        created_at=refund.created_at,
    )
    try:
        return accounts.adapter_for(account, now=now).ask_refund(question) or report
    except NotFound:
        return report


def _payment_by_reference(account: MerchantAccount, reference: str) -> Payment | None:
    try:
        return Payment.objects.filter(account=account, pk=UUID(reference)).first() if reference else None
    except ValueError:
        return None


def _apply_refund(
    report: RefundReport, *, account: MerchantAccount, payment: Payment | None, cause: str, now: datetime
) -> Moved | None:
    """A refund of ours by our reference or theirs, else one made in the processor's cabinet. None: not ours at all, or
    not yet.
    """
    ours = Refund.objects.filter(payment__account=account)
    refund = None
    try:
        refund = ours.filter(pk=UUID(report.reference)).first() if report.reference else None
    except ValueError:
        logger.warning("a refund of %s carries the foreign reference %s", account.pk, report.reference[:64])
    if refund is None:
        refund = ours.filter(processor_ref=report.processor_ref[:200]).first()
    if refund is None and report.is_total and payment is not None:
        return refunds.record_total(payment_id=payment.pk, report=report, cause=cause, now=now)
    if refund is not None:
        if report.outcome is RefundOutcome.SUCCEEDED and refund.status == Refund.Status.FAILED:
            report = _last_word(report, refund, account=account, now=now)
        return refunds.apply_refund_report(refund_id=refund.pk, report=report, cause=cause, now=now)
    payment = _payment_of(account, report.payment_processor_ref) or payment
    if payment is None:
        return None
    if payment.status in AWAITED and isinstance(accounts.adapter_for(payment.account, now=now), ReadsAgain):
        # Money that went back was taken before, and nobody told us yet: the processor is asked, and this is kept.
        payments.ask_soon(payment.pk, now=now)
        return None
    return refunds.record_external(payment_id=payment.pk, report=report, cause=cause, now=now)
