"""Providers: their form, and the page of one with its keys, secrets and accounts. Registered by webhooks.admin,
which knows the rules for webhook addresses.
"""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.forms.models import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from gateway.types import Mode
from providers import approvals, audit, backoffice, changes, redirects, signing_secrets
from providers.admin.provider_keys import KeyActs, can_be_live
from providers.admin.provider_members import MemberActs
from providers.admin.services import CURRENCY_CHOICES
from providers.models import ApiKey, Approval, Provider, SigningSecret


class ProviderForm(ModelForm):
    name = forms.CharField(label="Provider Name", max_length=200, widget=UnfoldAdminTextInputWidget)
    webhook_url = forms.CharField(
        label="Webhook URL",
        max_length=1000,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "placeholder": "https://"}),
        help_text="Where payment notifications are sent. Empty: nobody is told.",
    )
    success_redirect_url = forms.CharField(
        label="Success Redirect URL",
        max_length=1000,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "placeholder": "https://"}),
        help_text="Where buyers go after paying. {orderId} and {externalId} are replaced, in path or query.",
    )
    cancel_redirect_url = forms.CharField(
        label="Cancel Redirect URL",
        max_length=1000,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "placeholder": "https://"}),
        help_text="Where buyers go who do not pay.",
    )
    currency = forms.ChoiceField(
        choices=CURRENCY_CHOICES, widget=UnfoldAdminSelectWidget, help_text="Used where an order names none."
    )

    class Meta:
        model = Provider
        fields = [
            "name",
            "slug",
            "service",
            "status",
            "currency",
            "webhook_url",
            "success_redirect_url",
            "cancel_redirect_url",
            "tries_webhooks_for_days",
            "refunds_late_captures",
        ]
        labels = {
            "slug": "Provider Slug",
            "service": "Linked Service",
            "status": "Status",
            "tries_webhooks_for_days": "Go on trying stuck webhooks for a day",
            "refunds_late_captures": "Refund late payments by itself",
        }

    warnings: list[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.warnings = []
        if "status" in self.fields:
            self.fields["status"].choices = [("active", "🟢 Active"), ("inactive", "⚪ Inactive")]  # type: ignore[attr-defined]

    def clean_webhook_url(self) -> str:
        url = str(self.cleaned_data["webhook_url"]).strip()
        if url and url != self.instance.webhook_url:
            problems = self.check_webhook_url(url, is_livemode=not settings.DEMO)
            if problems:
                raise forms.ValidationError(problems)
        return url

    @staticmethod
    def check_webhook_url(url: str, *, is_livemode: bool) -> list[str]:
        """Replaced by the registrar, who knows where webhooks may go."""
        return []

    def clean_success_redirect_url(self) -> str:
        return self._checked_redirect("success_redirect_url", warns=True)

    def clean_cancel_redirect_url(self) -> str:
        # The document's own example has no placeholder here: nothing to warn about.
        return self._checked_redirect("cancel_redirect_url", warns=False)

    def _checked_redirect(self, name: str, *, warns: bool) -> str:
        url = str(self.cleaned_data[name]).strip()
        if not url:
            return ""
        checked = redirects.check(url, allow_http=settings.DEMO)
        if checked.errors:
            raise forms.ValidationError(list(checked.errors))
        if warns:
            self.warnings.extend(checked.warnings)
        return url


class ProviderAdmin(KeyActs, MemberActs):
    section = "Providers"
    form = ProviderForm
    add_label = "Create New Provider"
    list_display = ["name", "slug", "service", "state", "modes", "webhook_url"]
    list_filter = ["status", "service"]
    list_select_related = ["service"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    fieldsets = [
        (None, {"fields": ["name", "slug", "service", "status", "currency"]}),
        ("Addresses", {"fields": ["webhook_url", "success_redirect_url", "cancel_redirect_url"]}),
        ("Rules", {"fields": ["tries_webhooks_for_days", "refunds_late_captures"]}),
    ]
    change_form_outer_after_template = "staff/provider_panels.html"

    # --- the list ----------------------------------------------------------------------------------------------

    @admin.display(description="Status", ordering="status")
    def state(self, provider: Provider) -> str:
        return backoffice.badge(provider.get_status_display(), backoffice.OK if provider.is_active else backoffice.NONE)

    @admin.display(description="Keys")
    def modes(self, provider: Provider) -> str:
        now = timezone.now()
        found = {key.mode for key in provider.api_keys.all() if _is_usable(key, now)}
        if not found:
            return backoffice.badge("no key", backoffice.WAIT)
        return backoffice.mode_badge("live" if "live" in found else "test")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("api_keys")

    # --- saving ------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:
        user = request.user
        assert isinstance(user, User)
        now = timezone.now()
        before = Provider.objects.get(pk=obj.pk) if change else None
        wanted_url = obj.webhook_url
        if before is not None:
            obj.webhook_url = before.webhook_url  # goes its own way: it may need a second person
        super().save_model(request, obj, form, change)
        audit.record(
            actor=user,
            act="provider_changed" if change else "provider_created",
            target=obj,
            details=audit.changes(_facts(before) if before else {}, _facts(obj)),
            request=request,
            now=now,
        )
        if before is not None and wanted_url != before.webhook_url:
            self._change_webhook_url(request, obj, wanted_url, user)
        for warning in form.warnings:
            messages.warning(request, warning)

    def _change_webhook_url(self, request: HttpRequest, provider: Provider, url: str, user: User) -> None:
        try:
            approval = changes.change_webhook_url(provider=provider, url=url, actor=user, now=timezone.now())
        except approvals.AlreadyWaiting:
            messages.warning(
                request, "Another change of the webhook URL is waiting already; this one was not asked for."
            )
            return
        if approval is not None:
            messages.warning(
                request,
                "The webhook URL was not changed yet: this provider is live, so somebody else has to approve it "
                "under “Waiting approvals”. Everything else is saved.",
            )

    def response_add(self, request: HttpRequest, obj: Provider, post_url_continue: Any = None) -> HttpResponse:
        """Saving a new provider makes its first key, and this answer is the one time that it is shown."""
        now = timezone.now()
        mode = Mode.LIVE if can_be_live() else Mode.TEST
        signing_secrets.ensure(obj, now=now)
        return self._issue(request, obj, mode, "first key")

    def act_urls(self) -> list[Any]:
        return [*KeyActs.act_urls(self), *MemberActs.act_urls(self)]

    # --- the page of one provider ------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        provider = self.get_object(request, object_id)
        context = self._panels(request, provider) if provider is not None else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _panels(self, request: HttpRequest, provider: Provider) -> dict[str, Any]:
        now = timezone.now()
        return {
            "provider": provider,
            "may_manage_keys": request.user.has_perm("providers.manage_keys"),
            "is_live": changes.is_live(provider),
            "keys": [(key, *_key_state(key, now)) for key in provider.api_keys.all()],
            "secrets": SigningSecret.objects.filter(provider=provider).exclude(state="retired").order_by("state"),
            # A marketplace may have thousands of businesses: only the provider's own accounts are listed here.
            "accounts": [
                (account, *backoffice.account_state(account))
                for account in provider.accounts.filter(retired_at=None, business_id="")
            ],
            "has_businesses": provider.accounts.exclude(business_id="").exists(),
            **self.members_panel(request, provider),
            "waiting": Approval.objects.filter(
                state=Approval.State.WAITING, target_type="provider", target_id__startswith=str(provider.pk)
            ).select_related("requested_by"),
        }


def _is_usable(key: ApiKey, now: Any) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _key_state(key: ApiKey, now: Any) -> tuple[str, str, bool]:
    """(word, meaning, whether it still works)."""
    if key.revoked_at is not None:
        return "revoked", backoffice.NONE, False
    if key.expires_at is None:
        return "active", backoffice.OK, True
    if key.expires_at > now:
        return "ends soon", backoffice.WAIT, True
    return "ended", backoffice.NONE, False


def _facts(provider: Provider) -> dict[str, Any]:
    names = ("name", "slug", "service", "status", "currency", "success_redirect_url", "cancel_redirect_url")
    flags = ("tries_webhooks_for_days", "refunds_late_captures")
    return {name: getattr(provider, name) for name in (*names, *flags)}
