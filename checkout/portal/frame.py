"""The frame of every portal page: header, menu, mode, messages, languages; and the pages that many acts share."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from checkout import soft_cache
from checkout.portal import access, words
from checkout.portal.access import DEVELOPER, TEST, VIEWER, PortalRequest
from providers import members


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the menu, shown to whoever may open it. `section` is what its pages say they belong to."""

    section: str
    url_name: str
    label: Any
    least: str


MENU = [
    Entry("home", "portal:home", _("Overview"), VIEWER),
    Entry("payments", "portal:payments", _("Payments"), VIEWER),
    Entry("deliveries", "portal:deliveries", _("Webhooks"), VIEWER),
    Entry("developers", "portal:dev_api", _("API and keys"), DEVELOPER),
    Entry("settings", "portal:settings", _("Settings"), VIEWER),
    Entry("people", "portal:people", _("People"), VIEWER),
]


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A page in the portal's frame. `section` in the context marks the menu's line."""
    whole = {**_frame(request), **(context or {})}
    response = render(request, template, whole, status=status)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "same-origin"
    return response


def _frame(request: HttpRequest) -> dict[str, Any]:
    account = getattr(request, "account", None)
    member = getattr(request, "member", None)
    mode = getattr(request, "mode", "")
    return {
        "lang": translation.get_language(),
        "languages": _languages(request),
        "account": account,
        "member": member,
        "role": words.ROLES[member.role] if member else "",
        "provider": member.provider if member else None,
        "memberships": getattr(request, "memberships", []),
        "mode": mode,
        "is_test": mode == TEST,
        "desk": access.desk_of(cast(PortalRequest, request)) if member else "",
        "has_live_mode": access.has_live_mode(),
        "menu": _menu(member) if member else [],
        "here": request.get_full_path(),
        "support_email": settings.SUPPORT_EMAIL,
        "is_demo": settings.DEMO,
    }


def _menu(member: Any) -> list[tuple[str, str, Any]]:
    """(section, address, label); what has no page is left out."""
    lines = []
    for entry in MENU:
        if members.may(member.role, entry.least):
            try:
                lines.append((entry.section, reverse(entry.url_name), entry.label))
            except NoReverseMatch:
                continue
    return lines


def _languages(request: HttpRequest) -> list[tuple[str, str, str]]:
    """(code, name, address of this page in it). The answer to a form leads to the page's address, not to the form."""
    links = []
    for code, name in settings.LANGUAGES:
        query = request.GET.copy()
        query["lang"] = code
        links.append((code, name, "?" + query.urlencode()))
    return links


def ask(
    request: HttpRequest,
    *,
    title: str,
    button: str,
    back: str,
    text: str = "",
    form: forms.Form | None = None,
    notes: Sequence[str] = (),
    facts: Sequence[tuple[str, Any]] = (),
    is_dangerous: bool = False,
    section: str = "",
    status: int = 200,
) -> HttpResponse:
    """Ask before an act: what it does, its fields, one button, a way back. The form posts to this very address."""
    context = {
        "title": title,
        "text": text,
        "form": form,
        "notes": notes,
        "facts": facts,
        "button": button,
        "back": back,
        "is_dangerous": is_dangerous,
        "section": section,
        "form_token": form_token(),
    }
    return page(request, "portal/ask.html", context, status=status)


FORM_TOKEN_FOR_SECONDS = 12 * 3600


def form_token() -> str:
    """Names one showing of a form, so that sending it twice does its work once."""
    return secrets.token_urlsafe(16)


def is_first_sending(request: HttpRequest) -> bool:
    """Whether this showing of the form was not sent before (double click, reload of the answer)."""
    token = request.POST.get("form_token", "")[:64]
    # Without the cache it cannot be said: rather a second key, which can be revoked, than none while it is down.
    key = f"portal/form/{request.user.pk}/{token}"
    return bool(token) and soft_cache.add(key, seconds=FORM_TOKEN_FOR_SECONDS) is not False


def show_once(
    request: HttpRequest,
    *,
    title: str,
    label: str,
    secret: str,
    warning: str,
    back: str,
    lines: Sequence[str] = (),
    section: str = "developers",
) -> HttpResponse:
    """A secret, in this one answer and nowhere else."""
    context = {
        "title": title,
        "label": label,
        "secret": secret,
        "warning": warning,
        "lines": lines,
        "back": back,
        "section": section,
    }
    return page(request, "portal/once.html", context)
