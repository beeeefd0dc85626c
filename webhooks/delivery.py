"""What others do with deliveries: drain what is due, send stuck ones again, ask how things stand."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now

from providers.models import Provider
from webhooks import claims, kick, options, slots
from webhooks.drain import DATABASE_TROUBLE, LINGER_SECONDS, Drain, Drained
from webhooks.models import Attempt, Delivery
from webhooks.outbox import host_of
from webhooks.sender import Sender

logger = logging.getLogger(__name__)

State = Delivery.State
REPLAYABLE = [State.STUCK, State.ENDED]
REPLAYABLE_WHEN_FORCED = [*REPLAYABLE, State.SUPERSEDED, State.DELIVERED]

_BATCH = 500


# --- Draining ------------------------------------------------------------------------------------------------------
def drain(
    *,
    sender: Callable[[], Sender] | None = None,
    may_go_on: Callable[[], bool] = lambda: True,
    linger_seconds: float = LINGER_SECONDS,
) -> Drained:
    """Post everything that is due, then what falls due within `linger_seconds`, and so on until nothing does."""
    return Drain(options=options.current(), sender=sender, may_go_on=may_go_on, linger_seconds=linger_seconds).run()


def drain_if_free() -> Drained:
    """A drain on one of the few seats for drains; nothing when all of them are taken."""
    chosen = options.current()
    total = Drained()
    try:
        for is_last in (False, True):
            done = _drain_on_a_seat(chosen.drains)
            if done is None:
                break
            total.posted += done.posted
            total.delivered += done.delivered
            total.failed += done.failed
            total.lost += done.lost
            if done.is_cut_short:
                kick.send()  # a successor goes on, and other tasks of this process get their turn before it
                break
            # A kick that came while our seat was taken went home. Its row may have come after our last look.
            if is_last or not claims.look().hosts:
                break
    except DATABASE_TROUBLE as error:
        logger.warning("webhooks: no drain, the database cannot be had: %s", type(error).__name__)
        connection.close()
    return total


def _drain_on_a_seat(count: int) -> Drained | None:
    slot = slots.take(count)
    if slot is None:
        return None
    try:
        return drain(may_go_on=slot.renew)
    finally:
        slot.free()


# --- Sending again -------------------------------------------------------------------------------------------------
def stuck() -> QuerySet[Delivery]:
    """What the fast ladder did not get across, with or without a later try ahead; the youngest first."""
    return Delivery.objects.filter(state__in=REPLAYABLE).select_related("provider")


def replay(deliveries: Iterable[Delivery | UUID], *, forced: bool = False, now: datetime) -> int:
    """Send again from the first attempt: same body, same `webhook-id`, the URL of today. How many were taken.

    Left out: what is on its fast ladder anyway, and what has nowhere to go any more. What was delivered or
    superseded is only sent again when `forced`, because something younger has told the receiver more already.
    """
    ids = [item.pk if isinstance(item, Delivery) else item for item in deliveries]
    count = sum(_replay_batch(ids[i : i + _BATCH], forced=forced, now=now) for i in range(0, len(ids), _BATCH))
    if count:
        transaction.on_commit(kick.send, robust=True)
    return count


def replay_all_of(provider: Provider, *, now: datetime) -> int:
    """Every stuck or ended delivery of one provider."""
    ids = list(Delivery.objects.filter(provider=provider, state__in=REPLAYABLE).values_list("pk", flat=True))
    return replay(ids, now=now)


def _replay_batch(ids: list[UUID], *, forced: bool, now: datetime) -> int:
    states = REPLAYABLE_WHEN_FORCED if forced else REPLAYABLE
    count = 0
    with transaction.atomic():
        rows = Delivery.objects.select_for_update(of=("self",)).select_related("provider")
        by_url: dict[str, list[Delivery]] = defaultdict(list)
        for row in rows.filter(pk__in=ids, state__in=states).order_by("pk"):
            by_url[row.provider.webhook_url if row.follows_provider and row.provider else row.url].append(row)
        by_url.pop("", None)
        for url, wanted in by_url.items():
            taken = _not_told_otherwise(wanted, url=url, forced=forced)
            count += Delivery.objects.filter(pk__in=[row.pk for row in taken]).update(
                url=url,
                host=host_of(url),
                state=State.PENDING,
                is_holding=True,
                attempts=0,
                next_attempt_at=Now(),
                slow_since=None,
                lease_id=None,  # an attempt that is on its way right now is kept as a fact, and changes nothing
                lease_until=None,
                replayed_at=now,
            )
    return count


def _not_told_otherwise(rows: list[Delivery], *, url: str, forced: bool) -> list[Delivery]:
    """Those that are no repetition at this URL, nor, unless forced, old news there."""
    moved = [row.event_id for row in rows if row.url != url]
    told = (
        set(Delivery.objects.filter(event_id__in=moved, url=url).values_list("event_id", flat=True)) if moved else set()
    )
    rows = [row for row in rows if row.url == url or row.event_id not in told]
    if forced:
        return rows
    known = dict(
        Delivery.objects.filter(order_id__in={row.order_id for row in rows}, url=url, state=State.DELIVERED)
        .values("order_id")
        .annotate(latest=Max("sequence"))
        .values_list("order_id", "latest")
    )
    return [row for row in rows if row.sequence > known.get(row.order_id, 0)]


# --- How things stand ----------------------------------------------------------------------------------------------
def oldest_due_seconds() -> float:
    """How long the delivery that has waited longest has been due; 0.0 when nothing is due. For /health."""
    oldest = (
        Delivery.objects.filter(next_attempt_at__lte=Now())
        .order_by("next_attempt_at")
        .annotate(database_now=Now())
        .values_list("next_attempt_at", "database_now")
        .first()
    )
    return max((oldest[1] - oldest[0]).total_seconds(), 0.0) if oldest and oldest[0] else 0.0


def is_anything_due(*, within_seconds: float = 0.0) -> bool:
    return Delivery.objects.filter(next_attempt_at__lte=Now() + timedelta(seconds=within_seconds)).exists()


def delete_old_attempt_bodies(*, now: datetime) -> int:
    """Empty what receivers answered longer ago than WEBHOOK_ATTEMPT_BODY_DAYS; the attempts themselves stay."""
    before = now - timedelta(days=getattr(settings, "WEBHOOK_ATTEMPT_BODY_DAYS", 30))
    count = 0
    while True:
        old = Attempt.objects.filter(started_at__lt=before).exclude(response_body="", response_headers={})
        ids = list(old.values_list("pk", flat=True)[:1000])
        if not ids:
            return count
        count += Attempt.objects.filter(pk__in=ids).update(response_body="", response_headers={})
