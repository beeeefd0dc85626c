"""The same wish again: with an Idempotency-Key, after faults on the way, and after a clear no."""

import pytest

from checkout.models import Order, Payment
from tests.api.payment_token.test_token import refused
from tests.builders import later, make_key, make_provider
from tests.token_shop import WISH, asked_of, with_secure_processor

pytestmark = pytest.mark.django_db
CREATE = {"operation": "checkouts.create"}


def checkouts(lab):
    return lab.control("/secure_processor/checkouts", "GET")["checkouts"]


def test_the_same_key_and_body_get_the_same_token(ask, lab):
    first, again = ask(once="order-1"), ask(once="order-1")
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert (Order.objects.count(), Payment.objects.count(), len(checkouts(lab))) == (1, 1, 1)


def test_another_body_under_the_same_key_is_422(ask, lab):
    ask(once="order-1")
    refused(ask({**WISH, "amountCents": 2000}, once="order-1"), 422)
    assert (Order.objects.count(), len(checkouts(lab))) == (1, 1)


def test_another_providers_same_key_is_another_wish(ask, lab, settings):
    other = make_provider(with_account=False)
    with_secure_processor(other, lab, settings)
    first = ask(once="order-1").json()
    second = ask(once="order-1", bearer=make_key(other)).json()
    assert first["token"] != second["token"] and len(checkouts(lab)) == 2


def test_bad_input_is_not_kept_under_the_key(ask, lab):
    refused(ask({**WISH, "amountCents": 0}, once="order-1"), 400)
    assert ask(once="order-1").status_code == 200
    assert len(checkouts(lab)) == 1


@pytest.mark.parametrize("once", ["", "x" * 256, "a b\tc"], ids=["empty", "long", "tab"])
def test_a_key_that_cannot_be_one_is_refused(ask, lab, once):
    answer = ask(headers={"Idempotency-Key": once})
    refused(answer, 400)
    assert (Order.objects.count(), len(checkouts(lab))) == (0, 0)


# --- no clear answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after", "reset_before", "reset_after", "500"])
def test_after_no_clear_answer_the_same_key_goes_on_with_the_same_order(ask, read, lab, kind):
    lab.fault(kind, match=CREATE, **({"seconds": 0.3} if kind.startswith("timeout") else {}))
    refused(ask(once="wish"), 502, "the same Idempotency-Key")
    order = Order.objects.get()
    assert (order.status in ("created", "pending", "processing"), Payment.objects.get().status) == (True, "unknown")
    assert read(order.code).json()["checkout"] == {"token": None, "url": None}

    refused(ask(once="wish"), 502)  # too soon to be sure that it never happened: nothing is sent again
    assert len(asked_of(lab, "checkouts.create")) == 1
    assert [row["operation"] for row in asked_of(lab, "transactions.list")] == ["transactions.list"]

    Payment.objects.update(created_at=later(seconds=-31), next_ask_at=later(seconds=-1), last_asked_at=None)
    made = ask(once="wish")
    assert made.status_code == 200, made.content
    assert made.json()["token"] == Order.objects.get().code
    # Whatever was made before, nobody was told its token: only one can ever be paid, and ours is known there.
    assert sorted(Payment.objects.values_list("status", flat=True)) == ["error", "pending"]
    assert len(checkouts(lab)) == (2 if kind.endswith("_after") else 1)
    assert made.json()["checkout"]["token"] in {row["token"] for row in checkouts(lab)}
    assert ask(once="wish").json() == made.json()
    assert len(asked_of(lab, "checkouts.create")) == 2


@pytest.mark.parametrize("kind", ["503", "html_200", "redirect", "429"])
def test_a_processor_in_trouble_is_a_502_and_the_same_key_goes_on(ask, lab, kind):
    lab.fault(kind, match=CREATE)
    first = ask(once="wish")
    assert first.status_code in (502, 503, 429), first.content
    assert "error" in first.json()
    Payment.objects.update(created_at=later(seconds=-31), next_ask_at=later(seconds=-1), last_asked_at=None)
    made = ask(once="wish")
    assert made.status_code == 200, made.content
    assert (Order.objects.count(), len(checkouts(lab))) == (1, 1)


def test_a_refusal_at_once_is_402_and_told_again(ask, lab):
    lab.fault("402", match=CREATE)
    text = refused(ask(once="wish"), 402)
    again = ask(once="wish")
    assert (refused(again, 402), again.headers["Idempotent-Replayed"]) == (text, "true")
    assert len(asked_of(lab, "checkouts.create")) == 1


def test_a_shop_with_a_wrong_secret_is_told_as_such(ask, lab):
    from tests.gateway.secure_processor_book import PRIVATE, SHOP_ID, pem_of

    lab.control("/secure_processor/accounts", shopId=SHOP_ID, secretKey="rotated", privateKey=pem_of(PRIVATE))
    answer = ask(once="wish")
    assert answer.status_code in (400, 502) and "error" in answer.json(), answer.content
    assert checkouts(lab) == []


def test_another_path_is_tried_where_the_configured_one_is_unknown(ask, lab, provider, settings):
    with_secure_processor(provider, lab, settings, token_path="/api/checkouts")
    assert ask().status_code == 200
    assert len(checkouts(lab)) == 1
