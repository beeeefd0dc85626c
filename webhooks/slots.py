"""Seats for running drains: a kick that finds all of them taken goes home, because a running drain sees its row."""

import time
import uuid
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from webhooks.models import DrainSlot

HELD_SECONDS = 5.0  # a killed drain's seat falls free after this
RENEWED_EVERY_SECONDS = 1.0


class Slot:
    """A seat that is ours as long as it is renewed."""

    def __init__(self, number: int, holder: uuid.UUID) -> None:
        self.number = number
        self.holder = holder
        self._renewed = time.monotonic()

    def renew(self) -> bool:
        """Keep it; False when it was lost (we were too slow, and somebody else sits there)."""
        if time.monotonic() - self._renewed < RENEWED_EVERY_SECONDS:
            return True
        self._renewed = time.monotonic()
        mine = DrainSlot.objects.filter(number=self.number, holder=self.holder)
        return bool(mine.update(held_until=Now() + timedelta(seconds=HELD_SECONDS)))

    def free(self) -> None:
        DrainSlot.objects.filter(number=self.number, holder=self.holder).update(holder=None, held_until=None)


def take(count: int) -> Slot | None:
    """One of `count` seats, or None when all are taken."""
    free = Q(holder=None) | Q(held_until__lt=Now())
    taken = set(DrainSlot.objects.filter(~free, number__lte=count).values_list("number", flat=True))
    for number in range(1, count + 1):
        if number in taken:
            continue
        DrainSlot.objects.bulk_create([DrainSlot(number=number)], ignore_conflicts=True)
        holder = uuid.uuid4()
        until = Now() + timedelta(seconds=HELD_SECONDS)
        if DrainSlot.objects.filter(free, number=number).update(holder=holder, held_until=until):
            return Slot(number, holder)
    return None
