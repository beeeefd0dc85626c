"""The last answers: what is said when no view could. Under /api/ always JSON, elsewhere a small page.

Nothing here asks the database, a session or a context processor: any of them may be what is broken.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from checkout.api.invoice import envelope
from checkout.pages.site import error_page

INVOICE_API = ("/api/merchants", "/api/invoices", "/api/refunds")  # whose every refusal is in its envelope
JSON_API = ("/api/", "/watch/")
_KNOWN = {400, 403, 404, 413, 500}


def refusal(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """An error in the form that the address promises."""
    if request.path.startswith(INVOICE_API):
        return envelope.failure(status, envelope.word_of(status), {"details": [text]})
    if request.path.startswith(JSON_API):
        body: dict[str, Any] = {"error": text}
        return JsonResponse(body, status=status)
    try:
        return error_page(request, str(status if status in _KNOWN else 400), status=status)
    except Exception:  # the page of last resort must not fail on its own template
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refusal(request, 400, "Bad request")


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refusal(request, 403, "Forbidden")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refusal(request, 404, "Not found")


def server_error(request: HttpRequest) -> HttpResponse:
    return refusal(request, 500, "Server error")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return refusal(request, 403, "The form has expired. Load the page again and send it once more.")
