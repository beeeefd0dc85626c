"""Every request to a processor goes through `send`, the vendors' SDKs included: one place for time limits, size limits,
redirects, proxies and for what a broken connection means.

What it means depends on whether bytes may have left us. Refused, no such host, no connection in time: surely nothing
happened, `Unavailable`. Silence or a break after that: on a write `OutcomeUnknown` (ask, never pay twice), on a read
`Unavailable`, because repeating a question moves no money. A certificate that does not hold: `Misconfigured`.

Proxy variables of the environment are obeyed (an operator may be allowed out only through one), except for loopback
addresses. `.netrc` is not: it would silently replace the credentials of a merchant account by the operator's own.
"""

import http.client
import ipaddress
import json as jsonlib
import logging
import os
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from gateway.errors import GatewayError, Misconfigured, OutcomeUnknown, Unavailable

log = logging.getLogger(__name__)

MAX_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

# After these the request may have been read and acted upon.
SENT = (
    requests.exceptions.ReadTimeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    urllib3.exceptions.ReadTimeoutError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.DecodeError,
    http.client.HTTPException,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
)
# After these surely not: there never was a connection. (urllib3 names a failed name resolution a NewConnectionError.)
NOT_SENT = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ProxyError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)
# These can only be said while shaking hands. Any other TLS trouble may come in the middle of an answer.
HANDSHAKE_REASONS = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "HTTP_REQUEST",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_SSL_VERSION",
        "WRONG_VERSION_NUMBER",
    }
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """`read_seconds` is the longest silence, `total_seconds` the longest whole answer: a buyer is waiting."""

    connect_seconds: float = 3.0
    read_seconds: float = 20.0
    total_seconds: float = 25.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Answer:
    """Whatever came back, of any status. Header names are case-insensitive. The body is never logged."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A decoded answer of a status below 500, 429 and redirects excepted. Fractions are Decimal, never float."""

    status: int
    headers: Mapping[str, str]
    data: Any = field(repr=False)


class TooLong(OSError):
    """The answer outgrew the size or the total time we allow."""


def send(
    method: str,
    url: str,
    *,
    is_write: bool,
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    max_bytes: int = MAX_BYTES,
) -> Answer:
    """One request, no retry, no redirect followed. Any status is an Answer; see the module for the errors."""
    started = time.monotonic()
    try:
        place, proxies = _place(url), proxies_for(url)
    except ValueError as error:
        raise Misconfigured("the processor's address is none") from error
    try:
        with _session().request(
            method,
            url,
            data=body.encode() if isinstance(body, str) else body,
            headers=dict(headers or {}),
            params=dict(params) if params else None,
            auth=auth,
            timeout=(timeouts.connect_seconds, timeouts.read_seconds),
            allow_redirects=False,
            proxies=proxies,
            stream=True,
        ) as response:
            content = _read(response.raw, deadline=started + timeouts.total_seconds, max_bytes=max_bytes)
            answer = Answer(status=response.status_code, headers=response.headers, body=content)
    except (
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        OSError,
        UnicodeError,  # a header that no header can carry; raised before anything is sent
    ) as error:
        meaning = meaning_of(error, is_write=is_write)
        log.warning("%s %s: %s after %d ms (%s)", method, place, type(meaning).__name__, _since(started), _names(error))
        raise meaning from error
    log.info(
        "%s %s: %d in %d ms, request id %s",
        method,
        place,
        answer.status,
        _since(started),
        request_id_of(answer.headers) or "-",
    )
    return answer


def post_json(
    url: str,
    *,
    json: object,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    method: str = "POST",
    is_write: bool = True,
) -> JsonAnswer:
    """Send JSON, read JSON. `is_write=False` is for questions that a processor wants POSTed."""
    sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    body = jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":"))
    answer = send(method, url, is_write=is_write, body=body, headers=sent, auth=auth, timeouts=timeouts)
    return decided(answer, is_write=is_write)


def get_json(
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> JsonAnswer:
    """Ask; nothing moves by asking, so every trouble but our own configuration is `Unavailable`."""
    sent = {"Accept": "application/json", **(headers or {})}
    answer = send("GET", url, is_write=False, params=params, headers=sent, auth=auth, timeouts=timeouts)
    return decided(answer, is_write=False)


def decided(answer: Answer, *, is_write: bool) -> JsonAnswer:
    """The answer as JSON, where the processor has decided something; its own 4xx words stay the adapter's business.

    429 is Unavailable. A 5xx, a redirect and a body that is not JSON (whatever its status) tell us nothing:
    OutcomeUnknown on a write, Unavailable on a read.
    """
    request_id = request_id_of(answer.headers)
    if answer.status == 429:
        raise Unavailable(
            "the processor asks us to slow down",
            retry_after_seconds=retry_after(answer.headers),
            is_busy=True,
            request_id=request_id,
        )
    if answer.status >= 500 or 300 <= answer.status < 400:
        raise unclear(f"the processor answered {answer.status}", is_write=is_write, request_id=request_id)
    return JsonAnswer(answer.status, answer.headers, decode_json(answer, is_write=is_write))


def decode_json(answer: Answer, *, is_write: bool) -> Any:
    """The body as JSON; a body that is none says nothing about the outcome, whatever its status."""
    try:
        return jsonlib.loads(answer.body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # the cause would carry the body into a report of the error
        raise unclear(
            f"the processor answered {answer.status} with a body that is not JSON",
            is_write=is_write,
            request_id=request_id_of(answer.headers),
        ) from None


def unclear(message: str, *, is_write: bool, request_id: str = "") -> GatewayError:
    """The error for "no clear answer": only a write can have done something."""
    if is_write:
        return OutcomeUnknown(message, request_id=request_id)
    return Unavailable(message, request_id=request_id)


def meaning_of(error: BaseException, *, is_write: bool) -> GatewayError:
    """What a failed exchange means to the caller. Understands requests, urllib3, and SDK errors that wrap them."""
    chain = list(_chain(error))
    if any(_is_handshake(link) for link in chain):
        return Misconfigured("no trusted TLS connection to the processor")
    if any(isinstance(link, SENT) for link in chain):
        return unclear("the connection broke before an answer came", is_write=is_write)
    if any(isinstance(link, NOT_SENT) for link in chain):
        return Unavailable("the processor cannot be reached")
    if isinstance(error, (ValueError, requests.exceptions.InvalidHeader)):  # URLs and headers nobody can send
        return Misconfigured("the request to the processor cannot be written")
    return unclear("no complete answer came from the processor", is_write=is_write)


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Seconds to wait; None when the header is missing or is a date."""
    value = headers.get("Retry-After", "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 6 else None


def request_id_of(headers: Mapping[str, str]) -> str:
    value = headers.get("Request-Id") or headers.get("X-Request-Id") or ""
    return value[:64] if value.isprintable() else ""


def proxies_for(url: str) -> dict[str, str]:
    """HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment; never a proxy for a loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    return {} if is_loopback else dict(get_environ_proxies(url))


_local = threading.local()
# A forked worker must not talk through its parent's sockets.
os.register_at_fork(after_in_child=_local.__dict__.clear)


def _session() -> requests.Session:
    """A session per thread: connections are reused, and no two requests share one."""
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        session = requests.Session()
        session.trust_env = False  # .netrc; proxies are looked up in `proxies_for`
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # accounts share nothing
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(pool_connections=16, pool_maxsize=2, max_retries=0))
        _local.session = session
    return session


def _read(raw: Any, *, deadline: float, max_bytes: int) -> bytes:
    """The body, as far as both limits allow. `read1` returns what is there, so a slow drip meets the deadline."""
    parts: list[bytes] = []
    size = 0
    while part := raw.read1(CHUNK_BYTES, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise TooLong(f"more than {max_bytes} bytes")
        if time.monotonic() > deadline:
            raise TooLong("the answer took too long")
    return b"".join(parts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was made of: causes, contexts, urllib3's `reason`, exceptions in `args`."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        link = todo.pop()
        # An error of ours in the chain was handled before; what it was made of is another exchange.
        if not isinstance(link, BaseException) or isinstance(link, GatewayError) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        todo += [link.__cause__, None if link.__suppress_context__ else link.__context__]
        todo += [getattr(link, "reason", None), *link.args]


def _is_handshake(link: BaseException) -> bool:
    if isinstance(link, ssl.SSLCertVerificationError):
        return True
    return isinstance(link, ssl.SSLError) and link.reason in HANDSHAKE_REASONS


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _place(url: str) -> str:
    """Host and path for the log: a query may carry a secret."""
    parts = urlsplit(url)
    return f"{parts.hostname}{parts.path}"


def _names(error: BaseException) -> str:
    return " < ".join(dict.fromkeys(type(link).__name__ for link in _chain(error)))


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
