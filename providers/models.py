"""Who sells through us, with which keys, and whose credentials move the money."""

import hashlib
import time

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from gateway.types import Mode
from providers.fields import EncryptedField
from providers.ids import uuid7

MODES = [(Mode.TEST.value, _("test")), (Mode.LIVE.value, _("live"))]


class Service(models.Model):
    """Something sold at a unit price."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    title = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    price_minor = models.PositiveBigIntegerField(help_text=_("Unit price in minor units (cents)."))
    currency = models.CharField(max_length=3, default="USD")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["title"]
        constraints = [models.CheckConstraint(condition=Q(price_minor__gt=0), name="service_price_is_positive")]

    def __str__(self) -> str:
        return self.title


class Provider(models.Model):
    """A system that sells through us."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        INACTIVE = "inactive", _("inactive")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80, unique=True)
    service = models.ForeignKey(Service, null=True, blank=True, on_delete=models.PROTECT, related_name="providers")
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    currency = models.CharField(max_length=3, default="USD")
    webhook_url = models.URLField(max_length=1000, blank=True)
    success_redirect_url = models.CharField(max_length=1000, blank=True)
    cancel_redirect_url = models.CharField(max_length=1000, blank=True)
    tries_webhooks_for_days = models.BooleanField(
        default=True, help_text=_("Go on trying stuck webhooks on the slow ladder, up to 24 hours.")
    )
    allowed_origins = models.TextField(
        blank=True,
        help_text=_("Origins buyers may be sent back to besides those of the addresses above, one on each line."),
    )
    refunds_late_captures = models.BooleanField(
        default=False, help_text=_("Refund by itself what is captured after an order failed, was cancelled or expired.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        permissions = [
            ("manage_keys", "Can create, rotate and revoke API keys and signing secrets"),
            ("act_as_support", "Support: read everything, replay webhooks"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        return self.status == self.Status.ACTIVE


class ApiKey(models.Model):
    """A provider's key. Only its digest is kept; `prefix` is what people recognise it by."""

    class Kind(models.TextChoices):
        API = "api", _("API key")
        MERCHANT_SECRET = "merchant", _("merchant secret")  # good for `start_payment` alone

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="api_keys")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.API)
    mode = models.CharField(max_length=4, choices=MODES)
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=32)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    calls_per_minute = models.PositiveIntegerField(default=1200)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text=_("Set by a rotation: the end of its overlap."))
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}…"


class SigningSecret(models.Model):
    """What a provider's webhooks are signed with.

    A rotation adds a NEXT secret: `webhook-signature` then carries both, the single-value header keeps the
    CURRENT one until NEXT is promoted.
    """

    class State(models.TextChoices):
        CURRENT = "current", _("current")
        NEXT = "next", _("next")
        RETIRED = "retired", _("retired")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="signing_secrets")
    state = models.CharField(max_length=8, choices=State, default=State.CURRENT)
    secret = EncryptedField()
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "state"], condition=~Q(state="retired"), name="one_signing_secret_per_state"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} ({self.get_state_display()})"


class MerchantAccount(models.Model):
    """The credentials of one business at one processor in one mode.

    Without a provider it is the house account, whose credentials come from the environment. `credentials` is
    sealed JSON of the processor's credential fields. A retired account still answers callbacks and refunds.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, null=True, blank=True, on_delete=models.PROTECT, related_name="accounts")
    business_id = models.CharField(max_length=128, blank=True)
    business_name = models.CharField(max_length=200, blank=True)
    processor = models.CharField(max_length=20)
    mode = models.CharField(max_length=4, choices=MODES)
    credentials = EncryptedField()
    previous_credentials = EncryptedField()
    previous_until = models.DateTimeField(null=True, blank=True)
    identity_digest = models.CharField(max_length=64, blank=True, editable=False)
    # Keyed digest of what a caller at a shared address presents (Payme's key, Uzum's login and password).
    caller_digest = models.CharField(max_length=64, blank=True, editable=False, db_index=True)
    previous_caller_digest = models.CharField(max_length=64, blank=True, editable=False, db_index=True)
    is_active = models.BooleanField(default=True)
    blocked_at = models.DateTimeField(null=True, blank=True, help_text=_("Set by staff; the API cannot lift it."))
    retired_at = models.DateTimeField(null=True, blank=True)
    # What the processor last said it can take: {"USD/cashapp": {"is_available", "why", "at"}}.
    availability = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["processor", "business_name"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "business_id", "processor", "mode"],
                condition=Q(retired_at=None, provider__isnull=False),
                name="one_account_per_business_processor_mode",
            ),
            models.UniqueConstraint(
                fields=["processor", "mode"],
                condition=Q(retired_at=None, provider__isnull=True),
                name="one_house_account_per_processor_mode",
            ),
        ]

    def __str__(self) -> str:
        owner = self.business_name or self.business_id or (str(self.provider) if self.provider_id else "house")
        return f"{owner} · {self.processor} · {self.mode}"

    @property
    def is_house(self) -> bool:
        return self.provider_id is None

    @property
    def is_usable(self) -> bool:
        """New payments may be opened on it."""
        return self.is_active and self.blocked_at is None and self.retired_at is None


class StaffDevice(ThrottlingMixin, Device):
    """A staff member's authenticator app: time-based codes (RFC 6238), six digits, 30 seconds.

    Not a child of the library's TOTPDevice: that one keeps its key in plain hex, and its parent row would
    stay in the table with an empty key that anybody can compute codes for.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)  # known before the key is sealed to it

    STEP_SECONDS = 30
    DIGITS = 6
    DRIFT_STEPS = 1  # clocks of phones

    sealed_key = EncryptedField()
    last_t = models.BigIntegerField(default=-1)  # a code is good once
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("authenticator")

    @property
    def persistent_id(self) -> str:
        """What a session keeps. The library reads the id back with int(), which a UUID also is."""
        return f"{self.model_label()}/{self.id.int}"

    def verify_token(self, token: str) -> bool:
        allowed, _data = self.verify_is_allowed()
        key = bytes.fromhex(self.sealed_key.reveal())
        if not allowed or not key or not (token.isascii() and token.isdigit() and len(token) == self.DIGITS):
            if allowed:
                self.throttle_increment()
            return False
        totp = TOTP(key, self.STEP_SECONDS, digits=self.DIGITS)
        totp.time = time.time()
        if not totp.verify(int(token), self.DRIFT_STEPS, min_t=self.last_t + 1):
            self.throttle_increment()
            return False
        # Two requests with the same code: only one may move last_t.
        moved = StaffDevice.objects.filter(pk=self.pk, last_t__lt=totp.t()).update(last_t=totp.t())
        self.last_t = totp.t()
        if moved:
            self.throttle_reset(commit=False)
            self.save(update_fields=["throttling_failure_timestamp", "throttling_failure_count"])
        return bool(moved)

    def get_throttle_factor(self) -> int:
        return 1


class RecoveryDevice(ThrottlingMixin, Device):
    """Recovery codes for the day the phone is lost: ten, each good once, kept as digests."""

    class Meta:
        verbose_name = _("recovery codes")

    def verify_token(self, token: str) -> bool:
        allowed, _data = self.verify_is_allowed()
        if not allowed:
            return False
        used = self.codes.filter(digest=RecoveryCode.digest_of(token), used_at=None).update(used_at=timezone.now())
        if used:
            self.throttle_reset()
        else:
            self.throttle_increment()
        return bool(used)

    def get_throttle_factor(self) -> int:
        return 1


class RecoveryCode(models.Model):
    device = models.ForeignKey(RecoveryDevice, on_delete=models.CASCADE, related_name="codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "digest"], name="one_row_per_recovery_code")]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"

    @staticmethod
    def digest_of(code: str) -> str:
        """Dashes, spaces and case do not matter. 80 random bits need no slow hash."""
        return hashlib.sha256("".join(code.split()).replace("-", "").lower().encode()).hexdigest()


class PortalAccount(models.Model):
    """A person who signs in to the portal. What makes a user one of ours there; staff never have it.

    Their name at the door is their e-mail address in lower case. `session_epoch` grows to end every session.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="portal_account")
    lang = models.CharField(max_length=2, blank=True)  # of e-mails; pages follow the browser's own choice
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.user.get_username()


class Role(models.TextChoices):
    """What a member may do; each role may all that the one before it may."""

    VIEWER = "viewer", _("viewer")
    DEVELOPER = "developer", _("developer")
    OWNER = "owner", _("owner")


class Member(models.Model):
    """Somebody who works for a provider, in one role. One person may belong to several providers."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=9, choices=Role)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["provider", "user"], name="one_membership_per_person")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"

    @property
    def is_owner(self) -> bool:
        return self.role == Role.OWNER


class Invitation(models.Model):
    """An open hand to an e-mail address. The token in its link is kept as a digest and works once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=150)
    role = models.CharField(max_length=9, choices=Role)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "email"],
                condition=Q(accepted_at=None, revoked_at=None),
                name="one_open_invitation_per_address",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.role})"


class AuditEntry(models.Model):
    """One act of a person (or of the system in their name). Append-only; never holds a secret."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150)
    act = models.CharField(max_length=60)
    target_type = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    details = models.JSONField(default=dict)
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["target_type", "target_id", "-at"], name="audit_by_target")]
        verbose_name_plural = "audit trail"

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.act}"


class Approval(models.Model):
    """An act that needs two people: one asked, another decides. Enforced in `providers/approvals.py`."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting for a second person")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")
        WITHDRAWN = "withdrawn", _("withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    act = models.CharField(max_length=60)
    target_type = models.CharField(max_length=40)
    target_id = models.CharField(max_length=64)
    summary = models.CharField(max_length=300)
    payload = EncryptedField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(state="approved") | ~Q(decided_by=models.F("requested_by")),
                name="approved_by_somebody_else",
            ),
            models.UniqueConstraint(
                fields=["act", "target_id"], condition=Q(state="waiting"), name="one_waiting_approval_per_target"
            ),
        ]

    def __str__(self) -> str:
        return self.summary


class KeyCanary(models.Model):
    """A known text sealed under each encryption key in use: opened at every start, so a wrong key is found at once."""

    key_id = models.CharField(primary_key=True, max_length=40)
    sealed = EncryptedField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.key_id
