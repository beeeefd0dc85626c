"""The portal's sessions live under a cookie of their own: at one desk staff and a merchant's member never mix.

Django knows one session cookie. Below the portal's addresses its name is exchanged on the way in and on the way out, so
that the back office's cookie is not even read there, nor the portal's anywhere else.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

PORTAL = ("/portal", "/dev/")


class PortalSessionMiddleware:
    """Stands before SessionMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PORTAL):
            return self.get_response(request)
        usual, ours = settings.SESSION_COOKIE_NAME, settings.PORTAL_COOKIE_NAME
        request.COOKIES.pop(usual, None)
        if (kept := request.COOKIES.pop(ours, None)) is not None:
            request.COOKIES[usual] = kept
        response = self.get_response(request)
        cookies = response.cookies
        if (cookie := cookies.pop(usual, None)) is not None:
            cookie.set(ours, cookie.value, cookie.coded_value)
            cookies[ours] = cookie
        return response
