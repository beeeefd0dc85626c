"""A seller for Multicard's lab and scenarios: a tiny order book behind the real protocol, over real HTTP.

It stands for what will decide in the product: orders, payments, one lock.
"""

import itertools
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from gateway.adapters.multicard import PROTOCOL, accepted, is_webhook, not_noted
from gateway.certify.score import Order
from gateway.errors import BadCallback, Unavailable
from gateway.money import Money
from gateway.questions import Done, No, ProtocolFault, Refusal, Reply, Snapshot, State
from gateway.types import Callback

SECRET = "mc-секрет-0000"
CREDENTIALS = {"applicationId": "rhmt_test", "secret": SECRET, "storeId": "6"}


@dataclass
class Row:
    money: Money
    status: str = "open"  # open, ended, paid
    paid_by: str = ""
    details: dict = field(default_factory=dict)


@dataclass
class Book:
    credentials: dict = field(default_factory=lambda: dict(CREDENTIALS))
    adapter: object = None  # reads webhooks
    orders: dict = field(default_factory=dict)
    ended_tries: set = field(default_factory=set)
    notices: list = field(default_factory=list)
    questions: list = field(default_factory=list)
    faults: list = field(default_factory=list)  # to the next questions: "fault", "hang", or a Reply
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    def new_order(self, amount=1_500_000, **more):
        with self.lock:
            reference = str(uuid.uuid4())
            self.orders[reference] = Row(Money(amount, "UZS"), **more)
        return Order(reference, amount)

    def ended_order(self):
        return self.new_order(status="ended")

    def answer(self, callback):
        """What the product's callback view will do."""
        now = datetime.now(UTC)
        if is_webhook(callback):
            return self.read_news(callback, now)
        if self.faults:
            reply = self.faults.pop(0)
            return PROTOCOL.fault(callback, "", now=now) if reply == "fault" else reply
        try:
            claim = PROTOCOL.claim(callback, "")
            known = self.credentials if claim.reference in self.orders else None
            question = PROTOCOL.read(callback, "", known)
        except ProtocolFault as fault:
            return fault.reply
        with self.lock:
            self.questions.append(question)
            answer = self.decide(question, now)
        return PROTOCOL.write(callback, "", question, answer, now=now)

    def read_news(self, callback, now):
        try:
            reference = self.adapter.peek(callback).reference
            if reference not in self.orders:
                return accepted()
            read = self.adapter.read_callback(callback)
        except BadCallback:
            return not_noted()
        except Unavailable:
            return PROTOCOL.fault(callback, "", now=now)
        with self.lock:
            self.notices += [(reference, read.event_id, notice) for notice in read.notices]
        return accepted()

    def decide(self, asked, now):
        order = self.orders.get(asked.reference)
        if order is None:
            return No(Refusal.UNKNOWN_ORDER)
        if order.money != asked.money:
            return No(Refusal.WRONG_AMOUNT)
        if order.paid_by == asked.transaction_ref:
            return Done(self.snapshot(asked, now), is_repeat=True)
        if order.status == "paid":
            return No(Refusal.ALREADY_PAID)
        if order.status == "ended" or asked.our_number in self.ended_tries:
            return No(Refusal.ORDER_ENDED)
        order.status, order.paid_by, order.details = "paid", asked.transaction_ref, dict(asked.details)
        return Done(self.snapshot(asked, now))

    def snapshot(self, asked, now):
        return Snapshot(asked.transaction_ref, asked.reference, "1", asked.money, State.PERFORMED, None, now, now)


class Handler(WSGIRequestHandler):
    def get_environ(self):
        # wsgiref would invent a content type
        return {**super().get_environ(), "book.content_type": self.headers.get("content-type", "")}

    def log_message(self, *args):
        pass


class Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def serve(book):
    """(address, stop)"""
    stopped = threading.Event()

    def app(environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        callback = Callback(
            body=environ["wsgi.input"].read(length),
            headers={"content-type": environ["book.content_type"]},
            received_at=datetime.now(UTC),
            path=environ["PATH_INFO"],
            method=environ["REQUEST_METHOD"],
            query=environ.get("QUERY_STRING", ""),
        )
        reply = book.answer(callback)
        if reply == "hang":
            stopped.wait(1)
            reply = Reply(500, b"")
        start_response(
            f"{reply.status} X", [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
        )
        return [reply.body]

    server = Threaded(("127.0.0.1", 0), Handler)
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop():
        stopped.set()
        server.shutdown()
        server.server_close()

    return f"http://127.0.0.1:{server.server_port}/api/callbacks/multicard", stop
