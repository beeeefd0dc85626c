"""What a seller has behind him: orders in every state, made by the domain, and webhooks that arrived or did not."""

import uuid
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checkout import orders
from checkout.models import Order, Payment
from tests.builders import approve, make_order, make_paid_order, start_payment
from webhooks import claims, outbox
from webhooks.models import Attempt, Delivery

__all__ = ["approve", "make_order", "make_paid_order", "start_payment"]


def cancelled(provider, **more):
    order = make_order(provider, **more)
    return orders.cancel_order(order_id=order.pk, cause="test", now=timezone.now())


@contextmanager
def costs(count):
    """A page asks the database so often, besides finding out who comes."""
    with CaptureQueriesContext(connection) as captured:
        yield
    who = ("django_session", "auth_user", "providers_portalaccount", "providers_member")
    asked = [query["sql"] for query in captured.captured_queries]
    own = [sql for sql in asked if not any(f'FROM "{table}"' in sql for table in who)]
    assert len(own) == count, "\n".join(own)


def moved(order, **by):
    """The same order, made earlier by so much."""
    at = order.created_at - timedelta(**by)
    Order.objects.filter(pk=order.pk).update(created_at=at)
    if order.paid_at:
        Order.objects.filter(pk=order.pk).update(paid_at=order.paid_at - timedelta(**by))
        Payment.objects.filter(order=order).update(created_at=at)
    order.refresh_from_db()
    return order


def told(provider, order, *, status=200, error="", body="ok", secret="", state=None, **more):
    """A delivery of the order with one attempt, recorded the way the worker records it. `status` None: no answer."""
    from webhooks import signing

    with transaction.atomic():
        row = outbox.enqueue(
            outbox.Message(
                **{
                    "provider": provider,
                    "order_id": order.pk,
                    "event_id": uuid.uuid4(),
                    "event_kind": "payment_succeeded",
                    "sequence": 3,
                    "url": provider.webhook_url,
                    "body": f'{{"event":"payment_succeeded","orderId":"{order.pk}","amount":100}}',
                    "headers": {"X-DZTech-Webhook": "payment-notification"},
                    "ladder": "provider",
                    **more,
                }
            ),
            now=timezone.now(),
        )
    lease = uuid.uuid4()
    Delivery.objects.filter(pk=row.pk).update(lease_id=lease)
    row.refresh_from_db()
    is_good = status is not None and 200 <= status < 300
    state = Delivery.State(state) if state else (Delivery.State.DELIVERED if is_good else Delivery.State.STUCK)
    now = timezone.now()
    attempt = Attempt(
        delivery=row, number=1, url=row.url, address="203.0.113.7", status=status, response_body=body,
        response_headers={"Content-Type": "text/plain", "Set-Cookie": "session=abc"},
        error=error or ("" if is_good else f"Answered {status}." if status else "No complete answer."),
        request_headers=signing.headers_for(
            delivery_id=row.pk, sequence=3, own_headers=row.headers, body=row.body.encode(),
            signer=signing.Signer(current=secret), timestamp=int(now.timestamp()),
        ),
        started_at=now, duration_ms=12,
    )  # fmt: skip
    claims.record([claims.Result(row, attempt, state, False, None, None, now if is_good else None)], lease_id=lease)
    row.refresh_from_db()
    return row
