"""The lines of a fiscal receipt in Click's words. Here, unlike everywhere else at Click, amounts are tiyin."""

from collections.abc import Sequence
from typing import Any

from gateway.errors import Misconfigured
from gateway.types import Item

# Click's documents do not say it: one piece is written as 1000, as in the state's own receipts.
QUANTITY_SCALE = 1000
# One of Click's two descriptions wants a unit code for every line; None leaves it out.
UNITS: int | None = None
# Which of the three sums the buyer's money is counted under.
RECEIVED = "received_ecash"

LONGEST_NAME = 63
LONGEST_PACKAGE_CODE = 20
MOST_LABELS = 300


def receipt(items: Sequence[Item], *, service_id: str, payment_id: str) -> dict[str, Any]:
    """The body of submit_items. Misconfigured names the line that lacks something."""
    if not items:
        raise Misconfigured("there is no line to put on the receipt", processor_code="items")
    sums = {"received_ecash": 0, "received_cash": 0, "received_card": 0}
    sums[RECEIVED] = sum(item.total_minor for item in items)
    lines = [line(item, number) for number, item in enumerate(items, 1)]
    return {"service_id": int(service_id), "payment_id": int(payment_id), "items": lines, **sums}


def line(item: Item, number: int) -> dict[str, Any]:
    missing = [
        name
        for name, is_there in (
            ("name", item.name),
            ("mxik", item.mxik),
            ("package_code", item.package_code and len(item.package_code) <= LONGEST_PACKAGE_CODE),
            ("tin", len(item.tin) in (9, 14) and item.tin.isascii() and item.tin.isdigit()),
            ("quantity", item.quantity > 0),
            ("labels", len(item.marks) <= MOST_LABELS),
        )
        if not is_there
    ]
    full = item.price_minor * item.quantity
    if item.total_minor > full or item.total_minor < 0:
        missing.append("total")
    if missing:
        raise Misconfigured(f"line {number} of the receipt: {', '.join(missing)}", processor_code=missing[0])
    found: dict[str, Any] = {
        "Name": item.name[:LONGEST_NAME],
        "SPIC": item.mxik,
        "PackageCode": item.package_code,
        "GoodPrice": item.price_minor,
        "Price": full,
        "Amount": item.quantity * QUANTITY_SCALE,
        "VAT": vat_within(item.total_minor, item.vat or 0),
        "VATPercent": item.vat or 0,
        "Discount": full - item.total_minor,
        "CommissionInfo": {"TIN" if len(item.tin) == 9 else "PINFL": item.tin},
    }
    if item.marks:
        found["Labels"] = list(item.marks)
    if UNITS is not None:
        found["Units"] = UNITS
    return found


def vat_within(total_minor: int, percent: int) -> int:
    """The tax that a total with tax contains, to the nearest tiyin, halves up."""
    return (2 * total_minor * percent + 100 + percent) // (2 * (100 + percent))
