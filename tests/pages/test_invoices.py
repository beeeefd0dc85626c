"""The hosted page of an invoice: choosing a processor, paying in the Uzum app, and the way back."""

import re

import pytest
import segno
from django.utils import timezone

from checkout import orders
from checkout.models import Order, Payment
from gateway.types import Availability
from providers import accounts
from providers.models import MerchantAccount
from tests.builders import later
from tests.pages import invoices

pytestmark = pytest.mark.django_db(transaction=True)

NBSP = "\N{NO-BREAK SPACE}"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"


@pytest.fixture(autouse=True)
def _processors(processors):
    return processors


@pytest.fixture
def buttons(see):
    """[processor] of the ways that a page offers."""

    def read(order, rest="", **headers):
        page = see(order, rest, **headers).content.decode()
        return re.findall(r'name="processor" value="(\w+)"', page)

    return read


# --- the choice ---------------------------------------------------------------------------------------------------


def test_without_a_processor_the_page_has_one_button_for_each_active_account(buttons, processors, client):
    order = invoices.choice(client, processors)
    assert buttons(order) == processors


def test_the_choice_says_who_sells_what_for_how_much(see, client, processors):
    answer = see(invoices.choice(client, processors), "?lang=uz")
    assert f"1{NBSP}500{NBSP}000,00{NBSP}soʻm" in answer.content.decode()
    for words in (
        "Osh markazi",
        "Osh, toʻy oshi × 12",
        "Choy × 4",
        "Non × 10",
        "va yana 2 ta",
        "Qaysi usulda toʻlaysiz?",
    ):
        assert words in answer.text
    assert "Bozor" not in answer.text and "payme" not in answer.text  # the account's name without its processor's
    assert "Uzcard, Humo, Visa" in answer.text


def test_one_line_is_told_as_what_it_is_for(see, client):
    order = invoices.invoice(invoices.marketplace("payme"), amount=9_000, items=[invoices.line("Plov", 4_500, 2)])
    assert "For Plov × 2" in see(order).text


@pytest.mark.parametrize(
    "name, shown",
    [
        ("Restoran A — Payme", "Restoran A"),
        ("Restoran A (payme)", "Restoran A"),
        ("Payme", "Bozor"),
        ("Payme Café", "Payme Café"),
        ("Sandbox merchant", "Sandbox merchant"),
        ("", "Bozor"),
    ],
)
def test_the_seller_is_the_business_by_its_own_name(name, shown, see, client):
    provider = invoices.marketplace("payme")
    MerchantAccount.objects.update(business_name=name)
    page = see(invoices.invoice(provider)).content.decode()
    assert f'aria-hidden="true">{shown[0]}</span><span>{shown}</span>' in page
    assert f"to {shown}</title>" in page


def test_an_account_that_was_switched_off_has_no_button(buttons, client):
    provider = invoices.marketplace("payme", "uzum")
    order = invoices.invoice(provider)
    MerchantAccount.objects.filter(processor="payme").update(is_active=False)
    assert buttons(order) == ["uzum"]


def test_a_named_processor_has_the_only_button(buttons, client, processors):
    order = invoices.in_payme(client, processors)
    payment = order.payments.get()
    ref = invoices.payme_reserves(client, order)
    invoices.payme(client, "CancelTransaction", id=ref, reason=3)
    payment.refresh_from_db()
    assert payment.status == "cancelled"
    assert buttons(order) == ["payme"]


def test_a_named_processor_that_waits_leads_back_to_its_page(see, client, processors):
    order = invoices.in_payme(client, processors)
    answer = see(order)
    assert "Finish the payment in Payme" in answer.text and "No money has been taken yet." in answer.text
    assert order.payments.get().pay_url in answer.content.decode()


def test_once_payme_has_begun_the_page_does_not_say_that_no_money_was_taken(see, press, client, processors):
    order = invoices.in_payme(client, processors)
    invoices.payme_reserves(client, order)
    assert "Payme has begun the payment. This page updates by itself. Confirmed already?" in see(order).text
    assert "If you have confirmed it already, the money is returned." in see(order, "/cancel").text


def test_pay_leads_to_the_chosen_processor(press, client, processors):
    order = invoices.choice(client, processors)
    answer = press(order, "pay", processor="payme")
    assert (answer.status_code, answer["Location"]) == (303, order.payments.get().pay_url)


def test_the_policy_lets_the_form_lead_to_every_offered_page_and_nowhere_else(see, client, settings):
    settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, ("payme", "test"): ""}
    order = invoices.invoice(invoices.marketplace("payme", "uzum"))
    policy = see(order)["Content-Security-Policy"]
    assert "form-action 'self' https://*.paycom.uz https://*.payme.uz https://payme.uz;" in policy


def test_choosing_another_way_ends_the_payment_that_waits(see, press, buttons, client):
    order = invoices.invoice(invoices.marketplace("payme", "uzum"))
    press(order, "pay", processor="payme")
    assert "Choose another" in see(order).text and buttons(order) == []
    assert buttons(order, "?choose=1") == ["payme", "uzum"]
    assert press(order, "pay", processor="uzum").status_code == 303
    tries = list(Payment.objects.order_by("created_at").values_list("processor", "status"))
    assert tries == [("payme", "cancelled"), ("uzum", "pending")]


def test_choosing_another_way_ends_paymes_reservation_so_that_it_cannot_be_paid_twice(press, client):
    order = invoices.invoice(invoices.marketplace("payme", "uzum"))
    press(order, "pay", processor="payme")
    ref = invoices.payme_reserves(client, order)
    press(order, "pay", processor="uzum")
    assert invoices.payme(client, "CheckTransaction", id=ref)["state"] in (1, -1)
    assert Payment.objects.get(processor="payme").status == "cancelled"
    invoices.uzum_takes(client, order)
    order.refresh_from_db()
    assert (order.status, order.paid_by.processor) == ("paid", "uzum")


def test_the_answer_to_a_button_names_the_processor_that_was_pressed(press, client):
    provider = invoices.marketplace("payme", "uzum")
    order = invoices.invoice(provider)
    MerchantAccount.objects.filter(processor="uzum").update(is_active=False)
    answer = press(order, "pay", processor="uzum")
    assert answer.status_code == 409
    assert "Uzum Bank cannot be used right now Nothing was charged." in answer.text
    assert Payment.objects.count() == 0


def test_a_choice_costs_few_queries(client, processors, django_assert_max_num_queries):
    order = invoices.choice(client, processors)
    with django_assert_max_num_queries(5):
        client.get(f"/checkout/o/{order.token}")
    with django_assert_max_num_queries(2):
        client.get(f"/checkout/o/{order.token}/status")


def test_a_link_whose_thing_was_paid_under_another_one_says_so(see, client, processors):
    order = invoices.paid_elsewhere(client, processors)
    answer = see(order)
    assert "This was paid already It was paid through another link" in answer.text
    assert "No money was taken here." in answer.text
    assert "http-equiv" not in answer.content.decode() and "bozor.test/orders" not in answer.content.decode()


# --- the way back -------------------------------------------------------------------------------------------------


def test_paid_counts_down_to_the_return_url_as_it_was_given(see, client, processors):
    order = invoices.paid_by_payme(client, processors)
    page = see(order).content.decode()
    assert 'data-countdown="5"' in page
    assert '<a class="button" href="https://bozor.test/orders/7?x=%7Ba%7D" data-go>' in page


def test_an_invoice_without_addresses_stays_here_whatever_its_provider_has_set_up(see, client):
    order = invoices.invoice(invoices.marketplace("payme"), return_url="", return_error_url="")
    invoices.payme_takes(client, order)
    page = see(order).content.decode()
    assert "bitloader.test" not in page and "data-go" not in page
    assert "You can close this page. Its link keeps working." in page


def test_cancelled_and_expired_lead_to_the_error_url(see, press, client):
    provider = invoices.marketplace("payme")
    order = invoices.invoice(provider)
    press(order, "cancel")
    old = invoices.invoice(provider, source_invoice_id="old", now=later(hours=-30))
    assert orders.expire_due_orders(now=later()) == 1
    for one in (order, old):
        page = see(one).content.decode()
        assert 'href="https://bozor.test/sorry" data-go' in page and "bozor.test/orders" not in page


def test_a_refused_payment_offers_every_way_again_and_a_quiet_way_back(see, buttons, client, processors):
    order = invoices.refused_by_card(client, processors)
    answer = see(order)
    assert "Multicard declined it: there was not enough money. No money was taken." in answer.text
    assert buttons(order) == processors
    page = answer.content.decode()
    assert '<a href="https://bozor.test/sorry" data-go>Back to Osh markazi</a>' in page
    assert "data-countdown" not in page and "http-equiv" not in page


# --- paying in the Uzum app ---------------------------------------------------------------------------------------


def matrix_of(page):
    """The modules of the drawn code, quiet zone included, from the SVG's own strokes."""
    size = int(re.search(r'<path fill="#fff" d="M0 0h(\d+)v', page)[1])
    path = re.search(r'<path stroke="#000" d="([^"]+)"', page)[1]
    rows, x, y = [[0] * size for _ in range(size)], 0, 0.0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", path):
        if command == "M":
            x, y = int(first), float(second)
        elif command == "m":
            x, y = x + int(first), y + float(second or 0)
        else:
            for step in range(int(first)):
                rows[int(y)][x + step] = 1
            x += int(first)
    return rows


def test_uzum_is_paid_on_our_page_and_the_press_leads_back_to_it(see, press, client):
    order = invoices.invoice(invoices.marketplace("payme", "uzum"))
    answer = press(order, "pay", processor="uzum")
    assert (answer.status_code, answer["Location"]) == (303, f"/checkout/o/{order.token}")
    assert "Pay in the Uzum Bank app" in see(order).text


def test_the_uzum_page_has_code_number_steps_and_links(see, client, processors):
    order = invoices.in_uzum(client, processors)
    answer = see(order)
    page = answer.content.decode()
    assert "Pay in the Uzum Bank app This page updates by itself" in answer.text
    assert "No money has been taken yet." in answer.text
    assert f'<code class="id" data-number>{order.pk}</code>' in page
    assert f'data-copy="{order.pk}"' in page
    assert "Find “Osh markazi” among the payments." in answer.text
    assert "you have 30 minutes to confirm" in answer.text
    assert f'href="uzum://pay?order={order.pk}"' in page
    assert order.payments.get().pay_url.replace("&", "&amp;") in page
    assert "<form" not in page


def test_the_code_is_uzums_deeplink_with_its_quiet_zone_on_white(see, client, processors):
    order = invoices.in_uzum(client, processors)
    page = see(order).content.decode()
    wanted = segno.make(f"uzum://pay?order={order.pk}", error="m", micro=False)
    assert matrix_of(page) == [list(row) for row in wanted.matrix_iter(border=4)]
    assert re.search(r'<path fill="#fff" d="M0 0h(\d+)v\1h-\1z"/>', page)


def test_a_phone_gets_the_button_first_and_the_code_folded(see, client, processors):
    page = see(invoices.in_uzum(client, processors), **{"User-Agent": IPHONE}).content.decode()
    assert page.index('<a class="button" href="uzum://') < page.index("data-number")
    assert page.index("data-number") < page.index('<details class="other-phone">') < page.index('<svg viewBox="0 0 41')


def test_the_banks_web_link_can_be_switched_off(see, client, processors, settings):
    order = invoices.in_uzum(client, processors)
    settings.UZUM_WEB_LINK = False
    page = see(order).content.decode()
    assert "open-service" not in page and "uzum://pay" in page


def test_once_the_app_has_found_the_order_the_page_says_so_and_shows_no_code(see, client, processors):
    order = invoices.in_uzum(client, processors)
    before = client.get(f"/checkout/o/{order.token}/status").json()["version"]
    invoices.uzum_finds(client, order)
    assert client.get(f"/checkout/o/{order.token}/status").json()["version"] != before
    answer = see(order)
    assert "Confirm the payment in the Uzum Bank app The app has found your order." in answer.text
    assert "Confirmed already? Then do not pay again: the answer is on its way. Confirm within 30" in answer.text
    assert "No money" not in answer.text  # Uzum debits before it asks us to confirm
    assert "Scan it" not in answer.text and str(order.pk) in answer.text


def test_half_an_hour_later_the_page_offers_to_start_again(see, buttons, press, client, processors):
    from checkout import decisions

    order = invoices.in_uzum(client, processors)
    invoices.uzum_finds(client, order)
    assert decisions.end_expired_reservations(now=later(minutes=31)) == 1
    assert buttons(order) == ["uzum"]
    press(order, "pay", processor="uzum")
    assert "Pay in the Uzum Bank app" in see(order).text
    invoices.uzum_takes(client, order)
    assert "Paid. Thank you!" in see(order).text
    assert Order.objects.get().status == "paid"


def test_without_script_the_uzum_page_reloads_slowly_enough_to_copy_a_number(see, client, processors):
    page = see(invoices.in_uzum(client, processors)).content.decode()
    assert 'http-equiv="refresh" content="15;' in page


@pytest.mark.parametrize("name", invoices.ALL)
def test_no_page_of_an_invoice_has_anything_inline_or_foreign(name, see, client, processors):
    page = see(invoices.ALL[name](client, processors)).content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


@pytest.mark.parametrize(
    "lang, words", [("uz", "Uzum Bank ilovasida toʻlang"), ("ru", "Оплатите в приложении Uzum Bank")]
)
def test_the_uzum_page_speaks(lang, words, see, client, processors):
    assert words in see(invoices.in_uzum(client, processors, lang=lang)).text


def test_where_one_way_has_wrong_credentials_the_others_stay_and_that_one_is_not_offered_again(
    press, processors, client, lab, settings
):
    settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, ("multicard", "test"): f"{lab.url}/multicard"}
    order = invoices.choice(client, processors)
    account = MerchantAccount.objects.get(processor="multicard")
    asked_before = Availability(is_available=True)
    accounts.keep_availability(account, asked_before, currency="UZS", method="", now=timezone.now())
    answer = press(order, "pay", processor="multicard")  # the lab knows no such application
    assert answer.status_code == 502
    assert answer.status_code == 502
    assert "Multicard cannot be used right now Nothing was charged. Please choose another way to pay." in answer.text
    offered = re.findall(r'name="processor" value="(\w+)"', answer.content.decode())
    assert offered == [slug for slug in processors if slug != "multicard"]
    assert "Try again" not in answer.text
