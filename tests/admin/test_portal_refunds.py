"""A refund made in a processor's portal is written down with proof, by two people; nothing is sent."""

import pytest
from django.utils import timezone

from checkout.models import Order, Refund
from providers.models import AuditEntry
from tests.admin import selling

pytestmark = pytest.mark.django_db(transaction=True)
PROOF = "Refunded in the Payme Business cabinet on 20 November, number 4711, by Dilnoza"


@pytest.fixture
def paid(client):
    provider = selling.make_marketplace()
    selling.register(provider)
    return selling.pay(client, selling.invoice(provider), "65f0000000000000000000b1")


def address(order):
    return f"/admin/checkout/order/{order.pk}/payments/{order.paid_by_id}/refund-in-portal/"


def record(somebody, order, **more):
    page = somebody.get(address(order)).content.decode()
    wish = page.split('name="wish" value="')[1].split('"')[0]
    form = {"amount": "10000.00", "proof": PROOF, "number": "4711", "wish": wish, **more}
    return somebody.client.post(address(order), form, follow=True)


def test_two_people_record_it_and_the_order_is_refunded(person, paid):
    boris, clara = person("boris", "finance"), person("clara", "finance")
    before = paid.amount_minor
    answer = record(boris, paid, amount=f"{before / 100:.2f}")
    assert "Somebody else has to approve it" in answer.content.decode()
    refund = Refund.objects.get()
    assert (refund.status, refund.is_external, refund.proof) == ("proposed", True, PROOF)
    assert Order.objects.get(pk=paid.pk).status == "paid"
    assert AuditEntry.objects.filter(act="portal_refund_recorded").count() == 1

    approval = f"/admin/providers/approval/{refund.approval_id}/change/"
    boris.client.post(approval, {"decision": "approve"}, follow=True)
    assert Refund.objects.get().status == "proposed"  # one's own wish is not one's own to approve

    from checkout import refunds
    from checkout.errors import SamePerson

    with pytest.raises(SamePerson):
        refunds.approve_refund(refund_id=refund.pk, actor=boris.user, now=timezone.now())
    refunds.approve_refund(refund_id=refund.pk, actor=clara.user, now=timezone.now())
    refund.refresh_from_db()
    order = Order.objects.get(pk=paid.pk)
    assert (refund.status, refund.processor_ref, order.status) == ("succeeded", "4711", "refunded")


def test_what_is_recorded_is_reserved_and_never_more_than_what_was_taken(person, paid):
    boris = person("boris", "finance")
    record(boris, paid, amount=f"{paid.amount_minor / 100 - 1:.2f}")
    answer = record(boris, paid, amount="2.00", number="")
    assert "Nothing was changed" in answer.content.decode()
    assert Refund.objects.count() == 1


def test_the_same_form_sent_twice_records_one(person, paid):
    boris = person("boris", "finance")
    record(boris, paid, amount="10.00", wish="once")
    record(boris, paid, amount="10.00", wish="once")
    assert Refund.objects.count() == 1


@pytest.mark.parametrize("proof", ["", "done", "   short   "])
def test_without_proof_nothing_is_recorded(person, paid, proof):
    record(person("boris", "finance"), paid, proof=proof)
    assert not Refund.objects.exists()


def test_support_may_not_record_one(person, paid):
    answer = person("vera", "support").client.get(address(paid))
    assert answer.status_code == 403
    assert not Refund.objects.exists()
