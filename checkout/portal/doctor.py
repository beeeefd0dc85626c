"""The signature doctor's page: paste what arrived, or pick one of one's own webhooks. Nothing pasted is kept."""

from typing import Any, cast
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import Http404, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checkout import ratelimit
from checkout.portal import clock, delivery_words, doctor_words, frame
from checkout.portal.access import PortalRequest
from checkout.portal.deliveries import delivery_of
from providers import signing_secrets
from providers.fields import Undecryptable
from providers.models import Provider
from webhooks import doctor, pasted, samples, signing
from webhooks.doctor import Case, Known, Secret, Sent
from webhooks.models import Delivery

OFFERED = 20  # of the latest webhooks to pick from
OTHERS = 50  # of the same order that are compared
ATTEMPTS = 50
LARGEST_BODY = 64 * 1024
TRIES_PER_MINUTE = 30


class DoctorForm(forms.Form):
    delivery = forms.ChoiceField(
        required=False,
        label=gettext_lazy("One of your webhooks"),
        help_text=gettext_lazy("Or leave it: the webhook-id among the headers names it."),
    )
    headers = forms.CharField(
        required=False,
        max_length=20_000,
        label=gettext_lazy("Headers as they arrived"),
        widget=forms.Textarea(attrs={"rows": 7, "spellcheck": "false", "class": "mono"}),
    )
    body = forms.CharField(
        required=False,
        max_length=LARGEST_BODY,
        strip=False,
        label=gettext_lazy("Raw body"),
        help_text=gettext_lazy("To the letter, on one line. A file is safer: pasting may change it."),
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "mono"}),
    )
    file = forms.FileField(required=False, label=gettext_lazy("… or as a file"))
    secret = forms.CharField(
        required=False,
        max_length=500,
        strip=False,
        label=gettext_lazy("The secret that your code uses"),
        help_text=gettext_lazy("We compare it and forget it. It is shown nowhere."),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    computed = forms.CharField(
        required=False,
        max_length=1000,
        label=gettext_lazy("The signature that your code computes"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, offered: list[tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        cast(forms.ChoiceField, self.fields["delivery"]).choices = [("", _("None")), *offered]

    def raw_body(self) -> bytes:
        """A text field's line ends are the browser's, CRLF whatever was pasted: they count as LF."""
        file = self.cleaned_data.get("file")
        if file is not None:
            return bytes(file.read(LARGEST_BODY))
        return str(self.cleaned_data["body"]).replace("\r\n", "\n").encode("utf-8", "replace")


def show(request: PortalRequest) -> HttpResponse:
    picked = _picked(request)
    offered = _offered(request, picked)
    if request.method != "POST":
        initial = {"delivery": str(picked.pk)} if picked else {}
        return _page(request, DoctorForm(initial=initial, offered=offered))
    form = DoctorForm(request.POST, request.FILES, offered=offered)
    if form.is_valid() and _is_too_often(request):
        form.add_error(None, _("Too many at once. Wait a minute."))
        return _page(request, form, status=429)
    if not form.is_valid():
        return _page(request, form, status=400)
    case = _case(request, form, picked)
    found = doctor.examine(case, now=timezone.now())
    return _page(request, form, found=doctor_words.said(found.findings), is_genuine=found.is_genuine)


def _page(
    request: PortalRequest,
    form: DoctorForm,
    *,
    found: list[doctor_words.Said] | None = None,
    is_genuine: bool = False,
    status: int = 200,
) -> HttpResponse:
    context = {
        "section": "deliveries",
        "form": form,
        "found": found,
        "is_genuine": is_genuine,
        "samples": [(name, slug, samples.text_of(slug)) for slug, (name, _file) in samples.LANGUAGES.items()],
    }
    return frame.page(request, "portal/doctor.html", context, status=status)


def _is_too_often(request: PortalRequest) -> bool:
    """One examination tries thousands of ways to sign: it is for people, not for programs."""
    try:
        ratelimit.count(f"portal/doctor/{request.provider.pk}", per_minute=TRIES_PER_MINUTE, now=timezone.now())
    except ratelimit.TooManyRequests:
        return True
    return False


# --- what is known ------------------------------------------------------------------------------------------------


def _picked(request: PortalRequest) -> Delivery | None:
    """Http404 for a delivery that is none of the provider's."""
    text = request.POST.get("delivery") or request.GET.get("delivery") or ""
    if not text:
        return None
    try:
        return delivery_of(request, UUID(text))
    except ValueError as error:
        raise Http404 from error


def _offered(request: PortalRequest, picked: Delivery | None) -> list[tuple[str, str]]:
    own = Delivery.objects.filter(provider=request.provider, is_livemode=request.mode == "live")
    rows = list(own.order_by("-created_at", "-id")[:OFFERED])
    if picked is not None and picked not in rows:
        rows.insert(0, picked)
    return [
        (str(row.pk), f"{clock.moment(row.created_at, request.provider)} · {delivery_words.event_of(row)}")
        for row in rows
    ]


def _case(request: PortalRequest, form: DoctorForm, picked: Delivery | None) -> Case:
    headers, body = pasted.headers_of(form.cleaned_data["headers"]), form.raw_body()
    row = picked or _named(request.provider, headers.get(doctor.MESSAGE_ID, ""))
    row = row or _named(request.provider, headers.get(doctor.TIMESTAMP, ""))  # where they are swapped
    known = _known(row) if row is not None else None
    if known is not None and picked is not None:
        # What was not pasted is as we sent it.
        headers = headers or dict(known.sent[0].headers if known.sent else {})
        body = body or known.body
    secrets = _secrets(request.provider)
    return Case(
        headers=headers,
        body=body,
        secrets=secrets,
        known=known,
        others=_others(request.provider, row, body),
        mode=request.mode,
        their_secret=form.cleaned_data["secret"],
        computed=form.cleaned_data["computed"].strip(),
        has_own_secret=any(secret.label == "current" for secret in secrets),
    )


def _named(provider: Provider, message_id: str) -> Delivery | None:
    """The provider's delivery of this webhook-id, in either mode; None for all others."""
    try:
        row_id = UUID(message_id.removeprefix(signing.ID_PREFIX))
    except ValueError:
        return None
    return Delivery.objects.filter(provider=provider, pk=row_id).first()


def _known(row: Delivery) -> Known:
    sent = [
        Sent(one.number, {name.lower(): str(value) for name, value in one.request_headers.items()})
        for one in list(row.tries.all())[:ATTEMPTS]
    ]
    return Known(signing.message_id(row.pk), row.body.encode(), "live" if row.is_livemode else "test", sent)


def _others(provider: Provider, row: Delivery | None, body: bytes) -> list[Known]:
    """Webhooks of the same order, and of the order that the body names."""
    orders = {row.order_id} if row is not None else set()
    try:
        said = pasted.read_json(body)
        named = said.get("orderId") or said.get("id") if isinstance(said, dict) else None
        orders |= {UUID(named)} if isinstance(named, str) else set()
    except ValueError:
        pass
    if not orders:
        return []
    rows = Delivery.objects.filter(provider=provider, order_id__in=orders).prefetch_related("tries")
    return [_known(one) for one in rows.order_by("-id")[:OTHERS] if row is None or one.pk != row.pk]


def _secrets(provider: Provider) -> list[Secret]:
    """What may have signed for the provider. A secret that cannot be opened signs nothing either."""
    pair = signing_secrets.pairs_of([provider.pk]).get(provider.pk, signing_secrets.SecretPair())
    found = []
    for label, sealed in (("current", pair.current), ("next", pair.next)):
        try:
            text = sealed.reveal() if sealed else ""
        except Undecryptable:
            continue
        found += [Secret(label, text)] if text else []
    return [*found, Secret("house", settings.WEBHOOK_SIGNING_SECRET)] if settings.WEBHOOK_SIGNING_SECRET else found
