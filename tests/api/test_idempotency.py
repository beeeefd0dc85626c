import json
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from checkout import idempotency
from checkout.models import IdempotencyRecord, Order, OrderEvent
from gateway.types import Mode
from providers import keys
from providers.models import Service
from tests.api.asking import nothing_was_written, refused, send
from tests.builders import make_key, make_provider

PATH = "/api/create-payment-intent"
KEY = {"Idempotency-Key": "wish-1"}


def test_the_same_key_and_body_get_the_same_answer_to_the_byte(create):
    first = create(amount=100, externalId="ў", headers=KEY)
    again = create(amount=100, externalId="ў", headers=KEY)

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Content-Type"] == "application/json"
    assert (Order.objects.count(), OrderEvent.objects.count()) == (1, 1)


def test_the_order_of_fields_and_the_slash_at_the_end_do_not_matter(client, key):
    first = send(client, PATH, f'{{"apiKey": "{key}", "amount": 5, "lang": "ru"}}', headers=KEY)
    again = send(client, PATH + "/", f'{{"lang":"ru","amount":5,"apiKey":"{key}"}}', headers=KEY)

    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"


def test_another_body_under_the_same_key_is_422(create):
    first = create(amount=100, headers=KEY)

    refused(create(amount=105, headers=KEY), 422, "This Idempotency-Key was used with another body")
    assert create(amount=100, headers=KEY).content == first.content
    assert Order.objects.count() == 1


def test_a_rotated_api_key_does_not_make_it_another_body(client, provider, key):
    first = send(client, PATH, {"apiKey": key, "amount": 5}, headers=KEY)
    again = send(client, PATH, {"apiKey": make_key(provider), "amount": 5}, headers=KEY)
    in_header = send(client, PATH, {"amount": 5}, headers={**KEY, "x-api-key": key})

    assert first.content == again.content == in_header.content
    assert Order.objects.count() == 1


def test_providers_and_modes_have_their_own_keys(client, key, provider):
    other = make_key(make_provider())
    live = make_key(provider, mode=Mode.LIVE)

    first = send(client, PATH, {"apiKey": key}, headers=KEY)
    second = send(client, PATH, {"apiKey": other}, headers=KEY)
    third = send(client, PATH, {"apiKey": live}, headers=KEY)

    assert first.json()["orderId"] != second.json()["orderId"]
    assert third.status_code == 400  # no live account here: worked on, not said again
    assert not any("Idempotent-Replayed" in answer.headers for answer in (first, second, third))


def test_two_keys_make_two_orders(create):
    assert create(headers=KEY).json()["orderId"] != create(headers={"Idempotency-Key": "wish-2"}).json()["orderId"]


def test_calls_without_a_key_of_ours_have_no_memory(client, provider):
    body = {"serviceId": provider.service.slug}
    first, again = send(client, PATH, body, headers=KEY), send(client, PATH, body, headers=KEY)

    assert first.json()["orderId"] != again.json()["orderId"]
    assert IdempotencyRecord.objects.count() == 0


@pytest.mark.parametrize("name", ["", " ", "two words", "ключ", "é", "x" * 256, "tab\t"])
def test_a_key_that_is_none_is_refused(create, name):
    answer = create(headers={"Idempotency-Key": name.encode().decode("latin-1")})

    refused(answer, 400, "Idempotency-Key must be 1 to 255 visible ASCII characters")
    nothing_was_written()


def test_a_key_of_255_characters_is_taken(create):
    assert create(headers={"Idempotency-Key": "~" * 255}).status_code == 200


def test_a_refusal_after_the_input_was_good_is_said_again(create, provider):
    first = create(amount=7, headers=KEY)
    Service.objects.update(price_minor=700)
    again = create(amount=7, headers=KEY)

    refused(first, 400, "Amount must be a multiple of 5")
    assert (again.status_code, again.content) == (400, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    nothing_was_written()


def test_bad_input_is_forgotten_so_that_the_key_can_be_used_rightly(create):
    refused(create(amount="7", headers=KEY), 400, "amount must be a number")
    assert IdempotencyRecord.objects.count() == 0

    assert create(amount=10, headers=KEY).status_code == 200


def test_a_wrong_api_key_leaves_no_memory(client, key):
    refused(send(client, PATH, {"apiKey": "nobody"}, headers=KEY), 401, "Invalid or inactive API key")
    assert IdempotencyRecord.objects.count() == 0
    assert send(client, PATH, {"apiKey": key}, headers=KEY).status_code == 200


def test_an_old_answer_is_not_for_a_key_that_was_revoked(client, key, provider):
    send(client, PATH, {"apiKey": key}, headers=KEY)
    keys.revoke_key(key=provider.api_keys.get(), now=timezone.now())

    refused(send(client, PATH, {"apiKey": key}, headers=KEY), 401, "Invalid or inactive API key")


def test_an_expiry_that_has_passed_since_is_still_said_again(create, time_machine):
    body = {"expiresAt": (timezone.now() + timedelta(minutes=6)).isoformat()}
    first = create(headers=KEY, **body)
    time_machine.move_to(timezone.now() + timedelta(minutes=10))

    assert create(headers=KEY, **body).content == first.content


def test_after_a_day_the_key_names_a_new_wish(create, time_machine):
    first = create(headers=KEY)
    time_machine.move_to(timezone.now() + timedelta(hours=23, minutes=59))
    assert create(headers=KEY).content == first.content

    time_machine.move_to(timezone.now() + timedelta(minutes=2))
    other = create(amount=50, headers=KEY)

    assert other.json()["orderId"] != first.json()["orderId"]
    assert "Idempotent-Replayed" not in other.headers
    assert create(amount=50, headers=KEY).content == other.content
    assert IdempotencyRecord.objects.count() == 1


class Broken:
    """Lets the database fail once at the statement that starts so."""

    def __init__(self, start, table):
        self.start, self.table, self.done = start, table, False

    def __call__(self, execute, sql, params, many, context):
        if not self.done and sql.startswith(self.start) and self.table in sql:
            self.done = True
            raise OperationalError("gone")
        return execute(sql, params, many, context)


def test_a_500_is_not_said_again_and_the_retry_goes_through(create):
    with connection.execute_wrapper(Broken("INSERT", "checkout_orderevent")):
        refused(create(amount=5, headers=KEY), 500, "Server error")
    nothing_was_written()

    answer = create(amount=5, headers=KEY)
    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_after_the_order_was_made_leaves_a_retry_that_resumes_it(create, time_machine):
    # The order is there, the answer is not: as after a kill between the two.
    with connection.execute_wrapper(Broken("UPDATE", "checkout_idempotencyrecord")):
        refused(create(amount=5, headers=KEY), 500, "Server error")
    made = Order.objects.get()

    running = create(amount=5, headers=KEY)
    refused(running, 409, "A request with this Idempotency-Key is still running")
    assert running.headers["Retry-After"] == "1"

    time_machine.move_to(timezone.now() + idempotency.LEASE + timedelta(seconds=1))
    answer = create(amount=5, headers=KEY)
    assert answer.json()["orderId"] == str(made.pk)
    assert answer.json()["checkoutUrl"].endswith(made.token)
    assert (Order.objects.count(), OrderEvent.objects.count()) == (1, 1)
    assert create(amount=5, headers=KEY).content == answer.content


@pytest.mark.django_db(transaction=True)
def test_another_body_is_422_even_while_the_first_is_unfinished(create):
    with connection.execute_wrapper(Broken("UPDATE", "checkout_idempotencyrecord")):
        create(amount=5, headers=KEY)

    refused(create(amount=10, headers=KEY), 422, "This Idempotency-Key was used with another body")


def test_a_worker_that_outlived_its_lease_no_longer_speaks_for_the_key(db):
    now = timezone.now()
    wish = idempotency.Wish(owner="a", mode=Mode.TEST, method="POST", path="/x", key="k", body_digest="b")
    slow = idempotency.begin(wish, now=now)
    quick = idempotency.begin(wish, now=now + idempotency.LEASE + timedelta(seconds=1))
    assert quick.resource_id == slow.resource_id

    idempotency.keep(quick, idempotency.Answer(200, "{}"))
    idempotency.keep(slow, idempotency.Answer(500, "late"))
    idempotency.forget(slow)

    assert idempotency.begin(wish, now=now + timedelta(minutes=5)) == idempotency.Answer(200, "{}")


def test_answers_are_sealed_at_rest(create):
    order_id = create(headers=KEY).json()["orderId"]

    with connection.cursor() as cursor:
        cursor.execute("SELECT answer, key_digest, scope FROM checkout_idempotencyrecord")
        row = cursor.fetchone()
    assert row[0].startswith("v1.")
    assert order_id not in json.dumps(row)
    assert "wish-1" not in json.dumps(row)


def test_old_records_are_swept_away(create):
    create(headers=KEY)
    now = timezone.now()

    assert idempotency.delete_expired(now=now) == 0
    assert idempotency.delete_expired(now=now + timedelta(hours=25)) == 1
    assert IdempotencyRecord.objects.count() == 0
