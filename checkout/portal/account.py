"""A member's own account: name, language, password, second factor, sessions. The same for all their providers."""

from datetime import datetime, timedelta
from typing import Any

import django_otp
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from checkout import display
from checkout.portal import access, clock, frame
from checkout.portal.access import PortalRequest
from checkout.portal.new_password import NewPasswordForm
from checkout.portal.proof import ProofForm
from checkout.portal.sign_in import CodeForm
from providers import audit, member_news, members, staff
from providers.member_news import What
from providers.models import AuditEntry, PortalAccount, RecoveryDevice, StaffDevice

ENROLLING, ENROLLING_UNTIL = "portal_enrolling", "portal_enrolling_until"
ENROLLING_FOR = timedelta(minutes=10)
SHOWN_SIGN_INS = 8


class AboutForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Your name"), max_length=150, required=False)
    lang = forms.ChoiceField(
        label=gettext_lazy("Language of e-mails"), choices=settings.LANGUAGES, widget=forms.RadioSelect
    )


class PasswordForm(NewPasswordForm, ProofForm):  # type: ignore[misc]
    """The new password twice, then the proof that it is its owner who changes it."""


def show(request: PortalRequest) -> HttpResponse:
    account = _account(request)
    user = account.user
    form = AboutForm(
        request.POST if request.method == "POST" else None,
        initial={"name": user.first_name, "lang": account.lang or request.LANGUAGE_CODE},
    )
    if request.method == "POST" and form.is_valid():
        user.first_name = form.cleaned_data["name"].strip()
        user.save(update_fields=["first_name"])
        account.lang = form.cleaned_data["lang"]
        account.save(update_fields=["lang"])
        messages.success(request, _("Saved."))
        return _back()
    sign_ins = AuditEntry.objects.filter(
        target_type="user", target_id=str(user.pk), act__in=["signed_in", "sign_in_failed"]
    )
    context = {
        "title": _("Your account"),
        "form": form,
        "email": user.get_username(),
        "device": staff.device_of(user),
        "codes_left": staff.recovery_codes_left(user),
        "sign_ins": [(entry, _shown(request, entry.at)) for entry in sign_ins[:SHOWN_SIGN_INS]],
    }
    return frame.page(request, "portal/account.html", context)


def _shown(request: PortalRequest, at: datetime) -> str:
    """By the clock of the seller shown in the bar, like every other time of the portal; some people have no seller."""
    if request.memberships:
        return clock.moment(at, request.provider)
    return display.moment(at, get_language() or "en")


def change_password(request: PortalRequest) -> HttpResponse:
    """A new password ends every other session: their hash no longer fits."""
    account, now = _account(request), timezone.now()
    form = PasswordForm(account.user, request.POST if request.method == "POST" else None, request=request)
    if request.method == "POST" and form.is_valid():
        form.save()
        _go_on(request, account)
        _tell(request, account, "password_changed", What.PASSWORD, now)
        messages.success(request, _("Your password is changed; everywhere else you are signed out."))
        return _back()
    return frame.ask(
        request,
        title=_("Change your password"),
        form=form,
        button=_("Change the password"),
        back=reverse("portal:account"),
    )


def sign_out_everywhere(request: PortalRequest) -> HttpResponse:
    """Every other browser of this person has to sign in again; this one goes on under a new session."""
    account = _account(request)
    if request.method == "POST":
        members.end_sessions(account=account, now=timezone.now(), request=request)
        _go_on(request, account)
        messages.success(request, _("Everywhere else you are signed out."))
        return _back()
    return frame.ask(
        request,
        title=_("Sign out everywhere"),
        text=_("All other browsers and phones have to sign in again. Here you stay signed in."),
        button=_("Sign out everywhere else"),
        back=reverse("portal:account"),
    )


# --- Second factor --------------------------------------------------------------------------------------------


def begin_second_factor(request: PortalRequest) -> HttpResponse:
    """Set one up, or replace the present one: only who proves the password, or the present one, may."""
    form = ProofForm(request.POST if request.method == "POST" else None, request=request)
    if request.method == "POST" and form.is_valid():
        request.session[ENROLLING_UNTIL] = (timezone.now() + ENROLLING_FOR).isoformat()
        return HttpResponseRedirect(reverse("portal:enrol"))
    return frame.ask(
        request,
        title=_("Set up an authenticator app"),
        text=_("Besides your password the sign-in then asks for six digits that an app on your phone shows."),
        form=form,
        button=_("Go on"),
        back=reverse("portal:account"),
    )


def enrol(request: PortalRequest) -> HttpResponse:
    """A QR code and a first right code; then ten recovery codes, once."""
    account, now = _account(request), timezone.now()
    until = request.session.get(ENROLLING_UNTIL)
    if not isinstance(until, str) or datetime.fromisoformat(until) < now:
        return HttpResponseRedirect(reverse("portal:begin_second_factor"))
    begun = str(request.session.get(ENROLLING, ""))
    device = staff.begin_enrolment(user=account.user, now=now, begun=begun)
    request.session[ENROLLING] = str(device.pk)
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        codes = staff.confirm_enrolment(device=device, code=form.cleaned_data["code"], now=now)
        if codes is not None:
            members.end_sessions(account=account, now=now, request=request)
            _go_on(request, account, device=device)
            _tell(request, account, "", What.SECOND_FACTOR_ON, now)
            return _codes_page(request, codes)
        form.add_error("code", _("This code is not right. Wait for the next one and try again."))
    secret = staff.secret_of(device)
    context = {
        "title": _("Set up an authenticator app"),
        "form": form,
        "qr": staff.qr_svg(device, issuer=staff.issuer()),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    }
    return frame.page(request, "portal/enrol.html", context)


def fresh_codes(request: PortalRequest) -> HttpResponse:
    """Ten new recovery codes; the old ones stop working."""
    account = _account(request)
    if staff.device_of(account.user) is None:
        return _back()
    form = ProofForm(request.POST if request.method == "POST" else None, request=request)
    if request.method == "POST" and form.is_valid():
        return _codes_page(request, staff.fresh_recovery_codes(user=account.user, now=timezone.now()))
    return frame.ask(
        request,
        title=_("New recovery codes"),
        text=_("You get ten new codes. The old ones stop working."),
        form=form,
        button=_("Make new codes"),
        back=reverse("portal:account"),
    )


def drop_second_factor(request: PortalRequest) -> HttpResponse:
    """Back to the password alone."""
    account, now = _account(request), timezone.now()
    user = account.user
    if staff.device_of(user) is None:
        return _back()
    form = ProofForm(request.POST if request.method == "POST" else None, request=request)
    if request.method == "POST" and form.is_valid():
        StaffDevice.objects.filter(user=user).delete()
        RecoveryDevice.objects.filter(user=user).delete()
        members.end_sessions(account=account, now=now, request=request)
        _go_on(request, account)
        _tell(request, account, "second_factor_dropped", What.SECOND_FACTOR_OFF, now)
        messages.success(request, _("The second factor is switched off."))
        return _back()
    return frame.ask(
        request,
        title=_("Switch the second factor off"),
        text=_("Your password alone then opens your account."),
        form=form,
        button=_("Switch it off"),
        back=reverse("portal:account"),
        is_dangerous=True,
    )


# --- Small things ---------------------------------------------------------------------------------------------


def _account(request: PortalRequest) -> PortalAccount:
    assert request.account is not None
    return request.account


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:account"))


def _codes_page(request: PortalRequest, codes: list[str]) -> HttpResponse:
    return frame.page(request, "portal/recovery_codes.html", {"title": _("Your recovery codes"), "codes": codes})


def _go_on(request: PortalRequest, account: PortalAccount, *, device: Any = None) -> None:
    """This browser stays signed in, under a new session key, whatever ended the others."""
    update_session_auth_hash(request, account.user)  # gives the session a new key too
    request.session[access.EPOCH] = account.session_epoch
    for name in (ENROLLING, ENROLLING_UNTIL):
        request.session.pop(name, None)
    if device is not None:
        django_otp.login(request, device)


def _tell(request: PortalRequest, account: PortalAccount, act: str, what: What, now: datetime) -> None:
    if act:
        audit.record(actor=account.user, act=act, target=account.user, request=request, now=now)
    member_news.tell_account_changed(account=account, what=what, address=audit.address_of(request))
