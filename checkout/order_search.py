"""A provider's orders, found and narrowed in one mode. Every way in is by an index: a provider may have millions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Lower

from checkout.models import Order, Payment, ProcessorTransaction, Refund
from gateway import registry
from providers.models import Provider
from webhooks import signing
from webhooks.models import Delivery

FOUND = 200  # orders of one reference that a search takes up at most
LONGEST_TEXT = 254
LONGEST_NUMBER = 18  # digits that are surely a number of ours at a processor
SHORTEST_PREFIX = 8  # characters of an order's id that are enough to look it up by
# Codes that say what they are by how they begin.
PREFIXES = {"tok_": ["token"], "rcp_": ["receipt_code"], "pt_": ["code"], "pc_": ["code"], "wc_": ["watch_code"]}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is narrowed to; an empty field narrows nothing. `until` is the first moment left out."""

    text: str = ""
    status: str = ""
    since: datetime | None = None
    until: datetime | None = None
    least_minor: int | None = None
    most_minor: int | None = None
    currency: str = ""
    processor: str = ""  # somebody tried to pay there, or paid
    business_id: str = ""

    @property
    def is_narrow(self) -> bool:
        return self != Wanted()


def orders_of(provider: Provider, *, mode: str, wanted: Wanted) -> QuerySet[Order]:
    """The provider's orders of this mode that are wanted, in no order yet."""
    found = Order.objects.filter(provider=provider, mode=mode)
    exact: dict[str, Any] = {
        "status": wanted.status,
        "created_at__gte": wanted.since,
        "created_at__lt": wanted.until,
        "amount_minor__gte": wanted.least_minor,
        "amount_minor__lte": wanted.most_minor,
        "currency": wanted.currency,
        "business_id": wanted.business_id,
    }
    found = found.filter(**{name: value for name, value in exact.items() if value not in ("", None)})
    if wanted.processor:
        # A semi-join and nothing beside it: the planner then begins with whichever is rarer, the payments or the
        # orders in their order. An OR with the pinned processor would be looked up row by row.
        tries = Payment.objects.filter(order=OuterRef("pk"), processor=wanted.processor)
        found = found.filter(Exists(tries))
    return _search(found, provider, mode, wanted.text.strip()[:LONGEST_TEXT]) if wanted.text.strip() else found


def with_tries(found: QuerySet[Order]) -> QuerySet[Order]:
    """Each with its payments, the eldest first: two queries for a page."""
    return found.prefetch_related(Prefetch("payments", queryset=Payment.objects.order_by("created_at", "pk")))


# --- finding ------------------------------------------------------------------------------------------------------


def _search(found: QuerySet[Order], provider: Provider, mode: str, text: str) -> QuerySet[Order]:
    """By any id that leads to an order, or by the payer's address.

    The ids are looked up first, each way by its own index: with an OR of subqueries the database would read on.
    """
    if "\x00" in text:
        return found.none()
    for prefix, columns in PREFIXES.items():
        if text.startswith(prefix):
            return found.filter(Q(external_id=text) | Q(**{columns[0]: text}))
    ids: list[UUID] = list(
        Order.objects.filter(provider=provider, external_id=text).values_list("pk", flat=True)[:FOUND]
    )
    if "@" in text:
        ids += _by_payer(provider, text)
    ids += _by_uuid(text)
    ids += _by_reference(provider, text)
    ends = _range_of(text)
    if not ids and ends is not None and ends[0] != ends[1]:
        return found.filter(pk__range=ends)
    return found.filter(pk__in=ids)


def _by_payer(provider: Provider, text: str) -> list[UUID]:
    rows = Order.objects.filter(provider=provider).exclude(payer_email="").annotate(payer=Lower("payer_email"))
    # Somebody who pays every day: the youngest of theirs.
    return list(rows.filter(payer=text.lower()).order_by("-id").values_list("pk", flat=True)[:FOUND])


def _by_uuid(text: str) -> list[UUID]:
    """An order, a payment, a refund, an event told (`msg_…`), whichever this id is of."""
    try:
        wanted = UUID(text.removeprefix(signing.ID_PREFIX))
    except ValueError:
        return []
    return [
        wanted,
        *Payment.objects.filter(pk=wanted).values_list("order_id", flat=True),
        *Refund.objects.filter(pk=wanted).values_list("payment__order_id", flat=True),
        *Delivery.objects.filter(pk=wanted).values_list("order_id", flat=True),
    ]


def _by_reference(provider: Provider, text: str) -> list[UUID]:
    """A processor's own id of a payment, of what it took, of a transaction, of a refund; our number there."""
    ours = Payment.objects.filter(processor__in=list(registry.PROCESSORS), order__provider=provider)
    refunds = Refund.objects.exclude(processor_ref="").filter(processor_ref=text, payment__order__provider=provider)
    transactions = ProcessorTransaction.objects.filter(order__provider=provider)
    found = [
        *ours.filter(processor_ref=text).values_list("order_id", flat=True)[:FOUND],
        *ours.filter(capture_ref=text).values_list("order_id", flat=True)[:FOUND],
        *transactions.filter(transaction_ref=text).values_list("order_id", flat=True)[:FOUND],
        *refunds.values_list("payment__order_id", flat=True)[:FOUND],
    ]
    if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER:
        found += transactions.filter(pk=int(text)).values_list("order_id", flat=True)
    return found


def _range_of(text: str) -> tuple[UUID, UUID] | None:
    """The ids that begin like this: both ends the same for a whole id, None for what cannot begin one."""
    plain = text.replace("-", "").lower()
    if not SHORTEST_PREFIX <= len(plain) <= 32 or any(letter not in "0123456789abcdef" for letter in plain):
        return None
    return UUID(plain.ljust(32, "0")), UUID(plain.ljust(32, "f"))
