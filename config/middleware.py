"""What happens to every request before and after its view: its id, its log line, and what is refused at the door."""

import re
import time
import uuid
from collections.abc import Callable, Iterable
from io import BytesIO
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from config.errors import JSON_API, refusal
from providers.addresses import client_address, is_trusted_proxy, subnet_of

GetResponse = Callable[[HttpRequest], HttpResponseBase]

logger = structlog.get_logger("pay.request")
_SANE = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_CALLBACKS = ("/api/webhooks/", "/api/callbacks/")
_KEY_NAMES = {"apikey", "xapikey", "servicekey", "secretkey", "merchantsecret", "authorization", "accesstoken"}
_KEY_TEXT = re.compile(r"(provider|merchant)_(test_)?[0-9a-f]{16,}|(sk|rk)_(test|live)_|whsec_")
_PERMISSIONS = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()"


def party_of(request: HttpRequest) -> str:
    """Whose tries at a password these are: an IPv4 address, or the first of an IPv6 network, which one party holds."""
    return subnet_of(client_address(request)).partition("/")[0]


class WholeBody:
    """Around the whole application: gives a body without a length its length; Django would read it as empty.

    So come bodies in chunks (.NET's PostAsJsonAsync, streams in Node and Java). Only where the server says that its
    input ends by itself, as granian does; elsewhere FrontDoorMiddleware refuses them. One byte more than any view
    takes is read, so that what is too large is seen to be.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        has_length = bool(environ.get("CONTENT_LENGTH"))
        if not has_length and environ.get("wsgi.input_terminated") and environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            body = environ["wsgi.input"].read(settings.CALLBACK_BODY_LIMIT_BYTES + 1)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return self.application(environ, start_response)


class RequestIdMiddleware:
    """`X-Request-Id` on every response, taken from the request when it is sane; and the request's one log line.

    The line has no query string and no body: either may hold what nobody should read later.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _SANE.match(given) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            response["X-Request-Id"] = request_id
            if not request.path.startswith(settings.STATIC_URL):
                self._log(request, response.status_code, started)
            return response
        finally:
            structlog.contextvars.clear_contextvars()

    def _log(self, request: HttpRequest, status: int, started: float) -> None:
        log = logger.debug if request.path.startswith("/health") and status == 200 else logger.info
        log(
            f"{request.method} {request.path}",
            method=request.method,
            path=request.path,
            status=status,
            ms=round((time.perf_counter() - started) * 1000, 1),
            client=client_address(request),
        )


class FrontDoorMiddleware:
    """Refuses what no view should see: plain HTTP, bodies too large, keys in the address.

    Callbacks of processors pass whatever their size: they are answered in their processor's form further in, and
    there Django reads none of a body that is too large (DATA_UPLOAD_MAX_MEMORY_SIZE).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Only our own proxy may say that the client came by HTTPS.
        if not is_trusted_proxy(request.META.get("REMOTE_ADDR", "")):
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)
        response = self._refuse(request) or self.get_response(request)
        response.headers.setdefault("Permissions-Policy", _PERMISSIONS)
        return response

    def _refuse(self, request: HttpRequest) -> HttpResponse | None:
        is_callback = request.path.startswith(_CALLBACKS)
        is_api = request.path.startswith("/api/")
        # Pages are led to HTTPS by SecurityMiddleware. An API call has already sent its key in clear.
        if is_api and not settings.DEMO and not request.is_secure():
            return refusal(request, 403, "Use https:// for this address. A key that was sent without it is not safe.")
        limit = settings.BODY_LIMIT_BYTES
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            return refusal(request, 400, "Content-Length is not a number")
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            # Read as empty otherwise: half an order, or a callback that is refused for nothing.
            return refusal(request, 411, "Send a Content-Length")
        if length > limit and not is_callback:
            return refusal(request, 413, f"The body is larger than {limit // 1024} KiB")
        if request.path.startswith(JSON_API) and not is_callback and _holds_key(request.META.get("QUERY_STRING", "")):
            return refusal(request, 400, "API keys are not accepted in the address: use a header or the body")
        return None


def _holds_key(query: str) -> bool:
    if not query:
        return False
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return False  # too many fields for any address of ours: the view refuses them
    return any(
        re.sub(r"[^a-z]", "", name.lower()) in _KEY_NAMES or _KEY_TEXT.match(value.removeprefix("Bearer ").strip())
        for name, value in pairs
    )
