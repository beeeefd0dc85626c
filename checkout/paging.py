"""Pages of long lists by a place in them, not by a number: as quick at the end as at the beginning, and nothing is
skipped or shown twice when rows come in meanwhile. For rows with `created_at` and `id`, the youngest first.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

T = TypeVar("T", bound=Model)
EARLIEST, LATEST = 2000, 2200  # years that a cursor of ours may name


@dataclass(frozen=True, slots=True)
class Place:
    """A row's place in the list."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        """The opaque text that stands in addresses."""
        return base64.urlsafe_b64encode(f"{self.at.isoformat()}/{self.id.hex}".encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows, the youngest first. `newer` and `older` are cursors, None where the list ends."""

    rows: list[T]
    newer: Place | None = None
    older: Place | None = None


def place_of(row: Any) -> Place:
    return Place(row.created_at, row.pk)


def read(text: str) -> Place | None:
    """None for what is no cursor of ours."""
    try:
        plain = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
        at, _, row_id = plain.partition("/")
        place = Place(datetime.fromisoformat(at), UUID(row_id))
        is_sane = place.at.utcoffset() is not None and EARLIEST < place.at.year < LATEST
    except (ValueError, binascii.Error):
        return None
    return place if is_sane else None


def page(
    found: QuerySet[T], *, size: int, after: Place | None = None, before: Place | None = None, is_last: bool = False
) -> Page[T]:
    """The page of what is older than `after`, or just newer than `before`, or the oldest of all; else the first."""
    if before is not None or is_last:
        return _upwards(found, size=size, before=before)
    if after is not None:
        found = found.filter(older_than(after))
    rows = list(found.order_by("-created_at", "-id")[: size + 1])
    shown = rows[:size]
    newer = place_of(shown[0]) if after is not None and shown else None
    return Page(shown, newer=newer, older=place_of(shown[-1]) if len(rows) > size else None)


def _upwards(found: QuerySet[T], *, size: int, before: Place | None) -> Page[T]:
    if before is not None:
        found = found.filter(newer_than(before))
    rows = list(found.order_by("created_at", "id")[: size + 1])
    if before is not None and len(rows) <= size:
        # So near to the beginning that the page would be short: the first page, whole, is what is meant.
        rest = found.model._default_manager.none()
        return page(rest, size=size) if not rows else Page(rows[::-1], older=place_of(rows[0]))
    shown = rows[:size][::-1]
    newer = place_of(shown[0]) if len(rows) > size else None
    return Page(shown, newer=newer, older=place_of(shown[-1]) if before is not None and shown else None)


def older_than(place: Place) -> Q:
    # The first half is what the index is entered by; an OR alone would be read row by row from the beginning.
    return Q(created_at__lte=place.at) & (Q(created_at__lt=place.at) | Q(pk__lt=place.id))


def newer_than(place: Place) -> Q:
    return Q(created_at__gte=place.at) & (Q(created_at__gt=place.at) | Q(pk__gt=place.id))
