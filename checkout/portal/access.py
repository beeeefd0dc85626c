"""The doors of the portal: who may do what, said once, in the table of `urls.py`.

A view behind a door finds `request.member`, `request.provider` and `request.mode` (see `PortalRequest`). It looks its
rows up through `request.provider`, so that what belongs to somebody else answers 404 like what does not exist.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters

from providers import members
from providers.models import Member, PortalAccount, Provider, Role

ANYONE, SIGNED_IN = "anyone", "signed in"
VIEWER, DEVELOPER, OWNER = Role.VIEWER.value, Role.DEVELOPER.value, Role.OWNER.value
TEST, LIVE = "test", "live"

# What a portal session remembers.
EPOCH, PROVIDER, MODE = "portal_epoch", "portal_provider", "portal_mode"

View = Callable[..., HttpResponse]


class PortalRequest(HttpRequest):
    """A request behind a door. `provider`, `member` and `mode` are set where a role was asked for."""

    account: PortalAccount | None
    memberships: list[Member]
    member: Member
    provider: Provider
    mode: str  # "test" or "live": what every list and every act of the portal is about


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

    def _answer(self, request: "PortalRequest", of_address: Mapping[str, Any]) -> HttpResponse:
        """What is not there, or is somebody else's, is said in the portal's own look."""
        from checkout.portal import frame  # draws the pages of this package, refusals included

        try:
            return self.view(request, **of_address)
        except Http404:
            return frame.page(request, "portal/lost.html", status=404)


def door(name: str, route: str, view: View, **least: str) -> Door:
    """door("people", "portal/people/", people.show, GET=VIEWER, POST=OWNER)"""
    return Door(name, route, view, least)


# --- Who is it? -----------------------------------------------------------------------------------------------


def enter(request: PortalRequest) -> None:
    """Find out who comes, for which provider, in which mode. Nobody is refused here."""
    request.account, request.memberships = None, []
    user = request.user
    if not user.is_authenticated:
        return
    account = members.account_of(user)  # type: ignore[arg-type]
    if account is None or not constant_time_compare(str(request.session.get(EPOCH)), str(account.session_epoch)):
        return
    request.account = account
    request.memberships = members.memberships_of(user)  # type: ignore[arg-type]
    chosen = str(request.session.get(PROVIDER, ""))
    member = next((row for row in request.memberships if str(row.provider_id) == chosen), None)
    member = member or next(iter(request.memberships), None)
    if member is not None:
        request.member, request.provider = member, member.provider
        request.mode = _mode(request)


def _mode(request: PortalRequest) -> str:
    if not has_live_mode():
        return TEST
    return LIVE if request.session.get(MODE, LIVE) == LIVE else TEST


def has_live_mode() -> bool:
    """Live money exists outside of the demo, on PostgreSQL; elsewhere there is nothing to switch to."""
    return not settings.DEMO and connection.vendor != "sqlite"


def _refusal(request: PortalRequest, least: str) -> HttpResponse | None:
    from checkout.portal import frame  # draws the pages of this package, refusals included

    if least == ANYONE:
        return None
    if request.account is None:
        return HttpResponseRedirect(sign_in_url(request))
    if least == SIGNED_IN:
        return None
    if not request.memberships:
        return frame.page(request, "portal/no_membership.html", status=403)
    return None if members.may(request.member.role, least) else forbidden(request, least)


def desk_of(request: PortalRequest) -> str:
    """For whom and in which mode somebody works here; forms carry it in their field `desk`."""
    return f"{request.provider.pk}/{request.mode}"


def _of_another_desk(request: PortalRequest, least: str) -> HttpResponse | None:
    """A form that was opened before its sender changed over, in another tab, to another seller or the other mode.

    What it says was meant for there: a webhook URL typed for one seller must not become another one's.
    """
    from checkout.portal import frame  # draws the pages of this package, refusals included

    if request.method != "POST" or least not in (VIEWER, DEVELOPER, OWNER):
        return None
    if request.POST.get("desk", desk_of(request)) == desk_of(request):
        return None
    return frame.page(request, "portal/other_desk.html", status=409)


def forbidden(request: PortalRequest, least: str) -> HttpResponse:
    """The page that says which role can, and who has it."""
    from checkout.portal import frame

    owners = members.names_of(members.owners_of(request.provider))
    return frame.page(request, "portal/forbidden.html", {"least": least, "owners": owners}, status=403)


# --- Where to? ------------------------------------------------------------------------------------------------


def sign_in_url(request: HttpRequest) -> str:
    """The sign-in page, which leads back to where somebody wanted to look; an act has to be begun again."""
    url = reverse("portal:sign_in")
    wanted = request.get_full_path() if request.method in ("GET", "HEAD") else ""
    return f"{url}?{urlencode({'next': wanted})}" if is_inside(wanted) else url


def is_inside(wanted: str) -> bool:
    """Whether an address that somebody else wrote leads to a page of the portal, and nowhere else."""
    if not wanted.startswith(("/portal/", "/dev/")) or "\\" in wanted or "/.." in wanted or "//" in wanted:
        return False
    if not wanted.isprintable() or not url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return False
    doors = ("sign_in", "second_factor", "sign_out", "forgot")
    return not wanted.startswith(tuple(reverse(f"portal:{name}") for name in doors))


def wanted_page(request: HttpRequest) -> str:
    """`next` of the form or of the address where it leads inside, else the portal's first page."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if is_inside(wanted) else reverse("portal:home")


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
