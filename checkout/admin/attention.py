"""What the first page counts: everything that waits for a person. Each card leads to its list."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from checkout import letters
from checkout.admin.orders import find
from checkout.admin.refunds import left_alone
from checkout.models import CallbackRecord, Payment, Refund
from providers import backoffice
from providers.models import Approval
from webhooks.models import Delivery

COUNTED = 100  # "99+" says enough
UNKNOWN_FOR = timedelta(minutes=15)
CALLBACKS_OF = timedelta(days=7)


def cards(request: HttpRequest) -> list[dict[str, Any]]:
    """{title, help, count, is_more, meaning, url} of every card this person's role may open."""
    now = timezone.now()
    orders = reverse("admin:checkout_order_changelist")
    deliveries = reverse("admin:webhooks_delivery_changelist")
    callbacks = reverse("admin:checkout_callbackrecord_changelist")
    captured_twice = Payment.objects.filter(is_duplicate=True, refunded_minor__lt=F("captured_minor"))
    unclear = Payment.objects.filter(status=Payment.Status.UNKNOWN, updated_at__lt=now - UNKNOWN_FOR)
    failed = CallbackRecord.objects.filter(verdict=CallbackRecord.Verdict.FAILED, received_at__gt=now - CALLBACKS_OF)
    refused = CallbackRecord.objects.filter(verdict=CallbackRecord.Verdict.REFUSED, received_at__gt=now - CALLBACKS_OF)
    table: list[tuple[str, str, str, str, QuerySet[Any], str]] = [
        (
            "checkout.view_order",
            "Payments under review",
            "The processor reports other money than what is owed.",
            backoffice.BAD,
            Payment.objects.filter(status=Payment.Status.REVIEW),
            f"{orders}?attention=review",
        ),
        (
            "checkout.view_order",
            "Paid twice",
            "A second payment was taken and is not refunded.",
            backoffice.BAD,
            captured_twice,
            f"{orders}?attention=duplicate",
        ),
        (
            "checkout.view_order",
            "Unclear for more than 15 minutes",
            "The processor gave no clear answer yet.",
            backoffice.WAIT,
            unclear,
            f"{orders}?attention=unknown",
        ),
        (
            "webhooks.view_delivery",
            "Stuck webhooks",
            "Providers who were not told yet.",
            backoffice.BAD,
            Delivery.objects.filter(state__in=[Delivery.State.STUCK, Delivery.State.ENDED]),
            f"{deliveries}?view=stuck",
        ),
        (
            "checkout.view_refund",
            "Failed refunds",
            "The money did not go back, and nobody asked again.",
            backoffice.BAD,
            left_alone(Refund.objects.all()),
            reverse("admin:checkout_refund_changelist") + "?attention=failed",
        ),
        (
            "checkout.view_order",
            "Disputed",
            "A buyer's bank contests the payment: answer in the processor's dashboard.",
            backoffice.BAD,
            Payment.objects.filter(is_disputed=True),
            f"{orders}?attention=disputed",
        ),
        (
            "checkout.view_callbackrecord",
            "Refused callbacks",
            "Wrong signatures and forged returns, in seven days. Nothing moved.",
            backoffice.WAIT,
            refused,
            f"{callbacks}?verdict__exact=refused",
        ),
        (
            "checkout.view_callbackrecord",
            "Failed callbacks",
            "Messages of processors that we could not work on, in seven days.",
            backoffice.BAD,
            failed,
            f"{callbacks}?trouble=failed",
        ),
        (
            "checkout.view_letter",
            "E-mails not sent",
            "Receipts that the payer's mail server refused, or ours could not send.",
            backoffice.WAIT,
            letters.failed(now=now),
            f"{reverse('admin:checkout_letter_changelist')}?trouble=failed",
        ),
        (
            "providers.view_approval",
            "Waiting approvals",
            "Acts that need a second person.",
            backoffice.WAIT,
            Approval.objects.filter(state=Approval.State.WAITING),
            reverse("admin:providers_approval_changelist"),
        ),
    ]
    return [
        {"title": title, "help": text, "meaning": meaning, "url": url, **_counted(rows)}
        for permission, title, text, meaning, rows, url in table
        if request.user.has_perm(permission)
    ]


def _counted(rows: QuerySet[Any]) -> dict[str, Any]:
    count = rows.order_by().values("pk")[:COUNTED].count()
    return {"count": min(count, COUNTED - 1), "is_more": count == COUNTED}


# The site stands further to the left: it is told here what its first page counts and how an order is found.
admin.site.attention = cards  # type: ignore[attr-defined]
admin.site.find = find  # type: ignore[attr-defined]
