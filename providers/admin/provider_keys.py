"""A provider's API keys and signing secrets: made, shown once, rotated, revoked, each step in the audit trail."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from gateway.types import Mode
from providers import audit, backoffice, keys, signing_secrets
from providers.admin.base import PayModelAdmin, is_first_sending
from providers.models import ApiKey, Provider

OVERLAPS = {"0": "at once", "1": "after 1 hour", "24": "after 24 hours", "72": "after 72 hours"}
ONCE = "This key is shown once. Copy it now: nobody, we included, can read it again."


def can_be_live() -> bool:
    """Live keys and accounts are refused in the demo and on SQLite, which is for trying out."""
    return not settings.DEMO and connection.vendor != "sqlite"


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


class KeyActs(PayModelAdmin):
    """The addresses of these acts; the list and the page are in `ProviderAdmin`."""

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
