"""Razorpay in the lab: orders, the tries buyers make of them, captures, refunds, payment links, signed events.

Source: docs/processors/razorpay.md. Amounts: minor units. The API base is `<lab>/razorpay`.
"""
