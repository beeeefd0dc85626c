"""kill -9 of the worker at random moments while webhooks are being written: every one arrives."""

import random
import time
import uuid
from collections import Counter

import pytest

from tests.webhooks.helpers import make_due
from webhooks.models import Delivery

State = Delivery.State


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_five_times_among_two_hundred_webhooks_loses_none(tell, receiver, broker, worker, tmp_path):
    chance = random.Random(7)
    receiver.default = lambda handler: (time.sleep(chance.random() / 20), _ok(handler))
    rows = []
    for _ in range(5):
        child = worker("-P", "prefork", "-c", "2")
        end = time.monotonic() + 0.4 + chance.random()
        for _ in range(40):
            rows.append(tell(order_id=uuid.uuid4()))
        while time.monotonic() < end:
            time.sleep(0.01)
        child.kill()
    make_due(*Delivery.objects.filter(state=State.PENDING))  # the leases of the dead run out
    worker("-P", "prefork", "-c", "2", "--beat", "--schedule", str(tmp_path / "beat"))  # the first one had the beat
    end = time.monotonic() + 40
    while Delivery.objects.exclude(state=State.DELIVERED).exists():
        assert time.monotonic() < end
        time.sleep(0.1)
        make_due(*Delivery.objects.filter(state=State.PENDING, lease_id=None))

    got = Counter(request.headers["webhook-id"] for request in receiver.log)
    assert set(got) == {f"msg_{row.pk.hex}" for row in rows}
    assert sum(got.values()) < 200 + 5 * 64


def _ok(handler):
    from tests.webhooks.helpers import say

    say(handler, 200)
