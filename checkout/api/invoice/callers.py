"""Who calls the Invoice API: a provider's key, for its own source; or the service key, for every source."""

import hmac
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone
from django.utils.text import slugify
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from checkout import ratelimit
from checkout.api.authentication import MAX_KEY_LENGTH, InvalidKey, caller_of, key_in_headers, refuse_anonymous
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

    def source(self, slug: str) -> Provider:
        """The provider of a source that is written to; the service key makes an unknown one. Invalid."""
        if self.provider is not None:
            if slug != self.provider.slug:
                raise Invalid([f'"source" must be [{self.provider.slug}] for this key'])
            return self.provider
        if slugify(slug) != slug or len(slug) > MAX_SOURCE:
            raise Invalid(['"source" must be a slug: small letters, digits, dashes'])
        return Provider.objects.get_or_create(slug=slug, defaults={"name": slug, "currency": "UZS"})[0]

    def known_source(self, slug: str) -> Provider | None:
        """The provider of a source that is only read; None for an unknown one, and for somebody else's."""
        if self.provider is not None:
            return self.provider if slug == self.provider.slug else None
        return Provider.objects.filter(slug=slug).first()


class KeyOfSourceOrService(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[object, Caller]:
        text = key_in_headers(request)
        mode = _service_mode(text)
        if mode is not None:
            limit = settings.SERVICE_CALLS_PER_MINUTE
            ratelimit.count(f"service key {mode.value}", per_minute=limit, now=timezone.now())
            return request, Caller(provider=None, mode=mode, name=f"service key ({mode.value})")
        if not text:
            refuse_anonymous(request, InvalidKey())
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
