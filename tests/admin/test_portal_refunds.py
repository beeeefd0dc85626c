"""A refund made in a processor's portal is written down with proof, by two people; nothing is sent."""

import pytest
from django.utils import timezone

from checkout import refunds
from checkout.errors import NotWaiting, SamePerson
from checkout.models import Order, Refund
from providers.models import Approval, AuditEntry
from tests.admin import selling
from tests.checkout.test_asking import payme

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


def test_the_same_form_with_other_content_is_refused_and_changes_nothing(person, paid):
    boris = person("boris", "finance")
    record(boris, paid, amount="10.00", wish="once")
    for other in (
        {"amount": "20.00"},
        {"amount": "10.00", "number": "4712"},
        {"amount": "10.00", "proof": PROOF + "!"},
    ):
        answer = record(boris, paid, wish="once", **other).content.decode()
        assert "Nothing was changed" in answer and "Recorded" not in answer
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.processor_ref, refund.proof) == (1000, "4711", PROOF)


@pytest.mark.parametrize("amount", ["10.00", "10000.00"], ids=["a part", "all of it"])
def test_the_processors_own_cancel_goes_before_a_record_that_waits_for_its_second_person(client, person, paid, amount):
    boris, clara = person("boris", "finance"), person("clara", "finance")
    record(boris, paid, amount=amount)
    proposed = Refund.objects.get()
    selling.give_back(client, "65f0000000000000000000b1")

    order = Order.objects.get(pk=paid.pk)
    assert (order.status, order.refunded_minor) == ("refunded", paid.amount_minor)
    assert [refund.amount_minor for refund in Refund.objects.filter(status="succeeded")] == [paid.amount_minor]
    proposed.refresh_from_db()
    assert (proposed.status, proposed.failure_message) == (
        "cancelled", "the processor sends the payment back itself"
    )  # fmt: skip
    assert Approval.objects.get(pk=proposed.approval_id).state == "withdrawn"
    assert "the processor sends the payment back itself" in clara.get(selling.page_of(paid)).content.decode()
    with pytest.raises(NotWaiting):
        refunds.approve_refund(refund_id=proposed.pk, actor=clara.user, now=timezone.now())
    assert Order.objects.get(pk=paid.pk).refunded_minor == paid.amount_minor


def test_a_record_that_was_approved_still_keeps_the_processor_from_sending_it_back_again(client, person, paid):
    boris, clara = person("boris", "finance"), person("clara", "finance")
    record(boris, paid, amount="10.00")
    refunds.approve_refund(refund_id=Refund.objects.get().pk, actor=clara.user, now=timezone.now())
    record(boris, paid, amount="20.00", number="4712")
    answer = payme(client, "CancelTransaction", id="65f0000000000000000000b1", reason=5)
    assert answer["code"] == -31007
    assert sorted(Refund.objects.values_list("amount_minor", "status")) == [(1000, "succeeded"), (2000, "proposed")]
    assert Order.objects.get(pk=paid.pk).status == "paid"
