"""What to paste into a processor's cabinet, so that its calls find us: by the name each address has there."""

from uuid import UUID

from django.conf import settings

from providers.models import MerchantAccount

# Processors whose own documents name the address; all others live below /api/callbacks.
_NAMED = {
    "stripe": "/api/webhooks/stripe",
    "razorpay": "/api/webhooks/razorpay",
    "secure_processor": "/api/payments/secure-processor/webhook",
}
# What the cabinet asks for, where that is not a single address.
_ENDPOINTS = {
    "click": ("prepare", "complete"),
    "uzum": ("check", "create", "confirm", "reverse", "status"),
}


def shared(processor: str) -> dict[str, str]:
    """Name in the cabinet → the address that all accounts of this processor share."""
    if processor in _NAMED:
        return {"webhook": settings.BASE_URL + _NAMED[processor]}
    return _below(f"{settings.BASE_URL}/api/callbacks/{processor}", processor)


def own(processor: str, account_id: UUID) -> dict[str, str]:
    """Name in the cabinet → the address of this one account, for a business that wants its own."""
    return _below(f"{settings.BASE_URL}/api/callbacks/{processor}/{account_id}", processor)


def one_of(account: MerchantAccount) -> str:
    """The one address of a processor that wants one, else the root of its shared addresses."""
    if account.processor in _ENDPOINTS:
        return f"{settings.BASE_URL}/api/callbacks/{account.processor}"
    return next(iter(shared(account.processor).values()))


def _below(root: str, processor: str) -> dict[str, str]:
    if processor in _ENDPOINTS:
        return {name: f"{root}/{name}" for name in _ENDPOINTS[processor]}
    return {"webhook" if processor in _NAMED else "endpoint": root}
