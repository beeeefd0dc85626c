"""Secure Processor, a white label of beGateway: a token for its widget or its page, then a callback signed with RSA.

Amounts: minor units by beGateway's own list. Source: docs/processors/secure-processor.md.
"""

from gateway.adapter import Capabilities, CredentialField, Processor
from gateway.adapters.secure_processor.adapter import SecureProcessorAdapter
from gateway.adapters.secure_processor.amounts import check_money
from gateway.adapters.secure_processor.keys import check_credentials
from gateway.adapters.secure_processor.terms import CHECKOUT_API

PROCESSOR = Processor(
    slug="secure_processor",
    name="Secure Processor",
    capabilities=Capabilities(can_capture=True, shows_widget=True, page_sources=frozenset({CHECKOUT_API})),
    credential_fields=(
        CredentialField(
            name="shopId",
            label="Shop ID",
            is_secret=False,
            is_identity=True,
            help="The shop's number in the back office.",
        ),
        CredentialField(
            name="secretKey", label="Secret key", help="Beside the shop id; signs our calls and names theirs."
        ),
        CredentialField(
            name="publicKey",
            label="Public key",
            is_secret=False,
            help="The shop's RSA key: one line of base64, or PEM. It verifies callbacks.",
        ),
    ),
    build=SecureProcessorAdapter,
    check_credentials=check_credentials,
    check_money=check_money,
)

__all__ = ["PROCESSOR", "SecureProcessorAdapter"]
