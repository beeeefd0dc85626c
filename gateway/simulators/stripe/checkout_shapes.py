"""Checkout Sessions and Payment Links as they look on the wire."""

from __future__ import annotations

from gateway.simulators.stripe import shapes
from gateway.simulators.stripe.rows import CheckoutSession, PaymentLink
from gateway.simulators.stripe.world import World
from gateway.simulators.wire import Json


def session(world: World, row: CheckoutSession, expand: list[str] | None = None) -> Json:
    """The lines are in it only where they are asked for, and never in a callback."""
    wanted = expand or []
    intent = world.intents.get(row.payment_intent or "")
    is_expanded = any(name.split(".")[0] == "payment_intent" for name in wanted)
    deeper = [name.removeprefix("payment_intent.") for name in wanted]
    shape: Json = {
        "id": row.id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": row.amount,
        "amount_total": row.amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": row.cancel_url,
        "client_reference_id": row.client_reference_id,
        "client_secret": None,
        "created": row.created,
        "currency": row.currency,
        "currency_conversion": None,
        "custom_fields": [],
        "customer": None,
        "customer_creation": "if_required",
        "customer_details": {"address": None, "email": row.email, "name": None, "phone": None, "tax_ids": []}
        if row.email
        else None,
        "customer_email": row.customer_email,
        "discounts": [],
        "expires_at": row.expires_at,
        "invoice": None,
        "livemode": row.livemode,
        "locale": row.locale,
        "metadata": row.metadata,
        "mode": "payment",
        "payment_intent": shapes.intent(world, intent, deeper) if intent and is_expanded else row.payment_intent,
        "payment_link": row.payment_link,
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": row.payment_method_types,
        "payment_status": row.payment_status,
        "presentment_details": None,
        "setup_intent": None,
        "shipping_options": [],
        "status": row.status,
        "submit_type": None,
        "subscription": None,
        "success_url": row.success_url or None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{world.base_url}/c/pay/{row.id}" if row.status == "open" else None,
    }
    if "line_items" in wanted:
        shape["line_items"] = lines(row)
    return shape


def lines(row: CheckoutSession | PaymentLink) -> Json:
    """As `/line_items` lists them; `description` is the product's name."""
    entries: list[Json] = [
        {
            "id": f"li_{row.id[-20:]}{place}",
            "object": "item",
            "amount_discount": 0,
            "amount_subtotal": line["unit_amount"] * line["quantity"],
            "amount_tax": 0,
            "amount_total": line["unit_amount"] * line["quantity"],
            "currency": row.currency,
            "description": line["name"],
            "quantity": line["quantity"],
        }
        for place, line in enumerate(row.lines)
    ]
    return shapes.page_of(entries, f"/v1/checkout/sessions/{row.id}/line_items", False)


def link(world: World, row: PaymentLink, expand: list[str] | None = None) -> Json:
    redirect = {"redirect": {"url": row.redirect_url}, "type": "redirect"}
    confirmation = {"hosted_confirmation": {"custom_message": None}, "type": "hosted_confirmation"}
    shape: Json = {
        "id": row.id,
        "object": "payment_link",
        "active": row.is_active,
        "after_completion": redirect if row.redirect_url else confirmation,
        "allow_promotion_codes": False,
        "application": None,
        "application_fee_amount": None,
        "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "liability": None},
        "billing_address_collection": "auto",
        "currency": row.currency,
        "custom_fields": [],
        "customer_creation": "if_required",
        "inactive_message": None,
        "livemode": row.livemode,
        "metadata": row.metadata,
        "on_behalf_of": None,
        "payment_intent_data": row.intent_data,
        "payment_method_collection": "always",
        "payment_method_types": row.payment_method_types,
        "phone_number_collection": {"enabled": False},
        "restrictions": None,
        "shipping_options": [],
        "submit_type": "auto",
        "subscription_data": None,
        "transfer_data": None,
        "url": f"{world.base_url}/buy/{row.slug}",
    }
    if "line_items" in (expand or []):
        shape["line_items"] = lines(row)
    return shape
