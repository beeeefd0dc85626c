"""The lines of a fiscal receipt (`ofd` on the wire): checked before anything is created, kept as plain JSON.

A line: qty (units), price and total (minor units, total = qty × price), mxik (17 digits), package_code, name,
vat (percent), tin, mark (one code a unit). All totals add up to the amount.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.types import Item

MAX_LINES = 1000
MAX_QUANTITY = 10**9
MAX_MINOR = 10**15
MAX_VAT = 100
_MXIK = re.compile(r"[0-9]{17}\Z")
_TIN = re.compile(r"([0-9]{9}|[0-9]{14})\Z")
_WHOLE = ("qty", "price", "total")
_KNOWN = frozenset({"qty", "price", "total", "mxik", "package_code", "name", "vat", "tin", "mark"})


def problems_of(lines: object, *, sums: Sequence[int]) -> list[str]:
    """What is wrong with the lines, each naming its line; [] for nothing. Their sum must be one of `sums`."""
    if not isinstance(lines, list):
        return ["ofd must be a list of lines"]
    if not lines:
        return ["ofd must have at least one line"]
    if len(lines) > MAX_LINES:
        return [f"ofd has more than {MAX_LINES} lines"]
    problems = [problem for number, line in enumerate(lines) for problem in _problems_of_line(number, line)]
    if not problems:
        total = sum(line["total"] for line in lines)
        if total not in sums:
            wanted = " or ".join(str(one) for one in dict.fromkeys(sums))
            problems.append(f"ofd totals add up to {total}, not to {wanted}")
    return problems


def _problems_of_line(number: int, line: object) -> list[str]:
    place = f"ofd[{number}]"
    if not isinstance(line, Mapping):
        return [f"{place} must be an object"]
    problems = []
    for name in _WHOLE:
        value = line.get(name)
        lowest = 1 if name == "qty" else 0
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= MAX_MINOR:
            problems.append(f"{place}.{name} must be a whole number from {lowest}")
    if not problems and line["qty"] > MAX_QUANTITY:
        problems.append(f"{place}.qty is too large")
    if not problems and line["qty"] * line["price"] != line["total"]:
        problems.append(f"{place}.total must be qty × price = {line['qty'] * line['price']}")
    if not isinstance(line.get("mxik"), str) or not _MXIK.match(line["mxik"]):
        problems.append(f"{place}.mxik must be 17 digits")
    for name, longest in (("package_code", 20), ("name", 255)):
        value = line.get(name)
        if not _is_text(value, longest):
            problems.append(f"{place}.{name} must be text of 1 to {longest} characters")
    return problems + _problems_of_options(place, line)


def _problems_of_options(place: str, line: Mapping[str, Any]) -> list[str]:
    problems = []
    vat, tin, marks = line.get("vat"), line.get("tin"), line.get("mark")
    if vat is not None and (isinstance(vat, bool) or not isinstance(vat, int) or not 0 <= vat <= MAX_VAT):
        problems.append(f"{place}.vat must be a whole percentage from 0 to {MAX_VAT}")
    if tin is not None and (not isinstance(tin, str) or not _TIN.match(tin)):
        problems.append(f"{place}.tin must be 9 or 14 digits")
    if marks is not None and (
        not isinstance(marks, list) or len(marks) > 300 or not all(_is_mark(mark) for mark in marks)
    ):
        problems.append(f"{place}.mark must be a list of codes")
    return problems


def _is_text(value: object, longest: int) -> bool:
    """Something to read: no control character, and no half of a surrogate pair, which no database takes."""
    return isinstance(value, str) and 0 < len(value.strip()) <= len(value) <= longest and _has_no(value, "Cc", "Cs")


def _is_mark(value: object) -> bool:
    # A marking code is machine's text: its group separator (0x1D) is part of it.
    return isinstance(value, str) and 0 < len(value) <= 255 and "\x00" not in value and _has_no(value, "Cs")


def _has_no(text: str, *categories: str) -> bool:
    return not any(unicodedata.category(character) in categories for character in text)


def known_fields(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lines without what no processor knows; call it after `problems_of` found nothing."""
    return [{name: line[name] for name in line if name in _KNOWN and line[name] is not None} for line in lines]


def items_of(lines: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    """Stored lines as the adapters take them."""
    return tuple(
        Item(
            name=line["name"],
            quantity=line["qty"],
            price_minor=line["price"],
            total_minor=line["total"],
            mxik=line.get("mxik", ""),
            package_code=line.get("package_code", ""),
            vat=line.get("vat"),
            tin=line.get("tin", ""),
            marks=tuple(line.get("mark", ())),
        )
        for line in lines
    )
