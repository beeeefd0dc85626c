"""Stripe's SDK on our transport: its services and its form encoding, our time limits and our reading of trouble."""

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import stripe
from requests.structures import CaseInsensitiveDict

from gateway import http
from gateway.http import Timeouts

# The last version that takes `payment_method_types`, which answers with a clear error when Cash App Pay is not
# activated; its successor field drops what does not fit without a word. The callback endpoint has the same version.
API_VERSION = "2026-08-26.dahlia"
API_BASE = "https://api.stripe.com"

# Telemetry would write ~/.config/stripe/telemetry_id. The SDK's debug lines hold whole bodies, client secrets included.
stripe.enable_telemetry = False
logging.getLogger("stripe").setLevel(logging.WARNING)


class Transport(stripe.HTTPClient):
    """The SDK's way out to the network. Raises gateway errors, which pass through the SDK untouched.

    No retries here: a buyer waits for writes, and what a lost answer means is for `checkout` to settle.
    """

    name = "requests"

    def __init__(self, timeouts: Timeouts) -> None:
        super().__init__()
        self._timeouts = timeouts

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        is_write = method.lower() != "get"
        answer = http.send(
            method.upper(), url, is_write=is_write, body=post_data, headers=headers, timeouts=self._timeouts
        )
        data = http.decode_json(answer, is_write=is_write)
        is_readable = isinstance(data, dict) and (answer.status < 300 or isinstance(data.get("error"), dict))
        if not is_readable:
            # The SDK would put such a body into the text of its error, and from there it would reach a log.
            raise http.unclear(
                f"Stripe answered {answer.status} in a shape that is not Stripe's",
                is_write=is_write,
                request_id=http.request_id_of(answer.headers),
            )
        kept = CaseInsensitiveDict(answer.headers)
        # A notice becomes a Python warning in the SDK: under `-W error` an answered payment would be an exception.
        kept.pop("Stripe-Notice", None)
        return answer.body.decode("utf-8"), answer.status, kept

    def close(self) -> None:
        """Connections belong to `gateway.http`."""


@lru_cache(maxsize=256)
def client_for(secret_key: str, base_url: str, timeouts: Timeouts) -> stripe.StripeClient:
    """One client per key and address; it may be shared between threads (connections are kept per thread)."""
    return stripe.StripeClient(
        secret_key,
        stripe_version=API_VERSION,
        base_addresses={"api": (base_url or API_BASE).rstrip("/")},
        http_client=Transport(timeouts),
        max_network_retries=0,
    )


def plain(answer: stripe.StripeObject) -> dict[str, Any]:
    """An SDK object as plain JSON values: it is no dict, and `metadata.items` would be a field, not a method."""
    return answer.to_dict(for_json=True)
