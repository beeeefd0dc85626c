"""The access matrix: every address of the portal × everybody, each answer as the table in docs/portal.md says."""

import copy
import re
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checkout.models import Order
from checkout.portal.access import ANYONE, SIGNED_IN
from checkout.portal.urls import DOORS
from gateway.types import Mode
from providers import keys, members, signing_secrets
from providers.models import Role
from tests.admin.people import make_staff
from tests.admin.people import sign_in as sign_in_staff
from tests.builders import approve, make_order, make_provider, start_payment
from tests.conftest import ROOT
from tests.portal.people import make_member, sign_in
from webhooks.models import Delivery

ROLES = ["viewer", "developer", "owner"]
STAFF = ["support", "finance", "admin"]
LEADS_OUT = {"sign_out", "second_factor"}  # the latter has nothing to ask of whoever is in
RANKS = {ANYONE: 0, SIGNED_IN: 1, "viewer": 1, "developer": 2, "owner": 3}


def shown(route):
    return re.sub(r"<\w+:(\w+)>", r"<\1>", route)


def table():
    """The lines that docs/portal.md has to hold."""
    return [
        f"| `/{shown(door.route)}` | {method} | {least} |" for door in DOORS for method, least in door.least.items()
    ]


@pytest.mark.once
def test_the_table_in_the_docs_is_the_one_in_the_code():
    text = (ROOT / "docs" / "portal.md").read_text()
    written = re.findall(r"^\| `/[^|]*\| (?:GET|POST) \| [a-z ]+ \|$", text, re.MULTILINE)
    assert written == table(), "docs/portal.md should say:\n" + "\n".join(table())


@pytest.fixture
def provider(db, lab, client):
    """A provider with one of everything that an address can name."""
    return make_provider(name="The Shop In Question")


@pytest.fixture
def rows(provider, lab, client):
    now = timezone.now()
    signing_secrets.ensure(provider, now=now)
    boss = make_member(provider, "owner", "boss@shop.test")
    invitation, _token = members.invite(
        provider=provider, email="new@shop.test", role=Role.VIEWER, invited_by=boss.user, now=now
    )
    key, _text = keys.issue_key(provider=provider, mode=Mode.TEST, now=now)
    order = make_order(provider, external_id="try-7", now=now - timedelta(minutes=1))
    payment = start_payment(order)
    approve(lab, client, payment)
    return {
        "member_id": make_member(provider, "viewer", "somebody@shop.test").pk,
        "invitation_id": invitation.pk,
        "key_id": key.pk,
        "order_id": order.pk,
        "payment_id": payment.pk,
        "delivery_id": Delivery.objects.get(provider=provider).pk,
    }


OF_ADDRESS = {"token": "x" * 32, "uidb64": "MQ", "kind": "api"}
OF_NOBODY = {"token", "uidb64", "kind"}


def addresses(rows):
    for door in DOORS:
        names = re.findall(r"<(?:\w+:)?(\w+)>", door.route)
        url = reverse(f"portal:{door.name}", kwargs={name: {**rows, **OF_ADDRESS}[name] for name in names})
        for method, least in door.least.items():
            yield door, method, least, url, bool(set(names) - OF_NOBODY)


def answer_of(client, method, url):
    """What one request is told; whatever it did is undone."""
    cookies = copy.deepcopy(client.cookies)
    with transaction.atomic():
        found = client.get(url) if method == "GET" else client.post(url)
        transaction.set_rollback(True)
    client.cookies = cookies
    return found


def is_sent_to_the_door(answer):
    return answer.status_code == 302 and answer["Location"].startswith("/portal/sign-in")


def is_let_in(door, answer):
    # A link that nobody was sent, and a switch to nobody, say 404 to everybody.
    return answer.status_code in ((404,) if door.name in ("invitation", "switch") else (200, 302, 400))


@pytest.mark.parametrize("role", ROLES)
def test_a_member_may_exactly_what_the_table_says(provider, rows, role):
    client = sign_in(make_member(provider, role, f"this-{role}@shop.test")).client
    wrong = []
    for door, method, least, url, _is_of_a_row in addresses(rows):
        answer = answer_of(client, method, url)
        if RANKS[role] < RANKS[least]:
            fits = answer.status_code == 403 and b"Nothing was changed" in answer.content
        else:
            fits = is_let_in(door, answer) and (door.name in LEADS_OUT or not is_sent_to_the_door(answer))
        if not fits:
            wrong.append((method, url, least, answer.status_code))
    assert wrong == []


def outsiders():
    yield "anonymous", Client()
    for role in STAFF:
        person = sign_in_staff(make_staff(f"colleague-{role}", role))
        person.client.cookies["portal"] = person.client.cookies["session"].value  # whatever they try
        yield role, person.client


def test_strangers_and_staff_of_every_role_stand_before_the_door(provider, rows):
    wrong = []
    for who, client in outsiders():
        for door, method, least, url, _is_of_a_row in addresses(rows):
            answer = answer_of(client, method, url)
            fits = is_let_in(door, answer) if least == ANYONE else is_sent_to_the_door(answer)
            if not fits or provider.name.encode() in answer.content:
                wrong.append((who, method, url, answer.status_code))
    assert wrong == []


def test_the_owner_of_another_provider_finds_nothing_of_this_one(provider, rows):
    other = make_provider(name="Somebody Else")
    client = sign_in(make_member(other, "owner")).client
    wrong = []
    for door, method, _least, url, is_of_a_row in addresses(rows):
        answer = answer_of(client, method, url)
        fits = answer.status_code == 404 if is_of_a_row else answer.status_code in (200, 302, 400, 404)
        if not fits or provider.name.encode() in answer.content:
            wrong.append((method, url, answer.status_code))
    assert wrong == []
    assert Order.objects.get(pk=rows["order_id"]).provider == provider


def test_whoever_belongs_to_nobody_any_more_sees_their_account_and_no_more(provider, rows):
    member = make_member(provider, "owner", "was@shop.test")
    merchant = sign_in(member)
    members.deactivate(member=member, actor=member.user, now=timezone.now())
    for door, method, least, url, _is_of_a_row in addresses(rows):
        answer = answer_of(merchant.client, method, url)
        if least in ROLES:
            assert answer.status_code == 403, url
            assert provider.name.encode() not in answer.content


def test_a_method_that_the_table_does_not_name_is_answered_405(provider, rows):
    client = sign_in(make_member(provider, "owner", "this@shop.test")).client
    for door in DOORS:
        names = re.findall(r"<(?:\w+:)?(\w+)>", door.route)
        url = reverse(f"portal:{door.name}", kwargs={name: {**rows, **OF_ADDRESS}[name] for name in names})
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(door.least):
            assert client.generic(method, url).status_code == 405, (method, url)
