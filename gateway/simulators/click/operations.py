"""What the calls of Merchant API v2 do. Click publishes no error codes: these are made up, any below 0 means no."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gateway.simulators.click.rows import Account, Payment
from gateway.simulators.click.world import World, tiyin
from gateway.simulators.wire import Json, Router

SOM = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?")
SUMS = ("received_ecash", "received_cash", "received_card")
NEEDED = ("Name", "SPIC", "PackageCode", "Price", "Amount", "VAT", "VATPercent", "CommissionInfo")


class ApiError(Exception):
    def __init__(self, note: str, *, code: int = -1, status: int = 200) -> None:
        super().__init__(note)
        self.code = code
        self.status = status


class NoRoute(Exception):
    """This address does not exist for this service: the framework's own 404."""


@dataclass(frozen=True, slots=True)
class Asked:
    account: Account
    names: dict[str, str]
    body: Json = field(default_factory=dict)


class Operations:
    def __init__(self, world: World) -> None:
        self._world = world

    def router(self) -> Router[Any]:
        router: Router[Any] = Router()
        for method, path, name, target in (
            ("GET", "/payment/status/{service}/{payment}", "payment.status", self._status),
            ("GET", "/payment/status_by_mti/{service}/{order}/{day}", "payment.status_by_mti", self._by_order),
            ("DELETE", "/payment/reversal/{service}/{payment}", "payment.reversal", self._reverse),
            (
                "DELETE",
                "/payment/partial_reversal/{service}/{payment}/{amount}",
                "payment.partial_reversal",
                self._reverse_part,
            ),
            ("POST", "/payment/ofd_data/submit_items", "fiscal.submit_items", self._submit),
            ("GET", "/payment/ofd_data/{service}/{payment}", "fiscal.read", self._receipt),
        ):
            router.add(method, f"/v2/merchant{path}", name, target)
        return router

    def _status(self, asked: Asked) -> Json:
        payment = self._find(asked)
        return {"payment_id": int(payment.paydoc), "payment_status": payment.payment_status}

    def _by_order(self, asked: Asked) -> Json:
        """By the day of the payment. Of several tries the one that was paid, else the newest."""
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", asked.names["day"]):
            raise ApiError("Wrong date", status=400)
        rows = [
            row
            for row in self._world.payments.newest()
            if (row.account, row.order) == (asked.account.id, asked.names["order"])
            and self._world.day(row.created) == asked.names["day"]
        ]
        if not rows:
            raise ApiError("Payment not found", code=-5, status=404)
        payment = next((row for row in rows if row.paid_at), rows[0])
        return {
            "payment_id": int(payment.paydoc),
            "payment_status": payment.payment_status,
            "merchant_trans_id": payment.order,
        }

    def _reverse(self, asked: Asked) -> Json:
        payment = self._reversible(asked)
        return self._give_back(payment, tiyin(payment.amount) - payment.reversed_minor)

    def _reverse_part(self, asked: Asked) -> Json:
        if not asked.account.has_parts:
            raise NoRoute
        payment = self._reversible(asked)
        if not SOM.fullmatch(asked.names["amount"]) or not tiyin(asked.names["amount"]):
            raise ApiError("Wrong amount", status=400)
        wanted = tiyin(asked.names["amount"])
        if wanted > tiyin(payment.amount) - payment.reversed_minor:
            raise ApiError("The amount is more than is left", code=-2)
        return self._give_back(payment, wanted)

    def _give_back(self, payment: Payment, minor: int) -> Json:
        payment.reversed_minor += minor
        if payment.reversed_minor == tiyin(payment.amount):
            payment.status, payment.payment_status = "reversed", -1
        self._world.keep(payment)
        return {"payment_id": int(payment.paydoc)}

    def _submit(self, asked: Asked) -> Json:
        body = asked.body
        if str(body.get("service_id")) != asked.account.id or not _is_int(body.get("payment_id")):
            raise ApiError("service_id or payment_id is wrong", status=400)
        payment = self._find(Asked(asked.account, {**asked.names, "payment": str(body["payment_id"])}))
        items, sums = body.get("items"), _whole_numbers(body, SUMS)
        if not isinstance(items, list) or not items or len(sums) != len(SUMS) or min(sums) < 0:
            raise ApiError("items or sums are missing", status=400)
        for item in items:
            _check_item(item)
        owed = tiyin(payment.amount)
        lines = sum(item["Price"] - item.get("Discount", 0) for item in items)
        if lines != owed or sum(sums) != owed:
            raise ApiError(f"The lines make {lines} tiyin and the sums {sums}, not {owed}", code=-2)
        if payment.payment_status != 2:
            raise ApiError("The payment is not successful")
        payment.receipt = body
        self._world.keep(payment)
        return {}

    def _receipt(self, asked: Asked) -> Json:
        payment = self._find(asked)
        url = f"https://ofd.soliq.uz/check?t=UZ000000000001&r={payment.paydoc}" if payment.receipt else None
        return {"paymentId": int(payment.paydoc), "qrCodeURL": url}

    def _find(self, asked: Asked) -> Payment:
        payment = self._world.of_paydoc(asked.account, asked.names["payment"])
        if payment is None:
            raise ApiError("Payment not found", code=-5, status=404)
        return payment

    def _reversible(self, asked: Asked) -> Payment:
        """Only what is paid, of this month; of the last month only on the 1st."""
        payment = self._find(asked)
        if payment.payment_status != 2:
            raise ApiError("The payment is not successful", code=-9)
        today, paid = self._world.day(self._world.clock()), self._world.day(payment.paid_at)
        months = [12 * int(day[:4]) + int(day[5:7]) for day in (today, paid)]
        age = months[0] - months[1]
        if age > 1 or (age == 1 and today[8:] != "01"):
            raise ApiError("The reporting period of the payment is closed", code=-31)
        return payment


def _check_item(item: object) -> None:
    if not isinstance(item, dict) or any(name not in item for name in NEEDED):
        raise ApiError("an item is incomplete", status=400)
    numbers = [item[name] for name in ("Price", "Amount", "VAT", "VATPercent")]
    who = item["CommissionInfo"]
    if (
        not all(_is_int(value) and value >= 0 for value in numbers)
        or not (isinstance(item["Name"], str) and 0 < len(item["Name"]) <= 63)
        or not re.fullmatch(r"\d{17}", str(item["SPIC"]))
        or not isinstance(who, dict)
        or not (re.fullmatch(r"\d{9}", str(who.get("TIN"))) or re.fullmatch(r"\d{14}", str(who.get("PINFL"))))
    ):
        raise ApiError("an item is wrong", status=400)


def _whole_numbers(body: Json, names: tuple[str, ...]) -> list[int]:
    values = [body.get(name) for name in names]
    return [value for value in values if isinstance(value, int) and not isinstance(value, bool)]


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
