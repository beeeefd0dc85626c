"""Times of the portal: all of them by the clock of the provider, which its pages name."""

from datetime import datetime

from django.utils.translation import get_language

from checkout import display, takings
from providers.models import Provider


def short(at: datetime, provider: Provider) -> str:
    """`20 Nov 2026, 10:01`, where the page says whose clock it is."""
    return moment(at, provider).rpartition(" (")[0]


def moment(at: datetime | None, provider: Provider) -> str:
    """`20 Nov 2026, 10:01 (UTC)`; an empty text for None."""
    return display.moment(at, get_language() or "en", zone=takings.zone_of(provider).key) if at else ""
