"""Each page in each size, colour and language: nothing sticks out, nothing is hard to read.

SCREENSHOTS=<folder> also keeps a picture of every variant (scripts/screenshots.py).
"""

import os
from pathlib import Path

import pytest

from tests.api.merchant_secret.asking import start
from tests.api.merchant_secret.selling import make_merchant, make_secret, order_of
from tests.browser.axe import findings
from tests.browser.conftest import ANDROID, DESKTOP, PHONE
from tests.builders import make_provider, make_service
from tests.pages import invoices, states
from tests.pages.invoices import payme_takes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser, pytest.mark.slow]

SMALL = {"width": 320, "height": 640}
LANGUAGES = ("en", "ru", "uz")
# What lies beyond the right edge, whether the page scrolls there or cuts it off.
SIDEWAYS = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.unseen, .help:not([open]) > p'))
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5).length"""


def look(visitor, url, name, *, languages=LANGUAGES, status=200):
    """Go through the variants of one page; [what is wrong with which]."""
    page = visitor.context.new_page()
    wrong = []
    for lang in languages:
        answer = page.goto(f"{url}{'&' if '?' in url else '?'}lang={lang}")
        assert answer.status == status
        page.add_init_script("sessionStorage.clear()")
        for size, viewport in (("phone", PHONE), ("desktop", DESKTOP), ("small", SMALL)):
            page.set_viewport_size(viewport)
            if page.evaluate(SIDEWAYS) > 0:
                wrong.append(f"{name} {lang} {size}: wider than the screen")
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                keep(page, f"{name}-{lang}-{size}-{scheme}")
                if size == "phone":
                    wrong += [f"{name} {lang} {scheme}: {finding}" for finding in findings(page)]
        page.set_viewport_size(PHONE)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        if page.evaluate(SIDEWAYS) > 0:
            wrong.append(f"{name} {lang}: wider than the screen with text of 200 %")
        keep(page, f"{name}-{lang}-large-dark")
    page.close()
    return wrong


def keep(page, name):
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize("name", states.ALL)
def test_the_checkout_can_be_read_by_everybody_in_state(name, visit, shop, lab, client):
    order = states.ALL[name](lab, client)
    assert look(visit(), f"{shop}/checkout/o/{order.token}", name) == []


@pytest.mark.parametrize("name", invoices.ALL)
def test_an_invoice_can_be_read_by_everybody_in_state(name, visit, shop, processors, client):
    order = invoices.ALL[name](client, processors)
    assert look(visit(), f"{shop}/checkout/o/{order.token}", f"invoice_{name}") == []


def test_choosing_another_way_can_be_read_by_everybody(visit, shop, processors, client):
    order = invoices.choosing_another(client, processors)
    assert look(visit(), f"{shop}/checkout/o/{order.token}?choose=1", "invoice_another") == []


def test_on_a_phone_the_uzum_page_can_be_read_by_everybody(visit, shop, processors, client):
    order = invoices.in_uzum(client, processors)
    assert look(visit(user_agent=ANDROID), f"{shop}/checkout/o/{order.token}", "invoice_in_uzum_phone") == []


@pytest.mark.parametrize("name", invoices.RECEIPTS)
def test_a_receipt_can_be_read_by_everybody_when(name, visit, shop, processors, client):
    order = invoices.RECEIPTS[name](client, processors)
    assert look(visit(), f"{shop}/receipt/{order.receipt_code}", f"receipt_{name}") == []


STORIES = {
    **{
        name: states.ALL[name]
        for name in ("ready", "checking", "under_review", "partly_refunded", "failed", "long_names")
    },
    "paid_late_and_twice": states.paid_late_and_twice,
}


@pytest.mark.parametrize("name", STORIES)
def test_where_the_money_is_can_be_read_by_everybody_when(name, visit, shop, lab, client):
    order = STORIES[name](lab, client)
    assert look(visit(), f"{shop}/checkout/o/{order.token}/story", f"story_{name}") == []


@pytest.mark.parametrize("name", ["found_by_uzum", "paid_elsewhere"])
def test_where_the_money_of_an_invoice_is_can_be_read_by_everybody_when(name, visit, shop, processors, client):
    order = invoices.ALL[name](client, processors)
    assert look(visit(), f"{shop}/checkout/o/{order.token}/story", f"story_invoice_{name}") == []


def test_the_page_of_a_payment_code_and_its_refusal_can_be_read_by_everybody(visit, shop, client):
    order = order_of(start(client, make_secret(make_merchant()), 100_000))
    address = f"{shop}/pay/{order.code}?redirect="
    wrong = look(visit(), f"{address}https://evil.test", "pay_refused")
    payme_takes(client, order)
    wrong += look(visit(), f"{address}https://evil.test", "pay_paid_refused")
    assert wrong == []


@pytest.mark.parametrize("name", states.DECLINES)
def test_a_refusal_can_be_read_by_everybody_with_advice(name, visit, shop, lab, client):
    order = states.DECLINES[name](lab, client)
    assert look(visit(), f"{shop}/checkout/o/{order.token}", name) == []


def test_the_question_before_a_cancel_can_be_read_by_everybody(visit, shop, lab, client):
    order = states.waiting(lab, client)
    assert look(visit(), f"{shop}/checkout/o/{order.token}/cancel", "cancel") == []


def test_the_other_pages_can_be_read_by_everybody(visit, shop, lab):
    service = make_service(
        slug="premium-credits",
        description="Credits for everything on Bitloader.\n\nThey never expire and can be shared with your team.",
    )
    make_provider(service=service)
    visitor = visit()
    wrong = look(visitor, f"{shop}/", "home")
    wrong += look(visitor, f"{shop}/services/premium-credits", "service")
    wrong += look(visitor, f"{shop}/checkout/o/tok_nobody", "unknown", status=404)
    wrong += look(visitor, f"{shop}/nowhere", "not_found", status=404)
    visitor.complaints = [line for line in visitor.complaints if "404" not in line]
    assert wrong == []


def too_many_calls(lab):
    lab.fault("429", times=None, match={"operation": "payment_intents.create"})


def key_refused(lab):
    lab.running.lab.reset(with_accounts=True)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("trouble_is", [too_many_calls, key_refused], ids=lambda trouble: trouble.__name__)
def test_what_a_button_could_not_do_can_be_read_by_everybody_in(lang, trouble_is, visit, shop, lab, client):
    order = states.ready(lab, client, lang=lang)
    trouble_is(lab)
    visitor = visit(viewport=PHONE)
    page = visitor.open(f"{shop}/checkout/o/{order.token}")
    with visitor.context.expect_page() as opened:
        page.locator("form button").click()
    trouble = opened.value
    trouble.wait_for_load_state()
    assert trouble.locator(".state .money").inner_text()
    assert findings(trouble) == [] and trouble.evaluate(SIDEWAYS) == 0
    keep(trouble, f"{trouble_is.__name__}-{lang}-phone-light")
    visitor.complaints = [line for line in visitor.complaints if "502" not in line]
