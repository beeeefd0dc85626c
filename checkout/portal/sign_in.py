"""The portal's doors: password, then the second factor where one is set up; sign-out; a forgotten password.

Nothing here tells whether an address has an account: unknown ones, staff's and members' go the same way. Until all
factors are proven nobody is signed in; the session only remembers, for ten minutes, whose password was right.
"""

from datetime import datetime, timedelta
from typing import Any

import django_otp
from django import forms
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checkout import ratelimit
from checkout.portal import access, frame
from checkout.portal.access import PortalRequest
from providers import audit, members, staff
from providers.addresses import client_address, subnet_of
from providers.models import PortalAccount, RecoveryDevice

PENDING = "portal_sign_in"
PENDING_FOR = timedelta(minutes=10)
SESSION_FOR = timedelta(hours=12)
TRIES_PER_MINUTE = 20  # of one network, whatever names it tries; one name has a limit of its own (AXES_…)
BACKEND = "django.contrib.auth.backends.ModelBackend"


class SignInForm(forms.Form):
    username = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=members.MAX_EMAIL,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": "", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class CodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=40,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": "",
            }
        ),
    )


def sign_in(request: PortalRequest) -> HttpResponse:
    """First factor. Wrong passwords are counted and throttled by the authentication backend."""
    wanted = access.wanted_page(request)
    if request.account is not None:
        return HttpResponseRedirect(wanted)
    form = SignInForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        now = timezone.now()
        if is_too_often(request, "sign-in", now):
            return too_many(request)
        if form.is_valid():
            user = check_password(request, form.cleaned_data["username"], form.cleaned_data["password"])
            if getattr(request, "axes_locked_out", False):
                return too_many(request)
            if user is not None:
                return _after_password(request, user, wanted, now)
        form.add_error(None, _("This e-mail and password do not fit together. Check both and try again."))
    title = _("Sign in to your portal")
    return frame.page(request, "portal/sign_in.html", {"form": form, "next": wanted, "title": title})


def check_password(request: HttpRequest, email: str, password: str) -> User | None:
    """The person whose password this is, else None. A name of staff is tried under another one that nobody has.

    So the portal neither opens to staff nor tells that a password of theirs was right; and tries at any name are
    counted, and answered, alike.
    """
    account = members.find_account(email)
    name = account.user.get_username() if account else f"nobody/{members.normal_email(email)}"
    user = authenticate(request, username=name, password=password)
    if user is None:
        audit.record(
            actor=None,
            actor_name=account.user.get_username() if account else "unknown",
            act="sign_in_failed",
            target=account.user if account else None,
            details={"step": "password", "door": "portal"},
            request=request,
            now=timezone.now(),
        )
        return None
    assert isinstance(user, User)
    return user


def is_too_often(request: HttpRequest, act: str, now: datetime) -> bool:
    """More tries of one kind from one network than people make."""
    try:
        who = subnet_of(client_address(request))
        ratelimit.count(f"portal/{act}/{who}", per_minute=TRIES_PER_MINUTE, now=now)
    except ratelimit.TooManyRequests:
        return True
    return False


def too_many(request: HttpRequest) -> HttpResponse:
    request.axes_locked_out = False  # type: ignore[attr-defined]  # answered here, in our own words
    response = frame.page(request, "portal/locked.html", {"title": _("Too many tries")}, status=429)
    response["Retry-After"] = "900"
    return response


def _after_password(request: PortalRequest, user: User, wanted: str, now: datetime) -> HttpResponse:
    request.session.flush()
    if staff.device_of(user) is None:
        return _sign_in_wholly(request, user, None, wanted, now)
    request.session[PENDING] = {
        "user": user.pk,
        "hash": user.get_session_auth_hash(),
        "until": (now + PENDING_FOR).isoformat(),
        "next": wanted,
    }
    request.session.set_expiry(int(PENDING_FOR.total_seconds()))
    return HttpResponseRedirect(reverse("portal:second_factor"))


def second_factor(request: PortalRequest) -> HttpResponse:
    """A code of the app, or a recovery code."""
    now = timezone.now()
    user = _half_signed_in(request, now)
    if user is None or staff.device_of(user) is None:
        return HttpResponseRedirect(reverse("portal:sign_in"))
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        device = staff.verify(user=user, code=form.cleaned_data["code"])
        if device is not None:
            wanted = str(request.session.get(PENDING, {}).get("next") or reverse("portal:home"))
            return _sign_in_wholly(request, user, device, wanted, now)
        audit.record(
            actor=None,
            actor_name=user.get_username(),
            act="sign_in_failed",
            target=user,
            details={"step": "second factor", "door": "portal"},
            request=request,
            now=now,
        )
        form.add_error("code", why_not(user, form.cleaned_data["code"], now))
    return frame.page(request, "portal/second_factor.html", {"form": form, "title": _("Second factor")})


def _half_signed_in(request: HttpRequest, now: datetime) -> User | None:
    """Whose password was right a moment ago and is still the same."""
    kept = request.session.get(PENDING)
    if not isinstance(kept, dict) or datetime.fromisoformat(kept["until"]) < now:
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True).first()
    if user is None or members.account_of(user) is None:
        return None
    return user if constant_time_compare(kept["hash"], user.get_session_auth_hash()) else None


def why_not(user: User, code: str, now: datetime) -> str:
    """What to say to a wrong code."""
    waits = staff.waits_seconds(user=user, code=code, now=now)
    if waits > 2:
        return _("Too many wrong codes. Wait, then try again: %(n)s s.") % {"n": waits}
    return _("This code is not right, or was used already. Wait for the next one and try again.")


def _sign_in_wholly(request: PortalRequest, user: User, device: Any, wanted: str, now: datetime) -> HttpResponse:
    account = members.account_of(user)
    assert account is not None
    enter_as(request, account, device=device)
    how = "recovery code" if isinstance(device, RecoveryDevice) else "authenticator" if device else "password"
    details = {"with": how, "door": "portal"}
    audit.record(actor=user, act="signed_in", target=user, details=details, request=request, now=now)
    return HttpResponseRedirect(wanted)


def enter_as(request: HttpRequest, account: PortalAccount, *, device: Any = None) -> None:
    """A new session under a new key: what was set before the sign-in, by whomever, is gone."""
    request.session.flush()
    login(request, account.user, backend=BACKEND)
    if device is not None:
        django_otp.login(request, device)
    request.session[access.EPOCH] = account.session_epoch
    request.session.set_expiry(int(SESSION_FOR.total_seconds()))


def sign_out(request: PortalRequest) -> HttpResponse:
    if request.account is not None:
        user = request.account.user
        audit.record(actor=user, act="signed_out", target=user, request=request, now=timezone.now())
    logout(request)
    return HttpResponseRedirect(reverse("portal:sign_in"))
