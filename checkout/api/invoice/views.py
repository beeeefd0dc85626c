"""The endpoints of the Invoice API: read, call one domain function, answer in the envelope."""

import hashlib
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from checkout import invoices, merchants, orders, paging, payments, receipt_lines, refunds
from checkout.api.base import DialectView
from checkout.api.fields import place
from checkout.api.invoice import docs, shapes
from checkout.api.invoice.callers import MAX_SOURCE, Caller, KeyOfSourceOrService
from checkout.api.invoice.envelope import Invalid, NotFound, answer_error, failure, success
from checkout.api.invoice.reading import Body, is_plain
from checkout.errors import MerchantNotFound
from checkout.models import Order, Payment, Refund
from checkout.transitions import WAITING
from gateway import registry
from gateway.money import MAX_MINOR, Money, is_currency
from gateway.types import Mode
from providers import accounts
from providers.models import MerchantAccount

LOWEST_AMOUNT = 100
MAX_ID = 128
LANGUAGES = ("uz", "ru", "en")
PAGE, MAX_PAGE = 20, 100
ANY_SUM = range(10**19)  # where there is nothing yet that the lines could fail to add up to
_PROBLEMS = {"unknown field": "is not allowed", "is required": "is required"}
NEEDS_LINES = frozenset({"multicard"})  # processors that make the fiscal receipt from our lines


class InvoiceView(DialectView):
    authentication_classes = [KeyOfSourceOrService]

    def explain_error(self, error: Exception) -> HttpResponse:
        return answer_error(error)

    def owner_of(self, request: Request) -> tuple[str, Mode]:
        caller = caller_of(request)
        return str(caller.provider.pk) if caller.provider else "service", caller.mode


def caller_of(request: Request) -> Caller:
    return cast(Caller, request.auth)


class Supported(InvoiceView):
    @docs.list_supported
    def get(self, request: Request) -> HttpResponse:
        return success({"items": shapes.supported()})


class Merchants(InvoiceView):
    @docs.register_merchant
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda _id: self._register(request))

    def _register(self, request: Request) -> HttpResponse:
        caller, body = caller_of(request), Body(self.body_of(request))
        slug = body.text("source", required=True, longest=MAX_SOURCE)
        business_id = body.text("businessId", required=True, longest=MAX_ID)
        processor = body.text("provider", required=True, one_of=tuple(registry.PROCESSORS))
        given = body.texts("credentials") if body.has("credentials") else None
        name = body.text("displayName", longest=200)
        is_active = body.flag("isActive", default=True)
        mode = body.text("mode", one_of=("test", "live"), default=caller.mode.value)
        if mode != caller.mode.value:
            body.refuse("mode", f"must be [{caller.mode.value}] for this key")
        if business_id in (".", ".."):
            body.refuse("businessId", "can be no part of an address")  # every client folds it away
        if not body.problems:
            caller.check_source(slug)
            self._check_credentials(body, caller, slug, business_id, processor, given)
        body.done()
        merchant = merchants.Merchant(
            provider=caller.made_source(slug), business_id=business_id, processor=processor, mode=caller.mode
        )
        how: dict[str, Any] = {"name": name, "is_active": is_active, "by": caller.name, "now": timezone.now()}
        if given is None:
            return success(shapes.merchant_out(merchants.switch(merchant, **how)))
        try:
            account = merchants.register(merchant, credentials=given, **how)
        except accounts.BadCredentials as error:  # what no credential of this mode could make right
            raise Invalid([f'"{name}" is refused: {problem}' for name, problem in error.problems.items()]) from error
        return success(shapes.merchant_out(account))

    def _check_credentials(
        self, body: Body, caller: Caller, slug: str, business_id: str, processor: str, given: dict[str, str] | None
    ) -> None:
        """They may be left out for what is registered already: then only its name and its switch change."""
        if given is None:
            provider = caller.known_source(slug)
            known = provider and merchants.find(
                merchants.Merchant(provider=provider, business_id=business_id, processor=processor, mode=caller.mode)
            )
            if known:
                return
        problems = accounts.problems_with(processor=processor, mode=caller.mode, credentials=given or {})
        for field, problem in problems.items():
            body.refuse(f"credentials.{field}", _PROBLEMS.get(problem, f"is refused: {problem}"))


class BusinessProviders(InvoiceView):
    @docs.list_business_providers
    def get(self, request: Request, source: str, business_id: str) -> HttpResponse:
        caller = caller_of(request)
        provider = caller.known_source(source)
        found: list[MerchantAccount] = []
        if provider is not None and provider.is_active and is_plain(business_id):
            rows = MerchantAccount.objects.filter(
                provider=provider, business_id=business_id, mode=caller.mode.value, retired_at=None
            )
            found = list(rows.filter(is_active=True, blocked_at=None).order_by("created_at"))
        items = [
            {"provider": account.processor, "displayName": account.business_name or None}
            for account in found
            if account.processor in registry.PROCESSORS
        ]
        return success({"items": items})


class Invoices(InvoiceView):
    @docs.list_invoices
    def get(self, request: Request) -> HttpResponse:
        caller, query = caller_of(request), request.query_params
        found = _invoices_of(caller)
        for name, column in (("sourceInvoiceId", "external_id"), ("businessId", "business_id")):
            if name in query:
                found = found.filter(**{column: _plain(name, query[name])})
        if "source" in query:
            provider = caller.known_source(query["source"])
            found = found.filter(provider=provider) if provider else found.none()
        if "status" in query:
            wanted = [status for status, word in shapes.STATUSES.items() if word == query["status"]]
            if not wanted:
                raise Invalid([f'"status" must be one of [{", ".join(dict.fromkeys(shapes.STATUSES.values()))}]'])
            found = found.filter(status__in=wanted)
        after = place(query["cursor"]) if query.get("cursor") else None
        page = paging.page(
            found.prefetch_related("payments"), size=_page_size(query.get("limit", str(PAGE))), after=after
        )
        return success(
            {
                "items": shapes.invoices_out(page.rows),
                "nextCursor": str(page.older) if page.older else None,
            }
        )

    @docs.create_invoice
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda order_id: self._create(request, order_id))

    def _create(self, request: Request, order_id: UUID | None) -> HttpResponse:
        caller = caller_of(request)
        wanted = _read_wanted(Body(self.body_of(request)), caller)
        order, payment = invoices.open_invoice(wanted, cause=caller.name, now=timezone.now(), order_id=order_id)
        return success(shapes.invoice_out(order, [payment] if payment else [], is_delivered=None))


def _read_wanted(body: Body, caller: Caller) -> invoices.Wanted:
    """Invalid; MerchantNotFound for a source that nobody has registered a business for."""
    is_live = caller.mode == Mode.LIVE
    slug = body.text("source", required=True, longest=MAX_SOURCE)
    business_id = body.text("businessId", required=True, longest=MAX_ID)
    processor = body.text("provider", one_of=tuple(registry.PROCESSORS)) if body.has("provider") else ""
    source_invoice_id = body.text("sourceInvoiceId", required=True, longest=MAX_ID)
    amount = body.whole("amount", required=True, lowest=LOWEST_AMOUNT, highest=MAX_MINOR)
    currency = body.text("currency", longest=3, default="UZS")
    taken = registry.get(processor).capabilities.currencies if processor else frozenset()
    if not is_currency(currency):
        body.refuse("currency", "must be an ISO 4217 code")
    elif taken and currency not in taken:
        body.refuse("currency", f"must be one of [{', '.join(sorted(taken))}] at {processor}")
    notify_url = body.webhook_url("notifyUrl", is_livemode=is_live)
    return_url = body.url("returnUrl", is_livemode=is_live)
    return_error_url = body.url("returnErrorUrl", is_livemode=is_live)
    lang = body.text("lang", one_of=LANGUAGES) if body.has("lang") else ""
    description = body.text("description", longest=500)
    lines = body.lines("ofd")
    if lines is not None:
        body.problems += receipt_lines.problems_of(lines, sums=ANY_SUM if amount is None else [amount])
    elif processor in NEEDS_LINES:
        body.refuse("ofd", "is required")
    body.done()
    caller.check_source(slug)
    provider = caller.known_source(slug)
    if provider is None or not provider.is_active:
        raise MerchantNotFound()
    return invoices.Wanted(
        provider=provider,
        mode=caller.mode,
        business_id=business_id,
        processor=processor,
        source_invoice_id=source_invoice_id,
        amount=Money(cast(int, amount), currency),
        notify_url=notify_url,
        return_url=return_url,
        return_error_url=return_error_url,
        lang=lang,
        description=description,
        items=receipt_lines.known_fields(lines or []),
    )


class InvoiceDetail(InvoiceView):
    @docs.get_invoice
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        order = _find(request, invoice_id)
        if order.status in WAITING:
            payments.schedule_question(order_id=order.pk, now=timezone.now())
        return success(_out(order))


class InvoiceEvents(InvoiceView):
    @docs.list_events
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        order = _find(request, invoice_id)
        return success({"items": [shapes.event_out(event) for event in order.events.order_by("sequence")]})


class CancelInvoice(InvoiceView):
    @docs.cancel_invoice
    def post(self, request: Request, invoice_id: str) -> HttpResponse:
        _ = request.data  # refuse what is no JSON, although nothing in it matters
        order = _find(request, invoice_id)
        if order.status == Order.Status.EXPIRED:
            return success(_out(order))  # told as cancelled, and nothing of it can be paid any more
        orders.cancel_order(order_id=order.pk, cause=caller_of(request).name, now=timezone.now())
        return success(_out(_find(request, invoice_id)))


class Refunds(InvoiceView):
    @docs.create_refund
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda _id: self._refund(request))

    def _refund(self, request: Request) -> HttpResponse:
        body = Body(self.body_of(request))
        invoice_id = body.text("invoiceId", required=True, longest=64)
        amount = body.whole("amount", lowest=1, highest=MAX_MINOR)
        reason = body.text("reason", longest=300)
        key = _refund_key(body.text("idempotencyKey", longest=200), request.headers.get("Idempotency-Key"))
        card_pan = body.text("cardPan", longest=32)
        lines = body.lines("ofd")
        if lines is not None:
            body.problems += receipt_lines.problems_of(lines, sums=ANY_SUM)
        body.done()
        order = _find(request, invoice_id, "paid_by")
        payment = order.paid_by
        if payment is not None:
            left = refunds.remaining_minor(payment)
            wanted = amount or left
            if lines is not None:
                body.problems += receipt_lines.problems_of(lines, sums=[wanted, max(0, left - wanted)])
            elif payment.processor in NEEDS_LINES and 0 < wanted < payment.captured_minor:
                body.refuse("ofd", "is required for a partial refund")
            is_repeat = bool(key) and payment.refunds.filter(idempotency_key=key).exists()
            if not is_repeat:  # a repeat is compared with what was asked first, not with what is left now
                body.done()
        refund = refunds.request_refund(
            order_id=order.pk,
            amount_minor=amount,
            reason=reason,
            idempotency_key=key,
            requested_by=caller_of(request).name,
            cause=caller_of(request).name,
            items=receipt_lines.known_fields(lines or []),
            card_pan=card_pan,
            now=timezone.now(),
        )
        refund = Refund.objects.select_related("payment").get(pk=refund.pk)
        if refund.status == Refund.Status.FAILED:
            # Refused for good, in the processor's own words: unlike a 502, asking again does not help.
            said = {"details": [refund.failure_message or "refused"], "refund": shapes.refund_out(refund)}
            return failure(400, "NOT_REFUNDABLE", said)
        return success(shapes.refund_out(refund))


class InvoiceRefunds(InvoiceView):
    @docs.list_refunds
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        order = _find(request, invoice_id)
        found = Refund.objects.filter(payment__order=order).select_related("payment").order_by("created_at", "pk")
        return success({"items": [shapes.refund_out(refund) for refund in found]})


def _refund_key(key: str, header: str | None) -> str:
    """The caller's key as the refund remembers it, for ever: it names a wish about money.

    Without `idempotencyKey` the header's does: a crash between a refund and its answer must not refund twice.
    """
    # Kept apart from the keys of our own rules (late captures, reviews), which share the column.
    if key:
        return f"invoice:{key}"
    return "header:" + hashlib.sha256(header.encode()).hexdigest()[:40] if header else ""


def _invoices_of(caller: Caller) -> QuerySet[Order]:
    found = Order.objects.filter(dialect=Order.Dialect.INVOICE, mode=caller.mode.value).select_related("provider")
    return found.filter(provider=caller.provider) if caller.provider else found


def _find(request: Request, invoice_id: str, *related: str) -> Order:
    """The caller's own invoice in his mode; everything else is not there."""
    try:
        wanted = UUID(invoice_id)
    except ValueError as error:
        raise NotFound("Invoice") from error
    found = _invoices_of(caller_of(request)).filter(pk=wanted)
    order = found.select_related(*related).first() if related else found.first()
    if order is None:
        raise NotFound("Invoice")
    return order


def _out(order: Order) -> dict[str, Any]:
    tries = list(Payment.objects.filter(order=order).order_by("created_at", "pk"))
    return shapes.invoice_out(order, tries, is_delivered=shapes.delivered_of([order]).get(order.pk))


def _plain(name: str, text: str) -> str:
    body = Body({name: text})
    found = body.text(name, longest=128)
    body.done()
    return found


def _page_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE):
        raise Invalid([f'"limit" must be a number from 1 to {MAX_PAGE}'])
    return int(text)
