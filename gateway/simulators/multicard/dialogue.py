"""From the buyer's decision to the end of a payment: debit, kind A to the seller, and what its answer decides.

Nothing is locked while the seller is asked: it may ask us back meanwhile.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from gateway.simulators.faults import Fault
from gateway.simulators.multicard import shapes
from gateway.simulators.multicard.news import FORGER, Messenger
from gateway.simulators.multicard.rows import Account, Asked, Invoice, Payment
from gateway.simulators.multicard.strict import ACCEPTED, FROZEN, REFUSED, Heard, read
from gateway.simulators.multicard.world import World
from gateway.simulators.wire import Json, is_loopback_url

EVENT = "callback"
LONGEST_ANSWER = 64 * 1024
SHOWN = 4096
CARDS = {"uzcard": "860030******5959", "humo": "986001******1207", "visa": "400000******0002"}
WALLETS = ("payme", "click", "uzum")
FOREIGN = {"forged", "other_mode", "unknown_reference"}  # a stranger's call: the true one follows it


class Dialogue:
    def __init__(self, world: World, messenger: Messenger) -> None:
        self._world = world
        self._messenger = messenger

    def resume(self) -> None:
        """After a restart: what was waiting goes on."""
        now = self._world.clock()
        for row in self._world.payments.all():
            if row.status in {"progress", "billing"} and row.waits_until:
                self.later(row.id, row.waits_until - now)

    # --- what the buyer does ---

    def begin(self, invoice: Invoice, *, ps: str = "uzcard") -> Payment:
        """A try: draft, then progress."""
        world = self._world
        with world.lock:
            row = Payment(
                id=world.new_id(),
                number=world.number(),
                invoice=invoice.id,
                account=invoice.account,
                amount=invoice.amount,
                created=world.clock(),
                ps=ps,
                card_pan=CARDS.get(ps, ""),
                ofd=invoice.ofd,
            )
            world.payments.save(row)
            invoice.payment, invoice.updated = row.id, world.clock()
            world.invoices.save(invoice)
            self._messenger.tell(row)
            self._move(row, "progress")
        return row

    def decline(self, row: Payment, code: str = "51", message: str = "Недостаточно средств на карте") -> None:
        with self._world.lock:
            row.response_code, row.response_msg = code, message
            self._move(row, "error")

    def later(self, key: str, seconds: float) -> None:
        """Debit and ask when the time has come; on a thread of its own, because asking can take long."""
        self._world.timers.after(
            seconds,
            lambda: threading.Thread(target=self.settle, args=(key,), name="lab-multicard", daemon=True).start(),
        )

    def wait(self, row: Payment, seconds: float) -> None:
        with self._world.lock:
            row.waits_until = self._world.clock() + seconds
            self._world.keep(row)
        self.later(row.id, seconds)

    def settle(self, key: str, *, is_sure: bool = False) -> None:
        """Debit, ask, and do what the answer says. `is_sure`: no fault strikes this time."""
        world = self._world
        with world.lock:
            row = world.payments.get(key)
            invoice = world.invoices.get(row.invoice) if row is not None else None
            account = world.account_of(row) if row is not None else None
            if row is None or invoice is None or account is None or world.stopped.is_set():
                return
            if row.status not in {"progress", "billing"}:
                return
            if row.paid is None:
                row.paid, row.status = world.clock(), "billing"
            row.waits_until, row.note = 0.0, ""
            world.keep(row)
        fault = None
        if not is_sure:
            fault = world.faults.take("callback", payment=row.id, metadata=world.metadata(invoice), event=EVENT)
        kind = fault.kind if fault is not None else ""
        if kind == "drop":
            self._succeed(row, invoice)  # as if the answer had been yes; nobody was told
            return
        if fault is not None and kind in {"late", "reorder"}:
            with world.lock:
                row.waits_until = world.clock() + (fault.seconds or 0)
                world.keep(row)
            world.timers.after(
                fault.seconds or 0,
                lambda: threading.Thread(
                    target=self.settle, args=(key,), kwargs={"is_sure": True}, name="lab-multicard", daemon=True
                ).start(),
            )
            return
        body = shapes.callback(world, row, invoice, account)
        if fault is not None and kind in FOREIGN:
            self._strange(row, invoice, account, body, fault)
        if fault is not None and kind == "wrong_amount":
            wrong = fault.amount if fault.amount is not None else row.amount + 1
            heard = self._ask(row, invoice, shapes.signed({**body, "amount": wrong}, account.secret), kind, bad=True)
            if not fault.also_true:
                self._obey(row, invoice, heard)
                return
        heard = self._ask(row, invoice, shapes.signed(body, account.secret), kind if kind == "reply_lost" else "")
        if kind == "reply_lost":
            heard = Heard(FROZEN)
        self._obey(row, invoice, heard)
        if kind == "duplicate" and heard.verdict == ACCEPTED:
            again = self._ask(row, invoice, shapes.signed(body, account.secret), kind)
            if again.verdict != ACCEPTED:
                self._complain(row, "a repeat of an accepted callback was not accepted again")

    # --- what the answer decides ---

    def _obey(self, row: Payment, invoice: Invoice, heard: Heard) -> None:
        world = self._world
        if heard.verdict == ACCEPTED:
            if invoice.state == "annulled":
                self._complain(row, "money was accepted for an invoice that the seller had annulled")
            self._succeed(row, invoice)
        elif heard.verdict == REFUSED:
            with world.lock:
                row.callback_message = heard.message[:500]
            self.revert(row)
        else:
            ladder = world.settings.retry_ladder
            with world.lock:
                row.tries += 1
                is_over = row.tries > len(ladder)
                row.note = "frozen: given up, people have to look" if is_over else "frozen: the seller is asked again"
                gap = 0.0 if is_over else ladder[row.tries - 1]
                row.waits_until = 0.0 if is_over else world.clock() + gap
                world.keep(row)
            if not is_over:
                self.later(row.id, gap)

    def _succeed(self, row: Payment, invoice: Invoice) -> None:
        with self._world.lock:
            if row.status != "billing":
                return
            self._move(row, "success")
            if invoice.state == "open":
                invoice.state, invoice.updated = "paid", self._world.clock()
                self._world.invoices.save(invoice)

    def revert(self, row: Payment) -> None:
        """All of it goes back to the buyer."""
        with self._world.lock:
            row.refunded, row.reverted = row.amount, self._world.clock()
            self._move(row, "revert")

    def _move(self, row: Payment, status: str) -> None:
        with self._world.lock:
            row.status = status
            if self._world.keep(row):
                self._messenger.tell(row)

    # --- asking ---

    def _strange(self, row: Payment, invoice: Invoice, account: Account, body: Json, fault: Fault) -> None:
        secret = account.secret
        if fault.kind == "unknown_reference":
            body = {**body, "invoice_id": self._world.new_id(), "uuid": self._world.new_id()}
        else:
            secret = fault.code or FORGER
        self._ask(row, invoice, shapes.signed(body, secret), fault.kind, bad=True)

    def _ask(self, row: Payment, invoice: Invoice, body: Json, fault: str, *, bad: bool = False) -> Heard:
        """`bad`: a call that has to be refused."""
        world = self._world
        at, started = world.clock(), time.monotonic()
        status, content_type, text = post(
            invoice.callback_url, json.dumps(body).encode(), timeout=world.settings.callback_timeout_seconds
        )
        heard = read(status, content_type, text)
        violations = list(heard.violations)
        if bad and heard.verdict != REFUSED:
            violations.append(f"{heard.verdict}: this call ({fault}) had to be refused")
        with world.lock:
            world.asked.save(
                Asked(
                    id=f"ask_{uuid.uuid4().hex[:16]}",
                    account=row.account,
                    payment=row.id,
                    url=invoice.callback_url,
                    at=at,
                    request=body,
                    fault=fault,
                    status=status,
                    seconds=round(time.monotonic() - started, 4),
                    answer=text[:SHOWN],
                    verdict=heard.verdict,
                    violations=violations,
                )
            )
            row.violations += violations
            world.keep(row)
        return heard

    def _complain(self, row: Payment, words: str) -> None:
        with self._world.lock:
            row.violations.append(words)
            self._world.keep(row)


def post(url: str, body: bytes, *, timeout: float) -> tuple[int | None, str, str]:
    """Status, content type, text; without an answer None, "" and why. Redirects are not followed."""
    if not is_loopback_url(url):
        return None, "", "not an address of this machine"
    parts = urlsplit(url)
    maker: Any = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = maker(parts.hostname or "", parts.port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, {"Content-Type": "application/json", "User-Agent": "Multicard"})
        answer = connection.getresponse()
        return (
            answer.status,
            answer.getheader("Content-Type") or "",
            answer.read(LONGEST_ANSWER).decode("utf-8", "replace"),
        )
    except (OSError, http.client.HTTPException) as error:
        return None, "", f"{type(error).__name__}: {error}".strip(": ")
    finally:
        connection.close()
