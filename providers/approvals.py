"""Two pairs of eyes: one person asks for an act, another decides. Superusers are no exception.

The rule lives here, in the one place that every act passes, and once more as a constraint in the database.
The domain function of each act calls `approve` in its own transaction and then does what was asked.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction

from providers import audit
from providers.fields import Sealed
from providers.models import Approval, AuditEntry

PUPPET_FOR = timedelta(hours=24)


class ApprovalError(Exception):
    """Base. `code` is stable; the text may be shown to staff."""

    code = "APPROVAL_ERROR"
    status = 409

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class SamePerson(ApprovalError):
    """Who asked for it cannot approve it: somebody else has to"""

    code = "SAME_PERSON"
    status = 403


class NotWaiting(ApprovalError):
    """This has been decided already"""

    code = "NOT_WAITING"


class AlreadyWaiting(ApprovalError):
    """The same change is already waiting for a second person"""

    code = "ALREADY_WAITING"


def propose(
    *,
    act: str,
    target_type: str,
    target_id: str,
    summary: str,
    payload: Mapping[str, Any] | None = None,
    requested_by: AbstractBaseUser,
    now: datetime,
) -> Approval:
    """Ask for an act. `payload` is sealed; `summary` is what the second person reads and holds no secret.

    AlreadyWaiting when the same act on the same target waits already.
    """
    approval = Approval(
        act=act,
        target_type=target_type,
        target_id=str(target_id),
        summary=summary[:300],
        requested_by_id=requested_by.pk,
        requested_at=now,
    )
    if payload:
        approval.payload = Sealed(json.dumps(dict(payload), sort_keys=True))
    try:
        with transaction.atomic():
            approval.save(force_insert=True)
            audit.record(
                actor=requested_by,
                act="approval_asked",
                target=(target_type, str(target_id)),
                details={"approval": str(approval.pk), "act": act, "summary": approval.summary},
                now=now,
            )
    except IntegrityError as error:
        raise AlreadyWaiting from error
    return approval


def payload_of(approval: Approval) -> dict[str, Any]:
    """What the act needs, as it was proposed; {} when nothing was given."""
    text = approval.payload.reveal()
    return json.loads(text) if text else {}


def approve(approval_id: UUID | str, by: AbstractBaseUser, now: datetime) -> Approval:
    """Say yes. Raises SamePerson and NotWaiting; the caller then does the act in the same transaction.

    The answer still carries its payload (`payload_of`); the row does not any more.
    """
    return _decide(approval_id, by, now, Approval.State.APPROVED, "approval_given")


def reject(approval_id: UUID | str, by: AbstractBaseUser, now: datetime) -> Approval:
    """Say no. Anybody who may approve may reject; who asked withdraws instead (SamePerson). NotWaiting."""
    return _decide(approval_id, by, now, Approval.State.REJECTED, "approval_refused")


def withdraw(approval_id: UUID | str, by: AbstractBaseUser, now: datetime) -> Approval:
    """Take one's own wish back. SamePerson here means: only who asked for it can. NotWaiting."""
    return _decide(approval_id, by, now, Approval.State.WITHDRAWN, "approval_withdrawn")


def _was_set_up_by(person: AbstractBaseUser, asker_id: int, now: datetime) -> bool:
    """Whether the asker made this account, or gave it its role or password, within the last day: it may be a puppet."""
    return AuditEntry.objects.filter(
        actor_id=asker_id,
        target_type="user",
        target_id=str(person.pk),
        act__in=["staff_created", "role_changed", "password_set"],
        at__gt=now - PUPPET_FOR,
    ).exists()


def withdraw_all(*, act: str, target_id: str, now: datetime) -> int:
    """What waits for this act on this target is off the table: the facts it was asked about have changed."""
    waiting = list(Approval.objects.filter(act=act, target_id=target_id, state=Approval.State.WAITING))
    for approval in waiting:
        Approval.objects.filter(pk=approval.pk).update(state=Approval.State.WITHDRAWN, decided_at=now, payload="")
        audit.record(
            actor=None,
            act="approval_withdrawn",
            target=(approval.target_type, approval.target_id),
            details={"approval": str(approval.pk), "why": "what it was asked about has changed"},
            now=now,
        )
    return len(waiting)


def _decide(approval_id: UUID | str, by: AbstractBaseUser, now: datetime, state: Approval.State, act: str) -> Approval:
    with transaction.atomic():
        approval = Approval.objects.select_for_update().get(pk=approval_id)
        if approval.state != Approval.State.WAITING:
            raise NotWaiting
        is_own = approval.requested_by_id == by.pk
        if state == Approval.State.WITHDRAWN and not is_own:
            raise SamePerson("Only who asked for it can take it back")
        if state != Approval.State.WITHDRAWN and is_own:
            raise SamePerson
        if state == Approval.State.APPROVED and _was_set_up_by(by, approval.requested_by_id, now):
            raise SamePerson("Who asked for it has just set up this account: somebody else has to decide")
        approval.payload.reveal()  # opened before the row forgets it
        # SQLite ignores row locks: the conditional update decides who was first on both engines.
        moved = Approval.objects.filter(pk=approval.pk, state=Approval.State.WAITING).update(
            state=state,
            decided_by_id=by.pk,
            decided_at=now,
            payload="",  # what was asked for may hold credentials: it is kept until the decision, not longer
        )
        if not moved:
            raise NotWaiting
        approval.refresh_from_db(fields=["state", "decided_by", "decided_at"])
        audit.record(
            actor=by,
            act=act,
            target=(approval.target_type, approval.target_id),
            details={"approval": str(approval.pk), "act": approval.act, "summary": approval.summary},
            now=now,
        )
    return approval
