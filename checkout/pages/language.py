"""Which language a page speaks: uz, ru or en."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

SPOKEN = [code for code, _name in settings.LANGUAGES]
REMEMBERED_SECONDS = 30 * 24 * 3600


def chosen(request: HttpRequest, *, cookie: str, wanted: str = "") -> str:
    """The reader's own choice, then what the order asks for (`wanted`), then the browser's list, then English.

    The choice stands in the address (`?lang=`) or in a cookie. In-app browsers that keep no cookie still follow
    it, because links and forms of the page carry the parameter on.
    """
    for lang in (request.GET.get("lang", ""), request.COOKIES.get(cookie, ""), wanted):
        if lang in SPOKEN:
            return lang
    return translation.get_language_from_request(request)


def carried(request: HttpRequest) -> str:
    """`?lang=ru` where the address of this request has it, else an empty text."""
    lang = request.GET.get("lang", "")
    return f"?lang={lang}" if lang in SPOKEN else ""


def remember(request: HttpRequest, response: HttpResponse, *, cookie: str, path: str) -> None:
    """Keep a choice made in the address, for `path` alone."""
    lang = request.GET.get("lang", "")
    if lang in SPOKEN and request.COOKIES.get(cookie) != lang:
        response.set_cookie(
            cookie, lang, max_age=REMEMBERED_SECONDS, path=path, secure=request.is_secure(), httponly=True,
            samesite="Lax",
        )  # fmt: skip
