"""Calls to beGateway's two hosts, and what its refusals mean, in whichever of its three shapes they come."""

import base64
import json as jsonlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from gateway import http
from gateway.adapters.secure_processor import terms
from gateway.adapters.secure_processor.hosts import Hosts
from gateway.adapters.secure_processor.reading import Json, child, failure_of, outcome_of, text
from gateway.errors import Declined, GatewayError, Misconfigured, NotAvailable, NotFound, Refused

LONG_NUMBER = re.compile(r"\d(?:[ \-]?\d){7,}")  # a card's number may come back in the words of a refusal
NOT_FOUND = re.compile(r"record not found|(transaction|checkout|token|payment) (was )?not found", re.IGNORECASE)
DUPLICATE = re.compile(r"duplicat", re.IGNORECASE)
AMOUNT_FIELDS = frozenset({"amount", "order.amount", "checkout.order.amount", "request.amount"})
CURRENCY_FIELDS = frozenset({"currency", "order.currency", "checkout.order.currency", "request.currency"})
DUPLICATE_CODE = "duplicate"
NO_SUCH_PATH = ("404", "405")
LONGEST_WORDS = 200
# What an answer holds that is one; everything else with words in it is a refusal, whatever its status.
OBJECTS = ("checkout", "transaction", "transactions", "token")


@dataclass(frozen=True, slots=True)
class Client:
    """One shop at one set of addresses. Every call goes out once."""

    hosts: Hosts
    shop_id: str
    secret_key: str = field(repr=False)
    timeouts: http.Timeouts

    def create(self, body: Json, *, request_id: str) -> tuple[Json, str]:
        """Make a token: the answer, and the path that gave it.

        Another path is tried only where one surely is none: after a silence two tokens could be made.
        """
        for path in self.hosts.checkout_paths():
            try:
                return self._call("POST", path, body, request_id=request_id), path
            except NotFound as error:
                if error.processor_code not in NO_SUCH_PATH:
                    raise
        raise Misconfigured(
            "Secure Processor makes tokens at none of the paths that we know; its back office names the right one",
            processor_code="checkout_token_path",
        )

    def checkout(self, token: str, path: str) -> Json:
        """NotFound where the token, or the path, is unknown."""
        answer = self._call("GET", f"{path}/{quote(token, safe='')}")
        found = child(answer, "checkout")
        return found or answer

    def transaction(self, uid: str) -> Json:
        found = child(self._call("GET", f"/transactions/{quote(uid, safe='')}", is_money=True), "transaction")
        if text(found, "uid") != uid:
            raise http.unclear("Secure Processor answered with another transaction", is_write=False)
        return found

    def transactions_of(self, tracking_id: str) -> list[Json]:
        """The newest ten with this tracking id; empty where there are none."""
        path = f"/v2/transactions/tracking_id/{quote(tracking_id, safe='')}"
        try:
            answer = self._call("GET", path, is_money=True)
        except NotFound:
            return []
        found = answer.get("transactions")
        if not isinstance(found, list):
            found = [answer["transaction"]] if child(answer, "transaction") else None
        if found is None:
            raise http.unclear("Secure Processor answered with something that is no list", is_write=False)
        return [row for row in found if isinstance(row, Mapping)]

    def move(self, kind: str, fields: Json, *, request_id: str = "") -> Json:
        """`refunds`, `captures`, `voids`: the transaction that was made, whatever became of it.

        Refused where it clearly was not made.
        """
        path = f"/transactions/{kind}"
        answer = self._call("POST", path, {"request": fields}, request_id=request_id, is_money=True)
        found = child(answer, "transaction")
        if not text(found, "uid"):
            raise http.unclear("Secure Processor answered without the transaction", is_write=True)
        return found

    def _call(
        self, method: str, path: str, body: Json | None = None, *, request_id: str = "", is_money: bool = False
    ) -> Json:
        """`is_money`: on the host that knows transactions, where a plain 422 says that it cannot be done (Refused)."""
        is_write = method != "GET"
        headers = {"Accept": "application/json", "Authorization": self._authorization()}
        if not is_money:
            headers["X-API-Version"] = terms.API_VERSION
        if request_id and terms.SENDS_REQUEST_ID:
            headers["RequestID"] = request_id
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = http.send(
            method,
            f"{self.hosts.gateway if is_money else self.hosts.checkout}{path}",
            is_write=is_write,
            body=None if body is None else jsonlib.dumps(body, ensure_ascii=False, separators=(",", ":")),
            headers=headers,
            timeouts=self.timeouts,
        )
        return _opened(answer, is_write=is_write, can_refuse=is_money and is_write)

    def _authorization(self) -> str:
        """Basic credentials, in UTF-8 where `requests` would fail."""
        if not self.shop_id or not self.secret_key:
            raise Misconfigured("the shop has no id or no secret key")
        pair = f"{self.shop_id}:{self.secret_key}".encode("utf-8", "replace")
        return f"Basic {base64.b64encode(pair).decode('ascii')}"


def _opened(answer: http.Answer, *, is_write: bool, can_refuse: bool) -> Json:
    """The answer's object, or the error that its refusal means. These statuses speak without any body."""
    if answer.status in (401, 403):
        raise Misconfigured(
            f"Secure Processor does not know this shop and secret key ({answer.status})", processor_code="unauthorized"
        )
    if str(answer.status) in NO_SUCH_PATH:
        raise NotFound(f"Secure Processor answered {answer.status}", processor_code=str(answer.status))
    decided = http.decided(answer, is_write=is_write)
    data: object = decided.data
    if isinstance(data, Mapping) and isinstance(data.get("response"), Mapping):
        data = data["response"]
    has_object = isinstance(data, Mapping) and any(data.get(name) for name in OBJECTS)
    has_list = isinstance(data, Mapping) and isinstance(data.get("transactions"), list)
    # A transaction that was made and refused may come with any status; its own word counts.
    is_made = isinstance(data, Mapping) and bool(child(data, "transaction"))
    if isinstance(data, Mapping) and ((decided.status < 300 and (has_object or has_list)) or is_made):
        return data
    raise meaning_of(decided.status, data, is_write=is_write, can_refuse=can_refuse)


def meaning_of(status: int, data: object, *, is_write: bool, can_refuse: bool = False) -> GatewayError:
    """What the caller does next about a refusal: `{"message", "errors"}`, the same within `{"response"}`, or with
    a `code` and a `friendly_message`. 401, 403, 404, 405, 429, 5xx, redirects and what is no JSON never come here.
    """
    said = data if isinstance(data, Mapping) else {}
    said = child(said, "checkout") or said
    code = text(said, "code")
    message = text(said, "message") or text(said, "friendly_message")
    fields = dict(_fields(said.get("errors")))
    words = "; ".join([message, *(f"{name} {words}".strip() for name, words in fields.items())]).strip("; ")
    if not words and not code:
        return http.unclear(f"Secure Processor answered {status} in a shape that is not its own", is_write=is_write)
    summary = f"Secure Processor: {LONG_NUMBER.sub('…', words or code)[:LONGEST_WORDS]}"
    if NOT_FOUND.search(words):
        return NotFound(summary, processor_code=code or "not_found")
    if status == 409 or code.startswith(("S.", "P.")):  # somebody is at it, or it went well after all
        return http.unclear(summary, is_write=is_write)
    if status < 300 and not fields:
        if outcome_of(said) in terms.REFUSALS and not can_refuse:
            return Declined(summary, failure=failure_of(said))
        if not code.startswith("F."):
            return http.unclear(summary, is_write=is_write)
    named = code or next((name for name in fields if name), "") or str(status)
    if can_refuse:
        return Refused(summary, processor_code=DUPLICATE_CODE if DUPLICATE.search(words) else named[:100])
    if fields.keys() & CURRENCY_FIELDS:
        return NotAvailable(summary, processor_code="currency")
    if fields.keys() & AMOUNT_FIELDS:
        return Misconfigured(summary, processor_code="amount")
    return Misconfigured(summary, processor_code=named[:100])


def _fields(errors: object, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """`errors` as pairs of a dotted field and what is wrong with it; it comes as an object, a list or a text."""
    if depth > 4:
        return
    if isinstance(errors, Mapping):
        for name, value in list(errors.items())[:20]:
            path = f"{prefix}.{name}" if prefix else str(name)
            yield from _fields(value, path[:100], depth + 1)
    elif isinstance(errors, list):
        words = [each for each in errors[:20] if isinstance(each, str)]
        if words:
            yield prefix, _joined(words)
        for each in errors[:20]:
            if isinstance(each, Mapping):
                yield from _fields(each, prefix, depth + 1)
    elif isinstance(errors, str) and errors:
        yield prefix, _joined([errors])


def _joined(words: Iterable[str]) -> str:
    return ", ".join(text({"words": each}, "words") for each in words)[:500]


def is_duplicate(error: Refused) -> bool:
    """Whether beGateway took a refund for a repeat: the same parent and amount within 30 seconds."""
    return error.processor_code == DUPLICATE_CODE
