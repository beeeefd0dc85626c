"""What we send to open an order, and what our own page needs to let the buyer pay it."""

from collections.abc import Mapping
from typing import Any

from gateway.adapters.razorpay import terms
from gateway.adapters.razorpay.amounts import check_money, to_razorpay
from gateway.errors import Misconfigured, NotAvailable
from gateway.types import PaymentRef, PaymentRequest, Widget, WidgetRequest

KIND = "razorpay"


def body(request: PaymentRequest) -> dict[str, Any]:
    """`POST /v1/orders`. NotAvailable or Misconfigured where it cannot be made."""
    if request.method:
        raise NotAvailable(f"{request.method} is chosen on Razorpay's own page")
    if problem := check_money(request.money):
        raise Misconfigured(problem, processor_code="amount")
    if not 0 < len(request.reference) <= terms.MAX_RECEIPT:
        raise Misconfigured(f"Razorpay keeps references of at most {terms.MAX_RECEIPT} characters")
    wanted: dict[str, Any] = {
        "amount": to_razorpay(request.money),
        "currency": request.money.currency,
        "receipt": request.reference,
        # Always sent: left out, a setting in the account's dashboard would decide whether money is taken.
        "payment_capture": not request.captures_later,
        "notes": notes(request),
    }
    if terms.SENDS_UNIQUE_RECEIPT:
        wanted["unique_receipt"] = True
    return wanted


def notes(request: PaymentRequest) -> dict[str, str]:
    """The order's own fields as far as they fit, and always our two ids."""
    ours = {"paymentId": request.reference, "orderId": request.order_reference}
    kept: dict[str, str] = {}
    for name, value in request.metadata.items():
        fits = 0 < len(name) <= terms.MAX_NOTE and name not in ours and len(kept) < terms.MAX_NOTES - len(ours)
        if fits and value:
            kept[name] = value[: terms.MAX_NOTE]
    return {**ours, **kept}


def embedded_url(base_url: str) -> str:
    """The address of Razorpay's hosted form; our page posts there, a link to it alone shows nothing."""
    return f"{base_url}/v1/checkout/embedded"


def widget(payment: PaymentRef, request: WidgetRequest, *, key_id: str, base_url: str) -> Widget:
    """checkout.js with its options, and the hosted form for browsers without script. Nothing in here is secret.

    The notes are for people who look into the dashboard: whoever sits at the browser can change them, so nothing of
    ours ever reads them back from a payment.
    """
    if not payment.processor_ref:
        raise Misconfigured("an order without its Razorpay id cannot be shown")
    is_real = base_url == terms.API_BASE
    amount = to_razorpay(payment.money)
    seller, description = request.seller[: terms.MAX_SHOWN], request.description[: terms.MAX_SHOWN]
    options: dict[str, Any] = {
        "key": key_id,
        "order_id": payment.processor_ref,
        "amount": amount,
        "currency": payment.money.currency,
        "name": seller,
        "description": description,
        "notes": {"paymentId": payment.reference},
        "callback_url": request.return_url,
        # The browser posts the result there, after a refusal too, instead of handing it to a script.
        "redirect": True,
    }
    fields = {
        "key_id": key_id,
        "order_id": payment.processor_ref,
        "amount": str(amount),
        "currency": payment.money.currency,
        "name": seller,
        "description": description,
        "notes[paymentId]": payment.reference,
        "callback_url": request.return_url,
        "cancel_url": request.cancel_url or request.return_url,
    }
    if request.payer_email:
        options["prefill"] = {"email": request.payer_email}
        fields["prefill[email]"] = request.payer_email
    return Widget(
        kind=KIND,
        script_url=terms.CHECKOUT_SCRIPT if is_real else f"{base_url}/v1/checkout.js",
        options=options,
        form_url=embedded_url(base_url),
        form_fields=fields,
        sources=sources(base_url),
    )


def sources(base_url: str) -> Mapping[str, frozenset[str]]:
    """Who may do what on the page that shows the widget."""
    if base_url != terms.API_BASE:
        scheme, _, rest = base_url.partition("://")
        here = frozenset({f"{scheme}://{rest.partition('/')[0]}"})
        return dict.fromkeys(("script-src", "frame-src", "connect-src", "img-src", "form-action"), here)
    checkout = terms.CHECKOUT_SCRIPT.removesuffix("/v1/checkout.js")
    both = frozenset({checkout, terms.API_BASE})
    return {
        "script-src": frozenset({checkout}),
        "frame-src": both,
        "connect-src": both | {terms.TELEMETRY},
        "img-src": frozenset({terms.IMAGES, checkout}),
        "form-action": frozenset({terms.API_BASE}),
    }
