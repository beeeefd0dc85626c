"""Where a buyer goes when nothing is left to do here: an address of the seller's, by what became of the order.

A merchant of the Merchant-secret API names it in the page's own address, `?redirect=`, which anybody can write. So it
is kept in no row: it travels in our own addresses and in the return address that the processor is given, it is looked
at anew in each request, and it leads only to an origin that the merchant allows. A cookie remembers it for one browser
and one order, because whoever pressed Pay first chose the return address for all who hold the link.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.encoding import iri_to_uri

from checkout.models import Order
from checkout.pages import language
from checkout.statuses import PageState
from providers import origins, redirects

NAME = "redirect"
REFUSED = "-"  # what our own addresses carry on of an address that was refused: not one word of it
# A return address has to fit into a processor's link; without it the browser's cookie leads on.
LONGEST_AT_PROCESSOR = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address of the page asks for; `url` is empty where the buyer may not be led there."""

    url: str = ""
    is_refused: bool = False

    @property
    def parameter(self) -> str:
        """`redirect=…` for an address of ours; empty where nothing was asked for."""
        text = self.url or (REFUSED if self.is_refused else "")
        return f"{NAME}={quote(text, safe='')}" if text else ""


def wish_of(request: HttpRequest, order: Order) -> Wish:
    return _judge(order, request.GET.get(NAME, ""))


def _judge(order: Order, address: str) -> Wish:
    if order.dialect != Order.Dialect.MERCHANT_SECRET or not address:
        return Wish()
    if not origins.may_lead_to(order.provider, address, allow_http=settings.DEMO):
        return Wish(is_refused=True)
    return Wish(url=iri_to_uri(address))


def carried(request: HttpRequest, order: Order) -> str:
    """`?lang=ru&redirect=…` for the links and forms of an order's page, as far as this request has them."""
    found = [language.carried(request).removeprefix("?"), wish_of(request, order).parameter]
    return "?" + "&".join(filter(None, found)) if any(found) else ""


def for_processor(request: HttpRequest, order: Order) -> str:
    """`redirect=…` for the return address that a processor is given."""
    parameter = wish_of(request, order).parameter
    return parameter if len(parameter) <= LONGEST_AT_PROCESSOR else ""


def after_return(request: HttpRequest, order: Order) -> str:
    """`&redirect=…` when the processor sends the browser back: its own wish, else that of whoever pressed Pay."""
    own = _judge(order, unquote(request.COOKIES.get(_cookie(order), "")))
    parameter = own.parameter or wish_of(request, order).parameter
    return f"&{parameter}" if parameter else ""


def remember(request: HttpRequest, response: HttpResponse, order: Order) -> None:
    """For this browser and this order, until the browser is closed."""
    parameter = wish_of(request, order).parameter
    text = parameter.removeprefix(f"{NAME}=")
    if text and request.COOKIES.get(_cookie(order)) != text:
        response.set_cookie(
            _cookie(order), text, path=reverse("checkout:return", args=[order.token]), secure=request.is_secure(),
            httponly=True, samesite="Lax",
        )  # fmt: skip


def _cookie(order: Order) -> str:
    return f"back_{order.token[-8:]}"


def url_of(order: Order, state: PageState, wish: Wish) -> str:
    """The seller's address for this state, or an empty text: its success address only when paid.

    An invoice has addresses of its own (`returnUrl`, `returnErrorUrl`), used as they were given; the provider's
    configured ones belong to the orders of its own service. Beside an address that was refused none is offered.
    """
    is_paid = state in (PageState.PAID, PageState.REFUNDED)
    if wish.is_refused:
        return ""
    if wish.url and is_paid:
        return wish.url
    if order.dialect == Order.Dialect.INVOICE:
        given = order.success_url if is_paid else ""
        if state in (PageState.CANCELLED, PageState.EXPIRED, PageState.FAILED):
            given = order.cancel_url
        return iri_to_uri(given) if given.startswith(("https://", "http://")) else ""
    provider = order.provider
    if is_paid:
        template = order.success_url or (provider.success_redirect_url if provider else "")
    elif state in (PageState.CANCELLED, PageState.EXPIRED):
        template = order.cancel_url or (provider.cancel_redirect_url if provider else "")
    else:
        template = ""
    if not template.startswith(("https://", "http://")):  # checked when it was saved; never a script in a link
        return ""
    return redirects.fill(template, order_id=str(order.pk), external_id=order.external_id)
