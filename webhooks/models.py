"""One event to be told to one URL, and every try at it. Ids of other apps are plain values."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from providers.ids import uuid7
from providers.models import Provider


class Delivery(models.Model):
    """One webhook to get across. Its body is frozen; its URL is looked up again when it is replayed."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")  # on the fast ladder
        STUCK = "stuck", _("stuck")  # the fast ladder failed; the slow one may still be at work
        DELIVERED = "delivered", _("delivered")
        SUPERSEDED = "superseded", _("superseded")  # a younger one of its order arrived first
        ENDED = "ended", _("ended")  # the receiver said 410: never again by ourselves

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, null=True, on_delete=models.CASCADE, related_name="deliveries")
    order_id = models.UUIDField()
    event_id = models.UUIDField()
    event_kind = models.CharField(max_length=40)  # the word on the wire: payment_succeeded …
    sequence = models.PositiveIntegerField()  # the event's number within its order
    url = models.CharField(max_length=2000)
    follows_provider = models.BooleanField(default=False)  # a replay goes to the provider's URL of that day
    host = models.CharField(max_length=255)  # lower case host:port, for the limit per endpoint
    body = models.TextField()
    headers = models.JSONField(default=dict)  # the dialect's own headers; signatures are made at each attempt
    ladder = models.CharField(max_length=16)  # webhooks/ladders.py
    is_livemode = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    is_holding = models.BooleanField(default=True)  # younger ones of its order wait: its fast ladder is not over
    attempts = models.PositiveIntegerField(default=0)  # tries since the last replay
    total_attempts = models.PositiveIntegerField(default=0)
    # By the database's clock. While a row is claimed it is the end of the lease: a killed worker's rows fall due again.
    next_attempt_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    lease_id = models.UUIDField(null=True)
    slow_since = models.DateTimeField(null=True)  # when the fast ladder ended: what the slow one counts from
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    replayed_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event_id", "url"], name="one_delivery_per_event_and_url"),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "stuck"]) | Q(next_attempt_at=None, is_holding=False),
                name="finished_deliveries_are_not_due",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="delivery_due"),
            models.Index(
                fields=["host", "next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="delivery_due_by_host",
            ),
            models.Index(fields=["order_id", "sequence"], name="delivery_by_order"),
            models.Index(fields=["provider", "state", "-created_at"], name="delivery_by_provider"),
            models.Index(fields=["provider", "is_livemode", "-created_at", "-id"], name="delivery_by_mode_time"),
            models.Index(fields=["state", "-created_at"], condition=~Q(state="delivered"), name="delivery_not_done"),
        ]
        permissions = [("replay_delivery", "Can replay webhooks")]

    def __str__(self) -> str:
        return f"{self.event_kind} → {self.host}"


class Attempt(models.Model):
    """One HTTP try at a delivery, as it went. Bodies are kept for a set number of days."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    url = models.CharField(max_length=2000)
    address = models.CharField(max_length=45, blank=True)  # the address connected to
    request_headers = models.JSONField(default=dict)
    status = models.PositiveSmallIntegerField(null=True)
    response_headers = models.JSONField(default=dict)
    response_body = models.TextField(blank=True)
    error = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-started_at", "-id"]
        indexes = [models.Index(fields=["delivery", "-started_at"], name="attempt_by_delivery")]

    def __str__(self) -> str:
        return f"{self.number}: {self.status or self.error}"


class DrainSlot(models.Model):
    """A seat for one running drain, so that a burst of kicks does not fill every worker process with drains."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    holder = models.UUIDField(null=True)
    held_until = models.DateTimeField(null=True)  # by the database's clock; a killed holder's seat falls free

    def __str__(self) -> str:
        return f"drain {self.number}"
