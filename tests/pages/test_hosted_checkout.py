"""The hosted checkout over HTTP, as a browser without script meets it."""

import json
import logging
import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from checkout import payments
from checkout.models import Order, OrderEvent, Payment
from checkout.pages.sheet import look_at
from tests.builders import approve, later, make_order, make_provider, make_service, start_payment
from tests.pages import states
from tests.pages.reading import read

pytestmark = pytest.mark.django_db(transaction=True)

NBSP = "\N{NO-BREAK SPACE}"


# --- what stands on the page --------------------------------------------------------------------------------------


def test_the_page_says_who_sells_what_for_how_much_under_which_number(see, order):
    answer = see(order)
    assert answer.status_code == 200
    for words in ("Bitloader", "Premium Credits × 20", "$100.00", str(order.pk), "Pay with Cash App"):
        assert words in answer.text
    assert "<title>Pay $100.00 to Bitloader</title>" in answer.content.decode()
    assert "Test mode: no real money moves" in answer.content.decode()


@pytest.mark.parametrize(
    "name, heading, money",
    [
        ("waiting", "Approve the payment in Cash App", "No money has been taken yet."),
        ("processing", "Your payment is in progress", "It is not decided yet: do not pay again."),
        ("checking", "Your payment is being checked", "If money was taken, the payment will go through"),
        ("under_review", "Your payment is being checked", "If money was taken, the payment will go through"),
        ("paid", "Paid. Thank you!", "You paid $100.00 to Bitloader."),
        (
            "partly_refunded",
            "Part of your payment was returned",
            "You paid $100.00; $40.00 of it was sent back to you.",
        ),
        ("refunded", "Your payment was returned", "All of it, $100.00, was sent back to you."),
        ("failed", "The payment did not go through", "No money was taken."),
        ("failed_and_out_of_time", "The payment did not go through", "No money was taken."),
        ("cancelled", "This order was cancelled", "No money was taken."),
        ("expired", "The time to pay for this order is over", "No money was taken."),
    ],
)
def test_each_state_says_what_happened_and_whether_money_moved(name, heading, money, see, lab, client):
    order = states.ALL[name](lab, client)
    answer = see(order)
    assert answer.status_code == 200
    assert f">{heading}</h1>" in answer.content.decode()
    assert money in re.search(r'<p class="money">(.*?)</p>', answer.content.decode())[1]
    can_pay = name in ("failed",)
    assert ('action="/checkout/o/' in answer.content.decode()) == can_pay
    if name in ("paid", "refunded", "failed", "cancelled", "expired", "checking", "partly_refunded"):
        assert "help@pay.test" in answer.text


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("not_enough_money", "there was not enough money. No money was taken. Add money there, then try again."),
        ("other_method", "Try again with another account or card."),
        ("call_bank", "did not say why. No money was taken. Ask your bank"),
        ("timed_out", "was not approved in Cash App in time."),
        ("no_reason", "Cash App declined it. No money was taken. You can try again."),
    ],
)
def test_a_refusal_is_told_as_advice_and_never_as_the_processors_code(name, sentence, see, lab, client):
    order = states.DECLINES[name](lab, client)
    answer = see(order)
    assert sentence in answer.text
    assert "Try again" in answer.text
    payment = Payment.objects.get()
    assert payment.failure_code and payment.failure_code not in answer.content.decode()
    assert payment.failure_message not in answer.content.decode()


def test_an_order_without_a_provider_is_sold_by_the_house(see, lab, settings):
    settings.HOUSE_CREDENTIALS = {"stripe": {"secretKey": states.STRIPE_KEY, "webhookSecret": states.STRIPE_SECRET}}
    from checkout import orders
    from gateway.types import Mode

    order = orders.open_order(
        dialect="provider", mode=Mode.TEST, provider=None, service=make_service(), amount=None, cause="test",
        now=timezone.now(),
    )  # fmt: skip
    answer = see(order)
    assert "DZTech" in answer.text and "Premium Credits × 1" in answer.text


def test_an_unknown_token_is_a_page_of_ours_with_404(client):
    for token in ("tok_" + "0" * 32, "nobody", "tok_%00", "x" * 500):
        answer = read(client.get(f"/checkout/o/{token}"))
        assert answer.status_code == 404
        assert "There is no such order Nothing was charged." in answer.text
        assert answer["Cache-Control"] == "no-store"
    assert client.get("/checkout/o/nobody/status").status_code == 404
    assert client.post("/checkout/o/nobody/pay").status_code == 404


def test_where_nothing_can_take_the_money_the_page_says_so_and_has_no_button(see, lab, order):
    lab.has_cash_app("inactive")
    account = order.provider.accounts.get()
    account.availability = {}
    account.save()
    cache.clear()  # opening the order asked a moment ago
    answer = see(order)
    assert "This order cannot be paid right now No money was taken." in answer.text
    assert "<form" not in answer.content.decode()


@pytest.mark.parametrize("name", states.ALL)
def test_the_page_speaks_of_missing_money_only_where_money_moved_or_may_have(name, see, lab, client):
    page = see(states.ALL[name](lab, client)).content.decode()
    asks = name in (
        "processing", "checking", "under_review", "paid", "paid_without_a_way_back", "partly_refunded", "refunded"
    )  # fmt: skip
    assert ("Where is my money?" in page, "Need help?" in page) == (asks, not asks)


# --- languages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lang, amount, words",
    [
        ("uz", f"100,00{NBSP}$", "Cash App orqali toʻlash"),
        ("ru", f"100,00{NBSP}$", "Оплатить через Cash App"),
        ("en", "$100.00", "Pay with Cash App"),
    ],
)
def test_the_orders_language_decides(lang, amount, words, client, lab):
    order = make_order(make_provider(), lang=lang)
    answer = client.get(f"/checkout/o/{order.token}", headers={"Accept-Language": "de"})
    page = answer.content.decode()
    assert f'<html lang="{lang}">' in page and answer["Content-Language"] == lang
    assert amount in page and words in page


def test_without_one_the_browsers_language_decides_and_without_that_english(see, order):
    assert "Оплатить" in see(order, **{"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.5"}).text
    assert "toʻlash" in see(order, **{"Accept-Language": "uz-Latn-UZ"}).text
    assert "Pay with" in see(order, **{"Accept-Language": "de-DE"}).text
    assert "Pay with" in see(order).text


def test_a_chosen_language_is_remembered_for_this_order_alone(see, lab):
    order, other = make_order(make_provider(), lang="uz"), make_order(make_provider(), lang="uz")
    assert "Оплатить" in see(order, "?lang=ru").text
    assert "Оплатить" in see(order).text
    assert "toʻlash" in see(other).text


def test_where_cookies_are_dropped_the_choice_goes_on_in_the_addresses(see, client, order):
    page = see(order, "?lang=ru").content.decode()
    client.cookies.clear()
    assert f'action="/checkout/o/{order.token}/pay?lang=ru"' in page
    assert f'href="/checkout/o/{order.token}/cancel?lang=ru"' in page
    answer = client.get(f"/checkout/o/{order.token}/pay?lang=ru")
    assert answer["Location"] == f"/checkout/o/{order.token}?lang=ru"


def test_a_language_that_we_do_not_speak_is_ignored(see, client, order):
    assert "Pay with" in see(order, "?lang=de").text
    assert not client.cookies


# --- headers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ["", "/status", "/cancel", "/return", "/pay"])
def test_nothing_of_a_checkout_is_kept_told_on_or_found(rest, see, order):
    answer = see(order, rest)
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]


def test_the_policy_allows_our_own_files_and_forms_to_the_processor_alone(see, lab, order):
    policy = see(order)["Content-Security-Policy"]
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action 'self' {lab.url}; base-uri 'none'; frame-ancestors 'none'"
    )


def test_in_production_the_policy_names_stripe_and_cash_app(see, order, settings):
    settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, ("stripe", "test"): ""}
    policy = see(order)["Content-Security-Policy"]
    assert "form-action 'self' https://*.cash.app https://*.stripe.com https://cash.app;" in policy


@pytest.mark.parametrize("name", states.ALL)
def test_no_page_has_anything_inline_or_foreign(name, see, lab, client):
    page = see(states.ALL[name](lab, client)).content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    assert all(
        source.startswith("/static/") for source in re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]+)"', page)
    )


# --- paying -------------------------------------------------------------------------------------------------------


def test_pay_leads_to_the_processors_page_with_303(press, lab, order):
    answer = press(order, "pay")
    payment = Payment.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, payment.pay_url)
    assert payment.pay_url.startswith(f"{lab.url}/stripe/cashapp/instructions/")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-CH-UA-Mobile": "?1"},
        {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"},
    ],
)
def test_pay_on_a_phone_leads_to_the_address_that_opens_the_app(headers, press, lab, order):
    answer = press(order, "pay", headers=headers)
    assert answer["Location"] == Payment.objects.get().pay_mobile_url
    assert answer["Location"].startswith(f"{lab.url}/stripe/authorize/")


def test_pay_twice_or_in_two_tabs_goes_on_with_the_same_payment(press, order):
    first, second = press(order, "pay"), press(order, "pay")
    assert first["Location"] == second["Location"]
    assert Payment.objects.count() == 1


def test_pay_while_a_payment_is_undecided_starts_no_second_one_and_says_so(press, lab, client):
    order = states.processing(lab, client)
    answer = press(order, "pay")
    assert answer.status_code == 409
    assert (
        "This order is being paid already So that you do not pay twice, no second payment was started." in answer.text
    )
    assert Payment.objects.count() == 1


def test_pay_of_a_paid_order_leads_to_its_page(press, lab, client):
    order = states.paid(lab, client)
    answer = press(order, "pay")
    assert (answer.status_code, answer["Location"]) == (303, f"/checkout/o/{order.token}")
    assert Payment.objects.count() == 1


def test_pay_after_the_time_is_over_leads_to_the_page_that_says_so(press, see, lab):
    order = make_order(make_provider(), now=later(hours=-30))
    answer = press(order, "pay")
    assert (answer.status_code, answer["Location"]) == (303, f"/checkout/o/{order.token}")
    assert "The time to pay for this order is over No money was taken." in see(order).text
    assert Payment.objects.count() == 0


def test_a_processor_in_trouble_is_told_as_nothing_charged_and_the_button_stays(press, lab, order):
    lab.fault("429", times=None, match={"operation": "payment_intents.create"})
    answer = press(order, "pay")
    assert answer.status_code == 502
    assert "Cash App cannot be reached right now Nothing was charged. Please try again in a minute." in answer.text
    assert "Try again" in answer.text
    lab.control("/faults/clear")
    assert press(order, "pay")["Location"].startswith(lab.url)


@pytest.mark.parametrize(
    "lang, words",
    [
        ("en", "This seller cannot take payments at the moment Nothing was charged."),
        ("ru", "Сейчас этот продавец не может принимать оплату Деньги не списаны."),
        ("uz", "Sotuvchi hozircha toʻlov qabul qila olmayapti Pul yechilmadi."),
    ],
)
def test_a_seller_whose_key_is_refused_is_told_once_to_staff_and_no_button_invites_another_try(
    lang, words, press, lab, caplog
):
    order = make_order(make_provider(), lang=lang)
    lab.running.lab.reset(with_accounts=True)  # Stripe knows this key no more: 401
    answer = press(order, "pay")
    assert answer.status_code == 502
    assert words in answer.text
    assert "<form" not in answer.content.decode()
    ours = [
        record.name for record in caplog.records if record.levelno >= logging.ERROR and record.name != "django.request"
    ]
    assert ours == ["checkout.payments"]
    assert states.STRIPE_KEY not in caplog.text
    order.refresh_from_db()
    assert (order.status, order.payments.get().status) == ("pending", "error")


def test_an_answer_that_never_comes_means_being_checked_and_no_button(press, see, lab, order):
    lab.fault("reset_after", match={"operation": "payment_intents.create"})
    answer = press(order, "pay")
    assert (answer.status_code, answer["Location"]) == (303, f"/checkout/o/{order.token}")
    assert "Do not pay again." in see(order).text
    assert Payment.objects.get().status == "unknown"


def test_a_processor_that_is_not_offered_starts_nothing(press, order):
    for processor in ("payme", "", "<script>"):
        answer = press(order, "pay", processor=processor)
        assert answer.status_code == 409
        assert "Nothing was charged." in answer.text
    assert Payment.objects.count() == 0


def test_a_reload_of_the_pay_address_or_the_back_button_lands_on_the_page(client, order):
    answer = client.get(f"/checkout/o/{order.token}/pay")
    assert (answer.status_code, answer["Location"]) == (303, f"/checkout/o/{order.token}")
    assert Payment.objects.count() == 0


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("button", ["pay", "cancel"])
def test_another_sites_form_presses_no_button(button, site, press, order):
    answer = press(order, button, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "This is not allowed Nothing was changed." in answer.text
    assert list(OrderEvent.objects.values_list("kind", flat=True)) == ["order_created"]


def test_our_own_form_needs_no_cookie_and_no_origin(client, order):
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}  # what browsers send from a no-referrer page
    answer = client.post(f"/checkout/o/{order.token}/pay", {"processor": "stripe"}, headers=own)
    assert answer.status_code == 303
    assert not answer.cookies


def test_who_presses_pay_without_end_has_to_wait(press, order, settings):
    settings.RATE_LIMIT_SCALE = 1
    answers = [press(order, "pay") for _ in range(21)]
    assert [answer.status_code for answer in answers] == [303] * 20 + [429]
    assert int(answers[-1]["Retry-After"]) > 0 and "Nothing was charged." in answers[-1].text


# --- cancelling ---------------------------------------------------------------------------------------------------


def test_cancel_asks_first_and_changes_nothing_by_being_looked_at(see, order):
    answer = see(order, "/cancel")
    assert answer.status_code == 200
    assert "Cancel the order? No money was taken." in answer.text
    order.refresh_from_db()
    assert order.status == "created"


def test_cancel_ends_the_started_payment_at_the_processor_too(press, see, lab, client):
    order = states.waiting(lab, client)
    answer = press(order, "cancel")
    assert (answer.status_code, answer["Location"]) == (303, f"/checkout/o/{order.token}")
    payment = Payment.objects.get()
    assert (payment.status, lab.payment(payment.processor_ref)["status"]) == ("cancelled", "canceled")
    page = see(order)
    assert "This order was cancelled No money was taken." in page.text
    assert 'content="5;url=https://bitloader.test/cancelled"' in page.content.decode()


def test_cancel_of_what_was_paid_meanwhile_shows_paid(press, see, lab, order):
    payment = start_payment(order)
    lab.act(payment.processor_ref, "approve")
    answer = press(order, "cancel")
    assert answer.status_code == 303
    assert "Paid. Thank you!" in see(order).text


def test_cancel_that_gets_no_clear_answer_says_so(press, lab, order):
    start_payment(order)
    lab.fault("reset_before", times=None, match={"operation": "payment_intents.*"})
    answer = press(order, "cancel")
    assert answer.status_code == 409
    assert "The order could not be cancelled Your payment may still go through: it is being checked." in answer.text
    order.refresh_from_db()
    assert order.status != "cancelled"


@pytest.mark.parametrize("name", ["paid", "processing", "checking", "cancelled", "expired"])
def test_what_is_settled_or_undecided_cannot_be_cancelled_from_the_page(name, press, see, lab, client):
    order = states.ALL[name](lab, client)
    order.refresh_from_db()
    assert f"{order.token}/cancel" not in see(order).content.decode()
    before = order.status
    assert see(order, "/cancel").status_code == press(order, "cancel").status_code == 303
    order.refresh_from_db()
    assert order.status == before


# --- the way back -------------------------------------------------------------------------------------------------


def test_the_success_address_is_on_the_page_only_when_paid(see, lab, client):
    for name in states.ALL:
        page = see(states.ALL[name](lab, client)).content.decode()
        assert ("bitloader.test/success" in page) == (name in ("paid", "partly_refunded", "refunded")), name


def test_paid_counts_down_and_links_to_the_success_address_with_the_order_id(see, lab, client):
    order = states.paid(lab, client)
    page = see(order).content.decode()
    address = f"https://bitloader.test/success?orderId={order.pk}"
    assert f'<noscript><meta http-equiv="refresh" content="5;url={address}"></noscript>' in page
    assert f'<a class="button" href="{address}" data-go>Go back now</a>' in page
    assert 'data-countdown="5"' in page


def test_without_a_success_address_the_page_stays(see, lab, client):
    page = see(states.paid_without_a_way_back(lab, client))
    assert "http-equiv" not in page.content.decode() and "data-go" not in page.content.decode()
    assert "You can close this page. Its link keeps working." in page.text


def test_an_address_that_is_no_web_address_is_never_a_link(see, lab, client):
    provider = make_provider(success_redirect_url="javascript:alert(1)//{orderId}")
    assert "javascript" not in see(states.paid(lab, client, provider)).content.decode()


def test_the_processors_return_proves_nothing_and_only_schedules_a_question(client, see, lab, order, caplog):
    payment = start_payment(order)
    caplog.set_level(logging.DEBUG)
    query = "?payment_intent=pi_1&payment_intent_client_secret=pi_1_secret_xyz&redirect_status=succeeded"
    answer = client.get(f"/checkout/o/{order.token}/return{query}")
    assert (answer.status_code, answer["Location"]) == (303, f"/checkout/o/{order.token}?returned=1")
    assert "secret_xyz" not in caplog.text
    payment.refresh_from_db()
    assert payment.status == "pending" and payment.next_ask_at <= timezone.now()
    assert "Approve the payment in Cash App" in see(order, "?returned=1").text
    assert "you can close this one" in see(order, "?returned=1").text

    lab.act(payment.processor_ref, "approve")
    assert states.ask() == 1
    assert "Paid. Thank you!" in see(order).text


@pytest.mark.parametrize("name, seconds", [("waiting", 5), ("processing", 5), ("checking", 10)])
def test_without_script_a_page_that_waits_reloads_itself(name, seconds, see, lab, client):
    order = states.ALL[name](lab, client)
    page = see(order, "?returned=1&lang=ru").content.decode()
    refresh = (
        f'<noscript><meta http-equiv="refresh" content="{seconds};url=/checkout/o/{order.token}?lang=ru"></noscript>'
    )
    assert refresh in page


# --- live status --------------------------------------------------------------------------------------------------


def test_the_status_changes_its_version_with_every_change_and_answers_304_until_then(client, lab, order):
    address = f"/checkout/o/{order.token}/status"
    first = client.get(address)
    assert json.loads(first.content) == {"state": "ready", "version": "1-ready", "final": False}
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")

    payment = start_payment(order)
    second = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (second.status_code, json.loads(second.content)["state"]) == (200, "waiting")
    approve(lab, client, payment)
    third = json.loads(client.get(address).content)
    assert (third["state"], third["final"]) == ("paid", True)
    assert f'data-version="{third["version"]}"' in client.get(f"/checkout/o/{order.token}").content.decode()


def test_a_look_asks_the_processor_soon_but_at_most_every_five_seconds(client, lab, order):
    payment = start_payment(order)
    client.get(f"/checkout/o/{order.token}/status")
    payment.refresh_from_db()
    assert payment.next_ask_at <= timezone.now()
    assert states.ask() == 1
    for _ in range(3):
        client.get(f"/checkout/o/{order.token}/status")
    payment.refresh_from_db()
    assert payment.next_ask_at > timezone.now()
    Payment.objects.update(last_asked_at=timezone.now() - timedelta(seconds=6))
    client.get(f"/checkout/o/{order.token}/status")
    payment.refresh_from_db()
    assert payment.next_ask_at <= timezone.now()


def test_a_look_costs_few_queries(client, lab, order, django_assert_max_num_queries):
    address = f"/checkout/o/{order.token}"
    with django_assert_max_num_queries(4):
        client.get(address)
    with django_assert_max_num_queries(2):
        client.get(address + "/status")
    start_payment(order)
    client.get(address + "/status")  # schedules the question
    with django_assert_max_num_queries(2):
        client.get(address + "/status")
    with django_assert_max_num_queries(4):
        client.get(address)


@pytest.mark.parametrize(("outcome", "state"), [("paid", "paid"), ("failed", "failed")])
def test_news_between_the_two_reads_of_a_look_offers_no_second_payment(outcome, state, lab, client):
    order = states.ALL[outcome](lab, client)
    before = Order.objects.get(pk=order.pk)
    before.status, before.paid_by_id = Order.Status.PENDING, None  # as it was read, an instant before the news
    look = look_at(before, now=timezone.now())
    assert (look.state, look.payment.status) == (state, "captured" if outcome == "paid" else "declined")


def test_a_late_capture_turns_a_cancelled_page_into_paid(see, lab, client, order):
    payment = start_payment(order)
    states.orders.cancel_order(order_id=order.pk, cause="test", now=timezone.now())
    assert "This order was cancelled" in see(order).text
    payment.refresh_from_db()
    payments.apply_report(
        payment_id=payment.pk,
        report=states.captured(payment),
        cause="test",
        now=timezone.now(),
    )
    assert Order.objects.get().status == "paid"
    assert "Paid. Thank you!" in see(order).text
