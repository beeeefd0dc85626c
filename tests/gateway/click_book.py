"""A seller for Click's lab and scenarios: a tiny order book behind the real protocol, over real HTTP.

It stands for what will decide in the product: orders, transactions, one lock.
"""

import itertools
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from gateway.adapters.click import PROTOCOL
from gateway.certify.score import Order
from gateway.money import Money
from gateway.questions import Cancel, Create, Done, No, Perform, ProtocolFault, Refusal, Snapshot, State
from gateway.types import Callback

SERVICE, MERCHANT, USER, SECRET = "30001", "20001", "4444", "Ab1-./_secret"
CREDENTIALS = {"serviceId": SERVICE, "merchantId": MERCHANT, "secretKey": SECRET, "merchantUserId": USER}
LIFETIME = timedelta(minutes=30)


@dataclass
class Row:
    money: Money
    status: str = "open"  # open, paid, ended


@dataclass
class Book:
    credentials: dict = field(default_factory=lambda: dict(CREDENTIALS))
    orders: dict = field(default_factory=dict)
    transactions: dict = field(default_factory=dict)
    details: dict = field(default_factory=dict)
    reviews: list = field(default_factory=list)
    faults: list = field(default_factory=list)  # replies in place of the next ones: "fault", or (status, type, bytes)
    credited: list = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: itertools.count = field(default_factory=lambda: itertools.count(501))
    skew: timedelta = timedelta()

    def now(self):
        return datetime.now(UTC) + self.skew

    def new_order(self, amount=1_500_000, status="open"):
        reference = str(uuid.uuid4())
        with self.lock:
            self.orders[reference] = Row(Money(amount, "UZS"), status)
        return Order(reference, amount)

    def ended_order(self):
        return self.new_order(status="ended")

    # the callback address

    def answer(self, callback, endpoint):
        """What the product's callback view will do."""
        if self.faults and (reply := self.faults.pop(0)) is not None:
            return PROTOCOL.fault(callback, endpoint, now=self.now()) if reply == "fault" else reply
        try:
            claim = PROTOCOL.claim(callback, endpoint)
            known = claim.reference in self.orders
            question = PROTOCOL.read(callback, endpoint, self.credentials if known else None)
        except ProtocolFault as fault:
            return fault.reply
        with self.lock:
            answer = self.decide(question)
        return PROTOCOL.write(callback, endpoint, question, answer, now=self.now())

    # the decisions

    def decide(self, question):
        found = self.transactions.get(question.transaction_ref)
        if isinstance(question, Create):
            return self.repeat(found, question) if found else self.create(question)
        if found is None or (found.our_number, found.reference) != (question.our_number, question.reference):
            return No(Refusal.UNKNOWN_TRANSACTION)
        found = self.aged(found)
        return self.perform(found, question) if isinstance(question, Perform) else self.cancel(found, question)

    def create(self, question):
        order = self.orders[question.reference]
        if order.status != "open":
            return No(Refusal.ALREADY_PAID if order.status == "paid" else Refusal.ORDER_ENDED)
        rivals = [self.aged(row) for row in list(self.transactions.values()) if row.reference == question.reference]
        if any(row.state is State.CREATED for row in rivals):
            return No(Refusal.ORDER_BUSY)
        if question.money != order.money:
            return No(Refusal.WRONG_AMOUNT)
        row = Snapshot(
            transaction_ref=question.transaction_ref,
            reference=question.reference,
            our_number=str(next(self.numbers)),
            money=order.money,
            state=State.CREATED,
            their_time=question.their_time,
            created_at=self.now(),
        )
        self.details[row.transaction_ref] = dict(question.details)
        return Done(self.keep(row))

    def repeat(self, found, question):
        found = self.aged(found)
        if (found.reference, found.money) != (question.reference, question.money):
            return No(Refusal.NOT_SAME_CONTENT, found)
        if found.state is not State.CREATED:
            return No(Refusal.TRANSACTION_EXPIRED if found.expired else Refusal.WRONG_STATE, found)
        return Done(found, is_repeat=True)

    def perform(self, found, question):
        if found.state is State.PERFORMED:
            return Done(found, is_repeat=True)
        if found.state is not State.CREATED:
            return No(Refusal.TRANSACTION_EXPIRED if found.expired else Refusal.WRONG_STATE, found)
        if question.money != found.money:
            return No(Refusal.WRONG_AMOUNT, found)
        order = self.orders[found.reference]
        if order.status == "paid":
            return No(Refusal.ALREADY_PAID, self.keep(replace(found, state=State.CANCELLED, cancelled_at=self.now())))
        order.status = "paid"
        self.credited.append(found.reference)
        self.details[found.transaction_ref] |= question.details
        return Done(self.keep(replace(found, state=State.PERFORMED, performed_at=self.now())))

    def cancel(self, found, question):
        assert isinstance(question, Cancel) and question.only_unpaid
        if found.state is State.CANCELLED:
            return Done(found, is_repeat=True)
        if found.state is State.PERFORMED:
            self.reviews.append((found.reference, question.reason))
            return No(Refusal.NOT_REFUNDABLE, found)
        return Done(self.keep(replace(found, state=State.CANCELLED, cancelled_at=self.now(), reason=question.reason)))

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
    """(address, stop); Prepare and Complete lie below the address, and both are taken at itself."""

    def app(environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        headers = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
        endpoint = environ["PATH_INFO"].removeprefix("/api/callbacks/click").strip("/")
        callback = Callback(
            body=environ["wsgi.input"].read(length),
            headers={**headers, "content-type": environ.get("CONTENT_TYPE", "")},
            received_at=datetime.now(UTC),
            path=environ["PATH_INFO"],
            method=environ["REQUEST_METHOD"],
        )
        reply = book.answer(callback, endpoint)
        more = {}
        if isinstance(reply, tuple):
            status, kind, body = reply
        else:
            status, kind, body, more = reply.status, reply.content_type, reply.body, reply.headers
        start_response(f"{status} X", [("Content-Type", kind), ("Content-Length", str(len(body))), *more.items()])
        return [body]

    server = Threaded(("127.0.0.1", 0), Handler)
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()

    return f"http://127.0.0.1:{server.server_port}/api/callbacks/click", stop
