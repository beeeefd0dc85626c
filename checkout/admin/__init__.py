"""The back office's screens of money: orders, refunds, callbacks, approvals, and what needs attention."""

from checkout.admin import approvals, attention, callbacks, orders, refunds  # registered by being imported

__all__ = ["approvals", "attention", "callbacks", "orders", "refunds"]
