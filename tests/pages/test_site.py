"""The landing page, the service page and the error pages over HTTP."""

import re

import pytest

from checkout.models import Order
from tests.builders import make_provider, make_service
from tests.pages.reading import read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def service(lab):
    service = make_service(slug="premium-credits", description="Credits for everything.\n\n<b>No</b> expiry.")
    make_provider(service=service)
    return service


@pytest.fixture
def buy(client):
    def post(quantity="1", headers=None, slug="premium-credits", **form):
        return read(client.post(f"/services/{slug}", {"quantity": quantity, **form}, headers=headers or {}))

    return post


# --- service page -------------------------------------------------------------------------------------------------


def test_the_service_page_says_what_it_costs_and_from_whom(client, service):
    answer = read(client.get("/services/premium-credits"))
    assert answer.status_code == 200
    for words in ("Premium Credits", "$5.00", "Bitloader", "Credits for everything.", "Buy now", "Quantity"):
        assert words in answer.text
    assert "&lt;b&gt;No&lt;/b&gt;" in answer.content.decode()
    assert client.get("/services/premium-credits/").status_code == 200


def test_buy_opens_an_order_of_the_provider_and_leads_to_its_checkout(buy, service):
    answer = buy("20")
    order = Order.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/checkout/o/{order.token}")
    assert (order.amount_minor, order.currency, order.quantity) == (10_000, "USD", 20)
    assert (order.provider, order.service, order.mode) == (service.providers.get(), service, "test")


def test_buy_without_a_quantity_buys_one(client, service):
    assert client.post("/services/premium-credits").status_code == 303
    assert Order.objects.get().quantity == 1


def test_the_order_speaks_the_language_of_the_service_page(client, buy, service):
    client.get("/services/premium-credits?lang=uz")
    buy()
    assert Order.objects.get().lang == "uz"


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "", "many", "10000", "99999999999999999999", "٣", "1e3"])
def test_a_quantity_that_nobody_can_buy_is_said_at_the_field_and_opens_nothing(quantity, buy, service):
    answer = buy(quantity)
    assert answer.status_code == 400
    assert "Enter a whole number from 1 to 9,999." in answer.text
    assert 'aria-invalid="true"' in answer.content.decode()
    assert Order.objects.count() == 0


def test_an_amount_that_no_processor_takes_opens_nothing(buy, lab):
    make_provider(service=make_service(slug="premium-credits", price_minor=50_000_000))
    answer = buy("9999")
    assert answer.status_code == 400
    assert "This amount cannot be taken. Please choose another quantity." in answer.text
    assert Order.objects.count() == 0


def test_where_cash_app_is_not_available_nothing_is_charged_and_nothing_opened(buy, service, lab):
    lab.has_cash_app("inactive")
    answer = buy()
    assert answer.status_code == 409
    assert "Nothing was charged" in answer.text
    assert Order.objects.count() == 0


def test_a_service_that_is_not_sold_is_a_page_of_ours_with_404(client, buy, service):
    service.is_active = False
    service.save()
    for answer in (client.get("/services/premium-credits"), client.get("/services/nothing"), buy()):
        assert answer.status_code == 404
        assert "This is not for sale Nothing was charged." in read(answer).text
    assert Order.objects.count() == 0


def test_buying_without_end_has_to_wait_like_every_anonymous_call(buy, service, settings):
    settings.RATE_LIMIT_SCALE, settings.ANONYMOUS_CALLS_PER_MINUTE = 1, 3
    answers = [buy() for _ in range(4)]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert Order.objects.count() == 3


def test_another_sites_form_buys_nothing(buy, service):
    assert buy(headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert Order.objects.count() == 0


# --- landing page -------------------------------------------------------------------------------------------------


def test_the_landing_page_of_the_demo_leads_to_everything_there_is_to_try(client, service, settings):
    page = client.get("/").content.decode()
    for address in ("/services/premium-credits", f"{settings.LAB_URL}/inbox/demo", "/admin/", "/docs/"):
        assert f'href="{address}"' in page
    assert 'data-health="/health"' in page and 'href="/health"' not in page  # that is for machines


def test_in_production_the_landing_page_names_no_service_no_admin_and_no_lab(client, service, settings):
    settings.DEMO, settings.LAB_URL = False, ""
    page = client.get("/", secure=True).content.decode()
    assert "/services/" not in page and "/admin/" not in page and "inbox" not in page
    assert 'href="/docs/"' in page and 'data-health="/health"' in page


@pytest.mark.parametrize("path", ["/services", "/services/"])
def test_the_services_without_a_name_lead_to_the_first_page(path, client, db):
    answer = client.get(f"{path}?lang=uz")
    assert (answer.status_code, answer["Location"]) == (302, "/?lang=uz")


@pytest.mark.parametrize("lang, words", [("uz", "Qanday ishlaydi"), ("ru", "Как это устроено"), ("en", "How it works")])
def test_the_landing_page_speaks_three_languages(lang, words, client, db):
    assert words in client.get("/", headers={"Accept-Language": lang}).content.decode()
    client.get(f"/?lang={lang}")
    assert words in client.get("/", headers={"Accept-Language": "de"}).content.decode()


# --- refusals -----------------------------------------------------------------------------------------------------


def test_an_address_that_does_not_exist_is_a_page_of_ours_and_json_below_api(client, db):
    answer = read(client.get("/nowhere", headers={"Accept-Language": "ru"}))
    assert answer.status_code == 404
    assert "Такой страницы нет" in answer.text and answer["X-Request-Id"] in answer.text
    api = client.get("/api/nowhere")
    assert (api.status_code, api.json()) == (404, {"error": "Not found"})


@pytest.mark.parametrize("lang, words", [("uz", "Soʻrov raqami:"), ("ru", "Номер запроса:"), ("en", "Request number:")])
def test_a_refusal_names_the_number_of_the_request_in(lang, words, client, db):
    answer = read(client.get("/nowhere", headers={"Accept-Language": lang}))
    assert f"{words} {answer['X-Request-Id']}" in answer.text


def test_a_fault_of_ours_is_a_page_that_says_what_to_do_and_nothing_about_the_fault(client, db, settings, service):
    from django.db import connection

    client.raise_request_exception = False
    with connection.execute_wrapper(_broken):
        answer = read(client.get("/services/premium-credits"))
    assert answer.status_code == 500
    assert "Something broke on our side If you were paying, do not pay again" in answer.text
    assert "kaput" not in answer.content.decode() and "Traceback" not in answer.content.decode()


def _broken(*_):
    raise RuntimeError("kaput")


@pytest.mark.parametrize("path", ["/", "/services/premium-credits", "/nowhere"])
def test_every_page_is_under_the_strict_policy(path, client, service):
    answer = client.get(path)
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy and "form-action 'self';" in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", answer.content.decode())
