"""Calls to Multicard: the token and its renewal, the envelope, and what its refusals mean."""

import hashlib
import json as jsonlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway import http
from gateway.adapters.multicard import terms
from gateway.adapters.multicard.reading import Json, child, text, time_of
from gateway.errors import GatewayError, Misconfigured, NotFound, OutcomeUnknown, Refused, Unavailable

LONG_NUMBER = re.compile(r"\d(?:[ \-]?\d){7,}")  # a card's number may come back in the words of a refusal
MAX_TOKENS = 1000
KNOWN_REFUSALS = frozenset({terms.NOT_READY, terms.ALREADY_APPLIED})


class StaleToken(Exception):
    """401: the call was not looked at, so it may be repeated with a new token."""


@dataclass(frozen=True, slots=True)
class Token:
    value: str = field(repr=False)
    good_until: datetime


class Tokens:
    """The tokens of this process, by account. Two threads may fetch one at once: harmless, the later stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Token] = {}

    def get(self, key: str, *, now: datetime) -> str:
        with self._lock:
            token = self._known.get(key)
        return token.value if token is not None and now < token.good_until else ""

    def keep(self, key: str, token: Token) -> None:
        with self._lock:
            if len(self._known) >= MAX_TOKENS:
                self._known.clear()
            self._known[key] = token

    def drop(self, key: str, value: str) -> None:
        """Only the token that was refused: another thread may have renewed it meanwhile."""
        with self._lock:
            known = self._known.get(key)
            if known is not None and known.value == value:
                del self._known[key]


TOKENS = Tokens()


@dataclass(frozen=True, slots=True)
class Client:
    """One account at one address. Every call goes out at most twice: the second time after a 401 only."""

    base_url: str
    application_id: str
    secret: str = field(repr=False)
    timeouts: http.Timeouts
    clock: Callable[[], datetime] = field(repr=False)
    tokens: Tokens = field(default=TOKENS, repr=False)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        return self._call("POST", path, body=body)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """Partial refunds carry their JSON in a DELETE."""
        return self._call("DELETE", path, body=body)

    def token(self, *, is_new: bool = False) -> str:
        """A token that is good for a few minutes more. Misconfigured where Multicard does not know the account."""
        now = self.clock()
        key = self._key()
        if not is_new and (known := self.tokens.get(key, now=now)):
            return known
        try:
            answer = http.post_json(
                f"{self.base_url}/auth",
                json={"application_id": self.application_id, "secret": self.secret},
                timeouts=self.timeouts,
                is_write=False,  # nobody's money moves by it: any trouble is "surely nothing happened"
            )
        except OutcomeUnknown as error:
            raise Unavailable(str(error), request_id=error.request_id) from error
        value = text(answer.data, "token")
        if answer.status >= 400 or not value:
            raise Misconfigured(f"Multicard gives no token for this application ({answer.status})")
        if not (value.isascii() and value.isprintable()):
            raise Misconfigured("Multicard gave a token that no header can carry")
        expiry = time_of(text(answer.data, "expiry"))
        good_until = expiry - terms.TOKEN_MARGIN if expiry is not None else now + terms.TOKEN_LIFE_UNREAD
        self.tokens.keep(key, Token(value, good_until))
        return value

    def _key(self) -> str:
        parts = jsonlib.dumps([self.base_url, self.application_id, self.secret])
        return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Json:
        token = self.token()
        try:
            return self._once(method, path, token=token, body=body, params=params)
        except StaleToken:
            self.tokens.drop(self._key(), token)
        try:
            return self._once(method, path, token=self.token(is_new=True), body=body, params=params)
        except StaleToken:
            raise Misconfigured("Multicard refuses a token that it has just given") from None

    def _once(
        self,
        method: str,
        path: str,
        *,
        token: str,
        body: Mapping[str, Any] | None,
        params: Mapping[str, str] | None,
    ) -> Json:
        is_write = method != "GET"
        headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
        if terms.SENDS_X_ACCESS_TOKEN:
            headers["X-Access-Token"] = token
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = http.send(
            method,
            f"{self.base_url}{path}",
            is_write=is_write,
            body=None if body is None else jsonlib.dumps(body, ensure_ascii=False, separators=(",", ":")),
            headers=headers,
            params=params,
            timeouts=self.timeouts,
        )
        if answer.status == 401:
            raise StaleToken
        if answer.status == 403:  # its gateway answers "RBAC: access denied" as plain text
            raise Misconfigured("Multicard denies access", processor_code=terms.ACCESS_DENIED)
        decided = http.decided(answer, is_write=is_write)
        return _opened(decided, is_write=is_write)


def _opened(answer: http.JsonAnswer, *, is_write: bool) -> Json:
    """The envelope's content. `success` decides, whatever the HTTP status; one schema writes it as text."""
    request_id = http.request_id_of(answer.headers)
    envelope = answer.data if isinstance(answer.data, dict) else {}
    success = envelope.get("success")
    if answer.status < 300 and (success is True or success == "true"):
        data = envelope.get("data")
        return data if isinstance(data, dict) else {}  # an annulled invoice answers []
    if answer.status < 300 and not (success is False or success == "false"):
        raise http.unclear("Multicard answered in a shape that is not its own", is_write=is_write)
    error = child(envelope, "error")
    code = text(error, "code")
    raise meaning_of(code, text(error, "details"), status=answer.status, is_write=is_write, request_id=request_id)


def meaning_of(code: str, details: str, *, status: int, is_write: bool, request_id: str = "") -> GatewayError:
    """What the caller does next about a refusal."""
    summary = f"Multicard answered {status} {code or 'without a code'}"
    if details:
        summary = f"{summary}: {LONG_NUMBER.sub('…', details)[:200]}"
    if code == terms.NOT_FOUND or (status == 404 and not code):
        return NotFound(summary, processor_code=code, request_id=request_id)
    if code == terms.ACCESS_DENIED:
        return Misconfigured(summary, processor_code=code, request_id=request_id)
    if code in KNOWN_REFUSALS:
        return Refused(summary, processor_code=code, request_id=request_id)
    if code in terms.UNKNOWN_CODES:
        return http.unclear(summary, is_write=is_write, request_id=request_id)
    if code or status >= 400:
        return Misconfigured(summary, processor_code=code, request_id=request_id)
    return http.unclear(summary, is_write=is_write, request_id=request_id)
