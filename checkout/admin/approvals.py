"""Waiting approvals, with every act that two people decide on."""

from datetime import datetime

from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from checkout import refunds, reviews
from checkout.errors import CheckoutError
from checkout.models import Payment, Refund
from providers.admin.approvals import Act, ApprovalAdmin, acts_of_this_app, reject_plainly
from providers.approvals import ApprovalError
from providers.models import Approval


def link(model: str, row_id: str) -> str:
    return reverse(f"admin:{model}_change", args=[row_id])


def _refund_of(approval: Approval) -> Refund:
    return Refund.objects.select_related("payment").get(approval_id=approval.pk)


def _approve_refund(approval: Approval, by: User, now: datetime) -> object:
    return refunds.approve_refund(refund_id=_refund_of(approval).pk, actor=by, now=now)


def _reject_refund(approval: Approval, by: User, now: datetime) -> object:
    return refunds.reject_refund(refund_id=_refund_of(approval).pk, actor=by, now=now)


def _approve_exit(approval: Approval, by: User, now: datetime) -> object:
    payment = Payment.objects.get(pk=approval.target_id)
    return reviews.approve_exit(payment_id=payment.pk, approval_id=approval.pk, actor=by, now=now)


def _order_of_payment(approval: Approval) -> str:
    payment = Payment.objects.filter(pk=approval.target_id).first()
    return link("checkout_order", str(payment.order_id)) if payment else ""


def _order_of_refund(approval: Approval) -> str:
    refund = Refund.objects.filter(approval_id=approval.pk).select_related("payment").first()
    return link("checkout_order", str(refund.payment.order_id)) if refund else ""


@admin.register(Approval)
class EveryApprovalAdmin(ApprovalAdmin):
    acts = {
        **acts_of_this_app(link),
        refunds.ACT: Act(
            "Refund above the limit, or made in a portal",
            "checkout.approve_refund",
            _approve_refund,
            _reject_refund,
            _order_of_refund,
        ),
        reviews.ACT: Act(
            "Exit of a payment under review",
            "checkout.settle_review",
            _approve_exit,
            reject_plainly,
            _order_of_payment,
        ),
    }
    errors = (ApprovalError, CheckoutError)
