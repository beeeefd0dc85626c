import os
import re
import subprocess
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from checkout.models import Order, OrderEvent, Payment
from gateway.types import Mode
from tests.api.processor.refusing import nothing_was_opened, refused
from tests.builders import make_key, make_provider
from tests.shop import with_razorpay

pytestmark = pytest.mark.django_db
BODY = {"order_id": "ORD123", "amount": 5000, "currency": "usd"}
HERE = Path(__file__).parents[3]


def session_of(lab, made):
    [found] = [row for row in lab.control("/stripe/sessions", "GET")["sessions"] if row["id"] == made["session_id"]]
    return found


# --- Stripe ---------------------------------------------------------------------------------------------------------


def test_a_checkout_is_opened_at_stripe_at_once(ask, lab, provider, key):
    answer = ask("/stripe/checkout", BODY)

    assert answer.status_code == 200
    made = answer.json()
    assert made["checkout_url"].startswith(f"{lab.url}/stripe/c/pay/cs_test_")
    assert made["order_id"] == "ORD123"
    assert (made["status"], made["amount"], made["currency"], made["livemode"]) == ("pending", 5000, "USD", False)
    assert made["payment_intent"] is None  # Stripe makes it when the buyer pays
    assert answer.headers["Cache-Control"] == "no-store"
    payment = Payment.objects.select_related("order").get()
    order = payment.order
    assert (str(payment.pk), str(order.pk)) == (made["payment_id"], made["hub_order_id"])
    assert payment.processor_ref == made["session_id"]
    assert (order.dialect, order.mode, order.provider, order.external_id) == ("processor", "test", provider, "ORD123")
    assert (order.amount_minor, order.currency, order.processor) == (5000, "USD", "stripe")
    event = OrderEvent.objects.order_by("sequence")[0]
    assert event.cause.startswith("api key provider_test_") and key not in event.cause
    session = session_of(lab, made)
    assert (session["amount_total"], session["currency"]) == (5000, "usd")
    assert session["client_reference_id"] == made["hub_order_id"]
    assert session["metadata"]["externalId"] == "ORD123"
    assert [row["operation"] for row in lab.requests("checkout.sessions.create")] == ["checkout.sessions.create"]


def test_everything_that_may_be_said_reaches_stripe(ask, lab):
    made = ask(
        "/stripe/checkout",
        {
            **BODY,
            "description": "Wireless Mouse",
            "customer_email": "payer@example.test",
            "lang": "ru",
            "capture": "manual",
            "success_url": "https://bitloader.test/thanks/{CHECKOUT_SESSION_ID}?s={CHECKOUT_SESSION_ID}&é=1",
            "cancel_url": "https://bitloader.test/cart",
            "expires_at": (timezone.now() + timedelta(hours=2)).isoformat(),
            "unknown": {"is": ["ignored"]},
        },
    ).json()

    session = session_of(lab, made)
    sid = "{CHECKOUT_SESSION_ID}"
    assert session["success_url"] == f"https://bitloader.test/thanks/{sid}?s={sid}&%C3%A9=1"
    assert session["cancel_url"] == "https://bitloader.test/cart"
    assert (session["customer_email"], session["locale"]) == ("payer@example.test", "ru")
    assert abs(session["expires_at"] - timezone.now().timestamp() - 7200) < 60
    sent = lab.requests("checkout.sessions.create")[0]["params"]
    line = sent["line_items"]["0"] if isinstance(sent["line_items"], dict) else sent["line_items"][0]
    assert line["price_data"]["product_data"]["name"] == "Wireless Mouse"
    assert sent["payment_intent_data"]["capture_method"] == "manual"
    order = Order.objects.get()
    assert (order.payer_email, order.lang, order.captures_later) == ("payer@example.test", "ru", True)


def test_without_addresses_the_buyer_comes_back_to_our_own_page(open_checkout, lab, settings):
    session = session_of(lab, open_checkout())
    order = Order.objects.get()
    assert session["success_url"] == f"{settings.BASE_URL}/checkout/o/{order.token}/return"
    assert session["cancel_url"] == f"{settings.BASE_URL}/checkout/o/{order.token}"


def test_both_spellings_of_the_address_are_served(ask):
    assert ask("/stripe/checkout/", BODY).status_code == 200


@pytest.mark.parametrize("currency", ["usd", "USD", "uSd"])
def test_a_currency_may_be_written_in_any_case(ask, currency):
    assert ask("/stripe/checkout", {**BODY, "currency": currency}).json()["currency"] == "USD"


@pytest.mark.parametrize(("amount", "currency"), [(5000, "jpy"), (12_340, "kwd"), (50, "usd")])
def test_amounts_are_minor_units_of_the_currency(open_checkout, lab, amount, currency):
    made = open_checkout(amount=amount, currency=currency)
    assert session_of(lab, made)["amount_total"] == amount
    assert Order.objects.get().amount_minor == amount


def test_the_same_order_id_again_is_another_order_that_is_only_flagged(open_checkout):
    first, second = open_checkout(), open_checkout()
    assert first["order_id"] == second["order_id"] == "ORD123"
    assert first["payment_id"] != second["payment_id"]
    assert sorted(Order.objects.values_list("shares_external_id", flat=True)) == [False, True]


@pytest.mark.django_db(transaction=True)
def test_the_documents_own_curl_works_as_it_stands(live_server, lab, provider, key, settings):
    settings.BASE_URL = live_server.url
    curl = """curl -X POST https://api.yoursite.com/api/payments/stripe/checkout \\
  -H "Authorization: Bearer <your_token>" \\
  -H "Content-Type: application/json" \\
  -d '{
    "order_id": "ORD123",
    "amount": 5000,
    "currency": "usd"
  }'"""
    script = curl.replace("https://api.yoursite.com", live_server.url).replace("<your_token>", key)
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
    done = subprocess.run(["bash", "-ec", script], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert re.search(rf'"checkout_url":"{lab.url}/stripe/c/pay/cs_test_', done.stdout), done.stdout
    assert '"order_id":"ORD123"' in done.stdout


# --- Razorpay -------------------------------------------------------------------------------------------------------


def test_a_razorpay_order_comes_with_all_that_a_frontend_needs(ask, lab, razorpay, settings):
    answer = ask(
        "/razorpay/checkout",
        {"order_id": "order_rcptid_11", "amount": 50_000, "currency": "INR", "payment_capture": 1,
         "customer_email": "payer@example.test", "description": "A month of tea"},
    )  # fmt: skip

    assert answer.status_code == 200, answer.content
    made = answer.json()
    order = Order.objects.get()
    page = f"{settings.BASE_URL}/checkout/o/{order.token}"
    assert (made["checkout_url"], made["callback_url"]) == (page, f"{page}/return")
    assert made["key_id"] == "rzp_test_TheShopsOwnKey"
    assert (made["amount"], made["currency"], made["order_id"]) == (50_000, "INR", "order_rcptid_11")
    assert (made["name"], made["description"]) == ("Bitloader", "A month of tea")
    assert made["prefill"] == {"email": "payer@example.test"}
    assert (made["status"], made["livemode"], made["razorpay_payment_id"]) == ("pending", False, None)
    [row] = lab.control("/razorpay/orders", "GET")["orders"]
    assert (row["id"], row["amount"], row["captures"]) == (made["razorpay_order_id"], 50_000, True)
    assert "TheShopsKeySecret0001" not in answer.content.decode()


@pytest.mark.parametrize(
    ("said", "captures"),
    [
        ({}, True),
        ({"payment_capture": 1}, True),
        ({"payment_capture": True}, True),
        ({"payment_capture": 0}, False),
        ({"payment_capture": False}, False),
        ({"capture": "automatic"}, True),
        ({"capture": "manual"}, False),
        ({"capture": "manual", "payment_capture": 0}, False),
        ({"capture": None, "payment_capture": None}, True),
    ],
)
def test_who_captures_is_always_said_to_razorpay(open_checkout, lab, razorpay, said, captures):
    open_checkout("razorpay", **said)
    [row] = lab.control("/razorpay/orders", "GET")["orders"]
    assert row["captures"] is captures


@pytest.mark.parametrize("value", ["1", 2, -1, 0.5, "true", [1], {"a": 1}])
def test_a_payment_capture_that_is_neither_yes_nor_no_is_refused(ask, lab, razorpay, value):
    answer = ask("/razorpay/checkout", {**BODY, "currency": "INR", "payment_capture": value})
    refused(answer, 400, "invalid_request", "payment_capture must be 0 or 1")
    nothing_was_opened(lab, "razorpay")


def test_two_words_that_contradict_each_other_are_refused(ask, lab, razorpay):
    body = {**BODY, "currency": "INR", "payment_capture": 1, "capture": "manual"}
    refused(ask("/razorpay/checkout", body), 400, "invalid_request", "contradict")
    nothing_was_opened(lab, "razorpay")


# --- who asks -------------------------------------------------------------------------------------------------------

CALLS = [
    ("post", "/stripe/checkout"), ("post", "/stripe/refund"), ("post", "/stripe/capture"), ("get", "/stripe/status/x"),
    ("post", "/razorpay/checkout"), ("post", "/razorpay/verify"), ("post", "/razorpay/refund"),
    ("post", "/razorpay/capture"), ("get", "/razorpay/status/x"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("bearer", ["", "nobody", "provider_test_nobody", "sk_test_x"])
def test_a_wrong_key_is_told_before_anything_else(client, lab, provider, method, path, bearer):
    headers = {"Authorization": f"Bearer {bearer}"}
    if method == "get":
        answer = client.get(f"/api/payments{path}", headers=headers)
    else:
        answer = client.post(f"/api/payments{path}", b"{not json", content_type="application/json", headers=headers)
    refused(answer, 401, "invalid_key", "Invalid or inactive API key")
    nothing_was_opened(lab)


def test_an_inactive_providers_key_is_no_key(ask, provider, lab):
    type(provider).objects.filter(pk=provider.pk).update(status="inactive")
    refused(ask("/stripe/checkout", BODY), 401, "invalid_key")
    nothing_was_opened(lab)


def test_the_key_may_come_as_x_api_key(client, key):
    from tests.api.asking import send

    assert send(client, "/api/payments/stripe/checkout", BODY, headers={"x-api-key": key}).status_code == 200


# --- modes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processor", ["stripe", "razorpay"])
def test_a_key_of_the_mode_that_the_account_is_not_of_is_403(ask, lab, razorpay, provider, processor):
    live = make_key(provider, mode=Mode.LIVE)
    body = {**BODY, "currency": "INR" if processor == "razorpay" else "USD"}
    told = refused(ask(f"/{processor}/checkout", body, bearer=live), 403, "wrong_mode")
    assert told["error"].startswith("This is a live key, but the ") and "test one" in told["error"]
    nothing_was_opened(lab, processor)


def test_without_any_account_it_is_said_that_there_is_none(ask, lab, provider):
    refused(ask("/razorpay/checkout", {**BODY, "currency": "INR"}), 400, "method_not_available", "no Razorpay account")
    other = make_provider(with_account=False)
    refused(ask("/stripe/checkout", BODY, bearer=make_key(other)), 400, "method_not_available", "no Stripe account")
    nothing_was_opened(lab)


@pytest.mark.parametrize(("mode", "named"), [("test", "live"), ("live", "test")])
def test_an_id_that_names_the_other_mode_is_403(client, lab, provider, mode, named):
    headers = {"Authorization": f"Bearer {make_key(provider, mode=Mode(mode))}"}
    name = f"cs_{named}_a1b2c3"
    text = f"This is a {mode} key, but the id is of {named} mode"
    refused(client.get(f"/api/payments/stripe/status/{name}", headers=headers), 403, "wrong_mode", text)
    for path in ("refund", "capture"):
        for field in ("payment_intent", "session_id", "payment_id"):
            answer = client.post(
                f"/api/payments/stripe/{path}", f'{{"{field}": "{name}"}}', content_type="application/json",
                headers=headers,
            )  # fmt: skip
            refused(answer, 403, "wrong_mode", text)


# --- where buyers may be led ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["success_url", "cancel_url"])
@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://evil.test/thanks", "leads to https://evil.test, where your buyers may not be sent"),
        ("https://bitloader.test:8443/x", "leads to https://bitloader.test:8443"),
        ("http://bitloader.test/x", "leads to http://bitloader.test"),
        ("https://bitloader.test.evil.test/", "leads to"),
        ("https://bitloader.test@evil.test/", "user name"),
        ("https://{CHECKOUT_SESSION_ID}.bitloader.test/", "can stand in the path or the query only"),
        ("https://bitloader.test/#{CHECKOUT_SESSION_ID}", "can stand in the path or the query only"),
        ("https://bitloader.test/?order={orderId}", "only {CHECKOUT_SESSION_ID} is known"),
        ("https://bitloader.test/?x={CHECKOUT_SESSION_ID", "only {CHECKOUT_SESSION_ID} is known"),
        ("https://bitloader.test\\@evil.test/", "backslash"),
        ("javascript:alert(1)", "must begin with https://"),
        ("//bitloader.test/x", "must begin with https://"),
        ("/thanks", "must begin with https://"),
        ("https://bitloader.test/ x", "space"),
        ("https://bitloader.test/" + "x" * 990, "at most 1000"),
        ("https://bitloader.test/" + "я" * 400, "longer than 2000"),
        ("https://[bitloader.test/", "not an address"),
    ],
)
def test_buyers_are_sent_only_where_the_provider_allows(ask, lab, field, url, text):
    told = refused(ask("/stripe/checkout", {**BODY, field: url}), 400, "invalid_request", text)
    assert told["error"].startswith(field)
    nothing_was_opened(lab)


def test_an_origin_that_the_provider_lists_is_allowed_and_http_in_the_demo(open_checkout, provider, lab):
    type(provider).objects.filter(pk=provider.pk).update(allowed_origins="https://shop.test\nhttp://localhost:3000")
    for url in ("https://shop.test/a?b=c", "http://localhost:3000/thanks?id={CHECKOUT_SESSION_ID}"):
        assert session_of(lab, open_checkout(success_url=url))["success_url"] == url


def test_plain_http_is_refused_outside_the_demo(client, key, provider, lab, settings):
    type(provider).objects.filter(pk=provider.pk).update(allowed_origins="http://shop.test")
    settings.DEMO = False
    answer = client.post(
        "/api/payments/stripe/checkout", {**BODY, "success_url": "http://shop.test/x"},
        content_type="application/json", headers={"Authorization": f"Bearer {key}"}, secure=True,
    )  # fmt: skip
    refused(answer, 400, "invalid_request", "plain http is for the demo only")
    nothing_was_opened(lab)


def test_razorpays_page_is_ours_so_its_addresses_take_no_placeholder(ask, lab, razorpay):
    body = {**BODY, "currency": "INR", "success_url": "https://bitloader.test/{CHECKOUT_SESSION_ID}"}
    refused(ask("/razorpay/checkout", body), 400, "invalid_request", "takes none")
    nothing_was_opened(lab, "razorpay")


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"order_id": None}, "order_id is required"),
        ({"order_id": ""}, "order_id is required"),
        ({"order_id": "x" * 129}, "order_id must be at most 128"),
        ({"order_id": 5}, "order_id must be text"),
        ({"order_id": "a\0b"}, "order_id must not contain control"),
        ({"order_id": ["ORD"]}, "order_id must be text"),
        ({"amount": None}, "amount is required"),
        ({"amount": "5000"}, "amount must be a whole number"),
        ({"amount": True}, "amount must be a whole number"),
        ({"amount": 50.5}, "amount must be a whole number of minor units"),
        ({"amount": 0}, "amount must be at least 1"),
        ({"amount": -5000}, "amount must be at least 1"),
        ({"amount": 10**30}, "amount is too large"),
        ({"amount": {"value": 1}}, "amount must be a whole number"),
        ({"currency": None}, "currency is required"),
        ({"currency": "dollars"}, "currency must be an ISO 4217"),
        ({"currency": "XXQ"}, "currency must be an ISO 4217"),
        ({"currency": 840}, "currency must be an ISO 4217"),
        ({"description": "x" * 501}, "description must be at most 500"),
        ({"customer_email": "nobody"}, "customer_email must be an e-mail"),
        ({"lang": "de"}, "lang must be one of"),
        ({"capture": "later"}, "capture must be automatic or manual"),
        ({"capture": True}, "capture must be automatic or manual"),
        ({"expires_at": "tomorrow"}, "expires_at must be an ISO 8601 time"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at must be at least 5 minutes ahead"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at must be at most 24 hours ahead"),
        ({"success_url": 5}, "success_url must be text"),
    ],
)
def test_bad_input_is_named_and_opens_nothing(ask, lab, changed, text):
    refused(ask("/stripe/checkout", {**BODY, **changed}, once="k"), 400, "invalid_request", text)
    nothing_was_opened(lab)
    assert ask("/stripe/checkout", BODY, once="k").status_code == 200  # the key is free for a better request


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400), (b"[]", 400), (b"{", 400), (b"null", 400), (b'{"order_id": "\xff"}', 400),
        (b'{"amount": NaN}', 400), (b'{"amount": Infinity}', 400), (b"[" * 9000, 400),
        (b'{"order_id": "' + b"x" * 70_000 + b'"}', 413),
    ],
    ids=["empty", "list", "broken", "null", "not utf-8", "NaN", "Infinity", "nested", "long"],
)  # fmt: skip
def test_what_is_no_json_object_is_refused(ask, lab, raw, status):
    answer = ask("/stripe/checkout", raw)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    assert answer.json()["error"]
    assert status == 413 or answer.json()["code"] == "invalid_request"  # a long body is refused before any dialect
    nothing_was_opened(lab)


@pytest.mark.parametrize(
    ("processor", "amount", "currency", "text"),
    [
        ("stripe", 49, "usd", "Stripe takes at least 0.50 USD"),
        ("stripe", 100_000_000, "usd", "more than Stripe takes"),
        ("stripe", 12_345, "kwd", "exactly"),
        ("stripe", 5000, "ugx", "UGX is not taken"),
        ("razorpay", 99, "inr", "at least 1.00 INR"),
        ("razorpay", 5000, "uzs", "Razorpay takes no UZS"),
    ],
)
def test_an_amount_that_the_processor_does_not_take_is_named(ask, lab, razorpay, processor, amount, currency, text):
    answer = ask(f"/{processor}/checkout", {**BODY, "amount": amount, "currency": currency})
    refused(answer, 400, "amount_refused", text)
    nothing_was_opened(lab, processor)


def test_a_written_out_whole_number_is_the_same_number(ask):
    assert ask("/stripe/checkout", '{"order_id":"A","amount":5e3,"currency":"USD"}').json()["amount"] == 5000
    assert Order.objects.get().money.major == Decimal("50.00")


def test_unusual_names_are_kept_as_they_are(open_checkout, read):
    name = "заказ 🧾/№1?x=1#y"
    made = open_checkout(order_id=name)
    assert made["order_id"] == name
    assert read(f"/stripe/status/{made['payment_id']}").json()["order_id"] == name


# --- the same wish again ----------------------------------------------------------------------------------------


def test_the_same_key_and_body_answer_the_same_checkout(ask, lab):
    first, second = ask("/stripe/checkout", BODY, once="wish"), ask("/stripe/checkout", BODY, once="wish")
    assert first.content == second.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Order.objects.count() == len(lab.requests("checkout.sessions.create")) == 1


def test_a_key_for_repetitions_that_is_none_is_refused(ask, lab):
    refused(ask("/stripe/checkout", BODY, once="x" * 256), 400, "bad_idempotency_key", "Idempotency-Key must be")
    nothing_was_opened(lab)


def test_the_same_key_with_another_body_is_refused(ask, lab):
    ask("/stripe/checkout", BODY, once="wish")
    answer = ask("/stripe/checkout", {**BODY, "amount": 6000}, once="wish")
    refused(answer, 422, "idempotency_mismatch")
    assert Order.objects.count() == 1


def test_a_key_of_stripe_is_another_one_at_razorpay(ask, lab, razorpay):
    stripe = ask("/stripe/checkout", BODY, once="wish").json()
    other = ask("/razorpay/checkout", {**BODY, "currency": "INR"}, once="wish").json()
    assert stripe["payment_id"] != other["payment_id"]


def test_a_stranger_cannot_see_or_touch_a_payment(read, ask, open_checkout, lab, settings, razorpay):
    made, theirs = open_checkout(), open_checkout("razorpay")
    other = make_provider()
    with_razorpay(other, lab, settings)
    stranger = make_key(other)
    for processor, checkout in (("stripe", made), ("razorpay", theirs)):
        names = [checkout["payment_id"], checkout["hub_order_id"], checkout["order_id"]]
        for name in [*names, checkout.get("session_id") or checkout["razorpay_order_id"]]:
            refused(read(f"/{processor}/status/{name}", bearer=stranger), 404, "not_found", "Payment not found")
            for act in ("refund", "capture"):
                answer = ask(f"/{processor}/{act}", {"payment_id": name}, bearer=stranger)
                refused(answer, 404, "not_found", "Payment not found")
    assert set(Payment.objects.values_list("status", flat=True)) == {"pending"}


# --- limits ---------------------------------------------------------------------------------------------------------


def test_a_key_that_calls_too_often_is_429_in_this_dialects_form(read, ask, key, lab, settings):
    from providers.models import ApiKey

    settings.RATE_LIMIT_SCALE = 1
    ApiKey.objects.update(calls_per_minute=2)
    answers = [read("/stripe/status/nobody") for _ in range(3)] + [ask("/stripe/checkout", BODY)]
    assert [answer.status_code for answer in answers[:2]] == [404, 404]
    assert [answer.status_code for answer in answers[2:]] == [429, 429]
    refused(answers[-1], 429, "rate_limited", "Too many requests")
    assert int(answers[-1].headers["Retry-After"]) >= 1
    nothing_was_opened(lab)
