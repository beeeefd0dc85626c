"""Our answers in Payme's JSON-RPC: HTTP 200 always, the id of the call, times in milliseconds, unset times 0."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.adapters.payme import words
from gateway.adapters.payme.words import Method
from gateway.questions import Answer, Done, Item, No, Noted, Payable, Refusal, Reply, Snapshot, State, Transactions

CONTENT_TYPE = "application/json; charset=utf-8"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
# Send the receipt's lines with a CheckPerform that is answered yes. Without them Payme fiscalises by the cabinet.
SEND_DETAIL = True
SALE = 0


def refusal(code: int, call_id: int | str | None, *, data: str | None = None) -> Reply:
    """An error. In the account range `data` names the account field at fault, as Payme demands."""
    ru, uz, en = words.TEXTS[code]
    error: dict[str, Any] = {"code": code, "message": {"ru": ru, "uz": uz, "en": en}}
    if code in words.ACCOUNT_RANGE:
        data = words.ACCOUNT_FIELD
    if data is not None:
        error["data"] = data
    return _reply({"jsonrpc": "2.0", "id": call_id, "error": error})


def answer(method: Method, given: Answer, call_id: int | str | None) -> Reply:
    """A refusal on purpose in the method's own code, or the result. What makes no sense together is "ask again"."""
    if isinstance(given, No):
        return refusal(code_of(method, given.why), call_id)
    result = _result(method, given)
    if result is None:
        is_about_state = isinstance(given, Done)  # e.g. a Create repeated after its Perform
        return refusal(code_of(method, Refusal.WRONG_STATE) if is_about_state else words.SYSTEM_FAULT, call_id)
    return _reply({"jsonrpc": "2.0", "id": call_id, "result": result})


def code_of(method: Method, why: Refusal) -> int:
    return words.CODES[method].get(why, words.OTHERWISE.get(method, words.CANNOT_DO))


def _result(method: Method, given: Answer) -> Mapping[str, Any] | None:
    match method, given:
        case Method.CHECK_PERFORM, Payable():
            detail = detail_of(given) if SEND_DETAIL else None
            return {"allow": True, "detail": detail} if detail else {"allow": True}
        case Method.CREATE, Done(snapshot) if snapshot.state is State.CREATED:
            return {"create_time": ms(snapshot.created_at), "transaction": snapshot.our_number, "state": 1}
        case Method.PERFORM, Done(snapshot) if snapshot.state is State.PERFORMED and snapshot.performed_at:
            return {"transaction": snapshot.our_number, "perform_time": ms(snapshot.performed_at), "state": 2}
        case Method.CANCEL, Done(snapshot) if snapshot.cancelled_at:
            return {
                "transaction": snapshot.our_number,
                "cancel_time": ms(snapshot.cancelled_at),
                "state": words.STATES[snapshot.state],
            }
        case Method.CHECK, Done(snapshot):
            return _standing(snapshot)
        case Method.STATEMENT, Transactions(snapshots):
            listed = sorted(snapshots, key=lambda one: (one.their_time or one.created_at, one.transaction_ref))
            return {"transactions": [_line(one) for one in listed]}
        case Method.FISCAL, Noted():
            return {"success": True}
    return None


def _standing(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "create_time": ms(snapshot.created_at),
        "perform_time": ms(snapshot.performed_at),
        "cancel_time": ms(snapshot.cancelled_at),
        "transaction": snapshot.our_number,
        "state": words.STATES[snapshot.state],
        "reason": _reason(snapshot),
    }


def _line(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.transaction_ref,
        "time": ms(snapshot.their_time or snapshot.created_at),
        "amount": snapshot.money.minor,
        "account": {words.ACCOUNT_FIELD: snapshot.reference},
        **_standing(snapshot),
        "receivers": None,
    }


def _reason(snapshot: Snapshot) -> int | None:
    """Null while nothing is cancelled. A reservation that we ended ourselves has no code of Payme's: "unknown"."""
    if snapshot.state not in (State.CANCELLED, State.REVERSED):
        return None
    if snapshot.expired:
        return words.REASON_TIMEOUT
    try:
        return int(snapshot.reason)
    except ValueError:
        return words.REASON_UNKNOWN


def detail_of(payable: Payable) -> dict[str, Any] | None:
    """The fiscal lines, or None where they would not say the whole truth: an item without its codes, or another sum."""
    items = [_item(item) for item in payable.items]
    if not items or None in items or sum(item.total_minor for item in payable.items) != payable.money.minor:
        return None
    return {"receipt_type": SALE, "items": items}


def _item(item: Item) -> dict[str, Any] | None:
    """`price` is for one; what the line costs less than that is its `discount`. A surcharge cannot be written."""
    discount = item.price_minor * item.quantity - item.total_minor
    if not item.mxik or not item.package_code or item.vat is None or discount < 0:
        return None
    written: dict[str, Any] = {
        "title": item.name,
        "price": item.price_minor,
        "count": item.quantity,
        "code": item.mxik,
        "package_code": item.package_code,
        "vat_percent": item.vat,
    }
    return {**written, "discount": discount} if discount else written


def ms(moment: datetime | None) -> int:
    """Whole milliseconds, rounded down; 0 for what has not happened."""
    return 0 if moment is None else (moment - EPOCH) // MILLISECOND


def _reply(content: Mapping[str, Any]) -> Reply:
    # ASCII only: a lone surrogate in an echoed id must not make the answer unwritable.
    return Reply(200, json.dumps(content, separators=(",", ":")).encode(), CONTENT_TYPE)
