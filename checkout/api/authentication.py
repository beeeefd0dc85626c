"""Which provider is calling: its API key, in a header or, where a dialect says so, in the body.

A call without a valid key counts against the caller's address, a call with one against that key alone: who shares
an address with somebody guessing keys is not held up by it.
"""

from typing import NoReturn, cast

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from checkout import ratelimit
from checkout.api.errors import ApiError
from providers.keys import find_key
from providers.models import ApiKey, Provider

MAX_KEY_LENGTH = 200


class InvalidKey(ApiError):
    def __init__(self) -> None:
        super().__init__(401, "Invalid or inactive API key", headers={"WWW-Authenticate": "Bearer"})


def key_in_headers(request: Request) -> str | None:
    """The text of `x-api-key`, or of `Authorization: Bearer`; None where neither is there."""
    given = request.META.get("HTTP_X_API_KEY")
    if given is not None:
        return str(given).strip()
    scheme, _, rest = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else None


def caller_of(request: Request, text: object) -> tuple[Provider, ApiKey]:
    """The provider and its key. InvalidKey for whatever is no usable key, TooManyRequests beyond a limit."""
    now = timezone.now()
    key = find_key(text, now=now) if isinstance(text, str) and text.isascii() and len(text) <= MAX_KEY_LENGTH else None
    if key is None:
        refuse_anonymous(request, InvalidKey())
    ratelimit.count_key(key, now=now)
    return key.provider, key


def refuse_anonymous(request: Request, error: Exception) -> NoReturn:
    """Refuse, and count it: TooManyRequests instead of `error` for who does it too often."""
    ratelimit.count_anonymous(request, now=timezone.now())
    raise error


class KeyInHeaders(BaseAuthentication):
    """`x-api-key`, or `Authorization: Bearer`."""

    def authenticate(self, request: Request) -> tuple[Provider, ApiKey]:
        return caller_of(request, key_in_headers(request))


# What the framework's stubs believe to be a user and a token of its own.


def provider_of(request: Request) -> Provider:
    return cast(Provider, request.user)


def key_of(request: Request) -> ApiKey:
    return cast(ApiKey, request.auth)
