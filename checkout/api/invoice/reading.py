"""Reading a body field by field, and saying everything that is wrong with it at once.

The sentences are those of the validator that the API's document quotes: `"amount" must be …`.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from checkout.api.invoice.envelope import Invalid
from webhooks import targets

_MISSING = object()
MAX_URL = 2000
MAX_FIELD = 64
MAX_CREDENTIAL = 4096
WHOLE_BELOW = 10**20


class Body:
    """One JSON object. `problems` collects sentences; `done()` raises Invalid where there are any.

    A field that is wrong reads as its default, so that the rest can still be looked at.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.problems: list[str] = []

    def done(self) -> None:
        if self.problems:
            raise Invalid(self.problems)

    def refuse(self, name: str, text: str) -> None:
        self.problems.append(f'"{name}" {text}')

    def has(self, name: str) -> bool:
        return self._content.get(name) is not None

    def _value(self, name: str, *, required: bool) -> Any:
        value = self._content.get(name, _MISSING)
        if value is None:
            value = _MISSING  # null is like leaving the field out
        if value is _MISSING and required:
            self.refuse(name, "is required")
        return value

    def text(
        self, name: str, *, required: bool = False, longest: int = 255, one_of: Sequence[str] = (), default: str = ""
    ) -> str:
        value = self._value(name, required=required)
        if value is _MISSING:
            return default
        if not isinstance(value, str):
            self.refuse(name, "must be a string")
        elif not value.strip():
            if required or one_of or default:
                self.refuse(name, "is not allowed to be empty")
        elif len(value) > longest:
            self.refuse(name, f"length must be less than or equal to {longest} characters long")
        elif not is_plain(value):
            self.refuse(name, "contains characters that are not allowed")
        elif one_of and value not in one_of:
            self.refuse(name, f"must be one of [{', '.join(one_of)}]")
        else:
            return value
        return default

    def whole(self, name: str, *, lowest: int, highest: int, required: bool = False) -> int | None:
        value = self._value(name, required=required)
        if value is _MISSING:
            return None
        if isinstance(value, bool) or not isinstance(value, Decimal | int) or not Decimal(value).is_finite():
            self.refuse(name, "must be a number")
        elif value > highest:  # compared before anything is computed with it: an exponent may have any size
            self.refuse(name, f"must be less than or equal to {highest}")
        elif value < lowest:
            self.refuse(name, f"must be greater than or equal to {lowest}")
        elif value != int(value):
            self.refuse(name, "must be an integer")
        else:
            return int(value)
        return None

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._value(name, required=False)
        if value is _MISSING:
            return default
        if not isinstance(value, bool):
            self.refuse(name, "must be a boolean")
            return default
        return value

    def url(self, name: str, *, is_livemode: bool) -> str:
        """An absolute http(s) address that a browser may be sent to; https in live mode."""
        value = self.text(name, longest=MAX_URL)
        if not value:
            return ""
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or "\\" in value or any(character.isspace() for character in value) or "@" in parts.netloc:
            self.refuse(name, "must be a valid uri")
        elif is_livemode and parts.scheme != "https":
            self.refuse(name, "must be a valid uri with a scheme matching the https pattern")
        else:
            return value
        return ""

    def webhook_url(self, name: str, *, is_livemode: bool) -> str:
        value = self.url(name, is_livemode=is_livemode)
        for problem in targets.check_url(value, is_livemode=is_livemode) if value else []:
            self.refuse(name, f"is refused: {problem}")
        return value

    def texts(self, name: str) -> dict[str, str]:
        """An object of texts; numbers are taken as their digits, because people send shop ids as numbers."""
        value = self._value(name, required=True)
        if value is _MISSING:
            return {}
        if not isinstance(value, Mapping):
            self.refuse(name, "must be of type object")
            return {}
        found = {}
        for field, content in value.items():
            if len(field) > MAX_FIELD or not is_plain(field):
                self.refuse(name, "has a field that is not allowed")  # not repeated: it may be anything
                continue
            text = _digits_of(content)
            if text is None:
                continue
            if not isinstance(text, str):
                self.refuse(f"{name}.{field}", "must be a string")
            elif len(text) > MAX_CREDENTIAL or not is_plain(text):
                self.refuse(f"{name}.{field}", "contains characters that are not allowed")
            else:
                found[field] = text.strip()
        return found

    def lines(self, name: str) -> Any:
        """The raw lines, their numbers as int where they are whole; None where there are none.

        Whatever else they are stays, and is refused by whoever checks the lines.
        """
        value = self._content.get(name)
        if not isinstance(value, list):
            return value
        return [
            {field: _whole_of(content) for field, content in line.items()} if isinstance(line, Mapping) else line
            for line in value
        ]


def is_plain(text: str) -> bool:
    """No control character, and no half of a surrogate pair, which no database takes."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def _whole_of(value: Any) -> Any:
    is_small = isinstance(value, Decimal) and value.is_finite() and -WHOLE_BELOW < value < WHOLE_BELOW
    return int(value) if is_small and value == int(value) else value


def _digits_of(value: Any) -> Any:
    whole = _whole_of(value)
    return str(whole) if isinstance(whole, int) and not isinstance(whole, bool) else value
