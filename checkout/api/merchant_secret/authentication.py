"""Which merchant starts a payment: the secret in the body, and nothing else.

It is read from nowhere but the body: one way in is easier to keep safe than three. A provider's API key opens nothing
here, nor does this secret open anything else.
"""

from typing import Any, cast

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from checkout import ratelimit
from checkout.api.authentication import MAX_KEY_LENGTH, refuse_anonymous
from checkout.api.errors import ApiError
from providers.keys import find_key
from providers.models import ApiKey, Provider


class InvalidSecret(ApiError):
    def __init__(self) -> None:
        super().__init__(401, "Invalid or inactive merchant secret", headers={"WWW-Authenticate": "MerchantSecret"})


class SecretInBody(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Provider, ApiKey]:
        try:
            body = cast(dict[str, Any], request.data)
        except Exception as error:  # whatever is wrong with the body: without it nobody is known
            refuse_anonymous(request, error)
        now = timezone.now()
        text = body.get("merchant_secret")
        secret = None
        if isinstance(text, str) and text.isascii() and len(text) <= MAX_KEY_LENGTH:
            secret = find_key(text, kind=ApiKey.Kind.MERCHANT_SECRET, now=now)
        if secret is None:
            refuse_anonymous(request, InvalidSecret())
        ratelimit.count_key(secret, now=now)
        return secret.provider, secret
