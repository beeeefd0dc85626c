"""A test event: a signed webhook that tells nothing but that webhooks arrive."""

from datetime import datetime

import simplejson
from django.db import transaction

from providers.ids import uuid7
from providers.models import Provider
from webhooks import outbox
from webhooks.models import Delivery

EVENT = "test"


def send(provider: Provider, *, is_livemode: bool, now: datetime) -> Delivery:
    """To the provider's webhook URL, through the outbox, signed like any other. ValueError where there is no URL.

    No word of it is one of an order: a receiver that sells on `payment_succeeded` alone sells nothing. `is_livemode`
    says among which webhooks the portal lists it; the body never claims live money.
    """
    if not provider.webhook_url:
        raise ValueError("the provider has no webhook URL")
    body = {
        "event": EVENT,
        "test": True,
        "message": "A test event from your portal: nothing was paid. Answer with 2xx.",
        "providerId": str(provider.pk),
        "providerName": provider.name,
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
        "livemode": False,
    }
    with transaction.atomic():
        return outbox.enqueue(
            outbox.Message(
                provider=provider,
                order_id=uuid7(),  # of nothing: each test event is a matter of its own
                event_id=uuid7(),
                event_kind=EVENT,
                sequence=1,
                url=provider.webhook_url,
                body=simplejson.dumps(body, ensure_ascii=False, separators=(",", ":")),
                headers={"X-DZTech-Webhook": "test"},
                ladder="test",
                is_livemode=is_livemode,
            ),
            now=now,
        )
