"""The back office's site: who gets in, under which content policy, and what its menu says."""

import copy
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from csp.constants import NONCE, NONE, SELF
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.dataclasses import SearchResult
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.sites import UnfoldAdminSite

from config.backoffice import SITE
from providers import audit
from providers.staff_pages import StaffDoors, protected

# Nothing inline but one style element (the theme's colours) under a nonce; no eval; nothing from elsewhere.
POLICY: dict[str, list[Any]] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF, NONCE],
    "img-src": [SELF, "data:"],  # the theme's own pictograms in its stylesheet
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}


def with_policy(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The back office's own content policy on every answer of a view."""

    @wraps(view)
    def answered(*args: Any, **kwargs: Any) -> HttpResponse:
        response = view(*args, **kwargs)
        response._csp_config = POLICY  # type: ignore[attr-defined]
        response.setdefault("Referrer-Policy", "same-origin")
        return response

    return answered


class PayAdminSite(UnfoldAdminSite):
    """Nobody sees anything here before the second factor, superusers included."""

    site_header = "DZTech Pay"
    site_title = "DZTech Pay"
    index_title = "Needs attention"
    enable_nav_sidebar = True
    logout_template = "staff/signed_out.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.doors = StaffDoors(self)
        # Filled by checkout's admin: what the first page counts, how an order is found, further screens.
        self.attention: Callable[[HttpRequest], list[dict[str, Any]]] | None = None
        self.find: Callable[[HttpRequest, str], list[SearchResult]] | None = None
        self.screens: list[Any] = []  # screens that are no table of one model (providers/admin/screens.py)

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return bool(user.is_active and user.is_staff and getattr(user, "is_verified", lambda: False)())

    # --- Addresses --------------------------------------------------------------------------------------------

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return with_policy(super().admin_view(view, cacheable))

    def get_urls(self) -> list[URLPattern]:
        doors = [
            path("second-factor/", with_policy(protected(self.doors.second_factor)), name="second_factor"),
            path("enrol/", with_policy(protected(self.doors.enrol)), name="enrol"),
            path("security/", self.admin_view(protected(self.doors.security)), name="security"),
        ]
        screens = [url for screen in self.screens for url in screen.get_urls()]
        return doors + screens + super().get_urls()

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return with_policy(protected(self.doors.sign_in))(request, extra_context)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and request.user.is_authenticated:
            audit.record(actor=request.user, act="signed_out", target=request.user, request=request, now=timezone.now())
        return super().logout(request, {"title": "You are signed out", **(extra_context or {})})

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A new password ends every other session: their hash no longer fits."""

        class PasswordChange(PasswordChangeView):
            def form_valid(self, form: Any) -> HttpResponse:
                response = super().form_valid(form)
                audit.record(
                    actor=form.user, act="password_changed", target=form.user, request=request, now=timezone.now()
                )
                return response

        view = PasswordChange.as_view(
            form_class=AdminOwnPasswordChangeForm,
            success_url=reverse(f"{self.name}:password_change_done"),
            template_name="registration/password_change_form.html",
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return cast(HttpResponse, view(request))

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        cards = self.attention(request) if self.attention else []
        return super().index(
            request, {"cards": cards, "waits": any(c["count"] for c in cards), **(extra_context or {})}
        )

    # --- The theme's settings, kept beside the site instead of among the environment's -------------------------

    def _get_config(self, key: str, *args: Any) -> Any:
        if key == "COMMAND":
            return {"search_models": False, "show_history": False, "search_callback": self._find}
        if key in SITE:
            return self._get_value(copy.deepcopy(SITE[key]), *args)
        return super()._get_config(key, *args)

    def _find(self, request: HttpRequest, term: str) -> list[SearchResult]:
        # The theme passes the term in lower case, but references of processors know upper case.
        return self.find(request, request.GET.get("s", term)) if self.find else []

    def _get_account_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        if not self.has_permission(request):
            return []
        return [
            {"title": "Your security", "link": reverse(f"{self.name}:security")},
            {"title": "Change password", "link": reverse(f"{self.name}:password_change")},
        ]
