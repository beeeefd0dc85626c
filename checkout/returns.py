"""The browser's return with a signature (Razorpay): kept, checked against what we stored, and never taken for money.

A right signature proves that the processor sent this buyer back with this payment; whether it is captured is asked.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from checkout import callback_records, payments
from checkout.models import CallbackRecord, Order, Payment
from gateway import registry
from gateway.adapter import SignsReturn
from gateway.errors import BadCallback
from gateway.types import Callback
from providers import accounts

logger = logging.getLogger(__name__)
Verdict = CallbackRecord.Verdict
EVENT = "browser return"


def signed_payment(order: Order) -> Payment | None:
    """The order's newest payment at a processor whose return is signed."""
    tries = order.payments.select_related("account").exclude(processor_ref="").order_by("-created_at")
    return next((found for found in tries if registry.get(found.processor).capabilities.signs_return), None)


def receive(
    payment: Payment,
    fields: Mapping[str, str],
    *,
    callback: Callback,
    address: str,
    request_id: str,
    now: datetime,
) -> str:
    """Store one return and check it; the id of the processor's payment that it vouches for.

    BadCallback when it is forged or somebody else's: nothing has changed then, and staff see the attempt. A right one
    brings the question to the processor forward.
    """
    record = None
    if not callback_records.is_over_budget(address):
        record = callback_records.store(
            callback, processor=payment.processor, account=payment.account, address=address, request_id=request_id
        )
    facts = {"event_type": EVENT, "payment_id": payment.pk, "order_id": payment.order_id}
    adapter = cast(SignsReturn, accounts.adapter_for(payment.account, now=now))
    try:
        capture_ref = adapter.check_return(payments.reference_of(payment), fields)
    except BadCallback as error:
        logger.warning("a return of %s was refused: %s", payment.processor, error)
        if record is not None:
            callback_records.finish(
                record, now=now, verdict=Verdict.REFUSED, note=str(error), answer_status=400, **facts
            )
        raise
    payments.ask_after_return(payment.pk, now=now)
    if record is not None:
        note = "the signature is right; the processor is asked"
        callback_records.finish_once(
            record,
            payment=payment,
            # Named by what was signed: whoever holds that can wrap it into any number of other fields.
            event_id=f"{payment.processor_ref}|{capture_ref}"[:200],
            event_type=EVENT,
            now=now,
            verdict=Verdict.IGNORED,
            note=note,
            is_verified=True,
            answer_status=200,
        )
    return capture_ref


def note_unsigned(
    order: Order, *, processor: str, callback: Callback, address: str, request_id: str, now: datetime
) -> None:
    """A return that proves nothing, kept so that a forged "successful" can be seen; the processor is asked instead."""
    if callback_records.is_over_budget(address):
        return
    record = callback_records.store(callback, processor=processor, account=None, address=address, request_id=request_id)
    note = "unsigned: nothing it says is believed, the processor is asked"
    callback_records.finish(
        record,
        now=now,
        verdict=Verdict.IGNORED,
        note=note,
        event_type=EVENT,
        order_id=order.pk,
        answer_status=200,
    )


def note_unknown(processor: str, *, callback: Callback, address: str, request_id: str, now: datetime) -> None:
    """A return of what is no payment of this caller's: kept for staff, and nothing else happens."""
    if callback_records.is_over_budget(address):
        return
    record = callback_records.store(callback, processor=processor, account=None, address=address, request_id=request_id)
    note = "a signed return of a payment that its caller does not have"
    callback_records.finish(record, now=now, verdict=Verdict.REFUSED, note=note, event_type=EVENT, answer_status=404)
