"""The Merchant-secret API: one call that starts a payment, and one that says whether it is paid."""

import hashlib
import re
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.http import HttpResponse, HttpResponseNotModified
from django.utils import timezone
from django.utils.http import parse_etags
from rest_framework.request import Request

from checkout import errors, orders, payments, ratelimit
from checkout.api.authentication import key_of, provider_of, refuse_anonymous
from checkout.api.base import DialectView, read
from checkout.api.bodies import answer, answer_text, write_json
from checkout.api.errors import ApiError, explain
from checkout.api.merchant_secret import docs, shapes
from checkout.api.merchant_secret.authentication import SecretInBody
from checkout.errors import CheckoutError
from checkout.models import Order, Payment
from checkout.transitions import WAITING
from gateway.money import Money
from gateway.types import Mode
from providers.ids import payment_code, watch_code

START = shapes.StartPaymentIn()
WATCHES_PER_MINUTE = 120  # of one payment: twice a second, for a minute and longer
_WATCH_CODE = re.compile(r"wc_[0-9a-f]{32}\Z")


class NobodyTakesIt(CheckoutError):
    """No processor of the merchant is there for his currency"""

    code = "METHOD_NOT_AVAILABLE"

    def __init__(self, currency: str) -> None:
        super().__init__(f"None of this merchant's processors can take payments in {currency} right now")


class MerchantSecretView(DialectView):
    def explain_error(self, error: Exception) -> HttpResponse:
        status, text, headers = explain(error, say=str)
        return answer({"error": text}, status=status, headers=headers)


class StartPayment(MerchantSecretView):
    authentication_classes = [SecretInBody]

    @docs.start_payment
    def post(self, request: Request) -> HttpResponse:
        return self.once(request, lambda order_id: self._start(request, order_id))

    def _start(self, request: Request, order_id: UUID | None) -> HttpResponse:
        wanted = read(START, self.body_of(request))
        merchant, secret = provider_of(request), key_of(request)
        try:
            order = orders.open_order(
                dialect=Order.Dialect.MERCHANT_SECRET,
                mode=Mode(secret.mode),
                provider=merchant,
                service=None,
                amount=Money(wanted["amount"], merchant.currency),
                description=merchant.name,
                code=payment_code(),
                watch_code=watch_code(),
                cause=f"merchant secret {secret.prefix}",
                now=timezone.now(),
                order_id=order_id,
            )
        except errors.MethodNotAvailable as error:
            raise NobodyTakesIt(merchant.currency) from error
        return answer(shapes.started_out(order))


class Watch(MerchantSecretView):
    """Asked again and again, by whoever holds the watch code: one row, and 304 while it says the same."""

    authentication_classes = []

    @docs.watch
    def get(self, request: Request, watch_code: str) -> HttpResponse:
        order = self._find(request, watch_code)
        now = timezone.now()
        if order.status in WAITING and order.has_question_ahead:  # type: ignore[attr-defined]  # annotated in _find
            payments.schedule_question(order_id=order.pk, now=now)
        text = write_json(shapes.watched_out(order))
        tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'
        if _is_known(request.headers.get("If-None-Match", ""), tag):
            response: HttpResponse = HttpResponseNotModified()
        else:
            response = answer_text(text, status=200)
        response["ETag"] = tag
        # May be kept by who asked, and must be asked about before each use.
        response["Cache-Control"] = "private, no-cache"
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    def _find(self, request: Request, code: str) -> Order:
        """By nothing but the watch code. The limit is counted first: who hammers costs no query."""
        order = None
        if _WATCH_CODE.match(code):
            now = timezone.now()
            ratelimit.count(f"watch {code}", per_minute=WATCHES_PER_MINUTE, now=now)
            # Looked up in the same query, so that most polls write nothing.
            ahead = Payment.objects.filter(
                Q(last_asked_at=None) | Q(last_asked_at__lte=now - payments.READ_ASKS_EVERY),
                order=OuterRef("pk"),
                status__in=[status for status in Payment.OPEN if status != Payment.Status.CREATED],
                next_ask_at__gt=now,
            )
            order = (
                Order.objects.filter(watch_code=code)
                .only("status", "amount_minor", "provider_name", "created_at", "paid_at")
                .annotate(has_question_ahead=Exists(ahead))
                .first()
            )
        if order is None:
            refuse_anonymous(request, ApiError(404, "There is no payment with this watch code"))
        return order


def _is_known(header: str, tag: str) -> bool:
    """`If-None-Match` by weak comparison, as its specification wants it."""
    return any(known in ("*", tag, f"W/{tag}") for known in parse_etags(header)) if header else False
