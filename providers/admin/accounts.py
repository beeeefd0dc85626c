"""Merchant accounts: a form per processor, made from what its registry entry asks for; saved secrets stay unseen."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from gateway import registry
from gateway.errors import GatewayError
from gateway.types import Mode
from providers import accounts, approvals, audit, backoffice, callback_addresses, changes
from providers.admin.base import PayModelAdmin
from providers.admin.provider_keys import can_be_live
from providers.models import Approval, MerchantAccount, Provider


class ChoiceForm(forms.Form):
    """Whose account, where, in which mode: what decides which fields are asked for."""

    provider = forms.ModelChoiceField(Provider.objects.all(), label="Provider (source)")
    business_id = forms.CharField(
        label="Business id",
        max_length=128,
        required=False,
        help_text="Of a business of a marketplace. Empty: the provider sells for itself.",
    )
    processor = forms.ChoiceField(label="Processor")
    mode = forms.ChoiceField(label="Mode", choices=[("test", "Test"), ("live", "Live")])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["processor"].choices = [(entry.slug, entry.name) for entry in registry.PROCESSORS.values()]  # type: ignore[attr-defined]
        if not can_be_live():
            self.fields["mode"].choices = [("test", "Test")]  # type: ignore[attr-defined]
            self.fields["mode"].help_text = "Live accounts need PostgreSQL, and do not exist in the demo."


class CredentialsForm(forms.Form):
    """A field for each credential. A saved secret may stay empty, which keeps it; what is no secret is shown."""

    business_name = forms.CharField(
        max_length=200, required=False, label="Business name", help_text="For your eyes only."
    )

    def __init__(self, *args: Any, processor: str, saved: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.credential_fields = registry.get(processor).credential_fields
        self.saved = dict(saved or {})
        for field in self.credential_fields:
            has_saved = bool(self.saved.get(field.name))
            attrs = {"autocomplete": "off", "spellcheck": "false"}
            if field.is_secret:
                attrs |= {"autocomplete": "new-password", "placeholder": "saved, unchanged" if has_saved else ""}
            self.fields[field.name] = forms.CharField(
                label=field.label,
                required=field.is_required and not (field.is_secret and has_saved),
                max_length=4000,
                help_text=field.help,
                widget=forms.PasswordInput(render_value=False, attrs=attrs)
                if field.is_secret
                else forms.TextInput(attrs=attrs),
                initial="" if field.is_secret else self.saved.get(field.name, ""),
            )

    def credentials(self) -> dict[str, str]:
        """What was typed; a secret that was left empty as it is saved. Empty optional fields are left out."""
        typed = {field.name: self.cleaned_data.get(field.name, "").strip() for field in self.credential_fields}
        secrets = {field.name for field in self.credential_fields if field.is_secret}
        merged = {name: text or (self.saved.get(name, "") if name in secrets else "") for name, text in typed.items()}
        return {name: text for name, text in merged.items() if text}


@admin.register(MerchantAccount)
class MerchantAccountAdmin(PayModelAdmin):
    section = "Merchant accounts"
    add_label = "Create New Merchant Account"
    list_display = ["owner", "business", "processor", "mode_shown", "state", "updated_shown"]
    list_filter = ["processor", "mode", "provider"]
    list_select_related = ["provider"]
    search_fields = ["business_name", "business_id", "provider__name"]

    @admin.display(description="Whose")
    def owner(self, account: MerchantAccount) -> str:
        if account.is_house:
            return "House account"
        return account.business_name or account.business_id or str(account.provider)

    @admin.display(description="Business", ordering="business_id")
    def business(self, account: MerchantAccount) -> str:
        if not account.business_id or account.provider is None:
            return ""
        said = f"{account.provider.slug} / {account.business_id}"
        return format_html('<a class="cut mono" title="{1}" href="{0}">{1}</a>', _business_url(account), said)

    @admin.display(description="Mode", ordering="mode")
    def mode_shown(self, account: MerchantAccount) -> str:
        return backoffice.mode_badge(account.mode)

    @admin.display(description="State")
    def state(self, account: MerchantAccount) -> str:
        return backoffice.badge(*backoffice.account_state(account))

    @admin.display(description="Changed", ordering="updated_at")
    def updated_shown(self, account: MerchantAccount) -> str:
        return backoffice.when(account.updated_at)

    # --- making and changing one -------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """First whose and where; then that processor's own fields. The choice stays in the address."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        title = "New merchant account"
        is_chosen = "processor" in request.GET
        known = {name: request.GET.get(name) for name in ("provider", "business_id")}
        choice = ChoiceForm(request.GET if is_chosen else None, initial=known)
        if not is_chosen or not choice.is_valid():
            return self.page(request, "staff/account_choice.html", title, {"form": choice})
        provider, processor = choice.cleaned_data["provider"], choice.cleaned_data["processor"]
        mode, business_id = Mode(choice.cleaned_data["mode"]), choice.cleaned_data["business_id"]
        present = MerchantAccount.objects.filter(
            provider=provider, business_id=business_id, processor=processor, mode=mode.value, retired_at=None
        ).first()
        if present is not None:
            messages.info(request, "It has an account there already: this is it.")
            return self.to_row(present)
        form = CredentialsForm(request.POST if request.method == "POST" else None, processor=processor)
        if request.method == "POST" and form.is_valid():
            answer = self._save(request, form, provider, processor, mode, business_id)
            if answer is not None:
                return answer
        about = _about(provider, processor, mode, business_id)
        return self.page(request, "staff/account.html", title, {**about, "form": form, "is_new": True})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        account = self.row(request, object_id)
        mode = Mode(account.mode)
        may_change = self.has_change_permission(request, account) and not account.is_house
        may_change = may_change and account.retired_at is None
        form = None
        if may_change:
            initial = {"business_name": account.business_name}
            saved = accounts.credentials_of(account)
            form = CredentialsForm(
                request.POST if request.method == "POST" else None,
                processor=account.processor,
                saved=saved,
                initial=initial,
            )
            if request.method == "POST" and form.is_valid():
                answer = self._save(request, form, account.provider, account.processor, mode, account.business_id)
                if answer is not None:
                    return answer
        elif request.method == "POST":
            raise PermissionDenied
        word, meaning = backoffice.account_state(account)
        context = {"form": form, "account": account, "word": word, "meaning": meaning, "may_change": may_change}
        context["own_addresses"] = callback_addresses.own(account.processor, account.pk)
        if account.business_id:
            context["business_url"] = _business_url(account)
        about = _about(account.provider, account.processor, mode, account.business_id)
        return self.page(request, "staff/account.html", str(account), {**about, **context})

    def _save(
        self, request: HttpRequest, form: CredentialsForm, provider: Provider, processor: str, mode: Mode, business: str
    ) -> HttpResponse | None:
        """Where to go next, or None with the form's errors filled in."""
        user = request.user
        assert isinstance(user, User)
        if mode == Mode.LIVE and not can_be_live():
            form.add_error(None, "Live accounts are refused here.")
            return None
        try:
            saved = changes.save_account(
                provider=provider,
                processor=processor,
                mode=mode,
                credentials=form.credentials(),
                business_id=business,
                business_name=form.cleaned_data["business_name"],
                actor=user,
                now=timezone.now(),
            )
        except accounts.BadCredentials as error:
            for name, problem in error.problems.items():
                form.add_error(name if name in form.fields else None, problem)
            return None
        except approvals.AlreadyWaiting:
            form.add_error(None, "Other new credentials of this account wait for a second person already.")
            return None
        if isinstance(saved, Approval):
            messages.warning(
                request,
                "Not saved yet: live money goes through these credentials, so somebody else has to approve them "
                "under “Waiting approvals”.",
            )
            return HttpResponseRedirect(self.list_url())
        messages.success(request, f"{saved} is saved.")
        return self.to_row(saved)

    # --- acts --------------------------------------------------------------------------------------------------

    def act_urls(self) -> list[Any]:
        return [
            ("<uuid:account_id>/check/", self.check_connection, "check"),
            ("<uuid:account_id>/activate/", self.activate, "activate"),
            ("<uuid:account_id>/deactivate/", self.deactivate, "deactivate"),
            ("<uuid:account_id>/block/", self.block, "block"),
            ("<uuid:account_id>/unblock/", self.unblock, "unblock"),
            ("<uuid:account_id>/retire/", self.retire, "retire"),
        ]

    def check_connection(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        """Ask the processor now whether payments could be opened; nothing is changed there."""
        account = self.row(request, str(account_id))
        if request.method == "POST":
            asked = [tuple(key.split("/", 1)) for key in account.availability] or [
                (account.provider.currency if account.provider else "USD", "")
            ]
            for currency, method in asked:
                self._ask(request, account, currency, method)
        return self.to_row(account)

    def _ask(self, request: HttpRequest, account: MerchantAccount, currency: str, method: str) -> None:
        what = f"payments in {currency}{f' by {method}' if method else ''}"
        try:
            answer = accounts.refresh_availability(account, currency=currency, method=method, now=timezone.now())
        except GatewayError as error:
            messages.error(request, f"The processor could not be asked: {audit.hide_secrets(str(error))}")
            return
        if answer.is_available:
            messages.success(request, f"The processor answers: {what} can be opened.")
        else:
            messages.warning(request, f"The processor answers: no {what}. {answer.why}")

    def activate(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        return self._switch(
            request, account_id, changes.activate_account, "Activate", "New payments can be opened on it."
        )

    def deactivate(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        return self._switch(
            request,
            account_id,
            changes.deactivate_account,
            "Deactivate",
            "No new payment is opened on it until it is activated again, here or through the API. "
            "Payments that are open go on.",
        )

    def block(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        return self._switch(
            request,
            account_id,
            changes.block_account,
            "Block",
            "No new payment is opened on it until staff lift the block; the API cannot. Payments that are open go on.",
        )

    def unblock(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        return self._switch(
            request, account_id, changes.unblock_account, "Unblock", "New payments can be opened on it."
        )

    def retire(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        return self._switch(
            request,
            account_id,
            changes.retire_account,
            "Retire",
            "No new payment is ever opened on it. Callbacks and refunds of its old payments are still answered. "
            "This cannot be undone; a new account can be made.",
        )

    def _switch(self, request: HttpRequest, account_id: UUID, act: Any, word: str, text: str) -> HttpResponse:
        account = self.row(request, str(account_id), "providers.change_merchantaccount")
        if request.method == "POST":
            act(account=account, actor=request.user, now=timezone.now())
            messages.success(request, f"{word}: done.")
            return self.to_row(account)
        return self.act_page(
            request,
            title=f"{word} {account}",
            text=text,
            button=word,
            back=self.url_of("change", account.pk),
            is_dangerous=word not in ("Unblock", "Activate"),
        )


def _about(provider: Provider | None, processor: str, mode: Mode, business_id: str) -> dict[str, Any]:
    return {
        "provider": provider,
        "business_id": business_id,
        "processor": registry.get(processor),
        "mode": mode.value,
        "addresses": callback_addresses.shared(processor),
        "needs_second": provider is not None and mode == Mode.LIVE,
    }


def _business_url(account: MerchantAccount) -> str:
    """The page of its business, which an app further to the left has."""
    assert account.provider is not None
    query = urlencode({"source": account.provider.slug, "id": account.business_id})
    return f"{reverse('admin:businesses_one')}?{query}"
