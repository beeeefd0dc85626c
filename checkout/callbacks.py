"""Processors' requests to us: read, handed on, answered in their form and in no other.

Every fault of ours, the database's included, is answered with the processor's "ask again"; refusal is said only
on purpose. No redirect, no CSRF, no rate limit, no HTML here.
"""

import logging
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from checkout import news, questions
from gateway import registry
from gateway.adapters import multicard as multicard_adapter
from gateway.errors import BadCallback
from gateway.questions import Reply
from gateway.types import Callback
from providers.addresses import client_address

logger = logging.getLogger(__name__)
MAX_BYTES = 512 * 1024


@csrf_exempt
def tell(request: HttpRequest, processor: str, account_id: UUID | None = None) -> HttpResponse:
    """News of a processor that wants to hear nothing but "received": at an address for all accounts, or at the one of
    a single account.
    """
    if request.method != "POST":
        return JsonResponse({"error": "Only POST"}, status=405, headers={"Allow": "POST"})
    try:
        callback = _callback_of(request)
    except UnreadablePostError:
        return JsonResponse({"error": "The request broke off"}, status=400)
    if len(callback.body) > MAX_BYTES:
        return JsonResponse({"error": "Too large"}, status=413)
    try:
        _tell(processor, callback, request, account_id=account_id)
    except BadCallback as error:
        return JsonResponse({"error": str(error)}, status=400)
    except Exception:
        # Whatever it was, it was ours: a 5xx makes the processor send it again, for days if need be.
        logger.exception("a callback of %s could not be worked on", processor)
        return JsonResponse({"error": "Try again"}, status=503)
    return JsonResponse({"received": True})


@csrf_exempt
def ask(request: HttpRequest, processor: str, endpoint: str = "", account_id: UUID | None = None) -> HttpResponse:
    """One question of a processor, at the shared address or at the one of a single account."""
    protocol = registry.PROTOCOLS[processor]
    callback = _callback_without_body(request)
    try:
        callback = _callback_of(request)
        return _sent(_answer(processor, callback, request, endpoint=endpoint, account_id=account_id))
    except Exception:
        # Whatever it was, it was ours, and refusal is only ever said on purpose.
        logger.exception("a question of %s could not be answered", processor)
        return _sent(protocol.fault(callback, endpoint, now=callback.received_at))


@csrf_exempt
def multicard(request: HttpRequest, account_id: UUID | None = None) -> HttpResponse:
    """Both kinds at one address: the success callback is a question, webhooks are news."""
    callback = _callback_without_body(request)
    try:
        callback = _callback_of(request)
        if not multicard_adapter.is_webhook(callback):
            return _sent(_answer("multicard", callback, request, endpoint="", account_id=account_id))
        _tell("multicard", callback, request, account_id=account_id)
        return _sent(multicard_adapter.accepted())
    except BadCallback:
        return _sent(multicard_adapter.not_noted())
    except Exception:
        logger.exception("a callback of multicard could not be worked on")
        return _sent(multicard_adapter.PROTOCOL.fault(callback, "", now=callback.received_at))


def _tell(processor: str, callback: Callback, request: HttpRequest, *, account_id: UUID | None) -> None:
    news.receive(
        processor,
        callback,
        account_id=account_id,
        address=client_address(request),
        request_id=str(getattr(request, "request_id", "")),
    )


def _answer(
    processor: str, callback: Callback, request: HttpRequest, *, endpoint: str, account_id: UUID | None
) -> Reply:
    return questions.answer(
        registry.PROTOCOLS[processor],
        callback,
        processor=processor,
        endpoint=endpoint,
        account_id=account_id,
        address=client_address(request),
        request_id=str(getattr(request, "request_id", "")),
    )


def _callback_of(request: HttpRequest) -> Callback:
    """The request as it came. A body above the limit is cut just behind it: the protocol finds it unreadable."""
    try:
        body = request.body
    except RequestDataTooBig:
        body = b" " * (MAX_BYTES + 1)
    return _callback_without_body(request, body=body[: MAX_BYTES + 1])


def _callback_without_body(request: HttpRequest, *, body: bytes = b"") -> Callback:
    return Callback(
        body=body,
        headers={name.lower(): value for name, value in request.headers.items()},
        received_at=timezone.now(),
        path=request.path,
        method=request.method or "",
        query=request.META.get("QUERY_STRING", ""),
    )


def _sent(reply: Reply) -> HttpResponse:
    return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type, headers=dict(reply.headers))


def _news_at(processor: str, *named: str) -> list[URLPattern]:
    """The addresses that the processor's own document names, then ours; both spellings of each."""
    found = []
    for slash in ("", "/"):
        for route in (*named, f"api/callbacks/{processor}", f"api/callbacks/{processor}/<uuid:account_id>"):
            found.append(path(f"{route}{slash}", tell, {"processor": processor}))
    return found


def _questions_at(processor: str, *endpoints: str) -> list[URLPattern]:
    """Both spellings of every address: a redirect would lose the body, and with it the payment."""
    found = []
    for endpoint in endpoints:
        tail = f"/{endpoint}" if endpoint else ""
        for slash in ("", "/"):
            arguments = {"processor": processor, "endpoint": endpoint}
            found.append(path(f"api/callbacks/{processor}{tail}{slash}", ask, arguments))
            found.append(path(f"api/callbacks/{processor}/<uuid:account_id>{tail}{slash}", ask, arguments))
    return found


urlpatterns = [
    *_news_at("stripe", "api/webhooks/stripe"),
    *_news_at("razorpay", "api/webhooks/razorpay"),
    *_news_at("secure_processor", "api/payments/secure-processor/webhook", "api/webhooks/secure-processor"),
    path("api/callbacks/multicard", multicard),
    path("api/callbacks/multicard/", multicard),
    path("api/callbacks/multicard/<uuid:account_id>", multicard),
    path("api/callbacks/multicard/<uuid:account_id>/", multicard),
    *_questions_at("payme", ""),
    *_questions_at("click", "", "prepare", "complete"),
    *_questions_at("uzum", "check", "create", "confirm", "reverse", "status"),
]
