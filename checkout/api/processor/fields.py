"""Fields that only this dialect has."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.encoding import iri_to_uri
from drf_spectacular.utils import extend_schema_field

from checkout.api.errors import BadInput
from checkout.api.fields import Strict
from providers import origins, redirects
from providers.models import Provider

PLACEHOLDER = "{CHECKOUT_SESSION_ID}"  # Stripe writes the session's id where these very characters stand
MAX_URL = 2000  # characters as they are sent to the processor
CAPTURES = ("automatic", "manual")


@extend_schema_field({"type": "string", "enum": list(CAPTURES)})
class Capture(Strict):
    """Whether the money is taken at once, or held until we are told to take it. True: held."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, str) or data not in CAPTURES:
            raise self.refuse("must be automatic or manual")
        return data == "manual"


@extend_schema_field({"type": "integer", "enum": [0, 1]})
class CaptureFlag(Strict):
    """Razorpay's older word: 1 (or true) takes the money at once, 0 (or false) holds it. True: held."""

    def to_internal_value(self, data: Any) -> bool:
        is_number = isinstance(data, Decimal) and data in (Decimal(0), Decimal(1))
        if not isinstance(data, bool) and not is_number:
            raise self.refuse("must be 0 or 1")
        return not data


def way_back(name: str, url: str | None, *, provider: Provider, takes_placeholder: bool) -> str:
    """An address the buyer may be sent back to, as it is handed on. BadInput says what to do about another one.

    The placeholder may stand in path and query, and stays as it is.
    """
    if not url:
        return ""
    plain = url.replace(PLACEHOLDER, "CHECKOUT_SESSION_ID") if takes_placeholder else url
    if "{" in plain or "}" in plain:
        known = f"only {PLACEHOLDER} is known" if takes_placeholder else "this address takes none"
        raise BadInput(f"{name} holds a placeholder: {known}")
    checked = redirects.check(plain, allow_http=settings.DEMO)
    if checked.errors:
        raise BadInput(f"{name}: {checked.errors[0]}")
    parts = urlsplit(url)
    if "{" in parts.netloc or "{" in parts.fragment:
        raise BadInput(f"{name}: {PLACEHOLDER} can stand in the path or the query only")
    if not origins.may_lead_to(provider, plain, allow_http=settings.DEMO):
        raise BadInput(
            f"{name} leads to {origins.origin_of(plain)[:100]}, where your buyers may not be sent: "
            "have that origin added to your provider's allowed origins"
        )
    encoded = iri_to_uri(url).replace("%7BCHECKOUT_SESSION_ID%7D", PLACEHOLDER)
    if len(encoded) > MAX_URL:
        raise BadInput(f"{name} is longer than {MAX_URL} characters")
    return encoded
