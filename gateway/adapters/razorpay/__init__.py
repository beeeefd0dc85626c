"""Razorpay: an order, then its script or its hosted form on our own page. Amounts: minor units by Razorpay's list.

Source: docs/processors/razorpay.md.
"""

from gateway.adapter import Capabilities, CredentialField, Processor
from gateway.adapters.razorpay.adapter import RazorpayAdapter
from gateway.adapters.razorpay.amounts import CURRENCIES, check_money
from gateway.adapters.razorpay.credentials import check_credentials
from gateway.adapters.razorpay.terms import API_BASE

PROCESSOR = Processor(
    slug="razorpay",
    name="Razorpay",
    capabilities=Capabilities(
        can_cancel=False,
        can_capture=True,
        currencies=CURRENCIES,
        shows_widget=True,
        signs_return=True,
        page_sources=frozenset({API_BASE}),
    ),
    credential_fields=(
        CredentialField(
            name="keyId",
            label="Key ID",
            is_secret=False,
            is_identity=True,
            help="Starts with rzp_test_ or rzp_live_; it must fit the mode.",
        ),
        CredentialField(
            name="keySecret", label="Key secret", help="Shown once, when the key is generated in Razorpay's dashboard."
        ),
        CredentialField(
            name="webhookSecret",
            label="Webhook secret",
            help="Invented by you for the webhook that calls /api/webhooks/razorpay; another one in each mode.",
        ),
    ),
    build=RazorpayAdapter,
    check_credentials=check_credentials,
    check_money=check_money,
)

__all__ = ["PROCESSOR", "RazorpayAdapter"]
