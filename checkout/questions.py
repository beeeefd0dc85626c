"""Questions of the processors that ask first: verified with the right accounts' credentials, decided, answered.

What leaves here are the protocol's own words; a fault of ours is the caller's to turn into its "ask again".
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from checkout import callback_records, decisions
from checkout.models import CallbackRecord, Order
from gateway.questions import AskingProtocol, Done, No, ProtocolFault, Question, Reply
from gateway.types import Callback
from providers import accounts
from providers.models import MerchantAccount

logger = logging.getLogger(__name__)
Verdict = CallbackRecord.Verdict
ACCOUNTS_TRIED = 50


@dataclass(slots=True)
class _Told:
    """What became of one request, for its record."""

    reply: Reply
    verdict: CallbackRecord.Verdict
    note: str = ""
    question: Question | None = None
    found: list[MerchantAccount] = field(default_factory=list)


def answer(
    protocol: AskingProtocol,
    callback: Callback,
    *,
    processor: str,
    endpoint: str,
    account_id: UUID | None,
    address: str,
    request_id: str,
) -> Reply:
    """One question, stored before any work. Every exception that leaves here is ours."""
    record = None
    if not callback_records.is_over_budget(address):
        record = callback_records.store(
            callback, processor=processor, account=None, address=address, request_id=request_id
        )
    told = _decide(protocol, callback, processor=processor, endpoint=endpoint, account_id=account_id)
    is_verified = bool(told.found)
    if record is None and is_verified:
        record = callback_records.store(
            callback, processor=processor, account=None, address=address, request_id=request_id
        )
    if record is not None:
        callback_records.finish(
            record,
            now=timezone.now(),
            is_verified=is_verified,
            account=told.found[0] if len(told.found) == 1 else None,
            order_id=_order_id(told.question),
            event_id=str(getattr(told.question, "transaction_ref", ""))[:200],
            event_type=type(told.question).__name__ if told.question else "",
            verdict=told.verdict,
            note=told.note,
            answer_status=told.reply.status,
        )
    return told.reply


def _decide(
    protocol: AskingProtocol, callback: Callback, *, processor: str, endpoint: str, account_id: UUID | None
) -> _Told:
    now = callback.received_at
    try:
        claim = protocol.claim(callback, endpoint)
        if claim.credential:
            candidates = accounts.find_callers(
                processor=processor, credential=claim.credential, account_id=account_id, now=now
            )
        else:
            candidates = _accounts_of_order(claim.reference, processor=processor, account_id=account_id)
        question, found = _read(protocol, callback, endpoint, candidates[:ACCOUNTS_TRIED], now=now)
    except ProtocolFault as fault:
        return _Told(reply=fault.reply, verdict=Verdict.REFUSED, note=str(fault))
    answer = decisions.answer(question, accounts=found, cause=f"{processor} {type(question).__name__}", now=now)
    reply = protocol.write(callback, endpoint, question, answer, now=now)
    match answer:
        case No():
            verdict, note = Verdict.REFUSED, answer.why.value
        case Done(is_repeat=True):
            verdict, note = Verdict.NOTHING_NEW, "repeat"
        case _:
            verdict, note = Verdict.APPLIED, ""
    return _Told(reply=reply, verdict=verdict, note=note, question=question, found=found)


def _read(
    protocol: AskingProtocol, callback: Callback, endpoint: str, candidates: list[MerchantAccount], *, now: datetime
) -> tuple[Question, list[MerchantAccount]]:
    """The question, and the accounts whose credentials verify it. ProtocolFault when none does."""
    question: Question | None = None
    refusal: ProtocolFault | None = None
    found = []
    for account in candidates:
        for credentials in accounts.valid_credentials_of(account, now=now):
            try:
                question = protocol.read(callback, endpoint, credentials)
            except ProtocolFault as fault:
                # The most telling refusal wins: one that came after the credentials were right.
                refusal = fault if refusal is None or fault.is_authentic else refusal
                continue
            found.append(account)
            break
    if question is not None:
        return question, found
    if refusal is not None:
        raise refusal
    return protocol.read(callback, endpoint, None), []


def _accounts_of_order(reference: str, *, processor: str, account_id: UUID | None) -> list[MerchantAccount]:
    """Reference → order → the accounts it may be paid to at this processor, retired ones of its payments included."""
    try:
        order = Order.objects.filter(pk=UUID(reference.strip())).first()
    except ValueError:
        order = None
    if order is None:
        return []
    own = MerchantAccount.objects.filter(
        processor=processor, mode=order.mode, provider=order.provider_id, business_id=order.business_id, retired_at=None
    )
    used = MerchantAccount.objects.filter(processor=processor, payments__order=order)
    found = {account.pk: account for account in [*own, *used]}
    return [account for account in found.values() if account_id in (None, account.pk)]


def _order_id(question: Question | None) -> UUID | None:
    try:
        return UUID(str(getattr(question, "reference", "")).strip())
    except ValueError:
        return None
