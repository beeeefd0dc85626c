"""What the simulated API accepts: bodies to the letter, every fault named by its field."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from gateway.simulators.secure_processor.rows import Account, Checkout
from gateway.simulators.secure_processor.world import World
from gateway.simulators.wire import Json, Request, is_loopback_url

ONE_DAY = 24 * 3600
MAX_AMOUNT = 10**13
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
TYPES = {"payment", "authorization", "tokenization", "charge"}
URLS = ("return_url", "success_url", "decline_url", "fail_url", "cancel_url", "notification_url")
LANGUAGES = set("en es tr de it ru zh fr da sv no fi pl ja be uk ka ro az lv et pt sr bn tg kk".split())  # noqa: SIM905


class ApiError(Exception):
    """`fields` is what stands under `errors`."""

    def __init__(self, message: str, fields: dict[str, list[str]] | None = None, status: int = 422) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields or {}
        self.status = status


def body(request: Request) -> Json:
    if request.content_type != "application/json":
        raise ApiError("The body must be application/json", status=400)
    try:
        read = json.loads(request.body)
    except ValueError as error:
        raise ApiError("The body is not JSON", status=400) from error
    if not isinstance(read, dict):
        raise ApiError("The body must be an object", status=400)
    return read


def new_checkout(world: World, account: Account, given: Json, *, version: str) -> Checkout:
    """A checkout of either shape; nothing is kept yet."""
    if "checkout" in given:
        if version != "2":
            raise ApiError("X-API-Version must be 2", {"version": ["is not supported"]}, status=400)
        return _nested(world, account, _object(given["checkout"], "checkout"))
    return _flat(world, account, given)


def _nested(world: World, account: Account, given: Json) -> Checkout:
    order = _object(given.get("order"), "order")
    settings = _object(given.get("settings", {}), "settings")
    customer = _object(given.get("customer", {}), "customer")
    test, attempts = given.get("test", False), given.get("attempts", 1)  # left out, it is real money
    kind = given.get("transaction_type")
    if kind not in TYPES:
        raise _wrong("transaction_type", "is not included in the list")
    if not isinstance(test, bool):
        raise _wrong("test", "must be true or false")
    if not is_whole(attempts) or not 1 <= attempts <= 10:
        raise _wrong("attempts", "must be greater than 0")
    if not isinstance(given.get("iframe", False), bool):
        raise _wrong("iframe", "must be true or false")
    language = settings.get("language", "en")
    if language not in LANGUAGES:
        raise _wrong("settings.language", "is not included in the list")
    email = customer.get("email", "")
    if not isinstance(email, str):
        raise _wrong("customer.email", "is invalid")
    created = world.clock()
    return Checkout(
        id=world.new_token(),
        account=account.id,
        shape="nested",
        amount=_amount(order.get("amount"), "order.amount"),
        currency=_currency(order.get("currency"), "order.currency", account),
        description=_text(order.get("description"), "order.description", is_required=True),
        created=created,
        expires=_expiry(order.get("expired_at"), created),
        test=test,
        transaction_type=str(kind),
        attempts=attempts,
        tracking_id=_text(order.get("tracking_id", ""), "order.tracking_id"),
        language=str(language),
        email=email,
        urls={name: _address(settings, name) for name in URLS if settings.get(name)},
    )


def _flat(world: World, account: Account, given: Json) -> Checkout:
    if str(given.get("shop_id")) != account.id:
        raise _wrong("shop_id", "is not yours")
    test, metadata = given.get("test_mode", False), _object(given.get("metadata", {}), "metadata")
    if not isinstance(test, bool):
        raise _wrong("test_mode", "must be true or false")
    if not given.get("return_url"):
        raise _wrong("return_url", "can't be blank")
    created = world.clock()
    return Checkout(
        id=world.new_token(),
        account=account.id,
        shape="flat",
        amount=_amount(given.get("amount"), "amount"),
        currency=_currency(given.get("currency"), "currency", account),
        description=_text(given.get("description"), "description", is_required=True),
        created=created,
        expires=created + ONE_DAY,
        test=test,
        tracking_id=str(metadata.get("payment_token_id") or ""),
        urls={"return_url": _address(given, "return_url")},
        metadata=metadata,
    )


def money_move(given: Json, *, needs_reason: bool = False) -> tuple[str, int, str]:
    """Parent, amount and reason of a refund, a capture or a void."""
    fields = _object(given.get("request"), "request")
    parent = fields.get("parent_uid")
    if not isinstance(parent, str) or not parent:
        raise _wrong("parent_uid", "can't be blank")
    amount = _amount(fields.get("amount"), "amount")
    reason = fields.get("reason", "")
    if needs_reason and (not isinstance(reason, str) or not reason.strip()):
        raise ApiError("Reason can't be blank", {"reason": ["can't be blank"]})
    if not isinstance(reason, str) or len(reason) > 255:
        raise _wrong("reason", "is too long (maximum is 255 characters)")
    if not isinstance(fields.get("duplicate_check", True), bool):
        raise _wrong("duplicate_check", "must be true or false")
    return parent, amount, reason


def is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(name: str, words: str) -> ApiError:
    return ApiError(f"{name.rpartition('.')[2].capitalize()} {words}", {name: [words]})


def _object(value: Any, name: str) -> Json:
    if not isinstance(value, dict):
        raise _wrong(name, "must be an object")
    return value


def _amount(value: object, name: str) -> int:
    if not is_whole(value) or not 0 < value <= MAX_AMOUNT:
        raise _wrong(name, "must be an integer greater than 0")
    return value


def _currency(value: object, name: str, account: Account) -> str:
    if not isinstance(value, str) or not CURRENCY.fullmatch(value):
        raise _wrong(name, "is invalid")
    if account.currencies and value not in account.currencies:
        raise _wrong(name, "is not enabled for this shop")
    return value


def _text(value: object, name: str, *, is_required: bool = False) -> str:
    if value is None:
        value = ""
    if not isinstance(value, str) or len(value) > 255:
        raise _wrong(name, "is too long (maximum is 255 characters)")
    if is_required and not value.strip():
        raise _wrong(name, "can't be blank")
    return value


def _expiry(value: object, created: float) -> float:
    if value is None:
        return created + ONE_DAY
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise _wrong("order.expired_at", "must be a time with an offset")
    if at.timestamp() <= created:
        raise _wrong("order.expired_at", "is in the past")
    return at.timestamp()


def _address(given: Json, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc:
        raise _wrong(f"settings.{name}", "is not a valid URL")
    if name == "notification_url" and not is_loopback_url(value):
        raise _wrong(f"settings.{name}", "must be of this machine in the lab")
    return value
