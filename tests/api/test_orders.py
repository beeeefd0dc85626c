import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from checkout import payments, transitions
from checkout.models import Payment, Refund
from gateway.types import Mode
from providers import keys
from providers.models import Provider
from tests.api.asking import refused, send
from tests.builders import make_key, make_order, make_paid_order, make_provider, start_payment

INVALID = "Invalid or inactive API key"


def url(order, act=""):
    return f"/api/orders/{order.pk}{act}"


def test_an_order_is_told_in_full(api, provider):
    order = make_order(provider, external_id="A-1")

    answer = api("GET", url(order))

    assert answer.status_code == 200
    assert answer.json() == {
        "orderId": str(order.pk),
        "externalId": "A-1",
        "status": "created",
        "amount": 100,
        "currency": "USD",
        "quantity": 20,
        "serviceId": str(provider.service_id),
        "serviceName": "Premium Credits",
        "checkoutUrl": f"http://127.0.0.1:8000/checkout/o/{order.token}",
        "createdAt": order.created_at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{order.created_at.microsecond // 1000:03}Z",
        "expiresAt": order.expires_at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{order.expires_at.microsecond // 1000:03}Z",
        "paidAt": None,
        "refundedAmount": 0,
        "livemode": False,
        "stripePaymentIntentId": None,
        "failure": None,
        "refunds": [],
    }
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_trailing_slash_is_served_too(api, provider):
    order = make_order(provider)
    assert api("GET", url(order, "/")).status_code == 200
    assert api("GET", "/api/orders/").status_code == 200
    assert api("POST", url(order, "/cancel/")).status_code == 200


def test_a_bearer_token_is_as_good(client, provider, key):
    answer = client.get(url(make_order(provider)), headers={"Authorization": f"bearer {key}"})
    assert answer.status_code == 200


def test_a_paid_order_says_when_and_by_which_payment_intent(api, client, lab, provider):
    order = make_paid_order(lab, client, provider)

    told = api("GET", url(order)).json()

    assert told["status"] == "paid"
    assert told["paidAt"] is not None
    assert told["stripePaymentIntentId"] == order.paid_by.processor_ref


def test_a_failed_order_says_what_the_buyer_can_do(api, client, lab, provider):
    order = make_order(provider)
    payment = start_payment(order)
    lab.act(payment.processor_ref, "decline")
    payments.schedule_question(order_id=order.pk, now=timezone.now())
    payments.ask_due_payments(now=timezone.now())

    told = api("GET", url(order)).json()

    assert told["status"] == "failed"
    assert told["failure"]["code"]
    assert told["failure"]["message"].endswith(".")


def test_reading_an_open_order_only_brings_the_question_forward(api, lab, provider):
    order = make_order(provider)
    payment = start_payment(order)
    asked = len(lab.requests())

    assert api("GET", url(order)).json()["status"] == "pending"

    payment.refresh_from_db()
    assert payment.next_ask_at <= timezone.now()
    assert len(lab.requests()) == asked


def test_the_mode_of_the_key_and_its_provider_bound_what_is_seen(client, api, provider):
    others = make_order(make_provider())
    live_key = make_key(provider, mode=Mode.LIVE)

    refused(api("GET", url(others)), 404, "Order not found")
    refused(client.get(url(make_order(provider)), headers={"x-api-key": live_key}), 404, "Order not found")


@pytest.mark.parametrize(
    "order_id", ["x", "0", "tok_abc", "%00", "0" * 32, "00000000-0000-0000-0000-00000000000g", "é", "1" * 500]
)
@pytest.mark.parametrize("act", ["", "/cancel", "/refund"])
def test_a_malformed_id_is_an_order_that_is_not_there(api, order_id, act):
    refused(api("POST" if act else "GET", f"/api/orders/{order_id}{act}"), 404, "Order not found")


@pytest.mark.parametrize("act", ["", "/cancel", "/refund"])
@pytest.mark.parametrize(
    "headers", [{}, {"x-api-key": "nobody"}, {"Authorization": "Basic abc"}, {"x-api-key": "ключ"}, {"x-api-key": ""}]
)
def test_without_a_good_key_nothing_is_told_or_done(client, provider, act, headers):
    order = make_order(provider)
    headers = {name: value.encode().decode("latin-1") for name, value in headers.items()}

    answer = send(client, url(order, act), {}, headers=headers) if act else client.get(url(order), headers=headers)

    refused(answer, 401, INVALID)
    order.refresh_from_db()
    assert order.status == "created"


def test_a_key_in_the_address_is_refused(client, key, provider):
    answer = client.get(url(make_order(provider)), {"api_key": key}, headers={"x-api-key": key})
    refused(answer, 400, "API keys are not accepted in the address: use a header or the body")


# --- lists ---------------------------------------------------------------------------------------------------------


def test_orders_are_found_by_external_id_newest_first(api, provider):
    first, second = make_order(provider, external_id="A"), make_order(provider, external_id="A")
    make_order(provider, external_id="B")
    make_order(make_provider(), external_id="A")

    answer = api("GET", "/api/orders", externalId="A")

    assert [order["orderId"] for order in answer.json()["orders"]] == [str(second.pk), str(first.pk)]
    assert answer.json()["nextCursor"] is None


def test_an_external_id_that_nobody_used_gives_an_empty_list(api):
    assert api("GET", "/api/orders", externalId="nobody's").json() == {"orders": [], "nextCursor": None}


def test_pages_follow_each_other_without_a_gap_or_a_repeat(api, provider):
    now = timezone.now()
    # Two of them at the very same moment.
    made = [make_order(provider, now=now - timedelta(seconds=second)) for second in (0, 1, 1, 2, 3)]

    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = api("GET", "/api/orders", **query).json()
        seen += [order["orderId"] for order in page["orders"]]
        cursor, pages = page["nextCursor"], pages + 1

    assert pages == 3
    assert len(seen) == len(set(seen)) == 5
    assert set(seen) == {str(order.pk) for order in made}
    assert seen[0] == str(made[0].pk)
    assert seen[-1] == str(made[-1].pk)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"limit": "0"}, "limit must be a whole number from 1 to 100"),
        ({"limit": "101"}, "limit must be a whole number from 1 to 100"),
        ({"limit": "x"}, "limit must be a whole number from 1 to 100"),
        ({"limit": "-1"}, "limit must be a whole number from 1 to 100"),
        ({"limit": "²"}, "limit must be a whole number from 1 to 100"),
        ({"limit": ""}, "limit must be a whole number from 1 to 100"),
        ({"cursor": "x"}, "cursor is not one of ours: take it from nextCursor as it is"),
        ({"cursor": "é"}, "cursor is not one of ours: take it from nextCursor as it is"),
        ({"cursor": "A" * 4000}, "cursor is not one of ours: take it from nextCursor as it is"),
        ({"cursor": "MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMC8wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA"},
         "cursor is not one of ours: take it from nextCursor as it is"),
        ({"externalId": ""}, "externalId must be 1 to 128 characters long"),
        ({"externalId": "x" * 129}, "externalId must be 1 to 128 characters long"),
        ({"externalId": "a\0"}, "externalId must be 1 to 128 characters long"),
    ],
)  # fmt: skip
def test_a_wrong_query_is_refused(api, query, text):
    refused(api("GET", "/api/orders", **query), 400, text)


def test_reading_takes_a_known_number_of_queries(api, provider, django_assert_num_queries):
    orders = [make_order(provider) for _ in range(5)]
    for order in orders[:3]:
        start_payment(order)
    api("GET", "/api/orders")

    with django_assert_num_queries(4):  # the key, the orders, their payments, the refunds of these
        assert len(api("GET", "/api/orders").json()["orders"]) == 5
    with django_assert_num_queries(5):  # the key, the order, the question, the payments, their refunds
        api("GET", url(orders[0]))


# --- cancel --------------------------------------------------------------------------------------------------------


def test_an_unpaid_order_can_be_cancelled_and_cancelled_again(api, provider):
    order = make_order(provider)

    first, second = api("POST", url(order, "/cancel")), api("POST", url(order, "/cancel"), {"any": "thing"})

    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert second.json() == first.json()
    assert [event.kind for event in order.events.all()] == ["order_created", "order_cancelled"]
    assert order.events.last().cause.startswith("api key provider_test_")


def test_cancelling_ends_the_open_payment_at_the_processor_first(api, lab, provider):
    order = make_order(provider)
    payment = start_payment(order)

    assert api("POST", url(order, "/cancel")).json()["status"] == "cancelled"

    assert lab.payment(payment.processor_ref)["status"] == "canceled"


def test_a_paid_order_cannot_be_cancelled(api, client, lab, provider):
    order = make_paid_order(lab, client, provider)

    refused(api("POST", url(order, "/cancel")), 409, "Order is already paid")
    order.refresh_from_db()
    assert order.status == "paid"


def test_an_order_that_was_just_paid_there_is_found_paid_when_it_is_cancelled(api, lab, provider):
    order = make_order(provider)
    lab.act(start_payment(order).processor_ref, "approve")

    refused(api("POST", url(order, "/cancel")), 409, "Order is already paid")
    order.refresh_from_db()
    assert order.status == "paid"


def test_an_order_whose_payment_nobody_can_end_is_still_processing(api, lab, provider):
    order = make_order(provider)
    start_payment(order)
    lab.fault("503", times=5, match={"operation": "payment_intents.cancel"})

    answer = api("POST", url(order, "/cancel"))

    refused(answer, 409, "Order is still processing")
    order.refresh_from_db()
    assert order.status in ("pending", "processing")


def test_another_s_order_cannot_be_cancelled(api):
    order = make_order(make_provider())
    refused(api("POST", url(order, "/cancel")), 404, "Order not found")
    order.refresh_from_db()
    assert order.status == "created"


def test_a_cancel_with_a_broken_body_changes_nothing(api, provider):
    order = make_order(provider)
    assert api("POST", url(order, "/cancel"), "{").status_code == 400
    order.refresh_from_db()
    assert order.status == "created"


# --- refund --------------------------------------------------------------------------------------------------------


def test_all_of_a_paid_order_goes_back(api, client, lab, provider):
    order = make_paid_order(lab, client, provider)

    answer = api("POST", url(order, "/refund"), {"reason": "changed her mind"})

    refund = Refund.objects.get()
    told = answer.json()
    assert answer.status_code in (200, 202)
    assert {name: told[name] for name in ("refundId", "orderId", "amount", "currency", "reason")} == {
        "refundId": str(refund.pk), "orderId": str(order.pk), "amount": 100, "currency": "USD",
        "reason": "changed her mind",
    }  # fmt: skip
    assert told["status"] == ("succeeded" if answer.status_code == 200 else "pending")


def test_parts_go_back_until_nothing_is_left(api, client, lab, provider):
    order = make_paid_order(lab, client, provider)

    assert api("POST", url(order, "/refund"), '{"amount": 33.33}').json()["amount"] == 33.33
    refused(api("POST", url(order, "/refund"), {"amount": 66.68}), 400, "At most 66.67 USD can be refunded")
    assert api("POST", url(order, "/refund")).json()["amount"] == 66.67
    refused(api("POST", url(order, "/refund")), 409, "Nothing is left to refund")
    assert sorted(Refund.objects.values_list("amount_minor", flat=True)) == [3333, 6667]
    assert [refund["amount"] for refund in api("GET", url(order)).json()["refunds"]] == [33.33, 66.67]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "amount must be more than zero"),
        ("-1", "amount must be more than zero"),
        ("0.001", "amount has too many decimals: USD has at most 2 decimals"),
        ('"5"', "amount must be a number"),
        ("true", "amount must be a number"),
        ("1e300", "amount is too large"),
        ("100.01", "At most 100.00 USD can be refunded"),
    ],
)
def test_a_wrong_refund_is_refused_and_reserves_nothing(api, client, lab, provider, amount, text):
    order = make_paid_order(lab, client, provider)

    refused(api("POST", url(order, "/refund"), f'{{"amount": {amount}}}'), 400, text)
    assert Refund.objects.count() == 0
    assert lab.refunds() == []


def test_an_unpaid_order_has_nothing_to_refund(api, provider):
    refused(api("POST", url(make_order(provider), "/refund")), 409, "The order is not paid")
    assert Refund.objects.count() == 0


def test_another_s_order_cannot_be_refunded(api, client, lab):
    order = make_paid_order(lab, client, make_provider())
    refused(api("POST", url(order, "/refund")), 404, "Order not found")
    assert Refund.objects.count() == 0


def test_the_same_refund_key_sends_money_back_once(api, client, lab, provider):
    order = make_paid_order(lab, client, provider)
    headers = {"Idempotency-Key": "refund-1"}

    first = api("POST", url(order, "/refund"), {"amount": 20}, headers=headers)
    again = api("POST", url(order, "/refund"), {"amount": 20}, headers=headers)
    other = api("POST", url(order, "/refund"), {"amount": 30}, headers=headers)

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    refused(other, 422, "This Idempotency-Key was used with another body")
    assert Refund.objects.count() == len(lab.refunds()) == 1


def test_a_refund_that_the_processor_refuses_is_told_and_gives_its_amount_free(api, client, lab, provider):
    order = make_paid_order(lab, client, provider)
    Payment.objects.filter(pk=order.paid_by_id).update(processor_ref="pi_nobody_knows")

    refused(api("POST", url(order, "/refund")), 409, "The processor refused the refund; no money went back")

    told = api("GET", url(order)).json()
    assert (told["status"], told["refundedAmount"]) == ("paid", 0)
    assert [refund["status"] for refund in told["refunds"]] == ["failed"]


def test_a_revoked_key_and_an_inactive_provider_are_shut_out(api, provider, key):
    order = make_order(provider)
    Provider.objects.filter(pk=provider.pk).update(status="inactive")
    refused(api("GET", url(order)), 401, INVALID)
    Provider.objects.filter(pk=provider.pk).update(status="active")
    keys.revoke_key(key=provider.api_keys.get(), now=timezone.now())
    refused(api("GET", url(order)), 401, INVALID)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/orders", "GET, HEAD"),
        ("POST", "/api/orders/x", "GET, HEAD"),
        ("GET", "/api/orders/x/cancel", "POST"),
        ("GET", "/api/orders/x/refund", "POST"),
    ],
)
def test_another_method_is_405(client, db, method, path, allowed):
    answer = client.generic(method, path)
    refused(answer, 405, f'Method "{method}" not allowed')
    assert sorted(answer.headers["Allow"].split(", ")) == sorted(allowed.split(", "))


def test_an_order_under_review_looks_like_processing_to_everybody_outside(api, client, lab, provider):
    order = make_order(provider)
    payment = start_payment(order)
    with transaction.atomic():
        locked = transitions.lock_payment(payment.pk)
        transitions.put_under_review(locked, reason="less", reported=None, cause="test", now=timezone.now())

    assert api("GET", url(order)).json()["status"] == "processing"
    assert json.dumps(api("GET", url(order)).json()).count("review") == 0
