"""The doors below `/_lab/multicard/`: cash desks, what buyers and the cabinet do, and what there is to see of it all.

POST accounts {applicationId, secret, storeId, webhook_url?, callback_url?, name?, takes_parts?, store?}
POST accounts/<id>/expire-tokens
GET  accounts · invoices[?invoice_id=] · invoices/<uuid> · payments[?invoice_id=] · payments/<uuid>
GET  calls[?payment=] (success callbacks with answers, verdicts, violations) · callbacks (webhooks) · requests
POST invoices/<uuid>/act {"outcome": "approve"|"decline"|"delay"|"expire", "ps"?}
POST payments/<uuid>/act {"outcome": "ask"} (ask the seller again) · payments/<uuid>/refund (from the cabinet)
POST payments/<uuid>/send (its last webhook once more)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from gateway.simulators.multicard import overview, shapes
from gateway.simulators.multicard.buyer import OUTCOMES, BuyerPages
from gateway.simulators.multicard.dialogue import Dialogue
from gateway.simulators.multicard.news import PROCESSOR, Messenger
from gateway.simulators.multicard.rows import Account, Invoice, Payment
from gateway.simulators.multicard.world import World
from gateway.simulators.wire import BadRequest, Handler, Json, Request, Response, Router, json_response, see_other


class Missing(Exception):
    """No such thing in the lab."""


class Impossible(Exception):
    """Not in this state."""


class Control:
    def __init__(self, world: World, dialogue: Dialogue, messenger: Messenger, buyer: BuyerPages) -> None:
        self._world = world
        self._dialogue = dialogue
        self._messenger = messenger
        self._buyer = buyer
        self._router: Router[Handler] = Router()
        for method, path, handler in (
            ("GET", "/", lambda request, names: overview.show(world)),
            ("GET", "/accounts", self._listing(lambda args: [masked(row) for row in world.accounts.all()], "accounts")),
            ("POST", "/accounts", self._register),
            ("POST", "/accounts/{id}/expire-tokens", self._expire_tokens),
            ("GET", "/invoices", self._listing(self._invoices, "invoices")),
            ("GET", "/invoices/{id}", self._show_invoice),
            ("POST", "/invoices/{id}/act", self._act_on_invoice),
            ("GET", "/payments", self._listing(self._payments, "payments")),
            ("GET", "/payments/{id}", self._show_payment),
            ("POST", "/payments/{id}/act", self._act_on_payment),
            ("POST", "/payments/{id}/refund", self._refund),
            ("POST", "/payments/{id}/send", self._send),
            ("GET", "/calls", self._listing(self._calls, "calls")),
            ("GET", "/callbacks", self._listing(self._callbacks, "callbacks")),
            ("GET", "/requests", self._listing(self._requests, "requests")),
        ):
            self._router.add(method, path, path, handler)

    def handle(self, request: Request) -> Response | None:
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        try:
            response = found[0].target(request, found[1])
        except Missing as error:
            return json_response({"error": str(error)}, 404)
        except Impossible as error:
            return json_response({"error": str(error)}, 409)
        if request.method == "POST" and request.wants_page:
            return see_other("/_lab/multicard/")
        return response

    def _listing(self, rows: Callable[[dict[str, str]], list[Json]], name: str) -> Handler:
        return lambda request, names: json_response({name: rows(request.args)})

    def _register(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"account": masked(self._world.register(request.fields()))}, 201)

    def _expire_tokens(self, request: Request, names: dict[str, str]) -> Response:
        account = self._world.accounts.get(names["id"])
        if account is None:
            raise Missing("No such account.")
        return json_response({"expired": self._world.expire_tokens(account.application)})

    def _show_invoice(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"invoice": self._shown_invoice(self._invoice(names["id"]))})

    def _show_payment(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"payment": self._shown_payment(self._payment(names["id"]))})

    def _act_on_invoice(self, request: Request, names: dict[str, str]) -> Response:
        invoice, wanted = self._invoice(names["id"]), request.fields()
        outcome = str(wanted.get("outcome", ""))
        if outcome == "expire":
            with self._world.lock:
                invoice.ends = self._world.clock()
                self._world.invoices.save(invoice)
            return json_response({"invoice": self._shown_invoice(invoice)})
        if outcome not in OUTCOMES:
            raise BadRequest("outcome must be approve, decline, delay or expire.")
        payment = self._buyer.choose(invoice, outcome, ps=str(wanted.get("ps") or "uzcard"))
        if payment is None:
            raise Impossible("This invoice cannot be paid (any more).")
        return json_response({"payment": self._shown_payment(payment)})

    def _act_on_payment(self, request: Request, names: dict[str, str]) -> Response:
        payment = self._payment(names["id"])
        if str(request.fields().get("outcome", "")) != "ask":
            raise BadRequest("outcome must be ask.")
        if payment.status not in {"progress", "billing"}:
            raise Impossible("Only a payment that waits for the seller's answer.")
        self._dialogue.settle(payment.id)
        return json_response({"payment": self._shown_payment(payment)})

    def _refund(self, request: Request, names: dict[str, str]) -> Response:
        payment = self._payment(names["id"])
        if payment.status != "success":
            raise Impossible("Only a payment that succeeded can be refunded.")
        self._dialogue.revert(payment)
        return json_response({"payment": self._shown_payment(payment)}, 201)

    def _send(self, request: Request, names: dict[str, str]) -> Response:
        payment = self._payment(names["id"])
        self._messenger.tell(payment)
        return json_response({"payment": self._shown_payment(payment)}, 202)

    def _invoices(self, args: dict[str, str]) -> list[Json]:
        rows = self._world.invoices.newest()
        return [self._shown_invoice(row) for row in rows if args.get("invoice_id") in {None, row.invoice_id}]

    def _payments(self, args: dict[str, str]) -> list[Json]:
        shown = [self._shown_payment(row) for row in self._world.payments.newest()]
        return [row for row in shown if args.get("invoice_id") in {None, row["store_invoice_id"]}]

    def _calls(self, args: dict[str, str]) -> list[Json]:
        return [asdict(row) for row in self._world.asked.newest() if args.get("payment") in {None, row.payment}]

    def _callbacks(self, args: dict[str, str]) -> list[Json]:
        return [
            asdict(row)
            for row in self._world.callbacks.table.newest()
            if row.processor == PROCESSOR
            and args.get("payment") in {None, row.subject}
            and args.get("event") in {None, row.label}
        ]

    def _requests(self, args: dict[str, str]) -> list[Json]:
        return [asdict(row) for row in self._world.requests.newest() if args.get("operation") in {None, row.operation}]

    def _shown_invoice(self, row: Invoice) -> dict[str, Any]:
        with self._world.lock:
            return {**shapes.invoice(self._world, row), "state": row.state, "is_open": self._world.is_open(row)}

    def _shown_payment(self, row: Payment) -> dict[str, Any]:
        """As the API shows it, and what only the lab knows."""
        with self._world.lock:
            lab = {"invoice": row.invoice, "refunded": row.refunded, "note": row.note, "violations": row.violations}
            return {**shapes.payment(self._world, row), **lab}

    def _invoice(self, key: str) -> Invoice:
        row = self._world.invoices.get(key)
        if row is None:
            raise Missing("No such invoice.")
        return row

    def _payment(self, key: str) -> Payment:
        row = self._world.payments.get(key)
        if row is None:
            raise Missing("No such payment.")
        return row


def masked(row: Account) -> Json:
    return {**asdict(row), "secret": f"{row.secret[:2]}…"}
