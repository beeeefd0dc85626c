"""A provider's signing secrets: made once, rotated with overlap, wiped when they retire."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from providers import signing_secrets
from providers.models import Provider, SigningSecret

State = SigningSecret.State


def states(provider):
    return sorted(SigningSecret.objects.filter(provider=provider).values_list("state", flat=True))


@pytest.fixture
def bare(db):
    return Provider.objects.create(name="Bare", slug="bare")


def test_the_first_secret_is_made_once(bare):
    first = signing_secrets.ensure(bare, now=timezone.now())
    assert signing_secrets.ensure(bare, now=timezone.now()).pk == first.pk
    assert first.secret.reveal().startswith("whsec_")
    assert states(bare) == ["current"]


def test_a_rotation_adds_a_second_secret_and_promoting_wipes_the_first(bare):
    now = timezone.now()
    old = signing_secrets.ensure(bare, now=now)
    new = signing_secrets.rotate(bare, now=now)
    assert new.secret.reveal() != old.secret.reveal()
    assert signing_secrets.current(bare).pk == old.pk

    signing_secrets.promote(bare, now=now)
    assert signing_secrets.current(bare).pk == new.pk
    assert signing_secrets.current(bare).secret.reveal() == new.secret.reveal()
    retired = SigningSecret.objects.get(state=State.RETIRED)
    assert (retired.pk, bool(retired.secret), retired.retired_at) == (old.pk, False, now)


def test_only_one_rotation_at_a_time(bare):
    now = timezone.now()
    signing_secrets.ensure(bare, now=now)
    signing_secrets.rotate(bare, now=now)
    with pytest.raises(signing_secrets.RotationUnderWay):
        signing_secrets.rotate(bare, now=now)
    assert states(bare) == ["current", "next"]


def test_a_rotation_can_be_called_off(bare):
    now = timezone.now()
    old = signing_secrets.ensure(bare, now=now)
    signing_secrets.rotate(bare, now=now)
    signing_secrets.withdraw(bare, now=now)
    assert signing_secrets.current(bare).pk == old.pk
    assert states(bare) == ["current", "retired"]


def test_without_a_rotation_there_is_nothing_to_promote_or_call_off(bare):
    now = timezone.now()
    signing_secrets.ensure(bare, now=now)
    for act in (signing_secrets.promote, signing_secrets.withdraw):
        with pytest.raises(signing_secrets.NoRotation):
            act(bare, now=now)
    assert states(bare) == ["current"]


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_make_one_secret():
    bare = Provider.objects.create(name="Bare", slug="bare")

    def ensure(_):
        try:
            return signing_secrets.ensure(bare, now=timezone.now()).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(ensure, range(8)))
    assert len(made) == 1
    assert states(bare) == ["current"]


def test_the_secrets_of_many_are_read_in_one_query(bare, django_assert_num_queries):
    other = Provider.objects.create(name="Other", slug="other")
    for row in (bare, other):
        signing_secrets.ensure(row, now=timezone.now())
    signing_secrets.rotate(other, now=timezone.now())
    with django_assert_num_queries(1):
        pairs = signing_secrets.pairs_of([bare.pk, other.pk, bare.service_id or other.pk])
    assert pairs[bare.pk].next is None
    assert pairs[other.pk].next is not None
