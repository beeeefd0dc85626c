"""What is owed and what became of it. Status columns are written only by transitions.py and refunds.py."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from gateway.money import Money
from providers.fields import EncryptedField
from providers.ids import checkout_token, receipt_code, uuid7
from providers.models import MODES, MerchantAccount, Provider, Service


class Order(models.Model):
    """What is owed, whatever a dialect calls it. Amount, mode and addresses are frozen when it is made."""

    class Status(models.TextChoices):
        CREATED = "created", _("created")
        PENDING = "pending", _("pending")
        PROCESSING = "processing", _("processing")
        PAID = "paid", _("paid")
        REFUNDED = "refunded", _("refunded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")

    class Dialect(models.TextChoices):
        PROVIDER = "provider", "Provider API"
        PAYMENT_TOKEN = "payment_token", "Payment-token API"
        MERCHANT_SECRET = "merchant_secret", "Merchant-secret API"
        INVOICE = "invoice", "Invoice API"
        PROCESSOR = "processor", "Processor API"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    token = models.CharField(max_length=64, unique=True, default=checkout_token, editable=False)
    receipt_code = models.CharField(max_length=40, unique=True, default=receipt_code, editable=False)
    # A dialect's own public names: `pt_…` of the Payment-token API; payment code and watch code of the Merchant-secret
    # API, of which neither leads to the other.
    code = models.CharField(max_length=64, unique=True, null=True, editable=False)
    watch_code = models.CharField(max_length=64, unique=True, null=True, editable=False)
    dialect = models.CharField(max_length=16, choices=Dialect)
    mode = models.CharField(max_length=4, choices=MODES)
    provider = models.ForeignKey(Provider, null=True, blank=True, on_delete=models.PROTECT, related_name="orders")
    service = models.ForeignKey(Service, null=True, blank=True, on_delete=models.PROTECT, related_name="orders")
    # Names as they were when the order was made: a renamed service does not rename what was bought.
    provider_name = models.CharField(max_length=200, blank=True)
    service_name = models.CharField(max_length=200, blank=True)
    description = models.CharField(max_length=500, blank=True)
    quantity = models.PositiveBigIntegerField(default=1)
    external_id = models.CharField(max_length=128, blank=True)
    business_id = models.CharField(max_length=128, blank=True)
    processor = models.CharField(max_length=20, blank=True)  # the only one it may be paid at; empty: the buyer chooses
    captures_later = models.BooleanField(default=False)  # the money is held first and taken on the provider's word
    link_ref = models.CharField(max_length=64, blank=True, editable=False)  # the processor's own link it was sold by
    details = models.JSONField(default=dict, editable=False)  # what the caller said beside the money, to be said back
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status, default=Status.CREATED, editable=False)
    lang = models.CharField(max_length=2, blank=True)
    payer_email = models.EmailField(blank=True)
    success_url = models.CharField(max_length=2000, blank=True)
    cancel_url = models.CharField(max_length=2000, blank=True)
    notify_url = models.CharField(max_length=2000, blank=True)
    items = models.JSONField(default=list)  # lines of the fiscal receipt (`ofd`), validated when the order was opened
    shares_external_id = models.BooleanField(default=False, help_text=_("Another order has the same external id."))

    paid_by = models.ForeignKey("Payment", null=True, on_delete=models.PROTECT, related_name="+", editable=False)
    paid_at = models.DateTimeField(null=True, editable=False)
    is_late = models.BooleanField(default=False, editable=False, help_text=_("Paid after it had ended otherwise."))
    refunded_minor = models.PositiveBigIntegerField(default=0, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    # While open payments are being ended at their processors, no new one may open: cancel or expiry is under way.
    closing_until = models.DateTimeField(null=True, editable=False)
    last_sequence = models.PositiveIntegerField(default=0, editable=False)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="order_amount_is_positive"),
            models.CheckConstraint(
                condition=Q(status__in=["paid", "refunded"], paid_by__isnull=False)
                | (~Q(status__in=["paid", "refunded"]) & Q(paid_by__isnull=True)),
                name="order_paid_by_a_payment",
            ),
            models.CheckConstraint(condition=Q(refunded_minor__lte=F("amount_minor")), name="order_refunded_within"),
        ]
        indexes = [
            models.Index(fields=["provider", "external_id"], name="order_by_external_id"),
            models.Index(fields=["provider", "business_id", "-created_at"], name="order_by_business"),
            # What a provider looks through in one mode: all of it, by state, by amount, by who paid, by day of payment.
            models.Index(fields=["provider", "mode", "-created_at", "-id"], name="order_by_mode_time"),
            models.Index(fields=["provider", "mode", "status", "-created_at", "-id"], name="order_by_status_time"),
            models.Index(fields=["provider", "mode", "currency", "amount_minor"], name="order_by_amount"),
            models.Index("provider", Lower("payer_email"), condition=~Q(payer_email=""), name="order_by_payer"),
            models.Index(
                fields=["provider", "mode", "paid_at"],
                include=["currency", "amount_minor"],
                condition=Q(paid_at__isnull=False),
                name="order_by_payday",
            ),
            models.Index(fields=["expires_at"], condition=Q(status__in=["created", "pending"]), name="order_to_expire"),
        ]
        permissions = [
            ("cancel_order", "Can cancel an order"),
            ("settle_review", "Can propose and approve the exit of a payment under review"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_livemode(self) -> bool:
        return self.mode == "live"


class Payment(models.Model):
    """One try to pay an order at one processor, on one pinned account."""

    class Status(models.TextChoices):
        CREATED = "created", _("created")
        PENDING = "pending", _("waiting for the buyer")
        PROCESSING = "processing", _("processing")
        AUTHORIZED = "authorized", _("authorized")
        CAPTURED = "captured", _("captured")
        FAILED = "failed", _("failed")
        DECLINED = "declined", _("declined")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")
        ERROR = "error", _("error")
        UNKNOWN = "unknown", _("outcome unknown")
        REVIEW = "review", _("under review")

    # One of these at most per order: only one payment at a time can capture.
    OPEN = [Status.CREATED, Status.PENDING, Status.PROCESSING, Status.AUTHORIZED, Status.UNKNOWN]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    account = models.ForeignKey(MerchantAccount, on_delete=models.PROTECT, related_name="payments")
    processor = models.CharField(max_length=20)
    method = models.CharField(max_length=40, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.CREATED, editable=False)
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    processor_ref = models.CharField(max_length=200, blank=True, editable=False)
    processor_data = models.JSONField(default=dict, editable=False)
    # The processor's id of the try that holds or took the money, where that is another thing than `processor_ref`.
    capture_ref = models.CharField(max_length=200, blank=True, editable=False)
    pay_url = models.CharField(max_length=2000, blank=True, editable=False)
    pay_mobile_url = models.CharField(max_length=2000, blank=True, editable=False)
    # True once the processor said that nothing more can be captured there, whatever the buyer does.
    is_final_there = models.BooleanField(default=False, editable=False)
    failure_code = models.CharField(max_length=100, blank=True, editable=False)
    failure_message = models.CharField(max_length=500, blank=True, editable=False)
    failure_advice = models.CharField(max_length=30, blank=True, editable=False)
    captured_minor = models.PositiveBigIntegerField(default=0, editable=False)
    captured_at = models.DateTimeField(null=True, editable=False)
    refunded_minor = models.PositiveBigIntegerField(default=0, editable=False)
    is_duplicate = models.BooleanField(default=False, editable=False)
    is_disputed = models.BooleanField(default=False, editable=False)
    # What the processor reported, where it differs from what is owed.
    review_reason = models.CharField(max_length=300, blank=True, editable=False)
    reported_minor = models.BigIntegerField(null=True, editable=False)
    reported_currency = models.CharField(max_length=3, blank=True, editable=False)
    reviewed_at = models.DateTimeField(null=True, editable=False)
    # The ladder of questions to the processor.
    asked = models.PositiveIntegerField(default=0, editable=False)
    last_asked_at = models.DateTimeField(null=True, editable=False)
    next_ask_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status__in=["created", "pending", "processing", "authorized", "unknown"]),
                name="one_open_payment_per_order",
            ),
            models.UniqueConstraint(
                fields=["account", "processor_ref"], condition=~Q(processor_ref=""), name="one_payment_per_reference"
            ),
            models.UniqueConstraint(
                fields=["account", "capture_ref"], condition=~Q(capture_ref=""), name="one_payment_per_capture"
            ),
            models.CheckConstraint(
                condition=Q(refunded_minor__lte=F("captured_minor")), name="payment_refunded_within_captured"
            ),
        ]
        indexes = [
            models.Index(fields=["next_ask_at"], condition=Q(next_ask_at__isnull=False), name="payment_to_ask"),
            models.Index(fields=["processor", "processor_ref"], name="payment_by_reference"),
            models.Index(fields=["processor", "capture_ref"], name="payment_by_capture"),
            models.Index(fields=["account", "created_at"], include=["status"], name="payment_by_account_time"),
        ]

    def __str__(self) -> str:
        return f"{self.processor} {self.processor_ref or self.id}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)


class Refund(models.Model):
    """Money going back, always of one payment. Its amount is reserved from the moment it is asked for."""

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("waiting for a second person")
        REQUESTED = "requested", _("requested")
        PENDING = "pending", _("pending")
        UNKNOWN = "unknown", _("outcome unknown")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    # These count against what is left to refund.
    RESERVING = [Status.PROPOSED, Status.REQUESTED, Status.PENDING, Status.UNKNOWN, Status.SUCCEEDED]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED, editable=False)
    reason = models.CharField(max_length=300, blank=True)
    idempotency_key = models.CharField(max_length=255, blank=True)
    items = models.JSONField(default=list)  # lines of the receipt that replaces the first one, passed on as given
    requested_by = models.CharField(max_length=150, blank=True)
    approval_id = models.UUIDField(null=True, editable=False)
    is_external = models.BooleanField(default=False, help_text=_("Made in the processor's own cabinet."))
    proof = models.CharField(max_length=500, blank=True)  # how staff know of a refund that no processor told us of
    processor_ref = models.CharField(max_length=200, blank=True, editable=False)
    failure_code = models.CharField(max_length=100, blank=True, editable=False)
    failure_message = models.CharField(max_length=500, blank=True, editable=False)
    asked = models.PositiveIntegerField(default=0, editable=False)
    next_ask_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_amount_is_positive"),
            models.UniqueConstraint(
                fields=["payment", "idempotency_key"], condition=~Q(idempotency_key=""), name="one_refund_per_key"
            ),
            models.UniqueConstraint(
                fields=["payment", "processor_ref"], condition=~Q(processor_ref=""), name="one_refund_per_reference"
            ),
        ]
        indexes = [
            models.Index(fields=["next_ask_at"], condition=Q(next_ask_at__isnull=False), name="refund_to_ask"),
            models.Index(fields=["settled_at"], condition=Q(status="succeeded"), name="refund_by_day"),
            models.Index(fields=["processor_ref"], condition=~Q(processor_ref=""), name="refund_by_reference"),
        ]
        permissions = [("make_refund", "Can refund"), ("approve_refund", "Can approve a refund above the limit")]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)


class ProcessorTransaction(models.Model):
    """A transaction of a processor that asks first (Payme, Click, Uzum), as it knows it: id, times, state, reason.

    The primary key is the number we give it (Payme's `transaction`, Click's prepare and confirm id). It says what
    the protocol must repeat for ever; the money is the payment's.
    """

    class State(models.TextChoices):
        CREATED = "created", _("reserved")
        PERFORMED = "performed", _("paid")
        CANCELLED = "cancelled", _("cancelled before payment")
        REVERSED = "reversed", _("cancelled after payment")

    account = models.ForeignKey(MerchantAccount, on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="processor_transactions")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="processor_transactions")
    transaction_ref = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.CREATED, editable=False)
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    their_time = models.DateTimeField(null=True)
    reason = models.CharField(max_length=40, blank=True)
    is_expired = models.BooleanField(default=False)
    details = models.JSONField(default=dict)
    fiscal = models.JSONField(default=dict)  # {"PERFORM": {...}, "CANCEL": {...}} as the processor sent it
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    performed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "transaction_ref"], name="one_row_per_processor_transaction"),
            models.UniqueConstraint(
                fields=["order"], condition=Q(state="created"), name="one_live_reservation_per_order"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "their_time"], name="transaction_by_their_time"),
            models.Index(fields=["transaction_ref"], name="transaction_by_reference"),
            models.Index(fields=["expires_at"], condition=Q(state="created"), name="transaction_to_expire"),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_ref} {self.state}"


class OrderEvent(models.Model):
    """An append-only fact in the life of an order, numbered per order under the order's lock."""

    class Kind(models.TextChoices):
        ORDER_CREATED = "order_created", _("Order created")
        PAYMENT_STARTED = "payment_started", _("Payment started")
        PAYMENT_PENDING = "payment_pending", _("Waiting for the buyer")
        PAYMENT_RESERVED = "payment_reserved", _("Reserved by the processor")
        PAYMENT_PROCESSING = "payment_processing", _("The processor is working on it")
        PAYMENT_AUTHORIZED = "payment_authorized", _("Money held")
        PAYMENT_UNKNOWN = "payment_unknown", _("No clear answer from the processor")
        PAYMENT_REVIEW = "payment_review", _("Put under review")
        PAYMENT_REVIEWED = "payment_reviewed", _("Review settled")
        PAYMENT_FAILED = "payment_failed", _("Payment refused")
        PAYMENT_CANCELLED = "payment_cancelled", _("Payment ended")
        PAYMENT_EXPIRED = "payment_expired", _("Payment expired")
        PAYMENT_ERROR = "payment_error", _("Payment could not be started")
        PAID = "paid", _("Paid")
        DUPLICATE_PAYMENT = "duplicate_payment", _("Paid a second time")
        ORDER_CANCELLED = "order_cancelled", _("Order cancelled")
        ORDER_EXPIRED = "order_expired", _("Order expired")
        REFUND_REQUESTED = "refund_requested", _("Refund requested")
        REFUND_PENDING = "refund_pending", _("Refund under way")
        REFUND_SUCCEEDED = "refund_succeeded", _("Refunded")
        REFUND_FAILED = "refund_failed", _("Refund failed")
        REFUND_REVERSED = "refund_reversed", _("A refund came back")
        REFUND_EXCESS = "refund_excess", _("More was refunded than we know of")
        DISPUTE_OPENED = "dispute_opened", _("Dispute opened")
        DISPUTE_CLOSED = "dispute_closed", _("Dispute closed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="events")
    sequence = models.PositiveIntegerField()
    kind = models.CharField(max_length=20, choices=Kind)
    payment_id = models.UUIDField(null=True)
    refund_id = models.UUIDField(null=True)
    cause = models.CharField(max_length=120)  # who or what made it happen: "callback evt_…", "staff anna", "ladder"
    data = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ["order", "sequence"]
        constraints = [models.UniqueConstraint(fields=["order", "sequence"], name="one_event_per_number")]

    def __str__(self) -> str:
        return f"{self.sequence} {self.kind}"


class CallbackRecord(models.Model):
    """A processor's request as it arrived, stored before any work; secrets in headers and body removed."""

    class Verdict(models.TextChoices):
        RECEIVED = "received", _("received")
        APPLIED = "applied", _("applied")
        NOTHING_NEW = "nothing_new", _("nothing new")
        IGNORED = "ignored", _("ignored")
        UNKNOWN_REFERENCE = "unknown_reference", _("unknown reference")
        REFUSED = "refused", _("refused")
        FAILED = "failed", _("failed on our side")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    processor = models.CharField(max_length=20)
    account = models.ForeignKey(MerchantAccount, null=True, on_delete=models.SET_NULL, related_name="+")
    order_id = models.UUIDField(null=True, db_index=True)
    payment_id = models.UUIDField(null=True)
    event_id = models.CharField(max_length=200, blank=True)
    event_type = models.CharField(max_length=100, blank=True)
    path = models.CharField(max_length=300)
    headers = models.JSONField(default=dict)
    body = models.TextField()
    is_truncated = models.BooleanField(default=False)
    is_verified = models.BooleanField(default=False)
    verdict = models.CharField(max_length=20, choices=Verdict, default=Verdict.RECEIVED)
    note = models.CharField(max_length=500, blank=True)
    answer_status = models.PositiveSmallIntegerField(null=True)
    # How often the same came, where it is kept once (a browser's signed return); `finished_at` is then the last time.
    times = models.PositiveIntegerField(default=1, db_default=1)
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["processor", "event_id"], name="callback_by_event"),
            models.Index(
                fields=["account", "received_at"],
                condition=Q(verdict="unknown_reference"),
                name="callback_too_early",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.processor} {self.event_type or self.path}"


class IdempotencyRecord(models.Model):
    """The first answer to a caller's wish, kept to be said again. `answer` is sealed JSON {status, body}."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=64)  # digest of credential owner, mode, method and path
    key_digest = models.CharField(max_length=64)
    body_digest = models.CharField(max_length=64)
    lease_until = models.DateTimeField(null=True)
    answer = EncryptedField()
    resource_id = models.UUIDField(null=True)  # what a first try made before it broke off: a retry resumes it
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key_digest"], name="one_record_per_key")]

    def __str__(self) -> str:
        return str(self.id)


class Letter(models.Model):
    """An e-mail to the payer about an order: a receipt after payment or refund. Written with the event it tells.

    `to` and `lang` are frozen when it is written; a letter that cannot be sent holds up nothing else.
    """

    class Kind(models.TextChoices):
        PAID = "paid", _("receipt")
        REFUNDED = "refunded", _("receipt of a refund")

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        SENT = "sent", _("sent")
        FAILED = "failed", _("not sent")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="letters")
    refund = models.ForeignKey(Refund, null=True, on_delete=models.PROTECT, related_name="letters")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=6, choices=State, default=State.QUEUED, editable=False)
    to = models.EmailField()
    lang = models.CharField(max_length=2, blank=True)
    requested_by = models.CharField(max_length=150, blank=True)  # who of the staff asked for it; empty: the event did
    attempts = models.PositiveIntegerField(default=0, editable=False)
    next_attempt_at = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order", "kind"],
                condition=Q(requested_by="", refund__isnull=True),
                name="one_letter_per_payment",
            ),
            models.UniqueConstraint(
                fields=["refund"], condition=Q(requested_by="", refund__isnull=False), name="one_letter_per_refund"
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="queued"), name="letter_to_send"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.order_id}"
