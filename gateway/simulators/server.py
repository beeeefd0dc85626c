"""The lab as one WSGI app on a threaded loopback server.

`serve()` gives a running lab (`.base_url`, `.stop()`), in tests on any free port; `__main__.py` runs one until
it is told to stop.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from gateway.simulators import home, pages
from gateway.simulators.callbacks import Callbacks
from gateway.simulators.click.room import ClickRoom
from gateway.simulators.config import Settings
from gateway.simulators.control import LabControl
from gateway.simulators.faults import Faults
from gateway.simulators.inbox.box import Inboxes
from gateway.simulators.inbox.mail import Mailbox, MailRooms
from gateway.simulators.inbox.rooms import InboxRooms
from gateway.simulators.journal import Journal
from gateway.simulators.multicard.room import MulticardRoom
from gateway.simulators.payme.room import PaymeRoom
from gateway.simulators.razorpay.room import RazorpayRoom
from gateway.simulators.secure_processor.room import SecureProcessorRoom
from gateway.simulators.stripe.room import StripeRoom
from gateway.simulators.timers import Timers
from gateway.simulators.uzum.room import UzumRoom
from gateway.simulators.wire import (
    BadRequest,
    Json,
    Request,
    Response,
    Vanish,
    is_loopback_host,
    json_response,
    text_response,
)

log = logging.getLogger(__name__)
LONGEST_BODY = 1024 * 1024
StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Room(Protocol):
    """One processor in the lab: its own addresses below `/<slug>`, its doors below `/_lab/<slug>`."""

    def start(self, base_url: str) -> None: ...

    def register(self, wanted: Json) -> object: ...

    def handle(self, request: Request) -> Response | None: ...

    def control(self, request: Request) -> Response | None: ...

    def clear(self, *, with_accounts: bool = False) -> None: ...


class Lab:
    """Everything of the lab but its sockets. `handle` is safe to call from many threads."""

    def __init__(
        self, *, settings: Settings | None = None, state_file: Path | None = None, mail_dir: Path | None = None
    ) -> None:
        self.settings = settings or Settings()
        self.stopped = threading.Event()
        self.journal = Journal(state_file)
        self.timers = Timers()
        self.faults = Faults(self.journal)
        self.callbacks = Callbacks(self.journal, self.settings, self.timers)
        self.inboxes = Inboxes(self.journal, self.stopped)
        self.stripe = StripeRoom(
            journal=self.journal,
            settings=self.settings,
            timers=self.timers,
            faults=self.faults,
            callbacks=self.callbacks,
            stopped=self.stopped,
        )
        # One line a processor: its slug is its address.
        self.rooms: dict[str, Room] = {
            "stripe": self.stripe,
            "multicard": MulticardRoom(
                journal=self.journal,
                settings=self.settings,
                timers=self.timers,
                faults=self.faults,
                callbacks=self.callbacks,
                stopped=self.stopped,
            ),
            "razorpay": RazorpayRoom(
                journal=self.journal,
                settings=self.settings,
                timers=self.timers,
                faults=self.faults,
                callbacks=self.callbacks,
                stopped=self.stopped,
            ),
            "secure_processor": SecureProcessorRoom(
                journal=self.journal,
                settings=self.settings,
                timers=self.timers,
                faults=self.faults,
                callbacks=self.callbacks,
                stopped=self.stopped,
            ),
            "click": ClickRoom(journal=self.journal, settings=self.settings, faults=self.faults, stopped=self.stopped),
            "payme": PaymeRoom(journal=self.journal, settings=self.settings, faults=self.faults, stopped=self.stopped),
            "uzum": UzumRoom(journal=self.journal, settings=self.settings, faults=self.faults, stopped=self.stopped),
        }
        self._inbox = InboxRooms(self.inboxes)
        self._mail = MailRooms(Mailbox(mail_dir))
        self._control = LabControl(
            faults=self.faults, settings=self.settings, callbacks=self.callbacks, reset=self.reset
        )
        self.base_url = ""

    def start(self, base_url: str) -> None:
        """From now on the lab is reached at this address; what was under way before a restart goes on."""
        self.base_url = base_url
        for slug, room in self.rooms.items():
            room.start(f"{base_url}/{slug}")
        self.callbacks.resume()

    def stop(self) -> None:
        self.stopped.set()
        self.timers.stop()
        self.callbacks.stop()
        self.journal.close()

    def reset(self, with_accounts: bool = False) -> None:
        self.callbacks.clear()
        self.faults.clear()
        self.inboxes.clear_all()
        for room in self.rooms.values():
            room.clear(with_accounts=with_accounts)

    def handle(self, request: Request) -> Response:
        try:
            response = self._route(request)
        except BadRequest as error:
            return json_response({"error": str(error)}, 400)
        return response or text_response("There is nothing at this address of the lab.", 404)

    def _route(self, request: Request) -> Response | None:
        host = re.sub(r":\d+$", "", request.header("host")).strip("[]")
        if host and not is_loopback_host(host):
            return text_response("The lab answers only under the names of this machine.", 421)
        path = request.path
        if path == "/healthz":
            return json_response({"status": "ok"})
        if path == "/":
            if request.method != "GET":
                return None
            return home.show(self.base_url, self.inboxes.names(), self.stripe.link_form())
        if path.startswith("/static/"):
            return pages.static(path.removeprefix("/static/"))
        slug = path[1:].split("/")[0]
        if room := self.rooms.get(slug):
            return room.handle(_below(request, f"/{slug}"))
        if path == "/inbox" or path.startswith("/inbox/"):
            return self._inbox.handle(_below(request, "/inbox"))
        if path == "/mail" or path.startswith("/mail/"):
            return self._mail.handle(_below(request, "/mail"))
        if path in {"/_lab", "/_lab/"} or path.startswith("/_lab/"):
            return self._told(request)
        return None

    def _told(self, request: Request) -> Response | None:
        if request.method != "GET" and not request.is_same_origin:
            return text_response("Another site's page may not tell the lab what to do.", 403)
        slug = request.path.removeprefix("/_lab").lstrip("/").split("/")[0]
        if room := self.rooms.get(slug):
            return room.control(_below(request, f"/_lab/{slug}"))
        return self._control.handle(_below(request, "/_lab"))


def _below(request: Request, prefix: str) -> Request:
    path = request.path.removeprefix(prefix) or "/"
    return Request(request.method, path, request.query, request.headers, request.body)


class App:
    """WSGI around a lab."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            response = self._answer(environ)
        except Vanish:
            cut(environ["lab.connection"])
            raise ConnectionAbortedError from None  # wsgiref then writes nothing more
        except Exception:
            log.exception("The lab itself failed")
            response = text_response("The lab itself failed; its log says why.", 500)
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else response.body
        headers = {**response.headers, "Content-Length": str(len(response.body))}
        start_response(response.status_line, list(headers.items()))
        return [body]

    def _answer(self, environ: dict[str, Any]) -> Response:
        try:
            body = _body(environ)
        except ValueError:
            return text_response("The body has no length, or is too long.", 413)
        method = environ["REQUEST_METHOD"]
        return self._lab.handle(
            Request(
                method="GET" if method == "HEAD" else method,
                path=environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
                query=environ.get("QUERY_STRING", ""),
                headers=_headers(environ),
                body=body,
            )
        )


def _body(environ: Mapping[str, Any]) -> bytes:
    """By its length or in chunks (which wsgiref leaves to us); ValueError where neither can be read."""
    source = environ["wsgi.input"]
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() != "chunked":
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not 0 <= length <= LONGEST_BODY:
            raise ValueError
        return bytes(source.read(length)) if length else b""
    body = b""
    while size := int(source.readline(64).split(b";")[0], 16):
        if size < 0 or len(body) + size > LONGEST_BODY:
            raise ValueError
        body += source.read(size)
        source.readline(3)
    return body


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    found = {
        name[5:].replace("_", "-").lower(): str(value) for name, value in environ.items() if name.startswith("HTTP_")
    }
    if environ.get("lab.content_type"):
        found["content-type"] = str(environ["lab.content_type"])
    if environ.get("CONTENT_LENGTH"):
        found["content-length"] = str(environ["CONTENT_LENGTH"])
    return found


def cut(connection: socket.socket) -> None:
    """End a connection with RST, so that the other side sees a reset and not an empty answer."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(connection.detach())  # close() alone would wait for the handler's files
    except OSError:
        log.debug("The caller had gone already")


class Handler(WSGIRequestHandler):
    timeout = 30  # a caller that says nothing more does not hold its thread for ever

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ["lab.connection"] = self.connection
        environ["lab.content_type"] = self.headers.get("content-type", "")  # wsgiref would invent text/plain
        return environ

    def address_string(self) -> str:
        return str(self.client_address[0])

    def log_message(self, format: str, *args: object) -> None:
        """Silent: what matters is in the request log, and a query may hold a client secret."""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 256

    def server_bind(self) -> None:
        """Without the look-up of our own name that http.server makes: it can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("A caller went away", exc_info=True)


class RunningLab:
    def __init__(self, lab: Lab, server: Server) -> None:
        self.lab = lab
        self._server = server
        self.base_url = f"http://{server.server_name}:{server.server_port}"
        lab.start(self.base_url)
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.lab.stop()

    def wait(self) -> None:
        self._thread.join()


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    settings: Settings | None = None,
    state_file: Path | None = None,
    mail_dir: Path | None = None,
    stripe_accounts: Iterable[Json] = (),
    accounts: Mapping[str, Iterable[Json]] | None = None,
    inbox_secrets: Mapping[str, list[str]] | None = None,
) -> RunningLab:
    """Start a lab in this process, with `accounts` by slug. Raises ValueError for an address others could reach."""
    if not is_loopback_host(host) or ":" in host:
        raise ValueError(f"The lab binds to this machine only (127.0.0.1), not to {host}.")
    server = Server((host, port), Handler)
    lab = Lab(settings=settings, state_file=state_file, mail_dir=mail_dir)
    server.set_app(App(lab))
    for slug, rows in {"stripe": stripe_accounts, **(accounts or {})}.items():
        for account in rows:
            lab.rooms[slug].register(account)
    for name, secrets in (inbox_secrets or {}).items():
        lab.inboxes.set_secrets(name, secrets)
    return RunningLab(lab, server)
