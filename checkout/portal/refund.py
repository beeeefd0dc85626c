"""An owner sends money back: the amount, a look at what it means, and then once, however often it is pressed."""

import uuid
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from checkout import display, refunds, wording
from checkout.errors import CheckoutError, IdempotencyMismatch, RefundTooLarge
from checkout.models import Order, Payment, Refund
from checkout.portal import amounts, frame
from checkout.portal.access import PortalRequest
from checkout.portal.payment import order_of, remaining, why_not
from gateway.money import Money
from providers import audit

SEND = "send"  # the second of the two steps


class RefundForm(forms.Form):
    amount = forms.CharField(
        max_length=24,
        label=gettext_lazy("Amount"),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    reason = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("For your records and for the processor."),
    )
    # Names this wish: the same form sent twice makes one refund.
    wish = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, left: Money, **more: Any) -> None:
        more["initial"] = {"amount": amounts.plain_text(left.minor, left.currency), "wish": uuid.uuid4().hex}
        super().__init__(*args, **more)
        self.left = left
        shown = display.money(left, get_language() or "en")
        self.fields["amount"].help_text = _("In %(currency)s. %(amount)s can still go back.") % {
            "currency": left.currency,
            "amount": shown,
        }

    def clean_amount(self) -> int:
        """Minor units."""
        minor = amounts.minor_of(self.cleaned_data["amount"], self.left.currency)
        if minor <= 0:
            raise forms.ValidationError(_("The amount must be more than nothing."))
        return minor

    def clean_reason(self) -> str:
        return str(self.cleaned_data["reason"]).replace("\x00", "").strip()


def ask(request: PortalRequest, order_id: UUID, payment_id: UUID) -> HttpResponse:
    order = order_of(request, order_id)
    payment = order.payments.filter(pk=payment_id).first()
    if payment is None:
        raise Http404
    left = remaining(payment)
    if request.method != "POST":
        if reason := why_not(order, payment, left=left.minor):
            messages.warning(request, reason)
            return _to(order)
        return _page(request, order, payment, RefundForm(left=left))
    form = RefundForm(request.POST, left=left)
    if not form.is_valid():
        return _page(request, order, payment, form, status=400)
    if request.POST.get("step") == SEND:
        return _send(request, order, payment, form)
    if form.cleaned_data["amount"] > left.minor:
        form.add_error("amount", _too_much(left))
        return _page(request, order, payment, form, status=400)
    return _page(request, order, payment, form, is_asked=True)


def _page(
    request: PortalRequest,
    order: Order,
    payment: Payment,
    form: RefundForm,
    *,
    is_asked: bool = False,
    status: int = 200,
) -> HttpResponse:
    lang = get_language() or "en"
    context = {
        "section": "payments",
        "order": order,
        "payment": payment,
        "form": form,
        "method": wording.method_name(payment.method, payment.processor),
        "captured": display.money(Money(payment.captured_minor, payment.currency), lang),
        "left": display.money(form.left, lang),
        "is_asked": is_asked,
        "is_all": is_asked and form.cleaned_data["amount"] == form.left.minor,
        "amount": display.money(Money(form.cleaned_data["amount"], payment.currency), lang) if is_asked else "",
        "back": reverse("portal:payment", args=[order.pk]),
    }
    return frame.page(request, "portal/refund.html", context, status=status)


def _send(request: PortalRequest, order: Order, payment: Payment, form: RefundForm) -> HttpResponse:
    name = request.member.user.get_username()
    wanted = form.cleaned_data
    now = timezone.now()
    # Written before: the domain calls a processor, and what was tried must be known if we die there.
    money = Money(wanted["amount"], payment.currency)
    details = {"order": str(order.pk), "payment": str(payment.pk), "amount": str(money), "reason": wanted["reason"]}
    audit.record(
        actor=request.member.user, act="portal_refund_asked", target=order, details=details, request=request, now=now
    )
    try:
        made = refunds.request_refund(
            order_id=order.pk,
            payment_id=payment.pk,
            amount_minor=wanted["amount"],
            reason=wanted["reason"],
            idempotency_key=f"portal/{wanted['wish'].hex}",
            requested_by=name,
            cause=f"member {name}",
            now=now,
        )
    except RefundTooLarge:
        form.add_error("amount", _too_much(remaining(payment)))
        return _page(request, order, payment, form, status=409)
    except CheckoutError as error:
        messages.error(request, _refusal(error, order, payment))
        return _to(order)
    _tell(request, made)
    return _to(order)


def _too_much(left: Money) -> str:
    return _("At most %(amount)s can still go back.") % {"amount": display.money(left, get_language() or "en")}


def _refusal(error: CheckoutError, order: Order, payment: Payment) -> str:
    if isinstance(error, IdempotencyMismatch):
        return _("This form was sent before, with another amount or reason. Look below what became of it.")
    payment.refresh_from_db()
    reason = why_not(order, payment, left=remaining(payment).minor)
    return reason or _("The refund was not accepted. Nothing was changed.")


def _tell(request: PortalRequest, made: Refund) -> None:
    amount = {"amount": display.money(made.money, get_language() or "en")}
    match made.status:
        case Refund.Status.SUCCEEDED:
            messages.success(request, _("%(amount)s went back to the buyer.") % amount)
        case Refund.Status.FAILED | Refund.Status.CANCELLED:
            messages.error(
                request, _("The processor refused to send %(amount)s back. The money is still with you.") % amount
            )
        case Refund.Status.UNKNOWN:
            messages.warning(
                request,
                _("The processor gave no clear answer about %(amount)s. We keep asking; do not send it again.")
                % amount,
            )
        case _:
            messages.info(request, _("%(amount)s is on its way back. You will see here when it is done.") % amount)


def _to(order: Order) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:payment", args=[order.pk]))
