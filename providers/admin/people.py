"""Staff: who they are, which role they have, whether their second factor is set up."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from providers import approvals, audit, backoffice, staff
from providers.admin.base import PayModelAdmin
from providers.models import StaffDevice

ROLE_CHOICES = [
    ("", "No role: sees nothing"),
    (staff.SUPPORT, "Support: reads everything, sends webhooks again"),
    (staff.FINANCE, "Finance: also refunds, cancels, settles reviews"),
    (staff.ADMIN, "Admin: everything, also keys, accounts and people"),
]


def _role_field() -> forms.ChoiceField:
    return forms.ChoiceField(choices=ROLE_CHOICES, required=False, widget=UnfoldAdminSelectWidget)


class StaffCreationForm(UserCreationForm):
    role = _role_field()

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "email", "first_name", "last_name")


class StaffChangeForm(UserChangeForm):
    role = _role_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["role"] = staff.role_of(self.instance)


admin.site.unregister(Group) if admin.site.is_registered(Group) else None
admin.site.unregister(User) if admin.site.is_registered(User) else None


@admin.register(User)
class StaffAdmin(DjangoUserAdmin, PayModelAdmin):  # type: ignore[misc]
    section = "Staff"
    form = StaffChangeForm
    add_form = StaffCreationForm
    change_password_form = AdminPasswordChangeForm
    add_label = "Create New Staff Member"
    list_display = ["username", "full_name", "role", "second_factor", "state", "last_login_shown"]
    list_filter = ["is_active", "groups"]
    search_fields = ["username", "email", "first_name", "last_name"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("Access", {"fields": ["role", "is_active"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "email", "first_name", "last_name", "password1", "password2", "role"]}),
    ]
    change_form_outer_after_template = "staff/person_panel.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        people = super().get_queryset(request).filter(is_staff=True).prefetch_related("groups")
        return people.annotate(has_device=Exists(StaffDevice.objects.filter(user=OuterRef("pk"), confirmed=True)))

    # --- who may touch whom ------------------------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser is changed by superusers only: else a new password would make anybody one."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        own = obj is not None and obj.pk == request.user.pk
        return ["is_active"] if own else []  # nobody locks themselves out by accident

    # --- the list ----------------------------------------------------------------------------------------------

    @admin.display(description="Name")
    def full_name(self, user: User) -> str:
        return user.get_full_name()

    @admin.display(description="Role")
    def role(self, user: User) -> str:
        if user.is_superuser:
            return backoffice.badge("superuser", backoffice.INFO)
        name = staff.role_of(user)
        return backoffice.badge(name) if name else backoffice.badge("none", backoffice.WAIT)

    @admin.display(description="Second factor")
    def second_factor(self, user: User) -> str:
        if user.has_device:  # type: ignore[attr-defined]  # told by the query of the list
            return backoffice.badge("set up", backoffice.OK)
        return backoffice.badge("at next sign-in", backoffice.WAIT)

    @admin.display(description="State", ordering="is_active")
    def state(self, user: User) -> str:
        return backoffice.badge("active", backoffice.OK) if user.is_active else backoffice.badge("locked out")

    @admin.display(description="Last sign-in", ordering="last_login")
    def last_login_shown(self, user: User) -> str:
        return backoffice.when(user.last_login)

    # --- saving ------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        before = _facts(User.objects.get(pk=obj.pk)) if change else {}
        obj.is_staff = True
        super().save_model(request, obj, form, change)
        now = timezone.now()
        audit.record(
            actor=request.user,  # type: ignore[arg-type]
            act="staff_changed" if change else "staff_created",
            target=obj,
            details=audit.changes(before, _facts(obj)),
            request=request,
            now=now,
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "role" in form.cleaned_data:
            staff.set_role(
                user=form.instance,
                role=form.cleaned_data["role"],
                actor=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            )

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            audit.record(
                actor=request.user,  # type: ignore[arg-type]
                act="password_set",
                target=("user", id),
                request=request,
                now=timezone.now(),
            )
        return response

    # --- second factor -----------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        from django.urls import path

        reset = self.admin_site.admin_view(self.ask_reset)
        return [path("<id>/reset-second-factor/", reset, name="auth_user_reset"), *super().get_urls()]

    def ask_reset(self, request: HttpRequest, id: str) -> HttpResponse:
        user = self.row(request, id, "auth.change_user")
        back = self.url_of("change", user.pk)
        if request.method == "POST":
            try:
                staff.ask_reset(user=user, actor=request.user, now=timezone.now())  # type: ignore[arg-type]
            except approvals.AlreadyWaiting as error:
                messages.warning(request, str(error))
            else:
                messages.success(request, "Asked. Somebody else has to approve it under “Waiting approvals”.")
            return self.to_row(user)
        return self.act_page(
            request,
            title=f"Reset the second factor of {user.get_username()}",
            text="Their authenticator and recovery codes stop working, and they set up new ones at the next sign-in. "
            "Do this only after you made sure, in another way than by e-mail, that it is them who asks.",
            notes=["This needs a second person, who is neither you nor them."],
            button="Ask for the reset",
            back=back,
            is_dangerous=True,
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id)
        context = {"person": user, "device": staff.device_of(user) if user else None}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


def _facts(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "email": user.email,
        "name": user.get_full_name(),
        "is_active": user.is_active,
    }
