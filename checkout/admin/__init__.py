"""The back office's screens of money: orders, refunds, statements, businesses, callbacks, e-mails, approvals."""

from checkout.admin import (  # registered by being imported
    approvals,
    attention,
    businesses,
    callbacks,
    letters,
    orders,
    refunds,
    statements,
)

__all__ = ["approvals", "attention", "businesses", "callbacks", "letters", "orders", "refunds", "statements"]
