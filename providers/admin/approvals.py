"""Waiting approvals: read what is asked, then say yes or no. What an act does is in the table its registrar passes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html

from providers import approvals, backoffice, changes, staff
from providers.admin.base import ReadOnlyAdmin
from providers.models import Approval

Decide = Callable[[Approval, User, datetime], object]


@dataclass(frozen=True, slots=True)
class Act:
    """What deciding an act calls. `permission` is what a second person needs. `link` leads to what it is about."""

    name: str
    permission: str
    approve: Decide
    reject: Decide
    link: Callable[[Approval], str] = lambda approval: ""


def reject_plainly(approval: Approval, by: User, now: datetime) -> object:
    """For acts that reserved nothing: who asked takes it back, anybody else refuses."""
    if approval.requested_by_id == by.pk:
        return approvals.withdraw(approval.pk, by, now)
    return approvals.reject(approval.pk, by, now)


def acts_of_this_app(link: Callable[[str, str], str]) -> dict[str, Act]:
    """`link(model, id)` answers the address of a row in the back office."""
    return {
        changes.ACT_WEBHOOK_URL: Act(
            "Change of a live webhook URL",
            "providers.change_provider",
            lambda approval, by, now: changes.approve_webhook_url(approval_id=approval.pk, actor=by, now=now),
            reject_plainly,
            lambda approval: link("providers_provider", approval.target_id),
        ),
        changes.ACT_CREDENTIALS: Act(
            "Change of live credentials",
            "providers.change_merchantaccount",
            lambda approval, by, now: changes.approve_account(approval_id=approval.pk, actor=by, now=now),
            reject_plainly,
            lambda approval: link("providers_provider", approval.target_id.partition("/")[0]),
        ),
        staff.ACT_RESET: Act(
            "Reset of a second factor",
            "auth.change_user",
            lambda approval, by, now: staff.approve_reset(approval_id=approval.pk, actor=by, now=now),
            reject_plainly,
            lambda approval: link("auth_user", approval.target_id),
        ),
    }


class StateFilter(admin.SimpleListFilter):
    """Waiting ones by default: the others are history."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*[(value, str(label)) for value, label in Approval.State.choices if value != "waiting"], ("all", "all")]

    def choices(self, changelist: Any) -> Any:
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "waiting",
        }
        yield from list(super().choices(changelist))[1:]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Approval]) -> QuerySet[Approval]:
        if self.value() == "all":
            return queryset
        return queryset.filter(state=self.value() or Approval.State.WAITING)


class ApprovalAdmin(ReadOnlyAdmin):
    """Registered by the app that can do every act: it fills `acts`."""

    section = "Waiting approvals"
    acts: Mapping[str, Act] = {}
    errors: tuple[type[Exception], ...] = (approvals.ApprovalError,)
    list_display = ["summary", "kind", "state_shown", "requested_by", "requested_shown", "decided_by"]
    list_filter = [StateFilter]
    list_select_related = ["requested_by", "decided_by"]
    ordering = ["-id"]

    @admin.display(description="What")
    def kind(self, approval: Approval) -> str:
        act = self.acts.get(approval.act)
        return act.name if act else approval.act

    @admin.display(description="State")
    def state_shown(self, approval: Approval) -> str:
        return backoffice.badge(approval.get_state_display(), backoffice.APPROVAL_MEANING[approval.state])

    @admin.display(description="Asked")
    def requested_shown(self, approval: Approval) -> str:
        return backoffice.when(approval.requested_at)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The decision's own page: the same for everybody, with the buttons this person has."""
        approval = self.row(request, object_id)
        act = self.acts.get(approval.act)
        if request.method == "POST":
            return self._decide(request, approval, act)
        is_own = approval.requested_by_id == request.user.pk
        may = act is not None and request.user.has_perm(act.permission)
        is_waiting = approval.state == Approval.State.WAITING
        link = act.link(approval) if act else ""
        return self.page(
            request,
            "staff/approval.html",
            "Waiting for a second person" if is_waiting else f"Approval: {approval.get_state_display()}",
            {
                "approval": approval,
                "kind": self.kind(approval),
                "meaning": backoffice.APPROVAL_MEANING[approval.state],
                "about": format_html('<a href="{}">Look at what it is about</a>', link) if link else "",
                "can_approve": is_waiting and may and not is_own,
                "can_reject": is_waiting and may and not is_own,
                "can_withdraw": is_waiting and is_own,
                "lacks": is_waiting and not may and not is_own,
                "is_own": is_own,
            },
        )

    def _decide(self, request: HttpRequest, approval: Approval, act: Act | None) -> HttpResponse:
        user = request.user
        assert isinstance(user, User)
        is_own = approval.requested_by_id == user.pk
        wish = request.POST.get("decision")
        if act is None or not (user.has_perm(act.permission) or (is_own and wish == "reject")):
            raise PermissionDenied
        now = timezone.now()
        try:
            if wish == "approve":
                act.approve(approval, user, now)
                messages.success(request, f"Approved and done: {approval.summary}")
            elif wish == "reject":
                act.reject(approval, user, now)
                messages.success(request, f"{'Taken back' if is_own else 'Refused'}: {approval.summary}")
        except self.errors as error:
            messages.error(request, str(error))
            return self.to_row(approval)
        return HttpResponseRedirect(self.list_url())
