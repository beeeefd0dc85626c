"""What Multicard posts to us. Two kinds share one address and are told apart by `status`:

A, the success callback (no `status`): the money is debited and our answer decides; md5 of store, invoice, amount and
secret. B, webhooks (`status`): news; sha1 of uuid, invoice, amount and secret. The status itself is not signed.

The signature is made of texts put side by side without separators, so each of them is checked by itself afterwards.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from gateway import signatures
from gateway.adapters.multicard import reading, terms
from gateway.adapters.multicard.reading import Json, text
from gateway.errors import BadCallback
from gateway.money import Money
from gateway.types import Callback, CallbackRead, Ignored, Mode, Notice, Outcome, PaymentReport, Peek, RefundOutcome

MAX_BYTES = 512 * 1024
UUID = re.compile(r"[0-9A-Za-z\-]{1,64}", re.ASCII)
STATUS = re.compile(r"[a-z_]{1,32}", re.ASCII)
STORE = re.compile(r"[0-9A-Za-z\-]{1,40}", re.ASCII)
SIGN = re.compile(r"[0-9A-Fa-f]{32,64}", re.ASCII)


class Number(str):
    """A JSON number as it was written: the signature is made of its text, and no digit of it may be lost."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A readable callback. Nothing of it is to be believed before its signature was verified."""

    uuid: str
    invoice_id: str
    amount: str
    money: Money
    sign: str = field(repr=False)
    store_id: str = ""
    status: str = ""  # of kind B only
    values: Json = field(default_factory=dict, repr=False)


def is_webhook(callback: Callback) -> bool:
    """Whether it is of kind B. False for what cannot be read: a refusal then has the form of kind A."""
    try:
        return "status" in _values(callback)
    except BadCallback:
        return False


def said_in(callback: Callback) -> Said:
    """Read without believing. BadCallback where it is neither kind."""
    values = _values(callback)
    amount = _scalar(values, "amount")
    money = reading.money_of(amount)
    if money is None:
        raise BadCallback("no whole amount in tiyin")
    is_news = "status" in values
    return Said(
        uuid=_matching(values, "uuid", UUID),
        invoice_id=_invoice_id(values),
        amount=amount,
        money=money,
        sign=_matching(values, "sign", SIGN).lower(),
        store_id=_matching(values, "store_id", STORE) if values.get("store_id") or not is_news else "",
        status=_matching(values, "status", STATUS) if is_news else "",
        values=values,
    )


def peek(callback: Callback) -> Peek:
    """Whom it is about: the order by `invoice_id`, and Multicard's uuid of the payment (not of the invoice)."""
    said = said_in(callback)
    return Peek(
        reference=said.invoice_id,
        processor_ref=said.uuid,
        event_id=f"{said.uuid}:{said.status or 'callback'}",
        event_type=said.status or "callback",
    )


def verify(said: Said, *, secrets: Iterable[str]) -> None:
    """One of the secrets signed it; blank ones never do."""
    is_news = bool(said.status)
    # No early way out: the time taken must not tell which one it was.
    matches = [
        signatures.is_same(said.sign, expected)
        for secret in secrets
        if secret.strip()
        for amount in dict.fromkeys((said.amount, str(said.money.minor)))
        for expected in _expected(said, amount, secret, is_news=is_news)
    ]
    if not any(matches):
        raise BadCallback("the signature is not ours")


def verified_webhook(callback: Callback, *, secrets: Iterable[str]) -> Said:
    said = said_in(callback)
    if not said.status:
        raise BadCallback("this callback is a question, not news")
    verify(said, secrets=secrets)
    return said


def read(said: Said, model: Json | None, *, mode: Mode) -> CallbackRead:
    """What a verified webhook says, or where Multicard was asked about it, what Multicard says now."""
    status = text(model, "status") if model is not None else said.status
    event_id, event_type = f"{said.uuid}:{said.status}", said.status
    if model is None:
        report = PaymentReport(
            reference="",
            processor_ref="",
            outcome=terms.OUTCOMES.get(status, Outcome.PENDING),
            mode=mode,
            processor_data=reading.details_of(said.values, uuid=said.uuid, invoice_id=said.invoice_id),
        )
        return CallbackRead(event_id, event_type, (report,))
    if text(model, "uuid") != said.uuid or text(model, "store_invoice_id") not in ("", said.invoice_id):
        raise BadCallback("Multicard has another payment under this id")
    notice: Notice
    if status == "revert":
        notice = reading.refund_report(
            model,
            mode=mode,
            outcome=RefundOutcome.SUCCEEDED,
            payment_uuid=said.uuid,
            money=reading.money_of(model.get("payment_amount")),
            is_total=True,
        )
    else:
        notice = reading.payment_report(model, mode=mode)
    return CallbackRead(event_id, event_type, (notice,))


def unconfirmed(said: Said) -> CallbackRead:
    """Signed with our secret, yet Multicard knows no such payment: nothing is believed."""
    why = f"Multicard knows no payment {said.uuid}"
    return CallbackRead(f"{said.uuid}:{said.status}", said.status, (Ignored(why),))


def _expected(said: Said, amount: str, secret: str, *, is_news: bool) -> list[str]:
    of_success = f"{said.store_id}{said.invoice_id}{amount}{secret}".encode("utf-8", "replace")
    of_news = f"{said.uuid}{said.invoice_id}{amount}{secret}".encode("utf-8", "replace")
    # Their choice, not ours: both are broken as hashes, and all that stands between is the secret at the end.
    md5 = hashlib.md5(of_success, usedforsecurity=False).hexdigest()
    sha1 = hashlib.sha1(of_news, usedforsecurity=False).hexdigest()
    if terms.ACCEPTS_OTHER_FORMULA and said.store_id:
        return [md5, sha1]
    return [sha1] if is_news else [md5]


def _values(callback: Callback) -> dict[str, Any]:
    """JSON, or on some of its stands a form."""
    if len(callback.body) > MAX_BYTES:
        raise BadCallback("too large to be a callback")
    try:
        body = callback.body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCallback("not UTF-8") from None
    if callback.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        return _form(body)
    try:
        values = json.loads(
            body, parse_int=Number, parse_float=Number, parse_constant=_refuse, object_pairs_hook=_object
        )
    except (ValueError, RecursionError):
        raise BadCallback("not JSON") from None
    if not isinstance(values, dict):
        raise BadCallback("not an object")
    return values


def _form(body: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise BadCallback("not a form") from None
    if len(dict(pairs)) != len(pairs):
        raise BadCallback("a field twice")
    return dict(pairs)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a field twice")  # which of the two was signed is anybody's guess
    return values


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _scalar(values: Json, name: str) -> str:
    value = values.get(name)
    return str(value) if isinstance(value, str) else ""  # numbers are texts here; true, null and lists are not


def _matching(values: Json, name: str, shape: re.Pattern[str]) -> str:
    value = _scalar(values, name)
    if not shape.fullmatch(value):
        raise BadCallback(f"no readable {name}")
    return value


def _invoice_id(values: Json) -> str:
    value = _scalar(values, "invoice_id")
    if not 0 < len(value) <= terms.MAX_INVOICE_ID or not value.isprintable():
        raise BadCallback("no readable invoice_id")
    return value
