"""Where `manage.py certify` takes fresh orders from: our own database, an Invoice API, or a command of the examined."""

import json
import secrets
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.db import connection
from django.utils import timezone

from checkout import invoices, orders
from checkout.models import Payment
from gateway.certify import score
from gateway.certify.score import Failed, Order
from gateway.money import Money
from gateway.types import Mode
from providers.models import MerchantAccount

CURRENCY = "UZS"
COMMAND_SECONDS = 60
T = TypeVar("T")
# Processors that are called when the invoice is opened want its lines; the others do not mind them.
MXIK, PACKAGE = "06401004002000000", "1501319"


class Orders(Protocol):
    """Where orders come from. Every call gives another one."""

    def new(self) -> Order: ...

    def ended(self) -> Order:
        """One that was cancelled, and can no longer be paid."""

    def cancel(self, order: Order) -> None:
        """Our side ends it, perhaps while it is being paid."""


def lines_for(amount_minor: int) -> list[dict[str, Any]]:
    """One line that makes up the whole amount."""
    return [
        {
            "qty": 1,
            "price": amount_minor,
            "total": amount_minor,
            "mxik": MXIK,
            "package_code": PACKAGE,
            "name": "Certification",
            "vat": 12,
        }
    ]


@dataclass(frozen=True, slots=True)
class OwnOrders:
    """Invoices of an account of this installation, opened as the Invoice API opens them."""

    account: MerchantAccount
    amount_minor: int

    def new(self) -> Order:
        return self._and_leave(self._open)

    def ended(self) -> Order:
        order = self.new()
        self.cancel(order)
        return order

    def cancel(self, order: Order) -> None:
        self._and_leave(
            lambda: orders.cancel_order(order_id=UUID(order.reference), cause="certify", now=timezone.now())
        )

    def learned(self) -> dict[str, str]:
        """What callbacks carry and no credential says: the number of a Multicard cash desk known by its UUID."""
        payment = Payment.objects.filter(order=UUID(self.new().reference)).first()
        store = payment.processor_data.get("store_id", "") if payment is not None else ""
        return {"store": store} if store else {}

    def _open(self) -> Order:
        assert self.account.provider is not None
        wanted = invoices.Wanted(
            provider=self.account.provider,
            mode=Mode(self.account.mode),
            business_id=self.account.business_id,
            source_invoice_id=_name(),
            amount=Money(self.amount_minor, CURRENCY),
            processor=self.account.processor,
            items=lines_for(self.amount_minor),
        )
        order, _payment = invoices.open_invoice(wanted, cause="certify", now=timezone.now())
        return Order(str(order.pk), order.amount_minor)

    def _and_leave(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            if threading.current_thread() is not threading.main_thread():
                connection.close()  # nobody else would: the thread is the examiner's


@dataclass(frozen=True, slots=True)
class ApiOrders:
    """Invoices of an installation somewhere else, opened through its Invoice API."""

    base_url: str
    key: str = field(repr=False)
    source: str
    business_id: str
    processor: str
    amount_minor: int

    def new(self) -> Order:
        body = {
            "source": self.source,
            "businessId": self.business_id,
            "provider": self.processor,
            "sourceInvoiceId": _name(),
            "amount": self.amount_minor,
            "currency": CURRENCY,
            "ofd": lines_for(self.amount_minor),
        }
        made = self._post("/api/invoices", body)
        return Order(str(made["id"]), int(made["amount"]))

    def ended(self) -> Order:
        order = self.new()
        self.cancel(order)
        return order

    def cancel(self, order: Order) -> None:
        self._post(f"/api/invoices/{order.reference}/cancel", {})

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "x-api-key": self.key}
        answer = score.send(f"{self.base_url}{path}", json.dumps(body).encode(), headers=headers)
        try:
            content = json.loads(answer.body)
            if answer.status == 200 and content["status"] is True:
                return dict(content["data"])
        except (ValueError, TypeError, KeyError):
            pass
        shown = answer.body[:300].decode("utf-8", "replace")
        raise Failed(f"no fresh order: {path} answered {answer.status}: {shown}")


@dataclass(frozen=True, slots=True)
class CommandOrders:
    """Orders of somebody else's system: each run of a command prints `<reference> <amount in tiyin>`.

    The command that cancels one gets its reference as the last word.
    """

    command: str
    ended_command: str = ""
    cancel_command: str = ""

    def new(self) -> Order:
        return self._ask(self.command)

    def ended(self) -> Order:
        return self._ask(self.ended_command)

    def cancel(self, order: Order) -> None:
        done = _run([*shlex.split(self.cancel_command), order.reference])
        if done.returncode:
            raise Failed(f"the order was not cancelled: {_said(done)}")

    def _ask(self, command: str) -> Order:
        done = _run(shlex.split(command))
        words = done.stdout.split()
        if done.returncode or len(words) != 2 or not (words[1].isascii() and words[1].isdigit()):
            raise Failed(f"no fresh order: {_said(done)}")
        return Order(words[0], int(words[1]))


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - whoever certifies names the command
            command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{command[0]!r} cannot be run: {type(error).__name__}") from error


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return f"{done.args[0]!r} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[:300]}"


def _name() -> str:
    return f"certify-{secrets.token_hex(8)}"
