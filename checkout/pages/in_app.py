"""A payment without a page of its processor: the buyer finds the order in an app, and this page tells how."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.safestring import SafeString

from checkout.models import Order, Payment
from checkout.pages.device import is_phone
from checkout.pages.qr import qr_svg
from gateway import registry

_NEVER = {"", "javascript", "data", "vbscript", "blob", "file"}


@dataclass(frozen=True, slots=True)
class InApp:
    """What a buyer needs to find the order there."""

    app: str
    number: str
    app_url: str  # opens the app on this phone; the QR code says the same to another one
    web_url: str  # the processor's link in a browser, where it is switched on
    qr: SafeString | None
    is_found: bool  # the app has found the order and waits for the buyer's word
    minutes: int  # how long it waits
    is_phone: bool


def in_app_of(order: Order, payment: Payment | None, *, request: HttpRequest) -> InApp | None:
    """None where the processor has a page that the buyer is led to."""
    if payment is None or has_page(payment.processor):
        return None
    entry = registry.get(payment.processor)
    app_url = payment.pay_mobile_url if urlsplit(payment.pay_mobile_url).scheme not in _NEVER else ""
    web_url = payment.pay_url if urlsplit(payment.pay_url).scheme in ("http", "https") else ""
    is_found = was_found(payment)
    return InApp(
        app=entry.name,
        number=str(order.pk),
        app_url=app_url,
        web_url=web_url if settings.UZUM_WEB_LINK else "",
        qr=qr_svg(app_url) if app_url and not is_found else None,
        is_found=is_found,
        minutes=entry.capabilities.reservation_seconds // 60,
        is_phone=is_phone(request),
    )


def was_found(payment: Payment) -> bool:
    """A processor that asks first has the order under an id of its own: it has begun, and may debit before it ends."""
    entry = registry.PROCESSORS.get(payment.processor)
    return entry is not None and entry.capabilities.asks_first and bool(payment.processor_ref)


def has_page(processor: str) -> bool:
    entry = registry.PROCESSORS.get(processor)
    return entry is None or entry.capabilities.has_page
