"""Multicard's objects as its API writes them, and the two bodies that it posts. Times: Tashkent's, no offset."""

from __future__ import annotations

import hashlib
import json
import time
from urllib.parse import quote

from gateway.simulators.multicard.rows import Account, Invoice, Payment
from gateway.simulators.multicard.world import World
from gateway.simulators.wire import Json

TASHKENT_SECONDS = 5 * 3600


def clock(at: float | None) -> str | None:
    return None if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at + TASHKENT_SECONDS))


def invoice(world: World, row: Invoice) -> Json:
    account = world.account_of(row)
    paid = world.payments.get(row.payment)
    params = {"fixed_amount": row.amount, "details": {"invoice_id": row.invoice_id, "invoice_uuid": row.id}}
    store = account.store if account else 0
    return {
        "uuid": row.id,
        "store_id": store,
        "amount": row.amount,
        "invoice_id": row.invoice_id,
        "return_url": row.return_url or None,
        "return_error_url": row.return_error_url or None,
        "callback_url": row.callback_url,
        "ofd": row.ofd,
        "split": None,
        "sms": row.sms or None,
        "payment": payment(world, paid) if paid is not None else None,
        "checkout_url": f"{world.base_url}/invoice/{row.id}",
        "short_link": f"{world.base_url}/invoice/{row.id}",
        "deeplink": f"https://multicard.app/payments/checkout/{store}?params={quote(json.dumps(params))}",
        "added_on": clock(row.created),
        "updated_on": clock(row.updated),
    }


def payment(world: World, row: Payment) -> Json:
    account = world.account_of(row)
    of_invoice = world.invoices.get(row.invoice)
    tax = {"f_num": str(row.number), "fm_num": "LAB", "qr_url": receipt_url(world, row), "is_refund": False}
    return {
        "id": row.number,
        "uuid": row.id,
        "store_id": account.store if account else 0,
        "payment_amount": row.amount,
        "commission_type": "down",
        "commission_amount": 0,
        "total_amount": row.amount,
        "store_invoice_id": of_invoice.invoice_id if of_invoice else "",
        "status": row.status,
        "callback_url": of_invoice.callback_url if of_invoice else None,
        "billing_id": None,
        "phone": row.phone,
        "ps": row.ps,
        "receipt_url": receipt_url(world, row) if row.paid is not None else None,
        "card_token": None,
        "card_pan": row.card_pan or None,
        "split": None,
        "ofd": row.ofd,
        "ps_uniq_id": str(row.number),
        "ps_response_code": row.response_code or None,
        "ps_response_msg": row.response_msg or None,
        "callback_message": row.callback_message or None,
        "payment_time": clock(row.paid),
        "refund_time": clock(row.reverted),
        "otp_hash": None,
        "tax": tax if row.status == "success" else None,
        "refund_tax": {**tax, "is_refund": True} if row.status == "revert" else None,
        "checkout_url": None,
        "added_on": clock(row.created),
    }


def receipt_url(world: World, row: Payment) -> str:
    return f"{world.base_url}/receipt/{row.id}"


def callback(world: World, row: Payment, of_invoice: Invoice, account: Account) -> Json:
    """Kind A: no status; the answer decides."""
    return {
        "store_id": account.store,
        "amount": row.amount,
        "invoice_id": of_invoice.invoice_id,
        "billing_id": None,
        "payment_time": clock(row.paid),
        "phone": row.phone,
        "card_pan": row.card_pan or None,
        "ps": row.ps,
        "card_token": f"lab-card-token-{row.number}",
        "uuid": row.id,
        "receipt_url": receipt_url(world, row),
    }


def news(world: World, row: Payment, of_invoice: Invoice) -> Json:
    """Kind B: every change of status; no store."""
    return {
        "uuid": row.id,
        "amount": row.amount,
        "invoice_id": of_invoice.invoice_id,
        "status": row.status,
        "billing_id": None,
        "payment_time": clock(row.paid),
        "refund_time": clock(row.reverted),
        "phone": row.phone,
        "card_pan": row.card_pan or None,
        "ps": row.ps,
        "card_token": f"lab-card-token-{row.number}",
        "receipt_url": receipt_url(world, row) if row.paid is not None else None,
    }


def signed(body: Json, secret: str) -> Json:
    """With `sign` at its end: md5 where a store is named, sha1 where a status is."""
    if "status" in body:
        made = hashlib.sha1(
            f"{body['uuid']}{body['invoice_id']}{body['amount']}{secret}".encode(), usedforsecurity=False
        )
    else:
        made = hashlib.md5(
            f"{body['store_id']}{body['invoice_id']}{body['amount']}{secret}".encode(), usedforsecurity=False
        )
    return {**body, "sign": made.hexdigest()}
