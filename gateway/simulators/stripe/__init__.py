"""Stripe in the lab: PaymentIntents by Cash App Pay, charges, refunds, disputes, events and signed callbacks.

Source: docs/processors/stripe.md (docs.stripe.com and the types of stripe-python 16.1.0). Amounts: Stripe's minor
units. Requests are form-encoded with brackets, answers JSON; the API base is `<lab>/stripe`.
"""
