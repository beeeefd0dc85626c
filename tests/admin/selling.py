"""A marketplace with a business at Payme, its invoices, and Payme's calls, as the product meets them."""

from django.utils import timezone

from checkout import invoices
from gateway.money import Money
from gateway.types import Mode
from providers import accounts
from tests.builders import make_provider
from tests.checkout.test_asking import create, payme

KEY = "test-key-000000000000000000000000001"
KASSA = "0123456789abcdef01234567"
BUSINESS = "biz_42"
LINE = {
    "name": "Osh <b>", "qty": 2, "price": 500_000, "total": 1_000_000, "mxik": "06401004002000000",
    "package_code": "1506113", "vat": 12,
}  # fmt: skip


def make_marketplace(**more):
    return make_provider(with_account=False, webhook_url="", name="Bozor", **more)


def register(provider, *, business=BUSINESS, processor="payme", name="Restoran A — Payme", **credentials):
    return accounts.save_credentials(
        provider=provider, business_id=business, business_name=name, processor=processor, mode=Mode.TEST,
        credentials=credentials or {"merchantId": KASSA, "key": KEY}, now=timezone.now(),
    )  # fmt: skip


def invoice(provider, number="order_1", *, amount=1_000_000, business=BUSINESS, processor="payme", currency="UZS", **m):
    wanted = invoices.Wanted(
        provider=provider, mode=Mode.TEST, business_id=business, processor=processor, amount=Money(amount, currency),
        source_invoice_id=number, notify_url="https://shop.test/hook", lang="uz", **m,
    )  # fmt: skip
    return invoices.open_invoice(wanted, cause="test", now=timezone.now())[0]


def pay(client, order, ref):
    """Payme's Create and Perform."""
    assert create(client, order, ref)["state"] == 1
    assert payme(client, "PerformTransaction", id=ref)["state"] == 2
    order.refresh_from_db()
    return order


def give_back(client, ref):
    assert payme(client, "CancelTransaction", id=ref, reason=5)["state"] == -2


def page_of(order):
    return f"/admin/checkout/order/{order.pk}/change/"
