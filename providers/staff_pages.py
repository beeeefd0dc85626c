"""The doors of the back office: password, then second factor; enrolment; one's own security page.

Until both factors are proven nobody is signed in: the session only remembers, for ten minutes, whose password
was right. So no other part of the site can mistake half a sign-in for a whole one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import django_otp
from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from providers import audit, staff
from providers.models import AuditEntry, RecoveryDevice

PENDING = "staff_sign_in"
PENDING_FOR = timedelta(minutes=10)
ENROLLING = "staff_enrolling"
REPLACING = "staff_replacing_until"
REPLACING_FOR = timedelta(minutes=10)
SESSION_FOR = timedelta(hours=12)
BACKEND = "django.contrib.auth.backends.ModelBackend"


class CodeForm(forms.Form):
    code = forms.CharField(
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


@dataclass(frozen=True, slots=True)
class StaffDoors:
    """The views of one admin site's doors."""

    site: AdminSite

    # --- Sign-in ----------------------------------------------------------------------------------------------

    def sign_in(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """First factor. Wrong passwords are counted and throttled by the authentication backend."""
        if self.site.has_permission(request):
            return HttpResponseRedirect(self._next(request))
        form = AdminAuthenticationForm(request, data=request.POST if request.method == "POST" else None)
        if request.method == "POST":
            now = timezone.now()
            if form.is_valid():
                user = form.get_user()
                assert isinstance(user, User)
                request.session.flush()
                request.session[PENDING] = {
                    "user": user.pk,
                    "hash": user.get_session_auth_hash(),
                    "until": (now + PENDING_FOR).isoformat(),
                    "next": self._next(request),
                }
                request.session.set_expiry(int(PENDING_FOR.total_seconds()))
                return HttpResponseRedirect(self._step_after_password(user))
            self._record_failure(request, now)
            if getattr(request, "axes_locked_out", False):
                request.axes_locked_out = False  # type: ignore[attr-defined]  # answered here, in our own words
                return self._page(request, "staff/locked.html", "Too many tries", {}, status=429)
        return self._page(request, "staff/sign_in.html", "Sign in", {"form": form, "next": self._next(request)})

    def _record_failure(self, request: HttpRequest, now: datetime) -> None:
        # A name that is no user of ours may be a password typed into the wrong field: it is not written down.
        name = request.POST.get("username", "")[:150]
        known = get_user_model().objects.filter(username=name).first()
        audit.record(
            actor=None,
            actor_name=name if known else "unknown",
            act="sign_in_failed",
            target=known,
            details={"step": "password"},
            request=request,
            now=now,
        )

    def _step_after_password(self, user: User) -> str:
        return self._url("second_factor" if staff.device_of(user) else "enrol")

    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Second factor: a code of the app, or a recovery code."""
        now = timezone.now()
        user = self._half_signed_in(request, now)
        if user is None:
            return HttpResponseRedirect(self._url("login"))
        if staff.device_of(user) is None:
            return HttpResponseRedirect(self._url("enrol"))
        form = CodeForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            device = staff.verify(user=user, code=form.cleaned_data["code"])
            if device is not None:
                return self._finish(request, user, device, now)
            audit.record(
                actor=None,
                actor_name=user.get_username(),
                act="sign_in_failed",
                target=user,
                details={"step": "second factor"},
                request=request,
                now=now,
            )
            form.add_error("code", _why_not(user, form.cleaned_data["code"], now))
        context = {"form": form, "codes_left": staff.recovery_codes_left(user)}
        return self._page(request, "staff/second_factor.html", "Second factor", context)

    def _half_signed_in(self, request: HttpRequest, now: datetime) -> User | None:
        """Whose password was right a moment ago and is still the same."""
        kept = request.session.get(PENDING)
        if not isinstance(kept, dict) or datetime.fromisoformat(kept["until"]) < now:
            return None
        user = User.objects.filter(pk=kept["user"], is_active=True, is_staff=True).first()
        if user is None or not constant_time_compare(kept["hash"], user.get_session_auth_hash()):
            return None
        return user

    def _finish(self, request: HttpRequest, user: User, device: Any, now: datetime) -> HttpResponse:
        kept = self._sign_in_wholly(request, user, device, now)
        left = staff.recovery_codes_left(user)
        if isinstance(device, RecoveryDevice):
            messages.warning(
                request,
                f"You signed in with a recovery code; {left} are left. If your phone is lost, replace the "
                "authenticator under “Your security”.",
            )
        elif left <= 2:
            messages.warning(request, f"You have {left} recovery codes left. Make new ones under “Your security”.")
        return HttpResponseRedirect(kept.get("next") or self._url("index"))

    def _sign_in_wholly(self, request: HttpRequest, user: User, device: Any, now: datetime) -> dict[str, Any]:
        """Rotate the session and mark it verified; answers what the half session remembered."""
        kept = request.session.pop(PENDING, {})
        login(request, user, backend=BACKEND)
        django_otp.login(request, device)
        request.session.set_expiry(int(SESSION_FOR.total_seconds()))
        how = "recovery code" if isinstance(device, RecoveryDevice) else "authenticator"
        audit.record(actor=user, act="signed_in", target=user, details={"with": how}, request=request, now=now)
        return kept if isinstance(kept, dict) else {}

    # --- Enrolment --------------------------------------------------------------------------------------------

    def enrol(self, request: HttpRequest) -> HttpResponse:
        """A QR code and a first right code; then ten recovery codes, once.

        Open to somebody without a device whose password was right, and to somebody signed in who proved the
        present device again to replace it.
        """
        now = timezone.now()
        is_replacing = self.site.has_permission(request) and _may_replace(request, now)
        user = _user(request) if is_replacing else self._half_signed_in(request, now)
        if user is None or (not is_replacing and staff.device_of(user)):
            target = "security" if self.site.has_permission(request) else "login"
            return HttpResponseRedirect(self._url(target))
        device = staff.begin_enrolment(user=user, now=now, begun=str(request.session.get(ENROLLING, "")))
        request.session[ENROLLING] = str(device.pk)
        form = CodeForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            codes = staff.confirm_enrolment(device=device, code=form.cleaned_data["code"], now=now)
            if codes is not None:
                return self._enrolled(request, user, device, codes, now, is_replacing=is_replacing)
            form.add_error("code", "This code is not right. Wait for the next one and try again.")
        secret = staff.secret_of(device)
        context = {
            "form": form,
            "qr": staff.qr_svg(device, issuer=staff.issuer()),
            "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
            "is_replacing": is_replacing,
            "account": user.get_username(),
        }
        return self._page(request, "staff/enrol.html", "Set up your second factor", context)

    def _enrolled(
        self, request: HttpRequest, user: User, device: Any, codes: list[str], now: datetime, *, is_replacing: bool
    ) -> HttpResponse:
        next_url = self._url("security")
        request.session.pop(ENROLLING, None)
        if is_replacing:
            request.session.pop(REPLACING, None)
            request.session.cycle_key()
            django_otp.login(request, device)
        else:
            next_url = self._sign_in_wholly(request, user, device, now).get("next") or self._url("index")
        return self._codes_page(request, codes, next_url)

    def _codes_page(self, request: HttpRequest, codes: list[str], next_url: str) -> HttpResponse:
        context = {"codes": codes, "next": next_url, "file": "\n".join(codes) + "\n", "account": request.user}
        return self._page(request, "staff/recovery_codes.html", "Your recovery codes", context)

    # --- One's own security page ------------------------------------------------------------------------------

    def security(self, request: HttpRequest) -> HttpResponse:
        """Device, recovery codes, last sign-ins. Changing either asks for a present code first."""
        now = timezone.now()
        user = _user(request)
        form = CodeForm(request.POST if request.method == "POST" else None)
        form.fields["code"].widget.attrs.pop("autofocus", None)
        if request.method == "POST" and form.is_valid():
            code = form.cleaned_data["code"]
            if staff.verify(user=user, code=code) is None:
                form.add_error("code", _why_not(user, code, now))
            elif "replace" in request.POST:
                request.session[REPLACING] = (now + REPLACING_FOR).isoformat()
                return HttpResponseRedirect(self._url("enrol"))
            else:
                codes = staff.fresh_recovery_codes(user=user, now=now)
                return self._codes_page(request, codes, self._url("security"))
        context = {
            "form": form,
            "device": staff.device_of(user),
            "codes_left": staff.recovery_codes_left(user),
            "sign_ins": AuditEntry.objects.filter(
                target_type="user", target_id=str(user.pk), act__in=["signed_in", "sign_in_failed"]
            )[:10],
        }
        return self._page(request, "staff/security.html", "Your security", context)

    # --- Small things -----------------------------------------------------------------------------------------

    def _page(
        self, request: HttpRequest, template: str, title: str, context: dict[str, Any], status: int = 200
    ) -> HttpResponse:
        whole = {**self.site.each_context(request), "title": title, **context}
        response = TemplateResponse(request, template, whole, status=status)
        response["Cache-Control"] = "no-store"
        return response

    def _url(self, name: str) -> str:
        return reverse(f"{self.site.name}:{name}")

    def _next(self, request: HttpRequest) -> str:
        """Where to go after signing in: only into the back office, never into another site or a door."""
        wanted = request.POST.get("next") or request.GET.get("next") or ""
        index = self._url("index")
        is_ours = wanted.startswith(index) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
        is_ours = is_ours and "\\" not in wanted and "/.." not in wanted  # nor up and out again
        doors = tuple(self._url(name) for name in ("login", "logout", "second_factor", "enrol"))
        return wanted if is_ours and not wanted.startswith(doors) else index


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _may_replace(request: HttpRequest, now: datetime) -> bool:
    until = request.session.get(REPLACING)
    return isinstance(until, str) and datetime.fromisoformat(until) > now


def _why_not(user: User, code: str, now: datetime) -> str:
    waits = staff.waits_seconds(user=user, code=code, now=now)
    if waits > 2:
        return f"Too many wrong codes. Try again in {waits} seconds."
    return "This code is not right, or was used already. Wait for the next one and try again."


def protected(view: Any) -> Any:
    """What every door has in common: no cache, CSRF, and codes and passwords kept out of error reports."""
    return sensitive_post_parameters("code", "password")(never_cache(csrf_protect(view)))
