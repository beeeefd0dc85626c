"""Members of the portal, signed in the way they sign in."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from providers import members
from providers.models import Member, Role

PASSWORD = "correct horse battery staple"


@dataclass
class Merchant:
    """A member and their browser."""

    member: Member
    client: Client

    @property
    def user(self) -> User:
        return self.member.user

    def get(self, url, follow=False, **data):
        return self.client.get(url, data, follow=follow)

    def post(self, url, follow=False, **data):
        return self.client.post(url, data, follow=follow)


def make_member(provider, role="owner", email=None, password=PASSWORD):
    email = email or f"{role}@{provider.slug}.test"
    return members.add_person(provider=provider, email=email, role=Role(role), password=password, now=timezone.now())


def sign_in(member, password=PASSWORD, next=""):
    client = Client()
    answer = client.post("/portal/sign-in", {"username": member.user.username, "password": password, "next": next})
    assert answer.status_code == 302, answer.content.decode()
    return Merchant(member, client)
