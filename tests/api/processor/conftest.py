import pytest


@pytest.fixture
def razorpay(provider, lab, settings):
    """The provider's account at the simulated Razorpay."""
    from tests.shop import with_razorpay

    return with_razorpay(provider, lab, settings)


@pytest.fixture
def ask(client, key):
    """ask("/stripe/checkout", {…}) as the provider's backend does, its key as a Bearer token."""
    from tests.api.asking import send

    def post(path, body, *, once=None, headers=None, bearer=key):
        sent = {"Authorization": f"Bearer {bearer}", **(headers or {})}
        if once:
            sent["Idempotency-Key"] = once
        return send(client, f"/api/payments{path}", body, headers=sent)

    return post


@pytest.fixture
def read(client, key):
    """read("/stripe/status/…")"""

    def get(path, *, bearer=key):
        return client.get(f"/api/payments{path}", headers={"Authorization": f"Bearer {bearer}"})

    return get


@pytest.fixture
def open_checkout(ask):
    """The answer of a checkout that was opened."""

    def post(processor="stripe", *, once=None, **more):
        currency = "INR" if processor == "razorpay" else "usd"
        answer = ask(
            f"/{processor}/checkout", {"order_id": "ORD123", "amount": 5000, "currency": currency, **more}, once=once
        )
        assert answer.status_code == 200, answer.content
        return answer.json()

    return post


@pytest.fixture
def paid_checkout(open_checkout, lab, client):
    """A Stripe Checkout that its buyer has paid, and of which Stripe has told us."""
    from tests.builders import callback

    def make(**more):
        made = open_checkout(**more)
        lab.act(made["session_id"], "approve")
        answer = callback(client, lab.events("checkout.session.completed")[0])
        assert answer.status_code == 200, answer.content
        return made

    return make
