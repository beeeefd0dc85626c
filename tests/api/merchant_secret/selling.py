"""A small merchant's rows, made as the product makes them."""

from django.utils import timezone

from checkout.models import Order
from gateway.types import Mode
from providers import accounts, keys
from providers.models import ApiKey
from tests.builders import make_provider
from tests.pages.processors import CREDENTIALS

SHOP = "https://shop.test"


def make_merchant(*, at=("payme", "multicard"), currency="UZS", **more):
    fields = {
        "name": "Choyxona", "success_redirect_url": "", "cancel_redirect_url": "", "webhook_url": "",
        "allowed_origins": SHOP, **more,
    }  # fmt: skip
    merchant = make_provider(with_account=False, currency=currency, **fields)
    for slug in at:
        accounts.save_credentials(
            provider=merchant, processor=slug, mode=Mode.TEST, credentials=CREDENTIALS[slug], now=timezone.now()
        )
    return merchant


def make_secret(merchant, *, mode=Mode.TEST):
    """The secret's text, as its owner saw it once."""
    kind = ApiKey.Kind.MERCHANT_SECRET
    return keys.issue_key(provider=merchant, mode=mode, kind=kind, now=timezone.now())[1]


def order_of(answer):
    return Order.objects.select_related("provider").get(code=answer.json()["code"])
