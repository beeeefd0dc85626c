"""The secret that a provider's webhooks are signed with: shown to owners on demand, rotated without a gap."""

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from checkout.portal import frame
from checkout.portal.access import PortalRequest
from checkout.portal.proof import ProofForm
from providers import audit, member_news, signing_secrets
from providers.member_news import What


def show(request: PortalRequest) -> HttpResponse:
    """Once more on demand, after a proof. That somebody looked is recorded, and told to all owners."""
    which = "next" if request.GET.get("which") == "next" else "current"
    secret = (
        signing_secrets.upcoming(request.provider) if which == "next" else signing_secrets.current(request.provider)
    )
    if secret is None:
        raise Http404
    form = ProofForm(request.POST if request.method == "POST" else None, request=request)
    if request.method == "POST" and form.is_valid():
        _record(request, "signing_secret_shown", {"which": which})
        _tell(request, What.SECRET_SHOWN)
        return frame.show_once(
            request,
            title=_("Signing secret"),
            label=_("The next one") if which == "next" else _("The present one"),
            secret=secret.secret.reveal(),
            warning=_("Whoever has it can write webhooks that look like ours. That you looked is recorded."),
            back=reverse("portal:dev_api"),
            lines=[_("Your code verifies X-Payment-Signature or webhook-signature with it.")],
        )
    return frame.ask(
        request,
        title=_("Show the signing secret"),
        form=form,
        button=_("Show it"),
        back=reverse("portal:dev_api"),
        section="developers",
    )


def rotate(request: PortalRequest) -> HttpResponse:
    is_first = signing_secrets.current(request.provider) is None
    form = ProofForm(request.POST if request.method == "POST" else None, request=request)
    if request.method == "POST" and form.is_valid():
        try:
            signing_secrets.rotate(request.provider, now=timezone.now())
        except signing_secrets.RotationUnderWay:
            messages.warning(request, _("A next secret waits already: promote it or withdraw it first."))
        else:
            _record(request, "signing_secret_rotated")
            _tell(request, What.SECRET_ROTATED)
            messages.success(request, _("Made. Show it and put it into your code."))
        return _back()
    return frame.ask(
        request,
        title=_("Make a signing secret of your own") if is_first else _("Rotate the signing secret"),
        text=""
        if is_first
        else _(
            "A next one is made. Until you promote it, webhook-signature carries both signatures, and "
            "X-Payment-Signature the present one: change your code over in between."
        ),
        form=form,
        button=_("Make it"),
        back=reverse("portal:dev_api"),
        section="developers",
    )


def promote(request: PortalRequest) -> HttpResponse:
    form = ProofForm(request.POST if request.method == "POST" else None, request=request)
    if request.method == "POST" and form.is_valid():
        try:
            signing_secrets.promote(request.provider, now=timezone.now())
        except signing_secrets.NoRotation:
            messages.warning(request, _("There is no next secret."))
        else:
            _record(request, "signing_secret_promoted")
            messages.success(request, _("The next secret is the only one now."))
        return _back()
    return frame.ask(
        request,
        title=_("Promote the next secret"),
        text=_("From now on only the next secret signs. Do this when your code verifies with it already."),
        form=form,
        button=_("Promote it"),
        back=reverse("portal:dev_api"),
        is_dangerous=True,
        section="developers",
    )


def withdraw(request: PortalRequest) -> HttpResponse:
    form = ProofForm(request.POST if request.method == "POST" else None, request=request)
    if request.method == "POST" and form.is_valid():
        try:
            signing_secrets.withdraw(request.provider, now=timezone.now())
        except signing_secrets.NoRotation:
            messages.warning(request, _("There is no next secret."))
        else:
            _record(request, "signing_secret_withdrawn")
            messages.success(request, _("The rotation is called off; the present secret stays."))
        return _back()
    return frame.ask(
        request,
        title=_("Withdraw the next secret"),
        text=_("The next secret is thrown away, and the present one stays the only one."),
        form=form,
        button=_("Withdraw it"),
        back=reverse("portal:dev_api"),
        section="developers",
    )


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:dev_api"))


def _record(request: PortalRequest, act: str, details: dict[str, str] | None = None) -> None:
    audit.record(
        actor=request.member.user,
        act=act,
        target=request.provider,
        details=details,
        request=request,
        now=timezone.now(),
    )


def _tell(request: PortalRequest, what: What) -> None:
    member_news.tell_owners(provider=request.provider, what=what, who=request.member.user.get_username())
