"""What does not exist, or belongs to somebody else, in the portal's own look."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpResponse

from checkout.portal import frame
from checkout.portal.access import PortalRequest
from checkout.portal.doors import View


def or_lost(view: Callable[..., HttpResponse]) -> View:
    """A view whose Http404 is answered inside of the frame."""

    @wraps(view)
    def found(request: PortalRequest, **of_address: Any) -> HttpResponse:
        try:
            return view(request, **of_address)
        except Http404:
            return frame.page(request, "portal/lost.html", status=404)

    return found
