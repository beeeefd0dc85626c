"""The Provider API: an order and its checkout address for a selling system, and what became of it."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from checkout import catalogue, orders, paging, payments, refunds
from checkout.api import fields
from checkout.api.authentication import KeyInHeaders, key_of, provider_of
from checkout.api.base import DialectView, read, refund_key
from checkout.api.bodies import answer
from checkout.api.errors import BadInput
from checkout.api.provider import docs, shapes
from checkout.api.provider.authentication import KeyInBodyOrBuyButton
from checkout.api.provider.errors import answer_error
from checkout.errors import CheckoutError
from checkout.models import Order, Payment, Refund
from checkout.transitions import WAITING
from gateway.types import Mode
from providers.models import Provider, Service

INTENT = shapes.PaymentIntentIn()
REFUND = shapes.RefundIn()
PAGE = 20
MAX_PAGE = 100


class RefundRefused(CheckoutError):
    """The processor refused the refund; no money went back"""

    code = "REFUND_REFUSED"
    status = 409


class ProviderView(DialectView):
    def explain_error(self, error: Exception) -> HttpResponse:
        return answer_error(error)


class CreatePaymentIntent(ProviderView):
    authentication_classes = [KeyInBodyOrBuyButton]

    @docs.create_payment_intent
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda order_id: self._create(request, order_id))

    def _create(self, request: Request, order_id: UUID | None) -> HttpResponse:
        wanted = read(INTENT, self.body_of(request))
        now = timezone.now()
        expires_at = shapes.check_expiry(wanted.get("expiresAt"), now=now)
        provider, service, mode = self._seller(request, wanted.get("serviceId"))
        amount = wanted.get("amount")
        # Only who holds the key may name the provider's own order: with a public button, a stranger would pay five
        # dollars and have the provider told that somebody else's order is paid.
        external_id = wanted.get("externalId") if request.auth else None
        key = key_of(request) if request.auth else None
        order = orders.open_order(
            dialect=Order.Dialect.PROVIDER,
            mode=mode,
            provider=provider,
            service=service,
            amount=fields.exact_money(amount, service.currency) if amount is not None and service else None,
            external_id=external_id or "",
            lang=wanted.get("lang") or "",
            expires_at=expires_at,
            cause=f"api key {key.prefix}" if key else "buy button",
            now=now,
            order_id=order_id,
        )
        return answer(shapes.intent_out(order, external_id=external_id))

    def _seller(self, request: Request, name: str | None) -> tuple[Provider | None, Service | None, Mode]:
        if request.auth is None:
            service = catalogue.find_service(name or "")
            # Who presses a public button has no key to say the mode: it is the installation's own.
            return catalogue.seller_of(service), service, Mode.TEST if settings.DEMO else Mode.LIVE
        provider = provider_of(request)
        if name is not None and not catalogue.is_named(provider.service, name):
            raise BadInput("serviceId is not the service linked to this API key")
        return provider, provider.service, Mode(key_of(request).mode)


class OrderList(ProviderView):
    authentication_classes = [KeyInHeaders]

    @docs.list_orders
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        found = Order.objects.filter(provider=provider_of(request), mode=key_of(request).mode)
        if "externalId" in query:
            found = found.filter(external_id=_external_id(query["externalId"]))
        after = fields.place(query["cursor"]) if query.get("cursor") else None
        found = found.prefetch_related(Prefetch("payments", queryset=_tries()))
        page = paging.page(found, size=_page_size(query.get("limit", str(PAGE))), after=after)
        return answer(
            {
                "orders": [shapes.order_out(order, list(order.payments.all())) for order in page.rows],
                "nextCursor": str(page.older) if page.older else None,
            }
        )


class OrderDetail(ProviderView):
    authentication_classes = [KeyInHeaders]

    @docs.get_order
    def get(self, request: Request, order_id: str) -> HttpResponse:
        order = _find(request, order_id)
        if order.status in WAITING:
            payments.schedule_question(order_id=order.pk, now=timezone.now())
        return answer(_order_out(order))


class CancelOrder(ProviderView):
    """Takes no Idempotency-Key: a second cancel does nothing by itself, and a refusal may be over in a moment."""

    authentication_classes = [KeyInHeaders]

    @docs.cancel_order
    def post(self, request: Request, order_id: str) -> HttpResponse:
        _ = request.data  # refuse what is no JSON, although nothing in it matters
        order = _find(request, order_id)
        orders.cancel_order(order_id=order.pk, cause=f"api key {key_of(request).prefix}", now=timezone.now())
        return answer(_order_out(_find(request, order_id)))


class RefundOrder(ProviderView):
    authentication_classes = [KeyInHeaders]

    @docs.refund_order
    def post(self, request: Request, order_id: str) -> HttpResponse:
        _ = request.data
        return self.once(request, lambda _refund_id: self._refund(request, order_id))

    def _refund(self, request: Request, order_id: str) -> HttpResponse:
        wanted = read(REFUND, self.body_of(request))
        order = _find(request, order_id)
        amount = wanted.get("amount")
        if amount is not None and amount <= 0:
            raise BadInput("amount must be more than zero")
        refund = refunds.request_refund(
            order_id=order.pk,
            amount_minor=fields.exact_money(amount, order.currency).minor if amount is not None else None,
            reason=wanted.get("reason") or "",
            idempotency_key=refund_key(request),
            requested_by=f"api key {key_of(request).prefix}",
            cause=f"api key {key_of(request).prefix}",
            now=timezone.now(),
        )
        if refund.status == Refund.Status.FAILED:
            raise RefundRefused()
        body: dict[str, Any] = {"orderId": str(order.pk), **shapes.refund_out(refund)}
        return answer(body, status=200 if refund.status == Refund.Status.SUCCEEDED else 202)


def _find(request: Request, order_id: str) -> Order:
    return orders.find_order(order_id=order_id, provider=provider_of(request), mode=Mode(key_of(request).mode))


def _order_out(order: Order) -> dict[str, Any]:
    return shapes.order_out(order, list(_tries().filter(order=order)))


def _tries() -> QuerySet[Payment]:
    return Payment.objects.order_by("created_at", "pk").prefetch_related("refunds")


def _external_id(text: str) -> str:
    if not 1 <= len(text) <= shapes.MAX_EXTERNAL_ID or "\0" in text:
        raise BadInput(f"externalId must be 1 to {shapes.MAX_EXTERNAL_ID} characters long")
    return text


def _page_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_PAGE):
        raise BadInput(f"limit must be a whole number from 1 to {MAX_PAGE}")
    return int(text)
