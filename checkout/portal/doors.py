"""The doors of the portal: who may do what, said once, in the table of `urls.py`, and what is said to the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import translation
from django.views.decorators.debug import sensitive_post_parameters

from checkout.portal import frame
from checkout.portal.access import (
    ANYONE,
    DEVELOPER,
    OWNER,
    SIGNED_IN,
    VIEWER,
    PortalRequest,
    desk_of,
    enter,
    sign_in_url,
)
from providers import members

View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Door:
    """One address: its name, route, view, and the least that each method asks of who comes."""

    name: str
    route: str
    view: View
    least: Mapping[str, str]

    def urls(self) -> list[URLPattern]:
        """With and without a slash at the end: no redirect, which would lose a form."""
        view = sensitive_post_parameters()(self._guarded())
        other = self.route[:-1] if self.route.endswith("/") else self.route + "/"
        return [path(self.route, view, name=self.name), path(other, view)]

    def _guarded(self) -> View:
        def guarded(request: HttpRequest, **of_address: Any) -> HttpResponse:
            method = "GET" if request.method == "HEAD" else str(request.method)
            least = self.least.get(method)
            if least is None:
                return HttpResponseNotAllowed(sorted(self.least))
            ours = cast(PortalRequest, request)
            _speak(ours)
            enter(ours)
            response = _refusal(ours, least) or _of_another_desk(ours, least) or self._answer(ours, of_address)
            _remember_language(ours, response)
            response.setdefault("Cache-Control", "no-store")
            response.setdefault("X-Robots-Tag", "noindex, nofollow")
            return response

        guarded.__name__ = f"{self.view.__name__}_door"
        return guarded

    def _answer(self, request: PortalRequest, of_address: Mapping[str, Any]) -> HttpResponse:
        """What is not there, or is somebody else's, is said in the portal's own look."""
        try:
            return self.view(request, **of_address)
        except Http404:
            return frame.page(request, "portal/lost.html", status=404)


def door(name: str, route: str, view: View, **least: str) -> Door:
    """door("people", "portal/people/", people.show, GET=VIEWER, POST=OWNER)"""
    return Door(name, route, view, least)


# --- Who is let in? -----------------------------------------------------------------------------------------------


def _refusal(request: PortalRequest, least: str) -> HttpResponse | None:
    if least == ANYONE:
        return None
    if request.account is None:
        return HttpResponseRedirect(sign_in_url(request))
    if least == SIGNED_IN:
        return None
    if not request.memberships:
        return frame.page(request, "portal/no_membership.html", status=403)
    return None if members.may(request.member.role, least) else forbidden(request, least)


def _of_another_desk(request: PortalRequest, least: str) -> HttpResponse | None:
    """A form that was opened before its sender changed over, in another tab, to another seller or the other mode.

    What it says was meant for there: a webhook URL typed for one seller must not become another one's.
    """
    if request.method != "POST" or least not in (VIEWER, DEVELOPER, OWNER):
        return None
    if request.POST.get("desk", desk_of(request)) == desk_of(request):
        return None
    return frame.page(request, "portal/other_desk.html", status=409)


def forbidden(request: PortalRequest, least: str) -> HttpResponse:
    """The page that says which role can, and who has it."""
    owners = members.names_of(members.owners_of(request.provider))
    return frame.page(request, "portal/forbidden.html", {"least": least, "owners": owners}, status=403)


# --- Which language? ------------------------------------------------------------------------------------------
_SPOKEN = [code for code, _name in settings.LANGUAGES]
_REMEMBERED_SECONDS = 30 * 24 * 3600


def _speak(request: PortalRequest) -> None:
    """The cookie of the site and the browser's list were asked before; `?lang=` has the last word."""
    lang = request.GET.get("lang", "")
    if lang in _SPOKEN:
        translation.activate(lang)


def _remember_language(request: PortalRequest, response: HttpResponse) -> None:
    lang, cookie = request.GET.get("lang", ""), settings.LANGUAGE_COOKIE_NAME
    if lang in _SPOKEN and request.COOKIES.get(cookie) != lang:
        response.set_cookie(
            cookie, lang, max_age=_REMEMBERED_SECONDS, secure=request.is_secure(), httponly=True, samesite="Lax"
        )
