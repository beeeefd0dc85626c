"""One HTTP try: the only code here that opens a socket. Knows no row and no ladder.

The name is looked up, every address is judged (`targets`), and the socket goes to a judged one; a literal in the
URL is judged before, and every socket once more when it is made. Proxies, redirects, cookies and compression are
off: what is asked for is one answer of one host.
"""

import asyncio
import contextvars
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from webhooks import targets

MOST_READ_BYTES = 64 * 1024
KEPT_BODY_BYTES = 4 * 1024
KEPT_HEADERS = 40
KEPT_HEADER_CHARACTERS = 500
IDLE_CONNECTION_SECONDS = 1.5  # below what common servers keep open, so that we rarely write into a closed socket

# The address of the socket that the current attempt made, for the record of attempts that fail.
_connected_to: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("connected_to", default=None)


class Resolver(Protocol):
    """What a look-up of names offers (aiohttp's AbstractResolver)."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = ...) -> list[ResolveResult]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one attempt sends."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    is_livemode: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. `status` None: no answer; then `error` says why, as it does for every answer but 2xx."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""
    address: str = ""
    duration_seconds: float = 0.0

    @property
    def is_success(self) -> bool:
        return not self.error


class CheckingResolver(AbstractResolver):
    """Looks names up and passes on only the addresses that a webhook may go to."""

    def __init__(self, inner: Resolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        problems = {result["host"]: targets.problem_with_address(result["host"]) for result in found}
        fit = [result for result in found if not problems[result["host"]]]
        if found and not fit:
            raise targets.TargetRefused(f"{host} resolves to {next(iter(problems))}, which is not a public address.")
        return fit

    async def close(self) -> None:
        await self._inner.close()


class _Response(aiohttp.ClientResponse):
    """Remembers the peer, which aiohttp forgets as soon as the answer is complete."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        peer = connection.transport and connection.transport.get_extra_info("peername")
        response = await super().start(connection)
        if peer:
            _remember(str(peer[0]))
        return response


class Sender:
    """Posts parcels from one event loop. Use as an async context manager inside of it."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        resolver: Callable[[], Resolver] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self._resolver = resolver or aiohttp.DefaultResolver
        self._ssl_context = ssl_context
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Sender":
        connector = aiohttp.TCPConnector(
            resolver=CheckingResolver(self._resolver()),
            limit=0,  # the drain decides how many are in flight
            ssl=self._ssl_context or True,
            keepalive_timeout=IDLE_CONNECTION_SECONDS,
            socket_factory=_judged_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # a small answer must not unpack into a large one
            response_class=_Response,
            skip_auto_headers=("Accept-Encoding",),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, parcel: Parcel) -> Answer:
        """One try, never longer than the timeout, never an exception of the network."""
        started = time.monotonic()
        addresses: list[str] = []
        _connected_to.set(addresses)
        status: int | None = None
        headers: dict[str, str] = {}
        body = b""
        error = targets.problem_with_url(parcel.url, is_livemode=parcel.is_livemode)
        if not error:
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    try:
                        status, headers, body = await self._exchange(parcel)
                    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as problem:
                        if addresses or isinstance(problem, aiohttp.ClientConnectorError):
                            raise
                        # No socket was made and no answer began: a kept connection that the receiver had closed
                        # meanwhile. Once more, on a connection of its own.
                        status, headers, body = await self._exchange(parcel)
                error = _problem_with_status(status)
            except TimeoutError:
                error = f"No complete answer within {self.timeout_seconds:g} seconds."
            except (aiohttp.ClientError, OSError, ValueError) as problem:
                error = _in_words(problem)
        return Answer(
            status=status,
            headers=headers,
            body=body[:KEPT_BODY_BYTES].decode("utf-8", "replace").replace("\x00", "�"),
            error=error[:300],
            address=addresses[-1][:45] if addresses else "",
            duration_seconds=time.monotonic() - started,
        )

    async def _exchange(self, parcel: Parcel) -> tuple[int, dict[str, str], bytes]:
        assert self._session is not None, "use the sender as a context manager"
        async with self._session.post(
            parcel.url, data=parcel.body, headers=parcel.headers, allow_redirects=False
        ) as response:
            body = bytearray()
            while len(body) < MOST_READ_BYTES:
                chunk = await response.content.read(MOST_READ_BYTES - len(body))
                if not chunk:
                    break
                body += chunk
            else:
                response.close()  # there may be more, and nobody wants it
            return response.status, _kept(response.headers), bytes(body)


def _judged_socket(info: tuple[Any, ...]) -> socket.socket:
    """The last gate: whatever led here, no socket is made for an address that was not judged."""
    family, kind, protocol, _name, address = info
    if problem := targets.problem_with_address(str(address[0])):
        raise targets.TargetRefused(problem)
    _remember(str(address[0]))
    return socket.socket(family=family, type=kind, proto=protocol)


def _remember(address: str) -> None:
    addresses = _connected_to.get()
    if addresses is not None:
        addresses.append(address)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if len(kept) >= KEPT_HEADERS:
            break
        # Bytes that are no UTF-8 come as lone surrogates, which no database takes.
        clean = value.encode("utf-8", "replace").decode().replace("\x00", "�")
        kept[name[:100].encode("utf-8", "replace").decode()] = clean[:KEPT_HEADER_CHARACTERS]
    return kept


def _problem_with_status(status: int) -> str:
    if 200 <= status <= 299:
        return ""
    if 300 <= status <= 399:
        return f"Answered {status}: redirects are not followed."
    return f"Answered {status}."


def _in_words(problem: Exception) -> str:
    """What went wrong, for a provider's developer."""
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, targets.TargetRefused):
            return str(cause)
        cause = getattr(cause, "os_error", None) or cause.__cause__
    match problem:
        case aiohttp.ClientConnectorDNSError():
            return f"The name {problem.host} could not be resolved."
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(problem.certificate_error, "verify_message", "") or "verification failed"
            return f"The certificate of {problem.host} is not trusted: {reason}."
        case aiohttp.ClientConnectorSSLError():
            return f"No TLS connection with {problem.host} could be made."
        case aiohttp.ClientConnectorError():
            if isinstance(problem.os_error, ConnectionRefusedError):
                return f"{problem.host} refused the connection."
            return f"No connection to {problem.host}: {problem.os_error.strerror or 'failed'}."
        case aiohttp.ServerDisconnectedError() | ConnectionResetError() | aiohttp.ClientOSError():
            return "The connection was closed before a complete answer came."
        case aiohttp.ClientPayloadError():
            return "The answer broke off."
        case aiohttp.InvalidURL():
            return "This is not a web address."
        case aiohttp.ClientResponseError():
            return "The answer is not valid HTTP."
    return f"Failed: {type(problem).__name__}."
