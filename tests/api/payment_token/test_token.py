import re
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.models import Order, OrderEvent, Payment
from gateway.types import Mode
from tests.builders import make_key, make_provider, make_service
from tests.token_shop import WISH, asked_of

pytestmark = pytest.mark.django_db


def refused(answer, status, text=None):
    told = answer.json()
    assert (answer.status_code, set(told)) == (status, {"error"}), told
    assert text is None or text in told["error"], told["error"]
    assert 0 < len(told["error"]) < 400
    assert answer.headers["Content-Type"] == "application/json" and answer.headers["X-Request-Id"]
    return told["error"]


def nothing_was_opened(lab):
    assert (Order.objects.count(), Payment.objects.count()) == (0, 0)
    assert asked_of(lab, "checkouts.create") == []


def at_lab(lab):
    [row] = lab.control("/secure_processor/checkouts", "GET")["checkouts"]
    return row


# --- what is made ---------------------------------------------------------------------------------------------------


def test_a_token_is_made_here_and_there_at_once(ask, lab, provider, key, settings):
    answer = ask()

    assert answer.status_code == 200, answer.content
    made = answer.json()
    assert set(made) == {"token", "checkout"} and set(made["checkout"]) == {"token"}
    assert re.fullmatch(r"pt_[A-Za-z0-9_-]{20,61}", made["token"])
    assert answer.headers["Cache-Control"] == "no-store"
    payment = Payment.objects.select_related("order").get()
    order = payment.order
    assert (order.code, payment.processor_ref) == (made["token"], made["checkout"]["token"])
    assert (order.dialect, order.mode, order.provider) == ("payment_token", "test", provider)
    assert (order.amount_minor, order.currency, order.external_id, order.service) == (1999, "EUR", "ORDER-1001", None)
    assert (order.status, payment.status, payment.processor) == ("pending", "pending", "secure_processor")
    event = OrderEvent.objects.order_by("sequence")[0]
    assert event.cause.startswith("api key provider_test_") and key not in event.cause
    row = at_lab(lab)
    assert (row["token"], row["test"], row["attempts"], row["transaction_type"]) == (
        made["checkout"]["token"], True, 1, "payment"
    )  # fmt: skip
    assert (row["order"]["amount"], row["order"]["currency"]) == (1999, "EUR")
    assert row["order"]["tracking_id"] == str(payment.pk)
    api = f"{settings.BASE_URL}/api/payments/secure-processor"
    assert row["settings"]["return_url"] == f"{api}/return?pt={made['token']}"
    assert row["settings"]["notification_url"] == f"{api}/webhook"


def test_everything_that_may_be_said_reaches_the_card_page_and_is_told_again(ask, read, lab):
    made = ask(
        {
            **WISH, "itemType": "subscription", "description": "Two shirts", "userId": "user_1",
            "email": "payer@example.test", "lang": "ru", "unknown": {"is": ["ignored"]},
        }
    ).json()  # fmt: skip
    row = at_lab(lab)
    assert (row["order"]["description"], row["customer"]["email"]) == ("Two shirts", "payer@example.test")
    order = Order.objects.get()
    assert (order.payer_email, order.lang, order.description) == ("payer@example.test", "ru", "Two shirts")
    told = read(made["token"]).json()
    assert (told["itemType"], told["userId"], told["referenceId"]) == ("subscription", "user_1", "ORDER-1001")


def test_the_currency_is_euro_where_nothing_is_said(ask, lab):
    assert ask({"itemType": "order", "amountCents": 1}).status_code == 200
    assert (Order.objects.get().currency, at_lab(lab)["order"]["currency"]) == ("EUR", "EUR")


@pytest.mark.parametrize("currency", ["eur", "EUR", "eUr"])
def test_a_currency_may_be_written_in_any_case(ask, currency):
    assert ask({**WISH, "currency": currency}).status_code == 200
    assert Order.objects.get().currency == "EUR"


@pytest.mark.parametrize("field", ["referenceId", "documentId"])
@pytest.mark.parametrize("name", ["id", "slug"])
def test_without_an_amount_the_price_of_the_named_service_is_owed(ask, read, lab, field, name):
    service = make_service(title="Translation", price_minor=2500, currency="EUR")
    made = ask({"itemType": "document_translation", field: str(service.pk) if name == "id" else service.slug})
    assert made.status_code == 200, made.content
    order = Order.objects.get()
    assert (order.service, order.amount_minor, order.currency) == (service, 2500, "EUR")
    assert (at_lab(lab)["order"]["amount"], at_lab(lab)["order"]["description"]) == (2500, "Payment for Translation")
    told = read(made.json()["token"]).json()
    assert (told["amountCents"], told["referenceId"]) == (2500, order.external_id)


def test_an_amount_beside_a_reference_that_names_a_service_is_what_is_owed(ask):
    service = make_service(price_minor=2500, currency="EUR")
    ask({**WISH, "referenceId": service.slug})
    assert Order.objects.get().amount_minor == 1999


def test_the_same_reference_again_is_another_order_that_is_only_flagged(ask):
    first, second = ask().json(), ask().json()
    assert first["token"] != second["token"]
    assert sorted(Order.objects.values_list("shares_external_id", flat=True)) == [False, True]


def test_both_spellings_of_the_addresses_are_served(client, key, account):
    from tests.api.asking import send

    headers = {"x-api-key": key}
    made = send(client, "/api/payments/secure-processor/token/", WISH, headers=headers)
    assert made.status_code == 200
    path = f"/api/payments/secure-processor/status/{made.json()['token']}/"
    assert client.get(path, headers=headers).status_code == 200


# --- what is refused ------------------------------------------------------------------------------------------------

WRONG = [
    ({"itemType": None}, "itemType is required"),
    ({"itemType": 7}, "itemType must be text"),
    ({"itemType": "x" * 65}, "itemType must be at most 64"),
    ({"itemType": "a\u0000b"}, "itemType must not contain control"),
    ({"amountCents": 0}, "amountCents must be at least 1"),
    ({"amountCents": -1999}, "amountCents must be at least 1"),
    ({"amountCents": "1999"}, "amountCents must be a whole number"),
    ({"amountCents": True}, "amountCents must be a whole number"),
    ({"amountCents": 19.99}, "amountCents must be a whole number"),
    ({"amountCents": 10**30}, "amountCents is too large"),
    ({"currency": "EURO"}, "currency must be"),
    ({"currency": 978}, "currency must be"),
    ({"currency": ""}, "currency must be"),
    ({"referenceId": "x" * 129}, "referenceId must be at most 128"),
    ({"referenceId": {"$ne": ""}}, "referenceId must be text"),
    ({"documentId": 5}, "documentId must be text"),
    ({"userId": ["u"]}, "userId must be text"),
    ({"description": "x" * 256}, "description must be at most 255"),
    ({"email": "nobody"}, "email must be an e-mail address"),
    ({"lang": "de"}, "lang must be one of"),
    ({"amountCents": None}, "amountCents is required"),
    ({"amountCents": None, "referenceId": None}, "amountCents is required"),
]


@pytest.mark.parametrize(("wrong", "text"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_field_is_named_and_nothing_is_opened(ask, lab, wrong, text):
    refused(ask({**WISH, **wrong}), 400, text)
    nothing_was_opened(lab)


def test_a_missing_item_type_is_named(ask, lab):
    refused(ask({"amountCents": 5}), 400, "itemType is required")
    nothing_was_opened(lab)


def test_a_currency_that_is_not_the_services_is_refused(ask, lab):
    service = make_service(currency="EUR")
    refused(ask({"itemType": "x", "referenceId": service.slug, "currency": "USD"}), 400, "currency must be EUR")
    nothing_was_opened(lab)


def test_a_service_that_is_not_sold_any_more_is_no_price(ask, lab):
    service = make_service(currency="EUR", is_active=False)
    refused(ask({"itemType": "x", "referenceId": service.slug}), 400, "amountCents is required")
    nothing_was_opened(lab)


@pytest.mark.parametrize(
    ("raw", "text"),
    [("{", "not valid JSON"), ("[]", "must be a JSON object"), (b"\xff", "not valid UTF-8"), ("", "itemType")],
    ids=["cut", "list", "bytes", "empty"],
)
def test_what_is_no_json_object_is_refused(ask, lab, raw, text):
    refused(ask(raw), 400, text)
    nothing_was_opened(lab)


def test_too_large_and_of_another_type_is_refused(ask, client, key, account, lab):
    refused(ask({**WISH, "padding": "x" * 70_000}), 413)
    path = "/api/payments/secure-processor/token"
    refused(client.post(path, {"itemType": "x"}, headers={"Authorization": f"Bearer {key}"}), 415)
    assert client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == 405
    nothing_was_opened(lab)


def test_a_currency_that_the_shop_does_not_take_is_told_as_such(ask, lab, provider, settings):
    from tests.token_shop import with_secure_processor

    with_secure_processor(provider, lab, settings, currencies=["EUR"])
    refused(ask({**WISH, "currency": "USD"}), 400)
    assert ask().status_code == 200


# --- who asks, and in which mode ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bearer", ["", "nobody", "provider_test_nobody", "sk_test_x"])
def test_a_wrong_key_is_told_before_anything_else(ask, read, lab, bearer):
    refused(ask("{not json", bearer=bearer), 401, "Invalid or inactive API key")
    refused(read("pt_x", bearer=bearer), 401, "Invalid or inactive API key")
    nothing_was_opened(lab)


def test_an_inactive_providers_key_is_no_key(ask, provider, lab):
    type(provider).objects.filter(pk=provider.pk).update(status="inactive")
    refused(ask(), 401)
    nothing_was_opened(lab)


def test_a_key_in_the_address_is_refused(client, key, account, lab):
    from tests.api.asking import send

    answer = send(client, f"/api/payments/secure-processor/token?apiKey={key}", WISH)
    assert answer.status_code in (400, 401) and key not in answer.content.decode()
    nothing_was_opened(lab)


def test_a_live_key_does_not_reach_the_test_account(ask, provider, lab):
    refused(ask(bearer=make_key(provider, mode=Mode.LIVE)), 400, "no usable account at Secure Processor")
    assert not Payment.objects.exists() and asked_of(lab, "checkouts.create") == []


def test_without_an_account_it_is_said_that_there_is_none(ask, lab):
    other = make_provider(with_account=False)
    refused(ask(bearer=make_key(other)), 400, "no usable account at Secure Processor")
    assert not Payment.objects.exists() and asked_of(lab, "checkouts.create") == []


def test_a_token_is_shown_to_its_owner_in_its_mode_alone(ask, read, provider):
    made = ask().json()
    assert read(made["token"]).status_code == 200
    for stranger in (make_key(provider, mode=Mode.LIVE), make_key(make_provider())):
        refused(read(made["token"], bearer=stranger), 404, "Payment token not found")


@pytest.mark.parametrize("token", ["pt_nobody", "x", "pt_%00", "pt_%C3%A9", "p" * 300, "%27%20or%201=1"])
def test_an_unknown_token_is_404(read, account, token):
    refused(read(token), 404, "Payment token not found")


def test_the_processors_own_token_is_no_name_of_ours(ask, read):
    refused(read(ask().json()["checkout"]["token"]), 404)


# --- what is read ---------------------------------------------------------------------------------------------------


def test_a_token_that_waits_is_told_with_both_ways_to_pay(ask, read, lab, settings):
    made = ask().json()
    order = Order.objects.get()
    assert read(made["token"]).json() == {
        "token": made["token"], "status": "PENDING", "amountCents": 1999, "currency": "EUR", "refundedCents": 0,
        "itemType": "one_time", "referenceId": "ORDER-1001", "userId": None, "gatewayUid": None,
        "checkout": {
            "token": made["checkout"]["token"],
            "url": f"{lab.url}/secure_processor/checkout?token={made['checkout']['token']}",
        },
        "checkoutUrl": f"{settings.BASE_URL}/checkout/o/{order.token}", "orderId": str(order.pk), "paidAt": None,
        "livemode": False,
    }  # fmt: skip


def test_reading_an_open_token_only_schedules_the_question(ask, read, lab):
    made = ask().json()
    Payment.objects.update(next_ask_at=timezone.now() + timedelta(hours=1))
    before = len(asked_of(lab, "checkouts.retrieve"))
    assert read(made["token"]).status_code == 200
    assert len(asked_of(lab, "checkouts.retrieve")) == before
    assert Payment.objects.get().next_ask_at < timezone.now() + timedelta(seconds=10)
