"""What a merchant sets: where webhooks go, where buyers return, what is sold. Everybody sees it, owners change it."""

from typing import Any

from django import forms
from django.conf import settings as ours
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checkout import ratelimit
from checkout.portal import frame
from checkout.portal.access import DEVELOPER, LIVE, PortalRequest
from checkout.portal.proof import ProofForm
from gateway.money import Money
from providers import changes, member_news, members, origins, redirects, selling
from providers.member_news import What
from providers.models import Approval, Provider
from webhooks import targets, trial

TEST_EVENTS_PER_MINUTE = 6
_URL = {"inputmode": "url", "placeholder": "https://", "autocomplete": "off", "spellcheck": "false"}


class WebhookForm(ProofForm):
    webhook_url = forms.CharField(
        label=gettext_lazy("Webhook URL"),
        max_length=1000,
        required=False,
        widget=forms.TextInput(attrs=_URL),
        help_text=gettext_lazy("Where your server is told of payments. Empty: nobody is told."),
    )

    def clean_webhook_url(self) -> str:
        url = str(self.cleaned_data["webhook_url"]).strip()
        if url and (problems := targets.check_url(url, is_livemode=not ours.DEMO)):
            raise forms.ValidationError(problems)
        return url


class ReturnsForm(ProofForm):
    success_redirect_url = forms.CharField(
        label=gettext_lazy("After paying"),
        max_length=1000,
        required=False,
        widget=forms.TextInput(attrs=_URL),
        help_text=gettext_lazy("{orderId} and {externalId} are replaced, in path or query."),
    )
    cancel_redirect_url = forms.CharField(
        label=gettext_lazy("After giving up"), max_length=1000, required=False, widget=forms.TextInput(attrs=_URL)
    )
    allowed_origins = forms.CharField(
        label=gettext_lazy("Further allowed sites"),
        max_length=8000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "placeholder": "https://shop.example"}),
        help_text=gettext_lazy("One on each line, without a path. Those of the addresses above are allowed anyway."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.warnings: list[str] = []

    def clean_success_redirect_url(self) -> str:
        return self._checked("success_redirect_url", warns=True)

    def clean_cancel_redirect_url(self) -> str:
        return self._checked("cancel_redirect_url", warns=False)

    def clean_allowed_origins(self) -> str:
        lines = [line.strip().rstrip("/") for line in str(self.cleaned_data["allowed_origins"]).splitlines()]
        text = "\n".join(line for line in lines if line)
        if problem := origins.problem_with(text, allow_http=ours.DEMO):
            raise forms.ValidationError(problem)
        return text

    def _checked(self, name: str, *, warns: bool) -> str:
        url = str(self.cleaned_data[name]).strip()
        if not url:
            return ""
        checked = redirects.check(url, allow_http=ours.DEMO)
        if checked.errors:
            raise forms.ValidationError(list(checked.errors))
        if warns:
            self.warnings.extend(checked.warnings)
        return url


def show(request: PortalRequest) -> HttpResponse:
    provider = request.provider
    service = provider.service
    context = {
        "section": "settings",
        "title": _("Settings"),
        "is_owner": request.member.is_owner,
        "may_test": members.may(request.member.role, DEVELOPER) and bool(provider.webhook_url),
        "is_asked_by_staff": Approval.objects.filter(
            state=Approval.State.WAITING, act=changes.ACT_WEBHOOK_URL, target_id=str(provider.pk)
        ).exists(),
        "origins": sorted(origins.allowed(provider)),
        "service": service,
        "price": Money(service.price_minor, service.currency) if service else None,
        "is_shared": selling.is_shared(provider),
        "buy_url": f"{ours.BASE_URL}/services/{service.slug}" if service else "",
        "tries_for_days": provider.tries_webhooks_for_days,
        "refunds_late": provider.refunds_late_captures,
    }
    return frame.page(request, "portal/settings.html", context)


def change_webhook_url(request: PortalRequest) -> HttpResponse:
    provider = request.provider
    form = WebhookForm(
        request.POST if request.method == "POST" else None,
        request=request,
        initial={"webhook_url": provider.webhook_url},
    )
    if request.method == "POST" and form.is_valid():
        before, url = provider.webhook_url, form.cleaned_data["webhook_url"]
        if changes.set_webhook_url_by_owner(
            provider=provider, url=url, actor=request.member.user, request=request, now=timezone.now()
        ):
            _tell(request, What.WEBHOOK_URL, [("before", before or "–"), ("after", url or "–")])
            messages.success(request, _("Saved. All owners are told by e-mail. A test event shows whether it arrives."))
        return _back()
    return frame.ask(
        request,
        title=_("Change the webhook URL"),
        text=_("What is on its way goes to the new address when it is tried again."),
        form=form,
        button=_("Save"),
        back=reverse("portal:settings"),
        section="settings",
    )


def send_test_event(request: PortalRequest) -> HttpResponse:
    """A signed webhook that tells nothing; its page shows each try and the answer."""
    provider, now = request.provider, timezone.now()
    if not provider.webhook_url:
        messages.error(request, _("There is no webhook address yet."))
        return _back()
    try:
        ratelimit.count(f"portal/test-event/{provider.pk}", per_minute=TEST_EVENTS_PER_MINUTE, now=now)
    except ratelimit.TooManyRequests:
        messages.error(request, _("Too many at once. Wait a minute."))
        return _back()
    delivery = trial.send(provider, is_livemode=request.mode == LIVE, now=now)
    messages.success(request, _("The test event is on its way. Load the page again to see the answer."))
    return HttpResponseRedirect(reverse("portal:delivery", args=[delivery.pk]))


def change_returns(request: PortalRequest) -> HttpResponse:
    provider = request.provider
    names = ("success_redirect_url", "cancel_redirect_url", "allowed_origins")
    form = ReturnsForm(
        request.POST if request.method == "POST" else None,
        request=request,
        initial={name: getattr(provider, name) for name in names},
    )
    if request.method == "POST" and form.is_valid():
        before = _returns_of(provider)
        values = {name: form.cleaned_data[name] for name in names}
        if changes.set_returns_by_owner(
            provider=provider, values=values, actor=request.member.user, request=request, now=timezone.now()
        ):
            _tell(request, What.RETURNS, [("before", before), ("after", _returns_of(provider))])
            messages.success(request, _("Saved. All owners are told by e-mail."))
        for warning in form.warnings:
            messages.warning(request, warning)
        return _back()
    return frame.ask(
        request,
        title=_("Where buyers return"),
        text=_("Buyers are sent nowhere else: an address that somebody else put into a link is not followed."),
        form=form,
        button=_("Save"),
        back=reverse("portal:settings"),
        section="settings",
    )


def _returns_of(provider: Provider) -> str:
    lines = [provider.success_redirect_url, provider.cancel_redirect_url, *provider.allowed_origins.splitlines()]
    return ", ".join(line for line in lines if line) or "–"


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:settings"))


def _tell(request: PortalRequest, what: What, facts: list[tuple[str, str]]) -> None:
    member_news.tell_owners(provider=request.provider, what=what, who=request.member.user.get_username(), facts=facts)
