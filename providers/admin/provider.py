"""Providers: their form, their keys and their signing secrets. Registered by webhooks.admin, which knows the rules
for webhook addresses.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import connection
from django.forms.models import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from gateway.types import Mode
from providers import approvals, audit, backoffice, changes, keys, redirects, signing_secrets
from providers.admin.base import PayModelAdmin, is_first_sending
from providers.admin.services import CURRENCY_CHOICES
from providers.models import ApiKey, Approval, Provider, SigningSecret

OVERLAPS = {"0": "at once", "1": "after 1 hour", "24": "after 24 hours", "72": "after 72 hours"}
ONCE = "This key is shown once. Copy it now: nobody, we included, can read it again."


def can_be_live() -> bool:
    """Live keys and accounts are refused in the demo and on SQLite, which is for trying out."""
    return not settings.DEMO and connection.vendor != "sqlite"


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


class NewKeyForm(forms.Form):
    name = forms.CharField(max_length=100, required=False, label="Name", help_text="To tell it from others: production")
    mode = forms.ChoiceField(label="Mode", choices=[("test", "Test"), ("live", "Live")])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not can_be_live():
            self.fields["mode"].choices = [("test", "Test")]  # type: ignore[attr-defined]
            self.fields["mode"].help_text = "Live keys need PostgreSQL, and do not exist in the demo."


class RotateForm(forms.Form):
    overlap = forms.ChoiceField(
        label="The old key stops working", choices=[*OVERLAPS.items()], initial="24", widget=forms.Select
    )


class ProviderAdmin(PayModelAdmin):
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

    # --- keys --------------------------------------------------------------------------------------------------

    def act_urls(self) -> list[Any]:
        return [
            ("<uuid:provider_id>/keys/new/", self.new_key, "new_key"),
            ("<uuid:provider_id>/keys/<uuid:key_id>/rotate/", self.rotate_key, "rotate_key"),
            ("<uuid:provider_id>/keys/<uuid:key_id>/revoke/", self.revoke_key, "revoke_key"),
            ("<uuid:provider_id>/signing-secret/show/", self.show_secret, "show_secret"),
            ("<uuid:provider_id>/signing-secret/rotate/", self.rotate_secret, "rotate_secret"),
            ("<uuid:provider_id>/signing-secret/promote/", self.promote_secret, "promote_secret"),
            ("<uuid:provider_id>/signing-secret/withdraw/", self.withdraw_secret, "withdraw_secret"),
        ]

    def new_key(self, request: HttpRequest, provider_id: UUID) -> HttpResponse:
        provider = self.row(request, str(provider_id), "providers.manage_keys")
        form = NewKeyForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            if not is_first_sending(request):
                return self._sent_before(request, provider)
            return self._issue(request, provider, Mode(form.cleaned_data["mode"]), form.cleaned_data["name"])
        return self.act_page(
            request,
            title=f"New API key for {provider.name}",
            form=form,
            button="Create the key",
            back=self.url_of("change", provider.pk),
        )

    def _issue(self, request: HttpRequest, provider: Provider, mode: Mode, name: str) -> HttpResponse:
        now = timezone.now()
        key, text = keys.issue_key(provider=provider, mode=mode, name=name, now=now)
        self._record_key(request, key, "api_key_created", now)
        return self._once(request, provider, key, text)

    def rotate_key(self, request: HttpRequest, provider_id: UUID, key_id: UUID) -> HttpResponse:
        provider, key = self._key(request, provider_id, key_id)
        form = RotateForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            if not is_first_sending(request):
                return self._sent_before(request, provider)
            now = timezone.now()
            hours = int(form.cleaned_data["overlap"])
            new, text = keys.rotate_key(key=key, overlap=timedelta(hours=hours), now=now)
            self._record_key(request, new, "api_key_rotated", now, {"from": f"{key}", "overlap_hours": hours})
            return self._once(request, provider, new, text)
        return self.act_page(
            request,
            title=f"Rotate {key}",
            text="A new key is made and shown once. The old one goes on working until the time you choose.",
            form=form,
            button="Make the new key",
            back=self.url_of("change", provider.pk),
        )

    def revoke_key(self, request: HttpRequest, provider_id: UUID, key_id: UUID) -> HttpResponse:
        provider, key = self._key(request, provider_id, key_id)
        if request.method == "POST":
            now = timezone.now()
            if keys.revoke_key(key=key, now=now):
                self._record_key(request, key, "api_key_revoked", now)
            messages.success(request, f"{key} does not work any more.")
            return self.to_row(provider)
        return self.act_page(
            request,
            title=f"Revoke {key}",
            text="Calls with this key are refused from now on. This cannot be undone.",
            facts=[("Mode", backoffice.mode_badge(key.mode)), ("Last used", backoffice.when(key.last_used_at))],
            button="Revoke the key",
            back=self.url_of("change", provider.pk),
            is_dangerous=True,
        )

    def _key(self, request: HttpRequest, provider_id: UUID, key_id: UUID) -> tuple[Provider, ApiKey]:
        provider = self.row(request, str(provider_id), "providers.manage_keys")
        key = provider.api_keys.filter(pk=key_id, revoked_at=None).first()
        if key is None:
            raise Http404
        return provider, key

    def _once(self, request: HttpRequest, provider: Provider, key: ApiKey, text: str) -> HttpResponse:
        return self.page(
            request,
            "staff/key_once.html",
            f"API key of {provider.name}",
            {
                "secret": text,
                "warning": ONCE,
                "label": f"{'Live' if key.mode == 'live' else 'Test'} API key",
                "next": self.url_of("change", provider.pk),
                "lines": [f"Later it is shown as {key} only.", "Keep it on the provider's server, never in a browser."],
            },
        )

    def _sent_before(self, request: HttpRequest, provider: Provider) -> HttpResponse:
        messages.warning(request, "This form was sent before. A key is shown once: if it is lost, rotate it.")
        return self.to_row(provider)

    def _record_key(
        self, request: HttpRequest, key: ApiKey, act: str, now: Any, details: dict[str, Any] | None = None
    ) -> None:
        audit.record(
            actor=request.user,  # type: ignore[arg-type]
            act=act,
            target=("provider", str(key.provider_id)),
            details={"key": str(key), "mode": key.mode, "name": key.name, **(details or {})},
            request=request,
            now=now,
        )

    # --- signing secrets ---------------------------------------------------------------------------------------

    def show_secret(self, request: HttpRequest, provider_id: UUID) -> HttpResponse:
        provider = self.row(request, str(provider_id), "providers.manage_keys")
        which = request.POST.get("which", "current")
        if request.method != "POST":
            return self.to_row(provider)
        secret = signing_secrets.upcoming(provider) if which == "next" else signing_secrets.current(provider)
        if secret is None:
            raise Http404
        self._record_secret(request, provider, "signing_secret_shown", {"which": which})
        return self.page(
            request,
            "staff/key_once.html",
            f"Signing secret of {provider.name}",
            {
                "secret": secret.secret.reveal(),
                "warning": "Whoever has this can write webhooks that look like ours. That you looked is recorded.",
                "label": f"{secret.get_state_display().capitalize()} signing secret",
                "next": self.url_of("change", provider.pk),
                "lines": ["The provider verifies X-Payment-Signature and webhook-signature with it."],
            },
        )

    def rotate_secret(self, request: HttpRequest, provider_id: UUID) -> HttpResponse:
        provider = self.row(request, str(provider_id), "providers.manage_keys")
        if request.method == "POST":
            try:
                signing_secrets.rotate(provider, now=timezone.now())
            except signing_secrets.RotationUnderWay:
                messages.warning(request, "A next secret is waiting already: promote it or withdraw it first.")
            else:
                self._record_secret(request, provider, "signing_secret_rotated")
                messages.success(request, "The next secret signs beside the present one. Show it and hand it over.")
            return self.to_row(provider)
        return self.act_page(
            request,
            title=f"Rotate the signing secret of {provider.name}",
            text="A next secret is made. Until you promote it, webhook-signature carries both signatures and "
            "X-Payment-Signature the present one, so that the provider can change over without a gap.",
            button="Make the next secret",
            back=self.url_of("change", provider.pk),
        )

    def promote_secret(self, request: HttpRequest, provider_id: UUID) -> HttpResponse:
        provider = self.row(request, str(provider_id), "providers.manage_keys")
        if request.method == "POST":
            try:
                signing_secrets.promote(provider, now=timezone.now())
            except signing_secrets.NoRotation as error:
                messages.warning(request, str(error))
            else:
                self._record_secret(request, provider, "signing_secret_promoted")
                messages.success(request, "The next secret is the only one now.")
            return self.to_row(provider)
        return self.act_page(
            request,
            title=f"Promote the next signing secret of {provider.name}",
            text="From now on only the next secret signs. Do this when the provider verifies with it already.",
            button="Promote it",
            back=self.url_of("change", provider.pk),
            is_dangerous=True,
        )

    def withdraw_secret(self, request: HttpRequest, provider_id: UUID) -> HttpResponse:
        provider = self.row(request, str(provider_id), "providers.manage_keys")
        if request.method == "POST":
            try:
                signing_secrets.withdraw(provider, now=timezone.now())
            except signing_secrets.NoRotation as error:
                messages.warning(request, str(error))
            else:
                self._record_secret(request, provider, "signing_secret_withdrawn")
                messages.success(request, "The rotation is called off; the present secret stays.")
            return self.to_row(provider)
        return self.act_page(
            request,
            title=f"Withdraw the next signing secret of {provider.name}",
            text="The next secret is thrown away, and the present one stays the only one.",
            button="Withdraw it",
            back=self.url_of("change", provider.pk),
        )

    def _record_secret(
        self, request: HttpRequest, provider: Provider, act: str, details: dict[str, Any] | None = None
    ) -> None:
        audit.record(
            actor=request.user,  # type: ignore[arg-type]
            act=act,
            target=provider,
            details=details,
            request=request,
            now=timezone.now(),
        )

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
            "accounts": provider.accounts.filter(retired_at=None),
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
