"""The two switches of the portal's bar: for whom one works, and in which mode."""

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from checkout.portal import access
from checkout.portal.access import LIVE, MODE, PROVIDER, TEST, PortalRequest


def switch_provider(request: PortalRequest) -> HttpResponse:
    """Work for another provider one belongs to. 404 for all others."""
    wanted = request.POST.get("provider", "")
    if wanted not in {str(member.provider_id) for member in request.memberships}:
        raise Http404
    request.session[PROVIDER] = wanted
    return HttpResponseRedirect(reverse("portal:home"))


def switch_mode(request: PortalRequest) -> HttpResponse:
    """Show the other mode. A page of one row may not exist there: lists and forms are gone back to."""
    wanted = request.POST.get("mode", "")
    if wanted in (TEST, LIVE):
        request.session[MODE] = wanted
    return HttpResponseRedirect(access.wanted_page(request))
