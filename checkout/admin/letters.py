"""E-mails to payers: which were sent, which were not, and sending one again."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Value
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst

from checkout import letters
from checkout.errors import CheckoutError
from checkout.models import Letter, Order, Refund
from providers import audit, backoffice
from providers.admin.base import ReadOnlyAdmin

MAY_SEND = "providers.act_as_support"
SHOWN = 50  # of an order at most
WAITS_LONG = timedelta(minutes=10)
MEANING = {Letter.State.QUEUED: backoffice.INFO, Letter.State.SENT: backoffice.OK, Letter.State.FAILED: backoffice.BAD}


class LettersNeedingAttention(admin.SimpleListFilter):
    title = "trouble"
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "not sent, and nobody sent it again"), ("late", "waits for more than 10 minutes")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Letter]) -> QuerySet[Letter]:
        now = timezone.now()
        match self.value():
            case "failed":
                return queryset.filter(pk__in=letters.failed(now=now).values("pk"))
            case "late":
                return queryset.filter(state=Letter.State.QUEUED, created_at__lt=now - WAITS_LONG)
        return queryset


@admin.register(Letter)
class LetterAdmin(ReadOnlyAdmin):
    section = "E-mails to payers"
    list_display = ["made", "state_shown", "what", "to_shown", "order_shown"]
    list_display_links = None
    list_filter = [LettersNeedingAttention, "state", "kind", "order__mode", "created_at"]
    list_select_related = ["order"]
    search_fields = ["to"]
    search_help_text = "The payer's whole address, or the whole id of an order"
    ordering = ["-id"]

    @admin.display(description="Written", ordering="id")
    def made(self, letter: Letter) -> str:
        return backoffice.when(letter.created_at)

    @admin.display(description="State", ordering="state")
    def state_shown(self, letter: Letter) -> str:
        said = said_of(letter)
        if not letter.may_see_address:  # type: ignore[attr-defined]
            said = said.replace(letter.to, letters.masked(letter.to))  # servers repeat it
        answer = format_html('<span class="cut quiet" title="{0}">{0}</span>', said)
        return format_html("{}{}", badge_of(letter), answer if said else "")

    @admin.display(description="What")
    def what(self, letter: Letter) -> str:
        mode = backoffice.mode_badge("test") if letter.order.mode == "test" else ""
        return format_html("{} {}", capfirst(letter.get_kind_display()), mode)

    @admin.display(description="To")
    def to_shown(self, letter: Letter) -> str:
        return letter.to if letter.may_see_address else letters.masked(letter.to)  # type: ignore[attr-defined]

    @admin.display(description="Order")
    def order_shown(self, letter: Letter) -> str:
        url = reverse("admin:checkout_order_change", args=[letter.order_id])
        return format_html('<a class="mono keep" href="{}#letters">{}</a>', url, letter.order_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Letter]:
        may_see = request.user.has_perm("checkout.view_order")
        return super().get_queryset(request).annotate(may_see_address=Value(may_see))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Letter], search_term: str
    ) -> tuple[QuerySet[Letter], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(order_id=UUID(term)), False
        except ValueError:
            # Whole addresses only: nobody finds out who pays here by trying letters.
            return queryset.filter(to__iexact=term), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A letter is shown on its order's page."""
        letter: Letter = self.row(request, object_id)
        return _to_order(letter.order_id)

    # --- sending again -----------------------------------------------------------------------------------------

    def act_urls(self) -> list[Any]:
        return [
            ("order/<uuid:order_id>/receipt/", self.receipt, "receipt"),
            ("order/<uuid:order_id>/refund/<uuid:refund_id>/", self.receipt, "refund"),
        ]

    def receipt(self, request: HttpRequest, order_id: UUID, refund_id: UUID | None = None) -> HttpResponse:
        """Ask, then send the payer the receipt of the payment, or of one refund, again or for the first time."""
        if not (request.user.has_perm(MAY_SEND) and request.user.has_perm("checkout.view_order")):
            raise PermissionDenied
        order = Order.objects.filter(pk=order_id).first()
        refund = Refund.objects.filter(pk=refund_id, payment__order=order_id).first() if refund_id else None
        if order is None or (refund_id and refund is None):
            raise Http404
        if request.method == "POST":
            return self._send(request, order, refund)
        money = refund.money if refund else order.money
        what = "The receipt of a refund" if refund else "The receipt"
        was_written = _was_written(order, refund)
        return self.act_page(
            request,
            title="Send the e-mail again" if was_written else "Send the e-mail",
            text=f"{what} goes to the payer{' once more' if was_written else ''}, in their language.",
            facts=[
                ("Order", str(order.pk)),
                ("Amount", backoffice.money(money.minor, money.currency)),
                ("To", order.payer_email or "not known"),
            ],
            notes=[
                "It goes to this address and to no other. If the payer has another one, or this one is wrong, check "
                "whom you are talking to and give them the link “The buyer's receipt” from the order's page."
            ],
            button="Send",
            back=reverse("admin:checkout_order_change", args=[order.pk]),
        )

    def _send(self, request: HttpRequest, order: Order, refund: Refund | None) -> HttpResponse:
        user = request.user
        assert isinstance(user, User)
        now = timezone.now()
        details: dict[str, Any] = {"to": letters.masked(order.payer_email)}
        if refund:
            details["refund"] = str(refund.pk)
        try:
            letters.send_again(order_id=order.pk, refund_id=refund.pk if refund else None, actor=user, now=now)
        except CheckoutError as error:
            messages.error(request, f"{error} ({error.code}). Nothing was sent.")
            act, details = "letter_refused", {**details, "code": error.code}
        else:
            messages.success(request, f"The e-mail to {order.payer_email} is on its way; this page shows its state.")
            act = "letter_asked"
        audit.record(actor=user, act=act, target=order, details=details, request=request, now=now)
        return _to_order(order.pk)


def badge_of(letter: Letter) -> str:
    return backoffice.badge(letter.get_state_display(), MEANING[Letter.State(letter.state)])


def said_of(letter: Letter) -> str:
    """What stands beside the state: the server's last no, or when the next try is."""
    if letter.state == Letter.State.QUEUED and not letter.attempts:
        return ""
    return letter.last_error


def panel(request: HttpRequest, order: Order) -> dict[str, Any]:
    """What the order's page shows under “E-mails to the payer”."""
    rows = list(order.letters.select_related("refund").order_by("-created_at", "-id")[:SHOWN])
    may_send = request.user.has_perm(MAY_SEND) and bool(settings.EMAIL_URL) and letters.is_address(order.payer_email)
    told = {letter.refund_id for letter in rows}
    refunds = Refund.objects.filter(payment__order=order, status=Refund.Status.SUCCEEDED)
    return {
        "letters": [
            {
                "row": letter,
                "badge": badge_of(letter),
                "said": said_of(letter),
                "again": _url(order, letter.refund_id)
                if may_send and letter.state != Letter.State.QUEUED and letters.is_true(letter)
                else "",
            }
            for letter in rows
        ],
        # Paid while no letters were sent, or before the address was known.
        "untold": [
            *([("The receipt", _url(order, None))] if order.paid_at and None not in told else []),
            *(
                (f"The receipt of {backoffice.money(one.amount_minor, one.currency)} back", _url(order, one.pk))
                for one in refunds
                if one.pk not in told
            ),
        ]
        if may_send
        else [],
        "sends_letters": bool(settings.EMAIL_URL),
    }


def _url(order: Order, refund_id: UUID | None) -> str:
    if refund_id:
        return reverse("admin:checkout_letter_refund", args=[order.pk, refund_id])
    return reverse("admin:checkout_letter_receipt", args=[order.pk])


def _was_written(order: Order, refund: Refund | None) -> bool:
    return order.letters.filter(refund=refund).exists()


def _to_order(order_id: UUID) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:checkout_order_change", args=[order_id]) + "#letters")
