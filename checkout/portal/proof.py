"""Asking who is at the keyboard once more, before an act that money may hang on."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checkout.portal.access import PortalRequest
from checkout.portal.sign_in import is_too_often, why_not
from providers import audit, staff


class ProofForm(forms.Form):
    """A form whose last field is the password, or a code of the authenticator where one is set up."""

    proof = forms.CharField(
        label=gettext_lazy("Your password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=gettext_lazy("To be sure that it is you."),
    )

    def __init__(self, *args: Any, request: PortalRequest, asks: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.asks = asks
        if not asks:
            del self.fields["proof"]
            return
        self.order_fields([name for name in self.fields if name != "proof"] + ["proof"])
        if staff.device_of(request.account.user):  # type: ignore[union-attr]
            self.fields["proof"].label = _("A code of your authenticator, or your password")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # Asked last, and only of a form that is right otherwise: no code is spent on a typing mistake.
        if self.asks and not self.errors and (problem := problem_with(self.request, cleaned.get("proof", ""))):
            self.add_error("proof", problem)
        return cleaned


def problem_with(request: PortalRequest, text: str) -> str:
    """ "" where this is the member's password or a code of theirs; else what to say. Tries are counted."""
    account = request.account
    assert account is not None
    user, now = account.user, timezone.now()
    if is_too_often(request, f"proof/{user.pk}", now):
        return _("Too many tries. Wait a minute.")
    if staff.device_of(user) is not None and len(text.strip()) == 6 and text.strip().isdigit():
        return "" if staff.verify(user=user, code=text) else why_not(user, text, now)
    if _is_password(request, user.get_username(), text):
        return ""
    audit.record(actor=user, act="proof_failed", target=user, details={"door": "portal"}, request=request, now=now)
    if getattr(request, "axes_locked_out", False):
        request.axes_locked_out = False  # type: ignore[attr-defined]  # answered here, in our own words
        return _("Too many tries. Wait fifteen minutes.")
    return _("This is not right.")


def _is_password(request: HttpRequest, name: str, text: str) -> bool:
    return authenticate(request, username=name, password=text) is not None
