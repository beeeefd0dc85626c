"""The way into the portal: who gets in, who does not, and what neither of them is told."""

import pytest
from django.test import Client

from providers.models import AuditEntry
from tests.portal.people import PASSWORD, make_member, sign_in

pytestmark = pytest.mark.django_db(transaction=True)


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
