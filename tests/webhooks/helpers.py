"""A receiver of webhooks that does as it is told, and what tests do to deliveries."""

import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.db.models.functions import Now

from webhooks import delivery as deliveries
from webhooks.models import Delivery


class Received:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body, self.at = path, headers, body, time.monotonic()

    @property
    def text(self):
        return self.body.decode()


class Receiver:
    """A real HTTP server. `answers` is what it says next: (status, headers, body) or a callable(handler); then 200."""

    def __init__(self):
        self.log, self.answers, self.now, self.most_at_once = [], [], 0, 0
        self.default = (200, {}, b"ok")
        self.lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with receiver.lock:
                    receiver.now += 1
                    receiver.most_at_once = max(receiver.most_at_once, receiver.now)
                    receiver.log.append(Received(self.path, self.headers, body))
                    answer = receiver.answers.pop(0) if receiver.answers else receiver.default
                try:
                    if callable(answer):
                        answer(self)
                    else:
                        say(self, *answer)
                finally:
                    with receiver.lock:
                        receiver.now -= 1

            do_GET = do_POST

            def log_message(self, *args):
                pass

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self):
        return self.server.server_port

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hooks"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def say(handler, status, headers=None, body=b""):
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def run(**given):
    """One drain that does not wait for later rungs."""
    return deliveries.drain(**{"linger_seconds": 0.0, **given})


def make_due(*rows):
    """Time passes: these are due now."""
    ids = [row.pk for row in rows]
    Delivery.objects.filter(pk__in=ids, next_attempt_at__isnull=False).update(
        next_attempt_at=Now() - timedelta(milliseconds=5)
    )


def fresh(row):
    return Delivery.objects.get(pk=row.pk)


def seconds_until_next(row):
    """From the end of the latest attempt to the next one, in seconds."""
    row = fresh(row)
    latest = row.tries.order_by("-number")[0]
    return (row.next_attempt_at - latest.started_at).total_seconds() - latest.duration_ms / 1000
