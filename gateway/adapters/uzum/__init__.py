"""Uzum Bank: the buyer finds the order in the bank's app, and the bank asks us by its Merchant API. Amounts: tiyin.

Source: docs/processors/uzum.md.
"""

from gateway.adapter import Capabilities, CredentialField, Processor
from gateway.adapters.uzum.adapter import (
    CURRENCIES,
    DEEPLINK_SCHEME,
    LINK_HOST,
    UzumAdapter,
    check_credentials,
    check_money,
)
from gateway.adapters.uzum.protocol import PROTOCOL, UzumProtocol
from gateway.adapters.uzum.words import LIFETIME

# The bank's web link, where its own pages send the browser on to, and the app that opens on a phone.
PAGE_SOURCES = frozenset({LINK_HOST, "https://uzumbank.uz", "https://*.uzumbank.uz", f"{DEEPLINK_SCHEME}:"})

PROCESSOR = Processor(
    slug="uzum",
    name="Uzum Bank",
    capabilities=Capabilities(
        asks_first=True,
        can_cancel=False,  # there is no call for it: a reservation is ended on our side
        can_refund=False,  # a refund starts at the bank and reaches us as /reverse
        can_refund_partially=False,
        has_status=False,
        reservation_seconds=int(LIFETIME.total_seconds()),
        currencies=CURRENCIES,
        has_page=False,
        page_sources=PAGE_SOURCES,
    ),
    credential_fields=(
        CredentialField(
            name="serviceId",
            label="Service id",
            is_secret=False,
            is_identity=True,
            help="The number that Uzum Bank gave to the service.",
        ),
        CredentialField(
            name="login",
            label="Login",
            is_secret=False,
            help="The login with which Uzum Bank calls us, as agreed with the bank; no colon.",
        ),
        CredentialField(
            name="password",
            label="Password",
            help="The password with which Uzum Bank calls us, as agreed with the bank.",
        ),
    ),
    build=UzumAdapter,
    check_credentials=check_credentials,
    check_money=check_money,
)

__all__ = ["PROCESSOR", "PROTOCOL", "UzumAdapter", "UzumProtocol"]
