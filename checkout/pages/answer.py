"""How a page leaves the house: rendered in one language, under one strict policy, kept nowhere."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation

from checkout.pages import language

SITE_COOKIE = settings.LANGUAGE_COOKIE_NAME


def policy(form_action: Iterable[str] = (), sources: Mapping[str, Iterable[str]] | None = None) -> str:
    """The Content-Security-Policy. `form_action` are further origins a form of the page may lead to, `sources` those
    of a processor's widget, by directive.
    """
    sources = sources or {}
    allowed = {name: {"'self'", *sources.get(name, ())} for name in ("script-src", "style-src", "img-src")}
    allowed["connect-src"] = {"'self'", *sources.get("connect-src", ())}
    allowed["form-action"] = {"'self'", *form_action, *sources.get("form-action", ())}
    if sources.get("frame-src"):
        allowed["frame-src"] = set(sources["frame-src"])
    rules = "; ".join(f"{name} {' '.join(sorted(origins))}" for name, origins in allowed.items())
    return f"default-src 'none'; {rules}; base-uri 'none'; frame-ancestors 'none'"


def private(response: HttpResponse) -> HttpResponse:
    """The address of a checkout page is its key: it must not reach a cache, a referrer or a search engine."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    lang: str,
    status: int = 200,
    form_action: Iterable[str] = (),
    sources: Mapping[str, Iterable[str]] | None = None,
) -> HttpResponse:
    with translation.override(lang):
        # Without the request: no context processor, so no session and no user, stands between us and an answer.
        html = render_to_string(template, {"lang": lang, "languages": _languages(request), **context})
    response = HttpResponse(html, status=status, headers={"Content-Language": lang})
    response["Content-Security-Policy"] = policy(form_action, sources)
    response["Referrer-Policy"] = "same-origin"
    response["Vary"] = "Accept-Language, Cookie"
    return response


def _languages(request: HttpRequest) -> list[tuple[str, str, str]]:
    """(code, name, address of this page in it), the other parameters of the address kept."""
    links = []
    for code, name in settings.LANGUAGES:
        query = request.GET.copy()
        query["lang"] = code
        links.append((code, name, "?" + query.urlencode()))
    return links


def is_from_elsewhere(request: HttpRequest) -> bool:
    """A form of another site posts here; browsers say so.

    Why no CSRF token: nothing here acts on a cookie. Who holds the unguessable address may press its buttons
    anyway, and a token would need a cookie, which in-app browsers drop. Nor can `Origin` be asked for: under
    `no-referrer` browsers send "null" from our own forms too.
    """
    return request.headers.get("Sec-Fetch-Site", "") in ("cross-site", "same-site")


def chosen_site_language(request: HttpRequest) -> str:
    return language.chosen(request, cookie=SITE_COOKIE)
