import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from providers import approvals, audit
from providers.models import Approval, AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return User.objects.create_superuser("anna")


@pytest.fixture
def boris():
    return User.objects.create_user("boris", is_staff=True)


def propose(by, **more):
    fields = {"act": "refund", "target_type": "refund", "target_id": "r1", "summary": "Refund 5 USD", **more}
    return approvals.propose(requested_by=by, now=timezone.now(), **fields)


def test_a_second_person_approves(anna, boris):
    asked = propose(anna, payload={"url": "https://x.test"})
    given = approvals.approve(asked.pk, boris, timezone.now())
    assert (given.state, given.decided_by) == ("approved", boris)
    assert approvals.payload_of(given) == {"url": "https://x.test"}


def test_who_asked_cannot_approve_nor_reject_even_as_a_superuser(anna):
    asked = propose(anna)
    for decide in (approvals.approve, approvals.reject):
        with pytest.raises(approvals.SamePerson):
            decide(asked.pk, anna, timezone.now())
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by) == ("waiting", None)
    assert AuditEntry.objects.count() == 1


def test_who_asked_can_take_it_back_and_nobody_else_can(anna, boris):
    asked = propose(anna)
    with pytest.raises(approvals.SamePerson):
        approvals.withdraw(asked.pk, boris, timezone.now())
    approvals.withdraw(asked.pk, anna, timezone.now())
    asked.refresh_from_db()
    assert asked.state == "withdrawn"


def test_a_decision_is_made_once(anna, boris):
    asked = propose(anna)
    approvals.reject(asked.pk, boris, timezone.now())
    for decide in (approvals.approve, approvals.reject, approvals.withdraw):
        with pytest.raises(approvals.NotWaiting):
            decide(asked.pk, boris, timezone.now())
    asked.refresh_from_db()
    assert asked.state == "rejected"


def test_the_same_act_on_the_same_target_waits_once(anna, boris):
    propose(anna)
    with pytest.raises(approvals.AlreadyWaiting):
        propose(boris)
    assert Approval.objects.count() == 1
    propose(boris, target_id="r2")
    assert Approval.objects.count() == 2


def test_what_was_asked_for_is_sealed_and_forgotten_after_the_decision(anna, boris):
    asked = propose(anna, payload={"credentials": "sk_live_very_secret"})
    stored = Approval.objects.filter(pk=asked.pk).values_list("payload", flat=True)
    assert "very_secret" not in str(stored[0])
    assert "very_secret" not in repr(Approval.objects.get().payload)
    approvals.approve(asked.pk, boris, timezone.now())
    assert approvals.payload_of(Approval.objects.get()) == {}


def test_every_step_is_in_the_audit_trail(anna, boris):
    asked = propose(anna)
    approvals.approve(asked.pk, boris, timezone.now())
    entries = list(AuditEntry.objects.order_by("id").values_list("actor_name", "act", "target_id"))
    assert entries == [("anna", "approval_asked", "r1"), ("boris", "approval_given", "r1")]


@pytest.mark.parametrize(
    "details",
    [
        {"note": "the key is provider_" + "0" * 48},
        {"note": "provider_test_" + "a1" * 24},
        {"deep": {"list": ["sk_live_123456", "fine"]}},
        {"webhookSecret": "anything at all"},
        {"password": "hunter2"},
        {"note": "whsec_c2VjcmV0"},
    ],
)
def test_the_audit_trail_hides_what_looks_like_a_secret(anna, details):
    audit.record(actor=anna, act="test", details=details, now=timezone.now())
    kept = str(AuditEntry.objects.get().details)
    assert "[hidden]" in kept
    for secret in ("0000", "a1a1", "123456", "anything", "hunter2", "c2Vj"):
        assert secret not in kept


def test_the_audit_trail_keeps_the_prefix_that_people_recognise_a_key_by(anna):
    audit.record(actor=anna, act="test", details={"key": "provider_test_d338f7…"}, now=timezone.now())
    assert AuditEntry.objects.get().details == {"key": "provider_test_d338f7…"}
