"""The operations on Checkout Sessions and Payment Links."""

from __future__ import annotations

from gateway.simulators.stripe import checkout_shapes, links, params, sessions
from gateway.simulators.stripe.operations import CALLBACKS_FIRST_SECONDS, Call, Operation, listed
from gateway.simulators.stripe.params import boolean, one_of, text
from gateway.simulators.stripe.rows import CheckoutSession, PaymentLink
from gateway.simulators.stripe.world import Telling, World
from gateway.simulators.wire import Json


class Sessions:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[tuple[str, str, str, Operation]]:
        base = "/v1/checkout/sessions"
        return [
            ("POST", base, "checkout.sessions.create", self.create),
            ("GET", base, "checkout.sessions.list", self.list_all),
            ("GET", f"{base}/{{id}}", "checkout.sessions.retrieve", self.retrieve),
            ("POST", f"{base}/{{id}}/expire", "checkout.sessions.expire", self.expire),
            ("GET", f"{base}/{{id}}/line_items", "checkout.sessions.list_line_items", self.lines),
        ]

    def create(self, call: Call) -> Json:
        wanted = params.read(call.raw, sessions.CREATE)
        sessions.check_create(self._world, call.caller, wanted)
        shape = sessions.create(self._world, call.caller, wanted)
        call.payment = str(shape["id"])
        if call.ordered == "approve_before_answer":
            call.before_answer = lambda: self._approve(call)
        return shape

    def list_all(self, call: Call) -> Json:
        wanted = params.read(
            call.raw,
            {
                **params.PAGING,
                "payment_intent": text(),
                "payment_link": text(),
                "status": one_of("complete", "expired", "open"),
            },
        )
        rows = [
            row
            for row in self._world.owned(self._world.sessions, call.caller)
            if all(wanted.get(name, getattr(row, name)) == getattr(row, name) for name in ("status", "payment_link"))
            and wanted.get("payment_intent", row.payment_intent) == row.payment_intent
        ]
        expand = [name.removeprefix("data.") for name in wanted.get("expand", [])]
        return listed(
            rows, wanted, "/v1/checkout/sessions", lambda row: checkout_shapes.session(self._world, row, expand)
        )

    def retrieve(self, call: Call) -> Json:
        wanted = params.read(call.raw, params.EXPAND)
        return checkout_shapes.session(self._world, self._find(call), wanted.get("expand"))

    def expire(self, call: Call) -> Json:
        wanted = params.read(call.raw, params.EXPAND)
        session = self._find(call)
        if call.ordered == "success_after_cancel" and session.status == "open":
            sessions.pay(self._world, session, "approve")
        return checkout_shapes.session(self._world, sessions.expire(self._world, session), wanted.get("expand"))

    def lines(self, call: Call) -> Json:
        params.read(call.raw, params.PAGING)
        return checkout_shapes.lines(self._find(call))

    def _find(self, call: Call) -> CheckoutSession:
        call.payment = call.id
        return self._world.find(self._world.sessions, call.id, call.caller, "checkout.session", "session")

    def _approve(self, call: Call) -> None:
        """Ordered: the buyer is faster than our answer."""
        with self._world.telling_as(Telling()) as telling:
            session = self._world.sessions.get(call.payment)
            if session is not None and session.status == "open":
                sessions.pay(self._world, session, "approve")
        seconds = call.fault.seconds if call.fault and call.fault.seconds else CALLBACKS_FIRST_SECONDS
        self._world.callbacks.wait_tried(telling.sent, seconds)


class Links:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[tuple[str, str, str, Operation]]:
        base = "/v1/payment_links"
        return [
            ("POST", base, "payment_links.create", self.create),
            ("GET", base, "payment_links.list", self.list_all),
            ("GET", f"{base}/{{id}}", "payment_links.retrieve", self.retrieve),
            ("POST", f"{base}/{{id}}", "payment_links.update", self.update),
            ("GET", f"{base}/{{id}}/line_items", "payment_links.list_line_items", self.lines),
        ]

    def create(self, call: Call) -> Json:
        wanted = params.read(call.raw, links.CREATE)
        links.check_create(wanted)
        return links.create(self._world, call.caller, wanted)

    def list_all(self, call: Call) -> Json:
        wanted = params.read(call.raw, {**params.PAGING, "active": boolean})
        rows = [
            row
            for row in self._world.owned(self._world.links, call.caller)
            if wanted.get("active", row.is_active) == row.is_active
        ]
        return listed(rows, wanted, "/v1/payment_links", lambda row: checkout_shapes.link(self._world, row))

    def retrieve(self, call: Call) -> Json:
        wanted = params.read(call.raw, params.EXPAND)
        return checkout_shapes.link(self._world, self._find(call), wanted.get("expand"))

    def update(self, call: Call) -> Json:
        wanted = params.read(call.raw, links.UPDATE)
        return links.update(self._world, self._find(call), wanted)

    def lines(self, call: Call) -> Json:
        params.read(call.raw, params.PAGING)
        return checkout_shapes.lines(self._find(call))

    def _find(self, call: Call) -> PaymentLink:
        return self._world.find(self._world.links, call.id, call.caller, "payment_link", "payment_link")
