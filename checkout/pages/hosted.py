"""The hosted checkout at `/checkout/o/<token>`: what is owed, a way to pay it, and what became of it.

The address is the key: there is no session, no cookie but the chosen language, and nothing a visitor sends is
believed. The truth comes from the rows; a look at a pending order only schedules the next question.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponseRedirect, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.urls import reverse
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from checkout import letters, orders, payments, ratelimit, returns
from checkout.errors import (
    AlreadyPaid,
    MethodNotAvailable,
    NotPayable,
    OrderNotFound,
    PaymentUnderWay,
    ProcessorTrouble,
    SellerCannotBePaid,
)
from checkout.models import Order
from checkout.pages import language, site, way_back
from checkout.pages.answer import is_from_elsewhere, page, private
from checkout.pages.device import is_phone
from checkout.pages.in_app import has_page
from checkout.pages.sheet import Look, look_at, sheet_of
from checkout.pages.widget import needs_form, shows_widget
from checkout.wording import Notice
from gateway.errors import BadCallback
from gateway.types import Callback
from providers.addresses import client_address

MAX_RETURN_BYTES = 16 * 1024
TRIES_PER_MINUTE = 20  # of one order: more than a person can make, less than would trouble a processor

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, Order, P], HttpResponse]


def of_order(view: View[P]) -> Callable[..., HttpResponse]:
    """The view gets the order behind the token; an unknown token is a page of ours. All of it stays private."""

    @wraps(view)
    def wrapped(request: HttpRequest, token: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            order = orders.find_by_token(_sane(token))
        except OrderNotFound:
            return private(site.error_page(request, "order", status=404))
        return private(view(request, order, *args, **kwargs))

    return wrapped


def _sane(token: str) -> str:
    """The token, if it could be one: PostgreSQL refuses some characters even to be looked for."""
    if not _TOKEN.match(token):
        raise OrderNotFound()
    return token


@require_safe
@of_order
def show(request: HttpRequest, order: Order) -> HttpResponse:
    return page_of(request, order)


@require_safe
@of_order
def status(request: HttpRequest, order: Order) -> HttpResponse:
    """What the page's script asks again and again: `{"state", "version", "final"}`, or 304 by its ETag."""
    look = look_at(order, now=timezone.now())
    ask_soon(look)
    tag = f'"{look.version}"'
    if request.headers.get("If-None-Match", "").removeprefix("W/") == tag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = JsonResponse({"state": look.state, "version": look.version, "final": look.state.is_final})
    response["ETag"] = tag
    return response


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@of_order
def come_back(request: HttpRequest, order: Order) -> HttpResponse:
    """The processor sends the browser here. What stands in its query proves nothing; only where the buyer
    wants to go from here is read, and judged again when it is used.

    Some bring a signature in a form, from their own site and so without any cookie: it is checked against what we
    stored, and even then only asked about.
    """
    if request.method == "POST":
        _take_signed_return(request, order)
    ask_soon(look_at(order, now=timezone.now()))
    return _see(order, "?returned=1" + way_back.after_return(request, order))


def _take_signed_return(request: HttpRequest, order: Order) -> None:
    try:
        body = request.body[:MAX_RETURN_BYTES]
        fields = {name: text for name, text in request.POST.items() if isinstance(text, str)}
    except (UnreadablePostError, RequestDataTooBig, TooManyFieldsSent, MultiPartParserError):
        return
    payment = returns.signed_payment(order)
    if payment is None:
        return
    now = timezone.now()
    callback = Callback(
        body=body,
        headers={name.lower(): value for name, value in request.headers.items()},
        received_at=now,
        path=reverse("checkout:return", args=["…"]),  # not the token: what staff may read opens no checkout
        method="POST",
    )
    try:
        returns.receive(
            payment,
            fields,
            callback=callback,
            address=client_address(request),
            request_id=str(getattr(request, "request_id", "")),
            now=now,
        )
    except BadCallback:
        pass  # kept for staff; the page shows what is true


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@of_order
def pay(request: HttpRequest, order: Order) -> HttpResponse:
    """Start a payment and lead the buyer to the processor."""
    if request.method != "POST":  # reloaded, or reached with the back button
        return _see(order, way_back.carried(request, order))
    if is_from_elsewhere(request):
        return site.error_page(request, "403", status=403)
    now = timezone.now()
    try:
        ratelimit.count(f"pay {order.pk}", per_minute=TRIES_PER_MINUTE, now=now)
        letters.remember_language(order, language_of(request, order))
        payment = payments.start_payment(
            order_id=order.pk,
            processor=request.POST.get("processor", ""),
            is_mobile=is_phone(request),
            return_query=way_back.for_processor(request, order),
            cause="the buyer's Pay",
            now=now,
        )
    except (AlreadyPaid, NotPayable):
        return _see(order, way_back.carried(request, order))  # the page says what the order is now
    except PaymentUnderWay:
        return page_of(request, order, notice=Notice.UNDER_WAY, status=409)
    except MethodNotAvailable:
        return page_of(request, order, notice=Notice.NOT_OFFERED, status=409)
    except SellerCannotBePaid:
        return page_of(request, order, notice=Notice.SELLER, status=502)
    except ProcessorTrouble:
        return page_of(request, order, notice=Notice.TROUBLE, status=502)
    except ratelimit.TooManyRequests as error:
        response = page_of(request, order, notice=Notice.TOO_MANY, status=429)
        response["Retry-After"] = str(error.retry_after_seconds)
        return response
    waits = payment.status == payment.Status.PENDING and bool(payment.pay_url)
    if waits and shows_widget(payment.processor) and ("script" in request.POST or needs_form(payment)):
        carried = way_back.carried(request, order)
        return _see(order, f"{carried}&open=1" if carried else "?open=1")
    if waits and has_page(payment.processor):
        return _to_processor((is_phone(request) and payment.pay_mobile_url) or payment.pay_url)
    return _see(order, way_back.carried(request, order))


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@of_order
def cancel(request: HttpRequest, order: Order) -> HttpResponse:
    """Ask once, then cancel. A cancelled order cannot be paid any more, so a single tap must not do it."""
    look = look_at(order, now=timezone.now())
    if not look.can_be_cancelled:
        return _see(order, way_back.carried(request, order))
    if request.method != "POST":
        return page_of(request, order, template="checkout/cancel.html")
    if is_from_elsewhere(request):
        return site.error_page(request, "403", status=403)
    try:
        orders.cancel_order(order_id=order.pk, cause="the buyer", now=timezone.now())
    except PaymentUnderWay:
        return page_of(request, order, notice=Notice.NOT_CANCELLED, status=409)
    except (AlreadyPaid, NotPayable):
        pass  # money already taken is the truth: the page shows it
    return _see(order, way_back.carried(request, order))


def page_of(
    request: HttpRequest,
    order: Order,
    *,
    notice: Notice | None = None,
    template: str = "checkout/order.html",
    status: int = 200,
) -> HttpResponse:
    """The checkout as it is now, in the reader's language."""
    now = timezone.now()
    if notice:
        order.refresh_from_db()  # what the button started may have moved it
    look = look_at(order, now=now)
    ask_soon(look)
    cookie = _language_cookie(order)
    path = reverse("checkout:order", args=[order.token])
    lang = language_of(request, order)
    with translation.override(lang):
        sheet = sheet_of(
            look, request=request, notice=notice, pressed=request.POST.get("processor", ""), lang=lang, now=now
        )
    response = page(
        request,
        template,
        {"sheet": sheet},
        lang=lang,
        status=status,
        form_action=sheet.pay_origins,
        sources=sheet.widget.sources if sheet.widget else None,
    )
    language.remember(request, response, cookie=cookie, path=path)
    way_back.remember(request, response, order)
    return response


def language_of(request: HttpRequest, order: Order) -> str:
    return language.chosen(request, cookie=_language_cookie(order), wanted=order.lang)


def _language_cookie(order: Order) -> str:
    return f"lang_{order.token[-8:]}"


def ask_soon(look: Look) -> None:
    """A look at an unsettled order brings the question to the processor forward; nobody waits for it."""
    if look.has_open_payment:
        payments.schedule_question(order_id=look.order.pk, now=look.at)


def _see(order: Order, query: str = "") -> HttpResponse:
    response = HttpResponseRedirect(reverse("checkout:order", args=[order.token]) + query)
    response.status_code = 303
    return response


def _to_processor(url: str) -> HttpResponse:
    response = HttpResponse(status=303)
    response["Location"] = url
    return response
