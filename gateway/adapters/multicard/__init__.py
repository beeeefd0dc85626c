"""Multicard (Rahmat): an invoice with fiscal lines and a page of its own; a callback whose answer decides.

Amounts: tiyin. Source: docs/processors/multicard.md.
"""

from gateway.adapter import Capabilities, CredentialField, Processor
from gateway.adapters.multicard.adapter import MulticardAdapter
from gateway.adapters.multicard.callbacks import is_webhook
from gateway.adapters.multicard.credentials import check_credentials, check_money
from gateway.adapters.multicard.protocol import MulticardProtocol, accepted, not_noted
from gateway.adapters.multicard.terms import CURRENCY
from gateway.questions import AskingProtocol

PAGE_SOURCES = frozenset(
    {"https://app.rhmt.uz", "https://*.rhmt.uz", "https://*.multicard.uz", "https://multicard.app"}
)

PROCESSOR = Processor(
    slug="multicard",
    name="Multicard",
    # It also asks first, but nothing is reserved: its invoice is ended there, and its status can be asked for.
    capabilities=Capabilities(currencies=frozenset({CURRENCY}), page_sources=PAGE_SOURCES),
    credential_fields=(
        CredentialField(
            name="applicationId",
            label="Application ID",
            is_secret=False,
            help="Given by Multicard; rhmt_test in its sandbox.",
        ),
        CredentialField(name="secret", label="Secret", help="Signs callbacks and gets the token."),
        CredentialField(
            name="storeId",
            label="Store ID",
            is_secret=False,
            is_identity=True,
            help="The cash desk: its number or its UUID.",
        ),
    ),
    build=MulticardAdapter,
    check_credentials=check_credentials,
    check_money=check_money,
)
PROTOCOL: AskingProtocol = MulticardProtocol()

__all__ = ["PROCESSOR", "PROTOCOL", "MulticardAdapter", "accepted", "is_webhook", "not_noted"]
