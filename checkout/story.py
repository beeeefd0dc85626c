"""Where the money is, told from the rows: who said what and when, and what comes next.

Facts only, each with a name of its own; whoever shows them finds the words. It says what was said and by whom, never
how it will end: an order whose truth is unknown has no step that calls it failed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from checkout import siblings
from checkout.models import Order, OrderEvent, Payment, ProcessorTransaction, Refund
from checkout.statuses import PageState
from gateway import registry
from gateway.money import Money
from webhooks.models import Delivery

Kind = OrderEvent.Kind


class Says(StrEnum):
    """One thing that happened."""

    OPENED = "opened"
    OPENED_AGAIN = "opened_again"
    STARTED = "started"
    WAITED = "waited"
    RESERVED = "reserved"
    WORKED = "worked"
    HELD = "held"
    UNCLEAR = "unclear"
    REVIEWED = "reviewed"
    ACCEPTED = "accepted"
    TO_BE_RETURNED = "to_be_returned"
    REFUSED = "refused"
    ENDED = "ended"
    OUT_OF_TIME = "out_of_time"
    NOT_STARTED = "not_started"
    PAID = "paid"
    PAID_LATE = "paid_late"
    PAID_TWICE = "paid_twice"
    CANCELLED_HERE = "cancelled_here"
    CANCELLED_BY_SELLER = "cancelled_by_seller"
    PAID_ELSEWHERE = "paid_elsewhere"
    CLOSED = "closed"
    EXPIRED = "expired"
    RETURN_ASKED = "return_asked"
    RETURN_ASKED_BY_SELLER = "return_asked_by_seller"
    RETURN_BY_RULE = "return_by_rule"
    RETURN_UNDER_WAY = "return_under_way"
    RETURNED = "returned"
    RETURN_FAILED = "return_failed"
    RETURN_CAME_BACK = "return_came_back"
    RETURN_STRANGE = "return_strange"
    DISPUTED = "disputed"
    DISPUTE_OVER = "dispute_over"
    TOLD_PAID = "told_paid"
    TOLD_REFUSED = "told_refused"
    TOLD_RETURNED = "told_returned"
    TOLD_CLOSED = "told_closed"


class Ahead(StrEnum):
    """What follows from where things stand."""

    PAY_BY = "pay_by"
    CONFIRM_BY = "confirm_by"
    WE_ASK = "we_ask"
    WE_ASK_SOON = "we_ask_soon"
    PEOPLE_CHECK = "people_check"
    SECOND_GOES_BACK = "second_goes_back"
    RETURN_ON_ITS_WAY = "return_on_its_way"
    RETURN_NOT_DONE = "return_not_done"
    DISPUTE_DECIDES = "dispute_decides"
    PROCESSOR_GIVES_BACK = "processor_gives_back"
    SELLER_DELIVERS = "seller_delivers"
    SELLER_WAS_TOLD = "seller_was_told"
    SELLER_NOT_REACHED = "seller_not_reached"


@dataclass(frozen=True, slots=True)
class Step:
    says: Says
    at: datetime
    payment: Payment | None = None
    money: Money | None = None
    advice: str = ""  # of a refused try


@dataclass(frozen=True, slots=True)
class Outlook:
    says: Ahead
    at: datetime | None = None
    payment: Payment | None = None
    money: Money | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """`steps` the oldest first; `ahead` the most pressing first."""

    steps: list[Step] = field(default_factory=list)
    ahead: list[Outlook] = field(default_factory=list)


def story_of(order: Order, payments: Iterable[Payment], state: PageState, *, now: datetime) -> Story:
    """`payments` are all of the order's, `state` what the buyer is told (`statuses.page_state`)."""
    tries = {payment.pk: payment for payment in payments}
    refunds = {refund.pk: refund for refund in Refund.objects.filter(payment__order=order) if _is_told(refund)}
    deliveries = list(
        Delivery.objects.filter(order_id=order.pk)
        .only("event_kind", "sequence", "state", "created_at", "delivered_at")
        .order_by("sequence")
    )
    events = list(OrderEvent.objects.filter(order=order).order_by("sequence"))
    taken_twice = [payment for payment in tries.values() if surplus_of(payment)]
    return Story(
        steps=_steps(order, events, tries, refunds, deliveries),
        ahead=[
            *(Outlook(Ahead.SECOND_GOES_BACK, payment=p, money=surplus_of(p)) for p in taken_twice),
            *_of_doubts(events, tries),
            *_of_state(order, list(tries.values()), state, now=now),
            *_of_refunds(refunds.values(), tries),
            *_of_seller(deliveries),
        ],
    )


def _is_told(refund: Refund) -> bool:
    """A refund that waits for a second person of ours, or was rejected there, is no refund yet."""
    return refund.status not in (Refund.Status.PROPOSED, Refund.Status.CANCELLED)


def surplus_of(payment: Payment) -> Money | None:
    """What was taken, pays nothing and is not back yet."""
    if payment.status != Payment.Status.CAPTURED or not payment.is_duplicate:
        return None
    left = payment.captured_minor - payment.refunded_minor
    return Money(left, payment.currency) if left > 0 else None


# --- what happened ------------------------------------------------------------------------------------------------

_BY_KIND = {
    Kind.PAYMENT_STARTED: Says.STARTED,
    Kind.PAYMENT_PENDING: Says.WAITED,
    Kind.PAYMENT_RESERVED: Says.RESERVED,
    Kind.PAYMENT_PROCESSING: Says.WORKED,
    Kind.PAYMENT_AUTHORIZED: Says.HELD,
    Kind.PAYMENT_UNKNOWN: Says.UNCLEAR,
    Kind.PAYMENT_REVIEW: Says.REVIEWED,
    Kind.PAYMENT_FAILED: Says.REFUSED,
    Kind.PAYMENT_CANCELLED: Says.ENDED,
    Kind.PAYMENT_EXPIRED: Says.OUT_OF_TIME,
    Kind.PAYMENT_ERROR: Says.NOT_STARTED,
    Kind.DUPLICATE_PAYMENT: Says.PAID_TWICE,
    Kind.ORDER_EXPIRED: Says.EXPIRED,
    Kind.REFUND_PENDING: Says.RETURN_UNDER_WAY,
    Kind.REFUND_SUCCEEDED: Says.RETURNED,
    Kind.REFUND_FAILED: Says.RETURN_FAILED,
    Kind.REFUND_REVERSED: Says.RETURN_CAME_BACK,
    Kind.REFUND_EXCESS: Says.RETURN_STRANGE,
    Kind.DISPUTE_OPENED: Says.DISPUTED,
    Kind.DISPUTE_CLOSED: Says.DISPUTE_OVER,
}
_OF_REFUNDS = {
    Kind.REFUND_REQUESTED,
    Kind.REFUND_PENDING,
    Kind.REFUND_SUCCEEDED,
    Kind.REFUND_FAILED,
    Kind.REFUND_REVERSED,
}
_TOLD = {  # the word on the wire, without the dialect before it
    "succeeded": Says.TOLD_PAID,
    "paid": Says.TOLD_PAID,
    "failed": Says.TOLD_REFUSED,
    "refunded": Says.TOLD_RETURNED,
    "cancelled": Says.TOLD_CLOSED,
}
_SELLERS_CAUSES = ("api key", "service key", "merchant secret", "portal")


def _steps(
    order: Order,
    events: Iterable[OrderEvent],
    tries: Mapping[UUID, Payment],
    refunds: Mapping[UUID, Refund],
    deliveries: Iterable[Delivery],
) -> list[Step]:
    steps: list[Step] = []
    reached = order.created_at
    for event in events:
        # The numbers say the order; a clock that ran behind does not turn it around.
        reached = max(reached, event.at)
        step = _step(order, event, tries, refunds, at=reached)
        if step is not None:
            steps.append(step)
    told = [
        Step(says, delivery.delivered_at)
        for delivery in deliveries
        if delivery.delivered_at and (says := _told(delivery)) is not None
    ]
    return sorted([*steps, *told], key=lambda step: step.at)  # stable: what happened at once stays in its order


def _step(
    order: Order, event: OrderEvent, tries: Mapping[UUID, Payment], refunds: Mapping[UUID, Refund], *, at: datetime
) -> Step | None:
    kind = Kind(event.kind) if event.kind in Kind.values else None
    payment = tries.get(event.payment_id) if event.payment_id else None
    refund = refunds.get(event.refund_id) if event.refund_id else None
    says = _says(event, kind) if kind else None
    if says is None or (kind in _OF_REFUNDS and refund is None):
        return None
    return Step(
        says=says,
        at=at,
        payment=payment,
        money=refund.money if refund else _money_of(order, event, payment),
        advice=str(event.data.get("advice", "")) if kind == Kind.PAYMENT_FAILED else "",
    )


def _money_of(order: Order, event: OrderEvent, payment: Payment | None) -> Money:
    if event.kind in (Kind.PAID, Kind.DUPLICATE_PAYMENT) and payment is not None and payment.captured_minor:
        return Money(payment.captured_minor, payment.currency)
    return order.money


def _says(event: OrderEvent, kind: Kind) -> Says | None:
    match kind:
        case Kind.ORDER_CREATED:
            return Says.OPENED if event.sequence == 1 else Says.OPENED_AGAIN
        case Kind.PAID:
            return Says.PAID_LATE if event.data.get("late") else Says.PAID
        case Kind.PAYMENT_REVIEWED:
            return Says.ACCEPTED if event.data.get("exit") == "accept" else Says.TO_BE_RETURNED
        case Kind.ORDER_CANCELLED:
            return _cancelled(event.cause)
        case Kind.REFUND_REQUESTED:
            if event.cause == "late capture rule":
                return Says.RETURN_BY_RULE
            return Says.RETURN_ASKED_BY_SELLER if event.cause.startswith(_SELLERS_CAUSES) else Says.RETURN_ASKED
        case _:
            return _BY_KIND.get(kind)


def _cancelled(cause: str) -> Says:
    if cause == "the buyer":
        return Says.CANCELLED_HERE
    if cause == "sibling paid":
        return Says.PAID_ELSEWHERE
    return Says.CANCELLED_BY_SELLER if cause.startswith(_SELLERS_CAUSES) else Says.CLOSED


def _told(delivery: Delivery) -> Says | None:
    return _TOLD.get(delivery.event_kind.replace("_", ".").rpartition(".")[2])


# --- what comes next ----------------------------------------------------------------------------------------------


def _of_doubts(events: Iterable[OrderEvent], tries: Mapping[UUID, Payment]) -> list[Outlook]:
    """Payments that people have to decide about: put under review, and nothing settled it since."""
    settling = (Kind.PAYMENT_REVIEWED, Kind.PAID, Kind.DUPLICATE_PAYMENT)
    last = {
        event.payment_id: Kind(event.kind)
        for event in events
        if event.payment_id and event.kind in (Kind.PAYMENT_REVIEW, *settling)
    }
    doubted = [tries[found] for found, kind in last.items() if kind == Kind.PAYMENT_REVIEW and found in tries]
    return [Outlook(Ahead.PEOPLE_CHECK, payment=payment) for payment in doubted]


def _of_state(order: Order, tries: list[Payment], state: PageState, *, now: datetime) -> list[Outlook]:
    if any(payment.is_disputed for payment in tries):
        return [Outlook(Ahead.DISPUTE_DECIDES)]
    found: list[Outlook] = []
    reservation = _reservation(order, now=now)
    if reservation is not None and state not in (PageState.PAID, PageState.REFUNDED):
        found.append(Outlook(Ahead.CONFIRM_BY, at=reservation.expires_at, payment=reservation.payment))
    elif state == PageState.READY or (state == PageState.FAILED and order.expires_at > now):
        found.append(Outlook(Ahead.PAY_BY, at=order.expires_at))
    elif state in (PageState.WAITING, PageState.PROCESSING, PageState.CHECKING):
        found += [_asking(payment) for payment in tries if payment.status in Payment.OPEN and _can_ask(payment)]
    if state in (PageState.FAILED, PageState.CANCELLED, PageState.EXPIRED, PageState.READY):
        found += [Outlook(Ahead.PROCESSOR_GIVES_BACK, payment=payment) for payment in _let_go(order)]
    if state == PageState.PAID or (state == PageState.CANCELLED and siblings.is_any_paid(order)):
        found.append(Outlook(Ahead.SELLER_DELIVERS))
    return found


def _reservation(order: Order, *, now: datetime) -> ProcessorTransaction | None:
    """What an asking processor holds right now."""
    alive = order.processor_transactions.filter(state=ProcessorTransaction.State.CREATED, expires_at__gt=now)
    return alive.select_related("payment").first()


def _let_go(order: Order) -> list[Payment]:
    """Payments whose reservation ended before we were asked to complete: the processor may have debited already."""
    ended = order.processor_transactions.filter(state=ProcessorTransaction.State.CANCELLED).select_related("payment")
    return list({row.payment.processor: row.payment for row in ended}.values())


def _can_ask(payment: Payment) -> bool:
    entry = registry.PROCESSORS.get(payment.processor)
    return entry is not None and entry.capabilities.has_status


def _asking(payment: Payment) -> Outlook:
    if payment.last_asked_at is None:
        return Outlook(Ahead.WE_ASK_SOON, payment=payment)
    return Outlook(Ahead.WE_ASK, at=payment.last_asked_at, payment=payment)


def _of_refunds(refunds: Iterable[Refund], tries: Mapping[UUID, Payment]) -> list[Outlook]:
    """Returns that are on their way; of those that failed only the last word about their payment."""
    found: list[Outlook] = []
    last: dict[UUID, Refund] = {}
    for refund in sorted(refunds, key=lambda refund: (refund.created_at, refund.pk)):
        last[refund.payment_id] = refund
        if refund.status in (Refund.Status.REQUESTED, Refund.Status.PENDING, Refund.Status.UNKNOWN):
            payment = tries.get(refund.payment_id)
            found.append(Outlook(Ahead.RETURN_ON_ITS_WAY, payment=payment, money=refund.money))
    for refund in last.values():
        if refund.status == Refund.Status.FAILED:
            payment = tries.get(refund.payment_id)
            found.append(Outlook(Ahead.RETURN_NOT_DONE, payment=payment, money=refund.money))
    return found


def _of_seller(deliveries: list[Delivery]) -> list[Outlook]:
    """Whether the seller knows the latest news; what a younger one replaced does not matter."""
    latest = next((delivery for delivery in reversed(deliveries) if delivery.state != Delivery.State.SUPERSEDED), None)
    if latest is None:
        return []
    if latest.state == Delivery.State.DELIVERED:
        return [Outlook(Ahead.SELLER_WAS_TOLD, at=latest.delivered_at)]
    return [Outlook(Ahead.SELLER_NOT_REACHED, at=latest.created_at)]
