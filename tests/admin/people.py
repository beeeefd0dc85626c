"""People of the back office, signed in the way they sign in: password, then a code of their app."""

import base64
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP

from providers import staff
from providers.models import StaffDevice

PASSWORD = "correct horse battery staple"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(secret=SECRET, steps=0):
    """What the app shows, now or some steps away."""
    totp = TOTP(base64.b32decode(secret), 30)
    return f"{totp.token() if not steps else _at(secret, steps):06d}"


def _at(secret, steps):
    import time

    totp = TOTP(base64.b32decode(secret), 30)
    totp.time = time.time() + 30 * steps
    return totp.token()


def rested(user):
    """Time passes: codes of the app are new again, and nothing rests after wrong ones."""
    StaffDevice.objects.filter(user=user).update(
        last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None
    )


@dataclass
class Person:
    user: User
    client: Client

    def get(self, url, **data):
        return self.client.get(url, data)

    def post(self, url, follow=False, **data):
        return self.client.post(url, data, follow=follow)


def make_staff(name, role="", **more):
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True, **more)
    if role:
        staff.set_role(user=user, role=role, actor=None, now=timezone.now())
    staff.add_device(user=user, secret=SECRET, now=timezone.now())
    return user


def sign_in(user):
    client = Client()
    client.post("/admin/login/", {"username": user.username, "password": PASSWORD})
    rested(user)
    answer = client.post("/admin/second-factor/", {"code": code()})
    assert answer.status_code == 302, answer.content.decode()
    return Person(user, client)
