"""What a business enters, and which amounts Multicard takes."""

import re
from collections.abc import Mapping

from gateway.adapters.multicard.terms import CURRENCY, SANDBOX_APPLICATIONS
from gateway.money import MAX_MINOR, Money
from gateway.types import Mode

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
MAX_LENGTH = 200


def check_credentials(credentials: Mapping[str, str], mode: Mode) -> dict[str, str]:
    """What is wrong, by field name; {} when nothing is. The texts never repeat a secret."""
    problems = {
        "applicationId": _problem_of_application(credentials.get("applicationId", ""), mode),
        "secret": _problem_of_text(credentials.get("secret", "")),
        "storeId": _problem_of_store(credentials.get("storeId", "")),
    }
    return {name: problem for name, problem in problems.items() if problem}


def check_money(money: Money) -> str:
    """Empty when Multicard can take it."""
    if money.currency != CURRENCY:
        return f"Multicard takes {CURRENCY} only, not {money.currency}."
    if not 0 < money.minor <= MAX_MINOR:
        return "Multicard cannot take this amount."
    return ""


def store_on_the_wire(store_id: str) -> int | str:
    """A cash desk is named by its number or by its UUID; only the number is a number on the wire."""
    return int(store_id) if NUMBER.fullmatch(store_id) else store_id


def _problem_of_application(value: str, mode: Mode) -> str:
    if value in SANDBOX_APPLICATIONS and mode is Mode.LIVE:
        return "This is the application of Multicard's sandbox, but the account is in live mode."
    return _problem_of_text(value)


def _problem_of_text(value: str) -> str:
    if not value:
        return "Required."
    if not (value.isascii() and value.isprintable()) or " " in value or len(value) > MAX_LENGTH:
        return "Contains spaces or characters that do not belong there, or is too long."
    return ""


def _problem_of_store(value: str) -> str:
    if not value:
        return "Required."
    if not (UUID.fullmatch(value) or NUMBER.fullmatch(value)):
        return "Neither the number of a cash desk nor its UUID."
    return ""
