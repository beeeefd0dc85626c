"""Who may work in the back office: roles, second factors and recovery codes.

A role is a group that holds exactly the permissions of this table; `ensure_roles` brings the groups in line with
it after each migration. People are given a role, never single permissions.
"""

import base64
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import UUID

import segno
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import F
from django_otp.models import Device

from providers import approvals, audit
from providers.fields import Sealed
from providers.models import Approval, PortalAccount, RecoveryCode, RecoveryDevice, StaffDevice

SUPPORT, FINANCE, ADMIN = "support", "finance", "admin"
RECOVERY_CODES = 10
ACT_RESET = "reset_second_factor"
UNCONFIRMED_FOR = timedelta(hours=1)

_READ = (
    *(f"providers.view_{name}" for name in ("service", "provider", "apikey", "merchantaccount", "approval")),
    "providers.view_auditentry",
    *(f"webhooks.view_{name}" for name in ("delivery", "attempt")),
    *(f"checkout.view_{name}" for name in ("order", "payment", "refund", "orderevent", "callbackrecord", "letter")),
)
_SUPPORT = (*_READ, "providers.act_as_support", "webhooks.replay_delivery")
_FINANCE = (
    *_SUPPORT,
    "checkout.make_refund",
    "checkout.approve_refund",
    "checkout.cancel_order",
    "checkout.settle_review",
)
_ADMIN = (
    *_FINANCE,
    "providers.manage_keys",
    *(f"providers.{act}_{name}" for name in ("service", "provider", "merchantaccount") for act in ("add", "change")),
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",
)
ROLES: dict[str, tuple[str, ...]] = {SUPPORT: _SUPPORT, FINANCE: _FINANCE, ADMIN: _ADMIN}


def ensure_roles() -> None:
    """Make the groups of the roles hold exactly their permissions. Permissions that do not exist yet are left out."""
    known = {f"{row.content_type.app_label}.{row.codename}": row for row in _permissions()}
    for name, labels in ROLES.items():
        group, _made = Group.objects.get_or_create(name=name)
        group.permissions.set(known[label] for label in labels if label in known)


def _permissions() -> Iterable[Permission]:
    return Permission.objects.select_related("content_type")


def set_role(*, user: User, role: str, actor: User | None, now: datetime) -> None:
    """Give a person one role ("" for none) instead of what they had. KeyError for a role that does not exist."""
    if role:
        ROLES[role]
    with transaction.atomic():
        before = role_of(user)
        user.groups.set(Group.objects.filter(name=role) if role else [])
        if before != role:
            audit.record(actor=actor, act="role_changed", target=user, details={"from": before, "to": role}, now=now)


def role_of(user: User) -> str:
    """The person's role, "" without one."""
    return next((group.name for group in user.groups.all() if group.name in ROLES), "")


# --- Authenticator apps ---------------------------------------------------------------------------------------


def device_of(user: User) -> StaffDevice | None:
    """The authenticator that signs this person in, or None before enrolment."""
    return StaffDevice.objects.filter(user=user, confirmed=True).first()


def begin_enrolment(*, user: User, now: datetime, begun: str = "") -> StaffDevice:
    """A device that is not good for anything until a code confirms it.

    `begun` is the id that this very session was given before: two tabs of it show the same secret, and nobody who
    merely knows the password too is shown a secret that its owner is about to confirm.
    """
    with transaction.atomic():
        unconfirmed = StaffDevice.objects.filter(user=user, confirmed=False)
        unconfirmed.filter(created_at__lte=now - UNCONFIRMED_FOR).delete()
        device = unconfirmed.select_for_update().filter(pk=begun).first() if begun else None
        if device is not None:
            return device
        device = StaffDevice(user=user, name="Authenticator app", confirmed=False)
        device.sealed_key = Sealed(secrets.token_hex(20))
        device.save(force_insert=True)
    return device


def add_device(*, user: User, secret: str, now: datetime) -> StaffDevice:
    """A confirmed device with a given base32 secret, for the demo's first person. ValueError for a bad secret."""
    key = base64.b32decode(secret.replace(" ", "").upper())
    with transaction.atomic():
        StaffDevice.objects.filter(user=user).delete()
        device = StaffDevice(user=user, name="Authenticator app", confirmed=True)
        device.sealed_key = Sealed(key.hex())
        device.save(force_insert=True)
    return device


def secret_of(device: StaffDevice) -> str:
    """The base32 secret of a device that is being enrolled. ValueError once it is confirmed: it is shown no more."""
    if device.confirmed:
        raise ValueError("the secret of a confirmed device is never shown")
    return base64.b32encode(bytes.fromhex(device.sealed_key.reveal())).decode().rstrip("=")


def enrolment_uri(device: StaffDevice, *, issuer: str) -> str:
    """The otpauth:// address that authenticator apps read from the QR code."""
    label = quote(f"{issuer}:{device.user.get_username()}")
    return (
        f"otpauth://totp/{label}?secret={secret_of(device)}&issuer={quote(issuer)}"
        f"&algorithm=SHA1&digits={device.DIGITS}&period={device.STEP_SECONDS}"
    )


def qr_svg(device: StaffDevice, *, issuer: str) -> str:
    """An inline SVG, dark on white in every theme, because scanners need the contrast. It scales: no fixed size."""
    return segno.make(enrolment_uri(device, issuer=issuer), error="m").svg_inline(
        border=4, light="#fff", svgclass="qr", lineclass=None, omitsize=True
    )


def confirm_enrolment(*, device: StaffDevice, code: str, now: datetime) -> list[str] | None:
    """The first right code makes the device the person's only one and answers ten recovery codes. None: wrong code."""
    with transaction.atomic():
        locked = StaffDevice.objects.select_for_update().filter(pk=device.pk, confirmed=False).first()
        accepted = locked is not None and locked.verify_token(_plain(code))
        if locked is not None and accepted:
            StaffDevice.objects.filter(pk=locked.pk).update(confirmed=True)
            StaffDevice.objects.filter(user=locked.user).exclude(pk=locked.pk).delete()
            device.refresh_from_db()
            audit.record(actor=locked.user, act="second_factor_enrolled", target=locked.user, now=now)
            return fresh_recovery_codes(user=locked.user, now=now)
    return None


# --- Recovery codes -------------------------------------------------------------------------------------------


def fresh_recovery_codes(*, user: User, now: datetime) -> list[str]:
    """Ten new codes of 80 random bits; the former ones stop working. Their text cannot be read again."""
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        device, _made = RecoveryDevice.objects.get_or_create(user=user, defaults={"name": "Recovery codes"})
        device.codes.all().delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(device=device, digest=RecoveryCode.digest_of(code)) for code in codes
        )
        audit.record(actor=user, act="recovery_codes_made", target=user, details={"count": len(codes)}, now=now)
    return codes


def _recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def recovery_codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(device__user=user, used_at=None).count()


# --- Verifying ------------------------------------------------------------------------------------------------


def verify(*, user: User, code: str) -> Device | None:
    """The device that accepted the code: six digits for the app, anything longer is a recovery code.

    None: wrong, used before, or the device is resting after wrong tries (`waits_seconds`).
    """
    text = _plain(code)
    kind = _kind_for(text)
    # The row stays locked while the code is checked: two requests cannot both spend one try.
    with transaction.atomic():
        device = kind.objects.select_for_update().filter(user=user, confirmed=True).first()
        accepted = device is not None and device.verify_token(text)
    return device if accepted else None


def waits_seconds(*, user: User, code: str, now: datetime) -> int:
    """How long the device that this code is meant for rests after wrong ones; 0 when it can be tried now."""
    device = _kind_for(_plain(code)).objects.filter(user=user, confirmed=True).first()
    if device is None:
        return 0
    allowed, why = device.verify_is_allowed()
    return 0 if allowed or not why else max(0, int((why["locked_until"] - now).total_seconds() + 0.999))


def _kind_for(plain: str) -> type[StaffDevice] | type[RecoveryDevice]:
    return StaffDevice if len(plain) <= StaffDevice.DIGITS else RecoveryDevice


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "")


# --- Resetting somebody's second factor needs two people ------------------------------------------------------


def ask_reset(*, user: User, actor: User, now: datetime) -> Approval:
    """Propose that a person's second factor is taken away. AlreadyWaiting when somebody asked before."""
    return approvals.propose(
        act=ACT_RESET,
        target_type="user",
        target_id=str(user.pk),
        summary=f"Reset the second factor of {user.get_username()}",
        requested_by=actor,
        now=now,
    )


def approve_reset(*, approval_id: UUID | str, actor: User, now: datetime) -> User:
    """Take the second factor away; every session of that person ends with it. SamePerson, NotWaiting.

    The person whose factor it is cannot approve either: a stolen session must not open the door to a new phone.
    """
    with transaction.atomic():
        waiting = Approval.objects.get(pk=approval_id, act=ACT_RESET)
        if waiting.target_id == str(actor.pk):
            raise approvals.SamePerson("Nobody can approve the reset of their own second factor")
        approval = approvals.approve(approval_id, actor, now)
        user = User.objects.get(pk=approval.target_id)
        StaffDevice.objects.filter(user=user).delete()
        RecoveryDevice.objects.filter(user=user).delete()
        PortalAccount.objects.filter(user=user).update(session_epoch=F("session_epoch") + 1)
        audit.record(
            actor=actor,
            act="second_factor_reset",
            target=user,
            details={"asked_by": approval.requested_by.get_username()},
            now=now,
        )
    return user


def issuer() -> str:
    """How our entry is called in people's authenticator apps; the demo says so."""
    return "DZTech Pay demo" if settings.DEMO else "DZTech Pay"
