"""Our answers in Click's JSON: HTTP 200 always, ids echoed where they came readable, `error` a number."""

import json
from collections.abc import Mapping
from typing import Any

from gateway.adapters.click import words
from gateway.questions import Answer, Cancel, Create, Done, No, Perform, Question, Refusal, Reply, State
from gateway.types import Callback


def answer(callback: Callback, asked: Mapping[str, str], question: Question, given: Answer) -> Reply:
    """A success, or a refusal in Click's code. What makes no sense together is "ask again"."""
    if isinstance(given, No):
        number = given.snapshot.our_number if given.snapshot and _is_about_same(question, given) else ""
        return reply(callback, asked, _refusal_code(question, given), number=number)
    if not isinstance(given, Done):
        return reply(callback, asked, words.ASK_AGAIN)
    code = _code_of(question, given)
    return reply(callback, asked, code, number=given.snapshot.our_number)


def _code_of(question: Question, given: Done) -> int:
    """By the transaction's state: what the row says is never contradicted by a code."""
    state = given.snapshot.state
    if isinstance(question, Cancel) or state in (State.CANCELLED, State.REVERSED):
        return words.CANCELLED
    if isinstance(question, Create):
        return words.ALREADY_PAID if state is State.PERFORMED else words.OK
    if isinstance(question, Perform) and state is State.PERFORMED:
        return words.ALREADY_PAID if given.is_repeat else words.OK
    return words.ASK_AGAIN


def _refusal_code(question: Question, given: No) -> int:
    if isinstance(question, Cancel):
        # Paid or not, what Click calls failed is answered as cancelled; nothing was undone.
        kept = (Refusal.UNKNOWN_ORDER, Refusal.UNKNOWN_TRANSACTION)
        return words.REFUSALS[given.why] if given.why in kept else words.CANCELLED
    if given.snapshot is not None:
        if given.snapshot.state is State.PERFORMED and given.why is Refusal.WRONG_STATE:
            return words.ALREADY_PAID  # a Prepare once more, after its Complete
        if given.why is Refusal.NOT_SAME_CONTENT and _is_about_same(question, given):
            return words.WRONG_AMOUNT
    if isinstance(question, Perform) and given.why is Refusal.ALREADY_PAID:
        # Paid, but not by this transaction: "already paid" would make Click keep its money as well.
        return words.CANCELLED
    return words.REFUSALS[given.why]


def _is_about_same(question: Question, given: No) -> bool:
    """Whether the stored transaction is of the order that was asked about: another one's number is not told."""
    reference = getattr(question, "reference", "")
    return given.snapshot is not None and given.snapshot.reference.lower() == reference.strip().lower()


def refusal(callback: Callback, asked: Mapping[str, str], code: int) -> Reply:
    return reply(callback, asked, code)


def reply(callback: Callback, asked: Mapping[str, str], code: int, *, number: str = "") -> Reply:
    """`number` is our transaction's: merchant_prepare_id in answer to a Prepare, merchant_confirm_id to a Complete."""
    body: dict[str, Any] = {}
    if "click_trans_id" in asked:
        body["click_trans_id"] = int(asked["click_trans_id"])
    if "merchant_trans_id" in asked:
        body["merchant_trans_id"] = asked["merchant_trans_id"]
    is_number = number.isascii() and number.isdigit()
    if asked.get("action") == words.COMPLETE:
        settled = is_number and code in (words.OK, words.ALREADY_PAID)
        body["merchant_confirm_id"] = int(number) if settled else None
    elif is_number:
        body["merchant_prepare_id"] = int(number)
    body |= {"error": code, "error_note": words.NOTES[code]}
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(200, content, "application/json; charset=utf-8", _cors(callback))


def permission(callback: Callback) -> Reply:
    """The answer to a browser's OPTIONS: only the playground's pages may call."""
    headers = _cors(callback)
    if headers:
        headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
        headers["Access-Control-Allow-Headers"] = "Content-Type"
        headers["Access-Control-Max-Age"] = str(words.PREFLIGHT_SECONDS)
    return Reply(204, b"", "text/plain; charset=utf-8", headers or {"Vary": "Origin"})


def _cors(callback: Callback) -> dict[str, str]:
    if callback.headers.get("origin", "") != words.PLAYGROUND:
        return {}
    return {"Access-Control-Allow-Origin": words.PLAYGROUND, "Vary": "Origin"}
