"""Taking due rows for one attempt each, and writing down what came of them: few statements for many rows.

The due time of a claimed row is the end of its lease, so a row whose worker was killed falls due by itself.
All times are the database's: `look` reads its clock, and `Clock` carries it on between two looks.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, Min, OuterRef

from webhooks.models import Attempt, Delivery

State = Delivery.State
_TABLE = Delivery._meta.db_table


@dataclass(frozen=True, slots=True)
class Clock:
    """The database's clock as of one look, carried on by this machine's monotonic one."""

    database: datetime
    monotonic: float

    def now(self) -> datetime:
        return self.at(time.monotonic())

    def at(self, monotonic: float) -> datetime:
        return self.database + timedelta(seconds=monotonic - self.monotonic)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The hosts that have something due, the longest waiting first."""

    clock: Clock
    hosts: list[str]


# One probe of the index per host, however many rows are due: a heap of rows for one dead host costs nothing.
_LOOK = f"""
WITH RECURSIVE host (name) AS (
    SELECT (SELECT MIN(host) FROM {_TABLE} WHERE next_attempt_at IS NOT NULL)
    UNION ALL
    SELECT (SELECT MIN(d.host) FROM {_TABLE} d WHERE d.next_attempt_at IS NOT NULL AND d.host > host.name)
    FROM host WHERE host.name IS NOT NULL
)
SELECT name,
       (SELECT MIN(d.next_attempt_at) FROM {_TABLE} d WHERE d.host = name AND d.next_attempt_at IS NOT NULL),
       {{now}}
FROM host
"""  # noqa: S608

# Which due rows of a host may go: none of whose order is on its way to this URL, and no elder one comes first,
# because it holds the younger ones back or is due itself.
_CANDIDATES = f"""
SELECT d.id FROM {_TABLE} d
WHERE d.host = {{host}} AND d.next_attempt_at IS NOT NULL AND d.next_attempt_at <= %(now)s
AND NOT EXISTS (
    SELECT 1 FROM {_TABLE} e
    WHERE e.order_id = d.order_id AND e.url = d.url AND e.id <> d.id
    AND (e.lease_until > %(now)s
         OR (e.sequence < d.sequence AND (e.is_holding OR e.next_attempt_at <= %(now)s)))
)
ORDER BY d.next_attempt_at LIMIT {{room}}
"""  # noqa: S608

_COLUMNS = (
    "id, provider_id, order_id, sequence, url, host, body, headers, ladder, is_livemode, state, is_holding, "
    "attempts, total_attempts, next_attempt_at, slow_since"
)

_CLAIM_POSTGRESQL = f"""
WITH wanted (host, room) AS (SELECT * FROM unnest(%(hosts)s::text[], %(rooms)s::int[])),
picked AS MATERIALIZED (
    SELECT c.id FROM wanted CROSS JOIN LATERAL (
        {_CANDIDATES.format(host="wanted.host", room="wanted.room")} FOR UPDATE OF d SKIP LOCKED
    ) c
)
UPDATE {_TABLE} SET lease_id = %(lease)s, lease_until = %(until)s, next_attempt_at = %(until)s
WHERE id IN (SELECT id FROM picked) AND next_attempt_at <= %(now)s
RETURNING {_COLUMNS}, EXISTS (
    SELECT 1 FROM {_TABLE} e WHERE e.order_id = {_TABLE}.order_id AND e.url = {_TABLE}.url
    AND e.sequence < {_TABLE}.sequence AND e.state IN ('pending', 'stuck')
) AS has_open_elder
"""  # noqa: S608


def look() -> Outlook:
    """Which hosts have due rows, and what time it is."""
    before = time.monotonic()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_LOOK.format(now="statement_timestamp()"))
        else:
            cursor.execute(_LOOK.format(now="strftime('%Y-%m-%d %H:%M:%f', 'now')"))
        rows = cursor.fetchall()
    clock = Clock(database=_time(rows[0][2]), monotonic=before)
    due = [(_time(at), name) for name, at, _now in rows if name is not None and at is not None]
    return Outlook(clock=clock, hosts=[name for at, name in sorted(due) if at <= clock.database])


def next_due(clock: Clock) -> datetime | None:
    """The next moment, after now, at which anything falls due."""
    later = Delivery.objects.filter(next_attempt_at__gt=clock.now())
    return later.aggregate(at=Min("next_attempt_at"))["at"]


def claim(room: Mapping[str, int], *, clock: Clock, lease_id: UUID, lease_seconds: float) -> list[Delivery]:
    """Lease due rows, at most `room[host]` of each host and one of each order and URL."""
    if not room:
        return []
    now = clock.now()
    until = now + timedelta(seconds=lease_seconds)
    if connection.vendor == "postgresql":
        rows = list(
            Delivery.objects.raw(
                _CLAIM_POSTGRESQL,
                {"hosts": list(room), "rooms": list(room.values()), "now": now, "until": until, "lease": lease_id},
            )
        )
    else:
        rows = _claim_one_writer(room, now=now, until=until, lease_id=lease_id)
    return _without_overtaken(rows)


def _claim_one_writer(room: Mapping[str, int], *, now: datetime, until: datetime, lease_id: UUID) -> list[Delivery]:
    """SQLite: the transaction is the only writer from its first statement on, so what it reads stays true."""
    adapted = connection.ops.adapt_datetimefield_value(now)
    ids: list[Any] = []
    with transaction.atomic():
        with connection.cursor() as cursor:
            for host, count in room.items():
                sql = _CANDIDATES.format(host="%(host)s", room="%(room)s")
                cursor.execute(sql, {"host": host, "room": count, "now": adapted})
                ids += [UUID(row[0]) for row in cursor.fetchall()]
        if not ids:
            return []
        mine = Delivery.objects.filter(pk__in=ids, next_attempt_at__lte=now)
        mine.update(lease_id=lease_id, lease_until=until, next_attempt_at=until)
        return list(Delivery.objects.filter(pk__in=ids, lease_id=lease_id))


def _without_overtaken(rows: list[Delivery]) -> list[Delivery]:
    """Leave out, and mark, the elders that a younger one of their order has overtaken."""
    loose = [row.pk for row in rows if not row.is_holding]
    if not loose:
        return rows
    overtaken = set(Delivery.objects.filter(_is_overtaken(), pk__in=loose).values_list("pk", flat=True))
    if overtaken:
        _supersede(Delivery.objects.filter(pk__in=overtaken))
    return [row for row in rows if row.pk not in overtaken]


def _is_overtaken() -> Exists:
    return Exists(
        Delivery.objects.filter(
            order_id=OuterRef("order_id"), url=OuterRef("url"), sequence__gt=OuterRef("sequence"), state=State.DELIVERED
        )
    )


def _supersede(rows: Any) -> None:
    rows.update(
        state=State.SUPERSEDED, is_holding=False, next_attempt_at=None, slow_since=None, lease_id=None, lease_until=None
    )


def release(ids: Sequence[UUID], *, lease_id: UUID, clock: Clock) -> None:
    """Give rows back that were claimed and not posted: no attempt, due again at once."""
    if ids:
        mine = Delivery.objects.filter(pk__in=ids, lease_id=lease_id)
        mine.update(lease_id=None, lease_until=None, next_attempt_at=clock.now())


@dataclass(frozen=True, slots=True)
class Result:
    """One attempt that was made, and what it leads to."""

    delivery: Delivery
    attempt: Attempt
    state: State
    is_holding: bool
    next_attempt_at: datetime | None
    slow_since: datetime | None
    delivered_at: datetime | None


# One statement and one parameter for the whole batch: rows and attempts are written together or not at all.
_RECORD_POSTGRESQL = f"""
WITH v AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS v (
        id uuid, state text, is_holding bool, next_attempt_at timestamptz, slow_since timestamptz,
        delivered_at timestamptz, status int, error text, attempt_id uuid, number int, url text, address text,
        request_headers jsonb, response_headers jsonb, response_body text, started_at timestamptz, duration_ms int
    )
), mine AS (
    UPDATE {_TABLE} d SET
        state = v.state, is_holding = v.is_holding, next_attempt_at = v.next_attempt_at, slow_since = v.slow_since,
        delivered_at = COALESCE(v.delivered_at, d.delivered_at), last_status = v.status, last_error = v.error,
        attempts = d.attempts + 1, total_attempts = d.total_attempts + 1, lease_id = NULL, lease_until = NULL
    FROM v WHERE d.id = v.id AND d.lease_id = %s
    RETURNING d.id
)
INSERT INTO {Attempt._meta.db_table} (id, delivery_id, number, url, address, request_headers, status,
    response_headers, response_body, error, started_at, duration_ms)
SELECT v.attempt_id, v.id, v.number, v.url, v.address, v.request_headers, v.status,
    v.response_headers, v.response_body, v.error, v.started_at, v.duration_ms
FROM v JOIN mine USING (id)
RETURNING delivery_id
"""  # noqa: S608


def record(results: Sequence[Result], *, lease_id: UUID) -> int:
    """Write attempts and what they lead to, a row with its attempt; how many of the rows were still ours.

    A row whose lease went to somebody else, or that was replayed meanwhile, is left alone: only the attempt is kept.
    """
    if connection.vendor == "postgresql":
        mine = _record_in_one_statement(results, lease_id=lease_id)
    else:
        mine = _record_one_by_one(results, lease_id=lease_id)
    _keep_attempts_of_others([result for result in results if result.delivery.pk not in mine])
    _settle_order_of_arrival([result for result in results if result.delivery.pk in mine])
    return len(mine)


def _record_in_one_statement(results: Sequence[Result], *, lease_id: UUID) -> set[UUID]:
    rows = [
        {
            "id": result.delivery.pk.hex,
            "state": result.state.value,
            "is_holding": result.is_holding,
            "next_attempt_at": _text(result.next_attempt_at),
            "slow_since": _text(result.slow_since),
            "delivered_at": _text(result.delivered_at),
            "status": result.attempt.status,
            "error": result.attempt.error,
            "attempt_id": result.attempt.pk.hex,
            "number": result.attempt.number,
            "url": result.attempt.url,
            "address": result.attempt.address,
            "request_headers": result.attempt.request_headers,
            "response_headers": result.attempt.response_headers,
            "response_body": result.attempt.response_body,
            "started_at": _text(result.attempt.started_at),
            "duration_ms": result.attempt.duration_ms,
        }
        for result in results
    ]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_POSTGRESQL, [json.dumps(rows), lease_id])
        return {row[0] for row in cursor.fetchall()}


def _record_one_by_one(results: Sequence[Result], *, lease_id: UUID) -> set[UUID]:
    with transaction.atomic():
        mine = {
            result.delivery.pk
            for result in results
            if Delivery.objects.filter(pk=result.delivery.pk, lease_id=lease_id).update(
                state=result.state,
                is_holding=result.is_holding,
                next_attempt_at=result.next_attempt_at,
                slow_since=result.slow_since,
                last_status=result.attempt.status,
                last_error=result.attempt.error,
                attempts=F("attempts") + 1,
                total_attempts=F("total_attempts") + 1,
                lease_id=None,
                lease_until=None,
                **({"delivered_at": result.delivered_at} if result.delivered_at else {}),
            )
        }
        Attempt.objects.bulk_create([result.attempt for result in results if result.delivery.pk in mine])
    return mine


def _keep_attempts_of_others(results: Sequence[Result]) -> None:
    for result in results:
        with transaction.atomic():
            # The lock keeps the row from being deleted under the attempt's feet.
            if Delivery.objects.select_for_update().filter(pk=result.delivery.pk).values_list("pk").first():
                Attempt.objects.bulk_create([result.attempt], ignore_conflicts=True)


def _settle_order_of_arrival(results: Sequence[Result]) -> None:
    """What arrived supersedes the elders it overtook; what failed for long is superseded if it was overtaken."""
    # An elder that could be overtaken was there when the row was claimed, or never will be. (On SQLite, nobody asked.)
    arrived = [
        result.delivery
        for result in results
        if result.state == State.DELIVERED and getattr(result.delivery, "has_open_elder", True)
    ]
    if arrived:
        younger = Delivery.objects.filter(
            pk__in=[row.pk for row in arrived],
            order_id=OuterRef("order_id"),
            url=OuterRef("url"),
            sequence__gt=OuterRef("sequence"),
        )
        elders = Delivery.objects.filter(
            Exists(younger),
            order_id__in=[row.order_id for row in arrived],
            state__in=[State.PENDING, State.STUCK],
            is_holding=False,
            lease_id=None,
        )
        if ids := list(elders.values_list("pk", flat=True)):
            _supersede(Delivery.objects.filter(pk__in=ids))
    loose = [
        result.delivery.pk
        for result in results
        if result.state in (State.PENDING, State.STUCK) and not result.is_holding
    ]
    if loose:
        overtaken = list(Delivery.objects.filter(_is_overtaken(), pk__in=loose).values_list("pk", flat=True))
        if overtaken:
            _supersede(Delivery.objects.filter(pk__in=overtaken))


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _time(value: Any) -> datetime:
    """SQLite hands raw texts over, in UTC."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    moment: datetime = value
    return moment
