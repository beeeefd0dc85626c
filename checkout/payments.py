"""A payment's life from the buyer's Pay to the processor's last word.

The processor is never called inside a transaction: the intent is written and committed, then the call is made,
then its outcome is recorded. A process that dies in between leaves a row that says what to ask about.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from checkout import receipt_lines, siblings, transitions
from checkout.errors import (
    AlreadyPaid,
    MethodNotAvailable,
    NotPayable,
    PaymentNotFound,
    PaymentUnderWay,
    ProcessorTrouble,
    SellerCannotBePaid,
)
from checkout.models import Order, Payment, ProcessorTransaction
from checkout.offers import Offer, offers_for
from checkout.statuses import can_be_paid
from checkout.transitions import Moved
from gateway import errors, registry
from gateway.money import Money
from gateway.types import Availability, Failure, Mode, Outcome, PaymentRef, PaymentReport, PaymentRequest
from providers import accounts, callback_addresses
from providers.models import Provider

logger = logging.getLogger(__name__)
Status = Payment.Status

# How long the create call may take before its row is asked about; longer than every timeout of an adapter.
CALL_MAY_TAKE = timedelta(seconds=60)
# A create that the processor does not know this long after it was sent never happened.
NEVER_ARRIVED_AFTER = timedelta(seconds=30)
CLOSING_FOR = timedelta(seconds=60)
READ_ASKS_EVERY = timedelta(seconds=5)
# Seconds to the next question, by how many were asked; the last one repeats.
UNKNOWN_LADDER = [2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600]
PENDING_LADDER = [20, 40, 60, 120, 300, 600, 1800, 3600]
_NO_REASON = Failure(code="", message="")
_REFUSALS = {Outcome.DECLINED: Status.DECLINED, Outcome.FAILED: Status.FAILED, Outcome.ERROR: Status.ERROR}


# --- starting -----------------------------------------------------------------------------------------------------


def start_payment(
    *, order_id: UUID, processor: str, is_mobile: bool, cause: str, now: datetime, return_query: str = ""
) -> Payment:
    """Open a payment at a processor and say where the buyer goes (`pay_url`, `pay_mobile_url`).

    `return_query` is what our own return address carries for the page (`redirect=…`); it decides nothing here.
    A payment that waits for the buyer at the same processor is answered again (two clicks, two tabs). Another
    one is ended first. The answer may be UNKNOWN (no clear word came: never ask the buyer to pay again) or
    DECLINED. NotPayable, AlreadyPaid, PaymentUnderWay, MethodNotAvailable, SellerCannotBePaid, ProcessorTrouble.
    """
    # Looked up before the lock is taken: an account that was never asked is asked here.
    order = Order.objects.select_related("provider").get(pk=order_id)
    offer = next((offer for offer in offers_for(order, now=now) if offer.processor == processor), None)
    payment, to_end = _claim_try(order_id, processor=processor, offer=offer, cause=cause, now=now)
    if payment is None:
        for former in to_end:
            end_there(former, cause=cause, now=now)
        try:
            payment, _ = _claim_try(order_id, processor=processor, offer=offer, cause=cause, now=now, ended=True)
        except PaymentUnderWay:
            Order.objects.filter(pk=order_id).update(closing_until=None)  # it did not end: nothing is closing any more
            raise
    if payment is None or payment.status != Status.CREATED or payment.processor_ref:
        assert payment is not None  # with `ended`, what cannot be ended raises
        return payment
    return _call_create(payment, is_mobile=is_mobile, return_query=return_query, cause=cause, now=now)


def _claim_try(
    order_id: UUID, *, processor: str, offer: Offer | None, cause: str, now: datetime, ended: bool = False
) -> tuple[Payment | None, list[Payment]]:
    """Under the order's lock: the payment to go on with, or None and what has to be ended before."""
    with transaction.atomic():
        order = transitions.lock_order(order_id)
        if order.status in (Order.Status.PAID, Order.Status.REFUNDED) or siblings.is_any_paid(order):
            raise AlreadyPaid()
        if not can_be_paid(order, now=now):
            raise NotPayable()
        open_ones = list(order.payments.filter(status__in=[*Payment.OPEN, Status.REVIEW]))
        for payment in open_ones:
            if payment.status == Status.PENDING and payment.processor == processor and payment.pay_url:
                return payment, []
            if payment.status != Status.PENDING:
                raise PaymentUnderWay()
        if order.closing_until and order.closing_until > now and not ended:
            raise PaymentUnderWay()
        if offer is None:
            raise MethodNotAvailable()
        to_end = not_final(order)
        if len(to_end) == 1 and _is_tried_again_there(to_end[0], processor=processor):
            transitions.try_again(to_end[0], order=order, cause=cause, now=now)
            return to_end[0], []
        if to_end and ended:
            # A former try that was refused and does not want to end cannot be followed by another one.
            raise PaymentUnderWay()
        if to_end:
            Order.objects.filter(pk=order.pk).update(closing_until=now + CLOSING_FOR)
            return None, to_end
        payment = Payment(
            order=order,
            account=offer.account,
            processor=processor,
            method=offer.method,
            amount_minor=order.amount_minor,
            currency=order.currency,
            next_ask_at=now + CALL_MAY_TAKE,
            created_at=now,
            updated_at=now,
        )
        transitions.begin(order, payment, cause=cause, now=now)
        return payment, []


def _is_tried_again_there(payment: Payment, *, processor: str) -> bool:
    """A refused try at a processor that cannot end it, but lets the buyer pay the same thing again."""
    capabilities = registry.get(payment.processor).capabilities
    is_refused = payment.status in (Status.DECLINED, Status.FAILED, Status.ERROR)
    return is_refused and payment.processor == processor and bool(payment.pay_url) and not capabilities.can_cancel


def _call_create(payment: Payment, *, is_mobile: bool, return_query: str, cause: str, now: datetime) -> Payment:
    order = payment.order
    request = PaymentRequest(
        reference=str(payment.pk),
        order_reference=str(order.pk),
        money=payment.money,
        description=describe(order),
        return_url=_return_url(order, payment.processor, return_query),
        cancel_url=_cancel_url(order),
        callback_url=callback_addresses.one_of(payment.account),
        lang=order.lang or "en",
        created_at=payment.created_at,
        expires_at=order.expires_at,
        payer_email=order.payer_email,
        metadata=metadata_of(order),
        items=receipt_lines.items_of(order.items),
        method=payment.method,
        is_mobile=is_mobile,
        captures_later=order.captures_later,
    )
    adapter = accounts.adapter_for(payment.account, now=now)
    trouble: Exception | None = None
    try:
        report = adapter.create_payment(request)
    except errors.Declined as error:
        report = PaymentReport(
            reference=str(payment.pk),
            processor_ref=error.processor_ref,
            outcome=Outcome.DECLINED,
            failure=error.failure,
            is_final=not error.processor_ref,
        )
    except errors.OutcomeUnknown as error:
        logger.warning("payment %s: no clear answer to its create: %s", payment.pk, error)
        _note_unknown(payment.pk, cause="create without an answer", now=now)
        payment.refresh_from_db()
        return payment
    except errors.NotAvailable as error:
        refused = Availability(is_available=False, why=str(error))
        accounts.keep_availability(payment.account, refused, currency=payment.currency, method=payment.method, now=now)
        report, trouble = None, MethodNotAvailable(because=error)
        _end(payment.pk, Status.ERROR, cause="create refused", note=str(error), now=now)
    except errors.Misconfigured as error:  # no later try helps: staff has to mend the account
        logger.error("payment %s cannot be started with account %s: %s", payment.pk, payment.account_id, error)
        report, trouble = None, SellerCannotBePaid(because=error)
        _end(payment.pk, Status.ERROR, cause="create refused", note=str(error), now=now)
    except errors.GatewayError as error:  # Unavailable, …: surely nothing was started there
        logger.error("payment %s could not be started: %s", payment.pk, error)
        report, trouble = None, ProcessorTrouble(because=error)
        _end(payment.pk, Status.ERROR, cause="create failed", note=str(error), now=now)
    if trouble is not None:
        raise trouble
    assert report is not None
    apply_report(payment_id=payment.pk, report=report, cause=cause, now=now)
    payment.refresh_from_db()
    if payment.status not in (*Payment.OPEN, Status.CAPTURED, Status.DECLINED) and not report.is_final:
        # The order was ended while the call was on its way: nobody gets the address, and it is ended there too.
        end_there(payment, cause="ended during its create", now=now)
    return payment


def _return_url(order: Order, processor: str, query: str) -> str:
    """Our own page, but where the caller chose the processor and sends the buyer there himself."""
    if order.dialect == Order.Dialect.PAYMENT_TOKEN:
        # Not `token`: the processor adds a parameter of that name, and of two the wrong one would be read.
        return f"{settings.BASE_URL}/api/payments/secure-processor/return?pt={order.code}"
    if order.processor and order.success_url and not registry.get(processor).capabilities.shows_widget:
        return order.success_url
    return f"{settings.BASE_URL}/checkout/o/{order.token}/return" + (f"?{query}" if query else "")


def _cancel_url(order: Order) -> str:
    if order.dialect in (Order.Dialect.PROCESSOR, Order.Dialect.PAYMENT_TOKEN):
        return order.cancel_url or f"{settings.BASE_URL}/checkout/o/{order.token}"
    return order.cancel_url if order.processor else ""


def describe(order: Order) -> str:
    """What the processor's dashboard and page show, as the Provider API's document wants it.

    A caller that chose the processor himself is quoted as he wrote.
    """
    if order.dialect in (Order.Dialect.PROCESSOR, Order.Dialect.PAYMENT_TOKEN) and order.description:
        return order.description
    what = order.service_name or order.description or f"Order {order.pk}"
    if order.link_ref:
        return f"{what} | PaymentLink: {order.link_ref}"
    return f"{what} | Direct" + (f" ({order.provider_name})" if order.provider_name else "")


def metadata_of(order: Order) -> dict[str, str]:
    """Tracking fields of the Provider API's document; those without a value are left out."""
    fields = {
        "serviceId": str(order.service_id or ""),
        "serviceName": order.service_name,
        "quantity": str(order.quantity),
        "providerId": str(order.provider_id or ""),
        "providerName": order.provider_name,
        "externalId": order.external_id,
        "paymentLinkId": order.link_ref,
        "orderId": str(order.pk),
    }
    return {name: text for name, text in fields.items() if text}


# --- what a processor says ----------------------------------------------------------------------------------------


def apply_report(*, payment_id: UUID, report: PaymentReport, cause: str, now: datetime) -> Moved:
    """Write down what a processor says about a payment, from an answer, a callback or a question."""
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        if report.mode is not None and report.mode.value != payment.order.mode:
            logger.error("payment %s: a report of the other mode was refused", payment_id)
            return Moved.REFUSED
        takes_money = report.outcome in (Outcome.CAPTURED, Outcome.AUTHORIZED)
        if other := _another_debit(payment, report):
            if report.outcome is not Outcome.CAPTURED:
                return Moved.REFUSED  # a refused try, or money that is only held: the processor lets it go by itself
            reason = f"a second debit of the same invoice: {other}"
            return transitions.put_under_review(payment, reason=reason, reported=None, cause=cause, now=now)
        if payment.processor_ref and report.processor_ref not in ("", payment.processor_ref):
            if not takes_money:
                return Moved.REFUSED
            # No amount is named for staff to accept or send back: by our reference it would be other money.
            return transitions.put_under_review(
                payment,
                reason=f"{report.money or 'money'} reported under another reference: {report.processor_ref}",
                reported=None,
                cause=cause,
                now=now,
            )
        if _is_anothers(payment, report):
            logger.error(
                "payment %s: %s %s belongs to another payment", payment_id, report.processor_ref, report.capture_ref
            )
            return Moved.REFUSED
        transitions.adopt_facts(payment, report, now=now)
        if takes_money and report.money != payment.money:
            if payment.status == Status.CAPTURED and report.money == Money(payment.captured_minor, payment.currency):
                return Moved.ALREADY_THERE
            return transitions.put_under_review(
                payment,
                reason=f"{report.outcome} {report.money or 'without an amount'} instead of {payment.money}",
                reported=report.money,
                cause=cause,
                now=now,
            )
        moved = _apply_outcome(payment, report, cause=cause, now=now)
        _plan_question(payment, moved, now=now)
        return moved


def _another_debit(payment: Payment, report: PaymentReport) -> str:
    """The id of a debit that is not the one which paid, where one invoice or order can be debited twice; else ""."""
    if payment.status != Status.CAPTURED:
        return ""
    known = (payment.processor_data.get("payment_uuid"), report.processor_data.get("payment_uuid"))
    for ours, theirs in (known, (payment.capture_ref, report.capture_ref)):
        if ours and theirs and ours != theirs:
            return theirs
    return ""


def _is_anothers(payment: Payment, report: PaymentReport) -> bool:
    """Whether a reference that would be news to this payment is another one's already."""
    others = Payment.objects.filter(account=payment.account_id).exclude(pk=payment.pk)
    is_new = report.processor_ref and not payment.processor_ref
    if is_new and others.filter(processor_ref=report.processor_ref).exists():
        return True
    is_new = report.capture_ref and report.capture_ref != payment.capture_ref
    return bool(is_new) and others.filter(capture_ref=report.capture_ref).exists()


def _apply_outcome(payment: Payment, report: PaymentReport, *, cause: str, now: datetime) -> Moved:
    match report.outcome:
        case Outcome.CAPTURED:
            return transitions.capture(payment, money=payment.money, cause=cause, now=now)
        case Outcome.AUTHORIZED:
            return transitions.progress(payment, Status.AUTHORIZED, cause=cause, now=now)
        case Outcome.PROCESSING:
            return transitions.progress(payment, Status.PROCESSING, cause=cause, now=now)
        case Outcome.DECLINED | Outcome.FAILED | Outcome.ERROR:
            return transitions.refuse_try(
                payment,
                report.failure or _NO_REASON,
                status=_REFUSALS[report.outcome],
                is_final_there=report.is_final,
                cause=cause,
                now=now,
            )
        case Outcome.CANCELLED:
            return transitions.end_payment(payment, Status.CANCELLED, cause=cause, now=now)
        case Outcome.EXPIRED:
            return transitions.end_payment(payment, Status.EXPIRED, cause=cause, now=now)
        case _:  # PENDING, and every word that an adapter does not know
            return transitions.progress(payment, Status.PENDING, cause=cause, now=now)


def _plan_question(payment: Payment, moved: Moved, *, now: datetime) -> None:
    """A payment that moved into waiting is asked about on the ladder, in case its callback never comes."""
    if moved is not Moved.MOVED or payment.status not in Payment.OPEN:
        return
    if not registry.get(payment.processor).capabilities.has_status:
        Payment.objects.filter(pk=payment.pk).update(next_ask_at=None)  # it asks us, there is nobody to ask
        return
    ladder = UNKNOWN_LADDER if payment.status == Status.UNKNOWN else PENDING_LADDER
    payment.asked, payment.next_ask_at = 0, now + timedelta(seconds=ladder[0])
    Payment.objects.filter(pk=payment.pk).update(asked=0, next_ask_at=payment.next_ask_at)


def _note_unknown(payment_id: UUID, *, cause: str, now: datetime) -> None:
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        _plan_question(payment, transitions.progress(payment, Status.UNKNOWN, cause=cause, now=now), now=now)


def _end(payment_id: UUID, status: Payment.Status, *, cause: str, note: str, now: datetime) -> Moved:
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        return transitions.end_payment(payment, status, cause=cause, note=note, now=now)


# --- ending a payment at its processor ----------------------------------------------------------------------------


def not_final(order: Order) -> list[Payment]:
    """The order's payments that may still capture: open ones, ones under review, refused but not ended ones."""
    return list(
        order.payments.select_related("account")
        .filter(is_final_there=False)
        .exclude(status=Status.CAPTURED)
        .order_by("created_at")
    )


def is_reserved(order: Order, *, now: datetime) -> bool:
    """Whether a processor that asks first holds a reservation of the order that is alive."""
    return order.processor_transactions.filter(state=ProcessorTransaction.State.CREATED, expires_at__gt=now).exists()


def end_there(payment: Payment, *, cause: str, now: datetime) -> Moved:
    """Ask the processor to end a payment and record its truth, which may be that the money is taken.

    Whatever is unclear leaves the payment open and asks again on the ladder. Opens no transaction around the call.
    """
    if payment.status == Status.REVIEW:
        return Moved.REFUSED
    if registry.get(payment.processor).capabilities.asks_first:
        # It cannot take money without asking us: ended on our side, its later Perform is refused.
        return _end(payment.pk, Status.CANCELLED, cause=cause, note="", now=now)
    if not payment.processor_ref and now - payment.created_at < NEVER_ARRIVED_AFTER:
        return Moved.REFUSED  # its create may be on its way this very moment
    adapter = accounts.adapter_for(payment.account, now=now)
    try:
        report = adapter.cancel_payment(reference_of(payment))
    except errors.Refused as error:
        if error.report is None:
            _bring_question_forward(payment.pk, now=now)
            return Moved.REFUSED
        report = error.report
    except errors.OutcomeUnknown as error:
        logger.warning("payment %s: no clear answer to its cancel: %s", payment.pk, error)
        _note_unknown(payment.pk, cause="cancel without an answer", now=now)
        _bring_question_forward(payment.pk, now=now)
        return Moved.REFUSED
    except errors.GatewayError as error:
        logger.warning("payment %s could not be ended: %s", payment.pk, error)
        _bring_question_forward(payment.pk, now=now)
        return Moved.REFUSED
    return apply_report(payment_id=payment.pk, report=report, cause=cause, now=now)


def reference_of(payment: Payment) -> PaymentRef:
    return PaymentRef(
        reference=str(payment.pk),
        processor_ref=payment.processor_ref,
        money=payment.money,
        created_at=payment.created_at,
        processor_data=payment.processor_data,
        method=payment.method,
        capture_ref=payment.capture_ref,
    )


# --- asking -------------------------------------------------------------------------------------------------------


def schedule_question(*, order_id: UUID, now: datetime) -> bool:
    """Bring the next question about an order's open payments forward to now; True when one was.

    A read or a browser's return only schedules: at most once per payment in 5 s, and nobody waits for it.
    """
    return bool(
        Payment.objects.filter(order=order_id, status__in=Payment.OPEN, next_ask_at__gt=now)
        .exclude(status=Status.CREATED)
        .filter(Q(last_asked_at=None) | Q(last_asked_at__lte=now - READ_ASKS_EVERY))
        .update(next_ask_at=now)
    )


def ask_soon(payment_id: UUID, *, now: datetime) -> None:
    """Bring the question about one payment forward to now, whoever asked lately: a signed word said that it moved."""
    Payment.objects.filter(pk=payment_id, status__in=[*Payment.OPEN, *transitions.REFUSED]).update(next_ask_at=now)


def ask_after_return(payment_id: UUID, *, now: datetime) -> None:
    """As `ask_soon`, at most once in 5 s: a browser can bring the same signed word as often as it likes."""
    rows = Payment.objects.filter(pk=payment_id, status__in=[*Payment.OPEN, *transitions.REFUSED])
    lately = rows.filter(last_asked_at__gt=now - READ_ASKS_EVERY)
    lately.filter(Q(next_ask_at=None) | Q(next_ask_at__gt=F("last_asked_at") + READ_ASKS_EVERY)).update(
        next_ask_at=F("last_asked_at") + READ_ASKS_EVERY
    )
    rows.filter(Q(last_asked_at=None) | Q(last_asked_at__lte=now - READ_ASKS_EVERY)).update(next_ask_at=now)


def find_payment(*, provider: Provider, mode: Mode, processor: str, their_id: str) -> Payment:
    """A provider's own payment at a processor by any id of it: ours, the processor's of what was opened or of what
    took the money, or our order's id. PaymentNotFound for everything else.
    """
    found = Payment.objects.select_related("account", "order__provider").filter(
        order__provider=provider, order__mode=mode.value, processor=processor
    )
    if not (0 < len(their_id) <= 200 and their_id.isascii() and their_id.isprintable()):
        raise PaymentNotFound()
    try:
        ours = UUID(their_id)
    except ValueError:
        by_theirs = found.filter(Q(processor_ref=their_id) | Q(capture_ref=their_id))
        payment = by_theirs.first()
    else:
        payment = found.filter(pk=ours).first() or found.filter(order=ours).order_by("-created_at").first()
    if payment is None:
        raise PaymentNotFound()
    return payment


def _bring_question_forward(payment_id: UUID, *, now: datetime) -> None:
    soon = now + timedelta(seconds=UNKNOWN_LADDER[0])
    Payment.objects.filter(pk=payment_id).filter(Q(next_ask_at=None) | Q(next_ask_at__gt=soon)).update(next_ask_at=soon)


def ask_due_payments(*, now: datetime, limit: int = 50) -> int:
    """Ask the processors about every payment whose question is due; how many were asked."""
    due = list(
        Payment.objects.filter(next_ask_at__lte=now).order_by("next_ask_at").values_list("pk", flat=True)[:limit]
    )
    return sum(ask_payment(payment_id=payment_id, now=now) for payment_id in due)


def ask_payment(*, payment_id: UUID, now: datetime) -> bool:
    """Ask about one payment whose question is due. False when it is not due, or somebody else asks it now.

    A payment that must not capture any more (its order is paid by another one, or over) is ended instead.
    """
    # The later date is the lease: it keeps others away during the call, and hands the question back if we die.
    claimed = Payment.objects.filter(pk=payment_id, next_ask_at__lte=now).update(
        next_ask_at=now + CALL_MAY_TAKE, last_asked_at=now, asked=F("asked") + 1
    )
    if not claimed:
        return False
    payment = Payment.objects.select_related("account", "order").get(pk=payment_id)
    if _must_end(payment, now=now):
        end_there(payment, cause="ended: its order is settled", now=now)
    else:
        _ask(payment, now=now)
    _plan_next_question(payment_id, asked=payment.asked, now=now)
    return True


def _must_end(payment: Payment, *, now: datetime) -> bool:
    if payment.order.status in (Order.Status.PAID, Order.Status.REFUNDED, Order.Status.CANCELLED, Order.Status.EXPIRED):
        return True
    if payment.status in Payment.OPEN:
        return False
    # A refused try that its processor still keeps open: ended when its time is over, or another try is under way.
    is_over = payment.order.expires_at <= now
    return is_over or payment.order.payments.filter(status__in=Payment.OPEN).exclude(pk=payment.pk).exists()


def _ask(payment: Payment, *, now: datetime) -> None:
    try:
        report = accounts.adapter_for(payment.account, now=now).ask_payment(reference_of(payment))
    except errors.GatewayError as error:
        logger.warning("payment %s: the question got no answer: %s", payment.pk, error)
        if payment.status == Status.CREATED:
            _note_unknown(payment.pk, cause="nobody recorded its create", now=now)
        return
    if report is not None:
        apply_report(payment_id=payment.pk, report=report, cause="asked the processor", now=now)
    elif payment.processor_ref:
        # It gave us the reference itself: not to know it now is no word about the money.
        logger.error("payment %s: the processor does not know %s any more", payment.pk, payment.processor_ref)
    elif now - payment.created_at >= NEVER_ARRIVED_AFTER:
        _end(payment.pk, Status.ERROR, cause="asked the processor", note="the create never arrived there", now=now)


def _plan_next_question(payment_id: UUID, *, asked: int, now: datetime) -> None:
    """The next rung of the ladder, for a payment that may still capture."""
    payment = Payment.objects.get(pk=payment_id)
    if payment.is_final_there or payment.status in (Status.CAPTURED, Status.REVIEW):
        return
    ladder = PENDING_LADDER if payment.status == Status.PENDING else UNKNOWN_LADDER
    delay = timedelta(seconds=ladder[min(payment.asked, len(ladder) - 1)])
    # Only our own lease is replaced: a report may have planned otherwise meanwhile.
    Payment.objects.filter(pk=payment_id, next_ask_at=now + CALL_MAY_TAKE).update(next_ask_at=now + delay)
