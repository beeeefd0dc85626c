"""What a seller who knows his own webhook secret can do to another one: nothing."""

import pytest
from django.utils import timezone

from checkout.models import CallbackRecord, Payment
from gateway.types import Mode
from providers import accounts
from tests.builders import callback, make_key, make_provider

pytestmark = pytest.mark.django_db(transaction=True)
RIVAL_KEY, RIVAL_SECRET = "sk_test_" + "51a1" * 6, "whsec_" + "cml2YWwgb2YgdGhlIHRlc3Rz"


@pytest.fixture
def rival(lab):
    """Another seller with an account of his own at the lab; his key."""
    lab.control("/stripe/accounts", secret_key=RIVAL_KEY, country="US")
    provider = make_provider(with_account=False)
    credentials = {"secretKey": RIVAL_KEY, "webhookSecret": RIVAL_SECRET}
    accounts.save_credentials(
        provider=provider, processor="stripe", mode=Mode.TEST, credentials=credentials, now=timezone.now()
    )
    return make_key(provider)


@pytest.fixture
def claim(ask, rival, lab, client):
    """The rival has an older payment; later he says, signed with his own secret, that `taken` took its money."""
    body = {"order_id": "HIS-1", "amount": 5000, "currency": "usd"}
    answer = ask("/stripe/checkout", body, bearer=rival)
    assert answer.status_code == 200, answer.content
    made = answer.json()

    def forge(event, taken):
        session = {**event["data"]["object"], "id": made["session_id"], "payment_intent": taken}
        session["metadata"] = {**session["metadata"], "paymentId": made["payment_id"]}
        event = {**event, "id": "evt_forged", "data": {"object": session}}
        assert callback(client, event, secret=RIVAL_SECRET).status_code == 200
        mine = Payment.objects.get(pk=made["payment_id"])
        assert mine.capture_ref == taken
        return mine

    return forge


def test_a_sellers_news_comes_through_though_another_wrote_its_id_on_a_payment_of_his(
    claim, paid_checkout, lab, client
):
    made = paid_checkout()
    victim = Payment.objects.get(pk=made["payment_id"])
    mine = claim(lab.events("checkout.session.completed")[0], victim.capture_ref)
    assert mine.pk < victim.pk  # whoever looks for one payment by that id meets this one first

    lab.control(f"/stripe/payments/{victim.capture_ref}/dispute")
    assert callback(client, lab.events("charge.dispute.created")[0]).status_code == 200
    victim.refresh_from_db()
    mine.refresh_from_db()
    assert (victim.is_disputed, mine.is_disputed) == (True, False)
    record = CallbackRecord.objects.order_by("-received_at").first()
    assert (record.verdict, record.payment_id, record.account_id) == ("applied", victim.pk, victim.account_id)


def test_a_seller_can_say_nothing_about_anothers_payment(claim, paid_checkout, lab, client):
    victim = Payment.objects.get(pk=paid_checkout()["payment_id"])
    mine = claim(lab.events("checkout.session.completed")[0], victim.capture_ref)
    lab.control(f"/stripe/payments/{victim.capture_ref}/dispute")
    assert callback(client, lab.events("charge.dispute.created")[0], secret=RIVAL_SECRET).status_code == 200
    victim.refresh_from_db()
    mine.refresh_from_db()
    assert (victim.is_disputed, mine.is_disputed) == (False, True)


def test_a_seller_cannot_have_anothers_checkout_paid(rival, open_checkout, lab, client):
    made = open_checkout()
    lab.act(made["session_id"], "approve")
    event = lab.events("checkout.session.completed")[0]
    assert callback(client, event, secret=RIVAL_SECRET).status_code == 400
    nameless = {**event["data"]["object"], "metadata": {}}
    event = {**event, "data": {"object": nameless}}
    assert callback(client, event, secret=RIVAL_SECRET).status_code == 200  # verified, of a payment he does not have
    assert CallbackRecord.objects.order_by("-received_at").first().verdict == "unknown_reference"
    found = Payment.objects.get(pk=made["payment_id"])
    assert (found.status, found.captured_minor, found.order.status) == ("pending", 0, "pending")
    assert Payment.objects.count() == 1
