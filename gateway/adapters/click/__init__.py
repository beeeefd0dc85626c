"""Click: a link for the buyer, then Click asks us twice by its SHOP-API; refunds by its Merchant API. Amounts: som.

Source: docs/processors/click.md.
"""

from gateway.adapter import Capabilities, CredentialField, Processor
from gateway.adapters.click.adapter import ClickAdapter
from gateway.adapters.click.amounts import CURRENCIES, check_money
from gateway.adapters.click.credentials import check_credentials, has_merchant_api
from gateway.adapters.click.protocol import PROTOCOL, ClickProtocol

# Click's payment page, and where it sends the browser on to.
PAGE_SOURCES = frozenset({"https://my.click.uz", "https://*.click.uz"})

PROCESSOR = Processor(
    slug="click",
    name="Click",
    capabilities=Capabilities(
        asks_first=True,
        can_cancel=False,  # there is no call for it: a reservation is ended on our side
        can_refund=True,  # with a merchant user; without one refund_payment names Click's cabinet
        can_refund_partially=True,  # where Click has enabled it; refund_payment finds out
        has_status=False,  # its Complete is the word that counts, and it repeats that until it is answered
        takes_receipt_lines=True,
        reservation_seconds=1800,  # Click's documents give no time; the contract says half an hour
        currencies=CURRENCIES,
        page_sources=PAGE_SOURCES,
    ),
    credential_fields=(
        CredentialField(
            name="serviceId",
            label="Service id",
            is_secret=False,
            is_identity=True,
            help="service_id from Click's cabinet, a number.",
        ),
        CredentialField(
            name="merchantId",
            label="Merchant id",
            is_secret=False,
            is_identity=True,
            help="merchant_id from Click's cabinet, a number.",
        ),
        CredentialField(name="secretKey", label="Secret key", help="SECRET_KEY of the service."),
        CredentialField(
            name="merchantUserId",
            label="Merchant user id",
            is_secret=False,
            is_required=False,
            help="merchant_user_id from Click's cabinet, a number. Refunds from here need it.",
        ),
    ),
    build=ClickAdapter,
    check_credentials=check_credentials,
    check_money=check_money,
)

__all__ = ["PROCESSOR", "PROTOCOL", "ClickAdapter", "ClickProtocol", "has_merchant_api"]
