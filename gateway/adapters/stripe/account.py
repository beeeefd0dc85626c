"""One account at Stripe: its calls go out with its key, in its mode, and come back as plain values or our errors."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import stripe

from gateway import http
from gateway.adapter import AdapterConfig
from gateway.adapters.stripe import errors, reading
from gateway.adapters.stripe.client import client_for, plain
from gateway.adapters.stripe.keys import mode_of_key
from gateway.errors import Misconfigured, Unavailable, WrongMode
from gateway.types import Mode

PAGE_SIZE = 100
MAX_PAGES = 20  # of one window; two thousand payments
CLOCK_SKEW = timedelta(minutes=5)
FIRST_WINDOW = timedelta(minutes=15)
# A read that failed sooner than this is asked once more; after a longer wait the caller's ladder does it.
QUICK_SECONDS = 4.0

Call = Callable[[stripe.StripeClient, Any], stripe.StripeObject]
Service = Callable[[stripe.StripeClient], Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write answered, and whether Stripe repeated an earlier answer under the same key."""

    values: Mapping[str, Any]
    is_replayed: bool


@dataclass(frozen=True, slots=True)
class Account:
    config: AdapterConfig
    timeouts: http.Timeouts
    clock: Callable[[], datetime] = field(repr=False)

    @property
    def mode(self) -> Mode:
        return self.config.mode

    def write(self, call: Call, *, key: str = "", is_refund: bool = False) -> Written:
        try:
            answer = call(self._client(), {"idempotency_key": key} if key else {})
        except stripe.StripeError as error:
            raise errors.meaning_of(error, is_write=True, mode=self.mode, is_refund=is_refund) from error
        headers = answer.last_response.headers if answer.last_response else {}
        return Written(plain(answer), is_replayed=headers.get("Idempotent-Replayed") == "true")

    def read(self, call: Call) -> dict[str, Any]:
        started = time.monotonic()
        try:
            return self._read_once(call)
        except Unavailable as error:
            if error.retry_after_seconds is not None or time.monotonic() - started > QUICK_SECONDS:
                raise
        return self._read_once(call)

    def pages(self, service: Service, params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Newest first. Unavailable rather than an end that is not the end."""
        wanted: dict[str, Any] = {**params, "limit": PAGE_SIZE}
        for _ in range(MAX_PAGES):
            page = self.read(lambda client, options: service(client).list(as_params(wanted), options))
            items = page.get("data")
            if reading.text(page, "object") != "list" or not isinstance(items, list):
                raise Unavailable("Stripe answered with something that is no list")
            rows = [item for item in items if isinstance(item, Mapping)]
            yield from rows
            if not page.get("has_more") or not rows:
                return
            wanted["starting_after"] = reading.text(rows[-1], "id")
        raise Unavailable(f"more than {MAX_PAGES * PAGE_SIZE} objects to look through at Stripe")

    def find(self, service: Service, reference: str, *, created_at: datetime) -> Mapping[str, Any] | None:
        """The object with our reference. The quarter of an hour it was most likely made in is looked through first."""
        start = int((created_at - CLOCK_SKEW).timestamp())
        middle = int((created_at + FIRST_WINDOW).timestamp())
        windows = [{"gte": start, "lte": middle}]
        if self.clock() + CLOCK_SKEW > created_at + FIRST_WINDOW:
            windows.append({"gt": middle})
        for created in windows:
            for found in self.pages(service, {"created": created}):
                if reading.text(reading.child(found, "metadata"), "paymentId") == reference:
                    return found
        return None

    def _read_once(self, call: Call) -> dict[str, Any]:
        try:
            return plain(call(self._client(), {}))
        except stripe.StripeError as error:
            raise errors.meaning_of(error, is_write=False, mode=self.mode) from error

    def _client(self) -> stripe.StripeClient:
        secret_key = self.config.credentials.get("secretKey", "")
        mode = mode_of_key(secret_key)
        if mode is None:
            raise Misconfigured("the secret key is no Stripe key")
        if mode is not self.mode:
            raise WrongMode(f"a key of {mode} mode at an account of {self.mode} mode")
        return client_for(secret_key, self.config.base_url, self.timeouts)


def as_params(params: Mapping[str, Any]) -> Any:
    """The SDK's typed parameters describe a newer version than the one we pin."""
    return dict(params)
