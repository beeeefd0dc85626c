"""Merchant API v2: asking about a payment, sending it back, handing over the lines of its fiscal receipt.

`<base>/v2/merchant/…`, header `Auth: <merchant_user_id>:<sha1(timestamp + secret_key)>:<timestamp>`. Amounts in som,
but in fiscal items in tiyin. Done is only what has a 2xx status *and* error_code 0.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from gateway import http
from gateway.adapters.click import words
from gateway.adapters.click.amounts import day_of, path_text
from gateway.errors import Misconfigured, Refused, Unavailable
from gateway.money import Money
from gateway.types import PaymentRef

HOST = "https://api.click.uz"
PATH = "/v2/merchant"

# Click's documents end this address with the day of the payment; some clients leave it out.
STATUS_BY_ORDER_HAS_DAY = True
# Where the day is not known for certain, these many days after the payment's creation are looked through.
DAYS_LOOKED_THROUGH = 4
# Which of the two ids of the SHOP-API the calls mean by `payment_id` is disputed, so it is asked for by the order.
# words.PAYDOC or "click_trans_id" here takes that one without asking.
PAYMENT_ID: str = ""

CREATED, PROCESSING, PAID = 0, 1, 2
NO_SUCH_ROUTE = (404, 405)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer below 500. `error_code` is None where the body had none, `data` empty where it was not JSON."""

    status: int
    data: Mapping[str, Any] = field(repr=False)

    @property
    def error_code(self) -> int | None:
        return whole(self.data.get("error_code"))

    @property
    def is_done(self) -> bool:
        return self.status < 300 and self.error_code == 0

    @property
    def why(self) -> str:
        note = self.data.get("error_note")
        shown = note if isinstance(note, str) and note.isprintable() else ""
        return f"Click answered {self.status} {self.error_code if self.error_code is not None else ''} {shown[:200]}"


@dataclass(frozen=True, slots=True)
class Found:
    """Click's own payment: `status` below 0 failed or sent back, 0 created, 1 processing, 2 paid."""

    payment_id: str
    status: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class MerchantApi:
    base_url: str
    service_id: str
    merchant_user_id: str
    secret_key: str = field(repr=False)
    clock: Callable[[], datetime] = field(repr=False)
    timeouts: http.Timeouts = http.DEFAULT_TIMEOUTS

    def find(self, payment: PaymentRef) -> Found | None:
        """Click's payment for our order. None: it clearly knows none. Refused where it says something else."""
        if PAYMENT_ID:
            known = payment.processor_ref if PAYMENT_ID != words.PAYDOC else payment.processor_data.get(PAYMENT_ID, "")
            if not known:
                raise Refused(f"the payment was kept without {PAYMENT_ID}")
            return self.status(known)
        order = payment.processor_data.get(words.ORDER, "")
        if not order:
            raise Refused("the payment was kept without its order's id at Click")
        refusal = None
        for day in self._days(payment):
            parts = ["payment", "status_by_mti", self.service_id, order, *([day.isoformat()] if day else [])]
            told = self.call("GET", parts)
            payment_id = id_of(told.data.get("payment_id"))
            if told.is_done and payment_id and str(told.data.get("merchant_trans_id", order)) == order:
                status = whole(told.data.get("payment_status"))
                return self.status(payment_id) if status is None else _found(payment_id, status, told)
            if told.status not in NO_SUCH_ROUTE:
                refusal = told
        if refusal is not None:
            raise Refused(refusal.why, processor_code=str(refusal.error_code))
        return None

    def status(self, payment_id: str) -> Found | None:
        told = self.call("GET", ["payment", "status", self.service_id, payment_id])
        if told.status in NO_SUCH_ROUTE:
            return None
        status = whole(told.data.get("payment_status"))
        if not told.is_done or status is None:
            raise Refused(told.why, processor_code=str(told.error_code))
        return _found(payment_id, status, told)

    def reverse(self, payment_id: str) -> Told:
        """All of it."""
        return self.call("DELETE", ["payment", "reversal", self.service_id, payment_id])

    def reverse_part(self, payment_id: str, money: Money) -> Told:
        """Not in every description of the API: see `Told.status` for 404 and 405."""
        parts = ["payment", "partial_reversal", self.service_id, payment_id, path_text(money)]
        return self.call("DELETE", parts)

    def call(self, method: str, parts: list[str], body: Mapping[str, Any] | None = None) -> Told:
        is_write = method != "GET"
        content = None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        answer = http.send(
            method,
            f"{self.base_url}{PATH}/{'/'.join(quote(part, safe='') for part in parts)}",
            is_write=is_write,
            body=content,
            headers=self._headers(),
            timeouts=self.timeouts,
        )
        if answer.status in (401, 403):
            raise Misconfigured(f"Click does not accept our merchant user: {answer.status}", processor_code="auth")
        if answer.status == 408:
            raise http.unclear("Click answered 408", is_write=is_write)
        if 400 <= answer.status < 500 and answer.status != 429:
            return Told(answer.status, _object_or_nothing(answer))  # a clear no, whatever its body is
        data = http.decided(answer, is_write=is_write).data
        if not isinstance(data, Mapping) or whole(data.get("error_code")) is None:
            raise http.unclear("Click answered without error_code", is_write=is_write)
        return Told(answer.status, data)

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Auth": auth_header(self.merchant_user_id, self.secret_key, int(self.clock().timestamp())),
        }

    def _days(self, payment: PaymentRef) -> Iterator[date | None]:
        """The day of Click's last call, the one before it (it may be the payment's), then those after its creation."""
        if not STATUS_BY_ORDER_HAS_DAY:
            yield None
            return
        one_day, today = timedelta(days=1), day_of(self.clock())
        days: list[date] = []
        try:
            told = date.fromisoformat(payment.processor_data.get(words.DAY, ""))
            days += [told, told - one_day]
        except ValueError:
            days += [today]
        first = day_of(payment.created_at)
        days += [first + one_day * n for n in range(DAYS_LOOKED_THROUGH)]
        yield from dict.fromkeys(day for day in days if day <= today)


def auth_header(merchant_user_id: str, secret_key: str, timestamp: int) -> str:
    digest = hashlib.sha1(f"{timestamp}{secret_key}".encode(), usedforsecurity=False).hexdigest()
    return f"{merchant_user_id}:{digest}:{timestamp}"


def whole(value: object) -> int | None:
    """An integer, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    text = str(value).strip() if isinstance(value, int) or len(value) < 20 else ""
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() else None


def id_of(value: object) -> str:
    """A positive id as text; "" for anything else."""
    number = whole(value)
    return str(number) if number is not None and number > 0 else ""


def wrote_nothing(error: Unavailable) -> Refused:
    """For a call that cannot be repeated safely, because nothing tells later whether it was done."""
    return Refused(f"{error}; nothing was sent back, ask for it once more")


def _found(payment_id: str, status: int, told: Told) -> Found:
    note = told.data.get("error_note")
    return Found(payment_id, status, note[:200] if isinstance(note, str) else "")


def _object_or_nothing(answer: http.Answer) -> Mapping[str, Any]:
    try:
        data = json.loads(answer.body.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, Mapping) else {}
