"""`manage.py reencrypt`: seal every stored secret anew under the first key of FIELD_ENCRYPTION_KEYS.

The third step of a rotation; see "Rotating the encryption key" in docs/operations.md.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers import canary


class Command(BaseCommand):
    help = "Seal every stored secret anew under the first key of FIELD_ENCRYPTION_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        if problems := canary.problems():
            raise CommandError("Nothing was changed.\n- " + "\n- ".join(problems))
        count = canary.reencrypt()
        self.stdout.write(f"{count} values were sealed anew. Every other key can be dropped now.")
