"""The back office's screens of this app. Those that need a neighbour to the left are registered by it:
providers by `webhooks.admin` (it knows where webhooks may go), approvals by `checkout.admin` (it knows refunds).
"""

from providers.admin import accounts, people, services, trail  # registered by being imported

__all__ = ["accounts", "people", "services", "trail"]
