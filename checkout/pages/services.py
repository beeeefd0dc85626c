"""The public page of a service, with the buy button."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from checkout import catalogue, display, orders, ratelimit, sellers
from checkout.errors import AmountRefused, CheckoutError, MethodNotAvailable
from checkout.models import Order
from checkout.pages import language, site
from checkout.pages.answer import SITE_COOKIE, chosen_site_language, is_from_elsewhere, page
from checkout.pages.sheet import size_of
from gateway.money import Money, exponent_of
from gateway.types import Mode
from providers.models import Service

MAX_QUANTITY = 9_999


class BadQuantity(ValueError):
    """Not a whole number of pieces that somebody can buy."""


@csrf_exempt  # as on the checkout: nothing here acts on a cookie, see `answer.is_from_elsewhere`
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        service = catalogue.find_service(slug)
    except catalogue.ServiceNotFound:
        return site.error_page(request, "service", status=404)
    if request.method != "POST":
        return _page(request, service)
    if is_from_elsewhere(request):
        return site.error_page(request, "403", status=403)
    return _buy(request, service)


def _buy(request: HttpRequest, service: Service) -> HttpResponse:
    """Open an order as the Provider API's buy button does, and lead to its checkout."""
    lang = chosen_site_language(request)
    now = timezone.now()
    given = request.POST.get("quantity", "1").strip()
    try:
        ratelimit.count_anonymous(request, now=now)
        quantity = _quantity_of(given)
        order = orders.open_order(
            dialect=Order.Dialect.PROVIDER,
            mode=_mode(),
            provider=catalogue.seller_of(service),
            service=service,
            amount=Money(service.price_minor * quantity, service.currency),
            lang=lang,
            cause="service page",
            now=now,
        )
    except ratelimit.TooManyRequests as error:
        response = _page(request, service, quantity=given, problem="too_many", status=429)
        response["Retry-After"] = str(error.retry_after_seconds)
        return response
    except BadQuantity:
        return _page(request, service, quantity=given, problem="quantity", status=400)
    except AmountRefused:
        return _page(request, service, quantity=given, problem="amount", status=400)
    except MethodNotAvailable:
        return _page(request, service, quantity=given, problem="not_available", status=409)
    except CheckoutError:  # taken off sale this very moment
        return site.error_page(request, "service", status=404)
    response = HttpResponseRedirect(reverse("checkout:order", args=[order.token]))
    response.status_code = 303
    return response


def _quantity_of(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= MAX_QUANTITY):
        raise BadQuantity(text[:20])
    return int(text)


def _mode() -> Mode:
    """A public button carries no key that could say the mode: it is the installation's own."""
    return Mode.TEST if settings.DEMO else Mode.LIVE


def _page(
    request: HttpRequest, service: Service, *, quantity: str = "1", problem: str = "", status: int = 200
) -> HttpResponse:
    lang = chosen_site_language(request)
    provider = catalogue.seller_of(service)
    seller = provider.name if provider else sellers.HOUSE_NAME
    price = Money(service.price_minor, service.currency)
    with translation.override(lang):
        context = {
            "service": service,
            "seller": seller,
            "mark": next((letter for letter in seller if letter.isalnum()), "•").upper(),
            "price": display.money(price, lang),
            "price_size": size_of(display.money(price, lang)),
            "price_money": price,
            "places": exponent_of(price.currency),
            "is_test": _mode() == Mode.TEST,
            "quantity": quantity,
            "max_quantity": MAX_QUANTITY,
            "problem": _problem(problem, lang),
            "is_bad_quantity": problem in ("quantity", "amount"),
            "here": reverse("checkout:service", args=[service.slug]) + language.carried(request),
            "support_email": settings.SUPPORT_EMAIL,
        }
    response = page(request, "checkout/service.html", context, lang=lang, status=status)
    response["Cache-Control"] = "no-store"  # prices change
    language.remember(request, response, cookie=SITE_COOKIE, path="/")
    return response


def _problem(problem: str, lang: str) -> str:
    return {
        "": "",
        "quantity": _("Enter a whole number from 1 to %(most)s.") % {"most": display.number(MAX_QUANTITY, lang)},
        "amount": _("This amount cannot be taken. Please choose another quantity."),
        "not_available": _(
            "This cannot be paid for right now. Nothing was charged; please try again in a few minutes."
        ),
        "too_many": _("That was a little fast. Please try again in a minute."),
    }[problem]
