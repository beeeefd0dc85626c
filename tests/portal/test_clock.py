"""Times of the portal: by the clock of the seller, which each of them names."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from providers.models import AuditEntry, Invitation
from tests.portal.people import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def test_times_of_people_and_sign_ins_are_told_by_the_sellers_clock(provider, merchant):
    provider.currency = "UZS"
    provider.save()
    owner = merchant("owner")
    at = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)  # half past one of the next day in Tashkent
    User.objects.filter(pk=owner.user.pk).update(last_login=at)
    owner.post("/portal/people/invite", email="new@shop.test", role="viewer", proof=PASSWORD)
    Invitation.objects.update(expires_at=at.replace(year=2036))
    AuditEntry.objects.filter(act="signed_in").update(at=at)
    people = owner.get("/portal/people/").content.decode()
    account = owner.get("/portal/account").content.decode()
    assert "21 Nov 2026, 01:30 (UTC+5)" in people
    assert "21 Nov 2036, 01:30 (UTC+5)" in people
    assert "21 Nov 2026, 01:30 (UTC+5)" in account
    assert " UTC<" not in people + account
