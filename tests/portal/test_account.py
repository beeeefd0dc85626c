"""A member's own account: second factor, passwords, sessions."""

import re

import pytest
from django.core import mail
from django.test import Client

from providers import account_mail, staff
from providers.models import AuditEntry, PortalAccount
from tests.admin.people import code, rested
from tests.portal.people import PASSWORD, make_member, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "another-good-long-password-8"


def letters():
    account_mail.settle()
    return mail.outbox


def enrol(merchant):
    """Set a second factor up, as people do; answers (secret, recovery codes)."""
    merchant.post("/portal/account/second-factor", proof=PASSWORD)
    page = merchant.get("/portal/account/second-factor/app").content.decode()
    secret = re.search(r'class="id">([A-Z2-7 ]+)<', page)[1].replace(" ", "")
    done = merchant.post("/portal/account/second-factor/app", code=code(secret)).content.decode()
    codes = re.findall(r"<li>([a-z2-7-]{19})\s", done)
    assert len(codes) == 10, done
    return secret, codes


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(viewer):
    client = Client()
    answer = client.post("/portal/forgot", {"email": viewer.user.username.upper()})
    (letter,) = letters()
    assert letter.to == [viewer.user.username]
    path = re.search(r"http://127\.0\.0\.1:8000(/portal/reset/\S+)", letter.body)[1]
    moved = client.get(path)
    assert moved.status_code == 302 and path.split("/")[-1] not in moved["Location"]
    assert client.get(moved["Location"]).status_code == 200
    answer = client.post(moved["Location"], {"new_password1": NEW, "new_password2": NEW})
    assert answer["Location"] == "/portal/sign-in"
    assert viewer.get("/portal/people/").status_code == 302, "the old session is over"
    sign_in(viewer.member, NEW)
    lost = Client().get(path, HTTP_ACCEPT_LANGUAGE="uz", follow=True).content.decode()
    assert "<title>Havola endi ishlamaydi" in lost
    assert AuditEntry.objects.filter(act="password_reset", actor=viewer.user).count() == 1


def test_asking_for_a_new_password_tells_nobody_whether_an_address_has_an_account(viewer):
    from django.contrib.auth.models import User

    User.objects.create_user("anna@pay.test", email="anna@pay.test", password=PASSWORD, is_staff=True)
    pages = []
    for email in (viewer.user.username, "nobody@shop.test", "anna@pay.test"):
        page = Client().post("/portal/forgot", {"email": email}).content.decode()
        pages.append(re.sub(r'csrfmiddlewaretoken" value="\w+"', "", page))
    assert len(set(pages)) == 1
    assert [letter.to for letter in letters()] == [[viewer.user.username]]
    trail = AuditEntry.objects.filter(act__startswith="password_link").order_by("at")
    assert [(row.act, row.actor_name) for row in trail] == [
        ("password_link_sent", viewer.user.username),
        ("password_link_refused", "unknown"),
        ("password_link_refused", "unknown"),
    ], "each leaves a line, so none is answered sooner"


def test_a_link_to_a_new_password_never_works_for_staff(viewer):
    from django.contrib.auth.models import User
    from django.contrib.auth.tokens import default_token_generator
    from django.utils.encoding import force_bytes
    from django.utils.http import urlsafe_base64_encode

    anna = User.objects.create_user("anna@pay.test", password=PASSWORD, is_staff=True)
    path = f"/portal/reset/{urlsafe_base64_encode(force_bytes(anna.pk))}/{default_token_generator.make_token(anna)}"
    assert b"does not work any more" in Client().get(path, follow=True).content


def test_a_new_password_asks_for_the_old_one_and_ends_all_other_sessions(viewer):
    elsewhere = sign_in(viewer.member)
    wrong = viewer.post("/portal/account/password", new_password1=NEW, new_password2=NEW, proof="wrong")
    assert wrong.status_code == 200 and b'class="problem"' in wrong.content
    assert elsewhere.get("/portal/people/").status_code == 200
    done = viewer.post("/portal/account/password", new_password1=NEW, new_password2=NEW, proof=PASSWORD)
    assert done.status_code == 302
    assert elsewhere.get("/portal/people/").status_code == 302
    assert viewer.get("/portal/people/").status_code == 200
    assert [letter.to for letter in letters()] == [[viewer.user.username]]


def test_signing_out_everywhere_ends_all_sessions_but_this_one(viewer):
    elsewhere = sign_in(viewer.member)
    before = viewer.client.cookies["portal"].value
    viewer.post("/portal/account/sign-out")
    assert elsewhere.get("/portal/people/").status_code == 302
    assert viewer.get("/portal/people/").status_code == 200
    assert viewer.client.cookies["portal"].value != before
    assert AuditEntry.objects.filter(act="signed_out_everywhere", actor=viewer.user).count() == 1


def test_with_a_second_factor_the_password_alone_opens_nothing(viewer):
    elsewhere = sign_in(viewer.member)
    secret, codes = enrol(viewer)
    assert elsewhere.get("/portal/people/").status_code == 302, "what was open with less is closed"
    assert viewer.get("/portal/people/").status_code == 200

    half = Client()
    answer = half.post("/portal/sign-in", {"username": viewer.user.username, "password": PASSWORD})
    assert answer["Location"] == "/portal/second-factor"
    assert half.get("/portal/people/").status_code == 302
    assert b'class="problem"' in half.post("/portal/second-factor", {"code": "000000"}).content
    rested(viewer.user)
    assert half.post("/portal/second-factor", {"code": code(secret)})["Location"] == "/portal/"
    assert half.get("/portal/people/").status_code == 200

    lost = Client()
    lost.post("/portal/sign-in", {"username": viewer.user.username, "password": PASSWORD})
    assert lost.post("/portal/second-factor", {"code": codes[0].upper()}).status_code == 302
    again = Client()
    again.post("/portal/sign-in", {"username": viewer.user.username, "password": PASSWORD})
    assert again.post("/portal/second-factor", {"code": codes[0]}).status_code == 200, "each code works once"


def test_nobody_sets_up_or_drops_a_second_factor_without_proof(viewer):
    assert viewer.get("/portal/account/second-factor/app")["Location"] == "/portal/account/second-factor"
    assert viewer.post("/portal/account/second-factor", proof="wrong").status_code == 200
    assert viewer.get("/portal/account/second-factor/app").status_code == 302
    enrol(viewer)
    assert viewer.post("/portal/account/second-factor/off", proof="wrong").status_code == 200
    assert staff.device_of(viewer.user) is not None
    viewer.post("/portal/account/second-factor/off", proof=PASSWORD)
    assert staff.device_of(viewer.user) is None
    assert viewer.get("/portal/people/").status_code == 200


def test_a_locked_out_person_cannot_use_a_session_that_is_open(viewer):
    viewer.user.is_active = False
    viewer.user.save()
    assert viewer.get("/portal/people/").status_code == 302


def test_somebody_who_becomes_staff_leaves_the_portal(viewer):
    viewer.user.is_staff = True
    viewer.user.save()
    assert viewer.get("/portal/people/").status_code == 302


def test_name_and_language_are_kept(viewer):
    viewer.post("/portal/account", name="Nodira", lang="uz")
    viewer.user.refresh_from_db()
    assert (viewer.user.first_name, PortalAccount.objects.get(user=viewer.user).lang) == ("Nodira", "uz")


def test_each_page_of_the_account_opens(viewer):
    enrol(viewer)
    for path in ("", "/password", "/sign-out", "/second-factor", "/second-factor/codes", "/second-factor/off"):
        assert viewer.get("/portal/account" + path).status_code == 200


def test_the_account_belongs_to_the_person_not_to_a_provider(provider):
    member = make_member(provider, "viewer")
    member.is_active = False
    member.save()
    merchant = sign_in(member)
    assert merchant.get("/portal/").status_code == 403
    assert merchant.get("/portal/account").status_code == 200


@pytest.mark.parametrize("lang, said", [("uz", "kamida 12"), ("ru", "не меньше 12"), ("en", "at least 12")])
def test_why_a_password_is_refused_is_said_in_the_readers_language(viewer, lang, said):
    viewer.get("/portal/account", lang=lang)
    answer = viewer.post("/portal/account/password", new_password1="short", new_password2="short", proof=PASSWORD)
    assert said in answer.content.decode().split('class="problem"')[1]
    viewer.user.refresh_from_db()
    assert viewer.user.check_password(PASSWORD)
