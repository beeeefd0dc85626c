"""The back office's screens of money: orders, refunds, statements, businesses, callbacks, approvals, attention."""

from checkout.admin import (  # registered by being imported
    approvals,
    attention,
    businesses,
    callbacks,
    orders,
    refunds,
    statements,
)

__all__ = ["approvals", "attention", "businesses", "callbacks", "orders", "refunds", "statements"]
