"""How these tests ask: as a small merchant's own backend does."""

from tests.api.asking import send

START = "/api/start_payment"


def start(client, secret, amount=1000, *, headers=None, **more):
    return send(client, START, {"merchant_secret": secret, "amount": amount, **more}, headers=headers)


def watch(client, watch_code, **headers):
    return client.get(f"/watch/{watch_code}", headers=headers)
