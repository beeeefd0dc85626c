"""Who belongs to a provider: invitations from their first day to their last, roles, and the last owner."""

import re
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from providers import account_mail, members
from providers.models import AuditEntry, Invitation, Member, Role
from tests.builders import make_provider
from tests.portal.people import PASSWORD, make_member, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "a-good-long-password-7"


def invite(owner, email="new@shop.test", role="developer"):
    """The path of the link that the invited person finds in their mailbox."""
    mail.outbox.clear()
    answer = owner.post("/portal/people/invite", email=email, role=role, proof=PASSWORD)
    assert answer.status_code == 302, answer.content.decode()
    account_mail.settle()
    (letter,) = [letter for letter in mail.outbox if letter.to == [email.lower()]]
    return re.search(r"http://127\.0\.0\.1:8000(/portal/join/\S+)", letter.body)[1]


def join(client, path, password=NEW, name="Nodira"):
    return client.post(path, {"name": name, "new_password1": password, "new_password2": password})


def test_an_invited_person_chooses_a_password_and_is_in(provider, owner):
    path = invite(owner, "New@Shop.test")
    client = Client()
    page = client.get(path).content.decode()
    assert provider.name in page and "new@shop.test" in page and "Developer" in page
    answer = join(client, path)
    assert answer["Location"] == "/portal/"
    member = Member.objects.get(user__username="new@shop.test")
    assert (member.provider, member.role, member.is_active) == (provider, "developer", True)
    assert client.get("/portal/people/").status_code == 200
    assert not member.user.is_staff
    acts = AuditEntry.objects.filter(target_id=str(provider.pk)).order_by("at").values_list("act", "actor_name")
    assert list(acts) == [("member_invited", owner.user.username), ("member_joined", "new@shop.test")]


def test_the_letter_speaks_the_language_of_who_invites_and_has_two_bodies(owner):
    owner.get("/portal/people/", lang="ru")
    invite(owner)
    (letter,) = mail.outbox
    assert letter.extra_headers["Content-Language"] == "ru"
    assert letter.alternatives[0][1] == "text/html"


def test_a_link_works_once(owner):
    path = invite(owner)
    join(Client(), path)
    for client in (Client(), owner.client):
        assert client.get(path).status_code == 404
    assert join(Client(), path).status_code == 404
    assert User.objects.filter(username="new@shop.test").count() == 1


@pytest.mark.parametrize("how", ["revoked", "expired", "replaced", "invented"])
def test_a_link_that_does_not_count_any_more_makes_nobody(owner, how):
    path = invite(owner)
    invitation = Invitation.objects.get()
    if how == "revoked":
        owner.post(f"/portal/people/invitations/{invitation.pk}/revoke")
    elif how == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "replaced":
        invite(owner)
    else:
        path = "/portal/join/" + "x" * 32
    client = Client()
    assert client.get(path).status_code == 404
    assert join(client, path).status_code == 404
    assert not User.objects.filter(username="new@shop.test").exists()


@pytest.mark.parametrize("password", ["short", "password12345", "new@shop.test", "1234567890123"])
def test_a_weak_password_is_refused_and_the_link_goes_on_working(owner, password):
    path = invite(owner)
    client = Client()
    answer = join(client, path, password)
    assert answer.status_code == 200 and 'class="problem"' in answer.content.decode()
    assert not User.objects.filter(username="new@shop.test").exists()
    assert join(client, path).status_code == 302


def test_somebody_with_an_account_signs_in_and_accepts_and_then_works_for_both(owner):
    other = make_provider(name="Second Shop")
    known = make_member(other, "viewer", "both@shop.test")
    path = invite(owner, "both@shop.test", "owner")
    stranger = Client()
    page = stranger.get(path).content.decode()
    assert "new_password1" not in page
    join(stranger, path)  # nobody else can set a password for a known address
    assert not Member.objects.filter(user=known.user, provider=owner.member.provider).exists()
    both = sign_in(known, next=path)
    assert both.post(path)["Location"] == "/portal/"
    assert Member.objects.get(user=known.user, provider=owner.member.provider).role == "owner"
    page = both.get("/portal/people/").content.decode()
    assert "Second Shop" in page and owner.user.username in page
    both.post("/portal/switch", provider=str(other.pk))
    page = both.get("/portal/people/").content.decode()
    assert owner.user.username not in page


def test_an_invitation_is_for_its_address_alone(owner, viewer):
    path = invite(owner)
    assert b"new_password1" in viewer.get(path).content  # nobody has an account there yet
    make_member(make_provider(), "viewer", "new@shop.test")
    assert viewer.get(path).status_code == 403
    assert viewer.post(path).status_code == 403
    assert Invitation.objects.get().accepted_at is None


def test_without_a_mail_server_the_link_is_shown_once_to_who_invites(owner, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    page = owner.post("/portal/people/invite", email="new@shop.test", role="viewer", proof=PASSWORD).content.decode()
    path = re.search(r"http://127\.0\.0\.1:8000(/portal/join/[\w-]+)", page)[1]
    assert Client().get(path).status_code == 200
    assert path.split("/")[-1] not in owner.get("/portal/people/").content.decode()
    assert not [entry for entry in AuditEntry.objects.all() if path.split("/")[-1] in str(entry.details)]


def test_a_member_cannot_be_invited_again_and_staff_not_at_all(provider, owner, viewer):
    User.objects.create_user("anna@pay.test", password=PASSWORD, is_staff=True)
    for email in (viewer.user.username, "anna@pay.test"):
        answer = owner.post("/portal/people/invite", email=email, role="owner", proof=PASSWORD)
        assert answer.status_code == 200 and 'class="problem"' in answer.content.decode()
    assert not Invitation.objects.exists()
    assert Member.objects.get(pk=viewer.member.pk).role == "viewer"


def test_an_owner_changes_roles_and_removes_people_who_see_nothing_from_the_next_click_on(owner, viewer):
    owner.post(f"/portal/people/{viewer.member.pk}/role", role="developer", proof=PASSWORD)
    assert viewer.get("/portal/doctor/").status_code == 200
    owner.post(f"/portal/people/{viewer.member.pk}/remove")
    answer = viewer.get("/portal/people/")
    assert answer.status_code == 403
    assert owner.member.provider.name not in answer.content.decode()
    acts = AuditEntry.objects.filter(actor=owner.user).order_by("at").values_list("act", flat=True)
    assert list(acts)[-2:] == ["member_role_changed", "member_removed"]


def test_somebody_who_was_removed_can_be_invited_back_in_another_role(owner, viewer):
    owner.post(f"/portal/people/{viewer.member.pk}/remove")
    path = invite(owner, viewer.user.username, "developer")
    assert viewer.post(path).status_code == 302
    viewer.member.refresh_from_db()
    assert (viewer.member.role, viewer.member.is_active) == ("developer", True)


def test_the_last_owner_can_be_neither_removed_nor_made_less(owner):
    pk = owner.member.pk
    owner.post(f"/portal/people/{pk}/remove")
    answer = owner.post(f"/portal/people/{pk}/role", role="viewer", proof=PASSWORD)
    assert 'class="problem"' in answer.content.decode()
    owner.member.refresh_from_db()
    assert (owner.member.role, owner.member.is_active) == ("owner", True)


def test_two_owners_who_remove_each_other_at_once_leave_one(provider):
    pair = [make_member(provider, "owner", f"{name}@shop.test") for name in ("one", "two")]
    start, refused = Barrier(2), []

    def remove(actor, victim):
        start.wait()
        try:
            members.deactivate(member=victim, actor=actor.user, now=timezone.now())
        except members.LastOwner:
            refused.append(actor)
        finally:
            connection.close()

    threads = [Thread(target=remove, args=(pair[0], pair[1])), Thread(target=remove, args=(pair[1], pair[0]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert Member.objects.filter(provider=provider, is_active=True, role=Role.OWNER).count() == 1


@pytest.mark.parametrize("proof", ["", "wrong"])
def test_an_open_browser_alone_brings_in_nobody_and_raises_nobody(owner, merchant, proof):
    viewer = merchant("viewer")
    answer = owner.post("/portal/people/invite", email="thief@else.test", role="owner", proof=proof)
    assert answer.status_code == 200 and b'class="problem"' in answer.content
    assert not Invitation.objects.exists()
    answer = owner.post(f"/portal/people/{viewer.member.pk}/role", role="owner", proof=proof)
    assert answer.status_code == 200 and b'class="problem"' in answer.content
    viewer.member.refresh_from_db()
    assert viewer.member.role == Role.VIEWER


def test_every_owner_hears_of_another_one(owner, merchant, provider):
    second, viewer = make_member(provider, "owner", "second@shop.test"), merchant("viewer")
    owners = sorted([owner.user.username, second.user.username])
    invite(owner, "third@shop.test", "owner")
    told = [letter for letter in mail.outbox if letter.to != ["third@shop.test"]]
    assert sorted(letter.to[0] for letter in told) == owners
    assert "somebody was invited as an owner" in told[0].subject and "third@shop.test" in told[0].body
    mail.outbox.clear()
    for _twice in range(2):
        owner.post(f"/portal/people/{viewer.member.pk}/role", role="owner", proof=PASSWORD)
    account_mail.settle()
    assert sorted(letter.to[0] for letter in mail.outbox) == sorted([*owners, viewer.user.username])
    assert "a member was made an owner" in mail.outbox[0].subject


def test_who_is_removed_does_not_come_back_by_a_link_that_was_sent_before(owner, provider):
    first = invite(owner)
    join(Client(), first)
    member = Member.objects.get(user__username="new@shop.test")
    Invitation.objects.update(accepted_at=None)  # another link, sent while this one was being accepted
    owner.post(f"/portal/people/{member.pk}/remove")
    assert members.find_invitation(first.rsplit("/", 1)[1], now=timezone.now()) is None
    member.refresh_from_db()
    assert not member.is_active


def test_two_browsers_that_accept_one_link_at_once_make_one_person(owner):
    path = invite(owner)
    start, answers = Barrier(2), []

    def accept():
        client = Client()
        client.get(path)
        start.wait()
        answers.append(join(client, path).status_code)
        connection.close()

    threads = [Thread(target=accept) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [302, 404]
    assert User.objects.filter(username="new@shop.test").count() == 1


def test_people_of_another_provider_do_not_exist(owner):
    stranger = make_member(make_provider(), "viewer", "stranger@else.test")
    now = timezone.now()
    foreign, _token = members.invite(
        provider=stranger.provider, email="x@else.test", role=Role.OWNER, invited_by=stranger.user, now=now
    )
    assert owner.get(f"/portal/people/{stranger.pk}/role").status_code == 404
    assert owner.post(f"/portal/people/{stranger.pk}/role", role="owner").status_code == 404
    assert owner.post(f"/portal/people/{stranger.pk}/remove").status_code == 404
    assert owner.post(f"/portal/people/invitations/{foreign.pk}/revoke").status_code == 404
    assert owner.post("/portal/switch", provider=str(stranger.provider_id)).status_code == 404
    stranger.refresh_from_db()
    foreign.refresh_from_db()
    assert (stranger.role, stranger.is_active, foreign.revoked_at) == ("viewer", True, None)
    assert "stranger@else.test" not in owner.get("/portal/people/").content.decode()
