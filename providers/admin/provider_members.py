"""A provider's people in the portal, as staff look after them: invite, take back, change a role, remove."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from providers import account_mail, approvals, member_news, members, staff
from providers.admin.base import PayModelAdmin, is_first_sending
from providers.models import Invitation, Member, Provider, Role, StaffDevice

MANAGE = "auth.change_user"
ROLES = [
    (Role.OWNER.value, "Owner: refunds, settings, live keys, people"),
    (Role.DEVELOPER.value, "Developer: test keys, test payments, webhooks"),
    (Role.VIEWER.value, "Viewer: looks only"),
]
LANGUAGES = [("uz", "Uzbek"), ("ru", "Russian"), ("en", "English")]


class MemberRoleForm(forms.Form):
    role = forms.ChoiceField(label="Role", choices=ROLES, initial=Role.OWNER.value)


class InviteForm(MemberRoleForm):
    email = forms.EmailField(label="E-mail", max_length=members.MAX_EMAIL)
    lang = forms.ChoiceField(label="Language of the letter", choices=LANGUAGES)
    field_order = ["email", "role", "lang"]


class MemberActs(PayModelAdmin):
    """The addresses of these acts; `ProviderAdmin` joins them to its own."""

    def act_urls(self) -> list[Any]:
        one = "<uuid:provider_id>/members/<uuid:member_id>"
        return [
            ("<uuid:provider_id>/members/invite/", self.invite, "invite"),
            ("<uuid:provider_id>/members/<uuid:invitation_id>/revoke/", self.revoke_invitation, "revoke_invitation"),
            (f"{one}/role/", self.change_member_role, "member_role"),
            (f"{one}/remove/", self.remove_member, "member_off"),
            (f"{one}/reset-second-factor/", self.reset_member, "member_reset"),
        ]

    def members_panel(self, request: HttpRequest, provider: Provider) -> dict[str, Any]:
        now = timezone.now()
        people = list(provider.members.select_related("user").order_by("-is_active", "created_at"))
        ids = [member.user_id for member in people]
        protected = set(StaffDevice.objects.filter(user__in=ids, confirmed=True).values_list("user_id", flat=True))
        return {
            "members": [(member, member.user_id in protected) for member in people],
            "invitations": [(row, row.expires_at > now) for row in members.open_invitations(provider)],
            "may_manage_members": request.user.has_perm(MANAGE),
        }

    def invite(self, request: HttpRequest, provider_id: UUID) -> HttpResponse:
        provider = self.row(request, str(provider_id), MANAGE)
        form = InviteForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            if not is_first_sending(request):
                messages.warning(request, "This form was sent before. If the link is lost, invite again.")
                return self.to_row(provider)
            try:
                invitation, token = members.invite(
                    provider=provider,
                    email=form.cleaned_data["email"],
                    role=Role(form.cleaned_data["role"]),
                    invited_by=request.user,  # type: ignore[arg-type]
                    now=timezone.now(),
                    request=request,
                )
            except members.AlreadyMember:
                form.add_error("email", "Belongs to this provider already: change the role instead.")
            except members.IsStaff:
                form.add_error("email", "This is the user name of a colleague: staff cannot be members.")
            else:
                return self._invited(request, provider, invitation, token, form.cleaned_data["lang"])
        return self.act_page(
            request,
            title=f"Invite somebody to {provider.name}",
            text="They choose a password and look after this provider in the portal from then on.",
            form=form,
            button="Invite",
            back=self.url_of("change", provider.pk),
        )

    def _invited(
        self, request: HttpRequest, provider: Provider, invitation: Invitation, token: str, lang: str
    ) -> HttpResponse:
        member_news.tell_invited(invitation=invitation, token=token, lang=lang)
        _tell_owners(provider, invitation.role, member_news.What.OWNER_INVITED, invitation.email)
        sent = "A letter with it is on its way." if account_mail.is_set_up() else "No mail server: hand it over."
        return self.page(
            request,
            "staff/key_once.html",
            f"Invitation for {invitation.email}",
            {
                "secret": members.link_of(token),
                "warning": f"This link is shown once. {sent}",
                "label": "Link of the invitation",
                "next": self.url_of("change", provider.pk),
                "lines": ["It works once, for seven days. Whoever has it becomes the member: give it to nobody else."],
            },
        )

    def revoke_invitation(self, request: HttpRequest, provider_id: UUID, invitation_id: UUID) -> HttpResponse:
        provider = self.row(request, str(provider_id), MANAGE)
        invitation = Invitation.objects.filter(pk=invitation_id, provider=provider).first()
        if invitation is None:
            raise Http404
        user: Any = request.user
        if request.method == "POST" and members.revoke(
            invitation=invitation, actor=user, now=timezone.now(), request=request
        ):
            messages.success(request, f"The link for {invitation.email} does not work any more.")
        return self.to_row(provider)

    def change_member_role(self, request: HttpRequest, provider_id: UUID, member_id: UUID) -> HttpResponse:
        provider, member = self._member(request, provider_id, member_id)
        form = MemberRoleForm(request.POST if request.method == "POST" else None, initial={"role": member.role})
        if request.method == "POST" and form.is_valid():
            members.change_role(
                member=member,
                role=Role(form.cleaned_data["role"]),
                actor=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
                by_staff=True,
                request=request,
            )
            _tell_owners(provider, member.role, member_news.What.OWNER_MADE, member.user.get_username())
            self._warn_without_owner(request, provider)
            return self.to_row(provider)
        return self.act_page(
            request,
            title=f"Role of {member.user.get_username()} at {provider.name}",
            form=form,
            button="Save",
            back=self.url_of("change", provider.pk),
        )

    def remove_member(self, request: HttpRequest, provider_id: UUID, member_id: UUID) -> HttpResponse:
        provider, member = self._member(request, provider_id, member_id)
        if request.method == "POST":
            members.deactivate(
                member=member,
                actor=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
                by_staff=True,
                request=request,
            )
            messages.success(request, f"{member.user.get_username()} sees nothing of {provider.name} any more.")
            self._warn_without_owner(request, provider)
            return self.to_row(provider)
        return self.act_page(
            request,
            title=f"Remove {member.user.get_username()} from {provider.name}",
            text="From the next click on they see nothing of it. Keys they made go on working: revoke those too.",
            button="Remove",
            back=self.url_of("change", provider.pk),
            is_dangerous=True,
        )

    def reset_member(self, request: HttpRequest, provider_id: UUID, member_id: UUID) -> HttpResponse:
        provider, member = self._member(request, provider_id, member_id)
        if request.method == "POST":
            try:
                staff.ask_reset(user=member.user, actor=request.user, now=timezone.now())  # type: ignore[arg-type]
            except approvals.AlreadyWaiting as error:
                messages.warning(request, str(error))
            else:
                messages.success(request, "Asked. Somebody else has to approve it under “Waiting approvals”.")
            return self.to_row(provider)
        return self.act_page(
            request,
            title=f"Reset the second factor of {member.user.get_username()}",
            text="Their authenticator and recovery codes stop working; their password alone then opens the portal. "
            "Do this only after you made sure, in another way than by e-mail, that it is them who asks.",
            notes=["This needs a second person."],
            button="Ask for the reset",
            back=self.url_of("change", provider.pk),
            is_dangerous=True,
        )

    def _warn_without_owner(self, request: HttpRequest, provider: Provider) -> None:
        if not members.owners_of(provider):
            messages.warning(request, f"{provider.name} has no owner now: nobody there can manage it. Invite one.")

    def _member(self, request: HttpRequest, provider_id: UUID, member_id: UUID) -> tuple[Provider, Member]:
        provider = self.row(request, str(provider_id), MANAGE)
        member = Member.objects.select_related("user", "provider").filter(pk=member_id, provider=provider).first()
        if member is None:
            raise Http404
        return provider, member


def _tell_owners(provider: Provider, role: str, what: member_news.What, email: str) -> None:
    """An owner may do without a second person what staff may not: whoever brings one in, the present ones hear of it.

    Not by which colleague: that is between us and the trail.
    """
    if role == Role.OWNER:
        member_news.tell_owners(provider=provider, what=what, who="DZTech Pay", facts=[("email", email)])
