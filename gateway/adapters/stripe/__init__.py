"""Stripe: Cash App Pay through PaymentIntents, cards through Checkout Sessions, both without Stripe.js.

Amounts: minor units by Stripe's own exponents.

Source: docs/processors/stripe.md.
"""

from gateway.adapter import Capabilities, CredentialField, Method, Processor
from gateway.adapters.stripe.adapter import StripeAdapter
from gateway.adapters.stripe.amounts import check_money
from gateway.adapters.stripe.intents import CASHAPP_CURRENCIES
from gateway.adapters.stripe.keys import check_credentials
from gateway.adapters.stripe.terms import CARD, CASHAPP

# Stripe's hosted pages (Checkout, instructions, redirects), and Cash App's own link that opens the app.
PAGE_SOURCES = frozenset({"https://*.stripe.com", "https://cash.app", "https://*.cash.app"})

PROCESSOR = Processor(
    slug="stripe",
    name="Stripe",
    capabilities=Capabilities(can_capture=True, opens_app=True, page_sources=PAGE_SOURCES),
    credential_fields=(
        CredentialField(
            name="secretKey", label="Secret key", help="Starts with sk_ or rk_; its prefix must fit the mode."
        ),
        CredentialField(
            name="webhookSecret",
            label="Webhook secret",
            help="Starts with whsec_; of the endpoint that calls /api/webhooks/stripe.",
        ),
    ),
    build=StripeAdapter,
    check_credentials=check_credentials,
    check_money=check_money,
    methods=(
        Method(slug=CASHAPP, name="Cash App Pay", currencies=CASHAPP_CURRENCIES, opens_app=True),
        Method(slug=CARD, name="Card"),
    ),
)

__all__ = ["PROCESSOR", "StripeAdapter"]
