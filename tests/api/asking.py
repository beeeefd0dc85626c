"""How these tests ask, and how they read a refusal."""

import json

from checkout.models import Order, OrderEvent


def send(client, path, body, *, headers=None, content_type="application/json"):
    """A body is sent as it is when it is text or bytes, as JSON otherwise, not at all when it is None."""
    if body is None:
        raw = b""
    elif isinstance(body, str | bytes):
        raw = body
    else:
        raw = json.dumps(body)
    return client.post(path, raw, content_type=content_type, headers=headers or {})


def refused(answer, status, text):
    assert (answer.status_code, answer.json()) == (status, {"error": text})
    assert answer.headers["Content-Type"] == "application/json"


def nothing_was_written():
    assert (Order.objects.count(), OrderEvent.objects.count()) == (0, 0)
