"""Empty the database after a test that commits, without making everything anew.

Django's way truncates every table and then writes content types, permissions and our roles again: half a second a
test, thousands of times. Here rows are deleted, and what a migration writes stays where no test has touched it.
"""

import itertools

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Count, Sum

KEPT = (ContentType, Permission, Group, Group.permissions.through)
WHOLE_EVERY = 200  # deleted rows leave their place behind, and nothing sweeps a server that lives for minutes

_turn = itertools.count(1)
_as_written = []  # empty, or what stays as the migrations have written it


def empty() -> None:
    if next(_turn) % WHOLE_EVERY and _as_written == [_kept()]:
        _delete()
    else:
        call_command("flush", verbosity=0, interactive=False, reset_sequences=False)
        _as_written[:] = [_kept()]


def _kept():
    """What tells whether a test has changed the rows that stay."""
    sums = [model.objects.aggregate(Count("pk"), Sum("pk")) for model in KEPT]
    roles = Group.permissions.through.objects.order_by("pk").values_list("group__name", "permission_id")
    return sums, sorted(roles), list(Group.objects.order_by("pk").values_list("name", flat=True))


def _delete() -> None:
    kept = {model._meta.db_table for model in KEPT}
    models = apps.get_models(include_auto_created=True)
    tables = {model._meta.db_table for model in models if model._meta.managed and not model._meta.proxy}
    names = [f'"{name}"' for name in sorted(tables - kept)]
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Like TRUNCATE: wait for what a thread of the test is still writing, so that it is deleted as well.
            cursor.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(";".join(f"DELETE FROM {name}" for name in names))
        else:
            for name in names:
                cursor.execute(f"DELETE FROM {name}")
