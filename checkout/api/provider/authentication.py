"""Who asks for a payment intent: a key first, then everything else."""

from typing import Any, cast

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from checkout import ratelimit
from checkout.api.authentication import caller_of, key_in_headers, refuse_anonymous
from providers.models import ApiKey, Provider


class KeyInBodyOrBuyButton(BaseAuthentication):
    """`apiKey` in the body, else a key in a header, else a `serviceId` and nobody: the public buy button."""

    def authenticate(self, request: Request) -> tuple[Provider, ApiKey] | None:
        try:
            body = cast(dict[str, Any], request.data)
        except Exception as error:  # whatever is wrong with the body: without it nobody is known
            refuse_anonymous(request, error)
        key = body["apiKey"] if "apiKey" in body else key_in_headers(request)
        if "apiKey" not in body and key is None and body.get("serviceId") is not None:
            ratelimit.count_anonymous(request, now=timezone.now())
            return None
        return caller_of(request, key)
