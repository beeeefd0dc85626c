"""Deliveries written the way the checkout writes them, and receivers for them."""

import uuid

import pytest


@pytest.fixture
def receiver():
    from tests.webhooks.helpers import Receiver

    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def receivers():
    """receivers() → another receiver."""
    from tests.webhooks.helpers import Receiver

    made = []

    def make():
        made.append(Receiver())
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def provider(db, receiver):
    from django.utils import timezone

    from providers import signing_secrets
    from providers.models import Provider

    row = Provider.objects.create(name="Marketplace", slug="marketplace", webhook_url=receiver.url)
    signing_secrets.ensure(row, now=timezone.now())
    return row


@pytest.fixture
def order_id():
    return uuid.uuid4()


@pytest.fixture
def tell(provider, order_id):
    """tell(…) → a committed delivery, by default the next event of one order to the provider's URL."""
    from django.db import transaction
    from django.utils import timezone

    from webhooks import outbox

    sequences = iter(range(1, 100_000))

    def write(**given):
        values = {
            "provider": provider,
            "order_id": order_id,
            "event_id": uuid.uuid4(),
            "event_kind": "payment_succeeded",
            "sequence": next(sequences),
            "url": provider.webhook_url,
            "body": '{"event":"payment_succeeded","externalId":"Zoʻr 1.0"}',
            "headers": {"X-DZTech-Webhook": "payment-notification"},
            "ladder": "provider",
        }
        with transaction.atomic():
            return outbox.enqueue(outbox.Message(**{**values, **given}), now=timezone.now())

    return write


@pytest.fixture(autouse=True)
def _nothing_learned():
    from webhooks import hosts

    hosts.PROCESS_MEMORY.records.clear()


@pytest.fixture
def quick(settings):
    """Attempts that take a second at most instead of ten."""
    settings.WEBHOOK_TIMEOUT_SECONDS = 1.0
