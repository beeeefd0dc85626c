"""The last answers: what is said when no view could. Under /api/ always JSON, elsewhere a small page.

Nothing here asks the database, a session or a context processor: any of them may be what is broken.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

TITLES = {
    400: ("This request cannot be read", "Something in the address or in the form is not as expected."),
    403: ("This is not allowed", "The page may have been open for too long: go back, load it again and try once more."),
    404: ("This page does not exist", "Check the address, or open the link you were given once more."),
    413: ("That is too much", "What was sent is larger than what is accepted here."),
    500: (
        "Something went wrong on our side",
        "Please try again in a minute. If you were paying, open your checkout page again: it says whether money moved.",
    ),
}


def refusal(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """An error in the form that the address promises."""
    if request.path.startswith("/api/"):
        body: dict[str, Any] = {"error": text}
        return JsonResponse(body, status=status)
    title, advice = TITLES.get(status, TITLES[400])
    request_id = getattr(request, "request_id", "")
    context = {"status": status, "title": title, "advice": advice, "detail": text, "request_id": request_id}
    try:
        page = render_to_string("site/error.html", context)
    except Exception:  # the page of last resort must not fail on its own template
        page = f"<!doctype html><title>{title}</title><h1>{title}</h1><p>{advice}</p>"
    return HttpResponse(page, status=status)


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
