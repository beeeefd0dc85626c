"""Accepting an invitation: a new account chooses its password, an existing one signs in and says yes."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from checkout.portal import access, frame, words
from checkout.portal.access import PortalRequest
from checkout.portal.new_password import NewPasswordForm
from checkout.portal.sign_in import enter_as, is_too_often, too_many
from providers import audit, members
from providers.models import Invitation, Member


class JoinForm(NewPasswordForm):
    name = forms.CharField(
        label=gettext_lazy("Your name"),
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    field_order = ["name", "new_password1", "new_password2"]


def show(request: PortalRequest, token: str) -> HttpResponse:
    """What the link of an invitation opens. A used, revoked, old or invented one all say the same."""
    now = timezone.now()
    if is_too_often(request, "join", now):
        return too_many(request)
    invitation = members.find_invitation(token, now=now)
    if invitation is None:
        return _not_open(request)
    account = members.find_account(invitation.email)
    if account is not None and members.find_invitation(token, now=now) is None:
        return _not_open(request)  # the account is what another browser made of this very link a moment ago
    context: dict[str, Any] = {
        "invitation": invitation,
        "role": words.ROLES[invitation.role],
        "role_means": words.ROLES_MEAN[invitation.role],
        "title": _("Join %(seller)s") % {"seller": invitation.provider.name},
    }
    try:
        if account is None:
            return _as_new(request, invitation, context)
        if request.account is None:
            context["next"] = request.path  # the password first, then back to here
            return frame.page(request, "portal/join_known.html", context)
        if request.account.pk != account.pk:
            return frame.page(request, "portal/join_other.html", context, status=403)
        if request.method == "POST":
            return _in(request, members.accept(invitation=invitation, user=account.user, now=now, request=request))
    except (members.NotOpen, members.WrongPerson):  # used in another tab a moment ago
        return _not_open(request)
    return frame.page(request, "portal/join_known.html", context)


def _as_new(request: PortalRequest, invitation: Invitation, context: dict[str, Any]) -> HttpResponse:
    user = User(username=invitation.email, email=invitation.email)  # what a password must not resemble
    form = JoinForm(user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        try:
            member = members.accept_as_new(
                invitation=invitation,
                password=form.cleaned_data["new_password1"],
                name=form.cleaned_data["name"].strip(),
                lang=get_language() or "en",
                now=now,
                request=request,
            )
        except ValidationError as error:
            form.add_error("new_password1", error)
        else:
            details = {"with": "invitation", "door": "portal"}
            audit.record(
                actor=member.user, act="signed_in", target=member.user, details=details, request=request, now=now
            )
            enter_as(request, member.user.portal_account)
            return _in(request, member)
    return frame.page(request, "portal/join.html", {**context, "form": form})


def _in(request: PortalRequest, member: Member) -> HttpResponse:
    request.session[access.PROVIDER] = str(member.provider_id)
    messages.success(request, _("Welcome. You work for %(seller)s now.") % {"seller": member.provider.name})
    return HttpResponseRedirect(reverse("portal:home"))


def _not_open(request: PortalRequest) -> HttpResponse:
    return frame.page(request, "portal/join_closed.html", {"title": _("This invitation does not work")}, status=404)
