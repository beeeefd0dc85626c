"""Payme (Paycom): a link for the buyer, then Payme asks us by its Merchant API (JSON-RPC). Amounts: tiyin.

Source: docs/processors/payme.md.
"""

from gateway.adapter import Capabilities, CredentialField, Processor
from gateway.adapters.payme.adapter import CURRENCIES, PaymeAdapter, check_credentials, check_money
from gateway.adapters.payme.protocol import PROTOCOL, PaymeProtocol

# Payme's checkout on either host, and the pages it sends the browser on to.
PAGE_SOURCES = frozenset({"https://*.paycom.uz", "https://payme.uz", "https://*.payme.uz"})

PROCESSOR = Processor(
    slug="payme",
    name="Payme",
    capabilities=Capabilities(
        asks_first=True,
        can_cancel=False,  # there is no call for it: a reservation is ended on our side
        can_refund=False,
        can_refund_partially=False,
        has_status=False,
        reservation_seconds=43_200,  # twelve hours from its own time of creation
        currencies=CURRENCIES,
        page_sources=PAGE_SOURCES,
    ),
    credential_fields=(
        CredentialField(
            name="merchantId",
            label="Cash desk id",
            is_secret=False,
            is_identity=True,
            help="The id of the cash desk (касса) in Payme Business, 24 letters and digits; the same in both modes.",
        ),
        CredentialField(
            name="key",
            label="Cash desk key",
            help="The desk's key for live accounts, its test key for test accounts.",
        ),
    ),
    build=PaymeAdapter,
    check_credentials=check_credentials,
    check_money=check_money,
)

__all__ = ["PROCESSOR", "PROTOCOL", "PaymeAdapter", "PaymeProtocol"]
