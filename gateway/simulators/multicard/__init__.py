"""Multicard in the lab: token, invoices with a page of their own, the callback whose answer decides, webhooks, refunds.

Source: docs/processors/multicard.md. Amounts: tiyin. The API base is `<lab>/multicard`.
"""
