"""A mail server for tests: real SMTP on a real socket, which keeps what it is given or misbehaves on request."""

import email
import email.policy
import socketserver
import threading
from dataclasses import dataclass, field

import pytest


@dataclass
class MailServer:
    """`say[step]` is what it answers at connect, mail, rcpt, data or end instead of its yes; "" cuts the connection.

    At a step in `silent` it says nothing until `release`; then it goes on, or the connection is gone.
    """

    port: int = 0
    say: dict = field(default_factory=dict)
    silent: set = field(default_factory=set)
    taken: list = field(default_factory=list)  # messages it said yes to
    recipients: list = field(default_factory=list)
    connections: int = 0
    reached: dict = field(default_factory=dict)  # step → threading.Event
    go_on: threading.Event = field(default_factory=threading.Event)

    def step(self, name):
        return self.reached.setdefault(name, threading.Event())

    def release(self):
        self.silent.clear()
        self.go_on.set()

    @property
    def ids(self):
        return [message["Message-ID"] for message in self.taken]


class _Handler(socketserver.StreamRequestHandler):
    timeout = 60

    def handle(self):
        self.server.mail.connections += 1
        try:
            self._talk()
        except (OSError, _Cut):
            pass

    def _talk(self):
        self._answer("connect", "220 mail.test ready")
        while line := self.rfile.readline():
            word = line.strip().decode().upper()
            if word.startswith(("EHLO", "HELO")):
                self._say("250 mail.test")
            elif word.startswith("MAIL"):
                self._answer("mail", "250 ok")
            elif word.startswith("RCPT"):
                self.server.mail.recipients.append(line.decode().partition("<")[2].partition(">")[0])
                self._answer("rcpt", "250 ok")
            elif word == "DATA":
                if self._answer("data", "354 go on") == "354":
                    self._take()
            elif word == "QUIT":
                self._say("221 bye")
                break
            else:
                self._say("250 ok")

    def _take(self):
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        if self.server.mail.say.get("end", "250").startswith("250"):
            self.server.mail.taken.append(message)
        self._answer("end", "250 queued")

    def _answer(self, step, usual):
        mail = self.server.mail
        mail.step(step).set()
        if step in mail.silent:
            mail.go_on.wait(60)
        text = mail.say.get(step, usual)
        self._say(text)
        return text[:3]

    def _say(self, text):
        if not text:
            raise _Cut
        self.wfile.write(text.encode() + b"\r\n")


class _Cut(Exception):
    pass


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


def serve():
    """(the server as tests see it, a function that stops it)."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.mail = MailServer(port=server.server_address[1])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop():
        server.mail.release()
        server.shutdown()
        server.server_close()

    return server.mail, stop


@pytest.fixture
def mail_server(settings):
    """The product sends its letters there, and gives up a step after a second."""
    mail, stop = serve()
    settings.EMAIL_URL = f"smtp://127.0.0.1:{mail.port}"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", mail.port, 1
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.DEFAULT_FROM_EMAIL = "Pay <receipts@pay.test>"
    yield mail
    stop()
