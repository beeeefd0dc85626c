"""The API's operations, each as strict as the real one: orders, payments, refunds, payment links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.simulators.faults import Fault
from gateway.simulators.razorpay import outcomes, refunds, shapes, strict
from gateway.simulators.razorpay.errors import ApiError, missing, unclear
from gateway.simulators.razorpay.rows import Account, Link, LoggedRequest, Order, Payment, Refund
from gateway.simulators.razorpay.world import World
from gateway.simulators.wire import Json, Router

ORDER_FIELDS = {
    "amount",
    "currency",
    "receipt",
    "notes",
    "payment_capture",
    "payment",
    "unique_receipt",
    "partial_payment",
    "first_payment_min_amount",
}
LINK_FIELDS = {
    "amount",
    "currency",
    "accept_partial",
    "expire_by",
    "reference_id",
    "description",
    "customer",
    "notify",
    "reminder_enable",
    "notes",
    "callback_url",
    "callback_method",
}
# An ordered fault → what becomes of the refund later.
REFUND_ENDS = {"refund_pending": "processed", "refund_fails": "failed"}


@dataclass(slots=True)
class Call:
    account: Account
    key: str
    fields: Json
    args: dict[str, str]
    entry: LoggedRequest
    refund_key: str = ""
    fault: Fault | None = field(default=None)


class Operations:
    """Called under the world's lock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def router(self) -> Router[Callable[[Call], Json]]:
        router: Router[Callable[[Call], Json]] = Router()
        for method, path, name, target in (
            ("POST", "/v1/orders", "orders.create", self.create_order),
            ("GET", "/v1/orders", "orders.list", self.list_orders),
            ("GET", "/v1/orders/{id}", "orders.retrieve", self.retrieve_order),
            ("GET", "/v1/orders/{id}/payments", "orders.payments", self.list_payments),
            ("GET", "/v1/payments/{id}", "payments.retrieve", self.retrieve_payment),
            ("POST", "/v1/payments/{id}/capture", "payments.capture", self.capture),
            ("POST", "/v1/payments/{id}/refund", "payments.refund", self.refund),
            ("GET", "/v1/payments/{id}/refunds", "payments.refunds", self.list_refunds),
            ("GET", "/v1/refunds/{id}", "refunds.retrieve", self.retrieve_refund),
            ("POST", "/v1/payment_links", "payment_links.create", self.create_link),
            ("GET", "/v1/payment_links/{id}", "payment_links.retrieve", self.retrieve_link),
            ("POST", "/v1/payment_links/{id}/cancel", "payment_links.cancel", self.cancel_link),
        ):
            router.add(method, path, name, target)
        return router

    # orders

    def create_order(self, call: Call) -> Json:
        world, given = self._world, call.fields
        known = ORDER_FIELDS if call.account.knows_unique_receipt else ORDER_FIELDS - {"unique_receipt"}
        strict.only(given, known)
        currency = strict.currency(given, international=call.account.international)
        amount = strict.amount(given, currency=currency)
        receipt, notes = strict.text(given, "receipt", longest=40), strict.notes(given)
        captures = strict.captures(given)
        if given.get("partial_payment"):
            raise ApiError("Partial payments are not played here.", field="partial_payment")
        if given.get("unique_receipt") and receipt:
            for row in world.orders.all():
                if row.account == call.account.id and row.receipt == receipt:
                    if (row.amount, row.currency) != (amount, currency):
                        raise ApiError("An order with this receipt exists already.", field="receipt")
                    call.entry.subject = row.id
                    return shapes.order(row)
        row = world.orders.save(
            Order(
                id=world.new_id("order"),
                account=call.account.id,
                amount=amount,
                currency=currency,
                created=world.now(),
                receipt=receipt,
                notes=notes,
                captures=captures,
            )
        )
        call.entry.subject = row.id
        return shapes.order(row)

    def list_orders(self, call: Call) -> Json:
        count, skip = strict.window(call.args)
        receipt = call.args.get("receipt")
        rows = [
            shapes.order(row)
            for row in self._world.orders.newest()
            if row.account == call.account.id and receipt in (None, row.receipt)
        ]
        return shapes.collection(rows[skip : skip + count])

    def retrieve_order(self, call: Call) -> Json:
        return shapes.order(self._order(call))

    def list_payments(self, call: Call) -> Json:
        return shapes.collection([shapes.payment(row) for row in self._world.payments_of(self._order(call))])

    # payments

    def retrieve_payment(self, call: Call) -> Json:
        return shapes.payment(self._payment(call))

    def capture(self, call: Call) -> Json:
        payment = self._payment(call)
        strict.only(call.fields, {"amount", "currency"})
        currency = strict.currency(call.fields)
        amount = strict.amount(call.fields, currency=currency)
        if payment.captured:
            raise unclear("This payment has already been captured")
        if payment.status != "authorized":
            raise unclear("Only payments which have been authorized and not yet captured can be captured")
        if (amount, currency) != (payment.amount, payment.currency):
            raise ApiError("Capture amount must be equal to the amount authorized", field="amount")
        if self._world.order_of(payment).status == "paid":
            raise unclear("Your payment has been declined as the order is already paid.")
        return shapes.payment(outcomes.capture(self._world, payment))

    # refunds

    def refund(self, call: Call) -> Json:
        fault = call.fault
        row = refunds.create(
            self._world,
            self._payment(call),
            call.fields,
            key=call.refund_key,
            then=REFUND_ENDS.get(fault.kind, "") if fault else "",
            seconds=fault.seconds if fault else None,
        )
        return shapes.refund(row)

    def list_refunds(self, call: Call) -> Json:
        count, skip = strict.window(call.args)
        rows = [shapes.refund(row) for row in self._world.refunds_of(self._payment(call))]
        return shapes.collection(rows[skip : skip + count])

    def retrieve_refund(self, call: Call) -> Json:
        row: Refund | None = self._world.refunds.get(call.key)
        if row is None or row.account != call.account.id:
            raise missing()
        return shapes.refund(row)

    # payment links

    def create_link(self, call: Call) -> Json:
        world, given = self._world, call.fields
        strict.only(given, LINK_FIELDS)
        currency = strict.currency(given, international=call.account.international)
        amount = strict.amount(given, currency=currency)
        reference = strict.text(given, "reference_id", longest=40)
        if reference and any(
            row.reference == reference and row.account == call.account.id for row in world.links.all()
        ):
            raise ApiError("payment link creation failed because of an existing reference_id", field="reference_id")
        callback_url = strict.text(given, "callback_url", longest=2000)
        if callback_url and urlsplit(callback_url).scheme not in {"http", "https"}:
            raise ApiError("The callback url format is invalid.", field="callback_url")
        if callback_url and given.get("callback_method") != "get":
            raise ApiError("callback_method must be get", field="callback_method")
        order = world.orders.save(
            Order(world.new_id("order"), call.account.id, amount, currency, world.now(), captures=True)
        )
        link = Link(
            id=world.new_id("plink"),
            account=call.account.id,
            order=order.id,
            amount=amount,
            currency=currency,
            created=world.now(),
            reference=reference,
            description=strict.text(given, "description", longest=2048),
            notes=strict.notes(given),
            callback_url=callback_url,
        )
        order.link = link.id
        world.orders.save(order)
        world.links.save(link)
        call.entry.subject = order.id
        return self._shown(link)

    def retrieve_link(self, call: Call) -> Json:
        return self._shown(self._link(call))

    def cancel_link(self, call: Call) -> Json:
        link = self._link(call)
        if link.status != "created":
            raise unclear(f"This link is {link.status}; it cannot be cancelled")
        link.status = "cancelled"
        self._world.links.save(link)
        order = self._world.orders.get(link.order)
        assert order is not None
        self._world.emit("payment_link.cancelled", order, {"payment_link": self._shown(link)})
        return self._shown(link)

    def _shown(self, link: Link) -> Json:
        order = self._world.orders.get(link.order)
        made = self._world.payments_of(order) if order else []
        return shapes.link(link, self._world.base_url, made)

    def _order(self, call: Call) -> Order:
        row = self._world.orders.get(call.key)
        if row is None or row.account != call.account.id:
            raise missing()
        return row

    def _payment(self, call: Call) -> Payment:
        row = self._world.payments.get(call.key)
        if row is None or row.account != call.account.id:
            raise missing()
        return row

    def _link(self, call: Call) -> Link:
        row = self._world.links.get(call.key)
        if row is None or row.account != call.account.id:
            raise missing()
        return row
