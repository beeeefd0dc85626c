"""A view of a dialect: strict JSON in, JSON out, one place for errors, and answers that can be said again."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from checkout import idempotency
from checkout.api.authentication import key_of, provider_of
from checkout.api.bodies import OnlyJSON, StrictJSONParser, answer_text
from checkout.api.errors import BadInput
from gateway.types import Mode

# Body fields that are left out when two bodies are compared: not even a digest of them is kept.
CREDENTIALS = frozenset({"apiKey", "cardPan", "credentials", "merchant_secret"})


class DialectView(APIView):
    """`request.user` is the calling Provider and `request.auth` its ApiKey; both None for a call without a key."""

    parser_classes = [StrictJSONParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OnlyJSON
    permission_classes = []
    throttle_classes = []
    http_method_names = ["get", "post", "head"]

    def explain_error(self, error: Exception) -> HttpResponse:
        """Any exception in the shape of the dialect."""
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override("en"):  # developers look a text up: it must not hang on a header of their library
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before the key is looked at: what is not there for anybody needs no key to be told.
        if not hasattr(self, (request.method or "").lower()) or request.method == "OPTIONS":
            self.http_method_not_allowed(request, *args, **kwargs)
        super().initial(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        return self.explain_error(exc)

    def body_of(self, request: Request) -> dict[str, Any]:
        return dict(request.data)

    def owner_of(self, request: Request) -> tuple[str, Mode]:
        """Whose wishes these are: one owner's keys never meet another's, nor those of the other mode."""
        return str(provider_of(request).pk), Mode(key_of(request).mode)

    def once(self, request: Request, work: Callable[[UUID | None], HttpResponse]) -> HttpResponse:
        """Do `work` once for each Idempotency-Key of the caller.

        It gets the id of what it is to make, None where no key was given and nothing can be resumed.

        Kept and said again: what succeeded, and what was refused after the input was found good. Not kept: bad
        input, which made nothing, and faults of ours, after which a retry resumes with the same id.
        """
        key = request.headers.get("Idempotency-Key")
        if key is None or request.auth is None:
            return work(None)
        owner, mode = self.owner_of(request)
        wish = idempotency.Wish(
            owner=owner,
            mode=mode,
            method=request.method or "",
            path=request.path,
            key=idempotency.check_key(key),
            body_digest=idempotency.digest_of_body(self.body_of(request), without=CREDENTIALS),
        )
        claim = idempotency.begin(wish, now=timezone.now())
        if isinstance(claim, idempotency.Answer):
            return answer_text(claim.body, status=claim.status, headers={"Idempotent-Replayed": "true"})
        try:
            response = work(claim.resource_id)
        except (BadInput, ValidationError):
            idempotency.forget(claim)
            raise
        except Exception as error:
            response = self.explain_error(error)
        if response.status_code >= 500 or response.status_code in (401, 429):
            idempotency.release(claim)
        else:
            idempotency.keep(claim, idempotency.Answer(response.status_code, response.content.decode()))
        return response


def read(shape: Serializer, body: dict[str, Any]) -> dict[str, Any]:
    """The body's fields by `shape`, a serializer made once: making one for each call costs more than reading."""
    return shape.run_validation(body)


def refund_key(request: Request) -> str:
    """The caller's key as the refund remembers it: longer than a day, because it names a wish about money."""
    key = request.headers.get("Idempotency-Key")
    return "api/" + hashlib.sha256(key.encode()).hexdigest()[:40] if key else ""
