"""What the simulated API does: invoices, payments, refunds, the register."""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from gateway.simulators.multicard import shapes
from gateway.simulators.multicard.dialogue import WALLETS, Dialogue
from gateway.simulators.multicard.rows import Account, Invoice, LoggedRequest, Payment
from gateway.simulators.multicard.shapes import TASHKENT_SECONDS
from gateway.simulators.multicard.world import World
from gateway.simulators.wire import Json, Router, is_loopback_url

ONE_DAY = 24 * 3600
MAX_AMOUNT = 10**13
ITEM_FIELDS = {"qty": int, "price": int, "total": int, "mxik": str, "package_code": str, "name": str}


class ApiError(Exception):
    def __init__(self, code: str, details: str, status: int = 400) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    application: str
    key: str
    body: Json | None
    args: dict[str, str]
    entry: LoggedRequest

    @property
    def fields(self) -> Json:
        return self.body or {}


Operation = Callable[[Call], Json]


class Operations:
    def __init__(self, world: World, dialogue: Dialogue) -> None:
        self._world = world
        self._dialogue = dialogue

    def router(self) -> Router[Operation]:
        router: Router[Operation] = Router()
        for method, path, name, operation in (
            ("POST", "/payment/invoice", "invoices.create", self.create_invoice),
            ("GET", "/payment/invoice/{id}", "invoices.retrieve", self.retrieve_invoice),
            ("DELETE", "/payment/invoice/{id}", "invoices.delete", self.delete_invoice),
            ("GET", "/payment/store/{id}/history", "register.list", self.register),
            ("GET", "/payment/{id}", "payments.retrieve", self.retrieve_payment),
            ("DELETE", "/payment/{id}/partial", "payments.refund_part", self.refund_part),
            ("DELETE", "/payment/{id}", "payments.refund", self.refund),
        ):
            router.add(method, path, name, operation)
        return router

    def create_invoice(self, call: Call) -> Json:
        given, world = call.fields, self._world
        account = world.account_of_store(call.application, given.get("store_id"))
        if account is None or isinstance(given.get("store_id"), bool):
            raise ApiError("ERROR_FIELDS", "store_id is unknown")
        if isinstance(given["store_id"], str) and not account.store_uuid:
            raise ApiError("ERROR_FIELDS", "store_id must be a number")
        amount, reference = given.get("amount"), given.get("invoice_id")
        if not _is_whole(amount) or not 0 < amount <= MAX_AMOUNT:
            raise ApiError("ERROR_FIELDS", "amount must be a whole number of tiyin")
        if not isinstance(reference, str) or not 0 < len(reference) <= 255:
            raise ApiError("ERROR_FIELDS", "invoice_id must be a text of at most 255 characters")
        callback_url = given.get("callback_url")
        if not isinstance(callback_url, str) or not is_loopback_url(callback_url):
            raise ApiError("ERROR_FIELDS", "callback_url must be an http address (in the lab: of this machine)")
        ttl = given.get("ttl", ONE_DAY)
        if not _is_whole(ttl) or ttl <= 0:
            raise ApiError("ERROR_FIELDS", "ttl must be a whole number of seconds")
        if given.get("lang", "ru") not in {"ru", "uz", "en"}:
            raise ApiError("ERROR_FIELDS", "lang must be ru, uz or en")
        with world.lock:
            row = world.invoices.save(
                Invoice(
                    id=world.new_id(),
                    account=account.id,
                    amount=amount,
                    invoice_id=reference,
                    callback_url=callback_url,
                    created=world.clock(),
                    ends=world.clock() + ttl,
                    ofd=_items(given.get("ofd")),
                    lang=str(given.get("lang", "ru")),
                    return_url=_address(given, "return_url"),
                    return_error_url=_address(given, "return_error_url"),
                    sms=str(given.get("sms") or ""),
                )
            )
            call.entry.subject = row.id
            return {"success": True, "data": shapes.invoice(world, row)}

    def retrieve_invoice(self, call: Call) -> Json:
        with self._world.lock:
            row = self._invoice(call)
            if not self._world.is_open(row):
                raise ApiError("ERROR_TRANS_NOT_READY", "The invoice is finished, cancelled or expired")
            return {"success": True, "data": shapes.invoice(self._world, row)}

    def delete_invoice(self, call: Call) -> Json:
        world = self._world
        with world.lock:
            row = self._invoice(call)
            payment = world.payments.get(row.payment)
            if row.state == "paid" or (payment is not None and payment.status in {"billing", "success"}):
                raise ApiError("ERROR_FIELDS", "The invoice is paid")
            if not world.is_open(row):
                raise ApiError("ERROR_TRANS_NOT_READY", "The invoice is cancelled or expired")
            row.state, row.updated = "annulled", world.clock()
            world.invoices.save(row)
        if call.entry.fault == "success_after_cancel":
            self._dialogue.wait(self._dialogue.begin(row), 0.05)
        return {"success": True, "data": []}

    def retrieve_payment(self, call: Call) -> Json:
        with self._world.lock:
            return {"success": True, "data": shapes.payment(self._world, self._payment(call))}

    def refund(self, call: Call) -> Json:
        world = self._world
        with world.lock:
            row = self._payment(call)
            if row.status != "success":
                raise ApiError("ERROR_TRANS_NOT_READY", f"A payment in state {row.status} cannot be cancelled")
            if call.entry.fault == "refund_pending":
                world.timers.after(world.settings.refund_seconds, lambda: self._dialogue.revert(row))
            elif call.entry.fault != "refund_fails":
                self._dialogue.revert(row)
            return {"success": True, "data": shapes.payment(world, row)}

    def refund_part(self, call: Call) -> Json:
        """The amount goes back, the receipt is replaced. Whether refund_time says so is not documented; here it does
        not, until everything is back.
        """
        world = self._world
        with world.lock:
            row = self._payment(call)
            account = world.account_of(row)
            if account is None or not account.takes_parts:
                raise ApiError("ERROR_ACCESS_DENIED", "Partial refunds are not enabled for this terminal", 403)
            if row.status != "success":
                raise ApiError("ERROR_TRANS_NOT_READY", f"A payment in state {row.status} cannot be refunded")
            amount, pan = call.fields.get("refund_amount"), call.fields.get("card_pan")
            if not _is_whole(amount) or not 0 < amount <= row.amount - row.refunded:
                raise ApiError("ERROR_FIELDS", "refund_amount must be a whole number, at most what is left")
            ofd = _items(call.fields.get("ofd"))
            if row.ps in WALLETS and pan is None:
                raise ApiError("ERROR_FIELDS", "card_pan is required for this payment")
            if pan is not None and not (isinstance(pan, str) and pan.isdigit() and 16 <= len(pan) <= 19):
                raise ApiError("ERROR_FIELDS", f"card_pan {pan} is not a card number")
            if row.refunded + amount == row.amount:
                self._dialogue.revert(row)
            else:
                row.refunded += amount
                row.ofd = ofd
                world.keep(row)
            return {"success": "true", "data": shapes.payment(world, row)}

    def register(self, call: Call) -> Json:
        world, args = self._world, call.args
        account = world.account_of_store(call.application, call.key)
        if account is None:
            raise ApiError("ERROR_NOT_FOUND", "No such store", 404)
        try:
            offset, limit = int(args.get("offset", 0)), min(int(args.get("limit", 50)), 500)
            since, until = _moment(args["start_date"]), _moment(args["end_date"])
        except (KeyError, ValueError) as error:
            raise ApiError("ERROR_FIELDS", "offset, limit, start_date and end_date are needed") from error
        rows = [
            row
            for row in world.payments.newest()
            if row.account == account.id
            and since <= row.created <= until + 1
            and args.get("only_status") in {None, row.status}
        ]
        page = [shapes.payment(world, row) for row in rows[offset : offset + limit]]
        pagination = {"total": len(rows), "offset": offset, "limit": limit}
        return {"success": True, "data": {"pagination": pagination, "list": page}}

    def _invoice(self, call: Call) -> Invoice:
        row = self._world.invoices.get(call.key)
        if row is None or not self._is_theirs(self._world.account_of(row), call):
            raise ApiError("ERROR_NOT_FOUND", "Объект не найден", 404)
        return row

    def _payment(self, call: Call) -> Payment:
        row = self._world.payments.get(call.key)
        if row is None or not self._is_theirs(self._world.account_of(row), call):
            raise ApiError("ERROR_NOT_FOUND", "Объект не найден", 404)
        return row

    @staticmethod
    def _is_theirs(account: Account | None, call: Call) -> bool:
        return account is not None and account.application == call.application


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _items(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise ApiError("ERROR_FIELDS", "ofd is required")
    for item in value:
        if not isinstance(item, dict):
            raise ApiError("ERROR_FIELDS", "ofd must be a list of objects")
        for name, kind in ITEM_FIELDS.items():
            found = item.get(name)
            if not isinstance(found, kind) or isinstance(found, bool) or found == "":
                raise ApiError("ERROR_FIELDS", f"ofd.{name} is missing or of a wrong type")
        if "vat" in item and not _is_whole(item["vat"]):
            raise ApiError("ERROR_FIELDS", "ofd.vat must be a whole number")
    return value


def _address(given: Json, name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or urlsplit(value).scheme not in {"http", "https"}:
        raise ApiError("ERROR_FIELDS", f"{name} must be an address")
    return value


def _moment(text: str) -> float:
    return timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S")) - TASHKENT_SECONDS
