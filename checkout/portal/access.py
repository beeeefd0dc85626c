"""Who comes to the portal, for which provider, in which mode, and where they may be led. Who may what: `doors.py`.

A view behind a door finds `request.member`, `request.provider` and `request.mode` (see `PortalRequest`). It looks its
rows up through `request.provider`, so that what belongs to somebody else answers 404 like what does not exist.
"""

from urllib.parse import urlencode

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme

from providers import members
from providers.models import Member, PortalAccount, Provider, Role

ANYONE, SIGNED_IN = "anyone", "signed in"
VIEWER, DEVELOPER, OWNER = Role.VIEWER.value, Role.DEVELOPER.value, Role.OWNER.value
TEST, LIVE = "test", "live"

# What a portal session remembers.
EPOCH, PROVIDER, MODE = "portal_epoch", "portal_provider", "portal_mode"


class PortalRequest(HttpRequest):
    """A request behind a door. `provider`, `member` and `mode` are set where a role was asked for."""

    account: PortalAccount | None
    memberships: list[Member]
    member: Member
    provider: Provider
    mode: str  # "test" or "live": what every list and every act of the portal is about


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


def desk_of(request: PortalRequest) -> str:
    """For whom and in which mode somebody works here; forms carry it in their field `desk`."""
    return f"{request.provider.pk}/{request.mode}"


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
