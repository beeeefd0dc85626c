"""Screens that are no table of one model. The site lists them in `screens`; their addresses are `/admin/<route>/…`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from providers.admin.base import OwnPages

View = Callable[..., HttpResponse]


class Screen(OwnPages):
    """One screen with its list and its pages. Nobody without `permission` sees any of it."""

    route = ""  # the first part of its addresses, and the stem of their names
    permission = ""

    def __init__(self, site: Any) -> None:
        self.admin_site = site

    def index(self, request: HttpRequest) -> HttpResponse:
        raise NotImplementedError

    def act_urls(self) -> list[tuple[str, View, str]]:
        """Further addresses of this screen: (route, view, name)."""
        return []

    def list_url(self) -> str:
        return reverse(f"{self.admin_site.name}:{self.route}")

    def url_of(self, name: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:{self.route}_{name}", args=args)

    def to_list(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.list_url())

    def get_urls(self) -> list[URLPattern]:
        views = [("", self.index, self.route)]
        views += [(route, view, f"{self.route}_{name}") for route, view, name in self.act_urls()]
        return [
            path(f"{self.route}/{route}", self.admin_site.admin_view(self._for_permitted(view)), name=name)
            for route, view, name in views
        ]

    def _for_permitted(self, view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            self.require(request, self.permission)
            return view(request, *args, **kwargs)

        return checked

    @staticmethod
    def require(request: HttpRequest, permission: str) -> None:
        if not request.user.has_perm(permission):
            raise PermissionDenied
