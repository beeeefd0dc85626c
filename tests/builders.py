"""Rows made the way the product makes them, so that no test starts from a state that cannot happen."""

import itertools
from datetime import timedelta

from django.utils import timezone

from checkout import orders, payments
from checkout.models import Order
from gateway.money import Money
from gateway.types import Mode
from providers import accounts, keys
from providers.models import Provider, Service
from tests.lab import STRIPE_KEY, STRIPE_SECRET, signed

_numbers = itertools.count(1)


def make_service(*, price_minor=500, currency="USD", **more):
    number = next(_numbers)
    fields = {"title": "Premium Credits", "slug": f"premium-credits-{number}", **more}
    return Service.objects.create(price_minor=price_minor, currency=currency, **fields)


def make_provider(*, service=None, with_account=True, **more):
    """A provider that can sell: a service at $5 and a Stripe test account at the lab."""
    number = next(_numbers)
    fields = {
        "name": "Bitloader",
        "slug": f"bitloader-{number}",
        "webhook_url": "http://hooks.test/dztech",
        "success_redirect_url": "https://bitloader.test/success?orderId={orderId}",
        "cancel_redirect_url": "https://bitloader.test/cancelled",
        **more,
    }
    provider = Provider.objects.create(service=service or make_service(), **fields)
    if with_account:
        accounts.save_credentials(
            provider=provider,
            processor="stripe",
            mode=Mode.TEST,
            credentials={"secretKey": STRIPE_KEY, "webhookSecret": STRIPE_SECRET},
            now=timezone.now(),
        )
    return provider


def make_key(provider, *, mode=Mode.TEST):
    """The key's text, as its owner saw it once."""
    return keys.issue_key(provider=provider, mode=mode, now=timezone.now())[1]


def make_order(provider, *, amount_minor=10_000, now=None, **more):
    fields = {"external_id": f"ORDER-{next(_numbers)}", "mode": Mode.TEST, **more}
    return orders.open_order(
        dialect=Order.Dialect.PROVIDER,
        provider=provider,
        service=provider.service,
        amount=Money(amount_minor, provider.service.currency),
        cause="test",
        now=now or timezone.now(),
        **fields,
    )


def start_payment(order, *, now=None):
    """The buyer presses Pay: a payment that waits for him at the lab."""
    return payments.start_payment(
        order_id=order.pk, processor="stripe", is_mobile=False, cause="buyer", now=now or timezone.now()
    )


def callback(client, event, **how):
    """Stripe posts an event of the lab to us."""
    body, headers = signed(event, **how)
    return client.post(
        "/api/webhooks/stripe",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": headers["Stripe-Signature"]},
    )


def approve(lab, client, payment):
    """The buyer approves in Cash App, and Stripe tells us."""
    lab.act(payment.processor_ref, "approve")
    answer = callback(client, lab.events("payment_intent.succeeded")[0])
    assert answer.status_code == 200, answer.content


def make_paid_order(lab, client, provider=None, **more):
    order = make_order(provider or make_provider(), **more)
    approve(lab, client, start_payment(order))
    order.refresh_from_db()
    return order


def later(**by):
    return timezone.now() + timedelta(**by)
