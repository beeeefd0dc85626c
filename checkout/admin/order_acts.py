"""What staff can do with an order. Each act asks first, needs its own permission, calls one domain function, and
is written into the audit trail. A refused act says why and changes nothing.
"""

import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from checkout import captures, orders, payments, refunds, reviews
from checkout.admin import at_processor
from checkout.errors import CheckoutError
from checkout.models import Order, Payment, Refund
from gateway.errors import GatewayError
from gateway.money import InexactAmount, Money, exponent_of
from providers import audit, backoffice
from providers.admin.base import ReadOnlyAdmin


class RefundForm(forms.Form):
    amount = forms.DecimalField(
        label="Amount", max_digits=18, widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    )
    reason = forms.CharField(label="Reason", max_length=300, help_text="For the audit trail and the processor.")
    # Names this wish: the same form sent twice makes one refund.
    wish = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *args: Any, remaining: Money, **kwargs: Any) -> None:
        places = exponent_of(remaining.currency)
        whole = f"{remaining.major:.{places}f}"
        kwargs["initial"] = {"amount": whole, "wish": uuid.uuid4().hex}
        super().__init__(*args, **kwargs)
        self.remaining = remaining
        left = backoffice.money(remaining.minor, remaining.currency)
        self.fields["amount"].help_text = f"In {remaining.currency}. {left} can still go back."

    def clean_amount(self) -> int:
        """Minor units."""
        try:
            money = Money.from_major(self.cleaned_data["amount"], self.remaining.currency)
        except InexactAmount as error:
            raise forms.ValidationError(f"{error}.") from error
        if money.minor <= 0:
            raise forms.ValidationError("The amount must be more than nothing.")
        return money.minor


class PortalRefundForm(RefundForm):
    """A refund that was made by hand where the processor has no call for it."""

    reason = None  # type: ignore[assignment]  # the proof says more
    proof = forms.CharField(
        label="Proof",
        min_length=refunds.SHORTEST_PROOF,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="How you know that the money went back: who did it, when, the portal's own words or document.",
    )
    number = forms.CharField(
        label="Number there",
        max_length=200,
        required=False,
        help_text="The portal's number of this refund: should the processor tell us later, it is the same one.",
    )

    field_order = ["amount", "number", "proof"]


class ExitForm(forms.Form):
    exit = forms.ChoiceField(
        label="What to do with the money",
        choices=[
            ("accept", "Accept it: the order counts as paid with what was taken"),
            ("refund", "Send it back: the buyer gets all of it again"),
        ],
        widget=forms.RadioSelect,
    )


class OrderActs(ReadOnlyAdmin):
    """The addresses of the acts; the list and the page are in `OrderAdmin`."""

    def act_urls(self) -> list[Any]:
        return [
            ("<uuid:order_id>/cancel/", self.cancel, "cancel"),
            ("<uuid:order_id>/ask/", self.ask, "ask"),
            ("<uuid:order_id>/payments/<uuid:payment_id>/refund/", self.refund, "refund"),
            ("<uuid:order_id>/payments/<uuid:payment_id>/refund-in-portal/", self.record_refund, "record_refund"),
            ("<uuid:order_id>/payments/<uuid:payment_id>/capture/", self.capture, "capture"),
            ("<uuid:order_id>/payments/<uuid:payment_id>/settle/", self.settle, "settle"),
        ]

    def _do(
        self, request: HttpRequest, order: Order, act: str, details: dict[str, Any], domain: Callable[[User], object]
    ) -> Any:
        """Record the wish, do it, and record a refusal too. None when the domain refused, which the person is told.

        The wish is written before: the domain calls a processor, and what was tried must be known if we die there.
        """
        user = request.user
        assert isinstance(user, User)
        audit.record(actor=user, act=act, target=order, details=details, request=request, now=timezone.now())
        try:
            return domain(user)
        except CheckoutError as error:
            messages.error(request, f"{error} ({error.code}). Nothing was changed.")
            audit.record(
                actor=user,
                act=f"{act}_refused",
                target=order,
                details={"code": error.code},
                request=request,
                now=timezone.now(),
            )
        return None

    # --- refund ------------------------------------------------------------------------------------------------

    def refund(self, request: HttpRequest, order_id: UUID, payment_id: UUID) -> HttpResponse:
        order = self.row(request, str(order_id), "checkout.make_refund")
        payment = _payment_of(order, payment_id)
        elsewhere = at_processor.where_to_refund(payment)
        if elsewhere:
            messages.warning(request, f"Refund it in {elsewhere}: there is no call for it. Nothing was changed here.")
            return self.to_row(order)
        remaining = Money(refunds.remaining_minor(payment), payment.currency)
        form = RefundForm(request.POST if request.method == "POST" else None, remaining=remaining)
        if request.method == "POST" and form.is_valid():
            minor, reason = form.cleaned_data["amount"], form.cleaned_data["reason"]
            made = self._do(
                request,
                order,
                "refund_asked",
                {"payment": str(payment.pk), "amount": str(Money(minor, payment.currency)), "reason": reason},
                lambda user: refunds.request_refund(
                    order_id=order.pk,
                    payment_id=payment.pk,
                    amount_minor=minor,
                    reason=reason,
                    idempotency_key=f"staff/{form.cleaned_data['wish']}",
                    requested_by=user.get_username(),
                    actor=user,
                    cause=f"staff {user.get_username()}",
                    now=timezone.now(),
                ),
            )
            if made is not None:
                _tell_refund(request, made)
            return self.to_row(order)
        if remaining.minor == 0 and request.method != "POST":
            messages.warning(request, "Nothing is left to refund of this payment.")
            return self.to_row(order)
        limit = backoffice.money(refunds.approval_limit(payment.currency), payment.currency)
        return self.act_page(
            request,
            title="Refund",
            text="The money goes back to the buyer the way it came.",
            facts=[
                ("Order", str(order.pk)),
                ("Captured", backoffice.money(payment.captured_minor, payment.currency)),
                ("Refunded or reserved", backoffice.money(payment.captured_minor - remaining.minor, payment.currency)),
            ],
            notes=[f"More than {limit} needs a second person, who approves it under “Waiting approvals”."],
            form=form,
            button="Refund",
            back=self.url_of("change", order.pk),
            is_dangerous=True,
        )

    def record_refund(self, request: HttpRequest, order_id: UUID, payment_id: UUID) -> HttpResponse:
        """Write down a refund made in a portal, with proof; a second person approves it."""
        order = self.row(request, str(order_id), "checkout.make_refund")
        payment = _payment_of(order, payment_id)
        remaining = Money(refunds.remaining_minor(payment), payment.currency)
        elsewhere = at_processor.where_to_refund(payment)
        if not elsewhere or remaining.minor == 0:
            said = "Nothing is left to refund of this payment." if elsewhere else "This payment is refunded from here."
            messages.warning(request, f"{said} Nothing was changed.")
            return self.to_row(order)
        form = PortalRefundForm(request.POST if request.method == "POST" else None, remaining=remaining)
        if request.method == "POST" and form.is_valid():
            minor, proof = form.cleaned_data["amount"], form.cleaned_data["proof"]
            made = self._do(
                request,
                order,
                "portal_refund_recorded",
                {"payment": str(payment.pk), "amount": str(Money(minor, payment.currency)), "proof": proof},
                lambda user: refunds.record_in_portal(
                    order_id=order.pk,
                    payment_id=payment.pk,
                    amount_minor=minor,
                    proof=proof,
                    processor_ref=form.cleaned_data["number"].strip(),
                    idempotency_key=f"portal/{form.cleaned_data['wish']}",
                    actor=user,
                    cause=f"staff {user.get_username()}",
                    now=timezone.now(),
                ),
            )
            if made is not None:
                messages.success(request, "Recorded. Somebody else has to approve it under “Waiting approvals”.")
            return self.to_row(order)
        return self.act_page(
            request,
            title="Record a refund made in the portal",
            text=f"For money that already went back in {elsewhere}. Nothing is sent from here.",
            facts=[
                ("Order", str(order.pk)),
                ("Captured", backoffice.money(payment.captured_minor, payment.currency)),
                ("Refunded or reserved", backoffice.money(payment.captured_minor - remaining.minor, payment.currency)),
            ],
            notes=[
                "Where the processor tells us of it by itself, it appears here without this: wait for that first.",
                "This needs a second person, who looks at the proof. That holds for superusers too.",
            ],
            form=form,
            button="Record it",
            back=self.url_of("change", order.pk),
        )

    # --- capture -----------------------------------------------------------------------------------------------

    def capture(self, request: HttpRequest, order_id: UUID, payment_id: UUID) -> HttpResponse:
        """Take money that is held."""
        order = self.row(request, str(order_id), "checkout.make_refund")
        payment = _payment_of(order, payment_id)
        if request.method == "POST":
            taken = self._do(
                request,
                order,
                "capture_asked",
                {"payment": str(payment.pk)},
                lambda user: captures.capture_order(
                    order_id=order.pk, payment_id=payment.pk, cause=f"staff {user.get_username()}", now=timezone.now()
                ),
            )
            if taken is not None:
                messages.success(request, f"The payment is {taken.get_status_display()}.")
            return self.to_row(order)
        return self.act_page(
            request,
            title="Capture the payment",
            text="The money is held for this order and is taken now, all of it. The buyer is not asked again.",
            facts=[
                ("Order", str(order.pk)),
                ("Held", backoffice.money(payment.amount_minor, payment.currency)),
            ],
            button="Capture",
            back=self.url_of("change", order.pk),
        )

    # --- cancel ------------------------------------------------------------------------------------------------

    def cancel(self, request: HttpRequest, order_id: UUID) -> HttpResponse:
        order = self.row(request, str(order_id), "checkout.cancel_order")
        if request.method == "POST":
            done = self._do(
                request,
                order,
                "order_cancel_asked",
                {},
                lambda user: orders.cancel_order(
                    order_id=order.pk, cause=f"staff {user.get_username()}", now=timezone.now()
                ),
            )
            if done is not None:
                messages.success(request, "The order is cancelled. Nothing can be paid on it any more.")
            return self.to_row(order)
        return self.act_page(
            request,
            title="Cancel the order",
            text="Open payments are ended at the processor first. If it answers that the money was taken, the order "
            "is paid instead and is not cancelled.",
            facts=[
                ("Order", str(order.pk)),
                ("Amount", backoffice.money(order.amount_minor, order.currency)),
            ],
            button="Cancel the order",
            back=self.url_of("change", order.pk),
            is_dangerous=True,
        )

    # --- ask ---------------------------------------------------------------------------------------------------

    def ask(self, request: HttpRequest, order_id: UUID) -> HttpResponse:
        """Ask the processor now about every payment that is not settled."""
        order = self.row(request, str(order_id), "providers.act_as_support")
        if request.method == "POST":
            now = timezone.now()
            audit.record(actor=_user(request), act="processor_asked", target=order, request=request, now=now)
            payments.schedule_question(order_id=order.pk, now=now)
            try:
                asked = sum(
                    payments.ask_payment(payment_id=payment.pk, now=now)
                    for payment in order.payments.filter(status__in=Payment.OPEN)
                )
            except GatewayError as error:
                messages.error(request, f"The processor gave no clear answer: {audit.hide_secrets(str(error))}")
                return self.to_row(order)
            if asked:
                messages.success(request, "The processor was asked; the timeline shows what it said, if it was new.")
            else:
                messages.info(request, "It was asked a moment ago, or nothing is open. Try again in some seconds.")
        return self.to_row(order)

    # --- review ------------------------------------------------------------------------------------------------

    def settle(self, request: HttpRequest, order_id: UUID, payment_id: UUID) -> HttpResponse:
        """Propose one of the two exits; a second person approves it."""
        order = self.row(request, str(order_id), "checkout.settle_review")
        payment = _payment_of(order, payment_id)
        form = ExitForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            wanted = form.cleaned_data["exit"]
            proposed = self._do(
                request,
                order,
                "review_exit_asked",
                {"payment": str(payment.pk), "exit": wanted},
                lambda user: reviews.propose_exit(payment_id=payment.pk, exit=wanted, actor=user, now=timezone.now()),
            )
            if proposed is not None:
                messages.success(request, "Asked. Somebody else has to approve it under “Waiting approvals”.")
            return self.to_row(order)
        reported = "nothing"
        if payment.reported_minor is not None:
            reported = backoffice.money(payment.reported_minor, payment.reported_currency or payment.currency)
        return self.act_page(
            request,
            title="Settle the review",
            text="The processor reports other money than what is owed. Look into its dashboard before you decide.",
            facts=[
                ("Owed", backoffice.money(payment.amount_minor, payment.currency)),
                ("Reported", reported),
                ("Why", payment.review_reason),
            ],
            notes=["This needs a second person. That holds for superusers too."],
            form=form,
            button="Ask for it",
            back=self.url_of("change", order.pk),
        )


def _payment_of(order: Order, payment_id: UUID) -> Payment:
    payment = order.payments.filter(pk=payment_id).first()
    if payment is None:
        raise Http404
    return payment


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _tell_refund(request: HttpRequest, refund: Refund) -> None:
    amount = backoffice.money(refund.amount_minor, refund.currency)
    match refund.status:
        case Refund.Status.SUCCEEDED:
            messages.success(request, f"{amount} went back.")
        case Refund.Status.PROPOSED:
            messages.warning(request, f"{amount} is above the limit: somebody else has to approve it.")
        case Refund.Status.FAILED | Refund.Status.CANCELLED:
            messages.error(request, f"The processor refused: {refund.failure_message or refund.failure_code}")
        case Refund.Status.UNKNOWN:
            messages.warning(
                request, "The processor gave no clear answer. It is asked again by itself; do not repeat it."
            )
        case _:
            messages.info(request, f"{amount} is on its way back; the processor says when it is done.")
