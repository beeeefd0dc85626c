"""The way into the portal: who gets in, who does not, and what neither of them is told."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from checkout.portal import access
from providers.models import AuditEntry
from tests.admin.people import make_staff
from tests.admin.people import sign_in as sign_in_staff
from tests.portal.people import PASSWORD, make_member, sign_in

pytestmark = pytest.mark.django_db(transaction=True)


def try_password(client, name, password):
    return client.post("/portal/sign-in", {"username": name, "password": password})


def plain(answer):
    """A page without what differs from one showing to the next."""
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
    return re.sub(r'value="[^"]*@[^"]*"', "", text)


def test_a_member_signs_in_with_e_mail_and_password_and_lands_where_he_wanted(provider):
    member = make_member(provider, "developer")
    client = Client()
    asked = client.get("/portal/people/?x=1")
    assert asked.status_code == 302
    assert asked["Location"] == "/portal/sign-in?next=%2Fportal%2Fpeople%2F%3Fx%3D1"
    form = client.get(asked["Location"]).content.decode()
    assert 'value="/portal/people/?x=1"' in form
    data = {"username": member.user.username.upper(), "password": PASSWORD, "next": "/portal/people/?x=1"}
    answer = client.post("/portal/sign-in", data)
    assert answer["Location"] == "/portal/people/?x=1"
    page = client.get("/portal/people/?x=1")
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"
    assert provider.name in page.content.decode()
    assert AuditEntry.objects.filter(act="signed_in", actor=member.user).count() == 1


def test_the_portal_and_the_back_office_know_nothing_of_each_others_sessions(provider):
    merchant = sign_in(make_member(provider))
    assert "portal" in merchant.client.cookies and "session" not in merchant.client.cookies
    assert merchant.get("/admin/")["Location"].startswith("/admin/login/")
    merchant.client.cookies["session"] = merchant.client.cookies["portal"].value
    assert merchant.get("/admin/")["Location"].startswith("/admin/login/")


def test_staff_are_no_members_by_being_staff_not_even_with_their_cookie_in_the_other_place(provider):
    anna = sign_in_staff(make_staff("anna", is_superuser=True))
    assert anna.get("/portal/people/").status_code == 302
    anna.client.cookies["portal"] = anna.client.cookies["session"].value
    assert anna.get("/portal/people/").status_code == 302
    assert anna.get("/admin/").status_code == 200


def test_both_can_be_signed_in_beside_each_other_in_one_browser(provider):
    anna = sign_in_staff(make_staff("anna", "admin"))
    member = make_member(provider)
    try_password(anna.client, member.user.username, PASSWORD)
    assert anna.get("/portal/people/").status_code == 200
    assert anna.get("/admin/").status_code == 200
    anna.post("/portal/sign-out")
    assert anna.get("/portal/people/").status_code == 302
    assert anna.get("/admin/").status_code == 200


def test_a_wrong_password_an_unknown_address_and_staff_hear_the_same(provider):
    member = make_member(provider)
    User.objects.create_user("anna@pay.test", password=PASSWORD, is_staff=True)
    locked = make_member(provider, "viewer", "locked@shop.test")
    locked.user.is_active = False
    locked.user.save()
    pages = [
        plain(try_password(Client(), name, password))
        for name, password in [
            (member.user.username, "wrong"),
            ("nobody@shop.test", "wrong"),
            ("anna@pay.test", PASSWORD),  # the right one, at the wrong door
            ("locked@shop.test", PASSWORD),
        ]
    ]
    assert len(set(pages)) == 1 and 'role="alert"' in pages[0]
    assert not AuditEntry.objects.filter(act="signed_in").exists()


def test_too_many_wrong_passwords_lock_the_address_whether_it_is_known_or_not(provider, settings):
    member = make_member(provider)
    User.objects.create_user("anna@pay.test", password=PASSWORD, is_staff=True)
    settings.RATE_LIMIT_SCALE = 100
    pages = []
    for name in (member.user.username, "nobody@shop.test", "anna@pay.test"):
        for number in range(settings.AXES_FAILURE_LIMIT + 1):
            answer = try_password(Client(), name, f"wrong-{number}")
        assert answer.status_code == 429 and answer["Retry-After"]
        pages.append(plain(answer))
    assert len(set(pages)) == 1
    assert try_password(Client(), member.user.username, PASSWORD).status_code == 429, "not even the right one now"
    assert try_password(Client(), "nobody@shop.test", PASSWORD).status_code == 429


def test_one_network_cannot_try_one_password_at_many_addresses(provider, settings):
    settings.RATE_LIMIT_SCALE = 1
    answers = [try_password(Client(), f"person-{number}@shop.test", "summer2026").status_code for number in range(25)]
    assert answers.count(429) == 5


def test_another_spelling_of_the_address_or_of_the_sender_is_no_new_try(provider, settings):
    member = make_member(provider, "owner", "kate@shop.test")
    settings.RATE_LIMIT_SCALE = 100
    names = ["kate@shop.test", "KATE@SHOP.TEST", " Kate@shop.test", "kate@shop.test ", "\N{KELVIN SIGN}ate@shop.test"]
    for number in range(settings.AXES_FAILURE_LIMIT):
        sent = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": "203.0.113.7", "Forwarded": "for=203.0.113.9"}
        data = {"username": names[number % len(names)], "password": f"wrong-{number}"}
        Client().post("/portal/sign-in", data, headers=sent)
    assert try_password(Client(), member.user.username, PASSWORD).status_code == 429


def test_the_addresses_of_one_ipv6_network_are_one_sender(provider, settings):
    member = make_member(provider)
    settings.RATE_LIMIT_SCALE = 100
    data = {"username": member.user.username, "password": "wrong"}
    for number in range(settings.AXES_FAILURE_LIMIT):
        Client(REMOTE_ADDR=f"2001:db8:1:2::{number:x}").post("/portal/sign-in", data)
    right = {**data, "password": PASSWORD}
    assert Client(REMOTE_ADDR="2001:db8:1:2:ffff::1").post("/portal/sign-in", right).status_code == 429
    assert Client(REMOTE_ADDR="2001:db8:1:3::1").post("/portal/sign-in", right).status_code == 302


def test_a_session_from_before_the_sign_in_is_worth_nothing_after_it(provider):
    member = make_member(provider)
    client = Client()
    client.get("/portal/sign-in")
    planted = client.session
    planted["portal_mode"] = "live"
    planted.save()
    client.cookies["portal"] = planted.session_key
    try_password(client, member.user.username, PASSWORD)
    assert client.cookies["portal"].value != planted.session_key
    thief = Client()
    thief.cookies["portal"] = planted.session_key
    assert thief.get("/portal/people/").status_code == 302


def test_the_cookie_is_hidden_from_scripts_and_other_sites_and_dies_within_the_day(provider):
    cookie = sign_in(make_member(provider)).client.cookies["portal"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and int(cookie["max-age"]) == 12 * 3600


ELSEWHERE = [
    "https://evil.test/",
    "//evil.test/",
    "/\\evil.test",
    "/portal/\\evil.test",
    "/portal//evil.test",
    "javascript:alert(1)",
    "https:/portal/",
    "/admin/",
    "/portal/../admin/",
    "/portal/sign-out",
    "/portal/\n/evil",
    "portal/",
    " /portal/",
    "/portal@evil.test",
]


@pytest.mark.parametrize("wanted", ELSEWHERE, ids=[str(number) for number in range(len(ELSEWHERE))])
def test_the_sign_in_leads_nowhere_but_into_the_portal(provider, wanted):
    member = make_member(provider)
    client = Client()
    assert f'value="{wanted}"' not in client.get("/portal/sign-in", {"next": wanted}).content.decode()
    answer = client.post("/portal/sign-in", {"username": member.user.username, "password": PASSWORD, "next": wanted})
    assert answer["Location"] == "/portal/"
    assert client.post("/portal/mode", {"mode": "test", "next": wanted})["Location"] == "/portal/"
    assert client.get("/portal/sign-in", {"next": wanted})["Location"] == "/portal/"


def test_every_form_of_the_portal_needs_its_token(provider):
    strict = Client(enforce_csrf_checks=True)
    member = make_member(provider)
    answer = strict.post("/portal/sign-in", {"username": member.user.username, "password": PASSWORD})
    assert answer.status_code == 403
    merchant = sign_in(member)
    strict.cookies["portal"] = merchant.client.cookies["portal"].value
    assert strict.get("/portal/people/").status_code == 200
    from checkout.portal.urls import DOORS

    some = {"token": "x", "uidb64": "x", "kind": "api"}
    for door in DOORS:
        if "POST" in door.least:
            names = re.findall(r"<(?:\w+:)?(\w+)>", door.route)
            blank = "00000000-0000-0000-0000-000000000000"
            address = reverse(f"portal:{door.name}", kwargs={name: some.get(name, blank) for name in names})
            assert strict.post(address).status_code == 403, address
    assert strict.get("/portal/people/").status_code == 200


def test_signing_out_is_no_link(provider):
    merchant = sign_in(make_member(provider))
    assert merchant.get("/portal/sign-out").status_code == 405
    assert merchant.get("/portal/people/").status_code == 200
    merchant.post("/portal/sign-out")
    assert merchant.get("/portal/people/").status_code == 302


def test_the_language_is_the_sites_and_stays(provider):
    merchant = sign_in(make_member(provider))
    page = merchant.get("/portal/people/", lang="uz")
    assert '<html lang="uz">' in page.content.decode()
    assert '<html lang="uz">' in merchant.get("/portal/people/").content.decode()


def test_no_page_keeps_anything_in_a_cache_or_loads_from_elsewhere(provider):
    answer = sign_in(make_member(provider)).get("/portal/people/")
    assert answer["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "'unsafe-inline'" not in answer["Content-Security-Policy"]


def test_each_door_says_the_least_role_of_each_method():
    from checkout.portal.urls import DOORS

    known = {access.ANYONE, access.SIGNED_IN, access.VIEWER, access.DEVELOPER, access.OWNER}
    for door in DOORS:
        assert door.least and set(door.least) <= {"GET", "POST"} and set(door.least.values()) <= known
