"""The doors below `/_lab/razorpay/`: keys, what buyers, banks and the dashboard do, and what there is to see of it all.

POST accounts {keyId, keySecret, webhookSecret?, webhook_url?, name?, account?, captures?, international?, …}
POST accounts/<key id>/roll {"webhookSecret"?, "keySecret"?}
GET  accounts · orders[?receipt=] · orders/<id> · payments[?order=] · payments/<id> · refunds[?payment=] · disputes
GET  callbacks[?order=&event=&state=] · requests[?operation=&order=]
POST orders/<id>/act {"outcome": "approve"|"decline"|"delay", "method"?, "reason"?, "notes"?}: a buyer without a
     browser; a paid order is paid a second time, which Razorpay sends back by itself
POST payments/<id>/act {"outcome": "settle"|"fail"|"late"|"capture"|"expire", "reason"?}
POST payments/<id>/refund {"amount"?} · payments/<id>/dispute {"reason"?}: from the dashboard, and from the bank
POST refunds/<id>/act {"outcome": "processed"|"failed"} · disputes/<id>/act {"outcome": "under_review"|…|"closed"}
POST events/<id>/send: once more, signed with the present secret
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from gateway.simulators.razorpay import outcomes, overview, refunds, shapes
from gateway.simulators.razorpay.buyer import METHODS, OUTCOMES, act, return_fields
from gateway.simulators.razorpay.errors import ApiError
from gateway.simulators.razorpay.events import PROCESSOR, Messenger
from gateway.simulators.razorpay.outcomes import Impossible
from gateway.simulators.razorpay.rows import Account, Order, Payment
from gateway.simulators.razorpay.world import Telling, World
from gateway.simulators.wire import BadRequest, Handler, Json, Request, Response, Router, json_response, see_other


class Missing(Exception):
    """No such thing in the lab."""


class Control:
    def __init__(self, world: World, messenger: Messenger) -> None:
        self._world = world
        self._messenger = messenger
        self._router: Router[Handler] = Router()
        for method, path, handler in (
            ("GET", "/", lambda request, names: overview.show(world)),
            ("GET", "/accounts", self._listing(lambda args: [masked(row) for row in world.accounts.all()], "accounts")),
            ("POST", "/accounts", self._register),
            ("POST", "/accounts/{id}/roll", self._roll),
            ("GET", "/orders", self._listing(self._orders, "orders")),
            ("GET", "/orders/{id}", self._show_order),
            ("POST", "/orders/{id}/act", self._act_on_order),
            ("GET", "/payments", self._listing(self._payments, "payments")),
            ("GET", "/payments/{id}", self._show_payment),
            ("POST", "/payments/{id}/act", self._act_on_payment),
            ("POST", "/payments/{id}/refund", self._refund),
            ("POST", "/payments/{id}/dispute", self._dispute),
            ("GET", "/refunds", self._listing(self._refunds, "refunds")),
            ("POST", "/refunds/{id}/act", self._act_on_refund),
            (
                "GET",
                "/disputes",
                self._listing(lambda args: [asdict(row) for row in world.disputes.newest()], "disputes"),
            ),
            ("POST", "/disputes/{id}/act", self._act_on_dispute),
            ("GET", "/callbacks", self._listing(self._callbacks, "callbacks")),
            ("GET", "/requests", self._listing(self._requests, "requests")),
            ("POST", "/events/{id}/send", self._send),
        ):
            self._router.add(method, path, path, handler)

    def handle(self, request: Request) -> Response | None:
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        try:
            with self._world.telling_as(Telling()):
                response = found[0].target(request, found[1])
        except Missing as error:
            return json_response({"error": str(error)}, 404)
        except (Impossible, ApiError) as error:
            return json_response({"error": str(error)}, 409)
        if request.method == "POST" and request.wants_page:
            return see_other("/_lab/razorpay/")
        return response

    def _listing(self, rows: Callable[[dict[str, str]], list[Json]], name: str) -> Handler:
        return lambda request, names: json_response({name: rows(request.args)})

    # accounts

    def _register(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"account": masked(self._world.register(request.fields()))}, 201)

    def _roll(self, request: Request, names: dict[str, str]) -> Response:
        account, wanted = self._world.accounts.get(names["id"]), request.fields()
        if account is None:
            raise Missing("No such account.")
        if not wanted or set(wanted) - {"webhookSecret", "keySecret"}:
            raise BadRequest("webhookSecret or keySecret, with its new value.")
        account.webhook_secret = str(wanted.get("webhookSecret", account.webhook_secret))
        account.key_secret = str(wanted.get("keySecret", account.key_secret))
        return json_response({"account": masked(self._world.accounts.save(account))})

    # what happens to orders and payments

    def _show_order(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"order": self._shown(self._order(names["id"]))})

    def _show_payment(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"payment": shapes.payment(self._payment(names["id"]))})

    def _act_on_order(self, request: Request, names: dict[str, str]) -> Response:
        world, order, wanted = self._world, self._order(names["id"]), request.fields()
        outcome, method = str(wanted.get("outcome", "")), str(wanted.get("method") or "upi")
        if outcome not in OUTCOMES or method not in METHODS:
            raise BadRequest("outcome must be approve, decline or delay; method a known way to pay.")
        notes = wanted.get("notes")
        payment = outcomes.attempt(world, order, method=method, notes=notes if isinstance(notes, dict) else None)
        act(world, payment, outcome, str(wanted.get("reason") or ""))
        answer = {"payment": shapes.payment(payment), "return": return_fields(world, payment)}
        return json_response(answer)

    def _act_on_payment(self, request: Request, names: dict[str, str]) -> Response:
        world, payment, wanted = self._world, self._payment(names["id"]), request.fields()
        outcome = str(wanted.get("outcome", ""))
        if outcome == "settle":
            _need(payment, "created")
            outcomes.authorize(world, payment)
        elif outcome == "late":
            _need(payment, "failed")
            outcomes.authorize(world, payment)
        elif outcome == "fail":
            outcomes.fail(world, payment, str(wanted.get("reason") or "payment_timed_out"))
        elif outcome == "capture":
            outcomes.capture(world, payment)
        elif outcome == "expire":
            outcomes.let_go(world, payment)
        else:
            raise BadRequest("outcome must be settle, fail, late, capture or expire.")
        return json_response({"payment": shapes.payment(payment)})

    def _refund(self, request: Request, names: dict[str, str]) -> Response:
        """No request of ours, no idempotency key, no notes."""
        amount = request.fields().get("amount")
        if amount is not None and not str(amount).isdecimal():
            raise BadRequest("amount must be a whole number of minor units.")
        row = refunds.make(self._world, self._payment(names["id"]), None if amount is None else int(amount))
        return json_response({"refund": shapes.refund(row)}, 201)

    def _act_on_refund(self, request: Request, names: dict[str, str]) -> Response:
        outcome, row = str(request.fields().get("outcome", "")), self._world.refunds.get(names["id"])
        if row is None:
            raise Missing("No such refund.")
        if outcome not in {"processed", "failed"}:
            raise BadRequest("outcome must be processed or failed.")
        return json_response({"refund": shapes.refund(refunds.finish(self._world, row, outcome))})

    def _dispute(self, request: Request, names: dict[str, str]) -> Response:
        reason = str(request.fields().get("reason") or "")
        row = outcomes.open_dispute(self._world, self._payment(names["id"]), reason)
        return json_response({"dispute": shapes.dispute(row)}, 201)

    def _act_on_dispute(self, request: Request, names: dict[str, str]) -> Response:
        outcome, row = str(request.fields().get("outcome", "")), self._world.disputes.get(names["id"])
        if row is None:
            raise Missing("No such dispute.")
        if outcome not in outcomes.DISPUTE_WORDS:
            raise BadRequest(f"outcome must be one of {', '.join(outcomes.DISPUTE_WORDS)}.")
        return json_response({"dispute": shapes.dispute(outcomes.move_dispute(self._world, row, outcome))})

    def _send(self, request: Request, names: dict[str, str]) -> Response:
        event = self._world.events.get(names["id"])
        if event is None:
            raise Missing("No such event.")
        outgoing = self._messenger.resend(event)
        if outgoing is None:
            raise Impossible("This account has no webhook.")
        return json_response({"callback": asdict(outgoing)}, 202)

    # what there is to see

    def _orders(self, args: dict[str, str]) -> list[Json]:
        rows = self._world.orders.newest()
        return [self._shown(row) for row in rows if args.get("receipt") in {None, row.receipt}]

    def _payments(self, args: dict[str, str]) -> list[Json]:
        rows = self._world.payments.newest()
        return [shapes.payment(row) for row in rows if args.get("order") in {None, row.order}]

    def _refunds(self, args: dict[str, str]) -> list[Json]:
        rows = self._world.refunds.newest()
        return [shapes.refund(row) for row in rows if args.get("payment") in {None, row.payment}]

    def _callbacks(self, args: dict[str, str]) -> list[Json]:
        return [
            asdict(row)
            for row in self._world.callbacks.table.newest()
            if row.processor == PROCESSOR
            and args.get("order") in {None, row.subject}
            and args.get("event") in {None, row.label}
            and args.get("state") in {None, row.state}
        ]

    def _requests(self, args: dict[str, str]) -> list[Json]:
        return [
            asdict(row)
            for row in self._world.requests.newest()
            if args.get("order") in {None, row.subject} and args.get("operation") in {None, row.operation}
        ]

    def _shown(self, order: Order) -> Json:
        made = [shapes.payment(row) for row in self._world.payments_of(order)]
        return {**shapes.order(order), "captures": self._world.captures(order), "payments": made}

    def _order(self, key: str) -> Order:
        order = self._world.orders.get(key)
        if order is None:
            raise Missing("No such order.")
        return order

    def _payment(self, key: str) -> Payment:
        payment = self._world.payments.get(key)
        if payment is None:
            raise Missing("No such payment.")
        return payment


def _need(payment: Payment, state: str) -> None:
    if payment.status != state:
        raise Impossible(f"The payment is {payment.status}; this needs {state}.")


def masked(row: Account) -> Json:
    return {**asdict(row), "key_secret": "…", "webhook_secret": "…" if row.webhook_secret else ""}
