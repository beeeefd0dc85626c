"""Objects as they stand on the wire: the checkout, the transaction, callbacks, and refusals in three shapes."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.simulators.secure_processor.rows import Checkout, Transaction
from gateway.simulators.secure_processor.world import World
from gateway.simulators.wire import Json

OF_MONEY = {"payment", "authorization", "charge"}


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page_of(world: World, checkout: Checkout) -> str:
    return f"{world.base_url}/checkout?token={checkout.id}"


def created(world: World, checkout: Checkout) -> Json:
    if checkout.shape == "flat":
        return {"token": checkout.id}
    return {"checkout": {"token": checkout.id, "redirect_url": page_of(world, checkout)}}


def order_of(checkout: Checkout) -> Json:
    return {
        "amount": checkout.amount,
        "currency": checkout.currency,
        "description": checkout.description,
        "tracking_id": checkout.tracking_id or None,
        "expired_at": moment(checkout.expires),
        "additional_data": {},
    }


def checkout(world: World, row: Checkout) -> Json:
    """The status query's object. `gateway_response` is null before a try; then it holds the last one by its type."""
    tried = world.latest(row)
    answer = {tried.type: attempt(tried)} if tried is not None else None
    return {
        "token": row.id,
        "shop_id": int(row.account) if row.account.isdigit() else row.account,
        "transaction_type": row.transaction_type,
        "status": row.status or ("expired" if world.has_expired(row) else None),
        "message": row.message or None,
        "finished": row.finished,
        "expired": world.has_expired(row),
        "test": row.test,
        "attempts": row.attempts,
        "order": order_of(row),
        "settings": {name: url for name, url in row.urls.items() if url},
        "customer": {"email": row.email or None},
        "gateway_response": answer,
        "payment_method": {"types": ["credit_card"]},
    }


def attempt(row: Transaction) -> Json:
    return {
        "uid": row.id,
        "status": row.status,
        "auth_code": "654321" if row.status == "successful" else None,
        "bank_code": row.bank_code or ("00" if row.status == "successful" else None),
        "rrn": "999" if row.status == "successful" else None,
        "ref_id": "777888",
        "message": row.message,
        "gateway_id": 317,
        "billing_descriptor": "LAB*SHOP",
    }


def transaction(world: World, row: Transaction) -> Json:
    """What `GET /transactions/<uid>` answers and a callback carries."""
    account = world.account_of(row)
    tells_reasons = account is None or account.tells_reasons
    shown: Json = {
        "uid": row.id,
        "status": row.status,
        "type": row.type,
        "amount": row.amount,
        "currency": row.currency,
        "description": described(world, row),
        "tracking_id": row.tracking_id or None,
        "test": row.test,
        "message": row.message,
        "language": "en",
        "created_at": moment(row.created),
        "updated_at": moment(row.paid or row.created),
        "paid_at": moment(row.paid) if row.paid is not None else None,
        "payment_method_type": "credit_card",
        "receipt_url": f"https://backoffice.lab.test/receipts/{row.id}",
    }
    if row.code:
        shown |= {"code": row.code, "friendly_message": row.message}
    if row.type in OF_MONEY:
        shown["payment" if row.type != "authorization" else "authorization"] = attempt(row)
        shown |= {"credit_card": CARD, "customer": {"ip": "127.0.0.1", "email": row.email or None}}
    else:
        shown |= {"parent_uid": row.parent, row.type: {"status": row.status, "message": row.message, "ref_id": "1"}}
    if row.reason and tells_reasons:
        shown["reason"] = row.reason
    return shown


def described(world: World, row: Transaction) -> str | None:
    found = world.checkout_of(row)
    return found.description if found is not None else None


CARD = {
    "holder": "LAB BUYER",
    "stamp": "3709786942408b77017a3aac8390d46d77d181e34554df527a71919a856d0f28",
    "token": "40bd001563085fc35165329ea1ff5c5ecbdbbeefaf0d0a0ad0a0ad0a0ad0a0a1",
    "brand": "visa",
    "last_4": "0000",
    "first_1": "4",
    "bin": "420000",
    "exp_month": 12,
    "exp_year": 2030,
}


def flat_callback(checkout: Checkout, row: Transaction) -> Json:
    """As one integration document describes it: no amount, no currency, no mode."""
    ours = str(checkout.metadata.get("payment_token_id") or checkout.tracking_id)
    metadata = {**checkout.metadata, "payment_token_id": ours}
    return {"payment_token_id": ours, "status": row.status, "uid": row.id, "metadata": metadata}


def refusal(shape: str, message: str, fields: dict[str, list[str]]) -> Json:
    plain: Json = {"message": message, "errors": fields}
    if shape == "wrapped":
        return {"response": plain}
    if shape == "coded":
        return {"code": "F.1000", "message": message, "friendly_message": "Something is wrong.", "errors": fields}
    return plain
