"""The rolling drain: claim what is due, post it, record what came of it, until nothing is due soon.

One thread: the event loop runs while posts are awaited and stands still while rows are claimed and recorded, so
the database is spoken to from ordinary synchronous code on the caller's own connection.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from providers import signing_secrets
from providers.fields import Undecryptable
from providers.models import Provider
from webhooks import claims, ladders, signing
from webhooks.hosts import Gate
from webhooks.models import Attempt, Delivery
from webhooks.options import Options
from webhooks.sender import Answer, Parcel, Sender

logger = logging.getLogger(__name__)

State = Delivery.State
DATABASE_TROUBLE = (OperationalError, InterfaceError)

LINGER_SECONDS = 2.0  # stay for what falls due this soon: the first rungs of the ladder are 1 and 2 seconds
POLL_SECONDS = 0.1  # look for new rows while posts are on their way or while lingering
GATHER_SECONDS = 0.01  # after one post has ended, wait this long for others to be recorded with it
MOST_RECORDED = 200  # rows in one transaction
RECORD_AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0)  # after trouble with the database; then leases run out instead


@dataclass(slots=True)
class Drained:
    """What one drain did."""

    posted: int = 0
    delivered: int = 0
    failed: int = 0
    lost: int = 0  # posted, but not recorded as ours: sent again
    is_cut_short: bool = False  # its time was up; there may be more to do


@dataclass(slots=True)
class _Flight:
    delivery: Delivery
    headers: dict[str, str]
    started: float
    ended: float = 0.0
    answer: Answer = field(default_factory=Answer)


class Drain:
    """One run. `may_go_on` is asked between rounds; False ends it gently."""

    def __init__(
        self,
        *,
        options: Options,
        gate: Gate | None = None,
        sender: Callable[[], Sender] | None = None,
        may_go_on: Callable[[], bool] = lambda: True,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self.options = options
        self.gate = gate or Gate(options)
        self.may_go_on = may_go_on
        self.linger_seconds = linger_seconds
        self.lease_id = uuid.uuid4()
        self.drained = Drained()
        self._sender = (sender or (lambda: Sender(timeout_seconds=options.timeout_seconds)))()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_air: dict[UUID, _Flight] = {}  # posted and not yet recorded
        self._ended: list[_Flight] = []
        self._is_winding_down = False
        self._is_closing = False
        self._clock: claims.Clock | None = None

    def run(self) -> Drained:
        winds_down_at = time.monotonic() + self.options.budget_seconds
        closes_at = winds_down_at + self.options.timeout_seconds
        try:
            self._loop.run_until_complete(self._sender.__aenter__())
            while True:
                self._record_ended()
                # Towards the end no post is begun that may take long: waiting for it would hold up everybody else.
                self._is_winding_down = time.monotonic() >= winds_down_at
                self._is_closing = self._is_closing or time.monotonic() >= closes_at or not self.may_go_on()
                if not self._is_closing:
                    self._claim_and_post()
                if self._ended:
                    continue
                if self._tasks:
                    self._loop.run_until_complete(self._await_posts())
                elif self._is_closing or self._is_winding_down or not self._linger():
                    self.drained.is_cut_short = self._is_closing or self._is_winding_down
                    return self.drained
        finally:
            self._close()

    # --- Claim and post ----------------------------------------------------------------------------------------
    def _claim_and_post(self) -> None:
        if self.gate.free <= 0:
            return
        try:
            outlook = claims.look()
            self._clock = outlook.clock
            started = time.monotonic()
            rows = claims.claim(
                self.gate.room(outlook.hosts, only_well=self._is_winding_down),
                clock=outlook.clock,
                lease_id=self.lease_id,
                lease_seconds=self.options.lease_seconds,
            )
            if rows:
                self._post(rows, lease_ends=started + self.options.lease_seconds)
        except DATABASE_TROUBLE as error:
            logger.warning("webhooks: the drain ends, the database cannot be had: %s", type(error).__name__)
            self._is_closing = True
            _forget_connection()

    def _post(self, rows: list[Delivery], *, lease_ends: float) -> None:
        assert self._clock is not None
        signers = _signers_of(rows)
        # The attempt and the answer's record must fit into what is left of the lease; else it is no attempt.
        if lease_ends - time.monotonic() <= self.options.timeout_seconds + 1:
            claims.release([row.pk for row in rows], lease_id=self.lease_id, clock=self._clock)
            return
        timestamp = int(time.time())
        for row in rows:
            if row.pk in self._in_air:
                continue  # our own post of it is still to be recorded
            body = row.body.encode()
            signer = signers[row.provider_id]
            headers = signing.headers_for(
                delivery_id=row.pk,
                sequence=row.sequence,
                own_headers=row.headers,
                body=body,
                signer=signer or signing.Signer(),
                timestamp=timestamp,
            )
            flight = _Flight(delivery=row, headers=headers, started=time.monotonic())
            self._in_air[row.pk] = flight
            self.gate.enter(row.host)
            self.drained.posted += 1
            if signer is None:  # never unsigned because of our own trouble
                flight.answer = Answer(error="We could not open the signing secret; nothing was sent.")
                self._land(flight)
                continue
            parcel = Parcel(url=row.url, headers=headers, body=body, is_livemode=row.is_livemode)
            task = self._loop.create_task(self._fly(flight, parcel))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _fly(self, flight: _Flight, parcel: Parcel) -> None:
        try:
            flight.answer = await self._sender.post(parcel)
        except Exception as error:
            # A mistake of ours must not leave the row on its lease for ever: it goes along the ladder like any failure.
            logger.exception("webhooks: posting delivery %s failed in an unforeseen way", flight.delivery.pk)
            flight.answer = Answer(error=f"Failed: {type(error).__name__}.")
        self._land(flight)

    def _land(self, flight: _Flight) -> None:
        flight.ended = time.monotonic()
        self.gate.leave(flight.delivery.host)
        self.gate.learn(flight.delivery.host, is_success=flight.answer.is_success)
        self._ended.append(flight)

    async def _await_posts(self) -> None:
        await asyncio.wait(self._tasks, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self._tasks and self._ended:
            await asyncio.wait(self._tasks, timeout=GATHER_SECONDS)

    def _linger(self) -> bool:
        """Wait a moment when something falls due soon; False when nothing does."""
        if self._clock is None:
            return False
        try:
            at = claims.next_due(self._clock)
        except DATABASE_TROUBLE:
            _forget_connection()
            return False
        if at is None or at - self._clock.now() > timedelta(seconds=self.linger_seconds):
            return False
        wait = (at - self._clock.now()).total_seconds() + 0.001
        time.sleep(min(max(wait, 0.001), POLL_SECONDS))
        return True

    # --- Record ------------------------------------------------------------------------------------------------
    def _record_ended(self) -> None:
        while self._ended:
            batch, self._ended = self._ended[:MOST_RECORDED], self._ended[MOST_RECORDED:]
            try:
                self._record_with_patience(batch)
            except DatabaseError:
                # Something in it that no row can hold. It must not come back for ever, nor cost the others theirs.
                logger.exception("webhooks: a batch of %d attempts could not be recorded", len(batch))
                for flight in batch:
                    flight.answer = replace(flight.answer, headers={}, body="", error=flight.answer.error[:100])
                    self._record_with_patience([flight])
            for flight in batch:
                self._in_air.pop(flight.delivery.pk, None)

    def _record_with_patience(self, batch: list[_Flight]) -> None:
        for pause in (*RECORD_AGAIN_SECONDS, None):
            try:
                return self._record(batch)
            except DATABASE_TROUBLE as error:
                _forget_connection()
                if pause is None or connection.in_atomic_block:
                    # Their leases run out, then they are sent again: twice is better than never.
                    logger.error("webhooks: %d attempts could not be recorded: %s", len(batch), type(error).__name__)
                    self.drained.lost += len(batch)
                    self._is_closing = True
                    return None
                self._loop.run_until_complete(asyncio.sleep(pause))
        return None

    def _record(self, batch: list[_Flight]) -> None:
        impatient = _impatient_providers(batch)
        results = [self._result_of(flight, is_patient=flight.delivery.provider_id not in impatient) for flight in batch]
        mine = claims.record(results, lease_id=self.lease_id)
        delivered = sum(flight.answer.is_success for flight in batch)
        self.drained.delivered += delivered
        self.drained.failed += len(batch) - delivered
        self.drained.lost += len(batch) - mine
        for result in results:
            if result.state == State.STUCK and result.delivery.state == State.PENDING:
                logger.warning(
                    "webhooks: delivery %s to %s is stuck: %s",
                    result.delivery.pk,
                    result.delivery.host,
                    result.attempt.error,
                )

    def _result_of(self, flight: _Flight, *, is_patient: bool) -> claims.Result:
        assert self._clock is not None
        row, answer = flight.delivery, flight.answer
        ended_at = self._clock.at(flight.ended)
        attempt = Attempt(
            delivery_id=row.pk,
            number=row.total_attempts + 1,
            url=row.url,
            address=answer.address,
            request_headers=flight.headers,
            status=answer.status,
            response_headers=answer.headers,
            response_body=answer.body,
            error=answer.error,
            started_at=self._clock.at(flight.started),
            duration_ms=int((flight.ended - flight.started) * 1000),
        )
        if answer.is_success:
            return claims.Result(row, attempt, State.DELIVERED, False, None, None, ended_at)
        if answer.status == 410:
            return claims.Result(row, attempt, State.ENDED, False, None, None, None)
        step = ladders.after_failure(
            ladder=row.ladder,
            failures=row.attempts + 1,
            ended_at=ended_at,
            slow_since=row.slow_since,
            retry_after_seconds=_retry_after(answer.headers, flight, self._clock),
            is_patient=is_patient,
        )
        return claims.Result(row, attempt, step.state, step.is_holding, step.next_attempt_at, step.slow_since, None)

    # --- Close -------------------------------------------------------------------------------------------------
    def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            if self._tasks:
                self._loop.run_until_complete(asyncio.wait(self._tasks, timeout=1))
            self._loop.run_until_complete(self._sender.__aexit__(None, None, None))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


def _signers_of(rows: list[Delivery]) -> Mapping[UUID | None, signing.Signer | None]:
    """What signs for each provider; None where its secret cannot be opened."""
    house = signing.Signer(current=settings.WEBHOOK_SIGNING_SECRET)
    provider_ids = {row.provider_id for row in rows}
    signers: dict[UUID | None, signing.Signer | None] = dict.fromkeys(provider_ids, house)
    for provider_id, texts in _pairs(provider_ids - {None}).items():
        signers[provider_id] = texts
    return signers


def _pairs(provider_ids: set[Any]) -> dict[UUID, signing.Signer | None]:
    if not provider_ids:
        return {}
    try:
        pairs = signing_secrets.pairs_of(provider_ids)
        return {key: _signer(pair) for key, pair in pairs.items()}
    except Undecryptable:
        found: dict[UUID, signing.Signer | None] = {}
        for provider_id in provider_ids:  # one bad secret is not everybody's trouble
            try:
                found |= {key: _signer(pair) for key, pair in signing_secrets.pairs_of([provider_id]).items()}
            except Undecryptable:
                logger.error("webhooks: the signing secret of provider %s cannot be opened", provider_id)
                found[provider_id] = None
        return found


def _signer(pair: signing_secrets.SecretPair) -> signing.Signer:
    return signing.Signer(
        current=pair.current.reveal() if pair.current else "", next=pair.next.reveal() if pair.next else ""
    )


def _impatient_providers(batch: list[_Flight]) -> set[UUID | None]:
    """Of the rows that come to the end of their fast ladder: whose provider wants no slow one."""
    ids = {
        flight.delivery.provider_id
        for flight in batch
        if not flight.answer.is_success
        and flight.delivery.provider_id is not None
        and flight.delivery.attempts + 1 >= len(ladders.LADDERS[flight.delivery.ladder].delays_seconds)
    }
    if not ids:
        return set()
    return set(Provider.objects.filter(pk__in=ids, tries_webhooks_for_days=False).values_list("pk", flat=True))


def _retry_after(headers: Mapping[str, str], flight: _Flight, clock: claims.Clock) -> float | None:
    for name, value in headers.items():
        if name.lower() == "retry-after":
            return ladders.retry_after_seconds(value, now=clock.at(flight.ended))
    return None


def _forget_connection() -> None:
    """Drop a connection that may be broken; the next query opens another."""
    if not connection.in_atomic_block:
        connection.close()
