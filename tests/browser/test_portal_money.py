"""The portal's pages about money and webhooks in a browser: legible, accessible, and without script."""

import pytest
from django.utils import timezone

from checkout import refunds
from checkout.models import Order
from providers import signing_secrets
from tests.browser.axe import findings
from tests.browser.conftest import PHONE
from tests.builders import make_provider
from tests.portal.people import PASSWORD, make_member
from tests.portal.selling import make_order, make_paid_order, told

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 320, "height": 700}
LONG = "INV-2026/000123-a-very-long-number-of-the-sellers-own-system-" + "0123456789" * 6


@pytest.fixture
def provider(lab):
    return make_provider(name="A seller whose name is rather long and does not end soon")


@pytest.fixture
def pages(provider, lab, client):
    """name → address, of a seller with something to show."""
    secret = signing_secrets.ensure(provider, now=timezone.now()).secret.reveal()
    order = make_paid_order(lab, client, provider, amount_minor=123_500)
    Order.objects.filter(pk=order.pk).update(external_id=LONG[:128], payer_email=f"{'a' * 60}@mail.test")
    refunds.request_refund(
        order_id=order.pk, amount_minor=500, reason=LONG, idempotency_key="", requested_by="t", cause="member t",
        now=timezone.now(),
    )  # fmt: skip
    make_order(provider)
    told(provider, order, secret=secret)
    stuck = told(provider, order, status=503, body="y" * 2000, secret=secret)
    one = f"/portal/payments/{order.pk}/"
    return {
        "overview": "/portal/", "payments": "/portal/payments/", "found": f"/portal/payments/?q={order.pk}&status=paid",
        "payment": one, "refund": f"{one}refund/{order.payments.get().pk}/", "deliveries": "/portal/deliveries/",
        "delivery": f"/portal/deliveries/{stuck.pk}/", "doctor": f"/portal/doctor/?delivery={stuck.pk}",
        "nothing": "/portal/payments/?since=2026-01-01&until=2026-01-02",
    }  # fmt: skip


def signed_in(visit, shop, provider, lang="en", **how):
    member = make_member(provider, "owner")
    page = visit(**how).open(f"{shop}/portal/sign-in?lang={lang}")
    page.fill("[name=username]", member.user.username)
    page.fill("[name=password]", PASSWORD)
    page.click("main form button[type=submit]")
    return page


@pytest.mark.parametrize(
    ("viewport", "scheme", "lang"),
    [(NARROW, "light", "ru"), (PHONE, "dark", "uz"), ({"width": 1280, "height": 800}, "light", "en")],
    ids=["narrow light ru", "phone dark uz", "desktop light en"],
)
def test_every_page_is_legible_and_accessible(visit, shop, provider, pages, viewport, scheme, lang):
    page = signed_in(visit, shop, provider, lang, viewport=viewport, color_scheme=scheme)
    too_wide, found = [], []
    for name, address in pages.items():
        assert page.goto(shop + address).ok
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            too_wide.append(name)
        found += [f"{name}: {one}" for one in findings(page)]
    assert (too_wide, found) == ([], [])


def test_a_refund_needs_no_script(visit, shop, provider, pages):
    page = signed_in(visit, shop, provider, script=False)
    page.goto(shop + pages["refund"])
    page.fill("[name=amount]", "10")
    page.click("main form button[type=submit]")
    assert "Send $10.00 back?" in page.inner_text("h1")
    page.click("main form button[type=submit]")
    assert "$10.00 went back to the buyer." in page.inner_text("main")


def test_the_doctor_finds_what_was_pasted_into_its_fields(visit, shop, provider, pages):
    page = signed_in(visit, shop, provider)
    page.goto(shop + pages["delivery"])
    headers, body = page.inner_text("#sent-headers"), page.inner_text("#sent-body")
    page.goto(f"{shop}/portal/doctor/")
    page.fill("[name=headers]", headers)
    page.fill("[name=body]", body)
    page.click("main form button[type=submit]")
    assert "nothing was changed on the way" in page.inner_text("main")
    page.fill("[name=headers]", headers)
    page.fill("[name=body]", body.replace(",", ",\n  "))
    page.click("main form button[type=submit]")
    assert "The body was parsed as JSON and written again" in page.inner_text("main")
