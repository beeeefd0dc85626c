"""A seller for Uzum's lab and scenarios: a tiny order book behind the real protocol, over real HTTP.

It stands for what will decide in the product: orders, transactions, one lock.
"""

import itertools
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from gateway.adapters.uzum import PROTOCOL
from gateway.adapters.uzum.words import LIFETIME
from gateway.certify.score import Order
from gateway.money import Money
from gateway.questions import (
    Cancel,
    Check,
    Create,
    Done,
    No,
    Payable,
    Perform,
    ProtocolFault,
    Refusal,
    Snapshot,
    State,
    Status,
)
from gateway.types import Callback

ACCOUNT = {"serviceId": "498624", "login": "касса", "password": "p%20@b:c=d&e-секрет"}
PREFIX = "/api/callbacks/uzum/"


@dataclass
class Row:
    money: Money
    status: str = "open"  # open, paid, ended, delivered


@dataclass
class Book:
    accounts: list = field(default_factory=lambda: [ACCOUNT])
    orders: dict = field(default_factory=dict)
    transactions: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)  # replies in place of the next ones: "fault", or (status, type, bytes)
    told: list = field(default_factory=list)  # (endpoint, question)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    skew: timedelta = timedelta()
    has_digits: bool = False

    def now(self):
        return datetime.now(UTC) + self.skew

    def new_order(self, amount=1_500_000, **more):
        with self.lock:
            reference = str(next(self.numbers) + 1000) if self.has_digits else str(uuid.uuid4())
            self.orders[reference] = Row(Money(amount, "UZS"), **more)
        return Order(reference, amount)

    def ended_order(self):
        return self.new_order(status="ended")

    # the callback addresses

    def answer(self, callback, endpoint):
        """What the product's callback view will do."""
        if self.faults and (reply := self.faults.pop(0)) is not None:
            return PROTOCOL.fault(callback, endpoint, now=self.now()) if reply == "fault" else reply
        try:
            claim = PROTOCOL.claim(callback, endpoint)
            question = self.read(callback, endpoint, claim)
        except ProtocolFault as fault:
            return fault.reply
        self.told.append((endpoint, question))
        with self.lock:
            answer = self.decide(question)
        return PROTOCOL.write(callback, endpoint, question, answer, now=self.now())

    def read(self, callback, endpoint, claim):
        """Each account of the login is tried; the most telling refusal wins."""
        refusal = None
        for account in self.accounts:
            if PROTOCOL.credential_of(account) == claim.credential:
                try:
                    return PROTOCOL.read(callback, endpoint, account)
                except ProtocolFault as fault:
                    refusal = fault
        if refusal:
            raise refusal
        return PROTOCOL.read(callback, endpoint, None)

    # the decisions

    def decide(self, question):
        match question:
            case Check(reference, _):
                why = self.why_not(reference)
                return No(why) if why else Payable(self.orders[reference].money)
            case Create():
                return self.create(question)
        found = self.transactions.get(question.transaction_ref)
        if found is None:
            return No(Refusal.UNKNOWN_TRANSACTION)
        found = self.aged(found)
        match question:
            case Perform():
                return self.perform(found)
            case Cancel(reason=reason):
                return self.cancel(found, reason)
            case Status():
                return Done(found)

    def why_not(self, reference):
        order = self.orders.get(reference)
        if order is None:
            return Refusal.UNKNOWN_ORDER
        if order.status in ("paid", "delivered"):
            return Refusal.ALREADY_PAID
        if order.status == "ended":
            return Refusal.ORDER_ENDED
        rows = [self.aged(row) for row in list(self.transactions.values()) if row.reference == reference]
        return Refusal.ORDER_BUSY if any(row.state is State.CREATED for row in rows) else None

    def create(self, asked):
        found = self.transactions.get(asked.transaction_ref)
        if found is not None:
            found = self.aged(found)
            if (found.reference, found.money) != (asked.reference, asked.money):
                return No(Refusal.NOT_SAME_CONTENT, found)
            if found.state is not State.CREATED:
                return No(Refusal.TRANSACTION_EXPIRED if found.expired else Refusal.WRONG_STATE, found)
            return Done(found, is_repeat=True)
        why = self.why_not(asked.reference)
        if why is None and self.orders[asked.reference].money != asked.money:
            why = Refusal.WRONG_AMOUNT
        if why is not None:
            return No(why)
        number, now = str(next(self.numbers)), self.now()
        row = Snapshot(asked.transaction_ref, asked.reference, number, asked.money, State.CREATED, None, now)
        return Done(self.keep(row))

    def perform(self, found):
        if found.state is State.PERFORMED:
            return Done(found, is_repeat=True)
        if found.state is not State.CREATED:
            return No(Refusal.TRANSACTION_EXPIRED if found.expired else Refusal.WRONG_STATE, found)
        self.orders[found.reference].status = "paid"
        return Done(self.keep(replace(found, state=State.PERFORMED, performed_at=self.now())))

    def cancel(self, found, reason):
        if found.state in (State.CANCELLED, State.REVERSED):
            return Done(found, is_repeat=True)
        state = State.CANCELLED
        if found.state is State.PERFORMED:
            if self.orders[found.reference].status == "delivered":
                return No(Refusal.NOT_REFUNDABLE, found)
            self.orders[found.reference].status = "ended"
            state = State.REVERSED
        return Done(self.keep(replace(found, state=state, cancelled_at=self.now(), reason=reason)))

    def end_reservation(self, reference):
        """Our side cancels: the order is over, and the reservation with it."""
        with self.lock:
            self.orders[reference].status = "ended"
            for row in list(self.transactions.values()):
                if row.reference == reference and row.state is State.CREATED:
                    self.keep(replace(row, state=State.CANCELLED, cancelled_at=self.now()))

    def aged(self, row):
        if row.state is State.CREATED and self.now() - row.created_at >= LIFETIME:
            return self.keep(replace(row, state=State.CANCELLED, cancelled_at=self.now(), expired=True))
        return row

    def keep(self, row):
        self.transactions[row.transaction_ref] = row
        return row


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def serve(book):
    """(address without the endpoint, stop)"""

    def app(environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        callback = Callback(
            body=environ["wsgi.input"].read(length),
            headers={k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")},
            received_at=book.now(),
            path=environ["PATH_INFO"],
            method=environ["REQUEST_METHOD"],
        )
        reply = book.answer(callback, environ["PATH_INFO"].removeprefix(PREFIX))
        if isinstance(reply, tuple):
            status, kind, body = reply
        else:
            status, kind, body = reply.status, reply.content_type, reply.body
        start_response(f"{status} X", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    server = Threaded(("127.0.0.1", 0), Handler)
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()

    return f"http://127.0.0.1:{server.server_port}{PREFIX.rstrip('/')}", stop
