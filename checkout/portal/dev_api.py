"""`/dev/api`: keys and secrets of the mode that is shown, samples with the merchant's own values, and "try it"."""

from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from checkout import notifications
from checkout.portal import clock, frame, keys, try_it
from checkout.portal import samples as payment_samples
from checkout.portal.access import OWNER, PortalRequest
from gateway.money import Money, exponent_of
from providers import members
from providers.models import ApiKey, SigningSecret
from webhooks import samples as webhook_samples

SHOWN = 8  # keys of a kind that have ended; those that work are all shown
EXAMPLE_MINOR = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """A key as the table shows it."""

    key: ApiKey
    word: str
    tone: str
    works: bool
    may_rotate: bool
    created: str
    used: str
    ends: str


def show(request: PortalRequest) -> HttpResponse:
    secrets = _rows(request, ApiKey.Kind.MERCHANT_SECRET)
    api_keys = _rows(request, ApiKey.Kind.API)
    api, language = _chosen(request)
    context = {
        "section": "developers",
        "title": _("API and keys"),
        "kinds": [
            (
                ApiKey.Kind.MERCHANT_SECRET.value,
                _("Merchant secret"),
                _("The smallest integration: it starts payments and opens nothing else."),
                _("New merchant secret"),
                secrets,
            ),
            (
                ApiKey.Kind.API.value,
                _("API keys"),
                _("For the Provider API and the others: orders, refunds, processors."),
                _("New API key"),
                api_keys,
            ),
        ],
        "may_manage": keys.may_manage(request),
        "is_owner": members.may(request.member.role, OWNER),
        "signing": list(
            SigningSecret.objects.filter(provider=request.provider)
            .exclude(state=SigningSecret.State.RETIRED)
            .order_by("state")
        ),
        "base_url": settings.BASE_URL,
        "api": api,
        "language": language,
        "apis": _tabs(api, language),
        "languages_of_code": [(code, name) for code, name in payment_samples.LANGUAGES.items()],
        "sample": _sample(request, api, language, secrets if api == "secret" else api_keys),
        "env_name": "MERCHANT_SECRET" if api == "secret" else "PROVIDER_API_KEY",
        "webhook_url": request.provider.webhook_url,
        "verifiers": [
            (name, slug, webhook_samples.text_of(slug)) for slug, (name, _f) in webhook_samples.LANGUAGES.items()
        ],
        "try_form": try_it.TryForm(provider=request.provider),
        "tries": try_it.latest(request.provider),
    }
    return frame.page(request, "portal/dev_api.html", context)


def _rows(request: PortalRequest, kind: ApiKey.Kind) -> list[Row]:
    now, provider = timezone.now(), request.provider
    rows = []
    for key in keys.listed(provider, kind=kind, mode=request.mode):
        word, tone, works = keys.state_of(key, now=now)
        rows.append(
            Row(
                key=key,
                word=word,
                tone=tone,
                works=works,
                may_rotate=works and key.expires_at is None,
                created=clock.short(key.created_at, provider),
                used=clock.short(key.last_used_at, provider) if key.last_used_at else _("never"),
                ends=clock.short(key.expires_at, provider) if works and key.expires_at else "",
            )
        )
    return [row for row in rows if row.works] + [row for row in rows if not row.works][:SHOWN]


def _chosen(request: PortalRequest) -> tuple[str, str]:
    """(API, language) of the sample, from the address."""
    api, language = request.GET.get("api", ""), request.GET.get("code", "")
    has_service = request.provider.service_id is not None
    api = api if api in payment_samples.APIS else ("provider" if has_service else "secret")
    return api, language if language in payment_samples.LANGUAGES else "sh"


def _tabs(api: str, language: str) -> list[tuple[str, str, bool]]:
    return [(slug, name, slug == api) for slug, name in payment_samples.APIS.items()]


def _sample(request: PortalRequest, api: str, language: str, rows: list[Row]) -> str:
    provider, service = request.provider, request.provider.service
    works = next((row.key.prefix for row in rows if row.works), "")
    invented = {"secret": "merchant_", "provider": "provider_"}[api] + ("test_" if request.mode == "test" else "")
    redirect = provider.success_redirect_url.replace("{orderId}", "7").replace("{externalId}", "7")
    redirect = redirect or "https://shop.example/thanks"
    price = (
        Money(service.price_minor, service.currency)
        if service
        else Money(10 * 10 ** exponent_of(provider.currency), provider.currency)
    )
    return payment_samples.filled(
        api,
        language,
        {
            "BASE_URL": settings.BASE_URL,
            "KEY": f"{works or invented}…",
            "REDIRECT": redirect,
            "REDIRECT_ENCODED": quote(redirect, safe=""),
            "MINOR": str(EXAMPLE_MINOR),
            # 5, not 5.00: each language writes that its own way, and the samples share an Idempotency-Key.
            "MAJOR": str(notifications.wire_major(price)),
            "EXTERNAL_ID": "sale-7",
        },
    )
