"""Razorpay's entities as its API and its events write them. Where there are no notes stands an empty list."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from gateway.simulators.razorpay.rows import Dispute, Link, Order, Payment, Refund
from gateway.simulators.wire import Json


def order(row: Order) -> Json:
    return {
        "id": row.id,
        "entity": "order",
        "amount": row.amount,
        "amount_paid": row.amount_paid,
        "amount_due": row.amount - row.amount_paid,
        "currency": row.currency,
        "receipt": row.receipt or None,
        "offer_id": None,
        "status": row.status,
        "attempts": row.attempts,
        "notes": row.notes or [],
        "created_at": row.created,
    }


def payment(row: Payment) -> Json:
    refunded = "full" if row.amount_refunded >= row.amount else "partial" if row.amount_refunded else None
    error: dict[str, str | None] = {
        f"error_{name}": row.error.get(name) for name in ("code", "description", "source", "step", "reason")
    }
    return {
        "id": row.id,
        "entity": "payment",
        "amount": row.amount,
        "currency": row.currency,
        "status": row.status,
        "order_id": row.order,
        "invoice_id": None,
        "international": False,
        "method": row.method,
        "amount_refunded": row.amount_refunded,
        "refund_status": refunded,
        "captured": row.captured,
        "description": None,
        "card_id": None,
        "bank": "HDFC" if row.method == "netbanking" else None,
        "wallet": "payzapp" if row.method == "wallet" else None,
        "vpa": "success@razorpay" if row.method == "upi" else None,
        "email": row.email or "void@razorpay.com",
        "contact": row.contact,
        "notes": row.notes or [],
        "fee": row.amount // 50 if row.captured else None,
        "tax": 0 if row.captured else None,
        **error,
        "acquirer_data": {"rrn": _digits(row.id)} if row.status in {"authorized", "captured", "refunded"} else {},
        "created_at": row.created,
    }


def refund(row: Refund) -> Json:
    return {
        "id": row.id,
        "entity": "refund",
        "amount": row.amount,
        "currency": row.currency,
        "payment_id": row.payment,
        "notes": row.notes or [],
        "receipt": row.receipt or None,
        "acquirer_data": {"arn": _digits(row.id) if row.status == "processed" else None},
        "created_at": row.created,
        "batch_id": None,
        "status": row.status,
        "speed_processed": "normal",
        "speed_requested": row.speed,
    }


def dispute(row: Dispute) -> Json:
    return {
        "id": row.id,
        "entity": "dispute",
        "payment_id": row.payment,
        "amount": row.amount,
        "currency": row.currency,
        "amount_deducted": row.amount if row.status == "lost" else 0,
        "reason_code": row.reason,
        "respond_by": row.created + 7 * 86400,
        "status": row.status,
        "phase": "chargeback",
        "created_at": row.created,
    }


def link(row: Link, base_url: str, payments: list[Payment]) -> Json:
    paid = row.amount if row.status == "paid" else 0
    return {
        "id": row.id,
        "entity": "payment_link",
        "amount": row.amount,
        "amount_paid": paid,
        "currency": row.currency,
        "accept_partial": False,
        "reference_id": row.reference,
        "description": row.description,
        "notes": row.notes or None,
        "callback_url": row.callback_url,
        "callback_method": "get" if row.callback_url else "",
        "order_id": row.order,
        "payments": [
            {"payment_id": each.id, "amount": each.amount, "status": each.status, "method": each.method}
            for each in payments
        ],
        "short_url": f"{base_url}/l/{row.id}",
        "status": row.status,
        "created_at": row.created,
    }


def collection(items: list[Json]) -> Json:
    return {"entity": "collection", "count": len(items), "items": items}


def return_signature(order_id: str, payment_id: str, *, secret: str) -> str:
    return signature(f"{order_id}|{payment_id}".encode(), secret=secret)


def link_signature(link_id: str, reference: str, status: str, payment_id: str, *, secret: str) -> str:
    """An empty reference leaves two bars side by side."""
    return signature(f"{link_id}|{reference}|{status}|{payment_id}".encode(), secret=secret)


def signature(message: bytes, *, secret: str) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _digits(text: Any) -> str:
    return str(int(hashlib.sha256(str(text).encode()).hexdigest()[:12], 16))[:12]
