"""The landing page and the error pages."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import override
from django.views.decorators.http import require_safe

from checkout import wording
from checkout.pages import language
from checkout.pages.answer import SITE_COOKIE, chosen_site_language, page
from providers.models import Service

SHOWN_SERVICES = 5


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What runs here. In the demo with everything to try; in production no more than a visitor needs."""
    lang = chosen_site_language(request)
    services = list(Service.objects.filter(is_active=True).order_by("created_at")[:SHOWN_SERVICES])
    context = {
        "is_demo": settings.DEMO,
        "services": services if settings.DEMO else [],
        "inbox_url": f"{settings.LAB_URL}/inbox/demo" if settings.DEMO and settings.LAB_URL else "",
        "lab_url": settings.LAB_URL if settings.DEMO else "",
        "support_email": settings.SUPPORT_EMAIL,
    }
    response = page(request, "site/home.html", context, lang=lang)
    language.remember(request, response, cookie=SITE_COOKIE, path="/")
    return response


def error_page(request: HttpRequest, what: str, *, status: int) -> HttpResponse:
    """A refusal in the look of the other pages; `what` is a key of `wording.ERRORS`."""
    lang = chosen_site_language(request)
    with override(lang):
        heading, means, next_step = (str(text) for text in wording.ERRORS[what])
    context = {
        "heading": heading,
        "means": means,
        "next_step": next_step,
        "status": status,
        "leads_home": what == "404",
        "request_id": getattr(request, "request_id", ""),
        "support_email": settings.SUPPORT_EMAIL,
    }
    response = page(request, "site/error.html", context, lang=lang, status=status)
    response["Cache-Control"] = "no-store"
    return response
