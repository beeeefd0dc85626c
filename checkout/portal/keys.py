"""API keys and merchant secrets of the mode that is shown: made, copied once, rotated with overlap, revoked.

Those of test mode are a developer's; those of live mode an owner's, who proves at each act that it is them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checkout.portal import clock, doors, frame, words
from checkout.portal.access import LIVE, OWNER, PortalRequest
from checkout.portal.proof import ProofForm
from gateway.types import Mode
from providers import audit, keys, member_news, members
from providers.member_news import What
from providers.models import ApiKey, Provider

MOST = 20  # usable ones of a kind and a mode
OVERLAPS = {
    "0": gettext_lazy("at once"),
    "1": gettext_lazy("in 1 hour"),
    "24": gettext_lazy("in 24 hours"),
    "168": gettext_lazy("in 7 days"),
}
KINDS = {
    ApiKey.Kind.API.value: gettext_lazy("API key"),
    ApiKey.Kind.MERCHANT_SECRET.value: gettext_lazy("Merchant secret"),
}


class NewKeyForm(ProofForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("To tell it from others: “shop”, “Anna’s machine”."),
    )


class RotateForm(ProofForm):
    overlap = forms.ChoiceField(
        label=gettext_lazy("The old one stops working"), choices=[*OVERLAPS.items()], initial="24"
    )


def usable(provider: Provider, *, kind: str, mode: str, now: datetime) -> list[ApiKey]:
    """Those that open something now, the youngest first."""
    return [key for key in listed(provider, kind=kind, mode=mode) if keys.is_usable(key, now=now)]


def listed(provider: Provider, *, kind: str, mode: str) -> list[ApiKey]:
    """All of them, the ended ones too: who sees a prefix in a log wants to know what it was."""
    return list(provider.api_keys.filter(kind=kind, mode=mode)[:100])


def state_of(key: ApiKey, *, now: datetime) -> tuple[str, str, bool]:
    """(word, tone, whether it still works)"""
    if key.revoked_at is not None:
        return _("revoked"), "none", False
    if key.expires_at is None:
        return _("works"), "ok", True
    return (_("ends soon"), "wait", True) if key.expires_at > now else (_("ended"), "none", False)


def may_manage(request: PortalRequest) -> bool:
    return request.mode != LIVE or members.may(request.member.role, OWNER)


def _for_its_manager(view: Callable[..., HttpResponse]) -> doors.View:
    """Live keys are an owner's matter."""

    @wraps(view)
    def allowed(request: PortalRequest, **of_address: Any) -> HttpResponse:
        return view(request, **of_address) if may_manage(request) else doors.forbidden(request, OWNER)

    return allowed


@_for_its_manager
def create(request: PortalRequest, kind: str) -> HttpResponse:
    if kind not in KINDS:
        raise Http404
    now = timezone.now()
    if len(usable(request.provider, kind=kind, mode=request.mode, now=now)) >= MOST:
        messages.error(request, _("There are %(n)s that work already. Revoke one first.") % {"n": MOST})
        return _back()
    is_live = request.mode == LIVE
    form = NewKeyForm(request.POST if request.method == "POST" else None, request=request, asks=is_live)
    if request.method == "POST" and form.is_valid():
        if not frame.is_first_sending(request):
            return _sent_before(request)
        with transaction.atomic():
            key, text = keys.issue_key(
                provider=request.provider,
                mode=Mode(request.mode),
                name=form.cleaned_data["name"].strip(),
                kind=ApiKey.Kind(kind),
                now=now,
            )
            _record(request, key, "api_key_created", now)
        _tell_of_live(request, key)
        return _once(request, key, text)
    title = _("New merchant secret") if kind == ApiKey.Kind.MERCHANT_SECRET else _("New API key")
    return frame.ask(
        request,
        title=f"{title} · {words.MODES[request.mode]}",
        text=_means(kind),
        form=form,
        button=_("Create it"),
        back=reverse("portal:dev_api"),
        section="developers",
    )


@_for_its_manager
def rotate(request: PortalRequest, key_id: UUID) -> HttpResponse:
    """A new one beside the old one, which goes on working for as long as is chosen."""
    now, key = timezone.now(), _key(request, key_id)
    if key.expires_at is not None:  # rotated before: its end is set
        raise Http404
    is_live = request.mode == LIVE
    form = RotateForm(request.POST if request.method == "POST" else None, request=request, asks=is_live)
    if request.method == "POST" and form.is_valid():
        if not frame.is_first_sending(request):
            return _sent_before(request)
        hours = int(form.cleaned_data["overlap"])
        with transaction.atomic():
            new, text = keys.rotate_key(key=key, overlap=timedelta(hours=hours), now=now)
            _record(request, new, "api_key_rotated", now, {"from": str(key), "overlap_hours": hours})
        _tell_of_live(request, new)
        return _once(request, new, text)
    return frame.ask(
        request,
        title=_("Rotate %(key)s") % {"key": key},
        text=_("You get a new one, shown once. The old one goes on working until you have changed over."),
        form=form,
        button=_("Make the new one"),
        back=reverse("portal:dev_api"),
        section="developers",
    )


@_for_its_manager
def revoke(request: PortalRequest, key_id: UUID) -> HttpResponse:
    now, key = timezone.now(), _key(request, key_id)
    if request.method == "POST":
        with transaction.atomic():
            if keys.revoke_key(key=key, now=now):
                _record(request, key, "api_key_revoked", now)
        messages.success(request, _("%(key)s does not work any more.") % {"key": key})
        return _back()
    used = clock.moment(key.last_used_at, request.provider) or _("never")
    return frame.ask(
        request,
        title=_("Revoke %(key)s") % {"key": key},
        text=_("Calls with it are refused from now on. This cannot be undone."),
        facts=[(_("Name"), key.name or "–"), (_("Mode"), words.MODES[key.mode]), (_("Last used"), used)],
        button=_("Revoke it"),
        back=reverse("portal:dev_api"),
        is_dangerous=True,
        section="developers",
    )


# --- Small things ---------------------------------------------------------------------------------------------


def _key(request: PortalRequest, key_id: UUID) -> ApiKey:
    """404 for others' keys, those of the other mode, and those that are revoked."""
    key = request.provider.api_keys.filter(pk=key_id, mode=request.mode, revoked_at=None).first()
    if key is None:
        raise Http404
    return key


def _means(kind: str) -> str:
    if kind == ApiKey.Kind.MERCHANT_SECRET:
        return _("It starts payments (POST /api/start_payment) and opens nothing else. Keep it on your server.")
    return _("It opens orders, reads and refunds them. Keep it on your server, never in a browser or an app.")


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:dev_api"))


def _sent_before(request: PortalRequest) -> HttpResponse:
    messages.warning(request, _("This form was sent before. It is shown once: if it is lost, rotate it."))
    return _back()


def _once(request: PortalRequest, key: ApiKey, text: str) -> HttpResponse:
    name = "MERCHANT_SECRET" if key.kind == ApiKey.Kind.MERCHANT_SECRET else "PROVIDER_API_KEY"
    return frame.show_once(
        request,
        title=f"{KINDS[key.kind]} · {words.MODES[key.mode]}",
        label=str(KINDS[key.kind]),
        secret=text,
        warning=_("It is shown once. Copy it now: nobody, we included, can read it again."),
        back=reverse("portal:dev_api"),
        lines=[
            _("Later you see only its beginning: %(key)s") % {"key": key},
            _("The samples read it from the environment: %(name)s") % {"name": name},
        ],
    )


def _record(
    request: PortalRequest, key: ApiKey, act: str, now: datetime, details: dict[str, Any] | None = None
) -> None:
    audit.record(
        actor=request.member.user,
        act=act,
        target=("provider", str(key.provider_id)),
        details={"key": str(key), "kind": key.kind, "mode": key.mode, "name": key.name, **(details or {})},
        request=request,
        now=now,
    )


def _tell_of_live(request: PortalRequest, key: ApiKey) -> None:
    if key.mode == LIVE:
        member_news.tell_owners(
            provider=request.provider,
            what=What.LIVE_KEY,
            who=request.member.user.get_username(),
            facts=[("key", str(key))],
        )
