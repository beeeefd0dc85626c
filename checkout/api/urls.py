"""The addresses of the dialects. Both spellings of an address are served: a redirect would lose a POST's body."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, path
from django.views.generic import RedirectView

from checkout.api import reference
from checkout.api.invoice import views as invoice
from checkout.api.merchant_secret import views as merchant_secret
from checkout.api.payment_token import views as payment_token
from checkout.api.processor import views as processor
from checkout.api.provider import views


def both(route: str, view: Callable[..., Any], name: str) -> list[URLPattern]:
    return [path(route, view, name=name), path(f"{route}/", view)]


def to_slash(name: str) -> Callable[..., HttpResponseBase]:
    """For pages that are only read, one address is enough: the other spelling leads to it."""
    return RedirectView.as_view(pattern_name=name, query_string=True, http_method_names=["get", "head"])


urlpatterns = [
    *both("api/create-payment-intent", views.CreatePaymentIntent.as_view(), "create-payment-intent"),
    *both("api/orders", views.OrderList.as_view(), "orders"),
    *both("api/orders/<str:order_id>", views.OrderDetail.as_view(), "order"),
    *both("api/orders/<str:order_id>/cancel", views.CancelOrder.as_view(), "cancel-order"),
    *both("api/orders/<str:order_id>/refund", views.RefundOrder.as_view(), "refund-order"),
    *both("api/payments/secure-processor/token", payment_token.CreateToken.as_view(), "payment-token"),
    *both(
        "api/payments/secure-processor/status/<str:payment_token>",
        payment_token.TokenStatus.as_view(),
        "payment-token-status",
    ),
    *both("api/payments/stripe/checkout", processor.StripeCheckout.as_view(), "stripe-checkout"),
    *both("api/payments/stripe/status/<str:payment_id>", processor.StripeStatus.as_view(), "stripe-status"),
    *both("api/payments/stripe/capture", processor.StripeCapture.as_view(), "stripe-capture"),
    *both("api/payments/stripe/refund", processor.StripeRefund.as_view(), "stripe-refund"),
    *both("api/payments/razorpay/checkout", processor.RazorpayCheckout.as_view(), "razorpay-checkout"),
    *both("api/payments/razorpay/verify", processor.RazorpayVerify.as_view(), "razorpay-verify"),
    *both("api/payments/razorpay/status/<str:payment_id>", processor.RazorpayStatus.as_view(), "razorpay-status"),
    *both("api/payments/razorpay/capture", processor.RazorpayCapture.as_view(), "razorpay-capture"),
    *both("api/payments/razorpay/refund", processor.RazorpayRefund.as_view(), "razorpay-refund"),
    *both("api/merchants", invoice.Merchants.as_view(), "merchants"),
    *both("api/merchants/supported", invoice.Supported.as_view(), "merchants-supported"),
    *both(
        "api/merchants/by-business/<str:source>/<path:business_id>/providers",
        invoice.BusinessProviders.as_view(),
        "business-providers",
    ),
    *both("api/invoices", invoice.Invoices.as_view(), "invoices"),
    *both("api/invoices/<str:invoice_id>", invoice.InvoiceDetail.as_view(), "invoice"),
    *both("api/invoices/<str:invoice_id>/events", invoice.InvoiceEvents.as_view(), "invoice-events"),
    *both("api/invoices/<str:invoice_id>/cancel", invoice.CancelInvoice.as_view(), "cancel-invoice"),
    *both("api/refunds", invoice.Refunds.as_view(), "refunds"),
    *both("api/refunds/by-invoice/<str:invoice_id>", invoice.InvoiceRefunds.as_view(), "invoice-refunds"),
    *both("api/start_payment", merchant_secret.StartPayment.as_view(), "start-payment"),
    *both("watch/<str:watch_code>", merchant_secret.Watch.as_view(), "watch"),
    path("api/schema/", reference.schema, name="schema"),
    path("api/schema", to_slash("schema")),
    path("docs/", reference.page, name="docs"),
    path("docs", to_slash("docs")),
]
