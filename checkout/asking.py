"""The addresses where processors ask first (Payme, Click, Uzum, Multicard): read, decide, answer in their form.

Nothing but the protocol's own words leaves here: no redirect, no CSRF, no HTML, and for every fault of ours,
the database's included, its "ask again".
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from checkout import callback_records, decisions
from checkout.models import CallbackRecord, Order
from gateway import registry
from gateway.questions import AskingProtocol, Done, No, ProtocolFault, Question, Reply
from gateway.types import Callback
from providers import accounts
from providers.addresses import client_address
from providers.models import MerchantAccount

logger = logging.getLogger(__name__)
Verdict = CallbackRecord.Verdict
MAX_BYTES = 512 * 1024
ACCOUNTS_TRIED = 50


@dataclass(slots=True)
class _Told:
    """What became of one request, for its record."""

    reply: Reply
    verdict: CallbackRecord.Verdict
    note: str = ""
    question: Question | None = None
    found: list[MerchantAccount] = field(default_factory=list)


@csrf_exempt
def ask(request: HttpRequest, processor: str, endpoint: str = "", account_id: UUID | None = None) -> HttpResponse:
    """One question of a processor, at the shared address or at the one of a single account."""
    now = timezone.now()
    protocol = registry.PROTOCOLS[processor]
    callback = Callback(
        body=b"",
        headers={name.lower(): value for name, value in request.headers.items()},
        received_at=now,
        path=request.path,
        method=request.method or "",
        query=request.META.get("QUERY_STRING", ""),
    )
    try:
        callback = _with_body(callback, request)
        reply = _answer(
            protocol,
            callback,
            processor=processor,
            endpoint=endpoint,
            account_id=account_id,
            address=client_address(request),
            request_id=str(getattr(request, "request_id", "")),
        )
    except Exception:
        # Whatever it was, it was ours, and refusal is only ever said on purpose.
        logger.exception("a question of %s could not be answered", processor)
        reply = protocol.fault(callback, endpoint, now=now)
    return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type, headers=dict(reply.headers))


def _with_body(callback: Callback, request: HttpRequest) -> Callback:
    body = request.body
    if len(body) > MAX_BYTES:
        body = body[: MAX_BYTES + 1]  # cut: the protocol finds it unreadable and says so in its own words
    return Callback(
        body=body,
        headers=callback.headers,
        received_at=callback.received_at,
        path=callback.path,
        method=callback.method,
        query=callback.query,
    )


def _answer(
    protocol: AskingProtocol,
    callback: Callback,
    *,
    processor: str,
    endpoint: str,
    account_id: UUID | None,
    address: str,
    request_id: str,
) -> Reply:
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


def _addresses(processor: str, *endpoints: str) -> list[object]:
    """Both spellings of every address: a redirect would lose the body, and with it the payment."""
    found: list[object] = []
    for endpoint in endpoints:
        tail = f"/{endpoint}" if endpoint else ""
        for slash in ("", "/"):
            arguments = {"processor": processor, "endpoint": endpoint}
            found.append(path(f"api/callbacks/{processor}{tail}{slash}", ask, arguments))
            found.append(path(f"api/callbacks/{processor}/<uuid:account_id>{tail}{slash}", ask, arguments))
    return found


urlpatterns = [
    *_addresses("payme", ""),
    *_addresses("click", "", "prepare", "complete"),
    *_addresses("uzum", "check", "create", "confirm", "reverse", "status"),
]
