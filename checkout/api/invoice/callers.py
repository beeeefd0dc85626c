"""Who calls the Invoice API: a provider's key, for its own source; or the service key, for every source."""

import hmac
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone
from django.utils.text import slugify
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from checkout import ratelimit
from checkout.api.authentication import MAX_KEY_LENGTH, caller_of, key_in_headers
from checkout.api.invoice.envelope import Invalid
from gateway.types import Mode
from providers.models import Provider

MAX_SOURCE = 80


@dataclass(frozen=True, slots=True)
class Caller:
    """`provider` None: the service key, which may act for every source."""

    provider: Provider | None
    mode: Mode
    name: str  # for causes and scopes: never the key itself

    def check_source(self, slug: str) -> None:
        """Invalid for what can be no source, and for a provider key that speaks for another one."""
        if self.provider is not None and slug != self.provider.slug:
            raise Invalid([f'"source" must be [{self.provider.slug}] for this key'])
        if slugify(slug) != slug or len(slug) > MAX_SOURCE:
            raise Invalid(['"source" must be a slug: small letters, digits, dashes and underscores'])

    def known_source(self, slug: str) -> Provider | None:
        """The provider of a source; None for an unknown one, and for somebody else's."""
        if self.provider is not None:
            return self.provider if slug == self.provider.slug else None
        return Provider.objects.filter(slug=slug).first() if slugify(slug) == slug else None

    def made_source(self, slug: str) -> Provider:
        """The provider of a source that was checked; the service key makes an unknown one, without keys."""
        if self.provider is not None:
            return self.provider
        found, _made = Provider.objects.get_or_create(slug=slug, defaults={"name": slug, "currency": "UZS"})
        if not found.is_active:
            raise Invalid(['"source" is inactive'])
        return found


class KeyOfSourceOrService(BaseAuthentication):
    """`x-api-key`, or `Authorization: Bearer`. `request.auth` is the Caller, `request.user` its provider or None."""

    def authenticate(self, request: Request) -> tuple[Provider | None, Caller]:
        text = key_in_headers(request)
        mode = _service_mode(text)
        if mode is not None:
            limit = settings.SERVICE_CALLS_PER_MINUTE
            ratelimit.count(f"service key {mode.value}", per_minute=limit, now=timezone.now())
            return None, Caller(provider=None, mode=mode, name=f"service key ({mode.value})")
        provider, key = caller_of(request, text)
        return provider, Caller(provider=provider, mode=Mode(key.mode), name=f"api key {key.prefix}")


def _service_mode(text: str | None) -> Mode | None:
    if not text or len(text) > MAX_KEY_LENGTH:
        return None
    for mode, known in settings.SERVICE_API_KEYS.items():
        # An empty setting is no key, and bytes compare where odd characters would raise.
        if known and hmac.compare_digest(text.encode(), known.encode()):
            return Mode(mode)
    return None
