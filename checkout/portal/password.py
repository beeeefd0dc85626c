"""A forgotten password: a link by e-mail, then a new one. Django's own tokens and views, the portal's own people."""

from typing import Any, cast

from axes.utils import reset as reset_tries
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpResponse
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from checkout import ratelimit
from checkout.portal import frame
from checkout.portal.access import PortalRequest
from checkout.portal.new_password import NewPasswordForm
from checkout.portal.sign_in import is_too_often, too_many
from providers import audit, member_news, members

MAILS_PER_MINUTE = 1  # to one address


class ForgotForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=members.MAX_EMAIL,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": "", "spellcheck": "false"}),
    )


def forgot(request: PortalRequest) -> HttpResponse:
    """Whoever asks is told the same, whether the address is known or not."""
    form = ForgotForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if is_too_often(request, "forgot", timezone.now()):
            return too_many(request)
        _send_link(request, form.cleaned_data["email"])
        return frame.page(request, "portal/forgot_sent.html", {"title": _("Look into your mailbox")})
    return frame.page(request, "portal/forgot.html", {"form": form, "title": _("Forgot your password?")})


def _send_link(request: PortalRequest, email: str) -> None:
    now = timezone.now()
    account = members.find_account(email)
    user = account.user if account is not None and account.user.is_active else None
    # The same work for every address: how long the answer takes tells nothing either.
    try:
        ratelimit.count(f"portal/forgot/{members.normal_email(email)}", per_minute=MAILS_PER_MINUTE, now=now)
    except ratelimit.TooManyRequests:
        return
    if account is not None and user is not None:
        uid = urlsafe_base64_encode(force_bytes(user.pk))
        path = reverse("portal:reset", args=[uid, default_token_generator.make_token(user)])
        member_news.tell_reset_link(account=account, url=settings.BASE_URL + path, lang=get_language() or "en")
    audit.record(
        actor=None,
        actor_name=user.get_username() if user else "unknown",
        act="password_link_sent" if user else "password_link_refused",
        target=user,
        details={"door": "portal"},
        request=request,
        now=now,
    )


class ResetView(PasswordResetConfirmView):
    """Django's: the token moves into the session, so that no link of the page carries it on. The old sessions end."""

    template_name = "portal/reset.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("portal:sign_in")
    title = gettext_lazy("Choose a new password")  # type: ignore[assignment]

    def get_user(self, uidb64: str) -> User | None:
        """Staff's passwords are not reset here, nor anybody's who is locked out."""
        user = super().get_user(uidb64)
        return user if isinstance(user, User) and members.account_of(user) else None

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        request, user = self.request, form.user
        reset_tries(username=user.get_username())  # whoever locked the account out is out of date
        audit.record(
            actor=user,
            act="password_reset",
            target=user,
            details={"door": "portal"},
            request=request,
            now=timezone.now(),
        )
        account = members.account_of(user)
        if account is not None:
            address = audit.address_of(request)
            member_news.tell_account_changed(account=account, what=member_news.What.PASSWORD, address=address)
        messages.success(request, _("Your new password works. Sign in with it."))
        return response

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        response = frame.page(self.request, self.template_name, context)
        response["Referrer-Policy"] = "no-referrer"
        return response


def reset(request: PortalRequest, uidb64: str, token: str) -> HttpResponse:
    return cast(HttpResponse, ResetView.as_view()(request, uidb64=uidb64, token=token))
