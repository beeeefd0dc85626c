"""The document's own words, bodies and rows, and what a stranger's client makes of them."""

import pytest

from checkout.models import CallbackRecord, Order, Payment
from tests.api.payment_token.test_token import nothing_was_opened, refused
from tests.gateway.secure_processor_book import callback

pytestmark = pytest.mark.django_db


@pytest.fixture
def tell(client):
    """Signed as the real one does."""

    def post(body):
        made = callback(body)
        answer = client.post(
            "/api/payments/secure-processor/webhook",
            made.body,
            content_type="application/json",
            headers={name: value for name, value in made.headers.items() if name != "content-type"},
        )
        assert answer.status_code == 200, answer.content
        return answer.json()

    return post


def expired(made):
    payment = Payment.objects.get()
    return {
        "a transaction": {
            "transaction": {
                "uid": "1-expired", "status": "expired", "type": "payment", "amount": 1999, "currency": "EUR",
                "tracking_id": str(payment.pk), "test": True,
            }
        },
        "a checkout": {
            "token": made["checkout"]["token"], "status": "expired", "test": True, "gateway_response": None,
            "order": {"amount": 1999, "currency": "EUR", "tracking_id": str(payment.pk)},
        },
        "flat": {"payment_token_id": made["token"], "status": "expired", "uid": "gateway_uid"},
    }  # fmt: skip


@pytest.mark.parametrize("shape", ["a transaction", "a checkout", "flat"])
def test_a_token_that_the_processor_let_expire_is_told_as_expired(ask, read, tell, shape):
    made = ask().json()
    assert tell(expired(made)[shape]) == {"received": True}
    told = read(made["token"]).json()
    assert (told["status"], told["paidAt"]) == ("EXPIRED", None)
    assert Order.objects.get().paid_at is None


def test_money_after_the_expiry_wins(ask, read, tell):
    made = ask().json()
    bodies = expired(made)
    tell(bodies["a checkout"])
    paid = bodies["a transaction"]["transaction"] | {"status": "successful", "uid": "1-late"}
    tell({"transaction": paid})
    assert read(made["token"]).json()["status"] == "SUCCESSFUL"


def test_a_flat_callback_that_names_the_uid_alone_finds_its_payment_by_asking(ask, read, tell, lab):
    made, other = ask().json(), ask(once="another").json()
    lab.control(f"/secure_processor/checkouts/{made['checkout']['token']}/act", outcome="approve")
    [uid] = [row["uid"] for row in lab.control("/secure_processor/transactions", "GET")["transactions"]]

    assert tell({"status": "successful", "uid": uid}) == {"received": True}
    assert read(made["token"]).json()["status"] == "SUCCESSFUL"
    assert read(other["token"]).json()["status"] == "PENDING"
    assert tell({"status": "successful", "uid": uid}) == {"received": True}
    assert Order.objects.get(code=made["token"]).events.filter(kind="paid").count() == 1


def test_a_flat_callback_with_a_uid_that_nobody_knows_moves_nothing(ask, read, tell):
    made = ask().json()
    tell({"status": "successful", "uid": "gateway_uid"})
    assert CallbackRecord.objects.get().verdict == "unknown_reference"
    assert read(made["token"]).json()["status"] == "PENDING"


@pytest.mark.parametrize("nothing", ["", "  "], ids=["empty", "blanks"])
def test_what_is_paid_for_must_be_said(ask, lab, nothing):
    refused(ask({"itemType": nothing}), 400, "itemType is required")
    nothing_was_opened(lab)
