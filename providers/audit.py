"""The audit trail: one append-only row for every act of a person. Called in the act's own transaction.

A row says who, what, to which row, from where and with which request. It never holds a secret: whatever
looks like one is hidden here, although callers must not pass it in the first place.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.http import HttpRequest

from providers.models import AuditEntry

# Keys, signing secrets and credentials by their public shapes. The visible prefix of a key (20 characters) passes.
_SECRET = re.compile(r"(whsec_|[sr]k_(live|test)_|(provider|merchant)_(test_)?[0-9a-f]{16,}|otpauth://)[^\s\"']*")
_SECRET_NAMES = re.compile(r"(?i)(secret|password|sealed|totp|recovery_code|token)")
HIDDEN = "[hidden]"
SYSTEM = "system"


def record(
    *,
    actor: AbstractBaseUser | None,
    act: str,
    target: models.Model | tuple[str, str] | None = None,
    details: Mapping[str, Any] | None = None,
    request: HttpRequest | None = None,
    now: datetime,
    actor_name: str = "",
) -> AuditEntry:
    """Write one entry. `target` is a row, or (type, id) where there is none; `actor` None means the system.

    `actor_name` names somebody who is no user of ours (a sign-in that failed).
    """
    target_type, target_id = _name_of(target)
    known = actor if actor is not None and actor.pk is not None else None
    return AuditEntry.objects.create(
        at=now,
        actor_id=known.pk if known is not None else None,
        actor_name=(known.get_username() if known is not None else actor_name or SYSTEM)[:150],
        act=act[:60],
        target_type=target_type[:40],
        target_id=target_id[:64],
        details=hide_secrets(dict(details or {})),
        address=address_of(request)[:45],
        request_id=str(getattr(request, "request_id", ""))[:64],
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Field → {"from", "to"} for the fields that differ, as text."""
    return {
        name: {"from": str(before.get(name, "")), "to": str(value)}
        for name, value in after.items()
        if str(before.get(name, "")) != str(value)
    }


def address_of(request: HttpRequest | None) -> str:
    """The client's address as the middleware found it behind trusted proxies, else the peer's."""
    if request is None:
        return ""
    return str(getattr(request, "client_address", "") or request.META.get("REMOTE_ADDR", ""))


def hide_secrets(value: Any, name: str = "") -> Any:
    """The same value with everything that looks like a secret replaced by `[hidden]`."""
    if isinstance(value, Mapping):
        return {str(key): hide_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hide_secrets(item, name) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    if _SECRET_NAMES.search(name):
        return HIDDEN
    return _SECRET.sub(HIDDEN, str(value))


def _name_of(target: models.Model | tuple[str, str] | None) -> tuple[str, str]:
    if target is None:
        return "", ""
    if isinstance(target, tuple):
        return target
    return target._meta.model_name or "", str(target.pk)
