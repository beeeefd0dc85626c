"""Who may work in the portal for which provider: invitations, roles, and who can never be sent away.

A person is a user that is not staff, with a `PortalAccount`; their name at the door is their e-mail address in lower
case. Every act locks its provider first, so that two owners cannot remove each other at the same moment.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from providers import audit
from providers.models import Invitation, Member, PortalAccount, Provider, Role

RANKS = {Role.VIEWER.value: 1, Role.DEVELOPER.value: 2, Role.OWNER.value: 3}
INVITED_FOR = timedelta(days=7)
MAX_EMAIL = 150  # a user name has no more room


class MemberError(Exception):
    """Base. `code` is stable; what people read is said where it is shown."""

    code = "MEMBER_ERROR"


class AlreadyMember(MemberError):
    """This person belongs to the provider already."""

    code = "ALREADY_MEMBER"


class IsStaff(MemberError):
    """The address is the user name of a colleague of the back office, who cannot be a merchant's member too."""

    code = "IS_STAFF"


class LastOwner(MemberError):
    """Nobody could manage the provider any more."""

    code = "LAST_OWNER"


class NotOpen(MemberError):
    """The invitation was used, revoked, or is too old."""

    code = "NOT_OPEN"


class WrongPerson(MemberError):
    """The invitation was sent to another address."""

    code = "WRONG_PERSON"


def normal_email(text: str) -> str:
    """An address as a name at the door: one spelling per person."""
    return text.strip().lower()


def may(role: str, least: str) -> bool:
    """Whether a member of this role may what needs at least that one."""
    return RANKS.get(role, 0) >= RANKS[least]


def account_of(user: User) -> PortalAccount | None:
    """The person's portal account; None for staff and for whoever has none."""
    if user.is_staff or user.is_superuser or not user.is_active:
        return None
    return PortalAccount.objects.filter(user=user).first()


def find_account(email: str) -> PortalAccount | None:
    """Who signs in with this address, locked-out people included; None for staff and strangers."""
    found = PortalAccount.objects.select_related("user").filter(user__username=normal_email(email))
    return found.filter(user__is_staff=False, user__is_superuser=False).first()


def memberships_of(user: User) -> list[Member]:
    """The active memberships of a person, by the provider's name."""
    found = Member.objects.filter(user=user, is_active=True).select_related("provider__service")
    return list(found.order_by("provider__name", "provider_id"))


def owners_of(provider: Provider) -> list[Member]:
    found = Member.objects.filter(provider=provider, role=Role.OWNER, is_active=True, user__is_active=True)
    return list(found.select_related("user__portal_account"))


# --- Invitations ----------------------------------------------------------------------------------------------


def invite(
    *,
    provider: Provider,
    email: str,
    role: Role,
    invited_by: User,
    now: datetime,
    by_staff: bool = False,
    request: HttpRequest | None = None,
) -> tuple[Invitation, str]:
    """An invitation and the text of its token, which nobody can read again. A former open one stops working.

    AlreadyMember, IsStaff.
    """
    address = normal_email(email)
    if User.objects.filter(username=address, is_staff=True).exists():
        raise IsStaff
    token = secrets.token_urlsafe(24)
    with transaction.atomic():
        _lock(provider)
        if Member.objects.filter(provider=provider, user__username=address, is_active=True).exists():
            raise AlreadyMember
        _open_ones(provider).filter(email=address).update(revoked_at=now)
        invitation = Invitation.objects.create(
            provider=provider,
            email=address,
            role=role,
            digest=_digest(token),
            invited_by=invited_by,
            created_at=now,
            expires_at=now + INVITED_FOR,
        )
        _record("member_invited", provider, invited_by, now, {"email": address, "role": role.value}, request)
    return invitation, token


def link_of(token: str) -> str:
    """The address that the invited person opens."""
    return f"{settings.BASE_URL}/portal/join/{token}"


def find_invitation(token: str, *, now: datetime) -> Invitation | None:
    """The open invitation behind a link, else None, whatever is wrong with it."""
    found = Invitation.objects.select_related("provider", "invited_by").filter(
        digest=_digest(token), expires_at__gt=now
    )
    return found.filter(accepted_at=None, revoked_at=None).first()


def open_invitations(provider: Provider) -> QuerySet[Invitation]:
    """What was neither used nor revoked, the expired ones included: who invited should see them."""
    return _open_ones(provider).select_related("invited_by")


def revoke(*, invitation: Invitation, actor: User, now: datetime, request: HttpRequest | None = None) -> bool:
    """The link stops working. False when it did not work any more anyway."""
    with transaction.atomic():
        open_one = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
        moved = bool(open_one.update(revoked_at=now))
        if moved:
            _record("invitation_revoked", invitation.provider, actor, now, {"email": invitation.email}, request)
    return moved


def accept_as_new(
    *, invitation: Invitation, password: str, name: str, lang: str, now: datetime, request: HttpRequest | None = None
) -> Member:
    """The invited person chooses a password and belongs to the provider. NotOpen, WrongPerson, ValidationError.

    WrongPerson when the address has an account by now: then its owner signs in and accepts.
    """
    user = User(username=invitation.email, email=invitation.email, first_name=name[:150])
    validate_password(password, user)
    user.set_password(password)  # slow on purpose: outside of the transaction
    with transaction.atomic():
        _spend(invitation, now=now)
        if User.objects.filter(username=invitation.email).exists():
            raise WrongPerson
        user.save(force_insert=True)
        PortalAccount.objects.create(user=user, lang=lang, created_at=now)
        return _join(invitation, user, now=now, request=request)


def accept(*, invitation: Invitation, user: User, now: datetime, request: HttpRequest | None = None) -> Member:
    """Somebody with an account accepts. NotOpen, WrongPerson when it was sent to another address."""
    if user.get_username() != invitation.email or account_of(user) is None:
        raise WrongPerson
    with transaction.atomic():
        _spend(invitation, now=now)
        return _join(invitation, user, now=now, request=request)


def add_person(*, provider: Provider, email: str, role: Role, password: str, now: datetime) -> Member:
    """A member without an invitation, for the demo and its like: validators are not asked."""
    address = normal_email(email)
    with transaction.atomic():
        user, is_new = User.objects.get_or_create(username=address, defaults={"email": address})
        if user.is_staff:
            raise IsStaff
        if is_new:
            user.set_password(password)
            user.save(update_fields=["password"])
        PortalAccount.objects.get_or_create(user=user, defaults={"created_at": now})
        member, _made = Member.objects.get_or_create(
            provider=provider, user=user, defaults={"role": role, "created_at": now}
        )
    return member


def _spend(invitation: Invitation, *, now: datetime) -> None:
    """Only one acceptance wins, on both databases."""
    open_one = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None, expires_at__gt=now)
    if not open_one.update(accepted_at=now):
        raise NotOpen


def _join(invitation: Invitation, user: User, *, now: datetime, request: HttpRequest | None) -> Member:
    member, is_new = Member.objects.get_or_create(
        provider=invitation.provider, user=user, defaults={"role": invitation.role, "created_at": now}
    )
    if not is_new:  # somebody who was here before comes back, in the role they were invited for
        member.role, member.is_active = invitation.role, True
        member.save(update_fields=["role", "is_active"])
    details = {"email": invitation.email, "role": invitation.role}
    _record("member_joined", invitation.provider, user, now, details, request)
    return member


# --- Members --------------------------------------------------------------------------------------------------


def change_role(
    *,
    member: Member,
    role: Role,
    actor: User,
    now: datetime,
    by_staff: bool = False,
    request: HttpRequest | None = None,
) -> None:
    """LastOwner when nobody could manage the provider after it; staff may do even that."""
    with transaction.atomic():
        _lock(member.provider)
        present = Member.objects.select_related("user").get(pk=member.pk)
        if present.role == role:
            return
        if not by_staff and role != Role.OWNER:
            _refuse_last_owner(present)
        Member.objects.filter(pk=member.pk).update(role=role)
        details = {"email": present.user.get_username(), "from": present.role, "to": role.value}
        _record("member_role_changed", member.provider, actor, now, details, request)
    member.role = role


def deactivate(
    *, member: Member, actor: User, now: datetime, by_staff: bool = False, request: HttpRequest | None = None
) -> bool:
    """The person sees nothing of the provider from the next click on. False when it was so before. LastOwner."""
    with transaction.atomic():
        _lock(member.provider)
        present = Member.objects.select_related("user").get(pk=member.pk)
        if not present.is_active:
            return False
        if not by_staff:
            _refuse_last_owner(present)
        Member.objects.filter(pk=member.pk).update(is_active=False)
        # A second link, sent while the first was being accepted, must not lead back in.
        _open_ones(member.provider).filter(email=present.user.get_username()).update(revoked_at=now)
        _record("member_removed", member.provider, actor, now, {"email": present.user.get_username()}, request)
    member.is_active = False
    return True


def _refuse_last_owner(member: Member) -> None:
    others = Member.objects.filter(provider=member.provider_id, role=Role.OWNER, is_active=True, user__is_active=True)
    if member.is_owner and member.is_active and not others.exclude(pk=member.pk).exists():
        raise LastOwner


# --- Small things ---------------------------------------------------------------------------------------------


def end_sessions(*, account: PortalAccount, now: datetime, request: HttpRequest | None = None) -> int:
    """Sign a person out everywhere; answers the new epoch, which the session that goes on has to carry."""
    with transaction.atomic():
        locked = PortalAccount.objects.select_for_update().get(pk=account.pk)
        locked.session_epoch += 1
        locked.save(update_fields=["session_epoch"])
        audit.record(actor=account.user, act="signed_out_everywhere", target=account.user, request=request, now=now)
    account.session_epoch = locked.session_epoch
    return locked.session_epoch


def names_of(people: Iterable[Member]) -> list[str]:
    return [member.user.get_username() for member in people]


def _open_ones(provider: Provider) -> QuerySet[Invitation]:
    return Invitation.objects.filter(provider=provider, accepted_at=None, revoked_at=None)


def _lock(provider: Provider) -> None:
    Provider.objects.select_for_update().only("pk").get(pk=provider.pk)


def _digest(token: str) -> str:
    # 192 random bits need no salt and no slow hash.
    return hashlib.sha256(token.encode()).hexdigest()


def _record(
    act: str,
    provider: Provider,
    actor: User,
    now: datetime,
    details: dict[str, str],
    request: HttpRequest | None,
) -> None:
    target = ("provider", str(provider.pk))
    audit.record(actor=actor, act=act, target=target, details=details, request=request, now=now)
