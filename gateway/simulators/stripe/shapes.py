"""Stripe's objects as they look on the wire."""

from __future__ import annotations

from gateway.simulators.stripe.rows import Account, Charge, Dispute, Event, PaymentIntent, Refund
from gateway.simulators.stripe.world import World
from gateway.simulators.wire import Json


def intent(world: World, row: PaymentIntent, expand: list[str] | None = None) -> Json:
    """A PaymentIntent. Its QR code lives half a minute; a look at it after that finds a new one."""
    charge = world.charge_of(row)
    latest = charge_shape(world, charge) if charge and "latest_charge" in (expand or []) else row.latest_charge
    return {
        "id": row.id,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": row.amount,
        "amount_capturable": row.amount_capturable,
        "amount_details": {"tip": {}},
        "amount_received": row.amount_received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True} if row.is_automatic else None,
        "canceled_at": row.canceled_at,
        "cancellation_reason": row.cancellation_reason,
        "capture_method": row.capture_method,
        "client_secret": row.client_secret,
        "confirmation_method": row.confirmation_method,
        "created": row.created,
        "currency": row.currency,
        "customer": None,
        "description": row.description,
        "excluded_payment_method_types": None,
        "last_payment_error": row.last_payment_error,
        "latest_charge": latest,
        "livemode": row.livemode,
        "metadata": row.metadata,
        "next_action": next_action(world, row),
        "on_behalf_of": None,
        "payment_method": row.payment_method,
        "payment_method_configuration_details": None,
        "payment_method_options": {kind: {} for kind in row.payment_method_types},
        "payment_method_types": row.payment_method_types,
        "processing": None,
        "receipt_email": row.receipt_email,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": row.statement_descriptor,
        "statement_descriptor_suffix": None,
        "status": row.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def next_action(world: World, row: PaymentIntent) -> Json | None:
    if row.status != "requires_action":
        return None
    if row.qr_expires_at <= world.now():
        row.qr_expires_at = int(world.now() + world.settings.qr_seconds)
        row.qr_number += 1
        world.intents.save(row)
    base = world.base_url
    return {
        "type": "cashapp_handle_redirect_or_display_qr_code",
        "cashapp_handle_redirect_or_display_qr_code": {
            "hosted_instructions_url": f"{base}/cashapp/instructions/{row.nonce}",
            "mobile_auth_url": f"{base}/authorize/{row.account}/{row.nonce}",
            "qr_code": {
                "expires_at": row.qr_expires_at,
                "image_url_png": f"{base}/qr/{row.nonce}-{row.qr_number}.png",
                "image_url_svg": f"{base}/qr/{row.nonce}-{row.qr_number}.svg",
            },
        },
    }


def charge_shape(world: World, row: Charge) -> Json:
    return {
        "id": row.id,
        "object": "charge",
        "amount": row.amount,
        "amount_captured": row.amount_captured,
        "amount_refunded": row.amount_refunded,
        "application": None,
        "application_fee": None,
        "balance_transaction": f"txn_{row.id[3:]}" if row.is_captured and row.status == "succeeded" else None,
        "billing_details": {"address": None, "email": row.email or None, "name": None, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": None,
        "captured": row.is_captured,
        "created": row.created,
        "currency": row.currency,
        "customer": None,
        "description": row.description,
        "disputed": row.is_disputed,
        "failure_balance_transaction": None,
        "failure_code": row.failure_code,
        "failure_message": row.failure_message,
        "fraud_details": {},
        "livemode": row.livemode,
        "metadata": row.metadata,
        "on_behalf_of": None,
        "outcome": {
            "network_status": "approved_by_network" if row.status != "failed" else "declined_by_network",
            "risk_level": "not_assessed",
            "seller_message": "Payment complete." if row.status != "failed" else "The payment was declined.",
            "type": "authorized" if row.status != "failed" else "issuer_declined",
        },
        "paid": row.status == "succeeded",
        "payment_intent": row.payment_intent,
        "payment_method": row.payment_method,
        "payment_method_details": _method_details(row),
        "receipt_email": row.receipt_email,
        "receipt_number": None,
        "receipt_url": f"{world.base_url}/receipts/{row.id}" if row.status == "succeeded" else None,
        "refunded": row.is_captured and row.amount_refunded >= row.amount_captured > 0,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "status": row.status,
    }


def _method_details(row: Charge) -> Json:
    if row.method == "card":
        card = {"brand": "visa", "country": "US", "exp_month": 12, "exp_year": 2034, "funding": "credit"}
        return {"card": {**card, "last4": "4242", "network": "visa", "wallet": None}, "type": "card"}
    return {
        "cashapp": {"buyer_id": row.buyer_id, "cashtag": row.cashtag, "transaction_id": row.transaction_id},
        "type": "cashapp",
    }


def refund(row: Refund) -> Json:
    shape: Json = {
        "id": row.id,
        "object": "refund",
        "amount": row.amount,
        "balance_transaction": f"txn_{row.id[3:]}",
        "charge": row.charge,
        "created": row.created,
        "currency": row.currency,
        "destination_details": {row.method: {}, "type": row.method},
        "metadata": row.metadata,
        "payment_intent": row.payment_intent,
        "reason": row.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": row.status,
        "transfer_reversal": None,
    }
    if row.failure_reason:
        shape["failure_reason"] = row.failure_reason
        shape["failure_balance_transaction"] = f"txn_f{row.id[4:]}"
    if row.pending_reason:
        shape["pending_reason"] = row.pending_reason
    return shape


def dispute(row: Dispute) -> Json:
    return {
        "id": row.id,
        "object": "dispute",
        "amount": row.amount,
        "balance_transactions": [],
        "charge": row.charge,
        "created": row.created,
        "currency": row.currency,
        "evidence": {},
        "evidence_details": {
            "due_by": row.created + 9 * 86400,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": row.livemode,
        "metadata": {},
        "payment_intent": row.payment_intent,
        "reason": row.reason,
        "status": row.status,
    }


def account(row: Account) -> Json:
    return {
        "id": row.id,
        "object": "account",
        "business_profile": {"mcc": "5734", "name": row.name, "support_email": None, "url": None},
        "business_type": "company",
        "capabilities": row.capabilities,
        "charges_enabled": True,
        "country": row.country,
        "created": row.created,
        "default_currency": "usd" if row.country == "US" else "eur",
        "details_submitted": True,
        "email": "owner@lab.test",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": row.name, "timezone": "Etc/UTC"}},
        "type": "standard",
    }


def capability(row: Account, name: str) -> Json:
    return {
        "id": name,
        "object": "capability",
        "account": row.id,
        "requested": name in row.capabilities,
        "requested_at": row.created,
        "requirements": {"currently_due": [], "disabled_reason": None, "past_due": []},
        "status": row.capabilities.get(name, "unrequested"),
    }


def event(row: Event) -> Json:
    data: Json = {"object": row.object}
    if row.previous is not None:
        data["previous_attributes"] = row.previous
    return {
        "id": row.id,
        "object": "event",
        "api_version": row.api_version,
        "created": row.created,
        "data": data,
        "livemode": row.livemode,
        "pending_webhooks": row.pending_webhooks,
        "request": {"id": row.request, "idempotency_key": row.idempotency_key},
        "type": row.type,
    }


def page_of(rows: list[Json], url: str, has_more: bool) -> Json:
    return {"object": "list", "data": rows, "has_more": has_more, "url": url}
