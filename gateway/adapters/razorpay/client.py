"""Calls to Razorpay and what its refusals mean. Its own SDK stays off this road: docs/adr/0024-razorpay-by-http.md."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway import http
from gateway.adapters.razorpay import declines, terms
from gateway.adapters.razorpay.credentials import mode_of_key
from gateway.adapters.razorpay.reading import Json, child, failure_of, text
from gateway.errors import (
    Declined,
    GatewayError,
    Misconfigured,
    NotAvailable,
    NotFound,
    NotPermitted,
    Refused,
    Unavailable,
    WrongMode,
)
from gateway.types import Mode

# Wrong ids come as 400, in these words.
UNKNOWN_ID = re.compile(r"does not exist|is not a valid id|no db records found", re.IGNORECASE)
NOT_AVAILABLE_REASONS = frozenset({"invalid_currency", "international_transaction_not_allowed"})
CURRENCY_WORDS = re.compile(r"currency is not supported|international .*(not|disabled)", re.IGNORECASE)
LONGEST_DESCRIPTION = 200


@dataclass(frozen=True, slots=True)
class Client:
    """One account at one address. Every call goes out once."""

    base_url: str
    key_id: str
    key_secret: str = field(repr=False)
    mode: Mode
    timeouts: http.Timeouts

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        """Ask about one thing. NotFound where Razorpay does not know it."""
        headers = self._headers()
        answer = http.get_json(f"{self.base_url}{path}", params=params, headers=headers, timeouts=self.timeouts)
        return _entity(answer, is_write=False, can_refuse=False)

    def post(
        self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, can_refuse: bool = False
    ) -> Json:
        """`can_refuse`: a plain 400 says that it cannot be done now (Refused), not that our request is wrong."""
        sent = {**self._headers(), **(headers or {})}
        answer = http.post_json(f"{self.base_url}{path}", json=dict(body), headers=sent, timeouts=self.timeouts)
        return _entity(answer, is_write=True, can_refuse=can_refuse)

    def items(self, path: str, params: Mapping[str, str] | None = None) -> Iterator[Json]:
        """All of a collection. Unavailable rather than an end that is not the end."""
        for page in range(terms.MAX_PAGES):
            window = {"count": str(terms.PAGE_SIZE), "skip": str(page * terms.PAGE_SIZE)}
            found = self.get(path, {**(params or {}), **window}).get("items")
            if not isinstance(found, list):
                raise Unavailable("Razorpay answered with something that is no collection")
            yield from (item for item in found if isinstance(item, Mapping))
            if len(found) < terms.PAGE_SIZE:
                return
        raise Unavailable(f"more than {terms.MAX_PAGES * terms.PAGE_SIZE} things to look through at Razorpay")

    def _headers(self) -> dict[str, str]:
        """Basic credentials, in UTF-8 where `requests` would fail; the word is case-sensitive there."""
        found = mode_of_key(self.key_id)
        if found is None or not self.key_secret:
            raise Misconfigured("the key is no Razorpay key")
        if found is not self.mode:
            raise WrongMode(f"a key of {found} mode at an account of {self.mode} mode")
        pair = f"{self.key_id}:{self.key_secret}".encode("utf-8", "replace")
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


def _entity(answer: http.JsonAnswer, *, is_write: bool, can_refuse: bool) -> Json:
    """The answer's object, or the error that its refusal means."""
    data = answer.data
    if answer.status < 300 and isinstance(data, dict) and text(data, "entity") and not data.get("error"):
        return data
    raise meaning_of(answer.status, data, is_write=is_write, can_refuse=can_refuse)


def meaning_of(status: int, data: object, *, is_write: bool, can_refuse: bool) -> GatewayError:
    """Razorpay's refusal in our words. 429, 5xx, redirects and what is no JSON never come here (`gateway.http`)."""
    error = child(data, "error") if isinstance(data, dict) else {}
    code, reason, source, where = (text(error, name) for name in ("code", "reason", "source", "field"))
    description = text(error, "description")[:LONGEST_DESCRIPTION]
    summary = f"Razorpay: {description or status}" + (f" ({where})" if where else "")
    named = reason if reason not in ("", "NA") else code
    if status in (401, 403):
        # 403 is an address that is not on the account's list.
        return (Misconfigured if status == 401 else NotPermitted)(summary, processor_code=named or str(status))
    if not description and not code:
        return http.unclear(f"Razorpay answered {status} in a shape that is not its own", is_write=is_write)
    if description.lower().startswith("authentication failed") or "api key" in description.lower():
        return Misconfigured(summary, processor_code=named)  # some endpoints say 400 here
    if code in ("GATEWAY_ERROR", "SERVER_ERROR") or status < 300:
        return http.unclear(summary, is_write=is_write)
    if status == 409:
        # The same refund is on its way, or went out with another content: either way money may be moving.
        return http.unclear(summary, is_write=is_write)
    if UNKNOWN_ID.search(description):
        return NotFound(summary, processor_code=named)
    if status != 400:
        return Misconfigured(summary, processor_code=named)
    if reason in NOT_AVAILABLE_REASONS or CURRENCY_WORDS.search(description):
        return NotAvailable(summary, processor_code=named)
    if can_refuse and "url was not found" not in description.lower():
        return Refused(summary, processor_code=named)
    if declines.is_refusal(reason=reason, source=source):
        renamed = {f"error_{name}": error.get(name) for name in ("code", "description", "reason", "source")}
        return Declined(summary, failure=failure_of(renamed))
    return Misconfigured(summary, processor_code=named)
