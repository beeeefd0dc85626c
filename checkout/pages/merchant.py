"""`/pay/<code>`: where a merchant of the Merchant-secret API sends the buyer. The page is the hosted checkout."""

import re

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from checkout import orders
from checkout.errors import OrderNotFound
from checkout.models import Order
from checkout.pages import site
from checkout.pages.answer import private
from checkout.pages.hosted import page_of

_CODE = re.compile(r"pc_[0-9a-f]{32}\Z")


@require_safe
def show(request: HttpRequest, code: str) -> HttpResponse:
    """`?redirect=` is judged in `way_back`, in this request and in each one after it."""
    try:
        if not _CODE.match(code):
            raise OrderNotFound()
        order = orders.find_by_code(code, dialect=Order.Dialect.MERCHANT_SECRET)
    except OrderNotFound:
        return private(site.error_page(request, "order", status=404))
    return private(page_of(request, order))
