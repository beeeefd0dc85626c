"""The operations on payments, refunds, charges and events: address, name and what each does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.simulators.faults import Fault
from gateway.simulators.stripe import intents, outcomes, params, refunds, shapes
from gateway.simulators.stripe.errors import ApiError, missing
from gateway.simulators.stripe.rows import PaymentIntent
from gateway.simulators.stripe.world import Caller, Owned, Telling, World
from gateway.simulators.wire import Json

O = TypeVar("O", bound=Owned)  # noqa: E741
CALLBACKS_FIRST_SECONDS = 5.0


@dataclass(slots=True)
class Call:
    """One API call: who, about which id, with which (not yet checked) parameters."""

    caller: Caller
    id: str
    raw: Json
    fault: Fault | None = None
    payment: str = ""
    before_answer: Callable[[], object] | None = None

    @property
    def ordered(self) -> str:
        return self.fault.kind if self.fault else ""

    @property
    def decline_code(self) -> str:
        return (self.fault.code or "card_declined") if self.fault and self.fault.kind == "402" else ""


Operation = Callable[[Call], Json]


class PaymentIntents:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[tuple[str, str, str, Operation]]:
        base = "/v1/payment_intents"
        return [
            ("POST", base, "payment_intents.create", self.create),
            ("GET", base, "payment_intents.list", self.list_all),
            ("GET", f"{base}/{{id}}", "payment_intents.retrieve", self.retrieve),
            ("POST", f"{base}/{{id}}", "payment_intents.update", self.update),
            ("POST", f"{base}/{{id}}/confirm", "payment_intents.confirm", self.confirm),
            ("POST", f"{base}/{{id}}/capture", "payment_intents.capture", self.capture),
            ("POST", f"{base}/{{id}}/cancel", "payment_intents.cancel", self.cancel),
        ]

    def create(self, call: Call) -> Json:
        wanted = params.read(call.raw, intents.CREATE)
        intents.check_create(call.caller, wanted)
        shape = intents.create(self._world, call.caller, wanted, call.decline_code if wanted.get("confirm") else "")
        self._maybe_approve(call, str(shape["id"]))
        return shape

    def retrieve(self, call: Call) -> Json:
        wanted = params.read(call.raw, {**params.EXPAND, "client_secret": params.text()})
        return shapes.intent(self._world, self._find(call), wanted.get("expand"))

    def list_all(self, call: Call) -> Json:
        wanted = params.read(call.raw, {**params.PAGING, "customer": params.text()})
        rows = [] if "customer" in wanted else self._world.owned(self._world.intents, call.caller)
        expand = [name.removeprefix("data.") for name in wanted.get("expand", [])]
        return listed(rows, wanted, "/v1/payment_intents", lambda row: shapes.intent(self._world, row, expand))

    def update(self, call: Call) -> Json:
        wanted = params.read(call.raw, intents.EDIT)
        intents.check_edit(call.caller, wanted)
        return intents.update(self._world, call.caller, self._find(call), wanted)

    def confirm(self, call: Call) -> Json:
        wanted = params.read(call.raw, intents.CONFIRM)
        intents.check_edit(call.caller, wanted)
        shape = intents.confirm(self._world, call.caller, self._find(call), wanted, call.decline_code)
        self._maybe_approve(call, call.id)
        return shape

    def capture(self, call: Call) -> Json:
        wanted = params.read(call.raw, intents.CAPTURE)
        return intents.capture(self._world, self._find(call), wanted)

    def cancel(self, call: Call) -> Json:
        wanted = params.read(call.raw, intents.CANCEL)
        intent = self._find(call)
        if call.ordered == "success_after_cancel" and intent.status == "requires_action":
            outcomes.approve(self._world, intent)
        return intents.cancel(self._world, intent, wanted)

    def _find(self, call: Call) -> PaymentIntent:
        call.payment = call.id
        return self._world.find(self._world.intents, call.id, call.caller, "payment_intent", "intent")

    def _maybe_approve(self, call: Call, key: str) -> None:
        """Ordered: the buyer is faster than our answer. The answer still shows the payment as it was."""
        call.payment = key
        intent = self._world.intents.get(key)
        if call.ordered != "approve_before_answer" or intent is None or intent.status != "requires_action":
            return

        def approve() -> None:
            with self._world.telling_as(Telling()) as telling:
                outcomes.approve(self._world, intent)
            seconds = call.fault.seconds if call.fault and call.fault.seconds else CALLBACKS_FIRST_SECONDS
            self._world.callbacks.wait_tried(telling.sent, seconds)

        call.before_answer = approve


class Refunds:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[tuple[str, str, str, Operation]]:
        return [
            ("POST", "/v1/refunds", "refunds.create", self.create),
            ("GET", "/v1/refunds", "refunds.list", self.list_all),
            ("GET", "/v1/refunds/{id}", "refunds.retrieve", self.retrieve),
            ("POST", "/v1/refunds/{id}", "refunds.update", self.update),
            ("POST", "/v1/refunds/{id}/cancel", "refunds.cancel", self.cancel),
        ]

    def create(self, call: Call) -> Json:
        wanted = params.read(call.raw, refunds.CREATE)
        refunds.check_create(wanted)
        then = {"refund_pending": "succeeded", "refund_fails": "failed"}.get(call.ordered, "")
        return refunds.create(self._world, call.caller, wanted, then, call.fault.seconds if call.fault else None)

    def list_all(self, call: Call) -> Json:
        wanted = params.read(call.raw, {**params.PAGING, "payment_intent": params.text(), "charge": params.text()})
        rows = [
            row
            for row in self._world.owned(self._world.refunds, call.caller)
            if wanted.get("payment_intent") in {None, row.payment_intent} and wanted.get("charge") in {None, row.charge}
        ]
        return listed(rows, wanted, "/v1/refunds", shapes.refund)

    def retrieve(self, call: Call) -> Json:
        params.read(call.raw, params.EXPAND)
        return shapes.refund(self._world.find(self._world.refunds, call.id, call.caller, "refund"))

    def update(self, call: Call) -> Json:
        wanted = params.read(call.raw, refunds.UPDATE)
        row = self._world.find(self._world.refunds, call.id, call.caller, "refund")
        return refunds.update(self._world, row, wanted)

    def cancel(self, call: Call) -> Json:
        params.read(call.raw, params.EXPAND)
        return refunds.cancel(self._world, self._world.find(self._world.refunds, call.id, call.caller, "refund"))


class Others:
    """Account, charges and events: things one only looks at."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[tuple[str, str, str, Operation]]:
        return [
            ("GET", "/v1/account", "account.retrieve", self.account),
            ("GET", "/v1/charges/{id}", "charges.retrieve", self.charge),
            ("GET", "/v1/events", "events.list", self.events),
            ("GET", "/v1/events/{id}", "events.retrieve", self.event),
        ]

    def account(self, call: Call) -> Json:
        params.read(call.raw, params.EXPAND)
        return shapes.account(call.caller.account)

    def charge(self, call: Call) -> Json:
        params.read(call.raw, params.EXPAND)
        return shapes.charge_shape(self._world, self._world.find(self._world.charges, call.id, call.caller, "charge"))

    def events(self, call: Call) -> Json:
        wanted = params.read(
            call.raw,
            {
                **params.PAGING,
                "type": params.text(),
                "types": params.many(params.text()),
                "delivery_success": params.boolean,
            },
        )
        if "type" in wanted and "types" in wanted:
            raise ApiError("You may pass either type or types, not both.", param="types")
        types = [wanted["type"]] if "type" in wanted else wanted.get("types", [])
        delivered = wanted.get("delivery_success")
        rows = [
            row
            for row in self._world.owned(self._world.events, call.caller)
            if (not types or any(_is_type(row.type, wish) for wish in types))
            and (delivered is None or delivered == (row.pending_webhooks == 0))
        ]
        return listed(rows, wanted, "/v1/events", shapes.event)

    def event(self, call: Call) -> Json:
        params.read(call.raw, params.EXPAND)
        return shapes.event(self._world.find(self._world.events, call.id, call.caller, "event"))


def _is_type(type: str, wish: str) -> bool:
    return type == wish or (wish.endswith(".*") and type.startswith(wish[:-1]))


def listed(rows: list[O], wanted: Json, url: str, shape: Callable[[O], Json]) -> Json:
    """One page, newest first, with Stripe's cursors."""
    limit = wanted.get("limit", 10)
    if not 1 <= limit <= 100:
        raise ApiError("limit must lie between 1 and 100.", code="parameter_invalid_integer", param="limit")
    if "starting_after" in wanted and "ending_before" in wanted:
        raise ApiError("starting_after and ending_before exclude each other.", param="starting_after")
    for name, bound in wanted.get("created", {}).items():
        rows = [row for row in rows if _holds(row.created, name, bound)]
    places = {row.id: place for place, row in enumerate(rows)}
    if (cursor := wanted.get("starting_after")) is not None:
        rows = rows[_place(places, cursor, "starting_after") + 1 :]
        return shapes.page_of([shape(row) for row in rows[:limit]], url, len(rows) > limit)
    if (cursor := wanted.get("ending_before")) is not None:
        rows = rows[: _place(places, cursor, "ending_before")]
        return shapes.page_of([shape(row) for row in rows[-limit:]], url, len(rows) > limit)
    return shapes.page_of([shape(row) for row in rows[:limit]], url, len(rows) > limit)


def _place(places: dict[str, int], cursor: str, param: str) -> int:
    if cursor not in places:
        raise missing("object", cursor, param=param)
    return places[cursor]


def _holds(created: int, name: str, bound: int) -> bool:
    return {
        "eq": created == bound,
        "gt": created > bound,
        "gte": created >= bound,
        "lt": created < bound,
        "lte": created <= bound,
    }[name]
