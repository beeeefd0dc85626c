"""How staff look after a provider's people in the portal."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from providers import account_mail, staff
from providers.models import Approval, AuditEntry, Invitation, Member
from tests.admin.people import make_staff
from tests.admin.people import sign_in as sign_in_staff
from tests.builders import make_provider
from tests.portal.people import make_member, sign_in
from tests.portal.test_account import enrol

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider(db):
    return make_provider()


def address(provider, rest=""):
    return f"/admin/providers/provider/{provider.pk}/{rest}"


def invite(admin, provider, email="owner@shop.test"):
    form = admin.get(address(provider, "members/invite/")).content.decode()
    token = re.search(r'name="form_token" value="([^"]+)"', form)[1]
    return admin.post(
        address(provider, "members/invite/"), email=email, role="owner", lang="uz", form_token=token
    ).content.decode()


def test_staff_invite_the_first_owner_and_see_the_link_once(admin, provider, mailoutbox):
    page = invite(admin, provider)
    path = re.search(r"http://127\.0\.0\.1:8000(/portal/join/[\w-]+)", page)[1]
    account_mail.settle()
    assert [letter.to for letter in mailoutbox] == [["owner@shop.test"]]
    panel = admin.get(address(provider, "change/")).content.decode()
    assert "owner@shop.test" in panel and path not in panel
    password = "a-good-long-password-7"
    Client().post(path, {"name": "", "new_password1": password, "new_password2": password})
    assert Member.objects.get(provider=provider).is_owner
    assert AuditEntry.objects.filter(act="member_invited", actor=admin.user).count() == 1


def test_the_owners_there_are_hear_of_one_that_staff_bring_in(admin, provider, mailoutbox):
    present, raised = make_member(provider, "owner"), make_member(provider, "viewer")
    invite(admin, provider, "another@else.test")
    account_mail.settle()
    (told,) = [letter for letter in mailoutbox if letter.to == [present.user.username]]
    assert "somebody was invited as an owner" in told.subject and "another@else.test" in told.body
    assert admin.user.username not in told.body
    mailoutbox.clear()
    admin.post(address(provider, f"members/{raised.pk}/role/"), role="owner")
    account_mail.settle()
    assert sorted(letter.to[0] for letter in mailoutbox) == sorted([present.user.username, raised.user.username])
    mailoutbox.clear()
    admin.post(address(provider, f"members/{raised.pk}/role/"), role="viewer")
    account_mail.settle()
    assert mailoutbox == []


def test_staff_take_an_invitation_back(admin, provider):
    path = re.search(r"(/portal/join/[\w-]+)", invite(admin, provider))[1]
    admin.post(address(provider, f"members/{Invitation.objects.get().pk}/revoke/"))
    assert Client().get(path).status_code == 404


def test_staff_remove_even_the_last_owner_and_are_told_what_that_means(admin, provider):
    merchant = sign_in(make_member(provider))
    answer = admin.post(address(provider, f"members/{merchant.member.pk}/remove/"), follow=True)
    assert "has no owner now" in answer.content.decode()
    assert merchant.get("/portal/people/").status_code == 403


def test_staff_change_a_role(admin, provider):
    member = make_member(provider, "viewer")
    admin.post(address(provider, f"members/{member.pk}/role/"), role="developer")
    member.refresh_from_db()
    assert member.role == "developer"


def test_a_members_second_factor_is_reset_by_two_people(admin, provider):
    merchant = sign_in(make_member(provider))
    enrol(merchant)
    admin.post(address(provider, f"members/{merchant.member.pk}/reset-second-factor/"))
    assert staff.device_of(merchant.user) is not None
    approval = Approval.objects.get()
    other = sign_in_staff(make_staff("zara", "admin"))
    staff.approve_reset(approval_id=approval.pk, actor=other.user, now=timezone.now())
    assert staff.device_of(merchant.user) is None
    assert merchant.get("/portal/people/").status_code == 302, "whoever was in is out"


@pytest.mark.parametrize("role", ["support", "finance"])
def test_only_admins_touch_members(person, provider, role):
    member = make_member(provider, "viewer")
    colleague = person("dora", role)
    assert member.user.username in colleague.get(address(provider, "change/")).content.decode()
    for act in ("members/invite/", f"members/{member.pk}/role/", f"members/{member.pk}/remove/"):
        assert colleague.get(address(provider, act)).status_code == 403
        assert colleague.post(address(provider, act), role="owner", email="x@shop.test").status_code == 403
    member.refresh_from_db()
    assert (member.role, member.is_active, Invitation.objects.count()) == ("viewer", True, 0)


def test_a_member_of_another_provider_is_not_found_here(admin, provider):
    stranger = make_member(make_provider(), "viewer")
    for act in ("role", "remove", "reset-second-factor"):
        assert admin.get(address(provider, f"members/{stranger.pk}/{act}/")).status_code == 404


def test_members_are_no_staff_and_stand_in_no_list_of_it(admin, provider):
    member = make_member(provider)
    assert member.user.username not in admin.get("/admin/auth/user/").content.decode()
    assert admin.get(f"/admin/auth/user/{member.user.pk}/change/").status_code == 302
