"""`GET /api/payments/secure-processor/return`: the card page sends the browser here.

What stands in the query (`status=successful`, a uid) proves nothing: it is kept so that staff can see a forgery, and
the processor is asked. The page that follows shows what is true.
"""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from checkout import payments, returns
from checkout.models import Order, Payment
from checkout.pages import site
from checkout.pages.answer import private
from gateway.types import Callback
from providers.addresses import client_address

PROCESSOR = "secure_processor"
MAX_TOKEN = 200
_KEPT = ("status", "uid")  # of the query; the tokens are left out: who reads a record must not be able to return


@require_safe
def come_back(request: HttpRequest, pt: str = "") -> HttpResponse:
    order = _order_of(request, pt)
    if order is None:
        return private(site.error_page(request, "order", status=404))
    now = timezone.now()
    query = urlencode([(name, text[:MAX_TOKEN]) for name in _KEPT for text in request.GET.getlist(name)[:3]])
    returns.note_unsigned(
        order,
        processor=PROCESSOR,
        callback=Callback(
            body=query.encode(), headers={}, received_at=now, path=request.path[:100], method="GET", query=query
        ),
        address=client_address(request),
        request_id=str(getattr(request, "request_id", "")),
        now=now,
    )
    payments.schedule_question(order_id=order.pk, now=now)
    response = HttpResponseRedirect(reverse("checkout:order", args=[order.token]) + "?returned=1")
    response.status_code = 303
    return private(response)


def _order_of(request: HttpRequest, pt: str) -> Order | None:
    """By our own token wherever it stands: the processor adds a `token` of its own, and some put it first."""
    given = [pt, *request.GET.getlist("pt"), *request.GET.getlist("token")]
    texts = [text for text in given if 0 < len(text) <= MAX_TOKEN and text.isascii() and text.isprintable()][:6]
    for text in texts:
        if text.startswith("pt_") and (order := Order.objects.filter(code=text).first()):
            return order
    if any(text.startswith("pt_") for text in texts):
        return None  # an unknown one is not saved by what stands beside it
    for text in texts:
        known = Payment.objects.select_related("order").filter(processor=PROCESSOR, processor_ref=text)
        if payment := known.first():
            return payment.order
    return None
