"""The endpoints of the Invoice API: read, call one domain function, answer in the envelope."""

from typing import Any, cast
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from checkout import invoices, orders, payments, receipt_lines, refunds
from checkout.api.base import DialectView
from checkout.api.invoice import shapes
from checkout.api.invoice.callers import Caller, KeyOfSourceOrService
from checkout.api.invoice.envelope import Invalid, NotFound, answer_error, failure, success
from checkout.api.invoice.reading import Body
from checkout.api.provider.shapes import cursor_after, read_cursor
from checkout.models import Order, Payment, Refund
from checkout.transitions import WAITING
from gateway import registry
from gateway.money import MAX_MINOR, Money, is_currency
from gateway.types import Mode
from providers import accounts
from providers.models import MerchantAccount

LOWEST_AMOUNT = 100
PAGE, MAX_PAGE = 20, 100
_PROBLEMS = {"unknown field": "is not allowed", "is required": "is required"}
NEEDS_LINES = frozenset({"multicard"})  # processors that make the fiscal receipt from our lines


class InvoiceView(DialectView):
    schema = None
    authentication_classes = [KeyOfSourceOrService]

    def explain_error(self, error: Exception) -> HttpResponse:
        return answer_error(error)

    def owner_of(self, request: Request) -> tuple[str, Mode]:
        caller = caller_of(request)
        return str(caller.provider.pk) if caller.provider else "service", caller.mode


def caller_of(request: Request) -> Caller:
    return cast(Caller, request.auth)


class Supported(InvoiceView):
    def get(self, request: Request) -> HttpResponse:
        return success({"items": shapes.supported()})


class Merchants(InvoiceView):
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda _id: self._register(request))

    def _register(self, request: Request) -> HttpResponse:
        caller, body = caller_of(request), Body(self.body_of(request))
        slug = body.text("source", required=True, longest=80)
        business_id = body.text("businessId", required=True, longest=128)
        processor = body.text("provider", required=True, one_of=tuple(registry.PROCESSORS))
        given = body.texts("credentials")
        name = body.text("displayName", longest=200)
        is_active = body.flag("isActive", default=True)
        mode = body.text("mode", one_of=("test", "live"), default=caller.mode.value)
        if mode != caller.mode.value:
            body.refuse("mode", f"must be [{caller.mode.value}] for this key")
        problems = accounts.problems_with(processor=processor, mode=caller.mode, credentials=given) if processor else {}
        for field, problem in problems.items():
            body.refuse(f"credentials.{field}", _PROBLEMS.get(problem, f"is refused: {problem}"))
        body.done()
        account = accounts.save_credentials(
            provider=caller.source(slug),
            processor=processor,
            mode=caller.mode,
            credentials=given,
            business_id=business_id,
            business_name=name,
            now=timezone.now(),
        )
        if account.is_active != is_active:
            MerchantAccount.objects.filter(pk=account.pk).update(is_active=is_active)
            account.is_active = is_active
        return success(shapes.merchant_out(account))


class BusinessProviders(InvoiceView):
    def get(self, request: Request, source: str, business_id: str) -> HttpResponse:
        caller = caller_of(request)
        provider = caller.known_source(source)
        found = MerchantAccount.objects.filter(
            provider=provider, business_id=business_id, mode=caller.mode.value, retired_at=None
        ).order_by("created_at")
        usable = [account for account in found if account.is_usable] if provider and business_id else []
        return success(
            {
                "items": [
                    {"provider": account.processor, "displayName": account.business_name or None}
                    for account in usable
                    if account.processor in registry.PROCESSORS
                ]
            }
        )


class Invoices(InvoiceView):
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
        if query.get("cursor"):
            moment, last = read_cursor(query["cursor"])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=last))
        size = _page_size(query.get("limit", str(PAGE)))
        page = list(found.prefetch_related("payments").order_by("-created_at", "-pk")[: size + 1])
        return success(
            {
                "items": [shapes.invoice_out(order, list(order.payments.all())) for order in page[:size]],
                "nextCursor": cursor_after(page[size - 1]) if len(page) > size else None,
            }
        )

    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda order_id: self._create(request, order_id))

    def _create(self, request: Request, order_id: UUID | None) -> HttpResponse:
        caller, body = caller_of(request), Body(self.body_of(request))
        is_live = caller.mode == Mode.LIVE
        slug = body.text("source", required=True, longest=80)
        business_id = body.text("businessId", required=True, longest=128)
        processor = body.text("provider", one_of=tuple(registry.PROCESSORS)) if body.has("provider") else ""
        source_invoice_id = body.text("sourceInvoiceId", required=True, longest=128)
        amount = body.whole("amount", required=True, lowest=LOWEST_AMOUNT, highest=MAX_MINOR)
        currency = body.text("currency", longest=3, default="UZS")
        if not is_currency(currency):
            body.refuse("currency", "must be an ISO 4217 code")
        notify_url = body.webhook_url("notifyUrl", is_livemode=is_live)
        return_url = body.url("returnUrl", is_livemode=is_live)
        return_error_url = body.url("returnErrorUrl", is_livemode=is_live)
        lang = body.text("lang", one_of=("uz", "ru", "en")) if body.has("lang") else ""
        description = body.text("description", longest=500)
        lines = body.lines("ofd")
        if lines is not None:
            body.problems += receipt_lines.problems_of(lines, sums=[amount or 0])
        elif processor in NEEDS_LINES:
            body.refuse("ofd", "is required")
        body.done()
        order, payment = invoices.open_invoice(
            invoices.Wanted(
                provider=caller.source(slug),
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
            ),
            cause=caller.name,
            now=timezone.now(),
            order_id=order_id,
        )
        return success(shapes.invoice_out(order, [payment] if payment else []))


class InvoiceDetail(InvoiceView):
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        order = _find(request, invoice_id)
        if order.status in WAITING:
            payments.schedule_question(order_id=order.pk, now=timezone.now())
        return success(_out(order))


class InvoiceEvents(InvoiceView):
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        order = _find(request, invoice_id)
        return success({"items": [shapes.event_out(event) for event in order.events.order_by("sequence")]})


class CancelInvoice(InvoiceView):
    def post(self, request: Request, invoice_id: str) -> HttpResponse:
        _ = request.data  # refuse what is no JSON, although nothing in it matters
        order = _find(request, invoice_id)
        orders.cancel_order(order_id=order.pk, cause=caller_of(request).name, now=timezone.now())
        return success(_out(_find(request, invoice_id)))


class Refunds(InvoiceView):
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda _id: self._refund(request))

    def _refund(self, request: Request) -> HttpResponse:
        body = Body(self.body_of(request))
        invoice_id = body.text("invoiceId", required=True, longest=64)
        amount = body.whole("amount", lowest=1, highest=MAX_MINOR)
        reason = body.text("reason", longest=300)
        key = body.text("idempotencyKey", longest=255)
        card_pan = body.text("cardPan", longest=32)
        lines = body.lines("ofd")
        body.done()
        order = _find(request, invoice_id)
        payment = order.paid_by
        if payment is not None:
            left = refunds.remaining_minor(payment)
            wanted = amount or left
            if lines is not None:
                body.problems += receipt_lines.problems_of(lines, sums=[wanted, max(0, left - wanted)])
            elif payment.processor in NEEDS_LINES and 0 < wanted < payment.captured_minor:
                body.refuse("ofd", "is required for a partial refund")
            known = key and payment.refunds.filter(idempotency_key=_refund_key(key)).exists()
            if not known:  # a repeat is compared with what was asked first, not with what is left now
                body.done()
        refund = refunds.request_refund(
            order_id=order.pk,
            amount_minor=amount,
            reason=reason,
            idempotency_key=_refund_key(key),
            requested_by=caller_of(request).name,
            cause=caller_of(request).name,
            items=receipt_lines.known_fields(lines) if isinstance(lines, list) else [],
            card_pan=card_pan,
            now=timezone.now(),
        )
        refund = Refund.objects.select_related("payment").get(pk=refund.pk)
        if refund.status == Refund.Status.FAILED:
            details = {"details": [refund.failure_message or "refused"], "refund": shapes.refund_out(refund)}
            return failure(502, "UPSTREAM_ERROR", details)
        return success(shapes.refund_out(refund))


class InvoiceRefunds(InvoiceView):
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        order = _find(request, invoice_id)
        found = Refund.objects.filter(payment__order=order).select_related("payment").order_by("created_at", "pk")
        return success({"items": [shapes.refund_out(refund) for refund in found]})


def _refund_key(key: str) -> str:
    # Kept apart from the keys of our own rules (late captures, reviews), which share the column.
    return f"invoice:{key}" if key else ""


def _invoices_of(caller: Caller) -> Any:
    found = Order.objects.filter(dialect=Order.Dialect.INVOICE, mode=caller.mode.value).select_related("provider")
    return found.filter(provider=caller.provider) if caller.provider else found


def _find(request: Request, invoice_id: str) -> Order:
    """The caller's own invoice in his mode; everything else is not there."""
    try:
        wanted = UUID(invoice_id)
    except ValueError as error:
        raise NotFound("Invoice") from error
    order = _invoices_of(caller_of(request)).select_related("paid_by").filter(pk=wanted).first()
    if order is None:
        raise NotFound("Invoice")
    return cast(Order, order)


def _out(order: Order) -> dict[str, Any]:
    tries = list(Payment.objects.filter(order=order).order_by("created_at", "pk"))
    return shapes.invoice_out(order, tries, is_delivered=shapes.delivered(order))


def _plain(name: str, text: str) -> str:
    body = Body({name: text})
    found = body.text(name, longest=128)
    body.done()
    return found


def _page_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE):
        raise Invalid([f'"limit" must be a number from 1 to {MAX_PAGE}'])
    return int(text)
