"""Who works for the provider: everybody sees it, owners change it."""

from datetime import datetime
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from checkout import ratelimit
from checkout.portal import clock, frame, words
from checkout.portal.access import PortalRequest
from checkout.portal.proof import ProofForm
from providers import account_mail, member_news, members
from providers.member_news import What
from providers.models import Invitation, Member, Role, StaffDevice

INVITATIONS_PER_MINUTE = 10


def _role_choices() -> list[tuple[str, str]]:
    return [(role, f"{words.ROLES[role]}: {words.ROLES_MEAN[role]}") for role in Role.values]


class RoleForm(ProofForm):
    """Who belongs to a seller decides over its money: an open browser alone is not asked (docs/adr/0025)."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=_role_choices, widget=forms.RadioSelect)


class InviteForm(RoleForm):
    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=members.MAX_EMAIL,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    field_order = ["email", "role"]


def show(request: PortalRequest) -> HttpResponse:
    now = timezone.now()
    people = list(request.provider.members.filter(is_active=True).select_related("user"))
    protected = set(
        StaffDevice.objects.filter(user__in=[row.user_id for row in people], confirmed=True).values_list(
            "user_id", flat=True
        )
    )
    context = {
        "section": "people",
        "title": _("People"),
        "people": [
            (row, words.ROLES[row.role], row.user_id in protected, clock.moment(row.user.last_login, request.provider))
            for row in people
        ],
        "invitations": [
            (row, words.ROLES[row.role], row.expires_at > now, clock.moment(row.expires_at, request.provider))
            for row in members.open_invitations(request.provider)
        ],
        "roles": [(words.ROLES[role], words.ROLES_MEAN[role]) for role in Role.values],
        "may_manage": request.member.is_owner,
    }
    return frame.page(request, "portal/people.html", context)


def invite(request: PortalRequest) -> HttpResponse:
    form = InviteForm(
        request.POST if request.method == "POST" else None, request=request, initial={"role": Role.VIEWER.value}
    )
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        problem, link = _invite(request, form.cleaned_data["email"], Role(form.cleaned_data["role"]), now)
        if not problem:
            return _invited(request, link, form.cleaned_data["email"])
        form.add_error("email", problem)
    return frame.ask(
        request,
        title=_("Invite somebody"),
        text=_("They get a link by e-mail, choose a password, and see %(seller)s from then on.")
        % {"seller": request.provider.name},
        form=form,
        button=_("Send the invitation"),
        back=reverse("portal:people"),
        section="people",
    )


def _invite(request: PortalRequest, email: str, role: Role, now: datetime) -> tuple[str, str]:
    """(problem, link), one of them empty."""
    try:
        ratelimit.count(f"portal/invite/{request.provider.pk}", per_minute=INVITATIONS_PER_MINUTE, now=now)
        invitation, token = members.invite(
            provider=request.provider, email=email, role=role, invited_by=request.member.user, now=now, request=request
        )
    except ratelimit.TooManyRequests:
        return _("Too many invitations. Wait a minute."), ""
    except members.AlreadyMember:
        return _("This person belongs to you already. Change their role instead."), ""
    except members.IsStaff:
        return _("This address cannot be invited."), ""
    member_news.tell_invited(invitation=invitation, token=token, lang=get_language() or "en")
    if role == Role.OWNER:
        _tell_owners(request, What.OWNER_INVITED, invitation.email)
    return "", members.link_of(token)


def _invited(request: PortalRequest, link: str, email: str) -> HttpResponse:
    if account_mail.is_set_up():
        messages.success(request, _("The invitation is on its way to %(email)s.") % {"email": email})
        return HttpResponseRedirect(reverse("portal:people"))
    return frame.show_once(
        request,
        title=_("Invitation for %(email)s") % {"email": email},
        label=_("The link"),
        secret=link,
        warning=_(
            "No e-mail can be sent from here. Hand the link over yourself: it is shown once, and opens the door."
        ),
        back=reverse("portal:people"),
        section="people",
    )


def revoke(request: PortalRequest, invitation_id: UUID) -> HttpResponse:
    invitation = Invitation.objects.filter(pk=invitation_id, provider=request.provider).first()
    if invitation is None:
        raise Http404
    if members.revoke(invitation=invitation, actor=request.member.user, now=timezone.now(), request=request):
        messages.success(request, _("The link to %(email)s does not work any more.") % {"email": invitation.email})
    return HttpResponseRedirect(reverse("portal:people"))


def change_role(request: PortalRequest, member_id: UUID) -> HttpResponse:
    member = _member(request, member_id)
    form = RoleForm(request.POST if request.method == "POST" else None, request=request, initial={"role": member.role})
    if request.method == "POST" and form.is_valid():
        role, was_owner = Role(form.cleaned_data["role"]), member.is_owner
        try:
            members.change_role(
                member=member, role=role, actor=request.member.user, now=timezone.now(), request=request
            )
        except members.LastOwner:
            form.add_error("role", _last_owner())
        else:
            if role == Role.OWNER and not was_owner:
                _tell_owners(request, What.OWNER_MADE, member.user.get_username())
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(reverse("portal:people"))
    return frame.ask(
        request,
        title=_("Role of %(email)s") % {"email": member.user.get_username()},
        form=form,
        button=_("Save"),
        back=reverse("portal:people"),
        section="people",
    )


def remove(request: PortalRequest, member_id: UUID) -> HttpResponse:
    member = _member(request, member_id)
    email = member.user.get_username()
    if request.method == "POST":
        try:
            members.deactivate(member=member, actor=request.member.user, now=timezone.now(), request=request)
        except members.LastOwner:
            messages.error(request, _last_owner())
        else:
            messages.success(request, _("%(email)s sees nothing of you any more.") % {"email": email})
        return HttpResponseRedirect(reverse("portal:people"))
    return frame.ask(
        request,
        title=_("Remove %(email)s") % {"email": email},
        text=_("From the next click on they see nothing of %(seller)s. Keys they made go on working: revoke those too.")
        % {"seller": request.provider.name},
        button=_("Remove"),
        back=reverse("portal:people"),
        is_dangerous=True,
        section="people",
    )


def _tell_owners(request: PortalRequest, what: What, email: str) -> None:
    member_news.tell_owners(
        provider=request.provider, what=what, who=request.member.user.get_username(), facts=[("email", email)]
    )


def _last_owner() -> str:
    return _("The last owner stays: nobody could manage the seller any more. Make somebody else an owner first.")


def _member(request: PortalRequest, member_id: UUID) -> Member:
    """404 for members of others, and for those who were removed."""
    rows = Member.objects.select_related("user", "provider")
    member = rows.filter(pk=member_id, provider=request.provider, is_active=True).first()
    if member is None:
        raise Http404
    return member
