"""A seller for Payme's lab and scenarios: a tiny order book behind the real protocol, over real HTTP.

It stands for what will decide in the product: orders, transactions, one lock.
"""

import itertools
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from gateway.adapters.payme import PROTOCOL
from gateway.adapters.payme.words import LIFETIME
from gateway.certify.score import Order
from gateway.money import Money
from gateway.questions import (
    Cancel,
    Check,
    Create,
    Done,
    Fiscal,
    No,
    Noted,
    Payable,
    Perform,
    ProtocolFault,
    Refusal,
    Snapshot,
    State,
    Statement,
    Status,
    Transactions,
)
from gateway.types import Callback

KEY = "p%20@b:c=d&e-ключ-0000000000000000000"


@dataclass
class Row:
    money: Money
    status: str = "open"  # open, paid, ended, delivered
    items: tuple = ()


@dataclass
class Book:
    keys: list = field(default_factory=lambda: [KEY])
    orders: dict = field(default_factory=dict)
    transactions: dict = field(default_factory=dict)
    receipts: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)  # replies in place of the next ones: "fault", or bytes
    bodies: list = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    skew: timedelta = timedelta()

    def now(self):
        return datetime.now(UTC) + self.skew

    def new_order(self, amount=1_500_000, **more):
        with self.lock:
            reference = f"A-{next(self.numbers)}"
            self.orders[reference] = Row(Money(amount, "UZS"), **more)
        return Order(reference, amount)

    def ended_order(self):
        return self.new_order(status="ended")

    # the callback address

    def answer(self, callback):
        """What the product's callback view will do."""
        self.bodies.append(callback.body)
        if self.faults and (reply := self.faults.pop(0)) is not None:
            return PROTOCOL.fault(callback, "", now=self.now()) if reply == "fault" else reply
        try:
            claim = PROTOCOL.claim(callback, "")
            question = PROTOCOL.read(callback, "", self.account_of(claim))
        except ProtocolFault as fault:
            return fault.reply
        with self.lock:
            answer = self.decide(question)
        return PROTOCOL.write(callback, "", question, answer, now=self.now())

    def account_of(self, claim):
        return next(
            ({"key": key} for key in self.keys if PROTOCOL.credential_of({"key": key}) == claim.credential), None
        )

    # the decisions

    def decide(self, question):
        match question:
            case Check(reference, money):
                why = self.why_not(reference, money)
                return No(why) if why else Payable(money, self.orders[reference].items)
            case Create():
                return self.create(question)
            case Statement(since, until):
                rows = [row for row in self.transactions.values() if since <= row.their_time <= until]
                return Transactions(tuple(rows))
        found = self.transactions.get(question.transaction_ref)
        if found is None:
            return No(Refusal.UNKNOWN_TRANSACTION)
        match question:
            case Perform():
                return self.perform(self.aged(found))
            case Cancel(reason=reason):
                return self.cancel(found, reason)
            case Fiscal(data=data):
                self.receipts[found.transaction_ref] = data
                return Noted()
            case Status():
                return Done(self.aged(found))

    def why_not(self, reference, money, ref=""):
        order = self.orders.get(reference)
        if order is None:
            return Refusal.UNKNOWN_ORDER
        if order.status in ("paid", "delivered"):
            return Refusal.ALREADY_PAID
        if order.status == "ended":
            return Refusal.ORDER_ENDED
        if any(
            self.aged(row).state is State.CREATED and row.reference == reference and row.transaction_ref != ref
            for row in list(self.transactions.values())
        ):
            return Refusal.ORDER_BUSY
        return Refusal.WRONG_AMOUNT if order.money != money else None

    def create(self, asked):
        found = self.transactions.get(asked.transaction_ref)
        if found is not None:
            found = self.aged(found)
            if found.state is not State.CREATED:
                return No(Refusal.TRANSACTION_EXPIRED if found.expired else Refusal.WRONG_STATE, found)
            if (found.reference, found.money) != (asked.reference, asked.money):
                return No(Refusal.NOT_SAME_CONTENT, found)
            return Done(found, is_repeat=True)
        if why := self.why_not(asked.reference, asked.money, asked.transaction_ref):
            return No(why)
        if self.now() - asked.their_time >= LIFETIME:
            return No(Refusal.TRANSACTION_EXPIRED)
        return Done(
            self.keep(
                Snapshot(
                    transaction_ref=asked.transaction_ref,
                    reference=asked.reference,
                    our_number=str(next(self.numbers)),
                    money=asked.money,
                    state=State.CREATED,
                    their_time=asked.their_time,
                    created_at=self.now(),
                )
            )
        )

    def perform(self, found):
        if found.state is State.PERFORMED:
            return Done(found, is_repeat=True)
        if found.state is not State.CREATED:
            return No(Refusal.WRONG_STATE, found)
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
        if row.state is State.CREATED and self.now() - row.their_time >= LIFETIME:
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
    """(address, stop)"""

    def app(environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        callback = Callback(
            body=environ["wsgi.input"].read(length),
            headers={k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")},
            received_at=datetime.now(UTC),
            path=environ["PATH_INFO"],
            method=environ["REQUEST_METHOD"],
        )
        reply = book.answer(callback)
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

    return f"http://127.0.0.1:{server.server_port}/api/callbacks/payme", stop
